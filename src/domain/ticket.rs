//! A ticket as the source shows it, and what we remember of it beside that.
//!
//! The row is the source's word and is never changed by us; [`Memory`] is ours. Facts that follow from both at an
//! instant (overdue, carried over …) are computed in `facts`, never stored. Title and body are not here: they are read
//! for classification only and kept nowhere.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::Moment;
use super::instant;
use super::obligation::Duty;

/// What the source's own status word means. Open is `Open` or `Waiting`; done is `Answered` or `Closed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Open,
    Waiting,
    Answered,
    Closed,
    Rejected,
    /// Merged, spam, deleted: counts nowhere.
    Void,
}

impl Status {
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Status::Open | Status::Waiting)
    }

    #[must_use]
    pub fn is_done(self) -> bool {
        matches!(self, Status::Answered | Status::Closed)
    }

    /// The word used in configuration, logs and JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Status::Open => "open",
            Status::Waiting => "waiting",
            Status::Answered => "answered",
            Status::Closed => "closed",
            Status::Rejected => "rejected",
            Status::Void => "void",
        }
    }
}

/// The citizen's verdict on the answer, mapped by `[source.rating]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rating {
    Satisfied,
    Unsatisfied,
    NotUseful,
    NoReply,
}

impl Rating {
    /// Unsatisfied or not useful: the seed's 37.
    #[must_use]
    pub fn is_unsatisfied(self) -> bool {
        matches!(self, Rating::Unsatisfied | Rating::NotUseful)
    }
}

/// A deadline as the source wrote it: the calendar date in the source's own writing, and the instant it denotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenTime {
    /// The date part as written, before zone, `midnight` or `due_precision`. Occurrences are named after it.
    pub date: NaiveDate,
    #[serde(with = "instant")]
    pub at: Moment,
    /// False where the source wrote a bare date.
    pub has_time: bool,
}

/// The three tags that have a meaning of their own: the seed's group of 26, counted once per ticket.
pub const FLAGGED_TAGS: [&str; 3] = ["procedure_late", "conduct", "regulation"];

/// One row of the source query, decoded and normalised to NFC (`spec.md` §2). Never holds title or body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ticket {
    pub code: String,
    pub status: Status,
    /// The source's own word.
    pub status_word: String,
    /// False when `[source.status]` does not name the word: treated as open, climbs no higher than `contact`.
    pub status_mapped: bool,
    #[serde(with = "instant")]
    pub received_at: Moment,
    #[serde(default, with = "instant::optional", skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Moment>,
    #[serde(default, with = "instant::optional", skip_serializing_if = "Option::is_none")]
    pub assigned_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<WrittenTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extended_to: Option<WrittenTime>,
    #[serde(default, with = "instant::optional", skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Moment>,
    #[serde(default, with = "instant::optional", skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Moment>,
    #[serde(default, with = "instant::optional", skip_serializing_if = "Option::is_none")]
    pub rated_at: Option<Moment>,
    #[serde(default, with = "instant::optional", skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The locality's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// 1 was answered by the operator: counted, never chased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<i64>,
    pub tags: BTreeSet<String>,
    pub is_procedure: bool,
    /// The lead agency in the source's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agency: Option<String>,
    pub co_agencies: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_agency: Option<String>,
    /// A unit outside the province's power (C06).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_on: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    pub confidential: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reopen_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rating: Option<Rating>,
    pub rating_excluded: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What `[[classify]]` proposed from title and body where the source had nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposed: Option<Proposed>,
    /// Not of the source: an obligation of the monthly cycle, which is chased as a ticket is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duty: Option<Duty>,
}

impl Default for Ticket {
    fn default() -> Self {
        Ticket {
            code: String::new(),
            status: Status::Open,
            status_word: "open".into(),
            status_mapped: true,
            received_at: Moment::UNIX_EPOCH,
            updated_at: None,
            assigned_at: None,
            due_at: None,
            extended_to: None,
            answered_at: None,
            closed_at: None,
            rated_at: None,
            waiting_since: None,
            kind: None,
            category: None,
            priority: None,
            channel: None,
            area: None,
            level: None,
            tags: BTreeSet::new(),
            is_procedure: false,
            agency: None,
            co_agencies: Vec::new(),
            subject_agency: None,
            waiting_on: None,
            stage: None,
            confidential: false,
            reopen_count: None,
            rating: None,
            rating_excluded: false,
            url: None,
            proposed: None,
            duty: None,
        }
    }
}

impl Ticket {
    /// The category in force: the source's, else the proposed one.
    #[must_use]
    pub fn category(&self) -> Option<&str> {
        self.category
            .as_deref()
            .or_else(|| self.proposed.as_ref()?.category.as_deref())
    }

