//! What the tools of the built-in agent are held to besides, within the sandbox that they share with it: the agent speaks
//! to its provider and keeps its notes, and what it starts for a model does neither.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What holds for a tool besides. Whatever else it starts is held to it too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Narrow {
    /// Whether it may make no sockets that lead anywhere but to programs beside it.
    pub offline: bool,
    /// Where it may write; `None`: wherever the sandbox lets it.
    pub write: Option<Vec<PathBuf>>,
}

impl Narrow {
    /// Of what the sandbox lets them write everything but `kept`. Rules only allow, so a folder that `kept` lies within
    /// stays as it is: nothing new could be made in it.
    #[must_use]
    pub fn new(offline: bool, writable: impl IntoIterator<Item = PathBuf>, kept: Option<&Path>) -> Self {
        let Some(kept) = kept.and_then(|kept| kept.canonicalize().ok()) else { return Self { offline, write: None } };
        let folders: Vec<PathBuf> = writable.into_iter().filter_map(|folder| folder.canonicalize().ok()).collect();
        let covers = folders.iter().any(|folder| kept.starts_with(folder));
        Self { offline, write: (!covers).then_some(folders) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_left_out_where_that_costs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let [work, kept] = ["work", "kept"].map(|name| folder.path().canonicalize().unwrap().join(name));
        std::fs::create_dir(&work).unwrap();
        std::fs::create_dir(&kept).unwrap();
        let new = |writable: &Path, kept| Narrow::new(true, [writable.to_owned()], kept).write;
        assert_eq!(new(&work, Some(&kept)), Some(vec![work.clone()]));
        assert_eq!(new(folder.path(), Some(&kept)), None);
        assert_eq!(new(&work, None), None);
    }
}
