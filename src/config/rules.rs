//! `rules/*.toml`: rules with their ladders, deadline policies and classification.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::TimeDelta;
use regex::Regex;

use super::agencies::read_validity;
use super::problem::{Place, did_you_mean};
use super::read::{Id, Node, Read, Section};
use super::summaries;
use crate::domain::directory::{Base, Desk, Directory, Role};
use crate::domain::matcher::{Column, Matcher};
use crate::domain::rule::{Approver, Channel, Classify, DeadlinePolicy, Digest, From, Repeat, Rule, Step, When};
use crate::domain::summary::Summary;
use crate::domain::text::{fold, nfc};
use crate::domain::ticket::Status;
use crate::domain::time::Span;
use crate::domain::wording::Locale;

/// What rules may refer to. A part is `None` where its file could not be read; then nothing is held against it.
pub(super) struct Known<'a> {
    pub directory: Option<&'a Directory>,
    /// Base names of the files in `templates/`.
    pub templates: Option<BTreeSet<String>>,
    pub locale: Locale,
}

impl<'a> Known<'a> {
    pub(super) fn new(directory: Option<&'a Directory>, templates_dir: &Path, locale: Locale) -> Self {
        Known {
            directory,
            templates: template_names(&templates_dir.join(locale.folder())),
            locale,
        }
    }
}

const TEMPLATE_ENDING: &str = ".txt.j2";

fn template_names(dir: &Path) -> Option<BTreeSet<String>> {
    let files = std::fs::read_dir(dir).ok()?;
    let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
    Some(
        names
            .filter_map(|name| name.strip_suffix(TEMPLATE_ENDING).map(str::to_owned))
            .collect(),
    )
}

/// What the rule files say, in the order of the files.
#[derive(Default)]
pub(super) struct RuleFiles {
    pub rules: Vec<Rule>,
    pub deadlines: Vec<DeadlinePolicy>,
    pub classify: Vec<Classify>,
    pub summaries: Vec<Summary>,
    /// Ids that were used, with their places, over all files.
    rule_ids: BTreeMap<String, Place>,
    deadline_ids: BTreeMap<String, Place>,
    classify_ids: BTreeMap<String, Place>,
    summary_ids: BTreeMap<String, Place>,
}

impl RuleFiles {
    pub(super) fn read(&mut self, root: Node<'_>, known: &Known<'_>) {
        root.table(|file| {
            for node in file.items("rule") {
                self.rules
                    .extend(node.table(|s| read_rule(s, known, &mut self.rule_ids)).flatten());
            }
            for node in file.items("deadline") {
                self.deadlines.extend(
                    node.table(|s| read_deadline(s, known, &mut self.deadline_ids))
                        .flatten(),
                );
            }
            for node in file.items("summary") {
                let summary = node.table(|s| summaries::read_summary(s, known, &mut self.summary_ids));
                self.summaries.extend(summary.flatten());
            }
            for node in file.items("classify") {
                self.classify.extend(
                    node.table(|s| read_classify(s, known, &mut self.classify_ids))
                        .flatten(),
                );
            }
        });
    }
}

/// The id, which nobody else may have.
pub(super) fn read_id(s: &mut Section<'_>, what: &str, ids: &mut BTreeMap<String, Place>) -> Option<String> {
    let id = s.required::<Id>("id")?.0;
    claim(s.get("id")?, what, &id, ids);
    Some(id)
}

fn claim(node: Node<'_>, what: &str, id: &str, ids: &mut BTreeMap<String, Place>) {
    if let Some(first) = ids.get(id) {
        node.error(format!("the {what} id `{id}` is already used at {first}"));
    } else {
        ids.insert(id.to_owned(), node.place());
    }
}

