//! The workbook of obligations as it comes back from the Office, filled in: each line as what it would have entered into the
//! register, or with all that is wrong in it by its cells. Whether it may be entered is for `domain::register`.
//!
//! Columns are known by their headers, so that they may be moved and others added; what a line is about is read from its code,
//! never from names.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::NaiveDate;

use super::problem::{Problem, Problems, Severity};
use super::sheet::{self, Dates, Fault, Line, Sheet};
use crate::domain::obligation::{Id, NewEntry, PREFIX, What};
use crate::domain::register::day;
use crate::domain::text::fold;

/// A line with anything in it that somebody fills in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// Where it stands: `sheet “Nghĩa vụ”, row 5`.
    pub place: String,
    /// What it would have entered.
    pub entries: Vec<NewEntry>,
    /// What cannot be read of it; then nothing of it is entered.
    pub problems: Vec<Problem>,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    Obligation,
    Ticket,
    Number,
    Date,
    Reached,
    Note,
    Waived,
    WaivedBecause,
    Proposed,
    Decision,
    DecidedBecause,
}

/// The headers as the workbook has them (`render::register`).
const HEADERS: [(Field, &str); 11] = [
    (Field::Obligation, "Mã nghĩa vụ"),
    (Field::Ticket, "Mã phiếu"),
    (Field::Number, "Số văn bản"),
    (Field::Date, "Ngày văn bản"),
    (Field::Reached, "Ngày đến"),
    (Field::Note, "Ghi chú"),
    (Field::Waived, "Miễn báo cáo"),
    (Field::WaivedBecause, "Lý do miễn"),
    (Field::Proposed, "Đề xuất loại trừ"),
    (Field::Decision, "Quyết định"),
    (Field::DecidedBecause, "Lý do"),
];

/// The header may stand below titles, so far down.
const TITLES: usize = 20;

/// What is written into a box that is to be ticked.
const TICKS: [&str; 7] = ["x", "co", "yes", "true", "1", "v", "✓"];
const NO_TICKS: [&str; 4] = ["khong", "no", "false", "0"];

type Columns = BTreeMap<Field, usize>;

/// Reads a workbook (or a sheet of it as CSV): every line in which something is filled in.
///
/// # Errors
/// What is wrong with the file as a whole.
pub fn read(path: &Path) -> Result<Vec<Filled>, Problems> {
    let sheets = sheet::read(path, Dates::Taken).map_err(|problem| Problems(vec![problem]))?;
    let refuse = |message: String, hint: &str| {
        Problems(vec![Problem {
            file: path.display().to_string(),
            line: None,
            column: None,
            severity: Severity::Error,
            message,
            hint: (!hint.is_empty()).then(|| hint.to_owned()),
        }])
    };
    let (mut filled, mut is_known) = (Vec::new(), false);
    for sheet in &sheets {
        let Some((header, columns)) = header(sheet) else {
            continue;
        };
        if let Some(why) = &sheet.refused {
            return Err(refuse(why.clone(), ""));
        }
        let columns = match columns {
            Ok(columns) => columns,
            Err(fault) => return Err(Problems(vec![sheet.problem(fault)])),
        };
        is_known = true;
        let lines = sheet.lines.iter().filter(|line| line.number > header);
        filled.extend(lines.filter_map(|line| Reading::new(sheet, &columns, line).filled()));
    }
    match is_known {
        true => Ok(filled),
        false => Err(refuse(
            format!("no sheet has a line with the header “{}”", HEADERS[0].1),
            "fill in the workbook that `dondoc replies export` writes",
        )),
    }
}

/// The number of the header's line with the columns that are known, or the one that stands there twice.
fn header(sheet: &Sheet) -> Option<(usize, Result<Columns, Fault>)> {
    let known = |text: &str| {
        let folded = fold(text);
        let header = HEADERS.iter().find(|(_, header)| fold(header) == folded);
        header.map(|(field, _)| *field)
    };
    let is_header = |line: &&Line| line.cells.iter().any(|cell| known(cell) == Some(Field::Obligation));
    let line = sheet.lines.iter().take(TITLES).find(is_header)?;
    let mut columns = Columns::new();
    for (column, cell) in line.cells.iter().enumerate() {
        let Some(field) = known(cell) else { continue };
        if columns.insert(field, column).is_some() {
            let fault = Fault {
                line: line.number,
                column,
                message: format!("the header “{}” stands there twice", cell.trim()),
                hint: "keep one of them".to_owned(),
            };
            return Some((line.number, Err(fault)));
        }
    }
    Some((line.number, Ok(columns)))
}

/// One line while it is read.
struct Reading<'a> {
    sheet: &'a Sheet,
    columns: &'a Columns,
    line: &'a Line,
    problems: Vec<Problem>,
}

impl<'a> Reading<'a> {
    fn new(sheet: &'a Sheet, columns: &'a Columns, line: &'a Line) -> Self {
        let faults = sheet.faults.iter().filter(|fault| fault.line == line.number);
        let own = faults.filter(|fault| columns.values().any(|column| *column == fault.column));
        Reading {
            sheet,
            columns,
            line,
            problems: own.map(|fault| sheet.problem(fault.clone())).collect(),
        }
    }

    /// A cell's text on one line; `None` where it is empty.
    fn text(&self, field: Field) -> Option<String> {
        let cell = self.line.cells.get(*self.columns.get(&field)?)?;
        let text = cell.split_whitespace().collect::<Vec<_>>().join(" ");
        (!text.is_empty()).then_some(text)
    }

