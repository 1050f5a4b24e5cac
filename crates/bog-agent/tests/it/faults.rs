//! Providers that are busy, broken, refuse or talk nonsense.

use crate::support::{Server, World, answer, events, go, notes, results};
use bog_agent::agent::{Session, Told};
use bog_agent::session::{Report, Stop};
use serde_json::{Value, json};

fn chunk(delta: &Value, finish: Option<&str>) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

fn says(text: &str) -> String {
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}});
    events(&[
        chunk(&json!({"content": text}), None),
        chunk(&json!({}), Some("stop")),
        json!({"choices": [], "usage": usage}),
    ])
}

/// A turn against a server that gives these answers to OpenAI's API.
async fn against(answers: &[String]) -> (Report, Vec<Told>, Vec<String>) {
    let server = Server::bind().await;
    let mut world = World::new(&["openai:test"]);
    world.set("OPENAI_BASE_URL", &server.url);
    let mut session = Session::begin(world.opening()).await.unwrap();
    let turn = go(&mut session, "say hello");
    let ((report, told), requests) = tokio::join!(turn, server.answer(answers.to_vec()));
    (report, told, requests)
}

#[tokio::test]
async fn what_passes_is_tried_again_until_there_is_an_answer() {
    let busy = r#"{"error": {"message": "slow down"}}"#;
    let broken = events(&[chunk(&json!({"content": "hel"}), None)]);
    let answers = [
        answer("429 Too Many Requests", "Retry-After: 0\r\n", busy),
        answer("529 Overloaded", "", busy),
        answer("503 Service Unavailable", "", "<html>"),
        broken,
        String::new(),
        events(&[json!({"error": {"type": "server_error", "message": "the model crashed"}})]),
        says("hello"),
    ];
    let (report, told, requests) = against(&answers).await;
    assert_eq!((report.stop, report.text.as_deref()), (Some(Stop::Finished), Some("hello")));
    // The answer that broke off is a step too: it is paid for.
    assert_eq!((requests.len(), report.steps, notes(&told).len()), (7, 2, 6), "{:?}", notes(&told));
    assert!(notes(&told)[3].contains("broke off"), "{:?}", notes(&told));
    let usage = &report.usage[0];
    assert_eq!((usage.input_tokens, usage.cache_read_tokens, usage.output_tokens), (Some(6), Some(4), Some(2)));
}

#[tokio::test]
async fn a_quota_says_when_it_is_there_again() {
    let body = r#"{"error": {"message": "You hit your usage limit. It resets at 2027-01-01T00:00:00Z."}}"#;
    let (report, _, _) = against(&[answer("429 Too Many Requests", "", body)]).await;
    let Some(Stop::Quota { message, resets_at }) = report.stop else { panic!("{report:?}") };
    assert_eq!(resets_at.as_deref(), Some("2027-01-01T00:00:00Z"));
    assert!(message.contains("`openai:test`") && message.contains("usage limit"), "{message}");
}

#[tokio::test]
async fn a_wrong_key_is_not_tried_again() {
    let (report, _, requests) =
        against(&[answer("401 Unauthorized", "", r#"{"error": {"message": "bad key"}}"#)]).await;
    let Some(Stop::Failed { message }) = report.stop else { panic!("{report:?}") };
    assert_eq!((message.as_str(), requests.len()), ("`openai:test`: 401: bad key; check the provider's key", 1));
}

#[tokio::test]
async fn a_conversation_that_does_not_fit_is_shortened() {
    let call = json!({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "ls", "arguments": "{}"}}]});
    let too_long = r#"{"error": {"code": "context_length_exceeded", "message": "too long"}}"#;
    let answers = [
        events(&[chunk(&call, Some("tool_calls"))]),
        answer("400 Bad Request", "", too_long),
        says("looked at the folder"),
        says("hello"),
    ];
    let (report, _, requests) = against(&answers).await;
    assert_eq!(report.text.as_deref(), Some("hello"));
    assert!(requests[2].contains("[result of ls] a.txt 6"), "{}", requests[2]);
    assert!(requests[3].contains("looked at the folder") && !requests[3].contains("tool_call_id"));
}

#[tokio::test]
async fn malformed_arguments_are_told_to_the_model() {
    let call =
        json!({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "read", "arguments": "{\"path\": \"a"}}]});
    let (report, told, requests) = against(&[events(&[chunk(&call, Some("tool_calls"))]), says("sorry")]).await;
    assert_eq!(report.text.as_deref(), Some("sorry"));
    assert!(results(&told)[0].1 && results(&told)[0].0.contains("no JSON object"), "{:?}", results(&told));
    assert!(requests[1].contains("nothing was done"), "the model is told");
}

#[tokio::test]
async fn refusals_and_silence_are_named() {
    let refusal = [chunk(&json!({"refusal": "I will not."}), None), chunk(&json!({}), Some("stop"))];
    let (report, _, _) = against(&[events(&refusal)]).await;
    assert_eq!(report.stop, Some(Stop::Refused { message: "I will not.".to_owned() }));
    let silence = events(&[chunk(&json!({}), Some("stop"))]);
    let (report, _, requests) = against(&[silence.clone(), silence]).await;
    assert_eq!(report.stop, Some(Stop::Failed { message: "the model said nothing".to_owned() }));
    assert_eq!(
        (requests.len(), report.steps, report.usage[0].input_tokens),
        (2, 2, None),
        "it was paid for all the same"
    );
}

