//! What the daemon tells a host: one line of JSON on its standard input, by way of `attempt.json` and the runner.

use bog_agent::session::Settings;
use bog_domain::permission::Rule;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The version this binary writes, and the newest it reads.
pub const VERSION: u32 = 1;

/// What a host is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instructions {
    /// [`VERSION`] of the daemon that wrote it.
    pub v: u32,
    /// The run, so that a later attempt knows what it goes on with.
    pub run: String,
    /// The agent.
    pub agent: Kind,
    /// What it is asked, rendered.
    pub prompt: String,
    /// Where it works.
    pub working_dir: PathBuf,
    /// The home folder, for rules that begin with `~/`.
    pub home: PathBuf,
    /// What the built-in agent is told; of others its budget and its event are kept to.
    pub settings: Settings,
    /// MCP servers that it is given.
    #[serde(default)]
    pub mcp: Vec<Server>,
    /// What it may do.
    #[serde(default)]
    pub permissions: Vec<Rule>,
    /// Whether a sandbox holds whatever it does.
    pub contained: bool,
    /// Whether what the built-in agent starts for a model has no network, other than the agent.
    #[serde(default)]
    pub tools_offline: bool,
    /// The conversation to go on with, where the job names one.
    #[serde(default)]
    pub session: Option<String>,
    /// The folder in which the host remembers the conversation; none: it does not.
    #[serde(default)]
    pub memory: Option<PathBuf>,
    /// How long the agent may say nothing at all, in milliseconds.
    pub idle_ms: u64,
    /// How long it may take until it can be talked to, in milliseconds.
    pub start_ms: u64,
    /// How much of its text is kept, in bytes.
    pub output_bytes: u64,
}

/// Which agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The built-in one, within the host.
    Builtin,
    /// A program that speaks the Agent Client Protocol over its standard streams.
    Acp {
        /// Program and arguments.
        command: Vec<String>,
    },
    /// A program that tells what it does as lines of JSON.
    Stream(Started),
}

/// A program that is started with its prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started {
    /// Program and arguments, the prompt among them unless it comes on standard input.
    pub command: Vec<String>,
    /// Whether the prompt comes on standard input.
    pub prompt_on_stdin: bool,
    /// What its lines mean.
    pub dialect: Dialect,
}

/// What lines of JSON mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// `claude -p --output-format stream-json`.
    Claude,
    /// `codex exec --json`.
    Codex,
}

/// An MCP server. Values of variables are the host's environment's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// How it is reached.
    pub transport: Transport,
    /// Whether the run fails without it.
    pub required: bool,
}

/// How an MCP server is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// It is started.
    Stdio {
        /// Program and arguments.
        command: Vec<String>,
        /// Names of the variables it is given.
        env: Vec<String>,
    },
    /// It is called.
    Http {
        /// Its address.
        url: String,
        /// Headers, with the variable that holds each one's value.
        headers: BTreeMap<String, String>,
    },
}

impl Instructions {
    /// The line that a host reads.
    ///
    /// # Errors
    /// Where a path is no text.
    pub fn line(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string(self)? + "\n")
    }
}
