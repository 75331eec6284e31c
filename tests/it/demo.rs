//! The demo: its generated hotline, one whole run through engine and SMTP, and what came of it reckoned anew.
//!
//! Nothing here asks the engine what it should have done: figures are counted with plain SQL on the ticket database, and
//! what was owed to whom is worked out from the list of changes.

mod balance;
mod counted;
mod generator;
mod owed;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use balance::{BY_DEADLINE, Counts};
use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use counted::Ledger;
use dondoc::cli::demo;
use dondoc::demo::generate::{COLUMNS, Cell, MonthTotals, Totals, World};
use dondoc::demo::reading::Letter;
use dondoc::demo::{Outcome, SEED, Stage};
use dondoc::domain::Moment;
use owed::Line;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// The demo, played once for all tests here.
struct Played {
    world: World,
    turns: Vec<Moment>,
    outcome: Outcome,
    /// What it says at its end.
    said: String,
    /// What `dondoc report` says of July to September.
    reports: [Value; 3],
    mails_in_folder: usize,
    /// What `dondoc audit` said after the last turn of some days.
    audits: BTreeMap<NaiveDate, Value>,
}

/// Days on which the demo is audited: in its first week, when the month has turned, and at its end.
const AUDITED: [&str; 5] = ["2021-08-03", "2021-08-20", "2021-09-01", "2021-09-30", "2021-10-01"];

static PLAYED: OnceCell<Played> = OnceCell::const_new();

/// The demo as everybody sees it.
async fn played() -> &'static Played {
    PLAYED.get_or_init(|| play(SEED, Totals::seed())).await
}

async fn play(seed: u64, totals: Totals) -> Played {
    let dir = TempDir::new().expect("a folder");
    let stage = Stage::set(dir.path(), seed, &totals).await.expect("laid out");
    let (world, turns) = (stage.world().clone(), stage.instants());
    let audits = Mutex::new(BTreeMap::new());
    let outcome = stage.play(|day| {
        if AUDITED.contains(&&*day.to_string()) {
            let said = audit(dir.path(), day);
            audits.lock().expect("the lock").insert(day, said);
        }
    });
    let outcome = outcome.await.expect("played");
    crate::schema::takes(&dir.path().join("config"));
    Played {
        audits: audits.into_inner().expect("the lock"),
        world,
        turns,
        said: demo::text(&outcome),
        reports: ["2021-07", "2021-08", "2021-09"].map(|month| report(dir.path(), month)),
        mails_in_folder: dir.path().join("mails").read_dir().expect("a folder").count(),
        outcome,
    }
}

/// The turn at night that freezes September: what came in its last hours is read, and nothing goes out.
const END: &str = "2021-10-01 02:00:00";

/// `dondoc report` on a demo's folder.
fn report(dir: &Path, month: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_dondoc"))
        .args(["report", "--month", month, "--format", "json", "--config"])
        .arg(dir.join("config"))
        .output()
        .expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// `dondoc audit` on a demo's folder, beside the engine, after the last turn of a day.
fn audit(dir: &Path, day: NaiveDate) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_dondoc"))
        .args([
            "audit",
            "--json",
            "--at",
            &format!("{day}T{}", last_turn(day)),
            "--config",
        ])
        .arg(dir.join("config"))
        .output()
        .expect("runs");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// The demo ends with the office hours of its last day.
fn last_turn(day: NaiveDate) -> &'static str {
    match day.to_string().as_str() {
        "2021-10-01" => "17:00",
        _ => "21:00",
    }
}

/// A local time of Việt Nam, written `2021-08-01 07:30:00`.
fn local(text: &str) -> Moment {
    let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").expect("a local time");
    (naive - TimeDelta::hours(7)).and_utc()
}

/// A smaller hotline than the seed's, of other proportions.
fn other_totals() -> Totals {
    let month = |received, procedures, flagged, unsatisfied, excluded, open_new, open_carried| MonthTotals {
        received,
        procedures,
        flagged,
        unsatisfied,
        excluded,
        open_new,
        open_carried,
    };
    Totals {
        months: [
            month(700, 40, 9, 14, 2, 33, 5),
            month(950, 130, 41, 45, 11, 52, 22),
            month(620, 3, 1, 2, 0, 9, 30),
        ],
    }
}

#[tokio::test]
async fn the_demo_says_who_was_told_what_and_how_often() {
    let played = played().await;
    let said = played
        .said
        .replace(&played.outcome.dir.display().to_string(), "[folder]");
    let id = regex::Regex::new("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").expect("a pattern");
    insta::assert_snapshot!(id.replace_all(&said, "[message id]"));
    assert_eq!(played.mails_in_folder, played.outcome.letters.len());
}

