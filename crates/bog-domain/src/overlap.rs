//! Overlap: what becomes of a fire that arrives while its job runs or waits.
//!
//! [`admit`] decides for one fire, in the order in which people would ask: does the daemon take anything, does the job,
//! is there a run to join, may there be another run, and is there room for it.
//!
//! A fire by hand ([`AdmitPolicy::manual`]) runs a disabled job: disabling stops the triggers, not the person. It does
//! count towards `max_runs` and is stopped by it: a cap that can be walked round is none.

use crate::fire::{Reason, TriggerKind};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What becomes of a fire that arrives while its job is busy: while it runs, waits, or waits for a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// A run of its own, after the others, in order.
    Queue,
    /// Merged into the one run that waits and was never claimed; the first fire makes that run.
    Coalesce,
    /// Skipped.
    Skip,
    /// A run of its own that ends those before it, running or waiting.
    Replace,
    /// A run of its own beside the others, up to `max_parallel`; beyond that it queues.
    Parallel,
}

impl Overlap {
    /// Every way.
    pub const ALL: [Self; 5] = [Self::Queue, Self::Coalesce, Self::Skip, Self::Replace, Self::Parallel];

    /// The name used in files, the API and the CLI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Coalesce => "coalesce",
            Self::Skip => "skip",
            Self::Replace => "replace",
            Self::Parallel => "parallel",
        }
    }

    /// What holds where neither the job nor the trigger says: events that differ are queued, those that only say
    /// "look again" are merged.
    #[must_use]
    pub const fn default_for(kind: TriggerKind) -> Self {
        match kind {
            TriggerKind::Webhook | TriggerKind::GitPush | TriggerKind::Github | TriggerKind::Manual => Self::Queue,
            TriggerKind::Cron | TriggerKind::Interval | TriggerKind::FileChange => Self::Coalesce,
        }
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the job, the trigger and the daemon have to say about one fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmitPolicy {
    /// The trigger's way, else the job's, else [`Overlap::default_for`] its kind.
    pub overlap: Overlap,
    /// How many runs of the job may run at once under [`Overlap::Parallel`]; 0 is taken as 1.
    pub max_parallel: u32,
    /// How many runs of the job may wait.
    pub max_queued: u32,
    /// Whether the job is enabled.
    pub enabled: bool,
    /// How many runs the job gets in its life; 0 means any number.
    pub max_runs: u64,
    /// Whether what may be spent today is spent.
    pub over_budget: bool,
    /// Whether the daemon is draining.
    pub draining: bool,
    /// Whether a person asks for this fire.
    pub manual: bool,
}

/// How busy the job is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Its runs with an attempt under way.
    pub running: u32,
    /// Its runs that wait: for a permit, for an earlier run, for their next attempt.
    pub queued: u32,
    /// All runs it ever had, those by hand and those that still wait included.
    pub run_count: u64,
    /// Whether one of its waiting runs was never claimed, so that further fires may be merged into it.
    pub coalesce_target: bool,
}

/// What becomes of a fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It gets a run of its own.
    Run,
    /// It gets a run of its own, and the job's unfinished runs are cancelled, in the same commit: those that wait end
    /// at once, those that run are told to.
    RunAndCancelRunning,
    /// It is merged into the waiting run that was never claimed.
    Coalesce,
    /// It is skipped.
    Skip(Reason),
    /// It is refused: the sender may try again later.
    Refuse(Reason),
}

/// Decides what becomes of a fire.
#[must_use]
pub fn admit(policy: &AdmitPolicy, load: &Load) -> Admission {
    if policy.draining {
        return Admission::Refuse(Reason::Draining);
    }
    if !policy.enabled && !policy.manual {
        return Admission::Skip(Reason::Disabled);
    }
    // Joining a run makes none, so `max_runs` has nothing to say to it.
    if policy.overlap == Overlap::Coalesce && load.coalesce_target {
        return Admission::Coalesce;
    }
    if policy.max_runs > 0 && load.run_count >= policy.max_runs {
        return Admission::Skip(Reason::MaxRuns);
    }
    // By hand too: a cap that can be walked round is none.
    if policy.over_budget {
        return Admission::Skip(Reason::Budget);
    }
    let busy = load.running > 0 || load.queued > 0;
    match policy.overlap {
        Overlap::Queue => queue(policy, load, 1),
        Overlap::Parallel => queue(policy, load, policy.max_parallel),
        Overlap::Coalesce => Admission::Run,
        Overlap::Skip if busy => Admission::Skip(Reason::Overlap),
        Overlap::Replace if busy => Admission::RunAndCancelRunning,
        Overlap::Skip | Overlap::Replace => Admission::Run,
    }
}

