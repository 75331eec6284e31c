//! Random histories of tickets. Each is what somebody did, when he said that it was so, and when we saw it; the figures
//! are counted from the rows that this leaves, and reckoned here from the doings alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use chrono::{NaiveDate, NaiveTime, TimeDelta};
use dondoc::domain::Moment;
use dondoc::domain::calendar::{Calendar, CalendarData, Pattern};
use dondoc::domain::calendars::Calendars;
use dondoc::domain::directory::{Dated, Directory, Unit};
use dondoc::domain::facts::Context;
use dondoc::domain::figures::{Balance, Bounds, Count, Figures, Life, Owner, Place, State};
use dondoc::domain::rule::{DueReading, PeriodKind, RuleSet};
use dondoc::domain::ticket::{Memory, Rating, Status, Ticket, WrittenTime};
use dondoc::domain::time::Period;
use proptest::prelude::*;

use crate::world::at;

/// The agencies' words; nobody knows the last one.
const WORDS: [&str; 3] = ["A", "B", "X"];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Doing {
    /// With the instant, where it is written down.
    Answer(Option<Moment>),
    SendBack,
    Transfer(&'static str),
    Extend(NaiveDate),
    Void(Option<Moment>),
    Reject(Option<Moment>),
    Rate(Rating, Moment),
    Exclude,
    Field(&'static str),
}

/// Something that was done: written down at an instant, seen at another.
#[derive(Debug, Clone, Copy)]
struct Done {
    written: Moment,
    seen: Moment,
    what: Doing,
}

#[derive(Debug, Clone)]
struct History {
    received: Moment,
    /// When it was entered, and first seen.
    entered: Moment,
    seen: Moment,
    agency: &'static str,
    is_operators: bool,
    is_procedure: bool,
    is_flagged: bool,
    due: NaiveDate,
    done: Vec<Done>,
    gone: Option<Moment>,
}

// ---- what histories there are

fn first() -> Moment {
    at("2021-06-01 00:00")
}

fn hours(n: i64) -> TimeDelta {
    TimeDelta::hours(n)
}

fn day_of(at: Moment) -> NaiveDate {
    (at + hours(7)).date_naive()
}

/// What is done, in a form that does not depend on the ticket's instants yet: kind, and two numbers.
type Raw = (u8, i64, i64, i64, u8);

fn raw() -> impl Strategy<Value = Raw> {
    // Hours since the last, hours until it is seen, hours that it is dated back, a choice.
    (0..14_u8, 1..700_i64, 1..60_i64, 0..300_i64, any::<u8>())
}

fn history() -> impl Strategy<Value = History> {
    let times = (
        0..3600_i64,
        prop_oneof![2 => Just(0_i64), 1 => 0..900_i64],
        1..60_i64,
        0..40_i64,
    );
    let marks = (
        prop::sample::select(WORDS.to_vec()),
        prop::bool::weighted(0.15),
        any::<bool>(),
        prop::bool::weighted(0.3),
    );
    let gone = prop::option::weighted(0.1, 1..500_i64);
    (times, marks, prop::collection::vec(raw(), 0..7), gone).prop_map(|(times, marks, raws, gone)| {
        let (received, late, lag, due) = times;
        let (agency, is_operators, is_procedure, is_flagged) = marks;
        let received = first() + hours(received);
        let entered = received + hours(late);
        let seen = entered + hours(lag);
        let (mut done, mut last) = (Vec::new(), seen);
        let mut state = (Status::Open, None::<Rating>, received);
        for raw in raws {
            let (_, gap, lag, _, _) = raw;
            let written = last + hours(gap);
            if let Some(what) = doing(raw, written, last, &mut state) {
                last = written + hours(lag);
                done.push(Done {
                    written,
                    seen: last,
                    what,
                });
            }
        }
        History {
            received,
            entered,
            seen,
            agency,
            is_operators,
            is_procedure,
            is_flagged,
            due: day_of(received + hours(due * 24)),
            done,
            gone: gone.map(|n| last + hours(n)),
        }
    })
}

/// What can be done to a ticket in a state: its status, rating and since when it has been open.
fn doing(
    (kind, _, _, back, choice): Raw,
    written: Moment,
    last: Moment,
    state: &mut (Status, Option<Rating>, Moment),
) -> Option<Doing> {
    let (status, rating, open_since) = *state;
    let is_open = status.is_open();
    // Dated back, but not to before it was received or opened again.
    let dated = (choice % 4 > 0).then(|| (written - hours(back)).max(open_since));
    let what = match kind {
        0..4 if is_open => Doing::Answer(dated),
        4 | 5 if !is_open => Doing::SendBack,
        6 => Doing::Transfer(WORDS[usize::from(choice) % 3]),
        7 if is_open => Doing::Extend(day_of(written + hours(24 * i64::from(choice % 30)))),
        8 if status != Status::Void => Doing::Void(dated),
        9 if is_open => Doing::Reject(dated),
        10 | 11 => {
            let ratings = [
                Rating::Satisfied,
                Rating::Unsatisfied,
                Rating::NotUseful,
                Rating::NoReply,
            ];
            let new = ratings[usize::from(choice) % 4];
            if rating == Some(new) {
                return None;
            }
            Doing::Rate(new, (written - hours(back)).max(last))
        }
        12 if rating.is_some() => Doing::Exclude,
        13 => Doing::Field(["dat_dai", "y_te"][usize::from(choice) % 2]),
        _ => return None,
    };
    match what {
        Doing::Answer(_) => state.0 = Status::Answered,
        Doing::SendBack => {
            state.0 = Status::Open;
            state.2 = written;
        }
        Doing::Void(_) => state.0 = Status::Void,
        Doing::Reject(_) => state.0 = Status::Rejected,
        Doing::Rate(new, _) => state.1 = Some(new),
        Doing::Transfer(_) | Doing::Extend(_) | Doing::Exclude | Doing::Field(_) => {}
    }
    Some(what)
}

// ---- the rows that they leave

static PROVINCE: LazyLock<Province> = LazyLock::new(Province::new);

struct Province {
    rules: RuleSet,
    directory: Directory,
    calendars: Calendars,
}

impl Province {
    fn new() -> Province {
        let unit = |id: &str| Unit {
            id: id.to_lowercase(),
            was: Vec::new(),
            names: vec![Dated {
                value: id.to_owned(),
                from: None,
                until: None,
            }],
            short: None,
            aliases: Vec::new(),
            parents: Vec::new(),
            areas: Vec::new(),
            fields: Vec::new(),
            contacts: Vec::new(),
            absences: Vec::new(),
            endpoints: Vec::new(),
            valid_from: None,
            valid_until: None,
            external: false,
            order: 0,
        };
        let time = |h| NaiveTime::from_hms_opt(h, 0, 0).expect("a time");
        let open = || vec![(time(7), time(17))];
        let calendar = Calendar::new(CalendarData {
            zone: chrono_tz::Asia::Ho_Chi_Minh,
            patterns: vec![Pattern {
                valid_from: None,
                valid_until: None,
                week: [open(), open(), open(), open(), open(), vec![], vec![]],
            }],
            days: BTreeMap::new(),
            provisional_from: NaiveDate::from_ymd_opt(2027, 1, 1).expect("a date"),
            lunar: BTreeMap::new(),
            closures: Vec::new(),
            culture_day_from: None,
        });
        Province {
            rules: RuleSet {
                rules: Vec::new(),
                deadlines: Vec::new(),
                classify: Vec::new(),
                summaries: Vec::new(),
                due_reading: DueReading::default(),
                period: PeriodKind::CalendarMonth,
                digest_at: NaiveTime::MIN,
                since: None,
            },
            directory: Directory::new(
                vec![unit("A"), unit("B")],
                Vec::new(),
                "a".into(),
                "a".into(),
                Vec::new(),
                false,
            ),
            calendars: Calendars::new(calendar.expect("a calendar"), HashMap::new()),
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            rules: &self.rules,
            directory: &self.directory,
            calendars: &self.calendars,
            events_from: first(),
            kept_from: None,
        }
    }

    fn remember(&self, before: Option<(&Ticket, &Memory)>, row: &Ticket, now: Moment) -> Memory {
        let lead = row
            .agency
            .as_deref()
            .and_then(|word| self.directory.find(word, day_of(now)));
        let mut memory = Memory::after(before, row, lead.map(|u| u.id.as_str()), |_, _| false, now);
        if before.is_none() {
            memory.first_deadline = row.due_at.map(|due| due.date);
        }
        memory
    }

    fn life(&self, history: &History) -> Life {
        let state = |from: Moment, seen: Moment, ticket: Ticket, memory: Memory| State {
            from,
            seen,
            ticket,
            memory,
        };
        let written = |date: NaiveDate| WrittenTime {
            date,
            at: self.calendars.base().instant(date, NaiveTime::MIN),
            has_time: false,
        };
        let row = Ticket {
            code: "T".into(),
            received_at: history.received,
            updated_at: Some(history.entered),
            due_at: Some(written(history.due)),
            agency: Some(history.agency.into()),
            level: history.is_operators.then_some(1),
            is_procedure: history.is_procedure,
            tags: history.is_flagged.then(|| "conduct".to_owned()).into_iter().collect(),
            ..Ticket::default()
        };
        let memory = self.remember(None, &row, history.seen);
        let first = state(history.entered, history.seen, row, memory);
        let mut later: Vec<State> = Vec::new();
        for done in &history.done {
            let last = later.last().unwrap_or(&first);
            let mut row = last.ticket.clone();
            row.updated_at = Some(done.written);
            match done.what {
                Doing::Answer(at) => {
                    row.status = Status::Answered;
                    row.answered_at = at;
                }
                Doing::SendBack => {
                    row.status = Status::Open;
                    row.reopen_count = Some(row.reopen_count.unwrap_or(0) + 1);
                    // Some clear what was answered, others leave it there.
                    if done.written.timestamp() % 2 == 0 {
                        (row.answered_at, row.closed_at) = (None, None);
                    }
                }
                Doing::Transfer(word) => row.agency = Some(word.into()),
                Doing::Extend(date) => row.extended_to = Some(written(date)),
                Doing::Void(at) => {
                    row.status = Status::Void;
                    row.closed_at = at;
                }
                Doing::Reject(at) => {
                    row.status = Status::Rejected;
                    row.closed_at = at;
                }
                Doing::Rate(rating, at) => {
                    row.rating = Some(rating);
                    row.rated_at = Some(at);
                    row.rating_excluded = false;
                }
                Doing::Exclude => row.rating_excluded = true,
                Doing::Field(field) => row.category = Some(field.into()),
            }
            let memory = self.remember(Some((&last.ticket, &last.memory)), &row, done.seen);
            later.push(state(done.written, done.seen, row, memory));
        }
        Life {
            first,
            later,
            gone_at: history.gone,
        }
    }

    fn count(&self, histories: &[History], bounds: Bounds) -> Figures {
        let count = Count {
            bounds,
            context: self.context(),
        };
        let mut figures = Figures::default();
        for history in histories {
            count.add(&mut figures, &self.life(history), &[]);
        }
        figures
    }
}

// ---- the same, reckoned from what was done

/// How a ticket stood just before an instant, as far as was known just before another.
#[derive(Debug, Clone, PartialEq)]
struct Stood {
    status: Status,
    ended: Option<Moment>,
    owner: Owner,
    field: String,
    rated: Option<(Rating, Moment, bool)>,
    due: NaiveDate,
}

fn stood(history: &History, instant: Moment, known: Moment) -> Option<Stood> {
    if history.received >= instant || history.seen >= known {
        return None;
    }
    let owner = |word: &str| match word {
        _ if history.is_operators => Owner::Operator,
        "X" => Owner::Unassigned,
        word => Owner::Unit(word.to_lowercase()),
    };
    let mut stood = Stood {
        status: Status::Open,
        ended: None,
        owner: owner(history.agency),
        field: String::new(),
        rated: None,
        due: history.due,
    };
    for done in history.done.iter().filter(|done| done.seen < known) {
        let was_written = done.written < instant;
        let mut end = |status: Status, at: Option<Moment>| {
            let at = at.unwrap_or(done.seen);
            if at < instant {
                (stood.status, stood.ended) = (status, Some(at));
            }
        };
        match done.what {
            Doing::Answer(at) => end(Status::Answered, at),
            Doing::Void(at) => end(Status::Void, at),
            Doing::Reject(at) => end(Status::Rejected, at),
            Doing::SendBack if !was_written => break,
            Doing::SendBack => (stood.status, stood.ended) = (Status::Open, None),
            Doing::Rate(rating, at) if at < instant => stood.rated = Some((rating, at, false)),
            Doing::Transfer(word) if was_written => stood.owner = owner(word),
            Doing::Extend(date) if was_written => stood.due = date,
            Doing::Field(field) if was_written => stood.field = field.into(),
            _ => {}
        }
    }
    // What has no instant of its own goes with the row of then.
    if let Some(rated) = &mut stood.rated {
        rated.2 = is_excluded(history, rated.1, instant, known);
    }
    if history.gone.is_some_and(|at| at < instant && at < known) {
        (stood.status, stood.ended) = (Status::Void, history.gone);
    }
    Some(stood)
}

/// Whether the rating of an instant had been excluded by then.
fn is_excluded(history: &History, rated: Moment, instant: Moment, known: Moment) -> bool {
    let mut of = None;
    let mut excluded = false;
    for done in history.done.iter().filter(|d| d.seen < known && d.written < instant) {
        match done.what {
            Doing::Rate(_, at) => (of, excluded) = (Some(at), false),
            Doing::Exclude => excluded = true,
            _ => {}
        }
    }
    excluded && of == Some(rated)
}

/// What one ticket counts for, and under whom: who had it at the start, and who has it at the end.
fn reckoned(history: &History, bounds: Bounds) -> Vec<(Owner, Balance)> {
    let cut_off = bounds.end.min(bounds.known);
    let not_void = |stood: &Stood| stood.status != Status::Void;
    let at_start = stood(history, bounds.start, bounds.known).filter(not_void);
    let at_end = stood(history, cut_off, bounds.known).filter(not_void);
    let before = stood(history, bounds.start, bounds.counted_before).filter(|s| s.status.is_open());
    let was_open = at_start.as_ref().is_some_and(|s| s.status.is_open());
    let in_stock = was_open && at_end.is_some();
    let one = |holds: bool| u64::from(holds);
    let mut rows = Vec::new();
    if let Some(before) = &before {
        rows.push((
            before.owner.clone(),
            Balance {
                stock_before: 1,
                voided: one(at_end.is_none()),
                corrected: -i64::from(at_end.is_some() && !in_stock),
                moved_out: one(in_stock && at_end.as_ref().is_some_and(|s| s.owner != before.owner)),
                ..Balance::default()
            },
        ));
    }
    let Some(at_end) = at_end else { return rows };
    let in_period = |at: Moment| bounds.start <= at && at < cut_off;
    let seen = || {
        history
            .done
            .iter()
            .filter(|d| d.seen < bounds.known && in_period(d.written))
    };
    let is_new = history.received >= bounds.start;
    let is_open = at_end.status.is_open();
    let sent_back = seen().filter(|d| d.what == Doing::SendBack).count() as u64;
    let taken_up = !is_new && !was_open && (is_open || sent_back > 0);
    let concerned = is_new || was_open || taken_up;
    let ended = at_end.ended.filter(|_| concerned && at_end.status.is_done());
    let over = |day: NaiveDate, at: Moment| at >= at_midnight_after(day);
    let last = cut_off - TimeDelta::microseconds(1);
    let late = ended.is_some_and(|at| over(at_end.due, at));
    let late_first = ended.is_some_and(|at| over(history.due, at));
    let overdue = is_open && over(at_end.due, last);
    let rated = at_end.rated.filter(|(_, at, _)| *at >= bounds.start);
    let is_rated = |wanted: &[Rating]| rated.is_some_and(|(rating, _, _)| wanted.contains(&rating));
    let unsatisfied = is_rated(&[Rating::Unsatisfied, Rating::NotUseful]);
    let late_entry = in_stock && history.seen >= bounds.counted_before;
    rows.push((
        at_end.owner.clone(),
        Balance {
            late_entries: one(late_entry),
            corrected: i64::from(in_stock && before.is_none() && !late_entry),
            moved_in: one(in_stock && before.is_some_and(|b| b.owner != at_end.owner)),
            opening_stock: one(in_stock),
            received: one(is_new),
            taken_up: one(taken_up),
            done_on_time: one(ended.is_some() && !late),
            done_late: one(late),
            done_on_time_first: one(ended.is_some() && !late_first),
            done_late_first: one(late_first),
            rejected: one(concerned && at_end.status == Status::Rejected),
            open_within: one(is_open && !overdue),
            open_overdue: one(overdue),
            open_overdue_first: one(is_open && over(history.due, last)),
            carried_over: one(is_open && was_open),
            new_in_period: one(is_open && is_new),
            taken_up_again: one(is_open && taken_up),
            procedures: one(is_new && history.is_procedure),
            flagged: one(is_new && history.is_flagged),
            satisfied: one(is_rated(&[Rating::Satisfied])),
            unsatisfied: one(unsatisfied),
            excluded: one(unsatisfied && rated.is_some_and(|(_, _, excluded)| excluded)),
            no_reply: one(is_rated(&[Rating::NoReply])),
            transfers: transfers(history, bounds, cut_off),
            extensions: extensions(history, bounds, cut_off),
            reopenings: sent_back,
            oldest_open: is_open.then_some(history.received),
            ..Balance::default()
        },
    ));
    rows
}

fn at_midnight_after(day: NaiveDate) -> Moment {
    (day.succ_opt().expect("a day").and_time(NaiveTime::MIN) - hours(7)).and_utc()
}

/// From a unit that is known to another one.
fn transfers(history: &History, bounds: Bounds, cut_off: Moment) -> u64 {
    let (mut last, mut count) = (history.agency, 0);
    for done in history
        .done
        .iter()
        .filter(|d| d.seen < bounds.known && d.written < cut_off)
    {
        if let Doing::Transfer(word) = done.what {
            let is_transfer = last != "X" && word != "X" && last != word;
            count += u64::from(is_transfer && done.written >= bounds.start);
            last = word;
        }
    }
    count
}

fn extensions(history: &History, bounds: Bounds, cut_off: Moment) -> u64 {
    let (mut last, mut count) = (None, 0);
    for done in history
        .done
        .iter()
        .filter(|d| d.seen < bounds.known && d.written < cut_off)
    {
        if let Doing::Extend(date) = done.what {
            count += u64::from(last != Some(date) && done.written >= bounds.start);
            last = Some(date);
        }
    }
    count
}

fn sum(rows: impl Iterator<Item = Balance>) -> serde_json::Value {
    let mut total = serde_json::Map::new();
    let mut oldest: Option<String> = None;
    for row in rows {
        let serde_json::Value::Object(row) = serde_json::to_value(row).expect("JSON") else {
            panic!("no object")
        };
        for (key, value) in row {
            match value.as_i64() {
                Some(n) => {
                    let before = total.get(&key).and_then(serde_json::Value::as_i64).unwrap_or(0);
                    total.insert(key, (before + n).into());
                }
                None => oldest = oldest.into_iter().chain(value.as_str().map(str::to_owned)).min(),
            }
        }
    }
    total.insert("oldest_open".into(), oldest.into());
    total.into()
}

fn bounds(month: &str, counted_before: i64, known: i64) -> Bounds {
    let period: Period = month.parse().expect("a period");
    let start = (period.first_day().and_time(NaiveTime::MIN) - hours(7)).and_utc();
    Bounds {
        counted_before: start + hours(counted_before),
        ..Bounds::of(period, PROVINCE.calendars.base(), start + hours(known))
    }
}

fn period() -> impl Strategy<Value = (&'static str, i64, i64)> {
    let known = prop_oneof![Just(5000_i64), 900..1600_i64, 100..700_i64];
    (
        prop::sample::select(vec!["2021-07", "2021-08", "2021-09"]),
        0..100_i64,
        known,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn the_figures_are_those_that_what_was_done_amounts_to(
        histories in prop::collection::vec(history(), 1..12),
        (month, counted, known) in period(),
    ) {
        let bounds = bounds(month, counted, known);
        let figures = PROVINCE.count(&histories, bounds);
        let mut rows: Vec<(Owner, Balance)> = histories.iter().flat_map(|h| reckoned(h, bounds)).collect();
        rows.retain(|(_, row)| *row != Balance::default());
        for (owner, row) in &figures.owners {
            let own = rows.iter().filter(|(o, _)| o == owner).map(|(_, row)| row.clone());
            prop_assert_eq!(serde_json::to_value(row).expect("JSON"), sum(own), "{:?}", owner);
        }
        let owners: std::collections::BTreeSet<&Owner> = rows.iter().map(|(owner, _)| owner).collect();
        prop_assert_eq!(figures.owners.keys().collect::<std::collections::BTreeSet<_>>(), owners);
        let previous = histories.iter().filter(|h| {
            let was = stood(h, bounds.start, bounds.known);
            was.is_some_and(|s| s.status != Status::Void) && h.received >= bounds.previous_start
        });
        prop_assert_eq!(figures.previous_total, previous.count() as u64);
    }

    #[test]
    fn all_identities_hold_and_owners_fields_and_localities_add_up(
        histories in prop::collection::vec(history(), 1..30),
        (month, counted, known) in period(),
    ) {
        let figures = PROVINCE.count(&histories, bounds(month, counted, known));
        prop_assert_eq!(figures.violations(), []);
        let stored: Figures = serde_json::from_str(&serde_json::to_string(&figures).expect("JSON")).expect("figures");
        prop_assert_eq!(stored, figures, "as it is stored");
    }

    #[test]
    fn a_period_begins_with_the_stock_that_the_one_before_ended_with_for_each_owner_and_field(
        histories in prop::collection::vec(history(), 1..30),
        (month, counted, known) in period(),
    ) {
        let now = bounds(month, counted, known);
        let known = now.counted_before - TimeDelta::microseconds(1);
        let period: Period = month.parse().expect("a period");
        let before = Bounds::of(period.previous(), PROVINCE.calendars.base(), known);
        let (before, after) = (PROVINCE.count(&histories, before), PROVINCE.count(&histories, now));
        prop_assert_eq!(after.violations_after(&before), []);
        let closing = before.rows().map(|(place, row)| (place, row.open()));
        for (place, open) in closing.filter(|(place, _)| *place != Place::Whole) {
            prop_assert_eq!(after.row(&place).map_or(0, |row| row.stock_before), open, "{:?}", place);
        }
    }
}
