//! Our own database: tickets as last seen, their change log, tellings, notices, messages and attempts.
//!
//! SQL lives here and nowhere else: one text for SQLite and PostgreSQL. Every statement is a constant in a list that a
//! test prepares on both. Transactions are short, and one at a time writes: SQLite's by itself, PostgreSQL's because each
//! begins by taking the same row. How either is opened, and what only one of them needs, is in a module of its own.

pub mod alarms;
pub mod as_of;
pub mod audit;
pub mod bounces;
pub mod endpoints;
pub mod exceptions;
pub mod forgotten;
pub mod holds;
mod lease;
mod lending;
pub mod meta;
pub mod modes;
pub mod monthly;
pub mod outbox;
mod postgres;
pub mod register;
pub mod retention;
pub mod seed;
pub mod snapshots;
mod sqlite;
pub mod summaries;
pub mod tellings;
pub mod tickets;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use chrono::DateTime;
use sqlx::migrate::Migrator;
use sqlx::{Postgres, Sqlite};

use crate::config::settings::Database;
use crate::domain::Moment;

use lending::{Begun, Lending, OfTransaction};

pub use lease::Term;
pub use postgres::ANSWER;
pub use sqlite::BUSY;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The version of the tables that this program knows.
fn known_version() -> i64 {
    MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0)
}

/// Every statement of the store that both databases take, for the test that prepares them.
#[must_use]
pub fn statements() -> Vec<&'static str> {
    let lists = [
        meta::STATEMENTS,
        tickets::STATEMENTS,
        tellings::STATEMENTS,
        outbox::STATEMENTS,
        as_of::STATEMENTS,
        audit::STATEMENTS,
        bounces::STATEMENTS,
        alarms::STATEMENTS,
        endpoints::STATEMENTS,
        exceptions::STATEMENTS,
        forgotten::STATEMENTS,
        holds::STATEMENTS,
        modes::STATEMENTS,
        monthly::STATEMENTS,
        retention::STATEMENTS,
        seed::STATEMENTS,
        snapshots::STATEMENTS,
        register::STATEMENTS,
        summaries::STATEMENTS,
    ];
    lists
        .concat()
        .into_iter()
        .chain(meta::with_rows())
        .chain(tickets::with_rows())
        .chain(tellings::with_rows())
        .chain(outbox::with_rows())
        .chain(seed::with_rows())
        .chain(register::with_rows())
        .chain(forgotten::about_texts())
        .collect()
}

/// What only PostgreSQL is asked: its clock, the lease of the one that decides, and what tables there are.
#[must_use]
pub fn statements_of_postgres() -> Vec<&'static str> {
    [lease::STATEMENTS, postgres::STATEMENTS].concat()
}

