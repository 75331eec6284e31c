//! `dondoc.toml` and the variables over it: source, store, mail relay, delivery, limits.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;

use chrono::{NaiveTime, TimeDelta};

use super::audit::{self, read_audit};
use super::database::{read_database, read_secret};
use super::mail::{Domain, MailDomains};
use super::monthly::read_monthly;
use super::ops::{self, read_ops};
use super::papers::read_papers;
use super::problem::Place;
use super::read::{Node, Read, Section};
use super::settings::{
    AuditSettings, Database, DeliverySettings, HttpSettings, Limits, OpsSettings, PrivacySettings, RetentionSettings,
    RunSettings, SmtpSettings, SourceSettings, StoreSettings, UpdatedAtFormat, WebhookSettings,
};
use super::shape::{self, Shape, Written};
use super::smtp::read_smtp;
use super::webhooks::{self, read_webhooks};
use crate::domain::Moment;
use crate::domain::notice::Mode;
use crate::domain::obligation::Monthly;
use crate::domain::papers::Papers;
use crate::domain::rule::{DueReading, PeriodKind};
use crate::domain::text::fold;
use crate::domain::ticket::{Rating, Status};
use crate::domain::time::Span;
use crate::domain::wording::Locale;

/// What `dondoc.toml` says.
pub(super) struct MainFile {
    pub source: Option<SourceSettings>,
    pub due_reading: DueReading,
    pub store: StoreSettings,
    pub smtp: Option<SmtpSettings>,
    pub delivery: Option<DeliverySettings>,
    /// Where mail may go; nowhere while `[delivery]` cannot be read.
    pub domains: MailDomains,
    /// Where each of `delivery.live_units` stands; the directory says whether there is such a unit.
    pub live_units: BTreeMap<String, Place>,
    /// Without the keys, which the endpoints name.
    pub webhooks: WebhookSettings,
    pub limits: Limits,
    pub privacy: PrivacySettings,
    pub retention: RetentionSettings,
    pub run: RunSettings,
    pub ops: OpsSettings,
    pub audit: AuditSettings,
    pub http: HttpSettings,
    pub papers: Papers,
    pub monthly: Monthly,
    pub locale: Locale,
    /// Counts below ten are written with a nought before them.
    pub two_digits: bool,
    pub period: PeriodKind,
    pub since: Option<Moment>,
}

