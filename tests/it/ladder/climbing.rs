//! How a ladder is climbed: what each step needs before it, what is passed over, and what never gets lost on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dondoc::demo::receiver::{Do, Step};
use dondoc::domain::evaluate::{Cap, Passed, Verdict};

use super::{CONTACT, HEAD, NOTHING, OFFICE, begun, rule};
use crate::world::{FIVE_DAYS, World, at};

/// Rule `late` about what is overdue; a ticket of Monday 6/9 is due on Monday 13/9.
fn late(steps: &[(&str, &str, &str)]) -> String {
    rule("late", "overdue", "", steps) + FIVE_DAYS
}

/// A mail server that answers `code` to mail for one address while the switch is on.
async fn with_answer(rules: &str, address: &'static str, code: u16) -> (World, Arc<AtomicBool>) {
    let refuses = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&refuses);
    let script = move |step: Step, to: &str| match step {
        Step::Recipient if to.starts_with(address) && switch.load(Ordering::SeqCst) => Do::Reply(code, "no".into()),
        _ => Do::Go,
    };
    let mut world = World::with_mail_server(rules, script).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    (world, refuses)
}

/// A province with these rules and a ticket of Sở Y tế that was seen in time.
async fn with_ticket(rules: &str) -> World {
    let mut world = begun(rules).await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-06 10:00").await;
    world
}

// ---- the step before

#[tokio::test]
async fn above_contact_two_working_days_lie_between_a_step_and_the_one_before() {
    let mut world = with_ticket(&late(&[
        ("L1", "1wd", CONTACT),
        ("L2", "2wd", HEAD),
        ("L3", "3wd", OFFICE),
    ]))
    .await;
    assert_eq!(
        world.days("2021-09-07", "2021-09-30").await,
        [
            "14/09 syt: T1 late/L1",
            "16/09 giamdoc-syt: T1 late/L2",
            "20/09 vp: T1 late/L3"
        ]
    );
}

#[tokio::test]
async fn a_step_may_have_another_gap() {
    let short = format!("{HEAD}\nmin_gap = \"1wd\"");
    let long = format!("{OFFICE}\nmin_gap = \"4wd\"");
    let mut world = with_ticket(&late(&[
        ("L1", "1wd", CONTACT),
        ("L2", "2wd", &short),
        ("L3", "3wd", &long),
    ]))
    .await;
    assert_eq!(
        world.days("2021-09-07", "2021-09-30").await,
        [
            "14/09 syt: T1 late/L1",
            "15/09 giamdoc-syt: T1 late/L2",
            "21/09 vp: T1 late/L3"
        ]
    );
}

#[tokio::test]
async fn working_days_of_a_gap_compare_dates_and_hours_count_from_the_minute() {
    let hours = format!("{HEAD}\nmin_gap = \"48h\"");
    let rules = rule("dates", "overdue", "", &[("L1", "1wd", CONTACT), ("L2", "1wd", HEAD)])
        + &rule("hours", "overdue", "", &[("L1", "1wd", CONTACT), ("L2", "1wd", &hours)])
        + FIVE_DAYS;
    let mut world = with_ticket(&rules).await;
    // Down until the afternoon of 14/9.
    world.turn("2021-09-14 16:30").await;
    for rule in ["dates", "hours"] {
        let verdict = world.verdict("T1", rule, "L2", "2021-09-14 16:40").await;
        let until = if rule == "dates" {
            "2021-09-16 07:00"
        } else {
            "2021-09-16 16:30"
        };
        let behind = Verdict::BehindStep {
            step: "L1".into(),
            until: Some(at(until)),
        };
        assert_eq!(verdict, behind, "{rule}");
    }
    world.told();
    assert_eq!(
        world.days("2021-09-15", "2021-09-17").await,
        ["16/09 giamdoc-syt: T1 dates/L2", "17/09 giamdoc-syt: T1 hours/L2"]
    );
}

#[tokio::test]
async fn contacts_and_ops_need_no_step_before_them() {
    let colleagues = r#"to = ["co_agencies:contact"]"#;
    let ops = r#"to = ["ops"]"#;
    let rules = late(&[("L1", "1wd", CONTACT), ("L2", "2wd", colleagues), ("L3", "3wd", ops)]);
    let mut world = with_ticket(&rules).await;
    world
        .change("T1", "2021-09-06 11:00", "co_agencies = 'Sở Xây dựng'")
        .await;
    assert_eq!(
        world.days("2021-09-07", "2021-09-30").await,
        [
            "14/09 syt: T1 late/L1",
            "15/09 sxd: T1 late/L2",
            "16/09 ops: T1 late/L3"
        ]
    );
}

