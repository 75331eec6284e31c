//! What a turn shows of itself while it goes on, and how it is asked to end early.
//!
//! The engine beats with each batch, page, attempt, answer of the ticket database and run of ops' command; whoever watches sees from the beats
//! that work goes forward. Asked to stop, a turn ends at the next such place: what was done stays done, and what was not
//! comes with a later turn.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;

use crate::channel::{command, smtp};
use crate::config::Config;
use crate::config::settings::Database;
use crate::source;
use crate::store;

/// How long it may be from one beat to the next while everything keeps to its limits.
#[must_use]
pub fn longest_wait(config: &Config) -> Duration {
    let time = |time: TimeDelta| time.to_std().unwrap_or_default();
    // A statement, and the end of its transaction.
    let source = (time(config.source.statement_timeout) + source::GRACE) * 2;
    let store = match config.store.database {
        // Somebody holds the file locked: what is due cannot be decided, nor delivered.
        Database::Sqlite(_) => store::BUSY * 3,
        // A transaction begins, does something and ends.
        Database::Postgres(_) | Database::MySql(_) => store::ANSWER * 3,
    };
    // An attempt needs several answers of the mail server.
    let mail = smtp::longest_attempt(&config.smtp);
    let command = match config.ops.command.is_empty() {
        true => Duration::ZERO,
        false => command::LONGEST,
    };
    [source, store, mail, time(config.webhooks.timeout), command]
        .into_iter()
        .max()
        .unwrap_or_default()
}

/// Shared by a turn and whoever watches it.
#[derive(Debug, Default)]
pub struct Pulse {
    beats: AtomicU64,
    stops: AtomicBool,
}

impl Pulse {
    /// Something was done.
    pub fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// How often something was done.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// Asks the turn to end at the next place where it can.
    pub fn stop(&self) {
        self.stops.store(true, Ordering::Relaxed);
    }

    /// Whether the turn was asked to end.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stops.load(Ordering::Relaxed)
    }
}
