//! `runs rerun`: the same event once more.

use super::super::context::Context;
use super::super::exit::Exit;
use super::follow;
use bog_domain::ids::RunId;

/// Fire a run's job again, with the same event
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run
    run: RunId,
    /// Show what happens until the new run ends; ends with 1 unless it succeeded
    #[arg(long, short)]
    wait: bool,
    /// Print JSON: what the fire came to or, with --wait, the run that ended
    #[arg(long)]
    json: bool,
}

/// Fires again.
pub async fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let daemon = context.daemon()?;
    let fired = daemon.rerun(args.run).await?;
    follow::fired(&fired, &daemon, follow::How { wait: args.wait, json: args.json }, context).await
}
