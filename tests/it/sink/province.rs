//! A province with many overdue tickets, Debian's `smtp-sink` as its mail relay, and the binary `dondoc` for it. Used by
//! the test and by the benchmark.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use dondoc::demo::reading;
use dondoc::source::decode::COLUMNS;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tempfile::TempDir;

/// When `once` is run: a Monday in office hours, less than four working hours after the newest change.
pub const AT: &str = "2021-09-20T08:30:00+07:00";

const NOBODY: u32 = 65534;

/// A step, and a mail for each ticket.
pub const RULES: &str = r#"
[[rule]]
id = "overdue"
title = "Phiếu quá hạn xử lý"
when = "overdue"
digest = "ticket"

[[rule.step]]
id = "L1"
after = "1wd"
to = ["agency:contact"]
template = "overdue-1"

[[deadline]]
id = "normal"
due = "5wd"
"#;

/// Each mail becomes a file.
pub const KEEPING: [&str; 2] = ["-d", "mails/m."];

pub struct Province {
    dir: TempDir,
    sink: Child,
}

impl Province {
    /// `overdue` tickets that are late among `open` in all, spread over the shipped directory's departments.
    pub async fn new(dondoc: &str, overdue: usize, open: usize) -> Province {
        Province::under(RULES, dondoc, overdue, open).await
    }

    /// The same under rules of one's own.
    pub async fn under(rules: &str, dondoc: &str, overdue: usize, open: usize) -> Province {
        Province::with_relay(&KEEPING, rules, dondoc, overdue, open).await
    }

    /// The same with a relay of other options of smtp-sink.
    pub async fn with_relay(options: &[&str], rules: &str, dondoc: &str, overdue: usize, open: usize) -> Province {
        let dir = tempfile::tempdir().expect("a folder");
        let config = dir.path().join("config");
        let made = Command::new(dondoc)
            .arg("init")
            .arg(&config)
            .stdout(Stdio::null())
            .status();
        assert!(made.expect("dondoc init").success());
        for file in std::fs::read_dir(config.join("rules")).expect("the rules") {
            std::fs::remove_file(file.expect("a file").path()).expect("removed");
        }
        std::fs::write(config.join("rules/overdue.toml"), rules).expect("the rules");
        let (sink, port) = start_sink(dir.path(), options);
        tickets(&config.join("tickets.db"), overdue, open).await;
        let file = config.join("dondoc.toml");
        let text = std::fs::read_to_string(&file).expect("dondoc.toml");
        let text = text.replace("\nport = 25\n", &format!("\nport = {port}\n"));
        let text = text.replace("\nmode = \"shadow\"\n", "\nmode = \"live\"\n");
        std::fs::write(&file, text).expect("dondoc.toml");
        Province { dir, sink }
    }

    /// A command of dondoc, not started yet.
    pub fn command(&self, dondoc: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(dondoc);
        command
            .env("DONDOC_LOG", "error")
            .arg("--config")
            .arg(self.config())
            .args(arguments);
        command
    }

    /// The command for one turn.
    pub fn once(&self, dondoc: &str) -> Command {
        self.command(dondoc, &["once", "--json", "--at", AT])
    }

    /// Starts a turn and kills it (SIGKILL) once the relay has begun to take so many mails.
    pub fn kill_once_after(&self, dondoc: &str, mails: usize) {
        let mut once = self.once(dondoc).stdout(Stdio::null()).spawn().expect("dondoc once");
        while std::fs::read_dir(self.mails()).expect("the mails").count() < mails {
            let ended = once.try_wait().expect("its state");
            assert!(ended.is_none(), "the turn was over before it could be killed");
        }
        once.kill().expect("killed");
        once.wait().expect("its end");
    }

