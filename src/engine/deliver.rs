//! Deliver: claim what is due under a lease, send it, and mark each answer. Nothing else sends.
//!
//! At most `limits.in_flight` messages are sent but not yet marked. Every attempt of a message sends the same bytes. A
//! server that does not answer holds up each connection once, for the length of one attempt; then it is left alone for a
//! while ([`super::breaker`]). Mails and webhooks go by the same steps side by side; a webhook keeps no window unless its
//! endpoint does.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{MutexGuard, PoisonError};

use chrono::TimeDelta;
use futures_util::future::join_all;
use tokio::join;
use tokio::time::timeout;

use super::breaker::{self, Breaker, Breakers, Gate};
use super::lanes::Lanes;
use super::letter::{self, Alone};
use super::{Clock, Engine, LEAVE, TurnError, recipients};
use crate::channel::bounce::Senders;
use crate::channel::smtp::{Connection, Smtp};
use crate::channel::webhook::LONGEST_WAIT;
use crate::channel::{Answer, Concerns, Failure, FailureKind, Stage};
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::directory::{Desk, Endpoint, OPS};
use crate::domain::notice::Mode;
use crate::domain::rule::Channel;
use crate::store::endpoints::{DisabledEndpoints, Failing, FailingEndpoints};
use crate::store::outbox::{Claim, Listed, MessageState, NewMessage, Settlement, Wanted};
use crate::store::{StoreError, Tx};

/// Twice as long as attempts are begun for, so that the last of them has its answer in time.
pub(super) const LEASE: TimeDelta = TimeDelta::minutes(30);

/// For so long posts are begun for in one turn: slow endpoints must not keep the next one from deciding.
const POSTING: TimeDelta = TimeDelta::minutes(5);

/// So often an endpoint has to have failed before it is disabled for it: days in which nothing was tried say nothing.
const FAILURES: i64 = 20;

/// Batches in a row of which nothing got through before ops hear of it, where the mail server didn't say no to all.
const IN_VAIN: usize = 3;

/// Answers of a turn's attempts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivered {
    pub accepted: usize,
    pub later: usize,
    pub unknown: usize,
    pub dead: usize,
    /// The attempts by channel, word of the answer and class of failure, which is empty where there was none.
    pub by: BTreeMap<(Channel, &'static str, &'static str), usize>,
    /// Why the mail server takes no mail at all, until it has taken one; as it was last.
    pub refused: Option<String>,
    /// From the making of each accepted message to its acceptance.
    pub lateness: Vec<TimeDelta>,
}

impl Delivered {
    pub(super) fn add(&mut self, other: Delivered) {
        self.accepted += other.accepted;
        self.later += other.later;
        self.unknown += other.unknown;
        self.dead += other.dead;
        for (what, count) in other.by {
            *self.by.entry(what).or_default() += count;
        }
        self.refused = other.refused;
        self.lateness.extend(other.lateness);
    }
}

/// Answers that came at an instant and are not marked yet.
struct Answered {
    tried: Vec<(Claim, Answer)>,
    at: Moment,
}

/// Messages that may go, under a lease from an instant on.
struct Batch {
    claims: Vec<Claim>,
    now: Moment,
    /// Fewer were due than could have been claimed: there are no more.
    is_last: bool,
}

/// The ways out, and what is known of each. A turn takes them with it while it delivers.
#[derive(Default)]
pub(super) struct Ways {
    /// A place for each connection to the mail server.
    pub(super) connections: Vec<Option<Connection>>,
    /// On which of them a mail stalled; they take no more in this turn.
    stalled: Vec<bool>,
    breakers: Breakers,
}

impl Ways {
    /// None opened yet, nothing known.
    pub(super) fn new(config: &Config) -> Ways {
        Ways {
            connections: (0..config.smtp.connections.max(1)).map(|_| None).collect(),
            ..Ways::default()
        }
    }
}

/// What the store could not be told when it was to be.
#[derive(Default)]
pub(super) struct Owing {
    answered: Vec<Answered>,
    /// Claims that were not used, each with the instant from when it is due again.
    unused: Vec<(Moment, Claim)>,
}

/// What came of a batch's posts to one endpoint.
struct Posted<'a> {
    endpoint: &'a Endpoint,
    unit: &'a str,
    messages: Vec<&'a str>,
    answers: Vec<&'a Answer>,
}

impl Posted<'_> {
    fn has_taken(&self) -> bool {
        self.answers.iter().any(|answer| answer.failure().is_none())
    }

    /// Whether others would fare the same now.
    fn is_in_vain(&self) -> bool {
        self.answers.iter().all(|answer| concerns_peer(answer))
    }

    /// Until when it asked to be left alone.
    fn not_before(&self) -> Option<Moment> {
        let named = self.answers.iter().filter_map(|answer| match answer {
            Answer::Later { not_before, .. } => *not_before,
            _ => None,
        });
        named.max()
    }

    /// How the last of its posts failed.
    fn last_failure(&self) -> Option<&Failure> {
        self.answers.iter().rev().find_map(|answer| answer.failure())
    }
}

/// An endpoint that is to be disabled, and what is said of it.
struct Disabling {
    why: String,
    letters: Vec<NewMessage>,
}

impl Engine {
    /// Sends what is due until nothing is, the turn is asked to end, or no connection to the mail server works any more.
    pub(super) async fn deliver(&mut self, clock: &Clock<'_>) -> Result<Delivered, TurnError> {
        let mut ways = std::mem::take(&mut self.ways);
        let delivered = self
            .send_due(&mut ways, &[Channel::Email, Channel::Webhook], clock)
            .await;
        self.give_back(ways);
        delivered
    }

