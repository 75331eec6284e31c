//! Audit: every ticket as the source shows it now is evaluated anew and held against what is recorded of it.
//!
//! It asks neither the cursor, nor when a ticket was to be looked at again, nor by which rules it was last evaluated, so
//! that it finds what these have lost. Rows are read, decoded, classified and followed by the very functions of a turn,
//! page by page; nothing is written but, by the daemon, what came of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use chrono::TimeDelta;

use super::deliver::LEASE;
use super::explain::as_known_at;
use super::modes::Modes;
use super::recipients::{self, Addressed, Recipients, Way, digest_of};
use super::{Clock, Engine, ReadError, TurnError, bounces, holds, rules_since};
use crate::domain::Moment;
use crate::domain::alarm::AlarmKind;
use crate::domain::audit::{Excuse, Fault, Found, Owed, owed};
use crate::domain::evaluate::Subject;
use crate::domain::facts::Context;
use crate::domain::notice::{Notice, NoticeState, Telling, TellingKey, Wait};
use crate::domain::obligation;
use crate::domain::rule::{Channel, Digest};
use crate::domain::ticket::Ticket;
use crate::domain::time::Span;
use crate::source::{Row, SourceError};
use crate::store::StoreError;
use crate::store::meta::{LastAudit, Meta};
use crate::store::outbox::MessageState;
use crate::store::tickets::Kept;

/// Findings that are named; all are counted.
const NAMED: usize = 1000;

/// Findings that the daemon's log names.
const LOGGED: usize = 20;

/// Messages and tickets looked at together.
const PAGE: i64 = 500;

/// How long a nightly audit that failed is left alone: it reads all tickets.
const AGAIN: TimeDelta = TimeDelta::minutes(30);

/// Sweeps are nightly: one that is older has been left out.
pub const NIGHT: TimeDelta = TimeDelta::hours(26);

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("the ticket database cannot be read, so nothing can be said of it: {0}")]
    Source(#[from] SourceError),
    #[error("no turn has been taken yet; there is nothing to hold the tickets against")]
    NoTurn,
    #[error(
        "no turn has ended under the configuration as it is in the files; run it again once the daemon has taken them up (`dondoc reload`) and a turn has ended (`dondoc status`)"
    )]
    NotInForce,
    #[error("asked to stop before all tickets were looked at")]
    Stopping,
    #[error(transparent)]
    Turn(TurnError),
}

impl From<TurnError> for AuditError {
    fn from(error: TurnError) -> Self {
        AuditError::Turn(error)
    }
}

impl From<StoreError> for AuditError {
    fn from(error: StoreError) -> Self {
        AuditError::Turn(error.into())
    }
}

impl From<ReadError> for AuditError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Source(error) => AuditError::Source(error),
            ReadError::Turn(error) => AuditError::Turn(error),
            ReadError::Stopping => AuditError::Stopping,
        }
    }
}

/// An audit that was due and could not be taken.
pub(super) struct AuditFailure {
    pub(super) at: Moment,
    pub(super) why: String,
}

/// Something that is owed, or lies where it should not, without a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub fault: Fault,
    pub code: Option<String>,
    pub rule: Option<String>,
    pub step: Option<String>,
    pub message: Option<String>,
    /// At least since then.
    pub since: Moment,
}

impl Finding {
    fn of_ticket(fault: Fault, code: &str, since: Moment) -> Finding {
        Finding {
            fault,
            code: Some(code.to_owned()),
            rule: None,
            step: None,
            message: None,
            since,
        }
    }

    fn of_telling(fault: Fault, key: &TellingKey, since: Moment) -> Finding {
        Finding {
            rule: Some(key.rule.clone()),
            step: Some(key.step.clone()),
            ..Finding::of_ticket(fault, &key.ticket, since)
        }
    }

    fn of_message(fault: Fault, id: &str, since: Moment) -> Finding {
        Finding {
            fault,
            code: None,
            rule: None,
            step: None,
            message: Some(id.to_owned()),
            since,
        }
    }
}