pub(super) fn read(root: Node<'_>, dir: &Path) -> Option<MainFile> {
    root.table(|file| {
        let mut due_reading = DueReading::default();
        let source = section(file, "source", |s| {
            due_reading = read_due_reading(s);
            read_source(s, dir)
        });
        let mut domains = MailDomains::default();
        let mut live_units = BTreeMap::new();
        let delivery = section(file, "delivery", |s| {
            domains = read_domains(s);
            live_units = read_live_units(s);
            read_delivery(s, &domains, &live_units)
        });
        let hello = delivery
            .as_ref()
            .and_then(|d| d.from_address.split_once('@'))
            .map(|(_, domain)| domain.to_owned());
        let store = file
            .get("store")
            .and_then(|n| n.table(|s| read_store(s, dir)))
            .unwrap_or_else(|| default_store(dir));
        let run = file.get("run").and_then(|n| n.table(|s| read_run(s, dir)));
        let audit = file
            .get("audit")
            .and_then(|n| n.table(read_audit))
            .unwrap_or_else(audit::by_default);
        let ops = file
            .get("ops")
            .and_then(|n| n.table(|s| read_ops(s, dir)))
            .unwrap_or_else(ops::by_default);
        if let (Some(_), None, Some(node)) = (&ops.alive_url, audit.at, file.get("audit")) {
            node.error_hint(
                "without the nightly audit nobody is told that all is well",
                "write `at = \"02:30\"`, or leave `alive_url_file` out".to_owned(),
            );
        }
        MainFile {
            source,
            due_reading,
            run: run.unwrap_or(BY_THE_MINUTE).beside(&store.database),
            http: file
                .get("http")
                .and_then(|n| n.table(|s| read_http(s, dir)))
                .unwrap_or(ON_LOOPBACK),
            store,
            smtp: section(file, "smtp", |s| read_smtp(s, hello, dir)),
            delivery,
            domains,
            live_units,
            webhooks: file
                .get("webhooks")
                .and_then(|n| n.table(|s| read_webhooks(s, dir)))
                .unwrap_or_else(webhooks::by_default),
            privacy: file
                .get("privacy")
                .and_then(|n| n.table(read_privacy))
                .unwrap_or_default(),
            retention: file
                .get("retention")
                .and_then(|n| n.table(read_retention))
                .unwrap_or(KEPT_FOR),
            ops,
            audit,
            papers: file
                .get("report")
                .and_then(|n| n.table(read_papers))
                .unwrap_or_default(),
            monthly: file
                .get("monthly")
                .and_then(|n| n.table(read_monthly))
                .unwrap_or_default(),
            limits: file
                .get("limits")
                .and_then(|n| n.table(read_limits))
                .unwrap_or(NO_LIMITS),
            locale: file.choice_or(
                "locale",
                &Locale::ALL.map(|locale| (locale.word(), locale)),
                Locale::default(),
            ),
            two_digits: file.or("two_digits", false),
            period: file.choice_or(
                "period",
                &[
                    ("month", PeriodKind::CalendarMonth),
                    ("from_15th", PeriodKind::FromThe15th),
                ],
                PeriodKind::default(),
            ),
            since: file.optional::<Instant>("since").map(|since| since.0),
        }
    })
}

/// A table that has to be there.
fn section<'a, T>(
    file: &mut Section<'a>,
    key: &'static str,
    read: impl FnOnce(&mut Section<'a>) -> Option<T>,
) -> Option<T> {
    file.needs(key);
    let Some(node) = file.get(key) else {
        file.node.error(format!("the table `[{key}]` is missing"));
        return None;
    };
    node.table(read).flatten()
}

fn read_source(s: &mut Section<'_>, dir: &Path) -> Option<SourceSettings> {
    let database = read_database(s, dir, None);
    let query = s.required::<Query>("query");
    let time_zone = s.required("time_zone");
    let has_updated_at = s.or("has_updated_at", true);
    let stale_after = s.or("stale_after", OffOr(Some(Span::WorkingTime(TimeDelta::hours(4)))));
    s.needs("status");
    let settings = SourceSettings {
        database: database.unwrap_or(Database::Sqlite(dir.to_owned())),
        query: query.as_ref().map(|q| q.0.clone()).unwrap_or_default(),
        time_zone: time_zone.unwrap_or(chrono_tz::UTC),
        updated_at_format: s.or("updated_at_format", UpdatedAtFormat::Text("%Y-%m-%d %H:%M:%S".into())),
        has_updated_at,
        overlap: s.or("overlap", TimeDelta::minutes(2)),
        batch: s.or("batch", AtLeastOne(1000)).0,
        sweep_at: s.or("sweep_at", NaiveTime::MIN + TimeDelta::hours(2)),
        sweep_every: s.optional("sweep_every"),
        statement_timeout: s.or("statement_timeout", TimeDelta::seconds(60)),
        max_age: s
            .or("max_age", OffOr(Some(Span::WorkingTime(TimeDelta::hours(2)))))
            .0
            .unwrap_or(Span::Elapsed(TimeDelta::zero())),
        stale_after: stale_after.0.filter(|_| has_updated_at),
        implausible_share: s.or("implausible_share", Share(0.5)).0,
        status: words(s, "status", &STATUSES),
        rating: words(s, "rating", &RATINGS),
    };
    if settings.status.is_empty() {
        s.node.error_hint(
            "`[source.status]` maps no word, so every ticket would count as open",
            "write lines such as `\"đóng\" = \"closed\"`".to_owned(),
        );
    }
    Some(settings)
}

