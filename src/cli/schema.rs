//! `schema`: the JSON Schemas of the configuration's files and of webhooks, and the reference of all keys.

use std::path::Path;

use anyhow::Context as _;
use clap::ValueEnum;
use serde_json::Value;

use super::{CliError, say};
use crate::config::{self, FileKind};
use crate::render::webhook;

/// What there is a schema of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Of {
    #[value(alias = "dondoc.toml")]
    Dondoc,
    #[value(alias = "agencies.toml")]
    Agencies,
    #[value(alias = "calendar.toml")]
    Calendar,
    #[value(alias = "terms.toml")]
    Terms,
    /// The files of rules/.
    Rules,
    /// What is posted to endpoints.
    Webhook,
}

impl Of {
    fn schema(self) -> Result<Value, CliError> {
        let kind = match self {
            Of::Dondoc => FileKind::Dondoc,
            Of::Agencies => FileKind::Agencies,
            Of::Calendar => FileKind::Calendar,
            Of::Terms => FileKind::Terms,
            Of::Rules => FileKind::Rules,
            Of::Webhook => return Ok(webhook::schema()),
        };
        Ok(kind.schema().map_err(anyhow::Error::new)?)
    }

    fn file_name(self) -> String {
        let word = self.to_possible_value().map(|value| value.get_name().to_owned());
        format!("{}.schema.json", word.unwrap_or_default())
    }

    fn text(self) -> Result<String, CliError> {
        Ok(format!("{:#}\n", self.schema()?))
    }
}

/// One schema to standard output, or all into `dir`, over those that are there.
pub(super) fn run(of: Option<Of>, dir: Option<&Path>) -> Result<(), CliError> {
    if let Some(of) = of {
        say(&of.text()?);
    }
    let Some(dir) = dir else { return Ok(()) };
    std::fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    for of in Of::value_variants() {
        let path = dir.join(of.file_name());
        std::fs::write(&path, of.text()?).with_context(|| format!("{} cannot be written", path.display()))?;
        say(&format!("wrote {}\n", path.display()));
    }
    Ok(())
}

/// The reference of all keys, in Markdown.
pub(super) fn reference() -> Result<(), CliError> {
    say(&config::reference().map_err(anyhow::Error::new)?);
    Ok(())
}
