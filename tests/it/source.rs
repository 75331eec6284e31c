//! The ticket database as hotlines really keep it: what is read of it, what is rejected, and that nothing gets lost.

use std::path::PathBuf;

use chrono::{NaiveTime, TimeDelta};
use dondoc::config::settings::{Database, SourceSettings, UpdatedAtFormat};
use dondoc::domain::Moment;
use dondoc::domain::ticket::{Rating, Status, Ticket};
use dondoc::domain::time::Span;
use dondoc::source::{Cursor, Page, Row, Source, SourceError};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tempfile::TempDir;

use crate::tickets::Kind;
use crate::world::{FIVE_DAYS, LADDER, World, at};

const COLUMNS: &str = "code, status, received_at, updated_at, assigned_at, due_at, extended_to, answered_at, closed_at, rated_at, \
    waiting_since, title, body, kind, category, priority, channel, area, level, tags, is_procedure, agency, co_agencies, \
    subject_agency, waiting_on, stage, confidential, reopen_count, rating, rating_excluded, url";

/// A ticket database of its own, its columns without a type unless told.
struct Hotline {
    dir: TempDir,
    db: SqlitePool,
    settings: SourceSettings,
}

impl Hotline {
    async fn new() -> Hotline {
        Hotline::with_table(COLUMNS).await
    }

    async fn with_table(columns: &str) -> Hotline {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("tickets.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let db = SqlitePool::connect_with(options).await.expect("a database");
        let hotline = Hotline {
            settings: settings(path),
            dir,
            db,
        };
        hotline.sql(&format!("CREATE TABLE ticket ({columns})")).await;
        hotline
    }

    async fn sql(&self, sql: &str) {
        sqlx::query(AssertSqlSafe(sql))
            .execute(&self.db)
            .await
            .unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    /// A row of SQL literals; `received_at` and `status` have good values unless named.
    async fn row(&self, columns: &str, values: &str) {
        let mut all = (columns.to_owned(), values.to_owned());
        for (column, value) in [("received_at", "'2021-08-02 09:00:00'"), ("status", "'mới'")] {
            if !columns.split(", ").any(|c| c == column) {
                all = (format!("{}, {column}", all.0), format!("{}, {value}", all.1));
            }
        }
        self.sql(&format!("INSERT INTO ticket ({}) VALUES ({})", all.0, all.1))
            .await;
    }

    async fn open(&self) -> Source {
        Source::open(&self.settings, true)
            .await
            .unwrap_or_else(|e| panic!("{e}"))
    }

    async fn opening_fails(&self) -> String {
        match Source::open(&self.settings, true).await {
            Ok(_) => panic!("a source that cannot be read was opened"),
            Err(error) => error.to_string(),
        }
    }

    /// Everything there is, in pages.
    async fn all(&self, batch: u32) -> Page {
        let source = self.open().await;
        let mut all = Page::default();
        let mut after: Option<Cursor> = None;
        loop {
            let page = source
                .first_read(after.as_ref(), Moment::UNIX_EPOCH, batch)
                .await
                .expect("a page");
            after.clone_from(&page.next);
            add(&mut all, page);
            if after.is_none() {
                return all;
            }
        }
    }

    /// Everything changed since, in pages.
    async fn changed(&self, since: &str, batch: u32) -> Page {
        let source = self.open().await;
        let mut all = Page::default();
        let mut position = Some(source.cursor_at(at(since)));
        while let Some(after) = position.take() {
            let page = source.changed(&after, batch).await.expect("a page");
            assert_ne!(page.next.as_ref(), Some(&after), "a page goes on");
            position.clone_from(&page.next);
            add(&mut all, page);
        }
        all
    }

    /// The one ticket there is, with the complaints about it.
    async fn only(&self) -> (Ticket, Vec<String>) {
        let mut page = self.all(10).await;
        assert_eq!(page.rejected, [], "the row is taken");
        assert_eq!(page.rows.len(), 1);
        let complaints = page.spoiled.iter().map(ToString::to_string).collect();
        (page.rows.remove(0).ticket, complaints)
    }
}

fn settings(path: PathBuf) -> SourceSettings {
    let status = [
        ("moi", Status::Open),
        ("cho bo sung", Status::Waiting),
        ("dong", Status::Closed),
    ];
    let rating = [("hai long", Rating::Satisfied), ("chua hai long", Rating::Unsatisfied)];
    SourceSettings {
        database: Database::Sqlite(path),
        query: "SELECT * FROM ticket;".into(),
        time_zone: chrono_tz::Asia::Ho_Chi_Minh,
        updated_at_format: UpdatedAtFormat::Text("%Y-%m-%d %H:%M:%S".into()),
        has_updated_at: true,
        overlap: TimeDelta::minutes(2),
        batch: 1000,
        sweep_at: NaiveTime::MIN,
        sweep_every: None,
        statement_timeout: TimeDelta::seconds(60),
        max_age: Span::Elapsed(TimeDelta::hours(2)),
        stale_after: None,
        implausible_share: 0.5,
        status: status.map(|(word, s)| (word.to_owned(), s)).into(),
        rating: rating.map(|(word, r)| (word.to_owned(), r)).into(),
    }
}

fn add(all: &mut Page, page: Page) {
    all.rows.extend(page.rows);
    all.rejected.extend(page.rejected);
    all.spoiled.extend(page.spoiled);
}

fn codes(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|r| r.ticket.code.as_str()).collect()
}

fn rejections(page: &Page) -> Vec<String> {
    let mut all: Vec<String> = page.rejected.iter().map(ToString::to_string).collect();
    all.sort();
    all
}

// ---- one row -----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_good_row_is_read_whole() {
    let hotline = Hotline::new().await;
    hotline
        .row(
            "code, received_at, status, updated_at, due_at, title, level, tags, is_procedure, agency, co_agencies, rating, url",
            "'PA-1', '2021-08-02 09:00:00', 'CHỜ  bổ sung', '2021-08-03 10:00:00', '2021-08-09', 'Đèn hỏng', 2, \
             'conduct, regulation,conduct', 1, ' Sở Y tế ', 'Sở Xây dựng,,Sở Tài chính', 'Chưa hài lòng', 'https://1022.tinh.example/PA-1'",
        )
        .await;
    let (ticket, complaints) = hotline.only().await;
    assert_eq!(complaints, [""; 0]);
    assert_eq!(ticket.status, Status::Waiting);
    assert_eq!(ticket.status_word, "CHỜ  bổ sung");
    assert_eq!(ticket.received_at, at("2021-08-02 09:00"));
    assert_eq!(ticket.updated_at, Some(at("2021-08-03 10:00")));
    let due = ticket.due_at.expect("a deadline");
    assert!(!due.has_time);
    assert_eq!(due.date.to_string(), "2021-08-09");
    assert_eq!(ticket.level, Some(2));
    assert_eq!(ticket.tags.iter().collect::<Vec<_>>(), ["conduct", "regulation"]);
    assert!(ticket.is_procedure && !ticket.confidential);
    assert_eq!(ticket.agency.as_deref(), Some("Sở Y tế"));
    assert_eq!(ticket.co_agencies, ["Sở Xây dựng", "Sở Tài chính"]);
    assert_eq!(ticket.rating, Some(Rating::Unsatisfied));
    assert_eq!(ticket.url.as_deref(), Some("https://1022.tinh.example/PA-1"));
}

