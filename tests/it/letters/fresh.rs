//! Fresh (`spec.md` §4): read again before composing, for how long remembered rows serve, and when the source stands still.

use super::{letters_at, letters_of, line, only_letter, province_with_a_ticket};
use crate::world::World;

/// With a change of `[source]`.
async fn with_source(from: &str, to: &str) -> World {
    let mut world = province_with_a_ticket().await;
    world
        .edit("dondoc.toml", |text| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        })
        .await;
    world
}

#[tokio::test]
async fn what_the_re_read_finds_answered_drops_out_though_nobody_touched_updated_at() {
    let mut world = province_with_a_ticket().await;
    world.ticket("T2", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-14 07:00").await;
    // The source forgets to move `updated_at`: neither changes nor a sweep of this hour show it.
    world.sql("UPDATE ticket SET status = 'đóng' WHERE code = 'T1'").await;
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-14").await,
        ["14/09 08:00 syt digest: T2 overdue/L1"]
    );
}

#[tokio::test]
async fn a_digest_that_the_re_read_empties_is_not_sent() {
    let mut world = province_with_a_ticket().await;
    world.turn("2021-09-14 07:00").await;
    world.sql("UPDATE ticket SET status = 'đóng' WHERE code = 'T1'").await;
    assert!(letters_of(&mut world, "2021-09-14", "2021-09-20").await.is_empty());
}

#[tokio::test]
async fn a_step_that_only_the_re_read_calls_for_is_in_the_same_digest() {
    let mut world = province_with_a_ticket().await;
    world.ticket("T2", "Sở Y tế", "2021-09-06 09:00").await;
    world.change("T2", "2021-09-06 10:00", "agency = 'Sở Xây dựng'").await;
    world.turn("2021-09-14 07:00").await;
    world
        .sql("UPDATE ticket SET agency = 'Sở Y tế' WHERE code = 'T2'")
        .await;
    world.turn("2021-09-14 08:00").await;
    assert_eq!(
        line(&only_letter(&mut world)),
        "syt digest: T1 overdue/L1, T2 overdue/L1"
    );
}

#[tokio::test]
async fn a_ticket_that_the_re_read_does_not_find_waits_until_it_is_back() {
    let mut world = province_with_a_ticket().await;
    world.turn("2021-09-14 07:00").await;
    world.sql("CREATE TABLE kept AS SELECT * FROM ticket").await;
    world.sql("DELETE FROM ticket").await;
    assert!(letters_of(&mut world, "2021-09-14", "2021-09-14").await.is_empty());
    world.sql("INSERT INTO ticket SELECT * FROM kept").await;
    assert_eq!(
        letters_of(&mut world, "2021-09-15", "2021-09-15").await,
        ["15/09 08:00 syt digest: T1 overdue/L1"]
    );
}

#[tokio::test]
async fn a_row_that_turned_unreadable_keeps_its_last_good_state() {
    let mut world = province_with_a_ticket().await;
    world.turn("2021-09-14 07:00").await;
    world
        .sql("UPDATE ticket SET received_at = 'hôm qua' WHERE code = 'T1'")
        .await;
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-14").await,
        ["14/09 08:00 syt digest: T1 overdue/L1"]
    );
}

#[tokio::test]
async fn while_the_source_is_down_remembered_rows_serve_and_the_letter_says_how_old_they_are() {
    let mut world = province_with_a_ticket().await;
    world.turn("2021-09-14 07:10").await;
    world.lose_source().await;
    let report = world.turn("2021-09-14 08:00").await;
    assert!(report.source_failed());
    let letter = only_letter(&mut world);
    assert_eq!(line(&letter), "syt digest: T1 overdue/L1");
    assert!(
        letter.text.contains("số liệu đến 07:10 ngày 14/09/2021"),
        "{}",
        letter.text
    );
}

#[tokio::test]
async fn a_letter_with_fresh_rows_says_nothing_of_their_age() {
    let mut world = province_with_a_ticket().await;
    world.turn("2021-09-14 08:00").await;
    let letter = only_letter(&mut world);
    assert!(!letter.text.contains("số liệu đến"), "{}", letter.text);
}

