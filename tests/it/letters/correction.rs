//! Corrections (`outbox correct`): whoever got a wrong reminder is told so in its thread, once, and it counts nowhere.

use dondoc::domain::evaluate::Verdict;

use super::delivery::{BUILDING, HEALTH, Moods, fates};
use super::{id_about, ladder, letters_at, letters_of, only_letter, shadow_but, thread};
use crate::cli::{dondoc, said, text};
use crate::postgres::{On, on_both};
use crate::world::{World, at};

on_both! {
    a_wrong_reminder_is_corrected_in_its_thread_and_counts_nowhere
}

fn correct(world: &World, id: &str, when: &str) -> std::process::Output {
    correct_since(world, id, "danh sách chưa cập nhật", when)
}

fn correct_since(world: &World, id: &str, reason: &str, when: &str) -> std::process::Output {
    dondoc(
        &world.dir(),
        &["outbox", "correct", id, "--reason", reason, "--at", when],
    )
}

async fn a_wrong_reminder_is_corrected_in_its_thread_and_counts_nowhere(on: On) {
    let mut world = Moods::default().province_on(on, &ladder(), &[HEALTH, BUILDING]).await;
    letters_of(&mut world, "2021-09-14", "2021-09-16").await;
    let wrong = id_about(&world, "T1").await;
    let done = correct(&world, &wrong, "2021-09-16 22:00");
    assert!(done.status.success(), "{}", said(&done));
    assert!(
        text(&done).contains("the next turn tells whoever got it"),
        "{}",
        text(&done)
    );
    world.turn("2021-09-17 07:00").await;
    let letter = only_letter(&mut world);
    assert_eq!(letter.to, ["giamdoc-syt@tinh.example"]);
    assert!(letter.subject.contains("[Đính chính]"), "{}", letter.subject);
    assert!(
        letter.text.contains("lý do: danh sách chưa cập nhật. Thư") && letter.text.contains("1. T1"),
        "{}",
        letter.text
    );
    let mail = world.received().pop().expect("a mail");
    let (answers, references) = thread(&mail);
    let wrong_id = format!("{wrong}@1022.tinh.example");
    assert_eq!(answers, std::slice::from_ref(&wrong_id));
    assert_eq!(references.last(), Some(&wrong_id));
    // Nothing climbs on it and it isn't told anew; the other ticket's ladder goes on.
    assert_eq!(
        letters_of(&mut world, "2021-09-17", "2021-09-23").await,
        ["20/09 08:00 giamdoc-sxd digest: T2 overdue/L3"]
    );
    assert_eq!(
        world.verdict("T1", "overdue", "L2", "2021-09-23 22:00").await,
        Verdict::Corrected {
            at: at("2021-09-16 22:00")
        }
    );
    let again = correct(&world, &wrong, "2021-09-23 22:10");
    assert_eq!(again.status.code(), Some(1), "once");
    assert!(said(&again).contains("it is corrected"), "{}", said(&again));
    // Who was told otherwise still hears of the end; the head has heard nothing that counts.
    world.answer("T1", "2021-09-23 22:20").await;
    assert_eq!(
        letters_of(&mut world, "2021-09-24", "2021-09-24").await,
        ["24/09 08:00 syt digest: T1 @settled/done"]
    );
    world.is_audited("2021-09-24 22:00").await;
}

#[tokio::test]
async fn told_once_more_by_hand_it_is_counted_without_the_wrong_one() {
    let mut world = Moods::default().province(&ladder(), &[HEALTH]).await;
    letters_of(&mut world, "2021-09-14", "2021-09-14").await;
    let wrong = id_about(&world, "T1").await;
    assert!(correct(&world, &wrong, "2021-09-14 22:10").status.success());
    world.turn("2021-09-15 08:00").await;
    assert!(only_letter(&mut world).subject.contains("[Đính chính]"));
    assert!(dondoc(&world.dir(), &["outbox", "retry", &wrong]).status.success());
    world.turn("2021-09-15 09:00").await;
    let letter = only_letter(&mut world);
    assert!(letter.subject.contains("[Nhắc lần 1]"), "{}", letter.subject);
    assert!(!letter.text.contains("đã nhắc ngày"), "{}", letter.text);
    // Climbing counts from it.
    assert_eq!(
        letters_of(&mut world, "2021-09-15", "2021-09-17").await,
        ["17/09 08:00 giamdoc-syt digest: T1 overdue/L2"]
    );
}

#[tokio::test]
async fn what_nobody_has_accepted_is_withdrawn_instead() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    moods.refuse("syt", 451);
    world.turn("2021-09-14 08:00").await;
    moods.well();
    let id = id_about(&world, "T1").await;
    let done = correct(&world, &id, "2021-09-14 08:10");
    assert!(
        text(&done).contains("had not been accepted and is withdrawn"),
        "{}{}",
        text(&done),
        said(&done)
    );
    assert_eq!(fates(&world, "T1").await, ["withdrawn: later"]);
    assert_eq!(letters_of(&mut world, "2021-09-14", "2021-09-20").await, [""; 0]);
    let unknown = correct(&world, "khong-co", "2021-09-20 22:10");
    assert!(said(&unknown).contains("there is no message"), "{}", said(&unknown));
}

