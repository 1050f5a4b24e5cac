//! `explain`: why a job did or did not run.

use super::context::Context;
use super::exit::Exit;
use super::fires;
use super::when::Moment;
use bog_domain::ids::JobId;

/// Say why a job did or did not run, from the ledger
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job
    job: JobId,
    /// Around this time, else now: `2026-11-23 09:00`, `09:00` (today), `2h` (ago), or RFC 3339
    #[arg(long, value_name = "TIME")]
    at: Option<Moment>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Explains.
pub async fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let at = args.at.map(|moment| moment.instant(context.now, &context.zone)).transpose()?;
    let explanation = context.daemon()?.explain(&args.job, at).await?;
    if args.json {
        context.out.json(&explanation)?;
        return Ok(Exit::Ok);
    }
    context.out.text(&explanation.answer.join("\n"))?;
    if !explanation.fires.is_empty() {
        context.out.text("")?;
        fires::show(&explanation.fires, context)?;
    }
    Ok(Exit::Ok)
}
