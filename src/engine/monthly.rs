//! The letters of the monthly cycle in a turn: three to the Office about each period, what is different in its final figures,
//! and a list to each unit of what it is asked to check.
//!
//! Which are owed follows from what is frozen, recorded and told, so that each goes out once, and after downtime what still
//! makes sense. While the figures of a period contradict each other nothing of it is told or composed. Escalation behind the
//! deadline waits until the Office was told who has not replied; that is written down here.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate, Weekday};

use super::by_calendar::{Due, Saying};
use super::letter;
use super::{Composed, Engine, TurnError};
use crate::channel::mail::Attachment;
use crate::domain::Moment;
use crate::domain::calendar::Calendar;
use crate::domain::directory::{Base, Desk, Recipient, Role};
use crate::domain::figures::{Figure, Figures, is_checked_at};
use crate::domain::monthly::{Letter, MONTHLY, Replies, figures_due, last_over, outcome_due, reminder_due};
use crate::domain::obligation::{Directive, Kind, Members, Obligation, Progress};
use crate::domain::papers::{REPLY_WITHIN, proposed_reply_before};
use crate::domain::time::Period;
use crate::domain::wording::Locale;
use crate::render::annex;
use crate::render::language::builtin_title;
use crate::render::report::view::{DirectiveView, ReportView};
use crate::render::report::{paper, workbook};
use crate::render::view::{
    BeforeView, ClosedDay, DifferenceView, KindCount, LineView, MonthlyView, OwingKind, OwingView, RepliesView,
    ReviewView, ReviewedView, SectionView, StandingView,
};
use crate::report::{self, ReportError};
use crate::store::StoreError;
use crate::store::meta::Meta;
use crate::store::monthly::{DueLetter, NewLetter, ToldLetter};
use crate::store::outbox::Form;
use crate::store::snapshots::Snapshot;
use crate::store::tellings::Fate;

/// Under what the letters stand among the rules in force, where no rule of ops can: what fell due before they were written
/// at all is not owed.
pub(super) const KEY: &str = "monthly/letters";

/// Periods, from the last that is over, whose replies are looked at.
const LOOKED_BACK: usize = 6;

/// What a letter says, and what is kept of it.
struct Said {
    view: MonthlyView,
    attachments: Vec<Attachment>,
    /// The revision of the figures.
    revision: i64,
}

/// Why a letter is not composed.
enum Unsaid {
    /// There is nothing to say any more.
    Over,
    /// The figures contradict each other.
    Held,
}

impl Engine {
    /// Writes down that the Office has been told who has not replied, for each period of which it now has: whether there was
    /// one.
    pub(super) async fn note_outcomes(&self, now: Moment) -> Result<bool, TurnError> {
        let mut is_any = false;
        let base = self.config.calendars.base();
        let from = earliest(last_over(now, self.config.rules.period, base));
        for period in self.store.outcomes_unseen(from).await? {
            let Some(directive) = self.store.directive(period).await? else {
                continue;
            };
            // Who has not replied by another day is another list.
            let before = directive.reply_before.to_string();
            if let Some(at) = self.store.outcome_told(period, &before).await? {
                let mut tx = self.begin_deciding().await?;
                tx.office_saw(period, at).await?;
                tx.commit().await?;
                is_any = true;
                tracing::info!(%period, %at, "the Office has been told who of {period} has not replied");
            }
        }
        Ok(is_any)
    }

    /// Makes the tellings of the letters that are owed.
    pub(super) async fn decide_letters(&self, now: Moment) -> Result<usize, TurnError> {
        if self.config.monthly.letters_at.is_none() {
            return Ok(0);
        }
        let Some(since) = self.taken_up.rules.get(KEY).copied() else {
            return Ok(0);
        };
        let last = last_over(now, self.config.rules.period, self.config.calendars.base());
        let mut decided = self.decide_figures(last, since, now).await?;
        let directives = self.store.directives_since(earliest(last)).await?;
        let is_over = |directive: &&Directive| directive.period.first_day() <= last.first_day();
        for directive in directives.iter().filter(is_over) {
            decided += self.decide_replies(directive, since, now).await?;
        }
        Ok(decided)
    }

