//! Ladders as a whole, under random calendars, rules, rows and answers: what must hold whatever ops and sources do.
//!
//! A run plays one ticket through pure evaluation, quarter by quarter of an hour, with a store as plain as can be. It
//! evaluates either at every quarter, or, as the engine does, only at the promised instant and after changes and
//! answers; both must tell the same at the same time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{NaiveDate, NaiveTime, TimeDelta};
use dondoc::domain::Moment;
use dondoc::domain::calendar::{Calendar, CalendarData, DayKind, Pattern, SpecialDay};
use dondoc::domain::calendars::Calendars;
use dondoc::domain::deadline::{self, Known};
use dondoc::domain::directory::{Base, Contact, Dated, Desk, Directory, Role, Unit};
use dondoc::domain::evaluate::{self, Evaluation, Subject, Verdict, evaluate, still_holds};
use dondoc::domain::facts::{self, Context};
use dondoc::domain::hold::{Acknowledgement, Holds, Lookup, Matter, Scope, Silence};
use dondoc::domain::matcher::Matcher;
use dondoc::domain::notice::{COMPETENCE, Mode, NewTelling, Notice, NoticeState, SETTLED, Telling, TellingKey, Wait};
use dondoc::domain::rule::{
    Channel, DeadlinePolicy, Digest, DueReading, From, PeriodKind, Repeat, Rule, RuleSet, Step, When,
};
use dondoc::domain::ticket::{Memory, Rating, Status, Ticket, WrittenTime};
use dondoc::domain::time::Span;
use proptest::prelude::*;

use crate::world::at;

/// The first quarter of a run: Monday 20 September 2021, 00:00, so that a month ends within it.
fn quarter(n: usize) -> Moment {
    at("2021-09-20 00:00") + TimeDelta::minutes(15 * i64::try_from(n).expect("a small number"))
}

const DAYS: usize = 21;
const QUARTERS: usize = DAYS * 96;

/// Quarters until a notice has its answer, at most.
const LONGEST_WAIT: u64 = 150;

// ---- what a run is made of

