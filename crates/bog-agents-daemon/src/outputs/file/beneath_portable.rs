//! Folders by path, for systems without openat2(2). A link that appears between the check and the write is followed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A folder.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes what is missing of a folder.
    pub(super) fn open_or_create(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        Ok(Self(path.to_owned()))
    }

    /// Opens a file to append to it and to look into it.
    pub(super) fn open_append(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().read(true).append(true).create(true).open(self.0.join(name))
    }

    /// Replaces a file: a new one is written beside it, synced, and renamed over it.
    pub(super) fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let temporary = self.0.join(format!(".{name}.{}.tmp", std::process::id()));
        let mut file = File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, self.0.join(name))
    }

    /// Nothing: new names are durable with the file here.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
