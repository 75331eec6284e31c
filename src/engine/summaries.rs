//! Summaries: what goes out by the calendar, whatever there is to tell of any ticket.
//!
//! Which one is owed is found by what was made last, so that each goes out once, across restarts, downtime and steps of
//! the clock; of several that were missed only the latest is made, and says so. Its notices are composed, tried and
//! replaced as those of tickets are; its counts are of the moment it is composed.

use std::cmp::Reverse;

use chrono::NaiveDate;

use super::alarms;
use super::by_calendar::{Due, Saying};
use super::compose::deadline_view;
use super::letter;
use super::{Composed, Engine, Observed, TurnError, recipients};
use crate::domain::Moment;
use crate::domain::calendar::Calendar;
use crate::domain::deadline::Reckoned;
use crate::domain::directory::{Base, OPS, Recipient, Role};
use crate::domain::facts::{self, Context};
use crate::domain::notice::{COMPETENCE, SETTLED};
use crate::domain::summary::{Counts, Figures, SUMMARY, Summary, Tally, TicketFigures};
use crate::domain::time::Period;
use crate::render::language::builtin_title;
use crate::render::view::{LongestView, OperationView, SilenceView, SummaryView, TicketsView, UnitView, UrgedView};
use crate::store::meta::Meta;
use crate::store::outbox::MessageState;
use crate::store::summaries::{Counted, DueSummary, MadeSummary, NewSummary};
use crate::store::tellings::Fate;
use crate::store::tickets::Kept;
use crate::store::{StoreError, Tx};

/// Tickets counted together.
const PAGE: usize = 500;

/// Tickets named as overdue for longest.
const NAMED: usize = 10;

/// Silences named as those that end first.
const SILENCES_NAMED: usize = 3;

/// Under what a summary stands among the rules in force, where no rule of ops can.
pub(super) fn key(summary: &Summary) -> String {
    format!("summary/{}", summary.id)
}

/// The id that a role starts from, where it needs no ticket to be known.
fn start<'a>(role: &'a Role, office: &'a str) -> Option<&'a str> {
    match &role.base {
        Base::Office => Some(office),
        Base::Ops => Some(OPS),
        Base::Unit(id) => Some(id),
        Base::Agency | Base::SubjectAgency | Base::CoAgencies | Base::AgencyParent => None,
    }
}

/// What a summary is about to say, and what is kept of it.
struct Said {
    view: SummaryView,
    figures: Figures,
    /// There is nothing that anybody would have to look at.
    is_quiet: bool,
}

/// The span that a summary counts.
#[derive(Clone, Copy)]
struct Span {
    after: Moment,
    until: Moment,
}

impl Engine {
    /// Makes the tellings of the summaries that are owed.
    pub(super) async fn decide_summaries(&mut self, now: Moment) -> Result<usize, TurnError> {
        let mut decided = 0;
        for summary in &self.config.rules.summaries {
            let Some(due) = summary.at.last_due(self.config.calendars.base(), now) else {
                continue;
            };
            let is_made = |last: &Moment| due.at <= *last;
            if self.summed_up.get(&summary.id).is_some_and(is_made) {
                continue;
            }
            if let Some(last) = self.store.last_summary_due(&summary.id).await?.filter(is_made) {
                self.summed_up.insert(summary.id.clone(), last);
                continue;
            }
            // One that has just been written does not owe what fell due before.
            let since = self.taken_up.rules.get(&key(summary)).copied();
            if since.is_none_or(|since| due.at <= since) {
                continue;
            }
            let office = &self.config.directory.office;
            let to = summary.to.iter();
            let new = NewSummary {
                summary: &summary.id,
                occurrence: &due.day.to_string(),
                due_at: due.at,
                to: to
                    .filter_map(|role| Some((role.to_string(), start(role, office)?.to_owned())))
                    .collect(),
            };
            let mut tx = self.begin_deciding().await?;
            decided += usize::from(tx.tell_summary(&new, now, now).await?);
            tx.commit().await?;
        }
        Ok(decided)
    }

