//! Faults that other programs of this kind have or had, by their numbers in the survey of ticket systems, each with the test
//! that fails where we had it too. Those that are about something else besides stand where that is told.
//!
//! | fault | test |
//! |---|---|
//! | 12 a step told again by every run until the ticket is done | `a_telling_is_decided_once_however_often_and_by_whichever_process_it_is_looked_at` |
//! | 21 reminders at midnight and at the weekend | `nothing_leaves_at_night_at_noon_at_the_weekend_or_on_a_holiday` |
//! | 22 a second change on one day swallowed by the first | `a_deadline_moved_on_the_day_it_was_told_of_is_told_of_anew` |
//! | 24 reminders of tickets that are closed or deleted | `what_the_re_read_finds_answered_drops_out_though_nobody_touched_updated_at` |
//! | 24 | `a_ticket_gone_from_the_source_is_not_told_and_goes_on_where_it_was_when_it_is_back` |
//! | 25 a due date set by hand chases nobody | `a_due_date_set_by_hand_is_chased_like_one_that_a_policy_gives` |
//! | 27 timers that take no notice of the calendar | `steps_repeats_thresholds_and_weekly_lists_all_count_working_days` |
//! | 31 the first step at once, since there was none before | `a_ticket_of_which_nothing_was_told_yet_waits_for_its_deadline` |
//! | 37 deadlines wrong where some weekday is not worked | `whichever_day_an_office_opens_on_its_deadlines_are_found` |
//! | 38 a minute lost each midnight | `an_office_that_never_closes_loses_no_minute_at_midnight` |
//! | 40 deadlines that stay when the calendar or policy changes | `a_changed_policy_or_calendar_moves_what_is_not_yet_told` |
//! | 40 and when the ticket is answered | `an_answered_ticket_leaves_the_ladder_and_those_who_were_told_hear_of_it_once` |
//! | 42 a merged ticket climbs on | `a_ticket_merged_into_another_climbs_no_further` |
//! | 44 what is before a deadline told at midnight, or at once | `before_a_deadline_hours_are_counted_back_over_noon_nights_and_weekends` |
//! | 46 wrong by an hour where clocks change, or by the zone | `clocks_that_change_keep_local_hours` |
//! | 46 | `the_day_is_the_local_one` |
//! | 49 office hours that are configured and not counted | `working_hours_run_in_office_hours_only` |
//! | 49 | `deadlines_and_ladders_follow_the_agencys_hours_and_mails_the_recipients` |

use std::collections::BTreeSet;
use std::path::Path;

use chrono::{Datelike as _, NaiveDate, NaiveTime, TimeDelta};
use dondoc::domain::calendar::{Calendar, CalendarData, END_OF_DAY, Pattern};
use dondoc::domain::time::Span;

use crate::world::{FIVE_DAYS, LADDER, World, at};

fn ladder() -> String {
    format!("{LADDER}{FIVE_DAYS}")
}

#[test]
fn each_fault_has_its_test() {
    let asked = [12, 21, 22, 24, 25, 27, 31, 37, 38, 40, 42, 44, 46, 49];
    let source = include_str!("peers.rs");
    let rows = source.lines().filter_map(|line| line.strip_prefix("//! | "));
    let rows = rows.filter_map(|row| row.split_once('|'));
    let rows = rows.filter_map(|(fault, test)| {
        let number: u32 = fault.split_whitespace().next()?.parse().ok()?;
        Some((number, test.trim().trim_end_matches('|').trim().trim_matches('`')))
    });
    let rows: Vec<(u32, &str)> = rows.collect();
    let numbers: BTreeSet<u32> = rows.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers.into_iter().collect::<Vec<_>>(), asked);

    let mut sources = String::new();
    read_sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it"), &mut sources);
    for (number, test) in rows {
        let is_a_test = sources.contains(&format!("#[test]\nfn {test}("))
            || sources.contains(&format!("#[tokio::test]\nasync fn {test}("))
            || sources.contains(&format!("async fn {test}(on: On)"));
        assert!(is_a_test, "{number}: there is no test `{test}`");
    }
}

fn read_sources(dir: &Path, sources: &mut String) {
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read_sources(&path, sources);
        } else if path.extension().is_some_and(|e| e == "rs") {
            sources.push_str(&std::fs::read_to_string(path).expect("a text"));
        }
    }
}

