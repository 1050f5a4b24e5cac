//! What stands where in the new root: a job's grants, freed of symbolic links and of contradictions.

use super::dev;
use super::resolve::{Found, Resolved, resolve};
use crate::sandbox::Refused;
use crate::sandbox::policy::Policy;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Where the kernel shows processes.
pub const PROC: &str = "/proc";
/// Where the kernel shows devices and settings.
pub const SYS: &str = "/sys";
/// Where control groups are: programs look up there how much they may use.
const CGROUPS: &str = "/sys/fs/cgroup";
/// Folders of the run that stand in for others, by their names in `Policy::private`.
const PRIVATE: [(&str, &str); 2] = [("/tmp", "tmp"), ("/var/tmp", "var-tmp")];
/// The private folder that stands in for `~/.cache`.
pub const CACHE: &str = "cache";

/// What stands at one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The host's, to be read.
    Read,
    /// The host's, to be written.
    Write,
    /// Nothing: what the host has there is covered.
    Hidden,
    /// A folder of the run, by its name in `Policy::private`.
    Private(&'static str),
    /// A folder of devices, made anew.
    Dev,
    /// One device.
    Device,
    /// The processes of this sandbox.
    Proc,
    /// The host's `/sys`, or a part of it.
    Sys,
}

/// One thing of the new root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What.
    pub kind: Kind,
    /// Whether it is a folder.
    pub found: Found,
}

/// The new root, in paths of the host that have no symbolic links in them.
#[derive(Debug, Default)]
pub struct Plan {
    /// What stands where. A path comes before those within it.
    pub entries: BTreeMap<PathBuf, Entry>,
    /// Symbolic links to make: where, and what they say.
    pub links: BTreeMap<PathBuf, PathBuf>,
    /// The home folder, which is there even if it is empty.
    pub home: Option<PathBuf>,
}

impl Plan {
    /// Makes sense of a policy on this machine as it is now.
    ///
    /// # Errors
    /// Where something that is to be written does not exist or cannot be trusted.
    pub fn new(policy: &Policy) -> Result<Self, Refused> {
        let mut plan = Self::default();
        let mut writable = Vec::new();
        let mut to_write: Vec<&PathBuf> = policy.write.iter().collect();
        // Outer folders first: whether a link is to be trusted depends on what lies around it.
        to_write.sort_by_key(|path| path.components().count());
        let mut write = Vec::new();
        for path in to_write {
            let mut resolved = resolve(path, &writable);
            if resolved.real.starts_with(PROC) {
                resolved.found = Err(Errno::ROFS.raw_os_error());
            }
            if let Err(errno) = resolved.found {
                return Err(Refused::grant(path, io::Error::from_raw_os_error(errno)));
            }
            writable.push(resolved.real.clone());
            write.push(resolved);
        }
        let home = policy.home.as_ref().map(|home| resolve(home, &[]));
        // What comes later takes the place of what came before.
        plan.hide(policy, home.as_ref());
        plan.make_private(home.as_ref());
        for path in &policy.read {
            let resolved = resolve(path, &writable);
            plan.insert(resolved, Kind::Read);
        }
        for resolved in write {
            plan.insert(resolved, Kind::Write);
        }
        plan.add_systems();
        plan.prune();
        plan.pin();
        if let Some(home) = home {
            plan.home = Some(home.real.clone());
            plan.links.extend(home.links);
        }
        plan.add_top_links();
        Ok(plan)
    }

    /// The nearest entry at `path` or around it.
    pub fn at(&self, path: &Path) -> Option<(&Path, Entry)> {
        path.ancestors()
            .find_map(|above| self.entries.get_key_value(above))
            .map(|(path, entry)| (path.as_path(), *entry))
    }

    /// The nearest entry around `path`.
    pub fn around(&self, path: &Path) -> Option<(&Path, Entry)> {
        self.at(path.parent()?)
    }

    /// Whether what is at this path is the host's own, but for what other entries put there.
    pub fn shows_host(&self, entry: Option<(&Path, Entry)>) -> bool {
        matches!(entry, Some((_, Entry { kind: Kind::Read | Kind::Write | Kind::Sys, .. })))
    }

