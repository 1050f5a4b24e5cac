//! `deliveries`: one file per verb.

mod list;
mod redeliver;
mod show;

use super::context::Context;
use super::exit::Exit;
use super::out::{Ink, Paint};
use crate::api::wire::Delivery;
use bog_domain::delivery::DeliveryState;
use clap::Subcommand;

/// Deliveries: what was told to whom, and what came of it
#[derive(Debug, Subcommand)]
pub enum Command {
    List(list::Args),
    Show(show::Args),
    Redeliver(redeliver::Args),
}

/// Runs a verb.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<Exit> {
    match command {
        Command::List(args) => list::run(args, context).await,
        Command::Show(args) => show::run(&args, context).await,
        Command::Redeliver(args) => redeliver::run(&args, context).await,
    }
}

/// Where a delivery stands, coloured.
fn standing(delivery: &Delivery, paint: Paint) -> String {
    let ink = match delivery.state {
        DeliveryState::Delivered => Ink::Good,
        DeliveryState::Pending => Ink::Strong,
        DeliveryState::Retrying | DeliveryState::Unknown => Ink::Care,
        DeliveryState::GaveUp => Ink::Bad,
    };
    paint.with(ink, delivery.state.as_str())
}
