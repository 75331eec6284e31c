//! What citizens left in any column of the ticket database stands in nothing that leaves us: no mail with all its parts,
//! no post, no log, no page, nothing that a command prints.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use dondoc::domain::text::fold;
use dondoc::source::decode::COLUMNS;
use mail_parser::{MessageParser, MimeHeaders as _};

use crate::cli::{said, text};
use crate::daemon::Daemon;
use crate::readers;
use crate::tickets::Kind;
use crate::webhooks::receiver::{Do, Receiver};
use crate::world::{FIVE_DAYS, LADDER, World};

/// What people write where they should not.
const WRITTEN: [&str; 8] = [
    "Nguyễn Văn Hùng",
    "bà Lê Thị Bích Liên ở cạnh chợ",
    "0907 123 456",
    "CCCD 087090001234",
    "66-G1 123.45",
    "hung.nguyen@nha.example",
    "Anh Nguyễn Văn Hùng gọi +84 907.123.456 hoặc hung.nguyen@nha.example",
    "Hàng xóm mở nhạc suốt đêm, con tôi không ngủ được, tôi báo mấy lần rồi mà chưa ai xuống giúp gia đình",
];

/// What may be found of it nowhere: names and words without marks, numbers as bare digits.
const NAMES: [&str; 6] = [
    "van hung",
    "bich lien",
    "hung.nguyen",
    "nha.example",
    "suot dem",
    "khong ngu duoc",
];
const NUMBERS: [&str; 4] = ["0907123456", "84907123456", "087090001234", "66G112345"];

/// Everything that left, by where it was found.
#[derive(Default)]
struct Left(Vec<(String, String)>);

impl Left {
    fn add(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.0.push((place.into(), text.into()));
    }

    /// A mail: its bytes, its headers and every part decoded, a workbook's parts too.
    fn add_mail(&mut self, bytes: &[u8]) -> bool {
        let mail = MessageParser::default().parse(bytes).expect("a mail");
        let about = format!("mail «{}»", mail.subject().unwrap_or_default());
        self.add(&about, String::from_utf8_lossy(bytes));
        self.add(&about, mail.subject().unwrap_or_default());
        self.add(&about, format!("{:?}", mail.headers()));
        for part in &mail.parts {
            self.add(&about, part.text_contents().unwrap_or_default());
        }
        let lists: Vec<_> = mail
            .attachments()
            .filter(|a| a.attachment_name().is_some_and(|n| n.ends_with(".xlsx")))
            .collect();
        for list in &lists {
            self.add(&about, readers::unzipped(list.contents()).to_string());
        }
        !lists.is_empty()
    }

    /// What a command printed, with its log in all detail.
    fn run(&mut self, config: &Path, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_dondoc"))
            .env("DONDOC_LOG", "dondoc=trace")
            .arg("--config")
            .arg(config)
            .args(arguments)
            .output()
            .expect("dondoc");
        let all = format!("{}\n{}", text(&output), said(&output));
        self.add(format!("dondoc {}", arguments.join(" ")), all.as_str());
        all
    }

    fn holds(&self, word: &str) -> bool {
        self.0.iter().any(|(_, text)| text.contains(word))
    }

    /// Every place with what was found there.
    fn found(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (place, text) in &self.0 {
            // Also as a link, a JSON text or a header would write it.
            let folded = text.lines().map(fold).collect::<Vec<_>>().join("\n");
            let bare: String = text.chars().filter(|c| !matches!(c, ' ' | '.' | '-' | '+')).collect();
            let names = NAMES.iter().filter(|n| folded.contains(**n));
            let numbers = NUMBERS.iter().filter(|n| bare.contains(**n));
            for what in names.chain(numbers) {
                let lines: Vec<&str> = text
                    .lines()
                    .filter(|l| fold(l).contains(*what) || l.contains(&what[..3]))
                    .take(2)
                    .collect();
                found.insert(format!("{what} in {place}: {lines:?}"));
            }
        }
        found
    }
}

