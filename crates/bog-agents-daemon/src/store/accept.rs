//! Accepting fires: the one durable step between something happening and anything being run.

use super::cancel::replace_runs_of;
use super::rows::ms;
use super::usage::DailyLimits;
use super::{Answer, Store, StoreError};
use bog_domain::breaker::{self, Bounds};
use bog_domain::fire::{Cause, Disposition, Reason, TriggerKind};
use bog_domain::ids::{FireId, JobUid, RunId, TriggerId};
use bog_domain::overlap::{Admission, AdmitPolicy, Load, Overlap, admit};
use bog_domain::spec::LoopsSpec;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

/// How long the delivery ids of HTTP requests are remembered: one that comes again later is another event.
pub const DELIVERY_IDS_KEPT: SignedDuration = SignedDuration::from_hours(72);

/// Something that happened for one job.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The fire's id, if it is recorded.
    pub fire: FireId,
    /// The run's id, if it gets one.
    pub run: RunId,
    /// The job.
    pub job: JobUid,
    /// The trigger that fired.
    pub trigger: TriggerId,
    /// Its kind.
    pub kind: TriggerKind,
    /// When it was due, or happened.
    pub due_at: Timestamp,
    /// What makes it unique within its trigger; none: it is never a duplicate.
    pub dedupe_key: Option<String>,
    /// What caused it.
    pub cause: Cause,
    /// How much may be caused by runs, where the job does not say.
    pub bounds: Bounds,
    /// The event, as JSON text.
    pub context: String,
    /// Why the trigger keeps it out, for people: it is written down, and nothing follows.
    pub filtered: Option<String>,
    /// When the day began, and what all jobs may spend in it, in US dollars.
    pub day: (Timestamp, Option<f64>),
    /// Whether the daemon takes no new work.
    pub draining: bool,
    /// The answer to be kept for a request that carries a key. Its `response` is filled in here. A refusal is no answer to
    /// keep: the sender may try again under the same key.
    pub answer: Option<Answer>,
}

/// What a fire came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The fire.
    pub fire_id: FireId,
    /// The run it has or was merged into.
    pub run_id: Option<RunId>,
    /// How it ended up.
    pub disposition: Disposition,
    /// Why, for people.
    pub reason: Option<String>,
}

/// What accepting came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// It was written down.
    Recorded(Receipt),
    /// It had been written down before; this is what it came to then.
    Duplicate(Receipt),
    /// The key was used before for another request.
    KeyReused,
    /// There is no such job or trigger any more.
    Gone,
}

impl Arrival {
    const fn is_scheduled(&self) -> bool {
        matches!(self.kind, TriggerKind::Cron | TriggerKind::Interval)
    }

    /// Whether it came by HTTP.
    const fn is_sent(&self) -> bool {
        matches!(self.kind, TriggerKind::Webhook | TriggerKind::Github)
    }

    /// As it is written down where it is refused: its sender sends it again, and is not to fill the disk meanwhile.
    fn refused(self) -> Self {
        if self.is_sent() { Self { context: "{}".to_owned(), ..self } } else { self }
    }
}

impl Store {
    /// Writes down that something happened, decides what becomes of it, and, where it is to run, makes the run.
    ///
    /// # Errors
    /// When it cannot be written; then it did not happen.
    pub async fn accept(&self, arrival: Arrival, now: Timestamp) -> Result<Accepted, StoreError> {
        let arrival = self.masked_arrival(arrival);
        self.write(move |tx| {
            crate::failpoint::hit("store.accept");
            accept(tx, arrival, now)
        })
        .await
    }
}

impl Store {
    /// [`Store::accept`] for several jobs at once: all of it is written down, or nothing.
    ///
    /// # Errors
    /// When it cannot be written; then it did not happen.
    pub async fn accept_all(&self, arrivals: Vec<Arrival>, now: Timestamp) -> Result<Vec<Accepted>, StoreError> {
        let arrivals: Vec<Arrival> = arrivals.into_iter().map(|arrival| self.masked_arrival(arrival)).collect();
        self.write(move |tx| {
            crate::failpoint::hit("store.accept");
            arrivals.into_iter().map(|arrival| accept(tx, arrival, now)).collect()
        })
        .await
    }
}

/// What accepting needs to know of the job and the trigger.
struct Target {
    job_id: String,
    job_name: String,
    revision: u32,
    max_attempts: u32,
    max_parallel: u32,
    policy: AdmitPolicy,
    load: Load,
    daily_usd: Option<f64>,
}

