//! Every decision has a reason, also the one not to tell: each one that `explain` can give, for a ticket that has it.

use dondoc::demo::receiver::{Do, Step};
use dondoc::domain::evaluate::{Cap, Passed, Verdict};
use dondoc::domain::facts::Unconcerned;
use dondoc::domain::notice::Wait;

use super::{CONTACT, HEAD, NOTHING, OFFICE, begun, rule};
use crate::world::{FIVE_DAYS, LADDER, World, at};

fn late(more: &str, steps: &[(&str, &str, &str)]) -> String {
    rule("late", "overdue", more, steps) + FIVE_DAYS
}

/// A ticket of Sở Y tế of Monday 6/9, due on Monday 13/9, after one more change of its row.
async fn with_ticket(rules: &str, set: &str) -> World {
    let mut world = begun(rules).await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.change("T1", "2021-09-06 09:30", set).await;
    world.turn("2021-09-06 10:00").await;
    world
}

const AS_IT_IS: &str = "stage = NULL";

/// The reason in the words that ops read.
async fn reason(world: &World, step: &str, local: &str) -> String {
    world.verdict("T1", "late", step, local).await.reason()
}

// ---- not concerned

#[tokio::test]
async fn a_rule_for_others_says_that_its_where_does_not_hold() {
    let world = with_ticket(
        &late("where = { category = \"cccd\" }", &[("L1", "1wd", CONTACT)]),
        AS_IT_IS,
    )
    .await;
    assert_eq!(
        world.verdict("T1", "late", "L1", "2021-09-14 16:00").await,
        Verdict::NotConcerned(Unconcerned::Matcher)
    );
    assert_eq!(
        reason(&world, "L1", "2021-09-14 16:00").await,
        "the rule's `where` does not hold"
    );
}

#[tokio::test]
async fn what_the_operator_answered_is_never_chased() {
    let mut world = with_ticket(&late("", &[("L1", "1wd", CONTACT)]), "level = 1").await;
    assert_eq!(world.days("2021-09-14", "2021-09-20").await, NOTHING);
    assert_eq!(
        world.verdict("T1", "late", "L1", "2021-09-20 16:00").await,
        Verdict::NotConcerned(Unconcerned::Operator)
    );
}

#[tokio::test]
async fn what_is_closed_is_told_to_nobody_and_says_how_it_ended() {
    for (word, status) in [
        ("đã trả lời", "answered"),
        ("đóng", "closed"),
        ("từ chối", "rejected"),
        ("trùng", "void"),
    ] {
        let set = format!("status = '{word}'");
        let mut world = with_ticket(&late("", &[("L1", "1wd", CONTACT)]), &set).await;
        assert_eq!(world.days("2021-09-14", "2021-09-15").await, NOTHING, "{word}");
        assert_eq!(
            world.verdict("T1", "late", "L1", "2021-09-15 16:00").await,
            Verdict::NotConcerned(Unconcerned::NotOpen(status))
        );
        assert_eq!(
            reason(&world, "L1", "2021-09-15 16:00").await,
            format!("the ticket is {status}")
        );
    }
}

#[tokio::test]
async fn a_bad_rating_of_a_rejected_ticket_concerns_nobody() {
    let rules = rule("rated", "unsatisfied", "", &[("L1", "1wd", CONTACT)]);
    let rated = "rating = 'chưa hài lòng', rated_at = '2021-09-06 09:20:00'";
    for (word, status) in [("từ chối", "rejected"), ("trùng", "void")] {
        let world = with_ticket(&rules, &format!("{rated}, status = '{word}'")).await;
        assert_eq!(
            world.verdict("T1", "rated", "L1", "2021-09-07 16:00").await,
            Verdict::NotConcerned(Unconcerned::NotOpen(status))
        );
    }
}

