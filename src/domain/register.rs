//! What somebody wants to enter into the register, judged by what stands in it: the same for a command and for a line of a
//! workbook that came back filled in.
//!
//! Nothing is entered twice: what says what is known already is [`Judged::Same`], so that a file may be imported again. What
//! contradicts itself, or is about what nobody owes, is refused with the reason.

use chrono::NaiveDate;

use super::obligation::{Entry, Exclusion, Kind, Member, Members, NewEntry, Obligation, What, exclusions};
use super::scrub;

/// What is known of one period.
#[derive(Debug, Clone, Default)]
pub struct Book {
    pub obligations: Vec<Obligation>,
    pub entries: Vec<Entry>,
    pub members: Members,
}

/// What an entry would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    New,
    /// All that it says stands there already.
    Same,
    /// It puts right what was entered before, which it names.
    Correction(String),
    /// Another document behind the one that settled the obligation, which is named; it changes nothing.
    Further(String),
}

/// Why something cannot be entered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("{unit} owes no `{}` ({}) for {period}; {}", kind.word(), kind.letter(), owed(has))]
    NotOwed {
        period: String,
        unit: String,
        kind: Kind,
        has: Vec<Kind>,
    },
    #[error("the number of the document is missing; write it as on the document, such as 123/SYT-VP")]
    NoNumber,
    #[error("the date of the document is missing; write it as on the document, such as 20/9/2021")]
    NoDate,
    #[error("the day on which the document reached the Office is missing; lateness is judged by it")]
    NoDayReached,
    #[error(
        "the document of {date} cannot have reached the Office on {reached}, before it was made; one of the two is wrong"
    )]
    ReachedBefore { date: String, reached: String },
    #[error("{day} is still to come; enter what has reached the Office")]
    ToCome { day: String },
    #[error("a document of {date} is older than the period, which begins on {start}; look at the year")]
    TooOld { date: String, start: String },
    #[error("a reason is missing; it is kept with who says so and when")]
    NoReason,
    #[error("document {number} settles it already (batch {batch}); take that back first: dondoc replies undo {batch}")]
    Replied { number: String, batch: i64 },
    #[error("the ticket is missing; write its code")]
    NoTicket,
    #[error("ticket {code} is none of the unsatisfied ones of {period}; `dondoc replies export` lists them")]
    NotUnsatisfied { code: String, period: String },
    #[error(
        "that is no number of a document; write number and symbol alone, such as 123/SYT-VP, and no names or phone numbers: it is \
         shown in papers"
    )]
    BadNumber,
    #[error("the text is longer than {MOST_TEXT} characters, or holds control characters")]
    BadText,
}

/// The longest number, note or reason, in characters.
pub const MOST_TEXT: usize = 500;

fn owed(has: &[Kind]) -> String {
    if has.is_empty() {
        return "it owes nothing for it".to_owned();
    }
    let kinds: Vec<String> = has.iter().map(|k| format!("{} ({})", k.word(), k.letter())).collect();
    format!("it owes {}", kinds.join(", "))
}

