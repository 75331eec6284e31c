//! The deadline of a ticket: `extended_to`, else `due_at`, else the first `[[deadline]]` policy that matches.
//!
//! A day deadline is a date, shown as the close of office hours of that day and judged at its end (24:00), as Bộ luật
//! Dân sự Điều 148 has it; a clock deadline is its own verdict. Nothing here is stored but the first
//! deadline's day and the date that names occurrences ([`remember`]).

use chrono::{NaiveDate, NaiveTime, TimeDelta};

use super::Moment;
use super::calendar::{Calendar, Due};
use super::matcher::Matcher;
use super::rule::{DeadlinePolicy, DueReading, From, RuleSet};
use super::ticket::{Memory, Status, Texts, Ticket, WrittenTime};
use super::time::Span;

/// Where a deadline comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// The source's `extended_to`.
    Extended,
    /// The source's `due_at`.
    Source,
    /// A policy, with the instant and span it was counted from.
    Policy { id: String, from: Moment, span: Span },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadline {
    pub due: Due,
    pub basis: Basis,
    /// The calendar date as the source wrote it, or the one a policy first gave to this row: names the occurrence.
    pub written: NaiveDate,
}

/// What is known of a ticket's deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reckoned {
    At(Deadline),
    /// The clock stands since then; there is no deadline until it runs again.
    Paused {
        since: Moment,
        policy: String,
    },
    /// No date in the source and no policy that matches.
    None,
}

impl Deadline {
    /// The last day in local time on which something can be done in time. Midnight is the end of the day before, whether
    /// the source wrote it as a time or as a day.
    #[must_use]
    pub fn day(&self, cal: &Calendar) -> NaiveDate {
        match self.due {
            Due::Day(date) => date,
            Due::Instant(at) => match cal.date_of(at) {
                date if cal.instant(date, NaiveTime::MIN) == at => date.pred_opt().unwrap_or(date),
                date => date,
            },
        }
    }

    /// From this instant on the ticket is overdue: 24:00 of a day deadline, else the instant itself.
    #[must_use]
    pub fn judged_at(&self, cal: &Calendar) -> Moment {
        match self.due {
            Due::Day(date) => cal.end_of_day(date),
            Due::Instant(at) => at,
        }
    }

    /// The instant of its day shown to people: the close of office hours of a day deadline; `None` for the day's end, which
    /// is midnight and that of a day without hours.
    #[must_use]
    pub fn shown_at(&self, cal: &Calendar) -> Option<Moment> {
        match self.due {
            Due::Day(date) => cal.closes(date),
            Due::Instant(at) => Some(at).filter(|at| cal.date_of(*at) == self.day(cal)),
        }
    }
}

/// Reckons a ticket's deadline with the calendar of the unit that is responsible.
#[must_use]
pub fn reckon(ticket: &Ticket, memory: &Memory, rules: &RuleSet, cal: &Calendar) -> Reckoned {
    let by_source = ticket
        .extended_to
        .map(|w| (w, Basis::Extended))
        .or(ticket.due_at.map(|w| (w, Basis::Source)));
    if let Some((written, basis)) = by_source {
        let due = read_written(written, rules.due_reading, cal);
        return Reckoned::At(Deadline {
            due,
            basis,
            written: written.date,
        });
    }
    // What is owed until it is closed has none.
    let policies = rules.deadlines.iter().filter(|_| ticket.duty.is_none());
    policies
        .clone()
        .find_map(|p| by_policy(p, ticket, memory, cal))
        .unwrap_or(Reckoned::None)
}

fn read_written(written: WrittenTime, reading: DueReading, cal: &Calendar) -> Due {
    if !written.has_time {
        return Due::Day(written.date);
    }
    let date = cal.date_of(written.at);
    let is_midnight = cal.instant(date, NaiveTime::MIN) == written.at;
    if is_midnight && reading.midnight_is_previous_day {
        return Due::Day(date.pred_opt().unwrap_or(date));
    }
    if reading.day_precision {
        Due::Day(date)
    } else {
        Due::Instant(written.at)
    }
}

