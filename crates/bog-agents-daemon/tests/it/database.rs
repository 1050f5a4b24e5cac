//! A database that is damaged, lost or too new: what can be kept is kept, byte for byte, and the jobs are back.

use super::support::{Daemon, Home, eventually, violations};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;

const JOB: &str = "agent: {command: [echo, done]}\n";

/// A home whose daemon has run a job and was stopped in order: all of its history is in the one file.
fn with_history() -> Home {
    let home = Home::new();
    home.job("kept", JOB);
    home.job("edited", JOB);
    let daemon = home.start();
    for _ in 0..5 {
        daemon.finished(&daemon.fire("kept"));
    }
    assert!(daemon.stop().success());
    let all = Connection::open(database(&home)).unwrap();
    all.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    all.close().unwrap();
    // Invalid by now: only the spare copy of its last good revision can bring it back.
    home.job("edited", "agent: {command: [echo, done]}\nnaem: x\n");
    home
}

fn database(home: &Home) -> std::path::PathBuf {
    home.data().join("daemon.db")
}

/// Both jobs run, the ledger is sound, and nothing is remembered.
fn jobs_are_back(home: &Home, daemon: &Daemon) {
    assert_eq!(daemon.list("/runs").len(), 0);
    for job in ["kept", "edited"] {
        let run = daemon.finished(&daemon.fire(job));
        assert_eq!(run["output"], "done\n", "{run}");
    }
    let edited = daemon.get("/jobs/edited");
    assert!(edited["state"]["invalid_edit"].as_str().unwrap().contains("naem"), "{edited}");
    assert_eq!(violations(&home.data()), Vec::<String>::new());
}

/// Started with these bytes as its database, the daemon sets them aside untouched, says so, and begins a new one.
fn set_aside(home: &Home, damaged: &[u8]) -> String {
    fs::write(database(home), damaged).unwrap();
    let daemon = home.start();
    let problem = home.plain(&daemon.problem("set aside"));
    assert!(home.plain(&daemon.log()).contains(&problem), "it is said on stderr too: {}", daemon.log());
    let aside = home.data().join("daemon.db.damaged-1");
    assert!(fs::read(&aside).unwrap() == damaged, "what was set aside was changed");
    jobs_are_back(home, &daemon);
    // The next start has a sound database and nothing to report.
    assert!(daemon.stop().success());
    let daemon = home.start();
    daemon.well();
    assert_eq!(daemon.list("/runs").len(), 2);
    assert!(fs::read(&aside).unwrap() == damaged, "what was set aside was changed later");
    problem
}

#[test]
fn garbage_is_set_aside() {
    let home = with_history();
    let garbage: Vec<u8> = (0..100_000_u32).map(|n| u8::try_from(n.wrapping_mul(n) % 251).unwrap()).collect();
    insta::assert_snapshot!(set_aside(&home, &garbage));
}

#[test]
fn a_truncated_database_is_set_aside() {
    let home = with_history();
    let whole = fs::read(database(&home)).unwrap();
    set_aside(&home, &whole[..whole.len() / 2]);
    // A second one does not take the first one's place.
    fs::write(database(&home), &whole[..whole.len() / 3 + 1]).unwrap();
    home.start().problem("daemon.db.damaged-2");
    assert!(home.data().join("daemon.db.damaged-1").exists() && home.data().join("daemon.db.damaged-2").exists());
}

#[test]
fn an_overwritten_page_is_set_aside() {
    let home = with_history();
    let mut bytes = fs::read(database(&home)).unwrap();
    // The first page behind its header, which holds the schema.
    bytes[100..4096].fill(0xa5);
    set_aside(&home, &bytes);
}

#[test]
fn another_programs_database_is_set_aside() {
    let home = with_history();
    fs::remove_file(database(&home)).unwrap();
    let theirs = Connection::open(database(&home)).unwrap();
    theirs.execute_batch("CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('mine')").unwrap();
    theirs.close().unwrap();
    let bytes = fs::read(database(&home)).unwrap();
    insta::assert_snapshot!(set_aside(&home, &bytes));
}

