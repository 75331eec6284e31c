//! Messages: durable before the first attempt, unchanged through all of them, each attempt recorded.
//!
//! A message is claimed under a lease, sent outside any transaction, and settled by the holder of the claim only. A
//! claim that was never settled (the process ended) counts as an unknown answer when the next one takes over.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use chrono::TimeDelta;
use sqlx::FromRow;

use super::{CHUNK, Sizes, Store, StoreError, Tx, filled, keys_50, micros, moment, on, pieces, rows};
use crate::domain::Moment;
use crate::domain::notice::NoticeState;
use crate::domain::rule::Channel;

/// A lease that ends much later than one that begins now is by a clock that was set back since: nobody is at work under it.
const CLAIMABLE: &str = "SELECT id, unit, recipients, bytes, urgent, created_at, attempts, first_attempt_at, claimed_by FROM message JOIN body ON message = id \
     WHERE state = 'waiting' AND channel = $4 AND next_attempt_at <= $1 AND (claimed_until IS NULL OR claimed_until <= $2 OR claimed_until > $5) \
     AND NOT EXISTS (SELECT 1 FROM meta WHERE name = 'paused') ORDER BY next_attempt_at, id LIMIT CAST($3 AS BIGINT)";
/// When the first of each of two channels is due. Minima, as in [`FIRST_TO_COMPOSE`].
const FIRST_DUE: &str = "SELECT (SELECT MIN(next_attempt_at) FROM message WHERE state = 'waiting' AND channel = $1), \
     (SELECT MIN(next_attempt_at) FROM message WHERE state = 'waiting' AND channel = $2)";
const CLAIM: &str = concat!(
    "UPDATE message SET claimed_by = $51, claimed_until = $52 \
     WHERE state = 'waiting' AND (claimed_until IS NULL OR claimed_until <= $53 OR claimed_until > $54) AND id IN (",
    keys_50!(),
    ") RETURNING id"
);
const VOID_CLAIMS: &str =
    "UPDATE message SET claimed_until = $1 WHERE state = 'waiting' AND claimed_by IS NOT NULL AND claimed_until > $1";
const DUE_AT_ONCE: &str = "UPDATE message SET next_attempt_at = $1 WHERE state = 'waiting' AND next_attempt_at > $2";
/// When the first is due of all that composing begins with; 0 for what is released or to be corrected, which goes at any
/// time. Minima, as for what waits, of which there may be much, each is the first entry of an index: asked whether there
/// is one PostgreSQL may prefer to go through the table.
const FIRST_TO_COMPOSE: &str = "SELECT MIN(at) FROM (SELECT MIN(compose_at) AS at FROM notice WHERE state = 'waiting' \
     UNION ALL SELECT MIN(replace_at) FROM message WHERE state = 'waiting' AND channel = 'email' \
     UNION ALL SELECT MIN(remind_at) FROM message WHERE state = 'awaiting_approval' \
     UNION ALL SELECT 0 * MIN(created_at) FROM message WHERE state = 'released' \
     UNION ALL SELECT 0 * MIN(created_at) FROM message WHERE state = 'corrected' AND corrected_by IS NULL) AS first";
const LEFT_OPEN: &str = "UPDATE message SET unknown = unknown + 1, attempts = attempts + 1, claimed_by = NULL, claimed_until = NULL, \
     first_attempt_at = COALESCE(first_attempt_at, $2) WHERE id = $1";
const SETTLE: &str = "UPDATE message SET state = $3, state_at = $4, reason = $5, next_attempt_at = $6, attempts = attempts + 1, unknown = unknown + $7, \
     first_attempt_at = COALESCE(first_attempt_at, $4), claimed_by = NULL, claimed_until = NULL \
     WHERE id = $1 AND claimed_by = $2 AND state = 'waiting'";
/// The answer that nearly all have, for many at once.
const ACCEPTED: &str = concat!(
    "UPDATE message SET state = 'accepted', state_at = $52, reason = NULL, next_attempt_at = NULL, attempts = attempts + 1, \
     first_attempt_at = COALESCE(first_attempt_at, $52), claimed_by = NULL, claimed_until = NULL \
     WHERE claimed_by = $51 AND state = 'waiting' AND id IN (",
    keys_50!(),
    ") RETURNING id"
);
const NOTICES_SETTLED: &str = concat!(
    "UPDATE notice SET state = $51, state_at = $52, first_attempt_at = COALESCE(first_attempt_at, $52) \
     WHERE state = 'composed' AND message IN (",
    keys_50!(),
    ")"
);
const NOTICES_TRIED: &str =
    "UPDATE notice SET first_attempt_at = COALESCE(first_attempt_at, $2) WHERE message = $1 AND state = 'composed'";
/// Apart from the tickets: these are long rows with many indexes, and of most nothing is new once they are looked at.
const WAKE: &str = concat!(
    "INSERT INTO woken (code, at) SELECT DISTINCT t.subject, CAST($51 AS BIGINT) FROM notice n JOIN telling t ON t.id = n.telling \
     WHERE t.subject_kind = 'ticket' AND n.message IN (",
    keys_50!(),
    ") ON CONFLICT (code) DO UPDATE SET at = excluded.at WHERE excluded.at < woken.at"
);
const MAX_ATTEMPT: &str = "SELECT COALESCE(MAX(id), 0) FROM attempt";
const REPLACEABLE: &str = "SELECT id, unit FROM message WHERE state = 'waiting' AND channel = 'email' AND replace_at <= $1 AND unknown = 0 AND claimed_by IS NULL ORDER BY replace_at, id LIMIT CAST($2 AS BIGINT)";
const WAITING_LIVE: &str = "SELECT id FROM message WHERE state = 'waiting' AND mode = 'live' AND notices > 0 AND unknown = 0 AND claimed_by IS NULL ORDER BY id";
const WAITING_MAILS: &str = "SELECT id, unit, desk, recipients FROM message WHERE state = 'waiting' AND channel = 'email' AND notices > 0 AND unknown = 0 \
     AND claimed_by IS NULL ORDER BY id";
const REPLACE: &str = concat!(
    "UPDATE message SET state = 'replaced', state_at = $51, next_attempt_at = NULL, digest_key = NULL, reason = $52 \
     WHERE state = 'waiting' AND unknown = 0 AND claimed_by IS NULL AND id IN (",
    keys_50!(),
    ") RETURNING id"
);
const NOTICES_FREED: &str = concat!(
    "UPDATE notice SET state = 'waiting', state_at = $51, compose_at = $51, message = NULL WHERE state = 'composed' AND message IN (",
    keys_50!(),
    ")"
);
const LAST_FIRST_TRY: &str = "SELECT COALESCE((SELECT MAX(COALESCE(first_attempt_at, $2)) FROM notice WHERE message = $1), \
     (SELECT first_attempt_at FROM message WHERE id = $1))";
