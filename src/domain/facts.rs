//! The facts a rule can be about, computed at an instant: anchor, occurrence and since when the fact holds.
//!
//! Occurrences derive only from values that can be read again (the table of `spec.md` §4), so that changes of policy,
//! calendar, directory, text, matcher, role or address make no new ones.

use chrono::{NaiveDate, NaiveTime};

use super::Moment;
use super::calendar::{Calendar, Due};
use super::calendars::Calendars;
use super::deadline;
pub use super::deadline::Reckoned;
use super::directory::Directory;
use super::rule::{Rule, RuleSet, When};
use super::text::fold;
use super::ticket::{Memory, Rating, Ticket};
use super::time::{Period, Span};

/// Everything that decides beside the ticket: rules, directory, calendars, and from when on events count.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub rules: &'a RuleSet,
    pub directory: &'a Directory,
    pub calendars: &'a Calendars,
    /// Event facts (`received`, `unsatisfied`) before this instant do not count.
    pub events_from: Moment,
    /// What was over before this instant has been pruned; a rating from before that is known of no more is no news.
    pub kept_from: Option<Moment>,
}

impl Context<'_> {
    /// The calendar of the unit responsible for a ticket.
    #[must_use]
    pub fn calendar(&self, memory: &Memory) -> &Calendar {
        memory
            .agency
            .as_deref()
            .map_or_else(|| self.calendars.base(), |unit| self.calendars.of(unit))
    }
}

/// Why a rule has nothing to say about a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unconcerned {
    /// The `where` of the rule does not hold.
    Matcher,
    /// The ticket has not been in the ticket database since then.
    Gone(Moment),
    /// Level 1 was answered by the operator.
    Operator,
    /// Not open (with the status word).
    NotOpen(&'static str),
    NoDeadline,
    /// The clock stands since then.
    Paused(Moment),
    /// `unassigned`: the agency is known.
    Assigned,
    /// `unsatisfied`: no such rating, or excluded.
    NotUnsatisfied,
    /// The event was before the first turn, or before `since`.
    BeforeStart(Moment),
    /// `unsatisfied`: what was told of so old a rating is not kept any more, so it is not told again.
    NotKept(Moment),
    /// `carried_over`: received (or reopened) within the period.
    OfThisPeriod,
    /// A fact of the rule's `unless` holds: other rules chase the ticket.
    Unless(When),
    /// `obligation`: this is a ticket.
    NotOwed,
    /// An obligation, of which only rules with `obligation` tell.
    IsObligation,
}

/// One occurrence of a fact for a rule and ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// What is told at most once; holds lead agency and reopenings.
    pub key: String,
    /// The day that `wd` and `cd` steps count from.
    pub day: NaiveDate,
    /// The instant that hour steps count from.
    pub instant: Moment,
    /// No step falls due before this.
    pub from: Moment,
    /// After this the rule's steps are passed over (`due_soon` after the deadline).
    pub until: Option<Moment>,
}

/// What the occurrence key consists of, for reading stored keys back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OccurrenceParts<'a> {
    pub what: &'a str,
    pub lead: &'a str,
    pub reopened: u32,
}

/// Builds an occurrence key: `WHAT|LEAD|REOPENED`.
#[must_use]
pub fn occurrence_key(what: &str, memory: &Memory) -> String {
    format!("{what}|{}|{}", memory.lead.as_deref().unwrap_or(""), memory.reopened)
}

/// Reads a key built by [`occurrence_key`]; a key of another form has no lead.
#[must_use]
pub fn occurrence_parts(key: &str) -> OccurrenceParts<'_> {
    let mut parts = key.rsplitn(3, '|');
    let reopened = parts.next().and_then(|r| r.parse().ok()).unwrap_or(0);
    let lead = parts.next().unwrap_or("");
    OccurrenceParts {
        what: parts.next().unwrap_or(key),
        lead,
        reopened,
    }
}

