//! What each fact counts from, when it is told, what makes a new occurrence of it and what does not.

use dondoc::domain::evaluate::Verdict;
use dondoc::domain::facts::Unconcerned;

use super::{CONTACT, NOTHING, begun, policy, rule};
use crate::world::{FIVE_DAYS, LADDER, World, at};

/// When a step falls due.
async fn falls_due(world: &World, code: &str, rule: &str, step: &str, seen_at: &str) -> String {
    match world.verdict(code, rule, step, seen_at).await {
        Verdict::NotYet { at } => local(at),
        other => panic!("{rule}/{step} of {code} falls due later, but: {other:?}"),
    }
}

fn local(at: dondoc::domain::Moment) -> String {
    at.with_timezone(&chrono_tz::Asia::Ho_Chi_Minh)
        .format("%Y-%m-%d %H:%M")
        .to_string()
}

// ---- received

#[tokio::test]
async fn a_received_ticket_is_announced_once_whatever_changes_in_it() {
    let mut world = begun(&rule("new", "received", "", &[("L1", "0h", CONTACT)])).await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    assert_eq!(
        world.days("2021-09-06", "2021-09-08").await,
        ["07/09 syt: T1 new/L1"],
        "the digest of Monday was before it came"
    );
    for (day, change) in (9..).zip([
        "title = 'Đường hỏng'",
        "category = 'giao thông'",
        "due_at = '2021-09-20'",
        "status = 'chờ bổ sung'",
        "co_agencies = 'Sở Xây dựng'",
        // The contract names no value of this occurrence.
        "received_at = '2021-09-06 08:30:00'",
    ]) {
        let date = format!("2021-09-{day:02}");
        world.change("T1", &format!("{date} 06:00"), change).await;
        assert_eq!(world.days(&date, &date).await, NOTHING, "{change}");
    }
}

#[tokio::test]
async fn working_days_count_from_the_day_a_ticket_came_in_and_hours_from_the_minute() {
    let steps = [
        ("A", "90m", CONTACT),
        ("B", "4wh", CONTACT),
        ("C", "1wd", CONTACT),
        ("D", "3cd", CONTACT),
    ];
    let mut world = begun(&rule("new", "received", "", &steps)).await;
    // Friday after hours.
    world.ticket("T1", "Sở Y tế", "2021-09-10 18:00").await;
    world.turn("2021-09-10 18:00").await;
    let due = async |step| falls_due(&world, "T1", "new", step, "2021-09-10 18:10").await;
    assert_eq!(due("A").await, "2021-09-10 19:30");
    assert_eq!(due("B").await, "2021-09-13 11:00", "from the opening on Monday");
    assert_eq!(due("C").await, "2021-09-13 07:00", "Friday never counts");
    assert_eq!(due("D").await, "2021-09-13 07:00");
    world.ticket("T2", "Sở Y tế", "2021-09-11 10:00").await;
    world.turn("2021-09-11 10:00").await;
    assert_eq!(
        falls_due(&world, "T2", "new", "C", "2021-09-11 10:10").await,
        "2021-09-13 07:00",
        "Saturday and one working day is Monday"
    );
}

#[tokio::test]
async fn what_came_in_before_the_first_turn_is_not_announced_as_new() {
    let mut world = World::new(&rule("new", "received", "", &[("L1", "0h", CONTACT)])).await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 06:59").await;
    assert_eq!(world.days("2021-09-06", "2021-09-10").await, NOTHING);
    assert_eq!(
        world.verdict("T1", "new", "L1", "2021-09-10 16:00").await,
        Verdict::NotConcerned(Unconcerned::BeforeStart(at("2021-09-06 06:59")))
    );
}

// ---- unassigned

