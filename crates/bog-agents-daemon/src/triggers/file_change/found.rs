//! Looking: what of a trigger's files is there, and how it differs from what is remembered. All of it blocks.

use super::Watcher;
use super::news::{Role, Use};
use super::rules::Rules;
use super::trees::Links;
use super::walk::{Visitor, walk};
use crate::store::{Difference, Found, Remember, Seen};
use bog_domain::files::{Change, ChangeKind, Dirt, Facts, FileWatch, MAX_NAMES};
use jiff::Timestamp;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A tree whose links are watched, as they are found.
#[derive(Debug, Clone)]
pub(super) struct Linking {
    pub(super) watcher: Arc<Watcher>,
    pub(super) tree: u32,
    pub(super) root: Arc<Path>,
    pub(super) links: Links,
}

/// Who looks, and for what.
#[derive(Debug)]
pub(super) struct Finder {
    pub(super) watch: Arc<FileWatch>,
    pub(super) shut: Arc<Path>,
    pub(super) linking: Vec<Linking>,
    pub(super) present: Presence,
}

/// Which watched folders have been there since the start. One that has not may only not be there yet, as a disk that is
/// mounted late: what was in it is not judged. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Presence(Arc<Mutex<HashSet<PathBuf>>>);

impl Presence {
    /// Whether what is in a watched folder, or is missing from it, means anything.
    fn counts(&self, root: &Path) -> bool {
        let mut present = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        present.contains(root) || root.is_dir() && present.insert(root.to_owned())
    }
}

/// What a look came to.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// What changed.
    pub(super) changes: Vec<Change>,
    /// What is to be remembered or forgotten without a word.
    pub(super) silent: Vec<Remember>,
}

/// Ignore files that changed: what they hid before is no news.
#[derive(Debug, Clone, Default)]
pub(super) struct Ruled {
    rules: Vec<PathBuf>,
    /// Files that were told of since then: they are news whatever their times say.
    told: HashSet<PathBuf>,
}

impl Ruled {
    pub(super) fn add(&mut self, rules: &Path) {
        self.rules.push(rules.to_owned());
    }

    pub(super) fn except(&mut self, folder: &Path, name: &OsStr) {
        if self.told.len() >= MAX_NAMES {
            *self = Self::default();
        } else if !self.rules.is_empty() {
            self.told.insert(folder.join(name));
        }
    }

    /// Whether an ignore file kept a file from sight that was there before it changed.
    fn kept(&self, file: &Path, at: Timestamp) -> bool {
        !self.told.contains(file)
            && self.rules.iter().any(|rules| {
                let changed = || rules.symlink_metadata().map_or_else(|_| left_at(rules), |rules| changed_at(&rules));
                rules.parent().is_some_and(|within| file.starts_with(within)) && at < changed()
            })
    }
}

impl Finder {
    /// Looks at whatever may have changed.
    pub(super) fn find(&self, dirt: &Dirt) -> Found {
        let mut looking = Looking { finder: self, found: Found::default() };
        let roots = self.watch.roots();
        let root_of = |folder: &Path| roots.iter().find(|root| folder.starts_with(root)).copied();
        for tree in dirt.trees() {
            let Some(root) = root_of(tree) else { continue };
            if !self.present.counts(root) {
                continue;
            }
            walk(root, tree, &self.shut, &mut looking);
            looking.found.trees.push(tree.to_owned());
        }
        for (folder, names) in dirt.names() {
            let Some(root) = root_of(folder) else { continue };
            let rules = Rules::in_folder(root, folder);
            for name in names {
                let path = folder.join(name);
                let seen =
                    if self.watch.matches(&path, rules.of_file(&path).as_deref()) { self.see(&path) } else { None };
                looking.insert(folder, name.to_owned(), seen);
            }
        }
        looking.found
    }

    /// A file, or a link with the file it leads to; nothing else is one.
    fn see(&self, path: &Path) -> Option<Seen> {
        let own = path.symlink_metadata().ok()?;
        if own.is_file() {
            return Some(Seen { print: facts(&own).print(None), at: changed_at(&own) });
        }
        if !own.is_symlink() {
            return None;
        }
        self.follow(path);
        match path.metadata() {
            Ok(target) if target.is_file() => {
                let at = changed_at(&own).max(changed_at(&target));
                Some(Seen { print: facts(&own).print(Some(&facts(&target))), at })
            }
            Ok(_) => None,
            // It leads nowhere for now.
            Err(_) => Some(Seen { print: facts(&own).print(None), at: changed_at(&own) }),
        }
    }

