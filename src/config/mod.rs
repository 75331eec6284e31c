//! From files and environment to settings and domain values; every value knows its place.
//!
//! One pass reads all files to their ends and notes everything that is wrong: what comes out is either a [`Config`]
//! that cannot be wrong, or the list of all [`Problems`]. The `config` crate layers the environment over
//! `dondoc.toml`; the values it merges carry their places with them (`layer`), typed reading is in `read`, and each
//! file has a module that says what may stand in it. Nothing here connects to anything.

mod address;
mod agencies;
mod audit;
mod calendars;
mod database;
mod dondoc;
mod doubts;
pub mod expectations;
pub mod import;
mod layer;
mod mail;
mod monthly;
mod ops;
mod papers;
mod parts;
mod problem;
mod read;
pub mod replies;
mod rules;
mod schema;
pub mod settings;
mod shape;
mod sheet;
mod smtp;
mod summaries;
mod terms;
mod webhooks;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ::config::Value;
use chrono::{NaiveDate, NaiveTime};

use crate::domain::calendars::Calendars;
use crate::domain::change::fnv;
use crate::domain::directory::Directory;
use crate::domain::matcher::Matcher;
use crate::domain::notice::Mode;
use crate::domain::obligation::Monthly;
use crate::domain::papers::Papers;
use crate::domain::rule::RuleSet;
use crate::domain::wording::{Terms, Wording};

pub use dondoc::FEWEST_MONTHS;
pub use doubts::Offered;
pub use mail::{mail_domain, official};
pub use problem::{Problem, Problems, Severity, did_you_mean, sort};
pub use schema::{FileKind, Incomplete, reference};

use calendars::{CalendarFile, UnitHours};
use doubts::Places;
use layer::Layer;
use problem::Place;
use read::{Findings, Node};
use rules::{Known, RuleFiles};
use settings::{
    AuditSettings, DeliverySettings, HttpSettings, Limits, OpsSettings, PrivacySettings, RetentionSettings,
    RunSettings, SmtpSettings, SourceSettings, StoreSettings, WebhookSettings,
};

/// A configuration directory, read and checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub source: SourceSettings,
    pub store: StoreSettings,
    pub smtp: SmtpSettings,
    pub delivery: DeliverySettings,
    pub webhooks: WebhookSettings,
    pub limits: Limits,
    pub privacy: PrivacySettings,
    pub retention: RetentionSettings,
    pub run: RunSettings,
    pub ops: OpsSettings,
    pub audit: AuditSettings,
    pub http: HttpSettings,
    /// What the province's papers bear.
    pub papers: Papers,
    /// How the monthly cycle goes.
    pub monthly: Monthly,
    pub rules: RuleSet,
    pub directory: Directory,
    pub calendars: Calendars,
    pub templates_dir: PathBuf,
    /// Language and names of letters.
    pub wording: Wording,
    /// The directory itself; relative paths in `dondoc.toml` start here.
    pub dir: PathBuf,
    /// Changes with every file that decides (rules, directory, calendar, source), so that a changed configuration has
    /// all tickets evaluated anew.
    pub fingerprint: String,
}

impl Config {
    /// How a ticket is told that a unit is responsible for. Without one it is the Office's, which has it assigned.
    #[must_use]
    pub fn mode_of(&self, agency: Option<&str>) -> Mode {
        self.delivery.mode_of(agency.unwrap_or(&self.directory.office))
    }

    /// Where everything goes that is told in shadow.
    #[must_use]
    pub fn shadow_box(&self) -> Vec<String> {
        let given = self.delivery.shadow_to.as_ref();
        given.map_or_else(|| self.directory.ops.clone(), |address| vec![address.clone()])
    }
}

/// The file of dated terms.
const TERMS: &str = "terms.toml";

/// A usable configuration, and what is doubtful in it.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    pub warnings: Vec<Problem>,
    places: Places,
}

impl Loaded {
    /// What is doubtful in the configuration as a whole, as things are on a day.
    #[must_use]
    pub fn doubts(&self, offered: &Offered<'_>, on: NaiveDate) -> Vec<Problem> {
        doubts::all(&self.config, &self.places, offered, on)
    }
}

/// Reads a configuration directory, with variables such as `DONDOC__SMTP__HOST` over `dondoc.toml`.
///
/// # Errors
/// All problems of all files, warnings included, when one of them is an error.
pub fn load(dir: &Path, env: impl Iterator<Item = (String, String)>) -> Result<Loaded, Problems> {
    let findings = Findings::default();
    let mut places = Places::default();
    let config = read_all(dir, env, &findings, &mut places);
    let problems = findings.sorted();
    match config {
        Some(config) if problems.iter().all(|p| p.severity == Severity::Warning) => Ok(Loaded {
            config,
            warnings: problems,
            places,
        }),
        _ => Err(Problems(problems)),
    }
}

