//! The stream of a run's events: before, during and after the run, and on from where a client lost it.

use super::fixture::Api;
use axum::body::{Body, BodyDataStream};
use axum::http::Request;
use bog_domain::ids::RunId;
use futures::StreamExt;
use serde_json::{Value, json};
use std::io::Write;
use std::time::Duration;
use tower::ServiceExt;

const PATIENCE: Duration = Duration::from_secs(30);

/// A stream being read.
struct Stream {
    body: BodyDataStream,
    text: String,
}

impl Stream {
    async fn open(api: &Api, run: RunId, last: Option<&str>) -> Self {
        let mut request = Request::builder().uri(format!("/runs/{run}/events"));
        request = request.header("authorization", format!("Bearer {}", api.token.expose()));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = api.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next message as `event`, `id` and data; `None` at the end.
    async fn next(&mut self) -> Option<(String, String, Value)> {
        loop {
            if let Some((message, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let line = message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    line.unwrap_or_default().to_owned()
                };
                let found = (field("event"), field("id"), serde_json::from_str(&field("data")).unwrap_or_default());
                self.text = rest.to_owned();
                return Some(found);
            }
            let piece =
                tokio::time::timeout(PATIENCE, self.body.next()).await.expect("something within the deadline")?;
            self.text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
        }
    }

    async fn event(&mut self) -> (String, Value) {
        let (event, id, data) = self.next().await.expect("an event");
        assert_eq!(event, "event");
        (id, data)
    }
}

fn write(api: &Api, run: RunId, attempt: u32, text: &str) {
    let dir = api.folder.path().join(format!("runs/{run}/{attempt}"));
    std::fs::create_dir_all(&dir).unwrap();
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("events.jsonl")).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn line(seq: u64, text: &str) -> String {
    let at = "2026-01-01T00:00:00Z";
    format!("{}\n", json!({ "seq": seq, "at": at, "kind": "stdout", "data": { "text": text } }))
}

#[tokio::test]
async fn a_run_is_followed_from_before_it_starts_to_its_end() {
    let api = Api::new();
    api.job("j", json!({})).await;
    let run = api.fire("j").await;
    let mut stream = Stream::open(&api, run, None).await;
    let claim = api.claim(run).await;
    write(&api, run, 1, &line(1, "one"));
    let (id, data) = stream.event().await;
    assert_eq!(id, "1-1");
    let expected =
        json!({ "attempt": 1, "seq": 1, "at": "2026-01-01T00:00:00Z", "kind": "stdout", "data": { "text": "one" } });
    assert_eq!(data, expected);
    let second = line(2, "two");
    write(&api, run, 1, &second[..second.len() / 2]);
    let third = line(3, "three");
    write(&api, run, 1, &format!("{}{third}", &second[second.len() / 2..]));
    assert_eq!(stream.event().await.0, "1-2");
    assert_eq!(stream.event().await.0, "1-3");
    write(&api, run, 1, "half a line");
    api.finish(claim, "done", 0).await;
    let (event, _, end) = stream.next().await.expect("the end");
    assert_eq!((event.as_str(), &end["outcome"], &end["output"]), ("end", &json!("succeeded"), &json!("done")));
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_client_goes_on_where_it_was() {
    let api = Api::new();
    api.job("j", json!({})).await;
    let run = api.fire("j").await;
    let claim = api.claim(run).await;
    write(&api, run, 1, &(line(1, "one") + &line(2, "two") + &line(3, "three")));
    api.finish(claim, "", 0).await;
    let mut stream = Stream::open(&api, run, Some("1-2")).await;
    assert_eq!(stream.event().await.0, "1-3");
    assert_eq!(stream.next().await.map(|(event, ..)| event).as_deref(), Some("end"));
    assert_eq!(stream.next().await, None);
    let path = format!("/runs/{run}/events");
    let bad = api.ask("GET", &path, &[("last-event-id", "seven")], "").await;
    assert_eq!((bad.status, &bad.json()["field"]), (400, &json!("Last-Event-ID")));
}

#[tokio::test]
async fn what_there_is_so_far_comes_with_the_run_as_it_is() {
    let api = Api::new();
    api.job("j", json!({})).await;
    let run = api.fire("j").await;
    let path = format!("/runs/{run}/events?follow=false");
    let queued = api.get(&path).await;
    assert!(queued.text.starts_with("event: end\n") && queued.text.contains("\"queued\""), "{queued:?}");
    api.claim(run).await;
    write(&api, run, 1, &(line(1, "one") + &line(2, "two")));
    let running = api.ask("GET", &path, &[("last-event-id", "1-1")], "").await.text;
    let messages: Vec<&str> = running.split_terminator("\n\n").collect();
    assert_eq!(messages.len(), 2, "{running}");
    assert!(messages[0].contains("id: 1-2") && messages[1].starts_with("event: end\n"), "{running}");
    assert!(messages[1].contains("\"running\""), "{running}");
}

#[tokio::test]
async fn a_run_that_never_ran_ends_at_once() {
    let api = Api::new();
    api.job("j", json!({})).await;
    let run = api.fire("j").await;
    api.post(&format!("/runs/{run}/cancel"), &Value::Null).await.of(200);
    let mut stream = Stream::open(&api, run, None).await;
    assert_eq!(
        stream.next().await.map(|(event, _, run)| (event, run["outcome"].clone())),
        Some(("end".to_owned(), json!("cancelled")))
    );
}

#[tokio::test]
async fn streams_end_when_the_daemon_stops() {
    let api = Api::new();
    api.job("j", json!({})).await;
    let run = api.fire("j").await;
    let mut stream = Stream::open(&api, run, None).await;
    api.stop.cancel();
    assert_eq!(stream.next().await, None);
}
