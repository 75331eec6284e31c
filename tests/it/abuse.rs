//! What somebody could write into a ticket, or a server send, to harm whoever reads it: values that are headers, commands,
//! markup, formulas or terminal codes to the next program, texts without end, peers without end.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, TimeDelta};
use dondoc::channel::smtp::Smtp;
use dondoc::channel::webhook::Webhooks;
use dondoc::config::settings::{SmtpSettings, SmtpTls, WebhookSettings};
use dondoc::source::decode::COLUMNS;
use mail_parser::MessageParser;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::cli::{said, text};
use crate::readers;
use crate::tickets::Kind;
use crate::webhooks::receiver::{Do, Receiver};
use crate::world::{FIVE_DAYS, LADDER, World};

// Values.

/// Each is a command, markup or a lie to some program that reads it.
const HARMFUL: [&str; 10] = [
    "x\r\nBcc: ke.trom@do.example\r\n\r\nThan thu khac",
    "x\r\n.\r\nMAIL FROM:<ke.trom@do.example>\r\n",
    "</td></tr></table><script>alert(1)</script><img src=x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)\" x=\"",
    "\u{1b}[2J\u{1b}]0;chiem\u{7}",
    "x\n2021-09-14T01:00:00.000000Z ERROR dondoc: dong nhat ky gia",
    "gpj.\u{202e}xlsx \u{2066}nguoc\u{2069}\u{200b}",
    "{{ 7 * 191 }}{% include 'words.j2' %}{{ section.lines }}",
    "=HYPERLINK(\"http://do.example\",\"xem\")",
    "\u{2028}dong moi\u{2029}\u{85}",
];

/// A ticket for each value in each column but the code, and one for each value in the code.
async fn poison(world: &World) {
    for column in COLUMNS {
        for (n, harmful) in HARMFUL.iter().enumerate() {
            let code = format!("{}-{n}", column.replace('_', "-"));
            world.ticket(&code, "Sở Y tế", "2021-09-06 09:00").await;
            let value = match column {
                "url" => format!("https://1022.tinh.example/p?id={harmful}"),
                "code" => format!("{code} {harmful}"),
                _ => (*harmful).to_owned(),
            };
            let value = value.replace('\'', "''");
            world
                .sql(&format!("UPDATE ticket SET {column} = '{value}' WHERE code = '{code}'"))
                .await;
        }
    }
}

fn run(config: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dondoc"))
        .env("DONDOC_LOG", "dondoc=trace")
        .arg("--config")
        .arg(config)
        .args(arguments)
        .output()
        .expect("dondoc")
}

