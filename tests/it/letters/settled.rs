//! Settled (`spec.md` §4): who was told of a ticket is told of its ending, once per ending; and tickets for heads alone.

use super::explained::outlook;
use super::{ladder, letters_of, line, only_letter, province, province_with_a_ticket};
use crate::world::World;

const DONE: &str = "status = 'đã trả lời', answered_at = '2021-09-16 22:30:00'";

/// T1, of which L1 went to Sở Y tế on 14/9 and L2 to its head on 16/9.
async fn told_twice() -> World {
    let mut world = province_with_a_ticket().await;
    letters_of(&mut world, "2021-09-14", "2021-09-16").await;
    world
}

#[tokio::test]
async fn every_ending_is_told_once_to_whoever_was_told_of_the_ticket() {
    let endings = [
        (DONE, "done"),
        ("status = 'đóng'", "done"),
        ("status = 'từ chối'", "rejected"),
        ("status = 'trùng'", "void"),
        ("extended_to = '2021-10-29'", "extended"),
    ];
    for (set, ending) in endings {
        let mut world = told_twice().await;
        world.change("T1", "2021-09-16 22:30", set).await;
        let mut told = letters_of(&mut world, "2021-09-17", "2021-09-17").await;
        world.restart().await;
        told.extend(letters_of(&mut world, "2021-09-18", "2021-09-21").await);
        assert_eq!(
            told,
            [
                format!("17/09 08:00 giamdoc-syt digest: T1 @settled/{ending}"),
                format!("17/09 08:00 syt digest: T1 @settled/{ending}"),
            ],
            "{set}"
        );
    }
}

#[tokio::test]
async fn who_was_not_told_of_a_ticket_hears_nothing_of_its_ending() {
    let mut world = province_with_a_ticket().await;
    world.turn("2021-09-14 07:00").await;
    // Decided, but answered before anybody read it.
    world.answer("T1", "2021-09-14 07:10").await;
    assert!(letters_of(&mut world, "2021-09-14", "2021-09-20").await.is_empty());
}

#[tokio::test]
async fn a_helper_who_was_told_for_information_hears_of_the_ending_too() {
    let mut world = province_with_a_ticket().await;
    world
        .change("T1", "2021-09-13 22:30", "co_agencies = 'Sở Xây dựng'")
        .await;
    letters_of(&mut world, "2021-09-14", "2021-09-14").await;
    world.answer("T1", "2021-09-14 22:30").await;
    assert_eq!(
        letters_of(&mut world, "2021-09-15", "2021-09-16").await,
        [
            "15/09 08:00 sxd digest: T1 @settled/done",
            "15/09 08:00 syt digest: T1 @settled/done",
        ]
    );
}

#[tokio::test]
async fn an_ending_stands_beside_the_days_reminders_in_the_same_digest() {
    let mut world = province_with_a_ticket().await;
    world.ticket("T2", "Sở Y tế", "2021-09-07 09:00").await;
    letters_of(&mut world, "2021-09-14", "2021-09-14").await;
    world.answer("T1", "2021-09-14 22:30").await;
    world.turn("2021-09-15 08:00").await;
    let letter = only_letter(&mut world);
    assert_eq!(line(&letter), "syt digest: T2 overdue/L1, T1 @settled/done");
    assert!(letter.subject.contains("Nhắc lần 1"), "{}", letter.subject);
}

#[tokio::test]
async fn answered_and_then_closed_is_one_ending() {
    let mut world = told_twice().await;
    world.change("T1", "2021-09-16 22:30", DONE).await;
    letters_of(&mut world, "2021-09-17", "2021-09-17").await;
    world.change("T1", "2021-09-17 22:30", "status = 'đóng'").await;
    assert!(letters_of(&mut world, "2021-09-20", "2021-09-22").await.is_empty());
}

#[tokio::test]
async fn an_extension_and_the_end_of_what_was_told_after_it_are_two_endings() {
    let mut world = told_twice().await;
    world
        .change("T1", "2021-09-16 22:30", "extended_to = '2021-09-22'")
        .await;
    let mut told = letters_of(&mut world, "2021-09-17", "2021-09-23").await;
    world.answer("T1", "2021-09-23 22:30").await;
    told.extend(letters_of(&mut world, "2021-09-24", "2021-09-28").await);
    assert_eq!(
        told,
        [
            "17/09 08:00 giamdoc-syt digest: T1 @settled/extended",
            "17/09 08:00 syt digest: T1 @settled/extended",
            "23/09 08:00 syt digest: T1 overdue/L1",
            "24/09 08:00 syt digest: T1 @settled/done",
        ]
    );
}

