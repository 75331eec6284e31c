//! The ways a message can leave, and the words for what came of one attempt.
//!
//! Here are the outcome types every channel shares. How a mail is written is in [`mail`], how it is handed to the relay
//! in [`smtp`], how a webhook is signed and posted in [`webhook`]. When something is tried again, and what an answer does to a notice, is not decided here.

pub mod alive;
pub mod bounce;
pub mod command;
mod http;
pub mod mail;
pub mod maildir;
pub mod smtp;
mod tls;
pub mod webhook;

use std::fmt;

use crate::domain::Moment;

/// What came of one attempt to hand a message over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The other side has taken responsibility; `reply` is its last line, as proof for the record. `refused` are those of
    /// several recipients that it did not take, each with why.
    Accepted {
        reply: String,
        refused: Vec<(String, Failure)>,
    },
    /// Not taken, and certainly not kept by the other side: try again, not before the instant it named, if it did.
    Later { why: Failure, not_before: Option<Moment> },
    /// Not taken, and the same bytes to the same address won't be taken another time.
    Never { why: Failure },
    /// The whole message may have arrived, but its answer was lost. Trying again may make a second copy.
    Unknown { why: Failure },
}

impl Answer {
    /// The word of the answer in logs, commands and metrics.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Answer::Accepted { .. } => "accepted",
            Answer::Later { .. } => "later",
            Answer::Never { .. } => "never",
            Answer::Unknown { .. } => "unknown",
        }
    }

    /// Why it was not accepted.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Answer::Accepted { .. } => None,
            Answer::Later { why, .. } | Answer::Never { why } | Answer::Unknown { why } => Some(why),
        }
    }
}

/// A step of a message's way to the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Name lookup and TCP connection.
    Connect,
    /// The server's first line.
    Greeting,
    /// `EHLO`.
    Hello,
    /// `STARTTLS` and the handshake.
    Tls,
    /// `AUTH`.
    Login,
    /// `RSET`, which clears a refused transaction away before the next one.
    Reset,
    /// `MAIL FROM`.
    Mail,
    /// `RCPT TO`.
    Recipient,
    /// `DATA`, up to the server's 354.
    Data,
    /// The message on its way, its final dot not yet sent.
    Body,
    /// From the final dot to the answer to it.
    Final,
    /// `QUIT`.
    Quit,
    /// From the first byte of an HTTP request to the answer to it.
    Request,
}

impl Stage {
    /// Whether no mail is on its way yet.
    #[must_use]
    pub fn is_before_any_mail(self) -> bool {
        matches!(
            self,
            Stage::Connect | Stage::Greeting | Stage::Hello | Stage::Tls | Stage::Login | Stage::Reset
        )
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Connect => "connection",
            Stage::Greeting => "greeting",
            Stage::Hello => "EHLO",
            Stage::Tls => "TLS",
            Stage::Login => "login",
            Stage::Reset => "RSET",
            Stage::Mail => "sender",
            Stage::Recipient => "recipient",
            Stage::Data => "DATA",
            Stage::Body => "message text",
            Stage::Final => "whole message",
            Stage::Quit => "QUIT",
            Stage::Request => "request",
        })
    }
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// It cannot be put into an envelope at all: no recipient, an address that is none, bytes the server can't carry.
    Unsendable,
    /// It may not be posted to that address.
    Barred,
    /// The server said no.
    Refused { stage: Stage },
    /// The server does not offer what is needed to go on.
    Missing { stage: Stage },
    /// The server's certificate is not one to trust, or is another's.
    Untrusted,
    /// The connection could not be made or broke.
    Broken { stage: Stage },
    /// No answer within the time set.
    Timeout { stage: Stage },
    /// An answer that is no answer to what was asked.
    Garbled { stage: Stage },
}