/// Nothing but spaces counts as nothing.
fn said(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

impl Book {
    /// What an entry would be, with today's date where the Office is.
    ///
    /// # Errors
    /// Why it cannot be entered.
    pub fn judge(&self, new: &NewEntry, today: NaiveDate) -> Result<Judged, Refused> {
        let texts = [&new.number, &new.note];
        for text in texts.into_iter().flatten() {
            if text.chars().count() > MOST_TEXT || text.chars().any(|c| c.is_control() && !c.is_whitespace()) {
                return Err(Refused::BadText);
            }
        }
        match new.what {
            What::Reply => self.judge_reply(new, today),
            What::Waiver => self.judge_waiver(new),
            What::Proposal | What::Exclusion | What::Refusal => self.judge_exclusion(new),
        }
    }

    /// Enters it for the judgement of what follows.
    pub fn enter(&mut self, new: &NewEntry, batch: i64) {
        let id = self.entries.last().map_or(1, |last| last.id + 1);
        self.entries.push(Entry {
            id,
            batch,
            said: new.clone(),
            by: String::new(),
            at: super::Moment::MIN_UTC,
            undone: None,
        });
    }

    /// The unit that has to explain why a ticket's reporter is not satisfied.
    #[must_use]
    pub fn explains(&self, code: &str) -> Option<&Member> {
        let mut members = self.members.iter();
        members.find(|m| m.kind == Kind::Explanation && m.code == code)
    }

    /// The kinds that a unit owes or owed, in their order.
    #[must_use]
    pub fn kinds_of(&self, unit: &str) -> Vec<Kind> {
        let own = self.obligations.iter().filter(|o| o.id.unit == unit);
        let mut kinds: Vec<Kind> = own.map(|o| o.id.kind).collect();
        kinds.sort_unstable();
        kinds
    }

    /// What was entered about the same obligation and holds, the first before others.
    fn about<'a>(&'a self, new: &'a NewEntry, what: What) -> impl DoubleEndedIterator<Item = &'a Entry> {
        let valid = self.entries.iter().filter(|e| e.undone.is_none());
        valid.filter(move |e| e.said.what == what && e.said.obligation == new.obligation)
    }

    fn is_owed(&self, new: &NewEntry) -> Result<(), Refused> {
        let id = &new.obligation;
        match self.obligations.iter().any(|o| o.id == *id) {
            true => Ok(()),
            false => Err(Refused::NotOwed {
                period: id.period.to_string(),
                unit: id.unit.clone(),
                kind: id.kind,
                has: self.kinds_of(&id.unit),
            }),
        }
    }

    fn judge_reply(&self, new: &NewEntry, today: NaiveDate) -> Result<Judged, Refused> {
        self.is_owed(new)?;
        let number = said(new.number.as_ref()).ok_or(Refused::NoNumber)?;
        if !is_number(number) {
            return Err(Refused::BadNumber);
        }
        let date = new.date.ok_or(Refused::NoDate)?;
        let reached = new.reached_on.ok_or(Refused::NoDayReached)?;
        if reached < date {
            let (date, reached) = (date.to_string(), reached.to_string());
            return Err(Refused::ReachedBefore { date, reached });
        }
        if reached > today {
            return Err(Refused::ToCome {
                day: reached.to_string(),
            });
        }
        let start = new.obligation.period.first_day();
        if date < start {
            let (date, start) = (date.to_string(), start.to_string());
            return Err(Refused::TooOld { date, start });
        }
        let own = |e: &&Entry| said(e.said.number.as_ref()) == Some(number);
        if let Some(known) = self.about(new, What::Reply).rfind(own) {
            let has_note = said(new.note.as_ref());
            let is_same = known.said.date == Some(date)
                && known.said.reached_on == Some(reached)
                && (has_note.is_none() || has_note == said(known.said.note.as_ref()));
            return Ok(match is_same {
                true => Judged::Same,
                false => Judged::Correction(number.to_owned()),
            });
        }
        Ok(match self.about(new, What::Reply).next() {
            Some(first) => Judged::Further(first.said.number.clone().unwrap_or_default()),
            None => Judged::New,
        })
    }

    fn judge_waiver(&self, new: &NewEntry) -> Result<Judged, Refused> {
        self.is_owed(new)?;
        if let Some(reply) = self.about(new, What::Reply).next() {
            return Err(Refused::Replied {
                number: reply.said.number.clone().unwrap_or_default(),
                batch: reply.batch,
            });
        }
        let reason = said(new.note.as_ref());
        match self.about(new, What::Waiver).next_back() {
            Some(known) if reason.is_none() || reason == said(known.said.note.as_ref()) => Ok(Judged::Same),
            Some(known) => Ok(Judged::Correction(known.said.note.clone().unwrap_or_default())),
            None => reason.map(|_| Judged::New).ok_or(Refused::NoReason),
        }
    }

    fn judge_exclusion(&self, new: &NewEntry) -> Result<Judged, Refused> {
        let code = new.code.as_deref().ok_or(Refused::NoTicket)?;
        if self
            .explains(code)
            .is_none_or(|member| member.unit != new.obligation.unit)
        {
            return Err(Refused::NotUnsatisfied {
                code: code.to_owned(),
                period: new.obligation.period.to_string(),
            });
        }
        let is = exclusions(&self.entries).get(code).copied();
        let asked = match new.what {
            What::Exclusion => Exclusion::Excluded,
            What::Refusal => Exclusion::Refused,
            What::Proposal | What::Reply | What::Waiver => Exclusion::Pending,
        };
        match is {
            // What is decided is not proposed any more.
            Some(is) if is == asked || asked == Exclusion::Pending => Ok(Judged::Same),
            _ if said(new.note.as_ref()).is_none() => Err(Refused::NoReason),
            Some(Exclusion::Excluded) => Ok(Judged::Correction("excluded".to_owned())),
            Some(Exclusion::Refused) => Ok(Judged::Correction("refused".to_owned())),
            Some(Exclusion::Pending) | None => Ok(Judged::New),
        }
    }
}

/// Whether a text may stand as the number of a document in what others read: short, and nothing in it points at a person.
#[must_use]
pub fn is_number(text: &str) -> bool {
    !text.is_empty() && scrub::word(text) == text
}

/// A day as people write it: 2021-09-28 or 28/9/2021, also with dots or hyphens. `None` of anything else.
#[must_use]
pub fn day(text: &str) -> Option<NaiveDate> {
    let parts: Vec<&str> = text.trim().split(['-', '/', '.']).collect();
    let number = |text: &str| -> Option<u32> {
        let is_plain = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        is_plain.then(|| text.parse().ok()).flatten()
    };
    let [first, month, last] = parts.as_slice() else {
        return None;
    };
    let (year, day) = match (first.len(), last.len()) {
        (4, 1..=2) => (first, last),
        (1..=2, 4) => (last, first),
        _ => return None,
    };
    if month.len() > 2 {
        return None;
    }
    let year = i32::try_from(number(year)?)
        .ok()
        .filter(|year| (1990..2200).contains(year))?;
    NaiveDate::from_ymd_opt(year, number(month)?, number(day)?)
}

#[cfg(test)]
mod tests {
    use super::super::obligation::{Directive, Id, Progress, met_by};
    use super::*;

    fn date(text: &str) -> NaiveDate {
        day(text).expect("a day")
    }

    fn id(unit: &str, kind: Kind) -> Id {
        Id {
            period: "2021-08".parse().expect("a period"),
            unit: unit.to_owned(),
            kind,
        }
    }

    /// Sở Y tế owes (a) and (c) for August, the latter of ticket T1.
    fn book() -> Book {
        let obligation = |kind| Obligation {
            id: id("SYT", kind),
            opened_at: crate::domain::Moment::UNIX_EPOCH,
            changed_at: crate::domain::Moment::UNIX_EPOCH,
            directive: Directive {
                period: "2021-08".parse().expect("a period"),
                number: "312/UBND-KSTT".to_owned(),
                date: date("10/9/2021"),
                reply_before: date("28/9/2021"),
                is_standing: false,
                by: "Lan".to_owned(),
                recorded_at: crate::domain::Moment::UNIX_EPOCH,
            },
            reply: None,
            waiver: None,
            progress: Progress::default(),
            office_saw_at: None,
        };
        Book {
            obligations: vec![obligation(Kind::Review), obligation(Kind::Explanation)],
            entries: Vec::new(),
            members: [Member {
                unit: "SYT".to_owned(),
                kind: Kind::Explanation,
                code: "T1".to_owned(),
            }]
            .into(),
        }
    }

    fn reply(number: &str, made: &str, reached: &str) -> NewEntry {
        NewEntry {
            what: What::Reply,
            obligation: id("SYT", Kind::Review),
            code: None,
            number: Some(number.to_owned()),
            date: Some(date(made)),
            reached_on: Some(date(reached)),
            note: None,
        }
    }

    fn about_ticket(what: What, reason: &str) -> NewEntry {
        NewEntry {
            what,
            obligation: id("SYT", Kind::Explanation),
            code: Some("T1".to_owned()),
            number: None,
            date: None,
            reached_on: None,
            note: (!reason.is_empty()).then(|| reason.to_owned()),
        }
    }

    const TODAY: &str = "1/10/2021";

    #[test]
    fn a_reply_is_new_then_the_same_then_corrected_under_its_number_and_another_one_is_a_further_one() {
        let mut book = book();
        let first = reply("12/SYT-VP", "20/9/2021", "22/9/2021");
        assert_eq!(book.judge(&first, date(TODAY)), Ok(Judged::New));
        book.enter(&first, 1);
        assert_eq!(book.judge(&first, date(TODAY)), Ok(Judged::Same));
        let later = reply("12/SYT-VP", "20/9/2021", "29/9/2021");
        assert_eq!(
            book.judge(&later, date(TODAY)),
            Ok(Judged::Correction("12/SYT-VP".to_owned()))
        );
        book.enter(&later, 2);
        let other = reply("13/SYT-VP", "20/9/2021", "23/9/2021");
        assert_eq!(
            book.judge(&other, date(TODAY)),
            Ok(Judged::Further("12/SYT-VP".to_owned()))
        );
        book.enter(&other, 3);
        // The first document settles it, as it was put right; a further one changes nothing.
        let met = |book: &Book| {
            let (reply, _) = met_by(&id("SYT", Kind::Review), &book.entries);
            reply.map(|r| (r.number, r.reached_on))
        };
        assert_eq!(met(&book), Some(("12/SYT-VP".to_owned(), date("29/9/2021"))));
        // Taken back, the correction leaves what was there before.
        book.entries[1].undone = Some(("Lan".to_owned(), crate::domain::Moment::UNIX_EPOCH));
        assert_eq!(met(&book), Some(("12/SYT-VP".to_owned(), date("22/9/2021"))));
        book.entries[0].undone = book.entries[1].undone.clone();
        assert_eq!(met(&book), Some(("13/SYT-VP".to_owned(), date("23/9/2021"))));
    }

    #[test]
    fn what_contradicts_itself_or_is_owed_by_nobody_is_refused() {
        let book = book();
        let said = |new: &NewEntry| book.judge(new, date(TODAY)).expect_err("refused").to_string();
        let mut nobody = reply("1", "20/9/2021", "22/9/2021");
        nobody.obligation = id("SXD", Kind::Review);
        assert_eq!(
            said(&nobody),
            "SXD owes no `review` (a) for 2021-08; it owes nothing for it"
        );
        nobody.obligation = id("SYT", Kind::FollowUp);
        assert_eq!(
            said(&nobody),
            "SYT owes no `follow_up` (b) for 2021-08; it owes review (a), explanation (c)"
        );
        assert!(matches!(
            book.judge(&reply(" ", "20/9/2021", "22/9/2021"), date(TODAY)),
            Err(Refused::NoNumber)
        ));
        assert!(matches!(
            book.judge(&reply("1", "22/9/2021", "20/9/2021"), date(TODAY)),
            Err(Refused::ReachedBefore { .. })
        ));
        assert!(matches!(
            book.judge(&reply("1", "20/9/2021", "2/10/2021"), date(TODAY)),
            Err(Refused::ToCome { .. })
        ));
        assert!(matches!(
            book.judge(&reply("1", "20/9/2020", "2/9/2021"), date(TODAY)),
            Err(Refused::TooOld { .. })
        ));
        assert!(matches!(
            book.judge(&reply(&"1".repeat(501), "20/9/2021", "22/9/2021"), date(TODAY)),
            Err(Refused::BadText)
        ));
        for number in ["ông Nguyễn Văn Bình", "12/SYT 0912345678"] {
            assert!(matches!(
                book.judge(&reply(number, "20/9/2021", "22/9/2021"), date(TODAY)),
                Err(Refused::BadNumber)
            ));
        }
    }

    #[test]
    fn a_waiver_needs_a_reason_and_an_obligation_that_is_not_replied_to() {
        let mut book = book();
        let mut waiver = reply("", "20/9/2021", "22/9/2021");
        (waiver.what, waiver.number, waiver.date, waiver.reached_on) = (What::Waiver, None, None, None);
        assert_eq!(book.judge(&waiver, date(TODAY)), Err(Refused::NoReason));
        waiver.note = Some("đã báo cáo trực tiếp".to_owned());
        assert_eq!(book.judge(&waiver, date(TODAY)), Ok(Judged::New));
        book.enter(&waiver, 1);
        assert_eq!(book.judge(&waiver, date(TODAY)), Ok(Judged::Same));
        book.enter(&reply("12", "20/9/2021", "22/9/2021"), 2);
        assert_eq!(
            book.judge(&waiver, date(TODAY)),
            Err(Refused::Replied {
                number: "12".to_owned(),
                batch: 2
            })
        );
    }

    #[test]
    fn the_agency_proposes_and_the_office_decides_and_may_decide_again() {
        let mut book = book();
        assert_eq!(
            book.judge(&about_ticket(What::Proposal, ""), date(TODAY)),
            Err(Refused::NoReason)
        );
        let steps = [
            (What::Proposal, Judged::New),
            (What::Proposal, Judged::Same),
            (What::Exclusion, Judged::New),
            (What::Proposal, Judged::Same),
            (What::Refusal, Judged::Correction("excluded".to_owned())),
            (What::Refusal, Judged::Same),
            (What::Exclusion, Judged::Correction("refused".to_owned())),
        ];
        for (what, judged) in steps {
            let new = about_ticket(what, "người phản ánh cung cấp thiếu thông tin");
            assert_eq!(book.judge(&new, date(TODAY)), Ok(judged), "{what:?}");
            book.enter(&new, 1);
        }
        let mut other = about_ticket(What::Proposal, "vì");
        other.code = Some("T2".to_owned());
        assert!(matches!(
            book.judge(&other, date(TODAY)),
            Err(Refused::NotUnsatisfied { .. })
        ));
    }

    #[test]
    fn days_are_taken_as_people_write_them_and_nothing_else_is_a_day() {
        for text in [
            "2021-09-28",
            "28/9/2021",
            "28/09/2021",
            " 28-09-2021 ",
            "28.9.2021",
            "2021/9/28",
        ] {
            assert_eq!(day(text), NaiveDate::from_ymd_opt(2021, 9, 28), "{text}");
        }
        for text in [
            "",
            "28/9",
            "28/9/21",
            "9/28/2021",
            "31/9/2021",
            "28/9/2021 08:00",
            "+28/9/2021",
            "28//2021",
            "28/9/0021",
            "1/2/3/2021",
            "28/009/2021",
            "44467",
        ] {
            assert_eq!(day(text), None, "{text}");
        }
    }
}
