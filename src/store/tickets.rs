//! Tickets as last seen, their memory, due instants and the change log.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::{
    CHUNK, Columns, NEWLINE, Sizes, Store, StoreError, TAB, Tx, by_chunks, filled, keys_50, meanwhile, micros, moment,
    of_source, on, pieces, rows,
};
use crate::domain::Moment;
use crate::domain::ticket::{Memory, Ticket};

/// The columns of a [`Kept`], each line between two parameters. `concat_ws` passes over NULL: none must come to it.
macro_rules! kept_lines {
    ($tab:literal, $newline:literal) => {
        concat!(
            "string_agg(concat_ws(",
            $tab,
            ", code, state, memory, COALESCE(updated_raw, ''), COALESCE(CAST(next_at AS TEXT), ''), generation, missing, \
             COALESCE(CAST(gone_at AS TEXT), '')), ",
            $newline,
            ")"
        )
    };
}
pub(super) use kept_lines;

const BY_CODES: &str = concat!(
    "SELECT ",
    kept_lines!("$51", "$52"),
    " FROM ticket WHERE code IN (",
    keys_50!(),
    ")"
);
/// A page of those whose instant has come and one of those that were woken, these with a mark.
const DUE: &str = "SELECT string_agg(CASE WHEN woken = 1 THEN code || $4 ELSE code END, $3 ORDER BY at, code) \
     FROM (SELECT code, MIN(at) AS at, MAX(woken) AS woken FROM \
     (SELECT code, next_at AS at, 0 AS woken FROM (SELECT code, next_at FROM ticket WHERE next_at <= $1 ORDER BY next_at, code LIMIT CAST($2 AS BIGINT)) AS page \
     UNION ALL SELECT code, at, 1 FROM (SELECT code, at FROM woken WHERE at <= $1 ORDER BY code LIMIT CAST($2 AS BIGINT)) AS page) AS page GROUP BY code) AS page";
const HEEDED: &str = concat!("DELETE FROM woken WHERE code IN (", keys_50!(), ")");
const COUNT_OUTDATED: &str = "SELECT COUNT(*) FROM ticket WHERE generation < $1";
/// By the index alone: of one generation all there are, and an order among them would be made anew for each batch.
const OUTDATED: &str = "SELECT code FROM ticket WHERE generation < $1 ORDER BY generation LIMIT CAST($2 AS BIGINT)";
/// A page as one row with a line for each ticket: a sweep reads every key there is, and each row costs a change of
/// threads. No value has a control character in it.
const KEYS: &str = concat!(
    "SELECT string_agg(concat_ws($3, code, status_word, COALESCE(updated_raw, ''), is_open, missing, COALESCE(gone_at, 0)), $4 \
     ORDER BY code) \
     FROM (SELECT code, status_word, updated_raw, is_open, missing, gone_at FROM ticket WHERE code > $1 AND ",
    of_source!(),
    " ORDER BY code LIMIT CAST($2 AS BIGINT)) AS page"
);
const MISSED: &str = "UPDATE ticket SET missing = missing + 1 WHERE code = $1";
const GONE: &str = "UPDATE ticket SET gone_at = $2, next_at = $2 WHERE code = $1 AND gone_at IS NULL";
const MAX_CHANGE: &str = "SELECT COALESCE(MAX(id), 0) FROM change";
const LAST_CHANGES: &str = concat!(
    "SELECT code, MAX(at) FROM change WHERE code IN (",
    keys_50!(),
    ") GROUP BY code"
);
const COUNT_OPEN: &str = concat!(
    "SELECT COUNT(*) FROM ticket WHERE is_open = 1 AND gone_at IS NULL AND ",
    of_source!()
);
const COUNT: &str = concat!("SELECT COUNT(*) FROM ticket WHERE ", of_source!());