impl FailureKind {
    /// The word of the kind in metrics; there are no others.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            FailureKind::Unsendable => "unsendable",
            FailureKind::Barred => "barred",
            FailureKind::Refused { .. } => "refused",
            FailureKind::Missing { .. } => "missing",
            FailureKind::Untrusted => "untrusted",
            FailureKind::Broken { .. } => "broken",
            FailureKind::Timeout { .. } => "timeout",
            FailureKind::Garbled { .. } => "garbled",
        }
    }

    /// The step it failed at; a message that cannot be sent has not got to any.
    #[must_use]
    pub fn stage(self) -> Option<Stage> {
        match self {
            FailureKind::Unsendable => None,
            FailureKind::Barred => Some(Stage::Connect),
            FailureKind::Untrusted => Some(Stage::Tls),
            FailureKind::Refused { stage }
            | FailureKind::Missing { stage }
            | FailureKind::Broken { stage }
            | FailureKind::Timeout { stage }
            | FailureKind::Garbled { stage } => Some(stage),
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailureKind::Unsendable => f.write_str("cannot be sent"),
            FailureKind::Barred => f.write_str("address not allowed"),
            FailureKind::Refused { stage } => write!(f, "{stage} refused"),
            FailureKind::Missing { stage } => write!(f, "{stage} not offered"),
            FailureKind::Untrusted => f.write_str("certificate not trusted"),
            FailureKind::Broken { stage: Stage::Connect } => f.write_str("no connection"),
            FailureKind::Broken { stage } => write!(f, "connection broke at {stage}"),
            FailureKind::Timeout { stage } => write!(f, "no answer in time at {stage}"),
            FailureKind::Garbled { stage } => write!(f, "senseless answer at {stage}"),
        }
    }
}

/// What a failed attempt says about the other messages to the same server or endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Concerns {
    /// Nothing: it is about this message or its recipient.
    Message,
    /// They would fare the same now: it is about the other side as a whole.
    Peer,
}

/// Most characters of the other side's words that are kept.
const MOST_TEXT: usize = 200;

/// Why an attempt failed, in a form fit for one line of a log or a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub kind: FailureKind,
    /// The reply code, such as 451.
    pub code: Option<u16>,
    /// The enhanced status code of RFC 3463, such as `4.7.1`.
    pub enhanced: Option<String>,
    /// The server's or the system's words: one line, at most 200 characters, without the codes.
    pub text: String,
}

impl Failure {
    /// A failure the other side gave no code for.
    #[must_use]
    pub fn new(kind: FailureKind, text: &str) -> Failure {
        Failure {
            kind,
            code: None,
            enhanced: None,
            text: one_line(text),
        }
    }

    /// A failure the other side gave a reply for; an enhanced status code in front of `text` is told apart.
    #[must_use]
    pub fn with_code(kind: FailureKind, code: u16, text: &str) -> Failure {
        let (enhanced, text) = split_enhanced(text);
        Failure {
            kind,
            code: Some(code),
            enhanced: enhanced.map(str::to_owned),
            text: one_line(text),
        }
    }

    /// What it says about the other messages. A refusal of a mail is about that mail, unless its codes (RFC 3463) speak of
    /// the server's own state or policy, or it is to the sender's address, which all mails have in common. An HTTP status
    /// is about the endpoint, unless it finds fault with what was posted.
    #[must_use]
    pub fn concerns(&self) -> Concerns {
        let is_peers = match self.kind {
            FailureKind::Unsendable => false,
            FailureKind::Refused { stage: Stage::Request } => !matches!(self.code, Some(400 | 413 | 422)),
            FailureKind::Refused { stage } => {
                stage.is_before_any_mail()
                    || stage == Stage::Mail
                    || self.code == Some(421)
                    || self.asks_for_more()
                    || self.is_of_the_system()
                    || self.is_by_policy()
            }
            FailureKind::Barred
            | FailureKind::Missing { .. }
            | FailureKind::Untrusted
            | FailureKind::Broken { .. }
            | FailureKind::Timeout { .. }
            | FailureKind::Garbled { .. } => true,
        };
        if is_peers { Concerns::Peer } else { Concerns::Message }
    }

    /// Refusals of RFC 3207 and RFC 4954 that ask for TLS or for an account, whatever the mail.
    #[must_use]
    pub fn asks_for_more(&self) -> bool {
        matches!(self.code, Some(530 | 534 | 535 | 538))
    }

