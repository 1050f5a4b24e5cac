//! Within what bounds a job runs, as written: `limits`, and the flat shape of the bog-agents SDK.

use crate::units::{ByteSize, Span};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a run may consume. Left out: the daemon's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsSpec {
    /// How long an attempt may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub wall_clock: Option<Span>,
    /// Memory and swap of the whole tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub memory: Option<ByteSize>,
    /// CPU rate of the whole tree, in cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// CPU time of the whole tree, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
    /// Processes and threads of the tree at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
    /// Files that one process may have open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u32>,
    /// Bytes of output that are kept; the rest is counted and dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub output: Option<ByteSize>,
    /// Bytes in the run's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub disk: Option<ByteSize>,
    /// Time between TERM and KILL when an attempt is ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub grace: Option<Span>,
}

/// The flat settings that the bog-agents SDK calls `FeatureConfig`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// As the job's `working_dir`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// How hard the built-in agent thinks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort_level: Option<String>,
    /// Money one run may cost, in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_usd: Option<f64>,
    /// Tokens kept in the built-in agent's context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_context_tokens: Option<u64>,
    /// Whether the built-in agent has its git tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_git_tools: Option<bool>,
    /// Whether cost is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_cost_tracking: Option<bool>,
    /// As `limits.cpu_seconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
    /// As `limits.memory`, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mb: Option<u64>,
    /// As `limits.wall_clock`, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_clock_seconds: Option<f64>,
}