#[tokio::test]
async fn anthropics_cache_is_used_and_counted() {
    let server = Server::bind().await;
    let mut world = World::new(&["anthropic:claude-sonnet-4-5"]);
    world.set("ANTHROPIC_API_KEY", "the-secret-key");
    world.set("ANTHROPIC_BASE_URL", &server.url);
    world.settings.effort = Some("medium".to_owned());
    let usage = json!({"input_tokens": 3, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 2000, "output_tokens": 1});
    let thinking = |delta: Value| json!({"type": "content_block_delta", "index": 0, "delta": delta});
    let first = events(&[
        json!({"type": "message_start", "message": {"usage": usage}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}),
        thinking(json!({"type": "thinking_delta", "thinking": "Let me see."})),
        thinking(json!({"type": "signature_delta", "signature": "c2lnbmF0dXJl"})),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t1", "name": "ls"}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 40}}),
        json!({"type": "message_stop"}),
    ]);
    let overloaded =
        events(&[json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})]);
    let last = events(&[
        json!({"type": "message_start", "message": {"usage": usage}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "done"}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
        json!({"type": "message_stop"}),
    ]);
    let mut session = Session::begin(world.opening()).await.unwrap();
    let ((report, _), requests) = tokio::join!(go(&mut session, "look"), server.answer([first, overloaded, last]));
    assert_eq!(report.text.as_deref(), Some("done"));
    let used = &report.usage[0];
    assert_eq!((used.input_tokens, used.output_tokens), (Some(6), Some(42)));
    assert_eq!((used.cache_read_tokens, used.cache_write_tokens), (Some(4000), Some(200)));
    let cost = (6.0 * 3.0 + 42.0 * 15.0 + 4000.0 * 0.3 + 200.0 * 3.75) / 1e6;
    assert!((used.cost_usd.unwrap() - cost).abs() < 1e-12);
    let body = |request: &str| serde_json::from_str::<Value>(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    let (first, last) = (body(&requests[0]), body(&requests[2]));
    assert_eq!(first["system"][0]["cache_control"]["type"], "ephemeral");
    assert_eq!(first["thinking"]["budget_tokens"], 4096);
    assert_eq!(last["messages"][1]["content"][0]["signature"], "c2lnbmF0dXJl", "thoughts are given back as they came");
    assert_eq!(last["messages"][2]["content"][0]["cache_control"]["type"], "ephemeral");
    assert!(!requests[0].contains("the-secret-key") || requests[0].contains("x-api-key: the-secret-key"));
}

#[tokio::test]
async fn another_provider_is_asked_where_one_fails() {
    let (first, second) = (Server::bind().await, Server::bind().await);
    let mut world = World::new(&["anthropic:claude-sonnet-4-5", "openai:gpt-4o"]);
    world.set("ANTHROPIC_API_KEY", "k");
    world.set("ANTHROPIC_BASE_URL", &first.url);
    world.set("OPENAI_BASE_URL", &second.url);
    let used_up = answer("400 Bad Request", "", r#"{"error": {"message": "Your credit balance is too low"}}"#);
    let mut session = Session::begin(world.opening()).await.unwrap();
    let ((report, told), _, requests) =
        tokio::join!(go(&mut session, "say hello"), first.answer([used_up]), second.answer([says("hello")]));
    assert_eq!(report.text.as_deref(), Some("hello"));
    assert_eq!(report.usage[0].model, "openai:gpt-4o", "what was really used");
    assert!(requests[0].contains(r#""model":"gpt-4o""#));
    assert!(notes(&told)[0].contains("asking `openai:gpt-4o` instead"), "{:?}", notes(&told));
}

#[tokio::test]
async fn what_stands_at_a_url_is_fetched_where_that_is_allowed() {
    let server = Server::bind().await;
    let mut world = World::new(&["scripted:../script.jsonl"]);
    let fetch = |path: &str| json!({"name": "fetch", "arguments": {"url": format!("{}{path}", server.url)}});
    let script = [
        json!({"calls": [fetch("/page"), fetch("/gone"), {"name": "fetch", "arguments": {"url": "file:///etc/passwd"}}]}),
    ];
    let script: Vec<String> = script.iter().chain(&[json!({"text": "done"})]).map(ToString::to_string).collect();
    std::fs::write(world.folder.path().join("script.jsonl"), script.join("\n")).unwrap();
    world.settings.fetch = true;
    let mut session = Session::begin(world.opening()).await.unwrap();
    let answers = [answer("200 OK", "", "a page"), answer("404 Not Found", "", "nothing")];
    let ((report, told), requests) = tokio::join!(go(&mut session, "fetch"), server.answer(answers));
    assert_eq!((report.stop, requests.len()), (Some(Stop::Finished), 2));
    let results = results(&told);
    assert_eq!(results[0], ("a page", false));
    assert!(results[1].1 && results[1].0.starts_with("404 Not Found\nnothing"), "{results:?}");
    assert!(results[2].1 && results[2].0.contains("no http or https URL"), "{results:?}");
}