pub(super) fn accept(tx: &Connection, arrival: Arrival, now: Timestamp) -> Result<Accepted, StoreError> {
    if let Some(answer) = &arrival.answer
        && let Some(before) = super::answers::find(tx, &answer.scope, &answer.key)?
    {
        let same = before.request == answer.request;
        return Ok(if same {
            Accepted::Duplicate(serde_json::from_str(&before.response)?)
        } else {
            Accepted::KeyReused
        });
    }
    if let Some(receipt) = duplicate(tx, &arrival, now)? {
        return Ok(Accepted::Duplicate(receipt));
    }
    let Some(target) = target(tx, &arrival)? else { return Ok(Accepted::Gone) };
    if arrival.filtered.is_some() && !arrival.draining {
        let verdict = (Disposition::Filtered, arrival.filtered.as_deref(), None);
        return answered(tx, record(tx, &arrival, &target, verdict, now)?, arrival.answer, now);
    }
    let waiting = match target.policy.overlap {
        Overlap::Coalesce => waiting_run(tx, arrival.job)?,
        Overlap::Queue | Overlap::Skip | Overlap::Replace | Overlap::Parallel => None,
    };
    let load = Load { coalesce_target: waiting.is_some(), ..target.load };
    let admission = admit(&target.policy, &load);
    if matches!(admission, Admission::Run | Admission::RunAndCancelRunning | Admission::Coalesce)
        && let Some(reason) = blocked(tx, &arrival, now)?
    {
        let verdict = (Disposition::Blocked, Some(reason.as_str()), None);
        return answered(tx, record(tx, &arrival, &target, verdict, now)?, arrival.answer, now);
    }
    let receipt = match admission {
        Admission::Run => run(tx, &arrival, &target, now)?,
        Admission::RunAndCancelRunning => {
            replace_runs_of(tx, arrival.job, now)?;
            run(tx, &arrival, &target, now)?
        }
        Admission::Coalesce => {
            let into = waiting.ok_or_else(|| StoreError::Refused("no run to merge a fire into".to_owned()))?;
            tx.prepare_cached("UPDATE runs SET fires = fires + 1 WHERE id = ?1")?.execute([into.to_string()])?;
            record(tx, &arrival, &target, (Disposition::Coalesced, None, Some(into)), now)?
        }
        Admission::Skip(Reason::Disabled) => merge_or_record(tx, &arrival, &target, now)?,
        Admission::Skip(reason) => {
            record(tx, &arrival, &target, (Disposition::Skipped, Some(reason.as_str()), None), now)?
        }
        Admission::Refuse(reason) => {
            let verdict = (Disposition::Refused, Some(reason.as_str()), None);
            return Ok(Accepted::Recorded(record(tx, &arrival.refused(), &target, verdict, now)?));
        }
    };
    answered(tx, receipt, arrival.answer, now)
}

/// Keeps the answer to a request that carries a key; a refusal is none to keep.
fn answered(tx: &Connection, receipt: Receipt, answer: Option<Answer>, now: Timestamp) -> Result<Accepted, StoreError> {
    if let Some(answer) = answer
        && receipt.disposition != Disposition::Refused
    {
        let response = serde_json::to_string(&receipt)?;
        super::answers::keep(tx, &Answer { response, ..answer }, now)?;
    }
    Ok(Accepted::Recorded(receipt))
}

fn duplicate(tx: &Connection, arrival: &Arrival, now: Timestamp) -> Result<Option<Receipt>, StoreError> {
    let Some(key) = &arrival.dedupe_key else { return Ok(None) };
    let sql = "SELECT id, run_id, disposition, reason, seen_at FROM fires \
               WHERE job_uid = ?1 AND trigger_id = ?2 AND dedupe_key = ?3";
    let read = |row: &Row<'_>| {
        let receipt = Receipt {
            fire_id: super::rows::parsed(row, 0)?,
            run_id: row.get::<_, Option<String>>(1)?.and_then(|id| id.parse().ok()),
            disposition: super::rows::word(row, 2)?,
            reason: row.get(3)?,
        };
        Ok((receipt, row.get::<_, i64>(4)?))
    };
    let found =
        tx.prepare_cached(sql)?.query_row(params![arrival.job.to_string(), arrival.trigger.as_str(), key], read);
    let Some((receipt, seen_at)) = found.optional()? else { return Ok(None) };
    if arrival.is_sent() && seen_at < ms(now - DELIVERY_IDS_KEPT) {
        // The id is taken from the old row, so that the new one can have it; the event still says it.
        tx.prepare_cached("UPDATE fires SET dedupe_key = NULL WHERE id = ?1")?
            .execute([receipt.fire_id.to_string()])?;
        return Ok(None);
    }
    Ok(Some(receipt))
}

