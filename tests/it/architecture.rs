//! The rules of the layers, held by reading the sources: who may use whom, what the domain knows, where the clock is
//! read, and that no statement escapes the tests that prepare them all.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What each module of the crate may use of the others, from the bottom up; nothing uses what stands below it here.
const LAYERS: [(&str, &[&str]); 15] = [
    ("domain", &[]),
    // What is read by all and reads nothing but values.
    ("clock", &["domain"]),
    ("cores", &[]),
    ("process", &[]),
    ("config", &["domain"]),
    ("render", &["domain"]),
    ("shipped", &[]),
    // The ports to the outside: they know the domain and their own settings, never each other.
    ("source", &["domain", "config::settings", "cores"]),
    ("store", &["domain", "config::settings"]),
    ("channel", &["domain", "config::settings"]),
    // The path, and what is made of its records.
    ("report", &["domain", "config", "render", "store"]),
    (
        "engine",
        &[
            "domain", "config", "cores", "render", "source", "store", "channel", "report",
        ],
    ),
    (
        "rehearsal",
        &["domain", "config", "render", "source", "store", "engine"],
    ),
    // What lives long.
    ("daemon", &["domain", "config", "process", "store", "engine"]),
    (
        "demo",
        &[
            "domain", "config", "render", "shipped", "source", "store", "engine", "report",
        ],
    ),
];

/// What the domain takes from outside: values and their texts.
const DOMAIN_USES: [&str; 11] = [
    "std",
    "core",
    "chrono",
    "chrono_tz",
    "serde",
    "thiserror",
    "regex",
    "unicode_normalization",
    "url",
    "super",
    "crate",
];

/// A source file without its tests.
struct File {
    /// Such as `engine/observe.rs`.
    name: String,
    text: String,
}

impl File {
    fn module(&self) -> &str {
        let top = self.name.split('/').next().unwrap_or_default();
        top.strip_suffix(".rs").unwrap_or(top)
    }

    /// The lines that are code, with their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(n, line)| (n + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &str) -> Vec<File> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let (root, mut paths) = (root().join(folder), Vec::new());
    walk(&root, &mut paths);
    paths.sort();
    let file = |path: PathBuf| File {
        name: path.strip_prefix(&root).expect("below").display().to_string(),
        text: std::fs::read_to_string(&path).expect("a source"),
    };
    paths.into_iter().map(file).collect()
}

/// The program's sources; tests inside of them may use what they like.
fn sources() -> Vec<File> {
    let mut files = rust_files("src");
    for file in &mut files {
        if let Some(tests) = file.text.find("#[cfg(test)]\nmod ") {
            file.text.truncate(tests);
        }
    }
    files
}

/// The paths after `crate::` in a line, such as `config::settings`.
fn used(line: &str) -> Vec<String> {
    let path = |rest: &str| {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
        rest[..end.unwrap_or(rest.len())].trim_end_matches(':').to_owned()
    };
    line.split("crate::").skip(1).map(path).collect()
}

#[test]
fn modules_use_only_what_lies_below_them() {
    let may_use = |module: &str| {
        LAYERS
            .iter()
            .find(|(name, _)| *name == module)
            .map(|(_, allowed)| *allowed)
    };
    let mut wrong = Vec::new();
    for file in sources() {
        let module = file.module();
        // The hands use everything; `lib` and `main` only name modules.
        if ["cli", "lib", "main"].contains(&module) {
            continue;
        }
        let allowed = may_use(module).unwrap_or_else(|| panic!("{module} has no place in the table of layers"));
        for (n, line) in file.code() {
            for path in used(line) {
                let own = path == module || path.starts_with(&format!("{module}::"));
                let is_allowed = allowed
                    .iter()
                    .any(|a| path == *a || path.starts_with(&format!("{a}::")));
                // `crate::config::{…}` and macros of the crate's root would hide what is meant.
                if !own && !is_allowed {
                    wrong.push(format!("src/{}:{n}: {module} may not use crate::{path}", file.name));
                }
            }
        }
    }
    assert_eq!(wrong, [""; 0], "move the code to where both may use it");
}

