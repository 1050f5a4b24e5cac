//! Where the daemon listens and what lets us in.

use super::ClientError;
use crate::env;
use reqwest::Url;
use secrecy::SecretString;
use std::path::Path;

/// Overrides where the daemon is looked for.
pub const URL_VARIABLE: &str = "BOG_DAEMON_URL";

/// Overrides the token file.
pub const TOKEN_VARIABLE: &str = "BOG_DAEMON_TOKEN";

/// Where the daemon of a data folder listens.
#[derive(Debug, Clone)]
pub struct Address {
    /// Its root, without a path.
    pub url: Url,
    /// Whether the user named it (`BOG_DAEMON_URL`), instead of the daemon itself.
    pub named: bool,
}

impl Address {
    /// Looks for it: in `BOG_DAEMON_URL`, else in the data folder's `daemon.addr`.
    ///
    /// # Errors
    /// When there is none, or it is no address.
    pub fn find(data_dir: &Path) -> Result<Self, ClientError> {
        if let Some(text) = env::var(URL_VARIABLE).filter(|text| !text.is_empty()) {
            let url = parse(&text, || format!("`{URL_VARIABLE}`"))?;
            return Ok(Self { url, named: true });
        }
        let file = data_dir.join("daemon.addr");
        let text = std::fs::read_to_string(&file).map_err(|_| ClientError::NoAddress)?;
        let url = parse(text.trim(), || format!("`{}`", file.display()))?;
        Ok(Self { url, named: false })
    }

    /// Whether anybody listens there.
    pub async fn answers(&self) -> bool {
        let Ok(addresses) = self.url.socket_addrs(|| None) else { return false };
        for address in addresses {
            let attempt = tokio::net::TcpStream::connect(address);
            if matches!(tokio::time::timeout(super::http::CONNECT_TIMEOUT, attempt).await, Ok(Ok(_))) {
                return true;
            }
        }
        false
    }
}

/// The token: from `BOG_DAEMON_TOKEN`, else from the data folder's `.token`.
pub(super) fn token(data_dir: &Path) -> Result<SecretString, ClientError> {
    if let Some(token) = env::var(TOKEN_VARIABLE).filter(|token| !token.is_empty()) {
        return Ok(SecretString::from(token));
    }
    let path = data_dir.join(".token");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(SecretString::from(text.trim())),
        Err(error) => Err(ClientError::NoToken { path, error }),
    }
}

fn parse(text: &str, source_name: impl Fn() -> String) -> Result<Url, ClientError> {
    let wrong = || ClientError::BadAddress { address: text.chars().take(200).collect(), source_name: source_name() };
    let mut url = Url::parse(text).map_err(|_| wrong())?;
    if url.scheme() != "http" || url.host().is_none() || !matches!(url.path(), "" | "/") || url.query().is_some() {
        return Err(wrong());
    }
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_with_nothing_behind_it() {
        let parse = |text| parse(text, || "`here`".to_owned()).map(String::from);
        assert_eq!(parse("http://127.0.0.1:7391").unwrap(), "http://127.0.0.1:7391/");
        assert_eq!(parse("http://[::1]:7391/").unwrap(), "http://[::1]:7391/");
        for wrong in ["", "7391", "localhost:7391", "https://127.0.0.1:7391", "http://127.0.0.1/jobs", "http://h/?a=b"]
        {
            assert_eq!(
                parse(wrong).unwrap_err().to_string(),
                format!("`{wrong}` in `here` is not a daemon's address: it looks like `http://127.0.0.1:7391`")
            );
        }
    }
}
