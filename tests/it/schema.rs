//! The JSON Schemas and the reference of the configuration: they are those of the readers, whatever a reader takes they
//! take, and what an editor should mark they refuse.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use dondoc::config::{FileKind, Severity, load, reference};
use serde_json::{Value, json};
use tempfile::TempDir;
use toml::Value as Toml;

use crate::cli::{dondoc, said, text};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

// ---------- Kept current

/// Compares a file with what it is made of, or writes it anew where that is asked for.
#[track_caller]
fn is_current(file: &str, made: &str) {
    let path = root().join(file);
    if std::env::var_os("RENEW_SCHEMA").is_some() {
        std::fs::write(&path, made).expect("the file to be written");
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == made,
        "{file} is not that of the readers in src/config; \
         `RENEW_SCHEMA=1 cargo test --test it schema::` writes it, then look at the difference"
    );
}

#[test]
fn the_schemas_that_ship_are_those_of_the_readers() {
    for kind in FileKind::ALL {
        let schema = kind.schema().expect("a schema");
        is_current(
            &format!("config/schema/{}.schema.json", kind.word()),
            &format!("{schema:#}\n"),
        );
    }
}

#[test]
fn the_reference_is_that_of_the_readers() {
    is_current("docs/configuration.md", &reference().expect("a reference"));
}

// ---------- A public validator

/// The schemas of all files, compiled.
struct Validator {
    schemas: Schemas,
    of: Vec<(FileKind, SchemaIndex)>,
}

impl Validator {
    fn new() -> Validator {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        let each = |kind: FileKind| {
            let index = compile(
                &mut compiler,
                &mut schemas,
                kind.word(),
                kind.schema().expect("a schema"),
            );
            (kind, index.unwrap_or_else(|e| panic!("{}: {e}", kind.word())))
        };
        let of = FileKind::ALL.into_iter().map(each).collect();
        Validator { schemas, of }
    }

    /// What is wrong with a file by its schema.
    fn faults(&self, kind: FileKind, file: &Toml) -> Option<String> {
        let (_, index) = self.of.iter().find(|(known, _)| *known == kind).expect("a schema");
        let file = json_of(file);
        let fault = self.schemas.validate(&file, *index).err()?;
        Some(format!("{fault:#}"))
    }

    /// What is wrong with the files of a directory.
    fn faults_in(&self, dir: &Path) -> Vec<String> {
        let faults = |(kind, path): (FileKind, PathBuf)| {
            let fault = self.faults(kind, &read(&path))?;
            Some(format!("{}: {fault}", path.display()))
        };
        files(dir).into_iter().filter_map(faults).collect()
    }
}

fn compile(compiler: &mut Compiler, schemas: &mut Schemas, name: &str, schema: Value) -> Result<SchemaIndex, String> {
    let url = format!("https://dondoc.example/{name}.schema.json");
    compiler.set_default_draft(Draft::V7);
    compiler.add_resource(&url, schema).map_err(|e| e.to_string())?;
    compiler.compile(&url, schemas).map_err(|e| format!("{e:#}"))
}

/// As editors of TOML hand a file to a schema: dates are texts.
fn json_of(value: &Toml) -> Value {
    match value {
        Toml::String(text) => json!(text),
        Toml::Integer(number) => json!(number),
        Toml::Float(number) => json!(number),
        Toml::Boolean(flag) => json!(flag),
        Toml::Datetime(date) => json!(date.to_string()),
        Toml::Array(items) => items.iter().map(json_of).collect(),
        Toml::Table(entries) => Value::Object(
            entries
                .iter()
                .map(|(key, value)| (key.clone(), json_of(value)))
                .collect(),
        ),
    }
}

