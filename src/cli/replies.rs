//! `dondoc replies …`: what the agencies owe by the directive on a month, what reached the Office of it, and what it decided.
//! It works beside the daemon. What may be entered is judged by `domain::register`, for a command as for a line of a workbook.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use chrono::NaiveDate;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::outbox::{agrees, local, rfc3339};
use super::{CliError, day, directive, instant, load, not_back_in_time, period, say, say_json, who};
use crate::clock;
use crate::config::replies::Filled;
use crate::config::{self, Config};
use crate::domain::Moment;
use crate::domain::figures::is_checked_at;
use crate::domain::obligation::{Entry, Id, Kind, NewEntry, Obligation, State, What, exclusions};
use crate::domain::register::{Book, Judged, Refused};
use crate::domain::text::{nfc, vi_sort_key};
use crate::domain::time::Period;
use crate::domain::wording::Locale;
use crate::render::register::{ObligationRow, RegisterView, TicketRow, write};
use crate::store::Store;

#[derive(Debug, Subcommand)]
pub(super) enum Replies {
    /// Who owes what, how far its tickets have come, and what reached the Office.
    List {
        /// The period, such as 2021-08; the last one with obligations by default.
        #[arg(long, value_name = "PERIOD")]
        period: Option<String>,
        /// Only those of this unit, by its id or any word of the directory.
        #[arg(long, value_name = "UNIT")]
        unit: Option<String>,
        /// Only what is still owed.
        #[arg(long)]
        owed: bool,
        #[arg(long)]
        json: bool,
    },
    /// Records a document by which a unit replied. It may settle several obligations; the first one that reached the Office
    /// counts. Recorded again under the same number, it is put right.
    Record {
        #[arg(long, value_name = "PERIOD")]
        period: String,
        /// The unit that owed it, by its id or any word of the directory.
        #[arg(long, value_name = "UNIT")]
        unit: String,
        /// What it replies to: a, b, c, d, e or their names, with commas; all of the unit's that have a deadline by default.
        #[arg(long, value_name = "KINDS", value_delimiter = ',')]
        kind: Vec<Kind>,
        /// Number and symbol of the document, such as 123/SYT-VP.
        #[arg(long, value_name = "N")]
        number: String,
        /// The document's date, such as 2021-09-20 or 20/9/2021.
        #[arg(long, value_name = "D", value_parser = day)]
        date: NaiveDate,
        /// The day on which it reached the Office; lateness is judged by it.
        #[arg(long, value_name = "D", value_parser = day)]
        reached: NaiveDate,
        /// No names, addresses or numbers of citizens.
        #[arg(long)]
        note: Option<String>,
        #[command(flatten)]
        by: By,
    },
    /// The Office does without a reply.
    Waive {
        #[arg(long, value_name = "PERIOD")]
        period: String,
        #[arg(long, value_name = "UNIT")]
        unit: String,
        /// a, b, c, d, e or their names, with commas.
        #[arg(long, value_name = "KINDS", value_delimiter = ',', required = true)]
        kind: Vec<Kind>,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Leaves an unsatisfied ticket out of what is to be explained: the agency proposes, the Office decides. What is not
    /// decided is not left out.
    #[command(group(clap::ArgGroup::new("said").required(true)))]
    Exclude {
        #[arg(long, value_name = "PERIOD")]
        period: String,
        #[arg(long, value_name = "CODE")]
        ticket: String,
        /// The agency proposes it.
        #[arg(long, group = "said")]
        propose: bool,
        /// The Office decides.
        #[arg(long, value_enum, group = "said")]
        decide: Option<Decision>,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Takes back all that was recorded together.
    Undo {
        batch: i64,
        #[command(flatten)]
        by: By,
    },
    /// All that was recorded about a period, with who and when, taken back or not.
    History {
        /// The period; the last one with obligations by default.
        #[arg(long, value_name = "PERIOD")]
        period: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Writes the workbook of a period's obligations, for the Office to fill in.
    Export {
        /// The period; the last one with obligations by default.
        #[arg(long, value_name = "PERIOD")]
        period: Option<String>,
        #[arg(long, value_name = "FILE.xlsx")]
        out: PathBuf,
    },
    /// Reads a workbook that was filled in, says line by line what it would record, and asks. What stands there already is
    /// recorded no second time.
    Import {
        file: PathBuf,
        /// Doesn't ask.
        #[arg(long)]
        yes: bool,
        /// Leaves lines out that are wrong; else nothing is recorded while one is.
        #[arg(long)]
        skip_wrong: bool,
        /// Says what it would record, and records nothing.
        #[arg(long, conflicts_with = "yes")]
        dry_run: bool,
        #[command(flatten)]
        by: By,
    },
}

/// Who says so, and when.
#[derive(Debug, Args)]
pub(super) struct By {
    /// Who says so; the account that gives the command by default.
    #[arg(long)]
    author: Option<String>,
    /// The instant of it, for a store under simulated time; now by default.
    #[arg(long, value_name = "T")]
    at: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Decision {
    Excluded,
    Refused,
}

pub(super) async fn run(dir: &Path, command: Replies) -> Result<(), CliError> {
    let config = load(dir)?;
    match command {
        Replies::List {
            period,
            unit,
            owed,
            json,
        } => {
            let looking = Looking::at(&config, period.as_deref()).await?;
            list(&looking, unit.as_deref(), owed, json).await
        }
        Replies::History { period, json } => {
            let looking = Looking::at(&config, period.as_deref()).await?;
            history(&looking, json).await
        }
        Replies::Export { period, out } => {
            let looking = Looking::at(&config, period.as_deref()).await?;
            export(&looking, &out).await
        }
        Replies::Record {
            period: of,
            unit,
            kind,
            number,
            date,
            reached,
            note,
            by,
        } => {
            let entering = Entering::begin(&config, by).await?;
            let of = period(&of, &config)?;
            let owing = entering.unit(of, &unit).await?;
            let kinds = match kind.is_empty() {
                true => owing.kinds.iter().copied().filter(|k| k.has_deadline()).collect(),
                false => kind.into_iter().collect::<BTreeSet<_>>(),
            };
            if kinds.is_empty() {
                return Err(CliError::Failed(anyhow!(
                    "{} owes nothing for {of} that has a deadline; say --kind {}",
                    owing.unit,
                    letters(&owing.kinds)
                )));
            }
            let reply = |kind| NewEntry {
                number: Some(one_line(&number)),
                date: Some(date),
                reached_on: Some(reached),
                note: note.as_deref().map(one_line),
                ..nothing(What::Reply, of, &owing.unit, kind)
            };
            entering.enter(kinds.into_iter().map(reply).collect()).await
        }
        Replies::Waive {
            period: of,
            unit,
            kind,
            reason,
            by,
        } => {
            let entering = Entering::begin(&config, by).await?;
            let of = period(&of, &config)?;
            let owing = entering.unit(of, &unit).await?;
            let waiver = |kind| NewEntry {
                note: Some(one_line(&reason)),
                ..nothing(What::Waiver, of, &owing.unit, kind)
            };
            let kinds: BTreeSet<Kind> = kind.into_iter().collect();
            entering.enter(kinds.into_iter().map(waiver).collect()).await
        }
        Replies::Exclude {
            period: of,
            ticket,
            propose: _,
            decide,
            reason,
            by,
        } => {
            let entering = Entering::begin(&config, by).await?;
            let (of, code) = (period(&of, &config)?, nfc(&ticket));
            let what = match decide {
                None => What::Proposal,
                Some(Decision::Excluded) => What::Exclusion,
                Some(Decision::Refused) => What::Refusal,
            };
            let book = Book {
                members: entering.store.members(of).await?,
                ..Book::default()
            };
            // Of a ticket that stands under none the judgement says so.
            let unit = book.explains(&code).map_or("", |member| member.unit.as_str());
            let entry = NewEntry {
                code: Some(code.clone()),
                note: Some(one_line(&reason)),
                ..nothing(what, of, unit, Kind::Explanation)
            };
            entering.enter(vec![entry]).await
        }
        Replies::Undo { batch, by } => {
            let entering = Entering::begin(&config, by).await?;
            undo(&entering, batch).await
        }
        Replies::Import {
            file,
            yes,
            skip_wrong,
            dry_run,
            by,
        } => {
            let asked = Importing {
                is_agreed: yes,
                skips_wrong: skip_wrong,
                is_dry: dry_run,
            };
            import(&config, &file, asked, by).await
        }
    }
}

fn nothing(what: What, period: Period, unit: &str, kind: Kind) -> NewEntry {
    NewEntry {
        what,
        obligation: Id {
            period,
            unit: unit.to_owned(),
            kind,
        },
        code: None,
        number: None,
        date: None,
        reached_on: None,
        note: None,
    }
}

fn one_line(text: &str) -> String {
    nfc(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn letters(kinds: &[Kind]) -> String {
    let letters: Vec<String> = kinds.iter().map(|kind| kind.letter().to_string()).collect();
    letters.join(",")
}

/// Why a period has no obligations.
async fn none_because(store: &Store, config: &Config, period: Period) -> Result<CliError, CliError> {
    let last = store.snapshots(period).await?.pop();
    let why = if store.directive(period).await?.is_none() {
        "no directive is recorded on it; `dondoc directive record` does it".to_owned()
    } else if last.is_none_or(|last| last.revision == 0) {
        let at = local(is_checked_at(period, config.calendars.base()), config);
        format!("its figures are not final; what is owed opens with the final ones, at the first turn from {at} on")
    } else {
        "no ticket stands under it".to_owned()
    };
    Ok(CliError::Failed(anyhow!("nobody owes anything for {period}: {why}")))
}

/// A store that is open for looking, at one period.
struct Looking<'a> {
    config: &'a Config,
    store: Store,
    period: Period,
    obligations: Vec<Obligation>,
    now: Moment,
}

impl Looking<'_> {
    async fn at<'a>(config: &'a Config, of: Option<&str>) -> Result<Looking<'a>, CliError> {
        let store = Store::open_read_only(&config.store.database).await?;
        let period = match of {
            Some(of) => period(of, config)?,
            None => store.obligation_periods().await?.pop().ok_or_else(|| {
                CliError::Failed(anyhow!(
                    "no obligations are open; they open with a period's final figures and a directive on it (`dondoc directive record`)"
                ))
            })?,
        };
        let mut obligations = store.obligations(period).await?;
        if obligations.is_empty() {
            return Err(none_because(&store, config, period).await?);
        }
        obligations.sort_by(|a, b| (&a.id.unit, a.id.kind).cmp(&(&b.id.unit, b.id.kind)));
        Ok(Looking {
            config,
            // Under simulated time the present is the last turn.
            now: store.meta().await?.last_turn_at.unwrap_or_else(clock::now),
            store,
            period,
            obligations,
        })
    }

    fn state(&self, obligation: &Obligation) -> State {
        let (reading, cal) = (self.config.monthly.reading, self.config.calendars.base());
        obligation.state(reading, cal, self.now)
    }

    fn name(&self, unit: &str) -> String {
        let on = self.period.last_day();
        let unit_known = self.config.directory.unit(unit);
        unit_known.map_or(unit, |u| u.name(on)).to_owned()
    }
}

async fn list(looking: &Looking<'_>, unit: Option<&str>, only_owed: bool, as_json: bool) -> Result<(), CliError> {
    let Looking { config, period, .. } = looking;
    let of = match unit {
        Some(word) => Some(owing(config, *period, &looking.obligations, word, looking.now)?),
        None => None,
    };
    let shown: Vec<(&Obligation, State)> = looking
        .obligations
        .iter()
        .filter(|o| of.as_ref().is_none_or(|of| of.unit == o.id.unit))
        .map(|o| (o, looking.state(o)))
        .filter(|(_, state)| !only_owed || state.is_owed())
        .collect();
    let Some(directive) = looking.obligations.first().map(|o| &o.directive) else {
        return Ok(());
    };
    if as_json {
        let list = shown.iter().map(|(o, state)| to_json(looking, o, *state));
        say_json(&json!({
            "period": period.to_string(),
            "directive": { "number": directive.number, "date": directive.date.to_string() },
            "reply_before": directive.reply_before.to_string(),
            "obligations": list.collect::<Vec<_>>(),
        }));
        return Ok(());
    }
    let mut text = format!(
        "{period}: directive {} of {}\n{}\n",
        directive.number,
        directive.date,
        directive::due(directive, config)
    );
    let width = |of: &dyn Fn(&Obligation) -> usize| shown.iter().map(|(o, _)| of(o)).max().unwrap_or(0);
    let of_unit = width(&|o| o.id.unit.chars().count());
    let of_kind = width(&|o| o.id.kind.word().len());
    for (o, state) in &shown {
        let progress = format!("{}/{}", o.progress.settled, o.progress.tickets);
        text.push_str(&format!(
            "{:of_unit$}  {} {:of_kind$}  {progress:>9}  {:10}  {:12}{}\n",
            o.id.unit,
            o.id.kind.letter(),
            o.id.kind.word(),
            due_day(config, o).map_or("until closed".to_owned(), |day| day.to_string()),
            state.word(),
            more(o)
        ));
    }
    let owed = shown.iter().filter(|(_, state)| state.is_owed()).count();
    text.push_str(&format!("{} obligations, {owed} owed\n", shown.len()));
    say(&text);
    Ok(())
}

fn due_day(config: &Config, o: &Obligation) -> Option<NaiveDate> {
    let (reading, cal) = (config.monthly.reading, config.calendars.base());
    o.id.kind.has_deadline().then(|| o.directive.due_day(reading, cal))
}

/// What met it, and what of its tickets is excluded.
fn more(o: &Obligation) -> String {
    let reply = o.reply.as_ref().map(|reply| {
        format!(
            "{} of {}, reached the Office on {}",
            reply.number, reply.date, reply.reached_on
        )
    });
    let waiver = match (&o.reply, &o.waiver) {
        (None, Some(waiver)) => Some(format!("waived by {}: {}", waiver.by, waiver.reason)),
        _ => None,
    };
    let (excluded, pending) = (o.progress.excluded, o.progress.pending);
    let exclusions = (excluded + pending > 0).then(|| format!("{excluded} excluded, {pending} proposed for it"));
    let all: Vec<String> = [reply, waiver, exclusions].into_iter().flatten().collect();
    match all.is_empty() {
        true => String::new(),
        false => format!("  {}", all.join("; ")),
    }
}

fn to_json(looking: &Looking<'_>, o: &Obligation, state: State) -> Value {
    json!({
        "unit": o.id.unit,
        "name": looking.name(&o.id.unit),
        "kind": o.id.kind.word(),
        "letter": o.id.kind.letter().to_string(),
        "tickets": o.progress.tickets,
        "settled": o.progress.settled,
        "excluded": o.progress.excluded,
        "exclusion_pending": o.progress.pending,
        "due": due_day(looking.config, o).map(|day| day.to_string()),
        "state": state.word(),
        "document": o.reply.as_ref().map(|reply| json!({
            "number": reply.number,
            "date": reply.date.to_string(),
            "reached_on": reply.reached_on.to_string(),
        })),
        "waived": o.waiver.as_ref().map(|waiver| json!({ "reason": waiver.reason, "author": waiver.by })),
    })
}

/// A unit with what it owes for a period.
struct Owing {
    unit: String,
    kinds: Vec<Kind>,
}

/// The unit that a word means among those that owe something.
fn owing(
    config: &Config,
    period: Period,
    obligations: &[Obligation],
    word: &str,
    now: Moment,
) -> Result<Owing, CliError> {
    let kinds = |unit: &str| -> Vec<Kind> {
        let own = obligations.iter().filter(|o| o.id.unit == unit);
        let kinds: BTreeSet<Kind> = own.map(|o| o.id.kind).collect();
        kinds.into_iter().collect()
    };
    let last_day = period.last_day();
    let today = config.calendars.base().date_of(now);
    let directory = &config.directory;
    let word = nfc(word);
    let found = [last_day, today].map(|on| directory.find(&word, on).map(|unit| unit.id.as_str()));
    let candidates = found.into_iter().flatten().chain([word.as_str()]);
    for unit in candidates {
        let kinds = kinds(unit);
        if !kinds.is_empty() {
            let unit = unit.to_owned();
            return Ok(Owing { unit, kinds });
        }
    }
    let Some(unit) = found.into_iter().flatten().next() else {
        return Err(CliError::Failed(anyhow!("`{word}` is not a unit of agencies.toml")));
    };
    // Who took over has the letters, but what is owed stays under the unit of the cut-off.
    let units: BTreeSet<&str> = obligations.iter().map(|o| o.id.unit.as_str()).collect();
    let before = units
        .into_iter()
        .filter(|old| directory.is_succession(old, unit, today));
    let before: Vec<&str> = before.collect();
    let instead = match before.is_empty() {
        true => "`dondoc replies list` has who does".to_owned(),
        false => format!(
            "it took over from {}: say --unit {}",
            before.join(", "),
            before.join(" or ")
        ),
    };
    Err(CliError::Failed(anyhow!("{unit} owes nothing for {period}; {instead}")))
}

/// A store that is open for recording.
struct Entering<'a> {
    config: &'a Config,
    store: Store,
    by: String,
    now: Moment,
}

impl Entering<'_> {
    async fn begin(config: &Config, by: By) -> Result<Entering<'_>, CliError> {
        let now = instant(by.at.as_deref(), config)?;
        let store = Store::open_beside(&config.store.database).await?;
        not_back_in_time(&store, by.at.as_deref(), now, config).await?;
        Ok(Entering {
            config,
            store,
            by: by.author.unwrap_or_else(who),
            now,
        })
    }

    async fn unit(&self, period: Period, word: &str) -> Result<Owing, CliError> {
        let obligations = self.store.obligations(period).await?;
        if obligations.is_empty() {
            return Err(none_because(&self.store, self.config, period).await?);
        }
        owing(self.config, period, &obligations, word, self.now)
    }

    fn today(&self) -> NaiveDate {
        self.config.calendars.base().date_of(self.now)
    }

    /// Records what is new of some lines, all or none, and says so.
    async fn enter(self, lines: Vec<NewEntry>) -> Result<(), CliError> {
        let entered = self.record(&lines).await?;
        self.store.close().await;
        let said = lines.iter().zip(&entered.judged).map(|(line, judged)| match judged {
            Judged::Same => format!("{}: stands there already\n", about(line)),
            Judged::New => format!("{}: {}\n", about(line), what(line)),
            Judged::Correction(before) => format!("{}: {}; it puts {before} right\n", about(line), what(line)),
            Judged::Further(first) => format!(
                "{}: {}, a further document: {first} has settled it already\n",
                about(line),
                what(line)
            ),
        });
        say(&(said.collect::<String>() + &recorded(entered.batch)));
        Ok(())
    }

    async fn record(&self, lines: &[NewEntry]) -> Result<Entered, CliError> {
        let periods: BTreeSet<Period> = lines.iter().map(|line| line.obligation.period).collect();
        let mut members = Vec::new();
        for period in periods {
            members.push((period, self.store.members(period).await?));
        }
        let mut tx = self.store.begin().await?;
        let mut books = Books::new();
        for (period, members) in members {
            let book = Book {
                obligations: tx.obligations(period).await?,
                entries: tx.entries(period).await?,
                members,
            };
            books.insert(period, book);
        }
        let (mut new, mut all) = (Vec::new(), Vec::new());
        for line in lines {
            let judged = judge(&mut books, line, self.today());
            let judged = judged.map_err(|refused| CliError::Failed(anyhow!("{}: {refused}", about(line))))?;
            if judged != Judged::Same {
                new.push(line.clone());
            }
            all.push(judged);
        }
        let batch = match new.is_empty() {
            true => None,
            false => Some(tx.record_entries(&new, &self.by, self.now).await?),
        };
        tx.commit().await?;
        Ok(Entered { batch, judged: all })
    }
}

