//! The working calendar as it ships: deadlines, yearly invariants, provisional years, and properties of the arithmetic.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;
use dondoc::cli::calendar as cli;
use dondoc::domain::Moment;
use dondoc::domain::calendar::{Calendar, CalendarData, CalendarError, Counted, DayKind, Due, Pattern, SpecialDay};
use dondoc::domain::time::Span;
use proptest::prelude::*;

// ---- arranging

type Week = [Vec<(NaiveTime, NaiveTime)>; 7];

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn time(text: &str) -> NaiveTime {
    text.parse().unwrap()
}

fn interval(text: &str) -> (NaiveTime, NaiveTime) {
    let (opens, closes) = text.split_once('-').unwrap();
    (time(&format!("{opens}:00")), time(&format!("{closes}:00")))
}

/// Monday to Friday alike, the weekend closed.
fn office_week(hours: &[&str]) -> Week {
    let day: Vec<_> = hours.iter().map(|text| interval(text)).collect();
    std::array::from_fn(|weekday| if weekday < 5 { day.clone() } else { Vec::new() })
}

fn always(week: Week) -> Pattern {
    Pattern {
        valid_from: None,
        valid_until: None,
        week,
    }
}

/// The shipped file, read as plain TOML: what is tested here are its facts, not the loader.
fn shipped_data() -> CalendarData {
    static DATA: LazyLock<CalendarData> = LazyLock::new(read_shipped_data);
    DATA.clone()
}

fn read_shipped_data() -> CalendarData {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/calendar.toml")).unwrap();
    let file: toml::Table = text.parse().unwrap_or_else(|error: toml::de::Error| panic!("{error}"));
    let week = std::array::from_fn(|n| {
        let day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][n];
        let hours = file["hours"][0]
            .get(day)
            .and_then(|hours| hours.as_array())
            .cloned()
            .unwrap_or_default();
        hours.iter().map(|text| interval(text.as_str().unwrap())).collect()
    });
    let days = [("off", DayKind::Off), ("worked", DayKind::Worked)]
        .into_iter()
        .flat_map(|(table, kind)| {
            let entries = file[table].as_table().unwrap().clone();
            entries.into_iter().map(move |(day, label)| {
                (
                    date(&day),
                    SpecialDay {
                        kind: kind.clone(),
                        label: label.as_str().unwrap().to_owned(),
                    },
                )
            })
        });
    let lunar = file["lunar"].as_table().unwrap().iter().map(|(year, dates)| {
        let of = |key: &str| date(dates[key].as_str().unwrap());
        (year.parse().unwrap(), (of("tet"), of("gio_to")))
    });
    CalendarData {
        zone: file["zone"].as_str().unwrap().parse().unwrap(),
        patterns: vec![always(week)],
        days: days.collect(),
        provisional_from: date(file["filled_until"].as_str().unwrap()).succ_opt().unwrap(),
        lunar: lunar.collect(),
        closures: Vec::new(),
        culture_day_from: None,
    }
}

fn shipped() -> Calendar {
    Calendar::new(shipped_data()).unwrap()
}

/// Plain weeks without any holiday.
fn plain_data(zone: Tz, week: Week) -> CalendarData {
    CalendarData {
        zone,
        patterns: vec![always(week)],
        days: BTreeMap::new(),
        provisional_from: date("2101-01-01"),
        lunar: BTreeMap::new(),
        closures: Vec::new(),
        culture_day_from: None,
    }
}

fn at(calendar: &Calendar, text: &str) -> Moment {
    cli::parse_from(text, calendar.zone()).unwrap()
}

/// The due as ops would write it: a date, or a local time.
fn add(calendar: &Calendar, from: &str, span: &str) -> String {
    match calendar.add(at(calendar, from), span.parse().unwrap()) {
        Due::Day(date) => date.to_string(),
        Due::Instant(due) => local(calendar, due),
    }
}

fn local(calendar: &Calendar, at: Moment) -> String {
    at.with_timezone(&calendar.zone()).format("%Y-%m-%d %H:%M").to_string()
}

// ---- the facts that ship

/// One row of the list of schedules that was put together from the announcements.
fn schedules() -> Vec<(NaiveDate, DayKind, String)> {
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/schedules_2021_2026.csv"
    ));
    let text = text.unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let kind = if cells[2] == "work" {
            DayKind::Worked
        } else {
            DayKind::Off
        };
        (date(cells[0]), kind, cells[3].to_owned())
    };
    text.lines().skip(1).map(row).collect()
}

#[test]
fn the_shipped_file_has_every_announced_day() {
    let data = shipped_data();
    let rows = schedules();
    assert_eq!(rows.len(), 74);
    for (date, kind, label) in rows {
        assert_eq!(data.days.get(&date), Some(&SpecialDay { kind, label }), "{date}");
    }
    let more = data
        .days
        .iter()
        .filter(|(date, _)| !schedules().iter().any(|row| row.0 == **date));
    for (date, day) in more {
        assert!(
            matches!(date.weekday(), Weekday::Sat | Weekday::Sun),
            "{date} is not in the schedules"
        );
        assert_eq!(day.kind, DayKind::Off);
    }
}

