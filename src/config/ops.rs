//! `[ops]`: what those who run dondoc hear of it, when, and by which other way where a mail cannot carry it.

use std::net::IpAddr;
use std::path::Path;

use chrono::TimeDelta;
use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

use super::database::read_secret;
use super::read::Section;
use super::settings::OpsSettings;

pub(super) fn by_default() -> OpsSettings {
    OpsSettings {
        tell: true,
        at_any_hour: false,
        source_down_after: TimeDelta::minutes(15),
        command: Vec::new(),
        alive_url: None,
        alive_every: TimeDelta::minutes(5),
    }
}

pub(super) fn read_ops(s: &mut Section<'_>, dir: &Path) -> OpsSettings {
    let default = by_default();
    OpsSettings {
        tell: s.or("tell", default.tell),
        at_any_hour: s.or("at_any_hour", default.at_any_hour),
        source_down_after: s.or("source_down_after", default.source_down_after),
        command: s.or("command", default.command),
        alive_url: read_alive_url(s, dir),
        alive_every: s.or("alive_every", default.alive_every),
    }
}

/// A url whose path lets anybody say that all is well: a secret. `https`, or `http` to this machine by its address.
fn read_alive_url(s: &mut Section<'_>, dir: &Path) -> Option<SecretString> {
    let secret = read_secret(s, ("alive_url", "alive_url_file"), dir)?;
    let may_be_asked = Url::parse(secret.expose_secret().trim()).is_ok_and(|url| {
        let address: Option<IpAddr> = match url.host() {
            Some(Host::Ipv4(ip)) => Some(ip.into()),
            Some(Host::Ipv6(ip)) => Some(ip.into()),
            _ => None,
        };
        match url.scheme() {
            "https" => true,
            "http" => address.is_some_and(|ip| ip.is_loopback()),
            _ => false,
        }
    });
    if let (false, Some(node)) = (may_be_asked, s.get("alive_url").or(s.get("alive_url_file"))) {
        // The text itself is not repeated.
        node.error_hint(
            "the url that is asked for while all is well cannot be used",
            "it begins with `https://`, or with `http://` and an address of this machine such as 127.0.0.1".to_owned(),
        );
        return None;
    }
    Some(secret)
}
