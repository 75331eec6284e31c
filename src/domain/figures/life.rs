//! A ticket through a period, and how it stood at an instant as far as it was known at another.

use crate::domain::Moment;
use crate::domain::ticket::{Memory, Rating, Status, Ticket};

/// How a ticket was from an instant on.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub from: Moment,
    /// When we saw it.
    pub seen: Moment,
    pub ticket: Ticket,
    pub memory: Memory,
}

/// A ticket's states, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Life {
    /// How the ticket was before all of `later`: what came before that is told by its own times.
    pub first: State,
    pub later: Vec<State>,
    /// Since when it has been gone from the source.
    pub gone_at: Option<Moment>,
}

/// How a ticket stood just before an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing<'a> {
    /// The row of then. Its status and rating may say what happened later; those of the standing don't.
    pub ticket: &'a Ticket,
    pub memory: &'a Memory,
    pub status: Status,
    /// When it was over: done, rejected or void.
    pub over_at: Option<Moment>,
    pub rated: Option<Rated>,
}

/// The last verdict on the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rated {
    pub rating: Rating,
    pub at: Moment,
    pub is_excluded: bool,
}

impl Life {
    fn states(&self) -> impl DoubleEndedIterator<Item = &State> {
        std::iter::once(&self.first).chain(&self.later)
    }

    /// How the ticket stood just before an instant, as far as it was seen before another; `None` where it had not been
    /// received or was not known.
    ///
    /// An end or a rating that was written down later counts from the instant that the source gives it: only what the
    /// source does not date counts from when it was seen.
    #[must_use]
    pub fn before(&self, instant: Moment, known: Moment) -> Option<Standing<'_>> {
        let seen: Vec<&State> = self.states().filter(|state| state.seen < known).collect();
        let base = seen.iter().rposition(|state| state.from < instant).unwrap_or(0);
        let state = *seen.get(base)?;
        if state.ticket.received_at >= instant {
            return None;
        }
        // An end or a rating that was written down by then, but counts only from later on: what came before it holds.
        let ends_later = |place: &usize| ended(&seen, *place).is_some_and(|at| at >= instant);
        let held = (0..=base).rev().find(|place| !ends_later(place));
        let mut standing = Standing {
            ticket: &state.ticket,
            memory: &state.memory,
            status: held.map_or(Status::Open, |place| seen[place].ticket.status),
            over_at: held.and_then(|place| ended(&seen, place)),
            rated: (0..=base)
                .rev()
                .map_while(|place| rated(&seen, place))
                .find(|rated| rated.at < instant),
        };
        let (mut has_ended, mut was_reopened) = (!state.ticket.status.is_open(), false);
        for (place, later) in seen.iter().enumerate().skip(base + 1) {
            let status = later.ticket.status;
            // Once it is open again, its next end is another matter.
            was_reopened |= has_ended && status.is_open();
            has_ended |= !status.is_open();
            let over_at = dated_end(later).filter(|at| *at < instant && !was_reopened);
            if over_at.is_some() && (standing.status.is_open() || status == Status::Void) {
                standing.status = status;
                standing.over_at = over_at;
            }
            let newer = |at: Moment| standing.rated.is_none_or(|known| known.at < at);
            if later.ticket.rated_at.is_some_and(|at| at < instant && newer(at)) {
                standing.rated = rated(&seen, place);
            }
        }
        if self.gone_at.is_some_and(|at| at < instant && at < known) {
            standing.status = Status::Void;
            standing.over_at = self.gone_at;
        }
        Some(standing)
    }

    /// How often a date of an extension was set anew from an instant until just before another.
    pub(super) fn extensions(&self, from: Moment, until: Moment, known: Moment) -> u64 {
        let pairs = self.states().zip(&self.later);
        let anew = pairs.filter(|(before, after)| {
            let (was, is) = (before.ticket.extended_to, after.ticket.extended_to);
            is.is_some() && is != was && after.seen < known && from <= after.from && after.from < until
        });
        anew.count() as u64
    }
}

/// When the ticket ended, where it has: as the source dates it, else when it was first seen so.
fn ended(seen: &[&State], place: usize) -> Option<Moment> {
    let state = seen.get(place)?;
    let status = state.ticket.status;
    if status.is_open() {
        return None;
    }
    if let Some(at) = dated_end(state) {
        return Some(at);
    }
    if let Some(at) = state.memory.first_done_at.filter(|_| status.is_done()) {
        return Some(at);
    }
    let run = |other: &&&State| other.ticket.status == status;
    let first = seen[..=place].iter().rev().take_while(run).count();
    let first = seen[place + 1 - first];
    // Of what was so at first sight we don't know since when, but that it was last touched then.
    let touched = state.ticket.updated_at.filter(|_| std::ptr::eq(first, seen[0]));
    Some(touched.unwrap_or(first.seen))
}

/// When the ticket ended, where the source says: the last `answered_at` that was not sent back, else `closed_at`.
fn dated_end(state: &State) -> Option<Moment> {
    let (ticket, memory) = (&state.ticket, &state.memory);
    let holds = |at: &Moment| memory.open_since <= ticket.received_at || *at >= memory.open_since;
    let closed_at = ticket.closed_at.filter(holds);
    match ticket.status {
        Status::Open | Status::Waiting => None,
        Status::Answered | Status::Closed => ticket.answered_at.filter(holds).or(closed_at),
        Status::Rejected | Status::Void => closed_at,
    }
}

/// The rating in a state with its instant: as the source dates it, else when it was first seen so.
fn rated(seen: &[&State], place: usize) -> Option<Rated> {
    let state = seen.get(place)?;
    let rating = state.ticket.rating?;
    let run = |other: &&&State| other.ticket.rating == Some(rating);
    let first = seen[..=place].iter().rev().take_while(run).count();
    let first_seen = || seen[place + 1 - first].seen;
    let remembered = state.memory.first_rated_at.filter(|_| rating.is_unsatisfied());
    Some(Rated {
        rating,
        at: state.ticket.rated_at.or(remembered).unwrap_or_else(first_seen),
        is_excluded: state.ticket.rating_excluded,
    })
}
