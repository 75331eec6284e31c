//! One signed message to an agency's own system, by the Standard Webhooks specification, to an address that may be
//! posted to and to no other.
//!
//! What an answer is made of:
//!
//! | what happened | answer |
//! |---|---|
//! | 2xx, whatever comes after its head | accepted |
//! | 410: the receiver wants no more | never |
//! | any other status; 3xx too, since redirects are not followed | later, not before `Retry-After` |
//! | an address outside the rules, no name, no connection, no TLS | later |
//! | broken, late or senseless once the request may have left | unknown |
//!
//! The addresses: a name is looked up by a resolver of our own, which gives the connector only those that may be posted
//! to; so there is no second look-up that could answer otherwise. A literal address never gets to a resolver and is
//! looked at in the url. No proxy and no redirect leads around either.
//!
//! Not here: what is posted, when it is tried again, how many go at once.

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};
use rustls::ClientConfig;
use rustls_pki_types::{CertificateDer, ServerName};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::{Answer, Failure, FailureKind, Stage, http, tls};
use crate::config::settings::{NoWay, WebhookSettings};
use crate::domain::Moment;

/// How long the body is waited for.
const BODY_WAIT: Duration = Duration::from_secs(1);
/// A receiver cannot put us off for longer.
pub const LONGEST_WAIT: TimeDelta = TimeDelta::hours(1);
/// An idle connection is closed before most servers would do so: a post into one that just closed ends unknown.
const IDLE: Duration = Duration::from_secs(4);

/// Why nothing can be posted at all.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error("webhooks: {0}")]
    Tls(String),
    #[error("webhooks: a key of the endpoint `{0}` is not base64; look at its `key_files`")]
    Key(String),
    #[error("webhooks: the HTTP client cannot be made: {0}")]
    Client(#[from] reqwest::Error),
}

/// The way to all endpoints, with their keys.
#[derive(Debug)]
pub struct Webhooks {
    client: Client,
    /// For plain `http` to this machine.
    near: Client,
    tls: Arc<ClientConfig>,
    rules: Rules,
    keys: HashMap<String, Vec<Hmac<Sha256>>>,
    wait: Duration,
}

