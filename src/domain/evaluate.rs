//! Evaluation of one ticket at an instant: which steps to tell now, why not the others, and when to look again.
//!
//! This is the only place that decides. It knows nothing of messages: it makes tellings with notices, and says which
//! waiting notices have lapsed or wait again. The rules are those of `spec.md` §4, Climbing and Settled.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveTime;

use super::Moment;
use super::calendar::Calendar;
use super::deadline::Reckoned;
use super::directory::{Base, Desk, OPS, Role};
use super::facts::{self, Context, Occurrence, Unconcerned, occurrence_key, occurrence_parts};
use super::notice::{COMPETENCE, Mode, NewNotice, NewTelling, Notice, NoticeState, SETTLED, Telling, TellingKey, Wait};
use super::rule::{Channel, Digest, Rule, Step, When};
use super::scrub;
use super::ticket::{Memory, Status, Texts, Ticket};
use super::time::{Period, Span};

/// Why a step is passed over and will not be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// `due_soon` after the deadline.
    DeadlineOver,
    /// A higher step of the ladder has been told.
    HigherStep,
    /// A higher step reached the same recipient on the same day.
    SameDay,
}

/// Why a ladder goes no higher than `contact`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cap {
    /// The source's status word is not mapped.
    UnmappedStatus,
    /// The ticket waits on a unit outside the province's power.
    WaitsOutside,
}

/// What holds of one step of one rule for a ticket at an instant. Every decision has a reason, also the one not to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    NotConcerned(Unconcerned),
    /// Falls due then.
    NotYet {
        at: Moment,
    },
    /// Told: somebody accepted it then.
    AlreadyTold {
        at: Moment,
    },
    /// Decided then; no answer to its message yet.
    AwaitsAnswer {
        decided_at: Moment,
    },
    /// The message about a step waits to be released since then, and the ladder with it.
    AwaitsApproval {
        step: String,
        since: Moment,
    },
    /// Somebody decided then that it is not told.
    Withdrawn {
        at: Moment,
    },
    /// Told, and taken back by a correction then.
    Corrected {
        at: Moment,
    },
    /// Decided; its fact was over before it was told.
    Lapsed,
    /// Decided; waits until then for what is named.
    Waits {
        why: Wait,
        until: Moment,
    },
    /// Ops hold it back.
    Silenced {
        by: String,
        until: Moment,
        reason: String,
    },
    /// The unit that it is for knows of it.
    Acknowledged {
        unit: String,
        by: String,
        until: Moment,
        note: Option<String>,
    },
    PassedOver(Passed),
    /// The step before it has to be told first, by at least `min_gap`; open while that has no answer.
    BehindStep {
        step: String,
        until: Option<Moment>,
    },
    /// An obligation is past its deadline, and the Office has not seen yet who did not reply.
    BehindOffice,
    Capped(Cap),
    /// Nobody to write to: the agency's word is not in the directory.
    UnknownAgency {
        word: Option<String>,
    },
    /// The step concerns nobody in this ticket: no co-agency, or a sensitive ticket that only heads may see.
    NoRecipient,
    /// The ticket database has shown nothing new for longer than `source.stale_after` in office hours.
    StaleSource,
    /// Told now.
    Tell {
        opening: bool,
        repetition: u32,
    },
}

/// A verdict with its place in the ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    pub rule: String,
    pub step: String,
    pub verdict: Verdict,
}

/// How a ticket that people were told of has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    Done,
    Rejected,
    Void,
    Transferred,
    Extended,
}

impl Ending {
    pub const ALL: [Ending; 5] = [
        Ending::Done,
        Ending::Rejected,
        Ending::Void,
        Ending::Transferred,
        Ending::Extended,
    ];

    /// The word that stands as the step of a settled telling.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Ending::Done => "done",
            Ending::Rejected => "rejected",
            Ending::Void => "void",
            Ending::Transferred => "transferred",
            Ending::Extended => "extended",
        }
    }
}

/// What evaluation asks the store to change, and what it found.
#[derive(Debug, Clone, Default)]
pub struct Evaluation {
    pub judged: Vec<Judged>,
    pub tell: Vec<NewTelling>,
    /// Waiting notices whose fact is over.
    pub lapse: Vec<i64>,
    /// Lapsed notices whose fact and occurrence have returned.
    pub revive: Vec<i64>,
    /// Tellings whose recipients are told of the ending by the settled telling in `tell` with this key.
    pub settled: Vec<(i64, TellingKey)>,
    /// Settled tellings that were taken back before anybody read them: the ticket was taken up again.
    pub unsettle: Vec<i64>,
    /// When the ticket could next matter; `None` when only a change of its row can make it.
    pub next: Option<Moment>,
}

/// A ticket with what we remember of it and what was told of it.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub ticket: &'a Ticket,
    pub memory: &'a Memory,
    pub known: &'a [Telling],
    /// From when each rule has been in force, by id; a rule that is not here starts now.
    pub rule_since: &'a dyn Fn(&str) -> Option<Moment>,
    /// Whether the ticket database shows its usual life (`source.stale_after`).
    pub source_is_fresh: bool,
    /// How the ticket's unit is told.
    pub mode: Mode,
    /// Since when it is told so; what was before then starts at the first step.
    pub mode_since: Moment,
    /// Whether a unit is told live, by its id.
    pub is_live: &'a dyn Fn(&str) -> bool,
}

/// Evaluates all rules for one ticket.
#[must_use]
pub fn evaluate(subject: &Subject<'_>, ctx: &Context<'_>, now: Moment) -> Evaluation {
    let cal = ctx.calendar(subject.memory);
    let reckoned = facts::deadline_of(subject.ticket, subject.memory, ctx);
    let mut out = Evaluation::default();
    let mut holding = BTreeSet::new();
    for rule in &ctx.rules.rules {
        ladder(
            &Ladder {
                rule,
                subject,
                ctx,
                cal,
                reckoned: &reckoned,
                now,
            },
            &mut out,
            &mut holding,
        );
    }
    competence(subject, ctx, now, &mut out, &mut holding);
    let endings = subject.known.iter().filter(|t| t.key.rule == SETTLED);
    holding.extend(
        endings
            .filter(|t| is_still_the_ending(t, subject, &reckoned, ctx))
            .map(|t| t.id),
    );
    lapse_and_revive(subject, &holding, &mut out);
    settle(subject, &reckoned, ctx, now, &mut out);
    out
}

