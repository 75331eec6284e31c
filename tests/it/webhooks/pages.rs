//! What a webhook says, page by page, held against the published schema.

use std::path::Path;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime};
use dondoc::render::view::{Addressee, DeadlineView, EndedView, Form, LineView, MessageView, SectionView};
use dondoc::render::webhook::{About, Page, pages, schema};
use serde_json::{Value, json};

const SCHEMA: &str = "docs/webhook.schema.json";

fn day(d: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2021, 9, d).expect("a day")
}

fn line(code: &str) -> LineView {
    LineView {
        code: code.to_owned(),
        title: None,
        field: Some("đất đai".to_owned()),
        agency_name: Some("Sở Y tế".to_owned()),
        deadline: Some(DeadlineView {
            day: day(3),
            time: NaiveTime::from_hms_opt(17, 0, 0),
            is_day: true,
            provisional: false,
        }),
        first_deadline_differs: None,
        overdue_working_days: Some(2),
        due_in_working_days: None,
        due_today: false,
        age_working_days: 9,
        received_on: day(1),
        age_days: 13,
        locality: None,
        status: "open".to_owned(),
        waiting_on: None,
        stage: None,
        reminder: 2,
        earlier: vec![day(6)],
        rules: Vec::new(),
        transfers: 1,
        reopened: 0,
        needs_assignment: false,
        ended: None,
        url: Some("https://1022.dongthap.example/phieu/2".to_owned()),
        proposed_by: None,
        unknown_agency_word: None,
        duty: None,
    }
}

fn section(settled: bool, lines: Vec<LineView>) -> SectionView {
    let addressee = Addressee {
        unit_name: "Sở Y tế".to_owned(),
        wanted: "contact".to_owned(),
        is_office: false,
        fell_back: false,
        for_want_of_contact: false,
        stands_in_for: None,
    };
    SectionView {
        rule: "overdue".to_owned(),
        step: "L1".to_owned(),
        rule_title: "Phiếu quá hạn xử lý".to_owned(),
        when: "overdue".to_owned(),
        reminder: 2,
        earlier: vec![day(6)],
        lines,
        settled,
        ..SectionView::bare("overdue-1", addressee)
    }
}

fn message(form: Form, sections: Vec<SectionView>) -> MessageView {
    MessageView {
        form,
        tag: "1022".to_owned(),
        hotline: "Tổng đài 1022".to_owned(),
        unit_name: "Sở Y tế".to_owned(),
        desk: "contact".to_owned(),
        at: day(7).and_time(NaiveTime::MIN),
        data_as_of: None,
        sections,
        annex: None,
        contact_line: "Đầu mối liên hệ".to_owned(),
        signature: Vec::new(),
        message_id: "m-1".to_owned(),
    }
}

/// The pages of a message, each small enough and by the published schema.
fn sound_pages(view: &MessageView) -> Vec<(Page, Value)> {
    let about = About {
        id: "m-1",
        unit: "SYT",
        desk: "contact",
        at: DateTime::<FixedOffset>::parse_from_rfc3339("2021-09-07T08:00:00+07:00").expect("an instant"),
    };
    let pages = pages(view, &about).expect("pages");
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.enable_format_assertions();
    let schema = compiler.compile(SCHEMA, &mut schemas).expect("the published schema");
    let each = |page: Page| {
        assert!(page.body.len() <= 20_000, "{} bytes", page.body.len());
        let value: Value = serde_json::from_slice(&page.body).expect("JSON");
        let valid = schemas.validate(&value, schema);
        assert!(valid.is_ok(), "{}\n{value:#}", valid.expect_err("a fault"));
        (page, value)
    };
    pages.into_iter().map(each).collect()
}

#[test]
fn the_published_schema_is_that_of_the_types() {
    let text = format!("{:#}\n", schema());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCHEMA);
    if std::env::var_os("RENEW_SCHEMA").is_some() {
        std::fs::write(&path, &text).expect("the schema to be written");
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == text,
        "{SCHEMA} is not that of the types in src/render/webhook.rs; \
         `RENEW_SCHEMA=1 cargo test --test it published_schema` writes it, then look at the difference"
    );
}

#[test]
fn a_page_says_what_a_receiver_needs_and_nothing_more() {
    let mut other = line("DT1022.2");
    other.ended = Some(EndedView::Extended { to: Some(day(20)) });
    other.deadline = None;
    other.overdue_working_days = None;
    let view = message(
        Form::Digest,
        vec![section(false, vec![line("DT1022.1")]), section(true, vec![other])],
    );
    let pages = sound_pages(&view);
    assert_eq!(pages.len(), 1);
    assert_eq!(
        pages[0].0.tickets,
        [("DT1022.1".to_owned(), false), ("DT1022.2".to_owned(), true)]
    );
    insta::assert_json_snapshot!(pages[0].1);
}

