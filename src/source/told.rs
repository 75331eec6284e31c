//! What is told of a foreign database's errors. What it says of the query names tables and columns; what it says while
//! it reads rows quotes their values (`invalid input syntax for type timestamp: "…"`), and those stay out of every log.

use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;

/// SQLSTATEs whose messages quote the names of tables, columns and functions: what is missing or not granted.
const NAMES: [&str; 7] = ["42P01", "42703", "42501", "42883", "3F000", "42S02", "42S22"];

/// Classes of SQLSTATE of a database that is busy, restarted or broken, or that ended the session or the statement.
const OUT_OF_REACH: [&str; 9] = ["08", "40", "53", "55", "57", "58", "70", "HY", "XX"];

/// MySQL's number of an error whose text is the user's own (`SIGNAL`).
const SIGNAL: u16 = 1644;

/// SQLite's general error: a statement that it does not understand.
const SQLITE_ERROR: &str = "1";

/// What opens a quotation, in any language that a server may speak.
const QUOTES: [char; 11] = ['"', '\'', '`', '«', '»', '„', '“', '”', '‘', '’', '‹'];

/// An error that arose before any row was read, in one line.
pub(super) fn named(error: &sqlx::Error) -> String {
    one_line(&error.to_string())
}

/// An error that arose among the rows, in one line: the database's own number for it, and its message up to the first
/// quotation.
pub(super) fn told(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => of_database(&**error),
        error => named(error),
    }
}

/// Whether the database has something against the statement itself, as against being out of reach or busy.
pub(super) fn is_refused(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else {
        return false;
    };
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<SqliteError>().is_some() {
        return code == SQLITE_ERROR;
    }
    !OUT_OF_REACH.iter().any(|class| code.starts_with(class))
}

fn of_database(error: &dyn DatabaseError) -> String {
    let code = error.code().unwrap_or_default();
    let number = error.try_downcast_ref::<MySqlDatabaseError>().map(|e| e.number());
    let routine = error.try_downcast_ref::<PgDatabaseError>().and_then(|e| e.routine());
    let is_users_own = number == Some(SIGNAL) || routine == Some("exec_stmt_raise");
    let message = one_line(error.message());
    let said = match message.split_once(QUOTES) {
        _ if is_users_own => "…".to_owned(),
        Some((before, _)) if !NAMES.contains(&code.as_ref()) => format!("{before}…"),
        _ => message,
    };
    match number {
        Some(number) => format!("{number} ({code}): {said}"),
        None => format!("{code}: {said}"),
    }
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
