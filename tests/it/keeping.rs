//! What is kept and what goes: pruning under simulated years, forgetting a ticket, and a store put back from a copy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use dondoc::config::settings::Database;
use dondoc::demo::reading;
use dondoc::demo::receiver::{Do, Step};
use dondoc::domain::Moment;
use dondoc::domain::evaluate::Verdict;
use dondoc::domain::facts::Unconcerned;
use dondoc::domain::time::Period;
use dondoc::engine::{self, ForgetError, Forgotten};
use dondoc::store::Store;
use dondoc::store::retention::Prunable;
use serde_json::{Value, json};

use crate::cli::{dondoc, json as asked, said, text};
use crate::daemon::{Daemon, URGENT};
use crate::postgres::{On, on_both};
use crate::world::{FIVE_DAYS, LADDER, World, at};

on_both! {
    what_is_long_over_goes_and_nothing_of_it_is_told_again
    bodies_go_before_their_records_and_letters_to_the_office_stay
    a_forgotten_ticket_is_told_of_no_more_and_the_others_are
    what_is_being_sent_or_may_have_arrived_keeps_its_ticket_from_being_forgotten
    what_waits_for_approval_waits_for_it_anew_without_the_forgotten_ticket
}

/// A mail server that answers every recipient with a code; 0 = it takes all.
#[derive(Clone, Default)]
struct Mood(Arc<AtomicU16>);

impl Mood {
    fn answers(&self, code: u16) {
        self.0.store(code, Ordering::SeqCst);
    }

    async fn world(&self, rules: &str, on: On) -> World {
        let mood = self.clone();
        let script = move |step: Step, _: &str| match mood.0.load(Ordering::SeqCst) {
            0 => Do::Go,
            // Takes the mail and never says so.
            1 if step == Step::Final => Do::KeepAndCut,
            1 => Do::Go,
            code if step == Step::Recipient => Do::Reply(code, "no".to_owned()),
            _ => Do::Go,
        };
        World::with_mail_server(rules, script).await.on(on).await
    }
}

fn rules() -> String {
    let more = r#"
[[rule]]
id = "carried"
title = "Phiếu tồn"
when = "carried_over"

[[rule.step]]
id = "C1"
after = "1wd"
to = ["agency:contact"]
template = "carried-over"

[[rule]]
id = "rated"
title = "Phiếu chưa hài lòng"
when = "unsatisfied"

[[rule.step]]
id = "U1"
after = "1wd"
to = ["agency:contact"]
template = "unsatisfied"
"#;
    format!("{LADDER}{more}{FIVE_DAYS}")
}

/// A turn at 08:00 of each Monday, and what was told by it.
async fn mondays(world: &mut World, from: &str, to: &str) -> Vec<String> {
    let day = |text: &str| chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").expect("a date");
    let mut all = Vec::new();
    for date in day(from).iter_weeks().take_while(|d| *d <= day(to)) {
        world.turn(&format!("{date} 08:00")).await;
        all.extend(world.told().into_iter().map(|told| format!("{date} {told}")));
    }
    all
}

async fn told_at(world: &mut World, when: &str) -> Vec<String> {
    world.turn(when).await;
    world.told()
}

async fn figures(world: &World, period: &str, now: &str) -> Value {
    let config = world.config();
    let period: Period = period.parse().expect("a period");
    let report = dondoc::report::count(world.store(), &config, period, at(now)).await;
    report.expect("a report").json(&config)
}

async fn is_known(world: &World, code: &str) -> bool {
    let tickets = world.store().tickets(&[code.to_owned()]).await.expect("tickets");
    !tickets.is_empty()
}