    /// The tags in force: the source's, else the proposed ones.
    #[must_use]
    pub fn tags(&self) -> &BTreeSet<String> {
        match &self.proposed {
            Some(p) if self.tags.is_empty() => &p.tags,
            _ => &self.tags,
        }
    }

    /// One of the seed's group of 26: late procedure, conduct, regulation.
    #[must_use]
    pub fn is_flagged(&self) -> bool {
        FLAGGED_TAGS.iter().any(|t| self.tags().contains(*t))
    }

    /// A complaint about a person.
    #[must_use]
    pub fn is_conduct(&self) -> bool {
        self.tags().contains("conduct")
    }

    /// Goes to `head` only, alone, never into a common digest (`spec.md` §4).
    #[must_use]
    pub fn is_sensitive(&self) -> bool {
        self.confidential || self.is_conduct()
    }

    /// Whether all of it was over before an instant, as far as its row tells. A mere change of the row is none of it.
    #[must_use]
    pub fn was_over_before(&self, instant: Moment) -> bool {
        let before = |at: Option<Moment>| at.is_none_or(|at| at < instant);
        !self.status.is_open()
            && self.received_at < instant
            && [self.answered_at, self.closed_at, self.rated_at]
                .into_iter()
                .all(before)
            && !self.has_undated_complaint()
    }

    /// Unsatisfied, since nobody but us knows when.
    fn has_undated_complaint(&self) -> bool {
        self.rating.is_some_and(Rating::is_unsatisfied) && self.rated_at.is_none()
    }
}

/// A proposal of a `[[classify]]` rule. It never moves a ticket from the agency that the source names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposed {
    /// Id of the classify rule.
    pub by: String,
    pub category: Option<String>,
    pub tags: BTreeSet<String>,
}

/// Free text of a row, read only where a `[[classify]]` rule needs it and dropped after that.
#[derive(Clone, Default)]
pub struct Texts {
    pub title: Option<String>,
    pub body: Option<String>,
}

/// What we remember of a ticket beside its last row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    #[serde(with = "instant")]
    pub first_seen_at: Moment,
    /// The day of the first deadline ever reckoned, beside the present one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_deadline: Option<NaiveDate>,
    /// The date that a policy gave to the present values of the row when it was first reckoned from them. It names
    /// occurrences, so that a changed policy or calendar moves the deadline but makes no new ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_date: Option<NaiveDate>,
    /// The lead agency's id that occurrences carry; `None` while the agency is unknown. Keeps its first value along
    /// successions and corrected aliases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead: Option<String>,
    /// The unit that the source's word means now; a notice to the agency starts from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agency: Option<String>,
    #[serde(with = "instant")]
    pub lead_since: Moment,
    /// Changes of lead that were transfers (not successions or corrected aliases).
    pub transfers: u32,
    /// Reopenings: the source's count, or those seen as changes from done to open.
    pub reopened: u32,
    /// Since when the ticket has been open without a break; the last reopening, else `received_at`.
    #[serde(with = "instant")]
    pub open_since: Moment,
    /// Spans in status `waiting`; the last one may be running.
    pub pauses: Vec<(Moment, Option<Moment>)>,
    /// When the ticket was first seen done, for sources without `answered_at` and `closed_at`.
    #[serde(default, with = "instant::optional", skip_serializing_if = "Option::is_none")]
    pub first_done_at: Option<Moment>,
    /// When an unsatisfied rating was first seen, for sources without `rated_at`.
    #[serde(default, with = "instant::optional", skip_serializing_if = "Option::is_none")]
    pub first_rated_at: Option<Moment>,
    /// When a change of the row was last seen, for sources without `updated_at`.
    #[serde(with = "instant")]
    pub last_change_at: Moment,
}

