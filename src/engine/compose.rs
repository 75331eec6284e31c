//! Compose: make messages from the notices that still hold when their recipient's digest or window is due.
//!
//! Before that the tickets are read again by key and evaluated, so that what left its fact drops out. A message is
//! rendered before its transaction and stored with its notices in one. It never changes afterwards.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{NaiveDate, TimeDelta};
use tokio::join;

use super::holds;
use super::letter;
use super::obligations::show_progress;
use super::observe::Observed;
use super::recipients::{self, Addressed, NoPost, Recipients, Way, digest_of};
use super::writing::{Apart, Draft, Item, Rank, Ready, SectionKey, Written, digest_key};
use super::{Engine, ReadError, TurnError, down, span_time};
use crate::cores;
use crate::domain::Moment;
use crate::domain::calendar::Calendar;
use crate::domain::deadline::Reckoned;
use crate::domain::directory::{Desk, Recipient};
use crate::domain::evaluate::{self, Ending, Subject};
use crate::domain::facts::{self, Context};
use crate::domain::notice::{COMPETENCE, Mode, Notice, NoticeState, SETTLED, Telling, Wait};
use crate::domain::obligation;
use crate::domain::rule::{Channel, Digest, Rule, When};
use crate::domain::scrub;
use crate::domain::time::{Period, Span};
use crate::render::Rendered;
use crate::render::language::builtin_title;
use crate::render::view::{DeadlineView, DutyView, EndedView, LineView};
use crate::store::StoreError;
use crate::store::meta::Meta;
use crate::store::outbox::{Form, NewMessage};
use crate::store::tellings::Fate;
use crate::store::tickets::Kept;

/// Tickets looked at together.
const PAGE: usize = 500;

/// What composing made.
#[derive(Debug, Clone, Default)]
pub struct Composed {
    /// All that was due was looked at; false where composing waits for the ticket database or was asked to end.
    pub is_complete: bool,
    /// Messages made.
    pub messages: usize,
    /// What reading the tickets again showed.
    pub reread: Observed,
    /// Messages that nobody took for as long as they are worth.
    pub given_up: usize,
    pub problems: Vec<String>,
    /// Files of templates that failed.
    pub failed_templates: BTreeSet<String>,
    /// Files of templates that a letter was made with.
    pub sound_templates: BTreeSet<String>,
    /// For each message, from when its first notice could be composed until it was.
    pub lateness: Vec<TimeDelta>,
    /// The last forgetting before anything was read.
    pub(super) forgets: Option<String>,
    /// A ticket was forgotten meanwhile, and what was read before it was let go.
    pub(super) is_interrupted: bool,
}

impl Composed {
    /// Counts the templates that a letter was made with, and the one that failed, for the report and the alarm.
    pub(super) fn rendered(&mut self, rendered: &Rendered) {
        self.sound_templates.extend(rendered.files.iter().cloned());
        if let Some(failed) = &rendered.failed {
            self.failed_templates.insert(failed.file.clone());
            self.problems.push(format!("template: {failed}"));
        }
    }
}

/// Tickets as they are before composing.
#[derive(Default)]
struct Refreshed {
    /// Those of which something can be said now.
    there: Vec<String>,
    /// Those of them that were read again, as they are kept now.
    kept: Vec<Kept>,
    /// When the data are from, where the source cannot be read.
    data_as_of: Option<Moment>,
}

fn pressing(when: When) -> u8 {
    match when {
        When::Unassigned => 0,
        When::Overdue => 1,
        When::Aged => 2,
        When::CarriedOver => 3,
        When::Stale => 4,
        When::Unsatisfied => 5,
        When::DueSoon => 6,
        When::Received => 7,
        // Before what is to be done about single tickets.
        When::Obligation => 0,
    }
}

/// Messages rendered and stored together.
const TOGETHER: usize = 50;

/// Where bundles go: mode, unit, desk and channel, and apart what has to be approved.
pub(super) type Place = (Mode, String, Desk, Channel, Option<Apart>);

/// What goes to one recipient by one channel. In shadow it is what would go there.
pub(super) struct Bundle {
    mode: Mode,
    channel: Channel,
    recipient: Recipient,
    pub(super) items: Vec<Item>,
    apart: Option<Apart>,
}

impl Bundle {
    pub(super) fn to(mode: Mode, channel: Channel, recipient: Recipient, apart: Option<Apart>) -> Bundle {
        Bundle {
            mode,
            channel,
            recipient,
            items: Vec::new(),
            apart,
        }
    }
}

