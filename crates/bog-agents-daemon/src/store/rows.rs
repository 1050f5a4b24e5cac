//! The rows as Rust values, and how they are read.

use bog_domain::containment::LimitHit;
use bog_domain::delivery::{DeliveryState, Host, Purpose};
use bog_domain::fire::{Cause, Disposition, TriggerKind};
use bog_domain::ids::{DeliveryId, FireId, JobId, JobUid, RunId, TriggerId};
use bog_domain::incident::Incident;
use bog_domain::run::{Outcome, RunState, Usage};
use bog_domain::spec::OutputSpec;
use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::Type;
use serde::de::DeserializeOwned;

/// A position in a list: newest first, so the next page holds what is smaller.
pub type Seq = i64;

/// An active job.
#[derive(Debug, Clone)]
pub struct JobRow {
    /// Its uid.
    pub uid: JobUid,
    /// Its id.
    pub id: JobId,
    /// The revision that runs.
    pub revision: u32,
    /// The spec of that revision, as JSON text.
    pub spec: String,
    /// Whether its triggers fire.
    pub enabled: bool,
    /// Runs it ever had.
    pub run_count: u64,
    /// Digest of the file the revision came from.
    pub hash: String,
    /// What is wrong with a later edit of the file, as JSON text.
    pub invalid: Option<String>,
    /// When it was first saved.
    pub created_at: Timestamp,
    /// When this revision was saved.
    pub updated_at: Timestamp,
    /// Its newest run.
    pub last_run: Option<RunId>,
    /// The outcome of the run that finished last.
    pub last_outcome: Option<Outcome>,
    /// The next slot of any of its triggers.
    pub next_fire_at: Option<Timestamp>,
}

/// One version of a job's spec.
#[derive(Debug, Clone)]
pub struct RevisionRow {
    /// Its number, from 1.
    pub revision: u32,
    /// `cli`, `api` or `file`.
    pub author: String,
    /// When it was saved.
    pub created_at: Timestamp,
    /// The spec, as JSON text.
    pub spec: String,
}

/// A fire.
#[derive(Debug, Clone)]
pub struct FireRow {
    /// Its position.
    pub seq: Seq,
    /// Its id.
    pub id: FireId,
    /// The job.
    pub job_id: JobId,
    /// The job's uid.
    pub job_uid: JobUid,
    /// The trigger.
    pub trigger: TriggerId,
    /// Its kind.
    pub kind: TriggerKind,
    /// When it was due.
    pub due_at: Timestamp,
    /// The last slot, where the row stands for several.
    pub until_at: Option<Timestamp>,
    /// How many slots the row stands for.
    pub count: u64,
    /// When it was written down.
    pub seen_at: Timestamp,
    /// How it ended up.
    pub disposition: Disposition,
    /// Why, for people.
    pub reason: Option<String>,
    /// The run it has or was merged into.
    pub run_id: Option<RunId>,
    /// What makes it unique within its trigger.
    pub dedupe_key: Option<String>,
    /// What caused it.
    pub cause: Cause,
    /// The event, as JSON text.
    pub context: String,
}

/// A run.
#[derive(Debug, Clone)]
pub struct RunRow {
    /// Its position.
    pub seq: Seq,
    /// Its id.
    pub id: RunId,
    /// The job's uid.
    pub job_uid: JobUid,
    /// The job.
    pub job_id: JobId,
    /// The job's name when the run was made.
    pub job_name: String,
    /// The revision it runs.
    pub revision: u32,
    /// The fire it was made for.
    pub fire_id: FireId,
    /// The kind of that fire.
    pub kind: TriggerKind,
    /// Fires merged into it, its own included.
    pub fires: u32,
    /// Where it stands.
    pub state: RunState,
    /// Attempts begun.
    pub attempt: u32,
    /// Attempts it may have.
    pub max_attempts: u32,
    /// The epoch of the daemon that claimed it.
    pub epoch: Option<u64>,
    /// Not to be claimed before.
    pub not_before: Timestamp,
    /// When it was made.
    pub queued_at: Timestamp,
    /// When its first attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Why it is to be cancelled, where that was asked.
    pub cancel: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// The agent's exit code.
    pub exit_code: Option<i32>,
    /// The first 4 KiB of its output.
    pub output_head: String,
    /// The length of its kept output.
    pub output_bytes: u64,
    /// Whether the agent said more than is kept.
    pub output_truncated: bool,
    /// What went wrong.
    pub error: Option<String>,
    /// What it consumed.
    pub usage: Usage,
    /// The limit that ended its last attempt.
    pub limit: Option<LimitHit>,
}

