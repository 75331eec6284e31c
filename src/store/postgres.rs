//! A store on PostgreSQL: opened, and asked within limits of time.
//!
//! What a session is set to goes with its start: a proxy that shares sessions between clients (PgBouncer, in transaction
//! mode) refuses it by itself, and one that drops it is found out. Only how letters are packed is set behind
//! it, since a server may not know it. Every text column sorts by bytes there, whatever the database's own order is.

use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use sqlx::ConnectOptions as _;
use sqlx::migrate::{Migration, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, Postgres, SqlSafeStr as _};

use super::lending::Lending;
use super::{Either, MIGRATIONS, Store, StoreError, asked, refuse_newer, refuse_older};
use crate::config::settings::Server;

/// A process waits so long for a connection, and so long for an answer; the latter is longer than any statement may take.
const CONNECT: Duration = Duration::from_secs(10);
pub const ANSWER: Duration = Duration::from_secs(40);

/// Beside those of the server's own: no statement, no wait for another and no open transaction lasts for ever. A process
/// that stops within a transaction is parted from it before others give up waiting for it.
const SESSION: [(&str, &str); 5] = [
    ("statement_timeout", "30s"),
    ("lock_timeout", "20s"),
    (IDLE.0, IDLE.1),
    ("synchronous_commit", "on"),
    // Not that tables are already there.
    ("client_min_messages", "warning"),
];
const IDLE: (&str, &str) = ("idle_in_transaction_session_timeout", "10s");

/// Connections of a process.
const CONNECTIONS: u32 = 4;

/// Tables of the schema that ours go into, and ours among them.
const TABLES: &str = "SELECT COUNT(*), COUNT(*) FILTER (WHERE c.relname = '_sqlx_migrations'), current_setting($1) FROM pg_class c \
     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') \
     AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')";
const VERSION: &str = "SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations";

/// Letters are packed by lz4 where the server can: its own way is a fifth of its work for a turn that sends much.
const PACK: &str = "SELECT set_config(name, 'lz4', FALSE) FROM pg_settings \
     WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)";

/// Of what grows with tickets the tables that have twice the pages that their statistics know of; all where `$1` is 1.
const GROWN: &str = "SELECT CAST(c.relname AS TEXT) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname = current_schema() \
     AND c.relname IN ('ticket', 'change', 'telling', 'notice', 'message', 'message_notice', 'attempt', 'woken') \
     AND (CAST($1 AS BIGINT) = 1 OR pg_relation_size(c.oid) > 2 * GREATEST(c.relpages, 1) * CAST(current_setting('block_size') AS BIGINT))";

/// The write transaction before which a process has all statistics renewed; then it looks before each that is twice the last
/// which tables have grown.
const FIRST_ANALYZED: u64 = 8;

pub const STATEMENTS: &[&str] = &[TABLES, VERSION, PACK, GROWN];

/// For writing; its tables are made or brought up to date, by one process at a time.
pub(super) async fn open(server: &Server) -> Result<Store, StoreError> {
    let options = options(server, false)?;
    let mut connection = connect(server, &options).await?;
    look_at_tables(server, &mut connection).await?;
    let migrated = async {
        // A large table takes its time.
        sqlx::query("SET statement_timeout = '10min'")
            .execute(&mut connection)
            .await?;
        migrations().run(&mut connection).await
    };
    migrated.await.map_err(|source| StoreError::Migrate {
        database: server.url.to_string(),
        source,
    })?;
    Ok(store(options))
}

/// For looking or for a command's short transactions.
pub(super) async fn open_existing(server: &Server, is_read_only: bool) -> Result<Store, StoreError> {
    let options = options(server, is_read_only)?;
    let mut connection = connect(server, &options).await?;
    let Some(found) = look_at_tables(server, &mut connection).await? else {
        return Err(StoreError::Missing {
            database: server.url.to_string(),
        });
    };
    refuse_older(&server.url, found)?;
    Ok(store(options))
}

fn store(options: PgConnectOptions) -> Store {
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(CONNECT)
        .after_connect(|connection, _| Box::pin(async move { sqlx::query(PACK).execute(connection).await.map(drop) }))
        .connect_lazy_with(options);
    Store {
        connections: Either::Postgres(Lending::of(pool, true)),
        begun: Arc::default(),
        _held: None,
    }
}