    /// A turn's end of delivering.
    pub(super) fn give_back(&mut self, ways: Ways) {
        self.ways = ways;
        self.ways.stalled.clear();
    }

    /// As [`Engine::deliver`], of some channels. Mails and webhooks go side by side, so that neither waits for the other.
    pub(super) async fn send_due(
        &self,
        ways: &mut Ways,
        channels: &[Channel],
        clock: &Clock<'_>,
    ) -> Result<Delivered, TurnError> {
        let mut delivered = self.mark_kept().await?;
        // What falls due again while this goes on is the next turn's: slow failures would else keep it for ever.
        let began = clock();
        let mut due = self.store.channels_due(began).await?;
        due.retain(|channel| channels.contains(channel));
        let share = self.config.limits.in_flight / due.len().max(1);
        // One half goes out while the other one is written down.
        let mails = share / 2;
        let posts = self.config.webhooks.in_flight.min(share / 2);
        // A turn that was dropped on its way has left none behind.
        ways.connections
            .resize_with(self.config.smtp.connections.max(1), || None);
        ways.stalled.resize(ways.connections.len(), false);
        let Breakers { mail_server, endpoints } = &mut ways.breakers;
        let lanes = (&mut *ways.connections, &mut *ways.stalled);
        let mailing = async {
            match due.contains(&Channel::Email) {
                true => self.deliver_mails(lanes, mail_server, mails, began, clock).await,
                false => Ok(Delivered::default()),
            }
        };
        let posting = async {
            match due.contains(&Channel::Webhook) {
                true => self.deliver_posts(endpoints, posts, began, clock).await,
                false => Ok(Delivered::default()),
            }
        };
        let (mailed, posted) = match share {
            0 => (mailing.await, posting.await),
            _ => join!(mailing, posting),
        };
        all_of([mailed, posted].map(|end| end.map(|of_channel| delivered.add(of_channel))))?;
        delivered.refused = mail_server.told().cloned();
        Ok(delivered)
    }

    /// Gives back the claims and marks the answers that could not be when it was time: what has arrived is not sent again,
    /// and what was never tried does not wait for its lease, because the store was away for a while.
    async fn mark_kept(&self) -> Result<Delivered, TurnError> {
        let mut delivered = Delivered::default();
        let unused = std::mem::take(&mut self.owing().unused);
        self.put_back(unused).await?;
        loop {
            let kept = self.owing().answered.pop();
            let Some(answered) = kept else {
                return Ok(delivered);
            };
            let mut tried = Vec::with_capacity(answered.tried.len());
            let mut left = answered.tried.into_iter();
            while let Some((claim, answer)) = left.next() {
                // A commit whose own answer was lost may have marked it.
                let is_waiting = |m: &Listed| m.state == MessageState::Waiting.word();
                let is_open = |m: &Listed| is_waiting(m) && m.attempts == claim.attempts;
                let mut failed = None;
                match self.store.message(&claim.id).await {
                    Ok(Some(message)) if is_open(&message) => tried.push((claim, answer)),
                    // Another process took the claim for one that was left open, and tries what is there already.
                    Ok(Some(message)) if is_waiting(&message) && matches!(answer, Answer::Accepted { .. }) => {
                        let again = self.store.claim_again(&claim.id, &self.name, answered.at, LEASE).await;
                        match again {
                            Ok(Some(by)) => tried.push((claim.claimed_by(by), answer)),
                            Ok(None) => tried.push((claim, answer)),
                            Err(error) => failed = Some((error, claim, answer)),
                        }
                    }
                    Ok(_) => {}
                    Err(error) => failed = Some((error, claim, answer)),
                }
                if let Some((error, claim, answer)) = failed {
                    tried.extend([(claim, answer)].into_iter().chain(left));
                    let at = answered.at;
                    self.owing().answered.push(Answered { tried, at });
                    return Err(error.into());
                }
            }
            // Endpoints may be others by now: nothing is made of what they answered then.
            self.mark_or_keep(tried, false, &mut delivered, answered.at, None)
                .await?;
        }
    }

    fn owing(&self) -> MutexGuard<'_, Owing> {
        self.owing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks answers, or keeps them for the next turn where the store cannot; and claims what comes next in the same
    /// transaction.
    async fn mark_or_keep(
        &self,
        tried: Vec<(Claim, Answer)>,
        is_fresh: bool,
        delivered: &mut Delivered,
        at: Moment,
        next: Option<&Wanted<'_>>,
    ) -> Result<Vec<Claim>, TurnError> {
        let marked = self.mark(&tried, is_fresh, delivered, at, next).await;
        if matches!(marked, Err(TurnError::Store(_))) {
            self.owing().answered.push(Answered { tried, at });
        }
        marked
    }