pub const STATEMENTS: &[&str] = &[
    BY_CODES,
    DUE,
    HEEDED,
    COUNT_OUTDATED,
    OUTDATED,
    KEYS,
    MISSED,
    GONE,
    MAX_CHANGE,
    LAST_CHANGES,
    COUNT_OPEN,
    COUNT,
];

static SAVE: LazyLock<Sizes> = LazyLock::new(|| Sizes::new(save));

fn save(count: usize) -> String {
    format!(
        "INSERT INTO ticket (code, state, memory, status_word, updated_raw, is_open, received_at, next_at, generation, missing, gone_at, over_at) \
         VALUES {} \
         ON CONFLICT (code) DO UPDATE SET state = excluded.state, memory = excluded.memory, status_word = excluded.status_word, \
         updated_raw = excluded.updated_raw, is_open = excluded.is_open, received_at = excluded.received_at, \
         next_at = excluded.next_at, generation = excluded.generation, missing = excluded.missing, gone_at = excluded.gone_at, \
         over_at = excluded.over_at",
        rows("(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", count)
    )
}

/// Of a ticket of whose row and memory nothing is new.
static LOOKED_AT: LazyLock<Sizes> = LazyLock::new(|| {
    Sizes::new(|count| {
        format!(
            "WITH made (code, next_at, generation) AS (VALUES {}) \
             UPDATE ticket SET next_at = made.next_at, generation = made.generation FROM made WHERE ticket.code = made.code",
            rows("(CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT))", count)
        )
    })
});

static LOG: LazyLock<Sizes> = LazyLock::new(|| {
    Sizes::new(|count| {
        format!(
            "INSERT INTO change (id, code, at, seen, before) VALUES {}",
            rows("(?, ?, ?, ?, ?)", count)
        )
    })
});

/// The statements that write several rows, for each size.
pub(super) fn with_rows() -> impl Iterator<Item = &'static str> {
    SAVE.iter()
        .chain(LOOKED_AT.iter())
        .chain(LOG.iter())
        .map(String::as_str)
}

/// A ticket as the store has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    pub ticket: Ticket,
    pub memory: Memory,
    pub updated_raw: Option<String>,
    pub next_at: Option<Moment>,
    pub generation: i64,
    /// Complete sweeps it was absent from, one after the other.
    pub missing: i64,
    /// Absent from two of them: its waiting notices lapse.
    pub gone_at: Option<Moment>,
}

impl Kept {
    /// Whether nothing differs but when it could next matter and by which generation that was found.
    fn stands_as(&self, other: &Kept) -> bool {
        self.ticket == other.ticket
            && self.memory == other.memory
            && self.updated_raw == other.updated_raw
            && self.missing == other.missing
            && self.gone_at == other.gone_at
    }
}

/// A ticket that is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub code: String,
    /// An answer to a letter about it has come since it was looked at.
    pub is_woken: bool,
}

/// What the sweep compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptKey {
    pub code: String,
    pub status_word: String,
    pub updated_raw: Option<String>,
    pub is_open: bool,
    pub missing: i64,
    pub is_gone: bool,
}

/// Tickets out of lines of [`kept_lines`], in no order.
pub(super) fn kept(lines: Option<&str>) -> impl Iterator<Item = Result<Kept, StoreError>> {
    Columns::of_each("ticket", lines).map(|mut columns| {
        let code = columns.text()?;
        let read = |error: serde_json::Error| corrupt(code, &error);
        let kept = Kept {
            ticket: serde_json::from_str(columns.text()?).map_err(read)?,
            memory: serde_json::from_str(columns.text()?).map_err(read)?,
            updated_raw: columns.optional_text()?.map(str::to_owned),
            next_at: columns.optional_number()?.map(moment),
            generation: columns.number()?,
            missing: columns.number()?,
            gone_at: columns.optional_number()?.map(moment),
        };
        columns.end()?;
        Ok(kept)
    })
}

