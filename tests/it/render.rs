//! What people read: one real letter of every template, its HTML beside its text, templates that fail, and columns that
//! try to be more than text.

use std::collections::BTreeMap;

use dondoc::demo::reading::{self, Letter};
use dondoc::domain::wording::Locale;
use mail_parser::MessageParser;
use regex::Regex;
use unicode_normalization::is_nfc;

use crate::wording::{labels, words_of_html, words_of_text};
use crate::world::{FIVE_DAYS, LADDER, World};

/// A rule for every template that ships; what the ladder of `overdue` says is in [`LADDER`].
const OTHERS: &str = r#"
[[rule]]
id = "due-soon"
title = "Phiếu sắp đến hạn xử lý"
when = "due_soon"
step = [{ id = "T-1", after = "-1wd", to = ["agency:contact"], template = "due-soon" }]

[[rule]]
id = "carried-over"
title = "Phiếu tồn từ kỳ trước chuyển sang"
when = "carried_over"
step = [{ id = "list", after = "0h", to = ["agency:contact"], template = "carried-over" }]

[[rule]]
id = "unsatisfied"
title = "Phiếu được đánh giá chưa hài lòng hoặc chưa hữu ích"
when = "unsatisfied"
step = [{ id = "explain", after = "1wd", to = ["agency:contact"], template = "unsatisfied" }]

[[rule]]
id = "unassigned"
title = "Phiếu cần phân công lại"
when = "unassigned"
step = [{ id = "assign", after = "1wd", to = ["ops"], template = "unassigned" }]

[[rule]]
id = "stale"
title = "Phiếu lâu không được cập nhật"
when = "stale"
threshold = "6wd"
where = { agency = "Sở Xây dựng" }
step = [{ id = "nudge", after = "6wd", to = ["agency:contact"], template = "stale" }]

[[rule]]
id = "aged"
title = "Phiếu tồn lâu ngày"
when = "aged"
threshold = "15wd"
step = [{ id = "office", after = "15wd", to = ["office:contact"], cc = ["agency:head"], template = "aged" }]

[[rule]]
id = "urgent"
title = "Phiếu khẩn mới tiếp nhận"
when = "received"
where = { priority = "khẩn" }
digest = "ticket"
step = [{ id = "announce", after = "0s", to = ["agency:contact"], template = "received" }]

[[rule]]
id = "cccd"
title = "Phiếu về cấp căn cước công dân đang theo dõi"
when = "received"
where = { category = "cccd" }
step = [{ id = "list", after = "1wd", to = ["id:STC:contact"], template = "cccd" }]
"#;

/// A letter with its HTML.
struct Both {
    letter: Letter,
    html: String,
}

fn letters(world: &mut World) -> Vec<Both> {
    let each = |bytes: Vec<u8>| {
        let mail = MessageParser::default().parse(&bytes).expect("a mail");
        Both {
            letter: reading::read(&bytes).expect("a letter"),
            html: mail.body_html(0).expect("HTML").into_owned(),
        }
    };
    world.mails().into_iter().map(each).collect()
}

