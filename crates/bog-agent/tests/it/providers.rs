//! Every wire format, against a server of model APIs that others wrote: two tools called at once, their results told, and an
//! answer.

use crate::support::{Mock, World, results};
use bog_agent::session::Stop;
use serde_json::{Value, json};

fn fixtures() -> Value {
    json!({"fixtures": [
        {
            "match": {"userMessage": "look at the folder", "hasToolResult": false},
            "response": {"toolCalls": [{"name": "ls", "arguments": {}}, {"name": "read", "arguments": {"path": "a.txt"}}]},
        },
        {
            "match": {"userMessage": "look at the folder", "hasToolResult": true},
            "response": {"content": "There is a.txt, and it says hello. ".repeat(20)},
        },
    ]})
}

/// Goes through the two steps and returns what was asked.
async fn look(model: &str, variables: &[(&str, &str)]) -> Vec<Value> {
    let mut world = World::new(&[model]);
    let mock = Mock::start(world.folder.path(), &fixtures());
    for (name, value) in variables {
        world.set(name, &value.replace("MOCK", &mock.url));
    }
    let (report, told) = world.run("Please look at the folder.").await;
    assert_eq!(report.stop, Some(Stop::Finished), "{report:?}");
    assert_eq!(report.text, Some("There is a.txt, and it says hello. ".repeat(20)), "{model}");
    assert_eq!(results(&told), [("a.txt 6", false), ("1\thello\n", false)], "{model}");
    assert_eq!((report.steps, report.usage.len(), report.usage[0].model.as_str()), (2, 1, model));
    let requests = mock.requests().await;
    assert_eq!(requests.len(), 2, "{model}: nothing was tried twice");
    requests
}

#[tokio::test]
async fn anthropic_messages() {
    let requests =
        look("anthropic:claude-sonnet-4-5", &[("ANTHROPIC_API_KEY", "k"), ("ANTHROPIC_BASE_URL", "MOCK")]).await;
    assert_eq!(requests[0]["path"], "/v1/messages");
    assert_eq!(requests[0]["headers"]["x-api-key"], "[REDACTED]");
}

#[tokio::test]
async fn openai_chat_completions() {
    let requests = look("openai:gpt-4o", &[("OPENAI_API_KEY", "k"), ("OPENAI_BASE_URL", "MOCK/v1")]).await;
    assert_eq!(requests[1]["path"], "/v1/chat/completions");
    assert_eq!(requests[0]["headers"]["authorization"], "[REDACTED]");
}

#[tokio::test]
async fn openai_responses() {
    let requests = look("openai-responses:gpt-5", &[("OPENAI_API_KEY", "k"), ("OPENAI_BASE_URL", "MOCK/v1/")]).await;
    assert_eq!(requests[1]["path"], "/v1/responses");
}

#[tokio::test]
async fn bedrock_converse_with_a_signature() {
    let model = "bedrock:anthropic.claude-sonnet-4-20250514-v1:0";
    let variables = [
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "MOCK"),
    ];
    let requests = look(model, &variables).await;
    let path = requests[0]["path"].as_str().unwrap();
    assert!(
        path.starts_with("/model/anthropic.claude-sonnet-4-20250514-v1") && path.ends_with("/converse-stream"),
        "{path}"
    );
    assert!(requests[0]["headers"]["x-amz-date"].is_string());
}

#[tokio::test]
async fn bedrock_converse_with_an_api_key() {
    let model = "bedrock:amazon.nova-lite-v1:0";
    look(model, &[("AWS_BEARER_TOKEN_BEDROCK", "k"), ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "MOCK")]).await;
}

#[tokio::test]
async fn gemini() {
    let requests = look("gemini:gemini-2.5-flash", &[("GEMINI_API_KEY", "k"), ("GEMINI_BASE_URL", "MOCK")]).await;
    assert!(requests[0]["path"].as_str().unwrap().contains("gemini-2.5-flash:streamGenerateContent"));
}

#[tokio::test]
async fn ollama() {
    let requests = look("ollama:qwen3", &[("OLLAMA_HOST", "MOCK")]).await;
    assert_eq!(requests[0]["path"], "/api/chat");
}
