//! Shadow (`spec.md` §6): everything goes to ops' box with the intended recipients on top, and to nobody else; then unit
//! by unit goes live.

use dondoc::demo::reading::Letter;
use dondoc::domain::evaluate::Verdict;
use dondoc::domain::notice::Mode;
use mail_parser::MessageParser;

use super::delivery::{BUILDING, HEALTH, Moods, fates};
use super::posted::{BOTH, SYT, System, via, with_endpoints};
use super::{BOX, ladder, line, only_letter, set_delivery, shadow_but, thread};
use crate::cli::{dondoc, json, text};
use crate::postgres::{On, on_both};
use crate::world::World;

on_both! {
    a_unit_that_goes_live_gets_one_opening_digest_and_the_others_nothing_new
}

/// Whom a letter in ops' box is meant for: the addresses, or the endpoint.
fn intended(letter: &Letter) -> String {
    let way = letter
        .text
        .lines()
        .find_map(|l| l.strip_prefix("Kênh gửi: "))
        .expect("the way");
    let way = way.trim_end_matches('.').replace("@tinh.example", "");
    way.strip_prefix("thư điện tử đến ")
        .map_or_else(|| way.clone(), |to| to.replace(", ", "+"))
}

/// A letter in a line, one in ops' box as `(for whom) …`.
fn shown(letter: &Letter) -> String {
    if letter.to != [BOX] {
        assert!(
            !letter.subject.contains("CHẠY THỬ") && !letter.text.contains("CHẠY THỬ"),
            "{}",
            letter.text
        );
        return line(letter);
    }
    assert!(letter.subject.starts_with("[CHẠY THỬ] [1022]"), "{}", letter.subject);
    line(letter).replacen("chaythu", &format!("({})", intended(letter)), 1)
}

/// Turns at 07:00, 08:00 and 16:00 of each day, and the letters of each day.
async fn days(world: &mut World, from: &str, to: &str) -> Vec<String> {
    let day = |text: &str| text.parse::<chrono::NaiveDate>().expect("a date");
    let mut all = Vec::new();
    for date in day(from).iter_days().take_while(|d| *d <= day(to)) {
        for time in ["07:00", "08:00", "16:00"] {
            world.turn(&format!("{date} {time}")).await;
        }
        let mut lines: Vec<String> = world.letters().iter().map(shown).collect();
        lines.sort();
        all.extend(lines.into_iter().map(|l| format!("{} {l}", date.format("%d/%m"))));
    }
    all
}

const UNASSIGNED: &str = r#"
[[rule]]
id = "unassigned"
title = "Phiếu cần phân công lại"
when = "unassigned"

[[rule.step]]
id = "A"
after = "1wd"
to = ["ops", "office:contact"]
template = "unassigned"
"#;

/// A fortnight of late, helped, confidential, answered and homeless tickets.
async fn a_fortnight(world: &mut World) -> Vec<String> {
    world.turn("2021-09-06 07:00").await;
    for (code, agency) in [
        ("T1", "Sở Y tế"),
        ("T2", "Sở Xây dựng"),
        ("T3", "Sở Tài chính"),
        ("T4", "Ban Quản lý khu kinh tế"),
        ("T5", "một nơi không ai biết"),
        ("T6", "Sở Y tế"),
    ] {
        world.ticket(code, agency, "2021-09-06 09:00").await;
    }
    world
        .change("T1", "2021-09-06 09:10", "co_agencies = 'Sở Xây dựng'")
        .await;
    world.change("T6", "2021-09-06 09:10", "confidential = 1").await;
    let mut told = days(world, "2021-09-07", "2021-09-20").await;
    world.answer("T2", "2021-09-20 22:00").await;
    told.extend(days(world, "2021-09-21", "2021-09-28").await);
    told
}

