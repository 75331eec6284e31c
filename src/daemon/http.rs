//! Three pages for monitoring: `/healthz`, `/readyz` and `/metrics`. They show counts and reasons, never a ticket.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State as Shared};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;

use super::DaemonError;
use super::state::State;

/// What Prometheus is told that the metrics are.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, DaemonError> {
    let listen = |error| DaemonError::Listen { address, error };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let bound = listener.local_addr().map_err(listen)?;
    tracing::info!(address = %bound, "listening for /healthz, /readyz and /metrics");
    Ok(listener)
}

/// Serves for as long as the process lives; what it returns says why it could not.
pub(super) async fn serve(listener: TcpListener, token: Option<SecretString>, state: Arc<State>) -> String {
    let pages = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(state)
        .layer(middleware::from_fn_with_state(token.map(Arc::new), let_in));
    match axum::serve(listener, pages).await {
        Ok(()) => "the pages are not served any more".to_owned(),
        Err(error) => format!("the pages are not served any more: {error}"),
    }
}

/// Lets a request in that shows the token, where there is one.
async fn let_in(Shared(token): Shared<Option<Arc<SecretString>>>, request: Request, next: Next) -> Response {
    if let Some(token) = token {
        let shown = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        // Digests are compared: how long that takes says nothing of the token.
        let is_it = shown.is_some_and(|shown| Sha256::digest(shown) == Sha256::digest(token.expose_secret()));
        if !is_it {
            return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response();
        }
    }
    next.run(request).await
}

async fn healthz(Shared(state): Shared<Arc<State>>) -> Response {
    page(state.health())
}

async fn readyz(Shared(state): Shared<Arc<State>>) -> Response {
    page(state.readiness())
}

fn page(well: Result<(), String>) -> Response {
    match well {
        Ok(()) => "ok\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn metrics(Shared(state): Shared<Arc<State>>) -> Response {
    match state.metrics_text() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
