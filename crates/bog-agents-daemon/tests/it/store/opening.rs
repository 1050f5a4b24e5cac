//! Opening: what is fit to be used, what is set aside, what is refused; and never a byte written to what is not ours.

use super::ledger::{Ledger, at, by_hand};
use crate::support::reexec;
use bog_agents_daemon::store::{Accepted, Claim, FireFilter, OpenError, Opened, Store, check};
use bog_domain::containment::{
    Confinement, Containment, Enforcer, LimitHeld, LimitHit, LimitKind, Mechanism, Missing, NetworkAccess,
};
use bog_domain::run::Outcome;
use rusqlite::Connection;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn open(path: &Path) -> Result<Opened, OpenError> {
    Store::open(path, Box::new(|_, _| {}))
}

/// Opens a database that must be good.
fn reopen(folder: tempfile::TempDir) -> Ledger {
    Ledger::in_folder(folder)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// A folder with a real database of some size, its log folded in.
async fn real() -> (tempfile::TempDir, PathBuf) {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    futures::future::join_all((0..500).map(|_| ledger.accept(by_hand(uid)))).await;
    let path = ledger.path();
    (ledger.close(), path)
}

/// Copies a database while it is open, as a crash would leave it: most of it is in the log.
async fn crashed() -> (tempfile::TempDir, PathBuf) {
    let ledger = reopen(real().await.0);
    let uid = ledger.store.job("a".parse().unwrap()).await.unwrap().unwrap().uid;
    futures::future::join_all((0..300).map(|_| ledger.accept(by_hand(uid)))).await;
    let copy = tempfile::tempdir().unwrap();
    let path = copy.path().join("daemon.db");
    fs::copy(ledger.path(), &path).unwrap();
    fs::copy(beside(&ledger.path(), "-wal"), beside(&path, "-wal")).unwrap();
    ledger.close();
    (copy, path)
}

/// Opens what must be set aside, untouched; returns why it was.
fn set_aside(path: &Path) -> String {
    let (before, log) = (fs::read(path).unwrap(), fs::read(beside(path, "-wal")).ok());
    let opened = open(path).unwrap();
    let (aside, why) = opened.quarantined.expect("it was taken for good");
    assert_eq!(aside, beside(path, ".damaged-1"));
    assert!(fs::read(&aside).unwrap() == before, "the damaged file was changed");
    assert!(fs::read(beside(&aside, "-wal")).ok() == log, "the damaged file's log was changed");
    drop(opened.store);
    opened.writer.join().unwrap();
    assert_eq!(check(path).unwrap(), []);
    why
}

#[tokio::test]
async fn a_fresh_and_a_reopened_store_are_private() {
    let ledger = Ledger::new();
    ledger.job("a").await;
    for suffix in ["", "-wal", "-shm"] {
        let mode = fs::metadata(beside(&ledger.path(), suffix)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "daemon.db{suffix}");
    }
    let reopened = reopen(ledger.close());
    assert_eq!(reopened.store.counts().await.unwrap().jobs, 1);
    reopened.close();
}

#[tokio::test]
async fn garbage_is_set_aside_and_each_time_under_another_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("daemon.db");
    for garbage in [&b"hello"[..], &[0xff; 70_000]] {
        fs::write(&path, garbage).unwrap();
        set_aside(&path);
        fs::remove_file(beside(&path, ".damaged-1")).unwrap();
    }
    fs::write(beside(&path, ".damaged-1"), "an earlier one").unwrap();
    fs::write(&path, "garbage again").unwrap();
    let (aside, _) = open(&path).unwrap().quarantined.unwrap();
    assert_eq!(aside, beside(&path, ".damaged-2"));
    assert_eq!(fs::read(beside(&path, ".damaged-1")).unwrap(), b"an earlier one");
}

#[tokio::test]
async fn a_database_cut_in_half_is_set_aside() {
    let (_folder, path) = real().await;
    let half = fs::metadata(&path).unwrap().len() / 2;
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(half).unwrap();
    set_aside(&path);
}

#[tokio::test]
async fn a_database_cut_in_half_beside_its_log_is_set_aside() {
    let (_folder, path) = crashed().await;
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(fs::metadata(&path).unwrap().len() / 2).unwrap();
    let why = set_aside(&path);
    assert!(why.contains("bytes long where"), "{why}");
}

#[tokio::test]
async fn an_emptied_database_does_not_take_its_log_with_it() {
    let (_folder, path) = crashed().await;
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    set_aside(&path);
}