const GIVE_UP: &str = concat!(
    "UPDATE message SET state = 'dead', state_at = $51, next_attempt_at = NULL, reason = $52 \
     WHERE state = 'waiting' AND unknown = 0 AND claimed_by IS NULL AND id IN (",
    keys_50!(),
    ") RETURNING id"
);
/// What was corrected is told to be wrong before it is told again, and the notices of what came back mostly wait for
/// another message already.
/// Without a notice it is sent as it is, while it is kept.
const RETRY: &str = "UPDATE message SET state = 'replaced', state_at = $2, next_attempt_at = NULL, digest_key = NULL, reason = $3 \
     WHERE id = $1 AND (notices > 0 OR kept <> 1) AND (state IN ('dead', 'cancelled', 'withdrawn') OR (state = 'corrected' AND corrected_by IS NOT NULL) \
     OR (state = 'bounced' AND (notices = 0 OR EXISTS (SELECT 1 FROM notice n WHERE n.message = message.id AND n.state = 'dead'))))";
/// Due at any turn, under simulated time too.
const NOTICES_RETRIED: &str = "UPDATE notice SET state = 'waiting', state_at = $2, compose_at = 0, first_attempt_at = NULL, message = NULL \
     WHERE message = $1 AND state IN ('dead', 'cancelled', 'withdrawn', 'corrected')";
/// One that no notice is in cannot be made anew: it is sent as it is.
const SENT_AS_IT_IS: &str = "UPDATE message SET state = 'waiting', state_at = $2, next_attempt_at = 0, first_attempt_at = NULL \
     WHERE id = $1 AND notices = 0";
const COUNT_DEAD_NOTICES: &str = concat!(
    "SELECT COUNT(*) FROM notice WHERE state = 'dead' AND message IN (",
    keys_50!(),
    ")"
);
const CANCEL: &str = "UPDATE message SET state = 'cancelled', state_at = $2, next_attempt_at = NULL, digest_key = NULL, reason = $3, \
     claimed_by = NULL, claimed_until = NULL WHERE id = $1 AND state = 'waiting' AND (claimed_until IS NULL OR claimed_until <= $4)";
const NOTICES_CANCELLED: &str =
    "UPDATE notice SET state = 'cancelled', state_at = $2 WHERE message = $1 AND state = 'composed'";
const RELEASE: &str =
    "UPDATE message SET state = 'released', state_at = $2, reason = $3 WHERE id = $1 AND state = 'awaiting_approval'";
/// They know the message that they were released with, and are due at any turn.
const NOTICES_RELEASED: &str = "UPDATE notice SET state = 'waiting', state_at = $2, compose_at = 0 WHERE message = $1 AND state = 'awaiting_approval'";
const RELEASED: &str = "SELECT id, said FROM message WHERE state = 'released'";
const SEND_RELEASED: &str =
    "UPDATE message SET state = 'waiting', state_at = $2, next_attempt_at = $2 WHERE id = $1 AND state = 'released'";
const NOTICES_SENT: &str =
    "UPDATE notice SET state = 'composed', state_at = $2, compose_at = NULL WHERE message = $1 AND state = 'waiting'";
const OUTDATED: &str =
    "UPDATE message SET state = 'replaced', state_at = $2, reason = $3 WHERE id = $1 AND state = 'released'";
/// Nothing of them waits any more: all of it is over.
const LEFT_RELEASED: &str = "UPDATE message SET state = 'replaced', state_at = $1, reason = $2 WHERE state = 'released' \
     AND NOT EXISTS (SELECT 1 FROM notice n WHERE n.message = message.id AND n.state = 'waiting')";
const AWAITING: &str = "SELECT id, mode, approver, unit, subject, urgent, created_at, remind_at FROM message \
     WHERE state = 'awaiting_approval' AND remind_at <= $1 ORDER BY created_at, id";
const ASKED: &str = "UPDATE message SET remind_at = $2 WHERE id = $1 AND state = 'awaiting_approval'";
const WITHDRAW: &str = "UPDATE message SET state = 'withdrawn', state_at = $2, next_attempt_at = NULL, digest_key = NULL, reason = $3, \
     claimed_by = NULL, claimed_until = NULL WHERE id = $1 AND (state IN ('awaiting_approval', 'released') \
     OR (state = 'waiting' AND (claimed_until IS NULL OR claimed_until <= $4)))";
const NOTICES_WITHDRAWN: &str = "UPDATE notice SET state = 'withdrawn', state_at = $2, compose_at = NULL \
     WHERE message = $1 AND state IN ('composed', 'awaiting_approval', 'waiting')";
const CORRECT: &str = "UPDATE message SET state = 'corrected', state_at = $2, reason = $3, correction = $4 \
     WHERE id = $1 AND state = 'accepted' AND notices > 0";
const NOTICES_CORRECTED: &str =
    "UPDATE notice SET state = 'corrected', state_at = $2 WHERE message = $1 AND state = 'accepted'";
const TO_CORRECT: &str = "SELECT id, mode, channel, form, unit, desk, matter, recipients, correction FROM message \
     WHERE state = 'corrected' AND corrected_by IS NULL ORDER BY created_at, id";
const CORRECTED_BY: &str = "UPDATE message SET corrected_by = $2 WHERE id = $1 AND corrected_by IS NULL";
const TICKETS_OF: &str = "SELECT DISTINCT t.subject FROM notice n JOIN telling t ON t.id = n.telling \
     WHERE n.message = $1 AND t.subject_kind = 'ticket' ORDER BY t.subject";
const ROLES_TOLD: &str = "SELECT DISTINCT role FROM notice WHERE message = $1 ORDER BY role";
const DIGESTS_MADE: &str = concat!("SELECT digest_key FROM message WHERE digest_key IN (", keys_50!(), ")");
/// The last twenty of each matter, oldest first.
const THREADS: &str = concat!(
    "SELECT matter, id FROM (SELECT matter, id, ROW_NUMBER() OVER (PARTITION BY matter ORDER BY created_at DESC, id DESC) AS back \
     FROM message WHERE state IN ('accepted', 'corrected') AND matter IN (",
    keys_50!(),
    ")) AS last WHERE back <= 20 ORDER BY matter, back DESC"
);
const LAST_WRITTEN: &str = concat!(
    "SELECT matter, MAX(created_at) FROM message WHERE state IN ('accepted', 'corrected') AND state = 'accepted' AND matter IN (",
    keys_50!(),
    ") GROUP BY matter"
);
const WAITING_ALONE: &str = "SELECT matter, created_at FROM message WHERE state = 'waiting' AND notices = 0";
const LIST: &str = "SELECT id, state, channel, form, mode, unit, desk, subject, rules, steps, notices, attempts, unknown, created_at, next_attempt_at, state_at, reason, approver, corrected_by, kept FROM message \
     WHERE ($1 = '' OR state = $1) AND created_at >= $2 ORDER BY created_at, id LIMIT CAST($3 AS BIGINT)";