#[test]
fn every_year_has_eleven_days_off_and_its_swaps() {
    let calendar = shipped();
    let years = [
        (2021, 11, 250),
        (2022, 11, 249),
        (2023, 11, 249),
        (2024, 12, 251),
        (2025, 12, 250),
        (2026, 13, 250),
    ];
    for (year, closures, working_days) in years {
        let summary = calendar.year(year);
        assert_eq!(
            (summary.closures.len(), summary.working_days),
            (closures, working_days),
            "{year}"
        );
        assert_eq!(
            summary.worked_saturdays.len(),
            closures - 11,
            "{year}: each swap is worked on a Saturday"
        );
        assert!(!summary.provisional);
    }
}

#[test]
fn the_culture_day_is_there_once_it_is_switched_on() {
    let calendar = Calendar::new(CalendarData {
        culture_day_from: Some(2026),
        ..shipped_data()
    })
    .unwrap();
    let summary = calendar.year(2026);
    assert_eq!((summary.closures.len(), summary.working_days), (14, 249));
    assert_eq!(calendar.label(date("2026-11-24")), Some("Ngày Văn hóa Việt Nam"));
    assert!(!calendar.is_provisional(date("2026-11-24")));
    assert_eq!(calendar.year(2025).working_days, 250);
    // 24/11/2029 is a Saturday.
    assert!(!calendar.is_working_day(date("2029-11-26")));
    assert!(shipped().is_working_day(date("2026-11-24")));
}

#[test]
fn worked_saturdays_have_fridays_hours_and_no_other_saturday_has_any() {
    let calendar = shipped();
    let worked = ["2024-05-04", "2025-04-26", "2026-01-10", "2026-08-22"].map(date);
    for day in date("2021-01-01").iter_days().take_while(|day| day.year() < 2027) {
        if matches!(day.weekday(), Weekday::Sat | Weekday::Sun) {
            assert_eq!(calendar.is_working_day(day), worked.contains(&day), "{day}");
        }
    }
    assert_eq!(
        calendar.hours(worked[0]),
        [interval("07:00-11:30"), interval("13:30-17:00")]
    );
    assert_eq!(calendar.year(2026).worked_saturdays, worked[2..]);
}

#[test]
fn the_lunar_table_is_reckoned_at_utc_plus_7() {
    let lunar = shipped_data().lunar;
    assert!((2000..=2050).all(|year| lunar.contains_key(&year)));
    let check = |year: i32, tet: &str, gio_to: &str| assert_eq!(lunar[&year], (date(tet), date(gio_to)), "{year}");
    // Tết a day before the Chinese one.
    check(2007, "2007-02-17", "2007-04-26");
    check(2030, "2030-02-02", "2030-04-12");
    // Giỗ Tổ a day before the Chinese 10/3.
    check(2009, "2009-01-26", "2009-04-04");
    check(2037, "2037-02-15", "2037-04-24");
    check(2038, "2038-02-04", "2038-04-13");
    // The year with a leap month 11.
    check(2033, "2033-01-31", "2033-04-09");
    check(2020, "2020-01-25", "2020-04-02");
    check(2035, "2035-02-08", "2035-04-17");
    for (year, (tet, gio_to)) in lunar {
        assert!(
            tet.year() == year && (20..=51).contains(&tet.ordinal()),
            "{year}: Tết is from 21/1 to 20/2"
        );
        assert!(
            (67..=99).contains(&(gio_to - tet).num_days()),
            "{year}: two months to, three with a leap month, the tenth of the third"
        );
    }
}

// ---- deadlines

#[test]
fn working_days_are_counted_as_the_civil_code_does() {
    let calendar = shipped();
    let vectors = [
        ("2021-08-31", 5, "2021-09-09"),
        ("2021-09-01", 1, "2021-09-06"),
        ("2021-09-17", 5, "2021-09-24"),
        ("2022-01-28", 3, "2022-02-09"),
        ("2023-04-28", 1, "2023-05-04"),
        ("2023-08-31", 5, "2023-09-11"),
        ("2024-04-26", 3, "2024-05-04"),
        ("2025-04-25", 5, "2025-05-06"),
        ("2025-04-29", 1, "2025-05-05"),
        ("2026-01-09", 1, "2026-01-10"),
        ("2026-02-13", 1, "2026-02-23"),
        ("2026-08-21", 5, "2026-08-27"),
    ];
    for (receipt, days, due) in vectors {
        assert_eq!(
            add(&calendar, receipt, &format!("{days}wd")),
            due,
            "{receipt} + {days}wd"
        );
        assert_eq!(calendar.working_days_between(date(receipt), date(due)), days);
    }
}

#[test]
fn the_day_itself_never_counts_whatever_the_hour() {
    let calendar = shipped();
    // 17/9/2021 is a Friday.
    for received in [
        "2021-09-17 06:00",
        "2021-09-17 10:00",
        "2021-09-17 18:00",
        "2021-09-18 09:00",
        "2021-09-19 23:59",
    ] {
        assert_eq!(add(&calendar, received, "1wd"), "2021-09-20", "{received}");
    }
    assert_eq!(add(&calendar, "2021-09-18 09:00", "0wd"), "2021-09-18");
    assert_eq!(add(&calendar, "2021-09-20 09:00", "-1wd"), "2021-09-17");
    assert_eq!(add(&calendar, "2021-09-18 09:00", "-1wd"), "2021-09-17");
    assert_eq!(add(&calendar, "2021-09-06 09:00", "-2wd"), "2021-08-31");
}