struct Entered {
    /// None where all stood there already.
    batch: Option<i64>,
    judged: Vec<Judged>,
}

/// What is known, by period.
type Books = BTreeMap<Period, Book>;

/// Judges a line, and takes it as entered for those behind it.
fn judge(books: &mut Books, line: &NewEntry, today: NaiveDate) -> Result<Judged, Refused> {
    let book = books.entry(line.obligation.period).or_default();
    let judged = book.judge(line, today)?;
    if judged != Judged::Same {
        book.enter(line, 0);
    }
    Ok(judged)
}

fn recorded(batch: Option<i64>) -> String {
    match batch {
        Some(batch) => format!("recorded as batch {batch}; `dondoc replies undo {batch}` takes it back\n"),
        None => "nothing new: nothing is recorded\n".to_owned(),
    }
}

/// What a line is about.
fn about(line: &NewEntry) -> String {
    let id = &line.obligation;
    match &line.code {
        Some(code) => format!("{} ticket {code}", id.period),
        None => format!("{} {} {} {}", id.period, id.unit, id.kind.letter(), id.kind.word()),
    }
}

/// What it says.
fn what(line: &NewEntry) -> String {
    let day = |day: Option<NaiveDate>| day.map_or_else(String::new, |day| day.to_string());
    match line.what {
        What::Reply => format!(
            "reply {} of {}, reached the Office on {}",
            line.number.as_deref().unwrap_or_default(),
            day(line.date),
            day(line.reached_on)
        ),
        What::Waiver => "waived".to_owned(),
        What::Proposal => "proposed for exclusion".to_owned(),
        What::Exclusion => "excluded".to_owned(),
        What::Refusal => "exclusion refused".to_owned(),
    }
}

