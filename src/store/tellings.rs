//! Tellings and notices: what was decided, for whom, and what became of it.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::{
    CHUNK, Columns, NEWLINE, Sizes, Store, StoreError, TAB, Tx, by_chunks, filled, keys_50, micros, moment, on, pieces,
    rows,
};
use crate::domain::Moment;
use crate::domain::change::WaitingOf;
use crate::domain::notice::{Mode, NewNotice, NewTelling, Notice, NoticeState, Telling, TellingKey, Wait};
use crate::domain::rule::Channel;

const OF_TICKETS: &str = concat!(
    "SELECT string_agg(concat_ws($51, t.id, t.subject, t.mode, t.rule, t.step, t.repetition, t.occurrence, t.due_at, \
     t.decided_at, t.opening, COALESCE(CAST(t.settled_by AS TEXT), ''), n.id, n.role, n.start_unit, n.channel, n.cc, n.state, \
     n.state_at, COALESCE(CAST(n.compose_at AS TEXT), ''), COALESCE(n.wait, ''), COALESCE(CAST(n.first_attempt_at AS TEXT), ''), \
     COALESCE(n.message, '')), $52) \
     FROM telling t JOIN notice n ON n.telling = t.id WHERE t.subject_kind = 'ticket' AND t.subject IN (",
    keys_50!(),
    ")"
);
const MAX_IDS: &str = "SELECT (SELECT COALESCE(MAX(id), 0) FROM telling), (SELECT COALESCE(MAX(id), 0) FROM notice)";
const UNSETTLE: &str = "UPDATE telling SET settled_by = NULL WHERE settled_by = $1";
/// The messages that carried notices, the last one of each at the end.
const CARRIED: &str = concat!(
    "SELECT l.notice, m.id FROM message_notice l JOIN message m ON m.id = l.message WHERE l.notice IN (",
    keys_50!(),
    ") ORDER BY m.created_at, m.id"
);
const DUE_TICKETS: &str = "SELECT string_agg(subject, $4 ORDER BY subject) FROM (SELECT DISTINCT t.subject FROM notice n JOIN telling t ON t.id = n.telling \
     WHERE n.state = 'waiting' AND n.compose_at <= $1 AND t.subject_kind = 'ticket' AND t.subject > $2 ORDER BY t.subject LIMIT CAST($3 AS BIGINT)) AS page";
const WAITING_BY_STEP: &str = "SELECT t.rule, t.step, COUNT(*) FROM notice n JOIN telling t ON t.id = n.telling \
     WHERE n.state = 'waiting' GROUP BY t.rule, t.step ORDER BY t.rule, t.step";
const COUNT_WAITING: &str = "SELECT COUNT(*) FROM notice WHERE state = 'waiting'";

const BRAKE: &str = concat!(
    "UPDATE notice SET wait = 'brake' WHERE state = 'waiting' AND (wait IS NULL OR wait <> 'brake') AND id IN (",
    keys_50!(),
    ")"
);

pub const STATEMENTS: &[&str] = &[
    OF_TICKETS,
    MAX_IDS,
    UNSETTLE,
    CARRIED,
    BRAKE,
    DUE_TICKETS,
    COUNT_WAITING,
    WAITING_BY_STEP,
];

