//! `runs list`: a line per run, newest first.

use super::super::context::Context;
use super::super::exit::Exit;
use super::super::values::one_of;
use super::super::when::{Moment, local};
use crate::api::wire::Run;
use crate::client::RunQuery;
use bog_domain::ids::JobId;
use bog_domain::run::{Outcome, RunState};

/// List runs, newest first
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only of this job
    #[arg(long, value_name = "ID")]
    job: Option<JobId>,
    /// Only in this state
    #[arg(long, value_parser = one_of(&RunState::ALL, RunState::as_str))]
    state: Option<RunState>,
    /// Only with this outcome
    #[arg(long, value_parser = one_of(&Outcome::ALL, Outcome::as_str))]
    outcome: Option<Outcome>,
    /// Only those queued at or after this time: `2026-11-23 09:00`, `09:00` (today), `2h` (ago), or RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Only those queued before this time
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists runs.
pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let instant = |moment: Option<Moment>| moment.map(|moment| moment.instant(context.now, &context.zone)).transpose();
    let (since, until) = (instant(args.since)?, instant(args.until)?);
    let wanted = RunQuery { job: args.job, state: args.state, outcome: args.outcome, since, until };
    let runs = context.daemon()?.runs(&wanted, args.limit).await?;
    if args.json {
        context.out.json(&runs)?;
    } else {
        let rows = runs.iter().map(|run| row(run, context)).collect();
        context.out.table(["run", "job", "trigger", "standing", "queued", "took"], rows, "no runs")?;
    }
    Ok(Exit::Ok)
}

fn row(run: &Run, context: &Context) -> [String; 6] {
    let attempts = if run.attempt > 1 { format!(" (attempt {})", run.attempt) } else { String::new() };
    [
        run.id.clone(),
        run.job_id.clone(),
        run.trigger.to_string(),
        format!("{}{attempts}", super::standing(run)),
        local(run.queued_at, &context.zone),
        super::took(run, context.now),
    ]
}
