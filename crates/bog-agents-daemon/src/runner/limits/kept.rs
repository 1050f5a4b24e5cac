//! Memory that a tree keeps in places of its own, whether or not a process has it open or mapped: files in its `/dev/shm`,
//! and shared memory segments of System V. Without a place of its own it is the machine's, and nobody can tell whose.
//!
//! Formats: `tmpfs(5)`, `proc_sysvipc(5)`.

use super::proc::Sample;
use rustix::fs::statfs;
use std::fs;
use std::os::unix::fs::MetadataExt;

const SHM: &str = "/dev/shm";
/// The segments of whoever reads it.
const SEGMENTS: &str = "/proc/sysvipc/shm";
/// The columns that say what a segment takes.
const IN_MEMORY: [&str; 2] = ["rss", "swap"];

/// What is kept.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The device of the tree's own `/dev/shm`, if it has one.
    pub device: Option<u64>,
    /// What all of it takes, in bytes.
    pub bytes: u64,
}

/// Looks for it; `own_segments` says that this process shares its segments with the tree, and with nobody else.
pub fn kept(tree: &[Sample], own_segments: bool) -> Kept {
    let files = own_files(tree);
    let segments = if own_segments { fs::read_to_string(SEGMENTS).ok() } else { None };
    let in_segments = segments.and_then(|table| total(&table)).unwrap_or_default();
    Kept { device: files.map(|(device, _)| device), bytes: files.map_or(0, |(_, bytes)| bytes) + in_segments }
}

/// The device of the tree's `/dev/shm` and what is in it. All of a tree see the same, so that the first that may be looked
/// into settles it.
fn own_files(tree: &[Sample]) -> Option<(u64, u64)> {
    let (device, bytes) = tree.iter().filter(|sample| !sample.zombie).find_map(|sample| {
        let place = format!("/proc/{}/root{SHM}", sample.pid);
        let system = statfs(&place).ok()?;
        let used = system.f_blocks.saturating_sub(system.f_bfree);
        Some((fs::metadata(&place).ok()?.dev(), used * u64::try_from(system.f_bsize).ok()?))
    })?;
    let is_ours = fs::metadata(SHM).is_ok_and(|ours| ours.dev() == device);
    (!is_ours).then_some((device, bytes))
}

/// The sum of what every segment takes: a title names the columns, then a line for each.
fn total(table: &str) -> Option<u64> {
    let mut lines = table.lines();
    let title: Vec<&str> = lines.next()?.split_ascii_whitespace().collect();
    let of_line = |line: &str| -> u64 {
        let fields = title.iter().zip(line.split_ascii_whitespace());
        fields.filter(|(name, _)| IN_MEMORY.contains(name)).filter_map(|(_, value)| value.parse::<u64>().ok()).sum()
    };
    Some(lines.map(of_line).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::limits::proc;

    #[test]
    fn what_segments_take_is_found_by_the_names_of_the_columns() {
        let table = "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      \
                     atime      dtime      ctime                   rss                  swap\n\
                     \x20        0          0   600             209715200     7     0      0     0     0     0     0          \
                     0          0 1700000000             104857600                  4096\n\
                     \x20        0          1   600                  8192     7     0      0     0     0     0     0          \
                     0          0 1700000000                  8192                     0\n";
        assert_eq!(total(table), Some(104_857_600 + 4096 + 8192));
        assert_eq!(total(""), None);
        assert_eq!(total("key rss swap\n"), Some(0));
    }

    #[test]
    fn what_is_the_machines_is_nobodys() {
        let tree = [proc::sample(nix::unistd::Pid::this().as_raw()).expect("this process")];
        assert_eq!(kept(&tree, false), Kept::default());
    }
}
