//! A store in a SQLite file: opened, held by one process, copied.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::Migrate;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Sqlite};

use super::lending::Lending;
use super::{Either, MIGRATIONS, Store, StoreError, Tx, lent, refuse_newer, refuse_older};

/// How long a statement waits for another process that holds the file locked.
pub const BUSY: Duration = Duration::from_secs(30);

/// Prepared statements that a connection keeps: all that a turn has.
const PREPARED: usize = 300;

/// Whether SQLite has a table for what it is to know of the others.
const HAS_STATISTICS: &str = "SELECT COUNT(*) FROM sqlite_master WHERE name = 'sqlite_stat1'";
const KNOWN: &str = "SELECT COUNT(*) FROM sqlite_stat1 WHERE idx = 'message_state'";
/// Of a million messages two hundred thousand share a state, and ten that and the instant at which they were made.
/// <https://www.sqlite.org/fileformat2.html#the_sqlite_stat1_table>
const LEARN: &str =
    "INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('message', 'message_state', '1000000 200000 10')";

pub const STATEMENTS: &[&str] = &[HAS_STATISTICS, KNOWN, LEARN];

/// For writing, as the one process that does; made where there is none.
pub(super) async fn open(path: &Path) -> Result<Store, StoreError> {
    let held = hold(path)?;
    match look_at_tables(path).await {
        Err(error) if is_left_half_done(&error) => {
            take_back(path).await?;
            look_at_tables(path).await?;
        }
        looked => {
            looked?;
        }
    }
    let pool = connect(path, writing(path).create_if_missing(true), 1).await?;
    bring_up_to_date(&pool, path).await?;
    Ok(Store {
        connections: Either::Sqlite(Lending::of(pool, false)),
        begun: Arc::default(),
        _held: Some(Arc::new(held)),
    })
}

/// For looking, beside the process that holds it.
pub(super) async fn open_read_only(path: &Path) -> Result<Store, StoreError> {
    open_existing(path, options(path).read_only(true), 4).await
}

/// For a command's short transactions, beside the process that holds it.
pub(super) async fn open_beside(path: &Path) -> Result<Store, StoreError> {
    open_existing(path, writing(path), 1).await
}

/// In memory: one connection, which is the store and is never given up for another.
pub(super) async fn open_in_memory() -> Result<Store, StoreError> {
    let path = Path::new(":memory:");
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(options(path))
        .await
        .map_err(|source| StoreError::Open {
            database: named(path),
            source,
        })?;
    bring_up_to_date(&pool, path).await?;
    Ok(Store {
        connections: Either::Sqlite(Lending::of(pool, false)),
        begun: Arc::default(),
        _held: None,
    })
}

/// Makes the tables what this program knows, and tells SQLite what it would learn of them in time: without that it takes a
/// message's state for as good as its id, and goes through all that wait to find the fifty it was asked for.
async fn bring_up_to_date(pool: &SqlitePool, path: &Path) -> Result<(), StoreError> {
    MIGRATIONS.run(pool).await.map_err(|source| StoreError::Migrate {
        database: named(path),
        source,
    })?;
    let has_statistics: i64 = sqlx::query_scalar(HAS_STATISTICS).fetch_one(pool).await?;
    if has_statistics == 0 {
        // The table is made by its first use.
        sqlx::query("ANALYZE lease").execute(pool).await?;
    }
    let known: i64 = sqlx::query_scalar(KNOWN).fetch_one(pool).await?;
    if known == 0 {
        sqlx::query(LEARN).execute(pool).await?;
        sqlx::query("ANALYZE sqlite_schema").execute(pool).await?;
    }
    Ok(())
}

async fn open_existing(path: &Path, options: SqliteConnectOptions, connections: u32) -> Result<Store, StoreError> {
    if !path.exists() {
        return Err(StoreError::Missing { database: named(path) });
    }
    refuse_older(&path.display(), look_at_tables(path).await?)?;
    Ok(Store {
        connections: Either::Sqlite(Lending::of(connect(path, options, connections).await?, false)),
        begun: Arc::default(),
        _held: None,
    })
}

async fn connect(path: &Path, options: SqliteConnectOptions, connections: u32) -> Result<SqlitePool, StoreError> {
    let pool = SqlitePoolOptions::new()
        .max_connections(connections)
        // There is no network that could have cut it off; the test costs as much as a small statement.
        .test_before_acquire(false)
        // On a full disk SQLite takes a transaction back by itself; sqlx goes on counting it, and the connection would
        // never begin another.
        .before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }));
    pool.connect_with(options).await.map_err(|source| StoreError::Open {
        database: named(path),
        source,
    })
}

/// Begins a write transaction: `IMMEDIATE`, so that nobody else writes from here on.
pub(super) async fn begin(file: &Lending<Sqlite>) -> Result<Tx, StoreError> {
    Ok(Tx {
        inner: Either::Sqlite(file.begin("BEGIN IMMEDIATE").await?),
        database_time: None,
    })
}

