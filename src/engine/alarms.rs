//! Alarms: what a turn met with that ops must hear of, once, and again when it is over.
//!
//! What holds is compared with what is stored, so that neither a restart nor the next turn repeats anything. What is
//! new goes into one mail a turn, in ops' working hours unless it is urgent; a mail server that takes nothing is told by
//! the log and by ops' own command.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::TimeDelta;

use super::audit::{AuditFailure, NIGHT};
use super::letter::{self, Alone};
use super::observe::OTHER_WORDS;
use super::periods::Unbalanced;
use super::{Composed, Delivered, Engine, Observed, Problem, TurnError};
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::alarm::{AlarmKind, Seen};
use crate::domain::calendar::Calendar;
use crate::domain::directory::{Desk, OPS, Recipient};
use crate::domain::notice::Mode;
use crate::domain::rule::Channel;
use crate::domain::scrub;
use crate::domain::text::fold;
use crate::render::view::AlarmView;
use crate::store::StoreError;
use crate::store::alarms::Alarm;
use crate::store::meta::Meta;
use crate::store::outbox::NewMessage;
use crate::store::tickets::Kept;

/// Alarms of those that hold, and of those that are over, named in one mail; the rest are counted.
const NAMED: usize = 50;

/// Dead letters read at a time.
const LETTERS: usize = 200;

/// How far before the last look dead letters are looked for: processes that share a store have clocks of their own.
const LOOK_BACK: TimeDelta = TimeDelta::hours(1);

/// Open tickets looked at together.
const TICKETS: i64 = 500;

/// Longest word of a source that is quoted.
const MOST_WORD: usize = 60;

/// What one turn knows: what holds, and of which kinds it would have seen so.
#[derive(Default)]
pub(super) struct Watched {
    seen: BTreeSet<Seen>,
    judged: BTreeSet<AlarmKind>,
    /// Files of templates that a letter was made with.
    sound_templates: BTreeSet<String>,
    /// The last forgetting before alarms are read.
    forgets: Option<String>,
}

impl Watched {
    /// A turn that goes on by delivering only, since the clock is behind the last one.
    pub(super) fn clock_back(config: &Config, meta: &Meta) -> Watched {
        // Without a last turn the clock is behind none.
        let seen = meta.last_turn_at.map(|last| {
            let local = last.with_timezone(&config.calendars.base().zone());
            let detail = format!("the last turn was at {}", local.format("%H:%M:%S %d/%m/%Y"));
            Seen::new(AlarmKind::ClockBack, "", detail)
        });
        Watched {
            seen: seen.into_iter().collect(),
            judged: BTreeSet::from([AlarmKind::ClockBack]),
            forgets: meta.last_forgetting.clone(),
            ..Watched::default()
        }
    }

    /// What observing and composing met with.
    pub(super) fn prepared(
        config: &Config,
        meta: &Meta,
        observed: &Observed,
        composed: &Composed,
        audit_failed: Option<&AuditFailure>,
        unbalanced: Option<&Unbalanced>,
        now: Moment,
    ) -> Watched {
        let mut watched = Watched {
            forgets: meta.last_forgetting.clone(),
            ..Watched::default()
        };
        watched
            .judged
            .extend([AlarmKind::ClockBack, AlarmKind::ReloadRefused, AlarmKind::Storm]);
        watched.audited(config, meta, audit_failed, now);
        if let Some(unbalanced) = unbalanced {
            watched.judged.insert(AlarmKind::FiguresUnbalanced);
            for (period, violation) in unbalanced {
                watched.see(AlarmKind::FiguresUnbalanced, period, violation);
            }
        }
        if let Some(storm) = &meta.storm {
            let detail = format!("{} messages are held", storm.messages);
            watched.see(AlarmKind::Storm, "", &detail);
        }
        if let Some(why) = &meta.config_refused {
            let first = why.lines().next().unwrap_or_default();
            watched.see(AlarmKind::ReloadRefused, "", first);
        }
        let down = observed.problems.iter().find_map(|p| match p {
            Problem::SourceDown(why) => Some(why),
            _ => None,
        });
        match down {
            None => watched.judged.extend([AlarmKind::SourceDown, AlarmKind::SourceStale]),
            Some(why) => {
                let since = meta.source_read_at.or(meta.first_turn_at).unwrap_or(now);
                if now - since >= config.ops.source_down_after {
                    watched.see(AlarmKind::SourceDown, "", why);
                }
            }
        }
        if observed.has_swept {
            watched.judged.insert(AlarmKind::Implausible);
        }
        for problem in &observed.problems {
            match problem {
                Problem::Stale(_) => watched.see(AlarmKind::SourceStale, "", &problem.to_string()),
                Problem::Implausible { .. } | Problem::Replaced { .. } => {
                    watched.see(AlarmKind::Implausible, "", &problem.to_string());
                }
                Problem::UnmappedStatus { word, .. } if word != OTHER_WORDS => {
                    watched.see(AlarmKind::UnmappedStatus, &clipped(word), "")
                }
                _ => {}
            }
        }
        for word in &observed.unknown_agencies {
            watched.see(AlarmKind::UnknownAgency, &clipped(&scrub::agency(word)), "");
        }
        for failed in &composed.failed_templates {
            watched.see(AlarmKind::TemplateFailed, failed, "");
        }
        watched.sound_templates.clone_from(&composed.sound_templates);
        watched
    }

