//! Decide: for each ticket that changed or whose instant has come, evaluate and store, in batches.
//!
//! Atomic are one ticket's new row, memory, tellings, notices and next instant; a batch of tickets shares a
//! transaction, and the cursor moves in the transaction of its batch.

use std::collections::HashMap;

use super::observe::candidates;
use super::recipients::{self, Addressed, Recipients, Way, digest_of, goes_daily};
use super::{Engine, TurnError};
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::change::Change;
use crate::domain::deadline::{self, Known};
use crate::domain::evaluate::{self, Evaluation, Subject, evaluate};
use crate::domain::facts::{self, Context};
use crate::domain::notice::{Notice, NoticeState, Telling, TellingKey, Wait};
use crate::domain::obligation;
use crate::domain::rule::{Approver, Digest, Step};
use crate::domain::text::fold;
use crate::domain::ticket::{Memory, Status, Ticket};
use crate::source::Row;
use crate::store::StoreError;
use crate::store::forgotten::Unknown;
use crate::store::meta::{Meta, MetaMoment};
use crate::store::tellings::{Fate, Tell};
use crate::store::tickets::{Due, Kept};

/// Tickets evaluated in one transaction.
const BATCH: usize = 500;

/// How many batches of a turn are for tickets that an older generation of rules evaluated last. The rest is left to the
/// turns after it, so that what waits to go out does not wait for them all.
const SHARE: usize = 8;

/// The same in tickets.
pub(super) const SHARE_OF_TURN: i64 = (SHARE * BATCH) as i64;

/// A ticket to evaluate.
pub(super) enum Candidate {
    /// A row just read.
    Row(Box<Row>),
    /// A known ticket that is to be looked at.
    Due(Due),
}

impl Candidate {
    fn code(&self) -> &str {
        match self {
            Candidate::Row(row) => &row.ticket.code,
            Candidate::Due(due) => &due.code,
        }
    }
}

/// What taking rows in did.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) changed: usize,
    pub(super) decided: usize,
    /// The tickets as they are kept now, also those of which nothing was new.
    pub(super) kept: Vec<Kept>,
}

/// A ticket is kept as a row shows it.
fn shows(kept: &Kept, row: &Row) -> bool {
    kept.ticket == row.ticket && kept.updated_raw == row.updated_raw && kept.gone_at.is_none() && kept.missing == 0
}

/// What looking at tickets that were due did.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) tickets: usize,
    pub(super) decided: usize,
}

impl Engine {
    /// Takes rows in: classifies, remembers, evaluates and stores those that differ from what is known. With a cursor they are
    /// what has changed since one from before.
    pub(super) async fn take_rows(
        &self,
        meta: &Meta,
        rows: Vec<Row>,
        cursor: Option<Moment>,
        now: Moment,
    ) -> Result<Taken, TurnError> {
        let mut taken = Taken::default();
        let rows = match cursor {
            Some(_) if !self.source.shows_all_changes() => self.without_known(rows).await?,
            _ => rows,
        };
        let cursor = cursor.filter(|cursor| meta.cursor.is_none_or(|before| before < *cursor));
        let mut list = candidates(rows).into_iter().peekable();
        if let Some(cursor) = cursor.filter(|_| list.peek().is_none()) {
            let mut tx = self.begin_deciding().await?;
            tx.put_moments(&[(MetaMoment::Cursor, cursor)]).await?;
            tx.commit().await?;
        }
        while list.peek().is_some() {
            let batch: Vec<Candidate> = list.by_ref().take(BATCH).collect();
            let last = list.peek().is_none();
            let done = self.decide_batch(meta, batch, cursor.filter(|_| last), now).await?;
            self.pulse.beat();
            taken.changed += done.changed;
            taken.decided += done.decided;
            taken.kept.extend(done.kept);
        }
        Ok(taken)
    }

    /// Rows without those of which nothing is new. What came within the overlap is read again each turn, and the last change
    /// as long as there is no other: where all is known nothing need be begun.
    async fn without_known(&self, mut rows: Vec<Row>) -> Result<Vec<Row>, StoreError> {
        let codes: Vec<String> = rows.iter().map(|row| row.ticket.code.clone()).collect();
        let kept = self.store.tickets(&codes).await?;
        rows.retain_mut(|row| {
            self.classify(row);
            !kept.get(&row.ticket.code).is_some_and(|kept| shows(kept, row))
        });
        Ok(rows)
    }

