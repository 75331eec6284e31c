//! What the agencies owe by the Chairman's directive on a period: obligations, and how replies, waivers and exclusions
//! meet them (`spec.md` §7.3-7.4).
//!
//! An obligation is one per period, unit and kind. To the ladders it is a ticket of our own ([`Obligation::ticket`]): open
//! until a reply is recorded, due before the directive's day. So it is told, climbed, held, explained and rehearsed as
//! tickets are, and there is no second way. It counts in no figure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use chrono::{Datelike as _, Months, NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};

use super::Moment;
use super::calendar::Calendar;
use super::directory::Directory;
use super::figures::is_checked_at;
use super::ticket::{Status, Ticket, WrittenTime};
use super::time::Period;

/// What the codes of obligations begin with, as tickets; the source's own codes may not.
pub const PREFIX: &str = "@obligation/";

/// The category of tickets about identity cards.
pub const CARDS: &str = "cccd";

/// What is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// (a) To review what is said of late procedures, of the conduct of staff and of regulations, and to draw lessons.
    Review,
    /// (b) To settle what is under follow-up, carried over and new.
    FollowUp,
    /// (c) To explain what was rated unsatisfied or not useful.
    Explanation,
    /// (d) To follow the results about identity cards. No day is set; told each month until it is closed.
    CardResults,
    /// (e) To explain to citizens about identity cards; as (d).
    CitizenInformation,
}

impl Kind {
    pub const ALL: [Kind; 5] = [
        Kind::Review,
        Kind::FollowUp,
        Kind::Explanation,
        Kind::CardResults,
        Kind::CitizenInformation,
    ];

    /// The word in the store, in JSON and in codes.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Kind::Review => "review",
            Kind::FollowUp => "follow_up",
            Kind::Explanation => "explanation",
            Kind::CardResults => "card_results",
            Kind::CitizenInformation => "citizen_information",
        }
    }

    /// The letter of the list in the report and the directive.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Kind::Review => 'a',
            Kind::FollowUp => 'b',
            Kind::Explanation => 'c',
            Kind::CardResults => 'd',
            Kind::CitizenInformation => 'e',
        }
    }

    /// Whether the directive sets a day before which a reply is due.
    #[must_use]
    pub fn has_deadline(self) -> bool {
        !matches!(self, Kind::CardResults | Kind::CitizenInformation)
    }
}

/// A word or letter that names no kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no kind of obligation; write a (review), b (follow_up), c (explanation), d (card_results) or e (citizen_information)"
)]
pub struct BadKind(pub String);

impl FromStr for Kind {
    type Err = BadKind;

    fn from_str(text: &str) -> Result<Kind, BadKind> {
        let is_it = |kind: &Kind| kind.word() == text || text.chars().eq([kind.letter()]);
        Kind::ALL
            .into_iter()
            .find(is_it)
            .ok_or_else(|| BadKind(text.to_owned()))
    }
}

/// Identity of an obligation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    pub period: Period,
    /// The unit's id, as it answered for the tickets at the cut-off; successors only receive.
    pub unit: String,
    pub kind: Kind,
}

impl Id {
    /// Its code as a ticket: `@obligation/2021-08/SYT/review`.
    #[must_use]
    pub fn code(&self) -> String {
        format!("{PREFIX}{}/{}/{}", self.period, self.unit, self.kind.word())
    }

    /// Reads what [`Id::code`] wrote; `None` of any other code.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Id> {
        let mut parts = code.strip_prefix(PREFIX)?.rsplitn(3, '/');
        let kind = parts.next()?.parse().ok()?;
        let unit = parts.next()?.to_owned();
        let period = parts.next()?.parse().ok()?;
        Some(Id { period, unit, kind })
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.period, self.unit, self.kind.word())
    }
}

/// Whether a code is that of an obligation.
#[must_use]
pub fn is_code(code: &str) -> bool {
    code.starts_with(PREFIX)
}

/// How «trước ngày D» is read (`domain.md` §1.3 G).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// The reply is late from the end of the day before D; else from the end of D.
    pub is_strict: bool,
    /// A due day that is closed stays where it is; else the next working day is meant.
    pub keeps_closed_day: bool,
}

/// What the configuration says of the monthly cycle.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Monthly {
    pub reading: Reading,
    /// Holds for each period that none was recorded for.
    pub standing: Option<Standing>,
    /// When the Office and the agencies get their letters about a period on the day they are due; none are written without.
    pub letters_at: Option<NaiveTime>,
}

