//! Random `kill -9` of daemon, runner or both, at random instants and failpoints, over everything the daemon does; then
//! one invariant: no acknowledged job, fire or outcome is lost, no fire has two runs, nothing runs twice, no process is
//! left, no run is stuck.

use super::support::{Daemon, Home, eventually, violations};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Rounds of starting, working and killing.
const ROUNDS: u32 = 200;

/// Where the daemon or the runner may die.
const FAILPOINTS: [&str; 21] = [
    "store.before_commit",
    "store.after_commit",
    "store.accept",
    "store.advance",
    "store.claim",
    "store.finish",
    "store.deliver",
    "store.save_job",
    "jobs.before_file",
    "jobs.after_file",
    "dispatcher.before_claim",
    "dispatcher.after_claim",
    "dispatcher.spawned",
    "dispatcher.before_settle",
    "dispatcher.adopted",
    "outbox.intended",
    "outbox.before_send",
    "outbox.delivered",
    "runner.locked",
    "runner.started",
    "runner.before_outcome",
];

const JOB: &str = r#"
agent: {command: [sh, -c, 'echo "$BOG_RUN_ID $BOG_ATTEMPT" >> WORK/ran; sleep 0.0SLEEP; echo "result of $BOG_RUN_ID"']}
outputs: [{type: file, path: "WORK/out-{{ job.id }}.md"}]
working_dir: "WORK"
limits: {grace: 1s}
sandbox: {write: [WORK]}
MORE
"#;

/// What was acknowledged.
#[derive(Default)]
struct Promised {
    jobs: BTreeSet<String>,
    runs: BTreeSet<String>,
}

