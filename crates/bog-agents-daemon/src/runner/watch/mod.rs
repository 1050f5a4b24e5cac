//! The runner's loop: one poll over everything that can happen to an attempt, until its process tree is gone.

mod host_lines;
mod phase;
mod speech;

use super::agent::Agent;
use super::control::ControlServer;
use super::ending::{Cut, Ending};
use super::events::EventLog;
use super::launch::{LaunchError, Report};
use super::limits::{self, Limits};
use super::protocol::{AttemptSpec, OutcomeRecord, Speaks};
use super::reap::{self, Exit, Reaped};
use super::supervise::Held;
use super::tree::{self, Tree};
use bog_domain::containment::Containment;
use bog_domain::mask::Masker;
use jiff::Timestamp;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use phase::Phase;
pub use phase::now;
use speech::Speech;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

/// How often the folder, the lease and - after a suspend - the deadlines are looked at.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Why an agent is ended that has lost its network.
const RELAY_GONE: &str = "the process that relays its connections was ended from outside; run the job again";
/// What the runner set up before there was an agent.
pub struct Surroundings<'a> {
    /// The attempt's folder.
    pub held: &'a Held,
    /// The signals that this process reads.
    pub signals: SignalFd,
    /// Where it takes requests.
    pub control: &'a mut ControlServer,
    /// Where what is said goes.
    pub events: EventLog,
}

/// One agent under supervision.
pub struct Watch<'a> {
    held: &'a Held,
    spec: &'a AttemptSpec,
    agent: Agent,
    limits: Limits,
    signals: SignalFd,
    control: &'a mut ControlServer,
    masker: Masker,
    speech: Speech,
    phase: Phase,
    /// Why the agent was not started.
    launch_error: Option<LaunchError>,
    /// What it was started with.
    containment: Option<Containment>,
    /// How the agent's own process ended; its descendants may live on.
    ended: Option<Exit>,
    cut: Option<Cut>,
    /// Processes that could not be ended: they run as another user.
    left_alone: usize,
    time_out_at: Duration,
    check_at: Duration,
}

