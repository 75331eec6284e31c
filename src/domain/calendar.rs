//! Working time: office hours, holidays, worked Saturdays, closures, and the arithmetic on them.
//!
//! A [`Calendar`] is built once from [`CalendarData`] into a table with one row a day and running sums, so that every
//! answer is a look-up or a binary search. All of it works in local time and answers in UTC; no function here panics,
//! loops on sparse hours or reads a clock. What the law says of years without an entered schedule is in `holidays`,
//! the day-by-day account of a deadline in `reckoning`. Deadline policies and pauses do not live here.

mod holidays;
mod reckoning;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{
    DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc, Weekday,
};
use chrono_tz::Tz;

use super::Moment;
use super::time::Span;

pub use reckoning::{Counted, ReckonedDay};

/// 24:00, as the close of an office that works until the day's end. It is the leap second after 23:59:59, which is later than
/// any other time of the day and exactly as far from 00:00 as a day is long.
pub const END_OF_DAY: NaiveTime = match NaiveTime::from_hms_nano_opt(23, 59, 59, 1_000_000_000) {
    Some(time) => time,
    None => NaiveTime::MIN,
};

/// Office hours of one day: intervals `[opens, closes)` in order.
type Hours = Vec<(NaiveTime, NaiveTime)>;

/// One weekly pattern of office hours, valid from a date on (half-open).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pub valid_from: Option<NaiveDate>,
    pub valid_until: Option<NaiveDate>,
    /// Monday first; each day's intervals in order, not overlapping.
    pub week: [Vec<(NaiveTime, NaiveTime)>; 7],
}

/// Why a date differs from its weekly pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DayKind {
    /// A holiday, compensation or swap: no working time.
    Off,
    /// A worked Saturday: Friday's hours.
    Worked,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecialDay {
    pub kind: DayKind,
    pub label: String,
}

/// What a calendar is made of. Days from `provisional_from` on that are not in `days` are reckoned from the law and
/// the lunar table and marked provisional; so are the days of the years before the first entry of `days`.
#[derive(Debug, Clone)]
pub struct CalendarData {
    pub zone: Tz,
    /// Where several are valid on a date, the one with the latest `valid_from` decides.
    pub patterns: Vec<Pattern>,
    pub days: BTreeMap<NaiveDate, SpecialDay>,
    /// First date for which no official list was entered.
    pub provisional_from: NaiveDate,
    /// Tết and Giỗ Tổ by year, for the provisional years.
    pub lunar: BTreeMap<i32, (NaiveDate, NaiveDate)>,
    /// Local closures (storm, flood): half-open date intervals with their label.
    pub closures: Vec<(NaiveDate, NaiveDate, String)>,
    /// 24/11 as a holiday from this year on.
    pub culture_day_from: Option<i32>,
}

/// Why a calendar cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    #[error("the calendar has no working time at all after {0}")]
    NoWorkingTime(NaiveDate),
    #[error("the interval {0}-{1} ends before it starts")]
    Backwards(NaiveTime, NaiveTime),
    #[error("the interval that starts at {0} begins before the one in front of it has ended")]
    Overlapping(NaiveTime),
    #[error("a pattern or closure from {0} until {1} ends before it starts")]
    BackwardsDates(NaiveDate, NaiveDate),
}

/// The result of adding a span: a day (shown as the close of office hours, judged at 24:00) or an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    Day(NaiveDate),
    Instant(Moment),
}

/// A year at a glance, for `calendar year`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YearSummary {
    pub year: i32,
    pub working_days: i32,
    /// Days closed although their weekly pattern has hours, with their label.
    pub closures: Vec<(NaiveDate, String)>,
    pub worked_saturdays: Vec<NaiveDate>,
    /// Whether any of its days rests on the law and the lunar table alone.
    pub provisional: bool,
}

/// From how many consecutive days without working time on a closure has quiet days around it.
const LONG_CLOSURE_DAYS: i64 = 5;

/// A calendar must have a working day in the last year of its table, else spans near its end have no answer.
const MUST_WORK_WITHIN: Days = Days::new(366);