#[tokio::test]
async fn in_shadow_ops_box_gets_every_letter_with_its_recipients_and_nobody_else_gets_one() {
    let rules = ladder() + UNASSIGNED;
    let mut live = World::new(&rules).await;
    let told_live = a_fortnight(&mut live).await;
    assert!(told_live.len() > 12, "{told_live:#?}");
    let mut shadow = World::new(&rules).await;
    shadow_but(&shadow, &[]);
    shadow.restart().await;
    let told: Vec<String> = a_fortnight(&mut shadow).await;
    assert!(shadow.received().iter().all(|mail| mail.to == [BOX]));
    assert!(told.iter().all(|line| line.contains('(')), "{told:#?}");
    let mut without_marks: Vec<String> = told.iter().map(|l| l.replace(['(', ')'], "")).collect();
    without_marks.sort();
    let mut told_live = told_live;
    told_live.sort();
    assert_eq!(without_marks, told_live, "the same letters on the same days");
}

#[tokio::test]
async fn the_mark_stands_on_top_of_text_and_html_and_in_a_header() {
    let mut world = World::new(&ladder()).await;
    shadow_but(&world, &[]);
    world.restart().await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    days(&mut world, "2021-09-14", "2021-09-14").await;
    let received = world.received();
    let mail = MessageParser::default().parse(&received[0].bytes).expect("a mail");
    let (text, html) = (mail.body_text(0).expect("text"), mail.body_html(0).expect("HTML"));
    for (body, says) in [(&text, "Kính gửi: Sở Y tế"), (&html, "Kính gửi: Sở Y tế")] {
        let place = |part: &str| body.find(part).unwrap_or_else(|| panic!("{part} in {body}"));
        assert!(place("Nơi nhận khi vận hành chính thức: Sở Y tế (đầu mối tiếp nhận)") < place(says));
        assert!(place("thư điện tử đến syt@tinh.example") < place(says));
    }
    assert_eq!(mail.header_raw("X-Dondoc-Mode").map(str::trim), Some("shadow"));
    assert_eq!(
        mail.subject(),
        Some("[CHẠY THỬ] [1022][Nhắc lần 1] 1 phiếu quá hạn – Sở Y tế")
    );
}

/// T1 of Sở Y tế and T2 of Sở Xây dựng, told in shadow up to L2 on 16/9.
async fn rehearsed(on: On) -> World {
    let mut world = World::new(&ladder()).await.on(on).await;
    shadow_but(&world, &[]);
    world.restart().await;
    world.turn("2021-09-06 07:00").await;
    for (code, agency) in [("T1", "Sở Y tế"), ("T2", "Sở Xây dựng")] {
        world.ticket(code, agency, "2021-09-06 09:00").await;
    }
    assert_eq!(
        days(&mut world, "2021-09-13", "2021-09-16").await,
        [
            "14/09 (sxd) digest: T2 overdue/L1",
            "14/09 (syt) digest: T1 overdue/L1",
            "16/09 (giamdoc-sxd) digest: T2 overdue/L2",
            "16/09 (giamdoc-syt) digest: T1 overdue/L2",
        ]
    );
    world
}

async fn a_unit_that_goes_live_gets_one_opening_digest_and_the_others_nothing_new(on: On) {
    let mut world = rehearsed(on).await;
    shadow_but(&world, &["SYT"]);
    world.adopt().await;
    world.turn("2021-09-16 17:00").await;
    assert!(world.letters().is_empty(), "the digest has its hour");
    world.turn("2021-09-17 08:00").await;
    let opening = only_letter(&mut world);
    assert_eq!(line(&opening), "syt digest: T1 overdue/L1");
    let words = opening.text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("đây là thư nhắc quá hạn đầu tiên"), "{words}");
    assert!(!opening.subject.contains("Nhắc lần"), "{}", opening.subject);
    assert!(!opening.text.contains("đã nhắc ngày"), "{}", opening.text);
    let last = world.received().pop().expect("a mail");
    assert_eq!(
        thread(&last),
        (Vec::new(), Vec::new()),
        "no answer to a letter that nobody has"
    );
    // From here on each goes on by its own: the live one from its opening, the other from what it was told in shadow.
    assert_eq!(
        days(&mut world, "2021-09-18", "2021-09-21").await,
        [
            "20/09 (giamdoc-sxd) digest: T2 overdue/L3",
            "21/09 giamdoc-syt digest: T1 overdue/L2",
        ]
    );
    // Now the other one goes live as well: it begins, and Sở Y tế hears nothing new.
    set_delivery(&world, "mode = \"live\"");
    world.adopt().await;
    assert_eq!(
        days(&mut world, "2021-09-22", "2021-09-24").await,
        [
            "22/09 sxd digest: T2 overdue/L1",
            "23/09 giamdoc-syt digest: T1 overdue/L3",
            "24/09 giamdoc-sxd digest: T2 overdue/L2",
        ]
    );
}