async fn what_is_long_over_goes_and_nothing_of_it_is_told_again(on: On) {
    let mut world = Mood::default().world(&rules(), on).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("OPEN", "Sở Y tế", "2021-09-06 09:00").await;
    for code in ["RATED", "DATELESS", "CLOSED"] {
        world.ticket(code, "Sở Xây dựng", "2021-09-06 09:00").await;
        world.answer(code, "2021-09-08 09:00").await;
    }
    let rating = "rating = 'chưa hài lòng'";
    let dated = format!("{rating}, rated_at = '2021-09-09 10:00:00'");
    world.change("RATED", "2021-09-09 10:00", &dated).await;
    world.change("DATELESS", "2021-09-09 10:00", rating).await;
    let mut told = mondays(&mut world, "2021-09-13", "2022-02-28").await;
    world.ticket("LATER", "Sở Tài chính", "2022-03-05 09:00").await;
    told.extend(mondays(&mut world, "2022-03-07", "2022-03-07").await);
    world.answer("LATER", "2022-03-08 09:00").await;
    told.extend(mondays(&mut world, "2022-03-14", "2022-04-04").await);
    let before = figures(&world, "2022-03", "2022-04-04 09:00").await;
    assert_eq!(
        (&before["total"], &before["opening_stock"], &before["under_follow_up"]),
        (&json!(1), &json!(1), &json!(1)),
        "{before}"
    );
    told.extend(mondays(&mut world, "2022-04-11", "2023-11-27").await);

    let (carried, once): (Vec<String>, Vec<String>) = told.into_iter().partition(|line| line.contains("carried/C1"));
    assert_eq!(
        once,
        [
            "2021-09-13 sxd: RATED rated/U1",
            "2021-09-20 sxd: DATELESS rated/U1",
            "2021-09-20 syt: OPEN overdue/L1",
            "2021-09-27 giamdoc-syt: OPEN overdue/L2",
            "2021-10-04 giamdoc-syt: OPEN overdue/L3",
            "2021-10-11 vp: OPEN overdue/L4",
        ]
    );
    let months: BTreeSet<&str> = carried.iter().map(|line| &line[..7]).collect();
    assert_eq!(carried.len(), months.len(), "once a period: {carried:?}");
    assert_eq!(months.len(), 26);

    // What is over went; what is open, and what could not be known again, stayed with all that was told of it.
    let meta = world.store().meta().await.expect("meta");
    assert_eq!(meta.kept_from, Some(at("2021-11-01 00:00")));
    assert!(!is_known(&world, "RATED").await && !is_known(&world, "CLOSED").await);
    assert!(is_known(&world, "DATELESS").await && is_known(&world, "LATER").await);
    assert_eq!(world.occurrences("RATED").await, [""; 0]);
    assert_eq!(world.occurrences("OPEN").await.len(), 4 + 26);
    assert_eq!(world.occurrences("DATELESS").await.len(), 1);
    assert_eq!(figures(&world, "2022-03", "2023-11-27 09:00").await, before);
    let lost = figures(&world, "2021-09", "2023-11-27 09:00").await;
    assert_eq!(
        (&lost["total"], &lost["under_follow_up"], &lost["change"]),
        (&Value::Null, &Value::Null, &Value::Null),
        "unknown, not nought: {lost}"
    );

    world.is_audited("2023-11-27 16:00").await;

    // A row that is touched, one that is closed anew, and one that is taken up again.
    world.change("RATED", "2023-11-28 09:00", "category = 'khác'").await;
    assert_eq!(told_at(&mut world, "2023-11-28 10:00").await, [""; 0]);
    assert_eq!(told_at(&mut world, "2023-11-29 08:00").await, [""; 0]);
    assert!(!is_known(&world, "RATED").await);
    world
        .change("RATED", "2023-11-29 09:00", "closed_at = '2023-11-29 09:00:00'")
        .await;
    let again = "status = 'đang xử lý', answered_at = NULL";
    world.change("CLOSED", "2023-11-29 09:00", again).await;
    world.turn("2023-11-29 10:00").await;
    assert!(is_known(&world, "RATED").await, "it was closed within what is kept");
    let rated_at = at("2021-09-09 10:00");
    assert_eq!(
        world.verdict("RATED", "rated", "U1", "2023-11-29 10:00").await,
        Verdict::NotConcerned(Unconcerned::NotKept(rated_at))
    );
    assert_eq!(world.told(), [""; 0]);
    assert_eq!(
        told_at(&mut world, "2023-11-30 08:00").await,
        ["sxd: CLOSED overdue/L1"],
        "open again, it is a matter of its own"
    );
    assert_eq!(told_at(&mut world, "2023-12-01 08:00").await, [""; 0]);
    let explained = world.explained("CLOSED", "2023-12-01 09:00").await;
    assert_eq!(explained.past.memory.reopened, 1);
    assert_eq!(
        figures(&world, "2022-03", "2023-12-01 09:00").await,
        before,
        "meanwhile it was closed"
    );
    world.is_audited("2023-12-01 16:00").await;
}

fn short(text: String) -> String {
    format!("{text}\n[retention]\nbodies = \"30d\"\nrecords_months = 3\n")
}

/// Ids of the messages that are there, by their units, oldest first.
async fn messages(world: &World) -> Vec<(String, String)> {
    let all = world.store().messages(None, Moment::UNIX_EPOCH, i64::MAX).await;
    let all = all.expect("messages").into_iter();
    all.map(|m| (m.unit, m.id)).collect()
}

async fn have_bodies(world: &World) -> Vec<bool> {
    let mut have = Vec::new();
    for (_, id) in messages(world).await {
        have.push(world.store().body(&id).await.expect("a store").is_some());
    }
    have
}

