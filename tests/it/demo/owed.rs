//! What was owed in the demo's two months, worked out from the list of changes alone.
//!
//! This is a second reading of the specification and of the shipped rules, as plain as it can be: it walks through each
//! ticket from turn to turn with its row as it then was, keeps what it has told of it, and has its own few lines of
//! calendar. It takes nothing from the engine but the list of the turns' instants; where both agree on every mail, two
//! independent readings agree. The generator's world has no outage, so whatever is sent is accepted at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Weekday};
use dondoc::demo::generate::{Cell, Change, World};
use dondoc::domain::Moment;

/// One line that somebody had to read: when (local time), who, about which ticket, by which rule and step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    pub at: NaiveDateTime,
    pub to: String,
    pub ticket: String,
    pub rule: String,
    pub step: String,
}

/// Everything that was owed up to the last turn.
pub fn owed(world: &World, turns: &[Moment]) -> BTreeSet<Line> {
    let agencies = Agencies::shipped();
    let turns: Vec<NaiveDateTime> = turns.iter().map(|t| local(*t)).collect();
    let mut of_row: BTreeMap<usize, Vec<&Change>> = BTreeMap::new();
    for change in &world.changes {
        of_row.entry(change.row).or_default().push(change);
    }
    let mut codes: BTreeMap<Option<String>, usize> = BTreeMap::new();
    for changes in of_row.values() {
        *codes.entry(code(changes[0])).or_default() += 1;
    }
    let mut lines = BTreeSet::new();
    for changes in of_row.values() {
        if is_chased(changes[0]) && codes[&code(changes[0])] == 1 {
            Life::new(&agencies, turns[0]).play(changes, &turns, &mut lines);
        }
    }
    lines
}

/// A ticket's deadlines as they were at an instant: from when on it is overdue, and by the first day ever reckoned.
pub struct Deadlines {
    pub code: String,
    pub over: Option<NaiveDateTime>,
    pub over_first: Option<NaiveDateTime>,
}

/// The deadlines of all tickets just before a local time, as who looked at each turn knows them.
pub fn deadlines(world: &World, turns: &[Moment], before: NaiveDateTime) -> Vec<Deadlines> {
    let agencies = Agencies::shipped();
    let turns: Vec<NaiveDateTime> = turns.iter().map(|t| local(*t)).collect();
    let mut of_row: BTreeMap<usize, Vec<&Change>> = BTreeMap::new();
    for change in world.changes.iter().filter(|change| local(change.at) < before) {
        of_row.entry(change.row).or_default().push(change);
    }
    let mut found = Vec::new();
    for changes in of_row.values() {
        let (Some(code), Some(_)) = (code(changes[0]), received(changes[0])) else {
            continue;
        };
        let mut life = Life::new(&agencies, turns[0]);
        let (mut changes, mut known, mut first) = (changes.iter().peekable(), false, None);
        for now in turns.iter().take_while(|turn| **turn < before).chain([&before]) {
            let was = (life.row.is_open(), life.row.status());
            let mut changed = false;
            while let Some(change) = changes.next_if(|c| local(c.at) <= *now) {
                life.row.apply(change);
                changed = true;
            }
            if changed {
                life.notice(known.then_some(was));
                known = true;
                first = first.or(life.deadline().map(|deadline| deadline.day));
            }
        }
        found.push(Deadlines {
            code,
            over: life.deadline().map(|deadline| deadline.over),
            over_first: first.map(|day| (day + TimeDelta::days(1)).and_time(NaiveTime::MIN)),
        });
    }
    found
}

fn received(created: &Change) -> Option<NaiveDateTime> {
    let mut row = Row::default();
    row.apply(created);
    row.time("received_at")
}

/// Việt Nam has been seven hours ahead all along.
pub fn local(at: Moment) -> NaiveDateTime {
    at.naive_utc() + TimeDelta::hours(7)
}

fn code(created: &Change) -> Option<String> {
    let mut row = Row::default();
    row.apply(created);
    row.text("code").map(str::to_owned)
}

