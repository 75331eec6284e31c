//! Requests to confirm addresses of the directory (`dondoc contacts`): which ones nobody has confirmed, or not for long, and
//! a letter to each that asks. What the answer is, ops write into the directory.
//!
//! A letter is asked for by somebody who knows why, as a test is: it goes to the address itself in shadow too.

use chrono::{NaiveDate, TimeDelta};

use super::letter::{self, Alone};
use crate::channel::mail::MailError;
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::directory::{Confirmation, Contact, Recipient, Unit};
use crate::domain::notice::Mode;
use crate::render::{Renderer, TemplateError};
use crate::store::outbox::NewMessage;
use crate::store::{Store, StoreError};

/// The base name of the letter's template.
const TEMPLATE: &str = "confirm-contact";

/// Who was asked is not asked again for so long.
pub const ASKED_ANEW_AFTER: TimeDelta = TimeDelta::days(14);

/// An address in use, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    pub unit: &'a Unit,
    pub contact: &'a Contact,
    pub confirmation: Confirmation,
    /// When the last letter was made that asked about it, unless it came back or nobody took it.
    pub asked: Option<Moment>,
}

impl Known<'_> {
    /// Whether it should be asked about: nobody has confirmed it lately, and nobody was asked lately.
    #[must_use]
    pub fn is_to_be_asked(&self, now: Moment) -> bool {
        self.confirmation.is_wanting() && self.asked.is_none_or(|at| now - at >= ASKED_ANEW_AFTER)
    }
}

/// Every address that is valid on the day of an instant, of units that are written to, in the order of the directory.
///
/// # Errors
/// When the store cannot be read.
pub async fn contacts<'a>(config: &'a Config, store: &Store, now: Moment) -> Result<Vec<Known<'a>>, StoreError> {
    let on = config.calendars.base().date_of(now);
    let valid: Vec<(&Unit, &Contact)> = config.directory.contacts(on).collect();
    let matters: Vec<String> = valid.iter().map(|(unit, contact)| matter(unit, contact)).collect();
    let asked = store.last_written_about(&matters).await?;
    let known = valid.into_iter().zip(&matters).map(|((unit, contact), matter)| Known {
        unit,
        contact,
        confirmation: contact.confirmation(on),
        asked: asked.get(matter).copied(),
    });
    Ok(known.collect())
}

/// Why no letters were made.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error("{0}; `dondoc init` into another directory shows how it ships")]
    Template(TemplateError),
    #[error(transparent)]
    Mail(#[from] MailError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Stores a letter to each of the addresses; each goes with the next turn in the office hours of its unit. How many there
/// are: one for each address of a desk a day.
///
/// # Errors
/// When a letter cannot be written, or the store does not take them: then it has none.
pub async fn request(
    config: &Config,
    renderer: &Renderer,
    store: &Store,
    contacts: &[Known<'_>],
    now: Moment,
) -> Result<usize, RequestError> {
    let on = config.calendars.base().date_of(now);
    let letters: Vec<NewMessage> = contacts
        .iter()
        .map(|known| letter_to(config, renderer, known, on, now))
        .collect::<Result<_, _>>()?;
    let mut tx = store.begin().await?;
    let made = tx.compose(&letters.iter().collect::<Vec<_>>(), now).await?.len();
    tx.commit().await?;
    Ok(made)
}

fn letter_to(
    config: &Config,
    renderer: &Renderer,
    known: &Known<'_>,
    on: NaiveDate,
    now: Moment,
) -> Result<NewMessage, RequestError> {
    let Contact {
        desk,
        address,
        confirmed,
        ..
    } = known.contact;
    let recipient = Recipient {
        unit: known.unit.id.clone(),
        desk: *desk,
        wanted: *desk,
        addresses: vec![address.clone()],
        for_want_of_contact: false,
        stands_in_for: None,
    };
    let mut section = letter::bare_section(config, &recipient, TEMPLATE, now);
    section.note = Some(address.clone());
    section.since = confirmed.filter(|day| *day <= on);
    let matter = matter(known.unit, known.contact);
    let alone = Alone {
        mode: Mode::Live,
        recipient: &recipient,
        sections: vec![section],
        matter: matter.clone(),
        thread: &[],
        data_as_of: None,
        attachments: Vec::new(),
    };
    let (letter, rendered) = letter::alone(config, renderer, alone, now)?;
    // The plain text that stands in for a template asks nothing.
    if let Some(failed) = rendered.failed {
        return Err(RequestError::Template(failed));
    }
    Ok(NewMessage {
        digest_key: Some(format!("{matter}|{on}")),
        ..letter
    })
}

/// The matter of a letter that asks about an address.
fn matter(unit: &Unit, contact: &Contact) -> String {
    format!("confirm|{}|{}|{}", unit.id, contact.desk.word(), contact.address)
}