/// The same of a ticket that is gone from the source since an instant: what waits about it lapses, and waits again should
/// it return.
#[must_use]
pub fn evaluate_gone(known: &[Telling], ctx: &Context<'_>, since: Moment) -> Evaluation {
    let notices = known.iter().flat_map(|t| &t.notices);
    let waiting = notices.filter(|n| n.state == NoticeState::Waiting);
    let steps = ctx
        .rules
        .rules
        .iter()
        .flat_map(|rule| rule.steps.iter().map(move |step| (rule, step)));
    let verdict = Verdict::NotConcerned(Unconcerned::Gone(since));
    Evaluation {
        judged: steps.map(|(rule, step)| judged(rule, step, verdict.clone())).collect(),
        lapse: waiting.map(|n| n.id).collect(),
        ..Evaluation::default()
    }
}

/// Whether a telling still holds for a ticket: its rule and step exist and its fact and occurrence are the present ones.
#[must_use]
pub fn still_holds(telling: &Telling, subject: &Subject<'_>, ctx: &Context<'_>, now: Moment) -> bool {
    match telling.key.rule.as_str() {
        SETTLED => {
            let reckoned = facts::deadline_of(subject.ticket, subject.memory, ctx);
            is_still_the_ending(telling, subject, &reckoned, ctx)
        }
        COMPETENCE => {
            competence_occurrence(subject.ticket, subject.memory).is_some_and(|o| o == telling.key.occurrence)
        }
        id => {
            let Some(rule) = rule_of(ctx, id) else { return false };
            let reckoned = facts::deadline_of(subject.ticket, subject.memory, ctx);
            rule.steps.iter().any(|s| s.id == telling.key.step)
                && rule.matcher.holds(subject.ticket, &Texts::default())
                && facts::occurrence(rule, subject.ticket, subject.memory, &reckoned, ctx, now)
                    .is_ok_and(|o| o.key == telling.key.occurrence && o.from <= now && o.until.is_none_or(|u| now < u))
        }
    }
}

/// The first telling of a step as it would be now, were the step due; for those who want to see what it says.
///
/// # Errors
/// Why the step has nothing to say of the ticket, or nobody to say it to.
pub fn as_if_due(
    subject: &Subject<'_>,
    ctx: &Context<'_>,
    rule: &Rule,
    step: &Step,
    now: Moment,
) -> Result<NewTelling, Verdict> {
    let Subject { ticket, memory, .. } = *subject;
    if !rule.matcher.holds(ticket, &Texts::default()) {
        return Err(Verdict::NotConcerned(Unconcerned::Matcher));
    }
    let cal = ctx.calendar(memory);
    let reckoned = facts::deadline_of(ticket, memory, ctx);
    let occurrence = facts::occurrence(rule, ticket, memory, &reckoned, ctx, now).map_err(Verdict::NotConcerned)?;
    let due_at = facts::step_due(&occurrence, step.after, cal);
    let ladder = Ladder {
        rule,
        subject,
        ctx,
        cal,
        reckoned: &reckoned,
        now,
    };
    new_telling(&ladder, &occurrence, step, 0, due_at, false)
}

/// The first telling of a step that is still to come, as far as is known now: for whom it would be.
///
/// # Errors
/// Why it would be for nobody.
pub fn to_come(
    subject: &Subject<'_>,
    ctx: &Context<'_>,
    rule: &Rule,
    step: &Step,
    now: Moment,
) -> Result<NewTelling, Verdict> {
    let place = rule.steps.iter().position(|s| s.id == step.id);
    match place.and_then(|i| cap(rule, subject, i)) {
        Some(cap) => Err(Verdict::Capped(cap)),
        None => as_if_due(subject, ctx, rule, step, now),
    }
}

/// The rule of an id, or the one that took it over by `was`.
#[must_use]
pub fn rule_of<'a>(ctx: &Context<'a>, id: &str) -> Option<&'a Rule> {
    ctx.rules.named(id)
}

/// The part of the configuration that a telling was made by and that is there no more.
#[must_use]
pub fn removed(key: &TellingKey, ctx: &Context<'_>) -> Option<Wait> {
    if matches!(&*key.rule, SETTLED | COMPETENCE) {
        return None;
    }
    match rule_of(ctx, &key.rule) {
        None => Some(Wait::Rule),
        Some(rule) => (!rule.steps.iter().any(|s| s.id == key.step)).then_some(Wait::Step),
    }
}

/// The occurrences that concern a ticket, each with whom a step is for that has fallen due or falls due before an
/// instant.
#[must_use]
pub fn ahead(
    ticket: &Ticket,
    memory: &Memory,
    ctx: &Context<'_>,
    until: Moment,
    now: Moment,
) -> Vec<(String, BTreeSet<NewNotice>)> {
    let subject = Subject {
        ticket,
        memory,
        known: &[],
        rule_since: &|_| None,
        source_is_fresh: true,
        mode: Mode::Live,
        mode_since: Moment::MIN_UTC,
        is_live: &|_| true,
    };
    let cal = ctx.calendar(memory);
    let reckoned = facts::deadline_of(ticket, memory, ctx);
    let mut found = Vec::new();
    for rule in ctx
        .rules
        .rules
        .iter()
        .filter(|r| r.matcher.holds(ticket, &Texts::default()))
    {
        let Ok(occurrence) = facts::occurrence(rule, ticket, memory, &reckoned, ctx, now) else {
            continue;
        };
        if occurrence.until.is_some_and(|end| end <= now) {
            continue;
        }
        let l = Ladder {
            rule,
            subject: &subject,
            ctx,
            cal,
            reckoned: &reckoned,
            now,
        };
        let due = rule
            .steps
            .iter()
            .filter(|s| facts::step_due(&occurrence, s.after, cal) < until);
        let notices = due.filter_map(|step| reach(&l, step).ok()).flatten().collect();
        found.push((occurrence.key, notices));
    }
    found
}