    /// Composes the summaries whose recipient's window is open.
    pub(super) async fn compose_summaries(
        &self,
        meta: &Meta,
        composed: &mut Composed,
        now: Moment,
    ) -> Result<(), TurnError> {
        for due in self.store.due_summaries(now).await? {
            if self.pulse.is_stopping() {
                return Ok(());
            }
            let summary = self.config.rules.summaries.iter().find(|s| s.id == due.summary);
            let (Some(summary), Ok(role)) = (summary, due.role.parse::<Role>()) else {
                tracing::info!(summary = %due.summary, "the summary is not in the rules any more");
                self.befall(due.notice, Fate::Lapsed, now).await?;
                continue;
            };
            let on = self.config.calendars.base().date_of(now);
            let recipient = self.config.directory.recipient(&due.start, role.desk, None, None, on);
            let is_kept_back = recipients::is_kept_back(&self.config, &due.role, &recipient.unit, now);
            if !self
                .can_be_composed(going(&due, &recipient), is_kept_back, composed, now)
                .await?
            {
                continue;
            }
            self.compose_summary(meta, summary, due, recipient, composed, now)
                .await?;
            self.pulse.beat();
        }
        Ok(())
    }

    async fn compose_summary(
        &self,
        meta: &Meta,
        summary: &Summary,
        due: DueSummary,
        recipient: Recipient,
        composed: &mut Composed,
        now: Moment,
    ) -> Result<(), TurnError> {
        let said = self.said(meta, summary, &due, &recipient, now).await?;
        if said.is_quiet {
            tracing::debug!(summary = %summary.id, "there is nothing to sum up; nothing is sent");
            let mut tx = self.begin_deciding().await?;
            tx.befall(&[(due.notice, Fate::Lapsed)], now).await?;
            tx.keep_figures(due.telling, now, &said.figures).await?;
            tx.commit().await?;
            return Ok(());
        }
        let calendar = self.config.calendars.of(&recipient.unit);
        let period = Period::of(calendar.date_of(now), self.config.rules.period);
        let matter = format!(
            "summary|{}|{}|{}|{period}",
            summary.id,
            recipient.unit,
            recipient.desk.word()
        );
        let mut section = letter::bare_section(&self.config, &recipient, &summary.template, now);
        section.rule = SUMMARY.to_owned();
        section.step.clone_from(&summary.id);
        section.rule_title.clone_from(&summary.title);
        section.summary = Some(said.view);
        let saying = Saying {
            section,
            matter,
            attachments: Vec::new(),
            counted: serde_json::json!(said.figures).to_string(),
        };
        self.compose_alone(meta, going(&due, &recipient), saying, composed, now)
            .await
    }

    /// What a summary says now.
    async fn said(
        &self,
        meta: &Meta,
        summary: &Summary,
        due: &DueSummary,
        recipient: &Recipient,
        now: Moment,
    ) -> Result<Said, TurnError> {
        let before = self.store.summary_before(&summary.id, due.telling).await?;
        let span = Span {
            // Of what happened before the first turn nothing is known.
            after: before.as_ref().map_or_else(
                || {
                    meta.first_turn_at
                        .map_or(due.due_at, |first| first.max(due.due_at - summary.at.length()))
                },
                |b| b.until,
            ),
            until: now,
        };
        let base = self.config.calendars.base();
        let calendar = self.config.calendars.of(&recipient.unit);
        let local = |at: Moment| at.with_timezone(&calendar.zone()).naive_local();
        let mut figures = Figures::default();
        let mut view = SummaryView {
            since: local(span.after),
            due: local(due.due_at),
            is_late: base.date_of(due.due_at) != base.date_of(now),
            skipped: skipped(summary, due, before.as_ref(), base),
            tickets: None,
            operation: None,
        };
        let asks_for = |what: &str| self.renderer.asks_for(&summary.template, what);
        let mut is_quiet = false;
        if asks_for("summary.operation") {
            let tally = self.store.tallies().await?.into_iter().collect();
            let figures_before = before.as_ref().map(|b| &b.figures);
            figures = Figures::counted(tally, figures_before);
            let mut operation = self.operation(&figures, calendar, span).await?;
            operation.needs_look = is_troubled(&operation) || has_grown_worse(&figures, figures_before);
            is_quiet = base.first_working_day_of_week(base.date_of(now)) != base.date_of(now) && !operation.needs_look;
            view.operation = Some(operation);
        }
        if asks_for("summary.tickets") {
            is_quiet = false;
            let (counted, longest) = self.count_tickets(&self.context(meta, now), span).await?;
            view.tickets = Some(self.tickets(&counted, longest, before.as_ref(), span).await?);
            figures.tickets = Some(counted);
        }
        Ok(Said {
            view,
            figures,
            is_quiet,
        })
    }

