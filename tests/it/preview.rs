//! `dondoc preview`, the program itself, beside an engine that holds the store: it shows what then goes out, says why it
//! shows nothing, and leaves no trace.

use std::path::Path;

use regex::Regex;
use serde_json::Value;

use crate::cli::{dondoc, said, text};
use crate::readers;
use crate::world::{FIVE_DAYS, LADDER, World};

/// Tickets of two agencies that are due for L1 on Tuesday 14/9/2021 at seven; their digests are due at eight. T3 is
/// confidential and goes alone.
async fn before_the_digest() -> World {
    before_the_digest_in("live").await
}

async fn before_the_digest_in(mode: &str) -> World {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    world
        .edit("dondoc.toml", |text| {
            text.replace("[delivery]", &format!("[delivery]\nmode = \"{mode}\""))
        })
        .await;
    world.turn("2021-09-06 07:00").await;
    for code in ["T1", "T2", "T3"] {
        world.ticket(code, "Sở Y tế", "2021-09-06 09:00").await;
    }
    world.ticket("T4", "Sở Xây dựng", "2021-09-06 09:00").await;
    world.change("T3", "2021-09-06 10:00", "confidential = 1").await;
    world.turn("2021-09-13 16:00").await;
    world
}

/// A mail with the message's own id taken out, in both its writings.
fn without_id(mail: &[u8]) -> String {
    let mail = String::from_utf8(mail.to_vec()).expect("ASCII");
    let id = Regex::new("Message-ID: <([^@]+)@").expect("a pattern");
    let id = id.captures(&mail).expect("an id")[1].to_owned();
    // Quoted-printable may break a line within it.
    let lines = mail.replace("=\r\n", "");
    lines.replace(&id, "[id]").replace(&id.replace('-', ""), "[id]")
}

fn files(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|e| e.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    names
}

/// Everything in the store that a message could leave behind.
async fn traces(world: &World) -> String {
    let codes = ["T1", "T2", "T3", "T4"].map(str::to_owned);
    let tellings = world.store().tellings(&codes).await.expect("a store");
    let tellings: std::collections::BTreeMap<_, _> = tellings.into_iter().collect();
    let messages = world
        .store()
        .messages(None, dondoc::domain::Moment::UNIX_EPOCH, 100)
        .await
        .expect("a store");
    format!(
        "{tellings:?} {messages:?} {:?}",
        world.store().meta().await.expect("meta")
    )
}

#[tokio::test]
async fn what_is_shown_is_what_then_goes_out_byte_for_byte() {
    goes_out_as_shown(before_the_digest().await).await;
}

#[tokio::test]
async fn in_shadow_too() {
    goes_out_as_shown(before_the_digest_in("shadow").await).await;
}

async fn goes_out_as_shown(mut world: World) {
    // At seven what goes alone goes out; what is in the digests is shown already.
    let expected = [
        ("2021-09-14 07:00", "SYT/contact 2, SYT/head 1, SXD/contact 1", 1),
        ("2021-09-14 08:00", "SYT/contact 2, SXD/contact 1", 2),
    ];
    let heading = Regex::new("(?m)^(?:──|also) (.*) by email: ([0-9]+) notices, to ").expect("a pattern");
    for (at, headings, count) in expected {
        let before = traces(&world).await;
        let out = tempfile::tempdir().expect("a folder");
        let arguments = ["preview", "overdue", "L1", "--at", at, "--out"];
        let arguments: Vec<&str> = arguments.into_iter().chain(out.path().to_str()).collect();
        let shown = dondoc(&world.dir(), &arguments);
        assert!(shown.status.success(), "{}", said(&shown));
        assert_eq!(traces(&world).await, before, "nothing is stored");
        assert!(world.mails().is_empty(), "nothing is sent");
        let shown = text(&shown);
        let found: Vec<String> = heading
            .captures_iter(&shown)
            .map(|c| format!("{} {}", &c[1], &c[2]))
            .collect();
        assert_eq!(found.join(", "), headings, "{shown}");
        assert!(shown.starts_with(&format!(
            "overdue/L1 at {at}; nothing is stored or sent\n\n── SYT/contact"
        )));
        assert!(shown.contains("1. T1") && shown.contains("2. T2") && !shown.contains("T3") && !shown.contains("T4"));
        let mails = files(out.path()).into_iter().filter(|f| f.ends_with(".eml"));
        let previewed: Vec<String> = mails
            .map(|name| without_id(&std::fs::read(out.path().join(name)).expect("a mail")))
            .collect();
        world.turn(at).await;
        let sent: Vec<String> = world.mails().iter().map(|mail| without_id(mail)).collect();
        assert_eq!(sent.len(), count);
        for mail in sent {
            assert!(
                previewed.contains(&mail),
                "{mail}\nis none of\n{}",
                previewed.join("\n")
            );
        }
    }
}

#[tokio::test]
async fn one_ticket_is_shown_before_its_time_and_said_to_be_so() {
    let mut world = before_the_digest().await;
    world.turn("2021-09-14 07:00").await;
    let shown = dondoc(&world.dir(), &["preview", "overdue", "L2", "--ticket", "T1"]);
    assert!(shown.status.success(), "{}", said(&shown));
    let shown = text(&shown);
    assert!(
        shown.contains(
            "T1 is not told by it now (not_yet 2021-09-16 07:00: the step falls due later); it would be told this:"
        ),
        "{shown}"
    );
    assert!(shown.contains("── SYT/head by email: 1 notices, to giamdoc-syt@tinh.example") && shown.contains("1. T1"));
    let due = dondoc(&world.dir(), &["preview", "overdue", "L1", "--ticket", "T1"]);
    assert!(!text(&due).contains("is not told"), "{}", text(&due));
}

