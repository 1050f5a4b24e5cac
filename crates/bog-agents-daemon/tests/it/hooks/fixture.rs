//! Requests as senders make them, signed by a program that knows nothing of the daemon.

use crate::support::{Answer, Daemon, Home};
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The secrets of the tests, by the names of their variables. The third is no key of any scheme but by its length.
pub const SECRET: (&str, &str) = ("HOOK_SECRET", "whsec_bmV3LW5ldy1uZXctbmV3LW5ldw==");
pub const PREVIOUS: (&str, &str) = ("HOOK_SECRET_OLD", "whsec_b2xkLW9sZC1vbGQtb2xkLW9sZA==");
pub const OTHER: &str = "whsec_b3RoZXItb3RoZXItb3RoZXItb3RoZXI=";

/// A job that a command agent does, with these triggers.
pub fn job(triggers: &str) -> String {
    format!("agent: {{command: ['true']}}\ntriggers:\n{triggers}")
}

/// Starts a daemon that has both secrets.
pub fn start(home: &Home) -> Daemon {
    home.start_with(&[SECRET, PREVIOUS]).unwrap_or_else(|log| panic!("the daemon did not start:\n{log}"))
}

/// A recorded payload.
pub fn payload(name: &str) -> String {
    std::fs::read_to_string(folder().join(format!("payloads/{name}.json"))).unwrap()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/hooks")
}

/// The headers that a sender signs a body with at a time.
pub fn signed_at(scheme: &str, secret: &str, body: &str, seconds: i64) -> Vec<(String, String)> {
    let mut python = Command::new("python3");
    python.arg(folder().join("sign.py")).args([scheme, secret, &seconds.to_string()]);
    let mut python = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    python.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
    lines.lines().filter_map(pair).collect()
}

/// [`signed_at`] now.
pub fn signed(scheme: &str, secret: &str, body: &str) -> Vec<(String, String)> {
    signed_at(scheme, secret, body, jiff::Timestamp::now().as_second())
}

/// Sends a request without a token.
pub fn send(daemon: &Daemon, path: &str, headers: &[(String, String)], body: &str) -> Answer {
    ask(daemon, "POST", path, headers, body)
}

/// Asks without a token.
pub fn ask(daemon: &Daemon, method: &str, path: &str, headers: &[(String, String)], body: &str) -> Answer {
    // What is there instead of a token is no token.
    let mut all = vec![("Authorization", "-")];
    all.extend(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    daemon.request(method, path, &all, Some(body)).unwrap()
}

/// Adds a header.
pub fn with(mut headers: Vec<(String, String)>, name: &str, value: &str) -> Vec<(String, String)> {
    headers.push((name.to_owned(), value.to_owned()));
    headers
}

/// The one fire of an answer that must have this status.
pub fn one_fire(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{answer:?}");
    let fires = answer.json()["fires"].as_array().unwrap().clone();
    assert_eq!(fires.len(), 1, "{answer:?}");
    fires[0].clone()
}
