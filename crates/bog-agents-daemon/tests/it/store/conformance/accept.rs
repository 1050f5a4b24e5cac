//! Accepting: each disposition, what counts as the same event, and what is answered to the same request.

use crate::store::ledger::{Ledger, at, by_hand, job, job_with, slot};
use bog_agents_daemon::store::{Accepted, Answer, Arrival, FireFilter, Receipt, SaveJob};
use bog_domain::fire::{Cause, Disposition, TriggerKind};
use bog_domain::ids::{JobUid, TriggerId};
use bog_domain::overlap::Overlap;
use bog_domain::run::{Outcome, RunState};

fn verdict(receipt: &Receipt) -> (Disposition, Option<&str>, bool) {
    (receipt.disposition, receipt.reason.as_deref(), receipt.run_id.is_some())
}

fn answer(key: &str, request: &str) -> Option<Answer> {
    let (scope, response) = ("run".to_owned(), String::new());
    Some(Answer { scope, key: key.to_owned(), request: request.to_owned(), response })
}

fn push(job: JobUid, key: &str) -> Arrival {
    Arrival {
        trigger: TriggerId::new("tick"),
        kind: TriggerKind::Webhook,
        dedupe_key: Some(key.to_owned()),
        ..by_hand(job)
    }
}

#[tokio::test]
async fn a_fire_is_written_down_with_its_run() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    let cause = ledger.accept(by_hand(uid)).await;
    let arrival = Arrival {
        context: r#"{"payload":1}"#.to_owned(),
        cause: Cause { fire: Some(cause.fire_id), depth: 3 },
        ..slot(uid, 60)
    };
    let receipt = ledger.accept(arrival.clone()).await;
    // It was merged: the fire by hand waits still. Cron coalesces by default.
    assert_eq!(verdict(&receipt), (Disposition::Coalesced, None, true));
    let fire = ledger.store.fire(receipt.fire_id).await.unwrap().unwrap();
    assert_eq!((fire.id, fire.job_uid, fire.job_id.as_str()), (arrival.fire, uid, "a"));
    assert_eq!(
        (fire.trigger, fire.kind, fire.due_at, fire.seen_at),
        (arrival.trigger, TriggerKind::Cron, at(60), at(1))
    );
    assert_eq!((fire.cause, fire.context, fire.count), (arrival.cause, arrival.context, 1));
    let run = ledger.run(cause.run_id.unwrap()).await;
    assert_eq!((run.fire_id, run.job_uid, run.revision, run.fires), (cause.fire_id, uid, 1, 2));
    assert_eq!((run.state, run.attempt, run.max_attempts, run.queued_at), (RunState::Queued, 0, 3, at(1)));
    let of_run = ledger.store.fires_of(run.id, 10).await.unwrap();
    assert_eq!(of_run.iter().map(|fire| fire.id).collect::<Vec<_>>(), [cause.fire_id, receipt.fire_id]);
    let newest = ledger.store.fires_of(run.id, 1).await.unwrap();
    assert_eq!(newest[0].id, receipt.fire_id);
    ledger.close();
}

#[tokio::test]
async fn an_event_is_the_same_by_job_trigger_and_key() {
    let ledger = Ledger::new();
    let (a, b) = (ledger.job("a").await, ledger.job("b").await);
    let first = ledger.accept(slot(a, 60)).await;
    let again = ledger.store.accept(slot(a, 60), at(9)).await.unwrap();
    assert_eq!(again, Accepted::Duplicate(first));
    ledger.accept(slot(b, 60)).await;
    ledger.accept(slot(a, 120)).await;
    ledger.accept(by_hand(a)).await;
    ledger.accept(by_hand(a)).await;
    assert_eq!(ledger.store.fires(FireFilter::default(), None, 100).await.unwrap().items.len(), 5);
    ledger.close();
}

