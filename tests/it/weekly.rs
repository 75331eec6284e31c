//! Stories of the weekly digest: who waits for the week's list, and who is told on the day.

use crate::world::World;

/// Every ticket from its first working day on, each week, on the week's list. Five working days to answer.
const WEEKLY: &str = r#"
[[rule]]
id = "list"
title = "Phiếu đang theo dõi"
when = "aged"
threshold = "1wd"
digest = { at = "week", also_when = ["overdue", "received"] }

[[rule.step]]
id = "list"
after = "1wd"
to = ["id:SYT:contact"]
repeat = { every = "5wd", times = 50 }
template = "cccd"

[[deadline]]
id = "normal"
due = "7wd"
"#;

#[tokio::test]
async fn what_waits_for_the_weeks_list_is_told_on_the_day_it_becomes_late() {
    let mut world = World::new(WEEKLY).await;
    world.turn("2021-08-02 07:00").await;
    // A Tuesday; the deadline is Thursday of the week after.
    world.ticket("DT1", "SXD", "2021-08-03 09:00").await;
    assert_eq!(
        world.days("2021-08-03", "2021-08-10").await,
        ["04/08 syt: DT1 list/list", "09/08 syt: DT1 list/list"],
        "it has just come in; on Monday it stands on the list as all do"
    );
    assert_eq!(
        world.days("2021-08-11", "2021-08-24").await,
        [
            "13/08 syt: DT1 list/list",
            "16/08 syt: DT1 list/list",
            "23/08 syt: DT1 list/list"
        ],
        "from Friday on it is late, and stands on each week's list as all do"
    );
}

#[tokio::test]
async fn what_is_neither_new_nor_late_waits_for_the_first_working_day_of_the_week() {
    let mut world = World::new(&WEEKLY.replace("7wd", "30wd")).await;
    world.turn("2021-08-02 07:00").await;
    world.ticket("DT1", "SXD", "2021-08-25 09:00").await;
    assert_eq!(
        world.days("2021-08-25", "2021-09-13").await,
        [
            "26/08 syt: DT1 list/list",
            "30/08 syt: DT1 list/list",
            "06/09 syt: DT1 list/list",
            "13/09 syt: DT1 list/list"
        ]
    );
}

#[tokio::test]
async fn a_deadline_that_is_brought_forward_has_a_ticket_told_on_the_day_it_becomes_late() {
    let mut world = World::new(&WEEKLY.replace("7wd", "30wd")).await;
    world.turn("2021-08-02 07:00").await;
    world.ticket("DT1", "SXD", "2021-08-03 09:00").await;
    world.days("2021-08-03", "2021-08-11").await;
    world
        .change("DT1", "2021-08-11 17:30", "due_at = '2021-08-12 10:00:00'")
        .await;
    assert_eq!(
        world.days("2021-08-12", "2021-08-16").await,
        ["13/08 syt: DT1 list/list", "16/08 syt: DT1 list/list"]
    );
}

#[tokio::test]
async fn each_weeks_list_is_whole_through_holidays_and_however_a_ticket_got_on_it() {
    let mut world = World::new(&WEEKLY.replace("7wd", "30wd")).await;
    world.turn("2021-08-02 07:00").await;
    world.ticket("MON", "SXD", "2021-08-20 09:00").await;
    world.ticket("WED", "SXD", "2021-08-25 09:00").await;
    world.days("2021-08-20", "2021-08-29").await;
    // Thursday and Friday, 2 and 3 September, are holidays.
    assert_eq!(
        world.days("2021-08-30", "2021-09-13").await,
        [
            "30/08 syt: MON list/list",
            "30/08 syt: WED list/list",
            "06/09 syt: MON list/list",
            "06/09 syt: WED list/list",
            "13/09 syt: MON list/list",
            "13/09 syt: WED list/list",
        ]
    );
}

#[tokio::test]
async fn what_waits_outside_or_has_an_unknown_status_stays_on_the_list_of_its_own_agency() {
    let mut world = World::new(&WEEKLY.replace("7wd", "30wd")).await;
    world.turn("2021-08-02 07:00").await;
    world.ticket("ODD", "SYT", "2021-08-20 09:00").await;
    world.change("ODD", "2021-08-20 10:00", "status = 'tạm treo'").await;
    world.days("2021-08-20", "2021-08-29").await;
    assert_eq!(
        world.days("2021-08-30", "2021-09-06").await,
        ["30/08 syt: ODD list/list", "06/09 syt: ODD list/list"]
    );
}
