//! Every JSON answer and the whole OpenAPI document under a snapshot, and old samples of every shape that must load.

use super::fixture::{Api, tidy};
use bog_agents_daemon::api::wire;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::Path;

async fn api() -> Api {
    let api = Api::new();
    let more = json!({
        "name": "Morning brief",
        "triggers": [
            { "type": "cron", "cron": "0 9 * * 1-5", "timezone": "UTC" },
            { "type": "webhook", "path": "/hooks/x", "secret_env": "X_SECRET" }
        ],
        "outputs": [{ "type": "log" }]
    });
    api.job("brief", more).await;
    api
}

#[tokio::test]
async fn jobs() {
    let api = api().await;
    insta::assert_json_snapshot!("job", tidy(api.get("/jobs/brief").await.of(200)));
    insta::assert_json_snapshot!("jobs", tidy(api.get("/jobs").await.of(200)));
    insta::assert_json_snapshot!("revisions", tidy(api.get("/jobs/brief/revisions").await.of(200)));
}

#[tokio::test]
async fn fires_and_runs() {
    let api = api().await;
    let fired = api.post("/jobs/brief/run", &json!({ "payload": { "number": 7 } })).await.of(202);
    insta::assert_json_snapshot!("fired", tidy(fired.clone()));
    let run = fired["run_id"].as_str().unwrap();
    insta::assert_json_snapshot!("fires", tidy(api.get("/fires").await.of(200)));
    insta::assert_json_snapshot!("run_queued", tidy(api.get(&format!("/runs/{run}")).await.of(200)));
    let claim = api.claim(run.parse().unwrap()).await;
    api.finish(claim, "done", 1).await;
    insta::assert_json_snapshot!("run_finished", tidy(api.get(&format!("/runs/{run}")).await.of(200)));
    insta::assert_json_snapshot!("runs", tidy(api.get("/jobs/brief/runs").await.of(200)));
    let explained = api.get("/jobs/brief/explain").await.of(200);
    assert_eq!(explained["fires"].as_array().unwrap().len(), 1);
    let told = explained["answer"].to_string();
    assert!(told.contains("the fire by hand of") && told.contains("succeeded"), "{told}");
}

