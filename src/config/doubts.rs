//! What is doubtful in a configuration as a whole: what can be read, and yet does nothing, says the same twice or reaches
//! nobody. Only what can be proven from the files is said, each doubt at its place.
//!
//! The readers know one value at a time; here everything is known, and [`Places`] say where it stood.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::NaiveDate;

use super::problem::{Place, Problem, Severity, did_you_mean, resembling};
use super::read::Node;
use super::{Config, toml_files};
use crate::domain::directory::{Absence, Base, Deputy, Desk, Directory, Role, Rung, Unit, Wanted};
use crate::domain::matcher::{Column, Matcher};
use crate::domain::monthly::Letter;
use crate::domain::obligation::Kind;
use crate::domain::rule::{Channel, Classify, DeadlinePolicy, From, Rule, Step, When};
use crate::domain::summary::Summary;
use crate::domain::text::{Folded, fold};
use crate::domain::ticket::{Rating, Status};
use crate::domain::time::Span;
use crate::domain::wording::Locale;

/// What the rest of the program offers to a configuration.
#[derive(Debug, Clone, Copy)]
pub struct Offered<'a> {
    /// The columns that a query may return.
    pub columns: &'a [&'a str],
    /// The templates of letters that no rule asks for.
    pub templates: &'a [&'a str],
}

/// Where everything in the files stands, by its way through them: `rule/overdue/step/L1/to`. Entries of lists go by their
/// `id`, else by their number.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(BTreeMap<Vec<String>, (Place, Option<String>)>);

impl Places {
    /// Notes all that stands in a file.
    pub(super) fn note(&mut self, root: Node<'_>) {
        self.note_below(&mut Vec::new(), root);
    }

    fn note_below(&mut self, way: &mut Vec<String>, node: Node<'_>) {
        let found = (node.place(), node.as_text().map(str::to_owned));
        self.0.entry(way.clone()).or_insert(found);
        for (name, part) in node.parts() {
            way.push(name);
            self.note_below(way, part);
            way.pop();
        }
    }

    /// The place of what stands there, else of what it would stand in.
    pub(super) fn of(&self, way: &[&str]) -> Place {
        let mut way: Vec<String> = way.iter().map(|part| (*part).to_owned()).collect();
        loop {
            match self.0.get(&way) {
                Some((place, _)) => return place.clone(),
                None if way.is_empty() => return Place::File(String::new()),
                None => {}
            }
            way.pop();
        }
    }

    /// Whether something stands there.
    pub(super) fn has(&self, way: &[&str]) -> bool {
        let way: Vec<String> = way.iter().map(|part| (*part).to_owned()).collect();
        self.0.contains_key(&way)
    }

    /// Texts with their ways.
    fn texts(&self) -> impl Iterator<Item = (Vec<&str>, &str, &Place)> {
        self.0.iter().filter_map(|(way, (place, text))| {
            let way = way.iter().map(String::as_str).collect();
            Some((way, text.as_deref()?, place))
        })
    }
}

/// All doubts about a configuration, as things are on a day.
pub(super) fn all(config: &Config, places: &Places, offered: &Offered<'_>, on: NaiveDate) -> Vec<Problem> {
    let mut doubts = Doubts {
        config,
        places,
        on,
        query: Query::of(&config.source.query),
        found: Vec::new(),
    };
    doubts.files(offered);
    doubts.columns(offered);
    doubts.words();
    for rule in &config.rules.rules {
        doubts.rule(rule);
    }
    doubts.same_matters();
    doubts.policies();
    doubts.proposals();
    doubts.summaries();
    doubts.units();
    doubts.successions();
    doubts.closures();
    doubts.calendar();
    doubts.found
}

struct Doubts<'a> {
    config: &'a Config,
    places: &'a Places,
    on: NaiveDate,
    query: Query,
    found: Vec<Problem>,
}