const SHOW: &str = "SELECT id, state, channel, form, mode, unit, desk, subject, rules, steps, notices, attempts, unknown, created_at, next_attempt_at, state_at, reason, approver, corrected_by, kept FROM message WHERE id = $1";
const OF_TICKET: &str = "SELECT DISTINCT m.id, m.state, m.channel, m.form, m.mode, m.unit, m.desk, m.subject, m.rules, m.steps, m.notices, m.attempts, m.unknown, \
     m.created_at, m.next_attempt_at, m.state_at, m.reason, m.approver, m.corrected_by, m.kept FROM message m JOIN message_notice l ON l.message = m.id JOIN notice n ON n.id = l.notice \
     JOIN telling t ON t.id = n.telling WHERE t.subject = $1 AND t.subject_kind = 'ticket' ORDER BY m.created_at, m.id";
const BODY: &str = "SELECT bytes FROM body WHERE message = $1";
const ATTEMPTS: &str = "SELECT at, answer, detail FROM attempt WHERE message = $1 ORDER BY at, id";
/// What was made within a while and is not told by another message.
const MADE_SINCE: &str = "SELECT unit, desk, COUNT(*) FROM message WHERE state IN ('waiting', 'accepted', 'dead') AND created_at > $1 \
     AND notices > 0 GROUP BY unit, desk";
const COUNT_WAITING: &str = "SELECT COUNT(*) FROM message WHERE state = 'waiting'";
/// What is not settled: its cost does not grow with what is.
const BACKLOG: &str = "SELECT state, COUNT(*), COALESCE(MIN(created_at), 0), CAST(COALESCE(SUM(unknown), 0) AS BIGINT), \
     COUNT(CASE WHEN mode = 'shadow' THEN 1 END) FROM message WHERE state IN ('waiting', 'dead', 'bounced', 'awaiting_approval') GROUP BY state";
const COUNTS: &str = "SELECT state, COUNT(*), COALESCE(MIN(created_at), 0), CAST(COALESCE(SUM(unknown), 0) AS BIGINT), \
     COUNT(CASE WHEN mode = 'shadow' THEN 1 END) FROM message GROUP BY state";

pub const STATEMENTS: &[&str] = &[
    CLAIMABLE,
    FIRST_DUE,
    CLAIM,
    VOID_CLAIMS,
    DUE_AT_ONCE,
    FIRST_TO_COMPOSE,
    LEFT_OPEN,
    SETTLE,
    ACCEPTED,
    NOTICES_SETTLED,
    NOTICES_TRIED,
    WAKE,
    MAX_ATTEMPT,
    REPLACEABLE,
    WAITING_LIVE,
    WAITING_MAILS,
    REPLACE,
    NOTICES_FREED,
    LAST_FIRST_TRY,
    GIVE_UP,
    RETRY,
    SENT_AS_IT_IS,
    NOTICES_RETRIED,
    COUNT_DEAD_NOTICES,
    CANCEL,
    NOTICES_CANCELLED,
    RELEASE,
    NOTICES_RELEASED,
    RELEASED,
    SEND_RELEASED,
    NOTICES_SENT,
    OUTDATED,
    LEFT_RELEASED,
    AWAITING,
    ASKED,
    WITHDRAW,
    NOTICES_WITHDRAWN,
    CORRECT,
    NOTICES_CORRECTED,
    TO_CORRECT,
    CORRECTED_BY,
    TICKETS_OF,
    ROLES_TOLD,
    DIGESTS_MADE,
    THREADS,
    LAST_WRITTEN,
    WAITING_ALONE,
    LIST,
    SHOW,
    OF_TICKET,
    BODY,
    ATTEMPTS,
    MADE_SINCE,
    COUNT_WAITING,
    BACKLOG,
    COUNTS,
];

static INSERT: LazyLock<Sizes> = LazyLock::new(|| {
    Sizes::new(|count| {
        format!(
            "INSERT INTO message (id, mode, channel, form, unit, desk, matter, digest_key, recipients, subject, rules, steps, notices, \
             state, state_at, reason, urgent, created_at, first_attempt_at, next_attempt_at, replace_at, attempts, unknown, claimed_by, claimed_until, \
             approver, said, remind_at) VALUES {} ON CONFLICT DO NOTHING RETURNING id",
            rows(
                "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, NULL, ?, ?, 0, 0, NULL, NULL, ?, ?, ?)",
                count
            )
        )
    })
});
static INSERT_BODY: LazyLock<Sizes> =
    LazyLock::new(|| Sizes::new(|count| format!("INSERT INTO body (message, bytes) VALUES {}", rows("(?, ?)", count))));
static LINK: LazyLock<Sizes> = LazyLock::new(|| {
    Sizes::new(|count| {
        format!(
            "INSERT INTO message_notice (message, notice) VALUES {}",
            rows("(?, ?)", count)
        )
    })
});
static COMPOSED: LazyLock<Sizes> = LazyLock::new(|| {
    Sizes::new(|count| {
        format!(
            "WITH made (message, notice, at, state) AS (VALUES {}) \
             UPDATE notice SET state = made.state, state_at = made.at, compose_at = NULL, wait = NULL, message = made.message \
             FROM made WHERE notice.id = made.notice AND notice.state = 'waiting'",
            rows(
                "(CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS TEXT))",
                count
            )
        )
    })
});
static ATTEMPT: LazyLock<Sizes> = LazyLock::new(|| {
    Sizes::new(|count| {
        format!(
            "INSERT INTO attempt (id, message, at, answer, detail) VALUES {}",
            rows("(?, ?, ?, ?, ?)", count)
        )
    })
});
static PUT_BACK: LazyLock<Sizes> = LazyLock::new(|| {
    Sizes::new(|count| {
        format!(
            "WITH back (letter, holder, at) AS (VALUES {}) \
             UPDATE message SET next_attempt_at = back.at, claimed_by = NULL, claimed_until = NULL FROM back \
             WHERE message.id = back.letter AND message.claimed_by = back.holder AND message.state = 'waiting' RETURNING id",
            rows("(CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS BIGINT))", count)
        )
    })
});

/// The statements that write several rows, for each size.
pub(super) fn with_rows() -> impl Iterator<Item = &'static str> {
    [&INSERT, &INSERT_BODY, &LINK, &COMPOSED, &ATTEMPT, &PUT_BACK]
        .into_iter()
        .flat_map(|sizes| sizes.iter().map(String::as_str))
}

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
    /// Who has to release it before it is sent.
    pub approval: Option<Approval>,
}

/// What a message that has to be approved waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The approver's word.
    pub by: &'static str,
    /// A fingerprint of all that it says, but for the hour at which it was written: what is approved.
    pub said: String,
}

/// A message that waits to be released, and of which somebody is to be told.
#[derive(Debug, Clone, FromRow)]
pub struct Awaiting {
    pub id: String,
    pub mode: String,
    pub approver: String,
    pub unit: String,
    pub subject: String,
    urgent: i64,
    created_at: i64,
    remind_at: i64,
}

