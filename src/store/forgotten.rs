//! Tickets that ops have forgotten: all that names them is removed, and a keyed hash of the code stays, by which they are
//! not taken in again.
//!
//! Forgetting is asked for by people and may look at all there is: free texts are searched from end to end.

use std::collections::{HashMap, HashSet};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sqlx::FromRow;

use super::meta::{FORGET_KEY, LAST_FORGETTING};
use super::{CHUNK, Either, Store, StoreError, Tx, filled, keys_50, micros, moment, on, sqlite};
use crate::domain::Moment;

/// May name tickets that none of its links leads to: a letter without notices, one with a summary, one whose tickets have
/// been pruned.
macro_rules! unlinked {
    () => {
        "(m.notices = 0 OR m.notices > (SELECT COUNT(*) FROM message_notice l WHERE l.message = m.id) \
         OR EXISTS (SELECT 1 FROM message_notice l JOIN notice n ON n.id = l.notice JOIN telling t ON t.id = n.telling \
         WHERE l.message = m.id AND t.subject_kind <> 'ticket'))"
    };
}

const AMONG: &str = concat!("SELECT hash FROM forgotten WHERE hash IN (", keys_50!(), ")");
const AT: &str = "SELECT at FROM forgotten WHERE hash = $1";
const ADD: &str = "INSERT INTO forgotten (hash, at) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING";
const CARRIERS: &str = "SELECT DISTINCT m.id, m.state, m.unknown, CAST(CASE WHEN m.claimed_by IS NULL THEN 0 ELSE 1 END AS BIGINT) AS claimed \
     FROM telling t JOIN notice n ON n.telling = t.id JOIN message_notice l ON l.notice = n.id JOIN message m ON m.id = l.message \
     WHERE t.subject = $1 AND t.subject_kind = 'ticket' ORDER BY m.id";
/// What is still to be sent: corrections and summaries name tickets that none of their notices is about.
const UNSENT: &str = concat!(
    "SELECT m.id, m.state, m.unknown, CAST(CASE WHEN m.claimed_by IS NULL THEN 0 ELSE 1 END AS BIGINT) AS claimed, m.channel, m.subject, \
     m.notices, b.bytes FROM message m JOIN body b ON b.message = m.id \
     WHERE m.state IN ('waiting', 'awaiting_approval', 'released') AND m.id > $1 AND ",
    unlinked!(),
    " ORDER BY m.id LIMIT CAST($2 AS BIGINT)"
);
const UNAPPROVED: &str = concat!(
    "UPDATE message SET state = 'replaced', state_at = $51, reason = $52, remind_at = NULL \
     WHERE state IN ('awaiting_approval', 'released') AND id IN (",
    keys_50!(),
    ") RETURNING id"
);
/// They wait for approval once more.
const NOTICES_UNAPPROVED: &str = concat!(
    "UPDATE notice SET state = 'waiting', state_at = $51, compose_at = $51, message = NULL \
     WHERE state IN ('awaiting_approval', 'waiting') AND message IN (",
    keys_50!(),
    ")"
);
const UNSAY: &str = concat!("UPDATE message SET said = NULL WHERE id IN (", keys_50!(), ")");
const BODIES: &str = concat!(
    "SELECT b.message, m.channel, b.bytes FROM body b JOIN message m ON m.id = b.message \
     WHERE b.message > $1 AND m.state NOT IN ('waiting', 'awaiting_approval', 'released') AND ",
    unlinked!(),
    " ORDER BY b.message LIMIT CAST($2 AS BIGINT)"
);
/// Subjects of messages that told of a ticket whose code cannot be known among other numbers.
const UNNAME: &str = concat!(
    "UPDATE message SET subject = $51 WHERE subject LIKE $52 AND id IN (",
    keys_50!(),
    ")"
);
const COUNT: &str = "SELECT (SELECT COUNT(*) FROM ticket WHERE code = $1), (SELECT COUNT(*) FROM change WHERE code = $1), \
     (SELECT COUNT(*) FROM telling WHERE subject = $1 AND subject_kind = 'ticket'), \
     (SELECT COUNT(*) FROM notice n JOIN telling t ON t.id = n.telling WHERE t.subject = $1 AND t.subject_kind = 'ticket'), \
     (SELECT COUNT(*) FROM acknowledgement WHERE ticket = $1), \
     (SELECT COUNT(*) FROM member WHERE code = $1) + (SELECT COUNT(*) FROM entry WHERE code = $1)";
