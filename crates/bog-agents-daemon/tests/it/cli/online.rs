//! With a daemon.

use super::{cli, cli_with};
use crate::support::{Home, eventually};
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

#[test]
fn a_job_is_made_fired_and_looked_at() {
    let home = Home::new();
    let daemon = home.start();
    let added = cli(
        &home,
        &["job", "add", "--id", "hello", "--output", "log", "--", "sh", "-c", "echo one; echo oops >&2; echo two"],
    );
    assert_eq!(
        (added.code, added.out.as_str()),
        (0, "created job `hello`, revision 1\nit has no triggers: only `job run` fires it\n")
    );
    assert_eq!(cli(&home, &["job", "add", "--id", "hello", "--", "true"]).code, 5);

    let ran = cli(&home, &["job", "run", "hello", "--wait"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("one\n") && ran.out.contains("two\n") && ran.err.contains(" succeeded after "), "{ran:?}");

    let runs = cli(&home, &["runs", "list", "--job", "hello", "--outcome", "succeeded", "--json"]).json();
    let run = runs[0]["id"].as_str().unwrap();
    assert_eq!(cli(&home, &["runs", "show", run, "--output"]).out, "one\ntwo\n");
    eventually("the log has it", || cli(&home, &["runs", "show", run]).out.contains("log delivered"));
    let logs = cli(&home, &["runs", "logs", run]);
    assert!(logs.code == 0 && logs.out.contains("oops\n"), "{logs:?}");
    let events = cli(&home, &["runs", "logs", run, "--json"]).out;
    let seqs: Vec<u64> = events
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());

    let again = cli(&home, &["runs", "rerun", run, "--wait", "--json"]);
    assert_eq!((again.code, &again.json()["outcome"]), (0, &"succeeded".into()), "{again:?}");
    let fires = cli(&home, &["fires", "list", "--job", "hello", "--disposition", "run", "--json"]).json();
    assert_eq!(fires.as_array().unwrap().len(), 2);
    assert!(cli(&home, &["explain", "hello"]).out.contains(run));
    let doctor = cli(&home, &["doctor", "--deep"]);
    assert!(
        doctor.out.contains("every invariant holds") && doctor.out.contains(&format!("pid {}", daemon.pid())),
        "{doctor:?}"
    );
}

#[test]
fn a_run_that_does_not_succeed_ends_with_1() {
    let home = Home::new();
    let _daemon = home.start();
    assert_eq!(cli(&home, &["job", "add", "--id", "bad", "--", "sh", "-c", "echo half; exit 3"]).code, 0);
    let ran = cli(&home, &["job", "run", "bad", "--wait"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, "half\n"), "{ran:?}");
    assert!(ran.err.contains(" failed after ") && ran.err.contains("exit code 3"), "{ran:?}");
}

#[test]
fn a_run_is_followed_across_a_restart_and_cancelled() {
    let home = Home::new();
    let daemon = home.start();
    assert_eq!(cli(&home, &["job", "add", "--id", "slow", "--", "sh", "-c", "echo begun; sleep 600"]).code, 0);
    let run = cli(&home, &["job", "run", "slow"]).out.trim().to_owned();
    eventually("it has begun", || cli(&home, &["runs", "logs", &run]).out == "begun\n");
    let mut follower = home.command();
    follower.args(["runs", "logs", "--follow", &run]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut following = follower.spawn().unwrap();
    let mut out = BufReader::new(following.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    assert_eq!(first, "begun\n");
    // The next daemon has another port, and the follower finds it.
    daemon.kill();
    let _daemon = home.start();
    let cancelled = cli(&home, &["runs", "cancel", &run, "--reason", "seen enough"]);
    assert_eq!(cancelled.code, 0, "{cancelled:?}");
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    let output = following.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), rest.as_str()), (Some(1), ""), "{said}");
    assert!(said.contains(" cancelled after ") && said.contains("cancelled by hand: seen enough"), "{said}");
    eventually("it is over", || cli(&home, &["runs", "cancel", &run]).code == 5);
}

#[test]
fn an_edit_goes_through_the_daemon() {
    let home = Home::new();
    let _daemon = home.start();
    assert_eq!(cli(&home, &["job", "add", "--id", "hello", "--", "echo", "one"]).code, 0);
    let edited = cli_with(&home, &["job", "edit", "hello"], &[("VISUAL", "sed -i s/one/two/")], "");
    assert_eq!((edited.code, edited.out.as_str()), (0, "saved job `hello`: revision 2\n"), "{edited:?}");
    assert_eq!(cli(&home, &["job", "run", "hello", "--wait"]).out, "two\n");
    // While the editor is open somebody else saves: theirs stands, ours is kept aside.
    let race = format!("sh -c '{} job disable hello >/dev/null; sed -i s/two/three/ \"$0\"'", crate::support::PROGRAM);
    let late = cli_with(&home, &["job", "edit", "hello"], &[("VISUAL", &race)], "");
    assert_eq!(late.code, 5, "{late:?}");
    assert!(late.err.contains("not saved; your text is kept in `"), "{late:?}");
    let job = cli(&home, &["job", "show", "hello", "--json"]).json();
    assert_eq!((&job["revision"], &job["enabled"]), (&3.into(), &false.into()));
    let revisions = cli(&home, &["job", "show", "hello", "--revisions", "--json"]).json();
    assert_eq!(revisions[0]["author"], "cli");
}

