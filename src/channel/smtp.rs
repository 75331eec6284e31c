//! One mail to the relay and an answer that can be trusted.
//!
//! The commands of the transaction are lettre's; the reading, the deadlines, TLS, AUTH and the reuse of connections are
//! ours, over a [`TcpStream`]. lettre's own connection and pool (0.11.23) don't fit this job, for reasons that each
//! lose mail or time: they count a 354 as success, so one reply read too early makes an unaccepted mail look accepted;
//! a half-used connection goes back to the pool when its future is dropped; reads have no deadline; it cannot be seen
//! how much of a message has left, which is what divides *later* from *unknown*; and without `TCP_NODELAY` every mail
//! waits 40 ms.
//!
//! What an answer is made of:
//!
//! | what happened | answer |
//! |---|---|
//! | no connection, or broken or late before the final dot has left | later |
//! | TLS asked for and not offered, refused, failed, or with a certificate that is not to be trusted | later |
//! | an account given, and AUTH not offered or refused | later |
//! | 4xx anywhere; 421 also ends the connection | later |
//! | 5xx to greeting, EHLO, STARTTLS or AUTH: the server's trouble, not this mail's | later |
//! | 530, 534, 535 or 538 anywhere: the server wants TLS or an account, whatever the mail | later |
//! | a 5xx to the sender, or one by its enhanced code about the server, its policy or a full box | later |
//! | another 5xx to recipient, DATA or the whole message | never |
//! | 2xx to the final dot, and nothing else | accepted |
//! | broken, late or senseless after the final dot may have left | unknown |
//! | an address or text the envelope cannot carry | never |
//!
//! The final dot is given away only after all before it has left, so that whatever fails until then finds no server with
//! the whole message: over TCP it is the last thing the kernel takes, over TLS, which may hold bytes back, it is written
//! apart. The body is made so that no earlier line is a lone dot even to a server that takes a bare LF or CR for a line end.
//!
//! Where the server offers PIPELINING (RFC 2920) sender, recipients and DATA are one write, and its answers are read one
//! after the other; a mail then takes two round trips. Who agrees to DATA though nothing is to be sent after it is left
//! without a word: the dot that would end it were an empty mail to those recipients that were taken.
//!
//! Nothing goes in the clear where TLS is asked for. What was read before the handshake is not read after it, and what the
//! server offered before is asked again.
//!
//! Not here: when to try again; who may be written to.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::FutureExt;
use lettre::Address;
use lettre::transport::smtp::commands::{Data, Ehlo, Mail, Quit, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, MailBodyParameter, MailParameter};
use memchr::memchr2;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{Answer, Concerns, Failure, FailureKind, Stage, one_line, tls};
use crate::config::settings::{SmtpLogin, SmtpSettings, SmtpTls};

/// The wait where the settings hold none that makes sense.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
/// Within `WatchdogSec` of the unit.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(150);
/// Longest reply that is read, all its lines together. RFC 5321 asks for 512 bytes a line.
const MOST_REPLY: u64 = 16 * 1024;

/// The relay, how to get its trust, and how long to wait for each of its answers.
#[derive(Debug, Clone)]
pub struct Smtp {
    host: String,
    port: u16,
    tls: SmtpTls,
    /// How to know the relay by its certificate, or why that cannot be known.
    trust: Result<Trust, Failure>,
    login: Option<SmtpLogin>,
    hello: ClientId,
    wait: Duration,
}

/// Whose certificates are good, and for which name.
#[derive(Debug, Clone)]
struct Trust {
    client: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// TCP, or TLS over it.
trait Wire: AsyncRead + AsyncWrite + fmt::Debug + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Sync + Unpin> Wire for T {}

/// An open connection that has greeted, is encrypted and logged in as asked for, and is ready for a mail.
///
/// It belongs to one worker, which hands it to [`Smtp::send`] again and again.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<Box<dyn Wire>>,
    wait: Duration,
    /// What the server answered to EHLO: its name, then a line for each extension.
    offers: Vec<String>,
    /// A refused transaction is still open and must be reset before the next.
    refused: bool,
    is_encrypted: bool,
}

