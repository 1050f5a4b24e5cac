//! `runs logs`: what happened in a run.

use super::super::context::Context;
use super::super::exit::Exit;
use super::super::out::{Out, note};
use super::follow;
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
    let run = daemon.run(args.run).await?;
    if !args.follow && run.state != RunState::Finished {
        context.out.piece(&run.output)?;
        note(&format!("the run is {}: `runs logs -f {}` shows what happens until it ends", run.state, run.id));
        return Ok(Exit::Ok);
    }
    let ended = if args.json {
        follow::to_the_end(args.run, &daemon, |update| json_line(update, &context.out)).await?
    } else {
        let ended = follow::print(args.run, &daemon, context).await?;
        note(&follow::ending(&ended, context));
        ended
    };
    let failed = args.follow && ended.outcome != Some(Outcome::Succeeded);
    Ok(if failed { Exit::Failed } else { Exit::Ok })
}

fn json_line(update: &RunUpdate, out: &Out) -> std::io::Result<()> {
    let line = match update {
        RunUpdate::Event { attempt, event } => {
            let (seq, at, kind, data) = (event.seq, event.at, event.kind, &event.data);
            serde_json::json!({"attempt": attempt, "seq": seq, "at": at, "kind": kind, "data": data})
        }
        RunUpdate::End(_) => return Ok(()),
    };
    out.text(&line.to_string())
}