/// What only SQLite is asked: what it knows of its tables.
#[must_use]
pub fn statements_of_sqlite() -> Vec<&'static str> {
    sqlite::STATEMENTS.to_vec()
}

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("store {database}: a store is kept in SQLite or PostgreSQL; write such a place as `store.url`")]
    Kind { database: String },
    #[error("store {path}: another dondoc process holds it; stop that one first")]
    Held { path: PathBuf },
    #[error("store {path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("store {database}: cannot be opened: {source}")]
    Open { database: String, source: sqlx::Error },
    #[error("store {database}: its tables cannot be brought up to date: {source}")]
    Migrate {
        database: String,
        source: sqlx::migrate::MigrateError,
    },
    #[error(
        "store {database}: its tables are of version {found}, this dondoc knows {known}; run the newer dondoc that wrote them"
    )]
    Newer { database: String, found: i64, known: i64 },
    #[error(
        "store {database}: its tables are of version {found}, this dondoc needs {known}; `dondoc once` or `dondoc run` brings them up to date"
    )]
    Older { database: String, found: i64, known: i64 },
    #[error("store {database}: this is a database of something else; give `store.url` a database of its own")]
    Foreign { database: String },
    #[error(
        "store {database}: a proxy in between does not pass on what each session is set to (PgBouncer with `ignore_startup_parameters`); connect to the server itself"
    )]
    Proxy { database: String },
    #[error("store {database}: there is none yet; run `dondoc once` or `dondoc run` first")]
    Missing { database: String },
    #[error("store {database}: the server keeps copies of it by its own means: `pg_dump --format=custom --file=FILE`")]
    Backup { database: String },
    #[error("store: {0}")]
    Sql(sqlx::Error),
    #[error("store: {0}: the file is damaged; stop dondoc and put the last copy of `dondoc backup` in its place")]
    Damaged(sqlx::Error),
    #[error("store: {0}: the server takes no writes, as a standby does; `store.url` has to lead to the one that does")]
    ReadOnly(sqlx::Error),
    #[error("store: its log file is being read by another process, and cannot be emptied now")]
    InUse,
    #[error("store: no answer from the server within {seconds} s")]
    Silent { seconds: u64 },
    #[error("store: another process observes and decides now; this one does when it leads again")]
    Deposed,
    #[error("store: {table} {id}: {what}")]
    Corrupt {
        table: &'static str,
        id: String,
        what: String,
    },
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|e| e.code()).unwrap_or_default();
        match code.as_ref() {
            // SQLITE_CORRUPT, and some of its kinds; SQLITE_NOTADB.
            "11" | "267" | "523" | "779" | "26" => StoreError::Damaged(error),
            "25006" => StoreError::ReadOnly(error),
            _ => StoreError::Sql(error),
        }
    }
}

/// Either database's connections, connection or transaction.
#[derive(Debug, Clone)]
enum Either<S, P> {
    Sqlite(S),
    Postgres(P),
}

/// Has a statement answered on one of the connections, or on that of a transaction.
macro_rules! lent {
    ($db:expr, |$connection:ident| $answer:expr) => {{
        let mut lent = match $crate::store::lending::Lend::lend($db) {
            Ok(lent) => lent,
            Err(waiting) => waiting.await?,
        };
        let $connection = $crate::store::lending::LentOut::connection(&mut lent);
        let answer = $answer.await?;
        $crate::store::lending::LentOut::ended_well(lent);
        answer
    }};
}
use lent;

/// The same on a server, within the limits of time that it has to answer.
macro_rules! asked {
    ($db:expr, $how:ident($query:expr)) => {
        $crate::store::lent!($db, |db| $crate::store::postgres::answered($query.$how(db)))
    };
}
use asked;

/// Has a statement executed or its rows fetched by whichever database is open: `on!(tx.db(), fetch_all(query))`.
/// Executing gives the number of rows it changed. A statement of [`Sizes`] has a text for each kind.
macro_rules! on {
    (@ $db:expr, $kind:ident, $how:ident($query:expr) $(, $then:ident)?) => {
        match $db {
            $crate::store::Either::Sqlite(db) => {
                let $kind = $crate::store::Kind::Sqlite;
                $crate::store::lent!(db, |db| $query.$how(db))$(.$then())?
            }
            $crate::store::Either::Postgres(db) => {
                let $kind = $crate::store::Kind::Postgres;
                $crate::store::asked!(db, $how($query))$(.$then())?
            }
        }
    };
    ($db:expr, |$kind:ident| execute($query:expr)) => {
        $crate::store::on!(@ $db, $kind, execute($query), rows_affected)
    };
    ($db:expr, |$kind:ident| $fetch:ident($query:expr)) => {
        $crate::store::on!(@ $db, $kind, $fetch($query))
    };
    ($db:expr, $how:ident($query:expr)) => {
        $crate::store::on!($db, |_kind| $how($query))
    };
}
use on;

/// Waits for an answer, and works on the one before meanwhile: the database is at work elsewhere.
async fn meanwhile<A, B>(asked: impl Future<Output = A>, work: impl FnOnce() -> B) -> (A, B) {
    tokio::join!(biased; asked, async { work() })
}