fn read(path: &Path) -> Toml {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    toml::from_str(text.trim_start_matches('\u{feff}')).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The files of a configuration directory, each with its kind.
fn files(dir: &Path) -> Vec<(FileKind, PathBuf)> {
    let mut found = Vec::new();
    for kind in FileKind::ALL {
        if kind == FileKind::Rules {
            let rules = std::fs::read_dir(dir.join("rules")).into_iter().flatten();
            let paths = rules.map(|file| file.expect("a file").path());
            found.extend(
                paths
                    .filter(|path| path.extension().is_some_and(|e| e == "toml"))
                    .map(|path| (kind, path)),
            );
        } else {
            found.push((kind, dir.join(kind.file())));
        }
    }
    found.retain(|(_, path)| path.exists());
    found
}

/// Whoever has loaded a configuration without variables asks here that its schemas take it too.
#[track_caller]
pub fn takes(dir: &Path) {
    thread_local! {
        static VALIDATOR: Validator = Validator::new();
    }
    let faults = VALIDATOR.with(|validator| validator.faults_in(dir));
    assert_eq!(faults, [""; 0], "a schema refuses what its reader takes");
}

#[test]
fn every_schema_is_one_by_the_meta_schema_and_one_that_is_none_is_refused() {
    assert_eq!(Validator::new().of.len(), FileKind::ALL.len());
    for kind in FileKind::ALL {
        let mut schema = kind.schema().expect("a schema");
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
        schema["properties"] = json!([]);
        let refused = compile(&mut Compiler::new(), &mut Schemas::new(), kind.word(), schema).expect_err("no schema");
        assert!(refused.contains("properties"), "{refused}");
    }
}

#[test]
fn every_key_says_what_it_means() {
    fn silent(schema: &Value, path: &str, found: &mut Vec<String>) {
        match schema {
            Value::Object(entries) => {
                for (key, property) in entries
                    .get("properties")
                    .and_then(Value::as_object)
                    .into_iter()
                    .flatten()
                {
                    if property["description"].as_str().is_none_or(|text| text.len() < 4) {
                        found.push(format!("{path}/{key}"));
                    }
                }
                entries
                    .iter()
                    .for_each(|(key, inner)| silent(inner, &format!("{path}/{key}"), found));
            }
            Value::Array(items) => items.iter().for_each(|item| silent(item, path, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for kind in FileKind::ALL {
        silent(&kind.schema().expect("a schema"), kind.word(), &mut found);
    }
    assert_eq!(found, [""; 0]);
}

// ---------- What is taken

/// The configuration that has every key in every form, with the files that it names.
fn specimen() -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let from = root().join("src/config/specimen");
    let copy = |from: PathBuf, to: &str| {
        let to = dir.path().join(to);
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        std::fs::copy(&from, to).unwrap_or_else(|e| panic!("{}: {e}", from.display()));
    };
    for file in ["dondoc.toml", "agencies.toml", "calendar.toml", "terms.toml"] {
        copy(from.join(file), file);
    }
    copy(from.join("rules.toml"), "rules/rules.toml");
    for template in ["overdue-1", "cccd", "summary-office", "summary-ops"] {
        let file = format!("templates/{template}.txt.j2");
        copy(root().join("config").join(&file), &file);
    }
    let authority = rcgen::generate_simple_self_signed(["relay.dongthap.example".to_owned()]).expect("a certificate");
    let authority = authority.cert.pem();
    for (file, text) in [
        ("source.password", "mật khẩu"),
        ("store.password", "mật khẩu"),
        ("smtp.password", "mật khẩu"),
        ("http-token", "mật khẩu"),
        ("alive-url", "https://alive.dongthap.example/1"),
        ("syt.key", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="),
        ("relay-ca.pem", &authority),
        ("webhooks-ca.pem", &authority),
    ] {
        std::fs::write(dir.path().join(file), text).expect("a file");
    }
    dir
}

#[test]
fn the_configuration_with_every_key_is_a_good_one() {
    let dir = specimen();
    if let Err(problems) = load(dir.path(), std::iter::empty()) {
        panic!("{problems}");
    }
    takes(dir.path());
}

#[test]
fn what_ships_names_its_schemas_and_keeps_to_them() {
    let dir = tempfile::tempdir().expect("a folder");
    dondoc::shipped::copy(dir.path()).expect("a copy");
    takes(dir.path());
    let files = files(dir.path());
    assert!(files.len() > FileKind::ALL.len(), "{files:?}");
    for (kind, path) in files {
        let text = std::fs::read_to_string(&path).expect("a file");
        let named = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("#:schema "))
            .expect("a schema");
        let schema = std::fs::read_to_string(path.with_file_name(named)).expect("the schema beside it");
        let schema: Value = serde_json::from_str(&schema).expect("JSON");
        assert!(
            schema == kind.schema().expect("a schema"),
            "{named} is not that of {}",
            path.display()
        );
    }
}

// ---------- What is refused

const NO_DATE: &str = "2026-13-31";

/// Spoils the calendar in a way that only readers see, so that none is built: that takes longer than all else.
fn without_calendars(dir: &Path) {
    let path = dir.join("calendar.toml");
    let text = std::fs::read_to_string(&path).expect("a file");
    std::fs::write(path, text.replace("\"2026-12-31\"", &format!("{NO_DATE:?}"))).expect("a file");
}

/// The errors of a directory, without that of the spoilt calendar.
fn complaints(dir: &Path) -> Vec<String> {
    let problems = match load(dir, std::iter::empty()) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.0,
    };
    let errors = problems
        .into_iter()
        .filter(|problem| problem.severity == Severity::Error);
    let errors = errors.map(|error| error.to_string());
    errors.filter(|error| !error.contains(NO_DATE)).collect()
}

/// Mistakes as people make them: an editor marks each, and so does `check`.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("dondoc.toml", "host = \"127.0.0.1\"", "hots = \"127.0.0.1\""),
    ("dondoc.toml", "port = 25", "port = \"25\""),
    ("dondoc.toml", "port = 25", "port = 70000"),
    ("dondoc.toml", "tls = \"none\"", "tls = \"ssl\""),
    ("dondoc.toml", "tls = \"none\"", "tls = false"),
    (
        "dondoc.toml",
        "tls = \"none\"",
        "password = \"geheim\"\nusername = \"dondoc\"",
    ),
    ("dondoc.toml", "connections = 4", "connections = 0"),
    ("dondoc.toml", "locale = \"vi\"", "locale = \"vn\""),
    ("dondoc.toml", "two_digits = false", "two_digits = \"no\""),
    ("dondoc.toml", "period = \"month\"", "since = \"2021-08-01\""),
    ("dondoc.toml", "\n[source]\n", "\n[sources]\n"),
    ("dondoc.toml", "url = \"sqlite:tickets.db\"", "url = \"tickets.db\""),
    ("dondoc.toml", "time_zone = \"Asia/Ho_Chi_Minh\"", ""),
    ("dondoc.toml", "overlap = \"2m\"", "overlap = 2"),
    ("dondoc.toml", "overlap = \"2m\"", "overlap = \"2wh\""),
    ("dondoc.toml", "sweep_at = \"02:00\"", "sweep_at = \"2:00\""),
    ("dondoc.toml", "sweep_at = \"02:00\"", "sweep_at = \"26:00\""),
    ("dondoc.toml", "stale_after = \"4wh\"", "stale_after = 4"),
    ("dondoc.toml", "implausible_share = 0.5", "implausible_share = 50"),
    ("dondoc.toml", "\"đóng\" = \"closed\"", "\"đóng\" = \"close\""),
    (
        "dondoc.toml",
        "from_address = \"nhacviec@1022.dongthap.example\"",
        "from_address = \"nhacviec\"",
    ),
    ("dondoc.toml", "mode = \"shadow\"", "mode = \"shdow\""),
    ("dondoc.toml", "tag = \"1022\"", "tag = 1022"),
    ("dondoc.toml", "tag = \"1022\"", "tag = \"\""),
    ("dondoc.toml", "give_up_after = \"72h\"", "give_up_after = \"72 hours\""),
    ("dondoc.toml", "give_up_after = \"72h\"", "retry = []"),
    (
        "dondoc.toml",
        "allowed_domains = [\"dongthap.example\"]",
        "allowed_domains = \"dongthap.example\"",
    ),
    (
        "dondoc.toml",
        "allowed_domains = [\"dongthap.example\"]",
        "allowed_domains = []",
    ),
    ("dondoc.toml", "listen = \"127.0.0.1:9122\"", "listen = 9122"),
    ("dondoc.toml", "in_flight = 64", "messages_per_day = 64"),
    ("agencies.toml", "allow_top = false", "allow_top = 0"),
    ("agencies.toml", "office = \"VP\"", ""),
    (
        "agencies.toml",
        "ops = [\"vanhanh1022@dongthap.example\"]",
        "ops = \"vanhanh1022@dongthap.example\"",
    ),
    ("agencies.toml", "id = \"SNV\"", "id = \"Sở Nội vụ\""),
    ("agencies.toml", "id = \"SNV\"", ""),
    ("agencies.toml", "role = \"clerk\"", "role = \"văn thư\""),
    (
        "agencies.toml",
        "confirmed = \"2021-08-02\"",
        "confirmed = \"2/8/2021\"",
    ),
    (
        "agencies.toml",
        "confirmed = \"2021-08-02\"",
        "confirmd = \"2021-08-02\"",
    ),
    (
        "agencies.toml",
        "fields = [\"công chức\", \"thi đua\"]",
        "fields = \"công chức\"",
    ),
    (
        "calendar.toml",
        "mon = [\"07:00-11:30\", \"13:30-17:00\"]",
        "mon = \"07:00-11:30\"",
    ),
    (
        "calendar.toml",
        "mon = [\"07:00-11:30\", \"13:30-17:00\"]",
        "mon = [\"7:00-11:30\"]",
    ),
    (
        "calendar.toml",
        "mon = [\"07:00-11:30\", \"13:30-17:00\"]",
        "monday = [\"07:00-11:30\"]",
    ),
    ("calendar.toml", "\"2021-09-02\" =", "\"02-09-2021\" ="),
    ("calendar.toml", "zone = \"Asia/Ho_Chi_Minh\"", ""),
    (
        "calendar.toml",
        "\n[off]\n",
        "\n[[closure]]\nfrom = \"2024-09-09\"\nlabel = \"Ngập lụt\"\n[off]\n",
    ),
    ("terms.toml", "\nid = \"card\"\n", "\nname = \"card\"\n"),
    ("terms.toml", "\nen = \"identity cards\"", "\nfr = \"cartes\""),
    ("terms.toml", "\nen = \"identity cards\"", "\nen = []"),
    ("rules/overdue.toml", "when = \"overdue\"", "when = \"late\""),
    ("rules/overdue.toml", "when = \"overdue\"", ""),
    ("rules/overdue.toml", "after = \"1wd\"", "after = 1"),
    ("rules/overdue.toml", "after = \"1wd\"", "after = \"1 wd\""),
    (
        "rules/overdue.toml",
        "to = [\"agency:contact\"]",
        "to = \"agency:contact\"",
    ),
    (
        "rules/overdue.toml",
        "to = [\"agency:contact\"]",
        "to = [\"agncy:contact\"]",
    ),
    (
        "rules/overdue.toml",
        "to = [\"agency:contact\"]",
        "to = [\"agency:chief\"]",
    ),
    ("rules/overdue.toml", "to = [\"agency:contact\"]", "to = []"),
    (
        "rules/overdue.toml",
        "to = [\"agency:contact\"]",
        "to = [\"agency:contact\"]\nvia = [\"sms\"]",
    ),
    ("rules/overdue.toml", "template = \"overdue-1\"", ""),
    ("rules/overdue.toml", "[[rule.step]]", "[[rule.steps]]"),
    (
        "rules/cccd.toml",
        "repeat = { every = \"5wd\", times = 50 }",
        "repeat = { every = \"5wd\" }",
    ),
    (
        "rules/cccd.toml",
        "where = { category = \"cccd\", level.not = 1 }",
        "where = { catgory = \"cccd\" }",
    ),
    (
        "rules/cccd.toml",
        "where = { category = \"cccd\", level.not = 1 }",
        "where = { category = [\"cccd\"] }",
    ),
    (
        "rules/cccd.toml",
        "where = { category = \"cccd\", level.not = 1 }",
        "where = { level.not = \"1\" }",
    ),
    (
        "rules/cccd.toml",
        "where = { category = \"cccd\", level.not = 1 }",
        "where = { category.in = [\"cccd\"] }",
    ),
    (
        "rules/cccd.toml",
        "digest = { at = \"week\"",
        "digest = { at = \"month\"",
    ),
    ("rules/deadlines.toml", "pause = [\"waiting\"]", "pause = [\"open\"]"),
    ("rules/deadlines.toml", "due = \"7wd\"", "due = \"7\""),
    ("rules/summaries.toml", "at = \"Fri 15:00\"", "at = \"Friday 15:00\""),
];

#[test]
fn an_editor_marks_the_mistakes_that_people_make() {
    let dir = tempfile::tempdir().expect("a folder");
    dondoc::shipped::copy(dir.path()).expect("a copy");
    without_calendars(dir.path());
    let validator = Validator::new();
    assert_eq!(
        (validator.faults_in(dir.path()), complaints(dir.path())),
        (Vec::new(), Vec::new())
    );
    for (file, old, new) in MISTAKES {
        let path = dir.path().join(file);
        let sound = std::fs::read_to_string(&path).expect("a file");
        assert!(sound.contains(old), "{file} has no `{old}`");
        std::fs::write(&path, sound.replacen(old, new, 1)).expect("a file");
        assert!(
            !validator.faults_in(dir.path()).is_empty(),
            "the schema takes `{new}` in {file}"
        );
        assert!(!complaints(dir.path()).is_empty(), "the reader takes `{new}` in {file}");
        std::fs::write(&path, sound).expect("a file");
    }
}

/// A key or an index on the way to a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Key(String),
    Item(usize),
}

/// The ways to all values of a file.
fn ways(value: &Toml, way: &[Part], found: &mut Vec<Vec<Part>>) {
    let mut go = |part: Part, inner: &Toml| {
        let way = [way, &[part]].concat();
        found.push(way.clone());
        ways(inner, &way, found);
    };
    match value {
        Toml::Table(entries) => entries
            .iter()
            .for_each(|(key, inner)| go(Part::Key(key.clone()), inner)),
        Toml::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(at, inner)| go(Part::Item(at), inner)),
        _ => {}
    }
}

