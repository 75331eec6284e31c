//! `terms.toml`: what things are called, in each language and at each date.

use std::collections::BTreeMap;

use super::agencies::read_validity;
use super::read::{Id, Node, Section};
use crate::domain::directory::Dated;
use crate::domain::wording::{Locale, Terms};

pub(super) fn read(root: Node<'_>) -> Terms {
    let mut terms = Terms::default();
    let mut ids = BTreeMap::new();
    root.table(|file| {
        for node in file.items("term") {
            node.table(|s| read_term(s, &mut terms, &mut ids));
        }
    });
    terms
}

fn read_term(s: &mut Section<'_>, terms: &mut Terms, ids: &mut BTreeMap<String, super::problem::Place>) {
    let id = s.required::<Id>("id").map(|id| id.0);
    let mut is_named = false;
    for locale in Locale::ALL {
        let Some(node) = s.get(locale.word()) else { continue };
        is_named = true;
        if let Some(id) = &id {
            terms.insert(id, locale, read_names(node));
        }
    }
    if !is_named {
        let hint = "write `vi = \"…\"`, `en = \"…\"` or both".to_owned();
        s.node.error_hint("the term has no name", hint);
    }
    let (Some(id), Some(node)) = (id, s.get("id")) else {
        return;
    };
    if let Some(first) = ids.get(&id) {
        node.error(format!("the term id `{id}` is already used at {first}"));
    } else {
        ids.insert(id, node.place());
    }
}

/// One name for all time, or a list of dated ones.
fn read_names(node: Node<'_>) -> Vec<Dated<String>> {
    if node.is_text() {
        let always = |value| Dated {
            value,
            from: None,
            until: None,
        };
        return node.read().map(always).into_iter().collect();
    }
    let dated = |s: &mut Section<'_>| {
        let value = s.required::<String>("name");
        let (from, until) = read_validity(s, "from", "until");
        Some(Dated {
            value: value?,
            from,
            until,
        })
    };
    let items = node.items();
    if node.lacks_items() {
        node.error("the list of names is empty");
    }
    items
        .into_iter()
        .filter_map(|item| item.table(dated).flatten())
        .collect()
}
