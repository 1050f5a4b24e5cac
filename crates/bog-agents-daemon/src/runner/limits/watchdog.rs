//! The runner's looks at its tree: what it uses and holds against what it may.

use super::cpu::CpuAccount;
use super::disk::DiskWatch;
use super::kept::{Kept, kept};
use super::memory::MemoryWatch;
use super::nameless::{Nameless, nameless};
use super::pace::Pace;
use super::proc::{self, Sample};
use super::throttle::Throttle;
use super::{Kernel, reaped};
use crate::cgroup::Group;
use crate::runner::protocol::TreeLimits;
use bog_domain::containment::{LimitHit, LimitKind};
use nix::unistd::Pid;
use std::path::PathBuf;
use std::time::Duration;

/// A tree that uses more than this part of a core is busy.
const BUSY: u32 = 20;
/// How often it is looked for open files without a name, in a tree that does something, and in one that does not.
const NAMELESS_EVERY: Duration = Duration::from_secs(1);
const NAMELESS_EVERY_IDLE: Duration = Duration::from_secs(10);
/// Where nothing is limited nothing is looked at.
const NEVER: Duration = Duration::MAX;

/// Looks at a tree, again and again.
#[derive(Debug)]
pub struct Watchdog {
    allowed: TreeLimits,
    /// Processes that do not count.
    init: u32,
    /// Whether we share segments of memory with the tree alone.
    own_segments: bool,
    in_group: bool,
    pace: Option<Pace>,
    cpu: CpuAccount,
    memory: MemoryWatch,
    disk: DiskWatch,
    throttle: Throttle,
    kept: Kept,
    nameless: Nameless,
    /// When it was last looked for them, and what CPU time the tree had used then.
    nameless_at: (Duration, Duration),
    pids_peak: u64,
    last: Option<Look>,
}

/// What one look came to.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: Duration,
    cpu: Duration,
    processes: u64,
}

impl Watchdog {
    /// A watchdog over a tree that begins now; `folders` are what its disk limit is about. `split`: how many processes of
    /// the tree do not count, and whether we share segments of memory with it alone.
    pub fn new(allowed: &TreeLimits, folders: &[PathBuf], split: (u32, bool), now: Duration) -> Self {
        let (init, own_segments) = split;
        // Files that a process may have open are the one limit that the kernel holds alone.
        let any = TreeLimits { open_files: None, ..*allowed } != TreeLimits::default();
        Self {
            allowed: *allowed,
            init,
            own_segments,
            in_group: false,
            pace: any.then(|| Pace::new(now)),
            cpu: CpuAccount::default(),
            memory: MemoryWatch::new(allowed.memory_bytes),
            disk: DiskWatch::new(folders),
            throttle: Throttle::new(allowed.cpu_millis, now),
            kept: Kept::default(),
            nameless: Nameless::default(),
            nameless_at: (now, Duration::ZERO),
            pids_peak: 0,
            last: None,
        }
    }

    /// When the next look is due.
    pub fn next_look(&self) -> Duration {
        if self.disk.is_walking() { Duration::ZERO } else { self.pace.as_ref().map_or(NEVER, Pace::next) }
    }

    /// Looks next at this time, not later.
    pub fn look_next_at(&mut self, at: Duration) {
        if let Some(pace) = &mut self.pace {
            pace.put_off(at, at);
        }
    }

    /// Whether the tree is in its group: the kernel may have refused to move it, and then the group's figures say nothing.
    pub fn is_in_group(&mut self, group: Option<&Group>) -> bool {
        self.in_group = self.in_group
            || group.is_some_and(|group| group.is_populated() || group.cpu_time().is_some_and(|used| !used.is_zero()));
        self.in_group
    }

    /// Looks at the tree, of which `first` is the first process; returns a limit that was hit.
    pub fn look(&mut self, now: Duration, first: Pid, group: Option<&Group>, kernel: Kernel) -> Option<LimitHit> {
        if self.pace.as_ref().is_none_or(|pace| now < pace.next()) {
            // Only a walk that goes on.
            return self.look_at_disk(now, self.last.map_or(Duration::ZERO, |last| last.cpu));
        }
        let begun = proc::cpu_clock();
        let group = group.filter(|_| self.in_group);
        let counted = group.and_then(Group::cpu_time);
        let needs_tree = self.needs_tree(group, kernel) || counted.is_some_and(|cpu| self.is_time_for_files(now, cpu));
        let tree = if needs_tree { self.tree() } else { Vec::new() };
        let cpu = counted.unwrap_or_else(|| proc::ticks(self.cpu.look(&tree, to_ticks(reaped().cpu))));
        if self.allowed.memory_bytes.is_some() && !kernel.memory {
            self.kept = kept(&tree, self.own_segments);
        }
        if self.is_time_for_files(now, cpu) {
            self.nameless = nameless(&tree, self.disk.devices(), self.kept.device);
            self.nameless_at = (now, cpu);
        }
        let is_busy = self.take_in(now, cpu, &tree);
        let hit = self.judge(now, cpu, &tree, group, kernel);
        if !kernel.cpu {
            self.throttle.look(now, cpu, first.as_raw(), group);
        }
        let cost = proc::cpu_clock().saturating_sub(begun);
        if let Some(pace) = &mut self.pace {
            pace.looked(now, cost, is_busy || self.memory.is_close());
            if let Some(until) = self.throttle.until() {
                // A tree that stands still uses nothing and holds what it held.
                pace.put_off(now, until);
            }
        }
        hit
    }

