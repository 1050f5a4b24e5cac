//! Who does the work of a job, and within what bounds, as written.

use crate::run::OnInterrupt;
use crate::units::{ByteSize, Span};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use utoipa::ToSchema;

/// Who does the work: `builtin`, a preset's name, `{command: [...]}` or `{acp: [...]}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentSpec {
    /// An agent by name.
    Named(String),
    /// A command line: program and arguments; `{{prompt}}` in an argument is replaced.
    Command(Vec<String>),
    /// A program that speaks the Agent Client Protocol over stdio, with its arguments.
    Acp(Vec<String>),
}

impl Serialize for AgentSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Named(name) => serializer.serialize_str(name),
            Self::Command(argv) => serializer.collect_map([("command", argv)]),
            Self::Acp(argv) => serializer.collect_map([("acp", argv)]),
        }
    }
}

impl<'de> Deserialize<'de> for AgentSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = AgentSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "an agent's name, `{command: [program, argument, ...]}` or `{acp: [program, argument, ...]}`",
                )
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<AgentSpec, E> {
                Ok(AgentSpec::Named(name.to_owned()))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<AgentSpec, A::Error> {
                let key: Option<String> = map.next_key()?;
                let agent = match key.as_deref() {
                    Some("command") => AgentSpec::Command(map.next_value()?),
                    Some("acp") => AgentSpec::Acp(map.next_value()?),
                    Some(other) => return Err(de::Error::unknown_field(other, &["command", "acp"])),
                    None => return Err(de::Error::invalid_length(0, &self)),
                };
                match map.next_key::<String>()? {
                    None => Ok(agent),
                    Some(more) => {
                        Err(de::Error::custom(format!("unexpected `{more}`: an agent has one key, `command` or `acp`")))
                    }
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Attempts after a failed one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetrySpec {
    /// Attempts after the first; 0 where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// Delay before the first retry, doubling with each; `10s` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub backoff: Option<Span>,
}

/// What to do with an interrupted run, as written.
pub type OnInterruptSpec = OnInterrupt;

/// What a run may consume. Left out: the daemon's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsSpec {
    /// How long an attempt may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub wall_clock: Option<Span>,
    /// Memory of the whole tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub memory: Option<ByteSize>,
    /// CPU rate, in cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// CPU time in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
    /// Processes at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
    /// Bytes of output that are kept; the rest is counted and dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub output: Option<ByteSize>,
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

/// What a run may touch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SandboxSpec {
    /// Whether the built-in agent has a shell, and where it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<ShellAccess>,
    /// `none`, `provider`, `loopback` or `full`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Folders it may write besides its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<String>,
    /// Folders it may read besides the system's and its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<String>,
}

/// Whether the built-in agent has a shell, and where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShellAccess {
    /// No shell.
    Off,
    /// A shell inside the sandbox.
    Sandboxed,
    /// A shell outside it.
    Host,
}
