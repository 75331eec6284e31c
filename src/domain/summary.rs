//! Summaries: which one is owed at an instant, and the counts they consist of. Whom they go to and how they read is
//! decided elsewhere.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate, NaiveTime, TimeDelta, Weekday};
use serde::{Deserialize, Serialize};

use super::Moment;
use super::calendar::Calendar;
use super::directory::Role;
use super::facts::{self, Context};
use super::ticket::{Memory, Rating, Status, Ticket};
use super::time::Period;

/// The rule's word in what is told by a summary; the step is the summary's id.
pub const SUMMARY: &str = "summary";

/// `[[summary]]`: figures that go out by the calendar, whatever there is to tell of any ticket.
#[derive(Debug, Clone)]
pub struct Summary {
    pub id: String,
    pub title: String,
    pub at: At,
    /// Office, ops or named units; no ticket says who its agency is.
    pub to: Vec<Role>,
    pub template: String,
}

/// `at = "Fri 15:00"`: that day of the week, or the last working day before it where it is closed; `at = "16:30"`: every
/// working day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    pub weekday: Option<Weekday>,
    pub time: NaiveTime,
}

/// One time at which a summary falls due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The day as `at` names it. It is the occurrence: a changed calendar moves `at`, and makes no second one.
    pub day: NaiveDate,
    pub at: Moment,
}

impl At {
    /// The last time that it fell due up to an instant. A week without a working day up to its day owes none: the one
    /// before had everything.
    #[must_use]
    pub fn last_due(self, cal: &Calendar, now: Moment) -> Option<Due> {
        let today = cal.date_of(now);
        // Closures are shorter than that; in one that is not, nothing is owed.
        let days = (0..=60).map(|back| today + TimeDelta::days(7 - back));
        let dues = days.filter_map(|day| self.due_of(cal, day));
        dues.filter(|due| due.at <= now).max_by_key(|due| due.day)
    }

    /// When what is named by a day falls due.
    #[must_use]
    pub fn due_of(self, cal: &Calendar, day: NaiveDate) -> Option<Due> {
        let held_on = match self.weekday {
            None => Some(day).filter(|day| cal.is_working_day(*day)),
            Some(weekday) if day.weekday() == weekday => {
                let mut before = (0..7).map(|back| day - TimeDelta::days(back));
                before.find(|day| cal.is_working_day(*day))
            }
            Some(_) => None,
        };
        held_on.map(|held_on| Due {
            day,
            at: cal.instant(held_on, self.time),
        })
    }

    /// How many fell due after one day and before another.
    #[must_use]
    pub fn dues_between(self, cal: &Calendar, after: NaiveDate, before: NaiveDate) -> usize {
        let days = after.iter_days().skip(1).take_while(|day| *day < before);
        days.filter_map(|day| self.due_of(cal, day)).count()
    }

    /// The usual length of what it sums up.
    #[must_use]
    pub fn length(self) -> TimeDelta {
        TimeDelta::days(if self.weekday.is_some() { 7 } else { 1 })
    }
}

/// Counts of tickets under one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Received within the span.
    pub received: i64,
    /// Answered or closed within the span.
    pub done: i64,
    /// Open at its end.
    pub open: i64,
    /// Of these, past the deadline.
    pub overdue: i64,
    /// Of these, open since before the reporting period began.
    pub carried_over: i64,
    /// Rated unsatisfied or not useful within the span, from the reporter's side excluded.
    pub unsatisfied: i64,
}

impl Counts {
    /// What one ticket counts for in the span after one instant up to another. What the operator answered and what is
    /// void counts nowhere.
    #[must_use]
    pub fn of(ticket: &Ticket, memory: &Memory, ctx: &Context<'_>, after: Moment, until: Moment) -> Counts {
        if ticket.status == Status::Void || ticket.level == Some(1) {
            return Counts::default();
        }
        let cal = ctx.calendar(memory);
        let within = |at: Option<Moment>| i64::from(at.is_some_and(|at| after < at && at <= until));
        let is_open = ticket.status.is_open();
        let period = Period::of(cal.date_of(until), ctx.rules.period);
        let period_began = cal.instant(period.first_day(), NaiveTime::MIN);
        let reckoned = facts::deadline_of(ticket, memory, ctx);
        let is_unsatisfied = ticket.rating.is_some_and(Rating::is_unsatisfied) && !ticket.rating_excluded;
        Counts {
            received: within(Some(ticket.received_at)),
            done: within(memory.done_at(ticket)),
            open: i64::from(is_open),
            overdue: i64::from(is_open && facts::overdue_working_days(&reckoned, cal, until).is_some()),
            carried_over: i64::from(is_open && ticket.received_at.max(memory.open_since) < period_began),
            unsatisfied: within(ticket.rated_at.or(memory.first_rated_at).filter(|_| is_unsatisfied)),
        }
    }

    fn add(&mut self, other: Counts) {
        self.received += other.received;
        self.done += other.done;
        self.open += other.open;
        self.overdue += other.overdue;
        self.carried_over += other.carried_over;
        self.unsatisfied += other.unsatisfied;
    }

    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Counts::default()
    }
}

/// The figures of all units; those of the unassigned stand under the empty id.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TicketFigures {
    pub units: BTreeMap<String, Counts>,
}