/// What could move a cursor, begin a line or turn the reading around where there is only text.
fn is_treacherous(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn assert_is_plain(place: &str, text: &str) {
    let bad: Vec<&str> = text
        .lines()
        .filter(|line| line.contains(is_treacherous))
        .take(3)
        .collect();
    assert!(bad.is_empty(), "{place}: {bad:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_of_any_column_is_a_header_a_command_markup_a_formula_or_a_line_of_the_log() {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}").replace(
        "template = \"overdue-1\"",
        "via = [\"email\", \"webhook\"]\ntemplate = \"overdue-1\"",
    ))
    .await;
    let hook = Receiver::start(None, Do::Say("HTTP/1.1 204 No Content\r\n\r\n".into())).await;
    let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    std::fs::write(world.dir().join("a.key"), key).expect("a key");
    world.write("dondoc.toml", |text| {
        text + "\n[webhooks]\nallowed_private = [\"127.0.0.0/8\"]\n\n[privacy]\nshow_title = true\n"
    });
    let endpoint = format!(
        "{{ id = \"syt\", url = \"http://{}/syt\", key_files = [\"a.key\"] }}",
        hook.address
    );
    world
        .edit("agencies.toml", |text| {
            text.replace(
                "name = \"Sở Y tế\"",
                &format!("name = \"Sở Y tế\"\nwebhooks = [{endpoint}]"),
            )
        })
        .await;
    world.turn("2021-09-01 07:00").await;
    poison(&world).await;
    world.stop().await;

    let dir = world.dir();
    for (at, form) in [
        ("2021-09-14 08:00", "text"),
        ("2021-09-16 08:00", "json"),
        ("2021-09-20 08:00", "text"),
    ] {
        let turn = run(&dir, &["--log-format", form, "once", "--at", at]);
        assert!(turn.status.success(), "{}", said(&turn));
        let log = said(&turn);
        assert!(log.lines().count() > 10, "{log}");
        assert_is_plain("the log", &log);
        for line in log.lines() {
            let begins_as_one = match form {
                "json" => serde_json::from_str::<Value>(line).is_ok_and(|v| v["timestamp"].is_string()),
                // Times of the log are of today; a forged one is of the tickets' year.
                _ => line
                    .get(..20)
                    .is_some_and(|t| t.starts_with("20") && !t.starts_with("2021")),
            };
            assert!(begins_as_one, "{line}");
        }
    }
    let listed = text(&run(&dir, &["outbox", "list"]));
    assert_is_plain("outbox list", &listed);
    assert_is_plain("status", &text(&run(&dir, &["status"])));
    for code in [
        "agency-4",
        "category-5",
        "status-6",
        "stage-9",
        "tags-0",
        "url-1",
        "waiting-on-2",
    ] {
        let explained = text(&run(&dir, &["explain", code]));
        assert!(explained.contains(code), "{explained}");
        assert_is_plain("explain", &explained);
    }
    for line in listed.lines().take(6) {
        let shown = run(&dir, &["outbox", "show", line.split(' ').next().unwrap_or_default()]);
        assert_is_plain("outbox show", &text(&shown).replace('\r', ""));
    }

    let mails = world.mails();
    let mut lists = 0;
    for bytes in &mails {
        let raw = String::from_utf8_lossy(bytes);
        let head = raw.split("\r\n\r\n").next().unwrap_or_default();
        let names: Vec<&str> = head
            .lines()
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| line.split(':').next())
            .collect();
        let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
        for name in &names {
            *counted.entry(*name).or_default() += 1;
        }
        assert!(!names.contains(&"Bcc") && counted.values().all(|n| *n == 1), "{head}");
        let mail = MessageParser::default().parse(bytes).expect("a mail");
        assert_is_plain("a subject", mail.subject().unwrap_or_default());
        let to: Vec<&str> = mail
            .to()
            .expect("recipients")
            .iter()
            .filter_map(|a| a.address())
            .collect();
        assert!(to.iter().all(|a| a.ends_with("@tinh.example")), "{to:?}");
        let plain = mail.body_text(0).unwrap_or_default();
        assert_is_plain("a text", &plain.replace('\r', ""));
        let html = mail.body_html(0).unwrap_or_default();
        assert_is_plain("an HTML part", &html.replace('\r', ""));
        for markup in ["<script", "<img", "onerror=alert(1)>", "\" onmouseover=\"", "1337"] {
            assert!(!html.contains(markup), "{markup}");
        }
        assert!(!plain.contains("1337"), "a value is no template");
        for list in mail.attachments().filter(|a| a.contents().starts_with(b"PK")) {
            lists += 1;
            let parts = readers::unzipped(list.contents()).to_string();
            assert!(!parts.contains("<f>"), "a workbook computes nothing");
            assert!(!parts.contains(is_treacherous), "a workbook");
        }
    }
    assert!(mails.len() > 3 && lists > 0, "{} mails, {lists} lists", mails.len());
    let posts = hook.posts();
    assert!(!posts.is_empty());
    for post in &posts {
        let body: Value = serde_json::from_slice(&post.body).expect("JSON");
        let tickets = body["tickets"].as_array().expect("tickets");
        for ticket in tickets {
            for (name, value) in ticket.as_object().expect("an object") {
                assert_is_plain(name, value.as_str().unwrap_or_default());
            }
        }
    }
}