struct Ladder<'a> {
    rule: &'a Rule,
    subject: &'a Subject<'a>,
    ctx: &'a Context<'a>,
    cal: &'a Calendar,
    reckoned: &'a Reckoned,
    now: Moment,
}

fn ladder(l: &Ladder<'_>, out: &mut Evaluation, holding: &mut BTreeSet<i64>) {
    let Ladder {
        rule,
        subject,
        ctx,
        cal,
        now,
        ..
    } = *l;
    let Subject { ticket, memory, .. } = *subject;
    let concerned = if rule.matcher.holds(ticket, &Texts::default()) {
        facts::occurrence(rule, ticket, memory, l.reckoned, ctx, now)
    } else {
        Err(Unconcerned::Matcher)
    };
    if rule.when == When::CarriedOver && ticket.status.is_open() && ticket.level != Some(1) {
        look_at_next_period(l, out);
    }
    let occurrence = match concerned {
        Ok(occurrence) => occurrence,
        Err(why) => {
            out.judged.extend(
                rule.steps
                    .iter()
                    .map(|s| judged(rule, s, Verdict::NotConcerned(why.clone()))),
            );
            return;
        }
    };
    let mine: Vec<&Telling> = subject
        .known
        .iter()
        .filter(|t| {
            t.key.mode == subject.mode
                && t.key.occurrence == occurrence.key
                && (t.key.rule == rule.id || rule.was.contains(&t.key.rule))
        })
        .collect();
    // As before the first turn: what happened in another mode is not news in this one.
    let is_event = matches!(rule.when, When::Received | When::Unsatisfied);
    if is_event && mine.is_empty() && occurrence.instant < subject.mode_since {
        let why = Unconcerned::BeforeStart(occurrence.instant);
        let before = |s| judged(rule, s, Verdict::NotConcerned(why.clone()));
        out.judged.extend(rule.steps.iter().map(before));
        return;
    }
    // What was told of it may have gone with the ticket. One that was known when it came about never went.
    let is_pruned = |from: Moment| {
        let is_unknown = occurrence.instant < from.min(subject.memory.first_seen_at);
        rule.when == When::Unsatisfied && is_unknown
    };
    if mine.is_empty() && ctx.kept_from.is_some_and(is_pruned) {
        let why = Unconcerned::NotKept(occurrence.instant);
        let old = |s| judged(rule, s, Verdict::NotConcerned(why.clone()));
        out.judged.extend(rule.steps.iter().map(old));
        return;
    }
    let fact_holds = occurrence.from <= now && occurrence.until.is_none_or(|u| now < u);
    if fact_holds {
        let has_step = |t: &&&Telling| rule.steps.iter().any(|s| s.id == t.key.step);
        holding.extend(mine.iter().filter(has_step).map(|t| t.id));
    } else if occurrence.from > now && !mine.is_empty() {
        // What was decided under an earlier reading of the deadline has lapsed, and waits again from then on.
        look_again(out, occurrence.from);
    }
    // What waits for the week's list is let go once it is late.
    if let (Digest::Week { also_when }, Reckoned::At(deadline)) = (&rule.digest, l.reckoned)
        && also_when.contains(&When::Overdue)
        && deadline.judged_at(cal) > now
    {
        look_again(out, deadline.judged_at(cal));
    }
    let due: Vec<Moment> = rule
        .steps
        .iter()
        .map(|s| facts::step_due(&occurrence, s.after, cal))
        .collect();
    let verdicts = climb(l, &occurrence, &mine, &due, out);
    for (step, verdict) in rule.steps.iter().zip(verdicts) {
        if let Verdict::NotYet { at } | Verdict::BehindStep { until: Some(at), .. } = verdict {
            look_again(out, at);
        }
        out.judged.push(judged(rule, step, verdict));
    }
}

/// The verdicts of a ladder's steps, lowest first; adds the telling that is due now.
fn climb(
    l: &Ladder<'_>,
    occurrence: &Occurrence,
    mine: &[&Telling],
    due: &[Moment],
    out: &mut Evaluation,
) -> Vec<Verdict> {
    let Ladder { rule, subject, now, .. } = *l;
    let telling = |step: &Step, rep: u32| {
        mine.iter()
            .find(|t| t.key.step == step.id && t.key.repetition == rep)
            .copied()
    };
    let highest = rule.steps.iter().rposition(|s| telling(s, 0).is_some_and(is_decided));
    let over = occurrence.until.is_some_and(|u| u <= now);
    let start = first_step(l);
    let is_late = highest.is_none() && due.get(start).is_some_and(|first| known_since(l) > *first);
    // Who learns of a ticket late learns of it by the first step, before any other.
    let opening = rule.steps.get(start).filter(|first| {
        is_late || telling(first, 0).is_some_and(|t| t.opening && is_decided(t) && t.told_at().is_none())
    });
    let mut verdicts: Vec<Verdict> = Vec::with_capacity(rule.steps.len());
    for (i, step) in rule.steps.iter().enumerate() {
        let verdict = match telling(step, 0) {
            Some(t) if highest.is_some_and(|h| i <= h) => standing(t),
            _ if over => Verdict::PassedOver(Passed::DeadlineOver),
            _ if highest.is_some_and(|h| i < h) => Verdict::PassedOver(Passed::HigherStep),
            _ if due[i] > now => Verdict::NotYet { at: due[i] },
            _ if stands_still(rule.when, subject) => Verdict::StaleSource,
            _ if comes_too_late(l, occurrence, i, start) => Verdict::PassedOver(Passed::DeadlineOver),
            _ if is_behind_office(subject.ticket, step) => Verdict::BehindOffice,
            _ => match (may_climb(l, occurrence, mine, i).and_then(|()| reach(l, step)), opening) {
                (Ok(_), Some(first)) if i > start => Verdict::BehindStep {
                    step: first.id.clone(),
                    until: None,
                },
                (Ok(_), _) => Verdict::Tell {
                    opening: is_late,
                    repetition: 0,
                },
                (Err(verdict), _) => verdict,
            },
        };
        verdicts.push(verdict);
    }
    // Of the steps that could be told now only the highest is.
    let chosen = verdicts.iter().rposition(|v| matches!(v, Verdict::Tell { .. }));
    if let Some(chosen) = chosen {
        for verdict in &mut verdicts[..chosen] {
            if matches!(verdict, Verdict::Tell { .. }) {
                *verdict = Verdict::PassedOver(Passed::HigherStep);
            }
        }
        let new = new_telling(l, occurrence, &rule.steps[chosen], 0, due[chosen], is_late);
        out.tell.extend(new.ok());
    } else if let Some(h) = highest.filter(|_| !over)
        && let Some(verdict) = repeat(l, occurrence, mine, h, out)
    {
        verdicts[h] = verdict;
    }
    if verdicts.iter().any(|v| matches!(v, Verdict::StaleSource)) {
        look_again(out, now + STALE_RECHECK);
    }
    if let (Some(until), Some(first)) = (occurrence.until, due.iter().min()) {
        // After the deadline what waits of `due_soon` lapses.
        if *first <= now && now < until {
            look_again(out, until);
        }
    }
    verdicts
}

