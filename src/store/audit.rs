//! What an audit asks of messages: those that wait longer than they should, and notices whose message is not on its way.

use sqlx::FromRow;

use super::{Store, StoreError, micros, moment, on};
use crate::domain::Moment;

/// Due by then, and in nobody's hands.
const UNSENT: &str = "SELECT id, unit, channel, urgent, COALESCE(next_attempt_at, state_at) AS since FROM message \
     WHERE state = 'waiting' AND COALESCE(next_attempt_at, state_at) <= $1 AND (claimed_until IS NULL OR claimed_until <= $2) \
     AND (COALESCE(next_attempt_at, state_at) > $3 OR (COALESCE(next_attempt_at, state_at) = $3 AND id > $4)) \
     ORDER BY COALESCE(next_attempt_at, state_at), id LIMIT $5";
const CLAIMED: &str = "SELECT id, unit, channel, urgent, COALESCE(next_attempt_at, state_at) AS since FROM message \
     WHERE state = 'waiting' AND claimed_until > $1 ORDER BY id LIMIT $2";
const ADRIFT: &str = "SELECT t.subject, t.rule, t.step, n.message, n.state_at FROM notice n JOIN telling t ON t.id = n.telling \
     LEFT JOIN message m ON m.id = n.message WHERE t.subject_kind = 'ticket' AND n.state_at <= $1 \
     AND ((n.state = 'composed' AND (m.id IS NULL OR m.state <> 'waiting')) \
     OR (n.state = 'awaiting_approval' AND (m.id IS NULL OR m.state <> 'awaiting_approval'))) ORDER BY n.id LIMIT $2";

pub const STATEMENTS: &[&str] = &[UNSENT, CLAIMED, ADRIFT];

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

/// A notice in a message that is not on its way.
#[derive(Debug, Clone, FromRow)]
pub struct Adrift {
    pub subject: String,
    pub rule: String,
    pub step: String,
    pub message: Option<String>,
    state_at: i64,
}

impl Adrift {
    #[must_use]
    pub fn since(&self) -> Moment {
        moment(self.state_at)
    }
}

impl Store {
    /// Messages whose attempt was due by an instant and which nobody is sending, in the order in which it was, behind one.
    pub async fn unsent(
        &self,
        by: Moment,
        (after, id): (Moment, &str),
        now: Moment,
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
            )
        ))
    }

    /// Messages whose claim ends later than an instant.
    pub async fn claimed_beyond(&self, until: Moment, limit: i64) -> Result<Vec<Unsent>, StoreError> {
        Ok(on!(
            self.db(),
            fetch_all(sqlx::query_as(CLAIMED).bind(micros(until)).bind(limit))
        ))
    }

    /// Notices of tickets that have been in a message since before an instant which is not on its way, oldest first.
    pub async fn adrift(&self, since: Moment, limit: i64) -> Result<Vec<Adrift>, StoreError> {
        Ok(on!(
            self.db(),
            fetch_all(sqlx::query_as(ADRIFT).bind(micros(since)).bind(limit))
        ))
    }
}
