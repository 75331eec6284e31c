//! `agencies.toml`: the units, how they are named, whom they belong to, who reads their mail, and who comes after them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use chrono::NaiveDate;
use secrecy::SecretString;

use super::calendars::{self, UnitHours};
use super::mail::MailDomains;
use super::problem::did_you_mean;
use super::read::{Id, Node, Section};
use super::settings::WebhookSettings;
use super::webhooks::{Endpoints, read_endpoints};
use crate::domain::directory::{Absence, Base, Contact, Dated, Deputy, Desk, Directory, Role, Successor, Unit};
use crate::domain::text::fold;

/// What `agencies.toml` says.
pub(super) struct AgenciesFile {
    pub directory: Directory,
    /// Units with office hours of their own.
    pub hours: BTreeMap<String, UnitHours>,
    /// The keys of each endpoint by its id, the newest first.
    pub keys: HashMap<String, Vec<SecretString>>,
}

/// The places of a unit that later checks need.
struct Entry<'a> {
    node: Node<'a>,
    unit: Unit,
}

/// Reads the file. `webhooks` says where may be posted to; key files start at `dir`.
pub(super) fn read(
    root: Node<'_>,
    domains: &MailDomains,
    webhooks: &WebhookSettings,
    dir: &Path,
) -> Option<AgenciesFile> {
    root.table(|file| {
        let patterns = calendars::read_named_hours(file.items("hours"));
        let mut hours = BTreeMap::new();
        let mut links = Vec::new();
        let mut endpoints = Endpoints::new(webhooks, dir);
        let mut entries = Vec::new();
        for (order, node) in file.items("unit").into_iter().enumerate() {
            let unit = node.table(|s| {
                let unit = read_unit(s, order, domains, &mut endpoints, &mut links)?;
                if let Some(own) = s.get("hours").and_then(|n| calendars::read_unit_hours(n, &patterns)) {
                    hours.insert(unit.id.clone(), own);
                }
                Some(unit)
            });
            entries.extend(unit.flatten().map(|unit| Entry { node, unit }));
        }
        let successors: Vec<Successor> = file
            .items("successor")
            .into_iter()
            .filter_map(|n| n.table(|s| read_successor(s, &mut links)).flatten())
            .collect();
        let mut named = |key| {
            let id = file.required::<String>(key);
            links.extend(file.get(key).zip(id.clone()));
            id.unwrap_or_default()
        };
        let (root, office) = (named("root"), named("office"));
        let ops = read_ops(file, domains);
        let allow_top = file.or("allow_top", false);

        let ids_are_sound = check_ids(&entries);
        check_links(&links, &entries);
        check_parents(&entries, &root);
        check_reach(&entries, &root, &office, &successors, file);
        if ids_are_sound {
            warn_of_shared_words(&entries);
        }
        let units = entries.into_iter().map(|entry| entry.unit).collect();
        AgenciesFile {
            directory: Directory::new(units, successors, root, office, ops, allow_top),
            hours,
            keys: endpoints.keys,
        }
    })
}

/// Names of units that stand somewhere in the file, to be looked up when all units are known.
type Links<'a> = Vec<(Node<'a>, String)>;

fn read_unit<'a>(
    s: &mut Section<'a>,
    order: usize,
    domains: &MailDomains,
    endpoints: &mut Endpoints<'a>,
    links: &mut Links<'a>,
) -> Option<Unit> {
    let id = s.required::<Id>("id").map(|id| id.0);
    let was = s.or::<Vec<Id>>("was", Vec::new()).into_iter().map(|id| id.0).collect();
    let names = read_dated(s, "name", "names", "name", &mut Vec::new());
    if names.is_empty() {
        s.node.error_hint(
            "the unit has no name",
            "write `name = \"…\"`, or `names` where it changed over time".to_owned(),
        );
    }
    let parents = read_dated(s, "parent", "parents", "unit", links);
    let (valid_from, valid_until) = read_validity(s, "valid_from", "valid_until");
    let external = s.or("external", false);
    let contacts: Vec<Contact> = s
        .items("contacts")
        .into_iter()
        .filter_map(|n| n.table(|c| read_contact(c, domains)).flatten())
        .collect();
    if let Some(node) = s.get("contacts").filter(|_| external && !contacts.is_empty()) {
        node.error_hint(
            "an external unit is never mailed",
            "remove its contacts, or `external`".to_owned(),
        );
    }
    let absences = s
        .items("absences")
        .into_iter()
        .filter_map(|n| n.table(|a| read_absence(a, domains, links)).flatten())
        .collect();
    let endpoints = read_endpoints(s, endpoints);
    if let Some(node) = s.get("webhooks").filter(|_| external && !endpoints.is_empty()) {
        node.error_hint(
            "an external unit is told nothing",
            "remove its webhooks, or `external`".to_owned(),
        );
    }
    Some(Unit {
        id: id?,
        was,
        names,
        short: s.optional("short"),
        aliases: s.or("aliases", Vec::new()),
        parents,
        areas: s.or("areas", Vec::new()),
        fields: s.or("fields", Vec::new()),
        contacts,
        absences,
        endpoints,
        valid_from,
        valid_until,
        external,
        order,
    })
}

