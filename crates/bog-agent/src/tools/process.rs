//! Running a program for a tool: with a deadline, with bounded output, and with all of its process group ended at the end.

use std::collections::VecDeque;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::process::Command;

/// How much of the beginning, and how much of the end, of what a program says is kept.
const KEPT: usize = 512 * 1024;

/// How long the end of the output is waited for once the program itself has ended: others may hold it.
#[cfg(unix)]
const AFTERWARDS: Duration = Duration::from_millis(500);

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// What it said, on both streams, in order.
    pub output: String,
    /// Its status; none: it was ended when its time was up.
    pub status: Option<ExitStatus>,
    /// Whether it left others behind, which were ended.
    pub left_others: bool,
}

/// Output as it is kept.
#[derive(Debug, Default)]
struct Output {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: usize,
}

impl Output {
    fn take(&mut self, mut bytes: &[u8]) {
        let room = KEPT.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        bytes = &bytes[room..];
        self.tail.extend(bytes);
        let over = self.tail.len().saturating_sub(KEPT);
        self.tail.drain(..over);
        self.dropped += over;
    }

    fn text(mut self) -> String {
        let mut text = String::from_utf8_lossy(&self.head).into_owned();
        if self.dropped > 0 {
            text.push_str(&format!("\n[{} bytes left out]\n", self.dropped));
        }
        text.push_str(&String::from_utf8_lossy(self.tail.make_contiguous()));
        text
    }
}

/// Ends a process group when it goes out of scope: also when whoever waits for it is gone.
#[cfg(unix)]
struct Group(Option<nix::unistd::Pid>);

#[cfg(unix)]
impl Group {
    /// Ends what is left of it; whether anything was.
    fn end(&mut self) -> bool {
        self.0.take().is_some_and(|group| nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL).is_ok())
    }
}

#[cfg(unix)]
impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs a program with nothing on its standard input.
///
/// # Errors
/// When it cannot be started.
#[cfg(unix)]
pub async fn run(mut command: Command, patience: Duration) -> Result<Ended, String> {
    use tokio::io::AsyncReadExt as _;
    let unable = |error: std::io::Error| format!("the command cannot be started: {error}");
    let (reader, writer) = std::io::pipe().map_err(unable)?;
    let mut reader = tokio::net::unix::pipe::Receiver::from_owned_fd(reader.into()).map_err(unable)?;
    command.stdin(std::process::Stdio::null()).stdout(writer.try_clone().map_err(unable)?).stderr(writer);
    command.process_group(0).kill_on_drop(true);
    let mut child = command.spawn().map_err(unable)?;
    // The pipe's ends stay open in here as long as the command stands.
    drop(command);
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let mut group = Group(id.map(nix::unistd::Pid::from_raw));
    let mut output = Output::default();
    let mut buffer = vec![0; 16 * 1024];
    let deadline = tokio::time::Instant::now() + patience;
    let mut open = true;
    let status = loop {
        tokio::select! {
            read = reader.read(&mut buffer), if open => match read {
                Ok(0) | Err(_) => open = false,
                Ok(count) => output.take(&buffer[..count]),
            },
            status = child.wait() => break status.ok(),
            () = tokio::time::sleep_until(deadline) => break None,
        }
    };
    let afterwards = tokio::time::Instant::now() + AFTERWARDS;
    while open && status.is_some() {
        tokio::select! {
            biased;
            read = reader.read(&mut buffer) => match read {
                Ok(0) | Err(_) => open = false,
                Ok(count) => output.take(&buffer[..count]),
            },
            () = tokio::time::sleep_until(afterwards) => break,
        }
    }
    let left_others = group.end() && status.is_some();
    // It is dead or about to be: collected, so that no zombie stays.
    let _ = child.wait().await;
    Ok(Ended { output: output.text(), status, left_others })
}

/// Runs a program: not here.
///
/// # Errors
/// Always: process groups are a thing of Unix.
#[cfg(not(unix))]
pub async fn run(_command: Command, _patience: Duration) -> Result<Ended, String> {
    Err("commands can be run on Unix only".to_owned())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    async fn sh(script: &str, patience: Duration) -> Ended {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script);
        run(command, patience).await.unwrap()
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn output_of_both_streams_is_kept_in_order() {
        let ended = sh("echo one; echo two >&2; echo three; exit 3", LONG).await;
        assert_eq!(ended.output, "one\ntwo\nthree\n");
        assert_eq!(ended.status.unwrap().code(), Some(3));
    }

    #[tokio::test]
    async fn what_is_left_in_the_background_is_ended() {
        let ended = sh("sleep 1000 & echo $!", LONG).await;
        assert!(ended.left_others);
        let pid = nix::unistd::Pid::from_raw(ended.output.trim().parse().unwrap());
        let deadline = std::time::Instant::now() + LONG;
        while nix::sys::signal::kill(pid, None).is_ok() {
            // Gone, but its new parent may not have noticed.
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if stat.contains(") Z ") {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "`sleep` lives");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn time_is_limited_and_floods_are_cut() {
        let ended = sh("echo begun; sleep 1000", Duration::from_millis(300)).await;
        assert!(ended.status.is_none());
        let ended = sh("head -c 5000000 /dev/zero | tr '\\0' x; echo end", LONG).await;
        assert!(ended.output.len() < 2 * KEPT + 100, "{}", ended.output.len());
        assert!(ended.output.ends_with("end\n") && ended.output.contains("bytes left out"));
    }
}