const FRIDAY: usize = 4;

/// A calendar ready for arithmetic. Cheap to share; every answer is a look-up or bounded search.
///
/// It knows the days from 1990 to 2100. Dates outside have no working time; an answer that would lie there is the
/// last (or first) working day of the table, but never on the wrong side of the date asked about.
#[derive(Debug, Clone)]
pub struct Calendar {
    table: Arc<Table>,
}

#[derive(Debug)]
struct Table {
    zone: Tz,
    entered_until: NaiveDate,
    first: NaiveDate,
    days: Vec<Day>,
    /// Every list of hours that occurs; days point into it. The first is the empty one.
    hours: Vec<Hours>,
    special: BTreeMap<NaiveDate, Special>,
    /// Working days before the day with this index; one entry more than days.
    working_days_before: Vec<i32>,
    /// Working time in nanoseconds before the day with this index; one entry more than days.
    working_time_before: Vec<i64>,
    /// Provisional days before the day with this index; one entry more than days.
    provisional_before: Vec<i32>,
}

/// A day of the table; both are indexes into `Table::hours`.
#[derive(Debug, Clone, Copy)]
struct Day {
    hours: usize,
    /// What the weekly pattern alone would give.
    usual: usize,
}

/// What makes a day differ from its pattern, the strongest reason only.
#[derive(Debug, Clone)]
enum Special {
    Off(String),
    Worked(String),
    Closed(String),
}

impl Special {
    fn label(&self) -> &str {
        match self {
            Special::Off(label) | Special::Worked(label) | Special::Closed(label) => label,
        }
    }
}

impl Calendar {
    /// Builds the table.
    ///
    /// # Errors
    /// When an interval ends before it starts or overlaps the one before, or working time ends for good.
    pub fn new(data: CalendarData) -> Result<Calendar, CalendarError> {
        check(&data)?;
        Table::build(&data).map(|table| Calendar { table: Arc::new(table) })
    }

    #[must_use]
    pub fn zone(&self) -> Tz {
        self.table.zone
    }

    /// The last date for which an official schedule was entered.
    #[must_use]
    pub fn entered_until(&self) -> NaiveDate {
        self.table.entered_until
    }

    /// Whether it is time to enter more: for the year's last month, where whole years are entered.
    #[must_use]
    pub fn ends_soon(&self, on: NaiveDate) -> bool {
        self.table.entered_until - on < TimeDelta::days(31)
    }

    /// The local date of an instant.
    #[must_use]
    pub fn date_of(&self, at: Moment) -> NaiveDate {
        within_reach(at).with_timezone(&self.table.zone).date_naive()
    }

    /// The instant of a local date and time; the earlier one where the clock goes back, the first after a gap.
    #[must_use]
    pub fn instant(&self, date: NaiveDate, time: NaiveTime) -> Moment {
        instant_in(self.table.zone, date, time)
    }

    /// 24:00 of the date.
    #[must_use]
    pub fn end_of_day(&self, date: NaiveDate) -> Moment {
        self.instant(shift(date, 1), NaiveTime::MIN)
    }

    #[must_use]
    pub fn is_working_day(&self, date: NaiveDate) -> bool {
        !self.hours(date).is_empty()
    }

    #[must_use]
    pub fn hours(&self, date: NaiveDate) -> &[(NaiveTime, NaiveTime)] {
        self.table.day(date).map_or(&[], |day| &self.table.hours[day.hours])
    }

    /// When the date's office hours begin; `None` on a day without.
    #[must_use]
    pub fn opens(&self, date: NaiveDate) -> Option<Moment> {
        self.hours(date).first().map(|(opens, _)| self.instant(date, *opens))
    }

    #[must_use]
    pub fn closes(&self, date: NaiveDate) -> Option<Moment> {
        self.hours(date)
            .last()
            .map(|(_, closes)| close_in(self.table.zone, date, *closes))
    }

    #[must_use]
    pub fn is_open(&self, at: Moment) -> bool {
        self.intervals(self.date_of(at))
            .any(|(opens, closes)| opens <= at && at < closes)
    }

