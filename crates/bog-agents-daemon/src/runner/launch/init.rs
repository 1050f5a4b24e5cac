//! The first process of an attempt's own process table: it starts the agent and stays, so that every process the agent
//! ever starts has somebody who reaps it, and so that all of them end with it.
//!
//! It reads its signals from a descriptor. The kernel keeps all but KILL and STOP from ending it, and those two only come
//! from outside. It decides nothing: when to ask the tree to end, and when to end it, the runner says.

use super::Agent;
use super::error::{LaunchError, Step};
use super::report::{Report, Reporter};
use super::unseen::find_program;
use crate::runner::reap::{self, Reaped};
use nix::errno::Errno;
use nix::libc;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use nix::unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout};
use std::ffi::{CStr, CString, OsString};
use std::fs::OpenOptions;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::ExitCode;

/// From the runner: ask every process of the tree to end.
pub const ASK_ALL: Signal = Signal::SIGTERM;
/// From the runner: end every process of the tree.
pub const END_ALL: Signal = Signal::SIGUSR1;
/// Every process but this one.
const ALL: Pid = Pid::from_raw(-1);
/// What runs a script that has no `#!` line, as `execvp(3)` does.
const SHELL: &CStr = c"/bin/sh";

/// An agent that was started, and what its init needs.
pub struct Init {
    signals: SignalFd,
    agent: Pid,
}

/// Starts the agent in a session of its own, with no signal blocked and nothing open but the standard streams. This
/// process keeps none of those: its end of a pipe must not keep the pipe open.
pub fn start(agent: &Agent, reporter: &mut Reporter) -> Result<Init, LaunchError> {
    let bind = |errno| LaunchError::at(Step::Bind, errno);
    let exec = |errno| LaunchError::at(Step::Exec, errno);
    let signals = own_signals().map_err(bind)?;
    let nothing = OpenOptions::new().read(true).write(true).open("/dev/null");
    let nothing = nothing.map_err(|error| LaunchError::at(Step::Bind, error))?;
    let command = c_strings(agent.command.iter().map(|word| word.as_bytes().to_vec())).map_err(exec)?;
    let environment = c_strings(environment(agent)).map_err(exec)?;
    reporter.send(&Report::Held(agent.held.clone()));
    let pid = spawn(&command, &environment).map_err(exec)?;
    // Where this fails, what was started ends with this process.
    dup2_stdin(&nothing).and_then(|()| dup2_stdout(&nothing)).and_then(|()| dup2_stderr(&nothing)).map_err(bind)?;
    Ok(Init { signals, agent: pid })
}

/// Stays until no process of the tree is left.
pub fn stay(init: &Init, reporter: &mut Reporter) -> ExitCode {
    loop {
        let mut ended = None;
        let left = loop {
            match reap::next() {
                Reaped::Child(pid, exit) if pid == init.agent => ended = Some(exit),
                Reaped::Child(..) => {}
                Reaped::NoneYet => break true,
                Reaped::NoChild => break false,
            }
        };
        if let Some(exit) = ended {
            reporter.send(&Report::Ended { exit, left });
        }
        if !left {
            return ExitCode::SUCCESS;
        }
        match init.signals.read_signal() {
            Ok(Some(info)) => obey(&info),
            Ok(None) | Err(Errno::EINTR) => {}
            // Not to be expected; ending takes the tree along.
            Err(_) => return ExitCode::FAILURE,
        }
    }
}

/// Does what the runner asks for. What the tree itself sends here does not count: its sender has a pid.
fn obey(info: &siginfo) {
    let signal = i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok());
    let signals: &[Signal] = match signal {
        Some(ASK_ALL) if info.ssi_pid == 0 => &[Signal::SIGTERM, Signal::SIGCONT],
        Some(END_ALL) if info.ssi_pid == 0 => &[Signal::SIGKILL],
        // Of an ended child, or without a meaning.
        Some(_) | None => &[],
    };
    for signal in signals {
        // Fails only where nobody is left.
        let _ = kill(ALL, *signal);
    }
}

fn own_signals() -> Result<SignalFd, Errno> {
    let signals = SigSet::from_iter([Signal::SIGCHLD, ASK_ALL, END_ALL, Signal::SIGHUP, Signal::SIGINT]);
    signals.thread_set_mask()?;
    SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)
}

fn spawn(command: &[CString], environment: &[CString]) -> Result<Pid, Errno> {
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_sigmask(&SigSet::empty())?;
    // Rust ignores it, and being ignored is inherited.
    attributes.set_sigdefault(&SigSet::from_iter([Signal::SIGPIPE]))?;
    let session = PosixSpawnFlags::from_bits_retain(libc::POSIX_SPAWN_SETSID.into());
    attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF | session)?;
    let files = PosixSpawnFileActions::init()?;
    let Some(program) = command.first() else { return Err(Errno::ENOENT) };
    match posix_spawnp(program, &files, &attributes, command, environment) {
        Err(Errno::ENOEXEC) => {
            let script = script(program).ok_or(Errno::ENOEXEC)?;
            let words = [SHELL, &script].into_iter().chain(command[1..].iter().map(CString::as_c_str));
            posix_spawnp(SHELL, &files, &attributes, &words.collect::<Vec<_>>(), environment)
        }
        spawned => spawned,
    }
}

/// The file that was found for a program's name.
fn script(program: &CStr) -> Option<CString> {
    let path = find_program(program.to_str().ok()?, Path::new("."))?;
    CString::new(path.into_os_string().into_vec()).ok()
}

/// The environment of this process, but for what the sandbox changes in it.
fn environment(agent: &Agent) -> Vec<Vec<u8>> {
    let changed = |name: &OsString| agent.environment.iter().any(|(of, _)| *of == name);
    let kept = crate::env::all().into_iter().filter(|(name, _)| !changed(name));
    let set = agent.environment.iter().filter_map(|(name, value)| Some(((*name).into(), value.clone()?)));
    kept.chain(set).map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat()).collect()
}

fn c_strings(words: impl IntoIterator<Item = Vec<u8>>) -> Result<Vec<CString>, Errno> {
    words.into_iter().map(|word| CString::new(word).map_err(|_| Errno::EINVAL)).collect()
}
