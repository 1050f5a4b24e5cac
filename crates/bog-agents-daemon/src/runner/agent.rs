//! The agent's process as the runner sees it: started through the launch stage, with three non-blocking pipes.

use super::LAUNCH;
use super::launch::{LaunchError, LaunchSpec};
use super::protocol::AttemptSpec;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{Pid, pipe2};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, Stdio};

/// A started agent, or a launch stage that has yet to become one.
pub struct Agent {
    /// Its pid; it stays ours until it is reaped.
    pub pid: Pid,
    /// What it says; `None` once that ended.
    pub stdout: Option<ChildStdout>,
    /// What it says besides; `None` once that ended.
    pub stderr: Option<ChildStderr>,
    /// What it is still to be told.
    pub stdin: Option<Feed>,
    report: Report,
}

/// The pipe in which the launch stage says why it failed. It is read only when the tree is gone, so that no one has to
/// watch it: empty means that the agent was started.
struct Report {
    reader: File,
    writer: File,
}

/// A text on its way to the agent's standard input.
pub struct Feed {
    pipe: ChildStdin,
    text: Vec<u8>,
    written: usize,
}

impl Agent {
    /// Starts `spec.command` with the environment of this process.
    ///
    /// # Errors
    /// Where no process can be made at all; that the program is missing is only known later, by
    /// [`Agent::launch_error`].
    pub fn start(spec: &AttemptSpec) -> io::Result<Self> {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let report = Report { reader: File::from(reader), writer: File::from(writer) };
        let launch = LaunchSpec {
            runner: Pid::this().as_raw(),
            report_fd: report.writer.as_raw_fd(),
            working_dir: spec.working_dir.clone(),
        };
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0("bog-agents-daemon")
            .arg(LAUNCH)
            .arg(serde_json::to_string(&launch)?)
            .arg("--")
            .args(&spec.command);
        #[cfg(feature = "failpoints")]
        command.env_remove(crate::failpoint::VARIABLE);
        let stdin = if spec.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut child = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
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
        Ok(Self { pid, stdout, stderr, stdin, report })
    }

    /// Why the agent was not started; `None` where it was. To be asked when the tree is gone.
    pub fn launch_error(self) -> Option<LaunchError> {
        let Report { mut reader, writer } = self.report;
        drop(writer);
        let mut text = Vec::new();
        // An error is an empty pipe whose other end is still open somewhere: no report either way.
        let _ = reader.read_to_end(&mut text);
        serde_json::from_slice(&text).ok()
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
