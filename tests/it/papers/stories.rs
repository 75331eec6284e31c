//! What the papers say of a month that the engine went through: the overdue tickets, the reminders, the cards, the months
//! before, and by when replies are asked for.

use chrono::NaiveDate;
use dondoc::demo::receiver::{Do, Step};
use dondoc::domain::calendar::Calendar;
use dondoc::domain::papers::proposed_reply_before;
use dondoc::domain::time::Period;
use dondoc::render::report::paper::Kind;
use dondoc::render::report::view::{CardsView, ReportView, UnitReminders};
use dondoc::render::report::{page, workbook};
use dondoc::{engine, report};
use roxmltree::Document;

use super::{all, docx, parts, sample, text};
use crate::cli::{dondoc, said};
use crate::postgres::{On, on_both};
use crate::readers;
use crate::world::{FIVE_DAYS, LADDER, World, at};

on_both! {
    overdue_tickets_stand_in_the_papers_as_they_were_at_the_cut_off
    reminders_are_told_by_their_number_and_by_unit
    cards_are_told_by_how_far_they_are_at_the_cut_off
    the_chart_goes_back_as_far_as_is_known
}

fn rules() -> String {
    format!("{LADDER}{FIVE_DAYS}")
}

fn period(key: &str) -> Period {
    key.parse().expect("a period")
}

/// What the papers say of a period, as it was frozen last; counted where it is not.
async fn view(world: &World, key: &str, now: &str) -> ReportView {
    let config = world.config();
    let report = report::read(world.store(), &config, period(key), None, at(now)).await;
    report.expect("a report").view(&config, at(now))
}

/// A line a ticket of the list, the withheld ones behind.
fn listed(view: &ReportView) -> Vec<String> {
    let tickets = view.overdue.as_ref().expect("a list");
    let line = |t: &dondoc::render::report::view::OverdueView| {
        let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
        format!(
            "{} {} | {} | {} | {} – {}: {} | {}",
            t.code,
            or(&t.field),
            or(&t.agency),
            t.received_on.format("%d/%m"),
            t.deadline.format("%d/%m"),
            t.overdue_working_days,
            t.reminders.expect("a count"),
            or(&t.waiting_on)
        )
    };
    let withheld = view.overdue_withheld.expect("a count");
    tickets.iter().map(line).chain([format!("+ {withheld}")]).collect()
}

/// September 2021 with tickets of every kind, told of until the 20th. The month ends on a Thursday.
async fn september(on: On) -> World {
    let mut world = World::new(&rules()).await.on(on).await;
    world.turn("2021-09-06 07:00").await;
    for (code, agency, received) in [
        ("DONE", "Sở Y tế", "2021-09-06 09:00"),
        ("OLD", "Sở Y tế", "2021-09-06 09:00"),
        ("NOBODY", "Hội Chăn nuôi", "2021-09-06 09:00"),
        ("SECRET", "Sở Y tế", "2021-09-06 09:00"),
        ("CONDUCT", "Sở Xây dựng", "2021-09-06 09:00"),
        ("CARD", "Sở Xây dựng", "2021-09-07 09:00"),
        ("OPERATOR", "Sở Y tế", "2021-09-10 09:00"),
        ("LONGER", "Sở Y tế", "2021-09-06 09:00"),
        ("LAST-DAY", "Sở Y tế", "2021-09-23 09:00"),
        ("NEW", "Sở Y tế", "2021-09-24 09:00"),
    ] {
        world.ticket(code, agency, received).await;
    }
    for (code, set) in [
        ("SECRET", "confidential = 1"),
        ("CONDUCT", "tags = 'conduct'"),
        ("CARD", "category = 'cccd', waiting_on = 'C06'"),
        ("OPERATOR", "level = 1"),
        ("LONGER", "extended_to = '2021-10-08'"),
    ] {
        world.change(code, "2021-09-10 10:00", set).await;
    }
    world.turn("2021-09-10 10:00").await;
    world.answer("DONE", "2021-09-10 15:00").await;
    world.days("2021-09-13", "2021-09-20").await;
    // Counted twice while it is checked, then for good.
    world.turn("2021-10-01 00:00").await;
    world.turn("2021-10-05 00:00").await;
    world
}

