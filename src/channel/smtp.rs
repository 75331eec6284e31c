//! One mail to the relay and an answer that can be trusted.
//!
//! The commands are lettre's; the reading, the deadlines and the reuse of connections are ours, over a plain
//! [`TcpStream`]. lettre's own connection and pool (0.11.23) don't fit this job, for reasons that each lose mail or time:
//! they count a 354 as success, so one reply read too early makes an unaccepted mail look accepted; a half-used
//! connection goes back to the pool when its future is dropped; reads have no deadline; it cannot be seen how much of a
//! message has left, which is what divides *later* from *unknown*; and without `TCP_NODELAY` every mail waits 40 ms.
//!
//! What an answer is made of:
//!
//! | what happened | answer |
//! |---|---|
//! | no connection, or broken or late before the final dot has left | later |
//! | 4xx anywhere; 421 also ends the connection | later |
//! | 5xx to greeting or EHLO: the server's trouble, not this mail's | later |
//! | 5xx to sender, recipient, DATA or the whole message | never |
//! | 2xx to the final dot, and nothing else | accepted |
//! | broken, late or senseless after the final dot may have left | unknown |
//! | an address or text the envelope cannot carry | never |
//!
//! "May have left" is counted in bytes given to the operating system: as long as the dot is not among them, no server
//! can have the whole message. The body is made so that no earlier line is a lone dot even to a server that takes a bare
//! LF or CR for a line end.
//!
//! Not here: TLS, AUTH and pipelining; when to try again; who may be written to.

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::time::Duration;

use futures_util::FutureExt;
use lettre::Address;
use lettre::transport::smtp::commands::{Data, Ehlo, Mail, Quit, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, MailBodyParameter, MailParameter};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Answer, Failure, FailureKind, Stage, one_line};
use crate::config::settings::SmtpSettings;

/// The wait where the settings hold none that makes sense.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
/// Longest reply that is read, all its lines together. RFC 5321 asks for 512 bytes a line.
const MOST_REPLY: u64 = 16 * 1024;

/// The relay, and how long to wait for each of its answers.
#[derive(Debug, Clone)]
pub struct Smtp {
    host: String,
    port: u16,
    hello: ClientId,
    wait: Duration,
}

/// An open connection that has greeted and is ready for a mail.
///
/// It belongs to one worker, which hands it to [`Smtp::send`] again and again.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
    wait: Duration,
    /// The server takes lines with the eighth bit set.
    takes_8bit: bool,
    /// A refused transaction is still open and must be reset before the next.
    refused: bool,
}

/// A server's reply: its code and its lines joined by spaces.
#[derive(Debug)]
struct Reply {
    code: u16,
    text: String,
}

/// Sender and recipients, read and found fit for an envelope.
struct Envelope {
    from: Option<Address>,
    to: Vec<Address>,
}

/// Why a transaction stopped, and what to think of it.
struct Stop {
    verdict: Verdict,
    why: Failure,
    /// Whether the connection may carry another mail.
    usable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Later,
    Never,
    Unknown,
}

impl Smtp {
    #[must_use]
    pub fn new(settings: &SmtpSettings) -> Smtp {
        let hello = match settings.hello.parse() {
            Ok(IpAddr::V4(ip)) => ClientId::Ipv4(ip),
            Ok(IpAddr::V6(ip)) => ClientId::Ipv6(ip),
            Err(_) => ClientId::Domain(settings.hello.clone()),
        };
        let wait = settings
            .timeout
            .to_std()
            .ok()
            .filter(|w| !w.is_zero())
            .unwrap_or(DEFAULT_WAIT);
        Smtp {
            host: settings.host.clone(),
            port: settings.port,
            hello,
            wait,
        }
    }

