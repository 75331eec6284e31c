//! Reading merged values: strictly typed, each fault noted at its place, and always to the end, so that everything
//! that is wrong is known after one pass.

use std::cell::RefCell;

use chrono::{NaiveDate, NaiveTime, TimeDelta};
use chrono_tz::Tz;
use config::{Map, Value, ValueKind};

use super::layer::{self, AT};
use super::problem::{Place, Problem, Severity, did_you_mean, resembling, sort};
use super::shape::{self, Drawing, Like, Shape, Spot, Written};
use crate::domain::directory::Role;
use crate::domain::text::nfc;
use crate::domain::time::Span;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    problems: RefCell<Vec<Problem>>,
    /// What is asked for, where that is to be known.
    drawing: Option<Drawing>,
}

impl Findings {
    /// Those of a file by which its form is drawn.
    pub(super) fn drawing() -> Self {
        Findings {
            drawing: Some(Drawing::default()),
            ..Findings::default()
        }
    }

    /// What was drawn, if anything was to be.
    pub(super) fn drawn(self) -> Option<Drawing> {
        self.drawing
    }

    pub(super) fn add(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    pub(super) fn error(&self, place: &Place, message: impl Into<String>, hint: Option<String>) {
        self.add(place.problem(Severity::Error, message.into(), hint));
    }

    /// All of them by file, line and column; what was noted twice stands once.
    pub(super) fn sorted(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        sort(&mut problems);
        problems
    }
}

/// A value, the file it is from, and the list that its faults go to.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    value: &'a Value,
    file: &'a str,
    findings: &'a Findings,
    /// The spot that is drawn by it; `None` where nothing is drawn.
    spot: Option<(&'a Drawing, Spot)>,
}

impl<'a> Node<'a> {
    pub(super) fn new(value: &'a Value, file: &'a str, findings: &'a Findings) -> Self {
        let spot = findings.drawing.as_ref().map(|drawing| (drawing, drawing.spot()));
        Node {
            value,
            file,
            findings,
            spot,
        }
    }

    /// A value below this one that is not drawn.
    fn with(self, value: &'a Value) -> Self {
        Node {
            value,
            spot: None,
            ..self
        }
    }

    /// A value below this one, drawn at a spot below this one's.
    fn below(self, value: &'a Value, spot: impl FnOnce(&Drawing, Spot) -> Spot) -> Self {
        let spot = self.spot.map(|(drawing, own)| (drawing, spot(drawing, own)));
        Node { value, spot, ..self }
    }

    /// Reads the value as one of a type.
    pub(super) fn read<T: Read>(self) -> Option<T> {
        self.draw(T::shape);
        T::read(Node { spot: None, ..self })
    }

    /// Reads a text that has to be of a certain writing, which the caller holds it against.
    pub(super) fn read_like(self, like: Like) -> Option<String> {
        self.draw(|| Shape::Like(like));
        String::read(Node { spot: None, ..self })
    }

    fn draw(self, shape: impl FnOnce() -> Shape) {
        if let Some((drawing, spot)) = self.spot {
            drawing.add(spot, shape());
        }
    }

    /// The same value; its form is drawn once under a name.
    pub(super) fn drawn_as(self, name: &'static str) -> Self {
        let spot = self.spot.map(|(drawing, spot)| (drawing, drawing.as_named(spot, name)));
        Node { spot, ..self }
    }

    /// Whether the value is of a form that decides how it is read.
    fn fork(self, question: &'static str, answer: bool) -> bool {
        if let Some((drawing, spot)) = self.spot {
            drawing.fork(spot, question, answer);
        }
        answer
    }

    /// The entry of a table with a known key.
    fn with_key(self, value: &'a Value, key: &'static str) -> Self {
        let node = self.below(value, |drawing, table| drawing.key(table, key));
        if let Some((drawing, table)) = self.spot {
            drawing.stands(table, key, node.places().0.line(), plain(value));
        }
        node
    }

