//! `job rm`: a job goes, its record stays.

use super::super::context::{Context, Reach, say_offline};
use super::super::exit::Exit;
use bog_domain::ids::JobId;

/// Remove jobs; their runs stay in the record
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The jobs
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<JobId>,
}

/// Removes jobs, one after the other, up to the first that cannot be.
pub async fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let reach = context.reach().await?;
    if let Reach::Files(files) = &reach {
        say_offline(files);
    }
    for id in &args.jobs {
        match &reach {
            Reach::Daemon(daemon) => daemon.remove_job(id).await?,
            Reach::Files(files) => files.remove(id)?,
        }
        context.out.text(&format!("removed job `{id}`"))?;
    }
    Ok(Exit::Ok)
}
