//! `docs/failures.md`, row by row: a server that does what the row says, and what the real client makes of it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as Ear};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, TimeDelta};
use dondoc::channel::smtp::Smtp;
use dondoc::channel::webhook::Webhooks;
use dondoc::channel::{Answer, Concerns};
use dondoc::config::settings::{SmtpLogin, SmtpSettings, SmtpTls, WebhookSettings};
use dondoc::demo::receiver::{Do, Keep, Receiver, Step};
use futures_util::future::join_all;
use secrecy::SecretString;
use tokio::net::TcpSocket;

use crate::smtp_tls::relay::{Authority, Manners, Relay, Shake};
use crate::webhooks::receiver::{self, Receiver as Endpoint};

const DOC: &str = include_str!("../../docs/failures.md");

/// The rows of a section's first table, as cells.
fn rows(section: &str) -> Vec<Vec<String>> {
    let body = DOC.split(&format!("\n## {section}\n")).nth(1).expect("the section");
    let table = body.lines().skip_while(|line| !line.starts_with('|'));
    let rows = table.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| row.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect();
    rows.map(cells).collect()
}

/// What an answer came to, in the words of the tables.
fn came_to(answer: &Answer) -> [String; 2] {
    let waits = match answer.failure().map(|why| why.concerns()) {
        Some(Concerns::Peer) => "all wait",
        None | Some(Concerns::Message) => "others go on",
    };
    [answer.word().to_owned(), waits.to_owned()]
}

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// A port that is ours, and at which nobody listens.
pub fn nobody() -> (TcpSocket, SocketAddr) {
    let held = TcpSocket::new_v4().expect("a socket");
    held.bind(loopback()).expect("a port");
    let address = held.local_addr().expect("its address");
    (held, address)
}

/// What a row that ends in silence waits; the others have more time than they need.
fn patience(what: &str) -> TimeDelta {
    let is_silent = ["nothing", "stays away", "shake hands"]
        .iter()
        .any(|word| what.contains(word));
    TimeDelta::milliseconds(if is_silent { 1_500 } else { 30_000 })
}

/// Code and text of a reply in backticks.
fn quoted(text: &str) -> Option<(u16, String)> {
    let (code, words) = text.strip_prefix('`')?.strip_suffix('`')?.split_once(' ')?;
    Some((code.parse().ok()?, words.to_owned()))
}

// Mail.

fn smtp_settings(port: u16, tls: SmtpTls, server: &str) -> SmtpSettings {
    SmtpSettings {
        bounces: None,
        host: "localhost".to_owned(),
        port,
        tls,
        authorities: None,
        login: None,
        hello: "1022.dongthap.example".to_owned(),
        connections: 1,
        timeout: patience(server),
    }
}

/// More than two loopback sockets hold, so that it is under way for as long as the server does not read.
const LONG: usize = 400_000;

async fn mail(settings: &SmtpSettings, lines: usize) -> Answer {
    let text = format!("Subject: Nhac viec\r\n\r\n{}", "Con 3 phieu qua han.\r\n".repeat(lines));
    let to = ["soyte@dongthap.example".to_owned()];
    let smtp = Smtp::new(settings);
    smtp.send(&mut None, "dondoc@1022.example", &to, text.as_bytes()).await
}

/// What a server in the clear does.
fn doing(server: &str) -> Do {
    match server {
        "says nothing" => Do::Stall,
        "hangs up" => Do::Cut,
        "talks nonsense" => Do::Say(b"what is that\r\n".to_vec()),
        "an answer without end" => Do::Say(b"250-and\r\n".repeat(4_000)),
        "keeps it and hangs up" => Do::KeepAndCut,
        "keeps it and says nothing" => Do::KeepAndStall,
        reply => {
            let (code, text) = quoted(reply).unwrap_or_else(|| panic!("`{reply}` is not played"));
            Do::Reply(code, text)
        }
    }
}

async fn in_the_clear(step: Step, server: &str) -> Answer {
    let doing = doing(server);
    let script = move |at, _: &str| if at == step { doing.clone() } else { Do::Go };
    let receiver = Receiver::start_scripted(loopback(), Keep::memory(), script).await;
    let receiver = receiver.expect("a receiver");
    let lines = if step == Step::Body { LONG } else { 1 };
    mail(&smtp_settings(receiver.address().port(), SmtpTls::None, server), lines).await
}

async fn behind_tls(server: &str, change: impl FnOnce(&mut Manners)) -> Answer {
    let authority = Authority::new();
    let mut manners = Manners::good(authority.identity(&["localhost"], 2999));
    change(&mut manners);
    let relay = Relay::start(manners).await;
    let settings = SmtpSettings {
        authorities: Some(vec![authority.certificate()]),
        login: Some(SmtpLogin {
            username: "dondoc".to_owned(),
            password: SecretString::from("mật khẩu"),
        }),
        ..smtp_settings(relay.address.port(), SmtpTls::StartTls, server)
    };
    mail(&settings, 1).await
}

