//! What a webhook says: the facts of a message as JSON in pages, from the same view as its mail.
//!
//! The types are the contract with the receivers; `docs/webhook.schema.json` is made of them by [`schema`]. Fields may be added under
//! `version` 1; none is taken away or given another meaning. No text of a citizen's and no name of a person is here or
//! can be.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

use super::view::{EndedView, Form, LineView, MessageView, SectionView};

/// Most bytes of a page.
const MOST_BYTES: usize = 20_000;
/// Most characters of a text that somebody typed; far more than a sensible one has.
const MOST_TEXT: usize = 200;
/// Most bytes of a link; what is longer leads nowhere.
const MOST_LINK: usize = 2_000;

/// The JSON Schema of a page.
#[must_use]
pub fn schema() -> serde_json::Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings
        .into_generator()
        .into_root_schema_for::<Payload<'static>>()
        .into()
}

/// What a message's pages have in common that its view does not know.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The message's id: the same on all pages and at every attempt.
    pub id: &'a str,
    /// The unit's id.
    pub unit: &'a str,
    pub desk: &'a str,
    pub at: DateTime<FixedOffset>,
}

/// One post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// JSON of at most 20 000 bytes.
    pub body: Vec<u8>,
    /// The codes of the tickets on it, and whether it says that they are settled.
    pub tickets: Vec<(String, bool)>,
}

/// One page of a message from dondoc.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Payload<'a> {
    /// The version of this format.
    #[schemars(extend("const" = 1))]
    pub version: u8,
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The message that the page belongs to.
    pub batch: &'a str,
    /// Counts from 1.
    #[schemars(range(min = 1))]
    pub page: usize,
    /// How many pages the message has.
    #[schemars(range(min = 1))]
    pub pages: usize,
    /// The hotline's name.
    pub hotline: &'a str,
    /// The id of the unit that is told, as the hotline's directory has it.
    pub unit: &'a str,
    /// The desk that is told.
    #[schemars(extend("enum" = ["contact", "clerk", "head"]))]
    pub desk: &'a str,
    /// When the message was written.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: DateTime<FixedOffset>,
    /// The ticket database could not be read: what the message says was so then.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub data_as_of: Option<DateTime<FixedOffset>>,
    /// What is told, ticket by ticket; empty in a test.
    pub tickets: Vec<TicketPart<'a>>,
}

/// The kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// What a turn has to tell the endpoint.
    Digest,
    /// One ticket.
    Single,
    /// No ticket: somebody tried whether messages arrive.
    Test,
}

/// One ticket, and why it is told.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Ticket")]
pub struct TicketPart<'a> {
    pub code: &'a str,
    /// The id of the rule.
    pub rule: &'a str,
    /// The id of the rule's step.
    pub step: &'a str,
    /// The rule in words, in the language of letters.
    pub rule_title: String,
    /// This is the nth time that the ticket is told by its rule, for the same occurrence.
    pub reminder: u32,
    /// The ticket was late already when dondoc first saw it.
    pub opening: bool,
    /// Another one has to act; this is for information («để biết»).
    pub for_information: bool,
    /// How what the ticket was told for has ended.
    pub ended: Option<Ended>,
    /// `null` where the ticket has none.
    pub deadline: Option<Deadline>,
    /// Working days past the deadline.
    pub overdue_working_days: Option<i32>,
    /// The ticket's status.
    #[schemars(extend("enum" = ["open", "waiting", "answered", "closed", "rejected", "void"]))]
    pub status: &'a str,
    /// What the ticket is about, by the hotline's own word.
    pub field: Option<String>,
    /// Whom the agency waits for.
    pub waiting_on: Option<String>,
    /// How far the matter has come, by the hotline's own word.
    pub stage: Option<String>,
    /// How often the ticket went to another agency.
    pub transfers: u32,
    /// How often the ticket was opened again.
    pub reopened: u32,
    /// The ticket in the hotline's system.
    pub link: Option<&'a str>,
    /// It is no ticket but something that is owed by a directive of the Chairman.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub obligation: Option<ObligationPart<'a>>,
}

/// What a unit owes by a directive of the Chairman.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Obligation")]
pub struct ObligationPart<'a> {
    /// What is owed.
    #[schemars(with = "String", extend("enum" = ["review", "follow_up", "explanation", "card_results", "citizen_information"]))]
    pub kind: crate::domain::obligation::Kind,
    /// The first day of the period that it is about.
    #[schemars(with = "String", extend("format" = "date"))]
    pub period: NaiveDate,
    /// Number and symbol of the directive.
    pub directive: &'a str,
    #[schemars(with = "String", extend("format" = "date"))]
    pub directive_date: NaiveDate,
    /// The reply is to be there before this day; `null` for what is owed until it is closed.
    #[schemars(with = "Option<String>", extend("format" = "date"))]
    pub reply_before: Option<NaiveDate>,
}

