//! Mails that come back: the sender of each mail of ours names it and is signed, and what arrives there is told apart.
//!
//! A sender is `LOCAL+TOKEN@DOMAIN`; the token is the message's id and a signature that nobody else can make, so that
//! whoever did not get a mail of ours cannot have its address given up. Pure; the box is read in [`super::maildir`].

use hmac::{Hmac, KeyInit as _, Mac as _};
use mail_parser::{Message, MessageParser, MimeHeaders as _, PartType};
use sha2::Sha256;
use uuid::Uuid;

/// Bytes of the signature: 64 bits that can only be tried by mail.
const SIGNATURE: usize = 8;

/// Characters of a token: the id, then the signature, in hexadecimal.
const TOKEN: usize = 2 * (16 + SIGNATURE);

/// Headers in which a server says to which address it delivered; `To` is what the sender of the bounce wrote.
const DELIVERED_TO: [&str; 5] = ["X-Original-To", "Delivered-To", "Envelope-To", "X-Envelope-To", "To"];

/// Longest text of a report that is kept.
const MOST_DETAIL: usize = 300;

/// The senders of our mails.
#[derive(Debug, Clone)]
pub struct Senders {
    local: String,
    domain: String,
    key: Hmac<Sha256>,
}

impl Senders {
    /// Senders at an address; `None` where the key is empty or the address is none.
    #[must_use]
    pub fn new(address: &str, key: &str) -> Option<Senders> {
        let (local, domain) = address.split_once('@')?;
        Some(Senders {
            local: local.to_owned(),
            domain: domain.to_owned(),
            key: Hmac::new_from_slice(key.as_bytes()).ok().filter(|_| !key.is_empty())?,
        })
    }

    /// The sender of a message; `None` for an id that is no UUID.
    #[must_use]
    pub fn of(&self, message: &str) -> Option<String> {
        let id = Uuid::parse_str(message).ok()?;
        let mut token = id.simple().to_string();
        for byte in self.signature(id).finalize().into_bytes().iter().take(SIGNATURE) {
            token.push_str(&format!("{byte:02x}"));
        }
        Some(format!("{}+{token}@{}", self.local, self.domain))
    }

    /// The message whose sender an address is; `None` where the signature is not ours.
    fn message(&self, address: &str) -> Option<String> {
        let (local, domain) = address.rsplit_once('@')?;
        let (ours, token) = local.rsplit_once('+')?;
        // On their way addresses may change their case.
        let is_ours = ours.eq_ignore_ascii_case(&self.local) && domain.eq_ignore_ascii_case(&self.domain);
        if !is_ours || token.len() != TOKEN || !token.is_ascii() {
            return None;
        }
        let (id, signature) = token.split_at(32);
        let id = Uuid::parse_str(id).ok()?;
        let bytes = (0..SIGNATURE).map(|n| u8::from_str_radix(signature.get(2 * n..2 * n + 2)?, 16).ok());
        let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
        self.signature(id).verify_truncated_left(&bytes).ok()?;
        Some(id.to_string())
    }

    fn signature(&self, id: Uuid) -> Hmac<Sha256> {
        let mut mac = self.key.clone();
        mac.update(id.as_bytes());
        mac
    }
}

/// What arrived at the address of a message of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// The message's id.
    pub message: String,
    pub what: What,
}

/// What a mail is that arrived there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It was not delivered, and will not be: to these, as far as the report names them.
    Failed(Vec<Failed>),
    /// It is still being tried, or arrived: a report that asks for nothing.
    Underway,
    /// Written by a program for somebody who is away.
    AutoReply,
    /// Something else; somebody may have answered to the wrong address.
    Other,
}

/// One address that a mail did not reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Lower case; `None` where the report does not say.
    pub address: Option<String>,
    /// The server says that it always will be so (5.x.x); else it gave up after what might have passed.
    pub is_permanent: bool,
    /// The report's words, in one line.
    pub detail: String,
}

/// Why a mail cannot be taken for anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOurs {
    #[error("it cannot be read as a mail")]
    Unreadable,
    #[error("it is to none of the senders of our mails, or its signature is not ours")]
    NoToken,
}

/// Reads what arrived.
///
/// # Errors
/// What is no mail, or is not to a sender of ours.
pub fn read(bytes: &[u8], senders: &Senders) -> Result<Returned, NotOurs> {
    let mail = MessageParser::default().parse(bytes).ok_or(NotOurs::Unreadable)?;
    let message = message_of(&mail, senders).ok_or(NotOurs::NoToken)?;
    let what = what(&mail);
    Ok(Returned { message, what })
}