    /// Hands `bytes` to the relay in one transaction for all of `to`; an empty `envelope_from` is the null sender.
    ///
    /// If one recipient is refused, nobody gets the mail and the answer is that recipient's. Line ends are made CRLF; a
    /// text that has them already arrives byte for byte.
    ///
    /// `conn` is the caller's connection of the last call, or `None`. It is reused if it is still good, opened anew if
    /// not (also when the server turns out to have closed it before the first answer), and left in `conn` unless it broke,
    /// ran late or answered nonsense. The future may be dropped at any time: `conn` is then `None`, and the caller must
    /// treat the attempt as unknown.
    pub async fn send(
        &self,
        conn: &mut Option<Connection>,
        envelope_from: &str,
        to: &[String],
        bytes: &[u8],
    ) -> Answer {
        let envelope = match Envelope::read(envelope_from, to) {
            Ok(envelope) => envelope,
            Err(why) => return Answer::Never { why },
        };
        let wire = on_the_wire(bytes);
        // Taken out for the whole transaction, so that whatever ends it early also ends the connection.
        let idle = conn.take().and_then(Connection::if_still_open);
        let reused = idle.is_some();
        let mut line = match self.or_connect(idle).await {
            Ok(line) => line,
            Err(stop) => return stop.answer(),
        };
        let mut outcome = line.transact(&envelope, &wire).await;
        if reused && outcome.as_ref().is_err_and(Stop::was_gone_before) {
            line = match self.or_connect(None).await {
                Ok(line) => line,
                Err(stop) => return stop.answer(),
            };
            outcome = line.transact(&envelope, &wire).await;
        }
        match outcome {
            Ok(reply) => {
                *conn = Some(line);
                Answer::Accepted {
                    reply: one_line(&format!("{} {}", reply.code, reply.text)),
                }
            }
            Err(stop) => {
                *conn = Some(line).filter(|_| stop.usable);
                stop.answer()
            }
        }
    }

    /// Connects, greets and takes leave: could a mail be handed over now?
    pub async fn probe(&self) -> Result<(), Failure> {
        let mut connection = Some(self.connect().await.map_err(|stop| stop.why)?);
        self.quit(&mut connection).await;
        Ok(())
    }

    /// Takes leave of the server and closes. What the server makes of it changes nothing and is only traced.
    pub async fn quit(&self, conn: &mut Option<Connection>) {
        if let Some(mut line) = conn.take()
            && let Err(why) = line.ask(Stage::Quit, &Quit.to_string()).await
        {
            tracing::debug!(%why, "the mail server did not take leave");
        }
    }

    async fn or_connect(&self, idle: Option<Connection>) -> Result<Connection, Stop> {
        match idle {
            Some(line) => Ok(line),
            None => self.connect().await,
        }
    }

    /// A new connection, greeted.
    async fn connect(&self) -> Result<Connection, Stop> {
        let dial = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            // Commands and bodies are single writes that wait for an answer; holding them back only delays.
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let stream = within(self.wait, Stage::Connect, dial).await.map_err(Stop::later)?;
        let mut line = Connection {
            stream: BufReader::new(stream),
            wait: self.wait,
            takes_8bit: false,
            refused: false,
        };
        let greeting = line.reply(Stage::Greeting).await.map_err(Stop::later)?;
        positive(Stage::Greeting, greeting)?;
        let hello = line
            .ask(Stage::Hello, &Ehlo::new(self.hello.clone()).to_string())
            .await
            .map_err(Stop::later)?;
        let hello = positive(Stage::Hello, hello)?;
        line.takes_8bit = hello
            .text
            .split_whitespace()
            .any(|word| word.eq_ignore_ascii_case("8BITMIME"));
        Ok(line)
    }
}

impl Connection {
    /// One mail, from RSET where one is due to the answer to the final dot.
    async fn transact(&mut self, envelope: &Envelope, wire: &[u8]) -> Result<Reply, Stop> {
        if self.refused {
            let cleared = self.ask(Stage::Reset, &Rset.to_string()).await.map_err(Stop::later)?;
            positive(Stage::Reset, cleared)?;
            self.refused = false;
        }
        let mail = Mail::new(envelope.from.clone(), self.parameters(wire)?);
        self.command(Stage::Mail, &mail.to_string()).await?;
        for address in &envelope.to {
            self.command(Stage::Recipient, &Rcpt::new(address.clone(), Vec::new()).to_string())
                .await?;
        }
        self.command(Stage::Data, &Data.to_string()).await?;
        // From here to the last reply a refusal leaves no transaction behind.
        self.refused = false;
        self.hand_over(wire).await?;
        let last = self.reply(Stage::Final).await.map_err(Stop::unknown)?;
        match last.code {
            200..=299 => Ok(last),
            400..=599 => Err(Stop::refused(Stage::Final, &last)),
            _ => Err(Stop::unknown(garbled(Stage::Final, &last))),
        }
    }

