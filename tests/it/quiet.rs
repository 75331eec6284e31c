//! Turns in which nothing happens: they leave the store as it is, and are known to the process all the same.

use dondoc::domain::summary::Tally;
use dondoc::engine::TurnError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, PgConnection};

use crate::postgres::{On, on_both};
use crate::world::{FIVE_DAYS, LADDER, World, at};

const NOTHING: [&str; 0] = [];

on_both! {
    a_turn_in_which_nothing_happens_writes_nothing_and_no_time_goes_back_behind_it
    what_happens_is_written_down_with_the_turns_before_it
    what_was_read_before_is_read_again_and_writes_nothing
    a_digest_with_nothing_in_it_was_made_also_for_who_comes_after_a_crash
    a_ticket_that_was_looked_at_in_vain_is_something_that_happened
    who_ends_writes_down_his_last_turns
    what_another_process_writes_is_not_undone_by_turns_that_are_not_written_down_yet
}

/// Sees whether anything was written to a store.
enum Watch {
    File(SqliteConnection),
    Server(PgConnection),
}

impl Watch {
    async fn over(world: &World, on: On) -> Watch {
        match on {
            On::Sqlite => {
                let file = SqliteConnectOptions::new().filename(world.dir().join("store.db"));
                Watch::File(file.connect().await.expect("the store"))
            }
            On::Postgres => Watch::Server(world.postgres().connect().await),
        }
    }

    /// Another for each transaction that has written.
    async fn shows(&mut self) -> String {
        match self {
            Watch::File(file) => {
                let version = sqlx::query_scalar::<_, i64>("PRAGMA data_version").fetch_one(file);
                version.await.expect("a number").to_string()
            }
            Watch::Server(server) => {
                let rows = "SELECT string_agg(row, ' ' ORDER BY row) FROM ( \
                            SELECT name || xmin AS row FROM meta UNION ALL SELECT name || xmin FROM tally \
                            UNION ALL SELECT name || xmin FROM lease UNION ALL SELECT code || xmin FROM ticket) all_rows";
                sqlx::query_scalar(rows).fetch_one(server).await.expect("the rows")
            }
        }
    }
}

/// A ticket of which L1 is told by the digest of Tuesday 14/9, at 08:00.
async fn world(on: On) -> World {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await.on(on).await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 08:00").await;
    for minute in ["07:20", "07:25", "07:30"] {
        world.turn(&format!("2021-09-14 {minute}")).await;
    }
    world
}

/// The last turn and the count of turns, as they are written down.
async fn written(world: &World) -> (String, i64) {
    let last = world.store().meta().await.expect("meta").last_turn_at.expect("a turn");
    let tallies = world.store().tallies().await.expect("tallies");
    let turns = tallies.iter().find(|(tally, _)| *tally == Tally::Turns);
    let local = last.with_timezone(&chrono_tz::Asia::Ho_Chi_Minh);
    (local.format("%H:%M").to_string(), turns.expect("a count").1)
}

async fn a_turn_in_which_nothing_happens_writes_nothing_and_no_time_goes_back_behind_it(on: On) {
    let mut world = world(on).await;
    let mut watch = Watch::over(&world, on).await;
    let before = watch.shows().await;
    let report = world.turn("2021-09-14 07:31").await;
    assert!(report.is_leading && report.is_clean());
    assert_eq!(watch.shows().await, before);
    assert_eq!(written(&world).await, ("07:30".to_owned(), 3));
    let back = world.engine().turn(at("2021-09-14 07:30")).await;
    assert!(matches!(back, Err(TurnError::BackInTime { last, .. }) if last == at("2021-09-14 07:31")));
    // Once in a while somebody has to see that it lives.
    world.turn("2021-09-14 07:32").await;
    assert_ne!(watch.shows().await, before);
    assert_eq!(written(&world).await, ("07:32".to_owned(), 5));
}

