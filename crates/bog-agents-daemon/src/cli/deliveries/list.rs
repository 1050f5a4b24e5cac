//! `deliveries list`: a line per delivery, newest first.

use super::super::context::Context;
use super::super::exit::Exit;
use super::super::values::one_of;
use super::super::when::{Moment, local};
use crate::api::wire::Delivery;
use crate::client::DeliveryQuery;
use bog_domain::delivery::DeliveryState;
use bog_domain::ids::{JobId, RunId};

/// List deliveries, newest first
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only of this job
    #[arg(long, value_name = "ID")]
    job: Option<JobId>,
    /// Only of this run
    #[arg(long, value_name = "ID")]
    run: Option<RunId>,
    /// Only in this state
    #[arg(long, value_parser = one_of(&DeliveryState::ALL, DeliveryState::as_str))]
    state: Option<DeliveryState>,
    /// Only those made at or after this time: `2026-11-23 09:00`, `09:00` (today), `2h` (ago), or RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Only those made before this time
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists deliveries.
pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let instant = |moment: Option<Moment>| moment.map(|moment| moment.instant(context.now, &context.zone)).transpose();
    let (since, until) = (instant(args.since)?, instant(args.until)?);
    let wanted = DeliveryQuery { job: args.job, run: args.run, state: args.state, since, until };
    let deliveries = context.daemon()?.deliveries(&wanted, args.limit).await?;
    if args.json {
        context.out.json(&deliveries)?;
    } else {
        let rows = deliveries.iter().map(|delivery| row(delivery, context)).collect();
        let columns = ["delivery", "job", "target", "standing", "made", "said"];
        context.out.table(columns, rows, "no deliveries")?;
    }
    Ok(Exit::Ok)
}

fn row(delivery: &Delivery, context: &Context) -> [String; 6] {
    let attempts = if delivery.attempts > 1 { format!(" ({} attempts)", delivery.attempts) } else { String::new() };
    let said = delivery.error.as_ref().or(delivery.receipt.as_ref());
    [
        delivery.id.clone(),
        delivery.job_id.clone(),
        delivery.target.clone(),
        format!("{}{attempts}", delivery.state),
        local(delivery.created_at, &context.zone),
        said.cloned().unwrap_or_else(|| "-".to_owned()),
    ]
}
