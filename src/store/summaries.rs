//! Summaries: which was made last, what it counted, and what the next one counts.
//!
//! A summary is a telling of its own kind with notices, so that it is told once, and its mail is tried, replaced and
//! given up as any other.

use std::collections::{BTreeMap, HashMap};

use chrono::TimeDelta;
use sqlx::FromRow;

use super::as_of::Place;
use super::{CHUNK, Store, StoreError, Tx, filled, keys_50, micros, moment, of_source, on};
use crate::domain::Moment;
use crate::domain::figures::Reminder;
use crate::domain::rule::Channel;
use crate::domain::summary::{Figures, Tally};

const LAST_DUE: &str = "SELECT MAX(due_at) FROM telling WHERE subject = $1 AND subject_kind = 'summary'";
const TELL: &str = "INSERT INTO telling (id, subject_kind, subject, mode, rule, step, repetition, occurrence, due_at, decided_at, opening, settled_by) \
     VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM telling), 'summary', $1, 'live', '@summary', $1, 0, $2, $3, $4, 0, NULL) \
     ON CONFLICT DO NOTHING RETURNING id";
const NOTICE: &str = "INSERT INTO notice (id, telling, role, start_unit, channel, cc, state, state_at, compose_at, first_attempt_at, message) \
     VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM notice), $1, $2, $3, $4, 0, 'waiting', $5, $6, NULL, NULL)";
const DUE: &str = "SELECT n.id, n.telling, t.subject, t.occurrence, t.due_at, n.role, n.start_unit, n.first_attempt_at \
     FROM notice n JOIN telling t ON t.id = n.telling \
     WHERE n.state = 'waiting' AND n.compose_at <= $1 AND t.subject_kind = 'summary' ORDER BY n.compose_at, n.id";
const BEFORE: &str = "SELECT t.occurrence, f.until, f.figures FROM telling t JOIN summary_figures f ON f.telling = t.id \
     WHERE t.subject = $1 AND t.subject_kind = 'summary' AND t.id < $2 ORDER BY t.id DESC LIMIT 1";
const KEEP: &str = "INSERT INTO summary_figures (telling, until, figures) VALUES ($1, $2, $3) \
     ON CONFLICT (telling) DO UPDATE SET until = excluded.until, figures = excluded.figures";
const OPEN: &str = concat!(
    "SELECT code FROM ticket WHERE is_open = 1 AND gone_at IS NULL AND code > $1 AND ",
    of_source!(),
    " ORDER BY code LIMIT CAST($2 AS BIGINT)"
);
const RECEIVED: &str = concat!(
    "SELECT received_at, code FROM ticket WHERE is_open = 0 AND gone_at IS NULL AND (received_at, code) > ($1, $2) AND ",
    of_source!(),
    " ORDER BY received_at, code LIMIT CAST($3 AS BIGINT)"
);
/// Of those received before, each by the first that happened to it within the span.
const CHANGED: &str = concat!(
    "SELECT at, id, code FROM change c WHERE (at, id) > ($1, $2) AND ",
    of_source!(),
    " AND NOT EXISTS (SELECT 1 FROM change e WHERE e.code = c.code AND e.at > $3 AND (e.at, e.id) < (c.at, c.id)) \
     AND EXISTS (SELECT 1 FROM ticket t WHERE t.code = c.code AND t.is_open = 0 AND t.gone_at IS NULL AND t.received_at <= $3) \
     ORDER BY at, id LIMIT CAST($4 AS BIGINT)"
);
const TOLD: &str = "SELECT t.rule, t.step, COUNT(DISTINCT t.subject) FROM notice n JOIN telling t ON t.id = n.telling \
     WHERE n.state = 'accepted' AND n.cc = 0 AND n.state_at > $1 AND n.state_at <= $2 AND t.subject_kind = 'ticket' AND t.mode = 'live' \
     AND (t.subject < '@obligation/' OR t.subject >= '@obligation0') \
     GROUP BY t.rule, t.step ORDER BY t.rule, t.step";
