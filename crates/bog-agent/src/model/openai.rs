//! OpenAI's Chat Completions API, streamed, as OpenAI, Groq and every server compatible with it speak it
//! (platform.openai.com, "Chat Completions").

use super::classify::in_stream;
use super::draft::Draft;
use super::http::send;
use super::lines::Lines;
use super::{Delta, ModelError, Remote, Request, Sink};
use crate::chat::{Ending, Message, Reply, Tokens, calls, text};
use serde_json::{Value, json};
use std::collections::HashMap;

const NAME: &str = "openai";

pub async fn call(remote: &Remote, request: &Request<'_>, sink: &mut Sink<'_>) -> Result<Reply, ModelError> {
    let url = format!("{}/chat/completions", remote.base());
    let mut post = remote.post(&url).json(&body(remote, request));
    if let Some(key) = remote.token() {
        post = post.bearer_auth(key);
    }
    let mut lines = Lines::new(send(post).await?);
    let mut assembly = Assembly::default();
    while let Some(event) = assembly.draft.or_end(lines.event().await)? {
        if event.data.trim() == "[DONE]" {
            break;
        }
        let chunk: Value = serde_json::from_str(&event.data).map_err(|_| ModelError::broke_off())?;
        assembly.take(&chunk, sink)?;
    }
    assembly.finish()
}

fn body(remote: &Remote, request: &Request<'_>) -> Value {
    let mut messages = vec![json!({"role": "system", "content": request.system})];
    messages.extend(request.messages.iter().flat_map(said));
    // OpenAI's newer models refuse the old name, and many compatible servers do not know the new one.
    let limit = if remote.is_at_home() { "max_completion_tokens" } else { "max_tokens" };
    let mut body = json!({
        "model": remote.model,
        "messages": messages,
        "stream": true,
        "stream_options": {"include_usage": true},
    });
    body[limit] = json!(request.max_output);
    if !request.tools.is_empty() {
        body["tools"] = tools(request);
    }
    if let Some(effort) = request.effort {
        body["reasoning_effort"] = json!(effort.as_str());
    }
    body
}

/// The tools in the form that OpenAI invented and Ollama took over.
pub fn tools(request: &Request<'_>) -> Value {
    let tools = request.tools.iter().map(|tool| {
        let function = json!({"name": tool.name, "description": tool.description, "parameters": tool.parameters});
        json!({"type": "function", "function": function})
    });
    tools.collect()
}

fn said(message: &Message) -> Vec<Value> {
    match message {
        Message::User { text } => vec![json!({"role": "user", "content": text})],
        Message::Assistant { blocks } => {
            let calls: Vec<Value> = calls(blocks)
                .map(|call| {
                    let function = json!({"name": call.name, "arguments": call.arguments.to_text()});
                    json!({"id": call.id, "type": "function", "function": function})
                })
                .collect();
            let text = text(blocks);
            let mut said = json!({"role": "assistant", "content": text});
            if !calls.is_empty() {
                if text.is_empty() {
                    said["content"] = Value::Null;
                }
                said["tool_calls"] = Value::Array(calls);
            }
            vec![said]
        }
        Message::Tools { results } => {
            let results = results.iter();
            results.map(|result| json!({"role": "tool", "tool_call_id": result.id, "content": result.text})).collect()
        }
    }
}

#[derive(Default)]
struct Assembly {
    draft: Draft,
    /// Where in the draft the tool calls stand, by the provider's index.
    places: HashMap<u64, usize>,
    refused: bool,
}

impl Assembly {
    fn take(&mut self, chunk: &Value, sink: &mut Sink<'_>) -> Result<(), ModelError> {
        if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
            let text = |field: &str| error[field].as_str().unwrap_or("error").to_owned();
            return Err(in_stream(&text("type"), &text("message")));
        }
        for usage in [&chunk["usage"], &chunk["x_groq"]["usage"]] {
            if usage.is_object() {
                self.draft.tokens = tokens(usage);
            }
        }
        let choice = &chunk["choices"][0];
        let delta = &choice["delta"];
        let string = |field: &str| delta[field].as_str().unwrap_or_default();
        for thought in [string("reasoning_content"), string("reasoning")] {
            if !thought.is_empty() {
                sink(Delta::Thought(thought.to_owned()));
            }
        }
        self.draft.text(string("content"), sink);
        if !string("refusal").is_empty() {
            self.refused = true;
            self.draft.text(string("refusal"), sink);
        }
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            self.call(call);
        }
        match choice["finish_reason"].as_str() {
            Some("length") => self.draft.ending = Some(Ending::Length),
            Some("content_filter") => self.draft.ending = Some(Ending::Refusal),
            Some(_) => self.draft.ending = Some(Ending::Complete),
            None => {}
        }
        Ok(())
    }

    fn call(&mut self, call: &Value) {
        // Some servers leave the index out: every id begins a call then.
        let index = call["index"].as_u64().unwrap_or(self.places.len() as u64);
        let function = &call["function"];
        let place = *self.places.entry(index).or_insert_with(|| {
            let id = call["id"].as_str().map(str::to_owned);
            self.draft.call(id, function["name"].as_str().unwrap_or_default())
        });
        self.draft.arguments(place, function["arguments"].as_str().unwrap_or_default());
    }

    fn finish(mut self) -> Result<Reply, ModelError> {
        if self.refused && self.draft.ending.is_some() {
            self.draft.ending = Some(Ending::Refusal);
        }
        self.draft.finish(NAME)
    }
}

fn tokens(usage: &Value) -> Tokens {
    let cached = usage["prompt_tokens_details"]["cached_tokens"].as_u64();
    let read = usage["prompt_tokens"].as_u64();
    Tokens {
        input: read.map(|read| read.saturating_sub(cached.unwrap_or(0))),
        output: usage["completion_tokens"].as_u64(),
        cache_read: cached,
        cache_write: None,
    }
}
