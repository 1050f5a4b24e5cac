//! The runner's loop: one poll over everything that can happen to an attempt, until its process tree is gone.

use super::agent::{Agent, Piece, read_piece};
use super::capture::{Head, Stream, Tail};
use super::control::ControlServer;
use super::ending::{Cut, Ending, STDERR_TAIL_BYTES};
use super::events::EventLog;
use super::protocol::{AttemptSpec, OutcomeRecord};
use super::supervise::Held;
use super::tree;
use bog_domain::event::EventKind;
use bog_domain::mask::Masker;
use jiff::Timestamp;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::time::{ClockId, clock_gettime};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

/// How often the folder, the lease and - after a suspend - the deadlines are looked at.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How often the tree is struck again while it will not die.
const STRIKE_EVERY: Duration = Duration::from_millis(50);
/// After so long of striking, processes of another user are left alone.
const STRIKE_PATIENCE: Duration = Duration::from_secs(5);
/// One read of a pipe.
const PIECE_BYTES: usize = 64 * 1024;
/// How much is read from a pipe whose processes are gone: no pipe holds more.
const DRAIN_BYTES: usize = 2 * 1024 * 1024;

/// How far the end has come. The times are on the clock of [`now`].
#[derive(Clone, Copy)]
enum Phase {
    Running,
    /// TERM was sent; at `kill_at` comes KILL.
    Terminating {
        kill_at: Duration,
    },
    /// KILL is sent again and again.
    Killing {
        since: Duration,
        next: Duration,
    },
}

/// One agent under supervision.
pub struct Watch<'a> {
    held: &'a Held,
    spec: &'a AttemptSpec,
    agent: Agent,
    signals: SignalFd,
    control: &'a mut ControlServer,
    events: EventLog,
    masker: Masker,
    stdout: Stream,
    stderr: Stream,
    output: Head,
    tail: Tail,
    phase: Phase,
    /// How the agent's own process ended; its descendants may live on.
    ended: Option<WaitStatus>,
    cut: Option<Cut>,
    /// Processes that could not be ended: they run as another user.
    left_alone: usize,
    time_out_at: Duration,
    check_at: Duration,
    buffer: Vec<u8>,
}

impl<'a> Watch<'a> {
    /// Watches a freshly started agent.
    pub fn new(
        held: &'a Held,
        spec: &'a AttemptSpec,
        agent: Agent,
        signals: SignalFd,
        control: &'a mut ControlServer,
        events: EventLog,
    ) -> Self {
        let secret = |name: &String| Some((name.clone(), crate::env::var_os(name)?.into_vec()));
        let masker = Masker::new(spec.mask_env.iter().filter_map(secret));
        Self {
            held,
            spec,
            agent,
            signals,
            control,
            events,
            stdout: Stream::new(masker.clone()),
            stderr: Stream::new(masker.clone()),
            masker,
            output: Head::new(usize::try_from(spec.output_bytes).unwrap_or(usize::MAX)),
            tail: Tail::new(STDERR_TAIL_BYTES),
            phase: Phase::Running,
            ended: None,
            cut: None,
            left_alone: 0,
            time_out_at: now().saturating_add(Duration::from_millis(spec.wall_clock_ms)),
            check_at: now() + CHECK_EVERY,
            buffer: vec![0; PIECE_BYTES],
        }
    }

    /// Watches until no process of the tree is left, and says how it went.
    pub fn until_gone(mut self, started_at: Timestamp) -> OutcomeRecord {
        while !self.reap() {
            let now = now();
            self.keep_time(now);
            if self.left_alone > 0 {
                break;
            }
            self.wait_for_something(now);
        }
        self.drain();
        self.record(started_at)
    }