#[test]
fn kill_nine_at_any_instant_loses_nothing_and_runs_nothing_twice() {
    let seed = std::env::var("BOG_CHAOS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("BOG_CHAOS_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let home = Home::new();
    let work = work(&home).to_str().unwrap().to_owned();
    std::fs::create_dir(&work).unwrap();
    let job = |sleep: &str, more: &str| JOB.replace("WORK", &work).replace("SLEEP", sleep).replace("MORE", more);
    home.job("by-hand", &job("0", ""));
    home.job("slow", &job("5", "overlap: coalesce"));
    home.job("again", &job("2", "on_interrupt: retry\nretry: {max: 1, backoff: 10ms}"));
    home.job("ticks", &job("1", "triggers: [{type: cron, cron: '* * * * * *'}, {type: interval, seconds: 0.2}]"));
    let mut promised = Promised::default();
    for round in 0..ROUNDS {
        one_round(&home, &mut random, &mut promised, round);
    }
    judge(&home, &promised);
}

/// What the agents, each in its sandbox, may write.
fn work(home: &Home) -> PathBuf {
    home.path().join("work")
}

fn one_round(home: &Home, random: &mut StdRng, promised: &mut Promised, round: u32) {
    let failpoint = FAILPOINTS[random.random_range(0..FAILPOINTS.len())];
    let armed = format!("{failpoint}=kill@{}", random.random_range(1..6));
    let variables = [("BOG_FAILPOINTS", armed.as_str())];
    let armed = if random.random_bool(0.6) { &variables[..] } else { &[] };
    // Killed before it is ready is a kill like any other.
    let Ok(daemon) = home.start_with(armed) else { return };
    for step in 0..random.random_range(1..6) {
        match random.random_range(0..8) {
            0 => create_job(&daemon, &format!("made-{round}-{step}"), promised),
            1 => std::thread::sleep(Duration::from_millis(random.random_range(0..40))),
            2 => kill_a_runner(&home.data()),
            more => fire(&daemon, ["by-hand", "slow", "again"][more % 3], promised),
        }
    }
    std::thread::sleep(Duration::from_millis(random.random_range(0..60)));
    if random.random_bool(0.3) {
        kill_a_runner(&home.data());
    }
    daemon.kill();
    if random.random_bool(0.2) {
        kill_a_runner(&home.data());
    }
}

fn create_job(daemon: &Daemon, id: &str, promised: &mut Promised) {
    let job = json!({"id": id, "agent": {"command": ["true"]}}).to_string();
    if let Ok(answer) = daemon.request("POST", "/jobs", &[], Some(&job)) {
        assert_eq!(answer.status, 201, "{answer:?}");
        promised.jobs.insert(id.to_owned());
    }
}

fn fire(daemon: &Daemon, job: &str, promised: &mut Promised) {
    if let Ok(answer) = daemon.request("POST", &format!("/jobs/{job}/run"), &[], None) {
        assert_eq!(answer.status, 202, "{answer:?}");
        promised.runs.insert(answer.json()["run_id"].as_str().unwrap().to_owned());
    }
}

/// Processes whose command line begins as that of a runner of this data folder.
fn kill_a_runner(data: &Path) {
    let runs = data.join("runs").canonicalize().unwrap_or_default();
    let found = processes(|process| {
        let line = std::fs::read(process.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(" runner ") && line.contains(runs.to_str().unwrap())
    });
    if let Some(pid) = found.first() {
        // It may have ended meanwhile.
        let _ = std::process::Command::new("kill").args(["-9", pid]).stderr(std::process::Stdio::null()).status();
    }
}

fn processes(wanted: impl Fn(&Path) -> bool) -> Vec<String> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let numbered = all.filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok());
    numbered
        .filter(|entry| wanted(&entry.path()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn judge(home: &Home, promised: &Promised) {
    let daemon = home.start();
    assert_eq!(daemon.post("/jobs/ticks/disable", None).status, 200);
    let mut runs = Vec::new();
    eventually("no run is stuck and everything is delivered", || {
        runs = all(&daemon, "/runs");
        runs.iter().all(|run| run["state"] == "finished") && daemon.get("/health")["deliveries_pending"] == 0
    });
    assert_eq!(violations(&home.data()), Vec::<String>::new());
    let known: BTreeSet<&str> = runs.iter().map(|run| run["id"].as_str().unwrap()).collect();
    for run in &promised.runs {
        assert!(known.contains(run.as_str()), "run {run} was acknowledged and is lost");
    }
    let jobs = all(&daemon, "/jobs");
    let jobs: BTreeSet<&str> = jobs.iter().map(|job| job["id"].as_str().unwrap()).collect();
    for job in &promised.jobs {
        assert!(jobs.contains(job.as_str()), "job {job} was acknowledged and is lost");
    }
    judge_executions(home, &runs);
    eventually("no process is left", || left_behind(&known).is_empty());
    println!("{} runs, {} acknowledged by hand, {} jobs made", runs.len(), promised.runs.len(), promised.jobs.len());
    assert!(
        promised.runs.len() > 20 && runs.len() > promised.runs.len(),
        "the rounds did too little to prove anything"
    );
}

/// Each attempt ran at most once, one that succeeded ran, only a retried run ran twice, and each is delivered.
fn judge_executions(home: &Home, runs: &[Value]) {
    let ran = std::fs::read_to_string(work(home).join("ran")).unwrap();
    let mut executed: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in ran.lines() {
        let (run, attempt) = line.split_once(' ').unwrap();
        executed.entry(run).or_default().push(attempt);
    }
    for run in runs.iter().filter(|run| !run["job_id"].as_str().unwrap().starts_with("made-")) {
        let id = run["id"].as_str().unwrap();
        let attempts = executed.remove(id).unwrap_or_default();
        let distinct: BTreeSet<&&str> = attempts.iter().collect();
        assert_eq!(distinct.len(), attempts.len(), "an attempt of {id} ran twice: {attempts:?}");
        if run["outcome"] == "succeeded" {
            assert!(!attempts.is_empty(), "{id} succeeded without running");
        }
        if run["job_id"] != "again" {
            assert!(attempts.len() <= 1, "{id} has no retry and ran {attempts:?}: {run:?}");
        }
        let out =
            std::fs::read_to_string(work(home).join(format!("out-{}.md", run["job_id"].as_str().unwrap()))).unwrap();
        if run["outcome"] == "succeeded" {
            assert!(out.contains(id), "the result of {id} is not in its file");
        }
    }
    assert!(executed.is_empty(), "these ran and are in no ledger: {executed:?}");
}

fn left_behind(runs: &BTreeSet<&str>) -> Vec<String> {
    processes(|process| {
        let environment = std::fs::read(process.join("environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment);
        environment.split('\0').any(|line| line.strip_prefix("BOG_RUN_ID=").is_some_and(|run| runs.contains(run)))
    })
}

fn all(daemon: &Daemon, path: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = daemon.get(&format!("{path}?limit=1000{cursor}"));
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}