/// For each column but the code one ticket for each thing that is written; and links with something in a parameter.
async fn poison(world: &World) -> Vec<String> {
    let mut codes = Vec::new();
    for column in COLUMNS.iter().filter(|c| **c != "code") {
        for (n, written) in WRITTEN.iter().enumerate() {
            let code = format!("{}-{n}", column.replace('_', "-"));
            world.ticket(&code, "Sở Y tế", "2021-09-06 09:00").await;
            world
                .sql(&format!(
                    "UPDATE ticket SET title = '{0}', body = '{0}' WHERE code = '{code}'",
                    WRITTEN[6]
                ))
                .await;
            world
                .sql(&format!(
                    "UPDATE ticket SET {column} = '{written}' WHERE code = '{code}'"
                ))
                .await;
            codes.push(code);
        }
    }
    for (n, parameter) in ["sdt=0907123456", "ten=Nguyễn Văn Hùng", "m=hung.nguyen@nha.example"]
        .iter()
        .enumerate()
    {
        let code = format!("link-{n}");
        world.ticket(&code, "Sở Y tế", "2021-09-06 09:00").await;
        world
            .sql(&format!(
                "UPDATE ticket SET url = 'https://1022.tinh.example/p?id={n}&{parameter}' WHERE code = '{code}'"
            ))
            .await;
        codes.push(code);
    }
    codes
}

const MORE: &str = r#"
[[classify]]
id = "by-text"
where = { text.text_has = ["nhạc"] }
category = "y_te"

