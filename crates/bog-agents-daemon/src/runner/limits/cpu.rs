//! CPU time of a tree, from looks at its processes.
//!
//! Of a process that lives, `/proc` tells its own time and that of the descendants it has waited for. The time of one
//! that is gone turns up with whoever waited for it - unless nobody does: a parent that ignores SIGCHLD has its children
//! forgotten, time and all (`wait(2)`). So what was last seen of every process that vanished is set against what the
//! others' waiting brought in, and whatever is missing is kept. What lives and dies between two looks under such a
//! parent is never seen; with a control group the kernel counts that too.

use super::proc::Sample;
use std::collections::{HashMap, HashSet};

/// Adds up the CPU time of a tree, look by look. All times are in clock ticks.
#[derive(Debug, Default)]
pub struct CpuAccount {
    /// Every process of the last look: `(own, waited)`.
    seen: HashMap<(i32, u64), (u64, u64)>,
    /// What the runner itself had waited for at the last look.
    runner_waited: u64,
    /// Last seen of all that vanished, up to the look before the last: what vanished since may not have arrived yet.
    vanished: u64,
    /// What vanished between the last two looks.
    vanishing: u64,
    /// What waiting brought in.
    arrived: u64,
    total: u64,
}

impl CpuAccount {
    /// The processes of the last look, `(pid, started)`, that are not in `tree`.
    pub fn missing(&self, tree: &[Sample]) -> Vec<(i32, u64)> {
        let found: HashSet<(i32, u64)> = tree.iter().map(|sample| (sample.pid, sample.started)).collect();
        self.seen.keys().filter(|process| !found.contains(process)).copied().collect()
    }

    /// Takes in a look: every process of the tree, and what the runner has waited for. Returns the total so far, which
    /// never falls.
    pub fn look(&mut self, tree: &[Sample], runner_waited: u64) -> u64 {
        self.vanished += std::mem::take(&mut self.vanishing);
        let mut before = std::mem::take(&mut self.seen);
        let (mut own, mut waited) = (0, 0);
        for sample in tree {
            let key = (sample.pid, sample.started);
            if let Some((_, waited_before)) = before.remove(&key) {
                self.arrived += sample.waited_ticks.saturating_sub(waited_before);
            }
            self.seen.insert(key, (sample.own_ticks, sample.waited_ticks));
            own += sample.own_ticks;
            waited += sample.waited_ticks;
        }
        self.arrived += runner_waited.saturating_sub(self.runner_waited);
        self.runner_waited = runner_waited;
        self.vanishing = before.values().map(|(own, waited)| own + waited).sum();
        let forgotten = self.vanished.saturating_sub(self.arrived);
        self.total = self.total.max(own + waited + runner_waited + forgotten);
        self.total
    }

    /// The total at the last look.
    pub fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn process(pid: i32, own_ticks: u64, waited_ticks: u64) -> Sample {
        Sample {
            pid,
            started: 1,
            zombie: false,
            stopped: false,
            threads: 1,
            own_ticks,
            waited_ticks,
            resident_bytes: 0,
        }
    }

    #[test]
    fn what_nobody_waits_for_is_kept() {
        let mut account = CpuAccount::default();
        account.look(&[process(1, 5, 0), process(2, 40, 0)], 0);
        assert_eq!(account.look(&[process(1, 6, 0)], 0), 45, "it may yet arrive");
        assert_eq!(account.look(&[process(1, 7, 0)], 0), 47, "it was forgotten");
        assert_eq!(account.look(&[process(1, 7, 0), process(3, 30, 0)], 0), 77);
        account.look(&[process(1, 8, 0)], 0);
        assert_eq!(account.look(&[process(1, 8, 0)], 0), 78);
    }

    #[test]
    fn what_is_waited_for_counts_once() {
        let mut account = CpuAccount::default();
        account.look(&[process(1, 5, 0), process(2, 40, 0)], 0);
        assert_eq!(account.look(&[process(1, 6, 42)], 0), 48);
        assert_eq!(account.look(&[process(1, 6, 42)], 0), 48);
        account.look(&[], 50);
        assert_eq!(account.look(&[], 50), 50, "the runner waited for the rest");
    }

    /// A tree of processes as the kernel keeps it: each with its parent, own and waited time.
    #[derive(Default)]
    struct World {
        processes: Vec<(i32, i32, u64, u64)>,
        runner_waited: u64,
        spent: u64,
        next_pid: i32,
    }

    impl World {
        fn step(&mut self, (action, at, amount): (u8, usize, u64)) {
            let count = self.processes.len();
            match action {
                0 => {
                    let parent = if count == 0 { 0 } else { self.processes[at % count].0 };
                    self.next_pid += 1;
                    self.processes.push((self.next_pid, parent, 0, 0));
                }
                1 if count > 0 => {
                    self.processes[at % count].2 += amount;
                    self.spent += amount;
                }
                2 if count > 0 => {
                    let (pid, parent, own, waited) = self.processes.remove(at % count);
                    for child in &mut self.processes {
                        if child.1 == pid {
                            child.1 = 0;
                        }
                    }
                    match self.processes.iter_mut().find(|process| process.0 == parent) {
                        Some(parent) => parent.3 += own + waited,
                        None => self.runner_waited += own + waited,
                    }
                }
                _ => {}
            }
        }

        fn samples(&self) -> Vec<Sample> {
            self.processes.iter().map(|(pid, _, own, waited)| process(*pid, *own, *waited)).collect()
        }
    }

    proptest! {
        #[test]
        fn a_tree_that_is_waited_for_is_counted_exactly(
            steps in prop::collection::vec((0_u8..4, 0_usize..64, 0_u64..100), 0..200)
        ) {
            let mut world = World::default();
            let mut account = CpuAccount::default();
            for step in steps {
                if step.0 == 3 {
                    let total = account.look(&world.samples(), world.runner_waited);
                    prop_assert_eq!(total, world.spent);
                } else {
                    world.step(step);
                }
            }
        }
    }
}