#[test]
fn the_day_is_the_local_one() {
    let calendar = shipped();
    // 18:30 UTC on Thursday is 01:30 on Friday in Việt Nam.
    assert_eq!(add(&calendar, "2021-09-16T18:30:00Z", "1wd"), "2021-09-20");
}

#[test]
fn calendar_days_roll_on_to_the_next_working_day() {
    let calendar = shipped();
    assert_eq!(add(&calendar, "2021-08-16 09:00", "15cd"), "2021-08-31");
    assert_eq!(
        add(&calendar, "2021-08-18 09:00", "15cd"),
        "2021-09-06",
        "2/9, then the weekend"
    );
    assert_eq!(
        add(&calendar, "2024-05-03 09:00", "1cd"),
        "2024-05-04",
        "a worked Saturday"
    );
    assert_eq!(add(&calendar, "2021-09-18 09:00", "0cd"), "2021-09-20");
    assert_eq!(add(&calendar, "2021-09-20 09:00", "-1cd"), "2021-09-20");
    assert_eq!(add(&calendar, "2021-09-22 09:00", "-1cd"), "2021-09-21");
}

#[test]
fn working_hours_run_in_office_hours_only() {
    let calendar = shipped();
    let check = |from: &str, hours: &str, due: &str| assert_eq!(add(&calendar, from, hours), due, "{from} + {hours}");
    check("2021-09-17 08:00", "1wh", "2021-09-17 09:00");
    check("2021-09-17 11:00", "1wh", "2021-09-17 14:00");
    check("2021-09-17 16:00", "4wh", "2021-09-20 10:00");
    check("2021-09-17 18:00", "4wh", "2021-09-20 11:00");
    check("2021-09-18 09:00", "4wh", "2021-09-20 11:00");
    check("2021-09-17 05:00", "8wh", "2021-09-17 17:00");
    check("2021-09-17 12:00", "0wh", "2021-09-17 13:30");
}

#[test]
fn hours_that_end_exactly_at_a_close_are_due_then() {
    let calendar = shipped();
    assert_eq!(add(&calendar, "2021-09-17 09:30", "2wh"), "2021-09-17 11:30");
    assert_eq!(add(&calendar, "2021-09-17 07:30", "4wh"), "2021-09-17 11:30");
    assert_eq!(add(&calendar, "2021-09-17 15:00", "2wh"), "2021-09-17 17:00");
    assert_eq!(add(&calendar, "2021-09-17 17:00", "1wh"), "2021-09-20 08:00");
    assert_eq!(
        add(&calendar, "2021-09-20 09:00", "-2wh"),
        "2021-09-20 07:00",
        "backwards: the opening"
    );
    assert_eq!(add(&calendar, "2021-09-20 07:00", "-1wh"), "2021-09-17 16:00");
}

#[test]
fn elapsed_time_takes_no_notice_of_the_office() {
    let calendar = shipped();
    assert_eq!(add(&calendar, "2021-09-17 16:00", "2d"), "2021-09-19 16:00");
    assert_eq!(add(&calendar, "2021-09-17 16:00", "90m"), "2021-09-17 17:30");
}

#[test]
fn an_office_is_open_until_the_minute_it_closes() {
    let calendar = shipped();
    let open = |text: &str| calendar.is_open(at(&calendar, text));
    assert!(open("2021-09-17 07:00") && open("2021-09-17 11:29") && open("2021-09-17 13:30"));
    assert!(!open("2021-09-17 06:59") && !open("2021-09-17 11:30") && !open("2021-09-17 17:00"));
    assert!(!open("2021-09-02 09:00") && !open("2021-09-18 09:00") && open("2024-05-04 09:00"));
    let next = |text: &str| local(&calendar, calendar.next_open(at(&calendar, text)));
    assert_eq!(next("2021-09-17 10:00"), "2021-09-17 10:00");
    assert_eq!(next("2021-09-17 11:30"), "2021-09-17 13:30");
    assert_eq!(next("2021-09-01 17:00"), "2021-09-06 07:00");
}

#[test]
fn a_day_deadline_is_shown_at_the_close_and_judged_at_its_end() {
    let calendar = shipped();
    let day = date("2021-09-09");
    assert_eq!(local(&calendar, calendar.shown_at(Due::Day(day))), "2021-09-09 17:00");
    assert_eq!(local(&calendar, calendar.end_of_day(day)), "2021-09-10 00:00");
    assert_eq!(
        local(&calendar, calendar.shown_at(Due::Day(date("2021-09-12")))),
        "2021-09-13 00:00"
    );
    assert_eq!(
        (calendar.opens(date("2021-09-12")), calendar.closes(date("2021-09-12"))),
        (None, None)
    );
}

// ---- quiet days

