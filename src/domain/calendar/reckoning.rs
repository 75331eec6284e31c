//! A deadline reckoned day by day: what each day between the start and the due contributed, and why.

use chrono::{NaiveDate, TimeDelta};

use super::{Calendar, Due, Special, shift};
use crate::domain::Moment;
use crate::domain::time::Span;

/// One day of a reckoning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReckonedDay {
    pub date: NaiveDate,
    /// Its number in the count of days; negative when counting back.
    pub counted: Option<i32>,
    pub why: Counted,
    pub provisional: bool,
}

/// Why a day counts or does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counted {
    /// The first day never counts (Bộ luật Dân sự, Điều 147).
    TheDayItself,
    WorkingDay,
    /// A worked Saturday, with its label.
    WorkedDay(String),
    CalendarDay,
    /// The weekly pattern has no hours.
    Weekend,
    Holiday(String),
    Closure(String),
    /// The working day to which an end on a closed day moves (Bộ luật Dân sự, Điều 148).
    RolledTo,
    /// So much working time of this day.
    WorkingTime(TimeDelta),
    /// The ticket waited on somebody at the close of this working day.
    Waiting,
    /// A working day on which the span has no hours, such as one that starts after closing.
    OutsideHours,
}

impl Counted {
    /// The name in JSON and logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Counted::TheDayItself => "the_day_itself",
            Counted::WorkingDay => "working_day",
            Counted::WorkedDay(_) => "worked_day",
            Counted::CalendarDay => "calendar_day",
            Counted::Weekend => "weekend",
            Counted::Holiday(_) => "holiday",
            Counted::Closure(_) => "closure",
            Counted::RolledTo => "rolled_to",
            Counted::WorkingTime(_) => "working_time",
            Counted::Waiting => "waiting",
            Counted::OutsideHours => "outside_hours",
        }
    }

    /// The day's label, as the calendar has it.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        match self {
            Counted::WorkedDay(label) | Counted::Holiday(label) | Counted::Closure(label) => Some(label),
            _ => None,
        }
    }
}

impl Calendar {
    /// Adds a span like [`Calendar::add`] and gives the account of it.
    ///
    /// Elapsed time does not touch the calendar and has no days. Days outside the calendar's table are left out.
    #[must_use]
    pub fn reckon(&self, from: Moment, span: Span) -> (Due, Vec<ReckonedDay>) {
        let due = self.add(from, span);
        let first = self.date_of(from);
        let days = match (span, due) {
            (Span::WorkingDays(_), Due::Day(last)) => self.working_days_reckoned(first, last),
            (Span::CalendarDays(n), Due::Day(last)) => self.calendar_days_reckoned(first, n, last),
            (Span::WorkingTime(_), Due::Instant(at)) => self.working_time_reckoned(from, at),
            _ => Vec::new(),
        };
        (due, days)
    }

    fn working_days_reckoned(&self, first: NaiveDate, last: NaiveDate) -> Vec<ReckonedDay> {
        let step = if last < first { -1 } else { 1 };
        let mut count = 0;
        let later = self.walk(first, last).skip(1).map(|date| {
            let works = self.is_working_day(date);
            count += if works { step } else { 0 };
            self.reckoned(date, works.then_some(count), self.kind_of(date))
        });
        std::iter::once(self.reckoned(first, None, Counted::TheDayItself))
            .chain(later)
            .collect()
    }

    fn calendar_days_reckoned(&self, first: NaiveDate, n: i32, last: NaiveDate) -> Vec<ReckonedDay> {
        let end = shift(first, i64::from(n));
        let mut days = vec![self.reckoned(first, None, Counted::TheDayItself)];
        let numbers = (1..).map(|count| if n < 0 { -count } else { count });
        days.extend(self.walk(first, end).skip(1).zip(numbers).map(|(date, count)| {
            // Only of the last day it matters whether it is closed.
            let rolls = date == end && last != end;
            self.reckoned(
                date,
                Some(count),
                if rolls {
                    self.kind_of(date)
                } else {
                    Counted::CalendarDay
                },
            )
        }));
        days.extend(self.walk(end, last).skip(1).map(|date| {
            self.reckoned(
                date,
                None,
                if date == last {
                    Counted::RolledTo
                } else {
                    self.kind_of(date)
                },
            )
        }));
        days
    }

    fn working_time_reckoned(&self, from: Moment, due: Moment) -> Vec<ReckonedDay> {
        let (start, end) = (from.min(due), from.max(due));
        let reckon = |date: NaiveDate| {
            let midnight = self.end_of_day(shift(date, -1));
            let time = self.working_time_between(start.max(midnight), end.min(self.end_of_day(date)));
            let why = match self.kind_of(date) {
                _ if time > TimeDelta::zero() => Counted::WorkingTime(time),
                Counted::WorkingDay | Counted::WorkedDay(_) => Counted::OutsideHours,
                closed => closed,
            };
            self.reckoned(date, None, why)
        };
        self.walk(self.date_of(from), self.date_of(due)).map(reckon).collect()
    }

    /// The dates of the table from one to the other, both included, in either direction.
    fn walk(&self, from: NaiveDate, to: NaiveDate) -> impl Iterator<Item = NaiveDate> {
        let (first, last) = (self.table.first, shift(self.table.end(), -1));
        let (from, to) = (from.clamp(first, last), to.clamp(first, last));
        let step = if to < from { -1 } else { 1 };
        (0..=(to - from).num_days().abs()).map(move |n| shift(from, n * step))
    }

    fn reckoned(&self, date: NaiveDate, counted: Option<i32>, why: Counted) -> ReckonedDay {
        ReckonedDay {
            date,
            counted,
            why,
            provisional: self.is_provisional(date),
        }
    }

    /// What the day is by itself.
    fn kind_of(&self, date: NaiveDate) -> Counted {
        match (self.table.special.get(&date), self.is_working_day(date)) {
            (Some(Special::Off(label)), false) => Counted::Holiday(label.clone()),
            (Some(Special::Closed(label)), false) => Counted::Closure(label.clone()),
            (Some(Special::Worked(label)), true) => Counted::WorkedDay(label.clone()),
            (_, true) => Counted::WorkingDay,
            (_, false) => Counted::Weekend,
        }
    }
}
