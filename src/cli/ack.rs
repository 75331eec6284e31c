//! `dondoc ack`: a unit knows of a ticket and is not reminded of it for a while. It works beside the daemon.

use std::path::Path;

use super::outbox::local;
use super::{CliError, instant, load, say, who};
use crate::domain::time::Span;
use crate::engine::{self, AckError, Acknowledging, Until};
use crate::store::Store;

/// The command's arguments.
pub(super) struct Given {
    pub(super) code: String,
    pub(super) unit: Option<String>,
    pub(super) until: Option<String>,
    pub(super) span: Option<String>,
    pub(super) author: Option<String>,
    pub(super) note: Option<String>,
    pub(super) at: Option<String>,
}

pub(super) async fn run(dir: &Path, given: Given) -> Result<(), CliError> {
    let config = load(dir)?;
    let now = instant(given.at.as_deref(), &config)?;
    let until = match (&given.span, &given.until) {
        (Some(span), _) => {
            let span: Span = span.parse().map_err(|e| CliError::Usage(format!("--for: {e}")))?;
            Until::Span(span)
        }
        (None, Some(until)) => Until::At(instant(Some(until), &config)?),
        (None, None) => Until::Most,
    };
    let store = Store::open_beside(&config.store.database).await?;
    let code = crate::domain::text::nfc(&given.code);
    let by = given.author.unwrap_or_else(who);
    let acknowledging = Acknowledging {
        code: &code,
        unit: given.unit.as_deref(),
        until,
        by: &by,
        note: given.note.as_deref(),
    };
    let kept = engine::acknowledge(&config, &store, acknowledging, now).await;
    store.close().await;
    let kept = kept.map_err(|error| match error {
        AckError::Turn(error) => error.into(),
        AckError::Store(error) => error.into(),
        refused => CliError::Failed(refused.into()),
    })?;
    say(&format!(
        "{} has acknowledged {}: its steps to this unit wait until {}; those to others do not",
        kept.unit,
        kept.ticket,
        local(kept.until, &config)
    ));
    Ok(())
}
