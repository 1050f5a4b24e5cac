//! Where a repository keeps its refs: bare or not, a linked worktree, a submodule (gitrepository-layout(5)).

use std::io;
use std::path::{Path, PathBuf};

/// The most that a `.git` or `commondir` file may hold: one path.
const MAX_POINTER: u64 = 16 * 1024;

/// Where the parts of a repository are; real paths, no links in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The folder that git calls `GIT_DIR`.
    pub git_dir: PathBuf,
    /// The folder that holds the refs: the same, except for linked worktrees.
    pub common_dir: PathBuf,
}

/// Why a folder is no repository that can be read.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// It is not there.
    #[error("there is no `{0}`")]
    Missing(PathBuf),
    /// It is something else.
    #[error("`{0}` is not a git repository: it has no `.git`, and is no bare one")]
    NotOne(PathBuf),
    /// It cannot be read.
    #[error("`{path}` cannot be read: {error}")]
    Unreadable {
        /// What cannot.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Layout {
    /// Finds the parts of the repository whose folder this is: its working tree, or itself where it is bare. Blocks.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn find(repository: &Path) -> Result<Self, LayoutError> {
        let folder = real(repository)?;
        let dot_git = folder.join(".git");
        let git_dir = match dot_git.metadata() {
            Ok(metadata) if metadata.is_dir() => real(&dot_git)?,
            Ok(_) => real(&folder.join(pointer(&dot_git, "gitdir: ")?))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => folder.clone(),
            Err(error) => return Err(LayoutError::Unreadable { path: dot_git, error }),
        };
        let shared = git_dir.join("commondir");
        let common_dir = if is_there(&shared)? { real(&git_dir.join(pointer(&shared, "")?))? } else { git_dir.clone() };
        for part in ["HEAD", "objects", "refs"] {
            if !is_there(&if part == "HEAD" { git_dir.join(part) } else { common_dir.join(part) })? {
                return Err(LayoutError::NotOne(repository.to_owned()));
            }
        }
        Ok(Self { git_dir, common_dir })
    }
}

/// Whether there is something; whether it leads anywhere is not asked: `HEAD` may be a link to a branch.
fn is_there(path: &Path) -> Result<bool, LayoutError> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(LayoutError::Unreadable { path: path.to_owned(), error }),
    }
}

fn real(path: &Path) -> Result<PathBuf, LayoutError> {
    path.canonicalize().map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            LayoutError::Missing(path.to_owned())
        } else {
            LayoutError::Unreadable { path: path.to_owned(), error }
        }
    })
}

/// The path that a file holds, after this word.
fn pointer(file: &Path, word: &str) -> Result<PathBuf, LayoutError> {
    let unreadable = |error| LayoutError::Unreadable { path: file.to_owned(), error };
    let mut text = String::new();
    let mut opened = io::Read::take(std::fs::File::open(file).map_err(unreadable)?, MAX_POINTER);
    io::Read::read_to_string(&mut opened, &mut text).map_err(unreadable)?;
    let path = text.strip_prefix(word).map(|rest| rest.trim_end_matches(['\n', '\r']));
    match path {
        Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
        Some(_) | None => Err(LayoutError::NotOne(file.to_owned())),
    }
}
