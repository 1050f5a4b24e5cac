//! CPU time of a daemon with 10,000 jobs, none of them due.

use super::daemon::{Daemon, Scratch};
use super::limits::Limits;
use super::{Effort, Row, jobs, proc};
use anyhow::Result;
use std::time::{Duration, Instant};

/// Watches for 30 seconds (5 when quick), from ten seconds after the daemon became ready.
pub fn measure(effort: Effort, _: &Limits) -> Result<Vec<Row>> {
    let data = Scratch::new("idle-cpu")?;
    jobs::cron(&data, "idle", 10_000, jobs::NEVER_DUE)?;
    Daemon::start(&data)?.stop()?;
    let daemon = Daemon::start(&data)?;
    std::thread::sleep(Duration::from_secs(10));
    let start = Instant::now();
    let before = proc::cpu_by_thread(daemon.pid())?;
    std::thread::sleep(Duration::from_secs(effort.pick(30, 5)));
    let after = proc::cpu_by_thread(daemon.pid())?;
    let percent = proc::cpu_between(&before, &after).as_secs_f64() / start.elapsed().as_secs_f64() * 100.0;
    daemon.stop()?;
    let what = "idle CPU, 10000 jobs none due";
    Ok(vec![Row::new(what, format!("{percent:.3} % of a core"), "0.1 % of a core")])
}
