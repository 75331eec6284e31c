//! Webhooks in the path: what is posted when, to whom, how often, and what is told by mail instead.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener as Ear};
use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use dondoc::demo::receiver::{Do, Step};
use dondoc::engine::send_test;
use dondoc::render::Renderer;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::delivery::{Moods, fates};
use super::{letters_at, letters_of, line};
use crate::cli::{dondoc, said, text};
use crate::obligations;
use crate::smtp_tls::relay::Authority;
use crate::webhooks::receiver::{self, Receiver};
use crate::world::{FIVE_DAYS, LADDER, World, at};

/// A unit's system, which does what it is told to.
#[derive(Clone)]
pub(super) struct System {
    port: u16,
    /// The status it answers; 0 for no answer at all.
    status: Arc<Mutex<u16>>,
    posts: Arc<Mutex<Vec<(String, Value)>>>,
    arrived: Arc<Notify>,
}

impl System {
    pub(super) async fn start() -> System {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let system = System {
            port: listener.local_addr().expect("an address").port(),
            status: Arc::new(Mutex::new(204)),
            posts: Arc::default(),
            arrived: Arc::default(),
        };
        let router = Router::new().fallback(take).with_state(system.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        system
    }

    pub(super) fn answers(&self, status: u16) {
        *self.status.lock().expect("a status") = status;
    }

    /// The ids and texts since this was asked last.
    fn posts(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut *self.posts.lock().expect("the posts"))
    }

    /// What was posted since this was asked last, each as `ticket rule/step, …`.
    pub(super) fn told(&self) -> Vec<String> {
        self.posts().iter().map(|(_, body)| told(body)).collect()
    }

    /// An endpoint at it.
    pub(super) fn endpoint(&self, id: &str, more: &str) -> String {
        let port = self.port;
        format!("{{ id = \"{id}\", url = \"http://127.0.0.1:{port}/{id}\", key_files = [\"a.key\"]{more} }}")
    }
}

async fn take(State(system): State<System>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let id = headers["webhook-id"].to_str().expect("an id").to_owned();
    let body = serde_json::from_slice(&body).expect("JSON");
    system.posts.lock().expect("the posts").push((id, body));
    system.arrived.notify_one();
    let status = *system.status.lock().expect("a status");
    match status {
        0 => std::future::pending().await,
        status => StatusCode::from_u16(status).expect("a status"),
    }
}

fn told(body: &Value) -> String {
    let tickets = body["tickets"].as_array().expect("tickets");
    let word = |ticket: &Value, key: &str| ticket[key].as_str().expect("a word").to_owned();
    let lines = tickets
        .iter()
        .map(|t| format!("{} {}/{}", word(t, "code"), word(t, "rule"), word(t, "step")));
    lines.collect::<Vec<_>>().join(", ")
}

/// The ladder by these channels.
pub(super) fn via(channels: &str) -> String {
    LADDER.replace("template =", &format!("via = {channels}\ntemplate =")) + FIVE_DAYS
}

pub(super) const BOTH: &str = "[\"email\", \"webhook\"]";
pub(super) const HOOK: &str = "[\"webhook\"]";

