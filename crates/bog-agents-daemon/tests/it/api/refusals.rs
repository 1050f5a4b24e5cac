//! What is refused, and how it is said: problem+json that names the thing, what is allowed, and the next step.

use super::fixture::{Answer, Api, tidy};
use axum::body::Body;
use axum::http::Request;
use futures::stream;
use serde_json::{Value, json};
use std::convert::Infallible;

/// Method, path, headers and body of a request.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

/// The problem of an answer, in two lines.
fn told(what: &str, answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), "application/problem+json", "{what}: {answer:?}");
    let problem = tidy(answer.json());
    assert_eq!(problem["status"], answer.status);
    let field = problem.get("field").map(|field| format!(" [{}]", field.as_str().unwrap())).unwrap_or_default();
    format!(
        "{what}\n  {} {}{field}: {}",
        answer.status,
        problem["type"].as_str().unwrap(),
        problem["detail"].as_str().unwrap()
    )
}

#[tokio::test]
async fn every_refusal_says_what_to_do() {
    let api = Api::new();
    api.job("j", json!({})).await;
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let cases: &[Case<'_>] = &[
        ("GET", "/nothing", &[], ""),
        ("DELETE", "/runs", &[], ""),
        ("GET", "/jobs/none", &[], ""),
        ("GET", "/jobs/No%20Slug", &[], ""),
        ("GET", "/runs/none", &[], ""),
        ("GET", &format!("/runs/{id}"), &[], ""),
        ("POST", &format!("/runs/{id}/cancel"), &[], ""),
        ("POST", &format!("/runs/{id}/rerun"), &[], ""),
        ("GET", &format!("/runs/{id}/events"), &[], ""),
        ("GET", "/runs?limit=0", &[], ""),
        ("GET", "/runs?state=done", &[], ""),
        ("GET", "/runs?outcome=ok", &[], ""),
        ("GET", "/runs?disposition=run", &[], ""),
        ("GET", "/fires?disposition=ran", &[], ""),
        ("GET", "/fires?since=yesterday", &[], ""),
        ("GET", "/jobs/j/next?count=101", &[], ""),
        ("GET", "/jobs/j/explain?at=9", &[], ""),
        ("GET", "/health?verbose=1", &[], ""),
        ("POST", "/jobs", &[], ""),
        ("POST", "/jobs", &[], "{\"name\": \"x\",\n  nope}"),
        ("POST", "/jobs", &[], "[]"),
        ("POST", "/jobs", &[("content-type", "text/plain")], "name: x"),
        ("POST", "/jobs", &[("content-type", "application/yaml")], "name: x\nprompt: hello\nlimits: {memory: much}\n"),
        ("POST", "/jobs", &[("content-type", "application/yaml")], "name: x\npromt: hello\n"),
        ("POST", "/jobs?id=b", &[("content-type", "application/yaml")], "id: a\nagent: {command: ['true']}\n"),
        ("POST", "/jobs?id=b", &[], r#"{"agent":{"command":["true"]}}"#),
        ("PUT", "/jobs/j", &[("content-type", "application/yaml")], "agent: {command: []}\n"),
        ("POST", &format!("/runs/{id}/events"), &[], ""),
        ("GET", &format!("/runs/{id}/events?follow=no"), &[], ""),
        ("POST", "/jobs", &[], r#"{"naem":"x"}"#),
        ("POST", "/jobs", &[], r#"{"agent":{"command":["true"]}}"#),
        ("POST", "/jobs", &[], r#"{"id":"No Slug","agent":{"command":["true"]}}"#),
        (
            "POST",
            "/jobs",
            &[],
            r#"{"id":"x","agent":{"command":["true"]},"triggers":[{"type":"cron","cron":"61 * * * *"}]}"#,
        ),
        (
            "POST",
            "/jobs",
            &[],
            r#"{"id":"x","agent":{"command":["true"]},"triggers":[{"type":"cron","cron":"* * * * *","jiter":"1s"}]}"#,
        ),
        ("POST", "/jobs", &[], r#"{"id":"j","agent":{"command":["true"]}}"#),
        ("PATCH", "/jobs/j", &[], "[]"),
        ("PUT", "/jobs/j", &[], r#"{"id":"k","agent":{"command":["true"]}}"#),
        ("POST", "/jobs/j/run", &[], r#"{"paylod":1}"#),
        ("GET", "/health", &[("host", "evil.example")], ""),
    ];
    let mut all = Vec::new();
    for (method, path, headers, body) in cases {
        let answer = api.ask(method, path, headers, body).await;
        all.push(told(&format!("{method} {path} {body}"), &answer));
        if answer.status == 405 {
            assert_eq!(answer.header("allow"), "GET,HEAD");
        }
    }
    let all = all.join("\n").replace(&api.folder.path().display().to_string(), "[folder]");
    insta::assert_snapshot!("refusals", all);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused() {
    let api = Api::new();
    let body = json!({ "prompt": "x".repeat(1 << 20) }).to_string();
    let answer = api.ask("POST", "/jobs", &[], &body).await;
    assert_eq!((answer.status, answer.header("content-type")), (413, "application/problem+json"));
}

#[tokio::test]
async fn every_path_but_two_wants_the_token() {
    let api = Api::new();
    let document = api.get("/openapi.json").await.of(200);
    let mut open = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            for token in [None, Some("Bearer wrong"), Some("Basic eDp4")] {
                let mut request =
                    Request::builder().method(method.to_uppercase().as_str()).uri(path.replace("{id}", "j"));
                if let Some(token) = token {
                    request = request.header("authorization", token);
                }
                let answer = api.send(request.body(Body::empty()).unwrap()).await;
                if answer.status != 401 {
                    open.push(path.clone());
                    continue;
                }
                assert!(answer.header("www-authenticate").starts_with("Bearer"), "{answer:?}");
                told(path, &answer);
            }
        }
    }
    open.dedup();
    assert_eq!(open, ["/livez", "/readyz"]);
    for (method, path) in [("GET", "/nothing"), ("DELETE", "/runs")] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        assert_eq!(api.send(request).await.status, 401, "an unknown {path} tells nothing");
    }
}

#[tokio::test]
async fn the_token_is_wanted_before_the_body() {
    let api = Api::new();
    let endless = stream::pending::<Result<Vec<u8>, Infallible>>();
    let request = Request::builder().method("POST").uri("/jobs").body(Body::from_stream(endless)).unwrap();
    let answer = tokio::time::timeout(std::time::Duration::from_secs(20), api.send(request)).await;
    assert_eq!(answer.expect("an answer without the body").status, 401);
}

#[tokio::test]
async fn the_two_open_paths_say_yes_or_no() {
    let api = Api::new();
    for path in ["/livez", "/readyz"] {
        let answer = api.send(Request::builder().uri(path).body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "yes\n"));
    }
}

#[tokio::test]
async fn answers_carry_cheap_headers() {
    let api = Api::new();
    let answer = api.get("/health").await;
    assert_eq!((answer.header("x-content-type-options"), answer.header("cache-control")), ("nosniff", "no-store"));
    assert_ne!(answer.json(), Value::Null);
}
