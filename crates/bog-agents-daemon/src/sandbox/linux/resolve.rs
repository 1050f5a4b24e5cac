//! Where a path of the host really leads, and over which symbolic links.
//!
//! Agents can make links in what they may write. A grant must not follow one out of there: the next run would be given
//! whatever the link points to.

use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows.
const MAX_LINKS: usize = 40;

/// A path without symbolic links in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The path. Where part of it does not exist, it ends as it was written.
    pub real: PathBuf,
    /// The links on the way: where each is, and what it says.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// What is there.
    pub found: Result<Found, i32>,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A folder.
    Folder,
    /// A socket, over which another program may be spoken to.
    Socket,
    /// Anything else.
    File,
}

/// Follows `path` to its end. A link that lies in one of `untrusted` and leads out of it makes the result an `ELOOP`.
pub fn resolve(path: &Path, untrusted: &[PathBuf]) -> Resolved {
    let mut walk = Walk { real: PathBuf::from("/"), links: Vec::new(), ahead: VecDeque::new() };
    let found = if path.is_absolute() {
        walk.prepend(path);
        walk.follow()
    } else {
        Err(Errno::INVAL.raw_os_error())
    };
    let mut resolved = Resolved { real: walk.real, links: walk.links, found };
    let strays = |link: &Path| untrusted.iter().any(|of| link.starts_with(of) && !resolved.real.starts_with(of));
    if resolved.links.iter().any(|(link, _)| strays(link)) {
        resolved.found = Err(Errno::LOOP.raw_os_error());
    }
    resolved
}

struct Walk {
    real: PathBuf,
    links: Vec<(PathBuf, PathBuf)>,
    ahead: VecDeque<OsString>,
}

impl Walk {
    fn prepend(&mut self, path: &Path) {
        for component in path.components().rev() {
            match component {
                Component::Normal(name) => self.ahead.push_front(name.to_owned()),
                Component::ParentDir => self.ahead.push_front("..".into()),
                Component::RootDir => self.ahead.push_front("/".into()),
                Component::CurDir | Component::Prefix(_) => {}
            }
        }
    }

    fn follow(&mut self) -> Result<Found, i32> {
        let mut found = Found::Folder;
        while let Some(name) = self.ahead.pop_front() {
            if name == ".." {
                self.real.pop();
                continue;
            }
            // A `/` in front of an absolute path takes the place of all before it.
            let next = self.real.join(&name);
            match kind(&next) {
                Ok(Kind::Link(target)) => {
                    if self.links.len() == MAX_LINKS {
                        return Err(Errno::LOOP.raw_os_error());
                    }
                    self.prepend(&target);
                    self.links.push((next, target));
                }
                Ok(Kind::Other(kind)) => {
                    self.real = next;
                    found = kind;
                }
                Err(error) => {
                    self.real = next;
                    self.real.extend(self.ahead.drain(..));
                    return Err(error.raw_os_error().unwrap_or_default());
                }
            }
        }
        Ok(found)
    }
}

enum Kind {
    Link(PathBuf),
    Other(Found),
}

fn kind(path: &Path) -> io::Result<Kind> {
    let metadata = path.symlink_metadata()?;
    Ok(if metadata.is_symlink() {
        Kind::Link(path.read_link()?)
    } else if metadata.is_dir() {
        Kind::Other(Found::Folder)
    } else if metadata.file_type().is_socket() {
        Kind::Other(Found::Socket)
    } else {
        Kind::Other(Found::File)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// A folder with `a/file`, `link -> a`, `a/up -> ../link/file`, `a/out -> /`, `loop -> loop`.
    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let base = folder.path().canonicalize().expect("a path");
        fs::create_dir(base.join("a")).expect("a folder");
        fs::write(base.join("a/file"), "").expect("a file");
        for (link, target) in [("link", "a"), ("a/up", "../link/file"), ("a/out", "/"), ("loop", "loop")] {
            symlink(target, base.join(link)).expect("a link");
        }
        (folder, base)
    }

    #[test]
    fn links_are_followed_and_listed() {
        let (_folder, base) = folder();
        let resolved = resolve(&base.join("link/up"), &[]);
        assert_eq!(resolved.real, base.join("a/file"));
        assert_eq!(resolved.found, Ok(Found::File));
        let links: Vec<_> = resolved.links.iter().map(|(link, _)| link.clone()).collect();
        assert_eq!(links, [base.join("link"), base.join("a/up"), base.join("link")]);
        assert_eq!(resolve(&base.join("a/../link"), &[]).real, base.join("a"));
    }

    #[test]
    fn what_is_missing_keeps_its_name_and_loops_end() {
        let (_folder, base) = folder();
        let missing = resolve(&base.join("link/no/such"), &[]);
        assert_eq!((missing.real, missing.found), (base.join("a/no/such"), Err(Errno::NOENT.raw_os_error())));
        assert_eq!(resolve(&base.join("loop"), &[]).found, Err(Errno::LOOP.raw_os_error()));
        assert_eq!(resolve(Path::new("relative"), &[]).found, Err(Errno::INVAL.raw_os_error()));
    }

    #[test]
    fn a_link_that_an_agent_could_have_made_may_not_lead_out() {
        let (_folder, base) = folder();
        let writable = [base.join("a")];
        assert_eq!(resolve(&base.join("a/out/etc"), &writable).found, Err(Errno::LOOP.raw_os_error()));
        assert_eq!(resolve(&base.join("link/up"), &writable).found, Ok(Found::File), "it stays within");
        assert_eq!(resolve(&base.join("link"), &[base.join("b")]).found, Ok(Found::Folder));
    }
}