fn options(server: &Server, is_read_only: bool) -> Result<PgConnectOptions, StoreError> {
    let mut options = PgConnectOptions::from_str(server.url.as_str())
        .map_err(failed(server))?
        .application_name("dondoc")
        .options(SESSION);
    if is_read_only {
        options = options.options([("default_transaction_read_only", "on")]);
    }
    if let Some(password) = &server.password {
        options = options.password(password.expose_secret());
    }
    Ok(options)
}

async fn connect(server: &Server, options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let connection = tokio::time::timeout(CONNECT, options.connect()).await;
    connection
        .unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
        .map_err(failed(server))
}

/// The version of the tables; `None` where there are none yet. Newer tables and those of something else are refused.
async fn look_at_tables(server: &Server, connection: &mut PgConnection) -> Result<Option<i64>, StoreError> {
    let database = || server.url.to_string();
    let tables = sqlx::query_as(TABLES).bind(IDLE.0);
    let (tables, ours, idle): (i64, i64, String) = answered(tables.fetch_one(&mut *connection)).await?;
    if idle != IDLE.1 {
        return Err(StoreError::Proxy { database: database() });
    }
    if ours == 0 {
        return match tables {
            0 => Ok(None),
            _ => Err(StoreError::Foreign { database: database() }),
        };
    }
    let found = answered(sqlx::query_scalar(VERSION).fetch_one(connection)).await?;
    refuse_newer(&server.url, found)?;
    Ok(Some(found))
}

/// The same migrations, with every column of text in the order of its bytes, as SQLite has them, and with what is only for
/// a server.
fn migrations() -> Migrator {
    let by_bytes = |m: &Migration| {
        let sql = m.sql.as_str().replace(" TEXT", " TEXT COLLATE \"C\"");
        // A cast names the type alone.
        let sql = sql.replace("AS TEXT COLLATE \"C\"", "AS TEXT");
        let sql = sql.replace("-- On PostgreSQL: ", "");
        let sql = AssertSqlSafe(sql).into_sql_str();
        Migration::new(m.version, m.description.clone(), m.migration_type, sql, m.no_tx)
    };
    Migrator::with_migrations(MIGRATIONS.iter().map(by_bytes).collect())
}

/// Has the server see how much its tables have grown. By itself it does so about once a minute, and by then plans that were
/// made for empty tables would have gone through all of them again and again. Without it statements are slower and as right.
pub(super) async fn keep_statistics(server: &Lending<Postgres>, begun: &AtomicU64) {
    let number = begun.fetch_add(1, Ordering::Relaxed) + 1;
    if number < FIRST_ANALYZED || !number.is_power_of_two() {
        return;
    }
    let analyzed = async {
        let are_all = i64::from(number == FIRST_ANALYZED);
        let grown: Vec<String> = asked!(server, fetch_all(sqlx::query_scalar(GROWN).bind(are_all)));
        if !grown.is_empty() {
            // Their names are ours.
            let analyze = AssertSqlSafe(format!("ANALYZE (SKIP_LOCKED) {}", grown.join(", ")));
            asked!(server, execute(sqlx::query(analyze)));
        }
        Ok::<_, StoreError>(())
    };
    if let Err(error) = analyzed.await {
        tracing::warn!(%error, "the store's statistics could not be renewed; its statements may be slow: {error}");
    }
}

/// An answer of the server, waited for within limits of time.
pub(super) async fn answered<T>(asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
    match tokio::time::timeout(ANSWER, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(sqlx::Error::PoolTimedOut)) => Err(StoreError::Silent {
            seconds: CONNECT.as_secs(),
        }),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(StoreError::Silent {
            seconds: ANSWER.as_secs(),
        }),
    }
}

/// The database, for messages about a store that is open.
pub(super) fn named(server: &Lending<Postgres>) -> String {
    let options = server.pool().connect_options();
    format!(
        "{} on {}",
        options.get_database().unwrap_or_default(),
        options.get_host()
    )
}

fn failed(server: &Server) -> impl FnOnce(sqlx::Error) -> StoreError {
    let database = server.url.to_string();
    move |source| StoreError::Open { database, source }
}