/// A server's reply: its code and its lines.
#[derive(Debug)]
struct Reply {
    code: u16,
    lines: Vec<String>,
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

/// How long an attempt may take in all by the settings.
#[must_use]
pub fn longest_attempt(settings: &SmtpSettings) -> Duration {
    longest(wait(settings))
}

fn longest(wait: Duration) -> Duration {
    (wait * 3).min(LONGEST_ATTEMPT)
}

/// How long each answer is waited for.
fn wait(settings: &SmtpSettings) -> Duration {
    let set = settings.timeout.to_std().ok().filter(|w| !w.is_zero());
    set.unwrap_or(DEFAULT_WAIT)
}

impl Smtp {
    #[must_use]
    pub fn new(settings: &SmtpSettings) -> Smtp {
        let hello = match settings.hello.parse() {
            Ok(IpAddr::V4(ip)) => ClientId::Ipv4(ip),
            Ok(IpAddr::V6(ip)) => ClientId::Ipv6(ip),
            Err(_) => ClientId::Domain(settings.hello.clone()),
        };
        Smtp {
            host: settings.host.clone(),
            port: settings.port,
            tls: settings.tls,
            trust: Trust::new(settings),
            login: settings.login.clone(),
            hello,
            wait: wait(settings),
        }
    }

    /// How long an attempt may take in all: a server that answers each step just in time ends here, before the watchdog
    /// of the unit thinks that nothing goes forward.
    #[must_use]
    pub fn longest_attempt(&self) -> Duration {
        longest(self.wait)
    }

    /// Hands `bytes` to the relay in one transaction for all of `to`; an empty `envelope_from` is the null sender.
    ///
    /// Recipients that are refused for good are left out and named in the answer, unless all are: then it is the first
    /// one's. One that is put off puts the mail off for all of them, so that nobody gets it twice. Line ends are made
    /// CRLF; a text that has them already arrives byte for byte.
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
        let mut wire = on_the_wire(bytes);
        wire.extend_from_slice(FINAL_DOT);
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
            Ok((reply, refused)) => {
                *conn = Some(line);
                Answer::Accepted {
                    reply: one_line(&format!("{} {}", reply.code, reply.text())),
                    refused,
                }
            }
            Err(stop) => {
                *conn = Some(line).filter(|_| stop.usable);
                stop.answer()
            }
        }
    }

    /// Connects, with TLS and AUTH where they are asked for, and takes leave: could a mail be handed over now?
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

    /// A new connection, ready for a mail.
    async fn connect(&self) -> Result<Connection, Stop> {
        let dial = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            // Commands and bodies wait for an answer; holding them back only delays.
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let stream = within(self.wait, Stage::Connect, dial).await.map_err(Stop::later)?;
        let mut line = Connection {
            stream: BufReader::new(Box::new(stream)),
            wait: self.wait,
            offers: Vec::new(),
            refused: false,
            is_encrypted: false,
        };
        if self.tls == SmtpTls::Implicit {
            line = self.encrypt(line).await?;
        }
        let greeting = line.reply(Stage::Greeting).await.map_err(Stop::later)?;
        positive(Stage::Greeting, greeting)?;
        line.greet(&self.hello).await?;
        if self.tls == SmtpTls::StartTls {
            line.start_tls().await?;
            line = self.encrypt(line).await?;
            // What was offered in the clear could have come from anybody.
            line.greet(&self.hello).await?;
        }
        if let Some(login) = &self.login {
            line.log_in(login).await?;
        }
        Ok(line)
    }

    /// The same connection behind a handshake.
    async fn encrypt(&self, line: Connection) -> Result<Connection, Stop> {
        let trust = self.trust.clone().map_err(Stop::later)?;
        // Bytes sent ahead of the handshake would be read as if they had come under its protection.
        if !line.has_nothing_unread() {
            return Err(Stop::later(unasked(Stage::Tls)));
        }
        let shake = TlsConnector::from(trust.client).connect(trust.name, line.stream.into_inner());
        let stream = timeout(self.wait, shake)
            .await
            .map_err(|_| Stop::later(late(self.wait, Stage::Tls)))?
            .map_err(|error| Stop::later(tls::no_handshake(&error)))?;
        Ok(Connection {
            stream: BufReader::new(Box::new(stream)),
            offers: Vec::new(),
            is_encrypted: true,
            ..line
        })
    }
}

impl Trust {
    fn new(settings: &SmtpSettings) -> Result<Trust, Failure> {
        let unsound = |why: &str| Failure::new(FailureKind::Broken { stage: Stage::Tls }, why);
        // Without TLS nobody will be asked for a certificate.
        let authorities = match settings.tls {
            SmtpTls::None => Some([].as_slice()),
            _ => settings.authorities.as_deref(),
        };
        let client = tls::client(authorities, "smtp.ca_file").map_err(|e| unsound(&e))?;
        let name = ServerName::try_from(settings.host.clone()).map_err(|_| {
            unsound(&format!(
                "`{}` is not a name that a certificate can bear",
                settings.host
            ))
        })?;
        Ok(Trust {
            client: Arc::new(client),
            name,
        })
    }
}