#[test]
fn the_days_next_to_tet_are_quiet() {
    let calendar = shipped();
    let quiet = |year: i32| -> Vec<String> {
        let days = NaiveDate::from_yo_opt(year, 1)
            .unwrap()
            .iter_days()
            .take_while(|day| day.year() == year);
        days.filter(|day| calendar.is_quiet_day(*day))
            .map(|day| day.to_string())
            .collect()
    };
    // 29/1 to 6/2/2022 is closed, 30/4 to 3/5 is only four days.
    assert_eq!(quiet(2022), ["2022-01-28", "2022-02-07"]);
    assert_eq!(quiet(2021), ["2021-02-09", "2021-02-17"]);
    // 29/4 to 3/5/2023; 27/4 to 1/5/2024; 30/4 to 4/5/2025; 29/8 to 2/9/2026.
    assert_eq!(quiet(2023), ["2023-01-19", "2023-01-27", "2023-04-28", "2023-05-04"]);
    assert_eq!(quiet(2024), ["2024-02-07", "2024-02-15", "2024-04-26", "2024-05-02"]);
    assert_eq!(quiet(2025), ["2025-01-24", "2025-02-03", "2025-04-29", "2025-05-05"]);
    assert_eq!(quiet(2026), ["2026-02-13", "2026-02-23", "2026-08-28", "2026-09-03"]);
}

#[test]
fn an_office_that_opens_once_a_week_is_not_quiet_for_ever() {
    let mut week = office_week(&[]);
    week[2] = vec![interval("08:00-11:00")];
    let calendar = Calendar::new(plain_data(Tz::Asia__Ho_Chi_Minh, week)).unwrap();
    assert!(calendar.is_working_day(date("2021-09-15")));
    assert!(!calendar.is_quiet_day(date("2021-09-15")));
}

// ---- closures, patterns, zones

#[test]
fn a_storm_closes_even_a_worked_saturday() {
    let closures = vec![(date("2024-05-03"), date("2024-05-05"), "Bão".to_owned())];
    let calendar = Calendar::new(CalendarData {
        closures,
        ..shipped_data()
    })
    .unwrap();
    assert_eq!(add(&calendar, "2024-04-26", "3wd"), "2024-05-07");
    assert_eq!(calendar.label(date("2024-05-04")), Some("Bão"));
    let summary = calendar.year(2024);
    assert_eq!((summary.closures.len(), summary.working_days), (13, 249));
    assert!(summary.worked_saturdays.is_empty());
}

#[test]
fn hours_change_on_the_day_a_new_pattern_begins() {
    let mut data = shipped_data();
    let new = Pattern {
        valid_from: Some(date("2025-11-01")),
        valid_until: None,
        week: office_week(&["07:30-11:30", "13:30-17:30"]),
    };
    data.patterns.insert(0, new);
    let calendar = Calendar::new(data).unwrap();
    assert_eq!(calendar.hours(date("2025-10-31"))[0], interval("07:00-11:30"));
    assert_eq!(calendar.hours(date("2025-11-03"))[0], interval("07:30-11:30"));
    assert_eq!(
        calendar.hours(date("2026-01-10"))[1],
        interval("13:30-17:30"),
        "a worked Saturday under the new pattern"
    );
    assert_eq!(calendar.hours(date("2024-05-04"))[0], interval("07:00-11:30"));
    assert_eq!(
        calendar.add_working_time(at(&calendar, "2025-10-31 16:00"), TimeDelta::hours(2)),
        at(&calendar, "2025-11-03 08:30")
    );
}

#[test]
fn a_desk_that_opens_on_saturdays_is_closed_on_holidays_there() {
    let mut data = shipped_data();
    data.patterns[0].week[5] = vec![interval("07:30-10:30")];
    let calendar = Calendar::new(data).unwrap();
    assert!(calendar.is_working_day(date("2022-01-08")));
    assert!(
        !calendar.is_working_day(date("2022-01-01")),
        "New Year's Day was a Saturday"
    );
    assert_eq!(
        calendar.hours(date("2026-01-10")).len(),
        2,
        "a worked Saturday has Friday's hours all the same"
    );
}

#[test]
fn clocks_that_change_keep_local_hours() {
    let berlin = Calendar::new(plain_data(Tz::Europe__Berlin, office_week(&["08:00-16:00"]))).unwrap();
    let utc = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    // Summer time began on Sunday 28/3/2021 and ended on 31/10/2021.
    assert_eq!(berlin.opens(date("2021-03-26")), Some(utc("2021-03-26T07:00:00Z")));
    assert_eq!(berlin.opens(date("2021-03-29")), Some(utc("2021-03-29T06:00:00Z")));
    assert_eq!(add(&berlin, "2021-03-26 15:00", "2wh"), "2021-03-29 09:00");
    assert_eq!(
        berlin.instant(date("2021-03-28"), time("02:30:00")),
        utc("2021-03-28T01:00:00Z"),
        "after the gap"
    );
    assert_eq!(
        berlin.instant(date("2021-10-31"), time("02:30:00")),
        utc("2021-10-31T00:30:00Z"),
        "the earlier one"
    );
    assert_eq!(
        berlin.end_of_day(date("2021-03-28")) - berlin.end_of_day(date("2021-03-27")),
        TimeDelta::hours(23)
    );
}