fn at<'v>(value: &'v mut Toml, way: &[Part]) -> &'v mut Toml {
    way.iter().fold(value, |value, part| match part {
        Part::Key(key) => &mut value[key.as_str()],
        Part::Item(at) => &mut value[*at],
    })
}

fn remove(value: &mut Toml, way: &[Part]) {
    let Some((last, before)) = way.split_last() else { return };
    match (at(value, before), last) {
        (Toml::Table(entries), Part::Key(key)) => drop(entries.remove(key)),
        (Toml::Array(items), Part::Item(at)) => drop(items.remove(*at)),
        (other, part) => panic!("{part:?} of {other}"),
    }
}

/// What is put in the place of each value in turn.
fn strangers() -> Vec<Toml> {
    let text = "\n a = 1\n b = 0\n c = -1\n d = 2.5\n e = true\n f = \"x\"\n g = \"\"\n h = \"5wd\"\n i = \"-2h\"\n j = \"off\"\n\
        k = \"10:00\"\n l = 2021-09-02\n m = 2021-09-02T10:00:00+07:00\n n = []\n o = [\"x\"]\n p = [1]\n q = {}\n\
        r = { x = 1 }\n s = \"id:SYT\"\n t = \"a@dongthap.example\"\n u = \"open\"\n v = [\"agency\"]\n w = [\"day\"]\n";
    let table: toml::Table = toml::from_str(text).expect("TOML");
    table.into_iter().map(|(_, value)| value).collect()
}

