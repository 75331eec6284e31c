//! What the benchmarks share: tickets by the hundred thousand, a province whose databases are a server's, a daemon that is
//! looked at from outside, and time(1). DONDOC_BENCH_BINARY names another binary than the one that is built with the benchmark,
//! such as the release before.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use dondoc::source::decode::COLUMNS;
use sqlx::postgres::PgPool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{AssertSqlSafe, Executor as _};

/// The program that is measured.
pub fn dondoc() -> &'static str {
    static NAMED: LazyLock<String> = LazyLock::new(|| match std::env::var("DONDOC_BENCH_BINARY") {
        Ok(path) => path,
        Err(std::env::VarError::NotPresent) => env!("CARGO_BIN_EXE_dondoc").to_owned(),
        Err(error) => panic!("DONDOC_BENCH_BINARY: {error}"),
    });
    &NAMED
}

/// Tickets that differ in their codes and agencies only.
pub struct Tickets<'a> {
    /// What their codes begin with.
    pub prefix: &'a str,
    pub count: usize,
    pub status: &'a str,
    /// Local time of the province, as the ticket database writes it.
    pub received_at: &'a str,
    pub updated_at: &'a str,
}

impl Tickets<'_> {
    /// For SQLite and PostgreSQL.
    fn sql(&self) -> String {
        let Tickets {
            prefix,
            count,
            status,
            received_at,
            updated_at,
        } = self;
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 WHERE {count} > 0 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
             INSERT INTO ticket (code, status, received_at, updated_at, kind, category, channel, level, agency, url) \
             SELECT '{prefix}.' || (10000000 + i), '{status}', '{received_at}', '{updated_at}', 'phản ánh', 'đất đai', 'điện thoại', '2', \
             CASE i % 5 WHEN 0 THEN 'Sở Y tế' WHEN 1 THEN 'Sở Xây dựng' WHEN 2 THEN 'Sở Tài chính' WHEN 3 THEN 'Sở Nội vụ' ELSE 'Sở Tư pháp' END, \
             'https://1022.dongthap.example/phieu/' || i FROM n"
        )
    }
}

/// A ticket database, whichever it is.
#[derive(Clone)]
pub enum TicketDatabase {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl TicketDatabase {
    /// The one that a province was made with.
    pub async fn of(config: &Path) -> TicketDatabase {
        let options = SqliteConnectOptions::new().filename(config.join("tickets.db"));
        TicketDatabase::Sqlite(SqlitePool::connect_with(options).await.expect("the ticket database"))
    }

    pub async fn insert(&self, tickets: &Tickets<'_>) {
        self.run(tickets.sql()).await;
    }

