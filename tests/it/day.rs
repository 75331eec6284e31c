//! A working day of the daemon, six hundred times as fast as a clock (Debian's libfaketime): reloads, a store that is
//! restarted, a mail server that stalls. Nobody lends a hand, and what the daemon shows is true throughout.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeZone as _, Timelike as _};
use dondoc::demo::receiver::{Do, Step};
use rustix::process::Signal;
use serde_json::Value;
use tokio::time::timeout;

use crate::cli::{dondoc, said, text};
use crate::daemon::Daemon;
use crate::postgres::{OwnServer, Postgres};
use crate::world::{FIVE_DAYS, LADDER, World};

/// In the clock's own zone; 06:50 in Vietnam.
const MORNING: &str = "@2026-09-08 06:50:00 x600";

/// Longer than the day takes.
const PATIENCE: Duration = Duration::from_secs(150);

pub fn libfaketime() -> String {
    let folders = std::fs::read_dir("/usr/lib").expect("/usr/lib").flatten();
    let libraries = folders.map(|f| f.path().join("faketime/libfaketimeMT.so.1"));
    let found: Option<PathBuf> = libraries.into_iter().find(|l| l.exists());
    let found = found.expect("libfaketime is missing: apt-get install faketime");
    found.display().to_string()
}

impl Daemon {
    /// Looks at the pages until they show what is waited for.
    async fn shows(&mut self, what: &str, is_so: impl Fn(&str, &str) -> bool) {
        let mut last = String::new();
        let shown = timeout(PATIENCE, async {
            loop {
                let (ready, why) = self.page("/readyz", "").await;
                let (_, metrics) = self.page("/metrics", "").await;
                if is_so(&format!("{ready} {why}"), &metrics) {
                    return;
                }
                last = format!("{ready} {why}{metrics}");
            }
        });
        let shown = shown.await;
        let said = self.said_meanwhile();
        assert!(shown.is_ok(), "it was never shown that {what}: {last}\n{said:#?}");
    }
}

/// Asks for the status until it says what is waited for: the daemon speaks of a reload before its store knows, and an
/// alarm ends with the turn after its reason.
async fn status_says(dir: &Path, what: &str, is_so: impl Fn(&str) -> bool) {
    let mut last = String::new();
    let told = timeout(PATIENCE, async {
        loop {
            last = text(&dondoc(dir, &["status"]));
            if is_so(&last) {
                return;
            }
            // The command keeps this task to itself; here its patience may end.
            tokio::task::yield_now().await;
        }
    });
    let told = told.await;
    assert!(told.is_ok(), "the status never said that {what}: {last}");
}

/// The value of a metric among others.
fn value(metrics: &str, name: &str) -> f64 {
    let mut lines = metrics.lines().filter_map(|line| line.rsplit_once(' '));
    let found = lines.find(|(n, _)| *n == name).map(|(_, value)| value);
    found.and_then(|v| v.parse().ok()).unwrap_or(0.0)
}

