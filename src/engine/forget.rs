//! Forget: all that names a ticket is removed, for good. It works beside the daemon.
//!
//! What names it beside other tickets and has not been sent is taken back, so that the others are told without it. After
//! the transaction nothing new can name it; then what is left is searched, and the file written anew.

use mail_parser::MessageParser;

use super::{Engine, TurnError};
use crate::domain::Moment;
use crate::domain::rule::Channel;
use crate::store::forgotten::{Carrier, Traces, Unsent, names};
use crate::store::outbox::MessageState;
use crate::store::{Store, StoreError, Tx};

/// Bodies searched together.
const PAGE: i64 = 50;

/// Why a ticket was not forgotten; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    #[error(
        "message {0} names it and is just being sent, or was when its process ended: try again once it has an answer (`dondoc outbox show {0}`)"
    )]
    Sending(String),
    #[error(
        "message {0} names it and may have arrived, its answer was lost: try again once it has one, or take it back with `dondoc outbox cancel {0}`"
    )]
    Unknown(String),
    #[error(
        "message {0} names it, waits to be sent and cannot be made anew: try again once it is sent, or take it back with `dondoc outbox cancel {0}`"
    )]
    Waiting(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    pub traces: Traces,
    /// Messages whose bodies are gone.
    pub bodies: usize,
    /// Those of them that waited: what they tell of other tickets is told by new ones.
    pub made_anew: usize,
    /// Other texts in which the code is blanked.
    pub texts: u64,
}

/// Forgets a ticket, known or not: of one that was forgotten before what may be left is removed.
///
/// # Errors
/// Where something that names it cannot be taken back now, or of the store.
pub async fn forget(store: &Store, code: &str, now: Moment) -> Result<Forgotten, ForgetError> {
    let traces = store.traces(code).await?;
    let mut tx = store.begin().await?;
    let mut carriers = tx.carriers(code).await?;
    let naming = unsent(&mut tx, code, &carriers).await?;
    if let Some(letter) = naming.iter().find(|m| m.notices == 0) {
        return Err(ForgetError::Waiting(letter.carrier.id.clone()));
    }
    carriers.extend(naming.into_iter().map(|m| m.carrier));
    let made_anew = take_back(&mut tx, &carriers, now).await?;
    let carriers: Vec<String> = carriers.into_iter().map(|carrier| carrier.id).collect();
    let texts = tx.forget_ticket(code, &carriers, now).await?;
    tx.commit().await?;
    let others = unsay_others(store, code).await?;
    Ok(Forgotten {
        traces,
        bodies: carriers.len() + others,
        made_anew,
        texts,
    })
}

/// What [`forget`] would remove beside the ticket itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// Messages that name it.
    pub bodies: usize,
    /// Other texts that do.
    pub texts: usize,
}

/// Counts what names a ticket; changes nothing.
///
/// # Errors
/// Of the store.
pub async fn named(store: &Store, code: &str) -> Result<Named, StoreError> {
    let mut tx = store.begin().await?;
    let carriers = tx.carriers(code).await?;
    let unsent = unsent(&mut tx, code, &carriers).await?;
    let texts = tx.count_texts(code).await?;
    drop(tx);
    let mut others = old(store, code).await?;
    others.retain(|id| carriers.iter().all(|carrier| carrier.id != *id));
    Ok(Named {
        bodies: carriers.len() + unsent.len() + others.len(),
        texts,
    })
}

/// What is still to be sent and names it, beside the messages that are about it.
async fn unsent(tx: &mut Tx, code: &str, carriers: &[Carrier]) -> Result<Vec<Unsent>, StoreError> {
    let mut after = String::new();
    let mut all = Vec::new();
    loop {
        let page = tx.unsent(&after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(all) };
        after.clone_from(&last.carrier.id);
        let naming = page
            .into_iter()
            .filter(|m| names(&m.subject, code) || says(&m.channel, &m.bytes, code))
            .filter(|m| carriers.iter().all(|known| known.id != m.carrier.id));
        all.extend(naming);
    }
}

/// Takes back what waits; how many messages that were.
async fn take_back(tx: &mut Tx, carriers: &[Carrier], now: Moment) -> Result<usize, ForgetError> {
    let is = |carrier: &&Carrier, states: &[MessageState]| states.iter().any(|s| s.word() == carrier.state);
    let waiting = carriers.iter().filter(|c| is(c, &[MessageState::Waiting]));
    for carrier in waiting.clone() {
        if carrier.is_claimed() {
            return Err(ForgetError::Sending(carrier.id.clone()));
        }
        if carrier.unknown > 0 {
            return Err(ForgetError::Unknown(carrier.id.clone()));
        }
    }
    let waiting: Vec<&str> = waiting.map(|c| c.id.as_str()).collect();
    let held = [MessageState::AwaitingApproval, MessageState::Released];
    let held: Vec<&str> = carriers
        .iter()
        .filter(|c| is(c, &held))
        .map(|c| c.id.as_str())
        .collect();
    let why = "one of its tickets was forgotten";
    let replaced = tx.replace(&waiting, why, now).await?;
    Ok(replaced.len() + tx.unapprove(&held, why, now).await?.len())
}

/// Removes the bodies of other messages that name it, such as corrections; how many.
async fn unsay_others(store: &Store, code: &str) -> Result<usize, StoreError> {
    let found = old(store, code).await?;
    if !found.is_empty() {
        let mut tx = store.begin().await?;
        tx.unsay(&found).await?;
        tx.commit().await?;
    }
    Ok(found.len())
}

/// What is not to be sent any more and names it without being about it.
async fn old(store: &Store, code: &str) -> Result<Vec<String>, StoreError> {
    let mut after = String::new();
    let mut found = Vec::new();
    loop {
        let page = store.old_bodies(&after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after.clone_from(&last.message);
        let naming = page.into_iter().filter(|body| says(&body.channel, &body.bytes, code));
        found.extend(naming.map(|body| body.message));
    }
}

/// Whether a message names a code anywhere that can be read.
fn says(channel: &str, bytes: &[u8], code: &str) -> bool {
    if channel == Channel::Webhook.word() {
        let json = serde_json::Value::from(code).to_string();
        return names(&String::from_utf8_lossy(bytes), json.trim_matches('"'));
    }
    let Some(mail) = MessageParser::default().parse(bytes) else {
        return names(&String::from_utf8_lossy(bytes), code);
    };
    let texts = (0..mail.text_body_count()).filter_map(|n| mail.body_text(n));
    let mut all = texts.chain(mail.subject().map(Into::into));
    all.any(|text| names(&text, code))
}

impl Engine {
    /// Whether a ticket was forgotten since; then what was read before is not to be told.
    pub(super) async fn has_forgotten(&self, tx: &mut Tx, before: Option<&str>) -> Result<bool, TurnError> {
        Ok(tx.last_forgetting().await?.as_deref() != before)
    }
}
