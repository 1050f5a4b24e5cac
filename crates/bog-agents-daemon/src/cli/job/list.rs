//! `job list`: a line per job, and what is wrong with an edit beneath it.

use super::super::context::{Context, Reach, say_offline};
use super::super::exit::Exit;
use super::super::files::{self, JobFiles};
use super::super::out::{Ink, warn};
use super::super::when::{distance, local};
use super::words;
use crate::api::wire::{Job, JobState};
use bog_domain::ids::JobId;
use bog_domain::spec::JobSpec;

/// List jobs
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists jobs.
pub async fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let jobs = match context.reach().await? {
        Reach::Daemon(daemon) => daemon.jobs().await?,
        Reach::Files(files) => {
            say_offline(&files);
            let (ids, strangers) = files.ids()?;
            for name in strangers {
                warn(&format!("`{name}` is not a job's file: its name is not an id of `a-z`, `0-9`, `-` and `_`"));
            }
            ids.iter().map(|id| from_file(id, &files, context)).collect::<Result<_, _>>()?
        }
    };
    if args.json {
        context.out.json(&jobs)?;
        return Ok(Exit::Ok);
    }
    let rows = jobs.iter().map(|job| row(job, context)).collect();
    let none = "no jobs yet: `bog-agents-daemon job add --help` shows how to add one";
    context.out.table(["id", "enabled", "triggers", "next", "last outcome"], rows, none)?;
    for job in &jobs {
        if let Some(why) = &job.state.invalid_edit {
            context.out.text(&invalid(job, why, context))?;
        }
    }
    Ok(Exit::Ok)
}

/// A job as its file shows it, without what only the daemon knows.
pub(super) fn from_file(id: &JobId, files: &JobFiles, context: &Context) -> anyhow::Result<Job> {
    let mut state =
        JobState { last_run: None, next_fire_at: None, run_count: 0, last_outcome: None, invalid_edit: None };
    let (mut spec, warnings) = match files.read(id)?.job {
        Ok((spec, job)) => {
            state.next_fire_at = files::next_slots(&job, context.now, 1).first().map(|slot| slot.at);
            (spec, job.warnings())
        }
        Err(error) => {
            state.invalid_edit = Some(error.to_string());
            (JobSpec::default(), Vec::new())
        }
    };
    spec.id = Some(id.to_string());
    spec.enabled = Some(spec.enabled.unwrap_or(true));
    Ok(Job { spec, revision: 0, state, warnings })
}

fn row(job: &Job, context: &Context) -> [String; 5] {
    let unread = job.revision == 0 && job.state.invalid_edit.is_some();
    let dash = || "-".to_owned();
    let next = job.state.next_fire_at;
    [
        job.spec.id.clone().unwrap_or_default(),
        if unread { dash() } else { yes_or_no(&job.spec) },
        if unread { "not valid".to_owned() } else { words::triggers(&job.spec) },
        next.map_or_else(dash, |at| format!("{} ({})", local(at, &context.zone), distance(at, context.now))),
        job.state.last_outcome.map_or_else(dash, |outcome| outcome.to_string()),
    ]
}

pub(super) fn yes_or_no(spec: &JobSpec) -> String {
    if spec.enabled == Some(false) { "no" } else { "yes" }.to_owned()
}

fn invalid(job: &Job, why: &str, context: &Context) -> String {
    let id = job.spec.id.as_deref().unwrap_or_default();
    let goes_on = if job.revision == 0 { String::new() } else { format!(" (revision {} goes on)", job.revision) };
    let mark = context.out.paint.with(Ink::Bad, "not valid:");
    format!("`{}` {mark} {why}{goes_on}", context.data_dir.join("jobs").join(format!("{id}.yaml")).display())
}
