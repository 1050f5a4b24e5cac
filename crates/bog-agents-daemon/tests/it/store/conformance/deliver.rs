//! Deliveries: due until they are settled, and what each attempt leaves.

use crate::store::ledger::{Ledger, at, busy, deliveries, delivery, due, ended};
use bog_agents_daemon::store::{DeliveryFilter, Ended, Wanted};
use bog_domain::delivery::{AfterDelivery, DeliveryState, Pace};
use bog_domain::ids::{DeliveryId, RunId};

/// A run that ended at 3 with this many deliveries.
async fn delivering(ledger: &Ledger, count: u32) -> (RunId, Vec<DeliveryId>) {
    let job = ledger.job("a").await;
    let run = ledger.fire(job).await;
    let claim = ledger.claim(run).await;
    assert!(ledger.store.finish(ended(claim, deliveries(count))).await.unwrap());
    let made = ledger.store.deliveries(run).await.unwrap();
    (run, made.into_iter().map(|delivery| delivery.id).collect())
}

#[tokio::test]
async fn a_delivery_is_due_with_its_run_until_it_is_settled() {
    let ledger = Ledger::new();
    let (run, ids) = delivering(&ledger, 4).await;
    let wanted = Wanted { under_way: Vec::new(), pace: Pace::default(), limit: 2 };
    let (all, next) = ledger.store.due_deliveries(wanted, at(3)).await.unwrap();
    assert_eq!((all.len(), next), (2, None));
    assert_eq!((all[0].run.id, all[0].spec.as_str()), (run, crate::store::ledger::job("a").spec.as_str()));
    assert_eq!(due(&ledger, &ids[..1], 3).await, (ids[1..].to_vec(), None));
    ledger.store.deliver(ids[0], AfterDelivery::Delivered { receipt: Some("r".to_owned()) }, at(4)).await.unwrap();
    ledger.store.deliver(ids[1], AfterDelivery::GaveUp { error: "no".to_owned() }, at(4)).await.unwrap();
    ledger.store.deliver(ids[2], busy(10), at(4)).await.unwrap();
    ledger.store.deliver(ids[3], AfterDelivery::Unknown { error: "no answer".to_owned() }, at(4)).await.unwrap();
    assert_eq!(due(&ledger, &[], 13).await, (Vec::new(), Some(14)));
    assert_eq!(due(&ledger, &[], 14).await, (vec![ids[2]], None));
    let rows = ledger.store.deliveries(run).await.unwrap();
    let states: Vec<_> = rows.iter().map(|row| (row.state, row.attempts)).collect();
    use DeliveryState::{Delivered, GaveUp, Retrying, Unknown};
    assert_eq!(states, [(Delivered, 1), (GaveUp, 1), (Retrying, 1), (Unknown, 1)]);
    assert_eq!((rows[0].receipt.as_deref(), rows[1].error.as_deref()), (Some("r"), Some("no")));
    let gave_up = ledger.store.gave_up(vec![run]).await.unwrap();
    let said: Vec<_> = gave_up.iter().map(|(_, target, error)| (target.as_str(), error.as_str())).collect();
    assert_eq!(said, [("file:/tmp/1", "no"), ("file:/tmp/3", "no answer")]);
    assert_eq!(ledger.store.lost_deliveries(at(4)).await.unwrap(), 2);
    assert_eq!(ledger.store.lost_deliveries(at(5)).await.unwrap(), 0);
    ledger.close();
}

#[tokio::test]
async fn a_settled_delivery_stays_settled() {
    let ledger = Ledger::new();
    let (run, ids) = delivering(&ledger, 1).await;
    ledger.store.deliver(ids[0], busy(1), at(4)).await.unwrap();
    ledger.store.deliver(ids[0], AfterDelivery::Delivered { receipt: None }, at(5)).await.unwrap();
    ledger.store.deliver(ids[0], busy(1), at(6)).await.unwrap();
    let row = ledger.store.deliveries(run).await.unwrap().remove(0);
    assert_eq!((row.state, row.attempts, row.error, row.updated_at), (DeliveryState::Delivered, 2, None, at(5)));
    assert_eq!(due(&ledger, &[], 100).await, (Vec::new(), None));
    ledger.close();
}

#[tokio::test]
async fn one_whose_end_is_not_known_waits_as_unknown() {
    let ledger = Ledger::new();
    let (_, ids) = delivering(&ledger, 1).await;
    let AfterDelivery::RetryAfter { delay, error, lets_pass, .. } = busy(10) else { unreachable!() };
    let after = AfterDelivery::RetryAfter { delay, error, lets_pass, may_have_arrived: true };
    ledger.store.deliver(ids[0], after, at(4)).await.unwrap();
    let row = ledger.store.delivery(ids[0]).await.unwrap().unwrap();
    assert_eq!((row.state, row.next_at), (DeliveryState::Unknown, Some(at(14))));
    assert_eq!(due(&ledger, &[], 14).await, (ids, None));
    ledger.close();
}

