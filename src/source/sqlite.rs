//! A ticket database in SQLite. Opened read-only, never created; every read is one statement, so one snapshot.
//!
//! A column may hold anything, whatever it was declared as: values are compared and read by what they are.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{
    AssertSqlSafe, Column as _, Connection as _, Executor as _, Row as _, SqlSafeStr, Statement as _, TypeInfo as _,
    ValueRef as _,
};

use super::decode::{Value, Values};
use super::statement::{Bind, Column, Dialect, Kind, Output, Statement, whole_numbers};
use super::told::is_refused;
use super::{SourceError, alone, as_table};

/// Steps of SQLite's machine between two looks at whether a statement has run for too long.
const STEPS: i32 = 10_000;

/// An open SQLite ticket database.
pub(super) struct Sqlite {
    pool: SqlitePool,
    path: PathBuf,
    timeout: Duration,
}

impl Sqlite {
    pub(super) async fn open(path: &Path, timeout: Duration) -> Result<Sqlite, SourceError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .create_if_missing(false)
            .busy_timeout(Duration::from_secs(10));
        let open = |error| SourceError::Open {
            database: path.display().to_string(),
            error,
        };
        let pool = SqlitePoolOptions::new()
            .max_connections(2)
            // There is no network that could have cut it off.
            .test_before_acquire(false)
            .connect_with(options)
            .await
            .map_err(open)?;
        // Also the first look into the file: one that is no database fails here and not as a fault of the query.
        let encoding: String = sqlx::query_scalar("PRAGMA encoding")
            .fetch_one(&pool)
            .await
            .map_err(open)?;
        if encoding != "UTF-8" {
            return Err(SourceError::Encoding {
                database: path.display().to_string(),
                encoding,
            });
        }
        Ok(Sqlite {
            pool,
            path: path.to_owned(),
            timeout,
        })
    }

    /// The columns of the user's query, by the names they have there.
    pub(super) async fn columns(&self, query: &str) -> Result<Vec<(String, Column)>, SourceError> {
        let refused = |error| {
            let database = self.name();
            match is_refused(&error) {
                true => SourceError::Query { database, error },
                false => SourceError::Read { database, error },
            }
        };
        self.pool
            .prepare(AssertSqlSafe(alone(query)).into_sql_str())
            .await
            .map_err(refused)?;
        // Not `describe`: it falls over columns that were declared without a type.
        let prepared = self
            .pool
            .prepare(AssertSqlSafe(as_table(query)).into_sql_str())
            .await
            .map_err(refused)?;
        let column = |c: &sqlx::sqlite::SqliteColumn| (c.name().to_owned(), column(c.name(), c.type_info().name()));
        Ok(prepared.columns().iter().map(column).collect())
    }

    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    pub(super) async fn fetch(&self, statement: Statement) -> Result<Vec<Values>, SourceError> {
        let outputs = statement.outputs;
        let rows = self.rows(statement.text, statement.binds).await?;
        let values = |row: &SqliteRow| {
            let named = outputs.iter().enumerate();
            named.map(|(n, output)| (output.name, value(row, n))).collect()
        };
        Ok(rows.iter().map(values).collect())
    }

    /// Lets go of what idle connections keep in memory: prepared statements, and pages of the file.
    pub(super) async fn rest(&self) -> Result<(), SourceError> {
        let failed = |error| SourceError::Read {
            database: self.name(),
            error,
        };
        // All before the first of them is idle again.
        let idle: Vec<_> = std::iter::from_fn(|| self.pool.try_acquire()).collect();
        for mut connection in idle {
            connection.clear_cached_statements().await.map_err(failed)?;
            let shrunk = sqlx::query("PRAGMA shrink_memory").persistent(false);
            shrunk.execute(&mut *connection).await.map_err(failed)?;
        }
        Ok(())
    }

    /// Rows of three columns, in the order of the first. They come as one row: each row costs a change of threads.
    pub(super) async fn fetch_packed(&self, statement: Statement) -> Result<Vec<Values>, SourceError> {
        let outputs: Vec<&'static str> = statement.outputs.iter().map(|o| o.name).collect();
        let quoted: Vec<String> = outputs.iter().map(|name| format!("quote(k.{name})")).collect();
        let sql = format!(
            "SELECT group_concat({}, ',' ORDER BY k.{} COLLATE BINARY) FROM ({}) AS k",
            quoted.join(" || ',' || "),
            outputs.first().copied().unwrap_or_default(),
            statement.text,
        );
        let rows = self.rows(sql, statement.binds).await?;
        let Some(written) = rows.first().and_then(|row| row.try_get_unchecked::<Vec<u8>, _>(0).ok()) else {
            return Ok(Vec::new());
        };
        let all = Quoted::threes(&written).into_iter();
        let values = |three: [Quoted; 3]| outputs.iter().copied().zip(three.map(Quoted::value)).collect();
        Ok(all.map(values).collect())
    }

    async fn rows(&self, sql: String, binds: Vec<Bind>) -> Result<Vec<SqliteRow>, SourceError> {
        let read = |error| SourceError::Read {
            database: self.name(),
            error,
        };
        let query = binds
            .into_iter()
            .fold(sqlx::query(AssertSqlSafe(sql)), |q, bind| match bind {
                Bind::Integer(n) => q.bind(n),
                Bind::Real(x) => q.bind(x),
                Bind::Text(text) => q.bind(text),
                Bind::Bytes(bytes) => q.bind(bytes),
            });
        let mut connection = self.pool.acquire().await.map_err(read)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let goes_on = Arc::clone(&is_over);
        connection
            .lock_handle()
            .await
            .map_err(read)?
            .set_progress_handler(STEPS, move || !goes_on.load(Ordering::Relaxed));
        match tokio::time::timeout(self.timeout, query.fetch_all(&mut *connection)).await {
            Ok(rows) => rows.map_err(read),
            Err(_) => {
                // Dropping the statement does not end it: it would hold its connection, and a processor, for ever.
                is_over.store(true, Ordering::Relaxed);
                Err(SourceError::Timeout { database: self.name() })
            }
        }
    }
}