    /// Adds what exists; what does not is passed over.
    fn insert(&mut self, resolved: Resolved, kind: Kind) {
        if let Ok(found) = resolved.found {
            self.entries.insert(resolved.real, Entry { kind, found });
            self.links.extend(resolved.links);
        }
    }

    fn hide(&mut self, policy: &Policy, home: Option<&Resolved>) {
        // Links are followed wherever they lead: whoever makes one can only have more hidden from himself.
        let hidden = policy.hidden.iter().map(|path| resolve(path, &[]));
        let hidden = hidden.filter_map(|resolved| Some((resolved.real, resolved.found.ok()?)));
        let home = home.and_then(|home| Some((home.real.clone(), home.found.ok()?)));
        for (path, found) in hidden.chain(home) {
            // Of the root nothing is there anyway but what is granted: service users may have it for a home.
            if path != Path::new("/") {
                self.entries.insert(path, Entry { kind: Kind::Hidden, found });
            }
        }
    }

    fn make_private(&mut self, home: Option<&Resolved>) {
        let cache = home.map(|home| (home.real.join(".cache"), CACHE));
        for (path, name) in PRIVATE.map(|(path, name)| (path.into(), name)).into_iter().chain(cache) {
            let resolved = resolve(&path, &[]);
            // One may be a link to another.
            let is_private =
                self.entries.get(&resolved.real).is_some_and(|known| matches!(known.kind, Kind::Private(_)));
            if !is_private && resolved.found != Err(Errno::LOOP.raw_os_error()) {
                self.entries.insert(resolved.real, Entry { kind: Kind::Private(name), found: Found::Folder });
            }
            self.links.extend(resolved.links);
        }
    }

    fn add_systems(&mut self) {
        let folder = |kind| Entry { kind, found: Found::Folder };
        for (path, kind) in [(PROC, Kind::Proc), (SYS, Kind::Sys), ("/dev", Kind::Dev)] {
            self.entries.insert(path.into(), folder(kind));
        }
        self.insert(resolve(Path::new(CGROUPS), &[]), Kind::Sys);
        for path in dev::NODES {
            self.insert(resolve(Path::new(path), &[]), Kind::Device);
        }
        // Nothing of the host's processes shows through.
        self.entries.retain(|path, entry| !path.starts_with(PROC) || entry.kind == Kind::Proc);
    }

    /// Takes out what is granted by what lies around it already.
    fn prune(&mut self) {
        let is_more = |path: &Path, entry: Entry| match entry.kind {
            Kind::Read | Kind::Write if entry.found != Found::Socket => {
                self.around(path).is_none_or(|(_, around)| around.kind != entry.kind)
            }
            Kind::Read
            | Kind::Write
            | Kind::Hidden
            | Kind::Private(_)
            | Kind::Dev
            | Kind::Device
            | Kind::Proc
            | Kind::Sys => true,
        };
        let more: BTreeMap<_, _> = self
            .entries
            .iter()
            .filter(|(path, entry)| is_more(path, **entry))
            .map(|(path, entry)| (path.clone(), *entry))
            .collect();
        self.entries = more;
    }

    /// Makes the folders between a writable one and what is special within it entries of their own. As mount points they
    /// cannot be renamed: else the agent would move what is hidden to where the next run sees it.
    fn pin(&mut self) {
        let mut between = Vec::new();
        for path in self.entries.keys() {
            if let Some((above, entry)) = self.around(path)
                && entry.kind == Kind::Write
            {
                let inner = path.ancestors().skip(1).take_while(|folder| *folder != above);
                between.extend(inner.map(|folder| (folder.to_owned(), entry)));
            }
        }
        self.entries.extend(between);
    }

    /// `/bin` and the like, which lead into `/usr` on most systems.
    fn add_top_links(&mut self) {
        let entries = std::fs::read_dir("/").into_iter().flatten().flatten();
        let links = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
        self.links.extend(links.filter_map(|entry| Some((entry.path(), entry.path().read_link().ok()?))));
    }
}

#[cfg(test)]
mod tests;