/// A directive by its day: before when the agencies have to reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    pub period: Period,
    /// Number and symbol of the document: `312/UBND-KSTT`.
    pub number: String,
    pub date: NaiveDate,
    /// «Trước ngày».
    pub reply_before: NaiveDate,
    /// Follows from the standing directive of the configuration.
    pub is_standing: bool,
    pub by: String,
    pub recorded_at: Moment,
}

impl Directive {
    /// The day at whose end replies are due and which reminders aim at: the one before «trước ngày».
    #[must_use]
    pub fn due_day(&self, reading: Reading, cal: &Calendar) -> NaiveDate {
        reading.due_day(self.reply_before, cal)
    }

    /// The last day on which a document may reach the Office and not be late.
    #[must_use]
    pub fn last_day(&self, reading: Reading, cal: &Calendar) -> NaiveDate {
        reading.last_day(self.reply_before, cal)
    }
}

impl Reading {
    fn due_day(self, reply_before: NaiveDate, cal: &Calendar) -> NaiveDate {
        self.on_working_day(reply_before.pred_opt().unwrap_or(reply_before), cal)
    }

    fn last_day(self, reply_before: NaiveDate, cal: &Calendar) -> NaiveDate {
        match self.is_strict {
            true => self.due_day(reply_before, cal),
            false => self.on_working_day(reply_before, cal),
        }
    }

    fn on_working_day(self, day: NaiveDate, cal: &Calendar) -> NaiveDate {
        match self.keeps_closed_day {
            true => day,
            false => cal.on_or_after(day),
        }
    }
}

/// A document by which an agency replied, as the Office recorded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub number: String,
    pub date: NaiveDate,
    /// The day on which it reached the Office; lateness is judged by it.
    pub reached_on: NaiveDate,
    pub note: Option<String>,
    pub by: String,
    pub recorded_at: Moment,
}

/// The Office does without a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    pub reason: String,
    pub by: String,
    pub recorded_at: Moment,
}

/// How far the tickets of an obligation have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Tickets that it is about.
    pub tickets: u64,
    /// Of these, over by now.
    pub settled: u64,
    /// Of these, excluded by the Office: the dissatisfaction comes from the reporter's side.
    pub excluded: u64,
    /// Of these, proposed for exclusion and not decided.
    pub pending: u64,
}

/// How an obligation stands at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Owed,
    /// Owed, and the last day is over.
    Late,
    Replied,
    RepliedLate,
    Waived,
    /// All its tickets have been excluded: nothing is left to explain.
    Excluded,
}

impl State {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            State::Owed => "owed",
            State::Late => "late",
            State::Replied => "replied",
            State::RepliedLate => "replied_late",
            State::Waived => "waived",
            State::Excluded => "excluded",
        }
    }

    #[must_use]
    pub fn is_owed(self) -> bool {
        matches!(self, State::Owed | State::Late)
    }
}

/// One obligation with all that meets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obligation {
    pub id: Id,
    pub opened_at: Moment,
    /// When anything about it was last recorded.
    pub changed_at: Moment,
    /// The directive in force for its period.
    pub directive: Directive,
    /// The first document that settles it; later ones change nothing.
    pub reply: Option<Reply>,
    pub waiver: Option<Waiver>,
    pub progress: Progress,
    /// Since when the Office has seen the list of those from whom no reply is recorded; nobody is escalated before.
    pub office_saw_at: Option<Moment>,
}

/// By when a reply is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyDay {
    /// «Trước ngày», as the directive has it. It names what is told once: a changed calendar moves the day and makes no
    /// other occurrence.
    pub before: NaiveDate,
    /// The day at whose end it is due, from which ladders count.
    pub due: NaiveDate,
}

/// What a ticket that is an obligation has of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duty {
    pub kind: Kind,
    pub period: Period,
    /// The directive's number and date, for letters that cite it.
    pub number: String,
    pub date: NaiveDate,
    /// None for what is owed until it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<ReplyDay>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub office_saw_at: Option<Moment>,
}

