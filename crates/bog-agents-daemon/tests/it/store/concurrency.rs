//! Many callers at once, callers that go away, and operations that fail beside others that must not.

use super::ledger::{Ledger, at, by_hand, job, slot};
use bog_agents_daemon::store::{Answer, Arrival, FireFilter, RunFilter, StoreError};
use futures::FutureExt;
use futures::future::join_all;
use std::collections::HashSet;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_accepts_at_once_are_a_thousand_rows() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    let receipts = join_all((0..1000).map(|_| ledger.accept(by_hand(uid)))).await;
    let runs: HashSet<_> = receipts.iter().map(|receipt| receipt.run_id.unwrap()).collect();
    assert_eq!(runs.len(), 1000);
    assert_eq!(ledger.store.runs(RunFilter::default(), None, 2000).await.unwrap().items.len(), 1000);
    assert_eq!(ledger.store.fires(FireFilter::default(), None, 2000).await.unwrap().items.len(), 1000);
    ledger.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_told_a_hundred_times_at_once_is_one_run() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    join_all((0..100).map(|_| ledger.store.accept(slot(uid, 60), at(61)))).await.into_iter().for_each(|told| {
        told.unwrap();
    });
    assert_eq!(ledger.store.fires(FireFilter::default(), None, 200).await.unwrap().items.len(), 1);
    ledger.close();
}

#[tokio::test]
async fn a_caller_that_goes_away_undoes_nothing() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    for _ in 0..50 {
        // Polled once: it is on its way to the writer, and then nobody waits for it any more.
        let _ = ledger.store.accept(by_hand(uid), at(1)).now_or_never();
    }
    let last = ledger.fire(uid).await;
    let runs = ledger.store.runs(RunFilter::default(), None, 100).await.unwrap().items;
    assert_eq!((runs.len(), runs[0].id), (51, last));
    ledger.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_go_away_cost_nobody_a_connection() {
    let ledger = Ledger::new();
    ledger.job("a").await;
    for _ in 0..200 {
        let _ = ledger.store.counts().now_or_never();
        assert_eq!(ledger.store.counts().await.unwrap().jobs, 1);
    }
    ledger.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_takes_nothing_else_with_it() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    let taken = ledger.accept(by_hand(uid)).await.fire_id;
    // Every third reuses the id of a fire: the run it inserts first must go with it.
    let results = join_all((0..300).map(|number| {
        let fresh = by_hand(uid);
        let arrival = if number % 3 == 0 { Arrival { fire: taken, ..fresh } } else { fresh };
        ledger.store.accept(arrival, at(1))
    }))
    .await;
    let failed = results.iter().filter(|result| matches!(result, Err(StoreError::Refused(_)))).count();
    assert_eq!((failed, results.iter().filter(|result| result.is_ok()).count()), (100, 200));
    let runs = ledger.store.runs(RunFilter::default(), None, 1000).await.unwrap().items;
    assert_eq!(runs.len(), 201);
    assert_eq!(ledger.store.job("a".parse().unwrap()).await.unwrap().unwrap().run_count, 201);
    ledger.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_used_by_many_at_once_is_answered_once() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    let answer =
        || Answer { scope: "run".to_owned(), key: "k".to_owned(), request: "r".to_owned(), response: String::new() };
    let told =
        join_all((0..50).map(|_| ledger.store.accept(Arrival { answer: Some(answer()), ..by_hand(uid) }, at(1))));
    told.await.into_iter().for_each(|told| drop(told.unwrap()));
    assert_eq!(ledger.store.runs(RunFilter::default(), None, 100).await.unwrap().items.len(), 1);
    ledger.close();
}

#[tokio::test]
async fn what_was_sent_before_the_end_is_kept() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    for _ in 0..100 {
        let _ = ledger.store.accept(by_hand(uid), at(1)).now_or_never();
    }
    ledger.save(job("b")).await;
    let reopened = Ledger::in_folder(ledger.close());
    assert_eq!(reopened.store.counts().await.unwrap().queued, 100);
    reopened.close();
}
