//! Hands a letter in. Everything before the letter itself may be tried again without a thought; once the letter is on its
//! way and nobody answers, nobody knows.

use super::settings::{Security, Settings};
use crate::outputs::http;
use crate::tls;
use bog_domain::delivery::Attempted;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// Takes a letter to the server.
pub(super) async fn send(
    settings: &Settings,
    login: Option<(String, SecretString)>,
    letter: &lettre::Message,
    how: &http::Settings,
) -> Result<(), Attempted> {
    let to = format!("{}:{}", settings.host, settings.port);
    let late = |what: &str| format!("{to}: {what} within {:?}", how.timeout);
    let connecting = tokio::time::timeout(how.timeout, connect(settings, login, how));
    let mut connection = match connecting.await {
        Ok(Ok(connection)) => connection,
        Ok(Err(failure)) => return Err(failure.attempted(&to)),
        Err(_) => return Err(Attempted::Passing { error: late("not ready"), retry_after: None }),
    };
    let written = letter.formatted();
    match tokio::time::timeout(how.timeout, connection.send(letter.envelope(), &written)).await {
        Ok(Ok(_)) => {
            // The letter is theirs already.
            let _ = tokio::time::timeout(Duration::from_secs(1), connection.quit()).await;
            Ok(())
        }
        Ok(Err(error)) if error.status().is_some() => Err(Failure::Smtp(error).attempted(&to)),
        Ok(Err(error)) => {
            Err(Attempted::Unknown { error: format!("{to}: the letter was sent, but no answer came: {error}") })
        }
        Err(_) => Err(Attempted::Unknown { error: late("the letter was sent, but no answer came") }),
    }
}

/// Why there is no connection.
enum Failure {
    Smtp(Error),
    Tls(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Smtp(error)
    }
}

impl Failure {
    /// What the server refuses for good, and what it cannot do, does not pass; all else may.
    fn attempted(self, to: &str) -> Attempted {
        match self {
            Self::Smtp(error) if error.is_permanent() || error.is_client() => {
                Attempted::Permanent { error: format!("{to}: {error}") }
            }
            Self::Smtp(error) => Attempted::Passing { error: format!("{to}: {error}"), retry_after: None },
            Self::Tls(error) => Attempted::Passing { error: format!("{to}: {error}"), retry_after: None },
        }
    }
}

async fn connect(
    settings: &Settings,
    login: Option<(String, SecretString)>,
    how: &http::Settings,
) -> Result<AsyncSmtpConnection, Failure> {
    let name = ClientId::default();
    let server = (settings.host.as_str(), settings.port);
    let tls = match settings.security {
        Security::None => None,
        Security::Starttls | Security::Implicit => Some(parameters(&settings.host, how)?),
    };
    let first = tls.clone().filter(|_| settings.security == Security::Implicit);
    let mut connection = AsyncSmtpConnection::connect_tokio1(server, Some(how.timeout), &name, first, None).await?;
    if let (Some(tls), Security::Starttls) = (tls, settings.security) {
        connection.starttls(tls, &name).await?;
    }
    if let Some((user, password)) = login {
        let credentials = Credentials::new(user, password.expose_secret().to_owned());
        connection.auth(DEFAULT_MECHANISMS, &credentials).await?;
    }
    Ok(connection)
}

fn parameters(host: &str, how: &http::Settings) -> Result<TlsParameters, Failure> {
    let mut builder = TlsParameters::builder(host.to_owned()).certificate_store(CertificateStore::WebpkiRoots);
    for root in tls::extra_roots(how.ca_file.as_deref()).map_err(Failure::Tls)? {
        builder = builder.add_root_certificate(Certificate::from_der(root.to_vec())?);
    }
    Ok(builder.build_rustls()?)
}
