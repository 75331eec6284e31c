//! Explain: one ticket at an instant, with what was known and told of it by then, evaluated as a turn would.
//!
//! It reads the store only and decides with the very functions of a turn, so that it never tells another story.

use std::collections::HashMap;

use super::decide::{Chances, approver, chance, is_urgent};
use super::modes::Modes;
use super::recipients::{Addressed, Recipients, Way, digest_of};
use super::{TurnError, bounces, context, holds, recipients, source_is_fresh};
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::directory::Recipient;
use crate::domain::evaluate::{self, Evaluation, Judged, Subject, Verdict, evaluate};
use crate::domain::facts::Context;
use crate::domain::hold::{Held, Holds};
use crate::domain::notice::{Mode, NewNotice, NewTelling, Notice, NoticeState, Telling, TellingKey, Wait};
use crate::domain::rule::{Approver, Digest};
use crate::store::Store;
use crate::store::as_of::{AsOf, Past};
use crate::store::endpoints::DisabledEndpoints;
use crate::store::meta::Meta;

/// A notice as it stands, and for one that waits where it would go and what it waits for.
#[derive(Debug)]
pub struct NoticeShown {
    pub key: TellingKey,
    pub notice: Notice,
    pub waits: Option<Waiting>,
}

/// Where a notice goes that has not gone yet, and what it waits for.
#[derive(Debug)]
pub struct Waiting {
    /// Unit and desk that it reaches then; none where its telling goes by mail only.
    pub to: Option<Recipient>,
    /// Why it is they, where another desk was asked for.
    pub because: Option<String>,
    pub until: Option<Moment>,
    /// Such as `silenced`, with the sentence that goes with it.
    pub word: &'static str,
    pub why: String,
}

/// For whom a step is that is still to come, as far as is known now.
#[derive(Debug)]
pub struct Ahead {
    pub rule: String,
    pub step: String,
    /// Who has to approve it before it goes out.
    pub approver: Option<Approver>,
    /// What would be told with where it would go, or why it would be told to nobody.
    pub to: Result<Vec<(NewNotice, Waiting)>, Verdict>,
}

/// A ticket as it was, what had been told of it, and what evaluation finds.
#[derive(Debug)]
pub struct Explained {
    pub past: Past,
    pub known: Vec<Telling>,
    /// How its unit was told.
    pub mode: Mode,
    pub found: Evaluation,
    pub ahead: Vec<Ahead>,
    /// Every notice about it, oldest first, endings and the Office's decision on competence among them.
    pub notices: Vec<NoticeShown>,
}

/// Explains a ticket; `None` where it is not known at that instant.
pub async fn explain(config: &Config, store: &Store, code: &str, now: Moment) -> Result<Option<Explained>, TurnError> {
    let codes = [code.to_owned()];
    let Some(past) = AsOf::new(store, now).by_code(&codes).await?.pop() else {
        return Ok(None);
    };
    let config = &bounces::in_force(config, store, now).await?;
    let meta = store.meta().await?;
    let context = context(config, &meta, now);
    let silences = store.silences(now).await?;
    let outlook = Outlook {
        config,
        past: &past,
        context: &context,
        meta: &meta,
        holds: holds::read(config, silences, store.acknowledgements(&codes).await?),
        disabled: store.disabled_endpoints().await?,
        now,
    };
    let messages = store.messages_of_ticket(code).await?;
    let made: HashMap<String, Moment> = messages.iter().map(|m| (m.id.clone(), m.created())).collect();
    let mut known = as_known_at(
        store.tellings(&codes).await?.remove(code).unwrap_or_default(),
        &made,
        now,
    );
    let told = known.clone();
    outlook.keep_back(&mut known, &told);
    let since = store.rules_seen().await?;
    let modes = Modes::read(config, store).await?;
    let (mode, mode_since) = modes.of_at(&past.memory, now);
    let subject = Subject {
        ticket: &past.ticket,
        memory: &past.memory,
        known: &known,
        rule_since: &|id| since.get(id).copied(),
        source_is_fresh: source_is_fresh(config, &meta, now),
        mode,
        mode_since,
        is_live: &|unit| modes.is_live(unit),
    };
    let mut found = match past.gone_at {
        Some(since) => evaluate::evaluate_gone(&known, &context, since),
        None => evaluate(&subject, &context, now),
    };
    let ahead = found
        .judged
        .iter()
        .filter_map(|j| outlook.ahead(&subject, j, &found.tell));
    let ahead = ahead.collect();
    let held = |key: &TellingKey, role: &str, start: &str| outlook.held(key, (role, start), now).map(verdict);
    for judged in &mut found.judged {
        let is_open = matches!(
            judged.verdict,
            Verdict::Tell { .. } | Verdict::AwaitsAnswer { .. } | Verdict::Waits { .. }
        );
        let held = is_open.then(|| hold_of(config, judged, (&known, &found.tell), mode, held));
        if let Some(verdict) = held.flatten() {
            judged.verdict = verdict;
        }
    }
    let shown = known.iter().flat_map(|t| t.notices.iter().map(move |n| (t, n)));
    let shown = shown.map(|(telling, notice)| {
        let to = Addressed::known(telling, notice, &told);
        let waits =
            (notice.state == NoticeState::Waiting).then(|| outlook.waiting(&to, (now, notice.compose_at), notice.wait));
        NoticeShown {
            key: telling.key.clone(),
            notice: notice.clone(),
            waits,
        }
    });
    let notices = shown.collect();
    Ok(Some(Explained {
        past,
        known,
        mode,
        found,
        ahead,
        notices,
    }))
}

