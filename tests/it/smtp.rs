//! What the mail channel makes of everything a relay can do, tried against a real server over TCP.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use dondoc::channel::mail::{Mail, build};
use dondoc::channel::smtp::{Connection, Smtp};
use dondoc::channel::{Answer, FailureKind, Stage};
use dondoc::config::settings::{SmtpSettings, SmtpTls};
use dondoc::demo::receiver::{Do, Keep, Receiver, Step};
use futures_util::future::join_all;
use mail_parser::MessageParser;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::Notify;

const FROM: &str = "dondoc@1022.example";
const TEXT: &[u8] = b"Subject: Nhac viec\r\n\r\nCon 3 phieu qua han.\r\n";

/// What a relay answers to EHLO; each story is one of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offers {
    Pipelining,
    NoPipelining,
}

const PLAIN: &[u8] = b"250-relay.example\r\n250 8BITMIME\r\n";

macro_rules! to_both {
    ($($name:ident)+) => {
        mod at_once {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Offers::Pipelining).await;
            })+
        }
        mod one_by_one {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Offers::NoPipelining).await;
            })+
        }
    };
}

to_both! {
    an_accepted_mail_arrives_byte_for_byte_with_its_envelope
    two_thousand_mails_go_over_one_connection_each_once_and_in_order
    a_null_sender_is_an_empty_envelope_address
    replies_of_several_lines_are_one_reply
    a_4xx_to_any_step_is_for_later_and_leaves_the_connection_good
    a_421_to_any_step_is_for_later_and_ends_the_connection
    any_refusal_before_the_mail_is_the_servers_own_trouble_and_for_later
    a_server_that_says_nothing_before_the_text_costs_one_wait_and_is_for_later
    a_connection_that_breaks_before_the_text_is_for_later
    a_relay_that_wants_tls_or_an_account_first_makes_no_mail_dead
    a_connection_that_breaks_before_the_final_dot_is_for_later
    a_server_that_stops_reading_before_the_final_dot_is_for_later
    senseless_answers_before_the_text_are_for_later_and_end_the_connection
    a_5xx_to_the_senders_name_is_the_servers_own_matter_and_for_later
    a_5xx_to_any_later_step_of_the_mail_is_never_and_leaves_the_connection_good
    one_of_two_boxes_that_is_refused_for_good_does_not_keep_the_mail_from_the_other
    one_of_two_boxes_that_is_put_off_puts_off_the_mail
    where_all_boxes_are_refused_the_first_ones_no_is_the_answer
    an_address_no_envelope_can_carry_is_never_without_asking_the_server
    text_outside_ascii_needs_a_server_that_takes_it
    a_mail_that_was_taken_but_whose_answer_is_lost_is_unknown
    a_mail_that_was_lost_with_its_answer_is_unknown_as_well
    a_dropped_send_never_lets_a_later_mail_read_a_wrong_reply
    a_send_that_ran_out_of_time_never_lets_a_later_mail_read_a_wrong_reply
    a_reply_too_many_is_never_taken_for_the_next_one
    a_connection_the_server_closed_while_idle_is_opened_again_unnoticed
    a_server_that_hangs_up_on_every_mail_is_tried_twice_not_for_ever
    if_a_refused_mail_cannot_be_cleared_away_the_next_goes_over_a_new_connection
    a_worker_takes_leave_of_the_server
    a_built_mail_arrives_as_built_and_no_value_becomes_a_header_or_a_command
    the_receiver_numbers_its_files_and_stops_at_its_bounds
    a_stopped_receiver_lets_go_of_idle_and_stalled_connections
}

/// A relay that does what its script says, and one worker's connection to it.
struct World {
    relay: Receiver,
    smtp: Smtp,
    conn: Option<Connection>,
}

impl World {
    async fn new(offers: Offers, script: impl Fn(Step, &str) -> Do + Send + Sync + 'static) -> World {
        World::keeping(offers, Keep::memory(), script).await
    }

    async fn keeping(offers: Offers, keep: Keep, script: impl Fn(Step, &str) -> Do + Send + Sync + 'static) -> World {
        let script = move |step, argument: &str| match (offers, step, script(step, argument)) {
            (Offers::NoPipelining, Step::Ehlo, Do::Go) => Do::Say(PLAIN.to_vec()),
            (_, _, doing) => doing,
        };
        let relay = Receiver::start_scripted(loopback(), keep, script).await.unwrap();
        let smtp = Smtp::new(&settings(relay.address(), 10_000));
        World {
            relay,
            smtp,
            conn: None,
        }
    }

    /// Connections opened from now on wait only a second for an answer instead of far longer than any test takes.
    fn impatient(mut self) -> World {
        self.smtp = Smtp::new(&settings(self.relay.address(), 1_000));
        self
    }

    fn patient(mut self) -> World {
        self.smtp = Smtp::new(&settings(self.relay.address(), 10_000));
        self
    }

