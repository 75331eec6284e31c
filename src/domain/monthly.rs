//! The letters of the monthly cycle: which there are, and when each is due (`spec.md` §7.2-7.3). How they read and whether
//! there is anything to say is decided elsewhere.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveTime};

use super::Moment;
use super::calendar::Calendar;
use super::obligation::{Kind, Obligation, Progress, Reading, State};
use super::rule::PeriodKind;
use super::time::Period;

/// The rule's word in what is told by these letters; `@` cannot start an id that ops write.
pub const MONTHLY: &str = "@monthly";

/// Working days before the day on which replies are due, on which the Office hears who has not replied.
const REMINDED_BEFORE: i32 = 3;

/// Working days after it, on which the Office gets the draft of the report.
const REPORTED_AFTER: i32 = 2;

/// Working days among which one is looked for that is not beside a long closure; there are two at most in a row.
const LOOKED_THROUGH: usize = 60;

/// One of the letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Letter {
    /// (i) To the Office: the period's figures, provisional, with the drafts.
    Figures,
    /// To the Office: what is different in the final figures.
    Final,
    /// (ii) To the Office, before replies are due: who has not replied.
    Reminder,
    /// (iii) To the Office, after it: the draft of the report, and who has not replied.
    Outcome,
    /// To each unit: its tickets, to be checked.
    ReviewList,
}

impl Letter {
    pub const ALL: [Letter; 5] = [
        Letter::Figures,
        Letter::Final,
        Letter::Reminder,
        Letter::Outcome,
        Letter::ReviewList,
    ];

    /// The step's word in the store.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Letter::Figures => "figures",
            Letter::Final => "final",
            Letter::Reminder => "reminder",
            Letter::Outcome => "outcome",
            Letter::ReviewList => "review-list",
        }
    }

    /// The base name of its template.
    #[must_use]
    pub fn template(self) -> &'static str {
        match self {
            Letter::Figures => "monthly-office",
            Letter::Final => "monthly-final",
            Letter::Reminder => "monthly-reminder",
            Letter::Outcome => "monthly-outcome",
            Letter::ReviewList => "review-list",
        }
    }

    /// What [`Letter::word`] wrote.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Letter> {
        Letter::ALL.into_iter().find(|letter| letter.word() == word)
    }
}

/// The last period that is over at an instant.
#[must_use]
pub fn last_over(now: Moment, kind: PeriodKind, cal: &Calendar) -> Period {
    Period::of(cal.date_of(now), kind).previous()
}

/// When the letters about a period's figures are due: at that time of the first working day after it that is not beside a
/// long closure (`spec.md` §3).
#[must_use]
pub fn figures_due(period: Period, at: NaiveTime, cal: &Calendar) -> Moment {
    let first = cal.on_or_after(period.end());
    let mut days = std::iter::successors(Some(first), |day| Some(cal.nth_working_day(*day, 1))).take(LOOKED_THROUGH);
    let day = days.find(|day| !cal.is_quiet_day(*day)).unwrap_or(first);
    cal.instant(day, at)
}

/// When the Office is to hear who has not replied, where replies are due at the end of a day.
#[must_use]
pub fn reminder_due(due_day: NaiveDate, cal: &Calendar) -> Moment {
    opening(cal.nth_working_day(due_day, -REMINDED_BEFORE), cal)
}

/// When the Office is to get the draft of the report, where replies were due at the end of a day.
#[must_use]
pub fn outcome_due(due_day: NaiveDate, cal: &Calendar) -> Moment {
    opening(cal.nth_working_day(due_day, REPORTED_AFTER), cal)
}

fn opening(day: NaiveDate, cal: &Calendar) -> Moment {
    cal.opens(day).unwrap_or_else(|| cal.instant(day, NaiveTime::MIN))
}

/// How the replies to a directive stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replies {
    /// Units that had or have to reply: all that was owed was not waived or excluded.
    pub units: usize,
    /// Of these, those that owe nothing any more.
    pub replied: usize,
    /// Of these, those that replied to something after the last day.
    pub late: usize,
    /// What the others still owe, by unit.
    pub owing: BTreeMap<String, Vec<(Kind, Progress)>>,
}

impl Replies {
    /// Of the obligations of one period; those without a deadline ask for no reply.
    #[must_use]
    pub fn of(obligations: &[Obligation], reading: Reading, cal: &Calendar, now: Moment) -> Replies {
        let mut states: BTreeMap<&str, Vec<(State, &Obligation)>> = BTreeMap::new();
        for obligation in obligations.iter().filter(|o| o.id.kind.has_deadline()) {
            let state = obligation.state(reading, cal, now);
            if !matches!(state, State::Waived | State::Excluded) {
                states.entry(&obligation.id.unit).or_default().push((state, obligation));
            }
        }
        let mut replies = Replies {
            units: states.len(),
            ..Replies::default()
        };
        for (unit, states) in states {
            let owed = states.iter().filter(|(state, _)| state.is_owed());
            let mut owing: Vec<(Kind, Progress)> = owed.map(|(_, o)| (o.id.kind, o.progress)).collect();
            owing.sort_unstable_by_key(|(kind, _)| *kind);
            if owing.is_empty() {
                replies.replied += 1;
                replies.late += usize::from(states.iter().any(|(state, _)| *state == State::RepliedLate));
            } else {
                replies.owing.insert(unit.to_owned(), owing);
            }
        }
        replies
    }
}
