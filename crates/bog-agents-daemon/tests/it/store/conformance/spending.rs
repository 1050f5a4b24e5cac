//! What runs use, what is set aside for them, and what happens when there is no more.

use crate::store::ledger::{EPOCH, Ledger, at, by_hand, ended, job};
use bog_agents_daemon::store::{
    Arrival, AttemptEnd, Claim, DailyLimits, Ended, NewDelivery, Reserve, Resumed, SaveJob,
};
use bog_domain::agent_end::ModelUsage;
use bog_domain::fire::Disposition;
use bog_domain::run::{Outcome, RunState};
use jiff::Timestamp;

fn used(input: u64, cost: f64) -> Vec<ModelUsage> {
    vec![ModelUsage { model: "m".to_owned(), input_tokens: Some(input), cost_usd: Some(cost), ..ModelUsage::default() }]
}

fn paused(claim: Claim, models: Vec<ModelUsage>) -> AttemptEnd {
    AttemptEnd { outcome: Outcome::LimitExceeded, models, ..ended(claim, Ended::Paused) }
}

#[tokio::test]
async fn attempts_add_what_they_used_and_a_paused_run_goes_on_by_hand() {
    let ledger = Ledger::new();
    let run = ledger.fire(ledger.job("a").await).await;
    let first = ledger.claim(run).await;
    assert!(ledger.store.finish(paused(first, used(10, 0.5))).await.unwrap());
    let row = ledger.run(run).await;
    assert_eq!((row.state, row.outcome, row.max_attempts), (RunState::Paused, None, 4), "it costs no retry");
    assert_eq!(ledger.ready().await, []);
    assert_eq!(ledger.store.resume(run, Some(0.5)).await.unwrap(), Resumed::TooLittle { spent_usd: 0.5 });
    assert_eq!(ledger.store.resume(run, Some(2.0)).await.unwrap(), Resumed::Now);
    assert_eq!(ledger.store.resume(run, None).await.unwrap(), Resumed::NotPaused(RunState::Queued));
    assert_eq!(ledger.ready().await, [run]);
    let limits = DailyLimits { since: at(0), job_usd: Some(1.0), all_usd: None };
    let allowed = ledger.store.allowed(run, row.job_uid, limits).await.unwrap();
    assert_eq!((allowed.by_hand_usd, allowed.spent_usd, allowed.left_today_usd), (Some(2.0), 0.5, Some(0.5)));
    // An attempt tells of the whole run.
    let second = ledger.claim(run).await;
    let end = AttemptEnd { models: used(15, 0.75), ..ended(second, Ended::Finished(Vec::<NewDelivery>::new())) };
    assert!(ledger.store.finish(end).await.unwrap());
    let rows = ledger.store.usage(None, at(0), Timestamp::MAX).await.unwrap();
    let added: Vec<_> = rows.iter().map(|row| (row.usage.input_tokens, row.usage.cost_usd)).collect();
    assert_eq!(added, [(Some(10), Some(0.5)), (Some(5), Some(0.25))]);
    assert_eq!(ledger.store.usage(Some("b".parse().unwrap()), at(0), Timestamp::MAX).await.unwrap(), []);
    ledger.close();
}

#[tokio::test]
async fn what_is_set_aside_is_spent_until_it_is_known_better() {
    let ledger = Ledger::new();
    let spec = r#"{"prompt":"x","budget":{"daily_usd":1.0}}"#.to_owned();
    let a = ledger.save(SaveJob { spec, ..job("a") }).await;
    let b = ledger.job("b").await;
    let (first, second) = (ledger.fire(a).await, ledger.fire(b).await);
    let limits = DailyLimits { since: at(0), job_usd: Some(1.0), all_usd: Some(1.5) };
    let reserve = |usd, limits| Reserve { usd, within: Some(limits) };
    let claim = |run| Claim { run, attempt: 1, epoch: EPOCH };
    let seen = ledger.run(first).await;
    assert!(ledger.store.claim_reserving(seen, claim(first), reserve(1.0, limits), at(2)).await.unwrap());
    let of_all = DailyLimits { job_usd: None, ..limits };
    let claim_second = async |usd| {
        ledger.store.claim_reserving(ledger.run(second).await, claim(second), reserve(usd, of_all), at(2)).await
    };
    assert!(!claim_second(0.6).await.unwrap(), "only half a dollar is left for all");
    let fire = |day| Arrival { day, ..by_hand(a) };
    let skipped = ledger.accept(fire((at(0), None))).await;
    assert_eq!((skipped.disposition, skipped.reason.as_deref()), (Disposition::Skipped, Some("budget")));
    let end = AttemptEnd { models: used(1, 0.25), ..ended(claim(first), Ended::Finished(Vec::new())) };
    assert!(ledger.store.finish(end).await.unwrap());
    assert!(claim_second(0.6).await.unwrap());
    assert_eq!(ledger.accept(fire((at(0), None))).await.disposition, Disposition::Run);
    assert_eq!(ledger.accept(fire((at(0), Some(0.5)))).await.disposition, Disposition::Skipped);
    // What an earlier day has cost counts for nothing; what is set aside now does.
    assert_eq!(ledger.accept(fire((at(1000), Some(0.5)))).await.disposition, Disposition::Skipped);
    assert!(ledger.store.finish(ended(claim(second), Ended::Finished(Vec::new()))).await.unwrap());
    assert_eq!(ledger.accept(fire((at(1000), Some(0.5)))).await.disposition, Disposition::Run);
    ledger.close();
}
