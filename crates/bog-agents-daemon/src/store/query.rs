//! Lists and single rows, for people and programs.

use super::rows::{FIRE_COLUMNS, FireRow, JOB_COLUMNS, JobRow, RUN_COLUMNS, RevisionRow, RunRow, Seq, ms};
use super::{Orphans, Store, StoreError};
use bog_domain::delivery::DeliveryState;
use bog_domain::fire::Disposition;
use bog_domain::ids::{FireId, JobId, JobUid, RunId};
use bog_domain::run::{Outcome, RunState};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

/// A page of a list, newest first.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins, if there is one.
    pub next: Option<Seq>,
}

/// Which runs to list. Everything that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Of this job.
    pub job: Option<JobId>,
    /// In this state.
    pub state: Option<RunState>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// Queued at or after.
    pub since: Option<Timestamp>,
    /// Queued before.
    pub until: Option<Timestamp>,
}

/// Which fires to list. Everything that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct FireFilter {
    /// Of this job.
    pub job: Option<JobId>,
    /// With this disposition.
    pub disposition: Option<Disposition>,
    /// Due at or after, or, for a row that stands for several slots, its last.
    pub since: Option<Timestamp>,
    /// Due before.
    pub until: Option<Timestamp>,
}

/// Figures for health and metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Active jobs.
    pub jobs: u64,
    /// Jobs with an invalid edit.
    pub invalid_edits: u64,
    /// Runs that wait.
    pub queued: u64,
    /// Runs that run.
    pub running: u64,
    /// Deliveries that are to be made, by state.
    pub deliveries: Vec<(DeliveryState, u64)>,
    /// The most overdue slot that has not been recorded.
    pub next_slot: Option<Timestamp>,
    /// Processes that outlived their attempt, ever.
    pub orphans: Orphans,
}

impl Store {
    /// Active jobs by id, after `after`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn jobs(&self, after: Option<JobId>, limit: u32) -> Result<Vec<JobRow>, StoreError> {
        self.read(move |tx| {
            let sql = format!(
                "SELECT {JOB_COLUMNS} FROM jobs j WHERE j.deleted_at IS NULL AND j.id > ?1 ORDER BY j.id LIMIT ?2"
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let after = after.map(String::from).unwrap_or_default();
            let rows = statement.query_map(params![after, limit], JobRow::read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// A job's revisions, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn revisions(&self, job: JobUid) -> Result<Vec<RevisionRow>, StoreError> {
        self.read(move |tx| {
            let sql =
                "SELECT revision, author, created_at, spec FROM revisions WHERE job_uid = ?1 ORDER BY revision DESC";
            let mut statement = tx.prepare_cached(sql)?;
            let rows = statement.query_map([job.to_string()], RevisionRow::read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// A run.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn run(&self, id: RunId) -> Result<Option<RunRow>, StoreError> {
        self.read(move |tx| run(tx, id)).await
    }

    /// The newest finished run of a job before the run `before`: what its templates call `last_run`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn last_run(&self, job: JobUid, before: Seq) -> Result<Option<RunRow>, StoreError> {
        self.read(move |tx| {
            let sql = format!(
                "SELECT {RUN_COLUMNS} FROM runs r WHERE r.job_uid = ?1 AND r.seq < ?2 AND r.state = 'finished' \
                 ORDER BY r.seq DESC LIMIT 1"
            );
            let found = tx.prepare_cached(&sql)?.query_row(params![job.to_string(), before], RunRow::read);
            Ok(found.optional()?)
        })
        .await
    }

    /// Runs, newest first, from before `cursor`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn runs(&self, filter: RunFilter, cursor: Option<Seq>, limit: u32) -> Result<Page<RunRow>, StoreError> {
        self.read(move |tx| {
            let mut rows = Vec::new();
            for job in owners(tx, filter.job.as_ref())? {
                rows.extend(runs(tx, job, &filter, cursor, limit.saturating_add(1))?);
            }
            Ok(page(rows, limit, |row| row.seq))
        })
        .await
    }

    /// Fires, newest first, from before `cursor`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn fires(
        &self,
        filter: FireFilter,
        cursor: Option<Seq>,
        limit: u32,
    ) -> Result<Page<FireRow>, StoreError> {
        self.read(move |tx| {
            let mut rows = Vec::new();
            for job in owners(tx, filter.job.as_ref())? {
                rows.extend(fires(tx, job, &filter, cursor, limit.saturating_add(1))?);
            }
            Ok(page(rows, limit, |row| row.seq))
        })
        .await
    }

    /// A fire.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn fire(&self, id: FireId) -> Result<Option<FireRow>, StoreError> {
        self.read(move |tx| {
            let sql = format!("SELECT {FIRE_COLUMNS} FROM fires WHERE id = ?1");
            Ok(tx.prepare_cached(&sql)?.query_row([id.to_string()], FireRow::read).optional()?)
        })
        .await
    }

    /// The fires that a run has or that were merged into it, oldest first: the newest `limit` of them, and of those no more
    /// than have `bytes` of context together, the newest whatever it has.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn fires_of(&self, run: RunId, limit: u32, bytes: usize) -> Result<Vec<FireRow>, StoreError> {
        self.read(move |tx| {
            let sql = format!("SELECT {FIRE_COLUMNS} FROM fires WHERE run_id = ?1 ORDER BY seq DESC LIMIT ?2");
            let mut statement = tx.prepare_cached(&sql)?;
            let rows = statement.query_map(params![run.to_string(), limit], FireRow::read)?;
            let (mut fires, mut held) = (Vec::new(), 0);
            for fire in rows {
                let fire = fire?;
                held += fire.context.len();
                if held > bytes && !fires.is_empty() {
                    break;
                }
                fires.push(fire);
            }
            fires.reverse();
            Ok(fires)
        })
        .await
    }

    /// Figures for health and metrics.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        self.read(counts).await
    }
}

