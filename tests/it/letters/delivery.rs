//! The guarantee (`spec.md` §6): at least once and never silently lost, whatever the relay does and whenever we die.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use dondoc::demo::reading::{self, Letter};
use dondoc::demo::receiver::{Do, Step};
use dondoc::engine::Pulse;
use dondoc::store::{Store, StoreError};
use tokio::sync::Notify;

use super::{ladder, letters_at, letters_of, line};
use crate::cli::{dondoc, json, said, text};
use crate::postgres::{On, on_both};
use crate::world::{FIVE_DAYS, LADDER, World, at};

on_both! {
    a_process_that_dies_wherever_in_its_turn_loses_nothing_and_repeats_only_what_was_in_flight
    through_bad_relays_and_sudden_deaths_everything_is_told_in_one_letter_and_within_hours
    what_is_made_is_sent_while_more_is_composed_and_each_is_told_once
}

/// A mail server that, once the pulse is there, has us asked to end with the first mail that it takes.
pub(super) fn ending_with_a_mail(pulse: &Arc<OnceLock<Arc<Pulse>>>) -> impl Fn(Step, &str) -> Do + use<> {
    let pulse = Arc::clone(pulse);
    move |step, _| {
        if let (Step::Final, Some(pulse)) = (step, pulse.get()) {
            pulse.stop();
        }
        Do::Go
    }
}

/// A mail server whose moods change: what it does at a step, for addresses that contain a word.
#[derive(Clone, Default)]
pub(super) struct Moods(Arc<Mutex<Vec<Mood>>>);

type Mood = (Step, &'static str, Do);

impl Moods {
    pub(super) fn set(&self, step: Step, whom: &'static str, doing: Do) {
        self.0.lock().expect("moods").push((step, whom, doing));
    }

    pub(super) fn refuse(&self, whom: &'static str, code: u16) {
        self.set(Step::Recipient, whom, Do::Reply(code, "no".to_owned()));
    }

    pub(super) fn well(&self) {
        self.0.lock().expect("moods").clear();
    }

    pub(super) fn doing(&self, step: Step, whom: &str) -> Do {
        let moods = self.0.lock().expect("moods");
        let fits = moods.iter().find(|(s, w, _)| *s == step && whom.contains(w));
        fits.map_or(Do::Go, |(_, _, doing)| doing.clone())
    }

    /// A province under rules, with a ticket each for these agencies that falls due for L1 on 14/9/2021.
    pub(super) async fn province(&self, rules: &str, tickets: &[(&str, &str)]) -> World {
        self.province_on(On::Sqlite, rules, tickets).await
    }

    /// The same with the store on either database.
    pub(super) async fn province_on(&self, on: On, rules: &str, tickets: &[(&str, &str)]) -> World {
        let moods = self.clone();
        let world = World::with_mail_server(rules, move |step, whom| moods.doing(step, whom)).await;
        let mut world = world.on(on).await;
        world.turn("2021-09-06 07:00").await;
        for (code, agency) in tickets {
            world.ticket(code, agency, "2021-09-06 09:00").await;
        }
        world.turn("2021-09-13 16:00").await;
        world
    }
}

pub(super) const HEALTH: (&str, &str) = ("T1", "Sở Y tế");
pub(super) const BUILDING: (&str, &str) = ("T2", "Sở Xây dựng");

fn single() -> String {
    LADDER.replace("when = \"overdue\"", "when = \"overdue\"\ndigest = \"ticket\"") + FIVE_DAYS
}

/// The messages that carried a ticket, oldest first, as `state: answer, answer, …`.
pub(super) async fn fates(world: &World, code: &str) -> Vec<String> {
    let mut fates = Vec::new();
    for message in world.store().messages_of_ticket(code).await.expect("messages") {
        let attempts = world.store().attempts(&message.id).await.expect("attempts");
        let answers: Vec<&str> = attempts.iter().map(|a| a.answer.as_str()).collect();
        fates.push(format!("{}: {}", message.state, answers.join(", ")));
    }
    fates
}

/// When each attempt about a ticket was made, as `dd/mm HH:MM`.
async fn attempts(world: &World, code: &str) -> Vec<String> {
    let mut all = Vec::new();
    for message in world.store().messages_of_ticket(code).await.expect("messages") {
        let attempts = world.store().attempts(&message.id).await.expect("attempts");
        let local = |a: &dondoc::store::outbox::Attempt| a.at.with_timezone(&chrono_tz::Asia::Ho_Chi_Minh);
        all.extend(attempts.iter().map(|a| local(a).format("%d/%m %H:%M").to_string()));
    }
    all
}

/// Every letter that arrived, by `Message-ID`, with how often it came. Copies are equal byte for byte.
pub(super) fn arrived(world: &World) -> BTreeMap<String, (Letter, usize)> {
    let mut all: BTreeMap<String, (Letter, usize, Vec<u8>)> = BTreeMap::new();
    for mail in world.received() {
        let letter = reading::read(&mail.bytes).expect("a letter");
        let known = all
            .entry(letter.message_id.clone())
            .or_insert_with(|| (letter, 0, mail.bytes.clone()));
        assert_eq!(known.2, mail.bytes, "the same bytes on each attempt");
        known.1 += 1;
    }
    all.into_iter()
        .map(|(id, (letter, count, _))| (id, (letter, count)))
        .collect()
}

/// The same as lines with their count, sorted.
fn arrived_lines(world: &World) -> Vec<String> {
    let mut lines: Vec<String> = arrived(world)
        .values()
        .map(|(letter, count)| format!("{count}x {}", line(letter)))
        .collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn a_relay_that_takes_nothing_under_our_name_for_a_while_kills_no_letter() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH, BUILDING]).await;
    moods.set(Step::Mail, "", Do::Reply(550, "5.7.60 not under this name".to_owned()));
    let report = world.turn("2021-09-14 08:00").await;
    assert_eq!((report.delivered.dead, report.waiting), (0, 2));
    moods.well();
    letters_at(&mut world, &["2021-09-14 08:02", "2021-09-14 08:03"]).await;
    for code in ["T1", "T2"] {
        let fate = fates(&world, code).await;
        assert!(
            fate[0].starts_with("accepted") && fate[0].ends_with("accepted"),
            "{fate:?}"
        );
    }
}

