//! Terminals: commands that an agent has its client run. They run in the host's own sandbox, each in a process group of its
//! own, and end with the conversation.

use agent_client_protocol::v1::schema::{
    CreateTerminalRequest, TerminalExitStatus, TerminalId, TerminalOutputResponse,
};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::Command;
use tokio::sync::watch;

/// Terminals at the same time.
const MAX_TERMINALS: usize = 64;
/// Output that is kept where the agent does not say: the end of it.
const OUTPUT_BYTES: usize = 1024 * 1024;
/// The most that is kept, whatever it says.
const MAX_OUTPUT_BYTES: usize = 16 * 1024 * 1024;

/// The terminals of a conversation.
#[derive(Default)]
pub struct Terminals {
    made: u64,
    open: HashMap<TerminalId, Arc<Terminal>>,
}

/// One command.
pub struct Terminal {
    group: Pid,
    output: Mutex<Output>,
    ended: watch::Receiver<Option<ExitStatus>>,
}

struct Output {
    bytes: Vec<u8>,
    cap: usize,
    truncated: bool,
}

impl Terminals {
    /// Starts a command; the future that comes with it must run for its output to be read.
    pub fn create(
        &mut self,
        request: &CreateTerminalRequest,
        working_dir: &Path,
    ) -> io::Result<(TerminalId, impl Future<Output = ()> + Send + use<>)> {
        if self.open.len() >= MAX_TERMINALS {
            return Err(io::Error::other(format!("{MAX_TERMINALS} terminals are open already: release some")));
        }
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(&request.command);
        command
            .args(&request.args)
            .envs(request.env.iter().map(|variable| (&variable.name, &variable.value)))
            .current_dir(request.cwd.as_deref().map_or_else(|| working_dir.to_owned(), |dir| working_dir.join(dir)))
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        // Our copies of the pipe's end go with it.
        drop(command);
        let group = Pid::from_raw(child.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default());
        let (tell, ended) = watch::channel(None);
        let cap = request.output_byte_limit.map_or(OUTPUT_BYTES, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let output = Mutex::new(Output { bytes: Vec::new(), cap: cap.min(MAX_OUTPUT_BYTES), truncated: false });
        let terminal = Arc::new(Terminal { group, output, ended });
        self.made += 1;
        let id = TerminalId::new(format!("terminal-{}", self.made));
        self.open.insert(id.clone(), Arc::clone(&terminal));
        let mut reader = pipe::Receiver::from_owned_fd(reader.into())?;
        let follow = async move {
            let mut buffer = vec![0; 16 * 1024];
            let mut status = None;
            loop {
                tokio::select! {
                    // What was written before the end is read before the end is told.
                    biased;
                    read = reader.read(&mut buffer) => match read {
                        Ok(count) if count > 0 => terminal.output().push(&buffer[..count]),
                        Ok(_) | Err(_) => break,
                    },
                    ended = child.wait(), if status.is_none() => {
                        status = ended.ok();
                        tell.send_replace(status);
                    }
                }
            }
            if status.is_none() {
                tell.send_replace(child.wait().await.ok());
            }
        };
        Ok((id, follow))
    }

    /// A terminal that was not released.
    pub fn get(&self, id: &TerminalId) -> Option<Arc<Terminal>> {
        self.open.get(id).cloned()
    }

    /// Ends a command and forgets it.
    pub fn release(&mut self, id: &TerminalId) -> Option<()> {
        self.open.remove(id).map(|terminal| terminal.kill())
    }

    /// Ends all of them.
    pub fn release_all(&mut self) {
        for (_, terminal) in self.open.drain() {
            terminal.kill();
        }
    }
}

impl Terminal {
    /// What it said so far, and how it ended, if it has.
    pub fn look(&self) -> TerminalOutputResponse {
        let output = self.output();
        let text = String::from_utf8_lossy(&output.bytes).into_owned();
        TerminalOutputResponse::new(text, output.truncated).exit_status(self.ended.borrow().map(exit_status))
    }

    /// Waits for its end.
    pub async fn wait(&self) -> TerminalExitStatus {
        let mut ended = self.ended.clone();
        let ended = ended.wait_for(Option::is_some).await.ok().and_then(|status| *status);
        ended.map_or_else(TerminalExitStatus::new, exit_status)
    }

    /// Ends the command with what it started in its group, unless it has ended.
    pub fn kill(&self) {
        if self.ended.borrow().is_none() && self.group.as_raw() > 0 {
            let _ = killpg(self.group, Signal::SIGKILL);
        }
    }

    fn output(&self) -> std::sync::MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output {
    /// Keeps the end, from a character on.
    fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
        if self.bytes.len() > self.cap {
            self.truncated = true;
            let mut cut = self.bytes.len() - self.cap;
            while self.bytes.get(cut).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {
                cut += 1;
            }
            self.bytes.drain(..cut);
        }
    }
}

fn exit_status(status: ExitStatus) -> TerminalExitStatus {
    let signal = status.signal().and_then(|number| Signal::try_from(number).ok()).map(|signal| signal.to_string());
    TerminalExitStatus::new().exit_code(status.code().and_then(|code| u32::try_from(code).ok())).signal(signal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_is_read_waited_for_and_ended() {
        let mut terminals = Terminals::default();
        let request =
            |script: &str| CreateTerminalRequest::new("s", "sh").args(vec!["-c".to_owned(), script.to_owned()]);
        let (id, follow) =
            terminals.create(&request("echo out; echo err >&2; exit 3").output_byte_limit(6), Path::new("/")).unwrap();
        let terminal = terminals.get(&id).unwrap();
        follow.await;
        assert_eq!(terminal.wait().await.exit_code, Some(3));
        let seen = terminal.look();
        assert_eq!((seen.output.as_str(), seen.truncated), ("t\nerr\n", true));

        let (id, follow) = terminals.create(&request("sleep 1000 & sleep 1000"), Path::new("/")).unwrap();
        let terminal = terminals.get(&id).unwrap();
        let release = async {
            terminals.release(&id).unwrap();
            terminal.wait().await
        };
        let (status, ()) = tokio::join!(release, follow);
        assert_eq!(status.signal.as_deref(), Some("SIGKILL"));
        assert!(terminals.get(&id).is_none());
    }
}