    /// A refusal for a policy of the server's (a blocklist, relaying denied): it may be about this mail or about all of
    /// ours. A 4.7.x is a server that makes newcomers wait, which is about each mail.
    #[must_use]
    pub fn is_by_policy(&self) -> bool {
        matches!(self.enhanced_of(5), Some((7, _))) && !self.asks_for_more()
    }

    /// A full box: it may be emptied.
    #[must_use]
    pub fn is_full_box(&self) -> bool {
        [4, 5].map(|class| self.enhanced_of(class)).contains(&Some((2, 2)))
    }

    /// The server's own trouble (X.3.x), but for a mail that is too large for it (X.3.4).
    #[must_use]
    pub fn is_of_the_system(&self) -> bool {
        [4, 5]
            .iter()
            .any(|class| matches!(self.enhanced_of(*class), Some((3, detail)) if detail != 4))
    }

    /// Subject and detail of the enhanced status code, where it is of a class.
    fn enhanced_of(&self, class: u16) -> Option<(u16, u16)> {
        let mut parts = self.enhanced.as_deref()?.split('.').map(str::parse);
        match (parts.next()?, parts.next()?, parts.next()?) {
            (Ok(found), Ok(subject), Ok(detail)) if found == class => Some((subject, detail)),
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        let code = self.code.map(|c| c.to_string());
        let words = [code.as_deref(), self.enhanced.as_deref(), Some(self.text.as_str())];
        let mut before = ": ";
        for word in words.into_iter().flatten().filter(|w| !w.is_empty()) {
            write!(f, "{before}{word}")?;
            before = " ";
        }
        Ok(())
    }
}

/// `text` as one line without control characters, cut to 200 characters.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in text
        .split(|c: char| c.is_control() || c.is_whitespace())
        .filter(|w| !w.is_empty())
    {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    match line.char_indices().nth(MOST_TEXT) {
        // The last character kept is the mark that something is missing.
        Some(_) => line.chars().take(MOST_TEXT - 1).chain(['…']).collect(),
        None => line,
    }
}

/// The enhanced status code a reply starts with, and the rest.
fn split_enhanced(text: &str) -> (Option<&str>, &str) {
    let word = text.split(' ').next().unwrap_or_default();
    let mut parts = word.split('.');
    let class = parts.next().is_some_and(|p| matches!(p, "2" | "4" | "5"));
    let number =
        |p: Option<&str>| p.is_some_and(|p| (1..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()));
    if class && number(parts.next()) && number(parts.next()) && parts.next().is_none() {
        (Some(word), text.get(word.len()..).unwrap_or_default().trim_start())
    } else {
        (None, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_reads_as_one_line_with_its_codes() {
        let kind = FailureKind::Refused {
            stage: Stage::Recipient,
        };
        let failure = Failure::with_code(kind, 550, "5.1.1 Không có hộp thư này\r\nxin kiểm tra lại");
        assert_eq!(failure.enhanced.as_deref(), Some("5.1.1"));
        assert_eq!(
            failure.to_string(),
            "recipient refused: 550 5.1.1 Không có hộp thư này xin kiểm tra lại"
        );
    }

    #[test]
    fn a_failure_without_words_has_no_dangling_colon() {
        let failure = Failure::new(FailureKind::Timeout { stage: Stage::Final }, "");
        assert_eq!(failure.to_string(), "no answer in time at whole message");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let failure = Failure::new(FailureKind::Unsendable, &"ế".repeat(500));
        assert_eq!(failure.text.chars().count(), 200);
        assert!(failure.text.ends_with("ế…"));
        assert_eq!(
            Failure::new(FailureKind::Unsendable, &"ế".repeat(200)).text,
            "ế".repeat(200)
        );
    }

    #[test]
    fn only_a_status_code_counts_as_one() {
        for (text, enhanced, rest) in [
            ("4.7.1 greylisted", Some("4.7.1"), "greylisted"),
            ("5.1.1", Some("5.1.1"), ""),
            ("3.1.1 odd", None, "3.1.1 odd"),
            ("4.7.1.2 odd", None, "4.7.1.2 odd"),
            ("4.7 odd", None, "4.7 odd"),
            ("", None, ""),
        ] {
            assert_eq!(split_enhanced(text), (enhanced, rest), "{text}");
        }
    }
}
