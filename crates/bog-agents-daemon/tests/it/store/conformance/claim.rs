//! Which runs may start, and what a claim protects.

use crate::store::ledger::{EPOCH, Ledger, at, ended, job, job_with, slot};
use bog_agents_daemon::store::{Claim, Ended, SaveJob};
use bog_domain::overlap::Overlap;
use bog_domain::run::RunState;

fn parallel(id: &str, max_parallel: u32) -> SaveJob {
    SaveJob { max_parallel, ..job_with(id, Overlap::Parallel) }
}

#[tokio::test]
async fn a_jobs_runs_start_one_after_the_other_in_order() {
    let ledger = Ledger::new();
    let (a, b) = (ledger.job("a").await, ledger.job("b").await);
    let (first, other, second) = (ledger.fire(a).await, ledger.fire(b).await, ledger.fire(a).await);
    assert_eq!(ledger.ready().await, [first, other]);
    let claim = ledger.claim(first).await;
    assert_eq!(ledger.ready().await, [other]);
    ledger.finish(claim).await;
    assert_eq!(ledger.ready().await, [other, second]);
    let (limited, _) = ledger.store.ready(at(1), 1).await.unwrap();
    assert_eq!(limited.len(), 1);
    ledger.close();
}

#[tokio::test]
async fn a_ready_run_comes_with_the_spec_of_its_own_revision() {
    let ledger = Ledger::new();
    let a = ledger.job("a").await;
    let run = ledger.fire(a).await;
    ledger.save(SaveJob { spec: r#"{"prompt":"new"}"#.to_owned(), ..job("a") }).await;
    let (ready, _) = ledger.store.ready(at(1), 10).await.unwrap();
    assert_eq!((ready[0].run.id, ready[0].run.revision, ready[0].spec.as_str()), (run, 1, job("a").spec.as_str()));
    ledger.close();
}

#[tokio::test]
async fn parallel_runs_fill_their_places() {
    let ledger = Ledger::new();
    let a = ledger.save(parallel("a", 2)).await;
    let runs = [ledger.fire(a).await, ledger.fire(a).await, ledger.fire(a).await];
    let first = ledger.claim(runs[0]).await;
    assert_eq!(ledger.ready().await, [runs[1]]);
    ledger.claim(runs[1]).await;
    assert_eq!(ledger.ready().await, []);
    ledger.finish(first).await;
    assert_eq!(ledger.ready().await, [runs[2]]);
    ledger.close();
}

#[tokio::test]
async fn no_claim_goes_beyond_the_places_of_the_job() {
    let ledger = Ledger::new();
    let a = ledger.job("a").await;
    let (first, second) = (ledger.fire(a).await, ledger.fire(a).await);
    let seen = ledger.run(second).await;
    ledger.claim(first).await;
    let claim = Claim { run: second, attempt: 1, epoch: EPOCH };
    assert!(!ledger.store.claim(seen, claim, at(2)).await.unwrap());
    ledger.close();
}

#[tokio::test]
async fn a_retry_holds_back_later_runs_but_not_parallel_ones() {
    let ledger = Ledger::new();
    let (queued, beside) = (ledger.job("a").await, ledger.save(parallel("b", 2)).await);
    for job in [queued, beside] {
        let run = ledger.fire(job).await;
        let claim = ledger.claim(run).await;
        assert!(ledger.store.finish(ended(claim, Ended::Retry { not_before: at(100) })).await.unwrap());
    }
    let (_, later) = (ledger.fire(queued).await, ledger.fire(beside).await);
    assert_eq!(ledger.ready().await, [later]);
    let (ready, next) = ledger.store.ready(at(99), 10).await.unwrap();
    assert_eq!((ready.len(), next), (1, Some(at(100))));
    let (ready, next) = ledger.store.ready(at(100), 10).await.unwrap();
    assert_eq!((ready.len(), next), (2, None));
    ledger.close();
}

#[tokio::test]
async fn a_new_run_starts_whatever_the_clock_is_set_to() {
    let ledger = Ledger::new();
    let a = ledger.job("a").await;
    ledger.fire(a).await;
    let (ready, next) = ledger.store.ready(at(-86_400), 10).await.unwrap();
    assert_eq!((ready.len(), next), (1, None));
    ledger.close();
}

#[tokio::test]
async fn a_run_that_changed_since_it_was_prepared_is_not_claimed() {
    let ledger = Ledger::new();
    let a = ledger.job("a").await;
    let run = ledger.accept(slot(a, 60)).await.run_id.unwrap();
    let seen = ledger.run(run).await;
    ledger.accept(slot(a, 120)).await;
    let claim = Claim { run, attempt: 1, epoch: EPOCH };
    assert!(!ledger.store.claim(seen, claim, at(2)).await.unwrap());
    let seen = ledger.run(run).await;
    assert!(ledger.store.claim(seen.clone(), claim, at(2)).await.unwrap());
    assert!(!ledger.store.claim(seen, claim, at(2)).await.unwrap(), "claimed twice");
    let claimed = ledger.run(run).await;
    assert_eq!((claimed.state, claimed.attempt, claimed.epoch), (RunState::Running, 1, Some(EPOCH)));
    assert_eq!(claimed.started_at, Some(at(2)));
    let running = ledger.store.running().await.unwrap();
    assert_eq!(running.iter().map(|ready| ready.run.id).collect::<Vec<_>>(), [run]);
    ledger.close();
}

#[tokio::test]
async fn a_stale_owner_changes_nothing() {
    let ledger = Ledger::new();
    let a = ledger.job("a").await;
    let run = ledger.fire(a).await;
    let old = ledger.claim(run).await;
    assert!(ledger.store.adopt(old, EPOCH + 1).await.unwrap());
    assert!(!ledger.store.adopt(old, EPOCH + 2).await.unwrap(), "adopted twice");
    assert!(!ledger.store.void(old, at(3)).await.unwrap());
    assert!(!ledger.store.finish(ended(old, Ended::Finished(Vec::new()))).await.unwrap());
    assert_eq!(ledger.run(run).await.state, RunState::Running);
    let adopted = Claim { epoch: EPOCH + 1, ..old };
    let other_attempt = Claim { attempt: 2, ..adopted };
    assert!(!ledger.store.finish(ended(other_attempt, Ended::Finished(Vec::new()))).await.unwrap());
    ledger.finish(adopted).await;
    ledger.close();
}

#[tokio::test]
async fn an_attempt_that_never_began_costs_no_retry() {
    let ledger = Ledger::new();
    let a = ledger.job("a").await;
    let run = ledger.fire(a).await;
    let claim = ledger.claim(run).await;
    assert!(ledger.store.void(claim, at(50)).await.unwrap());
    assert!(!ledger.store.void(claim, at(50)).await.unwrap(), "given back twice");
    let row = ledger.run(run).await;
    assert_eq!((row.state, row.attempt, row.max_attempts, row.not_before), (RunState::Queued, 1, 4, at(50)));
    let again = ledger.claim(run).await;
    assert_eq!(again.attempt, 2);
    ledger.close();
}

#[tokio::test]
async fn epochs_only_grow_and_remember_the_boot() {
    let ledger = Ledger::new();
    let first = ledger.store.begin_epoch("one".to_owned()).await.unwrap();
    let second = ledger.store.begin_epoch("two".to_owned()).await.unwrap();
    assert_eq!((first.number, first.previous_boot), (1, None));
    assert_eq!((second.number, second.previous_boot.as_deref()), (2, Some("one")));
    ledger.close();
}