    async fn send(&mut self, bytes: &[u8]) -> Answer {
        self.send_to(&["soyte@dongthap.example"], bytes).await
    }

    async fn send_to(&mut self, to: &[&str], bytes: &[u8]) -> Answer {
        let to: Vec<String> = to.iter().map(|&a| a.to_owned()).collect();
        self.smtp.send(&mut self.conn, FROM, &to, bytes).await
    }

    fn texts(&self) -> Vec<String> {
        self.relay
            .received()
            .into_iter()
            .map(|mail| String::from_utf8(mail.bytes).unwrap())
            .collect()
    }
}

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn settings(relay: SocketAddr, millis: i64) -> SmtpSettings {
    SmtpSettings {
        bounces: None,
        host: relay.ip().to_string(),
        port: relay.port(),
        tls: SmtpTls::None,
        authorities: None,
        login: None,
        hello: "1022.dongthap.example".to_owned(),
        connections: 1,
        timeout: TimeDelta::milliseconds(millis),
    }
}

/// Does `doing` at every such step.
fn always(step: Step, doing: Do) -> impl Fn(Step, &str) -> Do + Send + Sync {
    move |at, _| if at == step { doing.clone() } else { Do::Go }
}

/// Does `doing` at the `nth` such step only, counted from 1.
fn at(nth: usize, step: Step, doing: Do) -> impl Fn(Step, &str) -> Do + Send + Sync {
    let seen = AtomicUsize::new(0);
    move |at, _| {
        if at == step && seen.fetch_add(1, Ordering::SeqCst) + 1 == nth {
            doing.clone()
        } else {
            Do::Go
        }
    }
}

/// What the first wants; where it wants nothing, what the second does. Both count every step.
fn both(
    first: impl Fn(Step, &str) -> Do + Send + Sync,
    second: impl Fn(Step, &str) -> Do + Send + Sync,
) -> impl Fn(Step, &str) -> Do + Send + Sync {
    move |step, address| match (first(step, address), second(step, address)) {
        (Do::Go, doing) | (doing, _) => doing,
    }
}

fn reply(code: u16, text: &str) -> Do {
    Do::Reply(code, text.to_owned())
}

fn kind(answer: &Answer) -> Option<FailureKind> {
    answer.failure().map(|f| f.kind)
}

/// The steps a mail takes, and the names they have in answers.
const TRANSACTION: [(Step, Stage); 4] = [
    (Step::Mail, Stage::Mail),
    (Step::Recipient, Stage::Recipient),
    (Step::Data, Stage::Data),
    (Step::Final, Stage::Final),
];

// Accepted.

async fn an_accepted_mail_arrives_byte_for_byte_with_its_envelope(offers: Offers) {
    let mut world = World::new(offers, |_, _| Do::Go).await;
    let answer = world
        .send_to(&["soyte@dongthap.example", "vp@dongthap.example"], TEXT)
        .await;
    assert_eq!(
        answer,
        Answer::Accepted {
            reply: "250 2.0.0 Ok: kept as 1".to_owned(),
            refused: Vec::new(),
        }
    );
    let received = world.relay.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].from, FROM);
    assert_eq!(received[0].to, ["soyte@dongthap.example", "vp@dongthap.example"]);
    assert_eq!(received[0].bytes, TEXT);
}

async fn two_thousand_mails_go_over_one_connection_each_once_and_in_order(offers: Offers) {
    let mut world = World::new(offers, |_, _| Do::Go).await;
    let filler = "Còn 3 phiếu quá hạn. 0123456789012345678901234567890123456789\r\n".repeat(90);
    for n in 0..2000 {
        let answer = world.send(format!("X-N: {n}\r\n\r\n{filler}").as_bytes()).await;
        assert_eq!(answer.word(), "accepted", "{answer:?}");
    }
    assert_eq!(world.relay.connections(), 1);
    let numbers = world
        .texts()
        .iter()
        .map(|t| t.lines().next().unwrap().to_owned())
        .collect::<Vec<_>>();
    assert_eq!(numbers, (0..2000).map(|n| format!("X-N: {n}")).collect::<Vec<_>>());
}

async fn a_null_sender_is_an_empty_envelope_address(offers: Offers) {
    let mut world = World::new(offers, |_, _| Do::Go).await;
    let to = ["soyte@dongthap.example".to_owned()];
    let answer = world.smtp.send(&mut world.conn, "", &to, TEXT).await;
    assert_eq!(answer.word(), "accepted");
    assert_eq!(world.relay.received()[0].from, "");
}

async fn replies_of_several_lines_are_one_reply(offers: Offers) {
    let mut world = World::new(
        offers,
        always(
            Step::Mail,
            Do::Say(b"250-well\r\n250-then\r\n250 2.1.0 Ok\r\n".to_vec()),
        ),
    )
    .await;
    assert_eq!(world.send(TEXT).await.word(), "accepted");
    assert_eq!(world.send(TEXT).await.word(), "accepted");
    assert_eq!(world.relay.connections(), 1);
}

