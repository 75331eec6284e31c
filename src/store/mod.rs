//! Our own database: tickets as last seen, their change log, tellings, notices, messages and attempts.
//!
//! SQL lives here and nowhere else. Every statement is a constant in a list that a test prepares on SQLite and on
//! PostgreSQL. Transactions are short and `IMMEDIATE`. One process at a time holds a SQLite store for writing.

pub mod as_of;
pub mod meta;
pub mod outbox;
pub mod tellings;
pub mod tickets;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::DateTime;
use sqlx::migrate::{Migrate, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Sqlite, Transaction};

use crate::config::settings::Database;
use crate::domain::Moment;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Where the migrator keeps what it has applied.
const MIGRATIONS_TABLE: &str = "_sqlx_migrations";

/// Every statement of the store, for the test that prepares them on both databases.
#[must_use]
pub fn statements() -> Vec<&'static str> {
    let lists = [
        meta::STATEMENTS,
        tickets::STATEMENTS,
        tellings::STATEMENTS,
        outbox::STATEMENTS,
        as_of::STATEMENTS,
    ];
    lists
        .concat()
        .into_iter()
        .chain(meta::with_rows())
        .chain(tickets::with_rows())
        .chain(tellings::with_rows())
        .chain(outbox::with_rows())
        .collect()
}

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("store {database}: only a SQLite store can be used so far")]
    Kind { database: String },
    #[error("store {path}: another dondoc process holds it; stop that one first")]
    Held { path: PathBuf },
    #[error("store {path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("store {path}: cannot be opened: {source}")]
    Open { path: PathBuf, source: sqlx::Error },
    #[error("store {path}: its tables cannot be brought up to date: {source}")]
    Migrate {
        path: PathBuf,
        source: sqlx::migrate::MigrateError,
    },
    #[error(
        "store {path}: its tables are of version {found}, this dondoc knows {known}; run the newer dondoc that wrote them"
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error(
        "store {path}: its tables are of version {found}, this dondoc needs {known}; `dondoc once` or `dondoc run` brings them up to date"
    )]
    Older { path: PathBuf, found: i64, known: i64 },
    #[error("store {path}: this is a database of something else; give `store.path` a file of its own")]
    Foreign { path: PathBuf },
    #[error("store: {0}")]
    Sql(#[from] sqlx::Error),
    #[error("store: {table} {id}: {what}")]
    Corrupt {
        table: &'static str,
        id: String,
        what: String,
    },
    #[error("store {path}: there is none yet; run `dondoc once` or `dondoc run` first")]
    Missing { path: PathBuf },
}

/// The open store.
#[derive(Debug, Clone)]
pub struct Store {
    /// One connection where the store is open for writing: the pages that it keeps stay good, since nobody else writes.
    /// So nothing reads while a transaction is open but the transaction itself.
    pool: SqlitePool,
    /// Held for as long as the store is open for writing.
    _held: Option<std::sync::Arc<File>>,
}

/// A short write transaction; rolled back when dropped without [`Tx::commit`].
pub struct Tx {
    inner: Transaction<'static, Sqlite>,
}

impl Tx {
    /// Makes everything since `begin` durable.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.inner.commit().await?)
    }

    fn db(&mut self) -> &mut sqlx::SqliteConnection {
        &mut self.inner
    }
}

impl Store {
    /// Opens the store for writing, makes it where there is none, and brings its tables up to date.
    pub async fn open(database: &Database) -> Result<Store, StoreError> {
        let path = file_of(database)?;
        let held = hold(path)?;
        look_at_tables(path).await?;
        let options = options(path).create_if_missing(true);
        let open = |source| StoreError::Open {
            path: path.to_owned(),
            source,
        };
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await
            .map_err(open)?;
        MIGRATIONS.run(&pool).await.map_err(|source| StoreError::Migrate {
            path: path.to_owned(),
            source,
        })?;
        Ok(Store {
            pool,
            _held: Some(std::sync::Arc::new(held)),
        })
    }

    /// Opens an existing store for looking only; works beside the process that holds it.
    pub async fn open_read_only(database: &Database) -> Result<Store, StoreError> {
        let path = file_of(database)?;
        Store::open_existing(path, options(path).read_only(true), 4).await
    }

