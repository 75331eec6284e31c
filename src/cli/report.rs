//! `dondoc report`: the monthly figures, as text, JSON, a page, a workbook or a paper, as they are frozen or counted now; and
//! corrections of frozen ones.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::{CliError, ReportFormat, ReportPaper, instant, load, period, say, who};
use crate::clock;
use crate::config::Config;
use crate::domain::figures::{Figure, Figures};
use crate::domain::obligation;
use crate::domain::time::Period;
use crate::render::report::paper::Kind;
use crate::render::report::{page, paper, workbook};
use crate::report::{self, ReportError};
use crate::store::Store;

#[derive(Debug, Args)]
pub(super) struct Asked {
    /// The period, such as 2021-08.
    #[arg(long, value_name = "PERIOD")]
    month: String,
    #[arg(long, value_enum, default_value = "text")]
    format: ReportFormat,
    /// Which paper, with --format docx.
    #[arg(long, value_enum, default_value = "report")]
    paper: ReportPaper,
    /// Writes to a file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<std::path::PathBuf>,
    /// As the period was frozen by this revision: 0 the provisional figures, 1 the final ones, then corrections. The last by
    /// default; a period that is not frozen is counted.
    #[arg(long, value_name = "N", conflicts_with = "revise")]
    revision: Option<i64>,
    /// Counts a period again whose figures are final, keeps them as the next revision and says what differs.
    #[arg(long, value_name = "REASON")]
    revise: Option<String>,
    /// Who has it counted again; the account that gives the command by default.
    #[arg(long, requires = "revise")]
    author: Option<String>,
    /// The instant of a revision, for a store under simulated time; now by default.
    #[arg(long, value_name = "T", requires = "revise")]
    at: Option<String>,
}

pub(super) async fn run(dir: &Path, asked: Asked) -> Result<(), CliError> {
    let kind = match asked.paper {
        ReportPaper::Report => Kind::Report,
        ReportPaper::Directive => Kind::Directive,
        ReportPaper::Urging => Kind::Urging,
    };
    let is_docx = matches!(asked.format, ReportFormat::Docx);
    if kind != Kind::Report && !is_docx {
        return Err(CliError::Usage(
            "directive and urging are papers: say --format docx".to_owned(),
        ));
    }
    let is_binary = is_docx || matches!(asked.format, ReportFormat::Xlsx);
    if is_binary && asked.out.is_none() && std::io::stdout().is_terminal() {
        return Err(CliError::Usage("this is no text: say --out FILE".to_owned()));
    }
    let config = load(dir)?;
    let period = period(&asked.month, &config)?;
    if let Some(reason) = &asked.revise {
        return revise(&config, period, reason, &asked).await;
    }
    let store = Store::open_read_only(&config.store.database).await?;
    let now = store.meta().await?.last_turn_at.unwrap_or_else(clock::now);
    let report = report::read(&store, &config, period, asked.revision, now)
        .await
        .map_err(failed)?;
    for violation in report.figures.violations() {
        tracing::warn!("these figures do not go together: {violation}");
    }
    let view = || report.view(&config, now);
    let bytes = match asked.format {
        ReportFormat::Text => format!("{}\n{}", report.text(&config), report::formulas()).into_bytes(),
        ReportFormat::Json => format!("{:#}\n", report.json(&config)).into_bytes(),
        ReportFormat::Html => page::write(&view()).into_bytes(),
        ReportFormat::Docx => paper::write(&view(), kind, now).context("the paper cannot be written")?,
        ReportFormat::Xlsx => workbook::write(&view(), now).context("the workbook cannot be written")?,
    };
    match &asked.out {
        None if is_binary => std::io::stdout()
            .lock()
            .write_all(&bytes)
            .context("standard output cannot be written")?,
        None => say(&String::from_utf8_lossy(&bytes)),
        Some(file) => std::fs::write(file, bytes).with_context(|| format!("writing {}", file.display()))?,
    }
    Ok(())
}

async fn revise(config: &Config, period: Period, reason: &str, asked: &Asked) -> Result<(), CliError> {
    if reason.trim().is_empty() {
        return Err(CliError::Usage("`--revise` gives no reason".to_owned()));
    }
    let now = instant(asked.at.as_deref(), config)?;
    let store = Store::open_beside(&config.store.database).await?;
    let by = asked.author.clone().unwrap_or_else(who);
    let revision = report::revise(&store, config, period, (by, reason.to_owned()), now)
        .await
        .map_err(failed)?;
    let (counted, before) = (revision.snapshot, revision.before);
    if counted.figures == before {
        say(&format!(
            "{period}: nothing has changed since revision {}",
            counted.revision - 1
        ));
        return Ok(());
    }
    if let Some(violation) = counted.figures.violations().first() {
        return Err(CliError::Failed(anyhow!(
            "the figures of {period} do not balance: {violation}"
        )));
    }
    let known = store.members(period).await?;
    let members = obligation::under_known_ids(revision.members, &known, &config.directory);
    let mut tx = store.begin().await?;
    let is_kept = tx.freeze(&counted).await?;
    if is_kept {
        tx.add_members(period, counted.revision, &members, now).await?;
        tx.open_obligations(period, now).await?;
    }
    tx.commit().await?;
    store.close().await;
    if !is_kept {
        return Err(CliError::Failed(anyhow!(
            "somebody else had {period} counted at the same time; see its last revision"
        )));
    }
    let differs = differences(&before, &counted.figures);
    say(&format!("{period}: revision {}\n{differs}", counted.revision));
    Ok(())
}

fn failed(error: ReportError) -> CliError {
    match error {
        ReportError::Store(error) => error.into(),
        error => CliError::Failed(error.into()),
    }
}

/// The numbers of the narrative that are others than before; what differs in a table alone is said as that.
fn differences(before: &Figures, after: &Figures) -> String {
    let shown = |value: Option<i64>| value.map_or("–".to_owned(), |n| n.to_string());
    let differing = Figure::ALL.into_iter().filter_map(|figure| {
        let (was, is) = (figure.value(before), figure.value(after));
        (was != is).then(|| format!("  {}: {} instead of {}\n", figure.key(), shown(is), shown(was)))
    });
    let lines: String = differing.collect();
    match lines.is_empty() {
        true => "  what differs stands in the tables\n".to_owned(),
        false => lines,
    }
}