// Later.

#[tokio::test]
async fn when_nobody_listens_it_is_for_later() {
    let (_held, nobody) = crate::failures::nobody();
    let answer = Smtp::new(&settings(nobody, 10_000))
        .send(&mut None, FROM, &["a@b.example".to_owned()], TEXT)
        .await;
    assert_eq!(answer.word(), "later");
    assert_eq!(kind(&answer), Some(FailureKind::Broken { stage: Stage::Connect }));
}

async fn a_4xx_to_any_step_is_for_later_and_leaves_the_connection_good(offers: Offers) {
    for (step, stage) in TRANSACTION {
        let mut world = World::new(offers, at(1, step, reply(451, "4.7.1 xin thử lại sau"))).await;
        let answer = world.send(TEXT).await;
        let Answer::Later { why, not_before: None } = &answer else {
            panic!("{step:?}: {answer:?}")
        };
        assert_eq!(why.kind, FailureKind::Refused { stage });
        assert_eq!(
            (why.code, why.enhanced.as_deref(), why.text.as_str()),
            (Some(451), Some("4.7.1"), "xin thử lại sau")
        );
        assert_eq!(world.relay.count(), 0);
        assert_eq!(world.send(TEXT).await.word(), "accepted", "{step:?}");
        assert_eq!((world.relay.count(), world.relay.connections()), (1, 1), "{step:?}");
    }
}

async fn a_421_to_any_step_is_for_later_and_ends_the_connection(offers: Offers) {
    for (step, stage) in TRANSACTION {
        let mut world = World::new(offers, at(1, step, reply(421, "4.3.2 đang tắt"))).await;
        let answer = world.send(TEXT).await;
        assert_eq!(
            (answer.word(), kind(&answer)),
            ("later", Some(FailureKind::Refused { stage })),
            "{step:?}"
        );
        assert!(world.conn.is_none());
        assert_eq!(world.send(TEXT).await.word(), "accepted");
        assert_eq!((world.relay.count(), world.relay.connections()), (1, 2), "{step:?}");
    }
}

async fn any_refusal_before_the_mail_is_the_servers_own_trouble_and_for_later(offers: Offers) {
    for (step, stage) in [(Step::Greeting, Stage::Greeting), (Step::Ehlo, Stage::Hello)] {
        for code in [421, 450, 502, 550, 554] {
            let mut world = World::new(offers, at(1, step, reply(code, "5.7.1 không nhận"))).await;
            let answer = world.send(TEXT).await;
            assert_eq!(
                (answer.word(), kind(&answer)),
                ("later", Some(FailureKind::Refused { stage })),
                "{code}"
            );
            assert!(world.conn.is_none());
            assert_eq!(world.send(TEXT).await.word(), "accepted");
        }
    }
}

async fn a_server_that_says_nothing_before_the_text_costs_one_wait_and_is_for_later(offers: Offers) {
    let silent = [
        (Step::Greeting, Stage::Greeting),
        (Step::Ehlo, Stage::Hello),
        (Step::Mail, Stage::Mail),
        (Step::Recipient, Stage::Recipient),
        (Step::Data, Stage::Data),
    ];
    join_all(silent.map(async |(step, stage)| {
        let mut world = World::new(offers, at(1, step, Do::Stall)).await.impatient();
        let answer = world.send(TEXT).await;
        assert_eq!(
            (answer.word(), kind(&answer)),
            ("later", Some(FailureKind::Timeout { stage }))
        );
        assert!(world.conn.is_none());
        assert_eq!(world.relay.connections(), 1);
    }))
    .await;
}

async fn a_connection_that_breaks_before_the_text_is_for_later(offers: Offers) {
    let breaks = [
        (Step::Greeting, Stage::Greeting),
        (Step::Ehlo, Stage::Hello),
        (Step::Mail, Stage::Mail),
        (Step::Recipient, Stage::Recipient),
        (Step::Data, Stage::Data),
    ];
    for (step, stage) in breaks {
        for doing in [
            Do::Cut,
            Do::SayAndCut(b"2".to_vec()),
            Do::SayAndCut(b"250-and\r\n".to_vec()),
        ] {
            let mut world = World::new(offers, at(1, step, doing)).await;
            let answer = world.send(TEXT).await;
            assert_eq!(
                (answer.word(), kind(&answer)),
                ("later", Some(FailureKind::Broken { stage }))
            );
            assert!(world.conn.is_none());
            assert_eq!(world.send(TEXT).await.word(), "accepted");
        }
    }
}

