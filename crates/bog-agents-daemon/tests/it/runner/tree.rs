//! Process trees that do not want to end: all of them do.

use super::attempt::{Attempt, ended, outcome, until};
use bog_domain::run::Outcome;
use std::fs;

#[tokio::test]
async fn the_limit_ends_a_grandchild_that_ignores_term_in_a_session_of_its_own() {
    let escaped = "trap : TERM; echo > escaped; while :; do sleep 1; done";
    let script = format!(
        "trap '' TERM
         setsid sh -c 'trap \"\" TERM; (setsid env -i PATH=$PATH sh -c \"{escaped}\" $TAG &) ; while :; do sleep 1; done' &
         while :; do sleep 1; done"
    );
    for mut attempt in Attempt::both(|| Attempt::shell(&script)) {
        attempt.spec.wall_clock_ms = 3_000;
        attempt.spec.grace_ms = 200;
        let record = attempt.run().await;
        assert_eq!(record.outcome, Outcome::TimedOut);
        assert_eq!(
            record.error.as_deref(),
            Some("the limit of `3s` was reached; raise `limits.wall_clock` if the job needs longer")
        );
        assert!(attempt.path("escaped").exists(), "the grandchild without a mark ran");
        assert_eq!(attempt.processes(), Vec::<i32>::new());
    }
}

#[tokio::test]
async fn a_background_grandchild_that_holds_stdout_does_not_hang_the_run() {
    for mut attempt in Attempt::both(|| Attempt::shell("echo said; setsid sleep 1000 & exit 0")) {
        // It ends by TERM: KILL would come too late for this test.
        attempt.spec.grace_ms = 3_600_000;
        let record = attempt.run().await;
        assert_eq!((record.outcome, record.output.as_str()), (Outcome::Succeeded, "said\n"));
        assert_eq!(attempt.processes(), Vec::<i32>::new());
    }
}

#[tokio::test]
async fn a_tree_that_runs_away_is_caught() {
    // Thirty lines of processes, each alive for some milliseconds only: who kills what it has seen kills nothing.
    let script = "import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
end = time.time() + 60
for _ in range(30):
    if os.fork() == 0:
        os.setsid()
        while time.time() < end:
            if os.fork():
                os._exit(0)
            time.sleep(0.02)
time.sleep(60)";
    for mut attempt in Attempt::both(|| Attempt::new(&["python3", "-c", script])) {
        attempt.spec.wall_clock_ms = 1_500;
        attempt.spec.grace_ms = 50;
        assert_eq!(attempt.run().await.outcome, Outcome::TimedOut);
        assert_eq!(attempt.processes(), Vec::<i32>::new());
    }
}

#[tokio::test]
async fn a_fork_bomb_ends_at_once() {
    // A token for each process keeps it at sixty; they come and go all the time, each in a session of its own.
    let script = "import os, random, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
tokens, returned = os.pipe()
os.set_blocking(tokens, False)
os.write(returned, b'.' * 60)
first = os.getpid()
while True:
    try:
        if os.read(tokens, 1) and os.fork() == 0:
            os.setsid()
    except BlockingIOError:
        if os.getpid() != first and random.random() < 0.1:
            os.write(returned, b'.')
            os._exit(0)
    time.sleep(0.02)";
    for mut attempt in Attempt::both(|| Attempt::new(&["python3", "-c", script])) {
        attempt.spec.grace_ms = 50;
        let runner = attempt.spawn();
        until("there are many", || attempt.processes().len() > 40).await;
        runner.control().cancel("a bomb").await.expect("cancelled");
        assert_eq!(outcome(ended(runner).await).outcome, Outcome::Cancelled);
        assert_eq!(attempt.processes(), Vec::<i32>::new());
    }
}

#[tokio::test]
async fn a_hundred_quick_runs_leave_nothing() {
    for _ in 0..10 {
        let ten = (0..5).flat_map(|_| Attempt::both(|| Attempt::shell("(sleep 1000 &) ; exit 0"))).collect::<Vec<_>>();
        let records = futures::future::join_all(ten.iter().map(Attempt::run)).await;
        for (attempt, record) in ten.iter().zip(records) {
            assert_eq!(record.outcome, Outcome::Succeeded, "{record:?}");
            assert_eq!(attempt.processes(), Vec::<i32>::new());
            assert!(!attempt.spec.socket.exists());
            let mounts = fs::read_to_string("/proc/self/mountinfo").expect("readable");
            assert!(!mounts.contains(attempt.path("").to_str().expect("text")), "{mounts}");
        }
    }
}