fn target(tx: &Connection, arrival: &Arrival) -> Result<Option<Target>, StoreError> {
    let manual = arrival.kind == TriggerKind::Manual;
    let sql = "SELECT j.id, j.name, j.revision, j.spec ->> '$.retry.max', j.max_parallel, j.max_queued, j.max_runs, \
                      j.enabled, CASE WHEN ?3 THEN j.overlap ELSE t.overlap END, \
                      coalesce(l.running, 0), coalesce(l.queued, 0), coalesce(l.runs, 0), \
                      j.spec ->> '$.budget.daily_usd' \
               FROM jobs j LEFT JOIN triggers t ON t.job_uid = j.uid AND t.id = ?2 \
                           LEFT JOIN loads l ON l.job_uid = j.uid \
               WHERE j.uid = ?1 AND j.deleted_at IS NULL AND (?3 OR t.id IS NOT NULL)";
    let read = |row: &Row<'_>| {
        let overlap: Overlap = super::rows::word(row, 8)?;
        Ok(Target {
            job_id: row.get(0)?,
            job_name: row.get(1)?,
            revision: row.get(2)?,
            max_attempts: row.get::<_, Option<u32>>(3)?.unwrap_or(0).saturating_add(1),
            max_parallel: row.get(4)?,
            load: Load { running: row.get(9)?, queued: row.get(10)?, run_count: row.get(11)?, coalesce_target: false },
            policy: AdmitPolicy {
                overlap,
                max_parallel: row.get(4)?,
                max_queued: row.get(5)?,
                enabled: row.get(7)?,
                max_runs: row.get(6)?,
                over_budget: false,
                draining: arrival.draining,
                manual,
            },
            daily_usd: row.get(12)?,
        })
    };
    let params = params![arrival.job.to_string(), arrival.trigger.as_str(), manual];
    let found = tx.prepare_cached(sql)?.query_row(params, read).optional()?;
    found.map(|target| with_budget(tx, arrival, target)).transpose()
}

/// Looks at what was spent today only where there is a limit to it. What is set aside for attempts under way does not keep a
/// fire out: most of it may come back, and its run waits for that.
fn with_budget(tx: &Connection, arrival: &Arrival, mut target: Target) -> Result<Target, StoreError> {
    let (since, all_usd) = arrival.day;
    let limits = DailyLimits { since, job_usd: target.daily_usd, all_usd };
    let left = super::usage::left_today(tx, arrival.job, limits)?;
    target.policy.over_budget = left.is_some_and(|left| left.unspent_usd <= 0.0);
    Ok(target)
}

/// Whether a loop breaker holds it, and which.
fn blocked(tx: &Connection, arrival: &Arrival, now: Timestamp) -> Result<Option<Reason>, StoreError> {
    if arrival.cause.depth == 0 {
        return Ok(None);
    }
    let uid = arrival.job.to_string();
    let sql = "SELECT spec ->> '$.loops' FROM jobs WHERE uid = ?1";
    let written: Option<String> = tx.prepare_cached(sql)?.query_row([&uid], |row| row.get(0))?;
    let written: LoopsSpec = written.as_deref().map(serde_json::from_str).transpose()?.unwrap_or_default();
    let bounds = written.bounds(&arrival.bounds);
    breaker::blocked(&bounds, arrival.cause, || {
        let sql = "SELECT count(*) FROM fires WHERE job_uid = ?1 AND depth > 0 AND seen_at > ?2 AND run_id IS NOT NULL";
        let since = now.saturating_sub(bounds.window).unwrap_or(Timestamp::MIN);
        Ok(tx.prepare_cached(sql)?.query_row(params![uid, ms(since)], |row| row.get(0))?)
    })
}

