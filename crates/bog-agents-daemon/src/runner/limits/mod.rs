//! What an attempt's tree may consume, and who sees to it: a control group where one was given, else limits of each
//! process and a watchdog that looks at the whole tree several times a second.
//!
//! | limit | control group | without its controller |
//! |---|---|---|
//! | memory and swap | `memory.max`, no swap | watchdog; `RLIMIT_DATA` between two looks |
//! | processes, threads | `pids.max` | watchdog; `RLIMIT_NPROC` between two looks, in a user namespace of its own |
//! | CPU rate | `cpu.max` | watchdog: the tree stands still now and then |
//! | CPU time | the watchdog reads `cpu.stat` | watchdog; `RLIMIT_CPU` for each process |
//! | disk | - | watchdog; `RLIMIT_FSIZE` between two looks |
//! | open files | - | `RLIMIT_NOFILE` |
//!
//! The watchdog ends nothing itself: it says which limit was hit, and the runner's loop ends the tree.

mod cpu;
mod disk;
mod explain;
mod kept;
mod memory;
mod nameless;
mod pace;
mod proc;
mod rlimits;
mod throttle;
mod watchdog;

pub use explain::explain;
pub use rlimits::Rlimits;

use super::protocol::{AttemptSpec, TreeLimits};
use crate::cgroup::{self, Group};
use crate::sandbox::Split;
use bog_domain::containment::{Enforcer, LimitHeld, LimitHit, LimitKind, Mechanism};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::time::Duration;
use watchdog::Watchdog;

/// How much less of the processor the agent gets than the daemon, the runner and whatever else the machine does, where
/// all want it: about a third for each of its processes. It matters to nobody while there is enough for all.
const NICENESS: i32 = 5;

/// The limits of one attempt, in force.
pub struct Limits {
    allowed: TreeLimits,
    group: Option<Group>,
    kernel: Kernel,
    /// Processes of the tree that are the launch stage itself: it stays as the init of a process table of its own.
    init: u32,
    watchdog: Watchdog,
    hit: Option<LimitHit>,
}

/// What the attempt's control group takes over, once the tree is in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kernel {
    /// `memory.max` is set.
    pub memory: bool,
    /// `pids.max` is set.
    pub pids: bool,
    /// `cpu.max` is set.
    pub cpu: bool,
}

/// What is known of an attempt's limits when its tree is gone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// Whether the tree was in a control group of its own.
    pub in_group: bool,
    /// What enforced each limit that was set.
    pub held: Vec<LimitHeld>,
    /// The limit that was hit first.
    pub hit: Option<LimitHit>,
    /// CPU time of the whole tree, in seconds.
    pub cpu_seconds: Option<f64>,
    /// Most memory of the whole tree, in bytes.
    pub peak_memory_bytes: Option<u64>,
}

impl Limits {
    /// Makes the attempt's control group, where it is to have one, and gets ready to look. `dir` is the attempt's folder,
    /// `split` what the sandbox keeps apart already, `now` the time on the clock of the runner's loop.
    pub fn prepare(spec: &AttemptSpec, dir: &Path, split: &Split, now: Duration) -> Self {
        let allowed = spec.limits;
        let init = u32::from(split.held.contains(&Mechanism::PidNamespace));
        // Without its group the attempt is held by what is left.
        let group = spec.cgroup.as_ref().and_then(|path| Group::make(path).ok());
        let kernel = group.as_ref().map_or_else(Kernel::default, |group| Kernel {
            memory: allowed.memory_bytes.is_some_and(|bytes| group.limit_memory(bytes)),
            pids: allowed.pids.is_some_and(|pids| group.limit_pids(u64::from(pids.saturating_add(init)))),
            cpu: allowed.cpu_millis.is_some_and(|millis| group.limit_cpu(millis)),
        });
        let own_segments = split.held.contains(&Mechanism::IpcNamespace);
        let watchdog = Watchdog::new(&allowed, &folders(spec, dir), (init, own_segments), now);
        Self { allowed, group, kernel, init, watchdog, hit: None }
    }

    /// What the launch stage is to do to itself.
    pub fn for_launch(&self) -> Rlimits {
        Rlimits::of(&self.allowed, self.kernel.memory, self.init)
    }

    /// Moves the launch stage into the attempt's group, before it starts anything. Best effort: it is seen whether the tree
    /// is in its group, and looked after if not.
    pub fn take_in(&self, launch: Pid) {
        if let Some(group) = &self.group {
            let _ = group.take_in(launch);
        }
    }

    /// When the next look is due.
    pub fn next_look(&self) -> Duration {
        self.watchdog.next_look()
    }

    /// Looks at the tree, whether it is time or not; a limit that was hit is remembered.
    pub fn look_at_once(&mut self, now: Duration, first: Pid) {
        self.watchdog.look_next_at(now);
        let _ = self.look(now, first);
    }

