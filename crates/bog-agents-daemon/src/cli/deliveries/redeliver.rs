//! `deliveries redeliver`: once more, without running the agent again.

use super::super::context::Context;
use super::super::exit::Exit;
use bog_domain::ids::DeliveryId;

/// Deliver once more, under the same id; no agent runs again
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The delivery
    delivery: DeliveryId,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Asks for a delivery to be made again.
pub async fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let delivery = context.daemon()?.redeliver(args.delivery).await?;
    if args.json {
        context.out.json(&delivery)?;
    } else {
        let (id, target) = (&delivery.id, &delivery.target);
        context
            .out
            .text(&format!("delivery {id} to `{target}` is made again: `deliveries show {id}` says what came of it"))?;
    }
    Ok(Exit::Ok)
}
