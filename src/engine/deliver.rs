//! Deliver: claim what is due under a lease, send it, and mark each answer. Nothing else sends.
//!
//! At most `limits.in_flight` messages are sent but not yet marked. Every attempt of a message sends the same bytes.

use chrono::TimeDelta;
use futures_util::future::join_all;

use super::recipients::Recipients;
use super::{Clock, Engine, TurnError};
use crate::channel::{Answer, Stage};
use crate::domain::Moment;
use crate::store::outbox::{Claim, MessageState, Settlement};

/// Longer than any attempt can take, all its time limits together.
const LEASE: TimeDelta = TimeDelta::minutes(30);

/// Answers of a turn's attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delivered {
    pub accepted: usize,
    pub later: usize,
    pub unknown: usize,
    pub dead: usize,
}

impl Engine {
    /// Sends what is due until nothing is, or the mail server cannot be reached at all.
    pub(super) async fn deliver(&mut self, clock: &Clock<'_>) -> Result<Delivered, TurnError> {
        let mut delivered = Delivered::default();
        loop {
            let now = clock();
            if self.pulse.is_stopping() {
                return Ok(delivered);
            }
            let claims = self
                .store
                .claim(&self.name, now, LEASE, self.config.limits.in_flight.max(1))
                .await?;
            if claims.is_empty() {
                return Ok(delivered);
            }
            let sendable = self.put_back_outside_windows(claims, now).await?;
            let answers = self.attempt_all(&sendable).await;
            let unreachable = !answers.is_empty() && answers.iter().all(is_unreachable);
            self.mark(&sendable, &answers, &mut delivered, now).await?;
            if unreachable {
                let why = answers.iter().find_map(Answer::failure).map(ToString::to_string);
                tracing::error!(host = %self.config.smtp.host, port = self.config.smtp.port, why, "the mail server takes no mail from us; the rest waits for the next turn");
                return Ok(delivered);
            }
        }
    }

    /// The window holds for every attempt, retries too, and so do the quiet days around a long closure.
    async fn put_back_outside_windows(&self, claims: Vec<Claim>, now: Moment) -> Result<Vec<Claim>, TurnError> {
        let (mut sendable, mut closed) = (Vec::new(), Vec::new());
        let recipients = Recipients::new(&self.config, now);
        for claim in claims {
            let calendar = self.config.calendars.of(&claim.unit);
            if claim.urgent {
                sendable.push(claim);
            } else if !calendar.is_open(now) {
                closed.push((calendar.next_open(now), claim));
            } else if self.is_kept_back(&claim, &recipients, now).await? {
                closed.push((recipients.schedule(&claim.unit, None).opening_after(now), claim));
            } else {
                sendable.push(claim);
            }
        }
        if !closed.is_empty() {
            let mut tx = self.store.begin().await?;
            for (opens, claim) in &closed {
                if !tx.put_back(claim, *opens).await? {
                    tracing::warn!(message = %claim.id, "the claim had run out; it stays with the process that has it");
                }
            }
            tx.commit().await?;
        }
        Ok(sendable)
    }

    async fn is_kept_back(&self, claim: &Claim, recipients: &Recipients<'_>, now: Moment) -> Result<bool, TurnError> {
        let calendar = self.config.calendars.of(&claim.unit);
        if !calendar.is_quiet_day(calendar.date_of(now)) {
            return Ok(false);
        }
        let roles = self.store.roles_told(&claim.id).await?;
        Ok(roles.iter().any(|role| recipients.is_kept_back(role, &claim.unit, now)))
    }

    /// One attempt each, over the connections side by side.
    async fn attempt_all(&mut self, claims: &[Claim]) -> Vec<Answer> {
        let lanes = self.connections.len();
        let (smtp, from) = (&self.smtp, &self.config.delivery.from_address);
        let sent = join_all(
            self.connections
                .iter_mut()
                .enumerate()
                .map(|(lane, connection)| async move {
                    let mut answers = Vec::new();
                    for claim in claims.iter().skip(lane).step_by(lanes) {
                        answers.push(smtp.send(connection, from, &claim.recipients, &claim.body).await);
                    }
                    answers
                }),
        )
        .await;
        let mut lanes: Vec<_> = sent.into_iter().map(Vec::into_iter).collect();
        let count = lanes.len();
        (0..claims.len()).filter_map(|i| lanes[i % count].next()).collect()
    }