#[tokio::test]
async fn a_rehearsal_is_corrected_in_the_box() {
    let mut world = Moods::default().province(&ladder(), &[HEALTH]).await;
    shadow_but(&world, &[]);
    world.restart().await;
    letters_at(&mut world, &["2021-09-14 08:00"]).await;
    let wrong = id_about(&world, "T1").await;
    assert!(correct(&world, &wrong, "2021-09-14 08:10").status.success());
    world.turn("2021-09-14 08:20").await;
    let letter = only_letter(&mut world);
    assert_eq!(letter.to, ["chaythu@tinh.example"]);
    assert!(
        letter.text.contains("thư điện tử đến syt@tinh.example"),
        "{}",
        letter.text
    );
}

#[tokio::test]
async fn a_ticket_that_turned_confidential_is_named_to_the_head_who_had_it_alone_and_to_no_contact_again() {
    let single = ladder().replacen("when = \"overdue\"", "when = \"overdue\"\ndigest = \"ticket\"", 1);
    for step in ["L1", "L2"] {
        let rules = match step {
            "L1" => single.clone(),
            _ => single.replacen("agency:contact", "agency:head", 1),
        };
        let mut world = Moods::default().province(&rules, &[HEALTH]).await;
        letters_at(&mut world, &["2021-09-14 07:00"]).await;
        let wrong = id_about(&world, "T1").await;
        world.change("T1", "2021-09-14 07:10", "confidential = 1").await;
        world.turn("2021-09-14 07:20").await;
        assert!(correct(&world, &wrong, "2021-09-14 07:30").status.success());
        world.turn("2021-09-14 07:40").await;
        let letter = only_letter(&mut world);
        assert!(letter.subject.contains("[Đính chính]"), "{}", letter.subject);
        let (box_of, is_named) = match step {
            "L1" => ("syt@tinh.example", false),
            _ => ("giamdoc-syt@tinh.example", true),
        };
        assert_eq!(letter.to, [box_of]);
        // Its deadline is that of all tickets of that day.
        let says = letter.text.contains("T1") || letter.text.contains("13/09/2021");
        assert_eq!(says, is_named, "{}", letter.text);
    }
}

#[tokio::test]
async fn the_reason_of_a_correction_tells_the_agency_of_no_person() {
    let mut world = Moods::default().province(&ladder(), &[HEALTH]).await;
    letters_at(&mut world, &["2021-09-14 08:00"]).await;
    let wrong = id_about(&world, "T1").await;
    let reason = "ông Nguyễn Văn Hùng gọi 0907 123 456 báo phiếu T1 đã xong";
    assert!(
        correct_since(&world, &wrong, reason, "2021-09-14 08:10")
            .status
            .success()
    );
    world.turn("2021-09-14 08:20").await;
    let letter = only_letter(&mut world);
    let text = letter.text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("lý do: ông […] gọi […] báo phiếu T1 đã xong."), "{text}");
}

#[tokio::test]
async fn before_tet_a_head_is_not_told_of_a_correction_and_a_contact_is() {
    // Tết 2022 is closed from Monday 31/1 to Friday 4/2; Friday 28/1 and Monday 7/2 are its quiet days.
    let mut world = World::new(&ladder()).await;
    world.turn("2022-01-10 07:00").await;
    world.ticket("T1", "Sở Y tế", "2022-01-14 09:00").await;
    world.ticket("T2", "Sở Xây dựng", "2022-01-18 09:00").await;
    let told = letters_of(&mut world, "2022-01-24", "2022-01-27").await;
    assert_eq!(
        told,
        [
            "24/01 08:00 syt digest: T1 overdue/L1",
            "26/01 08:00 giamdoc-syt digest: T1 overdue/L2",
            "26/01 08:00 sxd digest: T2 overdue/L1",
        ]
    );
    for code in ["T1", "T2"] {
        let wrong = id_about(&world, code).await;
        assert!(correct(&world, &wrong, "2022-01-27 22:10").status.success());
    }
    let mut told = Vec::new();
    for when in [
        "2022-01-28 08:00",
        "2022-01-28 16:00",
        "2022-02-07 08:00",
        "2022-02-08 08:00",
    ] {
        world.turn(when).await;
        let letters = world.letters();
        let corrections = letters.iter().filter(|l| l.subject.contains("[Đính chính]"));
        told.extend(corrections.map(|l| format!("{when} {}", l.to.join("+"))));
    }
    assert_eq!(
        told,
        [
            "2022-01-28 08:00 sxd@tinh.example",
            "2022-02-08 08:00 giamdoc-syt@tinh.example"
        ]
    );
}
