//! A ticket database in MySQL or MariaDB. Whatever a value's type, the server writes it as text, `0000-00-00` included.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlRow};
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Executor as _, Row as _, SqlSafeStr as _, Statement as _,
    TypeInfo as _,
};

use super::SourceError;
use super::decode::Value;
use super::server::Protocol;
use super::statement::{Bind, Column, Dialect, Kind, Output, Statement, null_or_empty, text, whole_numbers};
use crate::config::settings::Server;

/// MariaDB's and MySQL's own numbers for a statement that took too long.
const TOO_LONG: [u16; 2] = [1969, 3024];

/// How to reach the server.
pub(super) struct MySql {
    options: MySqlConnectOptions,
    database: String,
    timeout: Duration,
}

impl MySql {
    pub(super) fn new(server: &Server, timeout: Duration) -> Result<MySql, SourceError> {
        let database = server.url.to_string();
        let options = match MySqlConnectOptions::from_url(&server.url) {
            Ok(options) => options,
            Err(error) => return Err(SourceError::Open { database, error }),
        };
        // The query means what it means to the server: no mode of ours. `TIMESTAMP` comes in the session's zone.
        let options = options
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(Some("+00:00".to_owned()));
        let password = server.password.as_ref();
        Ok(MySql {
            options: password.map_or(options.clone(), |p| options.password(p.expose_secret())),
            database,
            timeout,
        })
    }

    async fn limited(&self) -> sqlx::Result<MySqlConnection> {
        let mut connection = self.options.connect().await?;
        let version: String = sqlx::query_scalar("SELECT VERSION()")
            .fetch_one(&mut connection)
            .await?;
        let limit = if version.contains("MariaDB") {
            format!("max_statement_time = {}", self.timeout.as_secs_f64())
        } else {
            format!("max_execution_time = {}", self.timeout.as_millis().max(1))
        };
        let set = AssertSqlSafe(format!("SET SESSION {limit}"));
        sqlx::raw_sql(set).execute(&mut connection).await?;
        Ok(connection)
    }
}

impl Protocol for MySql {
    type Connection = MySqlConnection;

    async fn connect(&self) -> Result<MySqlConnection, SourceError> {
        self.limited().await.map_err(|error| SourceError::Open {
            database: self.database.clone(),
            error,
        })
    }

    async fn begin(&self, connection: &mut MySqlConnection) -> sqlx::Result<()> {
        let begin = "START TRANSACTION READ ONLY";
        sqlx::raw_sql(begin).execute(connection).await.map(drop)
    }

    async fn end(&self, connection: &mut MySqlConnection) -> sqlx::Result<()> {
        sqlx::raw_sql("ROLLBACK").execute(connection).await.map(drop)
    }

    async fn describe(&self, connection: &mut MySqlConnection, sql: String) -> sqlx::Result<Vec<(String, String)>> {
        let prepared = connection.prepare(AssertSqlSafe(sql).into_sql_str()).await?;
        let columns = prepared.columns().iter();
        Ok(columns
            .map(|c| (c.name().to_owned(), c.type_info().name().to_owned()))
            .collect())
    }

    async fn rows(
        &self,
        connection: &mut MySqlConnection,
        sql: String,
        binds: Vec<Bind>,
    ) -> sqlx::Result<Vec<Vec<Option<Vec<u8>>>>> {
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        let query = binds.into_iter().fold(query, |q, bind| match bind {
            Bind::Integer(n) => q.bind(n),
            Bind::Real(x) => q.bind(x),
            Bind::Text(text) => q.bind(text),
            Bind::Bytes(bytes) => q.bind(bytes),
        });
        let rows = query.fetch_all(connection).await?;
        let texts = |row: &MySqlRow| (0..row.len()).map(|n| row.try_get_unchecked(n)).collect();
        rows.iter().map(texts).collect()
    }

