//! Agents that speak a protocol: through the daemon, the runner and the host, to the record of the run.

mod acp;
mod builtin;
mod others;
mod resuming;

use crate::support::{Daemon, Home};
use serde_json::Value;
use std::path::PathBuf;

/// A misbehaving agent of ours in a folder of its own, as a job `j`.
pub struct Bad {
    pub home: Home,
    pub folder: PathBuf,
}

impl Bad {
    /// With these lines in its job's file besides.
    pub fn new(mode: &str, more: &str) -> Self {
        let home = Home::new();
        let folder = home.path().join("work");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("agent.py"), include_str!("agents/agent.py")).unwrap();
        let bad = Self { home, folder };
        bad.job("j", mode, more);
        bad
    }

    /// One more job with the same agent.
    pub fn job(&self, id: &str, mode: &str, more: &str) {
        let prompt = if more.contains("prompt:") { "" } else { "prompt: Look around\n" };
        let folder = self.folder.display();
        self.home.job(
            id,
            &format!("agent: {{acp: [python3, ./agent.py, {mode}]}}\nworking_dir: {folder}\n{prompt}{more}\n"),
        );
    }

    /// Runs the job to its end.
    pub fn run(&self, daemon: &Daemon) -> Value {
        daemon.finished(&daemon.fire("j"))
    }

    /// The lines of an attempt's log, `kind: data`.
    pub fn events(&self, run: &Value, attempt: u32) -> Vec<String> {
        let file = self.home.data().join(format!("runs/{}/{attempt}/events.jsonl", run["id"].as_str().unwrap()));
        let text = std::fs::read_to_string(file).unwrap();
        let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.map(|event| format!("{}: {}", event["kind"].as_str().unwrap(), event["data"])).collect()
    }
}