/// The occurrence of a rule's fact for a ticket at an instant, or why there is none.
///
/// An occurrence may lie ahead: its `from` says since when the fact holds.
pub fn occurrence(
    rule: &Rule,
    ticket: &Ticket,
    memory: &Memory,
    reckoned: &Reckoned,
    ctx: &Context<'_>,
    now: Moment,
) -> Result<Occurrence, Unconcerned> {
    if ticket.level == Some(1) {
        return Err(Unconcerned::Operator);
    }
    match (&ticket.duty, rule.when) {
        (None, When::Obligation) => return Err(Unconcerned::NotOwed),
        (None, _) | (Some(_), When::Obligation) => {}
        (Some(_), _) => return Err(Unconcerned::IsObligation),
    }
    let cal = ctx.calendar(memory);
    if rule.when != When::Unsatisfied && !ticket.status.is_open() {
        return Err(Unconcerned::NotOpen(ticket.status.word()));
    }
    if let Some(when) = rule.unless.iter().find(|w| holds(**w, ticket, memory, ctx, now)) {
        return Err(Unconcerned::Unless(*when));
    }
    if rule.when == When::Unsatisfied {
        return unsatisfied(ticket, memory, ctx, cal);
    }
    let plain = |what: String, at: Moment| Occurrence {
        key: occurrence_key(&what, memory),
        day: cal.date_of(at),
        instant: at,
        from: at,
        until: None,
    };
    match rule.when {
        When::Received if ticket.received_at < ctx.events_from => Err(Unconcerned::BeforeStart(ticket.received_at)),
        // A ticket is received once: a corrected `received_at` is no new occurrence.
        When::Received => Ok(plain(String::new(), ticket.received_at)),
        When::Unassigned if memory.agency.is_some() => Err(Unconcerned::Assigned),
        When::Unassigned => Ok(plain(fold(ticket.agency.as_deref().unwrap_or("")), ticket.received_at)),
        When::DueSoon | When::Overdue => {
            let deadline = match reckoned {
                Reckoned::At(deadline) => deadline,
                Reckoned::Paused { since, .. } => return Err(Unconcerned::Paused(*since)),
                Reckoned::None => return Err(Unconcerned::NoDeadline),
            };
            let judged = deadline.judged_at(cal);
            let (from, until) = if rule.when == When::DueSoon {
                (Moment::MIN_UTC, Some(judged))
            } else {
                (judged, None)
            };
            Ok(Occurrence {
                key: occurrence_key(&deadline.written.to_string(), memory),
                day: deadline.day(cal),
                instant: judged,
                from,
                until,
            })
        }
        When::CarriedOver => carried_over(ticket, memory, Period::of(cal.date_of(now), ctx.rules.period), cal),
        When::Stale | When::Aged => {
            let at = match rule.when {
                When::Stale => ticket.updated_at.unwrap_or(memory.last_change_at),
                _ => ticket.received_at,
            };
            let threshold = rule.threshold.unwrap_or(AGED_AFTER);
            Ok(Occurrence {
                from: instant_of(cal.add(at, threshold), cal),
                ..plain(stamp(at), at)
            })
        }
        When::Obligation => {
            let reply = ticket.duty.as_ref().and_then(|duty| duty.reply);
            let reply = reply.ok_or(Unconcerned::NoDeadline)?;
            Ok(Occurrence {
                // A reply that is taken back was none: the ladder goes on where it was.
                key: format!("{}|{}|0", reply.before, memory.lead.as_deref().unwrap_or("")),
                day: reply.due,
                instant: cal.end_of_day(reply.due),
                from: ticket.received_at,
                until: None,
            })
        }
        When::Unsatisfied => Err(Unconcerned::NotUnsatisfied),
    }
}

/// `aged` without a threshold of its own.
pub const AGED_AFTER: Span = Span::WorkingDays(30);

fn unsatisfied(ticket: &Ticket, memory: &Memory, ctx: &Context<'_>, cal: &Calendar) -> Result<Occurrence, Unconcerned> {
    if !ticket.rating.is_some_and(Rating::is_unsatisfied) || ticket.rating_excluded {
        return Err(Unconcerned::NotUnsatisfied);
    }
    if matches!(ticket.status.word(), "void" | "rejected") {
        return Err(Unconcerned::NotOpen(ticket.status.word()));
    }
    let at = ticket
        .rated_at
        .or(memory.first_rated_at)
        .unwrap_or(memory.last_change_at);
    if at < ctx.events_from {
        return Err(Unconcerned::BeforeStart(at));
    }
    Ok(Occurrence {
        key: occurrence_key(&stamp(at), memory),
        day: cal.date_of(at),
        instant: at,
        from: at,
        until: None,
    })
}

/// The occurrence of `carried_over` in a period: open at its first instant.
pub(super) fn carried_over(
    ticket: &Ticket,
    memory: &Memory,
    period: Period,
    cal: &Calendar,
) -> Result<Occurrence, Unconcerned> {
    let first = period.first_day();
    let start = cal.instant(first, NaiveTime::MIN);
    if ticket.received_at >= start || memory.open_since >= start {
        return Err(Unconcerned::OfThisPeriod);
    }
    Ok(Occurrence {
        key: occurrence_key(&period.to_string(), memory),
        day: first,
        instant: start,
        from: start,
        until: None,
    })
}

