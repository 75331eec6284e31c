//! Addresses, and where mail may go: to the domains that ops listed, and to no free mail provider.

use super::problem::resembling;
use super::read::{Node, Read};
use super::shape::{self, Shape};

/// Personal boxes are not for state business (`domain.md` §6.3 names the orders); a listed domain cannot lift this.
const FREE_MAIL: [&str; 24] = [
    "gmail.com",
    "googlemail.com",
    "yahoo.com",
    "yahoo.com.vn",
    "ymail.com",
    "rocketmail.com",
    "outlook.com",
    "outlook.com.vn",
    "hotmail.com",
    "live.com",
    "msn.com",
    "icloud.com",
    "me.com",
    "mac.com",
    "proton.me",
    "protonmail.com",
    "pm.me",
    "zoho.com",
    "aol.com",
    "gmx.com",
    "gmx.net",
    "mail.com",
    "mail.ru",
    "yandex.com",
];

/// An address in plain ASCII, in lower case after the `@`.
#[derive(Debug, Clone)]
pub(super) struct Address(pub(super) String);

impl Address {
    fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl Read for Address {
    fn shape() -> Shape {
        Shape::Like(shape::ADDRESS)
    }

    fn read(node: Node<'_>) -> Option<Self> {
        let text = String::read(node)?;
        let address = text.split_once('@').and_then(|(local, domain)| {
            let domain = domain_name(domain)?;
            is_local_part(local).then(|| Address(format!("{local}@{domain}")))
        });
        if address.is_none() {
            node.error(format!("`{text}` is not a mail address"));
        }
        address
    }
}

fn is_local_part(local: &str) -> bool {
    let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    local.len() <= 64 && local.split('.').all(|part| !part.is_empty() && part.chars().all(atom))
}

/// The name in lower case, where it is one with at least two labels.
fn domain_name(text: &str) -> Option<String> {
    let label = |label: &str| {
        let plain = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        plain && !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    };
    (text.contains('.') && text.len() <= 253 && text.split('.').all(label)).then(|| text.to_ascii_lowercase())
}

/// An official address in its usual form, under one of the domains.
///
/// # Errors
/// Why it is none, and what to do.
pub fn official(text: &str, domains: &[String]) -> Result<String, (String, String)> {
    let address = text
        .split_once('@')
        .filter(|(local, _)| is_local_part(local))
        .and_then(|(local, domain)| Some((local, domain_name(domain)?)));
    let Some((local, domain)) = address else {
        let hint = "write it in plain letters, such as vanthu@syt.dongthap.example";
        return Err((format!("`{text}` is not a mail address"), hint.to_owned()));
    };
    if let Some(provider) = free_provider(&domain) {
        let message = format!("`{text}` is at the free mail provider {provider}");
        return Err((message, "use the official mailbox".to_owned()));
    }
    if !domains.iter().any(|listed| is_or_is_under(&domain, listed)) {
        let message = format!("`{text}` is outside the mail domains ({})", domains.join(", "));
        let hint = "give its domain with --mail-domain if mail may go to it";
        return Err((message, hint.to_owned()));
    }
    Ok(format!("{local}@{domain}"))
}

/// A domain that mail may go to, as `delivery.allowed_domains` takes it.
///
/// # Errors
/// Why it is none.
pub fn mail_domain(text: &str) -> Result<String, String> {
    let name = domain_name(text).ok_or_else(|| format!("`{text}` is not a domain such as dongthap.example"))?;
    match free_provider(&name) {
        Some(provider) => Err(format!("`{provider}` is a free mail provider; mail does not go there")),
        None => Ok(name),
    }
}

fn is_or_is_under(domain: &str, of: &str) -> bool {
    domain == of || domain.strip_suffix(of).is_some_and(|rest| rest.ends_with('.'))
}

fn free_provider(domain: &str) -> Option<&'static str> {
    FREE_MAIL.into_iter().find(|provider| is_or_is_under(domain, provider))
}

/// A domain that mail may go to, subdomains included.
#[derive(Debug, Clone)]
pub(super) struct Domain(String);

impl Read for Domain {
    fn shape() -> Shape {
        Shape::Like(shape::DOMAIN)
    }

    fn read(node: Node<'_>) -> Option<Self> {
        let text = String::read(node)?;
        let Some(name) = domain_name(&text) else {
            let hint = text
                .strip_prefix("*.")
                .map(|bare| format!("write `{bare}`; its subdomains are included"));
            node.error_hint(format!("`{text}` is not a domain"), hint);
            return None;
        };
        if let Some(provider) = free_provider(&name) {
            node.error(format!("`{provider}` is a free mail provider; mail does not go there"));
            return None;
        }
        Some(Domain(name))
    }
}

/// `delivery.allowed_domains`.
#[derive(Debug, Clone, Default)]
pub(super) struct MailDomains {
    /// `None` where the list could not be read: then addresses are not held against it.
    allowed: Option<Vec<String>>,
}

impl MailDomains {
    pub(super) fn new(domains: Vec<Domain>) -> Self {
        let allowed = Some(domains.into_iter().map(|d| d.0).collect::<Vec<_>>()).filter(|list| !list.is_empty());
        MailDomains { allowed }
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.allowed.clone().unwrap_or_default()
    }

    /// Notes a box at a free provider. True where there is nothing to note.
    pub(super) fn refuse_free_mail(&self, node: Node<'_>, address: &Address) -> bool {
        let provider = free_provider(address.domain());
        if let Some(provider) = provider {
            node.error_hint(
                format!("`{}` is at the free mail provider {provider}", address.0),
                "use the official mailbox".to_owned(),
            );
        }
        provider.is_none()
    }

    /// A recipient's address, where it is one that mail may go to.
    pub(super) fn recipient(&self, node: Node<'_>) -> Option<String> {
        let address: Address = node.read()?;
        if !self.refuse_free_mail(node, &address) {
            return None;
        }
        let Some(allowed) = &self.allowed else {
            return Some(address.0);
        };
        let domain = address.domain();
        if allowed.iter().any(|listed| is_or_is_under(domain, listed)) {
            return Some(address.0);
        }
        // Domains of one country are all alike at their ends, so only a near miss is one.
        let hint = resembling(domain, allowed.iter().map(String::as_str), 0.8)
            .unwrap_or_else(|| "list its domain there if mail may go to it".to_owned());
        node.error_hint(format!("`{}` is outside `delivery.allowed_domains`", address.0), hint);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subdomains_are_included_and_lookalikes_are_not() {
        assert!(is_or_is_under("dongthap.example", "dongthap.example"));
        assert!(is_or_is_under("syt.dongthap.example", "dongthap.example"));
        assert!(!is_or_is_under("evil-dongthap.example", "dongthap.example"));
        assert!(!is_or_is_under("example", "dongthap.example"));
    }

    #[test]
    fn free_mail_is_known_under_its_subdomains_too() {
        assert_eq!(free_provider("gmail.com"), Some("gmail.com"));
        assert_eq!(free_provider("mail.yahoo.com.vn"), Some("yahoo.com.vn"));
        assert_eq!(free_provider("notgmail.com"), None);
    }

    #[test]
    fn local_parts_and_domains_are_plain() {
        assert!(is_local_part("van.thu+1022"));
        assert!(!is_local_part("van..thu"));
        assert!(!is_local_part("văn.thư"));
        assert!(!is_local_part("a b"));
        assert_eq!(domain_name("DongThap.Example").as_deref(), Some("dongthap.example"));
        assert_eq!(domain_name("localhost"), None);
        assert_eq!(domain_name("a.-b.example"), None);
    }
}
