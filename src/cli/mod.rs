//! The command line: arguments, logging, exit codes. Each command has a file; none of them decides anything itself.

mod ack;
mod audit;
mod backup;
pub mod calendar;
pub mod check;
mod contacts;
pub mod demo;
mod directive;
mod endpoint;
mod explain;
mod forget;
mod init;
mod manual;
mod once;
mod outbox;
mod pause;
mod preview;
mod prune;
mod quote;
mod replies;
mod report;
mod run;
mod schema;
mod send_test;
mod silence;
mod simulate;
mod status;
mod test;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use tokio::time::timeout;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{self, Config, Problems};
use crate::domain::time::{BadPeriod, Period};
use crate::domain::{Moment, register};
use crate::engine::{Engine, Prepared, TurnError};
use crate::process;
use crate::render::Renderer;
use crate::source::SourceError;
use crate::store::{Store, StoreError};

/// Urges the agencies of a citizens' hotline on: reminders, ladders and the monthly figures.
#[derive(Debug, Parser)]
#[command(name = "dondoc", version, about, arg_required_else_help = true)]
struct Cli {
    /// Directory of the configuration: dondoc.toml, agencies.toml, calendar.toml, rules/, templates/.
    #[arg(
        long,
        global = true,
        default_value = "/etc/dondoc",
        env = "DONDOC_CONFIG",
        value_name = "DIR"
    )]
    config: PathBuf,
    /// How logs are written to standard error; text by default, and into the journal under systemd.
    #[arg(long, global = true, value_enum)]
    log_format: Option<LogFormat>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Copies the commented working set (rules, directory, calendar, templates) into DIR: as it is, or made a province's own
    /// by options and answers, with its directory out of a workbook or a CSV file.
    Init(init::Given),
    /// The daemon: turns until it is stopped. SIGTERM drains, SIGHUP (or `dondoc reload`) reloads.
    Run,
    /// Checks all files, then has the daemon take them up; what can't be used leaves all as it is.
    Reload,
    /// Takes exactly one turn, delivery included, then exits.
    Once {
        /// The instant of the turn; now by default. Before the last turn it is refused.
        #[arg(long, value_name = "T")]
        at: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Shows the whole job in one go, without any server: two months of a hotline under simulated time.
    Demo {
        /// Where everything is left: config/, tickets.db, store.db and the mails.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Another seed makes another hotline with the same totals.
        #[arg(long, default_value_t = demo::SEED)]
        seed: u64,
    },
    /// Checks all files of the configuration, then the ticket database, the store, the mail server and the webhooks; says
    /// everything that is wrong, with its place.
    Check {
        /// Looks at files only and connects to nothing.
        #[arg(long)]
        offline: bool,
        /// Has warnings fail as errors do.
        #[arg(long)]
        deny_warnings: bool,
        #[arg(long)]
        json: bool,
    },
    /// One ticket: its deadline day by day, each rule's verdict with its reason, what was sent, what comes next.
    Explain {
        code: String,
        /// The instant to look at, by the change log; now by default.
        #[arg(long, value_name = "T")]
        at: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// The messages of a rule's step as they would go out now. Nothing is stored or sent, and the daemon goes on beside it.
    Preview {
        /// The rule's id.
        rule: String,
        /// The id of its step.
        step: String,
        /// What the step says, or would say, of this ticket; of all for which it is due without it.
        #[arg(long, value_name = "CODE")]
        ticket: Option<String>,
        /// The step's words on made-up data, whatever tickets there are.
        #[arg(long, conflicts_with = "ticket")]
        sample: bool,
        /// Writes each message into this folder: .eml, .html and .xlsx, or .json of a webhook.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// The instant to look at, by the change log; that of the last turn by default.
        #[arg(long, value_name = "T")]
        at: Option<String>,
    },
    /// What would have been sent in past days: the engine's own turns under simulated time, over the change log or the
    /// ticket database. Nothing is sent or written, and the daemon goes on beside it.
    Simulate {
        /// The first day, such as 2021-08-01.
        #[arg(long, value_name = "D")]
        from: String,
        /// The last day.
        #[arg(long, value_name = "D")]
        to: String,
        /// Plays another configuration directory instead, on the same tickets.
        #[arg(long, value_name = "DIR")]
        rules: Option<PathBuf>,
        /// Plays another configuration directory too, and shows what it would add, remove or change.
        #[arg(long, value_name = "DIR")]
        against: Option<PathBuf>,
        /// Silences a unit on the other side of the comparison, such as SYT:2021-08-09:2021-08-15.
        #[arg(long, value_name = "UNIT:D:D")]
        silence: Vec<String>,
        /// Where the tickets come from; the change log where it reaches, else the ticket database.
        #[arg(long, value_enum)]
        data: Option<DataFrom>,
        /// How often a turn is taken in office hours.
        #[arg(long, value_name = "SPAN", default_value = "30m")]
        every: String,
        #[arg(long)]
        json: bool,
        /// One line for each notice.
        #[arg(long, conflicts_with = "json")]
        csv: bool,
    },
    /// Plays expectation files: made-up tickets with what happens to them, and what is to be told of them on which day and
    /// nothing else. Ends with 1 where something differs; nothing is sent or written.
    Test {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// The working calendar and deadlines by it.
    Calendar {
        #[command(subcommand)]
        command: CalendarCommand,
    },
    /// The monthly figures.
    Report(report::Asked),
    /// The Chairman's directive on a month: what it sets, and what the agencies owe by it.
    Directive {
        #[command(subcommand)]
        command: directive::Directive,
    },
    /// What the agencies owe by the directive, and what reached the Office of it.
    Replies {
        #[command(subcommand)]
        command: replies::Replies,
    },
    /// Webhook endpoints that are disabled: they answered that they want no more, or took nothing for days.
    Endpoint {
        #[command(subcommand)]
        command: EndpointCommand,
    },
    /// Messages: what waits, what was accepted, what is dead and why.
    Outbox {
        #[command(subcommand)]
        command: OutboxCommand,
    },
    /// Sends a letter marked as a test to each desk of a unit and a post to each of its webhooks, and says what each
    /// answered.
    SendTest {
        /// The unit's id, or @ops.
        unit: String,
    },
    /// The addresses of the directory: which ones somebody has confirmed; and letters that ask.
    Contacts {
        #[command(subcommand)]
        command: ContactsCommand,
    },
    /// Holds all composing and sending until `dondoc resume`; reading and deciding go on.
    Pause {
        /// Why; `dondoc status` shows it.
        #[arg(long)]
        reason: String,
    },
    /// Lets composing and sending go on after `dondoc pause`.
    Resume,
    /// Keeps what concerns some tickets from being told for a while; what is still due then is told afterwards, once.
    Silence {
        #[command(subcommand)]
        command: SilenceCommand,
    },
    /// A unit knows of a ticket: its steps to that unit wait for a while, at most three working days, once.
    Ack {
        code: String,
        /// The unit that acknowledges, by its id or any word of the directory; the ticket's agency by default.
        #[arg(long, value_name = "UNIT")]
        unit: Option<String>,
        /// Until this instant; or else --for. Three working days by default.
        #[arg(long, value_name = "T", conflicts_with = "span")]
        until: Option<String>,
        /// For so long, such as 2wd.
        #[arg(long = "for", value_name = "SPAN", id = "span")]
        span: Option<String>,
        /// Who says so; the account that gives the command by default.
        #[arg(long)]
        author: Option<String>,
        #[arg(long)]
        note: Option<String>,
        /// The instant of it, for a store under simulated time; now by default.
        #[arg(long, value_name = "T")]
        at: Option<String>,
    },
    /// Goes through the ticket database and holds what each ticket owes against what is recorded of it, whatever the daemon
    /// thinks it has seen. Ends with 1 and a list where something is owed and not accounted for. Nothing is written.
    Audit {
        /// Closed tickets that were last touched before this are left out; the start of the period before this one by
        /// default.
        #[arg(long, value_name = "T")]
        since: Option<String>,
        /// The instant of it, for a store under simulated time; now by default.
        #[arg(long, value_name = "T")]
        at: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Copies the store into a new file while the daemon goes on.
    Backup { file: PathBuf },
    /// Removes at once what is kept no longer, as the daemon does once a day ([retention] of dondoc.toml).
    Prune {
        /// Letters to the Office too, which else stay.
        #[arg(long)]
        archive: bool,
        /// Says how much it would be.
        #[arg(long)]
        dry_run: bool,
        /// Also where nothing has been seen for long that would bear out the clock.
        #[arg(long)]
        yes: bool,
        #[arg(long)]
        json: bool,
    },
    /// Removes all that names a ticket, for good: it is not taken in, told or counted any more.
    Forget {
        code: String,
        /// Doesn't ask.
        #[arg(long)]
        yes: bool,
    },
    /// The state of things in a few lines.
    Status {
        #[arg(long)]
        json: bool,
    },
    /// Prints the JSON Schema of a file, by which editors of TOML check and complete; or writes all of them into a folder.
    #[command(group(clap::ArgGroup::new("what").required(true)))]
    Schema {
        #[arg(value_enum, group = "what")]
        file: Option<schema::Of>,
        /// Writes all schemas into this folder, over those that are there.
        #[arg(long, value_name = "DIR", group = "what")]
        out: Option<PathBuf>,
        /// Prints the reference of all keys instead, in Markdown.
        #[arg(long, group = "what")]
        reference: bool,
    },
    /// Prints the completions for a shell.
    Completions {
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Prints the manual page, or writes a page for each command into DIR.
    Man { dir: Option<PathBuf> },
}

#[derive(Debug, Subcommand)]
enum CalendarCommand {
    /// Working days, closures and worked Saturdays of a year.
    Year {
        year: i32,
        #[arg(long)]
        json: bool,
    },
    /// A deadline with its reckoning, day by day.
    Due {
        /// An instant or a date, local unless it has an offset.
        #[arg(long, value_name = "T")]
        from: String,
        /// A duration such as 5wd, 4wh, 15cd or 2d.
        #[arg(long, value_name = "SPAN")]
        add: String,
        /// Reckons with the calendar of this unit.
        #[arg(long, value_name = "ID")]
        unit: Option<String>,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum ContactsCommand {
    /// Every address in use, with its confirmation and when it was last asked for.
    List {
        /// Only those that nobody has confirmed, or not for more than a year.
        #[arg(long)]
        wanting: bool,
        /// The instant to look at; now by default.
        #[arg(long, value_name = "T")]
        at: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Asks by a letter to each address that nobody has confirmed, or not for more than a year, whether it is right and read.
    /// It lists them and asks first; who was asked within two weeks is left out.
    Request {
        /// Only those of these units, by id or any word of the directory.
        units: Vec<String>,
        /// Doesn't ask.
        #[arg(long)]
        yes: bool,
        /// The instant of it, for a store under simulated time; now by default.
        #[arg(long, value_name = "T")]
        at: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum SilenceCommand {
    /// Adds a silence; everything that is given has to hold of a ticket.
    #[command(group(clap::ArgGroup::new("scope").required(true).multiple(true)))]
    Add(silence::Add),
    /// The silences that hold or are still to come, the first to end first.
    List {
        /// Those that are over too.
        #[arg(long)]
        all: bool,
        #[arg(long)]
        json: bool,
    },
    /// Ends a silence before its time.
    End {
        id: i64,
        #[arg(long)]
        author: Option<String>,
        /// The instant of it, for a store under simulated time; now by default.
        #[arg(long, value_name = "T")]
        at: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ReportFormat {
    Text,
    Json,
    /// One page that stands alone.
    Html,
    /// In the layout of Nghị định 30/2020, marked as a draft.
    Docx,
    Xlsx,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ReportPaper {
    /// The report to the Chairman.
    Report,
    /// The draft of the Chairman's directive.
    Directive,
    /// The draft of the letter that urges agencies on.
    Urging,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DataFrom {
    Log,
    Database,
}

#[derive(Debug, Subcommand)]
enum EndpointCommand {
    /// Posts to an endpoint again from the next turn on; `dondoc status` shows which are disabled and why.
    Enable { id: String },
}

#[derive(Debug, Subcommand)]
enum OutboxCommand {
    /// Messages, oldest first.
    List {
        /// Only those in this state: waiting, accepted, dead, bounced, replaced, cancelled, awaiting_approval, released,
        /// withdrawn or corrected.
        #[arg(long)]
        state: Option<String>,
        /// At most this many.
        #[arg(long, default_value_t = 1000)]
        limit: i64,
        #[arg(long)]
        json: bool,
    },
    /// One message with its attempts and text.
    Show {
        id: String,
        #[arg(long)]
        json: bool,
    },
    /// Sends dead, cancelled, withdrawn, corrected or bounced messages again: what of them still holds goes into new ones at
    /// the next chance. By ids, or those dead ones of which all that is given holds: then it says how many there are and
    /// asks.
    Retry {
        #[arg(required_unless_present = "which", conflicts_with = "which")]
        ids: Vec<String>,
        #[command(flatten)]
        which: outbox::Which,
        /// Doesn't ask.
        #[arg(long)]
        yes: bool,
    },
    /// Sends a message that waits for approval, once its tickets have been read again and say the same; else what they say
    /// by then waits in its stead.
    Release {
        id: String,
        /// The instant of it, for a store under simulated time; now by default.
        #[arg(long, value_name = "T")]
        at: Option<String>,
    },
    /// Takes a message back that waits, for approval or for an attempt. Its notices do not count as told: no ladder climbs
    /// on them.
    Withdraw {
        id: String,
        /// Why; it is kept with the message.
        #[arg(long)]
        reason: String,
        /// The instant of it, for a store under simulated time; now by default.
        #[arg(long, value_name = "T")]
        at: Option<String>,
    },
    /// Tells whoever got a message that it was wrong, in its thread, and takes it out of all counts. What has not been
    /// accepted is withdrawn instead.
    Correct {
        id: String,
        /// Why; the letter says it.
        #[arg(long)]
        reason: String,
        /// The instant of it, for a store under simulated time; now by default.
        #[arg(long, value_name = "T")]
        at: Option<String>,
    },
    /// Takes a waiting message back; its notices are not told, and ladders climb on as if they were.
    Cancel {
        id: String,
        /// Why; it is kept with the message.
        #[arg(long)]
        reason: String,
        /// The instant of it, for a store under simulated time; now by default.
        #[arg(long, value_name = "T")]
        at: Option<String>,
    },
}

/// Why a command ended with another code than 0.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Config(Problems),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Turn(#[from] TurnError),
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
    /// Everything has been said already.
    #[error("")]
    Said(u8),
}

impl CliError {
    fn code(&self) -> u8 {
        match self {
            CliError::Usage(_) => 2,
            CliError::Config(_) => 78,
            CliError::Said(code) => *code,
            _ => 1,
        }
    }
}

/// What still works in the background when the command is over may go on for so long.
const LEAVE: Duration = Duration::from_secs(1);

/// Runs the command that the arguments name. Exit codes: 0 done, 1 failed, 2 wrong usage, 78 configuration error.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    log(&cli);
    if matches!(cli.command, Command::Simulate { .. } | Command::Test { .. }) {
        process::stay_on_one_core();
        process::keep_memory();
    }
    let mut threads = match cli.command {
        Command::Run => tokio::runtime::Builder::new_multi_thread(),
        // Nobody is served while a turn reckons, and each statement would have other threads woken to give a connection
        // back.
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = match threads.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return fail(&CliError::Failed(
                anyhow::Error::new(error).context("the runtime cannot start"),
            ));
        }
    };
    let outcome = runtime.block_on(dispatch(cli));
    // A name that nobody resolves would hold the process up for as long as the system goes on asking.
    runtime.shutdown_timeout(LEAVE);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

#[expect(clippy::print_stderr, reason = "the last word of a failing command")]
fn fail(error: &CliError) -> ExitCode {
    if !matches!(error, CliError::Said(_)) {
        eprintln!("dondoc: {error}");
    }
    ExitCode::from(error.code())
}

/// Logs go to the journal where standard error is it and no format was asked for, else to standard error.
fn log(cli: &Cli) {
    let default = match cli.command {
        Command::Run => "info,tokio_cron_scheduler=warn",
        Command::Once { .. } => "info",
        _ => "warn",
    };
    let filter = EnvFilter::try_from_env("DONDOC_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let to_journal = cli.log_format.is_none() && std::env::var_os("JOURNAL_STREAM").is_some();
    if let Some(journal) = to_journal.then(tracing_journald::layer).and_then(Result::ok) {
        // Fields bear our name: DONDOC_TICKET, DONDOC_UNIT.
        let journal = journal.with_field_prefix(Some("DONDOC".to_owned()));
        tracing_subscriber::registry().with(filter).with(journal).init();
        return;
    }
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    match cli.log_format {
        None | Some(LogFormat::Text) => logs.with_ansi(std::io::stderr().is_terminal()).init(),
        Some(LogFormat::Json) => logs.json().init(),
    }
}

async fn dispatch(cli: Cli) -> Result<(), CliError> {
    let dir = cli.config;
    match cli.command {
        Command::Init(given) => init::run(given),
        Command::Run => run::run(&dir).await,
        Command::Reload => run::reload(&dir).await,
        Command::Once { at, json } => once::run(&dir, at.as_deref(), json).await,
        Command::Demo { dir, seed } => demo::run(dir, seed).await,
        Command::Check {
            offline,
            deny_warnings,
            json,
        } => {
            let asked = check::Asked {
                is_offline: offline,
                denies_warnings: deny_warnings,
                as_json: json,
            };
            check::run(&dir, asked).await
        }
        Command::Explain { code, at, json } => explain::run(&dir, &code, at.as_deref(), json).await,
        Command::Preview {
            rule,
            step,
            ticket,
            sample,
            out,
            at,
        } => {
            let wanted = preview::Wanted {
                rule,
                step,
                ticket,
                sample,
                at,
            };
            preview::run(&dir, wanted, out.as_deref()).await
        }
        Command::Simulate {
            from,
            to,
            rules,
            against,
            silence,
            data,
            every,
            json,
            csv,
        } => {
            let asked = simulate::Asked {
                from: &from,
                to: &to,
                every: &every,
                rules: rules.as_deref(),
                against: against.as_deref(),
                silence: &silence,
                data: data.map(|data| match data {
                    DataFrom::Log => crate::rehearsal::Data::Log,
                    DataFrom::Database => crate::rehearsal::Data::Database,
                }),
                as_json: json,
                as_csv: csv,
            };
            simulate::run(&dir, asked).await
        }
        Command::Test { files } => test::run(&dir, &files).await,
        Command::Calendar { command } => calendar::run(&dir, command),
        Command::Report(asked) => report::run(&dir, asked).await,
        Command::Directive { command } => directive::run(&dir, command).await,
        Command::Replies { command } => replies::run(&dir, command).await,
        Command::Endpoint {
            command: EndpointCommand::Enable { id },
        } => endpoint::enable(&dir, &id).await,
        Command::Outbox { command } => outbox::run(&dir, command).await,
        Command::SendTest { unit } => send_test::run(&dir, &unit).await,
        Command::Contacts { command } => contacts::run(&dir, command).await,
        Command::Pause { reason } => pause::pause(&dir, &reason).await,
        Command::Resume => pause::resume(&dir).await,
        Command::Silence { command } => silence::run(&dir, command).await,
        Command::Ack {
            code,
            unit,
            until,
            span,
            author,
            note,
            at,
        } => {
            let given = ack::Given {
                code,
                unit,
                until,
                span,
                author,
                note,
                at,
            };
            ack::run(&dir, given).await
        }
        Command::Audit { since, at, json } => audit::run(&dir, since.as_deref(), at.as_deref(), json).await,
        Command::Backup { file } => backup::run(&dir, &file).await,
        Command::Prune {
            archive,
            dry_run,
            yes,
            json,
        } => prune::run(&dir, archive, dry_run, yes, json).await,
        Command::Forget { code, yes } => forget::run(&dir, &code, yes).await,
        Command::Status { json } => status::run(&dir, json).await,
        Command::Schema { reference: true, .. } => schema::reference(),
        Command::Schema { file, out, .. } => schema::run(file, out.as_deref()),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { dir } => manual::man(dir.as_deref()),
    }
}

/// Loads the configuration; warnings go to the log.
fn load(dir: &Path) -> Result<Config, CliError> {
    let loaded = config::load(dir, std::env::vars()).map_err(CliError::Config)?;
    for warning in loaded.warnings {
        tracing::warn!("{warning}");
    }
    Ok(loaded.config)
}

fn renderer(config: &Config) -> Result<Renderer, CliError> {
    Renderer::load(&config.templates_dir, &config.wording).map_err(|errors| {
        let problems = errors.into_iter().map(|e| check::template_problem(config, e));
        CliError::Config(config::Problems(problems.collect()))
    })
}

/// How long a start or a reload waits for the ticket database, to find fault with the query.
const PATIENCE: Duration = Duration::from_secs(20);

/// A configuration with what it names, opened, but for the store. A ticket database that is out of reach stops nothing:
/// what waits is delivered all the same, and each turn tries to open it.
async fn prepare(config: Config) -> Result<Prepared, CliError> {
    let renderer = renderer(&config)?;
    let prepared = Prepared::new(Arc::new(config), renderer).map_err(|error| CliError::Failed(error.into()))?;
    match timeout(PATIENCE, prepared.source.open()).await {
        Ok(Err(error)) if error.is_refusal() => return Err(error.into()),
        Ok(Err(error)) => {
            tracing::error!(%error, "the ticket database cannot be opened now; each turn tries it again: {error}");
        }
        Err(_) => tracing::error!("the ticket database has not answered for 20 s; each turn tries it again"),
        Ok(Ok(_)) => {}
    }
    Ok(prepared)
}

/// Everything that turns need, opened.
async fn engine(config: Config) -> Result<Engine, CliError> {
    let prepared = prepare(config).await?;
    let store = Store::open(&prepared.config.store.database).await?;
    Ok(Engine::new(prepared, store))
}

/// An instant as written on the command line, local unless it has an offset; now where none is given.
fn instant(text: Option<&str>, config: &Config) -> Result<Moment, CliError> {
    match text {
        None => Ok(crate::clock::now()),
        Some(text) => {
            calendar::parse_from(text, config.calendars.base().zone()).map_err(|e| CliError::Usage(e.to_string()))
        }
    }
}

/// A period as written on the command line: one of this configuration's.
fn period(text: &str, config: &Config) -> Result<Period, CliError> {
    let period: Period = text.parse().map_err(|e: BadPeriod| CliError::Usage(e.to_string()))?;
    if Period::of(period.first_day(), config.rules.period) != period {
        return Err(CliError::Usage(format!(
            "`{period}` is not one of this configuration's periods; see `period` in dondoc.toml"
        )));
    }
    Ok(period)
}

/// A day as written on the command line.
fn day(text: &str) -> Result<NaiveDate, String> {
    register::day(text).ok_or_else(|| format!("`{text}` is no day; write it as 2021-09-28 or 28/9/2021"))
}

/// Refuses an instant that somebody gives for a store whose last turn was later.
async fn not_back_in_time(store: &Store, given: Option<&str>, at: Moment, config: &Config) -> Result<(), CliError> {
    let last = store.meta().await?.last_turn_at;
    match last.filter(|last| given.is_some() && at < *last) {
        None => Ok(()),
        Some(last) => Err(CliError::Failed(anyhow::anyhow!(
            "--at {} is before the last turn of {}; time only goes forward",
            outbox::local(at, config),
            outbox::local(last, config)
        ))),
    }
}

/// Who gives a command, for the record: the account that called `sudo`, or else its own.
fn who() -> String {
    let named = |name: &str| std::env::var(name).ok().filter(|who| !who.is_empty());
    ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(named)
        .unwrap_or_else(|| "somebody".to_owned())
}

/// Writes to standard output. A reader that has seen enough (`| head`) is no failure; a full disk is one.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    match write!(out, "{text}{end}").and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        Err(error) => {
            fail(&CliError::Failed(
                anyhow::Error::new(error).context("standard output cannot be written"),
            ));
            std::process::exit(1);
        }
    }
}

fn say_json(value: &serde_json::Value) {
    say(&format!("{value:#}"));
}