async fn what_happens_is_written_down_with_the_turns_before_it(on: On) {
    let mut world = world(on).await;
    world.turn("2021-09-14 07:58").await;
    world.turn("2021-09-14 07:59").await;
    assert_eq!(world.told(), NOTHING);
    assert_eq!(written(&world).await, ("07:58".to_owned(), 4));
    world.turn("2021-09-14 08:00").await;
    assert_eq!(world.told(), ["syt: T1 overdue/L1"]);
    assert_eq!(written(&world).await, ("08:00".to_owned(), 6));
    // So is what the ticket database shows.
    world.answer("T1", "2021-09-14 08:00").await;
    world.turn("2021-09-14 08:01").await;
    assert_eq!(written(&world).await, ("08:01".to_owned(), 7));
}

async fn what_was_read_before_is_read_again_and_writes_nothing(on: On) {
    let mut world = world(on).await;
    world.change("T1", "2021-09-14 07:31", "category = 'Y tế'").await;
    world.turn("2021-09-14 07:31").await;
    // What comes late may be as old as the overlap is long; then the last change is read alone.
    for minute in ["07:32", "07:33", "07:34", "07:35"] {
        world.turn(&format!("2021-09-14 {minute}")).await;
    }
    let last = written(&world).await.0;
    let mut watch = Watch::over(&world, on).await;
    let before = watch.shows().await;
    let report = world.turn("2021-09-14 07:36").await;
    assert_eq!((report.observed.seen, report.observed.changed), (1, 0));
    assert_eq!((watch.shows().await, written(&world).await.0), (before, last));
}

async fn a_digest_with_nothing_in_it_was_made_also_for_who_comes_after_a_crash(on: On) {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await.on(on).await;
    for minute in ["07:50", "07:55", "07:59", "08:00"] {
        world.turn(&format!("2021-09-14 {minute}")).await;
    }
    assert_eq!(written(&world).await, ("08:00".to_owned(), 4));
    world.turn("2021-09-14 08:01").await;
    assert_eq!(written(&world).await, ("08:00".to_owned(), 4));
    assert!(world.turn_killed_after("2021-09-14 08:01", 0).await);
    // It is overdue for long, and waits for tomorrow's digest as if nobody had died.
    world.ticket("T1", "Sở Y tế", "2021-09-03 09:00").await;
    world.change("T1", "2021-09-14 08:01", "category = 'Y tế'").await;
    world.turn("2021-09-14 08:02").await;
    assert_eq!(world.told(), NOTHING);
    world.turn("2021-09-15 08:00").await;
    assert_eq!(world.told(), ["syt: T1 overdue/L1"]);
}

async fn a_ticket_that_was_looked_at_in_vain_is_something_that_happened(on: On) {
    let mut world = world(on).await;
    world.turn("2021-09-14 08:00").await;
    // The answer of the mail server has woken it.
    world.turn("2021-09-14 08:01").await;
    assert_eq!(written(&world).await.0, "08:01");
    world.turn("2021-09-14 08:02").await;
    assert_eq!(written(&world).await.0, "08:01");
}

async fn who_ends_writes_down_his_last_turns(on: On) {
    let mut world = world(on).await;
    world.turn("2021-09-14 07:31").await;
    world.restart().await;
    assert_eq!(written(&world).await, ("07:31".to_owned(), 4));
    // Nobody knows what his own first turn follows upon.
    world.turn("2021-09-14 07:31").await;
    assert_eq!(written(&world).await, ("07:31".to_owned(), 5));
}

async fn what_another_process_writes_is_not_undone_by_turns_that_are_not_written_down_yet(on: On) {
    let mut world = world(on).await;
    world.turn("2021-09-14 07:31").await;
    // As if it had led meanwhile, by a clock that is ahead.
    let later = at("2021-09-14 07:40").timestamp_micros();
    world
        .on_store(&format!(
            "UPDATE meta SET value = '{later}' WHERE name = 'last_turn_at'"
        ))
        .await;
    let back = world.engine().turn(at("2021-09-14 07:32")).await;
    assert!(matches!(back, Err(TurnError::BackInTime { last, .. }) if last == at("2021-09-14 07:40")));
    world.stop().await;
    world.restart().await;
    assert_eq!(written(&world).await.0, "07:40");
}
