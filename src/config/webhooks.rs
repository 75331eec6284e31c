//! `[webhooks]` of `dondoc.toml`, and the endpoints that units have in `agencies.toml` with the keys that sign for them.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::agencies::read_validity;
use super::database::read_secret_file;
use super::dondoc::AtLeastOne;
use super::problem::Place;
use super::read::{Id, Node, Read, Section};
use super::settings::{NoWay, WebhookSettings};
use super::shape::{self, Shape, Written};
use super::smtp::read_authorities;
use crate::domain::directory::Endpoint;

/// The shortest key that Standard Webhooks allows, in bytes.
const SHORTEST_KEY: usize = 24;

/// What holds without the table.
pub(super) fn by_default() -> WebhookSettings {
    WebhookSettings {
        allowed_private: Vec::new(),
        timeout: TimeDelta::seconds(20),
        in_flight: 32,
        disable_after: TimeDelta::days(5),
        authorities: None,
        keys: HashMap::new(),
    }
}

pub(super) fn read_webhooks(s: &mut Section<'_>, dir: &Path) -> WebhookSettings {
    let default = by_default();
    WebhookSettings {
        allowed_private: s.or("allowed_private", default.allowed_private),
        timeout: s.or("timeout", default.timeout),
        in_flight: s.or("in_flight", AtLeastOne(32)).0 as usize,
        disable_after: s.or("disable_after", default.disable_after),
        authorities: s.get("ca_file").and_then(|node| read_authorities(node, dir)),
        keys: default.keys,
    }
}

impl Written for IpNet {
    fn written(&self) -> serde_json::Value {
        self.to_string().written()
    }
}

impl Read for IpNet {
    fn shape() -> Shape {
        Shape::Like(shape::NETWORK)
    }

    /// A network, or a single address.
    fn read(node: Node<'_>) -> Option<Self> {
        let text = String::read(node)?;
        let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        match net {
            Ok(net) if net.trunc() == net => Some(net),
            Ok(net) => {
                node.error_hint(
                    format!("`{text}` is an address within a network"),
                    format!("write `{}` or `{}`", net.trunc(), net.addr()),
                );
                None
            }
            Err(_) => {
                node.error_hint(
                    format!("`{text}` is not a network"),
                    "write one such as `10.20.0.0/16` or `fd00::/8`".to_owned(),
                );
                None
            }
        }
    }
}

/// What the endpoints of all units are held against, and their keys.
pub(super) struct Endpoints<'a> {
    settings: &'a WebhookSettings,
    dir: &'a Path,
    seen: BTreeMap<String, Place>,
    /// By endpoint, the newest first.
    pub(super) keys: HashMap<String, Vec<SecretString>>,
}

impl<'a> Endpoints<'a> {
    pub(super) fn new(settings: &'a WebhookSettings, dir: &'a Path) -> Endpoints<'a> {
        Endpoints {
            settings,
            dir,
            seen: BTreeMap::new(),
            keys: HashMap::new(),
        }
    }

    fn read(&mut self, s: &mut Section<'_>) -> Option<Endpoint> {
        let id = s.required::<Id>("id").map(|id| id.0);
        if let (Some(id), Some(node)) = (&id, s.get("id")) {
            if let Some(first) = self.seen.get(id) {
                node.error(format!("the webhook id `{id}` is already used at {first}"));
            } else {
                self.seen.insert(id.clone(), node.place());
            }
        }
        let url = s.needed("url").and_then(|node| read_url(node, self.settings));
        let keys = s
            .needed("key_files")
            .map_or_else(Vec::new, |node| read_keys(node, self.dir));
        let (from, until) = read_validity(s, "from", "until");
        let window = s.or("window", false);
        let id = id?;
        self.keys.insert(id.clone(), keys);
        Some(Endpoint {
            id,
            url: url?,
            from,
            until,
            window,
        })
    }
}

/// `webhooks` of a unit.
pub(super) fn read_endpoints(s: &mut Section<'_>, all: &mut Endpoints<'_>) -> Vec<Endpoint> {
    let items = s.items("webhooks");
    items
        .into_iter()
        .filter_map(|node| node.table(|s| all.read(s)).flatten())
        .collect()
}

/// The place to post to. What its name means is looked up, and held against the rules, at each post.
fn read_url(node: Node<'_>, settings: &WebhookSettings) -> Option<String> {
    let text = node.read_like(shape::URL)?;
    let url = Url::parse(&text)
        .map_err(|e| node.error_hint(format!("this is no url: {e}"), "write `https://HOST/PATH`".to_owned()))
        .ok()?;
    if url.fragment().is_some() {
        node.error_hint(
            "what comes after `#` never reaches the other side",
            "remove it".to_owned(),
        );
        return None;
    }
    if let Err(no_way) = settings.admits_url(&url) {
        let hint = match no_way {
            NoWay::User => "remove it: the receiver knows us by our signature",
            NoWay::Address(_) => "list its network in `webhooks.allowed_private` if it may be posted to",
            NoWay::Clear(_) => "write `https://`; `http://` is for this machine itself, by its address",
        };
        node.error_hint(no_way.to_string(), hint.to_owned());
        return None;
    }
    Some(url.into())
}

fn read_keys(node: Node<'_>, dir: &Path) -> Vec<SecretString> {
    let items = node.items();
    if node.lacks_items() {
        node.error_hint("there is no key to sign with", "name a file in `key_files`".to_owned());
    }
    items.into_iter().filter_map(|item| read_key(item, dir)).collect()
}

/// One key of Standard Webhooks: base64, with or without `whsec_`.
fn read_key(node: Node<'_>, dir: &Path) -> Option<SecretString> {
    let secret = read_secret_file(node, dir)?;
    let text = secret.expose_secret().trim();
    let text = text.strip_prefix("whsec_").unwrap_or(text);
    let fault = match STANDARD.decode(text) {
        Ok(key) if key.len() >= SHORTEST_KEY => return Some(SecretString::from(text)),
        Ok(key) => format!("has {} bytes, which is less than {SHORTEST_KEY}", key.len()),
        Err(_) => "is not base64".to_owned(),
    };
    node.error_hint(
        format!("the key in {} {fault}", node.as_text().unwrap_or_default()),
        "`openssl rand -base64 32` makes one".to_owned(),
    );
    None
}
