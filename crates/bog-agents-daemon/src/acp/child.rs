//! An agent that is a program: started with its standard streams as the connection, and ended when the conversation is.

use super::builtin::writer;
use super::lines::{Garbage, messages};
use super::{Host, converse, failed};
use agent_client_protocol::Lines;
use bog_domain::agent_end::{AgentEnd, Stop};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long it may take to end by itself once its input has ended.
const FAREWELL: Duration = Duration::from_secs(2);

/// Starts an agent and talks to it. What it says besides on standard error is the host's standard error.
pub async fn converse(host: &Host, command: &[String]) -> AgentEnd {
    let Some((program, arguments)) = command.split_first() else { return failed("no agent was named; change `agent`") };
    let mut child = match start(host, program, arguments) {
        Ok(child) => child,
        Err(error) => return failed(not_started(program, &error)),
    };
    let garbage = Garbage::default();
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return failed(format!("`{program}` has no standard streams; run the job again"));
    };
    let transport = Lines::new(writer(stdin), messages(stdout, host.reporter.clone(), garbage.clone()));
    let mut end = converse::converse(host, program, transport).await;
    let status = farewell(&mut child).await;
    if let (Stop::Failed, Some(message), Some(garbage)) = (end.stop, &mut end.message, garbage.first()) {
        message.push_str(&format!("; what it wrote that is no message: {garbage}"));
    }
    if let (Stop::Failed, Some(message), Some(status)) = (end.stop, &mut end.message, status) {
        message.push_str(&format!("; it ended with {status}"));
    }
    end
}

/// Starts a program in a process group of its own.
fn start(host: &Host, program: &str, arguments: &[String]) -> io::Result<Child> {
    Command::new(program)
        .args(arguments)
        .current_dir(&host.instructions.working_dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Why a program could not be started, for people.
pub fn not_started(program: &str, error: &io::Error) -> String {
    let kind = error.kind();
    if kind == io::ErrorKind::NotFound && program.contains('/') {
        format!("the agent `{program}` does not exist, or its interpreter does not; correct the path or install it")
    } else if kind == io::ErrorKind::NotFound {
        format!("the agent `{program}` is not on the `PATH`; install it, or name it by its full path")
    } else if kind == io::ErrorKind::PermissionDenied {
        format!("the agent `{program}` may not be executed in this sandbox; grant its folder with `sandbox.read`")
    } else {
        format!("the agent `{program}` cannot be started: {error}")
    }
}

/// Waits a moment for it to end, then ends it with its group. How it ended, where it did so by itself.
pub async fn farewell(child: &mut Child) -> Option<std::process::ExitStatus> {
    if let Ok(status) = tokio::time::timeout(FAREWELL, child.wait()).await {
        return status.ok();
    }
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
    let _ = child.wait().await;
    None
}
