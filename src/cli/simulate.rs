//! `dondoc simulate`: what would have been sent in past days, by these rules or by others. Nothing is sent or written.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{NaiveDate, Timelike as _};
use serde_json::json;

use super::outbox::local;
use super::{CliError, load, renderer, say, say_json};
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::hold::Scope;
use crate::domain::time::Span as Duration;
use crate::rehearsal::{self, Data, Past, PastError, Played, RehearsalError, Span};
use crate::store::seed::Told;

/// Recipients that are named as the loudest.
const LOUDEST: usize = 10;

/// As the arguments say.
pub(super) struct Asked<'a> {
    pub from: &'a str,
    pub to: &'a str,
    pub every: &'a str,
    pub rules: Option<&'a Path>,
    pub against: Option<&'a Path>,
    pub silence: &'a [String],
    pub data: Option<Data>,
    pub as_json: bool,
    pub as_csv: bool,
}

/// One notice as it is compared and listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    day: NaiveDate,
    time: String,
    unit: String,
    desk: String,
    rule: String,
    step: String,
    repetition: i64,
    ticket: String,
    channel: String,
    mode: String,
    copy: bool,
    template: String,
}

impl Line {
    /// What is told, to whatever recipient and on whatever day.
    fn matter(&self) -> (&str, &str, &str, i64) {
        (&self.ticket, &self.rule, &self.step, self.repetition)
    }

    fn is_as(&self, other: &Line) -> bool {
        self.day == other.day && self.is_to_same(other) && self.template == other.template && self.mode == other.mode
    }

    fn is_to_same(&self, other: &Line) -> bool {
        (&self.unit, &self.desk, &self.channel, self.copy) == (&other.unit, &other.desk, &other.channel, other.copy)
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "ticket": self.ticket, "rule": self.rule, "step": self.step, "repetition": self.repetition,
            "unit": self.unit, "desk": self.desk, "channel": self.channel, "mode": self.mode, "copy": self.copy,
            "day": self.day, "time": self.time, "template": self.template,
        })
    }

    fn text(&self) -> String {
        let again = match self.repetition {
            0 => String::new(),
            n => format!(" (repeat {n})"),
        };
        let (day, ticket, rule, step) = (self.day, &self.ticket, &self.rule, &self.step);
        format!("{day} {ticket} {rule}/{step}{again} {}", self.to())
    }

    fn to(&self) -> String {
        let copy = if self.copy { ", a copy" } else { "" };
        format!("to {}:{} by {}{copy}", self.unit, self.desk, self.channel)
    }

    /// What is told as this one, as it would be told by the other.
    fn becomes(&self, other: &Line) -> String {
        let mut text = format!("{} -> {} {}", self.text(), other.day, other.to());
        if self.template != other.template {
            text += &format!(", {} instead of {}", other.template, self.template);
        }
        if self.mode != other.mode {
            text += &format!(", {} instead of {}", other.mode, self.mode);
        }
        text
    }
}

/// What other rules would have told more, less or otherwise.
#[derive(Default)]
struct Difference {
    same: Vec<Line>,
    added: Vec<Line>,
    removed: Vec<Line>,
    /// As it is, and as it would be.
    changed: Vec<(Line, Line)>,
}

impl Difference {
    /// What either side tells, in order, each with what becomes of it; behind what `was` follows what it `is`.
    fn rows(&self) -> Vec<(&Line, &str)> {
        let alone = [(&self.same, "same"), (&self.added, "added"), (&self.removed, "removed")];
        let alone = alone
            .iter()
            .flat_map(|(list, word)| list.iter().map(move |line| (line, vec![(line, *word)])));
        let changed = self
            .changed
            .iter()
            .map(|(was, is)| (was, vec![(was, "was"), (is, "is")]));
        let mut all: Vec<_> = alone.chain(changed).collect();
        all.sort_by_key(|(first, _)| *first);
        all.into_iter().flat_map(|(_, rows)| rows).collect()
    }
}

pub(super) async fn run(dir: &Path, asked: Asked<'_>) -> Result<(), CliError> {
    let base = load(dir)?;
    let span = span(&asked)?;
    let silences = silences(asked.silence, &base)?;
    let config = match asked.rules {
        Some(other) => load(other)?,
        None => base.clone(),
    };
    let past = Past::read(&base, span, asked.data).await.map_err(|error| match error {
        PastError::Store(error) => error.into(),
        PastError::Source(error) => error.into(),
        PastError::NoLog => CliError::Usage(error.to_string()),
    })?;
    let other = match asked.against {
        Some(other) => Some(load(other)?),
        None => (!silences.is_empty()).then(|| config.clone()),
    };
    let played = play(&past, config.clone(), &[], span).await?;
    let against = match other {
        Some(other) => {
            let against = play(&past, other.clone(), &silences, span).await?;
            let difference = difference(lines(&played, &config), lines(&against, &other));
            Some((against, difference))
        }
        None => None,
    };
    past.close().await;
    if asked.as_csv {
        say(&match &against {
            Some((_, difference)) => csv(&difference.rows()),
            None => csv(&lines(&played, &config)
                .iter()
                .map(|line| (line, ""))
                .collect::<Vec<_>>()),
        });
    } else if asked.as_json {
        say_json(&to_json(&past, &played, against.as_ref(), &config));
    } else {
        say(&to_text(&past, &played, against.as_ref(), &config));
    }
    Ok(())
}