#[tokio::test]
async fn a_deadline_moved_on_the_day_it_was_told_of_is_told_of_anew() {
    let mut world = World::new(&ladder()).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world
        .change("T1", "2021-09-06 09:05", "due_at = '2021-09-13 10:00:00'")
        .await;
    let mut told = world.days("2021-09-07", "2021-09-13").await;
    world.turn("2021-09-14 08:00").await;
    told.extend(world.told());
    // Twice more on the day of the reminder; what counts is the value, not that something was told that day.
    world
        .change("T1", "2021-09-14 09:00", "extended_to = '2021-09-14 15:00:00'")
        .await;
    world.turn("2021-09-14 09:05").await;
    world
        .change("T1", "2021-09-14 10:00", "extended_to = '2021-09-15 15:00:00'")
        .await;
    world.turn("2021-09-14 10:05").await;
    told.extend(world.days("2021-09-15", "2021-09-17").await);
    assert_eq!(
        told,
        [
            "syt: T1 overdue/L1",
            "15/09 syt: T1 @settled/extended",
            "16/09 syt: T1 overdue/L1",
        ]
    );
}

#[tokio::test]
async fn a_due_date_set_by_hand_is_chased_like_one_that_a_policy_gives() {
    let mut world = World::new(&ladder()).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.ticket("T2", "Sở Xây dựng", "2021-09-06 09:00").await;
    // Earlier than the policy would have it, and only set later.
    world
        .change("T2", "2021-09-07 10:00", "due_at = '2021-09-08 16:00:00'")
        .await;
    let told = world.days("2021-09-07", "2021-09-16").await;
    assert_eq!(
        told,
        [
            "09/09 sxd: T2 overdue/L1",
            "13/09 giamdoc-sxd: T2 overdue/L2",
            "14/09 syt: T1 overdue/L1",
            "15/09 giamdoc-sxd: T2 overdue/L3",
            "16/09 giamdoc-syt: T1 overdue/L2",
        ]
    );
}

/// A rule that nudges and repeats, and one whose list goes out weekly.
const TIMERS: &str = r#"
[[rule]]
id = "stale"
title = "Phiếu lâu không được cập nhật"
when = "stale"
threshold = "3wd"

[[rule.step]]
id = "nudge"
after = "3wd"
to = ["agency:contact"]
repeat = { every = "2wd", times = 2 }
template = "stale"

[[rule]]
id = "weekly"
title = "Phiếu đang theo dõi"
when = "aged"
threshold = "1wd"
digest = { at = "week" }

[[rule.step]]
id = "list"
after = "1wd"
to = ["office:contact"]
template = "aged"
"#;

#[tokio::test]
async fn steps_repeats_thresholds_and_weekly_lists_all_count_working_days() {
    let mut world = World::new(TIMERS).await;
    world.turn("2021-08-27 07:00").await;
    // Friday; Thursday 2/9 and Friday 3/9 are holidays.
    world.ticket("T1", "Sở Y tế", "2021-08-27 09:00").await;
    let told = world.days("2021-08-28", "2021-09-14").await;
    assert_eq!(
        told,
        [
            "30/08 vp: T1 weekly/list",
            "01/09 syt: T1 stale/nudge",
            "07/09 syt: T1 stale/nudge",
            "09/09 syt: T1 stale/nudge",
        ]
    );
}

#[tokio::test]
async fn a_ticket_of_which_nothing_was_told_yet_waits_for_its_deadline() {
    let mut world = World::new(&ladder()).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 07:30").await;
    assert_eq!(world.days("2021-09-06", "2021-09-13").await, [] as [&str; 0]);
    assert_eq!(
        world.days("2021-09-14", "2021-09-14").await,
        ["14/09 syt: T1 overdue/L1"]
    );
}

#[tokio::test]
async fn a_ticket_merged_into_another_climbs_no_further() {
    let mut world = World::new(&ladder()).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.ticket("T2", "Sở Y tế", "2021-09-06 09:10").await;
    let mut told = world.days("2021-09-07", "2021-09-14").await;
    world.change("T2", "2021-09-14 17:00", "status = 'trùng'").await;
    told.extend(world.days("2021-09-15", "2021-09-20").await);
    assert_eq!(
        told,
        [
            "14/09 syt: T1 overdue/L1",
            "14/09 syt: T2 overdue/L1",
            "15/09 syt: T2 @settled/void",
            "16/09 giamdoc-syt: T1 overdue/L2",
            "20/09 giamdoc-syt: T1 overdue/L3",
        ]
    );
}

/// One mail for each ticket as soon as it falls due, four working hours before its deadline.
const FOUR_HOURS_BEFORE: &str = r#"
[[rule]]
id = "soon"
title = "Phiếu sắp đến hạn xử lý"
when = "due_soon"
digest = "ticket"

[[rule.step]]
id = "T-4"
after = "-4wh"
to = ["agency:contact"]
template = "due-soon"
"#;

