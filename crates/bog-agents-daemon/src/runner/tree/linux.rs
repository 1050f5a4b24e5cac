//! Processes as Linux shows them in `/proc` (format: `proc(5)`), and signals by pidfd.

use super::{Sent, Signal};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
use std::fs;
use std::io::Read;

/// One process, as it was when `/proc` was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its parent's id.
    pub parent: i32,
    /// When it was started, in clock ticks since boot: with the pid, this names one process.
    pub started: u64,
    /// Whether it is dead and only waits to be reaped.
    pub zombie: bool,
}

/// More of an environment is not read, so that a huge one costs no more than a large one.
const ENVIRONMENT_MAX_BYTES: u64 = 256 << 10;

/// The number of every process that `/proc` shows.
pub fn pids() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Every process that `/proc` shows.
pub fn processes() -> Vec<Process> {
    pids().into_iter().filter_map(process).collect()
}

/// The process that has this number now.
pub fn process(pid: i32) -> Option<Process> {
    parse_stat(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// `PID (NAME) STATE PARENT ...`: the name may hold anything, so the fields are counted from its last parenthesis.
fn parse_stat(pid: i32, stat: &str) -> Option<Process> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    Some(Process { pid, parent, started, zombie: matches!(state, "Z" | "X" | "x") })
}

/// Whether the environment the process was started with holds exactly this `NAME=value`.
pub fn has_in_environment(process: &Process, variable: &str) -> bool {
    let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes())
}

/// Reads the environment that a process was started with into `buffer`; nothing where it is gone or somebody else's.
pub fn environment(pid: i32, buffer: &mut Vec<u8>) {
    buffer.clear();
    let Ok(file) = fs::File::open(format!("/proc/{pid}/environ")) else { return };
    if file.take(ENVIRONMENT_MAX_BYTES).read_to_end(buffer).is_err() {
        buffer.clear();
    }
}

/// Sends a signal to exactly this process.
pub fn signal(target: &Process, signal: Signal) -> Sent {
    let Some(pid) = Pid::from_raw(target.pid) else { return Sent::Gone };
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return Sent::Gone };
    // The pidfd holds on to whatever has the pid now; only if that is the process we found may it be signalled.
    if process(target.pid).is_none_or(|now| now.started != target.started) {
        return Sent::Gone;
    }
    let signal = match signal {
        Signal::Term => rustix::process::Signal::TERM,
        Signal::Continue => rustix::process::Signal::CONT,
        Signal::Stop => rustix::process::Signal::STOP,
        Signal::Kill => rustix::process::Signal::KILL,
    };
    match pidfd_send_signal(&pidfd, signal) {
        Ok(()) => Sent::Delivered,
        Err(Errno::PERM) => Sent::NotAllowed,
        Err(_) => Sent::Gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_anything() {
        let stat = "7 (a) Z (b) S 3 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
        assert_eq!(parse_stat(7, stat), Some(Process { pid: 7, parent: 3, started: 4242, zombie: false }));
        assert_eq!(parse_stat(7, "7 (a) Z"), None);
    }

    #[test]
    fn this_process_is_there_and_another_start_time_is_another_process() {
        let own = i32::try_from(std::process::id()).expect("a pid");
        let found = processes().into_iter().find(|process| process.pid == own).expect("this process");
        assert_eq!(signal(&found, Signal::Continue), Sent::Delivered);
        assert_eq!(signal(&Process { started: found.started + 1, ..found }, Signal::Kill), Sent::Gone);
    }
}
