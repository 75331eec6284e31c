//! Who waits for whom: a mail server or an endpoint that takes nothing is left alone and found out about by one message;
//! one bad recipient, a blocklist or a dead endpoint costs nobody else anything but that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dondoc::demo::receiver::{Do, Step};
use dondoc::domain::rule::Channel;
use dondoc::engine::Delivered;
use serde_json::Value;

use super::delivery::{BUILDING, HEALTH, Moods, fates};
use super::posted::{BOTH, HOOK, SYT, System, via, with_endpoints};
use super::{ladder, letters_at, letters_of};
use crate::cli::{dondoc, json, said, text};
use crate::world::World;

const FINANCE: (&str, &str) = ("T3", "Sở Tài chính");
const SXD: &str = "name = \"Sở Xây dựng\"";

/// The attempts of a turn at this time, by channel and answer.
async fn attempts(world: &mut World, when: &str) -> BTreeMap<(Channel, &'static str), usize> {
    let mut by = BTreeMap::new();
    for ((channel, answer, _), count) in world.turn(when).await.delivered.by {
        *by.entry((channel, answer)).or_default() += count;
    }
    by
}

// Mail.

#[tokio::test]
async fn a_day_on_a_blocklist_kills_no_letter_and_costs_one_attempt_a_quarter_of_an_hour() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH, BUILDING, FINANCE]).await;
    moods.set(
        Step::Recipient,
        "",
        Do::Reply(554, "5.7.1 blocked, see list.example".to_owned()),
    );
    let report = world.turn("2021-09-14 08:00").await;
    assert_eq!(
        (report.delivered.later, report.delivered.dead, report.waiting),
        (3, 0, 3)
    );
    assert!(report.delivered.refused.is_some_and(|why| why.contains("5.7.1")));
    let mut tried = Vec::new();
    for minute in 1..60 {
        let when = format!("2021-09-14 08:{minute:02}");
        let attempts = attempts(&mut world, &when).await;
        if !attempts.is_empty() {
            assert_eq!(attempts, BTreeMap::from([((Channel::Email, "later"), 1)]), "{when}");
            tried.push(minute);
        }
    }
    assert_eq!(tried, [2, 7, 22, 37, 52], "a message after 1, 5, then 15 minutes");
    moods.well();
    letters_at(&mut world, &["2021-09-14 10:00"]).await;
    let mut fates = [
        fates(&world, "T1").await,
        fates(&world, "T2").await,
        fates(&world, "T3").await,
    ]
    .concat();
    fates.retain(|fate| !fate.ends_with("accepted"));
    assert_eq!(fates, [""; 0], "all of them went out");
}

/// A province whose mail server says this to the recipients of a turn by their number, and its switch; mails go one after
/// the other.
async fn refusing(which: impl Fn(usize) -> bool + Send + Sync + 'static) -> (World, Arc<AtomicBool>) {
    let (asked, is_on) = (AtomicUsize::new(0), Arc::new(AtomicBool::new(true)));
    let switch = Arc::clone(&is_on);
    let script = move |step: Step, _: &str| match step {
        Step::Recipient if switch.load(Ordering::SeqCst) && which(asked.fetch_add(1, Ordering::SeqCst)) => {
            Do::Reply(550, "5.7.1 not from you".to_owned())
        }
        _ => Do::Go,
    };
    let mut world = World::with_mail_server(&ladder(), script).await;
    let one = |text: String| text.replace("timeout = \"2s\"", "timeout = \"2s\"\nconnections = 1");
    world.edit("dondoc.toml", one).await;
    world.turn("2021-09-06 07:00").await;
    for (code, agency) in [HEALTH, BUILDING, FINANCE] {
        world.ticket(code, agency, "2021-09-06 09:00").await;
    }
    (world, is_on)
}

#[tokio::test]
async fn a_letter_that_is_refused_by_policy_while_others_are_taken_after_it_is_dead() {
    let (mut world, _) = refusing(|n| n == 0).await;
    let report = world.turn("2021-09-14 08:00").await;
    let Delivered {
        accepted, later, dead, ..
    } = report.delivered;
    assert_eq!((accepted, later, dead), (2, 0, 1));
}

#[tokio::test]
async fn a_limit_of_the_mail_server_that_is_reached_within_a_batch_kills_no_letter() {
    let (mut world, is_on) = refusing(|n| n > 0).await;
    let report = world.turn("2021-09-14 08:00").await;
    let Delivered {
        accepted, later, dead, ..
    } = report.delivered;
    assert_eq!((accepted, later, dead), (1, 2, 0));
    for minute in 1..30 {
        let when = format!("2021-09-14 08:{minute:02}");
        assert_eq!(world.turn(&when).await.delivered.dead, 0);
    }
    is_on.store(false, Ordering::SeqCst);
    letters_at(&mut world, &["2021-09-14 09:15", "2021-09-14 09:45"]).await;
    assert_eq!(world.received().len(), 3);
}

