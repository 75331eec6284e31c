//! From what is to be told to one recipient to the message as it is stored: a mail, or the pages of a webhook. What is told
//! and when is decided in [`super::compose`].
//!
//! Nothing here asks or waits: a [`Pen`] can be handed to another thread, and messages are written there while others are
//! stored and sent.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::NaiveDate;

use super::compose::Composed;
use super::letter::{self, Ids, Parts};
use super::recipients;
use super::{Engine, TurnError, approval};
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::directory::{Desk, Recipient};
use crate::domain::notice::{COMPETENCE, Mode, SETTLED};
use crate::domain::rule::{Approver, Channel, Rule};
use crate::render::language::{DUTY_SETTLED, builtin_title};
use crate::render::view::{Addressee, DeadlineView, LineView, SectionView};
use crate::render::{Rendered, Renderer};
use crate::store::outbox::{Approval, Form, NewMessage};

/// A notice that goes into a message now, with what its line says.
pub(super) struct Item {
    pub(super) notice: i64,
    pub(super) section: SectionKey,
    /// Place in the message: the highest step first.
    pub(super) rank: Rank,
    pub(super) ticket: String,
    pub(super) line: LineView,
    /// By when its step asks for an answer.
    pub(super) reply_by: Option<DeadlineView>,
    pub(super) is_cc: bool,
    /// Of a weekly list, on a day after it.
    pub(super) is_between_lists: bool,
    /// Since when it could be composed.
    pub(super) ready_at: Moment,
    /// How the line is named when another section shows it.
    pub(super) told_by: String,
    pub(super) urgent: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// Endings come last.
    pub(super) settled: bool,
    pub(super) step_from_top: std::cmp::Reverse<usize>,
    /// At one height what nobody has and what is late come before what is left over, and that before what is near.
    pub(super) pressing: u8,
    pub(super) rule: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SectionKey {
    pub(super) rule: String,
    pub(super) step: String,
    pub(super) opening: bool,
    pub(super) cc: bool,
    pub(super) wanted: Desk,
    pub(super) for_want_of_contact: bool,
    /// Id and name of the unit whose desk is away.
    pub(super) stands_in_for: Option<(String, String)>,
    /// What is owed by a directive never shares a section with tickets.
    pub(super) is_duty: bool,
}

/// What a message tells by one of its notices.
struct Told {
    notice: i64,
    ticket: String,
    settled: bool,
    rule: String,
    step: String,
}

impl Told {
    fn of(item: &Item) -> Told {
        Told {
            notice: item.notice,
            ticket: item.ticket.clone(),
            settled: item.rank.settled,
            rule: item.section.rule.clone(),
            step: item.section.step.clone(),
        }
    }
}

/// What a message is to be made of.
pub(super) struct Draft {
    pub(super) id: String,
    pub(super) mode: Mode,
    pub(super) channel: Channel,
    pub(super) recipient: Recipient,
    pub(super) items: Vec<Item>,
    pub(super) apart: Option<Apart>,
    pub(super) form: Form,
    /// The thread: unit, role and period for digests, the ticket for single mails.
    pub(super) matter: String,
}

impl Draft {
    pub(super) fn is_urgent(&self) -> bool {
        self.items.iter().any(|item| item.urgent)
    }

    /// Since when the first of its notices could be composed.
    pub(super) fn ready_at(&self) -> Option<Moment> {
        self.items.iter().map(|item| item.ready_at).min()
    }

    pub(super) fn notices(&self) -> impl Iterator<Item = i64> + '_ {
        self.items.iter().map(|item| item.notice)
    }

    /// Unit and desk.
    pub(super) fn recipient(&self) -> (String, String) {
        (self.recipient.unit.clone(), self.recipient.desk.word().to_owned())
    }
}

/// A rendered message that is not stored yet.
pub(super) struct Ready {
    pub(super) message: NewMessage,
    /// Since when the first of its notices could be composed.
    pub(super) ready_at: Moment,
    /// Notices that a higher step in it replaces today.
    pub(super) passed_over: Vec<i64>,
    /// When its notices wait for the next digest, should this one have been made already.
    pub(super) next_digest: Moment,
    /// The message with which its notices were released.
    pub(super) released: Option<String>,
}