#[tokio::test]
async fn a_word_nobody_knows_is_told_once_however_it_is_spelt_and_another_word_anew() {
    let mut world = begun(&rule("lost", "unassigned", "", &[("L1", "1wd", r#"to = ["ops"]"#)])).await;
    world.ticket("T1", "Sở Văn hoá", "2021-09-06 09:00").await;
    assert_eq!(world.days("2021-09-07", "2021-09-08").await, ["07/09 ops: T1 lost/L1"]);
    world.change("T1", "2021-09-08 17:00", "agency = 'SỞ VĂN HÓA'").await;
    assert_eq!(world.days("2021-09-09", "2021-09-09").await, NOTHING);
    world.change("T1", "2021-09-09 17:00", "agency = 'Sở Du lịch'").await;
    assert_eq!(world.days("2021-09-10", "2021-09-13").await, ["10/09 ops: T1 lost/L1"]);
    assert_eq!(
        world.occurrences("T1").await,
        ["lost/L1 so van hoa||0", "lost/L1 so du lich||0"]
    );
}

#[tokio::test]
async fn a_ticket_that_finds_its_agency_is_no_longer_unassigned() {
    let mut world = begun(&rule("lost", "unassigned", "", &[("L1", "2wd", r#"to = ["ops"]"#)])).await;
    world.ticket("T1", "Sở Văn hóa", "2021-09-06 09:00").await;
    world.days("2021-09-07", "2021-09-07").await;
    world
        .append(
            "agencies.toml",
            "[[unit]]\nid = \"SVH\"\nname = \"Sở Văn hóa\"\nparent = \"UBND\"\ncontacts = []",
        )
        .await;
    assert_eq!(world.days("2021-09-08", "2021-09-13").await, NOTHING);
    assert_eq!(
        world.verdict("T1", "lost", "L1", "2021-09-13 16:00").await,
        Verdict::NotConcerned(Unconcerned::Assigned)
    );
}

// ---- due_soon and overdue

#[tokio::test]
async fn working_days_count_from_the_deadlines_day_before_and_after_it() {
    let rules = [
        rule("soon", "due_soon", "", &[("A", "-2wd", CONTACT), ("B", "-3h", CONTACT)]),
        rule(
            "late",
            "overdue",
            "",
            &[("C", "1wd", CONTACT), ("D", "8h", CONTACT), ("E", "2wh", CONTACT)],
        ),
    ];
    let mut world = begun(&rules.concat()).await;
    for (code, due_at) in [("DAY", "2021-09-17"), ("CLOCK", "2021-09-17 10:00:00")] {
        world.ticket(code, "Sở Y tế", "2021-09-06 09:00").await;
        world
            .change(code, "2021-09-06 09:00", &format!("due_at = '{due_at}'"))
            .await;
    }
    world.turn("2021-09-06 10:00").await;
    for (code, rule, step, expected) in [
        ("DAY", "soon", "A", "2021-09-15 07:00"),
        // A day deadline is judged at 24:00; hours count from there.
        ("DAY", "soon", "B", "2021-09-17 21:00"),
        ("DAY", "late", "C", "2021-09-20 07:00"),
        ("DAY", "late", "D", "2021-09-18 08:00"),
        ("DAY", "late", "E", "2021-09-20 09:00"),
        ("CLOCK", "soon", "A", "2021-09-15 07:00"),
        ("CLOCK", "soon", "B", "2021-09-17 07:00"),
        ("CLOCK", "late", "C", "2021-09-20 07:00"),
        ("CLOCK", "late", "D", "2021-09-17 18:00"),
        ("CLOCK", "late", "E", "2021-09-17 14:00"),
    ] {
        let due = falls_due(&world, code, rule, step, "2021-09-06 10:00").await;
        assert_eq!(due, expected, "{code} {rule}/{step}");
    }
}

#[tokio::test]
async fn what_is_due_soon_is_told_once_before_the_deadline_and_never_after_it() {
    let rules = rule("soon", "due_soon", "", &[("L1", "-1wd", CONTACT)]) + FIVE_DAYS;
    let mut world = begun(&rules).await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.ticket("T2", "Sở Xây dựng", "2021-09-07 09:00").await;
    // Due on Monday 13/9, told on Friday; the daemon is down while T2's day comes, from Saturday on.
    assert_eq!(world.days("2021-09-07", "2021-09-10").await, ["10/09 syt: T1 soon/L1"]);
    assert_eq!(world.days("2021-09-15", "2021-09-17").await, NOTHING);
}

#[tokio::test]
async fn an_extension_goes_before_due_at_and_due_at_before_policy() {
    let rules = rule("late", "overdue", "", &[("L1", "1wd", CONTACT)]) + FIVE_DAYS;
    let mut world = begun(&rules).await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-06 10:00").await;
    let due = falls_due(&world, "T1", "late", "L1", "2021-09-06 10:00").await;
    assert_eq!(due, "2021-09-14 07:00", "policy: Monday 13/9");
    world.change("T1", "2021-09-06 11:00", "due_at = '2021-09-08'").await;
    world.turn("2021-09-06 11:30").await;
    let due = falls_due(&world, "T1", "late", "L1", "2021-09-06 11:30").await;
    assert_eq!(due, "2021-09-09 07:00", "due_at, though it is earlier");
    world
        .change("T1", "2021-09-06 14:00", "extended_to = '2021-09-20'")
        .await;
    world.turn("2021-09-06 14:30").await;
    let due = falls_due(&world, "T1", "late", "L1", "2021-09-06 14:30").await;
    assert_eq!(due, "2021-09-21 07:00");
}

#[tokio::test]
async fn an_overdue_ticket_is_told_anew_for_another_date_and_not_for_another_minute_of_that_date() {
    let rules = rule("late", "overdue", "", &[("L1", "1wd", CONTACT)]);
    let mut world = begun(&rules).await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world
        .change("T1", "2021-09-06 09:00", "due_at = '2021-09-08 10:00:00'")
        .await;
    assert_eq!(world.days("2021-09-07", "2021-09-10").await, ["09/09 syt: T1 late/L1"]);
    world
        .change("T1", "2021-09-10 17:00", "due_at = '2021-09-08 15:00:00'")
        .await;
    assert_eq!(world.days("2021-09-11", "2021-09-14").await, NOTHING);
    world.change("T1", "2021-09-14 17:00", "due_at = '2021-09-16'").await;
    assert_eq!(
        world.days("2021-09-15", "2021-09-20").await,
        ["15/09 syt: T1 @settled/extended", "17/09 syt: T1 late/L1"]
    );
    assert_eq!(
        world.occurrences("T1").await,
        [
            "late/L1 2021-09-08|SYT|0",
            "@settled/extended 2021-09-08#1|SYT|0",
            "late/L1 2021-09-16|SYT|0"
        ]
    );
}

#[tokio::test]
async fn how_a_due_date_is_read_makes_no_new_occurrence_of_it() {
    let rules = rule("late", "overdue", "", &[("L1", "1wd", CONTACT)]);
    let mut world = begun(&rules).await;
    for (code, due_at) in [("MIDNIGHT", "2021-09-08 00:00:00"), ("EVENING", "2021-09-08 23:30:00")] {
        world.ticket(code, "Sở Y tế", "2021-09-06 09:00").await;
        world
            .change(code, "2021-09-06 09:00", &format!("due_at = '{due_at}'"))
            .await;
    }
    assert_eq!(
        world.days("2021-09-07", "2021-09-10").await,
        ["08/09 syt: MIDNIGHT late/L1", "09/09 syt: EVENING late/L1"],
        "midnight is the end of the day before, however it is written"
    );
    for (day, (from, to)) in (13..).zip([
        ("stale_after = 0", "stale_after = 0\nmidnight = \"end_of_previous_day\""),
        ("stale_after = 0", "stale_after = 0\ndue_precision = \"day\""),
        ("time_zone = \"Asia/Ho_Chi_Minh\"", "time_zone = \"Asia/Tokyo\""),
    ]) {
        world.edit("dondoc.toml", |text| text.replacen(from, to, 1)).await;
        let date = format!("2021-09-{day}");
        assert_eq!(world.days(&date, &date).await, NOTHING, "{to}");
    }
    assert_eq!(world.occurrences("MIDNIGHT").await, ["late/L1 2021-09-08|SYT|0"]);
    assert_eq!(world.occurrences("EVENING").await, ["late/L1 2021-09-08|SYT|0"]);
}

#[tokio::test]
async fn the_clock_of_a_policy_stands_while_the_citizen_is_asked() {
    let rules = rule("soon", "due_soon", "", &[("L1", "-1wd", CONTACT)])
        + &rule("late", "overdue", "", &[("L1", "1wd", CONTACT)])
        + FIVE_DAYS;
    let mut world = begun(&rules).await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.days("2021-09-06", "2021-09-08").await;
    // Tuesday is counted; Wednesday to Monday are not.
    world
        .change(
            "T1",
            "2021-09-08 09:00",
            "status = 'chờ bổ sung', waiting_since = '2021-09-08 09:00:00'",
        )
        .await;
    assert_eq!(world.days("2021-09-09", "2021-09-13").await, NOTHING);
    assert_eq!(
        world.verdict("T1", "late", "L1", "2021-09-13 16:00").await,
        Verdict::NotConcerned(Unconcerned::Paused(at("2021-09-08 09:00")))
    );
    // From Tuesday 14/9 on four more days: Friday 17/9.
    world.change("T1", "2021-09-14 08:30", "status = 'đang xử lý'").await;
    assert_eq!(
        world.days("2021-09-14", "2021-09-21").await,
        ["16/09 syt: T1 soon/L1", "20/09 syt: T1 late/L1"]
    );
}

#[tokio::test]
async fn a_ticket_that_is_overdue_stays_so_while_the_citizen_is_asked() {
    let rules = rule("late", "overdue", "", &[("L1", "1wd", CONTACT), ("L2", "3wd", CONTACT)]) + FIVE_DAYS;
    let mut world = begun(&rules).await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    assert_eq!(world.days("2021-09-07", "2021-09-14").await, ["14/09 syt: T1 late/L1"]);
    world.change("T1", "2021-09-14 17:00", "status = 'chờ bổ sung'").await;
    assert_eq!(world.days("2021-09-15", "2021-09-17").await, ["16/09 syt: T1 late/L2"]);
}

#[tokio::test]
async fn deadlines_and_ladders_follow_the_agencys_hours_and_mails_the_recipients() {
    // Sở Y tế works on Saturday instead of Monday; the Office keeps the province's days.
    let hours = r#"hours = { tue = ["07:00-17:00"], wed = ["07:00-17:00"], thu = ["07:00-17:00"], fri = ["07:00-17:00"], sat = ["07:00-17:00"] }"#;
    let steps = [("L1", "1wd", CONTACT), ("L2", "6wd", super::OFFICE)];
    let mut world = World::new(&(rule("late", "overdue", "", &steps) + &policy("due = \"3wd\""))).await;
    world
        .edit("agencies.toml", |text| {
            text.replace("short = \"SYT\"", &format!("short = \"SYT\"\n{hours}"))
        })
        .await;
    world.turn("2021-09-07 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-07 09:00").await;
    world.ticket("T2", "Sở Xây dựng", "2021-09-07 09:00").await;
    assert_eq!(
        world.days("2021-09-08", "2021-09-24").await,
        [
            // Both were due on Friday 10/9.
            "11/09 syt: T1 late/L1",
            "13/09 sxd: T2 late/L1",
            // T1's step fell due on Saturday 18/9, when the Office is closed.
            "20/09 vp: T1 late/L2",
            "20/09 vp: T2 late/L2",
        ]
    );
    let explained = world.explained("T1", "2021-09-24 16:00").await;
    assert_eq!(local(explained.known[1].due_at), "2021-09-18 07:00");
}

// ---- carried_over

#[tokio::test]
async fn what_is_carried_over_is_told_once_a_period_on_its_first_day_and_again_in_the_next() {
    let mut world = begun(&rule("rest", "carried_over", "", &[("L1", "0h", CONTACT)])).await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    // The database's clock is ahead of ours.
    world.ticket("T2", "Sở Xây dựng", "2021-10-01 00:00").await;
    assert_eq!(
        world.days("2021-09-07", "2021-11-05").await,
        [
            "01/10 syt: T1 rest/L1",
            "01/11 sxd: T2 rest/L1",
            "01/11 syt: T1 rest/L1"
        ]
    );
    assert_eq!(
        world.occurrences("T1").await,
        ["rest/L1 2021-10|SYT|0", "rest/L1 2021-11|SYT|0"]
    );
}

#[tokio::test]
async fn a_ticket_taken_up_again_within_the_period_is_not_carried_over_into_it() {
    let mut world = begun(&rule("rest", "carried_over", "", &[("L1", "1wd", CONTACT)])).await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.days("2021-09-07", "2021-09-08").await;
    world.answer("T1", "2021-09-28 14:00").await;
    world.turn("2021-09-28 15:00").await;
    world.change("T1", "2021-10-04 09:00", "status = 'đang xử lý'").await;
    world.turn("2021-10-04 10:00").await;
    assert_eq!(
        world.verdict("T1", "rest", "L1", "2021-10-04 10:00").await,
        Verdict::NotConcerned(Unconcerned::OfThisPeriod)
    );
    assert_eq!(world.days("2021-10-05", "2021-11-05").await, ["02/11 syt: T1 rest/L1"]);
}

#[tokio::test]
async fn periods_from_the_15th_carry_over_on_the_15th() {
    let mut world = World::new(&rule("rest", "carried_over", "", &[("L1", "0h", CONTACT)])).await;
    world
        .edit("dondoc.toml", |text| format!("period = \"from_15th\"\n{text}"))
        .await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    assert_eq!(
        world.days("2021-09-07", "2021-10-20").await,
        ["15/09 syt: T1 rest/L1", "15/10 syt: T1 rest/L1"]
    );
    assert_eq!(
        world.occurrences("T1").await,
        ["rest/L1 2021-09/15|SYT|0", "rest/L1 2021-10/15|SYT|0"]
    );
}

// ---- unsatisfied

#[tokio::test]
async fn a_bad_rating_is_told_once_from_the_day_it_was_given_and_another_one_anew() {
    let mut world = begun(&rule("rated", "unsatisfied", "", &[("L1", "1wd", CONTACT)])).await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.answer("T1", "2021-09-07 14:00").await;
    assert_eq!(world.days("2021-09-07", "2021-09-08").await, NOTHING);
    world
        .change(
            "T1",
            "2021-09-09 21:00",
            "rating = 'chưa hài lòng', rated_at = '2021-09-09 20:00:00'",
        )
        .await;
    assert_eq!(world.days("2021-09-10", "2021-09-13").await, ["10/09 syt: T1 rated/L1"]);
    world.change("T1", "2021-09-13 17:00", "title = 'x'").await;
    assert_eq!(world.days("2021-09-14", "2021-09-14").await, NOTHING);
    world
        .change("T1", "2021-09-14 17:00", "rated_at = '2021-09-14 16:00:00'")
        .await;
    assert_eq!(world.days("2021-09-15", "2021-09-17").await, ["15/09 syt: T1 rated/L1"]);
}

#[tokio::test]
async fn a_rating_without_a_date_counts_from_when_it_was_first_seen() {
    let mut world = begun(&rule("rated", "unsatisfied", "", &[("L1", "1wd", CONTACT)])).await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.answer("T1", "2021-09-07 14:00").await;
    world.change("T1", "2021-09-09 10:00", "rating = 'chưa hài lòng'").await;
    assert_eq!(world.days("2021-09-09", "2021-09-10").await, ["10/09 syt: T1 rated/L1"]);
    world.change("T1", "2021-09-10 17:00", "title = 'x'").await;
    assert_eq!(world.days("2021-09-13", "2021-09-17").await, NOTHING);
    // Withdrawn and given again.
    world.change("T1", "2021-09-17 17:00", "rating = 'hài lòng'").await;
    assert_eq!(world.days("2021-09-20", "2021-09-20").await, NOTHING);
    world.change("T1", "2021-09-20 17:00", "rating = 'chưa hài lòng'").await;
    assert_eq!(world.days("2021-09-21", "2021-09-24").await, ["22/09 syt: T1 rated/L1"]);
}

// ---- stale and aged

#[tokio::test]
async fn a_ticket_nobody_touches_is_told_when_the_threshold_has_passed_and_anew_after_another_change() {
    let mut world = begun(&rule(
        "still",
        "stale",
        "threshold = \"5wd\"",
        &[("L1", "5wd", CONTACT)],
    ))
    .await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    assert_eq!(world.days("2021-09-07", "2021-09-14").await, ["13/09 syt: T1 still/L1"]);
    world.change("T1", "2021-09-15 10:00", "stage = 'đã phân công'").await;
    assert_eq!(world.days("2021-09-15", "2021-09-30").await, ["22/09 syt: T1 still/L1"]);
}

#[tokio::test]
async fn without_updated_at_a_ticket_is_stale_from_the_last_change_that_was_seen() {
    let mut world = World::new(&rule(
        "still",
        "stale",
        "threshold = \"5wd\"",
        &[("L1", "5wd", CONTACT)],
    ))
    .await;
    world
        .edit("dondoc.toml", |text| {
            text.replace("SELECT *", "SELECT code, status, received_at, agency")
                .replace("stale_after = 0", "has_updated_at = false")
        })
        .await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    assert_eq!(world.days("2021-09-07", "2021-09-08").await, NOTHING);
    let due = falls_due(&world, "T1", "still", "L1", "2021-09-08 16:00").await;
    assert_eq!(due, "2021-09-14 07:00", "first seen on 7/9");
    world.change("T1", "2021-09-08 17:00", "status = 'mới'").await;
    assert_eq!(world.days("2021-09-09", "2021-09-17").await, ["16/09 syt: T1 still/L1"]);
}

#[tokio::test]
async fn an_old_ticket_is_told_once_whatever_its_deadline_says_unless_it_came_in_on_another_day() {
    let mut world = begun(&rule(
        "old",
        "aged",
        "threshold = \"10wd\"",
        &[("L1", "10wd", super::OFFICE)],
    ))
    .await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.change("T1", "2021-09-06 09:00", "due_at = '2021-12-31'").await;
    assert_eq!(world.days("2021-09-07", "2021-09-24").await, ["20/09 vp: T1 old/L1"]);
    world
        .change("T1", "2021-09-24 17:00", "due_at = '2021-12-30', stage = 'x'")
        .await;
    assert_eq!(world.days("2021-09-27", "2021-09-27").await, NOTHING);
    world
        .change("T1", "2021-09-27 17:00", "received_at = '2021-09-07 09:00:00'")
        .await;
    assert_eq!(world.days("2021-09-28", "2021-09-30").await, ["28/09 vp: T1 old/L1"]);
}

#[tokio::test]
async fn aged_means_thirty_working_days_where_nothing_else_is_said() {
    let mut world = begun(&rule("old", "aged", "", &[("L1", "0h", super::OFFICE)])).await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-06 10:00").await;
    let due = falls_due(&world, "T1", "old", "L1", "2021-09-06 10:00").await;
    assert_eq!(due, "2021-10-18 00:00");
}

// ---- every fact

/// A rule for every fact, with a ticket for each that has been told of it by Friday 15 October 2021.
async fn one_ticket_for_every_fact() -> (World, Vec<&'static str>) {
    let rules = [
        rule(
            "received",
            "received",
            "where = { kind = \"received\" }",
            &[("L1", "0h", CONTACT)],
        ),
        rule(
            "unassigned",
            "unassigned",
            "where = { kind = \"unassigned\" }",
            &[("L1", "0h", r#"to = ["ops"]"#)],
        ),
        rule(
            "due_soon",
            "due_soon",
            "where = { kind = \"due_soon\" }",
            &[("L1", "-20wd", CONTACT)],
        ),
        rule(
            "overdue",
            "overdue",
            "where = { kind.one_of = [\"overdue\", \"policy\"] }",
            &[("L1", "1wd", CONTACT)],
        ),
        rule(
            "carried_over",
            "carried_over",
            "where = { kind = \"carried_over\" }",
            &[("L1", "0h", CONTACT)],
        ),
        rule(
            "unsatisfied",
            "unsatisfied",
            "where = { kind = \"unsatisfied\" }",
            &[("L1", "0h", CONTACT)],
        ),
        rule(
            "stale",
            "stale",
            "threshold = \"5wd\"\nwhere = { kind = \"stale\" }",
            &[("L1", "5wd", CONTACT)],
        ),
        rule(
            "aged",
            "aged",
            "threshold = \"9wd\"\nwhere = { kind = \"aged\" }",
            &[("L1", "9wd", CONTACT)],
        ),
        policy("where = { kind = \"policy\" }\ndue = \"5wd\""),
    ];
    let mut world = begun(&rules.concat()).await;
    let kinds = [
        ("received", ""),
        ("unassigned", ", agency = 'Sở Du lịch'"),
        ("due_soon", ", due_at = '2021-10-29'"),
        ("overdue", ", due_at = '2021-09-13'"),
        ("policy", ""),
        ("carried_over", ""),
        (
            "unsatisfied",
            ", status = 'đã trả lời', rating = 'chưa hài lòng', rated_at = '2021-09-06 09:30:00'",
        ),
        ("stale", ""),
        ("aged", ""),
    ];
    for (kind, set) in kinds {
        world.ticket(kind, "Sở Y tế", "2021-09-06 09:00").await;
        world
            .change(kind, "2021-09-06 09:00", &format!("kind = '{kind}'{set}"))
            .await;
    }
    for day in ["2021-09-07", "2021-09-08", "2021-10-15"] {
        world.days(day, day).await;
    }
    let codes: Vec<_> = kinds.iter().map(|(kind, _)| *kind).collect();
    for code in &codes {
        assert_eq!(world.occurrences(code).await.len(), 1, "{code} has been told of once");
    }
    (world, codes)
}

#[tokio::test]
async fn nothing_that_ops_change_makes_a_new_occurrence_of_any_fact() {
    let (mut world, codes) = one_ticket_for_every_fact().await;
    let before = occurrences(&world, &codes).await;
    let changes: [(&str, &str, &str, &str); 9] = [
        ("a policy", "rules/test.toml", "due = \"5wd\"", "due = \"9wd\""),
        (
            "a role",
            "rules/test.toml",
            "to = [\"agency:contact\"]",
            "to = [\"agency:contact\", \"agency:head\"]",
        ),
        (
            "a text",
            "rules/test.toml",
            "title = \"Phiếu cần nhắc\"",
            "title = \"Phiếu cần đôn đốc\"",
        ),
        (
            "a template",
            "rules/test.toml",
            "template = \"overdue-1\"",
            "template = \"overdue-2\"",
        ),
        (
            "a matcher",
            "rules/test.toml",
            "where = { ",
            "where = { level.not = 9, ",
        ),
        (
            "an address",
            "agencies.toml",
            "syt@tinh.example",
            "moi-syt@tinh.example",
        ),
        (
            "a name",
            "agencies.toml",
            "name = \"Sở Y tế\"",
            "name = \"Sở Y tế tỉnh\"\naliases = [\"Sở Y tế\"]",
        ),
        (
            "a parent",
            "agencies.toml",
            "short = \"SYT\"\nparent = \"UBND\"",
            "short = \"SYT\"\nparent = \"VP\"",
        ),
        (
            "a holiday",
            "calendar.toml",
            "[off]\n",
            "[off]\n\"2021-09-09\" = \"Nghỉ bão\"\n",
        ),
    ];
    for (day, (what, file, from, to)) in (18..).zip(changes) {
        world
            .edit(file, |text| {
                assert!(text.contains(from), "{file} holds {from}");
                text.replace(from, to)
            })
            .await;
        let date = format!("2021-10-{day}");
        assert_eq!(world.days(&date, &date).await, NOTHING, "{what} changed");
        assert_eq!(occurrences(&world, &codes).await, before, "{what} changed");
    }
}

async fn occurrences(world: &World, codes: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for code in codes {
        all.extend(world.occurrences(code).await);
    }
    all
}

#[tokio::test]
async fn every_fact_is_told_anew_to_a_new_lead_agency() {
    let (mut world, codes) = one_ticket_for_every_fact().await;
    for code in &codes {
        world.change(code, "2021-10-15 17:00", "agency = 'Sở Xây dựng'").await;
    }
    // `stale` starts to count again with the change itself.
    let told = world.days("2021-10-18", "2021-10-22").await;
    for code in codes.into_iter().filter(|c| *c != "unassigned") {
        let rule = if code == "policy" { "overdue" } else { code };
        let line = format!(" sxd: {code} {rule}/L1");
        assert_eq!(
            told.iter().filter(|t| t.ends_with(&line)).count(),
            1,
            "{code}: {told:?}"
        );
    }
}

#[tokio::test]
async fn every_fact_is_told_anew_when_the_ticket_is_taken_up_again() {
    let (mut world, codes) = one_ticket_for_every_fact().await;
    for (at, status) in [("2021-10-15 16:30", "đóng"), ("2021-10-15 17:00", "đang xử lý")] {
        for code in &codes {
            world.change(code, at, &format!("status = '{status}'")).await;
        }
        world.turn(at).await;
    }
    let told = world.days("2021-10-18", "2021-11-05").await;
    for code in codes {
        let rule = if code == "policy" { "overdue" } else { code };
        let who = if code == "unassigned" { "ops" } else { "syt" };
        let line = format!(" {who}: {code} {rule}/L1");
        assert_eq!(
            told.iter().filter(|t| t.ends_with(&line)).count(),
            1,
            "{code}: {told:?}"
        );
    }
}

#[tokio::test]
async fn a_lead_that_moves_along_a_succession_a_was_or_a_corrected_alias_is_no_transfer() {
    let rules = format!("{LADDER}{FIVE_DAYS}");
    let successor = "[[unit]]\nid = \"SMOI\"\nname = \"Sở Sức khỏe\"\nparent = \"UBND\"\ncontacts = [{ role = \"contact\", address = \"smoi@tinh.example\" }, { role = \"head\", address = \"giamdoc-smoi@tinh.example\" }]";
    type Edit = fn(String) -> String;
    let ways: [(&str, Edit, &str, &str); 3] = [
        (
            "a dated succession",
            |t| {
                t.replace("short = \"SYT\"", "short = \"SYT\"\nvalid_until = \"2021-09-15\"")
                    + "\n[[successor]]\nfrom = \"SYT\"\nto = \"SMOI\"\non = \"2021-09-15\"\n"
            },
            "giamdoc-smoi",
            "Sở Sức khỏe",
        ),
        (
            "an id that was another",
            |t| t.replace("id = \"SYT\"", "id = \"SYT2\"\nwas = [\"SYT\"]"),
            "giamdoc-syt",
            "Sở Y tế",
        ),
        (
            "a corrected alias",
            |t| {
                t.replace("name = \"Sở Y tế\"", "name = \"Sở Y tế khác\"").replace(
                    "name = \"Sở Sức khỏe\"",
                    "name = \"Sở Sức khỏe\"\naliases = [\"Sở Y tế\"]",
                )
            },
            "giamdoc-smoi",
            "Sở Y tế",
        ),
    ];
    for (way, change, head, word) in ways {
        let mut world = begun(&rules).await;
        world.append("agencies.toml", successor).await;
        world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
        assert_eq!(
            world.days("2021-09-07", "2021-09-14").await,
            ["14/09 syt: T1 overdue/L1"],
            "{way}"
        );
        world.edit("agencies.toml", change).await;
        world.turn("2021-09-15 07:00").await;
        // The source follows with its own word.
        world
            .change("T1", "2021-09-15 09:00", &format!("agency = '{word}'"))
            .await;
        assert_eq!(
            world.days("2021-09-16", "2021-09-17").await,
            [format!("16/09 {head}: T1 overdue/L2")],
            "{way}"
        );
        let explained = world.explained("T1", "2021-09-17 16:00").await;
        assert_eq!(explained.past.memory.transfers, 0, "{way}");
        assert_eq!(
            world.occurrences("T1").await,
            ["overdue/L1 2021-09-13|SYT|0", "overdue/L2 2021-09-13|SYT|0"],
            "{way}"
        );
    }
}

#[tokio::test]
async fn a_changed_policy_or_calendar_moves_what_is_not_yet_told() {
    let rules = format!("{LADDER}{FIVE_DAYS}");
    let mut world = begun(&rules).await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    assert_eq!(
        world.days("2021-09-07", "2021-09-14").await,
        ["14/09 syt: T1 overdue/L1"]
    );
    let due = falls_due(&world, "T1", "overdue", "L2", "2021-09-14 16:00").await;
    assert_eq!(due, "2021-09-16 07:00");
    world.rules(&rules.replace("due = \"5wd\"", "due = \"6wd\"")).await;
    world.turn("2021-09-14 17:00").await;
    let due = falls_due(&world, "T1", "overdue", "L2", "2021-09-14 17:00").await;
    assert_eq!(due, "2021-09-17 07:00");
    world
        .edit("calendar.toml", |text| {
            text.replace("[off]\n", "[off]\n\"2021-09-16\" = \"Nghỉ bão\"\n")
        })
        .await;
    assert_eq!(
        world.days("2021-09-15", "2021-09-20").await,
        ["20/09 giamdoc-syt: T1 overdue/L2"]
    );
}