impl Connection {
    async fn greet(&mut self, hello: &ClientId) -> Result<(), Stop> {
        let hello = self.ask(Stage::Hello, &Ehlo::new(hello.clone()).to_string()).await;
        self.offers = positive(Stage::Hello, hello.map_err(Stop::later)?)?.lines;
        Ok(())
    }

    /// The words after an extension's name, if the server offers it.
    fn offered(&self, extension: &str) -> Option<impl Iterator<Item = &str>> {
        self.offers.iter().skip(1).find_map(|line| {
            let mut words = line.split_whitespace();
            words.next()?.eq_ignore_ascii_case(extension).then_some(words)
        })
    }

    /// Asks for TLS. Without it nothing more is said.
    async fn start_tls(&mut self) -> Result<(), Stop> {
        if self.offered("STARTTLS").is_none() {
            let why = "the server has no STARTTLS, and without it smtp.tls lets nothing go";
            return Err(Stop::later(Failure::new(
                FailureKind::Missing { stage: Stage::Tls },
                why,
            )));
        }
        let ready = self.ask(Stage::Tls, "STARTTLS\r\n").await.map_err(Stop::later)?;
        positive(Stage::Tls, ready).map(|_| ())
    }

    /// Logs in by PLAIN, or else by LOGIN.
    async fn log_in(&mut self, login: &SmtpLogin) -> Result<(), Stop> {
        let offers = |mechanism: &str| {
            self.offered("AUTH")
                .is_some_and(|mut words| words.any(|word| word.eq_ignore_ascii_case(mechanism)))
        };
        let (plain, by_turns) = (offers("PLAIN"), offers("LOGIN"));
        let (user, password) = (login.username.as_str(), login.password.expose_secret());
        let encode = |text: &str| BASE64_STANDARD.encode(text);
        let both = encode(&format!("\0{user}\0{password}"));
        let lines = if plain {
            vec![format!("AUTH PLAIN {both}\r\n")]
        } else if by_turns {
            let answer = |text: &str| format!("{}\r\n", encode(text));
            vec!["AUTH LOGIN\r\n".to_owned(), answer(user), answer(password)]
        } else {
            let why = "the server takes neither PLAIN nor LOGIN, and smtp.username is set";
            let kind = FailureKind::Missing { stage: Stage::Login };
            return Err(Stop::later(Failure::new(kind, why)));
        };
        let secrets = [both, encode(password), password.to_owned()];
        let last = lines.len();
        for (n, line) in (1..).zip(lines) {
            let mut reply = self.ask(Stage::Login, &line).await.map_err(unquoted)?;
            // Some servers repeat what they did not like.
            for text in &mut reply.lines {
                *text = secrets
                    .iter()
                    .fold(text.clone(), |text, secret| text.replace(secret, "***"));
            }
            match reply.code {
                334 if n < last => {}
                200..=299 if n < last => return Err(Stop::later(garbled(Stage::Login, &reply))),
                _ => {
                    positive(Stage::Login, reply)?;
                }
            }
        }
        Ok(())
    }

    /// One mail, from RSET where one is due to the answer to the final dot; with the recipients that were refused.
    async fn transact(&mut self, envelope: &Envelope, wire: &[u8]) -> Result<(Reply, Vec<(String, Failure)>), Stop> {
        if self.refused {
            let cleared = self.ask(Stage::Reset, &Rset.to_string()).await.map_err(Stop::later)?;
            positive(Stage::Reset, cleared)?;
            self.refused = false;
        }
        let refused = self.open(envelope, wire).await?;
        // From here to the last reply a refusal leaves no transaction behind.
        self.refused = false;
        self.hand_over(wire).await?;
        let last = self.reply(Stage::Final).await.map_err(Stop::unknown)?;
        match last.code {
            200..=299 => Ok((last, refused)),
            400..=599 => Err(Stop::refused(Stage::Final, &last)),
            _ => Err(Stop::unknown(garbled(Stage::Final, &last))),
        }
    }

