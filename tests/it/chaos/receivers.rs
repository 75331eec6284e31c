//! The mail server and the agencies' systems: by a script that the seed decides they refuse, stall, cut and delay, at
//! every step of a conversation, and keep what they said yes to or may have kept.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dondoc::demo::reading;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::log::{Copy, Log};
use super::owed::{By, Desk, Line, WITHOUT_BOX};
use super::pass;
use super::random::Random;

/// How receivers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// They take everything at once.
    Good,
    /// They follow the script.
    Bad,
    /// They are not there: connections are refused.
    Away,
}

/// An answer that comes so soon after the whole message is heard: one is waited for twice as long.
const IN_TIME: Duration = Duration::from_secs(1);

/// A port that stays ours while nobody listens on it.
pub struct Port {
    held: TcpSocket,
    pub address: SocketAddr,
}

impl Port {
    pub fn take() -> Port {
        let held = socket((Ipv4Addr::LOCALHOST, 0).into());
        let address = held.local_addr().expect("its address");
        Port { held, address }
    }

    fn listen(&self) -> TcpListener {
        socket(self.held.local_addr().expect("its address"))
            .listen(1024)
            .expect("a listener")
    }
}

fn socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseport(true).expect("shared by us alone");
    socket.bind(address).expect("a port");
    socket
}

/// What all conversations of one receiver share.
pub struct Script {
    pub log: Arc<Log>,
    pub mood: watch::Receiver<Mood>,
    pub random: Mutex<Random>,
    /// Whose mails come to this port.
    pub replica: Option<usize>,
}

/// What becomes of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Do {
    Go,
    /// Good, but late; most of the time still in time.
    Late(u64),
    /// Not now.
    Refuse,
    Stall,
    Cut,
    /// Kept, and no word of it.
    KeepAndStall,
    KeepAndCut,
    /// Kept, with an answer that breaks off.
    KeepAndStammer,
}

impl Script {
    /// At a step before the whole message is there.
    fn early(&self) -> Do {
        if *self.mood.borrow() == Mood::Good {
            return Do::Go;
        }
        let mut random = self.random.lock().expect("the numbers");
        match random.below(100) {
            0 | 1 => Do::Refuse,
            2 => Do::Cut,
            3 => Do::Stall,
            4..=6 => Do::Late(random.below(500)),
            _ => Do::Go,
        }
    }

    /// With the whole message there.
    fn last(&self) -> Do {
        if *self.mood.borrow() == Mood::Good {
            return Do::Go;
        }
        let mut random = self.random.lock().expect("the numbers");
        match random.below(100) {
            0..=5 => Do::Refuse,
            6..=8 => Do::Cut,
            9 => Do::Stall,
            10..=13 => Do::KeepAndCut,
            14 | 15 => Do::KeepAndStall,
            16 | 17 => Do::KeepAndStammer,
            18..=35 => Do::Late(random.below(900)),
            _ => Do::Go,
        }
    }

    /// Well before anybody loses patience, also where this machine is slow.
    fn said_yes(&self, kept: Option<usize>, whole: Instant) {
        if let Some(number) = kept.filter(|_| whole.elapsed() < IN_TIME) {
            self.log.answered(number);
        }
    }

    fn code(&self, of: &[u16]) -> u16 {
        self.random.lock().expect("the numbers").one_of(of)
    }
}

/// Listens whenever it is there.
pub async fn serve<F, S>(port: Port, script: Arc<Script>, converse: F)
where
    F: Fn(TcpStream, Arc<Script>) -> S,
    S: Future<Output = io::Result<()>> + Send + 'static,
{
    let mut mood = script.mood.clone();
    loop {
        if mood.wait_for(|mood| *mood != Mood::Away).await.is_err() {
            return;
        }
        let listener = port.listen();
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                away = mood.wait_for(|mood| *mood == Mood::Away) => match away {
                    Ok(_) => break,
                    Err(_) => return,
                },
                accepted = listener.accept() => {
                    let (stream, _) = accepted.expect("a connection");
                    // A client that is killed breaks off; that is what this is about.
                    open.spawn(converse(stream, Arc::clone(&script)));
                }
                Some(_) = open.join_next(), if !open.is_empty() => {}
            }
        }
        // A machine that goes down takes its conversations with it.
        open.shutdown().await;
    }
}

