//! What an audit asks of messages: those that wait longer than they should, and whether what a notice is in is on its way.

use std::collections::HashMap;

use chrono::TimeDelta;
use sqlx::FromRow;

use super::{CHUNK, Store, StoreError, filled, keys_50, micros, moment, on};
use crate::domain::Moment;

/// Due by then, and in nobody's hands. As for those who deliver, a claim that ends later than any can is none. What is to go
/// at once, and what no attempt is put off for so long, could have gone since it waits.
const UNSENT: &str = "SELECT id, unit, channel, urgent, since FROM (SELECT id, unit, channel, urgent, claimed_until, \
     CASE WHEN COALESCE(next_attempt_at, 0) = 0 OR next_attempt_at > $7 THEN state_at ELSE next_attempt_at END AS since \
     FROM message WHERE state = 'waiting') AS waits \
     WHERE since <= $1 AND (claimed_until IS NULL OR claimed_until <= $2 OR claimed_until > $6) \
     AND (since > $3 OR (since = $3 AND id > $4)) ORDER BY since, id LIMIT CAST($5 AS BIGINT)";
const STATES: &str = concat!("SELECT id, state FROM message WHERE id IN (", keys_50!(), ")");

pub const STATEMENTS: &[&str] = &[UNSENT, STATES];

/// A message that waits for an attempt.
#[derive(Debug, Clone, FromRow)]
pub struct Unsent {
    pub id: String,
    pub unit: String,
    pub channel: String,
    urgent: i64,
    since: i64,
}

impl Unsent {
    #[must_use]
    pub fn since(&self) -> Moment {
        moment(self.since)
    }

    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.urgent != 0
    }
}

impl Store {
    /// Messages whose attempt was due by an instant, or is put off beyond the latest that any is, and which nobody is sending:
    /// in the order in which it was, behind one.
    pub async fn unsent(
        &self,
        (by, latest): (Moment, Moment),
        (after, id): (Moment, &str),
        (now, lease): (Moment, TimeDelta),
        limit: i64,
    ) -> Result<Vec<Unsent>, StoreError> {
        Ok(on!(
            self.db(),
            fetch_all(
                sqlx::query_as(UNSENT)
                    .bind(micros(by))
                    .bind(micros(now))
                    .bind(micros(after))
                    .bind(id)
                    .bind(limit)
                    .bind(micros(now + lease + lease))
                    .bind(micros(latest))
            )
        ))
    }

    /// The states of messages, by id; what there is no message of is left out.
    pub async fn message_states(&self, ids: &[&str]) -> Result<HashMap<String, String>, StoreError> {
        let mut states = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK) {
            let rows: Vec<(String, String)> = on!(
                self.db(),
                fetch_all(filled(chunk).fold(sqlx::query_as(STATES), |q, id| q.bind(id)))
            );
            states.extend(rows);
        }
        Ok(states)
    }
}
