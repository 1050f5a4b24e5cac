//! The operating system's notice of changes elsewhere, through `notify`: the same watches as on Linux, folder by folder.

use super::news::{News, Refused, Use, What};
use notify::{ErrorKind, EventKind, RecursiveMode, Watcher as _};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use tokio::sync::Notify;

/// The watches there are.
pub(super) struct Watcher {
    system: Mutex<notify::RecommendedWatcher>,
    told: Mutex<mpsc::Receiver<notify::Result<notify::Event>>>,
    wake: Arc<Notify>,
    folders: Mutex<BTreeMap<Arc<Path>, Vec<Use>>>,
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").field("folders", &self.folders).finish_non_exhaustive()
    }
}

impl Watcher {
    /// A watcher of nothing yet.
    pub(super) fn new() -> io::Result<Self> {
        let (news, told) = mpsc::channel();
        let wake = Arc::new(Notify::new());
        let woken = Arc::clone(&wake);
        let system = notify::recommended_watcher(move |event| {
            // Nobody listens any more: the daemon is ending.
            let _ = news.send(event);
            woken.notify_one();
        });
        let system = Mutex::new(system.map_err(io::Error::other)?);
        Ok(Self { system, told: Mutex::new(told), wake, folders: Mutex::default() })
    }

    /// Watches a folder for somebody. Whatever happens in it from then on is told.
    pub(super) fn watch(&self, folder: &Path, of: Use) -> Result<(), Refused> {
        if !folder.is_dir() {
            return Err(Refused::Gone);
        }
        let watched = locked(&self.system).watch(folder, RecursiveMode::NonRecursive);
        watched.map_err(|error| match error.kind {
            ErrorKind::MaxFilesWatch => Refused::Limit,
            ErrorKind::PathNotFound => Refused::Gone,
            ErrorKind::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => Refused::Shut,
            ErrorKind::Io(error) => Refused::Failed(error),
            ErrorKind::Generic(_) | ErrorKind::WatchNotFound | ErrorKind::InvalidConfig(_) => {
                Refused::Failed(io::Error::other(error.to_string()))
            }
        })?;
        let mut folders = locked(&self.folders);
        let uses = folders.entry(Arc::from(folder)).or_default();
        if !uses.contains(&of) {
            uses.push(of);
        }
        Ok(())
    }

    /// Forgets all that a tree is watched for, at or below a folder or everywhere.
    pub(super) fn forget(&self, tree: u32, below: Option<&Path>) {
        let mut system = locked(&self.system);
        locked(&self.folders).retain(|path, uses| {
            let concerned = below.is_none_or(|below| path.starts_with(below));
            uses.retain(|of| of.tree != tree || !concerned || below.is_some() && !of.is_inside());
            if uses.is_empty() {
                // The folder may be gone already, and its watch with it.
                let _ = system.unwatch(path);
            }
            !uses.is_empty()
        });
    }

    /// How many folders are watched.
    pub(super) fn count(&self) -> usize {
        locked(&self.folders).len()
    }

    /// Waits until there is something to be told.
    pub(super) async fn wait(&self) {
        self.wake.notified().await;
    }

    /// Tells all there is to be told, at most some thousands at a time: whether there may be more.
    pub(super) fn tell(&self, mut hear: impl FnMut(News<'_>)) -> bool {
        const MOST: usize = 5_000;
        let told = locked(&self.told);
        for _ in 0..MOST {
            let Ok(event) = told.try_recv() else { return false };
            match event {
                Ok(event) if matches!(event.kind, EventKind::Access(_)) => {}
                Ok(event) if !event.need_rescan() => event.paths.iter().for_each(|path| self.tell_of(path, &mut hear)),
                Ok(_) | Err(_) => hear(News::Lost),
            }
        }
        true
    }

    fn tell_of(&self, path: &Path, hear: &mut impl FnMut(News<'_>)) {
        let folders = locked(&self.folders);
        if let Some((folder, uses)) = folders.get_key_value(path).filter(|_| !path.is_dir()) {
            hear(News::Of { folder, uses, what: What::Gone });
        }
        let above = path.parent().map(PathBuf::from).unwrap_or_default();
        let Some(((folder, uses), name)) = folders.get_key_value(&*above).zip(path.file_name()) else { return };
        let what = match (path.is_dir(), folders.contains_key(path)) {
            (true, _) => What::FolderCame(name),
            (false, true) => What::FolderWent(name),
            (false, false) => What::File(name),
        };
        hear(News::Of { folder, uses, what });
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::news::Role;
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn it_tells_of_files_and_folders() {
        let folder = tempfile::tempdir().unwrap();
        let watcher = Watcher::new().unwrap();
        let of = Use { tree: 1, role: Role::Inside };
        watcher.watch(folder.path(), of).unwrap();
        assert!(matches!(watcher.watch(&folder.path().join("none"), of), Err(Refused::Gone)));
        assert_eq!(watcher.count(), 1);
        std::fs::write(folder.path().join("x"), "1").unwrap();
        std::fs::create_dir(folder.path().join("d")).unwrap();
        let (mut file, mut came) = (false, false);
        while !(file && came) {
            tokio::time::timeout(Duration::from_secs(60), watcher.wait()).await.unwrap();
            watcher.tell(|news| match news {
                News::Of { what: What::File(name), .. } => file |= name == "x",
                News::Of { what: What::FolderCame(name), .. } => came |= name == "d",
                News::Of { .. } | News::Lost => {}
            });
        }
        watcher.forget(1, None);
        assert_eq!(watcher.count(), 0);
    }
}