/// What an audit came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    pub at: Moment,
    /// Closed tickets that were last touched before it were not looked at.
    pub since: Moment,
    /// What came up after it is left to the next turns.
    pub before: Moment,
    pub last_turn_at: Option<Moment>,
    /// Tickets looked at.
    pub checked: usize,
    pub findings: Vec<Finding>,
    /// Findings that are not named.
    pub more: usize,
    /// What waits for a reason, by the reason.
    pub held: BTreeMap<Excuse, usize>,
}

impl Audit {
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.findings.len() + self.more
    }

    fn find(&mut self, finding: Finding) {
        match self.findings.len() < NAMED {
            true => self.findings.push(finding),
            false => self.more += 1,
        }
    }

    fn excuse(&mut self, excuse: Excuse, count: usize) {
        if count > 0 {
            *self.held.entry(excuse).or_default() += count;
        }
    }
}

/// What all tickets are held against.
struct Look<'a> {
    meta: &'a Meta,
    context: Context<'a>,
    modes: Modes<'a>,
    rule_since: &'a dyn Fn(&str) -> Option<Moment>,
    is_fresh: bool,
    /// Alarms that ops have been told of.
    sweep_is_held: bool,
    mail_is_refused: bool,
    before: Moment,
    now: Moment,
}

impl Look<'_> {
    /// Whether ops held all sending within the grace.
    fn was_paused(&self) -> bool {
        let resumed = self.meta.resumed_at;
        self.meta.paused.is_some() || resumed.is_some_and(|at| self.before < at && at <= self.now)
    }

    /// Since when sweeps have been left out that would have found what leaves no trace in `updated_at`.
    fn unswept_since(&self) -> Option<Moment> {
        let last = self.meta.last_sweep_at.or(self.meta.first_turn_at)?;
        (last + NIGHT < self.now && last <= self.before).then_some(last)
    }
}

/// How a row is, beside what is known of its ticket.
enum Shown {
    /// As it is known, or otherwise without a trace that a turn would follow.
    Followed,
    /// Otherwise, at least since then where that can be told.
    Otherwise(Option<Moment>),
    /// What is known is newer: it has changed since it was read.
    Overtaken,
}

impl Engine {
    /// Goes through the source's tickets that are open or were touched since an instant, the start of the period before
    /// this one where none is given. Nothing is written.
    ///
    /// # Errors
    /// Why nothing can be said, or not of all.
    pub async fn audit(&mut self, since: Option<Moment>, now: Moment) -> Result<Audit, AuditError> {
        let meta = self.as_it_goes(self.store.meta().await?);
        if meta.first_turn_at.is_none() {
            return Err(AuditError::NoTurn);
        }
        let is_taken_up = meta.config_loaded_at <= meta.last_turn_at || meta.config_loaded_at > Some(now);
        if meta.fingerprint.as_deref() != Some(self.config.fingerprint.as_str()) || !is_taken_up {
            return Err(AuditError::NotInForce);
        }
        self.config = Arc::new(bounces::in_force(&self.configured, &self.store, now).await?);
        let config = Arc::clone(&self.config);
        let before = match config.audit.grace {
            Span::WorkingTime(time) => config.calendars.base().add_working_time(now, -time),
            Span::Elapsed(time) => now - time,
            Span::WorkingDays(_) | Span::CalendarDays(_) => now,
        };
        let newest = self.read(async |source| source.newest(now).await).await?;
        let shown = Meta {
            newest_update: newest.at.or(meta.newest_update),
            ..meta.clone()
        };
        // What the last turn took for stale stood still for it.
        let was_fresh = |last| last < before || self.source_is_fresh(&meta, last);
        let alarms = self.store.alarms().await?;
        let holds = |kind| alarms.iter().any(|a| a.kind == kind && a.cleared_at.is_none());
        let in_force_since = rules_since(&self.store).await?;
        let look = Look {
            is_fresh: self.source_is_fresh(&shown, now) && meta.last_turn_at.is_none_or(was_fresh),
            context: super::context(&config, &meta, now),
            modes: Modes::read(&config, &self.store).await?,
            rule_since: &|id| in_force_since.get(id).copied(),
            sweep_is_held: holds(AlarmKind::Implausible),
            mail_is_refused: holds(AlarmKind::MailRefused),
            meta: &meta,
            before,
            now,
        };
        let mut audit = Audit {
            at: now,
            since: since.unwrap_or_else(|| self.previous_period(now)),
            before,
            last_turn_at: meta.last_turn_at,
            checked: 0,
            findings: Vec::new(),
            more: 0,
            held: BTreeMap::new(),
        };
        self.look_at_tickets(&look, &mut audit).await?;
        self.look_at_notices(&look, &mut audit).await?;
        self.look_at_messages(&look, &mut audit).await?;
        Ok(audit)
    }

