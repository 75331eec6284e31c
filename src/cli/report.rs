//! `dondoc report`: the monthly figures, as text or JSON.

use std::path::Path;

use anyhow::Context as _;

use super::{CliError, ReportFormat, load, say};
use crate::clock;
use crate::domain::time::Period;
use crate::report;
use crate::store::Store;

pub(super) async fn run(dir: &Path, month: &str, format: ReportFormat, out: Option<&Path>) -> Result<(), CliError> {
    let config = load(dir)?;
    let period: Period = month
        .parse()
        .map_err(|e: crate::domain::time::BadPeriod| CliError::Usage(e.to_string()))?;
    if Period::of(period.first_day(), config.rules.period) != period {
        return Err(CliError::Usage(format!(
            "`{month}` is not one of this configuration's periods; see `period` in dondoc.toml"
        )));
    }
    let store = Store::open_read_only(&config.store.database).await?;
    let now = store.meta().await?.last_turn_at.unwrap_or_else(clock::now);
    let report = report::count(&store, &config, period, now).await?;
    for violation in report.figures.violations() {
        tracing::warn!("these figures do not go together: {violation}");
    }
    let text = match format {
        ReportFormat::Text => format!("{}\n{}", report.text(&config), report::formulas()),
        ReportFormat::Json => format!("{:#}\n", report.json(&config)),
    };
    match out {
        None => say(&text),
        Some(file) => std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))?,
    }
    Ok(())
}
