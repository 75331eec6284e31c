//! What was told of the letters of the monthly cycle. They are tellings of their own kinds: of a period, or of a unit and a
//! period, so that each is told once and its mail is tried, replaced and given up as any other.

use sqlx::FromRow;

use super::{Store, StoreError, Tx, micros, moment, on};
use crate::domain::Moment;
use crate::domain::directory::Role;
use crate::domain::monthly::{Letter, MONTHLY};
use crate::domain::notice::NoticeState;
use crate::domain::rule::Channel;
use crate::domain::time::Period;

const TELL: &str = "INSERT INTO telling (id, subject_kind, subject, mode, rule, step, repetition, occurrence, due_at, decided_at, opening, settled_by) \
     VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM telling), $1, $2, 'live', $3, $4, 0, $5, $6, $7, 0, NULL) \
     ON CONFLICT DO NOTHING RETURNING id";
const NOTICE: &str = "INSERT INTO notice (id, telling, role, start_unit, channel, cc, state, state_at, compose_at, first_attempt_at, message) \
     VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM notice), $1, $2, $3, $4, 0, 'waiting', $5, $5, NULL, NULL)";
const DUE: &str = "SELECT n.id, n.telling, t.subject, t.step, t.occurrence, t.due_at, n.role, n.start_unit, n.first_attempt_at \
     FROM notice n JOIN telling t ON t.id = n.telling \
     WHERE n.state = 'waiting' AND n.compose_at <= $1 AND t.subject_kind IN ('period', 'unit_period') ORDER BY n.compose_at, n.id";
const TOLD: &str = "SELECT t.id, t.step, t.occurrence, f.figures FROM telling t LEFT JOIN summary_figures f ON f.telling = t.id \
     WHERE t.subject = $1 AND t.subject_kind = 'period' AND t.rule = $2 ORDER BY t.id";
const UNSEEN: &str = "SELECT DISTINCT o.period FROM obligation o WHERE o.period >= $1 AND o.office_saw_at IS NULL \
     AND EXISTS (SELECT 1 FROM telling t WHERE t.subject = o.period AND t.subject_kind = 'period' AND t.rule = $2 AND t.step = $3) \
     ORDER BY o.period";
const ANSWERS: &str = "SELECT n.state, n.state_at FROM telling t JOIN notice n ON n.telling = t.id \
     WHERE t.subject = $1 AND t.subject_kind = 'period' AND t.rule = $2 AND t.step = $3 AND t.occurrence = $4 AND n.cc = 0 ORDER BY t.id, n.id";

/// For a rehearsal: what had gone out.
const SENT: &str = "SELECT t.subject_kind, t.subject, t.step, t.occurrence, t.due_at, t.decided_at, n.role, n.start_unit, n.state_at, f.until, f.figures \
     FROM telling t JOIN notice n ON n.telling = t.id LEFT JOIN summary_figures f ON f.telling = t.id \
     WHERE t.subject_kind IN ('period', 'unit_period') AND n.state = 'accepted' AND n.state_at < $1 ORDER BY t.id, n.id";
const SEED: &str = "INSERT INTO notice (id, telling, role, start_unit, channel, cc, state, state_at, compose_at, first_attempt_at, message) \
     VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM notice), $1, $2, $3, $4, 0, 'accepted', $5, NULL, NULL, NULL)";

pub const STATEMENTS: &[&str] = &[TELL, NOTICE, DUE, TOLD, UNSEEN, ANSWERS, SENT, SEED];

/// A letter that somebody had taken before a rehearsal begins.
#[derive(Debug, Clone, FromRow)]
pub struct SentLetter {
    subject_kind: String,
    subject: String,
    step: String,
    occurrence: String,
    due_at: i64,
    decided_at: i64,
    role: String,
    start_unit: String,
    state_at: i64,
    until: Option<i64>,
    figures: Option<String>,
}