/// How a matter ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "how")]
pub enum Ended {
    /// Answered or closed.
    Done,
    Rejected,
    /// A duplicate, or taken back.
    Void,
    /// Now another agency's.
    Transferred,
    /// The deadline was moved.
    Extended {
        #[schemars(with = "Option<String>", extend("format" = "date"))]
        to: Option<NaiveDate>,
    },
}

/// A deadline, in the unit's local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Deadline {
    #[schemars(with = "String", extend("format" = "date"))]
    pub date: NaiveDate,
    /// The time of day, such as 17:00:00; `null` where the day has no office hours.
    #[schemars(with = "Option<String>")]
    pub time: Option<NaiveTime>,
    /// The whole day counts; late is what comes after its end.
    pub is_day: bool,
    /// Rests on a year whose holidays are not official yet.
    pub provisional: bool,
}

/// The message in pages, at least one.
///
/// # Errors
/// When JSON cannot be written, which the types rule out.
pub fn pages(view: &MessageView, about: &About<'_>) -> Result<Vec<Page>, serde_json::Error> {
    let lines = view.sections.iter().flat_map(|s| s.lines.iter().map(move |l| (s, l)));
    let mut payload = Payload {
        version: 1,
        kind: match view.form {
            _ if view.sections.iter().all(|s| s.lines.is_empty()) => Kind::Test,
            Form::Digest => Kind::Digest,
            Form::Single => Kind::Single,
        },
        batch: about.id,
        // While it is not known how many there are, as wide as they can become.
        page: usize::MAX,
        pages: usize::MAX,
        hotline: &view.hotline,
        unit: about.unit,
        desk: about.desk,
        at: about.at,
        data_as_of: view
            .data_as_of
            .and_then(|at| at.and_local_timezone(*about.at.offset()).single()),
        tickets: Vec::new(),
    };
    let head = serde_json::to_vec(&payload)?.len();
    let mut drafts = vec![(Vec::new(), Vec::new())];
    let mut size = head;
    for (section, line) in lines {
        let ticket = TicketPart::new(section, line);
        let length = serde_json::to_vec(&ticket)?.len();
        // A comma before it, unless it is the page's first.
        if size > head && size + 1 + length > MOST_BYTES {
            drafts.push((Vec::new(), Vec::new()));
            size = head;
        }
        size += usize::from(size > head) + length;
        if let Some((tickets, codes)) = drafts.last_mut() {
            tickets.push(ticket);
            codes.push((line.code.clone(), section.settled));
        }
    }
    payload.pages = drafts.len();
    let write = |(n, (parts, tickets)): (usize, (Vec<_>, Vec<_>))| {
        payload.page = n + 1;
        payload.tickets = parts;
        Ok(Page {
            body: serde_json::to_vec(&payload)?,
            tickets,
        })
    };
    drafts.into_iter().enumerate().map(write).collect()
}

impl<'a> TicketPart<'a> {
    fn new(section: &'a SectionView, line: &'a LineView) -> TicketPart<'a> {
        TicketPart {
            code: &line.code,
            rule: &section.rule,
            step: &section.step,
            rule_title: clipped(&section.rule_title),
            reminder: line.reminder,
            opening: section.opening,
            for_information: section.for_information,
            ended: line.ended.as_ref().map(Ended::from),
            deadline: line.deadline.as_ref().map(|d| Deadline {
                date: d.day,
                time: d.time,
                is_day: d.is_day,
                provisional: d.provisional,
            }),
            overdue_working_days: line.overdue_working_days,
            status: &line.status,
            field: line.field.as_deref().map(clipped),
            waiting_on: line.waiting_on.as_deref().map(clipped),
            stage: line.stage.as_deref().map(clipped),
            transfers: line.transfers,
            reopened: line.reopened,
            link: line.url.as_deref().filter(|url| url.len() <= MOST_LINK),
            obligation: line.duty.as_ref().map(|duty| ObligationPart {
                kind: duty.kind,
                period: duty.month,
                directive: &duty.number,
                directive_date: duty.date,
                reply_before: duty.reply_before,
            }),
        }
    }
}

impl From<&EndedView> for Ended {
    fn from(view: &EndedView) -> Ended {
        match view {
            EndedView::Done => Ended::Done,
            EndedView::Rejected => Ended::Rejected,
            EndedView::Void => Ended::Void,
            EndedView::Transferred => Ended::Transferred,
            EndedView::Extended { to } => Ended::Extended { to: *to },
        }
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(MOST_TEXT).collect()
}
