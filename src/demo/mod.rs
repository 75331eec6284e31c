//! Everything in one go without any server: a generated hotline of two months and the day after, the shipped rules, a mail receiver in
//! the process, and the real engine under simulated time.
//!
//! The source is the ordinary SQLite one on a ticket database to which dated changes are applied before each turn. What
//! is claimed at the end is read from the received mails, not from the store.

pub mod generate;
mod office;
pub mod reading;
pub mod receiver;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use chrono::{NaiveDate, NaiveTime, TimeDelta};

use crate::config::{self, Config};
use crate::domain::Moment;
use crate::domain::directory::OPS;
use crate::domain::obligation::Obligation;
use crate::domain::time::Period;
use crate::engine::{Engine, Prepared};
use crate::render::Renderer;
use crate::report::{self, Report};
use crate::store::Store;
use generate::{TicketDb, Totals, World};
use reading::Letter;
use receiver::{Keep, Receiver};

pub use verify::{Finding, verify};

/// The seed of the demo that the documentation shows.
pub const SEED: u64 = 1022;

/// The simulated days, both included.
const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2021, 8, 1).unwrap();
const LAST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2021, 10, 1).unwrap();

/// It ends when that day's office hours do.
const LAST_TURN: NaiveTime = time(17, 0);

/// Local times of each day's turns: the night's sweep, the openings of office hours and the digest among them.
const TURNS: [NaiveTime; 9] = [
    time(2, 0),
    time(7, 0),
    time(8, 0),
    time(10, 30),
    time(14, 0),
    time(15, 0),
    time(16, 0),
    time(17, 0),
    time(21, 0),
];

/// A time of the day; one that is none does not compile.
const fn time(hour: u32, minute: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, minute, 0).unwrap()
}

/// What a recipient got.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Got {
    pub name: String,
    pub desk: String,
    pub mails: usize,
    /// Most mails in one calendar week (Monday to Sunday).
    pub most_in_a_week: usize,
    pub tickets: BTreeSet<String>,
    /// Lines by `rule/step`.
    pub steps: BTreeMap<String, usize>,
}

/// How the demo went.
#[derive(Debug)]
pub struct Outcome {
    pub dir: PathBuf,
    pub config: Config,
    pub letters: Vec<Letter>,
    /// By the directory's order, ops last.
    pub got: Vec<Got>,
    pub august: Report,
    /// What the agencies owed by the directive on August, at the end.
    pub obligations: Vec<Obligation>,
    /// The last instant that was played.
    pub ended_at: Moment,
    pub findings: Vec<Finding>,
    pub turns: usize,
}

/// A demo that has been laid out: its folder, ticket database and receiver.
pub struct Stage {
    dir: PathBuf,
    config: Arc<Config>,
    world: World,
    tickets: TicketDb,
    engine: Engine,
    receiver: Receiver,
}

impl Stage {
    /// Lays everything out in a folder that is new or empty.
    pub async fn set(dir: &Path, seed: u64, totals: &Totals) -> Result<Stage> {
        if dir.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
            bail!("{} is not empty; choose another folder with --dir", dir.display());
        }
        let mails = dir.join("mails");
        std::fs::create_dir_all(&mails).with_context(|| format!("making {}", mails.display()))?;
        let receiver = Receiver::start(
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            Keep {
                memory: true,
                ..Keep::folder(mails)
            },
        )
        .await?;
        let config_dir = dir.join("config");
        crate::shipped::copy(&config_dir)?;
        adapt(&config_dir, receiver.address())?;
        let loaded = config::load(&config_dir, std::iter::empty()).map_err(|problems| anyhow::anyhow!("{problems}"))?;
        let config = Arc::new(loaded.config);
        let world = generate::generate(seed, totals);
        let mut tickets = TicketDb::create(&dir.join("tickets.db")).await?;
        let start = config.calendars.base().instant(FIRST_DAY, NaiveTime::MIN);
        tickets.apply_until(&world, start - TimeDelta::seconds(1)).await?;
        let store = Store::open(&config.store.database).await?;
        let renderer =
            Renderer::load(&config.templates_dir, &config.wording).map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
        let engine = Engine::new(Prepared::new(config.clone(), renderer)?, store);
        Ok(Stage {
            dir: dir.to_owned(),
            config,
            world,
            tickets,
            engine,
            receiver,
        })
    }

    /// The generated changes, for reckoning beside the engine.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The instants of all turns.
    #[must_use]
    pub fn instants(&self) -> Vec<Moment> {
        let calendar = self.config.calendars.base();
        let days = FIRST_DAY.iter_days().take_while(|d| *d <= LAST_DAY);
        let all = days.flat_map(|day| TURNS.iter().map(move |time| calendar.instant(day, *time)));
        let last = calendar.instant(LAST_DAY, LAST_TURN);
        all.filter(|at| *at <= last).collect()
    }

    /// How many days there are.
    #[must_use]
    pub fn days(&self) -> usize {
        FIRST_DAY.iter_days().take_while(|d| *d <= LAST_DAY).count()
    }

    /// Plays all turns; `on_day` is called after each simulated day.
    pub async fn play(mut self, on_day: impl Fn(NaiveDate)) -> Result<Outcome> {
        let instants = self.instants();
        let mut turns = 0;
        let mut before = instants.first().copied().unwrap_or(Moment::UNIX_EPOCH);
        for now in &instants {
            self.tickets.apply_until(&self.world, *now).await?;
            office::act(self.engine.store(), &self.config, before, *now).await?;
            before = *now;
            let report = self.engine.turn(*now).await?;
            if report.source_failed() || report.delivered.later + report.delivered.unknown + report.delivered.dead > 0 {
                bail!("the turn of {now} did not go through: {:?}", report.problems());
            }
            turns += 1;
            let base = self.config.calendars.base();
            let day = base.date_of(*now);
            let is_last_of_day = instants.get(turns).is_none_or(|next| base.date_of(*next) > day);
            if is_last_of_day {
                on_day(day);
            }
        }
        let now = instants.last().copied().unwrap_or(Moment::UNIX_EPOCH);
        let period = Period::of(FIRST_DAY, self.config.rules.period);
        let august = report::read(self.engine.store(), &self.config, period, None, now).await?;
        let obligations = self.engine.store().obligations(period).await?;
        self.engine.close().await;
        let received = self.receiver.received();
        self.receiver.stop().await;
        let mut letters = Vec::with_capacity(received.len());
        for mail in &received {
            letters.push(reading::read(&mail.bytes).context("a received mail cannot be read")?);
        }
        // Several connections deliver at once: which mail of an instant arrives first is chance.
        letters
            .sort_by(|a: &Letter, b| (a.date, &a.to, &a.subject, &a.text).cmp(&(b.date, &b.to, &b.subject, &b.text)));
        let findings = verify(&letters, &self.config);
        let got = tally(&letters, &self.config);
        Ok(Outcome {
            dir: self.dir,
            config: Arc::unwrap_or_clone(self.config),
            letters,
            got,
            august,
            obligations,
            ended_at: now,
            findings,
            turns,
        })
    }
}

