//! Databases of a test's own on the PostgreSQL that `tests/with-servers` starts, and the store's SQL there: every
//! statement can be prepared, with the types of parameters that the store binds.

use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use dondoc::config::settings::{Database, Server};
use dondoc::store::Store;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Executor as _, Row as _, SqlSafeStr as _, Statement as _, TypeInfo as _,
};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

/// The account that root's servers run as.
const NOBODY: u32 = 65534;

/// Which database a story is told on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Sqlite,
    Postgres,
}

/// Tells each story, a function that takes an [`On`], on both databases.
macro_rules! on_both {
    ($($story:ident)*) => {
        mod sqlite {
            $(#[tokio::test] async fn $story() { super::$story(crate::postgres::On::Sqlite).await })*
        }
        mod postgres {
            $(#[tokio::test] async fn $story() { super::$story(crate::postgres::On::Postgres).await })*
        }
    };
}
pub(crate) use on_both;

/// A database of one test's own, gone with it.
pub struct Postgres {
    pub url: Url,
    server: Url,
}

impl Postgres {
    /// An empty one, in which text is ordered as Vietnamese dictionaries do.
    pub async fn new() -> Postgres {
        let server = std::env::var("DONDOC_TEST_POSTGRES").expect(
            "DONDOC_TEST_POSTGRES names no server; run the tests by `tests/with-servers cargo test`, which starts one",
        );
        Postgres::at(Url::parse(&server).expect("the url of a server")).await
    }

    /// The same at another server.
    pub async fn at(server: Url) -> Postgres {
        let mut url = server.clone();
        let name = format!("store_{}", uuid::Uuid::new_v4().simple());
        run(
            &server,
            &format!(
                "CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'vi' LOCALE 'C.UTF-8' ENCODING 'UTF8'"
            ),
        )
        .await;
        url.set_path(&name);
        Postgres { url, server }
    }

    /// As the configuration names it.
    pub fn place(&self) -> Database {
        Database::Postgres(Server {
            url: self.url.clone(),
            password: None,
        })
    }

    /// A connection behind the store's back.
    pub async fn connect(&self) -> PgConnection {
        connect(&self.url).await
    }

    /// Any statements.
    pub async fn run(&self, sql: &str) {
        run(&self.url, sql).await;
    }

    /// Every lease and every claim is as if its time had run out.
    pub async fn leases_run_out(&self) {
        self.run("UPDATE lease SET until = 1; UPDATE message SET claimed_until = 1 WHERE claimed_until IS NOT NULL")
            .await;
    }

    /// The server ends every session of the database, as it does when it is restarted.
    pub async fn end_sessions(&self) {
        self.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let server = self.server.clone();
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.url.path().trim_matches('/'));
        // The test's own runtime is at work on this thread.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(run(&server, &drop));
        });
        if dropped.join().is_err() {
            eprintln!("{} is still there", self.url);
        }
    }
}

/// A PostgreSQL of one test's own, which can be stopped and started.
pub struct OwnServer {
    dir: TempDir,
    programs: PathBuf,
    pub url: Url,
}

impl OwnServer {
    pub fn start() -> OwnServer {
        let server = OwnServer::empty();
        let utf8 = ["--encoding=UTF8", "--locale=C.UTF-8"];
        server.run(
            "initdb",
            &[&["-U", "dondoc", "--auth=trust", "--no-sync"][..], &utf8].concat(),
        );
        server.starts();
        server
    }

    /// Another one that follows this one, and answers what reads only.
    pub fn standby(&self) -> OwnServer {
        let server = OwnServer::empty();
        let from = ["-d", self.url.as_str(), "-R", "-X", "stream", "-c", "fast", "--no-sync"];
        server.run("pg_basebackup", &from);
        server.starts();
        server
    }

    fn empty() -> OwnServer {
        let versions = std::fs::read_dir("/usr/lib/postgresql").expect("apt-get install postgresql");
        let programs = versions.flatten().map(|version| version.path().join("bin")).max();
        let dir = tempfile::tempdir().expect("a folder");
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let port = port.expect("a free port").port();
        if rustix::process::getuid().is_root() {
            chown(dir.path(), Some(NOBODY), Some(NOBODY)).expect("a folder of its own");
        }
        OwnServer {
            dir,
            programs: programs.expect("apt-get install postgresql"),
            url: Url::parse(&format!("postgres://dondoc@127.0.0.1:{port}/postgres")).expect("a url"),
        }
    }

