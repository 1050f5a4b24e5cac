//! The programs that tests call, and how to get them.

use anyhow::{Context as _, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};

/// A program and the Debian package that holds it.
pub struct Program {
    /// Its file's name.
    pub name: &'static str,
    /// The package.
    pub package: &'static str,
}

const EVERYWHERE: &[Program] = &[
    Program { name: "sh", package: "dash" },
    Program { name: "git", package: "git" },
    Program { name: "openssl", package: "openssl" },
    Program { name: "python3", package: "python3" },
];

/// For tests with a small disk, a network or a keyring of their own and processes that leave their session.
const ON_LINUX: &[Program] = &[
    Program { name: "dbus-daemon", package: "dbus-daemon" },
    Program { name: "gnome-keyring-daemon", package: "gnome-keyring" },
    Program { name: "ip", package: "iproute2" },
    Program { name: "mount", package: "mount" },
    Program { name: "secret-tool", package: "libsecret-tools" },
    Program { name: "setpriv", package: "util-linux" },
    Program { name: "setsid", package: "util-linux" },
    Program { name: "unshare", package: "util-linux" },
];

/// Whether `PATH` holds an executable file of that name.
pub fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| is_executable(&folder.join(name)))
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.with_extension("exe").is_file()
}

/// Installs what the tests need and is missing, through `apt-get`, where there is one and we may.
///
/// # Errors
/// When something is missing and stays missing; the message says what, and how to get it.
pub fn ensure() -> Result<()> {
    let on_linux = if cfg!(target_os = "linux") { ON_LINUX } else { &[] };
    match obtain(EVERYWHERE.iter().chain(on_linux))? {
        None => Ok(()),
        Some(obstacle) => bail!("the tests need what is missing: {obstacle}"),
    }
}

/// Installs what is missing of `programs`; where that may not be done here, says what is missing and how to get it.
///
/// # Errors
/// When it may be installed, but cannot.
pub fn obtain(programs: impl Iterator<Item = &'static Program>) -> Result<Option<String>> {
    let missing: Vec<&Program> = programs.filter(|program| !on_path(program.name)).collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let mut packages: Vec<&str> = missing.iter().map(|program| program.package).collect();
    packages.sort_unstable();
    packages.dedup();
    let by_hand = format!("install it: on Debian `apt-get install {}`", packages.join(" "));
    let Some(apt_get) = apt_get() else {
        return Ok(Some(format!("{} not found on `PATH`; {by_hand}", names(&missing))));
    };
    eprintln!("==> installing {}", packages.join(" "));
    let install = ["install", "--yes", "--no-install-recommends"];
    apt(&apt_get, &["update"])
        .and_then(|()| apt(&apt_get, &[&install, packages.as_slice()].concat()))
        .with_context(|| format!("the tests need {}; {by_hand}", names(&missing)))?;
    let still: Vec<&Program> = missing.into_iter().filter(|program| !on_path(program.name)).collect();
    if !still.is_empty() {
        bail!("{} still not on `PATH` after installing {}", names(&still), packages.join(" "));
    }
    Ok(None)
}

fn names(programs: &[&Program]) -> String {
    programs.iter().map(|program| format!("`{}`", program.name)).collect::<Vec<_>>().join(", ")
}

/// The words before apt-get's own arguments, if this user may install packages here.
fn apt_get() -> Option<Vec<&'static str>> {
    let quiet = |words: &[&str]| {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stderr(Stdio::null());
        command
    };
    if !on_path("apt-get") {
        return None;
    }
    let uid = quiet(&["id", "-u"]).output().ok()?;
    if uid.stdout.trim_ascii() == b"0" {
        return Some(vec!["apt-get"]);
    }
    let may_sudo = on_path("sudo") && quiet(&["sudo", "-n", "true"]).status().is_ok_and(|status| status.success());
    may_sudo.then(|| vec!["sudo", "-n", "apt-get"])
}

fn apt(apt_get: &[&str], args: &[&str]) -> Result<()> {
    let mut command = Command::new(apt_get[0]);
    command.args(&apt_get[1..]).arg("--quiet").args(args).env("DEBIAN_FRONTEND", "noninteractive");
    let status = command.stdin(Stdio::null()).status().context("`apt-get` could not be started")?;
    if !status.success() {
        bail!("`apt-get {}` failed with {status}", args.join(" "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_programs_on_the_path_only() {
        assert!(on_path("sh"));
        assert!(!on_path("no-program-has-this-name"));
    }
}
