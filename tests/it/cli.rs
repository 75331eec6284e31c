//! The binary as people and scripts meet it: what each command prints, the keys of its JSON, its exit codes.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::world::{FIVE_DAYS, LADDER, World};

pub fn dondoc(config: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dondoc"))
        .env_remove("DONDOC_LOG")
        .arg("--config")
        .arg(config)
        .args(arguments)
        .output()
        .expect("dondoc")
}

pub fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

pub fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

pub fn json(config: &Path, arguments: &[&str]) -> Value {
    let output = dondoc(config, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect()
}

/// Every name of the list is a key; more may be there.
fn has(value: &Value, names: &[&str]) {
    let keys = keys(value);
    for name in names {
        assert!(keys.contains(name), "{name} is a key: {keys:?}");
    }
}

/// A world in which one ticket has been told twice and another was answered.
async fn september() -> World {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.ticket("T2", "Sở Xây dựng", "2021-09-06 10:00").await;
    world.days("2021-09-07", "2021-09-15").await;
    world.answer("T2", "2021-09-15 17:00").await;
    world.days("2021-09-16", "2021-09-17").await;
    world
}

#[tokio::test]
async fn json_keeps_the_keys_that_others_script_against() {
    let world = september().await;
    let dir = world.dir();
    let explained = json(&dir, &["explain", "T1", "--json"]);
    has(
        &explained,
        &[
            "code",
            "status",
            "agency",
            "due",
            "reckoning",
            "verdicts",
            "messages",
            "next",
        ],
    );
    has(&explained["verdicts"][0], &["rule", "step", "verdict", "reason", "at"]);
    let report = json(&dir, &["report", "--month", "2021-09", "--format", "json"]);
    has(
        &report,
        &[
            "period",
            "revision",
            "total",
            "change",
            "procedures",
            "flagged",
            "under_follow_up",
            "opening_stock",
            "carried_over",
            "new_in_period",
            "unsatisfied",
            "excluded",
            "reply_before",
            "state",
            "units",
        ],
    );
    let outbox = json(&dir, &["outbox", "list", "--json"]);
    has(
        &outbox["messages"][0],
        &[
            "id",
            "state",
            "channel",
            "unit",
            "role",
            "rules",
            "steps",
            "notices",
            "attempts",
            "created_at",
            "next_attempt_at",
            "reason",
        ],
    );
    has(
        &json(&dir, &["status", "--json"]),
        &[
            "version",
            "last_turn",
            "waiting",
            "oldest_waiting_s",
            "dead",
            "unknown",
            "calendar_until",
        ],
    );
    let year = json(&dir, &["calendar", "year", "2021", "--json"]);
    has(
        &year,
        &["year", "working_days", "closures", "worked_saturdays", "provisional"],
    );
    has(&year["closures"][0], &["date", "label"]);
    let due = json(
        &dir,
        &["calendar", "due", "--from", "2021-08-31", "--add", "5wd", "--json"],
    );
    has(&due, &["from", "add", "due", "provisional", "reckoning"]);
    assert_eq!(due["due"], "2021-09-09T17:00:00+07:00");
    has(&json(&dir, &["check", "--offline", "--json"]), &["problems"]);
}

// The mail server of the story answers while the command runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_says_what_its_turn_did() {
    let mut world = september().await;
    world.stop().await;
    world.ticket("T3", "Sở Y tế", "2021-09-01 09:00").await;
    let once = json(&world.dir(), &["once", "--at", "2021-09-20 08:00", "--json"]);
    has(
        &once,
        &[
            "at", "seen", "changed", "rejected", "decided", "enqueued", "accepted", "later", "unknown", "dead",
            "waiting",
        ],
    );
    assert_eq!(once["at"], "2021-09-20T08:00:00+07:00");
    // T1 reaches the third step, T3 the first: one mail to the head, one to the contact.
    assert_eq!((&once["changed"], &once["accepted"]), (&1.into(), &2.into()));
    assert_eq!(world.told(), ["giamdoc-syt: T1 overdue/L3", "syt: T3 overdue/L1"]);
    let earlier = dondoc(&world.dir(), &["once", "--at", "2021-09-17 08:00"]);
    assert_eq!(earlier.status.code(), Some(1));
    assert!(said(&earlier).contains("time only goes forward"), "{}", said(&earlier));
}