#[tokio::test]
async fn an_intent_outlives_the_attempt_it_was_noted_for() {
    let ledger = Ledger::new();
    let (_, ids) = delivering(&ledger, 1).await;
    ledger.store.intend(ids[0], "length 7".to_owned()).await.unwrap();
    let row = ledger.store.delivery(ids[0]).await.unwrap().unwrap();
    assert_eq!(row.intent.as_deref(), Some("length 7"));
    ledger.close();
}

#[tokio::test]
async fn a_new_delivery_is_due_whatever_the_clock_is_set_to() {
    let ledger = Ledger::new();
    let (_, ids) = delivering(&ledger, 1).await;
    assert_eq!(due(&ledger, &[], -86_400).await, (ids, None));
    ledger.close();
}

#[tokio::test]
async fn a_settled_delivery_is_made_again_on_request_under_its_id() {
    let ledger = Ledger::new();
    let (_, ids) = delivering(&ledger, 3).await;
    ledger.store.deliver(ids[0], AfterDelivery::GaveUp { error: "no".to_owned() }, at(4)).await.unwrap();
    ledger.store.deliver(ids[1], AfterDelivery::Unknown { error: "no".to_owned() }, at(4)).await.unwrap();
    ledger.store.deliver(ids[2], busy(3600), at(4)).await.unwrap();
    assert_eq!(due(&ledger, &[], 9).await.0, []);
    for id in &ids {
        assert!(ledger.store.redeliver(*id, at(9)).await.unwrap());
    }
    assert_eq!(due(&ledger, &[], 9).await, (ids.clone(), None));
    let states = [DeliveryState::Pending, DeliveryState::Unknown, DeliveryState::Pending];
    for (id, state) in ids.iter().zip(states) {
        let row = ledger.store.delivery(*id).await.unwrap().unwrap();
        assert_eq!((row.state, row.attempts, row.begun_at, row.created_at), (state, 0, at(9), at(3)));
    }
    assert!(!ledger.store.redeliver(DeliveryId::new(bog_agents_daemon::clock::new_id()), at(9)).await.unwrap());
    ledger.close();
}

/// A run of a job that says something to one log.
async fn said_to_log(ledger: &Ledger, job: bog_domain::ids::JobUid) -> DeliveryId {
    let run = ledger.fire(job).await;
    let claim = ledger.claim(run).await;
    let made = delivery(0, r#"{"type":"log"}"#);
    let id = made.id;
    assert!(ledger.store.finish(ended(claim, Ended::Finished(vec![made]))).await.unwrap());
    id
}

#[tokio::test]
async fn a_jobs_deliveries_to_one_target_go_out_in_order() {
    let ledger = Ledger::new();
    let (a, b) = (ledger.job("a").await, ledger.job("b").await);
    let mut of_a = Vec::new();
    for _ in 0..3 {
        of_a.push(said_to_log(&ledger, a).await);
    }
    let of_b = said_to_log(&ledger, b).await;
    assert_eq!(due(&ledger, &[], 4).await.0, [of_a[0], of_b], "the others wait, but for no other job");
    ledger.store.deliver(of_a[0], busy(10), at(4)).await.unwrap();
    assert_eq!(due(&ledger, &[of_b], 5).await, (Vec::new(), Some(14)), "one that is retried keeps its turn");
    assert!(ledger.store.delivery(of_a[1]).await.unwrap().unwrap().waits);
    ledger.store.deliver(of_a[0], AfterDelivery::Delivered { receipt: None }, at(14)).await.unwrap();
    assert_eq!(due(&ledger, &[of_b], 14).await.0, [of_a[1]]);
    ledger.store.deliver(of_a[1], AfterDelivery::GaveUp { error: "no".to_owned() }, at(15)).await.unwrap();
    assert_eq!(due(&ledger, &[of_b], 15).await.0, [of_a[2]]);
    ledger.close();
}

#[tokio::test]
async fn one_that_fails_for_long_lets_the_others_pass() {
    let ledger = Ledger::new();
    let a = ledger.job("a").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(said_to_log(&ledger, a).await);
    }
    let AfterDelivery::RetryAfter { delay, error, may_have_arrived, .. } = busy(300) else { unreachable!() };
    let passing = AfterDelivery::RetryAfter { delay, error, may_have_arrived, lets_pass: true };
    ledger.store.deliver(ids[0], passing.clone(), at(4000)).await.unwrap();
    assert_eq!(due(&ledger, &[], 4001).await, (vec![ids[1]], Some(4300)));
    ledger.store.deliver(ids[0], passing, at(4300)).await.unwrap();
    assert_eq!(due(&ledger, &[], 4301).await.0, [ids[1]], "the third still waits for the second");
    ledger.store.deliver(ids[1], AfterDelivery::Delivered { receipt: None }, at(4301)).await.unwrap();
    assert_eq!(due(&ledger, &[], 4301).await.0, [ids[2]]);
    ledger.close();
}