fn column(name: &str, declared: &str) -> Column {
    let sql = format!("q.\"{}\"", name.replace('"', "\"\""));
    // A column that holds text is compared as it is, so that its index serves.
    let is_text = declared == "TEXT";
    Column {
        key: if is_text {
            format!("{sql} COLLATE BINARY")
        } else {
            format!("CAST({sql} AS TEXT) COLLATE BINARY")
        },
        read: sql.clone(),
        sql,
        kind: Kind::Any,
    }
}

/// SQLite's part of the statements.
pub(super) struct SqliteDialect;

impl Dialect for SqliteDialect {
    fn place(&self, n: usize) -> String {
        format!("${n}")
    }

    /// Text is bound as bytes, since it need not be UTF-8.
    fn value(&self, _: Kind, value: &Value, place: String) -> (String, Bind) {
        match value {
            Value::Integer(n) => (place, Bind::Integer(*n)),
            Value::Real(x) => (place, Bind::Real(*x)),
            Value::Text(text) => self.key(text.as_bytes(), place),
            Value::Bytes(bytes) => self.key(bytes, place),
            Value::Instant(at) => self.key(at.to_rfc3339().as_bytes(), place),
            Value::Null => self.key(&[], place),
        }
    }

    fn key(&self, text: &[u8], place: String) -> (String, Bind) {
        (format!("CAST({place} AS TEXT)"), Bind::Bytes(text.to_owned()))
    }

    /// The length in bytes is known without reading the text.
    fn cut(&self, sql: &str, most: usize) -> String {
        format!("CASE WHEN octet_length({sql}) > {most} THEN substr({sql}, 1, {most}) ELSE {sql} END")
    }

    fn as_text(&self, sql: &str) -> String {
        sql.to_owned()
    }

    fn has_text(&self, column: &Column) -> String {
        format!("{0} <> '' AND typeof({0}) <> 'blob'", column.sql)
    }

    fn kind_of_no_text(&self, column: &Column) -> Output {
        Output {
            name: "kind",
            sql: format!("typeof({})", column.sql),
            kind: Kind::Any,
        }
    }

    fn is_placed(&self, column: &Column) -> String {
        format!("typeof({}) <> 'blob'", column.sql)
    }

