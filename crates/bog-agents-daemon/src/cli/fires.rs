//! `fires list`: the ledger.

use super::context::Context;
use super::exit::Exit;
use super::values::one_of;
use super::when::{Moment, local};
use crate::api::wire::Fire;
use crate::client::FireQuery;
use bog_domain::fire::Disposition;
use bog_domain::ids::JobId;
use jiff::tz::TimeZone;

/// The ledger: every due slot and every accepted event, and what came of it
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List fires, newest first
    List(ListArgs),
}

/// Options of `fires list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Only of this job
    #[arg(long, value_name = "ID")]
    job: Option<JobId>,
    /// Only with this disposition
    #[arg(long, value_parser = one_of(&Disposition::ALL, Disposition::as_str))]
    disposition: Option<Disposition>,
    /// Only those due at or after this time: `2026-11-23 09:00`, `09:00` (today), `2h` (ago), or RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Only those due before this time
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists fires.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<Exit> {
    let Command::List(args) = command;
    let instant = |moment: Option<Moment>| moment.map(|moment| moment.instant(context.now, &context.zone)).transpose();
    let (since, until) = (instant(args.since)?, instant(args.until)?);
    let wanted = FireQuery { job: args.job, disposition: args.disposition, since, until };
    let fires = context.daemon()?.fires(&wanted, args.limit).await?;
    if args.json {
        context.out.json(&fires)?;
    } else {
        show(&fires, context)?;
    }
    Ok(Exit::Ok)
}

/// Writes a table of fires.
pub fn show(fires: &[Fire], context: &Context) -> std::io::Result<()> {
    let rows = fires.iter().map(|fire| row(fire, &context.zone)).collect();
    context.out.table(["due", "job", "trigger", "disposition", "reason", "run"], rows, "no fires")
}

fn row(fire: &Fire, zone: &TimeZone) -> [String; 6] {
    let due = match fire.until_at {
        Some(until) => format!("{} to {} ({} slots)", local(fire.due_at, zone), local(until, zone), fire.count),
        None => local(fire.due_at, zone),
    };
    [
        due,
        fire.job_id.clone(),
        fire.trigger.clone(),
        fire.disposition.to_string(),
        fire.reason.clone().unwrap_or_else(|| "-".to_owned()),
        fire.run_id.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}
