//! Webhooks: what is signed, where it goes and where it does not, and what is made of each answer.

mod configured;
mod pages;
pub mod receiver;

use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use dondoc::channel::webhook::{WebhookError, Webhooks};
use dondoc::channel::{Answer, Failure, FailureKind, Stage};
use dondoc::config::settings::WebhookSettings;
use receiver::{Do, Post, Receiver};
use secrecy::SecretString;
use standardwebhooks::Webhook;

use crate::smtp_tls::relay::Authority;

const BODY: &[u8] = r#"{"version":1,"hotline":"Tổng đài 1022"}"#.as_bytes();

/// A receiver with its authority, and the way to it.
struct World {
    authority: Authority,
    receiver: Receiver,
    settings: WebhookSettings,
}

impl World {
    /// A receiver that is called `localhost` and `127.0.0.1`, which may be posted to.
    async fn new(doing: Do) -> World {
        let authority = Authority::new();
        let identity = authority.identity(&["localhost", "127.0.0.1"], 2999);
        let receiver = Receiver::start(Some(identity), doing).await;
        let settings = WebhookSettings {
            allowed_private: vec!["127.0.0.0/8".parse().unwrap()],
            disable_after: TimeDelta::days(5),
            timeout: TimeDelta::seconds(10),
            in_flight: 32,
            authorities: Some(vec![authority.certificate()]),
            keys: [("syt".to_owned(), vec![key(1)])].into(),
        };
        World {
            authority,
            receiver,
            settings,
        }
    }

    async fn saying(text: &str) -> World {
        World::new(Do::Say(text.to_owned())).await
    }

    /// What does not answer is given up after a second.
    fn impatient(mut self) -> World {
        self.settings.timeout = TimeDelta::seconds(1);
        self
    }

    fn url(&self) -> String {
        format!("https://127.0.0.1:{}/dondoc", self.receiver.address.port())
    }

    fn webhooks(&self) -> Webhooks {
        Webhooks::new(&self.settings).expect("a way")
    }

    async fn post_to(&self, url: &str) -> Answer {
        self.webhooks().post("syt", url, "m-1.1", BODY, now()).await
    }

    async fn post(&self) -> Answer {
        self.post_to(&self.url()).await
    }

    fn only_post(&self) -> Post {
        let posts = self.receiver.posts();
        assert_eq!(posts.len(), 1);
        posts[0].clone()
    }
}

/// A key of 32 bytes as it stands in a configuration.
fn key(n: u8) -> SecretString {
    BASE64_STANDARD.encode([n; 32]).into()
}

fn verifier(n: u8) -> Webhook {
    Webhook::from_bytes(vec![n; 32]).expect("a key")
}

/// Those who verify signatures know no other time than the real one.
#[expect(clippy::disallowed_methods, reason = "the verifier's clock is the real one")]
fn now() -> DateTime<Utc> {
    std::time::SystemTime::now().into()
}

fn status(code: u16) -> String {
    format!("HTTP/1.1 {code} Whatever\r\ncontent-length: 0\r\n\r\n")
}

fn why(answer: &Answer) -> &Failure {
    answer.failure().expect("a failure")
}

fn not_before(answer: &Answer) -> Option<DateTime<Utc>> {
    match answer {
        Answer::Later { not_before, .. } => *not_before,
        other => panic!("{other:?}"),
    }
}

// What is posted.

#[tokio::test]
async fn a_post_is_json_under_its_id_with_a_signature_that_others_verify() {
    let world = World::saying(&status(202)).await;
    let at = now();
    let answer = world.webhooks().post("syt", &world.url(), "m-1.1", BODY, at).await;
    let reply = "202 Accepted".to_owned();
    assert_eq!(
        answer,
        Answer::Accepted {
            reply,
            refused: Vec::new()
        }
    );
    let post = world.only_post();
    assert_eq!(post.line, "POST /dondoc HTTP/1.1");
    assert_eq!(post.body, BODY);
    assert_eq!(post.header("content-type"), "application/json");
    assert_eq!(post.header("webhook-id"), "m-1.1");
    assert_eq!(post.header("webhook-timestamp"), at.timestamp().to_string());
    assert_eq!(
        post.header("user-agent"),
        format!("dondoc/{}", env!("CARGO_PKG_VERSION"))
    );
    verifier(1).verify(&post.body, &post.headers).expect("our signature");
    assert!(verifier(2).verify(&post.body, &post.headers).is_err(), "another's key");
    assert!(verifier(1).verify(b"{}", &post.headers).is_err(), "another text");
}