#[tokio::test]
async fn a_time_is_read_however_it_is_written() {
    let cases = [
        ("'2021-08-09 10:30:00'", "2021-08-09 10:30"),
        ("'2021-08-09 10:30:00.000'", "2021-08-09 10:30"),
        ("'2021-08-09T10:30:00'", "2021-08-09 10:30"),
        ("'2021-08-09 10:30'", "2021-08-09 10:30"),
        ("' 2021-08-09T10:30 '", "2021-08-09 10:30"),
        ("'09/08/2021 10:30:00'", "2021-08-09 10:30"),
        ("'09/08/2021 10:30'", "2021-08-09 10:30"),
        ("'9/8/2021'", "2021-08-09 00:00"),
        ("'2021-08-09'", "2021-08-09 00:00"),
        ("'2021-08-09T03:30:00Z'", "2021-08-09 10:30"),
        ("'2021-08-09 03:30:00Z'", "2021-08-09 10:30"),
        ("'2021-08-09T10:30:00+07:00'", "2021-08-09 10:30"),
        ("'2021-08-09T10:30:00.5+0700'", "2021-08-09 10:30"),
        ("'2021-08-09 10:30:00+07'", "2021-08-09 10:30"),
        ("'2021-08-08T23:30:00-04:00'", "2021-08-09 10:30"),
        ("1628479800", "2021-08-09 10:30"),
        ("1628479800000", "2021-08-09 10:30"),
        ("'1628479800'", "2021-08-09 10:30"),
        ("'1628479800000'", "2021-08-09 10:30"),
        ("1628479800.25", "2021-08-09 10:30"),
        ("CAST('2021-08-09 10:30:00' AS BLOB)", "2021-08-09 10:30"),
    ];
    let hotline = Hotline::new().await;
    for (written, read) in cases {
        hotline.sql("DELETE FROM ticket").await;
        hotline.row("code, received_at", &format!("'PA-1', {written}")).await;
        let (ticket, _) = hotline.only().await;
        let seconds = |m: Moment| m.timestamp();
        assert_eq!(seconds(ticket.received_at), seconds(at(read)), "{written}");
    }
}

#[tokio::test]
async fn the_date_of_a_deadline_is_the_one_that_stands_there_and_of_a_number_the_local_one() {
    let hotline = Hotline::new().await;
    for (written, date) in [
        ("'2021-08-09'", "2021-08-09"),
        ("'2021-08-08T17:00:00Z'", "2021-08-08"),
        // Midnight of the 9th in Vietnam, the 8th in UTC.
        ("1628442000", "2021-08-09"),
    ] {
        hotline.sql("DELETE FROM ticket").await;
        hotline.row("code, due_at", &format!("'PA-1', {written}")).await;
        let (ticket, _) = hotline.only().await;
        assert_eq!(ticket.due_at.expect("a deadline").date.to_string(), date, "{written}");
    }
}

#[tokio::test]
async fn a_bad_value_becomes_null_and_is_named_by_code_and_column_but_never_by_value() {
    let not_a_time = "cannot be read as a time";
    let out_of_range = "is outside the years 1990 to 2100";
    let legacy = "is in a legacy encoding (TCVN3, VNI or UTF-8 read as Windows-1252)";
    let cases = [
        ("due_at", "'infinity'", not_a_time),
        ("due_at", "'-infinity'", not_a_time),
        ("due_at", "9e999", not_a_time),
        ("due_at", "'0000-00-00'", not_a_time),
        ("due_at", "'0000-00-00 00:00:00'", not_a_time),
        ("due_at", "'2021-02-30'", not_a_time),
        ("due_at", "'08/13/2021'", not_a_time),
        ("due_at", "'thứ hai'", not_a_time),
        ("due_at", "'20210809'", not_a_time),
        ("due_at", "'1900-01-01'", out_of_range),
        ("due_at", "'9999-12-31'", out_of_range),
        ("due_at", "20210809", out_of_range),
        ("due_at", "9223372036854775807", out_of_range),
        ("due_at", "-9223372036854775808", out_of_range),
        ("due_at", "1e300", out_of_range),
        ("due_at", "x'FF00'", not_a_time),
        ("extended_to", "'infinity'", not_a_time),
        ("updated_at", "'hôm qua'", not_a_time),
        ("assigned_at", "'0000-00-00'", not_a_time),
        ("answered_at", "'0000-00-00'", not_a_time),
        ("closed_at", "'infinity'", not_a_time),
        ("rated_at", "''''", not_a_time),
        ("waiting_since", "'-'", not_a_time),
        ("agency", "x'53C3'", "is not UTF-8"),
        ("agency", "CAST(x'53F4' AS TEXT)", "is not UTF-8"),
        ("agency", "'Sá»Ÿ Y táº¿'", legacy),
        ("agency", "'C«ng an tØnh §ång Th¸p'", legacy),
        ("agency", "'Ñoàng Thaùp, Sôû Y teá, öôùc'", legacy),
        ("level", "'hai'", "is not a whole number"),
        ("level", "1.5", "is not a whole number"),
        ("reopen_count", "'99999999999999999999'", "is not a whole number"),
        ("is_procedure", "'maybe'", "is neither yes nor no"),
        ("rating", "'tạm được'", "is not in [source.rating]"),
    ];
    let hotline = Hotline::new().await;
    for (column, value, why) in cases {
        hotline.sql("DELETE FROM ticket").await;
        hotline
            .row(&format!("code, {column}"), &format!("'PA-1', {value}"))
            .await;
        let (ticket, complaints) = hotline.only().await;
        assert_eq!(complaints, [format!("ticket PA-1: column {column} {why}")], "{value}");
        let plain = Ticket {
            code: "PA-1".into(),
            status_word: "mới".into(),
            received_at: at("2021-08-02 09:00"),
            ..Ticket::default()
        };
        assert_eq!(ticket, plain, "{column} {value}");
    }
}