#[tokio::test]
async fn an_accepted_letter_is_never_sent_again() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    let report = world.turn("2021-09-14 08:00").await;
    assert_eq!((report.delivered.accepted, report.waiting), (1, 0));
    world.restart().await;
    letters_of(&mut world, "2021-09-14", "2021-09-15").await;
    assert_eq!(arrived_lines(&world), ["1x syt digest: T1 overdue/L1"]);
    assert_eq!(fates(&world, "T1").await, ["accepted: accepted"]);
}

#[tokio::test]
async fn a_letter_put_off_is_tried_again_with_the_bytes_that_were_stored_first() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    moods.refuse("syt", 451);
    let report = world.turn("2021-09-14 08:00").await;
    assert_eq!((report.delivered.later, report.waiting), (1, 1));
    let message = world
        .store()
        .messages_of_ticket("T1")
        .await
        .expect("messages")
        .remove(0);
    let stored = world.store().body(&message.id).await.expect("a store").expect("a body");
    moods.well();
    world.restart().await;
    let report = world.turn("2021-09-14 08:30").await;
    assert_eq!((report.delivered.accepted, report.waiting), (1, 0));
    assert_eq!(world.received()[0].bytes, stored);
    assert!(world.letters()[0].message_id.starts_with(&message.id));
    assert_eq!(fates(&world, "T1").await, ["accepted: later, accepted"]);
}

#[tokio::test]
async fn a_letter_refused_for_good_is_dead_and_listed_with_its_reason() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    moods.refuse("syt", 550);
    let report = world.turn("2021-09-14 08:00").await;
    assert_eq!((report.delivered.dead, report.waiting), (1, 0));
    moods.well();
    assert!(letters_of(&mut world, "2021-09-14", "2021-09-15").await.is_empty());
    let dead = world.store().messages(Some("dead"), at("2021-09-14 00:00"), 10).await;
    let dead = dead.expect("messages");
    assert_eq!(dead.len(), 1);
    assert!(
        dead[0].reason.as_deref().is_some_and(|r| r.contains("550")),
        "{:?}",
        dead[0].reason
    );
    assert_eq!(fates(&world, "T1").await, ["dead: never"]);
}

#[tokio::test]
async fn a_letter_whose_fate_is_unknown_is_sent_again_the_same_and_counted() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    moods.set(Step::Final, "", Do::KeepAndCut);
    let report = world.turn("2021-09-14 08:00").await;
    assert_eq!((report.delivered.unknown, report.waiting), (1, 1));
    moods.well();
    let report = world.turn("2021-09-14 08:30").await;
    assert_eq!((report.delivered.accepted, report.waiting), (1, 0));
    assert_eq!(arrived_lines(&world), ["2x syt digest: T1 overdue/L1"]);
    assert_eq!(fates(&world, "T1").await, ["accepted: unknown, accepted"]);
    let message = world
        .store()
        .messages_of_ticket("T1")
        .await
        .expect("messages")
        .remove(0);
    assert_eq!((message.attempts, message.unknown), (2, 1));
}

#[tokio::test]
async fn what_may_have_arrived_is_not_put_into_another_letter() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    world.ticket("T9", "Sở Y tế", "2021-09-07 09:00").await;
    moods.set(Step::Final, "", Do::KeepAndCut);
    world.turn("2021-09-14 08:00").await;
    moods.well();
    moods.refuse("syt", 451);
    letters_at(&mut world, &["2021-09-14 16:00", "2021-09-15 07:30"]).await;
    moods.well();
    letters_of(&mut world, "2021-09-15", "2021-09-15").await;
    assert_eq!(
        arrived_lines(&world),
        ["1x syt digest: T9 overdue/L1", "2x syt digest: T1 overdue/L1"]
    );
    assert_eq!(fates(&world, "T1").await, ["accepted: unknown, later, later, accepted"]);
}