#[test]
fn a_night_shift_is_an_hour_shorter_or_longer_when_the_clock_changes() {
    let mut week = office_week(&["00:00-06:00"]);
    week[6] = week[0].clone();
    let berlin = Calendar::new(plain_data(Tz::Europe__Berlin, week)).unwrap();
    let night = |day: &str| berlin.working_time_between(at(&berlin, day), berlin.end_of_day(date(day)));
    assert_eq!(night("2021-03-28"), TimeDelta::hours(5));
    assert_eq!(night("2021-10-31"), TimeDelta::hours(7));
    assert_eq!(night("2021-11-07"), TimeDelta::hours(6));
    assert_eq!(add(&berlin, "2021-03-28 00:00", "5wh"), "2021-03-28 06:00");
    assert_eq!(add(&berlin, "2021-10-31 00:00", "8wh"), "2021-11-01 01:00");
}

#[test]
fn a_zone_that_left_out_a_whole_day_still_answers() {
    let samoa = Calendar::new(plain_data(Tz::Pacific__Apia, office_week(&["08:00-16:00"]))).unwrap();
    let (before, after) = (
        samoa.end_of_day(date("2011-12-29")),
        samoa.end_of_day(date("2011-12-30")),
    );
    assert_eq!(before, after);
    assert_eq!(add(&samoa, "2011-12-29 15:00", "2wh"), "2012-01-02 09:00");
}

// ---- what cannot be a calendar

#[test]
fn a_calendar_without_working_time_is_refused() {
    let refuse = |data: CalendarData| Calendar::new(data).unwrap_err();
    let zone = Tz::Asia__Ho_Chi_Minh;
    assert!(matches!(
        refuse(plain_data(zone, office_week(&[]))),
        CalendarError::NoWorkingTime(_)
    ));
    let none = CalendarData {
        patterns: Vec::new(),
        ..shipped_data()
    };
    assert!(matches!(refuse(none), CalendarError::NoWorkingTime(_)));
    let mut ending = shipped_data();
    ending.patterns[0].valid_until = Some(date("2027-01-01"));
    assert_eq!(refuse(ending), CalendarError::NoWorkingTime(date("2026-12-31")));
    let closures = vec![(date("2026-07-01"), date("9999-01-01"), "Bão".to_owned())];
    assert_eq!(
        refuse(CalendarData {
            closures,
            ..shipped_data()
        }),
        CalendarError::NoWorkingTime(date("2026-06-30"))
    );
}

#[test]
fn what_ends_before_it_starts_is_refused() {
    let zone = Tz::Asia__Ho_Chi_Minh;
    let refuse = |hours: &[&str]| Calendar::new(plain_data(zone, office_week(hours))).unwrap_err();
    assert_eq!(
        refuse(&["07:00-11:30", "17:00-13:30"]),
        CalendarError::Backwards(time("17:00:00"), time("13:30:00"))
    );
    assert_eq!(
        refuse(&["07:00-07:00"]),
        CalendarError::Backwards(time("07:00:00"), time("07:00:00"))
    );
    assert_eq!(
        refuse(&["07:00-11:30", "11:00-17:00"]),
        CalendarError::Overlapping(time("11:00:00"))
    );
    let closures = vec![(date("2026-07-02"), date("2026-07-02"), "Bão".to_owned())];
    let error = Calendar::new(CalendarData {
        closures,
        ..shipped_data()
    })
    .unwrap_err();
    assert_eq!(
        error,
        CalendarError::BackwardsDates(date("2026-07-02"), date("2026-07-02"))
    );
}

#[test]
fn dates_far_outside_the_table_get_an_answer() {
    let calendar = shipped();
    for day in [NaiveDate::MIN, date("0001-01-01"), date("9999-12-31"), NaiveDate::MAX] {
        assert!(!calendar.is_working_day(day) && !calendar.is_quiet_day(day) && calendar.is_provisional(day));
        assert!(calendar.nth_working_day(day, 5) >= day && calendar.nth_working_day(day, -5) <= day);
        assert!(calendar.on_or_after(day) >= day);
    }
    assert_eq!(calendar.nth_working_day(date("1500-01-01"), 1), date("1990-01-02"));
    assert_eq!(
        calendar.nth_working_day(date("2021-09-01"), i32::MAX),
        date("2100-12-31")
    );
    assert_eq!(
        calendar.nth_working_day(date("2021-09-01"), i32::MIN),
        date("1990-01-02")
    );
    let spans = [
        Span::Elapsed(TimeDelta::MAX),
        Span::WorkingTime(TimeDelta::MAX),
        Span::WorkingTime(TimeDelta::MIN),
        Span::WorkingDays(i32::MAX),
        Span::CalendarDays(i32::MAX),
        Span::CalendarDays(i32::MIN),
    ];
    for from in [Moment::MIN_UTC, at(&calendar, "2021-09-01 09:00"), Moment::MAX_UTC] {
        for span in spans {
            let (due, _) = calendar.reckon(from, span);
            assert_eq!(due, calendar.add(from, span));
            assert!(calendar.shown_at(due) >= Moment::MIN_UTC);
        }
        assert!(calendar.next_open(from) >= from);
    }
    for year in [i32::MIN, 1, 1989, 2101, i32::MAX] {
        assert_eq!(calendar.year(year).working_days, 0);
    }
}

// ---- provisional years

