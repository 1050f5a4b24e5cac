//! What `codex exec --json` writes: a thread with one turn, and the items in it (Codex documentation, "Non-interactive mode").

use super::super::report::Reporter;
use super::super::{ended, failed};
use super::{Known, count, text};
use bog_domain::agent_end::{ModelUsage, Stop};
use bog_domain::event::EventKind;
use serde_json::{Value, json};

pub(super) fn take(line: &Value, known: &mut Known, reporter: &Reporter) {
    match text(line, "/type") {
        "thread.started" => known.session = line["thread_id"].as_str().map(str::to_owned),
        "item.started" => began(&line["item"], reporter),
        "item.completed" => completed(&line["item"], reporter),
        "turn.completed" => {
            let cached = count(line, "/usage/cached_input_tokens");
            known.usage = vec![ModelUsage {
                model: known.model.clone(),
                // Its input counts what came from the cache too.
                input_tokens: count(line, "/usage/input_tokens").map(|all| all.saturating_sub(cached.unwrap_or(0))),
                output_tokens: count(line, "/usage/output_tokens"),
                cache_read_tokens: cached,
                ..ModelUsage::default()
            }];
            known.end = Some(ended(Stop::Finished, None));
        }
        "turn.failed" => known.end = Some(failed(text(line, "/error/message"))),
        // It may try again: what counts is how the turn ends.
        "error" => reporter.note(text(line, "/message")),
        _ => {}
    }
}

fn began(item: &Value, reporter: &Reporter) {
    if let Some((name, input)) = called(item) {
        reporter.event(EventKind::ToolCall, json!({ "id": item["id"], "name": name, "title": name, "input": input }));
    }
}

fn completed(item: &Value, reporter: &Reporter) {
    match text(item, "/type") {
        "agent_message" => reporter.message(text(item, "/text")),
        "todo_list" => {
            let items = item["items"].as_array().into_iter().flatten();
            let status = |item: &Value| if item["completed"] == true { "completed" } else { "pending" };
            let entries: Vec<_> =
                items.map(|item| json!({ "content": item["text"], "status": status(item) })).collect();
            reporter.event(EventKind::Plan, json!({ "entries": entries }));
        }
        "error" => reporter.note(text(item, "/message")),
        _ => {
            if called(item).is_some() {
                let said = text(item, "/aggregated_output");
                reporter
                    .event(EventKind::ToolResult, json!({ "id": item["id"], "status": item["status"], "text": said }));
            }
        }
    }
}

/// The tool that an item is a call of.
fn called(item: &Value) -> Option<(&str, Value)> {
    match text(item, "/type") {
        "command_execution" => Some(("shell", json!({ "command": item["command"] }))),
        "file_change" => Some(("edit", json!({ "changes": item["changes"] }))),
        "mcp_tool_call" => Some((text(item, "/tool"), json!({ "server": item["server"] }))),
        "web_search" => Some(("web_search", json!({ "query": item["query"] }))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_completes_is_the_end_and_its_last_message_the_text() {
        let (mut known, reporter) = (Known::default(), Reporter::new(std::io::sink(), 1000));
        for line in [
            json!({ "type": "thread.started", "thread_id": "t" }),
            json!({ "type": "item.completed", "item": { "id": "0", "type": "agent_message", "text": "I look." } }),
            json!({ "type": "item.started", "item": { "id": "1", "type": "command_execution", "command": "ls" } }),
            json!({ "type": "item.completed", "item": { "id": "1", "type": "command_execution", "status": "completed",
                "aggregated_output": "x" } }),
            json!({ "type": "item.completed", "item": { "id": "2", "type": "agent_message", "text": "Done." } }),
            json!({ "type": "turn.completed",
                "usage": { "input_tokens": 10, "cached_input_tokens": 4, "output_tokens": 2 } }),
        ] {
            take(&line, &mut known, &reporter);
        }
        assert_eq!((reporter.final_text().as_str(), known.session.as_deref()), ("Done.", Some("t")));
        assert_eq!(known.end.as_ref().map(|end| end.stop), Some(Stop::Finished));
        assert_eq!((known.usage[0].input_tokens, known.usage[0].cache_read_tokens), (Some(6), Some(4)));
        take(&json!({ "type": "turn.failed", "error": { "message": "no quota" } }), &mut known, &reporter);
        assert_eq!(known.end.and_then(|end| end.message).as_deref(), Some("no quota"));
    }
}
