//! What a session of the built-in agent is given besides what the Agent Client Protocol has fields for, and what it tells
//! besides: both travel under [`META`] in the `_meta` of the protocol's messages, so that any other client may leave them
//! out and any other agent may pass over them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The key in `_meta` under which [`Settings`] stand in `session/new` and `session/load`, [`Turn`] in `session/prompt`, and
/// [`Report`] in `session/update` (in those with a `usage_update`) and in the answer to `session/prompt`, [`Note`] in those with
/// an `agent_thought_chunk`.
pub const META: &str = "bog-agents";

/// What a session is given. Everything may be left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Models as `provider:model`, the first that answers is used. None: the provider whose key is there, with its usual
    /// model.
    pub models: Vec<String>,
    /// Where providers are reached and under which variable their key is, by the provider's name; for those that differ
    /// from what is usual.
    pub providers: BTreeMap<String, Provider>,
    /// Whether there is a tool that runs commands.
    pub shell: bool,
    /// Whether there is a tool that fetches URLs.
    pub fetch: bool,
    /// Folders that may be read besides the session's own.
    pub read: Vec<PathBuf>,
    /// Folders that may be written besides the session's own.
    pub write: Vec<PathBuf>,
    /// Where the journal is kept that an interrupted session resumes from; none: nothing is kept.
    pub state_dir: Option<PathBuf>,
    /// Folders with skills, besides those found from the session's folder upwards.
    pub skills: Vec<PathBuf>,
    /// Steps that are run in order, each with the results of those before it; none: the prompt alone.
    pub pipeline: Vec<Step>,
    /// What stands around the name of a step in prompts where its result is meant, as [`Settings::place`] writes it; it cannot
    /// be guessed. None: `{{ steps.NAME }}` stands for it, for clients that put nothing of others into prompts.
    pub step_mark: Option<String>,
    /// The event that began the run, which nobody vouches for: shown to the model as data, framed, never as instructions.
    pub event: Option<serde_json::Value>,
    /// Model calls after which a turn ends; a default of the agent's where left out.
    pub max_steps: Option<u32>,
    /// Size of the context in tokens from which it is compacted; by the model's window where left out.
    pub max_context_tokens: Option<u64>,
    /// How hard the model is to think: `low`, `medium` or `high`.
    pub effort: Option<String>,
    /// What the session may spend.
    pub budget: Budget,
    /// Prices that differ from the table in this crate, by `provider:model`.
    pub prices: BTreeMap<String, Price>,
    /// Names of variables whose values appear nowhere in what is kept or told.
    pub mask_env: Vec<String>,
    /// What is wanted of MCP servers besides how they are reached, by the server's name.
    pub mcp: BTreeMap<String, Mcp>,
    /// Which tool calls the client is asked about by `session/request_permission` before they are made.
    pub ask: Ask,
}

impl Settings {
    /// What stands for the result of a step in the prompts of later ones.
    #[must_use]
    pub fn place(mark: &str, step: &str) -> String {
        format!("[{mark} {step}]")
    }
}

/// What is wanted of an MCP server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mcp {
    /// Whether the session fails without it; else it is told that the server is missing, and goes on.
    pub required: bool,
    /// Which of its tools the model may use, as globs on their names; all where left out.
    pub tools: Option<Vec<String>>,
}

/// Which tool calls need a permission. A call that is not permitted is told to the model, and the session goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Those that may change something: `write`, `edit`, `shell`, `fetch`, and tools of MCP servers.
    #[default]
    Changes,
    /// All of them.
    Everything,
    /// None.
    Nothing,
}

/// What a prompt says besides its text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Turn {
    /// After `session/load`: go on with the last turn of the journal from its last finished step, and pass over the prompt
    /// that came now. A turn that had finished or was refused is told again as it ended, at no cost; one that was stopped
    /// by its budget, its step limit, a quota, a failure or a cancel goes on. Where the journal has no turn yet, the prompt
    /// that came now begins one.
    pub resume: bool,
}

/// How a provider is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Provider {
    /// The address its API is under.
    pub base_url: Option<String>,
    /// The name of the variable that holds the key.
    pub key_env: Option<String>,
}

/// One step of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name; later steps name its result by it.
    pub name: String,
    /// What is asked, rendered but for the results of earlier steps.
    pub prompt: String,
}

/// What a session may spend, over all of its turns; it stops before a step that may exceed it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// US dollars.
    pub usd: Option<f64>,
    /// Tokens, read and written.
    pub tokens: Option<u64>,
}

/// US dollars for a million tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Price {
    /// Read by the model.
    pub input: f64,
    /// Written by it.
    pub output: f64,
    /// Read from its cache; as `input` where left out.
    pub cache_read: Option<f64>,
    /// Written to its cache; as `input` where left out.
    pub cache_write: Option<f64>,
}

/// What a session tells: after every step and at the end of each turn, always about the whole session so far, also about
/// what it did before it was loaded from its journal.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Report {
    /// What each model was used for, in the order of first use.
    pub usage: Vec<ModelUsage>,
    /// Finished model calls.
    pub steps: u32,
    /// Why it ended; only at the end.
    pub stop: Option<Stop>,
    /// The final text: what the model said last, without what it said on the way; only at the end.
    pub text: Option<String>,
}

/// What stands in `_meta` of an `agent_thought_chunk` that is no thought: something that happened besides, like a provider
/// that is asked again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// What happened, for people.
    pub note: String,
}

/// What one model was used for. A number that the provider did not tell is none, which is not nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelUsage {
    /// `provider:model`, as used.
    pub model: String,
    /// Tokens read, those from the cache left out.
    pub input_tokens: Option<u64>,
    /// Tokens written.
    pub output_tokens: Option<u64>,
    /// Tokens read from the provider's cache.
    pub cache_read_tokens: Option<u64>,
    /// Tokens written to it.
    pub cache_write_tokens: Option<u64>,
    /// What that costs in US dollars by the price table, unrounded; none where the table does not have the model.
    pub cost_usd: Option<f64>,
    /// Where a part of that is not known: what it costs with what was set aside for that part, which is what budgets count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charged_usd: Option<f64>,
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Stop {
    /// The model had nothing more to do.
    Finished,
    /// The next step may exceed the budget.
    Budget {
        /// Which and by how much, for people.
        message: String,
    },
    /// The step limit was reached.
    MaxSteps {
        /// The limit.
        steps: u32,
    },
    /// The provider's quota is used up.
    Quota {
        /// What it said.
        message: String,
        /// When it is there again, RFC 3339, where it said so.
        resets_at: Option<String>,
    },
    /// The model refused.
    Refused {
        /// What it said.
        message: String,
    },
    /// It was cancelled.
    Cancelled,
    /// It could not go on.
    Failed {
        /// Why, and what to do.
        message: String,
    },
}
