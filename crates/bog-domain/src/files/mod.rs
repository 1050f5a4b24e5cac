//! Changes in files: which paths a trigger is about, when changes fire it, and whose doing they are. Nothing here looks
//! at a disk.

mod authorship;
mod change;
mod debounce;
mod dirt;
mod pattern;

pub use authorship::{Attributed, Own, Window, attribute};
pub use change::{Change, ChangeKind, Facts, MAX_PATHS, context};
pub use debounce::{Debounce, MAX_SECONDS};
pub use dirt::{Dirt, MAX_NAMES};
pub use pattern::PatternError;

use crate::spec::{FileChangeSpec, OwnWrites, WatchMode};
use pattern::Pattern;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often files are looked at under `watch: poll` where the trigger does not say.
pub const DEFAULT_POLL: Duration = Duration::from_secs(10);

/// Files whose rules say what is ignored, in the format of gitignore(5).
pub const IGNORE_FILES: [&str; 2] = [".gitignore", ".ignore"];

/// What a `file_change` trigger is about.
#[derive(Debug)]
pub struct FileWatch {
    patterns: Vec<Pattern>,
    excluded: Vec<Pattern>,
    /// What relative paths are relative to: the job's working folder.
    pub base: Option<PathBuf>,
    /// When changes fire.
    pub debounce: Debounce,
    /// How often it looks by itself, where nobody tells it.
    pub poll: Option<Duration>,
    /// Whether changes by the job's own run fire it.
    pub own_writes: OwnWrites,
}

impl FileWatch {
    /// Reads it as written, for a working folder and a home folder.
    ///
    /// # Errors
    /// The first pattern that is wrong, with what is allowed.
    pub fn parse(spec: &FileChangeSpec, base: Option<&Path>, home: Option<&Path>) -> Result<Self, PatternError> {
        let (mut patterns, mut excluded) = (Vec::new(), Vec::new());
        for (index, written) in spec.patterns.iter().enumerate() {
            let (text, list) = match written.strip_prefix('!') {
                Some(text) => (text, &mut excluded),
                None => (written.as_str(), &mut patterns),
            };
            let excludes = text.len() < written.len();
            let pattern = Pattern::parse(text, base, home, excludes)
                .map_err(|why| PatternError { index: Some(index), message: format!("`{written}` {why}") })?;
            list.push(pattern);
        }
        if patterns.is_empty() {
            let message = "name at least one glob that does not begin with `!`, for example `src/**/*.py`".to_owned();
            return Err(PatternError { index: None, message });
        }
        let poll = match spec.watch.unwrap_or(WatchMode::Native) {
            WatchMode::Native => None,
            WatchMode::Poll => Some(spec.poll_seconds.map_or(DEFAULT_POLL, Duration::from_secs_f64)),
        };
        let debounce = Debounce::new(spec.debounce_seconds, spec.max_wait_seconds);
        let own_writes = spec.own_writes.unwrap_or(OwnWrites::Ignore);
        Ok(Self { patterns, excluded, base: base.map(Path::to_owned), debounce, poll, own_writes })
    }

    /// The folders below which everything lies that it is about, none within another.
    #[must_use]
    pub fn roots(&self) -> Vec<&Path> {
        let mut roots: Vec<&Path> = self.patterns.iter().map(Pattern::root).collect();
        roots.sort_unstable();
        roots.dedup();
        // Sorted, a folder comes before whatever lies in it.
        let mut outermost: Vec<&Path> = Vec::new();
        for root in roots {
            if !outermost.iter().any(|outer| root.starts_with(outer)) {
                outermost.push(root);
            }
        }
        outermost
    }

    /// Whether it is about a file. `ignored` is the innermost of its folders, or itself, that ignore files exclude.
    #[must_use]
    pub fn matches(&self, file: &Path, ignored: Option<&Path>) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(file) && !pattern.heeds(ignored))
            && !self.excluded.iter().any(|pattern| pattern.matches(file))
    }

    /// Whether files that it is about may lie in a folder, or below it. `ignored` is the innermost of the folders down
    /// to this one that ignore files exclude.
    #[must_use]
    pub fn may_contain(&self, folder: &Path, ignored: Option<&Path>) -> bool {
        self.patterns.iter().any(|pattern| pattern.may_contain(folder) && !pattern.heeds(ignored))
            && !self.excluded.iter().any(|pattern| pattern.covers(folder))
    }

    /// What a memory of its files is about, as text: with another it begins anew.
    #[must_use]
    pub fn definition(&self, spec: &FileChangeSpec) -> String {
        format!("{:?} in {:?}", spec.patterns, self.base)
    }
}

#[cfg(test)]
mod tests;
