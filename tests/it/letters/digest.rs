//! Digest (`spec.md` §4, window of §3): one letter for each recipient, role and date, in its window, with all that is due.

use std::collections::BTreeSet;

use super::{ladder, letters_at, letters_of, line, only_letter, province, province_with_a_ticket, thread};
use crate::world::{FIVE_DAYS, LADDER, World};

/// Under the ladder, received that day at nine: 8/9 is due on 15/9, 13/9 on 20/9.
async fn ticket(world: &World, code: &str, agency: &str, day: &str) {
    world.ticket(code, agency, &format!("{day} 09:00")).await;
}

#[tokio::test]
async fn a_recipient_gets_one_digest_with_all_that_fell_due_when_the_offices_opened() {
    let mut world = province().await;
    ticket(&world, "T1", "Sở Y tế", "2021-09-06").await;
    ticket(&world, "T2", "Sở Y tế", "2021-09-06").await;
    ticket(&world, "T3", "Sở Xây dựng", "2021-09-06").await;
    assert_eq!(
        letters_of(&mut world, "2021-09-13", "2021-09-15").await,
        [
            "14/09 08:00 sxd digest: T3 overdue/L1",
            "14/09 08:00 syt digest: T1 overdue/L1, T2 overdue/L1",
        ]
    );
}

#[tokio::test]
async fn each_role_of_a_unit_has_a_digest_of_its_own_and_a_helper_is_told_for_information() {
    let mut world = province().await;
    ticket(&world, "T1", "Sở Y tế", "2021-09-06").await;
    ticket(&world, "T2", "Sở Y tế", "2021-09-08").await;
    world
        .change("T2", "2021-09-08 09:00", "co_agencies = 'Sở Xây dựng'")
        .await;
    letters_of(&mut world, "2021-09-14", "2021-09-15").await;
    world.turn("2021-09-16 08:00").await;
    let letters = world.letters();
    let mut lines: Vec<String> = letters.iter().map(line).collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "giamdoc-syt digest: T1 overdue/L2",
            "sxd digest: T2 overdue/L1",
            "syt digest: T2 overdue/L1",
        ]
    );
    let informed = letters.iter().filter(|l| l.text.contains("(Để biết)"));
    let informed: Vec<&str> = informed.map(|l| l.to[0].as_str()).collect();
    assert_eq!(informed, ["sxd@tinh.example"]);
}

#[tokio::test]
async fn a_daemon_that_was_down_at_eight_makes_the_digest_at_its_next_chance() {
    let cases = [
        (["2021-09-14 07:10", "2021-09-14 08:40"], "14/09 08:40"),
        (["2021-09-14 12:10", "2021-09-14 13:30"], "14/09 13:30"),
        (["2021-09-14 16:59", "2021-09-15 08:00"], "14/09 16:59"),
        (["2021-09-14 17:10", "2021-09-15 08:00"], "15/09 08:00"),
    ];
    for (times, expected) in cases {
        let mut world = province_with_a_ticket().await;
        let told = letters_at(&mut world, &times).await;
        assert_eq!(told, [format!("{expected} syt digest: T1 overdue/L1")]);
    }
}

#[tokio::test]
async fn what_comes_after_an_empty_digest_waits_for_the_next_one() {
    let mut world = province().await;
    letters_at(&mut world, &["2021-09-14 08:00"]).await;
    ticket(&world, "T1", "Sở Y tế", "2021-09-06").await;
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-15").await,
        ["15/09 08:00 syt digest: T1 overdue/L1"]
    );
}

#[tokio::test]
async fn sections_stand_highest_first_and_the_subject_names_the_highest_with_its_count() {
    let mut world = province().await;
    ticket(&world, "T1", "Sở Y tế", "2021-09-06").await;
    ticket(&world, "T2", "Sở Y tế", "2021-09-08").await;
    ticket(&world, "T3", "Sở Y tế", "2021-09-08").await;
    letters_of(&mut world, "2021-09-14", "2021-09-17").await;
    world.turn("2021-09-20 08:00").await;
    let letter = only_letter(&mut world);
    assert_eq!(
        line(&letter),
        "giamdoc-syt digest: T1 overdue/L3, T2 overdue/L2, T3 overdue/L2"
    );
    assert_eq!(letter.sections.len(), 2);
    assert!(letter.subject.contains("[Nhắc lần 3] 1 phiếu"), "{}", letter.subject);
    assert!(
        letter.subject.contains("kéo dài, 2 phiếu khác – Sở Y tế"),
        "{}",
        letter.subject
    );
}