static TELL: LazyLock<Sizes> = LazyLock::new(|| {
    Sizes::new(|count| {
        format!(
            "INSERT INTO telling (id, subject_kind, subject, mode, rule, step, repetition, occurrence, due_at, decided_at, opening, settled_by) \
             VALUES {} ON CONFLICT DO NOTHING RETURNING id",
            rows("(?, 'ticket', ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)", count)
        )
    })
});
static NOTICE: LazyLock<Sizes> = LazyLock::new(|| {
    Sizes::new(|count| {
        format!(
            "INSERT INTO notice (id, telling, role, start_unit, channel, cc, state, state_at, compose_at, first_attempt_at, message) \
             VALUES {} ON CONFLICT DO NOTHING",
            rows("(?, ?, ?, ?, ?, ?, 'waiting', ?, ?, NULL, NULL)", count)
        )
    })
});
static SETTLE: LazyLock<Sizes> = LazyLock::new(|| {
    Sizes::new(|count| {
        format!(
            "WITH ended (telling, settler) AS (VALUES {}) \
             UPDATE telling SET settled_by = ended.settler FROM ended WHERE telling.id = ended.telling",
            rows("(CAST(? AS BIGINT), CAST(? AS BIGINT))", count)
        )
    })
});
static BECOME: LazyLock<Sizes> = LazyLock::new(|| {
    Sizes::new(|count| {
        format!(
            "WITH fate (notice, was, state, at, compose_at, wait, untried, letter) AS (VALUES {}) \
             UPDATE notice SET state = fate.state, state_at = COALESCE(fate.at, notice.state_at), compose_at = fate.compose_at, \
             wait = fate.wait, first_attempt_at = CASE WHEN fate.untried = 1 THEN NULL ELSE notice.first_attempt_at END, \
             message = COALESCE(fate.letter, notice.message) FROM fate WHERE notice.id = fate.notice AND notice.state = fate.was",
            rows(
                "(CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS TEXT), \
                 CAST(? AS BIGINT), CAST(? AS TEXT))",
                count
            )
        )
    })
});
/// A message that was replaced, and of which something has found no other that was taken.
static LEFT_BEHIND: LazyLock<Sizes> = LazyLock::new(|| {
    Sizes::new(|count| {
        format!(
            "WITH ended (letter, at, why) AS (VALUES {}) \
             UPDATE message SET state = 'dead', state_at = ended.at, reason = ended.why FROM ended \
             WHERE message.id = ended.letter AND message.state = 'replaced'",
            rows("(CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS TEXT))", count)
        )
    })
});

/// The statements that write several rows, for each size.
pub(super) fn with_rows() -> impl Iterator<Item = &'static str> {
    let lists = [&TELL, &NOTICE, &SETTLE, &BECOME, &LEFT_BEHIND];
    lists.into_iter().flat_map(|sizes| sizes.iter().map(String::as_str))
}

/// A telling without its notices, from the left of a line of [`OF_TICKETS`].
fn telling(columns: &mut Columns<'_>) -> Result<Telling, StoreError> {
    let id = columns.number()?;
    let (ticket, word) = (columns.text()?, columns.text()?);
    Ok(Telling {
        id,
        key: TellingKey {
            mode: mode(word).ok_or_else(|| columns.corrupt(format!("unknown mode `{word}`")))?,
            ticket: ticket.to_owned(),
            rule: columns.text()?.to_owned(),
            step: columns.text()?.to_owned(),
            repetition: u32::try_from(columns.number()?).map_err(|e| columns.corrupt(e))?,
            occurrence: columns.text()?.to_owned(),
        },
        due_at: moment(columns.number()?),
        decided_at: moment(columns.number()?),
        opening: columns.number()? != 0,
        settled_by: columns.optional_number()?,
        notices: Vec::new(),
    })
}

/// The notice behind it.
fn notice(columns: &mut Columns<'_>) -> Result<Notice, StoreError> {
    let id = columns.number()?;
    let bad = |what: String| StoreError::Corrupt {
        table: "notice",
        id: id.to_string(),
        what,
    };
    let (role, start, by) = (columns.text()?, columns.text()?, columns.text()?);
    let cc = columns.number()? != 0;
    let state = columns.text()?;
    let at = moment(columns.number()?);
    let compose_at = columns.optional_number()?.map(moment);
    let wait = columns.optional_text()?;
    Ok(Notice {
        id,
        role: role.to_owned(),
        start: start.to_owned(),
        channel: channel(by).ok_or_else(|| bad(format!("unknown channel `{by}`")))?,
        cc,
        state: NoticeState::ALL
            .into_iter()
            .find(|s| s.word() == state)
            .ok_or_else(|| bad(format!("unknown state `{state}`")))?,
        at,
        compose_at,
        wait: Wait::parse(wait).ok_or_else(|| bad(format!("unknown reason to wait `{}`", wait.unwrap_or_default())))?,
        first_attempt_at: columns.optional_number()?.map(moment),
        message: columns.optional_text()?.map(str::to_owned),
    })
}