    fn places(self) -> (Place, Place) {
        let own = self.value.origin();
        let origin = match &self.value.kind {
            ValueKind::Table(entries) => entries.get(AT).and_then(Value::origin).or(own),
            _ => own,
        };
        origin
            .and_then(layer::places)
            .unwrap_or_else(|| (Place::File(self.file.into()), Place::File(self.file.into())))
    }

    /// Where the value stands.
    pub(super) fn place(self) -> Place {
        self.places().1
    }

    pub(super) fn error(self, message: impl Into<String>) {
        self.findings.error(&self.place(), message, None);
    }

    pub(super) fn error_hint(self, message: impl Into<String>, hint: impl Into<Option<String>>) {
        self.findings.error(&self.place(), message, hint.into());
    }

    /// A fault of the entry's name, not of its value.
    pub(super) fn error_in_key(self, message: impl Into<String>, hint: Option<String>) {
        self.findings.error(&self.places().0, message, hint);
    }

    pub(super) fn warn(self, message: impl Into<String>, hint: impl Into<Option<String>>) {
        self.findings
            .add(self.place().problem(Severity::Warning, message.into(), hint.into()));
    }

    fn expected(self, what: &str) {
        let found = match &self.value.kind {
            ValueKind::String(text) => format!("the text \"{text}\""),
            ValueKind::Boolean(flag) => format!("`{flag}`"),
            ValueKind::Float(x) => format!("the number {x}"),
            ValueKind::Table(_) => "a table".to_owned(),
            ValueKind::Array(_) => "a list".to_owned(),
            ValueKind::Nil => "nothing".to_owned(),
            _ => format!("the number {}", self.value),
        };
        self.error(format!("expected {what}, found {found}"));
    }

    /// The text, where the value is one; no fault otherwise.
    pub(super) fn as_text(self) -> Option<&'a str> {
        match &self.value.kind {
            ValueKind::String(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a variable: the only place where a text may stand for a value of another type.
    pub(super) fn variable_text(self) -> Option<&'a str> {
        self.as_text()
            .filter(|_| self.value.origin().is_some_and(|origin| origin.starts_with('$')))
    }

    /// Whether it is that text, which has a meaning of its own here.
    pub(super) fn is_word(self, word: &str) -> bool {
        self.draw(|| Shape::Words(vec![word.to_owned()]));
        self.as_text().is_some_and(|text| nfc(text) == word)
    }

    /// Whether it is a text, where it may be something else too.
    pub(super) fn is_text(self) -> bool {
        self.fork("is a text", self.as_text().is_some())
    }

    /// Whether it is a table, where it may be something else too.
    pub(super) fn is_table(self) -> bool {
        self.fork("is a table", matches!(self.value.kind, ValueKind::Table(_)))
    }

    pub(super) fn is_list(self) -> bool {
        matches!(self.value.kind, ValueKind::Array(_))
    }

    /// Whether it is a list without items, where it has to have some.
    pub(super) fn lacks_items(self) -> bool {
        if let Some((drawing, spot)) = self.spot {
            drawing.needs_items(spot);
        }
        matches!(&self.value.kind, ValueKind::Array(items) if items.is_empty())
    }

    /// Whether the value is a table with such an entry.
    pub(super) fn has(self, key: &str) -> bool {
        matches!(&self.value.kind, ValueKind::Table(entries) if entries.contains_key(key))
    }

    /// The items of a list; a single fault where it is none.
    pub(super) fn items(self) -> Vec<Node<'a>> {
        if let ValueKind::Array(items) = &self.value.kind {
            return items.iter().map(|item| self.below(item, Drawing::item)).collect();
        }
        self.expected("a list");
        Vec::new()
    }

    /// The items of a list, or the one value that stands in its stead.
    pub(super) fn one_or_more(self) -> Vec<Node<'a>> {
        if let ValueKind::Array(items) = &self.value.kind {
            return items
                .iter()
                .map(|item| self.below(item, Drawing::one_or_more))
                .collect();
        }
        vec![self.below(self.value, Drawing::one_or_more)]
    }

