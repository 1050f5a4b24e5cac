//! `run`: the daemon itself.

use super::context::Context;
use super::exit::Exit;
use crate::daemon::{self, RunOptions, Stopped};

/// Run the daemon in the foreground
///
/// It prints one line, `listening on http://HOST:PORT`, when it is ready. SIGTERM or Ctrl-C drains it: it claims no more
/// runs, waits a little for those under way, and leaves the others to the next daemon. A second signal ends it at once.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The address to listen on [default: 127.0.0.1]
    #[arg(long, value_name = "IP")]
    host: Option<String>,
    /// The port to listen on; 0 picks a free one [default: 7391]
    #[arg(long)]
    port: Option<u16>,
    /// Allow an address that other machines can reach
    #[arg(long)]
    allow_remote: bool,
}

/// Runs the daemon until it is told to end.
pub fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let Args { host, port, allow_remote } = args;
    let data_dir = context.data_dir.clone();
    match daemon::run(RunOptions { data_dir, host, port, allow_remote })? {
        // Asked twice, it leaves work to the next daemon, as it promised.
        Stopped::Orderly | Stopped::AtOnce => Ok(Exit::Ok),
    }
}
