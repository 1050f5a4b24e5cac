//! Time from starting the program to the line that says it is ready.

use super::daemon::{Daemon, Scratch};
use super::limits::Limits;
use super::stats::{Samples, ms};
use super::{Effort, Row, jobs};
use anyhow::Result;

/// The first start takes the job files in and warms the cache; it is printed apart.
pub fn measure(effort: Effort, _: &Limits) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (count, target) in [(0, "50 ms"), (10_000, "400 ms")] {
        let data = Scratch::new("start")?;
        jobs::cron(&data, "idle", count, jobs::NEVER_DUE)?;
        let first = Daemon::start(&data)?;
        let first_after = first.ready_after;
        first.stop()?;
        let mut samples = Vec::new();
        for _ in 0..effort.pick(9, 3) {
            let daemon = Daemon::start(&data)?;
            samples.push(daemon.ready_after);
            daemon.stop()?;
        }
        let samples = Samples::new(samples);
        let worst = ms(samples.percentile(100));
        let measured = format!("p50 {}, worst {worst}, first {}", ms(samples.percentile(50)), ms(first_after));
        rows.push(Row::new(format!("start to ready, warm cache, {count} jobs"), measured, target));
    }
    Ok(rows)
}