#[test]
fn years_without_a_list_are_provisional_and_entered_ones_are_not() {
    let calendar = shipped();
    assert!(!calendar.is_provisional(date("2021-01-01")) && !calendar.is_provisional(date("2026-12-31")));
    assert!(calendar.is_provisional(date("2027-01-01")) && calendar.is_provisional(date("2020-12-31")));
    assert!(calendar.any_provisional(date("2026-12-30"), date("2027-01-04")));
    assert!(!calendar.any_provisional(date("2026-12-30"), date("2026-12-31")));
    assert!(calendar.year(2027).provisional && !calendar.year(2026).provisional);
}

#[test]
fn a_provisional_year_has_its_eleven_days_all_of_them_on_weekdays() {
    let calendar = shipped();
    let lunar = shipped_data().lunar;
    for year in 2027..=2050 {
        let closures = calendar.year(year).closures;
        assert_eq!(closures.len(), 11, "{year}: {closures:?}");
        assert_eq!(
            closures
                .iter()
                .filter(|(_, label)| label.contains("Tết") && !label.contains("Dương"))
                .count(),
            5
        );
        let (tet, gio_to) = lunar[&year];
        for closed in tet.pred_opt().unwrap().iter_days().take(5).chain([gio_to]) {
            assert!(!calendar.is_working_day(closed), "{closed}");
        }
        assert!(calendar.year(year).worked_saturdays.is_empty());
    }
}

#[test]
fn the_law_alone_comes_close_to_the_schedules_that_were_decided() {
    // Without the entered lists the same years differ only by swaps and by where Tết was put.
    let by_law = Calendar::new(CalendarData {
        days: BTreeMap::new(),
        provisional_from: date("2021-01-01"),
        ..shipped_data()
    });
    let (by_law, decided) = (by_law.unwrap(), shipped());
    for year in 2021..=2026 {
        let off = |calendar: &Calendar| -> Vec<NaiveDate> {
            let closures = calendar.year(year).closures.into_iter();
            closures
                .filter(|(_, label)| !label.contains("hoán đổi"))
                .map(|(date, _)| date)
                .filter(|d| d.month() != 2)
                .collect()
        };
        if year != 2023 && year != 2025 {
            assert_eq!(off(&by_law), off(&decided), "{year}: all but Tết");
        }
        assert_eq!(by_law.year(year).closures.len(), 11);
    }
    let september = |calendar: &Calendar| -> Vec<NaiveDate> {
        let years = (2021..=2026).flat_map(|year| calendar.year(year).closures);
        years.map(|(date, _)| date).filter(|date| date.month() == 9).collect()
    };
    assert_eq!(
        september(&by_law),
        september(&decided),
        "the neighbour of 2/9 as it was always chosen"
    );
}

#[test]
fn the_law_of_the_time_holds_for_the_years_before() {
    let calendar = shipped();
    assert!(!calendar.is_working_day(date("2020-09-02")) && calendar.is_working_day(date("2020-09-03")));
    assert!(
        calendar.is_working_day(date("2004-04-28")),
        "Giỗ Tổ was no holiday before 2007"
    );
    assert!(!calendar.is_working_day(date("2010-04-23")));
}

#[test]
fn provisional_days_read_as_in_a_schedule() {
    let calendar = shipped();
    let rows = calendar
        .year(2027)
        .closures
        .into_iter()
        .map(|(date, label)| format!("{} {date} {label}", date.weekday()));
    insta::assert_snapshot!(rows.collect::<Vec<_>>().join("\n"));
}

#[test]
fn an_entered_day_wins_over_the_law() {
    let mut data = shipped_data();
    data.days.insert(
        date("2027-02-11"),
        SpecialDay {
            kind: DayKind::Off,
            label: "Tết Đinh Mùi".to_owned(),
        },
    );
    data.days.insert(
        date("2027-02-08"),
        SpecialDay {
            kind: DayKind::Worked,
            label: "làm bù".to_owned(),
        },
    );
    let calendar = Calendar::new(data).unwrap();
    assert!(!calendar.is_working_day(date("2027-02-11")) && !calendar.is_provisional(date("2027-02-11")));
    assert!(calendar.is_working_day(date("2027-02-08")) && !calendar.is_provisional(date("2027-02-08")));
    assert!(calendar.is_provisional(date("2027-02-12")));
}

// ---- the account

#[test]
fn a_reckoning_says_of_each_day_why() {
    let calendar = shipped();
    let (due, days) = calendar.reckon(at(&calendar, "2021-08-31 09:00"), Span::WorkingDays(2));
    assert_eq!(due, Due::Day(date("2021-09-06")));
    let rows: Vec<_> = days
        .into_iter()
        .map(|day| (day.date.day(), day.counted, day.why))
        .collect();
    let expect = [
        (31, None, Counted::TheDayItself),
        (1, Some(1), Counted::WorkingDay),
        (2, None, Counted::Holiday("Quốc khánh".to_owned())),
        (3, None, Counted::Holiday("Quốc khánh (ngày liền kề)".to_owned())),
        (4, None, Counted::Weekend),
        (5, None, Counted::Weekend),
        (6, Some(2), Counted::WorkingDay),
    ];
    assert_eq!(rows, expect);
}