fn channel(word: &str) -> Option<Channel> {
    [Channel::Email, Channel::Webhook]
        .into_iter()
        .find(|c| c.word() == word)
}

pub(super) fn mode(word: &str) -> Option<Mode> {
    [Mode::Live, Mode::Shadow].into_iter().find(|m| m.word() == word)
}

/// All tellings about some tickets, read from the open store or within a transaction.
macro_rules! tellings {
    ($from:ident, $codes:expr) => {{
        let mut found = HashMap::new();
        by_chunks!(
            $from.db(),
            |chunk| fetch_one(
                filled(chunk)
                    .fold(sqlx::query_scalar(OF_TICKETS), |q, code| q.bind(code))
                    .bind(TAB)
                    .bind(NEWLINE)
            ) in $codes,
            |lines: Option<String>| join(lines.as_deref(), &mut found)
        );
        Ok(found)
    }};
}

/// Adds what lines of [`OF_TICKETS`] hold, oldest first.
fn join(lines: Option<&str>, found: &mut HashMap<String, Vec<Telling>>) -> Result<(), StoreError> {
    let mut read = Vec::new();
    for mut columns in Columns::of_each("telling", lines) {
        let telling = telling(&mut columns)?;
        read.push((telling, notice(&mut columns)?));
        columns.end()?;
    }
    read.sort_unstable_by_key(|(telling, notice)| (telling.id, notice.id));
    for (telling, notice) in read {
        let of_ticket = match found.get_mut(&telling.key.ticket) {
            Some(of_ticket) => of_ticket,
            None => found.entry(telling.key.ticket.clone()).or_default(),
        };
        match of_ticket.last_mut().filter(|last| last.id == telling.id) {
            Some(last) => last.notices.push(notice),
            None => of_ticket.push(Telling {
                notices: vec![notice],
                ..telling
            }),
        }
    }
    Ok(())
}

impl Store {
    /// All tellings about the tickets, with their notices, by ticket code, oldest first.
    pub async fn tellings(&self, codes: &[String]) -> Result<HashMap<String, Vec<Telling>>, StoreError> {
        tellings!(self, codes)
    }

    /// Tickets with waiting notices whose recipient's digest or window is due, in byte order after one code.
    pub async fn tickets_with_due_notices(
        &self,
        now: Moment,
        after: &str,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        let lines: Option<String> = on!(
            self.db(),
            fetch_one(
                sqlx::query_scalar(DUE_TICKETS)
                    .bind(micros(now))
                    .bind(after)
                    .bind(limit)
                    .bind(NEWLINE)
            )
        );
        let codes = lines.iter().flat_map(|lines| lines.split('\n'));
        Ok(codes.map(str::to_owned).collect())
    }

    /// The same by rule and step.
    pub async fn waiting_by_step(&self) -> Result<Vec<WaitingOf>, StoreError> {
        let rows: Vec<(String, String, i64)> = on!(self.db(), fetch_all(sqlx::query_as(WAITING_BY_STEP)));
        let of = |(rule, step, notices)| WaitingOf { rule, step, notices };
        Ok(rows.into_iter().map(of).collect())
    }

    /// Notices that wait for their digest or window.
    pub async fn count_waiting_notices(&self) -> Result<i64, StoreError> {
        Ok(on!(self.db(), fetch_one(sqlx::query_scalar(COUNT_WAITING))))
    }
}

/// A telling to be made, with the instant at which each of its notices can be composed.
#[derive(Debug, Clone)]
pub struct Tell {
    pub telling: NewTelling,
    pub compose_at: Vec<Moment>,
}

/// What becomes of a notice beside going into a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It waited, and its fact is over.
    Lapsed,
    /// It waited, and its rule or step has been removed.
    Removed(Wait),
    /// It had lapsed, and its fact and occurrence have returned: it can be composed from then on, as if for the first time.
    Revived(Moment),
    /// It waited, and a higher step to the same recipient replaces it today.
    PassedOver,
    /// It waits on: its recipient's digest or window comes then.
    Postponed(Moment, Wait),
    /// A silence or an acknowledgement holds it back until then. It is not tried meanwhile: the time after which it is
    /// given up begins anew.
    Held(Moment, Wait),
}

