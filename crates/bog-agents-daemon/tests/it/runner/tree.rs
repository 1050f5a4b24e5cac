//! Process trees that do not want to end: all of them do.

use super::attempt::Attempt;
use bog_domain::run::Outcome;
use std::fs::{self};
use std::path::Path;
use std::time::{Duration, Instant};

#[tokio::test]
async fn the_limit_ends_a_grandchild_that_ignores_term_in_a_session_of_its_own() {
    let mut attempt = Attempt::shell(
        "trap '' TERM; setsid sh -c 'trap \"\" TERM; (setsid env -u BOG_RUN_ID sh -c \"trap : TERM; echo \\$\\$ > pid; while :; do sleep 1; done\" &) ; while :; do sleep 1; done' &
         while :; do sleep 1; done",
    );
    attempt.spec.wall_clock_ms = 1_500;
    attempt.spec.grace_ms = 200;
    let record = attempt.run().await;
    assert_eq!(record.outcome, Outcome::TimedOut);
    assert_eq!(
        record.error.as_deref(),
        Some("the limit of `1.5s` was reached; raise `limits.wall_clock` if the job needs longer")
    );
    assert_eq!(attempt.processes(), Vec::<i32>::new(), "nothing with the mark is left");
    let pid = fs::read_to_string(attempt.path("pid")).expect("the unmarked grandchild ran");
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "nor without it");
}

#[tokio::test]
async fn a_background_grandchild_that_holds_stdout_does_not_hang_the_run() {
    let begun = Instant::now();
    let record = Attempt::shell("echo said; setsid sleep 1000 & exit 0").run().await;
    assert_eq!((record.outcome, record.output.as_str()), (Outcome::Succeeded, "said\n"));
    assert!(begun.elapsed() < Duration::from_secs(4), "it took {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_tree_that_runs_away_is_caught() {
    // Thirty lines of processes, each alive for some milliseconds only: who kills what it has seen kills nothing.
    let mut attempt = Attempt::new(&[
        "python3",
        "-c",
        "import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
end = time.time() + 60
for _ in range(30):
    if os.fork() == 0:
        os.setsid()
        while time.time() < end:
            if os.fork():
                os._exit(0)
            time.sleep(0.02)
time.sleep(60)",
    ]);
    attempt.spec.wall_clock_ms = 1_500;
    attempt.spec.grace_ms = 50;
    assert_eq!(attempt.run().await.outcome, Outcome::TimedOut);
    assert_eq!(attempt.processes(), Vec::<i32>::new());
}