/// How soon a ticket that waits for a stale source is looked at again.
const STALE_RECHECK: chrono::TimeDelta = chrono::TimeDelta::minutes(5);

/// Overdue and stale steps wait while the ticket database shows no life.
fn stands_still(when: When, subject: &Subject<'_>) -> bool {
    !subject.source_is_fresh && matches!(when, When::Overdue | When::Stale)
}

/// What is to be told of an obligation behind its deadline is not told before the Office has seen who did not reply.
fn is_behind_office(ticket: &Ticket, step: &Step) -> bool {
    let duty = ticket.duty.as_ref();
    duty.is_some_and(|duty| duty.office_saw_at.is_none()) && !step.after.is_negative()
}

/// Whether a step was to say that a reply is due soon, and it is so no more. The first one says that it is owed at all.
fn comes_too_late(l: &Ladder<'_>, occurrence: &Occurrence, i: usize, start: usize) -> bool {
    let is_ahead = i > start && l.rule.steps[i].after.is_negative();
    l.rule.when == When::Obligation && is_ahead && occurrence.instant <= l.now
}

/// A telling counts as decided unless all its notices were passed over.
fn is_decided(telling: &Telling) -> bool {
    telling.notices.is_empty() || telling.notices.iter().any(|n| n.state != NoticeState::PassedOver)
}

fn standing(telling: &Telling) -> Verdict {
    if let Some(at) = telling.accepted_at() {
        return Verdict::AlreadyTold { at };
    }
    if let Some(verdict) = awaits_approval(telling) {
        return verdict;
    }
    if let Some(at) = telling.since(NoticeState::Corrected) {
        return Verdict::Corrected { at };
    }
    let all = |s: NoticeState| telling.notices.iter().all(|n| n.state == s);
    if let (true, Some(at)) = (all(NoticeState::Withdrawn), telling.since(NoticeState::Withdrawn)) {
        return Verdict::Withdrawn { at };
    }
    if all(NoticeState::PassedOver) {
        Verdict::PassedOver(Passed::SameDay)
    } else if all(NoticeState::Lapsed) {
        Verdict::Lapsed
    } else {
        let waits = |n: &Notice| Some((n.compose_at?, n.wait)).filter(|_| n.state == NoticeState::Waiting);
        let waiting = telling.notices.iter().filter(|n| !n.cc).map(waits);
        // Where one is on its way already that is what counts.
        let first: Option<Vec<(Moment, Wait)>> = waiting.collect();
        match first.into_iter().flatten().min_by_key(|(at, _)| *at) {
            Some((until, why)) => Verdict::Waits { why, until },
            None => Verdict::AwaitsAnswer {
                decided_at: telling.decided_at,
            },
        }
    }
}

fn awaits_approval(telling: &Telling) -> Option<Verdict> {
    let since = telling.since(NoticeState::AwaitingApproval)?;
    let step = telling.key.step.clone();
    Some(Verdict::AwaitsApproval { step, since })
}

/// From when the ticket, its lead, the rule and the unit's mode have been known together; a first step that fell due
/// before is late.
fn known_since(l: &Ladder<'_>) -> Moment {
    let rule = (l.subject.rule_since)(&l.rule.id).unwrap_or(l.now);
    l.subject
        .memory
        .first_seen_at
        .max(l.subject.memory.lead_since)
        .max(l.subject.mode_since)
        .max(rule)
}

/// Whether a step that is due may be told, by what was told before it.
fn may_climb(l: &Ladder<'_>, occurrence: &Occurrence, mine: &[&Telling], i: usize) -> Result<(), Verdict> {
    let step = &l.rule.steps[i];
    if !is_above_contact(step) {
        return Ok(());
    }
    if let Some(cap) = cap(l.rule, l.subject, i) {
        return Err(Verdict::Capped(cap));
    }
    // A step that concerns nobody in this ticket cannot be told, nor can one that comes too late; nothing waits for it.
    let start = first_step(l);
    let told = |step: &Step| mine.iter().find(|t| t.key.step == step.id && t.key.repetition == 0);
    let is_waited_for = |(place, step): &(usize, &Step)| {
        concerns_somebody(l, step) && (told(step).is_some() || !comes_too_late(l, occurrence, *place, start))
    };
    let Some((_, before)) = l.rule.steps[..i].iter().enumerate().rfind(is_waited_for) else {
        return Ok(());
    };
    let first = told(before);
    let told_at = first.and_then(|t| t.told_at());
    match told_at.map(|at| facts::gap_over(at, step.min_gap, l.cal)) {
        Some(over) if over <= l.now => Ok(()),
        until => {
            let approval = first.filter(|_| until.is_none()).and_then(|t| awaits_approval(t));
            Err(approval.unwrap_or_else(|| Verdict::BehindStep {
                step: before.id.clone(),
                until,
            }))
        }
    }
}

/// By how ops wrote the step: a sensitive ticket that goes to heads alone keeps its place in the ladder.
fn is_above_contact(step: &Step) -> bool {
    step.to.iter().chain(&step.cc).any(Role::is_above_contact)
}