async fn undo(entering: &Entering<'_>, batch: i64) -> Result<(), CliError> {
    let lines = entering.store.batch(batch).await?;
    let Some(first) = lines.first() else {
        return Err(CliError::Failed(anyhow!(
            "there is no batch {batch}; `dondoc replies history` shows what was recorded"
        )));
    };
    if let Some((by, at)) = &first.undone {
        return Err(CliError::Failed(anyhow!(
            "batch {batch} was taken back by {by} on {}",
            local(*at, entering.config)
        )));
    }
    let mut tx = entering.store.begin().await?;
    let undone = tx.undo_entries(batch, &entering.by, entering.now).await?;
    tx.commit().await?;
    let said = lines
        .iter()
        .map(|line| format!("{}: {}: taken back\n", about(&line.said), what(&line.said)));
    say(&format!(
        "{}{undone} lines of batch {batch} are taken back\n",
        said.collect::<String>()
    ));
    Ok(())
}

async fn history(looking: &Looking<'_>, as_json: bool) -> Result<(), CliError> {
    let (config, entries) = (looking.config, looking.store.entries(looking.period).await?);
    if as_json {
        let list: Vec<Value> = entries.iter().map(|entry| entry_json(entry, config)).collect();
        say_json(&json!({ "period": looking.period.to_string(), "entries": list }));
        return Ok(());
    }
    let line = |entry: &Entry| {
        let note = entry.said.note.as_ref().map(|note| format!(": {note}"));
        let undone = entry
            .undone
            .as_ref()
            .map(|(by, at)| format!("  (taken back by {by} on {})", local(*at, config)));
        format!(
            "{:4}  {}  {}  {}: {}{}{}\n",
            entry.batch,
            local(entry.at, config),
            entry.by,
            about(&entry.said),
            what(&entry.said),
            note.unwrap_or_default(),
            undone.unwrap_or_default()
        )
    };
    let lines: String = entries.iter().map(line).collect();
    say(&format!("{lines}{}: {} lines\n", looking.period, entries.len()));
    Ok(())
}

