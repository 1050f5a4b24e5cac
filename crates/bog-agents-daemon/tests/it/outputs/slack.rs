//! Slack, as `emulate` plays it.

use super::receiver::{Receiver, answer};
use super::tools::{Server, TOKEN, ask};
use super::{configure, delivered, refused, run, save, settled};
use crate::support::{Daemon, Home};
use serde_json::{Value, json};

fn start(home: &Home, port: u16) -> Daemon {
    configure(home, &format!("slack_api_url = 'http://localhost:{port}/api'"));
    let hook = format!("http://localhost:{port}/services/T000000001/B000000001/X000000001");
    home.start_with(&[("SLACK_BOT_TOKEN", TOKEN), ("SLACK_URL", &hook)]).unwrap()
}

/// The messages of the channel of a receipt, the oldest first.
fn history(server: &Server, receipt: &str) -> Vec<Value> {
    let channel = receipt.split('/').next().unwrap();
    let said =
        ask(server.port, "POST", "/api/conversations.history", Some(&json!({ "channel": channel, "limit": 100 })));
    let mut messages = said["messages"].as_array().unwrap_or_else(|| panic!("{said}")).clone();
    messages.reverse();
    messages
}

#[test]
fn messages_threads_files_and_webhooks() {
    let home = Home::new();
    let server = Server::emulate("slack", home.path());
    let daemon = start(&home, server.port);
    save(&daemon, "plain", "2 < 3 & <!channel>", &json!([{ "type": "slack", "channel": "general" }]));
    let receipt = delivered(&daemon, "plain", &Value::Null);
    let messages = history(&server, &receipt);
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(receipt.split('/').nth(1), messages[0]["ts"].as_str());
    assert_eq!(messages[0]["blocks"][0]["text"]["text"], "2 &lt; 3 &amp; &lt;!channel&gt;");
    let delivery = daemon.list("/runs?job=plain")[0]["id"].clone();
    let delivery = daemon.get(&format!("/runs/{}", delivery.as_str().unwrap()))["deliveries"][0]["id"].clone();
    assert_eq!(messages[0]["metadata"]["event_payload"]["delivery_id"], delivery);

    // The second message of a job is an answer to its first.
    save(&daemon, "threaded", "hello", &json!([{ "type": "slack", "channel": "general", "thread": "job" }]));
    let first = delivered(&daemon, "threaded", &Value::Null);
    let second = delivered(&daemon, "threaded", &Value::Null);
    let third = delivered(&daemon, "threaded", &Value::Null);
    let root = first.split('/').nth(1).unwrap();
    for answer in [&second, &third] {
        assert!(answer.ends_with(&format!("?thread_ts={root}")), "{first} {answer}");
    }

    // A long text is a file below its beginning.
    let long = "A line that is one of very many.\n".repeat(1000);
    save(&daemon, "long", &long, &json!([{ "type": "slack", "channel": "general" }]));
    let receipt = delivered(&daemon, "long", &Value::Null);
    let ts = receipt.split('/').nth(1).unwrap();
    assert!(ts.chars().all(|c| c.is_ascii_digit() || c == '.'), "all of it got there: {receipt}");
    let files = ask(server.port, "POST", "/api/files.list", Some(&json!({})));
    assert_eq!(files["files"].as_array().unwrap().len(), 1, "{files}");
    assert_eq!(files["files"][0]["size"], long.len());

    save(&daemon, "hook", &long, &json!([{ "type": "slack", "url_env": "SLACK_URL" }]));
    let before = history(&server, &receipt).len();
    assert_eq!(delivered(&daemon, "hook", &Value::Null), "200 OK");
    assert_eq!(history(&server, &receipt).len(), before + 1);

    save(&daemon, "nowhere", "hello", &json!([{ "type": "slack", "channel": "#no-such-channel" }]));
    let error = refused(&daemon, "nowhere");
    assert!(error.starts_with("Slack refuses `chat.postMessage`: channel_not_found: is there"), "{error}");
    assert!(!daemon.log().contains(TOKEN));
}

#[test]
fn a_bot_that_is_too_fast_or_may_not_share_files_still_says_all() {
    let home = Home::new();
    let receiver = Receiver::start(|request, before, stream| match (request.path.as_str(), before) {
        ("/api/chat.postMessage", 0) => answer(stream, "429 Too Many Requests\r\nRetry-After: 1", ""),
        ("/api/chat.postMessage", 2) => answer(stream, "200 OK", r#"{"ok": false, "error": "ratelimited"}"#),
        ("/api/chat.postMessage", _) => {
            answer(stream, "200 OK", &format!(r#"{{"ok": true, "channel": "C1", "ts": "1.{before}"}}"#));
        }
        _ => answer(stream, "200 OK", r#"{"ok": false, "error": "missing_scope", "needed": "files:write"}"#),
    });
    let daemon = start(&home, receiver.port);
    let output = json!([{ "type": "slack", "channel": "#general", "retry": { "backoff": 0.01 } }]);
    save(&daemon, "long", &"A line that is one of very many.\n".repeat(1000), &output);
    let deliveries = settled(&daemon, &run(&daemon, "long", &Value::Null));
    assert_eq!(
        (&deliveries[0]["state"], &deliveries[0]["attempts"]),
        (&json!("delivered"), &json!(2)),
        "{deliveries:?}"
    );
    let receipt = deliveries[0]["receipt"].as_str().unwrap();
    assert!(receipt.starts_with("C1/1.1 (message 2 is missing: Slack refuses"), "{receipt}");
    let got = receiver.got("/api/chat.postMessage");
    let body = |index: usize| serde_json::from_str::<Value>(&got[index].body).unwrap();
    assert_eq!((&body(1)["channel"], &body(2)["thread_ts"]), (&json!("#general"), &json!("1.1")));
    assert_eq!(got[0].headers["authorization"], format!("Bearer {TOKEN}"));
}

#[test]
fn a_thread_that_is_gone_begins_anew() {
    let home = Home::new();
    let receiver = Receiver::start(|request, before, stream| {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let gone = r#"{"ok": false, "error": "thread_not_found"}"#.to_owned();
        let posted = format!(r#"{{"ok": true, "channel": "C1", "ts": "1.{before}"}}"#);
        answer(stream, "200 OK", &if body["thread_ts"].is_null() { posted } else { gone });
    });
    let daemon = start(&home, receiver.port);
    save(&daemon, "a", "hello", &json!([{ "type": "slack", "channel": "#general", "thread": "job" }]));
    assert_eq!(delivered(&daemon, "a", &Value::Null), "C1/1.0");
    assert_eq!(delivered(&daemon, "a", &Value::Null), "C1/1.2");
    assert!(receiver.got("/api/chat.postMessage")[1].body.contains(r#""thread_ts":"1.0""#));
}