#[tokio::test]
async fn a_ticket_is_one_line_that_names_every_rule_that_tells_it() {
    let aged = "\n[[rule]]\nid = \"aged\"\ntitle = \"Phiếu tồn lâu\"\nwhen = \"aged\"\nthreshold = \"6wd\"\n\n\
                [[rule.step]]\nid = \"A1\"\nafter = \"6wd\"\nto = [\"agency:contact\"]\ntemplate = \"aged\"\n";
    let mut world = World::new(&(ladder() + aged)).await;
    world.turn("2021-09-06 07:00").await;
    ticket(&world, "T1", "Sở Y tế", "2021-09-06").await;
    ticket(&world, "T2", "Sở Y tế", "2021-09-06").await;
    world.change("T2", "2021-09-06 10:00", "due_at = '2021-09-30'").await;
    world.turn("2021-09-14 08:00").await;
    let letter = only_letter(&mut world);
    assert_eq!(line(&letter), "syt digest: T1 overdue/L1, T1 aged/A1, T2 aged/A1");
    let lines = letter.sections.iter().flat_map(|s| &s.tickets);
    assert_eq!(lines.collect::<Vec<_>>(), ["T1", "T2"]);
}

#[tokio::test]
async fn a_role_that_fell_back_is_a_section_with_its_own_address() {
    let mut world = province().await;
    ticket(&world, "T1", "Sở Tài chính", "2021-09-06").await;
    ticket(&world, "T2", "Sở Tài chính", "2021-09-08").await;
    letters_of(&mut world, "2021-09-14", "2021-09-15").await;
    world.turn("2021-09-16 08:00").await;
    let letter = only_letter(&mut world);
    assert_eq!(line(&letter), "stc digest: T1 overdue/L2, T2 overdue/L1");
    let addressed: Vec<&str> = letter.text.lines().filter(|l| l.starts_with("Kính gửi:")).collect();
    assert_eq!(
        addressed,
        ["Kính gửi: Thủ trưởng Sở Tài chính", "Kính gửi: Sở Tài chính"]
    );
}

#[tokio::test]
async fn ops_are_told_apart_what_is_theirs_and_what_reaches_them_for_want_of_a_contact() {
    let unassigned = "\n[[rule]]\nid = \"unassigned\"\ntitle = \"Cần phân công lại\"\nwhen = \"unassigned\"\n\n\
                      [[rule.step]]\nid = \"U1\"\nafter = \"1wd\"\nto = [\"ops\"]\ntemplate = \"unassigned\"\n";
    let mut world = World::new(&(unassigned.to_owned() + &ladder())).await;
    world.turn("2021-09-06 07:00").await;
    ticket(&world, "A1", "Sở Không Có", "2021-09-13").await;
    ticket(&world, "B1", "Ban Quản lý khu kinh tế", "2021-09-06").await;
    world.turn("2021-09-14 08:00").await;
    let letter = only_letter(&mut world);
    assert_eq!(line(&letter), "ops digest: A1 unassigned/U1, B1 overdue/L1");
    let addressed: Vec<bool> = letter
        .text
        .lines()
        .filter(|l| l.starts_with("Kính gửi:"))
        .map(|l| l.contains("chưa có đầu mối"))
        .collect();
    assert_eq!(addressed, [false, true], "{}", letter.text);
}

#[tokio::test]
async fn single_letters_leave_when_the_window_opens_each_for_itself() {
    let single = LADDER.replace("when = \"overdue\"", "when = \"overdue\"\ndigest = \"ticket\"") + FIVE_DAYS;
    let mut world = World::new(&single).await;
    world.turn("2021-09-06 07:00").await;
    ticket(&world, "T1", "Sở Y tế", "2021-09-06").await;
    ticket(&world, "T2", "Sở Y tế", "2021-09-06").await;
    assert_eq!(
        letters_of(&mut world, "2021-09-13", "2021-09-15").await,
        [
            "14/09 07:00 syt single: T1 overdue/L1",
            "14/09 07:00 syt single: T2 overdue/L1",
        ]
    );
}

