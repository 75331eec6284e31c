//! `dondoc simulate`: what it says would be sent is what the daemon's engine sends.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use dondoc::demo::reading;
use dondoc::domain::Moment;
use dondoc::domain::obligation::Kind;

use crate::cli::{dondoc, said, text};
use crate::obligations;
use crate::postgres::{On, on_both};
use crate::world::{FIVE_DAYS, LADDER, World, confirmed, copy_all};

on_both! { a_month_simulated_beside_the_daemon_is_what_it_sent_and_changes_nothing }

const DONDOC: &str = env!("CARGO_BIN_EXE_dondoc");

/// Days played, and what happens early on some of them.
const FIRST: &str = "2021-08-30";
const FROM: &str = "2021-09-06";
const TO: &str = "2021-09-30";

fn simulate(dir: &Path, more: &[&str]) -> String {
    simulate_from(dir, FROM, more)
}

fn simulate_from(dir: &Path, from: &str, more: &[&str]) -> String {
    let ran = dondoc(dir, &[&["simulate", "--from", from, "--to", TO], more].concat());
    assert!(ran.status.success(), "{}", said(&ran));
    text(&ran)
}

/// The box of a unit's desk in the small province.
fn letter_box(unit: &str, desk: &str) -> String {
    match (unit, desk) {
        ("VP", "head") => "lanhdao-vp".to_owned(),
        (unit, "head") => format!("giamdoc-{}", unit.to_lowercase()),
        (unit, _) => unit.to_lowercase(),
    }
}

/// A line of JSON or CSV as [`World::days`] writes it.
fn line(day: &str, unit: &str, desk: &str, ticket: &str, rule: &str, step: &str) -> String {
    let (month, day) = (&day[5..7], &day[8..10]);
    format!("{day}/{month} {}: {ticket} {rule}/{step}", letter_box(unit, desk))
}

fn of_csv(csv: &str) -> Vec<String> {
    let mut lines: Vec<String> = csv
        .lines()
        .skip(1)
        .map(|l| {
            let c: Vec<&str> = l.split(',').collect();
            line(c[0], c[6], c[7], c[2], c[3], c[4])
        })
        .collect();
    lines.sort();
    lines
}

fn of_json(value: &serde_json::Value) -> String {
    let text = |key: &str| value[key].as_str().expect("a text").to_owned();
    let [day, unit, desk, ticket, rule, step] = ["day", "unit", "desk", "ticket", "rule", "step"].map(text);
    line(&day, &unit, &desk, &ticket, &rule, &step)
}

fn dates(from: &str, to: &str) -> Vec<String> {
    let day = |text: &str| chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").expect("a date");
    let days = day(from).iter_days().take_while(|d| *d <= day(to));
    days.map(|d| d.to_string()).collect()
}

/// A day of the hotline: tickets come, move and are answered, then there are turns.
async fn live_through(w: &mut World, day: &str) -> Vec<String> {
    let early = format!("{day} 06:30");
    match day {
        "2021-08-30" => {
            w.ticket("A", "Sở Y tế", &early).await;
            w.ticket("B", "Sở Xây dựng", &early).await;
        }
        "2021-09-01" => w.ticket("C", "Sở Tài chính", &early).await,
        "2021-09-07" => {
            w.ticket("D", "Sở Xây dựng", &early).await;
            w.ticket("E", "Sở Khoa học", &early).await;
        }
        "2021-09-14" => w.answer("C", &early).await,
        "2021-09-15" => w.change("A", &early, "agency = 'Sở Xây dựng'").await,
        "2021-09-17" => w.answer("B", &early).await,
        "2021-09-20" => w.change("B", &early, "status = 'đang xử lý', answered_at = NULL").await,
        _ => {}
    }
    w.days(day, day).await
}

async fn live_from_to(w: &mut World, from: &str, to: &str) -> Vec<String> {
    let mut told = Vec::new();
    for day in dates(from, to) {
        told.extend(live_through(w, &day).await);
    }
    told.sort();
    told
}

/// A province that has lived through all days, and what was sent of it in those that are played.
async fn lived(on: On) -> (World, Vec<String>) {
    let mut w = World::new(&format!("{LADDER}{FIVE_DAYS}")).await.on(on).await;
    live_from_to(&mut w, FIRST, "2021-09-05").await;
    let sent = live_from_to(&mut w, FROM, TO).await;
    assert!(sent.len() > 8, "{sent:?}");
    (w, sent)
}

