//! `runs resume`: a run goes on that stopped at its budget.

use super::super::context::Context;
use super::super::exit::Exit;
use crate::api::wire::ResumeRun;
use bog_domain::ids::RunId;

/// Go on with a run that stopped at its budget
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run
    run: RunId,
    /// What the run may cost in all from now on, in US dollars, whatever its job and the day's limits say
    #[arg(long, value_name = "USD")]
    budget_usd: Option<f64>,
    /// How many tokens the run may use in all from now on, whatever its job says
    #[arg(long, value_name = "N")]
    budget_tokens: Option<u64>,
}

/// Resumes a run.
pub async fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let wish = ResumeRun { budget_usd: args.budget_usd, budget_tokens: args.budget_tokens };
    let run = context.daemon()?.resume_run(args.run, &wish).await?;
    context.out.text(&format!("run {} goes on; `runs logs {} --follow` shows how", run.id, run.id))?;
    Ok(Exit::Ok)
}
