//! What goes out by the calendar, whatever there is to tell of any ticket: summaries and the letters of the monthly cycle are
//! put off, given up, made and stored here alike. Which are owed and what they say is theirs.

use super::letter::{self, Alone};
use super::{Composed, Engine, TurnError, recipients};
use crate::channel::mail::Attachment;
use crate::domain::Moment;
use crate::domain::directory::{OPS, Recipient};
use crate::domain::notice::{Mode, Wait};
use crate::domain::rule::Channel;
use crate::render::view::SectionView;
use crate::store::StoreError;
use crate::store::meta::Meta;
use crate::store::outbox::NewMessage;
use crate::store::tellings::Fate;

/// A notice that is due, of a telling without a ticket.
#[derive(Clone, Copy)]
pub(super) struct Due<'a> {
    pub(super) notice: i64,
    pub(super) telling: i64,
    pub(super) due_at: Moment,
    pub(super) first_attempt_at: Option<Moment>,
    pub(super) recipient: &'a Recipient,
}

/// What its message is made of.
pub(super) struct Saying {
    pub(super) section: SectionView,
    /// The thread.
    pub(super) matter: String,
    pub(super) attachments: Vec<Attachment>,
    /// What is kept of it for the next one.
    pub(super) counted: String,
}

impl Engine {
    /// Whether a message can be made of it now: its recipient's window is open, no long closure keeps it back, and it has not
    /// been tried for long enough. Else it is put off or given up.
    pub(super) async fn can_be_composed(
        &self,
        due: Due<'_>,
        is_kept_back: bool,
        composed: &mut Composed,
        now: Moment,
    ) -> Result<bool, TurnError> {
        let unit = &due.recipient.unit;
        let tried = due
            .first_attempt_at
            .map(|first| self.tried_for(Channel::Email, unit, first, now));
        if tried.is_some_and(|tried| tried >= self.config.delivery.give_up_after) {
            tracing::error!(%unit, due = %due.due_at, "nobody took what goes out by the calendar in time; it is given up");
            let mut tx = self.begin_deciding().await?;
            let died = tx.give_up(&[(due.notice, self.given_up(Channel::Email))], now).await?;
            tx.commit().await?;
            composed.given_up += usize::try_from(died).unwrap_or(usize::MAX);
            return Ok(false);
        }
        let calendar = self.config.calendars.of(unit);
        let later = match calendar.is_open(now) {
            false => (calendar.next_open(now), Wait::Hours),
            true if is_kept_back => {
                let schedule = recipients::schedule(&self.config, unit, None);
                (schedule.opening_after(now), Wait::QuietDay)
            }
            true => return Ok(true),
        };
        self.befall(due.notice, Fate::Postponed(later.0, later.1), now).await?;
        Ok(false)
    }

    /// Makes its message and stores it with what is kept for the next one.
    pub(super) async fn compose_alone(
        &self,
        meta: &Meta,
        due: Due<'_>,
        saying: Saying,
        composed: &mut Composed,
        now: Moment,
    ) -> Result<(), TurnError> {
        let recipient = due.recipient;
        let (rule, step) = (saying.section.rule.clone(), saying.section.step.clone());
        let thread = self.store.threads(std::slice::from_ref(&saying.matter)).await?;
        let alone = Alone {
            mode: match recipient.unit.as_str() {
                OPS => Mode::Live,
                unit => self.config.delivery.mode_of(unit),
            },
            recipient,
            sections: vec![saying.section],
            thread: thread.get(&saying.matter).map_or(&[], Vec::as_slice),
            matter: saying.matter,
            data_as_of: meta.source_read_at.filter(|read| *read < now),
            attachments: saying.attachments,
        };
        let (message, rendered) = letter::alone(&self.config, &self.renderer, alone, now)?;
        composed.rendered(&rendered);
        let schedule = recipients::schedule(&self.config, &recipient.unit, None);
        let message = NewMessage {
            steps: vec![format!("{rule}/{step}")],
            rules: vec![rule],
            notices: vec![due.notice],
            replace_at: Some(schedule.opening_after(now)),
            ..message
        };
        let mut tx = self.begin_deciding().await?;
        // It may name tickets.
        if self.has_forgotten(&mut tx, composed.forgets.as_deref()).await? {
            return Ok(());
        }
        composed.messages += tx.compose(&[&message], now).await?.len();
        tx.keep_counted(due.telling, now, &saying.counted).await?;
        tx.commit().await?;
        composed.lateness.push(now - due.due_at);
        Ok(())
    }

    pub(super) async fn befall(&self, notice: i64, fate: Fate, now: Moment) -> Result<(), StoreError> {
        let mut tx = self.begin_deciding().await?;
        tx.befall(&[(notice, fate)], now).await?;
        tx.commit().await
    }
}
