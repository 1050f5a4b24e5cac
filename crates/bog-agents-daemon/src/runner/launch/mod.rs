//! The launch stage: a process of its own between the runner and the agent, in which everything that must hold for the
//! agent alone is set up.
//!
//! On the host it becomes the agent. As the first process of a process table of its own it starts the agent and stays
//! until nothing is left there: see [`init`].

mod error;
mod inherit;
mod init;
mod report;
mod unseen;

pub use error::LaunchError;
pub use inherit::{bequeath, pipe};
pub use init::{ASK_ALL, END_ALL};
pub use report::{Report, Reports, report_pipe};

use crate::relay::{Passage, hand_over};
use crate::runner::limits::{Rlimits, step_back};
use crate::sandbox::policy::{Enforcement, Policy};
use crate::sandbox::{self, Split};
use bog_domain::containment::{Containment, NetworkAccess};
use error::Step;
use nix::errno::Errno;
use nix::sys::signal::SigSet;
use nix::unistd::{Pid, setsid};
use report::Reporter;
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// The exit code of a launch stage that could not start the agent; what counts is the report.
const EXIT_NOT_LAUNCHED: u8 = 127;
/// Whom the kernel ends first when memory runs out: the agent, not the daemon.
const OOM_SCORE: &str = "500";

/// What the launch stage is told, besides the agent's command: as a line of JSON, by a pipe that it inherits and whose number
/// is its first argument. Not in the argument itself: those of an init can be read by what it started, and what is kept from
/// an agent has names. Nor is there a limit to its size.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchSpec {
    /// The inherited descriptor of the pipe that takes [`Report`]s.
    pub report_fd: RawFd,
    /// Where the agent works.
    pub working_dir: PathBuf,
    /// What is to hold.
    pub sandbox: Policy,
    /// What the runner has set up of it.
    pub split: Split,
    /// The way to the relay that serves the network it is granted.
    pub relay: Option<Passage>,
    /// What the agent may consume.
    #[serde(default)]
    pub limits: Rlimits,
}

/// The agent about to be started.
struct Agent<'a> {
    command: &'a [OsString],
    /// Variables to set or to take away.
    environment: Vec<(&'static str, Option<OsString>)>,
    held: Containment,
}

impl LaunchSpec {
    /// Reads what was inherited: the first line. The pipe ends when the agent may be started.
    fn take(inherited: RawFd) -> io::Result<(Self, impl Read)> {
        let mut pipe = BufReader::new(inherit::take_over(inherited, OpenOptions::new().read(true))?);
        let mut line = String::new();
        pipe.read_line(&mut line)?;
        Ok((serde_json::from_str(&line)?, pipe))
    }
}

/// Starts the agent, or reports why not. `spec` is the number of the pipe with a [`LaunchSpec`].
pub fn run(spec: &OsStr, command: &[OsString]) -> ExitCode {
    let spec = spec.to_str().and_then(|number| LaunchSpec::take(number.parse().ok()?).ok());
    let told = spec.and_then(|(spec, go)| Some((Reporter::take(spec.report_fd).ok()?, spec, go)));
    let Some((mut reporter, spec, go)) = told else {
        eprintln!("`launch` is for the runner only; use `bog-agents-daemon job run ID` to run a job");
        return ExitCode::from(EXIT_NOT_LAUNCHED);
    };
    let started = confine(spec, go, command, &reporter).and_then(|agent| {
        if Pid::this().as_raw() == 1 {
            init::start(&agent, &mut reporter)
        } else {
            Err(become_agent(&agent, &mut reporter))
        }
    });
    match started {
        Ok(init) => init::stay(&init, &mut reporter),
        Err(error) => {
            reporter.send(&Report::Failed(error));
            ExitCode::from(EXIT_NOT_LAUNCHED)
        }
    }
}

/// Sets up all that is to hold for this process and whatever it becomes or starts. Comes back when `go` has ended.
fn confine<'a>(
    spec: LaunchSpec,
    mut go: impl Read,
    command: &'a [OsString],
    reporter: &Reporter,
) -> Result<Agent<'a>, LaunchError> {
    let bind = |errno| LaunchError::at(Step::Bind, errno);
    reporter.tie_to_runner().map_err(bind)?;
    let relay = spec.relay.map(Passage::take).transpose().map_err(|error| LaunchError::at(Step::Bind, error))?;
    setsid().map_err(bind)?;
    step_back();
    // Best effort: some containers do not allow it, and the agent runs as well without.
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    std::env::set_current_dir(&spec.working_dir).map_err(|error| LaunchError::at(Step::WorkingDir, error))?;
    let mut agent = Agent {
        command,
        environment: Vec::new(),
        held: Containment { network: NetworkAccess::Full, ..Containment::default() },
    };
    match spec.sandbox.enforcement {
        Enforcement::Off => {}
        Enforcement::BestEffort | Enforcement::Required => {
            let mut to_relay = Vec::new();
            let in_network = || {
                if let Some((control, doors)) = relay {
                    to_relay = hand_over(control, &doors)?;
                }
                Ok(())
            };
            let applied = sandbox::enter(&spec.sandbox, &spec.working_dir, spec.split, in_network);
            let applied = applied.map_err(LaunchError::Refused)?;
            // A change of credentials makes the kernel forget it.
            reporter.tie_to_runner().map_err(bind)?;
            let changed = applied.environment.into_iter().map(|(name, path)| (name, path.map(PathBuf::into_os_string)));
            let environment = changed.chain(to_relay.into_iter().map(|(name, value)| (name, Some(value.into()))));
            agent.environment = environment.collect();
            agent.held = applied.containment;
        }
    }
    // The runner moves this process into the attempt's control group meanwhile; what is started must be born there.
    go.read_to_end(&mut Vec::new()).map_err(|error| LaunchError::at(Step::Limits, error))?;
    // Not before: to build a sandbox takes more than an agent may be allowed.
    spec.limits.apply().map_err(|error| LaunchError::at(Step::Limits, error))?;
    Ok(agent)
}

/// Becomes the agent; comes back only where that failed.
fn become_agent(agent: &Agent, reporter: &mut Reporter) -> LaunchError {
    // The runner blocks the signals it reads from a descriptor; its children inherit that.
    if let Err(errno) = SigSet::empty().thread_set_mask() {
        return LaunchError::at(Step::Bind, errno);
    }
    let Some((program, args)) = agent.command.split_first() else {
        return LaunchError::at(Step::Exec, Errno::ENOENT);
    };
    let mut command = Command::new(program);
    command.args(args);
    for (name, value) in &agent.environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    reporter.send(&Report::Held(agent.held.clone()));
    LaunchError::at(Step::Exec, command.exec())
}
