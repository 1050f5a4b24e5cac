//! The one file that reads the environment.

use std::ffi::OsString;
#[cfg(unix)]
use std::fs::Metadata;
use std::path::{Path, PathBuf};

/// Where the data folder is, for tests, containers and several daemons side by side.
pub const DATA_DIR: &str = "BOG_DAEMON_DATA_DIR";

/// The cause of whatever a run causes, as its agent finds it: the value of `bog_domain::cause::HEADER`.
pub const CAUSE: &str = "BOG_CAUSE";

/// `NAME_FILE` names the file that holds the secret `NAME`.
pub const FILE_SUFFIX: &str = "_FILE";

/// Where systemd puts the credentials of a service (systemd.exec(5), `LoadCredential=`).
pub const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Variables every agent gets, besides `LC_*`, `XDG_*` and those its job names.
const USUAL: [&str; 16] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "TZ",
    "TMPDIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
];

/// A variable's value, if it is set and is text.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the file that reads the environment")]
pub fn var(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A variable's value as the system has it: secrets need not be text.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the file that reads the environment")]
pub fn var_os(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Every variable of this process, to be handed on.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the file that reads the environment")]
pub fn all() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// The data folder: `BOG_DAEMON_DATA_DIR`, else `~/.bog-agents/daemon`.
#[must_use]
pub fn data_dir() -> PathBuf {
    var(DATA_DIR).filter(|dir| !dir.is_empty()).map_or_else(|| home_dir().join(".bog-agents/daemon"), PathBuf::from)
}

/// The user's home folder; the root folder for a service user that has none.
#[must_use]
pub fn home_dir() -> PathBuf {
    etcetera::home_dir().unwrap_or_else(|_| PathBuf::from("/"))
}

/// Replaces a leading `~` by the home folder.
#[must_use]
pub fn expand_home(path: &str) -> PathBuf {
    match path.strip_prefix('~') {
        Some("") => home_dir(),
        Some(rest) if rest.starts_with('/') => home_dir().join(&rest[1..]),
        Some(_) | None => PathBuf::from(path),
    }
}

/// The environment of an agent without its secrets: the usual variables, and those named, where they are set. Nothing else
/// is inherited, and nothing that says where its secrets, or anyone's credentials, come from.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the file that reads the environment")]
pub fn for_agent(named: &[String], secrets: &[String]) -> Vec<(OsString, OsString)> {
    let is_usual = |name: &str| USUAL.contains(&name) || name.starts_with("LC_") || name.starts_with("XDG_");
    let is_named = |name: &str| named.iter().any(|given| given == name);
    let is_secret = |name: &str| {
        let of = name.strip_suffix(FILE_SUFFIX);
        name == CREDENTIALS_DIRECTORY || secrets.iter().any(|secret| secret == name || of == Some(secret))
    };
    let wanted = |name: &str| (is_usual(name) || is_named(name)) && !is_secret(name);
    std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(wanted)).collect()
}

/// This program's own file. An upgrade may have put another in its place since it was started; what it starts then is that
/// one.
#[must_use]
pub fn own_program() -> PathBuf {
    let path = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("bog-agents-daemon"));
    // What Linux says of a file that was replaced.
    let replaced = path.to_str().and_then(|text| text.strip_suffix(" (deleted)")).map(PathBuf::from);
    replaced.unwrap_or(path)
}

/// Where a program of this name is on `PATH`.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    let path = var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    let mode = |metadata: Metadata| std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
    file.metadata().is_ok_and(|metadata| metadata.is_file() && mode(metadata) & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.with_extension("exe").is_file()
}