#[tokio::test]
async fn whenever_the_demo_is_audited_all_that_is_owed_has_a_recorded_fate() {
    let audits = &played().await.audits;
    assert_eq!(audits.keys().map(ToString::to_string).collect::<Vec<_>>(), AUDITED);
    for (day, said) in audits {
        assert!(said["checked"].as_u64().is_some_and(|n| n > 4000), "{day}: {said:#}");
        assert_eq!((&said["findings"], &said["clean"]), (&json!([]), &json!(true)), "{day}");
    }
}

#[tokio::test]
async fn every_claim_holds_on_the_mails_that_were_received() {
    for finding in &played().await.outcome.findings {
        assert!(finding.looked_at > 1000, "{finding:?}");
        assert_eq!(finding.against, [""; 0], "{}", finding.claim);
    }
}

/// What the mails told, line by line.
fn received(letters: &[Letter]) -> BTreeSet<Line> {
    let mut lines = BTreeSet::new();
    for letter in letters {
        for (ticket, rule, step) in letter.told() {
            lines.insert(Line {
                at: owed::local(letter.date),
                to: letter.to.join(", "),
                ticket: ticket.to_owned(),
                rule: rule.to_owned(),
                step: step.to_owned(),
            });
        }
    }
    lines
}

/// Compares both ways what was owed and what was received, and hands back what was.
fn assert_kept(played: &Played) -> BTreeSet<Line> {
    let owed = owed::owed(&played.world, &played.turns);
    let mut received = received(&played.outcome.letters);
    // What is owed by the directive is no ticket's.
    received.retain(|line| !line.ticket.starts_with("2021-08/"));
    let missing: Vec<&Line> = owed.difference(&received).collect();
    let unexpected: Vec<&Line> = received.difference(&owed).collect();
    assert!(
        missing.is_empty() && unexpected.is_empty(),
        "{} owed, {} received; {} missing:\n{}{} unexpected:\n{}",
        owed.len(),
        received.len(),
        missing.len(),
        listed(&missing),
        unexpected.len(),
        listed(&unexpected),
    );
    owed
}

#[tokio::test]
async fn every_reminder_that_was_owed_was_received_at_its_hour_and_no_other_was() {
    let mut steps: BTreeMap<String, usize> = BTreeMap::new();
    for line in assert_kept(played().await) {
        *steps.entry(format!("{}/{}", line.rule, line.step)).or_default() += 1;
    }
    insta::assert_debug_snapshot!("lines_owed_by_rule_and_step", steps);
}

fn listed(lines: &[&Line]) -> String {
    let first = lines.iter().take(60);
    first
        .map(|l| format!("  {} {} {} {}/{}\n", l.at, l.to, l.ticket, l.rule, l.step))
        .collect()
}

#[tokio::test]
async fn what_is_confidential_or_about_conduct_goes_alone_and_to_heads_only() {
    let played = played().await;
    let is_sensitive = |row: &&Vec<Cell>| {
        let cell = |column| &row[COLUMNS.iter().position(|c| *c == column).expect("a column")];
        *cell("confidential") != Cell::Integer(0) || *cell("tags") == Cell::from("conduct")
    };
    let rows = played.world.rows_at(local("2021-10-01 00:00:00"));
    let code = |row: &Vec<Cell>| match &row[0] {
        Cell::Text(code) => code.clone(),
        other => panic!("{other:?}"),
    };
    let sensitive: BTreeSet<String> = rows.iter().flatten().filter(is_sensitive).map(code).collect();
    let mut alone = 0;
    for letter in &played.outcome.letters {
        let told: BTreeSet<&str> = letter.told().map(|(ticket, _, _)| ticket).collect();
        if told.iter().any(|ticket| sensitive.contains(*ticket)) {
            let to = letter.to.join(", ");
            assert!(!letter.is_digest && told.len() == 1, "{} to {to}", letter.message_id);
            assert!(to.starts_with("lanhdao@"), "{} to {to}", letter.message_id);
            alone += 1;
        }
    }
    assert!(alone > 50, "{alone} letters");
}

#[tokio::test]
async fn no_mail_has_anything_of_a_citizen() {
    for letter in &played().await.outcome.letters {
        for private in [
            "Người Được Bịa Ra",
            "0900 000",
            "Phản ánh của người dân",
            "Nội dung phản ánh, kiến nghị.",
        ] {
            assert!(
                !letter.text.contains(private) && !letter.subject.contains(private),
                "{}",
                letter.text
            );
        }
    }
}

