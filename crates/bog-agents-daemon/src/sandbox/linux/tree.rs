//! Folders and mounts by descriptor, so that no symbolic link can turn a step of ours elsewhere.
//!
//! Parts of the new root are shared with agents of other runs, which may put links there at any time.

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// A path by which `mount` reaches what a descriptor holds.
pub fn magic(of: &impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", of.as_fd().as_raw_fd()))
}

/// A path as it is below the root.
pub fn inner(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

/// Opens what lies at `path` within `folder` as a place only; fails where a link is on the way.
///
/// # Errors
/// `ELOOP` for a link, and whatever else the system says.
pub fn place(folder: impl AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    openat2(folder, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// Opens a path of the host as a place only; fails where a link is on the way.
///
/// # Errors
/// As [`place`].
pub fn host_place(path: &Path) -> Result<OwnedFd, Errno> {
    openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::NO_SYMLINKS)
}

/// Opens the folder at `path` within `folder`, and makes what is missing of it.
///
/// # Errors
/// What the system says.
pub fn make_folders(folder: impl AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    let folder = folder.as_fd();
    match place(folder, path) {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    let mut at = place(folder, Path::new("."))?;
    for component in path.components() {
        let Component::Normal(name) = component else { continue };
        match rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        at = place(&at, Path::new(name))?;
    }
    Ok(at)
}

/// Opens the file at `path` within `folder`; makes it, empty, with the folders it lies in, where it is missing.
///
/// # Errors
/// What the system says.
pub fn make_file(folder: impl AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    let folder = folder.as_fd();
    match place(folder, path) {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::INVAL) };
    let parent = make_folders(folder, parent)?;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(0o444))?;
    place(&parent, Path::new(name))
}

/// Copies a mount, from `place` on downwards; the copy is nowhere yet. `deep`: with whatever is mounted below.
///
/// # Errors
/// What the system says: `EINVAL` where only a deep copy is allowed.
pub fn copy_mount(place: &OwnedFd, deep: bool) -> Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    flags.set(OpenTreeFlags::AT_RECURSIVE, deep);
    open_tree(place, "", flags)
}

/// Mounts a copy at a place.
///
/// # Errors
/// What the system says.
pub fn attach(copy: &OwnedFd, at: &OwnedFd) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(copy, "", at, "", flags)
}