impl Webhooks {
    /// Makes the clients; connects to nothing.
    ///
    /// # Errors
    /// When no certificate is trusted or a key is none.
    pub fn new(settings: &WebhookSettings) -> Result<Webhooks, WebhookError> {
        // Where nothing is posted nobody has to be trusted: a system without certificates serves.
        let nobody: &[CertificateDer<'static>] = &[];
        let authorities = match settings.keys.is_empty() {
            true => Some(nobody),
            false => settings.authorities.as_deref(),
        };
        let tls = tls::client(authorities, "webhooks.ca_file").map_err(WebhookError::Tls)?;
        let rules = Rules(Arc::new(settings.clone()));
        let wait = settings.timeout.to_std().unwrap_or_default();
        let client = |https_only| {
            http::client(tls.clone(), https_only)
                .dns_resolver(rules.clone())
                // Shorter than the whole, so that a host that does not answer is told from one that may have read.
                .connect_timeout(wait / 2)
                .timeout(wait)
                .pool_idle_timeout(IDLE)
                .build()
        };
        let mut keys = HashMap::new();
        for (id, secrets) in &settings.keys {
            let ready: Option<Vec<_>> = secrets.iter().map(signer).collect();
            keys.insert(id.clone(), ready.ok_or_else(|| WebhookError::Key(id.clone()))?);
        }
        Ok(Webhooks {
            client: client(true)?,
            near: client(false)?,
            tls: Arc::new(tls),
            rules,
            keys,
            wait,
        })
    }

    /// Posts `body`, which is JSON, to `url`, signed with every key of `endpoint`. `id` is the same at every attempt;
    /// `at` is the instant of this one.
    pub async fn post(&self, endpoint: &str, url: &str, id: &str, body: &[u8], at: Moment) -> Answer {
        let later = |why| Answer::Later { why, not_before: None };
        let url = match self.rules.url(url) {
            Ok(url) => url,
            Err(why) => return later(why),
        };
        let Some(keys) = self.keys.get(endpoint).filter(|keys| !keys.is_empty()) else {
            let why = format!("the endpoint `{endpoint}` has no key");
            return later(Failure::new(FailureKind::Unsendable, &why));
        };
        let client = if url.scheme() == "http" {
            &self.near
        } else {
            &self.client
        };
        let request = client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", at.timestamp())
            .header("webhook-signature", signatures(keys, id, at, body))
            .body(body.to_vec());
        match request.send().await {
            Ok(response) => answer(response, at).await,
            Err(error) => failed(&error, self.wait),
        }
    }

    /// Could something be posted now? Looks the name up, connects and shakes hands; posts nothing.
    ///
    /// # Errors
    /// What [`Webhooks::post`] would have failed with.
    pub async fn probe(&self, url: &str) -> Result<(), Failure> {
        let url = self.rules.url(url)?;
        let late = |stage| move |_| late(self.wait, stage);
        let dial = timeout(self.wait, self.dial(&url)).await;
        let stream = dial.map_err(late(Stage::Connect))??;
        if url.scheme() == "http" {
            return Ok(());
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|e| Failure::new(FailureKind::Unsendable, &e.to_string()))?;
        let shake = TlsConnector::from(self.tls.clone()).connect(name, stream);
        let shaken = timeout(self.wait, shake).await.map_err(late(Stage::Tls))?;
        shaken.map(drop).map_err(|error| tls::no_handshake(&error))
    }

    async fn dial(&self, url: &Url) -> Result<TcpStream, Failure> {
        let port = url.port_or_known_default().unwrap_or_default();
        let addresses = match url.host() {
            Some(Host::Domain(name)) => self.rules.look_up(name).await.map_err(|error| unreachable(&*error))?,
            Some(Host::Ipv4(ip)) => vec![(ip, 0).into()],
            Some(Host::Ipv6(ip)) => vec![(ip, 0).into()],
            None => Vec::new(),
        };
        let addresses: Vec<SocketAddr> = addresses.iter().map(|a| (a.ip(), port).into()).collect();
        let connected = TcpStream::connect(addresses.as_slice()).await;
        connected.map_err(|error| unreachable(&error))
    }
}

/// Where may be posted to.
#[derive(Debug, Clone)]
struct Rules(Arc<WebhookSettings>);

/// Every address of a name lies outside the rules.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {first}")]
struct Barred {
    name: String,
    first: NoWay,
}

impl Rules {
    /// The url, where the rules admit it.
    fn url(&self, text: &str) -> Result<Url, Failure> {
        let url = Url::parse(text).map_err(|e| Failure::new(FailureKind::Unsendable, &e.to_string()))?;
        self.0.admits_url(&url).map_err(|no_way| {
            let kind = match no_way {
                NoWay::Address(_) => FailureKind::Barred,
                NoWay::User | NoWay::Clear(_) => FailureKind::Unsendable,
            };
            Failure::new(kind, &no_way.to_string())
        })?;
        Ok(url)
    }

    /// The addresses of a name that may be posted to; never none.
    async fn look_up(&self, name: &str) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
        let found: Vec<SocketAddr> = lookup_host((name, 0)).await?.collect();
        let (may, may_not): (Vec<_>, Vec<_>) = found.into_iter().partition(|a| self.0.admits(a.ip()));
        match may_not.first() {
            Some(address) if may.is_empty() => Err(Barred {
                name: name.to_owned(),
                first: NoWay::Address(address.ip()),
            }
            .into()),
            _ => Ok(may),
        }
    }
}