fn message_of(mail: &Message<'_>, senders: &Senders) -> Option<String> {
    DELIVERED_TO.iter().find_map(|name| {
        let headers = mail
            .headers_raw()
            .filter(|(header, _)| header.eq_ignore_ascii_case(name));
        let mut words = headers.flat_map(|(_, value)| {
            value.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';' | '"' | '(' | ')'))
        });
        words.find_map(|word| senders.message(word))
    })
}

fn what(mail: &Message<'_>) -> What {
    if let Some(report) = report(mail) {
        let failed = failed(&report);
        return if failed.is_empty() {
            What::Underway
        } else {
            What::Failed(failed)
        };
    }
    // Some servers still write in words only, as programs that reply do. Words never say for good.
    let named = failed_recipients(mail);
    if !named.is_empty() || is_from_a_server(mail) {
        if named.is_empty() && is_of_a_delay(mail) {
            return What::Underway;
        }
        let failed = |address| Failed {
            address,
            is_permanent: false,
            detail: one_line(&mail.body_text(0).unwrap_or_default()),
        };
        return What::Failed(match named.is_empty() {
            true => vec![failed(None)],
            false => named.into_iter().map(|address| failed(Some(address))).collect(),
        });
    }
    match is_auto_reply(mail) {
        true => What::AutoReply,
        false => What::Other,
    }
}

/// The addresses in `X-Failed-Recipients`, which Exim writes where it has given up.
fn failed_recipients(mail: &Message<'_>) -> Vec<String> {
    let of_name = mail
        .headers_raw()
        .filter(|(name, _)| name.eq_ignore_ascii_case("X-Failed-Recipients"));
    of_name
        .flat_map(|(_, value)| value.split([',', ' ', '\r', '\n', '\t']))
        .filter_map(address)
        .collect()
}

/// A server says in words that it goes on trying.
fn is_of_a_delay(mail: &Message<'_>) -> bool {
    let subject = mail.subject().unwrap_or_default().to_lowercase();
    subject.contains("delay") || subject.starts_with("warning")
}

/// The machine's part of a report, its fields unfolded.
fn report(mail: &Message<'_>) -> Option<String> {
    let is_report = |subtype: Option<&str>| {
        subtype.is_some_and(|s| {
            s.eq_ignore_ascii_case("delivery-status") || s.eq_ignore_ascii_case("global-delivery-status")
        })
    };
    let part = mail.parts.iter().find(|part| {
        part.content_type()
            .is_some_and(|kind| kind.ctype().eq_ignore_ascii_case("message") && is_report(kind.subtype()))
    })?;
    let text = match &part.body {
        PartType::Text(text) | PartType::Html(text) => text.to_string(),
        _ => String::from_utf8_lossy(part.contents()).into_owned(),
    };
    let text = text.replace("\r\n", "\n");
    Some(text.replace("\n ", " ").replace("\n\t", " "))
}

/// The recipients that a report says were not reached.
fn failed(report: &str) -> Vec<Failed> {
    let groups = report.split("\n\n").map(|group| {
        let fields = group.lines().filter_map(|line| line.split_once(':'));
        fields
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim()))
            .collect::<Vec<_>>()
    });
    groups
        .filter_map(|fields| {
            let of = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| *value);
            if !of("action")?.eq_ignore_ascii_case("failed") {
                return None;
            }
            // As it was given to us comes before what a server made of it.
            let recipient = of("original-recipient").or_else(|| of("final-recipient"));
            let (status, said) = (of("status"), of("diagnostic-code"));
            let words: Vec<&str> = [status, said].into_iter().flatten().collect();
            Some(Failed {
                address: recipient.and_then(address),
                // A report that does not say so is no reason to write to nobody there for a month.
                is_permanent: status.is_some_and(|status| status.starts_with('5')),
                detail: one_line(&words.join(" ")),
            })
        })
        .collect()
}

/// The address of `rfc822; someone@example`.
fn address(field: &str) -> Option<String> {
    let address = field.rsplit(';').next()?.trim().trim_matches(['<', '>']);
    address.contains('@').then(|| address.to_ascii_lowercase())
}

