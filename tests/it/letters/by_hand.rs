//! What ops do about messages by command, beside the process that holds the store: `outbox retry`, `outbox cancel` and
//! `backup`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use dondoc::config::settings::Database;
use dondoc::demo::receiver::{Do, Step};
use dondoc::store::Store;
use dondoc::store::bounces::Anew;
use mail_parser::MessageParser;

use super::delivery::{BUILDING, HEALTH, Moods, fates};
use super::{id_about, ladder, letters_at, letters_of};
use crate::cli::{dondoc, said, text};
use crate::world::{World, at};

/// Two agencies' digests that the relay refused for good on Tuesday 14/9/2021.
async fn two_dead(moods: &Moods) -> World {
    let mut world = moods.province(&ladder(), &[HEALTH, BUILDING]).await;
    moods.refuse("tinh.example", 550);
    world.turn("2021-09-14 08:00").await;
    moods.well();
    world
}

#[tokio::test]
async fn a_dead_letter_sent_again_says_what_still_holds() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH, ("T3", "Sở Y tế")]).await;
    moods.refuse("syt", 550);
    world.turn("2021-09-14 08:00").await;
    moods.well();
    world.answer("T3", "2021-09-14 09:00").await;
    let id = id_about(&world, "T1").await;
    let retry = dondoc(&world.dir(), &["outbox", "retry", &id]);
    assert!(retry.status.success(), "{}", said(&retry));
    assert!(
        text(&retry).contains("1 messages let go; 2 notices wait"),
        "{}",
        text(&retry)
    );
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-14").await,
        ["14/09 09:15 syt digest: T1 overdue/L1"],
        "at once, and T3 was answered meanwhile"
    );
    assert_eq!(fates(&world, "T1").await, ["replaced: never", "accepted: accepted"]);
}

#[tokio::test]
async fn a_dead_letter_sent_again_before_the_hour_of_the_digest_goes_in_it() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    world.ticket("T9", "Sở Y tế", "2021-09-07 09:00").await;
    moods.refuse("syt", 550);
    letters_of(&mut world, "2021-09-14", "2021-09-14").await;
    moods.well();
    letters_at(&mut world, &["2021-09-15 07:00"]).await;
    let retry = dondoc(&world.dir(), &["outbox", "retry", &id_about(&world, "T1").await]);
    assert!(retry.status.success(), "{}", said(&retry));
    assert_eq!(
        letters_of(&mut world, "2021-09-15", "2021-09-16").await,
        ["15/09 08:00 syt digest: T1 overdue/L1, T9 overdue/L1"]
    );
}

#[tokio::test]
async fn what_is_corrected_is_told_again_only_after_the_letter_that_says_so() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    let mut told = letters_of(&mut world, "2021-09-14", "2021-09-14").await;
    let id = id_about(&world, "T1").await;
    let when = ["--reason", "nhầm", "--at", "2021-09-14 22:10"];
    let correct = dondoc(&world.dir(), &[&["outbox", "correct", &id], &when[..]].concat());
    assert!(correct.status.success(), "{}", said(&correct));
    let retry = dondoc(&world.dir(), &["outbox", "retry", &id]);
    assert_eq!(retry.status.code(), Some(1));
    assert!(
        said(&retry).contains("the letter that corrects it is not written yet")
            && said(&retry).contains("nothing was changed"),
        "{}",
        said(&retry)
    );
    told.extend(letters_at(&mut world, &["2021-09-15 07:00"]).await);
    let retry = dondoc(&world.dir(), &["outbox", "retry", &id]);
    assert!(retry.status.success(), "{}", said(&retry));
    told.extend(letters_of(&mut world, "2021-09-15", "2021-09-15").await);
    assert_eq!(
        told,
        [
            "14/09 08:00 syt digest: T1 overdue/L1",
            "15/09 07:00 syt single: ",
            "15/09 08:00 syt digest: T1 overdue/L1",
        ]
    );
}