/// Points the shipped configuration at the demo's files and receiver.
fn adapt(config_dir: &Path, receiver: SocketAddr) -> Result<()> {
    let file = config_dir.join("dondoc.toml");
    let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let mut section = "";
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            if line.starts_with('[') {
                section = line.trim();
            }
            match (section, line.split_once('=').map(|(key, _)| key.trim())) {
                ("[source]", Some("url")) => "url = \"sqlite:../tickets.db\"".to_owned(),
                ("[store]", Some("url")) => "url = \"sqlite:../store.db\"".to_owned(),
                ("[delivery]", Some("mode")) => "mode = \"live\"".to_owned(),
                ("[smtp]", Some("host")) => format!("host = \"{}\"", receiver.ip()),
                ("[smtp]", Some("port")) => format!("port = {}", receiver.port()),
                _ => line.to_owned(),
            }
        })
        .collect();
    std::fs::write(&file, lines.join("\n") + "\n").with_context(|| format!("writing {}", file.display()))
}

/// The units and desks behind each address.
pub(crate) fn addresses(config: &Config) -> BTreeMap<String, (String, String)> {
    let mut known = BTreeMap::new();
    for unit in &config.directory.units {
        for contact in &unit.contacts {
            known.insert(
                contact.address.clone(),
                (unit.id.clone(), contact.desk.word().to_owned()),
            );
        }
    }
    for address in &config.directory.ops {
        known.insert(address.clone(), (OPS.to_owned(), "contact".to_owned()));
    }
    known
}

fn tally(letters: &[Letter], config: &Config) -> Vec<Got> {
    let addresses = addresses(config);
    let calendar = config.calendars.base();
    let order = |id: &str| config.directory.unit(id).map_or(usize::MAX, |u| u.order);
    let mut got: BTreeMap<(usize, String, String), Got> = BTreeMap::new();
    let mut weeks: BTreeMap<((String, String), NaiveDate), usize> = BTreeMap::new();
    for letter in letters {
        let Some(recipient) = letter.to.iter().find_map(|a| addresses.get(a)) else {
            continue;
        };
        let (id, desk) = recipient.clone();
        let date = calendar.date_of(letter.date);
        let monday = date.week(chrono::Weekday::Mon).first_day();
        let week = weeks.entry((recipient.clone(), monday)).or_default();
        *week += 1;
        let entry = got.entry((order(&id), id.clone(), desk.clone())).or_default();
        entry.name = config
            .directory
            .unit(&id)
            .map_or_else(|| config.delivery.hotline.clone(), |u| u.name(date).to_owned());
        entry.desk = desk;
        entry.mails += 1;
        entry.most_in_a_week = entry.most_in_a_week.max(*week);
        for (ticket, rule, step) in letter.told() {
            entry.tickets.insert(ticket.to_owned());
            *entry.steps.entry(format!("{rule}/{step}")).or_default() += 1;
        }
    }
    got.into_values().collect()
}