#[tokio::test]
async fn a_ticket_whose_confidentiality_cannot_be_read_is_treated_as_confidential() {
    let hotline = Hotline::new().await;
    hotline.row("code, confidential", "'PA-1', 'chưa rõ'").await;
    let (ticket, complaints) = hotline.only().await;
    assert!(ticket.confidential);
    assert_eq!(complaints, ["ticket PA-1: column confidential is neither yes nor no"]);
    hotline.sql("UPDATE ticket SET confidential = NULL").await;
    assert!(!hotline.only().await.0.confidential);
}

#[tokio::test]
async fn a_word_that_is_not_mapped_is_open_and_says_so() {
    let hotline = Hotline::new().await;
    hotline.row("code, status", "'PA-1', 'tạm hoãn'").await;
    let (ticket, _) = hotline.only().await;
    assert_eq!((ticket.status, ticket.status_mapped), (Status::Open, false));
    hotline.sql("UPDATE ticket SET status = NULL").await;
    let (ticket, _) = hotline.only().await;
    assert_eq!((ticket.status, ticket.status_mapped), (Status::Open, false));
}

#[tokio::test]
async fn only_a_missing_or_doubled_code_and_an_unreadable_arrival_reject_a_row() {
    let hotline = Hotline::new().await;
    for (code, received) in [
        ("NULL", "'2021-08-02'"),
        ("''", "'2021-08-02'"),
        ("' '", "'2021-08-02'"),
        ("x'FF'", "'2021-08-02'"),
        ("CAST(x'FFFE' AS TEXT)", "'2021-08-02'"),
        ("'hai lần'", "'2021-08-02'"),
        ("'hai lần'", "'2021-08-03'"),
        ("'không ngày'", "NULL"),
        ("'vô tận'", "'infinity'"),
        ("'không'", "'0000-00-00'"),
        ("'xưa'", "'1945-09-02'"),
        ("'tốt'", "'2021-08-02'"),
    ] {
        hotline.row("code, received_at", &format!("{code}, {received}")).await;
    }
    let page = hotline.all(100).await;
    assert_eq!(codes(&page.rows), ["tốt"]);
    let without_code = hotline
        .open()
        .await
        .without_code(Moment::UNIX_EPOCH)
        .await
        .expect("an answer");
    assert_eq!(
        without_code.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "ticket without code: column code is not UTF-8",
            "ticket without code: column code is null",
            "ticket without code: column code is null",
        ]
    );
    assert_eq!(
        rejections(&page),
        [
            "ticket hai lần: column code stands in more than one row",
            "ticket không ngày: column received_at is null",
            "ticket không: column received_at cannot be read as a time",
            "ticket vô tận: column received_at cannot be read as a time",
            "ticket without code: column code is not UTF-8",
            "ticket without code: column code is null",
            "ticket xưa: column received_at is outside the years 1990 to 2100",
        ]
    );
}

#[tokio::test]
async fn no_line_break_gets_through_in_a_code_or_in_a_text() {
    let hotline = Hotline::new().await;
    hotline
        .row(
            "code, agency, url",
            "'PA-1', 'Sở' || char(13, 10) || 'Y tế' || char(0) || '!', char(10)",
        )
        .await;
    let (ticket, _) = hotline.only().await;
    assert_eq!((ticket.agency.as_deref(), ticket.url), (Some("Sở  Y tế !"), None));
    hotline.row("code", "'PA' || char(10) || 'Bcc: x'").await;
    let page = hotline.all(10).await;
    assert_eq!(codes(&page.rows), ["PA-1"]);
    assert_eq!(
        rejections(&page),
        ["ticket without code: column code has a line break or another control character"]
    );
}

#[tokio::test]
async fn a_code_that_could_be_taken_for_what_is_owed_by_a_directive_is_refused() {
    let hotline = Hotline::new().await;
    hotline.row("code", "'@obligation/2021-08/SYT/review'").await;
    hotline.row("code", "'@obligation'").await;
    let page = hotline.all(10).await;
    assert_eq!(codes(&page.rows), ["@obligation"]);
    assert_eq!(
        rejections(&page),
        [
            "ticket @obligation/2021-08/SYT/review: column code begins with `@obligation/`, which is kept for what is owed by a \
         directive"
        ]
    );
}

#[tokio::test]
async fn title_and_body_are_fetched_only_where_a_rule_asks_for_them() {
    let hotline = Hotline::new().await;
    hotline
        .row("code, title, body", "'PA-1', 'Đèn hỏng', 'Đèn đường'")
        .await;
    for reads_text in [true, false] {
        let source = Source::open(&hotline.settings, reads_text).await.expect("a source");
        let page = source.by_code(&["PA-1".into()]).await.expect("a page");
        let texts = &page.rows[0].texts;
        assert_eq!(texts.title.as_deref(), reads_text.then_some("Đèn hỏng"));
        assert_eq!(texts.body.as_deref(), reads_text.then_some("Đèn đường"));
    }
}

// ---- pages -------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_code_that_nobody_could_write_down_is_none() {
    let hotline = Hotline::new().await;
    hotline.row("code", &format!("'{}'", "ế".repeat(200))).await;
    hotline.row("code", &format!("'{}'", "x".repeat(201))).await;
    let page = hotline.all(10).await;
    assert_eq!(page.rows.len(), 1);
    assert_eq!(
        rejections(&page),
        ["ticket without code: column code is longer than 200 characters"]
    );
}

#[tokio::test]
async fn rows_of_one_second_are_paged_in_byte_order_of_their_codes() {
    let hotline = Hotline::new().await;
    for code in ["b", "B", "á", "a", "10", "9", "ab", "a b", "Đ"] {
        hotline
            .row("code, updated_at", &format!("'{code}', '2021-08-03 10:00:00'"))
            .await;
    }
    hotline.row("code, updated_at", "'sớm', '2021-08-03 09:59:59'").await;
    hotline.row("code, updated_at", "'muộn', '2021-08-03 10:00:01'").await;
    hotline.row("code, updated_at", "'xưa', '2021-08-02 10:00:00'").await;
    let expect = ["sớm", "10", "9", "B", "a", "a b", "ab", "b", "á", "Đ", "muộn"];
    for batch in [1, 2, 3, 100] {
        let page = hotline.changed("2021-08-03 09:00", batch).await;
        assert_eq!(codes(&page.rows), expect, "{batch} at a time");
    }
}

