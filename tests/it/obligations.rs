//! What agencies owe by the Chairman's directive, from the final figures to the reply: who is told of it when, and who not.

use chrono::NaiveDate;
use dondoc::domain::evaluate::Verdict;
use dondoc::domain::obligation::{Directive, Id, Kind, NewEntry, Obligation, What};
use dondoc::domain::time::Period;

use crate::postgres::{On, on_both};
use crate::world::{FIVE_DAYS, LADDER, World, at};

pub const SHIPPED: &str = include_str!("../../config/rules/obligations.toml");

fn rules() -> String {
    format!("{LADDER}{FIVE_DAYS}{SHIPPED}")
}

fn date(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

fn september() -> Period {
    "2021-09".parse().expect("a period")
}

fn id(unit: &str, kind: Kind) -> Id {
    Id {
        period: september(),
        unit: unit.to_owned(),
        kind,
    }
}

/// September 2021: T1 and T2 stay open, T3 was answered and rated badly. The figures are final on 5/10.
async fn after_september(rules: &str) -> World {
    let mut world = World::new(rules).await;
    world.turn("2021-09-06 07:00").await;
    for (code, agency) in [("T1", "Sở Y tế"), ("T2", "Sở Xây dựng"), ("T3", "Sở Y tế")] {
        world.ticket(code, agency, "2021-09-06 09:00").await;
    }
    world.answer("T3", "2021-09-08 10:00").await;
    let rated = "rating = 'chưa hài lòng', rated_at = '2021-09-09 10:00:00'";
    world.change("T3", "2021-09-09 10:00", rated).await;
    world
}

/// The rule of obligations is alone, so that nothing but what is owed is told.
async fn with_directive(on: On) -> World {
    let mut world = after_september(&format!("{FIVE_DAYS}{SHIPPED}")).await.on(on).await;
    world.turn("2021-09-09 16:00").await;
    world.turn("2021-10-01 07:00").await;
    world.turn("2021-10-05 07:00").await;
    record(&world, "2021-10-28", "2021-10-11 09:00").await;
    world
}

/// The Office records the directive.
pub async fn record(world: &World, reply_before: &str, when: &str) {
    let mut tx = world.store().begin().await.expect("a transaction");
    let directive = Directive {
        period: september(),
        number: "312/UBND-KSTT".to_owned(),
        date: date("2021-10-08"),
        reply_before: date(reply_before),
        is_standing: false,
        by: "Lan".to_owned(),
        recorded_at: at(when),
    };
    tx.record_directive(&directive).await.expect("recorded");
    tx.open_obligations(september(), at(when)).await.expect("opened");
    tx.commit().await.expect("committed");
}

/// A document of a unit reached the Office.
pub async fn reply(world: &World, unit: &str, kinds: &[Kind], reached: &str, when: &str) -> i64 {
    let line = |kind: &Kind| NewEntry {
        what: What::Reply,
        obligation: id(unit, *kind),
        code: None,
        number: Some("77/BC-SYT".to_owned()),
        date: Some(date(reached)),
        reached_on: Some(date(reached)),
        note: None,
    };
    let lines: Vec<NewEntry> = kinds.iter().map(line).collect();
    let mut tx = world.store().begin().await.expect("a transaction");
    let batch = tx.record_entries(&lines, "Lan", at(when)).await.expect("recorded");
    tx.commit().await.expect("committed");
    batch
}

async fn office_saw(world: &World, when: &str) {
    let mut tx = world.store().begin().await.expect("a transaction");
    tx.office_saw(september(), at(when)).await.expect("recorded");
    tx.commit().await.expect("committed");
}

async fn owed(world: &World) -> Vec<String> {
    let all = world.store().obligations(september()).await.expect("obligations");
    let shown = |o: &Obligation| {
        let progress = o.progress;
        format!(
            "{} {} {}/{}",
            o.id.unit,
            o.id.kind.letter(),
            progress.settled,
            progress.tickets
        )
    };
    all.iter().map(shown).collect()
}

on_both! { what_is_owed_is_told_climbs_once_the_office_has_seen_it_and_ends_with_the_reply }

async fn what_is_owed_is_told_climbs_once_the_office_has_seen_it_and_ends_with_the_reply(on: On) {
    let mut world = with_directive(on).await;
    assert_eq!(owed(&world).await, ["SXD b 0/1", "SYT c 1/1", "SYT b 0/1"]);
    world.told();
    // Due at the end of 27/10, the day before «trước ngày 28/10».
    let told = world.days("2021-10-11", "2021-10-29").await;
    assert_eq!(
        told,
        [
            "12/10 sxd: 2021-09/b obligation/opened",
            "12/10 syt: 2021-09/b obligation/opened",
            "12/10 syt: 2021-09/c obligation/opened",
            "22/10 sxd: 2021-09/b obligation/due",
            "22/10 syt: 2021-09/b obligation/due",
            "22/10 syt: 2021-09/c obligation/due",
        ]
    );
    let verdict = world
        .verdict(
            &id("SXD", Kind::FollowUp).code(),
            "obligation",
            "late",
            "2021-10-29 16:00",
        )
        .await;
    assert_eq!(
        verdict,
        Verdict::BehindOffice,
        "nobody's head hears before the Office does"
    );
    reply(
        &world,
        "SYT",
        &[Kind::FollowUp, Kind::Explanation],
        "2021-10-29",
        "2021-10-29 16:30",
    )
    .await;
    office_saw(&world, "2021-11-01 07:10").await;
    world.answer("T2", "2021-11-01 09:00").await;
    let told = world.days("2021-11-01", "2021-11-09").await;
    assert_eq!(
        told,
        [
            "01/11 giamdoc-sxd: 2021-09/b obligation/late",
            "01/11 sxd: 2021-09/b obligation/late",
            "01/11 syt: 2021-09/b @settled/done",
            "01/11 syt: 2021-09/c @settled/done",
            "08/11 giamdoc-sxd: 2021-09/b obligation/late",
            "08/11 sxd: 2021-09/b obligation/late",
        ],
        "what is owed stays owed though its ticket is closed"
    );
    assert_eq!(owed(&world).await, ["SXD b 1/1", "SYT c 1/1", "SYT b 0/1"]);
    world.is_audited("2021-11-09 16:00").await;
}

#[tokio::test]
async fn a_reply_taken_back_is_owed_as_before_and_one_waived_is_not() {
    let mut world = with_directive(On::Sqlite).await;
    world.days("2021-10-11", "2021-10-13").await;
    let batch = reply(&world, "SXD", &[Kind::FollowUp], "2021-10-13", "2021-10-13 17:30").await;
    assert_eq!(
        world.days("2021-10-14", "2021-10-14").await,
        ["14/10 sxd: 2021-09/b @settled/done"]
    );
    let mut tx = world.store().begin().await.expect("a transaction");
    assert_eq!(
        tx.undo_entries(batch, "Lan", at("2021-10-14 17:00"))
            .await
            .expect("undone"),
        1
    );
    let waiver = NewEntry {
        what: What::Waiver,
        obligation: id("SYT", Kind::FollowUp),
        code: None,
        number: None,
        date: None,
        reached_on: None,
        note: Some("đã báo cáo chung trong văn bản khác".to_owned()),
    };
    tx.record_entries(&[waiver], "Lan", at("2021-10-14 17:00"))
        .await
        .expect("recorded");
    tx.commit().await.expect("committed");
    assert_eq!(
        world.days("2021-10-15", "2021-10-22").await,
        [
            "15/10 syt: 2021-09/b @settled/void",
            "22/10 sxd: 2021-09/b obligation/due",
            "22/10 syt: 2021-09/c obligation/due",
        ]
    );
    world.is_audited("2021-10-22 16:00").await;
}

#[tokio::test]
async fn a_later_directive_moves_the_day_and_those_who_were_told_hear_of_it() {
    let mut world = with_directive(On::Sqlite).await;
    world.days("2021-10-11", "2021-10-13").await;
    record(&world, "2021-11-04", "2021-10-13 17:30").await;
    assert_eq!(
        world.days("2021-10-14", "2021-10-29").await,
        [
            "14/10 sxd: 2021-09/b @settled/extended",
            "14/10 sxd: 2021-09/b obligation/opened",
            "14/10 syt: 2021-09/b @settled/extended",
            "14/10 syt: 2021-09/b obligation/opened",
            "14/10 syt: 2021-09/c @settled/extended",
            "14/10 syt: 2021-09/c obligation/opened",
            "29/10 sxd: 2021-09/b obligation/due",
            "29/10 syt: 2021-09/b obligation/due",
            "29/10 syt: 2021-09/c obligation/due",
        ]
    );
}

#[tokio::test]
async fn obligations_count_in_no_figure_and_no_sweep_takes_them_for_gone() {
    let mut world = with_directive(On::Sqlite).await;
    let before = world.store().count_tickets().await.expect("a count");
    world.days("2021-10-11", "2021-10-15").await;
    assert_eq!(world.store().count_tickets().await.expect("a count"), before);
    assert_eq!(world.store().count_open().await.expect("a count"), 2);
    // Swept each night since, with nothing but tickets in the source.
    let verdict = world
        .verdict(
            &id("SXD", Kind::FollowUp).code(),
            "obligation",
            "opened",
            "2021-10-15 16:00",
        )
        .await;
    assert!(matches!(verdict, Verdict::AlreadyTold { .. }), "{verdict:?}");
}

#[tokio::test]
async fn without_a_directive_nothing_is_owed_and_beside_tickets_it_is_the_same_letter() {
    let mut world = after_september(&rules()).await;
    let _ = world.days("2021-09-09", "2021-10-08").await;
    assert_eq!(owed(&world).await, Vec::<String>::new());
    record(&world, "2021-10-28", "2021-10-08 17:30").await;
    world.ticket("T5", "Sở Xây dựng", "2021-10-01 09:00").await;
    world.turn("2021-10-08 17:45").await;
    world.turn("2021-10-11 08:00").await;
    let letters = world.letters();
    let own = letters.iter().find(|l| l.to == ["sxd@tinh.example"]).expect("a letter");
    assert_eq!(
        own.told().collect::<Vec<_>>(),
        [("2021-09/b", "obligation", "opened"), ("T5", "overdue", "L1")]
    );
    let (said, _) = own.text.split_once("Mã thông báo").expect("an id");
    insta::assert_snapshot!(said);
}

#[tokio::test]
async fn a_reply_that_nobody_heard_of_is_taken_back_without_a_word() {
    let mut world = with_directive(On::Sqlite).await;
    world.days("2021-10-11", "2021-10-13").await;
    let batch = reply(&world, "SXD", &[Kind::FollowUp], "2021-10-13", "2021-10-13 17:20").await;
    world.turn("2021-10-13 17:25").await;
    let mut tx = world.store().begin().await.expect("a transaction");
    tx.undo_entries(batch, "Lan", at("2021-10-13 17:28"))
        .await
        .expect("undone");
    tx.commit().await.expect("committed");
    assert_eq!(world.days("2021-10-14", "2021-10-21").await, [""; 0]);
    world.is_audited("2021-10-21 16:00").await;
}

#[tokio::test]
async fn a_day_that_is_closed_later_moves_the_ladder_and_tells_nothing_twice() {
    let mut world = with_directive(On::Sqlite).await;
    world.days("2021-10-11", "2021-10-22").await;
    // The due day is 27/10; the office is closed on it, as it turns out: the end of the 28th is meant.
    let closed = "\n[[closure]]\nfrom = \"2021-10-27\"\nuntil = \"2021-10-28\"\nlabel = \"Nghỉ bão\"\n";
    world.append("calendar.toml", closed).await;
    assert_eq!(world.days("2021-10-25", "2021-10-29").await, [""; 0]);
    world.is_audited("2021-10-29 16:00").await;
    office_saw(&world, "2021-11-01 07:10").await;
    assert_eq!(
        world.days("2021-11-01", "2021-11-01").await,
        [
            "01/11 giamdoc-sxd: 2021-09/b obligation/late",
            "01/11 giamdoc-syt: 2021-09/b obligation/late",
            "01/11 giamdoc-syt: 2021-09/c obligation/late",
            "01/11 sxd: 2021-09/b obligation/late",
            "01/11 syt: 2021-09/b obligation/late",
            "01/11 syt: 2021-09/c obligation/late",
        ]
    );
}

#[tokio::test]
async fn what_opens_behind_its_deadline_is_told_at_once_and_nobody_is_told_that_it_is_due_soon() {
    let mut world = after_september(&format!("{FIVE_DAYS}{SHIPPED}")).await;
    world.turn("2021-09-09 16:00").await;
    world.turn("2021-10-01 07:00").await;
    world.turn("2021-10-05 07:00").await;
    world.told();
    record(&world, "2021-10-12", "2021-10-14 09:00").await;
    office_saw(&world, "2021-10-14 10:00").await;
    assert_eq!(
        world.days("2021-10-14", "2021-10-19").await,
        [
            "15/10 sxd: 2021-09/b obligation/opened",
            "15/10 syt: 2021-09/b obligation/opened",
            "15/10 syt: 2021-09/c obligation/opened",
            "19/10 giamdoc-sxd: 2021-09/b obligation/late",
            "19/10 giamdoc-syt: 2021-09/b obligation/late",
            "19/10 giamdoc-syt: 2021-09/c obligation/late",
            "19/10 sxd: 2021-09/b obligation/late",
            "19/10 syt: 2021-09/b obligation/late",
            "19/10 syt: 2021-09/c obligation/late",
        ]
    );
}

#[tokio::test]
async fn a_unit_that_is_renamed_owes_nothing_twice() {
    let mut world = with_directive(On::Sqlite).await;
    world.days("2021-10-11", "2021-10-13").await;
    let renamed = |agencies: String| agencies.replace("id = \"SXD\"", "id = \"SoXD\"\nwas = [\"SXD\"]");
    world.edit("agencies.toml", renamed).await;
    assert_eq!(world.days("2021-10-14", "2021-10-21").await, [""; 0]);
    let said = crate::cli::text(&crate::cli::dondoc(
        &world.dir(),
        &[
            "report",
            "--month",
            "2021-09",
            "--revise",
            "kiểm tra lại",
            "--at",
            "2021-10-21T17:00",
        ],
    ));
    assert_eq!(owed(&world).await, ["SXD b 0/1", "SYT c 1/1", "SYT b 0/1"], "{said}");
    assert_eq!(
        world.days("2021-10-22", "2021-10-22").await,
        [
            "22/10 sxd: 2021-09/b obligation/due",
            "22/10 syt: 2021-09/b obligation/due",
            "22/10 syt: 2021-09/c obligation/due",
        ]
    );
    world.is_audited("2021-10-22 16:00").await;
}