    /// The figures of the last period, what is different in the final ones, and the lists to be checked.
    async fn decide_figures(&self, period: Period, since: Moment, now: Moment) -> Result<usize, TurnError> {
        let base = self.config.calendars.base();
        let Some(at) = self.config.monthly.letters_at else {
            return Ok(0);
        };
        let due_at = figures_due(period, at, base);
        if now < due_at || due_at <= since {
            return Ok(0);
        }
        let told = self.store.letters_told(period).await?;
        if find(&told, Letter::Final).is_some() {
            return Ok(0);
        }
        let frozen = self.store.frozen_since(period).await?;
        let key = period.to_string();
        let Some((_, frozen)) = frozen.into_iter().find(|(period, _)| *period == key) else {
            return Ok(0);
        };
        let new = |letter: Letter, due_at: Moment| NewLetter {
            letter,
            period,
            unit: None,
            occurrence: &key,
            due_at,
            to: self.to_office(),
        };
        let Some(first) = find(&told, Letter::Figures) else {
            let Some(_) = self.balanced(period).await? else {
                return Ok(0);
            };
            let members = self.store.members_in_check(period).await?;
            let lists = self.lists(period, &members, now).await?;
            let mut tx = self.begin_deciding().await?;
            let mut decided = usize::from(tx.tell_letter(&new(Letter::Figures, due_at), now).await?);
            for unit in &lists {
                let role = Role {
                    base: Base::Unit(unit.clone()),
                    desk: Desk::Contact,
                };
                let list = NewLetter {
                    unit: Some(unit),
                    to: vec![(role.to_string(), unit.clone())],
                    ..new(Letter::ReviewList, due_at)
                };
                decided += usize::from(tx.tell_letter(&list, now).await?);
            }
            tx.commit().await?;
            return Ok(decided);
        };
        // One that is not composed yet will give the last ones.
        let Some(given) = first.revision.filter(|given| *given < frozen) else {
            return Ok(0);
        };
        let due_at = base.instant(base.date_of(is_checked_at(period, base)), at);
        if now < due_at {
            return Ok(0);
        }
        let Some((last, before)) = self.balanced_since(period, given).await? else {
            return Ok(0);
        };
        let mut tx = self.begin_deciding().await?;
        let is_same = last.figures == before.figures;
        let decided = match is_same {
            // They are what the Office has.
            true => {
                tx.keep_revision(first.telling, last.revision, now).await?;
                0
            }
            false => usize::from(tx.tell_letter(&new(Letter::Final, due_at), now).await?),
        };
        tx.commit().await?;
        Ok(decided)
    }

    /// Who has not replied to the directive on a period, before the deadline and after it.
    async fn decide_replies(&self, directive: &Directive, since: Moment, now: Moment) -> Result<usize, TurnError> {
        let base = self.config.calendars.base();
        let period = directive.period;
        let due_day = directive.due_day(self.config.monthly.reading, base);
        let (reminder, outcome) = (reminder_due(due_day, base), outcome_due(due_day, base));
        let (letter, due_at) = if now < base.end_of_day(due_day) {
            (Letter::Reminder, reminder)
        } else {
            (Letter::Outcome, outcome)
        };
        if now < due_at || due_at <= since {
            return Ok(0);
        }
        // Another day is another one to be told of.
        let occurrence = directive.reply_before.to_string();
        let told = self.store.letters_told(period).await?;
        if told.iter().any(|t| t.letter == letter && t.occurrence == occurrence) {
            return Ok(0);
        }
        // Nothing is owed before the figures are final, and all may be met.
        let is_owed = self.store.counted_for_good(period).await?.is_some()
            && (letter == Letter::Outcome || !self.replies(period, now).await?.owing.is_empty());
        if !is_owed || self.balanced(period).await?.is_none() {
            return Ok(0);
        }
        let new = NewLetter {
            letter,
            period,
            unit: None,
            occurrence: &occurrence,
            due_at,
            to: self.to_office(),
        };
        let mut tx = self.begin_deciding().await?;
        let is_told = tx.tell_letter(&new, now).await?;
        tx.commit().await?;
        Ok(usize::from(is_told))
    }

    fn to_office(&self) -> Vec<(String, String)> {
        let role = Role {
            base: Base::Office,
            desk: Desk::Contact,
        };
        vec![(role.to_string(), self.config.directory.office.clone())]
    }

    /// The last revision of a period, where there is one that does not contradict itself.
    async fn balanced(&self, period: Period) -> Result<Option<Snapshot>, StoreError> {
        let last = self.store.snapshots(period).await?.pop();
        Ok(last.filter(|last| last.figures.violations().is_empty()))
    }