/// Asks about keys, [`CHUNK`] at a time; each answer is read while the next is asked for.
macro_rules! by_chunks {
    ($db:expr, |$chunk:ident| $how:ident($query:expr) in $keys:expr, $read:expr) => {{
        let mut read = $read;
        let mut answer = None;
        for $chunk in $keys.chunks($crate::store::CHUNK) {
            let asked = async { Ok::<_, $crate::store::StoreError>($crate::store::on!($db, $how($query))) };
            let last = answer.take();
            let (next, done) = $crate::store::meanwhile(asked, || last.map_or(Ok(()), &mut read)).await;
            done?;
            answer = Some(next?);
        }
        answer.map_or(Ok(()), read)?;
    }};
}
use by_chunks;

/// The open store.
#[derive(Debug, Clone)]
pub struct Store {
    /// One connection where a SQLite store is open for writing: the pages that it keeps stay good, since nobody else
    /// writes. So nothing reads while a transaction is open but the transaction itself.
    connections: Either<Arc<Lending<Sqlite>>, Arc<Lending<Postgres>>>,
    /// Write transactions on PostgreSQL so far.
    begun: Arc<AtomicU64>,
    /// Held for as long as a SQLite store is open for writing.
    _held: Option<Arc<File>>,
}

/// A short write transaction; rolled back when dropped without [`Tx::commit`].
pub struct Tx {
    inner: Either<Begun<Sqlite>, Begun<Postgres>>,
    /// The database's own clock where several processes share it, as the transaction began.
    database_time: Option<i64>,
}

impl Tx {
    /// Makes everything since `begin` durable.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self.inner {
            Either::Sqlite(tx) => Ok(tx.commit().await?),
            Either::Postgres(tx) => postgres::answered(tx.commit()).await,
        }
    }

    fn db(&mut self) -> Either<OfTransaction<'_, Sqlite>, OfTransaction<'_, Postgres>> {
        match &mut self.inner {
            Either::Sqlite(tx) => Either::Sqlite(tx.connection()),
            Either::Postgres(tx) => Either::Postgres(tx.connection()),
        }
    }

    /// The clock that leases are reckoned by, in microseconds: the database's where several processes share it, since
    /// theirs may differ; else the time that is given.
    fn lease_clock(&self, now: Moment) -> i64 {
        self.database_time.unwrap_or_else(|| micros(now))
    }

    fn is_shared(&self) -> bool {
        self.database_time.is_some()
    }
}

impl Store {
    /// Opens the store for writing, makes it where there is none, and brings its tables up to date.
    pub async fn open(database: &Database) -> Result<Store, StoreError> {
        match database {
            Database::Sqlite(path) => sqlite::open(path).await,
            Database::Postgres(server) => postgres::open(server).await,
            Database::MySql(_) => Err(kind(database)),
        }
    }

    /// Opens an existing store for looking only; works beside the process that holds it.
    pub async fn open_read_only(database: &Database) -> Result<Store, StoreError> {
        match database {
            Database::Sqlite(path) => sqlite::open_read_only(path).await,
            Database::Postgres(server) => postgres::open_existing(server, true).await,
            Database::MySql(_) => Err(kind(database)),
        }
    }

    /// Opens an existing store for a command's short transactions beside the process that holds it.
    pub async fn open_beside(database: &Database) -> Result<Store, StoreError> {
        match database {
            Database::Sqlite(path) => sqlite::open_beside(path).await,
            Database::Postgres(server) => postgres::open_existing(server, false).await,
            Database::MySql(_) => Err(kind(database)),
        }
    }