#[tokio::test]
async fn a_letter_that_came_back_is_sent_again_unless_what_it_told_has_gone_on() {
    let moods = Moods::default();
    // It has no contacts: ops stand in, and what comes back from them goes nowhere else.
    let mut world = moods
        .province(&ladder(), &[HEALTH, ("T4", "Ban Quản lý khu kinh tế")])
        .await;
    letters_at(&mut world, &["2021-09-14 08:00"]).await;
    let (of_health, to_ops) = (id_about(&world, "T1").await, id_about(&world, "T4").await);
    let mut tx = world.store().begin().await.expect("a transaction");
    for (id, anew) in [(&of_health, Anew::ByAnotherAddress), (&to_ops, Anew::Not)] {
        let bounced = tx.bounced(id, "5.1.1 no such box", anew, at("2021-09-14 08:30")).await;
        assert!(bounced.expect("bounced"));
    }
    tx.commit().await.expect("committed");
    let retry = dondoc(&world.dir(), &["outbox", "retry", &of_health]);
    assert_eq!(retry.status.code(), Some(1));
    assert!(
        said(&retry).contains("goes out with another message already"),
        "{}",
        said(&retry)
    );
    let retry = dondoc(&world.dir(), &["outbox", "retry", &to_ops]);
    assert!(
        text(&retry).contains("1 notices wait"),
        "{}{}",
        text(&retry),
        said(&retry)
    );
    assert_eq!(
        letters_at(&mut world, &["2021-09-14 09:15"]).await,
        [
            "14/09 09:15 ops digest: T4 overdue/L1",
            "14/09 09:15 syt digest: T1 overdue/L1",
        ]
    );
    // A letter that carries no notice is sent as it is.
    let id = id_about(&world, "T1").await;
    let when = ["--reason", "nhầm", "--at", "2021-09-14 10:00"];
    let correct = dondoc(&world.dir(), &[&["outbox", "correct", &id], &when[..]].concat());
    assert!(correct.status.success(), "{}", said(&correct));
    letters_at(&mut world, &["2021-09-14 13:30"]).await;
    let correction = world
        .store()
        .message(&id)
        .await
        .expect("a store")
        .and_then(|m| m.corrected_by);
    let correction = correction.expect("a letter about it");
    let mut tx = world.store().begin().await.expect("a transaction");
    let bounced = tx
        .bounced(
            &correction,
            "5.1.1 no such box",
            Anew::ByAnotherAddress,
            at("2021-09-14 13:40"),
        )
        .await;
    assert!(bounced.expect("bounced"));
    tx.commit().await.expect("committed");
    let retry = dondoc(&world.dir(), &["outbox", "retry", &correction]);
    assert!(retry.status.success(), "{}", said(&retry));
    assert_eq!(
        letters_at(&mut world, &["2021-09-14 16:00"]).await,
        ["14/09 16:00 syt single: "]
    );
}

#[tokio::test]
async fn many_dead_letters_are_counted_before_they_are_sent_again() {
    let moods = Moods::default();
    let mut world = two_dead(&moods).await;
    let since = ["outbox", "retry", "--since", "2021-09-14 08:00"];
    let asked = dondoc(&world.dir(), &since);
    assert!(text(&asked).starts_with("2 dead messages with 2 notices, to 2 units since 2021-09-14 08:00"));
    assert_eq!(
        asked.status.code(),
        Some(2),
        "nobody was there to answer: {}",
        said(&asked)
    );
    assert_eq!(fates(&world, "T1").await, ["dead: never"]);
    let later = dondoc(
        &world.dir(),
        &["outbox", "retry", "--since", "2021-09-14 08:01", "--yes"],
    );
    assert!(text(&later).starts_with("0 dead messages"), "{}", text(&later));
    let one = dondoc(&world.dir(), &[&since[..], &["--unit", "SXD", "--yes"]].concat());
    assert!(one.status.success(), "{}", said(&one));
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-14").await,
        ["14/09 09:15 sxd digest: T2 overdue/L1"]
    );
    assert_eq!(fates(&world, "T1").await, ["dead: never"]);
}

#[tokio::test]
async fn where_one_of_several_cannot_be_sent_again_nothing_is_changed() {
    let moods = Moods::default();
    let world = two_dead(&moods).await;
    let dead = id_about(&world, "T1").await;
    for wrong in ["none", &id_about(&world, "T1").await] {
        let retry = dondoc(&world.dir(), &["outbox", "retry", &dead, wrong]);
        assert_eq!(retry.status.code(), Some(1));
        assert!(said(&retry).contains("nothing was changed"), "{}", said(&retry));
    }
    assert_eq!(fates(&world, "T1").await, ["dead: never"]);
}

#[tokio::test]
async fn a_letter_taken_back_is_not_sent_and_its_step_counts_as_told() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    moods.refuse("syt", 451);
    world.turn("2021-09-14 08:00").await;
    moods.well();
    let id = id_about(&world, "T1").await;
    let cancel = dondoc(
        &world.dir(),
        &[
            "outbox",
            "cancel",
            &id,
            "--reason",
            "sai danh sách",
            "--at",
            "2021-09-14 10:00",
        ],
    );
    assert!(cancel.status.success(), "{}", said(&cancel));
    let shown = text(&dondoc(&world.dir(), &["outbox", "show", &id]));
    assert!(
        shown.contains("cancelled") && shown.contains("sai danh sách"),
        "{shown}"
    );
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-16").await,
        ["16/09 08:00 giamdoc-syt digest: T1 overdue/L2"]
    );
    let again = dondoc(&world.dir(), &["outbox", "cancel", &id, "--reason", "x"]);
    assert_eq!(again.status.code(), Some(1), "it has ended");
}