#[tokio::test]
async fn an_ending_that_is_taken_back_before_the_digest_is_told_to_nobody() {
    let mut world = told_twice().await;
    world.change("T1", "2021-09-16 22:30", DONE).await;
    world.turn("2021-09-17 05:00").await;
    world
        .change("T1", "2021-09-17 06:00", "status = 'đang xử lý', answered_at = NULL")
        .await;
    // Taken up again it starts a new ladder.
    assert_eq!(
        letters_of(&mut world, "2021-09-17", "2021-09-17").await,
        ["17/09 08:00 syt digest: T1 overdue/L1"]
    );
}

#[tokio::test]
async fn the_passage_from_one_fact_or_period_to_the_next_is_no_ending() {
    let more = r#"
[[rule]]
id = "soon"
title = "Sắp đến hạn"
when = "due_soon"

[[rule.step]]
id = "S"
after = "-1wd"
to = ["agency:contact"]
template = "due-soon"

[[rule]]
id = "carried"
title = "Phiếu tồn kỳ trước"
when = "carried_over"

[[rule.step]]
id = "C"
after = "1wd"
to = ["agency:clerk"]
template = "carried-over"
"#;
    let mut world = World::new(&(ladder() + more)).await;
    world.turn("2021-09-20 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-21 09:00").await;
    let told = letters_of(&mut world, "2021-09-24", "2021-10-01").await;
    assert_eq!(
        told,
        [
            "27/09 08:00 syt digest: T1 soon/S",
            "29/09 08:00 syt digest: T1 overdue/L1",
            "01/10 08:00 giamdoc-syt digest: T1 overdue/L2",
        ]
    );
    let told = letters_of(&mut world, "2021-10-02", "2021-10-04").await;
    assert_eq!(told, ["04/10 08:00 syt digest: T1 carried/C"]);
    world.answer("T1", "2021-10-04 22:30").await;
    // One ending for all that was told, a line in each letter.
    assert_eq!(
        letters_of(&mut world, "2021-10-05", "2021-10-06").await,
        [
            "05/10 08:00 giamdoc-syt digest: T1 @settled/done",
            "05/10 08:00 syt digest: T1 @settled/done",
        ]
    );
    world.is_audited("2021-10-06 22:00").await;
}

#[tokio::test]
async fn an_ended_unit_hears_of_the_ending_through_its_successor() {
    let mut world = told_twice().await;
    world
        .edit("agencies.toml", |text| {
            text.replace("short = \"SYT\"", "short = \"SYT\"\nvalid_until = \"2021-09-17\"")
                + "\n[[successor]]\nfrom = \"SYT\"\nto = \"SXD\"\non = \"2021-09-17\"\n"
        })
        .await;
    world.change("T1", "2021-09-16 22:40", DONE).await;
    assert_eq!(
        letters_of(&mut world, "2021-09-17", "2021-09-20").await,
        [
            "17/09 08:00 giamdoc-sxd digest: T1 @settled/done",
            "17/09 08:00 sxd digest: T1 @settled/done",
        ]
    );
}

#[tokio::test]
async fn conduct_and_confidential_tickets_go_to_heads_alone_each_in_a_letter_of_its_own() {
    for set in ["tags = 'conduct'", "confidential = 1"] {
        let mut world = province().await;
        for (code, helper) in [
            ("OPEN", "Sở Xây dựng"),
            ("SECRET", "Sở Xây dựng"),
            ("SECRET2", "Sở Xây dựng"),
        ] {
            world.ticket(code, "Sở Y tế", "2021-09-06 09:00").await;
            world
                .change(code, "2021-09-06 09:00", &format!("co_agencies = '{helper}'"))
                .await;
        }
        for code in ["SECRET", "SECRET2"] {
            world.change(code, "2021-09-06 09:30", set).await;
        }
        let mut told = letters_of(&mut world, "2021-09-14", "2021-09-15").await;
        world.answer("SECRET", "2021-09-15 22:30").await;
        world.answer("OPEN", "2021-09-15 22:30").await;
        told.extend(letters_of(&mut world, "2021-09-16", "2021-09-16").await);
        assert_eq!(
            told,
            [
                "14/09 07:00 giamdoc-syt single: SECRET overdue/L1",
                "14/09 07:00 giamdoc-syt single: SECRET2 overdue/L1",
                "14/09 08:00 sxd digest: OPEN overdue/L1",
                "14/09 08:00 syt digest: OPEN overdue/L1",
                "16/09 07:00 giamdoc-syt single: SECRET @settled/done",
                "16/09 07:00 giamdoc-syt single: SECRET2 overdue/L2",
                "16/09 08:00 sxd digest: OPEN @settled/done",
                "16/09 08:00 syt digest: OPEN @settled/done",
            ],
            "{set}"
        );
    }
}