async fn overdue_tickets_stand_in_the_papers_as_they_were_at_the_cut_off(on: On) {
    let mut world = september(on).await;
    let before = view(&world, "2021-09", "2021-10-05 08:00").await;
    assert_eq!(before.revision, 1);
    let list = [
        "NOBODY – | – | 06/09 | 13/09 – 13: 0 | –",
        "OLD – | Sở Y tế | 06/09 | 13/09 – 13: 3 | –",
        "CARD cấp căn cước công dân | Sở Xây dựng | 07/09 | 14/09 – 12: 1 | Cục C06",
        "OPERATOR – | Tổng đài giải quyết trực tiếp | 10/09 | 17/09 – 9: 0 | –",
        "+ 2",
    ];
    assert_eq!(listed(&before), list);
    // It is what the balance counts, of all and of each.
    assert_eq!(before.total.open_overdue, Some(6));
    for (name, overdue) in [
        ("Sở Y tế", 2),
        ("Sở Xây dựng", 2),
        ("Tổng đài giải quyết trực tiếp", 1),
        ("Chưa phân công", 1),
    ] {
        let row = before.balance.iter().find(|row| row.name == name);
        assert_eq!(row.expect("a row").open_overdue, Some(overdue), "{name}");
    }

    // Whatever becomes of them, and whatever the deadlines and the calendar are later.
    world.answer("OLD", "2021-10-05 10:00").await;
    world
        .change("CARD", "2021-10-05 10:00", "agency = 'Sở Tài chính'")
        .await;
    world.turn("2021-10-05 16:00").await;
    world.rules(&rules().replace("5wd\"\npause", "20wd\"\npause")).await;
    world.turn("2021-10-06 16:00").await;
    let after = view(&world, "2021-09", "2021-10-06 16:00").await;
    assert_eq!((listed(&after), after.revision), (list.map(str::to_owned).to_vec(), 1));

    // What has become sensitive since is shown no more, and what is forgotten is not there any more: both are counted on.
    let set = "tags = 'conduct'";
    world.change("NOBODY", "2021-10-07 09:00", set).await;
    world.turn("2021-10-07 10:00").await;
    engine::forget(world.store(), "CARD", at("2021-10-07 11:00"))
        .await
        .expect("forgotten");
    let now = view(&world, "2021-09", "2021-10-07 16:00").await;
    assert_eq!(listed(&now), [list[1], list[3], "+ 4"]);
    assert_eq!(now.total, before.total);
    let kept = world.store().snapshots(period("2021-09")).await.expect("snapshots");
    assert_eq!(kept.len(), 2);
    for snapshot in kept {
        assert_eq!(snapshot.figures.violations(), []);
        assert!(!format!("{snapshot:?}").contains("CARD"), "it is nowhere");
    }
}

/// Annex, sheet and table have the list, and nothing has the codes that it withholds.
#[tokio::test]
async fn the_list_stands_in_every_form_and_sensitive_codes_in_none() {
    let world = september(On::Sqlite).await;
    let view = view(&world, "2021-09", "2021-10-05 08:00").await;
    let codes = ["NOBODY", "OLD", "CARD", "OPERATOR"];
    let withheld = ["SECRET", "CONDUCT"];
    for (kind, annex) in [(Kind::Report, "Phụ lục II"), (Kind::Urging, "Phụ lục")] {
        let parts = parts(&docx(&view, kind));
        let document = Document::parse(&parts["word/document.xml"]).expect("XML");
        let whole = text(document.root_element());
        assert!(withheld.iter().all(|code| !whole.contains(code)), "{kind:?}");
        let paragraphs = super::paragraphs(&document);
        let title = paragraphs.iter().position(|p| p == "PHIẾU QUÁ HẠN CHƯA XỬ LÝ XONG");
        let title = title.unwrap_or_else(|| panic!("{kind:?} has an annex"));
        assert_eq!(paragraphs[title - 1], annex);
        let of = if kind == Kind::Report {
            "Báo cáo"
        } else {
            "Công văn"
        };
        assert!(
            paragraphs[title + 1].starts_with(&format!("(Kèm theo {of} số ")),
            "{}",
            paragraphs[title + 1]
        );
        let rows: Vec<Vec<String>> = all(document.root_element(), "tr")
            .into_iter()
            .map(|row| all(row, "tc").into_iter().map(text).collect())
            .filter(|row: &Vec<String>| row.len() == 9)
            .collect();
        let column = |n: usize| rows[1..].iter().map(|row| row[n].clone()).collect::<Vec<_>>();
        assert_eq!(
            column(1),
            codes.into_iter().chain(["Không nêu mã: 2 phiếu"]).collect::<Vec<_>>()
        );
        assert_eq!(column(3)[0], "chưa phân công");
        assert_eq!(column(6)[..4], ["13", "13", "12", "9"]);
    }
    let html = page::write(&view);
    let cells = super::a_page_that_stands_alone(&html);
    assert!(codes.iter().all(|code| cells.contains(*code)));
    assert!(withheld.iter().all(|code| !html.contains(code)));
    assert!(html.contains("mã NOBODY, chưa phân công, hạn ngày 13/9/2021, quá hạn 13 ngày làm việc"));
    assert!(html.contains("Không nêu mã của 2 phiếu quá hạn"));

    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("report.xlsx");
    let bytes = workbook::write(&view, sample::written_at().and_utc()).expect("a workbook");
    std::fs::write(&file, bytes).expect("a file");
    let book = readers::workbook(&file);
    let sheet = &book["sheets"][3];
    assert_eq!(sheet["name"], "Quá hạn");
    let rows = sheet["results"].as_array().expect("rows");
    let listed: Vec<&str> = rows[1..].iter().filter_map(|row| row[1].as_str()).collect();
    assert_eq!(listed, codes);
    let shown = book.to_string();
    assert!(withheld.iter().all(|code| !shown.contains(code)));
    let figures = book["sheets"][0]["results"].as_array().expect("rows");
    let of = |name: &str| {
        let row = figures.iter().find(|row| row[1] == name);
        row.unwrap_or_else(|| panic!("{name}"))[2].clone()
    };
    assert_eq!(of("Quá hạn, không nêu mã trong danh sách"), 2);
    assert_eq!(of("Báo cáo kết quả trước ngày (đề xuất)"), "2021-10-28 00:00:00");
}