    /// The entries of a table by name, which is the user's; a single fault where it is none.
    pub(super) fn entries(self) -> Vec<(&'a str, Node<'a>)> {
        self.entries_named(None)
    }

    /// As [`Node::entries`], of names of a certain writing, which the caller holds them against.
    pub(super) fn entries_like(self, names: Like) -> Vec<(&'a str, Node<'a>)> {
        self.entries_named(Some(names))
    }

    fn entries_named(self, names: Option<Like>) -> Vec<(&'a str, Node<'a>)> {
        let Some(entries) = self.map() else { return Vec::new() };
        let mut found: Vec<_> = entries
            .iter()
            .filter(|(key, _)| *key != AT)
            .map(|(key, value)| {
                (
                    key.as_str(),
                    self.below(value, |drawing, own| drawing.entry(own, names)),
                )
            })
            .collect();
        found.sort_by_key(|(key, _)| *key);
        found
    }

    /// What stands in a table by name, or in a list by the entry's `id` or number; nothing where it is neither.
    pub(super) fn parts(self) -> Vec<(String, Node<'a>)> {
        match &self.value.kind {
            ValueKind::Table(_) => self
                .entries()
                .into_iter()
                .map(|(key, node)| (key.to_owned(), node))
                .collect(),
            ValueKind::Array(items) => {
                let named = |(number, item): (usize, &'a Value)| {
                    let id = match &item.kind {
                        ValueKind::Table(entries) => entries.get("id").and_then(|id| self.with(id).as_text()),
                        _ => None,
                    };
                    (id.map_or_else(|| number.to_string(), str::to_owned), self.with(item))
                };
                items.iter().enumerate().map(named).collect()
            }
            _ => Vec::new(),
        }
    }

    fn map(self) -> Option<&'a Map<String, Value>> {
        if let ValueKind::Table(entries) = &self.value.kind {
            return Some(entries);
        }
        self.expected("a table");
        None
    }

    /// Reads a table; entries that `read` did not ask for are faults.
    pub(super) fn table<T>(self, read: impl FnOnce(&mut Section<'a>) -> T) -> Option<T> {
        let mut section = Section {
            node: self,
            entries: self.map()?,
            known: Vec::new(),
            needed: Vec::new(),
        };
        if let Some((drawing, spot)) = self.spot {
            drawing.visit(spot);
        }
        let result = read(&mut section);
        section.close();
        Some(result)
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(self, words: &[(&str, T)]) -> Option<T> {
        self.draw(|| Shape::Words(words.iter().map(|(word, _)| (*word).to_owned()).collect()));
        let text = String::read(Node { spot: None, ..self })?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            self.not_one_of(&text, words.iter().map(|(word, _)| *word));
        }
        found
    }

    fn not_one_of<'w>(self, text: &str, words: impl Iterator<Item = &'w str> + Clone) {
        let list = words
            .clone()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", ");
        self.error_hint(format!("`{text}` is not one of {list}"), did_you_mean(text, words));
    }
}