async fn a_relay_that_wants_tls_or_an_account_first_makes_no_mail_dead(offers: Offers) {
    for text in [
        "5.7.0 Must issue a STARTTLS command first",
        "5.7.0 Authentication required",
    ] {
        for (step, stage) in TRANSACTION {
            let mut world = World::new(offers, at(1, step, reply(530, text))).await;
            let answer = world.send(TEXT).await;
            assert_eq!(
                (answer.word(), kind(&answer)),
                ("later", Some(FailureKind::Refused { stage })),
                "{step:?}"
            );
            assert!(world.conn.is_none());
            assert_eq!(world.send(TEXT).await.word(), "accepted");
        }
    }
}

/// More than the buffers of two loopback sockets hold, so that the final dot is certainly not sent.
fn endless() -> Vec<u8> {
    let mut bytes = TEXT.to_vec();
    bytes.resize(24 << 20, b'x');
    bytes
}

async fn a_connection_that_breaks_before_the_final_dot_is_for_later(offers: Offers) {
    let mut world = World::new(offers, always(Step::Body, Do::Cut)).await;
    let answer = world.send(&endless()).await;
    assert_eq!(
        (answer.word(), kind(&answer)),
        ("later", Some(FailureKind::Broken { stage: Stage::Body }))
    );
    assert!(world.conn.is_none());
    assert_eq!(world.relay.count(), 0);
}

async fn a_server_that_stops_reading_before_the_final_dot_is_for_later(offers: Offers) {
    let mut world = World::new(offers, always(Step::Body, Do::Stall)).await.impatient();
    let answer = world.send(&endless()).await;
    assert_eq!(
        (answer.word(), kind(&answer)),
        ("later", Some(FailureKind::Timeout { stage: Stage::Body }))
    );
    assert!(world.conn.is_none());
    assert_eq!(world.relay.count(), 0);
}

async fn senseless_answers_before_the_text_are_for_later_and_end_the_connection(offers: Offers) {
    let senseless: [(Step, Stage, &[u8]); 7] = [
        (Step::Greeting, Stage::Greeting, b"SSH-2.0-OpenSSH_9.2\r\n"),
        (Step::Greeting, Stage::Greeting, b"354 go on\r\n"),
        (Step::Mail, Stage::Mail, b"354 go on\r\n"),
        (Step::Mail, Stage::Mail, b"250-one\r\n550 two\r\n"),
        (Step::Recipient, Stage::Recipient, b"\r\n"),
        (Step::Data, Stage::Data, b"250 2.0.0 Ok: queued\r\n"),
        (Step::Data, Stage::Data, &[b'3'; 40_000]),
    ];
    for (step, stage, words) in senseless {
        let mut world = World::new(offers, at(1, step, Do::Say(words.to_vec()))).await;
        let answer = world.send(TEXT).await;
        assert_eq!(
            (answer.word(), kind(&answer)),
            ("later", Some(FailureKind::Garbled { stage })),
            "{answer:?}"
        );
        assert!(world.conn.is_none());
        assert_eq!(world.relay.count(), 0);
    }
}

// Never.

async fn a_5xx_to_the_senders_name_is_the_servers_own_matter_and_for_later(offers: Offers) {
    let mut world = World::new(
        offers,
        at(1, Step::Mail, reply(550, "5.7.60 không được gửi dưới tên này")),
    )
    .await;
    let answer = world.send(TEXT).await;
    let refused = FailureKind::Refused { stage: Stage::Mail };
    assert_eq!((answer.word(), kind(&answer)), ("later", Some(refused)));
    assert_eq!(world.send(TEXT).await.word(), "accepted");
    assert_eq!(world.relay.connections(), 1);
}

async fn a_5xx_to_any_later_step_of_the_mail_is_never_and_leaves_the_connection_good(offers: Offers) {
    for (step, stage) in TRANSACTION.into_iter().filter(|(step, _)| *step != Step::Mail) {
        let mut world = World::new(offers, at(1, step, reply(550, "5.1.1 không có hộp thư này"))).await;
        let answer = world.send(TEXT).await;
        let Answer::Never { why } = &answer else {
            panic!("{step:?}: {answer:?}")
        };
        assert_eq!((why.kind, why.code), (FailureKind::Refused { stage }, Some(550)));
        assert_eq!(
            why.to_string(),
            format!("{stage} refused: 550 5.1.1 không có hộp thư này")
        );
        assert_eq!(world.relay.count(), 0);
        assert_eq!(world.send(TEXT).await.word(), "accepted", "{step:?}");
        assert_eq!((world.relay.count(), world.relay.connections()), (1, 1), "{step:?}");
    }
}

/// A relay at which one of the boxes has this answer.
async fn without_a_box(offers: Offers, code: u16) -> World {
    World::new(offers, move |step, address| match (step, address) {
        (Step::Recipient, "khongco@dongthap.example") => reply(code, "không nhận"),
        _ => Do::Go,
    })
    .await
}

