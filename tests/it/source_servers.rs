//! Ticket databases on servers: every type that people use there, every value that breaks others, and servers that
//! stall or cut the line.

use chrono::{NaiveTime, TimeDelta};
use dondoc::config::settings::{Database, SourceSettings, UpdatedAtFormat};
use dondoc::demo::reading;
use dondoc::domain::Moment;
use dondoc::domain::ticket::{Rating, Status, Ticket};
use dondoc::domain::time::Span;
use dondoc::engine::Problem;
use dondoc::source::{Cursor, Page, Source, SourceError, TicketDatabase};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Row as _};
use tempfile::TempDir;

use crate::smtp_tls::relay::{Authority, Manners, Relay};
use crate::tickets::{Kind, Tickets};
use crate::webhooks::receiver::{Do, Receiver};
use crate::world::{FIVE_DAYS, LADDER, World, at};

struct Hotline {
    dir: TempDir,
    kind: Kind,
    tickets: Tickets,
    settings: SourceSettings,
}

impl Hotline {
    async fn new(kind: Kind) -> Hotline {
        Hotline::with_table(kind, &kind.columns()).await
    }

    async fn with_table(kind: Kind, columns: &str) -> Hotline {
        let dir = tempfile::tempdir().expect("a folder");
        let tickets = Tickets::new(kind, dir.path()).await;
        tickets.sql(&format!("CREATE TABLE ticket ({columns})")).await;
        let status = [("moi", Status::Open), ("dong", Status::Closed)];
        let rating = [("chua hai long", Rating::Unsatisfied)];
        let settings = SourceSettings {
            database: tickets.database(dir.path()),
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
        };
        Hotline {
            dir,
            kind,
            tickets,
            settings,
        }
    }

    /// A row of SQL literals; `received_at` and `status` have good values unless named.
    async fn row(&self, columns: &str, values: &str) {
        let mut all = (columns.to_owned(), values.to_owned());
        for (column, value) in [("received_at", "'2021-08-02 09:00:00'"), ("status", "'mới'")] {
            if !columns.split(", ").any(|c| c == column) {
                all = (format!("{}, {column}", all.0), format!("{}, {value}", all.1));
            }
        }
        self.tickets
            .sql(&format!("INSERT INTO ticket ({}) VALUES ({})", all.0, all.1))
            .await;
    }

    async fn open(&self) -> Source {
        Source::open(&self.settings, true)
            .await
            .unwrap_or_else(|e| panic!("{e}"))
    }

    async fn opening_fails(&self) -> String {
        match Source::open(&self.settings, true).await {
            Ok(_) => panic!("{}: opened", self.settings.query),
            Err(error) => error.to_string(),
        }
    }

    async fn all(&self, batch: u32) -> Page {
        let source = self.open().await;
        let mut all = Page::default();
        let mut after: Option<Cursor> = None;
        loop {
            let page = source.first_read(after.as_ref(), Moment::UNIX_EPOCH, batch).await;
            let page = page.unwrap_or_else(|e| panic!("{e}"));
            after.clone_from(&page.next);
            add(&mut all, page);
            if after.is_none() {
                return all;
            }
        }
    }

