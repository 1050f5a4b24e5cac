//! `runs logs`: what happened in a run.

use super::super::context::Context;
use super::super::exit::Exit;
use super::super::out::{Out, note};
use super::follow;
use crate::api::wire::Event;
use crate::client::RunUpdate;
use bog_domain::ids::RunId;
use bog_domain::run::{Outcome, RunState};

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

/// Prints a run's log.
pub async fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let daemon = context.daemon()?;
    let events = if args.follow { daemon.run_events(args.run) } else { daemon.run_events_so_far(args.run) };
    let run = if args.json {
        follow::to_the_end(events, |update| match update {
            RunUpdate::Event(event) => json_line(event, &context.out),
            RunUpdate::End(_) => Ok(()),
        })
        .await?
    } else {
        follow::print(events, context).await?
    };
    if run.state != RunState::Finished {
        note(&format!("the run is {}: `runs logs -f {}` shows what happens until it ends", run.state, run.id));
    } else if !args.json {
        note(&follow::ending(&run, context));
    }
    let failed = args.follow && run.outcome != Some(Outcome::Succeeded);
    Ok(if failed { Exit::Failed } else { Exit::Ok })
}

fn json_line(event: &Event, out: &Out) -> anyhow::Result<()> {
    Ok(out.text(&serde_json::to_string(event)?)?)
}