/// A notice's row after its fate.
struct Became {
    was: NoticeState,
    state: NoticeState,
    compose_at: Option<Moment>,
    wait: Option<String>,
    /// Its first attempt is forgotten.
    is_untried: bool,
    message: Option<String>,
}

impl Became {
    fn ended(state: NoticeState) -> Became {
        Became {
            was: NoticeState::Waiting,
            state,
            compose_at: None,
            wait: None,
            is_untried: false,
            message: None,
        }
    }

    fn waiting(compose_at: Moment, wait: Wait) -> Became {
        Became {
            compose_at: Some(compose_at),
            wait: wait.key(),
            ..Became::ended(NoticeState::Waiting)
        }
    }
}

impl From<Fate> for Became {
    fn from(fate: Fate) -> Became {
        match fate {
            Fate::Lapsed => Became::ended(NoticeState::Lapsed),
            Fate::Removed(part) => Became {
                wait: part.key(),
                ..Became::ended(NoticeState::Lapsed)
            },
            Fate::PassedOver => Became::ended(NoticeState::PassedOver),
            Fate::Postponed(at, wait) => Became::waiting(at, wait),
            Fate::Held(until, wait) => Became {
                is_untried: true,
                ..Became::waiting(until, wait)
            },
            Fate::Revived(at) => Became {
                was: NoticeState::Lapsed,
                is_untried: true,
                ..Became::waiting(at, Wait::Hours)
            },
        }
    }
}

impl Tx {
    /// As [`Store::tellings`]; nobody changes them before the transaction ends.
    pub async fn tellings(&mut self, codes: &[String]) -> Result<HashMap<String, Vec<Telling>>, StoreError> {
        tellings!(self, codes)
    }

    /// Makes tellings with their waiting notices; the id of each, `None` where it was made before.
    pub async fn tell(&mut self, list: &[Tell], now: Moment) -> Result<Vec<Option<i64>>, StoreError> {
        if list.is_empty() {
            return Ok(Vec::new());
        }
        let (last, last_notice): (i64, i64) = on!(self.db(), fetch_one(sqlx::query_as(MAX_IDS)));
        let numbered: Vec<(i64, &Tell)> = (last + 1..).zip(list).collect();
        let mut made = HashSet::new();
        for (place, piece) in pieces(&numbered) {
            let ids: Vec<i64> = on!(self.db(), |kind| fetch_all(piece.iter().fold(
                sqlx::query_scalar(TELL.text(place, kind)),
                |q, (id, tell)| {
                    let new = &tell.telling;
                    q.bind(id)
                        .bind(&new.key.ticket)
                        .bind(new.key.mode.word())
                        .bind(&new.key.rule)
                        .bind(&new.key.step)
                        .bind(i64::from(new.key.repetition))
                        .bind(&new.key.occurrence)
                        .bind(micros(new.due_at))
                        .bind(micros(now))
                        .bind(i64::from(new.opening))
                }
            )));
            made.extend(ids);
        }
        let told = numbered.iter().filter(|(id, _)| made.contains(id));
        let notices = told.flat_map(|(id, tell)| {
            let each = tell.telling.notices.iter().zip(&tell.compose_at);
            each.map(move |(notice, at)| (*id, notice, *at))
        });
        let notices: Vec<(i64, (i64, &NewNotice, Moment))> = (last_notice + 1..).zip(notices).collect();
        for (place, piece) in pieces(&notices) {
            on!(self.db(), |kind| execute(piece.iter().fold(
                sqlx::query(NOTICE.text(place, kind)),
                |q, (id, (telling, notice, at))| {
                    q.bind(id)
                        .bind(telling)
                        .bind(&notice.role)
                        .bind(&notice.start)
                        .bind(notice.channel.word())
                        .bind(i64::from(notice.cc))
                        .bind(micros(now))
                        .bind(micros(*at))
                }
            )));
        }
        Ok(numbered
            .iter()
            .map(|(id, _)| made.contains(id).then_some(*id))
            .collect())
    }

