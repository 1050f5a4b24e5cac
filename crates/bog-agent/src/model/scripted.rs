//! `scripted:FILE`: a recorded conversation that is played against the real tools, for demos and tests. The format is
//! described in `docs/agents.md`.
//!
//! It is never chosen by itself: only a job that names it gets it.

use super::{Delta, ModelError, Request, Sink};
use crate::chat::{Arguments, Block, Ending, Message, Reply, Tokens, ToolCall};
use crate::model::draft::new_id;
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What stands before the file's name in place of a provider.
pub const SCRIPTED: &str = "scripted";

/// What is put in the place of `{{result}}` is cut to so many characters.
const RESULT_CHARS: usize = 4000;

/// One answer, as a line of the file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Line {
    /// What the model says; `{{result}}` stands for the latest result of a tool.
    text: String,
    /// What it thinks.
    thought: String,
    calls: Vec<Call>,
    usage: Tokens,
    /// How long it takes.
    delay_ms: u64,
    ending: Option<Ending>,
    /// It fails instead.
    error: Option<Failure>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    name: String,
    /// An object; anything else is what a model got wrong.
    #[serde(default)]
    arguments: Value,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    kind: Kind,
    message: String,
    #[serde(default)]
    retry_after_ms: Option<u64>,
    #[serde(default)]
    resets_at: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Passing,
    Quota,
    TooLong,
    Permanent,
}

/// A recorded conversation.
#[derive(Debug)]
pub struct Scripted {
    file: String,
    lines: Vec<Line>,
    next: AtomicUsize,
}

impl Scripted {
    /// Reads a file; a relative name is one below `folder`.
    ///
    /// # Errors
    /// When it cannot be read, or a line is wrong: which, and why.
    pub fn read(file: &str, folder: &Path) -> Result<Self, String> {
        let path = folder.join(file);
        let text =
            std::fs::read_to_string(&path).map_err(|error| format!("`{}` cannot be read: {error}", path.display()))?;
        Self::parse(file, &text)
    }

    /// Takes a file's text.
    ///
    /// # Errors
    /// When a line is wrong: which, and why.
    pub fn parse(file: &str, text: &str) -> Result<Self, String> {
        let mut lines = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                let line = serde_json::from_str(line);
                lines.push(line.map_err(|error| format!("`{file}`, line {}: {error}", at + 1))?);
            }
        }
        Ok(Self { file: file.to_owned(), lines, next: AtomicUsize::new(0) })
    }

    /// `scripted:FILE`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{SCRIPTED}:{}", self.file)
    }

    /// Goes on after so many answers, for a conversation that is resumed.
    pub fn skip(&self, answers: usize) {
        let mut left = answers;
        let mut at = 0;
        while left > 0 && at < self.lines.len() {
            left -= usize::from(self.lines[at].error.is_none());
            at += 1;
        }
        self.next.store(at, Ordering::Relaxed);
    }

    pub(super) async fn call(&self, request: &Request<'_>, sink: &mut Sink<'_>) -> Result<Reply, ModelError> {
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(line) = self.lines.get(at) else {
            return Err(ModelError::permanent(format!(
                "`{}` has no more than {} answers",
                self.file,
                self.lines.len()
            )));
        };
        tokio::time::sleep(Duration::from_millis(line.delay_ms)).await;
        if let Some(failure) = &line.error {
            let tokens = Some(line.usage).filter(|tokens| *tokens != Tokens::default());
            return Err(failure.error(tokens));
        }
        if !line.thought.is_empty() {
            sink(Delta::Thought(line.thought.clone()));
        }
        let text = line.text.replace("{{result}}", &latest_result(request.messages));
        let mut blocks = Vec::new();
        if !text.is_empty() {
            sink(Delta::Text(text.clone()));
            blocks.push(Block::Text { text });
        }
        for call in &line.calls {
            let arguments = match call.arguments.as_str() {
                Some(text) => Arguments::parse(text),
                None => Arguments::from_value(call.arguments.clone()),
            };
            blocks.push(Block::Call(ToolCall { id: new_id(), name: call.name.clone(), arguments }));
        }
        let ending = line.ending.unwrap_or(Ending::Complete);
        if blocks.is_empty() && ending == Ending::Complete {
            return Err(ModelError::Empty { tokens: line.usage });
        }
        Ok(Reply { blocks, ending, tokens: line.usage })
    }
}

impl Failure {
    fn error(&self, tokens: Option<Tokens>) -> ModelError {
        let message = self.message.clone();
        match self.kind {
            Kind::Passing => {
                let retry_after = self.retry_after_ms.map(Duration::from_millis);
                ModelError::Passing { message, retry_after, tokens }
            }
            Kind::Quota => ModelError::Quota { message, resets_at: self.resets_at.clone() },
            Kind::TooLong => ModelError::TooLong { message },
            Kind::Permanent => ModelError::Permanent { message },
        }
    }
}

fn latest_result(messages: &[Message]) -> String {
    let results = messages.iter().rev().find_map(|message| match message {
        Message::Tools { results } => results.last(),
        Message::User { .. } | Message::Assistant { .. } => None,
    });
    results.map(|result| result.text.chars().take(RESULT_CHARS).collect()).unwrap_or_default()
}