#[tokio::test]
async fn a_letter_that_fails_again_and_again_alone_delays_others_by_a_minute_and_is_no_alarm() {
    let urgent = ladder().replace("when = \"overdue\"", "when = \"overdue\"\ndigest = \"ticket\"");
    let moods = Moods::default();
    let mut world = moods.province(&urgent, &[HEALTH]).await;
    moods.set(
        Step::Recipient,
        "syt",
        Do::Reply(451, "4.3.0 callout failed".to_owned()),
    );
    let mut failed = 0;
    for minute in 0..55 {
        let report = world.turn(&format!("2021-09-14 07:{minute:02}")).await;
        failed += report.delivered.later;
        assert_eq!(report.delivered.refused, None, "{minute}");
    }
    assert_eq!(failed, 4, "1, 5, 15 and 30 minutes apart");
    assert_eq!(world.turn("2021-09-14 08:00").await.alarms, 0);
    world.ticket("T2", "Sở Xây dựng", "2021-09-06 09:30").await;
    let told = letters_at(&mut world, &["2021-09-14 08:01", "2021-09-14 08:02"]).await;
    // At 08:01 the one that fails may be due again and be tried alone: by how much longer each waits hangs on its id.
    let minutes = ["08:01", "08:02"].map(|minute| vec![format!("14/09 {minute} sxd single: T2 overdue/L1")]);
    assert!(minutes.contains(&told), "{told:?}");
}

#[tokio::test]
async fn while_the_mail_server_is_away_one_connection_finds_out_and_all_go_when_it_is_back() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH, BUILDING, FINANCE]).await;
    moods.set(Step::Greeting, "", Do::Reply(421, "4.3.2 not now".to_owned()));
    world.turn("2021-09-14 08:00").await;
    moods.well();
    let left_alone = attempts(&mut world, "2021-09-14 08:00").await;
    assert!(left_alone.is_empty(), "{left_alone:?}");
    let mut letters = letters_at(&mut world, &["2021-09-14 08:01", "2021-09-14 08:02"]).await;
    letters
        .iter_mut()
        .for_each(|line| *line = line.replace("08:01", "08:02"));
    letters.sort();
    assert_eq!(
        letters,
        [
            "14/09 08:02 stc digest: T3 overdue/L1",
            "14/09 08:02 sxd digest: T2 overdue/L1",
            "14/09 08:02 syt digest: T1 overdue/L1",
        ]
    );
}

#[tokio::test]
async fn a_box_that_is_full_is_tried_again_on_the_next_working_day() {
    let moods = Moods::default();
    let rules = ladder().replace("when = \"overdue\"", "when = \"overdue\"\ndigest = \"ticket\"");
    let mut world = moods.province(&rules, &[HEALTH, BUILDING]).await;
    moods.set(Step::Recipient, "syt", Do::Reply(452, "4.2.2 over quota".to_owned()));
    let told = letters_of(&mut world, "2021-09-14", "2021-09-14").await;
    assert_eq!(told, ["14/09 07:00 sxd single: T2 overdue/L1"]);
    assert_eq!(fates(&world, "T1").await, ["waiting: later"], "once");
    moods.well();
    let told = letters_of(&mut world, "2021-09-15", "2021-09-15").await;
    assert_eq!(told, ["15/09 07:00 syt single: T1 overdue/L1"]);
}

#[tokio::test]
async fn a_mail_server_that_keeps_what_it_does_not_answer_gets_few_copies_and_ops_hear_of_it_after_a_while() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH, BUILDING]).await;
    moods.set(Step::Final, "", Do::KeepAndCut);
    let mut refused = Vec::new();
    for time in ["08:00", "08:20", "09:00", "10:15"] {
        let report = world.turn(&format!("2021-09-14 {time}")).await;
        assert!(report.delivered.unknown > 0, "{time}");
        refused.push(report.delivered.refused.is_some());
    }
    assert_eq!(refused, [false, false, true, true]);
    assert_eq!(
        super::delivery::arrived(&world).len(),
        2,
        "copies under the Message-ID of each"
    );
}

// Webhooks.