/// What was written of a draft.
#[derive(Default)]
pub(super) struct Written {
    pub(super) ready: Vec<Ready>,
    /// The letter, where it is one.
    rendered: Option<Rendered>,
    /// The unit whose letter goes without its list, and why.
    annex_failed: Option<(String, String)>,
}

impl Written {
    /// Tells what failed of it, for the log and the report.
    pub(super) fn tell(&self, composed: &mut Composed) {
        if let Some(rendered) = &self.rendered {
            if let Some(failed) = &rendered.failed {
                letter::log_failed(failed);
            }
            composed.rendered(rendered);
        }
        if let Some((unit, failed)) = &self.annex_failed {
            tracing::error!(%failed, %unit, "the list could not be attached; the mail went out without it: {failed}");
            composed.problems.push(format!("annex: {failed}"));
        }
    }
}

/// What has to be approved is a message of its own for each rule and step, so that it holds nothing else back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Apart {
    pub(super) approver: Approver,
    pub(super) rule: String,
    pub(super) step: String,
    /// The message with which it was released: what is read again is held against what was approved.
    pub(super) released: Option<String>,
}

/// What messages are written with.
pub(super) struct Pen {
    config: Arc<Config>,
    renderer: Arc<Renderer>,
    ids: Arc<Ids>,
}

impl Engine {
    pub(super) fn pen(&self) -> Pen {
        Pen {
            config: Arc::clone(&self.config),
            renderer: Arc::clone(&self.renderer),
            ids: Arc::clone(&self.ids),
        }
    }
}

impl Pen {
    /// Writes one message: a mail, or the pages of a webhook. `thread` has the ids of the messages that it answers to.
    pub(super) fn write(
        &self,
        draft: Draft,
        thread: &[String],
        data_as_of: Option<Moment>,
        now: Moment,
    ) -> Result<Written, TurnError> {
        let Draft {
            id,
            mode,
            channel,
            recipient,
            items,
            apart,
            form,
            matter,
        } = draft;
        let calendar = self.config.calendars.of(&recipient.unit);
        let on = calendar.date_of(now);
        let (items, mut passed_over) = highest_only(items, &self.config.rules.rules);
        let urgent = items.iter().any(|i| i.urgent);
        let ready_at = items.iter().map(|i| i.ready_at).min().unwrap_or(now);
        let told: Vec<Told> = items.iter().map(Told::of).collect();
        let unit_name = letter::unit_name(&self.config, &recipient.unit, on);
        let parts = Parts {
            id: &id,
            recipient: &recipient,
            form,
            sections: self.sections(items, &recipient, &unit_name),
            data_as_of,
        };
        let view = letter::view(&self.config, parts, now);
        let says = match &apart {
            None => Vec::new(),
            Some(_) => approval::lines(&view)?,
        };
        let schedule = recipients::schedule(&self.config, &recipient.unit, Some(now));
        // In shadow what would be posted is shown in a mail, at the hour at which it would be.
        let is_posted = channel == Channel::Webhook && mode == Mode::Live;
        let is_shown_post = channel == Channel::Webhook && mode == Mode::Shadow;
        let mut ready = |id: String, recipients: Vec<String>, subject: String, body: Vec<u8>, told: &[&Told]| {
            let mut notices: Vec<i64> = told.iter().map(|t| t.notice).collect();
            notices.sort_unstable();
            let (rules, steps) = named(told);
            let approval = apart.as_ref().map(|apart| Approval {
                by: apart.approver.word(),
                said: approval::fingerprint(&recipient.addresses, &says, |line| {
                    told.iter().any(|t| line.is_about(&t.ticket, t.settled))
                }),
            });
            let is_mail = channel == Channel::Email;
            let message = NewMessage {
                id,
                mode: mode.word(),
                channel: if is_posted { channel } else { Channel::Email },
                form,
                unit: recipient.unit.clone(),
                desk: recipient.desk.word(),
                matter: matter.clone(),
                digest_key: (is_mail && form == Form::Digest && approval.is_none())
                    .then(|| digest_key(mode, &recipient, on)),
                recipients,
                subject,
                body,
                rules,
                steps,
                notices,
                urgent: urgent || is_shown_post,
                // What a system does not take is worth as much tomorrow as it was today; what was approved is sent as it is.
                replace_at: (is_mail && approval.is_none()).then(|| match form {
                    Form::Digest => schedule.digest_after(now),
                    Form::Single => schedule.opening_after(now),
                }),
                approval,
            };
            Ready {
                message,
                ready_at,
                passed_over: std::mem::take(&mut passed_over),
                next_digest: schedule.digest_after(now),
                released: apart.as_ref().and_then(|apart| apart.released.clone()),
            }
        };
        match is_posted {
            false => {
                let going = letter::Going {
                    thread,
                    in_shadow: (mode == Mode::Shadow).then_some(channel),
                    ..letter::Going::default()
                };
                let letter = letter::write(&self.config, &self.renderer, &recipient, view, going, now)?;
                let told: Vec<&Told> = told.iter().collect();
                let subject = letter.rendered.subject.clone();
                Ok(Written {
                    ready: vec![ready(id, letter.recipients, subject, letter.bytes, &told)],
                    annex_failed: letter.annex_failed.map(|failed| (recipient.unit.clone(), failed)),
                    rendered: Some(letter.rendered),
                })
            }
            true => {
                let pages = letter::pages(&self.config, &recipient, &view, now)?;
                let count = pages.len();
                let pages = pages.into_iter().enumerate().map(|(n, page)| {
                    let shown: HashSet<(&str, bool)> = page.tickets.iter().map(|(t, s)| (t.as_str(), *s)).collect();
                    let told: Vec<&Told> = told
                        .iter()
                        .filter(|t| shown.contains(&(t.ticket.as_str(), t.settled)))
                        .collect();
                    // Each page is accepted for itself, and so has an id of its own.
                    let id = if n == 0 { id.clone() } else { self.ids.next(now) };
                    let subject = format!("{} tickets, page {} of {count}", page.tickets.len(), n + 1);
                    ready(id, recipient.addresses.clone(), subject, page.body, &told)
                });
                Ok(Written {
                    ready: pages.collect(),
                    ..Written::default()
                })
            }
        }
    }

