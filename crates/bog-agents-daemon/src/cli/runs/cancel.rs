//! `runs cancel`: a run ends before its time.

use super::super::context::Context;
use super::super::exit::Exit;
use crate::api::wire::CancelRun;
use bog_domain::ids::RunId;
use bog_domain::run::RunState;

/// Cancel a run that waits or runs
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run
    run: RunId,
    /// Why, for whoever looks at the run later
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Cancels a run.
pub async fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let run = context.daemon()?.cancel_run(args.run, &CancelRun { reason: args.reason.clone() }).await?;
    let line = match run.state {
        RunState::Finished => format!("run {} {}", run.id, super::standing(&run)),
        RunState::Queued | RunState::Running | RunState::Paused => {
            format!("run {} is told to end; `runs show {}` says when it has", run.id, run.id)
        }
    };
    context.out.text(&line)?;
    Ok(Exit::Ok)
}