/// Says nothing until the other side goes away.
async fn stall(stream: &mut BufReader<TcpStream>) -> io::Result<()> {
    let mut nothing = [0; 4096];
    while stream.read(&mut nothing).await? > 0 {}
    Ok(())
}

async fn write(stream: &mut BufReader<TcpStream>, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

// ---- mail

/// One connection of the mail server.
pub async fn mails(stream: TcpStream, script: Arc<Script>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    if !step(&mut stream, &script, "220 relay ESMTP").await? {
        return Ok(());
    }
    let mut to = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let goes_on = match verb.as_str() {
            "EHLO" => step(&mut stream, &script, "250-relay\r\n250 8BITMIME").await?,
            "MAIL" => {
                to.clear();
                step(&mut stream, &script, "250 2.1.0 Ok").await?
            }
            "RCPT" => {
                let address = address(line).unwrap_or_default();
                match mailbox(&address) {
                    Some((WITHOUT_BOX, Desk::Contact)) => {
                        script.log.count("mail refused for good");
                        step(&mut stream, &script, "550 5.1.1 no such box").await?
                    }
                    _ => {
                        to.push(address);
                        step(&mut stream, &script, "250 2.1.5 Ok").await?
                    }
                }
            }
            "DATA" => match data(&mut stream, &script).await? {
                Some(bytes) => whole(&mut stream, &script, &to, bytes).await?,
                None => false,
            },
            "RSET" => {
                to.clear();
                say(&mut stream, "250 2.0.0 Ok").await?
            }
            "QUIT" => {
                say(&mut stream, "221 2.0.0 Bye").await?;
                false
            }
            _ => say(&mut stream, "500 5.5.2 unknown").await?,
        };
        if !goes_on {
            return Ok(());
        }
    }
}

async fn say(stream: &mut BufReader<TcpStream>, reply: &str) -> io::Result<bool> {
    write(stream, format!("{reply}\r\n").as_bytes()).await?;
    Ok(true)
}

/// Whether the conversation goes on.
async fn step(stream: &mut BufReader<TcpStream>, script: &Script, good: &str) -> io::Result<bool> {
    match script.early() {
        Do::Go => say(stream, good).await,
        Do::Late(millis) => {
            pass(Duration::from_millis(millis)).await;
            say(stream, good).await
        }
        Do::Refuse => {
            script.log.count("mail refused early");
            match script.code(&[421, 450, 451, 452]) {
                421 => say(stream, "421 4.3.2 closing").await.map(|_| false),
                code => say(stream, &format!("{code} 4.3.0 not now")).await,
            }
        }
        Do::Stall => {
            script.log.count("mail stalled early");
            stall(stream).await.map(|()| false)
        }
        _ => {
            script.log.count("mail cut early");
            Ok(false)
        }
    }
}

/// The whole message; `None` where it did not come so far.
async fn data(stream: &mut BufReader<TcpStream>, script: &Script) -> io::Result<Option<Vec<u8>>> {
    match script.early() {
        Do::Go | Do::Late(_) => {}
        Do::Refuse => return say(stream, "451 4.3.0 not now").await.map(|_| Some(Vec::new())),
        Do::Stall => return stall(stream).await.map(|()| None),
        _ => return Ok(None),
    }
    say(stream, "354 go on").await?;
    let breaks_off = script.early() == Do::Cut;
    let mut bytes = Vec::new();
    loop {
        let mut line = Vec::new();
        stream.read_until(b'\n', &mut line).await?;
        if !line.ends_with(b"\n") {
            return Ok(None);
        }
        if line == b".\r\n" {
            return Ok(Some(bytes));
        }
        if breaks_off {
            script.log.count("mail cut in its middle");
            return Ok(None);
        }
        let stuffed = usize::from(line.starts_with(b"."));
        bytes.extend_from_slice(&line[stuffed..]);
    }
}

