//! What fires a job: one file per kind that has no slots.

mod file_change;
mod git_push;
mod github;
mod hook;
mod webhook;

pub use git_push::GitPush;
pub use github::Github;
pub use hook::Hook;
pub use webhook::Webhook;

use super::Defaults;
use crate::error::SpecError;
use crate::fire::TriggerKind;
use crate::ids::{JobUid, TriggerId};
use crate::overlap::Overlap;
use crate::schedule::Schedule;
use crate::schedule::catch_up::CatchUp;
use crate::schedule::cron::CronExpr;
use crate::schedule::interval::IntervalSchedule;
use crate::schedule::jitter::Jitter;
use crate::schedule::plan::{Plan, plan};
use crate::spec::{CatchUpSpec, JobSpec, TriggerSpec};
use crate::units::Span;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// When the slots of a trigger are; the other kinds have none.
#[derive(Debug, Clone)]
pub enum Timing {
    /// Slots of a cron expression in a zone.
    Cron {
        /// The expression.
        expr: CronExpr,
        /// The zone.
        zone: TimeZone,
    },
    /// Slots at a fixed distance from the trigger's activation.
    Interval {
        /// The distance.
        every: Duration,
    },
    /// No slots: fires come from events.
    Event,
}

/// One trigger of a job.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// Its id, given or hashed from its identifying fields.
    pub id: TriggerId,
    /// Which kind it is.
    pub kind: TriggerKind,
    /// What to do with its fires while the job runs or waits.
    pub overlap: Overlap,
    /// When its slots are.
    pub timing: Timing,
    /// Spreads its slots over this time.
    pub jitter: Duration,
    /// Which missed slots are made up for.
    pub catch_up: CatchUp,
    /// A digest of what its memory is about: where it changes, the trigger begins anew.
    pub definition: String,
    /// What it makes of HTTP requests, for a kind that they fire.
    pub hook: Option<Hook>,
    /// As written.
    pub spec: TriggerSpec,
}

impl Trigger {
    /// Its slots, for a trigger activated at `anchor`; `None` for a kind that has none.
    #[must_use]
    pub fn schedule(&self, anchor: Timestamp) -> Option<Schedule> {
        match &self.timing {
            Timing::Cron { expr, zone } => Some(Schedule::Cron { expr: expr.clone(), zone: zone.clone() }),
            Timing::Interval { every } => IntervalSchedule::new(*every, anchor).ok().map(Schedule::Interval),
            Timing::Event => None,
        }
    }

    /// Decides what becomes of its slots since `cursor`; `None` for a kind that has none.
    #[must_use]
    pub fn plan(&self, job: JobUid, anchor: Timestamp, cursor: Timestamp, now: Timestamp) -> Option<Plan> {
        let jitter = Jitter { job, trigger: &self.id, max: self.jitter };
        self.schedule(anchor).map(|schedule| plan(&schedule, cursor, now, &self.catch_up, &jitter))
    }

    /// When to look at it first if it is activated now.
    #[must_use]
    pub fn first_wake(&self, job: JobUid, now: Timestamp) -> Option<Timestamp> {
        self.plan(job, now, now, now).and_then(|plan| plan.next_at)
    }

    /// What fires it, in a few words, for a kind that has no slots.
    #[must_use]
    pub fn waits_for(&self) -> Option<String> {
        match &self.spec {
            TriggerSpec::Cron(_) | TriggerSpec::Interval(_) => None,
            TriggerSpec::FileChange(files) => Some(format!("changes of {}", files.patterns.join(", "))),
            TriggerSpec::GitPush(push) => Some(format!("pushes to {}", push.repo)),
            TriggerSpec::Webhook(hook) => Some(format!("POST {}", hook.path)),
            TriggerSpec::Github(github) => Some(github::waits_for(github)),
        }
    }

    pub(super) fn warning(&self) -> Option<String> {
        let warning = self.hook.as_ref()?.warning()?;
        Some(format!("trigger `{}`: {warning}", self.id))
    }
}

pub(super) fn parse_all(spec: &JobSpec, defaults: &Defaults) -> Result<Vec<Trigger>, SpecError> {
    let job_zone = match &spec.timezone {
        Some(name) => zone("timezone", name)?,
        None => zone("config.toml: timezone", &defaults.timezone)?,
    };
    let base = super::working_dir(spec)?.map(PathBuf::from);
    let mut seen = HashSet::new();
    let mut triggers = Vec::with_capacity(spec.triggers.len());
    for (index, written) in spec.triggers.iter().enumerate() {
        let of_job = OfJob { overlap: spec.overlap, zone: &job_zone, working_dir: base.as_deref() };
        let trigger = parse(index, written, &of_job)?;
        if !seen.insert(trigger.id.clone()) {
            let message = format!("a second trigger `{}`: give each its own `id`, or remove one", trigger.id);
            return Err(SpecError::new(format!("triggers[{index}]"), message));
        }
        triggers.push(trigger);
    }
    Ok(triggers)
}

