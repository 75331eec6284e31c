//! What the papers tell beside the balance: which tickets are overdue, which reminder it was, how far cards are.
//!
//! Counted in the same pass as the balance and frozen with it, so that it stays what it was. Of tickets there is what the
//! annex shows, of sensitive ones only how many; [`super::Violation`] holds that it agrees with the balance.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use serde::{Deserialize, Serialize};

use super::{Count, Figures, Life, Owner, Rows, Standing};
use crate::domain::Moment;
use crate::domain::deadline::Reckoned;
use crate::domain::obligation::CARDS;
use crate::domain::rule::When;
use crate::domain::ticket::Ticket;
use crate::domain::{facts, scrub};

/// A telling of a ticket by a rule, in earnest, as its first recipient beside cc accepted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reminder {
    pub rule: String,
    /// Names what it was told of: of the same overdue deadline there are a first, a second and a third one.
    pub occurrence: String,
    pub at: Moment,
}

/// What stands beside the balance of a period.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Detail {
    /// Those of `open_overdue` that may be listed, in byte order of their codes.
    pub overdue: Vec<Overdue>,
    /// The others: sensitive at the cut-off or since, or forgotten.
    pub withheld: u64,
    /// Reminders by who has the ticket at the cut-off; who had none is not here.
    pub reminded: BTreeMap<Owner, Reminded>,
    pub cards: Cards,
}

/// A ticket that is open at the cut-off and past its deadline, as it stood then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overdue {
    pub code: String,
    /// The category in force; empty where there is none.
    pub field: String,
    pub owner: Owner,
    pub received_on: NaiveDate,
    /// The last day on which it would have been in time.
    pub deadline: NaiveDate,
    /// Working days from the deadline's day to the last one that was counted, in the calendar of who has it.
    pub working_days: u32,
    /// Reminders that were accepted before the cut-off, those of earlier periods too.
    pub reminders: u32,
    /// Whom it waits for outside of the province's power.
    pub waiting_on: Option<String>,
}

/// How often was reminded of somebody's tickets in the period.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reminded {
    /// Of overdue deadlines: how many first, second, third … reminders, as the letters number them. The other `reminders`
    /// of the balance have no number: what has come in, is due soon, carried over, unsatisfied.
    pub by_number: Vec<u64>,
    /// The last one, of whatever kind.
    pub last: Option<Moment>,
}

/// How far tickets about identity cards are that are open at the cut-off (`domain.md` §3.1). What the source says nothing
/// of is in none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cards {
    /// Stage `not_sent`.
    pub not_sent: u64,
    /// Stage `at_c06`; without a stage, whatever waits for somebody outside of the province's power.
    pub at_c06: u64,
    /// Stage `card_arrived`.
    pub card_arrived: u64,
    /// Stage `data_wrong`.
    pub data_wrong: u64,
}

impl Cards {
    fn add(&mut self, ticket: &Ticket) {
        let place = match ticket.stage.as_deref() {
            Some("not_sent") => &mut self.not_sent,
            Some("at_c06") => &mut self.at_c06,
            Some("card_arrived") => &mut self.card_arrived,
            Some("data_wrong") => &mut self.data_wrong,
            None if ticket.waiting_on.is_some() => &mut self.at_c06,
            Some(_) | None => return,
        };
        *place += 1;
    }

    /// Those of which the stage is known.
    #[must_use]
    pub fn known(&self) -> u64 {
        self.not_sent + self.at_c06 + self.card_arrived + self.data_wrong
    }
}

impl Detail {
    /// Counts tickets that may not be listed without listing them; whether there was one.
    pub fn withhold(&mut self, may_not: impl Fn(&str) -> bool) -> bool {
        let before = self.overdue.len();
        self.overdue.retain(|ticket| !may_not(&ticket.code));
        let gone = before - self.overdue.len();
        self.withheld += gone as u64;
        gone > 0
    }
}

impl Count<'_> {
    /// Adds what the papers say of one ticket, of which the row has counted what it counts.
    pub(super) fn detail(
        &self,
        figures: &mut Figures,
        (life, at_end): (&Life, &Standing<'_>),
        is: &Rows,
        reminders: &[Reminder],
    ) {
        let detail = figures.detail.get_or_insert_default();
        let places = (0..reminders.len()).filter(|place| reminders[*place].at >= self.bounds.start);
        for place in places {
            let reminded = detail.reminded.entry(is.owner.clone()).or_default();
            reminded.last = reminded.last.max(Some(reminders[place].at));
            if let Some(before) = self.earlier(reminders, place) {
                let most = reminded.by_number.len().max(before + 1);
                reminded.by_number.resize(most, 0);
                reminded.by_number[before] += 1;
            }
        }
        if at_end.status.is_open() && is.field == CARDS {
            detail.cards.add(at_end.ticket);
        }
        let Some((deadline, working_days)) = self.overdue(at_end) else {
            return;
        };
        let last = life.later.last().unwrap_or(&life.first);
        if at_end.ticket.is_sensitive() || last.ticket.is_sensitive() {
            detail.withheld += 1;
            return;
        }
        let on = self.context.calendars.base().date_of(self.last());
        let outside = |word: &str| {
            let unit = self.context.directory.find(word, on);
            unit.map_or_else(|| scrub::agency(word), |unit| unit.name(on).to_owned())
        };
        detail.overdue.push(Overdue {
            code: at_end.ticket.code.clone(),
            field: is.field.clone(),
            owner: is.owner.clone(),
            received_on: self.context.calendars.base().date_of(at_end.ticket.received_at),
            deadline,
            working_days,
            reminders: u32::try_from(reminders.len()).unwrap_or(u32::MAX),
            waiting_on: at_end.ticket.waiting_on.as_deref().map(outside),
        });
    }

    /// How many reminders of the same overdue deadline came before one; `None` where it tells of something else.
    fn earlier(&self, reminders: &[Reminder], place: usize) -> Option<usize> {
        let rule = |reminder: &Reminder| self.context.rules.named(&reminder.rule);
        let own = &reminders[place];
        let ladder = rule(own).filter(|rule| rule.when == When::Overdue)?;
        let same = |other: &&Reminder| {
            other.occurrence == own.occurrence && rule(other).is_some_and(|rule| rule.id == ladder.id)
        };
        Some(reminders[..place].iter().filter(same).count())
    }

    /// The deadline's day and by how many working days it is past, of a ticket that `open_overdue` counts.
    fn overdue(&self, at_end: &Standing<'_>) -> Option<(NaiveDate, u32)> {
        if !at_end.status.is_open() {
            return None;
        }
        let reckoned = facts::deadline_of(at_end.ticket, at_end.memory, &self.context);
        let cal = self.context.calendar(at_end.memory);
        let days = facts::overdue_working_days(&reckoned, cal, self.last())?;
        let Reckoned::At(deadline) = &reckoned else { return None };
        Some((deadline.day(cal), u32::try_from(days).unwrap_or(0)))
    }

    /// The last instant that is counted. A deadline that ends with the period has not passed in it.
    pub(super) fn last(&self) -> Moment {
        self.cut_off() - TimeDelta::microseconds(1)
    }
}