#[tokio::test]
async fn urgent_lifts_window_and_digest_for_its_step_alone() {
    let urgent = LADDER
        .replace("after = \"1wd\"", "after = \"1h\"\nurgent = true")
        .replace("after = \"3wd\"", "after = \"2wd\"");
    let mut world = World::new(&urgent).await;
    world.turn("2021-09-06 07:00").await;
    for (code, due) in [("T1", "2021-09-11 20:30:00"), ("T2", "2021-09-12 03:30:00")] {
        ticket(&world, code, "Sở Y tế", "2021-09-06").await;
        world
            .change(code, "2021-09-06 09:00", &format!("due_at = '{due}'"))
            .await;
    }
    assert_eq!(
        letters_of(&mut world, "2021-09-11", "2021-09-14").await,
        [
            "11/09 22:00 syt single: T1 overdue/L1",
            "12/09 05:00 syt single: T2 overdue/L1",
            "14/09 08:00 giamdoc-syt digest: T1 overdue/L2, T2 overdue/L2",
        ]
    );
}

const WEEKLY: &str = r#"
[[rule]]
id = "cccd"
title = "Phiếu căn cước"
when = "aged"
threshold = "1wd"
digest = { at = "week", also_when = ["overdue"] }

[[rule.step]]
id = "list"
after = "1wd"
to = ["agency:contact"]
template = "aged"
"#;

/// Wednesday's T1 goes into a weekly digest, T2 is overdue and may not wait so long.
async fn a_week() -> World {
    let mut world = World::new(WEEKLY).await;
    world.turn("2021-09-06 07:00").await;
    ticket(&world, "T1", "Sở Y tế", "2021-09-07").await;
    ticket(&world, "T2", "Sở Y tế", "2021-09-07").await;
    world.change("T2", "2021-09-07 09:00", "due_at = '2021-09-07'").await;
    world
}

#[tokio::test]
async fn a_weekly_digest_comes_on_the_weeks_first_working_day_and_the_urgent_facts_daily() {
    let mut world = a_week().await;
    let mut told = letters_of(&mut world, "2021-09-07", "2021-09-09").await;
    world
        .edit("agencies.toml", |text| {
            text.replace("short = \"SYT\"", "short = \"S.Y.T\"")
        })
        .await;
    told.extend(letters_of(&mut world, "2021-09-10", "2021-09-17").await);
    assert_eq!(
        told,
        [
            "08/09 08:00 syt digest: T2 cccd/list",
            "13/09 08:00 syt digest: T1 cccd/list",
        ]
    );
}

#[tokio::test]
async fn a_weekly_digest_that_was_missed_comes_on_the_next_day() {
    let mut world = a_week().await;
    let mut told = letters_of(&mut world, "2021-09-07", "2021-09-12").await;
    told.extend(letters_of(&mut world, "2021-09-14", "2021-09-20").await);
    assert_eq!(
        told,
        [
            "08/09 08:00 syt digest: T2 cccd/list",
            "14/09 08:00 syt digest: T1 cccd/list",
        ]
    );
}

#[tokio::test]
async fn a_weekly_digest_of_a_week_that_begins_with_a_holiday_comes_on_its_first_working_day() {
    let mut world = World::new(WEEKLY).await;
    world.turn("2021-04-26 07:00").await;
    // Monday 3/5/2021 is a day off.
    ticket(&world, "T1", "Sở Y tế", "2021-04-27").await;
    assert_eq!(
        letters_of(&mut world, "2021-04-28", "2021-05-05").await,
        ["04/05 08:00 syt digest: T1 cccd/list"]
    );
}