    /// Goes through the open tickets and those that something happened to within the span, some at a time.
    async fn count_tickets(
        &self,
        context: &Context<'_>,
        span: Span,
    ) -> Result<(TicketFigures, Vec<LongestView>), StoreError> {
        let mut figures = TicketFigures::default();
        let mut longest = Vec::new();
        let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
        let mut next = Some(Counted::first());
        while let Some(from) = next {
            let codes;
            (codes, next) = self.store.counted(span.after, from, limit).await?;
            for kept in self.store.tickets(&codes).await?.into_values() {
                let counts = Counts::of(&kept.ticket, &kept.memory, context, span.after, span.until);
                figures.add(kept.memory.agency.as_deref(), counts);
                if counts.overdue > 0 && !kept.ticket.is_sensitive() {
                    longest.extend(self.longest(&kept, context, span.until));
                }
            }
            longest.sort_by_key(|l| (Reverse(l.overdue_working_days), l.deadline.day, l.code.clone()));
            longest.truncate(NAMED);
            self.pulse.beat();
        }
        Ok((figures, longest))
    }

    fn longest(&self, kept: &Kept, context: &Context<'_>, now: Moment) -> Option<LongestView> {
        let cal = context.calendar(&kept.memory);
        let reckoned: Reckoned = facts::deadline_of(&kept.ticket, &kept.memory, context);
        let agency = kept.memory.agency.as_deref();
        let deadline = deadline_view(&reckoned, cal)?;
        Some(LongestView {
            code: kept.ticket.code.clone(),
            agency_name: agency.map(|id| letter::unit_name(&self.config, id, cal.date_of(now))),
            overdue_working_days: cal.working_days_between(deadline.day, cal.date_of(now)),
            deadline,
        })
    }

    async fn tickets(
        &self,
        figures: &TicketFigures,
        longest: Vec<LongestView>,
        before: Option<&MadeSummary>,
        span: Span,
    ) -> Result<TicketsView, StoreError> {
        let on = self.config.calendars.base().date_of(span.until);
        let directory = &self.config.directory;
        let mut units: Vec<(usize, &String, UnitView)> = figures
            .units
            .iter()
            .map(|(id, counts)| {
                let name = (!id.is_empty()).then(|| letter::unit_name(&self.config, id, on));
                let order = directory.unit(id).map_or(usize::MAX, |unit| unit.order);
                (order, id, UnitView { name, counts: *counts })
            })
            .collect();
        units.sort_by_key(|(order, id, _)| (*order, *id));
        let told = self.store.told_by_step(span.after, span.until).await?;
        let settled = told.iter().filter(|(rule, ..)| rule == SETTLED).map(|(.., n)| n).sum();
        let urged = told.into_iter().filter_map(|(rule, step, tickets)| {
            let Some(known) = self.config.rules.named(&rule) else {
                let rule_title = builtin_title(self.config.wording.locale, &rule, &step).to_owned();
                return (rule == COMPETENCE).then_some(UrgedView {
                    rule_title,
                    step: None,
                    tickets,
                });
            };
            Some(UrgedView {
                rule_title: known.title.clone(),
                step: (known.steps.len() > 1).then_some(step),
                tickets,
            })
        });
        Ok(TicketsView {
            units: units.into_iter().map(|(.., unit)| unit).collect(),
            total: figures.total(),
            before: before
                .and_then(|b| b.figures.tickets.as_ref())
                .map(TicketFigures::total),
            longest,
            urged: urged.collect(),
            settled,
        })
    }

