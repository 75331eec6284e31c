//! A clock that is set forward and back, and processes that slept: each fires once for what it owes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dondoc::demo::receiver::{Do, Step};
use tokio::sync::Notify;

use super::{Relay, arrived};
use crate::daemon::{Daemon, URGENT};
use crate::day::libfaketime;
use crate::postgres::{On, on_both};
use crate::world::{FIVE_DAYS, LADDER, World};

fn ladder() -> String {
    format!("{LADDER}{FIVE_DAYS}")
}

const CARRIED: &str = r#"
[[rule]]
id = "carried-over"
title = "Phiếu tồn"
when = "carried_over"

[[rule.step]]
id = "list"
after = "0h"
to = ["agency:contact"]
template = "carried-over"
"#;

const WEEK: &str = r#"
[[rule]]
id = "cards"
title = "Phiếu căn cước"
when = "aged"
threshold = "1wd"
where = { category = "cccd" }
digest = { at = "week" }

[[rule.step]]
id = "list"
after = "1wd"
to = ["id:SYT:contact"]
repeat = { every = "5wd", times = 50 }
template = "cccd"
"#;

const SUMMARIES: &str = r#"
[[summary]]
id = "weekly"
title = "Tổng hợp tuần"
at = "Fri 15:00"
to = ["office:contact"]
template = "summary-office"

[[summary]]
id = "daily"
title = "Vận hành"
at = "16:30"
to = ["ops"]
template = "summary-ops"
"#;

/// What came since this was asked last, `dd/mm HH:MM box: ticket rule/step`; a summary by what its subject begins with.
fn came(world: &mut World) -> Vec<String> {
    let mut all = Vec::new();
    for letter in world.letters() {
        let when = letter
            .date
            .with_timezone(&chrono_tz::Asia::Ho_Chi_Minh)
            .format("%d/%m %H:%M");
        let to = letter.to.join("+").replace("@tinh.example", "");
        let told: Vec<String> = letter.told().map(|(t, r, s)| format!("{t} {r}/{s}")).collect();
        all.push(match told.as_slice() {
            [] => format!(
                "{when} {to}: {}",
                letter.subject.split(" đến ngày").next().unwrap_or_default()
            ),
            told => format!("{when} {to}: {}", told.join(", ")),
        });
    }
    all.sort_by_key(|line| (line[3..5].to_owned(), line.clone()));
    all
}

/// Turns at these hours of each day from one to another.
async fn days(world: &mut World, from: &str, to: &str) {
    let day = |text: &str| text.parse::<chrono::NaiveDate>().expect("a date");
    for date in day(from).iter_days().take_while(|d| *d <= day(to)) {
        for time in ["03:00", "07:00", "08:00", "15:00", "16:30"] {
            world.turn(&format!("{date} {time}")).await;
        }
    }
}

// ---- set forward and back ----------------------------------------------------------------------------------------

#[tokio::test]
async fn set_back_what_was_put_off_by_the_clock_before_is_sent_at_once_and_in_its_window() {
    let relay = Relay::default();
    let mut world = relay.world(&ladder()).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    relay.puts_off();
    let report = world.turn("2021-09-14 11:00").await;
    assert_eq!((report.delivered.later, report.alarms), (1, 0));
    relay.is_well();
    // A day back, before the office opens.
    let report = world.turn_behind("2021-09-13 06:00").await;
    assert_eq!((report.delivered.accepted, report.alarms), (0, 1));
    world.turn_behind("2021-09-13 06:59").await;
    assert_eq!(world.told(), [""; 0]);
    world.turn_behind("2021-09-13 07:00").await;
    assert_eq!(world.told(), ["syt: T1 overdue/L1"]);
    assert_eq!(world.turn("2021-09-14 11:00").await.alarms, 0);
    assert_eq!(
        world.days("2021-09-15", "2021-09-17").await,
        ["16/09 giamdoc-syt: T1 overdue/L2"]
    );
}

#[tokio::test]
async fn set_back_what_is_put_off_again_waits_as_always() {
    let relay = Relay::default();
    let mut world = relay.world(&ladder()).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    relay.puts_off();
    world.turn("2021-09-14 11:00").await;
    let mut tries = Vec::new();
    for minute in 0..10 {
        let report = world.turn_behind(&format!("2021-09-14 10:{minute:02}")).await;
        tries.push(report.delivered.later);
    }
    // Once for the step back, then after five minutes as always.
    assert_eq!(tries.iter().sum::<usize>(), 2, "{tries:?}");
    // Another step back, another try.
    assert_eq!(world.turn_behind("2021-09-14 09:00").await.delivered.later, 1);
}

