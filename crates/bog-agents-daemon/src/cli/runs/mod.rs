//! `runs`: one file per verb.

mod cancel;
mod contained;
mod events;
pub mod follow;
mod list;
mod logs;
mod rerun;
mod resume;
mod show;

use super::context::Context;
use super::exit::Exit;
use super::out::{Ink, Paint};
use crate::api::wire::Run;
use bog_domain::run::{Outcome, RunState};
use clap::Subcommand;
use jiff::Timestamp;

/// Runs: what was done, how it ended
#[derive(Debug, Subcommand)]
pub enum Command {
    List(list::Args),
    Show(show::Args),
    Logs(logs::Args),
    Cancel(cancel::Args),
    Rerun(rerun::Args),
    Resume(resume::Args),
}

/// Runs a verb.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<Exit> {
    match command {
        Command::List(args) => list::run(args, context).await,
        Command::Show(args) => show::run(&args, context).await,
        Command::Logs(args) => logs::run(&args, context).await,
        Command::Cancel(args) => cancel::run(&args, context).await,
        Command::Resume(args) => resume::run(&args, context).await,
        Command::Rerun(args) => rerun::run(&args, context).await,
    }
}

/// A run's outcome or, until it has one, its state.
fn standing(run: &Run) -> String {
    run.outcome.map_or_else(|| run.state.to_string(), |outcome| outcome.to_string())
}

/// The same, coloured.
fn standing_painted(run: &Run, paint: Paint) -> String {
    let ink = match (run.outcome, run.state) {
        (Some(Outcome::Succeeded), _) => Ink::Good,
        (Some(Outcome::Cancelled), _) | (None, RunState::Paused) => Ink::Care,
        (
            Some(
                Outcome::Failed
                | Outcome::TimedOut
                | Outcome::LimitExceeded
                | Outcome::Interrupted
                | Outcome::StartFailed,
            ),
            _,
        ) => Ink::Bad,
        (None, RunState::Queued | RunState::Running | RunState::Finished) => Ink::Strong,
    };
    paint.with(ink, &standing(run))
}

/// How long a run took, or has taken so far; empty before it began.
fn took(run: &Run, now: Timestamp) -> String {
    let ended = run.finished_at.unwrap_or(now);
    run.started_at.map(|started| super::when::duration(ended.duration_since(started))).unwrap_or_default()
}