impl Engine {
    /// Whether there is something for [`Engine::compose_due`]: also a storm that is over is written down by it.
    pub(super) async fn is_anything_to_compose(&self, meta: &Meta, now: Moment) -> Result<bool, StoreError> {
        Ok(meta.storm.is_some() || self.store.is_anything_to_compose(now).await?)
    }

    /// Makes messages of all that is due: of tickets, of summaries, and of the monthly cycle.
    pub(super) async fn compose_due(&self, meta: &Meta, now: Moment) -> Result<Composed, TurnError> {
        let mut composed = self.compose(meta, now).await?;
        self.compose_summaries(meta, &mut composed, now).await?;
        self.compose_letters(meta, &mut composed, now).await?;
        Ok(composed)
    }

    /// What is due of tickets, corrections and approvals.
    async fn compose(&self, meta: &Meta, now: Moment) -> Result<Composed, TurnError> {
        let mut composed = Composed {
            given_up: self.replace_unaccepted(now).await?,
            forgets: meta.last_forgetting.clone(),
            ..Composed::default()
        };
        let mut digests: BTreeMap<Place, Bundle> = BTreeMap::new();
        self.tell_corrections(meta, &mut composed, now).await?;
        let released = self.store.released().await?;
        let mut brake = self.brake(now).await?;
        let mut drafts = Vec::new();
        let mut after = String::new();
        let mut oldest = None;
        loop {
            if self.pulse.is_stopping() {
                return Ok(composed);
            }
            let codes = self
                .store
                .tickets_with_due_notices(now, &after, i64::try_from(PAGE).unwrap_or(i64::MAX))
                .await?;
            let Some(last) = codes.last() else { break };
            after.clone_from(last);
            let Some(fresh) = self.refresh(meta, &codes, &mut composed, now).await? else {
                composed.problems.push("composing waits: the ticket database cannot be read and what is known is older than source.max_age".into());
                return Ok(composed);
            };
            let data_as_of = fresh.data_as_of;
            oldest = oldest.or(data_as_of);
            let singles = self
                .gather(meta, fresh, &released, &mut digests, &mut composed, now)
                .await?;
            let singles = singles
                .into_iter()
                .map(|(ticket, bundle)| self.draft(bundle, Form::Single, &ticket, now));
            if brake.is_off() {
                self.make(singles.collect(), &released, data_as_of, &mut composed, now)
                    .await?;
            } else {
                drafts.extend(singles);
            }
            self.pulse.beat();
        }
        let digests = digests.into_values();
        drafts.extend(digests.map(|bundle| self.draft(bundle, Form::Digest, "", now)));
        let drafts = brake.choose(drafts);
        self.make(drafts, &released, oldest, &mut composed, now).await?;
        self.end_braking(brake, meta, &mut composed, now).await?;
        self.look_after_approvals(!released.is_empty(), &mut composed, now)
            .await?;
        composed.is_complete = !self.pulse.is_stopping() && !composed.is_interrupted;
        Ok(composed)
    }

    /// What has no answer when its recipient's next message is due: the notices go into a new one, unless all of them
    /// have been tried for long enough.
    async fn replace_unaccepted(&self, now: Moment) -> Result<usize, TurnError> {
        let mut given_up = 0;
        loop {
            let ids = self.store.replaceable(now, 100).await?;
            if ids.is_empty() {
                return Ok(given_up);
            }
            let (mut over, mut untaken) = (Vec::new(), Vec::new());
            for (id, unit) in &ids {
                // Only mails are replaced.
                if self.is_tried_enough(id, Channel::Email, unit, now).await? {
                    tracing::error!(mail = %id, %unit, "nobody took the mail in time; it is given up");
                    over.push(id.as_str());
                } else {
                    untaken.push(id.as_str());
                }
            }
            let mut tx = self.begin_deciding().await?;
            let dead = tx.give_up_messages(&over, &self.given_up(Channel::Email), now).await?;
            given_up += dead.len();
            tx.replace(&untaken, "not accepted when the next digest was due", now)
                .await?;
            tx.commit().await?;
        }
    }