    /// What rules propose of a ticket. Of the past only that is known, not the texts.
    fn classify(&self, row: &mut Row) {
        if row.ticket.duty.is_none() {
            let proposed = self.config.rules.propose(&row.ticket, &row.texts);
            row.ticket.proposed = proposed.or(row.ticket.proposed.take());
        }
    }

    /// Evaluates the tickets whose instant has come and those that an older generation of rules evaluated last, where there
    /// are any.
    pub(super) async fn decide_due(&self, meta: &Meta, has_outdated: bool, now: Moment) -> Result<Looked, TurnError> {
        let mut looked = Looked::default();
        let mut may_be_due = true;
        let mut share = SHARE;
        loop {
            let mut due = match may_be_due {
                true => self.store.due(now, BATCH).await?,
                false => Vec::new(),
            };
            // What is evaluated now is due later.
            may_be_due = due.len() == BATCH;
            if due.is_empty() {
                if has_outdated {
                    due = self.store.outdated(meta.generation, BATCH).await?;
                }
                if due.is_empty() {
                    self.all_evaluated(meta, now).await?;
                } else if share == 0 {
                    return Ok(looked);
                }
                share = share.saturating_sub(1);
            }
            if due.is_empty() || self.pulse.is_stopping() {
                return Ok(looked);
            }
            looked.tickets += due.len();
            let batch = due.into_iter().map(Candidate::Due).collect();
            looked.decided += self.decide_batch(meta, batch, None, now).await?.decided;
            self.pulse.beat();
        }
    }

    /// Notes that all tickets have been evaluated by the configuration in force.
    async fn all_evaluated(&self, meta: &Meta, now: Moment) -> Result<(), TurnError> {
        let is_open = |change: &Change| change.evaluated_at.is_none();
        if !meta.change.as_ref().is_some_and(is_open) {
            return Ok(());
        }
        let mut tx = self.begin_deciding().await?;
        if let Some(mut change) = tx.change().await?.filter(is_open) {
            change.evaluated_at = Some(now);
            tx.put_change(&change).await?;
            tx.commit().await?;
            tracing::info!(
                lapsed = change.lapsed,
                moved = change.moved,
                "all tickets are evaluated by the changed configuration: {}",
                change.notices()
            );
        }
        Ok(())
    }

