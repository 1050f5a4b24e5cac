//! Watching a run: its events as they happen, then how it ended.

use super::super::context::Context;
use super::super::exit::Exit;
use super::super::out::{Ink, note};
use super::events::Lines;
use crate::api::wire::{Fired, Run};
use crate::client::{Client, FireQuery, RunEvents, RunUpdate};
use bog_domain::fire::Disposition;
use bog_domain::run::{Outcome, RunState};

/// Skipped fires among which one is looked for.
const LOOK_BACK: usize = 1000;

/// How a fire is followed.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Until its run ends.
    pub wait: bool,
    /// For programs.
    pub json: bool,
}

/// Says what a fire came to, and follows its run where that is wanted.
pub async fn fired(fired: &Fired, daemon: &Client, how: How, context: &Context) -> anyhow::Result<Exit> {
    let Some(run_id) = &fired.run_id else {
        let reason = fired.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        if how.json {
            context.out.json(fired)?;
        }
        note(&format!("no run was made: the fire was {}{reason} (fire {})", fired.disposition, fired.fire_id));
        return Ok(Exit::Failed);
    };
    if !how.wait {
        if how.json {
            context.out.json(fired)?;
        } else {
            context.out.text(run_id)?;
            note(&format!("follow it: bog-agents-daemon runs logs -f {run_id}"));
        }
        return Ok(Exit::Ok);
    }
    let events = daemon.run_events(run_id.parse()?);
    let run = if how.json {
        to_the_end(events, |_| Ok(())).await
    } else {
        note(&format!("run {run_id}"));
        print(events, context).await
    };
    let run = match run {
        Ok(run) => run,
        Err(error) => return held(fired, daemon, how, context).await?.ok_or(error),
    };
    if how.json {
        context.out.json(&run)?;
    } else {
        note(&ending(&run, context));
    }
    Ok(if run.outcome == Some(Outcome::Succeeded) { Exit::Ok } else { Exit::Failed })
}

/// Says so where a gate held the run that was followed, which is none then.
async fn held(fired: &Fired, daemon: &Client, how: How, context: &Context) -> anyhow::Result<Option<Exit>> {
    let skipped = FireQuery { disposition: Some(Disposition::Skipped), ..FireQuery::default() };
    let found = daemon.fires(&skipped, LOOK_BACK).await?.into_iter().find(|fire| fire.id == fired.fire_id);
    let Some(fire) = found else { return Ok(None) };
    if how.json {
        context.out.json(&fire)?;
    }
    note(&format!("no agent ran: the fire was skipped: {}", fire.reason.unwrap_or_default()));
    Ok(Some(Exit::Failed))
}

/// Prints a run's events to their end.
pub async fn print(events: RunEvents, context: &Context) -> anyhow::Result<Run> {
    let mut lines = Lines::new(context.out.paint);
    let run = to_the_end(events, |update| match update {
        RunUpdate::Event(event) => Ok(context.out.piece(&lines.add(event))?),
        RunUpdate::End(_) => Ok(context.out.piece(&lines.close())?),
    });
    run.await
}

/// Follows a run's events to their end, showing each.
pub async fn to_the_end(
    mut events: RunEvents,
    mut show: impl FnMut(&RunUpdate) -> anyhow::Result<()>,
) -> anyhow::Result<Run> {
    loop {
        let update = events.next().await?;
        show(&update)?;
        match update {
            RunUpdate::Event(_) => {}
            RunUpdate::End(run) => return Ok(*run),
        }
    }
}

/// How a run ended, in a line or two.
#[must_use]
pub fn ending(run: &Run, context: &Context) -> String {
    let took = super::took(run, context.now);
    let after = if took.is_empty() { String::new() } else { format!(" after {took}") };
    let exit = run.exit_code.filter(|code| *code != 0).map(|code| format!(", exit code {code}")).unwrap_or_default();
    let paint = super::super::out::Paint::of(&std::io::stderr());
    let standing = super::standing_painted(run, paint);
    let error = run.error.as_ref().map(|error| format!("\n{}", paint.with(Ink::Bad, error))).unwrap_or_default();
    let more = match run.state {
        RunState::Finished if run.outcome != Some(Outcome::Succeeded) => {
            format!("\nlook closer: bog-agents-daemon runs show {}", run.id)
        }
        RunState::Paused => format!("\ngo on: bog-agents-daemon runs resume {} --budget-usd N", run.id),
        RunState::Finished | RunState::Queued | RunState::Running => String::new(),
    };
    format!("run {} {standing}{after}{exit}{error}{more}", run.id)
}
