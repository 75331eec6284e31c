//! What a message says, as facts: dates, counts and enums, nothing formatted. Templates and filters make it language.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use serde::Serialize;

/// Whether a message gathers what a recipient owes, or speaks of one ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    Digest,
    Single,
}

/// One message. Instants are local to the recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageView {
    pub form: Form,
    /// Stands in brackets at the head of the subject.
    pub tag: String,
    pub hotline: String,
    pub unit_name: String,
    pub desk: String,
    pub at: NaiveDateTime,
    /// The ticket database could not be read: what is remembered is from then.
    pub data_as_of: Option<NaiveDateTime>,
    /// The highest step first.
    pub sections: Vec<SectionView>,
    /// The file name under which the list goes with a long mail, see [`super::annex`].
    pub annex: Option<String>,
    pub contact_line: String,
    pub signature: Vec<String>,
    pub message_id: String,
}

/// The tickets told by one rule's step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SectionView {
    /// Base name of the template.
    pub template: String,
    pub rule: String,
    pub step: String,
    pub rule_title: String,
    pub when: String,
    pub addressee: Addressee,
    /// «để biết».
    pub for_information: bool,
    /// The tickets were late when they were first seen.
    pub opening: bool,
    /// The highest «lần n» among the lines.
    pub reminder: u32,
    /// The dates of earlier reminders about any of the lines.
    pub earlier: Vec<NaiveDate>,
    pub lines: Vec<LineView>,
    pub settled: bool,
    /// By when an answer is asked for.
    pub reply_by: Option<DeadlineView>,
    /// Why it is written, in somebody's words; only where ops gave a reason.
    pub note: Option<String>,
}

/// To whom a section speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Addressee {
    pub unit_name: String,
    /// The desk that was asked for: `contact`, `clerk` or `head`.
    pub wanted: String,
    pub is_office: bool,
    /// Another desk of the same unit reads it.
    pub fell_back: bool,
    /// Ops reads it, since the unit has no contact.
    pub for_want_of_contact: bool,
    /// The name of the unit whose desk is away, where its deputy reads it.
    pub stands_in_for: Option<String>,
}

/// One ticket. Of what the citizen wrote there is the title at most, where ops let it be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineView {
    pub code: String,
    /// Scrubbed and cut.
    pub title: Option<String>,
    pub field: Option<String>,
    /// Where the recipient is not the agency itself.
    pub agency_name: Option<String>,
    pub deadline: Option<DeadlineView>,
    /// The first deadline's day, where the present one is another.
    pub first_deadline_differs: Option<NaiveDate>,
    pub overdue_working_days: Option<i32>,
    pub due_in_working_days: Option<i32>,
    pub age_working_days: i32,
    pub received_on: NaiveDate,
    /// Calendar days since it was received.
    pub age_days: i64,
    /// The unit below the recipient's in whose locality the matter is.
    pub locality: Option<String>,
    pub status: String,
    pub waiting_on: Option<String>,
    pub stage: Option<String>,
    /// This is the nth reminder, by messages accepted.
    pub reminder: u32,
    pub earlier: Vec<NaiveDate>,
    /// The other rules that this line tells, each `title (rule/step)`.
    pub rules: Vec<String>,
    pub transfers: u32,
    pub reopened: u32,
    pub ended: Option<EndedView>,
    pub url: Option<String>,
    /// The classify rule that proposed field or tags.
    pub proposed_by: Option<String>,
    /// The source's word, where it means no agency of the directory.
    pub unknown_agency_word: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadlineView {
    pub day: NaiveDate,
    /// The close of office hours of a day deadline, or the clock time; `None` where the day has no hours.
    pub time: Option<NaiveTime>,
    pub is_day: bool,
    /// Rests on a day of a year without an official list.
    pub provisional: bool,
}

/// How a ticket that people were told of has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "how")]
pub enum EndedView {
    Done,
    Rejected,
    Void,
    Transferred,
    Extended { to: Option<NaiveDate> },
}