    async fn decide_batch(
        &self,
        meta: &Meta,
        batch: Vec<Candidate>,
        cursor: Option<Moment>,
        now: Moment,
    ) -> Result<Taken, TurnError> {
        let codes: Vec<String> = batch.iter().map(|c| c.code().to_owned()).collect();
        let rule_since = |id: &str| self.taken_up.rules.get(id).copied();
        let modes = self.taken_up.modes(&self.config);
        let fresh = self.source_is_fresh(meta, now);
        let context = self.context(meta, now);
        let mut recipients = Recipients::new(&self.config, self.disabled.clone(), now);
        let mut taken = Taken::default();
        let mut saved = Vec::new();
        let mut fates = Vec::new();
        let mut tells = Vec::new();
        let mut settled: HashMap<TellingKey, Vec<i64>> = HashMap::new();
        let (mut lapsed, mut moved) = (0, 0);
        let mut tx = self.begin_deciding().await?;
        let woken = batch.iter().filter_map(|candidate| match candidate {
            Candidate::Due(due) if due.is_woken => Some(due.code.clone()),
            _ => None,
        });
        tx.heeded(&woken.collect::<Vec<_>>()).await?;
        // Within the transaction: an answer that another process records meanwhile would wake a ticket in vain.
        let mut kept = tx.tickets(&codes).await?;
        let is_unknown = |c: &&Candidate| matches!(c, Candidate::Row(_)) && !kept.contains_key(c.code());
        let unknown: Vec<String> = batch.iter().filter(is_unknown).map(|c| c.code().to_owned()).collect();
        // Somebody may have pruned or forgotten since the turn began.
        let Unknown { forgotten, kept_from } = match unknown.is_empty() {
            true => Unknown {
                kept_from: context.kept_from,
                ..Unknown::default()
            },
            false => tx.unknown(&unknown).await?,
        };
        let context = Context { kept_from, ..context };
        let mut looked_at = Vec::with_capacity(batch.len());
        for candidate in batch {
            let mut before = kept.remove(candidate.code());
            let (after, is_new_row) = match candidate {
                Candidate::Row(row) if forgotten.contains(&row.ticket.code) => continue,
                Candidate::Row(row) => match self.take_in(*row, &mut before, &context, meta, now) {
                    Some(after) => (after, true),
                    None => {
                        taken.kept.extend(before);
                        continue;
                    }
                },
                Candidate::Due(_) => match &before {
                    Some(kept) => (self.follow(kept, &context, meta, now), false),
                    None => continue,
                },
            };
            looked_at.push((before, after, is_new_row));
        }
        // Of most rows that are read again nothing is new, and what was told of them does not matter.
        let codes: Vec<String> = looked_at.iter().map(|(_, a, _)| a.ticket.code.clone()).collect();
        let mut tellings = tx.tellings(&codes).await?;
        for (before, mut after, is_new_row) in looked_at {
            let known = tellings.remove(&after.ticket.code).unwrap_or_default();
            let subject = Subject {
                ticket: &after.ticket,
                memory: &after.memory,
                known: &known,
                rule_since: &rule_since,
                source_is_fresh: fresh,
                mode: modes.of(&after.memory),
                mode_since: modes.since(&after.memory),
                is_live: &|unit| modes.is_live(unit),
            };
            let found = match after.gone_at {
                Some(since) => evaluate::evaluate_gone(&known, &context, since),
                None => evaluate(&subject, &context, now),
            };
            // A next instant that is not ahead would have the batch go round for ever.
            after.next_at = found.next.map(|next| next.max(now + chrono::TimeDelta::seconds(1)));
            taken.decided += found.tell.len();
            let chances = Chances {
                ticket: &after.ticket,
                memory: &after.memory,
                context: &context,
                meta,
                now,
            };
            for (telling, by) in &found.settled {
                settled.entry(by.clone()).or_default().push(*telling);
            }
            let was_generation = before.as_ref().map_or(meta.generation, |b| b.generation);
            let waiting = still_waiting(&known, &found);
            for by in &found.unsettle {
                tx.unsettle(*by).await?;
            }
            let rules_changed = was_generation != meta.generation;
            for telling in &known {
                let lapsing = telling.notices.iter().filter(|n| found.lapse.contains(&n.id));
                let removed = evaluate::removed(&telling.key, &context);
                let fate = removed.map_or(Fate::Lapsed, Fate::Removed);
                let before = fates.len();
                fates.extend(lapsing.map(|notice| (notice.id, fate)));
                lapsed += if rules_changed && removed.is_none() {
                    fates.len() - before
                } else {
                    0
                };
            }
            fates.extend(self.revived(&found, &known, &chances, &mut recipients));
            tells.extend(self.to_tell(found, &known, &chances, &mut recipients));
            for (telling, notice) in waiting {
                // Other rules find other instants for all; otherwise the week's list lets go of what has become late.
                let is_weekly = || {
                    let digest = digest_of(&self.config, &telling.key.rule, &after.ticket);
                    matches!(digest, Digest::Week { .. })
                };
                if !rules_changed && !is_weekly() {
                    continue;
                }
                let to = Addressed::known(telling, notice, &known);
                let at = chance(&self.config, &to, &chances, &mut recipients);
                moved += usize::from(rules_changed && notice.compose_at != Some(at));
                if rules_changed || notice.compose_at.is_some_and(|before| at < before) {
                    fates.push((notice.id, Fate::Postponed(at, Wait::Hours)));
                }
            }
            taken.changed += usize::from(is_new_row);
            saved.push((before, after));
        }
        tx.save_tickets(&saved, now).await?;
        tx.befall(&fates, now).await?;
        let ids = tx.tell(&tells, now).await?;
        let mut endings = Vec::new();
        for (tell, id) in tells.iter().zip(ids) {
            let (Some(id), key) = (id, &tell.telling.key) else {
                continue;
            };
            tracing::debug!(ticket = %key.ticket, rule = %key.rule, step = %key.step, repetition = key.repetition, "decided to tell");
            endings.extend(settled.get(key).into_iter().flatten().map(|telling| (*telling, id)));
        }
        tx.settle(&endings).await?;
        if lapsed + moved > 0
            && let Some(mut change) = tx.change().await?
        {
            change.lapsed += i64::try_from(lapsed).unwrap_or(i64::MAX);
            change.moved += i64::try_from(moved).unwrap_or(i64::MAX);
            tx.put_change(&change).await?;
        }
        if let Some(cursor) = cursor {
            tx.put_moments(&[(MetaMoment::Cursor, cursor)]).await?;
        }
        tx.commit().await?;
        taken.kept.extend(saved.into_iter().map(|(_, after)| after));
        Ok(taken)
    }

