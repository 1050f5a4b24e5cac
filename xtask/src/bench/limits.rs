//! What this disk and this kernel can do at best, so that the other figures can be judged.

use super::stats::{Samples, ms, per_second};
use super::{Effort, Row, daemon};
use anyhow::{Context as _, Result};
use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Serial rates of the things that cannot be made faster from here.
pub struct Limits {
    /// Appends of 4 KiB, each followed by `fdatasync`, in the file system of the benchmark's data folders.
    pub fsync: Samples,
    /// Appends a second.
    pub fsync_per_second: f64,
    /// `/bin/true` started and waited for.
    pub spawn: Samples,
}

impl Limits {
    /// The rows at the head of the table.
    pub fn rows(&self) -> Vec<Row> {
        let fsync = format!("{:.0} a second, {}", self.fsync_per_second, self.fsync.p50_p99());
        vec![
            Row::new("limit: serial append of 4 KiB + fdatasync, same file system", fsync, "-"),
            Row::new("limit: fork + exec + wait of /bin/true", self.spawn.p50_p99(), "-"),
        ]
    }

    /// The least accepts a second that the table asks for on this disk.
    pub fn accept_target(&self) -> (f64, String) {
        if self.fsync_per_second < 1000.0 {
            (self.fsync_per_second * 8.0, "8 times the fsync rate".to_owned())
        } else {
            (5000.0, format!("the fsync p50 is {}", ms(self.fsync.percentile(50))))
        }
    }
}

/// Measures both limits.
///
/// # Errors
/// When the file cannot be written or `/bin/true` cannot be run.
pub fn measure(effort: Effort) -> Result<Limits> {
    let scratch = daemon::Scratch::new("limits")?;
    let (fsync, fsync_per_second) = fsync(&scratch, Duration::from_secs(effort.pick(5, 1)))?;
    Ok(Limits { fsync, fsync_per_second, spawn: spawn(effort.pick(500, 100))? })
}

fn fsync(scratch: &daemon::Scratch, window: Duration) -> Result<(Samples, f64)> {
    let path = scratch.path().join("appended");
    let mut file = File::create(&path).with_context(|| format!("`{}` cannot be created", path.display()))?;
    let block = [7_u8; 4096];
    let start = Instant::now();
    let mut samples = Vec::new();
    while start.elapsed() < window {
        let before = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        samples.push(before.elapsed());
    }
    let rate = per_second(samples.len(), start.elapsed());
    Ok((Samples::new(samples), rate))
}

fn spawn(count: usize) -> Result<Samples> {
    let one = |_| {
        let before = Instant::now();
        Command::new("/bin/true").stdin(Stdio::null()).status().context("`/bin/true` cannot be run")?;
        Ok(before.elapsed())
    };
    Ok(Samples::new((0..count).map(one).collect::<Result<_>>()?))
}
