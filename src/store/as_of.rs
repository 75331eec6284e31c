//! `AsOf(T)`: the tickets as they were at T, from the change log and the time columns. One kind of source.
//!
//! Changes after T are undone from the last backwards, by the instant the source gave them (`updated_at`), else by the
//! one at which they were seen. A ticket first seen after T but received before it (entered late) is reconstructed
//! from its time columns.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::tickets::{Kept, Undo, corrupt, kept, kept_lines, object};
use super::{CHUNK, NEWLINE, Store, StoreError, TAB, by_chunks, filled, keys_50, micros, moment, of_source, on};
use crate::domain::Moment;
use crate::domain::figures::{Life, State};
use crate::domain::ticket::{Memory, Status, Ticket};

const CHANGES_AFTER: &str = concat!(
    "SELECT code, at, before FROM change WHERE at > $51 AND code IN (",
    keys_50!(),
    ") ORDER BY code, at DESC, id DESC"
);
const CODES: &str = concat!(
    "SELECT code FROM ticket WHERE code > $1 AND received_at <= $2 AND (gone_at IS NULL OR gone_at > $2) AND ",
    of_source!(),
    " ORDER BY code LIMIT CAST($3 AS BIGINT)"
);

/// Pages go by when tickets were received, so that the index leads from each to the next; by the code alone SQLite puts all
/// that were received in order for every page. `COALESCE` keeps it from another index.
const BETWEEN: &str = concat!(
    "SELECT ",
    kept_lines!("$7", "$8"),
    " FROM (SELECT code, state, memory, updated_raw, next_at, generation, missing, gone_at FROM ticket \
     WHERE (received_at, code) > ($1, $2) AND received_at <= $3 AND (gone_at IS NULL OR gone_at > $4) \
     AND COALESCE(over_at, $5) >= $5 AND ",
    of_source!(),
    " ORDER BY received_at, code LIMIT CAST($6 AS BIGINT)) AS page"
);

/// By when they were seen: `at` of what was seen later may be earlier.
const CHANGES_SEEN: &str = concat!(
    "SELECT code, at, seen, before FROM change WHERE seen >= $51 AND code IN (",
    keys_50!(),
    ") ORDER BY code, id DESC"
);
const RECEIVED: &str = concat!(
    "SELECT ",
    kept_lines!("$6", "$7"),
    " FROM (SELECT code, state, memory, updated_raw, next_at, generation, missing, gone_at FROM ticket \
     WHERE (received_at, code) > ($1, $2) AND received_at < $3 AND COALESCE(over_at, $4) >= $4 AND ",
    of_source!(),
    " ORDER BY received_at, code LIMIT CAST($5 AS BIGINT)) AS page"
);

pub const STATEMENTS: &[&str] = &[CHANGES_AFTER, CODES, BETWEEN, CHANGES_SEEN, RECEIVED];

/// A ticket through a span: as it was at the beginning, where it was known by then, and how it was from which instant on.
#[derive(Debug, Clone)]
pub struct History {
    pub code: String,
    pub before: Option<Past>,
    pub states: Vec<(Moment, Option<Ticket>)>,
}

