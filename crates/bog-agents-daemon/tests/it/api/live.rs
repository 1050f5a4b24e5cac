//! The API of the real daemon, with real runs behind it.

use crate::support::{Home, eventually};
use serde_json::{Value, json};

#[test]
fn a_real_run_is_streamed_to_its_end() {
    let home = Home::new();
    let daemon = home.start();
    let script = "echo one; sleep 0.3; echo two >&2; exit 3";
    let made = daemon.post("/jobs", Some(&json!({ "id": "j", "agent": { "command": ["sh", "-c", script] } })));
    assert_eq!(made.status, 201, "{made:?}");
    let run = daemon.fire("j");
    let stream = daemon.request("GET", &format!("/runs/{run}/events"), &[], None).unwrap().body;
    let messages: Vec<&str> = stream.split_terminator("\n\n").collect();
    let events = messages.iter().filter(|message| message.starts_with("event: event\n")).count();
    assert!(stream.contains(r#""text":"one\n""#) && stream.contains(r#""text":"two\n""#), "{stream}");
    assert!(events >= 2 && messages.last().unwrap().starts_with("event: end\n"), "{stream}");
    let data = messages.last().unwrap().lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let end: Value = serde_json::from_str(data).unwrap();
    assert_eq!((&end["outcome"], &end["exit_code"]), (&json!("failed"), &json!(3)));
    assert_eq!(daemon.get(&format!("/runs/{run}")), end);
    let told = daemon.get("/jobs/j/explain")["answer"].to_string();
    assert!(told.contains("the fire by hand of") && told.contains(&format!("ran as {run}: failed in ")), "{told}");
}

#[test]
fn a_slot_is_explained_and_counted() {
    let home = Home::new();
    home.job("often", "agent: {command: ['true']}\ntriggers: [{type: interval, seconds: 0.2, id: beat}]\n");
    let daemon = home.start();
    let mut fires = Value::Null;
    eventually("a slot has run", || {
        fires = daemon.get("/jobs/often/fires?disposition=run");
        fires["items"].as_array().is_some_and(|items| !items.is_empty())
    });
    let due = fires["items"][0]["due_at"].as_str().unwrap();
    let explained = daemon.get(&format!("/jobs/often/explain?at={due}"));
    let told = explained["answer"].to_string();
    assert!(told.contains("(`beat`) was recorded at ") && told.contains(" and ran as "), "{told}");
    let next = daemon.get("/jobs/often/next?count=2");
    assert_eq!(next["items"].as_array().unwrap().len(), 2, "{next}");
    let metrics = daemon.request("GET", "/metrics", &[], None).unwrap().body;
    let counted = metrics.lines().find_map(|line| line.strip_prefix("bog_fires_total{disposition=\"run\"} ")).unwrap();
    assert!(counted.parse::<u64>().unwrap() >= 1, "{metrics}");
}

#[test]
fn the_token_outlives_the_daemon() {
    let home = Home::new();
    let daemon = home.start();
    let rotated = daemon.post("/admin/rotate-token", None);
    let token = rotated.json()["token"].as_str().unwrap().to_owned();
    assert_ne!(token, daemon.token);
    assert_eq!(daemon.request("GET", "/health", &[], None).unwrap().status, 401, "the old one is refused");
    daemon.kill();
    let daemon = home.start();
    assert_eq!(daemon.token, token);
    assert_eq!(daemon.get("/health")["status"], "ok");
}
