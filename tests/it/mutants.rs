//! Two thousand spoilt copies of the configuration that ships: deleted, doubled, mistyped, retyped and moved keys, values,
//! tables and files. Whatever is done to it, `check` neither falls over nor says something without its place, and no
//! mistyped name is taken without a word. The copies are the same in every run.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use dondoc::cli::check;
use dondoc::config::{Config, Problem, Severity};
use dondoc::domain::Moment;
use dondoc::domain::wording::Locale;
use regex::Regex;
use tempfile::TempDir;

use crate::world::copy_all;

/// The files that ship, by their names below the directory.
type Files = BTreeMap<String, String>;

fn shipped() -> Files {
    fn walk(root: &Path, dir: &Path, files: &mut Files) {
        for entry in std::fs::read_dir(dir).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(root, &path, files);
            } else {
                let name = path.strip_prefix(root).expect("below").display().to_string();
                files.insert(name, std::fs::read_to_string(&path).expect("a text"));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut files = Files::new();
    walk(&root, &root, &mut files);
    files
}

/// A day on which nothing that ships is out of date.
fn now() -> Moment {
    "2026-06-01T02:00:00Z".parse().expect("an instant")
}

/// xorshift64*: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).expect("a number") % below.max(1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }
}

/// What is done to one file; `None` for its text removes it.
#[derive(Debug)]
struct Mutant {
    what: String,
    changes: Vec<(String, Option<String>)>,
    /// A name that nothing knows stands there now.
    is_mistyped_name: bool,
}

// ---------- Where names stand

/// Keys whose values are names: of units, templates, roles, statuses, zones, words of our own.
const NAMES: [&str; 33] = [
    "template",
    "when",
    "unless",
    "also_when",
    "to",
    "cc",
    "via",
    "approve",
    "parent",
    "unit",
    "root",
    "office",
    "role",
    "mode",
    "tls",
    "midnight",
    "due_precision",
    "locale",
    "period",
    "time_zone",
    "zone",
    "pause",
    "from",
    "category",
    "tags",
    "priority",
    "kind",
    "not",
    "one_of",
    "status",
    "rating",
    "deputy",
    "units",
];

/// Tables whose keys are the source's words, or dates.
const FREE_KEYS: [&str; 5] = ["source.status", "source.rating", "off", "worked", "lunar"];

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern")
}

static KEY: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:^|[{,])\s*([a-z_][a-z_.]*)\s*="));
static HEADER: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\[\[?([a-z_.]+)\]\]?"));
static QUOTED: LazyLock<Regex> = LazyLock::new(|| pattern("\"([^\"]*)\""));
static JINJA: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?s)\{\{.*?\}\}|\{%.*?%\}"));
static IDENTIFIER: LazyLock<Regex> = LazyLock::new(|| pattern(r"[a-z_]{4,}"));

fn is_toml(name: &str) -> bool {
    name.ends_with(".toml")
}

/// The names in a file, as places in its text.
fn names(file: &str, text: &str) -> Vec<Range<usize>> {
    if is_toml(file) {
        names_in_toml(text)
    } else {
        names_in_template(text)
    }
}

fn names_in_toml(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let (mut table, mut key, mut is_query) = (String::new(), String::new(), false);
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let here = start;
        start += line.len();
        if line.trim_start().starts_with('#') {
            continue;
        }
        if line.contains("\"\"\"") {
            is_query = !is_query && key_of(line).as_deref() == Some("query");
            continue;
        }
        let mut add = |range: Range<usize>| found.push(here + range.start..here + range.end);
        if is_query {
            let columns = IDENTIFIER
                .find_iter(line)
                .filter(|w| dondoc::source::decode::COLUMNS.contains(&w.as_str()));
            // A column that nobody asks for is missed by nobody.
            columns.for_each(|word| add(word.range()));
            continue;
        }
        if let Some(header) = HEADER.captures(line) {
            let name = header.get(1).expect("a name");
            table = name.as_str().to_owned();
            add(name.range());
            continue;
        }
        let line = line.split(" #").next().unwrap_or(line);
        let is_free = FREE_KEYS.contains(&table.as_str());
        let keys: Vec<(usize, &str)> = KEY
            .captures_iter(line)
            .filter_map(|c| c.get(1))
            .map(|k| (k.start(), k.as_str()))
            .collect();
        for (at, name) in &keys {
            let mut at = *at;
            for part in name.split('.') {
                add(at..at + part.len());
                at += part.len() + 1;
            }
        }
        if let Some((_, first)) = keys.first().filter(|(at, _)| line[..*at].trim().is_empty()) {
            key = (*first).to_owned();
        }
        for value in QUOTED.captures_iter(line) {
            let inner = value.get(1).expect("the text");
            let is_key = line[value.get(0).expect("all").end()..].trim_start().starts_with('=');
            let own = keys
                .iter()
                .rev()
                .find(|(at, _)| *at < inner.start())
                .map_or(key.as_str(), |(_, k)| *k);
            let own = own.rsplit('.').next().unwrap_or(own);
            let means_status = is_free && table.starts_with("source.") && !is_key;
            let is_date = inner.as_str().starts_with(|c: char| c.is_ascii_digit());
            let is_name = (NAMES.contains(&own) && !is_free) || means_status;
            if is_name && !is_key && !is_date && !inner.is_empty() && !inner.as_str().contains('@') {
                add(inner.range());
            }
        }
    }
    found
}

