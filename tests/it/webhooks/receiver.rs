//! An agency's system that takes webhooks: it notes each post whole and does what it is told to.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::smtp_tls::relay::Identity;

/// What becomes of a post.
#[derive(Clone)]
pub enum Do {
    /// These bytes are the answer, and the connection stays.
    Say(String),
    /// 200 with a body that never ends.
    Endless,
    /// 200 with a body that begins and then stays away.
    Slow,
    /// The connection ends instead of an answer.
    Cut,
    /// The connection ends within the answer's first line.
    CutWithin,
    /// Nothing.
    Silence,
}

#[derive(Debug, Clone)]
pub struct Post {
    pub line: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Post {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().expect("ASCII")
    }
}

#[derive(Default)]
struct Log {
    posts: Mutex<Vec<Post>>,
    connections: Mutex<usize>,
}

pub struct Receiver {
    pub address: SocketAddr,
    log: Arc<Log>,
}

impl Receiver {
    /// With TLS where there is an identity.
    pub async fn start(identity: Option<Identity>, doing: Do) -> Receiver {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let log = Arc::new(Log::default());
        let acceptor = identity.map(|identity| TlsAcceptor::from(identity.0));
        let kept = log.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *kept.connections.lock().expect("a log") += 1;
                let (log, doing, acceptor) = (kept.clone(), doing.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, &log, &doing).await,
                        // A client that does not trust us goes away here.
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => serve(stream, &log, &doing).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Receiver { address, log }
    }

    pub fn posts(&self) -> Vec<Post> {
        self.log.posts.lock().expect("a log").clone()
    }

    pub fn connections(&self) -> usize {
        *self.log.connections.lock().expect("a log")
    }
}

/// Posts of one connection until it ends.
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, log: &Log, doing: &Do) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let post = read(&mut stream).await?;
        log.posts.lock().expect("a log").push(post);
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        match doing {
            Do::Say(text) => stream.write_all(text.as_bytes()).await.ok()?,
            Do::Endless => {
                stream.write_all(head.as_bytes()).await.ok()?;
                let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
                while stream.write_all(chunk.as_bytes()).await.is_ok() && stream.flush().await.is_ok() {}
                return None;
            }
            Do::Slow => {
                stream.write_all(format!("{head}1\r\nx\r\n").as_bytes()).await.ok()?;
                stream.flush().await.ok()?;
                std::future::pending::<()>().await;
            }
            Do::Cut => return None,
            Do::CutWithin => {
                stream.write_all(b"HTTP/1.1 20").await.ok()?;
                stream.flush().await.ok()?;
                return None;
            }
            Do::Silence => std::future::pending().await,
        }
        stream.flush().await.ok()?;
    }
}

async fn read(stream: &mut BufReader<impl AsyncRead + Unpin>) -> Option<Post> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut headers = HeaderMap::new();
    for line in &lines[1..] {
        let (name, value) = line.split_once(": ")?;
        headers.append(name.parse::<HeaderName>().ok()?, value.parse::<HeaderValue>().ok()?);
    }
    let length: usize = match headers.get("content-length") {
        Some(length) => length.to_str().ok()?.parse().ok()?,
        None => 0,
    };
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Post {
        line: lines.swap_remove(0),
        headers,
        body,
    })
}