/// Rows that cannot be read, or share their code, are nobody's; level 1 was answered by the operator.
fn is_chased(created: &Change) -> bool {
    let mut row = Row::default();
    row.apply(created);
    row.text("code").is_some() && row.time("received_at").is_some() && row.text("level") != Some("1")
}

// ---- the calendar of June to October 2021: weekdays but for Quốc khánh and the day after it

fn works(day: NaiveDate) -> bool {
    let holiday = day.month() == 9 && (day.day() == 2 || day.day() == 3);
    !matches!(day.weekday(), Weekday::Sat | Weekday::Sun) && !holiday
}

/// The nth working day after a day, or before it where `n` is negative; the day itself never counts.
fn working_day(day: NaiveDate, n: i64) -> NaiveDate {
    let step = TimeDelta::days(n.signum());
    let (mut day, mut left) = (day, n.abs());
    while left > 0 {
        day += step;
        left -= i64::from(works(day));
    }
    day
}

/// Office hours of a working day, morning and afternoon.
fn hours(day: NaiveDate) -> [(NaiveDateTime, NaiveDateTime); 2] {
    let at = |h, m| day.and_time(clock(h, m));
    [(at(7, 0), at(11, 30)), (at(13, 30), at(17, 0))]
}

fn clock(h: u32, m: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(h, m, 0).expect("a time of day")
}

fn opening(day: NaiveDate) -> NaiveDateTime {
    hours(day)[0].0
}

fn is_open(at: NaiveDateTime) -> bool {
    works(at.date()) && hours(at.date()).iter().any(|(from, to)| *from <= at && at < *to)
}

fn add_office_hours(from: NaiveDateTime, span: TimeDelta) -> NaiveDateTime {
    let (mut day, mut left) = (from.date(), span);
    loop {
        for (opens, closes) in hours(day) {
            let start = opens.max(from);
            if works(day) && start < closes {
                if left <= closes - start {
                    return start + left;
                }
                left -= closes - start;
            }
        }
        day += TimeDelta::days(1);
    }
}

fn is_first_working_day_of_week(day: NaiveDate) -> bool {
    works(day)
        && (day.week(Weekday::Mon).first_day().iter_days())
            .take_while(|d| *d < day)
            .all(|d| !works(d))
}

// ---- the shipped directory

/// Which unit a word means, and where the desks of a unit read their mail.
pub struct Agencies {
    words: BTreeMap<String, String>,
    desks: BTreeMap<(String, String), String>,
}

impl Agencies {
    pub fn shipped() -> Agencies {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/agencies.toml");
        let file: toml::Table = std::fs::read_to_string(path).expect("a file").parse().expect("TOML");
        let (mut words, mut desks) = (BTreeMap::new(), BTreeMap::new());
        let text = |value: &toml::Value| value.as_str().expect("a text").to_owned();
        let list = |value: Option<&toml::Value>| value.and_then(toml::Value::as_array).cloned().unwrap_or_default();
        for unit in file["unit"].as_array().expect("units") {
            let id = text(&unit["id"]);
            let named = ["id", "name", "short"].iter().filter_map(|key| unit.get(key)).map(text);
            let names = list(unit.get("names")).into_iter().map(|n| text(&n["name"]));
            let aliases = list(unit.get("aliases")).into_iter().map(|a| text(&a));
            words.extend(named.chain(names).chain(aliases).map(|word| (plain(&word), id.clone())));
            for contact in list(unit.get("contacts")) {
                desks.insert((id.clone(), text(&contact["role"])), text(&contact["address"]));
            }
        }
        desks.insert(("ops".into(), "contact".into()), text(&file["ops"][0]));
        Agencies { words, desks }
    }

    pub fn find(&self, word: &str) -> Option<String> {
        self.words.get(&plain(word)).cloned()
    }
}

