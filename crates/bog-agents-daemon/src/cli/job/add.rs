//! `job add`: a new job, through the daemon or as a file.

use super::super::context::{Context, Reach, say_offline};
use super::super::exit::{Exit, usage};
use super::super::files::{self, JobFiles};
use super::super::out::{note, warn};
use super::super::secrets;
use super::super::when::{distance, local};
use super::spec::SpecArgs;
use crate::client::Client;
use crate::jobs::file::set_enabled;
use anyhow::Context as _;
use bog_domain::error::SpecError;
use bog_domain::ids::JobId;
use bog_domain::job::Job;
use bog_domain::spec::{JobSpec, yaml};
use bog_domain::units::ByteSize;
use jiff::Timestamp;
use std::io::Read;
use std::path::PathBuf;

/// Add a job, from options or from a file
///
/// Without a running daemon the job's file is written, and the daemon takes it at its next start.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    bog-agents-daemon job add --name morning-brief --cron \"0 9 * * 1-5\" --prompt \"What changed?\" --output slack:#engineering\n  \
    bog-agents-daemon job add --id last-commits --interval 1h --output log -- git log --oneline -5\n  \
    bog-agents-daemon job add --file job.yaml")]
pub struct Args {
    #[command(flatten)]
    spec: SpecArgs,
    /// Take the job from a YAML file, `-` for standard input; only --id and --disabled go with it
    #[arg(long, short, value_name = "FILE", conflicts_with_all = SPELT)]
    file: Option<PathBuf>,
    /// Add it disabled: only `job run` fires it
    #[arg(long)]
    disabled: bool,
}

/// The options that spell out what a file would say.
const SPELT: [&str; 20] = [
    "name",
    "cron",
    "interval",
    "watch",
    "webhook",
    "git_push",
    "timezone",
    "overlap",
    "prompt",
    "agent",
    "command",
    "model",
    "working_dir",
    "no_working_dir",
    "env",
    "secret",
    "limit_wall_clock",
    "output",
    "argv",
    "webhook_secret_env",
];

/// A job to be added.
struct NewJob {
    id: JobId,
    spec: JobSpec,
    job: Job,
    /// The text it came from, if it can be kept as it is, comments and all.
    text: Option<String>,
}

/// Adds a job.
pub async fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let new = new_job(args, &context.files()?)?;
    match context.reach().await? {
        Reach::Daemon(daemon) => to_daemon(&new, &daemon, context).await?,
        Reach::Files(files) => to_files(&new, &files, context).await?,
    }
    Ok(Exit::Ok)
}

fn new_job(args: Args, files: &JobFiles) -> anyhow::Result<NewJob> {
    let Args { spec, file, disabled } = args;
    let given_id = spec.id.as_deref().map(str::parse::<JobId>).transpose()?;
    let Some(file) = file else {
        let here = std::env::current_dir().context("the current folder is gone: change to another")?;
        let mut spec = spec.spec(&here)?;
        spec.enabled = disabled.then_some(false);
        let id = given_id.or_else(|| spec.name.as_deref().and_then(JobId::slug));
        let id = id.ok_or_else(|| usage("a job needs a name: give `--name`, `--id`, or a whole job with `--file`"))?;
        let job = files.parse(&id, &spec)?;
        return Ok(NewJob { id, spec, job, text: None });
    };
    let text = read(&file)?;
    let shown = file.display();
    let wrong = |error: SpecError| anyhow::Error::new(error).context(format!("`{shown}`"));
    let mut spec = yaml::parse(&text).map_err(wrong)?;
    let written_id = spec.id.as_deref().map(str::parse::<JobId>).transpose()?;
    let named = spec.name.as_deref().and_then(JobId::slug);
    let stem = || file.file_stem().and_then(|stem| JobId::slug(&stem.to_string_lossy()));
    let as_written = given_id.is_none() || written_id.is_none() || given_id == written_id;
    let id = given_id.or(written_id).or(named).or_else(stem);
    let id = id.ok_or_else(|| usage(format!("`{shown}` has no `id` or `name`: add one, or give `--id`")))?;
    if spec.id.is_some() {
        spec.id = Some(id.to_string());
    }
    if disabled {
        spec.enabled = Some(false);
    }
    let job = files.parse(&id, &spec).map_err(|error| wrong(error.located_in(&text)))?;
    let text = if disabled { set_enabled(&text, false) } else { text };
    Ok(NewJob { id, spec, job, text: as_written.then_some(text) })
}

/// Reads a job's text from a file or, for `-`, from standard input.
pub(super) fn read(file: &std::path::Path) -> anyhow::Result<String> {
    // One byte more than is allowed is enough to know.
    let limit = yaml::MAX_JOB_BYTES as u64 + 1;
    let mut text = String::new();
    let result = if file.as_os_str() == "-" {
        std::io::stdin().lock().take(limit).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(limit).read_to_string(&mut text))
    };
    match result {
        Ok(_) if text.len() > yaml::MAX_JOB_BYTES => {
            let most = ByteSize::new(yaml::MAX_JOB_BYTES as u64);
            Err(usage(format!("`{}` is too large for a job: at most {most} are read", file.display())))
        }
        Ok(_) => Ok(text),
        Err(error) => Err(usage(format!("`{}` cannot be read: {error}", file.display()))),
    }
}

async fn to_daemon(new: &NewJob, daemon: &Client, context: &Context) -> anyhow::Result<()> {
    let created = match &new.text {
        Some(text) => daemon.add_job_text(&new.id, text.clone()).await?,
        None => daemon.add_job(&JobSpec { id: Some(new.id.to_string()), ..new.spec.clone() }).await?,
    };
    created.warnings.iter().for_each(|warning| warn(warning));
    let id = created.spec.id.as_deref().unwrap_or(new.id.as_str());
    let enabled = created.spec.enabled != Some(false);
    context.out.text(&format!("created job `{id}`, revision {}", created.revision))?;
    context.out.text(&next_line(enabled, !new.spec.triggers.is_empty(), created.state.next_fire_at, context))?;
    note(&format!("fire it now: bog-agents-daemon job run {id} --wait"));
    Ok(())
}

async fn to_files(new: &NewJob, files: &JobFiles, context: &Context) -> anyhow::Result<()> {
    say_offline(files);
    let text = new.text.clone().unwrap_or_else(|| yaml::to_yaml(&new.spec));
    files.create(&new.id, &text)?;
    let secrets = secrets::seen_from_here(&new.spec).await;
    new.job.warnings().iter().chain(&secrets).for_each(|warning| warn(warning));
    let next = files::next_slots(&new.job, context.now, 1).first().map(|slot| slot.at);
    context.out.text(&format!("created job `{}`: `{}`", new.id, files.path(&new.id).display()))?;
    context.out.text(&next_line(new.job.enabled, !new.job.triggers.is_empty(), next, context))?;
    note("the daemon takes it at its next start: bog-agents-daemon run");
    Ok(())
}

/// When the job fires next, or why that cannot be said.
fn next_line(enabled: bool, has_triggers: bool, next: Option<Timestamp>, context: &Context) -> String {
    match next {
        Some(at) => format!("next slot: {} ({})", local(at, &context.zone), distance(at, context.now)),
        None if !enabled => "it is disabled: only `job run` fires it".to_owned(),
        None if has_triggers => "it has no slots: its events fire it".to_owned(),
        None => "it has no triggers: only `job run` fires it".to_owned(),
    }
}