#[tokio::test]
async fn a_complaint_about_conduct_goes_to_the_head_of_the_unit_complained_about() {
    let mut world = province_with_a_ticket().await;
    world
        .change(
            "T1",
            "2021-09-13 22:30",
            "tags = 'conduct', subject_agency = 'Sở Xây dựng'",
        )
        .await;
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-14").await,
        ["14/09 07:00 giamdoc-sxd single: T1 overdue/L1"]
    );
}

#[tokio::test]
async fn a_ticket_that_turns_confidential_while_it_waits_is_kept_from_contacts_and_helpers() {
    let mut world = province_with_a_ticket().await;
    world
        .change("T1", "2021-09-13 22:30", "co_agencies = 'Sở Xây dựng'")
        .await;
    world.turn("2021-09-14 07:00").await;
    world.change("T1", "2021-09-14 07:10", "confidential = 1").await;
    world.turn("2021-09-14 07:20").await;
    let waiting = outlook(&world, "T1", "2021-09-14 07:20").into_iter();
    assert_eq!(
        waiting
            .filter(|line| line.starts_with("overdue/L1"))
            .collect::<Vec<_>>(),
        [
            "overdue/L1 agency:contact of SYT by email -> SYT/head waiting until 2021-09-14 08:00: waits for its \
             recipient's next digest or office hours",
            "overdue/L1 co_agencies:contact of SXD by email, for information waiting until 2021-09-14 08:00: a conduct or \
             confidential ticket goes to heads only; it is not told",
        ]
    );
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-14").await,
        ["14/09 08:00 giamdoc-syt single: T1 overdue/L1"]
    );
}

#[tokio::test]
async fn the_ending_of_a_ticket_that_turned_confidential_is_for_the_head_alone() {
    let mut world = province_with_a_ticket().await;
    world
        .change("T1", "2021-09-13 22:30", "co_agencies = 'Sở Xây dựng'")
        .await;
    letters_of(&mut world, "2021-09-14", "2021-09-14").await;
    world
        .change("T1", "2021-09-14 22:30", "confidential = 1, status = 'đã trả lời'")
        .await;
    assert_eq!(
        letters_of(&mut world, "2021-09-15", "2021-09-17").await,
        ["15/09 07:00 giamdoc-syt single: T1 @settled/done"]
    );
    world.is_audited("2021-09-17 22:00").await;
}

#[tokio::test]
async fn an_ending_that_changes_before_the_digest_is_told_as_it_is_then() {
    let everybody = |ending: &str| {
        ["giamdoc-syt", "syt"]
            .map(|to| format!("{to} digest: T1 @settled/{ending}"))
            .to_vec()
    };
    let changes = [
        (DONE, "status = 'từ chối'", everybody("rejected")),
        (DONE, "status = 'đóng', reopen_count = 1", everybody("done")),
        (
            "extended_to = '2021-10-29'",
            "extended_to = '2021-10-30'",
            everybody("extended"),
        ),
        ("extended_to = '2021-10-29'", "extended_to = NULL", Vec::new()),
        // To and fro is two transfers, of which the Office hears.
        (
            "agency = 'Sở Xây dựng'",
            "agency = 'Sở Y tế'",
            vec!["vp digest: T1 @competence/office".to_owned()],
        ),
    ];
    for (first, then, told) in changes {
        let mut world = told_twice().await;
        world.change("T1", "2021-09-16 22:30", first).await;
        world.turn("2021-09-17 05:00").await;
        world.change("T1", "2021-09-17 06:00", then).await;
        let expected: Vec<String> = told.iter().map(|line| format!("17/09 08:00 {line}")).collect();
        assert_eq!(
            letters_of(&mut world, "2021-09-17", "2021-09-17").await,
            expected,
            "{first}, then {then}"
        );
    }
}

#[tokio::test]
async fn an_ending_that_changes_to_and_fro_before_the_digest_is_told_once() {
    let mut world = told_twice().await;
    for (time, set) in [("22:30", DONE), ("22:40", "status = 'từ chối'"), ("22:50", DONE)] {
        world.change("T1", &format!("2021-09-16 {time}"), set).await;
        world.turn(&format!("2021-09-16 {time}")).await;
    }
    assert_eq!(
        letters_of(&mut world, "2021-09-17", "2021-09-21").await,
        [
            "17/09 08:00 giamdoc-syt digest: T1 @settled/done",
            "17/09 08:00 syt digest: T1 @settled/done",
        ]
    );
}