#[tokio::test]
async fn what_nobody_took_goes_into_the_next_digest_with_what_is_new_and_without_what_is_over() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH, ("T3", "Sở Y tế")]).await;
    world.ticket("T9", "Sở Y tế", "2021-09-07 09:00").await;
    moods.refuse("syt", 451);
    letters_of(&mut world, "2021-09-14", "2021-09-14").await;
    world.answer("T3", "2021-09-14 23:00").await;
    letters_at(&mut world, &["2021-09-15 07:00"]).await;
    moods.well();
    letters_of(&mut world, "2021-09-15", "2021-09-16").await;
    assert_eq!(arrived_lines(&world), ["1x syt digest: T1 overdue/L1, T9 overdue/L1"]);
}

#[tokio::test]
async fn a_single_letter_nobody_took_is_written_anew_when_the_next_day_opens() {
    let moods = Moods::default();
    let mut world = moods.province(&single(), &[HEALTH]).await;
    moods.refuse("syt", 451);
    letters_of(&mut world, "2021-09-14", "2021-09-14").await;
    moods.well();
    assert_eq!(
        letters_of(&mut world, "2021-09-15", "2021-09-15").await,
        ["15/09 07:00 syt single: T1 overdue/L1"]
    );
    let messages = world.store().messages_of_ticket("T1").await.expect("messages");
    let states: Vec<&str> = messages.iter().map(|m| m.state.as_str()).collect();
    assert_eq!(states, ["replaced", "accepted"]);
}

#[tokio::test]
async fn what_nobody_took_goes_to_the_address_that_was_put_right() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    moods.refuse("syt@", 451);
    letters_of(&mut world, "2021-09-14", "2021-09-14").await;
    world
        .edit("agencies.toml", |text| {
            text.replace("\"syt@tinh", "\"hoithu-soyte@tinh")
        })
        .await;
    assert_eq!(
        letters_of(&mut world, "2021-09-15", "2021-09-15").await,
        ["15/09 08:00 hoithu-soyte digest: T1 overdue/L1"]
    );
}

#[tokio::test]
async fn what_waits_for_an_address_that_the_files_name_no_more_goes_to_whoever_they_name_and_is_not_tried_there_again()
{
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH, BUILDING]).await;
    moods.refuse("tinh.example", 451);
    letters_at(&mut world, &["2021-09-14 07:00", "2021-09-14 08:00"]).await;
    moods.well();
    world.write("agencies.toml", |text| {
        text.replace("\"syt@tinh.example", "\"syt@yte.tinh.example")
    });
    world.write("dondoc.toml", |text| {
        text.replace("[\"tinh.example\"]", "[\"tinh.example\", \"yte.tinh.example\"]")
    });
    world.adopt().await;
    assert_eq!(
        letters_at(&mut world, &["2021-09-14 09:15"]).await,
        [
            "14/09 09:15 sxd digest: T2 overdue/L1",
            "14/09 09:15 syt@yte.tinh.example digest: T1 overdue/L1"
        ]
    );
    assert_eq!(fates(&world, "T1").await, ["replaced: later", "accepted: accepted"]);
    assert_eq!(fates(&world, "T2").await, ["accepted: later, accepted"]);
    let messages = world.store().messages_of_ticket("T1").await.expect("messages");
    assert_eq!(
        messages[0].reason.as_deref(),
        Some("its address is not in the configuration any more")
    );
}

#[tokio::test]
async fn retries_keep_to_the_window_too() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    moods.refuse("syt", 451);
    letters_of(&mut world, "2021-09-14", "2021-09-15").await;
    assert_eq!(
        attempts(&world, "T1").await,
        [
            "14/09 08:00",
            "14/09 09:15",
            "14/09 13:30",
            "14/09 16:00",
            "15/09 07:00",
            "15/09 08:00",
            "15/09 09:15",
            "15/09 13:30",
            "15/09 16:00",
        ]
    );
}

#[tokio::test]
async fn a_retry_to_a_head_waits_over_the_quiet_days_around_tet() {
    let moods = Moods::default();
    let listener = moods.clone();
    let mut world = World::with_mail_server(&ladder(), move |step, whom| listener.doing(step, whom)).await;
    world.turn("2022-01-17 07:00").await;
    world.ticket("T1", "Sở Y tế", "2022-01-17 09:00").await;
    // Due on Monday 24/1; L2 comes on Thursday 27/1, the day before the last one of the year.
    letters_of(&mut world, "2022-01-25", "2022-01-26").await;
    moods.refuse("giamdoc", 451);
    assert!(letters_of(&mut world, "2022-01-27", "2022-01-27").await.is_empty());
    moods.well();
    assert_eq!(
        letters_of(&mut world, "2022-01-28", "2022-02-09").await,
        ["08/02 08:00 giamdoc-syt digest: T1 overdue/L2"]
    );
}