    /// What `MAIL FROM` must announce about the text.
    fn parameters(&self, wire: &[u8]) -> Result<Vec<MailParameter>, Stop> {
        if wire.is_ascii() {
            return Ok(Vec::new());
        }
        if self.takes_8bit {
            return Ok(vec![MailParameter::Body(MailBodyParameter::EightBitMime)]);
        }
        let why = Failure::new(
            FailureKind::Unsendable,
            "the text is not ASCII and the server does not offer 8BITMIME",
        );
        Err(Stop {
            verdict: Verdict::Never,
            why,
            usable: true,
        })
    }

    /// A command of the transaction, whose refusal leaves it open.
    async fn command(&mut self, stage: Stage, command: &str) -> Result<(), Stop> {
        self.refused = true;
        let reply = self.ask(stage, command).await.map_err(Stop::later)?;
        match (stage, reply.code) {
            (Stage::Data, 354) => Ok(()),
            (Stage::Data, 200..=399) => Err(Stop::later(garbled(stage, &reply))),
            _ => positive(stage, reply).map(|_| ()),
        }
    }

    async fn ask(&mut self, stage: Stage, command: &str) -> Result<Reply, Failure> {
        // A reply that came without being asked for would be taken for the answer to this command.
        if !self.has_nothing_unread() {
            return Err(Failure::new(
                FailureKind::Garbled { stage },
                "the server answered before it was asked",
            ));
        }
        let stream = self.stream.get_mut();
        let write = async {
            stream.write_all(command.as_bytes()).await?;
            stream.flush().await
        };
        within(self.wait, stage, write).await?;
        self.reply(stage).await
    }

    /// Writes the message with its final dot in one go, and tells *later* from *unknown* if that fails.
    async fn hand_over(&mut self, wire: &[u8]) -> Result<(), Stop> {
        if !self.has_nothing_unread() {
            let why = Failure::new(
                FailureKind::Garbled { stage: Stage::Body },
                "the server answered before it was asked",
            );
            return Err(Stop::later(why));
        }
        let mut left = 0;
        let stream = self.stream.get_mut();
        let write = async {
            while let Some(rest) = wire.get(left..).filter(|rest| !rest.is_empty()) {
                match stream.write(rest).await? {
                    0 => return Err(ErrorKind::WriteZero.into()),
                    n => left += n,
                }
            }
            stream.flush().await
        };
        let written = within(self.wait, Stage::Body, write).await;
        written.map_err(|why| {
            if dot_may_have_left(left, wire.len()) {
                Stop::unknown(why.at(Stage::Final))
            } else {
                Stop::later(why)
            }
        })
    }

    /// Itself, unless the server has closed it meanwhile. Asked without a round trip.
    fn if_still_open(mut self) -> Option<Connection> {
        // An idle server says nothing: anything to read is the end, a `421`, or a reply nobody asked for.
        let silent = self.stream.fill_buf().now_or_never().is_none();
        silent.then_some(self)
    }

    async fn reply(&mut self, stage: Stage) -> Result<Reply, Failure> {
        within(self.wait, stage, read_reply(&mut self.stream)).await
    }

    fn has_nothing_unread(&self) -> bool {
        self.stream.buffer().is_empty()
    }
}

impl Envelope {
    fn read(from: &str, to: &[String]) -> Result<Envelope, Failure> {
        if to.is_empty() {
            return Err(Failure::new(FailureKind::Unsendable, "no recipient"));
        }
        let from = if from.is_empty() {
            None
        } else {
            Some(read_address(from)?)
        };
        Ok(Envelope {
            from,
            to: to.iter().map(|a| read_address(a)).collect::<Result<_, _>>()?,
        })
    }
}