    /// The instant itself when open, else the next opening.
    #[must_use]
    pub fn next_open(&self, at: Moment) -> Moment {
        let today = self.date_of(at);
        let later_today = self
            .intervals(today)
            .find(|(opens, closes)| at < *closes && opens < closes);
        match later_today {
            Some((opens, _)) => opens.max(at),
            None => self
                .opens(self.nth_working_day(today, 1))
                .map_or(at, |opens| opens.max(at)),
        }
    }

    /// The nth working day after `from` (before it when negative); 0 is `from` itself.
    #[must_use]
    pub fn nth_working_day(&self, from: NaiveDate, n: i32) -> NaiveDate {
        let at = self.table.index(from);
        match n {
            0 => from,
            1.. => {
                let passed = self.table.working_days_through(from);
                self.table.working_day(i64::from(passed) + i64::from(n)).max(from)
            }
            _ => {
                let before = self.table.working_days_before[at];
                self.table.working_day(i64::from(before) + 1 + i64::from(n)).min(from)
            }
        }
    }

    /// The date itself when it is a working day, else the next one.
    #[must_use]
    pub fn on_or_after(&self, date: NaiveDate) -> NaiveDate {
        if self.is_working_day(date) {
            date
        } else {
            self.nth_working_day(date, 1)
        }
    }

    /// The first working day of the week of a date; of a week without one the first after it.
    #[must_use]
    pub fn first_working_day_of_week(&self, date: NaiveDate) -> NaiveDate {
        self.on_or_after(date - TimeDelta::days(i64::from(date.weekday().num_days_from_monday())))
    }

    /// Working days in `(from, to]`; negative when `to` is before `from`.
    #[must_use]
    pub fn working_days_between(&self, from: NaiveDate, to: NaiveDate) -> i32 {
        self.table.working_days_through(to) - self.table.working_days_through(from)
    }

    /// Counts office hours from an instant on, or from the next opening when closed; backwards when negative.
    ///
    /// A span that ends exactly at the close of an interval ends there, not at the next opening (a negative one at
    /// the opening, not at the close before it).
    #[must_use]
    pub fn add_working_time(&self, from: Moment, time: TimeDelta) -> Moment {
        let start = self.working_time_until(from);
        let target = start.saturating_add(nanoseconds(time));
        if target > start {
            self.reaches(target).unwrap_or_else(|| self.last_close()).max(from)
        } else if target < start {
            self.leaves(target).unwrap_or_else(|| self.first_open()).min(from)
        } else {
            self.next_open(from)
        }
    }

    /// Office hours between two instants; negative when `to` is before `from`.
    #[must_use]
    pub fn working_time_between(&self, from: Moment, to: Moment) -> TimeDelta {
        TimeDelta::nanoseconds(self.working_time_until(to) - self.working_time_until(from))
    }

    /// Adds a span as Bộ luật Dân sự Điều 147-148 count it.
    ///
    /// Days never count the first one and end on a day; calendar days that end on a closed day roll on to the next
    /// working day. Hours run from the instant.
    #[must_use]
    pub fn add(&self, from: Moment, span: Span) -> Due {
        match span {
            Span::Elapsed(time) => Due::Instant(within_reach(from).checked_add_signed(time).unwrap_or(from)),
            Span::WorkingTime(time) => Due::Instant(self.add_working_time(from, time)),
            Span::WorkingDays(n) => Due::Day(self.nth_working_day(self.date_of(from), n)),
            Span::CalendarDays(n) => Due::Day(self.on_or_after(shift(self.date_of(from), i64::from(n)))),
        }
    }

    /// The instant a due is shown as: a day's close of office hours, or 24:00 where it has none.
    #[must_use]
    pub fn shown_at(&self, due: Due) -> Moment {
        match due {
            Due::Day(date) => self.closes(date).unwrap_or_else(|| self.end_of_day(date)),
            Due::Instant(at) => at,
        }
    }

    /// Whether an answer that touches the date rests on a provisional day.
    #[must_use]
    pub fn is_provisional(&self, date: NaiveDate) -> bool {
        self.any_provisional(date, date)
    }