impl Doubts<'_> {
    fn warn(&mut self, place: &Place, message: String, hint: Option<String>) {
        self.found.push(place.problem(Severity::Warning, message, hint));
    }

    fn warn_at(&mut self, way: &[&str], message: String, hint: &str) {
        let place = self.places.of(way);
        self.warn(&place, message, Some(hint.to_owned()).filter(|hint| !hint.is_empty()));
    }

    // ---------- Files

    /// Templates that nothing asks for, and files that look as if they should be read and are not.
    fn files(&mut self, offered: &Offered<'_>) {
        let rules = &self.config.rules;
        let steps = rules.rules.iter().flat_map(|rule| &rule.steps);
        let used: BTreeSet<&str> = steps
            .map(|step| step.template.as_str())
            .chain(rules.summaries.iter().map(|summary| summary.template.as_str()))
            .chain(offered.templates.iter().copied())
            .chain(Letter::ALL.map(Letter::template))
            .collect();
        for locale in Locale::ALL {
            let dir = self.config.templates_dir.join(locale.folder());
            for name in names_in(&dir) {
                let shown = Place::File(dir.join(&name).display().to_string());
                let step = name.strip_suffix(".txt.j2");
                let is_layout = ["digest.txt.j2", "digest.html.j2", "words.j2"].contains(&name.as_str());
                match step {
                    _ if is_layout || dir.join(&name).is_dir() => {}
                    Some(step) if used.contains(step) => {}
                    Some(step) => {
                        let hint = did_you_mean(step, used.iter().copied());
                        self.warn(&shown, "no rule and no summary uses this template".to_owned(), hint);
                    }
                    None => {
                        let hint = Some("templates are called NAME.txt.j2".to_owned());
                        self.warn(&shown, "this file is not read".to_owned(), hint);
                    }
                }
            }
        }
        let folder = self.config.templates_dir.join(self.config.wording.locale.folder());
        let there = names_in(&folder);
        for name in offered.templates.iter().map(|name| format!("{name}.txt.j2")) {
            if !there.contains(&name) {
                let shown = Place::File(folder.join(name).display().to_string());
                let hint = Some("copy it from a new directory of `dondoc init`".to_owned());
                self.warn(
                    &shown,
                    "this template is missing: letters that need it say next to nothing".to_owned(),
                    hint,
                );
            }
        }
        let rules_dir = self.config.dir.join("rules");
        let read = toml_files(&rules_dir);
        for name in names_in(&rules_dir).into_iter().filter(|name| !read.contains(name)) {
            let shown = Place::File(rules_dir.join(name).display().to_string());
            let hint = Some("files of rules are called NAME.toml".to_owned());
            self.warn(&shown, "this file is not read".to_owned(), hint);
        }
        const READ: [&str; 6] = [
            "dondoc.toml",
            "agencies.toml",
            "calendar.toml",
            "terms.toml",
            "rules",
            "templates",
        ];
        for name in names_in(&self.config.dir)
            .into_iter()
            .filter(|name| !READ.contains(&name.as_str()))
        {
            // A copy such as `dondoc.toml.old` is nobody's slip.
            let is_copy = READ.iter().any(|read| name.starts_with(*read));
            if let Some(hint) = resembling(&name, READ, 0.8).filter(|_| !is_copy) {
                let shown = Place::File(self.config.dir.join(name).display().to_string());
                self.warn(&shown, "this file is not read".to_owned(), Some(hint));
            }
        }
    }

    // ---------- The source's columns

    /// Names in the query that look like a column that it does not return.
    fn columns(&mut self, offered: &Offered<'_>) {
        if self.query.returns_all {
            return;
        }
        let missing: Vec<&str> = offered
            .columns
            .iter()
            .copied()
            .filter(|c| !self.query.returns(c))
            .collect();
        let words: Vec<String> = self.query.words.iter().cloned().collect();
        for word in words.iter().filter(|word| !offered.columns.contains(&word.as_str())) {
            if let Some(hint) = resembling(word, missing.iter().copied(), 0.75) {
                let message = format!("the query says `{word}`, which is none of our columns");
                self.warn_at(&["source", "query"], message, &hint);
            }
        }
    }

    // ---------- Words in conditions

    /// A word that stands once and is nearly one that stands elsewhere is a slip of the keys.
    fn words(&mut self) {
        const COLUMNS: [Column; 6] = [
            Column::Kind,
            Column::Category,
            Column::Priority,
            Column::Channel,
            Column::Stage,
            Column::Tags,
        ];
        for column in COLUMNS {
            let stands: Vec<(String, &str, &Place)> = self
                .places
                .texts()
                .filter(|(way, ..)| names_value_of(way, column))
                .map(|(_, text, place)| (fold(text), text, place))
                .collect();
            let mut count: BTreeMap<&str, usize> = BTreeMap::new();
            for (word, ..) in &stands {
                *count.entry(word).or_default() += 1;
            }
            let wording = &self.config.wording;
            let mut known: BTreeMap<String, &str> = BTreeMap::new();
            if column == Column::Tags {
                known.extend(["procedure_late", "conduct", "regulation"].map(|tag| (fold(tag), tag)));
            }
            if matches!(column, Column::Category | Column::Stage) {
                known.extend(wording.terms.ids(wording.locale).map(|id| (fold(id), id)));
            }
            let mut slips = Vec::new();
            for (word, text, place) in &stands {
                if known.contains_key(word) || count.get(word.as_str()).is_some_and(|n| *n > 1) || is_a_number(word) {
                    continue;
                }
                let elsewhere = stands.iter().map(|(other, text, _)| (other, *text));
                let others = known.iter().map(|(other, text)| (other, *text)).chain(elsewhere);
                let others = others.filter(|(other, _)| *other != word && !is_a_number(other));
                if let Some(hint) = resembling(text, others.map(|(_, text)| text), 0.7) {
                    let message = format!("`{text}` stands nowhere else as a `{}`", column.word());
                    slips.push(((*place).clone(), message, hint));
                }
            }
            for (place, message, hint) in slips {
                self.warn(&place, message, Some(hint));
            }
        }
    }

    // ---------- Rules

    fn rule(&mut self, rule: &Rule) {
        let id = rule.id.as_str();
        let at_where: [&str; 3] = ["rule", id, "where"];
        if let Some(why) = self.never(rule) {
            self.warn_at(&at_where[..2], format!("the rule `{id}` can never fire: {why}"), "");
        } else {
            let conditions = flat(&rule.matcher);
            if let Some(column) = impossible(&conditions) {
                let message = format!(
                    "the rule `{id}` can never fire: no ticket can have that `{}`",
                    column.word()
                );
                self.warn_at(&at_where, message, "");
            } else if let Some(column) = impossible(&[conditions.clone(), self.given(rule.when)].concat()) {
                let (word, when) = (column.word(), rule.when.word());
                let message =
                    format!("the rule `{id}` can never fire: no ticket that is {when} can have that `{word}`");
                self.warn_at(&at_where, message, "");
            } else if let Some(column) = self.unread(&conditions) {
                let message = format!("the rule `{id}` can never fire: the query returns no `{column}`");
                self.warn_at(&at_where, message, "have `source.query` return it");
            }
        }
        for (at, step) in rule.steps.iter().enumerate() {
            self.step(rule, step);
            self.gap(rule, at.checked_sub(1).and_then(|below| rule.steps.get(below)), step);
            let before = rule.steps.iter().take(at);
            for twin in before.filter(|twin| twin.after == step.after) {
                if let Some(role) = step.to.iter().find(|role| twin.to.contains(role)) {
                    // A step that goes above contacts never comes before the one below it has been told.
                    let message = match role.is_above_contact() {
                        true => format!(
                            "the steps `{}` and `{}` fall due together for `{role}`; the later one waits {} more",
                            twin.id, step.id, step.min_gap
                        ),
                        false => format!(
                            "the steps `{}` and `{}` fall due together for `{role}`, who is told of the later one only",
                            twin.id, step.id
                        ),
                    };
                    self.warn_at(
                        &["rule", id, "step", &step.id, "after"],
                        message,
                        "let the later one fall due later",
                    );
                }
            }
        }
    }

    /// What comes behind a deadline of obligations waits for a letter that is not written.
    fn office(&mut self, rule: &Rule, step: &Step) {
        let waits = rule.when == When::Obligation && !step.after.is_negative();
        if waits && self.config.monthly.letters_at.is_none() {
            self.warn_at(
                &["rule", rule.id.as_str(), "step", &step.id, "after"],
                format!(
                    "the step `{}` is never told: it waits until the Office has been told who has not replied, and such letters are not written",
                    step.id
                ),
                "write `letters = true` in [monthly] of dondoc.toml",
            );
        }
    }

    /// A step whose `after` never counts, since `min_gap` keeps it farther away from the one below it.
    fn gap(&mut self, rule: &Rule, below: Option<&Step>, step: &Step) {
        let Some(below) = below.filter(|_| step.to.iter().any(Role::is_above_contact)) else {
            return;
        };
        let (Span::WorkingDays(first), Span::WorkingDays(then), Span::WorkingDays(gap)) =
            (below.after, step.after, step.min_gap)
        else {
            return;
        };
        let apart = then - first;
        if apart > 0 && i64::from(apart) < i64::from(gap) {
            let message = format!(
                "the step `{}` falls due {} after `{}`, and `min_gap` keeps it {} away from it",
                step.id,
                Span::WorkingDays(apart),
                below.id,
                step.min_gap
            );
            self.warn_at(
                &["rule", rule.id.as_str(), "step", &step.id, "after"],
                message,
                "let it fall due later, or give it a `min_gap` of its own",
            );
        }
    }

    /// Why a rule never fires whatever its conditions are.
    fn never(&self, rule: &Rule) -> Option<String> {
        let holds_throughout = [When::Overdue, When::Unsatisfied, When::Unassigned];
        if holds_throughout.contains(&rule.when) && rule.unless.contains(&rule.when) {
            return Some(format!("`unless` takes out what it is about, `{}`", rule.when.word()));
        }
        let reads = |columns: &[&str]| self.query.returns_all || columns.iter().any(|c| self.query.returns(c));
        match rule.when {
            When::Unsatisfied if !reads(&["rating"]) => Some("the query returns no `rating`".to_owned()),
            When::Unsatisfied if !self.config.source.rating.values().any(|r| Rating::is_unsatisfied(*r)) => {
                Some("no word of [source.rating] means that somebody is not satisfied".to_owned())
            }
            When::DueSoon | When::Overdue
                if self.config.rules.deadlines.is_empty() && !reads(&["due_at", "extended_to"]) =>
            {
                Some("no ticket has a deadline: there is no [[deadline]], and the query returns no `due_at`".to_owned())
            }
            _ => None,
        }
    }

    /// What holds of all tickets that a fact is true of.
    fn given(&self, when: When) -> Vec<Condition> {
        let words = |words: &[&str]| words.iter().map(|word| fold(word)).collect();
        let mapped =
            |status: &Status| *status == Status::Open || self.config.source.status.values().any(|s| s == status);
        let of_ticket = |status: &Status| match when {
            When::Unsatisfied => !matches!(status, Status::Void | Status::Rejected),
            _ => status.is_open(),
        };
        let statuses = STATUSES
            .into_iter()
            .filter(|status| mapped(status) && of_ticket(status));
        let mut given = vec![
            Condition::HasNot(Column::Level, words(&["1"])),
            Condition::Has(Column::Status, statuses.map(|status| fold(status.word())).collect()),
        ];
        if when == When::Unsatisfied {
            given.push(Condition::Has(Column::RatingExcluded, words(&["false"])));
        }
        if when == When::Obligation {
            let kinds = Kind::ALL.into_iter().filter(|kind| kind.has_deadline());
            given.push(Condition::Has(
                Column::Category,
                kinds.map(|kind| fold(kind.word())).collect(),
            ));
        }
        if when == When::Unassigned {
            let directory = &self.config.directory;
            let known = directory.units.iter().flat_map(Unit::words);
            let known = known.filter(|word| directory.find(word, self.on).is_some());
            given.push(Condition::HasNot(Column::Agency, known.map(fold).collect()));
        }
        given
    }

    /// A column that has to have a value and is not returned by the query.
    fn unread(&self, conditions: &[Condition]) -> Option<&'static str> {
        if self.query.returns_all {
            return None;
        }
        let rules = &self.config.rules;
        let proposed = |column: Column| match column {
            Column::Category => rules.classify.iter().any(|c| c.category.is_some()),
            Column::Tags => rules.classify.iter().any(|c| !c.tags.is_empty()),
            _ => false,
        };
        conditions.iter().find_map(|condition| match condition {
            Condition::Has(Column::Text, _) => None,
            Condition::Has(column, words) => {
                let is_given = words.contains("false") && is_flag(*column);
                (!is_given && !proposed(*column) && !self.query.returns(column.word())).then_some(column.word())
            }
            _ => None,
        })
    }

    fn step(&mut self, rule: &Rule, step: &Step) {
        self.office(rule, step);
        let way = ["rule", rule.id.as_str(), "step", step.id.as_str()];
        let reached = |roles: &[Role]| {
            roles
                .iter()
                .map(|role| self.why_nobody(rule, step, role))
                .collect::<Vec<_>>()
        };
        let (to, cc) = (reached(&step.to), reached(&step.cc));
        if !to.is_empty() && to.iter().all(Option::is_some) {
            let whys: BTreeSet<String> = to.into_iter().flatten().collect();
            let whys: Vec<String> = whys.into_iter().collect();
            let message = format!("the step `{}` reaches nobody: {}", step.id, whys.join(", "));
            self.warn_at(&[way.as_slice(), &["to"]].concat(), message, "");
        } else {
            for (at, why) in to.into_iter().enumerate().filter_map(|(at, why)| Some((at, why?))) {
                let message = format!("nobody is reached by this: {why}");
                self.warn_at(&[way.as_slice(), &["to", &at.to_string()]].concat(), message, "");
            }
        }
        for (at, why) in cc.into_iter().enumerate().filter_map(|(at, why)| Some((at, why?))) {
            let message = format!("nobody is reached by this: {why}");
            self.warn_at(&[way.as_slice(), &["cc", &at.to_string()]].concat(), message, "");
        }
        if step.via.as_slice() == [Channel::Webhook] {
            let directory = &self.config.directory;
            let has_endpoint = |id: &str| !directory.endpoints(id, self.on).is_empty();
            let posted = |role: &Role| match &role.base {
                Base::Office => has_endpoint(&directory.office),
                Base::Unit(id) => has_endpoint(id),
                Base::Ops => false,
                _ => directory.units.iter().any(|unit| has_endpoint(&unit.id)),
            };
            // That no unit has one at all is said where `via` is read.
            let has_any = directory.units.iter().any(|unit| !unit.endpoints.is_empty());
            if has_any && !step.to.iter().any(posted) {
                let message = format!(
                    "none whom the step `{}` tells has a webhook now, so it goes by mail",
                    step.id
                );
                self.warn_at(
                    &[way.as_slice(), &["via"]].concat(),
                    message,
                    "add `webhooks` to the unit in agencies.toml",
                );
            }
        }
    }

    /// Why a role reaches nobody but ops, whatever the ticket is.
    fn why_nobody(&self, rule: &Rule, step: &Step, role: &Role) -> Option<String> {
        let directory = &self.config.directory;
        let returns = |column: &str| self.query.returns_all || self.query.returns(column);
        let rung = match rule.steps.first().is_some_and(|first| first.id == step.id) {
            true => Rung::First,
            false => Rung::Above,
        };
        let takes = |id: &str, parent, rung| {
            let desk = role.desk;
            let wanted = Wanted { parent, desk, rung };
            !directory.recipient(id, wanted, None, None, self.on).for_want_of_contact
        };
        let answers = |id: &str, parent| takes(id, parent, rung);
        let of_agency = matches!(role.base, Base::Agency | Base::AgencyParent | Base::SubjectAgency);
        if of_agency && rule.when == When::Unassigned {
            return Some(format!("`{role}` of a ticket without an agency"));
        }
        let some_unit = |parent| {
            let mut units = directory
                .units
                .iter()
                .filter(|unit| unit.is_valid(self.on) && !unit.external);
            units.any(|unit| answers(&unit.id, parent))
        };
        let no_address = |id: &str| match takes(id, false, Rung::First) {
            true => format!("nobody has confirmed an address of `{role}`, so ops is told"),
            false => format!("`{role}` has no address on {}, so ops is told", self.on),
        };
        let desk = match rung {
            Rung::First => format!("`{}`", role.desk.word()),
            Rung::Above => format!("confirmed `{}`", role.desk.word()),
        };
        match &role.base {
            Base::Ops => None,
            Base::Office => (!answers(&directory.office, false)).then(|| no_address(&directory.office)),
            Base::Unit(id) => (!answers(id, false)).then(|| no_address(id)),
            Base::CoAgencies if !returns("co_agencies") => Some("the query returns no `co_agencies`".to_owned()),
            Base::Agency | Base::AgencyParent if !returns("agency") => Some("the query returns no `agency`".to_owned()),
            Base::AgencyParent => (!some_unit(true)).then(|| format!("no unit's parent has a {desk}")),
            _ => (!some_unit(false)).then(|| format!("no unit has a {desk}")),
        }
    }

    /// Two rules on one fact of the same tickets.
    fn same_matters(&mut self) {
        let rules = &self.config.rules.rules;
        for (at, rule) in rules.iter().enumerate() {
            for other in rules.iter().take(at) {
                let same_fact = rule.when == other.when && rule.threshold == other.threshold;
                if !same_fact || rule.unless != other.unless {
                    continue;
                }
                let (one, two) = (flat(&other.matcher), flat(&rule.matcher));
                let message = match (implies(&one, &two), implies(&two, &one)) {
                    (true, true) => format!(
                        "`{}` and `{}` are about the same tickets, which are told of twice",
                        other.id, rule.id
                    ),
                    (false, true) => format!(
                        "every ticket of `{}` is one of `{}` too and is told of twice",
                        rule.id, other.id
                    ),
                    (true, false) => format!(
                        "every ticket of `{}` is one of `{}` too and is told of twice",
                        other.id, rule.id
                    ),
                    (false, false) => continue,
                };
                let first = self.places.of(&["rule", &other.id]);
                self.warn_at(
                    &["rule", &rule.id, "when"],
                    message,
                    &format!("the other stands at {first}; let `where` tell them apart"),
                );
            }
        }
    }

    // ---------- Deadlines and classification

    fn policies(&mut self) {
        let policies = &self.config.rules.deadlines;
        for (at, policy) in policies.iter().enumerate() {
            let conditions = flat(&policy.matcher);
            let way = ["deadline", policy.id.as_str(), "where"];
            if let Some(column) = impossible(&conditions) {
                let message = format!(
                    "the policy `{}` never counts: no ticket can have that `{}`",
                    policy.id,
                    column.word()
                );
                self.warn_at(&way, message, "");
            } else if let Some(column) = self.unread(&conditions) {
                let message = format!(
                    "the policy `{}` never counts: the query returns no `{column}`",
                    policy.id
                );
                self.warn_at(&way, message, "have `source.query` return it");
            } else if policy.from == From::AssignedAt && !self.query.returns_all && !self.query.returns("assigned_at") {
                let message = format!(
                    "the policy `{}` never counts: the query returns no `assigned_at`",
                    policy.id
                );
                self.warn_at(
                    &["deadline", &policy.id, "from"],
                    message,
                    "have `source.query` return it",
                );
            } else if let Some(earlier) = policies.iter().take(at).find(|earlier| comes_before(earlier, policy)) {
                let message = format!(
                    "the policy `{}` never counts: `{}` stands before it and takes all its tickets",
                    policy.id, earlier.id
                );
                let first = self.places.of(&["deadline", &earlier.id]);
                self.warn_at(
                    &way[..2],
                    message,
                    &format!("it stands at {first}; the first that fits counts"),
                );
            }
        }
    }

    fn proposals(&mut self) {
        let rules = &self.config.rules.classify;
        for (at, rule) in rules.iter().enumerate() {
            let conditions = flat(&rule.matcher);
            let way = ["classify", rule.id.as_str(), "where"];
            let reads_text = self.query.returns_all || self.query.returns("title") || self.query.returns("body");
            if let Some(column) = impossible(&conditions) {
                let message = format!(
                    "`{}` never proposes anything: no ticket can have that `{}`",
                    rule.id,
                    column.word()
                );
                self.warn_at(&way, message, "");
            } else if rule.matcher.looks_at(Column::Text) && !reads_text {
                let message = format!(
                    "`{}` looks at texts, and the query returns neither `title` nor `body`",
                    rule.id
                );
                self.warn_at(&way, message, "have `source.query` return them");
            } else if let Some(column) = self.unread(&conditions) {
                let message = format!("`{}` never proposes anything: the query returns no `{column}`", rule.id);
                self.warn_at(&way, message, "have `source.query` return it");
            } else if let Some(earlier) = rules.iter().take(at).find(|earlier| proposes_before(earlier, rule)) {
                let message = format!(
                    "`{}` never proposes anything: `{}` stands before it and takes all its tickets",
                    rule.id, earlier.id
                );
                let first = self.places.of(&["classify", &earlier.id]);
                self.warn_at(
                    &way[..2],
                    message,
                    &format!("it stands at {first}; the first that fits counts"),
                );
            }
        }
    }

    fn summaries(&mut self) {
        let summaries = &self.config.rules.summaries;
        for (at, summary) in summaries.iter().enumerate() {
            for role in &summary.to {
                let is_twin = |other: &&Summary| {
                    other.at == summary.at && other.template == summary.template && other.to.contains(role)
                };
                if let Some(twin) = summaries.iter().take(at).find(is_twin) {
                    let message = format!("`{role}` gets the same from `{}` at the same time", twin.id);
                    self.warn_at(&["summary", &summary.id, "to"], message, "");
                }
                let id = match &role.base {
                    Base::Office => &self.config.directory.office,
                    Base::Unit(id) => id,
                    _ => continue,
                };
                let recipient = self.config.directory.recipient(id, role.desk, None, None, self.on);
                if recipient.for_want_of_contact {
                    let message = format!("`{role}` has no address on {}, so ops is told", self.on);
                    self.warn_at(&["summary", &summary.id, "to"], message, "");
                }
            }
        }
    }

    // ---------- The directory

    fn units(&mut self) {
        let directory = &self.config.directory;
        for unit in &directory.units {
            let id = unit.id.as_str();
            self.absences(unit);
            if unit.external || unit.has_ended(self.on) {
                continue;
            }
            let usable = unit.contacts.iter().filter(|contact| contact.is_usable(self.on));
            let unconfirmed = usable.clone().filter(|contact| !contact.is_confirmed());
            let unconfirmed: Vec<&str> = unconfirmed.map(|contact| contact.address.as_str()).collect();
            let ahead = usable
                .clone()
                .find(|contact| contact.confirmed.is_some_and(|date| date > self.on));
            let ahead = ahead.map(|contact| contact.address.clone());
            if usable.count() == 0 && !unit.contacts.is_empty() && unit.is_valid(self.on) {
                let message = format!(
                    "`{id}` has no address that may be used on {}; what concerns it goes to ops",
                    self.on
                );
                self.warn_at(&["unit", id, "contacts"], message, "");
            }
            if !unconfirmed.is_empty() {
                let message = format!(
                    "nobody has confirmed that `{id}` reads {}: no step above a rule's first goes there",
                    unconfirmed.join(", ")
                );
                self.warn_at(
                    &["unit", id, "contacts"],
                    message,
                    "ask with `dondoc contacts request`, then write `confirmed = \"DATE\"`",
                );
            }
            if let Some(address) = ahead {
                let message = format!("`{address}` is confirmed on a day that is still to come");
                self.warn_at(&["unit", id, "contacts"], message, "");
            }
        }
    }

    fn absences(&mut self, unit: &Unit) {
        let (directory, on) = (&self.config.directory, self.on);
        for (at, absence) in unit
            .absences
            .iter()
            .enumerate()
            .filter(|(_, absence)| absence.until > on)
        {
            let number = at.to_string();
            let way = ["unit", unit.id.as_str(), "absences", number.as_str()];
            let desk = absence.desk.word();
            let mut before = unit.absences.iter().take(at);
            if before.any(|other| other.desk == absence.desk && overlap(other, absence)) {
                let message = format!(
                    "the `{desk}` of `{}` is away twice on the same days; the first counts",
                    unit.id
                );
                self.warn_at(&way, message, "");
            }
            let Deputy::Desk { unit: other, desk: at } = &absence.deputy else {
                continue;
            };
            let Some(other) = directory.unit(other) else { continue };
            let way = [way.as_slice(), &["deputy"]].concat();
            let shown = format!("`id:{}:{}`", other.id, at.word());
            let is_away = |a: &&Absence| a.desk == *at && overlap(a, absence);
            let from = absence.from.max(self.on);
            if other.id == unit.id && *at == absence.desk {
                self.warn_at(
                    &way,
                    format!("{shown} stands in for itself"),
                    "name another desk, or an address",
                );
            } else if let Some(away) = other.absences.iter().find(is_away) {
                let in_turn = matches!(&away.deputy, Deputy::Desk { unit: back, desk }
                    if directory.unit(back).is_some_and(|back| back.id == unit.id) && *desk == absence.desk);
                let message = match in_turn {
                    true => format!(
                        "{shown} is away on the same days and has this desk for a deputy: each stands in for the other"
                    ),
                    false => format!("{shown} is away on the same days"),
                };
                self.warn_at(&way, message, "name another desk, or an address");
            } else if !has_address(directory, other, *at, from) {
                let message = format!("{shown} has no address on {from}, so it stands in for nobody");
                self.warn_at(&way, message, "");
            }
        }
    }

    /// Successions that lead nowhere.
    fn successions(&mut self) {
        let directory = &self.config.directory;
        let fields: BTreeSet<String> = directory
            .units
            .iter()
            .flat_map(|unit| &unit.fields)
            .map(|f| fold(f))
            .collect();
        for (at, successor) in directory.successors.iter().enumerate() {
            let number = at.to_string();
            let way = |key: &'static str| vec!["successor", number.as_str(), key];
            if let Some(to) = directory.unit(&successor.to) {
                if to.external {
                    let message = format!("`{}` is outside the province's power and is never mailed", to.id);
                    self.warn_at(&way("to"), message, "");
                } else if !to.is_valid(successor.on) {
                    let message = format!("there is no `{}` on {}", to.id, successor.on);
                    self.warn_at(&way("to"), message, "look at its `valid_from` and `valid_until`");
                }
            }
            for (n, field) in successor
                .fields
                .iter()
                .enumerate()
                .filter(|(_, f)| !fields.contains(&fold(f)))
            {
                if let Some(hint) = resembling(&fold(field), fields.iter().map(String::as_str), 0.7) {
                    let message = format!("no unit has the field `{field}`");
                    self.warn_at(&[way("fields").as_slice(), &[&n.to_string()]].concat(), message, &hint);
                }
            }
        }
        let mut days: BTreeSet<NaiveDate> = directory.successors.iter().map(|s| s.on).collect();
        days.extend(directory.units.iter().filter_map(|unit| unit.valid_until));
        days.insert(self.on);
        for unit in directory
            .units
            .iter()
            .filter(|unit| !unit.external && unit.id != directory.root)
        {
            let is_lost = |day: &&NaiveDate| directory.current(&unit.id, None, None, **day).is_none();
            // Without a parent it is said by the reader.
            let has_heirs = directory
                .successors
                .iter()
                .any(|s| directory.unit(&s.from).is_some_and(|u| u.id == unit.id));
            if let Some(day) = days.iter().find(is_lost).filter(|_| has_heirs) {
                let message = format!(
                    "nobody answers for `{}` on {day}: its successions run in a circle or end",
                    unit.id
                );
                self.warn_at(
                    &["unit", &unit.id],
                    message,
                    "look at `[[successor]]` and `valid_until`",
                );
            }
        }
    }

    // ---------- The calendar

    /// Closures of localities that no unit answers for.
    fn closures(&mut self) {
        let areas: BTreeSet<&str> = self
            .config
            .directory
            .units
            .iter()
            .flat_map(|u| &u.areas)
            .map(String::as_str)
            .collect();
        let named = self
            .places
            .texts()
            .filter(|(way, ..)| matches!(way.as_slice(), ["closure", _, "areas", _]));
        let unknown = named.filter(|(_, area, _)| !areas.contains(area));
        let unknown: Vec<(Place, String)> = unknown
            .map(|(_, area, place)| (place.clone(), area.to_owned()))
            .collect();
        for (place, area) in unknown {
            let hint = did_you_mean(&area, areas.iter().copied());
            self.warn(
                &place,
                format!("no unit answers for the area `{area}`, so nobody is closed by it"),
                hint,
            );
        }
    }

    /// The holidays that are entered end soon.
    fn calendar(&mut self) {
        let base = self.config.calendars.base();
        if base.ends_soon(self.on) {
            let message = format!("official holidays are entered until {} only", base.entered_until());
            self.warn_at(
                &["filled_until"],
                message,
                "what follows is provisional; enter the next year's days",
            );
        }
    }
}

