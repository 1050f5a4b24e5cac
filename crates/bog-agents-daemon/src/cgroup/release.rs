//! The hidden command `cgroup release`, for a unit of a systemd before version 254 (`ExecStopPost=`).
//!
//! There a unit is started in its own group, which takes no process while groups below it have controllers and live
//! processes in them: the runs that a daemon left behind when it was restarted or killed. This takes the controllers away
//! when the daemon is gone; systemd runs it in a group of its own (`.control`). The runs go on; their runners see it and
//! hold the limits by their watchdogs from then on. Newer versions start a unit in the group that `DelegateSubgroup=`
//! names, and need none of it.

use super::place::find;
use super::{SUBTREE_CONTROL, listed};
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

/// The words of the command.
const WORDS: [&str; 2] = ["cgroup", "release"];

/// Runs the hidden command, if these are its words. Where nothing is delegated there is nothing to do.
#[must_use]
pub fn dispatch(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    if !args.into_iter().skip(1).eq(WORDS) {
        return None;
    }
    if let Ok(place) = find("self") {
        release(&place.base);
    }
    Some(ExitCode::SUCCESS)
}

/// Takes the controllers away from everything below `group`, the innermost first. What is refused shows when the unit is
/// started.
fn release(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            release(&entry.path());
        }
    }
    for controller in listed(&group.join(SUBTREE_CONTROL)) {
        let _ = fs::write(group.join(SUBTREE_CONTROL), format!("-{controller}"));
    }
}
