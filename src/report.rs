//! The monthly report: figures of a period from the store, as data and as the hotline's narrative.
//!
//! Figures are counted in `domain::figures` from the tickets' lives; here they are read, put in order and written out.

mod register;
mod text;
mod view;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveTime, TimeDelta};
use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::domain::Moment;
use crate::domain::facts::Context;
use crate::domain::figures::{self, Balance, Bounds, Column, Count, Detail, Figure, Figures, Overdue, Owner, Reach};
use crate::domain::obligation::Members;
use crate::domain::time::Period;
use crate::domain::wording::Locale;
use crate::store::as_of::{Lives, Place};
use crate::store::snapshots::Snapshot;
use crate::store::{Store, StoreError};
pub use register::Register;
pub use text::formulas;

/// How far a period's figures are settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The period is still running.
    Open,
    /// Past the cut-off, and being checked.
    Provisional,
    /// Counted for good.
    Final,
}

impl State {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Provisional => "provisional",
            State::Final => "final",
        }
    }
}

/// A period's figures with what is needed to read them.
#[derive(Debug, Clone)]
pub struct Report {
    pub period: Period,
    /// 0 while nothing is counted for good; then 1, and one more for each correction.
    pub revision: i64,
    pub state: State,
    pub figures: Figures,
    /// The directive on the period and what is owed by it, where it was read for showing.
    pub register: Option<Register>,
}

/// A period counted again.
#[derive(Debug, Clone)]
pub struct Revision {
    pub snapshot: Snapshot,
    /// Which tickets stand under which obligation by it.
    pub members: Members,
    /// The figures of the revision before.
    pub before: Figures,
}

/// Why a period's figures cannot be shown or counted again.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{period} has no revision {revision}")]
    NoRevision { period: Period, revision: i64 },
    #[error("the figures of {period} are not final yet: what is corrected at its source is counted with them")]
    NotFinal { period: Period },
}

/// A period as it was frozen last, or by a revision; counted now, with `now` as the present, where it was not.
///
/// # Errors
/// When the store cannot be read, or there is no such revision.
pub async fn read(
    store: &Store,
    config: &Config,
    period: Period,
    revision: Option<i64>,
    now: Moment,
) -> Result<Report, ReportError> {
    let mut snapshots = store.snapshots(period).await?.into_iter();
    let frozen = match revision {
        None => snapshots.last(),
        Some(revision) => {
            let found = snapshots.find(|s| s.revision == revision);
            Some(found.ok_or(ReportError::NoRevision { period, revision })?)
        }
    };
    let register = Some(Register::of(store, period).await?);
    let Some(mut frozen) = frozen else {
        let counted = count(store, config, period, now).await?;
        return Ok(Report { register, ..counted });
    };
    withhold(store, &mut frozen.figures).await?;
    Ok(Report {
        period,
        revision: frozen.revision,
        state: if frozen.revision > 0 {
            State::Final
        } else {
            State::Provisional
        },
        figures: frozen.figures,
        register,
    })
}

/// Takes out of the list of a frozen period what has become sensitive since: the numbers stay, the codes are shown no more.
async fn withhold(store: &Store, figures: &mut Figures) -> Result<(), StoreError> {
    let Some(detail) = &mut figures.detail else {
        return Ok(());
    };
    let codes: Vec<String> = detail.overdue.iter().map(|ticket| ticket.code.clone()).collect();
    let known = store.tickets(&codes).await?;
    detail.withhold(|code| known.get(code).is_some_and(|kept| kept.ticket.is_sensitive()));
    Ok(())
}

/// A period counted again as the next revision, with the figures of the one before.
///
/// # Errors
/// When the store cannot be read, or the period was not counted for good yet.
pub async fn revise(
    store: &Store,
    config: &Config,
    period: Period,
    (by, reason): (String, String),
    now: Moment,
) -> Result<Revision, ReportError> {
    let last = store.snapshots(period).await?.into_iter().last();
    let before = last
        .filter(|s| s.revision > 0)
        .ok_or(ReportError::NotFinal { period })?;
    let bounds = bounds(store, config, period, now).await?;
    let (counted, members) = count_within(store, config, period, bounds, &|| ()).await?;
    let snapshot = Snapshot {
        period,
        revision: before.revision + 1,
        known_at: bounds.known,
        figures: counted.figures,
        made_by: Some(by),
        reason: Some(reason),
    };
    Ok(Revision {
        snapshot,
        members,
        before: before.figures,
    })
}