const STATUSES: [(&str, Status); 6] = [
    ("open", Status::Open),
    ("waiting", Status::Waiting),
    ("answered", Status::Answered),
    ("closed", Status::Closed),
    ("rejected", Status::Rejected),
    ("void", Status::Void),
];

const RATINGS: [(&str, Rating); 4] = [
    ("satisfied", Rating::Satisfied),
    ("unsatisfied", Rating::Unsatisfied),
    ("not_useful", Rating::NotUseful),
    ("no_reply", Rating::NoReply),
];

/// The source's words by their folded form. Two spellings of one word may not mean two things.
fn words<T: Copy + PartialEq>(s: &mut Section<'_>, key: &'static str, meanings: &[(&str, T)]) -> HashMap<String, T> {
    let mut words = HashMap::new();
    for (word, node) in s.get(key).map(Node::entries).unwrap_or_default() {
        if let Some(meaning) = node.choice(meanings) {
            let before = words.insert(fold(word), meaning);
            if before.is_some_and(|before| before != meaning) {
                let message =
                    format!("`{word}` is mapped twice: case, accents and tone placement do not tell words apart");
                node.error_in_key(message, None);
            }
        }
    }
    words
}

fn read_due_reading(s: &mut Section<'_>) -> DueReading {
    DueReading {
        day_precision: s.choice_or("due_precision", &[("time", false), ("day", true)], false),
        midnight_is_previous_day: s.choice_or(
            "midnight",
            &[("as_written", false), ("end_of_previous_day", true)],
            false,
        ),
    }
}

fn read_store(s: &mut Section<'_>, dir: &Path) -> StoreSettings {
    let default = default_store(dir);
    let database = read_database(s, dir, Some(default.database.clone())).unwrap_or(default.database);
    if matches!(database, Database::MySql(_))
        && let Some(node) = s.get("url")
    {
        node.error_hint(
            "a store is kept in SQLite or PostgreSQL",
            "write `sqlite:PATH` or `postgres://USER@HOST/NAME`".to_owned(),
        );
    }
    StoreSettings { database }
}

fn default_store(dir: &Path) -> StoreSettings {
    StoreSettings {
        database: Database::Sqlite(dir.join("dondoc.db")),
    }
}

/// Nobody may be mailed unless their domain is listed, so a list has to be there.
fn read_domains(s: &mut Section<'_>) -> MailDomains {
    let domains = s.required::<Vec<Domain>>("allowed_domains");
    if let Some(node) = s.get("allowed_domains").filter(|node| node.lacks_items()) {
        node.error_hint(
            "no domain is listed, so mail could go to nobody",
            "list the province's mail domains".to_owned(),
        );
    }
    MailDomains::new(domains.unwrap_or_default())
}

/// Ids as they stand there, each with its place.
fn read_live_units(s: &mut Section<'_>) -> BTreeMap<String, Place> {
    let mut units = BTreeMap::new();
    for node in s.items("live_units") {
        let Some(id) = node.read::<String>() else { continue };
        if units.insert(id.clone(), node.place()).is_some() {
            node.error(format!("`{id}` stands here twice"));
        }
    }
    units
}