/// Either one value for all time (`single = "…"`), or a list of dated ones whose value stands under `inner`.
fn read_dated<'a>(
    s: &mut Section<'a>,
    single: &'static str,
    list: &'static str,
    inner: &'static str,
    links: &mut Links<'a>,
) -> Vec<Dated<String>> {
    let always = s.get(single).and_then(|node| Some((node, node.read::<String>()?)));
    let dated = s.items(list);
    if let (Some((node, _)), false) = (&always, dated.is_empty()) {
        node.error(format!("`{single}` and `{list}` cannot both be given"));
    }
    let mut values: Vec<Dated<String>> = Vec::new();
    if let Some((node, value)) = always {
        links.push((node, value.clone()));
        values.push(Dated {
            value,
            from: None,
            until: None,
        });
    }
    for node in dated {
        let value = node.table(|s| {
            let value = s.required::<String>(inner);
            links.extend(s.get(inner).zip(value.clone()));
            let (from, until) = read_validity(s, "from", "until");
            Some(Dated {
                value: value?,
                from,
                until,
            })
        });
        values.extend(value.flatten());
    }
    values
}

/// A half-open interval of dates, which must not be empty.
pub(super) fn read_validity(
    s: &mut Section<'_>,
    from_key: &'static str,
    until_key: &'static str,
) -> (Option<NaiveDate>, Option<NaiveDate>) {
    let (from, until) = (s.optional::<NaiveDate>(from_key), s.optional::<NaiveDate>(until_key));
    if let (Some(start), Some(end), Some(node)) = (from, until, s.get(until_key))
        && end <= start
    {
        node.error_hint(
            format!("`{until_key}` {end} is not after `{from_key}` {start}"),
            "the last day itself is not part of it".to_owned(),
        );
    }
    (from, until)
}

fn read_contact(s: &mut Section<'_>, domains: &MailDomains) -> Option<Contact> {
    let desk = s.needed("role").and_then(|node| node.choice(&DESKS));
    let address = s.needed("address").and_then(|node| domains.recipient(node));
    let (from, until) = read_validity(s, "from", "until");
    let (confirmed, suspended_until) = (s.optional("confirmed"), s.optional("suspended_until"));
    Some(Contact {
        desk: desk?,
        address: address?,
        from,
        until,
        confirmed,
        suspended_until,
    })
}

/// The deputy is an address, or the desk of a unit as in a step: `id:SXD:head`.
fn read_absence<'a>(s: &mut Section<'a>, domains: &MailDomains, links: &mut Links<'a>) -> Option<Absence> {
    let desk = s.needed("role").and_then(|node| node.choice(&DESKS));
    let (from, until) = (s.required("from"), s.required("until"));
    // The interval is held against the calendar as others are.
    read_validity(s, "from", "until");
    let node = s.needed("deputy");
    let deputy = node.and_then(|node| match node.as_text() {
        Some(text) if text.contains('@') => domains.recipient(node).map(|address| Deputy::Address {
            address,
            suspended_until: None,
        }),
        _ => match node.read::<Role>()? {
            Role {
                base: Base::Unit(unit),
                desk,
            } => {
                links.push((node, unit.clone()));
                Some(Deputy::Desk { unit, desk })
            }
            other => {
                node.error_hint(
                    format!("`{other}` does not name a deputy"),
                    "write an address, or a desk such as `id:SXD:head`".to_owned(),
                );
                None
            }
        },
    });
    Some(Absence {
        desk: desk?,
        from: from?,
        until: until?,
        deputy: deputy?,
    })
}

const DESKS: [(&str, Desk); 3] = [("contact", Desk::Contact), ("clerk", Desk::Clerk), ("head", Desk::Head)];

fn read_successor<'a>(s: &mut Section<'a>, links: &mut Links<'a>) -> Option<Successor> {
    let mut unit = |key| {
        let id = s.required::<String>(key);
        links.extend(s.get(key).zip(id.clone()));
        id
    };
    let (from, to) = (unit("from"), unit("to"));
    let on = s.required("on");
    if let (true, Some(node)) = (from.is_some() && from == to, s.get("to")) {
        node.error("a unit cannot succeed itself");
    }
    let (fields, areas) = (s.or("fields", Vec::new()), s.or("areas", Vec::new()));
    Some(Successor {
        from: from?,
        on: on?,
        fields,
        areas,
        to: to?,
    })
}

fn read_ops(file: &mut Section<'_>, domains: &MailDomains) -> Vec<String> {
    let Some(node) = file.needed("ops") else {
        return Vec::new();
    };
    if let Some(address) = node.as_text() {
        node.error_hint("expected a list of addresses", format!("write `ops = [\"{address}\"]`"));
        return Vec::new();
    }
    let items = node.items();
    if node.lacks_items() {
        node.error("ops need an address: they are told what can reach nobody else");
    }
    items.into_iter().filter_map(|item| domains.recipient(item)).collect()
}

