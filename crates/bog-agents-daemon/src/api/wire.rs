//! The shapes that travel: what the API answers and the client reads. Times are RFC 3339 in UTC, ids are strings, and an
//! unknown input field is an error that names it. An old sample of each is checked in and must always load.

mod delivery;
mod effective;
mod usage;

pub use delivery::{Delivery, OutputTest, OutputTestResult, OutputTests, RunDelivery};
pub use effective::{Effective, EffectiveGrant};
pub use usage::{UsageBy, UsageLine, UsageTable};

use bog_domain::containment::{Containment, LimitHit};
use bog_domain::event::EventKind;
use bog_domain::fire::{Cause, Disposition, Tier, TriggerKind};
use bog_domain::run::{Outcome, RunState, Usage};
use bog_domain::spec::JobSpec;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use utoipa::openapi::schema::{ArrayBuilder, Object, Schema, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// A page of a list, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct List<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins (`?cursor=`), if there is one.
    pub next: Option<String>,
}

/// A job: the fields of its file at the top level, and what the daemon knows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The fields of its file; `id` and `enabled` are always there.
    pub spec: JobSpec,
    /// The revision that runs.
    pub revision: u32,
    /// What the daemon knows of it.
    pub state: JobState,
    /// What may be provided later, and what is good to know about the job as it is.
    pub warnings: Vec<String>,
}

/// The fields of [`Job`] that are not the file's.
const JOB_OWN: [&str; 3] = ["revision", "state", "warnings"];

impl Serialize for Job {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut value = serde_json::to_value(&self.spec).map_err(serde::ser::Error::custom)?;
        value["revision"] = self.revision.into();
        value["state"] = serde_json::to_value(&self.state).map_err(serde::ser::Error::custom)?;
        value["warnings"] = self.warnings.clone().into();
        value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Job {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = serde_json::Map::deserialize(deserializer)?;
        let [revision, state, warnings] = JOB_OWN.map(|name| fields.remove(name).unwrap_or_default());
        Ok(Self {
            revision: serde_json::from_value(revision).map_err(de::Error::custom)?,
            state: serde_json::from_value(state).map_err(de::Error::custom)?,
            warnings: serde_json::from_value(warnings).map_err(de::Error::custom)?,
            spec: serde_json::from_value(fields.into()).map_err(de::Error::custom)?,
        })
    }
}

impl PartialSchema for Job {
    /// The fields of [`JobSpec`] and the job's own in one object. An `allOf` of the two could hold for nothing: a spec
    /// allows no other fields.
    fn schema() -> RefOr<Schema> {
        let RefOr::T(Schema::Object(mut job)) = JobSpec::schema() else { return JobSpec::schema() };
        let text = || Object::with_type(SchemaType::Type(Type::String));
        let own: [(&str, RefOr<Schema>); 3] = [
            ("revision", Object::with_type(SchemaType::Type(Type::Integer)).into()),
            ("state", Ref::from_schema_name("JobState").into()),
            ("warnings", ArrayBuilder::new().items(text()).into()),
        ];
        job.description = Some("A job: the fields of its file, and what the daemon knows of it".to_owned());
        for (name, schema) in own {
            job.properties.insert(name.to_owned(), schema);
        }
        job.required.extend(["id", "enabled"].into_iter().chain(JOB_OWN).map(str::to_owned));
        job.into()
    }
}

impl ToSchema for Job {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Job")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((JobState::name().into_owned(), JobState::schema()));
        JobState::schemas(schemas);
        JobSpec::schemas(schemas);
    }
}

/// What the daemon knows of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobState {
    /// Its newest run.
    pub last_run: Option<String>,
    /// The next slot of any of its triggers.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_fire_at: Option<Timestamp>,
    /// Runs it ever had.
    pub run_count: u64,
    /// The outcome of its newest finished run.
    #[schema(value_type = Option<String>)]
    pub last_outcome: Option<Outcome>,
    /// What is wrong with a later edit of its file; the revision above goes on running.
    pub invalid_edit: Option<String>,
}

