//! A store that several processes share: one of them observes, decides and composes, and all deliver.

use dondoc::demo::receiver::{Do, Step};

use super::delivery::{HEALTH, Moods, arrived, fates};
use super::{ladder, letters_of, line};
use crate::postgres::On;
use crate::world::{World, at};

/// A month of late, answered, returned and lost tickets, and every letter of it.
async fn a_month(on: On) -> Vec<String> {
    let mut world = World::new(&ladder()).await.on(on).await;
    world.turn("2021-09-06 07:00").await;
    let mut told = Vec::new();
    for (code, agency, day) in [
        ("T1", "Sở Y tế", "2021-09-06"),
        ("Đ-2", "Sở Xây dựng", "2021-09-06"),
        ("b3", "Sở Y tế", "2021-09-07"),
        ("B4", "Sở Tài chính", "2021-09-07"),
        ("T5", "Ban Quản lý khu kinh tế", "2021-09-08"),
        ("T6", "một nơi không ai biết", "2021-09-08"),
    ] {
        world.ticket(code, agency, &format!("{day} 09:00")).await;
    }
    told.extend(letters_of(&mut world, "2021-09-06", "2021-09-16").await);
    world.answer("T1", "2021-09-16 22:10").await;
    world.change("Đ-2", "2021-09-16 22:20", "agency = 'Sở Tài chính'").await;
    told.extend(letters_of(&mut world, "2021-09-17", "2021-09-20").await);
    world.restart().await;
    world.sql("DELETE FROM ticket WHERE code = 'B4'").await;
    told.extend(letters_of(&mut world, "2021-09-21", "2021-10-04").await);
    told
}

#[tokio::test]
async fn the_same_letters_go_out_whatever_database_the_store_is_in() {
    let (in_a_file, on_a_server) = (a_month(On::Sqlite).await, a_month(On::Postgres).await);
    assert_eq!(in_a_file.len(), 20, "{in_a_file:#?}");
    assert_eq!(on_a_server, in_a_file);
}

#[tokio::test]
async fn one_process_decides_and_another_delivers_what_is_due() {
    let moods = Moods::default();
    let mut world = moods.province_on(On::Postgres, &ladder(), &[HEALTH]).await;
    let mut other = world.another_engine().await;
    moods.refuse("syt", 451);
    let report = world.turn("2021-09-14 08:00").await;
    assert!(report.is_leading);
    assert_eq!((report.composed.messages, report.delivered.later), (1, 1));
    moods.well();
    world.ticket("T9", "Sở Y tế", "2021-09-14 08:01").await;
    let report = other.turn(at("2021-09-14 08:30")).await.expect("a turn");
    assert!(!report.is_leading);
    assert_eq!(
        (report.observed.seen, report.decided, report.composed.messages),
        (0, 0, 0)
    );
    assert_eq!(report.delivered.accepted, 1);
    assert_eq!(fates(&world, "T1").await, ["accepted: later, accepted"]);
    assert!(
        world
            .store()
            .tickets(&["T9".to_owned()])
            .await
            .expect("tickets")
            .is_empty()
    );
    other.close().await;
}

#[tokio::test]
async fn when_the_one_that_decides_ends_another_goes_on_at_once_and_when_it_dies_once_its_term_is_over() {
    let moods = Moods::default();
    let mut world = moods.province_on(On::Postgres, &ladder(), &[HEALTH]).await;
    let mut second = world.another_engine().await;
    assert!(!second.turn(at("2021-09-14 07:00")).await.expect("a turn").is_leading);
    world.stop().await;
    let report = second.turn(at("2021-09-14 08:00")).await.expect("a turn");
    assert!(report.is_leading);
    assert_eq!(report.delivered.accepted, 1);
    drop(second);
    world.restart().await;
    assert!(!world.turn("2021-09-16 08:00").await.is_leading);
    world.leases_run_out().await;
    let report = world.turn("2021-09-16 08:30").await;
    assert!(report.is_leading);
    let told: Vec<String> = world.letters().iter().map(line).collect();
    assert_eq!(told, ["syt digest: T1 overdue/L1", "giamdoc-syt digest: T1 overdue/L2"]);
}

#[tokio::test]
async fn a_process_whose_term_is_taken_over_within_its_turn_goes_on_by_delivering() {
    let moods = Moods::default();
    let mut world = moods.province_on(On::Postgres, &ladder(), &[HEALTH]).await;
    moods.refuse("syt", 451);
    world.turn("2021-09-14 08:00").await;
    moods.well();
    // While the first batch of the next turn is written, the term becomes another's.
    world
        .on_store(
            "CREATE FUNCTION overtake() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN UPDATE lease SET holder = 'other', term = term + 1; RETURN NULL; END $$; \
             CREATE TRIGGER overtake AFTER INSERT ON ticket EXECUTE FUNCTION overtake()",
        )
        .await;
    world.ticket("T9", "Sở Xây dựng", "2021-09-14 08:10").await;
    world.change("T9", "2021-09-14 08:10", "due_at = '2021-09-01'").await;
    let report = world.turn("2021-09-14 08:30").await;
    assert!(!report.is_leading);
    assert_eq!((report.composed.messages, report.delivered.accepted), (0, 1));
    assert_eq!(fates(&world, "T1").await, ["accepted: later, accepted"]);
    // The one that leads next composes what was decided.
    world.on_store("DROP TRIGGER overtake ON ticket").await;
    world.leases_run_out().await;
    assert_eq!(world.turn("2021-09-15 08:00").await.composed.messages, 1);
    assert_eq!(fates(&world, "T9").await, ["accepted: accepted"]);
}

#[tokio::test]
async fn two_processes_that_take_turns_at_the_same_time_send_each_letter_once() {
    let moods = Moods::default();
    let units = ["Sở Y tế", "Sở Xây dựng", "Sở Tài chính"];
    let codes: Vec<String> = (0..30).map(|n| format!("T{n:02}")).collect();
    let tickets: Vec<(&str, &str)> = codes
        .iter()
        .zip(units.iter().cycle())
        .map(|(c, u)| (c.as_str(), *u))
        .collect();
    let rules = ladder().replace("when = \"overdue\"", "when = \"overdue\"\ndigest = \"ticket\"");
    // Nothing is taken when the letters are made: all of them are due at one time.
    moods.set(Step::Greeting, "", Do::Reply(421, "busy".to_owned()));
    let mut world = moods.province_on(On::Postgres, &rules, &tickets).await;
    world
        .edit("dondoc.toml", |text| text + "\n[limits]\nin_flight = 2\n")
        .await;
    world.turn("2021-09-14 07:00").await;
    moods.well();
    let (mut second, mut third) = (world.another_engine().await, world.another_engine().await);
    let now = at("2021-09-14 10:00");
    let (a, b) = tokio::join!(second.turn(now), third.turn(now));
    let (a, b) = (
        a.expect("a turn").delivered.accepted,
        b.expect("a turn").delivered.accepted,
    );
    // How many each of them sends is the scheduler's.
    assert_eq!(a + b, 30);
    let arrived = arrived(&world);
    assert_eq!(arrived.len(), 30);
    assert!(arrived.values().all(|(_, count)| *count == 1));
}
