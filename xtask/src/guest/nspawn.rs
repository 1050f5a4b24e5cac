//! Containers with a booted systemd: `systemd-nspawn` on the guest's tree, in name spaces of its own, so that its mounts
//! and processes are gone when it is, whatever way we end. Only empty control groups may stay behind; the next one
//! removes them.

use super::{Ended, wait};
use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The beginning of our control groups' names; our pid follows.
const GROUP: &str = "bog-guest-";

/// Builds the container's root, which is the tree with all changes in memory, and boots it.
///
/// Arguments: the tree, the file for the results, the boot's name, control groups to be in.
const SCRIPT: &str = r#"
tree=$1 results=$2 boot=$3
shift 3
for group; do echo 0 > "$group/cgroup.procs"; done
mount -t tmpfs tmpfs /run
mkdir /run/upper /run/work /run/root
mount -t overlay -o "lowerdir=$tree,upperdir=/run/upper,workdir=/run/work" overlay /run/root
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
exec systemd-nspawn --quiet --boot --directory=/run/root --machine=bog-guest --bind="$results:/bog/results" \
    --register=no --keep-unit --private-network --link-journal=no --console=pipe \
    "systemd.unit=bog-boot@$boot.service" systemd.show_status=0
"#;

/// Why containers cannot be had, if they cannot.
pub fn obstacle() -> Option<String> {
    let probe = ["--mount", "--pid", "--fork", "--propagation", "private", "true"];
    let probed = Command::new("unshare").args(probe).stdin(Stdio::null()).stderr(Stdio::null()).status();
    if probed.is_ok_and(|status| status.success()) {
        return None;
    }
    Some("it needs root, with the right to mount".to_owned())
}

/// Boots the tree until it turns itself off.
///
/// # Errors
/// When the container cannot be made, or leaves no results.
pub fn run(tree: &Path, boot: &str, folder: &Path) -> Result<Ended> {
    let (console, results) = (folder.join("console"), folder.join("results"));
    fs::write(&results, "")?;
    let hierarchies =
        hierarchies(&fs::read_to_string("/proc/self/mountinfo")?, &fs::read_to_string("/proc/self/cgroup")?);
    hierarchies.iter().for_each(|own| remove_stale(own));
    let groups: Vec<PathBuf> =
        hierarchies.iter().map(|own| own.join(format!("{GROUP}{}", std::process::id()))).collect();
    for group in &groups {
        fs::create_dir(group).with_context(|| format!("`{}` cannot be made", group.display()))?;
    }
    let log = fs::File::create(&console)?;
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"])
        .args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-ec", SCRIPT, "sh"])
        .args([tree, &results, Path::new(boot)])
        .args(&groups);
    let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
    let how = child.context("`unshare` could not be started").and_then(wait);
    groups.iter().for_each(|group| remove_group(group));
    let read = |file: &Path| Ok::<_, std::io::Error>(String::from_utf8_lossy(&fs::read(file)?).into_owned());
    Ok(Ended { how: how?, results: read(&results)?, console: read(&console)? })
}

/// Our own group in each hierarchy that systemd puts its units into: version 2, and the named one of version 1 where
/// both are there. Formats: `proc(5)` and `cgroups(7)`.
fn hierarchies(mounts: &str, groups: &str) -> Vec<PathBuf> {
    let mounted = mounts.lines().filter_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let place = place.split(' ').nth(4)?;
        let mut kind = kind.split(' ');
        match (kind.next()?, kind.nth(1)?) {
            ("cgroup2", _) => Some(("0::", place)),
            ("cgroup", options) if options.contains("name=systemd") => Some((":name=systemd:", place)),
            _ => None,
        }
    });
    let own = mounted.filter_map(|(key, place)| {
        let line = groups.lines().find(|line| line.contains(key))?;
        let path = line.split_once(key)?.1.trim_start_matches('/');
        Some(Path::new(place).join(path))
    });
    own.collect()
}

/// Removes groups whose maker was killed.
fn remove_stale(own: &Path) {
    for entry in fs::read_dir(own).into_iter().flatten().flatten() {
        let name = entry.file_name().display().to_string();
        let gone = |pid: &str| !Path::new("/proc").join(pid).exists();
        if name.strip_prefix(GROUP).is_some_and(gone) {
            remove_group(&entry.path());
        }
    }
}

/// Removes a group with all below it, as far as nobody is in them.
fn remove_group(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_group(&entry.path());
        }
    }
    // One that is not empty yet is removed by the next container.
    let _ = fs::remove_dir(group);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_groups_are_found_on_both_kinds_of_machines() {
        let unified = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(hierarchies(unified, "0::/a.slice/b\n"), [PathBuf::from("/sys/fs/cgroup/a.slice/b")]);
        let hybrid = "30 23 0:26 / /cg/unified rw - cgroup2 cgroup2 rw\n31 23 0:27 / /cg/pids rw - cgroup cgroup rw,pids\n\
                      32 23 0:28 / /cg/systemd rw - cgroup cgroup rw,xattr,name=systemd\n";
        let groups = "9:name=systemd:/\n8:pids:/\n0::/\n";
        assert_eq!(hierarchies(hybrid, groups), [PathBuf::from("/cg/unified/"), PathBuf::from("/cg/systemd/")]);
    }
}
