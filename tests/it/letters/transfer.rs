//! Transfer and reopening (`spec.md` §4): a ladder from its first step, the whole age shown, wandering tickets decided on.

use super::explained::{head, outlook};
use super::{letters_of, line, only_letter, province_with_a_ticket};
use crate::world::World;

/// T1 was told to Sở Y tế at L1 and L2, and is with Sở Xây dựng since 16/9 in the afternoon.
async fn transferred() -> World {
    let mut world = province_with_a_ticket().await;
    letters_of(&mut world, "2021-09-14", "2021-09-16").await;
    world.change("T1", "2021-09-16 22:30", "agency = 'Sở Xây dựng'").await;
    world
}

#[tokio::test]
async fn a_transferred_ticket_starts_at_the_first_step_for_the_new_agency_and_the_old_one_is_released() {
    let mut world = transferred().await;
    assert_eq!(
        letters_of(&mut world, "2021-09-17", "2021-09-24").await,
        [
            "17/09 08:00 giamdoc-syt digest: T1 @settled/transferred",
            "17/09 08:00 sxd digest: T1 overdue/L1",
            "17/09 08:00 syt digest: T1 @settled/transferred",
            "21/09 08:00 giamdoc-sxd digest: T1 overdue/L2",
            "23/09 08:00 giamdoc-sxd digest: T1 overdue/L3",
        ]
    );
}

#[tokio::test]
async fn the_new_agency_reads_the_whole_age_how_often_it_was_passed_on_and_no_reproach_for_reminders_of_others() {
    let mut world = transferred().await;
    world.turn("2021-09-17 08:00").await;
    let letters = world.letters();
    let new = letters.iter().find(|l| l.to == ["sxd@tinh.example"]).expect("a letter");
    assert!(
        new.text
            .contains("đã chuyển 1 lần, 9 ngày làm việc kể từ khi tiếp nhận"),
        "{}",
        new.text
    );
    assert!(!new.text.contains("đã nhắc ngày"), "{}", new.text);
    assert!(!new.subject.contains("Nhắc lần"), "{}", new.subject);
}

#[tokio::test]
async fn what_waits_for_the_old_agency_is_not_sent_to_it_after_a_transfer() {
    let mut world = province_with_a_ticket().await;
    world.turn("2021-09-14 07:00").await;
    world.change("T1", "2021-09-14 07:10", "agency = 'Sở Xây dựng'").await;
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-15").await,
        ["14/09 08:00 sxd digest: T1 overdue/L1"]
    );
}

#[tokio::test]
async fn from_the_second_transfer_on_the_office_decides_who_is_competent() {
    let mut world = transferred().await;
    letters_of(&mut world, "2021-09-17", "2021-09-17").await;
    world.change("T1", "2021-09-17 22:30", "agency = 'Sở Tài chính'").await;
    world.turn("2021-09-20 08:00").await;
    let letters = world.letters();
    let mut lines: Vec<String> = letters.iter().map(line).collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "stc digest: T1 overdue/L1",
            "sxd digest: T1 @settled/transferred",
            "vp digest: T1 @competence/office",
        ]
    );
    let office = letters.iter().find(|l| l.to == ["vp@tinh.example"]).expect("a letter");
    assert!(office.subject.contains("cần xác định thẩm quyền"), "{}", office.subject);
    assert!(
        office
            .text
            .contains("đã chuyển 2 lần, 10 ngày làm việc kể từ khi tiếp nhận"),
        "{}",
        office.text
    );
    let when = "2021-09-20 08:00";
    assert_eq!(
        head(&world, "T1", when, "course").as_deref(),
        Some("transferred 2 times, taken up again 0 times")
    );
    let no_head = "-> agency:head of STC by email -> STC/contact (STC: no address of head, no address of clerk)";
    assert_eq!(
        outlook(&world, "T1", when),
        [
            "overdue L1 already_told 2021-09-20 08:00: a message about it was accepted",
            "overdue L2 behind_step 2021-09-22 07:00: step L1 was told too recently (min_gap)",
            &format!("{no_head} not before 2021-09-22 08:00"),
            "overdue L3 behind_step: step L2 has to be told first",
            no_head,
            "overdue L4 not_yet 2021-09-27 07:00: the step falls due later",
            "-> office:contact of VP by email -> VP/contact not before 2021-09-27 08:00",
            "@competence office already_told 2021-09-20 08:00: a message about it was accepted",
            "notices",
            "overdue/L1 agency:contact of SYT by email accepted since 2021-09-14 08:00",
            "overdue/L2 agency:head of SYT by email accepted since 2021-09-16 08:00",
            "overdue/L1 agency:contact of SXD by email accepted since 2021-09-17 08:00",
            "@settled/transferred agency:contact of SYT by email accepted since 2021-09-17 08:00",
            "@settled/transferred agency:head of SYT by email accepted since 2021-09-17 08:00",
            "overdue/L1 agency:contact of STC by email accepted since 2021-09-20 08:00",
            "@competence/office office:contact of VP by email accepted since 2021-09-20 08:00",
            "@settled/transferred agency:contact of SXD by email accepted since 2021-09-20 08:00",
        ]
    );
    // Once for each further transfer, and nothing of it afterwards but the ladder.
    assert_eq!(letters_of(&mut world, "2021-09-20", "2021-09-21").await, [""; 0]);
    world.change("T1", "2021-09-21 22:30", "agency = 'Sở Y tế'").await;
    let told = letters_of(&mut world, "2021-09-22", "2021-09-22").await;
    let to_office: Vec<&String> = told.iter().filter(|l| l.contains(" vp ")).collect();
    assert_eq!(to_office, ["22/09 08:00 vp digest: T1 @competence/office"]);
    world.is_audited("2021-09-22 22:00").await;
}

#[tokio::test]
async fn a_reopened_ticket_starts_a_new_ladder_and_says_that_it_was_taken_up_again() {
    let mut world = province_with_a_ticket().await;
    letters_of(&mut world, "2021-09-14", "2021-09-16").await;
    world.answer("T1", "2021-09-16 22:30").await;
    assert_eq!(
        letters_of(&mut world, "2021-09-17", "2021-09-20").await,
        [
            "17/09 08:00 giamdoc-syt digest: T1 @settled/done",
            "17/09 08:00 syt digest: T1 @settled/done",
        ]
    );
    world
        .change("T1", "2021-09-20 22:30", "status = 'đang xử lý', answered_at = NULL")
        .await;
    world.turn("2021-09-21 08:00").await;
    let letter = only_letter(&mut world);
    assert_eq!(line(&letter), "syt digest: T1 overdue/L1");
    assert!(letter.text.contains("xử lý lại lần 1"), "{}", letter.text);
    assert_eq!(
        letters_of(&mut world, "2021-09-21", "2021-09-24").await,
        ["23/09 08:00 giamdoc-syt digest: T1 overdue/L2"]
    );
    world.is_audited("2021-09-24 22:00").await;
}