    /// Whether any day of `[from, to]`, in either order, is provisional.
    #[must_use]
    pub fn any_provisional(&self, from: NaiveDate, to: NaiveDate) -> bool {
        let (from, to) = (from.min(to), from.max(to));
        let outside = from < self.table.first || to >= self.table.end();
        let counts = &self.table.provisional_before;
        outside || counts[self.table.index(from)] < counts[self.table.index(shift(to, 1))]
    }

    /// The last working day before, or the first after, five or more consecutive days without working time.
    ///
    /// At least one of them must be closed against the weekly pattern: an office that opens on Wednesdays only is
    /// not quiet for ever.
    #[must_use]
    pub fn is_quiet_day(&self, date: NaiveDate) -> bool {
        let long = |last: NaiveDate, next: NaiveDate| {
            (next - last).num_days() > LONG_CLOSURE_DAYS
                && last
                    .iter_days()
                    .skip(1)
                    .take_while(|day| *day < next)
                    .any(|day| self.is_closed_against_pattern(day))
        };
        self.is_working_day(date)
            && (long(date, self.nth_working_day(date, 1)) || long(self.nth_working_day(date, -1), date))
    }

    /// What makes the date special, for `calendar` and `explain`.
    #[must_use]
    pub fn label(&self, date: NaiveDate) -> Option<&str> {
        self.table.special.get(&date).map(Special::label)
    }

    /// The year at a glance.
    #[must_use]
    pub fn year(&self, year: i32) -> YearSummary {
        let date = |year, month, day| {
            NaiveDate::from_ymd_opt(year, month, day)
                .unwrap_or(LATEST)
                .clamp(EARLIEST, LATEST)
        };
        let (first, last) = (date(year, 1, 1), date(year, 12, 31));
        let special = || self.table.special.range(first..=last);
        let closed = special().filter(|(day, _)| self.is_closed_against_pattern(**day));
        let worked = special().filter(|(day, why)| matches!(why, Special::Worked(_)) && self.is_working_day(**day));
        YearSummary {
            year,
            working_days: self.working_days_between(shift(first, -1), last),
            closures: closed.map(|(day, why)| (*day, why.label().to_owned())).collect(),
            worked_saturdays: worked.map(|(day, _)| *day).collect(),
            provisional: self.any_provisional(first, last),
        }
    }

    fn is_closed_against_pattern(&self, date: NaiveDate) -> bool {
        self.table
            .day(date)
            .is_some_and(|day| self.table.hours[day.hours].is_empty() && !self.table.hours[day.usual].is_empty())
    }

    /// The date's office hours as instants. One that falls into a gap of the clock is empty.
    fn intervals(&self, date: NaiveDate) -> impl Iterator<Item = (Moment, Moment)> {
        self.hours(date)
            .iter()
            .map(move |(opens, closes)| (self.instant(date, *opens), close_in(self.table.zone, date, *closes)))
    }

    /// Nanoseconds of working time from the table's start to the instant.
    fn working_time_until(&self, at: Moment) -> i64 {
        let today = self.date_of(at);
        let so_far = self
            .intervals(today)
            .map(|(opens, closes)| nanoseconds(at.min(closes) - opens).max(0));
        so_far.fold(
            self.table.working_time_before[self.table.index(today)],
            i64::saturating_add,
        )
    }

    /// The first instant at which this much working time has passed since the table's start.
    fn reaches(&self, target: i64) -> Option<Moment> {
        let index = self
            .table
            .working_time_before
            .partition_point(|before| *before < target)
            .checked_sub(1)?;
        let mut left = target - self.table.working_time_before[index];
        for (opens, closes) in self.intervals(self.table.date(index)) {
            let length = nanoseconds(closes - opens);
            if left <= length {
                return Some(opens + TimeDelta::nanoseconds(left));
            }
            left -= length;
        }
        None
    }

