//! From what a message says ([`view`]) to subject, text and HTML, by the templates of the configuration.
//!
//! Pure: same view, same texts. The layouts `digest.txt.j2` and `digest.html.j2` hold no words; those of a language
//! stand in its folder: `words.j2` has what all letters share, `NAME.txt.j2` what a step says in the blocks `subject`,
//! `intro`, `request` and, for the lines at the top, `ask`. A template that fails never loses content: the message goes
//! out in a plain built-in text, and the failure is reported.

pub mod annex;
mod breakdown;
pub mod english;
pub mod language;
pub mod register;
pub mod report;
pub mod samples;
pub mod shadow;
mod tables;
pub mod vietnamese;
pub mod view;
pub mod webhook;
mod worksheet;

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use chrono::NaiveTime;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value, context};
use serde::Serialize;

use crate::domain::rule::RuleSet;
use crate::domain::wording::Wording;
use breakdown::Breakdown;
use view::{Addressee, DeadlineView, EndedView, LineView, MessageView, SectionView, SummaryView};

/// Steps of the template engine that one text may take. A digest takes less than 600 for each ticket, so this is enough for
/// 16 000 of them, and what runs away has used it up in half a second.
const FUEL: u64 = 10_000_000;

/// How deep templates may call each other; ours go down by a handful. Five hundred, as the engine has it, can be more than
/// the stack of a thread holds.
const DEPTH: usize = 50;

/// The two layouts.
const TEXT: &str = "digest.txt.j2";
const HTML: &str = "digest.html.j2";
/// What all letters of a language share.
pub const WORDS: &str = "words.j2";
/// The template of what has ended.
const SETTLED: &str = "settled";
/// The template of a letter that takes an earlier one back.
const CORRECTION: &str = "correction";
/// What follows the base name of a step's template.
const STEP: &str = ".txt.j2";

/// What letters say of a section.
const BLOCKS: [&str; 5] = ["subject", "intro", "request", "ask", "tables"];

/// What is wrong with a template, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {message}", [*line, *column].iter().flatten().map(|n| format!(":{n}")).collect::<String>())]
pub struct TemplateError {
    pub file: String,
    pub line: Option<usize>,
    /// In characters, from 1.
    pub column: Option<usize>,
    pub message: String,
}

impl TemplateError {
    fn new(file: &str, error: &minijinja::Error) -> TemplateError {
        // The innermost cause names the place; the outer ones only say through what it was reached.
        let mut cause = error;
        while let Some(inner) = std::error::Error::source(cause).and_then(|e| e.downcast_ref::<minijinja::Error>()) {
            cause = inner;
        }
        TemplateError {
            file: cause.name().unwrap_or(file).to_owned(),
            line: cause.line(),
            column: cause.range().zip(cause.template_source()).and_then(|(range, source)| {
                let before = source.get(..range.start)?;
                Some(before.rsplit('\n').next()?.chars().count() + 1)
            }),
            message: cause
                .detail()
                .map_or_else(|| cause.kind().to_string(), |d| format!("{}: {d}", cause.kind())),
        }
    }
}

/// A rendered message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
    /// The files of the templates that it was made with.
    pub files: BTreeSet<String>,
    /// The template that failed, when the built-in text had to serve.
    pub failed: Option<TemplateError>,
}

/// The templates of a configuration.
#[derive(Debug)]
pub struct Renderer {
    templates: Environment<'static>,
    wording: Wording,
    /// Steps' templates that word an opening otherwise.
    word_openings: HashSet<String>,
    /// Steps' templates that tell how their tickets are spread.
    break_down: HashSet<String>,
}

/// A message as templates see it.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    message: &'a MessageView,
    /// [`Facts`]
    sections: &'a [Value],
}

/// A section as its step's template sees it.
#[derive(Serialize)]
struct Facts<'a> {
    #[serde(flatten)]
    section: &'a SectionView,
    lines: Value,
    #[serde(flatten)]
    sums: Sums<'a>,
    /// Only where the template asks for it.
    breakdown: Option<Breakdown>,
}

/// What some lines come to.
#[derive(Default, Serialize)]
struct Sums<'a> {
    overdue: usize,
    /// Working days past the deadline, of the latest one.
    longest_overdue: Option<i32>,
    /// The next deadline that is still ahead.
    nearest: Option<&'a DeadlineView>,
}