/// Whether the conversation goes on.
async fn whole(stream: &mut BufReader<TcpStream>, script: &Script, to: &[String], bytes: Vec<u8>) -> io::Result<bool> {
    // DATA was refused.
    if bytes.is_empty() {
        return Ok(true);
    }
    let whole = Instant::now();
    let doing = script.last();
    let keep = || {
        let (id, lines) = letter(&bytes, to)?;
        Some(script.log.keep(Copy {
            at: Instant::now(),
            id,
            lines,
            bytes: bytes.clone(),
            replica: script.replica,
            answered: false,
        }))
    };
    let keep = || {
        let kept = keep();
        if kept.is_none() {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            script.log.strange(format!("a mail to {to:?}: {text}"));
        }
        kept
    };
    match doing {
        Do::Go | Do::Late(_) => {
            let kept = keep();
            if let Do::Late(millis) = doing {
                pass(Duration::from_millis(millis)).await;
            }
            say(stream, "250 2.0.0 Ok: kept").await?;
            script.said_yes(kept, whole);
            Ok(true)
        }
        Do::Refuse => {
            script.log.count("mail refused at its end");
            let code = script.code(&[450, 451, 452]);
            say(stream, &format!("{code} 4.3.0 not now")).await
        }
        Do::Cut => {
            script.log.count("mail cut at its end, not kept");
            Ok(false)
        }
        Do::Stall => {
            script.log.count("mail stalled at its end, not kept");
            stall(stream).await?;
            Ok(false)
        }
        Do::KeepAndCut => {
            keep();
            script.log.count("mail kept and cut");
            Ok(false)
        }
        Do::KeepAndStall => {
            keep();
            script.log.count("mail kept and stalled");
            stall(stream).await?;
            Ok(false)
        }
        Do::KeepAndStammer => {
            keep();
            script.log.count("mail kept and stammered");
            write(stream, b"25").await?;
            Ok(false)
        }
    }
}

fn address(line: &str) -> Option<String> {
    let (_, rest) = line.split_once('<')?;
    rest.split_once('>').map(|(address, _)| address.to_owned())
}

/// `contact.u07@tinh.example`
fn mailbox(address: &str) -> Option<(usize, Desk)> {
    let (desk, unit) = address.strip_suffix("@tinh.example")?.split_once(".u")?;
    let desk = match desk {
        "contact" => Desk::Contact,
        "head" => Desk::Head,
        _ => return None,
    };
    Some((unit.parse().ok()?, desk))
}

fn letter(bytes: &[u8], to: &[String]) -> Option<(String, BTreeSet<Line>)> {
    let letter = reading::read(bytes)?;
    let [only] = to else { return None };
    let (unit, desk) = mailbox(only)?;
    let line = |(ticket, rule, step): (&str, &str, &str)| Line {
        ticket: ticket.to_owned(),
        step: format!("{rule}/{step}"),
        unit,
        desk,
        by: By::Mail,
    };
    let lines: BTreeSet<Line> = letter.told().map(line).collect();
    (!lines.is_empty()).then_some((letter.message_id, lines))
}

// ---- posts

/// One connection of the agencies' systems.
pub async fn posts(stream: TcpStream, script: Arc<Script>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let Some((path, id, length)) = head(&mut stream).await? else {
            return Ok(());
        };
        match script.early() {
            Do::Cut => {
                script.log.count("post cut early");
                return Ok(());
            }
            Do::Stall => {
                script.log.count("post stalled early");
                return stall(&mut stream).await;
            }
            _ => {}
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        if !posted(&mut stream, &script, &path, &id, body).await? {
            return Ok(());
        }
    }
}

