//! The monthly figures: each number of the narrative defined once, by event time up to the cut-off.
//!
//! Everything counts from the tickets as they were at two instants, the period's start and its cut-off, never from
//! today's status. Void tickets count nowhere; one that became void after a cut-off stays in that period.

use std::collections::BTreeMap;

use super::Moment;
use super::ticket::{Memory, Rating, Status, Ticket};

/// The instants a period's figures look at, half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// First instant of the period before.
    pub previous_start: Moment,
    pub start: Moment,
    /// The cut-off: first instant of the next period.
    pub end: Moment,
}

/// Who a ticket is counted under at cut-off.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// A unit's id.
    Unit(String),
    /// No agency, or a word that the directory does not know.
    Unassigned,
    /// Level 1: answered by the operator.
    Operator,
}

/// The figures of one owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnerFigures {
    /// Open at the period's start.
    pub opening_stock: u64,
    /// Received in the period.
    pub received: u64,
    /// Open at the cut-off.
    pub open: u64,
    /// Open at the cut-off and past the deadline.
    pub overdue: u64,
    /// Rated unsatisfied or not useful in the period.
    pub unsatisfied: u64,
}

/// The narrative figures of one period (`spec.md` §7.5).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Figures {
    /// Received in the period: `start <= received_at < end`, not void at the cut-off.
    pub total: u64,
    /// Received in the period before, not void at that one's cut-off.
    pub previous_total: u64,
    /// Of `total`: concerning an administrative procedure.
    pub procedures: u64,
    /// Of `total`: at least one of the tags `procedure_late`, `conduct`, `regulation`; each ticket once.
    pub flagged: u64,
    /// Open at the cut-off, whenever received: `carried_over + new_in_period + taken_up_again`.
    pub under_follow_up: u64,
    /// Open at the period's start.
    pub opening_stock: u64,
    /// Of `opening_stock`: still open at the cut-off.
    pub carried_over: u64,
    /// Received in the period and still open at the cut-off.
    pub new_in_period: u64,
    /// Received before, done at the period's start, open again at the cut-off.
    pub taken_up_again: u64,
    /// Rated unsatisfied or not useful in the period, by the instant of the rating.
    pub unsatisfied: u64,
    /// Of `unsatisfied`: the dissatisfaction comes from the reporter's side.
    pub excluded: u64,
    pub owners: BTreeMap<Owner, OwnerFigures>,
}

impl Figures {
    /// Counts one ticket: as it was at the cut-off, and as it was at the period's start where it was there.
    pub fn count(
        &mut self,
        at_end: (&Ticket, &Memory),
        at_start: Option<&Ticket>,
        owner: Owner,
        is_overdue: bool,
        bounds: Bounds,
    ) {
        let (ticket, memory) = at_end;
        let received = ticket.received_at;
        if bounds.previous_start <= received && received < bounds.start && !is_void_before(ticket, bounds.start) {
            self.previous_total += 1;
        }
        let was_open = at_start.is_some_and(|t| t.status.is_open() && t.received_at < bounds.start);
        if ticket.status == Status::Void {
            return;
        }
        let own = self.owners.entry(owner).or_default();
        if was_open {
            self.opening_stock += 1;
            own.opening_stock += 1;
        }
        let is_new = bounds.start <= received && received < bounds.end;
        if is_new {
            self.total += 1;
            own.received += 1;
            self.procedures += u64::from(ticket.is_procedure);
            self.flagged += u64::from(ticket.is_flagged());
        }
        if ticket.status.is_open() && received < bounds.end {
            self.under_follow_up += 1;
            own.open += 1;
            own.overdue += u64::from(is_overdue);
            match (is_new, was_open) {
                (true, _) => self.new_in_period += 1,
                (false, true) => self.carried_over += 1,
                (false, false) => self.taken_up_again += 1,
            }
        }
        let rated = ticket.rated_at.or(memory.first_rated_at);
        let in_period = rated.is_some_and(|at| bounds.start <= at && at < bounds.end);
        if in_period && ticket.rating.is_some_and(Rating::is_unsatisfied) {
            self.unsatisfied += 1;
            own.unsatisfied += 1;
            self.excluded += u64::from(ticket.rating_excluded);
        }
    }

    /// The change of the total from the period before.
    #[must_use]
    pub fn change(&self) -> i64 {
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        signed(self.total) - signed(self.previous_total)
    }
}

/// Void takes effect at `closed_at`, else when the source last touched it.
fn is_void_before(ticket: &Ticket, instant: Moment) -> bool {
    ticket.status == Status::Void && ticket.closed_at.or(ticket.updated_at).is_none_or(|at| at < instant)
}
