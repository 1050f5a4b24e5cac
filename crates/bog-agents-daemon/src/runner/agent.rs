//! The agent's process as the runner sees it: started through the launch stage, with three non-blocking pipes.

use super::launch::{LaunchSpec, Reports, bequeath, pipe, report_pipe};
use super::limits::Limits;
use super::protocol::{AttemptSpec, Speaks};
use super::tree::Tree;
use super::{LAUNCH, OWN_PROGRAM};
use crate::relay::Relay;
use crate::sandbox::Split;
use bog_domain::containment::Mechanism;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::Pid;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, Stdio};

/// A started agent, or a launch stage that has yet to become or to start one.
pub struct Agent {
    /// The launch stage's pid; it stays ours until it is reaped.
    pub pid: Pid,
    /// The processes to be ended.
    pub tree: Tree,
    /// What it says; `None` once that ended.
    pub stdout: Option<ChildStdout>,
    /// What it says besides; `None` once that ended.
    pub stderr: Option<ChildStderr>,
    /// What it is still to be told.
    pub stdin: Option<Feed>,
    /// The input of a host that was told everything: its end asks it to end.
    open: Option<ChildStdin>,
    /// What the launch stage tells.
    pub reports: Reports,
    /// What serves the network it is granted, outside. It is none of its tree.
    pub relay: Option<Relay>,
}

/// A text on its way to the agent's standard input.
pub struct Feed {
    pipe: ChildStdin,
    text: Vec<u8>,
    written: usize,
}

impl Agent {
    /// Starts `spec.command` with the environment of this process and within `limits`, as the first process of whatever
    /// the sandbox has `split` off for it, with the network that `relay` serves. Nothing else may be started after a split.
    ///
    /// # Errors
    /// Where no process can be made at all; that the program is missing is only known later, by a report.
    pub fn start(spec: &AttemptSpec, split: Split, limits: &Limits, relay: Option<Relay>) -> io::Result<Self> {
        let is_table = split.held.contains(&Mechanism::PidNamespace);
        let (reports, report) = report_pipe()?;
        let (told, mut tell) = pipe()?;
        let told = bequeath(told)?;
        let (to_relay, passage) = relay.as_ref().map(Relay::passage).transpose()?.unzip();
        let launch = LaunchSpec {
            report_fd: report.as_raw_fd(),
            working_dir: spec.working_dir.clone(),
            sandbox: spec.sandbox.clone(),
            split,
            relay: passage,
            limits: limits.for_launch(),
        };
        let mut command = Command::new(OWN_PROGRAM);
        command.arg0("bog-agents-daemon").args([LAUNCH, &told.as_raw_fd().to_string(), "--"]).args(&spec.command);
        #[cfg(feature = "failpoints")]
        command.env_remove(crate::failpoint::VARIABLE);
        let stdin = if spec.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut child = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        // A pipe ends for us when the last who has its other end is gone.
        drop((report, told, to_relay));
        let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        // Fails only where the launch stage is gone already, which will be noticed.
        let _ = tell.write_all(format!("{}\n", serde_json::to_string(&launch)?).as_bytes());
        // By us, because it takes a while: meanwhile the launch stage sets up the rest.
        limits.take_in(pid);
        drop(tell);
        let tree = if is_table { Tree::Table(pid) } else { Tree::Descendants };
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let stdin = match (child.stdin.take(), &spec.stdin) {
            (Some(pipe), Some(text)) => Some(Feed { pipe, text: text.clone().into_bytes(), written: 0 }),
            (Some(_), None) | (None, Some(_) | None) => None,
        };
        if let Some(pipe) = &stdout {
            set_nonblocking(pipe)?;
        }
        if let Some(pipe) = &stderr {
            set_nonblocking(pipe)?;
        }
        if let Some(feed) = &stdin {
            set_nonblocking(&feed.pipe)?;
        }
        Ok(Self { pid, tree, stdout, stderr, stdin, open: None, reports, relay })
    }

    /// Writes what its input takes; lets go of it when there is nothing more to do, unless it is a host's.
    pub fn feed(&mut self, speaks: Speaks) {
        if self.stdin.as_mut().is_some_and(|feed| !feed.advance())
            && let Some(feed) = self.stdin.take()
            && speaks == Speaks::Host
        {
            self.open = Some(feed.pipe);
        }
    }

    /// Ends the input of a host; false where it had ended already.
    pub fn close_input(&mut self) -> bool {
        let told = self.open.take().is_some();
        self.stdin.take().is_some() || told
    }
}

impl Feed {
    /// The pipe, to be polled.
    pub fn pipe(&self) -> &ChildStdin {
        &self.pipe
    }

    /// Writes what the pipe takes; false when there is nothing more to do: all is written, or the agent does not read.
    pub fn advance(&mut self) -> bool {
        match self.pipe.write(&self.text[self.written..]) {
            Ok(count) => self.written += count,
            Err(error) => return matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        }
        self.written < self.text.len()
    }
}

/// What one read of a pipe brought.
pub enum Piece {
    /// So many bytes.
    Bytes(usize),
    /// Nothing for now.
    Later,
    /// It ended.
    End,
}

/// Reads once from one of the agent's pipes.
pub fn read_piece(pipe: &mut impl Read, buffer: &mut [u8]) -> Piece {
    match pipe.read(buffer) {
        Ok(0) => Piece::End,
        Ok(count) => Piece::Bytes(count),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Piece::Later,
        Err(_) => Piece::End,
    }
}

fn set_nonblocking(pipe: &impl AsFd) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(pipe, FcntlArg::F_GETFL)?);
    fcntl(pipe, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}
