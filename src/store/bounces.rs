//! Mails that came back: from which addresses, and until when those are not written to.

use sqlx::FromRow;

use super::{Store, StoreError, Tx, micros, moment, on};
use crate::domain::Moment;

const SENT_TO: &str = "SELECT recipients, unit, desk, mode, form FROM message WHERE id = $1";
const NEW: &str = "INSERT INTO bounce (message, address, at, detail) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
const OF_MESSAGE: &str = "SELECT address, at, detail FROM bounce WHERE message = $1 ORDER BY at, address";
const ADDRESSES: &str = "SELECT address FROM bounce WHERE message = $1";
const BOUNCED: &str = "UPDATE message SET state = 'bounced', state_at = $2, reason = $3, digest_key = NULL WHERE id = $1 AND state = 'accepted'";
/// Tried anew: by another address as if for the first time, by the same one later, for as long as is left of its time.
const NOTICES_ANEW: &str = "UPDATE notice SET state = 'waiting', state_at = $2, compose_at = $3, message = NULL, \
     first_attempt_at = CASE WHEN CAST($4 AS BIGINT) = 1 THEN NULL ELSE first_attempt_at END WHERE message = $1 AND state = 'accepted'";
const NOTICES_DEAD: &str = "UPDATE notice SET state = 'dead', state_at = $2 WHERE message = $1 AND state = 'accepted'";
const SUSPEND: &str = "INSERT INTO suspension (address, since, until, reason) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (address) DO UPDATE SET until = excluded.until, reason = excluded.reason";
const SUSPENDED: &str = "SELECT address, since, until, reason FROM suspension WHERE until > $1 ORDER BY until, address";
const KEY: &str = "SELECT value FROM meta WHERE name = 'bounce_key'";
const KEY_NEW: &str = "INSERT INTO meta (name, value) VALUES ('bounce_key', $1) ON CONFLICT (name) DO NOTHING";

pub const STATEMENTS: &[&str] = &[
    SENT_TO,
    NEW,
    OF_MESSAGE,
    ADDRESSES,
    BOUNCED,
    NOTICES_ANEW,
    NOTICES_DEAD,
    SUSPEND,
    SUSPENDED,
    KEY,
    KEY_NEW,
];

/// To whom a message went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub recipients: Vec<String>,
    pub unit: String,
    pub desk: String,
    pub mode: String,
    /// A digest or a single mail.
    pub form: String,
}

/// A mail that came back from an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounce {
    pub address: String,
    pub at: Moment,
    pub detail: String,
}

/// An address that is not written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspension {
    pub address: String,
    pub since: Moment,
    pub until: Moment,
    pub reason: String,
}

/// What becomes of a message's notices once it has come back from all its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anew {
    /// To whom the directory names now, with all the time there is.
    ByAnotherAddress,
    /// Once more to the same at an instant, within the time that is left.
    ByTheSame(Moment),
    /// There is nobody else.
    Not,
}

#[derive(FromRow)]
struct SentRow {
    recipients: String,
    unit: String,
    desk: String,
    mode: String,
    form: String,
}

impl SentRow {
    fn read(self, message: &str) -> Result<Sent, StoreError> {
        let recipients = serde_json::from_str(&self.recipients).map_err(|e| StoreError::Corrupt {
            table: "message",
            id: message.to_owned(),
            what: e.to_string(),
        })?;
        Ok(Sent {
            recipients,
            unit: self.unit,
            desk: self.desk,
            mode: self.mode,
            form: self.form,
        })
    }
}

type SuspendedRow = (String, i64, i64, String);

fn suspension((address, since, until, reason): SuspendedRow) -> Suspension {
    Suspension {
        address,
        since: moment(since),
        until: moment(until),
        reason,
    }
}

impl Store {
    /// To whom a message went; `None` where there is none of that id.
    pub async fn sent(&self, message: &str) -> Result<Option<Sent>, StoreError> {
        let row: Option<SentRow> = on!(self.db(), fetch_optional(sqlx::query_as(SENT_TO).bind(message)));
        row.map(|row| row.read(message)).transpose()
    }