#[tokio::test]
async fn after_seventy_two_hours_of_open_window_it_is_dead_and_listed_and_what_came_later_goes_on() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    moods.refuse("syt", 451);
    let day = |text: &str| text.parse::<chrono::NaiveDate>().expect("a date");
    for date in day("2021-09-14").iter_days().take_while(|d| *d <= day("2021-09-24")) {
        letters_at(&mut world, &[&format!("{date} 07:00"), &format!("{date} 08:00")]).await;
    }
    // Eight hours a day: nine working days after 14/9 08:00 it is 27/9 08:00.
    let dead = |world: &World| {
        let store = world.store().clone();
        async move {
            store
                .messages(Some("dead"), at("2021-09-01 00:00"), 10)
                .await
                .expect("messages")
        }
    };
    assert!(dead(&world).await.is_empty());
    let report = world.turn("2021-09-27 08:00").await;
    assert_eq!((report.delivered.dead, report.waiting), (1, 0));
    let listed = dead(&world).await;
    assert_eq!(listed.len(), 1);
    assert!(
        listed[0].reason.as_deref().is_some_and(|r| r.contains("72 h")),
        "{:?}",
        listed[0].reason
    );
}

#[tokio::test]
async fn a_notice_is_given_up_by_its_own_first_attempt_though_its_digest_carries_younger_ones() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    moods.refuse("syt", 451);
    let day = |text: &str| text.parse::<chrono::NaiveDate>().expect("a date");
    // T9 is due on 20/9 and joins on 21/9.
    world.ticket("T9", "Sở Y tế", "2021-09-13 17:00").await;
    for date in day("2021-09-14").iter_days().take_while(|d| *d <= day("2021-09-27")) {
        letters_at(&mut world, &[&format!("{date} 08:00")]).await;
    }
    let tellings = world
        .store()
        .tellings(&["T1".to_owned(), "T9".to_owned()])
        .await
        .expect("tellings");
    assert_eq!(tellings["T1"][0].notices[0].state.word(), "dead");
    assert_eq!(tellings["T9"][0].notices[0].state.word(), "composed");
    moods.well();
    assert_eq!(
        letters_at(&mut world, &["2021-09-28 08:00"]).await,
        ["28/09 08:00 syt digest: T9 overdue/L1"]
    );
}

/// A rule that tells the agency's contact once.
const ONCE: &str = r#"
[[rule]]
id = "overdue"
title = "Phiếu quá hạn xử lý"
when = "overdue"

[[rule.step]]
id = "L1"
after = "1wd"
to = ["agency:contact"]
template = "overdue-1"
"#;

#[tokio::test]
async fn what_is_given_up_out_of_a_digest_that_goes_on_is_listed_counted_told_to_ops_and_sent_again() {
    let moods = Moods::default();
    let mut world = moods
        .province(&format!("{ONCE}{FIVE_DAYS}"), &[("T01", "Sở Y tế")])
        .await;
    moods.refuse("syt", 451);
    let day = |text: &str| text.parse::<chrono::NaiveDate>().expect("a date");
    let working = |date: &chrono::NaiveDate| chrono::Datelike::weekday(date).number_from_monday() <= 5;
    let days = |from: &str| day(from).iter_days().filter(working);
    // Each working day one ticket more is late, so that each digest carries one that has not been tried yet.
    let (mut dead, mut alarms) = (Vec::new(), Vec::new());
    for (n, (date, received)) in days("2021-09-14").zip(days("2021-09-07")).take(12).enumerate() {
        let report = world.turn(&format!("{date} 08:00")).await;
        dead.push(report.delivered.dead);
        alarms.push(report.alarms);
        world
            .ticket(&format!("T{:02}", n + 2), "Sở Y tế", &format!("{received} 09:00"))
            .await;
        world.turn(&format!("{date} 16:00")).await;
    }
    // Nine working days of eight hours after its first attempt each of them is given up.
    assert_eq!(dead, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1]);
    assert_eq!(alarms, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
    let listed = world.store().messages(Some("dead"), at("2021-09-01 00:00"), 10).await;
    let listed = listed.expect("messages");
    let reasons: Vec<&str> = listed.iter().filter_map(|m| m.reason.as_deref()).collect();
    assert_eq!(reasons, ["given up after 72 h of open window"; 3]);
    let backlog = world.store().backlog().await.expect("counts");
    let counted = backlog.iter().find(|c| c.state == "dead").map(|c| c.messages);
    assert_eq!(counted, Some(3));
    let asked = dondoc(&world.dir(), &["outbox", "retry", "--since", "2021-09-27 08:00"]);
    assert!(
        text(&asked).starts_with("3 dead messages with 3 notices, to 1 units"),
        "{}{}",
        text(&asked),
        said(&asked)
    );
    moods.well();
    let retry = dondoc(&world.dir(), &["outbox", "retry", &listed[0].id]);
    assert!(
        text(&retry).contains("1 notices wait"),
        "{}{}",
        text(&retry),
        said(&retry)
    );
    let told = letters_at(&mut world, &["2021-09-29 16:30", "2021-09-30 08:00"]).await;
    let last = ["T04", "T05", "T06", "T07", "T08", "T09", "T10", "T11", "T12"];
    let last = last.map(|code| format!("{code} overdue/L1")).join(", ");
    assert_eq!(
        told,
        [
            format!("29/09 16:30 syt digest: {last}"),
            "30/09 08:00 syt digest: T01 overdue/L1, T13 overdue/L1".to_owned(),
        ]
    );
    assert_eq!(
        world.turn("2021-09-30 09:00").await.alarms,
        2,
        "the others are dead still"
    );
}

