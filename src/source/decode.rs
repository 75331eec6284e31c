//! One foreign row into a ticket. Only a null or duplicate `code` or an unreadable `received_at` rejects it; any other
//! bad value becomes null. Both are named by code and column, never by value. Nothing here panics on foreign data.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Datelike, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use chrono_tz::Tz;

use super::Row;
use crate::config::settings::SourceSettings;
use crate::domain::Moment;
use crate::domain::obligation;
use crate::domain::text::{fold, nfc};
use crate::domain::ticket::{Rating, Status, Texts, Ticket, WrittenTime};

/// A column's value, whatever the database calls its type.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    /// Text that is not UTF-8, or a blob.
    Bytes(Vec<u8>),
    /// A time that the database keeps as an instant; it has no date of its own.
    Instant(Moment),
}

impl Value {
    /// Text, as far as it is UTF-8.
    pub(super) fn of_bytes(bytes: Vec<u8>) -> Value {
        String::from_utf8(bytes).map_or_else(|e| Value::Bytes(e.into_bytes()), Value::Text)
    }
}

/// The columns of `spec.md` §2.
pub const COLUMNS: [&str; 31] = [
    "code",
    "status",
    "received_at",
    "updated_at",
    "assigned_at",
    "due_at",
    "extended_to",
    "answered_at",
    "closed_at",
    "rated_at",
    "waiting_since",
    "title",
    "body",
    "kind",
    "category",
    "priority",
    "channel",
    "area",
    "level",
    "tags",
    "is_procedure",
    "agency",
    "co_agencies",
    "subject_agency",
    "waiting_on",
    "stage",
    "confidential",
    "reopen_count",
    "rating",
    "rating_excluded",
    "url",
];

/// The columns that hold what somebody wrote.
pub(super) const TEXTS: [&str; 2] = ["title", "body"];

/// Why a row was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error("is null")]
    Null,
    #[error("stands in more than one row")]
    Duplicate,
    #[error("cannot be read as a time")]
    NotATime,
    #[error("is outside the years 1990 to 2100")]
    OutOfRange,
    #[error("is longer than {0} characters")]
    TooLong(usize),
    #[error("is not UTF-8")]
    NotUtf8,
    #[error("has a line break or another control character")]
    NotOneLine,
    #[error("is in a legacy encoding (TCVN3, VNI or UTF-8 read as Windows-1252)")]
    LegacyEncoding,
    #[error(
        "begins with `{}`, which is kept for what is owed by a directive",
        obligation::PREFIX
    )]
    Reserved,
    #[error("is not a whole number")]
    NotANumber,
    #[error("is neither yes nor no")]
    NotABoolean,
    #[error("is not in [source.rating]")]
    UnmappedRating,
}

/// A row that could not be taken, or several alike that have no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ticket {}: column {column} {why}", code.as_deref().unwrap_or("without code"))]
pub struct Rejected {
    pub code: Option<String>,
    pub column: &'static str,
    pub why: Why,
    pub rows: usize,
}

impl Rejected {
    #[must_use]
    pub(super) fn row(code: Option<String>, column: &'static str, why: Why) -> Rejected {
        Rejected {
            code,
            column,
            why,
            rows: 1,
        }
    }
}

/// A value that became null.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ticket {code}: column {column} {why}")]
pub struct Spoiled {
    pub code: String,
    pub column: &'static str,
    pub why: Why,
}

/// The values of one row by column; columns that the query lacks are not in it. They are so few that each is found sooner in
/// a list than in a map.
#[derive(Debug)]
pub struct Values(Vec<(&'static str, Value)>);

impl Values {
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| *name == column).map(|(_, value)| value)
    }

    /// Puts a column's value in the place of the one that it had.
    pub fn insert(&mut self, column: &'static str, value: Value) {
        self.remove(column);
        self.0.push((column, value));
    }

    pub fn remove(&mut self, column: &str) -> Option<Value> {
        let place = self.0.iter().position(|(name, _)| *name == column)?;
        Some(self.0.swap_remove(place).1)
    }
}

impl FromIterator<(&'static str, Value)> for Values {
    fn from_iter<I: IntoIterator<Item = (&'static str, Value)>>(values: I) -> Values {
        Values(values.into_iter().collect())
    }
}

