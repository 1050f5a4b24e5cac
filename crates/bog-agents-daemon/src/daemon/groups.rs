//! The daemon's part of the control groups, taken once at the start.

use crate::cgroup::{self, Subtree};

/// Takes what was delegated to this daemon, if anything was; without it runs are held by limits of each process and a
/// watchdog. The groups of its runs are named after its `instance`: several daemons may share what was delegated.
pub(super) fn take(instance: &str) -> Option<Subtree> {
    let place = match cgroup::find("self") {
        Ok(place) => place,
        Err(why) => {
            tracing::info!(%why, "no control groups: runs are limited by process, and by a watchdog");
            return None;
        }
    };
    match Subtree::take(&place, instance) {
        Ok(subtree) => {
            let controllers: Vec<&str> = subtree.controllers().iter().map(|controller| controller.as_str()).collect();
            tracing::info!(cgroup = %subtree.base().display(), ?controllers, "runs have control groups");
            Some(subtree)
        }
        Err(error) => {
            tracing::warn!(cgroup = %place.base.display(), %error, "control groups cannot be used; a watchdog limits runs");
            None
        }
    }
}