/// What was said of tickets by rules, not that something has ended or is not anybody's.
const REMINDERS: &str = concat!(
    "SELECT t.subject, t.rule, t.occurrence, MIN(n.state_at) FROM telling t JOIN notice n ON n.telling = t.id \
     WHERE t.subject_kind = 'ticket' AND t.mode = 'live' AND t.rule NOT LIKE '@%' AND n.state = 'accepted' AND n.cc = 0 \
     AND n.state_at < $51 AND t.subject IN (",
    keys_50!(),
    ") GROUP BY t.id, t.subject, t.rule, t.occurrence ORDER BY MIN(n.state_at), t.id"
);
const ANSWERS: &str = "SELECT answer, COUNT(*) FROM attempt WHERE at > $1 AND at <= $2 GROUP BY answer ORDER BY answer";
const ENDED: &str = "SELECT COUNT(*) FROM message WHERE state = $1 AND state_at > $2 AND state_at <= $3";
const TRIED_IN_VAIN: &str = "SELECT COUNT(*) FROM message WHERE state = 'waiting' AND attempts > 0";
const TALLIES: &str = "SELECT name, count FROM tally";
const COUNT_ON: &str = "INSERT INTO tally (name, count) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET count = tally.count + excluded.count";

const SENT_BEFORE: &str = "SELECT t.subject, t.occurrence, t.due_at, f.until, f.figures FROM telling t LEFT JOIN summary_figures f ON f.telling = t.id \
     WHERE t.subject_kind = 'summary' AND t.decided_at < $1 AND NOT EXISTS (SELECT 1 FROM notice n WHERE n.telling = t.id \
     AND (n.state IN ('waiting', 'composed') OR n.state_at >= $1)) ORDER BY t.due_at, t.id";

pub const STATEMENTS: &[&str] = &[
    SENT_BEFORE,
    LAST_DUE,
    TELL,
    NOTICE,
    DUE,
    BEFORE,
    KEEP,
    OPEN,
    RECEIVED,
    CHANGED,
    TOLD,
    REMINDERS,
    ANSWERS,
    ENDED,
    TRIED_IN_VAIN,
    TALLIES,
    COUNT_ON,
];

/// A notice of a summary that can be composed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueSummary {
    pub notice: i64,
    pub telling: i64,
    /// The summary's id.
    pub summary: String,
    /// The day as the summary's `at` names it.
    pub occurrence: String,
    pub due_at: Moment,
    pub role: String,
    pub start: String,
    pub first_attempt_at: Option<Moment>,
}

/// A summary that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeSummary {
    pub occurrence: String,
    /// It counted up to then.
    pub until: Moment,
    pub figures: Figures,
}

/// How far one is among the tickets that a summary counts: those that are open, those that were received, and those received
/// before to which something happened.
#[derive(Debug, Clone)]
pub enum Counted {
    /// In byte order of the code.
    Open {
        after: String,
    },
    Received(Place),
    /// In order of the changes.
    Changed {
        at: Moment,
        id: i64,
    },
}

impl Counted {
    #[must_use]
    pub fn first() -> Counted {
        Counted::Open { after: String::new() }
    }
}

/// The last summary of an id that had gone out by an instant, as another store begins with it.
#[derive(Debug, Clone, FromRow)]
pub struct SentSummary {
    subject: String,
    occurrence: String,
    due_at: i64,
    until: Option<i64>,
    figures: Option<String>,
}

/// A telling of a summary, with the roles as written, each with the id that it starts from.
#[derive(Debug, Clone)]
pub struct NewSummary<'a> {
    pub summary: &'a str,
    pub occurrence: &'a str,
    pub due_at: Moment,
    pub to: Vec<(String, String)>,
}

#[derive(FromRow)]
struct DueRow {
    id: i64,
    telling: i64,
    subject: String,
    occurrence: String,
    due_at: i64,
    role: String,
    start_unit: String,
    first_attempt_at: Option<i64>,
}

impl Store {
    /// When the last summary of an id that was made had fallen due.
    pub async fn last_summary_due(&self, summary: &str) -> Result<Option<Moment>, StoreError> {
        let last: Option<i64> = on!(self.db(), fetch_one(sqlx::query_scalar(LAST_DUE).bind(summary)));
        Ok(last.map(moment))
    }

    /// The last summary of each id that had gone out by an instant.
    pub async fn summaries_sent_before(&self, begins: Moment) -> Result<Vec<SentSummary>, StoreError> {
        let sent: Vec<SentSummary> = on!(self.db(), fetch_all(sqlx::query_as(SENT_BEFORE).bind(micros(begins))));
        let last: BTreeMap<String, SentSummary> = sent.into_iter().map(|s| (s.subject.clone(), s)).collect();
        Ok(last.into_values().collect())
    }