impl Obligation {
    /// How it stands at an instant.
    #[must_use]
    pub fn state(&self, reading: Reading, cal: &Calendar, now: Moment) -> State {
        let last_day = || self.directive.last_day(reading, cal);
        if let Some(reply) = &self.reply {
            return match self.id.kind.has_deadline() && reply.reached_on > last_day() {
                true => State::RepliedLate,
                false => State::Replied,
            };
        }
        if self.waiver.is_some() {
            return State::Waived;
        }
        let Progress { tickets, excluded, .. } = self.progress;
        if self.id.kind == Kind::Explanation && tickets > 0 && tickets == excluded {
            return State::Excluded;
        }
        match self.id.kind.has_deadline() && cal.end_of_day(last_day()) <= now {
            true => State::Late,
            false => State::Owed,
        }
    }

    /// The obligation as a ticket of our own: what ladders, holds, letters and commands see of it.
    #[must_use]
    pub fn ticket(&self, reading: Reading, cal: &Calendar) -> Ticket {
        let status = match self.state(reading, cal, self.changed_at) {
            State::Owed | State::Late => Status::Open,
            State::Replied | State::RepliedLate => Status::Answered,
            State::Waived | State::Excluded => Status::Void,
        };
        let recorded = self.reply.as_ref().map(|reply| reply.recorded_at);
        let mut ticket = Ticket {
            code: self.id.code(),
            status,
            status_word: status.word().to_owned(),
            received_at: self.opened_at,
            updated_at: Some(self.changed_at),
            answered_at: recorded,
            closed_at: self.waiver.as_ref().map(|waiver| waiver.recorded_at).or(recorded),
            category: Some(self.id.kind.word().to_owned()),
            agency: Some(self.id.unit.clone()),
            duty: Some(Duty {
                kind: self.id.kind,
                period: self.id.period,
                number: self.directive.number.clone(),
                date: self.directive.date,
                reply: self.id.kind.has_deadline().then_some(ReplyDay {
                    before: self.directive.reply_before,
                    due: self.directive.reply_before,
                }),
                office_saw_at: self.office_saw_at,
            }),
            ..Ticket::default()
        };
        reckon(&mut ticket, reading, cal);
        ticket
    }
}

/// Reckons the days of an obligation anew: its deadline is the last day on which a reply is not late. Other tickets stay as
/// they are.
pub fn reckon(ticket: &mut Ticket, reading: Reading, cal: &Calendar) {
    let Some(day) = ticket.duty.as_mut().and_then(|duty| duty.reply.as_mut()) else {
        return;
    };
    day.due = reading.due_day(day.before, cal);
    let last = reading.last_day(day.before, cal);
    ticket.due_at = Some(WrittenTime {
        date: last,
        at: cal.instant(last, NaiveTime::MIN),
        has_time: false,
    });
}

/// The standing directive of the configuration: it holds for each period that none was recorded for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub number: String,
    pub date: NaiveDate,
    /// «Trước ngày» in the month after the period; the month's last day where it is shorter.
    pub reply_day: u32,
}

impl Standing {
    /// What it says for a period: its day in the first month in which that is not over when the figures have been checked.
    #[must_use]
    pub fn for_period(&self, period: Period, cal: &Calendar, recorded_at: Moment) -> Directive {
        let checked = is_checked_at(period, cal);
        let end = period.end();
        let day_in = |months: u32| {
            let first = end.with_day(1)?.checked_add_months(Months::new(months))?;
            let mut days = (1..=self.reply_day).rev();
            days.find_map(|day| first.with_day(day))
        };
        let mut days = (0..3).filter_map(day_in);
        let reply_before = days.find(|day| cal.instant(*day, NaiveTime::MIN) >= checked);
        Directive {
            period,
            number: self.number.clone(),
            date: self.date,
            reply_before: reply_before.unwrap_or(end),
            is_standing: true,
            by: String::new(),
            recorded_at,
        }
    }
}

/// Which obligations a ticket stands under at a period's cut-off.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    pub unit: String,
    pub kind: Kind,
    pub code: String,
}

/// Members under the ids that the register has of their units already: one that has been renamed since owes nothing twice.
#[must_use]
pub fn under_known_ids(members: Members, known: &Members, directory: &Directory) -> Members {
    let present = |id: &str| directory.unit(id).map_or_else(|| id.to_owned(), |unit| unit.id.clone());
    let ids: BTreeMap<String, &str> = known.iter().map(|m| (present(&m.unit), m.unit.as_str())).collect();
    let under = |member: Member| Member {
        unit: ids.get(&member.unit).map_or(member.unit, |id| (*id).to_owned()),
        ..member
    };
    members.into_iter().map(under).collect()
}

