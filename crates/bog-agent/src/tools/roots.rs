//! Which files tools may touch: those below the session's folders, and nothing that a link or `..` leads to from there.
//!
//! Every file is opened relative to an open folder, and the kernel refuses to leave it (openat2, by cap-std; the same by hand
//! where there is none). A link from one of the session's folders into another is followed: by opening its target anew.

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata};
use std::io::{self, Read as _, Write as _};
use std::path::{Component, Path, PathBuf};

/// The folders of a session.
#[derive(Debug)]
pub struct Roots {
    cwd: PathBuf,
    roots: Vec<Root>,
}

#[derive(Debug)]
struct Root {
    /// As the session names it.
    spelled: PathBuf,
    /// With all links resolved.
    path: PathBuf,
    dir: Dir,
    is_writable: bool,
}

/// Where a file is.
struct Place<'a> {
    dir: &'a Dir,
    relative: PathBuf,
}

/// What is done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Read,
    Write,
}

impl Roots {
    /// Below `cwd`, which may be written, and these; folders that are not there are left out.
    ///
    /// # Errors
    /// When `cwd` cannot be opened.
    pub fn open(cwd: &Path, read: &[PathBuf], write: &[PathBuf]) -> io::Result<Self> {
        let mut roots = vec![Root::open(cwd, true)?];
        roots.extend(write.iter().filter_map(|path| Root::open(path, true).ok()));
        roots.extend(read.iter().filter_map(|path| Root::open(path, false).ok()));
        Ok(Self { cwd: roots[0].path.clone(), roots })
    }

    /// The session's own folder, with all links resolved.
    #[must_use]
    pub fn cwd(&self) -> &Path {
        &self.cwd
    }

    /// The absolute path of what a model calls `path`, for programs that are started there and for people.
    ///
    /// # Errors
    /// When it is outside.
    pub fn resolve(&self, path: &str) -> Result<PathBuf, String> {
        let full = normal(&self.cwd.join(path));
        let real = full.canonicalize().map_err(|error| told(path, &error))?;
        self.place(&real, path, Use::Read)?;
        Ok(real)
    }

    /// What is known of a file or folder.
    ///
    /// # Errors
    /// When it is outside, or cannot be looked at.
    pub fn metadata(&self, path: &str) -> Result<Metadata, String> {
        self.with(path, Use::Read, |place| {
            if place.relative.as_os_str().is_empty() {
                place.dir.dir_metadata()
            } else {
                place.dir.metadata(&place.relative)
            }
        })
    }

    /// A folder, opened.
    ///
    /// # Errors
    /// When it is outside, or no folder.
    pub fn folder(&self, path: &str) -> Result<Dir, String> {
        self.with(path, Use::Read, |place| {
            if place.relative.as_os_str().is_empty() {
                place.dir.try_clone()
            } else {
                place.dir.open_dir(&place.relative)
            }
        })
    }

    /// A regular file, opened to be read: a pipe would never end.
    ///
    /// # Errors
    /// When it is outside, or no file.
    pub fn file(&self, path: &str) -> Result<cap_std::fs::File, String> {
        if !self.metadata(path)?.is_file() {
            return Err(format!("`{path}` is no regular file; `ls` shows what is in a folder"));
        }
        self.with(path, Use::Read, |place| place.dir.open(&place.relative))
    }

    /// A whole file of at most `most` bytes.
    ///
    /// # Errors
    /// When it is outside, no file, or larger.
    pub fn read(&self, path: &str, most: u64) -> Result<Vec<u8>, String> {
        let file = self.file(path)?;
        let mut content = Vec::new();
        file.take(most + 1).read_to_end(&mut content).map_err(|error| told(path, &error))?;
        if content.len() as u64 > most {
            return Err(format!("`{path}` is larger than {most} bytes, which is the most that is taken at once"));
        }
        Ok(content)
    }

    /// Writes a whole file, with the folders that lead to it: nobody ever sees half of it, where the folder allows that.
    ///
    /// # Errors
    /// When it is outside of what may be written, or the system refuses.
    pub fn write(&self, path: &str, content: &[u8]) -> Result<(), String> {
        self.with(path, Use::Write, |place| replace(place, content))
    }

    fn with<T>(&self, path: &str, how: Use, act: impl Fn(&Place<'_>) -> io::Result<T>) -> Result<T, String> {
        let full = normal(&self.cwd.join(path));
        let first = act(&self.place(&full, path, how)?);
        let error = match first {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        // Perhaps a link leads into another of the folders, or a part of the path is one.
        let real = existing(&full).filter(|real| *real != full);
        match real.map(|real| self.place(&real, path, how)) {
            Some(place) => act(&place?).map_err(|error| told(path, &error)),
            None => Err(told(path, &error)),
        }
    }

    fn place(&self, full: &Path, path: &str, how: Use) -> Result<Place<'_>, String> {
        let below = |root: &Root| {
            let relative = full.strip_prefix(&root.path).or_else(|_| full.strip_prefix(&root.spelled)).ok()?;
            Some(relative.to_path_buf())
        };
        let allowed = self.roots.iter().filter(|root| how == Use::Read || root.is_writable);
        let found = allowed.filter_map(|root| Some((root, below(root)?)));
        // The deepest folder: one with more rights may stand within another.
        let found = found.min_by_key(|(_, relative)| relative.components().count());
        let (root, relative) = found.ok_or_else(|| self.outside(path, how))?;
        Ok(Place { dir: &root.dir, relative })
    }

    fn outside(&self, path: &str, how: Use) -> String {
        let allowed = self.roots.iter().filter(|root| how == Use::Read || root.is_writable);
        let list: Vec<String> = allowed.map(|root| format!("`{}`", root.spelled.display())).collect();
        let verb = if how == Use::Read { "read" } else { "written" };
        format!("`{path}` is outside of what may be {verb}: files below {}", list.join(", "))
    }
}

impl Root {
    fn open(path: &Path, is_writable: bool) -> io::Result<Self> {
        let real = path.canonicalize()?;
        let dir = Dir::open_ambient_dir(&real, ambient_authority())?;
        Ok(Self { spelled: normal(path), path: real, dir, is_writable })
    }
}

/// A path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => normal.push(part),
        }
    }
    normal
}