    /// A row just read beside what is known; `None` where nothing differs. One whose records have been pruned stays unknown,
    /// since nothing of it is news; is it open again, then what it was before is reckoned.
    pub(super) fn take_in(
        &self,
        mut row: Row,
        before: &mut Option<Kept>,
        context: &Context<'_>,
        meta: &Meta,
        now: Moment,
    ) -> Option<Kept> {
        self.classify(&mut row);
        if before.as_ref().is_some_and(|before| shows(before, &row)) {
            return None;
        }
        let Row {
            ticket, updated_raw, ..
        } = row;
        let on = self.config.calendars.base().date_of(now);
        let lead = self.lead(&ticket, on);
        if let (None, Some(kept_from)) = (&before, context.kept_from) {
            if ticket.was_over_before(kept_from) {
                return None;
            }
            if ticket.status.is_open() && ticket.received_at < kept_from {
                let (ticket, memory) = Memory::before_reopening(&ticket, lead.as_deref(), now);
                *before = Some(Kept {
                    ticket,
                    memory,
                    updated_raw: None,
                    next_at: None,
                    generation: meta.generation,
                    missing: 0,
                    gone_at: None,
                });
            }
        }
        let before = before.as_ref();
        let succession = |old: &str, new: &str| self.config.directory.is_succession(old, new, on);
        let mut memory = Memory::after(
            before.map(|b| (&b.ticket, &b.memory)),
            &ticket,
            lead.as_deref(),
            succession,
            now,
        );
        remember_deadline(before, &ticket, &mut memory, context);
        Some(Kept {
            ticket,
            memory,
            updated_raw,
            next_at: None,
            generation: meta.generation,
            missing: 0,
            gone_at: None,
        })
    }

    /// A known ticket under today's directory and mapping.
    pub(super) fn follow(&self, kept: &Kept, context: &Context<'_>, meta: &Meta, now: Moment) -> Kept {
        let mut after = kept.clone();
        after.generation = meta.generation;
        let on = self.config.calendars.base().date_of(now);
        let lead = self.lead(&kept.ticket, on);
        let succession = |old: &str, new: &str| self.config.directory.is_succession(old, new, on);
        // Its status word may mean something else by now.
        if kept.ticket.duty.is_some() {
            obligation::reckon(
                &mut after.ticket,
                self.config.monthly.reading,
                self.config.calendars.base(),
            );
        } else {
            let status = self.config.source.status.get(&fold(&kept.ticket.status_word)).copied();
            after.ticket.status_mapped = status.is_some();
            after.ticket.status = status.unwrap_or(Status::Open);
        }
        if context.rules.classify.is_empty() {
            after.ticket.proposed = None;
        }
        let before = (&kept.ticket, &kept.memory);
        after.memory = Memory::after(Some(before), &after.ticket, lead.as_deref(), succession, now);
        remember_deadline(Some(kept), &after.ticket, &mut after.memory, context);
        after
    }

    /// The unit that a ticket's agency means; an obligation names it by its id.
    fn lead(&self, ticket: &Ticket, on: chrono::NaiveDate) -> Option<String> {
        if ticket.duty.is_some() {
            let unit = |id: &String| {
                self.config
                    .directory
                    .unit(id)
                    .map_or_else(|| id.clone(), |unit| unit.id.clone())
            };
            return ticket.agency.as_ref().map(unit);
        }
        ticket
            .agency
            .as_deref()
            .and_then(|word| self.config.directory.find(word, on))
            .map(|u| u.id.clone())
    }

    /// The lapsed notices that wait again, each from its own instant on.
    fn revived(
        &self,
        found: &Evaluation,
        known: &[Telling],
        chances: &Chances<'_>,
        recipients: &mut Recipients<'_>,
    ) -> Vec<(i64, Fate)> {
        let notices = known.iter().flat_map(|t| t.notices.iter().map(move |n| (t, n)));
        let revived = notices.filter(|(_, notice)| found.revive.contains(&notice.id));
        let fate = |(telling, notice): (&Telling, &Notice)| {
            let to = Addressed::known(telling, notice, known);
            let at = chance(&self.config, &to, chances, recipients);
            (notice.id, Fate::Revived(at))
        };
        revived.map(fate).collect()
    }