fn key_of(line: &str) -> Option<String> {
    Some(KEY.captures(line)?.get(1)?.as_str().to_owned())
}

/// Identifiers in the tags of a template, but for those in quotes.
fn names_in_template(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for tag in JINJA.find_iter(text) {
        let quoted: Vec<Range<usize>> = QUOTED.find_iter(tag.as_str()).map(|q| q.range()).collect();
        for word in IDENTIFIER.find_iter(tag.as_str()) {
            if !quoted.iter().any(|q| q.contains(&word.start())) {
                found.push(tag.start() + word.start()..tag.start() + word.end());
            }
        }
    }
    found
}

/// A slip of the keys: a letter left out, doubled or swapped with the next one.
fn mistyped(word: &str, dice: &mut Dice) -> String {
    let letters: Vec<char> = word.chars().collect();
    let at = dice.roll(letters.len());
    let mut slip = letters.clone();
    match dice.roll(3) {
        0 => {
            slip.remove(at);
        }
        1 => slip.insert(at, letters[at]),
        _ => slip.swap(at, (at + 1) % letters.len()),
    }
    slip.into_iter().collect()
}

// ---------- Mutants

fn replaced(text: &str, range: Range<usize>, by: &str) -> String {
    format!("{}{by}{}", &text[..range.start], &text[range.end..])
}

/// One mistyped name that is no other name.
fn a_mistyped_name(files: &Files, vocabulary: &BTreeSet<String>, dice: &mut Dice) -> Mutant {
    loop {
        let (name, text) = a_file(files, dice);
        let places = names(name, text);
        if places.is_empty() {
            continue;
        }
        let place = dice.pick(&places).clone();
        let word = &text[place.clone()];
        let slip = mistyped(word, dice);
        if slip == word || slip.is_empty() || vocabulary.contains(&slip) {
            continue;
        }
        let line = text[..place.start].matches('\n').count() + 1;
        return Mutant {
            what: format!("{name}:{line}: `{word}` is mistyped as `{slip}`"),
            changes: vec![(name.to_owned(), Some(replaced(text, place, &slip)))],
            is_mistyped_name: true,
        };
    }
}

/// A file by the weight of what stands in it.
fn a_file<'a>(files: &'a Files, dice: &mut Dice) -> (&'a str, &'a str) {
    const FIRST: [&str; 8] = [
        "dondoc.toml",
        "agencies.toml",
        "calendar.toml",
        "rules/overdue.toml",
        "rules/others.toml",
        "rules/cccd.toml",
        "rules/deadlines.toml",
        "rules/summaries.toml",
    ];
    let name = match dice.roll(12) {
        0..11 => *dice.pick(&FIRST),
        _ => dice.pick(&files.keys().map(String::as_str).collect::<Vec<_>>()),
    };
    (name, &files[name])
}

/// The tables of a file: from one header to the next.
fn tables(text: &str) -> Vec<Range<usize>> {
    let mut starts: Vec<usize> = text.match_indices("\n[").map(|(at, _)| at + 1).collect();
    starts.insert(0, 0);
    starts.push(text.len());
    starts
        .windows(2)
        .map(|w| w[0]..w[1])
        .filter(|r| !r.is_empty())
        .collect()
}

fn lines(text: &str) -> Vec<Range<usize>> {
    let mut at = 0;
    let all = text.split_inclusive('\n').map(|line| {
        at += line.len();
        at - line.len()..at
    });
    all.filter(|r| !text[r.clone()].trim().is_empty() && !text[r.clone()].starts_with('#'))
        .collect()
}

const OTHER_TYPES: [&str; 12] = [
    "7",
    "-1",
    "0",
    "1.5",
    "true",
    "\"\"",
    "\"text\"",
    "[]",
    "[1]",
    "{}",
    "2021-08-02",
    "99999999999999999999",
];