    /// The last instant at which no more than this much working time has passed since the table's start.
    fn leaves(&self, target: i64) -> Option<Moment> {
        let index = self
            .table
            .working_time_before
            .partition_point(|before| *before <= target)
            .checked_sub(1)?;
        let mut left = target - self.table.working_time_before[index];
        for (opens, closes) in self.intervals(self.table.date(index)) {
            let length = nanoseconds(closes - opens);
            if left < length {
                return Some(opens + TimeDelta::nanoseconds(left));
            }
            left -= length;
        }
        None
    }

    fn last_close(&self) -> Moment {
        let last = self.table.working_day(i64::MAX);
        self.shown_at(Due::Day(last))
    }

    fn first_open(&self) -> Moment {
        let first = self.table.working_day(i64::MIN);
        self.opens(first).unwrap_or_else(|| self.instant(first, NaiveTime::MIN))
    }
}

impl Table {
    fn build(data: &CalendarData) -> Result<Table, CalendarError> {
        let mut table = Table {
            zone: data.zone,
            entered_until: shift(data.provisional_from, -1),
            first: TABLE_FIRST,
            days: Vec::new(),
            hours: std::iter::once(Vec::new())
                .chain(data.patterns.iter().flat_map(|p| p.week.iter().cloned()))
                .collect(),
            special: special_days(data),
            working_days_before: vec![0],
            working_time_before: vec![0],
            provisional_before: vec![0],
        };
        let entered = Entered::of(data);
        let mut offsets = [-1, 0].map(|days| noon_offset(data.zone, shift(TABLE_FIRST, days)));
        for date in TABLE_FIRST.iter_days().take_while(|date| *date < TABLE_END) {
            let after = noon_offset(data.zone, shift(date, 1));
            let clock_changes = offsets != [after, after];
            offsets = [offsets[1], after];
            let day = table.day_by_rules(data, date);
            let time = table.length(date, &table.hours[day.hours], clock_changes);
            table.push(day, time, entered.is_provisional(date));
        }
        let last = table.working_day(i64::MAX);
        let works_to_the_end = table.working_days_through(last) > 0 && last + MUST_WORK_WITHIN >= TABLE_END;
        if works_to_the_end {
            Ok(table)
        } else {
            Err(CalendarError::NoWorkingTime(last))
        }
    }

    fn push(&mut self, day: Day, time: i64, provisional: bool) {
        let works = !self.hours[day.hours].is_empty();
        let next = |sums: &[i32], one: bool| sums.last().copied().unwrap_or(0) + i32::from(one);
        self.days.push(day);
        self.working_days_before.push(next(&self.working_days_before, works));
        self.provisional_before
            .push(next(&self.provisional_before, provisional));
        self.working_time_before.push(
            self.working_time_before
                .last()
                .copied()
                .unwrap_or(0)
                .saturating_add(time),
        );
    }

    fn day_by_rules(&self, data: &CalendarData, date: NaiveDate) -> Day {
        let Some((index, _)) = pattern_on(&data.patterns, date) else {
            return Day { hours: 0, usual: 0 };
        };
        let of_weekday = |weekday: usize| 1 + index * 7 + weekday;
        let weekday = date.weekday().num_days_from_monday() as usize;
        let usual = of_weekday(weekday);
        let hours = match self.special.get(&date) {
            None => usual,
            Some(Special::Off(_) | Special::Closed(_)) => 0,
            // On an ordinary weekday the entry only says that a holiday by law is worked after all.
            Some(Special::Worked(_)) if !is_weekend(date) && !self.hours[usual].is_empty() => usual,
            Some(Special::Worked(_)) => of_weekday(FRIDAY),
        };
        Day { hours, usual }
    }

    /// Nanoseconds of working time on the day. Clock changes are rare, and converting every day would be slow.
    fn length(&self, date: NaiveDate, hours: &[(NaiveTime, NaiveTime)], clock_changes: bool) -> i64 {
        let instant = |time| instant_in(self.zone, date, time);
        let each = hours.iter().map(|(opens, closes)| match clock_changes {
            true => nanoseconds(close_in(self.zone, date, *closes) - instant(*opens)),
            false => nanoseconds(*closes - *opens),
        });
        each.fold(0, i64::saturating_add)
    }

    fn end(&self) -> NaiveDate {
        self.date(self.days.len())
    }