impl Resolve for Rules {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = self.clone();
        Box::pin(async move {
            let addresses = rules.look_up(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// A key that is ready to sign; `None` where it is not base64.
fn signer(key: &SecretString) -> Option<Hmac<Sha256>> {
    let bytes = STANDARD.decode(key.expose_secret()).ok()?;
    Hmac::new_from_slice(&bytes).ok()
}

/// One signature a key over id, time and body, as Standard Webhooks has them.
fn signatures(keys: &[Hmac<Sha256>], id: &str, at: Moment, body: &[u8]) -> String {
    let head = format!("{id}.{}.", at.timestamp());
    let sign = |key: &Hmac<Sha256>| {
        let mac = key.clone().chain_update(&head).chain_update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    };
    keys.iter().map(sign).collect::<Vec<_>>().join(" ")
}

/// What a status means. The body changes nothing.
async fn answer(mut response: Response, at: Moment) -> Answer {
    let status = response.status();
    let not_before = retry_after(response.headers(), at);
    // One that does not come costs a connection, and nobody a wait.
    if timeout(BODY_WAIT, http::drain(&mut response)).await.is_err() {
        tracing::debug!("the answer's body stays away");
    }
    let words = status.canonical_reason().unwrap_or_default();
    if status.is_success() {
        let reply = format!("{} {words}", status.as_str());
        return Answer::Accepted {
            reply: reply.trim_end().to_owned(),
            refused: Vec::new(),
        };
    }
    let words = if status.is_redirection() {
        "redirects are not followed"
    } else {
        words
    };
    let kind = FailureKind::Refused { stage: Stage::Request };
    let why = Failure::with_code(kind, status.as_u16(), words);
    match status {
        StatusCode::GONE => Answer::Never { why },
        _ => Answer::Later { why, not_before },
    }
}

/// The instant that `Retry-After` names, in seconds or as a date, at most an hour ahead. Nonsense names none.
fn retry_after(headers: &HeaderMap, at: Moment) -> Option<Moment> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let latest = at + LONGEST_WAIT;
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than a number holds are still a long time.
        let seconds = text.parse().unwrap_or(u32::MAX);
        return Some(latest.min(at + TimeDelta::seconds(seconds.into())));
    }
    let date = DateTime::parse_from_rfc2822(text).ok()?.to_utc();
    Some(date.clamp(at, latest))
}

/// What a post without an answer means.
fn failed(error: &reqwest::Error, wait: Duration) -> Answer {
    let later = |why| Answer::Later { why, not_before: None };
    if error.is_builder() {
        return later(Failure::new(FailureKind::Unsendable, &http::innermost(error)));
    }
    if error.is_connect() {
        return later(if error.is_timeout() {
            late(wait / 2, Stage::Connect)
        } else {
            unreachable(error)
        });
    }
    let stage = Stage::Request;
    Answer::Unknown {
        why: if error.is_timeout() {
            late(wait, stage)
        } else {
            Failure::new(FailureKind::Broken { stage }, &http::innermost(error))
        },
    }
}

/// Why there is no connection: the rules, the certificate, or the network.
fn unreachable(error: &(dyn Error + 'static)) -> Failure {
    let mut causes = std::iter::successors(Some(error), |&e| e.source());
    if let Some(barred) = causes.clone().find_map(|e| e.downcast_ref::<Barred>()) {
        return Failure::new(FailureKind::Barred, &barred.to_string());
    }
    let handshake = causes.find_map(|e| shaking(e.downcast_ref()?));
    let stage = Stage::Connect;
    handshake.unwrap_or_else(|| Failure::new(FailureKind::Broken { stage }, &http::innermost(error)))
}

/// A failed handshake, however often the error was wrapped: the source of a wrapping `io::Error` is not what it wraps.
fn shaking(error: &io::Error) -> Option<Failure> {
    let inner = error.get_ref()?;
    if inner.is::<rustls::Error>() {
        return Some(tls::no_handshake(error));
    }
    shaking(inner.downcast_ref()?)
}

fn late(wait: Duration, stage: Stage) -> Failure {
    Failure::new(
        FailureKind::Timeout { stage },
        &format!("waited {} s", wait.as_secs_f64()),
    )
}