    /// As [`Engine::balanced`], with an earlier revision.
    async fn balanced_since(&self, period: Period, revision: i64) -> Result<Option<(Snapshot, Snapshot)>, StoreError> {
        let mut all = self.store.snapshots(period).await?;
        let last = all.pop().filter(|last| last.figures.violations().is_empty());
        let before = all.into_iter().find(|s| s.revision == revision);
        Ok(last.zip(before))
    }

    async fn replies(&self, period: Period, now: Moment) -> Result<Replies, StoreError> {
        let obligations = self.store.obligations(period).await?;
        let base = self.config.calendars.base();
        Ok(Replies::of(&obligations, self.config.monthly.reading, base, now))
    }

    /// The units that get a list: while it is checked, those with tickets in it; the one that answers for identity cards until
    /// what it owes is closed.
    async fn lists(&self, period: Period, members: &Members, now: Moment) -> Result<BTreeSet<String>, StoreError> {
        let mut units = BTreeSet::new();
        if now < is_checked_at(period, self.config.calendars.base()) {
            units.extend(members.iter().map(|member| member.unit.clone()));
        }
        for earlier in self.open_without_deadline(period, now).await? {
            units.insert(earlier.id.unit);
        }
        Ok(units)
    }

    /// What is owed without a deadline by directives on earlier periods.
    async fn open_without_deadline(&self, before: Period, now: Moment) -> Result<Vec<Obligation>, StoreError> {
        let base = self.config.calendars.base();
        let mut open = Vec::new();
        for period in self.store.obligation_periods().await? {
            if period.first_day() >= before.first_day() {
                continue;
            }
            let is_open =
                |o: &Obligation| !o.id.kind.has_deadline() && o.state(self.config.monthly.reading, base, now).is_owed();
            open.extend(self.store.obligations(period).await?.into_iter().filter(is_open));
        }
        Ok(open)
    }

    /// Composes the letters whose recipient's window is open.
    pub(super) async fn compose_letters(
        &self,
        meta: &Meta,
        composed: &mut Composed,
        now: Moment,
    ) -> Result<(), TurnError> {
        for due in self.store.due_letters(now).await? {
            if self.pulse.is_stopping() {
                return Ok(());
            }
            if self.config.monthly.letters_at.is_none() {
                tracing::info!(period = %due.period, "the letters of the monthly cycle are not written any more");
                self.befall(due.notice, Fate::Lapsed, now).await?;
                continue;
            }
            let on = self.config.calendars.base().date_of(now);
            let recipient = self
                .config
                .directory
                .recipient(&due.start, due.role.desk, None, None, on);
            // No monthly letter goes out beside a long closure, whoever it is to.
            let calendar = self.config.calendars.of(&recipient.unit);
            let is_kept_back = calendar.is_quiet_day(calendar.date_of(now));
            if !self
                .can_be_composed(going(&due, &recipient), is_kept_back, composed, now)
                .await?
            {
                continue;
            }
            self.compose_letter(meta, due, recipient, composed, now).await?;
            self.pulse.beat();
        }
        Ok(())
    }

    async fn compose_letter(
        &self,
        meta: &Meta,
        due: DueLetter,
        recipient: Recipient,
        composed: &mut Composed,
        now: Moment,
    ) -> Result<(), TurnError> {
        let said = match self.said_in(meta, &due, &recipient, now).await? {
            Ok(said) => said,
            Err(Unsaid::Held) => {
                tracing::warn!(period = %due.period, letter = due.letter.word(), "the figures contradict each other; nothing is told of them");
                return Ok(());
            }
            Err(Unsaid::Over) => {
                tracing::debug!(period = %due.period, letter = due.letter.word(), "there is nothing to tell any more");
                self.befall(due.notice, Fate::Lapsed, now).await?;
                return Ok(());
            }
        };
        let (period, step) = (due.period, due.letter.word());
        let matter = format!("monthly|{}|{}|{period}", recipient.unit, recipient.desk.word());
        let mut section = letter::bare_section(&self.config, &recipient, due.letter.template(), now);
        section.rule = MONTHLY.to_owned();
        section.step = step.to_owned();
        section.rule_title = builtin_title(self.config.wording.locale, MONTHLY, step).to_owned();
        section.monthly = Some(said.view);
        let saying = Saying {
            section,
            matter,
            attachments: said.attachments,
            counted: said.revision.to_string(),
        };
        self.compose_alone(meta, going(&due, &recipient), saying, composed, now)
            .await
    }

