//! Month ends: the figures of a period are frozen once it is over, as provisional ones at the first turn that has read the
//! ticket database since, and for good at the first one behind the days of checking. Which periods are owed follows from
//! what is frozen, so that those missed while nothing ran are made up, each once and one period a turn, since what is due to
//! be told does not wait for figures.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use chrono::NaiveTime;
use tokio::time::timeout;

use super::{Engine, SIGN_OF_LIFE, TurnError};
use crate::domain::Moment;
use crate::domain::figures::is_checked_at;
use crate::domain::obligation;
use crate::domain::time::Period;
use crate::report;
use crate::store::meta::Meta;
use crate::store::snapshots::Snapshot;

/// The first contradiction in the figures of each period that has one.
pub(super) type Unbalanced = BTreeMap<String, String>;

/// The revision that stands while figures are checked.
const PROVISIONAL: i64 = 0;
/// The first one that counts for good.
const FINAL: i64 = 1;

impl Engine {
    /// Freezes what is owed.
    pub(super) async fn freeze_periods(&mut self, meta: &Meta, now: Moment) -> Result<(), TurnError> {
        if self.term.is_none() || self.freezes_at.is_some_and(|at| now < at) {
            return Ok(());
        }
        // What was not read since is not known: another turn will.
        let (Some(first_turn), Some(read)) = (meta.first_turn_at, meta.source_read_at) else {
            return Ok(());
        };
        let kind = self.config.rules.period;
        let base = self.config.calendars.base();
        let first = Period::of(base.date_of(first_turn), kind);
        let frozen = self.store.frozen_since(first).await?;
        let missing = |period: Period| {
            let end = base.instant(period.end(), NaiveTime::MIN);
            let key = period.to_string();
            let last = frozen.iter().find(|(period, _)| *period == key);
            let mut all = vec![(PROVISIONAL, end), (FINAL, is_checked_at(period, base))];
            all.retain(|(revision, _)| last.is_none_or(|(_, last)| last < revision));
            all
        };
        let (mut period, mut owed) = (first, missing(first));
        while owed.is_empty() {
            period = period.next();
            owed = missing(period);
        }
        for (revision, due) in owed {
            // What comes behind it is due later.
            if now.min(read) < due {
                self.freezes_at = Some(due);
                self.unbalanced = Some(self.contradictions(first, period).await?);
                return Ok(());
            }
            self.freeze(period, revision, now).await?;
        }
        Ok(())
    }

    /// What contradicts itself in the last revisions of a period and the two before it, from the first on.
    async fn contradictions(&self, first: Period, period: Period) -> Result<Unbalanced, TurnError> {
        let mut found = Unbalanced::new();
        for period in [period, period.previous(), period.previous().previous()] {
            if period.first_day() < first.first_day() {
                break;
            }
            let last = self.store.snapshots(period).await?.pop();
            let violation = last.and_then(|last| last.figures.violations().into_iter().next());
            found.extend(violation.map(|violation| (period.to_string(), violation.to_string())));
        }
        Ok(found)
    }

    /// Keeps a revision of a period's figures as they are known now.
    async fn freeze(&self, period: Period, revision: i64, now: Moment) -> Result<(), TurnError> {
        let bounds = report::bounds(&self.store, &self.config, period, now).await?;
        let pulse = Arc::clone(&self.pulse);
        let on_page = move || pulse.beat();
        let mut counting = pin!(report::count_within(
            &self.store,
            &self.config,
            period,
            bounds,
            &on_page
        ));
        // It may take longer than the one that decides may be silent.
        let (report, members) = loop {
            match timeout(SIGN_OF_LIFE, &mut counting).await {
                Ok(counted) => break counted?,
                Err(_) => self.begin_deciding().await?.commit().await?,
            }
        };
        let snapshot = Snapshot {
            period,
            revision,
            known_at: bounds.known,
            figures: report.figures,
            made_by: None,
            reason: None,
        };
        let known = self.store.members(period).await?;
        let members = obligation::under_known_ids(members, &known, &self.config.directory);
        let mut tx = self.begin_deciding().await?;
        let is_made = tx.freeze(&snapshot).await?;
        if is_made {
            tx.add_members(period, revision, &members, now).await?;
            if revision >= FINAL {
                self.follow_standing(&mut tx, period, now).await?;
                tx.open_obligations(period, now).await?;
            }
        }
        tx.commit().await?;
        if is_made {
            tracing::info!(%period, revision, "the figures of {period} are frozen");
        }
        Ok(())
    }
}
