//! Killed at any instant, a push fires once.

use super::fixture::{Repos, events, git, seen, subjects};
use crate::support::{Home, eventually, violations};

/// A push is made while no daemon runs; the next one dies at `failpoints`, and the one after it has one fire.
fn fires_once(failpoints: &str) {
    let home = Home::new();
    let repos = Repos::new(&home);
    repos.job(&home, "j", "");
    let daemon = home.start();
    seen(&home, 1);
    daemon.kill();
    repos.commit_and_push("second");
    // It may be at its failpoint before it says that it is ready.
    if let Ok(mut daemon) = home.start_with(&[("BOG_FAILPOINTS", failpoints)]) {
        eventually("the daemon dies at its failpoint", || daemon.has_ended());
    }
    let daemon = home.start();
    assert_eq!(subjects(&events(&daemon, "j", 1)[0]), ["second"], "{failpoints}");
    // Whatever would come twice has come by then.
    repos.commit_and_push("third");
    assert_eq!(subjects(&events(&daemon, "j", 2)[1]), ["third"], "{failpoints}");
    assert_eq!(violations(&home.data()), Vec::<String>::new());
}

#[test]
fn a_push_is_recorded_with_its_memory_or_not_at_all() {
    fires_once("store.record_pushes=kill");
    fires_once("git.recorded=kill");
    // The first commits of a life are its epoch and its jobs.
    fires_once("store.before_commit=kill@3");
    fires_once("store.after_commit=kill@3");
}

#[test]
fn many_pushes_and_kills_lose_and_repeat_nothing() {
    let home = Home::new();
    let repos = Repos::new(&home);
    repos.job(&home, "j", ", branch: 'topic/*'");
    let mut daemon = home.start();
    seen(&home, 1);
    let mut pushed = Vec::new();
    for round in 0..4 {
        let branches: Vec<String> = (0..6).map(|n| format!("topic/{round}-{n}")).collect();
        branches.iter().for_each(|branch| drop(git(&repos.clone, &["branch", branch])));
        let pushing: Vec<&str> = branches.iter().map(String::as_str).collect();
        repos.push(&pushing);
        daemon.kill();
        daemon = home.start();
        pushed.extend(branches);
    }
    let told = events(&daemon, "j", pushed.len());
    let mut branches: Vec<_> = told.iter().map(|event| event["branch"].as_str().unwrap().to_owned()).collect();
    branches.sort_unstable();
    pushed.sort_unstable();
    assert_eq!(branches, pushed);
    assert_eq!(violations(&home.data()), Vec::<String>::new());
}