/// Tickets by their codes, read from the open store or within a transaction.
macro_rules! tickets {
    ($from:ident, $codes:expr) => {{
        let mut found = HashMap::with_capacity($codes.len());
        by_chunks!(
            $from.db(),
            |chunk| fetch_one(
                filled(chunk)
                    .fold(sqlx::query_scalar(BY_CODES), |q, code| q.bind(code))
                    .bind(TAB)
                    .bind(NEWLINE)
            ) in $codes,
            |lines: Option<String>| read_into(&mut found, lines.as_deref())
        );
        Ok(found)
    }};
}

fn read_into(found: &mut HashMap<String, Kept>, lines: Option<&str>) -> Result<(), StoreError> {
    for kept in kept(lines) {
        let kept = kept?;
        found.insert(kept.ticket.code.clone(), kept);
    }
    Ok(())
}

impl Store {
    /// The kept tickets among the codes, by code.
    pub async fn tickets(&self, codes: &[String]) -> Result<HashMap<String, Kept>, StoreError> {
        tickets!(self, codes)
    }

    /// The tickets whose instant has come or which were woken, the longest waiting first.
    pub async fn due(&self, now: Moment, most: usize) -> Result<Vec<Due>, StoreError> {
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let lines: Option<String> = on!(
            self.db(),
            fetch_one(
                sqlx::query_scalar(DUE)
                    .bind(micros(now))
                    .bind(limit)
                    .bind(NEWLINE)
                    .bind(TAB)
            )
        );
        let lines = lines.iter().flat_map(|lines| lines.split('\n')).take(most);
        let due = lines.map(|line| Due {
            code: line.trim_end_matches('\t').to_owned(),
            is_woken: line.ends_with('\t'),
        });
        Ok(due.collect())
    }

    /// Tickets that were last evaluated under an older generation of rules.
    pub async fn outdated(&self, generation: i64, most: usize) -> Result<Vec<Due>, StoreError> {
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let codes: Vec<String> = on!(
            self.db(),
            fetch_all(sqlx::query_scalar(OUTDATED).bind(generation).bind(limit))
        );
        let due = codes.into_iter().map(|code| Due { code, is_woken: false });
        Ok(due.collect())
    }

    /// How many tickets were last evaluated under an older generation of rules.
    pub async fn count_outdated(&self, generation: i64) -> Result<i64, StoreError> {
        Ok(on!(
            self.db(),
            fetch_one(sqlx::query_scalar(COUNT_OUTDATED).bind(generation))
        ))
    }

    /// The sweep's keys in byte order of the code, after one code.
    pub async fn kept_keys(&self, after: &str, limit: i64) -> Result<Vec<KeptKey>, StoreError> {
        let lines: Option<String> = on!(
            self.db(),
            fetch_one(sqlx::query_scalar(KEYS).bind(after).bind(limit).bind(TAB).bind(NEWLINE))
        );
        let keys = lines.iter().flat_map(|lines| lines.split('\n')).map(|line| {
            let mut values = line.split('\t');
            let mut next = || values.next().unwrap_or_default();
            KeptKey {
                code: next().to_owned(),
                status_word: next().to_owned(),
                updated_raw: Some(next().to_owned()).filter(|u| !u.is_empty()),
                is_open: next() != "0",
                missing: next().parse().unwrap_or(0),
                is_gone: next() != "0",
            }
        });
        Ok(keys.collect())
    }

    /// Open tickets that are not gone.
    pub async fn count_open(&self) -> Result<i64, StoreError> {
        Ok(on!(self.db(), fetch_one(sqlx::query_scalar(COUNT_OPEN))))
    }

    /// All tickets ever kept.
    pub async fn count_tickets(&self) -> Result<i64, StoreError> {
        Ok(on!(self.db(), fetch_one(sqlx::query_scalar(COUNT))))
    }
}

impl Tx {
    /// As [`Store::tickets`]; nobody changes them before the transaction ends.
    pub async fn tickets(&mut self, codes: &[String]) -> Result<HashMap<String, Kept>, StoreError> {
        tickets!(self, codes)
    }

