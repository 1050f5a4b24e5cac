//! The new root: a small file system in memory with only what is granted mounted into it.
//!
//! Whatever comes from the host is copied (`open_tree`) before anything is mounted, so that the new root never shows up
//! within itself. Then everything is put in place, outer folders first; each mount gets its flags; the root changes and
//! the old one is let go; and at last the list of mounts is read again to see that nothing can be written that may not.
//!
//! All of it happens in a mount namespace of this process; the host sees none of it.

use super::mountinfo;
use super::plan::{Entry, Kind, Plan, SYS};
use super::resolve::Found;
use super::tree::{attach, copy_mount, host_place, inner, magic, make_file, make_folders, place};
use super::{dev, private};
use crate::sandbox::Refused;
use crate::sandbox::policy::Policy;
use bog_domain::containment::Mechanism;
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, mount_remount, unmount,
};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Where the new root is put together: a folder that is certain to exist. It is covered in this process's view only.
const SITE: &str = "/dev";
/// The new root within it.
const NEW_ROOT: &str = "/dev/root";
/// An empty file within it, to cover files with.
const BLANK: &str = "/dev/blank";
/// What covers a folder carries this name and a number.
const VEIL: &str = "/dev/veil";

/// A new root that this process is in.
pub struct Built {
    /// What stands where.
    pub plan: Plan,
    /// Whether `/proc` shows the processes of this sandbox only; else it is the host's.
    pub proc: Result<(), Refused>,
}

/// Copies of mounts of the host, by where they go.
type Copies = BTreeMap<PathBuf, OwnedFd>;

/// Makes the new root and enters it. The caller is in a mount namespace of its own.
///
/// # Errors
/// Where something cannot be done. Unless the root was changed already, the host's view is as it was.
pub fn build(policy: &Policy) -> Result<Built, Refused> {
    let mut plan = Plan::new(policy)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(failed("separating the mounts of", Path::new("/")))?;
    let copies = copy_all(&mut plan, policy)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("sandbox", SITE, "tmpfs", flags, c"mode=0755,size=256k,nr_inodes=8192")
        .map_err(failed("mounting a tmpfs at", Path::new(SITE)))?;
    let assembled = assemble(&plan, &copies).and_then(|proc| set_flags(&plan).map(|()| proc));
    let proc = assembled.inspect_err(|_| {
        // Best effort goes on with the host's view.
        let _ = unmount(SITE, UnmountFlags::DETACH);
    })?;
    drop(copies);
    change_root().map_err(failed("changing the root to", Path::new(NEW_ROOT)))?;
    verify(&plan)?;
    Ok(Built { plan, proc })
}

/// Copies what comes from the host. What is gone meanwhile is taken out of the plan where it was only to be read.
fn copy_all(plan: &mut Plan, policy: &Policy) -> Result<Copies, Refused> {
    let mut copies = Copies::new();
    let mut gone = Vec::new();
    for (path, entry) in &plan.entries {
        let copied = match entry.kind {
            Kind::Read | Kind::Write | Kind::Device => copy(path, true),
            // Deep only where the system insists: what is mounted within `/sys` is not for agents.
            Kind::Sys => match copy(path, path != Path::new(SYS)) {
                Err(Errno::INVAL) => copy(path, true),
                other => other,
            },
            Kind::Private(name) => match &policy.private {
                Some(folder) => private::prepare(folder, name).and_then(|place| copy_mount(&place, false)),
                None => continue,
            },
            Kind::Hidden | Kind::Dev | Kind::Proc => continue,
        };
        match (copied, entry.kind) {
            (Ok(copy), _) => {
                copies.insert(path.clone(), copy);
            }
            (Err(error), Kind::Write) => return Err(Refused::grant(path, error)),
            (Err(Errno::NOENT | Errno::ACCESS | Errno::LOOP), Kind::Read | Kind::Device) => gone.push(path.clone()),
            (Err(error), _) => return Err(failed("copying the mount of", path)(error)),
        }
    }
    for path in gone {
        plan.entries.remove(&path);
    }
    Ok(copies)
}

fn copy(path: &Path, deep: bool) -> Result<OwnedFd, Errno> {
    copy_mount(&host_place(path)?, deep)
}

/// Puts everything in place; says whether `/proc` is a new one.
fn assemble(plan: &Plan, copies: &Copies) -> Result<Result<(), Refused>, Refused> {
    let new_root = Path::new(NEW_ROOT);
    make_site().map_err(failed("making", new_root))?;
    let mut proc = Ok(());
    for (number, (path, entry)) in plan.entries.iter().enumerate() {
        // Opened anew each time: a mount may cover the root itself.
        let root = host_place(new_root).map_err(failed("opening", new_root))?;
        let Some(at) = place_for(plan, &root, path, *entry).map_err(failed("making room for", path))? else { continue };
        let mounted = match (entry.kind, copies.get(path)) {
            (Kind::Proc, _) => mount_proc(&at).or_else(|error| {
                proc = Err(Refused::mechanism(Mechanism::PidNamespace, "mounting a new `/proc`", error));
                // The host's: programs do not work without any.
                attach(&copy(path, true)?, &at)
            }),
            (Kind::Dev, _) => {
                cover(Found::Folder, number, &at).and_then(|()| dev::furnish(place(&root, inner(path))?.as_fd()))
            }
            (Kind::Read | Kind::Write | Kind::Device | Kind::Sys | Kind::Private(_), Some(copy)) => attach(copy, &at),
            (Kind::Private(_), None) => private::in_memory(&at),
            (Kind::Hidden | Kind::Read | Kind::Write | Kind::Device | Kind::Sys, _) => cover(entry.found, number, &at),
        };
        mounted.map_err(failed("mounting", path))?;
    }
    make_links(plan, &host_place(new_root).map_err(failed("opening", new_root))?)?;
    Ok(proc)
}