#[tokio::test]
async fn going_back_to_shadow_repeats_nothing_and_live_again_it_goes_on_where_it_stood() {
    let mut world = rehearsed(On::Sqlite).await;
    shadow_but(&world, &["SYT"]);
    world.restart().await;
    assert_eq!(
        days(&mut world, "2021-09-17", "2021-09-17").await,
        ["17/09 syt digest: T1 overdue/L1"]
    );
    shadow_but(&world, &[]);
    world.restart().await;
    // The rehearsal goes on too, from its own L2.
    assert_eq!(
        days(&mut world, "2021-09-18", "2021-09-20").await,
        [
            "20/09 (giamdoc-sxd) digest: T2 overdue/L3",
            "20/09 (giamdoc-syt) digest: T1 overdue/L3",
        ]
    );
    shadow_but(&world, &["SYT"]);
    world.restart().await;
    assert_eq!(
        days(&mut world, "2021-09-21", "2021-09-21").await,
        ["21/09 giamdoc-syt digest: T1 overdue/L2"]
    );
    world.is_audited("2021-09-21 22:00").await;
}

#[tokio::test]
async fn who_was_told_in_shadow_is_told_of_the_end_in_shadow_only() {
    let mut world = rehearsed(On::Sqlite).await;
    world.ticket("T3", "Sở Y tế", "2021-09-09 09:00").await;
    shadow_but(&world, &["SYT"]);
    world.restart().await;
    assert_eq!(
        days(&mut world, "2021-09-17", "2021-09-17").await,
        ["17/09 syt digest: T3 overdue/L1, T1 overdue/L1",]
    );
    world.answer("T1", "2021-09-17 22:00").await;
    world.answer("T2", "2021-09-17 22:00").await;
    world.answer("T3", "2021-09-17 22:00").await;
    assert_eq!(
        days(&mut world, "2021-09-18", "2021-09-21").await,
        [
            "20/09 (giamdoc-sxd) digest: T2 @settled/done",
            "20/09 (giamdoc-syt) digest: T1 @settled/done",
            "20/09 (sxd) digest: T2 @settled/done",
            "20/09 (syt) digest: T1 @settled/done",
            "20/09 syt digest: T1 @settled/done, T3 @settled/done",
        ]
    );
}

#[tokio::test]
async fn an_ending_of_what_was_told_live_waits_while_the_unit_is_in_shadow() {
    let mut world = rehearsed(On::Sqlite).await;
    shadow_but(&world, &["SYT"]);
    world.restart().await;
    days(&mut world, "2021-09-17", "2021-09-17").await;
    world.answer("T1", "2021-09-17 17:30").await;
    world.turn("2021-09-17 18:00").await;
    shadow_but(&world, &[]);
    world.adopt().await;
    assert_eq!(
        days(&mut world, "2021-09-20", "2021-09-20").await,
        [
            "20/09 (giamdoc-sxd) digest: T2 overdue/L3",
            "20/09 (giamdoc-syt) digest: T1 @settled/done",
            "20/09 (syt) digest: T1 @settled/done",
        ]
    );
    shadow_but(&world, &["SYT"]);
    world.adopt().await;
    assert_eq!(
        days(&mut world, "2021-09-21", "2021-09-22").await,
        ["21/09 syt digest: T1 @settled/done"]
    );
}