impl<'a> Watch<'a> {
    /// Watches a freshly started agent.
    pub fn new(surroundings: Surroundings<'a>, spec: &'a AttemptSpec, mut agent: Agent, limits: Limits) -> Self {
        let Surroundings { held, signals, control, events } = surroundings;
        let secret = |name: &String| Some((name.clone(), crate::env::var_os(name)?.into_vec()));
        let masker = Masker::new(spec.mask_env.iter().filter_map(secret));
        let pipes = (agent.stdout.take(), agent.stderr.take());
        Self {
            held,
            spec,
            agent,
            limits,
            signals,
            control,
            speech: Speech::new(held.dir(), pipes, events, &masker, (spec.speaks, spec.output_bytes)),
            masker,
            phase: Phase::Running,
            launch_error: None,
            containment: None,
            ended: None,
            cut: None,
            left_alone: 0,
            time_out_at: now().saturating_add(Duration::from_millis(spec.wall_clock_ms)),
            check_at: now() + CHECK_EVERY,
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
        self.record(started_at)
    }

    /// Takes in every process that ended; true when there is none left. As the subreaper, this process is the parent
    /// of every orphan of a tree without an init, so "no children" means that the tree is empty.
    fn reap(&mut self) -> bool {
        loop {
            match reap::next() {
                Reaped::Child(pid, exit) if pid == self.agent.pid => {
                    // What was the launch stage is the agent, unless it stayed as an init: then it told before how
                    // the agent ended, if it could.
                    self.hear_reports();
                    self.agent.tree = Tree::Descendants;
                    self.ended.get_or_insert(exit);
                }
                Reaped::Child(pid, _) if self.agent.relay.as_ref().is_some_and(|relay| relay.pid() == pid) => {
                    self.agent.relay = None;
                    self.cut(Cut::Interrupted(RELAY_GONE.to_owned()));
                }
                Reaped::Child(..) => {}
                Reaped::NoneYet => break,
                Reaped::NoChild => return true,
            }
        }
        if self.ended.is_some() && self.agent.relay.is_some() && tree::descendants().is_empty() {
            // The relay is no part of the tree; it passes on what was said last, and ends with this value.
            return true;
        }
        if self.ended.is_some() && self.phase.is_before_term() {
            // A tree that ran away may have taken its first process along before anybody looked.
            self.limits.look_at_once(now(), self.agent.pid);
            self.terminate();
        }
        false
    }

    fn hear_reports(&mut self) {
        for report in self.agent.reports.read() {
            match report {
                Report::Held(containment) => self.containment = Some(containment),
                Report::Failed(error) => self.launch_error = Some(error),
                Report::Ended { exit, left } => {
                    self.ended.get_or_insert(exit);
                    if !left && self.phase.is_before_term() {
                        // The init goes by itself. Should it not, it is no better than what it is to end.
                        self.phase = self.after_term();
                    }
                }
            }
        }
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
        if let Some(hit) = self.limits.look(now, self.agent.pid) {
            self.cut(Cut::Limit(hit));
            if limits::is_urgent(hit.limit) {
                self.strike(now);
            }
        }
        if self.phase.strike_at().is_some_and(|at| now >= at) {
            match self.phase {
                Phase::Asked { kill_at, .. } => {
                    self.terminate();
                    self.phase = Phase::Terminating { kill_at };
                }
                Phase::Running | Phase::Terminating { .. } | Phase::Killing { .. } => self.strike(now),
            }
        }
    }

    /// Ends the agent for this reason, unless it ended already or another reason came first.
    fn cut(&mut self, cut: Cut) {
        if self.ended.is_none() && self.cut.is_none() {
            self.cut = Some(cut);
            self.ask();
        }
    }

    /// Asks the agent to end: a host by the end of its input, any other by TERM.
    fn ask(&mut self) {
        if self.spec.speaks == Speaks::Host && self.agent.close_input() {
            self.phase = Phase::asked(now(), Duration::from_millis(self.spec.grace_ms));
        } else {
            self.terminate();
        }
    }

    fn terminate(&mut self) {
        self.limits.let_go();
        self.agent.tree.terminate();
        self.phase = self.after_term();
    }

    fn after_term(&self) -> Phase {
        Phase::terminating(now(), Duration::from_millis(self.spec.grace_ms))
    }

    fn strike(&mut self, now: Duration) {
        self.limits.kill();
        let not_allowed = self.agent.tree.kill(self.phase.killing_for(now));
        self.phase = self.phase.struck(now);
        if not_allowed > 0 && self.phase.is_hopeless(now) {
            self.left_alone = not_allowed;
        }
    }

    fn wait_for_something(&mut self, now: Duration) {
        let deadline = self.phase.strike_at().unwrap_or(self.time_out_at).min(self.limits.next_look());
        // Rounded up: waking a moment too early would only spin.
        let wait = deadline.min(self.check_at).saturating_sub(now) + Duration::from_micros(999);
        let timeout = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
        let mut fds = vec![
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.control.listener().as_fd(), PollFlags::POLLIN),
        ];
        fds.extend(self.control.streams().map(|stream| PollFd::new(stream.as_fd(), PollFlags::POLLIN)));
        fds.extend(self.agent.reports.pipe().map(|pipe| PollFd::new(pipe, PollFlags::POLLIN)));
        fds.extend(self.speech.pipes().map(|pipe| PollFd::new(pipe, PollFlags::POLLIN)));
        fds.extend(self.agent.stdin.as_ref().map(|feed| PollFd::new(feed.pipe().as_fd(), PollFlags::POLLOUT)));
        // Everything is non-blocking and few: what woke us is found by trying.
        if poll(&mut fds, timeout).is_ok_and(|ready| ready > 0) {
            self.take_signals();
            self.hear_reports();
            self.speech.read();
            self.agent.feed(self.spec.speaks);
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

    fn record(mut self, started_at: Timestamp) -> OutcomeRecord {
        self.hear_reports();
        let said = self.speech.drain();
        let ending = Ending {
            launch_error: self.launch_error,
            containment: self.containment,
            exit: self.ended,
            cut: self.cut,
            left_alone: self.left_alone,
            limits: self.limits.finish(),
            stderr: said.stderr,
            end: said.end,
            used: said.used,
        };
        let record = ending.record(self.spec, &self.masker, started_at);
        OutcomeRecord { output: said.output, output_truncated: said.output_truncated, ..record }
    }
}
