//! By when letters ask for an answer (`reply` of a step): on a working day, and before the next step can be due.

use crate::world::{FIVE_DAYS, LADDER, World};

/// The ladder with a day for the answer in each step.
fn asking(days: [&str; 3]) -> String {
    let mut ladder = LADDER.to_owned();
    for (n, days) in days.iter().enumerate() {
        let template = format!("template = \"overdue-{}\"", n + 1);
        ladder = ladder.replace(&template, &format!("{template}\nreply = \"{days}\""));
    }
    ladder + FIVE_DAYS
}

/// What each letter from one day to another asks for in its lines at the top.
async fn asked(world: &mut World, days: std::ops::RangeInclusive<u32>) -> Vec<String> {
    let mut all = Vec::new();
    for day in days {
        for time in ["07:00", "08:00"] {
            world.turn(&format!("2021-09-{day:02} {time}")).await;
        }
        for letter in world.letters() {
            let text = letter.text.split_whitespace().collect::<Vec<_>>().join(" ");
            let ask = text.split_once("Đề nghị: ").expect("something is asked for").1;
            let by = ask.split_once(" trước ").and_then(|(_, by)| by.split_once(". "));
            all.push(format!(
                "{day:02}/09 {}: {}",
                letter.to[0],
                by.map_or("no day", |(by, _)| by)
            ));
        }
    }
    all
}

#[tokio::test]
async fn an_answer_is_asked_for_before_the_next_step_can_be_due() {
    let mut world = World::new(&asking(["1wd", "5wd", "9wd"])).await;
    world.turn("2021-09-06 07:00").await;
    // Due on Monday the 13th.
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-06 16:00").await;
    assert_eq!(
        asked(&mut world, 7..=20).await,
        [
            "14/09 syt@tinh.example: 17:00 thứ Tư 15/09/2021",
            // L3 comes on Monday the 20th.
            "16/09 giamdoc-syt@tinh.example: 17:00 thứ Sáu 17/09/2021",
            // L4 comes on Monday the 27th.
            "20/09 giamdoc-syt@tinh.example: 17:00 thứ Sáu 24/09/2021",
        ]
    );
}

#[tokio::test]
async fn where_the_ladder_is_late_the_gap_between_its_steps_counts() {
    let mut world = World::new(&asking(["5wd", "1wd", "1wd"])).await;
    // Long overdue when it is first seen: L2 may follow two working days after L1.
    world.ticket("T1", "Sở Y tế", "2021-08-02 09:00").await;
    assert_eq!(
        asked(&mut world, 14..=14).await,
        ["14/09 syt@tinh.example: 17:00 thứ Tư 15/09/2021"]
    );
}

#[tokio::test]
async fn a_step_that_sets_no_day_asks_for_none() {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    assert_eq!(asked(&mut world, 14..=14).await, ["14/09 syt@tinh.example: no day"]);
}