/// What keeps a step above `contact` from being told. Waiting outside stops the climbing, not where a rule starts.
fn cap(rule: &Rule, subject: &Subject<'_>, i: usize) -> Option<Cap> {
    let is_own_contact = |role: &Role| {
        role.desk != Desk::Head && matches!(&role.base, Base::Unit(id) if Some(id) == subject.memory.agency.as_ref())
    };
    let step = &rule.steps[i];
    let mut roles = step.to.iter().chain(&step.cc);
    if !roles.any(|role| role.is_above_contact() && !is_own_contact(role)) {
        None
    } else if !subject.ticket.status_mapped {
        Some(Cap::UnmappedStatus)
    } else if subject.ticket.waiting_on.is_some() && rule.when != When::Aged && i > 0 {
        Some(Cap::WaitsOutside)
    } else {
        None
    }
}

/// Where the ladder starts for this ticket: its first step that concerns somebody.
fn first_step(l: &Ladder<'_>) -> usize {
    l.rule.steps.iter().position(|s| concerns_somebody(l, s)).unwrap_or(0)
}

fn concerns_somebody(l: &Ladder<'_>, step: &Step) -> bool {
    !matches!(reach(l, step), Err(Verdict::NoRecipient))
}

/// The next repetition of the highest step told: counted from the last acceptance or death.
fn repeat(
    l: &Ladder<'_>,
    occurrence: &Occurrence,
    mine: &[&Telling],
    h: usize,
    out: &mut Evaluation,
) -> Option<Verdict> {
    let step = &l.rule.steps[h];
    let repeat = step.repeat.as_ref()?;
    let last = mine
        .iter()
        .filter(|t| t.key.step == step.id)
        .max_by_key(|t| t.key.repetition)?;
    if last.key.repetition >= repeat.times {
        return None;
    }
    let at = repeat_due(l, last.told_at()?, repeat.every);
    if at > l.now {
        look_again(out, at);
        return None;
    }
    if let Some(cap) = cap(l.rule, l.subject, h) {
        return Some(Verdict::Capped(cap));
    }
    if stands_still(l.rule.when, l.subject) {
        return Some(Verdict::StaleSource);
    }
    let repetition = last.key.repetition + 1;
    match new_telling(l, occurrence, step, repetition, at, false) {
        Ok(new) => out.tell.push(new),
        Err(verdict) => return Some(verdict),
    }
    Some(Verdict::Tell {
        opening: false,
        repetition,
    })
}

/// When what was told is told again. A weekly list is whole: whatever day of the week a ticket was told on, it stands on
/// the list of the next week (or, by `every`, of a later one), and where `also_when` says so on the day it becomes late.
fn repeat_due(l: &Ladder<'_>, told_at: Moment, every: Span) -> Moment {
    let Digest::Week { also_when } = &l.rule.digest else {
        return facts::gap_over(told_at, every, l.cal);
    };
    let told_on = l.cal.date_of(told_at);
    let list = l
        .cal
        .first_working_day_of_week(told_on + chrono::TimeDelta::weeks(every.weeks()));
    let list = l.cal.opens(list).unwrap_or_else(|| l.cal.instant(list, NaiveTime::MIN));
    match l.reckoned {
        Reckoned::At(deadline) if also_when.contains(&When::Overdue) => {
            let late = deadline.judged_at(l.cal);
            if told_at < late { list.min(late) } else { list }
        }
        _ => list,
    }
}

fn new_telling(
    l: &Ladder<'_>,
    occurrence: &Occurrence,
    step: &Step,
    repetition: u32,
    due_at: Moment,
    opening: bool,
) -> Result<NewTelling, Verdict> {
    let notices = reach(l, step)?;
    let key = TellingKey {
        mode: l.subject.mode,
        ticket: l.subject.ticket.code.clone(),
        rule: l.rule.id.clone(),
        step: step.id.clone(),
        repetition,
        occurrence: occurrence.key.clone(),
    };
    Ok(NewTelling {
        key,
        due_at,
        opening,
        notices: notices.into_iter().collect(),
    })
}

/// The notices a telling of the step has now, or why there is nobody to write to. A step that only cc would hear of is
/// told to nobody.
fn reach(l: &Ladder<'_>, step: &Step) -> Result<BTreeSet<NewNotice>, Verdict> {
    let Subject { ticket, memory, .. } = *l.subject;
    let mut notices = BTreeSet::new();
    for channel in &step.via {
        for (roles, cc) in [(&step.to, false), (&step.cc, true)] {
            for role in roles {
                for (role, start) in starts(role, l.subject, l.ctx, l.cal, l.now) {
                    let notice = NewNotice {
                        role,
                        start,
                        channel: *channel,
                        cc: false,
                    };
                    // Who is addressed gets no copy.
                    if !notices.contains(&notice) {
                        notices.insert(NewNotice { cc, ..notice });
                    }
                }
            }
        }
    }
    if notices.iter().any(|n| !n.cc) {
        return Ok(notices);
    }
    let needs_agency = |r: &Role| matches!(r.base, Base::Agency | Base::AgencyParent | Base::SubjectAgency);
    if memory.agency.is_none() && step.to.iter().any(needs_agency) {
        return Err(Verdict::UnknownAgency {
            word: ticket.agency.clone(),
        });
    }
    Err(Verdict::NoRecipient)
}

