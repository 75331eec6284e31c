//! What `dondoc.toml` means once it has been read and checked. Plain values and what they allow; no place, no
//! parsing.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use chrono::{NaiveTime, TimeDelta};
use chrono_tz::Tz;
use ipnet::IpNet;
use rustls_pki_types::CertificateDer;
use secrecy::SecretString;
use url::{Host, Url};

use super::address::is_public;
use crate::domain::notice::Mode;
use crate::domain::ticket::{Rating, Status};
use crate::domain::time::Span;

/// Where a database is. Shown without its password.
#[derive(Debug, Clone)]
pub enum Database {
    /// `sqlite:PATH`; a relative path starts at the configuration directory.
    Sqlite(PathBuf),
    /// `postgres://USER@HOST:PORT/NAME`, with sqlx's parameters (`sslmode`, `host` for a socket).
    Postgres(Server),
    /// `mysql://` or `mariadb://`, with sqlx's parameters (`ssl-mode`, `socket`).
    MySql(Server),
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Database::Sqlite(path) => path.display().fmt(f),
            Database::Postgres(server) | Database::MySql(server) => server.url.fmt(f),
        }
    }
}

impl Database {
    /// Of our account there, where one is set.
    #[must_use]
    pub fn password(&self) -> Option<&SecretString> {
        match self {
            Database::Sqlite(_) => None,
            Database::Postgres(server) | Database::MySql(server) => server.password.as_ref(),
        }
    }
}

/// A database on a server.
#[derive(Debug, Clone)]
pub struct Server {
    /// Never with a password.
    pub url: Url,
    pub password: Option<SecretString>,
}

/// `[source]`: the ticket database. It is only ever read.
#[derive(Debug, Clone)]
pub struct SourceSettings {
    pub database: Database,
    /// One plain `SELECT` that returns the columns of `spec.md` §2 by name.
    pub query: String,
    /// Zone of times written without one.
    pub time_zone: Tz,
    /// How the source writes `updated_at`, so that the cursor compares in the source's own writing.
    pub updated_at_format: UpdatedAtFormat,
    /// False where the query has no reliable `updated_at`: then there is only the sweep.
    pub has_updated_at: bool,
    /// The cursor stays this far behind the read's start; default 2 minutes.
    pub overlap: TimeDelta,
    /// Rows a read takes at a time; default 1000.
    pub batch: u32,
    /// Local time of the nightly sweep; default 02:00.
    pub sweep_at: NaiveTime,
    /// A sweep besides, this often; none by default.
    pub sweep_every: Option<TimeDelta>,
    /// Longest time a statement may take; default 60 s.
    pub statement_timeout: TimeDelta,
    /// How old remembered rows may be when the source is down; default 2wh.
    pub max_age: Span,
    /// Newest `updated_at` older than this in office hours: overdue and stale steps wait. `None` = off; default 4wh.
    pub stale_after: Option<Span>,
    /// Share of open tickets that may vanish or appear between two sweeps before it is held; default 0.5.
    pub implausible_share: f64,
    /// `[source.status]`: the source's word (folded) to ours.
    pub status: HashMap<String, Status>,
    /// `[source.rating]`: the source's word (folded) to ours.
    pub rating: HashMap<String, Rating>,
}

impl SourceSettings {
    /// A word for an open ticket (folded), where there is one.
    #[must_use]
    pub fn open_word(&self) -> Option<&str> {
        let open = self.status.iter().filter(|(_, status)| **status == Status::Open);
        open.map(|(word, _)| word.as_str()).min()
    }
}

/// The writing of `updated_at` in the source, for comparing the cursor there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpdatedAtFormat {
    /// Text by a chrono format string in the source's zone; default `%Y-%m-%d %H:%M:%S`.
    Text(String),
    EpochSeconds,
    EpochMillis,
}

/// `[store]`: our own database.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    pub database: Database,
}