#[derive(Debug, Clone)]
struct Hours {
    /// Working weekdays, Monday first.
    week: [bool; 7],
    intervals: Vec<(NaiveTime, NaiveTime)>,
    /// Days off, counted from the run's first.
    off: Vec<u64>,
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Status(Status),
    Mapped(bool),
    DueIn(i64),
    ExtendedBy(Option<i64>),
    Agency(&'static str),
    WaitsOutside(bool),
    Rated(bool),
    Reassigned,
}

#[derive(Debug, Clone)]
struct Case {
    base: Hours,
    own: Hours,
    rules: Vec<Rule>,
    policy: Option<(Span, bool)>,
    received: usize,
    first_seen: usize,
    changes: Vec<(usize, Change)>,
    /// While it shows no life, by quarters.
    stale: Option<(usize, usize)>,
    has_colleagues: bool,
    /// Decides the fate of each notice.
    fates: u64,
    /// Some notices die and some have no answer for ever.
    has_refusals: bool,
    /// From one quarter to another, of a rule or of all that a unit answers for.
    silences: Vec<(usize, usize, Option<When>)>,
    /// By which unit and when.
    acknowledged: Vec<(usize, &'static str)>,
}

fn hours() -> impl Strategy<Value = Hours> {
    let time = |h, m| NaiveTime::from_hms_opt(h, m, 0).expect("a time");
    let intervals = prop_oneof![
        3 => Just(vec![(time(7, 0), time(11, 30)), (time(13, 30), time(17, 0))]),
        1 => Just(vec![(time(0, 0), time(3, 10)), (time(22, 0), time(23, 45))]),
        1 => Just(vec![(time(9, 5), time(9, 50))]),
    ];
    let week = prop::array::uniform7(any::<bool>()).prop_map(|mut week| {
        week[3] = true;
        week
    });
    (week, intervals, prop::collection::vec(0..40_u64, 0..8)).prop_map(|(week, intervals, off)| Hours {
        week,
        intervals,
        off,
    })
}

fn span(sign: i32) -> impl Strategy<Value = Span> {
    prop_oneof![
        4 => (0..9_i32).prop_map(move |n| Span::WorkingDays(sign * n)),
        1 => (0..9_i32).prop_map(move |n| Span::CalendarDays(sign * n)),
        1 => (0..4000_i64).prop_map(move |m| Span::Elapsed(TimeDelta::minutes(i64::from(sign) * m))),
        1 => (0..20_i64).prop_map(move |h| Span::WorkingTime(TimeDelta::hours(i64::from(sign) * h))),
    ]
}

fn gap() -> impl Strategy<Value = Span> {
    prop_oneof![
        3 => (1..4_i32).prop_map(Span::WorkingDays),
        1 => (1..5_i32).prop_map(Span::CalendarDays),
        1 => (1..4000_i64).prop_map(|m| Span::Elapsed(TimeDelta::minutes(m))),
    ]
}

fn roles() -> impl Strategy<Value = Vec<Role>> {
    let role = prop::sample::select(vec![
        "agency:contact",
        "agency:head",
        "agency.parent:contact",
        "co_agencies:contact",
        "office:contact",
        "ops",
    ]);
    prop::collection::btree_set(role, 1..3)
        .prop_map(|roles| roles.into_iter().map(|r| r.parse().expect("a role")).collect())
}

fn step(sign: i32) -> impl Strategy<Value = Step> {
    let repeat = prop::option::weighted(
        0.4,
        (gap(), 1..4_u32).prop_map(|(every, times)| Repeat { every, times }),
    );
    let cc = prop_oneof![3 => Just(Vec::new()), 1 => roles()];
    (span(sign), roles(), cc, repeat, gap()).prop_map(|(after, to, cc, repeat, min_gap)| Step {
        id: String::new(),
        after,
        to,
        cc,
        via: vec![Channel::Email],
        template: String::new(),
        repeat,
        min_gap,
        reply: None,
        urgent: false,
        approve: None,
    })
}

fn rule(when: When) -> impl Strategy<Value = Rule> {
    let sign = if when == When::DueSoon { -1 } else { 1 };
    (prop::collection::vec(step(sign), 1..5), 1..8_i32).prop_map(move |(mut steps, threshold)| {
        steps.sort_by_key(|s| match s.after {
            Span::Elapsed(d) | Span::WorkingTime(d) => d,
            Span::WorkingDays(n) | Span::CalendarDays(n) => TimeDelta::days(n.into()),
        });
        for (n, step) in steps.iter_mut().enumerate() {
            step.id = format!("L{}", n + 1);
        }
        Rule {
            id: when.word().into(),
            was: Vec::new(),
            unless: Vec::new(),
            title: String::new(),
            when,
            threshold: Some(Span::WorkingDays(threshold)),
            matcher: Matcher::always(),
            digest: Digest::Day,
            steps,
        }
    })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => prop::sample::select(vec![
            Status::Open, Status::Waiting, Status::Answered, Status::Closed, Status::Rejected, Status::Void,
        ])
        .prop_map(Change::Status),
        1 => any::<bool>().prop_map(Change::Mapped),
        2 => (-3..12_i64).prop_map(Change::DueIn),
        1 => prop::option::of(0..12_i64).prop_map(Change::ExtendedBy),
        3 => prop::sample::select(vec!["A", "B", "Z"]).prop_map(Change::Agency),
        1 => any::<bool>().prop_map(Change::WaitsOutside),
        2 => any::<bool>().prop_map(Change::Rated),
        1 => Just(Change::Reassigned),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let rules = prop::sample::subsequence(When::ALL.to_vec(), 1..4)
        .prop_flat_map(|whens| whens.into_iter().map(rule).collect::<Vec<_>>());
    let changes = prop::collection::vec((0..QUARTERS, change()), 0..7).prop_map(|mut changes| {
        changes.sort_by_key(|(n, _)| *n);
        changes
    });
    let stale = prop::option::weighted(0.2, (0..QUARTERS, 1..600_usize).prop_map(|(a, long)| (a, a + long)));
    (
        (hours(), hours()),
        rules,
        prop::option::weighted(0.8, (gap(), any::<bool>())),
        0..700_usize,
        0..700_usize,
        changes,
        stale,
        any::<bool>(),
        any::<u64>(),
    )
        .prop_map(
            |((base, own), rules, policy, received, delay, changes, stale, has_colleagues, fates)| Case {
                base,
                own,
                rules,
                policy,
                received,
                first_seen: received + if delay < 400 { 0 } else { delay },
                changes,
                stale,
                has_colleagues,
                fates,
                has_refusals: true,
                silences: Vec::new(),
                acknowledged: Vec::new(),
            },
        )
}

/// The same with silences and acknowledgements.
fn held_case() -> impl Strategy<Value = Case> {
    let silence = (
        0..QUARTERS,
        1..500_usize,
        prop::option::of(prop::sample::select(When::ALL.to_vec())),
    )
        .prop_map(|(from, long, rule)| (from, from + long, rule));
    let acknowledged = (0..QUARTERS, prop::sample::select(vec!["A", "B", "C", "VP"]));
    let holds = (
        prop::collection::vec(silence, 0..4),
        prop::collection::vec(acknowledged, 0..6),
    );
    (case(), holds).prop_map(|(case, (silences, acknowledged))| Case {
        silences,
        acknowledged,
        ..case
    })
}

fn calendar(hours: &Hours) -> Calendar {
    let open = |works: &bool| if *works { hours.intervals.clone() } else { Vec::new() };
    let first = NaiveDate::from_ymd_opt(2021, 9, 20).expect("a date");
    let off = SpecialDay {
        kind: DayKind::Off,
        label: "Nghỉ".into(),
    };
    Calendar::new(CalendarData {
        zone: chrono_tz::Asia::Ho_Chi_Minh,
        patterns: vec![Pattern {
            valid_from: None,
            valid_until: None,
            week: std::array::from_fn(|day| open(&hours.week[day])),
        }],
        days: hours
            .off
            .iter()
            .map(|n| (first + chrono::Days::new(*n), off.clone()))
            .collect(),
        provisional_from: NaiveDate::from_ymd_opt(2027, 1, 1).expect("a date"),
        lunar: BTreeMap::new(),
        closures: Vec::new(),
        culture_day_from: None,
    })
    .expect("a calendar with working time")
}

fn unit(id: &str) -> Unit {
    Unit {
        id: id.into(),
        was: Vec::new(),
        names: vec![Dated {
            value: format!("Sở {id}"),
            from: None,
            until: None,
        }],
        short: None,
        aliases: Vec::new(),
        parents: vec![Dated {
            value: "UBND".into(),
            from: None,
            until: None,
        }],
        areas: Vec::new(),
        fields: Vec::new(),
        contacts: vec![Contact {
            desk: Desk::Contact,
            address: format!("{}@tinh.example", id.to_lowercase()),
            from: None,
            until: None,
            confirmed: Some("2020-01-06".parse().expect("a date")),
            suspended_until: None,
        }],
        absences: Vec::new(),
        endpoints: Vec::new(),
        valid_from: None,
        valid_until: None,
        external: false,
        order: 0,
    }
}

// ---- a run

#[derive(Clone, Copy, PartialEq)]
enum Looks {
    EveryQuarter,
    WhenPromised,
}

/// A telling as it was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    at: Moment,
    new: NewTelling,
}

/// Who accepted or refused what, and when.
type Answered = (Moment, TellingKey, String, String, NoticeState);

#[derive(Default)]
struct Played {
    told: Vec<Told>,
    answered: Vec<Answered>,
    looks: usize,
    known: Vec<Telling>,
    settled_by: HashMap<i64, TellingKey>,
    /// The verdicts of the last quarter, by rule.
    last: BTreeMap<String, Vec<Verdict>>,
}

struct Province {
    rules: RuleSet,
    directory: Directory,
    calendars: Calendars,
}

impl Province {
    fn new(case: &Case) -> Province {
        let policy = case.policy.map(|(due, pauses)| DeadlinePolicy {
            id: "policy".into(),
            matcher: Matcher::always(),
            valid_from: None,
            valid_until: None,
            from: From::ReceivedAt,
            due,
            pause: if pauses { vec![Status::Waiting] } else { Vec::new() },
        });
        let units = ["UBND", "VP", "A", "B", "C"].map(unit).to_vec();
        Province {
            rules: RuleSet {
                rules: case.rules.clone(),
                deadlines: policy.into_iter().collect(),
                classify: Vec::new(),
                summaries: Vec::new(),
                due_reading: DueReading::default(),
                period: PeriodKind::CalendarMonth,
                digest_at: NaiveTime::MIN,
                since: None,
            },
            directory: Directory::new(units, Vec::new(), "UBND".into(), "VP".into(), Vec::new(), false),
            calendars: Calendars::new(
                calendar(&case.base),
                HashMap::from([("A".to_owned(), calendar(&case.own))]),
            ),
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            rules: &self.rules,
            directory: &self.directory,
            calendars: &self.calendars,
            events_from: quarter(0),
            kept_from: None,
        }
    }

