//! The API of the real daemon, with real runs behind it.

use crate::support::{Daemon, Home, eventually, violations};
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpStream;

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

/// Sends a request and is gone before it is answered, but not before it has begun.
fn send_and_leave(daemon: &Daemon, request: (&str, &str), headers: &str, body: &str, begun: impl Fn() -> bool) {
    let mut stream = TcpStream::connect(&daemon.address).unwrap();
    let ((method, path), host, token, length) = (request, &daemon.address, &daemon.token, body.len());
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    eventually("it has begun", begun);
}

#[test]
fn a_client_that_goes_away_leaves_nothing_half_done() {
    let home = Home::new();
    let daemon = home.start_with(&[("BOG_FAILPOINTS", "jobs.after_file=sleep:300")]).unwrap();
    let read = |file: &str| std::fs::read_to_string(home.data().join(file)).unwrap_or_default();
    let body = json!({ "id": "j", "agent": { "command": ["true"] } }).to_string();
    let headers = "Content-Type: application/json\r\nIdempotency-Key: k\r\n";
    send_and_leave(&daemon, ("POST", "/jobs"), headers, &body, || !read("jobs/j.yaml").is_empty());
    // The spare copy is the last thing that is written, and nobody else writes it here.
    eventually("the change comes to its end", || !read("revisions/j.yaml").is_empty());
    let revisions = daemon.get("/jobs/j/revisions");
    assert_eq!((revisions["items"].as_array().unwrap().len(), &revisions["items"][0]["author"]), (1, &json!("api")));
    let again = daemon.request("POST", "/jobs", &[("Idempotency-Key", "k")], Some(&body)).unwrap();
    assert_eq!((again.status, &again.json()["revision"]), (201, &json!(1)), "{again:?}");

    let off = |file: &str| read(file).contains("enabled: false");
    send_and_leave(&daemon, ("POST", "/jobs/j/disable"), "", "", || off("jobs/j.yaml"));
    eventually("the change comes to its end", || off("revisions/j.yaml"));
    send_and_leave(&daemon, ("DELETE", "/jobs/j"), "", "", || read("jobs/j.yaml").is_empty());
    eventually("it is gone with its copy", || read("revisions/j.yaml").is_empty());
    assert_eq!(daemon.request("GET", "/jobs/j", &[], None).unwrap().status, 404);
    assert_eq!(violations(&home.data()), Vec::<String>::new());
}
