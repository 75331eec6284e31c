//! Stories under simulated time: who is told what, when, and why not.

use crate::world::{FIVE_DAYS, LADDER, World};

fn ladder() -> String {
    format!("{LADDER}{FIVE_DAYS}")
}

#[tokio::test]
async fn a_ticket_nobody_answers_climbs_step_by_step() {
    let mut world = World::new(&ladder()).await;
    world.turn("2021-09-06 07:00").await;
    // Received on Monday, due five working days later: Monday 13/9.
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    let told = world.days("2021-09-07", "2021-09-30").await;
    assert_eq!(
        told,
        [
            "14/09 syt: T1 overdue/L1",
            "16/09 giamdoc-syt: T1 overdue/L2",
            "20/09 giamdoc-syt: T1 overdue/L3",
            "27/09 vp: T1 overdue/L4",
        ]
    );
    world.is_audited("2021-09-30 16:00").await;
}

#[tokio::test]
async fn an_answered_ticket_leaves_the_ladder_and_those_who_were_told_hear_of_it_once() {
    let mut world = World::new(&ladder()).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.days("2021-09-07", "2021-09-16").await;
    world.answer("T1", "2021-09-16 14:00").await;
    let told = world.days("2021-09-17", "2021-10-05").await;
    assert_eq!(
        told,
        ["17/09 giamdoc-syt: T1 @settled/done", "17/09 syt: T1 @settled/done"]
    );
    world.is_audited("2021-10-05 16:00").await;
}
