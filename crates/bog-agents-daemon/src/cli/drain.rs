//! `drain`: the daemon takes no more.

use super::context::Context;
use super::exit::Exit;

/// Tell the daemon to take no more fires; runs under way go on
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Drains the daemon.
pub async fn run(_args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let health = context.daemon()?.drain().await?;
    context.out.text(&format!(
        "the daemon takes no more fires: {} running, {} queued; `bog-agents-daemon status` shows how it goes on",
        health.running, health.queued
    ))?;
    Ok(Exit::Ok)
}