async fn play(
    past: &Past,
    config: Config,
    silences: &[(Scope, Moment, Moment)],
    span: Span,
) -> Result<Played, CliError> {
    let renderer = renderer(&config)?;
    let (store, register) = past.seed(&config, silences).await?;
    let played = rehearsal::play(config, renderer, past.timeline.clone(), store, register, span).await;
    played.map_err(|error| match error {
        RehearsalError::Turn(error) => error.into(),
        RehearsalError::Store(error) => error.into(),
        RehearsalError::Source(error) => error.into(),
        RehearsalError::Client(error) => CliError::Failed(error.into()),
    })
}

fn day(text: &str) -> Result<NaiveDate, CliError> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d");
    date.map_err(|_| CliError::Usage(format!("`{text}` is not a day; write it as `2021-08-31`")))
}

fn span(asked: &Asked<'_>) -> Result<Span, CliError> {
    let (from, to) = (day(asked.from)?, day(asked.to)?);
    if to < from {
        return Err(CliError::Usage(format!("--to {to} is before --from {from}")));
    }
    let every = match asked.every.parse() {
        Ok(Duration::Elapsed(every)) if every >= chrono::TimeDelta::minutes(1) => every,
        _ => {
            let every = asked.every;
            return Err(CliError::Usage(format!("--every {every}: write a time such as `30m`")));
        }
    };
    Ok(Span { from, to, every })
}

/// Silences such as `SYT:2021-08-09:2021-08-15`, both days included.
fn silences(texts: &[String], config: &Config) -> Result<Vec<(Scope, Moment, Moment)>, CliError> {
    let calendar = config.calendars.base();
    let one = |text: &String| {
        let parts: Vec<&str> = text.split(':').collect();
        let [unit, from, to] = parts.as_slice() else {
            let how = format!("--silence {text}: write it as `UNIT:2021-08-09:2021-08-15`");
            return Err(CliError::Usage(how));
        };
        let (from, to) = (day(from)?, day(to)?);
        if to < from {
            return Err(CliError::Usage(format!("--silence {text}: {to} is before {from}")));
        }
        let Some(unit) = config.directory.find(unit, from) else {
            return Err(CliError::Usage(format!("--silence {text}: no unit is called `{unit}`")));
        };
        let scope = Scope {
            unit: Some(unit.id.clone()),
            ..Scope::default()
        };
        let begins = calendar.instant(from, chrono::NaiveTime::MIN);
        Ok((scope, begins, calendar.end_of_day(to)))
    };
    texts.iter().map(one).collect()
}

fn lines(played: &Played, config: &Config) -> Vec<Line> {
    let calendar = config.calendars.base();
    let template = |rule: &str, step: &str| {
        let rule = config.rules.named(rule)?;
        Some(rule.steps.iter().find(|s| s.id == step)?.template.clone())
    };
    let line = |told: &Told| {
        let (ticket, rule, step) = (told.ticket.clone()?, told.rule.clone()?, told.step.clone()?);
        Some(Line {
            day: calendar.date_of(told.at()),
            time: told.at().with_timezone(&calendar.zone()).format("%H:%M").to_string(),
            unit: told.unit.clone(),
            desk: told.desk.clone(),
            template: template(&rule, &step).unwrap_or_default(),
            rule,
            step,
            repetition: told.repetition.unwrap_or_default(),
            ticket,
            channel: told.channel.clone(),
            mode: told.mode.clone(),
            copy: told.cc == Some(1),
        })
    };
    let mut lines: Vec<Line> = played.told.iter().filter_map(line).collect();
    lines.sort();
    lines
}