/// The ids a role starts from for a ticket, with the role as it will be kept.
///
/// Conduct and confidential tickets go to heads only (`spec.md` §4): every desk becomes `head`, helpers and ops are not
/// told, and a complaint about conduct goes to the unit complained about where the source names it.
fn starts(role: &Role, subject: &Subject<'_>, ctx: &Context<'_>, cal: &Calendar, now: Moment) -> Vec<(String, String)> {
    let on = cal.date_of(now);
    let ticket = subject.ticket;
    let find = |word: &str| ctx.directory.find(word, on).map(|u| u.id.clone());
    let about = || ticket.subject_agency.as_deref().and_then(find);
    let lead = || subject.memory.agency.clone();
    let mut role = role.clone();
    if ticket.is_sensitive() {
        if matches!(role.base, Base::CoAgencies | Base::Ops) {
            return Vec::new();
        }
        role.desk = Desk::Head;
    }
    let ids: Vec<String> = match &role.base {
        Base::Agency if ticket.is_conduct() => about().or_else(lead).into_iter().collect(),
        Base::Agency | Base::AgencyParent => lead().into_iter().collect(),
        Base::SubjectAgency => about().or_else(lead).into_iter().collect(),
        Base::CoAgencies => {
            let mut ids: Vec<String> = ticket.co_agencies.iter().filter_map(|w| find(w)).collect();
            ids.sort();
            ids.dedup();
            ids
        }
        Base::Office => vec![ctx.directory.office.clone()],
        Base::Ops => vec![OPS.to_owned()],
        Base::Unit(id) => vec![id.clone()],
    };
    let written = role.to_string();
    ids.into_iter().map(|id| (written.clone(), id)).collect()
}

/// `carried_over` comes round with each period: look again when the next one's earliest step falls due.
fn look_at_next_period(l: &Ladder<'_>, out: &mut Evaluation) {
    let next = Period::of(l.cal.date_of(l.now), l.ctx.rules.period).next();
    let at = match facts::carried_over(l.subject.ticket, l.subject.memory, next, l.cal) {
        // Steps in hours can fall due before one in days that stands below them.
        Ok(occurrence) => {
            let due = |s: &Step| facts::step_due(&occurrence, s.after, l.cal);
            l.rule.steps.iter().map(due).min()
        }
        // A row whose time is ahead of ours: its first period is still to come.
        Err(_) => Some(l.cal.instant(next.first_day(), NaiveTime::MIN)),
    };
    if let Some(at) = at {
        look_again(out, at);
    }
}

fn competence_occurrence(ticket: &Ticket, memory: &Memory) -> Option<String> {
    let wanders = memory.transfers >= 2 && ticket.status.is_open() && ticket.level != Some(1) && !ticket.is_sensitive();
    wanders.then(|| occurrence_key(&format!("transfers-{}", memory.transfers), memory))
}

/// A ticket transferred twice or more goes to the Office, once for each transfer from the second on.
fn competence(
    subject: &Subject<'_>,
    ctx: &Context<'_>,
    now: Moment,
    out: &mut Evaluation,
    holding: &mut BTreeSet<i64>,
) {
    let Some(occurrence) = competence_occurrence(subject.ticket, subject.memory) else {
        return;
    };
    let told = subject
        .known
        .iter()
        .find(|t| t.key.mode == subject.mode && t.key.rule == COMPETENCE && t.key.occurrence == occurrence);
    let step = "office";
    let verdict = told.map_or(
        Verdict::Tell {
            opening: false,
            repetition: 0,
        },
        standing,
    );
    out.judged.push(Judged {
        rule: COMPETENCE.into(),
        step: step.into(),
        verdict,
    });
    if let Some(told) = told {
        holding.insert(told.id);
        return;
    }
    let key = TellingKey {
        mode: subject.mode,
        ticket: subject.ticket.code.clone(),
        rule: COMPETENCE.into(),
        step: step.into(),
        repetition: 0,
        occurrence,
    };
    let role = Role {
        base: Base::Office,
        desk: Desk::Contact,
    };
    let notice = NewNotice {
        role: role.to_string(),
        start: ctx.directory.office.clone(),
        channel: Channel::Email,
        cc: false,
    };
    out.tell.push(NewTelling {
        key,
        due_at: now,
        opening: false,
        notices: vec![notice],
    });
}

/// Who was told of a ticket is told of its ending, once per ending and in the mode in which they were told. Whose mail
/// is accepted only after the others were told of the ending is told of it then. While the unit is in shadow nobody is
/// told live: what was told so is settled once it is live again. A ticket that moved on to a unit in shadow is settled for
/// the live one that it left.
fn settle(subject: &Subject<'_>, reckoned: &Reckoned, ctx: &Context<'_>, now: Moment, out: &mut Evaluation) {
    for mode in [Mode::Shadow, Mode::Live] {
        settle_in(mode, subject, reckoned, ctx, now, out);
    }
}

fn settle_in(
    mode: Mode,
    subject: &Subject<'_>,
    reckoned: &Reckoned,
    ctx: &Context<'_>,
    now: Moment,
    out: &mut Evaluation,
) {
    // By ending and by the occurrence of the telling by which others have heard of it.
    let mut endings: BTreeMap<(Ending, Option<&str>), Vec<Reached<'_>>> = BTreeMap::new();
    let may_be_settled = |t: &&Telling| t.key.mode == mode && (mode == Mode::Shadow || is_live(&t.key, subject));
    for telling in subject.known.iter().filter(may_be_settled) {
        let Some(ending) = ending_of(telling, subject, reckoned, ctx) else {
            continue;
        };
        let before = settled_telling(telling, subject)
            .or_else(|| told_of_as_well(telling, ending, subject))
            .filter(|t| !out.unsettle.contains(&t.id));
        let mut unaware = unaware(telling, before, subject);
        if ending == Ending::Transferred && goes_on(telling, subject, reckoned, ctx, now) {
            unaware.retain(|notice| !is_told_whoever_leads(notice));
        }
        if unaware.is_empty() {
            continue;
        }
        let place = (ending, before.map(|t| t.key.occurrence.as_str()));
        endings.entry(place).or_default().push((telling, unaware));
    }
    for ((ending, before), tellings) in endings {
        let reached = tellings.iter().flat_map(|(_, notices)| notices);
        let notices: BTreeSet<NewNotice> = reached.map(|n| ending_notice(n)).collect();
        // The telling of the latest occurrence names the ending: the next ending has another.
        let Some((last, _)) = tellings.iter().max_by_key(|(t, _)| (t.decided_at, t.id)) else {
            continue;
        };
        let parts = occurrence_parts(&last.key.occurrence);
        let of_latest = || format!("{}#{}|{}|{}", parts.what, last.id, parts.lead, subject.memory.reopened);
        let occurrence = before.map_or_else(of_latest, str::to_owned);
        let (rule, step) = (SETTLED.to_owned(), ending.word().to_owned());
        let same = subject.known.iter().filter(|t| {
            t.key.mode == mode && t.key.rule == rule && t.key.step == step && t.key.occurrence == occurrence
        });
        let key = TellingKey {
            mode,
            ticket: subject.ticket.code.clone(),
            repetition: same.map(|t| t.key.repetition + 1).max().unwrap_or(0),
            rule,
            step,
            occurrence,
        };
        if before.is_none() {
            out.settled.extend(tellings.iter().map(|(t, _)| (t.id, key.clone())));
        }
        out.tell.push(NewTelling {
            key,
            due_at: now,
            opening: false,
            notices: notices.into_iter().collect(),
        });
    }
}

