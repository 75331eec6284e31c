//! The monthly figures: each number of the narrative and of the balance defined once, by event time up to the cut-off.
//!
//! Everything counts from the tickets as they were at two instants, the period's start and its cut-off, never from
//! today's status. Void tickets count nowhere; one that became void after a cut-off stays in that period and is an
//! adjustment in the next.

mod balance;
mod detail;
mod formulas;
mod identities;
mod life;
mod members;

use std::collections::BTreeMap;

use chrono::{NaiveTime, TimeDelta};
use serde::{Deserialize, Serialize};

use super::Moment;
use super::calendar::Calendar;
use super::facts::{self, Context};
use super::scrub;
use super::ticket::{Rating, Status, Ticket};
use super::time::Period;
pub use balance::{Balance, Rate};
pub use detail::{Cards, Detail, Overdue, Reminded, Reminder};
pub use formulas::{Column, Figure, Value, Words};
pub use identities::{Place, Table, Violation};
pub use life::{Life, Rated, Standing, State};

/// The instants that a period's figures look at. What happened at one belongs to what begins with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// First instant of the period before.
    pub previous_start: Moment,
    pub start: Moment,
    /// First instant of the next period.
    pub end: Moment,
    /// When the period before was counted for good: what was entered from then on is an adjustment of the stock.
    pub counted_before: Moment,
    /// What was seen from then on is not counted. In a period that is still running, its cut-off.
    pub known: Moment,
}

impl Bounds {
    /// Of a period as it is known at an instant (what was seen at it included), after one that was counted for good when
    /// its checking was over.
    #[must_use]
    pub fn of(period: Period, cal: &Calendar, now: Moment) -> Bounds {
        let midnight = |date| cal.instant(date, NaiveTime::MIN);
        Bounds {
            previous_start: midnight(period.previous().first_day()),
            start: midnight(period.first_day()),
            end: midnight(period.end()),
            counted_before: is_checked_at(period.previous(), cal),
            known: now + TimeDelta::microseconds(1),
        }
    }
}

/// When the figures of a period have been checked: at the end of the second working day after it.
#[must_use]
pub fn is_checked_at(period: Period, cal: &Calendar) -> Moment {
    let last_day = period.last_day();
    cal.end_of_day(cal.nth_working_day(last_day, 2))
}

/// Who a ticket is counted under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum Owner {
    /// A unit's id.
    Unit(String),
    /// No agency, or a word that the directory does not know.
    Unassigned,
    /// Level 1: answered by the operator.
    Operator,
}

const UNASSIGNED: &str = "@unassigned";
const OPERATOR: &str = "@operator";

impl From<Owner> for String {
    fn from(owner: Owner) -> String {
        match owner {
            Owner::Unit(id) => id,
            Owner::Unassigned => UNASSIGNED.to_owned(),
            Owner::Operator => OPERATOR.to_owned(),
        }
    }
}

impl From<String> for Owner {
    fn from(word: String) -> Owner {
        match word.as_str() {
            UNASSIGNED => Owner::Unassigned,
            OPERATOR => Owner::Operator,
            _ => Owner::Unit(word),
        }
    }
}

/// How far the store reaches back; a figure beyond it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reach {
    /// To the period's start.
    pub start: bool,
    /// To the start of the period before.
    pub previous_start: bool,
    /// To the cut-off.
    pub end: bool,
}

/// The figures of one period (`spec.md` §7.5): all tickets, and the same by owner, field, locality and channel.
///
/// Stored as JSON, this is the snapshot of a frozen period; [`Figure`] names and computes the numbers of the narrative.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    pub reach: Reach,
    /// Received in the period before, not void at that one's end.
    pub previous_total: u64,
    /// Received in the same period of the year before, not void at its end; `None` where the store does not reach it.
    pub year_before_total: Option<u64>,
    /// All tickets.
    pub whole: Balance,
    pub owners: BTreeMap<Owner, Balance>,
    /// By category in force; those without one under the empty text.
    pub fields: BTreeMap<String, Balance>,
    /// By the locality's code; those without one under the empty text.
    pub areas: BTreeMap<String, Balance>,
    /// Received in the period, by channel; those without one under the empty text.
    pub channels: BTreeMap<String, u64>,
    /// What the papers tell beside these; `None` where it was not counted when they were frozen.
    pub detail: Option<Detail>,
    /// Received in the periods before the one before, by the period's key, as far back as is known and a chart goes.
    pub earlier: BTreeMap<String, u64>,
}