/// A letter that is to be told, with the roles as written, each with the id that it starts from.
#[derive(Debug, Clone)]
pub struct NewLetter<'a> {
    pub letter: Letter,
    pub period: Period,
    /// The unit, of a list to one.
    pub unit: Option<&'a str>,
    pub occurrence: &'a str,
    pub due_at: Moment,
    pub to: Vec<(String, String)>,
}

/// A letter that was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldLetter {
    pub telling: i64,
    pub letter: Letter,
    pub occurrence: String,
    /// The revision of the figures that it gave, once composed.
    pub revision: Option<i64>,
}

/// A notice of a letter that can be composed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueLetter {
    pub notice: i64,
    pub telling: i64,
    pub letter: Letter,
    pub period: Period,
    /// The unit, of a list to one.
    pub unit: Option<String>,
    pub occurrence: String,
    pub due_at: Moment,
    pub role: Role,
    pub start: String,
    pub first_attempt_at: Option<Moment>,
}

#[derive(FromRow)]
struct DueRow {
    id: i64,
    telling: i64,
    subject: String,
    step: String,
    occurrence: String,
    due_at: i64,
    role: String,
    start_unit: String,
    first_attempt_at: Option<i64>,
}

fn corrupt(id: impl ToString, what: impl ToString) -> StoreError {
    StoreError::Corrupt {
        table: "telling",
        id: id.to_string(),
        what: what.to_string(),
    }
}

fn letter(id: i64, step: &str) -> Result<Letter, StoreError> {
    Letter::of_word(step).ok_or_else(|| corrupt(id, format!("`{step}` is no letter of the monthly cycle")))
}

/// `2021-08`, or `SYT 2021-08` of a list to one unit.
fn subject(period: Period, unit: Option<&str>) -> String {
    unit.map_or_else(|| period.to_string(), |unit| format!("{unit} {period}"))
}

impl TryFrom<DueRow> for DueLetter {
    type Error = StoreError;

    fn try_from(row: DueRow) -> Result<DueLetter, StoreError> {
        let (unit, period) = match row.subject.rsplit_once(' ') {
            Some((unit, period)) => (Some(unit.to_owned()), period),
            None => (None, row.subject.as_str()),
        };
        Ok(DueLetter {
            notice: row.id,
            telling: row.telling,
            letter: letter(row.telling, &row.step)?,
            period: period.parse().map_err(|e| corrupt(row.telling, e))?,
            unit,
            occurrence: row.occurrence,
            due_at: moment(row.due_at),
            role: row
                .role
                .parse()
                .map_err(|_| corrupt(row.telling, format!("`{}` is no role", row.role)))?,
            start: row.start_unit,
            first_attempt_at: row.first_attempt_at.map(moment),
        })
    }
}

impl Store {
    /// The letters to the Office about a period that were told, the first one first.
    pub async fn letters_told(&self, period: Period) -> Result<Vec<ToldLetter>, StoreError> {
        let rows: Vec<(i64, String, String, Option<String>)> = on!(
            self.db(),
            fetch_all(sqlx::query_as(TOLD).bind(period.to_string()).bind(MONTHLY))
        );
        let told = |(telling, step, occurrence, kept): (i64, String, String, Option<String>)| {
            let revision = kept.map(|kept| kept.parse().map_err(|e| corrupt(telling, e)));
            Ok(ToldLetter {
                telling,
                letter: letter(telling, &step)?,
                occurrence,
                revision: revision.transpose()?,
            })
        };
        rows.into_iter().map(told).collect()
    }

    /// Waiting notices of the letters whose recipient's window is due.
    pub async fn due_letters(&self, now: Moment) -> Result<Vec<DueLetter>, StoreError> {
        let rows: Vec<DueRow> = on!(self.db(), fetch_all(sqlx::query_as(DUE).bind(micros(now))));
        rows.into_iter().map(DueLetter::try_from).collect()
    }

    /// The periods from one on of which something is owed, where the Office is told who has not replied and is not known to
    /// have seen it.
    pub async fn outcomes_unseen(&self, from: Period) -> Result<Vec<Period>, StoreError> {
        let keys: Vec<String> = on!(
            self.db(),
            fetch_all(
                sqlx::query_scalar(UNSEEN)
                    .bind(from.to_string())
                    .bind(MONTHLY)
                    .bind(Letter::Outcome.word())
            )
        );
        let period = |key: String| key.parse().map_err(|e| corrupt(&key, e));
        keys.into_iter().map(period).collect()
    }