#[tokio::test]
async fn digests_of_a_period_are_one_thread_and_the_next_period_begins_another() {
    let mut world = province_with_a_ticket().await;
    letters_of(&mut world, "2021-09-14", "2021-09-21").await;
    ticket(&world, "T2", "Sở Y tế", "2021-09-24").await;
    ticket(&world, "T3", "Sở Y tế", "2021-09-28").await;
    letters_of(&mut world, "2021-10-04", "2021-10-08").await;
    let mails = world.received();
    let heads: Vec<_> = mails
        .iter()
        .filter(|m| m.to == ["giamdoc-syt@tinh.example"])
        .map(|m| (dondoc::demo::reading::read(&m.bytes).expect("a letter"), thread(m)))
        .collect();
    let lines: Vec<String> = heads.iter().map(|(letter, _)| line(letter)).collect();
    assert_eq!(
        lines,
        [
            "giamdoc-syt digest: T1 overdue/L2",
            "giamdoc-syt digest: T1 overdue/L3",
            "giamdoc-syt digest: T2 overdue/L2",
            "giamdoc-syt digest: T2 overdue/L3, T3 overdue/L2",
        ]
    );
    let ids: Vec<&String> = heads.iter().map(|(letter, _)| &letter.message_id).collect();
    let answered: Vec<Vec<&String>> = heads.iter().map(|(_, (to, _))| to.iter().collect()).collect();
    let referred: Vec<Vec<&String>> = heads.iter().map(|(_, (_, all))| all.iter().collect()).collect();
    let expected = [vec![], vec![ids[0]], vec![], vec![ids[2]]];
    assert_eq!(answered, expected);
    assert_eq!(referred, expected);
}

#[tokio::test]
async fn single_letters_about_a_ticket_are_one_thread_whatever_the_period() {
    let single = LADDER
        .replace("when = \"overdue\"", "when = \"overdue\"\ndigest = \"ticket\"")
        .replace(
            "after = \"10wd\"\nto = [\"office:contact\"]",
            "after = \"20wd\"\nto = [\"agency:head\"]",
        );
    let mut world = World::new(&(single + FIVE_DAYS)).await;
    world.turn("2021-09-06 07:00").await;
    ticket(&world, "T1", "Sở Y tế", "2021-09-06").await;
    ticket(&world, "T2", "Sở Y tế", "2021-09-06").await;
    letters_of(&mut world, "2021-09-14", "2021-09-20").await;
    letters_of(&mut world, "2021-10-11", "2021-10-12").await;
    let mails = world.received();
    for code in ["T1", "T2"] {
        let of_ticket: Vec<_> = mails
            .iter()
            .filter(|m| m.to == ["giamdoc-syt@tinh.example"])
            .map(|m| (dondoc::demo::reading::read(&m.bytes).expect("a letter"), thread(m)))
            .filter(|(letter, _)| letter.told().any(|(ticket, _, _)| ticket == code))
            .collect();
        let ids: Vec<String> = of_ticket.iter().map(|(letter, _)| letter.message_id.clone()).collect();
        let threads: Vec<_> = of_ticket.into_iter().map(|(_, thread)| thread).collect();
        assert_eq!(
            threads,
            [
                (vec![], vec![]),
                (vec![ids[0].clone()], vec![ids[0].clone()]),
                (vec![ids[1].clone()], vec![ids[0].clone(), ids[1].clone()]),
            ],
            "{code}"
        );
    }
}

#[tokio::test]
async fn nothing_leaves_at_night_at_noon_at_the_weekend_or_on_a_holiday() {
    // Two hours after a deadline by the clock, each for itself: at 18:50, at 12:30, on Saturday and on a holiday.
    let single = "[[rule]]\nid = \"late\"\ntitle = \"Quá hạn\"\nwhen = \"overdue\"\ndigest = \"ticket\"\n\n\
                  [[rule.step]]\nid = \"H\"\nafter = \"2h\"\nto = [\"agency:contact\"]\ntemplate = \"overdue-1\"\n";
    let mut world = World::new(single).await;
    world.turn("2021-08-30 07:00").await;
    let due = [
        ("NIGHT", "2021-08-30 16:50:00"),
        ("NOON", "2021-08-31 10:30:00"),
        ("HOLIDAY", "2021-09-02 08:00:00"),
        ("WEEKEND", "2021-09-10 16:00:00"),
    ];
    for (code, due) in due {
        world.ticket(code, "Sở Y tế", "2021-08-30 06:00").await;
        world
            .change(code, "2021-08-30 06:00", &format!("due_at = '{due}'"))
            .await;
    }
    assert_eq!(
        letters_of(&mut world, "2021-08-30", "2021-09-13").await,
        [
            "31/08 07:00 syt single: NIGHT late/H",
            "31/08 13:30 syt single: NOON late/H",
            "06/09 07:00 syt single: HOLIDAY late/H",
            "13/09 07:00 syt single: WEEKEND late/H",
        ]
    );
}

