//! Cancelling: at once where nothing runs, else a wish that outlives whoever had it.

use crate::store::ledger::{Ledger, at, ended};
use bog_agents_daemon::clock;
use bog_agents_daemon::store::{AttemptEnd, Cancelled, Ended};
use bog_domain::ids::RunId;
use bog_domain::run::{Outcome, RunState};

async fn cancel(ledger: &Ledger, run: RunId) -> Cancelled {
    ledger.store.cancel(run, "enough".to_owned(), at(5)).await.unwrap()
}

#[tokio::test]
async fn a_waiting_run_ends_at_once() {
    let ledger = Ledger::new();
    let a = ledger.job("a").await;
    let (first, second) = (ledger.fire(a).await, ledger.fire(a).await);
    assert!(matches!(cancel(&ledger, first).await, Cancelled::Now));
    assert!(matches!(cancel(&ledger, first).await, Cancelled::AlreadyFinished));
    let row = ledger.run(first).await;
    assert_eq!((row.state, row.outcome, row.finished_at), (RunState::Finished, Some(Outcome::Cancelled), Some(at(5))));
    assert_eq!(row.error.as_deref(), Some("enough"));
    assert_eq!(ledger.ready().await, [second]);
    let nobody = RunId::new(clock::new_id());
    assert!(matches!(cancel(&ledger, nobody).await, Cancelled::NoSuchRun));
    ledger.close();
}

#[tokio::test]
async fn a_running_one_is_asked_once() {
    let ledger = Ledger::new();
    let a = ledger.job("a").await;
    let run = ledger.fire(a).await;
    let claim = ledger.claim(run).await;
    assert!(matches!(cancel(&ledger, run).await, Cancelled::Asked(row) if row.cancel.as_deref() == Some("enough")));
    ledger.store.cancel(run, "again".to_owned(), at(6)).await.unwrap();
    assert_eq!(ledger.store.asked_to_end().await.unwrap(), [(run, "enough".to_owned())]);
    ledger.finish(claim).await;
    assert_eq!(ledger.store.asked_to_end().await.unwrap(), []);
    // It ended by itself before it could be told.
    assert_eq!(ledger.run(run).await.outcome, Some(Outcome::Succeeded));
    ledger.close();
}

#[tokio::test]
async fn a_run_that_was_asked_to_end_is_not_attempted_again() {
    let ledger = Ledger::new();
    let (a, b) = (ledger.job("a").await, ledger.job("b").await);
    let (failed, unbegun) = (ledger.fire(a).await, ledger.fire(b).await);
    let (first, second) = (ledger.claim(failed).await, ledger.claim(unbegun).await);
    cancel(&ledger, failed).await;
    cancel(&ledger, unbegun).await;
    let end = ended(first, Ended::Retry { not_before: at(0) });
    assert!(ledger.store.finish(AttemptEnd { outcome: Outcome::Failed, ..end }).await.unwrap());
    assert!(ledger.store.void(second, at(7)).await.unwrap());
    for run in [failed, unbegun] {
        let row = ledger.run(run).await;
        assert_eq!((row.state, row.outcome), (RunState::Finished, Some(Outcome::Cancelled)));
        assert_eq!(row.error.as_deref(), Some("enough"));
    }
    assert_eq!(ledger.ready().await, []);
    ledger.close();
}