#[test]
fn an_empty_or_deleted_database_is_begun_anew() {
    for empty in [true, false] {
        let home = with_history();
        if empty { fs::write(database(&home), "") } else { fs::remove_file(database(&home)) }.unwrap();
        let daemon = home.start();
        jobs_are_back(&home, &daemon);
    }
}

/// A home whose daemon was killed: its history is in the file and the log beside it.
fn killed() -> Home {
    let home = Home::new();
    home.job("kept", JOB);
    home.job("edited", JOB);
    let daemon = home.start();
    daemon.finished(&daemon.fire("kept"));
    daemon.kill();
    home.job("edited", "agent: {command: [echo, done]}\nnaem: x\n");
    home
}

#[test]
fn a_log_that_holds_everything_makes_up_for_its_file() {
    let home = killed();
    fs::write(database(&home), "garbage, and more of it").unwrap();
    let daemon = home.start();
    assert_eq!(daemon.list("/runs")[0]["outcome"], "succeeded");
    assert!(!home.data().join("daemon.db.damaged-1").exists());
    daemon.well();
}

#[test]
fn a_damaged_log_is_set_aside_with_its_file() {
    let home = killed();
    let log = home.data().join("daemon.db-wal");
    fs::write(database(&home), "garbage, and more of it").unwrap();
    fs::write(&log, "garbage too").unwrap();
    let daemon = home.start();
    daemon.problem("daemon.db.damaged-1");
    let aside = |suffix: &str| fs::read_to_string(home.data().join(format!("daemon.db.damaged-1{suffix}"))).unwrap();
    assert_eq!((aside("").as_str(), aside("-wal").as_str()), ("garbage, and more of it", "garbage too"));
    jobs_are_back(&home, &daemon);
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let home = with_history();
    let newer = Connection::open(database(&home)).unwrap();
    let known: i64 = newer.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    newer.pragma_update(None, "user_version", 999).unwrap();
    newer.close().unwrap();
    let before = fs::read(database(&home)).unwrap();
    let output = home.run(&["run", "--port", "0"]);
    assert_eq!(output.status.code(), Some(1));
    let said = home.plain(&String::from_utf8(output.stderr).unwrap());
    insta::assert_snapshot!(said.replace(&format!("up to {known})"), "up to KNOWN)"));
    assert!(fs::read(database(&home)).unwrap() == before, "it was changed");
    assert!(!home.data().join("daemon.db.damaged-1").exists());
    // With the version that knows it, all is as it was.
    let older = Connection::open(database(&home)).unwrap();
    older.pragma_update(None, "user_version", known).unwrap();
    older.close().unwrap();
    assert_eq!(home.start().list("/runs").len(), 5);
}

#[test]
fn a_runner_whose_row_was_lost_is_ended_and_its_folder_kept() {
    let home = Home::new();
    home.job(
        "long",
        "agent: {command: [sh, -c, 'echo begun; echo $$ > WORK/pid; exec sleep 1000']}\nsandbox: {shell: host}\n"
            .replace("WORK", home.path().to_str().unwrap())
            .as_str(),
    );
    let daemon = home.start();
    let run = daemon.fire("long");
    let pid = home.path().join("pid");
    eventually("the agent runs", || fs::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n')));
    let pid = fs::read_to_string(&pid).unwrap();
    daemon.kill();
    fs::write(database(&home), "garbage").unwrap();
    fs::remove_file(home.data().join("daemon.db-wal")).unwrap();
    let daemon = home.start();
    daemon.problem("set aside");
    eventually("the agent is ended", || !std::path::Path::new("/proc").join(pid.trim()).exists());
    let folder = home.data().join("runs").join(&run).join("1");
    let outcome = || fs::read_to_string(folder.join("outcome.json")).unwrap_or_default();
    eventually("its outcome is kept", || outcome().contains("cancelled"));
    assert!(fs::read_to_string(folder.join("events.jsonl")).unwrap().contains("begun"));
    assert_eq!(daemon.list("/runs"), Vec::<Value>::new());
    assert_eq!(daemon.get("/jobs/long")["state"]["run_count"], json!(0));
}