    /// Looks at the tree, if it is time; `first` is its first process. Returns a limit that was hit, once.
    pub fn look(&mut self, now: Duration, first: Pid) -> Option<LimitHit> {
        if now < self.watchdog.next_look() {
            return None;
        }
        let is_in_group = self.watchdog.is_in_group(self.group.as_ref());
        let group = self.group.as_ref().filter(|_| is_in_group);
        if let Some(group) = group {
            self.kernel = self.kernel.still(group);
        }
        let kernel = group.map_or_else(Kernel::default, |_| self.kernel);
        let found = self.watchdog.look(now, first, self.group.as_ref(), kernel);
        if self.hit.is_some() {
            return None;
        }
        self.hit = found;
        found
    }

    /// To be called before the tree is asked to end: what stands still can do nothing about it.
    pub fn let_go(&mut self) {
        self.watchdog.let_go(self.group.as_ref());
    }

    /// Ends whatever is in the control group at once. Not instead of ending the tree: there may be no group, or a kernel
    /// that cannot.
    pub fn kill(&self) {
        if let Some(group) = &self.group {
            group.kill();
        }
    }

    /// Sums up when the tree is gone, and removes its control group.
    pub fn finish(mut self) -> Report {
        let used = reaped();
        let in_group = self.watchdog.is_in_group(self.group.as_ref());
        let group = self.group.as_ref().filter(|_| in_group);
        let kernel = if in_group { self.kernel } else { Kernel::default() };
        let cpu = group.and_then(Group::cpu_time).unwrap_or_default().max(self.watchdog.cpu_time()).max(used.cpu);
        let peak = group.and_then(Group::memory_peak).unwrap_or_else(|| self.watchdog.memory_peak().max(used.memory));
        let last = self.watchdog.last(cpu, group, kernel);
        let mut hit = self.hit.or(last);
        if let Some(hit) = &mut hit {
            // It went on for a moment.
            hit.peak = hit.peak.max(self.watchdog.peak(hit.limit, cpu));
        }
        let held = self.held(in_group);
        if let Some(group) = &self.group {
            cgroup::end(group.path());
        }
        Report { in_group, held, hit, cpu_seconds: Some(cpu.as_secs_f64()), peak_memory_bytes: Some(peak) }
    }

    fn held(&self, in_group: bool) -> Vec<LimitHeld> {
        let by_kernel = |taken: bool| if in_group && taken { Enforcer::Cgroup } else { Enforcer::Watchdog };
        let allowed = &self.allowed;
        let all = [
            (LimitKind::Memory, allowed.memory_bytes, by_kernel(self.kernel.memory)),
            (LimitKind::Cpu, allowed.cpu_millis, by_kernel(self.kernel.cpu)),
            (LimitKind::CpuSeconds, allowed.cpu_time_ms, Enforcer::Watchdog),
            (LimitKind::Pids, allowed.pids.map(u64::from), by_kernel(self.kernel.pids)),
            (LimitKind::OpenFiles, allowed.open_files.map(u64::from), Enforcer::Rlimit),
            (LimitKind::Disk, allowed.disk_bytes, Enforcer::Watchdog),
        ];
        let set = |(limit, allowed, by)| Some(LimitHeld { limit, allowed: allowed?, by });
        all.into_iter().filter_map(set).collect()
    }
}

impl Kernel {
    /// What of it the group still has. What was taken away stays with the watchdog.
    fn still(self, group: &Group) -> Self {
        Self {
            memory: self.memory && group.limits_memory(),
            pids: self.pids && group.limits_pids(),
            cpu: self.cpu && group.limits_cpu(),
        }
    }
}

/// What the launch stage does first of all: the daemon and the runner must get the processor whatever the agent does with
/// it. A session has a share of its own where the kernel groups by sessions (`sched(7)`, autogroup): there its weight is what
/// counts.
pub fn step_back() {
    let _ = rustix::process::nice(NICENESS);
    let _ = std::fs::write("/proc/self/autogroup", NICENESS.to_string());
}

/// Whether a tree that hit this limit is ended without grace: while it is asked, it takes more of what others need.
pub const fn is_urgent(limit: LimitKind) -> bool {
    match limit {
        LimitKind::Memory | LimitKind::Pids => true,
        LimitKind::Cpu | LimitKind::CpuSeconds | LimitKind::OpenFiles | LimitKind::Disk => false,
    }
}

/// The folders that the disk limit is about: the run's own. A working folder that the job names is its user's, and what
/// was in it before is none of the run's business.
fn folders(spec: &AttemptSpec, dir: &Path) -> Vec<PathBuf> {
    let run = dir.parent().unwrap_or(dir);
    let own = Some(&spec.working_dir).filter(|working_dir| working_dir.starts_with(run));
    own.into_iter().chain(&spec.sandbox.private).cloned().collect()
}

/// What the processes that this one waited for have used, and those that they waited for.
struct Reaped {
    cpu: Duration,
    memory: u64,
}

fn reaped() -> Reaped {
    let Ok(used) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return Reaped { cpu: Duration::ZERO, memory: 0 } };
    let micros = |time: TimeVal| u64::try_from(time.num_microseconds()).unwrap_or_default();
    Reaped {
        cpu: Duration::from_micros(micros(used.user_time()) + micros(used.system_time())),
        // The largest process; Linux counts it in KiB.
        memory: u64::try_from(used.max_rss()).unwrap_or_default() * 1024,
    }
}