/// The ladder and a letter about each ticket that has come in.
fn with_news() -> String {
    let news = r#"
[[rule]]
id = "news"
title = "Phiếu mới tiếp nhận"
when = "received"

[[rule.step]]
id = "N1"
after = "0s"
to = ["agency:contact"]
template = "received"
"#;
    format!("{LADDER}{news}{FIVE_DAYS}")
}

async fn reminders_are_told_by_their_number_and_by_unit(on: On) {
    let mut world = World::new(&with_news()).await.on(on).await;
    let shadow =
        "[delivery]\nmode = \"shadow\"\nshadow_to = \"chaythu@tinh.example\"\nlive_units = [\"SYT\", \"SXD\", \"VP\"]";
    world
        .edit("dondoc.toml", |text| text.replace("[delivery]", shadow))
        .await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world
        .change("T1", "2021-09-06 09:00", "co_agencies = 'Sở Xây dựng'")
        .await;
    world.ticket("T2", "Sở Xây dựng", "2021-09-06 09:00").await;
    world.ticket("IN-SHADOW", "Sở Tài chính", "2021-09-06 09:00").await;
    world.days("2021-09-06", "2021-09-16").await;
    // The second reminder about T2 was wrong.
    let messages = world.store().messages_of_ticket("T2").await.expect("messages");
    let wrong = messages.last().expect("a message").id.as_str();
    let arguments = [
        "outbox",
        "correct",
        wrong,
        "--reason",
        "nhầm",
        "--at",
        "2021-09-16 22:00",
    ];
    let done = dondoc(&world.dir(), &arguments);
    assert!(done.status.success(), "{}", said(&done));
    world.ticket("T3", "Sở Y tế", "2021-09-20 09:00").await;
    world.days("2021-09-17", "2021-09-30").await;
    world.answer("T1", "2021-09-30 20:00").await;
    world.days("2021-10-01", "2021-10-12").await;

    let unit = |name: &str, by_number: &[u64], others, last: (u32, u32)| UnitReminders {
        name: name.to_owned(),
        by_number: by_number.to_vec(),
        others,
        last_on: NaiveDate::from_ymd_opt(2021, last.0, last.1),
    };
    // T1 from the 14th on, the fourth one to the Office on the 27th; T3 on the 28th and 30th.
    let september = view(&world, "2021-09", "2021-10-12 20:00").await;
    let reminders = september.reminders.clone().expect("reminders");
    assert_eq!(
        reminders.units,
        [
            unit("Sở Y tế", &[2, 2, 1, 1], 2, (9, 30)),
            unit("Sở Xây dựng", &[1], 1, (9, 14)),
        ]
    );
    assert_eq!((reminders.by_number.clone(), reminders.others), (vec![3, 2, 1, 1], 3));
    assert_eq!(
        Some(reminders.total()),
        september.total.reminders,
        "as the balance has it"
    );
    let html = page::write(&september);
    assert!(
        html.contains(
            "đã gửi 10 lượt nhắc, gồm 7 lượt nhắc phiếu quá hạn (nhắc lần 1: 3; nhắc lần 2: 2; nhắc lần 3: 1; nhắc lần 4: 1) và \
             3 lượt nhắc về các nội dung khác."
        ),
        "{html}"
    );
    // What was the third one is so in the next month too.
    let october = view(&world, "2021-10", "2021-10-12 20:00").await;
    let reminders = october.reminders.expect("reminders");
    assert_eq!(reminders.units, [unit("Sở Y tế", &[0, 0, 1, 1], 0, (10, 11))]);
    let before = view(&world, "2021-08", "2021-10-12 20:00").await;
    assert_eq!(before.reminders.expect("known").total(), 0);
    let long_before = view(&world, "2021-03", "2021-10-12 20:00").await;
    assert_eq!(
        (long_before.reminders, long_before.overdue, long_before.overdue_withheld),
        (None, None, None),
        "unknown, not nothing"
    );
}

