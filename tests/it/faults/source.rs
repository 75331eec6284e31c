//! The ticket database is restarted, dies within an answer, is half empty, empty, locked: what is known stands, what is
//! owed is told once when it is back, and nobody is told that something is settled which is not.

use dondoc::engine::Problem;

use super::{Relay, Way, arrived};
use crate::postgres::{OwnServer, Postgres};
use crate::tickets::Kind;
use crate::world::{FIVE_DAYS, LADDER, World};

fn ladder() -> String {
    format!("{LADDER}{FIVE_DAYS}")
}

const CODES: [&str; 7] = ["A1", "B2", "C3", "D4", "E5", "F6", "G7"];

fn expected() -> Vec<String> {
    CODES.iter().map(|code| format!("syt: {code} overdue/L1")).collect()
}

/// Tickets on a server, read two at a time by a way that can break.
async fn by_a_way(kind: Kind) -> (World, Way) {
    let mut world = World::new(&ladder()).await.with_tickets_on(kind).await;
    let server = world.tickets.url().parse().expect("a url");
    let way = Way::to(&server).await;
    let by = way.url.to_string();
    world
        .edit("dondoc.toml", |text| {
            text.replace(server.as_str(), &by)
                .replace("stale_after = 0", "stale_after = 0\nbatch = 2")
        })
        .await;
    world.turn("2021-09-06 07:00").await;
    (world, way)
}

