//! One row of the balance: what came to an owner, a field or a locality in a period, and what became of it.

use serde::{Deserialize, Serialize};

use crate::domain::Moment;

/// The balance of a period for one owner, field or locality, or for all tickets (`spec.md` §7.5, `domain.md` §2.6).
///
/// A ticket stands in the row that it belongs to at the cut-off; only `stock_before` and `moved_out` go by the one it
/// belonged to at the period's start. A ticket that is void or gone at the cut-off stands in `stock_before` and `voided`
/// alone. The identities are in [`super::Violation`], names and formulas for people in [`super::Column`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Balance {
    /// Open at the period's start, as it was known when the period before was counted: that one's closing stock.
    pub stock_before: u64,
    /// Of `opening_stock`: entered only after the period before was counted.
    pub late_entries: u64,
    /// Of `stock_before`: void or gone at the cut-off.
    pub voided: u64,
    /// What else came to the stock (more than 0) or left it (less) by corrections made after the period before was
    /// counted: answers, endings and times that were dated back.
    pub corrected: i64,
    /// Of `stock_before` and `opening_stock`: belonged to another row at the period's start.
    pub moved_in: u64,
    /// Of `stock_before` and `opening_stock`: belongs to another row at the cut-off.
    pub moved_out: u64,
    /// Open at the period's start, as known now: `stock_before + late_entries - voided + corrected + moved_in - moved_out`.
    pub opening_stock: u64,
    /// Received in the period: `start <= received_at < end`.
    pub received: u64,
    /// Received before, over at the period's start and open again within it.
    pub taken_up: u64,
    /// Of `opening_stock + received + taken_up`: done at the cut-off, and not past the present deadline when it was.
    /// What has no deadline is in time.
    pub done_on_time: u64,
    /// Of the same: done at the cut-off, past the present deadline.
    pub done_late: u64,
    /// As `done_on_time`, by the first deadline ever reckoned.
    pub done_on_time_first: u64,
    /// As `done_late`, by the first deadline ever reckoned.
    pub done_late_first: u64,
    /// Of the same: rejected at the cut-off.
    pub rejected: u64,
    /// Open at the cut-off, not past the deadline.
    pub open_within: u64,
    /// Open at the cut-off, past the deadline.
    pub open_overdue: u64,
    /// Open at the cut-off, past the first deadline ever reckoned.
    pub open_overdue_first: u64,
    /// Of `opening_stock`: open at the cut-off.
    pub carried_over: u64,
    /// Of `received`: open at the cut-off.
    pub new_in_period: u64,
    /// Of `taken_up`: open at the cut-off.
    pub taken_up_again: u64,
    /// Of `received`: concerning an administrative procedure.
    pub procedures: u64,
    /// Of `received`: with at least one of the tags `procedure_late`, `conduct`, `regulation`; each ticket once.
    pub flagged: u64,
    /// Rated satisfied in the period, by the instant of the rating.
    pub satisfied: u64,
    /// Rated unsatisfied or not useful in the period, by the instant of the rating.
    pub unsatisfied: u64,
    /// Of `unsatisfied`: the dissatisfaction comes from the reporter's side.
    pub excluded: u64,
    /// Asked how satisfied they are, and gave no reply, in the period, by the instant at which the source says so.
    pub no_reply: u64,
    /// Tellings of the tickets, in earnest, that a recipient's mail server or system accepted in the period for the first
    /// time; cc is no recipient.
    pub reminders: u64,
    /// Changes of the lead agency in the period, successions excepted.
    pub transfers: u64,
    /// New dates of an extension in the period.
    pub extensions: u64,
    /// Answers sent back and endings undone in the period.
    pub reopenings: u64,
    /// When the oldest of those open at the cut-off was received.
    pub oldest_open: Option<Moment>,
}

/// A share of counts, as the counts that it consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub part: u64,
    /// More than 0.
    pub whole: u64,
}

