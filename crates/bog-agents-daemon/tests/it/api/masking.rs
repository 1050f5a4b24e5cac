//! No answer holds the value of a known secret, and what holds one is still JSON.

use super::fixture::{Answer, Api};
use bog_agents_daemon::api::TOKEN;
use serde_json::{Value, json};

const SECRET: &str = "nhunter2\"hunter2\\";

/// What only looks like the secret once its line break is escaped: it is left as it is.
const LOOKALIKE: &str = "\nhunter2\"hunter2\\";

/// An API that comes to know the secret only after everything was written down.
async fn api() -> (Api, String) {
    let api = Api::new();
    api.job("j", json!({ "name": format!("say {SECRET}"), "prompt": SECRET })).await;
    let run = api.fire("j").await;
    let claim = api.claim(run).await;
    let dir = api.folder.path().join(format!("runs/{run}/1"));
    std::fs::create_dir_all(&dir).unwrap();
    let event = json!({ "seq": 1, "at": "2026-01-01T00:00:00Z", "kind": "stdout", "data": { "text": SECRET } });
    std::fs::write(dir.join("events.jsonl"), format!("{event}\n")).unwrap();
    api.finish(claim, &format!("{SECRET} and {LOOKALIKE}"), 1).await;
    api.post("/jobs/j/run", &json!({ "payload": { SECRET: [SECRET] } })).await.of(202);
    api.problems.report("test", format!("no {SECRET}"));
    api.secrets.learn("KEY", &SECRET.into());
    (api, run.to_string())
}

fn clean(answer: &Answer) -> &Answer {
    let escaped = |text: &str| Value::from(text).to_string().trim_matches('"').to_owned();
    let text = answer.text.replace(&escaped(LOOKALIKE), "");
    assert!(!text.contains(SECRET) && !text.contains(&escaped(SECRET)), "the secret is told: {answer:?}");
    answer
}

#[tokio::test]
async fn whatever_is_asked_for_is_masked_and_still_json() {
    let (api, run) = api().await;
    let whole = clean(&api.get(&format!("/runs/{run}")).await).of(200);
    assert_eq!(whole["output"], format!("[KEY] and {LOOKALIKE}"));
    assert_eq!((&whole["job_name"], whole["deliveries"].as_array().unwrap().len()), (&json!("say [KEY]"), 1));
    let fires = clean(&api.get("/fires").await).of(200);
    assert_eq!(fires["items"][0]["context"]["payload"], json!({ "[KEY]": ["[KEY]"] }));
    assert_eq!(clean(&api.get("/jobs/j").await).of(200)["prompt"], "[KEY]");
    assert_eq!(clean(&api.get("/health").await).of(200)["problems"][0], "no [KEY]");
    for path in ["/runs", "/jobs", "/jobs/j/revisions", "/jobs/j/explain", "/jobs/j/next", "/metrics", "/openapi.json"]
    {
        assert_eq!(clean(&api.get(path).await).status, 200, "{path}");
    }
}

#[tokio::test]
async fn errors_are_masked_whatever_they_repeat() {
    let (api, _) = api().await;
    let detail = |answer: &Answer| clean(answer).json()["detail"].as_str().unwrap().to_owned();
    let encoded = "nhunter2%22hunter2%5C";
    assert!(detail(&api.get(&format!("/nothing/{encoded}")).await).contains("`/nothing/[KEY]`"));
    assert!(detail(&api.get(&format!("/jobs/{encoded}")).await).contains("`[KEY]`"));
    assert!(detail(&api.get(&format!("/runs?state={encoded}")).await).contains("[KEY]"));
    let unknown = api.post("/jobs", &json!({ "id": "x", SECRET: 1 })).await;
    assert_eq!((unknown.status, clean(&unknown).json()["field"].as_str()), (422, Some("[KEY]")));
}

#[tokio::test]
async fn events_are_masked_one_by_one() {
    let (api, run) = api().await;
    let answer = api.get(&format!("/runs/{run}/events")).await;
    let data: Vec<Value> = clean(&answer)
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    assert_eq!(data[0]["data"]["text"], "[KEY]");
    assert_eq!(data[1]["output"], format!("[KEY] and {LOOKALIKE}"));
}

#[tokio::test]
async fn what_is_edited_comes_as_it_is_and_a_new_token_too() {
    let (api, _) = api().await;
    let text = api.ask("GET", "/jobs/j", &[("accept", "application/yaml")], "").await;
    let saved = std::fs::read_to_string(api.folder.path().join("jobs/j.yaml")).unwrap();
    assert_eq!(text.text, saved);
    let old = api.token.expose();
    api.secrets.learn(TOKEN, &old.clone().into());
    let new = api.post("/admin/rotate-token", &Value::Null).await.of(200)["token"].as_str().unwrap().to_owned();
    assert_eq!(new, api.token.expose());
    // From then on neither is told.
    for token in [old, new] {
        let answer = api.get(&format!("/runs?state={token}")).await;
        assert!(answer.status == 400 && !answer.text.contains(&token) && answer.text.contains(TOKEN), "{answer:?}");
    }
}

#[tokio::test]
async fn an_answer_has_the_length_it_says() {
    let (api, run) = api().await;
    for path in [format!("/runs/{run}"), "/health".to_owned(), "/openapi.json".to_owned()] {
        let answer = api.get(&path).await;
        let length = answer.headers.get("content-length").map(|length| length.to_str().unwrap().to_owned());
        assert!(length.is_none_or(|length| length == answer.text.len().to_string()), "{path}: {:?}", answer.headers);
    }
}