    async fn look_at_tickets(&self, look: &Look<'_>, audit: &mut Audit) -> Result<(), AuditError> {
        let mut after = None;
        loop {
            let batch = self.config.source.batch;
            let page = self
                .read(async |source| source.first_read(after.as_ref(), audit.since, batch).await)
                .await?;
            after.clone_from(&page.next);
            audit.excuse(Excuse::Unreadable, page.rejected.iter().map(|r| r.rows).sum());
            let shown = page.rows.len();
            let page = self.without_forgotten(page).await?;
            audit.excuse(Excuse::Forgotten, shown - page.rows.len());
            audit.checked += page.rows.len();
            self.look_at_rows(page.rows, look, audit).await?;
            self.keep_term().await?;
            if after.is_none() {
                break;
            }
        }
        // What is owed by directives stands in our own register, and is told by the same ladders.
        for period in self.store.obligation_periods().await? {
            let owed = self.store.obligations(period).await?;
            let rows: Vec<Row> = owed.iter().map(|obligation| self.row(obligation)).collect();
            audit.checked += rows.len();
            self.look_at_rows(rows, look, audit).await?;
            self.keep_term().await?;
        }
        Ok(())
    }

    /// A page more has been looked at; the one that decides says that it is there.
    async fn keep_term(&self) -> Result<(), AuditError> {
        self.go_on()?;
        if self.term.is_some() {
            self.begin_deciding().await?.commit().await?;
        }
        Ok(())
    }

    async fn look_at_rows(&self, rows: Vec<Row>, look: &Look<'_>, audit: &mut Audit) -> Result<(), AuditError> {
        let codes: Vec<String> = rows.iter().map(|row| row.ticket.code.clone()).collect();
        let kept = self.store.tickets(&codes).await?;
        let mut tellings = self.store.tellings(&codes).await?;
        self.look_at_carried(&tellings, look, audit).await?;
        let disabled = self.store.disabled_endpoints().await?;
        let mut recipients = Recipients::new(&self.config, disabled, look.now);
        for mut row in rows {
            let code = row.ticket.code.clone();
            if row.ticket.duty.is_none() {
                row.ticket.proposed = look.context.rules.propose(&row.ticket, &row.texts);
            }
            let Some(kept) = kept.get(&code) else {
                unknown(&row.ticket, look, audit);
                continue;
            };
            match shown(kept, &row, look) {
                Shown::Followed => {}
                Shown::Overtaken => {
                    audit.excuse(Excuse::JustChanged, 1);
                    continue;
                }
                Shown::Otherwise(since) => {
                    match since.filter(|since| *since <= look.before) {
                        Some(_) if look.sweep_is_held => audit.excuse(Excuse::SweepHeld, 1),
                        Some(since) => audit.find(Finding::of_ticket(Fault::UnseenChange, &code, since)),
                        None if kept.gone_at.is_some() => audit.excuse(Excuse::Absent, 1),
                        None => audit.excuse(Excuse::JustChanged, 1),
                    }
                    continue;
                }
            }
            let known = tellings.remove(&code).unwrap_or_default();
            let is_otherwise = kept.ticket != row.ticket;
            let mut after = match self.take_in(row, &mut Some(kept.clone()), &look.context, look.meta, look.now) {
                Some(after) => after,
                None => self.follow(kept, &look.context, look.meta, look.now),
            };
            after.memory.last_change_at = kept.memory.last_change_at;
            // A lead that only shows here has not just changed: nothing follows it.
            let is_pending = kept.generation != look.meta.generation
                && look.meta.config_loaded_at.is_some_and(|at| at > look.before);
            if !is_pending {
                after.memory.lead_since = kept.memory.lead_since;
            }
            let subject = Subject {
                ticket: &after.ticket,
                memory: &after.memory,
                known: &known,
                rule_since: look.rule_since,
                source_is_fresh: look.is_fresh,
                mode: look.modes.of(&after.memory),
                mode_since: look.modes.since(&after.memory),
                is_live: &|unit| look.modes.is_live(unit),
            };
            let told_by = || as_known_at(known.clone(), &HashMap::new(), look.before);
            let found = owed(&subject, &look.context, (look.before, told_by), look.now);
            judge(found, &after.ticket, &known, is_otherwise, look, audit);
            for telling in &known {
                for notice in &telling.notices {
                    self.look_at_waiting((telling, notice, &known), &after.ticket, look, &mut recipients, audit);
                }
            }
        }
        Ok(())
    }

