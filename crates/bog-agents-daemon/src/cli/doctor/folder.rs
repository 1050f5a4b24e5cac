//! The data folder: there, writable, nobody else's business, with room.

use super::super::context::Context;
use super::Finding;
use bog_domain::units::ByteSize;
use std::io::ErrorKind;
use std::path::Path;

const CHECK: &str = "data folder";

/// Below this the record may soon not be written any more.
const LITTLE_SPACE: u64 = 256 << 20;

/// Below this it will not.
const NO_SPACE: u64 = 16 << 20;

pub(super) fn check(context: &Context) -> Vec<Finding> {
    let folder = &context.data_dir;
    let shown = folder.display();
    match std::fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return vec![Finding::fail(CHECK, format!("`{shown}` is not a folder: move it away"))],
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return vec![Finding::ok(CHECK, format!("`{shown}` is not there yet: `bog-agents-daemon run` makes it"))];
        }
        Err(error) => return vec![Finding::fail(CHECK, format!("`{shown}` cannot be looked at: {error}"))],
    }
    let mut findings = vec![writable(folder)];
    findings.extend(permissions(folder));
    findings.extend(space(folder));
    findings
}

fn writable(folder: &Path) -> Finding {
    let probe = folder.join(format!(".doctor-{}", std::process::id()));
    let written = std::fs::write(&probe, "").and_then(|()| std::fs::remove_file(&probe));
    let shown = folder.display();
    match written {
        Ok(()) => Finding::ok(CHECK, format!("`{shown}`, writable")),
        Err(error) => Finding::fail(CHECK, format!("`{shown}` cannot be written: {error}")),
    }
}

#[cfg(unix)]
fn permissions(folder: &Path) -> Vec<Finding> {
    const CHECK: &str = "permissions";
    let mut findings = Vec::new();
    let folders = ["", "jobs", "revisions", "runs"];
    let files = [".token", "daemon.db", "config.toml", "daemon.addr", "daemon.lock"];
    for (names, wanted) in [(&folders[..], 0o700), (&files[..], 0o600)] {
        for name in names {
            let path = if name.is_empty() { folder.to_owned() } else { folder.join(name) };
            let Ok(metadata) = std::fs::metadata(&path) else { continue };
            let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
            if mode & 0o077 != 0 {
                let detail = format!("others may look into `{0}` ({mode:o}): chmod {wanted:o} '{0}'", path.display());
                findings.push(Finding::fail(CHECK, detail));
            }
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "only you may look into it"));
    }
    findings
}

#[cfg(not(unix))]
fn permissions(_folder: &Path) -> Vec<Finding> {
    Vec::new()
}

#[cfg(unix)]
fn space(folder: &Path) -> Option<Finding> {
    const CHECK: &str = "free space";
    let figures = match nix::sys::statvfs::statvfs(folder) {
        Ok(figures) => figures,
        Err(error) => return Some(Finding::warn(CHECK, format!("cannot be found out: {error}"))),
    };
    let free = wide(figures.blocks_available()).saturating_mul(wide(figures.fragment_size()));
    let unit = if free >= 10 << 30 { 30 } else { 20 };
    let shown = ByteSize::new(free >> unit << unit);
    Some(match free {
        0..NO_SPACE => Finding::fail(CHECK, format!("{shown}: nothing new can be written down; make room")),
        NO_SPACE..LITTLE_SPACE => Finding::warn(CHECK, format!("{shown}: make room soon")),
        LITTLE_SPACE.. => Finding::ok(CHECK, shown.to_string()),
    })
}

/// The types of these figures differ between systems.
#[cfg(unix)]
fn wide(figure: impl Into<u64>) -> u64 {
    figure.into()
}

#[cfg(not(unix))]
fn space(_folder: &Path) -> Option<Finding> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::Verdict;
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_others_may_look_into_comes_with_the_cure() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700)).unwrap();
        let token = folder.path().join(".token");
        std::fs::write(&token, "x").unwrap();
        std::fs::set_permissions(&token, PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(permissions(folder.path())[0].verdict, Verdict::Ok);
        std::fs::set_permissions(&token, PermissionsExt::from_mode(0o644)).unwrap();
        let findings = permissions(folder.path());
        let shown = token.display();
        assert_eq!(
            findings,
            [Finding::fail("permissions", format!("others may look into `{shown}` (644): chmod 600 '{shown}'"))]
        );
    }
}