/// Two units with a system each and a ticket each that falls due for L1 on 14/9.
async fn two_systems(rules: &str) -> (World, System, System) {
    let (one, other) = (System::start().await, System::start().await);
    let mut world = World::new(rules).await;
    with_endpoints(
        &mut world,
        &[(SYT, one.endpoint("syt", "")), (SXD, other.endpoint("sxd", ""))],
    )
    .await;
    world.turn("2021-09-06 07:00").await;
    for (code, agency) in [HEALTH, BUILDING] {
        world.ticket(code, agency, "2021-09-06 09:00").await;
    }
    world.turn("2021-09-13 16:00").await;
    (world, one, other)
}

#[tokio::test]
async fn an_endpoint_that_fails_is_left_alone_for_longer_and_longer_and_the_other_is_posted_to() {
    let (mut world, one, other) = two_systems(&via(HOOK)).await;
    one.answers(503);
    world.turn("2021-09-14 07:00").await;
    assert_eq!(
        (one.told(), other.told()),
        (vec!["T1 overdue/L1".to_owned()], vec!["T2 overdue/L1".to_owned()])
    );
    let mut tried = vec![0];
    for minute in 3..50 {
        world.turn(&format!("2021-09-14 07:{minute:02}")).await;
        if !one.told().is_empty() {
            tried.push(minute);
        }
    }
    let gaps: Vec<i32> = tried.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(matches!(gaps[..], [3, 5..=7, 15..=19]), "{tried:?}");
    let status = json(&world.dir(), &["status", "--json"]);
    let state = |n: usize| status["endpoints"][n]["state"].as_str().map(str::to_owned);
    let states = [state(0), state(1)].map(Option::unwrap_or_default);
    assert!(
        states.contains(&"failing".to_owned()) && states.contains(&"enabled".to_owned()),
        "{status}"
    );
    one.answers(204);
    world.turn("2021-09-14 09:30").await;
    assert_eq!(one.told(), ["T1 overdue/L1"]);
    let status = json(&world.dir(), &["status", "--json"]);
    assert!(!status["endpoints"].to_string().contains("failing"), "{status}");
}

#[tokio::test]
async fn many_pages_for_an_endpoint_that_fails_wait_for_the_one_that_finds_out() {
    let (mut world, one, other) = two_systems(&via(HOOK)).await;
    for n in 0..150 {
        world.ticket(&format!("M{n:03}"), "Sở Y tế", "2021-09-06 09:30").await;
    }
    world.turn("2021-09-13 16:30").await;
    one.answers(500);
    world.turn("2021-09-14 07:00").await;
    let first = one.told().len();
    assert!(first > 1, "{first}");
    world.turn("2021-09-14 07:02").await;
    assert_eq!(one.told().len(), 1);
    one.answers(200);
    world.turn("2021-09-14 07:10").await;
    let found_out = one.told().len();
    assert!((1..=first).contains(&found_out), "{found_out}");
    world.turn("2021-09-14 07:30").await;
    world.turn("2021-09-14 08:30").await;
    let told: usize = world
        .store()
        .messages(Some("waiting"), crate::world::at("2021-09-01 00:00"), 99)
        .await
        .expect("a store")
        .len();
    assert_eq!(told, 0, "all have gone");
    assert_eq!(other.told(), ["T2 overdue/L1"], "once");
}

#[tokio::test]
async fn after_five_days_of_nothing_but_failures_an_endpoint_is_disabled_and_told_by_mail_until_ops_enable_it() {
    let (mut world, one, _other) = two_systems(&via(BOTH)).await;
    one.answers(503);
    let mut told = Vec::new();
    for day in ["14", "15", "16", "17", "18", "19", "20"] {
        for hour in 0..24 {
            world.turn(&format!("2021-09-{day} {hour:02}:00")).await;
            let letters = world.letters();
            told.extend(letters.iter().filter(|l| l.subject.contains("webhook")).map(|l| {
                let text = l.text.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(
                    text.contains("Từ ngày 14/09/2021 đến nay") && text.contains("503"),
                    "{text}"
                );
                format!("{day} {hour:02} {}", l.to[0])
            }));
        }
    }
    told.sort();
    assert_eq!(told, ["20 07 ops@tinh.example", "20 07 syt@tinh.example"]);
    let posted = one.told().len();
    let status = json(&world.dir(), &["status", "--json"]);
    assert!(
        status["endpoints"]
            .to_string()
            .contains("took nothing since 2021-09-14 07:00"),
        "{status}"
    );
    world.ticket("T9", "Sở Y tế", "2021-09-13 09:00").await;
    let by_mail = letters_of(&mut world, "2021-09-21", "2021-09-21").await;
    assert!(
        by_mail.iter().any(|l| l.contains("syt digest: T9 overdue/L1")),
        "{by_mail:?}"
    );
    assert_eq!((posted > 20, one.told()), (true, Vec::new()));
    let enabled = dondoc(&world.dir(), &["endpoint", "enable", "syt"]);
    assert!(enabled.status.success(), "{}", said(&enabled));
    let again = dondoc(&world.dir(), &["endpoint", "enable", "syt"]);
    assert!(
        !again.status.success() && said(&again).contains("is not disabled"),
        "{}",
        said(&again)
    );
    one.answers(204);
    letters_of(&mut world, "2021-09-22", "2021-09-23").await;
    let posts = one.told();
    assert!(posts.iter().any(|told| told.contains("T9 overdue/L2")), "{posts:?}");
}