#[test]
fn a_due_is_printed_with_its_reckoning() {
    let calendar = shipped();
    let print = |from: &str, span: &str| cli::due_text(&calendar, at(&calendar, from), span.parse().unwrap());
    insta::assert_snapshot!("due_working_days", print("2025-04-25 09:00", "5wd"));
    insta::assert_snapshot!("due_calendar_days", print("2021-08-18 09:00", "15cd"));
    insta::assert_snapshot!("due_working_hours", print("2021-09-17 16:00", "4wh"));
    insta::assert_snapshot!("due_counting_back", print("2021-09-06 09:00", "-2wd"));
    insta::assert_snapshot!("due_elapsed", print("2021-09-17 16:00", "2d"));
    insta::assert_snapshot!("due_provisional", print("2026-12-30 09:00", "2wd"));
}

#[test]
fn a_due_has_its_json() {
    let calendar = shipped();
    let json = |from: &str, span: &str| cli::due_json(&calendar, at(&calendar, from), span.parse().unwrap());
    insta::assert_json_snapshot!("due_json", json("2021-08-31T18:00", "2wd"));
    let hours = json("2021-09-17 16:00", "4wh");
    assert_eq!(hours["due"], "2021-09-20T10:00:00+07:00");
    assert_eq!(hours["reckoning"][0]["minutes"], 60);
    assert_eq!(
        json("2021-09-18", "0wd")["due"],
        "2021-09-19T00:00:00+07:00",
        "a day without hours ends at 24:00"
    );
    assert_eq!(json("2026-12-31", "1wd")["provisional"], true);
    assert_eq!(
        json("2026-12-31", "3d")["provisional"],
        false,
        "elapsed time asks no calendar"
    );
}

#[test]
fn a_year_is_printed_and_has_its_json() {
    let calendar = shipped();
    insta::assert_snapshot!("year_2026", cli::year_text(&calendar, 2026));
    insta::assert_snapshot!("year_2028_provisional", cli::year_text(&calendar, 2028));
    insta::assert_json_snapshot!("year_2024_json", cli::year_json(&calendar, 2024));
}

#[test]
fn times_on_the_command_line_are_local_unless_they_say_otherwise() {
    let zone = Tz::Asia__Ho_Chi_Minh;
    let read = |text: &str| cli::parse_from(text, zone).map(|at| at.to_rfc3339());
    assert_eq!(read("2021-08-31").unwrap(), "2021-08-30T17:00:00+00:00");
    assert_eq!(read("2021-08-31T18:00").unwrap(), "2021-08-31T11:00:00+00:00");
    assert_eq!(read("2021-08-31 18:00").unwrap(), "2021-08-31T11:00:00+00:00");
    assert_eq!(read("2021-08-31T18:00:30").unwrap(), "2021-08-31T11:00:30+00:00");
    assert_eq!(read("2021-08-31T18:00:00+09:00").unwrap(), "2021-08-31T09:00:00+00:00");
    assert_eq!(read("2021-08-31T18:00:00Z").unwrap(), "2021-08-31T18:00:00+00:00");
    for text in ["", "tomorrow", "31/8/2021", "2021-02-30", "2021-08-31T25:00"] {
        assert_eq!(cli::parse_from(text, zone), Err(cli::BadTime(text.to_owned())));
    }
}

// ---- properties

/// Weeks from full to nearly empty: any set of weekdays, none to three intervals on the quarter hour.
fn any_week() -> impl Strategy<Value = Week> {
    let day = proptest::collection::btree_set(0_u32..96, 0..=6).prop_map(|marks| {
        let marks: Vec<NaiveTime> = marks
            .into_iter()
            .map(|q| NaiveTime::from_hms_opt(q / 4, q % 4 * 15, 0).unwrap())
            .collect();
        marks.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>()
    });
    let day = prop_oneof![2 => Just(Vec::new()), 3 => day];
    proptest::array::uniform7(day).prop_filter("some working time", |week| week.iter().any(|day| !day.is_empty()))
}

fn any_zone() -> impl Strategy<Value = Tz> {
    prop_oneof![
        Just(Tz::Asia__Ho_Chi_Minh),
        Just(Tz::Europe__Berlin),
        Just(Tz::America__St_Johns)
    ]
}

fn any_closures() -> impl Strategy<Value = Vec<(NaiveDate, NaiveDate, String)>> {
    let closure = (0_u64..2200, 1_u64..40).prop_map(|(start, length)| {
        let from = date("2021-01-01") + chrono::Days::new(start);
        (from, from + chrono::Days::new(length), "Bão".to_owned())
    });
    proptest::collection::vec(closure, 0..6)
}

/// An instant in 2021-2026, on the second.
fn any_moment() -> impl Strategy<Value = Moment> {
    (0_i64..189_000_000).prop_map(|s| "2021-01-01T00:00:00Z".parse::<Moment>().unwrap() + TimeDelta::seconds(s))
}

fn any_span() -> impl Strategy<Value = Span> {
    prop_oneof![
        (-400_i32..400).prop_map(Span::WorkingDays),
        (-400_i32..400).prop_map(Span::CalendarDays),
        (-2_000_000_i64..2_000_000).prop_map(|s| Span::WorkingTime(TimeDelta::seconds(s))),
        (-2_000_000_i64..2_000_000).prop_map(|s| Span::Elapsed(TimeDelta::seconds(s))),
    ]
}