#[tokio::test]
async fn a_key_gets_the_first_answer_again_and_another_request_none() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    let with = |request| Arrival { answer: answer("k", request), ..by_hand(uid) };
    let first = ledger.accept(with("one")).await;
    assert_eq!(ledger.store.accept(with("one"), at(2)).await.unwrap(), Accepted::Duplicate(first.clone()));
    assert_eq!(ledger.store.accept(with("two"), at(2)).await.unwrap(), Accepted::KeyReused);
    let kept = ledger.store.answer("run".to_owned(), "k".to_owned()).await.unwrap().unwrap();
    assert_eq!(serde_json::from_str::<Receipt>(&kept.response).unwrap(), first);
    assert_eq!(ledger.store.answer("save".to_owned(), "k".to_owned()).await.unwrap(), None);
    // A day later nobody repeats a request; the next answer sweeps the old ones out.
    let later = Arrival { answer: answer("l", "one"), ..by_hand(uid) };
    ledger.store.accept(later, at(25 * 3600)).await.unwrap();
    assert_eq!(ledger.store.answer("run".to_owned(), "k".to_owned()).await.unwrap(), None);
    ledger.close();
}

#[tokio::test]
async fn a_refused_sender_may_try_again_with_the_same_event() {
    let ledger = Ledger::new();
    let uid = ledger.save(job_with("a", Overlap::Queue)).await;
    let refused = Arrival { draining: true, answer: answer("k", "one"), ..push(uid, "event 1") };
    let receipt = ledger.accept(refused.clone()).await;
    assert_eq!(verdict(&receipt), (Disposition::Refused, Some("draining"), false));
    let again = Arrival { draining: false, answer: answer("k", "one"), ..push(uid, "event 1") };
    assert_eq!(verdict(&ledger.accept(again.clone()).await), (Disposition::Run, None, true));
    assert!(matches!(ledger.store.accept(push(uid, "event 1"), at(2)).await.unwrap(), Accepted::Duplicate(_)));
    ledger.close();
}

#[tokio::test]
async fn what_is_gone_is_not_fired() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    let other_trigger = Arrival { trigger: TriggerId::new("tock"), ..slot(uid, 60) };
    assert_eq!(ledger.store.accept(other_trigger, at(1)).await.unwrap(), Accepted::Gone);
    assert!(ledger.store.delete_job("a".parse().unwrap(), at(1)).await.unwrap());
    assert_eq!(ledger.store.accept(by_hand(uid), at(1)).await.unwrap(), Accepted::Gone);
    assert_eq!(ledger.store.accept(slot(uid, 60), at(1)).await.unwrap(), Accepted::Gone);
    ledger.close();
}

#[tokio::test]
async fn queue_gives_every_fire_a_run_until_it_is_full() {
    let ledger = Ledger::new();
    let uid = ledger.save(SaveJob { max_queued: 2, ..job("a") }).await;
    let first = ledger.fire(uid).await;
    ledger.claim(first).await;
    ledger.fire(uid).await;
    ledger.fire(uid).await;
    let full = ledger.accept(by_hand(uid)).await;
    assert_eq!(verdict(&full), (Disposition::Refused, Some("queue full"), false));
    ledger.close();
}

#[tokio::test]
async fn coalesce_merges_until_the_run_is_claimed() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    let run = ledger.accept(slot(uid, 60)).await.run_id.unwrap();
    for due in [120, 180] {
        let merged = ledger.accept(slot(uid, due)).await;
        assert_eq!(merged.run_id, Some(run));
        assert_eq!(merged.disposition, Disposition::Coalesced);
    }
    assert_eq!(ledger.run(run).await.fires, 3);
    ledger.claim(run).await;
    let next = ledger.accept(slot(uid, 240)).await;
    assert_eq!(next.disposition, Disposition::Run);
    assert_eq!(ledger.accept(slot(uid, 300)).await.run_id, next.run_id);
    assert_eq!(ledger.run(run).await.fires, 3);
    ledger.close();
}

#[tokio::test]
async fn skip_skips_while_the_job_is_busy() {
    let ledger = Ledger::new();
    let uid = ledger.save(job_with("a", Overlap::Skip)).await;
    let run = ledger.fire(uid).await;
    assert_eq!(verdict(&ledger.accept(slot(uid, 60)).await), (Disposition::Skipped, Some("overlap"), false));
    let claim = ledger.claim(run).await;
    assert_eq!(verdict(&ledger.accept(slot(uid, 120)).await), (Disposition::Skipped, Some("overlap"), false));
    ledger.finish(claim).await;
    assert_eq!(verdict(&ledger.accept(slot(uid, 180)).await), (Disposition::Run, None, true));
    ledger.close();
}

