//! The operating system's notice of changes on Linux: inotify(7), one watch per folder whoever wants it. Used directly,
//! because a general library asks to be told of every file that anybody opens too, which on a busy tree is most of what
//! happens there.

use super::news::{News, Refused, Use, What};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Bound;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Bytes read at a time: some hundreds of events.
const BUFFER: usize = 32 * 1024;

/// What is asked for in every folder. `ATTRIB` tells of a `touch`; reading a file is not of interest.
const EVERYTHING: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF);

/// What is asked for where only names come and go that matter.
const NAMES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF);

/// The watches there are.
#[derive(Debug)]
pub(super) struct Watcher {
    notices: AsyncFd<OwnedFd>,
    folders: Mutex<Folders>,
}

#[derive(Debug, Default)]
struct Folders {
    /// One folder may be known by several paths, through links.
    paths: HashMap<i32, Vec<Arc<Path>>>,
    watches: BTreeMap<Arc<Path>, Watch>,
}

#[derive(Debug)]
struct Watch {
    number: i32,
    uses: Vec<Use>,
}

impl Watcher {
    /// A watcher of nothing yet.
    #[expect(
        deprecated,
        reason = "unsound only for types that may change their descriptor; the replacement is `unsafe`"
    )]
    pub(super) fn new() -> io::Result<Self> {
        let notices = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Self { notices: AsyncFd::with_interest(notices, Interest::READABLE)?, folders: Mutex::default() })
    }

    /// Watches a folder for somebody. Whatever happens in it from then on is told.
    pub(super) fn watch(&self, folder: &Path, of: Use) -> Result<(), Refused> {
        let flags = if of.names_only() { NAMES } else { EVERYTHING };
        let flags = flags | WatchFlags::ONLYDIR | WatchFlags::MASK_ADD;
        let number = inotify::add_watch(self.notices.get_ref(), folder, flags).map_err(|error| match error {
            Errno::NOSPC => Refused::Limit,
            Errno::NOENT | Errno::NOTDIR => Refused::Gone,
            Errno::ACCESS | Errno::PERM => Refused::Shut,
            error => Refused::Failed(error.into()),
        })?;
        let mut folders = self.folders();
        let path =
            folders.watches.get_key_value(folder).map_or_else(|| Arc::from(folder), |(path, _)| Arc::clone(path));
        let paths = folders.paths.entry(number).or_default();
        if !paths.contains(&path) {
            paths.push(Arc::clone(&path));
        }
        let watch = folders.watches.entry(path).or_insert_with(|| Watch { number, uses: Vec::new() });
        // Another folder may be there now.
        watch.number = number;
        if !watch.uses.contains(&of) {
            watch.uses.push(of);
        }
        Ok(())
    }

    /// Forgets all that a tree is watched for, at or below a folder or everywhere.
    pub(super) fn forget(&self, tree: u32, below: Option<&Path>) {
        let mut folders = self.folders();
        let mut unused = Vec::new();
        let mut release = |path: &Arc<Path>, watch: &mut Watch| {
            watch.uses.retain(|of| of.tree != tree || below.is_some() && !of.is_inside());
            if watch.uses.is_empty() {
                unused.push((Arc::clone(path), watch.number));
            }
        };
        match below {
            Some(below) => {
                // Paths in order keep what lies below a folder together.
                let within = folders.watches.range_mut::<Path, _>((Bound::Included(below), Bound::Unbounded));
                within.take_while(|(path, _)| path.starts_with(below)).for_each(|(path, watch)| release(path, watch));
            }
            None => folders.watches.iter_mut().for_each(|(path, watch)| release(path, watch)),
        }
        for (path, number) in unused {
            folders.watches.remove(&path);
            if folders.release(number, &path) {
                // The folder may be gone already, and its watch with it.
                let _ = inotify::remove_watch(self.notices.get_ref(), number);
            }
        }
    }

    /// How many folders are watched.
    pub(super) fn count(&self) -> usize {
        self.folders().paths.len()
    }

    /// Waits until there is something to be told.
    pub(super) async fn wait(&self) {
        if let Ok(mut ready) = self.notices.readable().await {
            ready.clear_ready();
        }
    }

    /// Tells all there is to be told, at most some thousands at a time: whether there may be more.
    pub(super) fn tell(&self, mut hear: impl FnMut(News<'_>)) -> bool {
        const MOST: usize = 5_000;
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut reader = Reader::new(self.notices.get_ref(), &mut buffer);
        let mut folders = self.folders();
        let mut told = 0;
        // What is read is told to the last: it does not come again.
        while told < MOST || !reader.is_buffer_empty() {
            told += 1;
            match reader.next() {
                Ok(event) => folders.tell(&event, &mut hear),
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        true
    }

    fn folders(&self) -> MutexGuard<'_, Folders> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Folders {
    fn tell(&mut self, event: &inotify::Event<'_>, hear: &mut impl FnMut(News<'_>)) {
        let flags = event.events();
        if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            return hear(News::Lost);
        }
        // One that is not known any more, or not yet: then somebody is about to look there.
        let Some(paths) = self.paths.get(&event.wd()) else { return };
        let gone = ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT;
        let what = match event.file_name().map(|name| OsStr::from_bytes(name.to_bytes())) {
            Some(name) if !flags.contains(ReadFlags::ISDIR) => What::File(name),
            // One whose rights changed may be seen into now.
            Some(name) if flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO | ReadFlags::ATTRIB) => {
                What::FolderCame(name)
            }
            Some(name) if flags.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) => What::FolderWent(name),
            None if flags.intersects(gone) => What::Gone,
            // A folder's own times and rights changed.
            Some(_) | None => What::Nothing,
        };
        for path in paths {
            if let Some(watch) = self.watches.get(path) {
                hear(News::Of { folder: path, uses: &watch.uses, what });
            }
        }
        if flags.contains(ReadFlags::IGNORED) {
            for path in self.paths.remove(&event.wd()).unwrap_or_default() {
                if self.watches.get(&path).is_some_and(|watch| watch.number == event.wd()) {
                    self.watches.remove(&path);
                }
            }
        }
    }

    /// Takes a path from a watch; whether it was the last one.
    fn release(&mut self, number: i32, path: &Path) -> bool {
        let Some(paths) = self.paths.get_mut(&number) else { return false };
        paths.retain(|known| &**known != path);
        let last = paths.is_empty();
        if last {
            self.paths.remove(&number);
        }
        last
    }
}
