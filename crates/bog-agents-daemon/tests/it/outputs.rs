//! Outputs, delivered by the real daemon to servers that no one here wrote, and to one that behaves badly.

mod back;
mod chaos;
mod email;
mod github_comment;
mod log;
mod receiver;
mod slack;
mod tools;
mod webhook;

use crate::support::{Daemon, Home};
use serde_json::{Value, json};

/// A job that says something, with these outputs.
fn save(daemon: &Daemon, id: &str, says: &str, outputs: &Value) {
    let spec = json!({ "id": id, "name": format!("The {id}"), "outputs": outputs,
        "agent": { "command": ["printf", "%s", says] } });
    let saved = daemon.post("/jobs", Some(&spec));
    assert_eq!(saved.status, 201, "{saved:?}");
}

/// Runs a job to its end, with a payload, and returns its run.
fn run(daemon: &Daemon, id: &str, payload: &Value) -> Value {
    let fired = daemon.post(&format!("/jobs/{id}/run"), Some(&json!({ "payload": payload })));
    assert_eq!(fired.status, 202, "{fired:?}");
    daemon.finished(fired.json()["run_id"].as_str().unwrap())
}

/// Waits until every delivery of a run has come to its end, and returns them in the order of the outputs.
fn settled(daemon: &Daemon, run: &Value) -> Vec<Value> {
    let is_settled = |delivery: &Value| ["delivered", "gave_up"].contains(&delivery["state"].as_str().unwrap());
    let settled = daemon.run_when(run["id"].as_str().unwrap(), "delivered", |run| {
        run["deliveries"].as_array().unwrap().iter().all(is_settled)
    });
    settled["deliveries"].as_array().unwrap().clone()
}

/// Runs a job, waits for its one delivery, which must get there, and returns its receipt.
fn delivered(daemon: &Daemon, id: &str, payload: &Value) -> String {
    let deliveries = settled(daemon, &run(daemon, id, payload));
    assert_eq!(deliveries[0]["state"], "delivered", "{deliveries:?}\n{}", daemon.log());
    deliveries[0]["receipt"].as_str().unwrap_or_default().to_owned()
}

/// Runs a job, waits for its one delivery, which must be given up, and returns why.
fn refused(daemon: &Daemon, id: &str) -> String {
    let deliveries = settled(daemon, &run(daemon, id, &Value::Null));
    assert_eq!(deliveries[0]["state"], "gave_up", "{deliveries:?}\n{}", daemon.log());
    deliveries[0]["error"].as_str().unwrap().to_owned()
}

/// Settings under `[outputs]`.
fn configure(home: &Home, settings: &str) {
    std::fs::write(home.data().join("config.toml"), format!("[outputs]\n{settings}\n")).unwrap();
}
