//! The host of an agent that speaks a protocol: a process of ours within the attempt's sandbox, between the runner and the
//! agent. It is the client of the Agent Client Protocol, starts the agent or - the built-in one - is it, serves its file
//! and terminal requests right there, and tells the runner line by line what happens.
//!
//! It decides nothing about the run: what its last line means, the runner and the daemon say. It holds no secret but the
//! environment that the agent has too.

mod answers;
mod builtin;
mod child;
mod client;
mod converse;
mod ending;
pub mod instructions;
mod lines;
mod memory;
mod report;
mod servers;
mod stream;
mod terminal;
mod updates;

use bog_domain::agent_end::{AgentEnd, Stop};
use instructions::{Instructions, Kind};
use memory::Memory;
use report::Reporter;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The hidden command that hosts an agent. What it is to do stands in its standard input.
pub const HOST: &str = "acp-host";

/// All that a conversation works with.
struct Host {
    instructions: Instructions,
    reporter: Reporter,
    memory: Arc<Mutex<Memory>>,
    /// Asks for an end.
    stop: CancellationToken,
}

/// Runs the hidden command, if the arguments name it.
#[must_use]
pub fn dispatch(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    (args.into_iter().nth(1)? == HOST).then(run)
}

fn run() -> ExitCode {
    let Some(instructions) = read_instructions() else {
        eprintln!("`{HOST}` is for the runner only; use `bog-agents-daemon job run ID` to run a job");
        return ExitCode::from(2);
    };
    keep_to_ourselves();
    let reporter = Reporter::new(std::io::stdout(), instructions.output_bytes);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let end = match runtime {
        Ok(runtime) => runtime.block_on(host(instructions, reporter.clone())),
        Err(error) => failed(format!("the agent's host cannot run: {error}; run the job again")),
    };
    let succeeded = end.stop == Stop::Finished;
    reporter.end(end);
    if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read_instructions() -> Option<Instructions> {
    let mut line = String::new();
    BufReader::new(std::io::stdin().lock()).read_line(&mut line).ok()?;
    serde_json::from_str::<Instructions>(&line).ok().filter(|read| read.v <= instructions::VERSION)
}

/// No process of the same user reads this one's memory or writes into its pipes: what the runner hears is said here.
fn keep_to_ourselves() {
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_dumpable(false);
}

async fn host(instructions: Instructions, reporter: Reporter) -> AgentEnd {
    let memory = Memory::open(instructions.memory.as_deref(), &instructions.run);
    let memory = Arc::new(Mutex::new(memory));
    let stop = CancellationToken::new();
    let host = Host { instructions, reporter: reporter.clone(), memory: Arc::clone(&memory), stop: stop.clone() };
    let conversation = async {
        match &host.instructions.agent {
            Kind::Builtin => builtin::converse(&host).await,
            Kind::Acp { command } => child::converse(&host, command).await,
            Kind::Stream(started) => stream::follow(&host, started).await,
        }
    };
    let end = tokio::select! {
        end = conversation => end,
        never = watch(&stop) => match never {},
        never = reporter.flush_often() => match never {},
    };
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    memory.ended(end.stop);
    AgentEnd { session: memory.session().map(Into::into), usage: memory.of_run(), ..end }
}

/// Turns the end of our input, and a signal, into a request to stop.
async fn watch(stop: &CancellationToken) -> std::convert::Infallible {
    let input = async {
        let stdin = std::io::stdin().as_fd().try_clone_to_owned().and_then(pipe::Receiver::from_owned_fd);
        match stdin {
            Ok(mut stdin) => while stdin.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {},
            // Not a pipe: nobody can ask that way.
            Err(_) => std::future::pending().await,
        }
    };
    let signalled = async {
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(mut term), Ok(mut int)) => tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} },
            (Err(_), _) | (_, Err(_)) => std::future::pending().await,
        }
    };
    tokio::select! { () = input => {}, () = signalled => {} }
    stop.cancel();
    std::future::pending().await
}

/// An end that somebody should read about.
fn failed(message: impl Into<String>) -> AgentEnd {
    ended(Stop::Failed, Some(message.into()))
}

fn ended(stop: Stop, message: Option<String>) -> AgentEnd {
    AgentEnd { stop, message, not_before: None, text: String::new(), session: None, usage: Vec::new() }
}