/// What a period's figures look at, after the one before as it was counted for good.
///
/// # Errors
/// When the store cannot be read.
pub async fn bounds(store: &Store, config: &Config, period: Period, now: Moment) -> Result<Bounds, StoreError> {
    let bounds = Bounds::of(period, config.calendars.base(), now);
    let counted_before = store.counted_for_good(period.previous()).await?;
    Ok(Bounds {
        counted_before: counted_before.unwrap_or(bounds.counted_before),
        ..bounds
    })
}

const PAGE: i64 = 500;

/// Periods in the chart, this one among them.
const CHARTED: usize = 12;

/// Counts a period from the store, with `now` as the present.
pub async fn count(store: &Store, config: &Config, period: Period, now: Moment) -> Result<Report, StoreError> {
    let bounds = bounds(store, config, period, now).await?;
    let (report, _) = count_within(store, config, period, bounds, &|| ()).await?;
    Ok(report)
}

/// As [`count`], of a period whose figures are bounded otherwise: as they were known earlier, or after a period that was
/// counted at another instant, with which tickets stand under which obligation. `on_page` is told of each page of tickets.
pub async fn count_within(
    store: &Store,
    config: &Config,
    period: Period,
    mut bounds: Bounds,
    on_page: &(dyn Fn() + Sync),
) -> Result<(Report, Members), StoreError> {
    let Bounds {
        previous_start,
        start,
        end,
        known,
        ..
    } = bounds;
    let meta = store.meta().await?;
    if let Some(first) = meta.first_turn_at {
        // Nothing was counted before the first turn: what it found was not entered late.
        bounds.counted_before = bounds.counted_before.max(first + TimeDelta::microseconds(1));
    }
    let count = Count {
        bounds,
        context: Context {
            rules: &config.rules,
            directory: &config.directory,
            calendars: &config.calendars,
            events_from: meta.first_turn_at.unwrap_or(known),
            kept_from: meta.kept_from,
        },
    };
    let span = Lives {
        received_before: end,
        touched_since: previous_start,
        since: start,
    };
    let mut figures = Figures {
        detail: Some(Detail::default()),
        ..Figures::default()
    };
    let mut members = Members::new();
    let mut after = Some(Place::before(Moment::MIN_UTC));
    while let Some(from) = after {
        let (page, next) = store.lives(span, &from, PAGE).await?;
        let codes: Vec<String> = page.iter().map(|life| life.first.ticket.code.clone()).collect();
        let reminders = store.reminders(&codes, end.min(known)).await?;
        for life in &page {
            let told = reminders.get(&life.first.ticket.code);
            count.add(&mut figures, life, told.map_or(&[], Vec::as_slice));
            members.extend(count.members(life, config.papers.cards_unit.as_deref()));
        }
        on_page();
        after = next;
    }
    let reaches = |instant: Moment| meta.horizon.is_some_and(|horizon| horizon <= instant);
    figures.reach = Reach {
        start: reaches(start),
        previous_start: reaches(previous_start),
        end: reaches(end),
    };
    let span = |period: Period| {
        let midnight = |date| config.calendars.base().instant(date, NaiveTime::MIN);
        (midnight(period.first_day()), midnight(period.end()))
    };
    let year_before = span(period.year_before());
    if reaches(year_before.0) {
        figures.year_before_total = Some(received(store, &count, year_before, on_page).await?);
    }
    // What the one before received is among the figures.
    for period in before(period.previous()).take(CHARTED - 2) {
        let mut frozen = store.snapshots(period).await?.into_iter();
        let frozen = frozen.rfind(|snapshot| snapshot.known_at <= known);
        let frozen = frozen.and_then(|s| Figure::Total.value(&s.figures));
        let total = match frozen.and_then(|total| u64::try_from(total).ok()) {
            None if reaches(span(period).0) => Some(received(store, &count, span(period), on_page).await?),
            total => total,
        };
        if let Some(total) = total {
            figures.earlier.insert(period.to_string(), total);
        }
    }
    let report = Report {
        period,
        revision: 0,
        state: if known <= end { State::Open } else { State::Provisional },
        figures,
        register: None,
    };
    Ok((report, members))
}

