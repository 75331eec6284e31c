//! The third clock: when a recipient's next digest or window comes. Deadlines and ladders do not look here.

use chrono::{Datelike, NaiveDate, NaiveTime};

use super::Moment;
use super::calendar::Calendar;
use super::rule::Digest;

/// A recipient's calendar with the hour of the digest and the last time digests were made.
#[derive(Debug, Clone, Copy)]
pub struct Schedule<'a> {
    /// The recipient's, not the agency's that is responsible.
    pub calendar: &'a Calendar,
    pub digest_at: NaiveTime,
    /// Digests due up to then have been made, even if empty: what comes later waits for the next one.
    pub last_composed: Option<Moment>,
}

impl Schedule<'_> {
    /// When a notice can be composed: at once in an open window for single mails, else with the next digest.
    #[must_use]
    pub fn chance(&self, digest: &Digest, also_daily: bool, now: Moment) -> Moment {
        match digest {
            Digest::Ticket => self.calendar.next_open(now),
            Digest::Week { .. } if !also_daily => self.next_weekly(now),
            Digest::Day | Digest::Week { .. } => self.next_digest(now),
        }
    }

    /// The next digest: today's where it is still to come or was missed, else the next working day's.
    #[must_use]
    pub fn next_digest(&self, now: Moment) -> Moment {
        let today = self.calendar.date_of(now);
        if let Some(due) = self.digest_of(today) {
            if due >= now {
                return due;
            }
            if self.last_composed.is_none_or(|made| made < due) {
                let chance = self.calendar.next_open(now);
                if self.calendar.date_of(chance) == today {
                    return chance;
                }
            }
        }
        self.first_digest_after(today)
    }

    /// Today's digest, while it is still to come.
    #[must_use]
    pub fn digest_ahead(&self, now: Moment) -> Option<Moment> {
        self.digest_of(self.calendar.date_of(now)).filter(|due| *due > now)
    }

    /// Whether a digest falls due after an instant, until another of the same day or the next.
    #[must_use]
    pub fn has_digest_within(&self, after: Moment, until: Moment) -> bool {
        let mut days = [after, until].map(|at| self.calendar.date_of(at)).into_iter();
        days.any(|day| self.digest_of(day).is_some_and(|due| after < due && due <= until))
    }

    /// The digest that follows the one made at `now`: what has no answer by then is composed anew.
    #[must_use]
    pub fn digest_after(&self, now: Moment) -> Moment {
        self.first_digest_after(self.calendar.date_of(now))
    }

    /// The opening of the next working day: single mails without an answer by then are composed anew.
    #[must_use]
    pub fn opening_after(&self, now: Moment) -> Moment {
        let day = self.calendar.nth_working_day(self.calendar.date_of(now), 1);
        self.calendar
            .opens(day)
            .unwrap_or_else(|| self.calendar.end_of_day(day))
    }

    /// Whether the week's list has been made, so that what goes out today stands beside it.
    #[must_use]
    pub fn is_between_lists(&self, now: Moment) -> bool {
        let today = self.calendar.date_of(now);
        let first = self.calendar.first_working_day_of_week(today);
        let made = |due: Moment| self.last_composed.is_some_and(|made| made >= due);
        first < today && self.digest_of(first).is_some_and(made)
    }

    /// The digest of the week's first working day; on the next day that has one where that was missed.
    fn next_weekly(&self, now: Moment) -> Moment {
        let today = self.calendar.date_of(now);
        let day = self.calendar.first_working_day_of_week(today);
        match self.digest_of(day) {
            Some(due) if due >= now => due,
            Some(due) if self.last_composed.is_none_or(|made| made < due) => self.next_digest(now),
            _ => {
                let next_week = today + chrono::TimeDelta::days(7 - i64::from(today.weekday().num_days_from_monday()));
                let day = self.calendar.first_working_day_of_week(next_week);
                self.digest_of(day).unwrap_or_else(|| self.first_digest_after(day))
            }
        }
    }

    /// The first instant of the window at or after `digest_at` on a date, if there is one that day.
    fn digest_of(&self, date: NaiveDate) -> Option<Moment> {
        let chance = self.calendar.next_open(self.calendar.instant(date, self.digest_at));
        (self.calendar.date_of(chance) == date).then_some(chance)
    }

    fn first_digest_after(&self, date: NaiveDate) -> Moment {
        let mut day = date;
        // A window that closes before `digest_at` on every day would be a configuration error; then the opening serves.
        for _ in 0..14 {
            day = self.calendar.nth_working_day(day, 1);
            if let Some(due) = self.digest_of(day) {
                return due;
            }
        }
        self.calendar.next_open(self.calendar.end_of_day(date))
    }
}
