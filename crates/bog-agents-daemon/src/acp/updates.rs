//! `session/update`: from what an agent tells its client to the events of the run's log. Kinds that nobody knows yet are
//! passed over.

use super::report::Reporter;
use agent_client_protocol::JsonRpcNotification;
use agent_client_protocol::v1::schema::{
    ContentBlock, ContentChunk, Meta, Plan, SessionId, ToolCall, ToolCallContent, ToolCallId, ToolCallLocation,
    ToolCallStatus, ToolCallUpdate, UsageUpdate,
};
use bog_agent::session::{self, META, Report};
use bog_domain::agent_end::ModelUsage;
use bog_domain::event::EventKind;
use bog_domain::permission::ToolKind;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::PathBuf;

/// How much of a tool's input or result goes into the log.
const SHOWN_BYTES: usize = 16 * 1024;
/// Tool calls that are remembered; a session of more is none that ends.
const MAX_CALLS: usize = 10_000;

/// The notification, its content unread: one of a kind that nobody knows is no error.
#[derive(Debug, Clone, Serialize, Deserialize, JsonRpcNotification)]
#[notification(method = "session/update")]
#[serde(rename_all = "camelCase")]
pub struct Update {
    /// The conversation.
    pub session_id: SessionId,
    /// What happens.
    pub update: Value,
}

/// Tool calls by id: a request for permission may name no more than that.
#[derive(Default)]
pub struct Calls(HashMap<ToolCallId, Call>);

/// What is known of a tool call.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// What it does.
    pub kind: Option<ToolKind>,
    /// Its title.
    pub title: Option<String>,
    /// What it does it to.
    pub paths: Vec<PathBuf>,
}

impl Calls {
    /// Whether a call was told of before.
    pub fn knows(&self, id: &ToolCallId) -> bool {
        self.0.contains_key(id)
    }

    /// What is known of a call, with what an update adds.
    pub fn with(&mut self, update: &ToolCallUpdate) -> Call {
        let fields = &update.fields;
        let mut call = self.0.get(&update.tool_call_id).cloned().unwrap_or_default();
        call.kind = fields.kind.map(kind_of).or(call.kind);
        call.title = fields.title.clone().or(call.title);
        let paths =
            paths(fields.locations.as_deref().unwrap_or_default(), fields.content.as_deref().unwrap_or_default());
        if !paths.is_empty() {
            call.paths = paths;
        }
        if self.0.len() < MAX_CALLS {
            self.0.insert(update.tool_call_id.clone(), call.clone());
        }
        call
    }

    fn begin(&mut self, call: &ToolCall) {
        let known = Call {
            kind: Some(kind_of(call.kind)),
            title: Some(call.title.clone()),
            paths: paths(&call.locations, &call.content),
        };
        if self.0.len() < MAX_CALLS {
            self.0.insert(call.tool_call_id.clone(), known);
        }
    }
}

/// Our kind of a tool of theirs.
pub fn kind_of(kind: agent_client_protocol::v1::schema::ToolKind) -> ToolKind {
    serde_json::to_value(kind).ok().and_then(|name| Some(ToolKind::of(name.as_str()?))).unwrap_or(ToolKind::Other)
}

fn paths(locations: &[ToolCallLocation], content: &[ToolCallContent]) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = locations.iter().map(|location| location.path.clone()).collect();
    for content in content {
        if let ToolCallContent::Diff(diff) = content
            && !paths.contains(&diff.path)
        {
            paths.push(diff.path.clone());
        }
    }
    paths
}

/// Tells the runner what an update says, by the built-in agent where `is_ours`; what the conversation has used so far, where it says so.
pub fn tell(update: Value, calls: &mut Calls, reporter: &Reporter, is_ours: bool) -> Option<Used> {
    let kind = update.get("sessionUpdate")?.as_str()?.to_owned();
    match kind.as_str() {
        "agent_message_chunk" => {
            let chunk: ContentChunk = read(update)?;
            if let ContentBlock::Text(text) = chunk.content {
                reporter.text(&text.text);
            }
            return step(chunk.meta.as_ref());
        }
        "tool_call" => {
            let call: ToolCall = read(update)?;
            calls.begin(&call);
            reporter.event(EventKind::ToolCall, called(&call));
            if is_over(Some(call.status)) {
                let result = result(&call.content, call.raw_output.as_ref());
                reporter.event(
                    EventKind::ToolResult,
                    json!({ "id": call.tool_call_id, "status": call.status, "text": result }),
                );
            }
        }
        "tool_call_update" => {
            let update: ToolCallUpdate = read(update)?;
            let call = calls.with(&update);
            let fields = update.fields;
            if is_over(fields.status) {
                let text = result(fields.content.as_deref().unwrap_or_default(), fields.raw_output.as_ref());
                let data =
                    json!({ "id": update.tool_call_id, "title": call.title, "status": fields.status, "text": text });
                reporter.event(EventKind::ToolResult, data);
            }
        }
        "plan" => {
            let entries = read::<Plan>(update)?.entries;
            let entry = |entry: &agent_client_protocol::v1::schema::PlanEntry| json!({ "content": entry.content, "priority": entry.priority, "status": entry.status });
            reporter.event(EventKind::Plan, json!({ "entries": entries.iter().map(entry).collect::<Vec<_>>() }));
        }
        "usage_update" => return used(read(update)?, reporter, is_ours),
        _ => {}
    }
    None
}

