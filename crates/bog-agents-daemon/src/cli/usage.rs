//! `usage`: what runs have used of models, and what that cost.

use super::context::Context;
use super::exit::Exit;
use super::out::note;
use super::values::one_of;
use super::when::Moment;
use crate::api::wire::{UsageBy, UsageLine};
use bog_domain::ids::JobId;

/// What runs have used of models, and what that cost
///
/// The last 30 days, by day, where nothing else is said.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Sum by this
    #[arg(long, default_value = "day", value_parser = one_of(&UsageBy::ALL, UsageBy::as_str))]
    by: UsageBy,
    /// Only of this job
    #[arg(long, value_name = "ID")]
    job: Option<JobId>,
    /// Only attempts that ended at or after this time: `2026-11-23 09:00`, `09:00` (today), `2h` (ago), or RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Only attempts that ended before this time
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print comma-separated values
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// What is said where there is nothing to show.
const NONE: &str = "no run has used a model in this time";

/// Shows what was used.
pub async fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let instant = |moment: Option<Moment>| moment.map(|moment| moment.instant(context.now, &context.zone)).transpose();
    let (since, until) = (instant(args.since)?, instant(args.until)?);
    let usage = context.daemon()?.usage(args.by, args.job.as_ref(), since, until).await?;
    if args.json {
        context.out.json(&usage)?;
    } else if args.csv {
        context.out.text(usage.csv(args.by).trim_end())?;
    } else if usage.items.is_empty() {
        note(NONE);
    } else {
        let head = [args.by.as_str(), "runs", "input", "output", "cache read", "cache write", "cost"];
        let rows = usage.items.iter().chain([&usage.total]).map(row).collect();
        context.out.table(head, rows, NONE)?;
    }
    Ok(Exit::Ok)
}

/// Unknown is a dash: it is not nothing.
fn row(line: &UsageLine) -> [String; 7] {
    let [runs, input, output, cache_read, cache_write, _] = line.cells();
    let cost = line.cost_usd.map(|cost| format!("${cost:.4}")).unwrap_or_default();
    let known = |cell: String| if cell.is_empty() { "-".to_owned() } else { cell };
    [line.key.clone(), runs, input, output, cache_read, cache_write, cost].map(known)
}