    /// From which addresses a message came back.
    pub async fn bounces(&self, message: &str) -> Result<Vec<Bounce>, StoreError> {
        let rows: Vec<(String, i64, String)> = on!(self.db(), fetch_all(sqlx::query_as(OF_MESSAGE).bind(message)));
        let bounce = |(address, at, detail)| Bounce {
            address,
            at: moment(at),
            detail,
        };
        Ok(rows.into_iter().map(bounce).collect())
    }

    /// Addresses that are not written to at an instant.
    pub async fn suspensions(&self, now: Moment) -> Result<Vec<Suspension>, StoreError> {
        let rows: Vec<SuspendedRow> = on!(self.db(), fetch_all(sqlx::query_as(SUSPENDED).bind(micros(now))));
        Ok(rows.into_iter().map(suspension).collect())
    }

    /// What the senders of mails are signed with, where it has been made.
    pub async fn bounce_key(&self) -> Result<Option<String>, StoreError> {
        Ok(on!(self.db(), fetch_optional(sqlx::query_scalar(KEY))))
    }
}

impl Tx {
    /// Keeps the key that senders are signed with, unless there is one.
    pub async fn keep_bounce_key(&mut self, key: &str) -> Result<(), StoreError> {
        on!(self.db(), execute(sqlx::query(KEY_NEW).bind(key)));
        Ok(())
    }

    /// To whom a message went; `None` where there is none of that id.
    pub async fn sent(&mut self, message: &str) -> Result<Option<Sent>, StoreError> {
        let row: Option<SentRow> = on!(self.db(), fetch_optional(sqlx::query_as(SENT_TO).bind(message)));
        row.map(|row| row.read(message)).transpose()
    }

    /// A message came back from an address; false where that was known.
    pub async fn bounced_from(
        &mut self,
        message: &str,
        address: &str,
        detail: &str,
        at: Moment,
    ) -> Result<bool, StoreError> {
        let new = on!(
            self.db(),
            execute(
                sqlx::query(NEW)
                    .bind(message)
                    .bind(address)
                    .bind(micros(at))
                    .bind(detail)
            )
        );
        Ok(new == 1)
    }

    /// The addresses that a message came back from.
    pub async fn bounced_addresses(&mut self, message: &str) -> Result<Vec<String>, StoreError> {
        Ok(on!(self.db(), fetch_all(sqlx::query_scalar(ADDRESSES).bind(message))))
    }

    /// A message has come back from all its addresses; false where it is not an accepted one.
    pub async fn bounced(&mut self, message: &str, why: &str, anew: Anew, at: Moment) -> Result<bool, StoreError> {
        let bounced = on!(
            self.db(),
            execute(sqlx::query(BOUNCED).bind(message).bind(micros(at)).bind(why))
        );
        if bounced != 1 {
            return Ok(false);
        }
        // Whether the next step may be told hangs on it.
        self.wake_told(&[message], at).await?;
        let from = match anew {
            Anew::Not => {
                on!(
                    self.db(),
                    execute(sqlx::query(NOTICES_DEAD).bind(message).bind(micros(at)))
                );
                return Ok(true);
            }
            Anew::ByAnotherAddress => at,
            Anew::ByTheSame(from) => from,
        };
        on!(
            self.db(),
            execute(
                sqlx::query(NOTICES_ANEW)
                    .bind(message)
                    .bind(micros(at))
                    .bind(micros(from))
                    .bind(i64::from(anew == Anew::ByAnotherAddress))
            )
        );
        Ok(true)
    }

    /// Addresses that are not written to at an instant.
    pub async fn suspensions(&mut self, now: Moment) -> Result<Vec<Suspension>, StoreError> {
        let rows: Vec<SuspendedRow> = on!(self.db(), fetch_all(sqlx::query_as(SUSPENDED).bind(micros(now))));
        Ok(rows.into_iter().map(suspension).collect())
    }

    /// Writes to an address no more until an instant.
    pub async fn suspend(&mut self, address: &str, until: Moment, reason: &str, now: Moment) -> Result<(), StoreError> {
        on!(
            self.db(),
            execute(
                sqlx::query(SUSPEND)
                    .bind(address)
                    .bind(micros(now))
                    .bind(micros(until))
                    .bind(reason)
            )
        );
        Ok(())
    }
}