/// Members without doubles, as a page of tickets gives them.
pub type Members = BTreeSet<Member>;

/// What somebody recorded about an obligation, or about a ticket of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A document reached the Office.
    Reply,
    /// The Office does without a reply.
    Waiver,
    /// The agency proposes a ticket for exclusion.
    Proposal,
    /// The Office excludes it.
    Exclusion,
    /// The Office does not.
    Refusal,
}

impl What {
    pub const ALL: [What; 5] = [
        What::Reply,
        What::Waiver,
        What::Proposal,
        What::Exclusion,
        What::Refusal,
    ];

    /// The word in the store and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            What::Reply => "reply",
            What::Waiver => "waiver",
            What::Proposal => "proposal",
            What::Exclusion => "exclusion",
            What::Refusal => "refusal",
        }
    }
}

/// A line of the register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    pub what: What,
    pub obligation: Id,
    /// The ticket, of what is recorded about one.
    pub code: Option<String>,
    /// Of a reply: number and date of the document, and the day on which it reached the Office.
    pub number: Option<String>,
    pub date: Option<NaiveDate>,
    pub reached_on: Option<NaiveDate>,
    /// A note, or the reason of a waiver or decision.
    pub note: Option<String>,
}

/// A line of the register as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: i64,
    /// What was recorded together.
    pub batch: i64,
    pub said: NewEntry,
    pub by: String,
    pub at: Moment,
    /// By whom and when it was taken back.
    pub undone: Option<(String, Moment)>,
}

/// What the Office thinks of a ticket that was proposed for exclusion, or that it excluded of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exclusion {
    /// Proposed; not excluded while nobody has decided.
    Pending,
    Excluded,
    Refused,
}

/// How each ticket stands about which there is an entry that was not taken back; of two the later one counts.
#[must_use]
pub fn exclusions(entries: &[Entry]) -> BTreeMap<&str, Exclusion> {
    let mut found = BTreeMap::new();
    for entry in entries.iter().filter(|e| e.undone.is_none()) {
        let Some(code) = entry.said.code.as_deref() else {
            continue;
        };
        match entry.said.what {
            // A second proposal does not undo a decision.
            What::Proposal => {
                found.entry(code).or_insert(Exclusion::Pending);
            }
            What::Exclusion => {
                found.insert(code, Exclusion::Excluded);
            }
            What::Refusal => {
                found.insert(code, Exclusion::Refused);
            }
            What::Reply | What::Waiver => {}
        }
    }
    found
}

/// The reply and the waiver of an obligation among the entries of its period, oldest first. The first document settles it, as
/// it was entered last: what is entered again under the same number puts right what was entered before.
#[must_use]
pub fn met_by(id: &Id, entries: &[Entry]) -> (Option<Reply>, Option<Waiver>) {
    let own = |what: What| {
        let valid = entries.iter().filter(|e| e.undone.is_none());
        valid.filter(move |e| e.said.what == what && e.said.obligation == *id)
    };
    let number = own(What::Reply).next().map(|e| &e.said.number);
    let settling = own(What::Reply).rfind(|e| Some(&e.said.number) == number);
    let reply = settling.and_then(|e| {
        Some(Reply {
            number: e.said.number.clone()?,
            date: e.said.date?,
            reached_on: e.said.reached_on?,
            note: e.said.note.clone(),
            by: e.by.clone(),
            recorded_at: e.at,
        })
    });
    let waiver = own(What::Waiver).next_back().map(|e| Waiver {
        reason: e.said.note.clone().unwrap_or_default(),
        by: e.by.clone(),
        recorded_at: e.at,
    });
    (reply, waiver)
}

#[cfg(test)]
mod tests {
    use chrono::NaiveTime;

    use super::*;
    use crate::domain::calendar::{CalendarData, DayKind, Pattern, SpecialDay};

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    /// Monday to Friday; Tết of 2022 from 31/1 to 4/2.
    fn calendar() -> Calendar {
        let time = |h| NaiveTime::from_hms_opt(h, 0, 0).expect("a time");
        let hours = || vec![(time(7), time(17))];
        let tet = ["2022-01-31", "2022-02-01", "2022-02-02", "2022-02-03", "2022-02-04"];
        let off = |date: &str| {
            let label = "Tết".to_owned();
            let kind = DayKind::Off;
            (day(date), SpecialDay { kind, label })
        };
        Calendar::new(CalendarData {
            zone: chrono_tz::Asia::Ho_Chi_Minh,
            patterns: vec![Pattern {
                valid_from: None,
                valid_until: None,
                week: [hours(), hours(), hours(), hours(), hours(), vec![], vec![]],
            }],
            days: tet.map(off).into(),
            provisional_from: day("2023-01-01"),
            lunar: BTreeMap::new(),
            closures: Vec::new(),
            culture_day_from: None,
        })
        .expect("a calendar")
    }