fn read_delivery(
    s: &mut Section<'_>,
    domains: &MailDomains,
    live_units: &BTreeMap<String, Place>,
) -> Option<DeliverySettings> {
    let mut sender = |key| {
        let node = s.needed(key)?;
        let address = node.read()?;
        domains.refuse_free_mail(node, &address);
        Some(address.0)
    };
    let from_address = sender("from_address");
    let reply_to = sender("reply_to");
    let from_name = s.required("from_name");
    let tag = s.required("tag");
    let hotline = s.required("hotline");
    let contact_line = s.required("contact_line");
    let signature = s.required("signature");
    let digest_at = s.or("digest_at", NaiveTime::MIN + TimeDelta::hours(8));
    let give_up_after = s.or("give_up_after", TimeDelta::hours(72));
    let retry = read_retry(s);
    let annex_above = s.or("annex_above", 20u32);
    let mode = s.choice_or("mode", &[("live", Mode::Live), ("shadow", Mode::Shadow)], Mode::Live);
    if let (Mode::Live, false, Some(node)) = (mode, live_units.is_empty(), s.get("live_units")) {
        node.warn(
            "every unit is live, so `live_units` means nothing",
            "write `mode = \"shadow\"` to have the others in shadow".to_owned(),
        );
    }
    let shadow_to = s.get("shadow_to").and_then(|node| domains.recipient(node));
    Some(DeliverySettings {
        from_address: from_address?,
        from_name: from_name?,
        reply_to: reply_to?,
        tag: tag?,
        hotline: hotline?,
        contact_line: contact_line?,
        signature: signature?,
        digest_at,
        give_up_after,
        retry,
        annex_above: Some(annex_above as usize).filter(|n| *n > 0),
        allowed_domains: domains.names(),
        mode,
        shadow_to,
        live_units: live_units.keys().cloned().collect(),
    })
}

/// Minutes from one attempt in vain to the next, where nothing else is said.
const RETRY: [i64; 5] = [1, 5, 15, 30, 60];

fn read_retry(s: &mut Section<'_>) -> Vec<TimeDelta> {
    let spans = s.or("retry", RETRY.map(TimeDelta::minutes).to_vec());
    if let Some(node) = s.get("retry").filter(|node| node.lacks_items()) {
        node.error_hint(
            "no span is listed, so nothing would be tried again",
            "write such as `[\"1m\", \"5m\", \"15m\", \"30m\", \"1h\"]`".to_owned(),
        );
    }
    spans
}

const NO_LIMITS: Limits = Limits {
    in_flight: 64,
    messages_per_turn: None,
    messages_per_hour: None,
};

fn read_limits(s: &mut Section<'_>) -> Limits {
    Limits {
        in_flight: s.or("in_flight", AtLeastOne(64)).0 as usize,
        messages_per_turn: limit(s, "messages_per_turn"),
        messages_per_hour: limit(s, "messages_per_hour"),
    }
}

/// A number of which 0 means none.
fn limit(s: &mut Section<'_>, key: &'static str) -> Option<usize> {
    let most: u32 = s.or(key, 0);
    (most > 0).then_some(most as usize)
}

fn read_privacy(s: &mut Section<'_>) -> PrivacySettings {
    PrivacySettings {
        show_title: s.or("show_title", false),
    }
}

const KEPT_FOR: RetentionSettings = RetentionSettings {
    bodies: TimeDelta::days(90),
    records_months: 24,
};

/// The figures of a month are compared with those of the month before.
pub const FEWEST_MONTHS: u32 = 3;

fn read_retention(s: &mut Section<'_>) -> RetentionSettings {
    let bodies = s.or("bodies", KEPT_FOR.bodies);
    let records_months = s.or("records_months", AtLeastOne(KEPT_FOR.records_months)).0;
    if let (true, Some(node)) = (records_months < FEWEST_MONTHS, s.get("records_months")) {
        node.error_hint(
            format!("records are kept for {FEWEST_MONTHS} months at least: figures are compared with those before"),
            "24 is usual".to_owned(),
        );
    }
    if let (true, Some(node)) = (
        bodies > TimeDelta::days(28 * i64::from(records_months)),
        s.get("bodies"),
    ) {
        node.error_hint(
            format!("bodies would be kept for longer than their records: {records_months} months"),
            "write such as `90d`".to_owned(),
        );
    }
    RetentionSettings { bodies, records_months }
}

/// One `SELECT`. The source is never written to; its account should not be able to either.
struct Query(String);

impl Read for Query {
    fn shape() -> Shape {
        Shape::Text
    }

