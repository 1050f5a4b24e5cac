//! Orphans: which attempts are under way, and how many processes ever outlived theirs.

use crate::store::ledger::{Ledger, at, deliveries, ended};
use bog_agents_daemon::store::{AttemptEnd, Ended, Orphans, orphans};
use bog_domain::run::Outcome;
use std::collections::HashSet;

#[tokio::test]
async fn only_what_is_claimed_and_not_over_is_under_way() {
    let ledger = Ledger::new();
    let (a, b) = (ledger.job("a").await, ledger.job("b").await);
    ledger.finished_run(a).await;
    let run = ledger.fire(a).await;
    ledger.fire(b).await;
    assert_eq!(ledger.store.attempts_under_way().await.unwrap(), HashSet::new());
    let first = ledger.claim(run).await;
    assert_eq!(ledger.store.attempts_under_way().await.unwrap(), HashSet::from([(run, 1)]));
    let retry = AttemptEnd { outcome: Outcome::Failed, ..ended(first, Ended::Retry { not_before: at(0) }) };
    assert!(ledger.store.finish(retry).await.unwrap());
    assert_eq!(ledger.store.attempts_under_way().await.unwrap(), HashSet::new());
    ledger.claim(run).await;
    assert_eq!(ledger.store.attempts_under_way().await.unwrap(), HashSet::from([(run, 2)]));
    ledger.close();
}

#[tokio::test]
async fn orphans_are_counted_for_good_and_with_the_end_of_an_attempt() {
    let ledger = Ledger::new();
    let a = ledger.job("a").await;
    ledger.finished_run(a).await;
    assert_eq!(ledger.store.counts().await.unwrap().orphans, Orphans::default());
    ledger.store.count_orphans(2, at(5)).await.unwrap();
    let run = ledger.fire(a).await;
    let claim = ledger.claim(run).await;
    let end = AttemptEnd { left_behind: 3, finished_at: at(9), ..ended(claim, deliveries(0)) };
    assert!(ledger.store.finish(end.clone()).await.unwrap());
    assert!(!ledger.store.finish(end).await.unwrap(), "finished twice");
    let counted = Orphans { ended: 5, last_at: Some(at(9)) };
    assert_eq!(ledger.store.counts().await.unwrap().orphans, counted);
    assert_eq!(orphans(&ledger.path()).unwrap(), counted);
    let folder = ledger.close();
    let ledger = Ledger::in_folder(folder);
    assert_eq!(ledger.store.counts().await.unwrap().orphans, counted);
    ledger.close();
}
