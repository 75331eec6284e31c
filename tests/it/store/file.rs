//! A store in a SQLite file: who holds it, what is refused, and how its statements go about the tables.

use std::path::Path;

use dondoc::store::{Store, StoreError};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use super::{Kit, Place, accepted, sqlite};
use crate::postgres::On;
use crate::world::{FIVE_DAYS, LADDER, World};

/// The file behind the store's back.
pub(super) async fn open_file(path: &Path) -> SqlitePool {
    SqlitePool::connect_with(SqliteConnectOptions::new().filename(path))
        .await
        .expect("the file")
}

async fn refused(path: &Path) -> String {
    match Store::open(&sqlite(path)).await {
        Ok(_) => panic!("the store was opened"),
        Err(error) => error.to_string(),
    }
}

pub(super) fn file_of(kit: &Kit) -> std::path::PathBuf {
    match &kit.place {
        Place::File(dir) => dir.path().join("store.db"),
        Place::Server(_) => panic!("the story is one of a file"),
    }
}

#[tokio::test]
async fn taking_over_voids_the_claims_of_the_process_that_is_gone() {
    let kit = Kit::ready(On::Sqlite).await;
    let old = kit.claim("a", "2021-09-14 08:00").await.remove(0);
    assert_eq!(kit.void_claims("2021-09-14 08:01").await, 1);
    let new = kit.claim("b", "2021-09-14 08:01").await.remove(0);
    assert_eq!(new.attempts, 1, "what was left open counts as tried");
    assert!(!kit.settle(&old, &accepted(), "2021-09-14 08:02").await);
    let shown = kit.store.message("M1").await.expect("a message").expect("M1");
    assert_eq!((shown.unknown, shown.attempts), (1, 1));
    assert_eq!(
        kit.void_claims("2021-09-14 08:40").await,
        0,
        "a lease that has ended needs no voiding"
    );
}

#[tokio::test]
async fn a_process_that_was_killed_while_it_made_the_file_does_not_keep_the_next_one_from_starting() {
    let dir = tempfile::tempdir().expect("a folder");
    let (half, store) = (dir.path().join("half.db"), dir.path().join("store.db"));
    let options = SqliteConnectOptions::new()
        .filename(&half)
        .create_if_missing(true)
        .pragma("cache_size", "1");
    let mut writing = options.connect().await.expect("a file");
    // More than the cache holds: the file is written to before the transaction ends, and a journal says how it was.
    let begun = "BEGIN; CREATE TABLE t (b); \
        INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) SELECT randomblob(1000) FROM n;";
    sqlx::raw_sql(begun).execute(&mut writing).await.expect("a transaction");
    std::fs::copy(&half, &store).expect("a copy");
    std::fs::copy(dir.path().join("half.db-journal"), dir.path().join("store.db-journal")).expect("a copy");
    let opened = Store::open(&sqlite(&store)).await;
    let opened = opened.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(opened.count_tickets().await.expect("its tables"), 0);
    let tables = sqlx::query("SELECT name FROM sqlite_master WHERE name = 't'");
    let left = tables.fetch_all(&open_file(&store).await).await.expect("the tables");
    assert!(left.is_empty(), "what was not committed is taken back");
}

#[tokio::test]
async fn a_turn_in_which_nothing_changed_and_nothing_is_due_reads_no_ticket() {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 06:00").await;
    world.turn("2021-09-06 07:00").await;
    // Whoever reads this row falls over it.
    let file = open_file(&world.dir().join("store.db")).await;
    sqlx::query("UPDATE ticket SET state = 'broken'")
        .execute(&file)
        .await
        .expect("broken");
    for time in ["07:01", "08:00", "17:30"] {
        world.turn(&format!("2021-09-06 {time}")).await;
    }
    let read = world.store().tickets(&["T1".to_owned()]).await;
    assert!(
        matches!(read, Err(StoreError::Corrupt { table: "ticket", .. })),
        "it does"
    );
}

