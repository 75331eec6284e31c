//! What holds notices back for a while: silences that ops lay over tickets, and acknowledgements of units.
//!
//! A hold undoes nothing: tellings are decided as ever and their notices wait until it ends. So climbing waits for what
//! is held, a fact that is over meanwhile lapses, and what still holds afterwards is told once, by the highest step that
//! climbing allows. The figures look at none of it.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::Moment;
use super::directory::Directory;
use super::matcher::Matcher;
use super::notice::Wait;
use super::rule::RuleSet;
use super::ticket::{Memory, Texts, Ticket};

/// What a silence is about, as ops wrote it; all that is given has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scope {
    /// The unit that answers for the ticket today.
    pub unit: Option<String>,
    /// A ticket's code.
    pub ticket: Option<String>,
    /// Only what these rules tell; all where empty, endings included.
    pub rules: Vec<String>,
    /// Conditions as in a rule's `where = { … }`, without the braces.
    pub conditions: Option<String>,
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = self.unit.as_ref().map(|unit| format!("unit {unit}"));
        let ticket = self.ticket.as_ref().map(|code| format!("ticket {code}"));
        let rules = (!self.rules.is_empty()).then(|| format!("rule {}", self.rules.join(" or ")));
        let conditions = self.conditions.clone();
        let parts: Vec<String> = [unit, ticket, rules, conditions].into_iter().flatten().collect();
        f.write_str(&parts.join(", "))
    }
}

/// A silence with its conditions read. It holds in `[from, until)`.
#[derive(Debug, Clone)]
pub struct Silence {
    pub id: i64,
    pub scope: Scope,
    pub matcher: Matcher,
    pub from: Moment,
    pub until: Moment,
    pub by: String,
    pub reason: String,
}

/// A unit knows of a matter; its steps to this unit wait in `[at, until)`, those to others do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    pub id: i64,
    pub ticket: String,
    pub unit: String,
    pub occurrence: String,
    pub at: Moment,
    pub until: Moment,
    pub by: String,
    pub note: Option<String>,
}

/// The holds that may concern some tickets.
#[derive(Debug, Clone, Default)]
pub struct Holds {
    pub silences: Vec<Silence>,
    pub acknowledgements: Vec<Acknowledgement>,
}

/// What holds a notice back.
#[derive(Debug, Clone, Copy)]
pub enum Held<'a> {
    Silence(&'a Silence),
    Acknowledgement(&'a Acknowledgement),
}

impl Held<'_> {
    #[must_use]
    pub fn until(&self) -> Moment {
        match self {
            Held::Silence(silence) => silence.until,
            Held::Acknowledgement(acknowledgement) => acknowledgement.until,
        }
    }

    /// How the notice remembers it.
    #[must_use]
    pub fn wait(&self) -> Wait {
        match self {
            Held::Silence(silence) => Wait::Silence(silence.id),
            Held::Acknowledgement(acknowledgement) => Wait::Acknowledgement(acknowledgement.id),
        }
    }
}

/// A notice, as far as holds look at it.
#[derive(Clone, Copy)]
pub struct Matter<'a> {
    pub ticket: &'a Ticket,
    pub memory: &'a Memory,
    /// The telling's.
    pub rule: &'a str,
    pub occurrence: &'a str,
    /// The unit that it reaches today.
    pub unit: Option<&'a str>,
}

/// What holds look things up in, at a date.
#[derive(Clone, Copy)]
pub struct Lookup<'a> {
    pub rules: &'a RuleSet,
    pub directory: &'a Directory,
    pub on: NaiveDate,
}

impl Holds {
    /// What holds a notice back at an instant; of several the one that ends last.
    #[must_use]
    pub fn of(&self, matter: Matter<'_>, lookup: Lookup<'_>, now: Moment) -> Option<Held<'_>> {
        let silences = self.silences.iter().filter(|s| s.concerns(matter, lookup, now));
        let known = self.acknowledgements.iter().filter(|a| a.concerns(matter, lookup, now));
        silences
            .map(Held::Silence)
            .chain(known.map(Held::Acknowledgement))
            .max_by_key(Held::until)
    }
}

impl Silence {
    fn concerns(&self, matter: Matter<'_>, lookup: Lookup<'_>, now: Moment) -> bool {
        let Scope {
            unit, ticket, rules, ..
        } = &self.scope;
        let named = |id: &str| lookup.rules.named(id).map_or(id.to_owned(), |rule| rule.id.clone());
        (self.from..self.until).contains(&now)
            && ticket.as_ref().is_none_or(|code| *code == matter.ticket.code)
            && (rules.is_empty() || rules.iter().any(|id| named(id) == named(matter.rule)))
            && unit
                .as_ref()
                .is_none_or(|id| answers(id, matter.ticket, matter.memory, lookup))
            && self.matcher.holds(matter.ticket, &Texts::default())
    }
}

impl Acknowledgement {
    fn concerns(&self, matter: Matter<'_>, lookup: Lookup<'_>, now: Moment) -> bool {
        // It may have been given under an earlier id.
        let unit = lookup.directory.unit(&self.unit).map_or(&self.unit, |unit| &unit.id);
        (self.at..self.until).contains(&now)
            && self.ticket == matter.ticket.code
            && self.occurrence == matter.occurrence
            && matter.unit == Some(unit.as_str())
    }
}

/// Whether the unit is the one that owes the ticket's answer: its agency as known or who came after it, and of a complaint
/// about conduct the unit complained about.
fn answers(unit: &str, ticket: &Ticket, memory: &Memory, lookup: Lookup<'_>) -> bool {
    let Lookup { directory, on, .. } = lookup;
    let about = ticket.subject_agency.as_deref().filter(|_| ticket.is_conduct());
    let about = about.and_then(|word| directory.find(word, on)).map(|u| u.id.as_str());
    let Some(start) = about.or(memory.agency.as_deref()) else {
        return false;
    };
    let wanted = directory.unit(unit).map(|u| u.id.as_str());
    let now = directory.current(start, ticket.category(), ticket.area.as_deref(), on);
    wanted.is_some() && (directory.unit(start).map(|u| u.id.as_str()) == wanted || now.map(|u| u.id.as_str()) == wanted)
}
