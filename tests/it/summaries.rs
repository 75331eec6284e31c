//! Stories of summaries: each goes out once for what it owes, whatever the clock, the process and the mail server do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dondoc::demo::reading::Letter;
use dondoc::demo::receiver::{Do, Step};

use crate::cli::{dondoc, said};
use crate::postgres::{On, on_both};
use crate::world::{FIVE_DAYS, LADDER, World, at};

const OFFICE: &str = r#"
[[summary]]
id = "weekly"
title = "Tổng hợp tuần"
at = "Fri 15:00"
to = ["office:contact"]
template = "summary-office"
"#;

const OPS: &str = r#"
[[summary]]
id = "daily"
title = "Vận hành"
at = "16:30"
to = ["ops"]
template = "summary-ops"
"#;

fn with(summary: &str) -> String {
    format!("{LADDER}{FIVE_DAYS}{summary}")
}

fn is_summary(letter: &Letter) -> bool {
    letter.text.contains("summary")
}

/// The summaries received since this was asked last: when, to whom, and what the subject says.
fn summaries(world: &mut World) -> Vec<String> {
    let letters = world.letters();
    let of = letters.iter().filter(|l| is_summary(l)).map(|l| {
        let when = l
            .date
            .with_timezone(&chrono_tz::Asia::Ho_Chi_Minh)
            .format("%a %d/%m %H:%M");
        format!("{when} {}: {}", l.to.join(",").replace("@tinh.example", ""), l.subject)
    });
    of.collect()
}

/// Turns at some times of each day from one date to another.
async fn days(world: &mut World, from: &str, to: &str) {
    let day = |text: &str| chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").expect("a date");
    for date in day(from).iter_days().take_while(|d| *d <= day(to)) {
        for time in ["07:00", "08:00", "15:00", "16:30"] {
            world.turn(&format!("{date} {time}")).await;
        }
    }
}

on_both! { the_office_hears_once_a_week_how_the_agencies_stand }

async fn the_office_hears_once_a_week_how_the_agencies_stand(on: On) {
    let mut world = World::new(&with(OFFICE)).await.on(on).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.ticket("T2", "Sở Xây dựng", "2021-09-06 09:00").await;
    days(&mut world, "2021-09-06", "2021-09-24").await;
    assert_eq!(
        summaries(&mut world),
        [
            "Fri 10/09 15:00 vp: [1022] Tổng hợp tuần đến ngày 10/09/2021: 2 phiếu đang xử lý, không có phiếu quá hạn",
            "Fri 17/09 15:00 vp: [1022] Tổng hợp tuần đến ngày 17/09/2021: 2 phiếu đang xử lý, 2 phiếu quá hạn",
            "Fri 24/09 15:00 vp: [1022] Tổng hợp tuần đến ngày 24/09/2021: 2 phiếu đang xử lý, 2 phiếu quá hạn",
        ]
    );
}

#[tokio::test]
async fn a_summary_counts_what_happened_since_the_one_before() {
    let mut world = World::new(&with(OFFICE)).await;
    world.turn("2021-09-06 07:00").await;
    for code in ["T1", "T2", "T3"] {
        world.ticket(code, "Sở Y tế", "2021-09-06 09:00").await;
    }
    world.ticket("X1", "Sở Không Có", "2021-09-07 09:00").await;
    days(&mut world, "2021-09-06", "2021-09-10").await;
    world.answer("T1", "2021-09-16 09:00").await;
    world
        .change(
            "T1",
            "2021-09-16 10:00",
            "rating = 'chưa hài lòng', rated_at = '2021-09-16 10:00:00'",
        )
        .await;
    world.change("T2", "2021-09-16 10:00", "confidential = 1").await;
    world.letters();
    days(&mut world, "2021-09-11", "2021-09-17").await;
    let letters = world.letters();
    let found: Vec<&Letter> = letters.iter().filter(|l| is_summary(l)).collect();
    let [letter] = found.as_slice() else {
        panic!("{found:?}")
    };
    let (text, _) = letter.text.split_once("Mã thông báo").expect("an id");
    insta::assert_snapshot!("weekly", format!("Subject: {}\n\n{text}", letter.subject));
}

