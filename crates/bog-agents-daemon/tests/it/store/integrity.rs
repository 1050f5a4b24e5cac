//! The checker: each of its rules broken by hand, and seen to be reported.

use super::ledger::{Ledger, deliveries, ended};
use bog_agents_daemon::store::check;
use rusqlite::Connection;

/// A ledger with a bit of everything: a finished run with a delivery, one that runs, one that waits, a merged fire.
async fn sample() -> Ledger {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    let finished = ledger.fire(uid).await;
    let claim = ledger.claim(finished).await;
    assert!(ledger.store.finish(ended(claim, deliveries(1))).await.unwrap());
    let running = ledger.fire(uid).await;
    ledger.claim(running).await;
    ledger.accept(super::ledger::slot(uid, 60)).await;
    ledger.accept(super::ledger::slot(uid, 120)).await;
    ledger
}

/// Breaks the sample with a statement, and returns which rules say so.
async fn broken_by(sql: &str) -> Vec<&'static str> {
    let ledger = sample().await;
    let path = ledger.path();
    let folder = ledger.close();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = off").unwrap();
    let changed = connection.execute(sql, []).unwrap();
    assert!(changed > 0, "the statement breaks nothing: {sql}");
    drop(connection);
    let mut rules: Vec<_> = check(&path).unwrap().into_iter().map(|violation| violation.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    drop(folder);
    rules
}

#[tokio::test]
async fn every_rule_notices_what_breaks_it() {
    let cases = [
        (
            "every fire with a run has exactly that run in the ledger",
            "UPDATE fires SET run_id = 'nobody' WHERE disposition = 'coalesced'",
        ),
        (
            "a fire has a run if and only if it runs or was merged",
            "UPDATE fires SET disposition = 'skipped' WHERE disposition = 'coalesced'",
        ),
        (
            "one fire has at most one run",
            "UPDATE runs SET fire_id = (SELECT fire_id FROM runs WHERE state = 'finished') WHERE state = 'running'",
        ),
        ("every run belongs to a fire that says so", "UPDATE runs SET fire_id = 'nobody' WHERE state = 'running'"),
        ("a run counts the fires merged into it", "UPDATE runs SET fires = 9 WHERE state = 'queued'"),
        (
            "a finished run has an outcome and an end, and only a finished one has",
            "UPDATE runs SET outcome = NULL WHERE state = 'finished'",
        ),
        (
            "a finished run has an outcome and an end, and only a finished one has",
            "UPDATE runs SET finished_at = NULL WHERE state = 'finished'",
        ),
        (
            "a finished run has an outcome and an end, and only a finished one has",
            "UPDATE runs SET outcome = 'failed' WHERE state = 'queued'",
        ),
        ("a running run has an owner and an open attempt", "UPDATE runs SET epoch = NULL WHERE state = 'running'"),
        ("a running run has an owner and an open attempt", "DELETE FROM attempts WHERE finished_at IS NULL"),
        (
            "a run that is not running has no open attempt",
            "UPDATE attempts SET finished_at = NULL WHERE finished_at IS NOT NULL",
        ),
        (
            "only an attempt that exceeded a limit names one",
            "UPDATE attempts SET limit_hit = '{}' WHERE outcome = 'succeeded'",
        ),
        (
            "only an attempt that exceeded a limit names one",
            "UPDATE attempts SET limit_hit = '{}' WHERE outcome IS NULL",
        ),
        (
            "a run's limit is that of its last attempt that ended",
            "UPDATE runs SET limit_hit = '{}' WHERE state = 'queued'",
        ),
        (
            "a run's limit is that of its last attempt that ended",
            "UPDATE attempts SET limit_hit = '{}', outcome = 'limit_exceeded' WHERE outcome IS NOT NULL",
        ),
        ("a job's load is what its runs say", "UPDATE loads SET queued = queued + 1"),
        ("a job's load is what its runs say", "UPDATE loads SET running = running + 1"),
        ("a job's load is what its runs say", "UPDATE loads SET head = NULL WHERE head IS NOT NULL"),
        (
            "only finished runs have deliveries",
            "UPDATE deliveries SET run_id = (SELECT id FROM runs WHERE state = 'queued')",
        ),
        ("only finished runs have deliveries", "UPDATE deliveries SET run_id = 'nobody'"),
        ("a delivery is due if and only if it is not settled", "UPDATE deliveries SET next_at = NULL"),
        ("a delivery is due if and only if it is not settled", "UPDATE deliveries SET state = 'delivered'"),
        ("a delivery that waits for its turn waits for another", "UPDATE deliveries SET turn = 1"),
        ("a trigger belongs to a live job", "UPDATE jobs SET deleted_at = 1"),
        ("every run names a revision that is kept", "DELETE FROM revisions"),
    ];
    for (rule, sql) in cases {
        let found = broken_by(sql).await;
        assert!(found.contains(&rule), "{rule}: {found:?}");
    }
}

#[tokio::test]
async fn every_rule_there_is_was_broken_above() {
    // The rules' names stand in one source file: a new one must come with a case.
    let source = include_str!("../../../src/store/integrity.rs");
    let cases = include_str!("integrity.rs");
    let rules = source.split("const RULES").nth(1).unwrap().split("];").next().unwrap();
    let names = rules.lines().map(str::trim).filter(|line| line.starts_with('"') && line.ends_with("\","));
    let names: Vec<_> = names.filter(|line| !line.starts_with("\"SELECT")).collect();
    assert!(names.len() >= 12, "only {} rules were found: the test is broken", names.len());
    for name in names {
        assert!(cases.contains(name.trim_end_matches(',')), "no case breaks {name}");
    }
}

#[tokio::test]
async fn an_unsound_file_is_reported() {
    let ledger = sample().await;
    let path = ledger.path();
    let _folder = ledger.close();
    let connection = Connection::open(&path).unwrap();
    let pages = "SELECT pageno FROM dbstat WHERE name = 'runs_job'";
    let page: usize = connection.query_row(pages, [], |row| row.get(0)).unwrap();
    let size: usize = connection.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
    drop(connection);
    // The last bytes of the page belong to an entry of the index.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[page * size - 3..page * size].fill(b'!');
    std::fs::write(&path, bytes).unwrap();
    let found = check(&path).unwrap();
    assert_eq!(found[0].rule, "the file is a sound SQLite database", "{found:?}");
}
