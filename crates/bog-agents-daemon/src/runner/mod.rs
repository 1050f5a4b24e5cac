//! The runner: the small process that supervises one attempt, and the daemon's handle to it.
//!
//! `bog-agents-daemon runner DIR` holds `DIR/lock` for life, starts the agent through `bog-agents-daemon launch`, and
//! is done when the agent's whole process tree is gone and `DIR/outcome.json` says how it went. It knows nothing of the
//! store, of outputs or of the API, and it has one thread and no async runtime: [`handle`] is the
//! daemon's side.

mod agent;
mod capture;
mod control;
mod ending;
mod events;
pub mod handle;
mod launch;
mod limits;
mod outcome;
mod protocol;
mod reach;
mod reap;
mod recovery;
mod supervise;
mod tree;
mod used;
mod watch;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// The hidden command that supervises one attempt.
const RUNNER: &str = "runner";
/// The hidden command that becomes the agent, or starts it.
const LAUNCH: &str = "launch";
/// This very program. Not the binary's path: an upgrade under way may have replaced it.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// Runs a hidden command, if the arguments name one: `runner DIR`, or `launch NUMBER -- PROGRAM ARGS...`.
///
/// It comes before anything else in `main`, so that the runner starts no thread and parses no command line.
#[must_use]
pub fn dispatch(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    let command = args.next()?;
    if command == RUNNER {
        let dir = PathBuf::from(args.next()?);
        return Some(supervise::run(&dir));
    }
    if command == LAUNCH {
        let spec = args.next()?;
        let command = args.skip(1).collect::<Vec<_>>();
        return Some(launch::run(&spec, &command));
    }
    None
}
