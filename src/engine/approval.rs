//! What waits for approval (`approve` on a step): what exactly is approved, and who is told that something waits.
//!
//! A message of such a step is composed and stored like any other and goes nowhere. Released, its notices come by the
//! ordinary way once more: their tickets are read again, and if all of it is still so the message goes out as it is.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::letter::{self, Alone};
use super::{Composed, Engine, TurnError};
use crate::domain::Moment;
use crate::domain::directory::{Desk, OPS};
use crate::domain::facts;
use crate::domain::notice::Mode;
use crate::domain::rule::Approver;
use crate::domain::time::Span;
use crate::render::view::{MessageView, SectionView};
use crate::store::outbox::{Awaiting, NewMessage};

/// The base name of the template of the mail that says what waits.
const TEMPLATE: &str = "approval";

/// Not released for so long, ops are told of it.
const IN_TIME: Span = Span::WorkingDays(1);

/// What a message says of one ticket.
pub(super) struct Line {
    ticket: String,
    is_ending: bool,
    says: String,
}

impl Line {
    pub(super) fn is_about(&self, ticket: &str, is_ending: bool) -> bool {
        (self.ticket.as_str(), self.is_ending) == (ticket, is_ending)
    }
}

/// Everything that a message says, ticket by ticket.
pub(super) fn lines(view: &MessageView) -> Result<Vec<Line>, serde_json::Error> {
    let of_section = |section: &SectionView| {
        let SectionView {
            rule,
            step,
            addressee,
            for_information,
            opening,
            settled,
            ..
        } = section;
        let lines = section.lines.iter().map(|line| {
            Ok(Line {
                ticket: line.code.clone(),
                is_ending: *settled,
                says: serde_json::to_string(&(rule, step, addressee, for_information, opening, line))?,
            })
        });
        lines.collect::<Vec<_>>()
    };
    view.sections.iter().flat_map(of_section).collect()
}

/// A fingerprint of where a message goes and of some of what it says; not of the hour at which it was written.
pub(super) fn fingerprint(addresses: &[String], lines: &[Line], is_in: impl Fn(&Line) -> bool) -> String {
    let mut hash = Sha256::new();
    let said = lines.iter().filter(|line| is_in(line)).map(|line| &line.says);
    for part in addresses.iter().chain(said) {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Engine {
    /// Ends what was released and of which nothing holds any more, and tells whoever is to know that something waits.
    pub(super) async fn look_after_approvals(
        &self,
        had_released: bool,
        composed: &mut Composed,
        now: Moment,
    ) -> Result<(), TurnError> {
        if had_released {
            let mut tx = self.begin_deciding().await?;
            tx.end_released("released, but none of it holds any more", now).await?;
            tx.commit().await?;
        }
        let mut to_tell: BTreeMap<(Mode, &str), Vec<Awaiting>> = BTreeMap::new();
        for awaiting in self.store.awaiting(now).await? {
            let is_office = awaiting.approver == Approver::Office.word() && !awaiting.is_late();
            let unit = if is_office {
                self.config.directory.office.as_str()
            } else {
                OPS
            };
            let mode = if awaiting.mode == Mode::Shadow.word() {
                Mode::Shadow
            } else {
                Mode::Live
            };
            to_tell.entry((mode, unit)).or_default().push(awaiting);
        }
        for ((mode, unit), awaiting) in to_tell {
            self.tell_of_awaiting(mode, unit, &awaiting, composed, now).await?;
        }
        Ok(())
    }

    /// One mail a day, in office hours, and one at once for what is urgent.
    async fn tell_of_awaiting(
        &self,
        mode: Mode,
        unit: &str,
        awaiting: &[Awaiting],
        composed: &mut Composed,
        now: Moment,
    ) -> Result<(), TurnError> {
        let calendar = self.config.calendars.of(unit);
        if !calendar.is_open(now) {
            return Ok(());
        }
        let on = calendar.date_of(now);
        let directory = &self.config.directory;
        let recipient = directory.recipient(unit, Desk::Contact, None, None, on);
        let sections = awaiting.iter().map(|message| {
            let mut section = letter::bare_section(&self.config, &recipient, TEMPLATE, now);
            section.rule_title = letter::unit_name(&self.config, &message.unit, on);
            section.note = Some(format!("“{}” ({})", message.subject, message.id));
            section.opening = !message.is_late();
            section
        });
        let alone = Alone {
            mode,
            recipient: &recipient,
            sections: sections.collect(),
            matter: format!("approval|{}|{unit}", mode.word()),
            thread: &[],
            data_as_of: None,
            attachments: Vec::new(),
        };
        let (message, rendered) = letter::alone(&self.config, &self.renderer, alone, now)?;
        composed.rendered(&rendered);
        // What is urgent does not wait for tomorrow's mail.
        let is_urgent = awaiting.iter().any(Awaiting::is_urgent);
        let message = NewMessage {
            digest_key: (!is_urgent).then(|| format!("{}|approval|{unit}|{on}", mode.word())),
            ..message
        };
        let mut tx = self.begin_deciding().await?;
        if self.has_forgotten(&mut tx, composed.forgets.as_deref()).await? {
            return Ok(());
        }
        let made = tx.compose(&[&message], now).await?;
        // Where today's mail has been made already they wait for tomorrow's.
        for message in awaiting.iter().filter(|_| !made.is_empty()) {
            let late = facts::gap_over(message.created(), IN_TIME, calendar);
            tx.asked(&message.id, (!message.is_late()).then_some(late)).await?;
        }
        tx.commit().await?;
        composed.messages += made.len();
        Ok(())
    }
}