#[tokio::test]
async fn after_downtime_only_the_latest_is_made_up_and_it_says_so() {
    let mut world = World::new(&with(OFFICE)).await;
    world.turn("2021-09-06 07:00").await;
    days(&mut world, "2021-09-06", "2021-09-10").await;
    assert_eq!(summaries(&mut world).len(), 1);
    // Down until Monday 27/9, over two Fridays.
    world.turn("2021-09-27 08:00").await;
    let letters = world.letters();
    let found: Vec<&Letter> = letters.iter().filter(|l| is_summary(l)).collect();
    let [letter] = found.as_slice() else {
        panic!("{found:?}")
    };
    let text = letter.text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("kỳ 15:00 ngày 24/09/2021, gửi muộn"), "{text}");
    assert!(text.contains("Bao gồm cả 1 kỳ trước chưa gửi."), "{text}");
    assert!(text.contains("Từ 15:00 ngày 10/09/2021 đến nay"), "{text}");
    days(&mut world, "2021-09-28", "2021-09-30").await;
    assert_eq!(summaries(&mut world), [""; 0]);
}

#[tokio::test]
async fn restarts_reloads_and_a_changed_time_make_no_second_one() {
    let mut world = World::new(&with(OFFICE)).await;
    world.turn("2021-09-06 07:00").await;
    world.turn("2021-09-10 15:00").await;
    assert_eq!(summaries(&mut world).len(), 1);
    world.restart().await;
    world.turn("2021-09-10 15:01").await;
    world.rules(&with(&OFFICE.replace("Fri 15:00", "Fri 15:30"))).await;
    world.turn("2021-09-10 15:30").await;
    world.turn("2021-09-10 16:00").await;
    assert_eq!(summaries(&mut world), [""; 0]);
    // One that is new, or had been taken away, owes nothing of before.
    world.rules(&with("")).await;
    world.turn("2021-09-13 08:00").await;
    world.rules(&with(&OFFICE.replace("weekly", "other"))).await;
    world.turn("2021-09-13 09:00").await;
    assert_eq!(summaries(&mut world), [""; 0]);
    world.turn("2021-09-17 15:00").await;
    assert_eq!(summaries(&mut world).len(), 1);
}

#[tokio::test]
async fn around_tet_the_office_is_left_alone_and_the_week_of_tet_owes_none() {
    let mut world = World::new(&with(OFFICE)).await;
    world.turn("2022-01-10 07:00").await;
    // Tết 2022 is closed from Monday 31/1 to Friday 4/2; Friday 28/1 and Monday 7/2 are its quiet days.
    days(&mut world, "2022-01-17", "2022-02-11").await;
    assert_eq!(
        summaries(&mut world),
        [
            "Mon 17/01 07:00 vp: [1022] Tổng hợp tuần đến ngày 17/01/2022: không có phiếu đang xử lý, không có phiếu quá hạn",
            "Fri 21/01 15:00 vp: [1022] Tổng hợp tuần đến ngày 21/01/2022: không có phiếu đang xử lý, không có phiếu quá hạn",
            "Tue 08/02 07:00 vp: [1022] Tổng hợp tuần đến ngày 08/02/2022: không có phiếu đang xử lý, không có phiếu quá hạn",
            "Fri 11/02 15:00 vp: [1022] Tổng hợp tuần đến ngày 11/02/2022: không có phiếu đang xử lý, không có phiếu quá hạn",
        ]
    );
}