#[tokio::test]
async fn a_good_rating_or_one_that_does_not_count_concerns_nobody() {
    let rules = rule("rated", "unsatisfied", "", &[("L1", "1wd", CONTACT)]);
    for set in [
        AS_IT_IS,
        "rating = 'hài lòng', rated_at = '2021-09-06 09:20:00'",
        "rating = 'chưa hài lòng', rated_at = '2021-09-06 09:20:00', rating_excluded = 1",
    ] {
        let world = with_ticket(&rules, set).await;
        assert_eq!(
            world.verdict("T1", "rated", "L1", "2021-09-07 16:00").await,
            Verdict::NotConcerned(Unconcerned::NotUnsatisfied),
            "{set}"
        );
    }
}

#[tokio::test]
async fn a_rating_from_before_the_first_turn_is_left_alone() {
    let rules = rule("rated", "unsatisfied", "", &[("L1", "1wd", CONTACT)]);
    let world = with_ticket(&rules, "rating = 'chưa hài lòng', rated_at = '2021-09-03 09:00:00'").await;
    assert_eq!(
        world.verdict("T1", "rated", "L1", "2021-09-07 16:00").await,
        Verdict::NotConcerned(Unconcerned::BeforeStart(at("2021-09-03 09:00")))
    );
}

#[tokio::test]
async fn events_count_from_the_instant_that_ops_wrote() {
    let mut world = World::new(&rule("new", "received", "", &[("L1", "0h", CONTACT)])).await;
    world
        .edit("dondoc.toml", |text| {
            format!("since = \"2021-09-01T00:00:00+07:00\"\n{text}")
        })
        .await;
    world.ticket("OLD", "Sở Y tế", "2021-08-31 23:59").await;
    world.ticket("NEW", "Sở Y tế", "2021-09-01 00:00").await;
    assert_eq!(world.days("2021-09-06", "2021-09-10").await, ["06/09 syt: NEW new/L1"]);
    assert_eq!(
        world.verdict("OLD", "new", "L1", "2021-09-10 16:00").await,
        Verdict::NotConcerned(Unconcerned::BeforeStart(at("2021-08-31 23:59")))
    );
}

#[tokio::test]
async fn without_a_date_and_without_a_policy_there_is_no_deadline() {
    let world = with_ticket(&rule("late", "overdue", "", &[("L1", "1wd", CONTACT)]), AS_IT_IS).await;
    assert_eq!(
        world.verdict("T1", "late", "L1", "2021-12-31 16:00").await,
        Verdict::NotConcerned(Unconcerned::NoDeadline)
    );
}

#[tokio::test]
async fn a_clock_that_stands_says_since_when() {
    let set = "status = 'chờ bổ sung', waiting_since = '2021-09-06 09:20:00'";
    let world = with_ticket(&late("", &[("L1", "1wd", CONTACT)]), set).await;
    assert_eq!(
        world.verdict("T1", "late", "L1", "2021-12-31 16:00").await,
        Verdict::NotConcerned(Unconcerned::Paused(at("2021-09-06 09:20")))
    );
}

#[tokio::test]
async fn an_agency_that_is_known_needs_no_assigning() {
    let world = with_ticket(&rule("lost", "unassigned", "", &[("L1", "1wd", OFFICE)]), AS_IT_IS).await;
    assert_eq!(
        world.verdict("T1", "lost", "L1", "2021-09-14 16:00").await,
        Verdict::NotConcerned(Unconcerned::Assigned)
    );
}

#[tokio::test]
async fn what_came_in_within_the_period_is_not_carried_over() {
    let world = with_ticket(&rule("rest", "carried_over", "", &[("L1", "1wd", CONTACT)]), AS_IT_IS).await;
    assert_eq!(
        world.verdict("T1", "rest", "L1", "2021-09-30 16:00").await,
        Verdict::NotConcerned(Unconcerned::OfThisPeriod)
    );
}

// ---- a step's way from "not yet" to "already told"