fn by_policy(policy: &DeadlinePolicy, ticket: &Ticket, memory: &Memory, cal: &Calendar) -> Option<Reckoned> {
    let from = match policy.from {
        From::ReceivedAt => ticket.received_at,
        From::AssignedAt => ticket.assigned_at?,
    };
    let on = cal.date_of(from);
    let valid = policy.valid_from.is_none_or(|f| f <= on) && policy.valid_until.is_none_or(|u| on < u);
    if !valid || !matches(&policy.matcher, ticket) {
        return None;
    }
    let pauses: &[_] = if policy.pause.contains(&Status::Waiting) {
        &memory.pauses
    } else {
        &[]
    };
    let due = match add_with_pauses(from, policy.due, pauses, cal) {
        Ok(due) => due,
        Err(since) => {
            return Some(Reckoned::Paused {
                since,
                policy: policy.id.clone(),
            });
        }
    };
    let day = match due {
        Due::Day(date) => date,
        Due::Instant(at) => cal.date_of(at),
    };
    Some(Reckoned::At(Deadline {
        due,
        basis: Basis::Policy {
            id: policy.id.clone(),
            from,
            span: policy.due,
        },
        written: memory.policy_date.unwrap_or(day),
    }))
}

/// A row with what is remembered of it and the calendar of its unit.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    pub ticket: &'a Ticket,
    pub memory: &'a Memory,
    pub calendar: &'a Calendar,
}

/// What is remembered of a row's deadline: the first one's day, and the date that names the occurrences of a policy's.
///
/// That date changes only with the row: where the row before, under today's policies and calendar, would have the same
/// deadline, its name is kept.
#[must_use]
pub fn remember(before: Option<Known<'_>>, row: Known<'_>, rules: &RuleSet) -> (Option<NaiveDate>, Option<NaiveDate>) {
    let of = |known: Known<'_>| match reckon(known.ticket, known.memory, rules, known.calendar) {
        Reckoned::At(deadline) => Some(deadline),
        Reckoned::Paused { .. } | Reckoned::None => None,
    };
    let by_policy = |d: &Deadline| matches!(d.basis, Basis::Policy { .. });
    let Some(now) = of(row) else {
        return (row.memory.first_deadline, None);
    };
    let first = row.memory.first_deadline.unwrap_or_else(|| now.day(row.calendar));
    let kept = before.filter(|b| of(*b).is_some_and(|then| by_policy(&then) && then.due == now.due));
    let name = kept
        .and_then(|b| b.memory.policy_date)
        .unwrap_or_else(|| now.day(row.calendar));
    (Some(first), by_policy(&now).then_some(name))
}

fn matches(matcher: &Matcher, ticket: &Ticket) -> bool {
    matcher.holds(ticket, &Texts::default())
}

/// Adds a span while leaving out the pauses; `Err` holds the start of a running pause that the deadline lies behind.
///
/// For day spans a day does not count when the ticket stood paused at its close of office hours (on a day without
/// hours: at 24:00). For hour spans the paused time is added at the end.
fn add_with_pauses(
    from: Moment,
    span: Span,
    pauses: &[(Moment, Option<Moment>)],
    cal: &Calendar,
) -> Result<Due, Moment> {
    let plain = cal.add(from, span);
    if pauses.is_empty() {
        return Ok(plain);
    }
    match span {
        Span::WorkingDays(n) | Span::CalendarDays(n) if n > 0 => {
            let working = matches!(span, Span::WorkingDays(_));
            let mut day = cal.date_of(from);
            let mut left = n;
            while left > 0 {
                day = if working {
                    cal.nth_working_day(day, 1)
                } else {
                    day.succ_opt().unwrap_or(day)
                };
                let close = cal.closes(day).unwrap_or_else(|| cal.end_of_day(day));
                match pauses
                    .iter()
                    .find(|(start, end)| *start <= close && end.is_none_or(|e| close < e))
                {
                    None => left -= 1,
                    Some((start, None)) => return Err(*start),
                    // Leap to the pause's end instead of walking through it.
                    Some((_, Some(end))) => {
                        let last = cal.date_of(*end).pred_opt().unwrap_or(day);
                        day = day.max(last.min(cal.date_of(*end)));
                    }
                }
            }
            Ok(Due::Day(if working { day } else { cal.on_or_after(day) }))
        }
        Span::WorkingDays(_) | Span::CalendarDays(_) => Ok(plain),
        Span::Elapsed(_) | Span::WorkingTime(_) => {
            let working = matches!(span, Span::WorkingTime(_));
            let Due::Instant(mut due) = plain else { return Ok(plain) };
            for (start, end) in pauses {
                let start = (*start).max(from);
                if start >= due {
                    break;
                }
                let Some(end) = end else { return Err(start) };
                if *end <= start {
                    continue;
                }
                due = if working {
                    // Counting on from the pause's end keeps "due at the close of an interval" true.
                    let left = cal.working_time_between(start, due);
                    if left > TimeDelta::zero() {
                        cal.add_working_time(*end, left)
                    } else {
                        due
                    }
                } else {
                    due + (*end - start)
                };
            }
            Ok(Due::Instant(due))
        }
    }
}
