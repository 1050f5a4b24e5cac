//! What `/proc` says of the processes of a tree: who they are, what they have used, what they hold.
//!
//! Formats: `proc_pid_stat(5)`, `proc_pid_status(5)`, `proc_pid_smaps(5)`, `proc_tid_children(5)`. A process that ends
//! while it is looked at is left out.

use crate::runner::tree::{self, Process};
use nix::time::{ClockId, clock_gettime};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::time::Duration;

/// More than one line of `stat` takes: 52 numbers and a name of at most 64 bytes.
const STAT_BYTES: usize = 2048;

/// One process, or what is left of it, as it was when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Its id.
    pub pid: i32,
    /// When it was started, in clock ticks since boot: with the pid, this names one process.
    pub started: u64,
    /// Whether it is dead and only waits to be reaped.
    pub zombie: bool,
    /// Whether it was stopped, by a signal or a debugger.
    pub stopped: bool,
    /// How many threads it has; at least one.
    pub threads: u32,
    /// CPU time of its own, in clock ticks.
    pub own_ticks: u64,
    /// CPU time of the descendants that were waited for, in clock ticks.
    pub waited_ticks: u64,
    /// Its pages in memory, those of its program and libraries included.
    pub resident_bytes: u64,
}

/// Memory that a process holds and that cannot be read again from a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Of its own, swapped out or not.
    pub anonymous: u64,
    /// Shared memory and files in memory, as far as it has them mapped.
    pub shared: u64,
}

impl Sample {
    /// The process, to be signalled.
    pub fn process(&self) -> Process {
        // The parent is of no interest to a signal.
        Process { pid: self.pid, parent: 0, started: self.started, zombie: self.zombie }
    }
}

/// Looks at one process.
pub fn sample(pid: i32) -> Option<Sample> {
    let mut buffer = [0; STAT_BYTES];
    let mut file = File::open(format!("/proc/{pid}/stat")).ok()?;
    let length = file.read(&mut buffer).ok()?;
    parse_stat(pid, &String::from_utf8_lossy(&buffer[..length]), rustix::param::page_size() as u64)
}

/// `PID (NAME) STATE ...`: the name may hold anything, so the fields are counted from its last parenthesis.
fn parse_stat(pid: i32, stat: &str, page: u64) -> Option<Sample> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    // Fields are numbered from 1 in the manual; the state is 3.
    let mut number = |skip: usize| fields.nth(skip)?.parse::<u64>().ok();
    let (user, system) = (number(10)?, number(0)?);
    let (waited_user, waited_system) = (number(0)?, number(0)?);
    let threads = number(2)?;
    let started = number(1)?;
    let resident = number(1)?;
    Some(Sample {
        pid,
        started,
        zombie: matches!(state, "Z" | "X" | "x"),
        stopped: matches!(state, "T" | "t"),
        threads: u32::try_from(threads).unwrap_or(u32::MAX).max(1),
        own_ticks: user + system,
        waited_ticks: waited_user + waited_system,
        resident_bytes: resident * page,
    })
}

/// Every process below the calling one, zombies included, each after its parent; without the child that is set apart.
///
/// It follows the kernel's lists of children, so that it costs what the tree is worth and not what the machine runs.
/// Such a list may miss an entry while others leave it: one look may, the next will not.
pub fn tree() -> Vec<Sample> {
    let own = nix::unistd::Pid::this().as_raw();
    let Some(first) = children_of_thread(own, own) else {
        // A kernel without these lists (CONFIG_PROC_CHILDREN).
        return tree::descendants().into_iter().filter_map(|process| sample(process.pid)).collect();
    };
    let mut known: HashSet<i32> = HashSet::from([own]);
    known.extend(tree::apart().map(nix::unistd::Pid::as_raw));
    let mut found: Vec<Sample> = Vec::new();
    let mut next = first;
    let mut looked_at = 0;
    loop {
        found.extend(next.into_iter().filter(|pid| known.insert(*pid)).filter_map(sample));
        let Some(parent) = found.get(looked_at) else { return found };
        next = children(parent);
        looked_at += 1;
    }
}