#[tokio::test]
async fn a_step_is_not_yet_due_then_told_then_waits_for_an_answer_and_then_is_told_already() {
    let mut world = with_ticket(&late("", &[("L1", "1wd", CONTACT)]), AS_IT_IS).await;
    let due = at("2021-09-14 07:00");
    assert_eq!(
        world.verdict("T1", "late", "L1", "2021-09-14 06:59").await,
        Verdict::NotYet { at: due }
    );
    assert_eq!(
        world.verdict("T1", "late", "L1", "2021-09-14 07:00").await,
        Verdict::Tell {
            opening: false,
            repetition: 0
        }
    );
    world.turn("2021-09-14 07:00").await;
    assert_eq!(
        world.verdict("T1", "late", "L1", "2021-09-14 07:30").await,
        Verdict::Waits {
            why: Wait::Hours,
            until: at("2021-09-14 08:00")
        },
        "waits for the digest"
    );
    world.turn("2021-09-14 08:00").await;
    let told = Verdict::AlreadyTold {
        at: at("2021-09-14 08:00"),
    };
    assert_eq!(world.verdict("T1", "late", "L1", "2021-09-14 16:00").await, told);
    assert_eq!(world.verdict("T1", "late", "L1", "2021-12-31 16:00").await, told);
}

#[tokio::test]
async fn a_message_without_an_answer_is_waited_for() {
    let script = |step: Step, _: &str| match step {
        Step::Recipient => Do::Reply(451, "later".into()),
        _ => Do::Go,
    };
    let mut world = World::with_mail_server(&late("", &[("L1", "1wd", CONTACT)]), script).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.days("2021-09-07", "2021-09-14").await;
    assert_eq!(
        world.verdict("T1", "late", "L1", "2021-09-14 16:00").await,
        Verdict::AwaitsAnswer {
            decided_at: at("2021-09-14 07:00")
        }
    );
}

#[tokio::test]
async fn a_late_first_sight_is_told_as_an_opening_and_the_next_step_waits_for_it() {
    let mut world = World::new(&late(
        "",
        &[("L1", "1wd", CONTACT), ("L2", "3wd", CONTACT), ("L3", "3wd", HEAD)],
    ))
    .await;
    world.ticket("T1", "Sở Y tế", "2021-07-05 09:00").await;
    world.turn("2021-09-04 10:00").await;
    world
        .rules(
            &late(
                "",
                &[("L1", "1wd", CONTACT), ("L2", "3wd", CONTACT), ("L3", "3wd", HEAD)],
            )
            .replace("\"late\"", "\"later\""),
        )
        .await;
    assert_eq!(
        world.verdict("T1", "later", "L1", "2021-09-04 10:30").await,
        Verdict::Tell {
            opening: true,
            repetition: 0
        }
    );
    for (step, before) in [("L2", "L1"), ("L3", "L2")] {
        assert_eq!(
            world.verdict("T1", "later", step, "2021-09-04 10:30").await,
            Verdict::BehindStep {
                step: before.into(),
                until: None
            },
            "{step}"
        );
    }
}

#[tokio::test]
async fn a_repetition_says_which_one_it_is() {
    let repeated = format!("{CONTACT}\nrepeat = {{ every = \"2wd\", times = 2 }}");
    let mut world = with_ticket(&late("", &[("L1", "1wd", &repeated)]), AS_IT_IS).await;
    world.days("2021-09-07", "2021-09-16").await;
    assert_eq!(
        world.verdict("T1", "late", "L1", "2021-09-20 07:00").await,
        Verdict::Tell {
            opening: false,
            repetition: 2
        }
    );
    assert_eq!(reason(&world, "L1", "2021-09-20 07:00").await, "due, repetition 2");
}

#[tokio::test]
async fn what_was_decided_in_vain_says_so() {
    let mut world = with_ticket(&late("", &[("L1", "1wd", CONTACT)]), AS_IT_IS).await;
    world.turn("2021-09-14 07:00").await;
    world.rules(FIVE_DAYS).await;
    world.turn("2021-09-14 08:00").await;
    world.rules(&late("", &[("L1", "1wd", CONTACT)])).await;
    assert_eq!(
        world.verdict("T1", "late", "L1", "2021-09-14 08:30").await,
        Verdict::Lapsed
    );
}

// ---- passed over

