//! Explain: one ticket at an instant, with what was known and told of it by then, evaluated as a turn would.
//!
//! It reads the store only and decides with the very functions of a turn, so that it never tells another story.

use super::modes::Modes;
use super::{TurnError, context, source_is_fresh};
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::evaluate::{Evaluation, Subject, evaluate};
use crate::domain::notice::{Mode, NoticeState, Telling};
use crate::store::Store;
use crate::store::as_of::{AsOf, Past};

/// A ticket as it was, what had been told of it, and what evaluation finds.
#[derive(Debug)]
pub struct Explained {
    pub past: Past,
    pub known: Vec<Telling>,
    /// How its unit was told.
    pub mode: Mode,
    pub found: Evaluation,
}

/// Explains a ticket; `None` where it is not known at that instant.
pub async fn explain(config: &Config, store: &Store, code: &str, now: Moment) -> Result<Option<Explained>, TurnError> {
    let codes = [code.to_owned()];
    let Some(past) = AsOf::new(store, now).by_code(&codes).await?.pop() else {
        return Ok(None);
    };
    let known = as_known_at(store.tellings(&codes).await?.remove(code).unwrap_or_default(), now);
    let since = store.rules_seen().await?;
    let meta = store.meta().await?;
    let (mode, mode_since) = Modes::read(config, store).await?.of_at(&past.memory, now);
    let subject = Subject {
        ticket: &past.ticket,
        memory: &past.memory,
        known: &known,
        rule_since: &|id| since.get(id).copied(),
        source_is_fresh: source_is_fresh(config, &meta, now),
        mode,
        mode_since,
    };
    let found = evaluate(&subject, &context(config, &meta, now), now);
    Ok(Some(Explained {
        past,
        known,
        mode,
        found,
    }))
}

/// Tellings as they stood at an instant: what was decided or answered later is taken back.
pub(super) fn as_known_at(tellings: Vec<Telling>, now: Moment) -> Vec<Telling> {
    let mut known: Vec<Telling> = tellings.into_iter().filter(|t| t.decided_at <= now).collect();
    for notice in known.iter_mut().flat_map(|t| &mut t.notices).filter(|n| n.at > now) {
        notice.state = NoticeState::Waiting;
    }
    known
}