    /// Finds the notices that are in a message which is not on its way.
    async fn look_at_carried(
        &self,
        tellings: &HashMap<String, Vec<Telling>>,
        look: &Look<'_>,
        audit: &mut Audit,
    ) -> Result<(), AuditError> {
        let all = carried(tellings, look.before);
        let messages: Vec<&str> = all.iter().filter_map(|(_, notice)| notice.message.as_deref()).collect();
        let states = self.store.message_states(&messages).await?;
        let is_adrift = |notice: &Notice| {
            let state = notice.message.as_ref().and_then(|id| states.get(id));
            state.is_none_or(|state| *state != on_its_way(notice.state).unwrap_or_default())
        };
        let adrift: Vec<(&Telling, &Notice)> = all.into_iter().filter(|(_, notice)| is_adrift(notice)).collect();
        // An answer may have come between the two looks.
        let codes: Vec<String> = adrift.iter().map(|(telling, _)| telling.key.ticket.clone()).collect();
        let again = self.store.tellings(&codes).await?;
        let again = carried(&again, look.before);
        for (telling, notice) in adrift.into_iter().filter(|(_, n)| again.iter().any(|(_, a)| a == n)) {
            audit.find(Finding {
                message: notice.message.clone(),
                ..Finding::of_telling(Fault::Adrift, &telling.key, notice.at)
            });
        }
        Ok(())
    }

    /// Counts what a notice waits for, and finds one that is put off for no reason.
    fn look_at_waiting(
        &self,
        (telling, notice, told): (&Telling, &Notice, &[Telling]),
        ticket: &Ticket,
        look: &Look<'_>,
        recipients: &mut Recipients<'_>,
        audit: &mut Audit,
    ) {
        match (notice.state, notice.wait) {
            (NoticeState::AwaitingApproval, _) => audit.excuse(Excuse::AwaitingApproval, 1),
            (NoticeState::Waiting, Wait::Silence(_)) => audit.excuse(Excuse::Silenced, 1),
            (NoticeState::Waiting, Wait::Acknowledgement(_)) => audit.excuse(Excuse::Acknowledged, 1),
            (NoticeState::Waiting, Wait::QuietDay) => audit.excuse(Excuse::QuietDay, 1),
            (NoticeState::Waiting, Wait::Brake) => audit.excuse(Excuse::StormBrake, 1),
            (NoticeState::Waiting, Wait::Hours | Wait::Rule | Wait::Step) => {
                let latest = self.latest_chance((telling, notice, told), ticket, look.now, recipients);
                if notice.at <= look.before && notice.compose_at.is_none_or(|at| at > latest) {
                    audit.find(Finding::of_telling(Fault::PutOff, &telling.key, notice.at));
                }
            }
            _ => {}
        }
    }

