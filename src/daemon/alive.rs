//! The dead man's sign: given beside the turns after one that was clean, so that nothing waits for who watches.

use std::sync::Arc;

use chrono::TimeDelta;
use tokio::task::JoinHandle;

use super::state::State;
use crate::domain::Moment;
use crate::engine::{Alive, TurnReport};
use crate::store::meta::LastAudit;

/// An audit that is older says nothing any more: one is due each night.
const FRESH: TimeDelta = TimeDelta::hours(26);

/// Whether all is well: the turn and the last nightly audit were clean.
pub(super) fn all_is_well(turn: &TurnReport, audit: Option<&LastAudit>, now: Moment) -> bool {
    turn.is_clean() && audit.is_some_and(|audit| audit.findings == 0 && now - audit.at <= FRESH)
}

/// When the sign was given last.
#[derive(Default)]
pub(super) struct Sign {
    last: Option<Moment>,
    under_way: Option<JoinHandle<()>>,
}

impl Sign {
    /// Gives it, unless that was done not long ago or is being done.
    pub(super) fn give(&mut self, alive: Arc<Alive>, every: TimeDelta, state: &Arc<State>, now: Moment) {
        let is_early = self.last.is_some_and(|last| last <= now && now - last < every);
        if is_early || self.under_way.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        self.last = Some(now);
        let state = Arc::clone(state);
        self.under_way = Some(tokio::spawn(async move {
            let taken = alive.ping().await;
            if let Err(why) = &taken {
                tracing::warn!(host = alive.host(), %why, "ops.alive_url did not take the sign that all is well: {why}");
            }
            state.sign_given(taken.is_ok());
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Composed;

    fn audit(at: Moment, findings: usize) -> LastAudit {
        LastAudit {
            at,
            checked: 100,
            findings,
        }
    }

    #[test]
    fn all_is_well_while_the_turn_and_an_audit_of_the_last_night_were_clean() {
        let now = Moment::UNIX_EPOCH + TimeDelta::days(100);
        let mut composed = Composed::default();
        composed.is_complete = true;
        let clean = TurnReport {
            is_leading: true,
            composed,
            ..TurnReport::default()
        };
        let last_night = audit(now - TimeDelta::hours(26), 0);
        assert!(all_is_well(&clean, Some(&last_night), now));
        assert!(!all_is_well(&clean, None, now));
        assert!(!all_is_well(&clean, Some(&audit(now - TimeDelta::hours(27), 0)), now));
        assert!(!all_is_well(&clean, Some(&audit(now, 1)), now));
        for spoil in [
            |turn: &mut TurnReport| turn.is_leading = false,
            |turn: &mut TurnReport| turn.is_paused = true,
            |turn: &mut TurnReport| turn.composed.is_complete = false,
            |turn: &mut TurnReport| turn.composed.problems.push("template".to_owned()),
            |turn: &mut TurnReport| turn.delivered.refused = Some("421".to_owned()),
        ] {
            let mut turn = clean.clone();
            spoil(&mut turn);
            assert!(!all_is_well(&turn, Some(&last_night), now), "{turn:?}");
        }
    }
}
