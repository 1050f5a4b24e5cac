//! Forgetting: what is old and nobody needs, and nothing else.

use crate::store::ledger::{Ledger, at, by_hand, deliveries, ended, job, job_with};
use bog_agents_daemon::store::{Arrival, AttemptEnd, FireFilter, RunFilter, SaveJob};
use bog_domain::delivery::AfterDelivery;
use bog_domain::fire::TriggerKind;
use bog_domain::ids::{JobUid, RunId, TriggerId};
use bog_domain::overlap::Overlap;
use bog_domain::run::Outcome;

/// A run that ended at an instant and said much.
async fn old_run(ledger: &Ledger, job: JobUid, ended_at: i64, outputs: u32) -> RunId {
    let run = ledger.fire(job).await;
    let claim = ledger.claim(run).await;
    let end = AttemptEnd { finished_at: at(ended_at), output: "x".repeat(9000), ..ended(claim, deliveries(outputs)) };
    assert!(ledger.store.finish(end).await.unwrap());
    run
}

async fn left(ledger: &Ledger) -> Vec<RunId> {
    let runs = ledger.store.runs(RunFilter::default(), None, 1000).await.unwrap().items;
    runs.into_iter().rev().map(|run| run.id).collect()
}

#[tokio::test]
async fn the_newest_finished_run_of_each_job_stays() {
    let ledger = Ledger::new();
    let (a, b) = (ledger.job("a").await, ledger.job("b").await);
    let first = old_run(&ledger, a, 10, 0).await;
    let second = old_run(&ledger, a, 20, 0).await;
    let only = old_run(&ledger, b, 10, 0).await;
    let waits = ledger.fire(a).await;
    assert_eq!(ledger.store.prune(at(100), at(100)).await.unwrap(), [first]);
    assert_eq!(ledger.store.prune(at(100), at(100)).await.unwrap(), []);
    assert_eq!(left(&ledger).await, [second, only, waits]);
    assert_eq!(ledger.store.output(first).await.unwrap(), None);
    assert_eq!(ledger.store.fires(FireFilter::default(), None, 100).await.unwrap().items.len(), 3);
    ledger.close();
}

#[tokio::test]
async fn a_run_stays_while_its_delivery_is_not_settled() {
    let ledger = Ledger::new();
    let a = ledger.job("a").await;
    let delivering = old_run(&ledger, a, 10, 1).await;
    old_run(&ledger, a, 20, 0).await;
    assert_eq!(ledger.store.prune(at(100), at(100)).await.unwrap(), []);
    let delivery = ledger.store.deliveries(delivering).await.unwrap().remove(0);
    ledger.store.deliver(delivery.id, AfterDelivery::GaveUp { error: "no".to_owned() }, at(30)).await.unwrap();
    assert_eq!(ledger.store.prune(at(100), at(100)).await.unwrap(), [delivering]);
    assert!(ledger.store.deliveries(delivering).await.unwrap().is_empty());
    ledger.close();
}

#[tokio::test]
async fn the_run_that_ended_last_stays_though_a_newer_one_ended_before() {
    let ledger = Ledger::new();
    let job = SaveJob { max_parallel: 2, ..job_with("a", Overlap::Parallel) };
    let a = ledger.save(job).await;
    let (older, newer) = (ledger.fire(a).await, ledger.fire(a).await);
    let (first, second) = (ledger.claim(older).await, ledger.claim(newer).await);
    ledger.finish(second).await;
    let end = AttemptEnd { outcome: Outcome::Failed, finished_at: at(20), ..ended(first, deliveries(0)) };
    assert!(ledger.store.finish(end).await.unwrap());
    assert_eq!(ledger.store.prune(at(100), at(100)).await.unwrap(), []);
    let row = ledger.store.job("a".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((row.last_outcome, row.last_run), (Some(Outcome::Failed), Some(newer)));
    ledger.close();
}

#[tokio::test]
async fn young_rows_stay() {
    let ledger = Ledger::new();
    let a = ledger.save(SaveJob { max_queued: 1, ..job("a") }).await;
    let run = old_run(&ledger, a, 10, 0).await;
    old_run(&ledger, a, 20, 0).await;
    ledger.fire(a).await;
    assert_eq!(ledger.accept(by_hand(a)).await.run_id, None);
    // Everything was seen at 1, and the first run ended at 10.
    assert_eq!(ledger.store.prune(at(1), at(1)).await.unwrap(), []);
    assert_eq!(left(&ledger).await.first(), Some(&run));
    assert_eq!(ledger.store.fires(FireFilter::default(), None, 100).await.unwrap().items.len(), 4);
    assert_eq!(ledger.store.prune(at(10), at(10)).await.unwrap(), []);
    assert_eq!(ledger.store.fires(FireFilter::default(), None, 100).await.unwrap().items.len(), 3);
    ledger.close();
}

#[tokio::test]
async fn fires_without_a_run_go_however_many_there_are() {
    let ledger = Ledger::new();
    let a = ledger.job("a").await;
    let refused = (0..4100).map(|_| {
        let arrival = bog_agents_daemon::store::Arrival { draining: true, ..by_hand(a) };
        ledger.store.accept(arrival, at(1))
    });
    futures::future::try_join_all(refused).await.unwrap();
    assert_eq!(ledger.store.prune(at(2), at(2)).await.unwrap(), []);
    assert!(ledger.store.fires(FireFilter::default(), None, 100).await.unwrap().items.is_empty());
    ledger.close();
}

#[tokio::test]
async fn what_is_to_be_known_again_by_its_delivery_id_stays() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    let sent = |key: &str, filtered: Option<String>| Arrival {
        trigger: TriggerId::new("tick"),
        kind: TriggerKind::Webhook,
        dedupe_key: Some(key.to_owned()),
        filtered,
        ..by_hand(uid)
    };
    let run = ledger.accept(sent("1", None)).await.run_id.unwrap();
    ledger.accept(sent("2", Some("filter".to_owned()))).await;
    let claim = ledger.claim(run).await;
    assert!(ledger.store.finish(AttemptEnd { finished_at: at(2), ..ended(claim, deliveries(0)) }).await.unwrap());
    old_run(&ledger, uid, 3, 0).await;
    let fires = async || ledger.store.fires(FireFilter::default(), None, 100).await.unwrap().items.len();
    assert_eq!(ledger.store.prune(at(100), at(1)).await.unwrap(), []);
    assert_eq!(fires().await, 3);
    assert_eq!(ledger.store.prune(at(100), at(2)).await.unwrap(), [run]);
    assert_eq!(fires().await, 1);
    ledger.close();
}
