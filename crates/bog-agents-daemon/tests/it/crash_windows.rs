//! Every row of ARCHITECTURE.md's table of crash windows: killed at that instant by its failpoint, started again, and
//! what was promised has happened, once.

use super::support::{Daemon, Home, eventually, violations};
use serde_json::{Value, json};

/// A job whose agent leaves a line for each time it really ran, and whose result goes to a file.
const JOB: &str = r#"
agent: {command: [sh, -c, 'echo "$BOG_RUN_ID" >> ran; echo "result of $BOG_RUN_ID"']}
working_dir: WORK
outputs: [{type: file, path: "WORK/out.md"}]
limits: {grace: 1s}
"#;

fn home() -> Home {
    let home = Home::new();
    home.job("j", &JOB.replace("WORK", home.path().to_str().unwrap()));
    home
}

fn lines(home: &Home, file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(home.path().join(file)).unwrap_or_default();
    text.lines().map(ToOwned::to_owned).collect()
}

/// Fires the job under a daemon that is to die at a failpoint; the run's id where that was acknowledged.
fn fire_and_die(home: &Home, failpoints: &str) -> Option<String> {
    let mut daemon = home.start_with(&[("BOG_FAILPOINTS", failpoints)]).unwrap();
    let answer = daemon.request("POST", "/jobs/j/run", &[], None);
    eventually("the daemon dies at its failpoint", || daemon.has_ended());
    answer.ok().map(|answer| answer.json()["run_id"].as_str().unwrap().to_owned())
}

/// Everything that was accepted is finished and delivered, and the ledger is sound.
fn settled(home: &Home, daemon: &Daemon) -> Vec<Value> {
    let mut runs = Vec::new();
    eventually("everything is settled", || {
        runs = daemon.get("/runs?limit=1000")["items"].as_array().unwrap().clone();
        let health = daemon.get("/health");
        runs.iter().all(|run| run["state"] == "finished") && health["deliveries_pending"] == 0
    });
    assert_eq!(violations(&home.data()), Vec::<String>::new());
    runs
}

/// Killed at `failpoints` after an acknowledged fire: the next daemon ends the run as `outcome`, having run it `times`.
fn acknowledged(failpoints: &str, outcome: &str, times: usize) {
    let home = home();
    let acknowledged = fire_and_die(&home, failpoints);
    let daemon = home.start();
    let runs = settled(&home, &daemon);
    assert_eq!(runs.len(), 1, "{failpoints}: one fire, one run: {runs:?}");
    assert_eq!(runs[0]["outcome"], outcome, "{failpoints}: {:?}\n{}", runs[0], daemon.log());
    if let Some(run) = acknowledged {
        assert_eq!(runs[0]["id"], run.as_str(), "{failpoints}");
    }
    assert_eq!(lines(&home, "ran").len(), times, "{failpoints}: how often the agent ran");
    let delivered = lines(&home, "out.md");
    assert_eq!(delivered.len(), 1, "{failpoints}: delivered once: {delivered:?}");
}

#[test]
fn before_a_fire_is_written_down_nothing_was_promised() {
    let home = home();
    assert_eq!(fire_and_die(&home, "store.accept=kill"), None);
    let daemon = home.start();
    assert_eq!(settled(&home, &daemon), Vec::<Value>::new());
    assert_eq!(lines(&home, "ran").len(), 0);
}

#[test]
fn between_accept_and_claim() {
    acknowledged("dispatcher.before_claim=kill", "succeeded", 1);
    acknowledged("store.claim=kill", "succeeded", 1);
}

#[test]
fn between_claim_and_runner() {
    acknowledged("dispatcher.after_claim=kill", "succeeded", 1);
}

#[test]
fn the_runner_lives_on_and_is_adopted() {
    acknowledged("dispatcher.spawned=kill", "succeeded", 1);
}

#[test]
fn between_the_runners_end_and_the_ledger() {
    acknowledged("dispatcher.before_settle=kill", "succeeded", 1);
    acknowledged("store.finish=kill", "succeeded", 1);
}

#[test]
fn between_outcome_and_delivery_and_its_record() {
    acknowledged("outbox.intended=kill", "succeeded", 1);
    acknowledged("outbox.before_send=kill", "succeeded", 1);
    acknowledged("outbox.delivered=kill", "succeeded", 1);
    acknowledged("store.deliver=kill", "succeeded", 1);
}

/// The runner dies at `failpoints` while the daemon lives.
fn runner_dies(failpoints: &str, outcome: &str, times: usize) {
    let home = home();
    let daemon = home.start_with(&[("BOG_FAILPOINTS", failpoints)]).unwrap();
    let run = daemon.fire("j");
    let run = daemon.finished(&run);
    assert_eq!(run["outcome"], outcome, "{failpoints}: {run:?}");
    settled(&home, &daemon);
    assert_eq!(lines(&home, "ran").len(), times, "{failpoints}: how often the agent ran");
}

