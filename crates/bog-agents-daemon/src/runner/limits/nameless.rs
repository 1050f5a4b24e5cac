//! Files that a tree holds open and that have no name: no walk over a folder finds them, and those in memory
//! (`memfd_create(2)`, and files deleted on a tmpfs) are in no process's figures unless they are mapped.

use super::proc::Sample;
use rustix::fs::statfs;
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// How the kernel marks the link of a file that has no name.
const MARK: &str = " (deleted)";
/// `TMPFS_MAGIC` of `statfs(2)`; files of `memfd_create` live on one too.
const TMPFS: u64 = 0x0102_1994;
/// Blocks of `stat(2)`.
const BLOCK: u64 = 512;

/// What the files without a name take, in bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Nameless {
    /// Of memory.
    pub in_memory: u64,
    /// Of the disks that were asked for.
    pub on_disk: u64,
}

/// Looks through what the tree has open; `devices` are the disks that matter, and what is on `counted` is counted
/// elsewhere. A process that may not be looked into has nothing open.
pub fn nameless(tree: &[Sample], devices: &[u64], counted: Option<u64>) -> Nameless {
    let mut found = Nameless::default();
    let mut known = HashSet::new();
    for sample in tree.iter().filter(|sample| !sample.zombie) {
        for entry in fs::read_dir(format!("/proc/{}/fd", sample.pid)).into_iter().flatten().flatten() {
            let path = entry.path();
            // Reading the link asks no file system, so that the many others cost little.
            if !fs::read_link(&path).is_ok_and(|link| link.as_os_str().as_encoded_bytes().ends_with(MARK.as_bytes())) {
                continue;
            }
            let Ok(file) = fs::metadata(&path) else { continue };
            let is_one = file.is_file() && file.nlink() == 0 && Some(file.dev()) != counted;
            if !is_one || !known.insert((file.dev(), file.ino())) {
                continue;
            }
            if devices.contains(&file.dev()) {
                found.on_disk += file.blocks() * BLOCK;
            } else if statfs(&path).is_ok_and(|system| u64::try_from(system.f_type) == Ok(TMPFS)) {
                found.in_memory += file.blocks() * BLOCK;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::limits::proc;
    use std::io::Write;

    #[test]
    fn they_are_found_in_memory_and_on_the_disk() {
        let folder = tempfile::tempdir().expect("a folder");
        let device = fs::metadata(folder.path()).expect("there").dev();
        let mut deleted = tempfile::tempfile_in(folder.path()).expect("a file");
        deleted.write_all(&vec![1; 300 * 1024]).expect("written");
        deleted.sync_all().expect("allocated");
        let memory = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).expect("a file in memory");
        fs::File::from(memory.try_clone().expect("twice")).write_all(&vec![1; 200 * 1024]).expect("written");
        let tree = [proc::sample(nix::unistd::Pid::this().as_raw()).expect("this process")];
        let found = nameless(&tree, &[device], None);
        // Other tests of this process have files open too.
        assert!(found.on_disk >= 300 * 1024, "{found:?}");
        assert!(found.in_memory >= 200 * 1024, "{found:?}");
        drop(memory);
    }
}