#[tokio::test]
async fn before_a_deadline_hours_are_counted_back_over_noon_nights_and_weekends() {
    let mut world = World::new(FOUR_HOURS_BEFORE).await;
    world.turn("2021-09-09 07:00").await;
    // Four working hours before Friday 15:00 is Friday 09:00; before Monday 08:00 it is Friday 14:00.
    for (code, due) in [("T1", "2021-09-10 15:00"), ("T2", "2021-09-13 08:00")] {
        world.ticket(code, "Sở Y tế", "2021-09-09 09:00").await;
        world
            .change(code, "2021-09-09 09:05", &format!("due_at = '{due}:00'"))
            .await;
    }
    let mut told = Vec::new();
    let begin = at("2021-09-09 09:10");
    for quarter in 0..5 * 24 * 4 {
        let now = begin + TimeDelta::minutes(15 * quarter);
        world.turn_by(&|| now).await;
        let local = now.with_timezone(&chrono_tz::Asia::Ho_Chi_Minh);
        told.extend(
            world
                .told()
                .into_iter()
                .map(|line| format!("{} {line}", local.format("%d/%m %H:%M"))),
        );
    }
    assert_eq!(told, ["10/09 09:10 syt: T1 soon/T-4", "10/09 14:10 syt: T2 soon/T-4"]);
}

fn calendar(week: [Vec<(NaiveTime, NaiveTime)>; 7]) -> Calendar {
    Calendar::new(CalendarData {
        zone: chrono_tz::Asia::Ho_Chi_Minh,
        patterns: vec![Pattern {
            valid_from: None,
            valid_until: None,
            week,
        }],
        days: Default::default(),
        provisional_from: "2100-01-01".parse().expect("a date"),
        lunar: Default::default(),
        closures: Vec::new(),
        culture_day_from: None,
    })
    .expect("a calendar")
}

fn time(text: &str) -> NaiveTime {
    NaiveTime::parse_from_str(text, "%H:%M").expect("a time")
}

#[test]
fn whichever_day_an_office_opens_on_its_deadlines_are_found() {
    // Every choice of weekdays but none at all; a Monday in a year without holidays in this calendar.
    let monday: NaiveDate = "2021-09-06".parse().expect("a date");
    for chosen in 1_u8..128 {
        let works = |day: NaiveDate| chosen & (1 << day.weekday().num_days_from_monday()) != 0;
        let hours = |day: usize| {
            let is_worked = chosen & (1 << day) != 0;
            Vec::from_iter(is_worked.then(|| (time("08:00"), time("12:00"))))
        };
        let cal = calendar([0, 1, 2, 3, 4, 5, 6].map(hours));
        for first in monday.iter_days().take(7) {
            let fifth = first
                .iter_days()
                .skip(1)
                .filter(|day| works(*day))
                .nth(4)
                .expect("a day");
            assert_eq!(cal.nth_working_day(first, 5), fifth, "{chosen:07b} from {first}");
            // Ten hours are two days and a half of four hours.
            let third = first.iter_days().filter(|day| works(*day)).nth(2).expect("a day");
            let midnight = cal.instant(first, NaiveTime::MIN);
            let due = cal.add_working_time(midnight, TimeDelta::hours(10));
            assert_eq!(due, cal.instant(third, time("10:00")), "{chosen:07b} from {first}");
        }
    }
}

#[test]
fn an_office_that_never_closes_loses_no_minute_at_midnight() {
    let always = calendar([(); 7].map(|()| vec![(NaiveTime::MIN, END_OF_DAY)]));
    let (evening, morning) = (at("2021-09-06 23:30"), at("2021-09-07 03:30"));
    assert_eq!(always.add_working_time(evening, TimeDelta::hours(4)), morning);
    assert_eq!(always.working_time_between(evening, morning), TimeDelta::hours(4));
    assert_eq!(
        always.working_time_between(at("2021-09-06 00:00"), at("2021-10-06 00:00")),
        TimeDelta::days(30)
    );
    let late = at("2021-09-06 23:59") + TimeDelta::seconds(30);
    assert!(always.is_open(late) && always.next_open(late) == late);
    assert_eq!(
        always.closes("2021-09-06".parse().expect("a date")),
        Some(at("2021-09-07 00:00"))
    );
    // A span that ends with the day is due then.
    assert_eq!(
        always.shown_at(always.add(at("2021-09-06 20:00"), Span::WorkingTime(TimeDelta::hours(4)))),
        at("2021-09-07 00:00")
    );

    // It is written as people do, and a minute before is a minute that is closed.
    let folder = crate::config::Folder::sound();
    folder.change(
        "calendar.toml",
        "mon = [\"07:00-11:30\", \"13:30-17:00\"]",
        "mon = [\"00:00-24:00\"]",
    );
    folder.change(
        "calendar.toml",
        "tue = [\"07:00-11:30\", \"13:30-17:00\"]",
        "tue = [\"00:00-23:59\"]",
    );
    let config = folder.config();
    let cal = config.calendars.base();
    assert_eq!(
        cal.working_time_between(at("2021-09-06 00:00"), at("2021-09-07 00:00")),
        TimeDelta::hours(24)
    );
    assert_eq!(
        cal.working_time_between(at("2021-09-07 00:00"), at("2021-09-08 00:00")),
        TimeDelta::minutes(24 * 60 - 1)
    );
}