#[tokio::test]
async fn what_was_tried_before_its_fact_was_over_has_all_its_time_when_the_fact_returns() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    moods.refuse("syt", 451);
    letters_of(&mut world, "2021-09-14", "2021-09-14").await;
    world
        .change("T1", "2021-09-14 22:30", "extended_to = '2021-12-31'")
        .await;
    assert_eq!(letters_of(&mut world, "2021-09-15", "2021-10-04").await, [""; 0]);
    assert_eq!(fates(&world, "T1").await.len(), 1, "it lapsed");
    moods.well();
    world.change("T1", "2021-10-04 22:30", "extended_to = NULL").await;
    assert_eq!(
        letters_of(&mut world, "2021-10-05", "2021-10-05").await,
        ["05/10 08:00 syt digest: T1 overdue/L1"]
    );
}

async fn what_is_made_is_sent_while_more_is_composed_and_each_is_told_once(on: On) {
    // With its first mail the mail server has us asked to end: what is not composed by then is not in this turn.
    let pulse: Arc<OnceLock<Arc<Pulse>>> = Arc::default();
    let script = ending_with_a_mail(&pulse);
    let mut world = World::with_mail_server(&single(), script).await.on(on).await;
    world.turn("2021-09-06 07:00").await;
    let mut codes: Vec<String> = (0..600).map(|n| format!("T{n:03}")).collect();
    for code in &codes {
        world.ticket(code, "Sở Y tế", "2021-09-06 09:00").await;
    }
    world.turn("2021-09-13 16:00").await;
    assert!(pulse.set(world.pulse()).is_ok());
    let first = world.turn("2021-09-14 08:00").await;
    assert!(first.delivered.accepted > 0, "{first:?}");
    assert!(
        (50..600).contains(&first.composed.messages),
        "{}",
        first.composed.messages
    );
    assert!(!first.composed.is_complete);
    world.restart().await;
    let second = world.turn("2021-09-14 08:01").await;
    assert_eq!(first.composed.messages + second.composed.messages, 600);
    assert_eq!(first.delivered.accepted + second.delivered.accepted, 600);
    let letters = world.letters();
    let told = letters.iter().flat_map(Letter::told);
    let mut told: Vec<&str> = told.map(|(code, ..)| code).collect();
    told.sort();
    codes.sort();
    assert_eq!(told, codes);
}

#[tokio::test]
async fn however_many_letters_die_together_ops_are_told_of_each() {
    let moods = Moods::default();
    let codes: Vec<String> = (0..210).map(|n| format!("T{n:03}")).collect();
    let tickets: Vec<(&str, &str)> = codes.iter().map(|code| (code.as_str(), "Sở Y tế")).collect();
    let mut world = moods.province(&single(), &tickets).await;
    moods.refuse("syt", 550);
    let report = world.turn("2021-09-14 07:00").await;
    assert_eq!((report.delivered.dead, report.alarms), (210, 210));
}

#[tokio::test]
async fn a_letter_that_dies_in_a_process_that_does_not_lead_is_told_by_the_one_that_does() {
    let moods = Moods::default();
    let mut world = moods.province_on(On::Postgres, &ladder(), &[HEALTH]).await;
    let mut other = world.another_engine().await;
    moods.refuse("syt", 451);
    assert_eq!(world.turn("2021-09-14 08:00").await.alarms, 0);
    moods.well();
    moods.refuse("syt", 550);
    let report = other.turn(at("2021-09-14 08:30")).await.expect("a turn");
    assert_eq!((report.is_leading, report.delivered.dead), (false, 1));
    let report = world.turn("2021-09-14 08:31").await;
    assert_eq!((report.delivered.dead, report.alarms), (0, 1));
    other.close().await;
}

