//! What a message says, as facts: dates, counts and enums, nothing formatted. Templates and filters make it language.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use serde::Serialize;

use super::report::view::{DirectiveView, FiguresView};
use crate::domain::obligation::Kind;
use crate::domain::summary::Counts;

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
    /// The highest step first. What templates see of them is made apart, once for all that show it.
    #[serde(skip)]
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
    /// Of a summary: its figures.
    pub summary: Option<SummaryView>,
    /// Of a letter of the monthly cycle: what it is about.
    pub monthly: Option<MonthlyView>,
    /// Of a letter of alarms: what ops have to look at.
    pub alarms: Vec<AlarmView>,
    /// How many more hold, and how many more are over.
    pub more_alarms: usize,
    pub more_over: usize,
    pub addressee: Addressee,
    /// «để biết».
    pub for_information: bool,
    /// The tickets were late when they were first seen.
    pub opening: bool,
    /// Of a list that goes out weekly only what is new or late, on a day between.
    pub between_lists: bool,
    /// The highest «lần n» among the lines.
    pub reminder: u32,
    /// The dates of earlier reminders about any of the lines.
    pub earlier: Vec<NaiveDate>,
    /// As with sections.
    #[serde(skip)]
    pub lines: Vec<LineView>,
    pub settled: bool,
    /// By when an answer is asked for.
    pub reply_by: Option<DeadlineView>,
    /// Why it is written, in somebody's words: a reason that ops gave, or how an endpoint failed last.
    pub note: Option<String>,
    /// Of an endpoint that took nothing: since when.
    pub since: Option<NaiveDate>,
    /// Of an endpoint: the name of the unit that it belongs to.
    pub owner: Option<String>,
}

impl LineView {
    /// What names it to people.
    #[must_use]
    pub fn shown_code(&self) -> &str {
        self.duty.as_ref().map_or(&self.code, |duty| &duty.short)
    }
}

impl SectionView {
    /// Whether it tells of what is owed by a directive, not of tickets.
    #[must_use]
    pub fn is_of_duties(&self) -> bool {
        self.lines.iter().any(|line| line.duty.is_some())
    }

    /// A section that says nothing yet but what is in its template.
    #[must_use]
    pub fn bare(template: &str, addressee: Addressee) -> SectionView {
        SectionView {
            template: template.to_owned(),
            rule: String::new(),
            step: String::new(),
            rule_title: String::new(),
            when: String::new(),
            summary: None,
            monthly: None,
            alarms: Vec::new(),
            more_alarms: 0,
            more_over: 0,
            addressee,
            for_information: false,
            opening: false,
            between_lists: false,
            reminder: 0,
            earlier: Vec::new(),
            lines: Vec::new(),
            settled: false,
            reply_by: None,
            note: None,
            since: None,
            owner: None,
        }
    }
}

/// Something that ops have to look at. Instants are local.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlarmView {
    /// The kind's word.
    pub kind: String,
    pub subject: String,
    pub detail: String,
    pub since: NaiveDateTime,
    /// `None` while it holds.
    pub over: Option<NaiveDateTime>,
}

/// The figures of a summary. Instants are local to the recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SummaryView {
    /// What it counts happened after this, up to the message's own instant.
    pub since: NaiveDateTime,
    /// When it fell due.
    pub due: NaiveDateTime,
    /// It goes out on another day than that: the daemon stood, or the recipient's office was closed.
    pub is_late: bool,
    /// Earlier ones that fell due and were never made; this one says what they would have.
    pub skipped: usize,
    /// Only where the template asks for it.
    pub tickets: Option<TicketsView>,
    /// Only where the template asks for it.
    pub operation: Option<OperationView>,
}

/// What a letter of the monthly cycle is about. Instants are local to the recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MonthlyView {
    /// First and last day of the period, and first day of the one that the letter is written in.
    pub first_day: NaiveDate,
    pub last_day: NaiveDate,
    pub next: NaiveDate,
    /// First and last day of the period before.
    pub previous_first_day: NaiveDate,
    pub previous_last_day: NaiveDate,
    /// A calendar month; else it is named by its days.
    pub is_month: bool,
    /// The figures count for good.
    pub is_final: bool,
    /// When the letter fell due, and whether that was another day.
    pub due: NaiveDateTime,
    pub is_late: bool,
    pub figures: FiguresView,
    /// The unit that answers for tickets about identity cards, and what the card is called in the period.
    pub cards_unit: Option<String>,
    pub card: Option<String>,
    /// The Chairman's directive on the period, once recorded, and how the replies to it stand.
    pub directive: Option<DirectiveView>,
    /// The day at whose end replies are due.
    pub due_day: Option<NaiveDate>,
    pub replies: Option<RepliesView>,
    /// Working days that are left until then, on the letter's day.
    pub days_left: i32,
    /// «Trước ngày», as it is proposed: where there is no directive, or it leaves too few days.
    pub proposed: Option<NaiveDate>,
    /// Weekdays until then on which offices are closed.
    pub closed: Vec<ClosedDay>,
    /// The period before, where there was a directive on it.
    pub before: Option<BeforeView>,
    /// What is different from the figures told before.
    pub differences: Vec<DifferenceView>,
    /// Of a list to one unit.
    pub review: Option<ReviewView>,
    /// Names of the files that go with the letter.
    pub files: Vec<String>,
}

/// A weekday on which offices are closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClosedDay {
    pub day: NaiveDate,
    pub label: Option<String>,
}

