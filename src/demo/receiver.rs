//! A mail server in the process: it takes every mail over real TCP and keeps it.
//!
//! `demo` sends to it instead of to the world. By a [`Do`] for each step it can also misbehave in all the ways a relay
//! does, which is how the mail channel is tried. It delivers nothing and knows nothing of what mails say.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Longest command line, and the piece a mail is read in.
const MOST_LINE: u64 = 64 * 1024;

/// Where mails are kept, and how many.
#[derive(Debug, Clone)]
pub struct Keep {
    /// Keep them for [`Receiver::received`].
    pub memory: bool,
    /// Write them as `00001.eml`, `00002.eml`, … into this folder, which must exist.
    pub folder: Option<PathBuf>,
    /// Most mails taken; the next is put off with 452.
    pub most: usize,
    /// Largest mail taken, in bytes; a larger one is refused with 552.
    pub largest: usize,
}

impl Keep {
    /// In memory, within bounds that suit tests and the demo.
    #[must_use]
    pub fn memory() -> Keep {
        Keep {
            memory: true,
            folder: None,
            most: 200_000,
            largest: 64 << 20,
        }
    }

    /// In a folder only.
    #[must_use]
    pub fn folder(folder: PathBuf) -> Keep {
        Keep {
            memory: false,
            folder: Some(folder),
            ..Keep::memory()
        }
    }
}

/// One mail that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The envelope's sender; empty for the null sender.
    pub from: String,
    pub to: Vec<String>,
    /// The message without dot-stuffing.
    pub bytes: Vec<u8>,
    /// Which connection it came over, counted from 1.
    pub at_connection: u64,
}

/// A step at which the receiver asks what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// A connection was opened; nothing has been said.
    Greeting,
    Ehlo,
    Reset,
    /// With the sender's address.
    Mail,
    /// With one recipient's address.
    Recipient,
    Data,
    /// After the first line of a message.
    Body,
    /// After the final dot.
    Final,
    Quit,
}

/// What the receiver does at a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Do {
    /// What a good server does.
    Go,
    /// Says this code and text instead; nothing is kept. 421 also closes.
    Reply(u16, String),
    /// Sends these bytes instead of a reply and goes on as if it had agreed, at [`Step::Final`] with the mail kept.
    Say(Vec<u8>),
    /// Sends these bytes instead of a reply and closes. A mail is kept, as it is with [`Do::Say`].
    SayAndCut(Vec<u8>),
    /// Never says anything again on this connection.
    Stall,
    /// Closes without a word.
    Cut,
    /// At [`Step::Final`]: keeps the mail, but closes without saying so. Elsewhere like [`Do::Cut`].
    KeepAndCut,
    /// At [`Step::Final`]: keeps the mail, but never says so. Elsewhere like [`Do::Stall`].
    KeepAndStall,
}

type Script = dyn Fn(Step, &str) -> Do + Send + Sync;

/// A running mail server on a loopback port.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

struct Shared {
    keep: Keep,
    script: Box<Script>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    mails: Vec<Received>,
    /// Mails that were given a number, kept in memory or not.
    count: usize,
    connections: u64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}

impl Receiver {
    /// Listens on `on` (port 0 = any free port) and takes every mail.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(on: SocketAddr, keep: Keep) -> io::Result<Receiver> {
        Receiver::start_scripted(on, keep, |_, _| Do::Go).await
    }

    /// The same, but at each step does what `script` says of it and its address, if it has one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start_scripted(
        on: SocketAddr,
        keep: Keep,
        script: impl Fn(Step, &str) -> Do + Send + Sync + 'static,
    ) -> io::Result<Receiver> {
        let listener = TcpListener::bind(on).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            keep,
            script: Box::new(script),
            kept: Mutex::default(),
        });
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared), stopped));
        Ok(Receiver {
            address,
            shared,
            stop,
            accepting,
        })
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The mails kept in memory, in the order they were taken.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.shared.kept().mails.clone()
    }

    /// How many mails were taken, in memory or not.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.kept().count
    }

    /// How many connections were opened.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.kept().connections
    }

    /// Takes no more connections, lets commands under way finish, says 421 on the others, and waits until all are closed.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(e) = self.accepting.await {
            tracing::warn!("the demo's mail receiver ended badly: {e}");
        }
    }
}

