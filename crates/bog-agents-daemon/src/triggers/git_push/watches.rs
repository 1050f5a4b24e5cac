//! One watch over the folders in which repositories keep their refs, shared by all of them.
//!
//! Folders are watched one by one, each before it is read, so that nothing made in a folder that was itself just made is
//! missed: whoever finds a folder by reading has its watch already. Every look arms all folders again, as a watch is lost
//! with its folder, and the kernel takes a second one on the same folder as the first.

use crate::git::{self, Layout, Spool};
use bog_domain::git::Source;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Folders that one repository may have watched: branches with that many prefixes are nobody's.
const MOST_FOLDERS: usize = 4096;

/// Which names in a folder matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// All but lock files, which come and go with everything git does.
    All,
    /// Where a repository's refs are, in the folder that holds everything else too.
    OfRefs,
    /// Whole files of a hook.
    Spooled,
}

impl Names {
    fn matter(self, name: &OsStr) -> bool {
        let name = name.as_encoded_bytes();
        match self {
            Self::All => !name.ends_with(b".lock"),
            Self::OfRefs => {
                matches!(name, b"refs" | b"packed-refs" | b"reftable") || name == git::OWN_FOLDER.as_bytes()
            }
            Self::Spooled => name == b"spool" || name.starts_with(b"push-"),
        }
    }
}

/// Who wants to know of a folder.
#[derive(Debug)]
struct Interest {
    source: Source,
    names: Names,
    wake: Arc<Notify>,
}

type Routes = HashMap<PathBuf, Vec<Interest>>;

/// The watch. Nothing is watched, and no thread started, before the first repository wants it.
#[derive(Debug, Default)]
pub(super) struct Watches {
    watcher: Mutex<Option<RecommendedWatcher>>,
    routes: Arc<Mutex<Routes>>,
}

impl Watches {
    /// Watches the folders of a repository, and no others for it: of one that cannot be read, where its hook may tell of
    /// pushes. Blocks.
    ///
    /// # Errors
    /// When they cannot be watched: then the repository must be looked at instead. The message says why.
    pub(super) fn arm(
        &self,
        source: &Source,
        layout: Option<&Layout>,
        spool: &Spool,
        wake: &Arc<Notify>,
    ) -> Result<(), String> {
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        let watcher = match &mut *watcher {
            Some(watcher) => watcher,
            none => none.insert(new_watcher(Arc::clone(&self.routes)).map_err(|error| reason(&error))?),
        };
        let mut arming = Arming { watcher, routes: &self.routes, source, wake, armed: BTreeSet::new() };
        let armed = arming.arm(layout, spool);
        let armed = armed.map(|()| arming.armed);
        // What could not be armed as a whole is not armed at all.
        let kept = armed.as_ref().map_or_else(|_| BTreeSet::new(), Clone::clone);
        drop_others(&self.routes, Some(watcher), source, &kept);
        armed.map(drop)
    }

    /// Watches nothing for a repository any more.
    pub(super) fn forget(&self, source: &Source) {
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        drop_others(&self.routes, watcher.as_mut(), source, &BTreeSet::new());
    }
}

fn new_watcher(routes: Arc<Mutex<Routes>>) -> notify::Result<RecommendedWatcher> {
    notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let routes = routes.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => {}
            Ok(event) if !event.need_rescan() => {
                event.paths.iter().for_each(|path| tell(&routes, path, &event.kind));
            }
            // Something was lost: everybody looks.
            Ok(_) | Err(_) => routes.values().flatten().for_each(|interest| interest.wake.notify_one()),
        }
    })
}

/// Tells whoever wants to know of this path: of the folder itself, or of something in it.
fn tell(routes: &Routes, path: &Path, kind: &EventKind) {
    let itself = routes.get(path).into_iter().flatten();
    itself.for_each(|interest| interest.wake.notify_one());
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return };
    // What a hook wrote down is taken away by us.
    let gone = |interest: &&Interest| interest.names == Names::Spooled && matches!(kind, EventKind::Remove(_));
    let wanted = routes.get(folder).into_iter().flatten().filter(|interest| interest.names.matter(name));
    wanted.filter(|interest| !gone(interest)).for_each(|interest| interest.wake.notify_one());
}