fn entry_json(entry: &Entry, config: &Config) -> Value {
    let said = &entry.said;
    json!({
        "batch": entry.batch,
        "what": said.what.word(),
        "unit": said.obligation.unit,
        "kind": said.obligation.kind.word(),
        "ticket": said.code,
        "number": said.number,
        "date": said.date.map(|day| day.to_string()),
        "reached_on": said.reached_on.map(|day| day.to_string()),
        "note": said.note,
        "author": entry.by,
        "at": rfc3339(entry.at, config),
        "undone_by": entry.undone.as_ref().map(|(by, _)| by),
        "undone_at": entry.undone.as_ref().map(|(_, at)| rfc3339(*at, config)),
    })
}

async fn export(looking: &Looking<'_>, out: &Path) -> Result<(), CliError> {
    let Looking {
        config,
        store,
        period,
        obligations,
        now,
    } = looking;
    let Some(directive) = obligations.first().map(|o| &o.directive) else {
        return Ok(());
    };
    let book = Book {
        obligations: obligations.clone(),
        entries: store.entries(*period).await?,
        members: store.members(*period).await?,
    };
    let mut rows: Vec<ObligationRow> = obligations
        .iter()
        .map(|o| ObligationRow {
            id: o.id.clone(),
            unit: looking.name(&o.id.unit),
            tickets: o.progress.tickets,
            settled: o.progress.settled,
            before: o.id.kind.has_deadline().then_some(directive.reply_before),
            state: looking.state(o),
            reply: o.reply.as_ref().map(|r| (r.number.clone(), r.date, r.reached_on)),
        })
        .collect();
    rows.sort_by_cached_key(|row| (vi_sort_key(&row.unit), row.id.kind));
    let unsatisfied = book.members.iter().filter(|m| m.kind == Kind::Explanation);
    let codes: Vec<String> = unsatisfied.clone().map(|m| m.code.clone()).collect();
    let known = store.tickets(&codes).await?;
    let decided = exclusions(&book.entries);
    let (mut tickets, mut sensitive) = (Vec::new(), 0);
    let on = period.last_day();
    for member in unsatisfied {
        // What has been forgotten or pruned is not known by its code any more.
        let Some(ticket) = known.get(&member.code).map(|kept| &kept.ticket) else {
            continue;
        };
        if ticket.is_sensitive() {
            sensitive += 1;
            continue;
        }
        let field = ticket.category().map(|id| {
            let name = config.wording.terms.name(id, Locale::Vi, on);
            name.map_or_else(|| crate::domain::scrub::word(id), str::to_owned)
        });
        tickets.push(TicketRow {
            id: Id {
                period: *period,
                unit: member.unit.clone(),
                kind: Kind::Explanation,
            },
            code: member.code.clone(),
            unit: looking.name(&member.unit),
            field,
            exclusion: decided.get(member.code.as_str()).copied(),
        });
    }
    tickets.sort_by_cached_key(|row| (vi_sort_key(&row.unit), row.code.clone()));
    let view = RegisterView {
        hotline: config.delivery.hotline.clone(),
        period: period.to_string(),
        directive: (directive.number.clone(), directive.date),
        obligations: rows,
        tickets,
        sensitive,
    };
    let bytes = write(&view, *now).context("the workbook cannot be written")?;
    std::fs::write(out, bytes).with_context(|| format!("writing {}", out.display()))?;
    say(&format!(
        "{}: {} obligations and {} unsatisfied tickets of {period}; once it is filled in, `dondoc replies import` reads it",
        out.display(),
        view.obligations.len(),
        view.tickets.len()
    ));
    Ok(())
}

