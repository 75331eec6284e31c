//! The storm brake (`spec.md` §4): above `[limits]` notices wait before they are composed, and nothing is dropped.

use dondoc::domain::evaluate::Verdict;
use dondoc::domain::notice::Wait;

use super::delivery::{BUILDING, HEALTH, Moods};
use super::explained::explained;
use super::{ladder, letters_at, letters_of};
use crate::cli::{dondoc, text};
use crate::world::{FIVE_DAYS, LADDER, World};

const FINANCE: (&str, &str) = ("T3", "Sở Tài chính");

async fn limited(rules: &str, limits: &str) -> World {
    let mut world = Moods::default().province(rules, &[HEALTH, BUILDING, FINANCE]).await;
    world.append("dondoc.toml", &format!("[limits]\n{limits}")).await;
    world
}

#[tokio::test]
async fn above_the_limit_of_a_turn_messages_wait_for_later_ones_and_ops_are_told_once() {
    let mut world = limited(&ladder(), "messages_per_turn = 1").await;
    let first = world.turn("2021-09-14 08:00").await;
    assert_eq!(first.composed.messages, 1);
    assert_eq!(
        first.problems(),
        [
            "more messages are due than [limits] allows: 2 of them wait for later turns, with 2 notices; the urgent and the \
             oldest go first"
        ]
    );
    let status = text(&dondoc(&world.dir(), &["status"]));
    assert!(
        status.contains("! more messages are due than [limits] allows since 2021-09-14 08:00: 2 wait for later turns"),
        "{status}"
    );
    let waiting = [("T1", "SYT"), ("T2", "SXD"), ("T3", "STC")];
    let mut held = 0;
    for (code, _) in waiting {
        let verdict = world.verdict(code, "overdue", "L1", "2021-09-14 08:05").await;
        held += usize::from(matches!(verdict, Verdict::Waits { why: Wait::Brake, .. }));
    }
    assert_eq!(held, 2, "explain says so of those that wait");
    let wait =
        "waiting until 2021-09-14 08:00: there are more messages than [limits] allows; it goes as soon as they do";
    let mut shown = 0;
    for (code, unit) in waiting {
        let notice = format!("overdue/L1 agency:contact of {unit} by email -> {unit}/contact {wait}");
        shown += usize::from(explained(&world, code, "2021-09-14 08:05").contains(&notice));
    }
    assert_eq!(shown, 2, "and who will get it");
    let second = world.turn("2021-09-14 08:30").await;
    assert_eq!((second.composed.messages, second.problems().len()), (1, 0), "told once");
    // At noon the offices are closed; what was to go today goes when they open again.
    assert_eq!(
        letters_at(&mut world, &["2021-09-14 11:45"]).await.len(),
        2,
        "those of the morning"
    );
    let afternoon = letters_at(&mut world, &["2021-09-14 13:30", "2021-09-14 16:00"]).await;
    assert_eq!(afternoon.len(), 1, "{afternoon:?}");
    assert!(afternoon[0].starts_with("14/09 13:30 "), "{afternoon:?}");
    let status = text(&dondoc(&world.dir(), &["status"]));
    assert!(!status.contains("[limits]"), "{status}");
}

#[tokio::test]
async fn a_desk_gets_no_more_in_an_hour_than_is_allowed_and_others_do_not_wait_for_it() {
    let rules = ladder().replace("when = \"overdue\"", "when = \"overdue\"\ndigest = \"ticket\"");
    let mut world = limited(&rules, "messages_per_hour = 1").await;
    for code in ["T4", "T5"] {
        world.ticket(code, "Sở Y tế", "2021-09-06 09:00").await;
        world.change(code, "2021-09-13 16:10", "stage = NULL").await;
    }
    world.turn("2021-09-13 16:30").await;
    let told = letters_of(&mut world, "2021-09-14", "2021-09-14").await;
    let at = |hour: &str| told.iter().filter(|l| l.starts_with(hour)).count();
    assert_eq!((at("14/09 07:00"), at("14/09 07:30")), (3, 0), "{told:?}");
    assert_eq!((at("14/09 08:00"), at("14/09 09:15")), (1, 1), "{told:?}");
    assert_eq!(told.len(), 5, "{told:?}");
}

#[tokio::test]
async fn the_urgent_go_first_and_then_those_that_have_waited_longest() {
    let urgent = format!("{LADDER}{FIVE_DAYS}").replacen(
        "when = \"overdue\"\n",
        "when = \"overdue\"\ndigest = \"ticket\"\nwhere = { priority.not = [\"khẩn\"] }\n",
        1,
    ) + r#"
[[rule]]
id = "pressing"
title = "Phiếu khẩn"
when = "overdue"
where = { priority = "khẩn" }

[[rule.step]]
id = "U1"
after = "1wd"
to = ["agency:contact"]
template = "overdue-1"
urgent = true
"#;
    let mut world = limited(&urgent, "messages_per_turn = 1").await;
    world.change("T3", "2021-09-13 16:10", "priority = 'khẩn'").await;
    world.change("T1", "2021-09-13 16:10", "due_at = '2021-09-30'").await;
    let urgent_one = letters_at(&mut world, &["2021-09-14 06:00", "2021-09-14 07:00"]).await;
    assert_eq!(urgent_one, ["14/09 07:00 stc single: T3 pressing/U1"]);
    world.change("T1", "2021-09-14 07:01", "due_at = '2021-09-10'").await;
    assert_eq!(
        letters_at(
            &mut world,
            &["2021-09-14 07:01", "2021-09-14 07:02", "2021-09-14 07:03"]
        )
        .await,
        [
            "14/09 07:01 sxd single: T2 overdue/L1",
            "14/09 07:02 syt single: T1 overdue/L1",
        ]
    );
}