#[tokio::test]
async fn title_and_body_are_nowhere_in_the_store() {
    let mut world = World::new(&format!(
        "{LADDER}{FIVE_DAYS}\n[[classify]]\nid = \"lamps\"\nwhere = {{ text.text_has = \"đèn hỏng\" }}\ncategory = \"lamps\"\n"
    ))
    .await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 06:00").await;
    world
        .change(
            "T1",
            "2021-09-06 06:30",
            "title = 'Đèn hỏng MẬT', body = 'Nhà ông MẬT số 5'",
        )
        .await;
    world.days("2021-09-06", "2021-09-15").await;
    let kept = world.store().tickets(&["T1".to_owned()]).await.expect("tickets");
    assert_eq!(kept["T1"].ticket.category(), Some("lamps"), "it was read");
    for file in ["store.db", "store.db-wal"] {
        let bytes = std::fs::read(world.dir().join(file)).unwrap_or_default();
        let secret = "MẬT".as_bytes();
        assert!(!bytes.windows(secret.len()).any(|w| w == secret), "{file}");
    }
}

#[tokio::test]
async fn one_process_holds_the_store_and_others_may_look() {
    let kit = Kit::ready(On::Sqlite).await;
    let path = file_of(&kit);
    let error = refused(&path).await;
    assert_eq!(
        error,
        format!(
            "store {}: another dondoc process holds it; stop that one first",
            path.display()
        )
    );
    let looking = Store::open_read_only(&sqlite(&path)).await.expect("a store to look at");
    assert_eq!(looking.count_tickets().await.expect("a count"), 1);
    let mut tx = looking.begin().await.expect("a transaction");
    assert!(tx.missed("T1").await.is_err(), "looking does not write");
    drop(tx);
    kit.store.close().await;
    let Kit { place, store } = kit;
    drop(store);
    Store::open(&place.database()).await.expect("it is free again");
}

#[tokio::test]
async fn a_second_process_is_told_who_is_in_its_way() {
    let world = World::new(LADDER).await;
    let program = env!("CARGO_BIN_EXE_dondoc");
    let run = |command: &str| {
        let output = std::process::Command::new(program)
            .arg("--config")
            .arg(world.dir())
            .arg(command)
            .output()
            .expect("the program");
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (is_done, said) = run("once");
    assert!(
        !is_done && said.contains("another dondoc process holds it; stop that one first"),
        "{said}"
    );
    let (is_done, said) = run("status");
    assert!(is_done, "others may look: {said}");
}

#[tokio::test]
async fn a_store_that_is_not_there_is_not_made_by_looking() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("store.db");
    let error = Store::open_read_only(&sqlite(&path))
        .await
        .expect_err("none")
        .to_string();
    assert!(
        error.ends_with("there is none yet; run `dondoc once` or `dondoc run` first"),
        "{error}"
    );
    assert!(!path.exists());
}

#[tokio::test]
async fn tables_of_a_newer_program_are_left_alone() {
    let kit = Kit::ready(On::Sqlite).await;
    kit.store.close().await;
    let path = file_of(&kit);
    drop(kit.store);
    let file = open_file(&path).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'later', TRUE, x'00', 0)",
    )
    .execute(&file)
    .await
    .expect("a later version");
    file.close().await;
    let error = refused(&path).await;
    assert!(
        error.contains("its tables are of version 99, this dondoc knows"),
        "{error}"
    );
    let looking = Store::open_read_only(&sqlite(&path))
        .await
        .expect_err("newer")
        .to_string();
    assert_eq!(looking, error);
}

#[tokio::test]
async fn looking_does_not_bring_old_tables_up_to_date() {
    let kit = Kit::ready(On::Sqlite).await;
    kit.store.close().await;
    let path = file_of(&kit);
    drop(kit.store);
    let file = open_file(&path).await;
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version > 1")
        .execute(&file)
        .await
        .expect("older");
    file.close().await;
    let error = Store::open_read_only(&sqlite(&path))
        .await
        .expect_err("older")
        .to_string();
    assert!(
        error.contains("its tables are of version 1, this dondoc needs"),
        "{error}"
    );
}

#[tokio::test]
async fn a_ticket_database_given_as_the_store_is_not_touched() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("tickets.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let tickets = SqlitePool::connect_with(options).await.expect("a database");
    sqlx::query("CREATE TABLE ticket (code TEXT)")
        .execute(&tickets)
        .await
        .expect("a table");
    tickets.close().await;
    let before = std::fs::read(&path).expect("the file");
    let error = refused(&path).await;
    assert!(
        error.ends_with("this is a database of something else; give `store.url` a database of its own"),
        "{error}"
    );
    assert_eq!(std::fs::read(&path).expect("the file"), before);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("store.db");
    std::fs::write(&path, "Kính gửi: Sở Y tế. ".repeat(100)).expect("a file");
    let error = refused(&path).await;
    assert!(
        error.contains("cannot be opened") && error.contains("store.db"),
        "{error}"
    );
}