#[tokio::test]
async fn a_recipient_whose_server_misbehaves_delays_nobody_else() {
    let trouble = [
        Do::Reply(451, "later".to_owned()),
        Do::Reply(550, "never".to_owned()),
        Do::Reply(421, "shutting down".to_owned()),
        Do::Cut,
    ];
    for doing in trouble {
        let moods = Moods::default();
        let tickets = [
            HEALTH,
            BUILDING,
            ("T3", "Sở Tài chính"),
            ("T4", "Ban Quản lý khu kinh tế"),
        ];
        let mut world = moods.province(&ladder(), &tickets).await;
        moods.set(Step::Recipient, "syt", doing.clone());
        assert_eq!(
            letters_at(&mut world, &["2021-09-14 08:00"]).await,
            [
                "14/09 08:00 ops digest: T4 overdue/L1",
                "14/09 08:00 stc digest: T3 overdue/L1",
                "14/09 08:00 sxd digest: T2 overdue/L1",
            ],
            "{doing:?}"
        );
    }
}

#[tokio::test]
async fn a_mail_server_out_of_reach_loses_nothing() {
    let moods = Moods::default();
    let mut world = moods
        .province(&single(), &[HEALTH, BUILDING, ("T3", "Sở Tài chính")])
        .await;
    world
        .edit("dondoc.toml", |text| text + "\n[limits]\nin_flight = 4\n")
        .await;
    moods.set(Step::Greeting, "", Do::Cut);
    let report = world.turn("2021-09-14 07:00").await;
    assert_eq!((report.delivered.later, report.waiting), (2, 3));
    moods.well();
    assert_eq!(
        letters_at(&mut world, &["2021-09-14 07:30"]).await,
        [
            "14/09 07:30 stc single: T3 overdue/L1",
            "14/09 07:30 sxd single: T2 overdue/L1",
            "14/09 07:30 syt single: T1 overdue/L1",
        ]
    );
}

#[tokio::test]
async fn killed_at_any_step_of_a_mail_nothing_is_lost_and_only_what_was_on_its_way_comes_twice() {
    let steps = [
        Step::Greeting,
        Step::Ehlo,
        Step::Mail,
        Step::Recipient,
        Step::Data,
        Step::Body,
        Step::Final,
    ];
    for step in steps {
        let moods = Moods::default();
        let (reached, listener) = (Arc::new(Notify::new()), moods.clone());
        let death = reached.clone();
        let mut world = World::with_mail_server(&ladder(), move |at, whom| {
            let doing = listener.doing(at, whom);
            if doing == Do::KeepAndStall {
                reached.notify_one();
            }
            doing
        })
        .await;
        world.turn("2021-09-06 07:00").await;
        for (code, agency) in [HEALTH, BUILDING] {
            world.ticket(code, agency, "2021-09-06 09:00").await;
        }
        world.turn("2021-09-13 16:00").await;
        moods.set(step, "", Do::KeepAndStall);
        assert!(
            world.killed_turn("2021-09-14 08:00", death.notified()).await,
            "{step:?}"
        );
        moods.well();
        letters_of(&mut world, "2021-09-14", "2021-09-15").await;
        let arrived = arrived(&world);
        let mut lines: Vec<String> = arrived.values().map(|(letter, _)| line(letter)).collect();
        lines.sort();
        assert_eq!(
            lines,
            ["sxd digest: T2 overdue/L1", "syt digest: T1 overdue/L1"],
            "{step:?}"
        );
        let most = if step == Step::Final { 2 } else { 1 };
        assert!(arrived.values().all(|(_, count)| *count <= most), "{step:?}");
        for code in ["T1", "T2"] {
            assert_eq!(
                fates(&world, code).await,
                ["accepted: unknown, accepted"],
                "{step:?} {code}"
            );
        }
    }
}

async fn a_process_that_dies_wherever_in_its_turn_loses_nothing_and_repeats_only_what_was_in_flight(on: On) {
    let mut polls = 1;
    let mut deaths = 0;
    loop {
        let moods = Moods::default();
        let mut world = moods.province_on(on, &ladder(), &[HEALTH, BUILDING]).await;
        let killed = world.turn_killed_after("2021-09-14 08:00", polls).await;
        letters_of(&mut world, "2021-09-14", "2021-09-15").await;
        let arrived = arrived(&world);
        let mut lines: Vec<String> = arrived.values().map(|(letter, _)| line(letter)).collect();
        lines.sort();
        assert_eq!(
            lines,
            ["sxd digest: T2 overdue/L1", "syt digest: T1 overdue/L1"],
            "killed after {polls} polls"
        );
        assert!(
            arrived.values().all(|(_, count)| *count <= 2),
            "killed after {polls} polls"
        );
        if !killed {
            break;
        }
        deaths += 1;
        polls += 1 + polls / 4;
    }
    assert!(deaths >= 8, "died {deaths} times");
}