/// Whether every id, past ones included, is one unit's.
fn check_ids(entries: &[Entry<'_>]) -> bool {
    let mut sound = true;
    let mut seen: BTreeMap<&str, Node<'_>> = BTreeMap::new();
    for entry in entries {
        for id in std::iter::once(&entry.unit.id).chain(&entry.unit.was) {
            if let Some(first) = seen.insert(id, entry.node) {
                entry
                    .node
                    .error(format!("the unit id `{id}` is already used at {}", first.place()));
                seen.insert(id, first);
                sound = false;
            }
        }
    }
    sound
}

/// Ids that units have or had.
fn ids<'e>(entries: &'e [Entry<'_>]) -> BTreeSet<&'e str> {
    entries
        .iter()
        .flat_map(|e| std::iter::once(&e.unit.id).chain(&e.unit.was))
        .map(String::as_str)
        .collect()
}

fn check_links(links: &Links<'_>, entries: &[Entry<'_>]) {
    let ids = ids(entries);
    for (node, id) in links.iter().filter(|(_, id)| !ids.contains(id.as_str())) {
        node.error_hint(
            format!("no unit has the id `{id}`"),
            did_you_mean(id, ids.iter().copied()),
        );
    }
}

/// Parents may not run in a circle, whatever their dates.
fn check_parents(entries: &[Entry<'_>], root: &str) {
    let by_id: BTreeMap<&str, &Unit> = entries.iter().map(|e| (e.unit.id.as_str(), &e.unit)).collect();
    for entry in entries {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = entry.unit.parents.iter().map(|p| p.value.as_str()).collect();
        while let Some(id) = open.pop() {
            if reached.insert(id) {
                open.extend(
                    by_id
                        .get(id)
                        .into_iter()
                        .flat_map(|u| &u.parents)
                        .map(|p| p.value.as_str()),
                );
            }
        }
        if reached.contains(entry.unit.id.as_str()) {
            entry
                .node
                .error(format!("`{}` is among its own parents", entry.unit.id));
        } else if reached.is_empty() && entry.unit.id != root && !entry.unit.external {
            entry.node.warn(
                format!(
                    "`{}` has no parent, so nobody answers for it when it ends",
                    entry.unit.id
                ),
                "write `parent = \"…\"`".to_owned(),
            );
        }
    }
}

/// Who has to be reachable, and is not.
fn check_reach(entries: &[Entry<'_>], root: &str, office: &str, successors: &[Successor], file: &mut Section<'_>) {
    for Entry { node, unit } in entries {
        if unit.contacts.is_empty() && !node.has("contacts") && !unit.external && unit.id != root {
            node.warn(
                format!("`{}` has no contact; what concerns it goes to ops", unit.id),
                "write `contacts = [{ role = \"contact\", address = \"…\" }]`".to_owned(),
            );
        }
        let outlived = |s: &&Successor| {
            s.from == unit.id
                && unit
                    .valid_until
                    .is_some_and(|until| s.on < until && s.fields.is_empty() && s.areas.is_empty())
        };
        if let Some(early) = successors.iter().find(outlived) {
            node.warn(
                format!("`{}` is succeeded wholly on {}, before its last day", unit.id, early.on),
                None,
            );
        }
    }
    let found = entries.iter().find(|e| e.unit.id == office).map(|e| &e.unit);
    if let (Some(unit), Some(node)) = (found, file.get("office")) {
        if unit.external {
            node.error("the office cannot be an external unit: those are never mailed");
        }
        if office == root {
            node.error("the office cannot be the root: letters to it would go to the head of the province");
        }
    }
}

/// Words that could mean two units which exist at one time. The source's tickets with such a word reach neither.
fn warn_of_shared_words(entries: &[Entry<'_>]) {
    let mut users: BTreeMap<String, Vec<(&Entry<'_>, &str)>> = BTreeMap::new();
    for entry in entries {
        let mut own = BTreeSet::new();
        for word in entry.unit.words() {
            let folded = fold(word);
            if own.insert(folded.clone()) {
                users.entry(folded).or_default().push((entry, word));
            }
        }
    }
    for sharers in users.values() {
        for (at, (entry, word)) in sharers.iter().enumerate() {
            let earlier = sharers
                .iter()
                .take(at)
                .find(|(other, _)| overlap(&entry.unit, &other.unit));
            if let Some((other, _)) = earlier {
                let (one, two) = (&other.unit.id, &entry.unit.id);
                entry.node.warn(
                    format!("`{word}` could mean `{one}` and `{two}`; tickets with that word reach neither"),
                    "give one of them another name, or dates".to_owned(),
                );
            }
        }
    }
}

fn overlap(one: &Unit, two: &Unit) -> bool {
    let before = |a: &Unit, b: &Unit| matches!((a.valid_until, b.valid_from), (Some(end), Some(start)) if end <= start);
    !before(one, two) && !before(two, one)
}