async fn one_of_two_boxes_that_is_refused_for_good_does_not_keep_the_mail_from_the_other(offers: Offers) {
    for boxes in [
        ["khongco@dongthap.example", "soyte@dongthap.example"],
        ["soyte@dongthap.example", "khongco@dongthap.example"],
    ] {
        let mut world = without_a_box(offers, 550).await;
        let answer = world.send_to(&boxes, TEXT).await;
        let Answer::Accepted { refused, .. } = &answer else {
            panic!("{answer:?}")
        };
        let refused: Vec<_> = refused.iter().map(|(a, why)| format!("{a}: {why}")).collect();
        assert_eq!(refused, ["khongco@dongthap.example: recipient refused: 550 không nhận"]);
        let received = world.relay.received();
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].to, ["soyte@dongthap.example"]);
        assert_eq!(world.send_to(&["vp@dongthap.example"], TEXT).await.word(), "accepted");
        assert_eq!(world.relay.received()[1].to, ["vp@dongthap.example"]);
        assert_eq!(world.relay.connections(), 1);
    }
}

async fn one_of_two_boxes_that_is_put_off_puts_off_the_mail(offers: Offers) {
    let mut world = without_a_box(offers, 450).await;
    let both = ["soyte@dongthap.example", "khongco@dongthap.example"];
    let answer = world.send_to(&both, TEXT).await;
    let stage = Stage::Recipient;
    let refused = Some(FailureKind::Refused { stage });
    assert_eq!((answer.word(), kind(&answer)), ("later", refused));
    assert_eq!(world.relay.count(), 0);
    assert_eq!(world.send_to(&["vp@dongthap.example"], TEXT).await.word(), "accepted");
    assert_eq!(
        world.relay.received()[0].to,
        ["vp@dongthap.example"],
        "nobody is left over from the refused mail"
    );
    // Who agreed to DATA at once waits for a text, which would reach the other box: it is left.
    let connections = match offers {
        Offers::Pipelining => 2,
        Offers::NoPipelining => 1,
    };
    assert_eq!(world.relay.connections(), connections);
}

#[tokio::test]
async fn who_agrees_to_a_text_though_all_boxes_are_refused_gets_none() {
    let refused = Do::Say(b"550 5.1.1 no such box\r\n".to_vec());
    let mut world = World::new(Offers::Pipelining, at(1, Step::Recipient, refused)).await;
    assert_eq!(world.send(TEXT).await.word(), "never");
    assert_eq!(world.relay.count(), 0, "not even an empty mail");
    assert_eq!(world.send(TEXT).await.word(), "accepted");
    assert_eq!((world.relay.count(), world.relay.connections()), (1, 2));
}

#[tokio::test]
async fn a_relay_with_pipelining_has_sender_recipients_and_data_before_it_answers() {
    let listener = tokio::net::TcpListener::bind(loopback()).await.unwrap();
    let address = listener.local_addr().unwrap();
    // It says nothing to one command alone.
    let relay = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut heard = Vec::new();
        stream.write_all(b"220 relay.example\r\n").await.unwrap();
        let turns: [(&[u8], &[u8]); 4] = [
            (b"example\r\n", b"250-relay.example\r\n250 PIPELINING\r\n"),
            (
                b"DATA\r\n",
                b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.1.5 Ok\r\n354 go on\r\n",
            ),
            (b"\r\n.\r\n", b"250 2.0.0 Ok\r\n"),
            (b"QUIT\r\n", b"221 2.0.0 Bye\r\n"),
        ];
        for (until, answer) in turns {
            let from = heard.len();
            while !heard[from..].ends_with(until) {
                heard.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer).await.unwrap();
        }
        String::from_utf8(heard).unwrap()
    };
    let smtp = Smtp::new(&settings(address, 10_000));
    let sending = async {
        let mut conn = None;
        let to = ["soyte@dongthap.example", "vp@dongthap.example"].map(str::to_owned);
        let answer = smtp.send(&mut conn, FROM, &to, TEXT).await;
        smtp.quit(&mut conn).await;
        answer
    };
    let (heard, answer) = tokio::join!(relay, sending);
    assert_eq!(answer.word(), "accepted");
    let text = String::from_utf8(TEXT.to_vec()).unwrap();
    assert_eq!(
        heard,
        format!(
            "EHLO 1022.dongthap.example\r\nMAIL FROM:<{FROM}>\r\nRCPT TO:<soyte@dongthap.example>\r\n\
             RCPT TO:<vp@dongthap.example>\r\nDATA\r\n{text}.\r\nQUIT\r\n"
        )
    );
}

async fn where_all_boxes_are_refused_the_first_ones_no_is_the_answer(offers: Offers) {
    let mut world = World::new(offers, at(1, Step::Recipient, reply(550, "5.1.1 không có"))).await;
    let answer = world.send_to(&["khongco@dongthap.example"], TEXT).await;
    assert_eq!(answer.word(), "never");
    assert_eq!(world.relay.count(), 0);
}