    /// What the last audit found, or that none has come to its end for longer than a night. Where nobody takes them nightly
    /// nothing is said of that.
    fn audited(&mut self, config: &Config, meta: &Meta, failed: Option<&AuditFailure>, now: Moment) {
        let last = meta.audit.as_ref();
        let since = last.map(|audit| audit.at).or(meta.first_turn_at);
        let failed = failed.zip(since).filter(|(_, since)| now - *since > NIGHT);
        match (failed, last) {
            _ if config.audit.at.is_none() => {}
            (Some((failure, since)), _) => {
                let since = since.with_timezone(&config.calendars.base().zone());
                let detail = format!("none since {}: {}", since.format("%H:%M %d/%m/%Y"), failure.why);
                self.see(AlarmKind::AuditFailed, "", &detail);
            }
            (None, Some(audit)) if audit.findings > 0 => {
                let detail = format!("{} findings; `dondoc audit` lists them", audit.findings);
                self.see(AlarmKind::AuditFailed, "", &detail);
            }
            // What failed before this process began fails again or not: that is seen with the first audit of it.
            (None, Some(audit)) if now - audit.at > NIGHT => return,
            (None, _) => {}
        }
        self.judged.insert(AlarmKind::AuditFailed);
    }

    /// What delivering met with.
    pub(super) fn delivered(&mut self, delivered: &Delivered) {
        if let Some(why) = &delivered.refused {
            self.see(AlarmKind::MailRefused, "", why);
        } else if delivered.by.keys().any(|(channel, ..)| *channel == Channel::Email) {
            self.judged.insert(AlarmKind::MailRefused);
        }
    }

    fn see(&mut self, kind: AlarmKind, subject: &str, detail: &str) {
        self.seen.insert(Seen::new(kind, subject, detail));
    }

    /// Whether an alarm that holds in the store is over, unless it is for the store to say.
    fn is_over(&self, alarm: &Alarm, is_changed: bool) -> bool {
        let holds = || {
            self.seen
                .iter()
                .any(|s| s.kind == alarm.kind && s.subject == alarm.subject)
        };
        match alarm.kind {
            AlarmKind::UnmappedStatus | AlarmKind::UnknownAgency | AlarmKind::DeadLetter => false,
            AlarmKind::TemplateFailed => (is_changed || self.sound_templates.contains(&alarm.subject)) && !holds(),
            kind => self.judged.contains(&kind) && !holds(),
        }
    }
}

/// Alarms about words of tickets.
#[derive(Default)]
struct Words {
    /// No open ticket bears them any more, or they are known.
    over: HashSet<i64>,
    /// Open tickets that do, where another one was remembered or none.
    witnesses: Vec<(i64, String)>,
}