/// Reads everything there is. `None` comes with at least one error among the findings.
fn read_all(
    dir: &Path,
    env: impl Iterator<Item = (String, String)>,
    findings: &Findings,
    places: &mut Places,
) -> Option<Config> {
    if !dir.is_dir() {
        let place = Place::File(dir.display().to_string());
        findings.error(
            &place,
            "there is no such directory",
            Some("`dondoc init DIR` makes one that works".to_owned()),
        );
        return None;
    }
    let main = File::open(dir, "dondoc.toml", Some(Layer::environment(env)), findings);
    main.iter().for_each(|file| places.note(file.root(findings)));
    let main = main.as_ref().and_then(|file| dondoc::read(file.root(findings), dir));
    let no_domains = mail::MailDomains::default();
    let domains = main.as_ref().map_or(&no_domains, |main| &main.domains);
    let default_webhooks = webhooks::by_default();
    let posts = main.as_ref().map_or(&default_webhooks, |main| &main.webhooks);

    let agencies = File::open(dir, "agencies.toml", None, findings);
    agencies.iter().for_each(|file| places.note(file.root(findings)));
    let agencies = agencies
        .as_ref()
        .and_then(|file| agencies::read(file.root(findings), domains, posts, dir));

    let calendar = File::open(dir, "calendar.toml", None, findings);
    calendar.iter().for_each(|file| places.note(file.root(findings)));
    let calendar = calendar.as_ref().and_then(|file| calendars::read(file.root(findings)));
    let no_hours = BTreeMap::new();
    let (directory, hours) = agencies
        .as_ref()
        .map_or((None, &no_hours), |a| (Some(&a.directory), &a.hours));
    if let (Some(main), Some(directory)) = (&main, directory) {
        check_live_units(&main.live_units, directory, findings);
        check_cards_unit(&main.papers, directory, places, findings);
    }
    if let (Some(file), Some(delivery)) = (&calendar, main.as_ref().and_then(|main| main.delivery.as_ref())) {
        check_digest_time(delivery.digest_at, file, hours, places, findings);
    }
    let calendars = calendar.and_then(|file| calendars::build(&file, directory, hours));

    let templates_dir = dir.join("templates");
    let locale = main.as_ref().map(|main| main.locale).unwrap_or_default();
    let terms = read_terms(dir, findings);
    let rules = read_rules(dir, &Known::new(directory, &templates_dir, locale), findings, places);

    let (main, agencies) = (main?, agencies?);
    let delivery = main.delivery?;
    let rules = RuleSet {
        rules: rules.rules,
        deadlines: rules.deadlines,
        classify: rules.classify,
        summaries: rules.summaries,
        due_reading: main.due_reading,
        period: main.period,
        digest_at: delivery.digest_at,
        since: main.since,
    };
    Some(Config {
        source: main.source?,
        store: main.store,
        smtp: main.smtp?,
        delivery,
        webhooks: WebhookSettings {
            keys: agencies.keys,
            ..main.webhooks
        },
        limits: main.limits,
        privacy: main.privacy,
        retention: main.retention,
        run: main.run,
        ops: main.ops,
        audit: main.audit,
        http: main.http,
        papers: main.papers,
        monthly: main.monthly,
        rules,
        directory: agencies.directory,
        calendars: calendars?,
        templates_dir,
        wording: Wording {
            locale,
            two_digits: main.two_digits,
            terms,
        },
        dir: dir.to_owned(),
        fingerprint: fingerprint(dir),
    })
}

/// A digest after the office has closed would come on no day at all.
fn check_digest_time(
    digest_at: NaiveTime,
    calendar: &CalendarFile<'_>,
    hours: &BTreeMap<String, UnitHours>,
    places: &Places,
    findings: &Findings,
) {
    let province = calendar.patterns.iter().map(|pattern| ("the province", pattern));
    let units = hours
        .iter()
        .flat_map(|(id, own)| own.iter().map(|pattern| (id.as_str(), pattern)));
    let mut seen = BTreeSet::new();
    for (whose, pattern) in province.chain(units) {
        let closes = pattern
            .week
            .iter()
            .filter_map(|day| day.last())
            .map(|(_, closes)| *closes)
            .max();
        // A pattern without hours is another fault.
        let Some(closes) = closes.filter(|closes| *closes <= digest_at) else {
            continue;
        };
        if !seen.insert(whose) {
            continue;
        }
        let place = match whose {
            _ if places.has(&["delivery", "digest_at"]) => places.of(&["delivery", "digest_at"]),
            "the province" => places.of(&["hours"]),
            unit => places.of(&["unit", unit, "hours"]),
        };
        let (at, closes) = (digest_at.format("%H:%M"), closes.format("%H:%M"));
        findings.error(
            &place,
            format!("digests at {at} would never go out: the office of {whose} closes at {closes}"),
            Some("write a `digest_at` within office hours".to_owned()),
        );
    }
}