/// What the whole conversation has used, as far as its agent says.
pub enum Used {
    /// Everything, by model.
    ByModel(Vec<ModelUsage>),
    /// What it costs.
    Cost(f64),
    /// What one more step used.
    Step(ModelUsage),
}

/// What Gemini CLI and those that are made from it say with the last piece of an answer.
fn step(meta: Option<&Meta>) -> Option<Used> {
    let usage = meta?.get("usage")?;
    let count = |name: &str| usage.get(name).and_then(Value::as_u64);
    let cached = count("cachedReadTokens");
    Some(Used::Step(ModelUsage {
        input_tokens: count("inputTokens").map(|all| all.saturating_sub(cached.unwrap_or(0))),
        output_tokens: count("outputTokens"),
        cache_read_tokens: cached,
        ..ModelUsage::default()
    }))
}

fn used(update: UsageUpdate, reporter: &Reporter, is_ours: bool) -> Option<Used> {
    let used = match report(update.meta.as_ref(), is_ours) {
        Some(report) => Used::ByModel(by_model(&report)),
        None => Used::Cost(update.cost.filter(|cost| cost.currency == "USD").map(|cost| cost.amount)?),
    };
    let data = match &used {
        Used::ByModel(models) => json!({ "models": models, "context_tokens": update.used }),
        Used::Cost(cost) => json!({ "cost_usd": cost, "context_tokens": update.used }),
        Used::Step(model) => json!({ "models": [model], "context_tokens": update.used }),
    };
    reporter.event(EventKind::Usage, data);
    Some(used)
}

/// What the built-in agent says of itself. Another's word of that kind is nobody's: it would say how a run is to end.
pub fn report(meta: Option<&Meta>, is_ours: bool) -> Option<Report> {
    let meta = meta.filter(|_| is_ours);
    serde_json::from_value(meta?.get(META)?.clone()).ok()
}

/// A report's usage in the words of the ledger.
pub fn by_model(report: &Report) -> Vec<ModelUsage> {
    let model = |usage: &session::ModelUsage| ModelUsage {
        model: usage.model.clone(),
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        cache_read_tokens: usage.cache_read_tokens,
        cache_write_tokens: usage.cache_write_tokens,
        cost_usd: usage.cost_usd,
        charged_usd: usage.charged_usd,
    };
    report.usage.iter().map(model).collect()
}

fn read<T: DeserializeOwned>(update: Value) -> Option<T> {
    serde_json::from_value(update).ok()
}

fn called(call: &ToolCall) -> Value {
    let paths: Vec<_> = call.locations.iter().map(|location| &location.path).collect();
    let name = call.name.as_deref().unwrap_or(&call.title);
    let mut data =
        json!({ "id": call.tool_call_id, "name": name, "title": call.title, "kind": kind_of(call.kind).as_str() });
    if !paths.is_empty() {
        data["paths"] = json!(paths);
    }
    if let Some(input) = &call.raw_input {
        let text = input.to_string();
        data["input"] = if text.len() <= SHOWN_BYTES { input.clone() } else { Value::String(shown(&text)) };
    }
    data
}

const fn is_over(status: Option<ToolCallStatus>) -> bool {
    matches!(status, Some(ToolCallStatus::Completed | ToolCallStatus::Failed))
}

fn result(content: &[ToolCallContent], raw: Option<&Value>) -> String {
    let mut parts = Vec::new();
    for content in content {
        if let ToolCallContent::Content(block) = content
            && let ContentBlock::Text(text) = &block.content
        {
            parts.push(text.text.clone());
        } else if let ToolCallContent::Diff(diff) = content {
            parts.push(format!("changed `{}`", diff.path.display()));
        }
    }
    match (parts.is_empty(), raw) {
        (true, Some(Value::String(text))) => shown(text),
        (true, Some(raw)) => shown(&raw.to_string()),
        (true, None) | (false, _) => shown(&parts.join("\n")),
    }
}

fn shown(text: &str) -> String {
    let cut = text.floor_char_boundary(SHOWN_BYTES);
    if cut < text.len() { format!("{}\n[{} bytes more]", &text[..cut], text.len() - cut) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_built_in_agent_says_how_it_ended() {
        let said = json!({ META: { "stop": { "kind": "budget", "message": "paused for ever" } } });
        let meta = said.as_object().cloned().map(Meta::from_iter);
        assert!(report(meta.as_ref(), true).is_some_and(|report| report.stop.is_some()));
        assert_eq!(report(meta.as_ref(), false), None);
    }
}
