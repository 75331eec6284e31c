//! Telling, notice, message (`spec.md` §4): decided once, kept through all messages, lapsed and waiting again.

use dondoc::demo::receiver::{Do, Step};
use dondoc::domain::notice::NoticeState;

use super::explained::explained;
use super::{ladder, letters_at, letters_of, only_letter, province_with_a_ticket};
use crate::world::{World, at};

/// States of a ticket's notices, as `rule/step role: state`.
async fn notices(world: &World, code: &str) -> Vec<String> {
    let mut all = world.store().tellings(&[code.to_owned()]).await.expect("tellings");
    all.remove(code)
        .unwrap_or_default()
        .iter()
        .flat_map(|t| {
            let key = format!("{}/{}", t.key.rule, t.key.step);
            t.notices
                .iter()
                .map(move |n| format!("{key} {}: {}", n.role, n.state.word()))
        })
        .collect()
}

#[tokio::test]
async fn a_telling_is_decided_once_however_often_and_by_whichever_process_it_is_looked_at() {
    let mut world = province_with_a_ticket().await;
    let mut told = letters_of(&mut world, "2021-09-14", "2021-09-14").await;
    world.restart().await;
    told.extend(letters_at(&mut world, &["2021-09-14 22:00", "2021-09-15 08:00"]).await);
    world.change("T1", "2021-09-15 09:00", "category = 'y tế'").await;
    told.extend(letters_of(&mut world, "2021-09-15", "2021-09-15").await);
    assert_eq!(told, ["14/09 08:00 syt digest: T1 overdue/L1"]);
    assert_eq!(notices(&world, "T1").await, ["overdue/L1 agency:contact: accepted"]);
}

