//! Where a database is, and secrets: both may be named in a file, neither is ever shown whole.

use std::path::Path;

use secrecy::SecretString;
use url::Url;

use super::read::{Node, Section};
use super::settings::{Database, Server};
use super::shape;

/// Reads `url` with `password` or `password_file`. `default` serves where no `url` is written.
pub(super) fn read_database(s: &mut Section<'_>, dir: &Path, default: Option<Database>) -> Option<Database> {
    let password = read_secret(s, ("password", "password_file"), dir);
    let node = if default.is_none() {
        s.needed("url")
    } else {
        s.get("url")
    };
    let Some(node) = node else { return default };
    let text = node.read_like(shape::DATABASE)?;
    let Some((scheme, rest)) = text.split_once(':') else {
        return not_a_database(node, &text);
    };
    match scheme {
        "sqlite" => {
            // `sqlite:tickets.db`, `sqlite://tickets.db` and `sqlite:///var/lib/tickets.db`.
            let path = rest.strip_prefix("//").unwrap_or(rest);
            if path.is_empty() {
                return not_a_database(node, &text);
            }
            Some(Database::Sqlite(dir.join(path)))
        }
        "postgres" | "postgresql" => Some(Database::Postgres(read_server(node, &text, password)?)),
        "mysql" | "mariadb" => Some(Database::MySql(read_server(node, &text, password)?)),
        _ => not_a_database(node, &text),
    }
}

fn not_a_database(node: Node<'_>, text: &str) -> Option<Database> {
    node.error_hint(
        format!("`{text}` is not the place of a database"),
        "write `sqlite:PATH`, `postgres://USER@HOST/NAME` or `mysql://USER@HOST/NAME`".to_owned(),
    );
    None
}

fn read_server(node: Node<'_>, text: &str, password: Option<SecretString>) -> Option<Server> {
    // Its scheme is one word to us; the drivers know each of theirs only.
    let plain = text.replacen("mariadb:", "mysql:", 1);
    let url = Url::parse(&plain)
        .map_err(|e| node.error(format!("the place of the database cannot be read: {e}")))
        .ok()?;
    if url.password().is_some() || url.query_pairs().any(|(key, _)| key == "password") {
        // The text itself is not repeated: it holds the password.
        node.error_hint(
            "a password does not stand in the url",
            "write `password_file`, or give it by a variable".to_owned(),
        );
        return None;
    }
    if url.path().trim_matches('/').is_empty() {
        node.error_hint(
            format!("`{text}` does not name a database"),
            "write its name after the host, such as `postgres://dondoc@localhost/dondoc`".to_owned(),
        );
        return None;
    }
    Some(Server { url, password })
}

/// A secret from a variable (`keys.0`) or from a file that `keys.1` names; both is a fault. A file's last line break does
/// not belong to it.
pub(super) fn read_secret(s: &mut Section<'_>, keys: (&'static str, &'static str), dir: &Path) -> Option<SecretString> {
    let (direct, by_file) = (s.variable(keys.0), s.get(keys.1));
    match (direct, by_file) {
        (None, None) => None,
        (Some(node), Some(_)) => {
            node.error_hint(
                format!("`{}` and `{}` are both given", keys.0, keys.1),
                "keep one of them".to_owned(),
            );
            None
        }
        (Some(node), None) => match node.variable_text() {
            Some(text) => Some(SecretString::from(text)),
            None => {
                node.error_hint(
                    format!("`{}` stands in a file that others read", keys.0),
                    format!("write `{}`, or give it by a variable", keys.1),
                );
                None
            }
        },
        (None, Some(node)) => read_secret_file(node, dir),
    }
}

/// The secret in the file that a value names.
pub(super) fn read_secret_file(node: Node<'_>, dir: &Path) -> Option<SecretString> {
    let path = dir.join(node.read::<String>()?);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            node.error(format!("the secret in {} cannot be read: {error}", path.display()));
            return None;
        }
    };
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() {
        node.error(format!("{} is empty", path.display()));
        return None;
    }
    Some(SecretString::from(secret))
}