#[tokio::test]
async fn who_hears_in_copy_alone_is_not_reminded() {
    let refuses = |step: Step, line: &str| match step {
        Step::Recipient if line.starts_with("syt@") => Do::Reply(550, "no such box".to_owned()),
        _ => Do::Go,
    };
    let mut world = World::with_mail_server(&rules(), refuses).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T", "Sở Y tế", "2021-09-06 09:00").await;
    world
        .change("T", "2021-09-06 09:00", "co_agencies = 'Sở Xây dựng'")
        .await;
    let told = world.days("2021-09-07", "2021-09-14").await;
    assert_eq!(told, ["14/09 sxd: T overdue/L1"]);
    let view = view(&world, "2021-09", "2021-09-14 20:00").await;
    let reminders = view.reminders.expect("reminders");
    assert_eq!((reminders.total(), reminders.units), (0, vec![]));
    assert_eq!(view.total.reminders, Some(0));
    assert_eq!(view.overdue.expect("a list")[0].reminders, Some(0));
}

async fn cards_are_told_by_how_far_they_are_at_the_cut_off(on: On) {
    let mut world = World::new(&rules()).await.on(on).await;
    world.append("dondoc.toml", "[report]\ncards_unit = \"SYT\"").await;
    world.turn("2021-09-06 07:00").await;
    let known = [
        ("A", "stage = 'not_sent'"),
        ("B", "stage = 'at_c06', waiting_on = 'C06'"),
        ("C", "waiting_on = 'C06'"),
        ("D", "stage = 'card_arrived', waiting_on = 'C06'"),
        ("E", "stage = 'data_wrong'"),
        ("F", "stage = 'đang tra cứu'"),
        ("G", "stage = NULL"),
        ("HANDED-OVER", "stage = 'card_arrived'"),
        ("NO-CARD", "category = 'khac', stage = 'at_c06'"),
    ];
    for (code, set) in known {
        world.ticket(code, "Sở Y tế", "2021-09-27 09:00").await;
        let set = if set.contains("category") {
            set.to_owned()
        } else {
            format!("category = 'cccd', {set}")
        };
        world.change(code, "2021-09-27 09:00", &set).await;
    }
    world.ticket("LATE", "Sở Y tế", "2021-09-13 09:00").await;
    world
        .change("LATE", "2021-09-27 09:00", "category = 'cccd', stage = 'at_c06'")
        .await;
    world.answer("HANDED-OVER", "2021-09-29 09:00").await;
    world.turn("2021-09-30 20:00").await;
    // After the cut-off.
    world.change("A", "2021-10-01 09:00", "stage = 'at_c06'").await;
    world.turn("2021-10-05 00:00").await;
    let view = view(&world, "2021-09", "2021-10-05 08:00").await;
    assert_eq!(
        view.cards,
        Some(CardsView {
            unit: "Sở Y tế".to_owned(),
            card: "thẻ căn cước công dân".to_owned(),
            local_police: "công an cấp huyện".to_owned(),
            open: Some(8),
            not_sent: Some(1),
            at_c06: Some(3),
            card_arrived: Some(1),
            data_wrong: Some(1),
            unstaged: Some(2),
            overdue: Some(1),
        })
    );
    let html = page::write(&view);
    assert!(
        html.contains("cần bổ sung, điều chỉnh thông tin: 1; chưa rõ tình trạng: 2. Số phiếu quá hạn: 1."),
        "{html}"
    );
}

