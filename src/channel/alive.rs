//! The dead man's sign: a url that is asked for while all is well. Whoever watches it raises the alarm when it is not.
//!
//! The url's path is a secret, so that errors and logs name its host only. No redirect is followed and no proxy asked.

use std::fmt;
use std::time::Duration;

use reqwest::Client;
use rustls_pki_types::CertificateDer;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{http, tls};

/// How long an answer may take, from the look-up to its last byte.
const WAIT: Duration = Duration::from_secs(10);

/// Why the sign cannot be given at all.
#[derive(Debug, thiserror::Error)]
pub enum AliveError {
    #[error("ops.alive_url: {0}")]
    Tls(String),
    #[error("ops.alive_url is no url")]
    Url,
    #[error("ops.alive_url: the HTTP client cannot be made")]
    Client,
}

/// Why it was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    #[error("answered {0}")]
    Status(u16),
    #[error("no answer within {} s", WAIT.as_secs())]
    Late,
    #[error("{0}")]
    Broken(String),
}

/// The way to the one that watches.
pub struct Alive {
    client: Client,
    url: Url,
}

/// The path is a secret.
impl fmt::Debug for Alive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alive")
            .field("host", &self.host())
            .finish_non_exhaustive()
    }
}

impl Alive {
    /// Makes the client; connects to nothing.
    ///
    /// # Errors
    /// When no certificate is trusted or the url is none.
    pub fn new(url: &SecretString) -> Result<Alive, AliveError> {
        let url = Url::parse(url.expose_secret().trim()).map_err(|_| AliveError::Url)?;
        let is_plain = url.scheme() == "http";
        // On this machine nobody has to be trusted: a system without certificates serves.
        let nobody: &[CertificateDer<'static>] = &[];
        let tls = tls::client(is_plain.then_some(nobody), "SSL_CERT_FILE").map_err(AliveError::Tls)?;
        let client = http::client(tls, !is_plain)
            .timeout(WAIT)
            .pool_max_idle_per_host(0)
            .build()
            // What the library says repeats the url.
            .map_err(|_| AliveError::Client)?;
        Ok(Alive { client, url })
    }

    /// The host that is asked, which may be shown.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Says that all is well.
    ///
    /// # Errors
    /// Why that was not taken.
    pub async fn ping(&self) -> Result<(), NotTaken> {
        let mut response = self.client.get(self.url.clone()).send().await.map_err(|e| failed(&e))?;
        let status = response.status();
        http::drain(&mut response).await;
        match status.is_success() {
            true => Ok(()),
            false => Err(NotTaken::Status(status.as_u16())),
        }
    }
}

fn failed(error: &reqwest::Error) -> NotTaken {
    match error.is_timeout() {
        true => NotTaken::Late,
        false => NotTaken::Broken(http::innermost(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_of_it_names_the_host_alone() {
        let alive = Alive::new(&SecretString::from("http://127.0.0.1:1/ping/8c1f-secret")).unwrap();
        assert_eq!(format!("{alive:?}"), r#"Alive { host: "127.0.0.1", .. }"#);
    }
}