fn has_address(directory: &Directory, unit: &Unit, desk: Desk, on: NaiveDate) -> bool {
    let reached = directory.reached(&unit.id, desk, None, None, on);
    reached.is_some_and(|unit| unit.contacts.iter().any(|c| c.desk == desk && c.is_usable(on)))
}

fn overlap(one: &Absence, two: &Absence) -> bool {
    one.from < two.until && two.from < one.until
}

/// Names of files and folders, but for hidden ones, in order.
fn names_in(dir: &Path) -> Vec<String> {
    let files = std::fs::read_dir(dir).into_iter().flatten();
    let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
    // Editors leave their copies under such names.
    let mut names: Vec<String> = names
        .filter(|name| !name.starts_with('.') && !name.ends_with('~'))
        .collect();
    names.sort();
    names
}

/// Whether a text is a value that a condition compares a column with, or a proposal for it.
fn names_value_of(way: &[&str], column: Column) -> bool {
    match way {
        ["classify", _, "category"] => column == Column::Category,
        ["classify", _, "tags", _] => column == Column::Tags,
        ["rule" | "deadline" | "classify", _, "where", conditions @ ..] => {
            let at = conditions.iter().position(|part| *part == column.word());
            let comparison = at.and_then(|at| conditions.get(at + 1)).copied().unwrap_or("is");
            at.is_some() && ["is", "not", "one_of"].contains(&comparison)
        }
        _ => false,
    }
}