async fn the_chart_goes_back_as_far_as_is_known(on: On) {
    let mut world = World::new(&rules()).await.on(on).await;
    // The first read reaches back to the beginning of June.
    world.turn("2021-07-15 07:00").await;
    let month = |n: i32| (2021 + (n - 1) / 12, (n - 1) % 12 + 1);
    for n in 6..=20 {
        let (year, month) = month(n);
        for ticket in 0..n {
            let code = format!("{year}-{month:02}-{ticket:02}");
            world
                .ticket(&code, "Sở Y tế", &format!("{year}-{month:02}-08 09:00"))
                .await;
            world.answer(&code, &format!("{year}-{month:02}-09 09:00")).await;
        }
        let (year, month) = (year + month / 12, month % 12 + 1);
        if n >= 7 {
            world.turn(&format!("{year}-{month:02}-10 16:00")).await;
        }
        if n == 9 {
            // Entered only when July had been counted for good.
            world.ticket("LATE", "Sở Y tế", "2021-07-20 09:00").await;
        }
    }
    let bars = |view: &ReportView| -> Vec<String> {
        let bar = |m: &dondoc::render::report::view::MonthView| {
            let received = m.received.map_or("–".to_owned(), |n| n.to_string());
            format!("{} {received}", m.first_day.format("%-m/%y"))
        };
        view.months.iter().map(bar).collect()
    };
    let now = "2022-09-10 16:00";
    let of = async |key: &str| bars(&view(&world, key, now).await);
    assert_eq!(of("2021-06").await, ["5/21 –", "6/21 6"]);
    assert_eq!(of("2021-08").await, ["6/21 6", "7/21 7", "8/21 8"]);
    // June is counted from the store: it was over before the first turn. July is as it was counted for good.
    assert_eq!(
        of("2021-12").await,
        [
            "6/21 6", "7/21 7", "8/21 8", "9/21 9", "10/21 10", "11/21 11", "12/21 12"
        ]
    );
    let year = of("2022-08").await;
    assert_eq!(
        (year.len(), year[0].as_str(), year[11].as_str()),
        (12, "9/21 9", "8/22 20")
    );
    assert_eq!(of("2021-04").await, ["3/21 –", "4/21 –"]);
}

#[tokio::test]
async fn replies_are_asked_for_by_the_28th_and_never_in_less_than_ten_working_days() {
    let config = World::new(&rules()).await.config();
    let cal: &Calendar = config.calendars.base();
    let day = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").expect("a date");
    for (of, drawn, before, why) in [
        ("2021-08", "2021-09-01", "2021-09-28", "the case"),
        ("2021-08", "2021-08-20", "2021-09-28", "the month is still running"),
        ("2021-08", "2021-09-14", "2021-09-28", "ten working days are left"),
        ("2021-08", "2021-09-15", "2021-09-29", "nine are"),
        ("2021-10", "2021-11-01", "2021-11-29", "the 28th is a Sunday"),
        ("2024-12", "2025-01-02", "2025-02-03", "the 28th is in Tết"),
        ("2021-12", "2022-01-04", "2022-01-28", "the last day of work before Tết"),
        ("2021-12", "2022-01-20", "2022-02-10", "Tết does not count"),
        ("2022-01", "2022-02-07", "2022-02-28", "after Tết"),
        (
            "2021-11",
            "2021-12-31",
            "2022-01-17",
            "drawn on the last day of the year",
        ),
        (
            "2021-08/15",
            "2021-09-15",
            "2021-10-12",
            "the 28th day from the 15th on",
        ),
    ] {
        let proposed = proposed_reply_before(period(of), cal, day(drawn));
        assert_eq!(proposed, day(before), "{of} drawn on {drawn}: {why}");
    }
    // Whatever the month and the day: a working day with ten of them before it, not before the 28th.
    for start in day("2021-01-01").iter_days().take(1800).step_by(7) {
        let of = Period::of(start, dondoc::domain::rule::PeriodKind::CalendarMonth);
        let drawn = start + chrono::Days::new(33);
        let proposed = proposed_reply_before(of, cal, drawn);
        assert!(cal.is_working_day(proposed), "{of} {drawn} {proposed}");
        assert!(
            cal.working_days_between(drawn, proposed) >= 10,
            "{of} {drawn} {proposed}"
        );
        assert!(proposed >= of.end() + chrono::Days::new(27), "{of} {drawn} {proposed}");
    }
}
