//! Bounces: what came back of our mails, and what follows from it.
//!
//! A message that came back from all its addresses is *bounced*: its notices wait for a new one. An address that cannot
//! be reached is not written to for a while; the directory in force knows that, so that all who ask it are led on to
//! the unit's next contact, or to ops.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::{Engine, TurnError, recipients};
use crate::channel::Failure;
use crate::channel::bounce::{self, Failed, Returned, Senders, What};
use crate::channel::maildir::{self, Keep};
use crate::config::Config;
use crate::config::settings::BounceSettings;
use crate::domain::Moment;
use crate::domain::directory::{Deputy, OPS};
use crate::domain::notice::Mode;
use crate::store::bounces::{Anew, Sent, Suspension};
use crate::store::outbox::{Claim, Form};
use crate::store::{Store, StoreError, Tx};

/// Mails looked at in a turn.
const BATCH: usize = 100;

/// A configuration whose directory does not name addresses that are suspended.
fn without_suspended(config: &Config, suspended: &[Suspension]) -> Config {
    let until = |address: &str| {
        let of_address = suspended.iter().find(|s| s.address.eq_ignore_ascii_case(address));
        of_address.map(|s| config.calendars.base().date_of(s.until))
    };
    let mut directory = config.directory.clone();
    for unit in &mut directory.units {
        for contact in &mut unit.contacts {
            contact.suspended_until = contact.suspended_until.max(until(&contact.address));
        }
        for absence in &mut unit.absences {
            if let Deputy::Address {
                address,
                suspended_until,
            } = &mut absence.deputy
            {
                *suspended_until = (*suspended_until).max(until(address));
            }
        }
    }
    Config {
        directory,
        ..config.clone()
    }
}

/// A configuration as it is in force at an instant, for those who only look.
pub async fn in_force(config: &Config, store: &Store, now: Moment) -> Result<Config, StoreError> {
    let mut suspended = store.suspensions(now).await?;
    suspended.retain(|suspension| suspension.since <= now);
    Ok(without_suspended(config, &suspended))
}

impl Engine {
    /// Reads what came back, and has the directory in force know which addresses are suspended; `are_suspended` where some
    /// were as the turn began.
    pub(super) async fn take_bounces(&mut self, mut are_suspended: bool, now: Moment) -> Result<(), TurnError> {
        if let Some(settings) = self.configured.smtp.bounces.clone()
            && let Some(folder) = settings.maildir.clone()
            && let Some(senders) = self.senders().await?
        {
            self.read_maildir(&settings, folder, &senders, now).await?;
            are_suspended = true;
        }
        let suspended = match are_suspended {
            true => self.store.suspensions(now).await?,
            false => Vec::new(),
        };
        if suspended != self.suspended {
            self.config = Arc::new(without_suspended(&self.configured, &suspended));
            self.suspended = suspended;
        }
        Ok(())
    }