#[tokio::test]
async fn deliveries() {
    let api = api().await;
    let run = api.fire("brief").await;
    let claim = api.claim(run).await;
    api.finish(claim, "done", 2).await;
    let all = api.get(&format!("/deliveries?job=brief&run={run}&state=gave_up")).await.of(200);
    let newest = all["items"][0]["id"].as_str().unwrap().to_owned();
    insta::assert_json_snapshot!("deliveries", tidy(all));
    assert_eq!(api.get("/deliveries?state=delivered").await.of(200)["items"], json!([]));
    let first = api.get("/deliveries?limit=1").await.of(200);
    let rest = api.get(&format!("/deliveries?cursor={}", first["next"].as_str().unwrap())).await.of(200);
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
    assert_eq!(api.get(&format!("/deliveries/{newest}")).await.of(200), first["items"][0]);
    let again = api.post(&format!("/deliveries/{newest}/redeliver"), &Value::Null).await.of(202);
    assert_eq!((&again["state"], &again["attempts"]), (&json!("pending"), &json!(0)));
    insta::assert_json_snapshot!("redelivered", tidy(again));
    for (method, path) in
        [("GET", "/deliveries/7"), ("POST", "/deliveries/7/redeliver"), ("POST", "/jobs/x/outputs/test")]
    {
        assert_eq!(api.ask(method, path, &[], "").await.status, 404, "{path}");
    }
    assert_eq!(api.get("/deliveries?run=7").await.status, 400);
    let lost = api.get("/health").await.of(200);
    assert_eq!((&lost["deliveries_lost"], &lost["deliveries_pending"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn outputs_tested() {
    let api = api().await;
    std::fs::create_dir(api.folder.path().join("home")).unwrap();
    let file = |path: String| json!({ "type": "file", "mode": "replace", "path": path });
    let home = api.folder.path().join("home/report.md");
    let outputs =
        json!({ "outputs": [{ "type": "log" }, file("/etc/x".to_owned()), file(home.display().to_string())] });
    api.job("told", outputs).await;
    std::fs::write(&home, "real").unwrap();
    let folder = api.folder.path().display().to_string();
    let tests = api.post("/jobs/told/outputs/test", &Value::Null).await.of(200).to_string().replace(&folder, "FOLDER");
    let tests: Value = serde_json::from_str(&tests).unwrap();
    assert_eq!(std::fs::read_to_string(&home).unwrap(), "real", "a sample replaces nothing");
    let sample = std::fs::read_to_string(home.with_extension("md.sample")).unwrap();
    assert!(sample.starts_with("[sample] "), "{sample}");
    insta::assert_json_snapshot!("outputs_tested", tidy(tests));
    assert_eq!(api.get("/deliveries").await.of(200)["items"], json!([]), "nothing is recorded");
}

#[tokio::test]
async fn slots_to_come() {
    let api = api().await;
    let slots = api.get("/jobs/brief/next?count=3").await.of(200);
    assert_eq!(slots["items"].as_array().unwrap().len(), 3);
    for slot in slots["items"].as_array().unwrap() {
        let at: jiff::Timestamp = slot["at"].as_str().unwrap().parse().unwrap();
        assert_eq!(at.strftime("%T").to_string(), "09:00:00");
    }
    insta::assert_json_snapshot!("next", tidy(slots));
    api.post("/jobs/brief/disable", &Value::Null).await.of(200);
    insta::assert_json_snapshot!("next_disabled", tidy(api.get("/jobs/brief/next").await.of(200)));
    api.job("by-hand", json!({})).await;
    insta::assert_json_snapshot!("next_by_hand", tidy(api.get("/jobs/by-hand/next").await.of(200)));
}

#[tokio::test]
async fn what_a_job_really_gets() {
    let api = api().await;
    insta::assert_json_snapshot!("effective", tidy(api.get("/jobs/brief/effective").await.of(200)));
    let more = json!({
        "working_dir": "~/src", "secrets": ["GITHUB_TOKEN"], "limits": { "cpu": 1.5, "cpu_seconds": 60 },
        "sandbox": { "mode": "best_effort", "shell": "host", "network": "full", "write": ["./out"], "read": ["/srv"] },
        "triggers": [{ "type": "webhook", "id": "hook", "path": "/hooks/x", "secret_env": "X_SECRET" }]
    });
    api.job("hooked", more).await;
    insta::assert_json_snapshot!("effective_hooked", tidy(api.get("/jobs/hooked/effective").await.of(200)));
    assert_eq!(api.get("/jobs/nothing/effective").await.status, 404);
}

#[tokio::test]
async fn the_daemon() {
    let api = api().await;
    insta::assert_json_snapshot!("health", tidy(api.get("/health").await.of(200)));
    api.problems.report("watcher", "the jobs folder cannot be read");
    let degraded = api.get("/health").await.of(200);
    assert_eq!(
        (&degraded["status"], &degraded["problems"][0]),
        (&json!("degraded"), &json!("the jobs folder cannot be read"))
    );
    api.problems.clear("watcher");
    insta::assert_json_snapshot!("drain", tidy(api.post("/drain", &Value::Null).await.of(202)));
    let old = api.token.expose();
    let answer = api.post("/admin/rotate-token", &Value::Null).await;
    assert_eq!(answer.of(200)["token"], json!(api.token.expose()));
    assert_ne!(api.token.expose(), old);
    insta::assert_json_snapshot!("new_token", tidy(answer.json()));
}

#[tokio::test]
async fn metrics_in_both_forms() {
    let api = api().await;
    api.fire("brief").await;
    let text = api.get("/metrics").await;
    assert!(text.header("content-type").starts_with("application/openmetrics-text"), "{text:?}");
    for line in ["bog_fires_total{disposition=\"run\"} 1\n", "bog_runs_queued 1\n", "bog_jobs 1\n"] {
        assert!(text.text.contains(line), "{line} not in {}", text.text);
    }
    let samples = api.ask("GET", "/metrics", &[("accept", "application/json")], "").await.of(200);
    let queued = samples.as_array().unwrap().iter().find(|sample| sample["name"] == "bog_runs_queued").unwrap();
    insta::assert_json_snapshot!("metrics_sample", tidy(queued.clone()));
}

#[tokio::test]
async fn the_whole_document() {
    let document = Api::new().get("/openapi.json").await.of(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let known: Vec<&String> = document["components"]["schemas"].as_object().unwrap().keys().collect();
    for reference in references(&document) {
        let name = reference.strip_prefix("#/components/schemas/").unwrap();
        assert!(known.iter().any(|known| *known == name), "`{name}` is referred to and not there");
    }
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let mut ids: Vec<&str> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "every operation has an id of its own");
}

fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// Loads an old sample, and checks that nothing of it is lost.
fn loads<T: Serialize + DeserializeOwned>(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/samples/wire").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let sample: Value = serde_json::from_str(&text).unwrap();
    let loaded: T = serde_json::from_value(sample.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let again = serde_json::to_value(&loaded).unwrap();
    for (field, value) in sample.as_object().unwrap() {
        assert_eq!(&again[field], value, "`{field}` of {name}");
    }
}

#[test]
fn old_samples_of_every_shape_load() {
    loads::<wire::Job>("job.json");
    loads::<wire::List<wire::Run>>("runs.json");
    loads::<wire::Run>("run.json");
    loads::<wire::Run>("run-contained.json");
    loads::<wire::Fire>("fire.json");
    loads::<wire::FireByHand>("fire-by-hand.json");
    loads::<wire::CancelRun>("cancel-run.json");
    loads::<wire::Fired>("fired.json");
    loads::<wire::NextSlots>("next-slots.json");
    loads::<wire::NextSlots>("next-events.json");
    loads::<wire::HookFires>("hook-fires.json");
    loads::<wire::Effective>("effective.json");
    loads::<wire::Event>("event.json");
    loads::<wire::Revision>("revision.json");
    loads::<wire::Explanation>("explanation.json");
    loads::<wire::Delivery>("delivery.json");
    loads::<wire::OutputTests>("output-tests.json");
    loads::<wire::Health>("health.json");
    loads::<wire::NewToken>("new-token.json");
    loads::<wire::Problem>("problem.json");
}