fn difference(ours: Vec<Line>, theirs: Vec<Line>) -> Difference {
    let mut found = Difference::default();
    let mut open: BTreeMap<(String, String, String, i64), Vec<Line>> = BTreeMap::new();
    let key = |line: &Line| {
        let (ticket, rule, step, n) = line.matter();
        (ticket.to_owned(), rule.to_owned(), step.to_owned(), n)
    };
    for line in theirs {
        open.entry(key(&line)).or_default().push(line);
    }
    // What is the same goes first, then the same recipient on another day, then whatever is left of the matter.
    let mut rest = ours;
    let pairs: [fn(&Line, &Line) -> bool; 3] = [Line::is_as, Line::is_to_same, |_, _| true];
    for is_pair in pairs {
        let mut left = Vec::new();
        for line in rest {
            let candidates = open.entry(key(&line)).or_default();
            match candidates.iter().position(|other| is_pair(&line, other)) {
                Some(place) => {
                    let other = candidates.remove(place);
                    match line.is_as(&other) {
                        true => found.same.push(line),
                        false => found.changed.push((line, other)),
                    }
                }
                None => left.push(line),
            }
        }
        rest = left;
    }
    found.removed = rest;
    found.added = open.into_values().flatten().collect();
    found.added.sort();
    found.changed.sort();
    found
}

/// Messages and notices.
#[derive(Default, Clone)]
struct Count {
    messages: BTreeSet<String>,
    notices: usize,
}

fn count<K: Ord>(told: &[Told], key: impl Fn(&Told) -> Option<K>) -> BTreeMap<K, Count> {
    let mut counts: BTreeMap<K, Count> = BTreeMap::new();
    for told in told {
        if let Some(key) = key(told) {
            let count = counts.entry(key).or_default();
            count.messages.insert(told.message.clone());
            count.notices += usize::from(told.ticket.is_some());
        }
    }
    counts
}

struct Counts {
    by_unit: BTreeMap<String, Count>,
    by_day: BTreeMap<String, Count>,
    by_unit_and_day: BTreeMap<(String, String), Count>,
    by_rule: BTreeMap<String, Count>,
    by_hour: BTreeMap<u32, Count>,
    loudest: Vec<(String, Count)>,
}

fn counts(played: &Played, config: &Config) -> Counts {
    let calendar = config.calendars.base();
    let told = &played.told;
    let date = |t: &Told| calendar.date_of(t.at()).to_string();
    let mut loudest: Vec<(String, Count)> = count(told, |t| Some(format!("{}:{}", t.unit, t.desk)))
        .into_iter()
        .collect();
    loudest.sort_by_key(|(name, count)| (Reverse((count.messages.len(), count.notices)), name.clone()));
    loudest.truncate(LOUDEST);
    Counts {
        by_unit: count(told, |t| Some(t.unit.clone())),
        by_day: count(told, |t| Some(date(t))),
        by_unit_and_day: count(told, |t| Some((t.unit.clone(), date(t)))),
        by_rule: count(told, |t| Some(format!("{}/{}", t.rule.clone()?, t.step.clone()?))),
        by_hour: count(told, |t| Some(t.at().with_timezone(&calendar.zone()).hour())),
        loudest,
    }
}

fn to_json(past: &Past, played: &Played, against: Option<&(Played, Difference)>, config: &Config) -> serde_json::Value {
    let counts = counts(played, config);
    let one = |c: &Count| json!({ "messages": c.messages.len(), "notices": c.notices });
    let table = |map: &BTreeMap<String, Count>| -> serde_json::Map<_, _> {
        map.iter().map(|(name, count)| (name.clone(), one(count))).collect()
    };
    let by_hour: serde_json::Map<_, _> = counts.by_hour.iter().map(|(h, c)| (h.to_string(), one(c))).collect();
    let loudest = counts
        .loudest
        .iter()
        .map(|(name, c)| json!({ "recipient": name, "messages": c.messages.len(), "notices": c.notices }));
    let mut all = json!({
        "data": past.data.word(),
        "tickets": past.timeline.len(),
        "seeded": past.is_seeded(),
        "turns": played.turns,
        "messages": played.messages(),
        "notices": played.told.iter().filter(|t| t.ticket.is_some()).count(),
        "by_unit": table(&counts.by_unit),
        "by_rule": table(&counts.by_rule),
        "by_day": table(&counts.by_day),
        "by_hour": by_hour,
        "loudest": loudest.collect::<Vec<_>>(),
        "problems": played.problems,
    });
    if let Some((other, difference)) = against {
        let list = |lines: &[Line]| lines.iter().map(Line::json).collect::<Vec<_>>();
        let changed = difference
            .changed
            .iter()
            .map(|(was, is)| json!({ "was": was.json(), "is": is.json() }));
        all["added"] = json!(list(&difference.added));
        all["removed"] = json!(list(&difference.removed));
        all["changed"] = json!(changed.collect::<Vec<_>>());
        all["against"] = json!({ "turns": other.turns, "messages": other.messages(), "problems": other.problems });
    }
    all
}