async fn bodies_go_before_their_records_and_letters_to_the_office_stay(on: On) {
    let mood = Mood::default();
    let mut world = mood.world(&format!("{LADDER}{FIVE_DAYS}"), on).await;
    world.edit("dondoc.toml", short).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    mondays(&mut world, "2021-09-13", "2021-10-11").await;
    // A correction that nobody takes carries no notice.
    let first = messages(&world).await[0].1.clone();
    let mut tx = world.store().begin().await.expect("a transaction");
    let correct = tx.correct(&first, "corrected", "sai", at("2021-10-11 09:00")).await;
    assert!(correct.expect("a store"));
    tx.commit().await.expect("a commit");
    mood.answers(550);
    world.turn("2021-10-11 09:30").await;
    mood.answers(0);
    mondays(&mut world, "2021-10-18", "2021-10-18").await;
    let all = messages(&world).await;
    let units: Vec<&str> = all.iter().map(|(unit, _)| unit.as_str()).collect();
    assert_eq!(units, ["SYT", "SYT", "SYT", "VP", "SYT"], "the last is the correction");
    assert_eq!(have_bodies(&world).await, [true; 5]);

    mondays(&mut world, "2021-10-25", "2021-11-22").await;
    assert_eq!(have_bodies(&world).await, [false, false, false, true, false]);
    let show = |id: &str| dondoc(&world.dir(), &["outbox", "show", id]);
    let shown = text(&show(&all[0].1));
    assert!(shown.contains("what it said is not kept any more"), "{shown}");
    let retry = dondoc(&world.dir(), &["outbox", "retry", &all[4].1]);
    assert_eq!(retry.status.code(), Some(1));
    assert!(
        said(&retry).contains("what it said is not kept any more"),
        "{}",
        said(&retry)
    );

    mondays(&mut world, "2021-11-29", "2022-02-28").await;
    let kept: Vec<String> = messages(&world).await.into_iter().map(|(unit, _)| unit).collect();
    assert_eq!(kept, ["VP"], "letters to the Office stay");
    assert_eq!(have_bodies(&world).await, [true]);
    assert_eq!(
        world.occurrences("T1").await.len(),
        4,
        "what was told of an open ticket stays"
    );
    assert_eq!(told_at(&mut world, "2022-03-01 08:00").await, [""; 0]);
    let explained = asked(&world.dir(), &["explain", "T1", "--json"]);
    assert_eq!(explained["kept_from"], json!("2021-12-01T00:00:00+07:00"));
    assert_eq!(explained["notices"].as_array().map(Vec::len), Some(4));

    let (config, now) = (world.config(), at("2022-03-01 09:00"));
    let would = engine::prunable(&config, world.store(), true, now)
        .await
        .expect("counts");
    let done = engine::prune(&config, world.store(), true, now).await.expect("pruned");
    assert_eq!(would, done);
    assert_eq!(done[&Prunable::Archive], 1);
    assert_eq!(messages(&world).await, []);
}

#[tokio::test]
async fn prune_says_first_what_would_go_and_then_what_went() {
    let mut world = Mood::default().world(&format!("{LADDER}{FIVE_DAYS}"), On::Sqlite).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.ticket("T2", "Sở Y tế", "2021-09-06 09:00").await;
    mondays(&mut world, "2021-09-13", "2021-10-11").await;
    world.answer("T2", "2021-10-12 09:00").await;
    world.days("2021-10-12", "2021-10-13").await;
    let would = asked(&world.dir(), &["prune", "--dry-run", "--json"]);
    let counts = json!({
        "alarms": 0, "bodies": 5, "changes": 1, "messages": 5, "silences": 0, "summaries": 0, "suspensions": 0,
        "tickets": 1, "dry_run": true
    });
    assert_eq!(would, counts);
    // By the clock of this test's machine years have passed, in which nothing was seen.
    let refused = dondoc(&world.dir(), &["prune"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said(&refused).contains("nothing has been seen since 2021-10-12"),
        "{}",
        said(&refused)
    );
    assert_eq!(asked(&world.dir(), &["prune", "--dry-run", "--json"]), would);
    let done = dondoc(&world.dir(), &["prune", "--yes"]);
    assert!(done.status.success(), "{}", said(&done));
    assert!(
        text(&done).contains("       1  tickets      tickets that are long over"),
        "{}",
        text(&done)
    );
    let left = asked(&world.dir(), &["prune", "--dry-run", "--json"]);
    let counts = json!({
        "alarms": 0, "bodies": 0, "changes": 0, "messages": 0, "silences": 0, "summaries": 0, "suspensions": 0,
        "tickets": 0, "dry_run": true
    });
    assert_eq!(left, counts);
    let gone = said(&dondoc(&world.dir(), &["explain", "T2"]));
    assert!(gone.contains("from when on records are kept"), "{gone}");
}

#[tokio::test]
async fn a_turn_prunes_a_little_and_the_next_goes_on() {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    world.write("dondoc.toml", short);
    world.restart().await;
    world
        .sql(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2300) \
             INSERT INTO ticket (code, status, received_at, updated_at, answered_at, agency) \
             SELECT 'N' || i, 'đã trả lời', '2021-09-01 08:00:00', '2021-09-02 08:00:00', '2021-09-02 08:00:00', 'Sở Y tế' FROM n",
        )
        .await;
    world.turn("2021-09-06 07:00").await;
    let count = async |world: &World| world.store().count_tickets().await.expect("a count");
    assert_eq!(count(&world).await, 2300);
    // The clock is far ahead: nothing goes until the ticket database shows a change that is as new.
    for time in [
        "2022-03-01 08:00",
        "2022-03-01 09:00",
        "2022-03-02 08:00",
        "2022-03-03 08:00",
    ] {
        world.turn(time).await;
        assert_eq!(count(&world).await, 2300, "{time}");
    }
    world.ticket("M1", "Sở Y tế", "2022-03-04 07:30").await;
    world.sql("UPDATE ticket SET status = 'đã trả lời', answered_at = '2022-03-04 07:40:00', updated_at = '2022-03-04 07:40:00' WHERE code = 'M1'").await;
    world.turn("2022-03-04 08:00").await;
    assert_eq!(count(&world).await, 301);
    world.turn("2022-03-04 08:01").await;
    assert_eq!(count(&world).await, 1);
    // The sweep of the next night finds nothing new in the rows.
    let swept = world.turn("2022-03-05 08:00").await;
    assert_eq!((swept.observed.changed, swept.observed.gone), (0, 0));
    assert_eq!(count(&world).await, 1);
}

