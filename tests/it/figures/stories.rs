//! Months as the engine saw them.

use dondoc::domain::figures::{Bounds, Figures, is_checked_at};
use dondoc::domain::time::Period;
use dondoc::report::{self, Report};
use serde_json::{Value, json};

use crate::postgres::{On, on_both};
use crate::world::{FIVE_DAYS, LADDER, World, at};

fn period(key: &str) -> Period {
    key.parse().expect("a period")
}

/// A period's figures as they are known at a local time.
async fn counted(world: &World, key: &str, now: &str) -> Report {
    report::count(world.store(), &world.config(), period(key), at(now))
        .await
        .expect("a report")
}

/// The keys of a row that are not nought, null or a date; `whole` for all tickets.
fn row(report: &Value, id: &str) -> Value {
    let rows = report["units"].as_array().expect("units");
    let row = match id {
        "whole" => &report["whole"],
        id => rows
            .iter()
            .find(|row| row["id"] == id)
            .unwrap_or_else(|| panic!("{id}")),
    };
    let counts = row.as_object().expect("a row").iter();
    counts
        .filter(|(_, value)| value.as_i64().is_some_and(|n| n != 0))
        .filter(|(key, _)| !["oldest_open_days", "to_do"].contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

async fn what_comes_after_a_month_was_counted_is_an_adjustment_of_the_next(on: On) {
    let mut world = World::new(&(LADDER.to_owned() + FIVE_DAYS)).await.on(on).await;
    world.turn("2021-08-02 06:00").await;
    for (code, received) in [
        ("HANDED-OVER", "2021-08-10 09:00"),
        ("VOID", "2021-08-12 09:00"),
        ("DATED-BACK", "2021-08-20 09:00"),
        ("SENT-BACK", "2021-08-26 09:00"),
    ] {
        world.ticket(code, "Sở Y tế", received).await;
    }
    world.turn("2021-08-26 20:00").await;
    world.answer("SENT-BACK", "2021-08-27 09:00").await;
    world.turn("2021-08-27 20:00").await;
    // After the two working days of checking, which end on Monday 6 September.
    world.turn("2021-09-06 20:00").await;
    let first = counted(&world, "2021-08", "2021-09-06 20:00").await;
    // It is frozen.
    world.turn("2021-09-07 00:00").await;
    let written = "status = 'đã trả lời', answered_at = '2021-08-30 10:00:00'";
    world.change("DATED-BACK", "2021-09-10 09:00", written).await;
    world
        .change(
            "SENT-BACK",
            "2021-09-08 09:00",
            "status = 'đang xử lý', answered_at = NULL",
        )
        .await;
    world
        .change("HANDED-OVER", "2021-09-10 09:00", "agency = 'Sở Xây dựng'")
        .await;
    world
        .sql(
            "INSERT INTO ticket (code, status, received_at, updated_at, agency) \
             VALUES ('LATE', 'đang xử lý', '2021-08-25 09:00:00', '2021-09-13 09:00:00', 'Sở Y tế')",
        )
        .await;
    world.turn("2021-09-13 20:00").await;
    let void = "status = 'trùng', closed_at = '2021-09-15 09:00:00'";
    world.change("VOID", "2021-09-15 09:00", void).await;
    world.ticket("NEW", "Sở Xây dựng", "2021-09-20 09:00").await;
    world.turn("2021-09-20 20:00").await;
    world.answer("NEW", "2021-09-22 09:00").await;
    let rated = "rating = 'hài lòng', rated_at = '2021-09-23 09:00:00'";
    world.change("NEW", "2021-09-23 09:00", rated).await;
    world.turn("2021-10-07 20:00").await;

    let config = world.config();
    assert_eq!(
        row(&first.json(&config), "whole"),
        json!({
            "received": 4, "done_on_time": 1, "done_on_time_first": 1, "open": 3, "overdue": 3, "overdue_first": 3,
            "new_in_period": 3,
        })
    );
    // As it is known a month later: the late entry is there, the answer that was dated back is an answer, and what became
    // void in September still stands in August.
    let later = counted(&world, "2021-08", "2021-10-07 20:00").await.json(&config);
    assert_eq!(
        ["total", "under_follow_up"].map(|key| later[key].clone()),
        [json!(5), json!(3)],
        "{later:#}"
    );
    // As it was known then it can still be counted.
    let again = report::count(world.store(), &config, period("2021-08"), at("2021-09-06 20:00")).await;
    assert_eq!(again.expect("a report").figures, first.figures);

    let september = counted(&world, "2021-09", "2021-10-07 20:00").await;
    let json = september.json(&config);
    assert_eq!(
        row(&json, "SYT"),
        json!({
            "stock_before": 3, "late_entries": 1, "voided": 1, "corrected": -1, "moved_out": 1, "adjustments": -2,
            "opening_stock": 1, "taken_up": 1, "open": 2, "overdue": 2, "overdue_first": 2, "carried_over": 1,
            "taken_up_again": 1, "reopenings": 1
        })
    );
    assert_eq!(
        row(&json, "SXD"),
        json!({
            "moved_in": 1, "adjustments": 1, "opening_stock": 1, "received": 1, "done_on_time": 1,
            "done_on_time_first": 1, "open": 1, "overdue": 1, "overdue_first": 1, "carried_over": 1, "satisfied": 1,
            "transfers": 1
        })
    );
    // As it is printed: what was taken up again comes to the adjustments, and the sum is what there was to do.
    let view = september.view(&config, at("2021-10-07 20:00"));
    let printed = |name: &str| {
        let row = view.balance.iter().find(|row| row.name == name).expect("a row");
        (row.opening_stock, row.received, row.adjustment, row.sum())
    };
    assert_eq!(printed("Sở Y tế"), (Some(3), Some(0), Some(-1), Some(2)));
    assert_eq!(printed("Sở Xây dựng"), (Some(0), Some(1), Some(1), Some(2)));
    let to_do = ["SYT", "SXD"].map(|id| {
        let units = json["units"].as_array().expect("units");
        units.iter().find(|unit| unit["id"] == id).expect("a unit")["to_do"].clone()
    });
    assert_eq!(to_do, [json!(2), json!(2)]);
    let formula = view.formulas.iter().find(|f| f.name == "Bảng cân đối (Phụ lục I)");
    let says = "cột Điều chỉnh = điều chỉnh + xử lý lại trong kỳ";
    assert!(formula.expect("a formula").text.contains(says));
    assert_eq!(json["violations"], json!([]));
    assert_eq!(september.figures.violations_after(&first.figures), []);
    let rate = |id: &str, key: &str| {
        let unit = json["units"]
            .as_array()
            .expect("units")
            .iter()
            .find(|unit| unit["id"] == id);
        unit.expect("a unit")[key].clone()
    };
    assert_eq!(rate("SYT", "on_time_rate"), json!(0.0));
    assert_eq!(rate("SXD", "on_time_rate"), json!(0.5));
    assert_eq!(rate("SYT", "satisfaction_rate"), Value::Null, "nobody said either");
    assert_eq!(rate("SXD", "satisfaction_rate"), json!(1.0));
    assert_eq!(rate("SYT", "oldest_open"), json!("2021-08-25"));
    assert_eq!(rate("SYT", "oldest_open_days"), json!(36));
    let text = september.text(&config);
    assert!(text.contains("Sở Y tế") && text.contains("50,00%"), "{text}");
}

/// One telling is one reminder, to however many it goes; what nobody took, what only says that it is over, and what came
/// in another month is none of this one's.
async fn reminders_are_what_was_accepted_in_the_month(on: On) {
    let mut world = World::new(&(LADDER.to_owned() + FIVE_DAYS)).await.on(on).await;
    world.turn("2021-08-02 06:00").await;
    world.ticket("T", "Sở Y tế", "2021-08-16 09:00").await;
    // Due on 23 August: L1 on the 24th, L2 on the 26th, L3 on the 30th; L4 on 8 September.
    let told = world.days("2021-08-17", "2021-08-31").await;
    assert_eq!(
        told.iter().filter(|line| line.contains("overdue/L")).count(),
        3,
        "{told:?}"
    );
    world.answer("T", "2021-09-01 09:00").await;
    let told = world.days("2021-09-01", "2021-09-10").await;
    assert!(!told.is_empty(), "who was told is told of the end");
    let config = world.config();
    let august = counted(&world, "2021-08", "2021-09-10 20:00").await.json(&config);
    let september = counted(&world, "2021-09", "2021-09-10 20:00").await.json(&config);
    assert_eq!(
        (&august["whole"]["reminders"], &september["whole"]["reminders"]),
        (&json!(3), &json!(0))
    );
    assert_eq!(row(&august, "SYT")["reminders"], json!(3));
}

async fn a_month_is_compared_with_last_years_where_the_store_reaches_it(on: On) {
    let mut world = World::new(&(LADDER.to_owned() + FIVE_DAYS)).await.on(on).await;
    world.turn("2021-07-15 06:00").await;
    for (code, received) in [
        ("A", "2021-08-10 09:00"),
        ("B", "2021-08-31 23:59"),
        ("C", "2021-09-01 00:00"),
    ] {
        world.ticket(code, "Sở Y tế", received).await;
    }
    world.turn("2021-09-02 06:00").await;
    // Void only after that month's end.
    let void = "status = 'trùng', closed_at = '2021-09-05 09:00:00'";
    world.change("B", "2021-09-05 09:00", void).await;
    world.turn("2021-09-05 20:00").await;
    world.ticket("D", "Sở Y tế", "2022-08-10 09:00").await;
    world.turn("2022-09-01 06:00").await;
    let config = world.config();
    let year = [
        "total",
        "previous_total",
        "change",
        "year_before_total",
        "change_from_year_before",
    ];
    let of = |report: &Report| {
        let json = report.json(&config);
        year.map(|key| json[key].clone())
    };
    let august = counted(&world, "2022-08", "2022-09-01 06:00").await;
    assert_eq!(of(&august), [json!(1), json!(0), json!(1), json!(2), json!(-1)]);
    let text = august.text(&config);
    assert!(
        text.contains("tăng 1 phiếu so với kỳ trước; giảm 1 phiếu so với cùng kỳ năm trước"),
        "{text}"
    );
    // The first read reached back to the beginning of June 2021.
    let [june, july] = ["2021-06", "2021-07"].map(|key| (key, "2022-09-01 06:00"));
    let june = counted(&world, june.0, june.1).await;
    assert_eq!(
        of(&june),
        [json!(0), Value::Null, Value::Null, Value::Null, Value::Null]
    );
    assert_eq!(of(&counted(&world, july.0, july.1).await)[1..3], [json!(0), json!(0)]);
    let may = counted(&world, "2021-05", "2022-09-01 06:00").await;
    assert_eq!(may.json(&config)["total"], Value::Null);
    let text = may.text(&config);
    assert!(
        text.contains("lập – phiếu") && text.contains("chưa có số liệu kỳ trước để so sánh"),
        "{text}"
    );
}

/// Sources that date neither ratings nor endings: both count from when they were first seen. What was rated anew counts
/// as it was rated last.
async fn what_has_no_instant_counts_from_when_it_was_first_seen(on: On) {
    let mut world = World::new(&(LADDER.to_owned() + FIVE_DAYS)).await.on(on).await;
    world.turn("2021-08-02 06:00").await;
    for code in ["ANSWERED", "REJECTED", "VOID", "GLAD", "ANGRY", "CALMED", "SOON-CALMED"] {
        world.ticket(code, "Sở Y tế", "2021-08-10 09:00").await;
    }
    world.turn("2021-08-10 20:00").await;
    for (code, set) in [
        ("ANSWERED", "status = 'đã trả lời'"),
        ("REJECTED", "status = 'từ chối'"),
        ("VOID", "status = 'trùng'"),
        ("GLAD", "rating = 'hài lòng'"),
        ("ANGRY", "rating = 'chưa hài lòng'"),
        ("CALMED", "rating = 'chưa hài lòng'"),
        ("SOON-CALMED", "rating = 'chưa hài lòng'"),
    ] {
        world.change(code, "2021-08-31 23:00", set).await;
    }
    world.turn("2021-08-31 23:50").await;
    world.change("CALMED", "2021-09-02 09:00", "rating = 'hài lòng'").await;
    // Written on the last day of August, seen on the first of September.
    world.ticket("UNSEEN", "Sở Y tế", "2021-08-31 22:00").await;
    world.change("UNSEEN", "2021-08-31 23:59", "status = 'từ chối'").await;
    world
        .change("SOON-CALMED", "2021-08-31 23:55", "rating = 'hài lòng'")
        .await;
    world.turn("2021-09-02 20:00").await;
    let config = world.config();
    let count = async |key: &str| row(&counted(&world, key, "2021-10-05 20:00").await.json(&config), "SYT");
    assert_eq!(
        count("2021-08").await,
        json!({
            "received": 7, "done_late": 1, "done_late_first": 1, "rejected": 2, "open": 4, "overdue": 4,
            "overdue_first": 4, "new_in_period": 4, "satisfied": 1, "unsatisfied": 3,
        })
    );
    assert_eq!(
        count("2021-09").await,
        json!({
            "stock_before": 4, "opening_stock": 4, "open": 4, "overdue": 4, "overdue_first": 4, "carried_over": 4,
            "satisfied": 2,
        })
    );
}

async fn periods_from_the_15th_to_the_14th_are_counted_too(on: On) {
    let mut world = World::new(&(LADDER.to_owned() + FIVE_DAYS)).await.on(on).await;
    world
        .edit("dondoc.toml", |text| format!("period = \"from_15th\"\n{text}"))
        .await;
    world.turn("2021-08-02 06:00").await;
    for (code, received) in [
        ("BEFORE", "2021-08-14 23:59"),
        ("FIRST", "2021-08-15 00:00"),
        ("LAST", "2021-09-14 23:59"),
        ("AFTER", "2021-09-15 00:00"),
    ] {
        world.ticket(code, "Sở Y tế", received).await;
        world.turn(received).await;
    }
    world.turn("2021-09-15 07:00").await;
    let report = counted(&world, "2021-08/15", "2021-09-15 07:00").await;
    let json = report.json(&world.config());
    let keys = [
        "period",
        "from",
        "until",
        "state",
        "total",
        "previous_total",
        "opening_stock",
        "under_follow_up",
    ];
    assert_eq!(
        keys.map(|key| json[key].clone()),
        [
            json!("2021-08/15"),
            json!("2021-08-15"),
            json!("2021-09-15"),
            json!("provisional"),
            json!(2),
            json!(1),
            json!(1),
            json!(3)
        ]
    );
    let text = report.text(&world.config());
    assert!(
        text.starts_with("Từ ngày 15/08/2021 đến ngày 14/09/2021 (số liệu tạm tính)"),
        "{text}"
    );
    let calendar = world.config();
    assert_eq!(
        is_checked_at(period("2021-08/15"), calendar.calendars.base()),
        at("2021-09-17 00:00")
    );
    assert_eq!(
        is_checked_at(period("2021-08"), calendar.calendars.base()),
        at("2021-09-07 00:00")
    );
}

/// A period that is still running is counted up to the present: what happened at its instant is in it.
async fn a_running_month_is_counted_up_to_now(on: On) {
    let mut world = World::new(&(LADDER.to_owned() + FIVE_DAYS)).await.on(on).await;
    world.turn("2021-08-02 06:00").await;
    world.ticket("T", "Sở Y tế", "2021-08-16 09:00").await;
    world.turn("2021-08-16 09:00").await;
    let config = world.config();
    let keys = ["state", "total", "under_follow_up"];
    let running = counted(&world, "2021-08", "2021-08-16 09:00").await;
    assert_eq!(
        keys.map(|key| running.json(&config)[key].clone()),
        [json!("open"), json!(1), json!(1)]
    );
    // Due at the end of the 23rd: on that day not yet overdue, though it will be by the month's end.
    for (now, overdue) in [("2021-08-23 23:59", 0), ("2021-08-24 00:00", 1)] {
        let report = counted(&world, "2021-08", now).await;
        assert_eq!(report.json(&config)["whole"]["overdue"], overdue, "{now}");
    }
    let bounds = Bounds::of(period("2021-08"), config.calendars.base(), at("2021-08-16 08:59"));
    let counted = report::count_within(world.store(), &config, period("2021-08"), bounds, &|| ()).await;
    let (before, _) = counted.expect("a report");
    assert_eq!(before.figures.whole, Figures::default().whole, "nobody had seen it");
}

on_both! {
    what_comes_after_a_month_was_counted_is_an_adjustment_of_the_next
    reminders_are_what_was_accepted_in_the_month
    a_month_is_compared_with_last_years_where_the_store_reaches_it
    what_has_no_instant_counts_from_when_it_was_first_seen
    periods_from_the_15th_to_the_14th_are_counted_too
    a_running_month_is_counted_up_to_now
}
