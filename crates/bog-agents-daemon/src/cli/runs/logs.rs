//! `runs logs`: what happened in a run.

use super::super::context::Context;
use super::super::exit::Exit;
use super::super::out::{Out, note};
use super::events::Lines;
use super::follow;
use crate::api::wire::Event;
use crate::client::{Client, RunUpdate};
use bog_domain::ids::RunId;
use bog_domain::run::{Outcome, RunState};
use std::time::Duration;

/// Print what happened in a run, or what happens until it ends
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run
    run: RunId,
    /// Go on until the run ends; ends with 1 unless it succeeded
    #[arg(long, short)]
    follow: bool,
    /// Print one JSON object per event
    #[arg(long)]
    json: bool,
}

/// How long nothing comes where all that is there has come.
const PAUSE: Duration = Duration::from_secs(1);

/// Prints a run's log.
pub async fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let daemon = context.daemon()?;
    let run = daemon.run(args.run).await?;
    if !args.follow && run.state != RunState::Finished {
        so_far(args, &daemon, &context.out).await?;
        note(&format!("the run is {}: `runs logs -f {}` shows what happens until it ends", run.state, run.id));
        return Ok(Exit::Ok);
    }
    let ended = if args.json {
        follow::to_the_end(args.run, &daemon, |update| match update {
            RunUpdate::Event(event) => json_line(event, &context.out),
            RunUpdate::End(_) => Ok(()),
        })
        .await?
    } else {
        let ended = follow::print(args.run, &daemon, context).await?;
        note(&follow::ending(&ended, context));
        ended
    };
    let failed = args.follow && ended.outcome != Some(Outcome::Succeeded);
    Ok(if failed { Exit::Failed } else { Exit::Ok })
}

/// Prints what is there: it comes at once, and a pause means that there is no more yet.
async fn so_far(args: &Args, daemon: &Client, out: &Out) -> anyhow::Result<()> {
    let mut events = daemon.run_events(args.run);
    let mut lines = Lines::new(out.paint);
    while let Ok(update) = tokio::time::timeout(PAUSE, events.next()).await {
        let update = update?;
        match &update {
            RunUpdate::Event(event) if args.json => json_line(event, out)?,
            RunUpdate::Event(event) => out.piece(&lines.add(event))?,
            RunUpdate::End(_) => break,
        }
    }
    Ok(out.piece(&lines.close())?)
}

fn json_line(event: &Event, out: &Out) -> anyhow::Result<()> {
    Ok(out.text(&serde_json::to_string(event)?)?)
}