#[tokio::test]
async fn a_ticket_is_explained_from_its_deadline_to_what_comes_next() {
    let world = september().await;
    // Mails over several connections arrive in any order, and the server's answer counts them.
    let explained = |arguments: &[&str]| {
        let said = text(&dondoc(&world.dir(), &[&["explain", "T1"], arguments].concat()));
        let lines = said.lines().map(|line| line.split(" kept as ").next().unwrap_or(line));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    insta::assert_snapshot!("explain_overdue", explained(&[]));
    let earlier = explained(&["--at", "2021-09-10 09:00"]);
    insta::assert_snapshot!("explain_earlier", earlier);
    let unknown = dondoc(&world.dir(), &["explain", "T9"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(said(&unknown).contains("ticket T9 is not known"), "{}", said(&unknown));
}

#[tokio::test]
async fn a_message_is_shown_with_its_attempts_and_text() {
    let world = september().await;
    let outbox = json(&world.dir(), &["outbox", "list", "--json"]);
    let messages = outbox["messages"].as_array().expect("a list");
    let of = |m: &Value| format!("{}/{} {} {}", m["unit"], m["role"], m["rules"], m["state"]).replace('"', "");
    let mut all: Vec<String> = messages.iter().map(of).collect();
    // Of one instant's messages none is the first.
    all.sort();
    assert_eq!(
        all,
        [
            "SXD/contact [@settled] accepted",
            "SXD/contact [overdue] accepted",
            "SYT/contact [overdue] accepted",
            "SYT/head [overdue] accepted"
        ]
    );
    let first = messages.iter().find(|m| of(m).starts_with("SXD/contact [overdue]"));
    let id = first.expect("it is there")["id"].as_str().expect("an id");
    let shown = dondoc(&world.dir(), &["outbox", "show", id]);
    assert!(text(&shown).contains("    1. T2"), "{}", text(&shown));
    assert_eq!(dondoc(&world.dir(), &["outbox", "show", "none"]).status.code(), Some(1));
    assert_eq!(
        dondoc(&world.dir(), &["outbox", "list", "--state", "lost"])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn wrong_usage_and_a_wrong_configuration_have_codes_of_their_own() {
    let dir = tempfile::tempdir().expect("a folder");
    let code = |arguments: &[&str]| dondoc(dir.path(), arguments).status.code();
    assert_eq!(code(&["dance"]), Some(2));
    assert_eq!(
        code(&["once", "--at", "soon"]),
        Some(78),
        "the configuration is read first: there is none"
    );
    let shipped = dir.path().join("my");
    assert_eq!(code(&["init", shipped.to_str().expect("a path")]), Some(0));
    assert_eq!(
        code(&["init", shipped.to_str().expect("a path")]),
        Some(1),
        "what is there stays"
    );
    let in_shipped = |arguments: &[&str]| dondoc(&shipped, arguments).status.code();
    assert_eq!(in_shipped(&["check", "--offline"]), Some(0));
    assert_eq!(
        in_shipped(&["check"]),
        Some(1),
        "the files are sound, and nothing answers yet"
    );
    assert_eq!(in_shipped(&["once", "--at", "soon"]), Some(2));
    assert_eq!(
        in_shipped(&["calendar", "due", "--from", "2021-08-31", "--add", "5w"]),
        Some(2)
    );
    assert_eq!(in_shipped(&["report", "--month", "August"]), Some(2));
    assert_eq!(in_shipped(&["status"]), Some(1), "no store yet");
    assert_eq!(in_shipped(&["once"]), Some(1), "no ticket database");
    std::fs::write(shipped.join("rules/bad.toml"), "[[rule]]\nid = 3\n").expect("a file");
    assert_eq!(in_shipped(&["check", "--offline"]), Some(78));
    assert_eq!(in_shipped(&["status"]), Some(78));
}

#[tokio::test]
async fn an_output_that_nobody_reads_to_its_end_is_no_failure_and_a_full_disk_is_one() {
    let world = september().await;
    let run = |end: &str| {
        let command = format!(
            "{} --config {} outbox list --json {end}",
            env!("CARGO_BIN_EXE_dondoc"),
            world.dir().display()
        );
        Command::new("bash")
            .args(["-c", &format!("set -o pipefail; {command}")])
            .output()
            .expect("a shell")
    };
    let closed = run("| true");
    assert!(!said(&closed).contains("panicked"), "{}", said(&closed));
    let full = run("> /dev/full");
    assert_eq!(full.status.code(), Some(1));
    assert!(
        said(&full).contains("standard output cannot be written"),
        "{}",
        said(&full)
    );
}

#[tokio::test]
async fn check_asks_the_source_the_store_and_the_mail_server_and_names_unmapped_status_words() {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.ticket("T2", "Sở Y tế", "2021-09-06 09:10").await;
    world.change("T2", "2021-09-06 10:00", "status = 'treo'").await;
    world.turn("2021-09-06 11:00").await;
    let check = |arguments: &'static [&'static str]| {
        let dir = world.dir();
        // The mail server runs in this test: it has to be let.
        async move {
            tokio::task::spawn_blocking(move || dondoc(&dir, arguments))
                .await
                .expect("dondoc")
        }
    };
    let well = check(&["check"]).await;
    assert_eq!(well.status.code(), Some(0), "{}", text(&well));
    let lines = text(&well);
    assert!(lines.contains("source   2 rows, 2 status words"), "{lines}");
    assert!(lines.contains("store    last turn 2021-09-06 11:00"), "{lines}");
    assert!(lines.contains(" takes mail"), "{lines}");
    assert!(lines.contains("1  treo = not mapped"), "{lines}");
    assert!(
        lines.contains("warning: status word `treo` (1 rows) is not in [source.status]"),
        "{lines}"
    );

    world.lose_source().await;
    let down: Value = serde_json::from_slice(&check(&["check", "--json"]).await.stdout).expect("JSON");
    let answers: Vec<(&str, bool)> = down["connections"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|c| (c["what"].as_str().expect("a name"), c["answers"] == true))
        .collect();
    assert_eq!(answers, [("source", false), ("store", true), ("smtp", true)]);
    let problems = down["problems"].as_array().expect("a list");
    let errors = problems.iter().filter(|problem| problem["severity"] == "error");
    assert_eq!(errors.count(), 1, "the source: {problems:?}");
    assert_eq!(check(&["check"]).await.status.code(), Some(1));
    assert_eq!(check(&["check", "--offline"]).await.status.code(), Some(0));
}

#[test]
fn shells_learn_every_command() {
    let nowhere = Path::new("/nonexistent");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = dondoc(nowhere, &["completions", shell]);
        assert!(output.status.success(), "{shell}: {}", said(&output));
        let script = text(&output);
        for word in ["send-test", "completions", "since"] {
            assert!(script.contains(word), "{shell} knows {word}");
        }
    }
    let syntax = Command::new("bash")
        .args(["-n", "-c", &text(&dondoc(nowhere, &["completions", "bash"]))])
        .status();
    assert!(syntax.expect("bash").success());
}

#[test]
fn every_command_has_a_manual_page() {
    let nowhere = Path::new("/nonexistent");
    let page = text(&dondoc(nowhere, &["man"]));
    assert!(
        page.contains(".TH dondoc 1") && page.contains(".SH SUBCOMMANDS"),
        "{page}"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("man1");
    let output = dondoc(nowhere, &["man", &dir.display().to_string()]);
    assert!(output.status.success(), "{}", said(&output));
    for name in ["dondoc", "dondoc-check", "dondoc-outbox-retry", "dondoc-man"] {
        let page = std::fs::read_to_string(dir.join(format!("{name}.1"))).expect(name);
        assert!(page.contains(&format!(".TH {name} 1")), "{page}");
    }
    let output = dondoc(nowhere, &["man", "/dev/null/man1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("the pages cannot be written to /dev/null/man1"));
}

#[tokio::test]
async fn check_and_status_say_that_the_entered_holidays_end() {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    world.turn("2021-09-06 07:00").await;
    let warns = |world: &World| {
        let check = text(&dondoc(&world.dir(), &["check", "--offline"]));
        let status = text(&dondoc(&world.dir(), &["status"]));
        [check, status].map(|said| {
            let mut lines = said.lines();
            let line = lines.find(|line| line.contains("official holidays"));
            line.map(|line| line.replace(&format!("{}/", world.dir().display()), ""))
        })
    };
    let entered = |text: String| {
        let (before, after) = text.split_once("filled_until = \"").expect("the key");
        format!("{before}filled_until = \"2049-{}", &after[5..])
    };
    world.write("calendar.toml", entered);
    assert_eq!(warns(&world), [None, None]);
    world.write("calendar.toml", |text| {
        text.replace("filled_until = \"2049", "filled_until = \"2024")
    });
    assert_eq!(
        warns(&world),
        [
            Some("calendar.toml:23:16: warning: official holidays are entered until 2024-12-31 only (what follows is provisional; enter the next year's days)".to_owned()),
            Some("! official holidays are entered until 2024-12-31 only: enter the next year's days in calendar.toml".to_owned()),
        ]
    );
}