fn read_rule(s: &mut Section<'_>, known: &Known<'_>, ids: &mut BTreeMap<String, Place>) -> Option<Rule> {
    let id = read_id(s, "rule", ids);
    let was = s.items("was").into_iter().filter_map(|node| {
        let was = node.read::<Id>()?.0;
        claim(node, "rule", &was, ids);
        Some(was)
    });
    let was = was.collect();
    let title = read_title(s, known.locale);
    let when = read_when(s);
    let threshold = read_threshold(s, when);
    let matcher = read_where(s, known, Text::Forbidden);
    s.defaults_to("digest", &"day");
    let digest = s.get("digest").and_then(read_digest).unwrap_or(Digest::Day);
    let unless = read_facts(s, "unless");
    let steps = read_steps(s, known, when);
    Some(Rule {
        id: id?,
        was,
        unless,
        title: title?,
        when: when?,
        threshold,
        matcher,
        digest,
        steps,
    })
}

/// One title, or one for each language.
pub(super) fn read_title(s: &mut Section<'_>, locale: Locale) -> Option<String> {
    let node = s.needed("title")?;
    if !node.is_table() {
        return node.read();
    }
    node.table(|titles| {
        let all = Locale::ALL.map(|locale| (locale, titles.optional::<String>(locale.word())));
        let title = all.into_iter().find_map(|(l, title)| title.filter(|_| l == locale));
        if title.is_none() {
            titles.node.error(format!(
                "there is no title in `{}`, the locale of letters",
                locale.word()
            ));
        }
        title
    })
    .flatten()
}

fn whens() -> Vec<(&'static str, When)> {
    When::ALL.into_iter().map(|when| (when.word(), when)).collect()
}

fn read_when(s: &mut Section<'_>) -> Option<When> {
    let node = s.needed("when")?;
    node.choice(&whens())
}

/// `stale` needs one; `aged` has thirty working days where nothing else is said; nobody else may have one.
fn read_threshold(s: &mut Section<'_>, when: Option<When>) -> Option<Span> {
    let threshold = positive(s, "threshold");
    let given = s.get("threshold");
    match (when, given) {
        (Some(When::Stale), None) => {
            s.node.error_hint(
                "`threshold` is missing: how long is stale?",
                "write such as `threshold = \"10wd\"`".to_owned(),
            );
            None
        }
        (Some(When::Aged), None) => Some(Span::WorkingDays(30)),
        (Some(When::Stale | When::Aged) | None, _) => threshold,
        (Some(other), Some(node)) => {
            node.error_hint(
                format!("`threshold` means nothing for `{}`", other.word()),
                "only `stale` and `aged` have one; a step waits by `after`".to_owned(),
            );
            None
        }
        (Some(_), None) => None,
    }
}

/// A span above zero.
fn positive(s: &mut Section<'_>, key: &'static str) -> Option<Span> {
    let span = s.optional::<Span>(key)?;
    if span.is_negative() || is_zero(span) {
        s.get(key)?.error(format!("`{key}` has to be longer than nothing"));
        return None;
    }
    Some(span)
}

fn is_zero(span: Span) -> bool {
    match span {
        Span::Elapsed(time) | Span::WorkingTime(time) => time.is_zero(),
        Span::WorkingDays(n) | Span::CalendarDays(n) => n == 0,
    }
}

fn read_digest(node: Node<'_>) -> Option<Digest> {
    if !node.is_table() {
        return node
            .choice(&[("day", false), ("ticket", true)])
            .map(|each| if each { Digest::Ticket } else { Digest::Day });
    }
    let digest = node.table(|s| {
        s.needed("at")?.choice(&[("week", ())])?;
        Some(Digest::Week {
            also_when: read_facts(s, "also_when"),
        })
    });
    digest.flatten()
}

/// Facts that can be asked of a ticket by themselves.
fn read_facts(s: &mut Section<'_>, key: &'static str) -> Vec<When> {
    let asked = [
        When::Received,
        When::Unassigned,
        When::DueSoon,
        When::Overdue,
        When::Unsatisfied,
    ];
    let choices = asked.map(|when| (when.word(), when));
    let nodes = s.items(key).into_iter();
    nodes.filter_map(|node| node.choice(&choices)).collect()
}

