//! Corrections (`outbox correct`): whoever got a message that was wrong is told so, in its thread. The command has taken
//! the message out of all counts; here the letter about it is written.

use std::collections::HashSet;

use super::letter::{self, Alone};
use super::{Composed, Engine, TurnError};
use crate::domain::Moment;
use crate::domain::directory::{Desk, Recipient, Rung, Wanted};
use crate::domain::notice::Mode;
use crate::domain::rule::Channel;
use crate::domain::scrub;
use crate::render::view::LineView;
use crate::store::meta::Meta;
use crate::store::outbox::{Form, NewMessage, ToCorrect};

/// The base name of the letter's template.
const TEMPLATE: &str = "correction";

impl Engine {
    /// Writes the letters about what was corrected since.
    pub(super) async fn tell_corrections(
        &self,
        meta: &Meta,
        composed: &mut Composed,
        now: Moment,
    ) -> Result<(), TurnError> {
        for wrong in self.store.to_correct().await? {
            let message = self.correction(meta, &wrong, composed, now).await?;
            let mut tx = self.begin_deciding().await?;
            if self.has_forgotten(&mut tx, composed.forgets.as_deref()).await? {
                composed.is_interrupted = true;
                return Ok(());
            }
            composed.messages += tx.compose(&[&message], now).await?.len();
            tx.corrected_by(&wrong.id, &message.id).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn correction(
        &self,
        meta: &Meta,
        wrong: &ToCorrect,
        composed: &mut Composed,
        now: Moment,
    ) -> Result<NewMessage, TurnError> {
        let is_in_shadow = wrong.mode == Mode::Shadow.word();
        let was_mail = wrong.channel == Channel::Email.word();
        let desks = [Desk::Contact, Desk::Clerk, Desk::Head];
        let desk = desks
            .into_iter()
            .find(|d| d.word() == wrong.desk)
            .unwrap_or(Desk::Contact);
        let on = self.config.calendars.base().date_of(now);
        // What was posted may have been of any step, and goes to confirmed addresses only.
        let wanted = Wanted {
            rung: Rung::Above,
            ..desk.into()
        };
        let mut recipient = self.config.directory.recipient(&wrong.unit, wanted, None, None, on);
        // To the very boxes that have the wrong one. What was posted is corrected by mail, as all that cannot be posted.
        if was_mail && !is_in_shadow {
            recipient = Recipient {
                unit: wrong.unit.clone(),
                desk,
                wanted: desk,
                addresses: wrong.recipients()?,
                for_want_of_contact: false,
                stands_in_for: None,
            };
        }
        let (matter, thread) = if was_mail {
            let mut thread = self.store.threads(std::slice::from_ref(&wrong.matter)).await?;
            let mut thread = thread.remove(&wrong.matter).unwrap_or_default();
            thread.retain(|id| *id != wrong.id);
            thread.push(wrong.id.clone());
            (wrong.matter.clone(), thread)
        } else {
            (format!("correction|{}|{}", wrong.unit, wrong.desk), Vec::new())
        };
        let mut section = letter::bare_section(&self.config, &recipient, TEMPLATE, now);
        let codes = self.store.tickets_of(&wrong.id).await?;
        let shown: Vec<&str> = codes.iter().map(String::as_str).collect();
        section.note = wrong.correction.as_deref().map(|why| scrub::scrub(why, &shown));
        section.lines = self.lines_of(meta, wrong, &codes, &recipient, now).await?;
        let alone = Alone {
            mode: if is_in_shadow { Mode::Shadow } else { Mode::Live },
            recipient: &recipient,
            sections: vec![section],
            matter,
            thread: &thread,
            data_as_of: None,
            attachments: Vec::new(),
        };
        let (message, rendered) = letter::alone(&self.config, &self.renderer, alone, now)?;
        composed.rendered(&rendered);
        Ok(message)
    }

    /// The tickets of a message as they are now, each once. One for heads alone by now stands in no list any more, and
    /// nowhere at all where others than the head had the message.
    async fn lines_of(
        &self,
        meta: &Meta,
        wrong: &ToCorrect,
        codes: &[String],
        recipient: &Recipient,
        now: Moment,
    ) -> Result<Vec<LineView>, TurnError> {
        let tickets = self.store.tickets(codes).await?;
        let tellings = self.store.tellings(codes).await?;
        let context = self.context(meta, now);
        let is_to_head_alone = wrong.form != Form::Digest.word() && recipient.desk == Desk::Head;
        let mut lines = Vec::with_capacity(codes.len());
        let mut shown = HashSet::new();
        for code in codes {
            let (Some(kept), Some(known)) = (tickets.get(code), tellings.get(code)) else {
                continue;
            };
            let told = known
                .iter()
                .find(|t| t.notices.iter().any(|n| n.message.as_ref() == Some(&wrong.id)));
            if let Some(telling) = told.filter(|_| is_to_head_alone || !kept.ticket.is_sensitive())
                && shown.insert(code)
            {
                lines.push(self.line(telling, kept, known, recipient, &context, now));
            }
        }
        Ok(lines)
    }
}