struct Importing {
    is_agreed: bool,
    skips_wrong: bool,
    is_dry: bool,
}

/// The column that a refusal is about.
fn column(refused: &Refused) -> &'static str {
    match refused {
        Refused::NotOwed { .. } => "Mã nghĩa vụ",
        Refused::NoNumber | Refused::BadNumber | Refused::Replied { .. } => "Số văn bản",
        Refused::NoDate | Refused::TooOld { .. } => "Ngày văn bản",
        Refused::NoDayReached | Refused::ReachedBefore { .. } | Refused::ToCome { .. } => "Ngày đến",
        Refused::NoReason => "Lý do",
        Refused::NoTicket | Refused::NotUnsatisfied { .. } => "Mã phiếu",
        Refused::BadText => "Ghi chú",
    }
}

async fn import(config: &Config, file: &Path, asked: Importing, by: By) -> Result<(), CliError> {
    let filled = config::replies::read(file).map_err(|problems| CliError::Failed(anyhow!("{problems}")))?;
    let entering = Entering::begin(config, by).await?;
    let mut books = Books::new();
    let entries = filled.iter().flat_map(|line| &line.entries);
    for period in entries.map(|entry| entry.obligation.period).collect::<BTreeSet<_>>() {
        let book = Book {
            obligations: entering.store.obligations(period).await?,
            entries: entering.store.entries(period).await?,
            members: entering.store.members(period).await?,
        };
        books.insert(period, book);
    }
    let Preview {
        text,
        accepted,
        new,
        wrong,
    } = preview(&filled, &mut books, entering.today());
    say(&text);
    if wrong > 0 && !asked.skips_wrong {
        return Err(CliError::Failed(anyhow!(
            "{wrong} lines are wrong, so nothing is recorded; put them right, or leave them out with --skip-wrong"
        )));
    }
    if asked.is_dry || new == 0 {
        say(if new == 0 {
            "nothing new: nothing is recorded"
        } else {
            "nothing is recorded"
        });
        return Ok(());
    }
    if !(asked.is_agreed || agrees(&format!("Record {new} lines?"), "records them")?) {
        return Ok(());
    }
    let entered = entering.record(&accepted).await?;
    entering.store.close().await;
    say(&recorded(entered.batch));
    Ok(())
}

