//! The machine: its clock, its zone, its limits, git.

use super::super::context::Context;
use super::Finding;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::process::Command;

/// When this was written; no clock shows less.
const WRITTEN: Timestamp = Timestamp::constant(1_760_000_000, 0);

pub(super) fn check(context: &Context) -> Vec<Finding> {
    let mut findings = vec![clock(context), zone()];
    findings.extend(inotify("max_user_watches", 65_536));
    findings.extend(inotify("max_user_instances", 128));
    findings.push(git());
    findings
}

fn clock(context: &Context) -> Finding {
    const CHECK: &str = "clock";
    let shown = super::super::when::local(context.now, &context.zone);
    if context.now < WRITTEN {
        return Finding::fail(CHECK, format!("it shows {shown}, which is long past: set it"));
    }
    // Our own record cannot come from the future.
    let database = std::fs::metadata(context.data_dir.join("daemon.db")).and_then(|metadata| metadata.modified());
    let written = database.ok().and_then(|at| Timestamp::try_from(at).ok());
    let ahead = written.map_or(SignedDuration::ZERO, |at| at.duration_since(context.now));
    if ahead > SignedDuration::from_secs(60) {
        let ahead = super::super::when::duration(ahead);
        return Finding::warn(
            CHECK,
            format!("it shows {shown}, but the record was written {ahead} later: was it set back?"),
        );
    }
    Finding::ok(CHECK, shown)
}

fn zone() -> Finding {
    const CHECK: &str = "time zone";
    let zone = TimeZone::try_system();
    match zone.as_ref().ok().and_then(TimeZone::iana_name) {
        Some(name) => Finding::ok(CHECK, name),
        None => Finding::warn(CHECK, "the system names none: give cron jobs a `timezone`, or set `TZ`"),
    }
}

fn inotify(name: &'static str, enough: u64) -> Option<Finding> {
    let text = std::fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?;
    let limit: u64 = text.trim().parse().ok()?;
    let check = "file watching";
    Some(if limit < enough {
        let cure = format!("sudo sysctl fs.inotify.{name}={enough}");
        Finding::warn(check, format!("{name} is {limit}: large folders may not be watched; {cure}"))
    } else {
        Finding::ok(check, format!("{name} is {limit}"))
    })
}

fn git() -> Finding {
    const CHECK: &str = "git";
    match Command::new("git").arg("--version").output() {
        Ok(output) if output.status.success() => {
            Finding::ok(CHECK, String::from_utf8_lossy(&output.stdout).trim().trim_start_matches("git ").to_owned())
        }
        Ok(output) => Finding::warn(CHECK, format!("`git --version` ended with {}", output.status)),
        Err(error) => Finding::warn(CHECK, format!("cannot be started ({error}): git triggers and tools need it")),
    }
}