impl Shared {
    /// A panic elsewhere leaves the list whole: every change to it is one push.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the mail a number and keeps it; false if there is no room.
    async fn keep(&self, mail: Received) -> io::Result<bool> {
        let number = {
            let mut kept = self.kept();
            if kept.count >= self.keep.most {
                return Ok(false);
            }
            kept.count += 1;
            kept.count
        };
        if let Some(folder) = &self.keep.folder {
            let (path, bytes) = (folder.join(format!("{number:05}.eml")), mail.bytes.clone());
            tokio::task::spawn_blocking(move || std::fs::write(path, bytes))
                .await
                .map_err(io::Error::other)??;
        }
        if self.keep.memory {
            self.kept().mails.push(mail);
        }
        Ok(true)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            // Also when the receiver was dropped without being stopped.
            _ = stopped.changed() => break,
            Some(_) = open.join_next(), if !open.is_empty() => {}
            connection = listener.accept() => match connection {
                Ok((stream, _)) => {
                    let number = {
                        let mut kept = shared.kept();
                        kept.connections += 1;
                        kept.connections
                    };
                    let session = Session::new(stream, Arc::clone(&shared), stopped.clone(), number);
                    open.spawn(async move {
                        if let Err(e) = session.run().await {
                            tracing::debug!("a connection to the demo's mail receiver broke: {e}");
                        }
                    });
                }
                Err(e) => tracing::debug!("the demo's mail receiver could not take a connection: {e}"),
            },
        }
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

/// One connection.
struct Session {
    stream: BufReader<TcpStream>,
    shared: Arc<Shared>,
    stopped: watch::Receiver<bool>,
    number: u64,
    from: Option<String>,
    to: Vec<String>,
}

/// Whether a session goes on after a step.
#[derive(PartialEq, Eq)]
enum Next {
    Go,
    Close,
}

/// What a line was that the client sent.
enum Line {
    Is(String),
    TooLong,
    End,
    Stopped,
}

impl Session {
    fn new(stream: TcpStream, shared: Arc<Shared>, stopped: watch::Receiver<bool>, number: u64) -> Session {
        Session {
            stream: BufReader::new(stream),
            shared,
            stopped,
            number,
            from: None,
            to: Vec::new(),
        }
    }

    async fn run(mut self) -> io::Result<()> {
        self.stream.get_ref().set_nodelay(true)?;
        if self.step(Step::Greeting, "", "220 dondoc-demo ESMTP").await? == Next::Close {
            return Ok(());
        }
        loop {
            let line = match self.line().await? {
                Line::Is(line) => line,
                Line::TooLong => return self.say("500 5.5.6 line too long").await,
                Line::End => return Ok(()),
                Line::Stopped => return self.say("421 4.3.2 closing").await,
            };
            if self.command(&line).await? == Next::Close {
                return Ok(());
            }
        }
    }

    async fn command(&mut self, line: &str) -> io::Result<Next> {
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => {
                let offers = format!(
                    "250-dondoc-demo\r\n250-8BITMIME\r\n250-PIPELINING\r\n250-SIZE {}\r\n250 ENHANCEDSTATUSCODES",
                    self.shared.keep.largest
                );
                self.step(Step::Ehlo, argument, &offers).await
            }
            "HELO" => self.step(Step::Ehlo, argument, "250 dondoc-demo").await,
            "MAIL" => self.mail(argument).await,
            "RCPT" => self.recipient(argument).await,
            "DATA" if self.to.is_empty() => self.answer("503 5.5.1 no recipient").await,
            "DATA" => self.data().await,
            "RSET" => {
                self.forget();
                self.step(Step::Reset, "", "250 2.0.0 Ok").await
            }
            "NOOP" => self.answer("250 2.0.0 Ok").await,
            "QUIT" => {
                self.step(Step::Quit, "", "221 2.0.0 Bye").await?;
                Ok(Next::Close)
            }
            _ => self.answer("500 5.5.2 unknown command").await,
        }
    }

    async fn mail(&mut self, argument: &str) -> io::Result<Next> {
        let Some(address) = address_in(argument, "FROM:") else {
            return self.answer("501 5.5.4 MAIL FROM:<address>").await;
        };
        if self.from.is_some() {
            return self.answer("503 5.5.1 nested MAIL").await;
        }
        let (doing, next) = self.decide(Step::Mail, &address, "250 2.1.0 Ok").await?;
        if agreed(&doing) {
            self.from = Some(address);
        }
        Ok(next)
    }

    async fn recipient(&mut self, argument: &str) -> io::Result<Next> {
        let Some(address) = address_in(argument, "TO:").filter(|a| !a.is_empty()) else {
            return self.answer("501 5.5.4 RCPT TO:<address>").await;
        };
        if self.from.is_none() {
            return self.answer("503 5.5.1 MAIL first").await;
        }
        let (doing, next) = self.decide(Step::Recipient, &address, "250 2.1.5 Ok").await?;
        if agreed(&doing) {
            self.to.push(address);
        }
        Ok(next)
    }

    async fn data(&mut self) -> io::Result<Next> {
        let (doing, next) = self.decide(Step::Data, "", "354 go on, end with a dot").await?;
        if next == Next::Close || !agreed(&doing) {
            return Ok(next);
        }
        let Some(body) = self.body().await? else {
            return Ok(Next::Close);
        };
        let (from, to) = (self.from.take().unwrap_or_default(), std::mem::take(&mut self.to));
        let doing = (self.shared.script)(Step::Final, &from);
        let wanted = matches!(
            doing,
            Do::Go | Do::Say(_) | Do::SayAndCut(_) | Do::KeepAndCut | Do::KeepAndStall
        );
        let reply = match body {
            Some(bytes) if wanted => {
                match self
                    .shared
                    .keep(Received {
                        from,
                        to,
                        bytes,
                        at_connection: self.number,
                    })
                    .await
                {
                    Ok(true) => format!("250 2.0.0 Ok: kept as {}", self.shared.kept().count),
                    Ok(false) => "452 4.3.1 enough mails".to_owned(),
                    Err(e) => format!("451 4.3.0 not written: {e}"),
                }
            }
            Some(_) => String::new(),
            None => "552 5.3.4 mail too large".to_owned(),
        };
        self.act(&doing, &reply).await
    }