/// A line for each notice, with what becomes of it where it is compared.
fn csv(rows: &[(&Line, &str)]) -> String {
    let quoted = |text: &str| match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    };
    // Whoever writes the codes does not write formulas into the sheet that this becomes.
    let plain = |code: &str| match code.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{code}"),
        false => code.to_owned(),
    };
    let mut out = "day,time,ticket,rule,step,repetition,unit,desk,channel,mode,copy,template,difference\n".to_owned();
    for (l, difference) in rows {
        let (day, repetition, copy) = (l.day.to_string(), l.repetition.to_string(), l.copy.to_string());
        let cells = [
            &day,
            &l.time,
            &plain(&l.ticket),
            &l.rule,
            &l.step,
            &repetition,
            &l.unit,
            &l.desk,
            &l.channel,
            &l.mode,
            &copy,
            &l.template,
            *difference,
        ];
        out += &cells.map(quoted).join(",");
        out.push('\n');
    }
    out
}

fn to_text(past: &Past, played: &Played, against: Option<&(Played, Difference)>, config: &Config) -> String {
    let log = match past.log {
        Some((first, last)) => format!("from {} to {}", local(first, config), local(last, config)),
        None => "nowhere: no turn has been taken yet".to_owned(),
    };
    let mut out = match past.data {
        Data::Log => format!(
            "{} tickets by the change log, which reaches {log}\n",
            past.timeline.len()
        ),
        Data::Database => format!(
            "{} tickets by the ticket database, earlier states by their own times; the change log reaches {log}\n",
            past.timeline.len()
        ),
    };
    out += &match past.is_seeded() {
        true => format!("begins with what was told before: {} tellings\n", past.told_before()),
        false => "begins with nothing told before: the first days have what a first turn opens with\n".to_owned(),
    };
    if past.rejected > 0 {
        out += &format!("! {} rows cannot be read and are left out\n", past.rejected);
    }
    let notices = played.told.iter().filter(|t| t.ticket.is_some()).count();
    out += &format!(
        "{} turns, {} messages, {notices} notices; nothing was sent\n",
        played.turns,
        played.messages()
    );
    let counts = counts(played, config);
    let mut table = |title: &str, rows: &[(String, Count)]| {
        if rows.is_empty() {
            return;
        }
        let names = rows.iter().map(|(name, _)| name.chars().count());
        let width = names.max().unwrap_or_default().max(30);
        out += &format!("\n{title:<0$} messages  notices\n", width + 2);
        for (name, count) in rows {
            out += &format!("  {name:<width$} {:>8} {:>8}\n", count.messages.len(), count.notices);
        }
    };
    let named = |map: &BTreeMap<String, Count>| -> Vec<(String, Count)> {
        map.iter().map(|(name, count)| (name.clone(), count.clone())).collect()
    };
    let by_day: Vec<(String, Count)> = counts
        .by_unit_and_day
        .iter()
        .map(|((unit, day), count)| (format!("{unit} {day}"), count.clone()))
        .collect();
    let by_hour: Vec<(String, Count)> = counts
        .by_hour
        .iter()
        .map(|(h, c)| (format!("{h:02}:00"), c.clone()))
        .collect();
    let tables = [
        ("by unit", named(&counts.by_unit)),
        ("by unit and day", by_day),
        ("by rule and step", named(&counts.by_rule)),
        ("by hour", by_hour),
        ("loudest recipients", counts.loudest.clone()),
    ];
    for (title, rows) in &tables {
        table(title, rows);
    }
    problems(&mut out, "", played);
    if let Some((other, difference)) = against {
        out += &compared(played, other, difference);
    }
    out
}

fn problems(out: &mut String, whose: &str, played: &Played) {
    for (problem, turns) in &played.problems {
        *out += &format!("! {whose}{problem} ({turns} turns)\n");
    }
}

fn compared(played: &Played, other: &Played, difference: &Difference) -> String {
    let Difference {
        added,
        removed,
        changed,
        ..
    } = difference;
    let mut out = format!(
        "\nagainst the other: {} messages instead of {}; {} notices added, {} removed, {} changed\n",
        other.messages(),
        played.messages(),
        added.len(),
        removed.len(),
        changed.len()
    );
    let mut units: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    // What goes to another unit changes something for both.
    let moved_to = changed.iter().filter(|(was, is)| was.unit != is.unit).map(|(_, is)| is);
    let lists = [
        added.iter().collect(),
        removed.iter().collect(),
        changed.iter().map(|(was, _)| was).chain(moved_to).collect::<Vec<_>>(),
    ];
    for (place, list) in lists.iter().enumerate() {
        for line in list {
            if let Some(count) = units.entry(line.unit.as_str()).or_default().get_mut(place) {
                *count += 1;
            }
        }
    }
    for (unit, [added, removed, changed]) in units {
        out += &format!("  {unit:<30} +{added} -{removed} ~{changed}\n");
    }
    for line in added {
        out += &format!("+ {}\n", line.text());
    }
    for line in removed {
        out += &format!("- {}\n", line.text());
    }
    for (was, is) in changed {
        out += &format!("~ {}\n", was.becomes(is));
    }
    problems(&mut out, "against: ", other);
    out
}