#[tokio::test]
async fn what_waits_to_be_sent_live_is_not_sent_once_its_unit_is_in_shadow() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH, BUILDING]).await;
    moods.refuse("tinh.example", 451);
    world.turn("2021-09-14 08:00").await;
    moods.well();
    shadow_but(&world, &["SXD"]);
    world.adopt().await;
    world.turn("2021-09-14 09:00").await;
    let mut lines: Vec<String> = world.letters().iter().map(shown).collect();
    lines.sort();
    assert_eq!(
        lines,
        ["sxd digest: T2 overdue/L1"],
        "composed anew for the one that is live; in shadow the digest has its hour"
    );
    assert_eq!(fates(&world, "T1").await, ["replaced: later"]);
    assert_eq!(
        days(&mut world, "2021-09-15", "2021-09-16").await,
        [
            "15/09 (syt) digest: T1 overdue/L1",
            "16/09 giamdoc-sxd digest: T2 overdue/L2",
        ]
    );
}

#[tokio::test]
async fn a_rehearsal_that_the_box_does_not_take_is_replaced_like_any_other_and_climbs_on_its_own_acceptances() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    shadow_but(&world, &[]);
    world.restart().await;
    moods.refuse("chaythu", 451);
    assert_eq!(days(&mut world, "2021-09-14", "2021-09-16").await, [""; 0]);
    moods.well();
    assert_eq!(
        days(&mut world, "2021-09-17", "2021-09-21").await,
        [
            "17/09 (syt) digest: T1 overdue/L1",
            "21/09 (giamdoc-syt) digest: T1 overdue/L2",
        ]
    );
}

#[tokio::test]
async fn what_would_be_posted_is_shown_in_a_mail_and_nothing_is_posted_until_the_unit_is_live() {
    let system = System::start().await;
    let mut world = World::new(&via(BOTH)).await;
    shadow_but(&world, &[]);
    with_endpoints(&mut world, &[(SYT, system.endpoint("syt", ""))]).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    assert_eq!(
        days(&mut world, "2021-09-13", "2021-09-15").await,
        [
            "14/09 (syt) digest: T1 overdue/L1",
            "14/09 (webhook “syt”) digest: T1 overdue/L1",
        ]
    );
    assert!(system.told().is_empty());
    let listed = world.store().messages_of_ticket("T1").await.expect("messages");
    let listed: Vec<_> = listed.iter().map(|m| (m.channel.as_str(), m.mode.as_str())).collect();
    assert_eq!(listed, [("email", "shadow"), ("email", "shadow")]);
    set_delivery(&world, "mode = \"live\"");
    world.restart().await;
    world.turn("2021-09-15 17:00").await;
    assert_eq!(system.told(), ["T1 overdue/L1"], "a webhook has no hour");
    assert_eq!(
        days(&mut world, "2021-09-16", "2021-09-16").await,
        ["16/09 syt digest: T1 overdue/L1"]
    );
}

#[tokio::test]
async fn what_happened_before_a_unit_went_live_is_no_news_to_it() {
    let received = r#"
[[rule]]
id = "new"
title = "Phiếu mới tiếp nhận"
when = "received"
digest = "ticket"

[[rule.step]]
id = "N"
after = "0s"
to = ["agency:contact"]
template = "received"
"#;
    let mut world = World::new(&(ladder() + received)).await;
    shadow_but(&world, &[]);
    world.restart().await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-06 10:00").await;
    assert_eq!(shown(&only_letter(&mut world)), "(syt) single: T1 new/N");
    set_delivery(&world, "mode = \"live\"");
    world.adopt().await;
    world.ticket("T2", "Sở Y tế", "2021-09-06 11:00").await;
    world.turn("2021-09-06 10:30").await;
    world.turn("2021-09-06 11:10").await;
    assert_eq!(shown(&only_letter(&mut world)), "syt single: T2 new/N");
    let verdict = world.verdict("T1", "new", "N", "2021-09-06 11:10").await;
    assert!(matches!(verdict, Verdict::NotConcerned(_)), "{verdict:?}");
}

