//! What the launch stage applies to itself, so that the agent and all that descends from it inherits it.
//!
//! Only one of these is a limit in its own right: files that a process may have open. The others stop a single process in
//! the time between two looks of the watchdog, whose figures are the tree's. Source: `getrlimit(2)`.

use super::TreeLimits;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;

/// Room that a process gets beyond the tree's memory, at least: programs map more than they use, runtimes with a heap of
/// their own far more.
const DATA_SLACK: u64 = 1 << 30;
/// What a file may be longer than the disk limit, so that whoever writes one that long is over it as `du` counts.
const FILE_SLACK: u64 = 4096;
/// Room that a tree gets beyond its processes, at least. Of a refusal the kernel tells nobody but the process that asked,
/// and that may be gone before anyone looks: what goes over its limit has to stay over it until the watchdog sees it.
const PROCESSES_SLACK: u64 = 32;
/// Of the attempt, the runner is in its user namespace, too.
const RUNNER: u64 = 1;
/// Linux counts processes by user *and* user namespace since 5.14 (`ucounts`); before, a limit would have counted whatever
/// else the user runs.
const COUNTED_PER_NAMESPACE: (u32, u32) = (5, 14);

/// Resource limits of each process of a tree; `None` leaves one as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rlimits {
    /// `RLIMIT_NOFILE`.
    pub open_files: Option<u64>,
    /// `RLIMIT_CPU`, in seconds.
    pub cpu_seconds: Option<u64>,
    /// `RLIMIT_DATA`, in bytes.
    pub data: Option<u64>,
    /// `RLIMIT_FSIZE`, in bytes.
    pub file_size: Option<u64>,
    /// `RLIMIT_NPROC`.
    pub processes: Option<u64>,
}

impl Rlimits {
    /// What goes with these limits. `memory_by_kernel` says that a control group holds the tree to its memory;
    /// `init` is how many processes of the tree are the launch stage itself.
    pub fn of(limits: &TreeLimits, memory_by_kernel: bool, init: u32) -> Self {
        let data = |memory: u64| memory.saturating_add(memory.max(DATA_SLACK));
        let processes = |pids: u64| pids + pids.max(PROCESSES_SLACK) + u64::from(init) + RUNNER;
        Self {
            open_files: limits.open_files.map(u64::from),
            // The time of one process, begun seconds in full: the tree's own limit comes first.
            cpu_seconds: limits.cpu_time_ms.map(|ms| ms.div_ceil(1000) + 1),
            data: limits.memory_bytes.filter(|_| !memory_by_kernel).map(data),
            file_size: limits.disk_bytes.map(|disk| disk.saturating_add(FILE_SLACK)),
            processes: limits.pids.filter(|_| counts_this_tree_alone()).map(u64::from).map(processes),
        }
    }

    /// Applies them to this process. Never more than it has: what a service was given bounds what it gives on.
    ///
    /// # Errors
    /// Where the system refuses to lower a limit, which it does not.
    pub fn apply(&self) -> io::Result<()> {
        // A core file would be the memory of an agent, secrets included, in the working folder.
        lower(Resource::RLIMIT_CORE, 0, 0)?;
        if let Some(seconds) = self.cpu_seconds {
            // At the first comes XCPU, which can be caught, at the second KILL.
            lower(Resource::RLIMIT_CPU, seconds, seconds.saturating_add(1))?;
        }
        let same = [
            (Resource::RLIMIT_DATA, self.data),
            (Resource::RLIMIT_FSIZE, self.file_size),
            (Resource::RLIMIT_NPROC, self.processes),
            (Resource::RLIMIT_NOFILE, self.open_files),
        ];
        same.into_iter()
            .filter_map(|(resource, value)| Some((resource, value?)))
            .try_for_each(|(resource, value)| lower(resource, value, value))
    }
}

fn lower(resource: Resource, soft: rlim_t, hard: rlim_t) -> io::Result<()> {
    let (_, most) = getrlimit(resource)?;
    Ok(setrlimit(resource, soft.min(most), hard.min(most))?)
}

/// Whether the kernel counts the processes of this process's user namespace apart from all others of the user, and
/// enforces a limit on them.
///
/// That takes a kernel that does, and a namespace of our own: one that maps a single user. Root's processes are never
/// refused (`copy_process` in `kernel/fork.c` spares the real root), so a namespace that maps the outer root counts for
/// nothing.
pub fn counts_this_tree_alone() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    version(&release).is_some_and(|version| version >= COUNTED_PER_NAMESPACE) && maps_one_user(&map)
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Lines of `INSIDE OUTSIDE COUNT` (`user_namespaces(7)`).
fn maps_one_user(map: &str) -> bool {
    let fields: Vec<&str> = map.split_ascii_whitespace().collect();
    matches!(fields[..], [_, outside, "1"] if outside != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backstops_leave_room_for_the_watchdog() {
        let limits = TreeLimits {
            memory_bytes: Some(3 << 30),
            cpu_time_ms: Some(1_500),
            disk_bytes: Some(1 << 20),
            open_files: Some(64),
            ..TreeLimits::default()
        };
        let rlimits = Rlimits::of(&limits, false, 1);
        assert_eq!((rlimits.data, rlimits.cpu_seconds), (Some(6 << 30), Some(3)));
        assert_eq!((rlimits.file_size, rlimits.open_files), (Some((1 << 20) + 4096), Some(64)));
        assert_eq!(Rlimits::of(&limits, true, 1).data, None, "the kernel needs no backstop");
        let small = TreeLimits { memory_bytes: Some(1 << 20), ..TreeLimits::default() };
        assert_eq!(Rlimits::of(&small, false, 1).data, Some((1 << 20) + (1 << 30)));
        assert_eq!(Rlimits::of(&TreeLimits::default(), false, 0), Rlimits::default());
    }

    #[test]
    fn only_a_namespace_of_our_own_counts_this_tree_alone() {
        assert!(maps_one_user("      1000       1000          1\n"));
        assert!(!maps_one_user("         0          0 4294967295\n"), "the machine's own");
        assert!(!maps_one_user("0 1000 1\n1 100000 65536\n"), "a container's");
        assert!(!maps_one_user("0 0 1\n"), "root is never refused");
        assert_eq!(version("6.18.44-fc-v669"), Some((6, 18)));
        assert!(version("5.4.0").is_some_and(|old| old < COUNTED_PER_NAMESPACE));
        assert!(version("5.14.0").is_some_and(|new| new >= COUNTED_PER_NAMESPACE));
        assert_eq!(version(""), None);
    }
}