    /// A number does not compare with text: where the source writes times otherwise, the row is read.
    fn is_incomparable(&self, column: &Column, with: &Value) -> Option<String> {
        let kinds = match with {
            Value::Integer(_) | Value::Real(_) => "('text')",
            _ => "('integer', 'real')",
        };
        Some(format!("typeof({}) IN {kinds}", column.sql))
    }

    fn is_one_of(&self, column: &Column, texts: &[String], statement: &mut Statement) -> Option<String> {
        // Codes as text and, where they are whole numbers, as numbers: text is never equal to a number.
        let binds = texts.iter().cloned().map(Bind::Text).chain(whole_numbers(texts));
        let places: Vec<String> = binds.map(|b| statement.bind(self, b)).collect();
        (!places.is_empty()).then(|| format!("{} IN ({})", column.sql, places.join(",")))
    }
}

/// A value as SQLite's `quote()` writes it: a literal of its kind. A text need not be UTF-8.
enum Quoted {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    /// What is none of them.
    Other,
}

impl Quoted {
    /// Comma-separated literals, three by three.
    fn threes(mut list: &[u8]) -> Vec<[Quoted; 3]> {
        let mut all = Vec::new();
        while !list.is_empty() {
            all.push(std::array::from_fn(|_| Quoted::take(&mut list)));
        }
        all
    }

    /// Reads one literal and the comma after it.
    fn take(list: &mut &[u8]) -> Quoted {
        let (value, rest) = match list {
            [b'\'', rest @ ..] => {
                let (text, rest) = Quoted::text(rest);
                (Quoted::Text(text), rest)
            }
            [b'X', b'\'', rest @ ..] => {
                let (digits, rest) = Quoted::text(rest);
                (Quoted::Text(unhex(&digits)), rest)
            }
            _ => {
                let end = list.iter().position(|b| *b == b',').unwrap_or(list.len());
                (Quoted::plain(&list[..end]), &list[end..])
            }
        };
        *list = rest.strip_prefix(b",").unwrap_or(rest);
        value
    }

    /// Up to the closing quote; a doubled one stands for itself.
    fn text(mut list: &[u8]) -> (Vec<u8>, &[u8]) {
        let mut text = Vec::new();
        loop {
            let end = list.iter().position(|b| *b == b'\'').unwrap_or(list.len());
            text.extend_from_slice(&list[..end]);
            list = list.get(end + 1..).unwrap_or_default();
            match list {
                [b'\'', rest @ ..] => {
                    text.push(b'\'');
                    list = rest;
                }
                _ => return (text, list),
            }
        }
    }

    fn plain(word: &[u8]) -> Quoted {
        let word = std::str::from_utf8(word).unwrap_or_default();
        let integer = || word.parse().map(Quoted::Integer);
        let real = |_| word.parse().map(Quoted::Real);
        match word {
            "NULL" => Quoted::Null,
            _ => integer().or_else(real).unwrap_or(Quoted::Other),
        }
    }

    fn value(self) -> Value {
        match self {
            Quoted::Null => Value::Null,
            Quoted::Integer(n) => Value::Integer(n),
            Quoted::Real(x) => Value::Real(x),
            Quoted::Text(bytes) => Value::of_bytes(bytes),
            Quoted::Other => Value::Bytes(Vec::new()),
        }
    }
}

fn unhex(digits: &[u8]) -> Vec<u8> {
    let digit = |byte: &u8| {
        let digit = char::from(*byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
        digit.unwrap_or(0)
    };
    let pairs = digits.chunks_exact(2);
    pairs.map(|pair| digit(&pair[0]) << 4 | digit(&pair[1])).collect()
}

/// A value by what it is, not by what its column was declared as.
fn value(row: &SqliteRow, index: usize) -> Value {
    let Ok(raw) = row.try_get_raw(index) else {
        return Value::Null;
    };
    if raw.is_null() {
        return Value::Null;
    }
    let read = match raw.type_info().name() {
        "INTEGER" | "BOOLEAN" => row.try_get_unchecked::<i64, _>(index).map(Value::Integer),
        "REAL" => row.try_get_unchecked::<f64, _>(index).map(Value::Real),
        _ => row.try_get_unchecked::<Vec<u8>, _>(index).map(Value::of_bytes),
    };
    read.unwrap_or(Value::Bytes(Vec::new()))
}