#[tokio::test]
async fn at_most_as_many_letters_come_twice_as_may_be_in_flight() {
    let moods = Moods::default();
    let (reached, listener) = (Arc::new(Notify::new()), moods.clone());
    let death = reached.clone();
    let finals = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut world = World::with_mail_server(&single(), move |at, whom| {
        // The fifth letter is taken, and then the lights go out.
        if at == Step::Final && finals.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 4 {
            reached.notify_one();
            return Do::KeepAndStall;
        }
        listener.doing(at, whom)
    })
    .await;
    world
        .edit("dondoc.toml", |text| text + "\n[limits]\nin_flight = 2\n")
        .await;
    world.turn("2021-09-06 07:00").await;
    let codes: Vec<String> = (1..=8).map(|i| format!("T{i}")).collect();
    for code in &codes {
        world.ticket(code, "Sở Y tế", "2021-09-06 09:00").await;
    }
    world.turn("2021-09-13 16:00").await;
    assert!(world.killed_turn("2021-09-14 07:00", death.notified()).await);
    letters_of(&mut world, "2021-09-14", "2021-09-14").await;
    let arrived = arrived(&world);
    let mut told: Vec<String> = arrived.values().map(|(letter, _)| line(letter)).collect();
    told.sort();
    let expected: Vec<String> = codes.iter().map(|c| format!("syt single: {c} overdue/L1")).collect();
    assert_eq!(told, expected);
    let repeated: Vec<usize> = arrived.values().map(|(_, count)| *count).filter(|c| *c > 1).collect();
    assert!(!repeated.is_empty() && repeated.len() <= 2, "{repeated:?}");
    assert!(repeated.iter().all(|count| *count == 2), "{repeated:?}");
}

#[tokio::test]
async fn the_letters_of_a_turn_go_out_in_the_order_in_which_they_were_written() {
    let mut world = World::new(&single()).await;
    world
        .edit("dondoc.toml", |text| {
            text.replace("timeout = \"2s\"", "timeout = \"2s\"\nconnections = 1")
        })
        .await;
    world.turn("2021-09-06 07:00").await;
    let codes: Vec<String> = (10..30).map(|i| format!("T{i}")).collect();
    for code in &codes {
        world.ticket(code, "Sở Y tế", "2021-09-06 09:00").await;
    }
    world.turn("2021-09-13 16:00").await;
    world.turn("2021-09-14 07:00").await;
    let told: Vec<String> = world.letters().iter().map(line).collect();
    let expected: Vec<String> = codes.iter().map(|c| format!("syt single: {c} overdue/L1")).collect();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_second_process_on_the_same_store_is_refused_and_the_first_goes_on() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    let second = Store::open(&world.config().store.database).await;
    assert!(matches!(second, Err(StoreError::Held { .. })), "{second:?}");
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-15").await,
        ["14/09 08:00 syt digest: T1 overdue/L1"]
    );
}

#[tokio::test]
async fn who_is_reached_only_after_the_others_were_told_of_the_ending_hears_of_it_too() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    world
        .change("T1", "2021-09-13 22:30", "co_agencies = 'Sở Xây dựng'")
        .await;
    moods.refuse("sxd", 451);
    let mut told = letters_at(&mut world, &["2021-09-14 08:00"]).await;
    world.answer("T1", "2021-09-14 08:10").await;
    world.turn("2021-09-14 08:20").await;
    moods.well();
    told.extend(letters_of(&mut world, "2021-09-14", "2021-09-17").await);
    assert_eq!(
        told,
        [
            "14/09 08:00 syt digest: T1 overdue/L1",
            "14/09 09:15 sxd digest: T1 overdue/L1",
            "15/09 08:00 sxd digest: T1 @settled/done",
            "15/09 08:00 syt digest: T1 @settled/done",
        ]
    );
}

#[tokio::test]
async fn what_stays_unknown_for_seventy_two_hours_of_open_window_is_dead_and_listed_too() {
    let moods = Moods::default();
    let mut world = moods.province(&ladder(), &[HEALTH]).await;
    moods.set(Step::Final, "", Do::KeepAndCut);
    let day = |text: &str| text.parse::<chrono::NaiveDate>().expect("a date");
    for date in day("2021-09-14").iter_days().take_while(|d| *d <= day("2021-09-24")) {
        letters_at(&mut world, &[&format!("{date} 08:00")]).await;
    }
    let report = world.turn("2021-09-27 08:00").await;
    assert_eq!((report.delivered.dead, report.waiting), (1, 0));
    // Nine working days, each with one attempt, and the last one.
    assert_eq!(arrived_lines(&world), ["10x syt digest: T1 overdue/L1"]);
    let dead = world.store().messages(Some("dead"), at("2021-09-01 00:00"), 10).await;
    let unknown: Vec<i64> = dead.expect("messages").iter().map(|m| m.unknown).collect();
    assert_eq!(unknown, [10]);
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % most
    }
}

