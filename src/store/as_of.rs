//! `AsOf(T)`: the tickets as they were at T, from the change log and the time columns. One kind of source.
//!
//! Changes after T are undone from the last backwards, by the instant the source gave them (`updated_at`), else by the
//! one at which they were seen. A ticket first seen after T but received before it (entered late) is reconstructed
//! from its time columns.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::tickets::{Kept, Undo, corrupt, object};
use super::{CHUNK, Store, StoreError, filled, keys_50, micros, on};
use crate::domain::Moment;
use crate::domain::ticket::{Memory, Status, Ticket};

const CHANGES_AFTER: &str = concat!(
    "SELECT code, at, before FROM change WHERE at > $51 AND code IN (",
    keys_50!(),
    ") ORDER BY code, at DESC, id DESC"
);
const CODES: &str = "SELECT code FROM ticket WHERE code > $1 AND received_at <= $2 AND (gone_at IS NULL OR gone_at > $2) \
     ORDER BY code LIMIT $3";

pub const STATEMENTS: &[&str] = &[CHANGES_AFTER, CODES];

/// A ticket as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    pub ticket: Ticket,
    pub memory: Memory,
    /// False where the log does not reach back to the instant and the time columns had to serve.
    pub logged: bool,
    /// Since when it had been gone from the source.
    pub gone_at: Option<Moment>,
}

/// The tickets as they were at an instant.
#[derive(Debug, Clone)]
pub struct AsOf<'a> {
    store: &'a Store,
    at: Moment,
}

impl<'a> AsOf<'a> {
    #[must_use]
    pub fn new(store: &'a Store, at: Moment) -> AsOf<'a> {
        AsOf { store, at }
    }

    /// The tickets received by then and not gone, in byte order after one code; `None` as the next code at the end.
    pub async fn page(&self, after: &str, limit: i64) -> Result<(Vec<Past>, Option<String>), StoreError> {
        let codes: Vec<String> = on!(
            self.store.db(),
            fetch_all(sqlx::query_scalar(CODES).bind(after).bind(micros(self.at)).bind(limit))
        );
        let next = codes.last().cloned();
        let past = self.by_code(&codes).await?;
        Ok((past, next))
    }

    /// Re-reading by key, as of the instant.
    pub async fn by_code(&self, codes: &[String]) -> Result<Vec<Past>, StoreError> {
        let kept = self.store.tickets(codes).await?;
        let mut undone: HashMap<String, Vec<Undo>> = HashMap::new();
        for chunk in codes.chunks(CHUNK) {
            let rows: Vec<(String, i64, String)> = on!(
                self.store.db(),
                fetch_all(
                    filled(chunk)
                        .fold(sqlx::query_as(CHANGES_AFTER), |q, code| q.bind(code))
                        .bind(micros(self.at))
                )
            );
            for (code, _, before) in rows {
                let undo = serde_json::from_str(&before).map_err(|e| corrupt(&code, &e))?;
                undone.entry(code).or_default().push(undo);
            }
        }
        let mut past = Vec::with_capacity(kept.len());
        for code in codes {
            let Some(kept) = kept.get(code) else { continue };
            if kept.ticket.received_at <= self.at {
                past.push(self.restore(kept, undone.remove(code).unwrap_or_default())?);
            }
        }
        Ok(past)
    }

    fn restore(&self, kept: &Kept, undo: Vec<Undo>) -> Result<Past, StoreError> {
        let (mut ticket, mut memory) = (object(&kept.ticket)?, object(&kept.memory)?);
        for step in undo {
            overlay(&mut ticket, step.ticket);
            overlay(&mut memory, step.memory);
        }
        let read = |e: serde_json::Error| corrupt(&kept.ticket.code, &e);
        let ticket: Ticket = serde_json::from_value(Value::Object(ticket)).map_err(read)?;
        let memory: Memory = serde_json::from_value(Value::Object(memory)).map_err(read)?;
        let logged = memory.first_seen_at <= self.at;
        Ok(Past {
            ticket: by_time_columns(ticket, &memory, self.at),
            memory,
            logged,
            gone_at: kept.gone_at.filter(|gone| *gone <= self.at),
        })
    }
}

fn overlay(onto: &mut Map<String, Value>, former: Map<String, Value>) {
    for (key, value) in former {
        onto.insert(key, value);
    }
}

/// Takes back what the row's own time columns place after the instant.
fn by_time_columns(mut t: Ticket, memory: &Memory, at: Moment) -> Ticket {
    let later = |m: Option<Moment>| m.is_some_and(|m| m > at);
    let ended = t.answered_at.or(t.closed_at).or(memory.first_done_at);
    if !t.status.is_open()
        && later(if t.status.is_done() {
            ended
        } else {
            t.closed_at.or(t.updated_at)
        })
    {
        t.status = Status::Open;
    }
    for column in [
        &mut t.answered_at,
        &mut t.closed_at,
        &mut t.assigned_at,
        &mut t.waiting_since,
    ] {
        if later(*column) {
            *column = None;
        }
    }
    if later(t.rated_at) {
        t.rated_at = None;
        t.rating = None;
        t.rating_excluded = false;
    }
    t
}