    fn date(&self, index: usize) -> NaiveDate {
        shift(self.first, i64::try_from(index).unwrap_or(i64::MAX))
    }

    /// The date's place in the running sums; dates outside go to either end.
    fn index(&self, date: NaiveDate) -> usize {
        usize::try_from((date - self.first).num_days())
            .unwrap_or(0)
            .min(self.days.len())
    }

    fn day(&self, date: NaiveDate) -> Option<Day> {
        let index = usize::try_from((date - self.first).num_days()).ok()?;
        self.days.get(index).copied()
    }

    fn working_days_through(&self, date: NaiveDate) -> i32 {
        self.working_days_before[self.index(shift(date, 1))]
    }

    /// The working day with this number, counted from 1; the first or last one when there is none.
    fn working_day(&self, number: i64) -> NaiveDate {
        let total = self.working_days_before.last().copied().unwrap_or(0);
        let number = i32::try_from(number.clamp(1, i64::from(total.max(1)))).unwrap_or(total);
        let after = self.working_days_before.partition_point(|before| *before < number);
        self.date(after.saturating_sub(1).min(self.days.len().saturating_sub(1)))
    }
}

/// First day of every calendar's table.
const TABLE_FIRST: NaiveDate = day(1990, 1, 1);
/// First day behind the table.
const TABLE_END: NaiveDate = day(2101, 1, 1);
/// Dates are cut to these, far from where date arithmetic overflows.
const EARLIEST: NaiveDate = day(1, 1, 1);
const LATEST: NaiveDate = day(9999, 12, 31);

const fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    match NaiveDate::from_ymd_opt(year, month, day) {
        Some(date) => date,
        None => NaiveDate::MIN,
    }
}

/// Which dates an official schedule was entered for.
struct Entered {
    from: Option<NaiveDate>,
    until: NaiveDate,
    days: BTreeSet<NaiveDate>,
}

impl Entered {
    fn of(data: &CalendarData) -> Entered {
        let first_year = data.days.keys().next().map(Datelike::year);
        Entered {
            from: first_year.and_then(|year| NaiveDate::from_ymd_opt(year, 1, 1)),
            until: data.provisional_from,
            days: data.days.keys().copied().collect(),
        }
    }

    /// Whether the date lies before or behind the schedules. Without any entry nothing lies before.
    fn is_by_law(&self, date: NaiveDate) -> bool {
        date >= self.until || self.from.is_some_and(|from| date < from)
    }

    fn is_provisional(&self, date: NaiveDate) -> bool {
        self.is_by_law(date) && !self.days.contains(&date)
    }
}

/// Every special day of the table: closures win over entered days, those over the law.
fn special_days(data: &CalendarData) -> BTreeMap<NaiveDate, Special> {
    let entered = Entered::of(data);
    let mut special: BTreeMap<NaiveDate, Special> = BTreeMap::new();
    for year in TABLE_FIRST.year()..TABLE_END.year() {
        let by_law = holidays::by_law(year, data.lunar.get(&year).copied());
        special.extend(
            by_law
                .into_iter()
                .filter(|(date, _)| entered.is_by_law(*date))
                .map(|(d, l)| (d, Special::Off(l))),
        );
        if data.culture_day_from.is_some_and(|from| year >= from) {
            special.extend(
                holidays::culture_day(year)
                    .into_iter()
                    .map(|(d, l)| (d, Special::Off(l))),
            );
        }
    }
    special.extend(data.days.iter().map(|(date, day)| match day.kind {
        DayKind::Off => (*date, Special::Off(day.label.clone())),
        DayKind::Worked => (*date, Special::Worked(day.label.clone())),
    }));
    for (from, until, label) in &data.closures {
        let days = (*from)
            .max(TABLE_FIRST)
            .iter_days()
            .take_while(|date| date < until && *date < TABLE_END);
        special.extend(days.map(|date| (date, Special::Closed(label.clone()))));
    }
    special
}