impl TicketFigures {
    /// Adds to a unit's counts.
    pub fn add(&mut self, unit: Option<&str>, counts: Counts) {
        if !counts.is_nothing() {
            self.units
                .entry(unit.unwrap_or_default().to_owned())
                .or_default()
                .add(counts);
        }
    }

    #[must_use]
    pub fn total(&self) -> Counts {
        self.units.values().fold(Counts::default(), |mut total, unit| {
            total.add(*unit);
            total
        })
    }
}

/// What is counted on and on; a summary says by how much since the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tally {
    Turns,
    /// Turns in which the ticket database could not be read.
    SourceDown,
    RowsRejected,
    ValuesIgnored,
}

impl Tally {
    pub const ALL: [Tally; 4] = [
        Tally::Turns,
        Tally::SourceDown,
        Tally::RowsRejected,
        Tally::ValuesIgnored,
    ];

    /// The word in the store.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Tally::Turns => "turns",
            Tally::SourceDown => "source_down",
            Tally::RowsRejected => "rows_rejected",
            Tally::ValuesIgnored => "values_ignored",
        }
    }
}

/// What is kept of a summary that was made, for the next one to compare with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Figures {
    #[serde(default)]
    pub tickets: Option<TicketFigures>,
    /// As far as it was counted then.
    #[serde(default)]
    pub tally: BTreeMap<Tally, i64>,
    /// By how much that was more than before.
    #[serde(default)]
    pub grown: BTreeMap<Tally, i64>,
}

impl Figures {
    /// The tally as it stands, after what was counted before.
    #[must_use]
    pub fn counted(tally: BTreeMap<Tally, i64>, before: Option<&Figures>) -> Figures {
        let was = |tally: &Tally| before.and_then(|b| b.tally.get(tally)).copied().unwrap_or(0);
        let grown = tally
            .iter()
            .map(|(tally, count)| (*tally, count - was(tally)))
            .collect();
        Figures {
            tickets: None,
            tally,
            grown,
        }
    }

    /// How much of something was counted since the summary before.
    #[must_use]
    pub fn grown_by(&self, tally: Tally) -> i64 {
        self.grown.get(&tally).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::{CalendarData, DayKind, Pattern, SpecialDay};

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    /// Monday to Friday, with Tết of 2022 from Monday 31/1 to Friday 4/2, and Friday 11/2 closed.
    fn calendar() -> Calendar {
        let time = |h| NaiveTime::from_hms_opt(h, 0, 0).expect("a time");
        let hours = vec![(time(7), time(17))];
        let off = |date: &str| {
            let label = "nghỉ".to_owned();
            (
                day(date),
                SpecialDay {
                    kind: DayKind::Off,
                    label,
                },
            )
        };
        let closed = [
            "2022-01-31",
            "2022-02-01",
            "2022-02-02",
            "2022-02-03",
            "2022-02-04",
            "2022-02-11",
        ];
        Calendar::new(CalendarData {
            zone: chrono_tz::Asia::Ho_Chi_Minh,
            patterns: vec![Pattern {
                valid_from: None,
                valid_until: None,
                week: [
                    hours.clone(),
                    hours.clone(),
                    hours.clone(),
                    hours.clone(),
                    hours,
                    vec![],
                    vec![],
                ],
            }],
            days: closed.map(off).into(),
            provisional_from: day("2023-01-01"),
            lunar: BTreeMap::new(),
            closures: Vec::new(),
            culture_day_from: None,
        })
        .expect("a calendar")
    }

    fn at(cal: &Calendar, date: &str, hour: u32) -> Moment {
        cal.instant(day(date), NaiveTime::from_hms_opt(hour, 0, 0).expect("a time"))
    }

    const FRIDAYS: At = At {
        weekday: Some(Weekday::Fri),
        time: NaiveTime::from_hms_opt(15, 0, 0).expect("a time"),
    };

    #[test]
    fn a_weekly_summary_falls_due_on_its_day_or_the_last_working_day_before() {
        let cal = calendar();
        let due = |date: &str, hour| {
            FRIDAYS
                .last_due(&cal, at(&cal, date, hour))
                .map(|due| (due.day, cal.date_of(due.at)))
        };
        assert_eq!(due("2022-01-28", 14), Some((day("2022-01-21"), day("2022-01-21"))));
        assert_eq!(due("2022-01-28", 15), Some((day("2022-01-28"), day("2022-01-28"))));
        assert_eq!(
            due("2022-02-10", 14),
            Some((day("2022-01-28"), day("2022-01-28"))),
            "the week of Tết owes none"
        );
        assert_eq!(
            due("2022-02-10", 15),
            Some((day("2022-02-11"), day("2022-02-10"))),
            "Friday is closed"
        );
        assert_eq!(due("2022-02-13", 9), Some((day("2022-02-11"), day("2022-02-10"))));
    }

    #[test]
    fn a_daily_summary_falls_due_on_working_days() {
        let cal = calendar();
        let daily = At {
            weekday: None,
            ..FRIDAYS
        };
        let due = |date: &str, hour| daily.last_due(&cal, at(&cal, date, hour)).map(|due| due.day);
        assert_eq!(due("2022-02-06", 20), Some(day("2022-01-28")));
        assert_eq!(due("2022-02-07", 15), Some(day("2022-02-07")));
        assert_eq!(daily.dues_between(&cal, day("2022-01-27"), day("2022-02-09")), 3);
        assert_eq!(FRIDAYS.dues_between(&cal, day("2022-01-14"), day("2022-02-11")), 2);
    }
}