impl Engine {
    /// Raises and ends alarms by what a turn met with, and makes the mail that tells ops; how many alarms hold, and
    /// whether a mail was made.
    pub(super) async fn watch(
        &mut self,
        mut watched: Watched,
        is_paused: bool,
        now: Moment,
    ) -> Result<(usize, bool), TurnError> {
        self.look_for_dead(&mut watched, now).await?;
        let known = self.store.alarms().await?;
        let is_of_letter = |alarm: &Alarm| alarm.kind == AlarmKind::DeadLetter && alarm.cleared_at.is_none();
        let let_go = match known.iter().any(is_of_letter) {
            true => self.store.alarms_of_letters_let_go().await?,
            false => Default::default(),
        };
        let words = self.words(&known, now).await?;
        let open = |seen: &Seen| {
            let is_it = |a: &&Alarm| a.cleared_at.is_none() && a.kind == seen.kind && a.subject == seen.subject;
            known.iter().find(is_it).is_some()
        };
        let new: Vec<&Seen> = watched.seen.iter().filter(|seen| !open(seen)).collect();
        let over: Vec<&Alarm> = known
            .iter()
            .filter(|alarm| alarm.cleared_at.is_none())
            .filter(|alarm| {
                watched.is_over(alarm, self.is_changed) || let_go.contains(&alarm.id) || words.over.contains(&alarm.id)
            })
            .collect();
        let mut texts = Vec::new();
        if !new.is_empty() || !over.is_empty() || !words.witnesses.is_empty() {
            let mut tx = self.begin_deciding().await?;
            // One that was forgotten since it was read is not named; the next turn looks again.
            if !self.has_forgotten(&mut tx, watched.forgets.as_deref()).await? {
                for (alarm, code) in &words.witnesses {
                    tx.alarm_seen_on(*alarm, code).await?;
                }
            }
            for seen in &new {
                if tx.raise(seen, now).await? {
                    let (kind, subject, detail) = (seen.kind.word(), &seen.subject, &seen.detail);
                    tracing::error!(%kind, %subject, %detail, "alarm: {kind} {subject} {detail}");
                    if seen.kind == AlarmKind::MailRefused {
                        texts.push(format!("dondoc: the mail server takes no mail: {detail}\n"));
                    }
                }
            }
            for alarm in &over {
                tx.clear(alarm.id, now).await?;
                let (kind, subject) = (alarm.kind.word(), &alarm.subject);
                tracing::warn!(%kind, %subject, "alarm over: {kind} {subject}");
                if alarm.kind == AlarmKind::MailRefused {
                    texts.push("dondoc: the mail server takes mail again\n".to_owned());
                }
            }
            tx.commit().await?;
        }
        self.is_changed = false;
        self.looked_for_dead = Some(now);
        for text in texts {
            self.tell_otherwise(&text).await;
        }
        let known = match new.is_empty() && over.is_empty() {
            true => known,
            false => self.store.alarms().await?,
        };
        let holding = known.iter().filter(|alarm| alarm.cleared_at.is_none()).count();
        let is_told = !is_paused && self.tell_ops(&known, now).await?;
        Ok((holding, is_told))
    }

    /// Looks whether some open ticket still bears the words that alarms are about. Each alarm remembers one that did; only
    /// where that one does no more are the open tickets gone through for another.
    async fn words(&self, known: &[Alarm], now: Moment) -> Result<Words, StoreError> {
        let is_of_words = |a: &&Alarm| {
            a.cleared_at.is_none() && matches!(a.kind, AlarmKind::UnmappedStatus | AlarmKind::UnknownAgency)
        };
        let holding: Vec<&Alarm> = known.iter().filter(is_of_words).collect();
        let witnesses: Vec<String> = holding.iter().filter_map(|a| a.witness.clone()).collect();
        let remembered = self.store.tickets(&witnesses).await?;
        let still = |alarm: &Alarm| {
            let witness = alarm.witness.as_ref().and_then(|code| remembered.get(code));
            witness.is_some_and(|kept| self.odd_words(kept, now).contains(&(alarm.kind, alarm.subject.clone())))
        };
        let mut left: HashMap<(AlarmKind, String), i64> = holding
            .into_iter()
            .filter(|alarm| !still(alarm))
            .map(|alarm| ((alarm.kind, alarm.subject.clone()), alarm.id))
            .collect();
        let mut words = Words::default();
        let mut after = String::new();
        while !left.is_empty() {
            let codes = self.store.open_codes(&after, TICKETS).await?;
            let Some(last) = codes.last() else { break };
            after.clone_from(last);
            for kept in self.store.tickets(&codes).await?.into_values() {
                for word in self.odd_words(&kept, now) {
                    if let Some(alarm) = left.remove(&word) {
                        words.witnesses.push((alarm, kept.ticket.code.clone()));
                    }
                }
            }
            self.pulse.beat();
        }
        words.over.extend(left.into_values());
        Ok(words)
    }

    /// The words of a ticket that ops have to look at, each as its alarm shows it.
    fn odd_words(&self, kept: &Kept, now: Moment) -> Vec<(AlarmKind, String)> {
        let ticket = &kept.ticket;
        if kept.gone_at.is_some() || !ticket.status.is_open() {
            return Vec::new();
        }
        let mut words = Vec::new();
        if !self.config.source.status.contains_key(&fold(&ticket.status_word)) {
            let shown = clipped(&scrub::word(&ticket.status_word));
            words.push((AlarmKind::UnmappedStatus, shown));
        }
        let on = self.config.calendars.base().date_of(now);
        let agency = ticket.agency.as_ref().filter(|_| ticket.level != Some(1));
        if let Some(word) = agency.filter(|word| self.config.directory.find(word, on).is_none()) {
            words.push((AlarmKind::UnknownAgency, clipped(&scrub::agency(word))));
        }
        words
    }

