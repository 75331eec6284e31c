//! Rules, their ladders of steps, deadline policies and classification, as ops wrote them and checked at load.
//!
//! Nothing here is evaluated; that is `deadline`, `facts` and `evaluate`. A rule's and a step's id are identity: they
//! are in every telling's key.

use chrono::{NaiveDate, NaiveTime};

use super::directory::Role;
use super::matcher::Matcher;
use super::summary::Summary;
use super::ticket::{Proposed, Status, Texts, Ticket};
use super::time::Span;

/// The fact a rule is about; it gives anchor and occurrence (`spec.md` §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum When {
    Received,
    Unassigned,
    DueSoon,
    Overdue,
    CarriedOver,
    Unsatisfied,
    Stale,
    Aged,
    /// Owed by the Chairman's directive on a month; tells of nothing else, and nothing else tells of it.
    Obligation,
}

impl When {
    pub const ALL: [When; 9] = [
        When::Received,
        When::Unassigned,
        When::DueSoon,
        When::Overdue,
        When::CarriedOver,
        When::Unsatisfied,
        When::Stale,
        When::Aged,
        When::Obligation,
    ];

    /// The word used in rule files, logs and JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            When::Received => "received",
            When::Unassigned => "unassigned",
            When::DueSoon => "due_soon",
            When::Overdue => "overdue",
            When::CarriedOver => "carried_over",
            When::Unsatisfied => "unsatisfied",
            When::Stale => "stale",
            When::Aged => "aged",
            When::Obligation => "obligation",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Email,
    Webhook,
}

impl Channel {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Channel::Email => "email",
            Channel::Webhook => "webhook",
        }
    }
}

/// Who has to approve what a step tells before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Approver {
    Ops,
    Office,
}

impl Approver {
    pub const ALL: [Approver; 2] = [Approver::Ops, Approver::Office];

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Approver::Ops => "ops",
            Approver::Office => "office",
        }
    }
}

/// How a rule's tellings are bundled into messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Digest {
    /// One message per recipient and local date (`digest = "day"`, the default).
    Day,
    /// One message per ticket, from the opening of the window (`digest = "ticket"`).
    Ticket,
    /// The day's digest, but sent only on the first working day of the week (`digest = { at = "week" }`); on the other
    /// days tellings wait, except for tickets for which one of `also_when` holds.
    Week { also_when: Vec<When> },
}

/// `repeat = { every = "5wd", times = 3 }`; `times` excludes the first telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    pub every: Span,
    pub times: u32,
}

/// One rung of a ladder.
#[derive(Debug, Clone)]
pub struct Step {
    pub id: String,
    /// Counted from the anchor's day (`wd`) or instant (hours).
    pub after: Span,
    pub to: Vec<Role>,
    pub cc: Vec<Role>,
    pub via: Vec<Channel>,
    pub template: String,
    pub repeat: Option<Repeat>,
    /// Least distance from the telling of the step before it; default 2wd.
    pub min_gap: Span,
    /// Lifts the send window and the digest.
    pub urgent: bool,
    /// Its messages wait until they are released.
    pub approve: Option<Approver>,
    /// Letters ask for an answer by the end of this working day after theirs, or before the next step is due.
    pub reply: Option<Span>,
}

#[derive(Debug, Clone)]
pub struct Rule {
    pub id: String,
    /// Earlier ids of the same rule; tellings made under them still count.
    pub was: Vec<String>,
    /// Facts of which other rules tell: while one holds, this one tells nothing.
    pub unless: Vec<When>,
    pub title: String,
    pub when: When,
    /// For `stale` and `aged`.
    pub threshold: Option<Span>,
    pub matcher: Matcher,
    pub digest: Digest,
    pub steps: Vec<Step>,
}

/// Where a policy starts to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    ReceivedAt,
    AssignedAt,
}

/// `[[deadline]]`: the first policy that matches gives the deadline of a ticket without `due_at`.
#[derive(Debug, Clone)]
pub struct DeadlinePolicy {
    pub id: String,
    pub matcher: Matcher,
    /// Half-open validity by the date of the instant it counts from.
    pub valid_from: Option<NaiveDate>,
    pub valid_until: Option<NaiveDate>,
    pub from: From,
    pub due: Span,
    /// Statuses in which the clock stands.
    pub pause: Vec<Status>,
}

/// `[[classify]]`: proposes category or tags from the row's text where the source has none.
#[derive(Debug, Clone)]
pub struct Classify {
    pub id: String,
    pub matcher: Matcher,
    pub category: Option<String>,
    pub tags: Vec<String>,
}

/// How the source's `due_at` is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DueReading {
    /// `due_precision = "day"`: a clock time in `due_at` is ignored, the deadline is the date.
    pub day_precision: bool,
    /// `midnight = "end_of_previous_day"`.
    pub midnight_is_previous_day: bool,
}

/// Length of the reporting period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PeriodKind {
    #[default]
    CalendarMonth,
    /// From the 15th to the 14th; the key carries `/15`.
    FromThe15th,
}

/// Everything that ops wrote which decides, apart from directory and calendar.
#[derive(Debug, Clone)]
pub struct RuleSet {
    pub rules: Vec<Rule>,
    pub deadlines: Vec<DeadlinePolicy>,
    pub classify: Vec<Classify>,
    pub summaries: Vec<Summary>,
    pub due_reading: DueReading,
    pub period: PeriodKind,
    /// Local time of the daily digest; default 08:00.
    pub digest_at: NaiveTime,
    /// Event facts (`received`, `unsatisfied`) before this instant do not count. Default: the first turn.
    pub since: Option<super::Moment>,
}

impl RuleSet {
    /// The rule of an id, or the one that took it over by `was`.
    #[must_use]
    pub fn named(&self, id: &str) -> Option<&Rule> {
        let renamed = || self.rules.iter().find(|r| r.was.iter().any(|w| w == id));
        self.rules.iter().find(|r| r.id == id).or_else(renamed)
    }

    /// What the first matching `[[classify]]` rule proposes for a row whose source left category or tags empty.
    #[must_use]
    pub fn propose(&self, ticket: &Ticket, texts: &Texts) -> Option<Proposed> {
        let rule = self.classify.iter().find(|c| {
            let fills =
                (c.category.is_some() && ticket.category.is_none()) || (!c.tags.is_empty() && ticket.tags.is_empty());
            fills && c.matcher.holds(ticket, texts)
        })?;
        Some(Proposed {
            by: rule.id.clone(),
            category: rule.category.clone().filter(|_| ticket.category.is_none()),
            tags: if ticket.tags.is_empty() {
                rule.tags.iter().cloned().collect()
            } else {
                Default::default()
            },
        })
    }
}