/// What of histories somebody wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// Tickets as they were at the beginning.
    Before,
    /// Their states too. While a ticket was still open its status was written with another word: `open_word` stands for
    /// that.
    States { open_word: Option<&'a str> },
}

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
        let mut undone = self.undo(codes).await?;
        let mut past = Vec::with_capacity(kept.len());
        for code in codes {
            let Some(kept) = kept.get(code) else { continue };
            if kept.ticket.received_at <= self.at {
                past.push(self.restore(kept, undone.remove(code).unwrap_or_default())?);
            }
        }
        Ok(past)
    }

    /// How tickets went from the instant on that were not over before one instant and were received until another, in order
    /// after one of them; `None` as the next at the end. What came before a ticket was first seen is told by its time
    /// columns, as by [`by_own_times`].
    pub async fn histories(
        &self,
        (touched_since, until): (Moment, Moment),
        after: &Place,
        limit: i64,
        wanted: Wanted<'_>,
    ) -> Result<(Vec<History>, Option<Place>), StoreError> {
        let lines: Option<String> = on!(
            self.store.db(),
            fetch_one(
                sqlx::query_scalar(BETWEEN)
                    .bind(micros(after.received_at))
                    .bind(&after.code)
                    .bind(micros(until))
                    .bind(micros(self.at))
                    .bind(micros(touched_since))
                    .bind(limit)
                    .bind(TAB)
                    .bind(NEWLINE)
            )
        );
        let mut page: Vec<Kept> = kept(lines.as_deref()).collect::<Result<_, _>>()?;
        let next = in_order(&mut page);
        let codes: Vec<String> = page.iter().map(|kept| kept.ticket.code.clone()).collect();
        let mut undone = self.undo(&codes).await?;
        let mut histories = Vec::with_capacity(codes.len());
        for (code, kept) in codes.into_iter().zip(page) {
            let undo = undone.remove(&code).unwrap_or_default();
            histories.push(self.history(code, kept, undo, wanted)?);
        }
        Ok((histories, next))
    }

    fn history(
        &self,
        code: String,
        kept: Kept,
        undo: Vec<(Moment, Undo)>,
        wanted: Wanted<'_>,
    ) -> Result<History, StoreError> {
        let gone_at = kept.gone_at;
        let mut states: Vec<(Moment, Option<Ticket>)> = gone_at.map(|at| (at, None)).into_iter().collect();
        let mut later = None;
        let (ticket, memory) = undone(kept, undo, |at, ticket| {
            // Of several changes at one instant the last one counts.
            if later != Some(at) && wanted != Wanted::Before {
                states.push((at, Some(serde_json::from_value(Value::Object(ticket.clone()))?)));
            }
            later = Some(at);
            Ok(())
        })?;
        let is_known = memory.first_seen_at <= self.at;
        match wanted {
            Wanted::Before => states.clear(),
            Wanted::States { .. } if is_known => {
                let from = ticket.updated_at.unwrap_or(ticket.received_at).min(self.at);
                states.push((from, Some(ticket.clone())));
            }
            Wanted::States { open_word } => {
                let first = by_own_times(&ticket, memory.first_done_at, open_word).into_iter();
                states.extend(first.map(|(at, ticket)| (at, Some(ticket))));
            }
        }
        states.sort_by_key(|(at, _)| *at);
        let before = is_known.then(|| Past {
            ticket,
            memory,
            logged: true,
            gone_at: gone_at.filter(|gone| *gone <= self.at),
        });
        Ok(History { code, before, states })
    }

    async fn undo(&self, codes: &[String]) -> Result<HashMap<String, Vec<(Moment, Undo)>>, StoreError> {
        let mut undone: HashMap<String, Vec<(Moment, Undo)>> = HashMap::new();
        by_chunks!(
            self.store.db(),
            |chunk| fetch_all(
                filled(chunk)
                    .fold(sqlx::query_as(CHANGES_AFTER), |q, code| q.bind(code))
                    .bind(micros(self.at))
            ) in codes,
            |rows: Vec<(String, i64, String)>| -> Result<(), StoreError> {
                for (code, at, before) in rows {
                    let undo = serde_json::from_str(&before).map_err(|e| corrupt(&code, &e))?;
                    undone.entry(code).or_default().push((moment(at), undo));
                }
                Ok(())
            }
        );
        Ok(undone)
    }

    fn restore(&self, kept: &Kept, undo: Vec<(Moment, Undo)>) -> Result<Past, StoreError> {
        let (ticket, memory) = undone(kept.clone(), undo, |_, _| Ok(()))?;
        let logged = memory.first_seen_at <= self.at;
        Ok(Past {
            ticket: by_time_columns(ticket, memory.first_done_at, self.at),
            memory,
            logged,
            gone_at: kept.gone_at.filter(|gone| *gone <= self.at),
        })
    }
}

