//! Servers and clients by others that tests need and that come from npm, in fixed versions, below the target folder.

use crate::programs::{Program, obtain};
use crate::step::root;
use anyhow::{Context as _, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};

/// The packages, with their versions.
const PACKAGES: [(&str, &str); 4] = [
    ("@copilotkit/aimock", "1.43.0"),
    ("@modelcontextprotocol/server-everything", "2026.8.31"),
    ("@modelcontextprotocol/server-filesystem", "2026.8.31"),
    // Of the agents that speak ACP and run without an account the smallest: 53 MB.
    ("@qwen-code/qwen-code", "0.15.10"),
];

static PROGRAMS: [Program; 2] = [Program { name: "node", package: "nodejs" }, Program { name: "npm", package: "npm" }];

/// Installs the packages that are not there yet into `target/node`.
///
/// # Errors
/// When one is missing and cannot be installed: what, and how to get it.
pub fn ensure() -> Result<()> {
    let folder = root().join("target/node");
    let missing: Vec<String> = PACKAGES
        .iter()
        .filter(|(name, version)| installed(&folder, name).as_deref() != Some(*version))
        .map(|(name, version)| format!("{name}@{version}"))
        .collect();
    if let Some(obstacle) = obtain(PROGRAMS.iter())? {
        bail!("the tests need what is missing: {obstacle}");
    }
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("==> installing {}", missing.join(" "));
    std::fs::create_dir_all(&folder).with_context(|| format!("`{}` cannot be made", folder.display()))?;
    let mut npm = Command::new("npm");
    npm.args([
        "install",
        "--no-audit",
        "--no-fund",
        "--no-save",
        "--ignore-scripts",
        "--omit=optional",
        "--loglevel=error",
        "--prefix",
    ]);
    npm.arg(&folder).args(PACKAGES.map(|(name, version)| format!("{name}@{version}"))).stdin(Stdio::null());
    let status = npm.status().context("`npm` could not be started")?;
    if !status.success() {
        bail!("the tests need `{}` from npm, and `npm install` failed with {status}", missing.join("`, `"));
    }
    Ok(())
}

/// The version of a package that is there.
fn installed(folder: &Path, name: &str) -> Option<String> {
    let manifest = std::fs::read_to_string(folder.join("node_modules").join(name).join("package.json")).ok()?;
    let line = manifest.lines().find(|line| line.trim().starts_with("\"version\":"))?;
    line.split('"').nth(3).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_that_is_there_is_read() {
        let folder = std::env::temp_dir().join(format!("bog-node-{}", std::process::id()));
        let package = folder.join("node_modules/@a/b");
        std::fs::create_dir_all(&package).unwrap();
        std::fs::write(package.join("package.json"), "{\n  \"name\": \"@a/b\",\n  \"version\": \"1.2.3\"\n}\n")
            .unwrap();
        assert_eq!(installed(&folder, "@a/b").as_deref(), Some("1.2.3"));
        assert_eq!(installed(&folder, "@a/c"), None);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