fn check(data: &CalendarData) -> Result<(), CalendarError> {
    for pattern in &data.patterns {
        for hours in &pattern.week {
            check_hours(hours)?;
        }
        if let (Some(from), Some(until)) = (pattern.valid_from, pattern.valid_until) {
            check_dates(from, until)?;
        }
    }
    data.closures
        .iter()
        .try_for_each(|(from, until, _)| check_dates(*from, *until))
}

fn check_hours(hours: &[(NaiveTime, NaiveTime)]) -> Result<(), CalendarError> {
    if let Some((opens, closes)) = hours.iter().find(|(opens, closes)| closes <= opens) {
        return Err(CalendarError::Backwards(*opens, *closes));
    }
    match hours.windows(2).find(|pair| pair[1].0 < pair[0].1) {
        Some(pair) => Err(CalendarError::Overlapping(pair[1].0)),
        None => Ok(()),
    }
}

fn check_dates(from: NaiveDate, until: NaiveDate) -> Result<(), CalendarError> {
    if until <= from {
        Err(CalendarError::BackwardsDates(from, until))
    } else {
        Ok(())
    }
}

fn pattern_on(patterns: &[Pattern], date: NaiveDate) -> Option<(usize, &Pattern)> {
    let valid =
        |p: &Pattern| p.valid_from.is_none_or(|from| from <= date) && p.valid_until.is_none_or(|until| date < until);
    patterns
        .iter()
        .enumerate()
        .filter(|(_, p)| valid(p))
        .max_by_key(|(_, p)| p.valid_from)
}

fn is_weekend(date: NaiveDate) -> bool {
    matches!(date.weekday(), Weekday::Sat | Weekday::Sun)
}

/// Days later or earlier, within the dates reckoned with.
fn shift(date: NaiveDate, days: i64) -> NaiveDate {
    let moved = TimeDelta::try_days(days).and_then(|by| date.checked_add_signed(by));
    moved
        .unwrap_or(if days < 0 { EARLIEST } else { LATEST })
        .clamp(EARLIEST, LATEST)
}

/// The instant, or the nearest that still has a local date in every zone.
fn within_reach(at: Moment) -> Moment {
    at.clamp(
        EARLIEST.and_time(NaiveTime::MIN).and_utc(),
        LATEST.and_time(NaiveTime::MIN).and_utc(),
    )
}

fn nanoseconds(time: TimeDelta) -> i64 {
    time.num_nanoseconds()
        .unwrap_or(if time < TimeDelta::zero() { i64::MIN } else { i64::MAX })
}

fn noon_offset(zone: Tz, date: NaiveDate) -> i32 {
    let noon = date.and_time(NaiveTime::MIN) + TimeDelta::hours(12);
    zone.offset_from_utc_datetime(&noon).fix().local_minus_utc()
}

/// The longest gap a zone ever had is a whole day (Samoa left out 30/12/2011).
const LONGEST_GAP_MINUTES: i64 = 26 * 60;

/// As [`instant_in`], of a time at which an office closes.
fn close_in(zone: Tz, date: NaiveDate, closes: NaiveTime) -> Moment {
    if closes == END_OF_DAY {
        return instant_in(zone, shift(date, 1), NaiveTime::MIN);
    }
    instant_in(zone, date, closes)
}

/// The instant of a local time: the earlier one where the clock goes back, the first after a gap.
#[must_use]
pub fn instant_in(zone: Tz, date: NaiveDate, time: NaiveTime) -> Moment {
    let local = date.clamp(EARLIEST, LATEST).and_time(time);
    if let Some(at) = zone.from_local_datetime(&local).earliest() {
        return at.with_timezone(&Utc);
    }
    // Clocks jump at whole minutes, so the minute that the time is in starts inside the gap as well.
    let minute = local - TimeDelta::nanoseconds(nanoseconds(time - NaiveTime::MIN) % 60_000_000_000);
    let later = |n| zone.from_local_datetime(&(minute + TimeDelta::minutes(n))).earliest();
    let after_gap: Option<DateTime<Tz>> = (1..=LONGEST_GAP_MINUTES).find_map(later);
    after_gap.map_or_else(|| NaiveDateTime::and_utc(&local), |at| at.with_timezone(&Utc))
}