fn is_auto_reply(mail: &Message<'_>) -> bool {
    let header = |name: &str| {
        let of_name = mail.headers_raw().find(|(header, _)| header.eq_ignore_ascii_case(name));
        of_name.map(|(_, value)| value.trim().to_ascii_lowercase())
    };
    let subject = mail.subject().unwrap_or_default().to_lowercase();
    let away = [
        "out of office",
        "automatic reply",
        "auto:",
        "autoreply",
        "trả lời tự động",
        "vắng mặt",
    ];
    header("Auto-Submitted").is_some_and(|value| !value.starts_with("no"))
        || header("X-Autoreply").is_some()
        || header("X-Autorespond").is_some()
        || header("Precedence").is_some_and(|value| value.starts_with("auto"))
        || away.iter().any(|words| subject.starts_with(words))
}

fn is_from_a_server(mail: &Message<'_>) -> bool {
    let from = mail
        .from()
        .and_then(|from| from.first())
        .and_then(|from| from.address());
    let local = from
        .and_then(|from| from.split_once('@'))
        .map_or("", |(local, _)| local);
    ["mailer-daemon", "postmaster"]
        .iter()
        .any(|name| local.eq_ignore_ascii_case(name))
}

fn one_line(text: &str) -> String {
    let words = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(MOST_DETAIL).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "017b4c42-0400-7561-9971-031f45ffcfb9";

    fn senders() -> Senders {
        Senders::new("bounces@1022.tinh.example", "a key").expect("senders")
    }

    fn mail(headers: &str, body: &str) -> Vec<u8> {
        let to = senders().of(ID).expect("a sender");
        format!("Return-Path: <>\nDelivered-To: {to}\n{headers}\n\n{body}").into_bytes()
    }

    fn dsn(action: &str, status: &str) -> Vec<u8> {
        let headers = "From: MAILER-DAEMON@mail.tinh.example (Mail Delivery System)\nTo: x@1022.tinh.example\n\
            Subject: Undelivered Mail Returned to Sender\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n\
            Content-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"B.1/mail.tinh.example\"";
        let body = format!(
            "This is a MIME-encapsulated message.\n\n--B.1/mail.tinh.example\nContent-Description: Notification\n\
             Content-Type: text/plain; charset=us-ascii\n\nI'm sorry.\n\n--B.1/mail.tinh.example\nContent-Description: Delivery report\n\
             Content-Type: message/delivery-status\n\nReporting-MTA: dns; mail.tinh.example\nX-Postfix-Queue-ID: 12\n\
             Arrival-Date: Mon,  6 Sep 2021 08:00:00 +0700 (ICT)\n\nFinal-Recipient: rfc822; SYT@tinh.example\n\
             Original-Recipient: rfc822;syt@tinh.example\nAction: {action}\nStatus: {status}\nRemote-MTA: dns; mx.tinh.example\n\
             Diagnostic-Code: smtp; 550 5.1.1 <syt@tinh.example>: Recipient address\n    rejected: User unknown\n\n\
             --B.1/mail.tinh.example\nContent-Description: Undelivered Message\nContent-Type: message/rfc822\n\n\
             From: nhacviec@tinh.example\nSubject: x\n\ntext\n\n--B.1/mail.tinh.example--\n"
        );
        mail(headers, &body)
    }

    fn what_of(bytes: &[u8]) -> What {
        let returned = read(bytes, &senders()).expect("ours");
        assert_eq!(returned.message, ID);
        returned.what
    }

    #[test]
    fn a_sender_names_its_message_and_fits_into_an_address() {
        let sender = senders().of(ID).expect("a sender");
        let (local, _) = sender.split_once('@').expect("an address");
        assert!(local.len() <= 64, "{sender}");
        assert_eq!(senders().message(&sender.to_uppercase()).as_deref(), Some(ID));
    }

    #[test]
    fn only_a_report_that_says_so_is_of_a_failure_for_good() {
        let is_permanent = |bytes: &[u8]| match what_of(bytes) {
            What::Failed(failed) => failed.iter().map(|f| f.is_permanent).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(is_permanent(&dsn("failed", "5.1.1")), [true]);
        assert_eq!(is_permanent(&dsn("failed", "4.4.1")), [false]);
        let text = String::from_utf8(dsn("failed", "5.1.1")).expect("text");
        assert_eq!(is_permanent(text.replace("Status: 5.1.1\n", "").as_bytes()), [false]);
    }

    #[test]
    fn a_token_that_is_not_ours_names_nothing() {
        let other = Senders::new("bounces@1022.tinh.example", "another key").expect("senders");
        let forged = other.of(ID).expect("a sender");
        assert_eq!(senders().message(&forged), None);
        let ours = senders().of(ID).expect("a sender");
        for wrong in [
            ours.replace("cfb9", "cfb8"),
            ours.replace("+", "-"),
            ours.replace("1022.", ""),
            ours.replacen('0', "", 1),
        ] {
            assert_eq!(senders().message(&wrong), None, "{wrong}");
        }
        let bytes = format!("To: {forged}\nFrom: mailer-daemon@x.example\n\nfailed");
        assert_eq!(read(bytes.as_bytes(), &senders()), Err(NotOurs::NoToken));
    }

    #[test]
    fn a_report_of_failure_names_address_and_reason() {
        let failed = |is_permanent, status: &str| {
            What::Failed(vec![Failed {
                address: Some("syt@tinh.example".to_owned()),
                is_permanent,
                detail: format!(
                    "{status} smtp; 550 5.1.1 <syt@tinh.example>: Recipient address rejected: User unknown"
                ),
            }])
        };
        assert_eq!(what_of(&dsn("failed", "5.1.1")), failed(true, "5.1.1"));
        assert_eq!(what_of(&dsn("Failed", "4.4.1")), failed(false, "4.4.1"));
    }

    #[test]
    fn what_is_still_tried_or_has_arrived_is_no_failure() {
        for action in ["delayed", "delivered", "relayed", "expanded"] {
            assert_eq!(what_of(&dsn(action, "4.4.1")), What::Underway, "{action}");
        }
    }

    #[test]
    fn who_is_away_has_got_it_and_a_person_who_answers_is_left_to_people() {
        let from = "From: Văn thư <syt@tinh.example>";
        for headers in [
            format!("{from}\nAuto-Submitted: auto-replied (vacation)\nSubject: Re: x"),
            format!("{from}\nSubject: Out of Office: x"),
            format!("{from}\nSubject: =?utf-8?q?Tr=E1=BA=A3_l=E1=BB=9Di_t=E1=BB=B1_=C4=91=E1=BB=99ng?="),
            format!("{from}\nPrecedence: auto_reply\nSubject: x"),
        ] {
            assert_eq!(what_of(&mail(&headers, "away")), What::AutoReply, "{headers}");
        }
        assert_eq!(what_of(&mail(&format!("{from}\nSubject: Re: x"), "yes")), What::Other);
    }

    #[test]
    fn a_server_that_writes_in_words_only_is_understood() {
        let What::Failed(failed) = what_of(&mail(
            "From: MAILER-DAEMON@old.example\nSubject: failure notice",
            "Hi.\nno mailbox\n",
        )) else {
            panic!("a failure")
        };
        assert_eq!(failed[0].address, None);
        assert_eq!(failed[0].detail, "Hi. no mailbox");
        assert!(!failed[0].is_permanent, "nothing says so but words");
    }

    #[test]
    fn a_server_that_calls_its_words_a_reply_is_no_absence() {
        let exim = "From: Mail Delivery System <Mailer-Daemon@old.example>\nAuto-Submitted: auto-replied\n\
                    Subject: Mail delivery failed: returning message to sender";
        let failed = |address: Option<&str>| {
            What::Failed(vec![Failed {
                address: address.map(str::to_owned),
                is_permanent: false,
                detail: "no mailbox".to_owned(),
            }])
        };
        assert_eq!(what_of(&mail(exim, "no mailbox")), failed(None));
        let named = format!("{exim}\nX-Failed-Recipients: SYT@tinh.example");
        assert_eq!(what_of(&mail(&named, "no mailbox")), failed(Some("syt@tinh.example")));
        for subject in [
            "Warning: could not send message for past 4 hours",
            "Warning: message 1mN delayed 24 hours",
            "Delivery Delayed: Báo cáo",
        ] {
            let delayed = format!("From: MAILER-DAEMON@old.example\nAuto-Submitted: auto-replied\nSubject: {subject}");
            assert_eq!(
                what_of(&mail(&delayed, "will keep trying")),
                What::Underway,
                "{subject}"
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_arrives_is_read_to_an_end(cut in 0usize..2000, at in 0usize..2000, noise in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut bytes = dsn("failed", "5.1.1");
            bytes.truncate(bytes.len().saturating_sub(cut));
            let at = at.min(bytes.len());
            bytes.splice(at..at, noise.iter().copied());
            if let Ok(Returned { message, what: What::Failed(failed) }) = read(&bytes, &senders()) {
                prop_assert_eq!(message, ID);
                prop_assert!(failed.iter().all(|f| f.detail.chars().count() <= MOST_DETAIL));
            }
            let _ = read(&noise, &senders());
        }
    }
}
