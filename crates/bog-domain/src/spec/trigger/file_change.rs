//! Changes in files, as written.

use super::some_whole_seconds_whole;
use crate::overlap::Overlap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Changes in files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FileChangeSpec {
    /// Its id; hashed from its identifying fields where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Globs with `**`, relative to `working_dir` or absolute; one beginning with `!` excludes.
    pub patterns: Vec<String>,
    /// Quiet time after the last change, in seconds; 5 where left out.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "some_whole_seconds_whole")]
    pub debounce_seconds: Option<f64>,
    /// The longest time from the first change on, in seconds, however little quiet there is; 60 where left out.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "some_whole_seconds_whole")]
    pub max_wait_seconds: Option<f64>,
    /// How changes are noticed; `native` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchMode>,
    /// How often it looks under `watch: poll`, in seconds; 10 where left out.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "some_whole_seconds_whole")]
    pub poll_seconds: Option<f64>,
    /// Whether changes made by the job's own run fire it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_writes: Option<OwnWrites>,
    /// Its own overlap policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
}

/// How changes in files are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WatchMode {
    /// By the operating system.
    Native,
    /// By looking again and again, for network mounts.
    Poll,
}

/// Whether changes made by the job's own run fire it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OwnWrites {
    /// They are recorded as filtered.
    Ignore,
    /// They fire.
    Fire,
}