    fn read(node: Node<'_>) -> Option<Self> {
        let query = String::read(node)?;
        let statement = query.trim().trim_end_matches(';').trim();
        let first = statement
            .split(|c: char| !c.is_ascii_alphabetic())
            .next()
            .unwrap_or_default()
            .to_lowercase();
        if !matches!(first.as_str(), "select" | "with") {
            node.error("the query has to be one plain SELECT");
            return None;
        }
        Some(Query(statement.to_owned()))
    }
}

impl Read for UpdatedAtFormat {
    fn shape() -> Shape {
        Shape::Text
    }

    fn read(node: Node<'_>) -> Option<Self> {
        let text = String::read(node)?;
        match text.as_str() {
            "epoch_seconds" => return Some(UpdatedAtFormat::EpochSeconds),
            "epoch_millis" => return Some(UpdatedAtFormat::EpochMillis),
            _ => {}
        }
        let mut items = chrono::format::StrftimeItems::new(&text);
        let sound = text.contains('%') && !items.any(|item| item == chrono::format::Item::Error);
        if !sound {
            let hint = "write `epoch_seconds`, `epoch_millis` or a format such as `%Y-%m-%d %H:%M:%S`".to_owned();
            node.error_hint(format!("`{text}` is not a format of times"), hint);
        }
        sound.then_some(UpdatedAtFormat::Text(text))
    }
}

const BY_THE_MINUTE: RunSettings = RunSettings {
    every: TimeDelta::minutes(1),
    drain: TimeDelta::seconds(20),
    pid_file: None,
};

fn read_run(s: &mut Section<'_>, dir: &Path) -> RunSettings {
    RunSettings {
        every: s.or("every", Beat(BY_THE_MINUTE.every)).0,
        drain: s.or("drain", BY_THE_MINUTE.drain),
        pid_file: s.optional::<String>("pid_file").map(|path| dir.join(path)),
    }
}

impl RunSettings {
    /// With the file of its process id beside a store that is a file.
    fn beside(mut self, store: &Database) -> RunSettings {
        if let Database::Sqlite(path) = store {
            self.pid_file = self.pid_file.or_else(|| Some(path.with_extension("pid")));
        }
        self
    }
}

/// A time between turns that an alarm clock can keep: it divides a minute or an hour.
struct Beat(TimeDelta);

impl Read for Beat {
    fn shape() -> Shape {
        Shape::Like(shape::ELAPSED)
    }

    fn read(node: Node<'_>) -> Option<Self> {
        let every = TimeDelta::read(node)?;
        let seconds = every.num_seconds();
        let whole = TimeDelta::seconds(seconds) == every;
        if whole && (60 % seconds == 0 || (seconds % 60 == 0 && 3600 % seconds == 0)) {
            return Some(Beat(every));
        }
        node.error_hint(
            format!(
                "`{}` divides neither a minute nor an hour",
                node.as_text().unwrap_or_default()
            ),
            "write such as `10s`, `30s`, `1m` or `5m`".to_owned(),
        );
        None
    }
}

const ON_LOOPBACK: HttpSettings = HttpSettings {
    listen: Some(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9122))),
    token: None,
};

fn read_http(s: &mut Section<'_>, dir: &Path) -> HttpSettings {
    let token = read_secret(s, ("token", "token_file"), dir);
    let node = s.get("listen");
    if let Some(default) = ON_LOOPBACK.listen {
        s.defaults_to("listen", &default.to_string());
    }
    let listen = node.map_or(
        ON_LOOPBACK.listen,
        |node| {
            if node.is_word("off") { None } else { node.read() }
        },
    );
    if let (Some(node), Some(address), None) = (node, listen, &token)
        && !address.ip().is_loopback()
    {
        node.error_hint(
            format!("{address} is reached from other machines, and nobody would have to show who they are"),
            "write `token_file`, or listen on 127.0.0.1".to_owned(),
        );
    }
    HttpSettings { listen, token }
}

impl Read for SocketAddr {
    fn shape() -> Shape {
        Shape::Like(shape::SOCKET)
    }