/// The run that fires can still be merged into: one that waits and has never been claimed.
fn waiting_run(tx: &Connection, job: JobUid) -> Result<Option<RunId>, StoreError> {
    let sql = "SELECT id FROM runs WHERE job_uid = ?1 AND state = 'queued' AND finished_at IS NULL AND attempt = 0 \
               ORDER BY seq DESC LIMIT 1";
    Ok(tx.prepare_cached(sql)?.query_row([job.to_string()], |row| super::rows::parsed(row, 0)).optional()?)
}

fn run(tx: &Connection, arrival: &Arrival, target: &Target, now: Timestamp) -> Result<Receipt, StoreError> {
    let lane_max = if target.policy.overlap == Overlap::Parallel { target.max_parallel } else { 1 };
    // `not_before` 0: a new run waits for no instant, so a clock that is set back does not make it wait.
    let sql = "INSERT INTO runs (id, job_uid, job_id, job_name, revision, fire_id, kind, lane_max, state, max_attempts, \
                                 not_before, queued_at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'queued', ?9, 0, ?10)";
    tx.prepare_cached(sql)?.execute(params![
        arrival.run.to_string(),
        arrival.job.to_string(),
        target.job_id,
        target.job_name,
        target.revision,
        arrival.fire.to_string(),
        arrival.kind.as_str(),
        lane_max,
        target.max_attempts,
        ms(now),
    ])?;
    record(tx, arrival, target, (Disposition::Run, None, Some(arrival.run)), now)
}

/// What becomes of a fire: how it ended up, why, and its run.
type Verdict<'a> = (Disposition, Option<&'a str>, Option<RunId>);

fn record(
    tx: &Connection,
    arrival: &Arrival,
    target: &Target,
    (disposition, reason, run_id): Verdict<'_>,
    now: Timestamp,
) -> Result<Receipt, StoreError> {
    // A refused sender is told to try again: what it sends then must not count as the same event a second time.
    let may_come_again = disposition == Disposition::Refused && !arrival.is_scheduled();
    let dedupe_key = arrival.dedupe_key.as_deref().filter(|_| !may_come_again);
    let sql = "INSERT INTO fires (id, job_uid, job_id, trigger_id, kind, due_at, seen_at, disposition, reason, run_id, \
                                  dedupe_key, cause, depth, context) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
    tx.prepare_cached(sql)?.execute(params![
        arrival.fire.to_string(),
        arrival.job.to_string(),
        target.job_id,
        arrival.trigger.as_str(),
        arrival.kind.as_str(),
        ms(arrival.due_at),
        ms(now),
        disposition.as_str(),
        reason,
        run_id.map(|id| id.to_string()),
        dedupe_key,
        arrival.cause.fire.map(|id| id.to_string()),
        arrival.cause.depth,
        arrival.context,
    ])?;
    let reason = reason.map(str::to_owned);
    Ok(Receipt { fire_id: arrival.fire, run_id, disposition, reason })
}

/// Consecutive slots of a disabled job are one row with range and count.
fn merge_or_record(tx: &Connection, arrival: &Arrival, target: &Target, now: Timestamp) -> Result<Receipt, StoreError> {
    let verdict = (Disposition::Skipped, Some(Reason::Disabled.as_str()), None);
    if arrival.is_scheduled()
        && let Some(fire_id) = extend_range(tx, arrival.job, &arrival.trigger, verdict, (arrival.due_at, 1), now)?
    {
        let reason = Some(Reason::Disabled.as_str().to_owned());
        return Ok(Receipt { fire_id, run_id: None, disposition: Disposition::Skipped, reason });
    }
    record(tx, arrival, target, verdict, now)
}

/// Extends the trigger's newest row by `count` slots up to `until`, if it is of the same disposition and reason.
pub(super) fn extend_range(
    tx: &Connection,
    job: JobUid,
    trigger: &TriggerId,
    (disposition, reason, _): Verdict<'_>,
    (until, count): (Timestamp, u64),
    now: Timestamp,
) -> Result<Option<FireId>, StoreError> {
    let sql = "UPDATE fires SET until_at = ?5, count = count + ?6, seen_at = ?7 \
               WHERE seq = (SELECT seq FROM fires WHERE job_uid = ?1 AND trigger_id = ?2 ORDER BY seq DESC LIMIT 1) \
                 AND disposition = ?3 AND reason IS ?4 RETURNING id";
    let params = params![job.to_string(), trigger.as_str(), disposition.as_str(), reason, ms(until), count, ms(now)];
    Ok(tx.prepare_cached(sql)?.query_row(params, |row| super::rows::parsed(row, 0)).optional()?)
}
