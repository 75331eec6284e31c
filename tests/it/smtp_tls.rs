//! TLS and AUTH on the way to the relay: what goes through, and that nothing goes where it should not.

pub mod relay;

use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::TimeDelta;
use dondoc::channel::smtp::{Connection, Smtp};
use dondoc::channel::{Answer, Failure, FailureKind, Stage};
use dondoc::config::settings::{SmtpLogin, SmtpSettings, SmtpTls};
use relay::{Authority, LoginReply, Manners, Relay, Shake, Text};
use secrecy::SecretString;
use serde_json::Value;

const TEXT: &[u8] = "Subject: Nhac viec\r\n\r\nCòn 3 phiếu quá hạn.\r\n".as_bytes();
const PASSWORD: &str = "mật khẩu bí mật";

/// A relay with its authority, and a client that trusts it and asks for STARTTLS.
struct World {
    authority: Authority,
    relay: Relay,
    settings: SmtpSettings,
    conn: Option<Connection>,
}

impl World {
    /// A relay that is called `localhost` and has good manners but for what `change` does to them.
    async fn new(change: impl FnOnce(&mut Manners, &Authority)) -> World {
        let authority = Authority::new();
        let mut manners = Manners::good(authority.identity(&["localhost", "127.0.0.1"], 2999));
        change(&mut manners, &authority);
        let tls = if manners.implicit {
            SmtpTls::Implicit
        } else {
            SmtpTls::StartTls
        };
        let relay = Relay::start(manners).await;
        let settings = SmtpSettings {
            bounces: None,
            host: "localhost".to_owned(),
            port: relay.address.port(),
            tls,
            authorities: Some(vec![authority.certificate()]),
            login: None,
            hello: "1022.dongthap.example".to_owned(),
            connections: 1,
            timeout: TimeDelta::seconds(10),
        };
        World {
            authority,
            relay,
            settings,
            conn: None,
        }
    }

    async fn with(shake: Shake) -> World {
        World::new(|manners, _| manners.shake = shake).await
    }

    fn logging_in(mut self) -> World {
        self.settings.login = Some(SmtpLogin {
            username: "đôn đốc".to_owned(),
            password: SecretString::from(PASSWORD),
        });
        self
    }

    fn impatient(mut self) -> World {
        self.settings.timeout = TimeDelta::seconds(1);
        self
    }

    async fn send(&mut self) -> Answer {
        self.send_bytes(TEXT).await
    }

    async fn send_bytes(&mut self, bytes: &[u8]) -> Answer {
        let to = ["soyte@dongthap.example".to_owned()];
        let smtp = Smtp::new(&self.settings);
        smtp.send(&mut self.conn, "dondoc@1022.example", &to, bytes).await
    }

    /// Sends a mail that is for later, and sees that nothing of it was said.
    async fn fails(&mut self) -> Failure {
        let answer = self.send().await;
        let Answer::Later { why, not_before: None } = answer else {
            panic!("{answer:?}")
        };
        assert!(self.conn.is_none());
        self.relay.log(|log| {
            let said = [&log.clear[..], &log.sealed].concat();
            assert!(!said.iter().any(|line| line.starts_with("MAIL")), "{said:?}");
        });
        assert_eq!(
            Smtp::new(&self.settings).probe().await,
            Err(why.clone()),
            "check says the same"
        );
        why
    }
}