    /// A transaction up to the server's agreement to DATA; the recipients that were refused.
    async fn open(&mut self, envelope: &Envelope, wire: &[u8]) -> Result<Vec<(String, Failure)>, Stop> {
        let mail = Mail::new(envelope.from.clone(), self.parameters(wire)?).to_string();
        let rcpt = |address: &Address| Rcpt::new(address.clone(), Vec::new()).to_string();
        let recipients: Vec<String> = envelope.to.iter().map(rcpt).collect();
        let data = Data.to_string();
        let at_once = self.offered("PIPELINING").is_some();
        self.refused = true;
        if at_once {
            let all = [&mail].into_iter().chain(&recipients).chain([&data]);
            let all: String = all.map(String::as_str).collect();
            self.say(Stage::Mail, &all).await.map_err(Stop::later)?;
        }
        let mut stop = self.answered(at_once, Stage::Mail, &mail).await.err();
        let mut refused: Vec<(String, Stop)> = Vec::new();
        for (address, rcpt) in envelope.to.iter().zip(&recipients) {
            if !Stop::lets_read_on(stop.as_ref(), at_once) {
                break;
            }
            match self.answered(at_once, Stage::Recipient, rcpt).await {
                Err(no) if no.is_about_the_box() => refused.push((address.to_string(), no)),
                answer => stop = Stop::first(stop, answer.err()),
            }
        }
        if stop.is_none() && refused.len() == envelope.to.len() {
            stop = Some(refused.swap_remove(0).1);
        }
        if Stop::lets_read_on(stop.as_ref(), at_once) {
            stop = match (stop, self.answered(at_once, Stage::Data, &data).await) {
                // It waits for a text that does not come.
                (Some(stop), Ok(())) => Some(Stop { usable: false, ..stop }),
                (stop, answer) => Stop::first(stop, answer.err()),
            };
        }
        match stop {
            Some(stop) => Err(stop),
            None => Ok(refused.into_iter().map(|(address, no)| (address, no.why)).collect()),
        }
    }

