//! `[webhooks]` of the daemon's settings.

use crate::units::ByteSize;
use serde::Deserialize;

/// What holds for all requests that fire triggers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The longest body.
    pub max_body: ByteSize,
    /// Requests a second to one path.
    pub rate: u32,
    /// Requests a second to a path that takes some without a signature.
    pub public_rate: u32,
    /// Requests to one path at the same time.
    pub max_concurrent: u32,
    /// Names, besides this machine's, under which requests without a signature are taken.
    pub hosts: Vec<String>,
    /// The login under which agents write to GitHub.
    pub github_login: Option<String>,
}

/// Longest body that may be allowed, in bytes: every one is held in memory and kept in the ledger.
const MAX_BODY: u64 = 16 << 20;

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_body: ByteSize::new(1 << 20),
            rate: 10_000,
            public_rate: 10,
            max_concurrent: 128,
            hosts: Vec::new(),
            github_login: None,
        }
    }
}

impl Settings {
    /// Finds what is out of its range.
    ///
    /// # Errors
    /// Which key, and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=MAX_BODY).contains(&self.max_body.bytes()) {
            return Err(format!("`webhooks.max_body` is {}: from 1 to {MAX_BODY} bytes are allowed", self.max_body));
        }
        let numbers = [("rate", self.rate), ("public_rate", self.public_rate), ("max_concurrent", self.max_concurrent)];
        match numbers.into_iter().find(|(_, number)| *number == 0) {
            Some((key, _)) => Err(format!("`webhooks.{key}` is 0, which lets nothing through: at least 1")),
            None => Ok(()),
        }
    }
}
