//! The launch stage: a process of its own between the runner and the agent, in which everything that must hold for the
//! agent alone is set up before it becomes the agent. Resource limits and the sandbox belong here too: a field of
//! [`LaunchSpec`] and a step in [`enter`] each.

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{getppid, setsid};
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// The exit code of a launch stage that could not become the agent; what counts is the report.
const EXIT_NOT_LAUNCHED: u8 = 127;
/// Whom the kernel ends first when memory runs out: the agent, not the daemon.
const OOM_SCORE: &str = "500";

/// What the launch stage is told, as JSON in its first argument; program and arguments follow it as they are.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchSpec {
    /// The runner's pid: should the parent be another, the runner is gone already.
    pub runner: i32,
    /// The runner's descriptor of the pipe that takes a [`LaunchError`].
    pub report_fd: i32,
    /// Where the agent works.
    pub working_dir: PathBuf,
}

/// Why the agent could not be started.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchError {
    /// What could not be done.
    pub step: Step,
    /// The system's error number.
    pub errno: i32,
}

/// The steps of a launch that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Being tied to the runner's life.
    Bind,
    /// Entering the working folder.
    WorkingDir,
    /// Becoming the agent.
    Exec,
}

/// Becomes the agent, or reports why not.
pub fn run(spec: &OsStr, command: &[OsString]) -> ExitCode {
    let Some(spec) = spec.to_str().and_then(|spec| serde_json::from_str::<LaunchSpec>(spec).ok()) else {
        eprintln!("`launch` is for the runner only; use `bog-agents-daemon job run ID` to run a job");
        return ExitCode::from(EXIT_NOT_LAUNCHED);
    };
    // The runner's own end of the pipe, through /proc: nothing has to be inherited, so nothing can leak to the agent.
    let report = OpenOptions::new().write(true).open(format!("/proc/{}/fd/{}", spec.runner, spec.report_fd));
    let error = enter(&spec, command);
    if let Ok(mut report) = report
        && let Ok(text) = serde_json::to_vec(&error)
    {
        // Nobody is left to tell where this fails; the exit code remains.
        let _ = report.write_all(&text);
    }
    ExitCode::from(EXIT_NOT_LAUNCHED)
}

/// Comes back only where it failed.
fn enter(spec: &LaunchSpec, command: &[OsString]) -> LaunchError {
    let failed = |step| move |errno: nix::errno::Errno| LaunchError { step, errno: errno as i32 };
    let bound = set_pdeathsig(Signal::SIGKILL).and_then(|()| {
        // The runner may have died before the signal was set; then nothing would end this process.
        if getppid().as_raw() == spec.runner { Ok(()) } else { Err(nix::errno::Errno::ESRCH) }
    });
    if let Err(error) = bound.and_then(|()| setsid().map(drop)).map_err(failed(Step::Bind)) {
        return error;
    }
    // Best effort: some containers do not allow it, and the agent runs as well without.
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    if let Err(error) = std::env::set_current_dir(&spec.working_dir) {
        return LaunchError { step: Step::WorkingDir, errno: error.raw_os_error().unwrap_or_default() };
    }
    // The runner blocks the signals it reads from a descriptor; its children inherit that.
    if let Err(error) = SigSet::empty().thread_set_mask().map_err(failed(Step::Bind)) {
        return error;
    }
    let Some((program, args)) = command.split_first() else {
        return LaunchError { step: Step::Exec, errno: nix::errno::Errno::ENOENT as i32 };
    };
    let error = Command::new(program).args(args).exec();
    LaunchError { step: Step::Exec, errno: error.raw_os_error().unwrap_or_default() }
}

impl LaunchError {
    /// What went wrong and what to do, for people.
    pub fn explain(&self, program: &str, working_dir: &std::path::Path) -> String {
        let system = io::Error::from_raw_os_error(self.errno);
        let missing = system.kind() == io::ErrorKind::NotFound;
        let forbidden = system.kind() == io::ErrorKind::PermissionDenied;
        let folder = working_dir.display();
        match self.step {
            Step::Bind => format!("cannot prepare the process of `{program}`: {system}; run the job again"),
            Step::WorkingDir if missing => {
                format!("the working folder `{folder}` does not exist; create it or change `working_dir`")
            }
            Step::WorkingDir if forbidden => {
                format!("the working folder `{folder}` may not be entered; change its permissions or `working_dir`")
            }
            Step::WorkingDir => {
                format!("the working folder `{folder}` cannot be entered: {system}; change `working_dir`")
            }
            Step::Exec if missing && program.contains('/') && working_dir.join(program).exists() => format!(
                "`{program}` cannot be started: the interpreter in its first line is missing; install it or correct the line"
            ),
            Step::Exec if missing && program.contains('/') => {
                format!("the program `{program}` does not exist; correct the path in `command` or install it")
            }
            Step::Exec if missing => {
                format!("the program `{program}` is not on the `PATH`; install it or give its full path in `command`")
            }
            Step::Exec if forbidden => {
                format!("the program `{program}` may not be executed; make it executable with `chmod +x`")
            }
            Step::Exec => format!("the program `{program}` cannot be started: {system}; check `command`"),
        }
    }
}