/// A delivery.
#[derive(Debug, Clone)]
pub struct DeliveryRow {
    /// Its position.
    pub seq: Seq,
    /// Its id, and its idempotency key.
    pub id: DeliveryId,
    /// The run it delivers.
    pub run_id: RunId,
    /// The job.
    pub job_id: JobId,
    /// Why it is made.
    pub purpose: Purpose,
    /// Its position among the job's outputs, or among those that are told of failing jobs.
    pub position: u32,
    /// The target in a few words.
    pub target: String,
    /// The target as written.
    pub spec: OutputSpec,
    /// Who takes it in.
    pub host: Host,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts made since it was made, or asked for again.
    pub attempts: u32,
    /// When it is tried next, unless it is settled; 1970 for at once.
    pub next_at: Option<Timestamp>,
    /// Whether it waits for an earlier one to the same target.
    pub waits: bool,
    /// What the target noted before it began, so that a second attempt can tell whether the first got through.
    pub intent: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// The target's receipt.
    pub receipt: Option<String>,
    /// Of an alert, the incident that it is about.
    pub incident: Option<Incident>,
    /// When it was made: the run's end.
    pub created_at: Timestamp,
    /// When it was made or, if it was, asked for again.
    pub begun_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Columns of [`JobRow`], over `jobs j`.
pub(super) const JOB_COLUMNS: &str = "j.uid, j.id, j.revision, j.spec, j.enabled, \
     coalesce((SELECT l.runs FROM loads l WHERE l.job_uid = j.uid), 0), j.hash, j.invalid, \
     j.created_at, j.updated_at, \
     (SELECT r.id FROM runs r WHERE r.job_uid = j.uid ORDER BY r.seq DESC LIMIT 1), \
     (SELECT r.outcome FROM loads l JOIN runs r ON r.seq = l.newest_end WHERE l.job_uid = j.uid), \
     (SELECT min(t.next_at) FROM triggers t WHERE t.job_uid = j.uid)";

/// Columns of [`FireRow`].
pub(super) const FIRE_COLUMNS: &str = "seq, id, job_id, job_uid, trigger_id, kind, due_at, until_at, count, seen_at, \
     disposition, reason, run_id, dedupe_key, cause, depth, context";

/// Columns of [`RunRow`].
pub(super) const RUN_COLUMNS: &str = "r.seq, r.id, r.job_uid, r.job_id, r.job_name, r.revision, r.fire_id, r.kind, \
     r.fires, r.state, r.attempt, r.max_attempts, r.epoch, r.not_before, r.queued_at, r.started_at, r.finished_at, \
     r.cancel, r.outcome, r.exit_code, r.output, r.output_bytes, r.output_truncated, r.error, r.usage, r.limit_hit";

/// How many those are: what is selected after them begins at this column.
pub(super) const RUN_COLUMN_COUNT: usize = 26;

/// Columns of [`DeliveryRow`], over `deliveries d`.
pub(super) const DELIVERY_COLUMNS: &str = "d.seq, d.id, d.run_id, d.job_id, d.purpose, d.position, d.target, d.spec, \
     d.host, d.state, d.attempts, d.next_at, d.turn = 1, d.intent, d.error, d.receipt, d.incident, d.created_at, \
     d.begun_at, d.updated_at";

/// How many those are.
pub(super) const DELIVERY_COLUMN_COUNT: usize = 20;

impl JobRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            uid: parsed(row, 0)?,
            id: parsed(row, 1)?,
            revision: row.get(2)?,
            spec: row.get(3)?,
            enabled: row.get(4)?,
            run_count: row.get(5)?,
            hash: row.get(6)?,
            invalid: row.get(7)?,
            created_at: time(row, 8)?,
            updated_at: time(row, 9)?,
            last_run: optional_parsed(row, 10)?,
            last_outcome: optional_word(row, 11)?,
            next_fire_at: optional_time(row, 12)?,
        })
    }
}

