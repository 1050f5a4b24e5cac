//! What is to hold for one attempt: paths of this machine, the network, and how strict the sandbox is about it.
//!
//! The daemon makes it from the job's grant and the tier of what fired it; `attempt.json` carries it to the runner.

use bog_domain::containment::NetworkAccess;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What an attempt's process tree may touch. Every path is absolute.
///
/// The default confines nothing: it is what an `attempt.json` of version 1 means.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// How strict it is.
    pub enforcement: Enforcement,
    /// Folders and files it may write, its working folder among them.
    #[serde(default)]
    pub write: Vec<PathBuf>,
    /// Folders and files it may read and execute besides: the system's and those that were granted.
    #[serde(default)]
    pub read: Vec<PathBuf>,
    /// Folders and files it never sees, also within what it may read or write, unless one of `read` or `write` is the
    /// same path or lies within it.
    #[serde(default)]
    pub hidden: Vec<PathBuf>,
    /// A folder of the run whose sub-folders stand in for `/tmp`, `/var/tmp` and `~/.cache`; made where it is missing.
    #[serde(default)]
    pub private: Option<PathBuf>,
    /// The home folder, of which only what is granted is there.
    #[serde(default)]
    pub home: Option<PathBuf>,
    /// What it may reach over the network.
    #[serde(default)]
    pub network: NetworkAccess,
    /// Hosts it may reach under [`NetworkAccess::Provider`], as `host:port`.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// TCP ports of this machine's loopback that it never reaches through [`NetworkAccess::Provider`] or
    /// [`NetworkAccess::Loopback`], whatever listens there: the daemon's own API.
    #[serde(default)]
    pub closed_ports: Vec<u16>,
}

/// How strict a sandbox is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// No sandbox: the agent runs on the host itself.
    #[default]
    Off,
    /// What the machine can do; what it cannot is recorded.
    BestEffort,
    /// All of it, or the attempt does not start.
    Required,
}
