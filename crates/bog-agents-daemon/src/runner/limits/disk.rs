//! What the folders of a run take on the disk, as `du` counts: blocks, a file with several names once.
//!
//! The walk goes through descriptors, never through a path or a link, so that it stays within the folders whatever is
//! moved meanwhile. It does a bounded piece at a time and then rests for as long as it was expensive, unless the disk has
//! lost so much room meanwhile that the folders could be over their limit. It does not look into folders nested more than
//! a hundred deep.

use super::proc::cpu_clock;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstatvfs, open, openat, statat};
use std::collections::HashSet;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Entries per piece: some milliseconds.
const PIECE: usize = 2_000;
/// Each level of folders holds a descriptor.
const DEPTH_MAX: usize = 100;
/// A rest is so many times as long as the walk took of the processor: at most one per cent of it.
const REST: u32 = 100;
const REST_MIN: Duration = Duration::from_millis(500);
/// Longer than this no walk is put off, for want of a better sign: a disk's free room says nothing while others delete.
const REST_MAX: Duration = Duration::from_secs(30);
/// The same where the disk has lost much room.
const HURRIED_REST: u32 = 5;
const HURRIED_REST_MIN: Duration = Duration::from_millis(100);
/// How long the last walk may take, when the tree is gone.
const LAST_WALK: Duration = Duration::from_millis(250);
/// Blocks of `stat(2)`.
const BLOCK: u64 = 512;
const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// Watches what the folders of a run take.
#[derive(Debug, Default)]
pub struct DiskWatch {
    folders: Vec<OwnedFd>,
    devices: Vec<u64>,
    walk: Option<Walk>,
    /// When the last walk ended, what it took of the processor and what it found.
    ended: Duration,
    cost: Duration,
    bytes: u64,
    /// Room on the disks, and CPU time that the tree had used, when the walk began.
    room: u64,
    cpu: Duration,
    next: Duration,
    peak: u64,
}

impl DiskWatch {
    /// A watch over these folders, those left out that lie within another of them. One that cannot be opened is not
    /// watched.
    pub fn new(folders: &[PathBuf]) -> Self {
        let within = |inner: &Path| folders.iter().any(|outer| inner != outer && inner.starts_with(outer));
        let mut outermost: Vec<&PathBuf> = folders.iter().filter(|folder| !within(folder)).collect();
        outermost.sort();
        outermost.dedup();
        let folders: Vec<OwnedFd> =
            outermost.into_iter().filter_map(|folder| open(folder, FOLDER, Mode::empty()).ok()).collect();
        let devices = folders.iter().filter_map(|folder| rustix::fs::fstat(folder).ok()).map(|stat| stat.st_dev);
        Self { devices: devices.collect(), folders, ..Self::default() }
    }

    /// The disks that the folders are on.
    pub fn devices(&self) -> &[u64] {
        &self.devices
    }

    /// Walks a piece, if it is time; returns what the folders take as soon as that is more than `allowed`. `nameless` is
    /// what is taken besides, `cpu` the CPU time that the tree has used: without any nothing is written.
    pub fn look(&mut self, now: Duration, allowed: u64, nameless: u64, cpu: Duration) -> Option<u64> {
        if self.walk.is_none() {
            let room = self.free_room();
            let left = allowed.saturating_sub(self.bytes);
            let hurried = self.ended + (self.cost * HURRIED_REST).max(HURRIED_REST_MIN);
            let is_hurried = self.room.saturating_sub(room) > left && now >= hurried;
            let is_due = now >= self.next && (cpu > self.cpu || now >= self.ended + REST_MAX);
            if !is_due && !is_hurried && nameless <= left {
                return None;
            }
            (self.room, self.cpu, self.cost) = (room, cpu, Duration::ZERO);
        }
        let begun = cpu_clock();
        let walk = self.walk.get_or_insert_with(|| Walk::new(&self.folders));
        let is_done = walk.advance(PIECE);
        let bytes = walk.bytes + nameless;
        self.peak = self.peak.max(bytes);
        self.cost += cpu_clock().saturating_sub(begun);
        if is_done {
            (self.walk, self.bytes, self.ended) = (None, bytes, now);
            self.next = now + (self.cost * REST).clamp(REST_MIN, REST_MAX);
        }
        (bytes > allowed).then_some(bytes)
    }

    /// Whether a walk is under way, which goes on at once.
    pub fn is_walking(&self) -> bool {
        self.walk.is_some()
    }

    fn free_room(&self) -> u64 {
        let of = |folder: &OwnedFd| fstatvfs(folder).map(|system| system.f_bfree.saturating_mul(system.f_frsize)).ok();
        self.folders.iter().filter_map(of).sum()
    }

    /// Walks once more, when nothing writes any longer.
    pub fn last(&mut self, allowed: u64) -> Option<u64> {
        let begun = cpu_clock();
        let mut walk = Walk::new(&self.folders);
        while !walk.advance(PIECE) && walk.bytes <= allowed && cpu_clock().saturating_sub(begun) < LAST_WALK {}
        self.peak = self.peak.max(walk.bytes);
        (walk.bytes > allowed).then_some(walk.bytes)
    }

    /// The most that was seen.
    pub fn peak(&self) -> u64 {
        self.peak
    }
}

