//! The daemon's metrics, by name and label; `docs/metrics.md` says what each means.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// How a turn, or a sign that all is well, ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TurnLabels {
    pub(super) outcome: &'static str,
}

/// The answer to an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct AttemptLabels {
    pub(super) channel: &'static str,
    pub(super) answer: &'static str,
    pub(super) class: &'static str,
}

/// Which part of a message's way is measured.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PartLabels {
    pub(super) part: &'static str,
}

/// The fingerprint of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ConfigLabels {
    pub(super) hash: String,
}

/// Every metric there is; handles are cheap and shared with the registry.
pub(super) struct Metrics {
    registry: Registry,
    pub(super) turns: Family<TurnLabels, Counter>,
    pub(super) turn_seconds: Histogram,
    pub(super) last_turn: Gauge,
    pub(super) rows_seen: Counter,
    pub(super) rows_changed: Counter,
    pub(super) rows_rejected: Counter,
    pub(super) decided: Counter,
    pub(super) composed: Counter,
    pub(super) attempts: Family<AttemptLabels, Counter>,
    pub(super) lateness: Family<PartLabels, Histogram>,
    pub(super) waiting: Gauge,
    pub(super) oldest_waiting: Gauge,
    pub(super) dead: Gauge,
    pub(super) unknown: Gauge,
    pub(super) bounced: Gauge,
    pub(super) awaiting_approval: Gauge,
    pub(super) paused: Gauge,
    pub(super) leading: Gauge,
    pub(super) alarms: Gauge,
    pub(super) reload_successful: Gauge,
    pub(super) reload_at: Gauge,
    pub(super) config: Family<ConfigLabels, Gauge>,
    pub(super) calendar_days: Gauge,
    pub(super) audit_at: Gauge,
    pub(super) audit_findings: Gauge,
    pub(super) alive_pings: Family<TurnLabels, Counter>,
}

fn turn_buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.01, 4.0, 9))
}

/// From a second to two days.
fn lateness_buckets() -> Histogram {
    Histogram::new([
        1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 86_400.0, 172_800.0,
    ])
}

impl Metrics {
    pub(super) fn new() -> Metrics {
        let mut registry = Registry::with_prefix("dondoc");
        let metrics = Metrics {
            turns: Family::default(),
            turn_seconds: turn_buckets(),
            last_turn: Gauge::default(),
            rows_seen: Counter::default(),
            rows_changed: Counter::default(),
            rows_rejected: Counter::default(),
            decided: Counter::default(),
            composed: Counter::default(),
            attempts: Family::default(),
            lateness: Family::new_with_constructor(lateness_buckets),
            waiting: Gauge::default(),
            oldest_waiting: Gauge::default(),
            dead: Gauge::default(),
            unknown: Gauge::default(),
            bounced: Gauge::default(),
            awaiting_approval: Gauge::default(),
            paused: Gauge::default(),
            leading: Gauge::default(),
            alarms: Gauge::default(),
            reload_successful: Gauge::default(),
            reload_at: Gauge::default(),
            config: Family::default(),
            calendar_days: Gauge::default(),
            audit_at: Gauge::default(),
            audit_findings: Gauge::default(),
            alive_pings: Family::default(),
            registry: Registry::default(),
        };
        for part in ["compose", "delivery"] {
            drop(metrics.lateness.get_or_create(&PartLabels { part }));
        }
        for outcome in ["ok", "failed"] {
            drop(metrics.alive_pings.get_or_create(&TurnLabels { outcome }));
        }
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "The running program", Info::new(version.to_vec()));
        let m = &metrics;
        registry.register("turns", "Turns by how they ended", m.turns.clone());
        registry.register("turn_seconds", "Length of turns", m.turn_seconds.clone());
        registry.register(
            "last_turn_timestamp_seconds",
            "End of the last turn",
            m.last_turn.clone(),
        );
        registry.register("rows_seen", "Rows read from the ticket database", m.rows_seen.clone());
        registry.register(
            "rows_changed",
            "Rows that differed from what was known",
            m.rows_changed.clone(),
        );
        registry.register("rows_rejected", "Rows that could not be taken", m.rows_rejected.clone());
        registry.register("decided", "Tellings decided", m.decided.clone());
        registry.register("composed", "Messages composed", m.composed.clone());
        registry.register("attempts", "Attempts by channel, answer and class", m.attempts.clone());
        registry.register(
            "lateness_seconds",
            "From when a message could be composed to that (compose), and from there to its acceptance (delivery)",
            m.lateness.clone(),
        );
        registry.register(
            "messages_waiting",
            "Messages that wait for an attempt",
            m.waiting.clone(),
        );
        registry.register(
            "oldest_waiting_seconds",
            "Age of the oldest of them",
            m.oldest_waiting.clone(),
        );
        registry.register("messages_dead", "Messages given up or refused for good", m.dead.clone());
        registry.register(
            "messages_unknown",
            "Lost answers of waiting messages",
            m.unknown.clone(),
        );
        registry.register("messages_bounced", "Messages that came back", m.bounced.clone());
        registry.register(
            "messages_awaiting_approval",
            "Messages that wait to be released",
            m.awaiting_approval.clone(),
        );
        registry.register("paused", "1 while sending is held", m.paused.clone());
        registry.register("alarms", "Alarms that hold", m.alarms.clone());
        registry.register(
            "leading",
            "1 where this process observes and decides",
            m.leading.clone(),
        );
        registry.register(
            "config_reload_successful",
            "1 where the last reload went through",
            m.reload_successful.clone(),
        );
        registry.register(
            "config_reload_timestamp_seconds",
            "When the configuration was taken up",
            m.reload_at.clone(),
        );
        registry.register("config_in_force", "Fingerprint of the configuration", m.config.clone());
        registry.register(
            "calendar_days_entered",
            "Days until the entered calendar ends",
            m.calendar_days.clone(),
        );
        registry.register("audit_timestamp_seconds", "The last nightly audit", m.audit_at.clone());
        registry.register("audit_findings", "What it found", m.audit_findings.clone());
        registry.register(
            "alive_pings",
            "Signs to ops.alive_url by how they ended",
            m.alive_pings.clone(),
        );
        Metrics { registry, ..metrics }
    }

    /// As OpenMetrics text, which Prometheus reads.
    pub(super) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Adds a count to a counter.
pub(super) fn add(counter: &Counter<u64, AtomicU64>, count: usize) {
    counter.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
}