/// Path, `webhook-id` and length.
async fn head(stream: &mut BufReader<TcpStream>) -> io::Result<Option<(String, String, usize)>> {
    let mut first = String::new();
    if stream.read_line(&mut first).await? == 0 {
        return Ok(None);
    }
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut id, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        if line.is_empty() {
            return Ok(Some((path, id, length)));
        }
        if let Some((name, value)) = line.split_once(": ") {
            match name.to_ascii_lowercase().as_str() {
                "webhook-id" => id = value.to_owned(),
                "content-length" => length = value.parse().map_err(io::Error::other)?,
                _ => {}
            }
        }
    }
}

async fn posted(
    stream: &mut BufReader<TcpStream>,
    script: &Script,
    path: &str,
    id: &str,
    body: Vec<u8>,
) -> io::Result<bool> {
    let whole = Instant::now();
    let keep = || {
        let lines = page(path, &body);
        if lines.is_none() {
            let text = String::from_utf8_lossy(&body).into_owned();
            script.log.strange(format!("a post to {path}: {text}"));
        }
        lines.map(|lines| {
            script.log.keep(Copy {
                at: Instant::now(),
                id: id.to_owned(),
                lines,
                bytes: body.clone(),
                replica: None,
                answered: false,
            })
        })
    };
    match script.last() {
        doing @ (Do::Go | Do::Late(_)) => {
            let kept = keep();
            if let Do::Late(millis) = doing {
                pass(Duration::from_millis(millis)).await;
            }
            // An answer is what its head says, however its body drags on.
            let drags_on = matches!(doing, Do::Late(millis) if millis.is_multiple_of(7));
            let length = if drags_on { 100 } else { 2 };
            let code = script.code(&[200, 201, 202]);
            let reply = format!("HTTP/1.1 {code} Fine\r\ncontent-length: {length}\r\n\r\nok");
            write(stream, reply.as_bytes()).await?;
            script.said_yes(kept, whole);
            if drags_on {
                script.log.count("post answered slowly");
                return stall(stream).await.map(|()| false);
            }
            Ok(true)
        }
        Do::Refuse => {
            script.log.count("post refused");
            let code = script.code(&[302, 429, 500, 503]);
            let more = match code {
                302 => "location: /elsewhere\r\n",
                429 => "retry-after: 1\r\n",
                _ => "",
            };
            let reply = format!("HTTP/1.1 {code} No\r\n{more}content-length: 0\r\nconnection: close\r\n\r\n");
            write(stream, reply.as_bytes()).await?;
            Ok(false)
        }
        Do::Cut => {
            script.log.count("post cut, not kept");
            Ok(false)
        }
        Do::Stall => {
            script.log.count("post stalled, not kept");
            stall(stream).await.map(|()| false)
        }
        Do::KeepAndCut => {
            keep();
            script.log.count("post kept and cut");
            Ok(false)
        }
        Do::KeepAndStall => {
            keep();
            script.log.count("post kept and stalled");
            stall(stream).await.map(|()| false)
        }
        Do::KeepAndStammer => {
            keep();
            script.log.count("post kept and stammered");
            write(stream, b"HTTP/1.1 20").await?;
            Ok(false)
        }
    }
}

fn page(path: &str, body: &[u8]) -> Option<BTreeSet<Line>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let unit = body["unit"].as_str()?;
    if path != format!("/{unit}") {
        return None;
    }
    let unit: usize = unit.strip_prefix('U')?.parse().ok()?;
    let desk = match body["desk"].as_str()? {
        "contact" => Desk::Contact,
        "head" => Desk::Head,
        _ => return None,
    };
    let lines = body["tickets"].as_array()?.iter().map(|ticket| {
        let word = |key: &str| ticket[key].as_str();
        Some(Line {
            ticket: word("code")?.to_owned(),
            step: format!("{}/{}", word("rule")?, word("step")?),
            unit,
            desk,
            by: By::Post,
        })
    });
    lines
        .collect::<Option<BTreeSet<Line>>>()
        .filter(|lines| !lines.is_empty())
}
