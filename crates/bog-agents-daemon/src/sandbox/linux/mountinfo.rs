//! The mounts of this process as `/proc/self/mountinfo` lists them (format: `proc_pid_mountinfo(5)`).

use rustix::mount::MountFlags;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    id: u64,
    parent: u64,
    /// Where it is mounted, seen from this process's root.
    pub point: PathBuf,
    /// What it is mounted with; of the many flags only those that `mount` can lose.
    pub flags: MountFlags,
}

/// Kept out of the flags' names by rustix: the mount follows no symbolic links.
const NOSYMFOLLOW: MountFlags = MountFlags::from_bits_retain(256);

/// Reads the list.
///
/// # Errors
/// Where `/proc` cannot be read.
pub fn read() -> io::Result<Vec<Mount>> {
    // The file has no length to tell how much room is needed, and is made anew for each piece that is read.
    let mut text = Vec::with_capacity(16 * 1024);
    File::open("/proc/self/mountinfo")?.read_to_end(&mut text)?;
    Ok(text.split(|byte| *byte == b'\n').filter_map(parse).collect())
}

/// `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS ...`
fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let number = |field: &[u8]| std::str::from_utf8(field).ok()?.parse().ok();
    let id = number(fields.next()?)?;
    let parent = number(fields.next()?)?;
    let point = PathBuf::from(OsString::from_vec(unescaped(fields.nth(2)?)));
    let flag = |option: &[u8]| match option {
        b"ro" => MountFlags::RDONLY,
        b"nosuid" => MountFlags::NOSUID,
        b"nodev" => MountFlags::NODEV,
        b"noexec" => MountFlags::NOEXEC,
        b"nosymfollow" => NOSYMFOLLOW,
        _ => MountFlags::empty(),
    };
    let flags = fields.next()?.split(|byte| *byte == b',').map(flag).fold(MountFlags::empty(), MountFlags::union);
    Some(Mount { id, parent, point, flags })
}

/// Blank, tab, newline and backslash are written as a backslash and three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let octal = (first == b'\\').then(|| std::str::from_utf8(after.get(..3)?).ok()).flatten();
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    bytes
}

/// The mounts at or below `top` that a path leads to: those that others cover are left out.
pub fn visible<'a>(mounts: &'a [Mount], top: &Path) -> Vec<&'a Mount> {
    let mut on: HashMap<u64, Vec<&Mount>> = HashMap::new();
    for mount in mounts {
        on.entry(mount.parent).or_default().push(mount);
    }
    let upon = |mount: &Mount| on.get(&mount.id).map_or(&[][..], Vec::as_slice);
    // The topmost of those that are mounted at `top`, one upon the other.
    let is_covered = |mount: &Mount| upon(mount).iter().any(|other| other.point == mount.point);
    let Some(root) = mounts.iter().find(|mount| mount.point == top && !is_covered(mount)) else { return Vec::new() };
    let leads_to = |path: &Path| {
        let mut at = root;
        // On the way along the path, whatever is mounted first is entered.
        while let Some(next) = upon(at)
            .iter()
            .filter(|next| path.starts_with(&next.point) && next.point.starts_with(&at.point))
            .min_by_key(|next| next.point.as_os_str().len())
        {
            at = next;
        }
        at.id
    };
    mounts.iter().filter(|mount| mount.point.starts_with(top) && leads_to(&mount.point) == mount.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts(lines: &[&str]) -> Vec<Mount> {
        lines.iter().map(|line| parse(line.as_bytes()).expect("a mount")).collect()
    }

    #[test]
    fn lines_are_read_with_their_escapes_and_flags() {
        let line =
            r"36 35 98:0 /mnt1 /a\040b\134 rw,noexec,nosuid,relatime master:1 - ext3 /dev/root rw,errors=continue";
        assert_eq!(
            parse(line.as_bytes()),
            Some(Mount { id: 36, parent: 35, point: "/a b\\".into(), flags: MountFlags::NOEXEC | MountFlags::NOSUID })
        );
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn what_is_covered_is_not_visible() {
        let all = mounts(&[
            "1 0 0:1 / / rw - x x x",
            "2 1 0:1 / /new rw - x x x",
            "3 2 0:1 / /new/usr rw - x x x",
            "4 3 0:1 / /new/usr/lib rw - x x x",
            "5 2 0:1 / /new/tmp rw - x x x",
            "6 5 0:1 / /new/tmp rw - x x x",
            "7 5 0:1 / /new/tmp/deep rw - x x x",
            "8 3 0:1 / /new/usr rw - x x x",
            "9 2 0:1 / /new/usr2 rw - x x x",
            "10 1 0:1 / /other rw - x x x",
        ]);
        let ids: Vec<u64> = visible(&all, Path::new("/new")).iter().map(|mount| mount.id).collect();
        assert_eq!(ids, [2, 6, 8, 9]);
        assert_eq!(visible(&all, Path::new("/none")), Vec::<&Mount>::new());
    }

    #[test]
    fn this_process_has_a_root() {
        let all = read().expect("readable");
        assert!(visible(&all, Path::new("/")).iter().any(|mount| mount.point == Path::new("/")));
    }
}