async fn a_month_simulated_beside_the_daemon_is_what_it_sent_and_changes_nothing(on: On) {
    let (w, sent) = lived(on).await;
    let mails = w.received().len();
    let bytes = |file: &str| std::fs::read(w.dir().join(file)).expect("a file");
    let files: &[&str] = match on {
        On::Sqlite => &["store.db", "tickets.db"],
        On::Postgres => &["tickets.db"],
    };
    let before: Vec<Vec<u8>> = files.iter().map(|file| bytes(file)).collect();
    if on == On::Postgres {
        // Whoever connects from now on fails if it writes.
        w.on_store(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$",
        )
        .await;
    }

    // The engine holds the store all the while.
    assert_eq!(of_csv(&simulate(&w.dir(), &["--csv"])), sent);

    let said: serde_json::Value = serde_json::from_str(&simulate(&w.dir(), &["--json"])).expect("JSON");
    assert_eq!(said["data"], "log");
    assert_eq!(said["seeded"], true);
    assert_eq!(said["notices"], sent.len());
    assert_eq!(said["problems"], serde_json::json!({}));
    let text = simulate(&w.dir(), &[]);
    let head: Vec<&str> = text.lines().take(3).collect();
    let log = "5 tickets by the change log, which reaches from 2021-08-30 07:00 to 2021-09-30 16:00";
    assert_eq!(
        head,
        [
            log,
            "begins with what was told before: 0 tellings",
            "335 turns, 18 messages, 23 notices; nothing was sent"
        ]
    );
    // Begun in the middle of two ladders it goes on where they stand.
    let middle = "2021-09-13";
    let left: Vec<String> = sent.iter().filter(|line| line[..2] >= middle[8..]).cloned().collect();
    assert_eq!(of_csv(&simulate_from(&w.dir(), middle, &["--csv"])), left);
    let text = simulate_from(&w.dir(), middle, &[]);
    let head: Vec<&str> = text.lines().take(2).collect();
    assert_eq!(head, [log, "begins with what was told before: 2 tellings"]);
    let after: Vec<Vec<u8>> = files.iter().map(|file| bytes(file)).collect();
    assert!(after == before, "nothing is written");
    assert_eq!(w.received().len(), mails, "nothing connects to the mail server");
}

#[tokio::test]
async fn by_the_ticket_database_a_ticket_moves_by_its_own_times_and_was_always_with_its_present_agency() {
    let (w, _) = lived(On::Sqlite).await;
    // C was answered late; A was always with Sở Xây dựng, and B never answered.
    let by_its_rows = [
        "09/09 sxd: A overdue/L1",
        "09/09 sxd: B overdue/L1",
        "13/09 giamdoc-sxd: A overdue/L2",
        "13/09 giamdoc-sxd: B overdue/L2",
        "13/09 stc: C overdue/L1",
        "14/09 stc: C @settled/done",
        "15/09 giamdoc-sxd: A overdue/L3",
        "15/09 giamdoc-sxd: B overdue/L3",
        "15/09 sxd: D overdue/L1",
        "17/09 giamdoc-sxd: D overdue/L2",
        "21/09 giamdoc-sxd: D overdue/L3",
        "22/09 vp: A overdue/L4",
        "22/09 vp: B overdue/L4",
        "28/09 vp: D overdue/L4",
    ];
    let head = |text: String| text.lines().take(2).map(str::to_owned).collect::<Vec<_>>();
    let database = ["--data", "database"];
    assert_eq!(
        of_csv(&simulate(&w.dir(), &["--csv", "--data", "database"])),
        by_its_rows
    );
    assert_eq!(
        head(simulate(&w.dir(), &database)),
        [
            "5 tickets by the ticket database, earlier states by their own times; the change log reaches from \
             2021-08-30 07:00 to 2021-09-30 16:00",
            "begins with what was told before: 0 tellings"
        ]
    );
    let said: serde_json::Value =
        serde_json::from_str(&simulate(&w.dir(), &["--json", "--data", "database"])).expect("JSON");
    assert_eq!((&said["data"], &said["seeded"]), (&"database".into(), &true.into()));

    // Where there is no store it is what is left.
    let folder = tempfile::tempdir().expect("a folder");
    let alone = folder.path().join("alone");
    copy_all(&w.dir(), &alone);
    for file in ["store.db", "store.db-wal", "store.db-shm"] {
        if alone.join(file).exists() {
            std::fs::remove_file(alone.join(file)).expect("a file less");
        }
    }
    assert_eq!(of_csv(&simulate(&alone, &["--csv"])), by_its_rows);
    assert_eq!(
        head(simulate(&alone, &[])),
        [
            "5 tickets by the ticket database, earlier states by their own times; the change log reaches nowhere: no \
             turn has been taken yet",
            "begins with nothing told before: the first days have what a first turn opens with"
        ]
    );
    let refused = dondoc(&alone, &["simulate", "--from", FROM, "--to", TO, "--data", "log"]);
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(
        crate::cli::said(&refused),
        "dondoc: the change log does not reach over these days; leave `--data log` away to take the ticket database\n"
    );
}

