//! Where changes may be: what a watcher was told, kept until somebody looks. It holds no truth: the files do.

use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Names kept; where there are more, whole trees are looked at instead.
pub const MAX_NAMES: usize = 20_000;

/// Trees kept; where there are more, everything is looked at instead.
const MAX_TREES: usize = 1_000;

/// When the first change was told; `None`: nobody knows.
type First = Option<Timestamp>;

/// Names and trees that somebody must look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dirt {
    names: HashMap<PathBuf, HashMap<OsString, First>>,
    trees: BTreeMap<PathBuf, First>,
    count: usize,
}

impl Dirt {
    /// Whether there is nothing to look at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.trees.is_empty()
    }

    /// Notes that a file may have changed. Where too many have, all of `roots` is noted instead.
    pub fn touch(&mut self, folder: &Path, name: &OsStr, first: First, roots: &[&Path]) {
        if self.is_within_tree(folder) {
            return;
        }
        if self.count >= MAX_NAMES {
            return self.collapse(first, roots);
        }
        // Looked up first: most events are about a folder that is known.
        if !self.names.contains_key(folder) {
            self.names.insert(folder.to_owned(), HashMap::new());
        }
        let names = self.names.entry(folder.to_owned()).or_default();
        if !names.contains_key(name) {
            names.insert(name.to_owned(), first);
            self.count += 1;
        }
    }

    /// Notes that anything in a folder or below it may have changed. Where that is said of too many, all of `roots` is
    /// noted instead.
    pub fn rake(&mut self, folder: &Path, first: First, roots: &[&Path]) {
        if self.is_within_tree(folder) {
            return;
        }
        if self.trees.len() >= MAX_TREES && !roots.contains(&folder) {
            return self.collapse(first, roots);
        }
        self.trees.retain(|tree, _| !tree.starts_with(folder));
        self.names.retain(|of, _| !of.starts_with(folder));
        self.count = self.names.values().map(HashMap::len).sum();
        self.trees.insert(folder.to_owned(), first);
    }

    /// Adds what somebody else noted.
    pub fn add(&mut self, other: Self, roots: &[&Path]) {
        other.trees.iter().for_each(|(tree, first)| self.rake(tree, *first, roots));
        for (folder, names) in &other.names {
            names.iter().for_each(|(name, first)| self.touch(folder, name, *first, roots));
        }
    }

    /// The folders that are to be looked at as a whole, with all below, none within another.
    pub fn trees(&self) -> impl Iterator<Item = &Path> {
        self.trees.keys().map(PathBuf::as_path)
    }

    /// The files to be looked at, by folder; none in one of the trees.
    pub fn names(&self) -> impl Iterator<Item = (&Path, impl Iterator<Item = &OsStr>)> {
        self.names.iter().map(|(folder, names)| (folder.as_path(), names.keys().map(OsString::as_os_str)))
    }

    /// When the first change of a file was told, where that is known.
    #[must_use]
    pub fn first(&self, folder: &Path, name: &OsStr) -> First {
        let named = self.names.get(folder).and_then(|names| names.get(name));
        let raked = || folder.ancestors().find_map(|above| self.trees.get(above));
        named.or_else(raked).copied().flatten()
    }

    /// When the first of all changes was told; `None` where that is not known of every one.
    #[must_use]
    pub fn earliest(&self) -> First {
        let mut firsts = self.names.values().flat_map(HashMap::values).chain(self.trees.values());
        firsts.try_fold(Timestamp::MAX, |earliest, first| Some(earliest.min((*first)?)))
    }

    fn collapse(&mut self, first: First, roots: &[&Path]) {
        let known = self.names.values().flat_map(HashMap::values).chain(self.trees.values()).copied().flatten().min();
        for root in roots {
            self.rake(root, known.or(first), roots);
        }
    }

    fn is_within_tree(&self, folder: &Path) -> bool {
        !self.trees.is_empty() && folder.ancestors().any(|above| self.trees.contains_key(above))
    }
}
