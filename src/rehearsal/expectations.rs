//! Expectation files played: what is told of made-up tickets, held against what was to be told.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};

use super::{Past, Played, Span};
use crate::config::Config;
use crate::config::expectations::{Columns, Expectations, TicketStory};
use crate::domain::Moment;
use crate::domain::notice::Mode;
use crate::source::{State, Timeline, Value, decode};

/// A notice: day, recipient such as `SYT:contact`, rule, step, ticket, and whether it is a copy.
type Notice = (NaiveDate, String, String, String, String, bool);

/// What is not as it was to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// Where the expectation stands; none for what nobody expects.
    pub place: Option<String>,
    pub text: String,
}

/// The configuration as expectations are played by it: everything is live, and a source with few tickets is no sign of
/// anything.
#[must_use]
pub fn by_which(mut config: Config) -> Config {
    config.delivery.mode = Mode::Live;
    config.delivery.live_units.clear();
    config.source.stale_after = None;
    config.source.implausible_share = f64::MAX;
    config
}

/// The days of a file.
#[must_use]
pub fn span(file: &Expectations) -> Span {
    Span {
        from: file.from,
        to: file.to,
        every: TimeDelta::minutes(30),
    }
}

/// The file's tickets with what happens to them.
///
/// # Errors
/// Each ticket that cannot be read, with its place.
pub fn past(file: &Expectations, config: &Config) -> Result<Past, Vec<String>> {
    let mut faults = Vec::new();
    let mut all = Vec::new();
    for story in &file.tickets {
        match states(story, config) {
            Ok(states) => all.extend(states),
            Err(fault) => faults.push(format!("{}: {fault}", story.place)),
        }
    }
    match faults.is_empty() {
        true => Ok(Past::made_up(
            Timeline::new(all),
            span(file).begins(config.calendars.base()),
        )),
        false => Err(faults),
    }
}

fn states(story: &TicketStory, config: &Config) -> Result<Option<(String, Vec<State>)>, String> {
    let mut columns = story.columns.clone();
    let received = columns.get("received_at").cloned().unwrap_or_default();
    let mut states = vec![state(&columns, &received, config)?];
    for (at, changes) in &story.events {
        columns.extend(changes.iter().map(|(column, value)| (*column, value.clone())));
        states.push(state(&columns, at, config)?);
    }
    let code = states.first().and_then(|s| Some(s.ticket.as_ref()?.code.clone()));
    Ok(code.map(|code| (code, states)))
}

/// The row as the source would return it, from an instant on, at which it was updated.
fn state(columns: &Columns, from: &str, config: &Config) -> Result<State, String> {
    // As the source has null.
    let columns = columns.iter().filter(|(_, value)| *value != "-");
    let mut values: decode::Values = columns
        .map(|(name, value)| (*name, Value::Text(value.clone())))
        .collect();
    values.insert("updated_at", Value::Text(from.to_owned()));
    let mut spoiled = Vec::new();
    let row = decode::row(&mut values, &config.source, &mut spoiled).map_err(|rejected| rejected.to_string())?;
    if let Some(spoiled) = spoiled.first() {
        return Err(spoiled.to_string());
    }
    if !row.ticket.status_mapped {
        return Err(format!("status `{}` is not in [source.status]", row.ticket.status_word));
    }
    let from: Moment = row.ticket.updated_at.unwrap_or(row.ticket.received_at);
    Ok(State {
        from,
        ticket: Some(row.ticket),
        texts: row.texts,
    })
}

/// What differs between what was told and what was to be told, missing and unexpected alike.
#[must_use]
pub fn compare(file: &Expectations, played: &Played, config: &Config) -> Vec<Differing> {
    let calendar = config.calendars.base();
    let mut told: BTreeMap<Notice, usize> = BTreeMap::new();
    for t in &played.told {
        if let (Some(ticket), Some(rule), Some(step)) = (&t.ticket, &t.rule, &t.step) {
            let to = format!("{}:{}", t.unit, t.desk);
            let day = calendar.date_of(t.at());
            let notice = (day, to, rule.clone(), step.clone(), ticket.clone(), t.cc == Some(1));
            *told.entry(notice).or_default() += 1;
        }
    }
    let mut missing = Vec::new();
    for e in &file.expected {
        for ticket in &e.tickets {
            let (to, rule, step) = (e.to.clone(), e.rule.clone(), e.step.clone());
            let notice = (e.day, to, rule, step, ticket.clone(), e.copy);
            match told.get_mut(&notice) {
                Some(left) if *left > 0 => *left -= 1,
                _ => missing.push((e, notice)),
            }
        }
    }
    told.retain(|_, left| *left > 0);
    let mut differing: Vec<Differing> = missing
        .into_iter()
        .map(|(e, notice)| Differing {
            place: Some(e.place.clone()),
            text: format!("missing: {}{}", text(&notice), instead(&notice, &told)),
        })
        .collect();
    differing.extend(told.into_keys().map(|notice| Differing {
        place: None,
        text: format!("unexpected: {}", text(&notice)),
    }));
    differing.extend(played.problems.keys().map(|problem| Differing {
        place: None,
        text: format!("problem: {problem}"),
    }));
    differing
}

fn text((day, to, rule, step, ticket, is_copy): &Notice) -> String {
    let copy = if *is_copy { " (copy)" } else { "" };
    format!("{day} {to}{copy} {rule}/{step} {ticket}")
}

/// When or to whom the same was told instead.
fn instead((_, _, rule, step, ticket, _): &Notice, told: &BTreeMap<Notice, usize>) -> String {
    let same = told
        .keys()
        .filter(|(_, _, r, s, t, _)| (r, s, t) == (rule, step, ticket));
    let same: Vec<String> = same
        .map(|(day, to, _, _, _, is_copy)| format!("{day} {to}{}", if *is_copy { " (copy)" } else { "" }))
        .collect();
    match same.is_empty() {
        true => String::new(),
        false => format!("; told instead: {}", same.join(", ")),
    }
}
