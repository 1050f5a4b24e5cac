//! What an attempt costs; printed, never judged.

use super::attempt::{Attempt, ended, outcome};
use bog_domain::run::Outcome;
use std::time::Instant;

#[tokio::test]
async fn startup_cost() {
    let mut times = Vec::new();
    for _ in 0..20 {
        let attempt = Attempt::new(&["true"]);
        attempt.prepare();
        let begun = Instant::now();
        assert_eq!(outcome(ended(attempt.spawn_prepared()).await).outcome, Outcome::Succeeded);
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    println!("spawn to outcome of `true`: p50 {:?}, slowest {:?}", times[times.len() / 2], times[times.len() - 1]);
}
