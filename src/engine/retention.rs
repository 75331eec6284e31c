//! What is kept no longer goes, once a day after delivery, and at once by `dondoc prune`.
//!
//! First the instant is written down before which nothing is kept: from then on the sweep asks for no older key, and what
//! is met of older tickets is no news. Then each kind goes in batches, each a short transaction; a turn takes a few of them
//! and leaves the rest to the next.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{Months, NaiveTime, TimeDelta};
use tokio::time::interval;

use super::{Engine, TurnError};
use crate::config::{Config, FEWEST_MONTHS};
use crate::domain::Moment;
use crate::domain::time::Period;
use crate::store::meta::{Meta, MetaMoment};
use crate::store::retention::{Bounds, Prunable};
use crate::store::{Store, StoreError, Tx};

/// Rows of a kind that go together, with what hangs on them.
const BATCH: i64 = 200;

/// Batches that one turn takes.
const A_TURN: usize = 10;

/// Between two batches of the command: longer than whoever waits for a SQLite file sleeps before he looks at it again.
const PAUSE: Duration = Duration::from_millis(150);

/// Where nothing has been seen for so long the clock may have jumped, and all would be gone.
const LONG: TimeDelta = TimeDelta::days(31);

/// How many of each kind went, or would go.
pub type Pruned = BTreeMap<Prunable, i64>;

/// Before when bodies and records go at an instant. Periods are kept whole, so that their figures stay as they are.
#[must_use]
pub fn bounds(config: &Config, now: Moment) -> Bounds {
    Bounds {
        bodies: now - config.retention.bodies,
        records: records_from(config, config.retention.records_months, now),
        office: config.directory.office.clone(),
    }
}

/// The first instant of the oldest period that is kept for so many months.
fn records_from(config: &Config, months: u32, now: Moment) -> Moment {
    let base = config.calendars.base();
    let today = base.date_of(now);
    let oldest = today.checked_sub_months(Months::new(months)).unwrap_or(today);
    let period = Period::of(oldest, config.rules.period);
    base.instant(period.first_day(), NaiveTime::MIN)
}

/// From when on all is kept, where something has gone or goes now.
fn kept_from(meta: &Meta, bounds: &Bounds) -> Option<Moment> {
    let known_from = meta.horizon?;
    (known_from < bounds.records).then_some(bounds.records)
}

/// Since when nothing has been seen that would bear out the clock, where that is long: the newest change in the ticket
/// database, which has a clock of its own, or else the last turn.
#[must_use]
pub fn unwitnessed_since(meta: &Meta, now: Moment) -> Option<Moment> {
    let witness = meta.newest_update.or(meta.last_turn_at)?;
    (now - witness > LONG).then_some(witness)
}

/// Prunes everything that may go, in batches beside whoever else works on the store.
///
/// # Errors
/// Of the store; what has gone by then stays gone.
pub async fn prune(config: &Config, store: &Store, with_archive: bool, now: Moment) -> Result<Pruned, StoreError> {
    let bounds = bounds(config, now);
    if let Some(from) = kept_from(&store.meta().await?, &bounds) {
        let mut tx = store.begin().await?;
        tx.put_moments(&[(MetaMoment::KeptFrom, from)]).await?;
        tx.commit().await?;
    }
    let mut pause = interval(PAUSE);
    let mut pruned = Pruned::new();
    for what in kinds(with_archive) {
        let count = pruned.entry(what).or_default();
        loop {
            let tx = store.begin().await?;
            let gone = batch(tx, what, &bounds).await?;
            *count += gone;
            if gone < BATCH {
                break;
            }
            pause.reset();
            pause.tick().await;
        }
    }
    Ok(pruned)
}

/// What [`prune`] would do.
///
/// # Errors
/// Of the store.
pub async fn prunable(config: &Config, store: &Store, with_archive: bool, now: Moment) -> Result<Pruned, StoreError> {
    let bounds = bounds(config, now);
    let mut found = Pruned::new();
    for what in kinds(with_archive) {
        found.insert(what, store.count_prunable(what, &bounds).await?);
    }
    Ok(found)
}

fn kinds(with_archive: bool) -> impl Iterator<Item = Prunable> {
    let all = Prunable::ALL.into_iter();
    all.filter(move |what| with_archive || *what != Prunable::Archive)
}

async fn batch(mut tx: Tx, what: Prunable, bounds: &Bounds) -> Result<i64, StoreError> {
    let gone = tx.prune(what, bounds, BATCH).await?;
    tx.commit().await?;
    Ok(i64::try_from(gone).unwrap_or(BATCH))
}

impl Engine {
    /// Prunes some of what may go, where that is not done for today.
    pub(super) async fn prune_daily(&mut self, meta: &Meta, now: Moment) -> Result<(), TurnError> {
        let today = self.config.calendars.base().date_of(now);
        if self.term.is_none() || self.pruned_on == Some(today) {
            return Ok(());
        }
        let last = meta.pruned_at.map(|at| self.config.calendars.base().date_of(at));
        if last == Some(today) {
            self.pruned_on = Some(today);
            return Ok(());
        }
        let bounds = bounds(&self.config, now);
        // No clock that was right can have set it.
        let is_wrong = |from: &Moment| *from > records_from(&self.config, FEWEST_MONTHS, now);
        if let Some(from) = meta.kept_from.filter(is_wrong) {
            tracing::error!(%from, "records are said to be kept from {from} on only, which is by a clock that was wrong; from now on they are kept from {}", bounds.records);
            let mut tx = self.begin_deciding().await?;
            tx.put_moments(&[(MetaMoment::KeptFrom, bounds.records)]).await?;
            tx.commit().await?;
        }
        let is_long_ago = last.is_some_and(|last| today - last > LONG);
        let newest_is_old = meta.newest_update.is_some_and(|newest| now - newest > LONG);
        if is_long_ago && newest_is_old {
            tracing::warn!(last = ?last, newest = ?meta.newest_update, "records have not been looked at for long, and nothing in the ticket database is as new as the clock: nothing goes until something is");
            self.pruned_on = Some(today);
            return Ok(());
        }
        if is_long_ago && meta.newest_update.is_none() {
            tracing::warn!(last = ?last, "records have not been looked at for long; if the clock is right, what is kept no longer goes from tomorrow on");
        } else {
            if let Some(from) = kept_from(meta, &bounds) {
                let mut tx = self.begin_deciding().await?;
                tx.put_moments(&[(MetaMoment::KeptFrom, from)]).await?;
                tx.commit().await?;
            }
            if !self.prune_some(&bounds).await? {
                return Ok(());
            }
        }
        let mut tx = self.begin_deciding().await?;
        tx.put_moments(&[(MetaMoment::Pruned, now)]).await?;
        tx.commit().await?;
        self.pruned_on = Some(today);
        Ok(())
    }

    /// False where some is left for the next turn.
    async fn prune_some(&self, bounds: &Bounds) -> Result<bool, TurnError> {
        let mut left = A_TURN;
        for what in kinds(false) {
            loop {
                if left == 0 || self.pulse.is_stopping() {
                    return Ok(false);
                }
                let gone = batch(self.begin_deciding().await?, what, bounds).await?;
                self.pulse.beat();
                if gone > 0 {
                    tracing::info!(
                        kind = what.word(),
                        count = gone,
                        "kept no longer: {gone} {}",
                        what.word()
                    );
                    left -= 1;
                }
                if gone < BATCH {
                    break;
                }
            }
        }
        Ok(true)
    }
}