#[tokio::test]
async fn days_in_which_nothing_was_tried_disable_no_endpoint() {
    let (mut world, one, _other) = two_systems(&via(HOOK)).await;
    one.answers(503);
    // Two days of failures; then nothing is due until one fails five days after the first.
    for hour in 0..48 {
        world
            .turn(&format!("2021-09-{} {:02}:00", 14 + hour / 24, hour % 24))
            .await;
    }
    assert!(one.told().len() > 20);
    world.answer("T1", "2021-09-15 23:10").await;
    world.turn("2021-09-15 23:30").await;
    world.ticket("T5", "Sở Y tế", "2021-09-13 09:00").await;
    world.turn("2021-09-21 08:00").await;
    assert!(!one.told().is_empty() && !disabled(&world));
}

#[tokio::test]
async fn a_success_among_failures_disables_no_endpoint() {
    let (mut world, one, _other) = two_systems(&via(HOOK)).await;
    world.answer("T1", "2021-09-13 17:00").await;
    // It works for a day, fails for two, works in an afternoon, and fails for three.
    for day in 20..27 {
        world
            .ticket(&format!("D{day}"), "Sở Y tế", &format!("2021-09-{:02} 09:00", day - 8))
            .await;
        for hour in 0..24 {
            let is_well = day == 20 || (day == 23 && hour > 12);
            one.answers(if is_well { 204 } else { 503 });
            world.turn(&format!("2021-09-{day} {hour:02}:30")).await;
        }
    }
    assert!(!disabled(&world));
}

fn disabled(world: &World) -> bool {
    let status = json(&world.dir(), &["status", "--json"]);
    let endpoints = status["endpoints"].as_array().cloned().unwrap_or_default();
    endpoints.iter().any(|e: &Value| e["state"] == "disabled")
}

// What died.

#[tokio::test]
async fn what_died_is_sent_again_by_filters_after_a_count() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH, BUILDING, FINANCE]).await;
    moods.set(Step::Recipient, "syt", Do::Reply(550, "5.1.2 bad host".to_owned()));
    moods.set(Step::Recipient, "sxd", Do::Reply(554, "5.6.0 no".to_owned()));
    moods.set(Step::Recipient, "stc", Do::Reply(554, "5.6.0 no".to_owned()));
    world.turn("2021-09-14 08:00").await;
    moods.well();
    let retry = |world: &World, filters: &[&str]| dondoc(&world.dir(), &[&["outbox", "retry"], filters].concat());
    let count = |output: &std::process::Output| text(output).lines().next().unwrap_or_default().to_owned();
    let counted = retry(&world, &["--reason", "5.6.0"]);
    assert_eq!(counted.status.code(), Some(2), "nobody agreed");
    assert_eq!(count(&counted), "2 dead messages with 2 notices, to 2 units");
    assert_eq!(
        count(&retry(&world, &["--channel", "webhook", "--yes"])),
        "0 dead messages with 0 notices, to 0 units"
    );
    assert_eq!(
        count(&retry(&world, &["--rule", "stale", "--yes"])),
        "0 dead messages with 0 notices, to 0 units"
    );
    assert_eq!(retry(&world, &["--channel", "fax", "--yes"]).status.code(), Some(2));
    assert_eq!(retry(&world, &["--yes"]).status.code(), Some(2), "which?");
    let some = [
        "--reason",
        "5.6.0",
        "--unit",
        "SXD",
        "--rule",
        "overdue",
        "--channel",
        "email",
        "--yes",
    ];
    assert_eq!(
        count(&retry(&world, &some)),
        "1 dead messages with 1 notices, to 1 units"
    );
    let told = letters_of(&mut world, "2021-09-14", "2021-09-15").await;
    assert_eq!(told, ["14/09 09:15 sxd digest: T2 overdue/L1"]);
}
