//! Stories of the monthly cycle's letters: three to the Office about each period, the final figures where they differ, and to
//! each unit the list that it is asked to check. Each goes out once, whatever calendar, process and mail server do.

use chrono::NaiveDate;
use dondoc::demo::receiver::{Do, Step};
use dondoc::domain::monthly::Letter as Kind;
use dondoc::domain::obligation::{self, Directive, Id, NewEntry, What};
use dondoc::domain::time::Period;
use mail_parser::{MessageParser, MimeHeaders as _};

use crate::cli::{json, text};
use crate::postgres::{On, on_both};
use crate::world::{FIVE_DAYS, World, at};

const OBLIGATIONS: &str = include_str!("../../config/rules/obligations.toml");
const LETTERS: &str = "[monthly]\nletters = true\n";

fn date(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

fn period(key: &str) -> Period {
    key.parse().expect("a period")
}

/// A received mail: when, to whom, what the subject says, and the files with it.
fn shown(bytes: &[u8]) -> String {
    let mail = MessageParser::default().parse(bytes).expect("a mail");
    let when = chrono::DateTime::from_timestamp(mail.date().expect("a date").to_timestamp(), 0).expect("an instant");
    let when = when
        .with_timezone(&chrono_tz::Asia::Ho_Chi_Minh)
        .format("%a %d/%m %H:%M");
    let to = mail
        .to()
        .expect("somebody")
        .first()
        .expect("somebody")
        .address()
        .expect("an address");
    let files: Vec<&str> = mail.attachments().filter_map(|a| a.attachment_name()).collect();
    let files = if files.is_empty() {
        String::new()
    } else {
        format!(" + {}", files.join(", "))
    };
    let to = to.replace("@tinh.example", "");
    format!("{when} {to}: {}{files}", mail.subject().expect("a subject"))
}

/// All mails received since this was asked last.
fn received(world: &mut World) -> Vec<String> {
    taken(world).iter().map(|bytes| shown(bytes)).collect()
}

/// Their bytes, day by day and to the Office first: those of one turn go side by side.
fn taken(world: &mut World) -> Vec<Vec<u8>> {
    let mut mails = world.mails();
    mails.sort_by_cached_key(|bytes| {
        let mail = MessageParser::default().parse(bytes).expect("a mail");
        let line = shown(bytes);
        (mail.date().map(|d| d.to_timestamp()), !line.contains(" vp: "), line)
    });
    mails
}

/// The text of a mail, without what differs from run to run.
fn read(bytes: &[u8]) -> String {
    let mail = MessageParser::default().parse(bytes).expect("a mail");
    let text = mail.body_text(0).expect("a text").replace("\r\n", "\n");
    let (text, _) = text.split_once("Mã thông báo").expect("an id");
    format!("Subject: {}\n\n{text}", mail.subject().expect("a subject"))
}

/// Turns of each day from one date to another.
async fn days(world: &mut World, from: &str, to: &str) {
    for day in date(from).iter_days().take_while(|d| *d <= date(to)) {
        for time in ["00:00", "07:00", "08:00", "16:30"] {
            world.turn(&format!("{day} {time}")).await;
        }
    }
}

/// A province whose letters are written. Tickets of September 2021: T1 (conduct), T2 and T4 stay open, T3 was rated badly.
async fn province(rules: &str) -> World {
    filled(World::new(rules).await).await
}

async fn filled(mut world: World) -> World {
    world.append("dondoc.toml", LETTERS).await;
    world.turn("2021-09-06 07:00").await;
    for (code, agency) in [
        ("T1", "Sở Y tế"),
        ("T2", "Sở Xây dựng"),
        ("T3", "Sở Y tế"),
        ("T4", "Sở Y tế"),
    ] {
        world.ticket(code, agency, "2021-09-06 09:00").await;
    }
    world.change("T1", "2021-09-06 09:30", "tags = 'conduct'").await;
    world.answer("T3", "2021-09-08 10:00").await;
    let rated = "rating = 'chưa hài lòng', rated_at = '2021-09-09 10:00:00'";
    world.change("T3", "2021-09-09 10:00", rated).await;
    world.turn("2021-09-09 16:00").await;
    world
}

/// The Office records the directive.
async fn record(world: &World, key: &str, reply_before: &str, when: &str) {
    let mut tx = world.store().begin().await.expect("a transaction");
    let directive = Directive {
        period: period(key),
        number: "312/UBND-KSTT".to_owned(),
        date: date("2021-10-08"),
        reply_before: date(reply_before),
        is_standing: false,
        by: "Lan".to_owned(),
        recorded_at: at(when),
    };
    tx.record_directive(&directive).await.expect("recorded");
    tx.open_obligations(period(key), at(when)).await.expect("opened");
    tx.commit().await.expect("committed");
}

/// A document of a unit reached the Office.
async fn reply(world: &World, unit: &str, kinds: &[obligation::Kind], when: &str) {
    let line = |kind: &obligation::Kind| NewEntry {
        what: What::Reply,
        obligation: Id {
            period: period("2021-09"),
            unit: unit.to_owned(),
            kind: *kind,
        },
        code: None,
        number: Some("77/BC-SXD".to_owned()),
        date: Some(date(&when[..10])),
        reached_on: Some(date(&when[..10])),
        note: None,
    };
    let lines: Vec<NewEntry> = kinds.iter().map(line).collect();
    let mut tx = world.store().begin().await.expect("a transaction");
    tx.record_entries(&lines, "Lan", at(when)).await.expect("recorded");
    tx.commit().await.expect("committed");
}

async fn seen(world: &World) -> Vec<Option<dondoc::domain::Moment>> {
    let all = world.store().obligations(period("2021-09")).await.expect("obligations");
    let mut seen: Vec<_> = all.iter().map(|o| o.office_saw_at).collect();
    seen.dedup();
    seen
}

const FIGURES: &str = "vp: [1022] Nhắc việc tháng 10/2021: theo dõi kết quả thực hiện và báo cáo Chủ tịch UBND tỉnh (số liệu tháng 9/2021, số liệu tạm tính) \
                       + Du thao bao cao - 2021-09.docx, Du thao van ban chi dao - 2021-09.docx, So lieu - 2021-09.xlsx";

on_both! { the_office_gets_figures_and_drafts_at_eight_and_each_unit_its_list the_office_hears_before_and_after_the_deadline_who_has_not_replied_and_then_heads_do }

async fn the_office_gets_figures_and_drafts_at_eight_and_each_unit_its_list(on: On) {
    let mut world = province(FIVE_DAYS).await.on(on).await;
    days(&mut world, "2021-09-10", "2021-09-30").await;
    assert_eq!(received(&mut world), Vec::<String>::new());
    days(&mut world, "2021-10-01", "2021-10-31").await;
    let mails = taken(&mut world);
    let list: Vec<String> = mails.iter().map(|bytes| shown(bytes)).collect();
    assert_eq!(
        list,
        [
            format!("Fri 01/10 08:00 {FIGURES}"),
            "Fri 01/10 08:00 sxd: [1022] Danh sách phiếu tháng 9/2021 để rà soát, đối chiếu – Sở Xây dựng".to_owned(),
            "Fri 01/10 08:00 syt: [1022] Danh sách phiếu tháng 9/2021 để rà soát, đối chiếu – Sở Y tế".to_owned(),
        ],
        "equal final figures are not sent, and without a directive nobody has to reply"
    );
    insta::assert_snapshot!("figures", read(&mails[0]));
    insta::assert_snapshot!("list", read(&mails[2]));
    assert!(
        !read(&mails[2]).contains("T1"),
        "a complaint about a person stands in no list"
    );
    for word in ["yêu cầu", "Yêu cầu"] {
        assert!(!read(&mails[2]).contains(word), "a list asks for nothing");
    }
}

#[tokio::test]
async fn final_figures_that_differ_follow_once_in_the_same_thread() {
    let mut world = province(FIVE_DAYS).await;
    days(&mut world, "2021-09-30", "2021-10-01").await;
    let first = taken(&mut world);
    let rated = "status = 'đã trả lời', answered_at = '2021-09-29 10:00:00'";
    world.change("T2", "2021-10-01 17:30", rated).await;
    days(&mut world, "2021-10-02", "2021-10-20").await;
    let mails = taken(&mut world);
    let list: Vec<String> = mails.iter().map(|bytes| shown(bytes)).collect();
    assert_eq!(
        list,
        [
            "Tue 05/10 08:00 vp: [1022] Số liệu chính thức tháng 9/2021: có thay đổi so với số liệu tạm tính + Du thao bao cao - 2021-09.docx, \
          Du thao van ban chi dao - 2021-09.docx, So lieu - 2021-09.xlsx"
        ]
    );
    insta::assert_snapshot!("final", read(&mails[0]));
    let id = |bytes: &[u8]| {
        MessageParser::default()
            .parse(bytes)
            .and_then(|m| m.message_id().map(str::to_owned))
    };
    let answered = MessageParser::default().parse(mails[0].as_slice()).expect("a mail");
    assert_eq!(answered.in_reply_to().as_text().map(str::to_owned), id(&first[0]));
}

async fn the_office_hears_before_and_after_the_deadline_who_has_not_replied_and_then_heads_do(on: On) {
    let rules = format!("{FIVE_DAYS}{OBLIGATIONS}");
    let mut world = province(&rules).await.on(on).await;
    days(&mut world, "2021-09-30", "2021-10-10").await;
    record(&world, "2021-09", "2021-10-28", "2021-10-11 09:00").await;
    days(&mut world, "2021-10-11", "2021-10-20").await;
    reply(&world, "SXD", &[obligation::Kind::FollowUp], "2021-10-20 16:40").await;
    world.mails();
    days(&mut world, "2021-10-21", "2021-10-28").await;
    let mails = taken(&mut world);
    let to_office: Vec<&Vec<u8>> = mails.iter().filter(|m| shown(m).contains(" vp: ")).collect();
    let list: Vec<String> = to_office.iter().map(|m| shown(m)).collect();
    assert_eq!(
        list,
        ["Fri 22/10 07:00 vp: [1022] 1/2 cơ quan chưa được ghi nhận báo cáo (chỉ đạo về kết quả tháng 9/2021)"]
    );
    insta::assert_snapshot!("reminder", read(to_office[0]));
    assert_eq!(seen(&world).await, [None]);
    days(&mut world, "2021-10-29", "2021-10-29").await;
    let mails = taken(&mut world);
    let (to_office, others): (Vec<String>, Vec<String>) =
        mails.iter().map(|m| shown(m)).partition(|m| m.contains(" vp: "));
    assert_eq!(
        to_office,
        [
            "Fri 29/10 07:00 vp: [1022] Dự thảo báo cáo Chủ tịch UBND tỉnh tháng 9/2021: 1/2 cơ quan chưa ghi nhận báo cáo \
          + Du thao bao cao - 2021-09.docx, So lieu - 2021-09.xlsx",
        ],
    );
    insta::assert_snapshot!("outcome", read(&mails[0]));
    assert_eq!(seen(&world).await, [Some(at("2021-10-29 07:00"))]);
    let others: Vec<&str> = others.iter().filter_map(|m| m.split(": ").next()).collect();
    assert_eq!(
        others,
        ["Fri 29/10 08:00 giamdoc-syt", "Fri 29/10 08:00 syt"],
        "nobody's head hears before the Office does"
    );
}

#[tokio::test]
async fn when_all_have_replied_none_is_reminded_of_and_the_report_says_so() {
    let mut world = province(FIVE_DAYS).await;
    days(&mut world, "2021-09-30", "2021-10-06").await;
    record(&world, "2021-09", "2021-10-28", "2021-10-11 09:00").await;
    use obligation::Kind::{Explanation, FollowUp, Review};
    reply(&world, "SXD", &[FollowUp], "2021-10-12 09:00").await;
    reply(&world, "SYT", &[Review, FollowUp, Explanation], "2021-10-12 09:00").await;
    received(&mut world);
    days(&mut world, "2021-10-13", "2021-10-31").await;
    let mails = taken(&mut world);
    let list: Vec<String> = mails.iter().map(|m| shown(m)).collect();
    assert_eq!(
        list,
        [
            "Fri 29/10 07:00 vp: [1022] Dự thảo báo cáo Chủ tịch UBND tỉnh tháng 9/2021: không còn cơ quan nào phải báo cáo \
          + Du thao bao cao - 2021-09.docx, So lieu - 2021-09.xlsx"
        ]
    );
    insta::assert_snapshot!("nobody_owes", read(&mails[0]));
}

#[tokio::test]
async fn a_later_day_for_replies_is_told_of_again() {
    let mut world = province(FIVE_DAYS).await;
    days(&mut world, "2021-09-30", "2021-10-06").await;
    record(&world, "2021-09", "2021-10-28", "2021-10-11 09:00").await;
    days(&mut world, "2021-10-21", "2021-10-25").await;
    record(&world, "2021-09", "2021-11-11", "2021-10-25 17:00").await;
    received(&mut world);
    days(&mut world, "2021-10-26", "2021-11-14").await;
    let list = received(&mut world);
    let office: Vec<&str> = list.iter().filter_map(|l| l.get(..16)).collect();
    // Beside it the figures of October and their lists.
    assert_eq!(
        office,
        [
            "Mon 01/11 08:00 ",
            "Mon 01/11 08:00 ",
            "Mon 01/11 08:00 ",
            "Fri 05/11 07:00 ",
            "Fri 12/11 07:00 "
        ],
        "{list:#?}"
    );
}

#[tokio::test]
async fn few_days_and_replies_to_the_month_before_stand_in_the_next_figures() {
    let mut world = province(FIVE_DAYS).await;
    days(&mut world, "2021-09-30", "2021-10-06").await;
    record(&world, "2021-09", "2021-10-28", "2021-10-11 09:00").await;
    reply(&world, "SXD", &[obligation::Kind::FollowUp], "2021-10-12 09:00").await;
    record(&world, "2021-10", "2021-11-10", "2021-10-29 09:00").await;
    days(&mut world, "2021-10-30", "2021-10-31").await;
    world.mails();
    days(&mut world, "2021-11-01", "2021-11-01").await;
    let mails = taken(&mut world);
    let figures = mails.iter().find(|m| shown(m).contains("Nhắc việc")).expect("figures");
    insta::assert_snapshot!("figures_with_the_month_before", read(figures));
}

#[tokio::test]
async fn months_that_end_on_a_sunday_on_31_12_and_on_tet_have_their_letters_on_a_day_when_offices_work() {
    let mut world = province(FIVE_DAYS).await;
    let mut on = Vec::new();
    for (from, to) in [
        // Sunday 31/10.
        ("2021-10-30", "2021-11-03"),
        ("2021-11-30", "2021-12-02"),
        // Saturday 1/1, compensated on Monday 3/1.
        ("2021-12-31", "2022-01-06"),
        // Tết 2022: closed from 31/1 to 4/2; 7/2 stands beside the closure.
        ("2022-01-27", "2022-02-10"),
    ] {
        days(&mut world, from, to).await;
        let list = received(&mut world);
        on.extend(
            list.into_iter()
                .filter(|l| l.contains(" vp: ") && l.contains("Nhắc việc"))
                .map(|l| l[..15].to_owned()),
        );
    }
    assert_eq!(
        on,
        [
            "Mon 01/11 08:00",
            "Wed 01/12 08:00",
            "Tue 04/01 08:00",
            "Tue 08/02 08:00"
        ]
    );
}

#[tokio::test]
async fn after_weeks_off_the_last_months_figures_come_late_and_say_so_and_the_rest_is_passed_over() {
    let rules = format!("{FIVE_DAYS}{OBLIGATIONS}");
    let mut world = province(&rules).await;
    days(&mut world, "2021-09-30", "2021-10-06").await;
    record(&world, "2021-09", "2021-10-28", "2021-10-11 09:00").await;
    world.turn("2021-10-11 16:00").await;
    received(&mut world);
    for time in [
        "2021-12-06 09:00",
        "2021-12-06 09:10",
        "2021-12-06 09:20",
        "2021-12-06 09:30",
        "2021-12-07 08:00",
    ] {
        world.turn(time).await;
    }
    let mails = taken(&mut world);
    let list: Vec<String> = mails.iter().map(|m| shown(m)).filter(|m| m.contains(" vp: ")).collect();
    assert_eq!(
        list,
        [
            "Mon 06/12 09:00 vp: [1022] Dự thảo báo cáo Chủ tịch UBND tỉnh tháng 9/2021: 2/2 cơ quan chưa ghi nhận báo cáo \
             + Du thao bao cao - 2021-09.docx, So lieu - 2021-09.xlsx",
            "Mon 06/12 09:20 vp: [1022] Nhắc việc tháng 12/2021: theo dõi kết quả thực hiện và báo cáo Chủ tịch UBND tỉnh (số liệu tháng 11/2021) \
             + Du thao bao cao - 2021-11.docx, Du thao van ban chi dao - 2021-11.docx, So lieu - 2021-11.xlsx",
        ]
    );
    let late = mails.iter().find(|m| shown(m).contains("Nhắc việc")).expect("figures");
    assert!(read(late).contains("gửi muộn"), "{}", read(late));
    assert!(
        mails.iter().all(|m| !shown(m).contains("rà soát")),
        "what has been checked is not to be checked any more"
    );
}

#[tokio::test]
async fn a_process_killed_at_any_step_tells_each_letter_once() {
    let mut world = province(FIVE_DAYS).await;
    world.turn("2021-09-30 16:30").await;
    let mut polls = 1;
    while world.turn_killed_after("2021-10-01 00:00", polls).await {
        polls += 9;
    }
    let mut polls = 1;
    while world.turn_killed_after("2021-10-01 08:00", polls).await {
        polls += 9;
    }
    assert!(polls > 60, "the turn was over after {polls} steps");
    world.turn("2021-10-01 08:10").await;
    let letters = world.letters();
    let mut ids: Vec<(&str, &str)> = letters.iter().map(|l| (&*l.to[0], &*l.message_id)).collect();
    ids.sort_unstable();
    // An answer that was lost has the same bytes sent again.
    ids.dedup();
    let boxes: Vec<&str> = ids.iter().map(|(to, _)| *to).collect();
    assert_eq!(boxes, ["sxd@tinh.example", "syt@tinh.example", "vp@tinh.example"]);
}

#[tokio::test]
async fn figures_that_contradict_each_other_go_to_nobody_until_they_balance() {
    let mut world = province(FIVE_DAYS).await;
    world.turn("2021-09-30 16:30").await;
    world.turn("2021-10-01 00:00").await;
    let spoil = "UPDATE snapshot SET figures = REPLACE(figures, '\"received\":3', '\"received\":4') WHERE period = '2021-09' AND revision = 0";
    world.on_store(spoil).await;
    let violated = world.store().snapshots(period("2021-09")).await.expect("snapshots");
    assert!(
        !violated[0].figures.violations().is_empty(),
        "the story spoils the figures"
    );
    days(&mut world, "2021-10-01", "2021-10-04").await;
    let held = received(&mut world);
    assert!(
        held.iter().all(|m| !m.contains(" vp: ") && !m.contains("rà soát")),
        "{held:?}"
    );
    // The final ones balance.
    days(&mut world, "2021-10-05", "2021-10-06").await;
    let list: Vec<String> = received(&mut world)
        .into_iter()
        .filter(|m| m.contains(" vp: "))
        .map(|m| m[..15].to_owned())
        .collect();
    assert_eq!(list, ["Tue 05/10 07:00"]);
}

#[tokio::test]
async fn a_long_list_has_a_workbook_and_cards_are_told_of_with_each_until_they_are_closed() {
    let mut world = province(FIVE_DAYS).await;
    world
        .edit("dondoc.toml", |text| {
            let text = text.replace("[delivery]", "[delivery]\nannex_above = 1");
            format!("{text}\n[report]\ncards_unit = \"STC\"\n")
        })
        .await;
    world.change("T2", "2021-09-10 09:00", "category = 'cccd'").await;
    days(&mut world, "2021-09-29", "2021-10-06").await;
    let mails = taken(&mut world);
    let lists: Vec<String> = mails
        .iter()
        .map(|m| shown(m))
        .filter(|m| m.contains("rà soát"))
        .collect();
    assert_eq!(
        lists,
        [
            "Fri 01/10 08:00 stc: [1022] Danh sách phiếu tháng 9/2021 để rà soát, đối chiếu – Sở Tài chính",
            "Fri 01/10 08:00 sxd: [1022] Danh sách phiếu tháng 9/2021 để rà soát, đối chiếu – Sở Xây dựng",
            "Fri 01/10 08:00 syt: [1022] Danh sách phiếu tháng 9/2021 để rà soát, đối chiếu – Sở Y tế \
             + Danh sach phieu - So Y te - 2021-10-01.xlsx",
        ]
    );
    record(&world, "2021-09", "2021-10-28", "2021-10-11 09:00").await;
    world.answer("T1", "2021-10-11 09:00").await;
    world.answer("T4", "2021-10-11 09:00").await;
    days(&mut world, "2021-10-30", "2021-10-31").await;
    world.mails();
    days(&mut world, "2021-11-01", "2021-11-01").await;
    let mails = taken(&mut world);
    let own = mails.iter().find(|m| shown(m).contains(" stc: ")).expect("a list");
    insta::assert_snapshot!("cards", read(own));
    // What its owner has settled and replied to is told no more.
    world.answer("T2", "2021-11-02 09:00").await;
    let line = |kind: obligation::Kind| NewEntry {
        what: What::Waiver,
        obligation: Id {
            period: period("2021-09"),
            unit: "STC".to_owned(),
            kind,
        },
        code: None,
        number: None,
        date: None,
        reached_on: None,
        note: Some("đã hoàn thành".to_owned()),
    };
    let both = [obligation::Kind::CardResults, obligation::Kind::CitizenInformation].map(line);
    let mut tx = world.store().begin().await.expect("a transaction");
    tx.record_entries(&both, "Lan", at("2021-11-02 10:00"))
        .await
        .expect("recorded");
    tx.commit().await.expect("committed");
    days(&mut world, "2021-11-29", "2021-12-02").await;
    let lists: Vec<String> = received(&mut world)
        .into_iter()
        .filter(|m| !m.contains(" vp: "))
        .collect();
    assert_eq!(lists, Vec::<String>::new());
}

#[tokio::test]
async fn in_shadow_ops_read_them_and_the_list_of_messages_shows_them() {
    let mut world = province(FIVE_DAYS).await;
    world
        .edit("dondoc.toml", |text| {
            text.replace("[delivery]", "[delivery]\nmode = \"shadow\"")
        })
        .await;
    days(&mut world, "2021-09-30", "2021-10-01").await;
    let boxes: Vec<String> = world.letters().iter().map(|l| l.to.join(",")).collect();
    assert_eq!(boxes, ["ops@tinh.example"; 3]);
    let listed = json(&world.dir(), &["outbox", "list", "--state", "accepted", "--json"]);
    let mut steps: Vec<String> = listed["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .map(|m| {
            format!(
                "{} {}",
                m["unit"].as_str().expect("a unit"),
                m["steps"][0].as_str().expect("a step")
            )
        })
        .collect();
    steps.sort();
    assert_eq!(
        steps,
        [
            "SXD @monthly/review-list",
            "SYT @monthly/review-list",
            "VP @monthly/figures"
        ]
    );
}

