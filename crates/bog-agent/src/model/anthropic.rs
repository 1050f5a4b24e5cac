//! Anthropic's Messages API, streamed (docs.anthropic.com, "Streaming Messages").
//!
//! The prompt is cached at two places: after tools and instructions, which never change, and after the last message, so that
//! every step reads all that the step before it read.

use super::classify::in_stream;
use super::draft::Draft;
use super::http::send;
use super::lines::Lines;
use super::turns::{Speaker, turns};
use super::{Delta, ModelError, Remote, Request, Sink};
use crate::chat::{Block, Ending, Message, Reply, Tokens};
use serde_json::{Value, json};
use std::collections::HashMap;

const VERSION: &str = "2023-06-01";

/// Its name among opaque blocks.
pub const NAME: &str = "anthropic";

pub async fn call(remote: &Remote, request: &Request<'_>, sink: &mut Sink<'_>) -> Result<Reply, ModelError> {
    let url = format!("{}/v1/messages", remote.base().trim_end_matches("/v1"));
    let mut post = remote.post(&url).header("anthropic-version", VERSION).json(&body(&remote.model, request));
    if let Some(key) = remote.token() {
        post = post.header("x-api-key", key);
    }
    let mut lines = Lines::new(send(post).await?);
    let mut assembly = Assembly::default();
    while let Some(event) = lines.event().await.map_err(|error| assembly.draft.paid_for(error))? {
        let data: Value = serde_json::from_str(&event.data).map_err(|_| ModelError::broke_off())?;
        let is_over = assembly.take(&data, sink);
        if is_over.map_err(|error| assembly.draft.paid_for(error))? {
            break;
        }
    }
    assembly.draft.finish(NAME)
}

fn body(model: &str, request: &Request<'_>) -> Value {
    let cached = json!({"type": "ephemeral"});
    let mut turns = turns(request.messages, &json!({"type": "text", "text": "(nothing)"}), parts);
    if let Some(last) = turns.last_mut().and_then(|(_, parts)| parts.last_mut()) {
        last["cache_control"] = cached.clone();
    }
    let messages = turns.into_iter().map(|(speaker, content)| {
        let role = match speaker {
            Speaker::User => "user",
            Speaker::Model => "assistant",
        };
        json!({"role": role, "content": content})
    });
    let tools = request
        .tools
        .iter()
        .map(|tool| json!({"name": tool.name, "description": tool.description, "input_schema": tool.parameters}));
    let thinking = request.thinking();
    let mut body = json!({
        "model": model,
        "max_tokens": request.max_output,
        "stream": true,
        "system": [{"type": "text", "text": request.system, "cache_control": cached}],
        "messages": messages.collect::<Vec<_>>(),
    });
    if !request.tools.is_empty() {
        body["tools"] = tools.collect();
    }
    if let Some(tokens) = thinking {
        body["thinking"] = json!({"type": "enabled", "budget_tokens": tokens});
    }
    body
}

fn parts(message: &Message) -> Vec<Value> {
    match message {
        Message::User { text } => vec![json!({"type": "text", "text": text})],
        Message::Assistant { blocks } => blocks.iter().filter_map(part).collect(),
        Message::Tools { results } => {
            let parts = results.iter().map(|result| {
                json!({"type": "tool_result", "tool_use_id": result.id, "content": result.text, "is_error": result.is_error})
            });
            parts.collect()
        }
    }
}

fn part(block: &Block) -> Option<Value> {
    match block {
        Block::Text { text } => Some(json!({"type": "text", "text": text})),
        Block::Call(call) => {
            Some(json!({"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments.to_value()}))
        }
        Block::Opaque { provider, value } => (provider == NAME).then(|| value.clone()),
    }
}

#[derive(Default)]
struct Assembly {
    draft: Draft,
    /// Where in the draft the provider's blocks stand, by their index.
    places: HashMap<u64, usize>,
}

impl Assembly {
    /// Takes an event; whether it was the last.
    fn take(&mut self, event: &Value, sink: &mut Sink<'_>) -> Result<bool, ModelError> {
        let index = event["index"].as_u64().unwrap_or(0);
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => self.draft.tokens = tokens(&event["message"]["usage"]),
            "content_block_start" => self.start(index, &event["content_block"], sink),
            "content_block_delta" => self.delta(index, &event["delta"], sink),
            "message_delta" => {
                if let Some(reason) = event["delta"]["stop_reason"].as_str() {
                    self.draft.ending = Some(ending(reason)?);
                }
                // Counted once more, all of it, at the end.
                let last = tokens(&event["usage"]);
                let first = &mut self.draft.tokens;
                first.output = last.output.or(first.output);
                first.input = last.input.or(first.input);
                first.cache_read = last.cache_read.or(first.cache_read);
                first.cache_write = last.cache_write.or(first.cache_write);
            }
            "message_stop" => return Ok(true),
            "error" => {
                let error = &event["error"];
                let text = |field: &str| error[field].as_str().unwrap_or("error").to_owned();
                return Err(in_stream(&text("type"), &text("message")));
            }
            // Pings, the ends of blocks, and what is still to be invented.
            _ => {}
        }
        Ok(false)
    }

    fn start(&mut self, index: u64, block: &Value, sink: &mut Sink<'_>) {
        match block["type"].as_str().unwrap_or_default() {
            "text" => self.draft.text(block["text"].as_str().unwrap_or_default(), sink),
            "tool_use" => {
                let id = block["id"].as_str().map(str::to_owned);
                let place = self.draft.call(id, block["name"].as_str().unwrap_or_default());
                self.places.insert(index, place);
            }
            "thinking" => {
                let place = self.draft.opaque(json!({"type": "thinking", "thinking": "", "signature": ""}));
                self.places.insert(index, place);
            }
            "redacted_thinking" => {
                self.draft.opaque(block.clone());
            }
            _ => {}
        }
    }

    fn delta(&mut self, index: u64, delta: &Value, sink: &mut Sink<'_>) {
        let text = |field: &str| delta[field].as_str().unwrap_or_default();
        let place = self.places.get(&index).copied().unwrap_or(usize::MAX);
        match delta["type"].as_str().unwrap_or_default() {
            "text_delta" => self.draft.text(text("text"), sink),
            "input_json_delta" => self.draft.arguments(place, text("partial_json")),
            "thinking_delta" => {
                sink(Delta::Thought(text("thinking").to_owned()));
                self.draft.add_to_opaque(place, "/thinking", text("thinking"));
            }
            "signature_delta" => self.draft.add_to_opaque(place, "/signature", text("signature")),
            _ => {}
        }
    }
}

fn ending(reason: &str) -> Result<Ending, ModelError> {
    match reason {
        "max_tokens" => Ok(Ending::Length),
        "refusal" => Ok(Ending::Refusal),
        "model_context_window_exceeded" => {
            Err(ModelError::TooLong { message: "the answer did not fit the context window".to_owned() })
        }
        _ => Ok(Ending::Complete),
    }
}

fn tokens(usage: &Value) -> Tokens {
    Tokens {
        input: usage["input_tokens"].as_u64(),
        output: usage["output_tokens"].as_u64(),
        cache_read: usage["cache_read_input_tokens"].as_u64(),
        cache_write: usage["cache_creation_input_tokens"].as_u64(),
    }
}