#[tokio::test]
async fn tickets_that_no_agency_has_go_live_with_the_office() {
    let mut world = World::new(&(ladder() + UNASSIGNED)).await;
    shadow_but(&world, &["SYT"]);
    world.restart().await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "một nơi không ai biết", "2021-09-06 09:00").await;
    assert_eq!(
        days(&mut world, "2021-09-07", "2021-09-07").await,
        [
            "07/09 (ops) digest: T1 unassigned/A",
            "07/09 (vp) digest: T1 unassigned/A"
        ]
    );
    shadow_but(&world, &["VP"]);
    world.adopt().await;
    assert_eq!(
        days(&mut world, "2021-09-08", "2021-09-08").await,
        ["08/09 ops digest: T1 unassigned/A", "08/09 vp digest: T1 unassigned/A"]
    );
}

#[tokio::test]
async fn status_explain_and_the_outbox_say_in_which_mode_things_are() {
    let mut world = rehearsed(On::Sqlite).await;
    shadow_but(&world, &["SXD"]);
    world.restart().await;
    world.turn("2021-09-16 17:00").await;
    assert_eq!(world.explained("T1", "2021-09-16 17:00").await.mode, Mode::Shadow);
    assert_eq!(world.explained("T2", "2021-09-16 17:00").await.mode, Mode::Live);
    assert_eq!(world.explained("T2", "2021-09-16 16:00").await.mode, Mode::Shadow);
    let dir = world.dir();
    let status = text(&dondoc(&dir, &["status"]));
    assert!(
        status.contains("mode           shadow, everything goes to chaythu@tinh.example; live units: SXD; 4 more"),
        "{status}"
    );
    let status = json(&dir, &["status", "--json"]);
    assert_eq!(
        (
            &status["mode"],
            &status["live_units"],
            &status["accepted"],
            &status["accepted_in_shadow"]
        ),
        (&"shadow".into(), &serde_json::json!(["SXD"]), &0.into(), &4.into())
    );
    let explained = text(&dondoc(&dir, &["explain", "T1"]));
    assert!(
        explained.contains("mode      shadow: told to chaythu@tinh.example only"),
        "{explained}"
    );
    assert!(explained.contains("accepted SYT/contact (shadow)"), "{explained}");
    assert_eq!(json(&dir, &["explain", "T2", "--json"])["mode"], "live");
    let list = json(&dir, &["outbox", "list", "--json"]);
    let modes: Vec<&str> = list["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .map(|m| m["mode"].as_str().expect("a mode"))
        .collect();
    assert_eq!(modes, ["shadow"; 4]);
}

#[tokio::test]
async fn a_ticket_that_moves_between_a_live_unit_and_one_in_shadow_ends_for_each_in_its_own_mode() {
    let mut world = Moods::default().province(&ladder(), &[HEALTH, BUILDING]).await;
    shadow_but(&world, &["SXD"]);
    world.adopt().await;
    assert_eq!(
        days(&mut world, "2021-09-14", "2021-09-14").await,
        ["14/09 (syt) digest: T1 overdue/L1", "14/09 sxd digest: T2 overdue/L1",]
    );
    world.change("T1", "2021-09-14 22:00", "agency = 'Sở Xây dựng'").await;
    world.change("T2", "2021-09-14 22:00", "agency = 'Sở Y tế'").await;
    assert_eq!(
        days(&mut world, "2021-09-15", "2021-09-15").await,
        [
            "15/09 (syt) digest: T2 overdue/L1, T1 @settled/transferred",
            "15/09 sxd digest: T1 overdue/L1, T2 @settled/transferred",
        ]
    );
    world.is_audited("2021-09-15 22:00").await;
}
