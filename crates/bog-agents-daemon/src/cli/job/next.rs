//! `job next`: the slots to come.

use super::super::context::{Context, Reach, say_offline};
use super::super::exit::Exit;
use super::super::files;
use super::super::when::{distance, local};
use crate::api::wire::{NextEvent, NextSlot, NextSlots};
use bog_domain::ids::JobId;

/// List a job's next slots, and what else fires it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job
    job: JobId,
    /// How many
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    count: u16,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists slots.
pub async fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let NextSlots { items: slots, note, events, .. } = match context.reach().await? {
        Reach::Daemon(daemon) => daemon.next_slots(&args.job, args.count).await?,
        Reach::Files(files) => {
            say_offline(&files);
            let (_, job) = files.read(&args.job)?.job?;
            let items = files::next_slots(&job, context.now, args.count.into());
            let events = if job.enabled { NextEvent::of(&job) } else { Vec::new() };
            NextSlots { items, next: None, note: None, events }
        }
    };
    if args.json {
        context.out.json(&slots)?;
    } else {
        let row =
            |slot: &NextSlot| [local(slot.at, &context.zone), distance(slot.at, context.now), slot.trigger.clone()];
        let event = |event: &NextEvent| [format!("on {}", event.on), String::new(), event.trigger.clone()];
        let rows = slots.iter().map(row).chain(events.iter().map(event)).collect();
        context.out.table(["due", "", "trigger"], rows, note.as_deref().unwrap_or("no slots"))?;
    }
    Ok(Exit::Ok)
}