async fn through_bad_relays_and_sudden_deaths_everything_is_told_in_one_letter_and_within_hours(on: On) {
    let (mut dice, moods) = (Dice(103), Moods::default());
    let mut world = moods.province_on(on, &ladder(), &[]).await;
    let agencies = ["Sở Y tế", "Sở Xây dựng", "Sở Tài chính", "Ban Quản lý khu kinh tế"];
    let answers = [
        (Step::Recipient, Do::Reply(451, "later".to_owned())),
        (Step::Recipient, Do::Cut),
        (Step::Final, Do::Cut),
        (Step::Final, Do::KeepAndCut),
        (Step::Greeting, Do::Reply(421, "busy".to_owned())),
    ];
    let day = |text: &str| text.parse::<chrono::NaiveDate>().expect("a date");
    let days: Vec<_> = day("2021-09-14").iter_days().take(18).collect();
    for (i, date) in days.iter().enumerate() {
        let code = format!("T{i}");
        world
            .ticket(&code, agencies[dice.below(4)], &format!("{date} 03:00"))
            .await;
        let due = *date - chrono::TimeDelta::days(i64::try_from(dice.below(4)).expect("small"));
        world
            .change(&code, &format!("{date} 03:00"), &format!("due_at = '{due}'"))
            .await;
        if dice.below(3) == 0 {
            let old = format!("T{}", dice.below(i + 1));
            world.answer(&old, &format!("{date} 06:10")).await;
        }
        for hour in ["06:30", "08:00", "08:30", "12:00", "14:00"] {
            moods.well();
            if dice.below(3) > 0 {
                let (step, doing) = answers[dice.below(answers.len())].clone();
                let whom = if step == Step::Recipient {
                    ["syt", "sxd", "stc", ""][dice.below(4)]
                } else {
                    ""
                };
                moods.set(step, whom, doing);
            }
            let (seen, time) = (world.received().len(), format!("{date} {hour}"));
            match dice.below(3) {
                0 => drop(world.turn_killed_after(&time, dice.below(120)).await),
                _ => drop(world.turn(&time).await),
            }
            let is_open = matches!(hour, "08:00" | "08:30" | "14:00")
                && chrono::Datelike::weekday(date).number_from_monday() <= 5;
            assert!(is_open || world.received().len() == seen, "a letter at {time}");
        }
    }
    moods.well();
    letters_of(&mut world, "2021-10-02", "2021-10-06").await;
    // Every line stands in one letter only, however often that one came. An ending is said again to those whom a
    // late reminder reached after it.
    let mut lines: Vec<_> = arrived(&world)
        .values()
        .flat_map(|(letter, _)| {
            let reminders = letter.told().filter(|(_, rule, _)| *rule != "@settled");
            let told = reminders.map(|(t, r, s)| format!("{} {t} {r}/{s}", letter.to[0]));
            told.collect::<Vec<_>>()
        })
        .collect();
    lines.sort();
    let all = lines.len();
    lines.dedup();
    assert_eq!(lines.len(), all, "{lines:?}");
    assert!(all > 25, "{all} lines");
    // Nothing waits, nothing died, and whatever is overdue was told.
    let codes: Vec<String> = (0..days.len()).map(|i| format!("T{i}")).collect();
    let kept = world.store().tickets(&codes).await.expect("tickets");
    let tellings = world.store().tellings(&codes).await.expect("tellings");
    for code in &codes {
        let tellings = tellings.get(code).map_or(&[][..], Vec::as_slice);
        let states: Vec<&str> = tellings
            .iter()
            .flat_map(|t| t.notices.iter().map(|n| n.state.word()))
            .filter(|state| *state != "lapsed")
            .collect();
        assert!(states.iter().all(|s| *s == "accepted"), "{code}: {states:?}");
        let is_told = tellings.iter().any(|t| t.key.rule == "overdue" && t.key.step == "L1");
        assert!(is_told || !kept[code].ticket.status.is_open(), "{code}");
    }
    assert_eq!(world.store().count_waiting_messages().await.expect("a count"), 0);
    world.is_audited("2021-10-06 22:00").await;
}

#[tokio::test]
async fn what_is_sent_again_after_its_address_was_mended_goes_with_the_next_turn() {
    let moods = Moods::default();
    let script = moods.clone();
    let mut world = World::with_mail_server(&ladder(), move |step, to| script.doing(step, to)).await;
    moods.refuse("syt", 550);
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-06 10:00").await;
    assert_eq!(world.turn("2021-09-14 08:00").await.delivered.dead, 1);
    moods.well();
    let dead = json(&world.dir(), &["outbox", "list", "--state", "dead", "--json"]);
    let id = dead["messages"][0]["id"].as_str().expect("a dead letter").to_owned();
    let retried = dondoc(&world.dir(), &["outbox", "retry", &id]);
    assert!(retried.status.success(), "{}", said(&retried));
    world.edit("agencies.toml", |text| format!("{text}\n# mended\n")).await;
    world.turn("2021-09-14 10:00").await;
    assert_eq!(world.told(), ["syt: T1 overdue/L1"], "not with the next day's digest");
}
