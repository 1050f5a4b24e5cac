//! Whom connections of this program trust: the certificate authorities of the web as Mozilla lists them, built in, and
//! those of a file. One TLS implementation for all of them: rustls with ring.

use crate::env;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// Names a file with further certificate authorities, as for OpenSSL's programs.
const CERT_FILE: &str = "SSL_CERT_FILE";

/// The certificates in a file and in the one that `SSL_CERT_FILE` names.
///
/// # Errors
/// Says which file cannot be used and why.
pub fn extra_roots(file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, String> {
    let named = env::var(CERT_FILE).filter(|path| !path.is_empty()).map(|path| env::expand_home(&path));
    let mut roots = Vec::new();
    for path in file.map(Path::to_owned).into_iter().chain(named) {
        let unusable = |error| format!("certificates cannot be read from `{}`: {error}", path.display());
        let certificates = CertificateDer::pem_file_iter(&path).map_err(unusable)?;
        roots.extend(certificates.collect::<Result<Vec<_>, _>>().map_err(unusable)?);
    }
    Ok(roots)
}

/// What a client does that trusts these besides the usual ones.
///
/// # Errors
/// When rustls does not take it.
pub fn client(extra: Vec<CertificateDer<'static>>) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    // What cannot be understood is of no use to anybody: it trusts nothing more.
    let _ = roots.add_parsable_certificates(extra);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
