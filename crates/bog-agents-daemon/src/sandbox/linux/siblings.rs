//! A folder without a part of it, for a mechanism that can only allow: the folder's other contents, one by one.

use std::path::{Path, PathBuf};

/// What to allow so that all of `granted` is, as it is now, but for what lies at or below one of `closed`.
///
/// What is made later next to something closed is not allowed.
pub fn without(granted: &Path, closed: &[&Path]) -> Vec<PathBuf> {
    let inside: Vec<&Path> = closed.iter().copied().filter(|path| path.starts_with(granted)).collect();
    if inside.contains(&granted) {
        return Vec::new();
    }
    if inside.is_empty() {
        return vec![granted.to_owned()];
    }
    let contents = std::fs::read_dir(granted).into_iter().flatten().flatten();
    contents.flat_map(|entry| without(&entry.path(), &inside)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_neighbours_of_what_is_closed_are_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let base = folder.path();
        for path in ["a/one", "a/two", "b", "c/deep/x", "c/deep/y"] {
            std::fs::create_dir_all(base.join(path)).expect("a folder");
        }
        let closed = ["a/one", "c/deep/y", "elsewhere"].map(|path| base.join(path));
        let closed: Vec<&Path> = closed.iter().map(PathBuf::as_path).collect();
        let left: BTreeSet<PathBuf> = without(base, &closed).into_iter().collect();
        assert_eq!(left, BTreeSet::from(["a/two", "b", "c/deep/x"].map(|path| base.join(path))));
        assert_eq!(without(&base.join("b"), &closed), [base.join("b")]);
        assert!(without(&base.join("a/one"), &closed).is_empty());
    }
}