/// What an import would do.
struct Preview {
    text: String,
    /// What of the file may be entered, with what stands there already.
    accepted: Vec<NewEntry>,
    new: usize,
    wrong: usize,
}

fn preview(filled: &[Filled], books: &mut Books, today: NaiveDate) -> Preview {
    let (mut text, mut accepted, mut new, mut same, mut wrong) = (String::new(), Vec::new(), 0, 0, 0);
    for line in filled {
        let place = &line.place;
        if !line.problems.is_empty() {
            wrong += 1;
            for problem in &line.problems {
                text.push_str(&format!("wrong      {problem}\n"));
            }
        }
        for entry in &line.entries {
            let (about, what) = (about(entry), what(entry));
            match judge(books, entry, today) {
                Ok(judged) => {
                    accepted.push(entry.clone());
                    let (word, more) = match judged {
                        Judged::New => ("new", String::new()),
                        Judged::Same => ("unchanged", String::new()),
                        Judged::Correction(before) => ("changed", format!("; before: {before}")),
                        Judged::Further(first) => ("further", format!("; {first} has settled it already")),
                    };
                    match word == "unchanged" {
                        true => same += 1,
                        false => new += 1,
                    }
                    text.push_str(&format!("{word:9}  {place}: {about}: {what}{more}\n"));
                }
                Err(refused) => {
                    wrong += 1;
                    text.push_str(&format!(
                        "wrong      {place}, column “{}”: {about}: {refused}\n",
                        column(&refused)
                    ));
                }
            }
        }
    }
    text.push_str(&format!("{new} to record, {same} unchanged, {wrong} wrong\n"));
    Preview {
        text,
        accepted,
        new,
        wrong,
    }
}
