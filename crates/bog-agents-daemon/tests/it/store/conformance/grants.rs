//! What a run's grant depends on: the tier of what fired it, and where jobs work.

use crate::store::ledger::{Ledger, at, by_hand, job, slot, trigger};
use bog_agents_daemon::store::{Arrival, SaveJob};
use bog_domain::fire::{Cause, Tier, TriggerKind};
use bog_domain::ids::{FireId, JobUid, TriggerId};
use bog_domain::overlap::Overlap;

fn hook(job: JobUid) -> Arrival {
    Arrival { trigger: TriggerId::new("hook"), kind: TriggerKind::Webhook, ..by_hand(job) }
}

/// A job with a trigger `tick` and a trigger `hook`.
fn hooked(overlap: Overlap) -> SaveJob {
    SaveJob { overlap, triggers: vec![trigger("tick", overlap), trigger("hook", overlap)], ..job("a") }
}

fn again(job: JobUid, fire: FireId) -> Arrival {
    Arrival { cause: Cause { fire: Some(fire), depth: 0 }, ..by_hand(job) }
}

#[tokio::test]
async fn a_run_is_trusted_no_further_than_the_least_trusted_of_its_events() {
    let ledger = Ledger::new();
    let uid = ledger.save(hooked(Overlap::Coalesce)).await;
    let first = ledger.accept(slot(uid, 60)).await;
    let run = first.run_id.unwrap();
    assert_eq!(ledger.store.tier_of(run).await.unwrap(), Tier::Operator);
    assert_eq!(ledger.accept(slot(uid, 120)).await.run_id, Some(run));
    assert_eq!(ledger.store.tier_of(run).await.unwrap(), Tier::Operator);
    assert_eq!(ledger.accept(by_hand(uid)).await.run_id, Some(run));
    assert_eq!(ledger.store.tier_of(run).await.unwrap(), Tier::Operator);
    let merged = ledger.accept(hook(uid)).await;
    assert_eq!(merged.run_id, Some(run), "the webhook is merged into the run of the slot");
    assert_eq!(ledger.store.tier_of(run).await.unwrap(), Tier::Event);
    ledger.close();
}

#[tokio::test]
async fn to_run_again_by_hand_does_not_make_the_event_ones_own() {
    let ledger = Ledger::new();
    let uid = ledger.save(hooked(Overlap::Queue)).await;
    let tier = async |run: Option<bog_domain::ids::RunId>| ledger.store.tier_of(run.unwrap()).await.unwrap();
    let event = ledger.accept(hook(uid)).await;
    assert_eq!(tier(event.run_id).await, Tier::Event);
    let rerun = ledger.accept(again(uid, event.fire_id)).await;
    assert_eq!(tier(rerun.run_id).await, Tier::Event);
    let once_more = ledger.accept(again(uid, rerun.fire_id)).await;
    assert_eq!(tier(once_more.run_id).await, Tier::Event);
    let own = ledger.accept(by_hand(uid)).await;
    assert_eq!(tier(ledger.accept(again(uid, own.fire_id)).await.run_id).await, Tier::Operator);
    let gone = FireId::new(bog_agents_daemon::clock::new_id());
    assert_eq!(tier(ledger.accept(again(uid, gone)).await.run_id).await, Tier::Event, "nobody knows what it was");
    ledger.close();
}

#[tokio::test]
async fn the_folders_of_active_jobs_are_listed_once() {
    let ledger = Ledger::new();
    let with = |id: &str, spec: &str| SaveJob { spec: spec.to_owned(), ..job(id) };
    let specs = [
        ("a", r#"{"working_dir":"~/a"}"#),
        ("b", r#"{"working_dir":"~/a"}"#),
        ("c", r#"{"features":{"working_dir":"/c"}}"#),
        ("d", r#"{"working_dir":"/d","features":{"working_dir":"/no"}}"#),
        ("e", "{}"),
        ("gone", r#"{"working_dir":"/gone"}"#),
    ];
    for (id, spec) in specs {
        ledger.save(with(id, spec)).await;
    }
    ledger.store.delete_job("gone".parse().unwrap(), at(1)).await.unwrap();
    let mut dirs = ledger.store.working_dirs().await.unwrap();
    dirs.sort();
    assert_eq!(dirs, ["/c", "/d", "~/a"]);
    ledger.close();
}
