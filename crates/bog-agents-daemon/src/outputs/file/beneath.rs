//! Folders opened without following a single link (openat2(2), `RESOLVE_NO_SYMLINKS`), and files made in them.

use nix::dir::Dir;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2, renameat};
use nix::sys::stat::{Mode, mkdirat};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

/// An open folder.
pub(super) struct Folder(OwnedFd);

impl Folder {
    /// Opens a folder, making what is missing. The path is absolute and holds no links; one that has come into being
    /// since it was resolved is an error.
    pub(super) fn open_or_create(path: &Path) -> io::Result<Self> {
        let mut folder = open_folder(AT_FDCWD, Path::new("/"))?;
        for part in path.components() {
            let Component::Normal(name) = part else { continue };
            let name = Path::new(name);
            folder = match open_folder(folder.as_fd(), name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    mkdirat(folder.as_fd(), name, Mode::from_bits_truncate(0o755))?;
                    open_folder(folder.as_fd(), name)?
                }
                opened => opened?,
            };
        }
        Ok(Self(folder))
    }

    /// Opens a file to append to it and to look into it, making it where it is missing. A link is an error.
    pub(super) fn open_append(&self, name: &str) -> io::Result<File> {
        self.open_file(name, OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_CREAT)
    }

    /// Replaces a file: a new one is written beside it, synced, and renamed over it.
    pub(super) fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let temporary = format!(".{name}.{}.tmp", std::process::id());
        let mut file = self.open_file(&temporary, OFlag::O_WRONLY | OFlag::O_TRUNC | OFlag::O_CREAT)?;
        file.write_all(content)?;
        file.sync_all()?;
        renameat(self.0.as_fd(), temporary.as_str(), self.0.as_fd(), name)?;
        Ok(())
    }

    /// Makes new names in the folder durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        let readable = Dir::openat(self.0.as_fd(), ".", OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
        nix::unistd::fsync(readable.as_fd())?;
        Ok(())
    }

    fn open_file(&self, name: &str, flags: OFlag) -> io::Result<File> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = File::from(openat(self.0.as_fd(), name, flags, Mode::from_bits_truncate(0o644))?);
        // Writing to a pipe or a device could block for ever.
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no regular file")) }
    }
}

fn open_folder(at: impl AsFd, name: &Path) -> io::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(OFlag::O_DIRECTORY | OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    Ok(openat2(at, name, how)?)
}
