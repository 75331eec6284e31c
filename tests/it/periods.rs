//! Month ends: what is frozen when, what still counts while it is checked, and what never changes again.

use dondoc::domain::figures::Figure;
use dondoc::domain::time::Period;
use serde_json::Value;

use crate::cli::{dondoc, json, said, text};
use crate::postgres::{On, on_both};
use crate::world::{FIVE_DAYS, LADDER, World};

fn ladder() -> String {
    format!("{LADDER}{FIVE_DAYS}")
}

/// Tickets of September 2021: T1 and T2 open, T3 answered in time.
async fn september() -> World {
    let mut world = World::new(&ladder()).await;
    world.turn("2021-09-06 07:00").await;
    for (code, agency) in [("T1", "Sở Y tế"), ("T2", "Sở Xây dựng"), ("T3", "Sở Tài chính")] {
        world.ticket(code, agency, "2021-09-06 09:00").await;
    }
    world.turn("2021-09-07 16:00").await;
    world.answer("T3", "2021-09-08 10:00").await;
    world.turn("2021-09-08 16:00").await;
    world
}

/// Each revision of a period with what was received in it and what was open at its end.
async fn frozen(world: &World, period: &str) -> Vec<(i64, Option<i64>, Option<i64>)> {
    let period: Period = period.parse().expect("a period");
    let snapshots = world.store().snapshots(period).await.expect("snapshots");
    snapshots
        .iter()
        .map(|s| {
            let of = |figure: Figure| figure.value(&s.figures);
            (s.revision, of(Figure::Total), of(Figure::UnderFollowUp))
        })
        .collect()
}

fn report(world: &World, more: &[&str]) -> Value {
    let arguments = [&["report", "--month", "2021-09", "--format", "json"], more].concat();
    json(&world.dir(), &arguments)
}

on_both! { a_period_is_frozen_at_its_end_and_for_good_when_it_has_been_checked }

async fn a_period_is_frozen_at_its_end_and_for_good_when_it_has_been_checked(on: On) {
    let mut world = september().await.on(on).await;
    world.turn("2021-09-30 23:59").await;
    assert_eq!(frozen(&world, "2021-09").await, []);
    assert_eq!(report(&world, &[])["state"], "open");
    world.turn("2021-10-01 00:00").await;
    assert_eq!(frozen(&world, "2021-09").await, [(0, Some(3), Some(2))]);
    // While it is checked: what was answered in time is entered, and what had come in before the end.
    world
        .change(
            "T1",
            "2021-10-01 09:00",
            "status = 'đã trả lời', answered_at = '2021-09-29 10:00:00'",
        )
        .await;
    world.ticket("T4", "Sở Y tế", "2021-09-30 15:00").await;
    world.change("T4", "2021-10-01 09:30", "kind = NULL").await;
    world.turn("2021-10-04 16:00").await;
    assert_eq!(frozen(&world, "2021-09").await, [(0, Some(3), Some(2))]);
    let shown = report(&world, &[]);
    assert_eq!(
        (&shown["state"], &shown["revision"], &shown["total"]),
        (&"provisional".into(), &0.into(), &3.into()),
        "what is shown is what was frozen"
    );
    world.turn("2021-10-05 00:00").await;
    world.turn("2021-10-05 08:00").await;
    let both = [(0, Some(3), Some(2)), (1, Some(4), Some(2))];
    assert_eq!(frozen(&world, "2021-09").await, both);
    let shown = report(&world, &[]);
    assert_eq!(
        (
            &shown["state"],
            &shown["revision"],
            &shown["total"],
            &shown["under_follow_up"]
        ),
        (&"final".into(), &1.into(), &4.into(), &2.into())
    );
    assert_eq!(report(&world, &["--revision", "0"])["total"], 3);
    let none = dondoc(&world.dir(), &["report", "--month", "2021-09", "--revision", "7"]);
    assert_eq!(
        (none.status.code(), said(&none).contains("no revision 7")),
        (Some(1), true)
    );
    // Answered in October, and void in October: September stays as it was.
    world.answer("T2", "2021-10-06 10:00").await;
    world.change("T4", "2021-10-06 10:00", "status = 'trùng'").await;
    world.turn("2021-10-06 16:00").await;
    let revise = |reason: &str, at: &str| {
        let arguments = [
            "report", "--month", "2021-09", "--revise", reason, "--author", "Lan", "--at", at,
        ];
        dondoc(&world.dir(), &arguments)
    };
    let same = revise("rà soát", "2021-10-06 17:00");
    assert_eq!(
        text(&same),
        "2021-09: nothing has changed since revision 1\n",
        "{}",
        said(&same)
    );
    assert_eq!(frozen(&world, "2021-09").await, both);
    // What turns out later to have been otherwise then is a revision, with who and why.
    world
        .change(
            "T1",
            "2021-10-07 09:00",
            "rating = 'Chưa hài lòng', rated_at = '2021-09-30 10:00:00'",
        )
        .await;
    world.turn("2021-10-07 16:00").await;
    let revise = |reason: &str, at: &str| {
        let arguments = [
            "report", "--month", "2021-09", "--revise", reason, "--author", "Lan", "--at", at,
        ];
        dondoc(&world.dir(), &arguments)
    };
    let revised = revise("bổ sung đánh giá", "2021-10-07 17:00");
    assert_eq!(
        text(&revised),
        "2021-09: revision 2\n  unsatisfied: 1 instead of 0\n",
        "{}",
        said(&revised)
    );
    let shown = report(&world, &[]);
    assert_eq!((&shown["revision"], &shown["unsatisfied"]), (&2.into(), &1.into()));
    let snapshots = world
        .store()
        .snapshots("2021-09".parse().expect("a period"))
        .await
        .expect("snapshots");
    let last = snapshots.last().expect("one");
    assert_eq!(
        (last.made_by.as_deref(), last.reason.as_deref()),
        (Some("Lan"), Some("bổ sung đánh giá"))
    );
}

