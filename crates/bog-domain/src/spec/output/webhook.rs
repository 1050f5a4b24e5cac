//! A signed HTTP request, as written.

use super::{DeliverWhen, DeliveryRetrySpec};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A signed HTTP request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookOutputSpec {
    /// Where it is sent; empty where `url_env` says it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Name of the variable that holds the URL, where that is a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_env: Option<String>,
    /// Name of the variable that holds the signing secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hmac_secret_env: Option<String>,
    /// What the body is; `json` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<WebhookFormat>,
    /// Further headers, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Further headers whose values are secret: the names of the variables that hold them, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secret_headers: BTreeMap<String, String>,
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

/// What the body of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookFormat {
    /// One JSON object.
    #[default]
    Json,
    /// The same object as the data of an event in the structured mode of CloudEvents 1.0.
    Cloudevents,
}