#[tokio::test]
async fn a_database_whose_beginning_was_overwritten_is_set_aside() {
    let (_folder, path) = real().await;
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all(&[b'x'; 40_000]).unwrap();
    set_aside(&path);
}

#[tokio::test]
async fn another_programs_database_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("daemon.db");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE songs (title TEXT); INSERT INTO songs VALUES ('x')").unwrap();
    drop(other);
    assert_eq!(set_aside(&path), "it is some other program's database");
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_byte_for_byte() {
    let (_folder, path) = crashed().await;
    let newer = Connection::open(&path).unwrap();
    newer.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    let (copy_folder, log) = (tempfile::tempdir().unwrap(), beside(&path, "-wal"));
    let copy = copy_folder.path().join("daemon.db");
    fs::copy(&path, &copy).unwrap();
    fs::copy(&log, beside(&copy, "-wal")).unwrap();
    let before = (fs::read(&copy).unwrap(), fs::read(beside(&copy, "-wal")).unwrap());
    let error = open(&copy).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 99, known: 3, .. }), "{error}");
    assert!(error.to_string().contains("was written by a newer version"), "{error}");
    assert!((fs::read(&copy).unwrap(), fs::read(beside(&copy, "-wal")).unwrap()) == before, "it was written to");
}

#[tokio::test]
async fn a_log_left_by_a_crash_is_taken_over() {
    let (folder, _) = crashed().await;
    let ledger = reopen(folder);
    assert_eq!(ledger.store.counts().await.unwrap().queued, 800);
    ledger.close();
}

#[tokio::test]
async fn a_torn_end_of_the_log_is_what_was_never_acknowledged() {
    let (folder, path) = crashed().await;
    let log = beside(&path, "-wal");
    let file = fs::OpenOptions::new().write(true).open(&log).unwrap();
    file.set_len(fs::metadata(&log).unwrap().len() - 1000).unwrap();
    let ledger = reopen(folder);
    let queued = ledger.store.counts().await.unwrap().queued;
    assert!((500..800).contains(&queued), "{queued}");
    ledger.close();
}

/// The writer that the test below kills: it says what was acknowledged.
#[tokio::test]
async fn child_writer() {
    let Some(path) = reexec::argument() else { return };
    let opened = open(Path::new(&path)).unwrap();
    let uid = opened.store.save_job(super::ledger::job("a"), None, at(0)).await.unwrap().revision().0;
    loop {
        let Accepted::Recorded(receipt) = opened.store.accept(by_hand(uid), at(1)).await.unwrap() else { panic!() };
        println!("acknowledged {}", receipt.fire_id);
    }
}

#[tokio::test]
async fn what_a_killed_writer_acknowledged_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("daemon.db");
    let acknowledged = reexec::kill_after(reexec::this("store::opening::child_writer", &path), "acknowledged ", 200);
    assert!(acknowledged.len() >= 200);
    let ledger = reopen(folder);
    let fires = ledger.store.fires(FireFilter::default(), None, 1_000_000).await.unwrap().items;
    let kept: std::collections::HashSet<_> = fires.iter().map(|fire| fire.id.to_string()).collect();
    for fire in acknowledged {
        assert!(kept.contains(&fire), "{fire} was acknowledged and is gone");
    }
    ledger.close();
}

