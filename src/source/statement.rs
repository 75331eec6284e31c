//! The reading statements of all databases: their text, what is bound, and what comes back. What differs between the
//! databases is a [`Dialect`]; the columns of the user's query carry the rest in their expressions.

use super::decode::{Value, raw};

/// What a column holds, as far as reading and comparing differ by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any kind of value in any row: SQLite.
    Any,
    Text,
    Whole,
    /// A number with a fraction.
    Fraction,
    /// A date and time without a zone.
    Naive,
    /// A time that the database keeps as an instant.
    Instant,
    Date,
}

impl Kind {
    /// Whether the database itself knows it for a time.
    pub(super) fn is_time(self) -> bool {
        matches!(self, Kind::Naive | Kind::Instant | Kind::Date)
    }
}

/// A column of the user's query, which stands in every statement as the table `q`.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// The column itself, for comparing by its index.
    pub(super) sql: String,
    /// The expression that is read.
    pub(super) read: String,
    /// Its text, compared byte for byte.
    pub(super) key: String,
    pub(super) kind: Kind,
}

/// One column of a statement's result.
#[derive(Debug, Clone)]
pub(super) struct Output {
    pub(super) name: &'static str,
    pub(super) sql: String,
    pub(super) kind: Kind,
}

/// A bound value.
#[derive(Debug, Clone)]
pub(super) enum Bind {
    Integer(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
}

/// Where the databases' SQL differs.
pub(super) trait Dialect: Send + Sync {
    /// The place of the `n`th bound value, from 1.
    fn place(&self, n: usize) -> String;

    /// A value to compare a column of a kind with.
    fn value(&self, kind: Kind, value: &Value, place: String) -> (String, Bind);

    /// A text to compare a column's `key` with.
    fn key(&self, text: &[u8], place: String) -> (String, Bind);

    /// What an expression has of text, up to so many characters. A text that is longer need not be fetched to be cut.
    fn cut(&self, sql: &str, most: usize) -> String;

    /// An expression as the text in which values come.
    fn as_text(&self, sql: &str) -> String;

    /// Whether a column holds a text that has a place in the order of its `key`.
    fn has_text(&self, column: &Column) -> String;

    /// What kind of value stands where [`Dialect::has_text`] does not hold: `blob`, or another word.
    fn kind_of_no_text(&self, column: &Column) -> Output;

    /// Whether a value has a place in the order of its column.
    fn is_placed(&self, column: &Column) -> String;

    /// Whether a value is of a kind that does not compare with another value.
    fn is_incomparable(&self, column: &Column, with: &Value) -> Option<String>;

    /// Whether a column holds one of some texts; `None` where it can hold none of them.
    fn is_one_of(&self, column: &Column, texts: &[String], statement: &mut Statement) -> Option<String>;
}

/// A statement in the making. Values are bound in the order of their places in the text.
#[derive(Debug, Default)]
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) binds: Vec<Bind>,
    pub(super) outputs: Vec<Output>,
}

impl Statement {
    /// `SELECT` of some expressions.
    pub(super) fn select(outputs: Vec<Output>, from: &str) -> Statement {
        let columns: Vec<String> = outputs.iter().map(|o| format!("{} AS {}", o.sql, o.name)).collect();
        Statement {
            text: format!("SELECT {} FROM {from}", columns.join(", ")),
            binds: Vec::new(),
            outputs,
        }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Binds a value; its place is to be written next.
    pub(super) fn bind(&mut self, dialect: &dyn Dialect, bind: Bind) -> String {
        self.binds.push(bind);
        dialect.place(self.binds.len())
    }

    /// Compares a column with a value.
    pub(super) fn compare(&mut self, dialect: &dyn Dialect, column: &Column, operator: &str, value: &Value) {
        let place = dialect.place(self.binds.len() + 1);
        let (place, bind) = dialect.value(column.kind, value, place);
        self.binds.push(bind);
        self.push(&format!("{} {operator} {place}", column.sql));
    }

    /// Compares a column's text with another, byte for byte.
    pub(super) fn compare_key(&mut self, dialect: &dyn Dialect, column: &Column, operator: &str, text: &[u8]) {
        let place = dialect.place(self.binds.len() + 1);
        let (place, bind) = dialect.key(text, place);
        self.binds.push(bind);
        self.push(&format!("{} {operator} {place}", column.key));
    }
}

/// What a server, whose columns have one type each, answers to [`Dialect::kind_of_no_text`].
pub(super) fn null_or_empty(column: &Column) -> Output {
    Output {
        name: "kind",
        sql: format!("CASE WHEN {} IS NULL THEN 'null' ELSE 'empty' END", column.sql),
        kind: Kind::Text,
    }
}

/// Those of some texts that are whole numbers as a database writes them.
pub(super) fn whole_numbers(texts: &[String]) -> Vec<Bind> {
    let number = |text: &String| text.parse::<i64>().ok().filter(|n| n.to_string() == *text);
    texts.iter().filter_map(number).map(Bind::Integer).collect()
}

/// A value as text to compare with; nothing where it has none.
pub(super) fn text(value: &Value) -> String {
    raw(Some(value)).unwrap_or_default()
}
