//! The layers that the `config` crate merges: a TOML file and the environment. Every value carries where it stands.
//!
//! `config` lets a value carry one text as its origin and forgets that of tables when it merges them. So the origin
//! holds both places of an entry (its key and its value), and every table has an entry [`AT`] that remembers its place.

use config::{ConfigError, Map, Source, Value, ValueKind};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Place, Problem, Severity};

/// Variables that start with this are layered over `dondoc.toml`: `DONDOC__SMTP__HOST` is `host` in `[smtp]`.
pub(super) const PREFIX: &str = "DONDOC__";

/// The entry in which a table remembers its place. No TOML key that ops write looks like it.
pub(super) const AT: &str = "\u{0}at";

/// Values that were read before and only wait to be merged.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer {
    values: Map<String, Value>,
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.values.clone())
    }
}

impl Layer {
    /// Reads a TOML text. All its syntax errors are returned, each with its place.
    pub(super) fn toml(file: &str, text: &str) -> Result<Layer, Vec<Problem>> {
        let lines = Lines::new(file, text);
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut faults: Vec<Problem> = errors
            .iter()
            .map(|e| {
                lines
                    .place(e.span().map_or(0, |s| s.start))
                    .problem(Severity::Error, sentence(e.message()), None)
            })
            .collect();
        let table = table.into_inner();
        // `config` reads dots and brackets in the outermost keys as a path, which nobody means who quotes them.
        for key in table.keys().filter(|key| !is_bare(key.get_ref())) {
            let message = format!("`{}` is not a known key", key.get_ref());
            faults.push(lines.place(key.span().start).problem(Severity::Error, message, None));
        }
        let values = lines.table(table, 0, &mut faults);
        if faults.is_empty() {
            Ok(Layer { values })
        } else {
            Err(faults)
        }
    }

    /// Variables with our prefix. The parts of a name are separated by two underscores; case does not matter.
    pub(super) fn environment(variables: impl Iterator<Item = (String, String)>) -> Layer {
        let mut layer = Layer::default();
        for (name, text) in variables {
            if let Some(path) = name.strip_prefix(PREFIX) {
                let path: Vec<String> = path.split("__").map(str::to_lowercase).collect();
                insert(&mut layer.values, &path, &name, text);
            }
        }
        layer
    }
}

fn insert(table: &mut Map<String, Value>, path: &[String], name: &str, text: String) {
    let origin = variable_origin(name);
    match path {
        [] => {}
        [key] => {
            table.insert(key.clone(), Value::new(Some(&origin), text));
        }
        [key, rest @ ..] => {
            let inner = table
                .entry(key.clone())
                .or_insert_with(|| Value::new(Some(&origin), Map::<String, Value>::new()));
            if !matches!(inner.kind, ValueKind::Table(_)) {
                *inner = Value::new(Some(&origin), Map::<String, Value>::new());
            }
            if let ValueKind::Table(inner) = &mut inner.kind {
                insert(inner, rest, name, text);
            }
        }
    }
}

fn is_bare(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

/// The parser's messages over several lines as one.
fn sentence(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first bytes of each line, so that an offset becomes a place by one search.
struct Lines<'a> {
    file: &'a str,
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(file: &'a str, text: &'a str) -> Self {
        let starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Lines { file, text, starts }
    }

    /// Line and column of a byte, both from 1; columns count characters.
    fn line_and_column(&self, byte: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= byte);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.text.get(start..byte).map_or(0, |before| before.chars().count());
        (line, column + 1)
    }

    fn place(&self, byte: usize) -> Place {
        let (line, column) = self.line_and_column(byte);
        Place::Text {
            file: self.file.to_owned(),
            line,
            column,
        }
    }

    fn origin(&self, key: usize, value: usize) -> String {
        let ((kl, kc), (vl, vc)) = (self.line_and_column(key), self.line_and_column(value));
        format!("{}\n{kl}\n{kc}\n{vl}\n{vc}", self.file)
    }

    fn table(&self, table: DeTable<'_>, at: usize, faults: &mut Vec<Problem>) -> Map<String, Value> {
        let mut values = Map::new();
        if at > 0 {
            values.insert(AT.to_owned(), Value::new(Some(&self.origin(at, at)), ValueKind::Nil));
        }
        for (key, value) in table {
            let at = key.span().start;
            let value = self.value(at, value, faults);
            values.insert(key.into_inner().into_owned(), value);
        }
        values
    }

    fn value(&self, key: usize, value: Spanned<DeValue<'_>>, faults: &mut Vec<Problem>) -> Value {
        let start = value.span().start;
        let origin = self.origin(key, start);
        let mut fault = |message: String| {
            faults.push(self.place(start).problem(Severity::Error, message, None));
            ValueKind::Nil
        };
        let kind = match value.into_inner() {
            DeValue::String(text) => ValueKind::String(text.into_owned()),
            // Dates are read from text; whether ops quoted them does not matter.
            DeValue::Datetime(date) => ValueKind::String(date.to_string()),
            DeValue::Boolean(flag) => ValueKind::Boolean(flag),
            DeValue::Integer(n) => i64::from_str_radix(&n.as_str().replace('_', ""), n.radix()).map_or_else(
                |_| fault(format!("`{}` is too large a number", n.as_str())),
                ValueKind::I64,
            ),
            DeValue::Float(x) => x
                .as_str()
                .replace('_', "")
                .parse()
                .map_or_else(|_| fault(format!("`{}` is not a number", x.as_str())), ValueKind::Float),
            DeValue::Array(items) => ValueKind::Array(
                items
                    .into_iter()
                    .map(|item| {
                        let start = item.span().start;
                        self.value(start, item, faults)
                    })
                    .collect(),
            ),
            DeValue::Table(table) => ValueKind::Table(self.table(table, start, faults)),
        };
        Value::new(Some(&origin), kind)
    }
}

fn variable_origin(name: &str) -> String {
    format!("${name}")
}

/// The places of key and value that an origin holds.
pub(super) fn places(origin: &str) -> Option<(Place, Place)> {
    if let Some(name) = origin.strip_prefix('$') {
        let place = Place::Variable(name.to_owned());
        return Some((place.clone(), place));
    }
    let mut parts = origin.split('\n');
    let file = parts.next()?;
    let mut place = || {
        let mut number = || parts.next()?.parse().ok();
        Some(Place::Text {
            file: file.to_owned(),
            line: number()?,
            column: number()?,
        })
    };
    Some((place()?, place()?))
}