    /// As the process ends: what is known already is not left to be sent again.
    pub(super) async fn settle_owing(&self) {
        match timeout(LEAVE, self.mark_kept()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "what could not be marked is sent again with the same ids: {error}");
            }
            Err(_) => tracing::warn!("the store takes long; what could not be marked is sent again with the same ids"),
        }
    }

    async fn deliver_mails(
        &self,
        (connections, stalled): (&mut [Option<Connection>], &mut [bool]),
        breaker: &mut Breaker,
        most: usize,
        began: Moment,
        clock: &Clock<'_>,
    ) -> Result<Delivered, TurnError> {
        let mut delivered = Delivered::default();
        let senders = self.senders().await?;
        loop {
            let (most, overlaps) = match breaker.gate(clock().max(began)) {
                Gate::All if most > 0 => (most, true),
                Gate::All | Gate::One => (1, false),
                Gate::Nothing { until } => {
                    tracing::debug!(%until, "the mail server is left alone");
                    break;
                }
            };
            let wanted = || self.wanted(Channel::Email, most, began, clock);
            let Some(first) = self.mark_and_claim(None, wanted(), &mut delivered).await? else {
                break;
            };
            let lanes = Lanes::new(connections.len());
            let mut is_last = !overlaps || first.is_last;
            lanes.add(first.claims, first.now);
            let mailing = connections
                .iter_mut()
                .zip(&mut *stalled)
                .map(|(connection, stalled)| self.mail(&lanes, connection, stalled, senders.as_ref(), clock));
            let mut is_over = overlaps;
            let marking = async {
                let mut end = Ok(());
                let mut gone = None;
                loop {
                    // Once nothing of the batch before is open any more, as much is claimed anew.
                    let wanted = wanted().filter(|_| !is_last);
                    match self.mark_and_claim(gone, wanted, &mut delivered).await {
                        Ok(Some(next)) => {
                            is_last = next.is_last;
                            lanes.add(next.claims, next.now);
                        }
                        Ok(None) => is_last = true,
                        Err(error) => {
                            is_last = true;
                            lanes.close();
                            end = all_of([end, Err(error)]);
                        }
                    }
                    let Some(batch) = lanes.gone().await else { break };
                    // What was sent was answered meanwhile; a clock that was set back does not turn that round.
                    let at = clock().max(batch.claimed_at);
                    if self.judge(&batch.tried, breaker, at) || !batch.untried.is_empty() {
                        (is_over, is_last) = (true, true);
                        lanes.close();
                    }
                    let unused = batch.untried.into_iter().map(|claim| (at, claim)).collect();
                    end = all_of([end, self.put_back(unused).await]);
                    gone = Some(Answered { tried: batch.tried, at });
                }
                lanes.close();
                end
            };
            let (_, end) = join!(join_all(mailing), Box::pin(marking));
            end?;
            if is_over {
                break;
            }
        }
        Ok(delivered)
    }

    /// What the answers to mails show of the mail server; whether there is no use in going on.
    fn judge(&self, tried: &[(Claim, Answer)], breaker: &mut Breaker, at: Moment) -> bool {
        // What cannot be put into an envelope says nothing of the server.
        let judged = || tried.iter().filter(|(_, answer)| !is_unsendable(answer));
        let is_in_vain = judged().next().is_some() && !judged().any(|(_, answer)| has_got_through(answer));
        if is_in_vain {
            let messages = judged().map(|(claim, _)| claim.id.as_str());
            breaker.failed(messages, &self.config.delivery.retry, None, at);
            let says_no = judged().all(|(_, answer)| takes_no_mail(answer, breaker.messages() > 1));
            let why = judged().find_map(|(_, answer)| answer.failure());
            if let Some(why) = why.filter(|_| says_no || breaker.failures() >= IN_VAIN) {
                tracing::error!(host = %self.config.smtp.host, port = self.config.smtp.port, %why, "the mail server takes no mail from us; the rest waits");
                breaker.tell(why.to_string());
            }
        } else if judged().next().is_some() {
            breaker.succeeded();
        }
        is_in_vain
    }

    /// What of a channel was due when the turn began to deliver; `None` once the turn is asked to end.
    fn wanted(&self, channel: Channel, most: usize, began: Moment, clock: &Clock<'_>) -> Option<Wanted<'_>> {
        let wanted = Wanted {
            channel,
            by: &self.name,
            due: began,
            // A clock that was set back meanwhile makes nothing due that the turn has dealt with.
            now: clock().max(began),
            lease: LEASE,
            most,
        };
        Some(wanted).filter(|_| !self.pulse.is_stopping())
    }

    /// Marks the answers that came before, and claims as much anew; `None` once there is nothing left. What may not go now
    /// is given back.
    async fn mark_and_claim(
        &self,
        behind: Option<Answered>,
        wanted: Option<Wanted<'_>>,
        delivered: &mut Delivered,
    ) -> Result<Option<Batch>, TurnError> {
        let behind = behind.filter(|behind| !behind.tried.is_empty());
        let claims = match (behind, &wanted) {
            (Some(Answered { tried, at }), next) => {
                self.mark_or_keep(tried, true, delivered, at, next.as_ref()).await?
            }
            (None, Some(wanted)) => self.store.claim(wanted).await?,
            (None, None) => Vec::new(),
        };
        let Some(Wanted { now, most, .. }) = wanted.filter(|_| !claims.is_empty()) else {
            return Ok(None);
        };
        let is_last = claims.len() < most;
        let claims = self.put_back_outside_windows(claims, now).await?;
        Ok(Some(Batch { claims, now, is_last }))
    }

    /// Marks answers, and gives back what was claimed and not used, each until an instant.
    async fn settle(
        &self,
        Answered { tried, at }: Answered,
        unused: Vec<(Moment, Claim)>,
        delivered: &mut Delivered,
    ) -> Result<(), TurnError> {
        let marked = self.mark_or_keep(tried, true, delivered, at, None).await;
        all_of([marked.map(drop), self.put_back(unused).await])
    }

    /// An endpoint that takes nothing is left alone for a while, and costs the others one wait.
    async fn deliver_posts(
        &self,
        breakers: &mut HashMap<String, Breaker>,
        most: usize,
        began: Moment,
        clock: &Clock<'_>,
    ) -> Result<Delivered, TurnError> {
        let mut delivered = Delivered::default();
        let overlaps = most > 0;
        let wanted = || self.wanted(Channel::Webhook, most.max(1), began, clock);
        let mut behind: Option<Answered> = None;
        let mut ahead = self.mark_and_claim(None, wanted(), &mut delivered).await?;
        while let Some(Batch { claims, now, is_last }) = ahead.take() {
            let disabled = &match self.store.disabled_endpoints().await {
                Ok(disabled) => disabled,
                Err(error) => {
                    self.owing().answered.extend(behind);
                    self.keep_unused(claims, now);
                    return Err(error.into());
                }
            };
            let (mut postable, mut resting) = (Vec::new(), Vec::new());
            let mut probing = HashSet::new();
            for claim in claims {
                let endpoint = self.endpoint(&claim, now).filter(|e| disabled.of(e).is_none());
                let gate = endpoint.and_then(|e| Some((e, breakers.get(&e.id)?.gate(now))));
                match gate {
                    Some((_, Gate::Nothing { until })) => resting.push((until, claim)),
                    // They are due in this turn still, once the first has found out.
                    Some((endpoint, Gate::One)) if !probing.insert(endpoint.id.clone()) => resting.push((began, claim)),
                    _ => postable.push(claim),
                }
            }
            let is_last = is_last && resting.iter().all(|(until, _)| *until > began);
            let wanted = || wanted().filter(|_| !is_last && clock() < began + POSTING);
            if let Err(error) = self.put_back(resting).await {
                self.owing().answered.extend(behind);
                self.keep_unused(postable, now);
                return Err(error);
            }
            let besides = async {
                let wanted = wanted().filter(|_| overlaps);
                self.mark_and_claim(behind.take(), wanted, &mut delivered).await
            };
            let posting = self.post_all(postable, disabled, now, clock);
            let ((tried, untried), next) = join!(Box::pin(posting), Box::pin(besides));
            let at = clock().max(now);
            for posted in self.posted(&tried, at) {
                if posted.is_in_vain() {
                    let breaker = breakers.entry(posted.endpoint.id.clone()).or_default();
                    let messages = posted.messages.iter().copied();
                    breaker.failed(messages, &self.config.delivery.retry, posted.not_before(), at);
                } else {
                    breakers.remove(&posted.endpoint.id);
                }
            }
            let are_taken = tried.iter().all(|(_, answer)| answer.failure().is_none());
            match next {
                Ok(Some(next)) if are_taken && untried.is_empty() => {
                    behind = Some(Answered { tried, at });
                    ahead = Some(next);
                }
                // What an endpoint has against us is written down before more is posted to it.
                next => {
                    let (next, failed) = claims_of(next);
                    let untried = untried.into_iter().map(|claim| (at, claim));
                    // Due in this turn still.
                    let next = next.into_iter().map(|claim| (began, claim));
                    let settled = self
                        .settle(Answered { tried, at }, untried.chain(next).collect(), &mut delivered)
                        .await;
                    all_of([failed, settled])?;
                    ahead = self.mark_and_claim(None, wanted(), &mut delivered).await?;
                }
            }
        }
        Ok(delivered)
    }

    /// One post each, side by side; apart those that were not tried.
    async fn post_all(
        &self,
        claims: Vec<Claim>,
        disabled: &DisabledEndpoints,
        now: Moment,
        clock: &Clock<'_>,
    ) -> (Vec<(Claim, Answer)>, Vec<Claim>) {
        let posts = claims.into_iter().map(|claim| async {
            // A process that was stopped in between may have lost it to another meanwhile.
            if clock() >= now + LEASE / 2 {
                return (claim, None);
            }
            let answer = self.post(&claim, disabled, clock()).await;
            self.pulse.beat();
            (claim, Some(answer))
        });
        let (mut tried, mut untried) = (Vec::new(), Vec::new());
        for (claim, answer) in join_all(posts).await {
            match answer {
                Some(answer) => tried.push((claim, answer)),
                None => untried.push(claim),
            }
        }
        (tried, untried)
    }

    /// What came of posts, by endpoint; but for what could not be posted at all.
    fn posted<'a>(&'a self, tried: &'a [(Claim, Answer)], at: Moment) -> Vec<Posted<'a>> {
        let mut all: Vec<Posted<'a>> = Vec::new();
        for (claim, answer) in tried.iter().filter(|(claim, _)| claim.channel == Channel::Webhook) {
            let Some(endpoint) = self.endpoint(claim, at) else {
                continue;
            };
            if is_unsendable(answer) {
                continue;
            }
            let place = all.iter().position(|p| p.endpoint.id == endpoint.id);
            let place = place.unwrap_or_else(|| {
                all.push(Posted {
                    endpoint,
                    unit: &claim.unit,
                    messages: Vec::new(),
                    answers: Vec::new(),
                });
                all.len() - 1
            });
            if let Some(posted) = all.get_mut(place) {
                posted.messages.push(&claim.id);
                posted.answers.push(answer);
            }
        }
        all
    }

    async fn post(&self, claim: &Claim, disabled: &DisabledEndpoints, at: Moment) -> Answer {
        let never = |why| Answer::Never {
            why: Failure::new(FailureKind::Unsendable, why),
        };
        match self.endpoint(claim, at) {
            None => never("the unit does not have this endpoint any more"),
            Some(endpoint) if disabled.of(endpoint).is_some() => never("the endpoint is disabled"),
            Some(endpoint) => self.out.post(endpoint, claim, at).await,
        }
    }

    /// The endpoint that a message was made for, while its unit has it.
    fn endpoint(&self, claim: &Claim, at: Moment) -> Option<&Endpoint> {
        let endpoints = self
            .config
            .directory
            .endpoints(&claim.unit, self.config.calendars.base().date_of(at));
        endpoints.into_iter().find(|e| claim.recipients.contains(&e.id))
    }

    /// Whether a message goes in its recipient's office hours only.
    fn keeps_window(&self, claim: &Claim, at: Moment) -> bool {
        !claim.urgent
            && match claim.channel {
                Channel::Email => true,
                Channel::Webhook => self.endpoint(claim, at).is_some_and(|e| e.window),
            }
    }

    /// Gives claims back unsent, each until an instant; keeps them where the store cannot take them now.
    async fn put_back(&self, claims: Vec<(Moment, Claim)>) -> Result<(), TurnError> {
        if claims.is_empty() {
            return Ok(());
        }
        let list: Vec<_> = claims.iter().map(|(until, claim)| (*until, claim)).collect();
        let back = match self.write_back(&list).await {
            Ok(back) => back,
            Err(error) => {
                self.owing().unused.extend(claims);
                return Err(error.into());
            }
        };
        for (_, claim) in claims.iter().filter(|(_, claim)| !back.contains(&claim.id)) {
            tracing::warn!(mail = %claim.id, "the claim had run out; it stays with the process that has it");
        }
        Ok(())
    }

    async fn write_back(&self, list: &[(Moment, &Claim)]) -> Result<HashSet<String>, StoreError> {
        let mut tx = self.store.begin().await?;
        let back = tx.put_back(list).await?;
        tx.commit().await?;
        Ok(back)
    }

    /// Claims that were not used are given back once the store can take them.
    fn keep_unused(&self, claims: impl IntoIterator<Item = Claim>, at: Moment) {
        let claims = claims.into_iter().map(|claim| (at, claim));
        self.owing().unused.extend(claims);
    }

    /// The window holds for every attempt, retries too, and so do the quiet days around a long closure.
    async fn put_back_outside_windows(&self, claims: Vec<Claim>, now: Moment) -> Result<Vec<Claim>, TurnError> {
        let (mut sendable, mut closed) = (Vec::new(), Vec::new());
        let mut claims = claims.into_iter();
        while let Some(claim) = claims.next() {
            match self.opens_only_at(&claim, now).await {
                Ok(None) => sendable.push(claim),
                Ok(Some(until)) => closed.push((until, claim)),
                Err(error) => {
                    self.owing().unused.extend(closed);
                    self.keep_unused(sendable.into_iter().chain([claim]).chain(claims), now);
                    return Err(error);
                }
            }
        }
        if let Err(error) = self.put_back(closed).await {
            self.keep_unused(sendable, now);
            return Err(error);
        }
        Ok(sendable)
    }

    /// When a message may go at the earliest; `None` if now.
    async fn opens_only_at(&self, claim: &Claim, now: Moment) -> Result<Option<Moment>, TurnError> {
        if !claim.urgent && !self.is_in_window(claim, now) {
            return Ok(Some(self.config.calendars.of(&claim.unit).next_open(now)));
        }
        if !claim.urgent && self.is_kept_back(claim, now).await? {
            let schedule = recipients::schedule(&self.config, &claim.unit, None);
            return Ok(Some(schedule.opening_after(now)));
        }
        Ok(None)
    }

    fn is_in_window(&self, claim: &Claim, now: Moment) -> bool {
        !self.keeps_window(claim, now) || self.config.calendars.of(&claim.unit).is_open(now)
    }

    async fn is_kept_back(&self, claim: &Claim, now: Moment) -> Result<bool, TurnError> {
        let calendar = self.config.calendars.of(&claim.unit);
        if !calendar.is_quiet_day(calendar.date_of(now)) {
            return Ok(false);
        }
        let roles = self.store.roles_told(&claim.id).await?;
        // Corrections and what speaks of waiting approvals tell of no notice: who reads them decides.
        if roles.is_empty() {
            let head = Desk::Head.word();
            let is_to_head = self.store.sent(&claim.id).await?.is_some_and(|sent| sent.desk == head);
            return Ok(is_to_head || claim.unit == self.config.directory.office);
        }
        Ok(roles
            .iter()
            .any(|role| recipients::is_kept_back(&self.config, role, &claim.unit, now)))
    }

    /// Sends over one connection what comes, one mail after the other. Once a mail stalls on it it takes no more in this
    /// turn; none does once the turn is asked to end, or when the claims are too old.
    async fn mail(
        &self,
        lanes: &Lanes<Claim>,
        connection: &mut Option<Connection>,
        stalled: &mut bool,
        senders: Option<&Senders>,
        clock: &Clock<'_>,
    ) {
        while !*stalled && let Some(begun) = lanes.next().await {
            if self.pulse.is_stopping() || clock() >= begun.claimed_at + LEASE / 2 {
                lanes.hand_back(begun);
                break;
            }
            // A slow server may have let the window close meanwhile.
            if !self.is_in_window(&begun.mail, clock()) {
                lanes.hand_back(begun);
                continue;
            }
            // The server's own reports go to the sender; the letter says who wrote it.
            let sender = senders.and_then(|senders| senders.of(&begun.mail.id));
            let from = sender.as_deref().unwrap_or(&self.config.delivery.from_address);
            let answer = self.out.mail(connection, from, &begun.mail).await;
            self.pulse.beat();
            *stalled = has_stalled(&answer);
            lanes.answered(begun, answer);
        }
        lanes.leave();
    }

    /// Marks answers, where they are fresh also what they show of endpoints; and claims what comes next.
    async fn mark(
        &self,
        tried: &[(Claim, Answer)],
        is_fresh: bool,
        delivered: &mut Delivered,
        at: Moment,
        next: Option<&Wanted<'_>>,
    ) -> Result<Vec<Claim>, TurnError> {
        if tried.is_empty() && next.is_none() {
            return Ok(Vec::new());
        }
        let mut ends = Vec::with_capacity(tried.len());
        for (claim, answer) in tried {
            ends.push(self.settlement(claim, answer, at).await?);
        }
        let settlements: Vec<_> = tried.iter().map(|(claim, _)| claim).zip(&ends).collect();
        let failing = match tried.iter().any(|(claim, _)| claim.channel == Channel::Webhook) {
            true => self.store.failing_endpoints().await?,
            false => FailingEndpoints::default(),
        };
        let posted = if is_fresh { self.posted(tried, at) } else { Vec::new() };
        let disabling = posted.iter().map(|posted| self.disabling(posted, &failing, at));
        let disabling: Vec<_> = disabling.collect();
        let mut tx = self.store.begin().await?;
        let held = tx.settle_messages(&settlements, at).await?;
        for ((claim, answer), _) in tried.iter().zip(&held).filter(|(_, held)| **held) {
            for (address, why) in refused(claim, answer) {
                self.refused_at_once(&mut tx, claim, address, why, at).await?;
            }
        }
        for (posted, disabling) in posted.iter().zip(&disabling) {
            note_posted(&mut tx, posted, disabling.as_ref(), &failing, at).await?;
        }
        let claims = match next {
            Some(wanted) => tx.claim(wanted).await?,
            None => Vec::new(),
        };
        tx.commit().await?;
        for (((claim, answer), end), held) in tried.iter().zip(&ends).zip(held) {
            let class = answer.failure().map_or("", |why| why.kind.class());
            *delivered.by.entry((claim.channel, answer.word(), class)).or_default() += 1;
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
                _ => delivered.later += 1,
            }
            if let Answer::Accepted { refused, .. } = answer {
                for (address, why) in refused {
                    tracing::error!(mail = %claim.id, unit = %claim.unit, %address, %why, "the mail server refused one of several boxes; the others have the mail");
                }
            } else {
                tracing::warn!(mail = %claim.id, channel = claim.channel.word(), unit = %claim.unit, answer = end.answer, detail = %end.detail, "{} not accepted: {}", claim.id, end.detail);
            }
        }
        Ok(claims)
    }

    /// Whether an endpoint is to be disabled by what came of posts to it: it wants no more (410), or has taken nothing for
    /// days.
    fn disabling(&self, posted: &Posted<'_>, failing: &FailingEndpoints, at: Moment) -> Option<Disabling> {
        let Posted { endpoint, unit, .. } = posted;
        let last = posted.last_failure()?;
        let failures = || posted.answers.iter().filter_map(|answer| answer.failure());
        if let Some(why) = failures().find(|why| why.code == Some(410)) {
            return Some(Disabling {
                why: why.to_string(),
                letters: self.letters_or_none(endpoint, unit, None, at),
            });
        }
        let has_long_failed = |f: &&Failing| {
            f.goes_on(at) && at - f.since >= self.config.webhooks.disable_after && f.attempts >= FAILURES
        };
        let failing = failing.of(endpoint).filter(has_long_failed);
        let failing = failing.filter(|_| !posted.has_taken())?;
        let since = failing.since.with_timezone(&self.config.calendars.base().zone());
        let since = since.format("%Y-%m-%d %H:%M");
        Some(Disabling {
            why: format!("took nothing since {since}; the last answer: {last}"),
            letters: self.letters_or_none(endpoint, unit, Some((failing.since, last)), at),
        })
    }

    /// The letters about an endpoint. One that cannot be written keeps nothing else from being marked.
    fn letters_or_none(
        &self,
        endpoint: &Endpoint,
        unit: &str,
        failed: Option<(Moment, &Failure)>,
        at: Moment,
    ) -> Vec<NewMessage> {
        self.letters_about(endpoint, unit, failed, at).unwrap_or_else(|error| {
            tracing::error!(endpoint = %endpoint.id, unit, %error, "nobody hears by mail that the endpoint is disabled: {error}");
            Vec::new()
        })
    }

    /// To the unit's contact and to ops: an endpoint wants no more, or has failed since an instant.
    fn letters_about(
        &self,
        endpoint: &Endpoint,
        unit: &str,
        failed: Option<(Moment, &Failure)>,
        at: Moment,
    ) -> Result<Vec<NewMessage>, TurnError> {
        let on = self.config.calendars.base().date_of(at);
        let of = |unit| {
            let directory = &self.config.directory;
            directory.recipient(unit, Desk::Contact, None, None, on)
        };
        let (owner, ops) = (of(unit), of(OPS));
        let is_told_once = owner.unit == ops.unit;
        let mut letters = Vec::new();
        for recipient in [owner, ops].into_iter().skip(usize::from(is_told_once)) {
            let mut section = letter::bare_section(&self.config, &recipient, "endpoint-disabled", at);
            section.rule_title.clone_from(&endpoint.id);
            section.owner = Some(letter::unit_name(&self.config, unit, on));
            section.since = failed.map(|(since, _)| self.config.calendars.of(&recipient.unit).date_of(since));
            section.note = failed.map(|(_, last)| last.to_string());
            let alone = Alone {
                mode: Mode::Live,
                recipient: &recipient,
                sections: vec![section],
                matter: format!("endpoint|{}|{}", endpoint.id, recipient.unit),
                thread: &[],
                data_as_of: None,
                attachments: Vec::new(),
            };
            let (letter, _) = letter::alone(&self.config, &self.renderer, alone, at)?;
            letters.push(letter);
        }
        Ok(letters)
    }

    /// The longest that a message waits for its next attempt, but for its recipient's office hours.
    pub(super) fn longest_wait(&self) -> TimeDelta {
        let spans = self.config.delivery.retry.iter().copied();
        let longest = spans.max().unwrap_or(LONGEST_WAIT).max(LONGEST_WAIT);
        longest + longest / 5
    }

    /// The latest instant that a message can be put off to.
    pub(super) fn latest_attempt(&self, now: Moment) -> Moment {
        let by = now + self.longest_wait();
        let units = self.config.directory.units.iter().map(|unit| unit.id.as_str());
        let openings = units
            .chain([OPS])
            .map(|unit| recipients::schedule(&self.config, unit, None).opening_after(by));
        openings.max().unwrap_or(by)
    }

    /// For how long something has been tried: a mail while its recipient's window was open, a webhook round the clock.
    pub(super) fn tried_for(&self, channel: Channel, unit: &str, first: Moment, now: Moment) -> TimeDelta {
        match channel {
            Channel::Email => self.config.calendars.of(unit).working_time_between(first, now),
            Channel::Webhook => now - first,
        }
    }

    /// Whether all that a message says has been tried for as long as it is worth, through all the messages it was in.
    pub(super) async fn is_tried_enough(
        &self,
        message: &str,
        channel: Channel,
        unit: &str,
        now: Moment,
    ) -> Result<bool, TurnError> {
        let first = self.store.all_tried_since(message, now).await?;
        Ok(self.tried_for(channel, unit, first, now) >= self.config.delivery.give_up_after)
    }

    /// Why a message that nobody took is dead.
    pub(super) fn given_up(&self, channel: Channel) -> String {
        let hours = self.config.delivery.give_up_after.num_hours();
        match channel {
            Channel::Email => format!("given up after {hours} h of open window"),
            Channel::Webhook => format!("given up after {hours} h"),
        }
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
            Answer::Accepted { reply, refused } => {
                let not_to = refused
                    .iter()
                    .map(|(address, why)| format!("; not to {address}: {why}"));
                let detail = format!("{reply}{}", not_to.collect::<String>());
                return Ok(end(MessageState::Accepted, "accepted", detail));
            }
            // An endpoint that is there no more or wants no more: its notices go to the one that the unit has now, or by mail.
            Answer::Never { why } if claim.channel == Channel::Webhook => {
                return Ok(end(MessageState::Replaced, "never", why.to_string()));
            }
            Answer::Never { why } => return Ok(end(MessageState::Dead, "never", why.to_string())),
            Answer::Later { why, not_before } => (why, *not_before, false),
            Answer::Unknown { why } => (why, None, true),
        };
        let word = if unknown { "unknown" } else { "later" };
        if self.is_tried_enough(&claim.id, claim.channel, &claim.unit, now).await? {
            return Ok(Settlement {
                unknown,
                ..end(
                    MessageState::Dead,
                    word,
                    format!("{}: {why}", self.given_up(claim.channel)),
                )
            });
        }
        let wait = now + backoff(&self.config.delivery.retry, claim, unknown);
        let next = not_before.map_or(wait, |n| n.max(wait));
        let next = match why.is_full_box() {
            true => next.max(recipients::schedule(&self.config, &claim.unit, None).opening_after(now)),
            false => next,
        };
        let next = match self.keeps_window(claim, now) {
            true => self.config.calendars.of(&claim.unit).next_open(next),
            false => next,
        };
        Ok(Settlement {
            next_attempt_at: Some(next),
            unknown,
            ..end(MessageState::Waiting, word, why.to_string())
        })
    }
}