    /// The message, `Some(None)` if it was too large, or `None` if the connection is to be closed before its end.
    async fn body(&mut self) -> io::Result<Option<Option<Vec<u8>>>> {
        let mut body = Some(Vec::new());
        let (mut at_line_start, mut first) = (true, true);
        loop {
            let mut piece = Vec::new();
            let mut limited = (&mut self.stream).take(MOST_LINE);
            tokio::select! {
                _ = self.stopped.changed() => return Ok(None),
                read = limited.read_until(b'\n', &mut piece) => { read?; }
            }
            if piece.is_empty() {
                return Ok(None);
            }
            if at_line_start && piece == b".\r\n" {
                return Ok(Some(body));
            }
            let stuffed = usize::from(at_line_start && piece.first() == Some(&b'.'));
            // Only CRLF ends a line here; anything laxer would let a text end its own message.
            at_line_start = piece.ends_with(b"\r\n");
            if let Some(bytes) = &mut body {
                bytes.extend_from_slice(piece.get(stuffed..).unwrap_or_default());
            }
            body = body.filter(|bytes| bytes.len() <= self.shared.keep.largest);
            if std::mem::take(&mut first) {
                let doing = (self.shared.script)(Step::Body, "");
                if doing != Do::Go && self.act(&doing, "").await? == Next::Close {
                    return Ok(None);
                }
            }
        }
    }

    fn forget(&mut self) {
        self.from = None;
        self.to.clear();
    }

    async fn step(&mut self, step: Step, argument: &str, reply: &str) -> io::Result<Next> {
        self.decide(step, argument, reply).await.map(|(_, next)| next)
    }

    async fn decide(&mut self, step: Step, argument: &str, reply: &str) -> io::Result<(Do, Next)> {
        let doing = (self.shared.script)(step, argument);
        let next = self.act(&doing, reply).await?;
        Ok((doing, next))
    }

    async fn act(&mut self, doing: &Do, reply: &str) -> io::Result<Next> {
        match doing {
            Do::Go => self.answer(reply).await,
            Do::Reply(code, text) => {
                self.say(&format!("{code} {text}")).await?;
                Ok(if *code == 421 { Next::Close } else { Next::Go })
            }
            Do::Say(bytes) => {
                self.stream.get_mut().write_all(bytes).await?;
                Ok(Next::Go)
            }
            Do::SayAndCut(bytes) => {
                self.stream.get_mut().write_all(bytes).await?;
                Ok(Next::Close)
            }
            Do::Cut | Do::KeepAndCut => Ok(Next::Close),
            Do::Stall | Do::KeepAndStall => {
                // Until the receiver stops; an error only says that it was dropped, which is the same.
                self.stopped.changed().await.map_err(io::Error::other)?;
                Ok(Next::Close)
            }
        }
    }

    async fn answer(&mut self, reply: &str) -> io::Result<Next> {
        self.say(reply).await?;
        Ok(Next::Go)
    }

    async fn say(&mut self, reply: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(format!("{reply}\r\n").as_bytes()).await
    }

    async fn line(&mut self) -> io::Result<Line> {
        let mut raw = Vec::new();
        let mut limited = (&mut self.stream).take(MOST_LINE);
        tokio::select! {
            _ = self.stopped.changed() => return Ok(Line::Stopped),
            read = limited.read_until(b'\n', &mut raw) => { read?; }
        }
        Ok(match raw.last() {
            Some(b'\n') => Line::Is(String::from_utf8_lossy(&raw).trim_end().to_owned()),
            Some(_) if raw.len() as u64 == MOST_LINE => Line::TooLong,
            _ => Line::End,
        })
    }
}

/// Whether the step counts as granted.
fn agreed(doing: &Do) -> bool {
    match doing {
        Do::Go | Do::Say(_) => true,
        Do::Reply(code, _) => (200..400).contains(code),
        Do::SayAndCut(_) | Do::Stall | Do::Cut | Do::KeepAndCut | Do::KeepAndStall => false,
    }
}

/// The address in `FROM:<a@b> PARAMETERS` or `TO:<a@b>`.
fn address_in(argument: &str, keyword: &str) -> Option<String> {
    let (word, rest) = argument.split_at_checked(keyword.len())?;
    let inside = rest
        .trim_start()
        .strip_prefix('<')
        .filter(|_| word.eq_ignore_ascii_case(keyword))?;
    // A quoted local part may hold `>`, so the last one closes; parameters hold none.
    inside.rsplit_once('>').map(|(address, _)| address.to_owned())
}