on_both! {
    a_claim_that_ends_only_by_a_clock_which_was_set_back_holds_nothing_up
    a_day_forward_and_back_tells_nothing_twice_and_leaves_nothing_out
    an_hour_forward_and_back_tells_nothing_twice_and_leaves_nothing_out
}

/// The process died while it was sending, and whatever the lease runs by shows a day less.
async fn a_claim_that_ends_only_by_a_clock_which_was_set_back_holds_nothing_up(on: On) {
    let reached = Arc::new(Notify::new());
    let (tells, first) = (Arc::clone(&reached), AtomicBool::new(true));
    let mut world = World::with_mail_server(&ladder(), move |step, _| {
        if step == Step::Final && first.swap(false, Ordering::SeqCst) {
            tells.notify_one();
            return Do::KeepAndStall;
        }
        Do::Go
    })
    .await
    .on(on)
    .await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    assert!(world.killed_turn("2021-09-14 08:00", reached.notified()).await);
    match on {
        On::Sqlite => {
            world.turn_behind("2021-09-13 09:00").await;
        }
        On::Postgres => {
            let ahead = "CAST(EXTRACT(EPOCH FROM now()) * 1000000 AS BIGINT) + 86400000000";
            world
                .on_store(&format!(
                    "UPDATE lease SET holder = 'gone', until = {ahead}; UPDATE message SET claimed_until = {ahead} WHERE claimed_by IS NOT NULL"
                ))
                .await;
            assert!(world.turn("2021-09-14 08:10").await.is_leading);
        }
    }
    let ids: Vec<String> = world.letters().into_iter().map(|l| l.message_id).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
}

async fn a_day_forward_and_back_tells_nothing_twice_and_leaves_nothing_out(on: On) {
    let mut world = World::new(&format!("{}{SUMMARIES}", ladder())).await.on(on).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.ticket("T2", "Sở Xây dựng", "2021-09-07 09:00").await;
    world.ticket("T3", "Sở Tài chính", "2021-09-08 09:00").await;
    days(&mut world, "2021-09-07", "2021-09-13").await;
    world.turn("2021-09-14 08:00").await;
    // Tuesday at ten the clock shows Wednesday, and at noon Tuesday again.
    world.turn("2021-09-15 10:00").await;
    for time in ["14 12:00", "14 15:00", "14 16:30", "15 07:00", "15 08:00", "15 09:59"] {
        assert_eq!(
            world.turn_behind(&format!("2021-09-{time}")).await.delivered.accepted,
            0,
            "{time}"
        );
    }
    world.turn("2021-09-15 15:00").await;
    world.turn("2021-09-15 16:30").await;
    days(&mut world, "2021-09-16", "2021-09-17").await;
    assert_eq!(
        came(&mut world),
        [
            "10/09 15:00 vp: [1022] Tổng hợp tuần",
            "13/09 16:30 ops: [1022] Vận hành ngày 13/09/2021: không có gì bất thường",
            "14/09 08:00 syt: T1 overdue/L1",
            "15/09 10:00 sxd: T2 overdue/L1",
            "16/09 08:00 giamdoc-syt: T1 overdue/L2",
            "16/09 08:00 stc: T3 overdue/L1",
            "17/09 08:00 giamdoc-sxd: T2 overdue/L2",
            "17/09 15:00 vp: [1022] Tổng hợp tuần",
        ]
    );
}