    fn read(node: Node<'_>) -> Option<Self> {
        let text = String::read(node)?;
        let address = text.parse().ok();
        if address.is_none() {
            node.error_hint(
                format!("`{text}` is not an address to listen on"),
                "write one such as `127.0.0.1:9122`, or `off`".to_owned(),
            );
        }
        address
    }
}

/// A span, or 0 for off.
struct OffOr(Option<Span>);

impl Read for OffOr {
    fn shape() -> Shape {
        Shape::Either(vec![
            Shape::Like(shape::SPAN),
            Shape::Words(vec!["0".to_owned()]),
            Shape::Whole { least: 0, most: 0 },
        ])
    }

    fn read(node: Node<'_>) -> Option<Self> {
        if node.as_text().is_none() {
            let number = i64::read(node)?;
            if number != 0 {
                node.error_hint(
                    format!("the number {number} has no unit"),
                    "write such as `4wh`, or 0 for off".to_owned(),
                );
                return None;
            }
            return Some(OffOr(None));
        }
        if node.as_text() == Some("0") {
            return Some(OffOr(None));
        }
        match Span::read(node)? {
            span @ (Span::Elapsed(time) | Span::WorkingTime(time)) if time >= TimeDelta::zero() => {
                Some(OffOr(Some(span).filter(|_| time > TimeDelta::zero())))
            }
            other => {
                node.error_hint(
                    format!("`{other}` is not a length of time"),
                    "write hours such as `4wh` or `6h`".to_owned(),
                );
                None
            }
        }
    }
}

pub(super) struct AtLeastOne(pub u32);

impl Read for AtLeastOne {
    fn shape() -> Shape {
        Shape::Whole {
            least: 1,
            most: i64::from(u32::MAX),
        }
    }

    fn read(node: Node<'_>) -> Option<Self> {
        let number = u32::read(node)?;
        if number == 0 {
            node.error("at least 1 is needed here");
            return None;
        }
        Some(AtLeastOne(number))
    }
}

/// A share between 0 and 1.
struct Share(f64);

impl Read for Share {
    fn shape() -> Shape {
        Shape::Number { above: 0.0, most: 1.0 }
    }

    fn read(node: Node<'_>) -> Option<Self> {
        let share = f64::read(node)?;
        if !(share > 0.0 && share <= 1.0) {
            node.error_hint(
                format!("{share} is not a share"),
                "write a number above 0 and up to 1, such as 0.5".to_owned(),
            );
            return None;
        }
        Some(Share(share))
    }
}

/// An instant with its offset.
struct Instant(Moment);

impl Read for Instant {
    fn shape() -> Shape {
        Shape::Like(shape::INSTANT)
    }

    fn read(node: Node<'_>) -> Option<Self> {
        let text = String::read(node)?;
        let at = chrono::DateTime::parse_from_rfc3339(&text).ok();
        if at.is_none() {
            node.error_hint(
                format!("`{text}` is not an instant"),
                "write it as \"2021-08-01T00:00:00+07:00\"".to_owned(),
            );
        }
        at.map(|at| Instant(at.to_utc()))
    }
}

macro_rules! written_as_its_content {
    ($($type:ty),*) => {$(
        impl Written for $type {
            fn written(&self) -> serde_json::Value {
                self.0.written()
            }
        }
    )*};
}

written_as_its_content!(Beat, AtLeastOne, Share);

impl Written for OffOr {
    fn written(&self) -> serde_json::Value {
        self.0.map_or_else(|| 0_i64.written(), |span| span.written())
    }
}

impl Written for UpdatedAtFormat {
    fn written(&self) -> serde_json::Value {
        match self {
            UpdatedAtFormat::Text(format) => format.as_str(),
            UpdatedAtFormat::EpochSeconds => "epoch_seconds",
            UpdatedAtFormat::EpochMillis => "epoch_millis",
        }
        .written()
    }
}