/// A run that could start at once never counts as waiting, so `max_queued: 0` means "now or not at all".
fn queue(policy: &AdmitPolicy, load: &Load, at_once: u32) -> Admission {
    let starts_now = load.running.saturating_add(load.queued) < at_once.max(1);
    if starts_now || load.queued < policy.max_queued { Admission::Run } else { Admission::Refuse(Reason::QueueFull) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: AdmitPolicy = AdmitPolicy {
        overlap: Overlap::Queue,
        max_parallel: 2,
        max_queued: 3,
        enabled: true,
        max_runs: 0,
        over_budget: false,
        draining: false,
        manual: false,
    };

    fn load(running: u32, queued: u32, coalesce_target: bool) -> Load {
        Load { running, queued, run_count: 7, coalesce_target }
    }

    #[test]
    fn each_way_in_each_state_of_the_job() {
        use Admission::{Coalesce, Refuse, Run, RunAndCancelRunning as Replace, Skip};
        const FULL: Admission = Refuse(Reason::QueueFull);
        const BUSY: Admission = Skip(Reason::Overlap);
        // queue, coalesce, skip, replace, parallel (max_parallel 2, max_queued 3)
        let cases = [
            ("idle", load(0, 0, false), [Run, Run, Run, Run, Run]),
            ("running", load(1, 0, false), [Run, Run, BUSY, Replace, Run]),
            ("waiting for a permit", load(0, 1, true), [Run, Coalesce, BUSY, Replace, Run]),
            ("waiting for a retry", load(0, 1, false), [Run, Run, BUSY, Replace, Run]),
            ("running, one waits", load(1, 1, true), [Run, Coalesce, BUSY, Replace, Run]),
            ("running, a retry waits", load(1, 1, false), [Run, Run, BUSY, Replace, Run]),
            ("all parallel ones run", load(2, 0, false), [Run, Run, BUSY, Replace, Run]),
            ("room for one more to wait", load(2, 2, true), [Run, Coalesce, BUSY, Replace, Run]),
            ("full", load(1, 3, true), [FULL, Coalesce, BUSY, Replace, FULL]),
            ("full, none running", load(0, 3, true), [FULL, Coalesce, BUSY, Replace, FULL]),
        ];
        for (name, load, expected) in cases {
            let decided = Overlap::ALL.map(|overlap| admit(&AdmitPolicy { overlap, ..QUEUE }, &load));
            assert_eq!(decided, expected, "{name}");
        }
    }

    #[test]
    fn nothing_may_wait_where_max_queued_is_0() {
        let decide = |overlap, running, queued| {
            admit(&AdmitPolicy { overlap, max_queued: 0, ..QUEUE }, &load(running, queued, false))
        };
        assert_eq!(decide(Overlap::Queue, 0, 0), Admission::Run);
        assert_eq!(decide(Overlap::Queue, 1, 0), Admission::Refuse(Reason::QueueFull));
        assert_eq!(decide(Overlap::Parallel, 1, 0), Admission::Run);
        assert_eq!(decide(Overlap::Parallel, 1, 1), Admission::Refuse(Reason::QueueFull));
        assert_eq!(decide(Overlap::Parallel, 2, 0), Admission::Refuse(Reason::QueueFull));
    }

    #[test]
    fn a_job_can_be_shut_in_several_ways() {
        let idle = load(0, 0, false);
        let disabled = AdmitPolicy { enabled: false, ..QUEUE };
        let draining = AdmitPolicy { draining: true, ..QUEUE };
        let used_up = AdmitPolicy { max_runs: 7, ..QUEUE };
        let by_hand = |policy| AdmitPolicy { manual: true, ..policy };
        let cases = [
            (disabled, Admission::Skip(Reason::Disabled)),
            (by_hand(disabled), Admission::Run),
            (draining, Admission::Refuse(Reason::Draining)),
            (by_hand(draining), Admission::Refuse(Reason::Draining)),
            (AdmitPolicy { draining: true, ..disabled }, Admission::Refuse(Reason::Draining)),
            (used_up, Admission::Skip(Reason::MaxRuns)),
            (AdmitPolicy { over_budget: true, manual: true, ..QUEUE }, Admission::Skip(Reason::Budget)),
            (by_hand(used_up), Admission::Skip(Reason::MaxRuns)),
            (AdmitPolicy { max_runs: 8, ..QUEUE }, Admission::Run),
            (AdmitPolicy { enabled: false, ..used_up }, Admission::Skip(Reason::Disabled)),
        ];
        for (policy, expected) in cases {
            assert_eq!(admit(&policy, &idle), expected, "{policy:?}");
        }
        let last_run_waits = AdmitPolicy { overlap: Overlap::Coalesce, ..used_up };
        assert_eq!(admit(&last_run_waits, &load(0, 1, true)), Admission::Coalesce);
        assert_eq!(admit(&last_run_waits, &load(1, 0, false)), Admission::Skip(Reason::MaxRuns));
    }

    #[test]
    fn names_are_those_of_the_files() {
        for overlap in Overlap::ALL {
            assert_eq!(serde_json::to_value(overlap).unwrap(), overlap.as_str());
        }
        assert_eq!(Overlap::default_for(TriggerKind::Interval), Overlap::Coalesce);
        assert_eq!(Overlap::default_for(TriggerKind::Manual), Overlap::Queue);
    }
}