/// Numbers that look like chance and are the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        usize::try_from(self.0 >> 33).expect("31 bits") % most
    }
}

/// How many mutants a directory's schemas refuse, each of which its readers have to refuse too. `chosen` says how often a
/// value is put in the place of another; each may be left out as well.
fn refused_by_both(dir: &Path, chance: &mut Chance, mut chosen: impl FnMut(&mut Chance) -> usize) -> usize {
    let (validator, strangers) = (Validator::new(), strangers());
    let mut refused = 0;
    for (kind, path) in files(dir) {
        let sound = std::fs::read_to_string(&path).expect("a file");
        let whole: Toml = toml::from_str(&sound).expect("TOML");
        let mut all = Vec::new();
        ways(&whole, &[], &mut all);
        for way in all {
            let mut others: Vec<Option<&Toml>> = Vec::new();
            for at in 0..chosen(chance) {
                others.push((at > 0).then(|| &strangers[chance.below(strangers.len())]));
            }
            for other in others {
                let mut file = whole.clone();
                match other {
                    None => remove(&mut file, &way),
                    Some(stranger) => *at(&mut file, &way) = stranger.clone(),
                }
                if validator.faults(kind, &file).is_some() {
                    std::fs::write(&path, toml::to_string(&file).expect("TOML")).expect("a file");
                    let complaints = complaints(dir);
                    assert!(
                        !complaints.is_empty(),
                        "the schema of {} refuses {other:?} at {way:?}",
                        kind.file()
                    );
                    refused += 1;
                }
            }
        }
        std::fs::write(&path, sound).expect("a file");
    }
    refused
}

