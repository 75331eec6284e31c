//! What another configuration changes, part by part.
//!
//! Of each part only a hash of its values is kept, so that those of a process that is gone can be held against those
//! of the one that works now.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Moment;

/// What a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Rule,
    Step,
    Deadline,
    Classify,
    Summary,
    Unit,
    Contact,
    Endpoint,
    Successor,
    Calendar,
    Template,
    Setting,
}

impl Kind {
    /// The word in logs and JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Kind::Rule => "rule",
            Kind::Step => "step",
            Kind::Deadline => "deadline",
            Kind::Classify => "classify",
            Kind::Summary => "summary",
            Kind::Unit => "unit",
            Kind::Contact => "contact",
            Kind::Endpoint => "endpoint",
            Kind::Successor => "successor",
            Kind::Calendar => "calendar",
            Kind::Template => "template",
            Kind::Setting => "setting",
        }
    }
}

/// The parts of a configuration: by kind and id the hash of what each says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// Of the program, since another one may write the same values otherwise.
    version: String,
    of: BTreeMap<Kind, BTreeMap<String, String>>,
    /// Earlier ids, with the present ones.
    #[serde(skip)]
    was: BTreeMap<(Kind, String), String>,
}

/// What became of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    Added,
    Changed,
    Renamed,
    Removed,
}

impl Became {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Became::Added => "added",
            Became::Changed => "changed",
            Became::Renamed => "renamed",
            Became::Removed => "removed",
        }
    }
}

/// A part that is another than before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Part {
    pub kind: Kind,
    pub became: Became,
    pub id: String,
}

/// What a configuration changed that was taken up, and what that meant for what waited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub at: Moment,
    pub parts: Vec<Part>,
    /// Waiting notices whose rule or step is there no more.
    pub withdrawn: i64,
    /// Waiting notices of rules, steps or templates that say something else.
    pub differing: i64,
    /// Found as all tickets are evaluated again: waiting notices of which the fact no longer holds,
    pub lapsed: i64,
    /// and those whose chance to go out is at another time.
    pub moved: i64,
    /// When all tickets had been evaluated by it.
    pub evaluated_at: Option<Moment>,
}

/// Waiting notices of a rule's step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingOf {
    pub rule: String,
    pub step: String,
    pub notices: i64,
}

impl Parts {
    #[must_use]
    pub fn new(version: &str) -> Parts {
        Parts {
            version: version.to_owned(),
            ..Parts::default()
        }
    }

    /// Adds a part by what it says.
    pub fn add(&mut self, kind: Kind, id: impl Into<String>, says: &str) {
        let of_kind = self.of.entry(kind).or_default();
        of_kind.insert(id.into(), fnv(says.bytes()));
    }

    /// Under another id a part was the one that is now called so.
    pub fn was(&mut self, kind: Kind, was: impl Into<String>, now: impl Into<String>) {
        self.was.insert((kind, was.into()), now.into());
    }

    /// What is another than in the parts before; `None` where another version of the program wrote those down.
    #[must_use]
    pub fn since(&self, before: &Parts) -> Option<Vec<Part>> {
        if self.version != before.version {
            return None;
        }
        let mut changed = BTreeSet::new();
        let kinds: BTreeSet<Kind> = self.of.keys().chain(before.of.keys()).copied().collect();
        let none = BTreeMap::new();
        for kind in kinds {
            let (old, new) = (
                before.of.get(&kind).unwrap_or(&none),
                self.of.get(&kind).unwrap_or(&none),
            );
            let mut become_of = |became, id: String| changed.insert(Part { kind, became, id });
            let mut known = BTreeSet::new();
            for (id, says) in old {
                let heir = self.was.get(&(kind, id.clone())).filter(|_| !new.contains_key(id));
                let now = heir.unwrap_or(id);
                let Some(now_says) = new.get(now) else {
                    become_of(Became::Removed, id.clone());
                    continue;
                };
                known.insert(now.as_str());
                if heir.is_some() {
                    become_of(Became::Renamed, format!("{id} to {now}"));
                }
                if now_says != says {
                    become_of(Became::Changed, now.clone());
                }
            }
            for id in new.keys().filter(|id| !known.contains(id.as_str())) {
                become_of(Became::Added, id.clone());
            }
        }
        Some(changed.into_iter().collect())
    }
}