/// Gives units endpoints: the text after which they stand in `agencies.toml`, and the endpoint.
pub(super) async fn with_endpoints(world: &mut World, endpoints: &[(&str, String)]) {
    std::fs::write(
        world.dir().join("a.key"),
        "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    )
    .expect("a key");
    world.write("dondoc.toml", |text| {
        text + "\n[webhooks]\nallowed_private = [\"127.0.0.0/8\"]\ntimeout = \"1s\"\n"
    });
    world
        .edit("agencies.toml", |mut text| {
            for (after, endpoint) in endpoints {
                text = text.replace(after, &format!("{after}\nwebhooks = [{endpoint}]"));
            }
            text
        })
        .await;
}

pub(super) const SYT: &str = "name = \"Sở Y tế\"";
const SXD: &str = "name = \"Sở Xây dựng\"";

/// A province whose Sở Y tế has a system, with a ticket that falls due for L1 on 14/9/2021.
async fn province(rules: &str, moods: &Moods) -> (World, System) {
    let system = System::start().await;
    let listener = moods.clone();
    let mut world = World::with_mail_server(rules, move |step, whom| listener.doing(step, whom)).await;
    with_endpoints(&mut world, &[(SYT, system.endpoint("syt", ""))]).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
    world.turn("2021-09-13 16:00").await;
    (world, system)
}

#[tokio::test]
async fn both_channels_tell_once_each_and_a_webhook_does_not_wait_for_the_hour_of_the_digest() {
    let (mut world, system) = province(&via(BOTH), &Moods::default()).await;
    let report = world.turn("2021-09-14 07:00").await;
    assert_eq!((report.composed.messages, report.delivered.accepted), (1, 1));
    assert_eq!(system.told(), ["T1 overdue/L1"]);
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-15").await,
        ["14/09 08:00 syt digest: T1 overdue/L1"]
    );
    assert!(system.told().is_empty());
    let mut fates = fates(&world, "T1").await;
    fates.sort();
    assert_eq!(fates, ["accepted: accepted", "accepted: accepted"]);
}

#[tokio::test]
async fn the_next_step_opens_when_either_channel_was_accepted() {
    // Mail alone, then the webhook alone.
    for (mail, hook) in [(250, 503), (451, 204)] {
        let moods = Moods::default();
        let (mut world, system) = province(&via(BOTH), &moods).await;
        if mail == 451 {
            moods.refuse("syt@", mail);
        }
        system.answers(hook);
        letters_of(&mut world, "2021-09-14", "2021-09-15").await;
        moods.well();
        system.answers(204);
        let told = letters_of(&mut world, "2021-09-16", "2021-09-16").await;
        assert!(
            told.iter()
                .any(|l| l == "16/09 08:00 giamdoc-syt digest: T1 overdue/L2"),
            "{told:?}"
        );
        assert!(system.told().contains(&"T1 overdue/L2".to_owned()));
    }
}

#[tokio::test]
async fn only_an_endpoint_that_asks_for_it_keeps_to_office_hours() {
    let rules = via(HOOK).replace("after = \"1wd\"", "after = \"1h\"");
    for (window, first) in [("", "02:00"), (", window = true", "07:00")] {
        let system = System::start().await;
        let mut world = World::new(&rules).await;
        with_endpoints(&mut world, &[(SYT, system.endpoint("syt", window))]).await;
        world.turn("2021-09-06 07:00").await;
        world.ticket("T1", "Sở Y tế", "2021-09-06 09:00").await;
        world.turn("2021-09-13 16:00").await;
        let mut posted = Vec::new();
        for hour in ["02:00", "06:30", "07:00", "08:00"] {
            world.turn(&format!("2021-09-14 {hour}")).await;
            posted.extend(system.told().into_iter().map(|told| format!("{hour} {told}")));
        }
        assert_eq!(posted, [format!("{first} T1 overdue/L1")]);
    }
}

#[tokio::test]
async fn what_was_put_off_is_posted_again_under_its_id_with_its_bytes_at_night_too() {
    let (mut world, system) = province(&via(HOOK), &Moods::default()).await;
    system.answers(503);
    let report = world.turn("2021-09-14 16:58").await;
    assert_eq!((report.delivered.later, report.waiting), (1, 1));
    world.restart().await;
    system.answers(200);
    world.turn("2021-09-14 17:30").await;
    let posts = system.posts();
    assert_eq!(posts.len(), 2);
    assert_eq!(posts[0], posts[1]);
    assert_eq!(fates(&world, "T1").await, ["accepted: later, accepted"]);
}