    fn column(&self, name: &str, kind: &str) -> Option<Column> {
        let sql = format!("q.`{}`", name.replace('`', "``"));
        let written = format!("CAST({sql} AS CHAR)");
        let bytes = format!("CAST(CONVERT({sql} USING utf8mb4) AS BINARY)");
        let (kind, read, key) = match kind.trim_end_matches(" UNSIGNED") {
            "CHAR" | "VARCHAR" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" | "ENUM" | "SET" => {
                (Kind::Text, sql.clone(), bytes)
            }
            // MariaDB's JSON and what functions return come as these; they may hold text.
            "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => {
                (Kind::Text, sql.clone(), format!("CAST({sql} AS BINARY)"))
            }
            "JSON" | "NULL" => (Kind::Text, written, bytes),
            "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" | "YEAR" => {
                (Kind::Whole, written, bytes)
            }
            "BIT" => (Kind::Whole, format!("CAST({sql} + 0 AS CHAR)"), bytes),
            "FLOAT" | "DOUBLE" | "DECIMAL" => (Kind::Fraction, written, bytes),
            "DATETIME" => (Kind::Naive, written, bytes),
            "TIMESTAMP" => (Kind::Instant, written, bytes),
            "DATE" => (Kind::Date, written, bytes),
            _ => return None,
        };
        Some(Column { sql, read, key, kind })
    }

    fn is_timeout(&self, error: &sqlx::Error) -> bool {
        let ours = error
            .as_database_error()
            .and_then(|e| e.try_downcast_ref::<MySqlDatabaseError>());
        ours.is_some_and(|e| TOO_LONG.contains(&e.number()))
    }
}

/// The part of MySQL and MariaDB in the statements.
pub(super) struct MySqlDialect;

impl Dialect for MySqlDialect {
    fn place(&self, _: usize) -> String {
        "?".to_owned()
    }

    fn value(&self, kind: Kind, value: &Value, place: String) -> (String, Bind) {
        let place = match kind {
            Kind::Naive | Kind::Instant => format!("CAST({place} AS DATETIME(6))"),
            Kind::Date => format!("CAST({place} AS DATE)"),
            Kind::Any | Kind::Text | Kind::Whole | Kind::Fraction => place,
        };
        let bind = match (kind, value) {
            (Kind::Whole | Kind::Fraction, Value::Integer(n)) => Bind::Integer(*n),
            (Kind::Whole | Kind::Fraction, Value::Real(x)) => Bind::Real(*x),
            (_, Value::Instant(at)) => Bind::Text(at.format("%Y-%m-%d %H:%M:%S%.6f").to_string()),
            (_, value) => Bind::Text(text(value)),
        };
        (place, bind)
    }

    fn key(&self, text: &[u8], place: String) -> (String, Bind) {
        (place, Bind::Bytes(text.to_owned()))
    }

    fn cut(&self, sql: &str, most: usize) -> String {
        format!("LEFT({sql}, {most})")
    }

    fn as_text(&self, sql: &str) -> String {
        format!("CAST({sql} AS CHAR)")
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
        let mut is_in = |sql: &str, binds: Vec<Bind>| {
            let places: Vec<String> = binds.into_iter().map(|b| statement.bind(self, b)).collect();
            (!places.is_empty()).then(|| format!("{sql} IN ({})", places.join(",")))
        };
        let bytes = |texts: Vec<String>| texts.into_iter().map(|t| Bind::Bytes(t.into_bytes())).collect();
        if column.kind == Kind::Whole {
            return is_in(&column.sql, whole_numbers(texts));
        }
        // A text foreign to the column's character set cannot be compared with the column itself.
        let is_bare = |text: &String| column.kind == Kind::Text && text.is_ascii();
        let (bare, foreign): (Vec<String>, Vec<String>) = texts.iter().cloned().partition(is_bare);
        let bare = is_in(&column.sql, bare.into_iter().map(Bind::Text).collect());
        let conditions: Vec<String> = bare.into_iter().chain(is_in(&column.key, bytes(foreign))).collect();
        (!conditions.is_empty()).then(|| format!("({})", conditions.join(" OR ")))
    }
}
