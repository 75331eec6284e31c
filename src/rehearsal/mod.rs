//! Rehearsal: the engine's own turns over tickets as they were, under simulated time, on a store in memory. Nothing goes
//! out and nothing is written.

pub mod expectations;
pub mod past;
mod register;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{NaiveDate, NaiveTime, TimeDelta};

use crate::config::Config;
use crate::domain::Moment;
use crate::domain::calendar::Calendar;
use crate::engine::{ClientError, Engine, TurnError};
use crate::render::Renderer;
use crate::source::{SourceError, Timeline};
use crate::store::seed::Told;
use crate::store::{Store, StoreError};

pub use past::{Data, Past, PastError};
pub use register::Register;

/// Why a rehearsal came to no end.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Turn(#[from] TurnError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// What is played: whole days, both included.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub from: NaiveDate,
    pub to: NaiveDate,
    /// So often in office hours, and at night where something is due.
    pub every: TimeDelta,
}

impl Span {
    #[must_use]
    pub fn begins(&self, calendar: &Calendar) -> Moment {
        calendar.instant(self.from, NaiveTime::MIN)
    }

    #[must_use]
    pub fn ends(&self, calendar: &Calendar) -> Moment {
        calendar.end_of_day(self.to)
    }

    /// The instants of turns: the sweep, the digests, what goes by the calendar, each office's opening, and then again and
    /// again until it closes.
    fn instants(&self, config: &Config) -> BTreeSet<Moment> {
        let base = config.calendars.base();
        let units = config.directory.units.iter().map(|unit| config.calendars.of(&unit.id));
        let calendars: Vec<&Calendar> = [base].into_iter().chain(units).collect();
        let summaries = config.rules.summaries.iter().map(|summary| summary.at.time);
        let times: Vec<NaiveTime> = [config.source.sweep_at, config.rules.digest_at]
            .into_iter()
            .chain(summaries)
            .chain(config.monthly.letters_at)
            .collect();
        let mut instants = BTreeSet::new();
        for day in self.from.iter_days().take_while(|day| *day <= self.to) {
            instants.extend(times.iter().map(|time| base.instant(day, *time)));
            for calendar in &calendars {
                for (opens, closes) in calendar.hours(day) {
                    let (mut at, closes) = (calendar.instant(day, *opens), calendar.instant(day, *closes));
                    while at < closes {
                        instants.insert(at);
                        at += self.every;
                    }
                }
            }
        }
        instants
    }
}

/// What a rehearsal came to.
#[derive(Debug, Default)]
pub struct Played {
    pub turns: usize,
    /// In order of the instant.
    pub told: Vec<Told>,
    /// What turns found wrong, with how many of them did.
    pub problems: BTreeMap<String, usize>,
}

impl Played {
    #[must_use]
    pub fn messages(&self) -> usize {
        self.told
            .iter()
            .map(|told| &told.message)
            .collect::<BTreeSet<_>>()
            .len()
    }
}

/// Plays a span by a configuration. The store begins with what was told before, and is closed at the end; `register` is what
/// people recorded meanwhile.
///
/// # Errors
/// When a turn cannot be taken.
pub async fn play(
    config: Config,
    renderer: Renderer,
    timeline: Arc<Timeline>,
    store: Store,
    mut register: Register,
    span: Span,
) -> Result<Played, RehearsalError> {
    let instants = span.instants(&config);
    let base = config.calendars.base().clone();
    let (begins, ends) = (span.begins(&base), span.ends(&base));
    let mut engine = Engine::rehearsing(config, renderer, Arc::clone(&timeline), store)?;
    let mut played = Played::default();
    let mut next = instants.first().copied();
    while let Some(now) = next.filter(|now| *now < ends) {
        timeline.is_now(now);
        register.play_until(engine.store(), now).await?;
        let report = engine.turn(now).await?;
        played.turns += 1;
        for problem in report.problems() {
            *played.problems.entry(problem).or_default() += 1;
        }
        next = instants.range(now + TimeDelta::microseconds(1)..).next().copied();
        // What falls due at night is looked at then; in office hours the next turn is near.
        if next.is_none_or(|next| next - now > span.every) {
            let due = engine.store().next_due(now).await?;
            let due = due.map(|due| due.max(now + span.every));
            next = [due, next].into_iter().flatten().min();
        }
    }
    played.told = engine.store().told_since(begins).await?;
    engine.close().await;
    Ok(played)
}