fn read_steps(s: &mut Section<'_>, known: &Known<'_>, when: Option<When>) -> Vec<Step> {
    let mut ids = BTreeMap::new();
    let mut steps: Vec<Step> = Vec::new();
    s.needs("step");
    let nodes = s.items("step");
    if nodes.is_empty() {
        s.node.error_hint(
            "the rule has no step, so it tells nobody",
            "write a `[[rule.step]]` below it".to_owned(),
        );
    }
    for node in nodes {
        let step = node.table(|s| {
            let step = read_step(s, known, when, &mut ids)?;
            if let (Some(before), Some(after)) = (steps.last(), s.get("after")) {
                check_order(after, before, &step);
            }
            Some(step)
        });
        steps.extend(step.flatten());
    }
    steps
}

const MIN_GAP: Span = Span::WorkingDays(2);

fn read_step(
    s: &mut Section<'_>,
    known: &Known<'_>,
    when: Option<When>,
    ids: &mut BTreeMap<String, Place>,
) -> Option<Step> {
    let id = read_id(s, "step", ids);
    let after = s.required::<Span>("after");
    if let (Some(span), Some(when), Some(node)) = (after, when, s.get("after")) {
        check_sign(node, span, when);
    }
    s.needs("to");
    let to = read_roles(s, "to", known);
    if s.get("to").is_none_or(|node| node.lacks_items()) {
        s.node.error("the step has nobody to tell: `to` is empty");
    }
    let cc = read_roles(s, "cc", known);
    s.defaults_to("via", &vec!["email"]);
    let via = s
        .get("via")
        .map_or_else(|| vec![Channel::Email], |node| read_channels(node, known));
    let template = read_template(s, known);
    let repeat = s.get("repeat").and_then(|node| node.table(read_repeat).flatten());
    s.defaults_to("min_gap", &MIN_GAP);
    let min_gap = positive(s, "min_gap").unwrap_or(MIN_GAP);
    let urgent = s.or("urgent", false);
    let approvers = Approver::ALL.map(|who| (who.word(), who));
    let approve = s.get("approve").and_then(|node| node.choice(&approvers));
    let reply = positive(s, "reply");
    if let (Some(Span::Elapsed(_) | Span::WorkingTime(_) | Span::CalendarDays(_)), Some(node)) = (reply, s.get("reply"))
    {
        node.error_hint(
            "`reply` counts working days",
            "write such as `reply = \"2wd\"`".to_owned(),
        );
    }
    Some(Step {
        id: id?,
        after: after?,
        to,
        cc,
        via,
        template: template?,
        repeat,
        min_gap,
        urgent,
        approve,
        reply,
    })
}

/// Only what is due soon can be told before its anchor; afterwards it is overdue.
fn check_sign(node: Node<'_>, after: Span, when: When) {
    if after.is_negative() && !matches!(when, When::DueSoon | When::Obligation) {
        node.error_hint(
            format!("`{after}` is before the fact: only `due_soon` and `obligation` count backwards"),
            "drop the sign, or use `when = \"due_soon\"`".to_owned(),
        );
    }
    if when == When::DueSoon && !after.is_negative() && !is_zero(after) {
        node.error_hint(
            format!("`{after}` is after the deadline: `due_soon` counts backwards"),
            format!("write `-{after}`, or use `when = \"overdue\"`"),
        );
    }
}

/// A ladder goes up in time. Spans of different kinds are compared by their usual length, and then it is a warning.
fn check_order(node: Node<'_>, before: &Step, step: &Step) {
    if usual_length(step.after) >= usual_length(before.after) {
        return;
    }
    let message = format!(
        "step `{}` comes after `{}` but is due before it ({} < {})",
        step.id, before.id, step.after, before.after
    );
    let hint = "put the steps in the order in which they fall due".to_owned();
    if std::mem::discriminant(&step.after) == std::mem::discriminant(&before.after) {
        node.error_hint(message, hint);
    } else {
        node.warn(message, hint);
    }
}