/// How the replies to a directive stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepliesView {
    /// Units that had or have to reply, those that did, and those of these that were late.
    pub units: usize,
    pub replied: usize,
    pub late: usize,
    /// Those who did not, in the directory's order.
    pub owing: Vec<OwingView>,
}

/// What a unit still owes by a directive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwingView {
    pub name: String,
    pub kinds: Vec<OwingKind>,
}

/// One kind of it: the tickets that it is about, and how many of them are settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwingKind {
    pub kind: Kind,
    pub tickets: u64,
    pub settled: u64,
}

/// The period before, as its replies stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BeforeView {
    pub first_day: NaiveDate,
    pub last_day: NaiveDate,
    pub directive: DirectiveView,
    pub replies: RepliesView,
}

/// A figure that is another one than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DifferenceView {
    pub label: String,
    pub was: Option<i64>,
    pub is: Option<i64>,
}

/// What one unit is asked to check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReviewView {
    /// The last day of checking; `None` where it is over.
    pub until: Option<NaiveDate>,
    /// Tickets by kind, each under every kind that it stands under.
    pub counts: Vec<KindCount>,
    /// Tickets that are counted and not listed: of conduct, or confidential.
    pub unlisted: usize,
    pub tickets: Vec<ReviewedView>,
    /// What is owed until it is closed, of earlier periods.
    pub open: Vec<StandingView>,
}

/// So many tickets stand under a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KindCount {
    pub kind: Kind,
    pub letter: char,
    pub tickets: usize,
}

/// A ticket in a list that is to be checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReviewedView {
    /// Letters of the kinds that it stands under.
    pub letters: Vec<char>,
    pub line: LineView,
}

/// What has no deadline and is owed by the directive on an earlier period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StandingView {
    pub kind: Kind,
    pub letter: char,
    /// First day of the period.
    pub month: NaiveDate,
    pub number: String,
    pub date: NaiveDate,
    pub tickets: u64,
    pub settled: u64,
}

/// How the agencies stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TicketsView {
    /// In the directory's order; those without any figure are left out.
    pub units: Vec<UnitView>,
    pub total: Counts,
    /// As the summary before told it; `None` where there was none.
    pub before: Option<Counts>,
    /// The longest overdue first; conduct and confidential tickets are counted, not named.
    pub longest: Vec<LongestView>,
    /// Of each step how many tickets it told.
    pub urged: Vec<UrgedView>,
    /// Tickets that somebody had been told of and that have ended since.
    pub settled: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnitView {
    /// `None` for the unassigned.
    pub name: Option<String>,
    #[serde(flatten)]
    pub counts: Counts,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LongestView {
    pub code: String,
    pub agency_name: Option<String>,
    pub deadline: DeadlineView,
    pub overdue_working_days: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UrgedView {
    pub rule_title: String,
    /// Where the rule has several.
    pub step: Option<String>,
    pub tickets: i64,
}

/// How dondoc itself fares.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct OperationView {
    pub turns: i64,
    /// Turns in which the ticket database could not be read.
    pub source_down: i64,
    pub rows_rejected: i64,
    pub values_ignored: i64,
    /// Attempts, by the answer's word.
    pub answers: Vec<(String, i64)>,
    /// Given up within the span.
    pub dead: i64,
    pub bounced: i64,
    /// Waiting now, and since when the oldest.
    pub waiting: i64,
    pub oldest_waiting: Option<NaiveDateTime>,
    /// Messages that wait though they have been tried.
    pub retrying: i64,
    /// Lost answers of messages that wait.
    pub unknown: i64,
    /// Messages that somebody has to release.
    pub awaiting_approval: i64,
    /// Addresses that are not written to, since mail came back from them.
    pub suspended: usize,
    /// Silences that hold now, and those of them that end first.
    pub silences: usize,
    pub silences_ending: Vec<SilenceView>,
    /// What holds now.
    pub alarms: Vec<AlarmView>,
    /// Addresses that nobody has confirmed in a year.
    pub unconfirmed: usize,
    /// Official holidays are entered until then.
    pub calendar_until: NaiveDate,
    /// That is so near that the next year's have to be entered.
    pub calendar_ends: bool,
    /// Somebody has to look at something of this.
    pub needs_look: bool,
}

/// A silence without what it is about, which may be a ticket or quote one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SilenceView {
    /// As in `dondoc silence list`.
    pub id: i64,
    pub until: NaiveDateTime,
    pub by: String,
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
    /// The deadline is today, not on a day off to come.
    pub due_today: bool,
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
    /// Its agency is there no more, and who took over cannot be told: the recipient has to assign it.
    pub needs_assignment: bool,
    pub ended: Option<EndedView>,
    pub url: Option<String>,
    /// The classify rule that proposed field or tags.
    pub proposed_by: Option<String>,
    /// The source's word, where it means no agency of the directory.
    pub unknown_agency_word: Option<String>,
    /// It is no ticket but something that is owed by a directive.
    pub duty: Option<DutyView>,
}

/// What a unit owes by the Chairman's directive on a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DutyView {
    pub kind: Kind,
    pub letter: char,
    /// What stands for the code where people read: `2021-08/b`.
    pub short: String,
    /// First day of the period.
    pub month: NaiveDate,
    /// Number and symbol of the directive, and its date.
    pub number: String,
    pub date: NaiveDate,
    /// «Trước ngày».
    pub reply_before: Option<NaiveDate>,
    /// Tickets that it is about, and how many of them are settled by now.
    pub progress: Option<(u64, u64)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadlineView {
    pub day: NaiveDate,
    /// The close of office hours of a day deadline, or the clock time; `None` for the day's end.
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
