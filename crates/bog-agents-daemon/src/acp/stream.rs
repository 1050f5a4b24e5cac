//! Agents that are command lines and tell what they do as lines of JSON, each in its own dialect.

mod claude;
mod codex;

use super::child::{farewell, not_started};
use super::ending::reached;
use super::instructions::{Dialect, Started};
use super::lines::{Garbage, messages};
use super::report::Reporter;
use super::{Host, ended, failed};
use bog_domain::agent_end::{AgentEnd, ModelUsage, Stop, plus};
use futures::StreamExt;
use serde_json::Value;
use std::process::Stdio;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// What has become known of an agent line by line.
#[derive(Debug, Default)]
struct Known {
    /// The conversation, by the agent's own name for it.
    session: Option<String>,
    /// The model, where it says which.
    model: String,
    /// What it used.
    usage: Vec<ModelUsage>,
    /// What of that the runner knows.
    told: Vec<ModelUsage>,
    /// How it ended, once it said so.
    end: Option<AgentEnd>,
}

/// Starts an agent, gives it its prompt and follows what it tells.
pub async fn follow(host: &Host, started: &Started) -> AgentEnd {
    let Some((program, arguments)) = started.command.split_first() else { return failed("no agent was named") };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&host.instructions.working_dir).process_group(0).kill_on_drop(true);
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return failed(not_started(program, &error)),
    };
    let mut known = Known::default();
    let mut end = listen(host, started, &mut child, &mut known).await;
    let status = farewell(&mut child).await;
    if let (None, Some(message), Some(status)) = (&known.end, &mut end.message, status) {
        message.push_str(&format!("; it ended with {status}"));
    }
    remember(host, &known);
    end
}

/// Listens until it has ended, or has to.
async fn listen(host: &Host, started: &Started, child: &mut Child, known: &mut Known) -> AgentEnd {
    let program = &started.command[0];
    let (stdin, Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return failed(format!("`{program}` has no standard output; run the job again"));
    };
    let prompt = prompt(host, started);
    let feed = async {
        if let Some(mut stdin) = stdin {
            // One that does not read it is no error.
            let _ = stdin.write_all(prompt.as_bytes()).await;
        }
        std::future::pending::<()>().await;
    };
    let mut lines = std::pin::pin!(messages(stdout, host.reporter.clone(), Garbage::default()));
    let mut feed = std::pin::pin!(feed);
    let idle = Duration::from_millis(host.instructions.idle_ms);
    loop {
        tokio::select! {
            line = lines.next() => match line {
                Some(Ok(line)) => {
                    take(&line, started.dialect, known, &host.reporter);
                    if let Some(why) = over_budget(host, known) {
                        return ended(Stop::Budget, Some(why));
                    }
                }
                Some(Err(_)) | None => break,
            },
            () = &mut feed => {}
            () = host.stop.cancelled() => return ended(Stop::Cancelled, None),
            () = tokio::time::sleep_until(host.reporter.last_heard() + idle) => {
                if host.reporter.last_heard() + idle <= Instant::now() {
                    return failed(format!("the agent `{program}` said nothing for {idle:?}; raise `idle_timeout`"));
                }
            }
        }
    }
    let silent = || failed(format!("the agent `{program}` ended without saying how it went"));
    known.end.clone().unwrap_or_else(silent)
}

/// Tells what the run has used, and whether that is all it may use although it goes on.
fn over_budget(host: &Host, known: &mut Known) -> Option<String> {
    if known.told == known.usage {
        return None;
    }
    known.told.clone_from(&known.usage);
    let before = host.memory.lock().unwrap_or_else(PoisonError::into_inner).of_run();
    let of_run = plus(&before, &known.usage);
    let why = reached(host.instructions.settings.budget, &of_run).filter(|_| known.end.is_none());
    host.reporter.used(of_run);
    why
}

fn take(line: &str, dialect: Dialect, known: &mut Known, reporter: &Reporter) {
    let Ok(line) = serde_json::from_str::<Value>(line) else { return };
    match dialect {
        Dialect::Claude => claude::take(&line, known, reporter),
        Dialect::Codex => codex::take(&line, known, reporter),
    }
}

fn prompt(host: &Host, started: &Started) -> String {
    let instructions = &host.instructions;
    if !started.prompt_on_stdin {
        return String::new();
    }
    match &instructions.settings.event {
        Some(event) => format!("{}\n\n{}", instructions.prompt, super::converse::framed(event)),
        None => instructions.prompt.clone(),
    }
}

/// Each run of it is a conversation of its own: what an earlier attempt used still counts.
fn remember(host: &Host, known: &Known) {
    let mut memory = host.memory.lock().unwrap_or_else(PoisonError::into_inner);
    memory.begin(known.session.as_deref().unwrap_or_default());
    memory.used(known.usage.clone());
}

/// A text within a line.
fn text<'a>(line: &'a Value, path: &str) -> &'a str {
    line.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// A count within a line.
fn count(line: &Value, path: &str) -> Option<u64> {
    line.pointer(path).and_then(Value::as_u64)
}