/// Prepared statements and pages in memory: some milliseconds make both anew.
pub(super) async fn let_go(file: &Lending<Sqlite>) -> Result<(), StoreError> {
    lent!(file, |connection| async {
        connection.clear_cached_statements().await?;
        sqlx::query("PRAGMA shrink_memory")
            .persistent(false)
            .execute(connection)
            .await
    });
    Ok(())
}

/// A consistent state in a new file, durably.
pub(super) async fn backup(file: &Lending<Sqlite>, to: &Path) -> Result<(), StoreError> {
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
    let copy = sqlx::query("VACUUM INTO $1").bind(part.to_string_lossy().into_owned());
    lent!(file, |db| copy.execute(db));
    let written = File::open(&part).and_then(|file| file.sync_all());
    written.and_then(|()| std::fs::rename(&part, to)).map_err(failed)?;
    match to.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        Some(dir) => File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed),
        None => Ok(()),
    }
}

/// Writes the file anew from what is in it now, and empties the log beside it: no page of either holds what was deleted or
/// overwritten. Nobody else writes meanwhile; who would waits.
pub(super) async fn scour(file: &Lending<Sqlite>) -> Result<(), StoreError> {
    // The whole file is written there.
    let written = sqlx::raw_sql("PRAGMA temp_store = file; VACUUM; PRAGMA temp_store = memory");
    lent!(file, |db| written.execute(db));
    let emptied = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)");
    let (is_busy, _, _): (i64, i64, i64) = lent!(file, |db| emptied.fetch_one(db));
    if is_busy != 0 {
        return Err(StoreError::InUse);
    }
    Ok(())
}

/// The version of the tables in a file, 0 where there are none yet. Newer tables and those of something else are refused
/// before anything of ours touches the file.
async fn look_at_tables(path: &Path) -> Result<i64, StoreError> {
    if !path.exists() {
        return Ok(0);
    }
    let failed = |source| StoreError::Open {
        database: named(path),
        source,
    };
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut connection = options.connect().await.map_err(failed)?;
    let schema: i64 = sqlx::query_scalar("PRAGMA schema_version")
        .fetch_one(&mut connection)
        .await
        .map_err(failed)?;
    let applied = match schema {
        0 => Vec::new(),
        _ => match connection.list_applied_migrations("_sqlx_migrations").await {
            Ok(applied) => applied,
            Err(error) if error.to_string().contains("no such table") => {
                return Err(StoreError::Foreign { database: named(path) });
            }
            Err(source) => {
                return Err(StoreError::Migrate {
                    database: named(path),
                    source,
                });
            }
        },
    };
    let found = applied.iter().map(|m| m.version).max().unwrap_or(0);
    refuse_newer(&path.display(), found)?;
    Ok(found)
}

/// A copy that was put back has no log until somebody writes, and who only looks cannot give it one.
fn writing(path: &Path) -> SqliteConnectOptions {
    options(path)
        .journal_mode(SqliteJournalMode::Wal)
        // Of 32 MB: what many messages change one after the other (indexes above all) is written back once. SQLite would do
        // so after 4.
        .pragma("wal_autocheckpoint", "8000")
}

/// A process was killed while it made the file, before there was a WAL: what it had begun has to be taken back, which who
/// only looks may not.
fn is_left_half_done(error: &StoreError) -> bool {
    const SQLITE_READONLY_ROLLBACK: &str = "776";
    let code = match error {
        StoreError::Open { source, .. } => source.as_database_error().and_then(|error| error.code()),
        _ => None,
    };
    code.is_some_and(|code| code == SQLITE_READONLY_ROLLBACK)
}

/// Opens the file for writing, as which SQLite takes back what was begun there and not committed.
async fn take_back(path: &Path) -> Result<(), StoreError> {
    let taken_back = async {
        let mut connection = SqliteConnectOptions::new().filename(path).connect().await?;
        sqlx::query("PRAGMA schema_version").fetch_one(&mut connection).await?;
        connection.close().await
    };
    taken_back.await.map_err(|source| StoreError::Open {
        database: named(path),
        source,
    })
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        // FULL: what is marked as sent stays marked after a power cut.
        .synchronous(SqliteSynchronous::Full)
        // Beside what is undone of a statement that fails, which is written down for each of several rows.
        .pragma("temp_store", "memory")
        .statement_cache_capacity(PREPARED)
        // Negative: KiB. With the 2 MB that SQLite takes by itself a turn reads the same pages again and again.
        .pragma("cache_size", "-16384")
        .foreign_keys(true)
        .busy_timeout(BUSY)
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

fn named(path: &Path) -> String {
    path.display().to_string()
}
