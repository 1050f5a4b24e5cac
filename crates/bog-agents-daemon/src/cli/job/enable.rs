//! `job enable` and `job disable`: whether a job's triggers fire. One line of its file changes; comments stay.

use super::super::context::{Context, Reach, say_offline};
use super::super::exit::Exit;
use super::super::when::{distance, local};
use crate::jobs::file;
use bog_domain::ids::JobId;
use jiff::Timestamp;

/// Let a job's triggers fire
#[derive(Debug, clap::Args)]
pub struct EnableArgs {
    /// The job
    pub job: JobId,
}

/// Keep a job's triggers from firing; `job run` still fires it
#[derive(Debug, clap::Args)]
pub struct DisableArgs {
    /// The job
    pub job: JobId,
}

/// Enables or disables a job.
pub async fn run(id: &JobId, enabled: bool, context: &Context) -> anyhow::Result<Exit> {
    let next = match context.reach().await? {
        Reach::Daemon(daemon) => daemon.set_job_enabled(id, enabled).await?.state.next_fire_at,
        Reach::Files(files) => {
            say_offline(&files);
            let was = files.read(id)?;
            was.job?;
            files.replace(id, &was.text, &file::set_enabled(&was.text, enabled))?;
            let (_, job) = files.read(id)?.job?;
            super::super::files::next_slots(&job, context.now, 1).first().map(|slot| slot.at)
        }
    };
    context.out.text(&line(id, enabled, next, context))?;
    Ok(Exit::Ok)
}

fn line(id: &JobId, enabled: bool, next: Option<Timestamp>, context: &Context) -> String {
    match next {
        Some(at) if enabled => {
            let (at, distance) = (local(at, &context.zone), distance(at, context.now));
            format!("job `{id}` is enabled, next slot: {at} ({distance})")
        }
        None if enabled => format!("job `{id}` is enabled"),
        Some(_) | None => format!("job `{id}` is disabled: only `job run` fires it"),
    }
}