    /// The items as sections, the highest step first; a ticket stands once, in its highest section, and names the others.
    fn sections(&self, mut items: Vec<Item>, recipient: &Recipient, unit_name: &str) -> Vec<SectionView> {
        // What a desk has to do comes before what it only gets for information.
        items.sort_by(|a, b| {
            (a.rank.settled, a.is_cc, &a.rank, &a.section, &a.ticket).cmp(&(
                b.rank.settled,
                b.is_cc,
                &b.rank,
                &b.section,
                &b.ticket,
            ))
        });
        // An ending has a line of its own beside what else is told of the ticket.
        let mut shown: HashMap<(String, bool), (usize, usize)> = HashMap::new();
        let mut sections: Vec<(SectionKey, SectionView)> = Vec::new();
        for item in items {
            if let Some((section, line)) = shown.get(&(item.ticket.clone(), item.rank.settled)).copied() {
                let (key, view) = &mut sections[section];
                // The same step as `to` and as cc, or by two desks that share an address: one line says it.
                if (&key.rule, &key.step) != (&item.section.rule, &item.section.step)
                    && !view.lines[line].rules.contains(&item.told_by)
                {
                    view.lines[line].rules.push(item.told_by);
                }
                continue;
            }
            let at = sections
                .iter()
                .position(|(key, _)| *key == item.section)
                .unwrap_or_else(|| {
                    sections.push((item.section.clone(), self.section(&item, recipient, unit_name)));
                    sections.len() - 1
                });
            let view = &mut sections[at].1;
            view.between_lists &= item.is_between_lists;
            view.reminder = view.reminder.max(item.line.reminder);
            view.earlier.extend(item.line.earlier.iter().copied());
            let sooner = |d: &DeadlineView| view.reply_by.as_ref().is_none_or(|known| d.day < known.day);
            if let Some(reply_by) = item.reply_by.filter(sooner) {
                view.reply_by = Some(reply_by);
            }
            view.lines.push(item.line);
            shown.insert((item.ticket, item.rank.settled), (at, view.lines.len() - 1));
        }
        for (_, view) in &mut sections {
            view.earlier.sort_unstable();
            view.earlier.dedup();
            if self.renderer.breaks_down(&view.template) {
                self.by_locality(&mut view.lines);
            }
        }
        sections.into_iter().map(|(_, view)| view).collect()
    }

