//! The sandbox: what an agent's process tree may see, write and reach.
//!
//! [`policy`] says what is to hold, in paths of this machine; [`paths`] makes it of what a job is granted. What enforces
//! it is applied by processes to themselves:
//!
//! 1. The runner, which has one thread, calls [`split`]: from then on its next child is the first process of a process
//!    table of its own, and, for an ordinary user, both live in a user namespace.
//! 2. That child is the launch stage. It does whatever needs the host (its death signal, `/proc/RUNNER/fd/N`,
//!    `oom_score_adj`, control groups), then calls [`enter`] with what [`split`] returned and with what is to be done in
//!    its new network, then sets resource limits, and then starts the agent. `getppid` is 0 there, as its parent is outside.
//! 3. [`Applied::containment`] goes into the record; [`Applied::environment`] is set for the agent.
//!
//! After [`enter`] the process is in the working folder of a root of its own, holds no capability, and has closed every
//! descriptor but 0, 1, 2 and those that close on exec. It may still make sockets, pipes and processes. It cannot be
//! traced or looked into by what it starts (it is not dumpable), so what it reports is not the agent's word.
//!
//! What the built-in agent starts for a model goes through [`narrowed`], which holds it to less than the agent itself.
//!
//! Under [`Enforcement::Required`](policy::Enforcement) whatever the machine lacks is a [`Refused`]; under `BestEffort` it
//! is listed in `containment.missing`. Nothing here is to be called under `Off`.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;
mod narrow;
pub mod paths;
pub mod policy;
mod refusal;
mod tally;

#[cfg(not(target_os = "linux"))]
use elsewhere as system;
#[cfg(target_os = "linux")]
use linux as system;

pub use narrow::Narrow;
pub use refusal::Refused;
pub use system::{dispatch, enter, machine, narrowed, split};

use bog_domain::containment::{Containment, Mechanism, Missing};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What [`split`] set up, to be told to [`enter`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// The namespaces that are there.
    pub held: Vec<Mechanism>,
    /// Those that are not, each with the reason.
    pub missing: Vec<Missing>,
}

/// What [`enter`] set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// What holds; `limits` is empty.
    pub containment: Containment,
    /// Variables to set for the agent, or to take away: paths that mean something only outside.
    pub environment: Vec<(&'static str, Option<PathBuf>)>,
}
