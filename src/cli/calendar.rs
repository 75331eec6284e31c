//! `dondoc calendar`: a year at a glance, and deadlines with their reckoning. Texts are English; labels stand as the
//! calendar has them.

use std::path::Path;

use chrono::{DateTime, Datelike, Month, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::{CalendarCommand, CliError, load, say, say_json};
use crate::domain::Moment;
use crate::domain::calendar::{Calendar, Counted, Due, ReckonedDay, instant_in};
use crate::domain::time::{BadSpan, Span};

pub(super) fn run(dir: &Path, command: CalendarCommand) -> Result<(), CliError> {
    let config = load(dir)?;
    match command {
        CalendarCommand::Year { year, json: as_json } => {
            let calendar = config.calendars.base();
            if as_json {
                say_json(&year_json(calendar, year))
            } else {
                say(&year_text(calendar, year))
            }
        }
        CalendarCommand::Due {
            from,
            add,
            unit,
            json: as_json,
        } => {
            let calendar = match &unit {
                None => config.calendars.base(),
                Some(id) if config.directory.unit(id).is_some() => config.calendars.of(id),
                Some(id) => return Err(CliError::Usage(format!("there is no unit `{id}` in agencies.toml"))),
            };
            let from = parse_from(&from, calendar.zone()).map_err(|e| CliError::Usage(e.to_string()))?;
            let span: Span = add.parse().map_err(|e: BadSpan| CliError::Usage(e.to_string()))?;
            if as_json {
                say_json(&due_json(calendar, from, span))
            } else {
                say(&due_text(calendar, from, span))
            }
        }
    }
    Ok(())
}

/// Why a time on the command line could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time; write it as `2021-08-31`, `2021-08-31T18:00` or `2021-08-31T18:00:00+07:00`")]
pub struct BadTime(pub String);

/// Reads a time: RFC 3339, or in the given zone a date with or without a clock time. A date alone is its midnight.
///
/// # Errors
/// When the text is none of these.
pub fn parse_from(text: &str, zone: Tz) -> Result<Moment, BadTime> {
    let text = text.trim();
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.with_timezone(&Utc));
    }
    let local = LOCAL_FORMATS
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let local = local.or_else(|| text.parse::<NaiveDate>().ok().map(|date| date.and_time(NaiveTime::MIN)));
    local
        .map(|local| instant_in(zone, local.date(), local.time()))
        .ok_or_else(|| BadTime(text.to_owned()))
}

const LOCAL_FORMATS: [&str; 4] = [
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S",
];

/// `calendar year Y` for people.
#[must_use]
pub fn year_text(calendar: &Calendar, year: i32) -> String {
    let summary = calendar.year(year);
    let mut out = format!("{year}: {} working days\n", summary.working_days);
    if summary.provisional {
        out += "provisional: reckoned from the law and the lunar table, no official schedule has been entered\n";
    }
    out += "\nclosed on weekdays\n";
    for (date, label) in &summary.closures {
        line(&mut out, format_args!("  {}  {label}", weekday_and_date(*date)));
    }
    out += "\nworked Saturdays\n";
    for date in &summary.worked_saturdays {
        let label = calendar.label(*date).unwrap_or_default();
        line(&mut out, format_args!("  {}  {label}", weekday_and_date(*date)));
    }
    if summary.worked_saturdays.is_empty() {
        out += "  none\n";
    }
    out += "\nworking days by month\n";
    for (name, days) in months(calendar, year) {
        line(&mut out, format_args!("  {name:<9}  {days:>2}"));
    }
    out
}

/// `calendar year Y --json`.
#[must_use]
pub fn year_json(calendar: &Calendar, year: i32) -> Value {
    let summary = calendar.year(year);
    let closures = summary
        .closures
        .iter()
        .map(|(date, label)| json!({ "date": date.to_string(), "label": label }));
    let worked = summary.worked_saturdays.iter().map(NaiveDate::to_string);
    json!({
        "year": year,
        "working_days": summary.working_days,
        "closures": closures.collect::<Vec<_>>(),
        "worked_saturdays": worked.collect::<Vec<_>>(),
        "provisional": summary.provisional,
    })
}

/// `calendar due` for people: the days one by one, then the due.
#[must_use]
pub fn due_text(calendar: &Calendar, from: Moment, span: Span) -> String {
    let (due, days) = calendar.reckon(from, span);
    let mut out = format!("from {}, add {span}\n\n", weekday_and_time(calendar, from));
    for reckoned in reckoning_lines(&days) {
        line(&mut out, format_args!("  {reckoned}"));
    }
    if !days.is_empty() {
        out.push('\n');
    }
    let shown = weekday_and_time(calendar, calendar.shown_at(due));
    match due {
        Due::Day(date) if calendar.is_working_day(date) => {
            line(
                &mut out,
                format_args!("due {shown}, the close of office hours; late after the end of that day"),
            );
        }
        Due::Day(_) => line(
            &mut out,
            format_args!("due {shown}, the end of a day without office hours"),
        ),
        Due::Instant(_) => line(&mut out, format_args!("due {shown}")),
    }
    if rests_on_provisional(calendar, from, due, span) {
        out += "provisional: touches days for which no official schedule has been entered\n";
    }
    out
}