/// The register keeps its lines, so that what is owed is about as many tickets as before.
const HASH_MEMBERS: &str = "UPDATE member SET code = $2 WHERE code = $1";
const HASH_ENTRIES: &str = "UPDATE entry SET code = $2 WHERE code = $1";

/// How the texts of a column are found, and how one is written anew.
macro_rules! texts_of {
    ($table:literal, $column:literal) => {
        (
            concat!(
                "SELECT DISTINCT ",
                $column,
                " FROM ",
                $table,
                " WHERE ",
                $column,
                " LIKE $1 ESCAPE '\\'"
            ),
            concat!("UPDATE ", $table, " SET ", $column, " = $2 WHERE ", $column, " = $1"),
        )
    };
}

/// Where a code may stand among other words.
const TEXTS: [(&str, &str); 16] = [
    texts_of!("message", "subject"),
    texts_of!("message", "matter"),
    texts_of!("message", "reason"),
    texts_of!("message", "correction"),
    texts_of!("attempt", "detail"),
    texts_of!("bounce", "detail"),
    texts_of!("alarm", "detail"),
    texts_of!("alarm", "witness"),
    texts_of!("silence", "scope"),
    texts_of!("silence", "reason"),
    texts_of!("suspension", "reason"),
    texts_of!("endpoint", "reason"),
    texts_of!("endpoint_failing", "reason"),
    texts_of!("acknowledgement", "note"),
    texts_of!("entry", "note"),
    // In JSON, as scopes are.
    (
        "SELECT value FROM meta WHERE name = 'paused' AND value LIKE $1 ESCAPE '\\'",
        "UPDATE meta SET value = $2 WHERE name = 'paused' AND value = $1",
    ),
];

pub const STATEMENTS: &[&str] = &[
    AMONG,
    AT,
    ADD,
    CARRIERS,
    UNSENT,
    UNAPPROVED,
    NOTICES_UNAPPROVED,
    UNSAY,
    BODIES,
    UNNAME,
    COUNT,
    HASH_MEMBERS,
    HASH_ENTRIES,
];

/// The statements about [`TEXTS`].
pub(super) fn about_texts() -> impl Iterator<Item = &'static str> {
    TEXTS.into_iter().flat_map(|(find, blank)| [find, blank])
}

/// What stands in the place of a forgotten code.
pub const BLANK: &str = "[forgotten]";

/// A message that told of a ticket.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Carrier {
    pub id: String,
    pub state: String,
    /// Attempts whose answer was lost.
    pub unknown: i64,
    claimed: i64,
}

impl Carrier {
    /// Is being sent, or was when its process ended.
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        self.claimed != 0
    }
}

/// A message that is still to be sent, with what it says.
#[derive(Debug, Clone, FromRow)]
pub struct Unsent {
    #[sqlx(flatten)]
    pub carrier: Carrier,
    pub channel: String,
    pub subject: String,
    pub notices: i64,
    pub bytes: Vec<u8>,
}

/// The bytes of a message.
#[derive(Debug, Clone, FromRow)]
pub struct Body {
    pub message: String,
    pub channel: String,
    pub bytes: Vec<u8>,
}

/// What the store held of a ticket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub struct Traces {
    pub tickets: i64,
    pub changes: i64,
    pub tellings: i64,
    pub notices: i64,
    pub acknowledgements: i64,
    /// Lines of the register of the monthly cycle.
    pub register: i64,
}

impl Traces {
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Traces::default()
    }
}

/// Codes of fewer digits are numbers like any other in a text.
const TELLING_DIGITS: usize = 5;