    /// What `MAIL FROM` must announce about the text.
    fn parameters(&self, wire: &[u8]) -> Result<Vec<MailParameter>, Stop> {
        if wire.is_ascii() {
            return Ok(Vec::new());
        }
        if self.offered("8BITMIME").is_some() {
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

    /// The answer to a command of the transaction, which is said where it has not been yet. A refusal leaves the
    /// transaction open.
    async fn answered(&mut self, is_said: bool, stage: Stage, command: &str) -> Result<(), Stop> {
        let reply = match is_said {
            true => self.reply(stage).await,
            false => self.ask(stage, command).await,
        };
        let reply = reply.map_err(Stop::later)?;
        match (stage, reply.code) {
            (Stage::Data, 354) => Ok(()),
            (Stage::Data, 200..=399) => Err(Stop::later(garbled(stage, &reply))),
            _ => positive(stage, reply).map(|_| ()),
        }
    }

    async fn ask(&mut self, stage: Stage, command: &str) -> Result<Reply, Failure> {
        self.say(stage, command).await?;
        self.reply(stage).await
    }

    async fn say(&mut self, stage: Stage, commands: &str) -> Result<(), Failure> {
        // A reply that came without being asked for would be taken for the answer to this command.
        if !self.has_nothing_unread() {
            return Err(unasked(stage));
        }
        self.write(stage, commands.as_bytes()).await
    }

    /// Writes the message, and its final dot only when all else has left: that tells *later* from *unknown*.
    async fn hand_over(&mut self, wire: &[u8]) -> Result<(), Stop> {
        if !self.has_nothing_unread() {
            return Err(Stop::later(unasked(Stage::Body)));
        }
        if self.is_encrypted {
            let (text, dot) = wire.split_at(wire.len().saturating_sub(FINAL_DOT.len()));
            self.write(Stage::Body, text).await.map_err(Stop::later)?;
            return self.write(Stage::Final, dot).await.map_err(Stop::unknown);
        }
        // The dot is among the last bytes that the kernel takes: where it did not take all, the server gets no whole message.
        self.write(Stage::Body, wire).await.map_err(Stop::later)
    }

    async fn write(&mut self, stage: Stage, bytes: &[u8]) -> Result<(), Failure> {
        let stream = self.stream.get_mut();
        let write = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        within(self.wait, stage, write).await
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

    /// What stopped a mail first, on a connection that is as good as what came behind it.
    fn first(stop: Option<Stop>, behind: Option<Stop>) -> Option<Stop> {
        match (stop, behind) {
            (Some(stop), Some(behind)) => Some(Stop {
                usable: stop.usable && behind.usable,
                ..stop
            }),
            (stop, behind) => stop.or(behind),
        }
    }

    /// Whether there is another answer to read: to what was said already there is, also where it does not matter any more.
    fn lets_read_on(stop: Option<&Stop>, is_said: bool) -> bool {
        stop.is_none_or(|stop| is_said && stop.usable)
    }

    /// The server's no, with its 4xx or 5xx.
    fn refused(stage: Stage, reply: &Reply) -> Stop {
        let why = Failure::with_code(FailureKind::Refused { stage }, reply.code, &reply.text());
        // The sender is an address of our own, which mails differ in by a signature only: its refusal is no one mail's
        // fault. A full box may be emptied.
        let verdict = if reply.code >= 500 && why.concerns() == Concerns::Message && !why.is_full_box() {
            Verdict::Never
        } else {
            Verdict::Later
        };
        let ends = stage.is_before_any_mail() || reply.code == 421 || why.asks_for_more();
        Stop {
            verdict,
            why,
            usable: !ends,
        }
    }

    /// A refusal for good of one recipient, which says nothing of the others in the mail.
    fn is_about_the_box(&self) -> bool {
        let is_for_good = self.why.code.is_some_and(|code| code >= 500);
        is_for_good && (self.why.concerns() == Concerns::Message || self.why.is_by_policy())
    }

    /// Whether a reused connection showed itself to be at its end before it had taken anything of this mail.
    fn was_gone_before(&self) -> bool {
        match self.why.kind {
            FailureKind::Broken { stage: Stage::Mail } => true,
            FailureKind::Refused { stage: Stage::Mail } => self.why.code == Some(421),
            kind => kind.stage() == Some(Stage::Reset),
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

impl Reply {
    /// The lines as one text.
    fn text(&self) -> String {
        self.lines.join(" ")
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
    Failure::with_code(FailureKind::Garbled { stage }, reply.code, &reply.text())
}

/// A reply that nobody asked for, and that the next question would take for its answer.
fn unasked(stage: Stage) -> Failure {
    Failure::new(
        FailureKind::Garbled { stage },
        "the server answered before it was asked",
    )
}

fn late(wait: Duration, stage: Stage) -> Failure {
    let kind = FailureKind::Timeout { stage };
    Failure::new(kind, &format!("waited {} s", wait.as_secs_f64()))
}

/// What went wrong at AUTH, without words that could be the password's own.
fn unquoted(why: Failure) -> Stop {
    let garbled = matches!(why.kind, FailureKind::Garbled { .. });
    let words = "the server's words are not shown";
    Stop::later(if garbled { Failure::new(why.kind, words) } else { why })
}

/// Every wait on the network goes through here and has an end.
async fn within<T>(wait: Duration, stage: Stage, work: impl Future<Output = io::Result<T>>) -> Result<T, Failure> {
    match timeout(wait, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(e)) if e.kind() == ErrorKind::InvalidData => {
            Err(Failure::new(FailureKind::Garbled { stage }, &e.to_string()))
        }
        Ok(Err(e)) => Err(Failure::new(FailureKind::Broken { stage }, &e.to_string())),
        Err(_) => Err(late(wait, stage)),
    }
}

/// Reads one reply with all its lines; a reply without its end is none.
async fn read_reply(stream: &mut BufReader<Box<dyn Wire>>) -> io::Result<Reply> {
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
        let mut reply = whole.take().unwrap_or(Reply {
            code,
            lines: Vec::new(),
        });
        reply.lines.push(text.to_owned());
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

/// The end of every message.
const FINAL_DOT: &[u8] = b".\r\n";

/// The message as it goes over the line: every CR, LF or CRLF a CRLF, lines that start with a dot given another, a last
/// line that ends. The final dot is not in it.
fn on_the_wire(bytes: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(bytes.len() + bytes.len() / 64 + 8);
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        if line.first() == Some(&b'.') {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
        wire.extend_from_slice(b"\r\n");
        let ending = if after.starts_with(b"\r\n") { 2 } else { 1 };
        rest = after.get(ending..).unwrap_or_default();
    }
    wire
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_ends_properly_and_no_line_is_a_lone_dot() {
        for (text, wire) in [
            (&b"a\r\nb\r\n"[..], &b"a\r\nb\r\n"[..]),
            (b"a", b"a\r\n"),
            (b"", b""),
            (b".\r\n", b"..\r\n"),
            (b"a\n.\nb\n", b"a\r\n..\r\nb\r\n"),
            (b"a\r.\rb", b"a\r\n..\r\nb\r\n"),
            (b"a\r\n.\r\nMAIL FROM:<x@y>\r\n", b"a\r\n..\r\nMAIL FROM:<x@y>\r\n"),
            (b"..a\r\n\r\n", b"...a\r\n\r\n"),
            (b"a\r\r\n", b"a\r\n\r\n"),
        ] {
            assert_eq!(on_the_wire(text), wire, "{}", text.escape_ascii());
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
