//! Trees: the folders that patterns spell out, each watched once for all triggers that ask for it. A tree knows which of
//! its folders can hold matches, the way to it from above, and what links in it lead to.

use super::news::{Refused, Role, Use};
use super::rules::top;
use super::walk::{Visitor, above, walk};
use super::{Key, Watcher};
use bog_domain::files::FileWatch;
use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A tree.
#[derive(Debug)]
pub(super) struct Tree {
    /// Its folder.
    pub(super) root: Arc<Path>,
    /// Who asks for it, and what for.
    pub(super) triggers: HashMap<Key, Arc<FileWatch>>,
    /// What links in it lead to.
    pub(super) links: Links,
    /// Folders that are being gone through, for their watches to be set.
    pub(super) arming: BTreeSet<PathBuf>,
    /// Of those the ones that have changed again meanwhile.
    pub(super) again: BTreeSet<PathBuf>,
    /// Why it is not watched as it should be.
    pub(super) trouble: Option<String>,
}

impl Tree {
    pub(super) fn new(root: &Path) -> Self {
        let (triggers, links, arming, again, trouble) = Default::default();
        Self { root: root.into(), triggers, links, arming, again, trouble }
    }

    /// Whether something of that name, in a folder above the tree, is the way to it.
    pub(super) fn is_on_the_way(&self, folder: &Path, name: &OsStr) -> bool {
        let way = self.root.strip_prefix(folder).ok();
        way.and_then(|way| way.iter().next()).is_some_and(|next| next == name)
    }
}

/// The links that lead to each name in a folder.
type Names = HashMap<OsString, BTreeSet<PathBuf>>;

/// Links, by the folder and name of what they lead to. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Links(Arc<Mutex<HashMap<PathBuf, Names>>>);

impl Links {
    /// Notes where a link leads; whether that folder was not known.
    pub(super) fn add(&self, target: &Path, link: &Path) -> bool {
        let (Some(folder), Some(name)) = (target.parent(), target.file_name()) else { return false };
        let mut links = self.known();
        let new = !links.contains_key(folder);
        links.entry(folder.to_owned()).or_default().entry(name.to_owned()).or_default().insert(link.to_owned());
        new
    }

    /// The links that lead to a name in a folder.
    pub(super) fn to(&self, folder: &Path, name: &OsStr) -> Vec<PathBuf> {
        let links = self.known();
        let found = links.get(folder).and_then(|names| names.get(name));
        found.map(|links| links.iter().cloned().collect()).unwrap_or_default()
    }

    /// Forgets a folder that is gone; the links that led into it.
    pub(super) fn forget(&self, folder: &Path) -> Vec<PathBuf> {
        let names = self.known().remove(folder).unwrap_or_default();
        names.into_values().flatten().collect()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<PathBuf, Names>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How setting watches ended.
#[derive(Debug, Default)]
pub(super) struct Armed {
    /// Folders that are not watched because the system watches as many as it may.
    pub(super) over_limit: usize,
    /// The first that is not watched for another reason, and why.
    pub(super) failed: Option<(PathBuf, std::io::Error)>,
}

/// What it takes to set the watches of a tree.
#[derive(Debug)]
pub(super) struct Arming {
    pub(super) watcher: Arc<Watcher>,
    pub(super) tree: u32,
    pub(super) root: Arc<Path>,
    pub(super) wanted: Vec<Arc<FileWatch>>,
    pub(super) shut: Arc<Path>,
}

impl Arming {
    /// Watches a folder of the tree and all below it that can hold matches; from its root on, also the way to it.
    /// Whoever looks afterwards misses nothing: what happens later is told.
    pub(super) fn run(&self, from: &Path) -> Armed {
        let mut armer = Armer { arming: self, armed: Armed::default() };
        if from == &*self.root {
            armer.way();
        }
        walk(&self.root, from, &self.shut, &mut armer);
        armer.armed
    }
}

struct Armer<'a> {
    arming: &'a Arming,
    armed: Armed,
}

impl Armer<'_> {
    /// Watches what lies above the tree, as far as it is there.
    fn way(&mut self) {
        let top = top(&self.arming.root);
        for folder in above(&self.arming.root) {
            let role = if folder.starts_with(&top) { Role::Ruling } else { Role::Above };
            // One that may not be listed may all the same be passed through.
            self.watch(&folder, role);
        }
    }

    /// Watches a folder; whether it is there.
    fn watch(&mut self, folder: &Path, role: Role) -> bool {
        match self.arming.watcher.watch(folder, Use { tree: self.arming.tree, role }) {
            Ok(()) => true,
            // What may not be read holds nothing that could be looked at either.
            Err(Refused::Gone | Refused::Shut) => false,
            Err(Refused::Limit) => {
                self.armed.over_limit += 1;
                true
            }
            Err(Refused::Failed(error)) => {
                self.armed.failed.get_or_insert((folder.to_owned(), error));
                true
            }
        }
    }
}

impl Visitor for Armer<'_> {
    fn enter(&mut self, folder: &Path, ignored: Option<&Path>) -> bool {
        self.arming.wanted.iter().any(|watch| watch.may_contain(folder, ignored)) && self.watch(folder, Role::Inside)
    }

    fn file(&mut self, _folder: &Path, _name: OsString, _ignored: Option<Arc<Path>>) {}
}
