//! `job validate`: whether a job file is good, without adding it.

use super::super::context::Context;
use super::super::exit::{Exit, not_found};
use super::super::files::{self, JobFiles};
use super::super::out::{Ink, warn};
use super::super::when::local;
use bog_domain::error::SpecError;
use bog_domain::ids::JobId;
use bog_domain::job::Job;
use bog_domain::spec::yaml;
use std::path::{Path, PathBuf};

/// Check job files, without adding or changing anything
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files, `-` for standard input, or ids of jobs
    #[arg(required = true, value_name = "FILE|JOB")]
    jobs: Vec<PathBuf>,
}

/// Checks files.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let mut exit = Exit::Ok;
    let files = context.files()?;
    for given in &args.jobs {
        let path = path(given, &files)?;
        let text = super::add::read(&path)?;
        let shown = path.display();
        match check(&path, &text, &files) {
            Ok(job) => {
                job.warnings().iter().for_each(|warning| warn(&format!("`{shown}`: {warning}")));
                let next = files::next_slots(&job, context.now, 1);
                let next = next.first().map(|slot| format!(", next slot {}", local(slot.at, &context.zone)));
                let good = context.out.paint.with(Ink::Good, "valid");
                context.out.text(&format!("`{shown}`: {good}, job `{}`{}", job.id, next.unwrap_or_default()))?;
            }
            Err(error) => {
                exit = Exit::Usage;
                context.out.text(&format!("`{shown}`: {} {error}", context.out.paint.with(Ink::Bad, "not valid:")))?;
            }
        }
    }
    Ok(exit)
}

/// A file that is there, else the file of the job of that name.
fn path(given: &Path, files: &JobFiles) -> anyhow::Result<PathBuf> {
    if given.as_os_str() == "-" || given.exists() {
        return Ok(given.to_owned());
    }
    let of_job = given.to_str().and_then(|id| id.parse::<JobId>().ok()).map(|id| files.path(&id));
    let found = of_job.filter(|path| path.exists());
    found.ok_or_else(|| not_found(format!("there is no file and no job `{}`", given.display())))
}

/// A file anywhere may have any name; one that says its id is checked under that.
fn check(path: &Path, text: &str, files: &JobFiles) -> Result<Job, SpecError> {
    let spec = yaml::parse(text)?;
    let field = |error: bog_domain::ids::IdError| SpecError::new("id", error).located_in(text);
    let written = spec.id.as_deref().map(str::parse::<JobId>).transpose().map_err(field)?;
    let stem = path.file_stem().and_then(|stem| JobId::slug(&stem.to_string_lossy()));
    let named = spec.name.as_deref().and_then(JobId::slug);
    let id = written.or(stem).or(named);
    let id =
        id.ok_or_else(|| SpecError::new("id", "missing: the job has no id, and neither file nor name gives one"))?;
    files.parse(&id, &spec).map_err(|error| error.located_in(text))
}
