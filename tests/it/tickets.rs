//! Ticket databases of every kind, each test's own. `tests/with-servers` starts the servers.

use std::path::Path;

use dondoc::config::settings::{Database, Server};
use sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{AssertSqlSafe, ConnectOptions as _};
use url::Url;

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
    MariaDb,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Sqlite, Kind::Postgres, Kind::MariaDb];

    /// Those that keep times as times.
    pub const SERVERS: [Kind; 2] = [Kind::Postgres, Kind::MariaDb];

    /// One of several texts, in the order of [`Kind::ALL`].
    pub fn of<T: Copy>(self, texts: [T; 3]) -> T {
        texts[self as usize]
    }

    /// The columns of `spec.md` §2 with the types that people give them there.
    pub fn columns(self) -> String {
        let time = self.of(["TEXT", "timestamptz", "DATETIME(6)"]);
        let updated = self.of(["TEXT", "timestamptz", "TIMESTAMP(6) NULL DEFAULT NULL"]);
        let due = self.of(["TEXT", "timestamp", "DATETIME"]);
        let text = self.of(["TEXT", "text", "VARCHAR(200)"]);
        let yes = self.of(["INTEGER", "boolean", "TINYINT(1)"]);
        format!(
            "code {text}, status {text}, received_at {time}, updated_at {updated}, assigned_at {time}, due_at {due}, \
             extended_to {due}, answered_at {time}, closed_at {time}, rated_at {time}, waiting_since {time}, title {text}, body {text}, \
             kind {text}, category {text}, priority {text}, channel {text}, area {text}, level INTEGER, tags {text}, is_procedure {yes}, \
             agency {text}, co_agencies {text}, subject_agency {text}, waiting_on {text}, stage {text}, confidential {yes}, \
             reopen_count INTEGER, rating {text}, rating_excluded {yes}, url {text}"
        )
    }
}

/// A ticket database, for writing. Its sessions are in Vietnam's time.
#[derive(Clone)]
pub enum Tickets {
    Sqlite(SqlitePool),
    Postgres(PgPool, Url),
    MariaDb(MySqlPool, Url),
}

/// The server that a variable names.
fn server(variable: &str) -> Url {
    let url = std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: run the tests with `tests/with-servers cargo test`"));
    Url::parse(&url).unwrap_or_else(|e| panic!("{variable}: {e}"))
}

impl Tickets {
    /// A new database without a table; SQLite's is `tickets.db` in `dir`.
    pub async fn new(kind: Kind, dir: &Path) -> Tickets {
        let name = format!("t{}", uuid::Uuid::new_v4().simple());
        match kind {
            Kind::Sqlite => {
                let options = SqliteConnectOptions::new()
                    .filename(dir.join("tickets.db"))
                    .create_if_missing(true);
                Tickets::Sqlite(SqlitePool::connect_with(options).await.expect("a ticket database"))
            }
            Kind::Postgres => {
                let mut url = server("DONDOC_TEST_POSTGRES");
                let maker = PgPool::connect(url.as_str()).await.expect("a PostgreSQL");
                let make = format!("CREATE DATABASE {name}");
                sqlx::query(AssertSqlSafe(make))
                    .execute(&maker)
                    .await
                    .expect("a database");
                maker.close().await;
                url.set_path(&name);
                let local = PgPoolOptions::new().after_connect(|connection, _| {
                    let zone = sqlx::query("SET TIME ZONE 'Asia/Ho_Chi_Minh'");
                    Box::pin(async move { zone.execute(connection).await.map(drop) })
                });
                Tickets::Postgres(local.connect(url.as_str()).await.expect("a database"), url)
            }
            Kind::MariaDb => {
                let mut url = server("DONDOC_TEST_MARIADB");
                let maker = MySqlPool::connect(url.as_str()).await.expect("a MariaDB");
                let make = format!("CREATE DATABASE {name} CHARACTER SET utf8mb4");
                sqlx::query(AssertSqlSafe(make))
                    .execute(&maker)
                    .await
                    .expect("a database");
                maker.close().await;
                url.set_path(&name);
                let options = MySqlConnectOptions::from_url(&url).expect("options");
                let options = options.timezone(Some("+07:00".to_owned()));
                // As old systems write: with `0000-00-00` where a date is missing.
                let lax = MySqlPoolOptions::new().after_connect(|connection, _| {
                    let mode = sqlx::query("SET sql_mode = ''");
                    Box::pin(async move { mode.execute(connection).await.map(drop) })
                });
                Tickets::MariaDb(lax.connect_with(options).await.expect("a database"), url)
            }
        }
    }

    /// What stands in the settings.
    pub fn database(&self, dir: &Path) -> Database {
        let server = |url: &Url| Server {
            url: url.clone(),
            password: None,
        };
        match self {
            Tickets::Sqlite(_) => Database::Sqlite(dir.join("tickets.db")),
            Tickets::Postgres(_, url) => Database::Postgres(server(url)),
            Tickets::MariaDb(_, url) => Database::MySql(server(url)),
        }
    }

    /// `source.url`.
    pub fn url(&self) -> String {
        match self {
            Tickets::Sqlite(_) => "sqlite:tickets.db".to_owned(),
            Tickets::Postgres(_, url) | Tickets::MariaDb(_, url) => url.to_string(),
        }
    }

    /// Begins a transaction that stays open until it is committed.
    pub async fn begin(&self) -> Open {
        match self {
            Tickets::Sqlite(pool) => Open::Sqlite(pool.begin().await.expect("a transaction")),
            Tickets::Postgres(pool, _) => Open::Postgres(pool.begin().await.expect("a transaction")),
            Tickets::MariaDb(pool, _) => Open::MariaDb(pool.begin().await.expect("a transaction")),
        }
    }

    /// Runs a statement and says how many rows it touched.
    pub async fn sql(&self, sql: &str) -> u64 {
        let text = AssertSqlSafe(sql.to_owned());
        let done = match self {
            Tickets::Sqlite(pool) => sqlx::query(text).execute(pool).await.map(|d| d.rows_affected()),
            Tickets::Postgres(pool, _) => sqlx::query(text).execute(pool).await.map(|d| d.rows_affected()),
            Tickets::MariaDb(pool, _) => sqlx::query(text).execute(pool).await.map(|d| d.rows_affected()),
        };
        done.unwrap_or_else(|e| panic!("{sql}: {e}"))
    }
}

/// A transaction that another program has open.
pub enum Open {
    Sqlite(sqlx::Transaction<'static, sqlx::Sqlite>),
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
    MariaDb(sqlx::Transaction<'static, sqlx::MySql>),
}

impl Open {
    pub async fn sql(&mut self, sql: &str) {
        let text = AssertSqlSafe(sql.to_owned());
        let done = match self {
            Open::Sqlite(tx) => sqlx::query(text).execute(&mut **tx).await.map(drop),
            Open::Postgres(tx) => sqlx::query(text).execute(&mut **tx).await.map(drop),
            Open::MariaDb(tx) => sqlx::query(text).execute(&mut **tx).await.map(drop),
        };
        done.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    pub async fn commit(self) {
        let done = match self {
            Open::Sqlite(tx) => tx.commit().await,
            Open::Postgres(tx) => tx.commit().await,
            Open::MariaDb(tx) => tx.commit().await,
        };
        done.expect("a commit");
    }
}
