//! Deliver: claim what is due under a lease, send it, and mark each answer. Nothing else sends.
//!
//! At most `limits.in_flight` messages are sent but not yet marked. Every attempt of a message sends the same bytes. A
//! server that does not answer holds up each connection once a turn, for the length of one attempt.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use futures_util::future::join_all;
use tokio::time::timeout;

use super::recipients::Recipients;
use super::{Clock, Engine, TurnError};
use crate::channel::smtp::{Connection, Smtp};
use crate::channel::{Answer, Failure, FailureKind, Stage};
use crate::domain::Moment;
use crate::domain::rule::Channel;
use crate::store::outbox::{Claim, MessageState, Settlement};

/// Twice as long as attempts are begun for, so that the last of them has its answer in time.
const LEASE: TimeDelta = TimeDelta::minutes(30);

/// Answers of a turn's attempts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivered {
    pub accepted: usize,
    pub later: usize,
    pub unknown: usize,
    pub dead: usize,
    /// The attempts by channel, word of the answer and class of failure, which is empty where there was none.
    pub by: BTreeMap<(Channel, &'static str, &'static str), usize>,
    /// From the making of each accepted message to its acceptance.
    pub lateness: Vec<TimeDelta>,
}

impl Engine {
    /// Sends what is due until nothing is, the turn is asked to end, or no connection to the mail server works any more.
    pub(super) async fn deliver(&mut self, clock: &Clock<'_>) -> Result<Delivered, TurnError> {
        let mut delivered = Delivered::default();
        let mut stalled = vec![false; self.connections.len()];
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
            let (tried, untried) = self.attempt_all(sendable, &mut stalled, now + LEASE / 2, clock).await;
            // What was sent was answered meanwhile; a clock that was set back does not turn that round.
            let answered = clock().max(now);
            self.mark(&tried, &mut delivered, answered).await?;
            let unreachable = !tried.is_empty() && tried.iter().all(|(_, answer)| is_unreachable(answer));
            if unreachable {
                let why = tried
                    .iter()
                    .find_map(|(_, answer)| answer.failure())
                    .map(ToString::to_string);
                tracing::error!(host = %self.config.smtp.host, port = self.config.smtp.port, why, "the mail server takes no mail from us; the rest waits for the next turn");
            }
            let is_over = unreachable || !untried.is_empty();
            let untried: Vec<_> = untried.into_iter().map(|claim| (answered, claim)).collect();
            self.put_back(&untried).await?;
            if is_over {
                return Ok(delivered);
            }
        }
    }

    /// Gives claims back unsent, each until an instant.
    async fn put_back(&self, claims: &[(Moment, Claim)]) -> Result<(), TurnError> {
        if claims.is_empty() {
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        for (until, claim) in claims {
            if !tx.put_back(claim, *until).await? {
                tracing::warn!(mail = %claim.id, "the claim had run out; it stays with the process that has it");
            }
        }
        tx.commit().await?;
        Ok(())
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
        self.put_back(&closed).await?;
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

    /// One attempt each, over the connections side by side; apart those that were not tried. A connection on which a mail
    /// stalled takes no more in this turn, none does once the turn is asked to end, or at `until`.
    async fn attempt_all(
        &mut self,
        claims: Vec<Claim>,
        stalled: &mut [bool],
        until: Moment,
        clock: &Clock<'_>,
    ) -> (Vec<(Claim, Answer)>, Vec<Claim>) {
        let (smtp, from, pulse) = (&self.smtp, &self.config.delivery.from_address, &self.pulse);
        let (next, list) = (&AtomicUsize::new(0), &claims);
        let lanes = self.connections.iter_mut().zip(stalled);
        let lanes = lanes.map(|(connection, stalled)| async move {
            let mut answers = Vec::new();
            while !*stalled && !pulse.is_stopping() && clock() < until {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(claim) = list.get(place) else { break };
                let answer = attempt(smtp, connection, from, claim).await;
                pulse.beat();
                *stalled = has_stalled(&answer);
                answers.push((place, answer));
            }
            answers
        });
        let mut answers: BTreeMap<usize, Answer> = join_all(lanes).await.into_iter().flatten().collect();
        let (mut tried, mut untried) = (Vec::with_capacity(answers.len()), Vec::new());
        for (place, claim) in claims.into_iter().enumerate() {
            match answers.remove(&place) {
                Some(answer) => tried.push((claim, answer)),
                None => untried.push(claim),
            }
        }
        (tried, untried)
    }

    async fn mark(&self, tried: &[(Claim, Answer)], delivered: &mut Delivered, at: Moment) -> Result<(), TurnError> {
        let mut ends = Vec::with_capacity(tried.len());
        for (claim, answer) in tried {
            ends.push(self.settlement(claim, answer, at).await?);
            let class = answer.failure().map_or("", |why| why.kind.class());
            *delivered.by.entry((claim.channel, answer.word(), class)).or_default() += 1;
        }
        let settlements: Vec<_> = tried.iter().map(|(claim, _)| claim).zip(&ends).collect();
        let mut tx = self.store.begin().await?;
        let held = tx.settle_messages(&settlements, at).await?;
        tx.commit().await?;
        for ((claim, end), held) in settlements.into_iter().zip(held) {
            if !held {
                tracing::warn!(mail = %claim.id, "the claim had run out; the answer is recorded as an attempt only");
            }
            match end.state {
                MessageState::Accepted => {
                    delivered.accepted += 1;
                    delivered.lateness.push(at - claim.created_at);
                }
                MessageState::Dead => delivered.dead += 1,
                _ if end.unknown => delivered.unknown += 1,
                MessageState::Waiting | MessageState::Replaced | MessageState::Cancelled => delivered.later += 1,
            }
            if end.state != MessageState::Accepted {
                tracing::warn!(mail = %claim.id, unit = %claim.unit, answer = end.answer, detail = %end.detail, "mail not accepted");
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

/// One mail, with an end to it however slowly the server answers.
async fn attempt(smtp: &Smtp, connection: &mut Option<Connection>, from: &str, claim: &Claim) -> Answer {
    let longest = smtp.longest_attempt();
    let sent = timeout(longest, smtp.send(connection, from, &claim.recipients, &claim.body));
    sent.await.unwrap_or_else(|_| {
        let text = format!("the attempt was broken off after {} s", longest.as_secs_f64());
        Answer::Unknown {
            why: Failure::new(FailureKind::Timeout { stage: Stage::Final }, &text),
        }
    })
}

/// The server let time pass or is not there: the next mail on this connection would fare the same.
fn has_stalled(answer: &Answer) -> bool {
    let is_timeout = |why: &Failure| matches!(why.kind, FailureKind::Timeout { .. });
    answer.failure().is_some_and(is_timeout) || is_unreachable(answer)
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