    /// What a letter says now.
    async fn said_in(
        &self,
        meta: &Meta,
        due: &DueLetter,
        recipient: &Recipient,
        now: Moment,
    ) -> Result<Result<Said, Unsaid>, TurnError> {
        let period = due.period;
        let Some(last) = self.balanced(period).await? else {
            return Ok(Err(Unsaid::Held));
        };
        let base = self.config.calendars.base();
        let directive = self.store.directive(period).await?;
        // Who asks by another day than this one was about has another letter.
        let is_last = period == last_over(now, self.config.rules.period, base);
        let is_of_reply = matches!(due.letter, Letter::Reminder | Letter::Outcome);
        let due_day = directive.as_ref().map(|d| d.due_day(self.config.monthly.reading, base));
        // What was due about a period is in the letters about the next one.
        if !is_of_reply && !is_last {
            return Ok(Err(Unsaid::Over));
        }
        let before = directive.as_ref().map(|d| d.reply_before.to_string());
        if is_of_reply && before.is_none_or(|before| before != due.occurrence) {
            return Ok(Err(Unsaid::Over));
        }
        let report = match report::read(&self.store, &self.config, period, Some(last.revision), now).await {
            Ok(report) => report,
            Err(ReportError::Store(error)) => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "the figures went while they were read");
                return Ok(Err(Unsaid::Held));
            }
        };
        let obligations = self.store.obligations(period).await?;
        let paper = report.view(&self.config, now);
        let mut view = self.view_of(due, &paper, recipient, now);
        let mut attachments = Vec::new();
        match due.letter {
            Letter::Figures => {
                self.add_deadline(&mut view, period, directive.as_ref(), now);
                view.before = self.before(period.previous(), now).await?;
                attachments.extend(self.drafts(&paper, &[paper::Kind::Report, paper::Kind::Directive], now));
            }
            Letter::Final => {
                let told = self.store.letters_told(period).await?;
                let given = find(&told, Letter::Figures).and_then(|first| first.revision);
                let Some(given) = given.filter(|given| *given < last.revision) else {
                    return Ok(Err(Unsaid::Over));
                };
                let Some((last, before)) = self.balanced_since(period, given).await? else {
                    return Ok(Err(Unsaid::Held));
                };
                view.differences = differences(&before.figures, &last.figures, self.config.wording.locale);
                self.add_deadline(&mut view, period, directive.as_ref(), now);
                attachments.extend(self.drafts(&paper, &[paper::Kind::Report, paper::Kind::Directive], now));
            }
            Letter::Reminder | Letter::Outcome => {
                let replies = Replies::of(&obligations, self.config.monthly.reading, base, now);
                let is_over = due_day.is_some_and(|day| base.end_of_day(day) <= now);
                if due.letter == Letter::Reminder && (replies.owing.is_empty() || is_over) {
                    return Ok(Err(Unsaid::Over));
                }
                self.add_deadline(&mut view, period, directive.as_ref(), now);
                view.replies = Some(self.replies_view(&replies, now));
                if due.letter == Letter::Outcome {
                    attachments.extend(self.drafts(&paper, &[paper::Kind::Report], now));
                }
            }
            Letter::ReviewList => {
                let unit = due.unit.as_deref().unwrap_or(&due.start);
                let Some(review) = self.review(meta, period, unit, recipient, now).await? else {
                    return Ok(Err(Unsaid::Over));
                };
                let lines: Vec<LineView> = review.tickets.iter().map(|t| t.line.clone()).collect();
                attachments.extend(self.list(lines, recipient, due.letter, now));
                view.review = Some(review);
            }
        }
        view.files = attachments.iter().map(|file| file.name.clone()).collect();
        Ok(Ok(Said {
            view,
            attachments,
            revision: last.revision,
        }))
    }

    fn view_of(&self, due: &DueLetter, paper: &ReportView, recipient: &Recipient, now: Moment) -> MonthlyView {
        let calendar = self.config.calendars.of(&recipient.unit);
        let base = self.config.calendars.base();
        let local = |at: Moment| at.with_timezone(&calendar.zone()).naive_local();
        let period = &paper.period;
        MonthlyView {
            first_day: period.first_day,
            last_day: period.last_day,
            next: due.period.end(),
            previous_first_day: period.previous_first_day,
            previous_last_day: period.previous_last_day,
            is_month: period.is_month,
            is_final: paper.revision > 0,
            due: local(due.due_at),
            is_late: base.date_of(due.due_at) != base.date_of(now),
            figures: paper.figures,
            cards_unit: paper.cards.as_ref().map(|cards| cards.unit.clone()),
            card: paper.cards.as_ref().map(|cards| cards.card.clone()),
            directive: paper.directive.clone(),
            due_day: None,
            replies: None,
            days_left: 0,
            proposed: None,
            closed: Vec::new(),
            before: None,
            differences: Vec::new(),
            review: None,
            files: Vec::new(),
        }
    }

    /// By when replies are due, or are proposed to be.
    fn add_deadline(&self, view: &mut MonthlyView, period: Period, directive: Option<&Directive>, now: Moment) {
        let base = self.config.calendars.base();
        let today = base.date_of(now);
        let reading = self.config.monthly.reading;
        // The standing one holds from the final figures on, and is known before.
        let standing = self.config.monthly.standing.as_ref();
        let standing = standing.map(|standing| standing.for_period(period, base, now));
        let directive = directive.or(standing.as_ref());
        view.directive = directive.map(DirectiveView::from);
        view.due_day = directive.map(|d| d.due_day(reading, base));
        view.days_left = view.due_day.map_or(0, |day| base.working_days_between(today, day));
        let is_enough = view.due_day.is_some() && view.days_left >= REPLY_WITHIN;
        view.proposed = (!is_enough).then(|| proposed_reply_before(period, base, today));
        let until = view.due_day.max(view.proposed).unwrap_or(today);
        view.closed = closed_days(today, until, base);
    }

    /// How the replies of an earlier period stand.
    async fn before(&self, period: Period, now: Moment) -> Result<Option<BeforeView>, StoreError> {
        let Some(directive) = self.store.directive(period).await? else {
            return Ok(None);
        };
        let replies = self.replies(period, now).await?;
        Ok(Some(BeforeView {
            first_day: period.first_day(),
            last_day: period.last_day(),
            directive: DirectiveView::from(&directive),
            replies: self.replies_view(&replies, now),
        }))
    }

    fn replies_view(&self, replies: &Replies, now: Moment) -> RepliesView {
        let on = self.config.calendars.base().date_of(now);
        let directory = &self.config.directory;
        let order = |id: &str| directory.unit(id).map_or(usize::MAX, |unit| unit.order);
        let mut owing: Vec<(&String, &Vec<(Kind, Progress)>)> = replies.owing.iter().collect();
        owing.sort_by_key(|(id, _)| (order(id), *id));
        RepliesView {
            units: replies.units,
            replied: replies.replied,
            late: replies.late,
            owing: owing
                .into_iter()
                .map(|(id, owing)| OwingView {
                    name: letter::unit_name(&self.config, id, on),
                    kinds: owing.iter().map(owing_kind).collect(),
                })
                .collect(),
        }
    }

    /// The drafts and the workbook; one that cannot be written is left out, and the letter goes without it.
    fn drafts(&self, view: &ReportView, papers: &[paper::Kind], now: Moment) -> Vec<Attachment> {
        let mut files = Vec::new();
        for kind in papers {
            match paper::write(view, *kind, now) {
                Ok(content) => files.push(Attachment {
                    name: paper::file_name(view, *kind),
                    media_type: paper::MEDIA_TYPE,
                    content,
                }),
                Err(error) => tracing::error!(%error, "a draft cannot be written; the letter goes without it: {error}"),
            }
        }
        match workbook::write(view, now) {
            Ok(content) => files.push(Attachment {
                name: format!("So lieu - {}.xlsx", view.period.key.replace('/', "-")),
                media_type: annex::MEDIA_TYPE,
                content,
            }),
            Err(error) => {
                tracing::error!(%error, "the workbook cannot be written; the letter goes without it: {error}")
            }
        }
        files
    }

    /// The tickets that a unit is asked to check, and what it owes until it is closed; `None` where there is neither.
    async fn review(
        &self,
        meta: &Meta,
        period: Period,
        unit: &str,
        recipient: &Recipient,
        now: Moment,
    ) -> Result<Option<ReviewView>, StoreError> {
        let base = self.config.calendars.base();
        let checked = is_checked_at(period, base);
        let is_checked = checked <= now;
        let mut members = self.store.members_in_check(period).await?;
        members.retain(|member| member.unit == unit && !is_checked);
        let mut kinds: BTreeMap<String, BTreeSet<Kind>> = BTreeMap::new();
        let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
        for member in members {
            *counts.entry(member.kind).or_default() += 1;
            if member.kind.has_deadline() {
                kinds.entry(member.code).or_default().insert(member.kind);
            }
        }
        let codes: Vec<String> = kinds.keys().cloned().collect();
        let known = self.store.tickets(&codes).await?;
        let context = self.context(meta, now);
        let mut tickets: Vec<ReviewedView> = Vec::new();
        let mut unlisted = 0;
        for (code, kinds) in &kinds {
            match known.get(code) {
                Some(kept) if !kept.ticket.is_sensitive() => tickets.push(ReviewedView {
                    letters: kinds.iter().map(|kind| kind.letter()).collect(),
                    line: self.line_of(kept, &recipient.unit, &context, now),
                }),
                _ => unlisted += 1,
            }
        }
        let open = self.open_without_deadline(period, now).await?;
        let open: Vec<StandingView> = open.iter().filter(|o| o.id.unit == unit).map(standing_view).collect();
        if counts.is_empty() && open.is_empty() {
            return Ok(None);
        }
        Ok(Some(ReviewView {
            until: (!is_checked).then(|| base.date_of(checked - chrono::TimeDelta::microseconds(1))),
            counts: counts
                .into_iter()
                .map(|(kind, tickets)| KindCount {
                    kind,
                    letter: kind.letter(),
                    tickets,
                })
                .collect(),
            unlisted,
            tickets,
            open,
        }))
    }

    /// The list as a workbook, where it is long.
    fn list(&self, lines: Vec<LineView>, recipient: &Recipient, letter: Letter, now: Moment) -> Option<Attachment> {
        let is_long = self.config.delivery.annex_above.is_some_and(|most| lines.len() > most);
        if !is_long {
            return None;
        }
        let step = letter.word();
        let section = SectionView {
            rule: MONTHLY.to_owned(),
            step: step.to_owned(),
            rule_title: builtin_title(self.config.wording.locale, MONTHLY, step).to_owned(),
            lines,
            ..letter::bare_section(&self.config, recipient, letter.template(), now)
        };
        let parts = letter::Parts {
            id: "",
            recipient,
            form: Form::Digest,
            sections: vec![section],
            data_as_of: None,
        };
        let view = letter::view(&self.config, parts, now);
        let name = annex::file_name(&view, self.config.wording.locale);
        match annex::write(&view, self.renderer.wording(), now) {
            Ok(content) => Some(Attachment {
                name,
                media_type: annex::MEDIA_TYPE,
                content,
            }),
            // The mail says all of it too.
            Err(error) => {
                tracing::error!(%error, "a list cannot be written; the letter goes without it: {error}");
                None
            }
        }
    }
}

