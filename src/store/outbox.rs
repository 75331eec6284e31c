//! Messages: durable before the first attempt, unchanged through all of them, each attempt recorded.
//!
//! A message is claimed under a lease, sent outside any transaction, and settled by the holder of the claim only. A
//! claim that was never settled (the process ended) counts as an unknown answer when the next one takes over.

use sqlx::FromRow;

use super::{CHUNK, Store, StoreError, Tx, filled, keys_50, micros, moment};
use crate::domain::Moment;
use crate::domain::rule::Channel;

const INSERT: &str = "INSERT INTO message (id, mode, channel, form, unit, desk, matter, digest_key, recipients, subject, rules, steps, notices, \
     state, state_at, reason, urgent, created_at, first_attempt_at, next_attempt_at, replace_at, attempts, unknown, claimed_by, claimed_until) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'waiting', $14, NULL, $15, $14, NULL, $14, $16, 0, 0, NULL, NULL) \
     ON CONFLICT DO NOTHING";
const INSERT_BODY: &str = "INSERT INTO body (message, bytes) VALUES ($1, $2)";
const LINK: &str = concat!(
    "INSERT INTO message_notice (message, notice) SELECT $51, id FROM notice WHERE id IN (",
    keys_50!(),
    ")"
);
const COMPOSED: &str = concat!(
    "UPDATE notice SET state = 'composed', state_at = $52, compose_at = NULL, message = $51 WHERE state = 'waiting' AND id IN (",
    keys_50!(),
    ")"
);
const CLAIMABLE: &str = "SELECT id, unit, recipients, bytes, urgent, attempts, first_attempt_at, claimed_by FROM message JOIN body ON message = id \
     WHERE state = 'waiting' AND next_attempt_at <= $1 AND (claimed_until IS NULL OR claimed_until <= $1) ORDER BY next_attempt_at, id LIMIT $2";
const CLAIM: &str = "UPDATE message SET claimed_by = $2, claimed_until = $3 \
     WHERE id = $1 AND state = 'waiting' AND (claimed_until IS NULL OR claimed_until <= $4)";
const VOID_CLAIMS: &str =
    "UPDATE message SET claimed_until = $1 WHERE state = 'waiting' AND claimed_by IS NOT NULL AND claimed_until > $1";
const LEFT_OPEN: &str = "UPDATE message SET unknown = unknown + 1, attempts = attempts + 1, claimed_by = NULL, claimed_until = NULL, \
     first_attempt_at = COALESCE(first_attempt_at, $2) WHERE id = $1";
const POSTPONE: &str = "UPDATE message SET next_attempt_at = $2, claimed_by = NULL, claimed_until = NULL \
     WHERE id = $1 AND claimed_by = $3 AND state = 'waiting'";
const SETTLE: &str = "UPDATE message SET state = $3, state_at = $4, reason = $5, next_attempt_at = $6, attempts = attempts + 1, unknown = unknown + $7, \
     first_attempt_at = COALESCE(first_attempt_at, $4), claimed_by = NULL, claimed_until = NULL \
     WHERE id = $1 AND claimed_by = $2 AND state = 'waiting'";
const NOTICES_SETTLED: &str = "UPDATE notice SET state = $2, state_at = $3, first_attempt_at = COALESCE(first_attempt_at, $3) \
     WHERE message = $1 AND state = 'composed'";
const NOTICES_TRIED: &str =
    "UPDATE notice SET first_attempt_at = COALESCE(first_attempt_at, $2) WHERE message = $1 AND state = 'composed'";
const TICKETS_WAKE: &str = "UPDATE ticket SET next_at = $2 WHERE (next_at IS NULL OR next_at > $2) AND code IN \
     (SELECT t.subject FROM notice n JOIN telling t ON t.id = n.telling WHERE n.message = $1 AND t.subject_kind = 'ticket')";
const MAX_ATTEMPT: &str = "SELECT COALESCE(MAX(id), 0) FROM attempt";
const ATTEMPT: &str = "INSERT INTO attempt (id, message, at, answer, detail) VALUES ($1, $2, $3, $4, $5)";
const REPLACEABLE: &str = "SELECT id, unit FROM message WHERE state = 'waiting' AND replace_at <= $1 AND unknown = 0 AND claimed_by IS NULL ORDER BY replace_at, id LIMIT $2";
const REPLACE: &str = "UPDATE message SET state = 'replaced', state_at = $2, next_attempt_at = NULL, digest_key = NULL, \
     reason = 'not accepted when the next digest was due' WHERE id = $1 AND state = 'waiting' AND unknown = 0 AND claimed_by IS NULL";