async fn play_mail(at: &str, server: &str) -> Answer {
    match (at, server) {
        ("connection", "nobody listens") => {
            let (_held, nobody) = nobody();
            mail(&smtp_settings(nobody.port(), SmtpTls::None, server), 1).await
        }
        ("TLS", "does not offer it") => behind_tls(server, |m| m.shake = Shake::NotOffered).await,
        ("TLS", "has a stranger's certificate") => {
            behind_tls(server, |m| m.identity = Authority::new().identity(&["localhost"], 2999)).await
        }
        ("TLS", "breaks the handshake") => behind_tls(server, |m| m.shake = Shake::Cut).await,
        ("TLS", "says nothing") => behind_tls(server, |m| m.shake = Shake::Stall).await,
        ("login", "does not offer it") => behind_tls(server, |m| m.offers = [&["8BITMIME"], &["8BITMIME"]]).await,
        ("login", "`535 5.7.8 wrong`") => behind_tls(server, |m| m.login = |_| "535 5.7.8 wrong".to_owned()).await,
        ("greeting", server) => in_the_clear(Step::Greeting, server).await,
        ("EHLO", server) => in_the_clear(Step::Ehlo, server).await,
        ("sender", server) => in_the_clear(Step::Mail, server).await,
        ("recipient", server) => in_the_clear(Step::Recipient, server).await,
        ("DATA", server) => in_the_clear(Step::Data, server).await,
        ("message text", server) => in_the_clear(Step::Body, server).await,
        ("whole message", server) => in_the_clear(Step::Final, server).await,
        other => panic!("{other:?} is not played"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_mail_server_does_is_what_the_table_says() {
    let rows = rows("Mail");
    assert!(rows.len() >= 40, "the table is found");
    let played = rows.iter().map(async |row| {
        let answer = play_mail(&row[0], &row[1]).await;
        (came_to(&answer), answer)
    });
    for (row, (came_to, answer)) in rows.iter().zip(join_all(played).await) {
        assert_eq!(came_to, row[2..4], "{row:?}: {answer:?}");
    }
}

// Webhook.

async fn post(settings: &WebhookSettings, url: &str) -> Answer {
    let webhooks = Webhooks::new(settings).expect("a way");
    let at = DateTime::UNIX_EPOCH;
    webhooks
        .post("syt", url, "m-1.1", b"{\"type\":\"dondoc.digest\"}", at)
        .await
}

async fn play_post(endpoint: &str) -> Answer {
    let authority = Authority::new();
    let settings = WebhookSettings {
        allowed_private: vec!["127.0.0.0/8".parse().expect("a network")],
        disable_after: TimeDelta::days(5),
        timeout: patience(endpoint),
        in_flight: 32,
        authorities: Some(vec![authority.certificate()]),
        keys: [("syt".to_owned(), vec![BASE64_STANDARD.encode([1; 32]).into()])].into(),
    };
    let no_handshake = Ear::bind(loopback()).expect("a port");
    let trusted = authority.identity(&["127.0.0.1"], 2999);
    let status = |code: &str, more: &str| format!("HTTP/1.1 {code} Whatever\r\n{more}content-length: 0\r\n\r\n");
    let (identity, doing) = match endpoint {
        "nobody listens" => {
            let (_held, nobody) = nobody();
            return post(&settings, &format!("https://{nobody}/")).await;
        }
        "has an address that may not be posted to" => return post(&settings, "https://10.0.0.1/").await,
        "has a name that does not exist" => return post(&settings, "https://no-such-host.invalid/").await,
        "does not shake hands" => {
            let port = no_handshake.local_addr().expect("an address").port();
            return post(&settings, &format!("https://127.0.0.1:{port}/")).await;
        }
        "has a stranger's certificate" => {
            let stranger = Authority::new().identity(&["127.0.0.1"], 2999);
            (stranger, receiver::Do::Say(status("200", "")))
        }
        "`200` and a body without end" => (trusted, receiver::Do::Endless),
        "`200` and a body that stays away" => (trusted, receiver::Do::Slow),
        "`302`" => (
            trusted,
            receiver::Do::Say(status("302", "location: https://127.0.0.1/\r\n")),
        ),
        "`429` with `Retry-After`" => (trusted, receiver::Do::Say(status("429", "retry-after: 120\r\n"))),
        "hangs up" => (trusted, receiver::Do::Cut),
        "hangs up within its answer" => (trusted, receiver::Do::CutWithin),
        "talks nonsense" => (trusted, receiver::Do::Say("what is that\r\n\r\n".to_owned())),
        "says nothing" => (trusted, receiver::Do::Silence),
        code => {
            let code = code.trim_matches('`');
            assert!(code.parse::<u16>().is_ok(), "`{code}` is not played");
            (trusted, receiver::Do::Say(status(code, "")))
        }
    };
    let receiver = Endpoint::start(Some(identity), doing).await;
    post(&settings, &format!("https://127.0.0.1:{}/", receiver.address.port())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_an_endpoint_does_is_what_the_table_says() {
    let rows = rows("Webhook");
    assert!(rows.len() >= 20, "the table is found");
    let played = rows.iter().map(async |row| {
        let answer = play_post(&row[0]).await;
        (came_to(&answer), answer)
    });
    for (row, (came_to, answer)) in rows.iter().zip(join_all(played).await) {
        assert_eq!(came_to, row[1..3], "{row:?}: {answer:?}");
        let names_an_instant = matches!(
            &answer,
            Answer::Later {
                not_before: Some(_),
                ..
            }
        );
        assert_eq!(names_an_instant, row[0].contains("Retry-After"), "{answer:?}");
    }
}