/// What a ticket was before some changes, the last one first; shown each change's instant and what it led to.
fn undone(
    kept: Kept,
    undo: Vec<(Moment, Undo)>,
    mut show: impl FnMut(Moment, &Map<String, Value>) -> Result<(), serde_json::Error>,
) -> Result<(Ticket, Memory), StoreError> {
    // As most are.
    if undo.is_empty() {
        return Ok((kept.ticket, kept.memory));
    }
    let read = |e: serde_json::Error| corrupt(&kept.ticket.code, &e);
    let (mut ticket, mut memory) = (object(&kept.ticket)?, object(&kept.memory)?);
    for (at, step) in undo {
        show(at, &ticket).map_err(read)?;
        overlay(&mut ticket, step.ticket);
        overlay(&mut memory, step.memory);
    }
    Ok((
        serde_json::from_value(Value::Object(ticket)).map_err(read)?,
        serde_json::from_value(Value::Object(memory)).map_err(read)?,
    ))
}

/// Where one is among tickets: by when they were received, of those of one instant by the code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub(super) received_at: Moment,
    pub(super) code: String,
}

impl Place {
    /// Before all that were received at an instant or later.
    #[must_use]
    pub fn before(received_at: Moment) -> Place {
        Place {
            received_at,
            code: String::new(),
        }
    }

    fn of(ticket: &Ticket) -> Place {
        Place {
            received_at: ticket.received_at,
            code: ticket.code.clone(),
        }
    }
}

/// Which tickets are gone through, and since when.
#[derive(Debug, Clone, Copy)]
pub struct Lives {
    /// Received before this.
    pub received_before: Moment,
    /// Not over before this.
    pub touched_since: Moment,
    /// What was seen before this is told by the first state.
    pub since: Moment,
}

impl Store {
    /// How tickets went on, in order after one of them; `None` as the next at the end. Those that are gone are among them.
    pub async fn lives(
        &self,
        span: Lives,
        after: &Place,
        limit: i64,
    ) -> Result<(Vec<Life>, Option<Place>), StoreError> {
        let lines: Option<String> = on!(
            self.db(),
            fetch_one(
                sqlx::query_scalar(RECEIVED)
                    .bind(micros(after.received_at))
                    .bind(&after.code)
                    .bind(micros(span.received_before))
                    .bind(micros(span.touched_since))
                    .bind(limit)
                    .bind(TAB)
                    .bind(NEWLINE)
            )
        );
        let codes = codes(lines.as_deref());
        let mut page = Vec::with_capacity(codes.len());
        let mut undone: HashMap<String, Vec<(Moment, Moment, Undo)>> = HashMap::new();
        let mut kept = kept(lines.as_deref());
        by_chunks!(
            self.db(),
            |chunk| fetch_all(
                filled(chunk)
                    .fold(sqlx::query_as(CHANGES_SEEN), |q, code| q.bind(code))
                    .bind(micros(span.since))
            ) in codes,
            |rows: Vec<(String, i64, i64, String)>| -> Result<(), StoreError> {
                for (code, at, seen, before) in rows {
                    let undo = serde_json::from_str(&before).map_err(|e| corrupt(&code, &e))?;
                    undone.entry(code).or_default().push((moment(at), moment(seen), undo));
                }
                for kept in kept.by_ref().take(CHUNK) {
                    page.push(kept?);
                }
                Ok(())
            }
        );
        let next = in_order(&mut page);
        let mut lives = Vec::with_capacity(codes.len());
        for kept in page {
            // Most have not changed since, and have none.
            let changes = undone.remove(&kept.ticket.code).unwrap_or_default();
            lives.push(life(kept, changes)?);
        }
        Ok((lives, next))
    }
}