#[tokio::test]
async fn through_weeks_of_changes_nobody_gets_two_digests_a_day_or_a_letter_out_of_hours() {
    let soon = "\n[[rule]]\nid = \"soon\"\ntitle = \"Sắp đến hạn\"\nwhen = \"due_soon\"\n\n[[rule.step]]\nid = \"S\"\nafter = \"-1wd\"\nto = [\"agency:contact\"]\ntemplate = \"due-soon\"\n";
    let mut world = World::new(&(ladder() + soon)).await;
    world.turn("2022-01-17 07:00").await;
    let agencies = [
        "Sở Y tế",
        "Sở Xây dựng",
        "Sở Tài chính",
        "Ban Quản lý khu kinh tế",
        "Sở Không Có",
    ];
    let mut letters = Vec::new();
    let day = |text: &str| text.parse::<chrono::NaiveDate>().expect("a date");
    let days = day("2022-01-18").iter_days().take_while(|d| *d <= day("2022-02-11"));
    for (i, date) in days.enumerate() {
        world
            .ticket(&format!("T{i}"), agencies[i % 5], &format!("{date} 03:00"))
            .await;
        let (old, when) = (format!("T{}", i.saturating_sub(9)), format!("{date} 04:00"));
        match i % 6 {
            0 => world.answer(&old, &when).await,
            2 => world.change(&old, &when, "agency = 'Sở Y tế'").await,
            3 => world.change(&old, &when, "extended_to = '2022-02-08'").await,
            4 => world.restart().await,
            5 => world.change(&old, &when, "status = 'đang xử lý'").await,
            _ => {}
        }
        // The daemon is down at a different hour each day.
        let hours = ["05:00", "07:00", "08:00", "12:00", "14:10"];
        for hour in hours
            .iter()
            .enumerate()
            .filter(|(h, _)| h % 5 != i % 5)
            .map(|(_, hour)| hour)
        {
            world.turn(&format!("{date} {hour}")).await;
            letters.extend(world.letters().into_iter().map(|letter| (date, *hour, letter)));
        }
    }
    let outside = |hour: &str| hour == "05:00" || hour == "12:00";
    let closed = day("2022-01-29")..=day("2022-02-06");
    let mut digests = BTreeSet::new();
    assert!(letters.len() > 20, "{} letters", letters.len());
    for (date, hour, letter) in &letters {
        let what = format!("{date} {hour} {}", line(letter));
        assert!(!outside(hour), "{what}");
        assert!(
            chrono::Datelike::weekday(date).number_from_monday() <= 5 && !closed.contains(date),
            "{what}"
        );
        assert!(digests.insert((letter.to.clone(), *date)), "a second one: {what}");
    }
}

#[tokio::test]
async fn a_long_thread_is_answered_at_its_end() {
    let daily = "[[rule]]\nid = \"late\"\ntitle = \"Quá hạn\"\nwhen = \"overdue\"\ndigest = \"ticket\"\n\n[[rule.step]]\nid = \"L1\"\nafter = \"1wd\"\n\
                 to = [\"agency:contact\"]\ntemplate = \"overdue-1\"\nrepeat = { every = \"1wd\", times = 30 }\n";
    let mut world = World::new(&(daily.to_owned() + FIVE_DAYS)).await;
    world.turn("2021-09-06 07:00").await;
    ticket(&world, "T1", "Sở Y tế", "2021-09-06").await;
    let first: chrono::NaiveDate = "2021-09-14".parse().expect("a date");
    for date in first.iter_days().take(32) {
        world.turn(&format!("{date} 07:00")).await;
    }
    let mails = world.received();
    assert_eq!(mails.len(), 24, "one each working day");
    let (before, last) = (&mails[22], &mails[23]);
    let before = dondoc::demo::reading::read(&before.bytes).expect("a letter").message_id;
    let (answers, references) = thread(last);
    assert_eq!(answers, [before.as_str()]);
    assert_eq!(references.last(), Some(&before));
}
