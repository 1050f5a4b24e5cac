//! What becomes of an attempt whose runner, or whose daemon, died.

use super::attempt::{Attempt, ended, outcome, until};
use bog_agents_daemon::runner::handle::{self as runner, Ended, Found};
use bog_domain::run::Outcome;
use nix::sys::signal::{Signal, kill};
use std::fs::{self, OpenOptions};
use std::time::Duration;

#[tokio::test]
async fn a_killed_runner_takes_its_agent_along_and_the_rest_is_swept() {
    for attempt in Attempt::both(|| Attempt::shell("setsid sh -c 'echo ready > ready; sleep 1000' & sleep 1000")) {
        let runner = attempt.spawn();
        until("the grandchild is up", || attempt.path("ready").exists()).await;
        kill(attempt.runner_pid().await, Signal::SIGKILL).expect("killed");
        let Ended::Lost { reason, .. } = ended(runner).await else { panic!("lost was expected") };
        assert!(reason.starts_with("its runner died after it started the attempt"), "{reason}");
        assert_eq!(attempt.processes(), Vec::<i32>::new());
        let again = runner::inspect(&attempt.dir).await.expect("judged");
        assert!(matches!(again, Found::Lost { .. }), "{again:?}");
        assert!(!attempt.spec.socket.exists(), "the dead runner's socket is gone");
    }
}

#[tokio::test]
async fn a_runner_killed_at_any_moment_leaves_nothing() {
    // From its first steps over the building of the sandbox to the agent at work.
    for round in 0..30 {
        for attempt in Attempt::both(|| Attempt::shell("setsid sleep 1000 & sleep 1000")) {
            let runner = attempt.spawn();
            let pid = attempt.runner_pid().await;
            tokio::time::sleep(Duration::from_millis(round)).await;
            kill(pid, Signal::SIGKILL).expect("killed");
            let ended = ended(runner).await;
            assert!(matches!(ended, Ended::Lost { .. } | Ended::NeverBegan), "{ended:?}");
            until("nothing of it is left", || attempt.processes().is_empty()).await;
        }
    }
}

#[tokio::test]
async fn a_live_runner_is_adopted_with_and_without_its_socket() {
    for with_socket in [true, false] {
        for attempt in
            Attempt::both(|| Attempt::shell("echo ready > ready; until [ -e go ]; do sleep 0.02; done; echo went"))
        {
            drop(attempt.spawn());
            until("the agent is up", || attempt.path("ready").exists()).await;
            if !with_socket {
                fs::remove_file(&attempt.spec.socket).expect("removed");
            }
            let Found::Live(adopted) = runner::inspect(&attempt.dir).await.expect("judged") else {
                panic!("live was expected")
            };
            let release = async { fs::write(attempt.path("go"), "").expect("written") };
            let (ended, ()) = tokio::join!(ended(*adopted), release);
            assert_eq!(outcome(ended).output, "went\n", "with socket: {with_socket}");
        }
    }
}

#[tokio::test]
async fn a_voided_attempt_never_begins() {
    let attempt = Attempt::shell("echo ran > ran");
    attempt.prepare();
    assert!(matches!(runner::inspect(&attempt.dir).await, Ok(Found::NeverBegan)));
    assert!(matches!(ended(attempt.spawn_prepared()).await, Ended::NeverBegan));
    assert!(matches!(runner::inspect(&attempt.dir).await, Ok(Found::NeverBegan)));
    assert!(!attempt.path("ran").exists());
}

#[tokio::test]
async fn recovery_racing_a_late_runner_gives_one_answer() {
    for round in 0..20 {
        let attempt = Attempt::shell("echo ran > ran");
        let runner = attempt.spawn();
        tokio::time::sleep(Duration::from_micros(round * 300)).await;
        let found = runner::inspect(&attempt.dir).await.expect("judged");
        let own = ended(runner).await;
        let ran = attempt.path("ran").exists();
        let agree = match (&found, &own) {
            (Found::NeverBegan, Ended::NeverBegan) => !ran,
            (Found::Live(_) | Found::Ended(_), Ended::Outcome(_)) => ran,
            (Found::NeverBegan | Found::Live(_) | Found::Ended(_) | Found::Lost { .. }, _) => false,
        };
        assert!(agree, "round {round}: ran: {ran}, found {found:?}, own {own:?}");
    }
}

#[tokio::test]
async fn a_second_runner_leaves_the_first_alone() {
    for attempt in Attempt::both(|| Attempt::shell("echo x >> count; until [ -e go ]; do sleep 0.02; done")) {
        let first = attempt.spawn();
        until("the agent is up", || attempt.path("count").exists()).await;
        let second = attempt.spawn_prepared();
        // It waits for the first as it would for an adopted one.
        fs::write(attempt.path("go"), "").expect("written");
        assert_eq!(outcome(ended(first).await).outcome, Outcome::Succeeded);
        assert_eq!(outcome(ended(second).await).outcome, Outcome::Succeeded);
        assert_eq!(fs::read_to_string(attempt.path("count")).expect("the agent ran"), "x\n");
    }
}

#[tokio::test]
async fn a_runner_killed_before_its_verdict_never_began() {
    let attempt = Attempt::new(&["true"]);
    attempt.prepare();
    // As a runner leaves it that dies between its lock and its verdict.
    OpenOptions::new().write(true).create(true).truncate(true).open(attempt.dir.join("lock")).expect("a lock");
    assert!(!attempt.lock_is_held());
    assert!(matches!(runner::inspect(&attempt.dir).await, Ok(Found::NeverBegan)));
}

#[tokio::test]
async fn an_attempt_without_a_description_is_still_judged() {
    for attempt in Attempt::both(|| Attempt::shell("setsid sleep 1000 & echo ready > ready; sleep 1000")) {
        let runner = attempt.spawn();
        until("the agent is up", || attempt.path("ready").exists()).await;
        fs::remove_file(attempt.dir.join("attempt.json")).expect("removed");
        kill(attempt.runner_pid().await, Signal::SIGKILL).expect("killed");
        assert!(matches!(ended(runner).await, Ended::Lost { .. }));
        assert_eq!(attempt.processes(), Vec::<i32>::new(), "the run's id is known from the folder's name");
    }
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn a_runner_killed_at_any_point_is_judged_rightly() {
    for (point, ran, expected) in [
        ("runner.locked", false, "never began"),
        ("runner.started", false, "lost"),
        ("runner.before_outcome", true, "lost"),
        ("runner.after_outcome", true, "succeeded"),
    ] {
        for mut attempt in Attempt::both(|| Attempt::shell("echo ran > ran; env | grep FAILPOINTS; true")) {
            attempt.env.push(("BOG_FAILPOINTS".into(), format!("{point}=kill").into()));
            let found = match ended(attempt.spawn()).await {
                Ended::Outcome(record) if record.output.is_empty() => "succeeded",
                Ended::Outcome(_) => "the agent saw the failpoints",
                Ended::NeverBegan => "never began",
                Ended::Lost { .. } => "lost",
            };
            assert_eq!((found, attempt.path("ran").exists()), (expected, ran), "{point}");
        }
    }
}
