//! Gates: a run that waits for its agent after its gate opened, and one that never was because it closed.

use crate::store::ledger::{Ledger, by_hand, ended, job};
use bog_agents_daemon::store::{Ended, FireFilter, RunFilter, SaveJob};
use bog_domain::fire::Disposition;
use bog_domain::run::RunState;

#[tokio::test]
async fn an_open_gate_leaves_its_run_to_the_agent_with_all_its_attempts() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    let run = ledger.accept(by_hand(uid)).await.run_id.unwrap();
    assert_eq!(ledger.store.gate_of(run).await.unwrap(), None);
    let before = ledger.run(run).await;
    let claim = ledger.claim(run).await;
    let end = ended(claim, Ended::GateOpen { said: "3 new commits".to_owned() });
    assert!(ledger.store.finish(end.clone()).await.unwrap());
    assert!(!ledger.store.finish(end).await.unwrap(), "once");
    let row = ledger.run(run).await;
    assert_eq!((row.state, row.attempt, row.max_attempts), (RunState::Queued, 1, before.max_attempts + 1));
    assert_eq!((row.outcome, row.output_head.as_str(), row.finished_at), (None, "", None));
    assert_eq!(ledger.store.gate_of(run).await.unwrap().as_deref(), Some("3 new commits"));
    assert_eq!(ledger.ready().await, [run]);
    ledger.claim(run).await;
    ledger.close();
}

#[tokio::test]
async fn a_closed_gate_leaves_no_run_and_frees_its_place() {
    let ledger = Ledger::new();
    let uid = ledger.save(SaveJob { max_runs: 2, ..job("a") }).await;
    let run = ledger.accept(by_hand(uid)).await.run_id.unwrap();
    let next = ledger.accept(by_hand(uid)).await.run_id.unwrap();
    let claim = ledger.claim(run).await;
    let end = ended(claim, Ended::GateClosed { reason: "gate: nothing new".to_owned() });
    assert!(ledger.store.finish(end.clone()).await.unwrap());
    assert!(!ledger.store.finish(end).await.unwrap(), "once");
    let runs = ledger.store.runs(RunFilter::default(), None, 10).await.unwrap();
    assert_eq!(runs.items.iter().map(|run| run.id).collect::<Vec<_>>(), [next]);
    let skipped = FireFilter { disposition: Some(Disposition::Skipped), ..FireFilter::default() };
    let fires = ledger.store.fires(skipped, None, 10).await.unwrap().items;
    assert_eq!(
        fires.iter().map(|fire| (fire.reason.as_deref(), fire.run_id)).collect::<Vec<_>>(),
        [(Some("gate: nothing new"), None)]
    );
    assert_eq!(ledger.ready().await, [next], "the next one's turn has come");
    // It does not count as one of the runs that the job may have.
    assert_eq!(ledger.accept(by_hand(uid)).await.disposition, Disposition::Run);
    assert_eq!(ledger.accept(by_hand(uid)).await.disposition, Disposition::Skipped);
    ledger.close();
}