#[test]
fn whatever_a_schema_refuses_in_the_place_of_any_value_its_reader_refuses() {
    let (dir, mut chance) = (specimen(), Chance(2021));
    without_calendars(dir.path());
    // Each is left out, and has two strangers in its place.
    let refused = refused_by_both(dir.path(), &mut chance, |_| 3);
    assert!(refused > 500, "{refused} were refused");

    let dir = tempfile::tempdir().expect("a folder");
    dondoc::shipped::copy(dir.path()).expect("a copy");
    without_calendars(dir.path());
    // Of the many values that ship one in twenty.
    let refused = refused_by_both(
        dir.path(),
        &mut chance,
        |chance| if chance.below(20) == 0 { 2 } else { 0 },
    );
    assert!(refused > 80, "{refused} were refused");
}

#[test]
fn a_key_that_nobody_knows_is_refused_by_reader_and_schema_in_every_table() {
    let dir = specimen();
    without_calendars(dir.path());
    let validator = Validator::new();
    // Their keys are the user's.
    let own = ["status", "rating", "off", "worked", "lunar"];
    let mut tables = 0;
    for (kind, path) in files(dir.path()) {
        let sound = std::fs::read_to_string(&path).expect("a file");
        let whole: Toml = toml::from_str(&sound).expect("TOML");
        let mut all = vec![Vec::new()];
        ways(&whole, &[], &mut all);
        let mut seen: BTreeMap<Vec<Part>, ()> = BTreeMap::new();
        for way in all {
            let kinds: Vec<Part> = way
                .iter()
                .filter(|part| matches!(part, Part::Key(_)))
                .cloned()
                .collect();
            let mut file = whole.clone();
            let Toml::Table(entries) = at(&mut file, &way) else {
                continue;
            };
            let is_own = kind != FileKind::Rules
                && way
                    .last()
                    .is_some_and(|last| own.iter().any(|key| *last == Part::Key((*key).to_owned())));
            if is_own || seen.insert(kinds, ()).is_some() {
                continue;
            }
            entries.insert("zzz".to_owned(), Toml::Integer(1));
            assert!(
                validator.faults(kind, &file).is_some(),
                "the schema of {} knows {way:?} zzz",
                kind.file()
            );
            std::fs::write(&path, toml::to_string(&file).expect("TOML")).expect("a file");
            let complaints = complaints(dir.path());
            assert!(
                complaints.iter().any(|complaint| complaint.contains("`zzz` is not a ")),
                "{} {way:?}: {complaints:?}",
                kind.file()
            );
            tables += 1;
        }
        std::fs::write(&path, sound).expect("a file");
    }
    assert!(tables > 40, "{tables} tables");
}

