//! `job test`: what a job would make of an event.

use super::super::context::{Context, Reach, say_offline};
use super::super::exit::{Exit, usage};
use super::super::out::{Ink, fields};
use anyhow::Context as _;
use bog_domain::ids::JobId;
use bog_domain::job::Job;
use bog_domain::sample::{Rendered, Sampled, sample};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Show what a job would make of an event, without running anything
///
/// The file holds JSON: a payload; a request, as `{"headers": {...}, "payload": ...}`, with a `path` or without; or an
/// event as agents find it in the file that `BOG_EVENT_FILE` names. The command ends with 0 where the event would fire and
/// everything can be rendered, else with 1.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job
    job: JobId,
    /// The event; `-` for standard input
    #[arg(long, value_name = "FILE")]
    event: PathBuf,
    /// The trigger that hears it, where that cannot be told from the event
    #[arg(long, value_name = "ID")]
    trigger: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Tests a job.
pub async fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let event = read(&args.event)?;
    let job = job(&args.job, context).await?;
    let login = crate::config::Config::load(&context.data_dir)?.webhooks.github_login;
    let sampled = sample(&job, event, args.trigger.as_deref(), login.as_deref(), context.now).map_err(usage)?;
    if args.json {
        context.out.json(&sampled)?;
    } else {
        context.out.text(&said(&sampled, context))?;
    }
    Ok(if sampled.is_good() { Exit::Ok } else { Exit::Failed })
}

async fn job(id: &JobId, context: &Context) -> anyhow::Result<Job> {
    match context.reach().await? {
        Reach::Daemon(daemon) => Ok(context.files()?.parse(id, &daemon.job(id).await?.spec)?),
        Reach::Files(files) => {
            say_offline(&files);
            Ok(files.read(id)?.job?.1)
        }
    }
}

fn read(file: &Path) -> anyhow::Result<Value> {
    let shown = file.display();
    let read =
        if file.as_os_str() == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) };
    let text = read.with_context(|| format!("`{shown}` cannot be read"))?;
    serde_json::from_str(&text).map_err(|error| usage(format!("`{shown}` is not JSON: {error}")))
}

fn said(sampled: &Sampled, context: &Context) -> String {
    let paint = &context.out.paint;
    let decision = match &sampled.reason {
        None => paint.with(Ink::Good, "it fires"),
        Some(reason) => format!("{}: {reason}", paint.with(Ink::Bad, "it does not fire")),
    };
    let head = fields(&[("trigger", format!("{} ({})", sampled.trigger, sampled.kind)), ("decision", decision)]);
    let shown = |rendered: &Rendered| match rendered {
        Rendered::Text(text) => text.clone(),
        Rendered::Error(error) => format!("{} {error}", paint.with(Ink::Bad, "cannot be rendered:")),
    };
    let prompt = sampled.prompt.as_ref().map(|prompt| format!("\n\nprompt\n{}", indented(&shown(prompt))));
    let outputs = sampled.outputs.iter().map(|output| {
        let fields =
            output.fields.iter().map(|(name, field)| format!("\n{}", indented(&format!("{name}: {}", shown(field)))));
        format!("\n\noutput {}{}", output.target, fields.collect::<String>())
    });
    format!("{head}{}{}", prompt.unwrap_or_default(), outputs.collect::<String>())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
