//! `[outputs]` of `config.toml`: how results are delivered, whatever job they are of.

use bog_domain::units::Span;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// How results are delivered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutputSettings {
    /// Whether names in URLs may lead to this machine and into private networks.
    pub allow_private: bool,
    /// A PEM file with certificate authorities to be trusted besides the usual ones.
    pub ca_file: Option<PathBuf>,
    /// How long one request and its answer, or one step of sending a mail, may take.
    pub timeout: Span,
    /// Base of Slack's API, a URL.
    #[serde(deserialize_with = "base")]
    pub slack_api_url: String,
    /// Base of GitHub's API, for outputs that name none, a URL.
    #[serde(deserialize_with = "base")]
    pub github_api_url: String,
}

impl Default for OutputSettings {
    fn default() -> Self {
        Self {
            allow_private: false,
            ca_file: None,
            timeout: Span::new(Duration::from_secs(30)),
            slack_api_url: "https://slack.com/api".to_owned(),
            github_api_url: "https://api.github.com".to_owned(),
        }
    }
}

impl OutputSettings {
    /// Refuses what no delivery could go through with.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.timeout.duration().is_zero() {
            return Err("`outputs.timeout` is 0: nothing would ever be delivered; the default is `30s`".to_owned());
        }
        Ok(())
    }
}

fn base<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let written = String::deserialize(deserializer)?;
    match Url::parse(&written) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(written),
        Ok(_) | Err(_) => {
            Err(D::Error::custom(format!("`{written}` is not a URL: it begins with `https://` or `http://`")))
        }
    }
}
