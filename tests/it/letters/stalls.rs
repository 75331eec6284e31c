//! A mail server that lets time pass, and a turn that is asked to end: nobody waits for long, and nothing is lost.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::Duration;

use chrono::TimeDelta;
use dondoc::demo::receiver::{Do, Step};
use dondoc::domain::rule::Channel;
use dondoc::engine::{Pulse, longest_wait};

use super::delivery::{BUILDING, HEALTH, Moods, ending_with_a_mail, fates};
use super::{ladder, letters_at};
use crate::world::{World, at};

/// One connection, and a second's patience.
async fn with_one_connection(world: &mut World) {
    let slow = |text: String| text.replace("timeout = \"2s\"", "timeout = \"1s\"\nconnections = 1");
    world.edit("dondoc.toml", slow).await;
}

/// What became of the two tickets, whichever of their letters was the first.
async fn both_fates(world: &World) -> Vec<String> {
    let mut both = [fates(world, "T1").await, fates(world, "T2").await].concat();
    both.sort();
    both
}

#[tokio::test]
async fn a_server_that_stalls_costs_a_connection_one_attempt_and_the_rest_goes_a_minute_later() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH, BUILDING]).await;
    with_one_connection(&mut world).await;
    moods.set(Step::Recipient, "", Do::Stall);
    let beats = world.pulse().beats();
    let report = world.turn("2021-09-14 08:00").await;
    assert_eq!((report.delivered.later, report.waiting), (1, 2));
    assert_eq!(
        report.delivered.by,
        BTreeMap::from([((Channel::Email, "later", "timeout"), 1)])
    );
    assert!(world.pulse().beats() > beats, "it shows that work goes on");
    assert_eq!(both_fates(&world).await, ["waiting: ", "waiting: later"]);
    moods.well();
    let report = world.turn("2021-09-14 08:00").await;
    assert!(report.delivered.by.is_empty(), "it is left alone");
    let report = world.turn("2021-09-14 08:01").await;
    assert_eq!((report.delivered.accepted, report.waiting), (1, 1));
    assert_eq!(both_fates(&world).await, ["accepted: accepted", "waiting: later"]);
    letters_at(&mut world, &["2021-09-14 08:02"]).await;
    assert_eq!(
        both_fates(&world).await,
        ["accepted: accepted", "accepted: later, accepted"]
    );
}

#[tokio::test]
async fn a_recipient_on_whom_the_server_stalls_delays_nobody_on_the_other_connections() {
    let moods = Moods::default();
    let mut world = moods
        .province(&ladder(), &[HEALTH, BUILDING, ("T3", "Sở Tài chính")])
        .await;
    moods.set(Step::Recipient, "syt", Do::Stall);
    assert_eq!(
        letters_at(&mut world, &["2021-09-14 08:00"]).await,
        [
            "14/09 08:00 stc digest: T3 overdue/L1",
            "14/09 08:00 sxd digest: T2 overdue/L1"
        ]
    );
}

#[tokio::test]
async fn asked_to_stop_it_ends_with_the_mail_on_its_way_and_the_rest_goes_when_it_is_back() {
    let pulse: Arc<OnceLock<Arc<Pulse>>> = Arc::default();
    let script = ending_with_a_mail(&pulse);
    let mut world = World::with_mail_server(&ladder(), script).await;
    with_one_connection(&mut world).await;
    world.turn("2021-09-06 07:00").await;
    for (code, agency) in [HEALTH, BUILDING] {
        world.ticket(code, agency, "2021-09-06 09:00").await;
    }
    world.turn("2021-09-13 16:00").await;
    assert!(pulse.set(world.pulse()).is_ok());
    let report = world.turn("2021-09-14 08:00").await;
    assert_eq!((report.delivered.accepted, report.waiting), (1, 1));
    assert_eq!(both_fates(&world).await, ["accepted: accepted", "waiting: "]);
    world.restart().await;
    let report = world.turn("2021-09-14 08:00").await;
    assert_eq!((report.delivered.accepted, report.waiting), (1, 0));
    assert_eq!(both_fates(&world).await, ["accepted: accepted", "accepted: accepted"]);
}

