//! The nightly audit of the daemon, and the sign that all is well: a real process and a real receiver.

use std::time::Duration;

use tokio::time::timeout;

use crate::cli::{dondoc, text};
use crate::daemon::{Daemon, URGENT};
use crate::postgres::On;
use crate::webhooks::receiver::{Do, Receiver};
use crate::world::World;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const OK: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// A province whose clock is the real one, watched over by a receiver; nothing told yet.
async fn province(watcher: &Receiver) -> World {
    let mut world = World::new(URGENT).await;
    world.ticket("T1", "Sở Y tế", "2026-01-05 08:00").await;
    std::fs::write(
        world.dir().join("alive-url"),
        format!("http://{}/ping/8c1f-secret\n", watcher.address),
    )
    .expect("a file");
    world
        .edit("dondoc.toml", |text| {
            let text = text.replace(
                "tell = false",
                "tell = false\nalive_url_file = \"alive-url\"\nalive_every = \"1s\"",
            );
            format!("{text}\n[run]\nevery = \"1s\"\n[http]\nlisten = \"127.0.0.1:0\"\n")
        })
        .await;
    world.stop().await;
    world
}

/// Waits until something is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(100));
    let waited = timeout(PATIENCE, async {
        while !is_so().await {
            looks.tick().await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("it was never so that {what}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_turn_after_its_hour_takes_it_once_and_each_clean_turn_gives_the_sign() {
    let watcher = Receiver::start(None, Do::Say(OK.to_owned())).await;
    let world = province(&watcher).await;
    let mut daemon = Daemon::start(&world.dir()).await;
    daemon.says("the audit is clean").await;
    until("the sign was given three times", async || watcher.posts().len() >= 3).await;
    for ping in watcher.posts() {
        assert_eq!(ping.line, "GET /ping/8c1f-secret HTTP/1.1");
        assert!(ping.body.is_empty());
    }
    assert_eq!(daemon.metric("dondoc_audit_findings").await.as_deref(), Some("0"));
    let at = daemon.metric("dondoc_audit_timestamp_seconds").await;
    assert!(at.is_some_and(|at| at.parse::<i64>().is_ok_and(|at| at > 0)));
    let given = daemon.metric("dondoc_alive_pings_total{outcome=\"ok\"}").await;
    assert!(given.is_some_and(|n| n.parse::<u32>().is_ok_and(|n| n >= 2)));
    let status = text(&dondoc(&world.dir(), &["status"]));
    assert!(status.contains("audit          clean at "), "{status}");
    // Over a restart too it is one a night.
    let said = daemon.said_meanwhile();
    assert!(daemon.stops().await.success());
    let mut again = Daemon::start(&world.dir()).await;
    let before = watcher.posts().len();
    until("the sign was given again", async || watcher.posts().len() > before).await;
    let all: Vec<_> = said.into_iter().chain(again.said_meanwhile()).collect();
    let audits = all.iter().filter(|line| line.to_string().contains("the audit"));
    assert_eq!(audits.count(), 0, "{all:#?}");
    let secret = all.iter().filter(|line| line.to_string().contains("8c1f-secret"));
    assert_eq!(secret.count(), 0, "{all:#?}");
    assert!(again.stops().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_audit_finds_is_an_alarm_and_no_sign_is_given() {
    let watcher = Receiver::start(None, Do::Say(OK.to_owned())).await;
    let mut world = province(&watcher).await;
    let first = Daemon::start(&world.dir()).await;
    until("the sign was given", async || !watcher.posts().is_empty()).await;
    assert!(first.stops().await.success());
    assert_eq!(world.told(), ["syt: T1 overdue/L1"]);
    world
        .on_store("UPDATE notice SET state = 'waiting', compose_at = 32503680000000000, state_at = 1767225600000000")
        .await;
    world.on_store("DELETE FROM meta WHERE name = 'audit'").await;
    let before = watcher.posts().len();
    let mut daemon = Daemon::start(&world.dir()).await;
    let found = daemon.says("the audit found: put_off").await;
    assert_eq!(found["fields"]["ticket"], "T1");
    daemon.says("the audit is not clean").await;
    daemon.says("alarm: audit_failed").await;
    until("a turn more has ended", async || {
        daemon.metric("dondoc_alarms").await.as_deref() == Some("1")
    })
    .await;
    assert_eq!(watcher.posts().len(), before, "no sign");
    let status = text(&dondoc(&world.dir(), &["status"]));
    assert!(
        status.contains("audit          1 findings at ")
            && status.contains("! alarm since")
            && status.contains("audit_failed  1 findings; `dondoc audit` lists them"),
        "{status}"
    );
    let audit = dondoc(&world.dir(), &["audit"]);
    assert_eq!(audit.status.code(), Some(1));
    assert!(
        text(&audit).contains("! T1 overdue/L1 put_off since "),
        "{}",
        text(&audit)
    );
    assert!(daemon.stops().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_does_not_lead_shows_what_the_audit_of_the_leader_found() {
    let mut world = World::new(URGENT).await.on(On::Postgres).await;
    world.ticket("T1", "Sở Y tế", "2026-01-05 08:00").await;
    let run = "[run]\nevery = \"1s\"\n[http]\nlisten = \"127.0.0.1:0\"";
    world.append("dondoc.toml", run).await;
    world.stop().await;
    let mut leads = Daemon::start(&world.dir()).await;
    leads.says("the audit is clean").await;
    let stands_by = Daemon::start(&world.dir()).await;
    until("it shows the audit", async || {
        stands_by
            .metric("dondoc_audit_timestamp_seconds")
            .await
            .is_some_and(|at| at != "0")
    })
    .await;
    let shown = async |daemon: &Daemon| daemon.metric("dondoc_audit_timestamp_seconds").await;
    assert_eq!(shown(&stands_by).await, shown(&leads).await);
    assert!(stands_by.stops().await.success() && leads.stops().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_stalls_never_ends_or_refuses_holds_nothing_up() {
    for (doing, outcome) in [
        (Do::Silence, None),
        (Do::Slow, None),
        (Do::Endless, Some("ok")),
        (Do::Cut, Some("failed")),
        (
            Do::Say("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_owned()),
            Some("failed"),
        ),
    ] {
        let watcher = Receiver::start(None, doing).await;
        let mut world = province(&watcher).await;
        let daemon = Daemon::start(&world.dir()).await;
        until("the sign was given", async || watcher.connections() > 0).await;
        if let Some(outcome) = outcome {
            let metric = format!("dondoc_alive_pings_total{{outcome=\"{outcome}\"}}");
            until("its end was counted", async || {
                daemon.metric(&metric).await.is_some_and(|n| n != "0")
            })
            .await;
        }
        // What is urgent goes out all the same.
        world.ticket("T2", "Sở Xây dựng", "2026-01-05 08:00").await;
        world
            .sql("UPDATE ticket SET updated_at = datetime('now', '+7 hours') WHERE code = 'T2'")
            .await;
        let mut told = Vec::new();
        until("T2 was told", async || {
            told.extend(world.told());
            told.iter().any(|line| line == "sxd: T2 overdue/L1")
        })
        .await;
        assert!(daemon.stops().await.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_that_fails_is_not_taken_with_each_turn_and_the_one_before_counts() {
    let watcher = Receiver::start(None, Do::Say(OK.to_owned())).await;
    let world = province(&watcher).await;
    world.ticket("T2", "Sở Xây dựng", "2026-01-05 08:00").await;
    world
        .sql("UPDATE ticket SET status = 'đã trả lời', answered_at = received_at WHERE code = 'T2'")
        .await;
    // Lately enough for an audit to look at it, and long enough ago for the turns to have done with it.
    world
        .sql("UPDATE ticket SET updated_at = datetime('now', '+7 hours', '-1 hour') WHERE code = 'T2'")
        .await;
    let first = Daemon::start(&world.dir()).await;
    until("the sign was given", async || !watcher.posts().is_empty()).await;
    assert!(first.stops().await.success());
    // No turn looks at a ticket that is answered.
    world.on_store("UPDATE ticket SET memory = 'x' WHERE code = 'T2'").await;
    world
        .on_store(
            "UPDATE meta SET value = json_set(value, '$.at', strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-25 hours')) \
             WHERE name = 'audit'",
        )
        .await;
    let before = watcher.posts().len();
    let mut daemon = Daemon::start(&world.dir()).await;
    daemon.says("the nightly audit could not be taken").await;
    until("the sign was given three times", async || {
        watcher.posts().len() >= before + 3
    })
    .await;
    let again = daemon.said_meanwhile();
    let again = again
        .iter()
        .filter(|line| line.to_string().contains("could not be taken"));
    assert_eq!(again.count(), 0);
    assert!(daemon.stops().await.success());
}