/// Whether a code is a number that other things are as well, such as a day or a count.
fn is_any_number(code: &str) -> bool {
    code.len() < TELLING_DIGITS && code.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text names a code: not where the code is part of a longer word, number, date or other code. One that is
/// any number is named only where it stands for itself.
#[must_use]
pub fn names(text: &str, code: &str) -> bool {
    !code.is_empty() && places(text, code).next().is_some()
}

fn places<'a>(text: &'a str, code: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_number = is_any_number(code);
    text.match_indices(code).map(|(at, _)| at).filter(move |at| {
        let (before, after) = (text[..*at].chars().rev(), text[at + code.len()..].chars());
        match is_number {
            true => is_alone(before) && is_alone(after),
            false => !goes_on(before) && !goes_on(after),
        }
    })
}

/// Whether a word goes on with these characters.
fn goes_on(mut on: impl Iterator<Item = char>) -> bool {
    match on.next() {
        Some('-' | '/' | '.' | '_' | ':') => on.next().is_some_and(char::is_alphanumeric),
        next => next.is_some_and(char::is_alphanumeric),
    }
}

/// Whether a value ends with these characters: a text, one in JSON, or a part of a thread's name.
fn is_alone(mut on: impl Iterator<Item = char>) -> bool {
    matches!(on.next(), None | Some('"' | '|'))
}

/// A code as itself, and as JSON writes it where that is otherwise.
fn forms(code: &str) -> Vec<String> {
    let json = serde_json::Value::from(code).to_string();
    let json = json.trim_matches('"').to_owned();
    let mut forms = vec![code.to_owned()];
    forms.extend(Some(json).filter(|json| json != code));
    forms
}

fn blanked(text: &str, code: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for at in places(text, code) {
        if at < from {
            continue;
        }
        out.push_str(&text[from..at]);
        out.push_str(BLANK);
        from = at + code.len();
    }
    out.push_str(&text[from..]);
    out
}

fn hashed(key: &str, code: &str) -> Result<String, StoreError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_err(|error| StoreError::Corrupt {
        table: "meta",
        id: FORGET_KEY.to_owned(),
        what: error.to_string(),
    })?;
    mac.update(code.as_bytes());
    let bytes = mac.finalize().into_bytes();
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Those among some codes whose hashes by a key are kept, read from the open store or within a transaction.
macro_rules! forgotten {
    ($from:ident, $key:expr, $codes:expr) => {{
        let mut by_hash = HashMap::with_capacity($codes.len());
        for code in $codes {
            by_hash.insert(hashed($key, code)?, code);
        }
        let hashes: Vec<&String> = by_hash.keys().collect();
        let mut found = HashSet::new();
        for chunk in hashes.chunks(CHUNK) {
            let some: Vec<String> = on!(
                $from.db(),
                fetch_all(filled(chunk).fold(sqlx::query_scalar(AMONG), |q, hash| q.bind(hash)))
            );
            found.extend(
                some.iter()
                    .filter_map(|hash| by_hash.get(hash))
                    .map(|code| (*code).clone()),
            );
        }
        found
    }};
}

/// What a row that is not known may mean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unknown {
    /// Codes that are not to be known.
    pub forgotten: HashSet<String>,
    /// Before when what was over has been pruned.
    pub kept_from: Option<Moment>,
}

impl Store {
    /// Those among some codes that are forgotten.
    pub async fn forgotten(&self, codes: &[String]) -> Result<HashSet<String>, StoreError> {
        if codes.is_empty() {
            return Ok(HashSet::new());
        }
        let Some(key) = self.value(FORGET_KEY).await? else {
            return Ok(HashSet::new());
        };
        Ok(forgotten!(self, &key, codes))
    }

    /// When a ticket was forgotten.
    pub async fn forgotten_at(&self, code: &str) -> Result<Option<Moment>, StoreError> {
        let Some(key) = self.value(FORGET_KEY).await? else {
            return Ok(None);
        };
        let hash = hashed(&key, code)?;
        let at: Option<i64> = on!(self.db(), fetch_optional(sqlx::query_scalar(AT).bind(&hash)));
        Ok(at.map(moment))
    }