#[tokio::test]
async fn while_keys_are_changed_the_old_and_the_new_both_verify() {
    let mut world = World::saying(&status(200)).await;
    world.settings.keys = [("syt".to_owned(), vec![key(2), key(1)])].into();
    assert_eq!(world.post().await.word(), "accepted");
    let post = world.only_post();
    assert_eq!(post.headers.get_all("webhook-signature").iter().count(), 1);
    for n in [1, 2] {
        verifier(n).verify(&post.body, &post.headers).expect("a signature");
    }
    assert!(verifier(3).verify(&post.body, &post.headers).is_err());
}

#[tokio::test]
async fn without_a_key_nothing_is_posted() {
    let mut world = World::saying(&status(200)).await;
    for keys in [vec![], vec![("syt".to_owned(), vec![])]] {
        world.settings.keys = keys.into_iter().collect();
        let answer = world.post().await;
        assert_eq!((answer.word(), why(&answer).kind), ("later", FailureKind::Unsendable));
    }
    assert_eq!(world.receiver.connections(), 0);
    world.settings.keys = [("syt".to_owned(), vec!["nonsense!".into()])].into();
    let error = Webhooks::new(&world.settings).expect_err("no key");
    assert!(matches!(error, WebhookError::Key(ref id) if id == "syt"), "{error}");
}

// Where it goes.

#[tokio::test]
async fn no_notation_of_a_private_address_and_no_name_for_one_is_posted_to() {
    let mut world = World::saying(&status(200)).await;
    world.settings.allowed_private.clear();
    let port = world.receiver.address.port();
    for host in [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "017700000001",
        "0177.0.0.1",
        "１２７.０.０.１",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "[fe80::1]",
        "[fd00::1]",
        "localhost",
        "LOCALHOST",
    ] {
        let url = format!("https://{host}:{port}/dondoc");
        let answer = world.post_to(&url).await;
        assert_eq!(
            (answer.word(), why(&answer).kind),
            ("later", FailureKind::Barred),
            "{url}"
        );
        let probed = world.webhooks().probe(&url).await.expect_err("no way there");
        assert_eq!(probed.kind, FailureKind::Barred, "{url}");
    }
    for url in ["http://127.0.0.1", "http://localhost"] {
        let answer = world.post_to(&format!("{url}:{port}/")).await;
        assert_eq!(answer.word(), "later", "{url}");
    }
    assert_eq!(world.receiver.connections(), 0, "nobody even knocked");
}