async fn an_hour_forward_and_back_tells_nothing_twice_and_leaves_nothing_out(on: On) {
    let mut world = World::new(&format!("{}{SUMMARIES}", ladder())).await.on(on).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    days(&mut world, "2021-09-07", "2021-09-13").await;
    // At ten past seven the clock shows ten past eight; the digest leaves by it.
    world.turn("2021-09-14 07:00").await;
    world.turn("2021-09-14 08:10").await;
    for time in ["07:11", "07:30", "08:00", "08:09"] {
        world.turn_behind(&format!("2021-09-14 {time}")).await;
    }
    world.ticket("T2", "Sở Xây dựng", "2021-09-07 09:00").await;
    for time in ["08:10", "08:11", "15:00", "16:30"] {
        world.turn(&format!("2021-09-14 {time}")).await;
    }
    days(&mut world, "2021-09-15", "2021-09-16").await;
    assert_eq!(
        came(&mut world),
        [
            "10/09 15:00 vp: [1022] Tổng hợp tuần",
            "13/09 16:30 ops: [1022] Vận hành ngày 13/09/2021: không có gì bất thường",
            "14/09 08:10 syt: T1 overdue/L1",
            "15/09 08:00 sxd: T2 overdue/L1",
            "16/09 08:00 giamdoc-syt: T1 overdue/L2",
        ]
    );
}