#[test]
fn the_command_prints_a_schema_and_writes_all() {
    let (nowhere, folder) = (Path::new("/nonexistent"), tempfile::tempdir().expect("a folder"));
    let printed = dondoc(nowhere, &["schema", "rules"]);
    assert!(printed.status.success(), "{}", said(&printed));
    let dir = folder.path().join("schema");
    let written = dondoc(nowhere, &["schema", "--out", &dir.display().to_string()]);
    assert!(written.status.success(), "{}", said(&written));
    let names: Vec<String> = text(&written)
        .lines()
        .map(|line| line.rsplit('/').next().expect("a name").to_owned())
        .collect();
    let all = ["dondoc", "agencies", "calendar", "terms", "rules", "webhook"].map(|name| format!("{name}.schema.json"));
    assert_eq!(names, all);
    assert_eq!(
        std::fs::read_to_string(dir.join("rules.schema.json")).expect("a file"),
        text(&printed)
    );
    let published = std::fs::read_to_string(root().join("docs/webhook.schema.json")).expect("a file");
    assert_eq!(
        std::fs::read_to_string(dir.join("webhook.schema.json")).expect("a file"),
        published
    );
    assert_eq!(
        text(&dondoc(nowhere, &["schema", "--reference"])),
        reference().expect("a reference")
    );
    assert_eq!(dondoc(nowhere, &["schema"]).status.code(), Some(2));
    let refused = dondoc(nowhere, &["schema", "--out", "/dev/null/schema"]);
    assert_eq!((refused.status.code(), text(&refused)), (Some(1), String::new()));
    assert!(
        said(&refused).contains("/dev/null/schema cannot be made"),
        "{}",
        said(&refused)
    );
}
