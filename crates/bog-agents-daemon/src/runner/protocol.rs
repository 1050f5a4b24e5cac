//! What the daemon and a runner tell each other: `attempt.json`, `outcome.json`'s record, and the control socket.
//!
//! Every shape carries a version. The binary that reads may be newer than the one that wrote: version N reads N-1.

use crate::sandbox::policy::Policy;
use bog_domain::agent_end::AgentEnd;
use bog_domain::containment::{Containment, LimitHit};
use bog_domain::ids::{JobId, RunId};
use bog_domain::run::{Outcome, Usage};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// The version this binary writes, and the newest it reads.
pub const VERSION: u32 = 3;

/// The version of the one control request there is: a runner reads what is no newer than itself.
pub const CANCEL_VERSION: u32 = 1;

/// The attempt's description within its folder, written by the daemon.
pub const ATTEMPT_FILE: &str = "attempt.json";
/// The event that caused the run, for the agent; `BOG_EVENT_FILE` names it.
pub const EVENT_FILE: &str = "event.json";
/// Held by the runner for life.
pub const LOCK_FILE: &str = "lock";
/// Says whether the attempt began; created exactly once.
pub const VERDICT_FILE: &str = "verdict";
/// The run's live log.
pub const EVENTS_FILE: &str = "events.jsonl";
/// How the attempt ended.
pub const OUTCOME_FILE: &str = "outcome.json";

/// The runner's exit code where the disk had no room to promise an outcome, so that the agent was not started.
pub const EXIT_NO_SPACE: u8 = 75;

/// What to run, and within which bounds: `attempt.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttemptSpec {
    /// [`VERSION`] of the daemon that wrote it.
    pub version: u32,
    /// The run.
    pub run_id: RunId,
    /// Its job.
    pub job_id: JobId,
    /// Which attempt of the run, from 1.
    pub attempt: u32,
    /// The claim it belongs to.
    pub epoch: u64,
    /// Program and arguments; no shell reads them.
    pub command: Vec<String>,
    /// What the agent reads on its standard input; `None` is `/dev/null`.
    pub stdin: Option<String>,
    /// Where the agent works; it must exist.
    pub working_dir: PathBuf,
    /// How long the agent may take, in milliseconds, time in suspend included.
    pub wall_clock_ms: u64,
    /// How long it gets between TERM and KILL, in milliseconds.
    pub grace_ms: u64,
    /// How much of its standard output is kept, in bytes.
    pub output_bytes: u64,
    /// Names of environment variables whose values are masked in whatever is recorded.
    pub mask_env: Vec<String>,
    /// Where the runner listens for control messages; at most about 100 bytes.
    pub socket: PathBuf,
    /// Past this the runner ends itself; `None` on a single node.
    pub lease_until: Option<Timestamp>,
    /// What the tree may consume besides time and output. Since version 2.
    #[serde(default)]
    pub limits: TreeLimits,
    /// What the tree may touch. Since version 2.
    #[serde(default)]
    pub sandbox: Policy,
    /// Which daemon it belongs to: the mark that its processes carry in `BOG_INSTANCE`. Since version 2.
    #[serde(default)]
    pub instance: String,
    /// The control group that the runner makes for it; `None` where none can be had. Since version 2.
    #[serde(default)]
    pub cgroup: Option<PathBuf>,
    /// What its standard output means. Since version 3.
    #[serde(default)]
    pub speaks: Speaks,
}

/// What an agent's standard output means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaks {
    /// Text, which is its output.
    #[default]
    Text,
    /// [`HostLine`](bog_domain::agent_end::HostLine)s: the command is a host of ours, and the end of its standard input
    /// asks it to end.
    Host,
}

/// What an attempt's process tree may consume; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeLimits {
    /// Memory and swap of the whole tree, in bytes.
    pub memory_bytes: Option<u64>,
    /// CPU rate of the whole tree, in thousandths of a core.
    pub cpu_millis: Option<u64>,
    /// CPU time of the whole tree, in milliseconds.
    pub cpu_time_ms: Option<u64>,
    /// Processes and threads at the same time.
    pub pids: Option<u32>,
    /// Files that one process may have open.
    pub open_files: Option<u32>,
    /// Bytes in the run's folder.
    pub disk_bytes: Option<u64>,
}

/// Why `attempt.json` could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// It cannot be read.
    #[error("cannot read `{path}`: {source}; the run's folder must stay in place and readable while it runs")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is of a version this binary does not know.
    #[error(
        "`{path}` has version {found}, this binary reads up to {VERSION}; start it with the newer bog-agents-daemon"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// It is damaged.
    #[error("`{path}` is damaged: {source}; run the job again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It names no program.
    #[error("`command` is empty in `{path}`; name a program and its arguments")]
    NoCommand {
        /// The file.
        path: PathBuf,
    },
}