async fn an_address_no_envelope_can_carry_is_never_without_asking_the_server(offers: Offers) {
    let mut world = World::new(offers, |_, _| Do::Go).await;
    for bad in [
        "sởytế@dongthap.example",
        "a@đồngtháp.example",
        "a@b.example>\r\nDATA",
        "soyte",
        "",
    ] {
        let answer = world.send_to(&["vp@dongthap.example", bad], TEXT).await;
        assert_eq!(
            (answer.word(), kind(&answer)),
            ("never", Some(FailureKind::Unsendable)),
            "{bad}"
        );
    }
    assert_eq!(world.send_to(&[], TEXT).await.word(), "never");
    assert_eq!(world.relay.connections(), 0);
}

async fn text_outside_ascii_needs_a_server_that_takes_it(offers: Offers) {
    let text = "Subject: x\r\n\r\nCòn 3 phiếu quá hạn.\r\n".as_bytes();
    let mut world = World::new(offers, |_, _| Do::Go).await;
    assert_eq!(world.send(text).await.word(), "accepted");
    assert_eq!(world.relay.received()[0].bytes, text);

    let mut world = World::new(offers, always(Step::Ehlo, Do::Say(b"250 dondoc-demo\r\n".to_vec()))).await;
    let answer = world.send(text).await;
    assert_eq!((answer.word(), kind(&answer)), ("never", Some(FailureKind::Unsendable)));
    assert_eq!(world.send(TEXT).await.word(), "accepted");
    assert_eq!((world.relay.count(), world.relay.connections()), (1, 1));
}

// Unknown.

async fn a_mail_that_was_taken_but_whose_answer_is_lost_is_unknown(offers: Offers) {
    let lost = [
        (Do::KeepAndCut, FailureKind::Broken { stage: Stage::Final }),
        (Do::KeepAndStall, FailureKind::Timeout { stage: Stage::Final }),
        (
            Do::SayAndCut(b"25".to_vec()),
            FailureKind::Broken { stage: Stage::Final },
        ),
        (
            Do::SayAndCut(b"250-2.0.0 Ok\r\n".to_vec()),
            FailureKind::Broken { stage: Stage::Final },
        ),
        (
            Do::Say(b"Ok\r\n".to_vec()),
            FailureKind::Garbled { stage: Stage::Final },
        ),
        (
            Do::Say(b"354 go on\r\n".to_vec()),
            FailureKind::Garbled { stage: Stage::Final },
        ),
    ];
    for (doing, expected) in lost {
        let mut world = World::new(offers, at(1, Step::Final, doing.clone())).await.impatient();
        let answer = world.send(TEXT).await;
        assert_eq!((answer.word(), kind(&answer)), ("unknown", Some(expected)), "{doing:?}");
        assert!(world.conn.is_none());
        assert_eq!(world.relay.count(), 1, "{doing:?}");
    }
}

async fn a_mail_that_was_lost_with_its_answer_is_unknown_as_well(offers: Offers) {
    for doing in [Do::Cut, Do::Stall] {
        let mut world = World::new(offers, always(Step::Final, doing)).await.impatient();
        assert_eq!(world.send(TEXT).await.word(), "unknown");
        assert_eq!(world.relay.count(), 0);
    }
    // A short text has left with its dot in one write, so a break while the server reads it is unknown too.
    let mut world = World::new(offers, always(Step::Body, Do::Cut)).await;
    assert_eq!(world.send(TEXT).await.word(), "unknown");
}

// Connections.

async fn a_dropped_send_never_lets_a_later_mail_read_a_wrong_reply(offers: Offers) {
    for (step, _) in TRANSACTION {
        let reached = Arc::new(Notify::new());
        let seen = Arc::clone(&reached);
        // The second mail is the one refused; the first reaches its final dot only if that is where it stalls.
        let refused_final = if step == Step::Final { 2 } else { 1 };
        let script = both(
            at(1, step, Do::Stall),
            at(refused_final, Step::Final, reply(550, "5.6.0 bị từ chối")),
        );
        let mut world = World::new(offers, move |now, address| {
            let doing = script(now, address);
            if doing == Do::Stall {
                seen.notify_one();
            }
            doing
        })
        .await;
        tokio::select! {
            answer = world.send(b"Subject: one\r\n\r\n") => panic!("the server answered: {answer:?}"),
            () = reached.notified() => {}
        }
        assert!(world.conn.is_none(), "{step:?}");
        assert_eq!(world.send(b"Subject: two\r\n\r\n").await.word(), "never", "{step:?}");
        assert_eq!(
            world.send(b"Subject: three\r\n\r\n").await.word(),
            "accepted",
            "{step:?}"
        );
        assert_eq!(world.texts(), ["Subject: three\r\n\r\n"]);
    }
}