    /// What there is of a ticket.
    pub async fn traces(&self, code: &str) -> Result<Traces, StoreError> {
        let traces: (i64, i64, i64, i64, i64, i64) = on!(self.db(), fetch_one(sqlx::query_as(COUNT).bind(code)));
        let (tickets, changes, tellings, notices, acknowledgements, register) = traces;
        Ok(Traces {
            tickets,
            changes,
            tellings,
            notices,
            acknowledgements,
            register,
        })
    }

    /// Bodies of messages that are not to be sent any more, in order of their ids, after one.
    pub async fn old_bodies(&self, after: &str, limit: i64) -> Result<Vec<Body>, StoreError> {
        Ok(on!(
            self.db(),
            fetch_all(sqlx::query_as(BODIES).bind(after).bind(limit))
        ))
    }

    /// Writes a SQLite file anew without what was removed, and empties its log; nothing on a server, which does so by itself.
    pub async fn scour(&self) -> Result<(), StoreError> {
        match &self.connections {
            Either::Sqlite(file) => sqlite::scour(file).await,
            Either::Postgres(_) => Ok(()),
        }
    }
}

impl Tx {
    /// Why some codes may not be known; nobody forgets or prunes one before the transaction ends.
    pub async fn unknown(&mut self, codes: &[String]) -> Result<Unknown, StoreError> {
        let (key, kept_from) = self.forgetting().await?;
        let forgotten = match key {
            Some(key) => forgotten!(self, &key, codes),
            None => HashSet::new(),
        };
        Ok(Unknown { forgotten, kept_from })
    }

    /// As [`super::meta::Meta::last_forgetting`] by now.
    pub async fn last_forgetting(&mut self) -> Result<Option<String>, StoreError> {
        self.value(LAST_FORGETTING).await
    }

    /// The messages that ever told of a ticket.
    pub async fn carriers(&mut self, code: &str) -> Result<Vec<Carrier>, StoreError> {
        Ok(on!(self.db(), fetch_all(sqlx::query_as(CARRIERS).bind(code))))
    }

    /// What is still to be sent, in order of the ids, after one.
    pub async fn unsent(&mut self, after: &str, limit: i64) -> Result<Vec<Unsent>, StoreError> {
        Ok(on!(
            self.db(),
            fetch_all(sqlx::query_as(UNSENT).bind(after).bind(limit))
        ))
    }