    /// How often each ticket and each Message-ID came through the relay.
    pub fn received(&self) -> (BTreeMap<String, usize>, BTreeMap<String, usize>) {
        let (mut tickets, mut ids) = (BTreeMap::new(), BTreeMap::new());
        for file in std::fs::read_dir(self.mails()).expect("the mails") {
            let bytes = match std::fs::read(file.expect("a file").path()) {
                // A mail that was cut off: the relay has thrown it away meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                read => read.expect("a mail"),
            };
            let letter = reading::read(&bytes).expect("a letter");
            for (ticket, _, _) in letter.told() {
                *tickets.entry(ticket.to_owned()).or_default() += 1;
            }
            *ids.entry(letter.message_id).or_default() += 1;
        }
        (tickets, ids)
    }

    /// The folder of its configuration, with the databases in it.
    pub fn config(&self) -> PathBuf {
        self.dir.path().join("config")
    }

    fn mails(&self) -> PathBuf {
        self.dir.path().join("mails")
    }
}

impl Drop for Province {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.sink.kill();
        let _ = self.sink.wait();
    }
}

/// Starts the relay on a port of its own.
fn start_sink(dir: &Path, options: &[&str]) -> (Child, u16) {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("its address").port();
    drop(free);
    let mails = dir.join("mails");
    std::fs::create_dir(&mails).expect("a folder");
    let mut arguments: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
    if mails.metadata().expect("the folder").uid() == 0 {
        // It refuses to run as root, and then has to reach its folder as somebody else.
        for folder in [dir, &mails] {
            chown(folder, Some(NOBODY), Some(NOBODY)).expect("a folder of its own");
        }
        arguments.extend(["-u".to_owned(), "nobody".to_owned()]);
    }
    arguments.extend([format!("127.0.0.1:{port}"), "128".to_owned()]);
    let program = ["/usr/sbin/smtp-sink", "/usr/bin/smtp-sink"]
        .into_iter()
        .find(|p| Path::new(p).exists());
    let program = program.expect("smtp-sink is missing: apt-get install postfix");
    let mut sink = Command::new(program)
        .current_dir(dir)
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()
        .expect("smtp-sink");
    // A refused connection answers at once; the server needs some milliseconds to come up.
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(sink.try_wait().expect("its state").is_none(), "smtp-sink ended");
        std::thread::yield_now();
    }
    (sink, port)
}

async fn tickets(path: &Path, overdue: usize, open: usize) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.expect("a ticket database");
    let table = format!(
        "CREATE TABLE ticket ({})",
        COLUMNS.map(|c| format!("{c} TEXT")).join(", ")
    );
    sqlx::query(sqlx::AssertSqlSafe(table))
        .execute(&pool)
        .await
        .expect("a table");
    // The late ones were received three weeks ago, the others on the morning of the turn.
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 WHERE $2 > 0 UNION ALL SELECT i + 1 FROM n WHERE i < $2) \
        INSERT INTO ticket (code, status, received_at, updated_at, kind, category, channel, level, agency, url) \
        SELECT printf('PA.%07d', i), 'đang xử lý', \
        CASE WHEN i <= $1 THEN '2021-08-30 08:00:00' ELSE '2021-09-20 07:30:00' END, '2021-09-20 07:30:00', 'phản ánh', 'đất đai', 'điện thoại', 2, \
        CASE i % 5 WHEN 0 THEN 'Sở Y tế' WHEN 1 THEN 'Sở Xây dựng' WHEN 2 THEN 'Sở Tài chính' WHEN 3 THEN 'Sở Nội vụ' ELSE 'Sở Tư pháp' END, \
        'https://1022.dongthap.example/phieu/' || i FROM n";
    sqlx::query(rows)
        .bind(i64::try_from(overdue).expect("a number"))
        .bind(i64::try_from(open).expect("a number"))
        .execute(&pool)
        .await
        .expect("rows");
    sqlx::query("CREATE INDEX ticket_updated ON ticket (updated_at, code)")
        .execute(&pool)
        .await
        .expect("an index");
    sqlx::query("CREATE UNIQUE INDEX ticket_code ON ticket (code)")
        .execute(&pool)
        .await
        .expect("an index");
    pool.close().await;
}