#[tokio::test]
async fn rows_older_than_max_age_serve_nobody_and_the_digest_comes_once_the_source_is_back() {
    let mut world = province_with_a_ticket().await;
    // Last read on 13/9 at 16:00; two hours of office time later it is 14/9 08:00, and a minute after that too late.
    world.lose_source().await;
    let report = world.turn("2021-09-14 08:01").await;
    assert!(
        report.problems().iter().any(|p| p.contains("composing waits")),
        "{:?}",
        report.problems()
    );
    assert_eq!(world.letters(), []);
    assert!(
        letters_at(&mut world, &["2021-09-14 09:15", "2021-09-14 11:00"])
            .await
            .is_empty()
    );
    world.regain_source().await;
    assert_eq!(
        letters_at(
            &mut world,
            &["2021-09-14 12:00", "2021-09-14 13:30", "2021-09-14 16:00"]
        )
        .await,
        ["14/09 13:30 syt digest: T1 overdue/L1"]
    );
}

#[tokio::test]
async fn rows_as_old_as_max_age_still_serve() {
    let mut world = province_with_a_ticket().await;
    world.lose_source().await;
    assert_eq!(
        letters_at(&mut world, &["2021-09-14 08:00"]).await,
        ["14/09 08:00 syt digest: T1 overdue/L1"]
    );
}

#[tokio::test]
async fn overdue_steps_wait_while_nothing_changes_in_the_source_and_ops_hear_why() {
    let mut world = with_source("stale_after = 0", "stale_after = \"4wh\"").await;
    // Nothing has changed since Monday 6/9.
    let report = world.turn("2021-09-14 08:00").await;
    assert!(
        report.problems().iter().any(|p| p.contains("source.stale_after")),
        "{:?}",
        report.problems()
    );
    assert!(letters_of(&mut world, "2021-09-14", "2021-09-14").await.is_empty());
    world.ticket("NEW", "Sở Xây dựng", "2021-09-15 07:15").await;
    assert_eq!(
        letters_of(&mut world, "2021-09-15", "2021-09-15").await,
        ["15/09 08:00 syt digest: T1 overdue/L1"]
    );
}

#[tokio::test]
async fn a_daemon_back_after_a_day_judges_the_source_by_what_it_shows_now() {
    let mut world = with_source("stale_after = 0", "stale_after = \"4wh\"").await;
    // The hotline worked on while the daemon was down.
    world.ticket("NEW", "Sở Xây dựng", "2021-09-14 14:00").await;
    assert_eq!(
        letters_at(&mut world, &["2021-09-14 15:00", "2021-09-14 15:30"]).await,
        ["14/09 15:00 syt digest: T1 overdue/L1"]
    );
}

#[tokio::test]
async fn what_the_re_read_cannot_take_is_counted_and_told_as_if_it_had_been_observed() {
    let mut world = province_with_a_ticket().await;
    for code in ["T2", "T3", "T4"] {
        world.ticket(code, "Sở Y tế", "2021-09-06 09:00").await;
    }
    world.ticket("T5", "Sở Y tế", "2021-09-13 16:30").await;
    world.turn("2021-09-14 07:00").await;
    // The source forgets to move `updated_at`.
    for change in [
        "UPDATE ticket SET received_at = 'infinity' WHERE code = 'T1'",
        "UPDATE ticket SET rated_at = 'infinity' WHERE code = 'T2'",
        "UPDATE ticket SET agency = 'một nơi không ai biết' WHERE code = 'T3'",
        "UPDATE ticket SET status = 'treo' WHERE code = 'T4'",
    ] {
        world.sql(change).await;
    }
    let report = world.turn("2021-09-14 08:00").await;
    assert_eq!((report.observed.rejected, report.observed.spoiled), (1, 1));
    assert_eq!(
        report.problems(),
        [
            "row rejected: ticket T1: column received_at cannot be read as a time",
            "value ignored: ticket T2: column rated_at cannot be read as a time",
            "status word `treo` is not in [source.status]: 1 tickets are treated as open and climb no higher than contact",
        ]
    );
    let unknown: Vec<&String> = report.observed.unknown_agencies.iter().collect();
    assert_eq!(unknown, ["một nơi không ai biết"]);
    assert_eq!(report.alarms, 2, "the word and the agency");
}