impl Awaiting {
    #[must_use]
    pub fn created(&self) -> Moment {
        moment(self.created_at)
    }

    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.urgent != 0
    }

    /// Its approver was told of it, and nothing has come of it in time.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.remind_at > self.created_at
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageState {
    Waiting,
    Accepted,
    Dead,
    /// Its notices went into another one.
    Replaced,
    /// Taken back by ops before it was accepted; for climbing it counts as told.
    Cancelled,
    /// Waits for somebody to release or withdraw it.
    AwaitingApproval,
    /// Released; goes out once its tickets have been read again and say the same.
    Released,
    /// Somebody decided that it is not sent; it does not count as told.
    Withdrawn,
    /// Was accepted, and taken back by a correction.
    Corrected,
    /// Accepted by our server, and came back from all its addresses.
    Bounced,
}

impl MessageState {
    pub const ALL: [MessageState; 10] = [
        MessageState::Waiting,
        MessageState::Accepted,
        MessageState::Dead,
        MessageState::Replaced,
        MessageState::Cancelled,
        MessageState::AwaitingApproval,
        MessageState::Released,
        MessageState::Withdrawn,
        MessageState::Corrected,
        MessageState::Bounced,
    ];

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            MessageState::Waiting => "waiting",
            MessageState::Accepted => "accepted",
            MessageState::Dead => "dead",
            MessageState::Replaced => "replaced",
            MessageState::Cancelled => "cancelled",
            MessageState::AwaitingApproval => "awaiting_approval",
            MessageState::Released => "released",
            MessageState::Withdrawn => "withdrawn",
            MessageState::Corrected => "corrected",
            MessageState::Bounced => "bounced",
        }
    }
}

/// A message under a lease. Made only by claiming, used up by settling.
#[derive(Debug)]
pub struct Claim {
    pub id: String,
    pub channel: Channel,
    pub unit: String,
    /// Addresses; of a webhook the endpoint's id.
    pub recipients: Vec<String>,
    pub body: Vec<u8>,
    pub urgent: bool,
    pub created_at: Moment,
    pub attempts: i64,
    pub first_attempt_at: Option<Moment>,
    by: String,
}

impl Claim {
    /// The same message under another claim.
    #[must_use]
    pub(crate) fn claimed_by(self, by: String) -> Claim {
        Claim { by, ..self }
    }
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

/// A message that was corrected, without the letter that says so.
#[derive(Debug, Clone, FromRow)]
pub struct ToCorrect {
    pub id: String,
    pub mode: String,
    pub channel: String,
    pub form: String,
    pub unit: String,
    pub desk: String,
    pub matter: String,
    recipients: String,
    /// Why.
    pub correction: Option<String>,
}

impl ToCorrect {
    /// Where the message went.
    ///
    /// # Errors
    /// When the store's row cannot be read.
    pub fn recipients(&self) -> Result<Vec<String>, StoreError> {
        serde_json::from_str(&self.recipients).map_err(|e| StoreError::Corrupt {
            table: "message",
            id: self.id.clone(),
            what: e.to_string(),
        })
    }
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
    /// Who has, or had, to release it.
    pub approver: Option<String>,
    /// The message that corrects it.
    pub corrected_by: Option<String>,
    kept: i64,
}

impl Listed {
    /// What it said is not kept any more.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.kept == 1
    }

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

/// A mail that waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingMail {
    pub id: String,
    pub unit: String,
    pub desk: String,
    /// Addresses.
    pub recipients: Vec<String>,
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
    /// Those among them that went, or are to go, to ops' box.
    pub in_shadow: i64,
}

/// What is to be claimed.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub channel: Channel,
    /// The process that sends it.
    pub by: &'a str,
    /// Messages whose attempt is due by then.
    pub due: Moment,
    /// From when on the lease counts.
    pub now: Moment,
    pub lease: TimeDelta,
    pub most: usize,
}

#[derive(FromRow)]
struct ClaimRow {
    id: String,
    unit: String,
    recipients: String,
    bytes: Vec<u8>,
    urgent: i64,
    created_at: i64,
    attempts: i64,
    first_attempt_at: Option<i64>,
    claimed_by: Option<String>,
}

impl Store {
    /// The channels with a message that waits and is due.
    pub async fn channels_due(&self, due: Moment) -> Result<Vec<Channel>, StoreError> {
        let (mails, posts): (Option<i64>, Option<i64>) = on!(
            self.db(),
            fetch_one(
                sqlx::query_as(FIRST_DUE)
                    .bind(Channel::Email.word())
                    .bind(Channel::Webhook.word())
            )
        );
        let is_due = |(channel, first): (Channel, Option<i64>)| first.filter(|at| *at <= micros(due)).map(|_| channel);
        Ok([(Channel::Email, mails), (Channel::Webhook, posts)]
            .into_iter()
            .filter_map(is_due)
            .collect())
    }

    /// [`Tx::claim`] in a transaction of its own.
    pub async fn claim(&self, wanted: &Wanted<'_>) -> Result<Vec<Claim>, StoreError> {
        let mut tx = self.begin().await?;
        let claims = tx.claim(wanted).await?;
        tx.commit().await?;
        Ok(claims)
    }

    /// Claims a message anew that waits and that nobody has in hand: by whom it is claimed now, `None` where somebody has it.
    pub async fn claim_again(
        &self,
        id: &str,
        by: &str,
        now: Moment,
        lease: TimeDelta,
    ) -> Result<Option<String>, StoreError> {
        let mut tx = self.begin().await?;
        let leases = tx.lease_clock(now);
        let length = lease.num_microseconds().unwrap_or(i64::MAX);
        let until = leases.saturating_add(length);
        let by = format!("{by}/{}", uuid::Uuid::new_v4().simple());
        let claimed: Vec<String> = on!(
            tx.db(),
            fetch_all(
                filled(&[id])
                    .fold(sqlx::query_scalar(CLAIM), |q, id| q.bind(id))
                    .bind(&by)
                    .bind(until)
                    .bind(leases)
                    .bind(until.saturating_add(length))
            )
        );
        tx.commit().await?;
        Ok((!claimed.is_empty()).then_some(by))
    }

    /// Whether composing finds anything by now: a notice or a replacement that is due, an approval to remind of, a message
    /// that was released or is to be corrected.
    pub async fn is_anything_to_compose(&self, now: Moment) -> Result<bool, StoreError> {
        let first: Option<i64> = on!(self.db(), fetch_one(sqlx::query_scalar(FIRST_TO_COMPOSE)));
        Ok(first.is_some_and(|first| first <= micros(now)))
    }