/// Whether the clock of the daemon is past a time of its first day.
fn is_past(metrics: &str, hour: u32, minute: u32) -> bool {
    let seconds = metrics
        .lines()
        .find_map(|l| l.strip_prefix("dondoc_last_turn_timestamp_seconds "));
    let at = seconds
        .and_then(|s| s.parse().ok())
        .and_then(|s| DateTime::from_timestamp(s, 0));
    let time = chrono_tz::Asia::Ho_Chi_Minh.with_ymd_and_hms(2026, 9, 8, hour, minute, 0);
    at.is_some_and(|at| at >= time.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_with_reloads_a_store_that_goes_away_and_a_mail_server_that_stalls_needs_no_hand() {
    let stalls = Arc::new(AtomicBool::new(true));
    let script = {
        let stalls = Arc::clone(&stalls);
        move |step: Step, _: &str| match (step, stalls.load(Ordering::SeqCst)) {
            (Step::Data, true) => Do::Stall,
            _ => Do::Go,
        }
    };
    let rules = format!("{LADDER}{FIVE_DAYS}");
    // Before the world, so that it outlives the database in it.
    let server = OwnServer::start();
    let world = World::with_mail_server(&rules, script).await;
    let mut world = world.with_store_on(Postgres::at(server.url.clone()).await).await;
    let agencies = [("syt", "Sở Y tế"), ("sxd", "Sở Xây dựng"), ("stc", "Sở Tài chính")];
    for n in 0..30 {
        let (_, agency) = agencies[n % 3];
        world.ticket(&format!("T{n:02}"), agency, "2026-08-03 08:00").await;
    }
    world
        .edit("dondoc.toml", |text| {
            format!("{text}\n[run]\nevery = \"1m\"\n[http]\nlisten = \"127.0.0.1:0\"\n")
        })
        .await;
    world.stop().await;
    let dir = world.dir();
    let faketime = [
        ("LD_PRELOAD", libfaketime()),
        ("FAKETIME", MORNING.to_owned()),
        // Waits are real: a server is not six hundred times as fast.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("TZ", "Asia/Ho_Chi_Minh".to_owned()),
    ];
    let mut daemon = Daemon::start_with(&dir, &faketime).await;

    // Decided, but nobody is written to before the digest.
    daemon
        .shows("the tickets are known", |_, m| value(m, "dondoc_decided_total") >= 30.0)
        .await;
    assert_eq!(world.letters().len(), 0);

    // At eight the mail server stalls; this is told, and nothing is lost.
    daemon
        .shows("mails wait", |_, m| {
            value(m, "dondoc_messages_waiting") >= 3.0 && value(m, "dondoc_oldest_waiting_seconds") > 0.0
        })
        .await;
    daemon
        .shows("it is past half past eight", |_, m| is_past(m, 8, 30))
        .await;
    let status = dondoc(&dir, &["status", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).expect("JSON");
    assert_eq!(status["waiting"], 3, "{status}");
    stalls.store(false, Ordering::SeqCst);
    daemon
        .shows("no mail waits any more", |_, m| {
            value(m, "dondoc_messages_waiting") < 1.0
        })
        .await;

    // A reload that is sound, one that is not, and the way back.
    let file = dir.join("rules/test.toml");
    let titled = rules.replace("Phiếu quá hạn xử lý", "Phiếu quá hạn");
    std::fs::write(&file, &titled).expect("the rules");
    daemon.signal(Signal::HUP);
    daemon.says("configuration reloaded").await;
    std::fs::write(&file, "[[rul]]\n").expect("the rules");
    daemon.signal(Signal::HUP);
    daemon.says("the configuration was not taken up").await;
    daemon
        .shows("the reload failed", |r, m| {
            r.contains("200 OK") && value(m, "dondoc_config_reload_successful") < 1.0
        })
        .await;
    // With wrong files nobody knows where the store is: the command says what is wrong with them, as the daemon did.
    let status = dondoc(&dir, &["status"]);
    assert_eq!((status.status.code(), text(&status).as_str()), (Some(78), ""));
    assert!(said(&status).contains("rules/test.toml:1"), "{}", said(&status));
    std::fs::write(&file, &titled).expect("the rules");
    status_says(&dir, "the reload was refused", |status| {
        status.contains("! the last reload was refused") && status.contains("rules/test.toml:1")
    })
    .await;
    daemon.signal(Signal::HUP);
    daemon.says("configuration reloaded").await;
    status_says(&dir, "nothing is refused any more", |status| {
        !status.contains("refused")
    })
    .await;

    // The store is away for a while of the afternoon, and a ticket comes meanwhile.
    daemon.shows("it is past one", |_, m| is_past(m, 13, 0)).await;
    // While a session of somebody's own holds the server up it takes no new one.
    let mut session = world.postgres().connect().await;
    server.begins_to_stop();
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sqlx::query(others).execute(&mut session).await.expect("an answer");
    daemon
        .shows("it is told that the server is shutting down", |_, _| {
            server.log().contains("the database system is shutting down")
        })
        .await;
    drop(session);
    server.stops();
    daemon
        .shows("the store is away", |ready, _| {
            ready.contains("503") && ready.contains("store")
        })
        .await;
    let health = daemon.page("/healthz", "").await;
    assert_eq!(health.0, "HTTP/1.1 200 OK", "it goes on trying: {}", health.1);
    let status = dondoc(&dir, &["status"]);
    assert_eq!((status.status.code(), text(&status).as_str()), (Some(1), ""));
    assert!(
        said(&status).contains("cannot be opened") && said(&status).contains("refused"),
        "{}",
        said(&status)
    );
    server.starts();
    daemon
        .shows("the store is back", |ready, _| ready.contains("200 OK"))
        .await;

    daemon.shows("it is past five", |_, m| is_past(m, 17, 0)).await;
    assert!(daemon.stops().await.success());

    // Each desk had one digest with all its tickets, at or after eight and before five; a second copy only of a mail
    // whose answer was lost, under the same id.
    let letters = world.letters();
    let mut seen = std::collections::BTreeMap::new();
    for letter in &letters {
        let local = letter.date.with_timezone(&chrono_tz::Asia::Ho_Chi_Minh);
        assert!((8..17).contains(&local.hour()), "{local}");
        let before = seen.insert(letter.to.join(","), letter.message_id.clone());
        assert!(before.is_none_or(|id| id == letter.message_id), "{}", letter.subject);
    }
    let desks: Vec<String> = agencies
        .iter()
        .map(|(desk, _)| format!("{desk}@tinh.example"))
        .collect();
    let mut expected = desks.clone();
    expected.sort();
    assert_eq!(seen.into_keys().collect::<Vec<_>>(), expected);
    let told: std::collections::BTreeSet<String> = letters
        .iter()
        .flat_map(|l| l.told().map(|(ticket, _, _)| ticket.to_owned()).collect::<Vec<_>>())
        .collect();
    assert_eq!(told.len(), 30);
    let outbox = text(&dondoc(&dir, &["outbox", "list"]));
    assert_eq!(outbox.matches(" accepted ").count(), 3, "{outbox}");
}