    /// Waiting notices of summaries whose recipient's window is due.
    pub async fn due_summaries(&self, now: Moment) -> Result<Vec<DueSummary>, StoreError> {
        let rows: Vec<DueRow> = on!(self.db(), fetch_all(sqlx::query_as(DUE).bind(micros(now))));
        let due = |row: DueRow| DueSummary {
            notice: row.id,
            telling: row.telling,
            summary: row.subject,
            occurrence: row.occurrence,
            due_at: moment(row.due_at),
            role: row.role,
            start: row.start_unit,
            first_attempt_at: row.first_attempt_at.map(moment),
        };
        Ok(rows.into_iter().map(due).collect())
    }

    /// The summary that was made before a telling.
    pub async fn summary_before(&self, summary: &str, telling: i64) -> Result<Option<MadeSummary>, StoreError> {
        let row: Option<(String, i64, String)> = on!(
            self.db(),
            fetch_optional(sqlx::query_as(BEFORE).bind(summary).bind(telling))
        );
        let Some((occurrence, until, figures)) = row else {
            return Ok(None);
        };
        let figures = serde_json::from_str(&figures).map_err(|e| StoreError::Corrupt {
            table: "summary_figures",
            id: format!("{summary} before {telling}"),
            what: e.to_string(),
        })?;
        let until = moment(until);
        Ok(Some(MadeSummary {
            occurrence,
            until,
            figures,
        }))
    }

    /// Open tickets, in byte order after one code.
    pub async fn open_codes(&self, after: &str, limit: i64) -> Result<Vec<String>, StoreError> {
        Ok(on!(
            self.db(),
            fetch_all(sqlx::query_scalar(OPEN).bind(after).bind(limit))
        ))
    }

    /// Tickets that are open, or were received or changed after an instant, each once, some at a time; `None` as the next
    /// at the end.
    pub async fn counted(
        &self,
        since: Moment,
        from: Counted,
        limit: i64,
    ) -> Result<(Vec<String>, Option<Counted>), StoreError> {
        let behind = since + TimeDelta::microseconds(1);
        Ok(match from {
            Counted::Open { after } => {
                let codes = self.open_codes(&after, limit).await?;
                let next = match codes.last() {
                    Some(last) => Counted::Open { after: last.clone() },
                    None => Counted::Received(Place::before(behind)),
                };
                (codes, Some(next))
            }
            Counted::Received(after) => {
                let at = micros(after.received_at);
                let rows: Vec<(i64, String)> = on!(
                    self.db(),
                    fetch_all(sqlx::query_as(RECEIVED).bind(at).bind(&after.code).bind(limit))
                );
                let next = match rows.last() {
                    Some((at, code)) => Counted::Received(Place {
                        received_at: moment(*at),
                        code: code.clone(),
                    }),
                    None => Counted::Changed { at: behind, id: 0 },
                };
                (rows.into_iter().map(|(_, code)| code).collect(), Some(next))
            }
            Counted::Changed { at, id } => {
                let rows: Vec<(i64, i64, String)> = on!(
                    self.db(),
                    fetch_all(
                        sqlx::query_as(CHANGED)
                            .bind(micros(at))
                            .bind(id)
                            .bind(micros(since))
                            .bind(limit)
                    )
                );
                let next = rows.last().map(|(at, id, _)| Counted::Changed {
                    at: moment(*at),
                    id: *id,
                });
                (rows.into_iter().map(|(_, _, code)| code).collect(), next)
            }
        })
    }

    /// How many tickets were told live and accepted after one instant up to another, by rule and step.
    pub async fn told_by_step(&self, after: Moment, until: Moment) -> Result<Vec<(String, String, i64)>, StoreError> {
        Ok(on!(
            self.db(),
            fetch_all(sqlx::query_as(TOLD).bind(micros(after)).bind(micros(until)))
        ))
    }

