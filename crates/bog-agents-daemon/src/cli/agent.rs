//! `agent`: the built-in agent, for editors and whoever else speaks the Agent Client Protocol.

use super::exit::Exit;
use crate::env;
use bog_agent::environment::Environment;
use bog_agent::serve::{Host, serve};
use bog_agent::session::Settings;
use std::path::PathBuf;

/// Serve the built-in agent on standard input and output
///
/// It speaks the Agent Client Protocol, as editors like Zed do: set `bog-agents-daemon agent` as an external agent there. The
/// options count for clients that say nothing else. Keys and addresses of model providers come from the environment.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model, as provider:model; given more than once, the next is asked where one fails [default: the usual model of the
    /// provider whose key is set]
    #[arg(long, value_name = "MODEL")]
    model: Vec<String>,
    /// Let the model run commands; the client is asked for each
    #[arg(long)]
    shell: bool,
    /// Let the model fetch URLs; the client is asked for each
    #[arg(long)]
    fetch: bool,
    /// Keep sessions in this folder, so that they can be loaded again
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

/// Serves until the client closes the agent's input.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { model: models, shell, fetch, state_dir } = args;
    let defaults = Settings { models, shell, fetch, state_dir, ..Settings::default() };
    let host = Host { environment: Environment::new(env::all()), defaults, ..Host::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(serve(tokio::io::stdin(), tokio::io::stdout(), host));
    // A thread may still wait for input that never comes.
    runtime.shutdown_background();
    served?;
    Ok(Exit::Ok)
}