/// The hotline writes «Uỷ ban» for «Ủy ban», and spaces as they come.
fn plain(word: &str) -> String {
    let words: Vec<&str> = word.split_whitespace().collect();
    words.join(" ").replace("Uỷ", "Ủy").to_lowercase()
}

// ---- a ticket's row

#[derive(Default)]
struct Row {
    cells: BTreeMap<&'static str, Cell>,
    times: BTreeMap<&'static str, NaiveDateTime>,
}

impl Row {
    fn apply(&mut self, change: &Change) {
        self.cells.extend(change.set.iter().cloned());
        self.cells.insert("updated_at", Cell::from(local(change.at)));
        // Rubbish («infinity», «0000-00-00») is no time.
        let read = |text| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok();
        self.times = (self.cells.iter())
            .filter_map(|(column, cell)| match cell {
                Cell::Text(text) => Some((*column, read(text)?)),
                Cell::Null | Cell::Integer(_) => None,
            })
            .collect();
    }

    /// A column's text; numbers as text, and nothing where it is null.
    fn text(&self, column: &str) -> Option<&str> {
        match self.cells.get(column)? {
            Cell::Null => None,
            Cell::Integer(0) => Some("0"),
            Cell::Integer(1) => Some("1"),
            Cell::Integer(2) => Some("2"),
            Cell::Integer(_) => Some("more"),
            Cell::Text(text) => Some(text),
        }
    }

    fn time(&self, column: &str) -> Option<NaiveDateTime> {
        self.times.get(column).copied()
    }

    fn received(&self) -> NaiveDateTime {
        self.time("received_at").expect("a chased ticket was received")
    }

    fn has_tag(&self, tag: &str) -> bool {
        self.text("tags").unwrap_or("").split(',').any(|t| t == tag)
    }

    /// Open, waiting, done, rejected or void; a word that nobody mapped is open.
    fn status(&self) -> &'static str {
        match self.text("status").unwrap_or("") {
            "chờ bổ sung" => "waiting",
            "đã trả lời" | "đóng" => "done",
            "từ chối" => "rejected",
            "trùng" | "hủy" => "void",
            _ => "open",
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.status(), "open" | "waiting")
    }

    /// «tạm treo» is in no mapping.
    fn has_unmapped_status(&self) -> bool {
        self.text("status") == Some("tạm treo")
    }

    /// Conduct, confidential, or a word of which nobody knows whether it means confidential.
    fn is_sensitive(&self) -> bool {
        self.has_tag("conduct") || self.text("confidential") != Some("0")
    }

    fn is_card_by_source(&self) -> bool {
        self.text("category") == Some("cccd")
    }

    /// By its category; where the source has none, by its title.
    fn is_about_id_cards(&self) -> bool {
        match self.text("category") {
            Some(category) => category == "cccd",
            None => self.text("title").unwrap_or("").contains("làm căn cước"),
        }
    }
}

// ---- a ticket's life

/// What was told of a ticket under one occurrence of a rule's fact.
struct Told {
    rule: &'static str,
    step: &'static str,
    occurrence: String,
    lead: Option<String>,
    /// For `due-soon` and `overdue`: the deadline's day that it spoke of.
    deadline: Option<NaiveDate>,
    on: NaiveDate,
    at: NaiveDateTime,
    to: BTreeSet<String>,
    settled: bool,
}

#[derive(Clone, Copy)]
struct Deadline {
    /// Names the occurrence; steps count from it.
    day: NaiveDate,
    /// From then on the ticket is overdue.
    over: NaiveDateTime,
}