fn encoded(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

// TLS.

#[tokio::test]
async fn starttls_comes_before_anything_but_the_greeting_and_serves_all_mails_of_a_connection() {
    let mut world = World::new(|_, _| ()).await;
    for _ in 0..3 {
        let answer = world.send().await;
        assert_eq!(answer.word(), "accepted", "{answer:?}");
    }
    world.relay.log(|log| {
        assert_eq!(log.clear, ["EHLO 1022.dongthap.example", "STARTTLS"]);
        assert_eq!((log.connections, log.handshakes), (1, 1));
        let text = String::from_utf8(TEXT.to_vec()).expect("text");
        assert_eq!(log.mails, [text.clone(), text.clone(), text]);
        assert_eq!(
            log.sealed[0], "EHLO 1022.dongthap.example",
            "the offers are asked again"
        );
    });
    assert_eq!(Smtp::new(&world.settings).probe().await, Ok(()));
}

#[tokio::test]
async fn implicit_tls_says_nothing_in_the_clear_and_an_address_is_a_name_too() {
    for host in ["localhost", "127.0.0.1"] {
        let mut world = World::new(|manners, _| manners.implicit = true).await;
        world.settings.host = host.to_owned();
        assert_eq!(world.send().await.word(), "accepted");
        assert_eq!(world.send().await.word(), "accepted");
        world.relay.log(|log| {
            assert_eq!((log.clear.len(), log.mails.len(), log.connections), (0, 2, 1));
        });
    }
}

#[tokio::test]
async fn a_relay_without_starttls_gets_no_mail() {
    let why = World::with(Shake::NotOffered).await.fails().await;
    assert_eq!(
        why.to_string(),
        "TLS not offered: the server has no STARTTLS, and without it smtp.tls lets nothing go"
    );
}

#[tokio::test]
async fn a_relay_that_refuses_starttls_gets_no_mail() {
    for (reply, shown) in [
        (
            "454 4.7.0 TLS not available",
            "TLS refused: 454 4.7.0 TLS not available",
        ),
        ("502 5.5.1 no", "TLS refused: 502 5.5.1 no"),
        ("334 what", "senseless answer at TLS: 334 what"),
    ] {
        let mut world = World::with(Shake::Refused(reply)).await;
        assert_eq!(world.fails().await.to_string(), shown);
        world
            .relay
            .log(|log| assert_eq!(log.clear[..2], ["EHLO 1022.dongthap.example", "STARTTLS"]));
    }
}

#[tokio::test]
async fn words_in_the_clear_behind_the_220_are_never_read_as_if_they_came_under_tls() {
    let garbled = FailureKind::Garbled { stage: Stage::Tls };
    let ahead = "250-relay.example\r\n250 AUTH PLAIN";
    let why = World::with(Shake::Ahead(ahead)).await.logging_in().fails().await;
    assert_eq!(
        (why.kind, why.text.as_str()),
        (garbled, "the server answered before it was asked")
    );
    let why = World::with(Shake::InTheClear("250 2.0.0 Ok")).await.fails().await;
    assert_eq!(why.kind, garbled, "{why}");
}

#[tokio::test]
async fn a_certificate_of_another_name_authority_or_time_is_not_trusted() {
    let stranger = Authority::new();
    let cases = [
        (
            World::new(|m, ca| m.identity = ca.identity(&["relay.example"], 2999)).await,
            "not valid for name",
        ),
        (
            World::new(|m, ca| m.identity = ca.identity(&["localhost"], 2020)).await,
            "expired",
        ),
        (
            World::new(|m, _| m.identity = stranger.identity(&["localhost"], 2999)).await,
            "certificate",
        ),
    ];
    for (mut world, words) in cases {
        let why = world.fails().await;
        assert_eq!(why.kind, FailureKind::Untrusted);
        assert!(why.to_string().starts_with("certificate not trusted: "), "{why}");
        assert!(why.text.contains(words), "{why}");
        world.relay.log(|log| assert_eq!(log.sealed, [""; 0]));
    }
}

#[tokio::test]
async fn without_an_authority_of_our_own_the_systems_decide() {
    let mut world = World::new(|_, _| ()).await;
    world.settings.authorities = None;
    assert_eq!(world.fails().await.kind.stage(), Some(Stage::Tls));
}

#[tokio::test]
async fn a_handshake_that_breaks_or_never_comes_is_for_later() {
    for implicit in [false, true] {
        for (shake, kind) in [
            (Shake::Cut, FailureKind::Broken { stage: Stage::Tls }),
            (Shake::Stall, FailureKind::Timeout { stage: Stage::Tls }),
        ] {
            let world = World::new(|manners, _| {
                manners.shake = shake;
                manners.implicit = implicit;
            });
            assert_eq!(world.await.impatient().fails().await.kind, kind);
        }
    }
}

#[tokio::test]
async fn a_relay_that_does_not_speak_tls_is_told_apart_from_one_that_is_down() {
    let mut world = World::new(|_, _| ()).await;
    world.settings.tls = SmtpTls::Implicit;
    assert_eq!(world.fails().await.kind, FailureKind::Garbled { stage: Stage::Tls });
}

#[tokio::test]
async fn what_may_have_left_is_told_apart_under_tls_too() {
    let mut endless = TEXT.to_vec();
    endless.resize(24 << 20, b'x');
    let mut world = World::new(|manners, _| manners.text = Text::Cut).await;
    let answer = world.send_bytes(&endless).await;
    assert_eq!(
        (answer.word(), answer.failure().map(|f| f.kind)),
        ("later", Some(FailureKind::Broken { stage: Stage::Body }))
    );
    let mut world = World::new(|manners, _| manners.text = Text::KeptAndCut).await;
    let answer = world.send().await;
    assert_eq!(
        (answer.word(), answer.failure().map(|f| f.kind)),
        ("unknown", Some(FailureKind::Broken { stage: Stage::Final }))
    );
    assert_eq!(world.relay.log(|log| log.mails.len()), 1);
}

// AUTH.

#[tokio::test]
async fn the_account_is_shown_once_a_connection_by_plain_or_else_by_login() {
    let both = encoded(&format!("\0đôn đốc\0{PASSWORD}"));
    let (user, password) = (encoded("đôn đốc"), encoded(PASSWORD));
    let by_plain = vec![format!("AUTH PLAIN {both}")];
    let by_login = vec!["AUTH LOGIN".to_owned(), user, password];
    let offers: [(&[&str], &[String]); 3] = [
        (&["AUTH LOGIN PLAIN CRAM-MD5"], &by_plain),
        (&["auth plain"], &by_plain),
        (&["X-PLAIN PLAIN", "AUTH CRAM-MD5 LOGIN", "8BITMIME"], &by_login),
    ];
    for (offered, said) in offers {
        // What is offered in the clear is forgotten.
        let world = World::new(|manners, _| manners.offers = [&["AUTH CRAM-MD5 PLAIN"], offered]).await;
        let mut world = world.logging_in();
        for _ in 0..2 {
            let answer = world.send_bytes(b"Subject: x\r\n\r\n").await;
            assert_eq!(answer.word(), "accepted", "{answer:?}");
        }
        world.relay.log(|log| {
            assert_eq!(log.sealed[1..=said.len()], *said);
            assert_eq!(log.clear, ["EHLO 1022.dongthap.example", "STARTTLS"]);
            let again = log.sealed.iter().filter(|line| line.starts_with("AUTH")).count();
            assert_eq!((again, log.mails.len()), (1, 2));
        });
    }
}

#[tokio::test]
async fn a_refused_account_is_the_relays_trouble_and_no_mails() {
    let cases: [(LoginReply, &str); 3] = [
        (
            |_| "535 5.7.8 sai mật khẩu".to_owned(),
            "login refused: 535 5.7.8 sai mật khẩu",
        ),
        (|_| "454 4.7.0 tạm thời".to_owned(), "login refused: 454 4.7.0 tạm thời"),
        (|_| "354 go on".to_owned(), "senseless answer at login: 354 go on"),
    ];
    for (login, shown) in cases {
        for offered in [&["AUTH PLAIN"], &["AUTH LOGIN"]] {
            let world = World::new(|manners, _| {
                manners.offers[1] = offered;
                manners.login = login;
            });
            assert_eq!(world.await.logging_in().fails().await.to_string(), shown);
        }
    }
}

#[tokio::test]
async fn a_relay_without_auth_is_said_to_have_none() {
    for offered in [&["8BITMIME"], &["AUTH CRAM-MD5"]] {
        let world = World::new(|manners, _| manners.offers = [&["AUTH PLAIN"], offered]).await;
        let why = world.logging_in().fails().await;
        assert_eq!(why.kind, FailureKind::Missing { stage: Stage::Login });
    }
}

#[tokio::test]
async fn the_password_stands_in_no_answer_and_no_value_shown_even_if_the_relay_repeats_it() {
    let echo: [LoginReply; 3] = [
        |line| line.to_owned(),
        |line| format!("535 5.7.8 not good: {line}"),
        |_| format!("535 5.7.8 not good: {PASSWORD}"),
    ];
    for offered in [&["AUTH PLAIN"], &["AUTH LOGIN"]] {
        for login in echo {
            let world = World::new(|manners, _| {
                manners.offers[1] = offered;
                manners.login = login;
            });
            let mut world = world.await.logging_in();
            let why = world.fails().await;
            let shown = format!("{why} {why:?} {:?} {:?}", Smtp::new(&world.settings), world.settings);
            let both = encoded(&format!("\0đôn đốc\0{PASSWORD}"));
            for secret in [PASSWORD, &encoded(PASSWORD), &both] {
                assert!(!shown.contains(secret), "{shown}");
            }
            assert!(
                why.text.contains("***") || why.text == "the server's words are not shown",
                "{why}"
            );
        }
    }
}

// The command.

#[tokio::test(flavor = "multi_thread")]
async fn check_shakes_hands_and_logs_in_by_the_files_and_variables_of_the_configuration() {
    let world = World::new(|_, _| ()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("config");
    let pem = dir.join("ca.pem");
    let dondoc = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dondoc"));
        command
            .args(["check", "--json", "--config"])
            .arg(&dir)
            .env("DONDOC__SMTP__HOST", "localhost")
            .env("DONDOC__SMTP__PORT", world.settings.port.to_string())
            .env("DONDOC__SMTP__TLS", "starttls")
            .env("DONDOC__SMTP__USERNAME", "dondoc")
            .env("DONDOC__SMTP__PASSWORD", PASSWORD);
        command
    };
    let init = Command::new(env!("CARGO_BIN_EXE_dondoc"))
        .arg("init")
        .arg(&dir)
        .output();
    assert!(init.expect("dondoc").status.success());
    std::fs::write(&pem, world.authority.pem()).expect("a file");
    let smtp = |command: &mut Command| {
        let output = command.output().expect("dondoc");
        let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let connections = value["connections"].as_array().expect("connections").clone();
        connections.into_iter().find(|c| c["what"] == "smtp").expect("smtp")
    };
    let own = smtp(dondoc().env("DONDOC__SMTP__CA_FILE", "ca.pem"));
    assert_eq!(own["answers"], true, "{own}");
    let systems = smtp(dondoc().env("SSL_CERT_FILE", &pem));
    assert_eq!(systems["answers"], true, "{systems}");
    let stranger = Authority::new();
    std::fs::write(&pem, stranger.pem()).expect("a file");
    let unknown = smtp(dondoc().env("SSL_CERT_FILE", &pem));
    assert_eq!(unknown["answers"], false);
    assert!(
        unknown["detail"]
            .as_str()
            .is_some_and(|d| d.contains("certificate not trusted")),
        "{unknown}"
    );
    world.relay.log(|log| {
        let both = encoded(&format!("\0dondoc\0{PASSWORD}"));
        assert_eq!(log.sealed[1], format!("AUTH PLAIN {both}"));
        assert_eq!((log.handshakes, log.mails.len()), (2, 0));
    });
}