    /// What was told of tickets live and accepted before an instant, each when the first of its recipients took it, the
    /// earliest first; those of which nothing was are left out.
    pub async fn reminders(
        &self,
        codes: &[String],
        before: Moment,
    ) -> Result<HashMap<String, Vec<Reminder>>, StoreError> {
        let mut told: HashMap<String, Vec<Reminder>> = HashMap::new();
        for chunk in codes.chunks(CHUNK) {
            let rows: Vec<(String, String, String, i64)> = on!(
                self.db(),
                fetch_all(
                    filled(chunk)
                        .fold(sqlx::query_as(REMINDERS), |q, code| q.bind(code))
                        .bind(micros(before))
                )
            );
            for (code, rule, occurrence, at) in rows {
                told.entry(code).or_default().push(Reminder {
                    rule,
                    occurrence,
                    at: moment(at),
                });
            }
        }
        Ok(told)
    }

    /// Attempts after one instant up to another, by the answer's word.
    pub async fn answers(&self, after: Moment, until: Moment) -> Result<Vec<(String, i64)>, StoreError> {
        Ok(on!(
            self.db(),
            fetch_all(sqlx::query_as(ANSWERS).bind(micros(after)).bind(micros(until)))
        ))
    }

    /// Messages that came into a state after one instant up to another, and are in it.
    pub async fn messages_ended(&self, state: &str, after: Moment, until: Moment) -> Result<i64, StoreError> {
        Ok(on!(
            self.db(),
            fetch_one(
                sqlx::query_scalar(ENDED)
                    .bind(state)
                    .bind(micros(after))
                    .bind(micros(until))
            )
        ))
    }

    /// Messages that have been tried, nobody took, and that wait for another attempt.
    pub async fn messages_tried_in_vain(&self) -> Result<i64, StoreError> {
        Ok(on!(self.db(), fetch_one(sqlx::query_scalar(TRIED_IN_VAIN))))
    }

    /// What is counted on and on.
    pub async fn tallies(&self) -> Result<Vec<(Tally, i64)>, StoreError> {
        let rows: Vec<(String, i64)> = on!(self.db(), fetch_all(sqlx::query_as(TALLIES)));
        let known = |(name, count): (String, i64)| Some((Tally::ALL.into_iter().find(|t| t.word() == name)?, count));
        Ok(rows.into_iter().filter_map(known).collect())
    }
}

impl Tx {
    /// Makes the telling of a summary with a notice for each role; false where it was made before.
    pub async fn tell_summary(
        &mut self,
        new: &NewSummary<'_>,
        compose_at: Moment,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let telling: Option<i64> = on!(
            self.db(),
            fetch_optional(
                sqlx::query_scalar(TELL)
                    .bind(new.summary)
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
                        .bind(micros(compose_at))
                )
            );
        }
        Ok(true)
    }

    /// Begins with a summary that had gone out.
    pub async fn seed_summary(&mut self, sent: &SentSummary, now: Moment) -> Result<(), StoreError> {
        let telling: i64 = on!(
            self.db(),
            fetch_one(
                sqlx::query_scalar(TELL)
                    .bind(&sent.subject)
                    .bind(&sent.occurrence)
                    .bind(sent.due_at)
                    .bind(micros(now))
            )
        );
        if let (Some(until), Some(figures)) = (sent.until, &sent.figures) {
            on!(
                self.db(),
                execute(sqlx::query(KEEP).bind(telling).bind(until).bind(figures))
            );
        }
        Ok(())
    }

    /// Keeps what a summary counts.
    pub async fn keep_figures(&mut self, telling: i64, until: Moment, figures: &Figures) -> Result<(), StoreError> {
        self.keep_counted(telling, until, &serde_json::json!(figures).to_string())
            .await
    }

    /// Keeps what a telling without a ticket counted up to an instant.
    pub async fn keep_counted(&mut self, telling: i64, until: Moment, counted: &str) -> Result<(), StoreError> {
        on!(
            self.db(),
            execute(sqlx::query(KEEP).bind(telling).bind(micros(until)).bind(counted))
        );
        Ok(())
    }

    /// Counts on.
    pub async fn count_on(&mut self, tally: Tally, by: usize) -> Result<(), StoreError> {
        if by == 0 {
            return Ok(());
        }
        let by = i64::try_from(by).unwrap_or(i64::MAX);
        on!(self.db(), execute(sqlx::query(COUNT_ON).bind(tally.word()).bind(by)));
        Ok(())
    }
}