/// When a step falls due: `wd` and `cd` name a day and mean the opening of its office hours; hours count on from the
/// instant. Never before the fact holds.
#[must_use]
pub fn step_due(occurrence: &Occurrence, after: Span, cal: &Calendar) -> Moment {
    let opening = |day: NaiveDate| {
        cal.opens(day)
            .unwrap_or_else(|| cal.next_open(cal.instant(day, NaiveTime::MIN)))
    };
    let due = match after {
        Span::WorkingDays(n) => opening(cal.nth_working_day(occurrence.day, n)),
        Span::CalendarDays(n) => {
            let day = occurrence
                .day
                .checked_add_signed(chrono::TimeDelta::days(n.into()))
                .unwrap_or(occurrence.day);
            opening(cal.on_or_after(day))
        }
        Span::Elapsed(d) => occurrence.instant.checked_add_signed(d).unwrap_or(occurrence.instant),
        Span::WorkingTime(d) => cal.add_working_time(occurrence.instant, d),
    };
    due.max(occurrence.from)
}

/// The instant from which a distance after a telling has passed: `wd` and `cd` compare dates and mean the opening.
#[must_use]
pub fn gap_over(told_at: Moment, gap: Span, cal: &Calendar) -> Moment {
    let day = cal.date_of(told_at);
    let from = Occurrence {
        key: String::new(),
        day,
        instant: told_at,
        from: told_at,
        until: None,
    };
    step_due(&from, gap, cal)
}

/// A threshold in days is reached with its day's first instant; steps then open with that day's hours.
fn instant_of(due: Due, cal: &Calendar) -> Moment {
    match due {
        Due::Day(date) => cal.instant(date, NaiveTime::MIN),
        Due::Instant(at) => at,
    }
}

/// An instant inside an occurrence key.
fn stamp(at: Moment) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The deadline of a ticket with its unit's calendar; a short cut for callers outside evaluation.
#[must_use]
pub fn deadline_of(ticket: &Ticket, memory: &Memory, ctx: &Context<'_>) -> Reckoned {
    deadline::reckon(ticket, memory, ctx.rules, ctx.calendar(memory))
}

/// Working days a deadline is overdue at an instant, by dates; `None` while it is not.
#[must_use]
pub fn overdue_working_days(reckoned: &Reckoned, cal: &Calendar, now: Moment) -> Option<i32> {
    let Reckoned::At(deadline) = reckoned else { return None };
    (deadline.judged_at(cal) <= now).then(|| cal.working_days_between(deadline.day(cal), cal.date_of(now)))
}

/// Whether a fact holds for a ticket, whatever rules there are; for `also_when` and `unless`. What needs a threshold or a
/// period does not hold.
#[must_use]
pub fn holds(when: When, ticket: &Ticket, memory: &Memory, ctx: &Context<'_>, now: Moment) -> bool {
    let cal = ctx.calendar(memory);
    match when {
        When::Overdue => overdue_working_days(&deadline_of(ticket, memory, ctx), cal, now).is_some(),
        When::Received => cal.date_of(ticket.received_at) >= cal.nth_working_day(cal.date_of(now), -1),
        When::Unsatisfied => ticket.rating.is_some_and(Rating::is_unsatisfied),
        When::Unassigned => memory.agency.is_none(),
        // Today or on the next working day.
        When::DueSoon => match deadline_of(ticket, memory, ctx) {
            Reckoned::At(deadline) => {
                deadline.judged_at(cal) > now && deadline.day(cal) <= cal.nth_working_day(cal.date_of(now), 1)
            }
            Reckoned::Paused { .. } | Reckoned::None => false,
        },
        When::Obligation => ticket.duty.is_some(),
        When::CarriedOver | When::Stale | When::Aged => false,
    }
}

impl std::fmt::Display for Unconcerned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unconcerned::Matcher => f.write_str("the rule's `where` does not hold"),
            Unconcerned::Operator => f.write_str("level 1: answered by the operator, never chased"),
            Unconcerned::Gone(_) => f.write_str("the ticket is not in the ticket database any more"),
            Unconcerned::NotOpen(status) => write!(f, "the ticket is {status}"),
            Unconcerned::NoDeadline => {
                f.write_str("no deadline: the source has none and no [[deadline]] policy matches")
            }
            Unconcerned::Paused(_) => f.write_str("the clock of its deadline stands"),
            Unconcerned::Assigned => f.write_str("the agency is known"),
            Unconcerned::NotUnsatisfied => f.write_str("no unsatisfied rating, or it is excluded"),
            Unconcerned::BeforeStart(_) => f.write_str("the event was before dondoc's first turn or `since`"),
            Unconcerned::NotKept(_) => {
                f.write_str("the rating is older than records are kept: whether it was told is not known any more")
            }
            Unconcerned::Unless(when) => write!(f, "`unless`: {} holds, which other rules tell of", when.word()),
            Unconcerned::NotOwed => f.write_str("a ticket; the rule tells of what units owe by a directive"),
            Unconcerned::IsObligation => f.write_str("owed by a directive: only rules with `obligation` tell of it"),
            Unconcerned::OfThisPeriod => f.write_str("received or taken up again within the period"),
        }
    }
}
