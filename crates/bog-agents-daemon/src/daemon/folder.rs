//! The data folder: made private, held by one daemon, and where the CLI finds out who listens.

use crate::jobs::file;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often, and after which pauses, the lock is tried: for a second.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another daemon holds it.
    #[error(
        "the data folder `{path}` is held by another daemon{holder}: stop that one, or use another folder with `--data-dir`"
    )]
    Held {
        /// The folder.
        path: PathBuf,
        /// Who holds it, as far as that is known.
        holder: String,
    },
    /// It cannot be made or written.
    #[error(
        "the data folder `{path}` cannot be used: {error}; choose another with `--data-dir` or BOG_DAEMON_DATA_DIR"
    )]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// The data folder, held by this process for as long as this lives.
#[derive(Debug)]
pub(super) struct DataFolder {
    /// Where it is, links followed.
    pub path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes the folder where it is missing and takes its lock. The lock is the kernel's: it goes with the process,
    /// however that ends.
    pub(super) fn take(path: &Path) -> Result<Self, FolderError> {
        let unusable = |error| FolderError::Unusable { path: path.to_owned(), error };
        file::create_private_folder(path).map_err(unusable)?;
        let path = path.canonicalize().map_err(unusable)?;
        let unusable = |error| FolderError::Unusable { path: path.clone(), error };
        make_private(&path).map_err(unusable)?;
        for below in ["revisions", "runs"] {
            file::create_private_folder(&path.join(below)).map_err(unusable)?;
        }
        let lock = private_file(&path.join("daemon.lock")).map_err(unusable)?;
        match lock_patiently(&lock) {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(FolderError::Held { holder: holder(&path), path }),
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }

    /// Says where this daemon listens and which process it is.
    pub(super) fn announce(&self, address: SocketAddr) -> Result<(), FolderError> {
        let unusable = |error| FolderError::Unusable { path: self.path.clone(), error };
        file::write_durably(&self.path.join("daemon.pid"), &format!("{}\n", std::process::id())).map_err(unusable)?;
        file::write_durably(&self.path.join("daemon.addr"), &format!("http://{address}\n")).map_err(unusable)
    }

    /// Takes back what [`DataFolder::announce`] said.
    pub(super) fn leave(&self) {
        for name in ["daemon.addr", "daemon.pid"] {
            // A stale one is told apart by the lock, so that it stays behind matters little.
            let _ = std::fs::remove_file(self.path.join(name));
        }
    }
}

/// Takes the lock. A process that a daemon was just starting when it was killed shares its lock until it has become the
/// other program, some milliseconds later: whoever holds it longer is a daemon.
fn lock_patiently(lock: &File) -> Result<(), TryLockError> {
    for _ in 0..LOCK_TRIES {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            taken => return taken,
        }
    }
    lock.try_lock()
}

fn holder(path: &Path) -> String {
    let pid = std::fs::read_to_string(path.join("daemon.pid")).unwrap_or_default();
    let address = std::fs::read_to_string(path.join("daemon.addr")).unwrap_or_default();
    match (pid.trim(), address.trim()) {
        ("", _) => String::new(),
        (pid, "") => format!(" (pid {pid})"),
        (pid, address) => format!(" (pid {pid}, listening on {address})"),
    }
}

#[cfg(unix)]
fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let permissions = std::fs::metadata(path)?.permissions();
    if permissions.mode() & 0o077 != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_private(_path: &Path) -> io::Result<()> {
    Ok(())
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