    fn directive(reply_before: &str) -> Directive {
        Directive {
            period: "2021-08".parse().expect("a period"),
            number: "312/UBND-KSTT".to_owned(),
            date: day("2021-09-10"),
            reply_before: day(reply_before),
            is_standing: false,
            by: "Lan".to_owned(),
            recorded_at: Moment::UNIX_EPOCH,
        }
    }

    const STRICT: Reading = Reading {
        is_strict: true,
        keeps_closed_day: false,
    };
    const KEPT: Reading = Reading {
        is_strict: false,
        keeps_closed_day: true,
    };

    #[test]
    fn before_a_day_is_due_at_the_end_of_the_day_before_and_late_from_the_end_of_that_day() {
        let cal = calendar();
        let read = |reply_before: &str, reading: Reading| {
            let directive = directive(reply_before);
            let days = (directive.due_day(reading, &cal), directive.last_day(reading, &cal));
            (days.0.to_string(), days.1.to_string())
        };
        let both = |due: &str, last: &str| (due.to_owned(), last.to_owned());
        let usual = Reading::default();
        assert_eq!(read("2021-09-28", usual), both("2021-09-27", "2021-09-28"));
        assert_eq!(read("2021-09-28", STRICT), both("2021-09-27", "2021-09-27"));
        // The day before is a Sunday, the day itself a Sunday, or both stand in Tết.
        assert_eq!(read("2021-09-27", usual), both("2021-09-27", "2021-09-27"));
        assert_eq!(read("2021-09-26", usual), both("2021-09-27", "2021-09-27"));
        assert_eq!(read("2022-02-01", usual), both("2022-02-07", "2022-02-07"));
        assert_eq!(read("2022-01-31", usual), both("2022-02-07", "2022-02-07"));
        assert_eq!(read("2022-02-01", KEPT), both("2022-01-31", "2022-02-01"));
        assert_eq!(read("2022-01-01", usual), both("2021-12-31", "2022-01-03"));
    }

    fn obligation(kind: Kind) -> Obligation {
        Obligation {
            id: Id {
                period: "2021-08".parse().expect("a period"),
                unit: "SYT".to_owned(),
                kind,
            },
            opened_at: Moment::UNIX_EPOCH,
            changed_at: Moment::UNIX_EPOCH,
            directive: directive("2021-09-28"),
            reply: None,
            waiver: None,
            progress: Progress::default(),
            office_saw_at: None,
        }
    }

    fn replied(reached_on: &str) -> Option<Reply> {
        Some(Reply {
            number: "77/BC-SYT".to_owned(),
            date: day("2021-09-24"),
            reached_on: day(reached_on),
            note: None,
            by: "Lan".to_owned(),
            recorded_at: Moment::UNIX_EPOCH,
        })
    }

    #[test]
    fn lateness_is_judged_by_the_day_on_which_the_document_reached_the_office() {
        let cal = calendar();
        let at = |date: &str, hour| cal.instant(day(date), NaiveTime::from_hms_opt(hour, 0, 0).expect("a time"));
        let open = obligation(Kind::Review);
        let usual = Reading::default();
        assert_eq!(open.state(usual, &cal, at("2021-09-28", 23)), State::Owed);
        assert_eq!(open.state(usual, &cal, at("2021-09-29", 0)), State::Late);
        assert_eq!(open.state(STRICT, &cal, at("2021-09-28", 0)), State::Late);
        for (reached_on, reading, state) in [
            ("2021-09-28", usual, State::Replied),
            ("2021-09-28", STRICT, State::RepliedLate),
            ("2021-09-29", usual, State::RepliedLate),
        ] {
            let met = Obligation {
                reply: replied(reached_on),
                ..obligation(Kind::Review)
            };
            assert_eq!(met.state(reading, &cal, at("2021-12-01", 8)), state, "{reached_on}");
        }
        let cards = obligation(Kind::CardResults);
        assert_eq!(
            cards.state(usual, &cal, at("2021-12-01", 8)),
            State::Owed,
            "until it is closed"
        );
        assert_eq!(cards.ticket(usual, &cal).due_at, None);
        let due = open.ticket(usual, &cal).due_at.map(|due| due.date);
        assert_eq!(due, Some(day("2021-09-28")), "the last day on which it is not late");
    }

