//! A ticket database on a server: one connection that is kept between reads, each read in a read-only transaction of
//! its own, and no wait without an end. Values come as the text in which the server writes them.

use std::future::Future;
use std::time::Duration;

use tokio::sync::Mutex;

use super::decode::{self, Value, Values};
use super::statement::{Bind, Column, Kind, Statement};
use super::told::is_refused;
use super::{SourceError, alone, as_table};
use crate::config::settings;

/// The server itself ends a statement after its time. This much later nobody waits for it any more.
pub const GRACE: Duration = Duration::from_secs(5);

/// One kind of server.
pub(super) trait Protocol: Send + Sync {
    type Connection: Send;

    /// Connects and sets what holds for all transactions.
    fn connect(&self) -> impl Future<Output = Result<Self::Connection, SourceError>> + Send;

    /// Begins a read-only transaction.
    fn begin(&self, connection: &mut Self::Connection) -> impl Future<Output = sqlx::Result<()>> + Send;

    fn end(&self, connection: &mut Self::Connection) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// The names and types of a statement's columns.
    fn describe(
        &self,
        connection: &mut Self::Connection,
        sql: String,
    ) -> impl Future<Output = sqlx::Result<Vec<(String, String)>>> + Send;

    /// The rows of a statement all of whose columns are text.
    fn rows(
        &self,
        connection: &mut Self::Connection,
        sql: String,
        binds: Vec<Bind>,
    ) -> impl Future<Output = sqlx::Result<Vec<Vec<Option<Vec<u8>>>>>> + Send;

    /// How a column of a type is read and compared; `None` where it cannot be.
    fn column(&self, name: &str, kind: &str) -> Option<Column>;

    /// Whether the server ended a statement because of its time.
    fn is_timeout(&self, error: &sqlx::Error) -> bool;
}

/// A server with its connection.
pub(super) struct Server<P: Protocol> {
    protocol: P,
    database: String,
    timeout: Duration,
    /// Taken out while it is in use: what is broken off takes its connection with it.
    kept: Mutex<Option<P::Connection>>,
}

impl<P: Protocol> Server<P> {
    pub(super) fn new(protocol: P, server: &settings::Server, timeout: Duration) -> Server<P> {
        Server {
            protocol,
            database: server.url.to_string(),
            timeout,
            kept: Mutex::new(None),
        }
    }

    /// The columns of the user's query, by the names they have there.
    pub(super) async fn columns(&self, query: &str) -> Result<Vec<(String, Column)>, SourceError> {
        let prepare = async {
            let mut connection = self.begun().await?;
            let refused = |error| match is_refused(&error) {
                true => SourceError::Query {
                    database: self.database.clone(),
                    error,
                },
                false => self.failed(error),
            };
            let described = self.protocol.describe(&mut connection, alone(query)).await;
            described.map_err(refused)?;
            let columns = self.protocol.describe(&mut connection, as_table(query)).await;
            Ok((connection, columns.map_err(refused)?))
        };
        let (connection, columns) = self.in_time(prepare).await?;
        self.give_back(connection).await?;
        let mut unreadable = Vec::new();
        let mut readable = Vec::new();
        for (name, kind) in columns {
            match self.protocol.column(&name, &kind) {
                Some(column) => readable.push((name, column)),
                // A column that is none of ours is never looked at.
                None if decode::COLUMNS.iter().any(|c| c.eq_ignore_ascii_case(&name)) => unreadable.push((name, kind)),
                None => {}
            }
        }
        if unreadable.is_empty() {
            return Ok(readable);
        }
        Err(SourceError::Unreadable {
            database: self.database.clone(),
            columns: unreadable,
        })
    }

    pub(super) async fn fetch(&self, statement: Statement) -> Result<Vec<Values>, SourceError> {
        let Statement { text, binds, outputs } = statement;
        let read = async {
            let mut connection = self.begun().await?;
            let rows = self.protocol.rows(&mut connection, text, binds).await;
            Ok((connection, rows.map_err(|error| self.failed(error))?))
        };
        let (connection, rows) = self.in_time(read).await?;
        self.give_back(connection).await?;
        let values = |row: Vec<Option<Vec<u8>>>| {
            let named = outputs.iter().zip(row);
            named
                .map(|(output, text)| (output.name, value(output.kind, text)))
                .collect()
        };
        Ok(rows.into_iter().map(values).collect())
    }

    /// A connection in a transaction: the one that was kept, or a new one where that has been lost meanwhile.
    async fn begun(&self) -> Result<P::Connection, SourceError> {
        if let Some(mut connection) = self.kept.lock().await.take()
            && self.protocol.begin(&mut connection).await.is_ok()
        {
            return Ok(connection);
        }
        let mut connection = self.protocol.connect().await?;
        let begun = self.protocol.begin(&mut connection).await;
        begun.map_err(|error| SourceError::Open {
            database: self.database.clone(),
            error,
        })?;
        Ok(connection)
    }

    async fn give_back(&self, mut connection: P::Connection) -> Result<(), SourceError> {
        let end = async {
            let ended = self.protocol.end(&mut connection).await;
            ended.map_err(|error| self.failed(error))
        };
        self.in_time(end).await?;
        *self.kept.lock().await = Some(connection);
        Ok(())
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, SourceError>>) -> Result<T, SourceError> {
        match tokio::time::timeout(self.timeout + GRACE, work).await {
            Ok(done) => done,
            Err(_) => Err(SourceError::Timeout {
                database: self.database.clone(),
            }),
        }
    }

    fn failed(&self, error: sqlx::Error) -> SourceError {
        let database = self.database.clone();
        if self.protocol.is_timeout(&error) {
            SourceError::Timeout { database }
        } else {
            SourceError::Read { database, error }
        }
    }
}

/// What a server wrote, by the kind of its column. What is not of that kind after all (`infinity`, `0000-00-00`) stays
/// the text that it is.
fn value(kind: Kind, written: Option<Vec<u8>>) -> Value {
    let text = match written.map(Value::of_bytes) {
        None => return Value::Null,
        Some(Value::Text(text)) => text,
        Some(other) => return other,
    };
    let read = match kind {
        Kind::Whole => text.parse().ok().map(Value::Integer),
        Kind::Fraction => fraction(&text),
        Kind::Instant => decode::time(&Value::Text(text.clone()), chrono_tz::UTC)
            .ok()
            .map(|written| Value::Instant(written.at)),
        Kind::Any | Kind::Text | Kind::Naive | Kind::Date => None,
    };
    read.unwrap_or(Value::Text(text))
}

/// A number with nothing but zeros after its point is a whole one.
fn fraction(text: &str) -> Option<Value> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    match whole.parse() {
        Ok(n) if rest.bytes().all(|b| b == b'0') => Some(Value::Integer(n)),
        _ => text.parse().ok().map(Value::Real),
    }
}
