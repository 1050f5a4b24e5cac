//! What the agent says while it is watched: its two pipes, read without waiting, into the log, the kept output and the
//! end of standard error that explains a failure.

use super::host_lines::HostLines;
use crate::runner::agent::{Piece, read_piece};
use crate::runner::capture::{Head, Stream, Tail};
use crate::runner::ending::STDERR_TAIL_BYTES;
use crate::runner::events::EventLog;
use crate::runner::protocol::Speaks;
use bog_domain::agent_end::{AgentEnd, ModelUsage};
use bog_domain::event::EventKind;
use bog_domain::mask::Masker;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::process::{ChildStderr, ChildStdout};

/// One read of a pipe.
const PIECE_BYTES: usize = 64 * 1024;
/// How much is read from a pipe whose processes are gone: no pipe holds more.
const DRAIN_BYTES: usize = 2 * 1024 * 1024;

/// Both of the agent's pipes, and what came out of them.
pub struct Speech {
    /// `None` once it ended.
    stdout: Option<ChildStdout>,
    /// `None` once it ended.
    stderr: Option<ChildStderr>,
    out: Stream,
    err: Stream,
    events: EventLog,
    output: Head,
    /// What standard output means where it is a host's.
    host: Option<HostLines>,
    tail: Tail,
    buffer: Vec<u8>,
}

/// What is kept of it.
pub struct Said {
    /// The beginning of standard output.
    pub output: String,
    /// Whether there was more.
    pub output_truncated: bool,
    /// How the agent of a host ended, as far as it said; its text is `output`.
    pub end: Option<AgentEnd>,
    /// What it had used, for the case that it did not say.
    pub used: Vec<ModelUsage>,
    /// The end of standard error.
    pub stderr: String,
}

impl Speech {
    /// Listens to these pipes of the attempt in `dir`, which must not block; keeps at most `output_bytes` bytes of what is output.
    pub fn new(
        dir: &Path,
        (stdout, stderr): (Option<ChildStdout>, Option<ChildStderr>),
        events: EventLog,
        masker: &Masker,
        (speaks, output_bytes): (Speaks, u64),
    ) -> Self {
        let output_bytes = usize::try_from(output_bytes).unwrap_or(usize::MAX);
        let host = match speaks {
            Speaks::Text => None,
            Speaks::Host => Some(HostLines::new(dir, output_bytes)),
        };
        Self {
            stdout,
            stderr,
            out: Stream::new(masker.clone()),
            err: Stream::new(masker.clone()),
            events,
            output: Head::new(output_bytes),
            host,
            tail: Tail::new(STDERR_TAIL_BYTES),
            buffer: vec![0; PIECE_BYTES],
        }
    }

    /// The pipes that are open, to be polled for reading.
    pub fn pipes(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let stdout = self.stdout.as_ref().map(AsFd::as_fd);
        stdout.into_iter().chain(self.stderr.as_ref().map(AsFd::as_fd))
    }

    /// Reads once from each pipe; true while something came.
    pub fn read(&mut self) -> bool {
        let mut buffer = std::mem::take(&mut self.buffer);
        let out = read_once(&mut self.stdout, &mut buffer).map(|count| self.said(&buffer[..count])).is_some();
        let err = read_once(&mut self.stderr, &mut buffer).map(|count| self.complained(&buffer[..count])).is_some();
        self.buffer = buffer;
        out || err
    }

    fn said(&mut self, piece: &[u8]) {
        let text = self.out.push(piece);
        self.hear(&text);
    }

    fn hear(&mut self, text: &str) {
        match &mut self.host {
            Some(host) => host.push(text, &mut self.events),
            None => {
                self.events.text(EventKind::Stdout, text);
                self.output.push(text);
            }
        }
    }

    fn complained(&mut self, piece: &[u8]) {
        let text = self.err.push(piece);
        self.events.text(EventKind::Stderr, &text);
        self.tail.push(&text);
    }

    /// Reads what the pipes still hold, when the tree is gone. Never to their end: a process outside of the tree may
    /// keep one open.
    pub fn drain(mut self) -> Said {
        for _ in 0..DRAIN_BYTES / PIECE_BYTES {
            if !self.read() {
                break;
            }
        }
        let (out, err) = (self.out.finish(), self.err.finish());
        self.hear(&out);
        self.events.text(EventKind::Stderr, &err);
        self.tail.push(&err);
        let (mut end, used) = self.host.map(HostLines::into_parts).unwrap_or_default();
        if let Some(end) = &mut end {
            self.output.push(&std::mem::take(&mut end.text));
        }
        let (output, output_truncated) = self.output.into_parts();
        Said { output, output_truncated, end, used, stderr: self.tail.into_text() }
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
