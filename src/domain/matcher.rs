//! Conditions on a ticket's columns: `is`, `not`, `one_of`, `matches`, `text_has`, `any`, `all`.
//!
//! Words are compared folded (no case, diacritics or tone placement), because the same word reaches us from ops' files
//! and from the source in more than one spelling; `matches` alone sees the text as it is.

use super::text::{Folded, fold};
use super::ticket::{Texts, Ticket};

/// A column a matcher may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Column {
    Kind,
    Category,
    Priority,
    Channel,
    Area,
    Level,
    Tags,
    IsProcedure,
    Agency,
    SubjectAgency,
    WaitingOn,
    Stage,
    Status,
    Confidential,
    RatingExcluded,
    /// Title and body together; only in `[[classify]]`.
    Text,
}

impl Column {
    pub const ALL: [Column; 16] = [
        Column::Kind,
        Column::Category,
        Column::Priority,
        Column::Channel,
        Column::Area,
        Column::Level,
        Column::Tags,
        Column::IsProcedure,
        Column::Agency,
        Column::SubjectAgency,
        Column::WaitingOn,
        Column::Stage,
        Column::Status,
        Column::Confidential,
        Column::RatingExcluded,
        Column::Text,
    ];

    /// The column of that name, as `where` writes it.
    #[must_use]
    pub fn parse(word: &str) -> Option<Column> {
        Column::ALL.into_iter().find(|column| column.word() == word)
    }

    /// The name used in rule files.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Column::Kind => "kind",
            Column::Category => "category",
            Column::Priority => "priority",
            Column::Channel => "channel",
            Column::Area => "area",
            Column::Level => "level",
            Column::Tags => "tags",
            Column::IsProcedure => "is_procedure",
            Column::Agency => "agency",
            Column::SubjectAgency => "subject_agency",
            Column::WaitingOn => "waiting_on",
            Column::Stage => "stage",
            Column::Status => "status",
            Column::Confidential => "confidential",
            Column::RatingExcluded => "rating_excluded",
            Column::Text => "text",
        }
    }

    /// Whether something of what the ticket has in this column, which may be nothing, one value or several (tags, title and
    /// body), is as asked for.
    fn has(self, ticket: &Ticket, texts: &Texts, is_it: impl Fn(&str) -> bool) -> bool {
        let one = |value: Option<&str>| value.is_some_and(&is_it);
        let flag = |set: bool| is_it(if set { "true" } else { "false" });
        match self {
            Column::Kind => one(ticket.kind.as_deref()),
            Column::Category => one(ticket.category()),
            Column::Priority => one(ticket.priority.as_deref()),
            Column::Channel => one(ticket.channel.as_deref()),
            Column::Area => one(ticket.area.as_deref()),
            Column::Level => ticket.level.is_some_and(|level| is_it(&level.to_string())),
            Column::Tags => ticket.tags().iter().any(|tag| is_it(tag)),
            Column::IsProcedure => flag(ticket.is_procedure),
            Column::Agency => one(ticket.agency.as_deref()),
            Column::SubjectAgency => one(ticket.subject_agency.as_deref()),
            Column::WaitingOn => one(ticket.waiting_on.as_deref()),
            Column::Stage => one(ticket.stage.as_deref()),
            Column::Status => is_it(ticket.status.word()),
            Column::Confidential => flag(ticket.confidential),
            Column::RatingExcluded => flag(ticket.rating_excluded),
            Column::Text => one(texts.title.as_deref()) || one(texts.body.as_deref()),
        }
    }
}

/// A condition as ops wrote it. An empty `All` always holds.
#[derive(Debug, Clone)]
pub enum Matcher {
    All(Vec<Matcher>),
    Any(Vec<Matcher>),
    Is(Column, Folded),
    /// None of the values; holds too where the ticket has nothing in the column. Of category and tags it looks at what
    /// the source says, not at what was proposed.
    Not(Column, Vec<Folded>),
    OneOf(Column, Vec<Folded>),
    Matches(Column, regex::Regex),
    /// Folded words that must all stand in the column's folded text as whole words, in this order and adjacent.
    TextHas(Column, Vec<String>),
}