impl RevisionRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { revision: row.get(0)?, author: row.get(1)?, created_at: time(row, 2)?, spec: row.get(3)? })
    }
}

impl FireRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            id: parsed(row, 1)?,
            job_id: parsed(row, 2)?,
            job_uid: parsed(row, 3)?,
            trigger: TriggerId::new(row.get::<_, String>(4)?),
            kind: word(row, 5)?,
            due_at: time(row, 6)?,
            until_at: optional_time(row, 7)?,
            count: row.get(8)?,
            seen_at: time(row, 9)?,
            disposition: word(row, 10)?,
            reason: row.get(11)?,
            run_id: optional_parsed(row, 12)?,
            dedupe_key: row.get(13)?,
            cause: Cause { fire: optional_parsed(row, 14)?, depth: row.get(15)? },
            context: row.get(16)?,
        })
    }
}

impl RunRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Self::read_at(row, 0)
    }

    /// Reads the columns of a run that begin at column `c`.
    pub(super) fn read_at(row: &Row<'_>, c: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(c)?,
            id: parsed(row, c + 1)?,
            job_uid: parsed(row, c + 2)?,
            job_id: parsed(row, c + 3)?,
            job_name: row.get(c + 4)?,
            revision: row.get(c + 5)?,
            fire_id: parsed(row, c + 6)?,
            kind: word(row, c + 7)?,
            fires: row.get(c + 8)?,
            state: word(row, c + 9)?,
            attempt: row.get(c + 10)?,
            max_attempts: row.get(c + 11)?,
            epoch: row.get(c + 12)?,
            not_before: time(row, c + 13)?,
            queued_at: time(row, c + 14)?,
            started_at: optional_time(row, c + 15)?,
            finished_at: optional_time(row, c + 16)?,
            cancel: row.get(c + 17)?,
            outcome: optional_word(row, c + 18)?,
            exit_code: row.get(c + 19)?,
            output_head: row.get(c + 20)?,
            output_bytes: row.get(c + 21)?,
            output_truncated: row.get(c + 22)?,
            error: row.get(c + 23)?,
            usage: document(row, c + 24)?,
            limit: optional_document(row, c + 25)?,
        })
    }
}

impl DeliveryRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            id: parsed(row, 1)?,
            run_id: parsed(row, 2)?,
            job_id: parsed(row, 3)?,
            purpose: word(row, 4)?,
            position: row.get(5)?,
            target: row.get(6)?,
            spec: document(row, 7)?,
            host: parsed(row, 8)?,
            state: word(row, 9)?,
            attempts: row.get(10)?,
            next_at: optional_time(row, 11)?,
            waits: row.get(12)?,
            intent: row.get(13)?,
            error: row.get(14)?,
            receipt: row.get(15)?,
            incident: optional_document(row, 16)?,
            created_at: time(row, 17)?,
            begun_at: time(row, 18)?,
            updated_at: time(row, 19)?,
        })
    }
}

/// A time as it is stored: milliseconds since 1970, rounded down.
pub(super) fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    from_ms(column, row.get(column)?)
}

pub(super) fn optional_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(column)?.map(|ms| from_ms(column, ms)).transpose()
}

fn from_ms(column: usize, ms: i64) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(ms).map_err(|error| unreadable(column, Type::Integer, error))
}

pub(super) fn parsed<T: std::str::FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|error| unreadable(column, Type::Text, error))
}

fn optional_parsed<T: std::str::FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: Option<String> = row.get(column)?;
    text.map(|text| text.parse().map_err(|error| unreadable(column, Type::Text, error))).transpose()
}

/// An enum by its serde name.
pub(super) fn word<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    from_word(column, row.get(column)?)
}

pub(super) fn optional_word<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    row.get::<_, Option<String>>(column)?.map(|text| from_word(column, text)).transpose()
}

fn from_word<T: DeserializeOwned>(column: usize, text: String) -> rusqlite::Result<T> {
    serde_json::from_value(serde_json::Value::String(text)).map_err(|error| unreadable(column, Type::Text, error))
}

pub(super) fn document<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| unreadable(column, Type::Text, error))
}

pub(super) fn optional_document<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| serde_json::from_str(&text).map_err(|error| unreadable(column, Type::Text, error))).transpose()
}

fn unreadable(column: usize, kind: Type, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error))
}
