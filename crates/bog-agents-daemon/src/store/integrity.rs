//! The one invariant checker: what must hold of any database, whatever was killed when. `doctor --deep` and the fault
//! tests run it.

use super::error::StoreError;
use super::open::open_reader;
use super::rows::word;
use bog_domain::run::RunState;
use std::collections::HashMap;
use std::path::Path;

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What must hold.
    pub rule: &'static str,
    /// The row that breaks it.
    pub detail: String,
}

/// Each rule with the first schema it holds of and a query that finds what breaks it; the query's one column says what
/// was found.
const RULES: [(i64, &str, &str); 16] = [
    (
        1,
        "every fire with a run has exactly that run in the ledger",
        "SELECT 'fire ' || f.id || ' points at run ' || f.run_id FROM fires f LEFT JOIN runs r ON r.id = f.run_id \
         WHERE f.run_id IS NOT NULL AND r.id IS NULL",
    ),
    (
        1,
        "a fire has a run if and only if it runs or was merged",
        "SELECT 'fire ' || id || ' is ' || disposition FROM fires \
         WHERE (run_id IS NOT NULL) <> (disposition IN ('run', 'coalesced'))",
    ),
    (
        1,
        "one fire has at most one run",
        "SELECT 'fire ' || fire_id || ' has ' || count(*) || ' runs' FROM runs GROUP BY fire_id HAVING count(*) > 1",
    ),
    (
        1,
        "every run belongs to a fire that says so",
        "SELECT 'run ' || r.id FROM runs r LEFT JOIN fires f ON f.id = r.fire_id \
         WHERE f.id IS NULL OR f.run_id IS NOT r.id OR f.disposition <> 'run'",
    ),
    (
        1,
        "a run counts the fires merged into it",
        "SELECT 'run ' || r.id || ' counts ' || r.fires FROM runs r \
         WHERE r.fires <> (SELECT count(*) FROM fires f WHERE f.run_id = r.id)",
    ),
    (
        1,
        "a finished run has an outcome and an end, and only a finished one has",
        "SELECT 'run ' || id || ' is ' || state FROM runs \
         WHERE (state = 'finished') <> (outcome IS NOT NULL) OR (state = 'finished') <> (finished_at IS NOT NULL)",
    ),
    (
        1,
        "a running run has an owner and an open attempt",
        "SELECT 'run ' || r.id FROM runs r LEFT JOIN attempts a ON a.run_id = r.id AND a.attempt = r.attempt \
         WHERE r.state = 'running' AND (r.epoch IS NULL OR a.run_id IS NULL OR a.finished_at IS NOT NULL)",
    ),
    (
        1,
        "a run that is not running has no open attempt",
        "SELECT 'run ' || r.id || ' attempt ' || a.attempt FROM attempts a JOIN runs r ON r.id = a.run_id \
         WHERE a.finished_at IS NULL AND (r.state <> 'running' OR a.attempt <> r.attempt)",
    ),
    (
        2,
        "only an attempt that exceeded a limit names one",
        "SELECT 'run ' || run_id || ' attempt ' || attempt || ' is ' || coalesce(outcome, 'not over') FROM attempts \
         WHERE limit_hit IS NOT NULL AND outcome IS NOT 'limit_exceeded'",
    ),
    (
        2,
        "a run's limit is that of its last attempt that ended",
        "SELECT 'run ' || r.id FROM runs r \
         WHERE r.limit_hit IS NOT (SELECT a.limit_hit FROM attempts a WHERE a.run_id = r.id AND a.outcome IS NOT NULL \
                                   ORDER BY a.attempt DESC LIMIT 1)",
    ),
    (
        1,
        "a job's load is what its runs say",
        "SELECT 'job ' || l.job_uid || ': ' || l.queued || ' queued, ' || l.running || ' running, head ' || coalesce(l.head, '-') \
         FROM loads l WHERE \
             l.queued <> (SELECT count(*) FROM runs r WHERE r.job_uid = l.job_uid AND r.state = 'queued') \
          OR l.running <> (SELECT count(*) FROM runs r WHERE r.job_uid = l.job_uid AND r.state = 'running') \
          OR l.head IS NOT (SELECT min(seq) FROM runs r \
                            WHERE r.job_uid = l.job_uid AND r.state = 'queued' AND r.lane_max = 1)",
    ),
    (
        1,
        "only finished runs have deliveries",
        "SELECT 'delivery ' || d.id FROM deliveries d LEFT JOIN runs r ON r.id = d.run_id \
         WHERE r.id IS NULL OR r.state <> 'finished'",
    ),
    (
        1,
        "a delivery is due if and only if it is not settled",
        "SELECT 'delivery ' || id || ' is ' || state FROM deliveries \
         WHERE CASE state WHEN 'pending' THEN next_at IS NULL WHEN 'retrying' THEN next_at IS NULL \
                          WHEN 'unknown' THEN 0 ELSE next_at IS NOT NULL END",
    ),
    (
        5,
        "a delivery that waits for its turn waits for another",
        "SELECT 'delivery ' || d.id FROM deliveries d WHERE d.turn = 1 AND d.next_at IS NOT NULL \
           AND NOT EXISTS (SELECT 1 FROM deliveries e WHERE e.lane = d.lane AND e.next_at IS NOT NULL AND e.turn = 0)",
    ),
    (
        1,
        "a trigger belongs to a live job",
        "SELECT 'trigger ' || t.id || ' of job ' || t.job_uid FROM triggers t JOIN jobs j ON j.uid = t.job_uid \
         WHERE j.deleted_at IS NOT NULL",
    ),
    (
        1,
        "every run names a revision that is kept",
        "SELECT 'run ' || r.id || ' names revision ' || r.revision FROM runs r \
         LEFT JOIN revisions v ON v.job_uid = r.job_uid AND v.revision = r.revision WHERE v.job_uid IS NULL",
    ),
];

/// Checks a database file, without a daemon or beside one.
///
/// # Errors
/// When it cannot be read at all.
pub fn check(path: &Path) -> Result<Vec<Violation>, StoreError> {
    let connection = open_reader(path)?;
    let sound: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if sound != "ok" {
        // What an unsound file says of the rules below means nothing, if it can be asked at all.
        return Ok(vec![Violation { rule: "the file is a sound SQLite database", detail: sound }]);
    }
    let mut violations = Vec::new();
    let snapshot = connection.unchecked_transaction()?;
    let schema: i64 = snapshot.pragma_query_value(None, "user_version", |row| row.get(0))?;
    // A database that this version has not opened yet may lack what the newer rules are about.
    for (_, rule, sql) in RULES.into_iter().filter(|(since, _, _)| *since <= schema) {
        let mut statement = snapshot.prepare(sql)?;
        let details = statement.query_map([], |row| row.get::<_, String>(0))?;
        for detail in details {
            violations.push(Violation { rule, detail: detail? });
        }
    }
    Ok(violations)
}

/// Where every run stands, by id, for a comparison with their folders.
///
/// # Errors
/// When the file cannot be read.
pub fn run_states(path: &Path) -> Result<HashMap<String, RunState>, StoreError> {
    let connection = open_reader(path)?;
    let mut statement = connection.prepare("SELECT id, state FROM runs")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, word(row, 1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