    /// Copies a consistent state of a SQLite store into a new file, durably, while others go on. A file that is there is
    /// not written over.
    pub async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        match &self.connections {
            Either::Sqlite(file) => sqlite::backup(file, to).await,
            Either::Postgres(server) => Err(StoreError::Backup {
                database: postgres::named(server),
            }),
        }
    }

    /// Begins a write transaction.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        match &self.connections {
            Either::Sqlite(file) => sqlite::begin(file).await,
            Either::Postgres(server) => lease::begin(server, &self.begun, None).await,
        }
    }

    /// Nothing is asked for a while: what SQLite keeps of the file in memory is let go.
    pub async fn rest(&self) -> Result<(), StoreError> {
        match &self.connections {
            Either::Sqlite(file) => sqlite::let_go(file).await,
            Either::Postgres(_) => Ok(()),
        }
    }

    /// Closes the connections; what was committed is on disk.
    pub async fn close(&self) {
        match &self.connections {
            Either::Sqlite(file) => file.close().await,
            Either::Postgres(server) => server.close().await,
        }
    }

    fn db(&self) -> Either<&Lending<Sqlite>, &Lending<Postgres>> {
        match &self.connections {
            Either::Sqlite(file) => Either::Sqlite(file),
            Either::Postgres(server) => Either::Postgres(server),
        }
    }
}

fn kind(database: &Database) -> StoreError {
    StoreError::Kind {
        database: database.to_string(),
    }
}

/// Whether the tables of a version can be worked with: newer ones never, older ones only where they are brought up to
/// date.
fn refuse_newer(database: &dyn std::fmt::Display, found: i64) -> Result<(), StoreError> {
    let known = known_version();
    if found > known {
        let database = database.to_string();
        return Err(StoreError::Newer { database, found, known });
    }
    Ok(())
}

fn refuse_older(database: &dyn std::fmt::Display, found: i64) -> Result<(), StoreError> {
    let known = known_version();
    if found < known {
        let database = database.to_string();
        return Err(StoreError::Older { database, found, known });
    }
    Ok(())
}

/// An instant as it is stored.
fn micros(at: Moment) -> i64 {
    at.timestamp_micros()
}

/// A stored instant.
fn moment(micros: i64) -> Moment {
    DateTime::from_timestamp_micros(micros).unwrap_or(Moment::UNIX_EPOCH)
}

/// Keys taken by one statement of the form `… IN (…)`; shorter lists are filled up with their last key.
const CHUNK: usize = 50;

/// A list filled up to [`CHUNK`], so that the statement's text is constant.
fn filled<T: Clone>(chunk: &[T]) -> impl Iterator<Item = T> + '_ {
    let last = chunk.last().cloned();
    chunk
        .iter()
        .cloned()
        .chain(std::iter::repeat_n(last, CHUNK - chunk.len()).flatten())
}

/// How many rows a statement with several rows of values writes at once. One text for each size, so that the texts are
/// few and stay prepared.
const SIZES: [usize; 6] = [32, 16, 8, 4, 2, 1];

/// Which database a statement is for.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Sqlite,
    Postgres,
}

/// A statement's text for each of [`SIZES`].
struct Sizes {
    numbered: [String; SIZES.len()],
    /// With a bare `?` for each parameter, which come in the order of their numbers. SQLite has a list of names for the
    /// others, and goes through it for each parameter that is bound.
    bare: [String; SIZES.len()],
}

impl Sizes {
    /// The text for so many rows, which has each parameter once and in order.
    fn new(text: impl Fn(usize) -> String) -> Sizes {
        let numbered = SIZES.map(text);
        let bare = numbered.each_ref().map(|text| {
            let mut parts = text.split('$');
            let first = parts.next().unwrap_or_default().to_owned();
            parts.fold(first, |bare, part| {
                bare + "?" + part.trim_start_matches(|c: char| c.is_ascii_digit())
            })
        });
        Sizes { numbered, bare }
    }

    fn text(&self, place: usize, kind: Kind) -> &str {
        match kind {
            Kind::Sqlite => &self.bare[place],
            Kind::Postgres => &self.numbered[place],
        }
    }

    fn iter(&self) -> impl Iterator<Item = &String> {
        self.numbered.iter()
    }
}

