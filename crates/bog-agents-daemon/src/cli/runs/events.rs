//! A run's events as lines of text: what the agent says plainly, everything else set off.

use super::super::out::{Ink, Paint};
use crate::api::wire::Event;
use bog_domain::agent_end::ModelUsage;
use bog_domain::event::EventKind;
use serde::Deserialize;
use serde_json::Value;

/// Puts events into lines. Pieces of text are written as they come; whatever follows an open line ends it first.
#[derive(Debug)]
pub struct Lines {
    paint: Paint,
    open: Option<EventKind>,
    attempt: u32,
}

impl Lines {
    /// Begins with the first attempt.
    #[must_use]
    pub const fn new(paint: Paint) -> Self {
        Self { paint, open: None, attempt: 1 }
    }

    /// The text an event adds.
    #[must_use]
    pub fn add(&mut self, event: &Event) -> String {
        let mut text = String::new();
        if event.attempt != self.attempt {
            self.attempt = event.attempt;
            text += &self.close();
            text += &self.aside(&format!("attempt {}", event.attempt));
        }
        if self.open.is_some_and(|open| open != event.kind) {
            text += &self.close();
        }
        text + &self.body(event)
    }

    /// Ends a line that is still open.
    #[must_use]
    pub fn close(&mut self) -> String {
        if self.open.take().is_some() { "\n".to_owned() } else { String::new() }
    }

    fn body(&mut self, event: &Event) -> String {
        let data = &event.data;
        match event.kind {
            EventKind::Stdout | EventKind::AgentText => self.stream(event.kind, text(data), None),
            EventKind::Stderr => self.stream(event.kind, text(data), Some(Ink::Faint)),
            EventKind::Note => self.aside(text(data).trim_end()),
            EventKind::ToolCall => self.aside(&format!("tool {}", named(data, &["title", "name", "tool"]))),
            EventKind::ToolResult => self.aside(&format!("tool result {}", named(data, &["title", "status", "name"]))),
            EventKind::Plan => plan(data).iter().map(|line| self.aside(line)).collect(),
            EventKind::Usage => used(data).iter().map(|line| self.aside(line)).collect(),
        }
    }

    fn stream(&mut self, kind: EventKind, text: &str, ink: Option<Ink>) -> String {
        self.open =
            (!text.is_empty() && !text.ends_with('\n')).then_some(kind).or(self.open.filter(|_| text.is_empty()));
        match ink {
            Some(ink) => text.split_inclusive('\n').map(|line| self.inked(ink, line)).collect(),
            None => text.to_owned(),
        }
    }

    /// A colour never spans the end of a line.
    fn inked(&self, ink: Ink, line: &str) -> String {
        let bare = line.trim_end_matches('\n');
        format!("{}{}", self.paint.with(ink, bare), &line[bare.len()..])
    }

    fn aside(&self, words: &str) -> String {
        format!("{}\n", self.paint.with(Ink::Faint, &format!("-- {words}")))
    }
}

/// A line for each entry of a plan.
fn plan(data: &Value) -> Vec<String> {
    let entries = data.get("entries").and_then(Value::as_array).into_iter().flatten();
    let line = |entry: &Value| {
        let of = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        format!("plan {}: {}", of("status"), of("content"))
    };
    entries.map(line).collect()
}

/// A line for each model, with what the run has used of it so far.
fn used(data: &Value) -> Vec<String> {
    let models: Option<Vec<ModelUsage>> = data.get("models").and_then(|models| Deserialize::deserialize(models).ok());
    let Some(models) = models else { return vec![format!("usage {data}")] };
    let line = |used: &ModelUsage| {
        let tokens = |count: Option<u64>, what: &str| count.map(|count| format!("{count} {what}"));
        let parts = [
            tokens(used.input_tokens, "in"),
            tokens(used.output_tokens, "out"),
            tokens(used.cache_read_tokens, "from cache"),
            tokens(used.cache_write_tokens, "to cache"),
            used.cost_usd.map(|usd| format!("{usd} USD")),
        ];
        let of = if used.model.is_empty() { String::new() } else { format!(" {}", used.model) };
        format!("so far{of}: {}", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    };
    models.iter().map(line).collect()
}

fn text(data: &Value) -> &str {
    data.get("text").and_then(Value::as_str).unwrap_or_default()
}

/// The first of some fields that is there, else everything.
fn named(data: &Value, fields: &[&str]) -> String {
    let found = fields.iter().chain(&["text"]).find_map(|field| data.get(*field).and_then(Value::as_str));
    found.map_or_else(|| data.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(attempt: u32, kind: EventKind, data: Value) -> Event {
        Event { attempt, seq: 1, at: "2026-11-23T09:00:00Z".parse().unwrap(), kind, data }
    }

    fn shown(paint: Paint) -> String {
        let mut lines = Lines::new(paint);
        let events = [
            event(1, EventKind::Note, json!({"text": "started"})),
            event(1, EventKind::Stdout, json!({"text": "one\ntw"})),
            event(1, EventKind::Stdout, json!({"text": "o"})),
            event(1, EventKind::Stderr, json!({"text": "oh\nno\n"})),
            event(2, EventKind::Stdout, json!({"text": "again"})),
            event(2, EventKind::ToolCall, json!({"name": "grep", "id": 7})),
            event(2, EventKind::Usage, json!({"input_tokens": 5})),
            event(2, EventKind::Usage, json!({"models": [{"model": "m:1", "input_tokens": 5, "cost_usd": 0.00123}]})),
            event(2, EventKind::AgentText, json!({"text": "done"})),
        ];
        let mut text: String = events.iter().map(|event| lines.add(event)).collect();
        text += &lines.close();
        text
    }

    #[test]
    fn pieces_become_lines() {
        insta::assert_snapshot!(shown(Paint::fixed(false)));
    }

    #[test]
    fn what_the_agent_says_is_never_coloured() {
        let shown = shown(Paint::fixed(true));
        assert!(shown.contains("one\ntwo\n\x1b[2moh\x1b[0m\n\x1b[2mno\x1b[0m\n"), "{shown}");
        assert!(shown.ends_with("done\n"), "{shown}");
    }
}