/// A path with the links resolved of as much of it as is there.
fn existing(path: &Path) -> Option<PathBuf> {
    let mut rest = Vec::new();
    let mut there = path;
    loop {
        match there.canonicalize() {
            Ok(mut real) => {
                real.extend(rest.iter().rev());
                return Some(real);
            }
            // A link that leads nowhere is no part of a path to be made.
            Err(_) if there.symlink_metadata().is_ok() => return None,
            Err(_) => {
                rest.push(there.file_name()?);
                there = there.parent()?;
            }
        }
    }
}

fn told(path: &str, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        return format!("`{path}` does not exist");
    }
    format!("`{path}`: {error}")
}

fn replace(place: &Place<'_>, content: &[u8]) -> io::Result<()> {
    let (dir, relative) = (place.dir, &place.relative);
    if let Some(parent) = relative.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        dir.create_dir_all(parent)?;
    }
    // The target of a link is replaced, not the link.
    let target = match dir.symlink_metadata(relative) {
        Ok(metadata) if metadata.is_symlink() => dir.canonicalize(relative)?,
        Ok(metadata) if metadata.is_dir() => return Err(io::Error::other("it is a folder")),
        Ok(_) | Err(_) => relative.clone(),
    };
    let name = target.file_name().ok_or_else(|| io::Error::other("it names no file"))?;
    let beside = target.with_file_name(format!(".{}.{:08x}", name.to_string_lossy(), rand::random::<u32>()));
    let Ok(mut file) = dir.create(&beside) else {
        return dir.write(&target, content);
    };
    let written = file.write_all(content).and_then(|()| match dir.metadata(&target) {
        Ok(metadata) => file.set_permissions(metadata.permissions()),
        Err(_) => Ok(()),
    });
    drop(file);
    let done = written.and_then(|()| dir.rename(&beside, dir, &target));
    if done.is_err() {
        // What is left of the attempt; the error says why.
        let _ = dir.remove_file(&beside);
    }
    done
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    struct World {
        outer: tempfile::TempDir,
        roots: Roots,
    }

    fn world() -> World {
        let outer = tempfile::tempdir().unwrap();
        let path = |name: &str| outer.path().join(name);
        for folder in ["work", "work/sub", "library", "secret"] {
            fs::create_dir(path(folder)).unwrap();
        }
        fs::write(path("work/a.txt"), "a").unwrap();
        fs::write(path("library/b.txt"), "b").unwrap();
        fs::write(path("secret/key"), "k").unwrap();
        symlink("../secret/key", path("work/relative")).unwrap();
        symlink(path("secret"), path("work/folder")).unwrap();
        symlink(path("library"), path("work/library")).unwrap();
        symlink("a.txt", path("work/link")).unwrap();
        symlink("/nowhere/at/all", path("work/dangling")).unwrap();
        let roots = Roots::open(&path("work"), &[path("library")], &[]).unwrap();
        World { outer, roots }
    }

    #[test]
    fn files_of_the_session_are_read() {
        let world = world();
        let absolute = world.outer.path().join("work/a.txt").display().to_string();
        for path in ["a.txt", "./sub/../a.txt", "link", &absolute] {
            assert_eq!(world.roots.read(path, 9).unwrap(), b"a", "{path}");
        }
        assert_eq!(world.roots.read("library/b.txt", 9).unwrap(), b"b", "a link into another folder of the session");
        assert!(world.roots.metadata(".").unwrap().is_dir());
    }

    #[test]
    fn nothing_leads_out() {
        let world = world();
        let absolute = world.outer.path().join("secret/key").display().to_string();
        for path in ["../secret/key", "relative", "folder/key", "sub/../../secret/key", &absolute, "/etc/passwd"] {
            assert!(world.roots.read(path, 9).is_err(), "{path}");
            assert!(world.roots.write(path, b"x").is_err(), "{path}");
        }
        for path in ["folder/new", "library/new", "../new", "dangling", "a.txt/new"] {
            assert!(world.roots.write(path, b"x").is_err(), "{path}");
        }
        assert_eq!(fs::read(world.outer.path().join("secret/key")).unwrap(), b"k");
        assert_eq!(fs::read_dir(world.outer.path().join("secret")).unwrap().count(), 1);
    }

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_mode() {
        let world = world();
        let file = world.outer.path().join("work/a.txt");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o750)).unwrap();
        world.roots.write("link", b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o750);
        world.roots.write("deep/er/c.txt", b"c").unwrap();
        assert_eq!(fs::read(world.outer.path().join("work/deep/er/c.txt")).unwrap(), b"c");
        assert!(world.roots.write("sub", b"x").unwrap_err().contains("folder"));
        let left: Vec<_> = fs::read_dir(world.outer.path().join("work")).unwrap().flatten().collect();
        assert!(left.iter().all(|entry| !entry.file_name().to_string_lossy().starts_with('.')));
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let world = world();
        nix::unistd::mkfifo(&world.outer.path().join("work/pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(world.roots.read("pipe", 9).unwrap_err().contains("no regular file"));
        assert!(world.roots.read("a.txt", 0).unwrap_err().contains("larger"));
    }
}