async fn a_send_that_ran_out_of_time_never_lets_a_later_mail_read_a_wrong_reply(offers: Offers) {
    let script = both(
        at(1, Step::Final, Do::KeepAndStall),
        at(2, Step::Final, reply(550, "bị từ chối")),
    );
    let mut world = World::new(offers, script).await.impatient();
    assert_eq!(world.send(b"Subject: one\r\n\r\n").await.word(), "unknown");
    let mut world = world.patient();
    assert_eq!(world.send(b"Subject: two\r\n\r\n").await.word(), "never");
    assert_eq!(world.send(b"Subject: three\r\n\r\n").await.word(), "accepted");
    assert_eq!(world.texts(), ["Subject: one\r\n\r\n", "Subject: three\r\n\r\n"]);
}

async fn a_reply_too_many_is_never_taken_for_the_next_one(offers: Offers) {
    let twice = Do::Say(b"250 2.1.0 Ok\r\n250 2.1.0 Ok\r\n".to_vec());
    for step in [Step::Mail, Step::Recipient] {
        let mut world = World::new(offers, at(1, step, twice.clone())).await;
        let answer = world.send(TEXT).await;
        assert_eq!(answer.word(), "later");
        assert!(matches!(kind(&answer), Some(FailureKind::Garbled { .. })), "{answer:?}");
        assert_eq!(world.relay.count(), 0);
        assert!(world.conn.is_none());
    }
    let mut world = World::new(
        offers,
        at(1, Step::Data, Do::Say(b"354 go on\r\n250 2.0.0 Ok\r\n".to_vec())),
    )
    .await;
    assert_eq!(world.send(TEXT).await.word(), "later", "the 250 came before the text");

    let mut world = World::new(offers, at(1, Step::Final, twice)).await;
    assert_eq!(world.send(TEXT).await.word(), "accepted");
    assert_eq!(world.send(TEXT).await.word(), "accepted");
    assert_eq!(
        (world.relay.count(), world.relay.connections()),
        (2, 2),
        "the stray reply went with its connection"
    );
}

async fn a_connection_the_server_closed_while_idle_is_opened_again_unnoticed(offers: Offers) {
    let ends = [
        at(1, Step::Final, Do::SayAndCut(b"250 2.0.0 Ok\r\n".to_vec())),
        at(
            1,
            Step::Final,
            Do::SayAndCut(b"250 2.0.0 Ok\r\n421 4.4.2 idle\r\n".to_vec()),
        ),
        at(2, Step::Mail, Do::Cut),
        at(2, Step::Mail, reply(421, "4.4.2 idle")),
    ];
    for script in ends {
        let mut world = World::new(offers, script).await;
        for _ in 0..3 {
            let answer = world.send(TEXT).await;
            assert_eq!(answer.word(), "accepted", "{answer:?}");
        }
        assert_eq!((world.relay.count(), world.relay.connections()), (3, 2));
    }
}

async fn a_server_that_hangs_up_on_every_mail_is_tried_twice_not_for_ever(offers: Offers) {
    let seen = AtomicUsize::new(0);
    let script = move |step, _: &str| match step {
        Step::Mail if seen.fetch_add(1, Ordering::SeqCst) > 0 => Do::Cut,
        _ => Do::Go,
    };
    let mut world = World::new(offers, script).await;
    assert_eq!(world.send(TEXT).await.word(), "accepted");
    let answer = world.send(TEXT).await;
    assert_eq!(
        (answer.word(), kind(&answer)),
        ("later", Some(FailureKind::Broken { stage: Stage::Mail }))
    );
    assert_eq!(world.relay.connections(), 2);
}

async fn if_a_refused_mail_cannot_be_cleared_away_the_next_goes_over_a_new_connection(offers: Offers) {
    for doing in [reply(502, "no"), Do::Cut, Do::Say(b"no\r\n".to_vec())] {
        let script = both(at(1, Step::Recipient, reply(550, "no")), always(Step::Reset, doing));
        let mut world = World::new(offers, script).await;
        assert_eq!(world.send(TEXT).await.word(), "never");
        assert_eq!(world.send(TEXT).await.word(), "accepted");
        assert_eq!(world.relay.connections(), 2);
    }
}

async fn a_worker_takes_leave_of_the_server(offers: Offers) {
    let quits = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&quits);
    let mut world = World::new(offers, move |step, _| {
        seen.fetch_add(usize::from(step == Step::Quit), Ordering::SeqCst);
        Do::Go
    })
    .await;
    assert_eq!(world.send(TEXT).await.word(), "accepted");
    world.smtp.quit(&mut world.conn).await;
    assert!(world.conn.is_none());
    assert_eq!(quits.load(Ordering::SeqCst), 1);
    world.smtp.quit(&mut world.conn).await;
}

// What travels.

/// What a text must be on the other side: the same, with every line end a CRLF.
fn canonical(bytes: &[u8]) -> Vec<u8> {
    let text = bytes.iter().map(|&b| b as char).collect::<String>();
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    let whole = if lines.is_empty() || lines.ends_with('\n') {
        lines
    } else {
        lines + "\n"
    };
    whole
        .replace('\n', "\r\n")
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect()
}

