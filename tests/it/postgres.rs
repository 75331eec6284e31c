//! The store's SQL on PostgreSQL: every migration runs there and every statement can be prepared, with the types of
//! parameters that the store binds. The server is the test's own, in a folder of its own, without a network.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// PostgreSQL refuses to run as root; then it runs as `nobody`, who owns nothing.
const NOBODY: u32 = 65534;

struct Postgres {
    dir: TempDir,
    bin: PathBuf,
}

impl Postgres {
    fn start() -> Postgres {
        let dir = tempfile::Builder::new().prefix("pg").tempdir().expect("a folder");
        if dir.path().metadata().expect("the folder").uid() == 0 {
            chown(dir.path(), Some(NOBODY), Some(NOBODY)).expect("a folder of its own");
        }
        let postgres = Postgres { bin: binaries(), dir };
        let data = postgres.data();
        postgres.run(
            "initdb",
            [
                "-D".as_ref(),
                data.as_os_str(),
                "-U".as_ref(),
                "dondoc".as_ref(),
                "--auth=trust".as_ref(),
                "--no-sync".as_ref(),
                "--encoding=UTF8".as_ref(),
                "--locale=C".as_ref(),
            ],
        );
        let socket = postgres.dir.path().display();
        let settings = format!("-c listen_addresses='' -c unix_socket_directories='{socket}' -c fsync=off");
        let log = postgres.dir.path().join("log");
        postgres.run(
            "pg_ctl",
            [
                "start".as_ref(),
                "-w".as_ref(),
                "-D".as_ref(),
                data.as_os_str(),
                "-l".as_ref(),
                log.as_os_str(),
                "-o".as_ref(),
                settings.as_ref(),
            ],
        );
        postgres
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.current_dir(self.dir.path()).env_remove("PGOPTIONS");
        if self.dir.path().metadata().is_ok_and(|m| m.uid() == NOBODY) {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    fn run<'a>(&self, program: &str, arguments: impl IntoIterator<Item = &'a OsStr>) {
        let mut command = self.command(program);
        // A server that inherits a pipe keeps it open, and whoever reads it waits for ever.
        let output = command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .output();
        let output = output.unwrap_or_else(|e| panic!("{program}: {e}"));
        let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        assert!(output.status.success(), "{program}: {}\n{log}", text(&output.stderr));
    }

    /// Runs SQL in one session; every error stands in `stderr` with its statement.
    fn sql(&self, sql: &str) -> Output {
        let mut psql = self
            .command("psql")
            .args(["-X", "-q", "-A", "-t", "-b", "-U", "dondoc", "-d", "postgres", "-h"])
            .arg(self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql");
        let mut stdin = psql.stdin.take().expect("a pipe");
        stdin.write_all(sql.as_bytes()).expect("SQL");
        drop(stdin);
        psql.wait_with_output().expect("psql ends")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.data();
        let stop = self
            .command("pg_ctl")
            .args(["stop", "-w", "-m", "immediate", "-D"])
            .arg(&data)
            .output();
        if let Err(error) = stop {
            eprintln!("PostgreSQL in {} was not stopped: {error}", data.display());
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The folder of `initdb`, `pg_ctl` and `psql`: one in PATH, else the newest of Debian's.
fn binaries() -> PathBuf {
    let has_all = |dir: &Path| ["initdb", "pg_ctl", "psql"].iter().all(|p| dir.join(p).exists());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut debian: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|e| e.path().join("bin")).collect())
        .unwrap_or_default();
    debian.sort();
    std::env::split_paths(&path)
        .chain(debian.into_iter().rev())
        .find(|dir| has_all(dir))
        .unwrap_or_else(|| {
            panic!("initdb, pg_ctl and psql stand neither in PATH nor in /usr/lib/postgresql/*/bin; install the Debian package `postgresql`")
        })
}

#[test]
fn every_migration_and_every_statement_is_taken_by_postgresql_too() {
    let postgres = Postgres::start();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut migrations: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("migrations")
        .map(|entry| entry.expect("a migration").path())
        .collect();
    migrations.sort();
    for migration in &migrations {
        let sql = std::fs::read_to_string(migration).expect("a migration");
        let output = postgres.sql(&sql);
        assert_eq!(text(&output.stderr), "", "{}", migration.display());
    }

    let statements = dondoc::store::statements();
    let prepare = |(n, statement): (usize, &&str)| format!("PREPARE s{n} AS {statement};\n");
    let mut sql: String = statements.iter().enumerate().map(prepare).collect();
    sql.push_str("SELECT name, parameter_types FROM pg_prepared_statements;\n");
    let output = postgres.sql(&sql);
    assert_eq!(text(&output.stderr), "");

    let prepared = text(&output.stdout);
    assert_eq!(prepared.lines().count(), statements.len());
    for line in prepared.lines() {
        let (name, types) = line.split_once('|').expect("two columns");
        let statement = statements[name[1..].parse::<usize>().expect("a number")];
        // What the store binds. Another type here would be refused at run time only.
        let bound = types
            .trim_matches(['{', '}'])
            .split(',')
            .all(|t| ["", "bigint", "text", "bytea"].contains(&t));
        assert!(bound, "{statement}: parameters of types {types}");
    }
}
