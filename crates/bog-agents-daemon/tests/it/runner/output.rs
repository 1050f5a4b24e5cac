//! What an agent says and is told: standard streams, environment, descriptors.

use super::attempt::Attempt;
use bog_agents_daemon::runner::handle::{self as runner, Found, OutcomeRecord};
use bog_domain::event::EventKind;
use bog_domain::run::Outcome;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

#[tokio::test]
async fn success_leaves_output_usage_and_private_files() {
    let script = "echo hello; echo aside >&2; echo $BOG_JOB_ID $BOG_ATTEMPT; cat $BOG_EVENT_FILE";
    for attempt in Attempt::both(|| Attempt::shell(script)) {
        let record = attempt.run().await;
        assert_eq!((record.outcome, record.exit_code, record.error), (Outcome::Succeeded, Some(0), None));
        assert_eq!(record.output, "hello\nbrief 1\n{\"kind\":\"manual\"}");
        assert!(record.started_at <= record.finished_at && record.usage.peak_memory_bytes > Some(100_000));
        assert_eq!(attempt.said(EventKind::Stdout), record.output);
        assert_eq!(attempt.said(EventKind::Stderr), "aside\n");
        for file in ["attempt.json", "event.json", "lock", "verdict", "events.jsonl", "outcome.json"] {
            let mode = fs::metadata(attempt.dir.join(file)).expect(file).permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
        assert_eq!(fs::metadata(&attempt.dir).expect("the folder").permissions().mode() & 0o777, 0o700);
        assert!(!attempt.spec.socket.exists(), "the socket is gone");
        assert!(
            matches!(runner::inspect(&attempt.dir).await, Ok(Found::Ended(again)) if again.output == record.output)
        );
    }
}

#[tokio::test]
async fn the_environment_is_what_was_given_and_nothing_else() {
    let names = |record: OutcomeRecord| {
        let mut names: Vec<String> =
            record.output.lines().filter_map(|line| Some(line.split_once('=')?.0.to_owned())).collect();
        names.sort();
        names
    };
    let mut expected = vec![
        "BOG_ATTEMPT",
        "BOG_EVENT_FILE",
        "BOG_INSTANCE",
        "BOG_JOB_ID",
        "BOG_RUN_ID",
        "PATH",
        "TAG",
        "XDG_RUNTIME_DIR",
    ];
    let [mut host, mut confined] = Attempt::both(|| Attempt::new(&["env"]));
    for attempt in [&mut host, &mut confined] {
        attempt.env.push(("XDG_RUNTIME_DIR".into(), "/run/user/0".into()));
    }
    assert_eq!(names(host.run().await), expected);
    // The user's session is not for agents; the place for temporary files is another.
    expected.splice(7.., ["TMPDIR"]);
    expected.sort_unstable();
    assert_eq!(names(confined.run().await), expected);
}

#[tokio::test]
async fn output_is_capped_but_the_agent_is_not_held_up() {
    for mut attempt in Attempt::both(|| Attempt::shell("head -c 5000000 /dev/zero | tr '\\0' x; printf 'done' >&2")) {
        attempt.spec.output_bytes = 1000;
        let record = attempt.run().await;
        assert_eq!(record.outcome, Outcome::Succeeded);
        assert_eq!((record.output.len(), record.output_truncated), (1000, true));
        let notes = attempt.events().iter().filter(|event| event.kind == EventKind::Note).count();
        assert_eq!(notes, 1, "the log says once that it is full");
        assert!(attempt.events().iter().map(|event| event.seq).eq(1..=attempt.events().len() as u64));
    }
}

#[tokio::test]
async fn a_big_output_comes_whole() {
    for mut attempt in Attempt::both(|| Attempt::shell("seq 400000 & seq 400000 >&2; wait")) {
        attempt.spec.output_bytes = 8 * 1024 * 1024;
        let record = attempt.run().await;
        assert_eq!((record.outcome, record.output_truncated), (Outcome::Succeeded, false));
        assert!(record.output.lines().eq((1..=400_000).map(|number| number.to_string())));
    }
}

#[tokio::test]
async fn the_prompt_comes_on_stdin_whether_it_is_read_or_not() {
    let prompt = "long prompt ".repeat(50_000);
    for mut attempt in Attempt::both(|| Attempt::new(&["wc", "-c"])) {
        attempt.spec.stdin = Some(prompt.clone());
        assert_eq!(attempt.run().await.output.trim(), prompt.len().to_string());
    }
    for script in ["true", "exec <&-; sleep 0.1"] {
        for mut attempt in Attempt::both(|| Attempt::shell(script)) {
            attempt.spec.stdin = Some(prompt.clone());
            assert_eq!(attempt.run().await.outcome, Outcome::Succeeded);
        }
    }
    for attempt in Attempt::both(|| Attempt::new(&["readlink", "/proc/self/fd/0"])) {
        assert_eq!(attempt.run().await.output, "/dev/null\n");
    }
}

#[tokio::test]
async fn the_agent_inherits_no_descriptor_and_no_blocked_signal() {
    let script = "ls /proc/self/fd | tr '\\n' ' '; grep -E 'Sig(Blk|Ign)' /proc/self/status";
    let [host, confined] = Attempt::both(|| Attempt::shell(script));
    // What this test's own children inherit is not the runner's doing. A sandbox keeps even that out.
    let own = std::process::Command::new("sh").args(["-c", script]).output().expect("a shell");
    let own = String::from_utf8(own.stdout).expect("text");
    assert_eq!(host.run().await.output, own);
    assert!(own.contains("SigBlk:\t0000000000000000"), "{own}");
    let (_, signals) = own.split_once("SigBlk").expect("the signals");
    assert_eq!(confined.run().await.output, format!("0 1 2 3 SigBlk{signals}"));
}

#[tokio::test]
async fn secrets_are_masked_wherever_they_would_be_written() {
    let script = "printf 'a %.7s' \"$SECRET\"; sleep 0.2; printf '%s b' \"${SECRET#hunter2}\"; printf 'oops %s' \"$SECRET\" >&2; exit 1";
    for mut attempt in Attempt::both(|| Attempt::shell(script)) {
        attempt.env.push(("SECRET".into(), "hunter2hunter2".into()));
        attempt.spec.mask_env = vec!["SECRET".to_owned()];
        let record = attempt.run().await;
        assert_eq!(record.output, "a [SECRET] b");
        assert_eq!(record.error.as_deref(), Some("exit code 1: oops [SECRET]"));
        assert_eq!(attempt.said(EventKind::Stdout), "a [SECRET] b");
        for entry in fs::read_dir(&attempt.dir).expect("the folder").flatten() {
            let mut content = Vec::new();
            File::open(entry.path()).and_then(|mut file| file.read_to_end(&mut content)).expect("readable");
            assert!(!String::from_utf8_lossy(&content).contains("hunter2hunter2"), "{:?}", entry.path());
        }
    }
}