#[tokio::test]
async fn a_server_that_breaks_off_anywhere_in_its_answers_loses_and_doubles_nothing() {
    for kind in Kind::SERVERS {
        let (mut world, way) = by_a_way(kind).await;
        for code in CODES {
            world.ticket(code, "Sở Y tế", "2021-09-06 09:00").await;
        }
        // With each turn a little later in its answers, until one comes through.
        let (mut after, mut minute, mut failed) = (0, 0, 0);
        loop {
            way.breaks_after(after);
            let report = world
                .turn(&format!("2021-09-06 {:02}:{:02}", 10 + minute / 60, minute % 60))
                .await;
            minute += 1;
            if !way.broke() {
                assert!(!report.source_failed(), "{:?}", report.problems());
                break;
            }
            failed += usize::from(report.source_failed());
            after += 1 + after / 5;
        }
        assert!(failed > 10, "{kind:?}: {failed}");
        // The same where it is read again before it is told.
        let (mut after, mut minute) = (0, 0);
        while world.received().is_empty() {
            way.breaks_after(after);
            world
                .turn(&format!("2021-09-14 {:02}:{:02}", 8 + minute / 60, minute % 60))
                .await;
            minute += 1;
            after += 1 + after / 5;
            assert!(minute < 200, "{kind:?}: nothing is told");
        }
        way.breaks_after(usize::MAX);
        world.days("2021-09-15", "2021-09-15").await;
        assert_eq!(arrived(&world), expected(), "{kind:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_restarted_between_two_turns_and_within_one_is_read_on() {
    let server = OwnServer::start();
    let mut world = World::new(&ladder()).await;
    let own = Postgres::at(server.url.clone()).await;
    own.run(&format!("CREATE TABLE ticket ({})", Kind::Postgres.columns()))
        .await;
    let url = own.url.to_string();
    world
        .edit("dondoc.toml", |text| text.replace("sqlite:tickets.db", &url))
        .await;
    world.turn("2021-09-06 07:00").await;
    let insert = |code: &str| {
        format!(
            "INSERT INTO ticket (code, status, received_at, updated_at, agency) VALUES \
             ('{code}', 'đang xử lý', '2021-09-06 09:00:00+07', '2021-09-06 09:00:00+07', 'Sở Y tế');"
        )
    };
    own.run(&CODES[..4].iter().map(|c| insert(c)).collect::<String>()).await;
    world.turn("2021-09-06 10:00").await;
    server.stops();
    let report = world.turn("2021-09-06 11:00").await;
    assert!(report.source_failed());
    server.starts();
    own.run(&CODES[4..].iter().map(|c| insert(c)).collect::<String>()).await;
    assert!(!world.turn("2021-09-06 12:00").await.source_failed());
    assert_eq!(world.days("2021-09-07", "2021-09-14").await.len(), CODES.len());
    assert_eq!(arrived(&world), expected());
}

/// Thirty tickets, told L1 on 14/9.
async fn thirty(kind: Kind) -> World {
    let mut world = World::new(&ladder()).await.with_tickets_on(kind).await;
    world.turn("2021-09-06 07:00").await;
    for n in 0..30 {
        let agency = ["Sở Y tế", "Sở Xây dựng"][n % 2];
        world.ticket(&format!("T{n:02}"), agency, "2021-09-06 09:00").await;
    }
    assert_eq!(world.days("2021-09-07", "2021-09-14").await.len(), 30);
    world
}

#[tokio::test]
async fn empty_for_days_and_back_nothing_is_settled_or_lapses_and_the_same_ladders_go_on() {
    for kind in Kind::ALL {
        let mut world = thirty(kind).await;
        world.sql("CREATE TABLE kept AS SELECT * FROM ticket").await;
        world.sql("DELETE FROM ticket").await;
        assert_eq!(world.days("2021-09-15", "2021-09-17").await, [""; 0], "{kind:?}");
        let report = world.turn("2021-09-17 17:00").await;
        let problems = report.problems();
        assert!(
            problems
                .iter()
                .any(|p| p.contains("30 open tickets are known, 0 are in the source")),
            "{problems:?}"
        );
        assert_eq!(world.store().count_tickets().await.expect("a count"), 30);
        world.sql("INSERT INTO ticket SELECT * FROM kept").await;
        // L2 was due on 16/9.
        let told = world.days("2021-09-20", "2021-09-21").await;
        let expected: Vec<String> = (0..30)
            .map(|n| format!("20/09 giamdoc-{}: T{n:02} overdue/L2", ["syt", "sxd"][n % 2]))
            .collect();
        let mut expected = expected;
        expected.sort();
        assert_eq!(told, expected, "{kind:?}");
    }
}

#[tokio::test]
async fn half_of_the_rows_gone_for_some_sweeps_and_back_the_other_half_goes_on() {
    for kind in Kind::ALL {
        let mut world = thirty(kind).await;
        world
            .sql("CREATE TABLE kept AS SELECT * FROM ticket WHERE code < 'T16'")
            .await;
        world.sql("DELETE FROM ticket WHERE code < 'T16'").await;
        let told = world.days("2021-09-15", "2021-09-17").await;
        let second = |codes: std::ops::Range<usize>, day: &str| {
            let lines = codes.map(|n| format!("{day} giamdoc-{}: T{n:02} overdue/L2", ["syt", "sxd"][n % 2]));
            let mut lines: Vec<String> = lines.collect();
            lines.sort();
            lines
        };
        assert_eq!(told, second(16..30, "16/09"), "{kind:?}");
        world.sql("INSERT INTO ticket SELECT * FROM kept").await;
        let mut told = world.days("2021-09-18", "2021-09-20").await;
        told.retain(|line| !line.ends_with("/L3"));
        assert_eq!(told, second(0..16, "20/09"), "{kind:?}");
        for code in ["T00", "T15"] {
            let tellings = world.store().tellings(&[code.to_owned()]).await.expect("a store");
            let steps: Vec<&str> = tellings[code].iter().map(|t| t.key.step.as_str()).collect();
            assert_eq!(steps, ["L1", "L2"], "{kind:?}: each told once, by one occurrence");
        }
    }
}

#[tokio::test]
async fn a_table_that_somebody_holds_locked_costs_a_turn_its_time_and_what_is_made_goes_out() {
    for kind in Kind::SERVERS {
        let relay = Relay::default();
        let mut world = relay.world(&ladder()).await.with_tickets_on(kind).await;
        world
            .edit("dondoc.toml", |text| {
                text.replace("stale_after = 0", "stale_after = 0\nstatement_timeout = \"1s\"")
            })
            .await;
        world.turn("2021-09-06 07:00").await;
        world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
        relay.puts_off();
        assert_eq!(world.turn("2021-09-14 08:00").await.delivered.later, 1);
        relay.is_well();
        world.ticket("T2", "Sở Xây dựng", "2021-09-07 09:00").await;
        world.change("T2", "2021-09-14 08:10", "due_at = '2021-09-10'").await;
        let mut holder = world.tickets.begin().await;
        match kind {
            Kind::Postgres => holder.sql("LOCK TABLE ticket").await,
            Kind::MariaDb => holder.sql("LOCK TABLES ticket WRITE").await,
            Kind::Sqlite => unreachable!("no server"),
        }
        let report = world.turn("2021-09-14 08:30").await;
        assert!(report.source_failed(), "{kind:?}");
        assert_eq!(report.delivered.accepted, 1, "{kind:?}");
        if kind == Kind::MariaDb {
            holder.sql("UNLOCK TABLES").await;
        }
        holder.commit().await;
        world.turn("2021-09-14 09:00").await;
        world.days("2021-09-15", "2021-09-15").await;
        assert_eq!(
            arrived(&world),
            ["sxd: T2 overdue/L1", "syt: T1 overdue/L1"],
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn a_database_whose_codes_are_all_written_otherwise_is_not_believed_though_as_many_are_open() {
    for kind in Kind::ALL {
        let mut world = thirty(kind).await;
        // Changes are read from the last one on.
        world.ticket("Z1", "Sở Y tế", "2021-09-14 16:00").await;
        world.turn("2021-09-14 16:30").await;
        let renamed = match kind {
            Kind::MariaDb => "CONCAT('2021-', code)",
            Kind::Sqlite | Kind::Postgres => "'2021-' || code",
        };
        world
            .sql(&format!(
                "UPDATE ticket SET code = {renamed}, updated_at = '2021-09-06 09:00:00'"
            ))
            .await;
        world.restart().await;
        for day in ["2021-09-15", "2021-09-16", "2021-09-17"] {
            let report = world.turn(&format!("{day} 08:00")).await;
            let replaced = Problem::Replaced {
                open: 31,
                absent: 31,
                new: 31,
            };
            assert_eq!(report.observed.problems, [replaced], "{kind:?} {day}");
            assert_eq!(
                (report.observed.changed, report.observed.gone),
                (0, 0),
                "{kind:?} {day}"
            );
        }
        assert_eq!(world.told(), [""; 0], "{kind:?}: nobody hears of the same matters anew");
        world.sql("UPDATE ticket SET code = SUBSTR(code, 6)").await;
        let told = world.days("2021-09-20", "2021-09-20").await;
        assert_eq!(told.len(), 30, "{kind:?}: the ladders go on: {told:?}");
        assert!(told.iter().all(|line| line.ends_with("overdue/L2")), "{told:?}");
    }
}

#[tokio::test]
async fn tickets_that_close_and_come_in_while_nobody_looks_are_no_other_database() {
    let mut world = thirty(Kind::Sqlite).await;
    world
        .sql("UPDATE ticket SET status = 'đã trả lời', answered_at = '2021-09-20 09:00:00', updated_at = '2021-09-20 09:00:00'")
        .await;
    for n in 30..60 {
        world.ticket(&format!("T{n:02}"), "Sở Y tế", "2021-09-20 10:00").await;
    }
    world.restart().await;
    let report = world.turn("2021-09-20 11:00").await;
    assert_eq!(report.observed.problems, []);
    assert_eq!(world.store().count_tickets().await.expect("a count"), 60);
}

#[tokio::test]
async fn more_status_words_than_anybody_maps_are_named_in_part_and_counted() {
    let mut world = World::new(&ladder()).await;
    world.turn("2021-09-06 07:00").await;
    for n in 0..400 {
        let code = format!("T{n:03}");
        world.ticket(&code, "Sở Y tế", "2021-09-06 09:00").await;
        let word: String = (0..5)
            .map(|digit| char::from(b'a' + (n >> digit & 1) as u8 + 2 * digit as u8))
            .collect();
        world
            .change(
                &code,
                "2021-09-06 09:00",
                &format!("status = '{word}{}'", "x".repeat(n / 32)),
            )
            .await;
    }
    let report = world.turn("2021-09-06 10:00").await;
    let unmapped = report.observed.problems.iter().filter_map(|p| match p {
        Problem::UnmappedStatus { word, count } => Some((word.as_str(), *count)),
        _ => None,
    });
    let unmapped: Vec<(&str, usize)> = unmapped.collect();
    assert_eq!(unmapped.len(), 201);
    assert_eq!(unmapped[200].0, "…");
    assert_eq!(unmapped.iter().map(|(_, count)| count).sum::<usize>(), 400);
}