fn is_a_number(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_digit())
}

fn is_flag(column: Column) -> bool {
    matches!(
        column,
        Column::IsProcedure | Column::Confidential | Column::RatingExcluded
    )
}

/// The query as far as its words tell.
struct Query {
    words: BTreeSet<String>,
    /// `SELECT *`: what it returns cannot be seen here.
    returns_all: bool,
}

impl Query {
    fn of(text: &str) -> Query {
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        Query {
            words: words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect(),
            returns_all: text.contains('*'),
        }
    }

    /// Whether the query may return a column: its name stands somewhere in it.
    fn returns(&self, column: &str) -> bool {
        self.words.contains(column)
    }
}

const STATUSES: [Status; 6] = [
    Status::Open,
    Status::Waiting,
    Status::Answered,
    Status::Closed,
    Status::Rejected,
    Status::Void,
];

/// One of several conditions that all hold; words are folded.
#[derive(Debug, Clone, PartialEq)]
enum Condition {
    /// At least one of the words.
    Has(Column, BTreeSet<String>),
    HasNot(Column, BTreeSet<String>),
    /// At least one of the branches.
    Any(Vec<Vec<Condition>>),
    /// A pattern or a phrase: known by how it is written.
    Written(String),
}

fn flat(matcher: &Matcher) -> Vec<Condition> {
    let folded = |words: &[Folded]| words.iter().map(|word| word.as_str().to_owned()).collect();
    match matcher {
        Matcher::All(all) => all.iter().flat_map(flat).collect(),
        Matcher::Any(any) => vec![Condition::Any(any.iter().map(flat).collect())],
        Matcher::Is(column, word) => vec![Condition::Has(*column, [word.as_str().to_owned()].into())],
        Matcher::OneOf(column, words) => vec![Condition::Has(*column, folded(words))],
        Matcher::Not(column, words) => vec![Condition::HasNot(*column, folded(words))],
        Matcher::Matches(..) | Matcher::TextHas(..) => vec![Condition::Written(format!("{matcher:?}"))],
    }
}