struct Arming<'a> {
    watcher: &'a mut RecommendedWatcher,
    routes: &'a Mutex<Routes>,
    source: &'a Source,
    wake: &'a Arc<Notify>,
    armed: BTreeSet<PathBuf>,
}

impl Arming<'_> {
    fn arm(&mut self, layout: Option<&Layout>, spool: &Spool) -> Result<(), String> {
        if let Some(layout) = layout {
            self.arm_refs(&layout.common_dir)?;
            self.watch(&layout.common_dir.join(git::OWN_FOLDER), Names::Spooled)?;
        }
        spool.folders().iter().try_for_each(|folder| self.watch(folder, Names::Spooled))
    }

    fn arm_refs(&mut self, common: &Path) -> Result<(), String> {
        self.watch(common, Names::OfRefs)?;
        self.watch(&common.join("reftable"), Names::All)?;
        let mut unread = vec![common.join("refs")];
        while let Some(folder) = unread.pop() {
            self.watch(&folder, Names::All)?;
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            unread.extend(folders.map(|entry| entry.path()));
            if self.armed.len() + unread.len() > MOST_FOLDERS {
                return Err(format!("its refs are in more than {MOST_FOLDERS} folders"));
            }
        }
        Ok(())
    }

    /// Watches a folder; one that is not there is no error.
    fn watch(&mut self, folder: &Path, names: Names) -> Result<(), String> {
        {
            let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
            let interested = routes.entry(folder.to_owned()).or_default();
            if !interested.iter().any(|interest| interest.source == *self.source) {
                let (source, wake) = (self.source.clone(), Arc::clone(self.wake));
                interested.push(Interest { source, names, wake });
            }
        }
        match self.watcher.watch(folder, RecursiveMode::NonRecursive) {
            Ok(()) => {
                self.armed.insert(folder.to_owned());
                Ok(())
            }
            Err(error) if is_missing(&error) => Ok(()),
            Err(error) => Err(reason(&error)),
        }
    }
}

/// Drops a repository's interest in all folders but these, and watches that nobody wants any more.
fn drop_others(
    routes: &Mutex<Routes>,
    mut watcher: Option<&mut RecommendedWatcher>,
    source: &Source,
    kept: &BTreeSet<PathBuf>,
) {
    let mut unwanted = Vec::new();
    routes.lock().unwrap_or_else(PoisonError::into_inner).retain(|folder, interested| {
        if !kept.contains(folder) {
            interested.retain(|interest| interest.source != *source);
        }
        if interested.is_empty() {
            unwanted.push(folder.clone());
        }
        !interested.is_empty()
    });
    for folder in unwanted {
        // It may be gone, and its watch with it.
        let _ = watcher.as_mut().map(|watcher| watcher.unwatch(&folder));
    }
}

fn is_missing(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => {
            matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
        }
        notify::ErrorKind::Generic(_)
        | notify::ErrorKind::WatchNotFound
        | notify::ErrorKind::InvalidConfig(_)
        | notify::ErrorKind::MaxFilesWatch => false,
    }
}

fn reason(error: &notify::Error) -> String {
    match &error.kind {
        notify::ErrorKind::MaxFilesWatch => {
            "the system's limit of watched folders is reached: raise `fs.inotify.max_user_watches`; see `doctor`"
                .to_owned()
        }
        notify::ErrorKind::Io(error) => error.to_string(),
        notify::ErrorKind::Generic(_)
        | notify::ErrorKind::PathNotFound
        | notify::ErrorKind::WatchNotFound
        | notify::ErrorKind::InvalidConfig(_) => error.to_string(),
    }
}