/// A list cut into pieces of [`SIZES`], the largest that fit first.
fn pieces<T>(mut list: &[T]) -> impl Iterator<Item = (usize, &[T])> {
    std::iter::from_fn(move || {
        let (place, size) = SIZES.iter().enumerate().find(|(_, size)| **size <= list.len())?;
        let (piece, rest) = list.split_at(*size);
        list = rest;
        Some((place, piece))
    })
}

/// The values of a statement for several rows: each `?` of the row becomes the next parameter.
fn rows(row: &str, count: usize) -> String {
    let mut parameter = 0;
    let mut out = String::new();
    for n in 0..count {
        out.push_str(if n == 0 { "" } else { ", " });
        for c in row.chars() {
            if c == '?' {
                parameter += 1;
                out.push_str(&format!("${parameter}"));
            } else {
                out.push(c);
            }
        }
    }
    out
}

/// Of the table of tickets: those of the source, without our own obligations ([`crate::domain::obligation::PREFIX`]).
macro_rules! of_source {
    () => {
        "(code < '@obligation/' OR code >= '@obligation0')"
    };
}
use of_source;

/// Between the columns of rows that are read as one, a line for each: every row that a database hands over costs a change
/// of threads, and each of its values an allocation there and one here. No value has a control character in it.
const TAB: &str = "\t";
/// Between these rows.
const NEWLINE: &str = "\n";

/// The columns of a line, from the left. [`StoreError::Corrupt`] where one is missing or left over, or something else stands
/// there than is read.
struct Columns<'a> {
    table: &'static str,
    line: &'a str,
    left: Option<&'a str>,
}

/// What stands before the next sign, or is left; `None` once nothing is.
fn cut<'a>(left: &mut Option<&'a str>, sign: u8) -> Option<&'a str> {
    let text = (*left)?;
    let at = memchr::memchr(sign, text.as_bytes());
    *left = at.map(|at| &text[at + 1..]);
    Some(at.map_or(text, |at| &text[..at]))
}

impl<'a> Columns<'a> {
    /// The lines that an aggregate of a table made; none where it had no rows.
    fn of_each(table: &'static str, lines: Option<&'a str>) -> impl Iterator<Item = Columns<'a>> {
        let mut left = lines;
        std::iter::from_fn(move || cut(&mut left, b'\n')).map(move |line| Columns {
            table,
            line,
            left: Some(line),
        })
    }

    fn text(&mut self) -> Result<&'a str, StoreError> {
        let text = cut(&mut self.left, b'\t');
        text.ok_or_else(|| self.corrupt("a column is missing"))
    }

    /// All have been read.
    fn end(self) -> Result<(), StoreError> {
        match self.left {
            None => Ok(()),
            Some(_) => Err(self.corrupt("there are more columns than are read")),
        }
    }

    fn number(&mut self) -> Result<i64, StoreError> {
        let text = self.text()?;
        self.parsed(text)
    }

    fn optional_number(&mut self) -> Result<Option<i64>, StoreError> {
        let text = self.text()?;
        (!text.is_empty()).then(|| self.parsed(text)).transpose()
    }

    fn optional_text(&mut self) -> Result<Option<&'a str>, StoreError> {
        Ok(Some(self.text()?).filter(|text| !text.is_empty()))
    }

    fn parsed(&self, text: &str) -> Result<i64, StoreError> {
        text.parse()
            .map_err(|_| self.corrupt(format!("`{text}` is not a number")))
    }

    fn corrupt(&self, what: impl ToString) -> StoreError {
        StoreError::Corrupt {
            table: self.table,
            id: self.line.split('\t').next().unwrap_or_default().to_owned(),
            what: what.to_string(),
        }
    }
}

/// Keys of a statement with [`CHUNK`] of them.
macro_rules! keys_50 {
    () => {
        "$1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24,$25,\
         $26,$27,$28,$29,$30,$31,$32,$33,$34,$35,$36,$37,$38,$39,$40,$41,$42,$43,$44,$45,$46,$47,$48,$49,$50"
    };
}
use keys_50;