impl<'a> Sums<'a> {
    fn of(lines: impl Iterator<Item = &'a LineView> + Clone) -> Sums<'a> {
        let open = lines.filter(|l| l.ended.is_none());
        let late = open.clone().filter_map(|l| l.overdue_working_days);
        let ahead = open.filter(|l| l.due_in_working_days.is_some());
        let ahead = ahead.filter_map(|l| l.deadline.as_ref());
        Sums {
            overdue: late.clone().count(),
            longest_overdue: late.max(),
            nearest: ahead.min_by_key(|d| (d.day, d.time.unwrap_or(NaiveTime::MIN))),
        }
    }
}

/// What a message comes to, for the lines at its top.
#[derive(Serialize)]
struct Glance<'a> {
    /// Tickets of which something is asked.
    to_do: usize,
    /// Tickets told for information only.
    informed: usize,
    /// Tickets that have ended.
    settled: usize,
    /// Tickets whose deadline was moved.
    extended: usize,
    #[serde(flatten)]
    sums: Sums<'a>,
    /// What is asked, section by section.
    asks: Vec<Ask<'a>>,
}

#[derive(Serialize, PartialEq)]
struct Ask<'a> {
    text: &'a str,
    addressee: &'a Addressee,
    /// Not all of the letter speaks to the same desk.
    names_addressee: bool,
}

/// A section with the texts of its step's template.
#[derive(Serialize)]
struct Composed<'a> {
    #[serde(flatten)]
    facts: Facts<'a>,
    intro: String,
    request: String,
    ask: String,
    /// «Kính gửi» differs from the section before.
    new_addressee: bool,
    tables: Vec<tables::Table>,
}