#[tokio::test]
async fn by_other_rules_the_month_is_what_a_province_with_these_rules_sends() {
    let (w, sent) = lived(On::Sqlite).await;
    let folder = tempfile::tempdir().expect("a folder");
    let other = folder.path().join("other");
    copy_all(&w.dir(), &other);
    change_rules(&other);
    let by_others = of_csv(&simulate(
        &w.dir(),
        &["--csv", "--rules", other.to_str().expect("a path")],
    ));

    let mut v = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    live_from_to(&mut v, FIRST, "2021-09-05").await;
    v.stop().await;
    change_rules(&v.dir());
    v.restart().await;
    let then = live_from_to(&mut v, FROM, TO).await;
    assert_ne!(then, sent);
    assert_eq!(by_others, then);
}

#[tokio::test]
async fn what_would_be_sent_is_said_in_tables_and_against_others_line_by_line() {
    let w = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    let units = (1..=11).map(|n| {
        format!(
            "[[unit]]\nid = \"XA-{n:02}\"\nname = \"Ủy ban nhân dân xã {n}\"\nparent = \"UBND\"\n\
             contacts = [{{ role = \"contact\", address = \"xa{n}@tinh.example\" }}]\n"
        )
    });
    let units: String = units.collect();
    w.write("agencies.toml", |text| format!("{text}\n{units}"));
    for n in 1..=11 {
        let day = 25 + n % 3;
        w.ticket(
            &format!("X{n}"),
            &format!("Ủy ban nhân dân xã {n}"),
            &format!("2021-08-{day} 09:00"),
        )
        .await;
    }
    w.ticket("=Y1", "Sở Y tế", "2021-08-25 10:00").await;
    w.ticket("Y2", "Sở Y tế", "2021-08-25 10:00").await;
    w.ticket("Y3", "Sở Xây dựng", "2021-08-25 10:00").await;
    w.answer("Y3", "2021-09-07 10:00").await;
    w.ticket("Z", "Sở không có", "2021-08-25 10:00").await;
    w.sql("INSERT INTO ticket (code, status, received_at, agency) VALUES ('BAD', 'đang xử lý', 'hôm qua', 'Sở Y tế')")
        .await;
    let folder = tempfile::tempdir().expect("a folder");
    let other = folder.path().join("other");
    copy_all(&w.dir(), &other);
    let write = |file: &str, change: &dyn Fn(String) -> String| {
        let path = other.join(file);
        let text = std::fs::read_to_string(&path).expect("a file");
        std::fs::write(&path, change(text)).expect("a file");
    };
    // The first step a day later, the second in other words, and a word of the source that becomes known.
    write("rules/test.toml", &|text| {
        text.replace("after = \"1wd\"", "after = \"2wd\"")
            .replace("template = \"overdue-2\"", "template = \"overdue-3\"")
    });
    write("agencies.toml", &|text| {
        text.replace(
            "name = \"Sở Tài chính\"",
            "name = \"Sở Tài chính\"\naliases = [\"Sở không có\"]",
        )
    });
    let of_days = |more: &[&str]| {
        let days = ["simulate", "--from", "2021-09-01", "--to", "2021-09-10"];
        let ran = dondoc(&w.dir(), &[&days[..], more].concat());
        assert!(ran.status.success(), "{}", said(&ran));
        text(&ran)
    };
    let other = other.to_str().expect("a path");
    // Ten of the fourteen desks are the loudest.
    insta::assert_snapshot!("simulate", of_days(&[]));
    insta::assert_snapshot!("simulate_against", of_days(&["--against", other]));
    insta::assert_snapshot!("simulate_against_csv", of_days(&["--csv", "--against", other]));
}

