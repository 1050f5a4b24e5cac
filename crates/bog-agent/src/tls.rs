//! Whom the agent's connections trust: the authorities of the web as Mozilla lists them, built in, so that a machine without
//! a list of its own will do; and those of the file that `SSL_CERT_FILE` names, as for OpenSSL's programs.

use crate::environment::Environment;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// Names a file with further authorities.
const CERT_FILE: &str = "SSL_CERT_FILE";

/// Makes ring what TLS clients of this process use that do not say what; it may be called more than once.
pub fn use_ring() {
    // It fails where one is set already: the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// What a client does that trusts them.
///
/// # Errors
/// When the file cannot be used: which, and why.
pub fn client(environment: &Environment) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = environment.get(CERT_FILE) {
        let unusable = |error| format!("certificates cannot be read from `{file}`, which `{CERT_FILE}` names: {error}");
        let certificates = CertificateDer::pem_file_iter(&file).map_err(unusable)?;
        let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(unusable)?;
        // What cannot be understood is of no use to anybody: it trusts nothing more.
        let _ = roots.add_parsable_certificates(certificates);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| format!("TLS cannot be set up: {error}"))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