const NOTICES_FREED: &str = "UPDATE notice SET state = 'waiting', state_at = $2, compose_at = $2, message = NULL WHERE message = $1 AND state = 'composed'";
const LAST_FIRST_TRY: &str = "SELECT MAX(COALESCE(first_attempt_at, $2)) FROM notice WHERE message = $1";
const GIVE_UP: &str = "UPDATE message SET state = 'dead', state_at = $2, next_attempt_at = NULL, reason = $3 \
     WHERE id = $1 AND state = 'waiting' AND unknown = 0 AND claimed_by IS NULL";
const ROLES_TOLD: &str = "SELECT DISTINCT role FROM notice WHERE message = $1 ORDER BY role";
const DIGEST_MADE: &str = "SELECT COUNT(*) FROM message WHERE digest_key = $1";
const THREAD: &str =
    "SELECT id FROM message WHERE matter = $1 AND state = 'accepted' ORDER BY created_at DESC, id DESC LIMIT 20";
const LIST: &str = "SELECT id, state, channel, form, mode, unit, desk, subject, rules, steps, notices, attempts, unknown, created_at, next_attempt_at, state_at, reason FROM message \
     WHERE ($1 = '' OR state = $1) AND created_at >= $2 ORDER BY created_at, id LIMIT $3";
const SHOW: &str = "SELECT id, state, channel, form, mode, unit, desk, subject, rules, steps, notices, attempts, unknown, created_at, next_attempt_at, state_at, reason FROM message WHERE id = $1";
const OF_TICKET: &str = "SELECT DISTINCT m.id, m.state, m.channel, m.form, m.mode, m.unit, m.desk, m.subject, m.rules, m.steps, m.notices, m.attempts, m.unknown, \
     m.created_at, m.next_attempt_at, m.state_at, m.reason FROM message m JOIN message_notice l ON l.message = m.id JOIN notice n ON n.id = l.notice \
     JOIN telling t ON t.id = n.telling WHERE t.subject = $1 AND t.subject_kind = 'ticket' ORDER BY m.created_at, m.id";
const BODY: &str = "SELECT bytes FROM body WHERE message = $1";
const ATTEMPTS: &str = "SELECT at, answer, detail FROM attempt WHERE message = $1 ORDER BY at, id";
const COUNT_WAITING: &str = "SELECT COUNT(*) FROM message WHERE state = 'waiting'";
const COUNTS: &str = "SELECT state, COUNT(*), COALESCE(MIN(created_at), 0), CAST(COALESCE(SUM(unknown), 0) AS BIGINT) FROM message GROUP BY state";

pub const STATEMENTS: &[&str] = &[
    INSERT,
    INSERT_BODY,
    LINK,
    COMPOSED,
    CLAIMABLE,
    CLAIM,
    VOID_CLAIMS,
    LEFT_OPEN,
    POSTPONE,
    SETTLE,
    NOTICES_SETTLED,
    NOTICES_TRIED,
    TICKETS_WAKE,
    MAX_ATTEMPT,
    ATTEMPT,
    REPLACEABLE,
    REPLACE,
    NOTICES_FREED,
    LAST_FIRST_TRY,
    GIVE_UP,
    ROLES_TOLD,
    DIGEST_MADE,
    THREAD,
    LIST,
    SHOW,
    OF_TICKET,
    BODY,
    ATTEMPTS,
    COUNT_WAITING,
    COUNTS,
];

/// Whether a message gathers what a recipient owes, or speaks of one ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    Digest,
    Single,
}

impl Form {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Form::Digest => "digest",
            Form::Single => "single",
        }
    }
}

/// A message ready to be stored; its bytes never change again.
#[derive(Debug, Clone)]
pub struct NewMessage {
    pub id: String,
    pub mode: &'static str,
    pub channel: Channel,
    pub form: Form,
    pub unit: String,
    pub desk: &'static str,
    /// Unit, role and period for digests, the ticket for single mails: the thread.
    pub matter: String,
    /// Unique: at most one digest a recipient and date.
    pub digest_key: Option<String>,
    pub recipients: Vec<String>,
    pub subject: String,
    pub body: Vec<u8>,
    pub rules: Vec<String>,
    pub steps: Vec<String>,
    pub notices: Vec<i64>,
    pub urgent: bool,
    /// Not accepted by then: its notices go into a new message.
    pub replace_at: Option<Moment>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageState {
    Waiting,
    Accepted,
    Dead,
    Replaced,
}

impl MessageState {
    pub const ALL: [MessageState; 4] = [
        MessageState::Waiting,
        MessageState::Accepted,
        MessageState::Dead,
        MessageState::Replaced,
    ];

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            MessageState::Waiting => "waiting",
            MessageState::Accepted => "accepted",
            MessageState::Dead => "dead",
            MessageState::Replaced => "replaced",
        }
    }
}