    /// By when a notice can be composed at the latest that waits for its recipient's digest or window: the one after the
    /// next, since the next may have been made.
    fn latest_chance(
        &self,
        (telling, notice, told): (&Telling, &Notice, &[Telling]),
        ticket: &Ticket,
        now: Moment,
        recipients: &mut Recipients<'_>,
    ) -> Moment {
        let unit = match recipients.way(&Addressed::known(telling, notice, told), ticket) {
            Way::Mail(recipient) | Way::Post(recipient, _) => recipient.unit,
            Way::MailOnly(_) => return Moment::MAX_UTC,
        };
        let schedule = recipients::schedule(&self.config, &unit, Some(now));
        let next = match digest_of(&self.config, &telling.key.rule, ticket) {
            Digest::Week { also_when } => {
                let digest = Digest::Week {
                    also_when: also_when.clone(),
                };
                schedule.chance(&digest, false, now)
            }
            Digest::Day | Digest::Ticket => schedule.chance(&Digest::Day, false, now),
        };
        // Days around a long closure may put it off once more.
        schedule.digest_after(schedule.digest_after(next))
    }

    /// Looks at the notices that could have gone into a message before the grace.
    async fn look_at_notices(&self, look: &Look<'_>, audit: &mut Audit) -> Result<(), AuditError> {
        let mut after = String::new();
        loop {
            let codes = self.store.tickets_with_due_notices(look.before, &after, PAGE).await?;
            let Some(last) = codes.last() else { break };
            after.clone_from(last);
            let page = self.read(async |source| source.by_code(&codes).await).await?;
            let rows = page.rows.iter().map(|row| row.ticket.code.as_str());
            let unreadable = page.rejected.iter().filter_map(|r| r.code.as_deref());
            // What is owed by directives is always there to be told.
            let own = codes
                .iter()
                .map(String::as_str)
                .filter(|code| obligation::is_code(code));
            let there: HashSet<&str> = rows.chain(unreadable).chain(own).collect();
            let kept = self.store.tickets(&codes).await?;
            let tellings = self.store.tellings(&codes).await?;
            let silences = self.store.silences(look.now).await?;
            let acknowledgements = self.store.acknowledgements(&codes).await?;
            let in_force = holds::read(&self.config, silences, acknowledgements);
            for (code, telling) in tellings
                .iter()
                .flat_map(|(code, all)| all.iter().map(move |t| (code, t)))
            {
                let late = telling.notices.iter().filter(|notice| {
                    let is_due = notice.compose_at.is_some_and(|at| at <= look.before);
                    is_due && notice.state == NoticeState::Waiting && notice.at <= look.before
                });
                for notice in late {
                    let held = kept.get(code).and_then(|kept| {
                        let about = (&kept.ticket, &kept.memory);
                        let to = (&*notice.role, &*notice.start);
                        holds::held(&in_force, &self.config, about, &telling.key, to, look.now)
                    });
                    if notice.wait == Wait::Brake {
                        // Counted with its ticket.
                    } else if look.was_paused() {
                        audit.excuse(Excuse::Paused, 1);
                    } else if let Some(held) = held {
                        let excuse = match held.wait() {
                            Wait::Acknowledgement(_) => Excuse::Acknowledged,
                            _ => Excuse::Silenced,
                        };
                        audit.excuse(excuse, 1);
                    } else if !there.contains(code.as_str()) {
                        audit.excuse(Excuse::Absent, 1);
                    } else {
                        let since = notice.compose_at.map_or(notice.at, |at| at.max(notice.at));
                        audit.find(Finding::of_telling(Fault::NotComposed, &telling.key, since));
                    }
                }
            }
            self.keep_term().await?;
        }
        Ok(())
    }