    async fn changed(&self, since: &str, batch: u32) -> Page {
        let source = self.open().await;
        let mut all = Page::default();
        let mut position = Some(source.cursor_at(at(since)));
        while let Some(after) = position.take() {
            let page = source
                .changed(&after, batch)
                .await
                .unwrap_or_else(|e| panic!("{:?}: {e}", self.kind));
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

fn add(all: &mut Page, page: Page) {
    all.rows.extend(page.rows);
    all.rejected.extend(page.rejected);
    all.spoiled.extend(page.spoiled);
}

fn codes(page: &Page) -> Vec<&str> {
    page.rows.iter().map(|r| r.ticket.code.as_str()).collect()
}

fn rejections(page: &Page) -> Vec<String> {
    let mut all: Vec<String> = page.rejected.iter().map(ToString::to_string).collect();
    all.sort();
    all
}

#[tokio::test]
async fn a_row_of_the_databases_own_types_is_read_whole() {
    for kind in Kind::ALL {
        let hotline = Hotline::new(kind).await;
        let yes = kind.of(["1", "true", "1"]);
        hotline
            .row(
                "code, updated_at, due_at, title, level, tags, is_procedure, agency, co_agencies, rating",
                &format!(
                    "'PA-1', '2021-08-03 10:00:00', '2021-08-09 17:00:00', 'Đèn hỏng', 2, 'conduct,regulation', {yes}, ' Sở Y tế ', \
                     'Sở Xây dựng,,Sở Tài chính', 'Chưa hài lòng'"
                ),
            )
            .await;
        let (ticket, complaints) = hotline.only().await;
        assert_eq!(complaints, [""; 0], "{kind:?}");
        let due = ticket.due_at.expect("a deadline");
        assert_eq!(
            (due.date.to_string().as_str(), due.at, due.has_time),
            ("2021-08-09", at("2021-08-09 17:00"), true),
            "{kind:?}"
        );
        let expect = Ticket {
            code: "PA-1".into(),
            status_word: "mới".into(),
            status_mapped: true,
            received_at: at("2021-08-02 09:00"),
            updated_at: Some(at("2021-08-03 10:00")),
            due_at: Some(due),
            level: Some(2),
            tags: ["conduct", "regulation"].map(str::to_owned).into(),
            is_procedure: true,
            agency: Some("Sở Y tế".into()),
            co_agencies: vec!["Sở Xây dựng".into(), "Sở Tài chính".into()],
            rating: Some(Rating::Unsatisfied),
            ..Ticket::default()
        };
        assert_eq!(ticket, expect, "{kind:?}");
    }
}

#[tokio::test]
async fn every_type_that_holds_text_a_number_or_a_time_is_read() {
    let postgres = Hotline::new(Kind::Postgres).await;
    postgres.tickets.sql("CREATE EXTENSION citext").await;
    postgres.tickets.sql("CREATE TYPE mood AS ENUM ('sad', 'mới')").await;
    postgres.tickets.sql("CREATE DOMAIN place AS varchar(9)").await;
    let maria = Hotline::new(Kind::MariaDb).await;
    maria
        .tickets
        .sql("CREATE TABLE kinds (e ENUM('a', 'mới'), s SET('a', 'b'), b BIT(9), y YEAR, j JSON, u BIGINT UNSIGNED, f BINARY(5), t TIMESTAMP NULL, l VARCHAR(9) CHARACTER SET latin1)")
        .await;
    maria
        .tickets
        .sql("INSERT INTO kinds VALUES ('mới', 'a,b', b'100000001', 2021, '{\"a\": 1}', 18446744073709551615, 'x', '2021-08-09 10:30:00', 'é')")
        .await;
    for (hotline, from, column, written, read) in [
        (&postgres, "", "area", "'x'::char(5)", "Some(\"x\")"),
        (&postgres, "", "area", "'x'::name", "Some(\"x\")"),
        (&postgres, "", "area", "'x'::citext", "Some(\"x\")"),
        (&postgres, "", "area", "'x'::\"char\"", "Some(\"x\")"),
        (&postgres, "", "area", "'mới'::mood", "Some(\"mới\")"),
        (&postgres, "", "area", "'x'::place", "Some(\"x\")"),
        (
            &postgres,
            "",
            "area",
            "'7b2a7a4e-0000-4000-8000-000000000001'::uuid",
            "Some(\"7b2a7a4e-0000-4000-8000-000000000001\")",
        ),
        (&postgres, "", "area", "'{\"a\": 1}'::jsonb", "Some(\"{\\\"a\\\": 1}\")"),
        (&postgres, "", "area", "'<a/>'::xml", "Some(\"<a/>\")"),
        (&postgres, "", "area", "NULL", "None"),
        (&postgres, "", "area", "12::int2", "Some(\"12\")"),
        (&postgres, "", "level", "2::int2", "Some(2)"),
        (&postgres, "", "level", "2.00::numeric", "Some(2)"),
        (&postgres, "", "level", "2::float4", "Some(2)"),
        (&postgres, "", "level", "'2'", "Some(2)"),
        (&maria, " FROM kinds", "area", "e", "Some(\"mới\")"),
        (&maria, " FROM kinds", "area", "s", "Some(\"a,b\")"),
        (&maria, " FROM kinds", "level", "b", "Some(257)"),
        (&maria, " FROM kinds", "level", "y", "Some(2021)"),
        (&maria, " FROM kinds", "area", "j", "Some(\"{\\\"a\\\": 1}\")"),
        (&maria, " FROM kinds", "area", "f", "Some(\"x\")"),
        (&maria, " FROM kinds", "area", "l", "Some(\"é\")"),
        (&maria, " FROM kinds", "area", "u", "Some(\"18446744073709551615\")"),
        (&maria, "", "area", "NULL", "None"),
        (&maria, "", "area", "CAST('Sở' AS BINARY)", "Some(\"Sở\")"),
        (&maria, "", "level", "2.00", "Some(2)"),
        (&maria, "", "level", "CAST(2 AS DOUBLE)", "Some(2)"),
        (&maria, "", "level", "TRUE", "Some(1)"),
    ] {
        let mut settings = hotline.settings.clone();
        let time = "'2021-08-02 09:00:00'";
        settings.query =
            format!("SELECT 'PA-1' AS code, 'mới' AS status, {time} AS received_at, {written} AS {column}{from}");
        let source = Source::open(&settings, true)
            .await
            .unwrap_or_else(|e| panic!("{written}: {e}"));
        let page = source
            .by_code(&["PA-1".into()])
            .await
            .unwrap_or_else(|e| panic!("{written}: {e}"));
        let ticket = &page.rows[0].ticket;
        let found = match column {
            "level" => format!("{:?}", ticket.level),
            _ => format!("{:?}", ticket.area),
        };
        assert_eq!(found, read, "{written}");
        assert_eq!(page.spoiled, [], "{written}");
    }
}

#[tokio::test]
async fn a_naive_time_is_the_sources_and_an_instant_is_its_own_whatever_the_session_says() {
    for (kind, written, local, date) in [
        (
            Kind::Postgres,
            "'2021-08-09 03:30:00+00'::timestamptz",
            "2021-08-09 10:30",
            "2021-08-09",
        ),
        // The 8th in UTC, the 9th where the source is.
        (
            Kind::Postgres,
            "'2021-08-08 17:00:00+00'::timestamptz",
            "2021-08-09 00:00",
            "2021-08-09",
        ),
        (
            Kind::Postgres,
            "'2021-08-09 10:30:00.25'::timestamp",
            "2021-08-09 10:30",
            "2021-08-09",
        ),
        (Kind::Postgres, "'2021-08-09'::date", "2021-08-09 00:00", "2021-08-09"),
        (
            Kind::MariaDb,
            "TIMESTAMP'2021-08-09 10:30:00'",
            "2021-08-09 10:30",
            "2021-08-09",
        ),
        (
            Kind::MariaDb,
            "CAST('2021-08-09 10:30:00.25' AS DATETIME(3))",
            "2021-08-09 10:30",
            "2021-08-09",
        ),
        (Kind::MariaDb, "DATE'2021-08-09'", "2021-08-09 00:00", "2021-08-09"),
    ] {
        let mut hotline = Hotline::new(kind).await;
        hotline.settings.query = format!(
            "SELECT 'PA-1' AS code, 'mới' AS status, '2021-08-02 09:00:00' AS received_at, {written} AS due_at"
        );
        let due = hotline.only().await.0.due_at.expect("a deadline");
        assert_eq!(due.at.timestamp(), at(local).timestamp(), "{written}");
        assert_eq!(due.date.to_string(), date, "{written}");
        assert_eq!(
            due.has_time,
            !written.to_lowercase().contains("date'") && !written.ends_with("::date"),
            "{written}"
        );
    }
    // TIMESTAMP, which is an instant, written in another zone than it is read in.
    let maria = Hotline::new(Kind::MariaDb).await;
    maria.row("code, updated_at", "'PA-1', '2021-08-09 10:30:00'").await;
    assert_eq!(maria.only().await.0.updated_at, Some(at("2021-08-09 10:30")));
}

#[tokio::test]
async fn a_bad_value_becomes_null_and_is_named_by_code_and_column() {
    let not_a_time = "cannot be read as a time";
    let out_of_range = "is outside the years 1990 to 2100";
    let legacy = "is in a legacy encoding (TCVN3, VNI or UTF-8 read as Windows-1252)";
    for (kind, column, value, why) in [
        (Kind::Postgres, "due_at", "'infinity'", not_a_time),
        (Kind::Postgres, "due_at", "'-infinity'", not_a_time),
        (Kind::Postgres, "answered_at", "'infinity'", not_a_time),
        (Kind::Postgres, "updated_at", "'infinity'", not_a_time),
        (Kind::Postgres, "updated_at", "'-infinity'", not_a_time),
        (Kind::Postgres, "due_at", "'0044-03-15 00:00:00 BC'", not_a_time),
        (Kind::Postgres, "due_at", "'1945-09-02'", out_of_range),
        (Kind::Postgres, "closed_at", "'1945-09-02'", out_of_range),
        (Kind::Postgres, "closed_at", "'294276-01-01'", not_a_time),
        (Kind::Postgres, "agency", "'Sá»Ÿ Y táº¿'", legacy),
        (Kind::Postgres, "rating", "'tạm được'", "is not in [source.rating]"),
        (Kind::MariaDb, "due_at", "'0000-00-00'", not_a_time),
        (Kind::MariaDb, "answered_at", "'2021-00-15'", not_a_time),
        (Kind::MariaDb, "updated_at", "'0000-00-00'", not_a_time),
        (Kind::MariaDb, "due_at", "'1945-09-02'", out_of_range),
        (Kind::MariaDb, "due_at", "'9999-12-31'", out_of_range),
        (Kind::MariaDb, "agency", "'Sá»Ÿ Y táº¿'", legacy),
    ] {
        let hotline = Hotline::new(kind).await;
        let insert = format!(
            "INSERT INTO ticket (code, status, received_at, {column}) VALUES ('PA-1', 'mới', '2021-08-02 09:00:00', {value})"
        );
        hotline.tickets.sql(&insert).await;
        let (ticket, complaints) = hotline.only().await;
        assert_eq!(complaints, [format!("ticket PA-1: column {column} {why}")], "{value}");
        let plain = Ticket {
            code: "PA-1".into(),
            status_word: "mới".into(),
            status_mapped: true,
            received_at: at("2021-08-02 09:00"),
            ..Ticket::default()
        };
        assert_eq!(ticket, plain, "{column} {value}");
    }
    for (kind, column, expression, why) in [
        (Kind::Postgres, "level", "'NaN'::numeric", "is not a whole number"),
        (Kind::Postgres, "level", "1e40::numeric", "is not a whole number"),
        (Kind::Postgres, "level", "'Infinity'::float8", "is not a whole number"),
        (Kind::Postgres, "level", "1.5::numeric", "is not a whole number"),
        (Kind::Postgres, "due_at", "'NaN'::float8", not_a_time),
        (Kind::Postgres, "due_at", "'infinity'::date", not_a_time),
        (Kind::MariaDb, "level", "1e40", "is not a whole number"),
        (Kind::MariaDb, "level", "18446744073709551615", "is not a whole number"),
        (Kind::MariaDb, "agency", "x'53C3'", "is not UTF-8"),
    ] {
        let mut hotline = Hotline::new(kind).await;
        hotline.settings.query = format!(
            "SELECT 'PA-1' AS code, 'mới' AS status, '2021-08-02 09:00:00' AS received_at, {expression} AS {column}"
        );
        let (_, complaints) = hotline.only().await;
        assert_eq!(
            complaints,
            [format!("ticket PA-1: column {column} {why}")],
            "{expression}"
        );
    }
}

#[tokio::test]
async fn only_a_missing_or_doubled_code_and_an_unreadable_arrival_reject_a_row() {
    for kind in Kind::SERVERS {
        let hotline = Hotline::new(kind).await;
        for (code, received) in [
            ("NULL", "'2021-08-02'"),
            ("''", "'2021-08-02'"),
            ("'hai lần'", "'2021-08-02'"),
            ("'hai lần'", "'2021-08-03'"),
            ("'không ngày'", "NULL"),
            ("'vô tận'", kind.of(["", "'infinity'", "'1945-09-02'"])),
            ("'tốt'", "'2021-08-02'"),
            // One to the sorting of some servers, and yet another code.
            ("'TỐT'", "'2021-08-02'"),
        ] {
            hotline.row("code, received_at", &format!("{code}, {received}")).await;
        }
        for batch in [1, 2, 100] {
            let page = hotline.all(batch).await;
            assert_eq!(codes(&page), ["TỐT", "tốt"], "{kind:?}, {batch} at a time");
        }
        let page = hotline.all(100).await;
        let endless = kind.of(["", "cannot be read as a time", "is outside the years 1990 to 2100"]);
        assert_eq!(
            rejections(&page),
            [
                "ticket hai lần: column code stands in more than one row".to_owned(),
                "ticket không ngày: column received_at is null".to_owned(),
                format!("ticket vô tận: column received_at {endless}"),
            ],
            "{kind:?}"
        );
        let without = hotline.open().await.without_code(Moment::UNIX_EPOCH).await;
        let without: Vec<String> = without.expect("an answer").iter().map(ToString::to_string).collect();
        assert_eq!(without, ["ticket without code: column code is null"; 2], "{kind:?}");
        let found = hotline.open().await.by_code(&["tốt".into()]).await.expect("a page");
        assert_eq!(codes(&found), ["tốt"], "{kind:?}: and no other");
    }
}

#[tokio::test]
async fn rows_of_one_instant_are_paged_in_byte_order_of_their_codes() {
    for kind in Kind::ALL {
        let hotline = Hotline::new(kind).await;
        for code in ["b", "B", "á", "a", "10", "9", "ab", "a b", "Đ"] {
            hotline
                .row("code, updated_at", &format!("'{code}', '2021-08-03 10:00:00'"))
                .await;
        }
        hotline.row("code, updated_at", "'sớm', '2021-08-03 09:59:59'").await;
        hotline
            .row("code, updated_at", "'muộn', '2021-08-03 10:00:00.000001'")
            .await;
        hotline.row("code, updated_at", "'xưa', '2021-08-02 10:00:00'").await;
        if kind == Kind::Postgres {
            hotline.row("code, updated_at", "'z1', 'infinity'").await;
            hotline.row("code, updated_at", "'z2', 'infinity'").await;
        }
        let mut expect = vec!["sớm", "10", "9", "B", "a", "a b", "ab", "b", "á", "Đ", "muộn"];
        if kind == Kind::Postgres {
            expect.extend(["z1", "z2"]);
        }
        for batch in [1, 2, 3, 100] {
            let page = hotline.changed("2021-08-03 09:00", batch).await;
            assert_eq!(codes(&page), expect, "{kind:?}, {batch} at a time");
        }
        let source = hotline.open().await;
        let (mut keys, mut after) = (Vec::new(), Some(Vec::new()));
        while let Some(from) = after.take() {
            let page = source.keys(&from, Moment::UNIX_EPOCH, 4).await.expect("keys");
            after = page.next;
            keys.extend(page.keys);
        }
        let read = hotline.all(100).await;
        let of_rows = |r: &dondoc::source::Row| (r.ticket.code.clone(), r.updated_raw.clone());
        let keys: Vec<_> = keys.into_iter().map(|k| (k.code, k.updated_raw)).collect();
        assert_eq!(
            keys,
            read.rows.iter().map(of_rows).collect::<Vec<_>>(),
            "{kind:?}: the sweep compares like with like"
        );
    }
}

#[tokio::test]
async fn codes_of_any_type_are_paged_and_found_again() {
    for (kind, column) in [
        (Kind::Postgres, "code int4"),
        (Kind::Postgres, "code bigint PRIMARY KEY"),
        (Kind::Postgres, "code varchar(9)"),
        (Kind::Postgres, "code char(9)"),
        (Kind::Postgres, "code numeric(9, 0)"),
        (Kind::MariaDb, "code INT"),
        (Kind::MariaDb, "code BIGINT UNSIGNED PRIMARY KEY"),
        (Kind::MariaDb, "code VARBINARY(9)"),
        (Kind::MariaDb, "code CHAR(9) CHARACTER SET latin1"),
        (Kind::MariaDb, "code DECIMAL(9, 0)"),
    ] {
        let columns = kind.columns();
        let (_, rest) = columns.split_once(", ").expect("columns");
        let hotline = Hotline::with_table(kind, &format!("{column}, {rest}")).await;
        for code in 1..=25 {
            hotline
                .row("code, updated_at", &format!("{code}, '2021-08-03 10:00:00'"))
                .await;
        }
        let mut expect: Vec<String> = (1..=25).map(|n| n.to_string()).collect();
        expect.sort();
        for page in [hotline.all(4).await, hotline.changed("2021-08-03 10:00", 4).await] {
            assert_eq!(codes(&page), expect, "{column}");
        }
        let mut asked = expect.clone();
        asked.extend(["PA-1", "12x", "đ"].map(str::to_owned));
        let page = hotline.open().await.by_code(&asked).await.expect("a page");
        assert_eq!(page.rows.len(), 25, "{column}: each is found by its key");
    }
}

#[tokio::test]
async fn times_of_the_databases_own_need_no_format() {
    for (kind, column) in [
        (Kind::Postgres, "timestamptz"),
        (Kind::Postgres, "timestamp"),
        (Kind::Postgres, "date"),
        (Kind::Postgres, "text"),
        (Kind::Postgres, "bigint"),
        (Kind::MariaDb, "TIMESTAMP NULL"),
        (Kind::MariaDb, "DATETIME"),
        (Kind::MariaDb, "DATE"),
        (Kind::MariaDb, "VARCHAR(30)"),
        (Kind::MariaDb, "BIGINT"),
    ] {
        let text = format!("code varchar(9), status varchar(9), received_at timestamp, updated_at {column}");
        let hotline = Hotline::with_table(kind, &text).await;
        for (code, updated) in [
            ("A", "2021-08-02 10:00"),
            ("B", "2021-08-03 10:00"),
            ("C", "2021-08-04 10:00"),
        ] {
            let written = match column.to_lowercase().as_str() {
                "bigint" => at(updated).timestamp().to_string(),
                _ => format!("'{updated}:00'"),
            };
            hotline.row("code, updated_at", &format!("'{code}', {written}")).await;
        }
        let page = hotline.changed("2021-08-03 10:00", 2).await;
        assert_eq!(codes(&page), ["B", "C"], "{column}");
        let newest = hotline
            .open()
            .await
            .newest(at("2021-08-03 20:00"))
            .await
            .expect("an answer");
        assert!(newest.is_comparable, "{column}");
        let local = |at: Moment| at.with_timezone(&chrono_tz::Asia::Ho_Chi_Minh).date_naive().to_string();
        assert_eq!(newest.at.map(local).as_deref(), Some("2021-08-03"), "{column}");
    }
}

#[tokio::test]
async fn columns_that_cannot_be_read_are_all_named_with_the_cast_to_write() {
    for (kind, written, named) in [
        (Kind::Postgres, "'10.0.0.1'::inet", "INET"),
        (Kind::Postgres, "interval '1 day'", "INTERVAL"),
        (Kind::Postgres, "array['a', 'b']", "TEXT[]"),
        (Kind::Postgres, "money '1.5'", "MONEY"),
        (Kind::Postgres, "timetz '10:00+07'", "TIMETZ"),
        (Kind::Postgres, "1::oid", "OID"),
        (Kind::Postgres, "'\\x01'::bytea", "BYTEA"),
        (Kind::MariaDb, "TIME'10:00:00'", "TIME"),
        (Kind::MariaDb, "POINT(1, 2)", "GEOMETRY"),
    ] {
        let mut hotline = Hotline::new(kind).await;
        let query = |due: &str| {
            format!(
                "SELECT 'PA-1' AS code, 'mới' AS status, '2021-08-02' AS received_at, {due} AS due_at, {due} AS area, {written} AS other"
            )
        };
        hotline.settings.query = query(written);
        let error = hotline.opening_fails().await;
        for column in ["due_at", "area"] {
            let line =
                format!("column `{column}` is of type {named}, which cannot be read; cast column {column} to text");
            assert!(error.contains(&line), "{error}");
        }
        assert!(!error.contains("`other`"), "{error}");
        hotline.settings.query = query(&format!("CAST({written} AS {})", kind.of(["", "text", "CHAR"])));
        if named != "GEOMETRY" {
            hotline.open().await;
        }
    }
}

#[tokio::test]
async fn a_query_that_does_not_serve_or_writes_is_refused() {
    for kind in Kind::SERVERS {
        let mut hotline = Hotline::new(kind).await;
        hotline.row("code", "'PA-1'").await;
        let escape = "SELECT * FROM ticket) AS q LIMIT 0;";
        for (query, complaint) in [
            (
                "SELECT status, received_at FROM ticket".to_owned(),
                "returns no column `code`; add it, with AS",
            ),
            ("SELECT code FROM phieu".to_owned(), "phieu"),
            ("SELEC code FROM ticket".to_owned(), "syntax"),
            (String::new(), "cannot be prepared"),
            ("DELETE FROM ticket".to_owned(), "cannot be prepared"),
            ("UPDATE ticket SET status = 'x'".to_owned(), "cannot be prepared"),
            ("DELETE FROM ticket RETURNING *".to_owned(), "cannot be prepared"),
            (
                "SELECT * FROM ticket; DELETE FROM ticket".to_owned(),
                "cannot be prepared",
            ),
            (format!("{escape} DELETE FROM ticket; --"), "cannot be prepared"),
            (
                format!("{escape} COMMIT; DELETE FROM ticket; -- "),
                "cannot be prepared",
            ),
            (
                "WITH gone AS (DELETE FROM ticket RETURNING *) SELECT * FROM gone".to_owned(),
                "cannot be prepared",
            ),
        ] {
            hotline.settings.query.clone_from(&query);
            let error = hotline.opening_fails().await;
            assert!(error.contains(complaint), "{kind:?} {query}: {error}");
        }
        // What writes out of sight is stopped by the transaction.
        let hidden = kind.of([
            "",
            "CREATE FUNCTION hidden() RETURNS int LANGUAGE sql AS 'DELETE FROM ticket; SELECT 1'",
            "CREATE FUNCTION hidden() RETURNS INT BEGIN DELETE FROM ticket; RETURN 1; END",
        ]);
        match &hotline.tickets {
            Tickets::MariaDb(pool, _) => drop(sqlx::raw_sql(hidden).execute(pool).await.expect("a function")),
            other => drop(other.sql(hidden).await),
        }
        hotline.settings.query =
            "SELECT 'PA-1' AS code, 'mới' AS status, '2021-08-02' AS received_at, hidden() AS level".to_owned();
        let read = match Source::open(&hotline.settings, true).await {
            Ok(source) => source.by_code(&["PA-1".into()]).await,
            Err(error) => Err(error),
        };
        let error = match read {
            Ok(_) => panic!("{kind:?}: it wrote"),
            Err(error) => error.to_string().to_lowercase(),
        };
        assert!(error.contains("read-only") || error.contains("read only"), "{error}");
        hotline.settings.query =
            "WITH t AS (SELECT * FROM ticket) SELECT a.code AS \"Code\", a.status, a.received_at FROM t a -- all"
                .into();
        if kind == Kind::MariaDb {
            hotline.settings.query = hotline.settings.query.replace('"', "`");
        }
        assert_eq!(codes(&hotline.all(10).await), ["PA-1"]);
    }
}

#[tokio::test]
async fn what_a_database_says_of_a_row_is_told_without_what_stands_in_it() {
    let private = "0909123456 chị Lan";
    for (kind, column, told) in [
        (
            Kind::Postgres,
            "CAST(title AS timestamp)",
            "22007: invalid input syntax for type timestamp: …",
        ),
        (
            Kind::Postgres,
            "CAST(CAST(title AS json) ->> 'a' AS timestamp)",
            "22P02: invalid input syntax for type json",
        ),
        (Kind::Postgres, "says(title)", "22023: …"),
        (Kind::MariaDb, "says(title)", "1644 (45000): …"),
        // Of the row's own number no digit.
        (
            Kind::MariaDb,
            "EXP(0 + title)",
            "1690 (22003): DOUBLE value is out of range in …",
        ),
    ] {
        let mut hotline = Hotline::new(kind).await;
        hotline.row("code, title", &format!("'PA-1', '{private}'")).await;
        let says = kind.of([
            "",
            "CREATE FUNCTION says(title text) RETURNS timestamp LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION E'of\\n%', title USING ERRCODE = '22023'; END $$",
            "CREATE FUNCTION says(title TEXT) RETURNS DATETIME BEGIN \
             SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = title; RETURN NULL; END",
        ]);
        match &hotline.tickets {
            Tickets::MariaDb(pool, _) => drop(sqlx::raw_sql(says).execute(pool).await.expect("a function")),
            other => drop(other.sql(says).await),
        }
        hotline.settings.query = format!("SELECT code, status, received_at, {column} AS due_at FROM ticket");
        let error = match hotline.open().await.by_code(&["PA-1".into()]).await {
            Ok(page) => panic!("{kind:?} {column}: {:?}", page.spoiled),
            Err(error) => error,
        };
        assert!(!error.is_refusal(), "{error}");
        let error = error.to_string();
        assert!(error.ends_with(&format!("reading failed: {told}")), "{error}");
        let parts = private.split(' ').chain(["\n"]);
        assert!(parts.filter(|part| error.contains(part)).count() == 0, "{error}");
    }
    // MariaDB itself makes such a text null, and says nothing.
    let mut hotline = Hotline::new(Kind::MariaDb).await;
    hotline.row("code, title", &format!("'PA-1', '{private}'")).await;
    hotline.settings.query =
        "SELECT code, status, received_at, CAST(CONCAT('a', title) AS DATETIME) AS due_at FROM ticket".to_owned();
    let (ticket, complaints) = hotline.only().await;
    assert_eq!((ticket.due_at, complaints), (None, Vec::new()));
}

#[tokio::test]
async fn a_server_that_is_out_of_reach_is_no_fault_of_the_settings() {
    for kind in Kind::SERVERS {
        let mut hotline = Hotline::new(kind).await;
        let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = nobody.local_addr().expect("its address").port();
        drop(nobody);
        let (Database::Postgres(server) | Database::MySql(server)) = &mut hotline.settings.database else {
            panic!("not a server");
        };
        server.url.set_port(Some(port)).expect("a port");
        let database = TicketDatabase::new(hotline.settings.clone(), true);
        for _ in 0..2 {
            let error = database.open().await.err().expect("nobody is there");
            assert!(!error.is_refusal(), "{error}");
        }
        hotline.settings.database = hotline.tickets.database(hotline.dir.path());
        hotline.settings.query = "SELECT code FROM ticket".to_owned();
        let database = TicketDatabase::new(hotline.settings.clone(), true);
        let error = database.open().await.err().expect("columns are missing");
        assert!(error.is_refusal(), "{error}");
    }
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_by_the_server_and_the_next_one_is_answered() {
    for kind in Kind::SERVERS {
        let mut hotline = Hotline::new(kind).await;
        hotline.row("code, title", "'PA-1', 'x'").await;
        let sleep = kind.of(["", "(SELECT pg_sleep (600)) IS NOT NULL", "SLEEP (600) = 0"]);
        hotline.settings.query = format!("SELECT * FROM ticket WHERE title IS NULL OR {sleep}");
        hotline.settings.statement_timeout = TimeDelta::milliseconds(200);
        let source = hotline.open().await;
        for _ in 0..2 {
            let read = source.by_code(&["PA-1".into()]).await;
            assert!(
                matches!(read, Err(SourceError::Timeout { .. })),
                "{kind:?}: {:?}",
                read.err().map(|e| e.to_string())
            );
        }
        hotline.tickets.sql("UPDATE ticket SET title = NULL").await;
        let page = source.by_code(&["PA-1".into()]).await.expect("a page");
        assert_eq!(codes(&page), ["PA-1"]);
    }
}

#[tokio::test]
async fn a_connection_that_the_server_cut_is_made_anew() {
    for kind in Kind::SERVERS {
        let hotline = Hotline::new(kind).await;
        hotline.row("code", "'PA-1'").await;
        let source = hotline.open().await;
        for _ in 0..2 {
            match &hotline.tickets {
                Tickets::Postgres(pool, _) => {
                    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
                    let ended = sqlx::query(cut).fetch_all(pool).await.expect("an answer");
                    assert!(!ended.is_empty());
                }
                Tickets::MariaDb(pool, _) => {
                    let others =
                        "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()";
                    let mut killer = pool.acquire().await.expect("a connection");
                    let ids = sqlx::query(others).fetch_all(&mut *killer).await.expect("an answer");
                    assert!(!ids.is_empty());
                    for id in ids {
                        let id = id.try_get_unchecked::<i64, _>(0).expect("an id");
                        let kill = AssertSqlSafe(format!("KILL CONNECTION {id}"));
                        sqlx::query(kill).execute(&mut *killer).await.expect("an end");
                    }
                }
                Tickets::Sqlite(_) => unreachable!("not a server"),
            }
            let page = source.by_code(&["PA-1".into()]).await.expect("a page");
            assert_eq!(codes(&page), ["PA-1"], "{kind:?}");
        }
    }
}

#[tokio::test]
async fn status_words_are_counted_as_they_are_written() {
    for kind in Kind::ALL {
        let hotline = Hotline::new(kind).await;
        for (n, word) in ["'mới'", "'mới'", "'Mới'", "'đóng'", "NULL", "'it''s'"]
            .into_iter()
            .enumerate()
        {
            hotline.row("code, status", &format!("'{n}', {word}")).await;
        }
        let mut words = hotline.open().await.status_words().await.expect("words");
        words.sort();
        let words: Vec<(&str, i64)> = words.iter().map(|(w, n)| (w.as_str(), *n)).collect();
        let expect = [("", 1), ("Mới", 1), ("it's", 1), ("mới", 2), ("đóng", 1)];
        assert_eq!(words, expect, "{kind:?}");
    }
}

/// 100 000 tickets, of which every fifth hundred is open: the digits of their numbers say which.
async fn multitude(tickets: &Tickets) {
    tickets.sql("CREATE TABLE digit (d INTEGER)").await;
    tickets
        .sql("INSERT INTO digit VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)")
        .await;
    let code = "v.d * 10000 + w.d * 1000 + x.d * 100 + y.d * 10 + z.d";
    let code = match tickets {
        Tickets::MariaDb(..) => format!("CONCAT('PA-', LPAD({code}, 5, '0'))"),
        Tickets::Postgres(..) => format!("'PA-' || LPAD(CAST({code} AS text), 5, '0')"),
        Tickets::Sqlite(_) => format!("'PA-' || substr('0000' || ({code}), -5)"),
    };
    tickets
        .sql(&format!(
            "INSERT INTO ticket (code, status, received_at, updated_at, agency) \
             SELECT {code}, CASE WHEN x.d = 7 AND y.d = 0 THEN 'đang xử lý' ELSE 'đóng' END, '2021-06-01 08:00:00', '2021-06-02 08:00:00', \
             CASE z.d WHEN 1 THEN 'Sở Y tế' WHEN 2 THEN 'Sở Xây dựng' ELSE 'Sở Tài chính' END \
             FROM digit v CROSS JOIN digit w CROSS JOIN digit x CROSS JOIN digit y CROSS JOIN digit z"
        ))
        .await;
}

/// Rows of the ticket table that the server has read for everybody, once it has counted a statement beyond `before`.
async fn rows_read(tickets: &Tickets, before: i64) -> i64 {
    for _ in 0..100_000 {
        let read: i64 = match tickets {
            Tickets::Postgres(pool, _) => {
                let sql = "SELECT CAST(seq_tup_read + COALESCE(idx_tup_fetch, 0) AS bigint) FROM pg_stat_user_tables WHERE relname = 'ticket'";
                sqlx::query_scalar(sql).fetch_one(pool).await.expect("figures")
            }
            Tickets::MariaDb(pool, _) => {
                let sql = "SELECT CAST(COALESCE(SUM(rows_read), 0) AS SIGNED) FROM information_schema.table_statistics \
                           WHERE table_schema = DATABASE() AND table_name = 'ticket'";
                sqlx::query_scalar(sql).fetch_one(pool).await.expect("figures")
            }
            Tickets::Sqlite(_) => unreachable!("not a server"),
        };
        if read > before {
            return read;
        }
    }
    panic!("the server counts no row");
}

#[tokio::test]
async fn what_changed_and_what_is_asked_by_key_is_found_by_index_among_100_000_rows() {
    for kind in Kind::SERVERS {
        let hotline = Hotline::new(kind).await;
        if kind == Kind::MariaDb {
            hotline.tickets.sql("SET GLOBAL userstat = 1").await;
        }
        multitude(&hotline.tickets).await;
        hotline
            .tickets
            .sql("CREATE INDEX by_change ON ticket (updated_at)")
            .await;
        hotline.tickets.sql("CREATE INDEX by_code ON ticket (code)").await;
        hotline
            .tickets
            .sql(kind.of(["", "ANALYZE ticket", "ANALYZE TABLE ticket"]))
            .await;
        hotline
            .tickets
            .sql("UPDATE ticket SET updated_at = '2021-09-01 08:00:00' WHERE code LIKE 'PA-5000%'")
            .await;
        let source = hotline.open().await;
        let before = rows_read(&hotline.tickets, 0).await;
        let page = source.changed(&source.cursor_at(at("2021-08-31 00:00")), 1000).await;
        assert_eq!(page.expect("a page").rows.len(), 10, "{kind:?}");
        let page = source.by_code(&["PA-00001".into(), "PA-99999".into()]).await;
        assert_eq!(page.expect("a page").rows.len(), 2, "{kind:?}");
        // A session that ends hands in its figures.
        drop(source);
        let read = rows_read(&hotline.tickets, before).await - before;
        assert!(read < 1000, "{kind:?}: {read} rows were read");
    }
}

/// A turn that sees what a transaction does only after it is through.
#[tokio::test]
async fn what_is_committed_while_a_turn_reads_is_seen_by_the_overlap_or_by_the_sweep() {
    for kind in Kind::ALL {
        let world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
        let mut world = world.with_tickets_on(kind).await;
        world.ticket("T1", "Sở Y tế", "2021-09-06 06:00").await;
        world.ticket("T2", "Sở Y tế", "2021-09-06 06:00").await;
        world.turn("2021-09-06 07:00").await;

        // Stamped within the overlap of the turn that cannot see it.
        let mut open = world.tickets.begin().await;
        open.sql("UPDATE ticket SET area = '1', updated_at = '2021-09-06 08:59:00' WHERE code = 'T1'")
            .await;
        world.turn("2021-09-06 09:00").await;
        assert_eq!(area(&world, "T1").await, None, "{kind:?}: not committed");
        open.commit().await;
        world.turn("2021-09-06 09:01").await;
        assert_eq!(area(&world, "T1").await.as_deref(), Some("1"), "{kind:?}");

        // Stamped, and committed only hours later, when a turn has moved the cursor beyond: the sweep compares all.
        world.ticket("T4", "Sở Y tế", "2021-09-06 15:00").await;
        let mut open = world.tickets.begin().await;
        open.sql("UPDATE ticket SET area = '2', updated_at = '2021-09-06 09:05:00' WHERE code = 'T2'")
            .await;
        open.sql(
            "INSERT INTO ticket (code, status, received_at, updated_at) \
             VALUES ('T3', 'mới', '2021-09-06 09:05:00', '2021-09-06 09:05:00')",
        )
        .await;
        world.turn("2021-09-06 16:00").await;
        open.commit().await;
        world.turn("2021-09-06 16:10").await;
        assert_eq!(area(&world, "T2").await, None, "{kind:?}: behind the cursor");
        world.turn("2021-09-07 02:00").await;
        assert_eq!(area(&world, "T2").await.as_deref(), Some("2"), "{kind:?}");
        let known = world.store().tickets(&["T3".to_owned()]).await.expect("the store");
        assert!(known.contains_key("T3"), "{kind:?}");

        // A table filled anew in one transaction is never seen empty.
        let mut open = world.tickets.begin().await;
        open.sql("CREATE TEMPORARY TABLE hidden AS SELECT * FROM ticket").await;
        open.sql("DELETE FROM ticket").await;
        for day in ["2021-09-08 03:00", "2021-09-09 03:00"] {
            let observed = world.turn(day).await.observed;
            assert_eq!((observed.gone, observed.changed), (0, 0), "{kind:?} {day}");
        }
        open.sql("INSERT INTO ticket SELECT * FROM hidden").await;
        open.commit().await;
        let observed = world.turn("2021-09-10 03:00").await.observed;
        assert_eq!((observed.gone, observed.changed), (0, 0), "{kind:?}");
    }
}

#[tokio::test]
async fn each_answer_of_a_slow_ticket_database_is_progress() {
    for (kind, sleep) in [(Kind::Postgres, "pg_sleep (0.1)"), (Kind::MariaDb, "SLEEP (0.1)")] {
        let world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
        let mut world = world.with_tickets_on(kind).await;
        world.ticket("T1", "Sở Y tế", "2021-09-06 06:00").await;
        let slow =
            format!("SELECT ticket.* FROM ticket CROSS JOIN (SELECT {sleep} AS slept) AS s WHERE s.slept IS NOT NULL");
        world
            .edit("dondoc.toml", |text| text.replace("SELECT * FROM ticket", &slow))
            .await;
        world.turn("2021-09-06 07:00").await;
        let pulse = world.pulse();
        let before = pulse.beats();
        // Nothing is new: the newest change, what changed since, and what of it has no code.
        world.turn("2021-09-06 07:01").await;
        assert_eq!(pulse.beats() - before, 4, "{kind:?}: those three and their page");
    }
}

/// One ticket of each is open, with its ladder begun on Tuesday 14/9; the turns come as the daemon's do.
#[tokio::test]
async fn what_is_committed_late_is_seen_when_a_ticket_is_read_again_by_its_code_before_it_is_told() {
    for kind in Kind::SERVERS {
        let world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
        let mut world = world.with_tickets_on(kind).await;
        for (code, agency) in [("T1", "Sở Y tế"), ("T2", "Sở Xây dựng")] {
            world.ticket(code, agency, "2021-09-06 06:00").await;
        }
        world.turn("2021-09-14 02:30").await;
        // Stamped where the cursor will have passed, and open until the step is decided.
        world.ticket("T3", "Sở Tài chính", "2021-09-14 06:50").await;
        let mut open = world.tickets.begin().await;
        open.sql(
            "UPDATE ticket SET status = 'đã trả lời', answered_at = '2021-09-14 06:00:00', updated_at = '2021-09-14 06:00:00' \
             WHERE code = 'T1'",
        )
        .await;
        let decided = world.turn("2021-09-14 07:00").await.decided;
        assert_eq!(decided, 2, "{kind:?}: both are late");
        open.commit().await;
        let observed = world.turn("2021-09-14 07:30").await.observed;
        assert_eq!(observed.changed, 0, "{kind:?}: behind the cursor");
        world.turn("2021-09-14 08:00").await;
        assert_eq!(world.told(), ["sxd: T2 overdue/L1"], "{kind:?}");
    }
}

#[tokio::test]
async fn a_ticket_that_is_deleted_and_put_back_by_late_commits_is_gone_and_back_when_they_are_through() {
    for kind in Kind::SERVERS {
        let world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
        let mut world = world.with_tickets_on(kind).await;
        world.ticket("T1", "Sở Y tế", "2021-09-06 06:00").await;
        world.turn("2021-09-14 08:00").await;
        assert_eq!(world.told(), ["syt: T1 overdue/L1"], "{kind:?}");
        let mut open = world.tickets.begin().await;
        open.sql("DELETE FROM ticket WHERE code = 'T1'").await;
        let mut gone = vec![world.turn("2021-09-15 02:00").await.observed.gone];
        open.commit().await;
        for sweep in ["2021-09-16 02:00", "2021-09-17 02:00"] {
            gone.push(world.turn(sweep).await.observed.gone);
        }
        assert_eq!(gone, [0, 0, 1], "{kind:?}: two sweeps without it");
        let mut open = world.tickets.begin().await;
        open.sql(
            "INSERT INTO ticket (code, status, received_at, updated_at, agency) \
             VALUES ('T1', 'đang xử lý', '2021-09-06 06:00:00', '2021-09-06 06:00:00', 'Sở Y tế')",
        )
        .await;
        assert!(world.days("2021-09-17", "2021-09-18").await.is_empty(), "{kind:?}");
        open.commit().await;
        // The same occurrence goes on: its first step is not told again.
        assert_eq!(
            world.days("2021-09-19", "2021-09-20").await,
            ["20/09 giamdoc-syt: T1 overdue/L2"],
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn a_surge_in_a_transaction_is_not_seen_before_its_commit_and_not_believed_after_it() {
    for kind in Kind::SERVERS {
        let world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
        let mut world = world.with_tickets_on(kind).await;
        for n in 0..30 {
            world.ticket(&format!("T{n:02}"), "Sở Y tế", "2021-09-06 06:00").await;
        }
        world.turn("2021-09-06 07:00").await;
        let mut open = world.tickets.begin().await;
        for n in 0..4 {
            open.sql(&format!(
                "INSERT INTO ticket (code, status, received_at, updated_at, agency) SELECT CONCAT(code, '-{n}'), status, received_at, \
                 updated_at, agency FROM ticket WHERE code NOT LIKE '%-%'"
            ))
            .await;
        }
        let before = world.turn("2021-09-07 02:00").await.observed;
        assert_eq!((before.changed, before.problems.len()), (0, 0), "{kind:?}");
        open.commit().await;
        let after = world.turn("2021-09-08 02:00").await.observed;
        assert_eq!(after.changed, 0, "{kind:?}");
        assert_eq!(
            after.problems,
            [Problem::Implausible { before: 30, after: 150 }],
            "{kind:?}"
        );
        world.sql("DELETE FROM ticket WHERE code LIKE '%-%'").await;
        let well = world.turn("2021-09-09 02:00").await.observed;
        assert_eq!((well.changed, well.gone, well.problems.len()), (0, 0, 0), "{kind:?}");
    }
}

async fn area(world: &World, code: &str) -> Option<String> {
    let known = world.store().tickets(&[code.to_owned()]).await.expect("the store");
    known.get(code).expect(code).ticket.area.clone()
}

/// The world's mails go over TLS to a relay, and its first unit has an endpoint over TLS, of one authority.
async fn with_tls(world: &mut World) -> (Relay, Receiver) {
    let authority = Authority::new();
    let identity = || authority.identity(&["127.0.0.1"], 2100);
    let relay = Relay::start(Manners::good(identity())).await;
    let answer = "HTTP/1.1 204 No Content\r\n\r\n".to_owned();
    let receiver = Receiver::start(Some(identity()), Do::Say(answer)).await;
    std::fs::write(world.dir().join("ca.pem"), authority.pem()).expect("a file");
    std::fs::write(
        world.dir().join("key"),
        "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n",
    )
    .expect("a file");
    let endpoint = format!(
        "short = \"SYT\"\nwebhooks = [{{ id = \"syt\", url = \"https://{}/phieu\", key_files = [\"key\"] }}]",
        receiver.address
    );
    world.write("agencies.toml", |text| text.replacen("short = \"SYT\"", &endpoint, 1));
    let port = format!(
        "port = {}\ntls = \"starttls\"\nca_file = \"ca.pem\"",
        relay.address.port()
    );
    world
        .edit("dondoc.toml", |text| {
            let before = text
                .lines()
                .find(|l| l.starts_with("port = "))
                .expect("a port")
                .to_owned();
            let webhooks = "\n[webhooks]\nca_file = \"ca.pem\"\nallowed_private = [\"127.0.0.0/8\"]\n";
            text.replacen(&before, &port, 1) + webhooks
        })
        .await;
    (relay, receiver)
}

#[tokio::test]
async fn the_same_configuration_but_for_the_url_gives_the_same_messages_from_100_000_rows_anywhere() {
    let mut messages = Vec::new();
    for kind in Kind::ALL {
        let rules = LADDER.replace(
            "to = [\"agency:contact\"]",
            "to = [\"agency:contact\"]\nvia = [\"email\", \"webhook\"]",
        );
        let world = World::new(&format!("{rules}{FIVE_DAYS}")).await;
        let mut world = world.with_tickets_on(kind).await;
        let (relay, receiver) = with_tls(&mut world).await;
        multitude(&world.tickets).await;
        let report = world.turn("2021-09-06 08:00").await;
        assert_eq!(report.observed.seen, 1000, "{kind:?}: those that are open");
        assert_eq!(report.problems(), [""; 0], "{kind:?}");
        assert!(
            relay.log(|l| l.clear.iter().all(|line| !line.starts_with("MAIL"))),
            "{kind:?}: under TLS only"
        );
        let mails = relay.log(|l| l.mails.clone());
        let mut letters: Vec<_> = mails
            .iter()
            .map(|mail| reading::read(mail.as_bytes()).expect("a letter"))
            .collect();
        for letter in &mut letters {
            letter.message_id.clear();
            let (text, number) = letter.text.trim_end().rsplit_once('\n').expect("lines");
            assert!(number.starts_with("Mã thông báo"), "{number}");
            letter.text = text.to_owned();
        }
        letters.sort_by(|a, b| a.to.cmp(&b.to).then_with(|| a.subject.cmp(&b.subject)));
        let told: usize = letters.iter().map(|l| l.told().count()).sum();
        assert_eq!(told, 1000, "{kind:?}: each of them is told");
        let mut posts: Vec<Value> = receiver
            .posts()
            .iter()
            .map(|post| serde_json::from_slice(&post.body).expect("JSON"))
            .collect();
        posts.sort_by_key(|post| post["page"].as_i64());
        let posted: usize = posts.iter().map(|p| p["tickets"].as_array().map_or(0, Vec::len)).sum();
        assert!(
            posts.len() > 1 && posted >= 100,
            "{kind:?}: {posted} tickets on {} pages",
            posts.len()
        );
        for post in &mut posts {
            post.as_object_mut()
                .expect("an object")
                .remove("batch")
                .expect("a batch");
        }
        messages.push((letters, posts));
    }
    assert!(messages[0] == messages[1], "SQLite and PostgreSQL differ");
    assert!(messages[0] == messages[2], "SQLite and MariaDB differ");
}