impl Matcher {
    #[must_use]
    pub fn always() -> Matcher {
        Matcher::All(Vec::new())
    }

    /// The words of a phrase as [`Matcher::TextHas`] wants them.
    #[must_use]
    pub fn phrase(text: &str) -> Vec<String> {
        words(text)
    }

    #[must_use]
    pub fn holds(&self, ticket: &Ticket, texts: &Texts) -> bool {
        let has = |column: &Column, wanted: &[Folded]| column.has(ticket, texts, |value| is_one_of(value, wanted));
        match self {
            Matcher::All(all) => all.iter().all(|m| m.holds(ticket, texts)),
            Matcher::Any(any) => any.iter().any(|m| m.holds(ticket, texts)),
            Matcher::Is(column, wanted) => has(column, std::slice::from_ref(wanted)),
            // What was only proposed takes a ticket out of no rule: its agency is reminded as if nothing had been.
            Matcher::Not(Column::Category, unwanted) => !ticket
                .category
                .as_deref()
                .is_some_and(|category| is_one_of(category, unwanted)),
            Matcher::Not(Column::Tags, unwanted) => !ticket.tags.iter().any(|tag| is_one_of(tag, unwanted)),
            Matcher::Not(column, unwanted) => !has(column, unwanted),
            Matcher::OneOf(column, wanted) => has(column, wanted),
            Matcher::Matches(column, pattern) => column.has(ticket, texts, |value| pattern.is_match(value)),
            Matcher::TextHas(column, phrase) => {
                column.has(ticket, texts, |value| contains_phrase(&words(value), phrase))
            }
        }
    }

    /// Whether the condition looks at a column, at any depth.
    #[must_use]
    pub fn looks_at(&self, column: Column) -> bool {
        match self {
            Matcher::All(inner) | Matcher::Any(inner) => inner.iter().any(|m| m.looks_at(column)),
            Matcher::Is(c, _)
            | Matcher::Not(c, _)
            | Matcher::OneOf(c, _)
            | Matcher::Matches(c, _)
            | Matcher::TextHas(c, _) => *c == column,
        }
    }
}

fn is_one_of(value: &str, words: &[Folded]) -> bool {
    words.iter().any(|word| word.is(value))
}

fn words(text: &str) -> Vec<String> {
    fold(text)
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .map(str::to_owned)
        .collect()
}