#[tokio::test]
async fn a_turn_that_has_pruned_its_share_leaves_the_next_kind_to_the_next() {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    world.write("dondoc.toml", short);
    world.restart().await;
    world
        .sql(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1900) \
             INSERT INTO ticket (code, status, received_at, updated_at, answered_at, agency) \
             SELECT 'N' || i, 'đã trả lời', '2021-09-01 08:00:00', '2021-09-02 08:00:00', '2021-09-02 08:00:00', 'Sở Y tế' FROM n",
        )
        .await;
    world.turn("2021-09-06 07:00").await;
    world
        .on_store(
            "INSERT INTO silence (id, scope, from_at, until_at, author, reason, made_at) \
             VALUES (1, '{\"unit\":\"SYT\"}', 1631000000000000, 1631000000000000, 'ops', 'xong', 1631000000000000)",
        )
        .await;
    // Something is as new as the clock.
    world.ticket("M1", "Sở Y tế", "2022-02-28 09:00").await;
    let left = async |world: &World| {
        let left = engine::prunable(&world.config(), world.store(), false, at("2022-03-02 09:00")).await;
        let left = left.expect("counts");
        (left[&Prunable::Tickets], left[&Prunable::Silences])
    };
    world.turn("2021-09-06 08:00").await;
    assert_eq!(left(&world).await, (1900, 1));
    // Nine batches are full, the tenth is the last of its kind.
    world.turn("2022-03-02 08:00").await;
    assert_eq!(left(&world).await, (0, 1));
    world.turn("2022-03-02 08:01").await;
    assert_eq!(left(&world).await, (0, 0));
}

#[tokio::test]
async fn a_rating_older_than_what_is_kept_is_told_of_a_ticket_that_was_known_before() {
    let mut world = Mood::default().world(&rules(), On::Sqlite).await;
    world.edit("dondoc.toml", short).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    mondays(&mut world, "2021-09-13", "2022-02-28").await;
    let meta = world.store().meta().await.expect("meta");
    assert_eq!(meta.kept_from, Some(at("2021-11-01 00:00")));
    world.answer("T1", "2022-03-01 09:00").await;
    let rating = "rating = 'chưa hài lòng', rated_at = '2021-10-20 10:00:00'";
    world.change("T1", "2022-03-01 10:00", rating).await;
    world.turn("2022-03-01 16:00").await;
    let mut told = told_at(&mut world, "2022-03-02 08:00").await;
    told.retain(|line| line.contains("rated/"));
    assert_eq!(told, ["syt: T1 rated/U1"]);
}

#[tokio::test]
async fn a_prune_that_fails_fails_no_turn() {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    world.write("dondoc.toml", short);
    world.restart().await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-13 16:00").await;
    world
        .on_store("CREATE TRIGGER full BEFORE DELETE ON body BEGIN SELECT RAISE(ABORT, 'full'); END")
        .await;
    mondays(&mut world, "2021-09-20", "2021-11-22").await;
    assert!(have_bodies(&world).await.iter().all(|has| *has));
    world.on_store("DROP TRIGGER full").await;
    // After weeks without a look something has to be as new as the clock, which could have jumped.
    world.turn("2021-11-23 08:00").await;
    assert!(have_bodies(&world).await.iter().all(|has| *has));
    world.ticket("T2", "Sở Y tế", "2021-11-23 09:00").await;
    world.turn("2021-11-24 08:00").await;
    assert!(have_bodies(&world).await.iter().any(|has| !has));
}

async fn forget(world: &World, code: &str, when: &str) -> Result<Forgotten, ForgetError> {
    engine::forget(world.store(), code, at(when)).await
}

