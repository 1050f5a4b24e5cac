//! The built-in agent, within the host: the same protocol over a pipe in memory saves a process.

use super::{Host, failed};
use bog_domain::agent_end::AgentEnd;

/// Runs the built-in agent and talks to it.
pub async fn converse(_host: &Host) -> AgentEnd {
    failed("the built-in agent is not part of this build")
}
