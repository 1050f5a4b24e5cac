//! Attempts whose agent cannot be started, and what is said about it.

use super::attempt::{Attempt, ended, outcome};
use bog_agents_daemon::runner::handle::{self as runner, Found, OutcomeRecord};
use bog_domain::run::Outcome;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

#[tokio::test]
async fn a_start_that_fails_is_told_apart_and_says_what_to_do() {
    let error = |record: OutcomeRecord| {
        assert_eq!((record.outcome, record.exit_code), (Outcome::StartFailed, None));
        record.error.expect("an error")
    };
    let found = error(Attempt::new(&["no-such-agent", "x"]).run().await);
    assert_eq!(
        found,
        "the program `no-such-agent` is not on the `PATH`; install it or give its full path in `command`"
    );
    let attempt = Attempt::new(&["./plain"]);
    fs::write(attempt.path("plain"), "no program").expect("written");
    let found = error(attempt.run().await);
    assert!(found.contains("`./plain` may not be executed"), "{found}");
    let attempt = Attempt::new(&["./script"]);
    fs::write(attempt.path("script"), "#!/no/such/interpreter\n").expect("written");
    fs::set_permissions(attempt.path("script"), Permissions::from_mode(0o700)).expect("executable");
    let found = error(attempt.run().await);
    assert!(found.contains("the interpreter in its first line is missing"), "{found}");
    let mut attempt = Attempt::new(&["true"]);
    attempt.spec.working_dir = attempt.path("nowhere");
    let found = error(attempt.run().await);
    assert!(found.starts_with("the working folder `") && found.contains("does not exist"), "{found}");
    // The agent's own 127 is not ours.
    assert_eq!(Attempt::shell("exit 127").run().await.outcome, Outcome::Failed);
}

#[tokio::test]
async fn damaged_and_newer_descriptions_fail_the_start() {
    for (text, expected) in [("{", "is damaged"), (r#"{"version":99}"#, "has version 99, this binary reads up to 2")] {
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
        .env("BOG", env!("CARGO_BIN_EXE_bog-agents-daemon"))
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