#[tokio::test]
async fn a_folder_with_something_in_it_is_left_alone() {
    let dir = TempDir::new().expect("a folder");
    std::fs::write(dir.path().join("mine.txt"), "mine").expect("a file");
    let refused = Stage::set(dir.path(), SEED, &other_totals())
        .await
        .err()
        .expect("refused");
    assert!(refused.to_string().contains("is not empty"), "{refused}");
    assert_eq!(dir.path().read_dir().expect("a folder").count(), 1);
}

// ---- the figures

/// The keys of a report by plain SQL; null where the engine's knowledge does not reach back.
fn figures(month: counted::Month, knows_previous: bool) -> Value {
    let counted::Month {
        totals,
        received_before,
        open_at_start,
    } = month;
    let signed = |n: usize| i64::try_from(n).expect("small");
    json!({
        "total": totals.received,
        "previous_total": knows_previous.then_some(received_before),
        "change": knows_previous.then_some(signed(totals.received) - signed(received_before)),
        "procedures": totals.procedures,
        "flagged": totals.flagged,
        "under_follow_up": totals.open_new + totals.open_carried,
        "opening_stock": open_at_start,
        "carried_over": totals.open_carried,
        "new_in_period": totals.open_new,
        "taken_up_again": 0,
        "unsatisfied": totals.unsatisfied,
        "excluded": totals.excluded,
    })
}

/// Compares the reports of July to September with plain SQL on the ticket database.
async fn assert_reported(played: &Played) {
    let turns: Vec<Moment> = played.turns.iter().copied().filter(|at| *at <= local(END)).collect();
    let mut ledger = Ledger::of(&played.world, END).await;
    ledger.lay_out(&played.world, &turns).await;
    for (month, report) in (7..).zip(&played.reports) {
        let counted = ledger.month(month).await;
        // The first turn was on 1 August; it reads what was touched since the month before began.
        for (key, wanted) in figures(counted, month >= 8).as_object().expect("keys") {
            assert_eq!(&report[key], wanted, "{key} of month {month}");
        }
        assert_eq!(report["violations"], json!([]), "month {month}");
        if month > 7 {
            let (codes, withheld, cards) = ledger.listed(month).await;
            let listed = report["overdue_tickets"].as_array().expect("a list");
            let listed: BTreeSet<String> = listed
                .iter()
                .map(|ticket| ticket["code"].as_str().expect("a code").to_owned())
                .collect();
            assert_eq!(listed, codes, "overdue of month {month}");
            assert!(codes.len() > 20, "{month}: {}", codes.len());
            assert_eq!(report["overdue_withheld"], withheld, "month {month}");
            let stages = ["not_sent", "at_c06", "card_arrived", "data_wrong"];
            assert_eq!(
                stages.map(|stage| report["cards"][stage].as_i64()),
                cards.map(Some),
                "month {month}"
            );
        }
        for (table, of) in balance::TABLES {
            let mut wanted = ledger.balance(month, of).await;
            let letters = &played.outcome.letters;
            ledger
                .add_happenings(&mut wanted, (month, of), &played.world, letters)
                .await;
            assert_rows(
                &wanted,
                &balance::reported(report, table),
                &format!("{table} of month {month}"),
                month,
            );
        }
    }
}

/// Every count of every row. What was seen of July was seen at its end.
fn assert_rows(wanted: &BTreeMap<String, Counts>, found: &BTreeMap<String, Counts>, table: &str, month: u32) {
    let rows: BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
    let nothing = Counts::new();
    for row in rows {
        let (wanted, found) = (wanted.get(row).unwrap_or(&nothing), found.get(row).unwrap_or(&nothing));
        let of_month = |key: &&str| {
            let seen_late = ["transfers", "extensions", "reopenings"].contains(key) || BY_DEADLINE.contains(key);
            month > 7 || !seen_late
        };
        let counted = |counts: &Counts| -> Counts {
            let keys = balance::ALL.into_iter().filter(of_month);
            keys.map(|key| (key.to_owned(), counts.get(key).copied().unwrap_or(0)))
                .collect()
        };
        assert_eq!(counted(found), counted(wanted), "{row} in {table}");
    }
}

#[tokio::test]
async fn the_demo_reports_the_published_figures() {
    let [july, august, september] = &played().await.reports;
    let of = |report: &Value, keys: &[&str]| -> Vec<i64> {
        keys.iter()
            .map(|key| report[*key].as_i64().unwrap_or_else(|| panic!("{key}")))
            .collect()
    };
    assert_eq!(of(july, &["total"]), [3887]);
    let keys = [
        "total",
        "change",
        "procedures",
        "flagged",
        "under_follow_up",
        "unsatisfied",
    ];
    assert_eq!(of(august, &keys), [6034, 2147, 147, 26, 112, 37]);
    assert_eq!(of(september, &["total", "change"]), [11_644, 5610]);
    assert_eq!(
        (&july["change"], &september["state"]),
        (&Value::Null, &json!("provisional"))
    );
    assert_eq!(september["change_from_year_before"], Value::Null, "beyond what is kept");
}