/// The shipped days under random hours and closures.
fn any_calendar() -> impl Strategy<Value = Calendar> {
    (any_zone(), any_week(), any_closures()).prop_map(|(zone, week, closures)| {
        let patterns = vec![always(week)];
        Calendar::new(CalendarData {
            zone,
            patterns,
            closures,
            ..shipped_data()
        })
        .unwrap()
    })
}

/// Counts working days one by one, as a person with the calendar on the wall would.
fn counted_by_hand(calendar: &Calendar, from: NaiveDate, n: i32) -> NaiveDate {
    let step = |day: NaiveDate| {
        if n > 0 {
            day.succ_opt().unwrap()
        } else {
            day.pred_opt().unwrap()
        }
    };
    (0..n.abs()).fold(from, |day, _| {
        let mut day = step(day);
        while !calendar.is_working_day(day) {
            day = step(day);
        }
        day
    })
}

/// A calendar costs more than a question to it, so each one is asked several.
fn several<T: std::fmt::Debug>(each: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
    proptest::collection::vec(each, 1..16)
}

fn seconds() -> impl Strategy<Value = i64> {
    -2_000_000_i64..2_000_000
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn adding_working_days_then_counting_back_is_the_identity(
        calendar in any_calendar(), asked in several((any_moment(), -300_i32..300)),
    ) {
        for (from, n) in asked {
            let from = calendar.on_or_after(calendar.date_of(from));
            let to = calendar.nth_working_day(from, n);
            prop_assert_eq!(to, counted_by_hand(&calendar, from, n));
            prop_assert_eq!(calendar.working_days_between(from, to), n);
            prop_assert_eq!(calendar.nth_working_day(to, -n), from);
        }
    }

    #[test]
    fn working_time_between_undoes_adding_it(
        calendar in any_calendar(), asked in several((any_moment(), seconds())),
    ) {
        for (from, seconds) in asked {
            let time = TimeDelta::seconds(seconds);
            let to = calendar.add_working_time(from, time);
            prop_assert_eq!(calendar.working_time_between(from, to), time);
            prop_assert_eq!(calendar.working_time_between(to, from), -time);
            prop_assert!(seconds < 0 || to >= from);
            prop_assert!(seconds > 0 || to <= calendar.next_open(from));
        }
    }

    #[test]
    fn working_time_is_what_the_open_minutes_add_up_to(
        calendar in any_calendar(), asked in several((any_moment(), 0_i64..80)),
    ) {
        for (from, hours) in asked {
            // On the quarter hour, where intervals start and end (Newfoundland is at half past).
            let from = from - TimeDelta::seconds(from.timestamp() % 900);
            let quarters = (0..hours * 4).filter(|n| calendar.is_open(from + TimeDelta::minutes(15 * n))).count();
            let sum = TimeDelta::minutes(15 * i64::try_from(quarters).unwrap());
            prop_assert_eq!(calendar.working_time_between(from, from + TimeDelta::hours(hours)), sum);
        }
    }

    #[test]
    fn more_closures_never_make_a_deadline_earlier(
        (week, closures, more) in (any_week(), any_closures(), any_closures()),
        asked in several((any_moment(), any_span().prop_filter("forwards", |span| !span.is_negative()))),
    ) {
        let data = CalendarData { patterns: vec![always(week)], closures, ..shipped_data() };
        let fewer = Calendar::new(data.clone()).unwrap();
        let closures = data.closures.iter().cloned().chain(more).collect();
        let more = Calendar::new(CalendarData { closures, ..data }).unwrap();
        for (from, span) in asked {
            let due = |calendar: &Calendar| match calendar.add(from, span) {
                Due::Day(date) => calendar.end_of_day(date),
                Due::Instant(at) => at,
            };
            prop_assert!(due(&fewer) <= due(&more), "{from} + {span}");
        }
    }

    #[test]
    fn a_reckoning_ends_where_adding_does(calendar in any_calendar(), asked in several((any_moment(), any_span()))) {
        for (from, span) in asked {
            let (due, days) = calendar.reckon(from, span);
            prop_assert_eq!(due, calendar.add(from, span));
            let last = days.iter().rfind(|day| day.counted.is_some()).and_then(|day| day.counted).unwrap_or(0);
            match (span, due) {
                (Span::WorkingDays(n) | Span::CalendarDays(n), Due::Day(date)) => {
                    prop_assert_eq!((days.last().unwrap().date, last), (date, n));
                }
                (Span::WorkingTime(time), _) => {
                    let part = |why: &Counted| if let Counted::WorkingTime(part) = why { *part } else { TimeDelta::zero() };
                    prop_assert_eq!(days.iter().map(|day| part(&day.why)).sum::<TimeDelta>(), time.abs());
                }
                _ => prop_assert!(days.is_empty()),
            }
        }
    }
}

#[test]
fn in_the_last_month_of_the_entered_years_it_is_time_to_enter_the_next() {
    let calendar = shipped();
    let until = calendar.entered_until();
    assert_eq!((until.month(), until.day()), (12, 31));
    let in_year = |year| date(&format!("{year}-11-30"));
    assert!(!calendar.ends_soon(in_year(until.year())));
    assert!(calendar.ends_soon(in_year(until.year()).succ_opt().unwrap()));
    assert!(calendar.ends_soon(in_year(until.year() + 1)));
}
