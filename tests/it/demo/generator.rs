//! The generated hotline: the same for the same seed, with exactly the figures asked for, and with everything in it that
//! makes a real one difficult.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use dondoc::demo::SEED;
use dondoc::demo::generate::{COLUMNS, Cell, Change, Happening, TicketDb, Totals, World, generate};
use sqlx::{AssertSqlSafe, Row as _};
use tempfile::TempDir;

use super::counted::{Ledger, open};
use super::{local, other_totals};

const END: &str = "2021-10-05 00:00:00";

fn seed_world() -> World {
    generate(SEED, &Totals::seed())
}

/// Counts the months with plain SQL and puts them side by side with what was asked for.
async fn assert_met(seed: u64, totals: &Totals) {
    let mut ledger = Ledger::of(&generate(seed, totals), END).await;
    for (month, wanted) in (7..).zip(totals.months) {
        assert_eq!(ledger.month(month).await.totals, wanted, "seed {seed}, month {month}");
    }
}

#[tokio::test]
async fn the_seed_has_the_published_figures_to_the_last_ticket() {
    let totals = Totals::seed();
    assert_eq!(totals.months.map(|m| m.received), [3887, 6034, 11_644]);
    let august = totals.months[1];
    assert_eq!((august.procedures, august.flagged, august.unsatisfied), (147, 26, 37));
    assert_eq!(august.open_carried + august.open_new, 112);
    assert_met(SEED, &totals).await;
}

#[tokio::test]
async fn with_another_seed_and_other_totals_the_figures_follow() {
    assert_met(7, &other_totals()).await;
    for seed in 20..24 {
        let mut totals = other_totals();
        for (i, month) in totals.months.iter_mut().enumerate() {
            month.received = 260 + 31 * i + usize::try_from(seed).expect("small");
            month.flagged += i;
        }
        assert_met(seed, &totals).await;
    }
}

#[test]
fn the_same_seed_gives_the_same_changes_and_another_seed_others() {
    let once = format!("{:?}", seed_world());
    assert_eq!(once, format!("{:?}", seed_world()));
    assert_ne!(once, format!("{:?}", generate(SEED + 1, &Totals::seed())));
}

#[tokio::test]
async fn the_same_seed_writes_the_same_tables_in_small_steps_as_in_one_leap() {
    let world = generate(3, &other_totals());
    let dir = TempDir::new().expect("a folder");
    let mut tables = Vec::new();
    for (name, hours) in [("steps", 7), ("leap", 24 * 200)] {
        let path = dir.path().join(name);
        let mut tickets = TicketDb::create(&path).await.expect("a database");
        let mut now = local("2021-06-01 00:00:00");
        while now < local(END) {
            now = (now + TimeDelta::hours(hours)).min(local(END));
            tickets.apply_until(&world, now).await.expect("written");
        }
        tables.push(table(&path).await);
    }
    assert_eq!(tables[0], tables[1]);
    assert_eq!(tables[0].len(), world.rows);
}

async fn table(path: &std::path::Path) -> Vec<Vec<Option<Vec<u8>>>> {
    let rows = sqlx::query("SELECT * FROM ticket ORDER BY id")
        .fetch_all(&mut open(path).await)
        .await
        .expect("read");
    rows.iter()
        .map(|row| (0..row.len()).map(|i| row.get_unchecked(i)).collect())
        .collect()
}

#[tokio::test]
async fn nothing_in_the_database_is_from_after_its_time() {
    let world = generate(SEED, &other_totals());
    let dir = TempDir::new().expect("a folder");
    let path = dir.path().join("tickets.db");
    let mut tickets = TicketDb::create(&path).await.expect("a database");
    let mut read = open(&path).await;
    for day in NaiveDate::from_ymd_opt(2021, 7, 1)
        .expect("a date")
        .iter_days()
        .take(94)
    {
        let at = format!("{day} 10:12:00");
        tickets.apply_until(&world, local(&at)).await.expect("written");
        // Deadlines alone may lie ahead.
        let ahead = "received_at > $1 OR updated_at > $1 OR assigned_at > $1 OR answered_at > $1 OR closed_at > $1 \
                     OR rated_at > $1 OR waiting_since > $1";
        let counted = sqlx::query(AssertSqlSafe(format!("SELECT COUNT(*), TOTAL({ahead}) FROM ticket")))
            .bind(&at)
            .fetch_one(&mut read)
            .await
            .expect("counted");
        let entered = world
            .changes
            .iter()
            .filter(|c| is(c, Happening::Created) && c.at <= local(&at));
        assert_eq!(
            counted.get::<i64, _>(0),
            i64::try_from(entered.count()).expect("small"),
            "{at}"
        );
        assert_eq!(counted.get::<f64, _>(1), 0.0, "{at}");
    }
}

#[test]
fn a_row_is_created_first_and_then_changes_in_order_of_time() {
    let world = seed_world();
    assert!(world.changes.is_sorted_by_key(|c| c.at));
    let mut last = BTreeMap::new();
    for change in &world.changes {
        let before = last.insert(change.row, change.at);
        assert_eq!(is(change, Happening::Created), before.is_none(), "{change:?}");
    }
    assert_eq!(last.len(), world.rows);
}

fn is(change: &Change, what: Happening) -> bool {
    change.what == what
}

/// A row with its columns by name.
struct Row(Vec<Cell>);

impl Row {
    fn get(&self, column: &str) -> String {
        let place = COLUMNS.iter().position(|c| *c == column).expect("a column");
        match &self.0[place] {
            Cell::Text(text) => text.clone(),
            Cell::Null => String::new(),
            Cell::Integer(n) => n.to_string(),
        }
    }
}

