//! `dondoc test`: expectation files, played by the configuration with nothing sent.

use std::path::{Path, PathBuf};

use super::{CliError, load, renderer, say};
use crate::config::expectations::{Expectations, expectations};
use crate::rehearsal::{self, expectations as rehearsed};
use crate::source::decode::COLUMNS;

pub(super) async fn run(dir: &Path, files: &[PathBuf]) -> Result<(), CliError> {
    let mut failed = 0;
    for path in files {
        let file = expectations(path, &COLUMNS).map_err(CliError::Config)?;
        let differing = play(dir, path, &file).await?;
        match differing.is_empty() {
            true => say(&format!("ok {}", path.display())),
            false => {
                failed += 1;
                say(&format!("FAILED {}\n{}", path.display(), differing.join("\n")));
            }
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(CliError::Said(1)),
    }
}

async fn play(dir: &Path, path: &Path, file: &Expectations) -> Result<Vec<String>, CliError> {
    let config = rehearsed::by_which(load(file.config.as_deref().unwrap_or(dir))?);
    let past = rehearsed::past(file, &config).map_err(|faults| CliError::Usage(faults.join("\n")))?;
    let (store, register) = past.seed(&config, &[]).await?;
    let renderer = renderer(&config)?;
    let timeline = past.timeline.clone();
    let played = rehearsal::play(
        config.clone(),
        renderer,
        timeline,
        store,
        register,
        rehearsed::span(file),
    )
    .await;
    let played = played.map_err(|error| CliError::Failed(error.into()))?;
    let differing = rehearsed::compare(file, &played, &config).into_iter();
    let whole = path.display().to_string();
    Ok(differing
        .map(|d| format!("  {}: {}", d.place.as_ref().unwrap_or(&whole), d.text))
        .collect())
}