#[tokio::test]
async fn a_summary_that_nobody_takes_is_made_anew_on_the_next_working_day_with_the_figures_of_then() {
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let mut world = World::with_mail_server(&with(OFFICE), move |step, _| match step {
        Step::Mail if is_down.load(Ordering::Relaxed) => Do::Reply(451, "later".to_owned()),
        _ => Do::Go,
    })
    .await;
    world.turn("2021-09-06 07:00").await;
    days(&mut world, "2021-09-06", "2021-09-10").await;
    world.ticket("T1", "Sở Y tế", "2021-09-10 16:40").await;
    world.turn("2021-09-10 16:45").await;
    down.store(false, Ordering::Relaxed);
    world.turn("2021-09-13 07:00").await;
    world.turn("2021-09-13 09:00").await;
    assert_eq!(
        summaries(&mut world),
        ["Mon 13/09 07:00 vp: [1022] Tổng hợp tuần đến ngày 13/09/2021: 1 phiếu đang xử lý, không có phiếu quá hạn"]
    );
    let states: Vec<String> = world
        .store()
        .messages(None, at("2021-09-01 00:00"), 10)
        .await
        .expect("a store")
        .into_iter()
        .map(|m| format!("{} {}", m.state, m.steps))
        .collect();
    assert_eq!(
        states,
        [r#"replaced ["summary/weekly"]"#, r#"accepted ["summary/weekly"]"#]
    );
}

#[tokio::test]
async fn ops_hear_daily_of_what_needs_a_look_and_else_once_a_week() {
    let mut world = World::new(&with(OPS)).await;
    world.turn("2021-09-06 07:00").await;
    days(&mut world, "2021-09-06", "2021-09-08").await;
    world
        .sql("INSERT INTO ticket (code, status, received_at) VALUES ('BAD', 'mới', 'yesterday')")
        .await;
    days(&mut world, "2021-09-09", "2021-09-09").await;
    world.sql("DELETE FROM ticket").await;
    days(&mut world, "2021-09-10", "2021-09-14").await;
    assert_eq!(
        summaries(&mut world),
        [
            "Mon 06/09 16:30 ops: [1022] Vận hành ngày 06/09/2021: không có gì bất thường",
            "Thu 09/09 16:30 ops: [1022] Vận hành ngày 09/09/2021: có nội dung cần xem",
            "Mon 13/09 16:30 ops: [1022] Vận hành ngày 13/09/2021: không có gì bất thường",
        ]
    );
}

#[tokio::test]
async fn ops_read_how_many_silences_hold_and_of_those_that_end_first_until_when_and_by_whom() {
    let mut world = World::new(&with(OPS)).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-06 09:05").await;
    let add = |from: &str, until: &str, by: &str, scope: [&str; 2]| {
        let span = ["silence", "add", "--from", from, "--until", until];
        let made = dondoc(
            &world.dir(),
            &[&span[..], &["--reason", "vụ ông Bảy", "--author", by], &scope].concat(),
        );
        assert!(made.status.success(), "{}", said(&made));
    };
    add("2021-09-06", "2021-09-10", "Lan", ["--ticket", "T1"]);
    add(
        "2021-09-06",
        "2021-09-08",
        "Minh",
        ["--where", "category = \"tranh chấp nhà bà Tư\""],
    );
    add("2021-09-06", "2021-10-01", "Hoa", ["--unit", "SXD"]);
    add("2021-09-06", "2021-12-31", "Tân", ["--unit", "STC"]);
    // Over, and still to come.
    add("2021-09-01", "2021-09-06 12:00", "An", ["--unit", "SYT"]);
    add("2021-09-07", "2021-09-09", "Ba", ["--unit", "SYT"]);
    world.turn("2021-09-06 16:30").await;
    let letters = world.letters();
    let found: Vec<&Letter> = letters.iter().filter(|l| is_summary(l)).collect();
    let [letter] = found.as_slice() else {
        panic!("{found:?}")
    };
    let text = letter.text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, seen) = text.split_once("Số lượng ").expect("a table");
    let (seen, _) = seen.split_once(" Chi tiết:").expect("its end");
    assert_eq!(
        seen,
        "Lệnh tạm ngừng nhắc đang có hiệu lực (dondoc silence list) 4 Địa chỉ chưa được xác nhận trong một năm 7 \
         Lệnh tạm ngừng nhắc hết hiệu lực sớm nhất \
         - số 2 đến 00:00 ngày 08/09/2021 người đặt: Minh \
         - số 1 đến 00:00 ngày 10/09/2021 người đặt: Lan \
         - số 3 đến 00:00 ngày 01/10/2021 người đặt: Hoa"
    );
    for private in ["T1", "ông Bảy", "bà Tư"] {
        assert!(!letter.text.contains(private), "{private}: {}", letter.text);
    }
}