async fn a_forgotten_ticket_is_told_of_no_more_and_the_others_are(on: On) {
    let mood = Mood::default();
    let mut world = mood.world(&format!("{LADDER}{FIVE_DAYS}"), on).await;
    world.turn("2021-09-06 07:00").await;
    for code in ["A-77", "A-7", "B-1"] {
        world.ticket(code, "Sở Y tế", "2021-09-06 09:00").await;
    }
    world.turn("2021-09-13 16:00").await;
    mood.answers(451);
    world.turn("2021-09-14 08:00").await;
    assert_eq!(world.told(), [""; 0]);
    let waiting = messages(&world).await;
    assert_eq!(waiting.len(), 1, "one digest waits for another attempt");
    let done = forget(&world, "A-7", "2021-09-14 08:30").await.expect("forgotten");
    assert_eq!(
        (done.traces.tickets, done.traces.tellings, done.bodies, done.made_anew),
        (1, 1, 1, 1)
    );
    mood.answers(0);
    assert_eq!(
        told_at(&mut world, "2021-09-14 09:00").await,
        ["syt: A-77 overdue/L1", "syt: B-1 overdue/L1"]
    );
    assert_eq!(have_bodies(&world).await, [false, true]);
    let counts = asked(&world.dir(), &["outbox", "list", "--json"]);
    let notices: Vec<&Value> = counts["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .map(|m| &m["notices"])
        .collect();
    assert_eq!(notices, [&json!(3), &json!(2)], "the counts stay");

    // Neither a change of its row nor the sweep brings it back, nor is anything said of it that cannot be read.
    world
        .change("A-7", "2021-09-14 10:00", "received_at = 'không rõ'")
        .await;
    let turn = world.turn("2021-09-14 10:30").await;
    assert_eq!(
        (turn.observed.seen, turn.observed.rejected),
        (2, 0),
        "{:?}",
        turn.problems()
    );
    world
        .change(
            "A-7",
            "2021-09-14 11:00",
            "received_at = '2021-09-06 09:00:00', category = 'khác'",
        )
        .await;
    world.restart().await;
    assert_eq!(
        world.days("2021-09-15", "2021-09-16").await,
        [
            "16/09 giamdoc-syt: A-77 overdue/L2",
            "16/09 giamdoc-syt: B-1 overdue/L2"
        ]
    );
    assert!(!is_known(&world, "A-7").await);
    let explained = dondoc(&world.dir(), &["explain", "A-7"]);
    assert!(
        said(&explained).contains("ticket A-7 was forgotten on 2021-09-14 08:30"),
        "{}",
        said(&explained)
    );
    let twice = forget(&world, "A-7", "2021-09-16 17:00").await.expect("no harm");
    assert!(twice.traces.is_none() && twice.bodies == 0, "{twice:?}");

    // What has been sent loses its text, with all that it told of others; what that was is still known.
    let done = forget(&world, "B-1", "2021-09-16 17:10").await.expect("forgotten");
    assert_eq!((done.traces.tellings, done.bodies, done.made_anew), (2, 3, 0));
    assert_eq!(have_bodies(&world).await, [false, false, false]);
    assert_eq!(
        world.store().messages_of_ticket("A-77").await.expect("messages").len(),
        3
    );
    assert_eq!(
        world.days("2021-09-17", "2021-09-20").await,
        ["20/09 giamdoc-syt: A-77 overdue/L3"]
    );
    world.is_audited("2021-09-20 22:00").await;
}

async fn what_is_being_sent_or_may_have_arrived_keeps_its_ticket_from_being_forgotten(on: On) {
    let mood = Mood::default();
    let mut world = mood.world(&format!("{LADDER}{FIVE_DAYS}"), on).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-13 16:00").await;
    mood.answers(1);
    world.turn("2021-09-14 08:00").await;
    let id = messages(&world).await[0].1.clone();
    let refused = forget(&world, "T1", "2021-09-14 08:00")
        .await
        .expect_err("it may have arrived");
    assert!(matches!(&refused, ForgetError::Unknown(m) if *m == id), "{refused}");
    assert!(is_known(&world, "T1").await, "nothing was changed");
    assert_eq!(have_bodies(&world).await, [true]);
    // While it is being sent.
    let claimed = world
        .store()
        .claim(&dondoc::store::outbox::Wanted {
            channel: dondoc::domain::rule::Channel::Email,
            by: "another",
            due: at("2021-09-15 08:00"),
            now: at("2021-09-15 08:00"),
            lease: chrono::TimeDelta::minutes(5),
            most: 10,
        })
        .await
        .expect("claims");
    assert_eq!(claimed.len(), 1);
    let refused = forget(&world, "T1", "2021-09-15 08:01")
        .await
        .expect_err("it is being sent");
    assert!(matches!(&refused, ForgetError::Sending(m) if *m == id), "{refused}");
    let mut tx = world.store().begin().await.expect("a transaction");
    let back: Vec<_> = claimed.iter().map(|claim| (at("2021-09-15 08:02"), claim)).collect();
    tx.put_back(&back).await.expect("put back");
    tx.commit().await.expect("a commit");
    // Once it has an answer there is nothing in the way.
    mood.answers(0);
    world.turn("2021-09-15 08:05").await;
    forget(&world, "T1", "2021-09-15 08:30").await.expect("forgotten");
    assert!(!is_known(&world, "T1").await);
}

async fn what_waits_for_approval_waits_for_it_anew_without_the_forgotten_ticket(on: On) {
    let rules = LADDER.replace(
        "template = \"overdue-1\"",
        "template = \"overdue-1\"\napprove = \"ops\"",
    );
    let mut world = Mood::default().world(&format!("{rules}{FIVE_DAYS}"), on).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.ticket("T2", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-13 16:00").await;
    world.turn("2021-09-14 08:00").await;
    let first = awaiting(&world).await;
    assert_eq!(first.len(), 1);
    forget(&world, "T1", "2021-09-14 08:30").await.expect("forgotten");
    world.turn("2021-09-14 09:00").await;
    let second = awaiting(&world).await;
    assert_eq!(second.len(), 1);
    assert_ne!(first, second);
    let body = world.store().body(&second[0]).await.expect("a store").expect("a body");
    let told: Vec<String> = reading::read(&body)
        .expect("a letter")
        .told()
        .map(|(ticket, ..)| ticket.to_owned())
        .collect();
    assert_eq!(told, ["T2"]);
}

/// Every letter tells of the thirteenth: it is the deadline.
#[tokio::test]
async fn a_ticket_whose_code_is_a_small_number_is_forgotten_without_what_bears_that_number() {
    let mut world = Mood::default().world(&format!("{LADDER}{FIVE_DAYS}"), On::Sqlite).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("13", "Sở Y tế", "2021-09-06 09:00").await;
    world.ticket("T2", "Sở Xây dựng", "2021-09-06 09:00").await;
    world.turn("2021-09-13 16:00").await;
    world.turn("2021-09-14 08:00").await;
    assert_eq!(world.told(), ["sxd: T2 overdue/L1", "syt: 13 overdue/L1"]);
    let all = messages(&world).await;
    assert_eq!(have_bodies(&world).await, [true, true]);
    let body = async |id: &str| world.store().body(id).await.expect("a store");
    for (_, id) in &all {
        let letter = reading::read(&body(id).await.expect("a body")).expect("a letter");
        assert!(
            letter.text.contains("13/9/2021") || letter.text.contains("13/09/2021"),
            "{}",
            letter.text
        );
    }
    let named = engine::named(world.store(), "13").await.expect("counts");
    assert_eq!((named.bodies, named.texts), (1, 0));
    let done = forget(&world, "13", "2021-09-14 09:00").await.expect("forgotten");
    assert_eq!((done.traces.tickets, done.bodies, done.texts), (1, 1, 0));
    for (unit, id) in &all {
        assert_eq!(body(id).await.is_some(), unit == "SXD", "{unit}");
    }
    assert!(is_known(&world, "T2").await && !is_known(&world, "13").await);
}

async fn awaiting(world: &World) -> Vec<String> {
    let all = world
        .store()
        .messages(Some("awaiting_approval"), Moment::UNIX_EPOCH, 10)
        .await;
    all.expect("messages").into_iter().map(|m| m.id).collect()
}

/// At whatever place of a turn a ticket is forgotten: nothing that names it is sent afterwards, and the other one in its
/// digest is told.
#[tokio::test]
async fn a_ticket_may_be_forgotten_at_any_place_of_a_turn() {
    let places = [0].into_iter().chain((24..100).step_by(4)).chain([i32::MAX]);
    let mut all_sent = Vec::new();
    for place in places {
        let sent = Arc::new(AtomicU16::new(0));
        let counts = Arc::clone(&sent);
        let script = move |step: Step, _: &str| {
            if step == Step::Final {
                counts.fetch_add(1, Ordering::SeqCst);
            }
            Do::Go
        };
        let mut world = World::with_mail_server(&format!("{LADDER}{FIVE_DAYS}"), script).await;
        world.turn("2021-09-06 07:00").await;
        for code in ["A-7", "B-1"] {
            world.ticket(code, "Sở Y tế", "2021-09-06 09:00").await;
        }
        world.turn("2021-09-13 16:00").await;
        let beside = Store::open_beside(&world.config().store.database)
            .await
            .expect("a store");
        let reached = Arc::new(tokio::sync::Notify::new());
        let (awaits, count) = (Arc::clone(&reached), Arc::clone(&sent));
        let forgets = tokio::spawn(async move {
            awaits.notified().await;
            let done = engine::forget(&beside, "A-7", at("2021-09-14 08:00")).await;
            (done, usize::from(count.load(Ordering::SeqCst)))
        });
        let mut left: i32 = place;
        let mut turn = Box::pin(world.turn("2021-09-14 08:00"));
        std::future::poll_fn(|context| {
            if left == 0 {
                reached.notify_one();
            }
            left -= 1;
            turn.as_mut().poll(context)
        })
        .await;
        drop(turn);
        // The turn may be shorter than that.
        reached.notify_one();
        let (done, sent_before) = forgets.await.expect("the command");
        all_sent.push(sent_before);
        match done {
            Ok(_) => {}
            Err(ForgetError::Sending(_)) => continue,
            Err(error) => panic!("{place}: {error}"),
        }
        world.turn("2021-09-14 08:01").await;
        world.turn("2021-09-14 09:00").await;
        let letters = world.letters();
        let tell = |code: &str| {
            letters
                .iter()
                .filter(|l| l.told().any(|(ticket, ..)| ticket == code))
                .count()
        };
        assert!(tell("A-7") <= sent_before, "{place}: told after it was forgotten");
        assert_eq!(tell("B-1"), 1, "{place}: {letters:?}");
        assert!(!is_known(&world, "A-7").await, "{place}");
    }
    let ends = (all_sent.first(), all_sent.last());
    assert_eq!(
        ends,
        (Some(&0), Some(&1)),
        "before its letter was made, and when it had gone"
    );
}

/// Whether a text stands anywhere in a file.
fn holds(path: &Path, text: &str) -> bool {
    let bytes = std::fs::read(path).unwrap_or_default();
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn the_files_of_the_store_hold_nothing_of_a_forgotten_ticket() {
    let rules = LADDER.replace("when = \"overdue\"", "when = \"overdue\"\ndigest = \"ticket\"");
    let mut world = Mood::default().world(&format!("{rules}{FIVE_DAYS}"), On::Sqlite).await;
    world.turn("2021-09-06 07:00").await;
    let code = "MAT-770-B";
    world.ticket(code, "Sở Y tế", "2021-09-06 09:00").await;
    world.ticket("KHAC-1", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-06 10:00").await;
    world
        .change(
            code,
            "2021-09-07 09:00",
            &format!("url = 'https://hotline.example/{code}'"),
        )
        .await;
    world.days("2021-09-13", "2021-09-16").await;
    for command in [
        vec!["ack", code, "--note", "như MAT-770-B", "--at", "2021-09-16 17:00"],
        vec![
            "silence",
            "add",
            "--ticket",
            code,
            "--until",
            "2999-12-01 08:00",
            "--reason",
            "vì MAT-770-B",
        ],
        vec![
            "silence",
            "add",
            "--unit",
            "SXD",
            "--until",
            "2999-12-01 08:00",
            "--reason",
            "xem MAT-770-B.",
        ],
    ] {
        let done = dondoc(&world.dir(), &command);
        assert!(done.status.success(), "{command:?}: {}", said(&done));
    }
    // What servers say stands in more places.
    for table in [
        "suspension (address, since, until, reason) VALUES ('x@khac.example', 0, 4102444800000000",
        "endpoint (id, url, disabled_at, reason) VALUES ('khac', 'https://khac.example', 0",
        "endpoint_failing (id, url, since, last_at, attempts, reason) VALUES ('khac', 'https://khac.example', 0, 0, 1",
    ] {
        world
            .on_store(&format!("INSERT INTO {table}, '550 MAT-770-B refused')"))
            .await;
    }
    world
        .on_store(
            "INSERT INTO alarm (id, kind, subject, detail, raised_at, told_at, cleared_at, clear_told_at, witness) \
             VALUES (7, 'unknown_agency', 'Sở Không Rõ', 'such as MAT-770-B', 0, 0, 1, 1, 'MAT-770-B')",
        )
        .await;
    let sent = messages(&world).await;
    let mut tx = world.store().begin().await.expect("a transaction");
    let why = "sai phiếu MAT-770-B";
    assert!(
        tx.correct(&sent[0].1, why, why, at("2021-09-16 17:00"))
            .await
            .expect("a store")
    );
    tx.commit().await.expect("a commit");
    world.turn("2021-09-17 08:00").await;
    let paused = dondoc(&world.dir(), &["pause", "--reason", "vì MAT-770-B"]);
    assert!(paused.status.success(), "{}", said(&paused));
    let files = ["store.db", "store.db-wal"].map(|name| world.dir().join(name));
    assert!(files.iter().any(|file| holds(file, code)), "it is there");

    let done = dondoc(&world.dir(), &["forget", code, "--yes"]);
    assert!(done.status.success(), "{}", said(&done));
    assert!(
        text(&done).contains("MAT-770-B is forgotten: 1 ticket"),
        "{}",
        text(&done)
    );
    for file in &files {
        assert!(!holds(file, code), "{}", file.display());
    }
    // What is written in another way says it no more either.
    for (_, id) in messages(&world).await {
        if let Some(body) = world.store().body(&id).await.expect("a store") {
            let letter = reading::read(&body).expect("a letter");
            assert!(
                !letter.text.contains(code) && !letter.subject.contains(code),
                "{}",
                letter.subject
            );
        }
    }
    // The daemon goes on by the same file.
    world.turn("2021-09-20 08:00").await;
    world.turn("2021-09-20 16:00").await;
    assert!(is_known(&world, "KHAC-1").await && !is_known(&world, code).await);
    world.stop().await;
    for file in &files {
        assert!(!holds(file, code), "{}", file.display());
    }
}

#[tokio::test]
async fn forgetting_asks_first() {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 06:00").await;
    world.turn("2021-09-06 07:00").await;
    let asked = dondoc(&world.dir(), &["forget", "T1"]);
    assert_eq!(asked.status.code(), Some(2));
    assert!(said(&asked).contains("`--yes` forgets it"), "{}", said(&asked));
    assert!(
        text(&asked).contains("; 0 messages and 0 other texts name it"),
        "{}",
        text(&asked)
    );
    assert!(is_known(&world, "T1").await);
}

/// Waits until the daemon has shown its pages often enough for something to have come about.
async fn until(daemon: &Daemon, what: &str, is_so: impl Fn() -> bool) {
    let long = tokio::time::timeout(std::time::Duration::from_secs(120), async {
        while !is_so() {
            daemon.page("/healthz", "").await;
        }
    });
    assert!(long.await.is_ok(), "{what}");
}

/// What was received: for each ticket the ids of the letters that told it, in order of arrival.
fn by_ticket(world: &World) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for mail in world.received() {
        let letter = reading::read(&mail.bytes).expect("a letter");
        for (ticket, ..) in letter.told() {
            all.entry(ticket.to_owned())
                .or_default()
                .push(letter.message_id.clone());
        }
    }
    all
}

/// Mails are held at their end until they are let go.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<Held>, Condvar)>);

#[derive(Default)]
struct Held {
    is_shut: bool,
    mails: usize,
}

impl Gate {
    fn shut(&self, is_shut: bool) {
        let mut held = self.0.0.lock().expect("the gate");
        held.is_shut = is_shut;
        drop(held);
        self.0.1.notify_all();
    }

    /// A thread of the runtime that is held leaves its sockets and timers to others, which have to be awake for that.
    fn keeps_others_awake(&self) {
        let (gate, runtime) = (self.clone(), tokio::runtime::Handle::current());
        std::thread::spawn(move || {
            while gate.0.0.lock().expect("the gate").is_shut {
                runtime.block_on(runtime.spawn(async {})).expect("a task");
            }
        });
    }

    fn holds(&self) -> usize {
        self.0.0.lock().expect("the gate").mails
    }

    fn pass(&self) {
        let mut held = self.0.0.lock().expect("the gate");
        held.mails += 1;
        while held.is_shut {
            held = self.0.1.wait(held).expect("the gate");
        }
        held.mails -= 1;
    }
}

/// Opens a gate in the end.
struct Opens(Gate);

impl Drop for Opens {
    fn drop(&mut self) {
        self.0.shut(false);
    }
}

/// With more threads than connections that are held.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn after_a_store_was_put_back_what_was_sent_since_comes_twice_and_nothing_else() {
    let gate = Gate::default();
    let passes = gate.clone();
    // A story that fails leaves nobody waiting.
    let _opens = Opens(gate.clone());
    let script = move |step: Step, _: &str| {
        if step == Step::Final {
            passes.pass();
        }
        Do::Go
    };
    let mut world = World::with_mail_server(URGENT, script).await;
    let add = async |world: &World, tickets: std::ops::Range<usize>| {
        // At once, so that one turn reads them all; the daemon's clock is the real one.
        world
            .sql(&format!(
                "WITH RECURSIVE n (i) AS (SELECT {} UNION ALL SELECT i + 1 FROM n WHERE i < {}) \
                 INSERT INTO ticket (code, status, received_at, updated_at, agency) \
                 SELECT 'T' || i, 'đang xử lý', '2026-01-05 08:00:00', datetime('now', '+7 hours'), 'Sở Y tế' FROM n",
                tickets.start,
                tickets.end - 1
            ))
            .await;
    };
    world.write("dondoc.toml", |text| {
        let run = "\n[run]\nevery = \"1s\"\n[http]\nlisten = \"127.0.0.1:0\"\n";
        text.replace("timeout = \"2s\"", "timeout = \"60s\"") + run
    });
    world.stop().await;
    add(&world, 0..20).await;
    let daemon = Daemon::start(&world.dir()).await;
    until(&daemon, "the first are told", || by_ticket(&world).len() == 20).await;

    // The copy is made while mails are on their way; the daemon goes on reading, writing and sending.
    gate.shut(true);
    gate.keeps_others_awake();
    add(&world, 20..40).await;
    until(&daemon, "mails are on their way", || gate.holds() > 0).await;
    let copy = world.dir().join("copy.db");
    let (dir, file) = (world.dir(), copy.to_str().expect("a path").to_owned());
    let backup = tokio::task::spawn_blocking(move || dondoc(&dir, &["backup", &file]));
    add(&world, 40..45).await;
    let backup = backup.await.expect("the command");
    assert!(backup.status.success(), "{}", said(&backup));
    gate.shut(false);
    add(&world, 45..50).await;
    until(&daemon, "all are told", || by_ticket(&world).len() == 50).await;
    daemon.dies().await;
    let before = by_ticket(&world);
    assert!(before.values().all(|ids| ids.len() == 1), "{before:?}");

    // As `backup` says.
    for name in ["store.db-wal", "store.db-shm"] {
        let file = world.dir().join(name);
        if file.exists() {
            std::fs::remove_file(file).expect("removed");
        }
    }
    std::fs::rename(&copy, world.dir().join("store.db")).expect("put back");
    let store = Store::open_read_only(&Database::Sqlite(world.dir().join("store.db"))).await;
    let store = store.expect("a store");
    let in_copy = store
        .messages(None, Moment::UNIX_EPOCH, i64::MAX)
        .await
        .expect("messages");
    store.close().await;
    let ids = |state: &str| -> BTreeSet<String> {
        let some = in_copy.iter().filter(|m| m.state == state);
        some.map(|m| format!("{}@1022.tinh.example", m.id)).collect()
    };
    let (accepted, on_their_way) = (ids("accepted"), ids("waiting"));
    assert_eq!((accepted.len(), on_their_way.len()), (20, 20));

    let daemon = Daemon::start(&world.dir()).await;
    until(&daemon, "what the copy did not know as sent comes once more", || {
        world.received().len() == 80
    })
    .await;
    assert!(daemon.stops().await.success());
    assert!(dondoc(&world.dir(), &["once"]).status.success());
    assert_eq!(world.received().len(), 80);
    for (ticket, ids) in by_ticket(&world) {
        let first = &before[&ticket][0];
        let kind = match (accepted.contains(first), on_their_way.contains(first)) {
            (true, _) => "told before the copy",
            (_, true) => "on its way",
            _ => "made after the copy",
        };
        let is_so = match kind {
            "told before the copy" => ids.len() == 1,
            // Under the id that it had, so that a server or a reader may know it again.
            "on its way" => ids.len() == 2 && ids[1] == *first,
            _ => ids.len() == 2 && ids[1] != *first,
        };
        assert!(is_so, "{ticket}, {kind}: {ids:?}");
    }
}

#[tokio::test]
async fn records_that_were_removed_by_a_clock_years_ahead_are_kept_as_ever_once_it_is_right() {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    world.edit("dondoc.toml", short).await;
    world.turn("2021-09-06 07:00").await;
    world
        .on_store("INSERT INTO meta (name, value) VALUES ('kept_from', '2000000000000000')")
        .await;
    world.turn("2021-09-06 08:00").await;
    let meta = world.store().meta().await.expect("a store");
    assert!(
        meta.kept_from > Some(at("2030-01-01 00:00")),
        "today's look was taken before"
    );
    world.turn("2021-09-07 08:00").await;
    let meta = world.store().meta().await.expect("a store");
    assert_eq!(meta.kept_from, Some(at("2021-06-01 00:00")));
    world.ticket("T1", "Sở Y tế", "2021-09-07 09:00").await;
    world.turn("2021-09-07 10:00").await;
    assert!(is_known(&world, "T1").await);
    assert_eq!(world.occurrences("T1").await.len(), 0);
    assert_eq!(told_at(&mut world, "2021-09-15 08:00").await, ["syt: T1 overdue/L1"]);
}
