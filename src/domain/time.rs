//! Instants, spans as ops write them, and reporting periods. No clock: see `clock`.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::rule::PeriodKind;

/// A UTC instant. Stored as microseconds since 1970.
pub type Moment = DateTime<Utc>;

/// A duration as written in rules: `45s`, `30m`, `4h`, `2d` elapsed; `4wh` working hours; `5wd` working days;
/// `15cd` calendar days. Working and calendar days may be negative in a ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Span {
    Elapsed(TimeDelta),
    WorkingTime(TimeDelta),
    WorkingDays(i32),
    CalendarDays(i32),
}

/// Why a span could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a duration; write a whole number and one of s, m, h, d, wh, wd, cd, such as `30m`, `4wh` or `5wd`"
)]
pub struct BadSpan(pub String);

/// The longest span accepted: ten years of anything.
const MOST: i64 = 3660;

impl FromStr for Span {
    type Err = BadSpan;

    fn from_str(text: &str) -> Result<Self, BadSpan> {
        let bad = || BadSpan(text.to_owned());
        let written = text.trim();
        let digits = written.strip_prefix('-').unwrap_or(written);
        let split = digits.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let (number, unit) = digits.split_at(split);
        let sign = if written.starts_with('-') { -1 } else { 1 };
        let n: i64 = number.parse::<i64>().map_err(|_| bad())?;
        let seconds = |each: i64| {
            n.checked_mul(each)
                .filter(|s| *s <= MOST * 86_400)
                .map(|s| TimeDelta::seconds(s * sign))
        };
        let days = || i32::try_from(n * sign).ok().filter(|d| i64::from(d.abs()) <= MOST);
        match unit {
            "s" => seconds(1).map(Span::Elapsed),
            "m" => seconds(60).map(Span::Elapsed),
            "h" => seconds(3600).map(Span::Elapsed),
            "d" => seconds(86_400).map(Span::Elapsed),
            "wh" => seconds(3600).map(Span::WorkingTime),
            "wd" => days().map(Span::WorkingDays),
            "cd" => days().map(Span::CalendarDays),
            _ => None,
        }
        .ok_or_else(bad)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Span::Elapsed(d) => {
                let s = d.num_seconds();
                match s {
                    _ if s != 0 && s % 86_400 == 0 => write!(f, "{}d", s / 86_400),
                    _ if s != 0 && s % 3600 == 0 => write!(f, "{}h", s / 3600),
                    _ if s != 0 && s % 60 == 0 => write!(f, "{}m", s / 60),
                    _ => write!(f, "{s}s"),
                }
            }
            Span::WorkingTime(d) => write!(f, "{}wh", d.num_hours()),
            Span::WorkingDays(n) => write!(f, "{n}wd"),
            Span::CalendarDays(n) => write!(f, "{n}cd"),
        }
    }
}

impl Span {
    /// In weeks, begun ones counted as whole; at least one.
    #[must_use]
    pub fn weeks(self) -> i64 {
        let (days, of_week) = match self {
            Span::WorkingDays(n) => (i64::from(n), 5),
            Span::CalendarDays(n) => (i64::from(n), 7),
            Span::Elapsed(time) => (time.num_days(), 7),
            Span::WorkingTime(_) => (0, 5),
        };
        ((days + of_week - 1) / of_week).max(1)
    }

    #[must_use]
    pub fn is_negative(&self) -> bool {
        match self {
            Span::Elapsed(d) | Span::WorkingTime(d) => *d < TimeDelta::zero(),
            Span::WorkingDays(n) | Span::CalendarDays(n) => *n < 0,
        }
    }
}

/// A reporting period by its first day: a calendar month, or the 15th to the 14th.
///
/// The key is `2021-08`, or `2021-08/15` for the period that starts on 15 August.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Period {
    first: NaiveDate,
}

/// Why a period key could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a period; write it as `2021-08`, or `2021-08/15` where periods run from the 15th")]
pub struct BadPeriod(pub String);

impl Period {
    /// The period that holds the local date.
    #[must_use]
    pub fn of(date: NaiveDate, kind: PeriodKind) -> Period {
        let first = |d: NaiveDate, day| d.with_day(day).unwrap_or(d);
        match kind {
            PeriodKind::CalendarMonth => Period { first: first(date, 1) },
            PeriodKind::FromThe15th if date.day() >= 15 => Period { first: first(date, 15) },
            PeriodKind::FromThe15th => {
                let last_of_before = first(date, 1).pred_opt().unwrap_or(date);
                Period {
                    first: first(last_of_before, 15),
                }
            }
        }
    }

    #[must_use]
    pub fn first_day(self) -> NaiveDate {
        self.first
    }

    #[must_use]
    pub fn last_day(self) -> NaiveDate {
        self.end() - TimeDelta::days(1)
    }

    /// The first day of the next period; the cut-off is its midnight.
    #[must_use]
    pub fn end(self) -> NaiveDate {
        let (y, m) = if self.first.month() == 12 {
            (self.first.year() + 1, 1)
        } else {
            (self.first.year(), self.first.month() + 1)
        };
        NaiveDate::from_ymd_opt(y, m, self.first.day()).unwrap_or(self.first)
    }

    #[must_use]
    pub fn next(self) -> Period {
        Period { first: self.end() }
    }

