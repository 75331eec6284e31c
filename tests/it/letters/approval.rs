//! Approval (`approve` on a step): composed, listed and told to whoever has to approve it; sent only when it is released
//! and still so, and nothing goes up by itself.

use dondoc::demo::receiver::Received;
use dondoc::domain::evaluate::Verdict;
use mail_parser::MessageParser;

use super::delivery::{Moods, fates};
use super::explained::outlook;
use super::posted::{HOOK, SYT, System, via, with_endpoints};
use super::{BOX, ladder, letters_of, line, only_letter, shadow_but};
use crate::cli::{dondoc, json, said, text};
use crate::postgres::{On, on_both};
use crate::world::{World, at};

on_both! {
    what_has_to_be_approved_waits_and_goes_out_when_it_is_released
}

/// The ladder whose second step has to be approved.
fn rules(approver: &str) -> String {
    ladder().replace(
        "template = \"overdue-2\"",
        &format!("template = \"overdue-2\"\napprove = \"{approver}\""),
    )
}

/// A province under it with tickets that were told L1 on 14/9; L2 is due on 16/9.
async fn province(on: On, approver: &str, tickets: &[(&str, &str)]) -> World {
    let mut world = Moods::default().province_on(on, &rules(approver), tickets).await;
    letters_of(&mut world, "2021-09-14", "2021-09-15").await;
    world
}

const HEALTH: (&str, &str) = ("T1", "Sở Y tế");
const HEALTH_TOO: (&str, &str) = ("T2", "Sở Y tế");

/// The letters of a turn, what tells of no ticket by its subject.
async fn turn(world: &mut World, when: &str) -> Vec<String> {
    world.turn(when).await;
    let mut lines: Vec<String> = world
        .letters()
        .iter()
        .map(|l| match l.told().next() {
            Some(_) => line(l),
            None => format!("{}: {}", l.to.join("+").replace("@tinh.example", ""), l.subject),
        })
        .collect();
    lines.sort();
    lines
}

/// Ids of the messages in a state, oldest first.
fn ids(world: &World, state: &str) -> Vec<String> {
    let list = json(&world.dir(), &["outbox", "list", "--state", state, "--json"]);
    let messages = list["messages"].as_array().expect("messages").iter();
    messages.map(|m| m["id"].as_str().expect("an id").to_owned()).collect()
}

fn done(world: &World, arguments: &[&str]) -> String {
    let output = dondoc(&world.dir(), arguments);
    assert!(output.status.success(), "{}", said(&output));
    text(&output)
}

const ASKED: &str = "[1022][Chờ duyệt] thư gửi Sở Y tế";
const LATE: &str = "[1022][Chờ duyệt] Quá một ngày làm việc: thư gửi Sở Y tế";

async fn what_has_to_be_approved_waits_and_goes_out_when_it_is_released(on: On) {
    let mut world = province(on, "office", &[HEALTH]).await;
    assert_eq!(turn(&mut world, "2021-09-16 08:00").await, [format!("vp: {ASKED}")]);
    let waits = ids(&world, "awaiting_approval");
    assert_eq!(waits.len(), 1);
    assert_eq!(turn(&mut world, "2021-09-16 08:30").await, [""; 0]);
    let release = done(&world, &["outbox", "release", &waits[0], "--at", "2021-09-16 08:40"]);
    assert!(release.contains("the next turn reads its tickets again"), "{release}");
    assert_eq!(
        turn(&mut world, "2021-09-16 08:45").await,
        ["giamdoc-syt digest: T1 overdue/L2"]
    );
    let sent = world.received().pop().expect("a mail");
    let sent = String::from_utf8_lossy(&sent.bytes).into_owned();
    assert!(sent.contains(&waits[0]), "the very message that was approved");
    assert_eq!(
        world.verdict("T1", "overdue", "L2", "2021-09-16 09:00").await,
        Verdict::AlreadyTold {
            at: at("2021-09-16 08:45")
        }
    );
    // From its acceptance the ladder goes on.
    assert_eq!(
        letters_of(&mut world, "2021-09-17", "2021-09-20").await,
        ["20/09 08:00 giamdoc-syt digest: T1 overdue/L3"]
    );
    let again = dondoc(&world.dir(), &["outbox", "release", &waits[0]]);
    assert_eq!(again.status.code(), Some(1), "it has gone");
}