#[tokio::test]
async fn the_first_step_of_a_rule_needs_nothing_before_it() {
    for (to, who) in [(HEAD, "giamdoc-syt"), (OFFICE, "vp")] {
        let mut world = with_ticket(&late(&[("L1", "1wd", to)])).await;
        assert_eq!(
            world.days("2021-09-07", "2021-09-20").await,
            [format!("14/09 {who}: T1 late/L1")]
        );
    }
}

#[tokio::test]
async fn a_contact_whose_server_refuses_for_good_is_dead_and_holds_nobody_up() {
    let rules = late(&[("L1", "1wd", CONTACT), ("L2", "2wd", HEAD)]);
    let (mut world, _) = with_answer(&rules, "syt@", 550).await;
    assert_eq!(
        world.days("2021-09-07", "2021-09-20").await,
        ["16/09 giamdoc-syt: T1 late/L2"],
        "two working days after the death"
    );
}

#[tokio::test]
async fn a_contact_whose_server_says_later_is_waited_for() {
    let rules = late(&[("L1", "1wd", CONTACT), ("L2", "2wd", HEAD)]);
    let (mut world, refuses) = with_answer(&rules, "syt@", 451).await;
    assert_eq!(world.days("2021-09-07", "2021-09-16").await, NOTHING);
    let behind = Verdict::BehindStep {
        step: "L1".into(),
        until: None,
    };
    assert_eq!(world.verdict("T1", "late", "L2", "2021-09-16 16:00").await, behind);
    refuses.store(false, Ordering::SeqCst);
    assert_eq!(
        world.days("2021-09-17", "2021-09-30").await,
        ["17/09 syt: T1 late/L1", "21/09 giamdoc-syt: T1 late/L2"]
    );
}

#[tokio::test]
async fn a_server_that_says_later_for_too_long_is_given_up_and_the_ladder_goes_on() {
    let rules = late(&[("L1", "1wd", CONTACT), ("L2", "2wd", HEAD)]);
    let (mut world, _) = with_answer(&rules, "syt@", 451).await;
    // 72 hours of open window are nine days.
    assert_eq!(
        world.days("2021-09-07", "2021-10-08").await,
        ["29/09 giamdoc-syt: T1 late/L2"]
    );
    let l1 = world.explained("T1", "2021-10-08 16:00").await.known.remove(0);
    assert_eq!(l1.told_at(), Some(at("2021-09-27 08:00")));
}

#[tokio::test]
async fn one_accepted_recipient_of_several_is_enough() {
    let both = r#"to = ["agency:contact", "co_agencies:contact"]"#;
    let (mut world, _) = with_answer(&late(&[("L1", "1wd", both), ("L2", "2wd", HEAD)]), "syt@", 451).await;
    world
        .change("T1", "2021-09-06 11:00", "co_agencies = 'Sở Xây dựng'")
        .await;
    assert_eq!(
        world.days("2021-09-07", "2021-09-17").await,
        ["14/09 sxd: T1 late/L1", "16/09 giamdoc-syt: T1 late/L2"]
    );
}

#[tokio::test]
async fn one_dead_recipient_of_several_is_not() {
    let both = r#"to = ["agency:contact", "co_agencies:contact"]"#;
    let script = |step: Step, to: &str| match step {
        Step::Recipient if to.starts_with("syt@") => Do::Reply(451, "no".into()),
        Step::Recipient if to.starts_with("sxd@") => Do::Reply(550, "no".into()),
        _ => Do::Go,
    };
    let mut world = World::with_mail_server(&late(&[("L1", "1wd", both), ("L2", "2wd", HEAD)]), script).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world
        .change("T1", "2021-09-06 11:00", "co_agencies = 'Sở Xây dựng'")
        .await;
    assert_eq!(world.days("2021-09-07", "2021-09-17").await, NOTHING);
    let behind = Verdict::BehindStep {
        step: "L1".into(),
        until: None,
    };
    assert_eq!(world.verdict("T1", "late", "L2", "2021-09-17 16:00").await, behind);
}

