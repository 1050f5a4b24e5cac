//! Deliveries: due until they are settled, and what each attempt leaves.

use crate::store::ledger::{Ledger, at, deliveries, ended};
use bog_domain::delivery::{AfterDelivery, DeliveryState};
use bog_domain::ids::{DeliveryId, RunId};
use std::time::Duration;

/// A run that ended at 3 with this many deliveries.
async fn delivering(ledger: &Ledger, count: u32) -> (RunId, Vec<DeliveryId>) {
    let job = ledger.job("a").await;
    let run = ledger.fire(job).await;
    let claim = ledger.claim(run).await;
    assert!(ledger.store.finish(ended(claim, deliveries(count))).await.unwrap());
    let made = ledger.store.deliveries(run).await.unwrap();
    (run, made.into_iter().map(|delivery| delivery.id).collect())
}

async fn due(ledger: &Ledger, under_way: &[DeliveryId], now: i64) -> (Vec<DeliveryId>, Option<i64>) {
    let (due, next) = ledger.store.due_deliveries(under_way.to_vec(), at(now), 100).await.unwrap();
    let seconds = next.map(|next| next.as_second() - at(0).as_second());
    (due.into_iter().map(|due| due.delivery.id).collect(), seconds)
}

fn retry(seconds: u64) -> AfterDelivery {
    AfterDelivery::RetryAfter { delay: Duration::from_secs(seconds), error: "busy".to_owned() }
}

#[tokio::test]
async fn a_delivery_is_due_with_its_run_until_it_is_settled() {
    let ledger = Ledger::new();
    let (run, ids) = delivering(&ledger, 3).await;
    let (all, next) = ledger.store.due_deliveries(Vec::new(), at(3), 2).await.unwrap();
    assert_eq!((all.len(), next), (2, None));
    assert_eq!((all[0].run.id, all[0].spec.as_str()), (run, crate::store::ledger::job("a").spec.as_str()));
    assert_eq!(due(&ledger, &ids[..1], 3).await, (ids[1..].to_vec(), None));
    ledger.store.deliver(ids[0], AfterDelivery::Delivered { receipt: Some("r".to_owned()) }, at(4)).await.unwrap();
    ledger.store.deliver(ids[1], AfterDelivery::GaveUp { error: "no".to_owned() }, at(4)).await.unwrap();
    ledger.store.deliver(ids[2], retry(10), at(4)).await.unwrap();
    assert_eq!(due(&ledger, &[], 13).await, (Vec::new(), Some(14)));
    assert_eq!(due(&ledger, &[], 14).await, (vec![ids[2]], None));
    let rows = ledger.store.deliveries(run).await.unwrap();
    let states: Vec<_> = rows.iter().map(|row| (row.state, row.attempts)).collect();
    assert_eq!(states, [(DeliveryState::Delivered, 1), (DeliveryState::GaveUp, 1), (DeliveryState::Retrying, 1)]);
    assert_eq!((rows[0].receipt.as_deref(), rows[1].error.as_deref()), (Some("r"), Some("no")));
    let gave_up = ledger.store.gave_up(vec![run]).await.unwrap();
    assert_eq!(gave_up, [(run, rows[1].target.clone(), "no".to_owned())]);
    ledger.close();
}

#[tokio::test]
async fn a_settled_delivery_stays_settled() {
    let ledger = Ledger::new();
    let (run, ids) = delivering(&ledger, 1).await;
    ledger.store.deliver(ids[0], retry(1), at(4)).await.unwrap();
    ledger.store.deliver(ids[0], AfterDelivery::Delivered { receipt: None }, at(5)).await.unwrap();
    ledger.store.deliver(ids[0], retry(1), at(6)).await.unwrap();
    let row = ledger.store.deliveries(run).await.unwrap().remove(0);
    assert_eq!((row.state, row.attempts, row.error, row.updated_at), (DeliveryState::Delivered, 2, None, at(5)));
    assert_eq!(due(&ledger, &[], 100).await, (Vec::new(), None));
    ledger.close();
}

#[tokio::test]
async fn an_intent_outlives_the_attempt_it_was_noted_for() {
    let ledger = Ledger::new();
    let (_, ids) = delivering(&ledger, 1).await;
    ledger.store.intend(ids[0], "length 7".to_owned()).await.unwrap();
    let (due, _) = ledger.store.due_deliveries(Vec::new(), at(3), 10).await.unwrap();
    assert_eq!(due[0].delivery.intent.as_deref(), Some("length 7"));
    ledger.close();
}

#[tokio::test]
async fn a_new_delivery_is_due_whatever_the_clock_is_set_to() {
    let ledger = Ledger::new();
    let (_, ids) = delivering(&ledger, 1).await;
    assert_eq!(due(&ledger, &[], -86_400).await, (ids, None));
    ledger.close();
}
