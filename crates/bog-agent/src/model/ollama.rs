//! Ollama's own chat API, streamed as lines of JSON (github.com/ollama/ollama, docs/api.md).
//!
//! Its own rather than the compatible one, because only here the size of the context can be set: without it Ollama cuts
//! long conversations off in silence.

use super::classify::in_stream;
use super::draft::Draft;
use super::http::send;
use super::lines::Lines;
use super::{Delta, ModelError, Remote, Request, Sink, openai};
use crate::chat::{Ending, Message, Reply, Tokens, calls, text};
use serde_json::{Value, json};

const NAME: &str = "ollama";

pub async fn call(remote: &Remote, request: &Request<'_>, sink: &mut Sink<'_>) -> Result<Reply, ModelError> {
    let url = format!("{}/api/chat", remote.base());
    let mut post = remote.post(&url).json(&body(&remote.model, request));
    if let Some(key) = remote.token() {
        post = post.bearer_auth(key);
    }
    let mut lines = Lines::new(send(post).await?);
    let mut draft = Draft::default();
    while let Some(line) = draft.or_end(lines.next().await)? {
        if line.trim().is_empty() {
            continue;
        }
        let chunk: Value = serde_json::from_str(&line).map_err(|_| ModelError::broke_off())?;
        take(&mut draft, &chunk, sink)?;
    }
    draft.finish(NAME)
}

fn body(model: &str, request: &Request<'_>) -> Value {
    let mut messages = vec![json!({"role": "system", "content": request.system})];
    messages.extend(request.messages.iter().flat_map(said));
    let mut body = json!({
        "model": model,
        "messages": messages,
        "stream": true,
        "options": {"num_ctx": request.window, "num_predict": request.max_output},
    });
    if !request.tools.is_empty() {
        body["tools"] = openai::tools(request);
    }
    body
}

fn said(message: &Message) -> Vec<Value> {
    match message {
        Message::User { text } => vec![json!({"role": "user", "content": text})],
        Message::Assistant { blocks } => {
            let calls: Vec<Value> = calls(blocks)
                .map(|call| json!({"function": {"name": call.name, "arguments": call.arguments.to_value()}}))
                .collect();
            let mut said = json!({"role": "assistant", "content": text(blocks)});
            if !calls.is_empty() {
                said["tool_calls"] = Value::Array(calls);
            }
            vec![said]
        }
        Message::Tools { results } => {
            let results = results.iter();
            results.map(|result| json!({"role": "tool", "tool_name": result.name, "content": result.text})).collect()
        }
    }
}

fn take(draft: &mut Draft, chunk: &Value, sink: &mut Sink<'_>) -> Result<(), ModelError> {
    if let Some(error) = chunk["error"].as_str() {
        return Err(in_stream("error", error));
    }
    let message = &chunk["message"];
    let thought = message["thinking"].as_str().unwrap_or_default();
    if !thought.is_empty() {
        sink(Delta::Thought(thought.to_owned()));
    }
    draft.text(message["content"].as_str().unwrap_or_default(), sink);
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        let function = &call["function"];
        draft.whole_call(None, function["name"].as_str().unwrap_or_default(), function["arguments"].clone());
    }
    if chunk["done"] == true {
        let is_cut = chunk["done_reason"] == "length";
        draft.ending = Some(if is_cut { Ending::Length } else { Ending::Complete });
        // Nothing was read at all: it was not counted.
        let count = |field: &str| chunk[field].as_u64().filter(|count| *count > 0);
        draft.tokens = Tokens { input: count("prompt_eval_count"), output: count("eval_count"), ..Tokens::default() };
    }
    Ok(())
}
