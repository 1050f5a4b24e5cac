//! What `claude --print --output-format stream-json --verbose` writes: the messages of the conversation as the Messages API
//! has them, and one `result` at the end (Claude Code documentation, "Programmatic usage").

use super::super::report::Reporter;
use super::super::{ended, failed};
use super::{Known, count, text};
use bog_domain::agent_end::{AgentEnd, ModelUsage, Stop};
use bog_domain::event::EventKind;
use serde_json::{Value, json};

pub(super) fn take(line: &Value, known: &mut Known, reporter: &Reporter) {
    match text(line, "/type") {
        "system" => {
            known.session = line["session_id"].as_str().map(str::to_owned).or(known.session.take());
            text(line, "/model").clone_into(&mut known.model);
        }
        "assistant" => {
            for block in blocks(line) {
                match text(block, "/type") {
                    "text" => reporter.text(text(block, "/text")),
                    "tool_use" => {
                        let name = text(block, "/name");
                        let data = json!({ "id": block["id"], "name": name, "title": name, "input": block["input"] });
                        reporter.event(EventKind::ToolCall, data);
                    }
                    _ => {}
                }
            }
        }
        "user" => {
            for block in blocks(line).filter(|block| text(block, "/type") == "tool_result") {
                let status = if block["is_error"] == true { "failed" } else { "completed" };
                let data = json!({ "id": block["tool_use_id"], "status": status, "text": result(&block["content"]) });
                reporter.event(EventKind::ToolResult, data);
            }
        }
        "result" => {
            known.usage = usage(line, &known.model);
            known.end = Some(end(line));
        }
        _ => {}
    }
}

fn blocks(line: &Value) -> impl Iterator<Item = &Value> {
    line.pointer("/message/content").and_then(Value::as_array).into_iter().flatten()
}

fn result(content: &Value) -> String {
    if let Some(blocks) = content.as_array() {
        return blocks.iter().map(|block| text(block, "/text")).collect::<Vec<_>>().join("\n");
    }
    content.as_str().map_or_else(|| content.to_string(), str::to_owned)
}

fn end(line: &Value) -> AgentEnd {
    let said = text(line, "/result").to_owned();
    match text(line, "/subtype") {
        "success" if line["is_error"] != true => AgentEnd { text: said, ..ended(Stop::Finished, None) },
        "error_max_turns" => ended(Stop::MaxSteps, Some("the agent reached its own limit of turns".to_owned())),
        "success" => failed(said),
        other => failed(format!("the agent could not go on: {other} {said}").trim_end().to_owned()),
    }
}

/// By model where it says so, else the sum for the one model there was.
fn usage(line: &Value, model: &str) -> Vec<ModelUsage> {
    let by_model = line["modelUsage"].as_object().into_iter().flatten();
    let by_model: Vec<_> = by_model
        .map(|(model, used)| ModelUsage {
            model: model.clone(),
            input_tokens: count(used, "/inputTokens"),
            output_tokens: count(used, "/outputTokens"),
            cache_read_tokens: count(used, "/cacheReadInputTokens"),
            cache_write_tokens: count(used, "/cacheCreationInputTokens"),
            cost_usd: used["costUSD"].as_f64(),
            charged_usd: None,
        })
        .collect();
    if !by_model.is_empty() {
        return by_model;
    }
    vec![ModelUsage {
        model: model.to_owned(),
        input_tokens: count(line, "/usage/input_tokens"),
        output_tokens: count(line, "/usage/output_tokens"),
        cache_read_tokens: count(line, "/usage/cache_read_input_tokens"),
        cache_write_tokens: count(line, "/usage/cache_creation_input_tokens"),
        cost_usd: line["total_cost_usd"].as_f64(),
        charged_usd: None,
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(lines: &[Value]) -> (Known, Reporter) {
        let (mut known, reporter) = (Known::default(), Reporter::new(std::io::sink(), 1000));
        for line in lines {
            take(line, &mut known, &reporter);
        }
        (known, reporter)
    }

    #[test]
    fn the_result_is_the_end_with_its_cost() {
        let (known, _) = follow(&[
            json!({ "type": "system", "subtype": "init", "session_id": "s", "model": "m" }),
            json!({ "type": "assistant", "message": { "content": [{ "type": "text", "text": "I look." },
                { "type": "tool_use", "id": "1", "name": "Bash", "input": { "command": "ls" } }] } }),
            json!({ "type": "user", "message": { "content": [{ "type": "tool_result", "tool_use_id": "1", "content": "x" }] } }),
            json!({ "type": "something_new" }),
            json!({ "type": "result", "subtype": "success", "is_error": false, "result": "Done.", "total_cost_usd": 0.5,
                "usage": { "input_tokens": 3, "cache_read_input_tokens": 2, "output_tokens": 4 } }),
        ]);
        let end = known.end.unwrap();
        assert_eq!((end.stop, end.text.as_str(), known.session.as_deref()), (Stop::Finished, "Done.", Some("s")));
        let used = &known.usage[0];
        assert_eq!((used.model.as_str(), used.input_tokens, used.cost_usd), ("m", Some(3), Some(0.5)));
        assert_eq!((used.cache_read_tokens, used.cache_write_tokens), (Some(2), None));
    }

    #[test]
    fn a_result_that_is_an_error_is_a_failure() {
        let end = |line: Value| follow(&[line]).0.end.unwrap();
        let login = end(json!({ "type": "result", "subtype": "success", "is_error": true, "result": "Please log in" }));
        assert_eq!((login.stop, login.message.as_deref()), (Stop::Failed, Some("Please log in")));
        assert_eq!(
            end(json!({ "type": "result", "subtype": "error_max_turns", "is_error": true })).stop,
            Stop::MaxSteps
        );
        let by_model = json!({ "type": "result", "subtype": "error_during_execution",
            "modelUsage": { "m": { "inputTokens": 1, "outputTokens": 2, "costUSD": 0.1 } } });
        let (known, _) = follow(&[by_model]);
        assert_eq!((known.usage[0].model.as_str(), known.usage[0].cost_usd), ("m", Some(0.1)));
    }
}
