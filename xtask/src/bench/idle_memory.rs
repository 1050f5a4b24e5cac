//! Memory of an idle daemon, with no jobs and with 10,000.

use super::daemon::{Daemon, Scratch};
use super::limits::Limits;
use super::{Effort, Row, jobs, proc};
use anyhow::Result;
use std::time::Duration;

/// Takes the figure of a second start, because the first one also takes the job files in; after it has settled.
pub fn measure(_: Effort, _: &Limits) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (count, target) in [(0, "20 MB"), (10_000, "45 MB")] {
        let data = Scratch::new("idle-memory")?;
        jobs::cron(&data, "idle", count, jobs::NEVER_DUE)?;
        Daemon::start(&data)?.stop()?;
        let daemon = Daemon::start(&data)?;
        let mut kib = proc::pss_kib(daemon.pid())?;
        for _ in 0..10 {
            std::thread::sleep(Duration::from_secs(1));
            let now = proc::pss_kib(daemon.pid())?;
            if now == kib {
                break;
            }
            kib = now;
        }
        let mb = Duration::from_micros(kib * 1024).as_secs_f64();
        let what = format!("idle memory (PSS of the daemon's one process), {count} jobs");
        rows.push(Row::new(what, format!("{mb:.1} MB"), target));
        daemon.stop()?;
    }
    Ok(rows)
}