#[tokio::test]
async fn no_code_is_lost_between_two_pages_however_the_source_types_and_sorts_it() {
    for column in [
        "code",
        "code TEXT",
        "code INTEGER",
        "code TEXT COLLATE NOCASE",
        "code NUMERIC",
    ] {
        let hotline = Hotline::with_table(&COLUMNS.replacen("code", column, 1)).await;
        for code in 1..=25 {
            hotline
                .row("code, updated_at", &format!("{code}, '2021-08-03 10:00:00'"))
                .await;
        }
        let mut expect: Vec<String> = (1..=25).map(|n| n.to_string()).collect();
        expect.sort();
        for page in [hotline.all(4).await, hotline.changed("2021-08-03 10:00", 4).await] {
            assert_eq!(codes(&page.rows), expect, "{column}");
        }
        let page = hotline.open().await.by_code(&expect).await.expect("a page");
        assert_eq!(page.rows.len(), 25, "{column}: each is found by its key");
    }
}

#[tokio::test]
async fn rows_that_cannot_be_placed_do_not_stop_the_reading_of_the_rest() {
    let hotline = Hotline::new().await;
    for n in 0..7 {
        // More than a page of each kind, all of them before or among the good ones.
        hotline.row("code, updated_at", "NULL, '2021-08-03 10:00:00'").await;
        hotline.row("code, updated_at", "x'FF', '2021-08-03 10:00:00'").await;
        hotline
            .row(
                "code, updated_at",
                &format!("CAST(x'FF3{n}' AS TEXT), '2021-08-03 10:00:00'"),
            )
            .await;
        hotline
            .row(
                "code, updated_at",
                &format!("'PA-{n}', CAST(x'32303231FF3{n}' AS TEXT)"),
            )
            .await;
        hotline
            .row("code, updated_at", &format!("'PB-{n}', '2021-08-04 10:00:00'"))
            .await;
        hotline.row("code, updated_at", &format!("'PC-{n}', x'FF'")).await;
    }
    let page = hotline.changed("2021-08-03 09:00", 3).await;
    let good = codes(&page.rows).iter().filter(|c| c.starts_with("PB")).count();
    assert_eq!(good, 7);
    let rejected: usize = page.rejected.iter().map(|r| r.rows).sum();
    assert_eq!(rejected, 21, "each of them once: {:?}", rejections(&page));
    let all = hotline.all(3).await;
    assert_eq!(all.rows.len(), 21);
    assert_eq!(all.spoiled.len(), 14, "the times of PA and PC");
}

#[tokio::test]
async fn a_doubled_code_is_found_though_its_rows_stand_on_two_pages() {
    let hotline = Hotline::new().await;
    for (code, updated) in [("A", "03"), ("B", "03"), ("B", "01"), ("B", "04"), ("C", "03")] {
        hotline
            .row("code, updated_at", &format!("'{code}', '2021-08-{updated} 10:00:00'"))
            .await;
    }
    for batch in [1, 2, 3, 4] {
        let all = hotline.all(batch).await;
        assert_eq!(codes(&all.rows), ["A", "C"], "{batch} at a time");
        assert!(!all.rejected.is_empty());
        let changed = hotline.changed("2021-08-02 00:00", batch).await;
        assert_eq!(codes(&changed.rows), ["A", "C"], "{batch} at a time");
    }
}

#[tokio::test]
async fn updated_at_may_be_a_number() {
    let hotline = {
        let mut hotline = Hotline::new().await;
        hotline.settings.updated_at_format = UpdatedAtFormat::EpochSeconds;
        hotline
    };
    let hour = at("2021-08-03 10:00").timestamp();
    for (code, updated) in [
        ("A", format!("{}", hour - 3600)),
        ("B", format!("{hour}")),
        ("C", format!("{hour}.5")),
        ("D", format!("{hour}.5")),
        ("E", format!("{}", hour + 1)),
    ] {
        hotline.row("code, updated_at", &format!("'{code}', {updated}")).await;
    }
    for batch in [1, 2, 10] {
        let page = hotline.changed("2021-08-03 10:00", batch).await;
        assert_eq!(codes(&page.rows), ["B", "C", "D", "E"], "{batch} at a time");
    }
}

#[tokio::test]
async fn any_number_of_tickets_of_any_code_is_found_again_by_key() {
    let hotline = Hotline::new().await;
    let mut keys: Vec<String> = (0..1203).map(|n| format!("PA-{n:05}")).collect();
    keys.extend(
        [
            "O'Brien",
            "\"",
            "a b",
            "%",
            "_",
            "Ủy ban",
            "🦆",
            "x;DROP TABLE ticket",
            "\\",
            "0012",
        ]
        .map(String::from),
    );
    for key in &keys {
        hotline.row("code", &format!("'{}'", key.replace('\'', "''"))).await;
    }
    // Written by a Mac, and by a form that does not trim.
    hotline.row("code", "'de\u{302}\u{301}n'").await;
    hotline.row("code", "' PB-1 '").await;
    keys.extend(["đã mất".to_owned(), "đến".replace('đ', "d"), "PB-1".to_owned()]);
    let source = hotline.open().await;
    // The sweep at the start reads all keys.
    let seen = source.keys(&[], Moment::UNIX_EPOCH, 5000).await.expect("keys");
    assert_eq!(seen.keys.len(), keys.len() - 1);
    let page = source.by_code(&keys).await.expect("a page");
    let mut found = codes(&page.rows);
    found.sort_unstable();
    let mut expect: Vec<&str> = keys.iter().map(String::as_str).filter(|k| *k != "đã mất").collect();
    expect.sort_unstable();
    assert_eq!(found, expect);
}

#[tokio::test]
async fn the_newest_change_is_the_newest_that_has_happened() {
    let hotline = Hotline::new().await;
    let source = hotline.open().await;
    let now = at("2021-08-03 10:00");
    assert_eq!(source.newest(now).await.expect("an answer").at, None);
    hotline.row("code, updated_at", "'A', '2021-08-03 09:00:00'").await;
    hotline.row("code, updated_at", "'B', NULL").await;
    for n in 0..30 {
        hotline
            .row("code, updated_at", &format!("'C{n}', '2099-01-01 00:00:00'"))
            .await;
        hotline.row("code, updated_at", &format!("'D{n}', 'zzz'")).await;
    }
    assert_eq!(
        source.newest(now).await.expect("an answer").at,
        Some(at("2021-08-03 09:00"))
    );
}