    /// The same period of the year before.
    #[must_use]
    pub fn year_before(self) -> Period {
        let first = NaiveDate::from_ymd_opt(self.first.year() - 1, self.first.month(), self.first.day());
        Period {
            first: first.unwrap_or(self.first),
        }
    }

    #[must_use]
    pub fn previous(self) -> Period {
        let (y, m) = if self.first.month() == 1 {
            (self.first.year() - 1, 12)
        } else {
            (self.first.year(), self.first.month() - 1)
        };
        Period {
            first: NaiveDate::from_ymd_opt(y, m, self.first.day()).unwrap_or(self.first),
        }
    }
}

impl From<Period> for String {
    fn from(period: Period) -> String {
        period.to_string()
    }
}

impl TryFrom<String> for Period {
    type Error = BadPeriod;

    fn try_from(key: String) -> Result<Period, BadPeriod> {
        key.parse()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.first.year(), self.first.month())?;
        if self.first.day() == 15 {
            f.write_str("/15")
        } else {
            Ok(())
        }
    }
}

impl FromStr for Period {
    type Err = BadPeriod;

    fn from_str(text: &str) -> Result<Self, BadPeriod> {
        let bad = || BadPeriod(text.to_owned());
        let (month, day) = match text.strip_suffix("/15") {
            Some(month) => (month, 15),
            None => (text, 1),
        };
        // `parse` alone would take a sign for a digit.
        let digits = |text: &str, many: usize| text.len() == many && text.bytes().all(|b| b.is_ascii_digit());
        let parts = month.split_once('-').filter(|(y, m)| digits(y, 4) && digits(m, 2));
        let (y, m) = parts.ok_or_else(bad)?;
        let (y, m) = (y.parse().map_err(|_| bad())?, m.parse().map_err(|_| bad())?);
        NaiveDate::from_ymd_opt(y, m, day)
            .map(|first| Period { first })
            .ok_or_else(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str) -> Span {
        text.parse().unwrap()
    }

    #[test]
    fn durations_read_as_they_are_written() {
        assert_eq!(span("45s"), Span::Elapsed(TimeDelta::seconds(45)));
        assert_eq!(span("30m"), Span::Elapsed(TimeDelta::minutes(30)));
        assert_eq!(span("4h"), Span::Elapsed(TimeDelta::hours(4)));
        assert_eq!(span("2d"), Span::Elapsed(TimeDelta::days(2)));
        assert_eq!(span("4wh"), Span::WorkingTime(TimeDelta::hours(4)));
        assert_eq!(span("5wd"), Span::WorkingDays(5));
        assert_eq!(span(" -1wd "), Span::WorkingDays(-1));
        assert_eq!(span("15cd"), Span::CalendarDays(15));
    }

    #[test]
    fn what_is_no_duration_is_refused_with_the_text() {
        for text in [
            "", "5", "wd", "-", "--1wd", "+5wd", "5 wd", "1.5h", "5WD", "5w", "5wdd", "٣wd", "đ",
        ] {
            assert_eq!(text.parse::<Span>(), Err(BadSpan(text.to_owned())));
        }
        for text in [
            "3661wd",
            "3661cd",
            "3661d",
            "99999999999999999999s",
            "9223372036854775807d",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text} is longer than ten years");
        }
    }

    #[test]
    fn durations_print_so_that_they_read_back_the_same() {
        for text in [
            "0s", "45s", "90s", "30m", "4h", "2d", "-3h", "4wh", "-4wh", "5wd", "-1wd", "0wd", "15cd", "3660cd",
        ] {
            assert_eq!(span(text).to_string(), text);
        }
        assert_eq!(span("48h").to_string(), "2d");
    }

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_calendar_month_runs_from_the_first_to_the_last() {
        let august = Period::of(date("2021-08-31"), PeriodKind::CalendarMonth);
        assert_eq!(august.to_string(), "2021-08");
        assert_eq!(
            (august.first_day(), august.end()),
            (date("2021-08-01"), date("2021-09-01"))
        );
        assert_eq!(
            Period::of(date("2021-12-01"), PeriodKind::CalendarMonth)
                .next()
                .to_string(),
            "2022-01"
        );
    }

    #[test]
    fn a_period_from_the_15th_belongs_to_the_month_it_starts_in() {
        let of = |text| Period::of(date(text), PeriodKind::FromThe15th).to_string();
        assert_eq!(of("2021-08-15"), "2021-08/15");
        assert_eq!(of("2021-09-14"), "2021-08/15");
        assert_eq!(of("2021-09-15"), "2021-09/15");
        assert_eq!(of("2022-01-14"), "2021-12/15");
    }

    #[test]
    fn periods_go_on_and_back_and_read_back_the_same() {
        for key in ["2021-08", "2021-12", "2022-01", "2021-12/15", "2022-01/15"] {
            let period: Period = key.parse().unwrap();
            assert_eq!(period.to_string(), key);
            assert_eq!(period.next().previous(), period);
            assert_eq!(period.previous().next(), period);
            assert_eq!(period.previous().end(), period.first_day());
        }
    }

    #[test]
    fn what_is_no_period_is_refused() {
        for text in [
            "",
            "2021",
            "2021-13",
            "2021-8",
            "08-2021",
            "+021-08",
            "2021-+8",
            "2021-08/16",
            "2021-08/15/15",
        ] {
            assert_eq!(text.parse::<Period>(), Err(BadPeriod(text.to_owned())));
        }
    }
}
