//! Which files an output may write.

use std::path::{Component, Path, PathBuf};

/// Where file outputs may write: the home folder without its hidden folders (but `.bog-agents/runs`), the job's folder
/// and what the configuration adds; never the data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// The user's home folder.
    pub home: PathBuf,
    /// The daemon's data folder.
    pub data_dir: PathBuf,
    /// Further folders.
    pub more: Vec<PathBuf>,
}

/// Why a file may not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no absolute path.
    #[error("`{0}` is relative and the job has no `working_dir`: write an absolute path, or one that begins with `~/`")]
    Relative(PathBuf),
    /// It names no file.
    #[error("`{0}` names no file: end it with a file's name")]
    NoName(PathBuf),
    /// It lies outside the allowed folders.
    #[error(
        "`{path}` lies outside the folders that outputs may write into: the home folder without its hidden folders, the \
         job's `working_dir`, and `output_roots` in config.toml"
    )]
    Outside {
        /// Where it really lies, links followed.
        path: PathBuf,
    },
    /// It lies in the data folder.
    #[error("`{path}` lies in the daemon's data folder, which no output may write")]
    DataFolder {
        /// Where it really lies, links followed.
        path: PathBuf,
    },
}

impl Roots {
    /// The real place of a file that may be written: links and `..` of what exists are followed, the rest may hold none.
    ///
    /// # Errors
    /// Why it may not be written.
    pub fn resolve(&self, path: &Path) -> Result<PathBuf, Refused> {
        if !path.is_absolute() {
            return Err(Refused::Relative(path.to_owned()));
        }
        let real = real_place(path).ok_or_else(|| Refused::NoName(path.to_owned()))?;
        if real.starts_with(canonical(&self.data_dir)) {
            return Err(Refused::DataFolder { path: real });
        }
        if self.more.iter().any(|root| real.starts_with(canonical(root))) || self.allowed_at_home(&real) {
            return Ok(real);
        }
        Err(Refused::Outside { path: real })
    }

    fn allowed_at_home(&self, real: &Path) -> bool {
        let Ok(below) = real.strip_prefix(canonical(&self.home)) else { return false };
        let hidden = below.components().any(|part| part.as_os_str().to_string_lossy().starts_with('.'));
        !hidden || below.starts_with(".bog-agents/runs")
    }
}

fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Follows links of the part that exists; what is to be made may hold no `..`, and a file that is a link is followed
/// too, even to nowhere.
fn real_place(path: &Path) -> Option<PathBuf> {
    let mut existing = path;
    let mut rest = Vec::new();
    while !existing.exists() {
        if existing.is_symlink() {
            let target = std::fs::read_link(existing).ok()?;
            let target = existing.parent()?.join(target);
            // A link to nowhere: judged by where it points, once.
            return if target.is_symlink() { None } else { real_place(&target) };
        }
        match existing.components().next_back()? {
            Component::Normal(name) => rest.push(name),
            Component::ParentDir | Component::CurDir | Component::RootDir | Component::Prefix(_) => return None,
        }
        existing = existing.parent()?;
    }
    let mut real = existing.canonicalize().ok()?;
    if rest.is_empty() && real.is_dir() {
        return None;
    }
    real.extend(rest.into_iter().rev());
    Some(real)
}