/// The claims of a batch that does not go out, and whether it could be claimed.
fn claims_of(batch: Result<Option<Batch>, TurnError>) -> (Vec<Claim>, Result<(), TurnError>) {
    match batch {
        Ok(batch) => (batch.map(|batch| batch.claims).unwrap_or_default(), Ok(())),
        Err(error) => (Vec::new(), Err(error)),
    }
}

/// The first that failed; what failed beside it is logged.
fn all_of<const N: usize>(ends: [Result<(), TurnError>; N]) -> Result<(), TurnError> {
    let mut first = Ok(());
    for end in ends {
        match (&first, end) {
            (Err(_), Err(error)) => tracing::error!(%error, "delivery failed otherwise too: {error}"),
            (Ok(()), failed) => first = failed,
            (Err(_), Ok(())) => {}
        }
    }
    first
}

/// The addresses that the mail server took no mail for, where it is clear which.
fn refused<'a>(claim: &'a Claim, answer: &'a Answer) -> Vec<(&'a str, &'a Failure)> {
    match (answer, claim.recipients.as_slice()) {
        (Answer::Accepted { refused, .. }, _) => refused.iter().map(|(address, why)| (address.as_str(), why)).collect(),
        (Answer::Never { why }, [only]) if why.kind.stage() == Some(Stage::Recipient) => vec![(only, why)],
        _ => Vec::new(),
    }
}