#[tokio::test]
async fn the_rest_of_the_digest_does_not_wait_for_it() {
    let mut world = Moods::default()
        .province(
            &ladder().replace(
                "template = \"overdue-1\"",
                "template = \"overdue-1\"\napprove = \"ops\"",
            ),
            &[HEALTH],
        )
        .await;
    world.ticket("T3", "Sở Y tế", "2021-09-01 09:00").await;
    world.edit("rules/test.toml", |text| {
        text + "\n[[rule]]\nid = \"old\"\ntitle = \"Phiếu tồn\"\nwhen = \"aged\"\nthreshold = \"1wd\"\n\n[[rule.step]]\nid = \"A\"\nafter = \"1wd\"\nto = [\"agency:contact\"]\ntemplate = \"aged\"\n"
    })
    .await;
    assert_eq!(
        turn(&mut world, "2021-09-14 08:00").await,
        [format!("ops: {ASKED}"), "syt digest: T1 old/A, T3 old/A".to_owned()]
    );
}

#[tokio::test]
async fn not_released_within_a_working_day_ops_are_told_once_and_nothing_goes_up() {
    let mut world = province(On::Sqlite, "office", &[HEALTH]).await;
    let to_come = "-> agency:head of SYT by email -> SYT/head not before 2021-09-16 08:00, once approved by office";
    let explained = outlook(&world, "T1", "2021-09-15 22:00");
    assert!(explained.contains(&to_come.to_owned()), "{explained:#?}");
    assert_eq!(turn(&mut world, "2021-09-16 08:00").await, [format!("vp: {ASKED}")]);
    assert_eq!(turn(&mut world, "2021-09-16 16:00").await, [""; 0]);
    assert_eq!(turn(&mut world, "2021-09-17 08:00").await, [format!("ops: {LATE}")]);
    for day in ["17 16", "20 08", "21 08", "27 08", "29 08"] {
        let (date, hour) = day.split_once(' ').expect("a time");
        assert_eq!(turn(&mut world, &format!("2021-09-{date} {hour}:30")).await, [""; 0]);
    }
    let waits = Verdict::AwaitsApproval {
        step: "L2".into(),
        since: at("2021-09-16 08:00"),
    };
    for step in ["L2", "L3"] {
        let verdict = world.verdict("T1", "overdue", step, "2021-09-29 09:00").await;
        assert_eq!(verdict, waits, "{step}");
    }
    let explained = text(&dondoc(&world.dir(), &["explain", "T1"]));
    assert!(
        explained.contains("awaits_approval 2021-09-16 08:00: waiting for approval: step L2 waits for"),
        "{explained}"
    );
    let status = text(&dondoc(&world.dir(), &["status"]));
    assert!(
        status.contains("! 1 messages wait for approval, the oldest since 2021-09-16 08:00"),
        "{status}"
    );
}

#[tokio::test]
async fn what_is_not_so_any_more_when_it_is_released_is_shown_anew_instead() {
    let mut world = province(On::Sqlite, "ops", &[HEALTH, HEALTH_TOO]).await;
    assert_eq!(turn(&mut world, "2021-09-16 08:00").await, [format!("ops: {ASKED}")]);
    let first = ids(&world, "awaiting_approval").remove(0);
    world.answer("T2", "2021-09-16 08:20").await;
    done(&world, &["outbox", "release", &first, "--at", "2021-09-16 08:30"]);
    // T1 alone is left; who is asked was asked today already. T2's contact hears of its end tomorrow.
    assert_eq!(turn(&mut world, "2021-09-16 08:40").await, [""; 0]);
    let second = ids(&world, "awaiting_approval");
    assert_eq!(second.len(), 1);
    assert_ne!(second[0], first);
    let shown = done(&world, &["outbox", "show", &first]);
    assert!(
        shown.contains("replaced") && shown.contains(&format!("otherwise by now: {}", second[0])),
        "{shown}"
    );
    let shown = done(&world, &["outbox", "show", &second[0]]);
    assert!(shown.contains("1. T1") && !shown.contains("T2"), "{shown}");
    done(&world, &["outbox", "release", &second[0], "--at", "2021-09-16 08:50"]);
    assert_eq!(
        turn(&mut world, "2021-09-16 09:00").await,
        ["giamdoc-syt digest: T1 overdue/L2"]
    );
    assert_eq!(fates(&world, "T2").await, ["accepted: accepted", "replaced: "]);
}

#[tokio::test]
async fn a_day_later_the_letter_would_count_other_days_and_is_shown_anew() {
    let mut world = province(On::Sqlite, "ops", &[HEALTH]).await;
    turn(&mut world, "2021-09-16 08:00").await;
    let first = ids(&world, "awaiting_approval").remove(0);
    done(&world, &["outbox", "release", &first, "--at", "2021-09-16 21:00"]);
    // Released at night it is read again in the next window.
    assert_eq!(turn(&mut world, "2021-09-16 21:10").await, [""; 0]);
    assert_eq!(ids(&world, "released"), std::slice::from_ref(&first));
    assert_eq!(turn(&mut world, "2021-09-17 08:00").await, [format!("ops: {ASKED}")]);
    let second = ids(&world, "awaiting_approval").remove(0);
    done(&world, &["outbox", "release", &second, "--at", "2021-09-17 08:10"]);
    assert_eq!(
        turn(&mut world, "2021-09-17 08:20").await,
        ["giamdoc-syt digest: T1 overdue/L2"]
    );
}

