//! What a job is granted, as far as a run's own folder shows: the policy and the limits that its runner is given.

use crate::support::{Answer, Daemon, Home};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn folder(home: &Home, name: &str) -> PathBuf {
    let folder = home.path().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn save(daemon: &Daemon, spec: &Value) -> Answer {
    daemon.post("/jobs", Some(spec))
}

/// Runs a job to its end and returns what its runner was told.
fn attempt(home: &Home, daemon: &Daemon, job: &str) -> Value {
    let run = daemon.fire(job);
    daemon.finished(&run);
    let file = home.data().join("runs").join(run).join("1/attempt.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn has(paths: &Value, path: &Path) -> bool {
    paths.as_array().unwrap().iter().any(|found| Path::new(found.as_str().unwrap()) == path)
}

#[test]
fn a_runner_is_told_what_its_job_is_granted() {
    let home = Home::new();
    std::fs::write(home.data().join("config.toml"), "[limits]\npids = 99\n[ceilings]\nmemory = '1GiB'\n").unwrap();
    let (own, other, secret) = (folder(&home, "src"), folder(&home, "src/other"), folder(&home, ".ssh"));
    let daemon = home.start();
    let spec = json!({ "id": "a", "agent": { "command": ["true"] }, "working_dir": own,
        "limits": { "memory": "2GiB", "cpu": 0.5, "cpu_seconds": 60, "disk": "5MiB" }, "sandbox": { "write": ["~/more"] } });
    let saved = save(&daemon, &spec);
    assert_eq!(saved.status, 201, "{saved:?}");
    assert!(
        saved.json()["warnings"][0].as_str().unwrap().starts_with("`limits.memory`: `2GiB` is more than"),
        "{saved:?}"
    );
    assert_eq!(
        save(&daemon, &json!({ "id": "b", "agent": { "command": ["true"] }, "working_dir": other })).status,
        201
    );
    folder(&home, "more");
    let told = attempt(&home, &daemon, "a");
    let limits = json!({ "memory_bytes": 1 << 30, "cpu_millis": 500, "cpu_time_ms": 60_000, "pids": 99,
        "open_files": 4096, "disk_bytes": 5 << 20 });
    assert_eq!(told["limits"], limits);
    let sandbox = &told["sandbox"];
    assert_eq!((&sandbox["enforcement"], &sandbox["network"]), (&json!("required"), &json!("none")));
    assert_eq!(sandbox["write"], json!([own, home.path().join("more")]));
    for hidden in [&other, &secret, &home.data()] {
        assert!(has(&sandbox["hidden"], hidden), "{} in {}", hidden.display(), sandbox["hidden"]);
    }
    let run_dir = Path::new(sandbox["private"].as_str().unwrap()).parent().unwrap();
    assert!(run_dir.starts_with(home.data().join("runs")));
    assert!(has(&sandbox["read"], &run_dir.join("1/event.json")), "{}", sandbox["read"]);
    // A job that is gone hides nothing any more.
    assert_eq!(daemon.request("DELETE", "/jobs/b", &[], None).unwrap().status, 204);
    assert!(!has(&attempt(&home, &daemon, "a")["sandbox"]["hidden"], &other));
}

#[test]
fn an_agent_sees_what_it_was_granted_and_nothing_that_is_hidden() {
    let home = Home::new();
    let (own, other) = (folder(&home, "src"), folder(&home, "src/other"));
    for (folder_name, file) in [(".ssh", "id"), (".aws", "credentials"), ("src/other", "mine"), ("notes", "today")] {
        std::fs::write(folder(&home, folder_name).join(file), "found\n").unwrap();
    }
    let daemon = home.start();
    let other_job = json!({ "id": "other", "agent": { "command": ["true"] }, "working_dir": other });
    assert_eq!(save(&daemon, &other_job).status, 201);
    let script = "cat ~/.ssh/id other/mine ~/data/.token ~/notes/today /etc/shadow; cat ~/.aws/credentials; \
                  cat \"$BOG_EVENT_FILE\"; for file in x ~/notes/x ~/x /etc/x ~/.aws/x other/x; do (: >$file); done";
    let spec = json!({ "id": "a", "agent": { "command": ["sh", "-c", script] }, "working_dir": own,
        "sandbox": { "read": ["~/.aws"], "write": ["~/notes"] } });
    assert_eq!(save(&daemon, &spec).status, 201);
    let run = daemon.finished(&daemon.fire("a"));
    let output = run["output"].as_str().unwrap();
    // Twice: what it may write, and what it names though it is usually hidden.
    assert_eq!(output.matches("found\n").count(), 2, "{run}");
    assert!(output.contains(r#""tier":"operator""#), "its event: {run}");
    // What is written anywhere else is refused, or is gone with the run.
    for written in [own.join("x"), home.path().join("notes/x")] {
        assert!(written.exists(), "{}: {run}", written.display());
    }
    for kept in [home.path().join("x"), home.path().join(".aws/x"), other.join("x"), "/etc/x".into()] {
        assert!(!kept.exists(), "{}: {run}", kept.display());
    }
    assert!(!output.contains(&daemon.token), "{run}");
}

#[test]
fn a_job_without_a_folder_works_in_its_runs_own() {
    let home = Home::new();
    let daemon = home.start();
    assert_eq!(save(&daemon, &json!({ "id": "a", "agent": { "command": ["true"] } })).status, 201);
    let told = attempt(&home, &daemon, "a");
    assert_eq!(told["sandbox"]["write"], json!([told["working_dir"]]));
    assert!(told["working_dir"].as_str().unwrap().ends_with("/work"), "{told}");
}

#[test]
fn who_asks_for_the_host_gets_it() {
    let home = Home::new();
    let daemon = home.start();
    let spec = json!({ "id": "a", "agent": { "command": ["true"] }, "sandbox": { "shell": "host" } });
    assert_eq!(save(&daemon, &spec).status, 201);
    let told = attempt(&home, &daemon, "a");
    assert_eq!((&told["sandbox"]["enforcement"], &told["sandbox"]["network"]), (&json!("off"), &json!("full")));
}

#[test]
fn the_data_folder_is_nobodys_by_name_or_by_link() {
    let home = Home::new();
    let daemon = home.start();
    let command = json!({ "command": ["true"] });
    let named = save(&daemon, &json!({ "id": "a", "agent": command, "sandbox": { "read": ["~/data/jobs"] } }));
    assert_eq!((named.status, &named.json()["field"]), (422, &json!("sandbox.read[0]")), "{named:?}");
    let within = save(&daemon, &json!({ "id": "a", "agent": command, "working_dir": home.data().join("runs") }));
    assert_eq!((within.status, &within.json()["field"]), (422, &json!("working_dir")), "{within:?}");
    // What a link leads to may change at any time: it is looked at when the job runs.
    std::os::unix::fs::symlink(home.data(), home.path().join("link")).unwrap();
    for (id, spec) in [
        ("b", json!({ "id": "b", "agent": command, "sandbox": { "write": ["~/link/runs"] } })),
        ("c", json!({ "id": "c", "agent": command, "working_dir": "~/link/runs" })),
    ] {
        assert_eq!(save(&daemon, &spec).status, 201);
        let run = daemon.finished(&daemon.fire(id));
        assert_eq!(run["outcome"], "start_failed", "{run}");
        assert!(run["error"].as_str().unwrap().contains("leads into the daemon's data folder"), "{run}");
    }
}
