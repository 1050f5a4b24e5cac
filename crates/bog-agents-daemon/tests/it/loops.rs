//! Loops of jobs that fire each other, and what holds them, on the real binary.

use super::support::{Daemon, Home, PROGRAM, eventually};
use serde_json::{Value, json};

/// A job whose agent fires another by the command line, as one may that has no sandbox.
fn fires(other: &str, more: &str) -> String {
    format!(
        "agent: {{command: [{PROGRAM}, job, run, {other}]}}\nenv: [BOG_DAEMON_DATA_DIR]\nsandbox: {{shell: host}}\n{more}\n"
    )
}

/// Waits until a loop is held, and finds one fire by hand, one after the other until the eighth, and the one that is blocked.
fn held_at_its_depth(daemon: &Daemon) {
    let blocked = || daemon.list("/fires?disposition=blocked");
    eventually("the loop is held", || !blocked().is_empty());
    eventually("what ran has ended", || daemon.list("/runs").iter().all(|run| run["state"] == "finished"));
    let blocked = blocked();
    assert_eq!(blocked.len(), 1, "{blocked:?}");
    assert_eq!((&blocked[0]["cause"]["depth"], &blocked[0]["reason"]), (&json!(9), &json!("depth")), "{blocked:?}");
    let depths: Vec<Value> = daemon.list("/fires").iter().map(|fire| fire["cause"]["depth"].clone()).collect();
    assert_eq!(depths, (0..10).map(Value::from).collect::<Vec<_>>());
}

#[test]
fn jobs_that_fire_each_other_are_stopped_with_one_incident() {
    let home = Home::new();
    home.job("ping", &fires("pong", ""));
    home.job("pong", &fires("ping", ""));
    let daemon = home.start();
    daemon.fire("ping");
    held_at_its_depth(&daemon);
    let problem = daemon.problem("job `pong` is in a loop: 1 of its fires were blocked (depth)");
    assert!(problem.contains("fires list --job pong --disposition blocked"), "{problem}");
    for command in [&["status"][..], &["doctor"]] {
        let said = String::from_utf8(home.run(command).stdout).unwrap();
        assert_eq!(said.matches("`pong` is in a loop").count(), 1, "{said}");
    }
    // The record says who caused what.
    let said = String::from_utf8(home.run(&["explain", "pong"]).stdout).unwrap();
    assert!(said.contains("held by a loop breaker: depth"), "{said}");
    // Whoever changes the job has seen to it.
    home.job("pong", &fires("ping", "loops: {max_depth: 2}"));
    daemon.well();
}

#[test]
fn what_a_run_causes_is_bounded_in_number_too() {
    let home = Home::new();
    home.job("storm", "agent: {command: ['true']}\nloops: {max_caused: 3, window: 1h}\n");
    let daemon = home.start();
    let by_a_run = [("x-bog-cause", "-;depth=1")];
    let fire = || daemon.request("POST", "/jobs/storm/run", &by_a_run, None).unwrap().json()["disposition"].clone();
    let became: Vec<Value> = (0..5).map(|_| fire()).collect();
    assert_eq!(became, ["run", "run", "run", "blocked", "blocked"]);
    // A person is never held.
    daemon.fire("storm");
    daemon.problem("job `storm` is in a loop: 2 of its fires were blocked (rate)");
}

#[test]
fn jobs_whose_outputs_are_each_others_files_are_stopped_with_one_incident() {
    for mode in ["append", "replace"] {
        let home = Home::new();
        // Where neither agent may write.
        let folder = home.path().join("shared");
        std::fs::create_dir(&folder).unwrap();
        let folder = folder.display();
        for (id, from, to) in [("ping", "b", "a"), ("pong", "a", "b")] {
            let text = format!(
                "agent: {{command: [date, '+%N']}}\noutputs: [{{type: file, path: '{folder}/{to}.md', mode: {mode}}}]\n\
                 triggers: [{{type: file_change, patterns: ['{folder}/{from}.md'], debounce_seconds: 0.05}}]\n"
            );
            home.job(id, &text);
        }
        let daemon = home.start();
        daemon.fire("ping");
        held_at_its_depth(&daemon);
        daemon.problem("is in a loop: 1 of its fires were blocked (depth)");
    }
}
