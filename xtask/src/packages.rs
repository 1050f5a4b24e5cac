//! Servers and libraries by others that tests talk to, from npm and PyPI: installed below the target folder, by their own
//! clients as they are set up here, in the versions named.

use crate::step::root;
use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// From npm; their programs are in `node_modules/.bin`.
const NPM: &[&str] = &[
    "@copilotkit/aimock@1.43.0",
    "@modelcontextprotocol/server-everything@2026.8.31",
    "@modelcontextprotocol/server-filesystem@2026.8.31",
    // Of the agents that speak ACP and run without an account the smallest: 53 MB.
    "@qwen-code/qwen-code@0.15.10",
    "emulate@0.11.2",
];

/// From PyPI; its folder goes into `PYTHONPATH`.
const PYPI: &[&str] = &["aiosmtpd==1.4.6", "standardwebhooks==1.1.0"];

/// Installs what is missing.
///
/// # Errors
/// When it cannot; the message says what, and how to get it.
pub fn ensure() -> Result<()> {
    let npm = tools().join("npm");
    let install = [
        "install",
        "--no-audit",
        "--no-fund",
        "--no-save",
        "--ignore-scripts",
        "--omit=optional",
        "--loglevel=error",
        "--prefix",
    ];
    let mut command = Command::new("npm");
    command.args(install).arg(&npm).args(NPM);
    installed(&npm, NPM, &mut command)?;
    let python = tools().join("python");
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", "--target"]);
    installed(&python, PYPI, command.arg(&python).args(PYPI))
}

/// Where they are; tests look for them there.
fn tools() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    root().join(target).join("test-tools")
}

/// Runs what installs `packages` into `folder`, unless they are all there.
fn installed(folder: &PathBuf, packages: &[&str], install: &mut Command) -> Result<()> {
    let (note, wanted) = (folder.join("installed"), packages.join(" "));
    if std::fs::read_to_string(&note).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    eprintln!("==> installing {wanted}");
    std::fs::create_dir_all(folder).with_context(|| format!("`{}` cannot be made", folder.display()))?;
    let program = install.get_program().to_string_lossy().into_owned();
    let status = install.stdin(Stdio::null()).status().with_context(|| format!("`{program}` could not be started"))?;
    if !status.success() {
        bail!("the tests need {wanted}, and `{program}` cannot install it: {status}");
    }
    std::fs::write(note, wanted).context("no note of what was installed")
}
