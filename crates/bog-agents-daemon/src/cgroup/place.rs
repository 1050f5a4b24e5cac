//! Where a process stands in the hierarchy, and whether that part of it is its own to arrange.

use super::{CONTROLLERS, Controller, PROCS, SUBTREE_CONTROL, listed};
use rustix::fs::{Access, access, getxattr};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The leaf that takes the daemon, and the name that our unit files give systemd for it (`DelegateSubgroup=`).
pub(super) const DAEMON: &str = "daemon";
/// Marks that systemd leaves on what it delegates: the first for everyone to read, since systemd 251, the other for root.
const MARKS: [&str; 2] = ["user.delegate", "trusted.delegate"];
/// How names of systemd's own groups end. Such a group below a marked one belongs to the manager it was delegated to (a
/// user's `systemd`), and not to whatever runs in it.
const UNITS: [&str; 6] = [".service", ".scope", ".slice", ".socket", ".mount", ".swap"];

/// A part of the hierarchy that is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The group below which others are made.
    pub base: PathBuf,
    /// The group the process is in: `base` or a child of it.
    pub own: PathBuf,
    /// Whether `base` is the root of the whole hierarchy, which alone may hold processes beside groups with controllers.
    pub is_top: bool,
}

/// Why no part of the hierarchy is ours.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There is none, or the process is not in it.
    #[error("no cgroup v2 hierarchy is mounted")]
    NoHierarchy,
    /// It was not given to us.
    #[error("the control group `{0}` is not delegated")]
    NotDelegated(PathBuf),
    /// It was, and yet it may not be changed.
    #[error("the control group `{path}` may not be changed: {error}")]
    ReadOnly {
        /// The group.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl Place {
    /// The controllers that groups in here could have.
    #[must_use]
    pub fn available(&self) -> Vec<Controller> {
        listed(&self.base.join(CONTROLLERS))
    }

    /// The controllers that groups in here have, once a daemon took it.
    #[must_use]
    pub fn given(&self) -> Vec<Controller> {
        listed(&self.base.join(SUBTREE_CONTROL))
    }
}

/// Where the process `pid` stands; `self` is the calling one.
///
/// # Errors
/// Where that is nowhere we may make groups.
pub fn find(pid: &str) -> Result<Place, Refused> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|_| Refused::NoHierarchy)?;
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).map_err(|_| Refused::NoHierarchy)?;
    let found = mounted(&mounts).into_iter().find_map(|(root, point)| Some((own(&root, &point, &groups)?, point)));
    let (own, point) = found.filter(|(own, _)| own.join(PROCS).exists()).ok_or(Refused::NoHierarchy)?;
    let place = place(&own, &point, is_marked, is_systemds()).ok_or(Refused::NotDelegated(own))?;
    for file in ["", PROCS, SUBTREE_CONTROL] {
        let file = place.base.join(file);
        access(&file, Access::WRITE_OK)
            .map_err(|error| Refused::ReadOnly { path: place.base.clone(), error: error.into() })?;
    }
    Ok(place)
}

/// `(root, mount point)` of every mounted cgroup v2 hierarchy. `proc_pid_mountinfo(5)`: fields are separated by blanks,
/// a lone `-` comes before the file system's type, and blanks within a field are octal.
fn mounted(mountinfo: &str) -> Vec<(PathBuf, PathBuf)> {
    let of_line = |line: &str| {
        let (mount, system) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        system.starts_with("cgroup2 ").then(|| (unescaped(root), unescaped(point)))
    };
    mountinfo.lines().filter_map(of_line).collect()
}

fn unescaped(field: &str) -> PathBuf {
    PathBuf::from(field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\"))
}

/// The folder of a process's own group, from its `/proc/PID/cgroup` (`cgroups(7)`): the line of version 2 is `0::PATH`.
/// `None` where it lies outside of what is mounted.
fn own(root: &Path, point: &Path, groups: &str) -> Option<PathBuf> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let below = Path::new(path).strip_prefix(root).ok()?;
    // Seen from a namespace, what is outside of it begins with `..`.
    (!path.contains("/..")).then(|| if below.as_os_str().is_empty() { point.to_owned() } else { point.join(below) })
}

fn place(own: &Path, point: &Path, is_marked: impl Fn(&Path) -> bool, is_systemds: bool) -> Option<Place> {
    let of = |base: &Path| Place { base: base.to_owned(), own: own.to_owned(), is_top: false };
    if is_marked(own) {
        return Some(of(own));
    }
    let name = own.file_name()?.to_str()?;
    let parent = own.parent()?;
    if own != point && is_marked(parent) && !UNITS.iter().any(|unit| name.ends_with(unit)) {
        return Some(of(parent));
    }
    let is_root = own == point || (parent == point && name == DAEMON);
    (is_root && !is_systemds).then(|| Place { is_top: !point.join("cgroup.type").exists(), ..of(point) })
}

fn is_marked(group: &Path) -> bool {
    MARKS.iter().any(|mark| {
        let mut value = [0; 8];
        getxattr(group, *mark, &mut value[..]).is_ok_and(|length| value.get(..length) == Some(b"1"))
    })
}

/// Whether the hierarchy has a manager that would not share it: `sd_booted(3)`, and `systemd` as the first process.
fn is_systemds() -> bool {
    Path::new("/run/systemd/system").is_dir()
        || fs::read_to_string("/proc/1/comm").is_ok_and(|name| name.trim() == "systemd")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchy_is_found_where_it_is_mounted() {
        let mounts = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
                      34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n\
                      41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw,relatime shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(mounted(mounts), [("/".into(), "/sys/fs/cgroup/uni fied".into())]);
    }

    #[test]
    fn a_process_is_found_below_the_root_of_what_is_mounted() {
        let point = Path::new("/cg");
        let at = |root: &str, groups: &str| own(Path::new(root), point, groups);
        assert_eq!(at("/", "4:memory:/x\n0::/a/b.service\n"), Some("/cg/a/b.service".into()));
        assert_eq!(at("/", "0::/\n"), Some("/cg".into()));
        assert_eq!(at("/a", "0::/a/b\n"), Some("/cg/b".into()));
        assert_eq!(at("/a", "0::/b\n"), None, "elsewhere");
        assert_eq!(at("/", "0::/../b\n"), None, "outside of the namespace");
        assert_eq!(at("/", "4:memory:/x\n"), None, "no version 2");
    }

    #[test]
    fn only_what_was_given_is_taken() {
        let at = |own: &str, marked: &str, systemds: bool| {
            place(Path::new(own), Path::new("/cg"), |path| path == Path::new(marked), systemds)
                .map(|place| place.base.to_string_lossy().into_owned())
        };
        assert_eq!(at("/cg/a/bog.service", "/cg/a/bog.service", true).as_deref(), Some("/cg/a/bog.service"));
        assert_eq!(at("/cg/a/bog.service/daemon", "/cg/a/bog.service", true).as_deref(), Some("/cg/a/bog.service"));
        assert_eq!(at("/cg/a/bog.service", "", true), None, "no mark");
        assert_eq!(at("/cg/u/user@1.service/x.service", "/cg/u/user@1.service", true), None, "the user manager's");
        assert_eq!(at("/cg/a/b/c", "/cg/a", true), None, "a mark two levels up");
        assert_eq!(at("/cg", "", true), None, "systemd's root");
        assert_eq!(at("/cg", "", false).as_deref(), Some("/cg"), "a root without a manager");
        assert_eq!(at("/cg/daemon", "", false).as_deref(), Some("/cg"), "and from the daemon's leaf in it");
        assert_eq!(at("/cg/other", "", false), None);
    }
}