/// The periods before one, the latest first.
fn before(period: Period) -> impl Iterator<Item = Period> {
    std::iter::successors(Some(period.previous()), |period| Some(period.previous()))
}

/// How many tickets were received in a span, and not void at its end.
async fn received(
    store: &Store,
    count: &Count<'_>,
    (from, until): (Moment, Moment),
    on_page: &(dyn Fn() + Sync),
) -> Result<u64, StoreError> {
    let span = Lives {
        received_before: until,
        touched_since: from,
        since: until,
    };
    let (mut total, mut after) = (0, Some(Place::before(from)));
    while let Some(last) = after {
        let (page, next) = store.lives(span, &last, PAGE).await?;
        let received = page.iter().filter(|life| count.is_received(life, from, until));
        total += u64::try_from(received.count()).unwrap_or(0);
        on_page();
        after = next;
    }
    Ok(total)
}

/// The overdue tickets, the latest first.
fn in_order(detail: &Detail) -> Vec<&Overdue> {
    let mut tickets: Vec<&Overdue> = detail.overdue.iter().collect();
    tickets.sort_by_key(|t| (Reverse(t.working_days), t.deadline, t.received_on, &t.code));
    tickets
}

impl Report {
    /// The keys that others script against; a figure beyond the store's reach is null.
    #[must_use]
    pub fn json(&self, config: &Config) -> Value {
        let f = &self.figures;
        let mut keys = Map::new();
        let mut put = |key: &str, value: Value| keys.insert(key.to_owned(), value);
        put("period", json!(self.period.to_string()));
        put("from", json!(self.period.first_day().to_string()));
        put("until", json!(self.period.end().to_string()));
        put("revision", json!(self.revision));
        put("state", json!(self.state.word()));
        for figure in Figure::ALL {
            put(figure.key(), json!(figure.value(f)));
        }
        put(Figure::Excluded.key(), json!(self.excluded()));
        put("exclusion_pending", json!(self.exclusion_pending()));
        put("reply_before", json!(self.directive().map(|d| d.reply_before)));
        put("whole", Value::Object(self.row(&f.whole, config)));
        let units = self.owners_in_order(config).into_iter().map(|(owner, name)| {
            let id = match &owner {
                Owner::Unit(id) => Some(id),
                Owner::Unassigned | Owner::Operator => None,
            };
            self.named(json!(id), &name, &f.owners[&owner], config)
        });
        put("units", units.collect());
        let named = |rows: &BTreeMap<String, Balance>| -> Value {
            let named = |(id, row): (&String, &Balance)| {
                let name = self.term(id, config);
                self.named(json!(Some(id).filter(|id| !id.is_empty())), &name, row, config)
            };
            rows.iter().map(named).collect()
        };
        put("fields", named(&f.fields));
        put("areas", named(&f.areas));
        let channels = f.channels.iter().map(|(channel, received)| {
            let id = Some(channel).filter(|id| !id.is_empty());
            json!({ "id": id, "name": self.term(channel, config), "received": f.reach.start.then_some(received) })
        });
        put("channels", channels.collect());
        let detail = f.detail.as_ref().filter(|_| f.reach.end);
        put(
            "overdue_tickets",
            json!(detail.map(|detail| self.listed(detail, config))),
        );
        put("overdue_withheld", json!(detail.map(|detail| detail.withheld)));
        put("cards", json!(detail.map(|detail| detail.cards)));
        put("violations", f.violations().iter().map(ToString::to_string).collect());
        Value::Object(keys)
    }