// Texts without end.

#[tokio::test(flavor = "multi_thread")]
async fn rows_with_texts_of_a_hundred_megabytes_are_read_up_to_what_is_looked_at() {
    let classify = "\n[[classify]]\nid = \"by-text\"\nwhere = { text.text_has = [\"nhạc\"] }\ncategory = \"y_te\"\n";
    for (kind, letters) in [
        (Kind::Sqlite, 100_000_000),
        (Kind::Postgres, 100_000_000),
        (Kind::MariaDb, 8_000_000),
    ] {
        let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}{classify}"))
            .await
            .with_tickets_on(kind)
            .await;
        if kind == Kind::MariaDb {
            for column in ["title", "body", "agency", "category"] {
                world.sql(&format!("ALTER TABLE ticket MODIFY {column} LONGTEXT")).await;
            }
        }
        world.turn("2021-09-06 07:00").await;
        for n in 0..6 {
            world.ticket(&format!("T{n}"), "Sở Y tế", "2021-09-06 09:00").await;
        }
        let long = kind
            .of([
                format!("hex(zeroblob({}))", letters / 2),
                format!("repeat('x', {letters})"),
                format!("REPEAT('x', {letters})"),
            ]
            .each_ref()
            .map(String::as_str))
            .to_owned();
        for (code, column) in [
            ("T1", "title"),
            ("T2", "body"),
            ("T3", "agency"),
            ("T4", "category"),
            ("T5", "body"),
        ] {
            world
                .sql(&format!("UPDATE ticket SET {column} = {long} WHERE code = '{code}'"))
                .await;
        }
        world.stop().await;
        // The whole process within less than what the rows hold together.
        let mut limited = Command::new("prlimit");
        limited.arg("--as=1000000000").arg(env!("CARGO_BIN_EXE_dondoc"));
        limited
            .env("DONDOC_LOG", "info")
            .env("TOKIO_WORKER_THREADS", "2")
            .env("MALLOC_ARENA_MAX", "2");
        let turn = limited
            .arg("--config")
            .arg(world.dir())
            .args(["once", "--json", "--at", "2021-09-14 08:00"])
            .output()
            .expect("prlimit");
        assert!(turn.status.success(), "{kind:?}: {} {}", text(&turn), said(&turn));
        let report: Value = serde_json::from_slice(&turn.stdout).expect("JSON");
        assert_eq!(report["changed"], 6, "{kind:?}: {report}");
        let problems = report["problems"].to_string();
        for named in [
            "column agency is longer than 2000",
            "column category is longer than 2000",
        ] {
            assert!(problems.contains(named), "{kind:?}: {problems}");
        }
        let told = world.told().join(" ");
        for code in ["T0", "T1", "T2", "T4", "T5"] {
            assert!(told.contains(code), "{kind:?}: {told}");
        }
    }
}

// Peers without end.

/// A server that sends the first bytes and then the others on and on, for as long as it is listened to; and how many bytes
/// it got rid of. It reads nothing unless it `hears` first.
async fn chatterbox(first: &'static str, on_and_on: &'static str, hears: bool) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    tokio::spawn(async move {
        let chunk = on_and_on.repeat(65_536 / on_and_on.len());
        while let Ok((mut stream, _)) = listener.accept().await {
            if hears {
                let _ = stream.read(&mut [0; 4096]).await;
            }
            if stream.write_all(first.as_bytes()).await.is_err() {
                continue;
            }
            while stream.write_all(chunk.as_bytes()).await.is_ok() {
                counter.fetch_add(chunk.len(), Ordering::SeqCst);
            }
        }
    });
    (address, sent)
}