#[tokio::test]
async fn users_in_urls_and_other_schemes_are_refused_even_where_the_address_is_allowed() {
    let world = World::saying(&status(200)).await;
    let port = world.receiver.address.port();
    for url in [
        format!("https://user@127.0.0.1:{port}/"),
        format!("https://syt.example@127.0.0.1:{port}/"),
        format!("https://:password@127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("ftp://127.0.0.1:{port}/"),
        "no url".to_owned(),
    ] {
        let answer = world.post_to(&url).await;
        assert_eq!(
            (answer.word(), why(&answer).kind),
            ("later", FailureKind::Unsendable),
            "{url}"
        );
    }
    assert_eq!(world.receiver.connections(), 0);
}

#[tokio::test]
async fn a_listed_private_network_is_reached_by_address_and_by_name() {
    let world = World::saying(&status(200)).await;
    let by_name = world.url().replace("127.0.0.1", "localhost");
    for url in [world.url(), by_name] {
        assert_eq!(world.post_to(&url).await.word(), "accepted", "{url}");
        world.webhooks().probe(&url).await.expect("a way there");
    }
    assert_eq!(world.receiver.posts().len(), 2, "a probe posts nothing");
    assert_eq!(world.receiver.connections(), 4);
}

#[tokio::test]
async fn plain_http_goes_to_this_machine_itself_where_that_is_listed() {
    let mut world = World::saying(&status(200)).await;
    world.receiver = Receiver::start(None, Do::Say(status(200))).await;
    let url = world.url().replace("https", "http");
    assert_eq!(world.post_to(&url).await.word(), "accepted");
    world.webhooks().probe(&url).await.expect("a way there");
    let post = world.only_post();
    verifier(1).verify(&post.body, &post.headers).expect("our signature");
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_not_asked() {
    let proxy = Receiver::start(None, Do::Cut).await;
    let way = format!("http://{}", proxy.address);
    let posting = "webhooks::a_listed_private_network_is_reached_by_address_and_by_name";
    // The environment is a whole process's, so the posts are those of another one.
    let mut child = Command::new(std::env::current_exe().expect("this program"));
    child
        .args([posting, "--exact"])
        .env_remove("NO_PROXY")
        .env_remove("no_proxy");
    for name in [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ] {
        child.env(name, &way);
    }
    let output = tokio::task::spawn_blocking(move || child.output());
    let output = output.await.expect("a thread").expect("a run");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let elsewhere = World::saying(&status(200)).await;
    for code in [301, 302, 303, 307, 308] {
        let to = elsewhere.url();
        let world = World::saying(&format!(
            "HTTP/1.1 {code} X\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"
        ))
        .await;
        let answer = world.post().await;
        assert_eq!((answer.word(), why(&answer).code), ("later", Some(code)));
        assert_eq!(why(&answer).text, "redirects are not followed");
        assert_eq!(world.receiver.posts().len(), 1);
    }
    assert_eq!(elsewhere.receiver.connections(), 0);
}

#[tokio::test]
async fn only_a_certificate_of_a_known_authority_for_that_very_name_gets_a_post() {
    let mut world = World::saying(&status(200)).await;
    world.settings.authorities = Some(vec![Authority::new().certificate()]);
    let other = world.authority.identity(&["syt.dongthap.example"], 2999);
    let stale = world.authority.identity(&["127.0.0.1"], 2020);
    let own = world.authority.certificate();
    let mut untrusted = vec![world.post().await];
    let mut probed = vec![world.webhooks().probe(&world.url()).await];
    world.settings.authorities = Some(vec![own]);
    for identity in [other, stale] {
        let receiver = Receiver::start(Some(identity), Do::Say(status(200))).await;
        let url = format!("https://127.0.0.1:{}/", receiver.address.port());
        untrusted.push(world.post_to(&url).await);
        probed.push(world.webhooks().probe(&url).await);
        assert_eq!((receiver.connections(), receiver.posts().len()), (2, 0));
    }
    for answer in untrusted {
        assert_eq!(
            (answer.word(), why(&answer).kind),
            ("later", FailureKind::Untrusted),
            "{answer:?}"
        );
    }
    for outcome in probed {
        assert_eq!(outcome.expect_err("no trust").kind, FailureKind::Untrusted);
    }
    assert_eq!(world.receiver.posts().len(), 0);
}

// What is made of answers.

#[tokio::test]
async fn every_status_has_its_answer() {
    for (codes, word) in [
        (&[200, 201, 202, 204, 299][..], "accepted"),
        (&[410], "never"),
        (&[400, 401, 403, 404, 408, 409, 413, 418, 422, 425, 429, 499], "later"),
        (&[500, 501, 502, 503, 504, 599], "later"),
        (&[300, 304], "later"),
    ] {
        for code in codes {
            let world = World::saying(&status(*code)).await;
            let answer = world.post().await;
            assert_eq!(answer.word(), word, "{code}: {answer:?}");
            if let Some(why) = answer.failure() {
                let kind = FailureKind::Refused { stage: Stage::Request };
                assert_eq!((why.kind, why.code), (kind, Some(*code)));
            }
            assert_eq!(world.receiver.posts().len(), 1, "{code}: asked once");
        }
    }
}

#[tokio::test]
async fn retry_after_is_kept_up_to_an_hour_as_seconds_or_date_and_nonsense_is_not() {
    let at: DateTime<Utc> = "2021-09-07T01:00:00Z".parse().unwrap();
    for (text, minutes) in [
        ("120", Some(2)),
        ("0", Some(0)),
        ("3600", Some(60)),
        ("86400", Some(60)),
        ("99999999999999999999999999", Some(60)),
        ("Tue, 07 Sep 2021 01:30:00 GMT", Some(30)),
        ("Tue, 07 Sep 2999 01:30:00 GMT", None),
        ("Sat, 07 Sep 2999 01:30:00 GMT", Some(60)),
        ("Tue, 07 Sep 2021 00:30:00 GMT", Some(0)),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
    ] {
        let answer = format!("HTTP/1.1 503 X\r\nretry-after: {text}\r\ncontent-length: 0\r\n\r\n");
        let world = World::saying(&answer).await;
        let answer = world.webhooks().post("syt", &world.url(), "m-1.1", BODY, at).await;
        let expected = minutes.map(|m| at + TimeDelta::minutes(m));
        assert_eq!(not_before(&answer), expected, "{text}");
    }
}

#[tokio::test]
async fn what_comes_after_an_accepting_head_changes_nothing() {
    for doing in [Do::Endless, Do::Slow] {
        let world = World::new(doing).await.impatient();
        assert_eq!(world.post().await.word(), "accepted");
    }
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc";
    let world = World::saying(short).await.impatient();
    assert_eq!(world.post().await.word(), "accepted");
}

#[tokio::test]
async fn a_post_whose_answer_stays_away_is_unknown_and_goes_out_once() {
    let stage = Stage::Request;
    for (doing, kind) in [
        (Do::Cut, FailureKind::Broken { stage }),
        (Do::CutWithin, FailureKind::Broken { stage }),
        (
            Do::Say("220 smtp.example ESMTP\r\n".to_owned()),
            FailureKind::Broken { stage },
        ),
        (Do::Silence, FailureKind::Timeout { stage }),
    ] {
        let world = World::new(doing).await.impatient();
        let answer = world.post().await;
        assert_eq!((answer.word(), why(&answer).kind), ("unknown", kind), "{answer:?}");
        assert_eq!(world.receiver.posts().len(), 1);
    }
}

#[tokio::test]
async fn where_there_is_no_connection_it_is_tried_later() {
    let world = World::saying(&status(200)).await;
    // A name of the kind that is nobody's.
    let nobody = world.post_to("https://syt.dongthap.invalid/").await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let refused = world.post_to(&format!("https://127.0.0.1:{port}/")).await;
    let kind = FailureKind::Broken { stage: Stage::Connect };
    for answer in [nobody, refused] {
        assert_eq!((answer.word(), why(&answer).kind), ("later", kind), "{answer:?}");
    }
}

#[tokio::test]
async fn a_host_that_does_not_shake_hands_is_given_up_before_anything_is_posted() {
    let world = World::saying(&status(200)).await.impatient();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}/", silent.local_addr().expect("an address"));
    let answer = world.post_to(&url).await;
    let kind = FailureKind::Timeout { stage: Stage::Connect };
    assert_eq!((answer.word(), why(&answer).kind), ("later", kind));
    let probed = world.webhooks().probe(&url).await.expect_err("no hands");
    assert_eq!(probed.kind, FailureKind::Timeout { stage: Stage::Tls });
}

#[tokio::test]
async fn posts_to_one_receiver_share_a_connection() {
    let world = World::saying(&status(200)).await;
    let webhooks = world.webhooks();
    for n in 0..20 {
        let answer = webhooks.post("syt", &world.url(), &format!("m-{n}"), BODY, now()).await;
        assert_eq!(answer.word(), "accepted");
    }
    assert_eq!((world.receiver.posts().len(), world.receiver.connections()), (20, 1));
}