#[test]
fn the_runner_dies_before_and_after_the_agent_ran() {
    runner_dies("runner.started=kill", "interrupted", 0);
    runner_dies("runner.before_outcome=kill", "interrupted", 1);
    runner_dies("runner.after_outcome=kill", "succeeded", 1);
}

#[test]
fn a_runner_that_dies_before_it_began_costs_no_retry() {
    let home = home();
    let daemon = home.start_with(&[("BOG_FAILPOINTS", "runner.locked=kill")]).unwrap();
    let run = daemon.fire("j");
    daemon.run_when(&run, "given back", |run| run["attempt"].as_u64() >= Some(1) && run["state"] == "queued");
    daemon.kill();
    let daemon = home.start();
    let run = daemon.finished(&run);
    assert_eq!(run["outcome"], "succeeded");
    let (attempt, max) = (run["attempt"].as_u64().unwrap(), run["max_attempts"].as_u64().unwrap());
    assert!(attempt > 1 && attempt == max, "attempts that never began are not counted: {run:?}");
    assert_eq!(lines(&home, "ran").len(), 1);
    settled(&home, &daemon);
}

#[test]
fn the_adopting_daemon_dies_too() {
    let home = home();
    fire_and_die(&home, "dispatcher.spawned=kill");
    // It may be at its failpoint before it says that it is ready.
    if let Ok(mut second) = home.start_with(&[("BOG_FAILPOINTS", "dispatcher.adopted=kill")]) {
        eventually("the second daemon dies at its failpoint", || second.has_ended());
    }
    let daemon = home.start();
    let runs = settled(&home, &daemon);
    assert_eq!((runs.len(), &runs[0]["outcome"]), (1, &json!("succeeded")));
    assert_eq!(lines(&home, "ran").len(), 1);
}

#[test]
fn a_slot_is_recorded_with_its_memory_or_not_at_all() {
    let home = home();
    let every_second = "triggers: [{type: cron, cron: '* * * * * *', overlap: queue, catch_up: {policy: all}}]";
    home.job("tick", &format!("{}\n{every_second}\n", JOB.replace("WORK", home.path().to_str().unwrap())));
    for failpoints in ["store.advance=kill@2", "store.before_commit=kill@9", "store.after_commit=kill@9"] {
        // What an earlier life left to be recorded may bring it to the failpoint before it is ready.
        if let Ok(mut daemon) = home.start_with(&[("BOG_FAILPOINTS", failpoints)]) {
            eventually("the daemon dies at its failpoint", || daemon.has_ended());
        }
    }
    let daemon = home.start();
    eventually("some slots have passed", || lines(&home, "ran").len() >= 4);
    assert_eq!(daemon.request("POST", "/jobs/tick/disable", &[], None).unwrap().status, 200);
    settled(&home, &daemon);
    let fires = daemon.get("/fires?job=tick&limit=1000&disposition=run");
    let mut due: Vec<jiff::Timestamp> = fires["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fire| fire["due_at"].as_str().unwrap().parse().unwrap())
        .collect();
    due.sort_unstable();
    for pair in due.windows(2) {
        assert_eq!(pair[1].as_second() - pair[0].as_second(), 1, "no slot is lost or comes twice: {due:?}");
    }
    assert_eq!(due.len(), lines(&home, "ran").len());
}

#[test]
fn a_job_that_was_not_acknowledged_is_whole_or_absent() {
    for failpoints in ["jobs.before_file=kill", "jobs.after_file=kill", "store.save_job=kill"] {
        let home = home();
        let mut daemon = home.start_with(&[("BOG_FAILPOINTS", failpoints)]).unwrap();
        let job = json!({"id": "new", "agent": {"command": ["true"]}}).to_string();
        assert!(daemon.request("POST", "/jobs", &[], Some(&job)).is_err(), "{failpoints}");
        eventually("the daemon dies at its failpoint", || daemon.has_ended());
        let daemon = home.start();
        let again = daemon.request("POST", "/jobs", &[], Some(&job)).unwrap();
        assert!(matches!(again.status, 201 | 409), "{failpoints}: {again:?}");
        let run = daemon.fire("new");
        assert_eq!(daemon.finished(&run)["outcome"], "succeeded");
        assert_eq!(violations(&home.data()), Vec::<String>::new());
    }
}

#[test]
fn another_boot_means_interrupted() {
    let home = home();
    home.job("long", "agent: {command: [sleep, '1000']}\nlimits: {grace: 1s}\n");
    let daemon = home.start_with(&[("BOG_TEST_BOOT_ID", "one")]).unwrap();
    let run = daemon.fire("long");
    daemon.run_when(&run, "running", |run| run["state"] == "running");
    daemon.kill();
    let daemon = home.start_with(&[("BOG_TEST_BOOT_ID", "two")]).unwrap();
    let run = daemon.finished(&run);
    assert_eq!(run["outcome"], "interrupted");
    assert_eq!(run["error"], "the machine was restarted");
    assert_eq!(violations(&home.data()), Vec::<String>::new());
}