#[test]
fn the_table_of_layers_is_in_order_and_complete() {
    let mut below: BTreeSet<&str> = BTreeSet::new();
    for (module, allowed) in LAYERS {
        for name in allowed {
            let top = name.split("::").next().unwrap_or_default();
            assert!(
                below.contains(top),
                "{module} uses {name}, which does not stand above it"
            );
        }
        below.insert(module);
    }
    let modules: BTreeSet<String> = sources().iter().map(|f| f.module().to_owned()).collect();
    let hands = ["cli", "lib", "main"].map(str::to_owned);
    let table: BTreeSet<String> = below.into_iter().map(str::to_owned).chain(hands).collect();
    assert_eq!(modules, table);
}

#[test]
fn a_use_is_seen_however_it_is_written() {
    assert_eq!(used("use crate::store::{Store, Tx};"), ["store"]);
    assert_eq!(used("    let now = crate::clock::now();"), ["clock::now"]);
    assert_eq!(used("pub(crate) fn f(a: crate::a::B, c: &crate::d) {"), ["a::B", "d"]);
    assert_eq!(used("use super::x;"), [""; 0]);
}

#[test]
fn the_domain_is_pure() {
    let outside = [
        "async fn",
        ".await",
        "std::fs",
        "std::io",
        "std::net",
        "std::env",
        "std::thread",
        "std::process",
        "SystemTime",
        "Instant::now",
        "Utc::now",
        "Local::now",
        "println!",
        "eprintln!",
        "tokio",
        "sqlx",
        "lettre",
        "tracing",
        "minijinja",
    ];
    let mut wrong = Vec::new();
    for file in sources().iter().filter(|f| f.module() == "domain") {
        for (n, line) in file.code() {
            if let Some(word) = outside.iter().find(|word| line.contains(**word)) {
                wrong.push(format!("src/{}:{n}: {word}", file.name));
            }
            let first = line.trim_start().strip_prefix("pub ").unwrap_or(line.trim_start());
            let Some(path) = first.strip_prefix("use ") else {
                continue;
            };
            let root = path.split("::").next().unwrap_or_default();
            // A re-export names a module of its own.
            let own = root.starts_with(char::is_lowercase) && root_is_module(root);
            if !DOMAIN_USES.contains(&root) && !own {
                wrong.push(format!("src/{}:{n}: use {root}", file.name));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

fn root_is_module(name: &str) -> bool {
    let domain = root().join("src/domain");
    let found = |path: PathBuf| path.exists();
    found(domain.join(format!("{name}.rs")))
        || found(domain.join(name))
        || ["calendar", "figures"]
            .iter()
            .any(|folder| found(domain.join(format!("{folder}/{name}.rs"))))
}

#[test]
fn the_system_clock_is_read_in_one_place() {
    let clocks = [
        "SystemTime::now",
        "Instant::now",
        "Utc::now",
        "Local::now",
        "datetime('now",
        "CURRENT_TIMESTAMP",
        "now()",
    ];
    let mut wrong = Vec::new();
    for file in sources().iter().filter(|f| f.name != "clock.rs") {
        for (n, line) in file.code() {
            // Asking the one place is for the hands; everything below them takes time as an argument.
            let rest = match file.module() {
                "cli" => line.replace("clock::now()", "").replace("clock::now", ""),
                _ => line.to_owned(),
            };
            if clocks.iter().any(|clock| rest.contains(clock)) {
                wrong.push(format!("src/{}:{n}: {}", file.name, line.trim()));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn no_test_sleeps_and_none_is_ignored() {
    // Put together here, so that this file does not find itself.
    let words = [
        ["sle", "ep("].concat(),
        ["#[ign", "ore"].concat(),
        ["should_", "panic"].concat(),
    ];
    let mut wrong = Vec::new();
    for (folder, file) in ["tests", "src"]
        .iter()
        .flat_map(|f| rust_files(f).into_iter().map(move |file| (f, file)))
    {
        for (n, line) in file.code() {
            if words.iter().any(|word| line.contains(word.as_str())) {
                wrong.push(format!("{folder}/{}:{n}: {}", file.name, line.trim()));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn every_statement_of_the_store_is_in_its_modules_list_and_sql_stands_nowhere_else() {
    let verbs = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "];
    let is_sql = |line: &str| verbs.iter().any(|verb| line.contains(&format!("\"{verb}")));
    let mut wrong = Vec::new();
    for file in sources() {
        match file.name.strip_prefix("store/") {
            Some(name) => wrong.extend(unlisted(name, &file.text, is_sql)),
            // The ticket database is read by statements made from the user's; a demo makes one of its own.
            None if ["source", "demo"].contains(&file.module()) => {}
            None => {
                let places = file.code().filter(|(_, line)| is_sql(line));
                wrong.extend(places.map(|(n, line)| format!("src/{}:{n}: {}", file.name, line.trim())));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);

    let statements = dondoc::store::statements();
    let different: BTreeSet<&str> = statements.iter().copied().collect();
    assert_eq!(different.len(), statements.len(), "each stands once");
}

/// A statement that is put together, as those for several rows are: what `statements` gives begins as it does.
fn is_prepared(line: &str) -> bool {
    let text = line.split('"').nth(1).unwrap_or_default();
    let fixed = text.split(['{', '\\']).next().unwrap_or_default();
    fixed.len() > 20 && dondoc::store::statements().iter().any(|s| s.starts_with(fixed))
}

/// Statement constants of a store module that its list lacks, and SQL that is no constant.
fn unlisted(name: &str, text: &str, is_sql: impl Fn(&str) -> bool) -> Vec<String> {
    let list = text
        .split_once("pub const STATEMENTS: &[&str] = &[")
        .and_then(|(_, rest)| rest.split_once("];"))
        .map(|(list, _)| list)
        .unwrap_or_default();
    let listed: BTreeSet<&str> = list.split(',').map(str::trim).filter(|s| !s.is_empty()).collect();
    let mut wrong = Vec::new();
    let mut constants = 0;
    let mut lines = text.lines().peekable();
    let mut last_constant = "";
    while let Some(line) = lines.next() {
        if let Some((constant, _)) = line.strip_prefix("const ").and_then(|rest| rest.split_once(": &str")) {
            last_constant = constant;
            // The text may begin on one of the next two lines: after `=`, or inside of `concat!(`.
            let ahead: Vec<&str> = std::iter::once(line).chain(lines.clone().take(1)).collect();
            if ahead.iter().any(|l| is_sql(l)) {
                constants += 1;
                if !listed.contains(constant) {
                    wrong.push(format!("src/store/{name}: {constant} is not in STATEMENTS"));
                }
            }
        } else if line.ends_with('}') || line.starts_with("impl") {
            last_constant = "";
        }
        if is_sql(line) && last_constant.is_empty() && !is_prepared(line) {
            wrong.push(format!("src/store/{name}: no constant: {}", line.trim()));
        }
    }
    if constants != listed.len() {
        wrong.push(format!(
            "src/store/{name}: {constants} statements, {} in STATEMENTS",
            listed.len()
        ));
    }
    wrong
}

#[test]
fn a_statement_that_is_not_listed_is_found() {
    let is_sql = |line: &str| line.contains("\"SELECT ");
    let module = "const A: &str = \"SELECT 1\";\nconst B: &str =\n    \"SELECT 2\";\nconst C: &str = concat!(\n    \"SELECT 3\");\n\
        pub const STATEMENTS: &[&str] = &[A, C];\nimpl X {\n    sqlx::query(\"SELECT 4\")\n}\n";
    let wrong = unlisted("x.rs", module, is_sql);
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    assert!(wrong[0].contains("B is not in STATEMENTS"));
    assert!(wrong[1].contains("SELECT 4"));
}

#[test]
fn every_source_file_says_what_lives_in_it() {
    let silent: Vec<String> = rust_files("src")
        .into_iter()
        .chain(rust_files("tests"))
        .filter(|f| !f.text.starts_with("//! "))
        .map(|f| f.name)
        .collect();
    assert_eq!(silent, [""; 0]);
}