/// A process under libfaketime whose clock shows what stands in a file.
#[tokio::test]
async fn a_daemon_whose_clock_is_set_back_a_day_and_forward_says_so_and_decides_again_once_it_has_caught_up() {
    let mut world = World::with_mail_server(URGENT, |_, _| Do::Go).await;
    world.ticket("T1", "Sở Y tế", "2026-01-05 08:00").await;
    world.write("dondoc.toml", |text| {
        text + "\n[run]\nevery = \"1s\"\n[http]\nlisten = \"127.0.0.1:0\"\n"
    });
    world.stop().await;
    let clock = world.dir().join("clock");
    let shows = |offset: &str| std::fs::write(&clock, offset).expect("the clock");
    shows("+0\n");
    let faketime = [
        ("LD_PRELOAD", libfaketime()),
        ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
        ("FAKETIME_CACHE_DURATION", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    let come = async |code: &str, agency: &str| {
        world.ticket(code, agency, "2026-01-05 08:00").await;
        let now = format!("UPDATE ticket SET updated_at = datetime('now', '+7 hours') WHERE code = '{code}'");
        world.sql(&now).await;
    };
    let mut daemon = Daemon::start_with(&world.dir(), &faketime).await;
    daemon.notifies("1 accepted").await;
    shows("-1d\n");
    daemon.says("the clock is behind the last turn").await;
    come("T2", "Sở Xây dựng").await;
    daemon.says("the clock is behind the last turn").await;
    daemon
        .notifies("the clock is behind the last turn: nothing is decided; 0 accepted")
        .await;
    for path in ["/healthz", "/readyz"] {
        assert!(daemon.page(path, "").await.0.contains("200"), "{path}: it delivers");
    }
    assert_eq!(daemon.metric("dondoc_alarms").await.as_deref(), Some("1"));
    assert_eq!(arrived(&world), ["syt: T1 overdue/L1"]);
    shows("+0\n");
    daemon.notifies("1 accepted").await;
    assert_eq!(daemon.metric("dondoc_alarms").await.as_deref(), Some("0"));
    shows("+1d\n");
    come("T3", "Sở Tài chính").await;
    daemon.notifies("1 accepted").await;
    assert!(daemon.stops().await.success());
    assert_eq!(
        arrived(&world),
        ["stc: T3 overdue/L1", "sxd: T2 overdue/L1", "syt: T1 overdue/L1"]
    );
}

// ---- asleep ------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn asleep_over_month_ends_what_is_carried_over_is_told_once_for_the_period_that_it_is_now() {
    let mut world = World::new(&format!("{CARRIED}{FIVE_DAYS}")).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    days(&mut world, "2021-09-07", "2021-09-28").await;
    // Over one, and then over two.
    days(&mut world, "2021-10-05", "2021-10-08").await;
    world.restart().await;
    days(&mut world, "2021-12-14", "2021-12-17").await;
    days(&mut world, "2022-01-03", "2022-01-05").await;
    assert_eq!(
        came(&mut world),
        [
            "04/01 08:00 syt: T1 carried-over/list",
            "05/10 08:00 syt: T1 carried-over/list",
            "14/12 08:00 syt: T1 carried-over/list",
        ]
    );
    assert_eq!(
        world.occurrences("T1").await,
        [
            "carried-over/list 2021-10|SYT|0",
            "carried-over/list 2021-12|SYT|0",
            "carried-over/list 2022-01|SYT|0",
        ]
    );
}

#[tokio::test]
async fn nights_that_were_slept_through_owe_one_sweep() {
    let mut world = World::new(&ladder()).await;
    world.turn("2021-09-06 07:00").await;
    let mut swept = Vec::new();
    for time in [
        "07 01:00", "07 03:00", "07 23:00", "10 10:00", "10 10:01", "11 01:00", "11 03:00", "11 03:01",
    ] {
        if world.turn(&format!("2021-09-{time}")).await.observed.has_swept {
            swept.push(time);
        }
    }
    assert!(!world.turn_behind("2021-09-09 03:00").await.observed.has_swept);
    assert!(!world.turn("2021-09-11 04:00").await.observed.has_swept);
    assert_eq!(swept, ["07 03:00", "10 10:00", "11 03:00"]);
}

/// Tickets at every height of the ladder, told as far as they were by Friday 10/9.
async fn at_work() -> World {
    let mut world = World::new(&format!("{}{CARRIED}{WEEK}{SUMMARIES}", ladder())).await;
    world.turn("2021-08-09 07:00").await;
    for (code, agency, received) in [
        ("TOP", "Sở Y tế", "2021-08-16 09:00"),
        ("HEAD", "Sở Xây dựng", "2021-08-26 09:00"),
        ("DONE", "Sở Xây dựng", "2021-08-26 09:00"),
        ("FIRST", "Sở Tài chính", "2021-08-31 09:00"),
        ("NOT-YET", "Sở Y tế", "2021-09-06 09:00"),
        ("CARD", "Sở Tài chính", "2021-09-06 09:00"),
    ] {
        world.ticket(code, agency, received).await;
    }
    world
        .sql("UPDATE ticket SET category = 'cccd', due_at = '2022-06-01' WHERE code = 'CARD'")
        .await;
    days(&mut world, "2021-08-16", "2021-09-10").await;
    world
}

#[tokio::test]
async fn two_days_down_owe_the_highest_step_that_climbing_allows_one_digest_a_desk_and_one_summary_each() {
    let mut world = at_work().await;
    came(&mut world);
    days(&mut world, "2021-09-13", "2021-09-13").await;
    // Down from Monday evening to Thursday morning.
    for time in ["09:40", "10:00", "15:00", "16:30"] {
        world.turn(&format!("2021-09-16 {time}")).await;
    }
    days(&mut world, "2021-09-17", "2021-09-17").await;
    insta::assert_snapshot!(came(&mut world).join("\n"));
}

#[tokio::test]
async fn after_six_weeks_off_each_desk_is_told_once_where_things_stand() {
    let mut world = at_work().await;
    came(&mut world);
    // While nobody is there: one is answered with its time, one behind the back of `updated_at`, one comes and goes, one
    // comes and stays.
    world.answer("DONE", "2021-09-20 10:00").await;
    world
        .sql("UPDATE ticket SET status = 'đã trả lời', answered_at = '2021-10-01 10:00:00' WHERE code = 'FIRST'")
        .await;
    world.ticket("GONE-BY", "Sở Y tế", "2021-09-20 09:00").await;
    world.answer("GONE-BY", "2021-10-10 09:00").await;
    world.ticket("LATE", "Sở Xây dựng", "2021-09-21 09:00").await;
    for time in ["09:40", "10:00", "15:00", "16:30"] {
        world.turn(&format!("2021-10-22 {time}")).await;
    }
    days(&mut world, "2021-10-25", "2021-10-29").await;
    insta::assert_snapshot!(came(&mut world).join("\n"));
}

#[tokio::test]
async fn around_tet_contacts_have_their_digests_and_whoever_is_above_waits_for_the_day_after() {
    let mut world = World::new(&format!("{}{CARRIED}{SUMMARIES}", ladder())).await;
    world.turn("2022-01-10 07:00").await;
    for (code, agency, received) in [
        ("CONTACT", "Sở Y tế", "2022-01-20 09:00"),
        ("HEAD", "Sở Xây dựng", "2022-01-18 09:00"),
        ("OFFICE", "Sở Tài chính", "2022-01-10 07:30"),
    ] {
        world.ticket(code, agency, received).await;
    }
    // Closed from Monday 31/1 to Friday 4/2; Friday 28/1 and Monday 7/2 are its quiet days.
    days(&mut world, "2022-01-11", "2022-02-11").await;
    insta::assert_snapshot!(came(&mut world).join("\n"));
}