impl Memory {
    /// Takes over a new row: what it changes in what we remember, and what of that matters (pure; the caller stores it).
    ///
    /// `before` is the row we had, `lead` the unit that `row.agency` means now, and `is_succession(old, new)` tells
    /// whether a change of lead is a dated succession. `None` as `before` is the first sight.
    #[must_use]
    pub fn after(
        before: Option<(&Ticket, &Memory)>,
        row: &Ticket,
        lead: Option<&str>,
        is_succession: impl Fn(&str, &str) -> bool,
        now: Moment,
    ) -> Memory {
        let Some((old, memory)) = before else {
            return Memory {
                first_seen_at: now,
                first_deadline: None,
                policy_date: None,
                lead: lead.map(str::to_owned),
                agency: lead.map(str::to_owned),
                lead_since: now,
                transfers: 0,
                reopened: reopened_by_source(row).unwrap_or(0),
                open_since: row.received_at,
                pauses: match row.status {
                    Status::Waiting => vec![(row.waiting_since.unwrap_or(row.updated_at.unwrap_or(now)), None)],
                    _ => Vec::new(),
                },
                first_done_at: row.status.is_done().then_some(now),
                first_rated_at: row.rating.is_some_and(Rating::is_unsatisfied).then_some(now),
                last_change_at: now,
            };
        };
        let mut m = memory.clone();
        let changed_at = row.updated_at.filter(|u| *u <= now).unwrap_or(now);
        if old != row {
            m.last_change_at = now;
        }
        if !old.status.is_open() && row.status.is_open() {
            m.reopened = reopened_by_source(row).unwrap_or(0).max(m.reopened + 1);
            m.open_since = changed_at;
            m.first_done_at = None;
        } else if let Some(count) = reopened_by_source(row).filter(|c| *c > m.reopened) {
            m.reopened = count;
            if row.status.is_open() {
                m.open_since = changed_at;
            }
        }
        if row.status.is_done() && m.first_done_at.is_none() {
            m.first_done_at = Some(now);
        }
        if row.rating.is_some_and(Rating::is_unsatisfied) {
            m.first_rated_at = m.first_rated_at.or(Some(now));
        } else {
            m.first_rated_at = None;
        }
        match (old.status == Status::Waiting, row.status == Status::Waiting) {
            (false, true) => m.pauses.push((row.waiting_since.unwrap_or(changed_at), None)),
            (true, false) => {
                if let Some(last) = m.pauses.last_mut() {
                    last.1 = Some(changed_at.max(last.0));
                }
            }
            _ => {}
        }
        let word_changed = old.agency != row.agency;
        m.follow_lead(lead, word_changed, is_succession, changed_at, now);
        m
    }

    /// Follows the lead agency after a change of the row or of the directory.
    ///
    /// A transfer is a changed word that means another unit; a succession, a `was` or a corrected alias is none: the
    /// occurrence keeps its first agency id and only the unit that is written to moves.
    pub fn follow_lead(
        &mut self,
        lead: Option<&str>,
        word_changed: bool,
        is_succession: impl Fn(&str, &str) -> bool,
        at: Moment,
        now: Moment,
    ) {
        if self.agency.as_deref() == lead {
            return;
        }
        match (self.agency.as_deref(), lead) {
            (Some(old), Some(new)) if word_changed && !is_succession(old, new) => {
                self.transfers += 1;
                self.lead = Some(new.to_owned());
                self.agency = Some(new.to_owned());
                self.lead_since = now;
            }
            (Some(_), Some(new)) => self.agency = Some(new.to_owned()),
            (None, Some(new)) => {
                self.lead = Some(new.to_owned());
                self.agency = Some(new.to_owned());
                self.lead_since = now;
            }
            (Some(_), None) if word_changed => {
                self.lead = None;
                self.agency = None;
                self.lead_since = at.max(self.lead_since);
            }
            // The directory forgot a word that it knew: the ticket stays with the unit that had it.
            (Some(_), None) | (None, None) => {}
        }
    }

    /// What a row that is open again was before, and what we remembered of it, where all of that has been pruned since it
    /// was over: done, and long so.
    #[must_use]
    pub fn before_reopening(row: &Ticket, lead: Option<&str>, now: Moment) -> (Ticket, Memory) {
        let ticket = Ticket {
            status: Status::Closed,
            ..row.clone()
        };
        let memory = Memory {
            first_done_at: Some(row.received_at),
            reopened: reopened_by_source(row).unwrap_or(0).saturating_sub(1),
            ..Memory::after(None, &ticket, lead, |_, _| false, now)
        };
        (ticket, memory)
    }

    /// When the last of a ticket happened that is over or gone: so long after it as records are kept they may go. `None`
    /// while it is open, and where an occurrence is named after an instant that cannot be read again.
    #[must_use]
    pub fn over_at(&self, row: &Ticket, gone_at: Option<Moment>) -> Option<Moment> {
        let is_over = gone_at.is_some() || !row.status.is_open();
        let last = [
            row.updated_at,
            row.assigned_at,
            row.answered_at,
            row.closed_at,
            row.rated_at,
            self.first_done_at,
            Some(self.last_change_at),
            gone_at,
        ];
        let last = last.into_iter().flatten().fold(row.received_at, Moment::max);
        (is_over && !row.has_undated_complaint()).then_some(last)
    }

    /// When the ticket was done, as far as rows tell: `answered_at`, else `closed_at`, else first seen done.
    #[must_use]
    pub fn done_at(&self, row: &Ticket) -> Option<Moment> {
        row.status
            .is_done()
            .then(|| row.answered_at.or(row.closed_at).or(self.first_done_at))
            .flatten()
    }
}

fn reopened_by_source(row: &Ticket) -> Option<u32> {
    row.reopen_count.and_then(|c| u32::try_from(c).ok())
}