impl Renderer {
    /// Reads and compiles the layouts of a folder and the templates of a language in it.
    ///
    /// # Errors
    /// Every template that cannot be read or compiled.
    pub fn load(dir: &Path, wording: &Wording) -> Result<Renderer, Vec<TemplateError>> {
        let unreadable = |file: String, e: &std::io::Error| TemplateError {
            file,
            line: None,
            column: None,
            message: e.to_string(),
        };
        let folder = wording.locale.folder();
        let of_language = templates_in(&dir.join(folder)).map_err(|e| {
            let hint = if folder.is_empty() {
                ""
            } else {
                "; locale asks for it, and `dondoc init` brings one"
            };
            vec![TemplateError {
                message: format!("the folder cannot be read: {e}{hint}"),
                ..unreadable(folder.to_owned(), &e)
            }]
        })?;
        let layouts = [TEXT, HTML].map(|name| (name.to_owned(), dir.join(name)));
        let is_layout = |name: &str| [TEXT, HTML].contains(&name);
        let of_language = of_language.into_iter().filter(|(name, _)| !is_layout(name));
        let of_language = of_language.map(|(name, path)| (format!("{folder}{name}"), path));
        let mut templates = environment(wording);
        let mut errors = Vec::new();
        for (name, path) in layouts.into_iter().chain(of_language) {
            match std::fs::read_to_string(&path) {
                Ok(text) => {
                    if let Err(error) = templates.add_template_owned(name.clone(), text) {
                        errors.push(TemplateError::new(&name, &error));
                    }
                }
                Err(error) => errors.push(unreadable(name, &error)),
            }
        }
        let words = format!("{folder}{WORDS}");
        if templates.get_template(&words).is_err() && !errors.iter().any(|e| e.file == words) {
            errors.push(TemplateError {
                file: words,
                line: None,
                column: None,
                message: "the words that all letters share are missing".to_owned(),
            });
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let asking_for = |what: &str| {
            let is_it = |name: &String| {
                name.strip_prefix(what)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let asks = |template: &minijinja::Template<'_, '_>| template.undeclared_variables(true).iter().any(is_it);
            let names = templates.templates().filter(|(_, template)| asks(template));
            let names = names.filter_map(|(name, _)| Some(name.strip_prefix(folder)?.strip_suffix(STEP)?.to_owned()));
            names.collect()
        };
        Ok(Renderer {
            word_openings: asking_for("section.opening"),
            break_down: asking_for("section.breakdown"),
            templates,
            wording: wording.clone(),
        })
    }

    /// How the letters are worded.
    #[must_use]
    pub fn wording(&self) -> &Wording {
        &self.wording
    }

    /// The base names of the steps' templates.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let folder = self.wording.locale.folder();
        let all = self.templates.templates().map(|(name, _)| name);
        let steps = all.filter(|name| ![TEXT, HTML].contains(name));
        let steps = steps.filter_map(|name| Some(name.strip_prefix(folder)?.strip_suffix(STEP)?.to_owned()));
        let mut names: Vec<String> = steps.collect();
        names.sort();
        names
    }

    /// Whether a step's template tells how its tickets are spread over localities, ages and stages.
    #[must_use]
    pub fn breaks_down(&self, template: &str) -> bool {
        self.break_down.contains(template)
    }

    /// Whether a step's template says of tickets first seen late something else than of the others. Where it does not,
    /// they share a section.
    #[must_use]
    pub fn words_openings(&self, template: &str) -> bool {
        self.word_openings.contains(template)
    }

    /// Whether a step's template asks for something of its section, such as `summary.tickets`.
    #[must_use]
    pub fn asks_for(&self, template: &str, what: &str) -> bool {
        let what = format!("section.{what}");
        let is_it = |name: &String| {
            name.strip_prefix(&what)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let template = self.template(&format!("{template}{STEP}"));
        template.is_ok_and(|template| template.undeclared_variables(true).iter().any(is_it))
    }

    /// Renders a message.
    #[must_use]
    pub fn render(&self, message: &MessageView) -> Rendered {
        match self.by_templates(message) {
            Ok((subject, text, html)) => Rendered {
                subject,
                text,
                html,
                files: self.files(message),
                failed: None,
            },
            Err(failed) => {
                let (subject, text) = plain(message, &self.wording);
                let html = format!("<pre style=\"white-space:pre-wrap\">{}</pre>", escape(&text));
                Rendered {
                    subject,
                    text,
                    html,
                    files: BTreeSet::new(),
                    failed: Some(failed),
                }
            }
        }
    }

    /// The files of all templates that a message asks for.
    fn files(&self, message: &MessageView) -> BTreeSet<String> {
        let folder = self.wording.locale.folder();
        let of_sections = message.sections.iter().map(|s| format!("{folder}{}{STEP}", s.template));
        let shared = [TEXT.to_owned(), HTML.to_owned(), format!("{folder}{WORDS}")];
        of_sections.chain(shared).collect()
    }

    /// Renders every step's template on sample data, and has each say what it says for the steps and summaries that use it.
    #[must_use]
    pub fn check(&self, rules: &RuleSet) -> Vec<TemplateError> {
        let names = self.names();
        let is_there = |template: &String| names.contains(template);
        let steps = rules
            .rules
            .iter()
            .flat_map(|rule| rule.steps.iter().map(move |step| (rule, step)));
        let steps = steps.filter(|(_, step)| is_there(&step.template));
        let summaries = rules.summaries.iter().filter(|summary| is_there(&summary.template));
        let offered = steps.flat_map(|(rule, step)| samples::of_step(rule, step));
        let offered = offered.chain(summaries.flat_map(samples::of_summary));
        // The layouts see of a step's template its texts alone, so that all sections there can be are tried with one of them,
        // and the fullest with each.
        let of_one = names.iter().find(|name| *name == SETTLED).or(names.first());
        let through_layouts = of_one.into_iter().flat_map(|name| samples::of(name));
        let through_layouts = through_layouts.chain(names.iter().map(|name| samples::whole(name)));
        let mut errors: Vec<TemplateError> = through_layouts
            .filter_map(|sample| self.render(&sample).failed)
            .collect();
        let offered = names.iter().flat_map(|name| samples::of(name)).chain(offered);
        errors.extend(offered.filter_map(|sample| self.sections(&sample).err()));
        errors.extend(self.strange_blocks());
        // Each sample meets it again.
        let mut seen = HashSet::new();
        errors.retain(|e| seen.insert((e.file.clone(), e.line, e.column, e.message.clone())));
        errors
    }

    /// Blocks of steps' templates that nobody asks for: what stands in them would be said nowhere.
    fn strange_blocks(&self) -> Vec<TemplateError> {
        let folder = self.wording.locale.folder();
        let files = self.names().into_iter().map(|name| format!("{folder}{name}{STEP}"));
        let mut errors = Vec::new();
        for file in files {
            let Ok(template) = self.templates.get_template(&file) else {
                continue;
            };
            let source = template.source();
            for (at, _) in source.match_indices("{%") {
                let inside = source.get(at + 2..).unwrap_or_default().trim_start_matches(['-', '+']);
                let Some(name) = inside.trim_start().strip_prefix("block ") else {
                    continue;
                };
                let name = name
                    .trim_start()
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .next();
                let name = name.unwrap_or_default();
                if !BLOCKS.contains(&name) {
                    let before = source.get(..at).unwrap_or_default();
                    errors.push(TemplateError {
                        file: file.clone(),
                        line: Some(before.matches('\n').count() + 1),
                        column: before.rsplit('\n').next().map(|line| line.chars().count() + 1),
                        message: format!("the block `{name}` is said nowhere; there are {}", BLOCKS.join(", ")),
                    });
                }
            }
        }
        errors
    }

    /// A template of the language.
    fn template(&self, name: &str) -> Result<minijinja::Template<'_, '_>, TemplateError> {
        let file = format!("{}{name}", self.wording.locale.folder());
        let found = self.templates.get_template(&file);
        found.map_err(|e| TemplateError::new(&file, &e))
    }

    fn by_templates(&self, message: &MessageView) -> Result<(String, String, String), TemplateError> {
        let (shown, first, sections) = self.sections(message)?;
        let glance = Value::from(Serde(&glance(message, &sections)));
        let subject = self.subject(message, &shown, &first)?;
        let said = context! {
            message => shown,
            sections => Value::from(Serde(&sections)),
            glance => glance,
        };
        let layout = |name: &str| {
            let failed = |e: minijinja::Error| TemplateError::new(name, &e);
            let template = self.templates.get_template(name).map_err(failed)?;
            template.render(said.clone()).map_err(failed)
        };
        Ok((subject, layout(TEXT)?, layout(HTML)?))
    }

    /// A message as templates see it, the subject of its first section, and what the steps' templates say of all sections.
    fn sections<'m>(&self, message: &'m MessageView) -> Result<(Value, String, Vec<Composed<'m>>), TemplateError> {
        let facts = message.sections.iter().map(|section| Facts {
            section,
            lines: Value::from(Serde(&section.lines)),
            sums: Sums::of(section.lines.iter()),
            breakdown: self
                .breaks_down(&section.template)
                .then(|| Breakdown::of(&section.lines)),
        });
        let facts: Vec<Facts<'m>> = facts.collect();
        let seen: Vec<Value> = facts.iter().map(|facts| Value::from(Serde(facts))).collect();
        let shown = Value::from(Serde(&Shown {
            message,
            sections: &seen,
        }));
        let mut sections: Vec<Composed<'m>> = Vec::with_capacity(facts.len());
        let mut first = None;
        for (facts, seen) in facts.into_iter().zip(seen) {
            let section = facts.section;
            let template = self.template(&format!("{}{STEP}", section.template))?;
            let failed = |e: &minijinja::Error| TemplateError::new(template.name(), e);
            let said = context! { message => shown.clone(), section => seen };
            let mut blocks = template.render_captured(said).map_err(|e| failed(&e))?;
            let mut block = |name: &str| match blocks.with_state_mut(|state| state.render_block(name)) {
                Ok(text) => Ok(text.trim().to_owned()),
                // What goes without saying.
                Err(e) if e.kind() == ErrorKind::UnknownBlock && ["ask", "tables"].contains(&name) => Ok(String::new()),
                Err(e) => Err(failed(&e)),
            };
            let subject = block("subject")?;
            first.get_or_insert(subject);
            let before = sections.last().map(|s| &s.facts.section.addressee);
            sections.push(Composed {
                intro: block("intro")?,
                request: block("request")?,
                ask: block("ask")?,
                tables: tables::read(&block("tables")?),
                new_addressee: before.is_none_or(|before| *before != section.addressee),
                facts,
            });
        }
        Ok((shown, first.unwrap_or_default(), sections))
    }

    /// The subject in one line: what the highest step says, with how much else there is.
    fn subject(&self, message: &MessageView, shown: &Value, first: &str) -> Result<String, TemplateError> {
        let words = self.template(WORDS)?;
        let failed = |e: minijinja::Error| TemplateError::new(words.name(), &e);
        let is_extended = |s: &SectionView| s.settled && s.step == "extended";
        let count = |counts: &dyn Fn(&SectionView) -> bool| {
            let others = message
                .sections
                .iter()
                .skip(1)
                .filter(|s| !s.is_of_duties() && counts(s));
            others.map(|s| s.lines.len()).sum::<usize>()
        };
        let more = context! {
            first,
            for_information => message.sections.first().is_some_and(|s| s.for_information),
            tickets => message.sections.iter().map(|s| s.lines.len()).sum::<usize>(),
            duties => message.sections.iter().skip(1).filter(|s| s.is_of_duties() && !s.settled).map(|s| s.lines.len()).sum::<usize>(),
            others => count(&|s| !s.settled && !s.for_information),
            informed => count(&|s| !s.settled && s.for_information),
            settled => count(&|s| s.settled && !is_extended(s)),
            extended => count(&is_extended),
        };
        let said = context! { message => shown.clone() };
        let mut words = words.render_captured(said).map_err(failed)?;
        let line = words.with_state_mut(|state| state.call_macro("subject", &[shown.clone(), more]));
        let line = line.map_err(failed)?;
        Ok(line.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// The templates of a folder by name.
fn templates_in(dir: &Path) -> std::io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
        found.extend(name.filter(|name| name.ends_with(".j2")).map(|name| (name, path)));
    }
    found.sort();
    Ok(found)
}

fn glance<'a>(message: &'a MessageView, sections: &'a [Composed<'a>]) -> Glance<'a> {
    // What is taken back asks for nothing, whatever its tickets are like.
    // What is owed by a directive is no ticket and says itself how many there are.
    let told = message
        .sections
        .iter()
        .filter(|s| s.template != CORRECTION && !s.is_of_duties());
    let open = told.clone().filter(|s| !s.settled);
    let count = |for_information: bool| {
        let counted = open.clone().filter(|s| s.for_information == for_information);
        counted.map(|s| s.lines.len()).sum()
    };
    let ended = told.clone().flat_map(|s| &s.lines).filter_map(|l| l.ended.as_ref());
    let (extended, settled): (Vec<_>, Vec<_>) = ended.partition(|e| matches!(e, EndedView::Extended { .. }));
    let asking = sections
        .iter()
        .filter(|s| !s.facts.section.for_information && !s.ask.is_empty());
    let addressee = |s: &'a Composed<'a>| &s.facts.section.addressee;
    let first = sections.first().map(addressee);
    let names_addressee = asking.clone().any(|s| Some(addressee(s)) != first);
    let mut asks: Vec<Ask<'_>> = Vec::new();
    for section in asking {
        let ask = Ask {
            text: &section.ask,
            addressee: addressee(section),
            names_addressee,
        };
        // Two sections that ask the same of as many tickets ask of different ones.
        if !section.facts.section.lines.is_empty() || !asks.contains(&ask) {
            asks.push(ask);
        }
    }
    Glance {
        to_do: count(false),
        informed: count(true),
        settled: settled.len(),
        extended: extended.len(),
        sums: Sums::of(open.flat_map(|s| &s.lines)),
        asks,
    }
}