/// What a trigger takes from its job.
struct OfJob<'a> {
    overlap: Option<Overlap>,
    zone: &'a TimeZone,
    working_dir: Option<&'a Path>,
}

fn parse(index: usize, spec: &TriggerSpec, job: &OfJob<'_>) -> Result<Trigger, SpecError> {
    let field = |name: &str| format!("triggers[{index}].{name}");
    let kind = spec.kind();
    let (timing, jitter, catch_up, identity) = match spec {
        TriggerSpec::Cron(cron) => {
            let own_zone = cron.timezone.as_deref().map(|name| zone(&field("timezone"), name)).transpose()?;
            let zone = own_zone.unwrap_or_else(|| job.zone.clone());
            let expr: CronExpr = cron.cron.parse().map_err(|error| SpecError::new(field("cron"), error))?;
            let identity = format!("{expr}|{}", zone.iana_name().unwrap_or("UTC"));
            (Timing::Cron { expr, zone }, cron.jitter, cron.catch_up, identity)
        }
        TriggerSpec::Interval(interval) => {
            let every = every(&field("seconds"), interval.seconds)?;
            (Timing::Interval { every }, interval.jitter, interval.catch_up, interval.seconds.to_string())
        }
        TriggerSpec::FileChange(_) | TriggerSpec::Webhook(_) | TriggerSpec::GitPush(_) | TriggerSpec::Github(_) => {
            (Timing::Event, None, None, check_event(spec, job.working_dir, &field)?)
        }
    };
    let definition = digest(&format!("{kind}|{identity}"));
    let id = match spec.given_id() {
        Some(given) => given_id(&field("id"), given)?,
        None => TriggerId::new(format!("{kind}-{}", &definition[..8])),
    };
    let overlap = spec.overlap().or(job.overlap).unwrap_or(Overlap::default_for(kind));
    let jitter = jitter.map_or(Duration::ZERO, Span::duration);
    let (catch_up, hook) = (catch_up_of(catch_up), Hook::parse(spec, &field)?);
    Ok(Trigger { id, kind, overlap, timing, jitter, catch_up, definition, hook, spec: spec.clone() })
}

/// Checks a trigger that has no slots and returns its identifying fields as text.
fn check_event(
    spec: &TriggerSpec,
    working_dir: Option<&Path>,
    field: &impl Fn(&str) -> String,
) -> Result<String, SpecError> {
    match spec {
        TriggerSpec::FileChange(files) => file_change::check(files, working_dir, field),
        TriggerSpec::Webhook(hook) => Ok(webhook::identity(hook)),
        TriggerSpec::GitPush(push) => git_push::check(push, field),
        TriggerSpec::Github(github) => Ok(github::identity(github)),
        TriggerSpec::Cron(_) | TriggerSpec::Interval(_) => Ok(String::new()),
    }
}

fn every(field: &str, seconds: f64) -> Result<Duration, SpecError> {
    // Whole milliseconds: what a trigger remembers is kept to the millisecond, and a slot between two would come twice.
    let every = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let every = Duration::from_millis(u64::try_from(every.as_millis()).unwrap_or(u64::MAX));
    IntervalSchedule::new(every, Timestamp::UNIX_EPOCH).map_err(|error| SpecError::new(field, error))?;
    Ok(every)
}

fn catch_up_of(spec: Option<CatchUpSpec>) -> CatchUp {
    let (spec, default) = (spec.unwrap_or_default(), CatchUp::default());
    CatchUp {
        policy: spec.policy.unwrap_or(default.policy),
        window: spec.window.map_or(default.window, Span::duration),
    }
}

fn given_id(field: &str, id: &str) -> Result<TriggerId, SpecError> {
    match id.parse::<crate::ids::JobId>() {
        Ok(_) if id != TriggerId::MANUAL => Ok(TriggerId::new(id)),
        Ok(_) => Err(SpecError::new(field, "`manual` is the id of fires by hand: choose another")),
        Err(_) => {
            Err(SpecError::new(field, format!("`{id}` is not a trigger id: `a-z`, `0-9`, `-` and `_`, at most 64")))
        }
    }
}

fn zone(field: &str, name: &str) -> Result<TimeZone, SpecError> {
    TimeZone::get(name).map_err(|_| {
        let message =
            format!("`{name}` is not an IANA time zone: for example `Europe/Berlin`, `America/New_York`, `UTC`");
        SpecError::new(field, message)
    })
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}