/// What is looked at to say where a ticket's notices will go.
struct Outlook<'a> {
    config: &'a Config,
    past: &'a Past,
    context: &'a Context<'a>,
    meta: &'a Meta,
    holds: Holds,
    disabled: DisabledEndpoints,
    now: Moment,
}

impl Outlook<'_> {
    fn held(&self, key: &TellingKey, to: (&str, &str), at: Moment) -> Option<Held<'_>> {
        let about = (&self.past.ticket, &self.past.memory);
        holds::held(&self.holds, self.config, about, key, to, at)
    }

    fn recipients(&self, at: Moment) -> Recipients<'_> {
        Recipients::new(self.config, self.disabled.clone(), at)
    }

    /// What waits for a digest or window in which it will be kept back waits for the one after.
    fn keep_back(&self, known: &mut [Telling], told: &[Telling]) {
        for telling in known {
            // When what has gone out since was to go is not kept; it is what would be found now.
            let unknown = telling.notices.iter().map(|notice| {
                let is_unknown = notice.state == NoticeState::Waiting && notice.compose_at.is_none();
                is_unknown.then(|| self.chance(&Addressed::known(telling, notice, told), self.now))
            });
            let unknown: Vec<Option<Moment>> = unknown.collect();
            for (notice, at) in telling.notices.iter_mut().zip(unknown) {
                notice.compose_at = notice.compose_at.or(at);
            }
            let later = telling.notices.iter().map(|notice| {
                let at = notice.compose_at.filter(|_| notice.state == NoticeState::Waiting)?;
                let to = Addressed::known(telling, notice, told);
                self.kept_back_until(&to, at.max(self.now))
            });
            let later: Vec<Option<Moment>> = later.collect();
            for (notice, later) in telling.notices.iter_mut().zip(later) {
                if later.is_some() {
                    (notice.compose_at, notice.wait) = (later, Wait::QuietDay);
                }
            }
        }
    }

    /// Where a step's notices would go; `None` for a step that is not still to come.
    fn ahead(&self, subject: &Subject<'_>, judged: &Judged, tell: &[NewTelling]) -> Option<Ahead> {
        let Judged { rule, step, verdict } = judged;
        let from = match verdict {
            Verdict::NotYet { at } | Verdict::BehindStep { until: Some(at), .. } => Some(*at),
            Verdict::Tell { .. } => Some(self.now),
            Verdict::BehindStep { until: None, .. } | Verdict::StaleSource => None,
            _ => return None,
        };
        let new = tell.iter().find(|t| t.key.rule == *rule && t.key.step == *step);
        let new = match new {
            Some(new) => Ok(new.clone()),
            None => {
                let rule = self.config.rules.named(rule)?;
                let step = rule.steps.iter().find(|s| s.id == *step)?;
                evaluate::to_come(subject, self.context, rule, step, self.now)
            }
        };
        let to = new.map(|new| {
            let notices = new.notices.iter().map(|notice| {
                let to = Addressed::new(&new, notice, subject.known);
                let at = from.map(|from| self.chance(&to, from));
                let waits = self.waiting(&to, (from.unwrap_or(self.now), at), Wait::Hours);
                (notice.clone(), waits)
            });
            notices.collect()
        });
        Some(Ahead {
            rule: rule.clone(),
            step: step.clone(),
            approver: approver(self.config, rule, step),
            to,
        })
    }

    /// When a notice decided then can be composed.
    fn chance(&self, to: &Addressed<'_>, decided_at: Moment) -> Moment {
        let chances = Chances {
            ticket: &self.past.ticket,
            memory: &self.past.memory,
            context: self.context,
            meta: self.meta,
            now: decided_at,
        };
        chance(self.config, to, &chances, &mut self.recipients(decided_at))
    }

    /// Where a notice goes that is to be composed at `at`, unless something holds it from `from` on or then.
    fn waiting(&self, to: &Addressed<'_>, (from, at): (Moment, Option<Moment>), wait: Wait) -> Waiting {
        // Decided before the ticket turned out to be sensitive.
        if self.past.ticket.is_sensitive() && !recipients::hears_of_sensitive(to.role) {
            return Waiting {
                to: None,
                because: None,
                until: at,
                word: "lapses",
                why: "a conduct or confidential ticket goes to heads only; it is not told".to_owned(),
            };
        }
        let held = self.held(to.key, (to.role, to.start), from);
        let held = held.filter(|held| at.is_none_or(|at| at <= held.until()));
        let held = held.or_else(|| self.held(to.key, (to.role, to.start), at?));
        let (until, word, why) = match held.map(verdict) {
            Some(verdict) => (verdict.at(), verdict.word(), verdict.reason()),
            None => {
                let kept_back = at.and_then(|at| self.kept_back_until(to, at));
                let wait = kept_back.map_or(wait, |_| Wait::QuietDay);
                (kept_back.or(at), wait.word(), wait.to_string())
            }
        };
        let reached_at = until.unwrap_or(from);
        let on = self.config.calendars.base().date_of(reached_at);
        let reached = match self.recipients(reached_at).way(to, &self.past.ticket) {
            Way::Mail(to) | Way::Post(to, _) => Some(to),
            Way::MailOnly(_) => None,
        };
        let because = reached
            .as_ref()
            .and_then(|r| recipients::why_another(self.config, to, &self.past.ticket, r, on));
        Waiting {
            to: reached,
            because,
            until,
            word,
            why,
        }
    }

    /// The first instant at which a notice may be composed that is due on a day around a long closure.
    fn kept_back_until(&self, to: &Addressed<'_>, at: Moment) -> Option<Moment> {
        let key = to.key;
        if is_urgent(self.config, &key.rule, &key.step) {
            return None;
        }
        let later = |at: &Moment| {
            let (unit, is_mail) = match self.recipients(*at).way(to, &self.past.ticket) {
                Way::Mail(to) => (to.unit, true),
                Way::Post(to, _) => (to.unit, false),
                Way::MailOnly(_) => return None,
            };
            let awaits_digest = is_mail && *digest_of(self.config, &key.rule, &self.past.ticket) != Digest::Ticket;
            recipients::kept_back_until(self.config, to.role, &unit, awaits_digest, *at).filter(|next| next > at)
        };
        std::iter::successors(later(&at), later).last()
    }
}