/// `[smtp]`: the relay that takes our mail.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// Also the name its certificate has to bear.
    pub host: String,
    /// Default 25; 465 with implicit TLS.
    pub port: u16,
    pub tls: SmtpTls,
    /// Whose certificates are trusted; `None` = those this system trusts.
    pub authorities: Option<Vec<CertificateDer<'static>>>,
    /// Our account at the relay; `None` where it knows us by our address.
    pub login: Option<SmtpLogin>,
    /// Our name in EHLO and the domain of `Message-ID`.
    pub hello: String,
    /// Connections kept at once; default 4.
    pub connections: usize,
    /// Longest wait for one answer; default 60 s.
    pub timeout: TimeDelta,
    /// What comes back of mails; `None` where nobody reads it.
    pub bounces: Option<BounceSettings>,
}

/// `smtp.bounce_*`: mails that come back.
#[derive(Debug, Clone)]
pub struct BounceSettings {
    /// Each mail's envelope has a sender of its own below it: `bounces+TOKEN@…`.
    pub address: String,
    /// Where the mail server puts what arrives there.
    pub maildir: Option<PathBuf>,
    /// So long an address is not written to; default 30 days.
    pub suspend_for: TimeDelta,
    /// What was read is deleted; else it is kept in `cur/`.
    pub delete: bool,
}

/// How the way to the relay is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// Not at all; the default to a relay on this machine.
    None,
    /// By STARTTLS before anything else is said, or no mail goes; the default to any other relay.
    StartTls,
    /// From the first byte on.
    Implicit,
}

/// An account at the relay.
#[derive(Debug, Clone)]
pub struct SmtpLogin {
    pub username: String,
    pub password: SecretString,
}

/// `[webhooks]`: how messages are posted into the agencies' own systems.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// Networks outside the public internet that may be posted to all the same; none by default.
    pub allowed_private: Vec<IpNet>,
    /// Longest time one post may take, with its answer; default 20 s.
    pub timeout: TimeDelta,
    /// Posts under way at once, at most; default 32.
    pub in_flight: usize,
    /// An endpoint is disabled once it has taken nothing for so long; default 5 days.
    pub disable_after: TimeDelta,
    /// Whose certificates are trusted; `None` = those this system trusts.
    pub authorities: Option<Vec<CertificateDer<'static>>>,
    /// By endpoint: base64 keys without their prefix, the newest first. Each one signs.
    pub keys: HashMap<String, Vec<SecretString>>,
}

/// Why nothing is posted to a url. It is never quoted: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoWay {
    #[error("a user or password does not stand in the url")]
    User,
    #[error("{0} lies outside the public internet")]
    Address(IpAddr),
    #[error("`{0}` would post in the clear")]
    Clear(String),
}

impl WebhookSettings {
    /// Holds a url against the rules: `https`, or `http` to this machine by its address; no user; where the host is an
    /// address, one that may be posted to, however it is written. What a name means is another question.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn admits_url(&self, url: &Url) -> Result<(), NoWay> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NoWay::User);
        }
        let literal: Option<IpAddr> = match url.host() {
            Some(Host::Ipv4(ip)) => Some(ip.into()),
            Some(Host::Ipv6(ip)) => Some(ip.into()),
            _ => None,
        };
        if let Some(ip) = literal.filter(|ip| !self.admits(*ip)) {
            return Err(NoWay::Address(ip));
        }
        match url.scheme() {
            "https" => Ok(()),
            "http" if literal.is_some_and(|ip| ip.is_loopback()) => Ok(()),
            other => Err(NoWay::Clear(other.to_owned())),
        }
    }

    /// Whether a webhook may be posted to an address: a public one, or one that ops listed.
    #[must_use]
    pub fn admits(&self, ip: IpAddr) -> bool {
        is_public(ip) || self.allowed_private.iter().any(|net| net.contains(&ip))
    }
}

