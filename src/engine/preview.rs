//! `preview`: the messages of one rule's step as they would go out, made of what the store knows by the very functions
//! that compose. Nothing is written and nothing sent; the store may be open for looking only.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::compose::{Bundle, Composed, Place};
use super::explain::as_known_at;
use super::modes::Modes;
use super::obligations::show_progress;
use super::recipients::{self, Addressed, Recipients, Way, digest_of};
use super::{Engine, TurnError, bounces, letter, rules_since};
use crate::channel::mail::MailError;
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::directory::{Desk, Recipient};
use crate::domain::evaluate::{self, Subject, Verdict};
use crate::domain::facts::Context;
use crate::domain::notice::{NewNotice, NewTelling, Notice, NoticeState, Telling, Wait};
use crate::domain::rule::{Channel, Digest, Rule, Step};
use crate::render::language::sample_tag;
use crate::render::{Renderer, annex, samples};
use crate::store::as_of::{AsOf, Past};
use crate::store::meta::Meta;
use crate::store::outbox::{Form, NewMessage};
use crate::store::tickets::Kept;

/// Tickets looked at together.
const PAGE: i64 = 500;

/// A rule's step, and the one ticket that is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub rule: &'a Rule,
    pub step: &'a Step,
    /// All tickets for which the step is due where none is named.
    pub ticket: Option<&'a str>,
}

/// What the step would say.
#[derive(Debug, Default)]
pub struct Previewed {
    /// With the most tickets first.
    pub messages: Vec<NewMessage>,
    /// Tickets that are in no message, by what evaluation found of them: how many, and an instant of the earliest.
    pub left_out: BTreeMap<&'static str, (usize, Option<Moment>)>,
    /// What keeps the named ticket from being told by the step now. Where it could be, the message is there all the same.
    pub not_now: Option<Verdict>,
    /// The named ticket is not known.
    pub unknown: bool,
    /// A template that failed, a list that could not be written.
    pub problems: Vec<String>,
}

/// A step's mail on made-up data, to our own duty box, and the template's error where the plain text had to serve. Its
/// subject says that it is a sample.
pub fn sample(
    config: &Config,
    renderer: &Renderer,
    step: &Step,
    now: Moment,
) -> Result<(Vec<u8>, Option<String>), MailError> {
    let recipient = Recipient {
        unit: config.directory.office.clone(),
        desk: Desk::Contact,
        wanted: Desk::Contact,
        addresses: vec![config.delivery.reply_to.clone()],
        for_want_of_contact: false,
        stands_in_for: None,
    };
    let locale = config.wording.locale;
    let mut view = samples::titled(samples::letter(&step.template, 3), &config.rules, locale);
    view.tag = sample_tag(locale).to_owned();
    view.annex = Some(annex::file_name(&view, locale));
    let letter = letter::write(config, renderer, &recipient, view, letter::Going::default(), now)?;
    let failed = letter.rendered.failed.map(|failed| failed.to_string());
    Ok((letter.bytes, failed.or(letter.annex_failed)))
}

impl Engine {
    /// The messages of a step as they would be composed at an instant.
    pub async fn preview(&mut self, asked: Asked<'_>, now: Moment) -> Result<Previewed, TurnError> {
        let meta = self.store.meta().await?;
        self.config = Arc::new(bounces::in_force(&self.configured, &self.store, now).await?);
        let mut previewed = Previewed::default();
        let mut digests = BTreeMap::new();
        let mut drafts = Vec::new();
        let mut after = Some(String::new());
        while let Some(from) = after.take() {
            let store = self.store.clone();
            let past = AsOf::new(&store, now);
            let page = match asked.ticket {
                Some(code) => {
                    let page = past.by_code(&[code.to_owned()]).await?;
                    previewed.unknown = page.is_empty();
                    page
                }
                None => {
                    let (page, next) = past.page(&from, PAGE).await?;
                    // What is owed by directives stands behind the tickets.
                    let page = match next.is_none() {
                        true => past.by_code(&self.obligation_codes().await?).await?,
                        false => page,
                    };
                    after = next;
                    page
                }
            };
            let singles = self
                .collect(&meta, asked, page, &mut digests, &mut previewed, now)
                .await?;
            let singles = singles.into_iter();
            drafts.extend(singles.map(|(code, bundle)| self.draft(bundle, Form::Single, &code, now)));
        }
        let digests = digests.into_values();
        drafts.extend(digests.map(|bundle| self.draft(bundle, Form::Digest, "", now)));
        let matters: Vec<String> = drafts.iter().map(|draft| draft.matter.clone()).collect();
        let threads = self.store.threads(&matters).await?;
        let (pen, mut composed) = (self.pen(), Composed::default());
        for draft in drafts {
            let thread = threads.get(&draft.matter).map_or(&[][..], Vec::as_slice);
            let written = pen.write(draft, thread, None, now)?;
            written.tell(&mut composed);
            previewed.messages.extend(written.ready.into_iter().map(|r| r.message));
        }
        previewed.messages.sort_by_key(|m| std::cmp::Reverse(m.notices.len()));
        previewed.problems = composed.problems;
        Ok(previewed)
    }

