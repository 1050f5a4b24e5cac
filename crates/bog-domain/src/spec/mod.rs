//! A job as it is written: the shape of `jobs/ID.yaml` and of the API's JSON. Every field is optional that may be left
//! out; nothing here is checked beyond its type. [`crate::job::Job`] is the checked form.

mod agent;
mod gate;
mod limits;
pub mod locate;
mod loops;
mod output;
mod sandbox;
mod secrets;
mod talk;
mod trigger;
pub mod yaml;

pub use agent::{AgentSpec, OnInterruptSpec, RetrySpec};
pub use gate::GateSpec;
pub use limits::{Features, LimitsSpec};
pub use loops::LoopsSpec;
pub use output::{
    CommentMode, DeliverWhen, DeliveryRetrySpec, EmailSpec, FileMode, FileSpec, GithubCommentSpec, IssueNumber,
    LogSpec, OutputSpec, SlackSpec, SlackThread, StdoutSpec, WebhookFormat, WebhookOutputSpec,
};
pub use sandbox::{EventTrust, SandboxFields, SandboxMode, SandboxSpec, ShellAccess, TrustSpec};
pub use talk::{BudgetSpec, ContinueSpec, McpSpec, Names, PermissionSpec, StepSpec};
pub use trigger::{
    CatchUpSpec, CronSpec, FileChangeSpec, GitPushSpec, GithubSpec, IntervalSpec, OwnWrites, TriggerSpec, WatchMode,
    WebhookScheme, WebhookSpec,
};

use crate::overlap::Overlap;
use crate::units::Span;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A job as written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// The job's id, a slug. In a file it may be left out; where given it must be the file's stem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Free text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the agent is asked; a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Who does the work; `builtin` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub agent: Option<AgentSpec>,
    /// The agent's model, `provider:model`, or several, of which the first that answers is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub model: Option<Names>,
    /// Model calls after which the built-in agent ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u32>,
    /// What runs may spend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetSpec>,
    /// MCP servers that the agent is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mcp: Vec<McpSpec>,
    /// Folders with skills for the built-in agent, besides those it finds itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skills: Vec<String>,
    /// Steps that the built-in agent takes in order, with `prompt` before them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pipeline: Vec<StepSpec>,
    /// What the agent may do that asks before it does something; the first rule that fits counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<PermissionSpec>,
    /// Whether each run goes on in the conversation of the one before it, or in which conversation.
    #[serde(default, rename = "continue", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub thread: Option<ContinueSpec>,
    /// How long an agent that speaks a protocol may say nothing at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub idle_timeout: Option<Span>,
    /// Where the agent works; a fresh folder per run where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// IANA zone of the job's cron triggers; the daemon's where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// What fires it, besides a person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<TriggerSpec>,
    /// Where the result goes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<OutputSpec>,
    /// Whether the daemon's `on_failure` outputs are told when it begins to fail and when it works again; true where
    /// left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<bool>,
    /// What to do with a fire that arrives while the job runs or waits; by trigger kind where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
    /// Runs of this job at the same time under `overlap: parallel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<u32>,
    /// Runs of this job that may wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_queued: Option<u32>,
    /// Attempts after a failed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetrySpec>,
    /// What to do with an interrupted run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_interrupt: Option<OnInterruptSpec>,
    /// What a run may consume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsSpec>,
    /// The SDK's flat feature settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Features>,
    /// What a run may touch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxSpec>,
    /// A cheap check before any agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<GateSpec>,
    /// How much its runs may be caused by runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loops: Option<LoopsSpec>,
    /// How far those are trusted who can cause its events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<TrustSpec>,
    /// Names of environment variables passed to the agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Names of environment variables passed to the agent whose values are masked everywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Runs after which the job takes no more fires; 0 means no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_runs: Option<u64>,
    /// Whether its triggers fire; true where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}