/// A table that is being read. It remembers what was asked for.
pub(super) struct Section<'a> {
    pub(super) node: Node<'a>,
    entries: &'a Map<String, Value>,
    known: Vec<&'static str>,
    /// Keys without which it is not sound; kept only while it is drawn.
    needed: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The entry's value, where there is one.
    pub(super) fn get(&mut self, key: &'static str) -> Option<Node<'a>> {
        self.known.push(key);
        let found = self.entries.get(key).map(|value| self.node.with_key(value, key));
        if let (None, Some((drawing, table))) = (&found, self.node.spot) {
            drawing.key(table, key);
        }
        found
    }

    /// As [`Section::get`], of what only a variable gives: it stands in no file.
    pub(super) fn variable(&mut self, key: &'static str) -> Option<Node<'a>> {
        self.known.push(key);
        self.entries.get(key).map(|value| self.node.with(value))
    }

    pub(super) fn optional<T: Read>(&mut self, key: &'static str) -> Option<T> {
        self.draws(key, T::shape);
        self.get(key).and_then(Node::read)
    }

    /// As written, or the default where nothing is. A value that is wrong also gives the default: it is a fault anyway.
    pub(super) fn or<T: Read + Written>(&mut self, key: &'static str, default: T) -> T {
        self.defaults_to(key, &default);
        self.optional(key).unwrap_or(default)
    }

    pub(super) fn required<T: Read>(&mut self, key: &'static str) -> Option<T> {
        self.draws(key, T::shape);
        self.needed(key).and_then(Node::read)
    }

    /// As [`Section::get`], of what has to be there.
    pub(super) fn needed(&mut self, key: &'static str) -> Option<Node<'a>> {
        self.needs(key);
        let found = self.get(key);
        if found.is_none() {
            self.node.error(format!("`{key}` is missing"));
        }
        found
    }

    /// One of a few words, or the default.
    pub(super) fn choice_or<T: Copy + PartialEq>(&mut self, key: &'static str, words: &[(&str, T)], default: T) -> T {
        if let Some((word, _)) = words.iter().find(|(_, value)| *value == default) {
            self.defaults_to(key, word);
        }
        self.get(key).and_then(|node| node.choice(words)).unwrap_or(default)
    }

    /// What it means that the entry is absent. For the drawing alone.
    pub(super) fn defaults_to(&mut self, key: &'static str, default: &impl Written) {
        if let Some((drawing, table)) = self.node.spot {
            drawing.key(table, key);
            drawing.defaults_to(table, key, default.written());
        }
    }

    /// That the entry has to be there: the caller says so where it is not. For the drawing alone.
    pub(super) fn needs(&mut self, key: &'static str) {
        if self.node.spot.is_some() && !self.needed.contains(&key) {
            self.needed.push(key);
        }
    }

    fn draws(&mut self, key: &'static str, shape: impl FnOnce() -> Shape) {
        if let Some((drawing, table)) = self.node.spot {
            drawing.add(drawing.key(table, key), shape());
        }
    }

    /// The items of `[[key]]` or of a list; none where the entry is absent.
    pub(super) fn items(&mut self, key: &'static str) -> Vec<Node<'a>> {
        self.get(key).map(Node::items).unwrap_or_default()
    }

    /// Entries that nobody asked for.
    fn unknown(&self) -> Vec<(&'a str, Node<'a>)> {
        let strange = |key: &str| key != AT && !self.known.contains(&key);
        self.entries
            .iter()
            .filter(|(key, _)| strange(key))
            .map(|(key, value)| (key.as_str(), self.node.with(value)))
            .collect()
    }

    /// Takes the entries that were not asked for by name: they are known from now on.
    pub(super) fn rest(&mut self) -> Vec<(&'a str, Node<'a>)> {
        let mut rest = self.unknown();
        rest.sort_by_key(|(key, _)| *key);
        self.entries = &EMPTY;
        rest
    }

    fn close(self) {
        if let Some((drawing, table)) = self.node.spot {
            drawing.needed(table, &self.needed);
        }
        for (key, node) in self.unknown() {
            let hint = did_you_mean(key, self.known.iter().copied());
            for place in unknown_places(node.value).unwrap_or_else(|| vec![node.places().0]) {
                self.node
                    .findings
                    .error(&place, format!("`{key}` is not a known key"), hint.clone());
            }
        }
    }
}

/// The value in JSON, where it is no table and holds none.
fn plain(value: &Value) -> Option<serde_json::Value> {
    Some(match &value.kind {
        ValueKind::String(text) => text.as_str().into(),
        ValueKind::Boolean(flag) => (*flag).into(),
        ValueKind::I64(number) => (*number).into(),
        ValueKind::Float(number) => (*number).into(),
        ValueKind::Array(items) => items.iter().map(plain).collect::<Option<_>>()?,
        _ => return None,
    })
}

static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);

/// The variables that an unknown table is made of; each is named. `None` where it is from a file.
fn unknown_places(value: &Value) -> Option<Vec<Place>> {
    let ValueKind::Table(entries) = &value.kind else {
        return None;
    };
    if entries.contains_key(AT) {
        return None;
    }
    let inner = entries.values().flat_map(|entry| {
        unknown_places(entry).unwrap_or_else(|| {
            entry
                .origin()
                .and_then(layer::places)
                .map(|p| p.0)
                .into_iter()
                .collect()
        })
    });
    Some(inner.collect())
}

/// A type that can be read from one value. A value of the wrong type is noted and gives nothing.
///
/// Readers ask by [`Node::read`] and [`Section`], which draw the shape too.
pub(super) trait Read: Sized {
    /// The form of what is read; it takes all that `read` takes, perhaps more.
    fn shape() -> Shape;

    fn read(node: Node<'_>) -> Option<Self>;
}

impl Read for String {
    fn shape() -> Shape {
        Shape::Text
    }

    fn read(node: Node<'_>) -> Option<Self> {
        let text = node.as_text().map(nfc);
        match &text {
            None => node.expected("a text in quotes"),
            Some(text) if text.trim().is_empty() => {
                node.error("this text is empty");
                return None;
            }
            Some(_) => {}
        }
        text
    }
}

impl Read for bool {
    fn shape() -> Shape {
        Shape::Flag
    }

    fn read(node: Node<'_>) -> Option<Self> {
        let flag = match (&node.value.kind, node.variable_text()) {
            (ValueKind::Boolean(flag), _) => Some(*flag),
            (_, Some("true")) => Some(true),
            (_, Some("false")) => Some(false),
            _ => None,
        };
        if flag.is_none() {
            node.expected("`true` or `false`");
        }
        flag
    }
}

impl Read for i64 {
    fn shape() -> Shape {
        Shape::Whole {
            least: i64::MIN,
            most: i64::MAX,
        }
    }

    fn read(node: Node<'_>) -> Option<Self> {
        let number = match (&node.value.kind, node.variable_text()) {
            (ValueKind::I64(number), _) => Some(*number),
            (_, Some(text)) => text.trim().parse().ok(),
            _ => None,
        };
        if number.is_none() {
            node.expected("a whole number");
        }
        number
    }
}

macro_rules! read_small_number {
    ($($type:ty),*) => {$(
        impl Read for $type {
            fn shape() -> Shape {
                // Wider where the largest is more than a number of a file can be.
                Shape::Whole {
                    least: i64::try_from(<$type>::MIN).unwrap_or(i64::MIN),
                    most: i64::try_from(<$type>::MAX).unwrap_or(i64::MAX),
                }
            }

            fn read(node: Node<'_>) -> Option<Self> {
                let number = i64::read(node)?;
                let small = <$type>::try_from(number).ok();
                if small.is_none() {
                    node.error(format!("{number} is not between {} and {}", <$type>::MIN, <$type>::MAX));
                }
                small
            }
        }
    )*};
}

read_small_number!(u16, u32, i32, usize);

impl Read for f64 {
    fn shape() -> Shape {
        Shape::Number {
            above: f64::MIN,
            most: f64::MAX,
        }
    }

    fn read(node: Node<'_>) -> Option<Self> {
        let number = match (&node.value.kind, node.variable_text()) {
            (ValueKind::Float(number), _) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "settings are small numbers")]
            (ValueKind::I64(number), _) => Some(*number as f64),
            (_, Some(text)) => text.trim().parse().ok(),
            _ => None,
        };
        if number.is_none() {
            node.expected("a number");
        }
        number
    }
}

impl<T: Read> Read for Vec<T> {
    fn shape() -> Shape {
        Shape::List(Box::new(T::shape()))
    }

    /// What cannot be read is left out, and noted. A variable holds its items between commas.
    fn read(node: Node<'_>) -> Option<Self> {
        if let Some(text) = node.variable_text() {
            let items = text
                .split(',')
                .map(|item| Value::new(node.value.origin().map(str::to_owned).as_ref(), item.trim()));
            return Some(
                items
                    .filter_map(|item| T::read(Node { value: &item, ..node }))
                    .collect(),
            );
        }
        if !node.is_list() {
            node.expected("a list");
            return None;
        }
        Some(node.items().into_iter().filter_map(T::read).collect())
    }
}

/// Reads a text that parses by itself; the parser's message is the fault.
fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(node: Node<'_>) -> Option<T> {
    String::read(node)?
        .parse()
        .map_err(|e: T::Err| node.error(e.to_string()))
        .ok()
}

impl Read for Span {
    fn shape() -> Shape {
        Shape::Like(shape::SPAN)
    }

    fn read(node: Node<'_>) -> Option<Self> {
        parsed(node)
    }
}

impl Read for Role {
    fn shape() -> Shape {
        Shape::Like(shape::ROLE)
    }

    fn read(node: Node<'_>) -> Option<Self> {
        parsed(node)
    }
}

impl Read for TimeDelta {
    fn shape() -> Shape {
        Shape::Like(shape::ELAPSED)
    }

    fn read(node: Node<'_>) -> Option<Self> {
        match Span::read(node)? {
            Span::Elapsed(time) if time > TimeDelta::zero() => Some(time),
            other => {
                node.error_hint(
                    format!("`{other}` is not an elapsed time"),
                    "write one such as `30s`, `2m` or `72h`".to_owned(),
                );
                None
            }
        }
    }
}

impl Read for NaiveDate {
    fn shape() -> Shape {
        Shape::Like(shape::DATE)
    }

    fn read(node: Node<'_>) -> Option<Self> {
        let text = String::read(node)?;
        let date = date(&text);
        if date.is_none() {
            node.error_hint(
                format!("`{text}` is not a date"),
                "write it as \"2021-09-28\"".to_owned(),
            );
        }
        date
    }
}

/// An ISO date and nothing else: chrono alone would also take `2021-9-1`.
pub(super) fn date(text: &str) -> Option<NaiveDate> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    (date.to_string() == text && text.len() == 10).then_some(date)
}