/// A column of which no value fits all conditions.
fn impossible(conditions: &[Condition]) -> Option<Column> {
    // Of what was proposed `not` takes no notice, and tags and texts are several.
    let single = |column: &Column| !matches!(column, Column::Category | Column::Tags | Column::Text);
    for column in Column::ALL
        .into_iter()
        .filter(|column| *column != Column::Tags && *column != Column::Text)
    {
        let mut left: Option<BTreeSet<String>> = match column {
            _ if is_flag(column) => Some(["true", "false"].map(str::to_owned).into()),
            Column::Status => Some(STATUSES.map(|status| fold(status.word())).into()),
            _ => None,
        };
        for condition in conditions {
            if let Condition::Has(c, words) = condition
                && *c == column
            {
                left = Some(left.map_or_else(|| words.clone(), |left| &left & words));
            }
        }
        for condition in conditions {
            if let (Condition::HasNot(c, words), Some(found)) = (condition, &left)
                && *c == column
                && single(c)
            {
                left = Some(found - words);
            }
        }
        if left.is_some_and(|left| left.is_empty()) {
            return Some(column);
        }
    }
    conditions.iter().enumerate().find_map(|(at, condition)| {
        let Condition::Any(branches) = condition else {
            return None;
        };
        let rest: Vec<Condition> = conditions
            .iter()
            .take(at)
            .chain(conditions.iter().skip(at + 1))
            .cloned()
            .collect();
        let mut last = None;
        for branch in branches {
            last = Some(impossible(&[rest.clone(), branch.clone()].concat())?);
        }
        last
    })
}

