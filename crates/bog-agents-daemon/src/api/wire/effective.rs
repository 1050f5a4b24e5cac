//! What the runs of a job really get, after tiers, defaults and ceilings.

use bog_domain::containment::NetworkAccess;
use bog_domain::fire::{Tier, TriggerKind};
use bog_domain::ids::TriggerId;
use bog_domain::job::{GrantPath, Job};
use bog_domain::spec::{LimitsSpec, ShellAccess};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the runs of a job really get.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Effective {
    /// The job.
    pub job_id: String,
    /// The revision; 0 where the job's file was read without a daemon.
    pub revision: u32,
    /// Where its runs work: `.` in the paths below. A fresh folder per run where it is null.
    pub working_dir: Option<String>,
    /// What a run may consume, the daemon's ceilings included; what is left out has no limit.
    pub limits: LimitsSpec,
    /// What a run may touch by what fired it: one for each trigger, then `manual`.
    pub triggers: Vec<EffectiveGrant>,
}

/// What a run may touch that this trigger fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EffectiveGrant {
    /// The trigger; `manual` for fires by hand.
    pub trigger: String,
    /// Its kind.
    #[schema(value_type = String)]
    pub kind: TriggerKind,
    /// How far its events are trusted. A run that it shares with another's event gets what the less trusted one gets.
    #[schema(value_type = String)]
    pub tier: Tier,
    /// How strict the sandbox is, `enforce` or `best_effort`; `off` where nothing confines the agent.
    pub sandbox: String,
    /// Whether the agent has a shell, and where.
    pub shell: ShellAccess,
    /// What it may reach over the network.
    pub network: NetworkAccess,
    /// What it may write.
    pub write: Vec<String>,
    /// What it may read besides the system, its tools and what it may write.
    pub read: Vec<String>,
    /// Names of the secrets it gets.
    pub secrets: Vec<String>,
}

impl Effective {
    /// What the runs of this revision of a job get.
    #[must_use]
    pub fn of(job: &Job, revision: u32) -> Self {
        let manual = (TriggerId::MANUAL, TriggerKind::Manual);
        let triggers = job.triggers.iter().map(|trigger| (trigger.id.as_str(), trigger.kind)).chain([manual]);
        Self {
            job_id: job.id.to_string(),
            revision,
            working_dir: job.working_dir.clone(),
            limits: (&job.limits).into(),
            triggers: triggers.map(|(trigger, kind)| EffectiveGrant::of(job, trigger, kind)).collect(),
        }
    }
}

impl EffectiveGrant {
    fn of(job: &Job, trigger: &str, kind: TriggerKind) -> Self {
        let (tier, trigger) = (kind.tier(), trigger.to_owned());
        let grant = job.grant_at(tier);
        let paths = |paths: &[GrantPath]| paths.iter().map(ToString::to_string).collect::<Vec<_>>();
        match grant.shell {
            ShellAccess::Host => Self {
                trigger,
                kind,
                tier,
                sandbox: "off".to_owned(),
                shell: grant.shell,
                network: NetworkAccess::Full,
                write: vec!["/".to_owned()],
                read: Vec::new(),
                secrets: grant.secrets,
            },
            ShellAccess::Off | ShellAccess::Sandboxed => {
                let mut write = paths(&grant.write);
                if !write.iter().any(|path| path == ".") {
                    write.insert(0, ".".to_owned());
                }
                Self {
                    trigger,
                    kind,
                    tier,
                    sandbox: grant.mode.to_string(),
                    shell: grant.shell,
                    network: grant.network,
                    write,
                    read: paths(&grant.read),
                    secrets: grant.secrets,
                }
            }
        }
    }
}