/// Roughly how long a span lasts on the wall: a working day has eight hours, a week has five of them.
fn usual_length(span: Span) -> TimeDelta {
    match span {
        Span::Elapsed(time) => time,
        Span::WorkingTime(time) => time * 3,
        Span::WorkingDays(n) => TimeDelta::hours(i64::from(n) * 24 * 7 / 5),
        Span::CalendarDays(n) => TimeDelta::days(i64::from(n)),
    }
}

pub(super) fn read_roles(s: &mut Section<'_>, key: &'static str, known: &Known<'_>) -> Vec<Role> {
    let mut roles = Vec::new();
    for node in s.items(key) {
        let Some(role) = node.read::<Role>() else { continue };
        if let Some(directory) = known.directory {
            check_role(node, &role, directory);
        }
        if roles.contains(&role) {
            node.error(format!("`{role}` stands here twice"));
        }
        roles.push(role);
    }
    roles
}

fn check_role(node: Node<'_>, role: &Role, directory: &Directory) {
    let id = match &role.base {
        Base::Unit(id) => id,
        Base::Office => &directory.office,
        _ => return,
    };
    let Some(unit) = directory.unit(id) else {
        if matches!(role.base, Base::Unit(_)) {
            let ids = directory.units.iter().map(|u| u.id.as_str());
            node.error_hint(format!("no unit has the id `{id}`"), did_you_mean(id, ids));
        }
        return;
    };
    if unit.external {
        node.error(format!("`{id}` is outside the province's power and is never mailed"));
    }
    if unit.id == directory.root && role.desk == Desk::Head && !directory.allow_top {
        node.error_hint(
            "the head of the province is not a recipient",
            "set `allow_top = true` in agencies.toml if that is meant".to_owned(),
        );
    }
}

fn read_channels(node: Node<'_>, known: &Known<'_>) -> Vec<Channel> {
    let items = node.items();
    if node.lacks_items() {
        node.error("`via` is empty; leave it out for mail");
    }
    let words = [("email", Channel::Email), ("webhook", Channel::Webhook)];
    let channels: Vec<Channel> = items.into_iter().filter_map(|item| item.choice(&words)).collect();
    let no_endpoint = known
        .directory
        .is_some_and(|directory| directory.units.iter().all(|unit| unit.endpoints.is_empty()));
    if no_endpoint && channels.iter().all(|channel| *channel == Channel::Webhook) && !channels.is_empty() {
        node.warn(
            "no unit has a webhook, so the step tells nobody",
            "add `\"email\"`, or `webhooks` to a unit in agencies.toml".to_owned(),
        );
    }
    channels
}

pub(super) fn read_template(s: &mut Section<'_>, known: &Known<'_>) -> Option<String> {
    let name = s.required::<String>("template")?;
    if let (Some(templates), Some(node)) = (&known.templates, s.get("template"))
        && !templates.contains(&name)
    {
        let hint = did_you_mean(&name, templates.iter().map(String::as_str));
        let folder = known.locale.folder();
        node.error_hint(format!("there is no templates/{folder}{name}{TEMPLATE_ENDING}"), hint);
    }
    Some(name)
}

fn read_repeat(s: &mut Section<'_>) -> Option<Repeat> {
    s.needed("every");
    let every = positive(s, "every");
    let times = s.required::<u32>("times");
    if let (Some(0), Some(node)) = (times, s.get("times")) {
        node.error_hint("a repeat of 0 times repeats nothing", "remove `repeat`".to_owned());
    }
    Some(Repeat {
        every: every?,
        times: times?,
    })
}

fn read_deadline(s: &mut Section<'_>, known: &Known<'_>, ids: &mut BTreeMap<String, Place>) -> Option<DeadlinePolicy> {
    let id = read_id(s, "deadline", ids);
    let matcher = read_where(s, known, Text::Forbidden);
    let (valid_from, valid_until) = read_validity(s, "valid_from", "valid_until");
    let starts = [("received_at", From::ReceivedAt), ("assigned_at", From::AssignedAt)];
    let from = s.choice_or("from", &starts, From::ReceivedAt);
    s.needed("due");
    let due = positive(s, "due");
    let pause = s.items("pause").into_iter().filter_map(read_pause).collect();
    Some(DeadlinePolicy {
        id: id?,
        matcher,
        valid_from,
        valid_until,
        from,
        due: due?,
        pause,
    })
}