    /// Reads the tickets again and evaluates what changed. `None`: the source is down and what is known is too old, or
    /// the turn ends.
    async fn refresh(
        &self,
        meta: &Meta,
        codes: &[String],
        composed: &mut Composed,
        now: Moment,
    ) -> Result<Option<Refreshed>, TurnError> {
        let (own, codes): (Vec<String>, Vec<String>) =
            codes.iter().cloned().partition(|code| obligation::is_code(code));
        if !own.is_empty() {
            composed.reread.decided += self.take_obligations(meta, now).await?;
        }
        if codes.is_empty() {
            return Ok(Some(Refreshed {
                there: own,
                ..Refreshed::default()
            }));
        }
        match self.read(async |source| source.by_code(&codes).await).await {
            Ok(page) => {
                // A row that cannot be read keeps its last good state; one that is absent is for the sweep to judge, and
                // what is to be said of it waits.
                let rows = page.rows.iter().map(|r| r.ticket.code.as_str());
                let unreadable = page.rejected.iter().filter_map(|r| r.code.as_deref());
                let found: HashSet<&str> = rows.chain(unreadable).collect();
                let there = codes.iter().filter(|c| found.contains(c.as_str())).cloned();
                let there = there.chain(own).collect();
                let kept = self.take_page(meta, page, None, now, &mut composed.reread).await?;
                Ok(Some(Refreshed {
                    there,
                    kept,
                    data_as_of: None,
                }))
            }
            Err(ReadError::Turn(error)) => Err(error),
            Err(ReadError::Stopping) => Ok(None),
            Err(ReadError::Source(error)) => {
                let problem = down(&error);
                tracing::error!(%problem, "tickets could not be read again before composing: {problem}");
                if !composed.problems.contains(&problem.to_string()) {
                    composed.problems.push(problem.to_string());
                }
                let Some(read) = meta.source_read_at else {
                    return Ok(None);
                };
                let serves = self.age(read, now) <= span_time(self.config.source.max_age);
                Ok(serves.then(|| Refreshed {
                    there: codes.into_iter().chain(own).collect(),
                    kept: Vec::new(),
                    data_as_of: Some(read),
                }))
            }
        }
    }

