//! An e-mail, as written.

use super::{DeliverWhen, DeliveryRetrySpec};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An e-mail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailSpec {
    /// Recipient, or several with commas.
    pub to: String,
    /// Sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Subject; a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Prefix of the variables that hold the SMTP settings; `SMTP_` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smtp_env_prefix: Option<String>,
    /// Which runs it is told of; `always` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<DeliverWhen>,
    /// What is sent; the run's output where left out. A template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Characters after which what is sent is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// How often and how long it is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<DeliveryRetrySpec>,
}