    /// Tickets that were woken have been looked at, or are there no more.
    pub async fn heeded(&mut self, codes: &[String]) -> Result<(), StoreError> {
        for chunk in codes.chunks(CHUNK) {
            on!(
                self.db(),
                execute(filled(chunk).fold(sqlx::query(HEEDED), |q, code| q.bind(code)))
            );
        }
        Ok(())
    }

    /// Saves tickets that were looked at, with what each row was before into the change log where it differs. No code
    /// comes twice.
    pub async fn save_tickets(&mut self, list: &[(Option<Kept>, Kept)], seen_at: Moment) -> Result<(), StoreError> {
        let mut entries = Vec::new();
        let (same, changed): (Vec<_>, Vec<_>) = list
            .iter()
            .map(|(before, after)| (before.as_ref(), after))
            .partition(|(before, after)| before.is_some_and(|before| before.stands_as(after)));
        self.looked_at(&same).await?;
        let mut write = |piece: &[(Option<&Kept>, &Kept)]| -> Result<Vec<(String, String)>, StoreError> {
            let each = piece.iter().map(|(before, after)| {
                entries.extend(log_entry(*before, after, seen_at)?);
                Ok((text(&after.ticket)?, text(&after.memory)?))
            });
            each.collect()
        };
        let mut pieces = pieces(&changed).peekable();
        let mut written = write(pieces.peek().map_or(&[], |(_, first)| first))?;
        while let Some((place, piece)) = pieces.next() {
            let following = pieces.peek().map_or(&[][..], |(_, following)| following);
            let saved = async {
                let rows = piece.iter().zip(&written);
                Ok::<u64, StoreError>(on!(self.db(), |kind| execute(rows.fold(
                    sqlx::query(SAVE.text(place, kind)),
                    |q, ((_, after), (state, memory))| {
                        q.bind(&after.ticket.code)
                            .bind(state)
                            .bind(memory)
                            .bind(&after.ticket.status_word)
                            .bind(&after.updated_raw)
                            .bind(i64::from(after.ticket.status.is_open()))
                            .bind(micros(after.ticket.received_at))
                            .bind(after.next_at.map(micros))
                            .bind(after.generation)
                            .bind(after.missing)
                            .bind(after.gone_at.map(micros))
                            .bind(after.memory.over_at(&after.ticket, after.gone_at).map(micros))
                    }
                ))))
            };
            let (saved, next) = meanwhile(saved, || write(following)).await;
            saved?;
            written = next?;
        }
        self.log_changes(&entries, seen_at).await
    }

    /// Saves when tickets could next matter of which nothing else is new.
    async fn looked_at(&mut self, list: &[(Option<&Kept>, &Kept)]) -> Result<(), StoreError> {
        let moved = list.iter().filter(|(before, after)| {
            let is_same = |before: &&Kept| (before.next_at, before.generation) == (after.next_at, after.generation);
            !before.as_ref().is_some_and(is_same)
        });
        let moved: Vec<&Kept> = moved.map(|(_, after)| *after).collect();
        for (place, piece) in pieces(&moved) {
            on!(self.db(), |kind| execute(piece.iter().fold(
                sqlx::query(LOOKED_AT.text(place, kind)),
                |q, after| {
                    q.bind(&after.ticket.code)
                        .bind(after.next_at.map(micros))
                        .bind(after.generation)
                }
            )));
        }
        Ok(())
    }

