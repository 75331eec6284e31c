//! In which language letters are, and what things are called in it at a date.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::directory::Dated;

/// The language of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Locale {
    #[default]
    Vi,
    En,
}

impl Locale {
    pub const ALL: [Locale; 2] = [Locale::Vi, Locale::En];

    /// The word in configuration files.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Locale::Vi => "vi",
            Locale::En => "en",
        }
    }

    /// What stands before the names of a language's files in `templates/`.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Locale::Vi => "",
            Locale::En => "en/",
        }
    }
}

/// Names that change with time, by the id that templates and columns of the source use (`terms.toml`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    names: BTreeMap<(String, Locale), Vec<Dated<String>>>,
}

impl Terms {
    /// Adds a term's names in a language.
    pub fn insert(&mut self, id: &str, locale: Locale, names: Vec<Dated<String>>) {
        self.names.insert((id.to_owned(), locale), names);
    }

    /// What a term is called at a date; the last name where none is valid then.
    #[must_use]
    pub fn name(&self, id: &str, locale: Locale, on: NaiveDate) -> Option<&str> {
        let names = self.names.get(&(id.to_owned(), locale))?;
        let named = names.iter().find(|name| name.holds(on)).or(names.last())?;
        Some(&named.value)
    }

    /// The ids of all terms with a name in a language.
    pub fn ids(&self, locale: Locale) -> impl Iterator<Item = &str> {
        let of_locale = self.names.keys().filter(move |(_, l)| *l == locale);
        of_locale.map(|(id, _)| id.as_str())
    }
}

/// How letters are worded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wording {
    pub locale: Locale,
    /// Counts below ten are written `05 phiếu`, as official papers do.
    pub two_digits: bool,
    pub terms: Terms,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(y: i32, m: u32, d: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(y, m, d).expect("a date")
    }

    #[test]
    fn a_term_is_called_as_on_the_day_and_elsewhere_as_last() {
        let dated = |value: &str, from, until| Dated {
            value: value.to_owned(),
            from,
            until,
        };
        let change = day(2024, 7, 1);
        let mut terms = Terms::default();
        let (old, new) = ("thẻ căn cước công dân", "thẻ căn cước");
        let names = vec![
            dated(old, None, Some(change)),
            dated(new, Some(change), Some(day(2030, 1, 1))),
        ];
        terms.insert("card", Locale::Vi, names);
        let called = |on| terms.name("card", Locale::Vi, on);
        assert_eq!(called(day(2024, 6, 30)), Some(old));
        assert_eq!(called(change), Some(new));
        assert_eq!(called(day(2031, 1, 1)), Some(new));
        assert_eq!(terms.name("card", Locale::En, change), None);
        assert_eq!(terms.name("cards", Locale::Vi, change), None);
    }
}
