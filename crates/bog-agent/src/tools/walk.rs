//! Walking over the files below a folder, as version control sees them, for a limited time.

use super::roots::Roots;
use ignore::{DirEntry, WalkBuilder};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a walk may take, and how many entries it may see.
const PATIENCE: Duration = Duration::from_secs(20);
const ENTRIES: usize = 500_000;

/// Files below a folder.
pub struct Walk {
    /// The folder, with all links resolved.
    pub folder: PathBuf,
    walk: ignore::Walk,
    until: Instant,
    seen: usize,
    /// Whether it ended before all was seen.
    pub ended_early: bool,
}

impl Walk {
    /// Below `path`; what ignore files name and what is git's own is left out, links are not followed.
    pub fn new(roots: &Roots, path: &str) -> Result<Self, String> {
        let folder = roots.resolve(path)?;
        let mut builder = WalkBuilder::new(&folder);
        builder.hidden(false).require_git(false).follow_links(false).parents(false).git_global(false);
        builder.sort_by_file_name(Ord::cmp).filter_entry(|entry| entry.file_name() != ".git");
        Ok(Self { folder, walk: builder.build(), until: Instant::now() + PATIENCE, seen: 0, ended_early: false })
    }
}

impl Iterator for Walk {
    type Item = DirEntry;

    fn next(&mut self) -> Option<DirEntry> {
        loop {
            self.seen += 1;
            if self.seen > ENTRIES || Instant::now() > self.until {
                self.ended_early = true;
                return None;
            }
            // A folder that cannot be read is passed over.
            match self.walk.next()? {
                Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => return Some(entry),
                Ok(_) | Err(_) => {}
            }
        }
    }
}

/// A page of a list, with how to see the next.
pub fn page(lines: &[String], offset: usize, limit: usize, ended_early: bool) -> String {
    let shown: Vec<&str> = lines.iter().skip(offset).take(limit).map(String::as_str).collect();
    let mut text = if shown.is_empty() { "nothing found".to_owned() } else { shown.join("\n") };
    let next = offset + shown.len();
    if next < lines.len() {
        text.push_str(&format!("\n[{} of {} shown; `offset: {next}` shows more]", shown.len(), lines.len()));
    }
    if ended_early {
        text.push_str("\n[not everything was looked at: too much is there; name a folder or pattern that is narrower]");
    }
    text
}
