//! Google's Gemini API, streamed (ai.google.dev, "GenerateContent").
//!
//! It gives tool calls no ids: they get ones of ours. A thought's signature belongs to the part that follows it, and stands
//! before it as an opaque block.

use super::classify::in_stream;
use super::draft::Draft;
use super::http::send;
use super::lines::Lines;
use super::turns::{Speaker, turns};
use super::{Delta, ModelError, Remote, Request, Sink};
use crate::chat::{Block, Ending, Message, Reply, Tokens};
use serde_json::{Value, json};

const NAME: &str = "gemini";

pub async fn call(remote: &Remote, request: &Request<'_>, sink: &mut Sink<'_>) -> Result<Reply, ModelError> {
    let base = remote.base().trim_end_matches("/v1beta");
    let url = format!("{base}/v1beta/models/{}:streamGenerateContent?alt=sse", remote.model);
    let mut post = remote.post(&url).json(&body(request));
    if let Some(key) = remote.token() {
        post = post.header("x-goog-api-key", key);
    }
    let mut lines = Lines::new(send(post).await?);
    let mut draft = Draft::default();
    while let Some(event) = draft.or_end(lines.event().await)? {
        let chunk: Value = serde_json::from_str(&event.data).map_err(|_| ModelError::broke_off())?;
        take(&mut draft, &chunk, sink)?;
    }
    draft.finish(NAME)
}

fn body(request: &Request<'_>) -> Value {
    let turns = turns(request.messages, &json!({"text": "(nothing)"}), parts);
    let contents = turns.into_iter().map(|(speaker, parts)| {
        let role = match speaker {
            Speaker::User => "user",
            Speaker::Model => "model",
        };
        json!({"role": role, "parts": parts})
    });
    let functions = request.tools.iter().map(
        |tool| json!({"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters}),
    );
    let mut config = json!({"maxOutputTokens": request.max_output});
    if let Some(tokens) = request.thinking() {
        config["thinkingConfig"] = json!({"thinkingBudget": tokens});
    }
    let mut body = json!({
        "systemInstruction": {"parts": [{"text": request.system}]},
        "contents": contents.collect::<Vec<_>>(),
        "generationConfig": config,
    });
    if !request.tools.is_empty() {
        body["tools"] = json!([{"functionDeclarations": functions.collect::<Vec<_>>()}]);
    }
    body
}

fn parts(message: &Message) -> Vec<Value> {
    match message {
        Message::User { text } => vec![json!({"text": text})],
        Message::Assistant { blocks } => {
            let mut signature = None;
            let mut parts = Vec::new();
            for block in blocks {
                let mut part = match block {
                    Block::Text { text } => json!({"text": text}),
                    Block::Call(call) => {
                        json!({"functionCall": {"name": call.name, "args": call.arguments.to_value()}})
                    }
                    Block::Opaque { provider, value } => {
                        signature = (provider == NAME).then(|| value.clone());
                        continue;
                    }
                };
                if let Some(signature) = signature.take() {
                    part["thoughtSignature"] = signature;
                }
                parts.push(part);
            }
            parts
        }
        Message::Tools { results } => {
            let answers = results.iter().map(|result| {
                let field = if result.is_error { "error" } else { "output" };
                json!({"functionResponse": {"name": result.name, "response": {field: result.text}}})
            });
            answers.collect()
        }
    }
}

fn take(draft: &mut Draft, chunk: &Value, sink: &mut Sink<'_>) -> Result<(), ModelError> {
    if let Some(error) = chunk.get("error") {
        let text = |field: &str| error[field].as_str().unwrap_or("error").to_owned();
        return Err(in_stream(&text("status"), &text("message")));
    }
    if let Some(reason) = chunk["promptFeedback"]["blockReason"].as_str() {
        draft.text(&format!("the prompt was blocked: {reason}"), sink);
        draft.ending = Some(Ending::Refusal);
    }
    if chunk["usageMetadata"].is_object() {
        draft.tokens = tokens(&chunk["usageMetadata"]);
    }
    let candidate = &chunk["candidates"][0];
    for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
        let text = part["text"].as_str().unwrap_or_default();
        if part["thought"] == true {
            sink(Delta::Thought(text.to_owned()));
            continue;
        }
        if part["thoughtSignature"].is_string() {
            draft.opaque(part["thoughtSignature"].clone());
        }
        draft.text(text, sink);
        if let Some(call) = part.get("functionCall") {
            let id = call["id"].as_str().map(str::to_owned);
            draft.whole_call(id, call["name"].as_str().unwrap_or_default(), call["args"].clone());
        }
    }
    match candidate["finishReason"].as_str() {
        None => {}
        Some("MAX_TOKENS") => draft.ending = Some(Ending::Length),
        Some("MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL") => {
            return Err(ModelError::passing("the model wrote a tool call that its provider could not read"));
        }
        Some("SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII") => {
            draft.ending = Some(Ending::Refusal);
        }
        Some(_) => draft.ending = Some(Ending::Complete),
    }
    Ok(())
}

fn tokens(usage: &Value) -> Tokens {
    let count = |field: &str| usage[field].as_u64();
    let cached = count("cachedContentTokenCount");
    let written = count("candidatesTokenCount").map(|said| said + count("thoughtsTokenCount").unwrap_or(0));
    Tokens {
        input: count("promptTokenCount").map(|read| read.saturating_sub(cached.unwrap_or(0))),
        output: written.or_else(|| count("thoughtsTokenCount")),
        cache_read: cached,
        cache_write: None,
    }
}