fn going<'a>(due: &DueLetter, recipient: &'a Recipient) -> Due<'a> {
    Due {
        notice: due.notice,
        telling: due.telling,
        due_at: due.due_at,
        first_attempt_at: due.first_attempt_at,
        recipient,
    }
}

fn find(told: &[ToldLetter], letter: Letter) -> Option<&ToldLetter> {
    told.iter().find(|t| t.letter == letter)
}

fn earliest(last: Period) -> Period {
    std::iter::successors(Some(last), |period| Some(period.previous()))
        .nth(LOOKED_BACK - 1)
        .unwrap_or(last)
}

fn owing_kind((kind, progress): &(Kind, Progress)) -> OwingKind {
    OwingKind {
        kind: *kind,
        tickets: progress.tickets,
        settled: progress.settled,
    }
}

fn standing_view(obligation: &Obligation) -> StandingView {
    StandingView {
        kind: obligation.id.kind,
        letter: obligation.id.kind.letter(),
        month: obligation.id.period.first_day(),
        number: obligation.directive.number.clone(),
        date: obligation.directive.date,
        tickets: obligation.progress.tickets,
        settled: obligation.progress.settled,
    }
}

/// Days from the next one up to another on which offices are closed that are open on such days of the week.
fn closed_days(today: NaiveDate, until: NaiveDate, cal: &Calendar) -> Vec<ClosedDay> {
    let days = today.iter_days().skip(1).take_while(|day| *day <= until);
    let is_weekday = |day: &NaiveDate| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    days.filter(|day| is_weekday(day) && !cal.is_working_day(*day))
        .map(|day| ClosedDay {
            day,
            label: cal.label(day).map(str::to_owned),
        })
        .collect()
}

fn differences(before: &Figures, after: &Figures, locale: Locale) -> Vec<DifferenceView> {
    let differing = Figure::ALL.into_iter().filter_map(|figure| {
        let (was, is) = (figure.value(before), figure.value(after));
        (was != is).then(|| DifferenceView {
            label: figure.words(locale).label.to_owned(),
            was,
            is,
        })
    });
    differing.collect()
}