    /// When the Office was told the outcome of a period: as soon as one of its desks took the letter, or none will any more;
    /// `None` before.
    pub async fn outcome_told(&self, period: Period, occurrence: &str) -> Result<Option<Moment>, StoreError> {
        let rows: Vec<(String, i64)> = on!(
            self.db(),
            fetch_all(
                sqlx::query_as(ANSWERS)
                    .bind(period.to_string())
                    .bind(MONTHLY)
                    .bind(Letter::Outcome.word())
                    .bind(occurrence)
            )
        );
        let ended = |state: &str| {
            let words = [NoticeState::Dead, NoticeState::Cancelled, NoticeState::Withdrawn].map(NoticeState::word);
            words.contains(&state)
        };
        let accepted = rows.iter().filter(|(state, _)| state == NoticeState::Accepted.word());
        let last = rows.iter().map(|(_, at)| *at).max();
        let all_ended = last.filter(|_| rows.iter().all(|(state, _)| ended(state)));
        Ok(accepted.map(|(_, at)| *at).min().or(all_ended).map(moment))
    }
}

impl Store {
    /// The letters that somebody took before an instant.
    pub async fn letters_sent_before(&self, instant: Moment) -> Result<Vec<SentLetter>, StoreError> {
        Ok(on!(self.db(), fetch_all(sqlx::query_as(SENT).bind(micros(instant)))))
    }
}

impl Tx {
    /// Begins with a letter that had gone out. One of several recipients is enough: the others had it then too.
    pub async fn seed_letter(&mut self, sent: &SentLetter) -> Result<(), StoreError> {
        let telling: Option<i64> = on!(
            self.db(),
            fetch_optional(
                sqlx::query_scalar(TELL)
                    .bind(&sent.subject_kind)
                    .bind(&sent.subject)
                    .bind(MONTHLY)
                    .bind(&sent.step)
                    .bind(&sent.occurrence)
                    .bind(sent.due_at)
                    .bind(sent.decided_at)
            )
        );
        let Some(telling) = telling else { return Ok(()) };
        on!(
            self.db(),
            execute(
                sqlx::query(SEED)
                    .bind(telling)
                    .bind(&sent.role)
                    .bind(&sent.start_unit)
                    .bind(Channel::Email.word())
                    .bind(sent.state_at)
            )
        );
        if let (Some(until), Some(figures)) = (sent.until, &sent.figures) {
            self.keep_counted(telling, moment(until), figures).await?;
        }
        Ok(())
    }

    /// Makes the telling of a letter with a notice for each role; false where it was made before.
    pub async fn tell_letter(&mut self, new: &NewLetter<'_>, now: Moment) -> Result<bool, StoreError> {
        let kind = if new.unit.is_some() { "unit_period" } else { "period" };
        let telling: Option<i64> = on!(
            self.db(),
            fetch_optional(
                sqlx::query_scalar(TELL)
                    .bind(kind)
                    .bind(subject(new.period, new.unit))
                    .bind(MONTHLY)
                    .bind(new.letter.word())
                    .bind(new.occurrence)
                    .bind(micros(new.due_at))
                    .bind(micros(now))
            )
        );
        let Some(telling) = telling else { return Ok(false) };
        for (role, start) in &new.to {
            on!(
                self.db(),
                execute(
                    sqlx::query(NOTICE)
                        .bind(telling)
                        .bind(role)
                        .bind(start)
                        .bind(Channel::Email.word())
                        .bind(micros(now))
                )
            );
        }
        Ok(true)
    }

    /// Keeps which revision of the figures a letter gave.
    pub async fn keep_revision(&mut self, telling: i64, revision: i64, now: Moment) -> Result<(), StoreError> {
        self.keep_counted(telling, now, &revision.to_string()).await
    }
}
