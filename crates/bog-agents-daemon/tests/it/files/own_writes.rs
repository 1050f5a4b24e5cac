//! Whose doing a change is.

use super::{Place, fires, fires_are};
use crate::support::{Daemon, eventually};
use serde_json::Value;

/// An agent that writes a file of its own, and waits for the test before it ends.
const WRITER: &str = "agent: {command: [sh, -c, 'echo \"$BOG_RUN_ID\" >> out.txt; until [ -e go ]; do sleep 0.05; done']}\n\
                      limits: {grace: 1s}\n";

fn fire_of<'a>(all: &'a [Value], path: &str) -> &'a Value {
    let tells = |fire: &&Value| fire["context"]["paths"].as_array().is_some_and(|paths| paths.contains(&path.into()));
    all.iter().find(tells).unwrap_or_else(|| panic!("no fire tells of {path}: {all:#?}"))
}

fn running(daemon: &Daemon, run: &str) {
    daemon.run_when(run, "running", |run| run["state"] == "running");
}

#[test]
fn what_a_job_writes_itself_is_one_row_and_does_not_fire_it() {
    let place = Place::new();
    place.job_with("j", "patterns: ['*.txt'], debounce_seconds: 0.3", WRITER);
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    place.write("in.txt", "1");
    fires_are(&daemon, "j", &["+in.txt"]);
    eventually("the agent has written", || place.path("out.txt").exists());
    place.write("in.txt", "22");
    place.write("go", "");
    fires_are(&daemon, "j", &["+in.txt", "filtered own_writes: ~in.txt +out.txt"]);
    std::fs::remove_file(place.path("go")).unwrap();
    // Somebody else's again.
    place.write("in.txt", "333");
    eventually("it fires again", || fires(&daemon, "j").len() == 3);
    assert_eq!(fires(&daemon, "j")[2], "~in.txt");
    place.write("go", "");
    eventually("and is filtered again", || fires(&daemon, "j").len() == 4);
    place.sound(&daemon);
}

#[test]
fn a_job_may_ask_to_be_fired_by_its_own_writes_and_they_carry_its_cause() {
    let place = Place::new();
    let once = "agent: {command: [sh, -c, 'test -e out.txt || echo x > out.txt']}\n";
    place.job_with("j", "patterns: ['*.txt'], debounce_seconds: 0.3, own_writes: fire", once);
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    place.write("in.txt", "1");
    fires_are(&daemon, "j", &["+in.txt", "+out.txt"]);
    let all = daemon.list("/fires?job=j");
    assert_eq!(all[0]["cause"]["depth"], 0);
    assert_eq!((&all[1]["cause"]["depth"], &all[1]["cause"]["fire"]), (&1.into(), &all[0]["id"]));
    place.sound(&daemon);
}

#[test]
fn what_another_job_may_have_written_carries_its_cause() {
    let place = Place::new();
    let elsewhere = place.home.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let grant = format!("{WRITER}sandbox: {{write: [\"{}\"]}}\n", elsewhere.display());
    place.job_with("writer", "patterns: ['never'], debounce_seconds: 0.3", &grant);
    place.job("reader", "patterns: ['*.txt'], debounce_seconds: 0.3");
    let outside = format!("patterns: ['{}/*'], debounce_seconds: 0.3", elsewhere.display());
    place.job("outside", &outside);
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    let run = daemon.fire("writer");
    running(&daemon, &run);
    fires_are(&daemon, "reader", &["+out.txt"]);
    std::fs::write(elsewhere.join("x"), "1").unwrap();
    eventually("it is told", || fires(&daemon, "outside").len() == 1);
    place.write("go", "");
    let fire = daemon.finished(&run)["fire_id"].clone();
    for (job, path) in [("reader", "out.txt".to_owned()), ("outside", elsewhere.join("x").display().to_string())] {
        let all = daemon.list(&format!("/fires?job={job}"));
        let cause = &fire_of(&all, &path)["cause"];
        assert_eq!((&cause["depth"], &cause["fire"]), (&1.into(), &fire), "{job}");
    }
    place.sound(&daemon);
}

#[test]
fn writes_of_a_run_that_outlives_its_daemon_are_its_own() {
    let place = Place::new();
    place.job_with("j", "patterns: ['*.txt'], debounce_seconds: 0.3", WRITER);
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    let run = daemon.fire("j");
    running(&daemon, &run);
    daemon.kill();
    eventually("the agent has written", || place.path("out.txt").exists());
    let daemon = place.home.start();
    place.write("go", "");
    daemon.finished(&run);
    eventually("it is recorded", || daemon.list("/fires?job=j").len() == 2);
    assert_eq!(super::told(&daemon.list("/fires?job=j")[1]), "filtered own_writes: +out.txt");
    place.sound(&daemon);
}