#[tokio::test]
async fn each_month_of_the_demo_begins_with_the_stock_that_the_one_before_ended_with() {
    let [_, august, september] = &played().await.reports;
    for (table, _) in balance::TABLES {
        let (before, after) = (balance::reported(august, table), balance::reported(september, table));
        let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let count = |rows: &BTreeMap<String, Counts>, row: &String, key: &str| {
            rows.get(row).and_then(|counts| counts.get(key)).copied().unwrap_or(0)
        };
        assert!(all.len() > 5, "{table}");
        for row in all {
            let closing = count(&before, row, "open");
            assert_eq!(count(&after, row, "stock_before"), closing, "{row} in {table}");
            let adjusted = closing + count(&after, row, "adjustments");
            assert_eq!(count(&after, row, "opening_stock"), adjusted, "{row} in {table}");
        }
    }
    assert_eq!(september["whole"]["stock_before"], json!(112));
}

#[tokio::test]
async fn the_figures_of_the_demo_are_those_of_plain_sql() {
    let played = played().await;
    assert_reported(played).await;
}

#[tokio::test]
async fn with_another_seed_and_other_totals_all_of_this_holds_too() {
    let played = play(2021, other_totals()).await;
    assert_reported(&played).await;
    let owed = assert_kept(&played);
    assert!(owed.len() > 500, "{} lines", owed.len());
    for finding in &played.outcome.findings {
        assert_eq!(finding.against, [""; 0], "{}", finding.claim);
    }
}

/// What the mails tell of the directive on August: by day how many units' boxes heard what.
#[tokio::test]
async fn what_is_owed_by_the_directive_on_august_is_told_until_the_reply() {
    let played = played().await;
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in received(&played.outcome.letters) {
        if line.ticket.starts_with("2021-08/") {
            let day = format!("{} {}/{}", line.at.date(), line.rule, line.step);
            told.entry(day).or_default().insert(line.to);
        }
    }
    let counts: Vec<String> = told
        .iter()
        .map(|(day, boxes)| format!("{day}: {}", boxes.len()))
        .collect();
    insta::assert_debug_snapshot!("told_of_the_directive", counts);
}

/// The letters of the monthly cycle to the Office: day, hour and subject.
#[tokio::test]
async fn the_office_reads_the_published_paragraphs_and_who_has_not_replied() {
    let played = played().await;
    let is_monthly =
        |letter: &&Letter| letter.text.contains("(@monthly/") && letter.to == ["daumoi@vp.dongthap.example"];
    let letters: Vec<&Letter> = played.outcome.letters.iter().filter(is_monthly).collect();
    let told: Vec<String> = letters
        .iter()
        .map(|letter| format!("{} {}", owed::local(letter.date), letter.subject))
        .collect();
    insta::assert_debug_snapshot!("letters_to_the_office", told);
    let said = |letter: &Letter| letter.text.split_whitespace().collect::<Vec<_>>().join(" ");
    let of = |start: &str| said(letters.iter().find(|l| l.subject.contains(start)).expect("a letter"));
    let august = of("Nhắc việc tháng 9/2021");
    for paragraph in [
        "Từ ngày 01/08/2021 đến ngày 31/08/2021, Tổng đài Thông tin dịch vụ công 1022 tỉnh Đồng Tháp đã tiếp nhận và lập 6.034 phiếu",
        "(tăng 2.147 phiếu so với tháng 7/2021), trong đó 147 phản ánh, kiến nghị và hỏi đáp liên quan đến thủ tục hành chính.",
        "vướng mắc về quy định hành chính 26 phản ánh, kiến nghị",
        "phiếu phát sinh trong kỳ) 112 phản ánh, kiến nghị",
        "chưa hữu ích 37 phiếu",
        "trước ngày 28/09/2021",
    ] {
        assert!(august.contains(paragraph), "{paragraph}: {august}");
    }
    let september = of("Nhắc việc tháng 10/2021");
    for paragraph in [
        "đã tiếp nhận và lập 11.644 phiếu",
        "(tăng 5.610 phiếu so với tháng 8/2021)",
        "Về kết quả tháng 8/2021: 23/30 cơ quan đã gửi báo cáo, trong đó 7 cơ quan gửi muộn",
    ] {
        assert!(september.contains(paragraph), "{paragraph}: {september}");
    }
}
