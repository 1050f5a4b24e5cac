//! Why an agent could not be started, and the words for it. They are found by the runner, which still sees the whole
//! machine.

use super::unseen::Unseen;
use crate::runner::protocol::AttemptSpec;
use crate::sandbox::Refused;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// Why the agent could not be started.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaunchError {
    /// A step failed.
    Failed {
        /// What could not be done.
        step: Step,
        /// The system's error number.
        errno: i32,
    },
    /// The sandbox could not be set up.
    Refused(Refused),
}

/// The steps of a launch that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Being tied to the runner's life.
    Bind,
    /// Entering the working folder.
    WorkingDir,
    /// Limiting what a process may consume.
    Limits,
    /// Becoming or starting the agent.
    Exec,
}

impl LaunchError {
    /// A step that failed with this error of the system.
    pub fn at(step: Step, error: impl Into<io::Error>) -> Self {
        Self::Failed { step, errno: error.into().raw_os_error().unwrap_or_default() }
    }

    /// What went wrong and what to do, for people.
    pub fn explain(&self, spec: &AttemptSpec) -> String {
        match self {
            Self::Failed { step, errno } => {
                let system = io::Error::from_raw_os_error(*errno);
                let (program, folder) = (spec.command[0].as_str(), spec.working_dir.as_path());
                match step {
                    Step::Bind => {
                        format!("cannot prepare the process of `{program}`: {system}; run the job again")
                    }
                    Step::Limits => format!("`{program}` cannot be limited: {system}; run the job again"),
                    Step::WorkingDir => folder_error(folder, &system),
                    Step::Exec => Unseen::find(spec, &system)
                        .map_or_else(|| program_error(program, folder, &system), |unseen| unseen.explain(program)),
                }
            }
            Self::Refused(refused) => refused.explain(),
        }
    }
}

fn folder_error(folder: &Path, system: &io::Error) -> String {
    let folder = folder.display();
    if system.kind() == io::ErrorKind::NotFound {
        format!("the working folder `{folder}` does not exist; create it or change `working_dir`")
    } else if system.kind() == io::ErrorKind::PermissionDenied {
        format!("the working folder `{folder}` may not be entered; change its permissions or `working_dir`")
    } else {
        format!("the working folder `{folder}` cannot be entered: {system}; change `working_dir`")
    }
}

fn program_error(program: &str, working_dir: &Path, system: &io::Error) -> String {
    let missing = system.kind() == io::ErrorKind::NotFound;
    if missing && program.contains('/') && working_dir.join(program).exists() {
        format!(
            "`{program}` cannot be started: the interpreter in its first line is missing; install it or correct the line"
        )
    } else if missing && program.contains('/') {
        format!("the program `{program}` does not exist; correct the path in `command` or install it")
    } else if missing {
        format!("the program `{program}` is not on the `PATH`; install it or give its full path in `command`")
    } else if system.kind() == io::ErrorKind::PermissionDenied {
        format!("the program `{program}` may not be executed; make it executable with `chmod +x`")
    } else {
        format!("the program `{program}` cannot be started: {system}; check `command`")
    }
}