    /// When the last message about each matter was made that was accepted, or waits without notices.
    pub async fn last_written_about(&self, matters: &[String]) -> Result<HashMap<String, Moment>, StoreError> {
        let mut rows: Vec<(String, i64)> = on!(self.db(), fetch_all(sqlx::query_as(WAITING_ALONE)));
        rows.retain(|(matter, _)| matters.contains(matter));
        for chunk in matters.chunks(CHUNK) {
            let accepted: Vec<(String, i64)> = on!(
                self.db(),
                fetch_all(filled(chunk).fold(sqlx::query_as(LAST_WRITTEN), |q, matter| q.bind(matter)))
            );
            rows.extend(accepted);
        }
        let mut last = HashMap::new();
        for (matter, at) in rows {
            let at = moment(at);
            last.entry(matter)
                .and_modify(|known: &mut Moment| *known = at.max(*known))
                .or_insert(at);
        }
        Ok(last)
    }

    /// The ids of the last accepted messages of each matter, oldest first: the threads to answer in.
    pub async fn threads(&self, matters: &[String]) -> Result<HashMap<String, Vec<String>>, StoreError> {
        let mut threads: HashMap<String, Vec<String>> = HashMap::new();
        for chunk in matters.chunks(CHUNK) {
            let rows: Vec<(String, String)> = on!(
                self.db(),
                fetch_all(filled(chunk).fold(sqlx::query_as(THREADS), |q, matter| q.bind(matter)))
            );
            for (matter, id) in rows {
                threads.entry(matter).or_default().push(id);
            }
        }
        Ok(threads)
    }

    /// Waiting messages, each with its recipient's unit, whose recipient's next digest is due; none with an unknown
    /// attempt.
    pub async fn replaceable(&self, now: Moment, limit: i64) -> Result<Vec<(String, String)>, StoreError> {
        Ok(on!(
            self.db(),
            fetch_all(sqlx::query_as(REPLACEABLE).bind(micros(now)).bind(limit))
        ))
    }

    /// Since when every notice of a message has been tried, through all the messages that carried it, or the message
    /// where it carries none: `now` where one has not been tried yet.
    pub async fn all_tried_since(&self, message: &str, now: Moment) -> Result<Moment, StoreError> {
        let last: Option<i64> = on!(
            self.db(),
            fetch_one(sqlx::query_scalar(LAST_FIRST_TRY).bind(message).bind(micros(now)))
        );
        Ok(last.map_or(now, moment))
    }

    /// Messages that were released, each with the fingerprint of what it says.
    pub async fn released(&self) -> Result<HashMap<String, Option<String>>, StoreError> {
        let rows: Vec<(String, Option<String>)> = on!(self.db(), fetch_all(sqlx::query_as(RELEASED)));
        Ok(rows.into_iter().collect())
    }

    /// Messages that wait for approval and of which somebody is to be told by now, oldest first.
    pub async fn awaiting(&self, now: Moment) -> Result<Vec<Awaiting>, StoreError> {
        Ok(on!(self.db(), fetch_all(sqlx::query_as(AWAITING).bind(micros(now)))))
    }

    /// Messages that were corrected and of which nobody has been told so yet, oldest first.
    pub async fn to_correct(&self) -> Result<Vec<ToCorrect>, StoreError> {
        Ok(on!(self.db(), fetch_all(sqlx::query_as(TO_CORRECT))))
    }

    /// The tickets that a message speaks of.
    pub async fn tickets_of(&self, message: &str) -> Result<Vec<String>, StoreError> {
        Ok(on!(self.db(), fetch_all(sqlx::query_scalar(TICKETS_OF).bind(message))))
    }

    /// The roles, as written, of the notices that a message carries.
    pub async fn roles_told(&self, message: &str) -> Result<Vec<String>, StoreError> {
        Ok(on!(self.db(), fetch_all(sqlx::query_scalar(ROLES_TOLD).bind(message))))
    }

    /// Messages by state (all where `None`) made since an instant, oldest first.
    pub async fn messages(&self, state: Option<&str>, since: Moment, limit: i64) -> Result<Vec<Listed>, StoreError> {
        Ok(on!(
            self.db(),
            fetch_all(
                sqlx::query_as(LIST)
                    .bind(state.unwrap_or(""))
                    .bind(micros(since))
                    .bind(limit)
            )
        ))
    }

    /// One message by its id.
    pub async fn message(&self, id: &str) -> Result<Option<Listed>, StoreError> {
        Ok(on!(self.db(), fetch_optional(sqlx::query_as(SHOW).bind(id))))
    }

    /// Every message that carried a notice about the ticket.
    pub async fn messages_of_ticket(&self, code: &str) -> Result<Vec<Listed>, StoreError> {
        Ok(on!(self.db(), fetch_all(sqlx::query_as(OF_TICKET).bind(code))))
    }

    /// The bytes of a message.
    pub async fn body(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(on!(self.db(), fetch_optional(sqlx::query_scalar(BODY).bind(id))))
    }

    /// The attempts of a message, oldest first.
    pub async fn attempts(&self, id: &str) -> Result<Vec<Attempt>, StoreError> {
        let rows: Vec<(i64, String, String)> = on!(self.db(), fetch_all(sqlx::query_as(ATTEMPTS).bind(id)));
        Ok(rows
            .into_iter()
            .map(|(at, answer, detail)| Attempt {
                at: moment(at),
                answer,
                detail,
            })
            .collect())
    }

    /// The notices that died with some messages: of one that died late others may have been told since.
    pub async fn count_dead_notices(&self, messages: &[&str]) -> Result<i64, StoreError> {
        let mut count = 0;
        for chunk in messages.chunks(CHUNK) {
            let some: i64 = on!(
                self.db(),
                fetch_one(filled(chunk).fold(sqlx::query_scalar(COUNT_DEAD_NOTICES), |q, id| q.bind(id)))
            );
            count += some;
        }
        Ok(count)
    }

    /// How many messages were made for each unit and desk after an instant.
    pub async fn made_since(&self, after: Moment) -> Result<HashMap<(String, String), usize>, StoreError> {
        let rows: Vec<(String, String, i64)> =
            on!(self.db(), fetch_all(sqlx::query_as(MADE_SINCE).bind(micros(after))));
        let counted = |n: i64| usize::try_from(n).unwrap_or(usize::MAX);
        Ok(rows
            .into_iter()
            .map(|(unit, desk, n)| ((unit, desk), counted(n)))
            .collect())
    }

    /// Messages that wait for an attempt.
    pub async fn count_waiting_messages(&self) -> Result<i64, StoreError> {
        Ok(on!(self.db(), fetch_one(sqlx::query_scalar(COUNT_WAITING))))
    }

    /// Messages that wait, for an attempt or for approval, are dead or came back, by state.
    pub async fn backlog(&self) -> Result<Vec<StateCount>, StoreError> {
        self.state_counts(BACKLOG).await
    }

    /// Messages by state; looks at every message there is.
    pub async fn message_counts(&self) -> Result<Vec<StateCount>, StoreError> {
        self.state_counts(COUNTS).await
    }

