//! The end of an attempt: recorded once, with what follows from it.

use crate::store::ledger::{Ledger, at, deliveries, ended};
use bog_agents_daemon::store::{AttemptEnd, Ended, OUTPUT_HEAD};
use bog_domain::containment::{Containment, LimitHit, LimitKind, Mechanism, NetworkAccess};
use bog_domain::run::{Outcome, RunState, Usage};

#[tokio::test]
async fn an_outcome_and_its_deliveries_are_recorded_once() {
    let ledger = Ledger::new();
    let a = ledger.job("a").await;
    let run = ledger.fire(a).await;
    let claim = ledger.claim(run).await;
    let usage = Usage { input_tokens: Some(3), cost_usd: Some(0.1), ..Usage::default() };
    let end = AttemptEnd { usage, exit_code: Some(4), outcome: Outcome::Failed, ..ended(claim, deliveries(2)) };
    assert!(ledger.store.finish(end.clone()).await.unwrap());
    assert!(!ledger.store.finish(end).await.unwrap(), "finished twice");
    assert!(!ledger.store.finish(ended(claim, deliveries(2))).await.unwrap(), "finished twice");
    let row = ledger.run(run).await;
    assert_eq!((row.state, row.outcome, row.exit_code), (RunState::Finished, Some(Outcome::Failed), Some(4)));
    assert_eq!((row.usage, row.finished_at, row.output_head.as_str()), (usage, Some(at(3)), "said"));
    let made = ledger.store.deliveries(run).await.unwrap();
    assert_eq!(made.iter().map(|made| (made.position, made.attempts)).collect::<Vec<_>>(), [(0, 0), (1, 0)]);
    ledger.close();
}

#[tokio::test]
async fn long_outputs_are_kept_whole_beside_their_head() {
    let ledger = Ledger::new();
    let a = ledger.job("a").await;
    let run = ledger.fire(a).await;
    let claim = ledger.claim(run).await;
    // A character of three bytes lies across the edge.
    let output = "€".repeat(OUTPUT_HEAD);
    let end = AttemptEnd { output: output.clone(), output_truncated: true, ..ended(claim, deliveries(0)) };
    assert!(ledger.store.finish(end).await.unwrap());
    let row = ledger.run(run).await;
    assert_eq!(row.output_head, "€".repeat(OUTPUT_HEAD / 3));
    assert_eq!((row.output_bytes, row.output_truncated), (output.len() as u64, true));
    assert_eq!(ledger.store.output(run).await.unwrap(), Some(output));
    ledger.close();
}

#[tokio::test]
async fn a_retry_forgets_what_the_attempt_before_said() {
    let ledger = Ledger::new();
    let a = ledger.job("a").await;
    let run = ledger.fire(a).await;
    let claim = ledger.claim(run).await;
    let retry = Ended::Retry { not_before: at(0) };
    let end = AttemptEnd { output: "x".repeat(9000), outcome: Outcome::Failed, ..ended(claim, retry) };
    assert!(ledger.store.finish(end).await.unwrap());
    let waiting = ledger.run(run).await;
    assert_eq!((waiting.state, waiting.outcome, waiting.finished_at), (RunState::Queued, None, None));
    let again = ledger.claim(run).await;
    assert_eq!(again.attempt, 2);
    ledger.finish(again).await;
    assert_eq!(ledger.store.output(run).await.unwrap().as_deref(), Some("said"));
    assert_eq!(ledger.run(run).await.started_at, Some(at(2)));
    ledger.close();
}

#[tokio::test]
async fn what_held_a_run_and_what_ended_it_is_that_of_its_last_attempt() {
    let ledger = Ledger::new();
    let a = ledger.job("a").await;
    let run = ledger.fire(a).await;
    assert_eq!(ledger.store.containment(run).await.unwrap(), None);
    let limit = LimitHit { limit: LimitKind::Memory, allowed: 100, peak: 101 };
    let first = Containment { network: NetworkAccess::Full, ..Containment::default() };
    let claim = ledger.claim(run).await;
    let end = AttemptEnd {
        outcome: Outcome::LimitExceeded,
        containment: Some(first.clone()),
        limit: Some(limit),
        ..ended(claim, Ended::Retry { not_before: at(0) })
    };
    assert!(ledger.store.finish(end.clone()).await.unwrap());
    assert_eq!(ledger.run(run).await.limit, Some(limit));
    assert_eq!(ledger.store.containment(run).await.unwrap(), Some(first.clone()));

    // One that runs, and one that never began, say nothing of their own yet.
    let never_began = ledger.claim(run).await;
    assert_eq!(ledger.store.containment(run).await.unwrap(), Some(first.clone()));
    assert!(ledger.store.void(never_began, at(0)).await.unwrap());
    assert_eq!(ledger.store.containment(run).await.unwrap(), Some(first));

    let second = Containment { held: vec![Mechanism::Landlock, Mechanism::Seccomp], ..Containment::default() };
    let claim = ledger.claim(run).await;
    let end = AttemptEnd { containment: Some(second.clone()), ..ended(claim, deliveries(0)) };
    assert!(ledger.store.finish(end).await.unwrap());
    assert_eq!(ledger.run(run).await.limit, None);
    assert_eq!(ledger.store.containment(run).await.unwrap(), Some(second));
    let listed = ledger.store.runs(Default::default(), None, 10).await.unwrap().items;
    assert_eq!(listed[0].limit, None);
    ledger.close();
}

#[tokio::test]
async fn the_last_run_is_the_newest_finished_one_before() {
    let ledger = Ledger::new();
    let (a, b) = (ledger.job("a").await, ledger.job("b").await);
    let first = ledger.finished_run(a).await;
    let second = ledger.finished_run(a).await;
    ledger.finished_run(b).await;
    let third = ledger.fire(a).await;
    for (run, expected) in [(third, Some(second)), (second, Some(first)), (first, None)] {
        let before = ledger.run(run).await.seq;
        let last = ledger.store.last_run(a, before).await.unwrap();
        assert_eq!(last.map(|run| run.id), expected);
    }
    ledger.close();
}