fn children(parent: &Sample) -> Vec<i32> {
    if parent.threads == 1 {
        return children_of_thread(parent.pid, parent.pid).unwrap_or_default();
    }
    let threads = fs::read_dir(format!("/proc/{}/task", parent.pid)).into_iter().flatten().flatten();
    let threads = threads.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    threads.filter_map(|thread| children_of_thread(parent.pid, thread)).flatten().collect()
}

fn children_of_thread(pid: i32, thread: i32) -> Option<Vec<i32>> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{thread}/children")).ok()?;
    Some(list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}

/// What a process holds, pages it shares with others counted in full. Nothing for a zombie.
pub fn held(pid: i32) -> Held {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let of = |name| kib(&status, name).unwrap_or_default();
    Held { anonymous: of("RssAnon:") + of("VmSwap:"), shared: of("RssShmem:") }
}

/// What a process holds, pages it shares with others counted by its share of them. `None` where we may not know: that
/// takes the right to trace it.
pub fn held_exactly(pid: i32) -> Option<Held> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    Some(parse_rollup(&rollup))
}

fn parse_rollup(rollup: &str) -> Held {
    let swapped = kib(rollup, "SwapPss:").unwrap_or_default();
    match (kib(rollup, "Pss_Anon:"), kib(rollup, "Pss_Shmem:")) {
        (Some(anonymous), Some(shared)) => Held { anonymous: anonymous + swapped, shared },
        // Before Linux 5.4 the files it has mapped are in it too; there is no better figure.
        (Some(_), None) | (None, _) => Held { anonymous: kib(rollup, "Pss:").unwrap_or_default() + swapped, shared: 0 },
    }
}

/// The value, in bytes, of a line `NAME NUMBER kB`.
fn kib(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Whether anything may be swapped out: then what is in memory is not all that a process holds.
pub fn has_swap() -> bool {
    // A title, then a line for each.
    fs::read_to_string("/proc/swaps").is_ok_and(|swaps| swaps.lines().count() > 1)
}

/// Whether a process is the first one of a pid namespace of its own.
pub fn is_init(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    // One number for each namespace it is in, the outermost first.
    let numbers: Vec<&str> = numbers.split_ascii_whitespace().collect();
    matches!(numbers[..], [_, .., "1"])
}

/// The length of so many clock ticks.
pub fn ticks(count: u64) -> Duration {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_nanos(count.saturating_mul(1_000_000_000 / per_second))
}

/// The CPU time of this process so far: what a piece of our own work costs.
pub fn cpu_clock() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or_else(|_| Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_anything() {
        let stat =
            "7 (a) Z (b) T 3 7 7 0 -1 4194560 1 0 0 0 11 12 130 140 20 0 5 0 4242 2000000 300 18446744073709551615 1";
        let expected = Sample {
            pid: 7,
            started: 4242,
            zombie: false,
            stopped: true,
            threads: 5,
            own_ticks: 23,
            waited_ticks: 270,
            resident_bytes: 300 * 4096,
        };
        assert_eq!(parse_stat(7, stat, 4096), Some(expected));
        assert_eq!(parse_stat(7, "7 (a) Z", 4096), None);
    }

    #[test]
    fn shares_are_read_where_the_kernel_tells_them_apart() {
        let rollup = "55d0-7ffd ---p 00000000 00:00 0 [rollup]\nRss: 900 kB\nPss: 500 kB\nPss_Anon: 300 kB\n\
                      Pss_File: 150 kB\nPss_Shmem: 50 kB\nSwap: 9 kB\nSwapPss: 8 kB\n";
        assert_eq!(parse_rollup(rollup), Held { anonymous: 308 * 1024, shared: 50 * 1024 });
        let old = "Rss: 900 kB\nPss: 500 kB\nSwapPss: 8 kB\n";
        assert_eq!(parse_rollup(old), Held { anonymous: 508 * 1024, shared: 0 });
    }

    #[test]
    fn this_process_is_seen_as_it_is() {
        let own = nix::unistd::Pid::this().as_raw();
        let seen = sample(own).expect("this process");
        assert!(!seen.zombie && !seen.stopped && seen.threads >= 1 && seen.resident_bytes > 100_000);
        let (all, mine) = (held(own), held_exactly(own).expect("its own"));
        assert!(all.anonymous > 0 && mine.anonymous > 0);
        assert!(!is_init(own));
    }
}
