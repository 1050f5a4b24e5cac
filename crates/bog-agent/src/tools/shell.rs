//! `shell`: a command line, for a limited time. What contains it is the sandbox around the whole agent, not this tool.

use super::process::{Ended, run as run_process};
use super::{Toolbox, object};
use crate::launch::command;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

const USUAL_SECONDS: u64 = 120;
const MOST_SECONDS: u64 = 1800;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Args {
    command: String,
    #[serde(default)]
    timeout_seconds: Option<u64>,
}

pub fn about() -> (&'static str, Value) {
    let parameters = object(
        1,
        &[
            ("command", "string", "the command line, for sh"),
            ("timeout_seconds", "integer", "when it is ended; 120 where left out, at most 1800"),
        ],
    );
    let about = "Runs a command in the working folder. It has no input, and nothing that it starts outlives it. Each call \
                 begins anew: folders that were changed to and variables that were set are forgotten.";
    (about, parameters)
}

pub async fn run(toolbox: &Toolbox, args: &Args) -> Result<String, String> {
    let seconds = args.timeout_seconds.unwrap_or(USUAL_SECONDS).clamp(1, MOST_SECONDS);
    let mut sh = command(&toolbox.through, "sh");
    sh.arg("-c").arg(&args.command).current_dir(toolbox.roots.cwd()).env_clear();
    sh.envs(toolbox.environment.for_commands(&toolbox.hidden).map(|(name, value)| (name, value)));
    let ended = run_process(sh, Duration::from_secs(seconds)).await?;
    told(ended, seconds)
}

/// What the model is told: a failure with its output is an error.
pub fn told(ended: Ended, seconds: u64) -> Result<String, String> {
    let mut text = ended.output;
    if text.trim().is_empty() {
        text = "(no output)\n".to_owned();
    } else if !text.ends_with('\n') {
        text.push('\n');
    }
    if ended.left_others {
        text.push_str("[processes that it left in the background were ended]\n");
    }
    match ended.status {
        Some(status) if status.success() => Ok(text),
        Some(status) => Err(format!("{text}[{status}]")),
        None => Err(format!("{text}[ended: it took longer than {seconds} s]")),
    }
}