#[tokio::test]
async fn a_letter_that_was_taken_back_can_be_sent_after_all() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    moods.refuse("syt", 451);
    world.turn("2021-09-14 08:00").await;
    moods.well();
    let id = id_about(&world, "T1").await;
    for command in [
        &["outbox", "cancel", &id, "--reason", "nhầm"][..],
        &["outbox", "retry", &id],
    ] {
        let done = dondoc(&world.dir(), command);
        assert!(done.status.success(), "{}", said(&done));
    }
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-14").await,
        ["14/09 09:15 syt digest: T1 overdue/L1"]
    );
}

#[tokio::test]
async fn a_copy_made_while_the_store_is_held_is_whole() {
    let moods = Moods::default();
    let world = two_dead(&moods).await;
    let copy = world.dir().join("copy.db");
    let file = copy.to_str().expect("a path");
    let backup = dondoc(&world.dir(), &["backup", file]);
    assert!(backup.status.success(), "{}", said(&backup));
    assert!(text(&backup).contains("store.db-wal and "), "{}", text(&backup));
    let restored = Store::open(&Database::Sqlite(copy.clone())).await.expect("a store");
    let messages = restored.messages_of_ticket("T1").await.expect("messages");
    assert_eq!(messages.len(), 1);
    assert!(restored.body(&messages[0].id).await.expect("a store").is_some());
    let again = dondoc(&world.dir(), &["backup", file]);
    assert_eq!(again.status.code(), Some(1), "what is there is not written over");
    assert!(said(&again).contains("copy.db"), "{}", said(&again));
}

#[tokio::test]
async fn a_test_reaches_each_desk_of_a_unit_and_says_that_it_is_one() {
    let moods = Moods::default();
    let world = moods.province(&ladder(), &[HEALTH]).await;
    moods.refuse("giamdoc", 550);
    let before = world.received().len();
    let dir = world.dir();
    // The mail server runs in this test: it has to be let.
    let test = tokio::task::spawn_blocking(move || dondoc(&dir, &["send-test", "SYT"]));
    let test = test.await.expect("dondoc");
    assert_eq!(
        test.status.code(),
        Some(1),
        "one of the boxes refused it: {}",
        said(&test)
    );
    let lines = text(&test);
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].starts_with("contact  syt@tinh.example  accepted: 250"),
        "{}",
        lines[0]
    );
    assert!(
        lines[1].starts_with("head     giamdoc-syt@tinh.example  never: recipient refused"),
        "{}",
        lines[1]
    );
    let received = world.received().split_off(before);
    assert_eq!(received.len(), 1);
    let mail = MessageParser::default().parse(&received[0].bytes).expect("a mail");
    let text = mail.body_text(0).expect("text").replace("\r\n", "\n");
    let (text, _) = text.split_once("Mã thông báo").expect("the id is the last line");
    let (before, after) = text.split_once(", gửi lúc ").expect("the time");
    let (_, after) = after.split_once(". ").expect("the next sentence");
    insta::assert_snapshot!(format!("{before}, gửi lúc …. {after}"));
    assert_eq!(
        mail.subject(),
        Some("[1022][Thư kiểm tra] Kiểm tra địa chỉ nhận thông báo – Sở Y tế")
    );
    assert!(
        world
            .store()
            .messages_of_ticket("T1")
            .await
            .expect("messages")
            .is_empty()
    );
}

#[tokio::test]
async fn a_test_of_nobody_says_what_is_missing() {
    let moods = Moods::default();
    let world = moods.province(&ladder(), &[]).await;
    let by_name = dondoc(&world.dir(), &["send-test", "Sở Y tế"]);
    assert_eq!(by_name.status.code(), Some(1));
    assert!(said(&by_name).contains("its id is `SYT`"), "{}", said(&by_name));
    assert!(world.received().is_empty());
}

#[tokio::test]
async fn while_paused_nothing_is_made_or_sent_and_after_it_the_day_begins_where_it_stood() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH, BUILDING]).await;
    let pause = dondoc(&world.dir(), &["pause", "--reason", "diễn tập"]);
    assert!(pause.status.success(), "{}", said(&pause));
    let status = text(&dondoc(&world.dir(), &["status"]));
    assert!(
        status.contains("! paused since") && status.contains("diễn tập"),
        "{status}"
    );
    let report = world.turn("2021-09-14 08:00").await;
    assert!(report.is_paused && report.decided > 0, "deciding goes on");
    assert_eq!((world.mails().len(), report.composed.messages), (0, 0));
    // Answered meanwhile: what is composed after the pause does not know of it any more.
    world.answer("T1", "2021-09-14 09:00").await;
    let resume = text(&dondoc(&world.dir(), &["resume"]));
    assert!(resume.starts_with("resumed; it was paused since"), "{resume}");
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-14").await,
        ["14/09 09:15 sxd digest: T2 overdue/L1"]
    );
    assert_eq!(text(&dondoc(&world.dir(), &["resume"])).trim(), "it was not paused");
}