/// One rung: step, when it is due, whom it reaches, and whether it goes above the agency's contact.
struct Step {
    name: &'static str,
    due: NaiveDateTime,
    to: Vec<(Whom, &'static str)>,
    above: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Whom {
    Agency,
    Helpers,
    Unit(&'static str),
}

const OFFICE: Whom = Whom::Unit("VP");
const OPS: Whom = Whom::Unit("ops");

struct Life<'a> {
    agencies: &'a Agencies,
    /// The first turn; what was received or rated before is no event.
    begin: NaiveDateTime,
    row: Row,
    lead: Option<String>,
    transfers: u32,
    reopened: u32,
    open_since: NaiveDateTime,
    pauses: Vec<(NaiveDateTime, Option<NaiveDateTime>)>,
    told: Vec<Told>,
    /// What need not wait for the week's list: the occurrence, and how often it had been told.
    released: Option<(String, usize)>,
}

impl<'a> Life<'a> {
    fn new(agencies: &'a Agencies, begin: NaiveDateTime) -> Life<'a> {
        Life {
            agencies,
            begin,
            row: Row::default(),
            lead: None,
            transfers: 0,
            reopened: 0,
            open_since: begin,
            pauses: Vec::new(),
            told: Vec::new(),
            released: None,
        }
    }

    fn play(mut self, changes: &[&Change], turns: &[NaiveDateTime], lines: &mut BTreeSet<Line>) {
        let mut changes = changes.iter().peekable();
        let mut known = false;
        for now in turns {
            let mut changed = false;
            let before = (self.row.is_open(), self.row.status());
            while let Some(change) = changes.next_if(|c| local(c.at) <= *now) {
                self.row.apply(change);
                changed = true;
            }
            if changed {
                self.notice(known.then_some(before));
                known = true;
            }
            if known && (changed || self.row.is_open() || is_open(*now)) {
                self.release(*now);
                self.tell(*now, lines);
            }
        }
    }

    /// What a turn's look at a changed row adds to what is remembered.
    fn notice(&mut self, before: Option<(bool, &str)>) {
        let changed_at = self.row.time("updated_at").expect("every change is dated");
        let lead = self.row.text("agency").and_then(|word| self.agencies.find(word));
        let Some((was_open, was)) = before else {
            self.lead = lead;
            self.reopened = u32::from(self.row.text("reopen_count") == Some("1"));
            self.open_since = self.row.received();
            self.pauses
                .extend(self.row.time("waiting_since").map(|since| (since, None)));
            return;
        };
        if !was_open && self.row.is_open() {
            self.reopened += 1;
            self.open_since = changed_at;
        }
        match (was, self.row.status()) {
            ("waiting", "waiting") => {}
            (_, "waiting") => self
                .pauses
                .push((self.row.time("waiting_since").unwrap_or(changed_at), None)),
            ("waiting", _) => self.pauses.last_mut().expect("it waited").1 = Some(changed_at),
            _ => {}
        }
        if lead != self.lead {
            // From nobody to somebody is no transfer.
            self.transfers += u32::from(self.lead.is_some());
            self.lead = lead;
        }
    }

    /// The deadline: extended, else the source's, else by policy. Nothing while the clock stands.
    fn deadline(&self) -> Option<Deadline> {
        let row = &self.row;
        if let Some(at) = row.time("extended_to").or(row.time("due_at")) {
            // Midnight is the end of the day before.
            let day = (at - TimeDelta::seconds(1)).date();
            return Some(Deadline { day, over: at });
        }
        let received = row.received().date();
        let pausing = &self.pauses[..];
        let area = row.text("area").unwrap_or("");
        let (days, pauses) = if row.is_about_id_cards() {
            let days = match area {
                "866" | "867" | "868" => 7,
                "869" | "870" => 20,
                _ => 15,
            };
            (days, &[][..])
        } else if let Some(assigned) = row.time("assigned_at").filter(|_| row.text("priority") == Some("khẩn")) {
            let over = add_office_hours(assigned, TimeDelta::hours(4));
            return Some(Deadline { day: over.date(), over });
        } else if row.has_tag("procedure_late") || row.has_tag("conduct") {
            (5, pausing)
        } else if row.text("priority") == Some("phức tạp") {
            (10, pausing)
        } else if row.text("kind") == Some("hỏi đáp") {
            (1, &[][..])
        } else {
            (5, pausing)
        };
        let mut day = received;
        for _ in 0..days {
            day = working_day(day, 1);
            // A day at whose close the ticket waited does not count.
            while let Some((_, end)) = pauses.iter().find(|(from, to)| {
                let close = day.and_time(clock(17, 0));
                *from <= close && to.is_none_or(|to| close < to)
            }) {
                (*end)?;
                day = working_day(day, 1);
            }
        }
        Some(Deadline {
            day,
            over: (day + TimeDelta::days(1)).and_time(NaiveTime::MIN),
        })
    }

    /// Every occurrence also holds the lead agency and the reopenings.
    fn occurrence(&self, what: impl std::fmt::Display) -> String {
        format!("{what} {:?} {}", self.lead, self.reopened)
    }

    fn address(&self, unit: &str, desk: &str) -> String {
        let place = (unit.to_owned(), desk.to_owned());
        self.agencies
            .desks
            .get(&place)
            .unwrap_or_else(|| panic!("{place:?}"))
            .clone()
    }

    /// Sensitive tickets go to heads only, not to helpers or ops, and where they complain of conduct to the unit
    /// complained about.
    fn addresses(&self, to: &[(Whom, &'static str)]) -> BTreeSet<String> {
        let row = &self.row;
        let sensitive = row.is_sensitive();
        let subject = row.text("subject_agency").filter(|_| row.has_tag("conduct"));
        let mut found = BTreeSet::new();
        for (whom, desk) in to {
            let units: Vec<String> = match whom {
                Whom::Agency => {
                    let subject = subject.and_then(|word| self.agencies.find(word));
                    subject.or(self.lead.clone()).into_iter().collect()
                }
                Whom::Helpers if sensitive => Vec::new(),
                Whom::Helpers => {
                    let words = row.text("co_agencies").unwrap_or("").split(',');
                    words.filter_map(|word| self.agencies.find(word)).collect()
                }
                Whom::Unit("ops") if sensitive => Vec::new(),
                Whom::Unit(id) => vec![(*id).to_owned()],
            };
            let desk = if sensitive { "head" } else { desk };
            found.extend(units.iter().map(|unit| self.address(unit, desk)));
        }
        found
    }

    /// Who was told of a ticket is told of its ending, as it is by then; the explanation of a bad rating does not end with
    /// the ticket.
    fn ending(&mut self, now: NaiveDateTime, lines: &mut BTreeSet<Line>) {
        if self.told.iter().all(|t| t.settled) {
            return;
        }
        let deadline = self.deadline();
        let status = self.row.status();
        let mut ended: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
        for told in self.told.iter_mut().filter(|t| !t.settled && t.rule != "unsatisfied") {
            let about_agency = told.rule != "unassigned" && told.rule != "@competence" && told.lead.is_some();
            let was_put_off = |day| deadline.is_some_and(|d| d.day > day);
            let word = match status {
                // Công an tỉnh has a card on its list whoever takes it over.
                "open" | "waiting" if told.rule == "cccd" && self.row.is_about_id_cards() => continue,
                "open" | "waiting" if about_agency && told.lead != self.lead => "transferred",
                "open" | "waiting" if told.deadline.is_some_and(was_put_off) => "extended",
                "open" | "waiting" => continue,
                ending => ending,
            };
            told.settled = true;
            ended.entry(word).or_default().extend(told.to.iter().cloned());
        }
        for (word, to) in ended {
            self.write(now, "@settled", word, &to, lines);
        }
    }

    /// What goes out at a turn: digests at eight on working days; single mails whenever the office is open.
    fn tell(&mut self, now: NaiveDateTime, lines: &mut BTreeSet<Line>) {
        if !is_open(now) {
            return;
        }
        let sensitive = self.row.is_sensitive();
        let digest = now.time() == clock(8, 0);
        let common = sensitive || digest;
        if common {
            self.ending(now, lines);
            self.bad_rating(now, lines);
        }
        if !self.row.is_open() {
            return;
        }
        self.announcement(now, lines);
        if !common {
            return;
        }
        if self.row.is_about_id_cards() {
            self.id_card(now, lines);
        }
        // What is a card by its title only is its agency's as before.
        if !self.row.is_card_by_source() {
            self.due_soon(now, lines);
            self.overdue(now, lines);
            self.carried_over(now, lines);
            self.stale(now, lines);
        }
        self.aged(now, lines);
        self.unassigned(now, lines);
        self.competence(now, lines);
    }

    fn write(&self, now: NaiveDateTime, rule: &str, step: &str, to: &BTreeSet<String>, lines: &mut BTreeSet<Line>) {
        lines.extend(to.iter().map(|to| Line {
            at: now,
            to: to.clone(),
            ticket: self.row.text("code").unwrap_or("").to_owned(),
            rule: rule.to_owned(),
            step: step.to_owned(),
        }));
    }

    /// Tells the next step of a ladder, if it may be told by now.
    fn climb(
        &mut self,
        now: NaiveDateTime,
        rule: &'static str,
        occurrence: String,
        deadline: Option<NaiveDate>,
        steps: &[Step],
        lines: &mut BTreeSet<Line>,
    ) {
        let mine = |t: &&Told| t.rule == rule && t.occurrence == occurrence;
        let last = self.told.iter().rfind(mine);
        let next = last.map_or(0, |t| 1 + steps.iter().position(|s| s.name == t.step).expect("a step"));
        let Some(step) = steps.get(next).filter(|s| s.due <= now) else {
            return;
        };
        let waits_outside = self.row.text("waiting_on").is_some() && rule != "aged";
        let capped = self.row.has_unmapped_status() || (waits_outside && next > 0);
        let too_soon = last.is_some_and(|t| now < opening(working_day(t.on, 2)));
        if step.above && (capped || too_soon) {
            return;
        }
        self.say(now, rule, step.name, occurrence, deadline, &step.to, lines);
    }

    #[expect(clippy::too_many_arguments, reason = "a telling is all of this")]
    fn say(
        &mut self,
        now: NaiveDateTime,
        rule: &'static str,
        step: &'static str,
        occurrence: String,
        deadline: Option<NaiveDate>,
        to: &[(Whom, &'static str)],
        lines: &mut BTreeSet<Line>,
    ) {
        // The first named is the one who has to act; without him nobody is told.
        let act = self.addresses(&to[..1]);
        let to = if rule == "unassigned" || !act.is_empty() {
            self.addresses(to)
        } else {
            return;
        };
        self.write(now, rule, step, &to, lines);
        self.told.push(Told {
            rule,
            step,
            occurrence,
            lead: self.lead.clone(),
            deadline,
            on: now.date(),
            at: now,
            to,
            settled: false,
        });
    }

    fn has_told(&self, rule: &str, occurrence: &str) -> bool {
        self.told.iter().any(|t| t.rule == rule && t.occurrence == occurrence)
    }

    // ---- the shipped rules

    /// `others.toml`, urgent: announced to the contact as it comes in, one mail each.
    fn announcement(&mut self, now: NaiveDateTime, lines: &mut BTreeSet<Line>) {
        let received = self.row.received();
        if self.row.text("priority") != Some("khẩn") || received < self.begin {
            return;
        }
        let step = Step {
            name: "announce",
            due: received,
            to: vec![(Whom::Agency, "contact")],
            above: false,
        };
        self.climb(now, "urgent", self.occurrence(received), None, &[step], lines);
    }

    /// `overdue.toml`, due-soon: on the working day before, to the contact; not once the deadline is over. What is urgent
    /// was announced.
    fn due_soon(&mut self, now: NaiveDateTime, lines: &mut BTreeSet<Line>) {
        if self.row.text("priority") == Some("khẩn") {
            return;
        }
        let Some(deadline) = self.deadline().filter(|d| now < d.over) else {
            return;
        };
        let step = Step {
            name: "T-1",
            due: opening(working_day(deadline.day, -1)),
            to: vec![(Whom::Agency, "contact")],
            above: false,
        };
        let occurrence = self.occurrence(deadline.day);
        self.climb(now, "due-soon", occurrence, Some(deadline.day), &[step], lines);
    }

    /// `overdue.toml`, overdue: contact +1, head +3, head +5 with the Office looking on, Office +10.
    fn overdue(&mut self, now: NaiveDateTime, lines: &mut BTreeSet<Line>) {
        let Some(deadline) = self.deadline().filter(|d| d.over <= now) else {
            return;
        };
        let (contact, head) = ((Whom::Agency, "contact"), (Whom::Agency, "head"));
        let steps = [
            ("L1", 1, vec![contact, (Whom::Helpers, "contact")]),
            ("L2", 3, vec![head, contact]),
            ("L3", 5, vec![head, (OFFICE, "contact")]),
            ("L4", 10, vec![(OFFICE, "contact"), head]),
        ]
        .map(|(name, after, to)| Step {
            name,
            due: opening(working_day(deadline.day, after)),
            to,
            above: name != "L1",
        });
        let occurrence = self.occurrence(deadline.day);
        self.climb(now, "overdue", occurrence, Some(deadline.day), &steps, lines);
    }

    /// `others.toml`, carried-over: open when the month began and ever since; to the contact, from its first day on.
    fn carried_over(&mut self, now: NaiveDateTime, lines: &mut BTreeSet<Line>) {
        let first = now.date().with_day(1).expect("every month has one");
        let start = first.and_time(NaiveTime::MIN);
        if self.row.received() >= start || self.open_since >= start {
            return;
        }
        let step = Step {
            name: "list",
            due: start,
            to: vec![(Whom::Agency, "contact")],
            above: false,
        };
        self.climb(now, "carried-over", self.occurrence(first), None, &[step], lines);
    }

    /// `others.toml`, stale: nothing written for ten working days; to the contact. Not what is late or due by tomorrow.
    fn stale(&mut self, now: NaiveDateTime, lines: &mut BTreeSet<Line>) {
        let is_chased = |d: Deadline| d.over <= now || d.day <= working_day(now.date(), 1);
        if self.deadline().is_some_and(is_chased) {
            return;
        }
        let updated = self.row.time("updated_at").expect("every change is dated");
        let step = Step {
            name: "nudge",
            due: opening(working_day(updated.date(), 10)),
            to: vec![(Whom::Agency, "contact")],
            above: false,
        };
        self.climb(now, "stale", self.occurrence(updated), None, &[step], lines);
    }

    /// `others.toml`, aged: thirty working days after receipt it reaches the Office, and the head in copy.
    fn aged(&mut self, now: NaiveDateTime, lines: &mut BTreeSet<Line>) {
        let received = self.row.received();
        let step = Step {
            name: "office",
            due: opening(working_day(received.date(), 30)),
            to: vec![(OFFICE, "contact"), (Whom::Agency, "head")],
            above: true,
        };
        self.climb(now, "aged", self.occurrence(received), None, &[step], lines);
    }

    /// `others.toml`, unsatisfied: the working day after the rating, to the contact, unless excluded by then.
    fn bad_rating(&mut self, now: NaiveDateTime, lines: &mut BTreeSet<Line>) {
        let bad = matches!(self.row.text("rating"), Some("chưa hài lòng" | "chưa hữu ích"));
        let excluded = self.row.text("rating_excluded") == Some("1");
        let gone = matches!(self.row.status(), "void" | "rejected");
        let Some(rated) = self
            .row
            .time("rated_at")
            .filter(|at| bad && !excluded && !gone && *at >= self.begin)
        else {
            return;
        };
        let step = Step {
            name: "explain",
            due: opening(working_day(rated.date(), 1)),
            to: vec![(Whom::Agency, "contact")],
            above: false,
        };
        self.climb(now, "unsatisfied", self.occurrence(rated), None, &[step], lines);
    }

    /// `others.toml`, unassigned: the working day after receipt, then every third, five times; to ops and the Office.
    fn unassigned(&mut self, now: NaiveDateTime, lines: &mut BTreeSet<Line>) {
        if self.lead.is_some() || self.row.has_unmapped_status() {
            return;
        }
        let occurrence = self.occurrence(self.row.text("agency").unwrap_or(""));
        let due = opening(working_day(self.row.received().date(), 1));
        if self.again(now, "unassigned", &occurrence, due, (3, 5)) {
            let to = [(OPS, "contact"), (OFFICE, "contact")];
            self.say(now, "unassigned", "assign", occurrence, None, &to, lines);
        }
    }

    /// `cccd.toml`: every card ticket from its first working day on, to Công an tỉnh alone, on the list of each week's first
    /// working day, and on the day what has just come in or becomes late.
    fn id_card(&mut self, now: NaiveDateTime, lines: &mut BTreeSet<Line>) {
        // What its status means nobody knows; so none but its own agency hears of it.
        if self.row.has_unmapped_status() && self.lead.as_deref() != Some("CAT") {
            return;
        }
        let (occurrence, told) = self.card();
        let on_the_day = self.row.is_sensitive() || self.released == Some((occurrence.clone(), told));
        if (on_the_day || is_first_working_day_of_week(now.date())) && self.card_is_due(now) {
            let to = [(Whom::Unit("CAT"), "contact")];
            self.say(now, "cccd", "list", occurrence, None, &to, lines);
        }
    }

    fn card(&self) -> (String, usize) {
        let occurrence = self.occurrence(self.row.received());
        let told = self
            .told
            .iter()
            .filter(|t| t.rule == "cccd" && t.occurrence == occurrence);
        let told = told.count();
        (occurrence, told)
    }

    fn card_is_due(&self, now: NaiveDateTime) -> bool {
        let occurrence = self.card().0;
        let told: Vec<&Told> = self
            .told
            .iter()
            .filter(|t| t.rule == "cccd" && t.occurrence == occurrence)
            .collect();
        let due = match told.last() {
            None => opening(working_day(self.row.received().date(), 1)),
            Some(last) => {
                let monday = last.on + TimeDelta::days(7 - i64::from(last.on.weekday().num_days_from_monday()));
                let list = opening(working_day(monday - TimeDelta::days(1), 1));
                let late = self.deadline().map(|d| d.over).filter(|over| last.at < *over);
                late.map_or(list, |late| late.min(list))
            }
        };
        due <= now && told.len() <= 50
    }

    /// What is due and has just come in, or becomes late while it waits, goes out with the next digest.
    fn release(&mut self, now: NaiveDateTime) {
        if !self.row.is_open() || !self.row.is_about_id_cards() || !self.card_is_due(now) {
            return;
        }
        let just_in = self.row.received().date() >= working_day(now.date(), -1);
        if just_in || self.deadline().is_some_and(|d| d.over <= now) {
            self.released = Some(self.card());
        }
    }

    /// Whether a step that repeats is due: first by its day, then so many working days after it was last told.
    fn again(
        &self,
        now: NaiveDateTime,
        rule: &str,
        occurrence: &str,
        due: NaiveDateTime,
        repeat: (i64, usize),
    ) -> bool {
        let (every, times) = repeat;
        let told: Vec<&Told> = self
            .told
            .iter()
            .filter(|t| t.rule == rule && t.occurrence == occurrence)
            .collect();
        let due = told.last().map_or(due, |t| opening(working_day(t.on, every)));
        due <= now && told.len() <= times
    }

    /// Built in: two transfers or more go to the Office, which decides whose it is.
    fn competence(&mut self, now: NaiveDateTime, lines: &mut BTreeSet<Line>) {
        let occurrence = self.occurrence(self.transfers);
        if self.transfers >= 2 && !self.row.is_sensitive() && !self.has_told("@competence", &occurrence) {
            self.say(
                now,
                "@competence",
                "office",
                occurrence,
                None,
                &[(OFFICE, "contact")],
                lines,
            );
        }
    }
}