#[tokio::test]
async fn each_way_of_being_passed_over_has_its_reason() {
    let soon = rule(
        "soon",
        "due_soon",
        "",
        &[("A", "-3wd", CONTACT), ("B", "-1wd", CONTACT)],
    );
    let steps = [("L1", "1h", CONTACT), ("L2", "1wd", CONTACT), ("L3", "2wd", OFFICE)];
    let mut world = with_ticket(&(soon + &late("", &steps)), AS_IT_IS).await;
    // Down from 6/9 until 14/9, after the deadline, and again from then on until L3 is due.
    world.turn("2021-09-14 01:30").await;
    world.days("2021-09-14", "2021-09-20").await;
    for (rule, step, passed, words) in [
        ("soon", "A", Passed::DeadlineOver, "the deadline is over"),
        ("soon", "B", Passed::DeadlineOver, "the deadline is over"),
        (
            "late",
            "L1",
            Passed::SameDay,
            "a higher step reached the same recipient on the same day",
        ),
    ] {
        let verdict = world.verdict("T1", rule, step, "2021-09-20 16:00").await;
        assert_eq!(verdict, Verdict::PassedOver(passed), "{rule}/{step}");
        assert_eq!(verdict.reason(), words);
    }
    let mut world = with_ticket(&late("", &steps[..2]), AS_IT_IS).await;
    world.turn("2021-09-20 08:00").await;
    assert_eq!(
        world.verdict("T1", "late", "L1", "2021-09-20 16:00").await,
        Verdict::PassedOver(Passed::HigherStep)
    );
}

// ---- held up

#[tokio::test]
async fn a_step_behind_another_says_which_and_until_when() {
    let mut world = with_ticket(&late("", &[("L1", "1wd", CONTACT), ("L2", "1wd", HEAD)]), AS_IT_IS).await;
    world.turn("2021-09-14 07:00").await;
    assert_eq!(
        world.verdict("T1", "late", "L2", "2021-09-14 07:30").await,
        Verdict::BehindStep {
            step: "L1".into(),
            until: None
        }
    );
    assert_eq!(
        reason(&world, "L2", "2021-09-14 07:30").await,
        "step L1 has to be told first"
    );
    world.turn("2021-09-14 08:00").await;
    assert_eq!(
        world.verdict("T1", "late", "L2", "2021-09-14 08:30").await,
        Verdict::BehindStep {
            step: "L1".into(),
            until: Some(at("2021-09-16 07:00"))
        }
    );
    assert_eq!(
        reason(&world, "L2", "2021-09-14 08:30").await,
        "step L1 was told too recently (min_gap)"
    );
}

#[tokio::test]
async fn a_ladder_that_goes_no_higher_says_why() {
    for (set, first, second) in [
        (
            "status = 'tạm gác'",
            Verdict::Capped(Cap::UnmappedStatus),
            Verdict::Capped(Cap::UnmappedStatus),
        ),
        (
            "waiting_on = 'C06'",
            Verdict::Tell {
                opening: false,
                repetition: 0,
            },
            Verdict::Capped(Cap::WaitsOutside),
        ),
    ] {
        let world = with_ticket(&late("", &[("L1", "1wd", HEAD), ("L2", "1wd", OFFICE)]), set).await;
        assert_eq!(
            world.verdict("T1", "late", "L1", "2021-09-14 16:00").await,
            first,
            "{set}"
        );
        assert_eq!(
            world.verdict("T1", "late", "L2", "2021-09-14 16:00").await,
            second,
            "{set}"
        );
    }
}