impl Rate {
    fn of(part: u64, whole: u64) -> Option<Rate> {
        (whole > 0).then_some(Rate { part, whole })
    }

    /// In hundredths of a percent, rounded half up: 9969 is 99,69 %.
    #[must_use]
    pub fn basis_points(self) -> u64 {
        let (part, whole) = (u128::from(self.part), u128::from(self.whole));
        u64::try_from((part * 20_000 + whole) / (whole * 2)).unwrap_or(u64::MAX)
    }
}

impl Balance {
    /// Adds another row's counts.
    pub(super) fn add(&mut self, other: &Balance) {
        let Balance {
            stock_before,
            late_entries,
            voided,
            corrected,
            moved_in,
            moved_out,
            opening_stock,
            received,
            taken_up,
            done_on_time,
            done_late,
            done_on_time_first,
            done_late_first,
            rejected,
            open_within,
            open_overdue,
            open_overdue_first,
            carried_over,
            new_in_period,
            taken_up_again,
            procedures,
            flagged,
            satisfied,
            unsatisfied,
            excluded,
            no_reply,
            reminders,
            transfers,
            extensions,
            reopenings,
            oldest_open,
        } = *other;
        self.stock_before += stock_before;
        self.late_entries += late_entries;
        self.voided += voided;
        self.corrected += corrected;
        self.moved_in += moved_in;
        self.moved_out += moved_out;
        self.opening_stock += opening_stock;
        self.received += received;
        self.taken_up += taken_up;
        self.done_on_time += done_on_time;
        self.done_late += done_late;
        self.done_on_time_first += done_on_time_first;
        self.done_late_first += done_late_first;
        self.rejected += rejected;
        self.open_within += open_within;
        self.open_overdue += open_overdue;
        self.open_overdue_first += open_overdue_first;
        self.carried_over += carried_over;
        self.new_in_period += new_in_period;
        self.taken_up_again += taken_up_again;
        self.procedures += procedures;
        self.flagged += flagged;
        self.satisfied += satisfied;
        self.unsatisfied += unsatisfied;
        self.excluded += excluded;
        self.no_reply += no_reply;
        self.reminders += reminders;
        self.transfers += transfers;
        self.extensions += extensions;
        self.reopenings += reopenings;
        self.oldest_open = match (self.oldest_open, oldest_open) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// Open at the cut-off, whenever received: `open_within + open_overdue`.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.open_within + self.open_overdue
    }

    /// All that there was to do: `opening_stock + received + taken_up`.
    #[must_use]
    pub fn to_do(&self) -> u64 {
        self.opening_stock + self.received + self.taken_up
    }

    /// All adjustments of the stock: `late_entries - voided + corrected + moved_in - moved_out`.
    #[must_use]
    pub fn adjustments(&self) -> i64 {
        signed(self.late_entries) - signed(self.voided) + self.corrected + signed(self.moved_in)
            - signed(self.moved_out)
    }

    /// Done in time, of what was done and what is overdue: `done_on_time / (done_on_time + done_late + open_overdue)`;
    /// `None` where there is neither.
    #[must_use]
    pub fn on_time_rate(&self) -> Option<Rate> {
        Rate::of(
            self.done_on_time,
            self.done_on_time + self.done_late + self.open_overdue,
        )
    }

    /// As [`Balance::on_time_rate`], by the first deadline.
    #[must_use]
    pub fn on_time_rate_first(&self) -> Option<Rate> {
        Rate::of(
            self.done_on_time_first,
            self.done_on_time_first + self.done_late_first + self.open_overdue_first,
        )
    }

    /// `satisfied / (satisfied + unsatisfied)`; `None` where nobody said either.
    #[must_use]
    pub fn satisfaction_rate(&self) -> Option<Rate> {
        Rate::of(self.satisfied, self.satisfied + self.unsatisfied)
    }
}

/// A count that may be subtracted from.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