/// Only units that can be told can go live.
fn check_live_units(live: &BTreeMap<String, Place>, directory: &Directory, findings: &Findings) {
    for (id, place) in live {
        match directory.unit(id) {
            None => {
                let hint = did_you_mean(id, directory.units.iter().map(|u| u.id.as_str()));
                findings.error(place, format!("no unit has the id `{id}`"), hint);
            }
            Some(unit) if unit.external => {
                let message = format!("`{id}` is outside the province's power and is never mailed");
                findings.error(place, message, None);
            }
            Some(_) => {}
        }
    }
}

/// The unit that answers for identity cards is one of the directory's.
fn check_cards_unit(papers: &Papers, directory: &Directory, places: &Places, findings: &Findings) {
    let Some(id) = papers.cards_unit.as_deref().filter(|id| directory.unit(id).is_none()) else {
        return;
    };
    let hint = did_you_mean(id, directory.units.iter().map(|u| u.id.as_str()));
    let place = places.of(&["report", "cards_unit"]);
    findings.error(&place, format!("no unit has the id `{id}`"), hint);
}

/// The terms; there need not be any.
fn read_terms(dir: &Path, findings: &Findings) -> Terms {
    if !dir.join(TERMS).exists() {
        return Terms::default();
    }
    let file = File::open(dir, TERMS, None, findings);
    file.map(|file| terms::read(file.root(findings))).unwrap_or_default()
}

/// The rule files in the order of their names.
fn read_rules(dir: &Path, known: &Known<'_>, findings: &Findings, places: &mut Places) -> RuleFiles {
    let mut rules = RuleFiles::default();
    let names = toml_files(&dir.join("rules"));
    for name in &names {
        if let Some(file) = File::open(dir, &format!("rules/{name}"), None, findings) {
            places.note(file.root(findings));
            rules.read(file.root(findings), known);
        }
    }
    if names.is_empty() {
        let place = Place::File(dir.join("rules").display().to_string());
        findings.error(
            &place,
            "there is no rule file",
            Some("`dondoc init DIR` brings a working set".to_owned()),
        );
    }
    rules
}

fn toml_files(dir: &Path) -> Vec<String> {
    let files = std::fs::read_dir(dir).into_iter().flatten();
    let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names
        .filter(|name| name.ends_with(".toml") && !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

/// Reads conditions as they stand in a rule's `where = { … }`, without the braces, and what is doubtful in them.
///
/// # Errors
/// Everything that is wrong in them.
pub fn conditions(text: &str, directory: &Directory) -> Result<(Matcher, Vec<Problem>), Problems> {
    let findings = Findings::default();
    let file = File::of("conditions", &format!("where = {{ {text} }}"), None, &findings);
    let known = Known {
        directory: Some(directory),
        templates: None,
        locale: Default::default(),
    };
    let matcher = file.and_then(|file| rules::read_bare_conditions(file.root(&findings), &known));
    let problems = findings.sorted();
    match matcher {
        Some(matcher) if problems.iter().all(|p| p.severity == Severity::Warning) => Ok((matcher, problems)),
        _ => Err(Problems(problems)),
    }
}

/// One file's values, with what is layered over them.
struct File {
    shown: String,
    values: Value,
}

impl File {
    /// Reads and merges. A file that is missing or is no TOML is noted and gives nothing.
    fn open(dir: &Path, name: &str, over: Option<Layer>, findings: &Findings) -> Option<File> {
        let path = dir.join(name);
        let shown = path.display().to_string();
        let whole = Place::File(shown.clone());
        let text = std::fs::read_to_string(&path)
            .map_err(|e| findings.error(&whole, format!("the file cannot be read: {e}"), None))
            .ok()?;
        File::of(&shown, text.trim_start_matches('\u{feff}'), over, findings)
    }

    /// As [`File::open`], of a text that is there already.
    fn of(shown: &str, text: &str, over: Option<Layer>, findings: &Findings) -> Option<File> {
        let whole = Place::File(shown.to_owned());
        let layer = Layer::toml(shown, text)
            .map_err(|faults| faults.into_iter().for_each(|fault| findings.add(fault)))
            .ok()?;
        let merged = ::config::Config::builder()
            .add_source(layer)
            .add_source(over.unwrap_or_default())
            .build();
        let merged = merged.map_err(|e| findings.error(&whole, e.to_string(), None)).ok()?;
        Some(File {
            shown: shown.to_owned(),
            values: merged.cache,
        })
    }

    fn root<'a>(&'a self, findings: &'a Findings) -> Node<'a> {
        Node::new(&self.values, &self.shown, findings)
    }
}

/// Over the files that decide.
fn fingerprint(dir: &Path) -> String {
    let mut names = vec![
        "dondoc.toml".to_owned(),
        "agencies.toml".to_owned(),
        "calendar.toml".to_owned(),
    ];
    names.extend(
        toml_files(&dir.join("rules"))
            .into_iter()
            .map(|name| format!("rules/{name}")),
    );
    fnv(names.into_iter().flat_map(|name| {
        // A file that cannot be read has been reported; it takes part by its name.
        let bytes = std::fs::read(dir.join(&name)).unwrap_or_default();
        name.into_bytes().into_iter().chain([0]).chain(bytes).chain([0])
    }))
}
