//! A store that is locked, not to be written to, damaged, cut off, another server or newer than the program: it is said
//! plainly, nothing is sent that is not durable, and the same process goes on once it can.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::Command;

use dondoc::demo::receiver::Do;
use dondoc::domain::Moment;
use rustix::process::Signal;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use super::{Relay, Way, arrived};
use crate::cli::{dondoc, said};
use crate::daemon::{Daemon, URGENT};
use crate::day::libfaketime;
use crate::postgres::{On, OwnServer, Postgres};
use crate::world::{FIVE_DAYS, LADDER, World, at};

const RUN: &str = "\n[run]\nevery = \"1s\"\n[http]\nlisten = \"127.0.0.1:0\"\n";

/// A province whose clock is the real one, with an overdue ticket, and nobody at work yet.
async fn province() -> World {
    let world = World::with_mail_server(URGENT, |_, _| Do::Go).await;
    world.ticket("T1", "Sở Y tế", "2026-01-05 08:00").await;
    world.write("dondoc.toml", |text| text + RUN);
    world
}

/// Another overdue ticket, which the source shows as new.
async fn second(world: &World) {
    world.ticket("T2", "Sở Xây dựng", "2026-01-05 08:00").await;
    world
        .sql("UPDATE ticket SET updated_at = datetime('now', '+7 hours') WHERE code = 'T2'")
        .await;
}

const BOTH: [&str; 2] = ["sxd: T2 overdue/L1", "syt: T1 overdue/L1"];

fn why(line: &serde_json::Value) -> String {
    line["fields"]["message"].as_str().unwrap_or_default().to_owned()
}

async fn open(file: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(file).foreign_keys(false);
    options.connect().await.expect("the file")
}

// ---- a file ------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_file_that_somebody_holds_locked_for_longer_than_is_waited_is_told_and_written_to_when_it_is_let_go() {
    let mut world = province().await;
    world.stop().await;
    // Waits of SQLite go twenty times as fast.
    let faketime = [
        ("LD_PRELOAD", libfaketime()),
        ("FAKETIME", "@2026-09-08 02:00:00 x20".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("TZ", "UTC".to_owned()),
    ];
    let mut daemon = Daemon::start_with(&world.dir(), &faketime).await;
    daemon.notifies("1 accepted").await;
    let mut holder = open(&world.dir().join("store.db")).await;
    holder.execute("BEGIN IMMEDIATE").await.expect("the lock");
    world.ticket("T2", "Sở Xây dựng", "2026-01-05 08:00").await;
    world
        .sql("UPDATE ticket SET updated_at = '2026-09-08 09:01:00' WHERE code = 'T2'")
        .await;
    let failed = daemon.says("the turn failed").await;
    assert!(why(&failed).contains("database is locked"), "{failed}");
    let (ready, reason) = daemon.page("/readyz", "").await;
    assert!(
        ready.contains("503") && reason.contains("database is locked"),
        "{ready} {reason}"
    );
    assert!(daemon.page("/healthz", "").await.0.contains("200"), "it goes on trying");
    assert_eq!(arrived(&world), BOTH[1..]);
    holder.execute("ROLLBACK").await.expect("let go");
    daemon.notifies("1 accepted").await;
    assert!(daemon.page("/readyz", "").await.0.contains("200"));
    assert!(daemon.stops().await.success());
    assert_eq!(arrived(&world), BOTH);
}