    /// Sees each message that died since the last look, in whichever process.
    async fn look_for_dead(&self, watched: &mut Watched, now: Moment) -> Result<(), StoreError> {
        // The clock may have gone back meanwhile.
        let since = self.looked_for_dead.map(|last| last.min(now) - LOOK_BACK);
        let mut position = (since.unwrap_or(Moment::UNIX_EPOCH), String::new());
        loop {
            let letters = self.store.new_dead_letters((position.0, &position.1), LETTERS).await?;
            for letter in &letters {
                let detail = format!("{}: {}", letter.unit, letter.reason);
                watched.see(AlarmKind::DeadLetter, &letter.id, &detail);
            }
            match letters.last() {
                Some(last) if letters.len() == LETTERS => position = (last.died_at, last.id.clone()),
                _ => return Ok(()),
            }
        }
    }

    /// One mail to ops with all that is new, once it may go.
    async fn tell_ops(&self, known: &[Alarm], now: Moment) -> Result<bool, TurnError> {
        let (to_tell, silent): (Vec<&Alarm>, Vec<&Alarm>) = known
            .iter()
            .filter(|alarm| alarm.cleared_at.is_some() || alarm.told_at.is_none())
            // What was over before it was told, and what ended by ops' own doing, is no news.
            .partition(|alarm| match alarm.cleared_at {
                None => true,
                Some(_) => alarm.told_at.is_some() && alarm.kind.tells_end(),
            });
        self.over(&silent, now).await?;
        let settings = &self.config.ops;
        let is_urgent = to_tell.iter().any(|alarm| alarm.kind.is_urgent()) || settings.at_any_hour;
        let is_open = self.config.calendars.of(OPS).is_open(now);
        if to_tell.is_empty() || !settings.tell || !(is_open || is_urgent) {
            return Ok(false);
        }
        let on = self.config.calendars.base().date_of(now);
        let ops = self.config.directory.recipient(OPS, Desk::Contact, None, None, on);
        let message = self.letter_of_alarms(&to_tell, ops, is_urgent, now)?;
        let mut tx = self.begin_deciding().await?;
        tx.compose(&[&message], now).await?;
        for alarm in to_tell {
            match alarm.cleared_at {
                None => tx.alarm_told(alarm.id, now).await?,
                Some(_) => tx.alarm_over(alarm.id, now).await?,
            }
        }
        tx.commit().await?;
        Ok(true)
    }

    async fn over(&self, silent: &[&Alarm], now: Moment) -> Result<(), StoreError> {
        if silent.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin_deciding().await?;
        for alarm in silent {
            tx.alarm_over(alarm.id, now).await?;
        }
        tx.commit().await
    }

    fn letter_of_alarms(
        &self,
        alarms: &[&Alarm],
        ops: Recipient,
        urgent: bool,
        now: Moment,
    ) -> Result<NewMessage, TurnError> {
        let calendar = self.config.calendars.of(OPS);
        let mut section = letter::bare_section(&self.config, &ops, "alarms", now);
        let (over, open): (Vec<&Alarm>, Vec<&Alarm>) = alarms.iter().partition(|alarm| alarm.cleared_at.is_some());
        let named = [&open, &over]
            .into_iter()
            .flat_map(|of_kind| of_kind.iter().take(NAMED));
        section.alarms = named.map(|alarm| view(alarm, calendar)).collect();
        section.more_alarms = open.len().saturating_sub(NAMED);
        section.more_over = over.len().saturating_sub(NAMED);
        let alone = Alone {
            mode: Mode::Live,
            recipient: &ops,
            sections: vec![section],
            matter: "alarms".to_owned(),
            thread: &[],
            data_as_of: None,
            attachments: Vec::new(),
        };
        // A failed template is in the log only: an alarm about the letter of alarms would fail as well.
        let (message, _) = letter::alone(&self.config, &self.renderer, alone, now)?;
        Ok(NewMessage { urgent, ..message })
    }
}

/// An alarm as letters show it.
pub(super) fn view(alarm: &Alarm, calendar: &Calendar) -> AlarmView {
    let local = |at: Moment| at.with_timezone(&calendar.zone()).naive_local();
    AlarmView {
        kind: alarm.kind.word().to_owned(),
        subject: alarm.subject.clone(),
        detail: alarm.detail.clone(),
        since: local(alarm.raised_at),
        over: alarm.cleared_at.map(local),
    }
}

fn clipped(word: &str) -> String {
    word.chars().take(MOST_WORD).collect()
}
