//! What an attempt consumed is told right, however it ended.

use super::attempt::{Attempt, ended, outcome, until};
use bog_domain::run::Outcome;

const MIB: u64 = 1024 * 1024;

/// Uses 64 MiB and 0.3 s of processor time in a process of its own that ignores TERM; then does `after`.
fn hungry(after: &str) -> String {
    format!(
        "import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    held = bytearray(os.urandom(1024)) * (64 * 1024)
    while time.process_time() < 0.3:
        pass
    open('ready', 'w').close()
    {after}
    os._exit(0)
os.wait()"
    )
}

#[tokio::test]
async fn usage_is_that_of_the_whole_tree() {
    let script = hungry("pass");
    for attempt in Attempt::both(|| Attempt::new(&["python3", "-c", &script])) {
        let record = attempt.run().await;
        assert_eq!(record.outcome, Outcome::Succeeded);
        assert!(record.usage.cpu_seconds > Some(0.3), "{:?}", record.usage);
        assert!(record.usage.peak_memory_bytes > Some(64 * MIB), "{:?}", record.usage);
        assert!(record.usage.peak_memory_bytes < Some(1024 * MIB), "{:?}", record.usage);
    }
}

#[tokio::test]
async fn usage_of_what_had_to_be_killed_counts() {
    let script = hungry("time.sleep(1000)");
    for mut attempt in Attempt::both(|| Attempt::new(&["python3", "-c", &script])) {
        attempt.spec.grace_ms = 50;
        let runner = attempt.spawn();
        until("it has used what it is to use", || attempt.path("ready").exists()).await;
        runner.control().cancel("enough").await.expect("cancelled");
        let record = outcome(ended(runner).await);
        assert_eq!((record.outcome, record.signal), (Outcome::Cancelled, Some(9)));
        assert!(record.usage.cpu_seconds > Some(0.3), "{:?}", record.usage);
        assert!(record.usage.peak_memory_bytes > Some(64 * MIB), "{:?}", record.usage);
    }
}