#[tokio::test]
async fn a_way_of_writing_updated_at_that_hides_changes_is_noticed() {
    let text = |format: &str| UpdatedAtFormat::Text(format.to_owned());
    let plain = "%Y-%m-%d %H:%M:%S";
    for (format, written, fits) in [
        (text(plain), "'2021-08-03 09:00:00'", true),
        (text(plain), "'2021-08-03 09:00:00.123'", true),
        (text(plain), "'2021-08-03 09:00:00+07'", true),
        (text(plain), "'2021-08-03T09:00:00'", false),
        (text(plain), "'2021-08-03T02:00:00Z'", false),
        (text(plain), "'2021-08-03 02:00:00+00:00'", false),
        (text(plain), "'03/08/2021 09:00'", false),
        (text(plain), "1627956000", false),
        (text("%Y-%m-%dT%H:%M:%S"), "'2021-08-03T09:00:00'", true),
        (UpdatedAtFormat::EpochSeconds, "1627956000", true),
        (UpdatedAtFormat::EpochSeconds, "1627956000.5", true),
        (UpdatedAtFormat::EpochSeconds, "'1627956000'", true),
        (UpdatedAtFormat::EpochSeconds, "1627956000000", false),
        (UpdatedAtFormat::EpochMillis, "1627956000000", true),
        (UpdatedAtFormat::EpochSeconds, "'2021-08-03 09:00:00'", false),
        // What is no time says nothing about the rest.
        (text(plain), "'hôm qua'", true),
        (text(plain), "NULL", true),
    ] {
        let mut hotline = Hotline::new().await;
        hotline.settings.updated_at_format = format.clone();
        hotline.row("code, updated_at", &format!("'PA-1', {written}")).await;
        let newest = hotline.open().await.newest(at("2021-08-03 10:00")).await;
        assert_eq!(newest.expect("an answer").is_comparable, fits, "{format:?} {written}");
    }
}

// ---- the database itself -----------------------------------------------------------------------------------------

#[tokio::test]
async fn what_cannot_be_opened_is_named() {
    let mut hotline = Hotline::new().await;
    let good = hotline.settings.clone();
    let path = hotline.dir.path().to_owned();
    let named = |file: &str| path.join(file).display().to_string();

    hotline.settings.database = Database::Sqlite(path.join("nowhere.db"));
    let error = hotline.opening_fails().await;
    assert!(
        error.starts_with(&format!("source {}: cannot be opened", named("nowhere.db"))),
        "{error}"
    );
    assert!(!path.join("nowhere.db").exists(), "it is not made");

    hotline.settings.database = Database::Sqlite(path.clone());
    let error = hotline.opening_fails().await;
    assert!(error.contains("cannot be opened"), "a folder: {error}");

    std::fs::write(path.join("letter.db"), "Kính gửi: Sở Y tế. ".repeat(100)).expect("a file");
    hotline.settings.database = Database::Sqlite(path.join("letter.db"));
    let error = hotline.opening_fails().await;
    assert!(
        error.contains("cannot be opened") && error.contains("not a database") && error.contains(&named("letter.db")),
        "{error}"
    );
    hotline.settings = good;
}

#[tokio::test]
async fn a_query_that_does_not_serve_is_refused_with_what_it_lacks() {
    let mut hotline = Hotline::new().await;
    for (query, complaint) in [
        (
            "SELECT status, received_at FROM ticket",
            "returns no column `code`; add it, with AS",
        ),
        ("SELECT code, received_at FROM ticket", "returns no column `status`"),
        ("SELECT code, status FROM ticket", "returns no column `received_at`"),
        ("SELECT code FROM phieu", "no such table: phieu"),
        ("EXPLAIN SELECT * FROM ticket", "syntax error"),
        ("SELECT * FROM ticket) AS q; --", "syntax error"),
        ("SELEC code FROM ticket", "syntax error"),
        ("SELECT code, status, received_at FROM ticket WHERE", "incomplete input"),
        ("", "cannot be prepared"),
    ] {
        hotline.settings.query = query.into();
        let error = hotline.opening_fails().await;
        assert!(
            error.contains(complaint) && error.contains("tickets.db"),
            "{query}: {error}"
        );
    }
    // Names mean the same in any case, and a query may be one that reads from several tables.
    hotline.settings.query =
        "WITH t AS (SELECT * FROM ticket) SELECT a.code AS Code, a.STATUS, a.received_at AS \"Received_At\" FROM t a JOIN t b USING (code) -- all of them"
            .into();
    hotline.row("code", "'PA-1'").await;
    assert_eq!(codes(&hotline.all(10).await.rows), ["PA-1"]);
}

#[tokio::test]
async fn text_in_utf_16_is_refused_instead_of_misread() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("tickets.db");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .pragma("encoding", "'UTF-16le'");
    let db = SqlitePool::connect_with(options).await.expect("a database");
    sqlx::query(AssertSqlSafe(format!("CREATE TABLE ticket ({COLUMNS})")))
        .execute(&db)
        .await
        .expect("a table");
    let error = match Source::open(&settings(path), false).await {
        Ok(_) => panic!("it was opened"),
        Err(error) => error.to_string(),
    };
    assert!(
        error.ends_with("its text is in UTF-16le; only UTF-8 databases can be read"),
        "{error}"
    );
}

