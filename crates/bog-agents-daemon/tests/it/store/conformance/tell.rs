//! Whom the end of a run is told to: what has changed, and jobs that begin to fail or work again.

use crate::store::ledger::{Ledger, at, delivery, ended};
use bog_agents_daemon::store::{AttemptEnd, Ended, NewDelivery};
use bog_domain::delivery::{AfterDelivery, DeliveryState, Purpose};
use bog_domain::ids::{JobUid, RunId};
use bog_domain::run::Outcome;

const CHANGED: &str = r#"{"type":"log","when":"changed"}"#;

/// A run that says something and ends; its deliveries.
async fn ends(
    ledger: &Ledger,
    job: JobUid,
    outcome: Outcome,
    output: &str,
    deliveries: Vec<NewDelivery>,
) -> (RunId, Vec<Purpose>) {
    let run = ledger.fire(job).await;
    let claim = ledger.claim(run).await;
    let end = AttemptEnd { outcome, output: output.to_owned(), ..ended(claim, Ended::Finished(deliveries)) };
    assert!(ledger.store.finish(end).await.unwrap());
    let made = ledger.store.deliveries(run).await.unwrap();
    (run, made.iter().map(|delivery| delivery.purpose).collect())
}

/// Whether an output that is told of changes is told of this.
async fn is_news(ledger: &Ledger, job: JobUid, output: &str) -> bool {
    let (_, made) = ends(ledger, job, Outcome::Succeeded, output, vec![delivery(0, CHANGED)]).await;
    made.len() == 1
}

/// Settles the newest delivery.
async fn settle(ledger: &Ledger, after: AfterDelivery) {
    let newest = ledger.store.list_deliveries(Default::default(), None, 1).await.unwrap().items.remove(0);
    ledger.store.deliver(newest.id, after, at(5)).await.unwrap();
}

fn delivered() -> AfterDelivery {
    AfterDelivery::Delivered { receipt: None }
}

#[tokio::test]
async fn what_was_delivered_last_is_not_delivered_again() {
    let ledger = Ledger::new();
    let (a, b) = (ledger.job("a").await, ledger.job("b").await);
    assert!(is_news(&ledger, a, "x").await);
    assert!(!is_news(&ledger, a, "x").await, "it is about to be delivered");
    settle(&ledger, delivered()).await;
    assert!(!is_news(&ledger, a, "x \r\n").await);
    assert!(is_news(&ledger, b, "x").await, "another job's output is its own");
    settle(&ledger, delivered()).await;
    assert!(is_news(&ledger, a, "y").await);
    settle(&ledger, AfterDelivery::GaveUp { error: "no".to_owned() }).await;
    assert!(!is_news(&ledger, a, "x").await, "the target still has it");
    assert!(is_news(&ledger, a, "y").await, "the target never got it");
    settle(&ledger, delivered()).await;
    assert!(is_news(&ledger, a, "x").await);
    settle(&ledger, delivered()).await;
    ledger.close();
}

#[tokio::test]
async fn what_was_delivered_is_known_after_its_run_was_forgotten() {
    let ledger = Ledger::new();
    let a = ledger.job("a").await;
    assert!(is_news(&ledger, a, "x").await);
    settle(&ledger, delivered()).await;
    let (_, none) = ends(&ledger, a, Outcome::Succeeded, "", Vec::new()).await;
    assert!(none.is_empty());
    assert_eq!(ledger.store.prune(at(1000), at(1000)).await.unwrap().len(), 1);
    assert!(!is_news(&ledger, a, "x").await);
    assert!(ledger.store.delete_job("a".parse().unwrap(), at(2000)).await.unwrap());
    ledger.store.prune(at(3000), at(3000)).await.unwrap();
    ledger.close();
}

#[tokio::test]
async fn two_outputs_of_a_run_to_one_target_are_both_told() {
    let ledger = Ledger::new();
    let a = ledger.job("a").await;
    let both = || vec![delivery(0, CHANGED), delivery(1, CHANGED)];
    let (_, made) = ends(&ledger, a, Outcome::Succeeded, "x", both()).await;
    assert_eq!(made.len(), 2);
    let (_, made) = ends(&ledger, a, Outcome::Succeeded, "x", both()).await;
    assert_eq!(made.len(), 0);
    let (_, made) = ends(&ledger, a, Outcome::Failed, "x", both()).await;
    assert_eq!(made.len(), 2, "another end is news");
    ledger.close();
}

/// What the dispatcher hands over for a job whose failures are to be told.
fn notes() -> Vec<NewDelivery> {
    [Purpose::Alert, Purpose::Recovery]
        .map(|purpose| NewDelivery { purpose, ..delivery(0, r#"{"type":"log"}"#) })
        .to_vec()
}

#[tokio::test]
async fn an_incident_is_told_once_as_it_begins_and_once_as_it_ends() {
    let ledger = Ledger::new();
    let a = ledger.job("a").await;
    let ends = async |outcome| ends(&ledger, a, outcome, "", notes()).await;
    assert_eq!(ends(Outcome::Succeeded).await.1, []);
    let (first, told) = ends(Outcome::Failed).await;
    assert_eq!(told, [Purpose::Alert]);
    for outcome in [Outcome::Failed, Outcome::Cancelled, Outcome::StartFailed] {
        assert_eq!(ends(outcome).await.1, [], "{outcome}");
    }
    let (over, told) = ends(Outcome::Succeeded).await;
    assert_eq!(told, [Purpose::Recovery]);
    assert_eq!(ends(Outcome::Succeeded).await.1, []);
    assert_eq!(ends(Outcome::TimedOut).await.1, [Purpose::Alert], "the next incident");

    let alert = ledger.store.deliveries(first).await.unwrap().remove(0);
    let recovery = ledger.store.deliveries(over).await.unwrap().remove(0);
    assert_eq!(alert.incident.map(|incident| incident.failures), Some(1));
    assert_eq!(recovery.incident.map(|incident| incident.failures), Some(3));
    assert!(!alert.waits && recovery.waits, "a recovery follows its alert");
    ledger.store.deliver(alert.id, delivered(), at(5)).await.unwrap();
    let recovery = ledger.store.delivery(recovery.id).await.unwrap().unwrap();
    assert_eq!((recovery.waits, recovery.state), (false, DeliveryState::Pending));
    ledger.close();
}

#[tokio::test]
async fn where_nobody_is_to_be_told_no_incident_begins() {
    let ledger = Ledger::new();
    let a = ledger.job("a").await;
    assert_eq!(ends(&ledger, a, Outcome::Failed, "", Vec::new()).await.1, []);
    assert_eq!(ends(&ledger, a, Outcome::Failed, "", notes()).await.1, [Purpose::Alert]);
    assert_eq!(ends(&ledger, a, Outcome::Succeeded, "", Vec::new()).await.1, [], "nobody is told any more");
    assert_eq!(ends(&ledger, a, Outcome::Succeeded, "", notes()).await.1, [], "and it is over");
    ledger.close();
}
