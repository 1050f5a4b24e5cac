//! The hidden command `sandbox`: what must be tried in a process of its own, because it cannot be undone.
//!
//! `sandbox users` enters a user namespace and ends. `sandbox run SPEC -- PROGRAM ARGS...` runs a program as an agent would
//! run, but without a runner, and ends as it did; with no program it prints what the sandbox consists of here. `sandbox
//! tool` is in a file of its own.

use super::{enter, namespaces, narrower};
use crate::sandbox::policy::{Enforcement, Policy};
use crate::sandbox::{Refused, Split};
use bog_domain::containment::{Containment, Mechanism, NetworkAccess};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// The hidden command's name.
pub const NAME: &str = "sandbox";
/// The exit code where there is no sandbox to run in.
const EXIT_REFUSED: u8 = 126;
/// The exit code where the program cannot be started.
const EXIT_NOT_FOUND: u8 = 127;
/// This very program, also where its file was replaced meanwhile.
pub const OWN_PROGRAM: &str = "/proc/self/exe";
/// What a sandbox needs to be told apart from none.
const SYSTEM: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc"];

/// What to run within.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    policy: Policy,
    working_dir: PathBuf,
    #[serde(default)]
    split: Split,
}

/// Runs the hidden command, if these are its words.
#[must_use]
pub fn dispatch(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    if args.next()? != NAME {
        return None;
    }
    let (verb, spec) = (args.next()?, args.next());
    let command: Vec<OsString> = args.skip(1).collect();
    if verb == "users" {
        return Some(users());
    }
    let spec = spec?.into_string().ok()?;
    if verb == "tool" {
        return Some(narrower::become_tool(&serde_json::from_str(&spec).ok()?, &command));
    }
    let spec = serde_json::from_str::<Spec>(&spec).ok()?;
    match verb.to_str()? {
        "run" => Some(run(spec, &command)),
        "inside" => Some(inside(spec, &command)),
        _ => None,
    }
}

/// Finds out what this machine gives, by trying all of it in another process.
///
/// # Errors
/// Where no process can be made or it says nothing that can be understood.
pub fn machine() -> io::Result<Containment> {
    let policy = Policy {
        enforcement: Enforcement::BestEffort,
        read: SYSTEM.map(PathBuf::from).into(),
        network: NetworkAccess::None,
        ..Policy::default()
    };
    let spec = Spec { policy, working_dir: "/".into(), split: Split::default() };
    let output = own_command("run", Path::new(OWN_PROGRAM)).arg(serde_json::to_string(&spec)?).output()?;
    let said = || io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    serde_json::from_slice(&output.stdout).map_err(|_| said())
}

/// Whether a user namespace can be entered here.
///
/// # Errors
/// Why not.
pub fn try_user_namespace(program: &Path) -> Result<(), Refused> {
    let failed = |error| Refused::mechanism(Mechanism::UserNamespace, "trying a user namespace", error);
    let output = own_command("users", program).stderr(Stdio::inherit()).output().map_err(failed)?;
    match serde_json::from_slice::<Option<Refused>>(&output.stdout) {
        Ok(None) => Ok(()),
        Ok(Some(refused)) => Err(refused),
        Err(error) => Err(failed(error.into())),
    }
}

fn own_command(verb: &str, program: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg0("bog-agents-daemon").args([NAME, verb]).stdin(Stdio::null());
    command
}

fn users() -> ExitCode {
    let refused = namespaces::enter_user_namespace().err();
    match serde_json::to_string(&refused) {
        Ok(text) => println!("{text}"),
        Err(_) => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

fn run(mut spec: Spec, command: &[OsString]) -> ExitCode {
    let own_program = Path::new(OWN_PROGRAM);
    spec.split = match namespaces::split(&spec.policy, own_program) {
        Ok(split) => split,
        Err(refused) => return refuse(&refused),
    };
    let started = serde_json::to_string(&spec).map_err(io::Error::from).and_then(|spec| {
        own_command("inside", own_program).arg(spec).arg("--").args(command).stdin(Stdio::inherit()).status()
    });
    match started {
        // As shells do: a signal shows as 128 and its number.
        Ok(status) => {
            let code = status.code().or_else(|| Some(128 + status.signal()?));
            code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(error) => {
            eprintln!("no process could be made: {error}; check the system's limits");
            ExitCode::FAILURE
        }
    }
}

fn inside(spec: Spec, command: &[OsString]) -> ExitCode {
    // Best effort: whoever waits for this process ends it, too.
    let _ = set_pdeathsig(Signal::SIGKILL);
    let applied = match enter(&spec.policy, &spec.working_dir, spec.split, || Ok(())) {
        Ok(applied) => applied,
        Err(refused) => return refuse(&refused),
    };
    let Some((program, args)) = command.split_first() else {
        match serde_json::to_string(&applied.containment) {
            Ok(text) => println!("{text}"),
            Err(_) => return ExitCode::FAILURE,
        }
        return ExitCode::SUCCESS;
    };
    let mut agent = Command::new(program);
    agent.args(args);
    for (name, value) in applied.environment {
        match value {
            Some(value) => agent.env(name, value),
            None => agent.env_remove(name),
        };
    }
    failed_to_become(program, &agent.exec())
}

/// Says why this process is no other program now.
pub fn failed_to_become(program: &OsStr, error: &io::Error) -> ExitCode {
    eprintln!("`{}` cannot be started: {error}", program.display());
    ExitCode::from(EXIT_NOT_FOUND)
}

/// Says what the machine lacks.
pub fn refuse(refused: &Refused) -> ExitCode {
    eprintln!("{}", refused.explain());
    ExitCode::from(EXIT_REFUSED)
}