/// What an ordinary user sees of a folder that cannot be written to.
#[tokio::test]
async fn child_read_only() {
    let Some(path) = reexec::argument() else { return };
    let error = open(Path::new(&path)).unwrap_err();
    println!("refused {error}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_to_is_said_and_nothing_is_set_aside() {
    let (folder, path) = real().await;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let output = reexec::as_ordinary_user("store::opening::child_read_only", &path);
    assert!(output.contains("refused `"), "{output}");
    assert!(output.contains("daemon.db` cannot be opened"), "{output}");
    assert!(!beside(&path, ".damaged-1").exists());
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
}

/// A sample of an earlier schema, opened by this version. `samples/daemon-vN.db` was made by [`make_sample`] when N was
/// the newest schema. It is never made anew: later versions must load it as it is. A new schema gets a new sample
/// beside it.
async fn loaded(sample: &str) -> Ledger {
    let folder = tempfile::tempdir().unwrap();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/samples");
    fs::copy(samples.join(sample), folder.path().join("daemon.db")).unwrap();
    // As `doctor` sees it before this version has opened it, and after.
    assert_eq!(check(&folder.path().join("daemon.db")).unwrap(), []);
    let ledger = reopen(folder);
    assert_eq!(check(&ledger.path()).unwrap(), []);
    let counts = ledger.store.counts().await.unwrap();
    assert_eq!((counts.jobs, counts.queued, counts.running, counts.invalid_edits), (1, 1, 1, 1));
    let jobs = ledger.store.jobs(None, 10).await.unwrap();
    assert_eq!((jobs[0].id.as_str(), jobs[0].revision), ("sample", 2));
    assert_eq!(ledger.store.due_triggers(at(1000), 10).await.unwrap().len(), 1);
    ledger
}

/// What a sample holds can be gone on with.
async fn goes_on(ledger: Ledger) {
    let (ready, _) = ledger.store.ready(at(1000), 10).await.unwrap();
    assert!(ready.is_empty(), "one runs at a time");
    let running = ledger.store.running().await.unwrap().remove(0).run;
    let claim = Claim { run: running.id, attempt: running.attempt, epoch: running.epoch.unwrap() };
    ledger.finish(claim).await;
    let next = ledger.ready().await[0];
    let claim = ledger.claim(next).await;
    ledger.finish(claim).await;
    let uid = running.job_uid;
    ledger.accept(by_hand(uid)).await;
    ledger.close();
}

#[tokio::test]
async fn a_database_of_the_first_schema_loads() {
    let ledger = loaded("daemon-v1.db").await;
    let runs = ledger.store.runs(Default::default(), None, 10).await.unwrap().items;
    assert_eq!(runs.len(), 3);
    assert_eq!(ledger.store.output(runs[2].id).await.unwrap().unwrap().len(), 5000);
    assert_eq!(ledger.store.deliveries(runs[2].id).await.unwrap().len(), 2);
    assert_eq!(ledger.store.fires(FireFilter::default(), None, 10).await.unwrap().items.len(), 4);
    // Nobody wrote down what held it.
    assert_eq!((runs[2].limit, ledger.store.containment(runs[2].id).await.unwrap()), (None, None));
    goes_on(ledger).await;
}

#[tokio::test]
async fn a_database_of_the_second_schema_loads() {
    let ledger = loaded("daemon-v2.db").await;
    let runs = ledger.store.runs(Default::default(), None, 10).await.unwrap().items;
    assert_eq!(runs.len(), 3);
    assert_eq!(ledger.store.deliveries(runs[2].id).await.unwrap().len(), 2);
    let (limit, containment) = contained();
    assert_eq!((runs[2].outcome, runs[2].limit), (Some(Outcome::LimitExceeded), Some(limit)));
    assert_eq!(ledger.store.containment(runs[2].id).await.unwrap(), Some(containment));
    goes_on(ledger).await;
}

fn contained() -> (LimitHit, Containment) {
    let held = LimitHeld { limit: LimitKind::Memory, allowed: 1 << 30, by: Enforcer::Cgroup };
    let containment = Containment {
        sandbox: Confinement::Partial,
        network: NetworkAccess::Provider,
        held: vec![Mechanism::Cgroup, Mechanism::Landlock],
        missing: vec![Missing { mechanism: Mechanism::Seccomp, reason: "the kernel has none".to_owned() }],
        landlock_abi: 7,
        limits: vec![held],
    };
    (LimitHit { limit: LimitKind::Memory, allowed: 1 << 30, peak: (1 << 30) + 4096 }, containment)
}

/// How a sample of the newest schema is made: `BOG_TEST_ARGUMENT=PATH cargo test --test it make_sample`.
#[tokio::test]
async fn make_sample() {
    use super::ledger::{deliveries, ended, job, slot};
    use bog_agents_daemon::store::{AttemptEnd, FileState, SaveJob};
    let Some(target) = reexec::argument() else { return };
    let ledger = Ledger::new();
    ledger.job("sample").await;
    let uid = ledger.save(SaveJob { spec: r#"{"prompt":"y"}"#.to_owned(), ..job("sample") }).await;
    let run = ledger.fire(uid).await;
    let claim = ledger.claim(run).await;
    let (limit, containment) = contained();
    let end = AttemptEnd {
        output: "x".repeat(5000),
        outcome: Outcome::LimitExceeded,
        limit: Some(limit),
        containment: Some(containment),
        ..ended(claim, deliveries(2))
    };
    assert!(ledger.store.finish(end).await.unwrap());
    let running = ledger.fire(uid).await;
    ledger.claim(running).await;
    ledger.accept(slot(uid, 60)).await;
    ledger.accept(slot(uid, 120)).await;
    let invalid = Some(r#"{"field":"","message":"bad","position":null}"#.to_owned());
    ledger.store.note_file("sample".parse().unwrap(), FileState::default(), invalid).await.unwrap();
    let path = ledger.path();
    let _folder = ledger.close();
    fs::copy(path, target).unwrap();
}