    /// Sorts the due notices of some tickets: digests and what goes to endpoints are collected, single mails handed back,
    /// the rest postponed, passed over, lapsed or given up.
    async fn gather(
        &self,
        meta: &Meta,
        fresh: Refreshed,
        released: &HashMap<String, Option<String>>,
        digests: &mut BTreeMap<Place, Bundle>,
        composed: &mut Composed,
        now: Moment,
    ) -> Result<Vec<(String, Bundle)>, TurnError> {
        let codes = fresh.there.as_slice();
        let read = fresh.kept.into_iter();
        let mut kept: HashMap<String, Kept> = read.map(|kept| (kept.ticket.code.clone(), kept)).collect();
        let is_unread = |code: &&String| !kept.contains_key(*code);
        let unread: Vec<String> = codes.iter().filter(is_unread).cloned().collect();
        kept.extend(self.store.tickets(&unread).await?);
        let tellings = self.store.tellings(codes).await?;
        let context = self.context(meta, now);
        let mut recipients = Recipients::new(&self.config, self.disabled.clone(), now);
        let modes = self.taken_up.modes(&self.config);
        let titles = self.titles(codes).await?;
        let duties = self.progress(codes).await?;
        let mut singles = Vec::new();
        let (mut fates, mut over) = (Vec::new(), Vec::new());
        let is_due = |n: &&Notice| n.state == NoticeState::Waiting && n.compose_at.is_some_and(|at| at <= now);
        let today = self.config.calendars.base().date_of(now);
        let mut tx = self.begin_deciding().await?;
        let in_force = holds::read(&self.config, tx.silences(now).await?, tx.acknowledgements(codes).await?);
        let both = |code: &String| Some((kept.get(code)?, tellings.get(code)?));
        let mut keys = BTreeSet::new();
        for (kept, known) in codes.iter().filter_map(both) {
            for telling in known {
                for notice in telling.notices.iter().filter(is_due) {
                    if let Way::Mail(recipient) =
                        recipients.way(&Addressed::known(telling, notice, known), &kept.ticket)
                    {
                        keys.insert(digest_key(telling.key.mode, &recipient, today));
                    }
                }
            }
        }
        let made = tx.digests_made(&Vec::from_iter(keys)).await?;
        for code in codes {
            let Some((kept, known)) = both(code) else {
                continue;
            };
            let mut own: BTreeMap<Place, Bundle> = BTreeMap::new();
            let subject = Subject {
                ticket: &kept.ticket,
                memory: &kept.memory,
                known,
                rule_since: &|_| None,
                source_is_fresh: true,
                mode: modes.of(&kept.memory),
                mode_since: modes.since(&kept.memory),
                is_live: &|unit| modes.is_live(unit),
            };
            for telling in known {
                let mode = telling.key.mode;
                let holds = evaluate::still_holds(telling, &subject, &context, now)
                    && evaluate::may_be_told(&telling.key, &subject);
                for notice in telling.notices.iter().filter(is_due) {
                    if !holds || kept.gone_at.is_some() {
                        let removed = evaluate::removed(&telling.key, &context);
                        fates.push((notice.id, removed.map_or(Fate::Lapsed, Fate::Removed)));
                        continue;
                    }
                    // Decided before the ticket turned out to be sensitive: helpers and ops hear nothing of it any more.
                    if kept.ticket.is_sensitive() && !recipients::hears_of_sensitive(&notice.role) {
                        fates.push((notice.id, Fate::Lapsed));
                        continue;
                    }
                    let key = &telling.key;
                    let (about, to) = ((&kept.ticket, &kept.memory), (&*notice.role, &*notice.start));
                    if let Some(held) = holds::held(&in_force, &self.config, about, key, to, now) {
                        fates.push((notice.id, Fate::Held(held.until(), held.wait())));
                        continue;
                    }
                    let to = Addressed::known(telling, notice, known);
                    let (recipient, endpoint) = match recipients.way(&to, &kept.ticket) {
                        Way::Mail(recipient) => (recipient, None),
                        Way::Post(recipient, endpoint) => (recipient, Some(endpoint)),
                        Way::MailOnly(why) => {
                            let role = &notice.role;
                            match why {
                                // As most units are.
                                NoPost::NoEndpoint => {
                                    tracing::debug!(ticket = %code, rule = %key.rule, step = %key.step, %role, %why, "told by mail, not by webhook");
                                }
                                NoPost::Sensitive | NoPost::Disabled => {
                                    tracing::info!(ticket = %code, rule = %key.rule, step = %key.step, %role, %why, "told by mail, not by webhook");
                                }
                            }
                            fates.push((notice.id, Fate::PassedOver));
                            continue;
                        }
                    };
                    let channel = endpoint.map_or(Channel::Email, |_| Channel::Webhook);
                    let calendar = self.config.calendars.of(&recipient.unit);
                    let tried = notice
                        .first_attempt_at
                        .map(|first| self.tried_for(channel, &recipient.unit, first, now));
                    if tried.is_some_and(|tried| tried >= self.config.delivery.give_up_after) {
                        tracing::error!(ticket = %code, unit = %recipient.unit, rule = %key.rule, step = %key.step, "nobody took the mails about it in time; it is given up");
                        over.push((notice.id, self.given_up(channel)));
                        continue;
                    }
                    let urgent = self.is_urgent(&key.rule, &key.step);
                    let is_alone = urgent || *digest_of(&self.config, &key.rule, &kept.ticket) == Digest::Ticket;
                    let awaits_digest = endpoint.is_none() && !is_alone;
                    let keeps_window = !urgent && endpoint.is_none_or(|e| e.window);
                    if keeps_window && !calendar.is_open(now) {
                        // What the brake held was to go today, and still can.
                        let made = meta.last_composed_at.filter(|_| notice.wait != Wait::Brake);
                        let schedule = recipients::schedule(&self.config, &recipient.unit, made);
                        let digest = if awaits_digest { Digest::Day } else { Digest::Ticket };
                        let at = schedule.chance(&digest, false, now);
                        fates.push((notice.id, Fate::Postponed(at, Wait::Hours)));
                        continue;
                    }
                    if !urgent
                        && let Some(next) =
                            recipients::kept_back_until(&self.config, &notice.role, &recipient.unit, awaits_digest, now)
                    {
                        fates.push((notice.id, Fate::Postponed(next, Wait::QuietDay)));
                        continue;
                    }
                    // Whatever made it due, it waits for the day's digest and makes none before it, behind which the rest of the
                    // day would come tomorrow. Freed from an endpoint that takes no more or from a hold, it joins the desk's
                    // next one after that hour too. What was released is no digest.
                    let joins_next = notice.channel == Channel::Webhook || holds::was_held(notice);
                    let released = notice.message.clone().filter(|id| released.contains_key(id));
                    let schedule = recipients::schedule(&self.config, &recipient.unit, meta.last_composed_at);
                    let next = match awaits_digest {
                        true if joins_next => Some(schedule.chance(&Digest::Day, false, now)),
                        true if released.is_none() => schedule.digest_ahead(now),
                        _ => None,
                    };
                    if let Some(next) = next.filter(|next| *next > now) {
                        fates.push((notice.id, Fate::Postponed(next, Wait::Hours)));
                        continue;
                    }
                    let apart = self.approver(&key.rule, &key.step).map(|approver| Apart {
                        approver,
                        rule: key.rule.clone(),
                        step: key.step.clone(),
                        released,
                    });
                    let is_made =
                        awaits_digest && apart.is_none() && made.contains(&digest_key(mode, &recipient, today));
                    if is_made {
                        let schedule = recipients::schedule(&self.config, &recipient.unit, None);
                        fates.push((notice.id, Fate::Postponed(schedule.digest_after(now), Wait::Hours)));
                        continue;
                    }
                    let mut item = self.item(telling, notice, kept, known, &recipient, urgent, &context, now);
                    item.line.title = titles.of(&kept.ticket);
                    show_progress(&mut item.line, duties.get(code));
                    let digest = digest_of(&self.config, &item.section.rule, &kept.ticket);
                    item.is_between_lists = matches!(digest, Digest::Week { .. })
                        && recipients::schedule(&self.config, &recipient.unit, meta.last_composed_at)
                            .is_between_lists(now);
                    let place = (mode, recipient.unit.clone(), recipient.desk, channel, apart.clone());
                    let bundles = match channel {
                        Channel::Email if is_alone => &mut own,
                        Channel::Email | Channel::Webhook => &mut *digests,
                    };
                    let bundle = bundles
                        .entry(place)
                        .or_insert_with(|| Bundle::to(mode, channel, recipient, apart));
                    bundle.items.push(item);
                }
            }
            singles.extend(own.into_values().map(|b| (code.clone(), b)));
        }
        tx.befall(&fates, now).await?;
        let died = tx.give_up(&over, now).await?;
        tx.commit().await?;
        composed.given_up += usize::try_from(died).unwrap_or(usize::MAX);
        Ok(singles)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "a line draws on the telling, the ticket, its history and the recipient"
    )]
    pub(super) fn item(
        &self,
        telling: &Telling,
        notice: &Notice,
        kept: &Kept,
        known: &[Telling],
        recipient: &Recipient,
        urgent: bool,
        context: &Context<'_>,
        now: Moment,
    ) -> Item {
        let rule = evaluate::rule_of(context, &telling.key.rule);
        let place = rule
            .and_then(|r| r.steps.iter().position(|s| s.id == telling.key.step))
            .unwrap_or(0);
        let order = rule
            .and_then(|r| self.config.rules.rules.iter().position(|x| x.id == r.id))
            .unwrap_or(usize::MAX);
        let rule_id = rule.map_or_else(|| telling.key.rule.clone(), |r| r.id.clone());
        let step = rule.and_then(|r| r.steps.get(place));
        let opening = telling.opening && step.is_some_and(|s| self.renderer.words_openings(&s.template));
        Item {
            notice: notice.id,
            section: SectionKey {
                rule: rule_id.clone(),
                step: telling.key.step.clone(),
                opening,
                cc: notice.cc,
                wanted: recipient.wanted,
                for_want_of_contact: recipient.for_want_of_contact,
                is_duty: kept.ticket.duty.is_some(),
                stands_in_for: recipient.stands_in_for.clone().map(|id| {
                    (
                        id.clone(),
                        letter::unit_name(&self.config, &id, context.calendars.base().date_of(now)),
                    )
                }),
            },
            rank: Rank {
                settled: telling.key.rule == SETTLED,
                step_from_top: std::cmp::Reverse(place),
                pressing: rule.map_or(0, |r| pressing(r.when)),
                rule: order,
            },
            ticket: kept.ticket.code.clone(),
            line: self.line(telling, kept, known, recipient, context, now),
            reply_by: match rule {
                Some(rule) => self.reply_by(rule, place, kept, context, now),
                None if telling.key.rule == COMPETENCE => self.assign_by(kept, context, now),
                None => None,
            },
            is_cc: notice.cc,
            is_between_lists: false,
            // What ops asked to be tried again is due at any time.
            ready_at: notice.compose_at.filter(|at| *at > Moment::UNIX_EPOCH).unwrap_or(now),
            told_by: format!("{} ({rule_id}/{})", self.title(rule, telling), telling.key.step),
            urgent,
        }
    }

    /// A rule's title in the language of letters.
    fn title<'a>(&self, rule: Option<&'a Rule>, telling: &Telling) -> &'a str {
        let key = &telling.key;
        rule.map_or_else(
            || builtin_title(self.config.wording.locale, &key.rule, &key.step),
            |r| &r.title,
        )
    }

    /// By when a step's letter of today asks for an answer about a ticket: as the step says, and never later than the
    /// last working day before the next step can be due.
    fn reply_by(
        &self,
        rule: &Rule,
        place: usize,
        kept: &Kept,
        context: &Context<'_>,
        now: Moment,
    ) -> Option<DeadlineView> {
        let Kept { ticket, memory, .. } = kept;
        let Some(Span::WorkingDays(days)) = rule.steps.get(place)?.reply else {
            return None;
        };
        let cal = context.calendar(memory);
        let today = cal.date_of(now);
        let reckoned = facts::deadline_of(ticket, memory, context);
        let occurrence = facts::occurrence(rule, ticket, memory, &reckoned, context, now).ok()?;
        let before_next = rule.steps.get(place + 1).map(|next| {
            let due = facts::step_due(&occurrence, next.after, cal).max(facts::gap_over(now, next.min_gap, cal));
            cal.nth_working_day(cal.date_of(due), -1)
        });
        let asked = cal.nth_working_day(today, days);
        let day = before_next.map_or(asked, |last| last.min(asked)).max(today);
        Some(closing_of(day, cal))
    }

    /// By when the Office is asked who is competent: as for tickets without an agency.
    fn assign_by(&self, kept: &Kept, context: &Context<'_>, now: Moment) -> Option<DeadlineView> {
        let mut rules = self.config.rules.rules.iter();
        let unassigned = rules.find(|rule| rule.when == When::Unassigned)?;
        let Some(Span::WorkingDays(days)) = unassigned.steps.first()?.reply else {
            return None;
        };
        let cal = context.calendar(&kept.memory);
        Some(closing_of(cal.nth_working_day(cal.date_of(now), days), cal))
    }

    pub(super) fn line(
        &self,
        telling: &Telling,
        kept: &Kept,
        known: &[Telling],
        recipient: &Recipient,
        context: &Context<'_>,
        now: Moment,
    ) -> LineView {
        let reckoned = facts::deadline_of(&kept.ticket, &kept.memory, context);
        let cal = context.calendar(&kept.memory);
        let earlier = earlier_dates(telling, known, context, cal);
        LineView {
            reminder: u32::try_from(earlier.len()).unwrap_or(u32::MAX).saturating_add(1),
            earlier,
            ended: ended(telling, &reckoned, cal),
            ..self.line_of(kept, &recipient.unit, context, now)
        }
    }

    /// A ticket as a unit sees it, whatever it is told of.
    pub(super) fn line_of(&self, kept: &Kept, unit: &str, context: &Context<'_>, now: Moment) -> LineView {
        let Kept { ticket, memory, .. } = kept;
        let cal = context.calendar(memory);
        let today = cal.date_of(now);
        let reckoned = facts::deadline_of(ticket, memory, context);
        let agency = memory.agency.as_deref().filter(|id| *id != unit);
        let deadline = deadline_view(&reckoned, cal);
        let is_late = facts::overdue_working_days(&reckoned, cal, now).is_some();
        // Only while somebody has to keep it.
        let running = deadline.as_ref().filter(|_| ticket.status.is_open());
        let days = running.map(|shown| cal.working_days_between(today, shown.day));
        let due_today = running.is_some_and(|shown| shown.day == today) && !is_late;
        LineView {
            code: ticket.code.clone(),
            title: None,
            field: ticket.category().filter(|_| ticket.duty.is_none()).map(scrub::word),
            agency_name: agency.map(|id| letter::unit_name(&self.config, id, today)),
            deadline,
            first_deadline_differs: match &reckoned {
                Reckoned::At(d) => memory.first_deadline.filter(|first| *first != d.day(cal)),
                _ => None,
            },
            overdue_working_days: days.filter(|_| is_late).map(|days| -days),
            due_in_working_days: days.filter(|_| !is_late),
            due_today,
            age_working_days: cal.working_days_between(cal.date_of(ticket.received_at), today),
            received_on: cal.date_of(ticket.received_at),
            age_days: (today - cal.date_of(ticket.received_at)).num_days(),
            locality: self.locality(kept, unit, today),
            status: ticket.status.word().to_owned(),
            waiting_on: ticket.waiting_on.as_deref().map(|word| {
                self.config
                    .directory
                    .find(word, today)
                    .map_or_else(|| scrub::word(word), |u| u.name(today).to_owned())
            }),
            stage: ticket.stage.as_deref().map(scrub::word),
            reminder: 1,
            earlier: Vec::new(),
            rules: Vec::new(),
            transfers: memory.transfers,
            reopened: memory.reopened,
            needs_assignment: ticket.status.is_open() && self.needs_assignment(kept, today),
            ended: None,
            url: ticket.url.as_deref().and_then(|url| scrub::link(url, &ticket.code)),
            proposed_by: ticket.proposed.as_ref().map(|p| p.by.clone()),
            unknown_agency_word: ticket
                .agency
                .as_deref()
                .filter(|_| memory.agency.is_none())
                .map(scrub::agency),
            duty: ticket.duty.as_ref().map(|duty| DutyView {
                kind: duty.kind,
                letter: duty.kind.letter(),
                short: format!("{}/{}", duty.period, duty.kind.letter()),
                month: duty.period.first_day(),
                number: duty.number.clone(),
                date: duty.date,
                reply_before: duty.reply.map(|reply| reply.before),
                progress: None,
            }),
        }
    }

    /// Whether the way from the ticket's agency to the unit that answers now went through one that has to assign it.
    fn needs_assignment(&self, kept: &Kept, on: NaiveDate) -> bool {
        let Kept { ticket, memory, .. } = kept;
        let (category, area) = (ticket.category(), ticket.area.as_deref());
        let agency = memory.agency.as_deref();
        let passed = agency.and_then(|id| self.config.directory.passed_on(id, category, area, on));
        passed.is_some_and(|(_, way)| way.last().is_some_and(|last| !last.is_decided))
    }

    /// The unit directly below another that a ticket is with, or in whose locality it is.
    fn locality(&self, kept: &Kept, above: &str, on: NaiveDate) -> Option<String> {
        let directory = &self.config.directory;
        let agency = kept
            .memory
            .agency
            .as_deref()
            .filter(|id| directory.is_below(id, above, on));
        let of_area = || directory.local(above, kept.ticket.area.as_deref()?, on);
        let unit = agency.and_then(|id| directory.unit(id)).or_else(of_area)?;
        Some(unit.name(on).to_owned())
    }

    pub(super) fn draft(&self, bundle: Bundle, form: Form, ticket: &str, now: Moment) -> Draft {
        let Bundle {
            mode,
            channel,
            recipient,
            items,
            apart,
        } = bundle;
        let on = self.config.calendars.of(&recipient.unit).date_of(now);
        let period = Period::of(on, self.config.rules.period);
        let (unit, desk) = (&recipient.unit, recipient.desk.word());
        let matter = match (channel, form) {
            (Channel::Email, Form::Digest) => format!("{unit}|{desk}|{period}"),
            (Channel::Email, Form::Single) => format!("{ticket}|{unit}|{desk}"),
            // A mail answers to mails only.
            (Channel::Webhook, _) => format!("webhook|{unit}|{desk}|{period}"),
        };
        let matter = match mode {
            Mode::Live => matter,
            Mode::Shadow => format!("shadow|{matter}"),
        };
        Draft {
            id: self.ids.next(now),
            mode,
            channel,
            recipient,
            items,
            apart,
            form,
            matter,
        }
    }

    /// Writes messages and stores them, some at a time: while some are stored, the next are written.
    async fn make(
        &self,
        drafts: Vec<Draft>,
        released: &HashMap<String, Option<String>>,
        data_as_of: Option<Moment>,
        composed: &mut Composed,
        now: Moment,
    ) -> Result<(), TurnError> {
        let mut drafts = drafts.into_iter();
        let mut some = || drafts.by_ref().take(TOGETHER).collect::<Vec<Draft>>();
        let mut written = self.write(some(), data_as_of, now).await?;
        while !written.is_empty() && !self.pulse.is_stopping() {
            let mut ready = Vec::with_capacity(written.len());
            for written in written {
                written.tell(composed);
                ready.extend(written.ready);
            }
            let storing = self.enqueue(ready, released, composed, now);
            let (stored, next) = join!(storing, self.write(some(), data_as_of, now));
            stored?;
            written = next?;
            self.pulse.beat();
            if !written.is_empty() {
                self.hand_on();
            }
        }
        Ok(())
    }

    /// Writes some messages, on all cores.
    async fn write(
        &self,
        drafts: Vec<Draft>,
        data_as_of: Option<Moment>,
        now: Moment,
    ) -> Result<Vec<Written>, TurnError> {
        let matters: Vec<String> = drafts.iter().map(|draft| draft.matter.clone()).collect();
        let threads = self.store.threads(&matters).await?;
        let pen = self.pen();
        let written = cores::aside(drafts, move |draft: Draft| {
            let thread = threads.get(&draft.matter).map_or(&[][..], Vec::as_slice);
            pen.write(draft, thread, data_as_of, now)
        });
        let written = written.await;
        written.into_iter().collect()
    }

    /// Stores rendered messages with their notices. What was released and says the same as when it was approved goes out
    /// as it is; else what is so now waits for approval in its stead.
    async fn enqueue(
        &self,
        ready: Vec<Ready>,
        released: &HashMap<String, Option<String>>,
        composed: &mut Composed,
        now: Moment,
    ) -> Result<(), TurnError> {
        let mut tx = self.begin_deciding().await?;
        if self.has_forgotten(&mut tx, composed.forgets.as_deref()).await? {
            tracing::info!("a ticket was forgotten meanwhile: what had been written is written anew in the next turn");
            composed.is_interrupted = true;
            return Ok(());
        }
        let mut new = Vec::with_capacity(ready.len());
        let mut fates = Vec::new();
        for ready in &ready {
            fates.extend(ready.passed_over.iter().map(|notice| (*notice, Fate::PassedOver)));
            if let Some(id) = &ready.released {
                let says = ready.message.approval.as_ref().map(|approval| &approval.said);
                let is_same = released.get(id).is_some_and(|said| said.as_ref() == says);
                if is_same && tx.send_released(id, now).await? {
                    continue;
                }
                let why = format!(
                    "released, but its tickets say otherwise by now: {} instead",
                    ready.message.id
                );
                // Withdrawn since it was gathered, none of it is to be told.
                if !tx.outdate_released(id, &why, now).await? {
                    continue;
                }
            }
            new.push(ready);
        }
        let messages: Vec<&NewMessage> = new.iter().map(|r| &r.message).collect();
        let made = tx.compose(&messages, now).await?;
        composed.messages += made.len();
        let stored = new.iter().filter(|r| made.contains(&r.message.id));
        composed.lateness.extend(stored.map(|r| now - r.ready_at));
        for late in new.iter().filter(|r| !made.contains(&r.message.id)) {
            let next = Fate::Postponed(late.next_digest, Wait::Hours);
            fates.extend(late.message.notices.iter().map(|notice| (*notice, next)));
        }
        tx.befall(&fates, now).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// A day until its office hours end.
fn closing_of(day: NaiveDate, cal: &Calendar) -> DeadlineView {
    DeadlineView {
        day,
        time: cal.closes(day).map(|at| at.with_timezone(&cal.zone()).time()),
        is_day: true,
        provisional: cal.is_provisional(day),
    }
}

/// The dates on which this ticket was told before under the same rule and occurrence, from messages accepted.
fn earlier_dates(telling: &Telling, known: &[Telling], context: &Context<'_>, cal: &Calendar) -> Vec<NaiveDate> {
    let rule = |t: &Telling| evaluate::rule_of(context, &t.key.rule).map_or(t.key.rule.clone(), |r| r.id.clone());
    let own = rule(telling);
    let same = |t: &&Telling| {
        t.id != telling.id
            && t.key.mode == telling.key.mode
            && rule(t) == own
            && t.key.occurrence == telling.key.occurrence
    };
    let mut dates: Vec<NaiveDate> = known
        .iter()
        .filter(same)
        .filter_map(Telling::accepted_at)
        .map(|at| cal.date_of(at))
        .collect();
    dates.sort_unstable();
    dates
}

pub(super) fn deadline_view(reckoned: &Reckoned, cal: &Calendar) -> Option<DeadlineView> {
    let Reckoned::At(deadline) = reckoned else { return None };
    let day = deadline.day(cal);
    Some(DeadlineView {
        day,
        time: deadline.shown_at(cal).map(|at| at.with_timezone(&cal.zone()).time()),
        is_day: matches!(deadline.due, crate::domain::calendar::Due::Day(_)),
        provisional: cal.is_provisional(day),
    })
}

fn ended(telling: &Telling, reckoned: &Reckoned, cal: &Calendar) -> Option<EndedView> {
    let ending = Ending::ALL
        .into_iter()
        .find(|e| telling.key.rule == SETTLED && e.word() == telling.key.step)?;
    Some(match ending {
        Ending::Done => EndedView::Done,
        Ending::Rejected => EndedView::Rejected,
        Ending::Void => EndedView::Void,
        Ending::Transferred => EndedView::Transferred,
        Ending::Extended => match reckoned {
            Reckoned::At(d) => EndedView::Extended { to: Some(d.day(cal)) },
            _ => EndedView::Extended { to: None },
        },
    })
}