#[tokio::test]
async fn roles_added_to_a_step_are_told_from_the_next_step_on() {
    let mut world = province_with_a_ticket().await;
    let mut told = letters_of(&mut world, "2021-09-14", "2021-09-15").await;
    let more = ladder()
        .replace(r#"["agency:contact"]"#, r#"["agency:contact", "id:SXD:contact"]"#)
        .replace(r#"["agency:head"]"#, r#"["agency:head", "id:SXD:contact"]"#);
    world.rules(&more).await;
    told.extend(letters_of(&mut world, "2021-09-15", "2021-09-17").await);
    assert_eq!(
        told,
        [
            "14/09 08:00 syt digest: T1 overdue/L1",
            "16/09 08:00 giamdoc-syt digest: T1 overdue/L2",
            "16/09 08:00 sxd digest: T1 overdue/L2",
        ]
    );
}

#[tokio::test]
async fn a_notice_keeps_its_first_attempt_through_all_its_messages() {
    let refusing = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let refuses = refusing.clone();
    let mut world = World::with_mail_server(&ladder(), move |step, _| {
        if step == Step::Recipient && refuses.load(std::sync::atomic::Ordering::SeqCst) {
            Do::Reply(451, "greylisted".to_owned())
        } else {
            Do::Go
        }
    })
    .await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    assert!(letters_of(&mut world, "2021-09-14", "2021-09-15").await.is_empty());
    refusing.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(
        letters_at(&mut world, &["2021-09-16 08:00"]).await,
        ["16/09 08:00 syt digest: T1 overdue/L1"]
    );
    let tellings = world.store().tellings(&["T1".to_owned()]).await.expect("tellings");
    let notice = &tellings["T1"][0].notices[0];
    assert_eq!(notice.state, NoticeState::Accepted);
    assert_eq!(notice.first_attempt_at, Some(at("2021-09-14 08:00")));
    let messages = world.store().messages_of_ticket("T1").await.expect("messages");
    let states: Vec<&str> = messages.iter().map(|m| m.state.as_str()).collect();
    assert_eq!(states, ["replaced", "replaced", "accepted"]);
}

#[tokio::test]
async fn what_is_over_before_the_digest_lapses_and_waits_again_when_fact_and_occurrence_return() {
    let mut world = province_with_a_ticket().await;
    world.turn("2021-09-14 07:00").await;
    world.change("T1", "2021-09-14 07:10", "due_at = '2021-09-20'").await;
    assert!(
        letters_at(&mut world, &["2021-09-14 07:30", "2021-09-14 08:00"])
            .await
            .is_empty()
    );
    assert_eq!(notices(&world, "T1").await, ["overdue/L1 agency:contact: lapsed"]);
    // The later deadline was a slip of the hand.
    world.change("T1", "2021-09-14 14:00", "due_at = NULL").await;
    assert_eq!(
        letters_of(&mut world, "2021-09-15", "2021-09-15").await,
        ["15/09 08:00 syt digest: T1 overdue/L1"]
    );
    assert_eq!(notices(&world, "T1").await, ["overdue/L1 agency:contact: accepted"]);
}

#[tokio::test]
async fn a_ticket_gone_from_the_source_is_not_told_and_goes_on_where_it_was_when_it_is_back() {
    let mut world = province_with_a_ticket().await;
    let mut told = letters_of(&mut world, "2021-09-14", "2021-09-15").await;
    world.turn("2021-09-16 07:00").await;
    world.sql("CREATE TABLE kept AS SELECT * FROM ticket").await;
    world.sql("DELETE FROM ticket").await;
    // A process that starts sweeps; absent from two sweeps is gone.
    for time in ["2021-09-16 07:10", "2021-09-16 07:20"] {
        world.restart().await;
        world.turn(time).await;
    }
    assert_eq!(
        notices(&world, "T1").await,
        ["overdue/L1 agency:contact: accepted", "overdue/L2 agency:head: lapsed"]
    );
    told.extend(letters_of(&mut world, "2021-09-16", "2021-09-16").await.into_iter());
    world.sql("INSERT INTO ticket SELECT * FROM kept").await;
    told.extend(letters_of(&mut world, "2021-09-17", "2021-09-17").await);
    assert_eq!(
        told,
        [
            "14/09 08:00 syt digest: T1 overdue/L1",
            "17/09 08:00 giamdoc-syt digest: T1 overdue/L2",
        ]
    );
}

#[tokio::test]
async fn a_removed_rule_tells_nothing_more_and_a_rule_that_is_back_tells_what_it_had_not() {
    let mut world = province_with_a_ticket().await;
    world.turn("2021-09-14 07:00").await;
    world.rules("").await;
    assert!(letters_of(&mut world, "2021-09-14", "2021-09-15").await.is_empty());
    assert_eq!(notices(&world, "T1").await, ["overdue/L1 agency:contact: lapsed"]);
    world.rules(&ladder()).await;
    assert_eq!(
        letters_of(&mut world, "2021-09-16", "2021-09-16").await,
        ["16/09 08:00 syt digest: T1 overdue/L1"]
    );
}

#[tokio::test]
async fn a_renamed_rule_repeats_nothing_and_goes_on_counting() {
    let mut world = province_with_a_ticket().await;
    letters_of(&mut world, "2021-09-14", "2021-09-15").await;
    let renamed = ladder().replace("id = \"overdue\"", "id = \"qua-han\"\nwas = [\"overdue\"]");
    world.rules(&renamed).await;
    assert_eq!(letters_of(&mut world, "2021-09-15", "2021-09-15").await, [""; 0]);
    world.turn("2021-09-16 08:00").await;
    let letter = only_letter(&mut world);
    assert_eq!(super::line(&letter), "giamdoc-syt digest: T1 qua-han/L2");
    assert!(letter.subject.contains("Nhắc lần 2"), "{}", letter.subject);
    assert!(letter.text.contains("đã nhắc ngày 14/09/2021"), "{}", letter.text);
}

#[tokio::test]
async fn a_removed_step_is_not_told_any_more_and_the_ladder_goes_on_above_it() {
    let mut world = province_with_a_ticket().await;
    world.turn("2021-09-14 07:00").await;
    let first = ladder().find("[[rule.step]]").expect("L1");
    let second = ladder().find("[[rule.step]]\nid = \"L2\"").expect("L2");
    let without_first = format!("{}{}", &ladder()[..first], &ladder()[second..]);
    world.rules(&without_first).await;
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-17").await,
        ["16/09 08:00 giamdoc-syt digest: T1 overdue/L2"]
    );
    assert_eq!(
        notices(&world, "T1").await,
        ["overdue/L1 agency:contact: lapsed", "overdue/L2 agency:head: accepted"]
    );
    world.is_audited("2021-09-17 22:00").await;
}

#[tokio::test]
async fn a_changed_configuration_sends_nothing_before_its_time() {
    let mut world = province_with_a_ticket().await;
    letters_of(&mut world, "2021-09-14", "2021-09-15").await;
    let signed = |text: String| text.replace("signature = \"Trung tâm\"", "signature = \"Trung tâm 1022\"");
    // At 07:10 L2 has been decided and its digest comes at 08:00.
    world.turn("2021-09-16 07:00").await;
    world.edit("dondoc.toml", signed).await;
    assert_eq!(
        letters_at(
            &mut world,
            &["2021-09-16 07:10", "2021-09-16 07:59", "2021-09-16 08:00"]
        )
        .await,
        ["16/09 08:00 giamdoc-syt digest: T1 overdue/L2"]
    );
    // What is seen after the digest waits for the next day's, also across a restart.
    world.ticket("T2", "Sở Y tế", "2021-09-01 09:00").await;
    world.turn("2021-09-16 10:00").await;
    world
        .edit("agencies.toml", |text| {
            text.replace("short = \"SYT\"", "short = \"S.Y.T\"")
        })
        .await;
    assert_eq!(
        letters_of(&mut world, "2021-09-17", "2021-09-17").await,
        ["17/09 08:00 syt digest: T2 overdue/L1"]
    );
}

#[tokio::test]
async fn another_hour_of_the_digest_holds_for_what_waits_already() {
    for hour in ["07:30", "09:15"] {
        let mut world = province_with_a_ticket().await;
        world.turn("2021-09-14 07:00").await;
        let from = "from_name = \"Trung tâm\"";
        world
            .edit("dondoc.toml", |text| {
                text.replace(from, &format!("{from}\ndigest_at = \"{hour}\""))
            })
            .await;
        assert_eq!(
            letters_of(&mut world, "2021-09-14", "2021-09-15").await,
            [format!("14/09 {hour} syt digest: T1 overdue/L1")]
        );
    }
}

const NUDGE: &str = r#"
[[rule]]
id = "stale"
title = "Phiếu lâu không được cập nhật"
when = "stale"
threshold = "3wd"
unless = ["overdue", "due_soon"]

[[rule.step]]
id = "nudge"
after = "3wd"
to = ["agency:contact"]
template = "stale"
"#;

#[tokio::test]
async fn what_is_late_or_due_by_tomorrow_is_not_asked_after_by_a_second_rule() {
    let mut world = World::new(&format!("{NUDGE}\n[[deadline]]\nid = \"normal\"\ndue = \"5wd\"\n")).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("LATE", "Sở Y tế", "2021-09-06 09:00").await;
    world.ticket("TIME", "Sở Y tế", "2021-09-06 09:00").await;
    world
        .change("TIME", "2021-09-06 10:00", "due_at = '2021-09-30 17:00:00'")
        .await;
    // Due on the 13th, LATE was last touched on the 6th, and is due too soon when a nudge would be due, and late after it.
    world.change("LATE", "2021-09-08 10:00", "title = 'khác'").await;
    assert_eq!(
        world.days("2021-09-06", "2021-09-17").await,
        ["09/09 syt: TIME stale/nudge"]
    );
    let said = explained(&world, "LATE", "2021-09-17 09:00").join("\n");
    assert!(
        said.contains("`unless`: overdue holds, which other rules tell of"),
        "{said}"
    );
}