    async fn state_counts(&self, which: &'static str) -> Result<Vec<StateCount>, StoreError> {
        let rows: Vec<(String, i64, i64, i64, i64)> = on!(self.db(), fetch_all(sqlx::query_as(which)));
        Ok(rows
            .into_iter()
            .map(|(state, messages, oldest, unknown, in_shadow)| StateCount {
                state,
                messages,
                oldest_created: moment(oldest),
                unknown,
                in_shadow,
            })
            .collect())
    }
}

impl Tx {
    /// The digests of recipients and dates that have been made, among some.
    pub async fn digests_made(&mut self, digest_keys: &[String]) -> Result<HashSet<String>, StoreError> {
        let mut made = HashSet::new();
        for chunk in digest_keys.chunks(CHUNK) {
            let some: Vec<String> = on!(
                self.db(),
                fetch_all(filled(chunk).fold(sqlx::query_scalar(DIGESTS_MADE), |q, key| q.bind(key)))
            );
            made.extend(some);
        }
        Ok(made)
    }

    /// Records attempts: message, answer's word, detail.
    async fn attempts(&mut self, list: &[(&str, &str, &str)], at: Moment) -> Result<(), StoreError> {
        if list.is_empty() {
            return Ok(());
        }
        let last: i64 = on!(self.db(), fetch_one(sqlx::query_scalar(MAX_ATTEMPT)));
        let numbered: Vec<_> = (last + 1..).zip(list).collect();
        for (place, piece) in pieces(&numbered) {
            on!(self.db(), |kind| execute(piece.iter().fold(
                sqlx::query(ATTEMPT.text(place, kind)),
                |q, (id, (message, answer, detail))| {
                    q.bind(id).bind(*message).bind(micros(at)).bind(*answer).bind(*detail)
                },
            )));
        }
        Ok(())
    }

    /// Claims that nobody settled: the process ended, and the answer is unknown.
    async fn left_open(&mut self, ids: &[&str], now: Moment) -> Result<(), StoreError> {
        for id in ids {
            on!(self.db(), execute(sqlx::query(LEFT_OPEN).bind(id).bind(micros(now))));
            on!(
                self.db(),
                execute(sqlx::query(NOTICES_TRIED).bind(id).bind(micros(now)))
            );
        }
        let detail = "the process ended before the answer was recorded";
        let attempts: Vec<_> = ids.iter().map(|id| (*id, "unknown", detail)).collect();
        self.attempts(&attempts, now).await
    }

    /// Stores composed messages and moves their notices into them; the ids of those that were stored. One whose digest
    /// exists is not.
    pub async fn compose(&mut self, list: &[&NewMessage], now: Moment) -> Result<HashSet<String>, StoreError> {
        let json = |list: &[String]| serde_json::Value::from(list.to_vec()).to_string();
        let state = |new: &NewMessage| match new.approval {
            None => (MessageState::Waiting.word(), NoticeState::Composed.word()),
            Some(_) => (
                MessageState::AwaitingApproval.word(),
                NoticeState::AwaitingApproval.word(),
            ),
        };
        let mut made = HashSet::with_capacity(list.len());
        for (place, piece) in pieces(list) {
            let stored: Vec<String> = on!(self.db(), |kind| fetch_all(piece.iter().fold(
                sqlx::query_scalar(INSERT.text(place, kind)),
                |q, new| {
                    q.bind(&new.id)
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
                        .bind(state(new).0)
                        .bind(micros(now))
                        .bind(i64::from(new.urgent))
                        .bind(micros(now))
                        .bind(new.approval.is_none().then(|| micros(now)))
                        .bind(new.replace_at.map(micros))
                        .bind(new.approval.as_ref().map(|a| a.by))
                        .bind(new.approval.as_ref().map(|a| &a.said))
                        .bind(new.approval.is_some().then(|| micros(now)))
                }
            )));
            made.extend(stored);
        }
        let stored: Vec<&NewMessage> = list.iter().copied().filter(|new| made.contains(&new.id)).collect();
        for (place, piece) in pieces(&stored) {
            on!(self.db(), |kind| execute(
                piece.iter().fold(sqlx::query(INSERT_BODY.text(place, kind)), |q, new| {
                    q.bind(&new.id).bind(&new.body)
                })
            ));
        }
        let links: Vec<(&str, i64, &str)> = stored
            .iter()
            .flat_map(|new| {
                new.notices
                    .iter()
                    .map(|notice| (new.id.as_str(), *notice, state(new).1))
            })
            .collect();
        for (place, piece) in pieces(&links) {
            on!(self.db(), |kind| execute(piece.iter().fold(
                sqlx::query(LINK.text(place, kind)),
                |q, (message, notice, _)| { q.bind(*message).bind(*notice) }
            )));
            on!(self.db(), |kind| execute(piece.iter().fold(
                sqlx::query(COMPOSED.text(place, kind)),
                |q, (message, notice, state)| { q.bind(*message).bind(*notice).bind(micros(now)).bind(*state) }
            )));
        }
        Ok(made)
    }

