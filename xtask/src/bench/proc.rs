//! What Linux says of a process.

use anyhow::{Context as _, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// Proportional set size in KiB: what the process would give back if it ended, plus its part of what it shares.
///
/// # Errors
/// When the process is gone, or this is not Linux.
pub fn pss_kib(pid: u32) -> Result<u64> {
    let file = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&file).with_context(|| format!("`{file}` cannot be read"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let value = line.and_then(|line| line.trim().strip_suffix("kB")).and_then(|number| number.trim().parse().ok());
    value.with_context(|| format!("`{file}` has no `Pss:`"))
}

/// CPU time of every thread so far, in nanoseconds, by thread id. Ticks of 10 ms would be too coarse here.
///
/// # Errors
/// When the process is gone, or this is not Linux.
pub fn cpu_by_thread(pid: u32) -> Result<BTreeMap<String, u64>> {
    let mut threads = BTreeMap::new();
    let folder = format!("/proc/{pid}/task");
    for entry in fs::read_dir(&folder).with_context(|| format!("`{folder}` cannot be read"))? {
        let entry = entry?;
        // A thread may end between the listing and the reading.
        let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) else { continue };
        let Some(Ok(nanos)) = text.split(' ').next().map(str::parse) else { bail!("`{text}` is no schedstat line") };
        threads.insert(entry.file_name().to_string_lossy().into_owned(), nanos);
    }
    Ok(threads)
}

/// CPU time between two readings; a thread that ended in between is lost, a new one counts in full.
pub fn cpu_between(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> Duration {
    let spent = |(id, nanos): (&String, &u64)| nanos.saturating_sub(before.get(id).copied().unwrap_or(0));
    Duration::from_nanos(after.iter().map(spent).sum())
}
