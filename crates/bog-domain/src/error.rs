//! What is wrong with a job as written, for the person who wrote it.

use crate::spec::locate::{self, Position};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is wrong with a job: which field, what is allowed, and, where it came from a file, the place in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecError {
    /// The field, as `triggers[0].cron`; empty where the whole text is meant.
    pub field: String,
    /// What is wrong and what is allowed.
    pub message: String,
    /// Where it stands in the file.
    pub position: Option<Position>,
}

impl SpecError {
    /// An error of a field.
    #[must_use]
    pub fn new(field: impl Into<String>, message: impl fmt::Display) -> Self {
        Self { field: field.into(), message: message.to_string(), position: None }
    }

    /// Adds the place of the field in the YAML text it came from. For an unknown field that is its key.
    #[must_use]
    pub fn located_in(mut self, yaml: &str) -> Self {
        let unknown = self.message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
        let key = unknown.map(|name| match self.field.as_str() {
            "" => name.to_owned(),
            path if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
            path => format!("{path}.{name}"),
        });
        self.position = self
            .position
            .or_else(|| key.and_then(|path| locate::locate_key(yaml, &path)))
            .or_else(|| locate::locate(yaml, &self.field));
        self
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Position { line, column }) = self.position {
            write!(f, "line {line}, column {column}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "`{}`: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for SpecError {}
