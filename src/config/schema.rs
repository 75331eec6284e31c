//! The JSON Schema of each file, and the reference of all keys. Both are made of what the readers ask for while they read
//! the specimen: a configuration that has every key in every form, with what it means above it.
//!
//! A schema takes every file that the readers take, perhaps more: what hangs on other values, on other files or on what
//! is in the world is for `check`. Three things are forgiven by readers alone: blanks around a text, invisible characters in
//! it, and that a variable gives what `dondoc.toml` lacks.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::mail::MailDomains;
use super::read::Findings;
use super::rules::{Known, RuleFiles};
use super::shape::{Drawing, Forms, Key, LIKES, Like, Shape, Spot, Table};
use super::{File, agencies, calendars, dondoc, terms, webhooks};
use crate::domain::wording::Locale;

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    Dondoc,
    Agencies,
    Calendar,
    Terms,
    Rules,
}

impl FileKind {
    pub const ALL: [FileKind; 5] = [
        FileKind::Dondoc,
        FileKind::Agencies,
        FileKind::Calendar,
        FileKind::Terms,
        FileKind::Rules,
    ];

    /// The word by which its schema is called.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            FileKind::Dondoc => "dondoc",
            FileKind::Agencies => "agencies",
            FileKind::Calendar => "calendar",
            FileKind::Terms => "terms",
            FileKind::Rules => "rules",
        }
    }

    /// Which files are of this kind.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            FileKind::Dondoc => "dondoc.toml",
            FileKind::Agencies => "agencies.toml",
            FileKind::Calendar => "calendar.toml",
            FileKind::Terms => "terms.toml",
            FileKind::Rules => "rules/*.toml",
        }
    }

    fn specimen(self) -> &'static str {
        match self {
            FileKind::Dondoc => include_str!("specimen/dondoc.toml"),
            FileKind::Agencies => include_str!("specimen/agencies.toml"),
            FileKind::Calendar => include_str!("specimen/calendar.toml"),
            FileKind::Terms => include_str!("specimen/terms.toml"),
            FileKind::Rules => include_str!("specimen/rules.toml"),
        }
    }

    /// The JSON Schema (draft 7) of a file.
    ///
    /// # Errors
    /// When the readers ask for something that the specimen does not show.
    pub fn schema(self) -> Result<Value, Incomplete> {
        Ok(Drawn::complete(self)?.schema())
    }
}

/// The reference of all files in Markdown: a table for each section.
///
/// # Errors
/// When the readers ask for something that the specimen does not show.
pub fn reference() -> Result<String, Incomplete> {
    let mut text = String::from(INTRODUCTION);
    for Like { what, such_as, .. } in LIKES {
        let such_as: Vec<String> = such_as.iter().map(|text| format!("`{text}`")).collect();
        let _ = writeln!(text, "| {what} | {} |", such_as.join(", "));
    }
    for kind in FileKind::ALL {
        Drawn::complete(kind)?.reference(&mut text);
    }
    Ok(text)
}

const INTRODUCTION: &str = "# Configuration\n\n\
    Made from what the program reads, by `dondoc schema --reference`. A configuration is a directory with these files and \
    `templates/`. A key that is left out has the default that stands here; one that is required may be left to a variable. \
    `dondoc check` says everything that is wrong; with the JSON Schemas of `schema/` an editor of TOML (Taplo, Even Better \
    TOML) says what it can see while one writes, and what each key means.\n\n\
    Texts of a certain writing:\n\n| type | such as |\n|---|---|\n";

/// The specimen lacks something that readers ask for: keys, the meaning of keys, forms of values.
#[derive(Debug, thiserror::Error)]
#[error("the specimen of {file} is incomplete: {}", gaps.join("; "))]
pub struct Incomplete {
    file: &'static str,
    gaps: Vec<String>,
}

/// A file's specimen as it was read.
struct Drawn {
    kind: FileKind,
    drawing: Drawing,
    lines: Vec<&'static str>,
}

impl Drawn {
    /// With everything that a reader asks for.
    fn complete(kind: FileKind) -> Result<Drawn, Incomplete> {
        let drawn = Drawn {
            kind,
            drawing: draw(kind),
            lines: kind.specimen().lines().collect(),
        };
        let mut gaps = Vec::new();
        drawn.find_gaps(Drawing::ROOT, "", &mut gaps);
        for (name, spot) in drawn.drawing.named() {
            drawn.find_gaps(spot, name, &mut gaps);
        }
        if gaps.is_empty() {
            return Ok(drawn);
        }
        let file = kind.file();
        Err(Incomplete { file, gaps })
    }