/// A walk under way: the folders on the way down to where it is, each with what is left of it.
#[derive(Debug)]
struct Walk {
    /// Folders that have not been looked into.
    todo: Vec<OwnedFd>,
    way: Vec<Dir>,
    /// Files with several names that were counted.
    linked: HashSet<(u64, u64)>,
    bytes: u64,
}

impl Walk {
    fn new(folders: &[OwnedFd]) -> Self {
        let again = |folder: &OwnedFd| openat(folder, c".", FOLDER, Mode::empty()).ok();
        Self { todo: folders.iter().filter_map(again).collect(), way: Vec::new(), linked: HashSet::new(), bytes: 0 }
    }

    /// Looks at so many entries; true when there is none left.
    fn advance(&mut self, entries: usize) -> bool {
        for _ in 0..entries {
            if let Some(folder) = self.way.last_mut() {
                match folder.read() {
                    Some(Ok(entry)) => {
                        let (name, kind) = (entry.file_name().to_owned(), entry.file_type());
                        if name.as_c_str() != c"." && name.as_c_str() != c".." {
                            self.count(&name, kind);
                        }
                    }
                    Some(Err(_)) | None => drop(self.way.pop()),
                }
            } else if let Some(folder) = self.todo.pop() {
                self.way.extend(Dir::new(folder).ok());
            } else {
                return true;
            }
        }
        false
    }

    fn count(&mut self, name: &CString, kind: FileType) {
        let Some(Ok(folder)) = self.way.last().map(Dir::fd) else { return };
        let Ok(stat) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { return };
        let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if !is_folder && stat.st_nlink > 1 && !self.linked.insert((stat.st_dev, stat.st_ino)) {
            return;
        }
        self.bytes += u64::try_from(stat.st_blocks).unwrap_or_default() * BLOCK;
        if is_folder && kind != FileType::Symlink && self.way.len() < DEPTH_MAX {
            let inner = openat(folder.as_fd(), name, FOLDER, Mode::empty()).ok().and_then(|inner| Dir::new(inner).ok());
            self.way.extend(inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn size(folders: &[PathBuf]) -> u64 {
        let mut watch = DiskWatch::new(folders);
        assert_eq!(watch.last(u64::MAX), None);
        watch.peak()
    }

    fn write(path: &Path, kib: usize) {
        fs::write(path, vec![1; kib * 1024]).expect("written");
        fs::File::open(path).and_then(|file| file.sync_all()).expect("allocated");
    }

    #[test]
    fn it_counts_as_du_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let other = tempfile::tempdir().expect("another");
        write(&other.path().join("elsewhere"), 900);
        let root = folder.path().to_owned();
        fs::create_dir_all(root.join("a/b")).expect("folders");
        write(&root.join("a/b/file"), 300);
        fs::hard_link(root.join("a/b/file"), root.join("again")).expect("a link");
        std::os::unix::fs::symlink(other.path(), root.join("way out")).expect("a link");
        std::os::unix::fs::symlink("..", root.join("a/up")).expect("a link");
        fs::File::create(root.join("sparse")).and_then(|file| file.set_len(1 << 30)).expect("a hole");
        let found = size(&[root.clone(), root.join("a")]);
        let du = std::process::Command::new("du").args(["-s", "-B1"]).arg(&root).output().expect("du");
        let du = String::from_utf8_lossy(&du.stdout);
        let du: u64 = du.split_ascii_whitespace().next().and_then(|bytes| bytes.parse().ok()).expect("a figure");
        // The folder itself is not ours to count.
        let itself = std::os::unix::fs::MetadataExt::blocks(&fs::metadata(&root).expect("there")) * BLOCK;
        assert_eq!(found, du - itself);
        assert!((300 * 1024..400 * 1024).contains(&found), "{found}");
    }

    #[test]
    fn it_walks_in_pieces_and_rests() {
        let folder = tempfile::tempdir().expect("a folder");
        for number in 0..PIECE + 10 {
            fs::write(folder.path().join(number.to_string()), "").expect("written");
        }
        write(&folder.path().join("big"), 64);
        let mut watch = DiskWatch::new(&[folder.path().to_owned()]);
        let (at, cpu) = (Duration::from_secs(100), Duration::from_secs(1));
        let first = watch.look(at, 1024, 0, cpu);
        assert!(watch.is_walking(), "there is more");
        let second = watch.look(at, 1024, 0, cpu);
        assert!(first.or(second).is_some_and(|bytes| bytes >= 64 * 1024));
        assert!(!watch.is_walking());
        assert_eq!(watch.look(at, 1 << 50, 0, cpu * 2), None);
        assert!(!watch.is_walking(), "it rests");
        assert_eq!(watch.look(at + REST_MAX / 2, 1 << 50, 0, cpu), None);
        assert!(!watch.is_walking(), "nobody can have written");
        let much = 1 << 20;
        let found = watch.look(at, much, much, cpu).or_else(|| watch.look(at, much, much, cpu));
        assert!(found.is_some_and(|bytes| bytes >= much + 64 * 1024), "what has no name counts too");
    }

    #[test]
    fn nesting_is_followed_to_its_bound_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let deep: PathBuf = std::iter::repeat_n("d", DEPTH_MAX + 5).collect();
        fs::create_dir_all(folder.path().join(&deep)).expect("folders");
        write(&folder.path().join(&deep).join("file"), 512);
        assert!(size(&[folder.path().to_owned()]) < 512 * 1024 + (DEPTH_MAX as u64 + 6) * 4096);
    }
}