    /// Claims messages of a channel that are due, for the length of a lease; none while all sending is paused. A claim left
    /// open by a process that ended is recorded as an unknown answer first.
    pub async fn claim(&mut self, wanted: &Wanted<'_>) -> Result<Vec<Claim>, StoreError> {
        let Wanted {
            channel,
            by,
            due,
            now,
            lease,
            most,
        } = *wanted;
        let leases = self.lease_clock(now);
        let length = lease.num_microseconds().unwrap_or(i64::MAX);
        let until = leases.saturating_add(length);
        let beyond = until.saturating_add(length);
        // Of this claim alone: a process that lost a message and claimed it again settles by its second claim only.
        let by = format!("{by}/{}", uuid::Uuid::new_v4().simple());
        let rows: Vec<ClaimRow> = on!(
            self.db(),
            fetch_all(
                sqlx::query_as(CLAIMABLE)
                    .bind(micros(due))
                    .bind(leases)
                    .bind(i64::try_from(most).unwrap_or(i64::MAX))
                    .bind(channel.word())
                    .bind(beyond)
            )
        );
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let left_open: Vec<&str> = rows
            .iter()
            .filter(|r| r.claimed_by.is_some())
            .map(|r| r.id.as_str())
            .collect();
        self.left_open(&left_open, now).await?;
        let mut taken: HashSet<String> = HashSet::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK) {
            let claimed: Vec<String> = on!(
                self.db(),
                fetch_all(
                    filled(chunk)
                        .fold(sqlx::query_scalar(CLAIM), |q, id| q.bind(id))
                        .bind(&by)
                        .bind(until)
                        .bind(leases)
                        .bind(beyond)
                )
            );
            taken.extend(claimed);
        }
        let mut claims = Vec::with_capacity(rows.len());
        for row in rows.into_iter().filter(|row| taken.contains(&row.id)) {
            let left_open = row.claimed_by.is_some();
            let recipients = serde_json::from_str(&row.recipients).map_err(|e| StoreError::Corrupt {
                table: "message",
                id: row.id.clone(),
                what: e.to_string(),
            })?;
            claims.push(Claim {
                id: row.id,
                channel,
                unit: row.unit,
                recipients,
                body: row.bytes,
                urgent: row.urgent != 0,
                created_at: moment(row.created_at),
                attempts: row.attempts + i64::from(left_open),
                first_attempt_at: row.first_attempt_at.map(moment).or(left_open.then_some(now)),
                by: by.clone(),
            });
        }
        Ok(claims)
    }

    /// Records the answers of attempts; false for a claim that had been taken over: nothing of it was changed.
    pub async fn settle_messages(
        &mut self,
        list: &[(&Claim, &Settlement)],
        at: Moment,
    ) -> Result<Vec<bool>, StoreError> {
        // Those that were claimed together are mostly settled together.
        let by = list.first().map_or("", |(claim, _)| claim.by.as_str());
        let (accepted, others): (Vec<_>, Vec<_>) = list
            .iter()
            .partition(|(claim, end)| end.state == MessageState::Accepted && !end.unknown && claim.by == by);
        let mut held: HashSet<String> = HashSet::with_capacity(list.len());
        let accepted: Vec<&str> = accepted.iter().map(|(claim, _)| claim.id.as_str()).collect();
        for chunk in accepted.chunks(CHUNK) {
            let settled: Vec<String> = on!(
                self.db(),
                fetch_all(
                    filled(chunk)
                        .fold(sqlx::query_scalar(ACCEPTED), |q, id| q.bind(id))
                        .bind(by)
                        .bind(micros(at))
                )
            );
            held.extend(settled);
        }
        let ended: Vec<&str> = accepted.into_iter().filter(|id| held.contains(*id)).collect();
        self.settle_notices(&ended, MessageState::Accepted, at).await?;
        for (claim, end) in others {
            if self.settle_one(claim, end, at).await? {
                held.insert(claim.id.clone());
            }
        }
        let attempts: Vec<_> = list
            .iter()
            .map(|(claim, end)| (claim.id.as_str(), end.answer, end.detail.as_str()))
            .collect();
        self.attempts(&attempts, at).await?;
        Ok(list.iter().map(|(claim, _)| held.contains(&claim.id)).collect())
    }

    async fn settle_one(&mut self, claim: &Claim, end: &Settlement, at: Moment) -> Result<bool, StoreError> {
        let changed = on!(
            self.db(),
            execute(
                sqlx::query(SETTLE)
                    .bind(&claim.id)
                    .bind(&claim.by)
                    .bind(end.state.word())
                    .bind(micros(at))
                    .bind((end.state != MessageState::Accepted).then_some(&end.detail))
                    .bind(end.next_attempt_at.map(micros))
                    .bind(i64::from(end.unknown))
            )
        );
        if changed != 1 {
            return Ok(false);
        }
        match end.state {
            MessageState::Accepted | MessageState::Dead => self.settle_notices(&[&claim.id], end.state, at).await?,
            _ => {
                on!(
                    self.db(),
                    execute(sqlx::query(NOTICES_TRIED).bind(&claim.id).bind(micros(at)))
                );
            }
        }
        if end.state == MessageState::Replaced {
            self.free_notices(&[&claim.id], at).await?;
        }
        Ok(true)
    }

    /// Gives claims back unsent, each until an instant; the ids of those that had not been taken over.
    pub async fn put_back(&mut self, list: &[(Moment, &Claim)]) -> Result<HashSet<String>, StoreError> {
        let mut back = HashSet::with_capacity(list.len());
        for (place, piece) in pieces(list) {
            let ids: Vec<String> =
                on!(self.db(), |kind| fetch_all(piece.iter().fold(
                    sqlx::query_scalar(PUT_BACK.text(place, kind)),
                    |q, (until, claim)| { q.bind(&claim.id).bind(&claim.by).bind(micros(*until)) }
                )));
            back.extend(ids);
        }
        Ok(back)
    }

    /// Messages that wait to be sent to whom they are meant for. Not those that may have arrived, which keep their ids,
    /// nor those that carry no notice.
    pub async fn waiting_live(&mut self) -> Result<Vec<String>, StoreError> {
        Ok(on!(self.db(), fetch_all(sqlx::query_scalar(WAITING_LIVE))))
    }

    /// Mails that wait to be sent, with their addresses. Not those that may have arrived, which keep their ids, nor those
    /// that carry no notice.
    pub async fn waiting_mails(&mut self) -> Result<Vec<WaitingMail>, StoreError> {
        let rows: Vec<(String, String, String, String)> = on!(self.db(), fetch_all(sqlx::query_as(WAITING_MAILS)));
        let read = |(id, unit, desk, recipients): (String, String, String, String)| {
            let recipients = serde_json::from_str(&recipients).map_err(|e| StoreError::Corrupt {
                table: "message",
                id: id.clone(),
                what: e.to_string(),
            })?;
            Ok(WaitingMail {
                id,
                unit,
                desk,
                recipients,
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// Replaces messages that were not accepted: their notices wait again. The ids of those that were; not what may have
    /// arrived, is being sent, or has ended.
    pub async fn replace(&mut self, ids: &[&str], why: &str, now: Moment) -> Result<Vec<String>, StoreError> {
        let replaced = self.end_untaken(REPLACE, ids, why, now).await?;
        let freed: Vec<&str> = replaced.iter().map(String::as_str).collect();
        self.free_notices(&freed, now).await?;
        Ok(replaced)
    }

    /// Gives messages up with their notices. The ids of those that were; not what may have arrived, is being sent, or has
    /// ended.
    pub async fn give_up_messages(&mut self, ids: &[&str], why: &str, now: Moment) -> Result<Vec<String>, StoreError> {
        let ended = self.end_untaken(GIVE_UP, ids, why, now).await?;
        let dead: Vec<&str> = ended.iter().map(String::as_str).collect();
        self.settle_notices(&dead, MessageState::Dead, now).await?;
        Ok(ended)
    }

    async fn end_untaken(
        &mut self,
        how: &'static str,
        ids: &[&str],
        why: &str,
        now: Moment,
    ) -> Result<Vec<String>, StoreError> {
        let mut ended = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK) {
            let some: Vec<String> = on!(
                self.db(),
                fetch_all(
                    filled(chunk)
                        .fold(sqlx::query_scalar(how), |q, id| q.bind(id))
                        .bind(micros(now))
                        .bind(why)
                )
            );
            ended.extend(some);
        }
        Ok(ended)
    }

    async fn free_notices(&mut self, messages: &[&str], now: Moment) -> Result<(), StoreError> {
        for chunk in messages.chunks(CHUNK) {
            on!(
                self.db(),
                execute(
                    filled(chunk)
                        .fold(sqlx::query(NOTICES_FREED), |q, id| q.bind(id))
                        .bind(micros(now))
                )
            );
        }
        Ok(())
    }

    async fn settle_notices(&mut self, messages: &[&str], state: MessageState, at: Moment) -> Result<(), StoreError> {
        for chunk in messages.chunks(CHUNK) {
            on!(
                self.db(),
                execute(
                    filled(chunk)
                        .fold(sqlx::query(NOTICES_SETTLED), |q, id| q.bind(id))
                        .bind(state.word())
                        .bind(micros(at))
                )
            );
        }
        // An answer can open the next step of each ticket's ladder.
        self.wake_told(messages, at).await
    }

    /// Has the tickets that messages speak of looked at again no later than `at`.
    pub(super) async fn wake_told(&mut self, messages: &[&str], at: Moment) -> Result<(), StoreError> {
        for chunk in messages.chunks(CHUNK) {
            on!(
                self.db(),
                execute(
                    filled(chunk)
                        .fold(sqlx::query(WAKE), |q, id| q.bind(id))
                        .bind(micros(at))
                )
            );
        }
        Ok(())
    }

    /// Lets a dead, cancelled, withdrawn, corrected or bounced message go and has its notices wait for a new one: what still
    /// holds of them is told once more, to whom the directory names now. One without notices waits itself, as it is. How
    /// many wait; `None` where it is none of these, its correction is not written yet, or its notices went on by themselves.
    pub async fn retry(&mut self, id: &str, why: &str, now: Moment) -> Result<Option<u64>, StoreError> {
        let retried = on!(
            self.db(),
            execute(sqlx::query(RETRY).bind(id).bind(micros(now)).bind(why))
        );
        if retried != 1 {
            return Ok(None);
        }
        let notices = on!(
            self.db(),
            execute(sqlx::query(NOTICES_RETRIED).bind(id).bind(micros(now)))
        );
        on!(
            self.db(),
            execute(sqlx::query(SENT_AS_IT_IS).bind(id).bind(micros(now)))
        );
        Ok(Some(notices))
    }

    /// Lets a message go that waits for approval; false where none does. It is sent once its tickets have been read again
    /// and say the same.
    pub async fn release(&mut self, id: &str, why: &str, now: Moment) -> Result<bool, StoreError> {
        let release = on!(
            self.db(),
            execute(sqlx::query(RELEASE).bind(id).bind(micros(now)).bind(why))
        );
        on!(
            self.db(),
            execute(sqlx::query(NOTICES_RELEASED).bind(id).bind(micros(now)))
        );
        Ok(release == 1)
    }

    /// Sends a released message as it is; false where it is not released any more.
    pub async fn send_released(&mut self, id: &str, now: Moment) -> Result<bool, StoreError> {
        let sent = on!(
            self.db(),
            execute(sqlx::query(SEND_RELEASED).bind(id).bind(micros(now)))
        ) == 1;
        if sent {
            on!(self.db(), execute(sqlx::query(NOTICES_SENT).bind(id).bind(micros(now))));
        }
        Ok(sent)
    }

    /// A released message says what is not so any more, and its notices go into another one; false where it is not
    /// released any more.
    pub async fn outdate_released(&mut self, id: &str, why: &str, now: Moment) -> Result<bool, StoreError> {
        let outdated = on!(
            self.db(),
            execute(sqlx::query(OUTDATED).bind(id).bind(micros(now)).bind(why))
        );
        Ok(outdated == 1)
    }

    /// Ends released messages of which nothing holds any more.
    pub async fn end_released(&mut self, why: &str, now: Moment) -> Result<u64, StoreError> {
        Ok(on!(
            self.db(),
            execute(sqlx::query(LEFT_RELEASED).bind(micros(now)).bind(why))
        ))
    }

    /// Somebody is told that a message waits for approval, and next at another instant, if ever.
    pub async fn asked(&mut self, id: &str, next: Option<Moment>) -> Result<(), StoreError> {
        on!(self.db(), execute(sqlx::query(ASKED).bind(id).bind(next.map(micros))));
        Ok(())
    }

    /// Takes an accepted message out of all counts: its notices are not told any more. Whoever got it is to be told so, with
    /// the reason. False where it is not accepted or tells of no ticket.
    pub async fn correct(&mut self, id: &str, why: &str, reason: &str, now: Moment) -> Result<bool, StoreError> {
        let corrected = on!(
            self.db(),
            execute(sqlx::query(CORRECT).bind(id).bind(micros(now)).bind(why).bind(reason))
        ) == 1;
        if corrected {
            on!(
                self.db(),
                execute(sqlx::query(NOTICES_CORRECTED).bind(id).bind(micros(now)))
            );
            self.wake_told(&[id], Moment::UNIX_EPOCH).await?;
        }
        Ok(corrected)
    }

    /// The message that tells of a correction.
    pub async fn corrected_by(&mut self, id: &str, by: &str) -> Result<(), StoreError> {
        on!(self.db(), execute(sqlx::query(CORRECTED_BY).bind(id).bind(by)));
        Ok(())
    }

    /// Takes a message back that waits for approval or for an attempt, with its notices, which do not count as told;
    /// false where it has ended or is being sent.
    pub async fn withdraw(&mut self, id: &str, why: &str, now: Moment) -> Result<bool, StoreError> {
        self.take_back((WITHDRAW, NOTICES_WITHDRAWN), id, why, now).await
    }

    /// Takes a waiting message back with its notices; false where it has ended or is being sent.
    pub async fn cancel(&mut self, id: &str, why: &str, now: Moment) -> Result<bool, StoreError> {
        let cancelled = self.take_back((CANCEL, NOTICES_CANCELLED), id, why, now).await?;
        if cancelled {
            // For climbing a cancelled telling counts as told.
            self.wake_told(&[id], Moment::UNIX_EPOCH).await?;
        }
        Ok(cancelled)
    }

    async fn take_back(
        &mut self,
        (message, notices): (&'static str, &'static str),
        id: &str,
        why: &str,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let leases = self.lease_clock(now);
        let taken = on!(
            self.db(),
            execute(sqlx::query(message).bind(id).bind(micros(now)).bind(why).bind(leases))
        ) == 1;
        if taken {
            on!(self.db(), execute(sqlx::query(notices).bind(id).bind(micros(now))));
        }
        Ok(taken)
    }

    /// Ends all leases where one process holds the store: the one that had them is gone. Where several share it they
    /// may be at work; there a lease ends by its time only.
    pub async fn void_claims(&mut self, now: Moment) -> Result<u64, StoreError> {
        if self.is_shared() {
            return Ok(0);
        }
        Ok(on!(self.db(), execute(sqlx::query(VOID_CLAIMS).bind(micros(now)))))
    }

    /// Has every waiting message due by `now` whose instant is later than `latest`: it is by a clock that was set back. How
    /// many.
    pub async fn due_at_once(&mut self, now: Moment, latest: Moment) -> Result<u64, StoreError> {
        Ok(on!(
            self.db(),
            execute(sqlx::query(DUE_AT_ONCE).bind(micros(now)).bind(micros(latest)))
        ))
    }
}