/// A message under a lease. Made only by claiming, used up by settling.
#[derive(Debug)]
pub struct Claim {
    pub id: String,
    pub unit: String,
    pub recipients: Vec<String>,
    pub body: Vec<u8>,
    pub urgent: bool,
    pub attempts: i64,
    pub first_attempt_at: Option<Moment>,
    by: String,
}

/// How a claim ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    pub state: MessageState,
    /// The answer's word for the attempt: accepted, later, never, unknown.
    pub answer: &'static str,
    pub detail: String,
    /// For a message that stays waiting.
    pub next_attempt_at: Option<Moment>,
    pub unknown: bool,
}

/// A line of `outbox list`.
#[derive(Debug, Clone, FromRow)]
pub struct Listed {
    pub id: String,
    pub state: String,
    pub channel: String,
    pub form: String,
    pub mode: String,
    pub unit: String,
    pub desk: String,
    pub subject: String,
    /// JSON arrays of ids.
    pub rules: String,
    pub steps: String,
    pub notices: i64,
    pub attempts: i64,
    pub unknown: i64,
    pub created_at: i64,
    pub next_attempt_at: Option<i64>,
    pub state_at: i64,
    pub reason: Option<String>,
}

impl Listed {
    #[must_use]
    pub fn created(&self) -> Moment {
        moment(self.created_at)
    }

    #[must_use]
    pub fn next_attempt(&self) -> Option<Moment> {
        self.next_attempt_at.map(moment)
    }

    /// When the message came into its state.
    #[must_use]
    pub fn since(&self) -> Moment {
        moment(self.state_at)
    }
}

/// One recorded attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub at: Moment,
    pub answer: String,
    pub detail: String,
}

/// Messages in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateCount {
    pub state: String,
    pub messages: i64,
    pub oldest_created: Moment,
    pub unknown: i64,
}

#[derive(FromRow)]
struct ClaimRow {
    id: String,
    unit: String,
    recipients: String,
    bytes: Vec<u8>,
    urgent: i64,
    attempts: i64,
    first_attempt_at: Option<i64>,
    claimed_by: Option<String>,
}

impl Store {
    /// Claims messages whose attempt is due, for `by` until the lease ends. A claim left open by a process that ended
    /// is recorded as an unknown answer first.
    pub async fn claim(&self, by: &str, now: Moment, until: Moment, limit: usize) -> Result<Vec<Claim>, StoreError> {
        let mut tx = self.begin().await?;
        let rows: Vec<ClaimRow> = sqlx::query_as(CLAIMABLE)
            .bind(micros(now))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(tx.db())
            .await?;
        let mut claims = Vec::with_capacity(rows.len());
        for row in rows {
            let left_open = row.claimed_by.is_some();
            if left_open {
                sqlx::query(LEFT_OPEN)
                    .bind(&row.id)
                    .bind(micros(now))
                    .execute(tx.db())
                    .await?;
                tx.attempt(
                    &row.id,
                    now,
                    "unknown",
                    "the process ended before the answer was recorded",
                )
                .await?;
                sqlx::query(NOTICES_TRIED)
                    .bind(&row.id)
                    .bind(micros(now))
                    .execute(tx.db())
                    .await?;
            }
            let taken = sqlx::query(CLAIM)
                .bind(&row.id)
                .bind(by)
                .bind(micros(until))
                .bind(micros(now))
                .execute(tx.db())
                .await?;
            if taken.rows_affected() != 1 {
                continue;
            }
            let recipients = serde_json::from_str(&row.recipients).map_err(|e| StoreError::Corrupt {
                table: "message",
                id: row.id.clone(),
                what: e.to_string(),
            })?;
            claims.push(Claim {
                id: row.id,
                unit: row.unit,
                recipients,
                body: row.bytes,
                urgent: row.urgent != 0,
                attempts: row.attempts + i64::from(left_open),
                first_attempt_at: row.first_attempt_at.map(moment).or(left_open.then_some(now)),
                by: by.to_owned(),
            });
        }
        tx.commit().await?;
        Ok(claims)
    }

    /// The ids of the last accepted messages of a matter, oldest first: the thread to answer in.
    pub async fn thread(&self, matter: &str) -> Result<Vec<String>, StoreError> {
        let mut ids: Vec<String> = sqlx::query_scalar(THREAD).bind(matter).fetch_all(&self.pool).await?;
        ids.reverse();
        Ok(ids)
    }