#[tokio::test]
async fn replace_ends_what_waits_and_asks_what_runs_to_end() {
    let ledger = Ledger::new();
    let uid = ledger.save(job_with("a", Overlap::Replace)).await;
    let (other, runs) = (ledger.job("b").await, ledger.fire(uid).await);
    let bystander = ledger.fire(other).await;
    ledger.claim(runs).await;
    let waits = ledger.fire(uid).await;
    let newest = ledger.fire(uid).await;
    let replaced = ledger.run(waits).await;
    assert_eq!((replaced.state, replaced.outcome), (RunState::Finished, Some(Outcome::Cancelled)));
    assert_eq!(replaced.finished_at, Some(at(1)));
    let asked = ledger.store.asked_to_end().await.unwrap();
    assert_eq!(asked, [(runs, "replaced by a newer fire".to_owned())]);
    assert_eq!(ledger.run(newest).await.state, RunState::Queued);
    assert_eq!(ledger.run(bystander).await.state, RunState::Queued);
    ledger.close();
}

#[tokio::test]
async fn max_runs_counts_every_run_and_stops_hands_too() {
    let ledger = Ledger::new();
    let uid = ledger.save(SaveJob { max_runs: 2, ..job("a") }).await;
    ledger.finished_run(uid).await;
    let waiting = ledger.accept(slot(uid, 60)).await;
    // Joining a run makes none.
    assert_eq!(ledger.accept(slot(uid, 120)).await.run_id, waiting.run_id);
    assert_eq!(verdict(&ledger.accept(by_hand(uid)).await), (Disposition::Skipped, Some("max_runs"), false));
    ledger.claim(waiting.run_id.unwrap()).await;
    assert_eq!(verdict(&ledger.accept(slot(uid, 180)).await), (Disposition::Skipped, Some("max_runs"), false));
    assert_eq!(ledger.store.job("a".parse().unwrap()).await.unwrap().unwrap().run_count, 2);
    ledger.close();
}

#[tokio::test]
async fn slots_of_a_disabled_job_are_one_row_and_a_hand_still_runs_it() {
    let ledger = Ledger::new();
    let uid = ledger.save(SaveJob { enabled: false, ..job("a") }).await;
    let first = ledger.accept(slot(uid, 60)).await;
    assert_eq!(verdict(&first), (Disposition::Skipped, Some("disabled"), false));
    for due in [120, 180] {
        assert_eq!(ledger.accept(slot(uid, due)).await.fire_id, first.fire_id);
    }
    // Events are not slots: each is a row.
    assert_ne!(ledger.accept(push(uid, "e")).await.fire_id, first.fire_id);
    let row = ledger.store.fire(first.fire_id).await.unwrap().unwrap();
    assert_eq!((row.due_at, row.until_at, row.count), (at(60), Some(at(180)), 3));
    assert_eq!(ledger.accept(by_hand(uid)).await.disposition, Disposition::Run);
    ledger.close();
}

#[tokio::test]
async fn a_range_ends_where_something_else_happens() {
    let ledger = Ledger::new();
    let uid = ledger.save(SaveJob { enabled: false, ..job("a") }).await;
    let before = ledger.accept(slot(uid, 60)).await;
    ledger.save(SaveJob { spec: "{}".to_owned(), ..job("a") }).await;
    assert_eq!(ledger.accept(slot(uid, 120)).await.disposition, Disposition::Run);
    ledger.save(SaveJob { enabled: false, ..job("a") }).await;
    let after = ledger.accept(slot(uid, 180)).await;
    assert_ne!(after.fire_id, before.fire_id);
    ledger.close();
}

#[tokio::test]
async fn what_a_filter_keeps_out_is_a_row_with_its_reason_and_comes_once() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    let kept_out = Arrival { filtered: Some("own_writes".to_owned()), ..push(uid, "e") };
    let receipt = ledger.accept(kept_out.clone()).await;
    assert_eq!(verdict(&receipt), (Disposition::Filtered, Some("own_writes"), false));
    let again = Arrival { filtered: None, ..kept_out.clone() };
    assert_eq!(ledger.store.accept(again, at(1)).await.unwrap(), Accepted::Duplicate(receipt));
    // A daemon that drains takes nothing, so that its sender comes again.
    let draining = Arrival { draining: true, filtered: kept_out.filtered, ..push(uid, "f") };
    assert_eq!(verdict(&ledger.accept(draining).await), (Disposition::Refused, Some("draining"), false));
    assert!(ledger.ready().await.is_empty());
    ledger.close();
}