/// `dondoc once` where this folder is on a disk that is mounted for reading only.
fn once_read_only(config: &Path, folder: &Path) -> String {
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && shift && exec \"$@\"";
    let done = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(folder)
        .arg(env!("CARGO_BIN_EXE_dondoc"))
        .arg("--config")
        .arg(config)
        .arg("once")
        .output()
        .expect("unshare");
    assert_eq!(done.status.code(), Some(1), "{}", said(&done));
    said(&done)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_to_is_named_whether_the_store_is_there_or_not() {
    let mut world = province().await;
    world.stop().await;
    let folder = world.dir().join("state");
    std::fs::create_dir(&folder).expect("a folder");
    world.write("dondoc.toml", |text| {
        text.replace("sqlite:store.db", "sqlite:state/store.db")
    });
    let none = once_read_only(&world.dir(), &folder);
    assert!(none.contains("state/store.lock: Read-only file system"), "{none}");
    assert!(dondoc(&world.dir(), &["once"]).status.success());
    second(&world).await;
    let there = once_read_only(&world.dir(), &folder);
    assert!(there.contains("state/store.lock: Read-only file system"), "{there}");
    assert_eq!(arrived(&world), BOTH[1..]);
    assert!(dondoc(&world.dir(), &["once"]).status.success());
    assert_eq!(arrived(&world), BOTH);
}

#[tokio::test]
async fn a_damaged_page_is_told_with_what_to_do_and_nothing_is_sent_from_it() {
    for table in ["message", "telling", "ticket", "meta", "body"] {
        let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
        world.turn("2021-09-06 07:00").await;
        world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
        world.turn("2021-09-14 07:30").await;
        world.stop().await;
        let path = world.dir().join("store.db");
        let copy = std::fs::read(&path).expect("the store");
        let mut beside = open(&path).await;
        let page: i64 = sqlx::query_scalar("SELECT rootpage FROM sqlite_master WHERE name = $1")
            .bind(table)
            .fetch_one(&mut beside)
            .await
            .expect("a page");
        let size: i64 = sqlx::query_scalar("PRAGMA page_size")
            .fetch_one(&mut beside)
            .await
            .expect("a size");
        beside.close().await.expect("closed");
        let mut file = std::fs::File::options().write(true).open(&path).expect("the store");
        let place = u64::try_from((page - 1) * size).expect("a place");
        file.seek(SeekFrom::Start(place)).expect("the page");
        file.write_all(&vec![0xa5; usize::try_from(size).expect("a size")])
            .expect("written over");
        drop(file);
        world.restart().await;
        let error = world.engine().turn(at("2021-09-14 08:00")).await.expect_err("damaged");
        let error = error.to_string();
        assert!(
            error.contains("database disk image is malformed")
                && error.contains("put the last copy of `dondoc backup` in its place"),
            "{table}: {error}"
        );
        assert_eq!(arrived(&world), [""; 0], "{table}");
        world.stop().await;
        for beside in ["store.db-wal", "store.db-shm"] {
            drop(std::fs::remove_file(world.dir().join(beside)));
        }
        std::fs::write(&path, copy).expect("the copy");
        world.restart().await;
        world.turn("2021-09-14 08:05").await;
        assert_eq!(arrived(&world), ["syt: T1 overdue/L1"], "{table}");
    }
}

// ---- a server ----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn cut_off_anywhere_in_its_turns_a_process_goes_on_by_itself_and_doubles_nothing() {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await.on(On::Postgres).await;
    world.stop().await;
    let way = Way::to(&world.postgres().url).await;
    let (server, by) = (world.postgres().url.to_string(), way.url.to_string());
    world.edit("dondoc.toml", |text| text.replace(&server, &by)).await;
    world.turn("2021-09-06 07:00").await;
    for (code, agency) in [("T1", "Sở Y tế"), ("T2", "Sở Xây dựng")] {
        world.ticket(code, agency, "2021-09-06 09:00").await;
    }
    let mut failed = 0;
    // L1 on 14/9, L2 on 16/9, L3 on 20/9.
    for day in ["2021-09-06", "2021-09-14", "2021-09-16", "2021-09-20"] {
        let (mut after, mut minute) = (0, 0);
        loop {
            way.breaks_after(after);
            let time = format!("{day} {:02}:{:02}", 8 + minute / 60, minute % 60);
            let turn = world.engine().turn(at(&time)).await;
            failed += usize::from(turn.is_err());
            world.postgres().leases_run_out().await;
            if turn.is_ok() && !way.broke() {
                break;
            }
            minute += 1;
            after += 1 + after / 8;
        }
    }
    way.breaks_after(usize::MAX);
    assert!(failed > 60, "{failed}");
    let mut expected: Vec<String> = ["T1", "T2"]
        .iter()
        .zip(["syt", "sxd"])
        .flat_map(|(code, unit)| {
            [("", "L1"), ("giamdoc-", "L2"), ("giamdoc-", "L3")]
                .map(|(desk, step)| format!("{desk}{unit}: {code} overdue/{step}"))
        })
        .collect();
    expected.sort();
    assert_eq!(arrived(&world), expected);
    assert_eq!(
        world.received().len(),
        expected.len(),
        "what was accepted is not sent again"
    );
    assert_eq!(world.store().count_waiting_messages().await.expect("a count"), 0);
}

