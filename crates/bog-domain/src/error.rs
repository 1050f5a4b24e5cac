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
        self.position = self
            .position
            .or_else(|| self.unknown_field().and_then(|path| locate::locate_key(yaml, &path)))
            .or_else(|| locate::locate(yaml, &self.field));
        self
    }

    /// The path of the field that should not be there, where that is what is wrong.
    #[must_use]
    pub fn unknown_field(&self) -> Option<String> {
        let name = self.message.strip_prefix("unknown field `")?.split('`').next()?;
        // Inside tagged enums the path ends at what holds the field, elsewhere at the field.
        let named = self.field.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('.'));
        Some(match self.field.as_str() {
            "" => name.to_owned(),
            path if named => path.to_owned(),
            path => format!("{path}.{name}"),
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_field_is_the_field_that_is_named() {
        let named = |path: &str, message: &str| SpecError::new(path, message).unknown_field();
        assert_eq!(named("", "unknown field `naem`, expected").as_deref(), Some("naem"));
        assert_eq!(named("naem", "unknown field `naem`, expected").as_deref(), Some("naem"));
        assert_eq!(named("limits.naem", "unknown field `naem`, expected").as_deref(), Some("limits.naem"));
        assert_eq!(named("triggers[0]", "unknown field `jiter`, expected").as_deref(), Some("triggers[0].jiter"));
        assert_eq!(named("triggers[0].cron", "is wrong"), None);
    }
}
