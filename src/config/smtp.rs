//! `[smtp]`: the relay that takes our mail, how the way to it is encrypted, and our account there.

use std::net::IpAddr;
use std::path::Path;

use chrono::TimeDelta;
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use secrecy::ExposeSecret as _;

use super::database::read_secret;
use super::dondoc::AtLeastOne;
use super::mail::Address;
use super::read::{Node, Section};
use super::settings::{BounceSettings, SmtpLogin, SmtpSettings, SmtpTls};

/// Reads the table. `hello` serves where none is written; relative paths start at `dir`.
pub(super) fn read_smtp(s: &mut Section<'_>, hello: Option<String>, dir: &Path) -> Option<SmtpSettings> {
    let host = s.required::<String>("host");
    let is_near = host.as_deref().is_some_and(is_this_machine);
    let tls = s.get("tls").and_then(|node| {
        node.choice(&[
            ("none", SmtpTls::None),
            ("starttls", SmtpTls::StartTls),
            ("implicit", SmtpTls::Implicit),
        ])
    });
    let tls = tls.unwrap_or(if is_near { SmtpTls::None } else { SmtpTls::StartTls });
    let authorities = s.get("ca_file").and_then(|node| read_authorities(node, dir));
    let login = read_login(s, dir);
    if let (Some(node), Some(host)) = (s.get("host"), &host) {
        if tls != SmtpTls::None && ServerName::try_from(host.as_str()).is_err() {
            node.error(format!("`{host}` is not a name that a certificate can bear"));
        }
        if tls == SmtpTls::None && !is_near {
            warn_of_plain_way(node, host, login.is_some());
        }
    }
    let port = s.or("port", if tls == SmtpTls::Implicit { 465 } else { 25 });
    let hello = s.optional("hello").or(hello).unwrap_or_default();
    let connections = s.or("connections", AtLeastOne(4)).0 as usize;
    if let Some(node) = s.get("hello").filter(|_| !is_name(&hello)) {
        node.error(format!(
            "`{hello}` is neither a host's name nor its address; every Message-ID ends in it"
        ));
    }
    let timeout = s.or("timeout", TimeDelta::seconds(60));
    let bounces = read_bounces(s, dir);
    if let Some(node) = s.get("timeout").filter(|_| timeout > LONGEST_TIMEOUT) {
        node.error("the mail server is waited for 2 m at most for each of its answers");
    }
    Some(SmtpSettings {
        host: host?,
        port,
        tls,
        authorities,
        login,
        hello,
        connections,
        timeout,
        bounces,
    })
}

/// Longer than any relay should take; within the watchdog's time.
const LONGEST_TIMEOUT: TimeDelta = TimeDelta::minutes(2);

fn is_name(hello: &str) -> bool {
    hello.parse::<IpAddr>().is_ok() || ServerName::try_from(hello).is_ok()
}

/// Longest part before the `@` that leaves room for a token.
const MOST_LOCAL: usize = 15;

fn read_bounces(s: &mut Section<'_>, dir: &Path) -> Option<BounceSettings> {
    let maildir = s.optional::<String>("bounce_maildir").map(|path| dir.join(path));
    let suspend_for = s.or("suspend_for", TimeDelta::days(30));
    let delete = s.or("bounce_delete", false);
    let Some(node) = s.get("bounce_address") else {
        if let Some(node) = s.get("bounce_maildir") {
            node.error_hint(
                "`bounce_address` is missing, so nothing would come back there",
                "write the address whose mail goes into this maildir".to_owned(),
            );
        }
        return None;
    };
    let address = node.read::<Address>()?.0;
    let local = address.split_once('@').map_or("", |(local, _)| local);
    if local.len() > MOST_LOCAL || local.contains('+') {
        node.error_hint(
            format!("`{local}` leaves no room for what each mail's sender adds"),
            format!("write at most {MOST_LOCAL} characters before the @, and no +"),
        );
        return None;
    }
    Some(BounceSettings {
        address,
        maildir,
        suspend_for,
        delete,
    })
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Mail may go in the clear where ops wants it so; a password may not.
fn warn_of_plain_way(node: Node<'_>, host: &str, has_login: bool) {
    let hint = "write `tls = \"starttls\"` or `tls = \"implicit\"`".to_owned();
    if has_login {
        node.error_hint(format!("the password would go to `{host}` unencrypted"), hint);
    } else {
        node.warn(format!("mail goes to `{host}` unencrypted"), hint);
    }
}

/// Account and password; the one is nothing without the other.
fn read_login(s: &mut Section<'_>, dir: &Path) -> Option<SmtpLogin> {
    let username = s.get("username");
    let password = read_secret(s, ("password", "password_file"), dir);
    let has_password = s.node.has("password") || s.node.has("password_file");
    let Some(node) = username else {
        if has_password {
            s.node.error("`username` is missing, but there is a password");
        }
        return None;
    };
    if !has_password {
        node.error_hint(
            "the password is missing",
            "write `password_file`, or set DONDOC__SMTP__PASSWORD".to_owned(),
        );
    }
    let login = SmtpLogin {
        username: node.read()?,
        password: password?,
    };
    let password = login.password.expose_secret();
    // AUTH PLAIN parts its fields by NUL.
    if password.is_empty() || password.contains('\0') || login.username.contains('\0') {
        node.error("username or password is empty or holds a NUL, which no mail server takes");
        return None;
    }
    Some(login)
}

/// The certificates of a PEM file, each fit to be trusted.
pub(super) fn read_authorities(node: Node<'_>, dir: &Path) -> Option<Vec<CertificateDer<'static>>> {
    let path = dir.join(node.read::<String>()?);
    let fault = |why: String| node.error(format!("the certificates in {} cannot be read: {why}", path.display()));
    let pem = std::fs::read(&path).map_err(|e| fault(e.to_string())).ok()?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let authorities = read.map_err(|e| fault(e.to_string())).ok()?;
    let mut roots = RootCertStore::empty();
    for authority in &authorities {
        roots.add(authority.clone()).map_err(|e| fault(e.to_string())).ok()?;
    }
    if authorities.is_empty() {
        fault("there is none".to_owned());
        return None;
    }
    Some(authorities)
}
