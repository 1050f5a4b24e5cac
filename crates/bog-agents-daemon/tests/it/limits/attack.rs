//! One attack: a command within limits, with or without a control group.

use crate::runner::attempt::{Attempt, ended, outcome};
use crate::support::machine;
use bog_agents_daemon::cgroup::{Controller, Subtree, find};
use bog_agents_daemon::runner::handle::{OutcomeRecord, TreeLimits};
use bog_agents_daemon::sandbox::policy::Enforcement;
use bog_domain::containment::{Enforcer, LimitHit, LimitKind, Mechanism};
use bog_domain::run::Outcome;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

pub const MIB: u64 = 1 << 20;

/// Where an attack is made.
#[derive(Debug, Clone)]
pub struct Ground {
    confined: bool,
    groups: Option<Subtree>,
}

impl Ground {
    /// On the host itself, by limits of each process and the watchdog; and in a sandbox, by a control group with the
    /// controllers that the machine has, or again without. A machine that is said to have controllers is there for them.
    pub fn all() -> [Self; 2] {
        let groups = groups();
        let on_host = groups.clone().filter(|_| machine::expects("controllers"));
        [Self { confined: false, groups: on_host }, Self { confined: true, groups }]
    }

    /// On the host, in a control group.
    pub fn grouped(groups: Subtree) -> Self {
        Self { confined: false, groups: Some(groups) }
    }

    /// Whether the kernel itself holds the whole tree to this limit.
    pub fn has_kernel_for(&self, limit: LimitKind) -> bool {
        let controller = match limit {
            LimitKind::Memory => Controller::Memory,
            LimitKind::Pids => Controller::Pids,
            LimitKind::Cpu => Controller::Cpu,
            LimitKind::CpuSeconds | LimitKind::OpenFiles | LimitKind::Disk => return false,
        };
        self.groups.as_ref().is_some_and(|groups| groups.controllers().contains(&controller))
    }

    fn enforcer(&self, limit: LimitKind) -> Enforcer {
        match limit {
            _ if self.has_kernel_for(limit) => Enforcer::Cgroup,
            LimitKind::OpenFiles => Enforcer::Rlimit,
            LimitKind::Memory | LimitKind::Pids | LimitKind::Cpu | LimitKind::CpuSeconds | LimitKind::Disk => {
                Enforcer::Watchdog
            }
        }
    }
}

/// The part of the hierarchy that these tests may use; the reason is printed where there is none.
pub fn groups() -> Option<Subtree> {
    static GROUPS: OnceLock<Option<Subtree>> = OnceLock::new();
    let take = || {
        let place = find("self").map_err(|why| why.to_string())?;
        Subtree::take(&place, &format!("test-{}", std::process::id())).map_err(|why| why.to_string())
    };
    GROUPS.get_or_init(|| machine::groups(take())).clone()
}

/// A command that works in its run's own folder, within limits.
pub struct Attack {
    pub attempt: Attempt,
    pub ground: Ground,
}

impl Attack {
    pub fn new(ground: &Ground, script: &str, limits: TreeLimits) -> Self {
        let attempt = Attempt::shell(script);
        let mut attempt = if ground.confined { attempt.confined() } else { attempt };
        if ground.confined {
            // Limits hold whatever else the machine lacks.
            attempt.spec.sandbox.enforcement = Enforcement::BestEffort;
        }
        let work = attempt.dir.with_file_name("work");
        fs::create_dir_all(&work).expect("a folder");
        attempt.spec.working_dir = work;
        attempt.spec.limits = limits;
        attempt.spec.grace_ms = 200;
        attempt.spec.cgroup = ground.groups.as_ref().map(|groups| groups.group(attempt.spec.run_id, 1));
        Self { attempt, ground: ground.clone() }
    }

    /// Runs it to its end, with a neighbour that must not suffer, and sees that nothing is left of it.
    pub async fn run(&self) -> OutcomeRecord {
        let attacker = self.attempt.spawn();
        let neighbour = Attempt::shell("echo here").run().await;
        assert_eq!((neighbour.outcome, neighbour.output.as_str()), (Outcome::Succeeded, "here\n"), "{neighbour:?}");
        let record = outcome(ended(attacker).await);
        assert_eq!(self.attempt.processes(), Vec::<i32>::new(), "nothing with the mark is left");
        assert!(self.group().is_none_or(|group| !group.exists()), "its control group is gone");
        self.check_containment(&record);
        record
    }

    /// As [`Attack::run`], and this limit must have ended it.
    pub async fn is_ended_by(&self, limit: LimitKind) -> LimitHit {
        let record = self.run().await;
        let hit = record.limit.unwrap_or_else(|| panic!("no limit was hit on {:?}: {record:?}", self.ground));
        assert_eq!((record.outcome, hit.limit), (Outcome::LimitExceeded, limit), "on {:?}: {record:?}", self.ground);
        let error = record.error.expect("an error");
        assert!(error.contains(&format!("raise `limits.{limit}`")), "{error}");
        assert_eq!(Some(hit.allowed), self.allowed(limit));
        hit
    }

    pub fn group(&self) -> Option<&Path> {
        self.attempt.spec.cgroup.as_deref()
    }

    fn allowed(&self, limit: LimitKind) -> Option<u64> {
        let limits = &self.attempt.spec.limits;
        match limit {
            LimitKind::Memory => limits.memory_bytes,
            LimitKind::Cpu => limits.cpu_millis,
            LimitKind::CpuSeconds => limits.cpu_time_ms,
            LimitKind::Pids => limits.pids.map(u64::from),
            LimitKind::OpenFiles => limits.open_files.map(u64::from),
            LimitKind::Disk => limits.disk_bytes,
        }
    }

    /// Every limit that was set is in the record, and nothing else, each with what the machine has to hold it.
    fn check_containment(&self, record: &OutcomeRecord) {
        let containment = record.containment.as_ref().expect("what it was held by");
        assert_eq!(containment.held.contains(&Mechanism::Cgroup), self.group().is_some(), "{containment:?}");
        let kinds = [
            LimitKind::Memory,
            LimitKind::Cpu,
            LimitKind::CpuSeconds,
            LimitKind::Pids,
            LimitKind::OpenFiles,
            LimitKind::Disk,
        ];
        let expected: Vec<_> = kinds
            .into_iter()
            .filter_map(|limit| Some((limit, self.allowed(limit)?, self.ground.enforcer(limit))))
            .collect();
        let held: Vec<_> = containment.limits.iter().map(|held| (held.limit, held.allowed, held.by)).collect();
        assert_eq!(held, expected);
    }
}
