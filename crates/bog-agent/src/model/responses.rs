//! OpenAI's Responses API, streamed, with nothing stored at OpenAI (platform.openai.com, "Responses").

use super::classify::in_stream;
use super::draft::Draft;
use super::http::send;
use super::lines::Lines;
use super::{Delta, ModelError, Remote, Request, Sink};
use crate::chat::{Block, Ending, Message, Reply, Tokens};
use serde_json::{Value, json};

const NAME: &str = "openai-responses";

pub async fn call(remote: &Remote, request: &Request<'_>, sink: &mut Sink<'_>) -> Result<Reply, ModelError> {
    let url = format!("{}/responses", remote.base());
    let mut post = remote.post(&url).json(&body(&remote.model, request));
    if let Some(key) = remote.token() {
        post = post.bearer_auth(key);
    }
    let mut lines = Lines::new(send(post).await?);
    let mut assembly = Assembly::default();
    while let Some(event) = lines.event().await.map_err(|error| assembly.draft.paid_for(error))? {
        if event.data.trim() == "[DONE]" {
            break;
        }
        let data: Value = serde_json::from_str(&event.data).map_err(|_| ModelError::broke_off())?;
        let is_over = assembly.take(&data, sink);
        if is_over.map_err(|error| assembly.draft.paid_for(error))? {
            break;
        }
    }
    assembly.draft.finish(NAME)
}

fn body(model: &str, request: &Request<'_>) -> Value {
    let tools = request.tools.iter().map(|tool| {
        json!({
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
            "strict": false,
        })
    });
    let mut body = json!({
        "model": model,
        "instructions": request.system,
        "input": request.messages.iter().flat_map(items).collect::<Vec<_>>(),
        "max_output_tokens": request.max_output,
        "stream": true,
        "store": false,
    });
    if !request.tools.is_empty() {
        body["tools"] = tools.collect();
    }
    if let Some(effort) = request.effort {
        body["reasoning"] = json!({"effort": effort.as_str()});
    }
    if reasons(model) {
        body["include"] = json!(["reasoning.encrypted_content"]);
    }
    body
}

/// Whether the model reasons: only then may its reasoning be asked for, to be given back in the next step.
fn reasons(model: &str) -> bool {
    let is_o_series = model.strip_prefix('o').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    is_o_series || model.starts_with("gpt-5") && !model.contains("chat")
}

fn items(message: &Message) -> Vec<Value> {
    match message {
        Message::User { text } => vec![json!({"role": "user", "content": [{"type": "input_text", "text": text}]})],
        Message::Assistant { blocks } => blocks.iter().filter_map(item).collect(),
        Message::Tools { results } => {
            let outputs = results
                .iter()
                .map(|result| json!({"type": "function_call_output", "call_id": result.id, "output": result.text}));
            outputs.collect()
        }
    }
}

fn item(block: &Block) -> Option<Value> {
    match block {
        Block::Text { text } => Some(json!({"role": "assistant", "content": [{"type": "output_text", "text": text}]})),
        Block::Call(call) => Some(json!({
            "type": "function_call",
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments.to_text(),
        })),
        Block::Opaque { provider, value } => (provider == NAME).then(|| value.clone()),
    }
}

#[derive(Default)]
struct Assembly {
    draft: Draft,
    streamed: bool,
    refused: bool,
    has_items: bool,
}

impl Assembly {
    /// Takes an event; whether it was the last.
    fn take(&mut self, event: &Value, sink: &mut Sink<'_>) -> Result<bool, ModelError> {
        match event["type"].as_str().unwrap_or_default() {
            "response.output_text.delta" | "response.refusal.delta" => {
                self.streamed = true;
                sink(Delta::Text(event["delta"].as_str().unwrap_or_default().to_owned()));
            }
            "response.reasoning_summary_text.delta" => {
                sink(Delta::Thought(event["delta"].as_str().unwrap_or_default().to_owned()));
            }
            "response.output_item.done" => self.item(&event["item"], sink),
            "response.completed" | "response.incomplete" => {
                self.end(&event["response"], sink);
                return Ok(true);
            }
            "response.failed" => return Err(error(&event["response"]["error"])),
            "error" => return Err(error(event.get("error").unwrap_or(event))),
            _ => {}
        }
        Ok(false)
    }

    fn item(&mut self, item: &Value, sink: &mut Sink<'_>) {
        self.has_items = true;
        let text = |field: &str| item[field].as_str().unwrap_or_default();
        match text("type") {
            "message" => {
                // Told already, piece by piece.
                let streamed = std::mem::take(&mut self.streamed);
                for part in item["content"].as_array().into_iter().flatten() {
                    self.refused |= part["type"] == "refusal";
                    let said = part["text"].as_str().or(part["refusal"].as_str()).unwrap_or_default();
                    if streamed {
                        self.draft.text(said, &mut |_| {});
                    } else {
                        self.draft.text(said, sink);
                    }
                }
            }
            "function_call" => {
                let place = self.draft.call(Some(text("call_id").to_owned()), text("name"));
                self.draft.arguments(place, text("arguments"));
            }
            // Without what is encrypted it is of no use to a provider that stores nothing.
            "reasoning" if item["encrypted_content"].is_string() => {
                self.draft.opaque(item.clone());
            }
            _ => {}
        }
    }

    fn end(&mut self, response: &Value, sink: &mut Sink<'_>) {
        if !self.has_items {
            for item in response["output"].as_array().into_iter().flatten() {
                self.item(item, sink);
            }
        }
        self.draft.tokens = tokens(&response["usage"]);
        self.draft.ending = Some(match response["incomplete_details"]["reason"].as_str() {
            Some("content_filter") => Ending::Refusal,
            Some(_) => Ending::Length,
            None if self.refused => Ending::Refusal,
            None => Ending::Complete,
        });
    }
}

fn error(error: &Value) -> ModelError {
    let text = |field: &str| error[field].as_str().unwrap_or("error").to_owned();
    in_stream(&text("code"), &text("message"))
}

fn tokens(usage: &Value) -> Tokens {
    let cached = usage["input_tokens_details"]["cached_tokens"].as_u64();
    Tokens {
        input: usage["input_tokens"].as_u64().map(|read| read.saturating_sub(cached.unwrap_or(0))),
        output: usage["output_tokens"].as_u64(),
        cache_read: cached,
        cache_write: None,
    }
}