/// Characters of a code; no system's are longer, and what bears one has its limits.
const LONGEST_CODE: usize = 200;

/// Characters of any other text that decides; beyond that it is no word of anybody's.
pub(super) const LONGEST_WORD: usize = 2_000;

/// Characters of title and body that rules look at; what comes after them is not read.
pub(super) const MOST_TEXT: usize = 20_000;

/// Decodes a row; what it had to drop is added to `spoiled`.
pub fn row(values: &mut Values, settings: &SourceSettings, spoiled: &mut Vec<Spoiled>) -> Result<Row, Rejected> {
    let code = match values.remove("code") {
        Some(Value::Text(text)) if nfc(&text).contains(char::is_control) => {
            return Err(Rejected::row(None, "code", Why::NotOneLine));
        }
        Some(Value::Text(text)) if text.chars().count() > LONGEST_CODE => {
            return Err(Rejected::row(None, "code", Why::TooLong(LONGEST_CODE)));
        }
        Some(Value::Text(text)) if !nfc(&text).is_empty() => nfc(&text),
        Some(Value::Integer(n)) => n.to_string(),
        Some(Value::Bytes(_)) => {
            return Err(Rejected::row(None, "code", Why::NotUtf8));
        }
        _ => {
            return Err(Rejected::row(None, "code", Why::Null));
        }
    };
    if obligation::is_code(&code) {
        return Err(Rejected::row(Some(code), "code", Why::Reserved));
    }
    let mut fields = Fields {
        values,
        code,
        zone: settings.time_zone,
        spoiled,
    };
    let received_at = match fields.take("received_at") {
        Value::Null => Err(Why::Null),
        value => time(&value, settings.time_zone).map(|w| w.at),
    };
    let received_at = received_at.map_err(|why| Rejected::row(Some(fields.code.clone()), "received_at", why))?;
    let updated_raw = raw(fields.values.get("updated_at"));
    let status_word = fields.text("status").unwrap_or_default();
    let mapped = settings.status.get(&fold(&status_word)).copied();
    let rating = fields.text("rating");
    let ticket = Ticket {
        status: mapped.unwrap_or(Status::Open),
        status_mapped: mapped.is_some(),
        status_word,
        received_at,
        updated_at: fields.moment("updated_at"),
        assigned_at: fields.moment("assigned_at"),
        due_at: fields.written("due_at"),
        extended_to: fields.written("extended_to"),
        answered_at: fields.moment("answered_at"),
        closed_at: fields.moment("closed_at"),
        rated_at: fields.moment("rated_at"),
        waiting_since: fields.moment("waiting_since"),
        kind: fields.text("kind"),
        category: fields.text("category"),
        priority: fields.text("priority"),
        channel: fields.text("channel"),
        area: fields.text("area"),
        level: fields.integer("level"),
        tags: fields.list("tags").into_iter().collect::<BTreeSet<_>>(),
        is_procedure: fields.boolean("is_procedure"),
        agency: fields.text("agency"),
        co_agencies: fields.list("co_agencies"),
        subject_agency: fields.text("subject_agency"),
        waiting_on: fields.text("waiting_on"),
        stage: fields.text("stage"),
        // Unreadable is treated as confidential: the ticket then goes to the head alone instead of into a digest.
        confidential: fields.yes_or_no("confidential").unwrap_or(true),
        reopen_count: fields.integer("reopen_count"),
        rating: rating.and_then(|word| fields.rating(&word, &settings.rating)),
        rating_excluded: fields.boolean("rating_excluded"),
        url: fields.text("url"),
        duty: None,
        proposed: None,
        code: fields.code.clone(),
    };
    let texts = Texts {
        title: fields.text("title"),
        body: fields.text("body"),
    };
    Ok(Row {
        ticket,
        texts,
        updated_raw,
    })
}

/// A value as the source wrote it, for comparing.
#[must_use]
pub fn raw(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Null | Value::Bytes(_) => None,
        Value::Instant(at) => Some(at.to_rfc3339()),
        Value::Integer(n) => Some(n.to_string()),
        Value::Real(x) => Some(x.to_string()),
        Value::Text(text) => Some(one_line(text)).filter(|t| !t.is_empty()),
    }
}

/// Line breaks and other control characters have no place in any column; they could end a header or a log line.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

