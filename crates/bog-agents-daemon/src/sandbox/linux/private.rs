//! Folders of the run that stand in for `/tmp` and others.

use super::plan::CACHE;
use super::tree::{magic, place};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Makes one of them, or takes the one that an earlier attempt left, and opens it.
///
/// # Errors
/// What the system says.
pub fn prepare(folder: &Path, name: &str) -> Result<OwnedFd, Errno> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    let folder = rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    // As programs expect it of the places that they stand in for.
    let mode = Mode::from_raw_mode(if name == CACHE { 0o700 } else { 0o1777 });
    match rustix::fs::mkdirat(&folder, name, mode) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    // An earlier attempt may have closed it to itself.
    rustix::fs::chmodat(&folder, name, mode, AtFlags::empty())?;
    place(&folder, Path::new(name))
}

/// Where the run has no folder: a small one in memory.
///
/// # Errors
/// What the system says.
pub fn in_memory(at: &OwnedFd) -> Result<(), Errno> {
    mount("tmpfs", magic(at), "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=1777,size=64m")
}
