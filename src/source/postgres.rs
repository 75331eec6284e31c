//! A ticket database in PostgreSQL. Whatever a value's type, the server writes it as text, `infinity` included.

use std::time::Duration;

use chrono::SecondsFormat;
use secrecy::ExposeSecret as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow, PgTypeInfo, PgTypeKind};
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Executor as _, Row as _, SqlSafeStr as _, Statement as _,
    TypeInfo as _,
};

use super::SourceError;
use super::decode::Value;
use super::server::Protocol;
use super::statement::{Bind, Column, Dialect, Kind, Output, Statement, null_or_empty, text, whole_numbers};
use crate::config::settings::Server;

/// How to reach the server.
pub(super) struct Postgres {
    options: PgConnectOptions,
    database: String,
    /// Everything that holds for a transaction, said within it: a pooler may hand each one to another session.
    begin: String,
}

impl Postgres {
    pub(super) fn new(server: &Server, timeout: Duration) -> Result<Postgres, SourceError> {
        let database = server.url.to_string();
        let options = match PgConnectOptions::from_url(&server.url) {
            Ok(options) => options,
            Err(error) => return Err(SourceError::Open { database, error }),
        };
        let password = server.password.as_ref();
        Ok(Postgres {
            options: password.map_or(options.clone(), |p| options.password(p.expose_secret())),
            database,
            begin: format!(
                // What functions say beside their result (`RAISE NOTICE`) may hold what stands in a row.
                "BEGIN READ ONLY; SET LOCAL statement_timeout = {}; SET LOCAL TIME ZONE 'UTC'; \
                 SET LOCAL DateStyle = 'ISO'; SET LOCAL client_min_messages = 'error'",
                timeout.as_millis().clamp(1, 2_147_483_647)
            ),
        })
    }
}

impl Protocol for Postgres {
    type Connection = PgConnection;

    async fn connect(&self) -> Result<PgConnection, SourceError> {
        let open = |error| SourceError::Open {
            database: self.database.clone(),
            error,
        };
        let mut connection = self.options.connect().await.map_err(open)?;
        let encoding: String = sqlx::query_scalar("SHOW server_encoding")
            .fetch_one(&mut connection)
            .await
            .map_err(open)?;
        // The server neither checks nor converts it, so that nobody knows what a text says.
        if encoding == "SQL_ASCII" {
            return Err(SourceError::Encoding {
                database: self.database.clone(),
                encoding,
            });
        }
        Ok(connection)
    }

    async fn begin(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let begin = AssertSqlSafe(self.begin.clone());
        sqlx::raw_sql(begin).execute(connection).await.map(drop)
    }

    async fn end(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        sqlx::raw_sql("ROLLBACK").execute(connection).await.map(drop)
    }

    async fn describe(&self, connection: &mut PgConnection, sql: String) -> sqlx::Result<Vec<(String, String)>> {
        let prepared = connection.prepare(AssertSqlSafe(sql).into_sql_str()).await?;
        let columns = prepared.columns().iter();
        Ok(columns.map(|c| (c.name().to_owned(), kind_of(c.type_info()))).collect())
    }

    async fn rows(
        &self,
        connection: &mut PgConnection,
        sql: String,
        binds: Vec<Bind>,
    ) -> sqlx::Result<Vec<Vec<Option<Vec<u8>>>>> {
        // Not kept as prepared: each has a text of its own, and a pooler would not find it again.
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        let query = binds.into_iter().fold(query, |q, bind| match bind {
            Bind::Integer(n) => q.bind(n),
            Bind::Real(x) => q.bind(x),
            Bind::Text(text) => q.bind(text),
            Bind::Bytes(bytes) => q.bind(bytes),
        });
        let rows = query.fetch_all(connection).await?;
        let texts = |row: &PgRow| (0..row.len()).map(|n| row.try_get_unchecked(n)).collect();
        rows.iter().map(texts).collect()
    }

