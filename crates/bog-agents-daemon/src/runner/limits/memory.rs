//! Memory of a tree, from looks at its processes: what it holds that cannot be read again from a file.
//!
//! The cheapest figure that settles it is taken. What is resident, libraries and all, is more than what counts; pages
//! that processes share are in there once for each. Only where those sums are over the limit, or well over all that was
//! seen before, are shares asked for, page by page (`smaps_rollup`, which costs some milliseconds for 100 MiB).

use super::proc::{self, Held, Sample};
use std::time::Duration;

/// Watches what a tree holds.
#[derive(Debug)]
pub struct MemoryWatch {
    /// The limit, where it is this watch that enforces it.
    allowed: Option<u64>,
    /// Whether memory may be swapped out, so that what is resident says too little.
    swap: bool,
    /// The most that was measured exactly.
    peak: u64,
    /// The most that was ever resident, and that was ever held as the sums have it.
    resident_seen: u64,
    held_seen: u64,
    last: Option<Exact>,
}

/// An exact measurement and what it was made of.
#[derive(Debug, Clone, Copy)]
struct Exact {
    held: u64,
    cpu: Duration,
    bytes: u64,
}

impl MemoryWatch {
    /// A watch with this limit, in bytes; without one it only keeps the peak.
    pub fn new(allowed: Option<u64>) -> Self {
        Self { allowed, swap: proc::has_swap(), peak: 0, resident_seen: 0, held_seen: 0, last: None }
    }

    /// Looks at the tree; returns what it holds where that is too much. `unmapped` are the bytes of files
    /// in memory and segments that are its own whether anyone has them mapped or not, `cpu` is the CPU time it has used.
    pub fn look(&mut self, tree: &[Sample], unmapped: u64, cpu: Duration) -> Option<u64> {
        let allowed = self.allowed.unwrap_or(u64::MAX);
        let resident = tree.iter().map(|sample| sample.resident_bytes).sum::<u64>() + unmapped;
        if !self.swap && resident <= allowed.min(well_over(self.resident_seen)) {
            return None;
        }
        self.resident_seen = self.resident_seen.max(resident);
        let held = total(tree, unmapped, proc::held);
        if held <= allowed.min(well_over(self.held_seen)) {
            return None;
        }
        self.held_seen = self.held_seen.max(held);
        let bytes = match self.last {
            // Shares change when someone writes or ends. The one takes CPU time, the other makes the sum smaller.
            Some(last) if last.held == held && last.cpu == cpu => last.bytes,
            Some(_) | None => total(tree, unmapped, |pid| proc::held_exactly(pid).unwrap_or_else(|| proc::held(pid))),
        };
        self.last = Some(Exact { held, cpu, bytes });
        self.peak = self.peak.max(bytes);
        (bytes > allowed).then_some(bytes)
    }

    /// The most that was measured.
    pub fn peak(&self) -> u64 {
        self.peak
    }

    /// Whether a hog would be over the limit soon.
    pub fn is_close(&self) -> bool {
        self.allowed.is_some_and(|allowed| self.resident_seen > allowed / 2)
    }
}

/// Under this nothing new is worth measuring: a quarter over what was seen.
fn well_over(seen: u64) -> u64 {
    seen.saturating_add(seen / 4)
}

/// What the tree holds, by one of the two measures. A file in memory may be open, mapped or both, and there is no telling
/// which: the larger of the two figures is never too much.
fn total(tree: &[Sample], unmapped: u64, measure: impl Fn(i32) -> Held) -> u64 {
    let alive = tree.iter().filter(|sample| !sample.zombie);
    let (anonymous, shared) = alive
        .map(|sample| measure(sample.pid))
        .fold((0, 0), |(anonymous, shared), held| (anonymous + held.anonymous, shared + held.shared));
    anonymous + shared.max(unmapped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn this_process() -> Vec<Sample> {
        vec![proc::sample(nix::unistd::Pid::this().as_raw()).expect("this process")]
    }

    #[test]
    fn only_what_is_held_counts() {
        let tree = this_process();
        let exactly = proc::held_exactly(tree[0].pid).expect("its own").anonymous;
        let mut roomy = MemoryWatch::new(Some(1 << 40));
        assert_eq!(roomy.look(&tree, 0, Duration::ZERO), None);
        assert!(roomy.peak() >= exactly / 2 && roomy.peak() > 0, "the first look measures: {}", roomy.peak());
        let mut tight = MemoryWatch::new(Some(1));
        assert!(tight.look(&tree, 0, Duration::ZERO).is_some_and(|held| held >= exactly / 2));
    }

    #[test]
    fn files_in_memory_count_though_nobody_maps_them() {
        let tree = this_process();
        let mut watch = MemoryWatch::new(Some(1 << 40));
        assert!(watch.look(&tree, 1 << 41, Duration::ZERO).is_some_and(|held| held > 1 << 41));
    }
}
