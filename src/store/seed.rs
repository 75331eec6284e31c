//! A store in memory for a rehearsal: what it begins with, when its next turn could matter, and what was told in it.

use std::sync::LazyLock;

use sqlx::FromRow;

use super::{Sizes, Store, StoreError, Tx, micros, moment, on, pieces, rows, sqlite};
use crate::domain::Moment;
use crate::domain::notice::Telling;

const NEXT: &str = "SELECT MIN(at) FROM (SELECT MIN(next_at) AS at FROM ticket WHERE next_at > $1 \
     UNION ALL SELECT MIN(compose_at) FROM notice WHERE state = 'waiting' AND compose_at > $1 \
     UNION ALL SELECT MIN(next_attempt_at) FROM message WHERE state = 'waiting' AND channel = 'email' AND next_attempt_at > $1 \
     UNION ALL SELECT MIN(next_attempt_at) FROM message WHERE state = 'waiting' AND channel = 'webhook' AND next_attempt_at > $1) AS next";
const TOLD: &str = "SELECT m.id AS message, m.state_at AS at, m.mode, m.channel, m.unit, m.desk, \
     CASE WHEN t.subject_kind = 'ticket' THEN t.subject END AS ticket, t.rule, t.step, t.repetition, n.role, n.cc \
     FROM message m LEFT JOIN message_notice l ON l.message = m.id LEFT JOIN notice n ON n.id = l.notice \
     LEFT JOIN telling t ON t.id = n.telling WHERE m.state = 'accepted' AND m.created_at >= $1 \
     ORDER BY m.state_at, m.unit, m.desk, m.id, t.rule, t.step, t.subject";

pub const STATEMENTS: &[&str] = &[NEXT, TOLD];

static TELLING: LazyLock<Sizes> = LazyLock::new(|| {
    Sizes::new(|count| {
        format!(
            "INSERT INTO telling (id, subject_kind, subject, mode, rule, step, repetition, occurrence, due_at, decided_at, opening, settled_by) \
             VALUES {}",
            rows("(?, 'ticket', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", count)
        )
    })
});
static NOTICE: LazyLock<Sizes> = LazyLock::new(|| {
    Sizes::new(|count| {
        format!(
            "INSERT INTO notice (id, telling, role, start_unit, channel, cc, state, state_at, compose_at, wait, first_attempt_at, message) \
             VALUES {}",
            rows("(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", count)
        )
    })
});

/// The statements that write several rows, for each size.
pub(super) fn with_rows() -> impl Iterator<Item = &'static str> {
    TELLING.iter().chain(NOTICE.iter()).map(String::as_str)
}

/// A notice in a message that was accepted; a summary's has no ticket, and a message without notices stands once.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Told {
    pub message: String,
    at: i64,
    pub mode: String,
    pub channel: String,
    pub unit: String,
    pub desk: String,
    pub ticket: Option<String>,
    pub rule: Option<String>,
    pub step: Option<String>,
    pub repetition: Option<i64>,
    pub role: Option<String>,
    pub cc: Option<i64>,
}

impl Told {
    #[must_use]
    pub fn at(&self) -> Moment {
        moment(self.at)
    }
}

impl Store {
    /// A new store that is gone when it is closed.
    pub async fn open_in_memory() -> Result<Store, StoreError> {
        sqlite::open_in_memory().await
    }

    /// The first instant after one at which a ticket, a notice or a message is due.
    pub async fn next_due(&self, after: Moment) -> Result<Option<Moment>, StoreError> {
        let next: Option<i64> = on!(self.db(), fetch_one(sqlx::query_scalar(NEXT).bind(micros(after))));
        Ok(next.map(moment))
    }

    /// What the messages made since an instant have told, in order.
    pub async fn told_since(&self, since: Moment) -> Result<Vec<Told>, StoreError> {
        Ok(on!(self.db(), fetch_all(sqlx::query_as(TOLD).bind(micros(since)))))
    }
}

impl Tx {
    /// Tellings with their notices as another store has them, ids included.
    pub async fn seed_tellings(&mut self, list: &[Telling]) -> Result<(), StoreError> {
        for (place, piece) in pieces(list) {
            on!(self.db(), |kind| execute(piece.iter().fold(
                sqlx::query(TELLING.text(place, kind)),
                |q, t| {
                    q.bind(t.id)
                        .bind(&t.key.ticket)
                        .bind(t.key.mode.word())
                        .bind(&t.key.rule)
                        .bind(&t.key.step)
                        .bind(i64::from(t.key.repetition))
                        .bind(&t.key.occurrence)
                        .bind(micros(t.due_at))
                        .bind(micros(t.decided_at))
                        .bind(i64::from(t.opening))
                        .bind(t.settled_by)
                }
            )));
        }
        let notices: Vec<_> = list.iter().flat_map(|t| t.notices.iter().map(|n| (t.id, n))).collect();
        for (place, piece) in pieces(&notices) {
            on!(self.db(), |kind| execute(piece.iter().fold(
                sqlx::query(NOTICE.text(place, kind)),
                |q, (telling, n)| {
                    q.bind(n.id)
                        .bind(telling)
                        .bind(&n.role)
                        .bind(&n.start)
                        .bind(n.channel.word())
                        .bind(i64::from(n.cc))
                        .bind(n.state.word())
                        .bind(micros(n.at))
                        .bind(n.compose_at.map(micros))
                        .bind(n.wait.key())
                        .bind(n.first_attempt_at.map(micros))
                        .bind(&n.message)
                }
            )));
        }
        Ok(())
    }
}
