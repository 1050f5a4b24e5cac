//! Who could do the work: agents on the path with their versions and logins, and keys of model providers. Names only, never
//! a value; a login is a file or a variable that is there, and whether it still holds the first run says.

use super::Finding;
use crate::env;
use bog_agent::presets::Preset;
use bog_agent::providers;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// How long an agent may take to say its version.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of it is shown.
const VERSION_CHARS: usize = 60;

pub(super) async fn check() -> Vec<Finding> {
    let there = Preset::ALL.into_iter().filter(|preset| env::program(preset.program()).is_some());
    let found: Vec<Finding> = futures::future::join_all(there.map(preset)).await;
    let none = found.is_empty().then(|| {
        let all = Preset::ALL.map(Preset::as_str).join(", ");
        Finding::ok("agents", format!("none on PATH of {all}; the built-in one is always there"))
    });
    none.into_iter().chain(found).chain([keys()]).collect()
}

async fn preset(preset: Preset) -> Finding {
    let version = version(preset.program()).await;
    let name = preset.as_str();
    match login(preset) {
        Some(how) => Finding::ok("agents", format!("`{name}` {version}, logged in by {how}")),
        None => {
            let keys = preset.secrets().join(", ");
            let detail = format!("`{name}` {version}, not logged in: start it once by hand, or set one of {keys}");
            Finding::warn("agents", detail)
        }
    }
}

/// The first line of what `--version` says.
async fn version(program: &str) -> String {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let Ok(Ok(output)) = tokio::time::timeout(PATIENCE, command.output()).await else {
        return "(its version is not known)".to_owned();
    };
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().unwrap_or_default().trim().chars().take(VERSION_CHARS).collect()
}

/// What logs an agent in: a variable, or a file of its own.
fn login(preset: Preset) -> Option<String> {
    let set = |name: &&&str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let home = env::home_dir();
    let file = |name: &&&str| home.join(name).metadata().is_ok_and(|file| file.len() > 0);
    preset
        .secrets()
        .iter()
        .find(set)
        .map(|name| (*name).to_owned())
        .or_else(|| preset.logins().iter().find(file).map(|name| Path::new("~").join(name).display().to_string()))
}

fn keys() -> Finding {
    let names: Vec<_> = providers::configured(env::var).iter().map(ToString::to_string).collect();
    let detail = if names.is_empty() {
        "none in this environment: the built-in agent will need one".to_owned()
    } else {
        format!("in this environment: {}", names.join(", "))
    };
    Finding::ok("provider keys", detail)
}
