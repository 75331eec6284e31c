//! The daemon as systemd, ops and monitoring meet it: a real process with its signals, notices, pages and log.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dondoc::demo::receiver::{Do, Step};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixDatagram};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::cli::{dondoc, said, text};
use crate::postgres::{On, Proxy};
use crate::world::World;

/// Told at once, at any hour: the daemon's clock is the real one.
pub const URGENT: &str = r#"
[[rule]]
id = "overdue"
title = "Phiếu quá hạn xử lý"
when = "overdue"

[[rule.step]]
id = "L1"
after = "1wd"
to = ["agency:contact"]
template = "overdue-1"
urgent = true

[[deadline]]
id = "normal"
due = "5wd"
"#;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// `dondoc run` as a child, with systemd's socket and its log line by line.
pub struct Daemon {
    child: Child,
    log: UnboundedReceiver<Value>,
    /// What systemd is told.
    notices: UnboundedReceiver<String>,
    address: String,
    _dir: TempDir,
}

impl Daemon {
    /// Starts it and waits until it says that it is ready.
    pub async fn start(config: &Path) -> Daemon {
        Daemon::start_with(config, &[]).await
    }

    /// The same with variables of its own.
    pub async fn start_with(config: &Path, variables: &[(&str, String)]) -> Daemon {
        let program = Command::new(env!("CARGO_BIN_EXE_dondoc"));
        Daemon::start_by(program, config, variables).await
    }

    /// The same by a program that is `dondoc`, or becomes it.
    pub async fn start_by(mut program: Command, config: &Path, variables: &[(&str, String)]) -> Daemon {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        let (told, notices) = unbounded_channel();
        // Always read, as systemd does: a full socket would hold the daemon up.
        tokio::spawn(async move {
            let mut bytes = [0; 4096];
            while let Ok(length) = socket.recv(&mut bytes).await {
                let notice = String::from_utf8_lossy(&bytes[..length]).into_owned();
                if told.send(notice).is_err() {
                    return;
                }
            }
        });
        let mut child = program
            .arg("--config")
            .arg(config)
            .args(["--log-format", "json", "run"])
            .env_remove("DONDOC_LOG")
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "60000000")
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stderr(Stdio::piped())
            .spawn()
            .expect("dondoc run");
        let stderr = child.stderr.take().expect("its log");
        let (lines, log) = unbounded_channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                // Nobody listens any more once the test is over.
                let _ = lines.send(line);
            }
        });
        let mut daemon = Daemon {
            child,
            log,
            notices,
            address: String::new(),
            _dir: dir,
        };
        let listens = daemon.says("listening for").await;
        daemon.address = listens["fields"]["address"].as_str().expect("an address").to_owned();
        daemon.notifies("READY=1").await;
        daemon
    }

    /// The next line of the log whose message holds some words.
    pub async fn says(&mut self, words: &str) -> Value {
        let mut before = Vec::new();
        // In all, however much else is said meanwhile.
        let said = timeout(PATIENCE, async {
            while let Some(line) = self.log.recv().await {
                if line["fields"]["message"].as_str().is_some_and(|m| m.contains(words)) {
                    return Some(line);
                }
                before.push(line);
            }
            None
        })
        .await;
        match said {
            Ok(Some(line)) => line,
            Ok(None) => panic!("the daemon ended without saying `{words}`: {before:#?}"),
            Err(_) => panic!("`{words}` was not said: {before:#?}"),
        }
    }

    /// The lines of the log that nobody has waited for.
    pub fn said_meanwhile(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.log.try_recv().ok()).collect()
    }

    /// What systemd was told and nobody has waited for.
    pub fn notified_meanwhile(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.notices.try_recv().ok()).collect()
    }

    /// Waits until systemd is told something.
    pub async fn notifies(&mut self, what: &str) -> String {
        let told = timeout(PATIENCE, async {
            loop {
                let told = self.notices.recv().await.expect("a notice");
                if told.contains(what) {
                    return told;
                }
            }
        });
        told.await.unwrap_or_else(|_| panic!("systemd was not told {what}"))
    }

    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process id"), signal).expect("a signal");
    }

    async fn ends(mut self) -> ExitStatus {
        let child = tokio::task::spawn_blocking(move || self.child.wait().expect("its end"));
        timeout(PATIENCE, child).await.expect("it ends").expect("its end")
    }

    /// Is killed.
    pub async fn dies(self) {
        self.signal(Signal::KILL);
        self.ends().await;
    }

    pub async fn stops(self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ends().await
    }

    /// A page's status line and body.
    pub async fn page(&self, path: &str, headers: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).await.expect("a connection");
        let request = format!("GET {path} HTTP/1.1\r\nHost: dondoc\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
    }

    /// A metric's value.
    pub async fn metric(&self, name: &str) -> Option<String> {
        let (_, body) = self.page("/metrics", "").await;
        let mut lines = body.lines().filter_map(|line| line.rsplit_once(' '));
        lines.find(|(n, _)| *n == name).map(|(_, value)| value.to_owned())
    }
}