#[tokio::test]
async fn a_month_simulated_on_the_ticket_database_is_what_was_sent_also_of_tickets_that_are_closed_by_now() {
    let mut w = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    let codes: Vec<String> = (0..60).map(|n| format!("T{n:02}")).collect();
    for code in &codes {
        w.ticket(code, "Sở Y tế", "2021-08-30 06:30").await;
    }
    w.days(FIRST, "2021-08-31").await;
    // Half are in time: neither are they told of nor do they count as open when all are compared.
    for code in &codes[30..] {
        w.answer(code, "2021-09-01 06:30").await;
    }
    w.days("2021-09-01", "2021-09-05").await;
    let mut sent = w.days(FROM, "2021-09-12").await;
    for code in &codes[1..30] {
        w.answer(code, "2021-09-13 06:30").await;
    }
    sent.extend(w.days("2021-09-13", TO).await);
    sent.sort();
    // A reminder of each, the answers, and the rest of the ladder of the one that stays open.
    assert_eq!(sent.len(), 30 + 29 + 3, "{sent:?}");

    assert_eq!(of_csv(&simulate(&w.dir(), &["--csv", "--data", "database"])), sent);
    let said: serde_json::Value =
        serde_json::from_str(&simulate(&w.dir(), &["--json", "--data", "database"])).expect("JSON");
    assert_eq!(said["data"], "database");
    assert_eq!(said["problems"], serde_json::json!({}));
}

const WITH_SKHCN: &str = r#"
[[unit]]
id = "SKHCN"
name = "Sở Khoa học"
parent = "UBND"
contacts = [{ role = "contact", address = "skhcn@tinh.example" }, { role = "head", address = "giamdoc-skhcn@tinh.example" }]
"#;

fn change_rules(dir: &Path) {
    let write = |file: &str, change: &dyn Fn(String) -> String| {
        let path = dir.join(file);
        let text = std::fs::read_to_string(&path).expect("a file");
        std::fs::write(&path, change(text)).expect("a file");
    };
    write("rules/test.toml", &|text| {
        text.replace("after = \"3wd\"", "after = \"2wd\"")
    });
    write("agencies.toml", &|text| text + &confirmed(WITH_SKHCN));
}

#[tokio::test]
async fn what_other_rules_add_and_remove_is_what_the_daemon_then_sends_by_them() {
    let rules = format!("{LADDER}{FIVE_DAYS}");
    let (w, sent) = lived(On::Sqlite).await;
    let folder = tempfile::tempdir().expect("a folder");
    let other = folder.path().join("other");
    copy_all(&w.dir(), &other);
    change_rules(&other);
    let more = ["--json", "--silence", "SXD:2021-09-13:2021-09-19", "--against"];
    let more: Vec<&str> = more.into_iter().chain([other.to_str().expect("a path")]).collect();
    let said: serde_json::Value = serde_json::from_str(&simulate(&w.dir(), &more)).expect("JSON");

    // Another province lives through the same days, and changes its rules where the simulation begins.
    let mut v = World::new(&rules).await;
    live_from_to(&mut v, FIRST, "2021-09-05").await;
    v.stop().await;
    change_rules(&v.dir());
    v.restart().await;
    v.stop().await;
    let silenced = Command::new(DONDOC)
        .arg("--config")
        .arg(v.dir())
        .args([
            "silence",
            "add",
            "--unit",
            "SXD",
            "--from",
            "2021-09-13",
            "--until",
            "2021-09-20",
        ])
        .args(["--reason", "họp"])
        .output()
        .expect("a process");
    assert!(
        silenced.status.success(),
        "{}",
        String::from_utf8_lossy(&silenced.stderr)
    );
    v.restart().await;
    let then = live_from_to(&mut v, FROM, TO).await;

    let list = |key: &str| -> Vec<&serde_json::Value> { said[key].as_array().expect("a list").iter().collect() };
    let changed = list("changed");
    let all = |lists: [Vec<String>; 2]| -> BTreeSet<String> { lists.concat().into_iter().collect() };
    let read = |values: Vec<&serde_json::Value>| values.into_iter().map(of_json).collect::<Vec<_>>();
    let appears = all([read(list("added")), read(changed.iter().map(|c| &c["is"]).collect())]);
    let disappears = all([read(list("removed")), read(changed.iter().map(|c| &c["was"]).collect())]);
    let (sent, then): (BTreeSet<String>, BTreeSet<String>) = (sent.into_iter().collect(), then.into_iter().collect());
    assert!(!appears.is_empty() && !disappears.is_empty(), "{said:#}");
    assert_eq!(appears, then.difference(&sent).cloned().collect(), "sent {sent:#?}");
    assert_eq!(disappears, sent.difference(&then).cloned().collect());
}

