//! The parts of a configuration as they are compared with those of the next one.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Config, TERMS};
use crate::domain::change::{Kind, Parts};
use crate::domain::directory::Unit;
use crate::domain::rule::Rule;

/// Keys of `dondoc.toml` that hold secrets: not even their hashes are kept.
const SECRETS: [&str; 3] = ["password", "token", "alive_url"];

impl Config {
    /// All parts with hashes of what they say.
    #[must_use]
    pub fn parts(&self) -> Parts {
        let mut parts = Parts::new(env!("CARGO_PKG_VERSION"));
        for rule in &self.rules.rules {
            add_rule(&mut parts, rule);
        }
        for policy in &self.rules.deadlines {
            parts.add(Kind::Deadline, &policy.id, &format!("{policy:?}"));
        }
        for rule in &self.rules.classify {
            parts.add(Kind::Classify, &rule.id, &format!("{rule:?}"));
        }
        for summary in &self.rules.summaries {
            parts.add(Kind::Summary, &summary.id, &format!("{summary:?}"));
        }
        for unit in &self.directory.units {
            add_unit(&mut parts, unit);
        }
        for s in &self.directory.successors {
            let of: Vec<&str> = s.areas.iter().chain(&s.fields).map(String::as_str).collect();
            let id = format!("{} to {} on {} {}", s.from, s.to, s.on, of.join("+"));
            parts.add(Kind::Successor, id.trim(), "");
        }
        let read = |name: &str| std::fs::read_to_string(self.dir.join(name)).unwrap_or_default();
        for name in ["calendar.toml", TERMS] {
            parts.add(Kind::Calendar, name.trim_end_matches(".toml"), &read(name));
        }
        for folder in BTreeSet::from(["", self.wording.locale.folder()]) {
            add_templates(&mut parts, &self.templates_dir.join(folder), folder);
        }
        add_settings(&mut parts, &read("dondoc.toml"));
        parts
    }
}

fn add_rule(parts: &mut Parts, rule: &Rule) {
    let steps = rule.steps.iter();
    // Under which ids it stands is no change of what it says.
    let bare = Rule {
        id: String::new(),
        was: Vec::new(),
        steps: Vec::new(),
        ..rule.clone()
    };
    let order: Vec<&str> = steps.clone().map(|s| &*s.id).collect();
    parts.add(Kind::Rule, &rule.id, &format!("{bare:?}{}", order.join(" ")));
    for step in steps {
        let id = format!("{}/{}", rule.id, step.id);
        for was in &rule.was {
            parts.was(Kind::Step, format!("{was}/{}", step.id), &id);
        }
        parts.add(Kind::Step, id, &format!("{step:?}"));
    }
    for was in &rule.was {
        parts.was(Kind::Rule, was, &rule.id);
    }
}

fn add_unit(parts: &mut Parts, unit: &Unit) {
    // Its place in the file moves with what is written before it.
    let bare = Unit {
        id: String::new(),
        was: Vec::new(),
        contacts: Vec::new(),
        endpoints: Vec::new(),
        order: 0,
        ..unit.clone()
    };
    parts.add(Kind::Unit, &unit.id, &format!("{bare:?}"));
    for was in &unit.was {
        parts.was(Kind::Unit, was, &unit.id);
    }
    for contact in &unit.contacts {
        let of = |unit: &str| format!("{unit}:{} {}", contact.desk.word(), contact.address);
        for was in &unit.was {
            parts.was(Kind::Contact, of(was), of(&unit.id));
        }
        parts.add(Kind::Contact, of(&unit.id), &format!("{contact:?}"));
    }
    for endpoint in &unit.endpoints {
        parts.add(Kind::Endpoint, &endpoint.id, &format!("{endpoint:?}"));
    }
}

/// What cannot be read has been reported.
fn add_templates(parts: &mut Parts, dir: &Path, folder: &str) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name();
        if let (Some(name), Ok(text)) = (name.to_str(), std::fs::read_to_string(entry.path())) {
            let bare = name.trim_end_matches(".j2").trim_end_matches(".txt");
            parts.add(Kind::Template, format!("{folder}{bare}"), &text);
        }
    }
}

/// The sections as the file has them.
fn add_settings(parts: &mut Parts, text: &str) {
    for (section, value) in text
        .trim_start_matches('\u{feff}')
        .parse::<toml::Table>()
        .unwrap_or_default()
    {
        let says = match value {
            toml::Value::Table(mut table) => {
                table.retain(|key, _| !SECRETS.contains(&key));
                table.to_string()
            }
            other => other.to_string(),
        };
        parts.add(Kind::Setting, section, &says);
    }
}
