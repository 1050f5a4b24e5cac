//! A small `/dev`: the harmless devices of the host, terminals of its own, and shared memory of its own.

use super::tree::{magic, make_folders};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use std::os::fd::BorrowedFd;
use std::path::Path;

/// The devices that are there, as files of the host's `/dev`.
pub const NODES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// What programs expect to be links.
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Puts into a new, empty `/dev` what does not come from the host.
///
/// # Errors
/// What the system says.
pub fn furnish(folder: BorrowedFd<'_>) -> Result<(), Errno> {
    for (name, target) in LINKS {
        rustix::fs::symlinkat(target, folder, name)?;
    }
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    let terminals = make_folders(folder, Path::new("pts"))?;
    mount("devpts", magic(&terminals), "devpts", flags, c"newinstance,ptmxmode=0666,mode=0620")?;
    let shared = make_folders(folder, Path::new("shm"))?;
    // It is memory, hence the limit.
    mount("tmpfs", magic(&shared), "tmpfs", flags | MountFlags::NODEV, c"mode=1777,size=256m")
}