#[tokio::test]
async fn five_hundred_agencies_stand_in_a_summary() {
    let mut world = World::new(&with(OFFICE)).await;
    let unit = |n| {
        format!(
            "\n[[unit]]\nid = \"X{n}\"\nname = \"Ủy ban nhân dân xã số {n} của huyện có tên rất dài\"\nparent = \"UBND\"\n"
        )
    };
    let units: String = (0..500).map(unit).collect();
    world.append("agencies.toml", &units).await;
    world.turn("2021-09-06 07:00").await;
    for n in 0..500 {
        world
            .ticket(&format!("T{n:03}"), &format!("X{n}"), "2021-09-06 09:00")
            .await;
    }
    days(&mut world, "2021-09-09", "2021-09-10").await;
    let letters = world.letters();
    let found: Vec<&Letter> = letters.iter().filter(|l| is_summary(l)).collect();
    let [letter] = found.as_slice() else {
        panic!("{} letters", found.len())
    };
    assert_eq!(letter.text.matches("của huyện có tên rất dài").count(), 500);
    assert!(letter.text.contains("500 phiếu"), "{}", letter.subject);
}

#[tokio::test]
async fn a_summary_names_a_time_and_who_needs_no_ticket() {
    let world = World::new(&with("")).await;
    let wrong = OFFICE
        .replace("Fri 15:00", "Friday 15:00")
        .replace("office:contact", "agency:head");
    std::fs::write(world.dir().join("rules/wrong.toml"), wrong).expect("a file");
    let problems = dondoc::config::load(&world.dir(), std::iter::empty()).expect_err("it is wrong");
    let said: Vec<String> = problems.0.iter().map(|p| p.message.clone()).collect();
    assert_eq!(
        said,
        [
            "`Friday 15:00` is not a time of the week or day",
            "a summary is of no ticket, so there is no agency to tell",
        ]
    );
}

#[tokio::test]
async fn while_the_office_is_in_shadow_its_summary_goes_to_ops_box() {
    let mut world = World::new(&with(OFFICE)).await;
    world
        .edit("dondoc.toml", |text| {
            text.replace("[delivery]", "[delivery]\nmode = \"shadow\"")
        })
        .await;
    world.turn("2021-09-06 07:00").await;
    world.turn("2021-09-10 15:00").await;
    let to: Vec<Vec<String>> = world.letters().into_iter().map(|l| l.to).collect();
    assert_eq!(to, [["ops@tinh.example"]]);
}

#[tokio::test]
async fn what_was_put_off_and_taken_later_is_no_trouble_and_what_still_waits_is() {
    let is_busy = Arc::new(AtomicBool::new(false));
    let busy = Arc::clone(&is_busy);
    let mut world = World::with_mail_server(&with(OPS), move |step, to| match step {
        Step::Recipient if busy.load(Ordering::Relaxed) && !to.contains("ops@") => {
            Do::Reply(451, "greylisted".to_owned())
        }
        _ => Do::Go,
    })
    .await;
    world.turn("2021-09-06 07:00").await;
    // L1 on Monday 13/9, on Tuesday 14/9 and on Wednesday 15/9.
    for (code, received) in [
        ("T1", "2021-09-01 09:00"),
        ("T2", "2021-09-06 09:00"),
        ("T3", "2021-09-07 09:00"),
    ] {
        world.ticket(code, "Sở Y tế", received).await;
    }
    world
        .sql("INSERT INTO ticket (code, status, received_at) VALUES ('BAD', 'mới', 'yesterday')")
        .await;
    days(&mut world, "2021-09-06", "2021-09-10").await;
    summaries(&mut world);
    for (day, times) in [
        ("13", ["07:00", "08:00", "09:00", "16:30"]),
        ("14", ["07:00", "08:00", "09:00", "16:30"]),
        ("15", ["07:00", "08:00", "16:00", "16:30"]),
    ] {
        for time in times {
            is_busy.store(time != "09:00", Ordering::Relaxed);
            world.turn(&format!("2021-09-{day} {time}")).await;
        }
    }
    assert_eq!(
        summaries(&mut world),
        [
            "Mon 13/09 16:30 ops: [1022] Vận hành ngày 13/09/2021: không có gì bất thường",
            "Wed 15/09 16:30 ops: [1022] Vận hành ngày 15/09/2021: có nội dung cần xem",
        ]
    );
}