#[tokio::test]
async fn nothing_that_writes_or_reaches_further_is_taken_and_the_file_stays_as_it_is() {
    let mut hotline = Hotline::new().await;
    hotline.row("code", "'PA-1'").await;
    hotline.db.close().await;
    let other = hotline.dir.path().join("other.db");
    let file = hotline.dir.path().join("tickets.db");
    let before = std::fs::read(&file).expect("the file");
    let escape = "SELECT * FROM ticket) AS q LIMIT 0;";
    for query in [
        "DELETE FROM ticket".to_owned(),
        "INSERT INTO ticket (code) VALUES ('x') RETURNING *".to_owned(),
        "UPDATE ticket SET status = 'x' RETURNING *".to_owned(),
        "PRAGMA user_version = 7".to_owned(),
        format!("ATTACH '{}' AS other", other.display()),
        format!("VACUUM INTO '{}'", other.display()),
        "SELECT * FROM ticket; DELETE FROM ticket".to_owned(),
        format!("{escape} DELETE FROM ticket; --"),
        format!(
            "{escape} ATTACH '{}' AS other; CREATE TABLE other.t (x); --",
            other.display()
        ),
        format!("{escape} VACUUM INTO '{}'; --", other.display()),
    ] {
        hotline.settings.query.clone_from(&query);
        hotline.opening_fails().await;
        assert!(!other.exists(), "{query} wrote another file");
    }
    hotline.settings.query = "SELECT * FROM ticket".into();
    assert_eq!(codes(&hotline.all(10).await.rows), ["PA-1"]);
    assert_eq!(std::fs::read(&file).expect("the file"), before);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_and_the_next_one_is_answered() {
    let mut hotline = Hotline::new().await;
    hotline.row("code", "'PA-1'").await;
    hotline.settings.query = "SELECT t.* FROM ticket t WHERE t.title IS NULL OR t.code IN \
        (WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT 'never' FROM n WHERE x < 0)"
        .into();
    hotline.settings.statement_timeout = TimeDelta::milliseconds(100);
    let source = hotline.open().await;
    hotline.sql("UPDATE ticket SET title = 'x'").await;
    // More often than there are connections: none of them stays with a statement that never ends.
    for _ in 0..3 {
        let read = source.by_code(&["PA-1".into()]).await;
        assert!(matches!(read, Err(SourceError::Timeout { .. })));
    }
    hotline.sql("UPDATE ticket SET title = NULL").await;
    let page = source.by_code(&["PA-1".into()]).await.expect("a page");
    assert_eq!(codes(&page.rows), ["PA-1"]);
}

// ---- turns -------------------------------------------------------------------------------------------------------

/// A province whose ladder waits for nobody, started on Monday 6/9/2021.
async fn province() -> World {
    province_on(Kind::Sqlite).await
}

/// The same with its ticket database on another kind.
async fn province_on(kind: Kind) -> World {
    let world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    let mut world = world.with_tickets_on(kind).await;
    world.turn("2021-09-06 07:00").await;
    world
}

/// Changes the source behind the back of `updated_at`.
async fn silently(world: &World, sql: &str) {
    world.sql(sql).await;
}

async fn known(world: &World, code: &str) -> Option<Ticket> {
    let kept = world.store().tickets(&[code.to_owned()]).await.expect("the store");
    kept.get(code).map(|kept| kept.ticket.clone())
}

async fn cursor(world: &World) -> Moment {
    world.store().meta().await.expect("the store").cursor.expect("a cursor")
}

/// `n` open tickets in the source.
async fn crowd(world: &World, n: usize) {
    for i in 0..n {
        world.ticket(&format!("N{i:03}"), "Sở Y tế", "2021-09-06 08:00").await;
    }
}

#[tokio::test]
async fn the_first_read_takes_what_is_open_and_what_was_touched_since_the_previous_period_began() {
    for kind in Kind::ALL {
        eprintln!("on {kind:?}");
        let mut world = World::new(LADDER).await.with_tickets_on(kind).await;
        world.ticket("mở, rất cũ", "Sở Y tế", "2020-01-02 08:00").await;
        for (code, touched) in [
            ("đóng tháng bảy", "2021-07-31 23:59"),
            ("đóng đầu tháng tám", "2021-08-01 00:00"),
            ("đóng hôm nay", "2021-09-06 06:00"),
        ] {
            world.ticket(code, "Sở Y tế", "2021-07-01 08:00").await;
            world.change(code, touched, "status = 'đóng'").await;
        }
        let report = world.turn("2021-09-06 07:00").await;
        assert_eq!(report.observed.seen, 3);
        assert_eq!(known(&world, "đóng tháng bảy").await, None);
        // It is not found to be new by the sweeps either.
        assert_eq!(world.turn("2021-09-07 07:00").await.observed.seen, 0);
        // Touched again, it is read.
        world
            .change("đóng tháng bảy", "2021-09-07 08:00", "status = 'đang xử lý'")
            .await;
        world.turn("2021-09-07 08:10").await;
        assert!(known(&world, "đóng tháng bảy").await.is_some());
    }
}

#[tokio::test]
async fn a_row_committed_late_is_read_when_its_time_lies_within_the_overlap() {
    for kind in Kind::ALL {
        eprintln!("on {kind:?}");
        let mut world = province_on(kind).await;
        world.ticket("T1", "Sở Y tế", "2021-09-06 08:59").await;
        world.turn("2021-09-06 09:00").await;
        // Stamped before T1, visible only after the turn.
        world.ticket("T2", "Sở Y tế", "2021-09-06 08:58").await;
        world.turn("2021-09-06 09:01").await;
        assert!(known(&world, "T2").await.is_some());
    }
}

#[tokio::test]
async fn the_cursor_stays_behind_the_read_and_does_not_follow_times_in_the_future() {
    for kind in Kind::ALL {
        eprintln!("on {kind:?}");
        let mut world = province_on(kind).await;
        world.ticket("T1", "Sở Y tế", "2021-09-06 08:59").await;
        world.turn("2021-09-06 09:00").await;
        assert_eq!(cursor(&world).await, at("2021-09-06 08:58"));
        world.ticket("mai", "Sở Y tế", "2021-09-06 09:00").await;
        world.change("mai", "2031-01-01 00:00", "area = '1'").await;
        world.turn("2021-09-06 09:30").await;
        assert_eq!(cursor(&world).await, at("2021-09-06 09:28"));
        assert!(known(&world, "mai").await.is_some());
        // What changes afterwards is not hidden behind it.
        world.change("T1", "2021-09-06 09:40", "area = '2'").await;
        world.turn("2021-09-06 09:45").await;
        assert_eq!(known(&world, "T1").await.expect("T1").area.as_deref(), Some("2"));
        // Nothing changed: it does not go back.
        world.turn("2021-09-06 12:00").await;
        assert!(cursor(&world).await >= at("2021-09-06 09:38"));
    }
}

#[tokio::test]
async fn one_time_in_the_future_does_not_make_the_source_look_dead() {
    for kind in Kind::ALL {
        eprintln!("on {kind:?}");
        let mut world = province_on(kind).await;
        world
            .edit("dondoc.toml", |text| {
                text.replace("stale_after = 0", "stale_after = \"4wh\"")
            })
            .await;
        world.ticket("mai", "Sở Y tế", "2021-09-06 08:00").await;
        world.change("mai", "2031-01-01 00:00", "area = '1'").await;
        for day in ["2021-09-07", "2021-09-08"] {
            world
                .ticket(&format!("T{day}"), "Sở Y tế", &format!("{day} 07:30"))
                .await;
            let report = world.turn(&format!("{day} 08:00")).await;
            assert_eq!(report.problems(), [""; 0]);
        }
        let report = world.turn("2021-09-09 16:00").await;
        assert!(
            report.problems()[0].contains("nothing has changed"),
            "{:?}",
            report.problems()
        );
    }
}

#[tokio::test]
async fn a_source_whose_changes_cannot_be_compared_says_so_in_every_turn() {
    let mut world = province().await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 08:59").await;
    assert_eq!(world.turn("2021-09-06 09:00").await.problems(), [""; 0]);
    silently(
        &world,
        "UPDATE ticket SET updated_at = '2021-09-06T02:05:00Z', area = '1'",
    )
    .await;
    for time in ["2021-09-06 09:10", "2021-09-06 09:20"] {
        let problems = world.turn(time).await.problems();
        assert!(
            problems[0].starts_with("`updated_at` is not written as"),
            "{problems:?}"
        );
    }
    world.turn("2021-09-07 02:00").await;
    assert_eq!(
        known(&world, "T1").await.expect("T1").area.as_deref(),
        Some("1"),
        "the sweep finds it"
    );
}

#[tokio::test]
async fn bad_rows_are_counted_and_named_and_the_good_ones_get_their_mail() {
    for kind in Kind::ALL {
        eprintln!("on {kind:?}");
        let mut world = province_on(kind).await;
        world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
        for n in 0..60 {
            world.ticket(&format!("X{n}"), "Sở Y tế", "2021-09-06 09:00").await;
        }
        let endless = kind.of(["'infinity'", "'infinity'", "'0000-00-00'"]);
        silently(
            &world,
            "UPDATE ticket SET code = NULL WHERE code < 'X2'  AND code LIKE 'X%'",
        )
        .await;
        silently(
            &world,
            &format!("UPDATE ticket SET received_at = {endless} WHERE code LIKE 'X%'"),
        )
        .await;
        silently(
            &world,
            &format!("UPDATE ticket SET rated_at = {endless} WHERE code = 'T1'"),
        )
        .await;
        let report = world.turn("2021-09-06 10:00").await;
        assert_eq!(report.observed.rejected, 60);
        assert_eq!(report.observed.spoiled, 1);
        let problems = report.problems();
        assert!(problems.len() <= 60, "not a line for each row: {}", problems.len());
        for line in [
            "row rejected: ticket without code: column code is null",
            "row rejected: ticket X20: column received_at cannot be read as a time",
            "value ignored: ticket T1: column rated_at cannot be read as a time",
        ] {
            assert!(problems.iter().any(|p| p == line), "{line}: {problems:?}");
        }
        assert_eq!(
            world.days("2021-09-07", "2021-09-14").await,
            ["14/09 syt: T1 overdue/L1"]
        );
    }
}

#[tokio::test]
async fn a_known_ticket_whose_row_turns_unreadable_keeps_its_last_good_state() {
    for kind in Kind::ALL {
        eprintln!("on {kind:?}");
        let mut world = province_on(kind).await;
        world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
        world.turn("2021-09-06 10:00").await;
        let good = known(&world, "T1").await;
        // Through nightly sweeps and those of restarts: it is neither gone nor done.
        for (bad, from, to) in [
            (
                kind.of(["'0000-00-00'", "'infinity'", "'0000-00-00'"]),
                "2021-09-07",
                "2021-09-08",
            ),
            ("NULL", "2021-09-09", "2021-09-10"),
        ] {
            silently(
                &world,
                &format!("UPDATE ticket SET received_at = {bad}, updated_at = NULL, status = 'đóng'"),
            )
            .await;
            world.days(from, to).await;
            world.restart().await;
            let report = world.turn(&format!("{to} 16:10")).await;
            assert_eq!(report.observed.rejected, 1, "{bad}");
            assert_eq!(known(&world, "T1").await, good, "{bad}");
        }
        // It climbs on what is known of it.
        assert_eq!(
            world.days("2021-09-11", "2021-09-14").await,
            ["14/09 syt: T1 overdue/L1"]
        );
    }
}

#[tokio::test]
async fn the_sweep_finds_what_changed_behind_the_back_of_updated_at() {
    for kind in Kind::ALL {
        eprintln!("on {kind:?}");
        let mut world = province_on(kind).await;
        for code in ["đổi", "mới", "như cũ"] {
            world.ticket(code, "Sở Y tế", "2021-09-06 09:00").await;
        }
        world.ticket("sau", "Sở Y tế", "2021-09-06 09:30").await;
        silently(&world, "DELETE FROM ticket WHERE code = 'mới'").await;
        world.turn("2021-09-06 10:00").await;
        silently(&world, "UPDATE ticket SET status = 'đóng' WHERE code = 'đổi'").await;
        world.ticket("mới", "Sở Y tế", "2021-09-05 09:00").await;
        let report = world.turn("2021-09-06 17:00").await;
        assert_eq!(
            (report.observed.seen, known(&world, "mới").await),
            (1, None),
            "only the row at the cursor"
        );
        let report = world.turn("2021-09-07 02:00").await;
        assert_eq!(report.observed.changed, 2);
        assert_eq!(known(&world, "đổi").await.expect("a ticket").status, Status::Closed);
        assert!(known(&world, "mới").await.is_some());
        assert_eq!(world.turn("2021-09-08 02:00").await.observed.changed, 0);
    }
}

#[tokio::test]
async fn a_ticket_absent_from_two_sweeps_is_gone_and_its_waiting_notice_with_it() {
    for kind in Kind::ALL {
        eprintln!("on {kind:?}");
        let mut world = province_on(kind).await;
        world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
        // Due Monday 13/9 by the end of the day: decided in the night, to be told at 08:00.
        world.days("2021-09-07", "2021-09-12").await;
        silently(&world, "CREATE TABLE hidden AS SELECT * FROM ticket").await;
        silently(&world, "DELETE FROM ticket").await;
        assert_eq!(
            world.turn("2021-09-13 02:00").await.observed.gone,
            0,
            "once is no proof"
        );
        world.restart().await;
        assert_eq!(world.turn("2021-09-14 07:00").await.observed.gone, 1);
        assert_eq!(world.days("2021-09-14", "2021-09-15").await, [""; 0]);
        // It returns: the same occurrence goes on, and what had not gone out goes out now, once.
        silently(&world, "INSERT INTO ticket SELECT * FROM hidden").await;
        assert_eq!(
            world.days("2021-09-16", "2021-09-20").await,
            ["16/09 syt: T1 overdue/L1", "20/09 giamdoc-syt: T1 overdue/L2"]
        );
    }
}

#[tokio::test]
async fn a_ticket_that_was_told_and_vanishes_for_a_while_is_not_told_again() {
    for kind in Kind::ALL {
        eprintln!("on {kind:?}");
        let mut world = province_on(kind).await;
        world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
        assert_eq!(
            world.days("2021-09-07", "2021-09-14").await,
            ["14/09 syt: T1 overdue/L1"]
        );
        silently(&world, "CREATE TABLE hidden AS SELECT * FROM ticket").await;
        silently(&world, "DELETE FROM ticket").await;
        assert_eq!(world.days("2021-09-15", "2021-09-17").await, [""; 0]);
        silently(&world, "INSERT INTO ticket SELECT * FROM hidden").await;
        assert_eq!(
            world.days("2021-09-18", "2021-09-20").await,
            ["20/09 giamdoc-syt: T1 overdue/L2"]
        );
    }
}

#[tokio::test]
async fn codes_that_are_numbers_or_not_in_nfc_are_not_taken_for_gone() {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    silently(&world, "DROP TABLE ticket").await;
    let untyped = COLUMNS.replacen("code", "code INTEGER PRIMARY KEY", 1);
    silently(&world, &format!("CREATE TABLE number ({untyped})")).await;
    silently(&world, &format!("CREATE TABLE word ({COLUMNS})")).await;
    silently(
        &world,
        "CREATE VIEW ticket AS SELECT * FROM number UNION ALL SELECT * FROM word",
    )
    .await;
    for code in ["9", "10", "100"] {
        silently(
            &world,
            &format!(
                "INSERT INTO number (code, status, received_at, updated_at, agency) \
            VALUES ({code}, 'đang xử lý', '2021-09-06 08:00:00', '2021-09-06 08:00:00', 'Sở Y tế')"
            ),
        )
        .await;
    }
    for code in ["e\u{302}\u{301}-1", "f-1", " g-1", "\u{EA}-2"] {
        silently(
            &world,
            &format!(
                "INSERT INTO word (code, status, received_at, updated_at, agency) \
            VALUES ('{code}', 'đang xử lý', '2021-09-06 08:00:00', '2021-09-06 08:00:00', 'Sở Y tế')"
            ),
        )
        .await;
    }
    world.restart().await;
    world.turn("2021-09-06 09:00").await;
    for day in ["2021-09-07 03:00", "2021-09-08 03:00", "2021-09-09 03:00"] {
        let observed = world.turn(day).await.observed;
        assert_eq!((observed.gone, observed.changed), (0, 0), "{day}");
    }
    // Closed silently, each is found and read again by its key.
    silently(&world, "UPDATE number SET status = 'đóng'").await;
    silently(&world, "UPDATE word SET status = 'đóng'").await;
    world.turn("2021-09-10 03:00").await;
    for code in ["9", "10", "100", "ế-1", "f-1", "g-1", "ê-2"] {
        assert_eq!(known(&world, code).await.expect(code).status, Status::Closed, "{code}");
    }
}

#[tokio::test]
async fn a_loss_or_a_flood_beyond_belief_is_held_until_it_is_over_or_allowed() {
    for kind in Kind::ALL {
        eprintln!("on {kind:?}");
        let mut world = province_on(kind).await;
        crowd(&world, 30).await;
        world.turn("2021-09-06 09:00").await;
        silently(&world, "CREATE TABLE hidden AS SELECT * FROM ticket").await;
        silently(&world, "DELETE FROM ticket WHERE code >= 'N010'").await;
        for day in ["2021-09-07", "2021-09-08", "2021-09-09"] {
            let report = world.turn(&format!("{day} 03:00")).await;
            assert_eq!(report.observed.gone, 0, "{day}");
            let problems = report.problems();
            assert!(
                problems
                    .iter()
                    .any(|p| p.contains("30 open tickets are known, 10 are in the source")),
                "{problems:?}"
            );
        }
        assert!(known(&world, "N029").await.expect("a ticket").status.is_open());
        silently(&world, "DELETE FROM ticket").await;
        silently(&world, "INSERT INTO ticket SELECT * FROM hidden").await;
        assert_eq!(world.turn("2021-09-10 03:00").await.problems(), [""; 0]);

        for i in 0..50 {
            world.ticket(&format!("M{i:03}"), "Sở Y tế", "2021-08-02 08:00").await;
        }
        let report = world.turn("2021-09-11 03:00").await;
        assert!(report.problems()[0].contains("30 open tickets are known, 80 are in the source"));
        assert_eq!(known(&world, "M000").await, None);
        // It is true: the share is raised.
        world
            .edit("dondoc.toml", |text| {
                text.replace("stale_after = 0", "stale_after = 0\nimplausible_share = 1.0")
            })
            .await;
        silently(&world, "DELETE FROM ticket WHERE code >= 'M030' AND code LIKE 'M%'").await;
        assert_eq!(world.turn("2021-09-12 03:00").await.problems(), [""; 0]);
        assert!(known(&world, "M000").await.is_some());
    }
}

#[tokio::test]
async fn without_updated_at_the_sweep_alone_sees_arrivals_changes_and_closings() {
    for kind in Kind::ALL {
        eprintln!("on {kind:?}");
        let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}"))
            .await
            .with_tickets_on(kind)
            .await;
        world
            .edit("dondoc.toml", |text| {
                let query = "SELECT code, status, received_at, agency, answered_at FROM ticket";
                text.replace("SELECT * FROM ticket", query)
                    .replace("stale_after = 0", "has_updated_at = false")
            })
            .await;
        // Received long before the window and still open.
        world.ticket("cũ", "Sở Y tế", "2021-03-01 08:00").await;
        world.turn("2021-09-06 07:00").await;
        world.ticket("mới", "Sở Y tế", "2021-09-06 08:00").await;
        assert_eq!(world.turn("2021-09-06 08:10").await.observed.changed, 1);
        world.change("cũ", "2021-09-06 09:00", "status = 'đã trả lời'").await;
        world.turn("2021-09-06 09:10").await;
        assert_eq!(
            known(&world, "cũ").await.expect("a ticket").status,
            Status::Answered,
            "not taken for gone"
        );
        for time in ["2021-09-06 09:20", "2021-09-06 09:30", "2021-09-06 09:40"] {
            let observed = world.turn(time).await.observed;
            assert_eq!((observed.gone, observed.changed), (0, 0));
        }
    }
}

#[tokio::test]
async fn a_source_that_cannot_be_read_stops_nothing_else() {
    for kind in Kind::ALL {
        eprintln!("on {kind:?}");
        let mut world = province_on(kind).await;
        world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
        world.turn("2021-09-06 10:00").await;
        silently(&world, "ALTER TABLE ticket RENAME TO elsewhere").await;
        let report = world.turn("2021-09-06 11:00").await;
        assert!(report.source_failed());
        assert!(
            report.problems()[0].contains(kind.of(["no such table", "does not exist", "doesn't exist"])),
            "{:?}",
            report.problems()
        );
        silently(&world, "ALTER TABLE elsewhere RENAME TO ticket").await;
        assert_eq!(
            world.days("2021-09-07", "2021-09-14").await,
            ["14/09 syt: T1 overdue/L1"]
        );
    }
}