    fn needs_tree(&self, group: Option<&Group>, kernel: Kernel) -> bool {
        let (memory, pids) = (self.allowed.memory_bytes.is_some(), self.allowed.pids.is_some());
        group.is_none() || (memory && !kernel.memory) || (pids && !kernel.pids)
    }

    /// Whether to look for open files without a name; without CPU time nobody opens or fills one.
    fn is_time_for_files(&self, now: Duration, cpu: Duration) -> bool {
        let (last, used) = self.nameless_at;
        now >= last + if cpu > used { NAMELESS_EVERY } else { NAMELESS_EVERY_IDLE }
    }

    /// The tree, with those that the kernel's lists missed this time.
    fn tree(&self) -> Vec<Sample> {
        let mut tree = proc::tree();
        let missing = self.cpu.missing(&tree).into_iter();
        let alive = missing.filter_map(|(pid, started)| proc::sample(pid).filter(|now| now.started == started));
        let alive: Vec<Sample> = alive.collect();
        tree.extend(alive);
        tree
    }

    /// Whether the tree does more than a little.
    fn take_in(&mut self, now: Duration, cpu: Duration, tree: &[Sample]) -> bool {
        let look = Look { at: now, cpu, processes: tree.iter().map(|sample| u64::from(sample.threads)).sum() };
        let before = self.last.replace(look);
        before.is_none_or(|before| {
            let used = look.cpu.saturating_sub(before.cpu);
            used * BUSY > look.at.saturating_sub(before.at) || look.processes != before.processes
        })
    }

    fn judge(
        &mut self,
        now: Duration,
        cpu: Duration,
        tree: &[Sample],
        group: Option<&Group>,
        kernel: Kernel,
    ) -> Option<LimitHit> {
        let by_kernel = self.by_kernel(group, kernel);
        if !kernel.pids {
            let processes = tree.iter().map(|sample| u64::from(sample.threads)).sum::<u64>();
            self.pids_peak = self.pids_peak.max(processes.saturating_sub(u64::from(self.init)));
        }
        let unmapped = self.nameless.in_memory + self.kept.bytes;
        let memory = if kernel.memory { None } else { self.memory.look(tree, unmapped, cpu) };
        by_kernel
            .or_else(|| hit(LimitKind::Memory, self.allowed.memory_bytes, memory?))
            .or_else(|| hit(LimitKind::Pids, self.allowed.pids.map(u64::from), self.pids_peak))
            .or_else(|| hit(LimitKind::CpuSeconds, self.allowed.cpu_time_ms, millis(cpu)))
            .or_else(|| self.look_at_disk(now, cpu))
    }

    fn look_at_disk(&mut self, now: Duration, cpu: Duration) -> Option<LimitHit> {
        let allowed = self.allowed.disk_bytes?;
        let bytes = self.disk.look(now, allowed, self.nameless.on_disk, cpu)?;
        hit(LimitKind::Disk, Some(allowed), bytes)
    }

    /// A limit that the group was refused something for.
    fn by_kernel(&self, group: Option<&Group>, kernel: Kernel) -> Option<LimitHit> {
        let group = group?;
        if kernel.memory && group.ran_out_of_memory() {
            let allowed = self.allowed.memory_bytes?;
            return Some(LimitHit { limit: LimitKind::Memory, allowed, peak: group.memory_peak().unwrap_or(allowed) });
        }
        if kernel.pids && group.ran_out_of_pids() {
            let allowed = u64::from(self.allowed.pids?);
            return Some(LimitHit { limit: LimitKind::Pids, allowed, peak: allowed });
        }
        None
    }

    /// Lets the tree run as it likes, for it is to end.
    pub fn let_go(&mut self, group: Option<&Group>) {
        self.throttle.give_up(group);
    }

    /// What the figures say when the tree is gone: an attempt that went over a limit between two looks did so all the
    /// same.
    pub fn last(&mut self, cpu: Duration, group: Option<&Group>, kernel: Kernel) -> Option<LimitHit> {
        let disk = self.allowed.disk_bytes.and_then(|allowed| self.disk.last(allowed));
        self.by_kernel(group, kernel)
            .or_else(|| hit(LimitKind::CpuSeconds, self.allowed.cpu_time_ms, millis(cpu)))
            .or_else(|| hit(LimitKind::Disk, self.allowed.disk_bytes, disk?))
    }

    /// The CPU time that was seen.
    pub fn cpu_time(&self) -> Duration {
        proc::ticks(self.cpu.total())
    }

    /// The most memory that was seen.
    pub fn memory_peak(&self) -> u64 {
        self.memory.peak()
    }

    /// The most that was seen of what a limit is about; `cpu` is all the CPU time there was.
    pub fn peak(&self, limit: LimitKind, cpu: Duration) -> u64 {
        match limit {
            LimitKind::Memory => self.memory.peak(),
            LimitKind::Pids => self.pids_peak,
            LimitKind::CpuSeconds => millis(cpu),
            LimitKind::Disk => self.disk.peak(),
            LimitKind::Cpu | LimitKind::OpenFiles => 0,
        }
    }
}

fn hit(limit: LimitKind, allowed: Option<u64>, peak: u64) -> Option<LimitHit> {
    allowed.filter(|allowed| peak > *allowed).map(|allowed| LimitHit { limit, allowed, peak })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn to_ticks(time: Duration) -> u64 {
    u64::try_from(time.as_nanos() / proc::ticks(1).as_nanos().max(1)).unwrap_or(u64::MAX)
}