/// A telling whose matter has ended, with those of its readers who are to be told.
type Reached<'a> = (&'a Telling, Vec<&'a Notice>);

/// The telling of the ending of a telling's matter, once there is one.
fn settled_telling<'a>(telling: &Telling, subject: &Subject<'a>) -> Option<&'a Telling> {
    let by = telling.settled_by?;
    subject.known.iter().find(|t| t.id == by)
}

/// The telling by which others have heard of the same ending after a telling was decided: whoever it told knows, whatever
/// they were told of the ticket besides.
fn told_of_as_well<'a>(telling: &Telling, ending: Ending, subject: &Subject<'a>) -> Option<&'a Telling> {
    let in_force = subject.known.iter().filter_map(|other| settled_telling(other, subject));
    let same = in_force.filter(|by| {
        by.key.mode == telling.key.mode && by.key.step == ending.word() && by.decided_at > telling.decided_at
    });
    same.max_by_key(|by| (by.decided_at, by.id))
}

/// Who accepted a telling and is not told of the ending by `before` or what was added to it.
fn unaware<'a>(telling: &'a Telling, before: Option<&Telling>, subject: &Subject<'_>) -> Vec<&'a Notice> {
    let told: BTreeSet<NewNotice> = subject
        .known
        .iter()
        .filter(|t| {
            before.is_some_and(|b| (t.key.mode, &t.key.occurrence) == (b.key.mode, &b.key.occurrence))
                && t.key.rule == SETTLED
        })
        .flat_map(|t| &t.notices)
        .filter(|n| n.state != NoticeState::Lapsed)
        .map(ending_notice)
        .collect();
    let reached = telling.notices.iter().filter(|n| n.state == NoticeState::Accepted);
    reached.filter(|n| !told.contains(&ending_notice(n))).collect()
}

/// Whether the rule of a telling still concerns the ticket, whoever has it now.
fn goes_on(telling: &Telling, subject: &Subject<'_>, reckoned: &Reckoned, ctx: &Context<'_>, now: Moment) -> bool {
    let Subject { ticket, memory, .. } = *subject;
    rule_of(ctx, &telling.key.rule).is_some_and(|rule| {
        rule.matcher.holds(ticket, &Texts::default())
            && facts::occurrence(rule, ticket, memory, reckoned, ctx, now).is_ok()
    })
}

/// A desk that a rule names itself, such as Công an tỉnh for cards, has the ticket on its list as before when another
/// agency takes it over.
fn is_told_whoever_leads(notice: &Notice) -> bool {
    let role = notice.role.parse::<Role>();
    role.is_ok_and(|role| matches!(role.base, Base::Unit(_)))
}

/// The notice of an ending to whom a notice reached; cc or not is the same here.
fn ending_notice(reached: &Notice) -> NewNotice {
    NewNotice {
        role: reached.role.clone(),
        start: reached.start.clone(),
        channel: reached.channel,
        cc: false,
    }
}

/// Whether an ending is still how the matter ended: not once the ticket is taken up again, ends otherwise, or an
/// extension or transfer is taken back.
fn is_still_the_ending(settled: &Telling, subject: &Subject<'_>, reckoned: &Reckoned, ctx: &Context<'_>) -> bool {
    subject.known.iter().any(|t| {
        settled_telling(t, subject).is_some_and(|by| by.key.occurrence == settled.key.occurrence)
            && ending_of(t, subject, reckoned, ctx).is_some_and(|e| e.word() == settled.key.step)
    })
}

/// How the matter of a telling has ended; `None` while it goes on. A passage from one fact or period to the next is none.
fn ending_of(telling: &Telling, subject: &Subject<'_>, reckoned: &Reckoned, ctx: &Context<'_>) -> Option<Ending> {
    let rule = rule_of(ctx, &telling.key.rule);
    if telling.key.rule == SETTLED || rule.is_some_and(|r| r.when == When::Unsatisfied) {
        return None;
    }
    match subject.ticket.status {
        Status::Answered | Status::Closed => return Some(Ending::Done),
        Status::Rejected => return Some(Ending::Rejected),
        Status::Void => return Some(Ending::Void),
        Status::Open | Status::Waiting => {}
    }
    let parts = occurrence_parts(&telling.key.occurrence);
    let about_agency = telling.key.rule != COMPETENCE && rule.is_none_or(|r| r.when != When::Unassigned);
    if about_agency && !parts.lead.is_empty() && Some(parts.lead) != subject.memory.lead.as_deref() {
        return Some(Ending::Transferred);
    }
    let told = parts.what.parse::<chrono::NaiveDate>().ok()?;
    let present = match (rule.map(|r| r.when)?, reckoned, &subject.ticket.duty) {
        (When::DueSoon | When::Overdue, Reckoned::At(deadline), _) => deadline.written,
        (When::Obligation, _, Some(duty)) => duty.reply?.before,
        _ => return None,
    };
    (present > told).then_some(Ending::Extended)
}

/// Waiting notices of tellings that no longer hold lapse, and so does what waits to be told live while the unit is in
/// shadow; lapsed ones of those that hold again wait again.
fn lapse_and_revive(subject: &Subject<'_>, holding: &BTreeSet<i64>, out: &mut Evaluation) {
    for telling in subject.known {
        let is_so = holding.contains(&telling.id);
        let holds = is_so && may_be_told(&telling.key, subject);
        let waits = telling.notices.iter().any(|n| n.state == NoticeState::Waiting);
        if telling.key.rule == SETTLED && !is_so && waits {
            out.unsettle.push(telling.id);
        }
        for notice in &telling.notices {
            match notice.state {
                NoticeState::Waiting if !holds => out.lapse.push(notice.id),
                NoticeState::Lapsed if holds => out.revive.push(notice.id),
                _ => {}
            }
        }
    }
}