/// A fire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Fire {
    /// Its id.
    pub id: String,
    /// The job.
    pub job_id: String,
    /// The trigger's id within the job.
    pub trigger: String,
    /// The trigger's kind.
    #[schema(value_type = String)]
    pub kind: TriggerKind,
    /// When it was due, or happened.
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Timestamp,
    /// The last slot, where it stands for several.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until_at: Option<Timestamp>,
    /// How many slots it stands for.
    pub count: u64,
    /// When it was written down.
    #[schema(value_type = String, format = DateTime)]
    pub seen_at: Timestamp,
    /// How far its content is trusted.
    #[schema(value_type = String)]
    pub tier: Tier,
    /// How it ended up.
    #[schema(value_type = String)]
    pub disposition: Disposition,
    /// Why.
    pub reason: Option<String>,
    /// The run it has or was merged into.
    pub run_id: Option<String>,
    /// What makes it unique within its trigger.
    pub dedupe_key: Option<String>,
    /// What caused it.
    #[schema(value_type = Object)]
    pub cause: Cause,
    /// The event. In lists a long one comes without its long fields, whose names stand under `cut`.
    pub context: serde_json::Value,
}

/// A run. In lists `output` holds at most 4 KiB, and `containment` is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// The job.
    pub job_id: String,
    /// The job's name when the run was made.
    pub job_name: String,
    /// The revision it runs.
    pub revision: u32,
    /// The fire it was made for.
    pub fire_id: String,
    /// The kind of trigger that fired.
    #[schema(value_type = String)]
    pub trigger: TriggerKind,
    /// Fires merged into it, its own included.
    pub fires: u32,
    /// Attempts begun.
    pub attempt: u32,
    /// Attempts it may have.
    pub max_attempts: u32,
    /// Where it stands.
    #[schema(value_type = String)]
    pub state: RunState,
    /// How it ended.
    #[schema(value_type = Option<String>)]
    pub outcome: Option<Outcome>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub queued_at: Timestamp,
    /// When its first attempt began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// The agent's exit code.
    pub exit_code: Option<i32>,
    /// What the agent said.
    pub output: String,
    /// Whether it said more than is kept.
    pub output_truncated: bool,
    /// What went wrong.
    pub error: Option<String>,
    /// What it consumed.
    #[schema(value_type = Object)]
    pub usage: Usage,
    /// The limit that ended its last attempt, where one did: with the outcome `limit_exceeded`, or while a further
    /// attempt waits or runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitHit>,
    /// What its last attempt that ended was held by; only where one run is asked for, and where its agent was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containment: Option<Containment>,
    /// Outputs that gave up, those included that may have been told: at most 20, the rest as one `(overflow)`.
    pub dispatch_errors: Vec<DispatchError>,
    /// Its deliveries, at most 100; only where one run is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deliveries: Vec<RunDelivery>,
}

/// An output that gave up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DispatchError {
    /// The target.
    pub target: String,
    /// What went wrong.
    pub error: String,
}

/// The body of a fire by hand; may be left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FireByHand {
    /// What templates see as `event.payload`.
    #[serde(default)]
    pub payload: serde_json::Value,
}

/// What a fire by hand came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fired {
    /// The run it has or was merged into.
    pub run_id: Option<String>,
    /// The fire.
    pub fire_id: String,
    /// How it ended up.
    #[schema(value_type = String)]
    pub disposition: Disposition,
    /// Why.
    pub reason: Option<String>,
}

/// What a request came to that fires triggers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HookFires {
    /// The fires of all jobs that it is an event for.
    pub fires: Vec<HookFire>,
}

/// The fire of one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HookFire {
    /// The job.
    pub job_id: String,
    /// The fire.
    pub fire_id: String,
    /// The run it has or was merged into.
    pub run_id: Option<String>,
    /// How it ended up.
    #[schema(value_type = String)]
    pub disposition: Disposition,
    /// Why.
    pub reason: Option<String>,
}