    /// Lets messages go that wait for approval: what they told waits for it anew.
    pub async fn unapprove(&mut self, ids: &[&str], why: &str, now: Moment) -> Result<Vec<String>, StoreError> {
        let mut gone = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK) {
            let some: Vec<String> = on!(
                self.db(),
                fetch_all(
                    filled(chunk)
                        .fold(sqlx::query_scalar(UNAPPROVED), |q, id| q.bind(id))
                        .bind(micros(now))
                        .bind(why)
                )
            );
            gone.extend(some);
        }
        for chunk in gone.chunks(CHUNK) {
            on!(
                self.db(),
                execute(
                    filled(chunk)
                        .fold(sqlx::query(NOTICES_UNAPPROVED), |q, id| q.bind(id))
                        .bind(micros(now))
                )
            );
        }
        Ok(gone)
    }

    /// Removes all that names a ticket, the bodies of some messages with it, and remembers that it is forgotten: how many
    /// other texts named it.
    pub async fn forget_ticket(&mut self, code: &str, messages: &[String], now: Moment) -> Result<u64, StoreError> {
        self.unsay(messages).await?;
        if is_any_number(code) {
            for chunk in messages.chunks(CHUNK) {
                on!(
                    self.db(),
                    execute(
                        filled(chunk)
                            .fold(sqlx::query(UNNAME), |q, id| q.bind(id))
                            .bind(BLANK)
                            .bind(format!("%{code}%"))
                    )
                );
            }
        }
        self.drop_tickets(&[code.to_owned()]).await?;
        let texts = self.blank_texts(code).await? + self.unlist(code).await?;
        let key = match self.value(FORGET_KEY).await? {
            Some(key) => key,
            None => {
                let new = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()].map(|part| part.simple().to_string());
                let new = new.concat();
                self.put(&[(FORGET_KEY, new.clone())]).await?;
                new
            }
        };
        let hash = hashed(&key, code)?;
        on!(self.db(), execute(sqlx::query(ADD).bind(&hash).bind(micros(now))));
        for statement in [HASH_MEMBERS, HASH_ENTRIES] {
            on!(self.db(), execute(sqlx::query(statement).bind(code).bind(&hash)));
        }
        self.put(&[(LAST_FORGETTING, uuid::Uuid::new_v4().to_string())]).await?;
        Ok(texts)
    }

    /// Removes what messages said.
    pub async fn unsay(&mut self, messages: &[String]) -> Result<(), StoreError> {
        self.drop_bodies(messages).await?;
        for chunk in messages.chunks(CHUNK) {
            on!(
                self.db(),
                execute(filled(chunk).fold(sqlx::query(UNSAY), |q, id| q.bind(id)))
            );
        }
        Ok(())
    }

    /// In how many texts a code is named, beside the bodies of messages.
    pub async fn count_texts(&mut self, code: &str) -> Result<usize, StoreError> {
        let mut count = 0;
        for form in forms(code) {
            count += self.texts_naming(&form).await?.len();
        }
        Ok(count + self.snapshots_without(code).await?.len())
    }

    async fn blank_texts(&mut self, code: &str) -> Result<u64, StoreError> {
        let mut count = 0;
        for form in forms(code) {
            for (write, text) in self.texts_naming(&form).await? {
                on!(
                    self.db(),
                    execute(sqlx::query(write).bind(&text).bind(blanked(&text, &form)))
                );
                count += 1;
            }
        }
        Ok(count)
    }

    /// Texts that name a code, each with the statement that writes it anew.
    async fn texts_naming(&mut self, code: &str) -> Result<Vec<(&'static str, String)>, StoreError> {
        let escaped = code.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let pattern = format!("%{escaped}%");
        let mut all = Vec::new();
        for (find, write) in TEXTS {
            let texts: Vec<Option<String>> = on!(self.db(), fetch_all(sqlx::query_scalar(find).bind(&pattern)));
            let naming = texts.into_iter().flatten().filter(|text| names(text, code));
            all.extend(naming.map(|text| (write, text)));
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_named_only_where_it_is_a_word_of_its_own() {
        for text in [
            "21-001",
            "phiếu 21-001.",
            "(21-001)",
            "21-001|SYT|contact",
            "21-0010 và 21-001",
        ] {
            assert!(names(text, "21-001"), "{text}");
        }
        for text in [
            "",
            "21-0010",
            "A21-001",
            "21-001B",
            "121-001",
            "21-001-2",
            "K-21-001",
            "21-001/2021",
            "21-001.5",
            "21-001_b",
            "9:21-001",
        ] {
            assert!(!names(text, "21-001"), "{text}");
        }
        assert!(!names("anything", ""));
    }

    #[test]
    fn a_code_that_is_any_number_is_named_only_where_it_stands_for_itself() {
        for text in ["15", "15|SYT|contact", "shadow|15|SYT|contact", r#"{"ticket":"15"}"#] {
            assert!(names(text, "15"), "{text}");
        }
        for text in [
            "15/08/2021",
            "15 phiếu",
            "lúc 15:00",
            "250 2.0.0 (15)",
            r#"{"count":15}"#,
        ] {
            assert!(!names(text, "15"), "{text}");
        }
        assert!(names("phiếu 20211", "20211"), "no day and no count");
        assert!(names("phiếu 1B", "1B"));
    }

    #[test]
    fn only_the_code_is_blanked() {
        assert_eq!(
            blanked("[1022] 21-001: như 21-0010, 21-001", "21-001"),
            "[1022] [forgotten]: như 21-0010, [forgotten]"
        );
        assert_eq!(blanked("không có gì", "21-001"), "không có gì");
    }

    #[test]
    fn a_hash_is_of_the_key_and_the_code() {
        let of = |key, code| hashed(key, code).unwrap();
        assert_eq!(of("k", "T1"), of("k", "T1"));
        assert_eq!(of("k", "T1").len(), 64);
        assert_ne!(of("k", "T1"), of("k", "T2"));
        assert_ne!(of("k", "T1"), of("l", "T1"));
    }
}
