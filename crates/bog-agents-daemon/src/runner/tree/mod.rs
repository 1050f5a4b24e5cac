//! Process trees: finding them, and ending them so that nothing is left.
//!
//! Pids are only ever used together with a pidfd whose process was checked to be the one that was found: a pid that was
//! given to another process meanwhile is never signalled.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;
mod marks;

use super::launch::{ASK_ALL, END_ALL};
use bog_domain::ids::RunId;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::collections::HashSet;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

pub use marks::{Mark, Marked, end_marked, marked_by};
pub use system::{Process, signal};

/// How long the first process of a process table gets to end what it started, before it is ended itself.
const INIT_PATIENCE: Duration = Duration::from_millis(500);
/// How often a STOP sweep looks for processes that were born meanwhile. A fork bomb needs two or three rounds.
const STOP_ROUNDS: usize = 64;
/// How long [`sweep`] goes on where processes do not go away.
const SWEEP_PATIENCE: Duration = Duration::from_secs(30);

/// A signal this module sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Please end.
    Term,
    /// Go on, to notice the TERM.
    Continue,
    /// Stand still.
    Stop,
    /// End.
    Kill,
}

/// What became of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The process has it.
    Delivered,
    /// The process is gone.
    Gone,
    /// The system does not let us: the process runs as another user.
    NotAllowed,
}

/// The process tree of one attempt, as its runner ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tree {
    /// Every descendant of the calling process.
    Descendants,
    /// A process table of its own, by its first process: a child of the calling process that was not reaped yet, so
    /// that its pid is nobody else's.
    Table(Pid),
}

impl Tree {
    /// Asks every process of the tree to end.
    pub fn terminate(self) {
        match self {
            Self::Descendants => terminate_descendants(),
            // It can only be gone already.
            Self::Table(init) => drop(kill(init, ASK_ALL)),
        }
    }

    /// Ends every process of the tree; returns how many it is not allowed to end. To be called again until they are
    /// gone, with the time since the first call.
    ///
    /// A process table ends with its first process, all at once. But what the kernel ends that way is counted nowhere,
    /// so that process is first given a moment to end and reap the others itself.
    pub fn kill(self, waited: Duration) -> usize {
        match self {
            Self::Descendants => kill_descendants(),
            Self::Table(init) => {
                let _ = kill(init, if waited < INIT_PATIENCE { END_ALL } else { nix::sys::signal::Signal::SIGKILL });
                0
            }
        }
    }
}

/// The child that [`set_apart`] named; 0 is none.
static APART: AtomicI32 = AtomicI32::new(0);

/// Says which child of the calling process is none of the tree: it serves the tree, and outlives it. A runner has one tree
/// and at most one such child, for all of its life.
pub fn set_apart(child: Pid) {
    APART.store(child.as_raw(), Ordering::Relaxed);
}

/// The child that is none of the tree, if there is one.
#[must_use]
pub fn apart() -> Option<Pid> {
    Some(APART.load(Ordering::Relaxed)).filter(|pid| *pid > 0).map(Pid::from_raw)
}

/// Every descendant of the calling process, zombies left out, and without the child that is set apart.
#[must_use]
pub fn descendants() -> Vec<Process> {
    let mut found = below(&HashSet::from([own_pid()]));
    if let Some(apart) = apart() {
        // It starts nothing itself.
        found.retain(|process| process.pid != apart.as_raw());
    }
    found
}

/// Asks every descendant of the calling process to end.
fn terminate_descendants() {
    for process in descendants() {
        if system::signal(&process, Signal::Term) == Sent::Delivered {
            // A stopped process does not notice a TERM; a running one does not mind a CONT.
            system::signal(&process, Signal::Continue);
        }
    }
}

/// Ends every descendant of the calling process; returns how many it is not allowed to end.
fn kill_descendants() -> usize {
    strike(descendants).not_allowed
}

/// Ends whatever carries the run's mark in its environment, and its descendants; returns how many processes those were.
///
/// For attempts whose runner is gone. Never ends the calling process. Gives up after 30 seconds where a
/// process sits in the kernel and cannot die.
pub fn sweep(run_id: RunId) -> usize {
    let mark = format!("BOG_RUN_ID={run_id}");
    end_all(|| marked(&mark)).sent.len()
}

/// Ends everything `find` finds, until it finds nothing that can be ended any more or patience is over.
fn end_all(find: impl Fn() -> Vec<Process>) -> Struck {
    let give_up = Instant::now() + SWEEP_PATIENCE;
    let mut ended = HashSet::new();
    loop {
        let struck = strike(&find);
        let any = !struck.sent.is_empty();
        ended.extend(struck.sent);
        if !any || Instant::now() > give_up {
            return Struck { sent: ended, not_allowed: struck.not_allowed };
        }
        // What was killed needs a moment to go; the next round says whether it went.
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The processes that carry the mark, and what descends from them, without the calling process.
fn marked(mark: &str) -> Vec<Process> {
    let own = own_pid();
    let mut found: Vec<Process> = system::processes()
        .into_iter()
        .filter(|process| process.pid != own && system::has_in_environment(process, mark))
        .collect();
    let known: HashSet<i32> = found.iter().map(|process| process.pid).collect();
    if !known.is_empty() {
        found.extend(below(&known).into_iter().filter(|process| process.pid != own && !known.contains(&process.pid)));
    }
    found
}

/// Every process below one of `roots`, the roots themselves left out.
fn below(roots: &HashSet<i32>) -> Vec<Process> {
    let mut rest = system::processes();
    let mut known = roots.clone();
    let mut found = Vec::new();
    loop {
        let (new, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|process| known.contains(&process.parent));
        if new.is_empty() {
            return found.into_iter().filter(|process: &Process| !process.zombie).collect();
        }
        known.extend(new.iter().map(|process| process.pid));
        found.extend(new.into_iter().filter(|process| !roots.contains(&process.pid)));
        rest = others;
    }
}

struct Struck {
    sent: HashSet<(i32, u64)>,
    not_allowed: usize,
}

/// Stops everything `find` finds until it finds nothing new, so that nothing can fork; then kills it all.
fn strike(find: impl Fn() -> Vec<Process>) -> Struck {
    let mut stopped: HashSet<(i32, u64)> = HashSet::new();
    let mut targets: Vec<Process> = Vec::new();
    for _ in 0..STOP_ROUNDS {
        let new: Vec<Process> =
            find().into_iter().filter(|process| stopped.insert((process.pid, process.started))).collect();
        if new.is_empty() {
            break;
        }
        for process in &new {
            system::signal(process, Signal::Stop);
        }
        targets.extend(new);
    }
    let mut struck = Struck { sent: HashSet::new(), not_allowed: 0 };
    for process in &targets {
        match system::signal(process, Signal::Kill) {
            Sent::Delivered => {
                struck.sent.insert((process.pid, process.started));
            }
            Sent::Gone => {}
            Sent::NotAllowed => struck.not_allowed += 1,
        }
    }
    struck
}

fn own_pid() -> i32 {
    Pid::this().as_raw()
}
