//! `todo`: the model's own list of what is to be done, which people see as its plan.

use serde::Deserialize;
use serde_json::{Value, json};

const MOST: usize = 50;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Args {
    items: Vec<Item>,
}

/// One thing to be done.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// What.
    pub content: String,
    /// How far it is.
    pub status: State,
}

/// How far something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not begun.
    Pending,
    /// Begun.
    InProgress,
    /// Done.
    Completed,
}

pub fn about() -> (&'static str, Value) {
    let item = json!({
        "type": "object",
        "properties": {
            "content": {"type": "string", "description": "what is to be done"},
            "status": {"type": "string", "enum": ["pending", "in_progress", "completed"]},
        },
        "required": ["content", "status"],
        "additionalProperties": false,
    });
    let parameters = json!({
        "type": "object",
        "properties": {"items": {"type": "array", "items": item, "description": "the whole list, in order"}},
        "required": ["items"],
        "additionalProperties": false,
    });
    ("Keeps the list of what is to be done, for work of several steps. Each call replaces the list.", parameters)
}

pub fn run(args: Args) -> (String, Vec<Item>) {
    let mut items = args.items;
    items.truncate(MOST);
    let done = items.iter().filter(|item| item.status == State::Completed).count();
    (format!("{done} of {} done", items.len()), items)
}