fn make_site() -> Result<(), Errno> {
    let site = host_place(Path::new(SITE))?;
    make_file(&site, Path::new("blank"))?;
    make_folders(&site, Path::new("root"))?;
    // `pivot_root` wants a mount.
    mount_bind(NEW_ROOT, NEW_ROOT)
}

/// Where an entry is mounted; made where the new root has nothing there. `None`: there is nothing to do.
fn place_for(plan: &Plan, root: &OwnedFd, path: &Path, entry: Entry) -> Result<Option<OwnedFd>, Errno> {
    if plan.shows_host(plan.around(path)) {
        return match (place(root, inner(path)), entry.kind) {
            (Ok(place), _) => Ok(Some(place)),
            // Nothing may be made on the host: what is not there cannot be covered, and need not be.
            (Err(Errno::NOENT), Kind::Hidden | Kind::Private(_) | Kind::Read | Kind::Device) => Ok(None),
            (Err(error), _) => Err(error),
        };
    }
    match (entry.kind, entry.found) {
        (Kind::Hidden, _) => Ok(None),
        (_, Found::Folder) => make_folders(root, inner(path)).map(Some),
        (_, Found::File | Found::Socket) => make_file(root, inner(path)).map(Some),
    }
}

/// Mounts something empty. A folder gets one of its own, because what is granted within it is mounted there.
fn cover(found: Found, number: usize, at: &OwnedFd) -> Result<(), Errno> {
    match found {
        Found::File | Found::Socket => mount_bind(BLANK, magic(at)),
        Found::Folder => {
            let veil = format!("{VEIL}{number}");
            rustix::fs::mkdir(&veil, rustix::fs::Mode::from_raw_mode(0o755))?;
            mount_bind(veil, magic(at))
        }
    }
}

fn mount_proc(at: &OwnedFd) -> Result<(), Errno> {
    // Read-only: what is not of this sandbox alone, such as `/proc/sys`, belongs to the machine.
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", magic(at), "proc", flags, None)
}

/// Makes the symbolic links over which grants are reached, and an empty home where nothing of it is granted.
fn make_links(plan: &Plan, root: &OwnedFd) -> Result<(), Refused> {
    for (link, target) in &plan.links {
        let (Some(parent), Some(name)) = (link.parent(), link.file_name()) else { continue };
        if plan.shows_host(plan.at(parent)) {
            continue;
        }
        let made = make_folders(root, inner(parent)).and_then(|parent| rustix::fs::symlinkat(target, &parent, name));
        match made {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed("making the link", link)(error)),
        }
    }
    if let Some(home) = plan.home.as_deref().filter(|home| !plan.shows_host(plan.at(home))) {
        make_folders(root, inner(home)).map_err(failed("making", home))?;
    }
    Ok(())
}

/// What a mount at `path` is to have at the least.
fn wanted(plan: &Plan, path: &Path) -> MountFlags {
    let closed = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    // Devices work in `/dev` only.
    let nodev = if path.starts_with("/dev") { MountFlags::empty() } else { MountFlags::NODEV };
    let Some((_, entry)) = plan.at(path) else { return closed };
    match entry.kind {
        Kind::Read => MountFlags::RDONLY | MountFlags::NOSUID | nodev,
        Kind::Write => MountFlags::NOSUID | nodev,
        Kind::Private(_) => MountFlags::NOSUID | MountFlags::NODEV,
        Kind::Hidden | Kind::Proc | Kind::Sys => closed,
        // Not even its permissions may be changed: they are those of the host's device.
        Kind::Device => MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NOEXEC,
        // What `dev` mounts in it has what it needs.
        Kind::Dev if path == Path::new("/dev") => closed,
        Kind::Dev => MountFlags::NOSUID | MountFlags::NOEXEC,
    }
}

fn set_flags(plan: &Plan) -> Result<(), Refused> {
    let new_root = Path::new(NEW_ROOT);
    for mount in mountinfo::visible(&mounts()?, new_root) {
        let path = Path::new("/").join(mount.point.strip_prefix(new_root).unwrap_or(&mount.point));
        let wanted = wanted(plan, &path);
        if !mount.flags.contains(wanted) {
            // A mount cannot lose what it has in another user's namespace: all flags are given again.
            host_place(&mount.point)
                .and_then(|place| mount_remount(magic(&place), MountFlags::BIND | mount.flags | wanted, c""))
                .map_err(failed("closing the mount of", &path))?;
        }
    }
    Ok(())
}

fn change_root() -> Result<(), Errno> {
    rustix::process::chdir(NEW_ROOT)?;
    rustix::process::pivot_root(".", ".")?;
    // The old root now lies upon the new one.
    unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")
}

/// Sees to it that every mount is as it must be, whatever happened to the host's folders meanwhile.
fn verify(plan: &Plan) -> Result<(), Refused> {
    for mount in mountinfo::visible(&mounts()?, Path::new("/")) {
        if !mount.flags.contains(wanted(plan, &mount.point)) {
            return Err(failed("verifying the mount of", &mount.point)(Errno::PERM));
        }
    }
    Ok(())
}

fn mounts() -> Result<Vec<mountinfo::Mount>, Refused> {
    mountinfo::read().map_err(|error| Refused::mechanism(Mechanism::MountNamespace, "listing the mounts", error))
}

fn failed(doing: &str, path: &Path) -> impl FnOnce(Errno) -> Refused {
    let doing = format!("{doing} `{}`", path.display());
    move |error| Refused::mechanism(Mechanism::MountNamespace, doing, error)
}