    fn find_gaps(&self, spot: Spot, path: &str, gaps: &mut Vec<String>) {
        let forms = self.drawing.forms(spot);
        gaps.extend(forms.gaps().into_iter().map(|gap| format!("{path}: {gap}")));
        let inner = |spot: Option<Spot>, gaps: &mut Vec<String>| {
            if let Some(spot) = spot {
                self.find_gaps(spot, &format!("{path}[]"), gaps);
            }
        };
        inner(forms.item, gaps);
        inner(forms.map.map(|(entry, _)| entry), gaps);
        for key in forms.table.iter().flat_map(|table| &table.keys) {
            let path = format!("{path}.{}", key.name);
            if key.lines.is_empty() {
                gaps.push(format!("{path}: it stands nowhere"));
            } else if self.meaning(key).is_none() {
                gaps.push(format!("{path}: no comment says what it means"));
            }
            self.find_gaps(key.spot, &path, gaps);
        }
    }

    /// What the first comment says that stands right above a line which the key begins.
    fn meaning(&self, key: &Key) -> Option<String> {
        key.lines.iter().find_map(|line| self.comment(*line, key.name))
    }

    fn comment(&self, line: usize, key: &str) -> Option<String> {
        let (before, line) = self.lines.split_at_checked(line.checked_sub(1)?)?;
        let name = match line.first()?.trim_start_matches('[').split_once([' ', ']']) {
            Some((path, _)) if line.first()?.starts_with('[') => path.split('.').find(|part| *part == key)?,
            Some((path, _)) => path.split('.').next()?,
            None => return None,
        };
        let comment: Vec<&str> = before.iter().rev().map_while(|line| line.strip_prefix('#')).collect();
        (name == key && !comment.is_empty()).then(|| joined(comment.into_iter().rev()))
    }

    /// The comment at the head of the file.
    fn about(&self) -> String {
        joined(self.lines.iter().map_while(|line| line.strip_prefix('#')))
    }

    /// The keys of a table in the order of the specimen.
    fn keys<'t>(&self, table: &'t Table) -> Vec<&'t Key> {
        let mut keys: Vec<&Key> = table.keys.iter().collect();
        keys.sort_by_key(|key| key.lines.first());
        keys
    }
}

fn joined<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.map(str::trim).collect::<Vec<_>>().join(" ")
}

/// Has the file's own reader read its specimen. What it finds wrong is that the files which it names are not there.
fn draw(kind: FileKind) -> Drawing {
    let dir = Path::new("specimen");
    let findings = Findings::drawing();
    if let Some(file) = File::of(kind.file(), kind.specimen(), None, &findings) {
        let root = file.root(&findings);
        match kind {
            FileKind::Dondoc => drop(dondoc::read(root, dir)),
            FileKind::Agencies => drop(agencies::read(
                root,
                &MailDomains::default(),
                &webhooks::by_default(),
                dir,
            )),
            FileKind::Calendar => drop(calendars::read(root)),
            FileKind::Terms => drop(terms::read(root)),
            FileKind::Rules => {
                let known = Known {
                    directory: None,
                    templates: None,
                    locale: Locale::default(),
                };
                RuleFiles::default().read(root, &known);
            }
        }
    }
    findings.drawn().unwrap_or_default()
}

// ---------- JSON Schema

impl Drawn {
    fn schema(&self) -> Value {
        let mut schema = match self.form(Drawing::ROOT) {
            Value::Object(schema) => schema,
            _ => Map::new(),
        };
        schema.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
        schema.insert("title".into(), self.kind.file().into());
        schema.insert("description".into(), self.about().into());
        let named = self.drawing.named();
        if !named.is_empty() {
            let each = named.into_iter().map(|(name, spot)| (name.to_owned(), self.form(spot)));
            schema.insert("definitions".into(), Value::Object(each.collect()));
        }
        schema.into()
    }

