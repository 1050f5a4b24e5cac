//! The runner's side of the control socket: one line of JSON in, one line out. A connection that stays open tells the
//! daemon by its end that the runner is gone.

use super::protocol::{Command, Reply, Request, VERSION};
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Connections served at once; a further one replaces the oldest.
const CONNECTIONS_MAX: usize = 16;
/// The longest request.
const REQUEST_MAX_BYTES: usize = 16 * 1024;

/// The listening socket and its connections.
pub struct ControlServer {
    listener: UnixListener,
    path: PathBuf,
    connections: Vec<Connection>,
}

struct Connection {
    stream: UnixStream,
    received: Vec<u8>,
}

impl ControlServer {
    /// Listens at `path`, in place of a socket that an earlier process left there.
    ///
    /// # Errors
    /// Where the folder is missing or the path is too long for a socket.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, path: path.to_owned(), connections: Vec::new() })
    }

    /// The listening socket, to be polled.
    pub fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// The connections, to be polled.
    pub fn streams(&self) -> impl Iterator<Item = &UnixStream> {
        self.connections.iter().map(|connection| &connection.stream)
    }

    /// Takes new connections and reads what has come; returns the reasons of the cancel requests among it.
    pub fn serve(&mut self) -> Vec<String> {
        while let Ok((stream, _)) = self.listener.accept() {
            if stream.set_nonblocking(true).is_ok() {
                if self.connections.len() == CONNECTIONS_MAX {
                    self.connections.remove(0);
                }
                self.connections.push(Connection { stream, received: Vec::new() });
            }
        }
        let mut reasons = Vec::new();
        self.connections.retain_mut(|connection| connection.serve(&mut reasons));
        reasons
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        // Whoever judges this attempt removes it where we cannot.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Connection {
    /// Answers what has come; false where the connection is done.
    fn serve(&mut self, reasons: &mut Vec<String>) -> bool {
        let mut buffer = [0; 4096];
        // One read a turn: a peer that never stops talking must not keep the runner from its deadlines.
        match self.stream.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => self.received.extend_from_slice(&buffer[..count]),
            Err(error) => return matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        }
        while let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.received.drain(..=end).collect();
            if !self.reply(&answer(&line, reasons)) {
                return false;
            }
        }
        self.received.len() <= REQUEST_MAX_BYTES
    }

    /// A peer that does not read its answers is dropped: the runner waits for nobody.
    fn reply(&mut self, reply: &Reply) -> bool {
        let Ok(mut line) = serde_json::to_vec(reply) else { return false };
        line.push(b'\n');
        self.stream.write_all(&line).is_ok()
    }
}

fn answer(line: &[u8], reasons: &mut Vec<String>) -> Reply {
    let refuse = |error: String| Reply { v: VERSION, ok: false, error: Some(error) };
    match serde_json::from_slice::<Request>(line) {
        Ok(request) if request.v > VERSION => {
            refuse(format!("version {} is not known to this runner, it reads up to {VERSION}", request.v))
        }
        Ok(Request { cmd: Command::Cancel, reason, .. }) => {
            reasons.push(reason);
            Reply { v: VERSION, ok: true, error: None }
        }
        Err(error) => {
            refuse(format!("not a request: {error}; send `{{\"v\":1,\"cmd\":\"cancel\",\"reason\":\"...\"}}`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_of_a_known_version_are_done() {
        let mut reasons = Vec::new();
        assert!(answer(br#"{"v":1,"cmd":"cancel","reason":"a"}"#, &mut reasons).ok);
        assert!(!answer(br#"{"v":4,"cmd":"cancel","reason":"b"}"#, &mut reasons).ok);
        assert!(!answer(br#"{"v":1,"cmd":"dance","reason":"c"}"#, &mut reasons).ok);
        assert_eq!(reasons, ["a"]);
    }
}