fn a_spoilt_copy(files: &Files, dice: &mut Dice) -> Mutant {
    let (name, text) = a_file(files, dice);
    let all = lines(text);
    let line = dice.pick(&all).clone();
    let number = |range: &Range<usize>| text[..range.start].matches('\n').count() + 1;
    let one = |what: String, text: Option<String>| Mutant {
        what: format!("{name}: {what}"),
        changes: vec![(name.to_owned(), text)],
        is_mistyped_name: false,
    };
    let table = dice.pick(&tables(text)).clone();
    match dice.roll(if is_toml(name) { 10 } else { 7 }) {
        0 => one(
            format!("line {} is deleted", number(&line)),
            Some(replaced(text, line, "")),
        ),
        1 => {
            let twice = text[line.clone()].repeat(2);
            one(
                format!("line {} is doubled", number(&line)),
                Some(replaced(text, line, &twice)),
            )
        }
        2 | 3 => {
            let other = dice.pick(&all).clone();
            let (first, last) = if line.start < other.start {
                (line, other)
            } else {
                (other, line)
            };
            let what = format!("lines {} and {} are swapped", number(&first), number(&last));
            let swapped = match first == last {
                true => text.to_owned(),
                false => [
                    &text[..first.start],
                    &text[last.clone()],
                    &text[first.end..last.start],
                    &text[first.clone()],
                    &text[last.end..],
                ]
                .concat(),
            };
            one(what, Some(swapped))
        }
        4 => {
            let letters: Vec<(usize, char)> = text[line.clone()].char_indices().collect();
            let (at, letter) = *dice.pick(&letters);
            let place = line.start + at..line.start + at + letter.len_utf8();
            let by = *dice.pick(&["", "\"", "[", "}", "=", "#", "\\", "\u{0}", "ơ", "\t", "{{", "%}"]);
            one(
                format!("line {}: `{letter}` becomes `{}`", number(&line), by.escape_debug()),
                Some(replaced(text, place, by)),
            )
        }
        5 => one("is deleted".to_owned(), None),
        6 => {
            let slip = mistyped(name, dice);
            let slip = if slip.is_empty() || slip.starts_with('/') || slip.contains("//") {
                format!("{name}x")
            } else {
                slip
            };
            Mutant {
                what: format!("{name}: is renamed to {slip}"),
                changes: vec![(name.to_owned(), None), (slip, Some(text.to_owned()))],
                is_mistyped_name: false,
            }
        }
        7 => {
            let what = format!("the table at line {} is deleted", number(&table));
            one(what, Some(replaced(text, table, "")))
        }
        8 => {
            let twice = text[table.clone()].repeat(2);
            one(
                format!("the table at line {} is doubled", number(&table)),
                Some(replaced(text, table, &twice)),
            )
        }
        _ => {
            let assigned: Vec<Range<usize>> = all
                .iter()
                .filter(|l| text[(*l).clone()].contains(" = "))
                .cloned()
                .collect();
            if assigned.is_empty() {
                return one("nothing is done".to_owned(), Some(text.to_owned()));
            }
            let line = dice.pick(&assigned).clone();
            let from = line.start + text[line.clone()].find(" = ").expect("an assignment") + 3;
            let by = *dice.pick(&OTHER_TYPES);
            one(
                format!("line {}: the value becomes {by}", number(&line)),
                Some(replaced(text, from..line.end - 1, by)),
            )
        }
    }
}

// ---------- What becomes of them

/// A copy of what ships, to be spoilt and mended again; what templates say is asked once for what they are asked for.
struct Bench {
    dir: TempDir,
    files: Files,
    said: BTreeMap<String, Vec<Problem>>,
}