    pub async fn run(&self, sql: impl Into<String>) {
        let sql = AssertSqlSafe(sql.into());
        match self {
            TicketDatabase::Sqlite(pool) => pool.execute(sql).await.map(drop),
            TicketDatabase::Postgres(pool) => pool.execute(sql).await.map(drop),
        }
        .expect("the ticket database");
    }
}

/// The server behind `tests/with-servers`, where it runs there.
pub fn server() -> Option<String> {
    match std::env::var("DONDOC_TEST_POSTGRES") {
        Ok(url) => Some(url),
        Err(std::env::VarError::NotPresent) => None,
        Err(error) => panic!("DONDOC_TEST_POSTGRES: {error}"),
    }
}

/// A province's databases on a server: its ticket database, and its store.
pub struct OnServer {
    pub tickets: PgPool,
    pub store: PgPool,
}

/// Gives a province a ticket database of a server, still empty, and a store there.
pub async fn move_to_postgres(config: &Path, server: &str) -> OnServer {
    let base = server
        .strip_suffix("/postgres")
        .expect("the database that is always there");
    let pool = PgPool::connect(server).await.expect("the server");
    for name in ["bench_tickets", "bench_store"] {
        for sql in [
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            format!("CREATE DATABASE {name}"),
        ] {
            pool.execute(AssertSqlSafe(sql)).await.expect("a database");
        }
    }
    let connect = async |name: &str| PgPool::connect(&format!("{base}/{name}")).await.expect("a database");
    let (tickets, store) = (connect("bench_tickets").await, connect("bench_store").await);
    let columns = COLUMNS.map(|c| format!("{c} TEXT")).join(", ");
    let make = [
        format!("CREATE TABLE ticket ({columns})"),
        "CREATE INDEX ON ticket (updated_at, code)".to_owned(),
        "CREATE UNIQUE INDEX ON ticket (code COLLATE \"C\")".to_owned(),
    ];
    for sql in make {
        tickets.execute(AssertSqlSafe(sql)).await.expect("a table");
    }
    let file = config.join("dondoc.toml");
    let mut text = std::fs::read_to_string(&file).expect("dondoc.toml");
    for (file, name) in [("tickets.db", "bench_tickets"), ("dondoc.db", "bench_store")] {
        let url = format!("\nurl = \"sqlite:{file}\"\n");
        assert!(text.contains(&url), "{file} is what dondoc.toml names");
        text = text.replace(&url, &format!("\nurl = \"{base}/{name}?sslmode=disable\"\n"));
    }
    std::fs::write(&file, text).expect("dondoc.toml");
    OnServer { tickets, store }
}

/// What a process took.
#[derive(Debug, Clone)]
pub struct Took {
    /// Seconds on the clock.
    pub wall: f64,
    /// Seconds of it, and of the system for it.
    pub cpu: f64,
    /// At most.
    pub mib: f64,
    /// What it wrote to its output.
    pub reported: String,
}

/// Runs a command under time(1), which measures that process and not this one.
pub fn timed(command: &Command) -> Took {
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["-f", "%e %U %S %M"]);
    timed.arg(command.get_program()).args(command.get_args());
    timed.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let output = timed.output().expect("time: apt-get install time");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // What the program says comes first.
    let last = said.lines().last().expect("what time(1) says");
    let figures: Vec<f64> = last.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [wall, user, system, kib] = figures[..] else {
        panic!("not what time(1) says: {said}");
    };
    Took {
        wall,
        cpu: user + system,
        mib: kib / 1024.0,
        reported: String::from_utf8_lossy(&output.stdout).into_owned(),
    }
}

/// A running daemon, looked at from outside.
pub struct Daemon(pub Child);

impl Daemon {
    /// Starts it, in so many seconds from turn to turn.
    pub fn start(mut run: Command, every: &str) -> Daemon {
        run.env("DONDOC__RUN__EVERY", every).env("DONDOC__HTTP__LISTEN", "off");
        Daemon(run.stderr(Stdio::inherit()).spawn().expect("dondoc run"))
    }

    pub fn resident_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line
            .and_then(|line| line.split_whitespace().next())
            .expect("its memory");
        number.parse::<f64>().expect("a number") / 1024.0
    }

    /// User and system, of clock ticks of a hundredth of a second.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).expect("its times");
        let after_name = stat.rsplit(") ").next().expect("its times");
        let times: Vec<f64> = after_name
            .split(' ')
            .skip(11)
            .take(2)
            .map(|t| t.parse().expect("ticks"))
            .collect();
        times.iter().sum::<f64>() / 100.0
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The one in the middle.
pub fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// What a server did for a database: by word, how often.
pub async fn work(pool: &PgPool) -> BTreeMap<&'static str, i64> {
    // What sessions have done is told after a while, or at once when a new look is asked for.
    let sql = "SELECT COALESCE(SUM(seq_tup_read), 0)::bigint, COALESCE(SUM(idx_tup_fetch), 0)::bigint, \
        COALESCE(SUM(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint, \
        (SELECT COALESCE(SUM(heap_blks_hit + heap_blks_read + COALESCE(idx_blks_hit + idx_blks_read, 0)), 0)::bigint FROM pg_statio_user_tables) \
        FROM pg_stat_user_tables";
    let (scanned, fetched, written, pages): (i64, i64, i64, i64) =
        sqlx::query_as(sql).fetch_one(pool).await.expect("statistics");
    [
        ("scanned", scanned),
        ("fetched", fetched),
        ("written", written),
        ("pages", pages),
    ]
    .into()
}