fn environment(wording: &Wording) -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(DEPTH);
    // So that errors know their columns.
    env.set_debug(true);
    // Block tags on lines of their own leave no empty lines. The builder only fails on delimiters, and these are the
    // usual ones.
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        env.set_syntax(syntax);
    }
    env.set_auto_escape_callback(|name| {
        if name.ends_with(".html.j2") {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    // What a template names is of its language.
    let folder = wording.locale.folder();
    env.set_path_join_callback(move |name, _| format!("{folder}{name}").into());
    language::add_filters(&mut env, wording);
    tables::add_filters(&mut env);
    // Anything but a web address is no link: `javascript:` in a source's column stays text.
    env.add_test("web", is_web);
    env
}

fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// A summary's figures, a unit a line; of how dondoc fares what is not nought.
fn plain_summary(summary: &SummaryView, words: &language::Plain) -> String {
    let mut text = String::new();
    let tickets = summary.tickets.iter();
    let units = tickets.clone().flat_map(|t| &t.units);
    let rows = units.map(|unit| (unit.name.as_deref().unwrap_or("–"), &unit.counts));
    for (name, counts) in rows.chain(tickets.map(|t| (words.total, &t.total))) {
        let counts = [
            (words.received, counts.received),
            (words.done, counts.done),
            (words.open, counts.open),
            (words.overdue, counts.overdue),
            (words.carried_over, counts.carried_over),
            (words.unsatisfied, counts.unsatisfied),
        ];
        let counts = counts.map(|(what, count)| format!("{what} {count}"));
        text.push_str(&format!("- {name}: {}\n", counts.join(", ")));
    }
    if let Some(seen) = &summary.operation {
        let counts = [
            ("source down", seen.source_down),
            ("rows rejected", seen.rows_rejected),
            ("values ignored", seen.values_ignored),
            ("dead", seen.dead),
            ("bounced", seen.bounced),
            ("waiting", seen.waiting),
            ("unknown", seen.unknown),
            ("awaiting approval", seen.awaiting_approval),
        ];
        for (what, count) in counts.iter().filter(|(_, count)| *count > 0) {
            text.push_str(&format!("- {what}: {count}\n"));
        }
        for alarm in &seen.alarms {
            text.push_str(&format!("- {}: {} {}\n", alarm.kind, alarm.subject, alarm.detail));
        }
    }
    text
}

/// The built-in text: every section and every line, without adornment.
fn plain(message: &MessageView, wording: &Wording) -> (String, String) {
    let locale = wording.locale;
    let words = language::plain(locale);
    let count: usize = message.sections.iter().map(|s| s.lines.len()).sum();
    let subject = match count {
        0 => format!("[{}] {}", message.tag, message.hotline),
        _ => format!(
            "[{}] {} {} – {}",
            message.tag,
            language::tickets(wording, i64::try_from(count).unwrap_or(0)),
            words.to_watch,
            message.unit_name
        ),
    };
    let mut text = format!("{}: {}\n", words.dear, message.unit_name);
    for section in &message.sections {
        let note = if section.for_information {
            words.for_information
        } else {
            ""
        };
        text.push_str(&format!("\n{}{note}\n", section.rule_title));
        if let Some(note) = &section.note {
            text.push_str(&format!("{note}\n"));
        }
        for alarm in &section.alarms {
            let about = format!("{} {}", alarm.subject, alarm.detail);
            let until = alarm.over.map(|over| format!(" – {over}")).unwrap_or_default();
            text.push_str(&format!(
                "- {}: {} ({}{until})\n",
                language::alarm(locale, &alarm.kind),
                about.trim(),
                alarm.since
            ));
        }
        if let Some(summary) = &section.summary {
            text.push_str(&plain_summary(summary, &words));
        }
        for (i, line) in section.lines.iter().enumerate() {
            let deadline = line.deadline.as_ref().map_or(words.no_deadline.to_owned(), |d| {
                format!("{} {}", words.due, language::deadline(locale, d.day, d.time))
            });
            text.push_str(&format!(
                "{:>5}. {}\n       {deadline}\n       {}: {}\n",
                i + 1,
                line.shown_code(),
                words.state,
                language::status(locale, &line.status)
            ));
            for rule in &line.rules {
                text.push_str(&format!("       {}: {rule}\n", words.also));
            }
        }
        if !section.rule.is_empty() {
            text.push_str(&format!(
                "{}: {} ({}/{})\n",
                words.why, section.rule_title, section.rule, section.step
            ));
        }
    }
    text.push_str(&format!(
        "\n{}\n{}\n\n{}\n{}\n{}: {}\n",
        words.close,
        message.signature.join("\n"),
        words.automatic,
        message.contact_line,
        words.id,
        message.message_id
    ));
    (subject.split_whitespace().collect::<Vec<_>>().join(" "), text)
}
