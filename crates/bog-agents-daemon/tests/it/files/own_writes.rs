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

/// Lets so much time pass that what is written then is nobody's but the test's, whatever a file system's clock is like.
fn pass(milliseconds: u64) {
    let then = std::time::Instant::now() + std::time::Duration::from_millis(milliseconds);
    eventually("time passes", || std::time::Instant::now() > then);
}

#[test]
fn what_somebody_else_writes_after_the_end_fires_however_long_it_must_be_quiet() {
    let place = Place::new();
    place.job_with("j", "patterns: ['*.txt'], debounce_seconds: 4", "agent: {command: [sh, -c, 'echo x > out.txt']}\n");
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    daemon.finished(&daemon.fire("j"));
    pass(1_100);
    place.write("in.txt", "1");
    fires_of_files_are(&daemon, "j", &["+in.txt", "filtered own_writes: +out.txt"]);
    place.sound(&daemon);
}

/// The fires that files made, in the order of their texts.
fn fires_of_files(daemon: &Daemon, job: &str) -> Vec<String> {
    let all = daemon.list(&format!("/fires?job={job}"));
    let mut told: Vec<_> = all.iter().filter(|fire| fire["kind"] == "file_change").map(super::told).collect();
    told.sort();
    told
}

fn fires_of_files_are(daemon: &Daemon, job: &str, expected: &[&str]) {
    let mut told = Vec::new();
    eventually(&format!("{expected:?}"), || {
        told = fires_of_files(daemon, job);
        told.len() >= expected.len()
    });
    assert_eq!(told, expected, "{}", daemon.log());
}

#[test]
fn what_is_written_before_a_retry_or_a_cancellation_is_its_own() {
    let place = Place::new();
    let failing = "agent: {command: [sh, -c, 'echo x >> \"$BOG_ATTEMPT.txt\"; exit 1']}\n\
                   retry: {max: 1, backoff: 1s}\n";
    place.job_with("retried", "patterns: ['?.txt'], debounce_seconds: 0.3", failing);
    place.job_with("cancelled", "patterns: ['out.txt'], debounce_seconds: 0.3", WRITER);
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    let run = daemon.fire("cancelled");
    eventually("the agent has written", || place.path("out.txt").exists());
    assert!(daemon.post(&format!("/runs/{run}/cancel"), None).status < 300);
    assert_eq!(daemon.finished(&run)["outcome"], "cancelled");
    fires_of_files_are(&daemon, "cancelled", &["filtered own_writes: +out.txt"]);
    let run = daemon.finished(&daemon.fire("retried"));
    assert_eq!((&run["outcome"], &run["attempt"]), (&"failed".into(), &2.into()), "{run}");
    let told = || fires_of_files(&daemon, "retried");
    eventually("both attempts' files are told", || {
        ["+1.txt", "+2.txt"].iter().all(|file| told().join(" ").contains(file))
    });
    assert!(told().iter().all(|fire| fire.starts_with("filtered own_writes")), "{:?}", told());
    place.sound(&daemon);
}

#[test]
fn what_a_gate_writes_is_its_jobs_own_whether_it_opens_or_closes() {
    for (says, expected) in [("0", 2), ("1", 1)] {
        let place = Place::new();
        let gate =
            format!("when: {{command: [sh, -c, 'echo x >> gate.txt; exit {says}']}}\nagent: {{command: ['true']}}\n");
        place.job_with("j", "patterns: ['*.txt'], debounce_seconds: 0.3", &gate);
        place.job("witness", "patterns: ['*.txt'], debounce_seconds: 0.3");
        let daemon = place.home.start();
        super::armed(&place, &daemon);
        place.write("in.txt", "1");
        eventually("the gate's writing is told", || {
            fires(&daemon, "witness").iter().any(|fire| fire.contains("gate.txt"))
        });
        eventually("it is its own", || fires(&daemon, "j").iter().any(|fire| fire.starts_with("filtered own_writes")));
        eventually("its runs are over", || daemon.list("/runs").iter().all(|run| run["state"] == "finished"));
        pass(400);
        place.write("in.txt", "22");
        eventually("it fires again", || fires(&daemon, "j").iter().filter(|fire| fire.contains("in.txt")).count() == 2);
        eventually("and is filtered again", || fires(&daemon, "j").len() == 4);
        let all = fires(&daemon, "j");
        let filtered = all.iter().filter(|fire| fire.starts_with("filtered own_writes")).count();
        let skipped = all.iter().filter(|fire| fire.starts_with("skipped gate")).count();
        assert_eq!((filtered, skipped), (2, if expected == 1 { 2 } else { 0 }), "{all:?}");
        // Others see whose doing it was.
        let told = daemon.list("/fires?job=witness");
        assert_eq!(fire_of(&told, "gate.txt")["cause"]["depth"], 1);
        place.sound(&daemon);
    }
}

#[test]
fn what_a_run_wrote_that_is_paused_is_its_own() {
    let place = Place::new();
    let call = r#"{"calls":[{"name":"shell","arguments":{"command":"echo x >> out.txt"}}],"usage":{"input":1500,"output":100}}"#;
    place.write("script.jsonl", &format!("{call}\n{call}\n"));
    let prices = "[prices.'scripted:script.jsonl']\ninput = 1000\noutput = 1000\n";
    std::fs::write(place.home.data().join("config.toml"), prices).unwrap();
    let more = "prompt: x\nmodel: scripted:script.jsonl\nbudget: {run_usd: 2.3}\n";
    place.job_with("j", "patterns: ['*.txt'], debounce_seconds: 0.3", more);
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    let run = daemon.fire("j");
    daemon.run_when(&run, "paused", |run| run["state"] == "paused");
    fires_of_files_are(&daemon, "j", &["filtered own_writes: +out.txt"]);
    pass(50);
    place.write("in.txt", "1");
    fires_of_files_are(&daemon, "j", &["+in.txt", "filtered own_writes: +out.txt"]);
}

#[test]
fn what_a_jobs_output_says_in_a_file_is_its_own() {
    for mode in ["append", "replace"] {
        let place = Place::new();
        let more =
            format!("agent: {{command: [echo, said]}}\noutputs: [{{type: file, path: out.txt, mode: {mode}}}]\n");
        place.job_with("j", "patterns: ['*.txt'], debounce_seconds: 0.05", &more);
        let daemon = place.home.start();
        super::armed(&place, &daemon);
        place.write("in.txt", "1");
        fires_of_files_are(&daemon, "j", &["+in.txt", "filtered own_writes: +out.txt"]);
        pass(100);
        place.write("out.txt", "of somebody else");
        fires_of_files_are(
            &daemon,
            "j",
            &["+in.txt", "filtered own_writes: +out.txt", "filtered own_writes: ~out.txt", "~out.txt"],
        );
        place.sound(&daemon);
    }
}
