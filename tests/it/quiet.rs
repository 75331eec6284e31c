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
