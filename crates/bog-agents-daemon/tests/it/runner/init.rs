//! The first process of an attempt's own process table: what it gives the agent, and what the agent cannot do to it.

use super::attempt::{Attempt, ended, until};
use bog_agents_daemon::runner::handle::Ended;
use bog_domain::run::Outcome;
use nix::sys::signal::{Signal, kill};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

#[tokio::test]
async fn the_agent_leads_a_session_of_its_own_below_the_first_process() {
    let script = "import os; print(os.getppid() == 1, os.getsid(0) == os.getpid() == os.getpgrp() != 1, os.getsid(1))";
    let attempt = Attempt::new(&["python3", "-c", script]).confined();
    assert_eq!(attempt.run().await.output, "True True 1\n");
}

#[tokio::test]
async fn the_agent_cannot_end_stop_or_mislead_its_init() {
    // Its signals are not obeyed, and the pipe on which it tells the runner cannot be reached.
    let script = "for signal in TERM USR1 INT HUP STOP KILL SEGV; do kill -s $signal 1; done
        cat /proc/1/environ 2> /dev/null && echo looked in
        grep -q 'hid''den' /proc/1/cmdline && echo knows too much
        for fd in $(seq 0 40); do { echo '{\"ended\":{\"exit\":{\"code\":0},\"left\":false}}' > /proc/1/fd/$fd; } 2> /dev/null && echo wrote $fd; done
        echo still here; exit 3";
    let attempt = Attempt::shell(script).confined();
    let record = attempt.run().await;
    assert_eq!((record.outcome, record.exit_code), (Outcome::Failed, Some(3)), "{record:?}");
    assert_eq!(record.output, "still here\n");
}

#[tokio::test]
async fn orphans_are_reaped_while_the_agent_runs() {
    let script = "for i in $(seq 50); do (true &); done
        until ! grep -h '^State:.Z' /proc/[0-9]*/status 2> /dev/null; do sleep 0.01; done; echo none";
    assert_eq!(Attempt::shell(script).confined().run().await.output.lines().last(), Some("none"));
}

#[tokio::test]
async fn a_script_without_a_first_line_runs_as_it_does_on_the_host() {
    for mut attempt in Attempt::both(|| Attempt::new(&["plain", "a b", "c"])) {
        let folder = attempt.path("bin");
        fs::create_dir(&folder).expect("created");
        fs::write(folder.join("plain"), "echo \"$# $1\"").expect("written");
        fs::set_permissions(folder.join("plain"), Permissions::from_mode(0o700)).expect("executable");
        attempt.env[0].1.push(":bin");
        assert_eq!(attempt.run().await.output, "2 a b\n");
    }
}

#[tokio::test]
async fn the_death_of_the_runner_is_the_end_of_whatever_it_had_started() {
    // It has nothing left by which anybody could find it: no mark, no parent, no session, nothing open.
    let escaped = "trap '' TERM HUP; echo > escaped; while :; do sleep 1; done";
    let script = format!(
        "setsid env -i PATH=$PATH sh -c '(setsid sh -c \"{escaped}\" $0 < /dev/null > /dev/null 2>&1 &)' $TAG
         until [ -e escaped ]; do sleep 0.01; done; exec env -i sleep 1000"
    );
    let attempt = Attempt::shell(&script).confined();
    let runner = attempt.spawn();
    until("it has escaped", || attempt.path("escaped").exists()).await;
    kill(attempt.runner_pid().await, Signal::SIGKILL).expect("killed");
    assert!(matches!(ended(runner).await, Ended::Lost { .. }));
    until("nothing of it is left", || attempt.processes().is_empty()).await;
}

#[tokio::test]
async fn a_sandbox_may_have_more_paths_than_an_argument_has_room_for() {
    let mut attempt = Attempt::new(&["true"]).confined();
    let others = (0..4_000).map(|number| attempt.path(&format!("the-folder-of-another-job-{number}")));
    attempt.spec.sandbox.hidden = others.collect();
    assert_eq!(attempt.run().await.error, None);
}
