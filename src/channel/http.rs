//! What all that speaks HTTP to others has in common: it asks no proxy and follows no redirect, reads little of an answer,
//! and says of a failure no more than its last cause.

use std::error::Error;

use reqwest::{Client, ClientBuilder, Response, redirect};
use rustls::ClientConfig;

/// What is read of an answer's body, so that its connection may serve again; nobody looks at it.
const MOST_BODY: usize = 16 * 1024;

/// A client that leads nowhere but where it is sent, and tries once.
pub(super) fn client(tls: ClientConfig, https_only: bool) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(https_only)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .user_agent(concat!("dondoc/", env!("CARGO_PKG_VERSION")))
}

/// Reads an answer's body, up to a bound. How it ends is of no matter.
pub(super) async fn drain(response: &mut Response) {
    let mut read = 0;
    while read < MOST_BODY
        && let Ok(Some(chunk)) = response.chunk().await
    {
        read += chunk.len();
    }
}

/// The last cause's words: the outer ones repeat the url, which may be a secret.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&e| e.source());
    causes.last().map_or_else(String::new, ToString::to_string)
}
