//! Agents that are command lines and tell what they do as lines of JSON, each in its own dialect.

use super::instructions::Started;
use super::{Host, failed};
use bog_domain::agent_end::AgentEnd;

/// Starts an agent, gives it its prompt and follows what it tells.
pub async fn follow(_host: &Host, _started: &Started) -> AgentEnd {
    failed("not yet")
}