    async fn operation(&self, figures: &Figures, calendar: &Calendar, span: Span) -> Result<OperationView, StoreError> {
        let backlog = self.store.backlog().await?;
        let waiting = backlog.iter().find(|count| count.state == "waiting");
        let oldest = waiting.map(|w| w.oldest_created.with_timezone(&calendar.zone()).naive_local());
        let mut alarms = self.store.alarms().await?;
        alarms.retain(|alarm| alarm.cleared_at.is_none());
        let mut silences = self.store.silences(span.until).await?;
        silences.retain(|silence| silence.from <= span.until && span.until < silence.over_at());
        silences.sort_by_key(|silence| (silence.over_at(), silence.id));
        let ending = silences.iter().take(SILENCES_NAMED).map(|silence| SilenceView {
            id: silence.id,
            until: silence.over_at().with_timezone(&calendar.zone()).naive_local(),
            by: silence.author.clone(),
        });
        let on = calendar.date_of(span.until);
        let base = self.config.calendars.base();
        Ok(OperationView {
            turns: figures.grown_by(Tally::Turns),
            source_down: figures.grown_by(Tally::SourceDown),
            rows_rejected: figures.grown_by(Tally::RowsRejected),
            values_ignored: figures.grown_by(Tally::ValuesIgnored),
            answers: self.store.answers(span.after, span.until).await?,
            dead: self.store.messages_ended("dead", span.after, span.until).await?,
            bounced: self.store.messages_ended("bounced", span.after, span.until).await?,
            waiting: waiting.map_or(0, |w| w.messages),
            oldest_waiting: oldest,
            retrying: self.store.messages_tried_in_vain().await?,
            unknown: waiting.map_or(0, |w| w.unknown),
            awaiting_approval: self
                .store
                .messages_ended(MessageState::AwaitingApproval.word(), Moment::UNIX_EPOCH, span.until)
                .await?,
            suspended: self.store.suspensions(span.until).await?.len(),
            silences: silences.len(),
            silences_ending: ending.collect(),
            alarms: alarms.iter().map(|alarm| alarms::view(alarm, calendar)).collect(),
            unconfirmed: self.unconfirmed(on),
            calendar_until: base.entered_until(),
            calendar_ends: base.ends_soon(on),
            needs_look: false,
        })
    }

    /// Addresses in use that nobody has confirmed lately.
    fn unconfirmed(&self, on: NaiveDate) -> usize {
        let contacts = self
            .config
            .directory
            .contacts(on)
            .filter(|(_, contact)| contact.is_usable(on));
        contacts
            .filter(|(_, contact)| contact.confirmation(on).is_wanting())
            .count()
    }
}

fn going<'a>(due: &DueSummary, recipient: &'a Recipient) -> Due<'a> {
    Due {
        notice: due.notice,
        telling: due.telling,
        due_at: due.due_at,
        first_attempt_at: due.first_attempt_at,
        recipient,
    }
}

/// Counts what a turn met with.
pub(super) async fn count_turns(tx: &mut Tx, turns: usize, observed: &Observed) -> Result<(), StoreError> {
    for (tally, by) in [
        (Tally::Turns, turns),
        (Tally::SourceDown, usize::from(observed.source_failed())),
        (Tally::RowsRejected, observed.rejected),
        (Tally::ValuesIgnored, observed.spoiled),
    ] {
        tx.count_on(tally, by).await?;
    }
    Ok(())
}

/// Whether somebody has to look at something. What was put off and taken later is no trouble: relays do so.
fn is_troubled(seen: &OperationView) -> bool {
    let troubles = [
        seen.source_down,
        seen.dead,
        seen.bounced,
        seen.retrying,
        seen.unknown,
        seen.awaiting_approval,
    ];
    troubles.iter().any(|n| *n > 0) || !seen.alarms.is_empty() || seen.calendar_ends
}

/// More bad rows and values than before: those that nobody mends are met with every night, and are no news.
fn has_grown_worse(figures: &Figures, before: Option<&Figures>) -> bool {
    [Tally::RowsRejected, Tally::ValuesIgnored]
        .iter()
        .any(|tally| figures.grown_by(*tally) > before.map_or(0, |b| b.grown_by(*tally)))
}

/// Summaries that fell due since the last one was made, and before this one.
fn skipped(summary: &Summary, due: &DueSummary, before: Option<&MadeSummary>, cal: &Calendar) -> usize {
    let before = before.and_then(|b| b.occurrence.parse().ok());
    let (Some(before), Ok(this)) = (before, due.occurrence.parse()) else {
        return 0;
    };
    summary.at.dues_between(cal, before, this)
}