    async fn open_existing(path: &Path, options: SqliteConnectOptions, connections: u32) -> Result<Store, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing { path: path.to_owned() });
        }
        let (found, known) = look_at_tables(path).await?;
        if found < known {
            let path = path.to_owned();
            return Err(StoreError::Older { path, found, known });
        }
        let open = |source| StoreError::Open {
            path: path.to_owned(),
            source,
        };
        let pool = SqlitePoolOptions::new()
            .max_connections(connections)
            .connect_with(options)
            .await
            .map_err(open)?;
        Ok(Store { pool, _held: None })
    }

    /// Opens an existing store for a command's short transactions beside the process that holds it.
    pub async fn open_beside(database: &Database) -> Result<Store, StoreError> {
        let path = file_of(database)?;
        Store::open_existing(path, options(path), 1).await
    }

    /// Copies a consistent state into a new file, durably, while others go on. One that is there is not written over.
    pub async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let failed = |source| StoreError::File {
            path: to.to_owned(),
            source,
        };
        if to.exists() {
            return Err(failed(std::io::ErrorKind::AlreadyExists.into()));
        }
        // Beside its place first: what bears the name is whole.
        let mut part = to.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        match std::fs::remove_file(&part) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        sqlx::query("VACUUM INTO $1")
            .bind(part.to_string_lossy().into_owned())
            .execute(&self.pool)
            .await?;
        let written = File::open(&part).and_then(|file| file.sync_all());
        written.and_then(|()| std::fs::rename(&part, to)).map_err(failed)?;
        match to.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            Some(dir) => File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed),
            None => Ok(()),
        }
    }

    /// Begins a write transaction.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(Tx {
            inner: self.pool.begin_with("BEGIN IMMEDIATE").await?,
        })
    }

    /// Closes the connections; what was committed is on disk.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// The version of the tables in a file (0 = none yet) and the one that this program knows. Newer tables and those of
/// something else are refused before anything of ours touches the file.
async fn look_at_tables(path: &Path) -> Result<(i64, i64), StoreError> {
    let known = MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0);
    if !path.exists() {
        return Ok((0, known));
    }
    let path = path.to_owned();
    let failed = |source| StoreError::Open {
        path: path.clone(),
        source,
    };
    let options = SqliteConnectOptions::new().filename(&path).read_only(true);
    let mut connection = options.connect().await.map_err(failed)?;
    let schema: i64 = sqlx::query_scalar("PRAGMA schema_version")
        .fetch_one(&mut connection)
        .await
        .map_err(failed)?;
    let applied = match schema {
        0 => Vec::new(),
        _ => match connection.list_applied_migrations(MIGRATIONS_TABLE).await {
            Ok(applied) => applied,
            Err(error) if error.to_string().contains("no such table") => return Err(StoreError::Foreign { path }),
            Err(source) => return Err(StoreError::Migrate { path, source }),
        },
    };
    let found = applied.iter().map(|m| m.version).max().unwrap_or(0);
    if found > known {
        return Err(StoreError::Newer { path, found, known });
    }
    Ok((found, known))
}

fn file_of(database: &Database) -> Result<&Path, StoreError> {
    match database {
        Database::Sqlite(path) => Ok(path),
        Database::Postgres(_) | Database::MySql(_) => Err(StoreError::Kind {
            database: database.to_string(),
        }),
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL: what is marked as sent stays marked after a power cut.
        .synchronous(SqliteSynchronous::Full)
        // Negative: KiB. With the 2 MB that SQLite takes by itself a turn reads the same pages again and again.
        .pragma("cache_size", "-16384")
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(30))
}

fn hold(path: &Path) -> Result<File, StoreError> {
    let lock = path.with_extension("lock");
    let file = |source| StoreError::File {
        path: lock.clone(),
        source,
    };
    if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir).map_err(|source| StoreError::File {
            path: dir.to_owned(),
            source,
        })?;
    }
    let held = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock)
        .map_err(file)?;
    match held.try_lock() {
        Ok(()) => Ok(held),
        Err(TryLockError::WouldBlock) => Err(StoreError::Held { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(file(source)),
    }
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
const SIZES: [usize; 3] = [16, 4, 1];

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

/// Keys of a statement with [`CHUNK`] of them.
macro_rules! keys_50 {
    () => {
        "$1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24,$25,\
         $26,$27,$28,$29,$30,$31,$32,$33,$34,$35,$36,$37,$38,$39,$40,$41,$42,$43,$44,$45,$46,$47,$48,$49,$50"
    };
}
use keys_50;