/// `calendar due --json`. A day deadline's `due` is the close of office hours of that day, 24:00 if it has none.
#[must_use]
pub fn due_json(calendar: &Calendar, from: Moment, span: Span) -> Value {
    let (due, days) = calendar.reckon(from, span);
    json!({
        "from": rfc3339(calendar, from),
        "add": span.to_string(),
        "due": rfc3339(calendar, calendar.shown_at(due)),
        "day": matches!(due, Due::Day(_)),
        "provisional": rests_on_provisional(calendar, from, due, span),
        "reckoning": reckoning_json(&days),
    })
}

/// The `reckoning[]` of `calendar due` and `explain`.
#[must_use]
pub fn reckoning_json(days: &[ReckonedDay]) -> Value {
    let row = |day: &ReckonedDay| {
        let mut row = json!({
            "date": day.date.to_string(),
            "counted": day.counted,
            "why": day.why.name(),
            "label": day.why.label(),
            "provisional": day.provisional,
        });
        if let Counted::WorkingTime(time) = day.why {
            row["minutes"] = json!(time.num_minutes());
        }
        row
    };
    days.iter().map(row).collect()
}

/// An instant in the calendar's zone, RFC 3339 with offset.
#[must_use]
pub fn rfc3339(calendar: &Calendar, at: Moment) -> String {
    at.with_timezone(&calendar.zone())
        .to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Why a day counts or not, for people.
#[must_use]
pub fn words(why: &Counted) -> String {
    match why {
        Counted::TheDayItself => "the day itself does not count".to_owned(),
        Counted::WorkingDay => "working day".to_owned(),
        Counted::WorkedDay(label) => format!("worked: {label}"),
        Counted::CalendarDay => "calendar day".to_owned(),
        Counted::Weekend => "weekend".to_owned(),
        Counted::Holiday(label) => format!("off: {label}"),
        Counted::Closure(label) => format!("closed: {label}"),
        Counted::RolledTo => "the next working day".to_owned(),
        Counted::WorkingTime(time) => format!("{} of office hours", hours_and_minutes(*time)),
        Counted::Waiting => "the ticket waited at its close".to_owned(),
        Counted::OutsideHours => "outside office hours".to_owned(),
    }
}

/// Elapsed time asks the calendar nothing, so it rests on none of its days.
fn rests_on_provisional(calendar: &Calendar, from: Moment, due: Due, span: Span) -> bool {
    let last = match due {
        Due::Day(date) => date,
        Due::Instant(at) => calendar.date_of(at),
    };
    !matches!(span, Span::Elapsed(_)) && calendar.any_provisional(calendar.date_of(from), last)
}

fn months(calendar: &Calendar, year: i32) -> impl Iterator<Item = (&'static str, i32)> {
    let first = move |year, month| NaiveDate::from_ymd_opt(year, month, 1);
    (1..=12_u8).filter_map(move |n| {
        let month = Month::try_from(n).ok()?;
        let next = if n == 12 {
            first(year + 1, 1)
        } else {
            first(year, u32::from(n) + 1)
        }?;
        let before = first(year, u32::from(n))?.pred_opt()?;
        Some((month.name(), calendar.working_days_between(before, next.pred_opt()?)))
    })
}

fn weekday_and_date(date: NaiveDate) -> String {
    format!("{} {date}", date.weekday())
}

fn weekday_and_time(calendar: &Calendar, at: Moment) -> String {
    let zone: Tz = calendar.zone();
    at.with_timezone(&zone).format("%a %Y-%m-%d %H:%M %:z").to_string()
}

fn hours_and_minutes(time: TimeDelta) -> String {
    format!("{} h {:02} min", time.num_hours(), time.num_minutes() % 60)
}

/// A reckoning day by day, for `calendar due` and `explain`.
pub(super) fn reckoning_lines(days: &[ReckonedDay]) -> impl Iterator<Item = String> {
    days.iter().map(|day| {
        let number = day.counted.map(|n| n.to_string()).unwrap_or_default();
        let mark = if day.provisional { "  (provisional)" } else { "" };
        format!("{}  {number:>4}  {}{mark}", weekday_and_date(day.date), words(&day.why))
    })
}

/// Writing into a `String` cannot fail.
fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.push_str(&text.to_string());
    out.push('\n');
}
