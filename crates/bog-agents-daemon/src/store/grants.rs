//! What a run's grant depends on besides its job: the tier of what fired it, and where other jobs work.

use super::rows::{optional_word, parsed};
use super::{Store, StoreError};
use bog_domain::fire::{Cause, Tier, TriggerKind};
use bog_domain::ids::RunId;
use rusqlite::{OptionalExtension, Row};

impl Store {
    /// How far the content of a run's events is trusted: no further than that of the least trusted event that was merged
    /// into it, or that it runs again for. An origin that is not kept any more is not trusted.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn tier_of(&self, run: RunId) -> Result<Tier, StoreError> {
        self.read(move |tx| {
            let sql = "WITH RECURSIVE origin (kind, cause) AS ( \
                           SELECT f.kind, f.cause FROM fires f WHERE f.run_id = ?1 \
                           UNION \
                           SELECT f.kind, f.cause FROM origin o LEFT JOIN fires f ON f.id = o.cause WHERE o.cause IS NOT NULL) \
                       SELECT DISTINCT kind FROM origin";
            let mut statement = tx.prepare_cached(sql)?;
            let kinds = statement.query_map([run.to_string()], |row| optional_word::<TriggerKind>(row, 0))?;
            let kinds = kinds.collect::<Result<Vec<_>, _>>()?;
            let trusted = |kind: &Option<TriggerKind>| kind.is_some_and(|kind| kind.tier() == Tier::Operator);
            Ok(if !kinds.is_empty() && kinds.iter().all(trusted) { Tier::Operator } else { Tier::Event })
        })
        .await
    }

    /// The cause of whatever a run causes: its own fire, as deep as the deepest of those that were merged into it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn cause_by(&self, run: RunId) -> Result<Cause, StoreError> {
        self.read(move |tx| {
            let sql = "SELECT r.fire_id, coalesce(max(f.depth), 0) FROM runs r LEFT JOIN fires f ON f.run_id = r.id \
                       WHERE r.id = ?1 GROUP BY r.id";
            let read = |row: &Row<'_>| Ok(Cause::of_run(parsed(row, 0)?, row.get(1)?));
            Ok(tx.prepare_cached(sql)?.query_row([run.to_string()], read).optional()?.unwrap_or_default())
        })
        .await
    }

    /// The working folders of all active jobs, as written, each once.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn working_dirs(&self) -> Result<Vec<String>, StoreError> {
        self.read(move |tx| {
            let sql = "SELECT DISTINCT coalesce(json_extract(spec, '$.working_dir'), json_extract(spec, '$.features.working_dir')) \
                       FROM jobs INDEXED BY jobs_live WHERE deleted_at IS NULL";
            let mut statement = tx.prepare_cached(sql)?;
            let dirs = statement.query_map([], |row| row.get::<_, Option<String>>(0))?;
            Ok(dirs.filter_map(Result::transpose).collect::<Result<_, _>>()?)
        })
        .await
    }
}
