//! `job show`: one job, all that is known of it.

use super::super::context::{Context, Reach, say_offline};
use super::super::exit::Exit;
use super::super::out::{Ink, fields};
use super::super::when::{distance, local};
use super::{effective, list, words};
use crate::api::wire::{Job, Revision};
use bog_domain::ids::JobId;

/// Show a job
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job
    job: JobId,
    /// Print its file's text only
    #[arg(long, conflicts_with = "json")]
    yaml: bool,
    /// List its revisions instead
    #[arg(long, conflicts_with = "yaml")]
    revisions: bool,
    /// Show what its runs really get instead: for each trigger, after tiers, defaults and ceilings
    #[arg(long, conflicts_with_all = ["yaml", "revisions"])]
    effective: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows a job.
pub async fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    if args.effective {
        return effective::show(&args.job, args.json, context).await;
    }
    if args.revisions {
        return revisions(args, context).await;
    }
    let (job, text) = match context.reach().await? {
        Reach::Daemon(daemon) => (daemon.job(&args.job).await?, daemon.job_text(&args.job).await?.0),
        Reach::Files(files) => {
            say_offline(&files);
            (list::from_file(&args.job, &files, context)?, files.read(&args.job)?.text)
        }
    };
    if args.json {
        context.out.json(&job)?;
    } else if args.yaml {
        context.out.text(&text)?;
    } else {
        context.out.text(&format!("{}\n\n{text}", render(&job, context)))?;
    }
    Ok(Exit::Ok)
}

fn render(job: &Job, context: &Context) -> String {
    let state = &job.state;
    let next = state.next_fire_at.map(|at| format!("{} ({})", local(at, &context.zone), distance(at, context.now)));
    let last = state.last_outcome.map(|outcome| outcome.to_string());
    let last_run = state.last_run.as_ref().map(|run| format!("{run} {}", last.as_deref().unwrap_or("under way")));
    let revision = if job.revision == 0 { String::new() } else { job.revision.to_string() };
    let invalid = state.invalid_edit.as_ref().map(|why| context.out.paint.with(Ink::Bad, why));
    fields(&[
        ("job", job.spec.id.clone().unwrap_or_default()),
        ("enabled", list::yes_or_no(&job.spec)),
        ("triggers", words::triggers(&job.spec)),
        ("next slot", next.unwrap_or_default()),
        ("runs", if job.revision == 0 { String::new() } else { state.run_count.to_string() }),
        ("last run", last_run.unwrap_or_default()),
        ("revision", revision),
        ("not valid", invalid.unwrap_or_default()),
        ("warnings", job.warnings.join("\n")),
    ])
}

async fn revisions(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let revisions = context.daemon()?.revisions(&args.job).await?;
    if args.json {
        context.out.json(&revisions)?;
    } else {
        let row = |revision: &Revision| {
            [
                revision.revision.to_string(),
                revision.author.clone(),
                local(revision.created_at, &context.zone),
                words::triggers(&revision.spec),
            ]
        };
        let rows = revisions.iter().map(row).collect();
        context.out.table(["revision", "author", "saved", "triggers"], rows, "no revisions")?;
    }
    Ok(Exit::Ok)
}