#[tokio::test]
async fn a_step_without_anybody_to_write_to_says_whose_word_is_missing_or_that_nobody_is_meant() {
    let steps = [("L1", "1wd", CONTACT), ("L2", "1wd", r#"to = ["co_agencies:contact"]"#)];
    let unknown = |word: Option<&str>| Verdict::UnknownAgency {
        word: word.map(str::to_owned),
    };
    for (set, step, expected) in [
        ("agency = 'Sở Du lịch'", "L1", unknown(Some("Sở Du lịch"))),
        ("agency = NULL", "L1", unknown(None)),
        (AS_IT_IS, "L2", Verdict::NoRecipient),
        (
            "confidential = 1, co_agencies = 'Sở Xây dựng'",
            "L2",
            Verdict::NoRecipient,
        ),
    ] {
        let mut world = with_ticket(&late("", &steps), set).await;
        assert_eq!(
            world.verdict("T1", "late", step, "2021-09-14 16:00").await,
            expected,
            "{set}"
        );
        let told = world.days("2021-09-14", "2021-09-20").await;
        assert!(
            !told.iter().any(|t| t.ends_with(&format!("late/{step}"))),
            "{set}: {told:?}"
        );
    }
}

#[tokio::test]
async fn overdue_and_stale_steps_wait_while_the_database_shows_no_life() {
    let rules = late("", &[("L1", "1wd", CONTACT)])
        + &rule("still", "stale", "threshold = \"5wd\"", &[("L1", "6wd", CONTACT)])
        + &rule("old", "aged", "threshold = \"6wd\"", &[("L1", "6wd", CONTACT)]);
    let mut world = World::new(&rules).await;
    world
        .edit("dondoc.toml", |text| {
            text.replace("stale_after = 0", "stale_after = \"4wh\"")
        })
        .await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    // Nobody writes anything for more than a week.
    assert_eq!(world.days("2021-09-07", "2021-09-14").await, ["14/09 syt: T1 old/L1"]);
    for (rule, step) in [("late", "L1"), ("still", "L1")] {
        assert_eq!(
            world.verdict("T1", rule, step, "2021-09-14 16:00").await,
            Verdict::StaleSource,
            "{rule}"
        );
    }
    // Somebody writes about something else; what waited is told at once.
    world.ticket("T2", "Sở Xây dựng", "2021-09-15 07:30").await;
    world.turn("2021-09-15 07:45").await;
    world.turn("2021-09-15 08:00").await;
    assert_eq!(world.told(), ["syt: T1 late/L1", "syt: T1 still/L1"]);
}

#[tokio::test]
async fn a_repetition_waits_for_the_database_too() {
    let repeated = format!("{CONTACT}\nrepeat = {{ every = \"2wd\", times = 5 }}");
    let mut world = World::new(&late("", &[("L1", "1wd", &repeated)])).await;
    world
        .edit("dondoc.toml", |text| {
            text.replace("stale_after = 0", "stale_after = \"8wh\"")
        })
        .await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.ticket("T2", "Sở Xây dựng", "2021-09-14 07:00").await;
    assert_eq!(world.days("2021-09-07", "2021-09-17").await, ["14/09 syt: T1 late/L1"]);
    assert_eq!(
        world.verdict("T1", "late", "L1", "2021-09-17 16:00").await,
        Verdict::StaleSource
    );
}

#[tokio::test]
async fn a_status_word_that_ops_map_later_lets_the_ladder_go_on_though_no_row_changes() {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.change("T1", "2021-09-06 09:30", "status = 'tạm gác'").await;
    assert_eq!(
        world.days("2021-09-07", "2021-09-20").await,
        ["14/09 syt: T1 overdue/L1"],
        "no higher than contact"
    );
    world
        .edit("dondoc.toml", |text| {
            text.replace("\"mới\" = \"open\"", "\"mới\" = \"open\"\n\"tạm gác\" = \"open\"")
        })
        .await;
    assert_eq!(
        world.days("2021-09-21", "2021-09-21").await,
        ["21/09 giamdoc-syt: T1 overdue/L2"]
    );
    world
        .edit("dondoc.toml", |text| {
            text.replace("\"tạm gác\" = \"open\"", "\"tạm gác\" = \"closed\"")
        })
        .await;
    let told = world.days("2021-09-22", "2021-09-23").await;
    assert_eq!(
        told,
        ["22/09 giamdoc-syt: T1 @settled/done", "22/09 syt: T1 @settled/done"]
    );
}