#[tokio::test]
async fn behind_a_lock_of_somebody_elses_the_watchdog_is_not_fed_and_the_turn_ends_by_the_servers_limit() {
    let mut world = province().await.on(On::Postgres).await;
    world.stop().await;
    let mut daemon = Daemon::start(&world.dir()).await;
    daemon.notifies("1 accepted").await;
    let mut holder = world.postgres().connect().await;
    holder
        .execute("BEGIN; SELECT 1 FROM lease FOR UPDATE")
        .await
        .expect("the lock");
    second(&world).await;
    daemon.notified_meanwhile();
    let failed = daemon.says("the turn failed").await;
    assert!(
        why(&failed).contains("canceling statement due to lock timeout"),
        "{failed}"
    );
    let fed = daemon.notified_meanwhile();
    let fed = fed.iter().filter(|n| n.contains("WATCHDOG=1")).count();
    // It is looked every two seconds: nearly all of the twenty that the server lets it wait show no progress.
    assert!(fed <= 3, "{fed} times in 20 s without progress");
    assert_eq!(arrived(&world), BOTH[1..]);
    holder.execute("ROLLBACK").await.expect("let go");
    daemon.notifies("1 accepted").await;
    daemon.notifies("WATCHDOG=1").await;
    assert!(daemon.stops().await.success());
    assert_eq!(arrived(&world), BOTH);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_over_to_a_standby_it_says_that_it_may_not_write_and_goes_on_once_that_is_promoted() {
    let primary = OwnServer::start();
    let mut world = province()
        .await
        .with_store_on(Postgres::at(primary.url.clone()).await)
        .await;
    world.stop().await;
    let standby = primary.standby();
    let way = Way::to(&world.postgres().url).await;
    let (server, by) = (world.postgres().url.to_string(), way.url.to_string());
    world.write("dondoc.toml", |text| text.replace(&server, &by));
    let mut daemon = Daemon::start(&world.dir()).await;
    daemon.notifies("1 accepted").await;
    // All that is committed is on the standby.
    let caught_up = "SELECT COUNT(*) FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_flush_lsn()";
    let mut beside = world.postgres().connect().await;
    while sqlx::query_scalar::<_, i64>(caught_up)
        .fetch_one(&mut beside)
        .await
        .expect("a count")
        == 0
    {}
    drop(beside);
    // The address leads to the standby before anybody has promoted it.
    way.leads_to(standby.url.port().expect("a port"));
    primary.stops();
    second(&world).await;
    let failed = daemon.says("the server takes no writes, as a standby does").await;
    assert!(why(&failed).contains("read-only transaction"), "{failed}");
    let (ready, reason) = daemon.page("/readyz", "").await;
    assert!(
        ready.contains("503") && reason.contains("takes no writes"),
        "{ready} {reason}"
    );
    let status = dondoc(&world.dir(), &["status"]);
    assert!(status.status.success(), "looking works there: {}", said(&status));
    assert_eq!(arrived(&world), BOTH[1..]);
    standby.is_promoted();
    daemon.notifies("1 accepted").await;
    assert!(daemon.page("/readyz", "").await.0.contains("200"));
    assert!(daemon.stops().await.success());
    assert_eq!(arrived(&world), BOTH);
    // The database that is dropped after the story is the one that is there.
    primary.starts();
}

#[tokio::test]
async fn what_a_standby_never_got_is_told_again_as_another_message_and_nothing_is_lost() {
    let primary = OwnServer::start();
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}"))
        .await
        .with_store_on(Postgres::at(primary.url.clone()).await)
        .await;
    world.turn("2021-09-06 07:00").await;
    for (code, agency, received) in [
        ("T1", "Sở Y tế", "2021-09-06 09:00"),
        ("T2", "Sở Xây dựng", "2021-09-07 09:00"),
    ] {
        world.ticket(code, agency, received).await;
    }
    world.days("2021-09-07", "2021-09-14").await;
    world.stop().await;
    // A copy that stays behind from here on is what is left after the failover.
    let standby = primary.standby();
    standby.is_promoted();
    world.restart().await;
    world.turn("2021-09-15 08:00").await;
    world.stop().await;
    let (from, to) = (primary.url.port().expect("a port"), standby.url.port().expect("a port"));
    let (from, to) = (format!(":{from}/"), format!(":{to}/"));
    world.edit("dondoc.toml", |text| text.replace(&from, &to)).await;
    world.turn("2021-09-15 08:10").await;
    world.days("2021-09-16", "2021-09-17").await;
    world.stop().await;
    assert_eq!(
        arrived(&world),
        [
            "giamdoc-sxd: T2 overdue/L2",
            "giamdoc-syt: T1 overdue/L2",
            "sxd: T2 overdue/L1",
            "sxd: T2 overdue/L1",
            "syt: T1 overdue/L1",
        ]
    );
}