    async fn log_changes(&mut self, entries: &[LogEntry], seen_at: Moment) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let codes: Vec<&str> = entries.iter().map(|entry| entry.code.as_str()).collect();
        let mut last: HashMap<String, i64> = HashMap::new();
        for chunk in codes.chunks(CHUNK) {
            let rows: Vec<(String, i64)> = on!(
                self.db(),
                fetch_all(filled(chunk).fold(sqlx::query_as(LAST_CHANGES), |q, code| q.bind(code)))
            );
            last.extend(rows);
        }
        let id: i64 = on!(self.db(), fetch_one(sqlx::query_scalar(MAX_CHANGE)));
        let numbered: Vec<(i64, &LogEntry)> = (id + 1..).zip(entries).collect();
        for (place, piece) in pieces(&numbered) {
            // Never before the ticket's last entry: undone from the last backwards, each has to meet what it left.
            let at = |entry: &LogEntry| {
                last.get(&entry.code)
                    .map_or(micros(entry.at), |last| micros(entry.at).max(*last))
            };
            on!(self.db(), |kind| execute(piece.iter().fold(
                sqlx::query(LOG.text(place, kind)),
                |q, (id, entry)| {
                    q.bind(id)
                        .bind(&entry.code)
                        .bind(at(entry))
                        .bind(micros(seen_at))
                        .bind(&entry.before)
                }
            )));
        }
        Ok(())
    }

    /// Counts one more complete sweep without the ticket.
    pub async fn missed(&mut self, code: &str) -> Result<(), StoreError> {
        on!(self.db(), execute(sqlx::query(MISSED).bind(code)));
        Ok(())
    }

    /// The ticket is gone from the source.
    pub async fn gone(&mut self, code: &str, at: Moment) -> Result<(), StoreError> {
        on!(self.db(), execute(sqlx::query(GONE).bind(code).bind(micros(at))));
        Ok(())
    }
}

/// One line of the change log.
struct LogEntry {
    code: String,
    at: Moment,
    before: String,
}

/// What a change of a ticket's row overwrote; `None` for a new ticket and where the row is the same.
fn log_entry(before: Option<&Kept>, after: &Kept, seen_at: Moment) -> Result<Option<LogEntry>, StoreError> {
    let Some(before) = before.filter(|before| before.ticket != after.ticket) else {
        return Ok(None);
    };
    let undo = Undo {
        ticket: former(&before.ticket, &after.ticket)?,
        memory: former(&before.memory, &after.memory)?,
    };
    // An `updated_at` that did not move does not tell when this change was made.
    let moved = |u: &Moment| *u <= seen_at && before.ticket.updated_at.is_none_or(|former| former < *u);
    let updated = after.ticket.updated_at.filter(moved);
    Ok(Some(LogEntry {
        code: after.ticket.code.clone(),
        at: updated.unwrap_or(seen_at),
        before: serde_json::to_string(&undo).map_err(|e| corrupt(&after.ticket.code, &e))?,
    }))
}

/// What a change overwrote: the former values of the columns that differ.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Undo {
    pub(super) ticket: Map<String, Value>,
    pub(super) memory: Map<String, Value>,
}

pub(super) fn object<T: serde::Serialize>(value: &T) -> Result<Map<String, Value>, StoreError> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(other) => Err(StoreError::Corrupt {
            table: "ticket",
            id: String::new(),
            what: format!("not an object: {other}"),
        }),
        Err(e) => Err(corrupt("", &e)),
    }
}

/// As it is kept: types leave out what is null. So a statement for several rows stays within one record of TLS; a second
/// one waits, small as it is, until the server has confirmed the first (Nagle), which servers put off for 40 ms.
fn text<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| corrupt("", &e))
}

pub(super) fn corrupt(code: &str, error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt {
        table: "ticket",
        id: code.to_owned(),
        what: error.to_string(),
    }
}

/// What a change took away is as it was, what it added was null.
fn former<T: PartialEq + serde::Serialize>(before: &T, after: &T) -> Result<Map<String, Value>, StoreError> {
    if before == after {
        return Ok(Map::new());
    }
    let (before, after) = (object(before)?, object(after)?);
    let added = after.keys().filter(|k| !before.contains_key(*k));
    let mut former: Map<String, Value> = added.map(|k| (k.clone(), Value::Null)).collect();
    former.extend(before.into_iter().filter(|(k, v)| after.get(k) != Some(v)));
    Ok(former)
}