#[test]
fn whatever_dots_and_line_ends_a_text_has_it_arrives_whole_and_as_one_mail() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let world = runtime.block_on(World::new(Offers::Pipelining, |_, _| Do::Go));
    let world = std::cell::RefCell::new(world);
    let nasty: [&[u8]; 10] = [
        b".",
        b"..",
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n.\r\n",
        b"\n.\n",
        b"\r\n.\r\nQUIT\r\n",
        b"a",
        b"\xff\x00",
    ];
    let nasty = prop::sample::select(nasty.to_vec());
    let texts = prop::collection::vec(nasty, 0..40).prop_map(|pieces| pieces.concat());
    TestRunner::default()
        .run(&texts, |text| {
            let world = &mut *world.borrow_mut();
            let before = world.relay.count();
            let answer = runtime.block_on(world.send(&text));
            prop_assert_eq!(answer.word(), "accepted");
            prop_assert_eq!(world.relay.count(), before + 1);
            let arrived = world.relay.received().pop().map(|mail| mail.bytes).unwrap_or_default();
            prop_assert_eq!(&arrived, &canonical(&text));
            Ok(())
        })
        .unwrap();
    assert_eq!(world.borrow().relay.connections(), 1);
}

async fn a_built_mail_arrives_as_built_and_no_value_becomes_a_header_or_a_command(offers: Offers) {
    let to = ["soyte@dongthap.example".to_owned()];
    let subject = "Đôn đốc: ế ữ đ ".repeat(14);
    let attack = "Sở Y tế\r\n.\r\nMAIL FROM:<ai@do.example>\r\nBcc: ai@do.example";
    let bytes = build(&Mail {
        message_id: "01890a5d-ac96-774b-bcce-b302099a8057",
        domain: "1022.dongthap.example",
        from_name: "Tổng đài 1022",
        from_address: FROM,
        to: &to,
        to_name: attack,
        reply_to: None,
        subject: &subject,
        date: "2021-08-30T08:00:05Z".parse::<DateTime<Utc>>().unwrap(),
        offset: FixedOffset::east_opt(7 * 3600).unwrap(),
        in_reply_to: None,
        references: &[],
        text: "Kính gửi Sở Y tế,\n.\n..\nMAIL FROM:<ai@do.example>\n",
        html: "<p>\n.\nKính gửi</p>",
        attachments: &[],
        headers: &[("X-Dondoc-Unit".to_owned(), attack.to_owned())],
    })
    .unwrap();
    let mut world = World::new(offers, |_, _| Do::Go).await;
    assert_eq!(world.send(&bytes).await.word(), "accepted");
    let received = world.relay.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].to, to);
    assert_eq!(received[0].bytes, bytes);
    let read = MessageParser::default().parse(&received[0].bytes).unwrap();
    assert_eq!(read.subject(), Some(subject.trim()));
    assert!(subject.trim().chars().count() > 200 && read.bcc().is_none());
    assert_eq!(
        read.body_text(0).unwrap(),
        "Kính gửi Sở Y tế,\r\n.\r\n..\r\nMAIL FROM:<ai@do.example>\r\n"
    );
}

// The receiver itself.

async fn the_receiver_numbers_its_files_and_stops_at_its_bounds(offers: Offers) {
    let folder = tempfile::tempdir().unwrap();
    let keep = Keep {
        memory: true,
        most: 2,
        largest: 100,
        ..Keep::folder(folder.path().to_owned())
    };
    let mut world = World::keeping(offers, keep, |_, _| Do::Go).await;
    assert_eq!(world.send(TEXT).await.word(), "accepted");
    assert_eq!(
        kind(&world.send(&[b'x'; 101]).await),
        Some(FailureKind::Refused { stage: Stage::Final })
    );
    assert_eq!(world.send(b"two\r\n").await.word(), "accepted");
    assert_eq!(world.send(b"three\r\n").await.failure().and_then(|f| f.code), Some(452));
    assert_eq!(std::fs::read(folder.path().join("00001.eml")).unwrap(), TEXT);
    assert_eq!(std::fs::read(folder.path().join("00002.eml")).unwrap(), b"two\r\n");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    assert_eq!(
        (
            world.relay.count(),
            world.relay.received().len(),
            world.relay.connections()
        ),
        (2, 2, 1)
    );
}

async fn a_stopped_receiver_lets_go_of_idle_and_stalled_connections(offers: Offers) {
    let mut world = World::new(offers, at(1, Step::Mail, Do::Stall)).await.impatient();
    assert_eq!(world.send(TEXT).await.word(), "later");
    let mut world = world.patient();
    assert_eq!(world.send(TEXT).await.word(), "accepted");
    let World { relay, smtp, mut conn } = world;
    relay.stop().await;
    let answer = smtp.send(&mut conn, FROM, &["a@b.example".to_owned()], TEXT).await;
    assert_eq!(
        (answer.word(), kind(&answer)),
        ("later", Some(FailureKind::Broken { stage: Stage::Connect }))
    );
}
