//! Signed HTTP requests, as written.

use crate::overlap::Overlap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Signed HTTP requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookSpec {
    /// Its id; hashed from its identifying fields where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The path under the daemon's address.
    pub path: String,
    /// Name of the environment variable that holds the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_env: Option<String>,
    /// Name of the variable that holds the secret before it, which opens too while senders change over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_env_previous: Option<String>,
    /// How requests are signed; `github` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<WebhookScheme>,
    /// An expression that must hold for an event to fire; the others are recorded as filtered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Must be true for `scheme: none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<bool>,
    /// Its own overlap policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
}

/// How webhook requests are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookScheme {
    /// `X-Hub-Signature-256`.
    Github,
    /// Standard Webhooks.
    Standard,
    /// Slack's signing secret.
    Slack,
    /// Stripe's signatures.
    Stripe,
    /// GitLab's token.
    Gitlab,
    /// Not at all.
    None,
}