/// Whether every ticket that fits the ones fits the others too, as far as their form tells.
fn implies(ones: &[Condition], others: &[Condition]) -> bool {
    let follows = |other: &Condition| {
        let by_one = ones.iter().any(|one| match (one, other) {
            (Condition::Has(a, few), Condition::Has(b, many)) => a == b && few.is_subset(many),
            (Condition::HasNot(a, many), Condition::HasNot(b, few)) => a == b && few.is_subset(many),
            (Condition::Has(a, has), Condition::HasNot(b, not)) => {
                a == b && !matches!(a, Column::Category | Column::Tags | Column::Text) && has.is_disjoint(not)
            }
            _ => one == other,
        });
        let by_branch = || match other {
            Condition::Any(branches) => branches.iter().any(|branch| implies(ones, branch)),
            _ => false,
        };
        by_one || by_branch()
    };
    others.iter().all(follows)
}

/// Whether a policy takes every ticket of a later one.
fn comes_before(earlier: &DeadlinePolicy, later: &DeadlinePolicy) -> bool {
    let always = earlier.valid_from.is_none() && earlier.valid_until.is_none();
    let starts = match (later.valid_from, earlier.valid_from) {
        (_, None) => true,
        (Some(later), Some(earlier)) => earlier <= later,
        (None, Some(_)) => false,
    };
    let ends = match (later.valid_until, earlier.valid_until) {
        (_, None) => true,
        (Some(later), Some(earlier)) => later <= earlier,
        (None, Some(_)) => false,
    };
    let counts = match (earlier.from, later.from) {
        (From::ReceivedAt, From::ReceivedAt) | (From::AssignedAt, From::AssignedAt) => starts && ends,
        // Their dates are of different instants.
        (From::ReceivedAt, From::AssignedAt) => always,
        (From::AssignedAt, From::ReceivedAt) => false,
    };
    counts && implies(&flat(&later.matcher), &flat(&earlier.matcher))
}