    fn form(&self, spot: Spot) -> Value {
        let forms = self.drawing.forms(spot);
        let mut all: Vec<Value> = forms.shapes().iter().map(shape).collect();
        all.extend(
            forms
                .name
                .map(|name| json!({ "$ref": format!("#/definitions/{name}") })),
        );
        if let Some(item) = forms.item {
            if forms.or_item {
                all.push(self.form(item));
            }
            let mut list = json!({ "type": "array", "items": self.form(item) });
            if forms.needs_items {
                list["minItems"] = 1.into();
            }
            all.push(list);
        }
        all.extend(forms.table.as_ref().map(|table| self.table(table)));
        if let Some((entry, names)) = forms.map {
            let mut map = json!({ "type": "object", "additionalProperties": self.form(entry) });
            if let Some(names) = names {
                map["propertyNames"] = json!({ "pattern": names.pattern });
            }
            all.push(map);
        }
        any_of(all)
    }

    fn table(&self, table: &Table) -> Value {
        let properties = table.keys.iter().map(|key| (key.name.to_owned(), self.property(key)));
        let properties: Map<String, Value> = properties.collect();
        let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
        let needed: Vec<&str> = self
            .keys(table)
            .iter()
            .filter(|key| table.needs(key))
            .map(|key| key.name)
            .collect();
        if !needed.is_empty() {
            schema["required"] = needed.into();
        }
        schema
    }

    fn property(&self, key: &Key) -> Value {
        let mut property = self.form(key.spot);
        // In draft 7 nothing counts beside a reference.
        if property.get("$ref").is_some() {
            property = json!({ "allOf": [property] });
        }
        if let Some(meaning) = self.meaning(key) {
            property["description"] = meaning.into();
        }
        if let Some(default) = &key.default {
            property["default"] = default.clone();
        }
        if let Some(example) = key
            .example
            .clone()
            .filter(|_| !self.drawing.forms(key.spot).is_closed())
        {
            property["examples"] = json!([example]);
        }
        property
    }
}

fn any_of(mut all: Vec<Value>) -> Value {
    if all.len() == 1 {
        all.remove(0)
    } else {
        json!({ "anyOf": all })
    }
}

fn shape(shape: &Shape) -> Value {
    match shape {
        Shape::Text => json!({ "type": "string", "pattern": "\\S" }),
        Shape::Like(like) => json!({ "type": "string", "pattern": like.pattern }),
        Shape::Words(words) => json!({ "type": "string", "enum": words }),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Whole { least, most } => {
            let mut schema = json!({ "type": "integer" });
            if *least > i64::MIN {
                schema["minimum"] = (*least).into();
            }
            if *most < i64::MAX {
                schema["maximum"] = (*most).into();
            }
            schema
        }
        Shape::Number { above, most } => {
            let mut schema = json!({ "type": "number" });
            if *above > f64::MIN {
                schema["exclusiveMinimum"] = (*above).into();
            }
            if *most < f64::MAX {
                schema["maximum"] = (*most).into();
            }
            schema
        }
        Shape::List(item) => json!({ "type": "array", "items": self::shape(item) }),
        Shape::Either(shapes) => any_of(shapes.iter().map(self::shape).collect()),
    }
}

// ---------- The reference

impl Drawn {
    fn reference(&self, text: &mut String) {
        let _ = write!(text, "\n## {}\n\n{}\n", self.kind.file(), self.about());
        self.describe(Drawing::ROOT, "", text);
        for (name, spot) in self.drawing.named() {
            let _ = write!(text, "\n### {}: {}\n", self.kind.word(), plain_name(name));
            self.describe(spot, "", text);
        }
    }

