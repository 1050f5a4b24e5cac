//! Attempts whose agent cannot be started, and what is said about it.

use super::attempt::{Attempt, ended, outcome, program};
use bog_agents_daemon::runner::handle::{self as runner, Found, OutcomeRecord};
use bog_domain::run::Outcome;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[tokio::test]
async fn a_start_that_fails_is_told_apart_and_says_what_to_do() {
    let error = |record: OutcomeRecord| {
        assert_eq!((record.outcome, record.exit_code), (Outcome::StartFailed, None));
        record.error.expect("an error")
    };
    for attempt in Attempt::both(|| Attempt::new(&["no-such-agent", "x"])) {
        let expected =
            "the program `no-such-agent` is not on the `PATH`; install it or give its full path in `command`";
        assert_eq!(error(attempt.run().await), expected);
    }
    for attempt in Attempt::both(|| Attempt::new(&["./no-such-agent"])) {
        let expected = "the program `./no-such-agent` does not exist; correct the path in `command` or install it";
        assert_eq!(error(attempt.run().await), expected);
    }
    for attempt in Attempt::both(|| Attempt::new(&["./plain"])) {
        fs::write(attempt.path("plain"), "no program").expect("written");
        let found = error(attempt.run().await);
        assert!(found.contains("`./plain` may not be executed"), "{found}");
    }
    for attempt in Attempt::both(|| Attempt::new(&["./script"])) {
        write_program(&attempt.path("script"), "#!/no/such/interpreter\n");
        let found = error(attempt.run().await);
        assert!(found.contains("the interpreter in its first line is missing"), "{found}");
    }
    for mut attempt in Attempt::both(|| Attempt::new(&["true"])) {
        attempt.spec.working_dir = attempt.path("nowhere");
        let found = error(attempt.run().await);
        assert!(found.starts_with("the working folder `") && found.contains("does not exist"), "{found}");
    }
    // The agent's own 127 is not ours.
    for attempt in Attempt::both(|| Attempt::shell("exit 127")) {
        assert_eq!(attempt.run().await.outcome, Outcome::Failed);
    }
}

#[tokio::test]
async fn what_is_there_but_not_in_the_sandbox_is_named_with_the_folder_to_grant() {
    let tools = tempfile::tempdir().expect("a folder");
    let folder = tools.path().canonicalize().expect("a path").display().to_string();
    write_program(&tools.path().join("tool"), "#!/bin/sh\necho used");
    fs::copy("/bin/sh", tools.path().join("shell")).expect("copied");
    let with_tools = |command: &str| {
        let mut attempt = Attempt::new(&[command]);
        attempt.env[0].1.push(format!(":{folder}"));
        write_program(&attempt.path("script"), &format!("#!{folder}/shell\necho used"));
        attempt
    };
    for (command, what) in [
        ("tool", format!("the program `tool` is `{folder}/tool`")),
        ("./script", format!("the interpreter in the first line of `./script` is `{folder}/shell`")),
    ] {
        assert_eq!(with_tools(command).run().await.output, "used\n");
        let mut attempt = with_tools(command).confined();
        let record = attempt.run().await;
        let expected = format!("{what}, which the sandbox does not show; add `{folder}` to `sandbox.read`");
        assert_eq!((record.outcome, record.error), (Outcome::StartFailed, Some(expected)));

        attempt = with_tools(command).confined();
        attempt.spec.sandbox.read.push(folder.clone().into());
        assert_eq!(attempt.run().await.output, "used\n");
    }
}

fn write_program(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, Permissions::from_mode(0o755)).expect("executable");
}

#[tokio::test]
async fn damaged_and_newer_descriptions_fail_the_start() {
    for (text, expected) in [("{", "is damaged"), (r#"{"version":99}"#, "has version 99, this binary reads up to 3")] {
        let attempt = Attempt::new(&["true"]);
        attempt.prepare();
        fs::write(attempt.dir.join("attempt.json"), text).expect("written");
        let record = outcome(ended(attempt.spawn_prepared()).await);
        let error = record.error.expect("an error");
        assert_eq!(record.outcome, Outcome::StartFailed);
        assert!(error.contains(expected), "{error}");
    }
}

/// Runs a script beside a prepared attempt's copy on a file system of 256 KiB, in a name space of its own; `$D` is
/// the attempt's folder there, `$BOG` the binary, `$OUT` a folder outside.
fn on_a_tiny_disk(attempt: &Attempt, script: &str) -> String {
    attempt.prepare();
    let mount = attempt.path("tiny");
    fs::create_dir(&mount).expect("created");
    let script = format!("set -e; mount -t tmpfs -o size=256k tmpfs $MNT; mkdir $D; cp $FROM/* $D; {script}");
    let output = std::process::Command::new("unshare")
        .args(["-Urm", "sh", "-c", &script])
        .env("MNT", &mount)
        .env("D", mount.join("1"))
        .env("FROM", &attempt.dir)
        .env("OUT", &attempt.dir)
        .env("BOG", program())
        .output()
        .expect("unshare");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test]
async fn without_room_for_an_outcome_the_agent_does_not_start() {
    let mut attempt = Attempt::new(&["touch", "ran"]);
    attempt.spec.output_bytes = 1024 * 1024;
    let said = on_a_tiny_disk(&attempt, "$BOG runner $D || echo code $?; cp $D/verdict $D/lock $OUT; cat $D/verdict");
    assert_eq!(said, "code 75\nnospace");
    assert!(!attempt.path("ran").exists());
    let Found::Ended(record) = runner::inspect(&attempt.dir).await.expect("judged") else {
        panic!("ended was expected")
    };
    assert_eq!(record.outcome, Outcome::StartFailed);
    assert!(record.error.expect("an error").starts_with("the disk is full: "));
}

#[tokio::test]
async fn a_disk_that_fills_up_during_the_run_takes_no_outcome() {
    let mut attempt = Attempt::shell("cat /dev/zero > $FILL; df --output=avail $FILL | tail -1 > left; seq 5000");
    attempt.spec.output_bytes = 64 * 1024;
    let script = "FILL=$MNT/fill $BOG runner $D; cp $D/outcome.json $OUT";
    on_a_tiny_disk(&attempt, script);
    let left = fs::read_to_string(attempt.path("left")).expect("the agent ran");
    assert_eq!(left.trim(), "0", "the disk was full");
    let record = runner::read_outcome(&attempt.dir).expect("readable").expect("an outcome");
    assert_eq!(record.outcome, Outcome::Succeeded);
    assert!(record.output.ends_with("\n4999\n5000\n"));
}
