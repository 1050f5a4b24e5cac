//! What a run was held by: the sandbox and the limits that were really in force, and the limit that ended it.
//!
//! The runner writes these into an attempt's outcome, the ledger keeps them, and the API and the CLI show them. They say
//! what held, never what was merely asked for.

mod words;

use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// What an attempt was held by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Containment {
    /// How much of the sandbox held.
    pub sandbox: Confinement,
    /// What the agent could reach over the network.
    pub network: NetworkAccess,
    /// The mechanisms that were in force, in the order in which they were set up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Mechanism>,
    /// The mechanisms that the sandbox consists of and that this machine did not give, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// The version of the kernel's Landlock interface that was used; 0 where none was.
    #[serde(default)]
    pub landlock_abi: u32,
    /// What enforced each limit that was set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitHeld>,
}

/// How much of the sandbox held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confinement {
    /// All of it.
    Enforced,
    /// Some of it: the job says `best_effort`, and the machine lacks the rest.
    Partial,
    /// None: the job runs on the host itself.
    #[default]
    Off,
}

/// What an agent may reach over the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NetworkAccess {
    /// Nothing but itself.
    #[default]
    None,
    /// The model providers whose credentials it has, and nothing else.
    Provider,
    /// Services that listen on this machine's loopback addresses.
    Loopback,
    /// Whatever the machine reaches.
    Full,
}

/// One mechanism of the operating system that confines an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mechanism {
    /// A control group of its own (cgroup v2).
    Cgroup,
    /// Its own view of users: no capability outside of it. Not needed, and not used, where the daemon is root.
    UserNamespace,
    /// Its own process table: it sees and signals nobody else, and ends as a whole.
    PidNamespace,
    /// Its own view of the file system: what was not granted is not there.
    MountNamespace,
    /// Its own System V and POSIX message queues.
    IpcNamespace,
    /// Its own network, with a loopback interface and nothing behind it.
    NetworkNamespace,
    /// Landlock rules for files, and for signals, abstract sockets and TCP where the kernel has them.
    Landlock,
    /// A filter of system calls.
    Seccomp,
    /// No program it starts gains privileges.
    NoNewPrivs,
    /// No capability is left to it.
    NoCapabilities,
}

/// A mechanism that was not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    /// Which.
    pub mechanism: Mechanism,
    /// Why, for people.
    pub reason: String,
}

/// A limit of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// Memory and swap of the whole tree, in bytes.
    Memory,
    /// CPU rate of the whole tree, in thousandths of a core. It slows a run down and never ends it.
    Cpu,
    /// CPU time of the whole tree, in milliseconds.
    CpuSeconds,
    /// Processes and threads of the tree at the same time.
    Pids,
    /// Files that one process may have open. What goes over it is refused to the agent; the run goes on.
    OpenFiles,
    /// Bytes in the run's folder.
    Disk,
}

/// Which limit was in force, and through what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitHeld {
    /// The limit.
    pub limit: LimitKind,
    /// Its value, in the limit's unit.
    pub allowed: u64,
    /// What enforced it.
    pub by: Enforcer,
}

/// What enforces a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Enforcer {
    /// A control group: the kernel, for the whole tree at once.
    Cgroup,
    /// A resource limit of each process: the kernel.
    Rlimit,
    /// The runner, which looks at the tree several times a second.
    Watchdog,
}

/// The limit that ended an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitHit {
    /// Which.
    pub limit: LimitKind,
    /// What was allowed, in the limit's unit.
    pub allowed: u64,
    /// The most that was seen, in the same unit.
    pub peak: u64,
}

impl Mechanism {
    /// The name used in files, the API and the CLI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::UserNamespace => "user_namespace",
            Self::PidNamespace => "pid_namespace",
            Self::MountNamespace => "mount_namespace",
            Self::IpcNamespace => "ipc_namespace",
            Self::NetworkNamespace => "network_namespace",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::NoNewPrivs => "no_new_privs",
            Self::NoCapabilities => "no_capabilities",
        }
    }
}

impl NetworkAccess {
    /// The name used in files, the API and the CLI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Provider => "provider",
            Self::Loopback => "loopback",
            Self::Full => "full",
        }
    }
}

impl LimitKind {
    /// The name of its field in a job's `limits`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::CpuSeconds => "cpu_seconds",
            Self::Pids => "pids",
            Self::OpenFiles => "open_files",
            Self::Disk => "disk",
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for NetworkAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
