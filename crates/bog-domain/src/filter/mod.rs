//! Filters: a small language of expressions that say which events fire a job.
//!
//! ```text
//! payload.action == 'opened' and 'bug' in payload.issue.labels.name
//! headers['x-github-event'] in ['issues', 'issue_comment'] and not startswith(event.path, '/hooks/old')
//! ```
//!
//! A filter has no effects, always ends, and always says yes or no. Its grammar is checked when a job is saved, with the
//! place of the mistake. What is not there is `none`: it equals nothing else, contains nothing, and is neither less nor
//! more than anything. A field of a list is the list of that field of its items.
//!
//! Not the templates' expressions: there what is missing is less than every number, a mistake shows only when an event
//! comes, and parsing is paid for with every event.
//!
//! Bounded are the text ([`MAX_BYTES`]), its depth ([`MAX_DEPTH`]) and its parts ([`MAX_PARTS`]), each of which looks at
//! the event at most once.

mod eval;
mod lexer;
mod parser;

use parser::Expr;
use serde_json::Value;
use std::fmt;

/// Longest filter in bytes.
pub const MAX_BYTES: usize = 4096;

/// Deepest nesting of parentheses, lists, calls and `not`.
pub const MAX_DEPTH: usize = 32;

/// Most literals, names, steps and operations.
pub const MAX_PARTS: usize = 256;

/// Where a filter is no filter, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a filter, at character {at}: {problem}")]
pub struct FilterError {
    /// The character, from 1.
    pub at: usize,
    /// What is wrong, and what is allowed.
    pub problem: String,
}

/// A filter.
#[derive(Debug, Clone)]
pub struct Filter {
    text: Box<str>,
    root: Expr,
}

impl Filter {
    /// Takes a text that is a filter over events with these fields.
    ///
    /// # Errors
    /// The first mistake, and where it is.
    pub fn parse(text: &str, event_fields: &[&str]) -> Result<Self, FilterError> {
        let at = |offset: usize| text[..offset].chars().count() + 1;
        if text.len() > MAX_BYTES {
            let problem = format!("it has {} bytes, {MAX_BYTES} are allowed", text.len());
            return Err(FilterError { at: 1, problem });
        }
        let parsed = lexer::tokens(text).and_then(|tokens| parser::parse(tokens, text.len(), event_fields));
        let root = parsed.map_err(|(offset, problem)| FilterError { at: at(offset), problem })?;
        Ok(Self { text: text.into(), root })
    }

    /// Whether an event gets through. `event` is an object with `payload` and `headers` among its fields.
    #[must_use]
    pub fn lets_through(&self, event: &Value) -> bool {
        eval::is_true(&self.root, event)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