    /// Waiting messages, each with its recipient's unit, whose recipient's next digest is due; none with an unknown
    /// attempt.
    pub async fn replaceable(&self, now: Moment, limit: i64) -> Result<Vec<(String, String)>, StoreError> {
        Ok(sqlx::query_as(REPLACEABLE)
            .bind(micros(now))
            .bind(limit)
            .fetch_all(&self.pool)
            .await?)
    }

    /// Since when every notice of a message has been tried, through all the messages that carried it: `now` where one
    /// has not been tried yet.
    pub async fn all_tried_since(&self, message: &str, now: Moment) -> Result<Moment, StoreError> {
        let last: Option<i64> = sqlx::query_scalar(LAST_FIRST_TRY)
            .bind(message)
            .bind(micros(now))
            .fetch_one(&self.pool)
            .await?;
        Ok(last.map_or(now, moment))
    }

    /// The roles, as written, of the notices that a message carries.
    pub async fn roles_told(&self, message: &str) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar(ROLES_TOLD)
            .bind(message)
            .fetch_all(&self.pool)
            .await?)
    }

    /// Messages by state (all where `None`) made since an instant, oldest first.
    pub async fn messages(&self, state: Option<&str>, since: Moment, limit: i64) -> Result<Vec<Listed>, StoreError> {
        Ok(sqlx::query_as(LIST)
            .bind(state.unwrap_or(""))
            .bind(micros(since))
            .bind(limit)
            .fetch_all(&self.pool)
            .await?)
    }

    /// One message by its id.
    pub async fn message(&self, id: &str) -> Result<Option<Listed>, StoreError> {
        Ok(sqlx::query_as(SHOW).bind(id).fetch_optional(&self.pool).await?)
    }

    /// Every message that carried a notice about the ticket.
    pub async fn messages_of_ticket(&self, code: &str) -> Result<Vec<Listed>, StoreError> {
        Ok(sqlx::query_as(OF_TICKET).bind(code).fetch_all(&self.pool).await?)
    }

    /// The bytes of a message.
    pub async fn body(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(sqlx::query_scalar(BODY).bind(id).fetch_optional(&self.pool).await?)
    }

    /// The attempts of a message, oldest first.
    pub async fn attempts(&self, id: &str) -> Result<Vec<Attempt>, StoreError> {
        let rows: Vec<(i64, String, String)> = sqlx::query_as(ATTEMPTS).bind(id).fetch_all(&self.pool).await?;
        Ok(rows
            .into_iter()
            .map(|(at, answer, detail)| Attempt {
                at: moment(at),
                answer,
                detail,
            })
            .collect())
    }

    /// Messages that wait for an attempt.
    pub async fn count_waiting_messages(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(COUNT_WAITING).fetch_one(&self.pool).await?)
    }

    /// Messages by state; looks at every message there is.
    pub async fn message_counts(&self) -> Result<Vec<StateCount>, StoreError> {
        let rows: Vec<(String, i64, i64, i64)> = sqlx::query_as(COUNTS).fetch_all(&self.pool).await?;
        Ok(rows
            .into_iter()
            .map(|(state, messages, oldest, unknown)| StateCount {
                state,
                messages,
                oldest_created: moment(oldest),
                unknown,
            })
            .collect())
    }
}

