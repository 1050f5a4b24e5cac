//! `demo`: the daemon shown at work.

use super::exit::Exit;

/// Show what it does, in under a minute, in a throw-away folder
///
/// Starts a real daemon with jobs that fire by cron and by hand, shows what they say, and cleans up after itself.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the demonstration.
pub async fn run(_args: &Args) -> anyhow::Result<Exit> {
    crate::demo::run().await?;
    Ok(Exit::Ok)
}
