//! Where a path leads, and whether a job may have what it asks for. Links are followed to judge, never to grant.

use super::Surroundings;
use bog_domain::job::GrantPath;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// A path as it was written and where it really leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// As written, absolute.
    pub written: PathBuf,
    /// Without symbolic links, as far as it exists.
    pub real: PathBuf,
}

/// Why a grant cannot be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotGranted {
    /// It leads into the data folder.
    #[error("`{field}`: `{written}` leads into the daemon's data folder, which no job gets: name another folder")]
    DataFolder {
        /// The field of the job.
        field: &'static str,
        /// The path as written.
        written: String,
    },
    /// It leads to something that is hidden from every job that does not name it.
    #[error(
        "`{field}`: `{written}` leads through a symbolic link to `{}`, which is hidden from agents: name that itself if it \
         is meant", .hidden.display()
    )]
    Hidden {
        /// The field of the job.
        field: &'static str,
        /// The path as written.
        written: String,
        /// What is hidden.
        hidden: PathBuf,
    },
    /// It leads out of another job's folder.
    #[error(
        "`{field}`: `{written}` leads through a symbolic link out of `{}`, where another job's agent could have made it: \
         name where it leads, `{}`", .folder.display(), .real.display()
    )]
    Strays {
        /// The field of the job.
        field: &'static str,
        /// The path as written.
        written: String,
        /// The other job's folder.
        folder: PathBuf,
        /// Where it leads.
        real: PathBuf,
    },
}

impl Place {
    /// A path and where it leads now.
    #[must_use]
    pub fn of(written: &Path) -> Self {
        // What does not exist yet leads to where its nearest existing folder does.
        let real = written.ancestors().find_map(|above| {
            let rest = written.strip_prefix(above).ok()?;
            Some(above.canonicalize().ok()?.components().chain(rest.components()).collect())
        });
        Self { written: written.to_owned(), real: real.unwrap_or_else(|| written.to_owned()) }
    }

    /// Whether a path lies in it, whichever way both are written.
    pub(super) fn holds(&self, other: &Self) -> bool {
        self.names(other) || other.real.starts_with(&self.real)
    }

    /// Whether a path as it is written lies in it.
    fn names(&self, other: &Self) -> bool {
        other.written.starts_with(&self.written) || other.written.starts_with(&self.real)
    }

    /// Both ways to write it.
    pub(super) fn both(&self) -> [&Path; 2] {
        [&self.written, &self.real]
    }
}

/// Judges what a job asks for.
pub(super) struct Judge<'a> {
    pub(super) around: &'a Surroundings<'a>,
    pub(super) data_dir: Place,
    pub(super) secrets: &'a [Place],
}

impl Judge<'_> {
    pub(super) fn working_dir(&self) -> Result<Place, NotGranted> {
        let dir = self.around.working_dir;
        // The run's own folder is the one thing in the data folder that its agent gets.
        if dir.starts_with(self.around.run_dir) {
            return Ok(Place::of(dir));
        }
        self.judged("working_dir", &dir.display().to_string(), dir)
    }

    pub(super) fn all(&self, field: &'static str, paths: &[GrantPath]) -> Result<Vec<Place>, NotGranted> {
        let resolved = paths.iter().filter_map(|path| {
            path.resolve(Some(self.around.working_dir), Some(self.around.home)).map(|resolved| (path, resolved))
        });
        resolved.map(|(path, resolved)| self.judged(field, &path.to_string(), &resolved)).collect()
    }

    fn judged(&self, field: &'static str, written: &str, path: &Path) -> Result<Place, NotGranted> {
        let (place, written) = (Place::of(path), written.to_owned());
        if place.written == self.around.working_dir && field != "working_dir" {
            return Ok(place);
        }
        if self.data_dir.holds(&place) {
            return Err(NotGranted::DataFolder { field, written });
        }
        if let Some(hidden) = self.secrets.iter().find(|hidden| hidden.holds(&place) && !hidden.names(&place)) {
            return Err(NotGranted::Hidden { field, written, hidden: hidden.written.clone() });
        }
        let strays = |folder: &&Place| folder.names(&place) && !place.real.starts_with(&folder.real);
        let others = self.around.folders.iter().filter(|folder| folder.written != self.around.working_dir);
        match others.into_iter().find(strays) {
            Some(folder) => {
                Err(NotGranted::Strays { field, written, folder: folder.written.clone(), real: place.real })
            }
            None => Ok(place),
        }
    }

    /// Whether a path is hidden from every job that does not name it.
    pub(super) fn is_hidden(&self, place: &Place) -> bool {
        self.data_dir.holds(place) || self.secrets.iter().any(|hidden| hidden.holds(place))
    }

    /// The folders of other jobs that can be hidden: not this job's own, none that holds the home folder or belongs to
    /// the system itself.
    pub(super) fn other_folders(&self, system: &[Place]) -> Vec<&Place> {
        let own = Place::of(self.around.working_dir);
        let home = Place::of(self.around.home);
        let taken: HashSet<&Path> = system.iter().flat_map(Place::both).collect();
        let other = |folder: &&Place| {
            folder.written != own.written
                && folder.real != own.real
                && !folder.holds(&home)
                && !folder.both().iter().any(|path| taken.contains(path))
        };
        self.around.folders.iter().filter(other).collect()
    }
}