#[tokio::test]
async fn released_when_all_of_it_is_over_it_ends_without_a_letter() {
    let mut world = province(On::Sqlite, "ops", &[HEALTH]).await;
    turn(&mut world, "2021-09-16 08:00").await;
    let id = ids(&world, "awaiting_approval").remove(0);
    world.answer("T1", "2021-09-16 08:20").await;
    done(&world, &["outbox", "release", &id, "--at", "2021-09-16 08:30"]);
    assert_eq!(turn(&mut world, "2021-09-16 08:40").await, [""; 0]);
    let shown = done(&world, &["outbox", "show", &id]);
    assert!(
        shown.contains("replaced") && shown.contains("none of it holds any more"),
        "{shown}"
    );
    assert_eq!(
        letters_of(&mut world, "2021-09-17", "2021-09-20").await,
        ["17/09 08:00 syt digest: T1 @settled/done"],
        "the head was never told"
    );
}

#[tokio::test]
async fn what_is_withdrawn_is_not_told_and_no_step_climbs_on_it_until_it_is_retried() {
    let mut world = province(On::Sqlite, "ops", &[HEALTH]).await;
    turn(&mut world, "2021-09-16 08:00").await;
    let id = ids(&world, "awaiting_approval").remove(0);
    done(
        &world,
        &[
            "outbox",
            "withdraw",
            &id,
            "--reason",
            "đã trao đổi",
            "--at",
            "2021-09-16 08:30",
        ],
    );
    assert_eq!(ids(&world, "withdrawn"), std::slice::from_ref(&id));
    assert_eq!(ids(&world, "cancelled"), [""; 0]);
    assert_eq!(letters_of(&mut world, "2021-09-16", "2021-09-28").await, [""; 0]);
    assert_eq!(
        world.verdict("T1", "overdue", "L2", "2021-09-28 09:00").await,
        Verdict::Withdrawn {
            at: at("2021-09-16 08:30")
        }
    );
    let above = world.verdict("T1", "overdue", "L3", "2021-09-28 09:00").await;
    assert_eq!(
        above,
        Verdict::BehindStep {
            step: "L2".into(),
            until: None
        }
    );
    let shown = done(&world, &["outbox", "show", &id]);
    assert!(shown.contains("withdrawn") && shown.contains("đã trao đổi"), "{shown}");
    let again = dondoc(&world.dir(), &["outbox", "release", &id]);
    assert_eq!(again.status.code(), Some(1), "it has ended");
    done(&world, &["outbox", "retry", &id]);
    assert_eq!(turn(&mut world, "2021-09-29 08:00").await, [format!("ops: {ASKED}")]);
    assert_eq!(ids(&world, "awaiting_approval").len(), 1, "it has to be approved still");
}

#[tokio::test]
async fn what_waits_for_approval_is_never_replaced_and_what_is_released_is_sent_as_it_is() {
    let moods = Moods::default();
    let mut world = moods.province(&rules("ops"), &[HEALTH]).await;
    letters_of(&mut world, "2021-09-14", "2021-09-15").await;
    turn(&mut world, "2021-09-16 08:00").await;
    let id = ids(&world, "awaiting_approval").remove(0);
    for day in ["2021-09-17 08:00", "2021-09-20 08:00"] {
        turn(&mut world, day).await;
        assert_eq!(ids(&world, "awaiting_approval"), std::slice::from_ref(&id));
    }
    done(&world, &["outbox", "release", &id, "--at", "2021-09-20 09:00"]);
    turn(&mut world, "2021-09-20 09:10").await;
    let id = ids(&world, "awaiting_approval").remove(0);
    moods.refuse("giamdoc", 451);
    done(&world, &["outbox", "release", &id, "--at", "2021-09-20 09:20"]);
    turn(&mut world, "2021-09-20 09:30").await;
    turn(&mut world, "2021-09-21 08:00").await;
    assert_eq!(ids(&world, "waiting"), std::slice::from_ref(&id));
    moods.well();
    assert_eq!(
        letters_of(&mut world, "2021-09-21", "2021-09-21").await,
        ["21/09 09:15 giamdoc-syt digest: T1 overdue/L2"]
    );
}