#[tokio::test]
async fn a_host_gets_no_more_than_it_has_room_for_and_the_others_theirs() {
    let ledger = Ledger::new();
    let job = ledger.job("a").await;
    let run = ledger.fire(job).await;
    let claim = ledger.claim(run).await;
    let hook = |n: u32, host: &str| delivery(n, &format!(r#"{{"type":"webhook","url":"https://{host}/{n}"}}"#));
    let mut all: Vec<_> = (0..9).map(|n| hook(n, "slow.example")).collect();
    all.push(hook(9, "other.example"));
    assert!(ledger.store.finish(ended(claim, Ended::Finished(all))).await.unwrap());
    let mut pace = Pace::default();
    let (found, _) = ledger.due(&pace, &[], 4).await;
    let hosts = |found: &[bog_agents_daemon::store::DueDelivery]| {
        found.iter().map(|due| due.delivery.host.to_string()).collect::<Vec<_>>()
    };
    let slow = "server:slow.example".to_owned();
    assert_eq!(hosts(&found), ["server:other.example".to_owned(), slow.clone(), slow.clone(), slow.clone(), slow]);
    for due in &found {
        pace.begin(&due.delivery.host, at(4));
    }
    let under_way: Vec<_> = found.iter().map(|due| due.delivery.id).collect();
    let (rest, next) = ledger.due(&pace, &under_way, 4).await;
    assert!(rest.is_empty() && next.is_none(), "{rest:?}");
    pace.end(&found[1].delivery.host, false);
    let (rest, _) = ledger.due(&pace, &under_way, 4).await;
    assert!(rest.is_empty(), "one that fails gets two at a time, and three are under way");
    ledger.close();
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let ledger = Ledger::new();
    let (run, ids) = delivering(&ledger, 3).await;
    ledger.store.deliver(ids[1], AfterDelivery::GaveUp { error: "no".to_owned() }, at(4)).await.unwrap();
    let list = async |filter: DeliveryFilter, limit| {
        let page = ledger.store.list_deliveries(filter, None, limit).await.unwrap();
        (page.items.into_iter().map(|row| row.id).collect::<Vec<_>>(), page.next)
    };
    let newest_first: Vec<_> = ids.iter().rev().copied().collect();
    assert_eq!(list(DeliveryFilter::default(), 9).await, (newest_first.clone(), None));
    let (first, next) = list(DeliveryFilter::default(), 2).await;
    assert_eq!(first, newest_first[..2]);
    let rest = ledger.store.list_deliveries(DeliveryFilter::default(), next, 2).await.unwrap();
    assert_eq!((rest.items[0].id, rest.next), (ids[0], None));
    let state = Some(DeliveryState::GaveUp);
    assert_eq!(list(DeliveryFilter { state, ..DeliveryFilter::default() }, 9).await.0, [ids[1]]);
    for (job, wanted) in [("a", 3), ("b", 0)] {
        let filter = DeliveryFilter { job: Some(job.parse().unwrap()), ..DeliveryFilter::default() };
        assert_eq!(list(filter, 9).await.0.len(), wanted);
    }
    assert_eq!(list(DeliveryFilter { run: Some(run), ..DeliveryFilter::default() }, 9).await.0.len(), 3);
    for (since, until, wanted) in [(Some(at(3)), None, 3), (Some(at(4)), None, 0), (None, Some(at(3)), 0)] {
        assert_eq!(list(DeliveryFilter { since, until, ..DeliveryFilter::default() }, 9).await.0.len(), wanted);
    }
    ledger.close();
}

#[tokio::test]
async fn a_target_that_takes_nothing_for_long_is_named() {
    let ledger = Ledger::new();
    let (_, ids) = delivering(&ledger, 2).await;
    ledger.store.deliver(ids[0], busy(300), at(10)).await.unwrap();
    assert_eq!(ledger.store.failing_targets(at(3 + 899)).await.unwrap(), []);
    let failing = ledger.store.failing_targets(at(3 + 900)).await.unwrap();
    let said: Vec<_> = failing.iter().map(|one| (one.target.as_str(), one.count, one.since)).collect();
    assert_eq!((said, failing[0].error.as_str()), (vec![("file:/tmp/0", 1, at(3))], "busy"));
    ledger.close();
}