    /// The senders of our mails, where they are told apart.
    pub(super) async fn senders(&self) -> Result<Option<Senders>, StoreError> {
        let Some(settings) = &self.config.smtp.bounces else {
            return Ok(None);
        };
        let key = match self.store.bounce_key().await? {
            Some(key) => key,
            None => {
                let new = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()].map(|part| part.simple().to_string());
                let mut tx = self.store.begin().await?;
                tx.keep_bounce_key(&new.concat()).await?;
                tx.commit().await?;
                // Another process may have been faster.
                self.store.bounce_key().await?.unwrap_or_default()
            }
        };
        Ok(Senders::new(&settings.address, &key))
    }

    async fn read_maildir(
        &self,
        settings: &BounceSettings,
        folder: PathBuf,
        senders: &Senders,
        now: Moment,
    ) -> Result<(), TurnError> {
        let from = folder.clone();
        let arrived = match spawn_blocking(move || maildir::arrived(&from, BATCH)).await {
            Ok(Ok(arrived)) => arrived,
            Ok(Err(error)) => {
                tracing::error!(maildir = %folder.display(), %error, "bounces cannot be read: {error}; see smtp.bounce_maildir");
                return Ok(());
            }
            Err(error) => {
                tracing::error!(maildir = %folder.display(), %error, "bounces cannot be read: {error}");
                return Ok(());
            }
        };
        for mail in arrived {
            let read = mail
                .bytes
                .and_then(|bytes| bounce::read(&bytes, senders).map_err(|e| e.to_string()));
            let keep = match read {
                Ok(returned) => self.take_returned(settings, &returned, &mail.name, now).await?,
                Err(why) => {
                    tracing::warn!(mail = %mail.name, %why, "a mail among the bounces is set aside: {why}");
                    Keep::Flagged
                }
            };
            // Only now: what is looked at twice changes nothing.
            if let Err(error) = maildir::put_away(&folder, &mail.name, keep) {
                tracing::error!(mail = %mail.name, %error, "a bounce cannot be put away: {error}");
            }
            self.pulse.beat();
        }
        Ok(())
    }

    /// Takes what came back of one message; how its file is kept.
    async fn take_returned(
        &self,
        settings: &BounceSettings,
        returned: &Returned,
        name: &str,
        now: Moment,
    ) -> Result<Keep, TurnError> {
        let message = &returned.message;
        let read = if settings.delete { Keep::No } else { Keep::Seen };
        let failed = match &returned.what {
            What::Failed(failed) => failed,
            What::Underway | What::AutoReply => {
                tracing::debug!(%message, what = ?returned.what, "no bounce");
                return Ok(read);
            }
            What::Other => {
                tracing::warn!(mail = %name, %message, "somebody answered to the address for bounces; the mail is set aside");
                return Ok(Keep::Flagged);
            }
        };
        let Some(sent) = self.store.sent(message).await? else {
            tracing::warn!(%message, "a bounce of a message that is not kept any more");
            return Ok(read);
        };
        // Forwarded mail comes back from addresses that we never wrote to; of one recipient it is clear who is meant.
        let meant = |failure: &Failed| {
            let named = sent
                .recipients
                .iter()
                .find(|r| failure.address.as_deref().is_some_and(|a| r.eq_ignore_ascii_case(a)));
            match (named, sent.recipients.as_slice()) {
                (Some(named), _) => Some(named.clone()),
                (None, [only]) => Some(only.clone()),
                (None, _) => None,
            }
        };
        let failures: Vec<(String, &Failed)> = failed.iter().filter_map(|f| Some((meant(f)?, f))).collect();
        if failures.is_empty() {
            tracing::warn!(mail = %name, %message, "it is not said which of several addresses failed; the mail is set aside");
            return Ok(Keep::Flagged);
        }
        let mut tx = self.begin_deciding().await?;
        for (address, failure) in &failures {
            let is_new = tx.bounced_from(message, address, &failure.detail, now).await?;
            if is_new && failure.is_permanent && !is_ops_own(&sent) {
                tx.suspend(address, now + settings.suspend_for, &failure.detail, now)
                    .await?;
            }
            if is_new {
                tracing::warn!(%message, unit = %sent.unit, %address, detail = %failure.detail, "a mail came back from {address}: {}", failure.detail);
            }
        }
        let from: BTreeSet<String> = tx.bounced_addresses(message).await?.into_iter().collect();
        if sent.recipients.iter().all(|r| from.contains(r)) {
            let why = failures.first().map_or(String::new(), |(address, failure)| {
                format!("{address}: {}", failure.detail)
            });
            let is_left_alone = self.are_left_alone(tx.suspensions(now).await?, &sent.recipients, now);
            let anew = match is_left_alone {
                _ if is_ops_own(&sent) => Anew::Not,
                true => Anew::ByAnotherAddress,
                false => Anew::ByTheSame(self.next_chance(&sent, now)),
            };
            if tx.bounced(message, &why, anew, now).await? && is_ops_own(&sent) {
                tracing::error!(%message, "a mail to ops came back; see `ops` in agencies.toml");
            }
        }
        tx.commit().await?;
        Ok(read)
    }

    /// The mail server took no mail for an address: should the other boxes' come back too, nobody has it. One that does not
    /// exist is not written to for a while, as if the mail had come back.
    pub(super) async fn refused_at_once(
        &self,
        tx: &mut Tx,
        claim: &Claim,
        address: &str,
        why: &Failure,
        at: Moment,
    ) -> Result<(), StoreError> {
        let Some(sent) = tx.sent(&claim.id).await? else {
            return Ok(());
        };
        let mut meant = sent.recipients.iter().filter(|r| r.eq_ignore_ascii_case(address));
        let address = meant.next().map_or(address, String::as_str);
        let detail = why.to_string();
        tx.bounced_from(&claim.id, address, &detail, at).await?;
        let is_unknown = why.enhanced.as_deref().is_some_and(|code| code.starts_with("5.1."));
        if let Some(settings) = self.configured.smtp.bounces.as_ref().filter(|_| is_unknown)
            && !is_ops_own(&sent)
        {
            tx.suspend(address, at + settings.suspend_for, &detail, at).await?;
        }
        Ok(())
    }

    /// Whether none of these addresses is written to from now on, so that the directory names another.
    fn are_left_alone(&self, suspended: Vec<Suspension>, addresses: &[String], now: Moment) -> bool {
        let base = self.configured.calendars.base();
        let is_suspended = |address: &String| {
            let mut of_address = suspended.iter().filter(|s| s.address.eq_ignore_ascii_case(address));
            of_address.any(|s| base.date_of(s.until) > base.date_of(now))
        };
        addresses.iter().all(is_suspended)
    }

    /// When a box that did not take a message now may be tried again: a server that answers at once would else be
    /// written to with each turn.
    fn next_chance(&self, sent: &Sent, now: Moment) -> Moment {
        let schedule = recipients::schedule(&self.config, &sent.unit, None);
        match sent.form == Form::Digest.word() {
            true => schedule.digest_after(now),
            false => schedule.opening_after(now),
        }
    }
}

/// What goes to ops, be it for others, goes to nobody else.
fn is_ops_own(sent: &Sent) -> bool {
    sent.unit == OPS || sent.mode != Mode::Live.word()
}