#[test]
fn each_kind_of_message_says_which_it_is() {
    let one = || section(false, vec![line("A")]);
    for (view, kind) in [
        (message(Form::Digest, vec![one()]), "digest"),
        (message(Form::Single, vec![one()]), "single"),
        (message(Form::Single, vec![section(false, Vec::new())]), "test"),
        (message(Form::Single, Vec::new()), "test"),
    ] {
        let pages = sound_pages(&view);
        assert_eq!((pages.len(), &pages[0].1["type"]), (1, &json!(kind)));
    }
}

#[test]
fn however_a_matter_ended_the_page_says_so() {
    let ends = [
        (EndedView::Done, json!({ "how": "done" })),
        (EndedView::Rejected, json!({ "how": "rejected" })),
        (EndedView::Void, json!({ "how": "void" })),
        (EndedView::Transferred, json!({ "how": "transferred" })),
        (
            EndedView::Extended { to: None },
            json!({ "how": "extended", "to": null }),
        ),
    ];
    for (ended, expected) in ends {
        let ended = LineView {
            ended: Some(ended),
            ..line("A")
        };
        let pages = sound_pages(&message(Form::Digest, vec![section(true, vec![ended])]));
        assert_eq!(pages[0].1["tickets"][0]["ended"], expected);
    }
}

#[test]
fn a_long_message_becomes_pages_that_together_say_all_of_it_once_in_order() {
    let codes: Vec<String> = (0..500).map(|n| format!("DT1022.20210903.{n:04}")).collect();
    let (first, second) = codes.split_at(123);
    let lines = |codes: &[String]| codes.iter().map(|c| line(c)).collect();
    let view = message(
        Form::Digest,
        vec![section(false, lines(first)), section(true, lines(second))],
    );
    let pages = sound_pages(&view);
    assert!(pages.len() > 5);
    let mut told = Vec::new();
    for (n, (page, value)) in pages.iter().enumerate() {
        assert_eq!((&value["page"], &value["pages"]), (&json!(n + 1), &json!(pages.len())));
        assert_eq!(value["batch"], "m-1");
        let on_page: Vec<&str> = value["tickets"]
            .as_array()
            .expect("tickets")
            .iter()
            .filter_map(|t| t["code"].as_str())
            .collect();
        let noted: Vec<&str> = page.tickets.iter().map(|(code, _)| code.as_str()).collect();
        assert_eq!(on_page, noted);
        told.extend(page.tickets.clone());
        if n + 1 < pages.len() {
            assert!(
                page.body.len() > 19_000,
                "no page is left half empty: {}",
                page.body.len()
            );
        }
    }
    let expected: Vec<(String, bool)> = codes.iter().enumerate().map(|(n, c)| (c.clone(), n >= 123)).collect();
    assert_eq!(told, expected);
}

#[test]
fn at_the_border_a_byte_more_makes_another_page() {
    let with = |length: usize| {
        let mut last = line("LAST");
        last.url = Some("x".repeat(length));
        let lines = (0..44).map(|n| line(&format!("DT{n:02}"))).chain([last]).collect();
        sound_pages(&message(Form::Digest, vec![section(false, lines)]))
    };
    let one_page = with(1)[0].0.body.len();
    // Both page numbers are reckoned with twenty digits and have one.
    let room = 20_000 - 2 * 19 - one_page;
    let (full, over) = (with(1 + room), with(2 + room));
    assert_eq!((full.len(), full[0].0.body.len()), (1, 20_000 - 2 * 19));
    assert_eq!((over.len(), over[1].0.tickets.len()), (2, 1));
}

#[test]
fn a_text_that_somebody_let_run_away_still_fits() {
    let far = "\u{1}đ".repeat(50_000);
    let wild = LineView {
        field: Some(far.clone()),
        waiting_on: Some(far.clone()),
        stage: Some(far.clone()),
        url: Some(far.clone()),
        ..line("A")
    };
    let mut section = section(false, vec![wild, line("B")]);
    section.rule_title = far;
    let pages = sound_pages(&message(Form::Digest, vec![section]));
    let codes: Vec<_> = pages.iter().flat_map(|(page, _)| page.tickets.clone()).collect();
    assert_eq!(codes, [("A".to_owned(), false), ("B".to_owned(), false)]);
    assert_eq!(pages[0].1["tickets"][0]["link"], Value::Null);
}
