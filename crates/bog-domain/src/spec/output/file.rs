//! A file, as written.

use super::{DeliverWhen, DeliveryRetrySpec};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSpec {
    /// Where; a template whose values lose separators and dots.
    pub path: String,
    /// `append` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<FileMode>,
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

/// Whether a file output adds to the file or replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileMode {
    /// Adds to its end.
    #[default]
    Append,
    /// Replaces it atomically.
    Replace,
}