    /// What is to be told now, with the instants from which it can be composed.
    fn to_tell(
        &self,
        found: Evaluation,
        known: &[Telling],
        chances: &Chances<'_>,
        recipients: &mut Recipients<'_>,
    ) -> Vec<Tell> {
        let tells = found.tell.into_iter().map(|telling| {
            let compose_at = telling
                .notices
                .iter()
                .map(|n| {
                    let to = Addressed::new(&telling, n, known);
                    chance(&self.config, &to, chances, recipients)
                })
                .collect();
            Tell { telling, compose_at }
        });
        tells.collect()
    }

    pub(super) fn is_urgent(&self, rule: &str, step: &str) -> bool {
        is_urgent(&self.config, rule, step)
    }

    pub(super) fn approver(&self, rule: &str, step: &str) -> Option<Approver> {
        approver(&self.config, rule, step)
    }
}

fn step_of<'a>(config: &'a Config, rule: &str, step: &str) -> Option<&'a Step> {
    let rule = config.rules.named(rule)?;
    rule.steps.iter().find(|s| s.id == step)
}

pub(super) fn is_urgent(config: &Config, rule: &str, step: &str) -> bool {
    step_of(config, rule, step).is_some_and(|s| s.urgent)
}

/// Who has to approve what a step tells.
pub(super) fn approver(config: &Config, rule: &str, step: &str) -> Option<Approver> {
    step_of(config, rule, step).and_then(|s| s.approve)
}

/// When a notice can be composed: its recipient's next digest, or the opening of the window; for an endpoint at once.
pub(super) fn chance(
    config: &Config,
    to: &Addressed<'_>,
    chances: &Chances<'_>,
    recipients: &mut Recipients<'_>,
) -> Moment {
    let Chances {
        ticket,
        memory,
        context,
        now,
        ..
    } = *chances;
    let key = to.key;
    if is_urgent(config, &key.rule, &key.step) {
        return now;
    }
    let recipient = match recipients.way(to, ticket) {
        Way::Mail(recipient) => recipient,
        Way::Post(recipient, endpoint) if endpoint.window => {
            return config.calendars.of(&recipient.unit).next_open(now);
        }
        Way::Post(..) | Way::MailOnly(_) => return now,
    };
    let digest = digest_of(config, &key.rule, ticket);
    let daily = goes_daily(digest, |when| facts::holds(when, ticket, memory, context, now));
    recipients::schedule(config, &recipient.unit, chances.meta.last_composed_at).chance(digest, daily, now)
}

/// What the choice of an instant for a ticket's notices looks at.
pub(super) struct Chances<'a> {
    pub(super) ticket: &'a Ticket,
    pub(super) memory: &'a Memory,
    pub(super) context: &'a Context<'a>,
    pub(super) meta: &'a Meta,
    pub(super) now: Moment,
}

fn remember_deadline(before: Option<&Kept>, ticket: &Ticket, memory: &mut Memory, context: &Context<'_>) {
    let before = before.map(|kept| Known {
        ticket: &kept.ticket,
        memory: &kept.memory,
        calendar: context.calendar(&kept.memory),
    });
    let row = Known {
        ticket,
        memory,
        calendar: context.calendar(memory),
    };
    let (first, name) = deadline::remember(before, row, context.rules);
    (memory.first_deadline, memory.policy_date) = (first, name);
}

/// Notices that wait on: their digest, window or recipient is another under a changed configuration. What was tried
/// before keeps its instant: it goes out with whatever message comes next.
fn still_waiting<'a>(known: &'a [Telling], found: &Evaluation) -> Vec<(&'a Telling, &'a Notice)> {
    known
        .iter()
        .flat_map(|t| t.notices.iter().map(move |n| (t, n)))
        .filter(|(_, n)| {
            n.state == NoticeState::Waiting
                && n.wait != Wait::Brake
                && n.first_attempt_at.is_none()
                // What ops sent or released is due at any turn.
                && n.compose_at != Some(Moment::UNIX_EPOCH)
                && !found.lapse.contains(&n.id)
        })
        .collect()
}
