//! A full disk, a real one: a few hundred KiB of tmpfs in a mount namespace of our own. What cannot be kept is refused,
//! nothing of it stays, nothing is acknowledged falsely, and all is well once there is space again.

use super::ledger::{at, by_hand, deliveries, ended, job};
use crate::support::reexec;
use bog_agents_daemon::store::{Accepted, Arrival, AttemptEnd, RunFilter, SaveJob, Store, StoreError, check};
use std::path::{Path, PathBuf};

/// The size of the disk. A mount that fails fails the test: nothing is skipped.
const DISK: &str = "size=1500k";

/// Runs the child test with a small disk mounted on a folder, which is its argument.
fn on_a_small_disk(test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o {DISK} none '{}' && exec \"$@\"", folder.path().display());
    let unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &mount, "sh"];
    reexec::inside(&unshare, test, folder.path());
}

/// Fills the disk to the last byte and returns the file that does it.
fn fill(folder: &Path) -> PathBuf {
    let ballast = folder.join("ballast");
    let error = std::fs::write(&ballast, vec![0_u8; 16 << 20]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    ballast
}

fn open(folder: &Path) -> (Store, std::thread::JoinHandle<()>) {
    let opened = Store::open(&folder.join("daemon.db"), Box::new(|_, _| {})).unwrap();
    (opened.store, opened.writer)
}

/// An arrival that does not fit into what the log has left of its last page.
fn bulky(job: bog_domain::ids::JobUid) -> Arrival {
    Arrival { context: format!("\"{}\"", "x".repeat(20_000)), ..by_hand(job) }
}

#[tokio::test]
async fn child_single_operations() {
    let Some(folder) = reexec::argument().map(PathBuf::from) else { return };
    let (store, writer) = open(&folder);
    let uid = store.save_job(job("a"), None, at(0)).await.unwrap().revision().0;
    let Accepted::Recorded(receipt) = store.accept(by_hand(uid), at(1)).await.unwrap() else { panic!() };
    let seen = store.run(receipt.run_id.unwrap()).await.unwrap().unwrap();
    let claim = bog_agents_daemon::store::Claim { run: seen.id, attempt: 1, epoch: 1 };
    assert!(store.claim(seen, claim, at(2)).await.unwrap());
    let ballast = fill(&folder);
    let end = AttemptEnd { output: "x".repeat(50_000), ..ended(claim, deliveries(2)) };
    let big_job = SaveJob { spec: format!("\"{}\"", "x".repeat(50_000)), ..job("b") };
    for _ in 0..3 {
        assert_eq!(store.accept(bulky(uid), at(3)).await, Err(StoreError::Full));
        assert_eq!(store.finish(end.clone()).await, Err(StoreError::Full));
        assert_eq!(store.save_job(big_job.clone(), None, at(3)).await, Err(StoreError::Full));
    }
    // Reading goes on, and shows nothing of what was refused.
    let runs = store.runs(RunFilter::default(), None, 100).await.unwrap().items;
    assert_eq!((runs.len(), runs[0].outcome), (1, None));
    assert!(store.deliveries(claim.run).await.unwrap().is_empty());
    assert!(store.job("b".parse().unwrap()).await.unwrap().is_none());
    std::fs::remove_file(ballast).unwrap();
    assert!(matches!(store.accept(bulky(uid), at(4)).await, Ok(Accepted::Recorded(_))));
    assert_eq!(store.finish(end).await, Ok(true));
    store.save_job(big_job, None, at(4)).await.unwrap();
    drop(store);
    writer.join().unwrap();
    assert_eq!(check(&folder.join("daemon.db")).unwrap(), []);
}

#[test]
fn what_does_not_fit_is_refused_and_works_once_there_is_space() {
    on_a_small_disk("store::full_disk::child_single_operations");
}

#[tokio::test(flavor = "multi_thread")]
async fn child_groups() {
    let Some(folder) = reexec::argument().map(PathBuf::from) else { return };
    let (store, writer) = open(&folder);
    let uid = store.save_job(SaveJob { max_queued: 1_000_000, ..job("a") }, None, at(0)).await.unwrap().revision().0;
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    // Some fit and some do not, in the same groups, until the disk is full; and again with a little more space.
    for round in 0..6 {
        let ballast = (round % 2 == 1).then(|| fill(&folder));
        let accepts =
            (0..60).map(|number| store.accept(if number % 7 == 0 { bulky(uid) } else { by_hand(uid) }, at(1)));
        for told in futures::future::join_all(accepts).await {
            match told {
                Ok(Accepted::Recorded(receipt)) => acknowledged.push(receipt.run_id.unwrap()),
                Err(StoreError::Full) => refused += 1,
                other => panic!("{other:?}"),
            }
        }
        ballast.map(std::fs::remove_file).transpose().unwrap();
    }
    assert!(refused > 60 && acknowledged.len() > 60, "{refused} refused, {} acknowledged", acknowledged.len());
    drop(store);
    writer.join().unwrap();
    let (store, writer) = open(&folder);
    let kept: Vec<_> = store.runs(RunFilter::default(), None, 10_000).await.unwrap().items;
    let mut kept: Vec<_> = kept.into_iter().map(|run| run.id).collect();
    kept.sort();
    acknowledged.sort();
    assert!(kept == acknowledged, "{} kept, {} acknowledged", kept.len(), acknowledged.len());
    drop(store);
    writer.join().unwrap();
    assert_eq!(check(&folder.join("daemon.db")).unwrap(), []);
}

#[test]
fn what_was_acknowledged_in_a_group_is_kept_and_what_was_refused_is_not() {
    on_a_small_disk("store::full_disk::child_groups");
}

#[tokio::test]
async fn child_spill() {
    let Some(folder) = reexec::argument().map(PathBuf::from) else { return };
    let (store, writer) = open(&folder);
    let uid = store.save_job(job("a"), None, at(0)).await.unwrap().revision().0;
    // More than the writer keeps in memory: the disk is full in the middle of a statement, long before the commit.
    let huge = Arrival { context: format!("\"{}\"", "x".repeat(8 << 20)), ..by_hand(uid) };
    let beside = futures::future::join(store.accept(huge, at(1)), store.accept(by_hand(uid), at(1)));
    let (huge, small) = beside.await;
    assert_eq!(huge, Err(StoreError::Full));
    let kept = usize::from(small.is_ok());
    assert_eq!(store.runs(RunFilter::default(), None, 10).await.unwrap().items.len(), kept);
    assert!(matches!(store.accept(by_hand(uid), at(2)).await, Ok(Accepted::Recorded(_))));
    drop(store);
    writer.join().unwrap();
    assert_eq!(check(&folder.join("daemon.db")).unwrap(), []);
}

#[test]
fn a_disk_that_is_full_in_the_middle_of_a_statement_undoes_its_group() {
    on_a_small_disk("store::full_disk::child_spill");
}

#[tokio::test]
async fn child_opening() {
    let Some(folder) = reexec::argument().map(PathBuf::from) else { return };
    let ballast = fill(&folder);
    let error = Store::open(&folder.join("daemon.db"), Box::new(|_, _| {})).unwrap_err().to_string();
    assert!(error.contains("no space left"), "{error}");
    assert!(!folder.join("daemon.db.damaged-1").exists());
    std::fs::remove_file(ballast).unwrap();
    let (store, writer) = open(&folder);
    store.save_job(job("a"), None, at(0)).await.unwrap();
    drop(store);
    writer.join().unwrap();
}

#[test]
fn a_store_that_cannot_be_made_is_said_and_made_later() {
    on_a_small_disk("store::full_disk::child_opening");
}

#[tokio::test]
async fn child_checkpoint() {
    let Some(folder) = reexec::argument().map(PathBuf::from) else { return };
    let (store, writer) = open(&folder);
    let uid = store.save_job(job("a"), None, at(0)).await.unwrap().revision().0;
    // The log alone fills the disk: folding it into the file fails at every commit, until there is space.
    let mut told = 0;
    while let Ok(Accepted::Recorded(_)) = store.accept(bulky(uid), at(1)).await {
        told += 1;
    }
    assert!(told > 3, "{told}");
    assert_eq!(store.accept(bulky(uid), at(1)).await, Err(StoreError::Full));
    drop(store);
    writer.join().unwrap();
    let (store, writer) = open(&folder);
    assert_eq!(store.counts().await.unwrap().queued, told);
    drop(store);
    writer.join().unwrap();
    assert_eq!(check(&folder.join("daemon.db")).unwrap(), []);
}

#[test]
fn a_log_that_cannot_be_folded_in_loses_nothing() {
    on_a_small_disk("store::full_disk::child_checkpoint");
}