/// The one field that every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl AttemptSpec {
    /// Reads `dir/attempt.json`.
    ///
    /// # Errors
    /// Where it is missing, damaged, or of a newer version.
    pub fn load(dir: &Path) -> Result<Self, SpecError> {
        let path = dir.join(ATTEMPT_FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(source) => return Err(SpecError::Unreadable { path, source }),
        };
        Self::parse(&text, path)
    }

    fn parse(text: &[u8], path: PathBuf) -> Result<Self, SpecError> {
        let found = match serde_json::from_slice::<Versioned>(text) {
            Ok(versioned) => versioned.version,
            Err(source) => return Err(SpecError::Damaged { path, source }),
        };
        if found > VERSION {
            return Err(SpecError::Newer { path, found });
        }
        match serde_json::from_slice::<Self>(text) {
            Ok(spec) if spec.command.is_empty() => Err(SpecError::NoCommand { path }),
            Ok(spec) => Ok(spec),
            Err(source) => Err(SpecError::Damaged { path, source }),
        }
    }
}

/// How an attempt ended: what `outcome.json` holds.
#[derive(Debug, Clone, PartialEq)]
pub struct OutcomeRecord {
    /// [`VERSION`] of the runner that wrote it.
    pub version: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// The agent's exit code, if it exited.
    pub exit_code: Option<i32>,
    /// The signal that ended the agent, if one did.
    pub signal: Option<i32>,
    /// What went wrong, for people.
    pub error: Option<String>,
    /// When the agent was started.
    pub started_at: Timestamp,
    /// When the last process of its tree was gone.
    pub finished_at: Timestamp,
    /// What it consumed.
    pub usage: Usage,
    /// What it was held by; `None` where the agent was not started, and in records of version 1.
    pub containment: Option<Containment>,
    /// The limit that ended it.
    pub limit: Option<LimitHit>,
    /// What an agent that speaks a protocol told of its end, its text left out: that is `output`. Since version 3.
    pub agent: Option<AgentEnd>,
    /// Whether the agent said more than `output` holds.
    pub output_truncated: bool,
    /// Its standard output, as text, secrets masked.
    pub output: String,
}

impl OutcomeRecord {
    /// The record of an attempt whose agent never ran.
    #[must_use]
    pub fn start_failed(error: String, at: Timestamp) -> Self {
        Self {
            version: VERSION,
            outcome: Outcome::StartFailed,
            exit_code: None,
            signal: None,
            error: Some(error),
            started_at: at,
            finished_at: at,
            usage: Usage::default(),
            containment: None,
            limit: None,
            agent: None,
            output_truncated: false,
            output: String::new(),
        }
    }
}

/// A message to the runner: one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The first version that knows the command.
    pub v: u32,
    /// What to do.
    pub cmd: Command,
    /// Why, for people.
    pub reason: String,
}

/// What a [`Request`] asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// End the agent; the attempt is `cancelled`.
    Cancel,
}

/// The runner's answer: one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// [`VERSION`] of the runner.
    pub v: u32,
    /// Whether it will be done.
    pub ok: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"{"version":1,"run_id":"01890a5d-ac96-774b-bcce-b302099a8057","job_id":"brief","attempt":1,
        "epoch":3,"command":["true"],"stdin":null,"working_dir":"/","wall_clock_ms":1000,"grace_ms":100,
        "output_bytes":1024,"mask_env":["TOKEN"],"socket":"/run/x.sock","lease_until":null}"#;

    fn error(text: &str) -> String {
        AttemptSpec::parse(text.as_bytes(), "a.json".into()).expect_err("must be refused").to_string()
    }

    #[test]
    fn the_first_version_still_loads() {
        let spec = AttemptSpec::parse(SAMPLE.as_bytes(), "a.json".into()).expect("loads");
        assert_eq!((spec.attempt, spec.epoch, spec.wall_clock_ms), (1, 3, 1000));
    }

    #[test]
    fn newer_damaged_and_empty_files_say_what_to_do() {
        let newer = SAMPLE.replace(r#""version":1"#, r#""version":9,"what_is_this":1"#);
        assert_eq!(
            error(&newer),
            "`a.json` has version 9, this binary reads up to 3; start it with the newer bog-agents-daemon"
        );
        assert!(error(&SAMPLE[..40]).starts_with("`a.json` is damaged: EOF"));
        assert!(error(&SAMPLE.replace("epoch", "epic")).contains("unknown field `epic`"));
        assert!(error(&SAMPLE.replace(r#"["true"]"#, "[]")).starts_with("`command` is empty in `a.json`"));
    }

    #[test]
    fn control_messages_are_lines_of_json() {
        let line = r#"{"v":1,"cmd":"cancel","reason":"by hand"}"#;
        let request: Request = serde_json::from_str(line).expect("loads");
        assert_eq!(request, Request { v: 1, cmd: Command::Cancel, reason: "by hand".to_owned() });
        assert_eq!(serde_json::to_string(&request).expect("serializes"), line);
        assert_eq!(
            serde_json::to_string(&Reply { v: 1, ok: true, error: None }).expect("serializes"),
            r#"{"v":1,"ok":true}"#
        );
    }
}