    /// The table of a table's keys, then the tables below it.
    fn describe(&self, spot: Spot, path: &str, text: &mut String) {
        let forms = self.drawing.forms(spot);
        text.push_str("\n| key | type | default | what it means |\n|---|---|---|---|\n");
        if let Some((entry, names)) = forms.map {
            let name = names.map_or("a word of the source", |like| like.what);
            let _ = writeln!(text, "| {} | {} | – | |", cell(name), cell(&self.type_of(entry)));
        }
        let Some(table) = &forms.table else { return };
        let keys = self.keys(table);
        for key in &keys {
            let default = match &key.default {
                _ if table.needs(key) => "required".to_owned(),
                Some(default) if *default != json!([]) => {
                    format!("`{}`", default.to_string().replace("\",\"", "\", \""))
                }
                _ => "–".to_owned(),
            };
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} |",
                key.name,
                cell(&self.type_of(key.spot)),
                cell(&default),
                cell(&self.meaning(key).unwrap_or_default())
            );
        }
        for key in keys {
            let path = if path.is_empty() {
                key.name.to_owned()
            } else {
                format!("{path}.{}", key.name)
            };
            self.describe_below(key.spot, &path, false, self.meaning(key).unwrap_or_default(), text);
        }
    }

    /// The tables that a value may be, or hold.
    fn describe_below(&self, spot: Spot, path: &str, listed: bool, meaning: String, text: &mut String) {
        let forms = self.drawing.forms(spot);
        if let Some(item) = forms.item {
            self.describe_below(item, path, true, meaning.clone(), text);
        }
        let deeper = forms
            .map
            .filter(|(entry, _)| self.drawing.forms(*entry).table.is_some());
        if let Some((entry, names)) = deeper {
            let name = names.map_or("NAME", |like| like.what).to_uppercase();
            self.describe_below(entry, &format!("{path}.{name}"), false, meaning, text);
        } else if forms.table.is_some() || forms.map.is_some() {
            let heading = if listed {
                format!("[[{path}]]")
            } else {
                format!("[{path}]")
            };
            let _ = write!(text, "\n### {}: `{heading}`\n\n{meaning}\n", self.kind.word());
            self.describe(spot, path, text);
        }
    }

    fn type_of(&self, spot: Spot) -> String {
        let forms = self.drawing.forms(spot);
        let mut all: Vec<String> = forms.shapes().iter().map(type_of_shape).collect();
        all.extend(forms.name.map(|name| format!("{}, see below", plain_name(name))));
        if let Some(item) = forms.item {
            let item = self.type_of(item);
            if forms.or_item {
                all.push(item.clone());
            }
            all.push(format!("list: {item}"));
        }
        if forms.table.is_some() || forms.map.is_some() {
            all.push("table, see below".to_owned());
        }
        alternatives(all)
    }
}

fn alternatives(mut all: Vec<String>) -> String {
    all.dedup();
    all.join(" or ")
}

fn plain_name(name: &str) -> String {
    name.replace('_', " ")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn type_of_shape(shape: &Shape) -> String {
    match shape {
        Shape::Text => "text".to_owned(),
        Shape::Like(Like { what, .. }) => (*what).to_owned(),
        Shape::Words(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            let one_of = if words.len() > 1 { "one of " } else { "" };
            format!("{one_of}{}", words.join(", "))
        }
        Shape::Flag => "`true` or `false`".to_owned(),
        Shape::Whole { least, most } if least == most => format!("`{least}`"),
        Shape::Whole { least: 1, .. } => "whole number from 1 on".to_owned(),
        Shape::Whole { least: 0, .. } => "whole number from 0 on".to_owned(),
        Shape::Whole { .. } => "whole number".to_owned(),
        Shape::Number { above, most } if *most < f64::MAX => format!("number above {above}, up to {most}"),
        Shape::Number { .. } => "number".to_owned(),
        Shape::List(item) => format!("list: {}", type_of_shape(item)),
        Shape::Either(shapes) => alternatives(shapes.iter().map(type_of_shape).collect()),
    }
}

impl Forms {
    /// The forms of plain values; all words that may stand there are one form.
    fn shapes(&self) -> Vec<Shape> {
        let mut words: Vec<String> = Vec::new();
        let mut others = Vec::new();
        for shape in &self.shapes {
            match shape {
                Shape::Words(more) => words.extend(
                    more.iter()
                        .filter(|word| !words.contains(word))
                        .cloned()
                        .collect::<Vec<_>>(),
                ),
                other => others.push(other.clone()),
            }
        }
        let words = (!words.is_empty()).then_some(Shape::Words(words));
        words.into_iter().chain(others).collect()
    }

    /// Whether an example would say no more than the form itself.
    fn is_closed(&self) -> bool {
        let closed = |shape: &Shape| matches!(shape, Shape::Words(_) | Shape::Flag);
        !self.shapes.is_empty() && self.shapes.iter().all(closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specimen_has_all_that_readers_ask_for() {
        let missing: Vec<String> = FileKind::ALL
            .into_iter()
            .filter_map(|kind| Some(Drawn::complete(kind).err()?.to_string()))
            .collect();
        assert_eq!(missing, [""; 0]);
    }
}