    async fn mark(
        &self,
        claims: &[Claim],
        answers: &[Answer],
        delivered: &mut Delivered,
        now: Moment,
    ) -> Result<(), TurnError> {
        let mut ends = Vec::with_capacity(claims.len());
        for (claim, answer) in claims.iter().zip(answers) {
            ends.push(self.settlement(claim, answer, now).await?);
        }
        let settlements: Vec<_> = claims.iter().zip(&ends).collect();
        let mut tx = self.store.begin().await?;
        let held = tx.settle_messages(&settlements, now).await?;
        tx.commit().await?;
        for ((claim, end), held) in settlements.into_iter().zip(held) {
            if !held {
                tracing::warn!(message = %claim.id, "the claim had run out; the answer is recorded as an attempt only");
            }
            match end.state {
                MessageState::Accepted => delivered.accepted += 1,
                MessageState::Dead => delivered.dead += 1,
                _ if end.unknown => delivered.unknown += 1,
                MessageState::Waiting | MessageState::Replaced | MessageState::Cancelled => delivered.later += 1,
            }
            if end.state != MessageState::Accepted {
                tracing::warn!(message = %claim.id, unit = %claim.unit, answer = end.answer, detail = %end.detail, "mail not accepted");
            }
        }
        Ok(())
    }

    /// Whether all that a message says has been tried for as long as it is worth, through all the messages it was in.
    pub(super) async fn is_tried_enough(&self, message: &str, unit: &str, now: Moment) -> Result<bool, TurnError> {
        let first = self.store.all_tried_since(message, now).await?;
        let tried = self.config.calendars.of(unit).working_time_between(first, now);
        Ok(tried >= self.config.delivery.give_up_after)
    }

    /// Why a message that nobody took is dead.
    pub(super) fn given_up(&self) -> String {
        let hours = self.config.delivery.give_up_after.num_hours();
        format!("given up after {hours} h of open window")
    }

    async fn settlement(&self, claim: &Claim, answer: &Answer, now: Moment) -> Result<Settlement, TurnError> {
        let end = |state, answer, detail: String| Settlement {
            state,
            answer,
            detail,
            next_attempt_at: None,
            unknown: false,
        };
        let (why, not_before, unknown) = match answer {
            Answer::Accepted { reply } => return Ok(end(MessageState::Accepted, "accepted", reply.clone())),
            Answer::Never { why } => return Ok(end(MessageState::Dead, "never", why.to_string())),
            Answer::Later { why, not_before } => (why, *not_before, false),
            Answer::Unknown { why } => (why, None, true),
        };
        let word = if unknown { "unknown" } else { "later" };
        let calendar = self.config.calendars.of(&claim.unit);
        if self.is_tried_enough(&claim.id, &claim.unit, now).await? {
            return Ok(Settlement {
                unknown,
                ..end(MessageState::Dead, word, format!("{}: {why}", self.given_up()))
            });
        }
        let wait = now + backoff(claim);
        let next = not_before.map_or(wait, |n| n.max(wait));
        let next = if claim.urgent { next } else { calendar.next_open(next) };
        Ok(Settlement {
            next_attempt_at: Some(next),
            unknown,
            ..end(MessageState::Waiting, word, why.to_string())
        })
    }
}

/// The server did not take the connection, or did not get as far as a mail.
fn is_unreachable(answer: &Answer) -> bool {
    let Answer::Later { why, .. } = answer else {
        return false;
    };
    matches!(
        why.kind.stage(),
        Some(Stage::Connect | Stage::Greeting | Stage::Hello | Stage::Tls | Stage::Login)
    )
}

/// 1, 5, 15, 30 minutes, then an hour, each with up to a fifth more so that retries do not march in step. The share is
/// taken from the message's id: the same message waits the same, different ones differ.
fn backoff(claim: &Claim) -> TimeDelta {
    let minutes = [1, 5, 15, 30]
        .get(usize::try_from(claim.attempts).unwrap_or(usize::MAX))
        .copied()
        .unwrap_or(60);
    let seed: u64 = claim.id.bytes().fold(claim.attempts.unsigned_abs(), |h, b| {
        h.wrapping_mul(31).wrapping_add(b.into())
    });
    let share = i64::try_from(seed % 1000).unwrap_or(0);
    TimeDelta::milliseconds(minutes * 60_000 + minutes * 12 * share)
}
