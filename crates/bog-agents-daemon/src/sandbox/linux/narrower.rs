//! The hidden command `sandbox tool NARROW -- PROGRAM ARGS...`: holds itself to more than the sandbox does that it is in, and
//! becomes the program.

use super::{landlock, seccomp};
use crate::sandbox::{Narrow, Refused};
use bog_domain::containment::Mechanism;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Variables that name a proxy, which would lead nowhere.
const PROXIES: [&str; 6] = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// What comes before a program and its arguments so that it is held to `narrow`.
#[must_use]
pub fn narrowed(narrow: &Narrow) -> Vec<OsString> {
    // Paths that are no text cannot be told, and cannot be granted either.
    let told = serde_json::to_string(narrow).unwrap_or_default();
    [super::command::OWN_PROGRAM, super::command::NAME, "tool", &told, "--"].map(OsString::from).into()
}

/// Becomes the program; comes back only where that failed.
pub fn become_tool(narrow: &Narrow, command: &[OsString]) -> ExitCode {
    if let Err(refused) = hold(narrow) {
        return super::command::refuse(&refused);
    }
    let Some((program, args)) = command.split_first() else { return ExitCode::FAILURE };
    let mut tool = Command::new(program);
    tool.args(args);
    for proxy in PROXIES.into_iter().filter(|_| narrow.offline) {
        tool.env_remove(proxy);
    }
    super::command::failed_to_become(program, &tool.exec())
}

fn hold(narrow: &Narrow) -> Result<(), Refused> {
    let marked = rustix::thread::set_no_new_privs(true);
    marked.map_err(super::failed(Mechanism::NoNewPrivs, "setting the mark"))?;
    landlock::narrow(narrow.write.as_deref())?;
    if narrow.offline { seccomp::shut_sockets() } else { Ok(()) }
}
