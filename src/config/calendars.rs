//! `calendar.toml` and the office hours of single units: from files to the calendars of all units.

use std::collections::{BTreeMap, HashMap};

use chrono::{Datelike, NaiveDate, NaiveTime, Weekday};
use chrono_tz::Tz;

use super::agencies::read_validity;
use super::problem::did_you_mean;
use super::read::{self, Id, Node, Section};
use super::shape;
use crate::domain::calendar::{Calendar, CalendarData, CalendarError, DayKind, END_OF_DAY, Pattern, SpecialDay};
use crate::domain::calendars::Calendars;
use crate::domain::directory::{Directory, Unit};

/// Office hours that a unit has instead of the province's.
pub(super) type UnitHours = Vec<Pattern>;

/// What `calendar.toml` says.
pub(super) struct CalendarFile<'a> {
    node: Node<'a>,
    pub zone: Tz,
    pub patterns: Vec<Pattern>,
    days: BTreeMap<NaiveDate, SpecialDay>,
    filled_until: NaiveDate,
    lunar: BTreeMap<i32, (NaiveDate, NaiveDate)>,
    closures: Vec<Closure<'a>>,
    culture_day_from: Option<i32>,
}

/// A local closure: a storm, a flood. Without areas and units it is the whole province's.
struct Closure<'a> {
    from: NaiveDate,
    until: NaiveDate,
    label: String,
    areas: Vec<String>,
    units: Vec<(Node<'a>, String)>,
}

impl Closure<'_> {
    fn is_general(&self) -> bool {
        self.areas.is_empty() && self.units.is_empty()
    }

    fn concerns(&self, unit: &Unit) -> bool {
        self.units.iter().any(|(_, id)| *id == unit.id) || self.areas.iter().any(|area| unit.areas.contains(area))
    }
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

pub(super) fn read(root: Node<'_>) -> Option<CalendarFile<'_>> {
    let file = root.table(|file| {
        let zone = file.required::<Tz>("zone");
        let filled_until = file.required::<NaiveDate>("filled_until");
        file.needs("hours");
        let hours = file.items("hours");
        let patterns: Vec<Pattern> = hours.iter().filter_map(|n| n.table(read_pattern).flatten()).collect();
        // A calendar without the hours that could not be read would be another calendar, with other faults.
        let hours_are_sound = patterns.len() == hours.len() && !hours.is_empty();
        if hours.is_empty() {
            file.node.error_hint(
                "`[[hours]]` is missing",
                "write the office hours of each weekday".to_owned(),
            );
        }
        let mut days = BTreeMap::new();
        read_days(file, "off", DayKind::Off, &mut days);
        read_days(file, "worked", DayKind::Worked, &mut days);
        let lunar = read_lunar(file);
        let closures = file
            .items("closure")
            .into_iter()
            .filter_map(|n| n.table(read_closure).flatten())
            .collect();
        let culture_day_from = file.optional("culture_day_from");
        hours_are_sound.then_some(())?;
        Some(CalendarFile {
            node: root,
            zone: zone?,
            patterns,
            days,
            filled_until: filled_until?,
            lunar,
            closures,
            culture_day_from,
        })
    });
    file.flatten()
}

fn read_pattern(s: &mut Section<'_>) -> Option<Pattern> {
    let (valid_from, valid_until) = read_validity(s, "from", "until");
    let mut sound = true;
    let week = DAYS.map(|day| {
        let intervals = s.get(day).map(read_intervals).unwrap_or(Some(Vec::new()));
        sound &= intervals.is_some();
        intervals.unwrap_or_default()
    });
    sound.then_some(Pattern {
        valid_from,
        valid_until,
        week,
    })
}

/// `["07:00-11:30", "13:30-17:00"]`, in order and apart.
fn read_intervals(node: Node<'_>) -> Option<Vec<(NaiveTime, NaiveTime)>> {
    let mut intervals: Vec<(NaiveTime, NaiveTime)> = Vec::new();
    let mut sound = node.is_list();
    for item in node.items() {
        let Some((start, end)) = read_interval(item) else {
            sound = false;
            continue;
        };
        if intervals.last().is_some_and(|(_, before)| start < *before) {
            item.error("the interval starts before the one before it ends");
            sound = false;
        }
        intervals.push((start, end));
    }
    sound.then_some(intervals)
}

fn read_interval(node: Node<'_>) -> Option<(NaiveTime, NaiveTime)> {
    let text = node.read_like(shape::INTERVAL)?;
    let times = text
        .split_once('-')
        .and_then(|(start, end)| Some((read::time(start.trim())?, read_close(end.trim())?)));
    match times {
        Some((start, end)) if start < end => Some((start, end)),
        Some(_) => {
            node.error(format!("the interval `{text}` ends before it starts"));
            None
        }
        None => {
            node.error_hint(
                format!("`{text}` is not an interval"),
                "write it as \"07:00-11:30\"".to_owned(),
            );
            None
        }
    }
}

/// A time of day, or 24:00.
fn read_close(text: &str) -> Option<NaiveTime> {
    if text == "24:00" {
        return Some(END_OF_DAY);
    }
    read::time(text)
}

fn read_days(file: &mut Section<'_>, key: &'static str, kind: DayKind, days: &mut BTreeMap<NaiveDate, SpecialDay>) {
    for (text, node) in file
        .get(key)
        .map(|node| node.entries_like(shape::DATE))
        .unwrap_or_default()
    {
        let Some(date) = read_key_date(text, node) else {
            continue;
        };
        if kind == DayKind::Worked && !matches!(date.weekday(), Weekday::Sat | Weekday::Sun) {
            let message = format!("{date} is no Saturday or Sunday, so it needs no entry to be worked");
            node.error_in_key(message, None);
        }
        let Some(label) = node.read::<String>() else { continue };
        if days
            .insert(
                date,
                SpecialDay {
                    kind: kind.clone(),
                    label,
                },
            )
            .is_some()
        {
            node.error_in_key(format!("{date} is both off and worked"), None);
        }
    }
}

fn read_key_date(text: &str, node: Node<'_>) -> Option<NaiveDate> {
    let date = read::date(text);
    if date.is_none() {
        let hint = "write it as \"2021-09-02\"".to_owned();
        node.error_in_key(format!("`{text}` is not a date"), Some(hint));
    }
    date
}

fn read_lunar(file: &mut Section<'_>) -> BTreeMap<i32, (NaiveDate, NaiveDate)> {
    let mut lunar = BTreeMap::new();
    for (text, node) in file
        .get("lunar")
        .map(|node| node.entries_like(shape::YEAR))
        .unwrap_or_default()
    {
        let Ok(year) = text.parse::<i32>() else {
            node.error(format!("`{text}` is not a year"));
            continue;
        };
        let days = node
            .table(|s| Some((s.required::<NaiveDate>("tet")?, s.required::<NaiveDate>("gio_to")?)))
            .flatten();
        let Some((tet, gio_to)) = days else { continue };
        if tet.year() != year || gio_to.year() != year {
            node.error(format!("the days of {year} are not in {year}"));
        }
        lunar.insert(year, (tet, gio_to));
    }
    lunar
}

fn read_closure<'a>(s: &mut Section<'a>) -> Option<Closure<'a>> {
    for key in ["from", "until"] {
        s.required::<NaiveDate>(key);
    }
    let (from, until) = read_validity(s, "from", "until");
    let label = s.required("label");
    let areas = s.or("areas", Vec::new());
    let units = s
        .items("units")
        .into_iter()
        .filter_map(|n| Some((n, n.read()?)))
        .collect();
    Some(Closure {
        from: from?,
        until: until?,
        label: label?,
        areas,
        units,
    })
}

