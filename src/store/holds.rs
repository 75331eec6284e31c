//! Silences and acknowledgements as ops gave them.

use sqlx::FromRow;

use super::{CHUNK, Store, StoreError, Tx, filled, keys_50, micros, moment, on};
use crate::domain::Moment;
use crate::domain::hold::{Acknowledgement, Scope};
use crate::domain::notice::Wait;

const SILENCES: &str = "SELECT id, scope, from_at, until_at, author, reason, made_at, ended_at, ended_by FROM silence \
     WHERE until_at > $1 ORDER BY until_at, id";
const NEXT_SILENCE: &str = "SELECT COALESCE(MAX(id), 0) + 1 FROM silence";
const SILENCE: &str =
    "INSERT INTO silence (id, scope, from_at, until_at, author, reason, made_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
const END: &str =
    "UPDATE silence SET ended_at = $2, ended_by = $3 WHERE id = $1 AND ended_at IS NULL AND until_at > $2";
const LET_GO: &str = "UPDATE notice SET compose_at = $2 WHERE wait = $1 AND state = 'waiting' AND compose_at > $2";
const ACKNOWLEDGEMENTS: &str = concat!(
    "SELECT id, ticket, unit, occurrence, at, until_at, author, note FROM acknowledgement WHERE ticket IN (",
    keys_50!(),
    ") ORDER BY id"
);
const NEXT_ACKNOWLEDGEMENT: &str = "SELECT COALESCE(MAX(id), 0) + 1 FROM acknowledgement";
const ACKNOWLEDGE: &str = "INSERT INTO acknowledgement (id, ticket, unit, occurrence, at, until_at, author, note) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

pub const STATEMENTS: &[&str] = &[
    SILENCES,
    NEXT_SILENCE,
    SILENCE,
    END,
    LET_GO,
    ACKNOWLEDGEMENTS,
    NEXT_ACKNOWLEDGEMENT,
    ACKNOWLEDGE,
];

/// A silence as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSilence {
    pub id: i64,
    pub scope: Scope,
    pub from: Moment,
    pub until: Moment,
    pub author: String,
    pub reason: String,
    pub made_at: Moment,
    /// When and by whom it was ended before its time.
    pub ended: Option<(Moment, String)>,
}

impl KeptSilence {
    /// The first instant at which it holds no more.
    #[must_use]
    pub fn over_at(&self) -> Moment {
        self.ended.as_ref().map_or(self.until, |(at, _)| *at)
    }
}

/// A silence that is to be kept.
#[derive(Debug, Clone)]
pub struct NewSilence {
    pub scope: Scope,
    pub from: Moment,
    pub until: Moment,
    pub author: String,
    pub reason: String,
}

#[derive(FromRow)]
struct SilenceRow {
    id: i64,
    scope: String,
    from_at: i64,
    until_at: i64,
    author: String,
    reason: String,
    made_at: i64,
    ended_at: Option<i64>,
    ended_by: Option<String>,
}

impl TryFrom<SilenceRow> for KeptSilence {
    type Error = StoreError;

    fn try_from(row: SilenceRow) -> Result<KeptSilence, StoreError> {
        let scope = serde_json::from_str(&row.scope).map_err(|e| StoreError::Corrupt {
            table: "silence",
            id: row.id.to_string(),
            what: e.to_string(),
        })?;
        Ok(KeptSilence {
            id: row.id,
            scope,
            from: moment(row.from_at),
            until: moment(row.until_at),
            author: row.author,
            reason: row.reason,
            made_at: moment(row.made_at),
            ended: row.ended_at.map(|at| (moment(at), row.ended_by.unwrap_or_default())),
        })
    }
}

#[derive(FromRow)]
struct AcknowledgementRow {
    id: i64,
    ticket: String,
    unit: String,
    occurrence: String,
    at: i64,
    until_at: i64,
    author: String,
    note: Option<String>,
}