    fn named(&self, id: Value, name: &str, row: &Balance, config: &Config) -> Value {
        let mut keys = self.row(row, config);
        keys.insert("id".to_owned(), id);
        keys.insert("name".to_owned(), json!(name));
        Value::Object(keys)
    }

    /// The overdue tickets, the latest first. A unit that nobody knows is null.
    fn listed(&self, detail: &Detail, config: &Config) -> Value {
        let ticket = |ticket: &Overdue| {
            let unit = match &ticket.owner {
                Owner::Unit(id) => Some(id),
                Owner::Unassigned | Owner::Operator => None,
            };
            json!({
                "code": ticket.code,
                "field": Some(&ticket.field).filter(|id| !id.is_empty()),
                "unit": unit,
                "name": self.owner_name(&ticket.owner, config),
                "received_on": ticket.received_on,
                "deadline": ticket.deadline,
                "overdue_days": ticket.working_days,
                "reminders": ticket.reminders,
                "waiting_on": ticket.waiting_on,
            })
        };
        in_order(detail).into_iter().map(ticket).collect()
    }

    /// The columns of a row by their keys. Rates are parts of 1, with four places.
    fn row(&self, row: &Balance, config: &Config) -> Map<String, Value> {
        let value = |column: Column| match column.value(row, &self.figures) {
            None => Value::Null,
            Some(figures::Value::Count(count)) => json!(count),
            #[expect(clippy::cast_precision_loss, reason = "at most 10.000")]
            Some(figures::Value::Rate(rate)) => json!(rate.map(|rate| rate.basis_points() as f64 / 10_000.0)),
            Some(figures::Value::Instant(at)) => json!(at.map(|at| config.calendars.base().date_of(at).to_string())),
        };
        let mut keys: Map<String, Value> = Column::ALL
            .into_iter()
            .map(|column| (column.key().to_owned(), value(column)))
            .collect();
        let age = self.oldest_age(row, config);
        keys.insert("oldest_open_days".to_owned(), json!(age));
        keys
    }

    /// The age of the oldest open ticket in days, on the last day that was counted.
    fn oldest_age(&self, row: &Balance, config: &Config) -> Option<i64> {
        let oldest = row.oldest_open.filter(|_| self.figures.reach.end)?;
        Some((self.last_day() - config.calendars.base().date_of(oldest)).num_days())
    }

    fn last_day(&self) -> NaiveDate {
        self.period.last_day()
    }

    /// What a field, locality or channel is called: a locality by who governs it.
    fn term(&self, id: &str, config: &Config) -> String {
        if id.is_empty() {
            return "Không rõ".to_owned();
        }
        let on = self.last_day();
        let local = || {
            config
                .directory
                .local(&config.directory.root, id, on)
                .map(|unit| unit.name(on))
        };
        let name = config.wording.terms.name(id, Locale::Vi, on).or_else(local);
        name.unwrap_or(id).to_owned()
    }

    /// Owners with their names of the period, in the directory's order, the hotline's own and the unassigned last.
    fn owners_in_order(&self, config: &Config) -> Vec<(Owner, String)> {
        let order = |owner: &Owner| match owner {
            Owner::Unit(id) => config.directory.unit(id).map_or(usize::MAX - 2, |unit| unit.order),
            Owner::Operator => usize::MAX - 1,
            Owner::Unassigned => usize::MAX,
        };
        let owners = self.figures.owners.keys();
        let mut owners: Vec<(usize, Owner, String)> = owners
            .map(|owner| (order(owner), owner.clone(), self.owner_name(owner, config)))
            .collect();
        owners.sort();
        owners.into_iter().map(|(_, owner, name)| (owner, name)).collect()
    }

    /// What an owner was called in the period.
    fn owner_name(&self, owner: &Owner, config: &Config) -> String {
        match owner {
            Owner::Unit(id) => {
                let unit = config.directory.unit(id);
                unit.map_or(id.as_str(), |unit| unit.name(self.last_day())).to_owned()
            }
            Owner::Operator => "Tổng đài giải quyết trực tiếp".to_owned(),
            Owner::Unassigned => "Chưa phân công".to_owned(),
        }
    }
}