fn read_pause(node: Node<'_>) -> Option<Status> {
    if node.is_word(Status::Waiting.word()) {
        return Some(Status::Waiting);
    }
    let text = String::read(node)?;
    node.error_hint(
        format!("the clock cannot stand while a ticket is `{text}`"),
        "only `waiting` pauses".to_owned(),
    );
    None
}

fn read_classify(s: &mut Section<'_>, known: &Known<'_>, ids: &mut BTreeMap<String, Place>) -> Option<Classify> {
    let id = read_id(s, "classify", ids);
    s.needs("where");
    let Some(node) = s.get("where") else {
        s.node.error("`where` is missing: this would classify every ticket");
        return None;
    };
    let matcher = read_conditions(node, known, Text::Allowed);
    let category = s.optional("category");
    let tags = s.or("tags", Vec::new());
    if s.get("category").is_none() && s.get("tags").is_none() {
        s.node
            .error("neither `category` nor `tags` is given, so this proposes nothing");
    }
    Some(Classify {
        id: id?,
        matcher,
        category,
        tags,
    })
}

/// Conditions as they stand in a rule's `where = { … }`, without the braces; for what ops give on the command line.
pub(super) fn read_bare_conditions(root: Node<'_>, known: &Known<'_>) -> Option<Matcher> {
    root.table(|s| s.get("where").map(|node| read_conditions(node, known, Text::Forbidden)))
        .flatten()
}

/// Whether title and body may be looked at.
#[derive(Clone, Copy, PartialEq)]
enum Text {
    Allowed,
    Forbidden,
}

fn read_where(s: &mut Section<'_>, known: &Known<'_>, text: Text) -> Matcher {
    s.get("where")
        .map_or_else(Matcher::always, |node| read_conditions(node, known, text))
}

/// A table of conditions that must all hold.
fn read_conditions(node: Node<'_>, known: &Known<'_>, text: Text) -> Matcher {
    let mut all = Vec::new();
    // One drawing for both: it does not know where `text` is forbidden.
    let node = node.drawn_as("conditions");
    let mut columns = Column::ALL;
    columns.sort_by_key(|column| column.word());
    node.table(|s| {
        if let Some(any) = s.get("any") {
            let branches = any.items();
            if any.lacks_items() {
                any.error("an empty `any` never holds");
            }
            all.push(Matcher::Any(
                branches.into_iter().map(|n| read_conditions(n, known, text)).collect(),
            ));
        }
        all.extend(s.items("all").into_iter().map(|n| read_conditions(n, known, text)));
        for column in columns {
            if (column, text) == (Column::Text, Text::Forbidden) {
                continue;
            }
            if let Some(node) = s.get(column.word()) {
                read_column(node, column, known, &mut all);
            }
        }
        for (name, node) in s.rest() {
            if Column::parse(name) == Some(Column::Text) {
                let hint = "classify first, then use `category`".to_owned();
                node.error_in_key("`text` is looked at only in `[[classify]]`", Some(hint));
            } else {
                let columns = Column::ALL.into_iter().map(Column::word).chain(["any", "all"]);
                node.error_in_key(format!("`{name}` is not a column"), did_you_mean(name, columns));
            }
        }
    });
    if all.len() == 1 {
        all.remove(0)
    } else {
        Matcher::All(all)
    }
}

