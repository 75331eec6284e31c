//! What the daemon shows of itself: metrics, a line for systemd, and whether it is well.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::config::Config;
use crate::domain::Moment;
use crate::engine::{TurnError, TurnReport};
use crate::store::StoreError;
use crate::store::meta::LastAudit;
use crate::store::outbox::StateCount;

use super::metrics::{AttemptLabels, ConfigLabels, Metrics, PartLabels, TurnLabels, add};

/// Without progress for so long the daemon is not well.
const STUCK_S: i64 = 300;

/// Shared by the loop, which writes it, and the pages, which show it.
pub(super) struct State {
    metrics: Metrics,
    clock: fn() -> Moment,
    /// When the loop last saw work go forward, in seconds since 1970.
    forward_at: AtomicI64,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    /// The calendar is entered until this date.
    calendar_until: chrono::NaiveDate,
    config_hash: String,
    /// Why the last turn failed; `None` before the first one.
    turn: Option<Result<(), String>>,
    line: String,
}

impl State {
    pub(super) fn new(config: &Config, clock: fn() -> Moment) -> State {
        let state = State {
            metrics: Metrics::new(),
            clock,
            forward_at: AtomicI64::new(clock().timestamp()),
            last: Mutex::default(),
        };
        state.reloaded(config, clock());
        state
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Work goes forward, or there is none.
    pub(super) fn goes_forward(&self) {
        self.forward_at.store((self.clock)().timestamp(), Ordering::Relaxed);
    }

    /// A configuration is in force.
    pub(super) fn reloaded(&self, config: &Config, at: Moment) {
        self.metrics.reload_successful.set(1);
        self.metrics.reload_at.set(at.timestamp());
        let mut last = self.last();
        self.metrics.config.remove(&ConfigLabels {
            hash: std::mem::take(&mut last.config_hash),
        });
        last.config_hash.clone_from(&config.fingerprint);
        let labels = ConfigLabels {
            hash: config.fingerprint.clone(),
        };
        self.metrics.config.get_or_create(&labels).set(1);
        last.calendar_until = config.calendars.base().entered_until();
        self.metrics
            .calendar_days
            .set((last.calendar_until - config.calendars.base().date_of(at)).num_days());
    }

    pub(super) fn reload_refused(&self) {
        self.metrics.reload_successful.set(0);
    }

    /// A turn has ended, one way or the other.
    pub(super) fn turn_ended(&self, turn: &Result<TurnReport, TurnError>, began: Moment, ended: Moment) {
        self.goes_forward();
        let m = &self.metrics;
        let outcome = match turn {
            Ok(report) if report.source_failed() => "source_down",
            Ok(report) if report.is_paused => "paused",
            Ok(_) => "ok",
            Err(_) => "failed",
        };
        m.turns.get_or_create(&TurnLabels { outcome }).inc();
        let length = (ended - began).to_std().unwrap_or_default();
        m.turn_seconds.observe(length.as_secs_f64());
        m.last_turn.set(ended.timestamp());
        let mut last = self.last();
        m.calendar_days
            .set((last.calendar_until - ended.date_naive()).num_days());
        match turn {
            Ok(report) => {
                count(m, report);
                last.turn = Some(Ok(()));
                last.line = line(report);
            }
            Err(error) => {
                tracing::error!(%error, "the turn failed and is tried again at the next wake: {error}");
                last.turn = Some(Err(error.to_string()));
                last.line = format!("the last turn failed: {error}");
            }
        }
    }

    /// What the last nightly audit found.
    pub(super) fn audited(&self, last: Option<&LastAudit>) {
        if let Some(last) = last {
            self.metrics.audit_at.set(last.at.timestamp());
            self.metrics
                .audit_findings
                .set(i64::try_from(last.findings).unwrap_or(i64::MAX));
        }
    }

    /// The sign that all is well was given, and taken or not.
    pub(super) fn sign_given(&self, is_taken: bool) {
        let outcome = if is_taken { "ok" } else { "failed" };
        self.metrics.alive_pings.get_or_create(&TurnLabels { outcome }).inc();
    }

    /// What is not settled.
    pub(super) fn backlog(&self, backlog: Result<Vec<StateCount>, StoreError>, now: Moment) {
        let counts = match backlog {
            Ok(counts) => counts,
            Err(error) => {
                tracing::error!(%error, "what waits cannot be counted");
                return;
            }
        };
        let of = |state: &str| counts.iter().find(|c| c.state == state);
        let messages = |state: &str| of(state).map_or(0, |c| c.messages);
        let m = &self.metrics;
        m.waiting.set(messages("waiting"));
        m.dead.set(messages("dead"));
        m.bounced.set(messages("bounced"));
        m.awaiting_approval.set(messages("awaiting_approval"));
        m.unknown.set(of("waiting").map_or(0, |c| c.unknown));
        m.oldest_waiting
            .set(of("waiting").map_or(0, |c| (now - c.oldest_created).num_seconds()));
    }

    /// The last turn in a line, for `systemctl status`.
    pub(super) fn line(&self) -> String {
        self.last().line.clone()
    }

    /// Whether work goes forward, or since when it does not.
    pub(super) fn health(&self) -> Result<(), String> {
        let idle = (self.clock)().timestamp() - self.forward_at.load(Ordering::Relaxed);
        if idle > STUCK_S {
            return Err(format!("nothing has gone forward for {idle} s"));
        }
        Ok(())
    }

    /// Whether the last turn came to its end, or why not.
    pub(super) fn readiness(&self) -> Result<(), String> {
        self.health()?;
        match &self.last().turn {
            None => Err("the first turn is not over".to_owned()),
            Some(Err(why)) => Err(format!("the last turn failed: {why}")),
            Some(Ok(())) => Ok(()),
        }
    }

    pub(super) fn metrics_text(&self) -> Result<String, std::fmt::Error> {
        self.metrics.text()
    }
}

fn count(m: &Metrics, report: &TurnReport) {
    add(&m.rows_seen, report.observed.seen);
    add(&m.rows_changed, report.observed.changed);
    add(&m.rows_rejected, report.observed.rejected);
    add(&m.decided, report.decided);
    add(&m.composed, report.composed.messages);
    m.paused.set(i64::from(report.is_paused));
    m.leading.set(i64::from(report.is_leading));
    m.alarms.set(i64::try_from(report.alarms).unwrap_or(i64::MAX));
    for ((channel, answer, class), count) in &report.delivered.by {
        let labels = AttemptLabels {
            channel: channel.word(),
            answer,
            class,
        };
        add(&m.attempts.get_or_create(&labels), *count);
    }
    for (part, lateness) in [
        ("compose", &report.composed.lateness),
        ("delivery", &report.delivered.lateness),
    ] {
        let histogram = m.lateness.get_or_create(&PartLabels { part });
        for late in lateness {
            histogram.observe(late.to_std().unwrap_or_default().as_secs_f64());
        }
    }
}

fn line(report: &TurnReport) -> String {
    if report.is_paused {
        return "paused: nothing is composed or sent".to_owned();
    }
    if report.is_behind {
        let accepted = report.delivered.accepted;
        return format!("the clock is behind the last turn: nothing is decided; {accepted} accepted");
    }
    if !report.is_leading {
        return format!("another process decides; {} accepted here", report.delivered.accepted);
    }
    let source = if report.source_failed() {
        "; the ticket database cannot be read"
    } else {
        ""
    };
    format!(
        "{} rows changed, {} tellings, {} messages made, {} accepted; {} wait{source}",
        report.observed.changed, report.decided, report.composed.messages, report.delivered.accepted, report.waiting
    )
}
