//! What a conversation is made of, in a form that is no provider's: messages, tool calls with their results, and what one
//! model call came to.
//!
//! Serialised in journals: a changed field changes their version.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case", deny_unknown_fields)]
pub enum Message {
    /// Said to the model.
    User {
        /// The text.
        text: String,
    },
    /// Said by the model.
    Assistant {
        /// Its parts, in order.
        blocks: Vec<Block>,
    },
    /// What the tool calls of the message before came to, in the same order.
    Tools {
        /// One for each call.
        results: Vec<ToolResult>,
    },
}

impl Message {
    /// Said to the model.
    pub fn user(text: impl Into<String>) -> Self {
        Self::User { text: text.into() }
    }

    /// About how many bytes of text a provider reads for it.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::User { text } => text.len(),
            Self::Assistant { blocks } => blocks.iter().map(Block::size).sum(),
            Self::Tools { results } => results.iter().map(|result| result.text.len()).sum(),
        }
    }
}

/// A part of what a model said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Block {
    /// Text for people.
    Text {
        /// The text.
        text: String,
    },
    /// A tool is to be called.
    Call(ToolCall),
    /// Something that only the provider understands and wants to be given back as it was: reasoning, signatures.
    Opaque {
        /// The provider's name.
        provider: String,
        /// What it sent.
        value: Value,
    },
}

impl Block {
    fn size(&self) -> usize {
        match self {
            Self::Text { text } => text.len(),
            Self::Call(call) => call.name.len() + call.arguments.to_text().len(),
            Self::Opaque { value, .. } => value.to_string().len(),
        }
    }
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// Unique within the conversation.
    pub id: String,
    /// The tool's name as the model wrote it: there may be no such tool.
    pub name: String,
    /// Its arguments.
    pub arguments: Arguments,
}

/// Arguments of a tool call, as far as they can be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Arguments {
    /// A JSON object.
    Object {
        /// The object.
        value: Map<String, Value>,
    },
    /// Anything else.
    Malformed {
        /// As the model wrote them.
        text: String,
        /// What is wrong.
        error: String,
    },
}

impl Arguments {
    /// Reads what a model wrote. Nothing at all stands for no arguments.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text.trim().is_empty() {
            return Self::Object { value: Map::new() };
        }
        match serde_json::from_str(text) {
            Ok(value) => Self::from_value(value),
            Err(error) => Self::Malformed { text: text.to_owned(), error: error.to_string() },
        }
    }

    /// Takes what a provider sent as a JSON value.
    #[must_use]
    pub fn from_value(value: Value) -> Self {
        match value {
            Value::Object(value) => Self::Object { value },
            Value::Null => Self::Object { value: Map::new() },
            other @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                Self::Malformed { text: other.to_string(), error: "it is no JSON object".to_owned() }
            }
        }
    }

    /// What providers that want an object are given back: an empty one for what could not be read.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Object { value } => Value::Object(value.clone()),
            Self::Malformed { .. } => Value::Object(Map::new()),
        }
    }

    /// What providers that want text are given back.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.to_value().to_string()
    }
}

/// What a tool call came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolResult {
    /// The call's.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// What the model is told.
    pub text: String,
    /// Whether that is an error.
    pub is_error: bool,
}

impl ToolResult {
    /// What a call came to.
    #[must_use]
    pub fn of(call: &ToolCall, outcome: Result<String, String>) -> Self {
        let is_error = outcome.is_err();
        let text = outcome.unwrap_or_else(|error| error);
        Self { id: call.id.clone(), name: call.name.clone(), text, is_error }
    }
}

/// Tokens of one model call. What the provider did not tell is none, which is not nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tokens {
    /// Read, those from the cache and those written to it left out.
    pub input: Option<u64>,
    /// Written.
    pub output: Option<u64>,
    /// Read from the provider's cache.
    pub cache_read: Option<u64>,
    /// Read and written to the provider's cache.
    pub cache_write: Option<u64>,
}

impl Tokens {
    /// All that the model had before it, if that is known.
    #[must_use]
    pub fn context(&self) -> Option<u64> {
        Some(self.input? + self.cache_read.unwrap_or(0) + self.cache_write.unwrap_or(0))
    }
}

/// Why a model stopped writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It had said everything, or waits for its tools.
    Complete,
    /// It reached the most that it may write at once.
    Length,
    /// It, or its provider, refused.
    Refusal,
}

/// What one model call came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// What it said.
    pub blocks: Vec<Block>,
    /// Why it stopped.
    pub ending: Ending,
    /// What was read and written.
    pub tokens: Tokens,
}

impl Reply {
    /// The tools to be called.
    pub fn calls(&self) -> impl Iterator<Item = &ToolCall> {
        calls(&self.blocks)
    }

    /// What it said, for people.
    #[must_use]
    pub fn text(&self) -> String {
        text(&self.blocks)
    }
}

/// The tool calls among the parts of a message.
pub fn calls(blocks: &[Block]) -> impl Iterator<Item = &ToolCall> {
    blocks.iter().filter_map(|block| match block {
        Block::Call(call) => Some(call),
        Block::Text { .. } | Block::Opaque { .. } => None,
    })
}

/// The text among the parts of a message.
#[must_use]
pub fn text(blocks: &[Block]) -> String {
    let texts = blocks.iter().filter_map(|block| match block {
        Block::Text { text } => Some(text.as_str()),
        Block::Call(_) | Block::Opaque { .. } => None,
    });
    texts.collect()
}

/// A tool as the model is told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    /// Its name: letters, digits, `_` and `-`, at most 64.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// A JSON schema of its arguments: an object.
    pub parameters: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_an_object_or_malformed() {
        assert_eq!(Arguments::parse(" "), Arguments::Object { value: Map::new() });
        assert!(matches!(Arguments::parse(r#"{"path": "a"}"#), Arguments::Object { value } if value["path"] == "a"));
        for wrong in [r#"{"path": "a"#, "[1]", "\"text\"", "nonsense"] {
            assert!(matches!(Arguments::parse(wrong), Arguments::Malformed { .. }), "{wrong}");
            assert_eq!(Arguments::parse(wrong).to_text(), "{}");
        }
    }
}