/// Addresses outside ASCII would need SMTPUTF8 all the way to the box; no agency has one.
fn read_address(address: &str) -> Result<Address, Failure> {
    let fit = address.is_ascii() && !address.bytes().any(|b| b.is_ascii_control());
    let read = if fit { address.parse().ok() } else { None };
    read.ok_or_else(|| Failure::new(FailureKind::Unsendable, &format!("`{address}` is not an address")))
}

impl Stop {
    fn later(why: Failure) -> Stop {
        Stop {
            verdict: Verdict::Later,
            why,
            usable: false,
        }
    }

    fn unknown(why: Failure) -> Stop {
        Stop {
            verdict: Verdict::Unknown,
            why,
            usable: false,
        }
    }

    /// The server's no, with its 4xx or 5xx.
    fn refused(stage: Stage, reply: &Reply) -> Stop {
        let servers_own = matches!(stage, Stage::Greeting | Stage::Hello | Stage::Reset);
        let verdict = if reply.code >= 500 && !servers_own {
            Verdict::Never
        } else {
            Verdict::Later
        };
        let why = Failure::with_code(FailureKind::Refused { stage }, reply.code, &reply.text);
        Stop {
            verdict,
            why,
            usable: reply.code != 421 && !servers_own,
        }
    }

    /// Whether a reused connection showed itself to be at its end before it had taken anything of this mail.
    fn was_gone_before(&self) -> bool {
        match self.why.kind {
            FailureKind::Broken { stage: Stage::Mail } => true,
            FailureKind::Refused { stage: Stage::Mail } => self.why.code == Some(421),
            FailureKind::Broken { stage }
            | FailureKind::Refused { stage }
            | FailureKind::Timeout { stage }
            | FailureKind::Garbled { stage } => stage == Stage::Reset,
            FailureKind::Unsendable => false,
        }
    }

    fn answer(self) -> Answer {
        match self.verdict {
            Verdict::Later => Answer::Later {
                why: self.why,
                not_before: None,
            },
            Verdict::Never => Answer::Never { why: self.why },
            Verdict::Unknown => Answer::Unknown { why: self.why },
        }
    }
}

impl Failure {
    /// The same failure, told of another step.
    fn at(self, stage: Stage) -> Failure {
        let kind = match self.kind {
            FailureKind::Unsendable => FailureKind::Unsendable,
            FailureKind::Refused { .. } => FailureKind::Refused { stage },
            FailureKind::Broken { .. } => FailureKind::Broken { stage },
            FailureKind::Timeout { .. } => FailureKind::Timeout { stage },
            FailureKind::Garbled { .. } => FailureKind::Garbled { stage },
        };
        Failure { kind, ..self }
    }
}

/// A 2xx, or why to stop. A 3xx is only ever right after DATA.
fn positive(stage: Stage, reply: Reply) -> Result<Reply, Stop> {
    match reply.code {
        200..=299 => Ok(reply),
        400..=599 => Err(Stop::refused(stage, &reply)),
        _ => Err(Stop::later(garbled(stage, &reply))),
    }
}

fn garbled(stage: Stage, reply: &Reply) -> Failure {
    Failure::with_code(FailureKind::Garbled { stage }, reply.code, &reply.text)
}

/// Every wait on the network goes through here and has an end.
async fn within<T>(wait: Duration, stage: Stage, work: impl Future<Output = io::Result<T>>) -> Result<T, Failure> {
    match timeout(wait, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(e)) if e.kind() == ErrorKind::InvalidData => {
            Err(Failure::new(FailureKind::Garbled { stage }, &e.to_string()))
        }
        Ok(Err(e)) => Err(Failure::new(FailureKind::Broken { stage }, &e.to_string())),
        Err(_) => Err(Failure::new(
            FailureKind::Timeout { stage },
            &format!("waited {} s", wait.as_secs_f64()),
        )),
    }
}

