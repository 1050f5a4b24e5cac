//! The built-in agent, within the host: the same protocol over a pipe in memory saves a process.

use super::instructions::Instructions;
use super::lines::{Garbage, messages};
use super::{Host, converse, failed};
use crate::sandbox::{self, Narrow};
use agent_client_protocol::Lines;
use bog_agent::environment::Environment;
use bog_agent::launch::Through;
use bog_agent::serve::{self, serve};
use bog_domain::agent_end::AgentEnd;
use std::io;
use std::path::PathBuf;
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// What may be on its way to the other side.
const PIPE_BYTES: usize = 64 * 1024;

/// Runs the built-in agent and talks to it.
pub async fn converse(host: &Host) -> AgentEnd {
    let (ours, its) = tokio::io::duplex(PIPE_BYTES);
    let (its_input, its_output) = tokio::io::split(its);
    let (input, output) = tokio::io::split(ours);
    let (environment, through) = (Environment::new(crate::env::all()), through(host));
    let agent = serve::Host { environment, through, ..serve::Host::default() };
    let transport = Lines::new(writer(output), messages(input, host.reporter.clone(), Garbage::default()));
    tokio::select! {
        end = converse::converse(host, "builtin", transport) => end,
        served = serve(its_input, its_output, agent) => {
            let why = served.err().map_or_else(|| "it ended".to_owned(), |error| error.to_string());
            failed(format!("the built-in agent broke off: {why}; run the job again"))
        }
    }
}

/// What its tools go through. What keeps the agent from the machine is around both; this keeps them from what is the
/// agent's own: its provider, and what it remembers. The job's MCP servers have the network that the agent has.
fn through(host: &Host) -> Through {
    let Instructions { working_dir, home, settings, memory, contained, tools_offline, .. } = &host.instructions;
    if !contained {
        return Through::default();
    }
    let of_sandbox = ["/tmp", "/var/tmp"].map(PathBuf::from).into_iter().chain([home.join(".cache")]);
    let named = ["TMPDIR", "XDG_CACHE_HOME"].into_iter().filter_map(crate::env::var).map(PathBuf::from);
    let writable: Vec<PathBuf> =
        [working_dir].into_iter().chain(&settings.write).cloned().chain(of_sandbox).chain(named).collect();
    let held = |offline| sandbox::narrowed(&Narrow::new(offline, writable.iter().cloned(), memory.as_deref()));
    Through { tools: held(*tools_offline), servers: held(false) }
}

/// Messages to an agent, a line each. One that has ended reads nothing, which the end of its output tells.
pub fn writer(
    to: impl AsyncWrite + Send + Unpin + 'static,
) -> impl futures::Sink<String, Error = io::Error> + Send + 'static {
    futures::sink::unfold(to, |mut to, line: String| async move {
        to.write_all(format!("{line}\n").as_bytes()).await?;
        to.flush().await?;
        Ok(to)
    })
}