#[tokio::test]
async fn a_reminder_that_is_taken_only_after_its_reader_has_heard_of_the_ending_brings_no_second_ending() {
    let (mut world, system) = province(&via(HOOK), &Moods::default()).await;
    letters_of(&mut world, "2021-09-14", "2021-09-17").await;
    assert_eq!(system.told(), ["T1 overdue/L1", "T1 overdue/L2"]);
    // The head was told of L2, and L3 is put off twice.
    system.answers(503);
    letters_at(&mut world, &["2021-09-20 07:00", "2021-09-20 07:02"]).await;
    assert_eq!(system.told(), ["T1 overdue/L3", "T1 overdue/L3"]);
    world.answer("T1", "2021-09-20 07:02").await;
    system.answers(204);
    letters_at(&mut world, &["2021-09-20 07:03"]).await;
    assert_eq!(
        system.told(),
        ["T1 @settled/done", "T1 @settled/done"],
        "contact and head"
    );
    letters_at(
        &mut world,
        &["2021-09-20 07:30", "2021-09-20 07:31", "2021-09-21 08:00"],
    )
    .await;
    assert_eq!(system.told(), ["T1 overdue/L3"]);
}

#[tokio::test]
async fn nobody_takes_it_for_seventy_two_hours_and_it_is_dead() {
    let (mut world, system) = province(&via(HOOK), &Moods::default()).await;
    system.answers(503);
    world.turn("2021-09-14 07:00").await;
    world.turn("2021-09-17 06:00").await;
    assert_eq!(fates(&world, "T1").await, ["waiting: later, later"]);
    world.turn("2021-09-17 07:30").await;
    assert_eq!(fates(&world, "T1").await, ["dead: later, later, later"]);
}

#[tokio::test]
async fn many_tickets_go_in_pages_and_each_page_is_accepted_for_itself() {
    let (mut world, system) = province(&via(HOOK), &Moods::default()).await;
    for n in 0..120 {
        world.ticket(&format!("M{n:03}"), "Sở Y tế", "2021-09-06 09:30").await;
    }
    world.turn("2021-09-13 16:30").await;
    let report = world.turn("2021-09-14 07:00").await;
    let posts = system.posts();
    assert!(posts.len() > 1, "{}", posts.len());
    assert_eq!(report.delivered.accepted, posts.len());
    let ids: BTreeSet<&String> = posts.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), posts.len());
    let batches: BTreeSet<String> = posts.iter().map(|(_, body)| body["batch"].to_string()).collect();
    assert_eq!(batches.len(), 1);
    let codes: BTreeSet<String> = posts
        .iter()
        .flat_map(|(_, body)| body["tickets"].as_array().expect("tickets"))
        .map(|t| t["code"].as_str().expect("a code").to_owned())
        .collect();
    assert_eq!(codes.len(), 121);
    // Each ticket's notice is in the page that shows it.
    for (id, body) in &posts {
        let code = body["tickets"][0]["code"].as_str().expect("a code");
        let messages = world.store().messages_of_ticket(code).await.expect("messages");
        let known: Vec<&str> = messages.iter().map(|m| m.id.as_str()).collect();
        assert_eq!(known, [id.as_str()]);
    }
}

