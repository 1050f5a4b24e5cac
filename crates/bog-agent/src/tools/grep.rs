//! `grep`: lines by their content.

use super::cut::floor;
use super::object;
use super::roots::Roots;
use super::walk::{Walk, page};
use globset::{GlobBuilder, GlobMatcher};
use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

const LIMIT: usize = 200;

/// Matches after which the search ends.
const MOST: usize = 10_000;

/// Files that are larger are passed over: nobody wrote them by hand.
const LARGEST: u64 = 4 * 1024 * 1024;

/// The longest part of a line that is shown, in bytes.
const LINE: usize = 300;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Args {
    pattern: String,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    include: Option<String>,
    #[serde(default)]
    ignore_case: bool,
    #[serde(default)]
    offset: usize,
}

pub fn about() -> (&'static str, Value) {
    let parameters = object(
        1,
        &[
            ("pattern", "string", "a regular expression, as in Rust or RE2"),
            ("path", "string", "a folder or a file; the working folder where left out"),
            ("include", "string", "only files whose names match this glob, like *.rs"),
            ("ignore_case", "boolean", "take upper and lower case as the same"),
            ("offset", "integer", "how many lines to pass over"),
        ],
    );
    ("Finds lines in files by a regular expression, as file:line: text. What git ignores is left out.", parameters)
}

pub fn run(roots: &Roots, args: &Args) -> Result<String, String> {
    let regex = RegexBuilder::new(&args.pattern).case_insensitive(args.ignore_case).build();
    let regex = regex.map_err(|error| format!("`{}` is no regular expression: {error}", args.pattern))?;
    let include = args.include.as_deref().map(glob).transpose()?;
    let path = args.path.as_deref().unwrap_or(".");
    let mut found = Vec::new();
    if roots.metadata(path)?.is_file() {
        search(roots, path, path, &regex, &mut found)?;
        return Ok(page(&found, args.offset, LIMIT, false));
    }
    let mut walk = Walk::new(roots, path)?;
    let folder = walk.folder.clone();
    for entry in walk.by_ref() {
        let is_wanted = |glob: &GlobMatcher| glob.is_match(Path::new(entry.file_name()));
        let Some(full) = entry.path().to_str().filter(|_| include.as_ref().is_none_or(is_wanted)) else { continue };
        let shown = entry.path().strip_prefix(&folder).unwrap_or(entry.path()).display().to_string();
        // A file that cannot be read, or went away meanwhile, has no lines.
        let _ = search(roots, full, &shown, &regex, &mut found);
        if found.len() >= MOST {
            return Ok(page(&found, args.offset, LIMIT, true));
        }
    }
    Ok(page(&found, args.offset, LIMIT, walk.ended_early))
}

fn glob(pattern: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(pattern).build().map_err(|error| format!("`{pattern}` is no glob: {error}"))?;
    Ok(glob.compile_matcher())
}

fn search(roots: &Roots, path: &str, shown: &str, regex: &Regex, found: &mut Vec<String>) -> Result<(), String> {
    let content = roots.read(path, LARGEST)?;
    if content.contains(&0) {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&content);
    for (at, line) in text.lines().enumerate() {
        if regex.is_match(line) {
            found.push(format!("{shown}:{}: {}", at + 1, &line[..floor(line, LINE)]));
            if found.len() >= MOST {
                break;
            }
        }
    }
    Ok(())
}