#[tokio::test]
async fn a_copy_that_was_accepted_does_not_count() {
    let copied = format!("{CONTACT}\ncc = [\"co_agencies:contact\"]");
    let (mut world, _) = with_answer(&late(&[("L1", "1wd", &copied), ("L2", "2wd", HEAD)]), "syt@", 451).await;
    world
        .change("T1", "2021-09-06 11:00", "co_agencies = 'Sở Xây dựng'")
        .await;
    assert_eq!(world.days("2021-09-07", "2021-09-17").await, ["14/09 sxd: T1 late/L1"]);
    let behind = Verdict::BehindStep {
        step: "L1".into(),
        until: None,
    };
    assert_eq!(world.verdict("T1", "late", "L2", "2021-09-17 16:00").await, behind);
}

#[tokio::test]
async fn what_ops_got_for_want_of_a_contact_counts_as_told() {
    let mut world = begun(&late(&[("L1", "1wd", CONTACT), ("L2", "2wd", OFFICE)])).await;
    world.ticket("T1", "Ban Quản lý khu kinh tế", "2021-09-06 09:00").await;
    assert_eq!(
        world.days("2021-09-07", "2021-09-20").await,
        ["14/09 ops: T1 late/L1", "16/09 vp: T1 late/L2"]
    );
}

// ---- steps that concern nobody

#[tokio::test]
async fn a_step_that_concerns_nobody_is_no_hurdle_and_hides_no_other() {
    let colleagues = r#"to = ["co_agencies:contact"]"#;
    let rules = late(&[
        ("L0", "1wd", colleagues),
        ("L1", "1wd", CONTACT),
        ("L1b", "1wd", colleagues),
        ("L2", "2wd", HEAD),
    ]);
    let mut world = with_ticket(&rules).await;
    assert_eq!(
        world.days("2021-09-07", "2021-09-20").await,
        ["14/09 syt: T1 late/L1", "16/09 giamdoc-syt: T1 late/L2"]
    );
    assert_eq!(
        world.verdict("T1", "late", "L0", "2021-09-14 07:30").await,
        Verdict::PassedOver(Passed::HigherStep)
    );
    // One that comes late starts at the first step that concerns somebody.
    world.ticket("T2", "Sở Xây dựng", "2021-09-06 09:00").await;
    assert_eq!(
        world.days("2021-09-21", "2021-09-30").await,
        ["21/09 sxd: T2 late/L1", "23/09 giamdoc-sxd: T2 late/L2"]
    );
}

#[tokio::test]
async fn a_sensitive_ticket_reaches_its_head_though_the_first_step_is_not_for_heads() {
    let ops = r#"to = ["ops"]"#;
    let mut world = with_ticket(&late(&[("L1", "1wd", ops), ("L2", "2wd", HEAD)])).await;
    world.change("T1", "2021-09-06 11:00", "confidential = 1").await;
    assert_eq!(
        world.days("2021-09-07", "2021-09-20").await,
        ["15/09 giamdoc-syt: T1 late/L2"]
    );
}

#[tokio::test]
async fn an_unknown_agency_at_a_higher_step_does_not_hide_the_lower_one() {
    let ops = r#"to = ["ops"]"#;
    let mut world = begun(&late(&[("L1", "1wd", ops), ("L2", "1wd", CONTACT)])).await;
    world.ticket("T1", "Sở Du lịch", "2021-09-06 09:00").await;
    assert_eq!(world.days("2021-09-07", "2021-09-20").await, ["14/09 ops: T1 late/L1"]);
}

// ---- after downtime

#[tokio::test]
async fn after_downtime_only_the_highest_step_is_told() {
    let mut world = with_ticket(&late(&[
        ("L1", "1wd", CONTACT),
        ("L2", "3wd", CONTACT),
        ("L3", "5wd", CONTACT),
    ]))
    .await;
    // Down from 6/9 until the day after L3 was due.
    assert_eq!(world.days("2021-09-21", "2021-09-24").await, ["21/09 syt: T1 late/L3"]);
    for step in ["L1", "L2"] {
        assert_eq!(
            world.verdict("T1", "late", step, "2021-09-24 16:00").await,
            Verdict::PassedOver(Passed::HigherStep)
        );
    }
}