#[tokio::test]
async fn what_cannot_be_shown_is_said_with_its_reason() {
    let mut world = before_the_digest().await;
    world.answer("T4", "2021-09-14 09:00").await;
    world.turn("2021-09-14 16:00").await;
    let check = |arguments: &[&str], code: i32, words: &str| {
        let arguments: Vec<&str> = std::iter::once("preview").chain(arguments.iter().copied()).collect();
        let output = dondoc(&world.dir(), &arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(words), "{arguments:?}: {}", said(&output));
        assert_eq!(text(&output), "", "{arguments:?}");
    };
    check(
        &["overdu", "L1"],
        2,
        "there is no rule `overdu` (did you mean `overdue`?)",
    );
    check(&["x", "L1"], 2, "there is no rule `x` (known are overdue)");
    check(&["overdue", "L"], 2, "there is no step `L` in rule `overdue` (");
    check(
        &["overdue", "L1", "--ticket", "T9"],
        1,
        "ticket T9 is not known at 2021-09-14 16:00",
    );
    check(
        &["overdue", "L1", "--ticket", "T4"],
        1,
        "overdue/L1 says nothing of ticket T4 at 2021-09-14 16:00: not_concerned: ",
    );
    check(
        &["overdue", "L2"],
        1,
        "no ticket is told by overdue/L2 at 2021-09-14 16:00: 1 not_concerned, 3 not_yet (the first: 2021-09-16 07:00); --ticket",
    );
}

#[tokio::test]
async fn the_words_of_a_step_are_shown_on_data_that_is_marked_as_made_up() {
    let world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    let out = tempfile::tempdir().expect("a folder");
    let arguments = ["preview", "overdue", "L3", "--sample", "--out"];
    let arguments: Vec<&str> = arguments.into_iter().chain(out.path().to_str()).collect();
    let shown = dondoc(&world.dir(), &arguments);
    assert!(shown.status.success(), "{}", said(&shown));
    assert!(
        text(&shown).starts_with("overdue/L3 on made-up data (template overdue-3)\n\nSubject: [MẪU]"),
        "{}",
        text(&shown)
    );
    assert_eq!(files(out.path()), ["sample.eml", "sample.html", "sample.xlsx"]);
    let broken = world.dir().join("templates/overdue-3.txt.j2");
    std::fs::write(broken, "{% block subject %}{{ sectoin }}{% endblock %}").expect("a template");
    let failed = dondoc(&world.dir(), &["preview", "overdue", "L3", "--sample"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(said(&failed).contains("overdue-3.txt.j2:1"), "{}", said(&failed));
}

#[tokio::test]
async fn a_long_list_and_a_webhook_are_files_of_their_own() {
    let rules = LADDER.replace("template =", "via = [\"email\", \"webhook\"]\ntemplate =");
    let mut world = World::new(&format!("{rules}{FIVE_DAYS}")).await;
    std::fs::write(
        world.dir().join("a.key"),
        "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    )
    .expect("a key");
    world
        .edit("agencies.toml", |text| {
            let endpoint = "webhooks = [{ id = \"syt\", url = \"https://syt.example/x\", key_files = [\"a.key\"] }]";
            text.replace("short = \"SYT\"", &format!("short = \"SYT\"\n{endpoint}"))
        })
        .await;
    world.turn("2021-09-06 07:00").await;
    for n in 1..=21 {
        world.ticket(&format!("T{n:02}"), "Sở Y tế", "2021-09-06 09:00").await;
    }
    world.turn("2021-09-13 16:00").await;
    let out = tempfile::tempdir().expect("a folder");
    let arguments = ["preview", "overdue", "L1", "--at", "2021-09-14 08:00", "--out"];
    let arguments: Vec<&str> = arguments.into_iter().chain(out.path().to_str()).collect();
    let shown = dondoc(&world.dir(), &arguments);
    assert!(shown.status.success(), "{}", said(&shown));
    assert!(
        text(&shown).contains("Attached: Danh sach phieu - So Y te - 2021-09-14.xlsx"),
        "{}",
        text(&shown)
    );
    let files = files(out.path());
    let ending = |ending: &str| {
        let found: Vec<&String> = files.iter().filter(|f| f.ends_with(ending)).collect();
        assert_eq!(found.len(), 1, "{files:?}");
        out.path().join(found[0])
    };
    let book = readers::workbook(&ending(".xlsx"));
    assert_eq!(book["sheets"][0]["rows"].as_array().map(Vec::len), Some(22));
    let post: Value = serde_json::from_slice(&std::fs::read(ending(".json")).expect("a file")).expect("JSON");
    assert_eq!(
        (&post["unit"], post["tickets"].as_array().map(Vec::len)),
        (&"SYT".into(), Some(21))
    );
    let html = std::fs::read_to_string(ending(".html")).expect("a file");
    assert!(html.contains("T21"));
}