/// A province whose clock is the real one, with an overdue ticket and nothing told yet.
async fn province(script: impl Fn(Step, &str) -> Do + Send + Sync + 'static, more: &str) -> World {
    let mut world = World::with_mail_server(URGENT, script).await;
    world.ticket("T1", "Sở Y tế", "2026-01-05 08:00").await;
    let run = format!("\n[run]\nevery = \"1s\"\n{more}\n[http]\nlisten = \"127.0.0.1:0\"\n");
    world.append("dondoc.toml", &run).await;
    world.stop().await;
    world
}

fn good(_: Step, _: &str) -> Do {
    Do::Go
}

#[tokio::test]
async fn it_is_ready_works_shows_itself_and_stops_when_asked() {
    let mut world = province(good, "").await;
    let mut daemon = Daemon::start(&world.dir()).await;
    let status = daemon.notifies("STATUS=").await;
    assert!(status.contains("1 messages made, 1 accepted; 0 wait"), "{status}");
    assert_eq!(world.told(), ["syt: T1 overdue/L1"]);
    daemon.notifies("WATCHDOG=1").await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(daemon.page(path, "").await, ("HTTP/1.1 200 OK".into(), "ok\n".into()));
    }
    assert_eq!(daemon.page("/elsewhere", "").await.0, "HTTP/1.1 404 Not Found");
    for (metric, value) in [
        ("dondoc_decided_total", "1"),
        (
            "dondoc_attempts_total{channel=\"email\",answer=\"accepted\",class=\"\"}",
            "1",
        ),
        ("dondoc_lateness_seconds_count{part=\"compose\"}", "1"),
        ("dondoc_lateness_seconds_count{part=\"delivery\"}", "1"),
    ] {
        assert_eq!(daemon.metric(metric).await.as_deref(), Some(value), "{metric}");
    }
    assert_eq!(
        daemon.metric("dondoc_config_reload_successful").await.as_deref(),
        Some("1")
    );
    let seen = dondoc(&world.dir(), &["status", "--json"]);
    let seen: Value = serde_json::from_slice(&seen.stdout).expect("JSON");
    assert!(
        seen["config_loaded_at"].is_string() && seen["last_turn"].is_string(),
        "{seen}"
    );
    // Another process is told who is in its way.
    let second = dondoc(&world.dir(), &["run"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(
        said(&second).contains("another dondoc process holds it"),
        "{}",
        said(&second)
    );
    daemon.signal(Signal::TERM);
    let stopping = daemon.notifies("STOPPING=1").await;
    // run.drain, and taking leave: systemd waits for that, whatever it is told otherwise.
    assert!(stopping.contains("EXTEND_TIMEOUT_USEC=28000000"), "{stopping}");
    daemon.says("dondoc has stopped").await;
    assert!(daemon.ends().await.success());
    assert!(!world.dir().join("store.pid").exists());
}

#[tokio::test]
async fn a_reload_takes_up_what_is_sound_and_leaves_all_as_it_is_where_it_is_not() {
    let world = province(good, "").await;
    let dir = world.dir();
    let rules = dir.join("rules/test.toml");
    let mut daemon = Daemon::start(&dir).await;
    daemon.notifies("STATUS=").await;
    let hash = |text: String| -> String {
        let line = text
            .lines()
            .find(|l| l.starts_with("dondoc_config_in_force"))
            .map(str::to_owned);
        line.expect("a hash")
    };
    let before = hash(daemon.page("/metrics", "").await.1);

    std::fs::write(&rules, URGENT.replace("L1", "N1")).expect("the rules");
    let reload = dondoc(&dir, &["reload"]);
    assert_eq!(text(&reload).trim(), "reloaded: 1 rules in force", "{}", said(&reload));
    daemon.notifies("RELOADING=1").await;
    daemon.notifies("READY=1").await;
    let after = hash(daemon.page("/metrics", "").await.1);
    assert_ne!(before, after);

    // The command looks first: the daemon is not even asked.
    std::fs::write(&rules, URGENT.replace("to = ", "two = ")).expect("the rules");
    let reload = dondoc(&dir, &["reload"]);
    assert_eq!(reload.status.code(), Some(78));
    assert!(said(&reload).contains("`two` is not a known key"), "{}", said(&reload));

    daemon.signal(Signal::HUP);
    daemon.says("the configuration was not taken up").await;
    daemon.notifies("READY=1").await;
    assert_eq!(
        daemon.metric("dondoc_config_reload_successful").await.as_deref(),
        Some("0")
    );
    assert_eq!(
        hash(daemon.page("/metrics", "").await.1),
        after,
        "the one before is in force"
    );
    std::fs::write(&rules, URGENT).expect("the rules");
    let status = text(&dondoc(&dir, &["status"]));
    assert!(
        status.contains("! the last reload was refused") && status.contains("`two` is not a known key"),
        "{status}"
    );

    // What takes a restart is refused as a whole.
    world.write("dondoc.toml", |text| text.replace("sqlite:store.db", "sqlite:other.db"));
    daemon.signal(Signal::HUP);
    let refused = daemon.says("the configuration was not taken up").await;
    assert!(
        refused["fields"]["why"]
            .as_str()
            .is_some_and(|w| w.starts_with("another `store.url` takes a restart")),
        "{refused}"
    );
    // So is another token: the pages would go on asking for the old one.
    world.write("dondoc.toml", |text| text.replace("sqlite:other.db", "sqlite:store.db"));
    std::fs::write(dir.join("token"), "bí mật\n").expect("a file");
    world.write("dondoc.toml", |text| format!("{text}token_file = \"token\"\n"));
    daemon.signal(Signal::HUP);
    let refused = daemon.says("the configuration was not taken up").await;
    assert!(
        refused["fields"]["why"]
            .as_str()
            .is_some_and(|w| w.starts_with("another `http.token`"))
    );
    // The same answer as before is an answer too.
    for _ in 0..2 {
        let reload = dondoc(&dir, &["reload"]);
        assert_eq!(reload.status.code(), Some(1));
        assert!(
            said(&reload).contains("did not take it up: another `http.token` takes a restart"),
            "{}",
            said(&reload)
        );
    }
    assert!(daemon.stops().await.success());
}

#[tokio::test]
async fn without_a_daemon_a_reload_says_so() {
    let world = province(good, "").await;
    let reload = dondoc(&world.dir(), &["reload"]);
    assert_eq!(reload.status.code(), Some(1));
    assert!(said(&reload).contains("no daemon runs with"), "{}", said(&reload));
    // Left behind by one that was killed: its number may be somebody else's by now.
    std::fs::write(world.dir().join("store.pid"), "1\n").expect("a file");
    let reload = dondoc(&world.dir(), &["reload"]);
    assert!(said(&reload).contains("no daemon runs with"), "{}", said(&reload));
}

/// A mail server that tells when a mail is there and answers when it is let.
fn holding() -> (
    impl Fn(Step, &str) -> Do + Send + Sync + 'static,
    UnboundedReceiver<()>,
    std::sync::mpsc::Sender<()>,
) {
    let (there, arrived) = unbounded_channel();
    let (let_go, held) = std::sync::mpsc::channel();
    let held = Mutex::new(held);
    let script = move |step: Step, _: &str| {
        if step == Step::Final {
            // The test is over where nobody takes either.
            let _ = there.send(());
            let _ = held.lock().expect("the lock").recv();
        }
        Do::Go
    };
    (script, arrived, let_go)
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_stop_it_waits_for_the_answer_to_the_mail_on_its_way() {
    let (script, mut arrived, let_go) = holding();
    let mut world = province(script, "").await;
    let mut daemon = Daemon::start(&world.dir()).await;
    timeout(PATIENCE, arrived.recv())
        .await
        .expect("a mail")
        .expect("a mail");
    daemon.signal(Signal::TERM);
    daemon.says("asked to stop").await;
    let_go.send(()).expect("the answer");
    daemon.says("dondoc has stopped").await;
    assert!(daemon.ends().await.success());
    assert_eq!(world.told(), ["syt: T1 overdue/L1"]);
    let outbox = text(&dondoc(&world.dir(), &["outbox", "list"]));
    assert!(outbox.contains("accepted"), "{outbox}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_answer_when_the_time_to_drain_is_over_is_sent_again_with_the_same_id() {
    let (script, mut arrived, let_go) = holding();
    let mut world = province(script, "drain = \"1s\"").await;
    let mut daemon = Daemon::start(&world.dir()).await;
    timeout(PATIENCE, arrived.recv())
        .await
        .expect("a mail")
        .expect("a mail");
    daemon.signal(Signal::TERM);
    daemon.says("stopped in the middle of a turn").await;
    assert!(daemon.ends().await.success());
    let_go.send(()).expect("the server goes on");
    let_go.send(()).expect("and on");
    let mut daemon = Daemon::start(&world.dir()).await;
    daemon.notifies("STATUS=").await;
    assert!(daemon.stops().await.success());
    let ids: Vec<String> = world.letters().into_iter().map(|l| l.message_id).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1], "whoever got both can tell");
    let outbox = text(&dondoc(&world.dir(), &["outbox", "list"]));
    assert!(outbox.contains("accepted"), "{outbox}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_stops_at_once() {
    let (script, mut arrived, _let_go) = holding();
    let world = province(script, "").await;
    let mut daemon = Daemon::start(&world.dir()).await;
    timeout(PATIENCE, arrived.recv())
        .await
        .expect("a mail")
        .expect("a mail");
    daemon.signal(Signal::TERM);
    daemon.says("asked to stop").await;
    daemon.signal(Signal::TERM);
    let said = daemon.says("stopped in the middle of a turn").await;
    assert_eq!(said["fields"]["why"], "a second signal to stop");
    assert!(daemon.ends().await.success());
}

#[tokio::test]
async fn killed_it_starts_again_and_tells_nothing_twice() {
    let mut world = province(good, "").await;
    let mut daemon = Daemon::start(&world.dir()).await;
    daemon.notifies("STATUS=").await;
    daemon.signal(Signal::KILL);
    assert!(!daemon.ends().await.success());
    let mut daemon = Daemon::start(&world.dir()).await;
    daemon.notifies("STATUS=").await;
    assert!(daemon.stops().await.success());
    assert_eq!(world.told(), ["syt: T1 overdue/L1"]);
}

#[tokio::test]
async fn a_ticket_database_that_is_away_is_told_and_read_again_when_it_is_back() {
    let mut world = province(good, "").await;
    let mut daemon = Daemon::start(&world.dir()).await;
    daemon.notifies("STATUS=").await;
    world.lose_source().await;
    daemon.notifies("the ticket database cannot be read").await;
    assert_eq!(daemon.page("/readyz", "").await.0, "HTTP/1.1 200 OK", "it goes on");
    world.regain_source().await;
    world.ticket("T2", "Sở Xây dựng", "2026-01-05 08:00").await;
    world
        .sql("UPDATE ticket SET updated_at = datetime('now', '+7 hours') WHERE code = 'T2'")
        .await;
    daemon.notifies("1 accepted").await;
    assert!(daemon.stops().await.success());
    assert_eq!(world.told(), ["sxd: T2 overdue/L1", "syt: T1 overdue/L1"]);
}

/// The daemon with a folder of its own on a disk of sixteen megabytes, which nobody but it sees.
async fn on_a_small_disk(config: &Path, folder: &Path) -> Daemon {
    let mut program = Command::new("unshare");
    program.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    program.arg("mount -t tmpfs -o size=16m none \"$1\" && shift && exec \"$@\"");
    program.arg("sh").arg(folder).arg(env!("CARGO_BIN_EXE_dondoc"));
    Daemon::start_by(program, config, &[]).await
}

#[tokio::test]
async fn a_store_on_a_full_disk_is_told_by_the_command_and_nothing_is_lost_once_there_is_room() {
    let mut world = province(good, "").await;
    let folder = world.dir().join("small");
    std::fs::create_dir(&folder).expect("a folder");
    let paged = world.dir().join("paged");
    let command = format!("[ops]\ncommand = [\"sh\", \"-c\", \"cat >> {}\"]", paged.display());
    world.write("dondoc.toml", |text| {
        text.replace("sqlite:store.db", "sqlite:small/store.db")
            .replace("[ops]", &command)
    });
    let mut daemon = on_a_small_disk(&world.dir(), &folder).await;
    daemon.notifies("1 accepted").await;
    // As the daemon sees it.
    let filler = Path::new("/proc").join(daemon.child.id().to_string()).join("root");
    let filler = filler
        .join(folder.strip_prefix("/").expect("a whole path"))
        .join("filler");
    fill(&filler);
    world.ticket("T2", "Sở Xây dựng", "2026-01-05 08:00").await;
    world
        .sql("UPDATE ticket SET updated_at = datetime('now', '+7 hours') WHERE code = 'T2'")
        .await;
    daemon.says("the turn failed").await;
    let full = "dondoc: a turn failed: store: error returned from database: (code: 13) database or disk is full\n";
    assert_eq!(std::fs::read_to_string(&paged).expect("ops were told"), full);
    let (status, why) = daemon.page("/readyz", "").await;
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    assert!(why.contains("database or disk is full"), "{why}");
    daemon.says("the turn failed").await;
    std::fs::remove_file(&filler).expect("the filler");
    daemon.notifies("1 accepted").await;
    assert!(daemon.stops().await.success());
    let told = std::fs::read_to_string(&paged).expect("ops were told");
    assert_eq!(told, format!("{full}dondoc: turns go through again\n"), "once each");
    assert_eq!(world.told(), ["sxd: T2 overdue/L1", "syt: T1 overdue/L1"]);
}

/// Writes until the disk has no room.
fn fill(path: &Path) {
    let mut file = std::fs::File::create(path).expect("a file");
    let why = loop {
        if let Err(error) = file.write_all(&[0; 4096]) {
            break error;
        }
    };
    assert_eq!(why.kind(), std::io::ErrorKind::StorageFull, "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_database_that_is_down_at_the_start_or_at_a_reload_stops_no_mail() {
    let (script, mut arrived, let_go) = holding();
    let mut world = province(script, "").await;
    let dir = world.dir();
    let daemon = Daemon::start(&dir).await;
    timeout(PATIENCE, arrived.recv())
        .await
        .expect("a mail")
        .expect("a mail");
    daemon.signal(Signal::KILL);
    assert!(!daemon.ends().await.success());
    let_go.send(()).expect("the server goes on");
    let away = dir.join("away.db");
    std::fs::rename(dir.join("tickets.db"), &away).expect("the ticket database");

    let mut daemon = Daemon::start(&dir).await;
    let_go.send(()).expect("the server goes on");
    let status = daemon.notifies("1 accepted").await;
    assert!(status.contains("the ticket database cannot be read"), "{status}");
    let down = daemon.metric("dondoc_turns_total{outcome=\"source_down\"}").await;
    assert!(down.is_some_and(|n| n != "0"));
    daemon.signal(Signal::HUP);
    daemon.says("configuration reloaded").await;
    assert_eq!(
        daemon.metric("dondoc_config_reload_successful").await.as_deref(),
        Some("1")
    );

    // What is wrong with the query itself is refused once the database is back, and until then each turn says so.
    world.write("dondoc.toml", |text| {
        text.replace("SELECT * FROM ticket", "SELECT code FROM ticket")
    });
    daemon.signal(Signal::HUP);
    daemon.says("configuration reloaded").await;
    std::fs::rename(&away, dir.join("tickets.db")).expect("the ticket database");
    daemon.says("returns no column `status`").await;
    daemon.signal(Signal::HUP);
    let refused = daemon.says("the configuration was not taken up").await;
    assert!(refused.to_string().contains("returns no column `status`"), "{refused}");
    assert!(daemon.stops().await.success());
    for command in ["run", "once"] {
        let refused = dondoc(&dir, &[command]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(
            said(&refused).contains("returns no column `status`"),
            "{}",
            said(&refused)
        );
    }
    let ids: Vec<String> = world.letters().into_iter().map(|l| l.message_id).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1], "the answer to the first was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_turn_without_its_ticket_database_delivers_and_says_what_is_missing() {
    let refuses = Arc::new(AtomicBool::new(true));
    let script = {
        let refuses = Arc::clone(&refuses);
        move |step: Step, _: &str| match step {
            Step::Recipient if refuses.load(Ordering::SeqCst) => Do::Reply(451, "4.3.0 sau".to_owned()),
            _ => Do::Go,
        }
    };
    let mut world = World::with_mail_server(URGENT, script).await;
    world.ticket("T1", "Sở Y tế", "2026-01-05 08:00").await;
    assert_eq!(world.turn("2026-01-20 09:00").await.delivered.later, 1);
    refuses.store(false, Ordering::SeqCst);
    world.stop().await;
    std::fs::remove_file(world.dir().join("tickets.db")).expect("the ticket database");
    let once = dondoc(&world.dir(), &["once", "--at", "2026-01-20 10:30", "--json"]);
    assert_eq!(once.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&once.stdout).expect("JSON");
    assert_eq!(
        (&report["accepted"], &report["waiting"]),
        (&1.into(), &0.into()),
        "{report}"
    );
    assert!(
        report["problems"][0]
            .as_str()
            .is_some_and(|p| p.starts_with("the ticket database cannot be read")),
        "{report}"
    );
    assert_eq!(world.told(), ["syt: T1 overdue/L1"]);
}

#[tokio::test]
async fn a_watchdog_that_bites_before_a_slow_answer_may_come_is_set_to_more() {
    let world = province(good, "").await;
    let mut daemon = Daemon::start(&world.dir()).await;
    daemon.says("the watchdog is set to 135 s").await;
    world.write("dondoc.toml", |text| {
        text.replace("stale_after = 0", "stale_after = 0\nstatement_timeout = \"90s\"")
    });
    daemon.signal(Signal::HUP);
    assert_eq!(
        daemon.notifies("WATCHDOG_USEC=").await.trim(),
        "WATCHDOG_USEC=195000000"
    );
    assert!(daemon.stops().await.success());
}

/// A province whose store is on a PostgreSQL behind a proxy.
async fn behind_a_proxy(more: &str) -> (World, Proxy) {
    let mut world = World::with_mail_server(URGENT, good).await.on(On::Postgres).await;
    world.stop().await;
    let proxy = Proxy::before(&world.postgres().url).await;
    let (server, through) = (world.postgres().url.to_string(), proxy.url.to_string());
    let run = format!("\n[run]\nevery = \"1s\"\n{more}\n[http]\nlisten = \"127.0.0.1:0\"\n");
    world.write("dondoc.toml", |text| text.replace(&server, &through) + &run);
    (world, proxy)
}

#[tokio::test]
async fn a_store_that_answers_nothing_any_more_does_not_hold_the_end_up() {
    let (world, proxy) = behind_a_proxy("drain = \"1s\"").await;
    let mut daemon = Daemon::start(&world.dir()).await;
    daemon.notifies("STATUS=").await;
    proxy.freeze();
    daemon.signal(Signal::TERM);
    let ended = timeout(Duration::from_secs(20), daemon.ends()).await;
    assert!(ended.expect("it ends in time").success());
}

#[tokio::test]
async fn with_a_store_that_answers_nothing_any_more_a_second_signal_ends_at_once() {
    let (world, proxy) = behind_a_proxy("drain = \"2m\"").await;
    let mut daemon = Daemon::start(&world.dir()).await;
    daemon.notifies("STATUS=").await;
    proxy.freeze();
    daemon.signal(Signal::TERM);
    daemon.says("asked to stop").await;
    daemon.signal(Signal::TERM);
    let ended = timeout(Duration::from_secs(10), daemon.ends()).await;
    assert!(ended.expect("it ends at once").success());
}

#[tokio::test]
async fn with_a_token_only_who_shows_it_sees_the_pages() {
    let world = province(good, "").await;
    std::fs::write(world.dir().join("token"), "bí mật\n").expect("a file");
    world.write("dondoc.toml", |text| format!("{text}token_file = \"token\"\n"));
    let daemon = Daemon::start(&world.dir()).await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        let refused = "HTTP/1.1 401 Unauthorized";
        assert_eq!(daemon.page(path, "").await.0, refused);
        assert_eq!(daemon.page(path, "Authorization: Bearer x\r\n").await.0, refused);
        assert_eq!(
            daemon
                .page(path, "Authorization: Bearer b\u{ed} m\u{1ead}t\r\n")
                .await
                .0,
            refused
        );
    }
    assert!(daemon.stops().await.success());
}

#[tokio::test]
async fn every_metric_is_described_and_every_described_one_is_there() {
    let world = province(good, "").await;
    let mut daemon = Daemon::start(&world.dir()).await;
    daemon.notifies("STATUS=").await;
    let (_, body) = daemon.page("/metrics", "").await;
    let shown: Vec<&str> = body
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    assert!(daemon.stops().await.success());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let docs = std::fs::read_to_string(file).expect("docs/metrics.md");
    let described: Vec<&str> = docs
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(['`', '{']).next())
        .collect();
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let bare = |name: &&str| name.trim_end_matches("_total").to_owned();
    assert_eq!(
        sorted(shown.iter().map(|n| (*n).to_owned()).collect()),
        sorted(described.iter().map(bare).collect())
    );
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let world = province(good, "").await;
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    world.write("dondoc.toml", |text| {
        text.replace("127.0.0.1:0\"", &format!("{address}\""))
    });
    let run = dondoc(&world.dir(), &["run"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(
        said(&run).contains(&format!("{address}: cannot be listened on")),
        "{}",
        said(&run)
    );
}