#[tokio::test]
async fn asked_to_stop_before_it_composes_it_composes_when_it_is_back() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    world.turn("2021-09-14 07:30").await;
    world.pulse().stop();
    let report = world.turn("2021-09-14 08:00").await;
    assert_eq!((report.composed.messages, report.composed.is_complete), (0, false));
    world.restart().await;
    assert_eq!(
        letters_at(&mut world, &["2021-09-14 09:00"]).await,
        ["14/09 09:00 syt digest: T1 overdue/L1"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_goes_on_and_on_is_broken_off_and_counts_as_unknown() {
    // Each step is answered in time, but there are many of them: nobody ever says anything to `silence`.
    let (_never, silence) = mpsc::channel::<()>();
    let (silence, is_slow) = (Mutex::new(silence), Arc::new(Mutex::new(true)));
    let slow = Arc::clone(&is_slow);
    let script = move |step: Step, _: &str| {
        if step == Step::Recipient && *slow.lock().expect("the lock") {
            let silence = silence.lock().expect("the lock");
            // In its place another thread looks after the clock by which the attempt is broken off.
            let waited = tokio::task::block_in_place(|| silence.recv_timeout(Duration::from_millis(400)));
            assert!(waited.is_err());
        }
        Do::Go
    };
    let mut world = World::with_mail_server(&ladder(), script).await;
    with_one_connection(&mut world).await;
    let desk = "{ role = \"contact\", address = \"syt@tinh.example\" }";
    let desks: Vec<String> = (0..12).map(|n| desk.replace("syt@", &format!("syt{n}@"))).collect();
    world
        .edit("agencies.toml", |text| text.replace(desk, &desks.join(", ")))
        .await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    let report = world.turn("2021-09-14 08:00").await;
    assert_eq!((report.delivered.unknown, report.waiting), (1, 1), "{report:?}");
    let message = &world.store().messages_of_ticket("T1").await.expect("messages")[0];
    let attempt = &world.store().attempts(&message.id).await.expect("attempts")[0];
    assert!(attempt.detail.contains("broken off after 3 s"), "{}", attempt.detail);
    *is_slow.lock().expect("the lock") = false;
    world.turn("2021-09-14 08:14").await;
    assert_eq!(
        fates(&world, "T1").await,
        ["waiting: unknown"],
        "each attempt may make a copy"
    );
    world.turn("2021-09-14 08:18").await;
    assert_eq!(fates(&world, "T1").await, ["accepted: unknown, accepted"]);
}

#[tokio::test]
async fn an_answer_is_dated_when_it_came_and_not_when_the_turn_began() {
    let present = Arc::new(AtomicI64::new(at("2021-09-06 07:00").timestamp()));
    let hands = Arc::clone(&present);
    let script = move |step: Step, _: &str| {
        if step == Step::Final {
            hands.fetch_add(90, Ordering::SeqCst);
        }
        Do::Go
    };
    let mut world = World::with_mail_server(&ladder(), script).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    present.store(at("2021-09-14 08:00").timestamp(), Ordering::SeqCst);
    let clock = || chrono::DateTime::from_timestamp(present.load(Ordering::SeqCst), 0).expect("a time");
    let report = world.turn_by(&clock).await;
    assert_eq!(report.delivered.lateness, [TimeDelta::seconds(90)]);
    assert_eq!(report.composed.lateness, [TimeDelta::zero()]);
    let message = &world.store().messages_of_ticket("T1").await.expect("messages")[0];
    let attempt = &world.store().attempts(&message.id).await.expect("attempts")[0];
    assert_eq!(attempt.at, at("2021-09-14 08:00") + TimeDelta::seconds(90));
}

#[tokio::test]
async fn the_watchdog_is_to_outlast_whole_attempts_and_the_command_of_ops() {
    let mut world = World::new(&ladder()).await;
    let mut longest = Vec::new();
    for (from, to) in [
        ("stale_after = 0", "stale_after = 0\nstatement_timeout = \"1s\""),
        ("[ops]", "[ops]\ncommand = [\"true\"]"),
        ("timeout = \"2s\"", "timeout = \"20s\""),
        ("timeout = \"20s\"", "timeout = \"60s\""),
    ] {
        world.edit("dondoc.toml", |text| text.replace(from, to)).await;
        longest.push(longest_wait(&world.config()).as_secs());
    }
    // A store that somebody holds locked is waited for by what decides and by what delivers.
    assert_eq!(longest, [90, 90, 90, 150]);
}