impl Tx {
    /// Whether the digest of a recipient and date has been made.
    pub async fn digest_made(&mut self, digest_key: &str) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar::<_, i64>(DIGEST_MADE)
            .bind(digest_key)
            .fetch_one(self.db())
            .await?
            > 0)
    }

    async fn attempt(&mut self, message: &str, at: Moment, answer: &str, detail: &str) -> Result<(), StoreError> {
        let last: i64 = sqlx::query_scalar(MAX_ATTEMPT).fetch_one(self.db()).await?;
        sqlx::query(ATTEMPT)
            .bind(last + 1)
            .bind(message)
            .bind(micros(at))
            .bind(answer)
            .bind(detail)
            .execute(self.db())
            .await?;
        Ok(())
    }

    /// Stores a composed message and moves its notices into it; false (and nothing stored) where its digest exists.
    pub async fn compose(&mut self, new: &NewMessage, now: Moment) -> Result<bool, StoreError> {
        let json = |list: &[String]| serde_json::Value::from(list.to_vec()).to_string();
        let made = sqlx::query(INSERT)
            .bind(&new.id)
            .bind(new.mode)
            .bind(new.channel.word())
            .bind(new.form.word())
            .bind(&new.unit)
            .bind(new.desk)
            .bind(&new.matter)
            .bind(&new.digest_key)
            .bind(json(&new.recipients))
            .bind(&new.subject)
            .bind(json(&new.rules))
            .bind(json(&new.steps))
            .bind(i64::try_from(new.notices.len()).unwrap_or(i64::MAX))
            .bind(micros(now))
            .bind(i64::from(new.urgent))
            .bind(new.replace_at.map(micros))
            .execute(self.db())
            .await?
            .rows_affected();
        if made == 0 {
            return Ok(false);
        }
        sqlx::query(INSERT_BODY)
            .bind(&new.id)
            .bind(&new.body)
            .execute(self.db())
            .await?;
        for chunk in new.notices.chunks(CHUNK) {
            let link = filled(chunk).fold(sqlx::query(LINK), |q, notice| q.bind(notice));
            link.bind(&new.id).execute(self.db()).await?;
            let moved = filled(chunk).fold(sqlx::query(COMPOSED), |q, notice| q.bind(notice));
            moved.bind(&new.id).bind(micros(now)).execute(self.db()).await?;
        }
        Ok(true)
    }

    /// Records the answer of an attempt; false where the claim had been taken over and nothing was changed.
    pub async fn settle_message(&mut self, claim: &Claim, end: &Settlement, at: Moment) -> Result<bool, StoreError> {
        let changed = sqlx::query(SETTLE)
            .bind(&claim.id)
            .bind(&claim.by)
            .bind(end.state.word())
            .bind(micros(at))
            .bind((end.state != MessageState::Accepted).then_some(&end.detail))
            .bind(end.next_attempt_at.map(micros))
            .bind(i64::from(end.unknown))
            .execute(self.db())
            .await?
            .rows_affected();
        self.attempt(&claim.id, at, end.answer, &end.detail).await?;
        if changed != 1 {
            return Ok(false);
        }
        match end.state {
            MessageState::Accepted | MessageState::Dead => self.settle_notices(&claim.id, end.state, at).await?,
            MessageState::Waiting | MessageState::Replaced => {
                sqlx::query(NOTICES_TRIED)
                    .bind(&claim.id)
                    .bind(micros(at))
                    .execute(self.db())
                    .await?;
            }
        }
        Ok(true)
    }

    /// Gives a claim back unsent until its recipient's window opens; false where it had been taken over.
    pub async fn put_back(&mut self, claim: &Claim, next_attempt_at: Moment) -> Result<bool, StoreError> {
        let changed = sqlx::query(POSTPONE)
            .bind(&claim.id)
            .bind(micros(next_attempt_at))
            .bind(&claim.by)
            .execute(self.db())
            .await?
            .rows_affected();
        Ok(changed == 1)
    }

    /// Replaces a message that was not accepted in time: its notices wait again.
    pub async fn replace(&mut self, id: &str, now: Moment) -> Result<bool, StoreError> {
        let replaced = sqlx::query(REPLACE)
            .bind(id)
            .bind(micros(now))
            .execute(self.db())
            .await?
            .rows_affected()
            == 1;
        if replaced {
            sqlx::query(NOTICES_FREED)
                .bind(id)
                .bind(micros(now))
                .execute(self.db())
                .await?;
        }
        Ok(replaced)
    }

    /// Gives a message up with its notices; false where it may have arrived, is being sent, or has ended.
    pub async fn give_up_message(&mut self, id: &str, why: &str, now: Moment) -> Result<bool, StoreError> {
        let ended = sqlx::query(GIVE_UP)
            .bind(id)
            .bind(micros(now))
            .bind(why)
            .execute(self.db())
            .await?
            .rows_affected()
            == 1;
        if ended {
            self.settle_notices(id, MessageState::Dead, now).await?;
        }
        Ok(ended)
    }

    async fn settle_notices(&mut self, message: &str, state: MessageState, at: Moment) -> Result<(), StoreError> {
        sqlx::query(NOTICES_SETTLED)
            .bind(message)
            .bind(state.word())
            .bind(micros(at))
            .execute(self.db())
            .await?;
        // An answer can open the next step of each ticket's ladder.
        sqlx::query(TICKETS_WAKE)
            .bind(message)
            .bind(micros(at))
            .execute(self.db())
            .await?;
        Ok(())
    }

    /// Ends all leases: the process that held them is gone, since this one holds the store.
    pub async fn void_claims(&mut self, now: Moment) -> Result<u64, StoreError> {
        Ok(sqlx::query(VOID_CLAIMS)
            .bind(micros(now))
            .execute(self.db())
            .await?
            .rows_affected())
    }
}