/// Counts a period's tickets one by one.
#[derive(Debug, Clone, Copy)]
pub struct Count<'a> {
    pub bounds: Bounds,
    pub context: Context<'a>,
}

/// The rows that a ticket belongs to, beside the one of all tickets.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rows {
    owner: Owner,
    field: String,
    area: String,
}

impl Count<'_> {
    /// Counts one ticket; `reminders` are those before the cut-off, the first one first.
    pub fn add(&self, figures: &mut Figures, life: &Life, reminders: &[Reminder]) {
        let Bounds { start, known, .. } = self.bounds;
        let counts = |standing: &Standing<'_>| standing.status != Status::Void;
        let at_start = life.before(start, known);
        if at_start
            .filter(counts)
            .is_some_and(|s| s.ticket.received_at >= self.bounds.previous_start)
        {
            figures.previous_total += 1;
        }
        let at_end = life.before(self.cut_off(), known).filter(counts);
        let is = at_end.map(|standing| self.rows(standing.ticket, self.cut_off()));
        let in_stock = at_end.is_some() && at_start.is_some_and(|s| s.status.is_open());
        let before = life
            .before(start, self.bounds.counted_before)
            .filter(|s| s.status.is_open());
        if let Some(was) = before.map(|standing| self.rows(standing.ticket, start)) {
            let is_void = at_end.is_none();
            let leaving = Balance {
                stock_before: 1,
                voided: u64::from(is_void),
                corrected: -i64::from(!in_stock && !is_void),
                ..Balance::default()
            };
            figures.add(&was, &leaving);
            if let Some(is) = is.as_ref().filter(|_| in_stock) {
                figures.move_stock(&was, is);
            }
        }
        let (Some(at_end), Some(is)) = (at_end, is) else { return };
        let is_late = in_stock && life.first.seen >= self.bounds.counted_before;
        let row = Balance {
            late_entries: u64::from(is_late),
            corrected: i64::from(in_stock && before.is_none() && !is_late),
            reminders: reminders.iter().filter(|reminder| reminder.at >= start).count() as u64,
            ..self.row(life, at_start.as_ref(), &at_end)
        };
        figures.add(&is, &row);
        self.detail(figures, (life, &at_end), &is, reminders);
        if row.received > 0 {
            let channel = scrub::word(at_end.ticket.channel.as_deref().unwrap_or_default());
            *figures.channels.entry(channel).or_default() += 1;
        }
    }

    /// Whether a ticket was received in a span and not void at its end.
    #[must_use]
    pub fn is_received(&self, life: &Life, from: Moment, until: Moment) -> bool {
        let standing = life.before(until, self.bounds.known);
        standing.is_some_and(|s| s.ticket.received_at >= from && s.status != Status::Void)
    }

    /// The end of what is counted: the period's, or the present of one that is still running.
    fn cut_off(&self) -> Moment {
        self.bounds.end.min(self.bounds.known)
    }

    /// What a ticket counts for, but for what the stock was taken to be before.
    fn row(&self, life: &Life, at_start: Option<&Standing<'_>>, at_end: &Standing<'_>) -> Balance {
        let Bounds { start, known, .. } = self.bounds;
        let cut_off = self.cut_off();
        let (ticket, memory) = (at_end.ticket, at_end.memory);
        let is_new = ticket.received_at >= start;
        let was_open = at_start.is_some_and(|s| s.status.is_open());
        // Of what is new everything counts; of what was there before, what came since.
        let since = |count: fn(&Standing<'_>) -> u32| {
            let before = at_start.map_or(0, count);
            u64::from(count(at_end).saturating_sub(before))
        };
        let reopenings = since(|s| s.memory.reopened);
        let is_open = at_end.status.is_open();
        let was_taken_up = !is_new && !was_open && (is_open || reopenings > 0);
        let is_concerned = is_new || was_open || was_taken_up;
        let one = |holds: bool| u64::from(holds);
        let ended = at_end.over_at.filter(|_| is_concerned && at_end.status.is_done());
        let is_late = |at: Moment| {
            let reckoned = facts::deadline_of(ticket, memory, &self.context);
            facts::overdue_working_days(&reckoned, self.context.calendar(memory), at).is_some()
        };
        let is_late_first = |at: Moment| {
            let cal = self.context.calendar(memory);
            memory.first_deadline.is_some_and(|day| cal.end_of_day(day) <= at)
        };
        let (done_late, done_late_first) = (ended.is_some_and(is_late), ended.is_some_and(is_late_first));
        let last = self.last();
        let (overdue, overdue_first) = (is_open && is_late(last), is_open && is_late_first(last));
        let rated = at_end.rated.filter(|rated| start <= rated.at);
        let is_rated = |is: fn(Rating) -> bool| rated.is_some_and(|r| is(r.rating));
        let unsatisfied = is_rated(Rating::is_unsatisfied);
        Balance {
            opening_stock: one(was_open),
            received: one(is_new),
            taken_up: one(was_taken_up),
            done_on_time: one(ended.is_some() && !done_late),
            done_late: one(done_late),
            done_on_time_first: one(ended.is_some() && !done_late_first),
            done_late_first: one(done_late_first),
            rejected: one(is_concerned && at_end.status == Status::Rejected),
            open_within: one(is_open && !overdue),
            open_overdue: one(overdue),
            open_overdue_first: one(overdue_first),
            carried_over: one(is_open && was_open),
            new_in_period: one(is_open && is_new),
            taken_up_again: one(is_open && was_taken_up),
            procedures: one(is_new && ticket.is_procedure),
            flagged: one(is_new && ticket.is_flagged()),
            satisfied: one(is_rated(|rating| rating == Rating::Satisfied)),
            unsatisfied: one(unsatisfied),
            excluded: one(unsatisfied && rated.is_some_and(|r| r.is_excluded)),
            no_reply: one(is_rated(|rating| rating == Rating::NoReply)),
            transfers: since(|s| s.memory.transfers),
            extensions: life.extensions(start, cut_off, known),
            reopenings,
            oldest_open: is_open.then_some(ticket.received_at),
            ..Balance::default()
        }
    }

    /// Where a ticket belongs just before an instant. What people write where a word is expected stands in no report.
    fn rows(&self, ticket: &Ticket, instant: Moment) -> Rows {
        let last = instant - TimeDelta::microseconds(1);
        let on = self.context.calendars.base().date_of(last);
        let unit = || self.context.directory.find(ticket.agency.as_deref()?, on);
        let owner = match ticket.level {
            Some(1) => Owner::Operator,
            _ => unit().map_or(Owner::Unassigned, |unit| Owner::Unit(unit.id.clone())),
        };
        Rows {
            owner,
            field: scrub::word(ticket.category().unwrap_or_default()),
            area: scrub::word(ticket.area.as_deref().unwrap_or_default()),
        }
    }
}

impl Figures {
    fn add(&mut self, rows: &Rows, balance: &Balance) {
        if *balance == Balance::default() {
            return;
        }
        self.whole.add(balance);
        self.owners.entry(rows.owner.clone()).or_default().add(balance);
        self.fields.entry(rows.field.clone()).or_default().add(balance);
        self.areas.entry(rows.area.clone()).or_default().add(balance);
    }

    /// A ticket of the stock belonged to other rows at the period's start than it does now.
    fn move_stock(&mut self, was: &Rows, is: &Rows) {
        moved(&mut self.owners, &was.owner, &is.owner);
        moved(&mut self.fields, &was.field, &is.field);
        moved(&mut self.areas, &was.area, &is.area);
    }
}

fn moved<K: Ord + Clone>(rows: &mut BTreeMap<K, Balance>, was: &K, is: &K) {
    if was != is {
        rows.entry(was.clone()).or_default().moved_out += 1;
        rows.entry(is.clone()).or_default().moved_in += 1;
    }
}