#[tokio::test]
async fn what_an_endpoint_says_against_us_is_known_before_the_next_page_goes_there_and_what_it_takes_goes_on() {
    for status in [410, 503, 204] {
        let (mut world, system) = province(&via(HOOK), &Moods::default()).await;
        // The next page is claimed while one is on its way.
        world
            .edit("dondoc.toml", |text| {
                text.replace("timeout = \"1s\"", "timeout = \"1s\"\nin_flight = 1")
            })
            .await;
        for n in 0..300 {
            world.ticket(&format!("M{n:03}"), "Sở Y tế", "2021-09-06 09:30").await;
        }
        world.turn("2021-09-13 16:30").await;
        system.answers(status);
        let report = world.turn("2021-09-14 07:00").await;
        let posts = system.posts();
        match status {
            204 => {
                let told: usize = posts
                    .iter()
                    .map(|(_, body)| body["tickets"].as_array().expect("tickets").len())
                    .sum();
                assert_eq!((posts.len() > 2, told), (true, 301));
                assert_eq!(report.delivered.accepted, posts.len());
            }
            _ => assert_eq!((posts.len(), report.delivered.accepted), (1, 0), "{status}"),
        }
    }
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_left_alone_its_owner_and_ops_hear_of_it_and_a_new_url_is_posted_to() {
    let (mut world, system) = province(&via(BOTH), &Moods::default()).await;
    system.answers(410);
    world.turn("2021-09-14 07:00").await;
    let posts = system.posts();
    assert_eq!(posts.len(), 1);
    assert_eq!(told(&posts[0].1), "T1 overdue/L1");
    world.turn("2021-09-14 07:30").await;
    let mut letters: Vec<String> = world
        .letters()
        .iter()
        .map(|l| format!("{} {}", l.to[0], l.subject))
        .collect();
    letters.sort();
    assert_eq!(letters.len(), 2, "{letters:?}");
    assert!(letters[0].starts_with("ops@tinh.example") && letters[1].starts_with("syt@tinh.example"));
    assert!(
        letters
            .iter()
            .all(|l| l.contains("Ngừng gửi thông báo qua webhook “syt” – Sở Y tế")),
        "{letters:?}"
    );
    system.answers(204);
    // The next step goes by mail, and climbs on it.
    let told_by_mail = letters_of(&mut world, "2021-09-14", "2021-09-20").await;
    assert_eq!(
        told_by_mail,
        [
            "14/09 08:00 syt digest: T1 overdue/L1",
            "16/09 08:00 giamdoc-syt digest: T1 overdue/L2",
            "20/09 08:00 giamdoc-syt digest: T1 overdue/L3",
        ]
    );
    assert!(system.told().is_empty());
    world.stop().await;
    let shown = dondoc(&world.dir(), &["outbox", "show", &posts[0].0]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("SYT/contact by webhook") && shown.contains("\"code\": \"T1\""),
        "{shown}"
    );
    let status = dondoc(&world.dir(), &["status", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).expect("JSON");
    let endpoint = &status["endpoints"][0];
    assert_eq!(
        (&endpoint["id"], &endpoint["unit"], &endpoint["state"]),
        (&"syt".into(), &"SYT".into(), &"disabled".into())
    );
    assert!(
        endpoint["since"].is_string() && endpoint["reason"].as_str().is_some_and(|r| r.contains("410")),
        "{endpoint}"
    );
    world
        .edit("agencies.toml", |text| text.replace("/syt\"", "/syt-new\""))
        .await;
    letters_of(&mut world, "2021-09-21", "2021-09-27").await;
    assert_eq!(system.told(), ["T1 overdue/L4"; 0], "the Office has no system");
    world.answer("T1", "2021-09-27 22:30").await;
    world.turn("2021-09-27 22:40").await;
    world.ticket("T2", "Sở Y tế", "2021-09-27 09:00").await;
    letters_of(&mut world, "2021-09-28", "2021-10-05").await;
    assert_eq!(system.told(), ["T2 overdue/L1"]);
    world.is_audited("2021-10-05 22:00").await;
}

#[tokio::test]
async fn what_an_endpoint_that_wants_no_more_was_to_tell_is_told_by_mail_the_same_day() {
    let (mut world, system) = province(&via(HOOK), &Moods::default()).await;
    system.answers(410);
    world.turn("2021-09-14 07:00").await;
    assert_eq!(system.told(), ["T1 overdue/L1"]);
    assert_eq!(fates(&world, "T1").await, ["replaced: never"]);
    world.turn("2021-09-14 07:30").await;
    world.letters();
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-16").await,
        [
            "14/09 08:00 syt digest: T1 overdue/L1",
            "16/09 08:00 giamdoc-syt digest: T1 overdue/L2"
        ],
        "and the head only two days after that"
    );
    assert!(system.told().is_empty());
}

#[tokio::test]
async fn what_waited_for_an_endpoint_that_the_unit_has_no_more_goes_to_the_next_one_or_by_mail() {
    for has_another in [false, true] {
        let (mut world, system) = province(&via(HOOK), &Moods::default()).await;
        system.answers(503);
        world.turn("2021-09-14 08:00").await;
        assert_eq!(system.told(), ["T1 overdue/L1"]);
        let another = System::start().await;
        let next = match has_another {
            true => format!("webhooks = [{}]", another.endpoint("syt-2", "")),
            false => String::new(),
        };
        let change = |text: String| {
            let lines = text.lines().map(|l| if l.starts_with("webhooks") { &next } else { l });
            lines.collect::<Vec<_>>().join("\n")
        };
        world.edit("agencies.toml", change).await;
        let letters = letters_of(&mut world, "2021-09-14", "2021-09-15").await;
        let by_mail: &[&str] = match has_another {
            true => &[],
            false => &["15/09 08:00 syt digest: T1 overdue/L1"],
        };
        assert_eq!(letters, by_mail);
        assert_eq!(another.told().len(), usize::from(has_another));
        assert!(system.told().is_empty());
        assert!(fates(&world, "T1").await.iter().all(|fate| !fate.starts_with("dead")));
    }
}

#[tokio::test]
async fn a_dead_letter_about_an_endpoint_is_sent_again_as_it_is() {
    let moods = Moods::default();
    let (mut world, system) = province(&via(BOTH), &moods).await;
    system.answers(410);
    moods.refuse("syt@", 550);
    world.turn("2021-09-14 07:00").await;
    world.turn("2021-09-14 07:30").await;
    moods.well();
    world.letters();
    let dead = dondoc(&world.dir(), &["outbox", "list", "--state", "dead", "--json"]);
    let dead: Value = serde_json::from_slice(&dead.stdout).expect("JSON");
    let id = dead["messages"][0]["id"].as_str().expect("a dead letter").to_owned();
    let retry = dondoc(&world.dir(), &["outbox", "retry", &id]);
    assert!(retry.status.success());
    world.turn("2021-09-14 07:45").await;
    let letters = world.letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].to, ["syt@tinh.example"]);
    assert!(letters[0].subject.contains("Ngừng gửi thông báo qua webhook “syt”"));
    assert!(letters[0].message_id.contains(&id), "the same letter");
    let shown = dondoc(&world.dir(), &["outbox", "show", &id, "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(shown["state"], "accepted", "{shown}");
}

#[tokio::test]
async fn the_ending_is_told_by_the_channel_that_told_of_the_ticket() {
    let (mut world, system) = province(&via(HOOK), &Moods::default()).await;
    world.turn("2021-09-14 07:00").await;
    assert_eq!(system.told(), ["T1 overdue/L1"]);
    world.answer("T1", "2021-09-14 20:00").await;
    assert!(letters_of(&mut world, "2021-09-15", "2021-09-16").await.is_empty());
    let posts = system.posts();
    assert_eq!(posts.len(), 1);
    assert_eq!(told(&posts[0].1), "T1 @settled/done");
    assert_eq!(posts[0].1["tickets"][0]["ended"]["how"], "done");
}

#[tokio::test]
async fn a_confidential_ticket_is_told_to_the_head_by_mail_and_never_posted() {
    for channels in [BOTH, HOOK] {
        let (mut world, system) = province(&via(channels), &Moods::default()).await;
        world.change("T1", "2021-09-13 22:00", "confidential = 1").await;
        assert_eq!(
            letters_of(&mut world, "2021-09-14", "2021-09-16").await,
            [
                "14/09 07:00 giamdoc-syt single: T1 overdue/L1",
                "16/09 07:00 giamdoc-syt single: T1 overdue/L2",
            ],
            "{channels}"
        );
        assert!(system.told().is_empty());
    }
}

#[tokio::test]
async fn a_step_by_webhook_alone_reaches_a_unit_without_a_system_by_mail() {
    let (mut world, system) = province(&via(HOOK), &Moods::default()).await;
    world.ticket("T2", "Sở Xây dựng", "2021-09-06 09:00").await;
    assert_eq!(
        letters_of(&mut world, "2021-09-14", "2021-09-16").await,
        [
            "14/09 08:00 sxd digest: T2 overdue/L1",
            "16/09 08:00 giamdoc-sxd digest: T2 overdue/L2"
        ]
    );
    assert_eq!(system.told(), ["T1 overdue/L1", "T1 overdue/L2"]);
}

#[tokio::test]
async fn killed_in_the_middle_of_a_post_it_is_posted_again_with_the_same_id() {
    let (mut world, system) = province(&via(HOOK), &Moods::default()).await;
    system.answers(0);
    let arrived = Arc::clone(&system.arrived);
    assert!(world.killed_turn("2021-09-14 07:00", arrived.notified()).await);
    system.answers(204);
    world.turn("2021-09-14 07:01").await;
    let posts = system.posts();
    assert_eq!(posts.len(), 2);
    assert_eq!(posts[0], posts[1]);
    assert_eq!(fates(&world, "T1").await, ["accepted: unknown, accepted"]);
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_delays_neither_the_others_nor_the_mails() {
    let (dead, well) = (System::start().await, System::start().await);
    let mut world = World::new(&via(BOTH)).await;
    with_endpoints(
        &mut world,
        &[(SYT, dead.endpoint("syt", "")), (SXD, well.endpoint("sxd", ""))],
    )
    .await;
    // One post at a time: whoever comes after the dead one waits for it once.
    world
        .edit("dondoc.toml", |text| {
            text.replace("timeout = \"1s\"", "timeout = \"1s\"\nin_flight = 1")
        })
        .await;
    dead.answers(0);
    world.turn("2021-09-06 07:00").await;
    for (code, agency) in [("T1", "Sở Y tế"), ("T2", "Sở Xây dựng")] {
        world.ticket(code, agency, "2021-09-06 09:00").await;
    }
    world.turn("2021-09-13 16:00").await;
    let report = world.turn("2021-09-14 08:00").await;
    assert_eq!((report.delivered.accepted, report.delivered.unknown), (3, 1));
    assert_eq!(well.told(), ["T2 overdue/L1"]);
    let told: BTreeSet<String> = world.letters().iter().map(line).collect();
    assert_eq!(told.len(), 2);
}

#[tokio::test]
async fn a_mail_server_out_of_reach_does_not_keep_webhooks_back() {
    let moods = Moods::default();
    let (mut world, system) = province(&via(BOTH), &moods).await;
    moods.set(Step::Greeting, "", Do::Cut);
    letters_at(&mut world, &["2021-09-14 08:00"]).await;
    assert_eq!(system.told(), ["T1 overdue/L1"]);
}

#[tokio::test]
async fn a_test_is_posted_beside_the_letters_and_says_that_it_is_one() {
    let (mut world, system) = province(&via(HOOK), &Moods::default()).await;
    let config = world.config();
    let renderer = Renderer::load(&config.templates_dir, &config.wording).expect("templates");
    let tested = send_test(&config, &renderer, "SYT", at("2021-09-14 10:00"))
        .await
        .expect("a test");
    let what: Vec<&str> = tested.iter().map(|t| t.what).collect();
    assert_eq!(what, ["contact", "head", "webhook"]);
    assert!(tested.iter().all(|t| t.answer.word() == "accepted"));
    let posts = system.posts();
    assert_eq!(posts.len(), 1);
    assert_eq!(posts[0].1["type"], "test");
    assert_eq!(world.mails().len(), 2);
}

/// The names resolve as in this file, for one command.
const UNDER_HOSTS: &str = "mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"";

#[tokio::test]
async fn of_a_name_with_several_addresses_only_those_that_may_be_posted_to_are_knocked_at() {
    let authority = Authority::new();
    let identity = authority.identity(&["phieu.syt.example"], 2999);
    let answer = "HTTP/1.1 204 No Content\r\n\r\n".to_owned();
    let system = Receiver::start(Some(identity), receiver::Do::Say(answer)).await;
    let port = system.address.port();
    // Within a barred network, on the same port.
    let barred = Ear::bind((Ipv4Addr::new(127, 0, 0, 2), port)).expect("the other address");
    barred.set_nonblocking(true).expect("an ear");
    let mut world = World::new(&via(HOOK)).await;
    let endpoint = format!("{{ id = \"syt\", url = \"https://phieu.syt.example:{port}/\", key_files = [\"a.key\"] }}");
    with_endpoints(&mut world, &[(SYT, endpoint)]).await;
    std::fs::write(world.dir().join("ca.pem"), authority.pem()).expect("a file");
    world.write("dondoc.toml", |text| {
        text.replace("127.0.0.0/8\"]", "127.0.0.1/32\"]\nca_file = \"ca.pem\"")
    });
    for addresses in [
        ["127.0.0.2", "127.0.0.1"],
        ["127.0.0.1", "127.0.0.2"],
        ["127.0.0.2", "10.0.0.9"],
    ] {
        std::fs::write(
            world.dir().join("hosts"),
            addresses.map(|a| format!("{a} phieu.syt.example\n")).concat(),
        )
        .expect("a file");
        let dir = world.dir();
        let test = tokio::task::spawn_blocking(move || {
            Command::new("unshare")
                .args(["--mount", "sh", "-c", UNDER_HOSTS, "sh"])
                .arg(dir.join("hosts"))
                .args([env!("CARGO_BIN_EXE_dondoc"), "--config"])
                .arg(&dir)
                .args(["send-test", "SYT"])
                .output()
                .expect("unshare")
        });
        let test = test.await.expect("a test");
        let lines = text(&test);
        let line = lines.lines().find(|l| l.starts_with("webhook")).unwrap_or_default();
        let expected = match addresses[1] {
            "10.0.0.9" => "later: address not allowed",
            _ => "accepted: 204",
        };
        assert!(line.contains(expected), "{addresses:?}: {lines}{}", said(&test));
        let nobody = barred.accept().expect_err("nobody knocks");
        assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
    }
    assert_eq!(system.posts().len(), 2);
}

#[tokio::test]
async fn what_a_directive_has_a_unit_owe_is_posted_once_with_what_it_is() {
    let shipped = obligations::SHIPPED.replace("template =", &format!("via = {BOTH}\ntemplate ="));
    let (mut world, system) = province(&format!("{FIVE_DAYS}{shipped}"), &Moods::default()).await;
    world.days("2021-09-30", "2021-10-08").await;
    system.told();
    obligations::record(&world, "2021-10-28", "2021-10-11 09:00").await;
    world.turn("2021-10-11 09:30").await;
    world.turn("2021-10-11 10:00").await;
    let posts = system.posts();
    let bodies: Vec<&Value> = posts.iter().map(|(_, body)| body).collect();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert_eq!(told(bodies[0]), "@obligation/2021-09/SYT/follow_up obligation/opened");
    assert_eq!(
        bodies[0]["tickets"][0]["obligation"],
        serde_json::json!({
            "kind": "follow_up",
            "period": "2021-09-01",
            "directive": "312/UBND-KSTT",
            "directive_date": "2021-10-08",
            "reply_before": "2021-10-28",
        })
    );
}