/// `[[hours]]` of `agencies.toml`: patterns that several units share, by id; several entries of one id differ in dates.
pub(super) fn read_named_hours(nodes: Vec<Node<'_>>) -> BTreeMap<String, UnitHours> {
    let mut patterns: BTreeMap<String, UnitHours> = BTreeMap::new();
    for node in nodes {
        let pattern = node.table(|s| {
            let id = s.required::<Id>("id");
            let pattern = read_pattern(s);
            Some((id?.0, pattern?))
        });
        if let Some((id, pattern)) = pattern.flatten() {
            patterns.entry(id).or_default().push(pattern);
        }
    }
    patterns
}

const OFFICE_HOURS: &str = "office_hours";

/// `hours = "pattern"`, or the patterns themselves.
pub(super) fn read_unit_hours(node: Node<'_>, named: &BTreeMap<String, UnitHours>) -> Option<UnitHours> {
    if node.is_text() {
        let id = &node.read::<String>()?;
        let found = named.get(id).cloned();
        if found.is_none() {
            let message = format!("no `[[hours]]` of this file has the id `{id}`");
            node.error_hint(message, did_you_mean(id, named.keys().map(String::as_str)));
        }
        return found;
    }
    if node.is_table() {
        return Some(vec![node.drawn_as(OFFICE_HOURS).table(read_pattern).flatten()?]);
    }
    Some(
        node.items()
            .into_iter()
            .filter_map(|item| item.drawn_as(OFFICE_HOURS).table(read_pattern).flatten())
            .collect(),
    )
}

/// Builds the calendars of all units. Closures of units that nobody knows and calendars without working time are noted.
pub(super) fn build(
    file: &CalendarFile<'_>,
    directory: Option<&Directory>,
    hours: &BTreeMap<String, UnitHours>,
) -> Option<Calendars> {
    let units = directory.map_or(&[][..], |d| &d.units);
    if directory.is_some() {
        check_closed_units(file, units);
    }
    let base = build_one(file, "the province", &file.patterns, |closure| closure.is_general())?;
    let mut own = HashMap::new();
    for unit in units {
        let closed = file.closures.iter().any(|closure| closure.concerns(unit));
        let patterns = hours.get(&unit.id);
        if closed || patterns.is_some() {
            let concerns = |closure: &Closure<'_>| closure.is_general() || closure.concerns(unit);
            let calendar = build_one(file, &unit.id, patterns.unwrap_or(&file.patterns), concerns)?;
            own.insert(unit.id.clone(), calendar);
        }
    }
    Some(Calendars::new(base, own))
}

fn check_closed_units(file: &CalendarFile<'_>, units: &[Unit]) {
    for (node, id) in file.closures.iter().flat_map(|closure| &closure.units) {
        if !units.iter().any(|unit| unit.id == *id) {
            node.error_hint(
                format!("no unit has the id `{id}`"),
                did_you_mean(id, units.iter().map(|u| u.id.as_str())),
            );
        }
    }
}

fn build_one(
    file: &CalendarFile<'_>,
    whose: &str,
    patterns: &[Pattern],
    concerns: impl Fn(&Closure<'_>) -> bool,
) -> Option<Calendar> {
    let closures = file
        .closures
        .iter()
        .filter(|c| concerns(c))
        .map(|c| (c.from, c.until, c.label.clone()))
        .collect();
    let data = CalendarData {
        zone: file.zone,
        patterns: patterns.to_vec(),
        days: file.days.clone(),
        provisional_from: file.filled_until.succ_opt().unwrap_or(file.filled_until),
        lunar: file.lunar.clone(),
        closures,
        culture_day_from: file.culture_day_from,
    };
    Calendar::new(data)
        .map_err(|e: CalendarError| file.node.error(format!("the calendar of {whose}: {e}")))
        .ok()
}
