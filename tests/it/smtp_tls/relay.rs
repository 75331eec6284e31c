//! A mail relay behind TLS with manners to choose, a small certificate authority for it, and a log of what it was told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// An authority of the tests' own.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
#[derive(Clone)]
pub struct Identity(pub Arc<ServerConfig>);

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    pub fn certificate(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names, good till the end of that year.
    pub fn identity(&self, names: &[&str], last_year: i32) -> Identity {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.not_after = rcgen::date_time_ymd(last_year, 12, 31);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        let provider = tokio_rustls::rustls::crypto::ring::default_provider();
        let config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .expect("TLS")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                key.serialize_der().try_into().expect("a key"),
            );
        Identity(Arc::new(config.expect("a certificate with its key")))
    }
}

/// What the relay does where TLS is due.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shake {
    Hands,
    /// STARTTLS is not among the offers.
    NotOffered,
    /// STARTTLS gets this answer.
    Refused(&'static str),
    /// This is sent in the clear right behind the 220, then hands are shaken.
    Ahead(&'static str),
    /// The client's first bytes get this in the clear.
    InTheClear(&'static str),
    /// The client's first bytes get the end of the connection.
    Cut,
    /// The client's first bytes get nothing.
    Stall,
}

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Text {
    Kept,
    /// The connection ends while it comes.
    Cut,
    /// It is kept and the connection ends without an answer.
    KeptAndCut,
}

/// The last answer to AUTH, made from the client's last line.
pub type LoginReply = fn(&str) -> String;

#[derive(Clone)]
pub struct Manners {
    pub identity: Identity,
    /// TLS comes before the first word.
    pub implicit: bool,
    pub shake: Shake,
    /// Offers before TLS and after it, beside STARTTLS.
    pub offers: [&'static [&'static str]; 2],
    pub login: LoginReply,
    pub text: Text,
}

impl Manners {
    pub fn good(identity: Identity) -> Manners {
        Manners {
            identity,
            implicit: false,
            shake: Shake::Hands,
            offers: [&["8BITMIME"], &["8BITMIME", "AUTH PLAIN LOGIN"]],
            login: |_| "235 2.7.0 Ok".to_owned(),
            text: Text::Kept,
        }
    }
}

#[derive(Default)]
pub struct Log {
    pub connections: usize,
    pub handshakes: usize,
    /// Lines that came in the clear.
    pub clear: Vec<String>,
    /// Lines that came under TLS, messages without.
    pub sealed: Vec<String>,
    pub mails: Vec<String>,
}

pub struct Relay {
    pub address: SocketAddr,
    log: Arc<Mutex<Log>>,
}

impl Relay {
    pub async fn start(manners: Manners) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let log = Arc::new(Mutex::new(Log::default()));
        let kept = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                kept.lock().expect("a log").connections += 1;
                let session = Session {
                    stream: BufReader::new(Box::new(stream)),
                    manners: manners.clone(),
                    log: Arc::clone(&kept),
                    secure: false,
                };
                // A connection that ends is the client's affair; its tests look at the log.
                tokio::spawn(session.talk());
            }
        });
        Relay { address, log }
    }

    pub fn log<T>(&self, look: impl FnOnce(&Log) -> T) -> T {
        look(&self.log.lock().expect("a log"))
    }
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

struct Session {
    stream: BufReader<Box<dyn Io>>,
    manners: Manners,
    log: Arc<Mutex<Log>>,
    secure: bool,
}

impl Session {
    async fn talk(mut self) -> Option<()> {
        if self.manners.implicit {
            self = self.shake().await?;
        }
        self.say("220 relay.example ESMTP").await?;
        loop {
            let line = self.line().await?;
            match line.split([' ', ':']).next()? {
                "EHLO" => {
                    let mut offers = self.manners.offers[usize::from(self.secure)].to_vec();
                    if !self.secure && self.manners.shake != Shake::NotOffered {
                        offers.push("STARTTLS");
                    }
                    offers.push("ENHANCEDSTATUSCODES");
                    let lines: String = offers.iter().map(|offer| format!("\r\n250-{offer}")).collect();
                    self.say(&format!("250-relay.example{lines}\r\n250 HELP")).await?;
                }
                "STARTTLS" => match self.manners.shake {
                    Shake::Refused(reply) => self.say(reply).await?,
                    Shake::Ahead(words) => {
                        self.say(&format!("220 go on\r\n{words}")).await?;
                        self = self.shake().await?;
                    }
                    _ => {
                        self.say("220 2.0.0 go on").await?;
                        self = self.shake().await?;
                    }
                },
                "AUTH" => {
                    let mut last = line.clone();
                    if line == "AUTH LOGIN" {
                        for asked in ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"] {
                            self.say(asked).await?;
                            last = self.line().await?;
                        }
                    }
                    self.say(&(self.manners.login)(&last)).await?;
                }
                "DATA" => {
                    self.say("354 go on").await?;
                    self.message().await?;
                }
                "QUIT" => {
                    self.say("221 2.0.0 bye").await?;
                    return None;
                }
                _ => self.say("250 2.0.0 Ok").await?,
            }
        }
    }

    async fn shake(mut self) -> Option<Session> {
        if matches!(self.manners.shake, Shake::InTheClear(_) | Shake::Cut | Shake::Stall) {
            self.stream.read_u8().await.ok()?;
        }
        match self.manners.shake {
            Shake::InTheClear(words) => self.say(words).await?,
            Shake::Cut => return None,
            Shake::Stall => std::future::pending().await,
            _ => {}
        }
        let acceptor = TlsAcceptor::from(Arc::clone(&self.manners.identity.0));
        let stream = acceptor.accept(self.stream.into_inner()).await.ok()?;
        self.log.lock().expect("a log").handshakes += 1;
        Some(Session {
            stream: BufReader::new(Box::new(stream)),
            secure: true,
            ..self
        })
    }

    async fn message(&mut self) -> Option<()> {
        let mut text = String::new();
        loop {
            let mut line = String::new();
            if self.manners.text == Text::Cut {
                self.stream.read_u8().await.ok()?;
                return None;
            }
            if self.stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            if line == ".\r\n" {
                break;
            }
            text.push_str(&line);
        }
        self.log.lock().expect("a log").mails.push(text);
        match self.manners.text {
            Text::KeptAndCut => None,
            _ => self.say("250 2.0.0 Ok: kept").await,
        }
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        let mut log = self.log.lock().expect("a log");
        if self.secure {
            log.sealed.push(line.clone());
        } else {
            log.clear.push(line.clone());
        }
        Some(line)
    }

    async fn say(&mut self, words: &str) -> Option<()> {
        self.stream.write_all(format!("{words}\r\n").as_bytes()).await.ok()?;
        self.stream.flush().await.ok()
    }
}