    /// Sorts the step's notices of some tickets as composing does; what goes alone is handed back.
    async fn collect(
        &self,
        meta: &Meta,
        asked: Asked<'_>,
        page: Vec<Past>,
        digests: &mut BTreeMap<Place, Bundle>,
        previewed: &mut Previewed,
        now: Moment,
    ) -> Result<Vec<(String, Bundle)>, TurnError> {
        let codes: Vec<String> = page.iter().map(|past| past.ticket.code.clone()).collect();
        let mut tellings = self.store.tellings(&codes).await?;
        let since = rules_since(&self.store).await?;
        let context = self.context(meta, now);
        let disabled = self.store.disabled_endpoints().await?;
        let mut recipients = Recipients::new(&self.config, disabled, now);
        let titles = self.titles(&codes).await?;
        let duties = self.progress(&codes).await?;
        let modes = Modes::read(&self.config, &self.store).await?;
        let mut singles = Vec::new();
        for Past { ticket, memory, .. } in page {
            let known = as_known_at(tellings.remove(&ticket.code).unwrap_or_default(), &HashMap::new(), now);
            let (mode, mode_since) = modes.of_at(&memory, now);
            let subject = Subject {
                ticket: &ticket,
                memory: &memory,
                known: &known,
                rule_since: &|id| since.get(id).copied(),
                source_is_fresh: self.source_is_fresh(meta, now),
                mode,
                mode_since,
                is_live: &|unit| modes.is_live(unit),
            };
            let (telling, verdict) = told_by(asked, &subject, &context, now);
            previewed.not_now = verdict.clone().filter(|_| asked.ticket.is_some());
            let telling = telling.filter(|_| verdict.is_none() || asked.ticket.is_some());
            let Some(telling) = telling else {
                if let Some(verdict) = verdict {
                    let (count, earliest) = previewed.left_out.entry(verdict.word()).or_default();
                    *count += 1;
                    *earliest = [*earliest, verdict.at()].into_iter().flatten().min();
                }
                continue;
            };
            let is_alone = asked.step.urgent || *digest_of(&self.config, &asked.rule.id, &ticket) == Digest::Ticket;
            let kept = Kept {
                ticket,
                memory,
                updated_raw: None,
                next_at: None,
                generation: meta.generation,
                missing: 0,
                gone_at: None,
            };
            let mut own: BTreeMap<Place, Bundle> = BTreeMap::new();
            for notice in telling.notices.iter().filter(|n| goes_out(n)) {
                if kept.ticket.is_sensitive() && !recipients::hears_of_sensitive(&notice.role) {
                    continue;
                }
                let to = Addressed::known(&telling, notice, &known);
                let (recipient, channel) = match recipients.way(&to, &kept.ticket) {
                    Way::Mail(recipient) => (recipient, Channel::Email),
                    Way::Post(recipient, _) => (recipient, Channel::Webhook),
                    Way::MailOnly(_) => continue,
                };
                let mut item = self.item(
                    &telling,
                    notice,
                    &kept,
                    &known,
                    &recipient,
                    asked.step.urgent,
                    &context,
                    now,
                );
                item.line.title = titles.of(&kept.ticket);
                show_progress(&mut item.line, duties.get(&kept.ticket.code));
                let bundles = match channel {
                    Channel::Email if is_alone => &mut own,
                    Channel::Email | Channel::Webhook => &mut *digests,
                };
                let place = (telling.key.mode, recipient.unit.clone(), recipient.desk, channel, None);
                let bundle = bundles
                    .entry(place)
                    .or_insert_with(|| Bundle::to(telling.key.mode, channel, recipient, None));
                bundle.items.push(item);
            }
            singles.extend(own.into_values().map(|bundle| (kept.ticket.code.clone(), bundle)));
        }
        Ok(singles)
    }
}

/// The telling that goes out now: one that waits, or one that is decided now. Else what it would be, where there is
/// anything to be, and why it is not told.
fn told_by(
    asked: Asked<'_>,
    subject: &Subject<'_>,
    context: &Context<'_>,
    now: Moment,
) -> (Option<Telling>, Option<Verdict>) {
    let Asked { rule, step, .. } = asked;
    let waits = |t: &&Telling| {
        t.key.rule == rule.id
            && t.key.step == step.id
            && evaluate::may_be_told(&t.key, subject)
            && t.notices.iter().any(goes_out)
            && evaluate::still_holds(t, subject, context, now)
    };
    if let Some(waiting) = subject.known.iter().rfind(waits) {
        return (Some(waiting.clone()), None);
    }
    let found = evaluate::evaluate(subject, context, now);
    let mut told = found.tell.into_iter();
    if let Some(new) = told.find(|t| t.key.rule == rule.id && t.key.step == step.id) {
        return (Some(decided(new, now)), None);
    }
    let mut judged = found.judged.into_iter();
    let judged = judged.find(|j| j.rule == rule.id && j.step == step.id);
    match evaluate::as_if_due(subject, context, rule, step, now) {
        Ok(new) => (Some(decided(new, now)), judged.map(|j| j.verdict)),
        Err(why) => (None, Some(why)),
    }
}

fn goes_out(notice: &Notice) -> bool {
    let states = [
        NoticeState::Waiting,
        NoticeState::Composed,
        NoticeState::AwaitingApproval,
    ];
    states.contains(&notice.state)
}

/// A telling as it would be kept.
fn decided(new: NewTelling, now: Moment) -> Telling {
    let notice = |(id, n): (i64, NewNotice)| Notice {
        id,
        role: n.role,
        start: n.start,
        channel: n.channel,
        cc: n.cc,
        state: NoticeState::Waiting,
        at: now,
        first_attempt_at: None,
        compose_at: Some(now),
        wait: Wait::Hours,
        message: None,
    };
    Telling {
        // No telling of the store's has it.
        id: 0,
        key: new.key,
        due_at: new.due_at,
        decided_at: now,
        opening: new.opening,
        settled_by: None,
        notices: (1..).zip(new.notices).map(notice).collect(),
    }
}