    fn wrong(&mut self, field: Field, message: String, hint: &str) {
        let fault = Fault {
            line: self.line.number,
            column: self.columns.get(&field).copied().unwrap_or(0),
            message,
            hint: hint.to_owned(),
        };
        self.problems.push(self.sheet.problem(fault));
    }

    fn date(&mut self, field: Field) -> Option<NaiveDate> {
        let text = self.text(field)?;
        let date = day(&text);
        if date.is_none() {
            self.wrong(
                field,
                format!("“{text}” is no day"),
                "write it as day/month/year, such as 28/9/2021",
            );
        }
        date
    }

    fn is_ticked(&mut self, field: Field) -> bool {
        let Some(text) = self.text(field) else { return false };
        let folded = crate::domain::text::unaccented(&text).to_lowercase();
        if !TICKS.contains(&folded.as_str()) && !NO_TICKS.contains(&folded.as_str()) {
            self.wrong(
                field,
                format!("“{text}” is neither x nor empty"),
                "write x, or leave it empty",
            );
        }
        TICKS.contains(&folded.as_str())
    }

    fn decision(&mut self) -> Option<What> {
        let text = self.text(Field::Decision)?;
        let folded = crate::domain::text::unaccented(&text).to_lowercase();
        match folded.as_str() {
            "loai tru" | "dong y" | "excluded" => Some(What::Exclusion),
            "khong loai tru" | "khong dong y" | "khong" | "refused" => Some(What::Refusal),
            _ => {
                self.wrong(
                    Field::Decision,
                    format!("“{text}” is no decision"),
                    "write “loại trừ” or “không loại trừ”, or leave it empty",
                );
                None
            }
        }
    }

    fn filled(mut self) -> Option<Filled> {
        const FILLED: [Field; 9] = [
            Field::Number,
            Field::Date,
            Field::Reached,
            Field::Note,
            Field::Waived,
            Field::WaivedBecause,
            Field::Proposed,
            Field::Decision,
            Field::DecidedBecause,
        ];
        if self.problems.is_empty() && FILLED.iter().all(|field| self.text(*field).is_none()) {
            return None;
        }
        let place = match &self.sheet.title {
            Some(title) => format!("sheet “{title}”, row {}", self.line.number),
            None => format!("line {}", self.line.number),
        };
        let key = self.text(Field::Obligation);
        let id = key.as_ref().and_then(|key| Id::of_code(&format!("{PREFIX}{key}")));
        if id.is_none() {
            let message = match &key {
                Some(key) => format!("“{key}” is no code of an obligation"),
                None => "the code of the obligation is missing".to_owned(),
            };
            self.wrong(
                Field::Obligation,
                message,
                "leave the first column as `dondoc replies export` wrote it",
            );
        }
        let code = self.text(Field::Ticket);
        let entries = match (id, self.columns.contains_key(&Field::Ticket)) {
            (None, _) => Vec::new(),
            (Some(id), false) => self.about_obligation(&id),
            (Some(id), true) => self.about_ticket(&id, code),
        };
        Some(Filled {
            place,
            entries: if self.problems.is_empty() { entries } else { Vec::new() },
            problems: self.problems,
        })
    }

    fn about_obligation(&mut self, id: &Id) -> Vec<NewEntry> {
        let (number, note) = (self.text(Field::Number), self.text(Field::Note));
        let (date, reached_on) = (self.date(Field::Date), self.date(Field::Reached));
        let is_waived = self.is_ticked(Field::Waived);
        let because = self.text(Field::WaivedBecause);
        let mut entries = Vec::new();
        let mut enter = |what: What, note: Option<String>| {
            entries.push(NewEntry {
                what,
                obligation: id.clone(),
                code: None,
                number: None,
                date: None,
                reached_on: None,
                note,
            });
        };
        let is_reply = [number.is_some(), date.is_some(), reached_on.is_some(), note.is_some()].contains(&true);
        if is_reply {
            enter(What::Reply, note);
        }
        if is_waived {
            enter(What::Waiver, because);
        } else if because.is_some() {
            self.wrong(
                Field::WaivedBecause,
                "there is a reason, but the line is not ticked".to_owned(),
                "write x under “Miễn báo cáo”, or remove the reason",
            );
        }
        if is_reply && is_waived {
            self.wrong(
                Field::Waived,
                "there is a reply, and the line is ticked as waived".to_owned(),
                "keep one of them",
            );
        }
        if let Some(reply) = entries.first_mut().filter(|e| e.what == What::Reply) {
            (reply.number, reply.date, reply.reached_on) = (number, date, reached_on);
        }
        entries
    }

    fn about_ticket(&mut self, id: &Id, code: Option<String>) -> Vec<NewEntry> {
        if code.is_none() {
            self.wrong(
                Field::Ticket,
                "the code of the ticket is missing".to_owned(),
                "leave the column as `dondoc replies export` wrote it",
            );
        }
        let is_proposed = self.is_ticked(Field::Proposed);
        let decision = self.decision();
        let because = self.text(Field::DecidedBecause);
        if !is_proposed && decision.is_none() && because.is_some() && self.problems.is_empty() {
            self.wrong(
                Field::DecidedBecause,
                "there is a reason, but neither a proposal nor a decision".to_owned(),
                "write x or a decision, or remove the reason",
            );
        }
        let proposal = is_proposed.then_some(What::Proposal);
        // Who decides at once has been proposed to; the reason is that of the decision.
        let what = decision.or(proposal);
        let entry = what.map(|what| NewEntry {
            what,
            obligation: id.clone(),
            code,
            number: None,
            date: None,
            reached_on: None,
            note: because,
        });
        entry.into_iter().collect()
    }
}
