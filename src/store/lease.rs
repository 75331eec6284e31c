//! Who writes and who decides, where several processes share a store on PostgreSQL.
//!
//! Every write transaction begins by taking the row of the lease, as SQLite's begin by taking the file: one writes at a
//! time, so ids count on, nobody overwrites what he has not seen, and nothing waits in a circle. The same row says whose
//! term it is. A transaction that decides begins by renewing its term; where the term is another's it does not begin,
//! and since it holds the row no other's term begins before its end. Lengths are by the database's clock. A SQLite store
//! is held by one process, and its term never ends.

use std::sync::atomic::AtomicU64;

use chrono::TimeDelta;
use sqlx::Postgres;

use super::lending::Lending;
use super::{Either, Store, StoreError, Tx, asked, postgres, refuse_newer, sqlite};

/// The database's clock, in microseconds.
macro_rules! database_time {
    () => {
        "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
    };
}

/// The version of the tables beside it: a newer process may have changed them since this one was started.
macro_rules! version {
    () => {
        "(SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations)"
    };
}

const TAKE: &str = concat!(
    "SELECT ",
    database_time!(),
    ", ",
    version!(),
    " FROM lease WHERE name = 'turn' FOR UPDATE"
);
const RENEW: &str = concat!(
    "UPDATE lease SET until = ",
    database_time!(),
    " + $3 WHERE name = 'turn' AND holder = $1 AND term = $2 RETURNING ",
    database_time!(),
    ", ",
    version!()
);
/// A term that has not to be renewed yet: more than half of it is left, and no more than it can have. On a standby, where
/// nothing can be written, none is held.
const HELD: &str = concat!(
    "SELECT term, ",
    version!(),
    " FROM lease WHERE name = 'turn' AND holder = $1 AND until BETWEEN ",
    database_time!(),
    " + CAST($2 AS BIGINT) / 2 AND ",
    database_time!(),
    " + $2 AND NOT pg_is_in_recovery()"
);
const LEAD: &str = concat!(
    "UPDATE lease SET term = CASE WHEN holder = $1 THEN term ELSE term + 1 END, holder = $1, until = ",
    database_time!(),
    " + $2 WHERE name = 'turn' AND (holder = $1 OR until <= ",
    database_time!(),
    // No term ends so late but by a clock that was set back since.
    " OR until > ",
    database_time!(),
    " + $2 + $2) RETURNING term, ",
    version!()
);
const STEP_DOWN: &str = "UPDATE lease SET holder = '', until = 0 WHERE name = 'turn' AND holder = $1 AND term = $2";

pub const STATEMENTS: &[&str] = &[TAKE, RENEW, HELD, LEAD, STEP_DOWN];

/// A process's time as the one that decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    holder: String,
    number: i64,
    /// Microseconds.
    length: i64,
}

impl Store {
    /// Asks to be the one that decides for a length of time; `None` where another process is. A term goes on with each
    /// deciding transaction, and where half of it is over when it is asked for.
    pub async fn lead(&self, holder: &str, length: TimeDelta) -> Result<Option<Term>, StoreError> {
        let length = length.num_microseconds().unwrap_or(i64::MAX);
        let number = match self.db() {
            Either::Sqlite(_) => Some(0),
            Either::Postgres(server) => {
                let ask = |text| sqlx::query_as(text).bind(holder.to_owned()).bind(length);
                let mut led: Option<(i64, i64)> = asked!(server, fetch_optional(ask(HELD)));
                if led.is_none() {
                    led = asked!(server, fetch_optional(ask(LEAD)));
                }
                if let Some((_, version)) = led {
                    refuse_newer(&postgres::named(server), version)?;
                }
                led.map(|(term, _)| term)
            }
        };
        Ok(number.map(|number| Term {
            holder: holder.to_owned(),
            number,
            length,
        }))
    }

    /// Lets another process decide at once.
    pub async fn step_down(&self, term: &Term) -> Result<(), StoreError> {
        if let Either::Postgres(server) = self.db() {
            let step_down = sqlx::query(STEP_DOWN).bind(&term.holder).bind(term.number);
            asked!(server, execute(step_down));
        }
        Ok(())
    }

    /// Begins a write transaction of the process that decides; [`StoreError::Deposed`] where its term is over.
    pub async fn begin_deciding(&self, term: &Term) -> Result<Tx, StoreError> {
        match &self.connections {
            Either::Sqlite(file) => sqlite::begin(file).await,
            Either::Postgres(server) => begin(server, &self.begun, Some(term)).await,
        }
    }
}

pub(super) async fn begin(
    server: &Lending<Postgres>,
    begun: &AtomicU64,
    term: Option<&Term>,
) -> Result<Tx, StoreError> {
    postgres::keep_statistics(server, begun).await;
    let mut tx = server.begin("BEGIN").await?;
    let taken: Option<(i64, i64)> = match term {
        None => asked!(tx.connection(), fetch_optional(sqlx::query_as(TAKE))),
        Some(term) => {
            let renew = sqlx::query_as(RENEW)
                .bind(&term.holder)
                .bind(term.number)
                .bind(term.length);
            asked!(tx.connection(), fetch_optional(renew))
        }
    };
    let Some((database_time, version)) = taken else {
        return Err(match term {
            Some(_) => StoreError::Deposed,
            None => StoreError::Corrupt {
                table: "lease",
                id: "turn".to_owned(),
                what: "its row is missing".to_owned(),
            },
        });
    };
    refuse_newer(&postgres::named(server), version)?;
    Ok(Tx {
        inner: Either::Postgres(tx),
        database_time: Some(database_time),
    })
}