[[rule]]
id = "announced"
title = "Phiếu mới tiếp nhận"
when = "received"
step = [{ id = "announce", after = "1wd", to = ["agency:contact"], cc = ["co_agencies:contact"], via = ["email", "webhook"], template = "received" }]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_citizen_left_in_any_column_leaves_us() {
    let others = include_str!("../../config/rules/others.toml");
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}{MORE}{others}")).await;
    let hook = Receiver::start(None, Do::Say("HTTP/1.1 204 No Content\r\n\r\n".into())).await;
    std::fs::write(
        world.dir().join("a.key"),
        "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    )
    .expect("a key");
    world.write("dondoc.toml", |text| {
        text + "\n[webhooks]\nallowed_private = [\"127.0.0.0/8\"]\n\n[http]\nlisten = \"127.0.0.1:0\"\n"
    });
    let endpoint = format!(
        "webhooks = [{{ id = \"syt\", url = \"http://{}/syt\", key_files = [\"a.key\"] }}]",
        hook.address
    );
    world
        .edit("agencies.toml", |text| {
            text.replace("short = \"SYT\"", &format!("short = \"SYT\"\n{endpoint}"))
        })
        .await;
    world.turn("2021-09-01 07:00").await;
    let codes = poison(&world).await;
    world.stop().await;

    let dir = world.dir();
    let mut left = Left::default();
    for at in [
        "2021-09-07 08:00",
        "2021-09-14 08:00",
        "2021-09-16 08:00",
        "2021-09-20 08:00",
        "2021-09-27 08:00",
        "2021-10-01 08:00",
        "2021-10-20 08:00",
    ] {
        let turn = left.run(&dir, &["once", "--json", "--at", at]);
        assert!(
            turn.contains("decided to tell") && turn.contains("\"problems\""),
            "the log is there: {turn}"
        );
    }
    left.run(&dir, &["check"]);
    left.run(&dir, &["check", "--json"]);
    left.run(&dir, &["status", "--json"]);
    left.run(&dir, &["report", "--month", "2021-09"]);
    left.run(&dir, &["report", "--month", "2021-09", "--format", "json"]);
    left.run(&dir, &["report", "--month", "2021-09", "--format", "html"]);
    let listed = left.run(&dir, &["outbox", "list", "--json"]);
    let ids: Vec<&str> = listed
        .split("\"id\": \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(ids.len() > 10);
    for id in ids.iter().step_by(9) {
        left.run(&dir, &["outbox", "show", id, "--json"]);
    }
    // Each column and each thing that is written, though not each with each.
    for code in codes.iter().step_by(11) {
        left.run(&dir, &["explain", code]);
        left.run(&dir, &["explain", code, "--json"]);
        left.run(&dir, &["preview", "overdue", "L1", "--ticket", code]);
    }
    // The daemon: its pages and its log, then with the ticket database out of reach.
    let detail = [("DONDOC_LOG", "dondoc=trace".to_owned())];
    let mut daemon = Daemon::start_with(&dir, &detail).await;
    daemon.notifies("STATUS=").await;
    for page in ["/readyz", "/healthz", "/metrics"] {
        let (_, body) = daemon.page(page, "").await;
        left.add(page, body);
    }
    left.add("the daemon's log", format!("{:?}", daemon.said_meanwhile()));
    assert!(daemon.stops().await.success());
    world
        .sql("UPDATE ticket SET updated_at = NULL, status = 'Nguyễn Văn Hùng'")
        .await;
    world.lose_source().await;
    left.run(&dir, &["once", "--json"]);
    left.run(&dir, &["check"]);

    let mails = world.mails();
    let with_lists = mails.iter().filter(|bytes| left.add_mail(bytes)).count();
    let posts = hook.posts();
    for post in &posts {
        left.add("a post", format!("{:?}", post.headers));
        left.add("a post", String::from_utf8_lossy(&post.body));
    }
    assert!(
        mails.len() > 50 && with_lists > 3 && posts.len() > 3,
        "{} mails, {with_lists} with a list, {} posts",
        mails.len(),
        posts.len()
    );
    for code in [
        "agency-0",
        "stage-2",
        "waiting-on-3",
        "category-4",
        "url-5",
        "link-0",
        "status-7",
        "tags-1",
    ] {
        assert!(
            left.0
                .iter()
                .any(|(place, text)| place.starts_with("mail") && text.contains(code)),
            "{code} was told"
        );
    }
    assert!(
        left.holds("https://1022.tinh.example/p?id=0"),
        "the link is shown without its parameter"
    );
    let found = left.found();
    assert!(
        found.is_empty(),
        "{} places:\n{}",
        found.len(),
        found.into_iter().collect::<Vec<_>>().join("\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_quotes_a_value_is_not_quoted() {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}"))
        .await
        .with_tickets_on(Kind::Postgres)
        .await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world
        .change("T1", "2021-09-06 09:00", "title = 'Nguyễn Văn Hùng 0907 123 456'")
        .await;
    world.write("dondoc.toml", |text| {
        text.replace(
            "SELECT * FROM ticket",
            "SELECT code, status, received_at, CAST(title AS integer) AS level FROM ticket",
        )
    });
    world.stop().await;
    let mut left = Left::default();
    let told = left.run(&world.dir(), &["once", "--at", "2021-09-14 08:00"]);
    assert!(told.contains("22P02"), "the kind of the error is told: {told}");
    assert_eq!(left.found(), BTreeSet::new());
}

#[tokio::test]
async fn a_title_is_shown_where_ops_ask_for_it_scrubbed_and_never_that_of_a_sensitive_ticket() {
    for (setting, shown) in [("", false), ("\n[privacy]\nshow_title = true\n", true)] {
        let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
        world.append("dondoc.toml", setting).await;
        world.turn("2021-09-06 07:00").await;
        for code in ["T1", "T2", "T3"] {
            world.ticket(code, "Sở Y tế", "2021-09-06 09:00").await;
            let title = format!("{code}: trạm y tế chậm trả lời, bà Lê Thị Bích Liên gọi 0907 123 456");
            world
                .sql(&format!(
                    "UPDATE ticket SET title = '{title}', body = 'Lời dài' WHERE code = '{code}'"
                ))
                .await;
        }
        world.sql("UPDATE ticket SET confidential = 1 WHERE code = 'T2'").await;
        world.sql("UPDATE ticket SET tags = 'conduct' WHERE code = 'T3'").await;
        world.turn("2021-09-14 08:00").await;
        let kept = world
            .store()
            .tickets(&["T1", "T2", "T3"].map(str::to_owned))
            .await
            .expect("a store");
        assert!(
            kept.len() == 3 && !format!("{kept:?}").contains("trạm y tế"),
            "no title is kept"
        );
        let mut left = Left::default();
        let mails = world.mails();
        assert_eq!(mails.len(), 3);
        for bytes in &mails {
            left.add_mail(bytes);
        }
        assert_eq!(left.found(), BTreeSet::new());
        let title = "T1: trạm y tế chậm trả lời, bà […] gọi […]";
        assert_eq!(
            left.holds(&format!("1. T1\r\n       “{title}”\r\n")),
            shown,
            "in the text"
        );
        assert_eq!(left.holds(&format!("<em>{title}</em>")), shown, "in the HTML");
        assert!(!left.holds("T2: ") && !left.holds("T3: ") && !left.holds("Lời dài"));
    }
}