/// The codes of the tickets that lines hold.
fn codes(lines: Option<&str>) -> Vec<String> {
    let lines = lines.into_iter().flat_map(|lines| lines.split('\n'));
    let code = |line: &str| line.split('\t').next().unwrap_or_default().to_owned();
    lines.map(code).collect()
}

/// Puts a page of tickets in order: where the last of them is, behind which the next page begins.
fn in_order(page: &mut [Kept]) -> Option<Place> {
    page.sort_unstable_by(|a, b| {
        let (a, b) = (&a.ticket, &b.ticket);
        (a.received_at, &a.code).cmp(&(b.received_at, &b.code))
    });
    page.last().map(|kept| Place::of(&kept.ticket))
}

/// A ticket's states, out of the last one and what each change overwrote, the last change first.
fn life(kept: Kept, changes: Vec<(Moment, Moment, Undo)>) -> Result<Life, StoreError> {
    let gone_at = kept.gone_at;
    let mut later = Vec::with_capacity(changes.len());
    let (mut ticket, mut memory) = (kept.ticket, kept.memory);
    for (from, seen, undo) in changes {
        let (mut row, mut remembered) = (object(&ticket)?, object(&memory)?);
        overlay(&mut row, undo.ticket);
        overlay(&mut remembered, undo.memory);
        let read = |e: serde_json::Error| corrupt(&ticket.code, &e);
        let was: Ticket = serde_json::from_value(Value::Object(row)).map_err(read)?;
        let had: Memory = serde_json::from_value(Value::Object(remembered)).map_err(read)?;
        let (ticket, memory) = (std::mem::replace(&mut ticket, was), std::mem::replace(&mut memory, had));
        later.push(State {
            from,
            seen,
            ticket,
            memory,
        });
    }
    later.reverse();
    let seen = memory.first_seen_at;
    let first = State {
        from: seen,
        seen,
        ticket,
        memory,
    };
    Ok(Life { first, later, gone_at })
}

fn overlay(onto: &mut Map<String, Value>, former: Map<String, Value>) {
    for (key, value) in former {
        onto.insert(key, value);
    }
}

/// How a ticket was from which instant on, as far as its row's own times tell; `done_at` is when it was done where they
/// don't. What they don't date has always been as it is. While it was still open its status was written with another word:
/// `open_word` stands for that.
#[must_use]
pub fn by_own_times(row: &Ticket, done_at: Option<Moment>, open_word: Option<&str>) -> Vec<(Moment, Ticket)> {
    let times = [
        row.assigned_at,
        row.waiting_since,
        row.answered_at,
        row.closed_at,
        row.rated_at,
        row.updated_at,
        done_at,
    ];
    let times = times.into_iter().flatten().filter(|at| *at > row.received_at);
    let times: BTreeSet<Moment> = times.chain([row.received_at]).collect();
    let done_at = done_at.or(row.updated_at);
    let then = |at: Moment| {
        let mut then = by_time_columns(row.clone(), done_at, at);
        then.updated_at = row.updated_at.map(|last| last.min(at));
        if then.status != row.status {
            then.status_word = open_word.unwrap_or_default().to_owned();
            then.status_mapped = open_word.is_some();
        }
        then
    };
    times.into_iter().map(|at| (at, then(at))).collect()
}

/// Takes back what the row's own time columns place after the instant.
fn by_time_columns(mut t: Ticket, first_done_at: Option<Moment>, at: Moment) -> Ticket {
    let later = |m: Option<Moment>| m.is_some_and(|m| m > at);
    let ended = t.answered_at.or(t.closed_at).or(first_done_at);
    let over_at = match t.status.is_done() {
        true => ended,
        false => t.closed_at.or(t.updated_at),
    };
    if !t.status.is_open() && later(over_at) || t.status == Status::Waiting && later(t.waiting_since) {
        t.status = Status::Open;
        // By which word is not known.
        t.status_word.clear();
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