/// Reads one reply with all its lines; a reply without its end is none.
async fn read_reply(stream: &mut BufReader<TcpStream>) -> io::Result<Reply> {
    let mut limited = stream.take(MOST_REPLY);
    let mut whole: Option<Reply> = None;
    loop {
        let mut raw = Vec::new();
        limited.read_until(b'\n', &mut raw).await?;
        if raw.last() != Some(&b'\n') {
            return Err(if limited.limit() == 0 {
                io::Error::new(ErrorKind::InvalidData, "the reply does not end")
            } else {
                io::Error::new(ErrorKind::UnexpectedEof, "closed by the server")
            });
        }
        let line = String::from_utf8_lossy(&raw);
        let (code, more, text) = reply_line(&line)
            .filter(|(code, ..)| whole.as_ref().is_none_or(|w| w.code == *code))
            .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, one_line(&line)))?;
        let reply = match whole.take() {
            Some(first) => Reply {
                code,
                text: format!("{} {}", first.text, text),
            },
            None => Reply {
                code,
                text: text.to_owned(),
            },
        };
        if !more {
            return Ok(reply);
        }
        whole = Some(reply);
    }
}

/// Code, whether more lines follow, and text.
fn reply_line(line: &str) -> Option<(u16, bool, &str)> {
    let line = line.trim_end_matches(['\r', '\n']);
    let digits = line.get(..3).filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
    let code = digits.parse().ok().filter(|code| (200..600).contains(code))?;
    let rest = line.get(3..)?;
    match rest.as_bytes().first() {
        None => Some((code, false, "")),
        Some(b' ') => Some((code, false, rest.get(1..)?.trim())),
        Some(b'-') => Some((code, true, rest.get(1..)?.trim())),
        Some(_) => None,
    }
}

/// The end of every message: the dot is the first of these bytes.
const FINAL_DOT: &[u8] = b".\r\n";

/// Whether the final dot is among the first `left` bytes of a message of `whole`; if not, no server can have it whole.
fn dot_may_have_left(left: usize, whole: usize) -> bool {
    left + FINAL_DOT.len() > whole
}

/// The message as it goes over the line: every CR, LF or CRLF a CRLF, lines that start with a dot given another, a last
/// line that ends, and the final dot.
fn on_the_wire(bytes: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(bytes.len() + bytes.len() / 64 + 8);
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = rest
            .iter()
            .position(|b| matches!(b, b'\r' | b'\n'))
            .unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        if line.first() == Some(&b'.') {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
        wire.extend_from_slice(b"\r\n");
        let ending = if after.starts_with(b"\r\n") { 2 } else { 1 };
        rest = after.get(ending..).unwrap_or_default();
    }
    wire.extend_from_slice(FINAL_DOT);
    wire
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_ends_properly_and_no_line_is_a_lone_dot() {
        for (text, wire) in [
            (&b"a\r\nb\r\n"[..], &b"a\r\nb\r\n.\r\n"[..]),
            (b"a", b"a\r\n.\r\n"),
            (b"", b".\r\n"),
            (b".\r\n", b"..\r\n.\r\n"),
            (b"a\n.\nb\n", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r.\rb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r\n.\r\nMAIL FROM:<x@y>\r\n", b"a\r\n..\r\nMAIL FROM:<x@y>\r\n.\r\n"),
            (b"..a\r\n\r\n", b"...a\r\n\r\n.\r\n"),
            (b"a\r\r\n", b"a\r\n\r\n.\r\n"),
        ] {
            assert_eq!(on_the_wire(text), wire, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_message_is_whole_from_its_final_dot_on() {
        let wire = on_the_wire(b"a\r\n");
        for (left, whole) in [
            (b"".len(), false),
            (b"a\r\n".len(), false),
            (b"a\r\n.".len(), true),
            (wire.len(), true),
        ] {
            assert_eq!(dot_may_have_left(left, wire.len()), whole, "{left}");
        }
    }

    #[test]
    fn reply_lines_are_read_strictly() {
        assert_eq!(reply_line("250 2.0.0 Ok\r\n"), Some((250, false, "2.0.0 Ok")));
        assert_eq!(reply_line("250-8BITMIME\r\n"), Some((250, true, "8BITMIME")));
        assert_eq!(reply_line("250\n"), Some((250, false, "")));
        for bad in [
            "", "25\r\n", "2500 Ok", "OK 250", "150 no", "650 no", "25x Ok", "+50 Ok", "2ế5 Ok", "\r\n",
        ] {
            assert_eq!(reply_line(bad), None, "{bad}");
        }
    }
}