    /// Has the folder watched in which a link's target is, before the target is looked at.
    fn follow(&self, link: &Path) {
        let Ok(target) = link.canonicalize() else { return };
        for linking in self.linking.iter().filter(|linking| link.starts_with(&linking.root)) {
            if linking.links.add(&target, link)
                && let Some(folder) = target.parent()
            {
                let of = Use { tree: linking.tree, role: Role::Linked };
                if let Err(error) = linking.watcher.watch(folder, of) {
                    tracing::warn!(link = %link.display(), ?error, "what it leads to cannot be watched");
                }
            }
        }
    }

    /// Tells changes from what only looks like one.
    pub(super) fn judge(&self, differences: Vec<Difference>, dirt: &Dirt, ruled: &Ruled) -> Judged {
        let mut judged = Judged::default();
        for Difference { folder, name, known, found } in differences {
            let path = folder.join(&name);
            let first = dirt.first(&folder, &name);
            let earlier = |at: Timestamp| first.map_or(at, |first| first.min(at));
            let change = match found {
                Some(seen) if !known && ruled.kept(&path, seen.at) => None,
                Some(seen) => {
                    let kind = if known { ChangeKind::Modified } else { ChangeKind::Created };
                    Some(Change { path, kind, at: earlier(seen.at), print: Some(seen.print) })
                }
                None => match path.symlink_metadata() {
                    // It is there, and nobody wants to know of it any more.
                    Ok(metadata) if !metadata.is_dir() => None,
                    Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
                    Ok(_) | Err(_) => {
                        let at = earlier(left_at(&folder));
                        Some(Change { path, kind: ChangeKind::Removed, at, print: None })
                    }
                },
            };
            match change {
                Some(change) => judged.changes.push(change),
                None => judged.silent.push(Remember { folder, name, print: found.map(|seen| seen.print) }),
            }
        }
        // So that two looks that saw the same say the same.
        judged.changes.sort_by(|a, b| a.path.cmp(&b.path));
        judged
    }
}

struct Looking<'a> {
    finder: &'a Finder,
    found: Found,
}

impl Looking<'_> {
    fn insert(&mut self, folder: &Path, name: OsString, seen: Option<Seen>) {
        match self.found.files.get_mut(folder) {
            Some(files) => drop(files.insert(name, seen)),
            None => drop(self.found.files.insert(folder.to_owned(), [(name, seen)].into())),
        }
    }
}

impl Visitor for Looking<'_> {
    fn enter(&mut self, folder: &Path, ignored: Option<&Path>) -> bool {
        self.finder.watch.may_contain(folder, ignored)
    }

    fn file(&mut self, folder: &Path, name: OsString, ignored: Option<Arc<Path>>) {
        let path = folder.join(&name);
        if self.finder.watch.matches(&path, ignored.as_deref())
            && let Some(seen) = self.finder.see(&path)
        {
            self.insert(folder, name, Some(seen));
        }
    }
}

/// When a file that is gone went, at the latest: when its folder, or what is left of the way to it, last changed.
fn left_at(folder: &Path) -> Timestamp {
    let left = folder.ancestors().find_map(|above| above.metadata().ok());
    left.and_then(|left| left.modified().ok()).and_then(|at| Timestamp::try_from(at).ok()).unwrap_or(Timestamp::MAX)
}

/// Whether a file was made after an instant, and not only written.
pub(super) fn is_younger(folder: &Path, name: &OsStr, than: Timestamp) -> bool {
    let made = folder.join(name).symlink_metadata().and_then(|metadata| metadata.created());
    made.ok().and_then(|made| Timestamp::try_from(made).ok()).is_some_and(|made| made > than)
}

#[cfg(unix)]
fn facts(metadata: &Metadata) -> Facts {
    use std::os::unix::fs::MetadataExt;
    Facts { size: metadata.size(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
}

/// When anything of it changed. Unlike the time of its last write nobody can set it.
#[cfg(unix)]
fn changed_at(metadata: &Metadata) -> Timestamp {
    use std::os::unix::fs::MetadataExt;
    let nanoseconds = i32::try_from(metadata.ctime_nsec()).unwrap_or(0);
    Timestamp::new(metadata.ctime(), nanoseconds).unwrap_or(Timestamp::MIN)
}

#[cfg(not(unix))]
fn facts(metadata: &Metadata) -> Facts {
    let at = changed_at(metadata);
    Facts { size: metadata.len(), modified: (at.as_second(), at.subsec_nanosecond().into()) }
}

#[cfg(not(unix))]
fn changed_at(metadata: &Metadata) -> Timestamp {
    let written = metadata.modified().ok().and_then(|at| Timestamp::try_from(at).ok());
    written.unwrap_or(Timestamp::MIN)
}