#[tokio::test]
async fn a_summary_that_went_out_before_the_first_day_is_not_told_again() {
    let weekly = "\n[[summary]]\nid = \"weekly\"\ntitle = \"Số liệu trong tuần\"\nat = \"Fri 15:00\"\nto = [\"office\"]\n\
                  template = \"summary-office\"\n";
    let mut w = World::new(&format!("{LADDER}{FIVE_DAYS}{weekly}")).await;
    live_from_to(&mut w, FIRST, TO).await;
    let letters = w
        .received()
        .into_iter()
        .map(|mail| reading::read(&mail.bytes).expect("a letter"));
    let summaries = letters.filter(|letter| letter.subject.contains("Tổng hợp tuần"));
    let sent: Vec<String> = summaries.map(|letter| day_of(letter.date)).collect();
    assert_eq!(sent, ["2021-09-01", "2021-09-10", "2021-09-17", "2021-09-24"]);
    let said: serde_json::Value = serde_json::from_str(&simulate(&w.dir(), &["--json"])).expect("JSON");
    assert_eq!(said["by_rule"]["@summary/weekly"]["messages"], 3);
}

fn day_of(at: Moment) -> String {
    at.with_timezone(&chrono_tz::Asia::Ho_Chi_Minh)
        .format("%Y-%m-%d")
        .to_string()
}

/// What is owed as letters name it: `@obligation/2021-09/SYT/follow_up` is `2021-09/b`. CSV has a quote before an `@`, which
/// spreadsheets would reckon.
fn as_in_letters(line: &str) -> String {
    let (before, rest) = line.split_once("'@obligation/").expect("an obligation");
    let (code, after) = rest.split_once(' ').expect("a rule");
    let parts: Vec<&str> = code.split('/').collect();
    let kind: Kind = parts[2].parse().expect("a kind");
    format!("{before}{}/{} {after}", parts[0], kind.letter())
}

#[tokio::test]
async fn what_is_owed_by_a_directive_is_foretold_with_what_was_recorded_meanwhile() {
    let mut w = World::new(&format!("{FIVE_DAYS}{}", obligations::SHIPPED)).await;
    w.edit("dondoc.toml", |text| format!("{text}\n[monthly]\nletters = true\n"))
        .await;
    w.turn("2021-09-06 07:00").await;
    for (code, agency) in [("T1", "Sở Y tế"), ("T2", "Sở Xây dựng")] {
        w.ticket(code, agency, "2021-09-06 09:00").await;
    }
    w.days("2021-09-06", "2021-10-08").await;
    obligations::record(&w, "2021-10-28", "2021-10-11 09:00").await;
    let mut sent = w.days("2021-10-11", "2021-10-25").await;
    obligations::reply(&w, "SYT", &[Kind::FollowUp], "2021-10-25", "2021-10-25 17:30").await;
    sent.extend(w.days("2021-10-26", "2021-11-05").await);
    assert!(
        sent.iter()
            .any(|line| line.contains("giamdoc-sxd: 2021-09/b obligation/late")),
        "{sent:?}"
    );
    // From before the directive, and from between its first letters and its last.
    for from in ["2021-10-11", "2021-10-20"] {
        let ran = dondoc(&w.dir(), &["simulate", "--from", from, "--to", "2021-11-05", "--csv"]);
        assert!(ran.status.success(), "{}", said(&ran));
        let foretold = of_csv(&text(&ran))
            .into_iter()
            .filter(|line| line.contains("@obligation/"));
        let mut foretold: Vec<String> = foretold.map(|line| as_in_letters(&line)).collect();
        foretold.sort();
        let day = |line: &String| format!("2021-{}-{}", &line[3..5], &line[..2]);
        let mut owed: Vec<String> = sent.iter().filter(|line| *day(line) >= *from).cloned().collect();
        owed.sort();
        assert_eq!(foretold, owed, "from {from}");
    }
}