#[tokio::test]
async fn month_ends_that_were_missed_while_nothing_ran_are_made_up_each_once() {
    let mut world = september().await;
    world.ticket("T5", "Sở Y tế", "2021-10-15 09:00").await;
    // One period a turn, behind what is to be told.
    world.turn("2021-11-10 08:00").await;
    assert_eq!(frozen(&world, "2021-10").await, []);
    for time in ["2021-11-10 08:10", "2021-11-10 08:30"] {
        world.turn(time).await;
        assert_eq!(
            frozen(&world, "2021-09").await,
            [(0, Some(3), Some(2)), (1, Some(3), Some(2))]
        );
        assert_eq!(
            frozen(&world, "2021-10").await,
            [(0, Some(1), Some(3)), (1, Some(1), Some(3))]
        );
        assert_eq!(frozen(&world, "2021-11").await, []);
    }
    assert_eq!(
        frozen(&world, "2021-08").await,
        [],
        "before the first turn nothing was watched"
    );
}

#[tokio::test]
async fn what_was_not_read_since_the_end_of_a_period_is_not_frozen() {
    let mut world = september().await;
    world.lose_source().await;
    world.turn("2021-10-01 00:00").await;
    assert_eq!(frozen(&world, "2021-09").await, []);
    world.regain_source().await;
    world.turn("2021-10-01 07:00").await;
    assert_eq!(frozen(&world, "2021-09").await, [(0, Some(3), Some(2))]);
}

#[tokio::test]
async fn a_process_killed_at_any_point_of_a_month_end_leaves_one_snapshot_of_each_kind() {
    let mut world = september().await;
    let mut polls = 1;
    while world.turn_killed_after("2021-10-05 08:00", polls).await {
        polls += 9;
    }
    assert!(polls > 60, "the turn was over after {polls} steps");
    world.turn("2021-10-05 08:10").await;
    assert_eq!(
        frozen(&world, "2021-09").await,
        [(0, Some(3), Some(2)), (1, Some(3), Some(2))]
    );
}