impl Change {
    /// What `parts` mean for what waits. `template` names the template of a step that is there.
    #[must_use]
    pub fn new<'a>(
        parts: Vec<Part>,
        waiting: &[WaitingOf],
        template: impl Fn(&str, &str) -> Option<&'a str>,
        at: Moment,
    ) -> Change {
        let is = |kind, became, id: &str| parts.iter().any(|p| (p.kind, p.became, &*p.id) == (kind, became, id));
        let is_withdrawn = |w: &&WaitingOf| {
            let step = format!("{}/{}", w.rule, w.step);
            is(Kind::Rule, Became::Removed, &w.rule) || is(Kind::Step, Became::Removed, &step)
        };
        let is_template_changed = |name: &str| {
            let mut templates = parts
                .iter()
                .filter(|p| p.kind == Kind::Template && p.became == Became::Changed);
            templates.any(|p| {
                let changed = p.id.rsplit('/').next().unwrap_or_default();
                changed == name || SHARED.contains(&changed)
            })
        };
        let differs = |w: &&WaitingOf| {
            let step = format!("{}/{}", w.rule, w.step);
            !is_withdrawn(w)
                && (is(Kind::Rule, Became::Changed, &w.rule)
                    || is(Kind::Step, Became::Changed, &step)
                    || template(&w.rule, &w.step).is_some_and(is_template_changed))
        };
        let count = |which: &dyn Fn(&&WaitingOf) -> bool| waiting.iter().filter(which).map(|w| w.notices).sum();
        let (withdrawn, differing) = (count(&is_withdrawn), count(&differs));
        Change {
            at,
            parts,
            withdrawn,
            differing,
            lapsed: 0,
            moved: 0,
            evaluated_at: None,
        }
    }

    /// The parts in words, a line for each kind: `rule: changed overdue; removed old`.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let kinds: BTreeSet<Kind> = self.parts.iter().map(|p| p.kind).collect();
        let line = |kind: Kind| {
            let of_kind = || self.parts.iter().filter(move |p| p.kind == kind);
            let became: BTreeSet<Became> = of_kind().map(|p| p.became).collect();
            let lists = became.into_iter().map(|became| {
                let ids: Vec<&str> = of_kind().filter(|p| p.became == became).map(|p| &*p.id).collect();
                let more = match ids.len().saturating_sub(SHOWN) {
                    0 => String::new(),
                    n => format!(" and {n} more"),
                };
                format!("{} {}{more}", became.word(), ids[..ids.len().min(SHOWN)].join(", "))
            });
            format!("{}: {}", kind.word(), lists.collect::<Vec<_>>().join("; "))
        };
        kinds.into_iter().map(line).collect()
    }

    /// What becomes of what waits, in words.
    #[must_use]
    pub fn notices(&self) -> String {
        format!(
            "of what waits {} notices are withdrawn and {} are told otherwise; {} hold no more, {} go out at another time",
            self.withdrawn, self.differing, self.lapsed, self.moved
        )
    }
}

/// Templates that every letter goes through.
const SHARED: [&str; 3] = ["digest", "digest.html", "words"];

/// How many ids a line shows.
const SHOWN: usize = 12;

/// FNV-1a: small, stable between builds, and no secret depends on it.
#[must_use]
pub fn fnv(bytes: impl Iterator<Item = u8>) -> String {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    format!("{:016x}", bytes.fold(0xcbf2_9ce4_8422_2325, mix))
}
