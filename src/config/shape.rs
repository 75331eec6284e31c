//! What may stand in a file, drawn while the readers read: each value they ask for leaves its key, whether it is needed,
//! its default and its form. Nothing is drawn while a configuration is loaded.

use std::cell::{Ref, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveTime, TimeDelta};
use serde_json::{Value, json};

use crate::domain::time::Span;

/// The form of one value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// Any text that is not empty.
    Text,
    Like(Like),
    /// One of a few words.
    Words(Vec<String>),
    Flag,
    Whole {
        least: i64,
        most: i64,
    },
    /// A number above `above`, and up to `most`.
    Number {
        above: f64,
        most: f64,
    },
    List(Box<Shape>),
    Either(Vec<Shape>),
}

/// A text of a certain writing. The pattern takes all that the reader takes, perhaps more; what is forgiven in any text
/// (blanks around it, invisible characters) it does not know.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Like {
    /// What it is, and texts that are such, for the reference.
    pub what: &'static str,
    pub such_as: &'static [&'static str],
    pub pattern: &'static str,
}

macro_rules! clock_time {
    () => {
        "([01][0-9]|2[0-3]):[0-5][0-9]"
    };
}

pub(super) const SPAN: Like = Like {
    what: "span",
    such_as: &["30m", "4h", "2d", "4wh", "5wd", "15cd"],
    pattern: "^-?[0-9]+(s|m|h|d|wh|wd|cd)$",
};
pub(super) const ELAPSED: Like = Like {
    what: "elapsed time",
    such_as: &["30s", "2m", "72h", "90d"],
    pattern: "^[0-9]+(s|m|h|d)$",
};
pub(super) const DATE: Like = Like {
    what: "date",
    such_as: &["2021-09-28"],
    pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
};
pub(super) const TIME: Like = Like {
    what: "time of day",
    such_as: &["08:00"],
    pattern: concat!("^", clock_time!(), "$"),
};
pub(super) const INTERVAL: Like = Like {
    what: "interval",
    such_as: &["07:00-11:30"],
    pattern: concat!("^", clock_time!(), "\\s*-\\s*(", clock_time!(), "|24:00)$"),
};
pub(super) const WEEK_TIME: Like = Like {
    what: "time of the week",
    such_as: &["Fri 15:00", "16:30"],
    pattern: concat!("^((Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?", clock_time!(), "$"),
};
pub(super) const INSTANT: Like = Like {
    what: "instant",
    such_as: &["2021-08-01T00:00:00+07:00"],
    pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}",
};
pub(super) const YEAR: Like = Like {
    what: "year",
    such_as: &["2027"],
    pattern: "^[+-]?[0-9]+$",
};
pub(super) const ZONE: Like = Like {
    what: "time zone",
    such_as: &["Asia/Ho_Chi_Minh"],
    pattern: "^[A-Za-z0-9_+/-]+$",
};
pub(super) const ID: Like = Like {
    what: "id",
    such_as: &["overdue-1"],
    pattern: "^[A-Za-z0-9._-]+$",
};
pub(super) const ROLE: Like = Like {
    what: "role",
    such_as: &["agency:contact", "agency.parent:head", "office", "ops", "id:CAT:head"],
    pattern: "^(agency|subject_agency|co_agencies|agency\\.parent|office|ops|id:[^:]+)(:(contact|clerk|head))?$",
};
pub(super) const ADDRESS: Like = Like {
    what: "mail address",
    such_as: &["truc1022@dongthap.example"],
    pattern: "^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$",
};
pub(super) const DOMAIN: Like = Like {
    what: "domain",
    such_as: &["dongthap.example"],
    pattern: "^[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)+$",
};
pub(super) const DATABASE: Like = Like {
    what: "place of a database",
    such_as: &[
        "sqlite:tickets.db",
        "postgres://USER@HOST/NAME",
        "mysql://USER@HOST/NAME",
    ],
    pattern: "^(sqlite|postgres|postgresql|mysql|mariadb):",
};
pub(super) const SOCKET: Like = Like {
    what: "address and port",
    such_as: &["127.0.0.1:9122"],
    pattern: "^\\S+:[0-9]+$",
};
pub(super) const NETWORK: Like = Like {
    what: "network",
    such_as: &["10.20.0.0/16", "fd00::/8"],
    pattern: "^[0-9A-Fa-f.:]+(/[0-9]+)?$",
};
pub(super) const URL: Like = Like {
    what: "url",
    such_as: &["https://syt.dongthap.example/dondoc"],
    pattern: "^[Hh][Tt][Tt][Pp][Ss]?:",
};

