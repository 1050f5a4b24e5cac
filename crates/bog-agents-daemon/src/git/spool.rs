//! Where a repository's hook writes pushes down, one file each, and the daemon finds them: in the daemon's data folder,
//! where whoever pushes may write there, else in the repository.

use super::layout::Layout;
use bog_domain::git::{Pushed, parse_spooled};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Bytes of one file that are read: a push of ten thousand refs.
const MOST: u64 = 2 << 20;

/// Files taken at a time: the rest comes with the next look.
pub const SPOOL_BATCH: usize = 1000;

/// How the files begin. Others are not whole yet, or nobody's.
const PREFIX: &str = "push-";

/// The folder of a repository's hook below a data folder.
#[must_use]
pub fn in_data_folder(data_dir: &Path, common_dir: &Path) -> PathBuf {
    let digest = hex::encode(Sha256::digest(common_dir.as_os_str().as_encoded_bytes()));
    data_dir.join("spool/git").join(&digest[..16])
}

/// The folder of its hook in a repository itself.
pub(super) fn in_repository(common_dir: &Path) -> PathBuf {
    common_dir.join(super::hook::OWN_FOLDER).join("spool")
}

/// The folders in which pushes to one repository may be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spool {
    folders: Vec<PathBuf>,
}

/// A push that was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spooled {
    /// The file.
    pub path: PathBuf,
    /// Its name, which no other file of the repository has.
    pub name: String,
    /// What it says; nothing where it makes no sense.
    pub pushed: Pushed,
}

impl Spool {
    /// The folders of a repository that was found.
    #[must_use]
    pub fn of(data_dir: &Path, layout: &Layout) -> Self {
        Self { folders: vec![in_data_folder(data_dir, &layout.common_dir), in_repository(&layout.common_dir)] }
    }

    /// The folders of a repository that cannot be read: its hook may be able to tell of it all the same.
    #[must_use]
    pub fn of_unreadable(data_dir: &Path, repository: &Path) -> Self {
        let folder = repository.canonicalize().unwrap_or_else(|_| repository.to_owned());
        Self { folders: vec![in_data_folder(data_dir, &folder), in_data_folder(data_dir, &folder.join(".git"))] }
    }

    /// Makes the folder in the data folder. Blocks.
    ///
    /// # Errors
    /// When it cannot be made; then hooks leave what they tell in the repository.
    pub fn make(&self) -> io::Result<()> {
        make_private(&self.folders[0])
    }

    /// The folders; not all of them need to be there.
    #[must_use]
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// What is written down, in the order in which it was pushed. Blocks. A folder that cannot be read holds nothing.
    #[must_use]
    pub fn read(&self) -> Vec<Spooled> {
        let mut files: Vec<(String, PathBuf)> = self.folders.iter().flat_map(|folder| files_in(folder)).collect();
        files.sort_unstable();
        files.truncate(SPOOL_BATCH);
        files.into_iter().map(|(name, path)| Spooled { pushed: read(&path).unwrap_or_default(), path, name }).collect()
    }
}

/// Takes files away that were dealt with, and returns how many are gone. Blocks. In somebody else's repository it may be
/// forbidden.
pub fn take_away(done: &[Spooled]) -> usize {
    let remove = |spooled: &&Spooled| {
        let removed = fs::remove_file(&spooled.path);
        if let Err(error) = &removed {
            tracing::debug!(path = %spooled.path.display(), %error, "a spooled push stays where it is");
        }
        removed.is_ok()
    };
    done.iter().filter(remove).count()
}

/// A folder that only its owner may enter, as all of the data folder.
pub(super) fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

fn files_in(folder: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let named = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok().filter(|name| name.starts_with(PREFIX))?;
        Some((name, entry.path()))
    });
    named.collect()
}

fn read(path: &Path) -> Option<Pushed> {
    let mut options = fs::OpenOptions::new();
    options.read(true);
    // Whoever may push may put anything there: a link is not followed, and nothing that would block is waited for.
    #[cfg(unix)]
    {
        use nix::fcntl::OFlag;
        use std::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
    }
    let file = options.open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = Vec::new();
    file.take(MOST).read_to_end(&mut text).ok()?;
    parse_spooled(&String::from_utf8_lossy(&text))
}
