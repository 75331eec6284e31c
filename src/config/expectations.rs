//! Expectation files: tickets with what happens to them, and what is to be told of them on which day.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use super::problem::Place;
use super::read::{Findings, Node, Section};
use super::{File, Problems};

/// An expectation file.
#[derive(Debug)]
pub struct Expectations {
    /// Days that are played, both included.
    pub from: NaiveDate,
    pub to: NaiveDate,
    /// Another configuration directory than the one that is given.
    pub config: Option<PathBuf>,
    pub tickets: Vec<TicketStory>,
    pub expected: Vec<Expected>,
}

/// A ticket as it is received, and what changes when.
#[derive(Debug)]
pub struct TicketStory {
    /// `file:line`.
    pub place: String,
    pub columns: Columns,
    pub events: Vec<(String, Columns)>,
}

/// Columns as the source's query would return them.
pub type Columns = BTreeMap<&'static str, String>;

/// A notice to one recipient about some tickets.
#[derive(Debug)]
pub struct Expected {
    /// `file:line`.
    pub place: String,
    pub day: NaiveDate,
    /// Such as `SYT:contact`.
    pub to: String,
    pub rule: String,
    pub step: String,
    pub tickets: Vec<String>,
    pub copy: bool,
}

/// Reads an expectation file whose tickets may have these columns.
///
/// # Errors
/// Everything that is wrong in it.
pub fn expectations(path: &Path, columns: &[&'static str]) -> Result<Expectations, Problems> {
    let findings = Findings::default();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let dir = path.parent().unwrap_or(Path::new(""));
    let file = File::open(dir, &name.unwrap_or_default(), None, &findings);
    let read = file
        .as_ref()
        .and_then(|file| file.root(&findings).table(|s| read(s, dir, columns)).flatten());
    let problems = findings.sorted();
    match read {
        Some(read) if problems.is_empty() => Ok(read),
        _ => Err(Problems(problems)),
    }
}

fn read(s: &mut Section<'_>, dir: &Path, columns: &[&'static str]) -> Option<Expectations> {
    s.optional::<String>("title");
    let from = s.required::<NaiveDate>("from");
    let to = s.required::<NaiveDate>("to");
    let config = s.optional::<String>("config").map(|config| dir.join(config));
    let tickets = s.items("ticket").into_iter();
    let tickets = tickets
        .filter_map(|node| node.table(|s| read_ticket(s, node, columns)))
        .collect();
    let expected = s.items("expect").into_iter();
    let expected = expected
        .filter_map(|node| node.table(|s| read_expected(s, node)).flatten())
        .collect();
    let (from, to) = (from?, to?);
    if to < from {
        s.node.error(format!("`to` ({to}) is before `from` ({from})"));
    }
    Some(Expectations {
        from,
        to,
        config,
        tickets,
        expected,
    })
}

fn shown(node: Node<'_>) -> String {
    match node.place() {
        Place::Text { file, line, .. } => format!("{file}:{line}"),
        Place::File(file) => file,
        Place::Variable(name) => name,
    }
}

fn read_columns(s: &mut Section<'_>, columns: &[&'static str]) -> Columns {
    let columns = columns.iter();
    columns
        .filter_map(|column| Some((*column, s.optional::<String>(column)?)))
        .collect()
}

fn read_ticket(s: &mut Section<'_>, node: Node<'_>, columns: &[&'static str]) -> TicketStory {
    for needed in ["code", "status", "received_at"] {
        s.required::<String>(needed);
    }
    let events = s.items("event").into_iter().filter_map(|node| {
        node.table(|s| Some((s.required::<String>("at")?, read_columns(s, columns))))
            .flatten()
    });
    let events = events.collect();
    TicketStory {
        place: shown(node),
        columns: read_columns(s, columns),
        events,
    }
}

fn read_expected(s: &mut Section<'_>, node: Node<'_>) -> Option<Expected> {
    let day = s.required::<NaiveDate>("day");
    let to = s.required::<String>("to");
    let rule = s.required::<String>("rule");
    let step = s.required::<String>("step");
    let tickets = s.required::<Vec<String>>("tickets");
    let copy = s.or("copy", false);
    Some(Expected {
        place: shown(node),
        day: day?,
        to: to?,
        rule: rule?,
        step: step?,
        tickets: tickets?,
        copy,
    })
}