/// A clock time with two digits each: `08:00`.
pub(super) fn time(text: &str) -> Option<NaiveTime> {
    let time = NaiveTime::parse_from_str(text, "%H:%M").ok()?;
    (time.format("%H:%M").to_string() == text).then_some(time)
}

impl Read for NaiveTime {
    fn shape() -> Shape {
        Shape::Like(shape::TIME)
    }

    fn read(node: Node<'_>) -> Option<Self> {
        let text = String::read(node)?;
        let time = time(&text);
        if time.is_none() {
            node.error_hint(
                format!("`{text}` is not a time of day"),
                "write it as \"08:00\"".to_owned(),
            );
        }
        time
    }
}

impl Read for Tz {
    fn shape() -> Shape {
        Shape::Like(shape::ZONE)
    }

    fn read(node: Node<'_>) -> Option<Self> {
        let text = String::read(node)?;
        let zone = text.parse().ok();
        if zone.is_none() {
            let hint = resembling(&text, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()), 0.8);
            node.error_hint(format!("`{text}` is not a time zone"), hint);
        }
        zone
    }
}

/// An identity: it stands in keys of the store, so it is plain.
pub(super) struct Id(pub(super) String);

impl Written for Id {
    fn written(&self) -> serde_json::Value {
        self.0.written()
    }
}

impl Read for Id {
    fn shape() -> Shape {
        Shape::Like(shape::ID)
    }

    fn read(node: Node<'_>) -> Option<Self> {
        let text = String::read(node)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if text.chars().all(plain) {
            return Some(Id(text));
        }
        node.error_hint(
            format!("`{text}` cannot be an id"),
            "write letters, digits, `-`, `_` or `.`".to_owned(),
        );
        None
    }
}