struct Fields<'a> {
    values: &'a mut Values,
    code: String,
    zone: Tz,
    spoiled: &'a mut Vec<Spoiled>,
}

impl Fields<'_> {
    fn take(&mut self, column: &'static str) -> Value {
        self.values.remove(column).unwrap_or(Value::Null)
    }

    fn spoil<T>(&mut self, column: &'static str, why: Why) -> Option<T> {
        self.spoiled.push(Spoiled {
            code: self.code.clone(),
            column,
            why,
        });
        None
    }

    fn text(&mut self, column: &'static str) -> Option<String> {
        match self.take(column) {
            Value::Null => None,
            Value::Bytes(_) => self.spoil(column, Why::NotUtf8),
            Value::Text(text) if !TEXTS.contains(&column) && text.chars().nth(LONGEST_WORD).is_some() => {
                self.spoil(column, Why::TooLong(LONGEST_WORD))
            }
            Value::Text(text) if is_legacy(&text) => self.spoil(column, Why::LegacyEncoding),
            Value::Text(text) => Some(nfc(&one_line(&text))).filter(|t| !t.is_empty()),
            Value::Integer(n) => Some(n.to_string()),
            Value::Real(x) => Some(x.to_string()),
            Value::Instant(at) => Some(at.to_rfc3339()),
        }
    }

    fn list(&mut self, column: &'static str) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let text = self.text(column).unwrap_or_default();
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|p| !p.is_empty())
            .map(str::to_owned);
        parts.filter(|p| seen.insert(p.clone())).collect()
    }

    fn written(&mut self, column: &'static str) -> Option<WrittenTime> {
        match self.take(column) {
            Value::Null => None,
            Value::Text(text) if text.trim().is_empty() => None,
            value => match time(&value, self.zone) {
                Ok(written) => Some(written),
                Err(why) => self.spoil(column, why),
            },
        }
    }

    fn moment(&mut self, column: &'static str) -> Option<Moment> {
        self.written(column).map(|w| w.at)
    }

    fn integer(&mut self, column: &'static str) -> Option<i64> {
        match self.take(column) {
            Value::Null => None,
            Value::Integer(n) => Some(n),
            Value::Text(text) if text.trim().is_empty() => None,
            Value::Text(text) => match text.trim().parse() {
                Ok(n) => Some(n),
                Err(_) => self.spoil(column, Why::NotANumber),
            },
            Value::Real(x) if x.fract() == 0.0 && x.abs() < 1e15 => format!("{x:.0}").parse().ok(),
            Value::Real(_) | Value::Bytes(_) | Value::Instant(_) => self.spoil(column, Why::NotANumber),
        }
    }

    fn boolean(&mut self, column: &'static str) -> bool {
        self.yes_or_no(column).unwrap_or(false)
    }

    /// Nothing written is a no; `None` where what is written is neither.
    fn yes_or_no(&mut self, column: &'static str) -> Option<bool> {
        let value = match self.take(column) {
            Value::Null => Some(false),
            Value::Integer(n) => Some(n != 0),
            Value::Text(text) => match fold(&text).as_str() {
                "1" | "t" | "true" | "y" | "yes" | "co" | "x" => Some(true),
                "" | "0" | "f" | "false" | "n" | "no" | "khong" => Some(false),
                _ => None,
            },
            Value::Real(_) | Value::Bytes(_) | Value::Instant(_) => None,
        };
        value.or_else(|| self.spoil(column, Why::NotABoolean))
    }

    fn rating(&mut self, word: &str, ratings: &HashMap<String, Rating>) -> Option<Rating> {
        ratings
            .get(&fold(word))
            .copied()
            .or_else(|| self.spoil("rating", Why::UnmappedRating))
    }
}

/// Reads a time in any writing that ticket databases use; day always before month.
///
/// Times without a zone are the source's. The date is the one that was written, whatever the zone makes of it.
pub fn time(value: &Value, zone: Tz) -> Result<WrittenTime, Why> {
    match value {
        Value::Integer(n) => epoch(*n, zone),
        Value::Real(x) => epoch_real(*x, zone),
        // A number in a column that holds text.
        Value::Text(text) if is_epoch(text.trim()) => {
            let n = text.trim().parse().map_err(|_| Why::NotATime)?;
            epoch(n, zone)
        }
        Value::Text(text) => written(text.trim(), zone),
        Value::Instant(at) => in_range(WrittenTime {
            date: at.with_timezone(&zone).date_naive(),
            at: *at,
            has_time: true,
        }),
        Value::Null | Value::Bytes(_) => Err(Why::NotATime),
    }
}