/// All kinds of writing.
pub(super) const LIKES: [Like; 17] = [
    SPAN, ELAPSED, DATE, TIME, INTERVAL, WEEK_TIME, INSTANT, YEAR, ZONE, ID, ROLE, ADDRESS, DOMAIN, DATABASE, SOCKET,
    NETWORK, URL,
];

/// A value as a file would write it.
pub(super) trait Written {
    fn written(&self) -> Value;
}

macro_rules! written_as_json {
    ($($type:ty),*) => {$(
        impl Written for $type {
            fn written(&self) -> Value {
                json!(self)
            }
        }
    )*};
}

written_as_json!(bool, u32, u16, i64, f64, String, &str);

impl<T: Written> Written for Vec<T> {
    fn written(&self) -> Value {
        self.iter().map(Written::written).collect()
    }
}

impl Written for Span {
    fn written(&self) -> Value {
        json!(self.to_string())
    }
}

impl Written for TimeDelta {
    fn written(&self) -> Value {
        Span::Elapsed(*self).written()
    }
}

impl Written for NaiveTime {
    fn written(&self) -> Value {
        json!(self.format("%H:%M").to_string())
    }
}

/// One place of a file, whatever the path by which it is reached. Items of a list share one, entries of a map too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot(usize);

/// All forms that the value at a spot may have.
#[derive(Debug, Default)]
pub(super) struct Forms {
    pub shapes: Vec<Shape>,
    pub item: Option<Spot>,
    /// One item may stand in the list's stead.
    pub or_item: bool,
    /// A list without items is a fault.
    pub needs_items: bool,
    pub table: Option<Table>,
    /// A table with keys of the user's own, and how these are written.
    pub map: Option<(Spot, Option<Like>)>,
    /// It may be as the spot of this name.
    pub name: Option<&'static str>,
    /// Questions about the form that decide how it is read, with the answers they got.
    forks: BTreeMap<&'static str, [bool; 2]>,
}

impl Forms {
    /// What keeps them from being all: nobody said what the value is, or a question got one answer only.
    pub(super) fn gaps(&self) -> Vec<String> {
        let is_blank = self.shapes.is_empty() && self.item.is_none() && self.table.is_none() && self.map.is_none();
        let unsaid = (is_blank && self.name.is_none()).then(|| "what it is is never read".to_owned());
        let one_sided = self.forks.iter().filter(|(_, answers)| **answers != [true, true]);
        let one_sided = one_sided.map(|(question, answers)| {
            let only = if answers[1] { "always" } else { "never" };
            format!("it {only} {question}")
        });
        unsaid.into_iter().chain(one_sided).collect()
    }
}

/// The keys of a table, in the order in which they were asked for first.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// How often one such table was read.
    visits: usize,
    pub keys: Vec<Key>,
}

#[derive(Debug)]
pub(super) struct Key {
    pub name: &'static str,
    pub spot: Spot,
    /// In how many tables it had to be.
    needed: usize,
    pub default: Option<Value>,
    /// Lines on which it stands, from 1.
    pub lines: BTreeSet<usize>,
    /// As it first stands there, where it is a plain value or a list of such.
    pub example: Option<Value>,
}

impl Table {
    /// Whether no such table was sound without the key.
    pub(super) fn needs(&self, key: &Key) -> bool {
        key.needed == self.visits
    }
}

/// What readers asked for.
#[derive(Debug, Default)]
pub(super) struct Drawing {
    spots: RefCell<Vec<Forms>>,
    names: RefCell<BTreeMap<&'static str, Spot>>,
}

impl Drawing {
    /// That of the whole file, which is read first.
    pub(super) const ROOT: Spot = Spot(0);

    pub(super) fn spot(&self) -> Spot {
        let mut spots = self.spots.borrow_mut();
        spots.push(Forms::default());
        Spot(spots.len() - 1)
    }