    /// Lines by locality as the directory lists them, the oldest first.
    fn by_locality(&self, lines: &mut [LineView]) {
        let units = &self.config.directory.units;
        let place = |name: &String| units.iter().position(|u| u.names.iter().any(|n| n.value == *name));
        lines.sort_by_cached_key(|l| {
            let place = l.locality.as_ref().and_then(place).unwrap_or(usize::MAX);
            (place, std::cmp::Reverse(l.age_days), l.code.clone())
        });
    }

    fn section(&self, item: &Item, recipient: &Recipient, unit_name: &str) -> SectionView {
        let away = item.section.stands_in_for.as_ref();
        let rule = self.config.rules.rules.iter().find(|r| r.id == item.section.rule);
        let step = rule.and_then(|r| r.steps.iter().find(|s| s.id == item.section.step));
        let template = match item.section.rule.as_str() {
            SETTLED if item.section.is_duty => "obligation-settled",
            SETTLED => "settled",
            COMPETENCE => "competence",
            _ => step.map_or("", |s| &s.template),
        };
        let addressee = Addressee {
            unit_name: unit_name.to_owned(),
            wanted: item.section.wanted.word().to_owned(),
            is_office: *away.map_or(&recipient.unit, |(id, _)| id) == self.config.directory.office,
            fell_back: item.section.wanted != recipient.desk,
            for_want_of_contact: item.section.for_want_of_contact,
            stands_in_for: away.map(|(_, name)| name.clone()),
        };
        SectionView {
            rule: item.section.rule.clone(),
            step: item.section.step.clone(),
            rule_title: rule.map_or_else(
                || {
                    let rule = match item.section.is_duty && item.section.rule == SETTLED {
                        true => DUTY_SETTLED,
                        false => &item.section.rule,
                    };
                    builtin_title(self.config.wording.locale, rule, &item.section.step).to_owned()
                },
                |r| r.title.clone(),
            ),
            when: rule.map_or("", |r| r.when.word()).to_owned(),
            for_information: item.is_cc,
            opening: item.section.opening,
            between_lists: item.is_between_lists,
            settled: item.section.rule == SETTLED,
            ..SectionView::bare(template, addressee)
        }
    }
}

/// Names the digest of a recipient, role and local date; unique in the store.
pub(super) fn digest_key(mode: Mode, recipient: &Recipient, on: NaiveDate) -> String {
    format!(
        "{}|email|{}|{}|{on}",
        mode.word(),
        recipient.unit,
        recipient.desk.word()
    )
}

/// For each ticket and rule only the highest step reaches the recipient today; the lower ones are passed over.
fn highest_only(items: Vec<Item>, rules: &[Rule]) -> (Vec<Item>, Vec<i64>) {
    let place = |item: &Item| {
        rules
            .iter()
            .find(|r| r.id == item.section.rule)
            .and_then(|r| r.steps.iter().position(|s| s.id == item.section.step))
            .unwrap_or(0)
    };
    let mut highest: HashMap<(String, String), usize> = HashMap::new();
    for item in &items {
        let top = highest
            .entry((item.ticket.clone(), item.section.rule.clone()))
            .or_default();
        *top = (*top).max(place(item));
    }
    let is_top = |item: &Item| {
        item.section.rule == SETTLED
            || highest.get(&(item.ticket.clone(), item.section.rule.clone())) == Some(&place(item))
    };
    let (kept, passed): (Vec<Item>, Vec<Item>) = items.into_iter().partition(is_top);
    (kept, passed.into_iter().map(|i| i.notice).collect())
}

fn named(told: &[&Told]) -> (Vec<String>, Vec<String>) {
    let rules: BTreeSet<&str> = told.iter().map(|t| t.rule.as_str()).collect();
    let steps: BTreeSet<String> = told.iter().map(|t| format!("{}/{}", t.rule, t.step)).collect();
    (
        rules.into_iter().map(str::to_owned).collect(),
        steps.into_iter().collect(),
    )
}