/// The words of an HTML page as a reader sees them.
fn words(html: &str) -> String {
    let tags = Regex::new(r"(?s)<head>.*?</head>|<[^>]*>").expect("a pattern");
    let text = tags.replace_all(html, " ");
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#x27;", "'");
    let text = text.replace("&#x2f;", "/").replace("&amp;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A month of a small province in which everything happens once.
async fn september() -> Vec<Both> {
    let mut world = World::new(&format!("{LADDER}{OTHERS}{FIVE_DAYS}")).await;
    world.turn("2021-08-25 07:00").await;
    world.ticket("OLD", "Sở Y tế", "2021-08-25 09:00").await;
    world.turn("2021-09-01 08:00").await;
    world.ticket("CALM", "Sở Xây dựng", "2021-09-06 09:00").await;
    world.change("CALM", "2021-09-06 09:00", "due_at = '2021-10-29'").await;
    world.ticket("LOST", "Sở Không Có", "2021-09-06 10:00").await;
    world.ticket("CARD", "Sở Tài chính", "2021-09-06 10:00").await;
    world
        .change(
            "CARD",
            "2021-09-06 10:00",
            "category = 'cccd', waiting_on = 'C06', stage = 'at_c06'",
        )
        .await;
    world.ticket("FIRE", "Sở Xây dựng", "2021-09-06 10:00").await;
    world
        .change(
            "FIRE",
            "2021-09-06 10:00",
            "priority = 'khẩn', category = 'dien', url = 'https://1022.tinh.example/FIRE'",
        )
        .await;
    world.ticket("BAD", "Sở Y tế", "2021-09-06 10:00").await;
    let mut all = letters(&mut world);
    for day in [
        "07", "08", "09", "10", "13", "14", "15", "16", "17", "20", "21", "22", "23", "24", "27",
    ] {
        match day {
            "09" => world.answer("FIRE", "2021-09-09 07:30").await,
            "10" => {
                let rated = "status = 'đã trả lời', rating = 'chưa hài lòng', rated_at = '2021-09-10 07:30:00'";
                world.change("BAD", "2021-09-10 07:30", rated).await;
            }
            "14" => {
                world
                    .change("LOST", "2021-09-14 07:30", "agency = 'Sở Tài chính'")
                    .await
            }
            "16" => world.change("LOST", "2021-09-16 07:30", "agency = 'Sở Xây dựng'").await,
            "17" => world.change("LOST", "2021-09-17 07:30", "agency = 'Sở Y tế'").await,
            "24" => world.answer("OLD", "2021-09-24 07:30").await,
            _ => {}
        }
        for time in ["07:00", "08:00", "16:00"] {
            world.turn(&format!("2021-09-{day} {time}")).await;
        }
        all.extend(letters(&mut world));
    }
    all
}

#[tokio::test]
async fn one_letter_of_every_template_as_it_is_read() {
    let all = september().await;
    // For each template the letter that says least beside it.
    let id = Regex::new("Mã thông báo: .*").expect("a pattern");
    let mut shortest: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for Both { letter, .. } in &all {
        let to = letter.to.join(", ");
        let text = id.replace(&letter.text, "Mã thông báo: [id]").into_owned();
        let shown = format!("To: {to}\nSubject: {}\n\n{}", letter.subject, text.trim_end());
        for section in &letter.sections {
            let kind = format!("{} {}", section.rule, section.step);
            let found = (letter.sections.len(), shown.clone());
            if shortest.get(&kind).is_none_or(|(sections, _)| found.0 < *sections) {
                shortest.insert(kind, found);
            }
        }
    }
    let kinds: Vec<&str> = shortest.keys().map(String::as_str).collect();
    assert_eq!(
        kinds,
        [
            "@competence office",
            "@settled done",
            "@settled transferred",
            "aged office",
            "carried-over list",
            "cccd list",
            "due-soon T-1",
            "overdue L1",
            "overdue L2",
            "overdue L3",
            "overdue L4",
            "stale nudge",
            "unassigned assign",
            "unsatisfied explain",
            "urgent announce",
        ]
    );
    let rule = "─".repeat(80);
    let all: Vec<String> = shortest
        .into_iter()
        .map(|(kind, (_, text))| format!("{rule}\n{kind}\n{rule}\n{text}\n"))
        .collect();
    insta::assert_snapshot!("letters", all.join("\n"));
}

#[tokio::test]
async fn text_and_html_say_the_same_and_both_are_clean() {
    let all = september().await;
    assert!(all.len() > 15);
    for Both { letter, html } in &all {
        assert_eq!(words_of_text(&letter.text, &labels(Locale::Vi)), words_of_html(html));
        for text in [&letter.subject, &letter.text, html] {
            assert!(is_nfc(text) && !text.contains("{{") && !text.contains("undefined"));
        }
        assert!(
            letter.subject.starts_with("[1022]") && letter.subject.chars().count() < 150,
            "{}",
            letter.subject
        );
        assert!(
            !html.contains("<script") && !html.contains("src=") && !html.contains("@import"),
            "nothing remote"
        );
    }
    let fire = all
        .iter()
        .find(|b| b.letter.told().any(|(t, rule, _)| t == "FIRE" && rule == "urgent"));
    assert!(
        fire.expect("it was told")
            .html
            .contains("<a href=\"https:&#x2f;&#x2f;1022.tinh.example&#x2f;FIRE\"")
    );
}

#[tokio::test]
async fn a_template_that_fails_loses_nobody_their_letter() {
    let broken = [
        (
            "{% block subject %}{{ sectoin.lines }}{% endblock %}",
            "an unknown name",
        ),
        (
            "{% block subject %}x{% endblock %}{% block intro %}{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}{% endblock %}{% block request %}{% endblock %}",
            "a loop that never ends",
        ),
        ("{% block subject %}x{% endblock %}", "a block that is missing"),
    ];
    for (template, why) in broken {
        let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
        world.edit("templates/overdue-1.txt.j2", |_| template.to_owned()).await;
        world.turn("2021-09-06 07:00").await;
        world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
        let turn = world.turn("2021-09-14 08:00").await;
        assert!(
            turn.problems().iter().any(|p| p.contains("overdue-1.txt.j2")),
            "{why} is reported: {:?}",
            turn.problems()
        );
        let letters = letters(&mut world);
        assert_eq!(letters.len(), 1, "{why}");
        let Both { letter, html } = &letters[0];
        assert_eq!(letter.told().collect::<Vec<_>>(), [("T1", "overdue", "L1")], "{why}");
        assert!(
            letter.text.contains("24:00") || letter.text.contains("17:00 thứ Hai 13/09/2021"),
            "{}",
            letter.text
        );
        assert!(html.contains("T1"));
    }
}

#[tokio::test]
async fn no_column_becomes_more_than_text() {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    world.turn("2021-09-06 07:00").await;
    let code = "<b>X</b>&\"' {{ message.tag }}";
    world.ticket(code, "Sở Y tế", "2021-09-06 09:00").await;
    let set = "category = '<script>alert(1)</script>', url = 'javascript:alert(1)', stage = '{% raw %}{{ \"zzq\"|upper }}', \
               waiting_on = 'C06' || char(13) || char(10) || 'Bcc: all@tinh.example' || char(8238)";
    world.change(&code.replace('\'', "''"), "2021-09-06 09:30", set).await;
    world.turn("2021-09-14 08:00").await;
    let letters = letters(&mut world);
    assert_eq!(letters.len(), 1);
    let Both { letter, html } = &letters[0];
    assert!(
        letter.told().any(|(ticket, ..)| ticket == code),
        "the code as it is: {}",
        letter.text
    );
    assert!(letter.text.contains("{{ \"zzq\"|upper }}") && !letter.text.contains("ZZQ"));
    assert!(
        !html.contains("<script") && !html.contains("<b>X") && !html.contains("href=\"javascript"),
        "{html}"
    );
    assert!(words(html).contains("<b>X</b>&\"' {{ message.tag }}"));
    assert_eq!(letter.to, ["syt@tinh.example"], "no header came from a column");
    assert!(!letter.text.contains("\nBcc:") && !letter.subject.contains("Bcc"));
    assert!(
        !letter.text.contains('\u{202e}') && !html.contains('\u{202e}'),
        "nothing turns the line round"
    );
}