    pub(super) fn forms(&self, spot: Spot) -> Ref<'_, Forms> {
        Ref::map(self.spots.borrow(), |spots| &spots[spot.0])
    }

    /// The spots that are referred to by name.
    pub(super) fn named(&self) -> Vec<(&'static str, Spot)> {
        self.names.borrow().iter().map(|(name, spot)| (*name, *spot)).collect()
    }

    fn change<T>(&self, spot: Spot, change: impl FnOnce(&mut Forms) -> T) -> T {
        change(&mut self.spots.borrow_mut()[spot.0])
    }

    pub(super) fn add(&self, spot: Spot, shape: Shape) {
        if let Shape::List(inner) = shape {
            return self.add(self.item(spot), *inner);
        }
        self.change(spot, |forms| {
            if !forms.shapes.contains(&shape) {
                forms.shapes.push(shape);
            }
        });
    }

    pub(super) fn item(&self, spot: Spot) -> Spot {
        let known = self.forms(spot).item;
        known.unwrap_or_else(|| {
            let item = self.spot();
            self.change(spot, |forms| forms.item = Some(item));
            item
        })
    }

    /// As [`Drawing::item`], where one item may stand in the list's stead.
    pub(super) fn one_or_more(&self, spot: Spot) -> Spot {
        self.change(spot, |forms| forms.or_item = true);
        self.item(spot)
    }

    pub(super) fn needs_items(&self, spot: Spot) {
        self.change(spot, |forms| forms.needs_items = true);
    }

    pub(super) fn entry(&self, spot: Spot, keys: Option<Like>) -> Spot {
        let known = self.forms(spot).map;
        known.map_or_else(
            || {
                let entry = self.spot();
                self.change(spot, |forms| forms.map = Some((entry, keys)));
                entry
            },
            |(entry, _)| entry,
        )
    }

    /// One that is drawn once, wherever it stands.
    pub(super) fn as_named(&self, spot: Spot, name: &'static str) -> Spot {
        let known = self.names.borrow().get(name).copied();
        let shared = known.unwrap_or_else(|| self.spot());
        self.names.borrow_mut().insert(name, shared);
        self.change(spot, |forms| forms.name = Some(name));
        shared
    }

    pub(super) fn fork(&self, spot: Spot, question: &'static str, answer: bool) {
        self.change(spot, |forms| {
            forms.forks.entry(question).or_default()[usize::from(answer)] = true;
        });
    }

    /// A table of this spot begins.
    pub(super) fn visit(&self, spot: Spot) {
        self.change(spot, |forms| forms.table.get_or_insert_default().visits += 1);
    }

    /// A key is asked for in it.
    pub(super) fn key(&self, table: Spot, name: &'static str) -> Spot {
        let find = |forms: &Forms| Some(forms.table.as_ref()?.keys.iter().find(|key| key.name == name)?.spot);
        let known = find(&self.forms(table));
        known.unwrap_or_else(|| {
            let spot = self.spot();
            let key = Key {
                name,
                spot,
                needed: 0,
                default: None,
                lines: BTreeSet::new(),
                example: None,
            };
            self.change(table, |forms| forms.table.get_or_insert_default().keys.push(key));
            spot
        })
    }

    fn change_key(&self, table: Spot, name: &str, change: impl FnOnce(&mut Key)) {
        self.change(table, |forms| {
            let mut keys = forms.table.iter_mut().flat_map(|table| &mut table.keys);
            if let Some(key) = keys.find(|key| key.name == name) {
                change(key);
            }
        });
    }

    /// Where it stands, and what.
    pub(super) fn stands(&self, table: Spot, name: &str, line: Option<usize>, example: Option<Value>) {
        self.change_key(table, name, |key| {
            key.lines.extend(line);
            key.example = key.example.take().or(example);
        });
    }

    pub(super) fn defaults_to(&self, table: Spot, name: &str, default: Value) {
        self.change_key(table, name, |key| key.default = Some(default));
    }

    /// A table of this spot ends that needed these keys, each named once.
    pub(super) fn needed(&self, table: Spot, names: &[&str]) {
        for name in names {
            self.change_key(table, name, |key| key.needed += 1);
        }
    }
}