    /// The endings of tellings' matters are told by other tellings: (telling, by).
    pub async fn settle(&mut self, list: &[(i64, i64)]) -> Result<(), StoreError> {
        for (place, piece) in pieces(list) {
            on!(self.db(), |kind| execute(
                piece
                    .iter()
                    .fold(sqlx::query(SETTLE.text(place, kind)), |q, (telling, by)| q
                        .bind(telling)
                        .bind(by))
            ));
        }
        Ok(())
    }

    /// An ending was taken back untold.
    pub async fn unsettle(&mut self, by: i64) -> Result<(), StoreError> {
        on!(self.db(), execute(sqlx::query(UNSETTLE).bind(by)));
        Ok(())
    }

    /// Settles what becomes of notices; one that is not what its fate is meant for stays as it is.
    pub async fn befall(&mut self, list: &[(i64, Fate)], now: Moment) -> Result<(), StoreError> {
        let list: Vec<(i64, Became)> = list.iter().map(|(id, fate)| (*id, (*fate).into())).collect();
        self.become_all(&list, now).await
    }

    /// Gives waiting notices up that were first tried too long ago, each for a reason. The last message that carried one
    /// is dead with it, and is listed, counted and tried again as that: how many messages died so.
    pub async fn give_up(&mut self, list: &[(i64, String)], now: Moment) -> Result<u64, StoreError> {
        let ids: Vec<i64> = list.iter().map(|(id, _)| *id).collect();
        let mut last: HashMap<i64, String> = HashMap::new();
        for chunk in ids.chunks(CHUNK) {
            let carried: Vec<(i64, String)> = on!(
                self.db(),
                fetch_all(filled(chunk).fold(sqlx::query_as(CARRIED), |q, id| q.bind(id)))
            );
            last.extend(carried);
        }
        let over = |(id, _): &(i64, String)| {
            let message = last.get(id).cloned();
            let ended = Became::ended(NoticeState::Dead);
            (*id, Became { message, ..ended })
        };
        self.become_all(&list.iter().map(over).collect::<Vec<_>>(), now).await?;
        let letters: HashMap<&str, &str> = list
            .iter()
            .filter_map(|(id, why)| Some((last.get(id)?.as_str(), why.as_str())))
            .collect();
        let letters: Vec<(&str, &str)> = letters.into_iter().collect();
        let mut died = 0;
        for (place, piece) in pieces(&letters) {
            died +=
                on!(self.db(), |kind| execute(piece.iter().fold(
                    sqlx::query(LEFT_BEHIND.text(place, kind)),
                    |q, (letter, why)| q.bind(*letter).bind(micros(now)).bind(*why)
                )));
        }
        // Their ladders may climb now.
        let letters: Vec<&str> = letters.into_iter().map(|(letter, _)| letter).collect();
        self.wake_told(&letters, now).await?;
        Ok(died)
    }

    async fn become_all(&mut self, list: &[(i64, Became)], now: Moment) -> Result<(), StoreError> {
        for (place, piece) in pieces(list) {
            on!(self.db(), |kind| execute(piece.iter().fold(
                sqlx::query(BECOME.text(place, kind)),
                |q, (id, became)| {
                    q.bind(id)
                        .bind(became.was.word())
                        .bind(became.state.word())
                        .bind((became.was != became.state).then(|| micros(now)))
                        .bind(became.compose_at.map(micros))
                        .bind(&became.wait)
                        .bind(i64::from(became.is_untried))
                        .bind(&became.message)
                }
            )));
        }
        Ok(())
    }

    /// Waiting notices that are due and have to wait for the brake.
    pub async fn brake(&mut self, notices: &[i64]) -> Result<(), StoreError> {
        for chunk in notices.chunks(CHUNK) {
            on!(
                self.db(),
                execute(filled(chunk).fold(sqlx::query(BRAKE), |q, notice| q.bind(notice)))
            );
        }
        Ok(())
    }
}