    /// Takes in every process that ended; true when there is none left. As the subreaper, this process is the parent
    /// of every orphan of the tree, so "no children" means that the tree is empty.
    fn reap(&mut self) -> bool {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => break,
                Ok(status) if status.pid() == Some(self.agent.pid) => self.ended = Some(status),
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(_) => return true,
            }
        }
        if self.ended.is_some() && matches!(self.phase, Phase::Running) {
            self.terminate();
        }
        false
    }

    fn keep_time(&mut self, now: Duration) {
        if now >= self.check_at {
            self.check_at = now + CHECK_EVERY;
            if !self.held.folder_is_there() {
                self.cut(Cut::Interrupted("folder missing".to_owned()));
            }
        }
        if self.spec.lease_until.is_some_and(|until| crate::clock::now() >= until) {
            self.cut(Cut::Interrupted("the daemon's lease on this run passed; another node may have it".to_owned()));
        }
        if now >= self.time_out_at {
            self.cut(Cut::TimedOut);
        }
        match self.phase {
            Phase::Terminating { kill_at } if now >= kill_at => self.strike(now, now),
            Phase::Killing { since, next } if now >= next => self.strike(since, now),
            Phase::Running | Phase::Terminating { .. } | Phase::Killing { .. } => {}
        }
    }

    /// Ends the agent for this reason, unless it ended already or another reason came first.
    fn cut(&mut self, cut: Cut) {
        if self.ended.is_none() && self.cut.is_none() {
            self.cut = Some(cut);
            self.terminate();
        }
    }

    fn terminate(&mut self) {
        tree::terminate_descendants();
        self.phase = Phase::Terminating { kill_at: now().saturating_add(Duration::from_millis(self.spec.grace_ms)) };
    }

    fn strike(&mut self, since: Duration, now: Duration) {
        let not_allowed = tree::kill_descendants();
        if not_allowed > 0 && now > since + STRIKE_PATIENCE {
            self.left_alone = not_allowed;
        }
        self.phase = Phase::Killing { since, next: now + STRIKE_EVERY };
    }

    fn wait_for_something(&mut self, now: Duration) {
        let deadline = match self.phase {
            Phase::Running => self.time_out_at,
            Phase::Terminating { kill_at } => kill_at,
            Phase::Killing { next, .. } => next,
        };
        // Rounded up: waking a moment too early would only spin.
        let wait = deadline.min(self.check_at).saturating_sub(now) + Duration::from_micros(999);
        let timeout = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
        let mut fds = vec![
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.control.listener().as_fd(), PollFlags::POLLIN),
        ];
        fds.extend(self.control.streams().map(|stream| PollFd::new(stream.as_fd(), PollFlags::POLLIN)));
        fds.extend(self.agent.stdout.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        fds.extend(self.agent.stderr.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        fds.extend(self.agent.stdin.as_ref().map(|feed| PollFd::new(feed.pipe().as_fd(), PollFlags::POLLOUT)));
        // Everything is non-blocking and few: what woke us is found by trying.
        if poll(&mut fds, timeout).is_ok_and(|ready| ready > 0) {
            self.take_signals();
            self.read_pipes();
            if self.agent.stdin.as_mut().is_some_and(|feed| !feed.advance()) {
                self.agent.stdin = None;
            }
            for reason in self.control.serve() {
                self.cut(Cut::Cancelled(reason));
            }
        }
    }

    fn take_signals(&mut self) {
        while let Ok(Some(info)) = self.signals.read_signal() {
            let signal = i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok());
            // SIGCHLD is what the reaping at the top of the loop is for.
            if let Some(signal) = signal.filter(|signal| *signal != Signal::SIGCHLD) {
                self.cut(Cut::Interrupted(format!("the runner was ended by {signal}")));
            }
        }
    }

    /// Reads once from each pipe; true while something came.
    fn read_pipes(&mut self) -> bool {
        let mut buffer = std::mem::take(&mut self.buffer);
        let out = read_once(&mut self.agent.stdout, &mut buffer).map(|count| self.said(&buffer[..count])).is_some();
        let err =
            read_once(&mut self.agent.stderr, &mut buffer).map(|count| self.complained(&buffer[..count])).is_some();
        self.buffer = buffer;
        out || err
    }

    fn said(&mut self, piece: &[u8]) {
        let text = self.stdout.push(piece);
        self.events.text(EventKind::Stdout, &text);
        self.output.push(&text);
    }

    fn complained(&mut self, piece: &[u8]) {
        let text = self.stderr.push(piece);
        self.events.text(EventKind::Stderr, &text);
        self.tail.push(&text);
    }

    /// Reads what the pipes still hold. Never to their end: a process outside of the tree may keep one open.
    fn drain(&mut self) {
        for _ in 0..DRAIN_BYTES / PIECE_BYTES {
            if !self.read_pipes() {
                break;
            }
        }
        let (out, err) = (self.stdout.finish(), self.stderr.finish());
        self.events.text(EventKind::Stdout, &out);
        self.output.push(&out);
        self.events.text(EventKind::Stderr, &err);
        self.tail.push(&err);
    }

    fn record(self, started_at: Timestamp) -> OutcomeRecord {
        let (output, output_truncated) = self.output.into_parts();
        let ending = Ending {
            launch_error: self.agent.launch_error(),
            status: self.ended,
            cut: self.cut,
            left_alone: self.left_alone,
            stderr: self.tail.into_text(),
        };
        let record = ending.record(self.spec, &self.masker, started_at);
        OutcomeRecord { output, output_truncated, ..record }
    }
}

/// Reads once; forgets the pipe where it ended. `None` where nothing came.
fn read_once(pipe: &mut Option<impl Read>, buffer: &mut [u8]) -> Option<usize> {
    match read_piece(pipe.as_mut()?, buffer) {
        Piece::Bytes(count) => Some(count),
        Piece::Later => None,
        Piece::End => {
            *pipe = None;
            None
        }
    }
}

/// A clock that nobody sets and that goes on during suspend.
fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or_else(|_| Duration::ZERO, Duration::from)
}
