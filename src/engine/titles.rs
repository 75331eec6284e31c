//! Titles of tickets, where ops let them be shown (`privacy.show_title`): read when a line is made, scrubbed, and kept
//! nowhere but in the message.

use std::collections::HashMap;

use super::observe::ReadError;
use super::{Engine, TurnError};
use crate::domain::scrub;
use crate::domain::ticket::Ticket;

/// Titles as the source writes them, by code.
pub(super) struct Titles(HashMap<String, String>);

impl Titles {
    /// A ticket's title as its line shows it. None of a confidential ticket or a complaint about a person.
    pub(super) fn of(&self, ticket: &Ticket) -> Option<String> {
        let written = self.0.get(&ticket.code).filter(|_| !ticket.is_sensitive())?;
        Some(scrub::title(written, &ticket.code)).filter(|title| !title.is_empty())
    }
}

impl Engine {
    /// The titles of some tickets; none where they are not to be shown, or cannot be read: a line says enough without.
    pub(super) async fn titles(&self, codes: &[String]) -> Result<Titles, TurnError> {
        if !self.config.privacy.show_title {
            return Ok(Titles(HashMap::new()));
        }
        match self.read(async |source| source.titles(codes).await).await {
            Ok(titles) => Ok(Titles(titles)),
            Err(ReadError::Source(error)) => {
                tracing::warn!(%error, "titles cannot be read; what is written now shows none: {error}");
                Ok(Titles(HashMap::new()))
            }
            Err(ReadError::Stopping) => Ok(Titles(HashMap::new())),
            Err(ReadError::Turn(error)) => Err(error),
        }
    }
}
