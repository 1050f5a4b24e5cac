//! Why an attempt could not be put into its sandbox, in a shape that the launch stage can hand to the runner.

use bog_domain::containment::{Mechanism, Missing};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// Why the sandbox could not be set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case", deny_unknown_fields)]
pub enum Refused {
    /// The machine does not give one of the mechanisms.
    Mechanism {
        /// Which.
        mechanism: Mechanism,
        /// What was being done, with the path where there is one: `mounting "/usr"`.
        doing: String,
        /// The system's error number.
        errno: i32,
    },
    /// A folder or file that the job may write cannot be given to it.
    Grant {
        /// Which.
        path: String,
        /// The system's error number.
        errno: i32,
    },
    /// The working folder cannot be entered.
    WorkingDir {
        /// Which.
        path: String,
        /// The system's error number.
        errno: i32,
    },
    /// What leads out of its own network cannot be set up.
    Network {
        /// What went wrong.
        error: String,
    },
}

impl Refused {
    pub(super) fn mechanism(mechanism: Mechanism, doing: impl Into<String>, error: impl Into<io::Error>) -> Self {
        Self::Mechanism { mechanism, doing: doing.into(), errno: number(error) }
    }

    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "nothing is granted where there is no sandbox"))]
    pub(super) fn grant(path: &Path, error: impl Into<io::Error>) -> Self {
        Self::Grant { path: path.display().to_string(), errno: number(error) }
    }

    pub(super) fn working_dir(path: &Path, error: impl Into<io::Error>) -> Self {
        Self::WorkingDir { path: path.display().to_string(), errno: number(error) }
    }

    pub(super) fn network(error: &io::Error) -> Self {
        Self::Network { error: error.to_string() }
    }

    /// What is lacking, where going on without it is allowed.
    ///
    /// # Errors
    /// Itself, where it is not the machine that lacks something: a path that is not there stays an error.
    pub(super) fn lacking(self) -> Result<Missing, Self> {
        match self {
            Self::Mechanism { mechanism, .. } => Ok(Missing { mechanism, reason: self.reason() }),
            Self::Grant { .. } | Self::WorkingDir { .. } | Self::Network { .. } => Err(self),
        }
    }

    /// What failed and, for a mechanism, what can be done about it on this machine.
    fn reason(&self) -> String {
        match self {
            Self::Mechanism { mechanism, doing, errno } => {
                let advice = super::system::advice(*mechanism, *errno);
                format!("{doing}: {}; {advice}", io::Error::from_raw_os_error(*errno))
            }
            Self::Grant { path, errno } | Self::WorkingDir { path, errno } => {
                format!("`{path}`: {}", io::Error::from_raw_os_error(*errno))
            }
            Self::Network { error } => error.clone(),
        }
    }

    /// What went wrong and what to do, for people.
    #[must_use]
    pub fn explain(&self) -> String {
        match self {
            Self::Mechanism { mechanism, .. } => format!(
                "the sandbox needs `{mechanism}`, which this machine does not give it ({}); \
                 or set `sandbox: best_effort` in the job, to run it with what there is",
                self.reason()
            ),
            Self::Grant { path, errno } if *errno == ELOOP => format!(
                "`{path}` may not be granted: it leads through a symbolic link that the agent itself could have made; \
                 name the folder it points to in `sandbox.write`"
            ),
            Self::Grant { path, errno } => format!(
                "`{path}` cannot be granted for writing: {}; create it, or take it out of `sandbox.write`",
                io::Error::from_raw_os_error(*errno)
            ),
            Self::WorkingDir { path, errno } => {
                let system = io::Error::from_raw_os_error(*errno);
                if system.kind() == io::ErrorKind::NotFound {
                    format!("the working folder `{path}` does not exist; create it or change `working_dir`")
                } else {
                    format!("the working folder `{path}` cannot be entered: {system}; change `working_dir`")
                }
            }
            Self::Network { error } => {
                format!("what its `sandbox.network` grants cannot be set up: {error}; run the job again")
            }
        }
    }
}

/// The system's number for too many symbolic links; here: for one that is not trusted.
pub(super) const ELOOP: i32 = 40;

fn number(error: impl Into<io::Error>) -> i32 {
    error.into().raw_os_error().unwrap_or_default()
}