#[tokio::test]
async fn a_letter_that_nobody_takes_is_written_anew_the_next_morning() {
    let refusing = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let refuses = std::sync::Arc::clone(&refusing);
    let world = World::with_mail_server(FIVE_DAYS, move |step, _| {
        match step == Step::Data && refuses.load(std::sync::atomic::Ordering::Relaxed) {
            true => Do::Reply(451, "4.3.0 later".to_owned()),
            false => Do::Go,
        }
    })
    .await;
    let mut world = filled(world).await;
    days(&mut world, "2021-09-30", "2021-10-03").await;
    refusing.store(false, std::sync::atomic::Ordering::Relaxed);
    days(&mut world, "2021-10-04", "2021-10-06").await;
    let list = received(&mut world);
    let boxes: Vec<&str> = list.iter().filter_map(|l| l.get(..20)).collect();
    assert_eq!(
        boxes,
        ["Mon 04/10 07:00 vp: ", "Mon 04/10 07:00 sxd:", "Mon 04/10 07:00 syt:"],
        "{list:#?}"
    );
}

#[tokio::test]
async fn where_letters_are_not_asked_for_there_are_none_and_words_of_letters_are_known() {
    let mut world = World::new(FIVE_DAYS).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    days(&mut world, "2021-09-30", "2021-10-05").await;
    assert_eq!(received(&mut world), Vec::<String>::new());
    for letter in Kind::ALL {
        assert_eq!(Kind::of_word(letter.word()), Some(letter));
    }
    let checked = crate::cli::dondoc(&world.dir(), &["check", "--offline"]);
    assert!(!text(&checked).contains("monthly-office"), "{}", text(&checked));
}
