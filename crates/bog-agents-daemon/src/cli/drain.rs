//! `drain`: the daemon takes no more.

use super::context::Context;
use super::exit::Exit;

/// Tell the daemon to take no more fires; runs under way go on
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Drains the daemon.
pub async fn run(_args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let daemon = context.daemon()?;
    daemon.drain().await?;
    // It may already have ended, with nothing left to do.
    let left = match daemon.health().await {
        Ok(health) => format!("{} running, {} queued", health.running, health.queued),
        Err(_) => "nothing is left to do".to_owned(),
    };
    context.out.text(&format!("the daemon takes no more fires: {left}"))?;
    Ok(Exit::Ok)
}