/// One mail, with an end to it however slowly the server answers.
pub(super) async fn attempt(smtp: &Smtp, connection: &mut Option<Connection>, from: &str, claim: &Claim) -> Answer {
    let longest = smtp.longest_attempt();
    let sent = timeout(longest, smtp.send(connection, from, &claim.recipients, &claim.body));
    sent.await.unwrap_or_else(|_| {
        let text = format!("the attempt was broken off after {} s", longest.as_secs_f64());
        Answer::Unknown {
            why: Failure::new(FailureKind::Timeout { stage: Stage::Final }, &text),
        }
    })
}

/// What an endpoint's answers change in what is known of it.
async fn note_posted(
    tx: &mut Tx,
    posted: &Posted<'_>,
    disabling: Option<&Disabling>,
    failing: &FailingEndpoints,
    at: Moment,
) -> Result<(), TurnError> {
    let Posted { endpoint, .. } = posted;
    match (disabling, posted.last_failure()) {
        (Some(Disabling { why, letters }), _) => {
            tx.endpoint_answered(&endpoint.id).await?;
            if tx.disable(endpoint, why, at).await? {
                tracing::error!(endpoint = %endpoint.id, %why, "the endpoint is disabled; nothing is posted to it while its url is the same");
                tx.compose(&letters.iter().collect::<Vec<_>>(), at).await?;
            }
        }
        (None, Some(last)) if !posted.has_taken() => {
            tx.endpoint_failed(endpoint, &last.to_string(), at).await?;
        }
        _ if failing.names(&endpoint.id) => tx.endpoint_answered(&endpoint.id).await?,
        _ => {}
    }
    Ok(())
}

