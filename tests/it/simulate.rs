//! `dondoc simulate`: what it says would be sent is what the daemon's engine sends.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use dondoc::demo::reading;
use dondoc::domain::Moment;

use crate::world::{FIVE_DAYS, LADDER, World, confirmed, copy_all};

const DONDOC: &str = env!("CARGO_BIN_EXE_dondoc");

/// Days played, and what happens early on some of them.
const FIRST: &str = "2021-08-30";
const FROM: &str = "2021-09-06";
const TO: &str = "2021-09-30";

fn simulate(dir: &Path, more: &[&str]) -> String {
    let ran = Command::new(DONDOC)
        .arg("--config")
        .arg(dir)
        .args(["simulate", "--from", FROM, "--to", TO])
        .args(more)
        .output()
        .expect("a process");
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{errors}");
    String::from_utf8(ran.stdout).expect("text")
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
        "2021-09-13" => w.answer("C", &early).await,
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

#[tokio::test]
async fn a_month_simulated_beside_the_daemon_is_what_it_sent_and_changes_nothing() {
    let mut w = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    live_from_to(&mut w, FIRST, "2021-09-05").await;
    let sent = live_from_to(&mut w, FROM, TO).await;
    assert!(sent.len() > 8, "{sent:?}");
    let mails = w.received().len();
    let bytes = |file: &str| std::fs::read(w.dir().join(file)).expect("a file");
    let before = ["store.db", "tickets.db"].map(bytes);

    // The engine holds the store all the while.
    assert_eq!(of_csv(&simulate(&w.dir(), &["--csv"])), sent);

    let said: serde_json::Value = serde_json::from_str(&simulate(&w.dir(), &["--json"])).expect("JSON");
    assert_eq!(said["data"], "log");
    assert_eq!(said["seeded"], true);
    assert_eq!(said["notices"], sent.len());
    assert_eq!(said["problems"], serde_json::json!({}));
    assert_eq!(["store.db", "tickets.db"].map(bytes), before);
    assert_eq!(w.received().len(), mails, "nothing connects to the mail server");
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
    let mut w = World::new(&rules).await;
    live_from_to(&mut w, FIRST, "2021-09-05").await;
    let sent = live_from_to(&mut w, FROM, TO).await;
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