    fn column(&self, name: &str, kind: &str) -> Option<Column> {
        let column = format!("q.\"{}\"", name.replace('"', "\"\""));
        let text = format!("CAST({column} AS text)");
        let (kind, sql) = match kind {
            "TEXT" | "VARCHAR" => (Kind::Text, column),
            "CHAR" | "\"CHAR\"" | "NAME" | "CITEXT" | "UUID" | "JSON" | "JSONB" | "XML" | "BOOL" | ENUM => {
                (Kind::Text, text.clone())
            }
            "INT2" | "INT4" | "INT8" => (Kind::Whole, column),
            "FLOAT4" | "FLOAT8" | "NUMERIC" => (Kind::Fraction, column),
            "TIMESTAMP" => (Kind::Naive, column),
            "TIMESTAMPTZ" => (Kind::Instant, column),
            "DATE" => (Kind::Date, column),
            _ => return None,
        };
        Some(Column {
            key: format!("{text} COLLATE \"C\""),
            read: text,
            sql,
            kind,
        })
    }

    fn is_timeout(&self, error: &sqlx::Error) -> bool {
        error
            .as_database_error()
            .is_some_and(|e| e.code().as_deref() == Some("57014"))
    }
}

/// An enumeration of the database's own.
const ENUM: &str = "ENUM";

fn kind_of(kind: &PgTypeInfo) -> String {
    match kind.kind() {
        PgTypeKind::Enum(_) => ENUM.to_owned(),
        _ => kind.name().to_uppercase(),
    }
}

/// PostgreSQL's part of the statements.
pub(super) struct PostgresDialect;

impl Dialect for PostgresDialect {
    fn place(&self, n: usize) -> String {
        format!("${n}")
    }

    fn value(&self, kind: Kind, value: &Value, place: String) -> (String, Bind) {
        let place = match kind {
            Kind::Naive => format!("CAST({place} AS timestamp)"),
            Kind::Instant => format!("CAST({place} AS timestamptz)"),
            Kind::Date => format!("CAST({place} AS date)"),
            Kind::Any | Kind::Text | Kind::Whole | Kind::Fraction => place,
        };
        let bind = match (kind, value) {
            (Kind::Whole | Kind::Fraction, Value::Integer(n)) => Bind::Integer(*n),
            (Kind::Whole | Kind::Fraction, Value::Real(x)) => Bind::Real(*x),
            (_, Value::Instant(at)) => Bind::Text(at.to_rfc3339_opts(SecondsFormat::Micros, true)),
            (_, value) => Bind::Text(text(value)),
        };
        (place, bind)
    }

    fn key(&self, text: &[u8], place: String) -> (String, Bind) {
        (place, Bind::Text(String::from_utf8_lossy(text).into_owned()))
    }

    fn cut(&self, sql: &str, most: usize) -> String {
        format!("left({sql}, {most})")
    }

    fn as_text(&self, sql: &str) -> String {
        format!("CAST({sql} AS text)")
    }

    fn has_text(&self, column: &Column) -> String {
        format!("{} <> ''", column.key)
    }

    fn kind_of_no_text(&self, column: &Column) -> Output {
        null_or_empty(column)
    }

    fn is_placed(&self, _: &Column) -> String {
        "TRUE".to_owned()
    }

    fn is_incomparable(&self, _: &Column, _: &Value) -> Option<String> {
        None
    }

    fn is_one_of(&self, column: &Column, texts: &[String], statement: &mut Statement) -> Option<String> {
        let (sql, binds) = match column.kind {
            Kind::Whole => (&column.sql, whole_numbers(texts)),
            Kind::Text => (&column.sql, texts.iter().cloned().map(Bind::Text).collect()),
            _ => (&column.key, texts.iter().cloned().map(Bind::Text).collect()),
        };
        let places: Vec<String> = binds.into_iter().map(|b| statement.bind(self, b)).collect();
        (!places.is_empty()).then(|| format!("{sql} IN ({})", places.join(",")))
    }
}