pub(super) fn run(tx: &Connection, id: RunId) -> Result<Option<RunRow>, StoreError> {
    let sql = format!("SELECT {RUN_COLUMNS} FROM runs r WHERE r.id = ?1");
    Ok(tx.prepare_cached(&sql)?.query_row([id.to_string()], RunRow::read).optional()?)
}

pub(super) fn job(tx: &Connection, which: &str, value: &str) -> Result<Option<JobRow>, StoreError> {
    let sql = format!("SELECT {JOB_COLUMNS} FROM jobs j WHERE {which}");
    Ok(tx.prepare_cached(&sql)?.query_row([value], JobRow::read).optional()?)
}

/// Whose rows to list: those of each job that ever had the id, as most have one and each has its rows in order; or
/// everyone's.
fn owners(tx: &Connection, job: Option<&JobId>) -> Result<Vec<Option<String>>, StoreError> {
    let Some(job) = job else { return Ok(vec![None]) };
    let mut statement = tx.prepare_cached("SELECT uid FROM jobs WHERE id = ?1")?;
    let uids = statement.query_map([job.as_str()], |row| row.get(0).map(Some))?;
    Ok(uids.collect::<Result<_, _>>()?)
}

fn runs(
    tx: &Connection,
    job: Option<String>,
    filter: &RunFilter,
    cursor: Option<Seq>,
    limit: u32,
) -> Result<Vec<RunRow>, StoreError> {
    let of_job = if job.is_some() { "r.job_uid = ?2" } else { "?2 IS NULL" };
    // Few rows are not over: naming them so lets their index find them among all the others.
    let in_state = match filter.state {
        Some(RunState::Queued | RunState::Running | RunState::Paused) => "r.state = ?3 AND r.finished_at IS NULL",
        Some(RunState::Finished) => "r.state = ?3",
        None => "?3 IS NULL",
    };
    let sql = format!(
        "SELECT {RUN_COLUMNS} FROM runs r WHERE r.seq < ?1 AND {of_job} AND {in_state} \
           AND (?4 IS NULL OR r.outcome = ?4) AND (?5 IS NULL OR r.queued_at >= ?5) AND (?6 IS NULL OR r.queued_at < ?6) \
         ORDER BY r.seq DESC LIMIT ?7"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let params = params![
        cursor.unwrap_or(Seq::MAX),
        job,
        filter.state.map(RunState::as_str),
        filter.outcome.map(Outcome::as_str),
        filter.since.map(ms),
        filter.until.map(ms),
        limit,
    ];
    Ok(statement.query_map(params, RunRow::read)?.collect::<Result<_, _>>()?)
}

fn fires(
    tx: &Connection,
    job: Option<String>,
    filter: &FireFilter,
    cursor: Option<Seq>,
    limit: u32,
) -> Result<Vec<FireRow>, StoreError> {
    let of_job = if job.is_some() { "job_uid = ?2" } else { "?2 IS NULL" };
    let sql = format!(
        "SELECT {FIRE_COLUMNS} FROM fires WHERE seq < ?1 AND {of_job} AND (?3 IS NULL OR disposition = ?3) \
           AND (?4 IS NULL OR coalesce(until_at, due_at) >= ?4) AND (?5 IS NULL OR due_at < ?5) \
         ORDER BY seq DESC LIMIT ?6"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let params = params![
        cursor.unwrap_or(Seq::MAX),
        job,
        filter.disposition.map(Disposition::as_str),
        filter.since.map(ms),
        filter.until.map(ms),
        limit,
    ];
    Ok(statement.query_map(params, FireRow::read)?.collect::<Result<_, _>>()?)
}

pub(super) fn page<T>(mut items: Vec<T>, limit: u32, seq: impl Fn(&T) -> Seq) -> Page<T> {
    items.sort_by_key(|item| std::cmp::Reverse(seq(item)));
    let limit = limit as usize;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(seq) } else { None };
    Page { items, next }
}

fn counts(tx: &Connection) -> Result<Counts, StoreError> {
    let one = |sql: &str| -> Result<u64, StoreError> { Ok(tx.prepare_cached(sql)?.query_row([], |row| row.get(0))?) };
    let sql = "SELECT state, count(*) FROM deliveries WHERE next_at IS NOT NULL GROUP BY state";
    let mut statement = tx.prepare_cached(sql)?;
    let deliveries = statement.query_map([], |row| Ok((super::rows::word(row, 0)?, row.get(1)?)))?;
    Ok(Counts {
        jobs: one("SELECT count(*) FROM jobs INDEXED BY jobs_live WHERE deleted_at IS NULL")?,
        invalid_edits: one(
            "SELECT count(*) FROM jobs INDEXED BY jobs_invalid WHERE invalid IS NOT NULL AND deleted_at IS NULL",
        )?,
        queued: one("SELECT count(*) FROM runs WHERE state = 'queued' AND finished_at IS NULL")?,
        running: one("SELECT count(*) FROM runs WHERE state = 'running' AND finished_at IS NULL")?,
        deliveries: deliveries.collect::<Result<_, _>>()?,
        next_slot: tx
            .prepare_cached("SELECT min(next_at) FROM triggers WHERE next_at IS NOT NULL")?
            .query_row([], |row| super::rows::optional_time(row, 0))?,
        orphans: super::orphans::read(tx)?,
    })
}