/// A slot to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NextSlot {
    /// The trigger.
    pub trigger: String,
    /// Its kind.
    #[schema(value_type = String)]
    pub kind: TriggerKind,
    /// When it is due.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// A job's slots to come, soonest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NextSlots {
    /// The slots.
    pub items: Vec<NextSlot>,
    /// Always null: `count` says how many are wanted.
    pub next: Option<String>,
    /// Why there are none.
    #[serde(default)]
    pub note: Option<String>,
    /// What else fires the job, at no time that is known.
    #[serde(default)]
    pub events: Vec<NextEvent>,
}

/// What a trigger waits for that has no slots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NextEvent {
    /// The trigger.
    pub trigger: String,
    /// Its kind.
    #[schema(value_type = String)]
    pub kind: TriggerKind,
    /// What fires it, in a few words: `POST /hooks/x`.
    pub on: String,
}

impl NextEvent {
    /// What the triggers of a job wait for that have no slots.
    #[must_use]
    pub fn of(job: &bog_domain::job::Job) -> Vec<Self> {
        let event = |trigger: &bog_domain::job::Trigger| {
            Some(Self { trigger: trigger.id.to_string(), kind: trigger.kind, on: trigger.waits_for()? })
        };
        job.triggers.iter().filter_map(event).collect()
    }
}

/// One thing that happened during an attempt of a run: the data of a server-sent event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// The attempt, from 1.
    pub attempt: u32,
    /// Position within the attempt, from 1.
    pub seq: u64,
    /// When it was seen.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What it is: `agent_text`, `tool_call`, `tool_result`, `stdout`, `stderr`, `plan`, `usage` or `note`.
    #[schema(value_type = String)]
    pub kind: EventKind,
    /// Its content; `{"text": ...}` for the textual kinds.
    pub data: serde_json::Value,
}

/// A revision of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Revision {
    /// Its number, from 1.
    pub revision: u32,
    /// `cli`, `api` or `file`.
    pub author: String,
    /// When it was saved.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The job as written then.
    pub spec: JobSpec,
}

/// Why a job did or did not run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The job.
    pub job_id: String,
    /// The time that was asked about.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The answer, a sentence a line.
    pub answer: Vec<String>,
    /// The fires it is taken from, oldest first.
    pub fires: Vec<Fire>,
}

/// How the daemon is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, `draining` or `degraded`.
    pub status: String,
    /// Why it is degraded.
    pub problems: Vec<String>,
    /// Its version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Its data folder.
    pub data_dir: String,
    /// When it started.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// Active jobs.
    pub job_count: u64,
    /// Runs that run.
    pub running: u64,
    /// Runs that wait.
    pub queued: u64,
    /// Deliveries to be made.
    pub deliveries_pending: u64,
    /// Deliveries that gave up within the last day, those counted that may have arrived.
    #[serde(default)]
    pub deliveries_lost: u64,
    /// How late the scheduler is, in milliseconds; 0 when no slot is overdue.
    pub scheduler_lag_ms: u64,
    /// The next slot of any job.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_fire_at: Option<Timestamp>,
    /// Processes that outlived their run and were ended, ever.
    #[serde(default)]
    pub orphans_ended: u64,
    /// When the last of them was.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_orphan_at: Option<Timestamp>,
}

/// What may be said when a run is cancelled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRun {
    /// Why, for whoever looks at the run later; at most 1000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A new token; the old one is no longer accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    /// The token.
    pub token: String,
}

/// How a paused run is to go on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResumeRun {
    /// What it may cost in all from now on, in US dollars; what its job allows where left out.
    pub budget_usd: Option<f64>,
    /// How many tokens it may use in all from now on; what its job allows where left out.
    pub budget_tokens: Option<u64>,
}

/// An error (RFC 9457), `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What kind of error, as a relative reference: `/problems/not-found`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong and what to do.
    pub detail: String,
    /// The field that is wrong, where one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}
