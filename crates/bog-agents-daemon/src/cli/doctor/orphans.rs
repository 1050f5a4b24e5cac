//! Processes that outlived their runs: none should, and how many ever did is on record.

use super::super::context::Context;
use super::super::when::local;
use super::Finding;
use crate::store;

const CHECK: &str = "orphans";

pub(super) fn check(context: &Context) -> Option<Finding> {
    let database = context.data_dir.join("daemon.db");
    if !database.exists() {
        return None;
    }
    Some(match store::orphans(&database) {
        Ok(store::Orphans { ended: 0, .. }) => Finding::ok(CHECK, "no process ever outlived its run"),
        Ok(store::Orphans { ended, last_at }) => {
            let last = last_at.map(|at| format!(", the last at {}", local(at, &context.zone))).unwrap_or_default();
            Finding::warn(
                CHECK,
                format!("{ended} processes outlived their runs and were ended{last}: the daemon's log names the runs"),
            )
        }
        Err(error) => Finding::fail(CHECK, format!("`{}` cannot be read: {error}", database.display())),
    })
}
