//! What an attempt costs; printed, never judged.

use super::attempt::{Attempt, ended, outcome};
use bog_domain::run::Outcome;
use std::time::Instant;

#[tokio::test]
async fn startup_cost() {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..20 {
        for (attempt, times) in Attempt::both(|| Attempt::new(&["true"])).into_iter().zip(&mut times) {
            attempt.prepare();
            let begun = Instant::now();
            assert_eq!(outcome(ended(attempt.spawn_prepared()).await).outcome, Outcome::Succeeded);
            times.push(begun.elapsed());
        }
    }
    for (place, mut times) in ["on the host", "in a sandbox"].into_iter().zip(times) {
        times.sort_unstable();
        let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
        println!("spawn to outcome of `true` {place}: p50 {median:?}, slowest {slowest:?}");
    }
}