    /// Looks at the messages that could have been tried before the grace.
    async fn look_at_messages(&self, look: &Look<'_>, audit: &mut Audit) -> Result<(), AuditError> {
        let latest = self.latest_attempt(look.now);
        let mut position = (Moment::UNIX_EPOCH, String::new());
        loop {
            let after = (position.0, position.1.as_str());
            let due = (look.before, latest);
            let unsent = self.store.unsent(due, after, (look.now, LEASE), PAGE).await?;
            let Some(last) = unsent.last() else { break };
            position = (last.since(), last.id.clone());
            for message in &unsent {
                let is_mail = message.channel == Channel::Email.word();
                let since = message.since();
                let open = self
                    .config
                    .calendars
                    .of(&message.unit)
                    .working_time_between(since, look.now);
                let is_too_short = match self.config.audit.grace {
                    Span::WorkingTime(grace) => open < grace,
                    _ => open <= TimeDelta::zero(),
                };
                if look.was_paused() {
                    audit.excuse(Excuse::Paused, 1);
                } else if is_mail && look.mail_is_refused {
                    audit.excuse(Excuse::MailRefused, 1);
                } else if is_mail && !message.is_urgent() && is_too_short {
                    audit.excuse(Excuse::OutsideHours, 1);
                } else {
                    audit.find(Finding::of_message(Fault::NotSent, &message.id, since));
                }
            }
            self.pulse.beat();
        }
        Ok(())
    }

    /// Takes the nightly audit where it is due and this process leads; what the last one found. One that fails is tried
    /// again after half an hour.
    ///
    /// # Errors
    /// Why it could not be taken.
    pub async fn audit_nightly(&mut self, clock: &Clock<'_>) -> Result<Option<LastAudit>, AuditError> {
        let last = self.store.meta().await?.audit;
        let now = clock();
        // The clock may have gone back meanwhile.
        let failed_at = self.audit_failed.as_ref().map(|failed| failed.at);
        let has_just_failed = failed_at.is_some_and(|at| at <= now && now - at < AGAIN);
        if self.term.is_none() || has_just_failed || !self.audit_is_due(last.as_ref(), now) {
            return Ok(last);
        }
        let taken = self.take_audit(now).await;
        self.audit_failed = match &taken {
            Ok(_) | Err(AuditError::Stopping | AuditError::Turn(TurnError::Store(StoreError::Deposed))) => None,
            Err(why) => Some(AuditFailure {
                at: now,
                why: why.to_string(),
            }),
        };
        taken.map(Some)
    }

    async fn take_audit(&mut self, now: Moment) -> Result<LastAudit, AuditError> {
        let audit = self.audit(None, now).await?;
        for finding in audit.findings.iter().take(LOGGED) {
            let Finding {
                fault,
                code,
                rule,
                step,
                message,
                since,
            } = finding;
            let word = fault.word();
            tracing::error!(ticket = code, rule, step, message, %since, fault = word, "the audit found: {word}: {}", fault.advice());
        }
        let last = LastAudit {
            at: now,
            checked: audit.checked,
            findings: audit.count(),
        };
        match audit.is_clean() {
            true => tracing::info!(tickets = last.checked, "the audit is clean"),
            false => {
                tracing::error!(
                    tickets = last.checked,
                    findings = last.findings,
                    "the audit is not clean; `dondoc audit` lists what it found"
                );
            }
        }
        let mut tx = self.begin_deciding().await?;
        tx.put_audit(&last).await?;
        tx.commit().await?;
        Ok(last)
    }

    /// Whether the hour of the nightly audit has come since the last one.
    fn audit_is_due(&self, last: Option<&LastAudit>, now: Moment) -> bool {
        let Some(hour) = self.config.audit.at else {
            return false;
        };
        let base = self.config.calendars.base();
        let today = base.date_of(now);
        let hours = [today, today.pred_opt().unwrap_or(today)].map(|date| base.instant(date, hour));
        hours
            .iter()
            .any(|hour| *hour <= now && last.is_none_or(|last| last.at < *hour))
    }
}

