//! Obligations in a turn: what was recorded about them is taken in as rows of the ticket database are, before anything is
//! decided or composed. They are opened where the last condition for it comes about: with the final figures, with the
//! directive, with a revision.

use std::collections::{BTreeSet, HashMap};

use super::{Engine, TurnError};
use crate::domain::Moment;
use crate::domain::obligation::{Id, Obligation, Progress};
use crate::domain::ticket::Texts;
use crate::domain::time::Period;
use crate::render::view::LineView;
use crate::source::Row;
use crate::store::meta::Meta;
use crate::store::{StoreError, Tx};

impl Engine {
    /// Takes in what was recorded since the last time: how much is told because of it.
    pub(super) async fn take_obligations(&self, meta: &Meta, now: Moment) -> Result<usize, TurnError> {
        let mut decided = 0;
        for period in self.store.untaken_periods().await? {
            let list = self.store.untaken_obligations(period).await?;
            let rows = list.iter().map(|(obligation, _)| self.row(obligation)).collect();
            decided += self.take_rows(meta, rows, None, now).await?.decided;
            let mut tx = self.begin_deciding().await?;
            tx.take_up_obligations(&list).await?;
            tx.commit().await?;
        }
        Ok(decided)
    }

    /// The codes of all that is or was owed.
    pub(super) async fn obligation_codes(&self) -> Result<Vec<String>, StoreError> {
        let mut codes = Vec::new();
        for period in self.store.obligation_periods().await? {
            let all = self.store.obligations(period).await?;
            codes.extend(all.iter().map(|obligation| obligation.id.code()));
        }
        Ok(codes)
    }

    /// How far the tickets of some obligations have come, by their codes; tickets among the codes have no part in it.
    pub(super) async fn progress(&self, codes: &[String]) -> Result<HashMap<String, Progress>, StoreError> {
        let ids = codes.iter().filter_map(|code| Id::of_code(code));
        let periods: BTreeSet<Period> = ids.map(|id| id.period).collect();
        let mut found = HashMap::new();
        for period in periods {
            let all = self.store.obligations(period).await?;
            found.extend(all.into_iter().map(|o| (o.id.code(), o.progress)));
        }
        Ok(found)
    }

    /// An obligation as a row of the ticket database would show it.
    pub(super) fn row(&self, obligation: &Obligation) -> Row {
        Row {
            ticket: obligation.ticket(self.config.monthly.reading, self.config.calendars.base()),
            texts: Texts::default(),
            // What was recorded later differs, also for the audit.
            updated_raw: Some(obligation.changed_at.timestamp_micros().to_string()),
        }
    }

    /// The standing directive holds for a period that none was recorded for by the time its figures are final.
    pub(super) async fn follow_standing(&self, tx: &mut Tx, period: Period, now: Moment) -> Result<(), StoreError> {
        if let Some(standing) = &self.config.monthly.standing
            && tx.directive(period).await?.is_none()
        {
            tx.record_directive(&standing.for_period(period, self.config.calendars.base(), now))
                .await?;
        }
        Ok(())
    }
}

/// Says in a line how far its obligation has come.
pub(super) fn show_progress(line: &mut LineView, progress: Option<&Progress>) {
    if let Some(duty) = &mut line.duty {
        duty.progress = progress.map(|p| (p.settled, p.tickets));
    }
}
