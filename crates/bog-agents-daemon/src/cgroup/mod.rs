//! Control groups, version 2: whether a part of the hierarchy is ours, and what we do with it.
//!
//! [`find`] says where a process stands and whether it may make groups there; a daemon takes what it finds as a
//! [`Subtree`]; [`Group`] is one attempt's. Nothing is touched that was not given to us: systemd marks what it
//! delegates, and a container's own root is the container's.
//!
//! Sources: the kernel's `Documentation/admin-guide/cgroup-v2.rst`, and <https://systemd.io/CGROUP_DELEGATION/>.

mod group;
mod place;
mod release;
mod subtree;

pub use group::{Group, end};
pub use place::{Place, Refused, find};
pub use release::dispatch;
pub use subtree::Subtree;

use std::fmt;
use std::path::Path;

/// The file that lists a group's processes, and takes one to be moved in.
const PROCS: &str = "cgroup.procs";
/// The file that says which controllers a group's children have.
const SUBTREE_CONTROL: &str = "cgroup.subtree_control";
/// The file that says which controllers a group has.
const CONTROLLERS: &str = "cgroup.controllers";
/// What to write to move the calling process, whatever its number is in here.
const SELF: &str = "0";

/// A controller that we use. Not `io`: no limit of ours is one of its, and to switch it on costs every access to a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    /// `memory.max` and what goes with it.
    Memory,
    /// `pids.max`.
    Pids,
    /// `cpu.max`. That CPU time is counted needs no controller.
    Cpu,
}

impl Controller {
    /// All that are used.
    pub const ALL: [Self; 3] = [Self::Memory, Self::Pids, Self::Cpu];

    /// Its name in the kernel's files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Cpu => "cpu",
        }
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The controllers, of those that are used, that one of the kernel's lists names.
fn listed(file: &Path) -> Vec<Controller> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    Controller::ALL.into_iter().filter(|one| text.split_ascii_whitespace().any(|name| name == one.as_str())).collect()
}

/// Gives the children of `group` every controller that is used and that it has itself. One that the kernel refuses, as
/// while a process is left in the group itself, is refused alone.
fn give_to_children(group: &Path) {
    let given = listed(&group.join(SUBTREE_CONTROL));
    for controller in listed(&group.join(CONTROLLERS)) {
        if !given.contains(&controller) {
            // What was really given is read where it counts: in the attempt's own group.
            let _ = std::fs::write(group.join(SUBTREE_CONTROL), format!("+{controller}"));
        }
    }
}
