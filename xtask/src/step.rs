//! Runs one named program after the other, saying what runs and how long it took.

use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The workspace's root folder.
pub fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// A `cargo` command in the workspace's root, with the same cargo that built us.
///
/// Without what that one says about this crate: build scripts such as ring's read it, and would build everything again
/// whenever it is there and was not the last time.
pub fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    for (name, _) in std::env::vars_os() {
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs `command` with our own output, under a heading, and prints how long it took.
///
/// # Errors
/// When it cannot be started or does not exit with 0.
pub fn run(name: &str, command: &mut Command) -> Result<()> {
    let start = Instant::now();
    run_untimed(name, command)?;
    eprintln!("    {name}: {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// [`run`], but prints nothing after the program's own last line.
///
/// # Errors
/// As [`run`].
pub fn run_untimed(name: &str, command: &mut Command) -> Result<()> {
    eprintln!("==> {name}");
    let status = command.status().with_context(|| format!("`{name}` could not be started"))?;
    if !status.success() {
        bail!("`{name}` failed with {status}");
    }
    Ok(())
}

/// Says that a step is left out, and what it would need.
pub fn skip(name: &str, why: &str) {
    eprintln!("==> {name}\n    {name}: skipped, {why}");
}
