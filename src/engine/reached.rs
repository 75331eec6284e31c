//! How far the turns of this process have come: what a turn in which nothing happens does not write down.
//!
//! The store hears of it when something happens, when its last turn gets old, and when the process ends. Meanwhile this
//! process goes by what it remembers, as long as the store has no other turn.

use chrono::TimeDelta;

use super::{Engine, Observed, recipients, summaries};
use crate::domain::Moment;
use crate::store::StoreError;
use crate::store::meta::{Meta, MetaMoment};

/// How old the last turn in the store gets before one in which nothing happens is written down too. Half a [`super::TERM`]:
/// until then that has not to be renewed either ([`crate::store::Store::lead`]).
const QUIET: TimeDelta = TimeDelta::seconds(90);

/// How far the turns of this process have come, which the store need not know yet.
#[derive(Debug, Clone)]
pub(super) struct Reached {
    /// The last turn that is written down, with its last composing; `None` where that is not of this process.
    written: Option<(Moment, Option<Moment>)>,
    turn: Moment,
    composed: Option<Moment>,
    source_read: Option<Moment>,
    newest_update: Option<Moment>,
    /// Turns that are not counted in the store yet.
    uncounted: usize,
}

impl Reached {
    /// By one turn more, whose composing went through or did not. Of the values it has what only this turn knows.
    pub(super) fn by_turn(before: Option<Reached>, meta: &Meta, is_composed: bool, now: Moment) -> Reached {
        Reached {
            written: before.as_ref().and_then(|before| before.written),
            turn: now,
            composed: Some(now).filter(|_| is_composed).or(meta.last_composed_at),
            source_read: meta.source_read_at,
            newest_update: meta.newest_update,
            uncounted: 1 + before.map_or(0, |before| before.uncounted),
        }
    }

    /// The store has no other turn since.
    pub(super) fn holds(&self, meta: &Meta) -> bool {
        let written = self.written.map(|(turn, _)| turn.timestamp_micros());
        written.is_some() && written == meta.last_turn_at.map(|at| at.timestamp_micros())
    }

    /// Takes it for what the store would have.
    pub(super) fn show(&self, meta: &mut Meta) {
        meta.last_turn_at = Some(self.turn);
        meta.last_composed_at = self.composed;
        meta.source_read_at = self.source_read;
        meta.newest_update = self.newest_update;
    }

    fn moments(&self) -> Vec<(MetaMoment, Moment)> {
        let moments = [
            (MetaMoment::LastTurn, Some(self.turn)),
            (MetaMoment::LastComposed, self.composed),
            (MetaMoment::SourceRead, self.source_read),
            (MetaMoment::NewestUpdate, self.newest_update),
        ];
        moments.into_iter().filter_map(|(name, at)| Some((name, at?))).collect()
    }
}

impl Engine {
    /// Whether the store has to know of a turn in which nothing happened: that the process lives, that it works by another
    /// configuration, that figures may be frozen behind it, or that a digest was due with nothing in it, since what comes
    /// later waits for the next one.
    pub(super) fn has_to_be_written(&self, reached: &Reached, meta: &Meta, now: Moment) -> bool {
        let Some((turn, composed)) = reached.written else {
            return true;
        };
        let is_changed = meta.config_loaded_at.is_some_and(|loaded| loaded > turn);
        let is_freezing = self.freezes_at.is_none_or(|at| at <= now);
        let has_digest = recipients::has_digest_within(&self.config, composed.unwrap_or(turn), now);
        now - turn >= QUIET || is_changed || is_freezing || has_digest
    }

    /// The store's values, with what the last turns of this process have not written down.
    pub(super) fn as_it_goes(&self, mut meta: Meta) -> Meta {
        if let Some(reached) = self.reached.as_ref().filter(|reached| reached.holds(&meta)) {
            reached.show(&mut meta);
        }
        meta
    }

    /// Writes down what the last turns have not.
    pub(super) async fn settle_reached(&mut self) -> Result<(), StoreError> {
        let Some(reached) = self.reached.clone().filter(|reached| reached.uncounted > 0) else {
            return Ok(());
        };
        if reached.holds(&self.store.meta().await?) {
            self.reached = Some(self.write_down(reached, &Observed::default()).await?);
        }
        Ok(())
    }

    /// With what a turn met with, which is counted.
    pub(super) async fn write_down(&self, reached: Reached, observed: &Observed) -> Result<Reached, StoreError> {
        let mut tx = self.begin_deciding().await?;
        tx.put_moments(&reached.moments()).await?;
        summaries::count_turns(&mut tx, reached.uncounted, observed).await?;
        tx.commit().await?;
        Ok(Reached {
            written: Some((reached.turn, reached.composed)),
            uncounted: 0,
            ..reached
        })
    }
}