#[tokio::test]
async fn in_shadow_the_question_goes_to_the_box_too() {
    let mut world = province(On::Sqlite, "office", &[HEALTH]).await;
    shadow_but(&world, &[]);
    world.restart().await;
    let told = turn(&mut world, "2021-09-16 08:00").await;
    assert_eq!(told, ["chaythu digest: T1 overdue/L1"]);
    let before = world.received().len();
    for when in ["2021-09-20 08:00", "2021-09-21 08:00"] {
        turn(&mut world, when).await;
    }
    let subject = |mail: &Received| {
        let mail = MessageParser::default().parse(&mail.bytes).expect("a mail");
        mail.subject().expect("a subject").to_owned()
    };
    let asked: Vec<(Vec<String>, String)> = world.received()[before..]
        .iter()
        .map(|mail| (mail.to.clone(), subject(mail)))
        .collect();
    let boxed = |subject: &str| (vec![BOX.to_owned()], subject.to_owned());
    assert_eq!(
        asked,
        [
            boxed("[CHẠY THỬ] [1022][Chờ duyệt] thư gửi Sở Y tế"),
            boxed("[CHẠY THỬ] [1022][Chờ duyệt] Quá một ngày làm việc: thư gửi Sở Y tế"),
        ]
    );
    assert_eq!(ids(&world, "awaiting_approval").len(), 1);
}

#[tokio::test]
async fn a_post_waits_for_approval_like_a_letter() {
    let system = System::start().await;
    let rules = via(HOOK).replacen("template =", "approve = \"ops\"\ntemplate =", 1);
    let mut world = World::new(&rules).await;
    with_endpoints(&mut world, &[(SYT, system.endpoint("syt", ""))]).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-13 16:00").await;
    assert_eq!(turn(&mut world, "2021-09-14 08:00").await, [format!("ops: {ASKED}")]);
    assert_eq!(system.told(), [""; 0]);
    let id = ids(&world, "awaiting_approval").remove(0);
    done(&world, &["outbox", "release", &id, "--at", "2021-09-14 08:10"]);
    assert_eq!(turn(&mut world, "2021-09-14 08:20").await, [""; 0]);
    assert_eq!(system.told(), ["T1 overdue/L1"]);
}

#[tokio::test]
async fn who_approves_several_is_asked_by_one_letter_that_says_once_what_to_do() {
    let tickets = [HEALTH, ("T3", "Sở Xây dựng")];
    let mut world = province(On::Sqlite, "ops", &tickets).await;
    world.turn("2021-09-16 08:00").await;
    let letter = only_letter(&mut world);
    for name in ["Sở Y tế", "Sở Xây dựng"] {
        assert_eq!(
            letter.text.matches(&format!(", gửi {name}.")).count(),
            1,
            "{}",
            letter.text
        );
    }
    assert_eq!(
        letter.text.matches("dondoc outbox release").count(),
        1,
        "{}",
        letter.text
    );
    for id in ids(&world, "awaiting_approval") {
        assert!(letter.text.contains(&id), "{id}: {}", letter.text);
    }
}

#[tokio::test]
async fn what_is_urgent_is_shown_to_its_approver_at_once_though_todays_mail_has_gone() {
    let mut world = province(On::Sqlite, "office", &[HEALTH]).await;
    world
        .edit("rules/test.toml", |text| {
            text + "\n[[rule]]\nid = \"now\"\ntitle = \"Phiếu khẩn\"\nwhen = \"received\"\n\n[[rule.step]]\nid = \"N\"\nafter = \"1h\"\nurgent = true\nto = [\"agency:head\"]\ntemplate = \"received\"\napprove = \"office\"\n"
        })
        .await;
    assert_eq!(turn(&mut world, "2021-09-16 08:00").await, [format!("vp: {ASKED}")]);
    world.ticket("U1", "Sở Y tế", "2021-09-16 08:05").await;
    assert_eq!(turn(&mut world, "2021-09-16 08:30").await, [""; 0]);
    assert_eq!(turn(&mut world, "2021-09-16 09:05").await, [format!("vp: {ASKED}")]);
    assert_eq!(turn(&mut world, "2021-09-16 09:10").await, [""; 0], "once");
}

#[tokio::test]
async fn around_tet_the_office_is_not_asked_to_approve() {
    let rules = ladder().replace(
        "template = \"overdue-1\"",
        "template = \"overdue-1\"\napprove = \"office\"",
    );
    let mut world = World::new(&rules).await;
    world.turn("2022-01-10 07:00").await;
    // L1 on Friday 28/1, a quiet day as Monday 7/2 is: Tết 2022 is closed between.
    world.ticket("T1", "Sở Y tế", "2022-01-20 09:00").await;
    let mut asked = Vec::new();
    for when in [
        "2022-01-28 08:00",
        "2022-01-28 16:00",
        "2022-02-07 08:00",
        "2022-02-08 08:00",
    ] {
        let letters = turn(&mut world, when).await;
        asked.extend(
            letters
                .into_iter()
                .filter(|l| l.starts_with("vp"))
                .map(|l| format!("{when} {l}")),
        );
    }
    assert_eq!(asked, [format!("2022-02-08 08:00 vp: {ASKED}")]);
}
