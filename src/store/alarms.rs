//! Alarms: since when each holds, when ops were told, when it was over, and when they were told that.

use sqlx::FromRow;

use super::{Store, StoreError, Tx, micros, moment, on};
use crate::domain::Moment;
use crate::domain::alarm::{AlarmKind, Seen};

/// What is open, and what was told and is over without that having been told.
const ALL: &str = "SELECT id, kind, subject, detail, raised_at, told_at, cleared_at, witness FROM alarm \
     WHERE raised_at > 0 AND (told_at IS NULL OR clear_told_at IS NULL) ORDER BY raised_at, id";
const RAISE: &str = "INSERT INTO alarm (id, kind, subject, detail, raised_at, told_at, cleared_at, clear_told_at) \
     VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM alarm), $1, $2, $3, $4, NULL, NULL, NULL) ON CONFLICT DO NOTHING";
const CLEAR: &str = "UPDATE alarm SET cleared_at = $2 WHERE id = $1 AND cleared_at IS NULL";
const TOLD: &str = "UPDATE alarm SET told_at = $2 WHERE id = $1";
const OVER: &str = "UPDATE alarm SET told_at = COALESCE(told_at, $2), clear_told_at = $2 WHERE id = $1";
const SEEN_ON: &str = "UPDATE alarm SET witness = $2 WHERE id = $1";
/// Letters to ops themselves raise none: they could not be told.
const DEAD: &str = "SELECT id, unit, COALESCE(reason, ''), state_at FROM message \
     WHERE state = 'dead' AND state_at >= $1 AND (state_at > $1 OR id > $2) AND unit <> '@ops' \
     AND NOT EXISTS (SELECT 1 FROM alarm WHERE kind = 'dead_letter' AND alarm.subject = message.id AND cleared_at IS NULL) \
     ORDER BY state_at, id LIMIT CAST($3 AS BIGINT)";
/// Or not kept any more.
const NOT_DEAD_ANY_MORE: &str = "SELECT a.id FROM alarm a WHERE a.kind = 'dead_letter' AND a.cleared_at IS NULL \
     AND NOT EXISTS (SELECT 1 FROM message m WHERE m.id = a.subject AND m.state = 'dead')";

pub const STATEMENTS: &[&str] = &[ALL, RAISE, CLEAR, TOLD, OVER, SEEN_ON, DEAD, NOT_DEAD_ANY_MORE];

/// An alarm that holds, or that is over without ops having been told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    pub id: i64,
    pub kind: AlarmKind,
    pub subject: String,
    pub detail: String,
    pub raised_at: Moment,
    pub told_at: Option<Moment>,
    pub cleared_at: Option<Moment>,
    /// Of an alarm about a word: an open ticket that bears it.
    pub witness: Option<String>,
}

/// A message that nobody took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub id: String,
    pub unit: String,
    pub reason: String,
    pub died_at: Moment,
}

#[derive(FromRow)]
struct AlarmRow {
    id: i64,
    kind: String,
    subject: String,
    detail: String,
    raised_at: i64,
    told_at: Option<i64>,
    cleared_at: Option<i64>,
    witness: Option<String>,
}

impl Store {
    /// The alarms that hold, and those whose end has not been told, oldest first.
    pub async fn alarms(&self) -> Result<Vec<Alarm>, StoreError> {
        let rows: Vec<AlarmRow> = on!(self.db(), fetch_all(sqlx::query_as(ALL)));
        let read = |row: AlarmRow| {
            let kind = AlarmKind::ALL.into_iter().find(|kind| kind.word() == row.kind);
            Ok(Alarm {
                id: row.id,
                kind: kind.ok_or_else(|| StoreError::Corrupt {
                    table: "alarm",
                    id: row.id.to_string(),
                    what: format!("unknown kind `{}`", row.kind),
                })?,
                subject: row.subject,
                detail: row.detail,
                raised_at: moment(row.raised_at),
                told_at: row.told_at.map(moment),
                cleared_at: row.cleared_at.map(moment),
                witness: row.witness,
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// Messages that nobody took and for which no alarm holds, in the order in which they died, from the first that died
    /// at an instant with an id behind another.
    pub async fn new_dead_letters(
        &self,
        (since, after): (Moment, &str),
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let rows: Vec<(String, String, String, i64)> = on!(
            self.db(),
            fetch_all(
                sqlx::query_as(DEAD)
                    .bind(micros(since))
                    .bind(after)
                    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            )
        );
        let letter = |(id, unit, reason, died_at)| DeadLetter {
            id,
            unit,
            reason,
            died_at: moment(died_at),
        };
        Ok(rows.into_iter().map(letter).collect())
    }

    /// Open alarms of dead letters that ops have let go since.
    pub async fn alarms_of_letters_let_go(&self) -> Result<Vec<i64>, StoreError> {
        Ok(on!(self.db(), fetch_all(sqlx::query_scalar(NOT_DEAD_ANY_MORE))))
    }
}

impl Tx {
    /// Raises an alarm, unless it is.
    pub async fn raise(&mut self, seen: &Seen, at: Moment) -> Result<bool, StoreError> {
        let raised = on!(
            self.db(),
            execute(
                sqlx::query(RAISE)
                    .bind(seen.kind.word())
                    .bind(&seen.subject)
                    .bind(&seen.detail)
                    .bind(micros(at))
            )
        );
        Ok(raised == 1)
    }

    /// A ticket bears the word that an alarm is about.
    pub async fn alarm_seen_on(&mut self, alarm: i64, ticket: &str) -> Result<(), StoreError> {
        on!(self.db(), execute(sqlx::query(SEEN_ON).bind(alarm).bind(ticket)));
        Ok(())
    }

    /// An alarm is over.
    pub async fn clear(&mut self, alarm: i64, at: Moment) -> Result<(), StoreError> {
        on!(self.db(), execute(sqlx::query(CLEAR).bind(alarm).bind(micros(at))));
        Ok(())
    }

    /// Ops are told of an alarm.
    pub async fn alarm_told(&mut self, alarm: i64, at: Moment) -> Result<(), StoreError> {
        on!(self.db(), execute(sqlx::query(TOLD).bind(alarm).bind(micros(at))));
        Ok(())
    }

    /// Nothing more is to be told of an alarm that is over.
    pub async fn alarm_over(&mut self, alarm: i64, at: Moment) -> Result<(), StoreError> {
        on!(self.db(), execute(sqlx::query(OVER).bind(alarm).bind(micros(at))));
        Ok(())
    }
}
