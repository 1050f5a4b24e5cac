//! Lists: newest first, page by page, by every filter; and the figures.

use crate::store::ledger::{Ledger, at, busy, by_hand, deliveries, ended, job, slot};
use bog_agents_daemon::store::{Arrival, Counts, FireFilter, Orphans, RunFilter, SaveJob};
use bog_domain::delivery::{AfterDelivery, DeliveryState};
use bog_domain::fire::Disposition;
use bog_domain::ids::RunId;
use bog_domain::run::{Outcome, RunState};

async fn runs(ledger: &Ledger, filter: RunFilter) -> Vec<RunId> {
    let page = ledger.store.runs(filter, None, 100).await.unwrap();
    assert_eq!(page.next, None);
    page.items.into_iter().map(|run| run.id).collect()
}

#[tokio::test]
async fn pages_join_into_the_whole_list() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(ledger.fire(uid).await);
    }
    made.reverse();
    for filter in [RunFilter::default(), RunFilter { job: Some("a".parse().unwrap()), ..RunFilter::default() }] {
        let (mut listed, mut cursor) = (Vec::new(), None);
        loop {
            let page = ledger.store.runs(filter.clone(), cursor, 3).await.unwrap();
            assert!(page.items.len() <= 3);
            listed.extend(page.items.into_iter().map(|run| run.id));
            match page.next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(listed, made);
    }
    let exact = ledger.store.runs(RunFilter::default(), None, 7).await.unwrap();
    assert_eq!((exact.items.len(), exact.next), (7, None));
    let fires = ledger.store.fires(FireFilter::default(), None, 4).await.unwrap();
    let rest = ledger.store.fires(FireFilter::default(), fires.next, u32::MAX).await.unwrap();
    assert_eq!((fires.items.len(), rest.items.len(), rest.next), (4, 3, None));
    ledger.close();
}

#[tokio::test]
async fn runs_are_filtered() {
    let ledger = Ledger::new();
    let (a, b) = (ledger.job("a").await, ledger.job("b").await);
    let finished = ledger.finished_run(a).await;
    let running = ledger.fire(a).await;
    ledger.claim(running).await;
    let cancelled = ledger.fire(a).await;
    ledger.store.cancel(cancelled, "no".to_owned(), at(4)).await.unwrap();
    let queued = ledger.store.accept(by_hand(b), at(50)).await.unwrap();
    let bog_agents_daemon::store::Accepted::Recorded(queued) = queued else { panic!("{queued:?}") };
    let queued = queued.run_id.unwrap();
    let all = RunFilter::default;
    assert_eq!(
        runs(&ledger, RunFilter { job: Some("a".parse().unwrap()), ..all() }).await,
        [cancelled, running, finished]
    );
    assert_eq!(runs(&ledger, RunFilter { job: Some("c".parse().unwrap()), ..all() }).await, []);
    assert_eq!(runs(&ledger, RunFilter { state: Some(RunState::Queued), ..all() }).await, [queued]);
    assert_eq!(runs(&ledger, RunFilter { state: Some(RunState::Running), ..all() }).await, [running]);
    assert_eq!(runs(&ledger, RunFilter { state: Some(RunState::Finished), ..all() }).await, [cancelled, finished]);
    assert_eq!(runs(&ledger, RunFilter { outcome: Some(Outcome::Cancelled), ..all() }).await, [cancelled]);
    assert_eq!(runs(&ledger, RunFilter { since: Some(at(50)), ..all() }).await, [queued]);
    assert_eq!(runs(&ledger, RunFilter { until: Some(at(50)), ..all() }).await, [cancelled, running, finished]);
    let both = RunFilter { job: Some("a".parse().unwrap()), state: Some(RunState::Running), ..all() };
    assert_eq!(runs(&ledger, both).await, [running]);
    ledger.close();
}

#[tokio::test]
async fn fires_are_filtered_by_the_slots_they_stand_for() {
    let ledger = Ledger::new();
    let uid = ledger.save(SaveJob { enabled: false, ..job("a") }).await;
    let range = ledger.accept(slot(uid, 60)).await.fire_id;
    ledger.accept(slot(uid, 600)).await;
    let run = ledger.accept(Arrival { due_at: at(700), ..by_hand(uid) }).await.fire_id;
    let listed = async |filter: FireFilter| -> Vec<_> {
        ledger.store.fires(filter, None, 10).await.unwrap().items.into_iter().map(|fire| fire.id).collect()
    };
    let all = FireFilter::default;
    assert_eq!(listed(FireFilter { since: Some(at(600)), ..all() }).await, [run, range]);
    assert_eq!(listed(FireFilter { since: Some(at(601)), ..all() }).await, [run]);
    assert_eq!(listed(FireFilter { until: Some(at(61)), ..all() }).await, [range]);
    assert_eq!(listed(FireFilter { disposition: Some(Disposition::Skipped), ..all() }).await, [range]);
    assert_eq!(listed(FireFilter { job: Some("a".parse().unwrap()), ..all() }).await, [run, range]);
    assert_eq!(listed(FireFilter { job: Some("b".parse().unwrap()), ..all() }).await, []);
    ledger.close();
}

#[tokio::test]
async fn jobs_are_listed_by_id_with_how_they_stand() {
    let ledger = Ledger::new();
    for id in ["c", "a", "b"] {
        ledger.job(id).await;
    }
    let uid = ledger.store.job("b".parse().unwrap()).await.unwrap().unwrap().uid;
    ledger.finished_run(uid).await;
    let newest = ledger.fire(uid).await;
    ledger.store.delete_job("c".parse().unwrap(), at(1)).await.unwrap();
    let listed = ledger.store.jobs(None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((listed[1].last_run, listed[1].last_outcome), (Some(newest), Some(Outcome::Succeeded)));
    assert_eq!((listed[1].run_count, listed[1].next_fire_at), (2, Some(at(60))));
    let after = ledger.store.jobs(Some("a".parse().unwrap()), 10).await.unwrap();
    assert_eq!(after.len(), 1);
    assert_eq!(ledger.store.jobs(None, 1).await.unwrap().len(), 1);
    ledger.close();
}

#[tokio::test]
async fn the_figures_count_what_is_open() {
    let ledger = Ledger::new();
    let (a, b) = (ledger.job("a").await, ledger.job("b").await);
    let run = ledger.fire(a).await;
    let claim = ledger.claim(run).await;
    ledger.store.finish(ended(claim, deliveries(3))).await.unwrap();
    let made = ledger.store.deliveries(run).await.unwrap();
    ledger.store.deliver(made[0].id, busy(9), at(4)).await.unwrap();
    ledger.store.deliver(made[1].id, AfterDelivery::Delivered { receipt: None }, at(4)).await.unwrap();
    let runs = [ledger.fire(a).await, ledger.fire(b).await, ledger.fire(b).await];
    ledger.claim(runs[0]).await;
    let counts = ledger.store.counts().await.unwrap();
    let deliveries = vec![(DeliveryState::Pending, 1), (DeliveryState::Retrying, 1)];
    let expected = Counts {
        jobs: 2,
        invalid_edits: 0,
        queued: 2,
        running: 1,
        deliveries,
        next_slot: Some(at(60)),
        orphans: Orphans::default(),
    };
    assert_eq!(counts, expected);
    ledger.close();
}