// ---- a newer program ---------------------------------------------------------------------------------------------

/// What a newer program has done to the tables, as far as an older one looks.
const NEWER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'later', TRUE, '', 0)";
const TAKEN_BACK: &str = "DELETE FROM _sqlx_migrations WHERE version = 99";

#[tokio::test]
async fn under_tables_of_a_newer_program_an_older_daemon_neither_decides_nor_sends_and_says_so() {
    let mut world = province().await.on(On::Postgres).await;
    world.stop().await;
    let mut daemon = Daemon::start(&world.dir()).await;
    daemon.notifies("1 accepted").await;
    world.on_store(NEWER).await;
    second(&world).await;
    for _ in 0..2 {
        let failed = daemon.says("the turn failed").await;
        let why = why(&failed);
        assert!(
            why.contains("its tables are of version 99, this dondoc knows") && why.contains("run the newer dondoc"),
            "{failed}"
        );
    }
    let (ready, reason) = daemon.page("/readyz", "").await;
    assert!(
        ready.contains("503") && reason.contains("version 99"),
        "{ready} {reason}"
    );
    let failed = daemon.metric("dondoc_turns_total{outcome=\"failed\"}").await;
    assert!(failed.is_some_and(|n| n != "0"));
    let another = dondoc(&world.dir(), &["once"]);
    assert_eq!(another.status.code(), Some(1));
    assert!(
        said(&another).contains("its tables are of version 99"),
        "{}",
        said(&another)
    );
    assert_eq!(arrived(&world), BOTH[1..]);
    // It is still stopped by a signal as always, and works on where the newer one is taken back.
    world.on_store(TAKEN_BACK).await;
    daemon.notifies("1 accepted").await;
    assert_eq!(arrived(&world), BOTH);
    world.on_store(NEWER).await;
    daemon.says("the turn failed").await;
    daemon.signal(Signal::TERM);
    daemon.says("dondoc has stopped").await;
}