/// An empty phrase is in no text: a condition that says nothing must not catch everything.
fn contains_phrase(text: &[String], phrase: &[String]) -> bool {
    !phrase.is_empty() && text.windows(phrase.len()).any(|run| run == phrase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ticket::Proposed;

    fn ticket() -> Ticket {
        Ticket {
            category: Some("Đất đai".into()),
            level: Some(2),
            tags: ["conduct".to_owned(), "regulation".to_owned()].into(),
            is_procedure: true,
            agency: Some("Uỷ ban nhân dân huyện Hoà An".into()),
            ..Ticket::default()
        }
    }

    fn texts(body: &str) -> Texts {
        Texts {
            title: Some("Phản ánh".into()),
            body: Some(body.into()),
        }
    }

    fn holds(matcher: &Matcher) -> bool {
        matcher.holds(&ticket(), &Texts::default())
    }

    #[test]
    fn every_column_is_read_by_the_word_it_is_written_with() {
        for column in Column::ALL {
            assert_eq!(Column::parse(column.word()), Some(column));
        }
        assert_eq!(Column::parse("catgory"), None);
    }

    #[test]
    fn words_are_the_same_whatever_their_case_diacritics_and_tone_placement() {
        assert!(holds(&Matcher::Is(Column::Category, "đất ĐAI".into())));
        assert!(holds(&Matcher::Is(
            Column::Agency,
            "Ủy ban nhân dân huyện Hòa An".into()
        )));
        assert!(!holds(&Matcher::Is(Column::Category, "đất".into())));
    }

    #[test]
    fn not_holds_where_the_column_is_empty() {
        assert!(holds(&Matcher::Not(Column::Priority, vec!["khẩn".into()])));
        assert!(!holds(&Matcher::Not(Column::Tags, vec!["conduct".into()])));
        assert!(!holds(&Matcher::Is(Column::Priority, "".into())));
    }

    #[test]
    fn numbers_flags_and_statuses_are_compared_as_written_in_rules() {
        assert!(holds(&Matcher::OneOf(Column::Level, vec!["2".into(), "3".into()])));
        assert!(holds(&Matcher::Is(Column::IsProcedure, "true".into())));
        assert!(holds(&Matcher::Is(Column::Confidential, "false".into())));
        assert!(holds(&Matcher::Is(Column::Status, "open".into())));
    }

    #[test]
    fn a_category_that_was_proposed_counts_where_the_source_has_none() {
        let proposed = Proposed {
            by: "cccd".into(),
            category: Some("cccd".into()),
            tags: Default::default(),
        };
        let ticket = Ticket {
            proposed: Some(proposed),
            ..Ticket::default()
        };
        assert!(Matcher::Is(Column::Category, "cccd".into()).holds(&ticket, &Texts::default()));
        let not = Matcher::Not(Column::Category, vec!["cccd".into()]);
        assert!(
            not.holds(&ticket, &Texts::default()),
            "and takes it out of no rule that leaves such tickets out"
        );
    }

    #[test]
    fn text_has_wants_whole_adjacent_words_in_order() {
        let has = |phrase: &str, body: &str| {
            Matcher::TextHas(Column::Text, Matcher::phrase(phrase)).holds(&ticket(), &texts(body))
        };
        assert!(has("căn cước công dân", "Làm CAN CUOC, công  dân đã 3 tháng"));
        assert!(has("hoà giải", "đề nghị hòa giải."));
        assert!(!has("thẻ", "thẻo lẻo"), "whole words only");
        assert!(!has("căn cước", "căn nhà ở, cước phí"), "adjacent only");
        assert!(!has("căn cước", "cước căn"), "in order");
        assert!(!has("", "anything"), "an empty phrase catches nothing");
    }

    #[test]
    fn a_phrase_does_not_run_from_the_title_into_the_body() {
        let split = Texts {
            title: Some("Căn".into()),
            body: Some("cước".into()),
        };
        assert!(!Matcher::TextHas(Column::Text, Matcher::phrase("căn cước")).holds(&ticket(), &split));
    }

    #[test]
    fn any_wants_one_all_wants_each_and_an_empty_all_holds() {
        let land = Matcher::Is(Column::Category, "đất đai".into());
        let urgent = Matcher::Is(Column::Priority, "khẩn".into());
        assert!(holds(&Matcher::Any(vec![urgent.clone(), land.clone()])));
        assert!(!holds(&Matcher::All(vec![urgent, land])));
        assert!(holds(&Matcher::always()));
        assert!(!holds(&Matcher::Any(Vec::new())));
    }

    #[test]
    fn a_pattern_sees_the_text_as_it_is() {
        let pattern = |p: &str| Matcher::Matches(Column::Category, regex::Regex::new(p).expect("a pattern"));
        assert!(holds(&pattern("^Đất")));
        assert!(!holds(&pattern("^dat")));
    }

    #[test]
    fn a_condition_tells_which_columns_it_looks_at() {
        let nested = Matcher::Any(vec![
            Matcher::always(),
            Matcher::TextHas(Column::Text, vec!["cccd".into()]),
        ]);
        assert!(nested.looks_at(Column::Text));
        assert!(!nested.looks_at(Column::Category));
    }
}