/// What holds a step back whose notices would go out: the hold that ends first, where all that address somebody are held.
fn hold_of(
    config: &Config,
    judged: &Judged,
    (known, now): (&[Telling], &[NewTelling]),
    mode: Mode,
    held: impl Fn(&TellingKey, &str, &str) -> Option<Verdict>,
) -> Option<Verdict> {
    // What is built in is not among the rules.
    let is_named = |rule: &str| config.rules.named(rule).map_or(rule, |r| &r.id) == judged.rule;
    let is_of = |key: &TellingKey| key.mode == mode && key.step == judged.step && is_named(&key.rule);
    let known = known.iter().filter(|t| is_of(&t.key)).flat_map(|t| {
        let waiting = t.notices.iter().filter(|n| !n.cc && n.state == NoticeState::Waiting);
        waiting.map(|n| (&t.key, &n.role, &n.start))
    });
    let new = now.iter().filter(|t| is_of(&t.key)).flat_map(|t| {
        let to = t.notices.iter().filter(|n| !n.cc);
        to.map(|n| (&t.key, &n.role, &n.start))
    });
    let all: Option<Vec<Verdict>> = known
        .chain(new)
        .map(|(key, role, start)| held(key, role, start))
        .collect();
    all?.into_iter().min_by_key(Verdict::at)
}

fn verdict(held: Held<'_>) -> Verdict {
    match held {
        Held::Silence(silence) => Verdict::Silenced {
            by: silence.by.clone(),
            until: silence.until,
            reason: silence.reason.clone(),
        },
        Held::Acknowledgement(ack) => Verdict::Acknowledged {
            unit: ack.unit.clone(),
            by: ack.by.clone(),
            until: ack.until,
            note: ack.note.clone(),
        },
    }
}

/// Tellings as they stood at an instant: what was decided, made, tried or answered later is taken back. `made` says when
/// messages were, of those that are looked at.
pub(super) fn as_known_at(tellings: Vec<Telling>, made: &HashMap<String, Moment>, now: Moment) -> Vec<Telling> {
    let mut known: Vec<Telling> = tellings.into_iter().filter(|t| t.decided_at <= now).collect();
    for notice in known.iter_mut().flat_map(|t| &mut t.notices) {
        notice.first_attempt_at = notice.first_attempt_at.filter(|first| *first <= now);
        if notice.at <= now {
            continue;
        }
        let made_at = notice.message.as_ref().and_then(|id| made.get(id));
        match made_at.filter(|made_at| **made_at <= now) {
            Some(made_at) => (notice.state, notice.at) = (NoticeState::Composed, *made_at),
            None => (notice.state, notice.message) = (NoticeState::Waiting, None),
        }
        (notice.compose_at, notice.wait) = (None, Wait::Hours);
    }
    known
}
