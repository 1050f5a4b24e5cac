//! What an agent does while it runs, line by line: the records of a run's `events.jsonl`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One thing that happened during an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunEvent {
    /// Position within the attempt, from 1, without gaps.
    pub seq: u64,
    /// When the runner saw it.
    pub at: Timestamp,
    /// What it is.
    pub kind: EventKind,
    /// Its content; `{"text": ...}` for the textual kinds.
    pub data: serde_json::Value,
}

/// The kinds of [`RunEvent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Text the agent says.
    AgentText,
    /// A tool the agent called.
    ToolCall,
    /// What the tool answered.
    ToolResult,
    /// A piece of a command agent's standard output.
    Stdout,
    /// A piece of its standard error.
    Stderr,
    /// The agent's plan.
    Plan,
    /// Tokens and cost so far.
    Usage,
    /// Something the runner itself has to say.
    Note,
}