impl Bench {
    fn new(files: &Files) -> Bench {
        let dir = TempDir::new().expect("a folder");
        copy_all(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("config"),
            &dir.path().join("config"),
        );
        Bench {
            dir,
            files: files.clone(),
            said: BTreeMap::new(),
        }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("config")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    fn put(&self, name: &str, text: Option<&str>) {
        let path = self.path(name);
        match text {
            Some(text) => {
                std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
                std::fs::write(path, text).expect("a file");
            }
            None if path.is_file() => std::fs::remove_file(path).expect("removed"),
            None => {}
        }
    }

    fn problems(&mut self, mutant: &Mutant) -> Vec<Problem> {
        for (name, text) in &mutant.changes {
            self.put(name, text.as_deref());
        }
        let (config, mut problems) = check::settings(&self.root(), std::iter::empty(), now());
        if let Some(config) = config {
            problems.extend(self.said_by_templates(&config, mutant));
        }
        for (name, _) in &mutant.changes {
            self.put(name, self.files.get(name).map(String::as_str));
        }
        problems
    }

    fn said_by_templates(&mut self, config: &Config, mutant: &Mutant) -> Vec<Problem> {
        let is_settings = |name: &String| is_toml(name) && name != "terms.toml";
        if !mutant.changes.iter().all(|(name, _)| is_settings(name)) {
            let is_english = mutant.changes.iter().any(|(name, _)| name.starts_with("templates/en/"));
            return check::templates_in(config, if is_english { Locale::En } else { Locale::Vi });
        }
        // All that templates see of a configuration.
        let rules = config.rules.rules.iter().map(|r| {
            let steps: Vec<_> = r
                .steps
                .iter()
                .map(|s| (&s.id, &s.template, s.reply.is_some()))
                .collect();
            format!("{:?}", (&r.id, &r.title, r.when, &r.digest, steps))
        });
        let summaries = config
            .rules
            .summaries
            .iter()
            .map(|s| format!("{:?}", (&s.id, &s.title, &s.template)));
        let seen = rules
            .chain(summaries)
            .chain([format!("{:?}", config.wording)])
            .collect::<String>();
        self.said
            .entry(seen)
            .or_insert_with(|| check::templates_in(config, Locale::Vi))
            .clone()
    }
}

/// Whether a problem says where it is: in a file that there is or should be, and at a line unless it is about the whole file.
fn has_its_place(problem: &Problem, dir: &Path) -> bool {
    let whole = [
        "cannot be read",
        "is missing",
        "there is no",
        "this file is not read",
        "no rule and no summary uses this template",
        "No such file",
        "stream did not contain valid UTF-8",
        "the words that all letters share are missing",
        "the calendar of ",
        // A template without it.
        "unknown block",
    ];
    let is_about_all = || whole.iter().any(|words| problem.message.contains(words));
    problem.file.starts_with(&dir.display().to_string()) && (problem.line.is_some() || is_about_all())
}

/// What is wrong with how a mutant was met, if anything.
fn verdict(bench: &mut Bench, mutant: &Mutant) -> Option<String> {
    let Ok(problems) = catch_unwind(AssertUnwindSafe(|| bench.problems(mutant))) else {
        return Some(format!("{}: check fell over", mutant.what));
    };
    if let Some(lost) = problems.iter().find(|p| !has_its_place(p, &bench.root())) {
        return Some(format!("{}: without its place: {lost}", mutant.what));
    }
    let is_silent = mutant.is_mistyped_name && problems.is_empty();
    is_silent.then(|| format!("{}: taken without a word", mutant.what))
}

/// Words of the source that rules name once: nobody but the source knows how they are written.
const OF_THE_SOURCE: [&str; 2] = ["phức tạp", "hỏi đáp"];

#[test]
fn two_thousand_spoilt_copies_of_what_ships_are_met_with_places_and_no_mistyped_name_is_taken() {
    const COPIES: usize = 2000;
    let files = shipped();
    let mut vocabulary: BTreeSet<String> = BTreeSet::new();
    for (name, text) in &files {
        vocabulary.extend(names(name, text).into_iter().map(|place| text[place].to_owned()));
    }
    vocabulary.extend(
        files
            .values()
            .flat_map(|text| QUOTED.captures_iter(text))
            .map(|c| c[1].to_owned()),
    );
    let mut dice = Dice(0x1022_2021);
    let mutants: Vec<Mutant> = std::iter::repeat_with(|| match dice.roll(5) {
        0 | 1 => a_mistyped_name(&files, &vocabulary, &mut dice),
        _ => a_spoilt_copy(&files, &mut dice),
    })
    .filter(|mutant| {
        !OF_THE_SOURCE
            .iter()
            .any(|word| mutant.what.contains(&format!("`{word}`")))
    })
    .take(COPIES)
    .collect();
    let halves: Vec<&[Mutant]> = mutants.chunks(COPIES / 2).collect();
    let complaints: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = halves
            .into_iter()
            .map(|half| {
                let files = &files;
                scope.spawn(move || {
                    let mut bench = Bench::new(files);
                    half.iter()
                        .filter_map(|mutant| verdict(&mut bench, mutant))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("a thread"))
            .collect()
    });
    assert!(
        complaints.is_empty(),
        "{}:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
    let mistyped = mutants.iter().filter(|m| m.is_mistyped_name).count();
    assert!(mistyped > COPIES / 3, "{mistyped} mistyped names");
}

#[test]
fn the_copy_that_is_not_spoilt_has_no_problem() {
    let mut bench = Bench::new(&shipped());
    let nothing = Mutant {
        what: String::new(),
        changes: vec![(
            "templates/overdue-1.txt.j2".into(),
            Some(shipped()["templates/overdue-1.txt.j2"].clone()),
        )],
        is_mistyped_name: false,
    };
    assert_eq!(bench.problems(&nothing), []);
    assert!(bench.problems(&nothing).iter().all(|p| p.severity == Severity::Warning));
}
