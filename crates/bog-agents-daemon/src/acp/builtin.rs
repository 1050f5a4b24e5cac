//! The built-in agent, within the host: the same protocol over a pipe in memory saves a process.

use super::lines::{Garbage, messages};
use super::{Host, converse, failed};
use agent_client_protocol::Lines;
use bog_agent::environment::Environment;
use bog_agent::serve::{self, serve};
use bog_domain::agent_end::AgentEnd;
use std::io;
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// What may be on its way to the other side.
const PIPE_BYTES: usize = 64 * 1024;

/// Runs the built-in agent and talks to it.
pub async fn converse(host: &Host) -> AgentEnd {
    let (ours, its) = tokio::io::duplex(PIPE_BYTES);
    let (its_input, its_output) = tokio::io::split(its);
    let (input, output) = tokio::io::split(ours);
    let agent = serve::Host { environment: Environment::new(crate::env::all()), ..serve::Host::default() };
    let transport = Lines::new(writer(output), messages(input, host.reporter.clone(), Garbage::default()));
    tokio::select! {
        end = converse::converse(host, "builtin", transport) => end,
        served = serve(its_input, its_output, agent) => {
            let why = served.err().map_or_else(|| "it ended".to_owned(), |error| error.to_string());
            failed(format!("the built-in agent broke off: {why}; run the job again"))
        }
    }
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