/// `[delivery]`: what stands on every mail, and when it goes.
#[derive(Debug, Clone)]
pub struct DeliverySettings {
    /// Address and display name of the sender.
    pub from_address: String,
    pub from_name: String,
    /// A duty box that is read.
    pub reply_to: String,
    /// Name of the hotline in subjects: `[1022]`.
    pub tag: String,
    /// Full name of the hotline in letters.
    pub hotline: String,
    /// The contact line at the foot.
    pub contact_line: String,
    /// Signature lines.
    pub signature: String,
    /// Local time of the daily digest; default 08:00.
    pub digest_at: NaiveTime,
    /// A notice is dead this long after its first attempt, in time its recipient's window was open; default 72 h.
    pub give_up_after: TimeDelta,
    /// From each attempt in vain to the next, the last one on and on; never empty. Each is up to a fifth longer.
    pub retry: Vec<TimeDelta>,
    /// A mail with more tickets than this carries them as a workbook too; default 20, `None` = never.
    pub annex_above: Option<usize>,
    /// Recipient domains that mail may go to (`dongthap.example`, subdomains included).
    pub allowed_domains: Vec<String>,
    /// How units are told that are not in `live_units`; default live.
    pub mode: Mode,
    /// The box that gets everything that is told in shadow; `None` = ops' boxes in the directory.
    pub shadow_to: Option<String>,
    /// Ids of the units that are live while the others are in shadow.
    pub live_units: BTreeSet<String>,
}

impl DeliverySettings {
    /// How tickets that a unit is responsible for are told.
    #[must_use]
    pub fn mode_of(&self, unit: &str) -> Mode {
        if self.live_units.contains(unit) {
            Mode::Live
        } else {
            self.mode
        }
    }
}

/// `[ops]`: what those who run dondoc hear of it.
#[derive(Debug, Clone)]
pub struct OpsSettings {
    /// Alarms are mailed to them; all the same they are in the log, in `status` and in the metrics.
    pub tell: bool,
    /// Not in their working hours only.
    pub at_any_hour: bool,
    /// So long the ticket database may be out of reach before they hear of it; default 15 minutes.
    pub source_down_after: TimeDelta,
    /// Program and arguments that get what a mail cannot carry; empty = none.
    pub command: Vec<String>,
    /// Asked for while all is well; its absence is the alarm. `None` = nobody watches.
    pub alive_url: Option<SecretString>,
    /// At most so often; default 5 minutes.
    pub alive_every: TimeDelta,
}

/// `[audit]`: whether everything that is owed has a recorded fate.
#[derive(Debug, Clone, Copy)]
pub struct AuditSettings {
    /// Local time of the nightly one; `None` = none, default 02:30.
    pub at: Option<NaiveTime>,
    /// How late something may be before it is amiss: a length of time, default 4wh.
    pub grace: Span,
}

/// `[run]`: the daemon.
#[derive(Debug, Clone)]
pub struct RunSettings {
    /// From one turn's start to the next; whole seconds that divide a minute or minutes that divide an hour; default 1m.
    pub every: TimeDelta,
    /// How long SIGTERM lets what is under way come to its end; default 20 s.
    pub drain: TimeDelta,
    /// Where the daemon notes its process id, for `dondoc reload`; beside a SQLite store by default.
    pub pid_file: Option<PathBuf>,
}

/// `[http]`: `/healthz`, `/readyz`, `/metrics`.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// `None` where it is off; default 127.0.0.1:9122.
    pub listen: Option<SocketAddr>,
    /// What a caller has to show as `Authorization: Bearer …`; needed for any address but loopback.
    pub token: Option<SecretString>,
}

/// `[retention]`: how long what is finished is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionSettings {
    /// The bytes of messages; default 90 days.
    pub bodies: TimeDelta,
    /// Everything else, in months, and up to the beginning of a period; default 24.
    pub records_months: u32,
}

/// `[privacy]`.
#[derive(Debug, Clone, Copy, Default)]
pub struct PrivacySettings {
    /// A ticket's title stands in its line, scrubbed and cut; never that of a confidential ticket or a complaint about a
    /// person. Off by default.
    pub show_title: bool,
}

/// `[limits]`.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Messages sent but not yet marked, at most; default 64.
    pub in_flight: usize,
    /// Messages made in one turn, at most; the rest waits.
    pub messages_per_turn: Option<usize>,
    /// Messages made for one desk of a unit within an hour, at most.
    pub messages_per_hour: Option<usize>,
}