/// Whether a telling may go out as the ticket's unit is told now: in shadow nothing is told live, but for the ending to a
/// live unit that the ticket has left.
#[must_use]
pub fn may_be_told(key: &TellingKey, subject: &Subject<'_>) -> bool {
    key.mode == Mode::Shadow || subject.mode == Mode::Live || (key.rule == SETTLED && is_live(key, subject))
}

/// Whether the unit that a telling was about, or the ticket's present one, is live.
fn is_live(key: &TellingKey, subject: &Subject<'_>) -> bool {
    subject.mode == Mode::Live || (subject.is_live)(occurrence_parts(&key.occurrence).lead)
}

fn judged(rule: &Rule, step: &Step, verdict: Verdict) -> Judged {
    Judged {
        rule: rule.id.clone(),
        step: step.id.clone(),
        verdict,
    }
}

fn look_again(out: &mut Evaluation, at: Moment) {
    out.next = Some(out.next.map_or(at, |next| next.min(at)));
}

impl Verdict {
    /// The word in JSON and logs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::NotConcerned(_) => "not_concerned",
            Verdict::NotYet { .. } => "not_yet",
            Verdict::AlreadyTold { .. } => "already_told",
            Verdict::AwaitsAnswer { .. } => "awaits_answer",
            Verdict::AwaitsApproval { .. } => "awaits_approval",
            Verdict::Withdrawn { .. } => "withdrawn",
            Verdict::Corrected { .. } => "corrected",
            Verdict::Lapsed => "lapsed",
            Verdict::Waits { why, .. } => why.word(),
            Verdict::Silenced { .. } => "silenced",
            Verdict::Acknowledged { .. } => "acknowledged",
            Verdict::PassedOver(_) => "passed_over",
            Verdict::BehindStep { .. } => "behind_step",
            Verdict::BehindOffice => "behind_office",
            Verdict::Capped(_) => "capped",
            Verdict::UnknownAgency { .. } => "unknown_agency",
            Verdict::NoRecipient => "no_recipient",
            Verdict::StaleSource => "stale_source",
            Verdict::Tell { .. } => "tell",
        }
    }

    /// The instant that belongs to the verdict.
    #[must_use]
    pub fn at(&self) -> Option<Moment> {
        match self {
            Verdict::NotYet { at }
            | Verdict::AlreadyTold { at }
            | Verdict::AwaitsAnswer { decided_at: at }
            | Verdict::AwaitsApproval { since: at, .. }
            | Verdict::Withdrawn { at }
            | Verdict::Corrected { at } => Some(*at),
            Verdict::Waits { until, .. } | Verdict::Silenced { until, .. } | Verdict::Acknowledged { until, .. } => {
                Some(*until)
            }
            Verdict::BehindStep { until, .. } => *until,
            Verdict::NotConcerned(
                Unconcerned::Gone(at)
                | Unconcerned::Paused(at)
                | Unconcerned::BeforeStart(at)
                | Unconcerned::NotKept(at),
            ) => Some(*at),
            _ => None,
        }
    }

    /// Why, in a sentence's part that ops read.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Verdict::NotConcerned(why) => why.to_string(),
            Verdict::NotYet { .. } => "the step falls due later".into(),
            Verdict::AlreadyTold { .. } => "a message about it was accepted".into(),
            Verdict::AwaitsAnswer { .. } => "decided and in a message that has no answer yet".into(),
            Verdict::Waits { why, .. } => format!("decided; {why}"),
            Verdict::Silenced { by, reason, .. } => format!("silenced by {by}: {reason}"),
            Verdict::Acknowledged { unit, by, note, .. } => {
                let note = note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
                format!("{unit} knows of it and is not reminded meanwhile (acknowledged by {by}){note}")
            }
            Verdict::AwaitsApproval { step, .. } => {
                format!("waiting for approval: step {step} waits for `dondoc outbox release` or `withdraw`")
            }
            Verdict::Withdrawn { .. } => {
                "its message was withdrawn; `dondoc outbox retry` has it told after all".into()
            }
            Verdict::Corrected { .. } => {
                "told and taken back by a correction; it doesn't count as told, and `dondoc outbox retry` has it told after all".into()
            },
            Verdict::Lapsed => "was decided, but the fact was over before anybody was told".into(),
            Verdict::PassedOver(Passed::DeadlineOver) => "the deadline is over".into(),
            Verdict::PassedOver(Passed::HigherStep) => "a higher step has been told".into(),
            Verdict::PassedOver(Passed::SameDay) => "a higher step reached the same recipient on the same day".into(),
            Verdict::BehindStep { step, until: Some(_) } => format!("step {step} was told too recently (min_gap)"),
            Verdict::BehindStep { step, until: None } => format!("step {step} has to be told first"),
            Verdict::BehindOffice => "the Office has to see first who has not replied".into(),
            Verdict::Capped(Cap::UnmappedStatus) => {
                "the status word is not in [source.status]: no higher than contact".into()
            }
            Verdict::Capped(Cap::WaitsOutside) => {
                "waits on a unit outside the province's power: no higher than contact".into()
            }
            Verdict::UnknownAgency { word: Some(word) } => {
                format!("agency `{}` is not in the directory", scrub::agency(word))
            }
            Verdict::UnknownAgency { word: None } => "the source names no agency".into(),
            Verdict::NoRecipient => {
                "nobody is meant: no co-agency, or a sensitive ticket that goes to heads only".into()
            }
            Verdict::StaleSource => {
                "nothing has changed in the ticket database for longer than source.stale_after".into()
            }
            Verdict::Tell { opening: true, .. } => {
                "due; first seen late, so it starts at the first step in an opening digest".into()
            }
            Verdict::Tell { repetition: 0, .. } => "due".into(),
            Verdict::Tell { repetition, .. } => format!("due, repetition {repetition}"),
        }
    }
}
