//! Amazon Bedrock's Converse API, streamed (AWS documentation, "ConverseStream").

use super::aws::Proof;
use super::classify::in_stream;
use super::draft::Draft;
use super::frames::Frames;
use super::http::send;
use super::sigv4::{Signed, encoded};
use super::turns::{Speaker, turns};
use super::{Delta, ModelError, Remote, Request, Sink};
use crate::chat::{Block, Ending, Message, Reply, Tokens};
use crate::clock;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::collections::HashMap;

const NAME: &str = "bedrock";

/// Its name in signatures.
const SERVICE: &str = "bedrock";

pub async fn call(remote: &Remote, request: &Request<'_>, sink: &mut Sink<'_>) -> Result<Reply, ModelError> {
    let account = remote.account().ok_or_else(|| ModelError::permanent("`bedrock` has no credentials"))?;
    // Colons and slashes of a model's name or address are part of one segment.
    let path = format!("/model/{}/converse-stream", encoded(&remote.model).replace('/', "%2F"));
    let url = format!("{}{path}", remote.base());
    let body = body(&remote.model, request).to_string();
    let mut post = remote.post(&url).header("content-type", "application/json");
    match &account.proof {
        Proof::Bearer(token) => post = post.bearer_auth(token.expose_secret()),
        Proof::Signature(keys) => {
            let url = url::Url::parse(&url).map_err(|error| ModelError::permanent(format!("`{url}`: {error}")))?;
            let host = url.host_str().unwrap_or_default();
            let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
            let region = account.region.as_deref().unwrap_or(crate::endpoints::AWS_REGION);
            let signed = Signed { host: &host, path: url.path(), body: body.as_bytes(), region, service: SERVICE };
            for (name, value) in signed.headers(keys, clock::now()) {
                post = post.header(name, value);
            }
        }
    }
    let mut frames = Frames::new(send(post.body(body)).await?);
    let mut assembly = Assembly::default();
    while let Some(frame) = assembly.draft.or_end(frames.next().await)? {
        let payload: Value = serde_json::from_slice(&frame.payload).map_err(|_| ModelError::broke_off())?;
        if frame.is_exception {
            return Err(in_stream(&frame.name, payload["message"].as_str().unwrap_or_default()));
        }
        assembly.take(&frame.name, &payload, sink);
    }
    assembly.draft.finish(NAME)
}

fn body(model: &str, request: &Request<'_>) -> Value {
    let point = json!({"cachePoint": {"type": "default"}});
    // Other models refuse what they do not know.
    let caches = model.contains("anthropic.claude");
    let mut turns = turns(request.messages, &json!({"text": "(nothing)"}), parts);
    if let Some((_, last)) = turns.last_mut().filter(|_| caches) {
        last.push(point.clone());
    }
    let messages = turns.into_iter().map(|(speaker, content)| {
        let role = match speaker {
            Speaker::User => "user",
            Speaker::Model => "assistant",
        };
        json!({"role": role, "content": content})
    });
    let mut system = vec![json!({"text": request.system})];
    system.extend(caches.then_some(point));
    let mut body = json!({
        "system": system,
        "messages": messages.collect::<Vec<_>>(),
        "inferenceConfig": {"maxTokens": request.max_output},
    });
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            let schema = json!({"json": tool.parameters});
            json!({"toolSpec": {"name": tool.name, "description": tool.description, "inputSchema": schema}})
        });
        body["toolConfig"] = json!({"tools": tools.collect::<Vec<_>>()});
    }
    body
}

fn parts(message: &Message) -> Vec<Value> {
    match message {
        Message::User { text } => vec![json!({"text": text})],
        Message::Assistant { blocks } => blocks.iter().filter_map(part).collect(),
        Message::Tools { results } => {
            let parts = results.iter().map(|result| {
                let status = if result.is_error { "error" } else { "success" };
                let content = json!([{"text": result.text}]);
                json!({"toolResult": {"toolUseId": result.id, "content": content, "status": status}})
            });
            parts.collect()
        }
    }
}

fn part(block: &Block) -> Option<Value> {
    match block {
        Block::Text { text } => Some(json!({"text": text})),
        Block::Call(call) => {
            let input = call.arguments.to_value();
            Some(json!({"toolUse": {"toolUseId": call.id, "name": call.name, "input": input}}))
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
    fn take(&mut self, name: &str, event: &Value, sink: &mut Sink<'_>) {
        let index = event["contentBlockIndex"].as_u64().unwrap_or(0);
        match name {
            "contentBlockStart" => {
                if let Some(tool) = event["start"].get("toolUse") {
                    let id = tool["toolUseId"].as_str().map(str::to_owned);
                    let place = self.draft.call(id, tool["name"].as_str().unwrap_or_default());
                    self.places.insert(index, place);
                }
            }
            "contentBlockDelta" => self.delta(index, &event["delta"], sink),
            "messageStop" => {
                self.draft.ending = Some(match event["stopReason"].as_str().unwrap_or_default() {
                    "max_tokens" => Ending::Length,
                    "guardrail_intervened" | "content_filtered" => Ending::Refusal,
                    _ => Ending::Complete,
                });
            }
            "metadata" => self.draft.tokens = tokens(&event["usage"]),
            // The start of the message, the ends of blocks, and what is still to be invented.
            _ => {}
        }
    }

    fn delta(&mut self, index: u64, delta: &Value, sink: &mut Sink<'_>) {
        self.draft.text(delta["text"].as_str().unwrap_or_default(), sink);
        if let (Some(place), Some(more)) = (self.places.get(&index), delta["toolUse"]["input"].as_str()) {
            self.draft.arguments(*place, more);
        }
        let Some(reasoning) = delta.get("reasoningContent") else { return };
        let draft = &mut self.draft;
        let place = *self.places.entry(index).or_insert_with(|| {
            draft.opaque(json!({"reasoningContent": {"reasoningText": {"text": "", "signature": ""}}}))
        });
        if let Some(thought) = reasoning["text"].as_str() {
            sink(Delta::Thought(thought.to_owned()));
            draft.add_to_opaque(place, "/reasoningContent/reasoningText/text", thought);
        }
        let signature = reasoning["signature"].as_str().unwrap_or_default();
        draft.add_to_opaque(place, "/reasoningContent/reasoningText/signature", signature);
    }
}

fn tokens(usage: &Value) -> Tokens {
    Tokens {
        input: usage["inputTokens"].as_u64(),
        output: usage["outputTokens"].as_u64(),
        cache_read: usage["cacheReadInputTokens"].as_u64(),
        cache_write: usage["cacheWriteInputTokens"].as_u64(),
    }
}