    /// What is remembered of a new row, as the engine does it.
    fn remember(&self, before: Option<(&Ticket, &Memory)>, row: &Ticket, now: Moment) -> Memory {
        let on = self.calendars.base().date_of(now);
        let lead = row.agency.as_deref().and_then(|word| self.directory.find(word, on));
        let mut memory = Memory::after(before, row, lead.map(|u| u.id.as_str()), |_, _| false, now);
        let context = self.context();
        let calendar = |memory: &Memory| context.calendar(memory);
        let before = before.map(|(ticket, memory)| Known {
            ticket,
            memory,
            calendar: calendar(memory),
        });
        let row = Known {
            ticket: row,
            memory: &memory,
            calendar: calendar(&memory),
        };
        let (first, name) = deadline::remember(before, row, &self.rules);
        (memory.first_deadline, memory.policy_date) = (first, name);
        memory
    }
}

fn changed(mut row: Ticket, change: Change, now: Moment) -> Ticket {
    let written = |days: i64| WrittenTime {
        date: (now + TimeDelta::days(days)).date_naive(),
        at: now + TimeDelta::days(days),
        has_time: days % 2 == 0,
    };
    row.updated_at = Some(now);
    match change {
        Change::Status(status) => row.status = status,
        Change::Mapped(mapped) => row.status_mapped = mapped,
        Change::DueIn(days) => row.due_at = Some(written(days)),
        Change::ExtendedBy(days) => row.extended_to = days.map(written),
        Change::Agency(word) => row.agency = Some(word.into()),
        Change::WaitsOutside(waits) => row.waiting_on = waits.then(|| "C06".into()),
        Change::Rated(badly) => {
            row.rating = badly.then_some(Rating::Unsatisfied);
            row.rated_at = None;
        }
        Change::Reassigned => row.assigned_at = Some(now),
    }
    row
}

/// A number that depends on nothing but the case and what is asked about.
fn draw(fates: u64, key: &TellingKey, role: &str, start: &str, now: Moment) -> u64 {
    let text = format!("{key:?}{role}{start}{now}");
    let mut n = text.bytes().fold(fates ^ 0x9e37_79b9_7f4a_7c15, |n, b| {
        (n ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    n ^= n >> 29;
    n.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 17
}

fn play(case: &Case, mode: Looks) -> Played {
    let province = Province::new(case);
    let context = province.context();
    let mut played = Played::default();
    let mut state: Option<(Ticket, Memory)> = None;
    let mut next: Option<Moment> = None;
    // Notices whose message gets its answer at that quarter, by id.
    let mut answers: BTreeMap<usize, Vec<(i64, NoticeState)>> = BTreeMap::new();
    let mut numbers = 0_i64;
    let mut holds = silences(case);
    for n in case.first_seen..QUARTERS {
        let now = quarter(n);
        let is_last = n + 1 == QUARTERS;
        let mut wakes = mode == Looks::EveryQuarter || is_last || next.is_some_and(|next| next <= now);
        let mut row = state.as_ref().map(|(ticket, _)| ticket.clone());
        if row.is_none() {
            row = Some(Ticket {
                code: "T1".into(),
                received_at: quarter(case.received),
                updated_at: Some(quarter(case.received)),
                agency: Some("A".into()),
                co_agencies: if case.has_colleagues {
                    vec!["C".into()]
                } else {
                    Vec::new()
                },
                ..Ticket::default()
            });
        }
        let mut row = row.expect("a row");
        for (_, change) in case.changes.iter().filter(|(at, _)| *at == n) {
            row = changed(row, *change, now);
        }
        let before = state.as_ref().map(|(ticket, memory)| (ticket, memory));
        if before.is_none_or(|(ticket, _)| *ticket != row) {
            let memory = province.remember(before, &row, now);
            state = Some((row, memory));
            wakes = true;
        }
        let (ticket, memory) = state.as_ref().expect("a known ticket");
        for (_, unit) in case.acknowledged.iter().filter(|(at, _)| *at == n) {
            acknowledge(&mut holds, unit, (ticket, memory), &context, now);
        }
        let is_stale = case.stale.is_some_and(|(from, until)| (from..until).contains(&n));
        // Deliver: the answers of this quarter; what no longer holds lapses instead.
        for (id, fate) in answers.remove(&n).unwrap_or_default() {
            let (t, i) = find(&played.known, id);
            if played.known[t].notices[i].state != NoticeState::Waiting {
                continue;
            }
            if let Some(until) = held_until(&holds, &played.known[t], i, (ticket, memory), &province, now) {
                let again = (n + 1..).find(|n| quarter(*n) >= until).expect("a quarter");
                answers.entry(again).or_default().push((id, fate));
                continue;
            }
            let is_so = {
                let known = &played.known;
                still_holds(&known[t], &subject(ticket, memory, known, is_stale), &context, now)
            };
            let telling = &mut played.known[t];
            let notice = &mut telling.notices[i];
            (notice.state, notice.at) = (if is_so { fate } else { NoticeState::Lapsed }, now);
            if is_so {
                wakes = true;
                played.answered.push((
                    now,
                    telling.key.clone(),
                    notice.role.clone(),
                    notice.start.clone(),
                    fate,
                ));
            }
        }
        if !wakes {
            continue;
        }
        played.looks += 1;
        let found = evaluate(&subject(ticket, memory, &played.known, is_stale), &context, now);
        check_look(
            case,
            &found,
            &subject(ticket, memory, &played.known, is_stale),
            &context,
            now,
        );
        next = found.next;
        if is_last {
            for judged in &found.judged {
                played
                    .last
                    .entry(judged.rule.clone())
                    .or_default()
                    .push(judged.verdict.clone());
            }
        }
        store(case, &found, &mut played, &mut answers, &mut numbers, n);
    }
    played
}

fn silences(case: &Case) -> Holds {
    let silences = case.silences.iter().zip(1..).map(|((from, until, rule), id)| Silence {
        id,
        scope: Scope {
            unit: rule.is_none().then(|| "A".to_owned()),
            rules: rule.iter().map(|when| when.word().to_owned()).collect(),
            ..Scope::default()
        },
        matcher: Matcher::always(),
        from: quarter(*from),
        until: quarter(*until),
        by: "Lan".into(),
        reason: "rà soát".into(),
    });
    Holds {
        silences: silences.collect(),
        acknowledgements: Vec::new(),
    }
}

/// As the engine does it: each occurrence in which something falls due for the unit, once.
fn acknowledge(holds: &mut Holds, unit: &str, (ticket, memory): (&Ticket, &Memory), ctx: &Context<'_>, now: Moment) {
    let until = facts::gap_over(now, Span::WorkingDays(3), ctx.calendar(memory));
    for (occurrence, notices) in evaluate::ahead(ticket, memory, ctx, until, now) {
        let known = |a: &Acknowledgement| a.unit == unit && a.occurrence == occurrence;
        if notices.iter().any(|n| n.start == unit) && !holds.acknowledgements.iter().any(known) {
            holds.acknowledgements.push(Acknowledgement {
                id: 0,
                ticket: ticket.code.clone(),
                unit: unit.into(),
                occurrence,
                at: now,
                until,
                by: unit.into(),
                note: None,
            });
        }
    }
}

fn held_until(
    holds: &Holds,
    telling: &Telling,
    notice: usize,
    (ticket, memory): (&Ticket, &Memory),
    province: &Province,
    now: Moment,
) -> Option<Moment> {
    let matter = Matter {
        ticket,
        memory,
        rule: &telling.key.rule,
        occurrence: &telling.key.occurrence,
        unit: Some(&telling.notices[notice].start),
    };
    let lookup = Lookup {
        rules: &province.rules,
        directory: &province.directory,
        on: province.calendars.base().date_of(now),
    };
    holds.of(matter, lookup, now).map(|held| held.until())
}

fn subject<'a>(ticket: &'a Ticket, memory: &'a Memory, known: &'a [Telling], is_stale: bool) -> Subject<'a> {
    Subject {
        ticket,
        memory,
        known,
        rule_since: &since_the_start,
        source_is_fresh: !is_stale,
        mode: Mode::Live,
        mode_since: Moment::UNIX_EPOCH,
        is_live: &|_| true,
    }
}

fn since_the_start(_rule: &str) -> Option<Moment> {
    Some(quarter(0))
}

fn find(known: &[Telling], id: i64) -> (usize, usize) {
    known
        .iter()
        .enumerate()
        .find_map(|(t, telling)| Some((t, telling.notices.iter().position(|n| n.id == id)?)))
        .expect("a known notice")
}

/// Stores what evaluation asks for, and draws when each notice is answered and how.
fn store(
    case: &Case,
    found: &Evaluation,
    played: &mut Played,
    answers: &mut BTreeMap<usize, Vec<(i64, NoticeState)>>,
    numbers: &mut i64,
    n: usize,
) {
    let now = quarter(n);
    let mut send = |key: &TellingKey, notice: &Notice| {
        let drawn = draw(case.fates, key, &notice.role, &notice.start, now);
        let wait = 1 + usize::try_from(drawn % LONGEST_WAIT).expect("small");
        let fate = match drawn / LONGEST_WAIT % 8 {
            _ if !case.has_refusals => NoticeState::Accepted,
            0 => return,
            1 => NoticeState::Dead,
            _ => NoticeState::Accepted,
        };
        answers.entry(n + wait).or_default().push((notice.id, fate));
    };
    for id in &found.lapse {
        let (t, i) = find(&played.known, *id);
        let notice = &mut played.known[t].notices[i];
        (notice.state, notice.at) = (NoticeState::Lapsed, now);
    }
    for id in &found.revive {
        let (t, i) = find(&played.known, *id);
        let telling = &mut played.known[t];
        (telling.notices[i].state, telling.notices[i].at) = (NoticeState::Waiting, now);
        send(&telling.key, &telling.notices[i]);
    }
    for by in &found.unsettle {
        let taken_back = played.known.iter().find(|t| t.id == *by).expect("a known telling");
        let key = taken_back.key.clone();
        played.settled_by.retain(|_, by| *by != key);
    }
    played.settled_by.extend(found.settled.iter().cloned());
    for new in &found.tell {
        *numbers += 1;
        let id = *numbers;
        let notices = new
            .notices
            .iter()
            .map(|n| {
                *numbers += 1;
                Notice {
                    id: *numbers,
                    role: n.role.clone(),
                    start: n.start.clone(),
                    channel: n.channel,
                    cc: n.cc,
                    state: NoticeState::Waiting,
                    at: now,
                    first_attempt_at: None,
                    compose_at: None,
                    wait: Wait::Hours,
                    message: None,
                }
            })
            .collect();
        let telling = Telling {
            id,
            key: new.key.clone(),
            due_at: new.due_at,
            decided_at: now,
            opening: new.opening,
            settled_by: None,
            notices,
        };
        for notice in &telling.notices {
            send(&telling.key, notice);
        }
        played.known.push(telling);
        played.told.push(Told {
            at: now,
            new: new.clone(),
        });
    }
    let ids: HashMap<TellingKey, i64> = played.known.iter().map(|t| (t.key.clone(), t.id)).collect();
    for telling in &mut played.known {
        telling.settled_by = played.settled_by.get(&telling.id).map(|by| ids[by]);
    }
}

// ---- what must hold

/// What must hold of one evaluation.
fn check_look(case: &Case, found: &Evaluation, subject: &Subject<'_>, ctx: &Context<'_>, now: Moment) {
    let Subject {
        ticket, memory, known, ..
    } = *subject;
    assert!(
        found.next.is_none_or(|next| next > now),
        "the next look is ahead: {:?} at {now}",
        found.next
    );
    let steps: usize = case.rules.iter().map(|r| r.steps.len()).sum();
    let of_rules = found.judged.iter().filter(|j| j.rule != COMPETENCE);
    assert_eq!(of_rules.count(), steps, "one verdict for each step");
    let mut rules = BTreeSet::new();
    for new in &found.tell {
        let key = &new.key;
        assert!(known.iter().all(|t| t.key != *key), "told twice: {key:?}");
        assert!(new.due_at <= now, "told before it was due: {key:?} at {now}");
        if key.rule == SETTLED || key.rule == COMPETENCE {
            continue;
        }
        assert!(rules.insert(&key.rule), "two steps of one rule at once: {key:?}");
        let rule = case.rules.iter().find(|r| r.id == key.rule).expect("a rule");
        let is_done = ticket.status.is_done() && rule.when == When::Unsatisfied;
        assert!(
            ticket.status.is_open() || is_done,
            "told when {:?}: {key:?}",
            ticket.status
        );
        if rule.when == When::DueSoon {
            let facts::Reckoned::At(deadline) = facts::deadline_of(ticket, memory, ctx) else {
                panic!("due soon without a deadline");
            };
            assert!(
                now < deadline.judged_at(ctx.calendar(memory)),
                "due soon after the deadline"
            );
        }
        check_climb(case, rule, new, known, ctx.calendar(memory), now);
    }
}

/// Nobody above a contact is told unless the step before was, far enough back; nothing goes down again.
fn check_climb(case: &Case, rule: &Rule, new: &NewTelling, known: &[Telling], cal: &Calendar, now: Moment) {
    let key = &new.key;
    let place = |id: &str| rule.steps.iter().position(|s| s.id == id).expect("a step");
    let here = place(&key.step);
    let step = &rule.steps[here];
    let ladder: Vec<&Telling> = known
        .iter()
        .filter(|t| t.key.rule == key.rule && t.key.occurrence == key.occurrence)
        .collect();
    let highest = ladder.iter().map(|t| place(&t.key.step)).max();
    if key.repetition > 0 {
        let repeat = step.repeat.as_ref().expect("a step that is repeated");
        assert!(key.repetition <= repeat.times, "repeated too often: {key:?}");
        assert_eq!(highest, Some(here), "repeated after a higher step: {key:?}");
        let last = ladder
            .iter()
            .find(|t| t.key.step == key.step && t.key.repetition + 1 == key.repetition);
        let told = last.and_then(|t| t.told_at()).expect("the one before was told");
        assert!(
            is_apart(told, now, repeat.every, cal),
            "repeated too soon: {key:?} at {now}, {told}"
        );
        return;
    }
    assert!(highest.is_none_or(|h| h < here), "the ladder went down: {key:?}");
    if here == 0 || !step.to.iter().chain(&step.cc).any(Role::is_above_contact) {
        return;
    }
    let concerns = |s: &&Step| case.has_colleagues || s.to.iter().any(|r| r.base != Base::CoAgencies);
    let Some(before) = rule.steps[..here].iter().rfind(concerns) else {
        return;
    };
    let told = ladder.iter().find(|t| t.key.step == before.id && t.key.repetition == 0);
    let told = told.and_then(|t| told_by_the_book(t));
    let told = told.unwrap_or_else(|| panic!("above contact before {} was told: {key:?}", before.id));
    assert!(
        is_apart(told, now, step.min_gap, cal),
        "within min_gap: {key:?} at {now}, {told}"
    );
}

/// One `to` accepted, or all of them dead.
fn told_by_the_book(telling: &Telling) -> Option<Moment> {
    let to: Vec<&Notice> = telling.notices.iter().filter(|n| !n.cc).collect();
    let of = |state| to.iter().filter(move |n| n.state == state).map(|n| n.at);
    of(NoticeState::Accepted).min().or_else(|| {
        of(NoticeState::Dead)
            .max()
            .filter(|_| to.iter().all(|n| n.state == NoticeState::Dead))
    })
}

/// By dates for days, by instants for hours.
fn is_apart(from: Moment, to: Moment, gap: Span, cal: &Calendar) -> bool {
    let (first, last) = (cal.date_of(from), cal.date_of(to));
    match gap {
        Span::WorkingDays(n) => cal.working_days_between(first, last) >= n,
        Span::CalendarDays(n) => (last - first).num_days() >= n.into(),
        Span::Elapsed(time) => to - from >= time,
        Span::WorkingTime(time) => cal.working_time_between(from, to) >= time,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn looking_only_when_promised_misses_nothing_and_every_look_keeps_the_rules(case in case()) {
        let always = play(&case, Looks::EveryQuarter);
        let promised = play(&case, Looks::WhenPromised);
        prop_assert_eq!(&promised.told, &always.told);
        prop_assert_eq!(&promised.answered, &always.answered);
        let keys: BTreeSet<&TellingKey> = always.told.iter().map(|t| &t.new.key).collect();
        prop_assert_eq!(keys.len(), always.told.len(), "each key once");
    }

    #[test]
    fn what_is_held_waits_with_all_above_it_and_is_told_once_it_is_not_without_anybody_being_woken(case in held_case()) {
        let smooth = Case { has_refusals: false, ..case };
        let always = play(&smooth, Looks::EveryQuarter);
        let promised = play(&smooth, Looks::WhenPromised);
        prop_assert_eq!(&promised.told, &always.told);
        prop_assert_eq!(&promised.answered, &always.answered);
        let keys: BTreeSet<&TellingKey> = always.told.iter().map(|t| &t.new.key).collect();
        prop_assert_eq!(keys.len(), always.told.len(), "each key once");
        // What is still owed was decided, or let go by its last hold, shortly before the end.
        let pending = QUARTERS - usize::try_from(LONGEST_WAIT).expect("small") - 1;
        let is_over = smooth.silences.iter().all(|(_, until, _)| *until < pending)
            && smooth.acknowledged.iter().all(|(at, _)| *at + 14 * 96 < pending);
        for telling in always.known.iter().filter(|t| is_over && t.decided_at < quarter(pending)) {
            for notice in telling.notices.iter().filter(|n| n.at < quarter(pending)) {
                prop_assert!(notice.state != NoticeState::Waiting, "forgotten: {:?} {:?}", telling.key, notice);
            }
        }
    }

    #[test]
    fn a_ticket_nobody_touches_is_looked_at_a_few_times_only(case in case()) {
        let quiet = Case { changes: Vec::new(), stale: None, ..case };
        let played = play(&quiet, Looks::WhenPromised);
        let steps: usize = quiet.rules.iter().map(|r| r.steps.len()).sum();
        let most = 2 + 3 * steps + 2 * played.told.len() + played.answered.len() + 2;
        prop_assert!(played.looks <= most, "{} looks, {} tellings", played.looks, played.told.len());
    }

    #[test]
    fn where_mails_are_accepted_nothing_is_held_up_for_ever(case in case()) {
        let smooth = Case { changes: Vec::new(), stale: None, has_refusals: false, ..case };
        let played = play(&smooth, Looks::WhenPromised);
        let end = quarter(QUARTERS - 1);
        let pending = end - TimeDelta::minutes(15 * i64::try_from(LONGEST_WAIT).expect("small"));
        for (rule, verdicts) in &played.last {
            let moves = |v: &Verdict| match v {
                Verdict::NotYet { at } | Verdict::BehindStep { until: Some(at), .. } => *at > end,
                Verdict::AwaitsAnswer { decided_at } => *decided_at >= pending,
                Verdict::Tell { .. } => true,
                _ => false,
            };
            for verdict in verdicts {
                let is_sound = match verdict {
                    // Behind a step that itself is on its way.
                    Verdict::BehindStep { until: None, .. } => verdicts.iter().any(moves),
                    Verdict::NoRecipient => !smooth.has_colleagues,
                    Verdict::Capped(_) | Verdict::UnknownAgency { .. } | Verdict::StaleSource => false,
                    Verdict::AlreadyTold { .. } | Verdict::PassedOver(_) | Verdict::Lapsed | Verdict::NotConcerned(_) => true,
                    other => moves(other),
                };
                prop_assert!(is_sound, "{}: {:?} among {:?}", rule, verdict, verdicts);
            }
        }
    }
}