#[tokio::test]
async fn after_downtime_no_step_is_skipped_that_a_higher_one_needs() {
    let steps = [("L1", "1wd", CONTACT), ("L2", "3wd", HEAD), ("L3", "5wd", OFFICE)];
    let mut world = with_ticket(&late(&steps)).await;
    assert_eq!(world.days("2021-09-07", "2021-09-14").await, ["14/09 syt: T1 late/L1"]);
    assert_eq!(
        world.days("2021-09-27", "2021-09-30").await,
        ["27/09 giamdoc-syt: T1 late/L2", "29/09 vp: T1 late/L3"]
    );
    let mut world = with_ticket(&late(&steps)).await;
    assert_eq!(
        world.days("2021-09-27", "2021-10-05").await,
        [
            "27/09 syt: T1 late/L1",
            "29/09 giamdoc-syt: T1 late/L2",
            "01/10 vp: T1 late/L3"
        ]
    );
}

#[tokio::test]
async fn of_two_steps_to_one_recipient_on_one_day_the_lower_is_passed_over() {
    let mut world = with_ticket(&late(&[
        ("L1", "1h", CONTACT),
        ("L2", "1wd", CONTACT),
        ("L3", "3wd", HEAD),
    ]))
    .await;
    world.turn("2021-09-14 01:30").await;
    assert_eq!(
        world.days("2021-09-14", "2021-09-20").await,
        ["14/09 syt: T1 late/L2", "16/09 giamdoc-syt: T1 late/L3"]
    );
    assert_eq!(
        world.verdict("T1", "late", "L1", "2021-09-14 16:00").await,
        Verdict::PassedOver(Passed::SameDay)
    );
}

// ---- first seen late

#[tokio::test]
async fn a_ticket_first_seen_late_starts_at_the_first_step_at_once() {
    let rules = late(&[("L1", "1wd", CONTACT), ("L2", "3wd", HEAD), ("L3", "5wd", OFFICE)]);
    let mut world = World::new(&rules).await;
    world.ticket("T1", "Sở Y tế", "2021-07-05 09:00").await;
    assert_eq!(
        world.days("2021-09-06", "2021-09-10").await,
        [
            "06/09 syt: T1 late/L1",
            "08/09 giamdoc-syt: T1 late/L2",
            "10/09 vp: T1 late/L3"
        ]
    );
    let opening: Vec<bool> = world
        .explained("T1", "2021-09-10 16:00")
        .await
        .known
        .iter()
        .map(|t| t.opening)
        .collect();
    assert_eq!(opening, [true, false, false]);
}

#[tokio::test]
async fn who_is_told_late_is_told_the_first_step_first_though_all_steps_are_his() {
    let rules = late(&[("L1", "1wd", CONTACT), ("L2", "3wd", CONTACT), ("L3", "5wd", CONTACT)]);
    let mut world = World::new(&rules).await;
    world.ticket("T1", "Sở Y tế", "2021-07-05 09:00").await;
    // Decided at the first turn; the row changes before the digest.
    world.turn("2021-09-06 06:00").await;
    world.change("T1", "2021-09-06 06:30", "stage = 'đã phân công'").await;
    assert_eq!(
        world.days("2021-09-06", "2021-09-10").await,
        ["06/09 syt: T1 late/L1", "07/09 syt: T1 late/L3"]
    );
}

#[tokio::test]
async fn a_new_rule_starts_at_its_first_step_for_all_tickets() {
    let mut world = with_ticket(FIVE_DAYS).await;
    world.days("2021-09-07", "2021-09-24").await;
    world.rules(&late(&[("L1", "1wd", CONTACT), ("L2", "3wd", HEAD)])).await;
    assert_eq!(
        world.days("2021-09-27", "2021-09-30").await,
        ["27/09 syt: T1 late/L1", "29/09 giamdoc-syt: T1 late/L2"]
    );
}

#[tokio::test]
async fn a_rule_by_another_name_goes_on_where_it_was() {
    let steps = [("L1", "1wd", CONTACT), ("L2", "3wd", HEAD)];
    let mut world = with_ticket(&late(&steps)).await;
    assert_eq!(world.days("2021-09-07", "2021-09-14").await, ["14/09 syt: T1 late/L1"]);
    world
        .rules(&(rule("tardy", "overdue", "was = [\"late\"]", &steps) + FIVE_DAYS))
        .await;
    assert_eq!(
        world.days("2021-09-15", "2021-09-20").await,
        ["16/09 giamdoc-syt: T1 tardy/L2"]
    );
}