    #[test]
    fn an_explanation_is_owed_until_all_its_tickets_are_excluded() {
        let cal = calendar();
        let state = |tickets, excluded| {
            let progress = Progress {
                tickets,
                excluded,
                ..Progress::default()
            };
            let one = Obligation {
                progress,
                ..obligation(Kind::Explanation)
            };
            one.state(Reading::default(), &cal, Moment::UNIX_EPOCH)
        };
        assert_eq!(state(3, 2), State::Owed);
        assert_eq!(state(3, 3), State::Excluded);
        assert_eq!(
            state(0, 0),
            State::Owed,
            "what is known of no ticket is excluded by none"
        );
    }

    #[test]
    fn codes_of_obligations_read_back_the_same_and_no_other_code_is_one() {
        for key in ["2021-08", "2021-08/15"] {
            for kind in Kind::ALL {
                let id = Id {
                    period: key.parse().expect("a period"),
                    unit: "UBND-h.Tam-Nong".to_owned(),
                    kind,
                };
                assert_eq!(Id::of_code(&id.code()), Some(id));
            }
        }
        for code in [
            "",
            "DT1",
            "@obligation/",
            "@obligation/2021-08/SYT",
            "@obligation/2021-08/SYT/z",
        ] {
            assert_eq!(Id::of_code(code), None, "{code}");
        }
    }

    #[test]
    fn a_standing_directive_names_a_day_of_the_month_after_and_its_last_where_that_is_shorter() {
        let standing = Standing {
            number: "9/UBND-KSTT".to_owned(),
            date: day("2021-01-04"),
            reply_day: 31,
        };
        let before = |period: &str| {
            let period = period.parse().expect("a period");
            standing
                .for_period(period, &calendar(), Moment::UNIX_EPOCH)
                .reply_before
                .to_string()
        };
        assert_eq!(before("2021-12"), "2022-01-31");
        assert_eq!(before("2022-01"), "2022-02-28");
        assert_eq!(before("2021-08/15"), "2021-09-30");
        let early = Standing {
            reply_day: 3,
            ..standing.clone()
        };
        // Figures are checked until the end of the second working day, over the 2nd of September and a weekend; and the 3rd is
        // over when a period from the 15th ends.
        let before = |period: &str| {
            let period = period.parse().expect("a period");
            early
                .for_period(period, &calendar(), Moment::UNIX_EPOCH)
                .reply_before
                .to_string()
        };
        assert_eq!(before("2021-09"), "2021-11-03");
        assert_eq!(before("2021-08"), "2021-10-03");
        assert_eq!(before("2021-10"), "2021-11-03");
        assert_eq!(before("2021-08/15"), "2021-10-03");
    }

    #[test]
    fn of_two_decisions_on_a_ticket_the_later_counts_and_what_is_taken_back_does_not() {
        let line = |id, what, undone: bool| Entry {
            id,
            batch: id,
            said: NewEntry {
                what,
                obligation: obligation(Kind::Explanation).id,
                code: Some("T1".to_owned()),
                number: None,
                date: None,
                reached_on: None,
                note: None,
            },
            by: "Lan".to_owned(),
            at: Moment::UNIX_EPOCH,
            undone: undone.then(|| ("Lan".to_owned(), Moment::UNIX_EPOCH)),
        };
        let of = |entries: &[Entry]| exclusions(entries).get("T1").copied();
        assert_eq!(of(&[line(1, What::Proposal, false)]), Some(Exclusion::Pending));
        assert_eq!(of(&[line(1, What::Proposal, true)]), None);
        let decided = [line(1, What::Proposal, false), line(2, What::Exclusion, false)];
        assert_eq!(of(&decided), Some(Exclusion::Excluded));
        let again = [line(1, What::Refusal, false), line(2, What::Proposal, false)];
        assert_eq!(of(&again), Some(Exclusion::Refused), "proposed again it stays decided");
        let turned = [line(1, What::Exclusion, true), line(2, What::Refusal, false)];
        assert_eq!(of(&turned), Some(Exclusion::Refused));
    }
}