/// `column = "x"`, or a table of comparisons that must all hold.
fn read_column(node: Node<'_>, column: Column, known: &Known<'_>, all: &mut Vec<Matcher>) {
    let node = node.drawn_as(match column {
        Column::Level => "number_condition",
        Column::IsProcedure | Column::Confidential | Column::RatingExcluded => "flag_condition",
        Column::Status => "status_condition",
        _ => "text_condition",
    });
    if node.is_list() {
        node.error_hint(
            "a list needs a comparison",
            format!("write `{}.one_of = [...]`", column.word()),
        );
        return;
    }
    if !node.is_table() {
        all.extend(read_value(node, column, known).map(|values| one_of(column, values)));
        return;
    }
    node.table(|s| {
        let values = |node: Node<'_>| -> Vec<String> {
            let nodes = node.one_or_more();
            if node.lacks_items() {
                node.error("this list is empty");
            }
            nodes
                .into_iter()
                .filter_map(|n| read_value(n, column, known))
                .flatten()
                .collect()
        };
        if let Some(node) = s.get("is") {
            all.extend(read_value(node, column, known).map(|values| one_of(column, values)));
        }
        if let Some(node) = s.get("not") {
            all.push(Matcher::Not(column, values(node).into_iter().map(Into::into).collect()));
        }
        if let Some(node) = s.get("one_of") {
            all.push(one_of(column, values(node)));
        }
        if let Some(node) = s.get("matches") {
            all.extend(read_pattern(node).map(|pattern| Matcher::Matches(column, pattern)));
        }
        if let Some(node) = s.get("text_has") {
            all.extend(read_phrases(node, column));
        }
    });
}

fn one_of(column: Column, mut values: Vec<String>) -> Matcher {
    if values.len() == 1 {
        Matcher::Is(column, values.remove(0).into())
    } else {
        Matcher::OneOf(column, values.into_iter().map(Into::into).collect())
    }
}

/// A value as the column's tickets have it. A unit stands for every word that the source may write for it.
fn read_value(node: Node<'_>, column: Column, known: &Known<'_>) -> Option<Vec<String>> {
    let value = match column {
        Column::Level => node.read::<i64>()?.to_string(),
        Column::IsProcedure | Column::Confidential | Column::RatingExcluded => node.read::<bool>()?.to_string(),
        Column::Status => {
            let words = ["open", "waiting", "answered", "closed", "rejected", "void"].map(|word| (word, word));
            node.choice(&words)?.to_owned()
        }
        _ => node.read()?,
    };
    let is_unit = matches!(column, Column::Agency | Column::SubjectAgency | Column::WaitingOn);
    match known.directory.filter(|_| is_unit) {
        Some(directory) => Some(unit_words(node, value, directory)),
        None => Some(vec![value]),
    }
}

fn unit_words(node: Node<'_>, word: String, directory: &Directory) -> Vec<String> {
    let folded = fold(&word);
    let unit = directory
        .unit(&word)
        .or_else(|| directory.units.iter().find(|u| u.words().any(|w| fold(w) == folded)));
    let Some(unit) = unit else {
        let words = directory.units.iter().flat_map(|u| u.words());
        node.warn(format!("no unit is called `{word}`"), did_you_mean(&word, words));
        return vec![word];
    };
    unit.words().map(str::to_owned).collect()
}

fn read_pattern(node: Node<'_>) -> Option<Regex> {
    let text = nfc(&node.read::<String>()?);
    // The parser draws the place under the pattern, over several lines; its last line says what is wrong.
    let fault = |e: regex::Error| {
        let reason = e
            .to_string()
            .lines()
            .last()
            .unwrap_or_default()
            .trim_start_matches("error: ")
            .to_owned();
        node.error(format!("`{text}` is not a pattern: {reason}"));
    };
    Regex::new(&text).map_err(fault).ok()
}

/// A phrase, or several of which one is enough.
fn read_phrases(node: Node<'_>, column: Column) -> Option<Matcher> {
    let nodes = node.one_or_more();
    let phrase = |node: Node<'_>| {
        let words = Matcher::phrase(&node.read::<String>()?);
        if words.is_empty() {
            node.error("there is no word in this text");
            return None;
        }
        Some(Matcher::TextHas(column, words))
    };
    let mut phrases: Vec<Matcher> = nodes.into_iter().filter_map(phrase).collect();
    if phrases.len() == 1 {
        phrases.pop()
    } else {
        Some(Matcher::Any(phrases))
    }
}