/// An attempt with the counts at which it began and ended.
pub(super) struct Attempted {
    pub(super) began: usize,
    pub(super) ended: usize,
    pub(super) answer: Answer,
}

/// A refusal by policy is about the mail itself where the server took another one that came after it; else it may be about
/// all of ours (a blocklist, a limit that is reached), and is tried again.
pub(super) fn make_never_of_policy<'a>(attempts: impl Iterator<Item = &'a mut Attempted>) {
    let all: Vec<&mut Attempted> = attempts.collect();
    let taken = all.iter().filter(|a| a.answer.failure().is_none()).map(|a| a.began);
    let Some(last_taken) = taken.max() else { return };
    for attempt in all.into_iter().filter(|a| a.ended < last_taken) {
        if let Answer::Later { why, .. } = &attempt.answer
            && why.is_by_policy()
            && why
                .kind
                .stage()
                .is_some_and(|stage| !stage.is_before_any_mail() && stage != Stage::Mail)
        {
            attempt.answer = Answer::Never { why: why.clone() };
        }
    }
}

/// It cannot be put into an envelope, or not be posted, whoever is on the other side.
fn is_unsendable(answer: &Answer) -> bool {
    answer.failure().is_some_and(|why| why.kind == FailureKind::Unsendable)
}

/// The server has dealt with the mail, whatever it said of it.
pub(super) fn has_got_through(answer: &Answer) -> bool {
    !is_unsendable(answer) && !concerns_peer(answer)
}

