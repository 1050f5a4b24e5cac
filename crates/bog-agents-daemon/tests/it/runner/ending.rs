//! How an agent's end, by itself or from outside, is told: the same on the host and in a sandbox.

use super::attempt::{Attempt, ended, outcome, until};
use bog_agents_daemon::clock;
use bog_agents_daemon::runner::handle::{self as runner, Ended, Found};
use bog_domain::run::Outcome;
use nix::sys::signal::{Signal, kill};
use std::fs;

#[tokio::test]
async fn failure_tells_exit_code_or_signal_and_the_end_of_stderr() {
    for attempt in Attempt::both(|| Attempt::shell("seq 2000 >&2; echo the end >&2; exit 7")) {
        let record = attempt.run().await;
        let error = record.error.expect("an error");
        assert_eq!((record.outcome, record.exit_code), (Outcome::Failed, Some(7)));
        assert!(error.starts_with("exit code 7: ") && error.ends_with("2000\nthe end"), "{error}");
        assert!(error.len() <= 4096, "{error}");
    }
    for attempt in Attempt::both(|| Attempt::shell("kill -SEGV $$")) {
        let record = attempt.run().await;
        assert_eq!((record.outcome, record.exit_code, record.signal), (Outcome::Failed, None, Some(11)));
        assert_eq!(record.error.as_deref(), Some("ended by SIGSEGV"));
    }
}

#[tokio::test]
async fn every_exit_code_is_told_as_it_is() {
    for code in [0, 1, 2, 126, 127, 128, 143, 255] {
        for attempt in Attempt::both(|| Attempt::shell(&format!("exit {code}"))) {
            let record = attempt.run().await;
            let outcome = if code == 0 { Outcome::Succeeded } else { Outcome::Failed };
            assert_eq!((record.outcome, record.exit_code, record.signal), (outcome, Some(code), None));
        }
    }
}

#[tokio::test]
async fn cancel_ends_the_agent_and_gives_the_reason() {
    for attempt in Attempt::both(|| Attempt::shell("echo ready > ready; sleep 1000")) {
        let runner = attempt.spawn();
        until("the agent is up", || attempt.path("ready").exists()).await;
        runner.control().cancel("replaced by a newer run").await.expect("cancelled");
        let record = outcome(ended(runner).await);
        assert_eq!((record.outcome, record.signal), (Outcome::Cancelled, Some(15)));
        assert_eq!(record.error.as_deref(), Some("replaced by a newer run"));
        runner::cancel(&attempt.spec.socket, "again").await.expect_err("nobody listens any more");
    }
}

#[tokio::test]
async fn cancel_reaches_an_agent_that_is_only_just_being_started() {
    // Whatever the launch stage is doing then: the agent, which would never end, ends by TERM or does not begin.
    for attempt in (0..10).flat_map(|_| Attempt::both(|| Attempt::shell("while :; do sleep 1; done"))) {
        let runner = attempt.spawn();
        runner.control().cancel("at once").await.expect("cancelled");
        let record = outcome(ended(runner).await);
        assert_eq!((record.outcome, record.signal), (Outcome::Cancelled, Some(15)));
    }
}

#[tokio::test]
async fn a_signal_to_the_runner_interrupts_and_a_passed_lease_too() {
    for attempt in Attempt::both(|| Attempt::shell("echo ready > ready; sleep 1000")) {
        let runner = attempt.spawn();
        until("the agent is up", || attempt.path("ready").exists()).await;
        kill(attempt.runner_pid().await, Signal::SIGTERM).expect("signalled");
        let record = outcome(ended(runner).await);
        assert_eq!(record.outcome, Outcome::Interrupted);
        assert_eq!(record.error.as_deref(), Some("the runner was ended by SIGTERM"));
    }
    for mut attempt in Attempt::both(|| Attempt::shell("sleep 1000")) {
        attempt.spec.lease_until = Some(clock::now());
        assert_eq!(attempt.run().await.outcome, Outcome::Interrupted);
    }
}

#[tokio::test]
async fn a_lost_folder_ends_the_tree() {
    for attempt in Attempt::both(|| Attempt::shell("setsid sleep 1000 & echo ready > ready; sleep 1000")) {
        let runner = attempt.spawn();
        until("the agent is up", || attempt.path("ready").exists()).await;
        fs::remove_dir_all(attempt.path("runs")).expect("removed");
        until("the runner noticed by itself", || attempt.processes().is_empty()).await;
        let Ended::Lost { reason, .. } = ended(runner).await else { panic!("lost was expected") };
        assert_eq!(reason, "folder missing");
        let again = runner::inspect(&attempt.dir).await.expect("judged");
        assert!(matches!(&again, Found::Lost { reason, .. } if reason == "folder missing"), "{again:?}");
    }
}

#[tokio::test]
async fn a_moved_folder_keeps_the_reason() {
    for attempt in Attempt::both(|| Attempt::shell("echo ready > ready; sleep 1000")) {
        let runner = attempt.spawn();
        until("the agent is up", || attempt.path("ready").exists()).await;
        let moved = attempt.path("moved");
        fs::rename(&attempt.dir, &moved).expect("moved");
        until("the runner noticed by itself", || attempt.processes().is_empty()).await;
        assert!(matches!(ended(runner).await, Ended::Lost { .. }));
        let Found::Ended(record) = runner::inspect(&moved).await.expect("judged") else { panic!("ended was expected") };
        assert_eq!((record.outcome, record.error.as_deref()), (Outcome::Interrupted, Some("folder missing")));
    }
}

#[tokio::test]
async fn a_signal_without_a_name_is_told_by_its_number_and_hides_nothing() {
    // The first real-time signal: a child that ends by it must not make the rest of the tree look gone.
    let script = "sh -c 'kill -34 $$' 2> /dev/null; echo it was $?; kill -34 $$";
    for attempt in Attempt::both(|| Attempt::shell(script)) {
        let record = attempt.run().await;
        assert_eq!((record.outcome, record.exit_code, record.signal), (Outcome::Failed, None, Some(34)));
        assert_eq!(record.error.as_deref(), Some("ended by signal 34"));
        assert_eq!(record.output, "it was 162\n");
        assert_eq!(attempt.processes(), Vec::<i32>::new());
    }
}

#[tokio::test]
async fn an_orphan_that_ends_by_a_nameless_signal_does_not_end_the_watch() {
    // The orphan is the child of the runner, or of the init.
    let script = "(sh -c 'echo $$ > pid; kill -34 $$' &); until [ -s pid ]; do sleep 0.01; done
        while kill -0 $(cat pid) 2> /dev/null; do sleep 0.01; done; echo went on";
    for attempt in Attempt::both(|| Attempt::shell(script)) {
        let record = attempt.run().await;
        assert_eq!((record.outcome, record.output.as_str()), (Outcome::Succeeded, "went on\n"));
    }
}
