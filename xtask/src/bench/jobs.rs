//! Job files for the benchmarks.

use super::daemon::Scratch;
use anyhow::{Context as _, Result};
use std::fs;

/// Once a year at midnight of New Year: never due during a benchmark.
pub const NEVER_DUE: &str = "0 0 1 1 *";

/// Writes `jobs/ID.yaml` for a command agent, with the lines of `more` after it.
///
/// # Errors
/// When the file cannot be written.
pub fn command(data: &Scratch, id: &str, command: &[&str], more: &str) -> Result<()> {
    let command = serde_json::to_string(command)?;
    let text = format!("name: {id}\nprompt: benchmark\nagent: {{command: {command}}}\n{more}");
    let file = data.path().join("jobs").join(format!("{id}.yaml"));
    fs::write(&file, text).with_context(|| format!("`{}` cannot be written", file.display()))
}

/// Writes `count` jobs that run `true` at the slots of `cron`, in UTC.
///
/// # Errors
/// When a file cannot be written.
pub fn cron(data: &Scratch, prefix: &str, count: usize, cron: &str) -> Result<()> {
    let more = format!("timezone: UTC\ntriggers:\n  - {{type: cron, cron: \"{cron}\"}}\n");
    (0..count).try_for_each(|n| command(data, &format!("{prefix}-{n:05}"), &["true"], &more))
}
