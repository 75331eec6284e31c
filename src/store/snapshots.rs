//! The figures of periods as they were frozen. What is kept of them is never changed; a correction is another revision. Only
//! the code of a ticket that is forgotten leaves the list of those that were overdue, and is counted there on.

use sqlx::FromRow;

use super::{Store, StoreError, Tx, micros, moment, on};
use crate::domain::Moment;
use crate::domain::figures::Figures;
use crate::domain::time::Period;

const OF_PERIOD: &str =
    "SELECT period, revision, known_at, figures, made_by, reason FROM snapshot WHERE period = $1 ORDER BY revision";
const KNOWN_BEFORE: &str =
    "SELECT period, revision, known_at, figures, made_by, reason FROM snapshot WHERE known_at <= $1 ORDER BY known_at";
const LAST_KNOWN: &str = "SELECT MAX(known_at) FROM snapshot WHERE period = $1 AND revision > 0";
const FROZEN: &str = "SELECT period, MAX(revision) FROM snapshot WHERE period >= $1 GROUP BY period ORDER BY period";
const FREEZE: &str = "INSERT INTO snapshot (period, revision, known_at, figures, made_by, reason) VALUES ($1, $2, $3, $4, $5, $6) \
     ON CONFLICT DO NOTHING RETURNING revision";
const WRITE_ANEW: &str = "UPDATE snapshot SET figures = $3 WHERE period = $1 AND revision = $2";

pub const STATEMENTS: &[&str] = &[OF_PERIOD, KNOWN_BEFORE, LAST_KNOWN, FROZEN, FREEZE, WRITE_ANEW];

/// The figures of a period as they were frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub period: Period,
    /// 0 while the figures are checked.
    pub revision: i64,
    /// What had been seen by then was counted.
    pub known_at: Moment,
    pub figures: Figures,
    /// Who had a correction counted, and why; nobody where the calendar did.
    pub made_by: Option<String>,
    pub reason: Option<String>,
}

#[derive(FromRow)]
struct Row {
    period: String,
    revision: i64,
    known_at: i64,
    figures: String,
    made_by: Option<String>,
    reason: Option<String>,
}

impl TryFrom<Row> for Snapshot {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Snapshot, StoreError> {
        let corrupt = |what: String| StoreError::Corrupt {
            table: "snapshot",
            id: format!("{} {}", row.period, row.revision),
            what,
        };
        Ok(Snapshot {
            period: row
                .period
                .parse()
                .map_err(|e: crate::domain::time::BadPeriod| corrupt(e.to_string()))?,
            revision: row.revision,
            known_at: moment(row.known_at),
            figures: serde_json::from_str(&row.figures).map_err(|e| corrupt(e.to_string()))?,
            made_by: row.made_by.clone(),
            reason: row.reason.clone(),
        })
    }
}

impl Store {
    /// All revisions of a period, the first one first.
    pub async fn snapshots(&self, period: Period) -> Result<Vec<Snapshot>, StoreError> {
        let rows: Vec<Row> = on!(self.db(), fetch_all(sqlx::query_as(OF_PERIOD).bind(period.to_string())));
        rows.into_iter().map(Snapshot::try_from).collect()
    }

    /// Every revision that was frozen by an instant.
    pub async fn snapshots_before(&self, instant: Moment) -> Result<Vec<Snapshot>, StoreError> {
        let rows: Vec<Row> = on!(self.db(), fetch_all(sqlx::query_as(KNOWN_BEFORE).bind(micros(instant))));
        rows.into_iter().map(Snapshot::try_from).collect()
    }

    /// Up to when what had been seen was counted for good in a period; `None` where it was not.
    pub async fn counted_for_good(&self, period: Period) -> Result<Option<Moment>, StoreError> {
        let last: Option<i64> = on!(
            self.db(),
            fetch_one(sqlx::query_scalar(LAST_KNOWN).bind(period.to_string()))
        );
        Ok(last.map(moment))
    }

    /// The last revision of each frozen period from one on.
    pub async fn frozen_since(&self, first: Period) -> Result<Vec<(String, i64)>, StoreError> {
        Ok(on!(
            self.db(),
            fetch_all(sqlx::query_as(FROZEN).bind(first.to_string()))
        ))
    }
}

impl Tx {
    /// Keeps a revision of a period's figures; false where there is one by that number.
    pub async fn freeze(&mut self, snapshot: &Snapshot) -> Result<bool, StoreError> {
        let figures = serde_json::json!(snapshot.figures).to_string();
        let made: Option<i64> = on!(
            self.db(),
            fetch_optional(
                sqlx::query_scalar(FREEZE)
                    .bind(snapshot.period.to_string())
                    .bind(snapshot.revision)
                    .bind(micros(snapshot.known_at))
                    .bind(figures)
                    .bind(&snapshot.made_by)
                    .bind(&snapshot.reason)
            )
        );
        Ok(made.is_some())
    }

    /// The snapshots that list a ticket among the overdue ones, as they are without its code.
    pub(super) async fn snapshots_without(&mut self, code: &str) -> Result<Vec<Snapshot>, StoreError> {
        let rows: Vec<Row> = on!(self.db(), fetch_all(sqlx::query_as(KNOWN_BEFORE).bind(i64::MAX)));
        let mut listing = Vec::new();
        for row in rows {
            let mut snapshot = Snapshot::try_from(row)?;
            let detail = snapshot.figures.detail.as_mut();
            if detail.is_some_and(|detail| detail.withhold(|listed| listed == code)) {
                listing.push(snapshot);
            }
        }
        Ok(listing)
    }

    /// Takes a ticket's code out of the snapshots: out of how many.
    pub(super) async fn unlist(&mut self, code: &str) -> Result<u64, StoreError> {
        let listing = self.snapshots_without(code).await?;
        for snapshot in &listing {
            on!(
                self.db(),
                execute(
                    sqlx::query(WRITE_ANEW)
                        .bind(snapshot.period.to_string())
                        .bind(snapshot.revision)
                        .bind(serde_json::json!(snapshot.figures).to_string())
                )
            );
        }
        Ok(listing.len() as u64)
    }
}
