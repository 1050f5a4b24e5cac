//! Changes as they are told: to templates, and to the agent.

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Paths that an event names; it counts the rest.
pub const MAX_PATHS: usize = 500;

/// How a file differs from what was remembered of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It was not there.
    Created,
    /// It was another.
    Modified,
    /// It is not there any more.
    Removed,
}

/// One file that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The file.
    pub path: PathBuf,
    /// How it changed.
    pub kind: ChangeKind,
    /// When it changed, as far as that can be known, and not later than it did.
    pub at: Timestamp,
    /// What is to be remembered of it; `None` where it is gone.
    pub print: Option<i64>,
}

/// What is looked at of a file: its size and the time of its last write, to the nanosecond; of a link also those of what
/// it leads to. Not its content: to read 50,000 files costs more than to be told of one that was written anew as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Bytes.
    pub size: u64,
    /// Seconds and nanoseconds since 1970.
    pub modified: (i64, i64),
}

impl Facts {
    /// What is remembered of a file: a digest, of which nothing but equality is asked.
    #[must_use]
    pub fn print(&self, target: Option<&Self>) -> i64 {
        let mut digest = Sha256::new();
        for facts in std::iter::once(self).chain(target) {
            digest.update(facts.size.to_le_bytes());
            digest.update(facts.modified.0.to_le_bytes());
            digest.update(facts.modified.1.to_le_bytes());
        }
        let mut first = [0; 8];
        first.copy_from_slice(&digest.finalize()[..8]);
        i64::from_le_bytes(first)
    }
}

/// The event: relative paths in order, at most [`MAX_PATHS`] of them, and how many there are. A name that is not UTF-8
/// has `\u{fffd}` for what is not.
#[must_use]
pub fn context(changes: &[Change], base: Option<&Path>) -> Value {
    let mut changes: Vec<&Change> = changes.iter().collect();
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    let named = |change: &Change| {
        let relative = base.and_then(|base| change.path.strip_prefix(base).ok());
        Value::from(relative.unwrap_or(&change.path).to_string_lossy())
    };
    let told = &changes[..changes.len().min(MAX_PATHS)];
    let of = |kind: ChangeKind| {
        told.iter().filter(|change| change.kind == kind).map(|change| named(change)).collect::<Vec<_>>()
    };
    let count = |kind: ChangeKind| changes.iter().filter(|change| change.kind == kind).count();
    json!({
        "paths": told.iter().map(|change| named(change)).collect::<Vec<_>>(),
        "created": of(ChangeKind::Created),
        "modified": of(ChangeKind::Modified),
        "removed": of(ChangeKind::Removed),
        "path_count": changes.len(),
        "created_count": count(ChangeKind::Created),
        "modified_count": count(ChangeKind::Modified),
        "removed_count": count(ChangeKind::Removed),
    })
}