#[tokio::test]
async fn what_is_made_already_is_not_sent_under_tables_of_a_newer_program() {
    let relay = Relay::default();
    let mut world = relay
        .world(&format!("{LADDER}{FIVE_DAYS}"))
        .await
        .on(On::Postgres)
        .await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    relay.puts_off();
    assert_eq!(world.turn("2021-09-14 08:00").await.delivered.later, 1);
    relay.is_well();
    world.on_store(NEWER).await;
    let error = world.engine().turn(at("2021-09-14 08:30")).await.expect_err("newer");
    assert!(error.to_string().contains("version 99"), "{error}");
    let error = world
        .engine()
        .deliver_only(&|| at("2021-09-14 08:31"))
        .await
        .expect_err("newer");
    assert!(error.to_string().contains("version 99"), "{error}");
    assert_eq!(arrived(&world), [""; 0]);
    world.on_store(TAKEN_BACK).await;
    world.turn("2021-09-14 09:00").await;
    assert_eq!(arrived(&world), ["syt: T1 overdue/L1"]);
}

#[tokio::test]
async fn what_was_accepted_before_the_store_could_be_told_ends_what_another_process_tries_since() {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-06 10:00").await;
    world
        .on_store(
            "CREATE TRIGGER deaf BEFORE UPDATE OF state ON message WHEN NEW.state = 'accepted' \
             BEGIN SELECT RAISE(ABORT, 'the store does not hear'); END",
        )
        .await;
    let turn = world.engine().turn(at("2021-09-14 08:00")).await;
    assert!(turn.is_err(), "{turn:?}");
    assert_eq!(arrived(&world), ["syt: T1 overdue/L1"]);
    world.on_store("DROP TRIGGER deaf").await;
    // The lease is over: another process has tried and was put off.
    world
        .on_store(
            "UPDATE message SET claimed_by = NULL, claimed_until = NULL, attempts = attempts + 1, unknown = unknown + 1, \
             next_attempt_at = next_attempt_at + 600000000 WHERE state = 'waiting'",
        )
        .await;
    let report = world.turn("2021-09-14 08:40").await;
    assert_eq!((report.delivered.accepted, report.waiting), (1, 0));
    assert_eq!(world.received().len(), 1, "it comes once");
}

#[tokio::test]
async fn a_message_that_was_put_off_by_a_clock_a_year_ahead_goes_with_the_next_turn() {
    let relay = Relay::default();
    let mut world = relay.world(&format!("{LADDER}{FIVE_DAYS}")).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-06 10:00").await;
    relay.puts_off();
    assert_eq!(world.turn("2021-09-14 08:00").await.delivered.later, 1);
    relay.is_well();
    // What may have arrived is in no later message: it waits for itself alone.
    world
        .on_store(
            "UPDATE message SET unknown = 1, next_attempt_at = next_attempt_at + 31536000000000 WHERE state = 'waiting'",
        )
        .await;
    let audit = world.audit("2021-09-14 16:00").await;
    let found: Vec<&str> = audit.findings.iter().map(|f| f.fault.word()).collect();
    assert_eq!(found, ["not_sent"]);
    assert_eq!(world.turn("2021-09-14 16:00").await.delivered.accepted, 1);
    // The evening's wait for the morning is no such thing.
    relay.puts_off();
    world.days("2021-09-15", "2021-09-15").await;
    world.turn("2021-09-16 08:00").await;
    world.turn("2021-09-16 16:59").await;
    let due = last_due_at(&world).await.expect("one waits");
    assert_eq!(due, at("2021-09-17 07:00"));
    world.turn("2021-09-16 20:00").await;
    assert_eq!(last_due_at(&world).await, Some(due));
}

/// Of the messages that wait.
async fn last_due_at(world: &World) -> Option<Moment> {
    let exceptions = world.store().exceptions(0, at("2021-09-16 16:59")).await;
    exceptions.expect("a store").last_due_at
}