impl From<AcknowledgementRow> for Acknowledgement {
    fn from(row: AcknowledgementRow) -> Acknowledgement {
        Acknowledgement {
            id: row.id,
            ticket: row.ticket,
            unit: row.unit,
            occurrence: row.occurrence,
            at: moment(row.at),
            until: moment(row.until_at),
            by: row.author,
            note: row.note,
        }
    }
}

/// Read from the open store or within a transaction.
macro_rules! silences {
    ($from:ident, $after:expr) => {{
        let rows: Vec<SilenceRow> = on!($from.db(), fetch_all(sqlx::query_as(SILENCES).bind(micros($after))));
        rows.into_iter().map(KeptSilence::try_from).collect()
    }};
}

macro_rules! acknowledgements {
    ($from:ident, $codes:expr) => {{
        let mut found = Vec::new();
        for chunk in $codes.chunks(CHUNK) {
            let rows: Vec<AcknowledgementRow> = on!(
                $from.db(),
                fetch_all(filled(chunk).fold(sqlx::query_as(ACKNOWLEDGEMENTS), |q, code| q.bind(code)))
            );
            found.extend(rows.into_iter().map(Acknowledgement::from));
        }
        Ok(found)
    }};
}

impl Store {
    /// The silences that were to last beyond an instant, the first to end first; those ended early are among them.
    pub async fn silences(&self, after: Moment) -> Result<Vec<KeptSilence>, StoreError> {
        silences!(self, after)
    }

    /// The acknowledgements of some tickets, oldest first.
    pub async fn acknowledgements(&self, codes: &[String]) -> Result<Vec<Acknowledgement>, StoreError> {
        acknowledgements!(self, codes)
    }
}

impl Tx {
    /// As [`Store::silences`].
    pub async fn silences(&mut self, after: Moment) -> Result<Vec<KeptSilence>, StoreError> {
        silences!(self, after)
    }

    /// As [`Store::acknowledgements`].
    pub async fn acknowledgements(&mut self, codes: &[String]) -> Result<Vec<Acknowledgement>, StoreError> {
        acknowledgements!(self, codes)
    }

    /// Keeps a silence; its id.
    pub async fn add_silence(&mut self, new: &NewSilence, now: Moment) -> Result<i64, StoreError> {
        let id: i64 = on!(self.db(), fetch_one(sqlx::query_scalar(NEXT_SILENCE)));
        on!(
            self.db(),
            execute(
                sqlx::query(SILENCE)
                    .bind(id)
                    .bind(serde_json::json!(new.scope).to_string())
                    .bind(micros(new.from))
                    .bind(micros(new.until))
                    .bind(&new.author)
                    .bind(&new.reason)
                    .bind(micros(now))
            )
        );
        Ok(id)
    }

    /// Ends a silence before its time and lets go what it holds: how many notices. `None` where it does not hold any
    /// more, or there is none.
    pub async fn end_silence(&mut self, id: i64, by: &str, now: Moment) -> Result<Option<u64>, StoreError> {
        let ended = on!(self.db(), execute(sqlx::query(END).bind(id).bind(micros(now)).bind(by)));
        if ended != 1 {
            return Ok(None);
        }
        let wait = Wait::Silence(id).key();
        Ok(Some(on!(
            self.db(),
            execute(sqlx::query(LET_GO).bind(wait).bind(micros(now)))
        )))
    }

    /// Keeps acknowledgements; their ids are given here. A unit acknowledges an occurrence of a ticket once.
    pub async fn acknowledge(&mut self, list: &[Acknowledgement]) -> Result<(), StoreError> {
        let first: i64 = on!(self.db(), fetch_one(sqlx::query_scalar(NEXT_ACKNOWLEDGEMENT)));
        for (id, new) in (first..).zip(list) {
            on!(
                self.db(),
                execute(
                    sqlx::query(ACKNOWLEDGE)
                        .bind(id)
                        .bind(&new.ticket)
                        .bind(&new.unit)
                        .bind(&new.occurrence)
                        .bind(micros(new.at))
                        .bind(micros(new.until))
                        .bind(&new.by)
                        .bind(&new.note)
                )
            );
        }
        Ok(())
    }
}