    pub fn starts(&self) {
        let port = self.url.port().expect("a port");
        let options =
            format!("-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories='' -c fsync=off");
        let log = self.dir.path().join("log").display().to_string();
        self.run("pg_ctl", &["start", "-w", "-l", &log, "-o", &options]);
    }

    /// Takes no new session, and ends when those that there are have ended.
    pub fn begins_to_stop(&self) {
        self.run("pg_ctl", &["stop", "-W", "-m", "smart"]);
    }

    /// Ends at once, as after a power cut.
    pub fn stops(&self) {
        self.run("pg_ctl", &["stop", "-w", "-m", "immediate"]);
    }

    /// From a standby to a server that takes writes.
    pub fn is_promoted(&self) {
        self.run("pg_ctl", &["promote", "-w"]);
    }

    /// What the server has written down.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).expect("the server's log")
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.programs.join(program);
        let mut command = match rustix::process::getuid().is_root() {
            // PostgreSQL refuses to run as root.
            true => {
                let mut command = Command::new("setpriv");
                command
                    .args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"])
                    .arg(&program);
                command
            }
            false => Command::new(&program),
        };
        command.arg("-D").arg(self.dir.path().join("data")).args(arguments);
        command.current_dir(self.dir.path()).stdout(Stdio::null());
        let done = command
            .status()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        assert!(done.success(), "{} {arguments:?}", program.display());
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        if self.dir.path().join("data/postmaster.pid").exists() {
            self.stops();
        }
    }
}

/// A way to a server that can be frozen: connections stay, and nothing goes through any more.
pub struct Proxy {
    /// The server's, by this way.
    pub url: Url,
    frozen: watch::Sender<bool>,
}

impl Proxy {
    pub async fn before(server: &Url) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut url = server.clone();
        let port = listener.local_addr().expect("its address").port();
        url.set_port(Some(port)).expect("a port");
        let to = (
            server.host_str().expect("a host").to_owned(),
            server.port().expect("a port"),
        );
        let (frozen, is_frozen) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                let (to, mut is_frozen) = (to.clone(), is_frozen.clone());
                tokio::spawn(async move {
                    let mut from = from;
                    let mut server = TcpStream::connect(to).await.expect("the server");
                    let frozen = async { is_frozen.wait_for(|frozen| *frozen).await.is_ok() };
                    tokio::select! {
                        biased;
                        _ = frozen => std::future::pending::<()>().await,
                        _ = copy_bidirectional(&mut from, &mut server) => {}
                    }
                });
            }
        });
        Proxy { url, frozen }
    }

    pub fn freeze(&self) {
        self.frozen.send_replace(true);
    }
}

async fn connect(url: &Url) -> PgConnection {
    let options: PgConnectOptions = url.as_str().parse().expect("the url of a database");
    options.connect().await.expect("a connection")
}

async fn run(url: &Url, sql: &str) {
    let mut connection = connect(url).await;
    let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
    done.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

#[tokio::test]
async fn columns_sort_by_their_bytes_and_every_statement_is_taken_with_the_types_that_the_store_binds() {
    let postgres = Postgres::new().await;
    Store::open(&postgres.place()).await.expect("a store");
    let mut connection = postgres.connect().await;
    let unordered = sqlx::query(
        "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public' \
         AND data_type = 'text' AND table_name <> '_sqlx_migrations' AND collation_name IS DISTINCT FROM 'C'",
    );
    let unordered = unordered.fetch_all(&mut connection).await.expect("columns");
    let unordered: Vec<String> = unordered.iter().map(|row| row.get(0)).collect();
    assert_eq!(unordered, [""; 0], "columns that don't sort by their bytes");
    let (shared, own) = (dondoc::store::statements(), dondoc::store::statements_of_postgres());
    assert!(shared.len() > 80 && own.len() > 3);
    for text in [shared, own].concat() {
        let prepared = connection.prepare(AssertSqlSafe(text).into_sql_str()).await;
        let prepared = prepared.unwrap_or_else(|e| panic!("{text}: {e}"));
        let types: Vec<String> = match prepared.parameters() {
            Some(sqlx::Either::Left(types)) => types.iter().map(|t| t.name().to_owned()).collect(),
            none => panic!("{text}: parameters without types: {none:?}"),
        };
        // Another type here would be refused at run time only.
        let bound = types.iter().all(|t| ["INT8", "TEXT", "BYTEA"].contains(&t.as_str()));
        assert!(bound, "{text}: parameters of types {types:?}");
    }
}