#[tokio::test]
async fn a_transferred_ticket_starts_at_the_first_step_for_the_new_agency() {
    let mut world = with_ticket(&late(&[("L1", "1wd", CONTACT), ("L2", "3wd", HEAD)])).await;
    assert_eq!(
        world.days("2021-09-07", "2021-09-16").await,
        ["14/09 syt: T1 late/L1", "16/09 giamdoc-syt: T1 late/L2"]
    );
    world.change("T1", "2021-09-16 17:00", "agency = 'Sở Xây dựng'").await;
    let told = world.days("2021-09-17", "2021-09-24").await;
    let of_ladder: Vec<&String> = told.iter().filter(|t| t.contains("late/")).collect();
    assert_eq!(of_ladder, ["17/09 sxd: T1 late/L1", "21/09 giamdoc-sxd: T1 late/L2"]);
}

#[tokio::test]
async fn a_step_put_in_later_below_what_was_told_is_passed_over_and_one_above_is_climbed() {
    let mut world = with_ticket(&late(&[("L1", "1wd", CONTACT), ("L3", "8wd", OFFICE)])).await;
    assert_eq!(world.days("2021-09-07", "2021-09-15").await, ["14/09 syt: T1 late/L1"]);
    let steps = [
        ("L0", "0h", CONTACT),
        ("L1", "1wd", CONTACT),
        ("L2", "3wd", HEAD),
        ("L3", "8wd", OFFICE),
    ];
    world.rules(&late(&steps)).await;
    assert_eq!(
        world.days("2021-09-16", "2021-09-30").await,
        ["16/09 giamdoc-syt: T1 late/L2", "23/09 vp: T1 late/L3"]
    );
    assert_eq!(
        world.verdict("T1", "late", "L0", "2021-09-16 16:00").await,
        Verdict::PassedOver(Passed::HigherStep)
    );
}

#[tokio::test]
async fn a_role_added_later_is_told_from_the_next_step_on() {
    let steps = [("L1", "1wd", CONTACT), ("L2", "3wd", CONTACT)];
    let mut world = with_ticket(&late(&steps)).await;
    assert_eq!(world.days("2021-09-07", "2021-09-14").await, ["14/09 syt: T1 late/L1"]);
    let both = r#"to = ["agency:contact", "ops"]"#;
    world.rules(&late(&[("L1", "1wd", both), ("L2", "3wd", both)])).await;
    assert_eq!(
        world.days("2021-09-15", "2021-09-20").await,
        ["16/09 ops: T1 late/L2", "16/09 syt: T1 late/L2"]
    );
}

// ---- repeats

#[tokio::test]
async fn a_step_is_repeated_as_often_as_it_says_after_the_first_telling() {
    let repeated = format!("{CONTACT}\nrepeat = {{ every = \"2wd\", times = 2 }}");
    let mut world = with_ticket(&late(&[("L1", "1wd", &repeated)])).await;
    assert_eq!(
        world.days("2021-09-07", "2021-10-15").await,
        [
            "14/09 syt: T1 late/L1",
            "16/09 syt: T1 late/L1",
            "20/09 syt: T1 late/L1"
        ]
    );
}

#[tokio::test]
async fn repeats_end_when_the_next_step_is_told() {
    let repeated = format!("{CONTACT}\nrepeat = {{ every = \"1wd\", times = 9 }}");
    let again = format!("{HEAD}\nrepeat = {{ every = \"3wd\", times = 1 }}");
    let mut world = with_ticket(&late(&[("L1", "1wd", &repeated), ("L2", "3wd", &again)])).await;
    assert_eq!(
        world.days("2021-09-07", "2021-10-15").await,
        [
            "14/09 syt: T1 late/L1",
            "15/09 syt: T1 late/L1",
            "16/09 giamdoc-syt: T1 late/L2",
            "21/09 giamdoc-syt: T1 late/L2",
        ]
    );
}

