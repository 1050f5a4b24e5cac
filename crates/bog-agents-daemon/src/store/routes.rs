//! Which triggers the requests to a path fire.

use super::rows::parsed;
use super::{Store, StoreError};
use bog_domain::ids::{JobId, JobUid, TriggerId};

/// A trigger that requests to a path fire.
#[derive(Debug, Clone)]
pub struct RouteRow {
    /// The job's uid.
    pub job: JobUid,
    /// The job's id.
    pub job_id: JobId,
    /// The job's spec, as JSON text.
    pub spec: String,
    /// The trigger.
    pub trigger: TriggerId,
}

impl Store {
    /// The triggers of all jobs that requests to a path fire, by job.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn routes_of(&self, path: String) -> Result<Vec<RouteRow>, StoreError> {
        self.read(move |tx| {
            let sql = "SELECT t.job_uid, j.id, j.spec, t.id FROM triggers t JOIN jobs j ON j.uid = t.job_uid \
                       WHERE t.route = ?1 ORDER BY j.id, t.id";
            let mut statement = tx.prepare_cached(sql)?;
            let rows = statement.query_map([path], |row| {
                Ok(RouteRow {
                    job: parsed(row, 0)?,
                    job_id: parsed(row, 1)?,
                    spec: row.get(2)?,
                    trigger: TriggerId::new(row.get::<_, String>(3)?),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The names of the secrets without which requests are refused that would fire enabled jobs.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn route_secrets(&self) -> Result<Vec<String>, StoreError> {
        self.read(|tx| {
            let sql = "SELECT DISTINCT t.secret FROM triggers t JOIN jobs j ON j.uid = t.job_uid \
                       WHERE t.secret IS NOT NULL AND j.enabled";
            let mut statement = tx.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}
