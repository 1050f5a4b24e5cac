//! Many fires while a job runs, on the real binary: one run that sees them all, or a run each, in order.

use super::support::{Home, eventually};
use serde_json::{Value, json};
use std::fs;

/// A job that runs until a file is there, and says what it was asked.
fn job(overlap: &str, prompt: &str) -> String {
    format!(
        "prompt: '{prompt}'\nagent: {{command: [sh, -c, 'while ! test -e go; do sleep 0.02; done; cat']}}\n\
         working_dir: HOME/work\noverlap: {overlap}\n"
    )
}

fn home(overlap: &str, prompt: &str) -> Home {
    let home = Home::new();
    fs::create_dir(home.path().join("work")).unwrap();
    home.job("j", &job(overlap, prompt).replace("HOME", home.path().to_str().unwrap()));
    home
}

#[test]
fn a_thousand_fires_during_one_run_become_one_that_sees_them_all() {
    let prompt = "{{ event.event_count }} events, {{ event.events|length }} shown, the last {{ event.payload }}";
    let home = home("coalesce", prompt);
    let daemon = home.start();
    let first = daemon.fire("j");
    daemon.run_when(&first, "running", |run| run["state"] == "running");
    let fire = |number: u32| {
        let answer = daemon.post("/jobs/j/run", Some(&json!({ "payload": number })));
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.json()
    };
    let second = fire(1)["run_id"].as_str().unwrap().to_owned();
    assert_ne!(second, first);
    std::thread::scope(|scope| {
        for part in 0..4 {
            let (fire, second) = (&fire, &second);
            scope.spawn(move || {
                for number in 0..250 {
                    let merged = fire(part * 250 + number);
                    assert_eq!((&merged["disposition"], &merged["run_id"]), (&json!("coalesced"), &json!(second)));
                }
            });
        }
    });
    fire(7777);
    fs::write(home.path().join("work/go"), "").unwrap();
    let run = daemon.finished(&second);
    assert_eq!(run["output"], "1002 events, 100 shown, the last 7777", "{run}");
    assert_eq!(daemon.list("/runs").len(), 2);
}

#[test]
fn queued_fires_have_a_run_each_in_order() {
    let home = home("queue", "{{ event.payload }}");
    let daemon = home.start();
    let runs: Vec<String> = (0..20)
        .map(|number| {
            let fired = daemon.post("/jobs/j/run", Some(&json!({ "payload": number }))).json();
            fired["run_id"].as_str().unwrap().to_owned()
        })
        .collect();
    fs::write(home.path().join("work/go"), "").unwrap();
    eventually("all have run", || daemon.list("/runs").iter().all(|run| run["state"] == "finished"));
    let listed = daemon.list("/runs");
    let order = |field: &str| listed.iter().map(|run| run[field].clone()).collect::<Vec<Value>>();
    assert_eq!(order("id"), runs.iter().map(|run| json!(run)).collect::<Vec<_>>());
    assert_eq!(order("output"), (0..20).map(|number| json!(number.to_string())).collect::<Vec<_>>());
    let mut started = order("started_at");
    started.sort_by_key(ToString::to_string);
    assert_eq!(started, order("started_at"), "one after the other");
}
