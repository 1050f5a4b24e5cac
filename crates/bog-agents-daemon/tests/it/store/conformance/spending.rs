//! What runs use, what is set aside for them, and what happens when there is no more.

use crate::store::ledger::{EPOCH, Ledger, at, by_hand, ended, job};
use bog_agents_daemon::store::{
    Amount, Arrival, AttemptEnd, Claim, DailyLimits, Ended, Left, More, NewDelivery, Reserve, Resumed, SaveJob,
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
    let resume = async |usd| ledger.store.resume(run, More { usd, tokens: None }, false).await.unwrap();
    let amount = Some(Amount::Usd);
    assert_eq!(resume(Some(0.5)).await, Resumed::TooLittle { amount, spent_usd: 0.5, spent_tokens: 10 });
    assert_eq!(resume(Some(2.0)).await, Resumed::Now);
    assert_eq!(resume(None).await, Resumed::NotPaused(RunState::Queued));
    assert_eq!(ledger.ready().await, [run]);
    let limits = DailyLimits { since: at(0), job_usd: Some(1.0), all_usd: None };
    let allowed = ledger.store.allowed(run, row.job_uid, limits).await.unwrap();
    let today = Some(Left { unspent_usd: 0.5, free_usd: 0.5 });
    assert_eq!((allowed.by_hand_usd, allowed.spent_usd, allowed.today), (Some(2.0), 0.5, today));
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
async fn a_run_that_stopped_by_itself_needs_a_larger_amount() {
    let ledger = Ledger::new();
    let stopped = async |id: &str, budget: &str| {
        let spec = format!(r#"{{"prompt":"x","budget":{budget}}}"#);
        let run = ledger.fire(ledger.save(SaveJob { spec, ..job(id) }).await).await;
        assert!(ledger.store.finish(paused(ledger.claim(run).await, used(100, 0.25))).await.unwrap());
        run
    };
    let too_little = |amount| Resumed::TooLittle { amount, spent_usd: 0.25, spent_tokens: 100 };
    let resume = async |run, usd, tokens| ledger.store.resume(run, More { usd, tokens }, false).await.unwrap();
    let tokens = stopped("tokens", r#"{"tokens":100}"#).await;
    assert_eq!(resume(tokens, Some(9.0), None).await, too_little(Some(Amount::Tokens)));
    assert_eq!(resume(tokens, None, Some(101)).await, Resumed::Now);
    let dollars = stopped("dollars", r#"{"run_usd":0.26}"#).await;
    assert_eq!(resume(dollars, None, None).await, too_little(None), "it would stop at once again");
    assert_eq!(
        ledger.store.resume(dollars, More::default(), true).await.unwrap(),
        Resumed::Now,
        "it may be another day"
    );
    let daily = stopped("daily", r#"{"run_usd":0.26,"daily_usd":0.25}"#).await;
    assert_eq!(resume(daily, None, None).await, Resumed::Now);
    ledger.close();
}

#[tokio::test]
async fn what_was_used_and_said_stays_with_a_run_whose_next_attempt_did_nothing() {
    let ledger = Ledger::new();
    let run = ledger.fire(ledger.job("a").await).await;
    assert!(ledger.store.finish(paused(ledger.claim(run).await, used(10, 0.5))).await.unwrap());
    ledger.store.resume(run, More::default(), false).await.unwrap();
    let end = AttemptEnd { output: String::new(), ..paused(ledger.claim(run).await, Vec::new()) };
    assert!(ledger.store.finish(end).await.unwrap());
    let row = ledger.run(run).await;
    assert_eq!((row.output_head.as_str(), row.usage.input_tokens, row.usage.cost_usd), ("said", Some(10), Some(0.5)));
    ledger.close();
}

#[tokio::test]
async fn budgets_count_what_was_set_aside_for_a_cost_that_nobody_knows() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    let run = ledger.fire(uid).await;
    let used = |charged| vec![ModelUsage { cost_usd: None, charged_usd: Some(charged), ..used(1, 0.0).remove(0) }];
    for charged in [0.75, 1.0] {
        assert!(ledger.store.finish(paused(ledger.claim(run).await, used(charged))).await.unwrap());
        ledger.store.resume(run, More::default(), false).await.unwrap();
    }
    let limits = DailyLimits { since: at(0), job_usd: Some(1.5), all_usd: None };
    let allowed = ledger.store.allowed(run, uid, limits).await.unwrap();
    assert_eq!((allowed.spent_usd, allowed.today.map(|left| left.unspent_usd)), (1.0, Some(0.5)));
    assert_eq!(ledger.run(run).await.usage.cost_usd, None);
    ledger.close();
}

#[tokio::test]
async fn runs_of_one_conversation_wait_for_the_one_that_is_paused() {
    let ledger = Ledger::new();
    for (id, more, waits) in [("a", r#","continue":true"#, true), ("b", r#","continue":"c1""#, true), ("c", "", false)]
    {
        let spec = format!(r#"{{"prompt":"x"{more}}}"#);
        let uid = ledger.save(SaveJob { spec, ..job(id) }).await;
        let (first, second) = (ledger.fire(uid).await, ledger.fire(uid).await);
        assert!(ledger.store.finish(paused(ledger.claim(first).await, used(10, 0.5))).await.unwrap());
        assert_eq!(ledger.ready().await.contains(&second), !waits, "{id}");
        ledger.store.resume(first, More::default(), false).await.unwrap();
        let ready = ledger.ready().await;
        assert!(ready.contains(&first) && !ready.contains(&second), "{id}");
    }
    ledger.close();
}

#[tokio::test]
async fn nonsense_that_an_agent_tells_of_itself_is_recorded_within_bounds() {
    let ledger = Ledger::new();
    let run = ledger.fire(ledger.job("a").await).await;
    for cost in [1e308, 1e308, f64::INFINITY] {
        let claim = ledger.claim(run).await;
        assert!(ledger.store.finish(paused(claim, used(u64::MAX, cost))).await.unwrap());
        let more = More { usd: Some(1e9), tokens: None };
        assert_eq!(ledger.store.resume(run, more, false).await.unwrap(), Resumed::Now);
    }
    let claim = ledger.claim(run).await;
    assert!(ledger.store.finish(paused(claim, used(1, -1e308))).await.unwrap());
    let rows = ledger.store.usage(None, at(0), Timestamp::MAX).await.unwrap();
    let all: f64 = rows.iter().filter_map(|row| row.usage.cost_usd).sum();
    assert!((0.0..=1e6).contains(&all), "{rows:?}");
    ledger.close();
}

#[tokio::test]
async fn what_is_set_aside_keeps_attempts_back_and_only_what_is_spent_keeps_fires_out() {
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
    assert_eq!(ledger.accept(fire((at(0), None))).await.disposition, Disposition::Run, "nothing is spent yet");
    ledger.store.put_off(second, at(3)).await.unwrap();
    assert!(!ledger.ready().await.contains(&second), "it is not asked for at once again");
    let end = AttemptEnd { models: used(1, 0.25), ..ended(claim(first), Ended::Finished(Vec::new())) };
    assert!(ledger.store.finish(end).await.unwrap());
    assert!(claim_second(0.6).await.unwrap());
    assert_eq!(ledger.accept(fire((at(0), None))).await.disposition, Disposition::Run);
    let skipped = ledger.accept(fire((at(0), Some(0.25)))).await;
    assert_eq!((skipped.disposition, skipped.reason.as_deref()), (Disposition::Skipped, Some("budget")));
    // What an earlier day has cost counts for nothing.
    assert_eq!(ledger.accept(fire((at(1000), Some(0.25)))).await.disposition, Disposition::Run);
    ledger.close();
}
