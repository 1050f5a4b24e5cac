//! Making, changing and deleting jobs, firing them, cancelling and running again: once, by whom, and over what.

use super::fixture::Api;
use serde_json::{Value, json};

#[tokio::test]
async fn a_made_job_has_a_place_and_a_revision() {
    let api = Api::new();
    let body = json!({ "name": "Morning Brief", "agent": { "command": ["true"] } }).to_string();
    let made = api.ask("POST", "/jobs", &[("x-bog-client", "cli")], &body).await;
    assert_eq!((made.status, made.header("location"), made.header("etag")), (201, "/jobs/morning-brief", "\"1\""));
    assert!(api.folder.path().join("jobs/morning-brief.yaml").exists());
    let taken = api.ask("POST", "/jobs", &[], &body).await;
    assert_eq!(taken.status, 409, "{taken:?}");
    let patch = json!({ "prompt": "x", "max_runs": 5 }).to_string();
    let merge = [("content-type", "application/merge-patch+json")];
    let patched = api.ask("PATCH", "/jobs/morning-brief", &merge, &patch).await;
    assert_eq!((patched.status, patched.header("etag")), (200, "\"2\""), "{patched:?}");
    assert_eq!(patched.json()["max_runs"], 5);
    let cleared = api.ask("PATCH", "/jobs/morning-brief", &merge, r#"{"max_runs":null}"#).await;
    assert!(cleared.of(200).get("max_runs").is_none());
    let revisions = api.get("/jobs/morning-brief/revisions?limit=2").await.of(200);
    let authors: Vec<&str> =
        revisions["items"].as_array().unwrap().iter().map(|r| r["author"].as_str().unwrap()).collect();
    assert_eq!(authors, ["api", "api"]);
    let rest = format!("/jobs/morning-brief/revisions?cursor={}", revisions["next"].as_str().unwrap());
    let rest = api.get(&rest).await.of(200);
    assert_eq!(
        (&rest["items"][0]["author"], &rest["items"][0]["revision"], &rest["next"]),
        (&json!("cli"), &json!(1), &Value::Null)
    );
}

/// A job's text as only a person writes it.
const BY_HAND: &str = "# why: the weekly report\nagent:   {command: [echo, one]}  # cheap\n\ntriggers: []\n";

#[tokio::test]
async fn a_text_is_kept_as_it_is() {
    let api = Api::new();
    let yaml = [("content-type", "application/yaml"), ("idempotency-key", "k")];
    let made = api.ask("POST", "/jobs?id=report", &yaml, BY_HAND).await;
    assert_eq!((made.status, made.header("location")), (201, "/jobs/report"), "{made:?}");
    let file = api.folder.path().join("jobs/report.yaml");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), BY_HAND);
    assert_eq!(api.ask("POST", "/jobs?id=report", &yaml, BY_HAND).await.status, 201);
    assert_eq!(api.ask("POST", "/jobs?id=other", &yaml, BY_HAND).await.status, 422, "another request under the key");
    let read = api.ask("GET", "/jobs/report", &[("accept", "application/yaml")], "").await;
    assert_eq!((read.header("content-type"), read.text.as_str()), ("application/yaml", BY_HAND));
    let two = BY_HAND.replace("one", "two");
    let change = [("content-type", "application/yaml"), ("if-match", read.header("etag"))];
    let put = api.ask("PUT", "/jobs/report", &change, &two).await;
    assert_eq!((put.status, put.header("etag")), (200, "\"2\""), "{put:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), two);
    assert_eq!(api.ask("PUT", "/jobs/report", &change, BY_HAND).await.status, 409, "that was the first text");
    let bad = api.ask("PUT", "/jobs/report", &change[..1], "agent: {command: [echo]}\npromt: x\n").await;
    assert_eq!((bad.status, &bad.json()["field"]), (422, &json!("promt")), "{bad:?}");
    assert!(bad.json()["detail"].as_str().unwrap().starts_with("line 2, column 1: "), "{bad:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), two);
}

#[tokio::test]
async fn a_text_names_its_job() {
    let api = Api::new();
    let yaml = [("content-type", "application/yaml; charset=utf-8")];
    for (query, name, id) in [("", "id: a\nname: B\n", "a"), ("?id=c", "name: B\n", "c"), ("", "name: B\n", "b")] {
        let made = api.ask("POST", &format!("/jobs{query}"), &yaml, &format!("{name}prompt: hello\n")).await;
        assert_eq!(made.of(201)["id"], id, "{made:?}");
    }
}

#[tokio::test]
async fn a_change_to_another_revision_is_refused() {
    let api = Api::new();
    let spec = api.job("j", json!({})).await;
    let spec = json!({ "agent": spec["agent"], "name": "New" }).to_string();
    let put = api.ask("PUT", "/jobs/j", &[("if-match", "\"1\"")], &spec).await;
    assert_eq!((put.status, put.header("etag")), (200, "\"2\""), "{put:?}");
    for (method, body) in [("PUT", spec.as_str()), ("PATCH", "{}"), ("DELETE", "")] {
        let stale = api.ask(method, "/jobs/j", &[("if-match", "\"1\"")], body).await;
        assert_eq!(stale.status, 412, "{method} {stale:?}");
        let bad = api.ask(method, "/jobs/j", &[("if-match", "one")], body).await;
        assert_eq!((bad.status, &bad.json()["field"]), (400, &json!("If-Match")));
    }
    assert_eq!(api.ask("DELETE", "/jobs/j", &[("if-match", "\"2\"")], "").await.status, 204);
    assert_eq!(api.get("/jobs/j").await.status, 404);
    assert_eq!(api.ask("DELETE", "/jobs/j", &[], "").await.status, 404);
}

#[tokio::test]
async fn jobs_are_paged_by_id() {
    let api = Api::new();
    for id in ["c", "a", "b"] {
        api.job(id, json!({})).await;
    }
    let first = api.get("/jobs?limit=2").await.of(200);
    let ids = |page: &Value| page["items"].as_array().unwrap().iter().map(|job| job["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&first), ["a", "b"]);
    let second = api.get(&format!("/jobs?limit=2&cursor={}", first["next"].as_str().unwrap())).await.of(200);
    assert_eq!((ids(&second), &second["next"]), (vec![json!("c")], &Value::Null));
}

#[tokio::test]
async fn a_repeated_creation_is_one_job() {
    let api = Api::new();
    let key = [("idempotency-key", "k1")];
    let body = json!({ "id": "j", "agent": { "command": ["true"] } }).to_string();
    let first = api.ask("POST", "/jobs", &key, &body).await;
    let again = api.ask("POST", "/jobs", &key, &body).await;
    assert_eq!((first.status, again.status, again.header("location")), (201, 201, "/jobs/j"));
    assert_eq!(first.text, again.text);
    let other = api.ask("POST", "/jobs", &key, &body.replace("\"j\"", "\"k\"")).await;
    assert_eq!((other.status, &other.json()["type"]), (422, &json!("/problems/key-reused")));
    assert_eq!(api.get("/jobs").await.json()["items"].as_array().unwrap().len(), 1);
    let together = json!({ "id": "twice", "agent": { "command": ["true"] } }).to_string();
    let key = [("idempotency-key", "k2")];
    let (one, two) = tokio::join!(api.ask("POST", "/jobs", &key, &together), api.ask("POST", "/jobs", &key, &together));
    assert_eq!((one.status, two.status), (201, 201), "{one:?} {two:?}");
    api.ask("DELETE", "/jobs/j", &[], "").await;
    let deleted = api.ask("POST", "/jobs", &[("idempotency-key", "k1")], &body).await;
    assert_eq!(deleted.status, 409, "{deleted:?}");
}

#[tokio::test]
async fn a_repeated_fire_is_one_run() {
    let api = Api::new();
    api.job("j", json!({})).await;
    let key = [("idempotency-key", "k")];
    let first = api.ask("POST", "/jobs/j/run", &key, r#"{"payload":1}"#).await;
    let again = api.ask("POST", "/jobs/j/run", &key, r#"{"payload":1}"#).await;
    assert_eq!((first.status, again.status), (202, 202));
    assert_eq!(first.text, again.text);
    assert_eq!(first.header("location"), format!("/runs/{}", first.json()["run_id"].as_str().unwrap()));
    assert_eq!(api.ask("POST", "/jobs/j/run", &key, r#"{"payload":2}"#).await.status, 422);
    assert_eq!(api.get("/runs").await.json()["items"].as_array().unwrap().len(), 1);
    let bad = api.ask("POST", "/jobs/j/run", &[("idempotency-key", "")], "").await;
    assert_eq!(bad.status, 400, "{bad:?}");
}

#[tokio::test]
async fn a_refused_fire_may_come_again_under_its_key() {
    let api = Api::new();
    api.job("full", json!({ "max_queued": 1 })).await;
    let running = api.fire("full").await;
    api.claim(running).await;
    let waiting = api.fire("full").await;
    let key = [("idempotency-key", "k")];
    assert_eq!(api.ask("POST", "/jobs/full/run", &key, "").await.status, 429);
    api.post(&format!("/runs/{waiting}/cancel"), &Value::Null).await.of(200);
    assert_eq!(api.ask("POST", "/jobs/full/run", &key, "").await.status, 202);
}

#[tokio::test]
async fn what_a_fire_by_hand_comes_to_is_said() {
    let api = Api::new();
    api.job("full", json!({ "max_queued": 1 })).await;
    let run = api.fire("full").await;
    api.claim(run).await;
    api.fire("full").await;
    let full = api.post("/jobs/full/run", &Value::Null).await;
    assert_eq!((full.status, &full.json()["type"]), (429, &json!("/problems/queue-full")), "{full:?}");
    assert_ne!(full.header("retry-after"), "");
    api.job("skips", json!({ "overlap": "skip" })).await;
    api.fire("skips").await;
    let skipped = api.post("/jobs/skips/run", &Value::Null).await.of(202);
    assert_eq!(
        (&skipped["disposition"], &skipped["reason"], &skipped["run_id"]),
        (&json!("skipped"), &json!("overlap"), &Value::Null)
    );
    api.inbox.drain();
    let draining = api.post("/jobs/skips/run", &Value::Null).await;
    assert_eq!((draining.status, &draining.json()["type"]), (503, &json!("/problems/draining")), "{draining:?}");
    assert_ne!(draining.header("retry-after"), "");
    assert_eq!(api.get("/readyz").await.status, 503);
}

#[tokio::test]
async fn a_rerun_has_the_event_and_the_first_fire_as_its_cause() {
    let api = Api::new();
    api.job("j", json!({})).await;
    let first = api.post("/jobs/j/run", &json!({ "payload": { "number": 7 } })).await.of(202);
    let run = first["run_id"].as_str().unwrap();
    let again = api.post(&format!("/runs/{run}/rerun"), &Value::Null).await;
    let fired = again.of(202);
    assert_ne!(fired["fire_id"], first["fire_id"]);
    let fires = api.get("/fires?limit=1").await.of(200);
    assert_eq!(fires["items"][0]["id"], fired["fire_id"]);
    assert_eq!(fires["items"][0]["cause"]["fire"], first["fire_id"]);
    assert_eq!(fires["items"][0]["context"]["payload"], json!({ "number": 7 }));
    // A run that asks for it makes it as deep as what else it causes; the first fire stays the one that it is for.
    let caused = [("x-bog-cause", "-;depth=1"), ("x-bog-cause", "-;depth=3")];
    api.ask("POST", &format!("/runs/{run}/rerun"), &caused, "").await.of(202);
    let fires = api.get("/fires?limit=1").await.of(200);
    assert_eq!(fires["items"][0]["cause"], json!({ "fire": first["fire_id"], "depth": 3 }));
}

#[tokio::test]
async fn cancelling_says_whether_it_is_over() {
    let api = Api::new();
    api.job("j", json!({})).await;
    let (running, waiting) = (api.fire("j").await, api.fire("j").await);
    let claim = api.claim(running).await;
    let asked = api.post(&format!("/runs/{running}/cancel"), &Value::Null).await;
    assert_eq!((asked.status, &asked.json()["state"]), (202, &json!("running")));
    let path = format!("/runs/{waiting}/cancel");
    assert_eq!(api.post(&path, &json!({ "reason": "x".repeat(1001) })).await.status, 422);
    assert_eq!(api.post(&path, &json!({ "why": "x" })).await.status, 422);
    let over = api.post(&path, &json!({ "reason": "wrong branch" })).await;
    assert_eq!((over.status, &over.json()["outcome"]), (200, &json!("cancelled")));
    assert_eq!(over.json()["error"], "cancelled by hand: wrong branch");
    api.finish(claim, "", 0).await;
    assert_eq!(api.post(&format!("/runs/{running}/cancel"), &Value::Null).await.status, 409);
}

#[tokio::test]
async fn lists_are_filtered_paged_and_short() {
    let api = Api::new();
    api.job("a", json!({})).await;
    api.job("b", json!({})).await;
    let run = api.fire("a").await;
    let claim = api.claim(run).await;
    let long = "ö".repeat(5000);
    api.finish(claim, &long, 25).await;
    let newer = [api.fire("a").await, api.fire("b").await, api.fire("b").await];
    let ids = |page: &Value| {
        page["items"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let page = api.get("/runs?limit=2").await.of(200);
    assert_eq!(ids(&page), [newer[2].to_string(), newer[1].to_string()]);
    let rest = api.get(&format!("/runs?limit=2&cursor={}", page["next"].as_str().unwrap())).await.of(200);
    assert_eq!(ids(&rest), [newer[0].to_string(), run.to_string()]);
    assert_eq!(rest["next"], Value::Null);
    let finished = api.get("/runs?job=a&state=finished&outcome=succeeded&since=2020-01-01T00:00:00Z").await.of(200);
    assert_eq!(ids(&finished), [run.to_string()]);
    assert!(ids(&api.get("/runs?until=2020-01-01T00:00:00Z").await.of(200)).is_empty());
    let item = &finished["items"][0];
    assert!(item["output"].as_str().unwrap().len() <= 4096 && item.get("deliveries").is_none());
    let errors = item["dispatch_errors"].as_array().unwrap();
    assert_eq!((errors.len(), &errors[20]["target"]), (21, &json!("(overflow)")));
    let whole = api.get(&format!("/runs/{run}")).await.of(200);
    assert_eq!(whole["output"], json!(long));
    assert_eq!(whole["dispatch_errors"], item["dispatch_errors"]);
    assert_eq!(api.get("/fires?job=b&disposition=run").await.of(200)["items"].as_array().unwrap().len(), 2);
    api.ask("DELETE", "/jobs/b", &[], "").await;
    assert_eq!(api.get("/jobs/b/fires").await.of(200)["items"].as_array().unwrap().len(), 2);
    assert_eq!(api.get("/jobs/never/fires").await.status, 404);
}