/// Whether a proposal takes every ticket of a later one.
fn proposes_before(earlier: &Classify, later: &Classify) -> bool {
    let fills =
        (later.category.is_none() || earlier.category.is_some()) && (later.tags.is_empty() || !earlier.tags.is_empty());
    fills && implies(&flat(&later.matcher), &flat(&earlier.matcher))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(column: Column, word: &str) -> Matcher {
        Matcher::Is(column, word.into())
    }

    fn not(column: Column, words: &[&str]) -> Matcher {
        Matcher::Not(column, words.iter().map(Into::into).collect())
    }

    #[test]
    fn conditions_that_exclude_each_other_are_known_at_any_depth() {
        let never = |matcher: Matcher| impossible(&flat(&matcher));
        let all = |matchers: Vec<Matcher>| Matcher::All(matchers);
        assert_eq!(never(Matcher::always()), None);
        assert_eq!(
            never(all(vec![is(Column::Priority, "Khẩn"), is(Column::Priority, "thường")])),
            Some(Column::Priority)
        );
        assert_eq!(
            never(all(vec![
                is(Column::Priority, "Khẩn"),
                not(Column::Priority, &["khan"])
            ])),
            Some(Column::Priority),
            "words are compared folded"
        );
        assert_eq!(
            never(not(Column::Confidential, &["true", "false"])),
            Some(Column::Confidential)
        );
        let any = Matcher::Any(vec![is(Column::Area, "1"), is(Column::Area, "2")]);
        assert_eq!(never(all(vec![any.clone(), is(Column::Area, "2")])), None);
        assert_eq!(never(all(vec![any, is(Column::Area, "3")])), Some(Column::Area));
        assert_eq!(
            never(Matcher::Any(vec![Matcher::always(), is(Column::Area, "1")])),
            None
        );
        assert_eq!(
            never(all(vec![
                is(Column::Category, "cccd"),
                not(Column::Category, &["cccd"])
            ])),
            None,
            "a proposed category is one that the source does not say"
        );
        assert_eq!(
            never(all(vec![is(Column::Tags, "conduct"), is(Column::Tags, "regulation")])),
            None,
            "a ticket has several tags"
        );
    }

    #[test]
    fn what_is_narrower_implies_what_is_wider() {
        let narrow = flat(&Matcher::All(vec![
            is(Column::Area, "1"),
            not(Column::Kind, &["a", "b"]),
        ]));
        let wide = |matcher: Matcher| implies(&narrow, &flat(&matcher));
        assert!(wide(Matcher::always()));
        assert!(wide(not(Column::Kind, &["b"])));
        assert!(wide(not(Column::Area, &["2"])));
        assert!(wide(Matcher::OneOf(Column::Area, vec!["1".into(), "2".into()])));
        assert!(wide(Matcher::Any(vec![is(Column::Stage, "x"), is(Column::Area, "1")])));
        assert!(!wide(is(Column::Stage, "x")));
        assert!(!wide(not(Column::Kind, &["c"])));
    }
}