/// The server let time pass or is not there: the next mail on this connection would fare the same.
fn has_stalled(answer: &Answer) -> bool {
    answer.failure().is_some_and(|why| {
        matches!(why.kind, FailureKind::Timeout { .. }) || why.kind.stage().is_some_and(Stage::is_before_any_mail)
    })
}

/// Not accepted, and for a reason that is the other side's.
fn concerns_peer(answer: &Answer) -> bool {
    answer.failure().is_some_and(|why| why.concerns() == Concerns::Peer)
}

/// The server has said no to whatever comes from us, or is not there. What it says of the recipient or the text of a single
/// message need not be about others.
fn takes_no_mail(answer: &Answer, are_several: bool) -> bool {
    let says_so = |why: &Failure| match why.kind {
        FailureKind::Refused { stage } => {
            are_several
                || stage.is_before_any_mail()
                || stage == Stage::Mail
                || why.code == Some(421)
                || why.asks_for_more()
        }
        kind => kind.stage().is_some_and(Stage::is_before_any_mail),
    };
    concerns_peer(answer) && answer.failure().is_some_and(says_so)
}

/// How long a message waits for its next attempt: by `delivery.retry`, each time with up to a fifth more so that retries
/// do not march in step. The share is taken from the message's id: the same message waits the same, different ones differ.
/// Where it may have arrived it waits as after two more attempts: each may make a copy.
fn backoff(retry: &[TimeDelta], claim: &Claim, unknown: bool) -> TimeDelta {
    let failures = usize::try_from(claim.attempts).unwrap_or(usize::MAX);
    let span = breaker::span(retry, failures.saturating_add(if unknown { 2 } else { 0 }));
    let seed: u64 = claim.id.bytes().fold(claim.attempts.unsigned_abs(), |h, b| {
        h.wrapping_mul(31).wrapping_add(b.into())
    });
    let share = i32::try_from(seed % 1000).unwrap_or(0);
    span + span * share / 5000
}
