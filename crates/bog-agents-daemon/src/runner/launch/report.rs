//! The pipe from the launch stage to the runner: one line of JSON for each thing that happens there.
//!
//! The launch stage inherits its end as the only descriptor besides the standard ones, and lets nobody inherit it. The
//! runner alone has the other end, which makes the pipe the proof that the runner lives, too.

use super::error::LaunchError;
use super::inherit;
use crate::runner::reap::Exit;
use bog_domain::containment::Containment;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

/// One read of the pipe.
const PIECE_BYTES: usize = 4096;

/// What the launch stage has to tell.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// This is in force; the agent is started next.
    Held(Containment),
    /// The agent was not started.
    Failed(LaunchError),
    /// The agent ended. Told by an init only: who became the agent tells nothing any more.
    Ended {
        /// How.
        exit: Exit,
        /// Whether processes that it started are left.
        left: bool,
    },
}

/// Makes the pipe: the runner's end, and the end for the launch stage, which whatever is started next inherits.
///
/// # Errors
/// Where no descriptor is left.
pub fn report_pipe() -> io::Result<(Reports, OwnedFd)> {
    let (reader, writer) = inherit::pipe()?;
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((Reports { pipe: Some(reader), received: Vec::new() }, inherit::bequeath(writer)?))
}

/// The runner's end.
pub struct Reports {
    /// `None` once it ended.
    pipe: Option<File>,
    received: Vec<u8>,
}

impl Reports {
    /// The pipe, to be polled for reading; `None` once it ended.
    pub fn pipe(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// What has come, without waiting for more.
    pub fn read(&mut self) -> Vec<Report> {
        let mut buffer = [0; PIECE_BYTES];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut buffer) {
                Ok(count) if count > 0 => self.received.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => self.pipe = None,
            }
        }
        let end = self.received.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines: Vec<u8> = self.received.drain(..end).collect();
        lines.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}

/// The launch stage's end.
pub struct Reporter(File);

impl Reporter {
    /// Takes over the inherited descriptor, so that nothing else inherits it.
    ///
    /// # Errors
    /// Where there is none.
    pub fn take(inherited: RawFd) -> io::Result<Self> {
        inherit::take_over(inherited, OpenOptions::new().write(true)).map(Self)
    }

    /// Makes the kernel end this process when the runner ends. In a process table of its own there is no parent to be
    /// seen, and it may have died before; so the pipe, which nobody else reads, says whether it lives.
    ///
    /// # Errors
    /// `ESRCH` where the runner is gone already.
    pub fn tie_to_runner(&self) -> Result<(), Errno> {
        set_pdeathsig(Signal::SIGKILL)?;
        self.is_read()
    }

    fn is_read(&self) -> Result<(), Errno> {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::empty())];
        poll(&mut fds, PollTimeout::ZERO)?;
        let gone = fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLERR));
        if gone { Err(Errno::ESRCH) } else { Ok(()) }
    }

    /// Tells the runner. Where that fails nobody is left to be told.
    pub fn send(&mut self, report: &Report) {
        if let Ok(mut line) = serde_json::to_vec(report) {
            line.push(b'\n');
            let _ = self.0.write_all(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bog_domain::containment::Missing;

    #[test]
    fn reports_come_whole_and_in_order_and_the_pipe_ends() {
        let (mut reports, writer) = report_pipe().expect("a pipe");
        let mut reporter = Reporter(File::from(writer));
        let long =
            Missing { mechanism: bog_domain::containment::Mechanism::Landlock, reason: "a reason ".repeat(2000) };
        let held = || Report::Held(Containment { missing: vec![long.clone()], ..Containment::default() });
        let ended = || Report::Ended { exit: Exit::Code(3), left: true };
        let text = serde_json::to_vec(&held()).expect("serializes");
        reporter.0.write_all(&text).expect("written");
        assert_eq!(reports.read(), []);
        reporter.0.write_all(b"\n").expect("written");
        reporter.send(&ended());
        assert_eq!(reports.read(), [held(), ended()]);
        assert!(reports.pipe().is_some());
        drop(reporter);
        assert_eq!(reports.read(), []);
        assert!(reports.pipe().is_none());
    }

    #[test]
    fn a_runner_that_is_gone_is_noticed() {
        let (reports, writer) = report_pipe().expect("a pipe");
        let reporter = Reporter(File::from(writer));
        assert_eq!(reporter.is_read(), Ok(()));
        drop(reports);
        assert_eq!(reporter.is_read(), Err(Errno::ESRCH));
    }
}
