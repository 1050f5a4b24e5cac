//! The record: every invariant of the database, and whether the runs' folders go with it. It only reads, so that it may
//! look on while a daemon works; then what is under way may look odd for an instant.

use super::super::context::Context;
use super::{Finding, Verdict};
use crate::store;
use bog_domain::run::RunState;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

/// How often record and folders are compared before a difference counts.
const LOOKS: u32 = 5;

/// Time between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

pub(super) fn check(context: &Context) -> Vec<Finding> {
    const CHECK: &str = "record";
    let database = context.data_dir.join("daemon.db");
    let shown = database.display();
    if !database.exists() {
        return vec![Finding::ok(CHECK, format!("`{shown}` is not there yet"))];
    }
    let violations = match store::check(&database) {
        Ok(violations) => violations,
        Err(error) => return vec![Finding::fail(CHECK, format!("`{shown}` cannot be read: {error}"))],
    };
    let mut findings: Vec<_> =
        violations.iter().map(|broken| Finding::fail(CHECK, format!("{}: {}", broken.rule, broken.detail))).collect();
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "every invariant holds"));
    }
    findings.extend(runs(&database, &context.data_dir.join("runs")));
    findings
}

/// Compares record and folders until they agree, a few times: a run that begins or ends between the two looks is none
/// to complain of.
fn runs(database: &Path, runs: &Path) -> Vec<Finding> {
    let mut looks = 0;
    loop {
        let findings = match store::run_states(database) {
            Ok(states) => folders(runs, &states),
            Err(error) => vec![Finding::fail("record", format!("its runs cannot be read: {error}"))],
        };
        looks += 1;
        if looks == LOOKS || findings.iter().all(|finding| finding.verdict == Verdict::Ok) {
            return findings;
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// Compares the runs' folders with the record.
fn folders(runs: &Path, states: &HashMap<String, RunState>) -> Vec<Finding> {
    const CHECK: &str = "runs";
    let locked = locked_inodes();
    let (mut findings, mut live) = (Vec::new(), 0);
    for run in subfolders(runs) {
        let shown = runs.join(&run).display().to_string();
        let attempts = subfolders(&runs.join(&run));
        let held =
            attempts.iter().filter(|attempt| is_locked(&runs.join(&run).join(attempt).join("lock"), &locked)).count();
        live += held;
        match states.get(&run) {
            None => {
                findings.push(Finding::warn(CHECK, format!("`{shown}` has no row in the record: it can be removed")));
            }
            Some(RunState::Running) if held > 1 => {
                findings.push(Finding::fail(CHECK, format!("`{shown}` has {held} live attempts")));
            }
            Some(RunState::Running | RunState::Paused) => {}
            Some(state @ (RunState::Queued | RunState::Finished)) if held > 0 => {
                findings.push(Finding::fail(CHECK, format!("`{shown}` has a live attempt, and the run is {state}")));
            }
            Some(RunState::Queued | RunState::Finished) => {}
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, format!("{} in the record, {live} live attempts", states.len())));
    }
    findings
}

fn subfolders(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut names: Vec<_> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The inodes of all locked files. Taking a lock to see whether it is held would get in its owner's way.
fn locked_inodes() -> HashSet<u64> {
    let table = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    parse_locks(&table)
}

/// Reads `/proc/locks` (proc_locks(5)): the sixth field of a line is `MAJOR:MINOR:INODE`. Lines of processes that wait
/// have an arrow in them and hold nothing. Devices are left out: they differ from `stat`'s on some file systems.
fn parse_locks(table: &str) -> HashSet<u64> {
    let held = table.lines().filter(|line| !line.contains("->"));
    let inodes = held.filter_map(|line| line.split_whitespace().nth(5)?.rsplit(':').next()?.parse().ok());
    inodes.collect()
}

#[cfg(unix)]
fn is_locked(path: &Path, locked: &HashSet<u64>) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| locked.contains(&std::os::unix::fs::MetadataExt::ino(&metadata)))
}

#[cfg(not(unix))]
fn is_locked(_path: &Path, _locked: &HashSet<u64>) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_lock_table_name_inodes() {
        let table = "1: FLOCK  ADVISORY  WRITE 1234 08:01:567 0 EOF\n1: -> FLOCK  ADVISORY  WRITE 1235 08:01:568 0 EOF\n\
                     2: POSIX  ADVISORY  READ  99 00:2f:42 128 128\n";
        assert_eq!(parse_locks(table), HashSet::from([567, 42]));
    }

    #[test]
    fn folders_that_do_not_go_with_the_record_are_named() {
        let data = tempfile::tempdir().unwrap();
        let runs = data.path();
        let states = HashMap::from([("a".to_owned(), RunState::Finished), ("b".to_owned(), RunState::Running)]);
        for attempt in ["a/1", "b/1", "stray/1"] {
            std::fs::create_dir_all(runs.join(attempt)).unwrap();
            std::fs::write(runs.join(attempt).join("lock"), "").unwrap();
        }
        let findings = folders(runs, &states);
        let stray = runs.join("stray").display().to_string();
        assert_eq!(findings, [Finding::warn("runs", format!("`{stray}` has no row in the record: it can be removed"))]);

        let locks = ["a/1/lock", "b/1/lock"].map(|path| std::fs::File::open(runs.join(path)).unwrap());
        locks.iter().for_each(|lock| lock.lock().unwrap());
        if cfg!(target_os = "linux") {
            let failed: Vec<_> = folders(runs, &states).into_iter().filter(|it| it.verdict == Verdict::Fail).collect();
            let shown = runs.join("a").display().to_string();
            assert_eq!(
                failed,
                [Finding::fail("runs", format!("`{shown}` has a live attempt, and the run is finished"))]
            );
        }
    }
}