#[tokio::test]
async fn missed_repeats_are_not_made_up_for() {
    let repeated = format!("{CONTACT}\nrepeat = {{ every = \"1wd\", times = 3 }}");
    let mut world = with_ticket(&late(&[("L1", "1wd", &repeated)])).await;
    assert_eq!(world.days("2021-09-07", "2021-09-14").await, ["14/09 syt: T1 late/L1"]);
    // Down for a week.
    assert_eq!(
        world.days("2021-09-22", "2021-10-15").await,
        [
            "22/09 syt: T1 late/L1",
            "23/09 syt: T1 late/L1",
            "24/09 syt: T1 late/L1"
        ]
    );
}

#[tokio::test]
async fn a_repeat_runs_from_the_last_acceptance_or_death() {
    let repeated = format!("{CONTACT}\nrepeat = {{ every = \"2wd\", times = 5 }}");
    let (mut world, refuses) = with_answer(&late(&[("L1", "1wd", &repeated)]), "syt@", 451).await;
    assert_eq!(world.days("2021-09-07", "2021-09-15").await, NOTHING);
    refuses.store(false, Ordering::SeqCst);
    assert_eq!(
        world.days("2021-09-16", "2021-09-20").await,
        ["16/09 syt: T1 late/L1", "20/09 syt: T1 late/L1"]
    );
    let (mut world, refuses) = with_answer(&late(&[("L1", "1wd", &repeated)]), "syt@", 550).await;
    assert_eq!(world.days("2021-09-07", "2021-09-15").await, NOTHING);
    refuses.store(false, Ordering::SeqCst);
    assert_eq!(world.days("2021-09-16", "2021-09-17").await, ["16/09 syt: T1 late/L1"]);
}

// ---- no higher than contact

#[tokio::test]
async fn what_waits_outside_the_province_stays_with_the_contact_also_in_repeats() {
    let repeated = format!("{HEAD}\nrepeat = {{ every = \"1wd\", times = 9 }}");
    let mut world = with_ticket(&late(&[("L1", "1wd", CONTACT), ("L2", "3wd", &repeated)])).await;
    assert_eq!(
        world.days("2021-09-07", "2021-09-16").await,
        ["14/09 syt: T1 late/L1", "16/09 giamdoc-syt: T1 late/L2"]
    );
    world.change("T1", "2021-09-16 17:00", "waiting_on = 'C06'").await;
    assert_eq!(world.days("2021-09-17", "2021-09-20").await, NOTHING);
    assert_eq!(
        world.verdict("T1", "late", "L2", "2021-09-20 16:00").await,
        Verdict::Capped(Cap::WaitsOutside)
    );
    world.change("T1", "2021-09-20 17:00", "waiting_on = NULL").await;
    assert_eq!(
        world.days("2021-09-21", "2021-09-21").await,
        ["21/09 giamdoc-syt: T1 late/L2"]
    );
}

#[tokio::test]
async fn what_waits_outside_the_province_reaches_the_office_when_it_is_old() {
    let rules = late(&[("L1", "1wd", CONTACT), ("L2", "3wd", OFFICE)])
        + &rule("old", "aged", "threshold = \"10wd\"", &[("L1", "10wd", OFFICE)]);
    let mut world = with_ticket(&rules).await;
    world.change("T1", "2021-09-06 11:00", "waiting_on = 'C06'").await;
    assert_eq!(
        world.days("2021-09-07", "2021-09-30").await,
        ["14/09 syt: T1 late/L1", "20/09 vp: T1 old/L1"]
    );
}

#[tokio::test]
async fn a_status_nobody_mapped_stays_with_the_contact() {
    let rules = late(&[("L1", "1wd", CONTACT), ("L2", "3wd", HEAD)])
        + &rule("old", "aged", "threshold = \"8wd\"", &[("L1", "8wd", OFFICE)]);
    let mut world = with_ticket(&rules).await;
    world.change("T1", "2021-09-06 11:00", "status = 'tạm gác'").await;
    assert_eq!(world.days("2021-09-07", "2021-09-30").await, ["14/09 syt: T1 late/L1"]);
    world.change("T1", "2021-09-30 17:00", "status = 'đang xử lý'").await;
    assert_eq!(
        world.days("2021-10-01", "2021-10-08").await,
        ["01/10 giamdoc-syt: T1 late/L2", "01/10 vp: T1 old/L1"]
    );
}