#[test]
fn everything_that_can_happen_to_a_ticket_happens() {
    let world = seed_world();
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for change in &world.changes {
        *times.entry(format!("{:?}", change.what)).or_default() += 1;
    }
    for (what, least) in [
        ("Answered", 2000),
        ("Assigned", 40),
        ("Closed", 10_000),
        ("Excluded", 13),
        ("Extended", 80),
        ("Rated", 500),
        ("Rejected", 40),
        ("Rerated", 10),
        ("Resumed", 80),
        ("SentBack", 40),
        ("Staged", 50),
        ("Stuck", 3),
        ("Transferred", 80),
        ("Voided", 36),
        ("Waiting", 80),
    ] {
        let found = times.get(what).copied().unwrap_or(0);
        assert!(found >= least, "{what}: {found}");
    }
    let wandering = world.changes.iter().filter(|c| is(c, Happening::Transferred));
    let mut of_row: BTreeMap<usize, usize> = BTreeMap::new();
    for change in wandering {
        *of_row.entry(change.row).or_default() += 1;
    }
    assert!(of_row.values().any(|n| *n == 2), "some are transferred twice");
}

#[test]
fn every_special_kind_of_row_is_there() {
    let rows: Vec<Row> = seed_world()
        .rows_at(local(END))
        .into_iter()
        .flatten()
        .map(Row)
        .collect();
    let at_least = |least: usize, name: &str, holds: &dyn Fn(&Row) -> bool| {
        let found = rows.iter().filter(|r| holds(r)).count();
        assert!(found >= least, "{name}: {found}");
    };
    at_least(3, "without a code", &|r| r.get("code").is_empty());
    at_least(3, "received at no time", &|r| r.get("received_at").starts_with("0000"));
    at_least(6, "with the code of another row", &|r| {
        r.get("code").ends_with("00.0001")
    });
    at_least(10, "due at infinity", &|r| r.get("due_at") == "infinity");
    at_least(10, "neither confidential nor not", &|r| {
        r.get("confidential") == "không rõ"
    });
    at_least(10, "confidential", &|r| r.get("confidential") == "1");
    at_least(15, "about conduct", &|r| {
        r.get("tags") == "conduct" && !r.get("subject_agency").is_empty()
    });
    at_least(15, "with two tags", &|r| r.get("tags").contains(','));
    at_least(30, "with helpers", &|r| r.get("co_agencies").contains(','));
    at_least(30, "urgent", &|r| r.get("priority") == "khẩn");
    at_least(10, "without a category", &|r| {
        r.get("category").is_empty() && r.get("title").contains("căn cước")
    });
    at_least(50, "waiting on the ministry", &|r| r.get("waiting_on") == "C06");
    at_least(30, "due at midnight", &|r| r.get("due_at").ends_with(" 00:00:00"));
    at_least(30, "due by the clock", &|r| r.get("due_at").ends_with(" 15:30:00"));
    at_least(1, "of an agency that nobody knows", &|r| {
        r.get("agency") == "Sở Không Rõ"
    });
    at_least(15_000, "answered by the operator", &|r| {
        r.get("level") == "1" && r.get("status") == "đóng"
    });
    let stages = ["not_sent", "at_c06", "card_arrived", "data_wrong"];
    for stage in stages {
        at_least(3, stage, &|r| r.get("stage") == stage);
    }
}

#[test]
fn some_august_tickets_are_written_down_in_september_only() {
    let cut_off = local("2021-09-01 00:00:00");
    let late = |c: &&Change| {
        let received = c.set.iter().find(|(column, _)| *column == "received_at");
        is(c, Happening::Created)
            && c.at >= cut_off
            && received.is_some_and(|(_, cell)| matches!(cell, Cell::Text(at) if at.starts_with("2021-08")))
    };
    assert_eq!(seed_world().changes.iter().filter(late).count(), 5);
}

#[test]
fn some_tickets_of_each_month_are_sent_back_after_its_end_only() {
    let world = seed_world();
    let received = |row: usize| {
        let created = world.changes.iter().find(|c| c.row == row).expect("a row");
        let found = created.set.iter().find(|(column, _)| *column == "received_at");
        match found {
            Some((_, Cell::Text(at))) => at[..7].to_owned(),
            other => panic!("{other:?}"),
        }
    };
    for (month, end) in [("2021-07", "2021-08-01 00:00:00"), ("2021-08", "2021-09-01 00:00:00")] {
        let late = |c: &&Change| is(c, Happening::SentBack) && c.at >= local(end) && received(c.row) == month;
        assert!(world.changes.iter().filter(late).count() >= 2, "{month}");
    }
}

#[tokio::test]
async fn citizens_are_invented_and_stand_in_their_own_columns_only() {
    let mut ledger = Ledger::of(&seed_world(), END).await;
    let all = ledger.count("TRUE").await;
    let invented = "reporter_name = 'Người Được Bịa Ra' AND reporter_phone LIKE '0900 000 ___'";
    assert_eq!(ledger.count(invented).await, all);
    let shown =
        "COALESCE(title, '') || COALESCE(body, '') || COALESCE(agency, '') || COALESCE(url, '') || COALESCE(tags, '')";
    let leaks = format!("{shown} LIKE '%' || reporter_name || '%' OR {shown} LIKE '%0900 000%'");
    assert_eq!(ledger.count(&leaks).await, 0);
}