#[tokio::test]
async fn a_pause_in_the_middle_of_the_morning_holds_what_is_not_on_its_way_yet() {
    let dir: Arc<OnceLock<PathBuf>> = Arc::default();
    let known = Arc::clone(&dir);
    let pause_once = OnceLock::new();
    let mut world = World::with_mail_server(&ladder(), move |step, _| {
        // Ops see the first mail go.
        if let (Step::Final, Some(dir)) = (step, known.get()) {
            pause_once.get_or_init(|| assert!(dondoc(dir, &["pause", "--reason", "nhầm"]).status.success()));
        }
        Do::Go
    })
    .await;
    let one_at_a_time = |text: String| text.replace("timeout = \"2s\"", "connections = 1\n[limits]\nin_flight = 1");
    world.edit("dondoc.toml", one_at_a_time).await;
    world.turn("2021-09-06 07:00").await;
    for (code, agency) in [HEALTH, BUILDING, ("T3", "Sở Tài chính")] {
        world.ticket(code, agency, "2021-09-06 09:00").await;
    }
    world.turn("2021-09-13 16:00").await;
    dir.set(world.dir()).expect("once");
    let report = world.turn("2021-09-14 08:00").await;
    assert_eq!(
        (report.composed.messages, report.delivered.accepted, report.waiting),
        (3, 1, 2)
    );
    assert_eq!(world.turn("2021-09-14 08:01").await.delivered.accepted, 0);
    assert!(dondoc(&world.dir(), &["resume"]).status.success());
    assert_eq!(world.turn("2021-09-14 08:02").await.delivered.accepted, 2);
}

#[tokio::test]
async fn a_copy_put_back_as_told_after_a_crash_is_the_store_as_it_was() {
    let moods = Moods::default();
    let mut world = two_dead(&moods).await;
    let copy = world.dir().join("copy.db");
    let backup = dondoc(&world.dir(), &["backup", copy.to_str().expect("a path")]);
    assert!(backup.status.success(), "{}", said(&backup));
    world.turn("2021-09-16 08:00").await;
    assert_eq!(fates(&world, "T1").await.len(), 2, "the store went on");

    // What a crash leaves: the file, and beside it what was not yet written into it.
    let crashed = tempfile::tempdir().expect("a folder");
    let file = |name: &str| crashed.path().join(name);
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        std::fs::copy(world.dir().join(name), file(name)).expect("a file");
    }
    let told = text(&backup);
    let named = told
        .split_whitespace()
        .filter_map(|word| Path::new(word).file_name()?.to_str());
    for name in named.filter(|name| name.ends_with("-wal") || name.ends_with("-shm")) {
        std::fs::remove_file(file(name)).expect("a file");
    }
    std::fs::copy(&copy, file("store.db")).expect("a file");
    let restored = Store::open(&Database::Sqlite(file("store.db"))).await.expect("a store");
    let states = |messages: Vec<dondoc::store::outbox::Listed>| -> Vec<String> {
        messages.into_iter().map(|m| m.state).collect()
    };
    for ticket in ["T1", "T2"] {
        let messages = restored.messages_of_ticket(ticket).await.expect("messages");
        assert_eq!(states(messages), ["dead"], "{ticket}");
    }
}

#[tokio::test]
async fn what_a_pause_over_night_held_goes_in_the_next_digest_and_makes_none_before_it() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    world.ticket("T9", "Sở Y tế", "2021-09-07 09:00").await;
    letters_at(&mut world, &["2021-09-14 07:30"]).await;
    let pause = dondoc(&world.dir(), &["pause", "--reason", "diễn tập"]);
    assert!(pause.status.success(), "{}", said(&pause));
    letters_of(&mut world, "2021-09-14", "2021-09-14").await;
    let resume = dondoc(&world.dir(), &["resume"]);
    assert!(resume.status.success(), "{}", said(&resume));
    assert_eq!(
        letters_at(
            &mut world,
            &["2021-09-15 07:15", "2021-09-15 08:00", "2021-09-16 08:00"]
        )
        .await,
        ["15/09 08:00 syt digest: T1 overdue/L1, T9 overdue/L1"]
    );
}