/// More than the buffers of two loopback sockets take beside what is read.
const ENOUGH: usize = 16 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_sends_gigabytes_is_not_listened_to_for_long() {
    for (first, on_and_on) in [
        ("", "x"),
        ("220-", "x"),
        ("", "220-welcome\r\n"),
        ("220 hi\r\n250-", "x"),
        ("220 hi\r\n", "250-8BITMIME\r\n"),
    ] {
        let (address, sent) = chatterbox(first, on_and_on, false).await;
        let settings = SmtpSettings {
            bounces: None,
            host: "127.0.0.1".to_owned(),
            port: address.port(),
            tls: SmtpTls::None,
            authorities: None,
            login: None,
            hello: "1022.dongthap.example".to_owned(),
            connections: 1,
            timeout: TimeDelta::seconds(30),
        };
        let to = ["soyte@dongthap.example".to_owned()];
        let answer = Smtp::new(&settings)
            .send(&mut None, "dondoc@1022.example", &to, b"Subject: x\r\n\r\n")
            .await;
        let why = answer.failure().expect("no mail");
        assert_eq!(
            (answer.word(), why.kind.class()),
            ("later", "garbled"),
            "{first:?} {on_and_on:?}: {why}"
        );
        assert!(sent.load(Ordering::SeqCst) < ENOUGH, "{first:?} {on_and_on:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_sends_gigabytes_is_not_listened_to_for_long() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for (first, on_and_on, answer) in [
        ("", "x", "unknown"),
        ("HTTP/1.1 200 OK\r\nx: ", "x", "unknown"),
        ("HTTP/1.1 200 OK\r\n", "x: y\r\n", "unknown"),
        (chunked, "1\r\nx\r\n", "accepted"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9000000000\r\n\r\n", "x", "accepted"),
        ("HTTP/1.1 500 No\r\ncontent-length: 9000000000\r\n\r\n", "x", "later"),
    ] {
        let (address, sent) = chatterbox(first, on_and_on, true).await;
        let settings = WebhookSettings {
            allowed_private: vec!["127.0.0.0/8".parse().expect("a network")],
            disable_after: TimeDelta::days(5),
            timeout: TimeDelta::seconds(30),
            in_flight: 32,
            authorities: Some(Vec::new()),
            keys: [(
                "syt".to_owned(),
                vec!["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".into()],
            )]
            .into(),
        };
        let webhooks = Webhooks::new(&settings).expect("a way");
        let url = format!("http://{address}/");
        let came_to = webhooks.post("syt", &url, "m-1.1", b"{}", DateTime::UNIX_EPOCH).await;
        assert_eq!(came_to.word(), answer, "{first:?} {on_and_on:?}: {came_to:?}");
        assert!(sent.load(Ordering::SeqCst) < ENOUGH, "{first:?} {on_and_on:?}");
    }
}

// Templates without end.

const BOMBS: [&str; 4] = [
    "{% block subject %}x{% endblock %}{% block intro %}{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}{% endblock %}",
    "{% macro again() %}{{ again() }}{% endmacro %}{% block subject %}{{ again() }}{% endblock %}",
    "{% block subject %}{{ self.subject() }}{% endblock %}",
    "{% block subject %}{{ range(100000000000) | list }}{% endblock %}",
];

#[tokio::test]
async fn a_template_without_end_costs_its_letters_their_words_and_nobody_else_anything() {
    for bomb in BOMBS {
        let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
        world.turn("2021-09-06 07:00").await;
        world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
        // The head hears of it by another template on the same day.
        world.ticket("T2", "Sở Xây dựng", "2021-08-31 09:00").await;
        world.days("2021-09-07", "2021-09-13").await;
        world.edit("templates/overdue-1.txt.j2", |_| bomb.to_owned()).await;
        let report = world.turn("2021-09-14 08:00").await;
        assert!(
            report.problems().iter().any(|p| p.contains("overdue-1.txt.j2")),
            "{:?}",
            report.problems()
        );
        let told = world.told();
        assert_eq!(told, ["giamdoc-sxd: T2 overdue/L2", "syt: T1 overdue/L1"], "{bomb}");
    }
}