/// Notices that have been in a message since before an instant.
fn carried(tellings: &HashMap<String, Vec<Telling>>, before: Moment) -> Vec<(&Telling, &Notice)> {
    let all = tellings.values().flatten();
    let notices = all.flat_map(|t| t.notices.iter().map(move |n| (t, n)));
    let carried = notices.filter(|(_, notice)| notice.at <= before && on_its_way(notice.state).is_some());
    carried.collect()
}

/// The state of the message that a notice in a state is in; `None` where it is in none, or that has ended.
fn on_its_way(state: NoticeState) -> Option<&'static str> {
    match state {
        NoticeState::Composed => Some(MessageState::Waiting.word()),
        NoticeState::AwaitingApproval => Some(MessageState::AwaitingApproval.word()),
        _ => None,
    }
}

/// When a row was touched last, as far as it says itself.
fn touched(ticket: &Ticket) -> Moment {
    ticket
        .updated_at
        .map_or(ticket.received_at, |at| at.max(ticket.received_at))
}

/// The source shows a ticket that is not known.
fn unknown(ticket: &Ticket, look: &Look<'_>, audit: &mut Audit) {
    let touched = touched(ticket);
    let since = look.meta.first_turn_at.map_or(touched, |first| first.max(touched));
    let was_pruned = look.context.kept_from.is_some_and(|from| ticket.was_over_before(from));
    if was_pruned || !ticket.status.is_open() && look.meta.horizon.is_some_and(|horizon| touched < horizon) {
        audit.excuse(Excuse::BeforeHorizon, 1);
    } else if since > look.before {
        audit.excuse(Excuse::JustChanged, 1);
    } else if look.sweep_is_held {
        audit.excuse(Excuse::SweepHeld, 1);
    } else {
        audit.find(Finding::of_ticket(Fault::UnknownTicket, &ticket.code, since));
    }
}

/// How a row is beside what is known of its ticket.
fn shown(kept: &Kept, row: &Row, look: &Look<'_>) -> Shown {
    let ticket = &row.ticket;
    if kept.gone_at.is_some() {
        return Shown::Otherwise(look.unswept_since());
    }
    if kept.updated_raw != row.updated_raw {
        // Where the row says none any more nothing is known of when.
        return match ticket.updated_at.is_some() && kept.ticket.updated_at > ticket.updated_at {
            true => Shown::Overtaken,
            false => Shown::Otherwise(ticket.updated_at.or_else(|| look.unswept_since())),
        };
    }
    // Sweeps look at the status too; what else changes without a trace is found here alone.
    match kept.ticket.status_word != ticket.status_word {
        true => Shown::Otherwise(look.unswept_since()),
        false => Shown::Followed,
    }
}

/// Puts what is owed of a ticket among the findings.
fn judge(found: Found, ticket: &Ticket, known: &[Telling], is_otherwise: bool, look: &Look<'_>, audit: &mut Audit) {
    audit.excuse(Excuse::StaleSource, found.stale);
    audit.excuse(Excuse::JustChanged, usize::from(found.has_just_changed));
    // Of a sensitive ticket only heads hear.
    let is_heard = |role: &str| !ticket.is_sensitive() || recipients::hears_of_sensitive(role);
    let heard = found
        .owed
        .into_iter()
        .filter(|owed| owed.roles.iter().any(|role| is_heard(role)));
    for Owed { fault, key, since, .. } in heard {
        let fault = match is_otherwise {
            true => Fault::UnseenChange,
            false => fault,
        };
        audit.find(Finding::of_telling(fault, &key, since));
    }
    let notices = known.iter().flat_map(|t| t.notices.iter().map(move |n| (t, n)));
    for (telling, notice) in notices.filter(|(_, notice)| found.returned.contains(&notice.id)) {
        if is_heard(&notice.role) {
            let since = notice.at.min(look.before);
            audit.find(Finding::of_telling(Fault::NotRevived, &telling.key, since));
        }
    }
}