// ---- around a long closure

#[tokio::test]
async fn around_tet_nobody_above_a_contact_is_written_to_unless_it_is_urgent() {
    let soon = format!("{HEAD}\nmin_gap = \"1wd\"");
    let urgent = format!("{HEAD}\nurgent = true");
    let rules =
        late(&[("L1", "1wd", CONTACT), ("L2", "2wd", &soon)]) + &rule("now", "overdue", "", &[("U", "2wd", &urgent)]);
    let mut world = World::new(&rules).await;
    world.turn("2022-01-04 07:00").await;
    for (code, due_at) in [("A", "2022-01-26"), ("B", "2022-01-27"), ("C", "2022-01-28")] {
        world.ticket(code, "Sở Y tế", "2022-01-04 09:00").await;
        world
            .change(code, "2022-01-04 09:00", &format!("due_at = '{due_at}'"))
            .await;
    }
    // Tết is from Saturday 29/1 until Sunday 6/2: Friday 28/1 and Monday 7/2 are quiet.
    assert_eq!(
        world.days("2022-01-05", "2022-02-09").await,
        [
            "27/01 syt: A late/L1",
            "28/01 giamdoc-syt: A now/U",
            "28/01 syt: B late/L1",
            "07/02 giamdoc-syt: B now/U",
            "07/02 syt: C late/L1",
            "08/02 giamdoc-syt: A late/L2",
            "08/02 giamdoc-syt: B late/L2",
            "08/02 giamdoc-syt: C late/L2",
            "08/02 giamdoc-syt: C now/U",
        ]
    );
}

// ---- lapsed

#[tokio::test]
async fn what_was_decided_but_left_untold_lapses_and_waits_again_when_the_fact_returns() {
    let rules = late(&[("L1", "1wd", CONTACT), ("L2", "3wd", HEAD)]);
    let mut world = with_ticket(&rules).await;
    world.turn("2021-09-14 07:10").await;
    world.change("T1", "2021-09-14 07:20", "due_at = '2021-09-30'").await;
    world.turn("2021-09-14 08:00").await;
    assert_eq!(
        world.verdict("T1", "late", "L2", "2021-09-14 08:10").await,
        Verdict::NotYet {
            at: at("2021-10-05 07:00")
        }
    );
    assert_eq!(world.days("2021-09-15", "2021-09-15").await, NOTHING);
    // The date was a slip of the pen.
    world.change("T1", "2021-09-15 17:00", "due_at = NULL").await;
    assert_eq!(
        world.days("2021-09-16", "2021-09-20").await,
        ["16/09 syt: T1 late/L1", "20/09 giamdoc-syt: T1 late/L2"]
    );
}

#[tokio::test]
async fn what_waited_of_a_removed_rule_lapses_and_waits_again_with_the_rule() {
    let rules = late(&[("L1", "1wd", CONTACT)]);
    let mut world = with_ticket(&rules).await;
    world.turn("2021-09-14 07:10").await;
    world.rules(FIVE_DAYS).await;
    world.turn("2021-09-14 08:00").await;
    assert_eq!(world.days("2021-09-15", "2021-09-15").await, NOTHING);
    world.rules(&rules).await;
    assert_eq!(world.days("2021-09-16", "2021-09-20").await, ["16/09 syt: T1 late/L1"]);
}

#[tokio::test]
async fn what_a_later_reading_of_the_deadline_unsays_waits_until_it_is_late_again() {
    let mut world = with_ticket(&late(&[("L1", "1h", CONTACT)])).await;
    world
        .change("T1", "2021-09-06 11:00", "due_at = '2021-09-13 15:00:00'")
        .await;
    world.turn("2021-09-13 08:00").await;
    world.turn("2021-09-13 16:10").await;
    // Only the date counts.
    world
        .edit("dondoc.toml", |text| {
            text.replacen("stale_after = 0", "stale_after = 0\ndue_precision = \"day\"", 1)
        })
        .await;
    world.turn("2021-09-13 16:20").await;
    assert_eq!(
        world.verdict("T1", "late", "L1", "2021-09-13 16:30").await,
        Verdict::Lapsed
    );
    assert_eq!(world.days("2021-09-14", "2021-09-20").await, ["14/09 syt: T1 late/L1"]);
}