#[test]
fn comments_and_layout_survive() {
    let home = Home::new();
    let _daemon = home.start();
    let text = "# mine\nname: Hello   # free\nagent: {command: [echo, one]}\ntriggers:\n\
                \x20 # twice an hour\n  - {type: interval, seconds: 1800}\n";
    let written = home.path().join("hello.yaml");
    std::fs::write(&written, text).unwrap();
    let file = || std::fs::read_to_string(home.data().join("jobs/hello.yaml")).unwrap();
    let added = cli(&home, &["job", "add", "--file", written.to_str().unwrap()]);
    assert!(added.code == 0 && added.out.starts_with("created job `hello`, revision 1\n"), "{added:?}");
    assert_eq!(file(), text);
    let edited = cli_with(&home, &["job", "edit", "hello"], &[("VISUAL", "sed -i s/one/two/")], "");
    assert_eq!((edited.code, edited.err.as_str()), (0, ""), "{edited:?}");
    let two = text.replace("one", "two");
    assert_eq!(file(), two);
    assert_eq!(cli(&home, &["job", "show", "hello", "--yaml"]).out, two);
    assert_eq!(cli(&home, &["job", "disable", "hello"]).code, 0);
    assert_eq!(file(), format!("{two}enabled: false\n"));
    // A hand edit with a mistake is what the editor opens with, and can be put right there.
    home.job("hello", &two.replace("1800", "soon"));
    eventually("the mistake is seen", || cli(&home, &["job", "show", "hello"]).out.contains("line 6, column"));
    let enabled = cli(&home, &["job", "enable", "hello"]);
    assert_eq!(enabled.code, 5, "{enabled:?}");
    assert!(
        enabled.err.contains("is not valid (line 6, column") && enabled.err.contains("job edit hello"),
        "{enabled:?}"
    );
    let mended = cli_with(&home, &["job", "edit", "hello"], &[("VISUAL", "sed -i s/soon/900/")], "");
    assert_eq!(mended.code, 0, "{mended:?}");
    assert_eq!(file(), two.replace("1800", "900"));
    let off = cli_with(&home, &["job", "add", "--file", "-", "--id", "off", "--disabled"], &[], text);
    assert_eq!(off.code, 0, "{off:?}");
    assert_eq!(std::fs::read_to_string(home.data().join("jobs/off.yaml")).unwrap(), format!("{text}enabled: false\n"));
}

#[test]
fn the_token_is_shown_replaced_and_checked() {
    let home = Home::new();
    let daemon = home.start();
    assert_eq!(cli(&home, &["token", "show"]).out.trim(), daemon.token);
    let rotated = cli(&home, &["token", "rotate"]).out;
    assert_ne!(rotated.trim(), daemon.token);
    assert_eq!(cli(&home, &["token", "show"]).out, rotated);
    assert_eq!(cli(&home, &["status"]).code, 0);
    let refused = cli_with(&home, &["status"], &[("BOG_DAEMON_TOKEN", &daemon.token)], "");
    assert_eq!(refused.code, 6, "{refused:?}");
    assert!(refused.err.contains("does not accept the token") && !refused.err.contains(&daemon.token), "{refused:?}");
}

#[test]
fn a_draining_daemon_says_so_and_refuses() {
    let home = Home::new();
    let _daemon = home.start();
    assert_eq!(cli(&home, &["job", "add", "--id", "hello", "--", "true"]).code, 0);
    assert_eq!(cli(&home, &["drain"]).code, 0);
    assert!(cli(&home, &["status"]).out.starts_with("status       draining\n"));
    assert_eq!(cli(&home, &["job", "run", "hello"]).code, 1);
}

#[test]
fn a_daemon_ends_with_0_when_asked_and_a_second_one_with_5() {
    let home = Home::new();
    let daemon = home.start();
    let second = cli(&home, &["run", "--port", "0"]);
    assert_eq!((second.code, second.out.as_str()), (5, ""), "{second:?}");
    assert!(second.err.contains(&daemon.pid().to_string()), "{second:?}");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(cli(&home, &["status"]).code, 3);
    let open = cli(&home, &["run", "--host", "0.0.0.0", "--port", "0"]);
    assert_eq!(open.code, 2, "{open:?}");
    assert!(open.err.contains("--allow-remote"), "{open:?}");
    std::fs::write(home.data().join("config.toml"), "prot = 1\n").unwrap();
    assert_eq!(cli(&home, &["run", "--port", "0"]).code, 2);
    assert_eq!(cli(&home, &["job", "list"]).code, 2);
}