/// Ten digits are seconds, thirteen milliseconds; eight would be a date without separators.
fn is_epoch(text: &str) -> bool {
    matches!(text.len(), 10 | 13) && text.bytes().all(|b| b.is_ascii_digit())
}

/// Numbers from here on are milliseconds: as seconds they would lie in the year 5138.
const FIRST_MILLIS: i64 = 100_000_000_000;

/// Seconds, or milliseconds where the number is too large for seconds of our century. A number names no date of its
/// own, so the date is the one in the source's zone.
fn epoch(n: i64, zone: Tz) -> Result<WrittenTime, Why> {
    let at = if (-FIRST_MILLIS..FIRST_MILLIS).contains(&n) {
        DateTime::from_timestamp(n, 0)
    } else {
        DateTime::from_timestamp_millis(n)
    };
    let at = at.ok_or(Why::OutOfRange)?;
    in_range(WrittenTime {
        date: at.with_timezone(&zone).date_naive(),
        at,
        has_time: true,
    })
}

/// The same with a fraction, which is dropped.
fn epoch_real(x: f64, zone: Tz) -> Result<WrittenTime, Why> {
    if !x.is_finite() {
        return Err(Why::NotATime);
    }
    let whole = format!("{:.0}", x.trunc());
    epoch(whole.parse().map_err(|_| Why::OutOfRange)?, zone)
}

fn written(text: &str, zone: Tz) -> Result<WrittenTime, Why> {
    if let Ok(at) = DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)) {
        return in_range(WrittenTime {
            date: at.date_naive(),
            at: at.to_utc(),
            has_time: true,
        });
    }
    // PostgreSQL writes an offset of whole hours without minutes.
    let zoned = ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"];
    if let Some(at) = zoned.iter().find_map(|f| DateTime::parse_from_str(text, f).ok()) {
        return in_range(WrittenTime {
            date: at.date_naive(),
            at: at.to_utc(),
            has_time: true,
        });
    }
    let naive = [
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%dT%H:%M",
        "%d/%m/%Y %H:%M:%S",
        "%d/%m/%Y %H:%M",
    ];
    if let Some(local) = naive.iter().find_map(|f| NaiveDateTime::parse_from_str(text, f).ok()) {
        return in_range(WrittenTime {
            date: local.date(),
            at: in_zone(local, zone)?,
            has_time: true,
        });
    }
    let date = ["%Y-%m-%d", "%d/%m/%Y"]
        .iter()
        .find_map(|f| NaiveDate::parse_from_str(text, f).ok())
        .ok_or(Why::NotATime)?;
    in_range(WrittenTime {
        date,
        at: in_zone(date.and_time(NaiveTime::MIN), zone)?,
        has_time: false,
    })
}

fn in_zone(local: NaiveDateTime, zone: Tz) -> Result<Moment, Why> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Ok(at.to_utc()),
        LocalResult::None => Err(Why::NotATime),
    }
}

fn in_range(written: WrittenTime) -> Result<WrittenTime, Why> {
    if (1990..=2100).contains(&written.date.year()) {
        Ok(written)
    } else {
        Err(Why::OutOfRange)
    }
}

/// Signs of text that went through a legacy encoding (`domain.md` §7.8): UTF-8 read as Windows-1252, TCVN3, VNI.
/// Vietnamese in Unicode has none of them.
fn is_legacy(text: &str) -> bool {
    const MOJIBAKE: [&str; 7] = ["Ä‘", "á»", "áº", "Ã¡", "Ã ", "Æ°", "Ã´"];
    const TCVN3: [char; 9] = ['§', '¸', 'µ', '¶', '·', '¹', '®', '¬', '©'];
    const VNI: [&str; 10] = ["aù", "aø", "aû", "aõ", "aï", "aâ", "eâ", "oâ", "uù", "öô"];
    MOJIBAKE.iter().any(|sign| text.contains(sign))
        || text.chars().filter(|c| TCVN3.contains(c)).count() >= 2
        || VNI.iter().filter(|sign| text.contains(*sign)).count() >= 2
}
