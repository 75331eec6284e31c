//! Whom we trust at the other end, and how a handshake fails; the same for mail and webhooks.

use std::io;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;

use super::{Failure, FailureKind, Stage};

/// TLS that trusts these authorities, or the system's where none are given. `setting` names the place of one's own.
///
/// # Errors
/// Why no certificate could be trusted.
pub(super) fn client(authorities: Option<&[CertificateDer<'static>]>, setting: &str) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    if let Some(own) = authorities {
        for authority in own {
            roots.add(authority.clone()).map_err(|e| e.to_string())?;
        }
    } else {
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            tracing::warn!(%error, "not all certificates that this system trusts can be read");
        }
        // Systems carry some that are of no use to anybody; the others do.
        roots.add_parsable_certificates(system.certs);
        if roots.is_empty() {
            return Err(format!(
                "this system trusts no certificate: install ca-certificates or set {setting}"
            ));
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Why there is no handshake: the certificate, the other side's no, or the connection.
pub(super) fn no_handshake(error: &io::Error) -> Failure {
    let stage = Stage::Tls;
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let kind = match inner {
        Some(rustls::Error::InvalidCertificate(_)) => FailureKind::Untrusted,
        Some(rustls::Error::AlertReceived(_) | rustls::Error::PeerIncompatible(_)) => FailureKind::Refused { stage },
        Some(_) => FailureKind::Garbled { stage },
        None => FailureKind::Broken { stage },
    };
    Failure::new(kind, &error.to_string())
}
