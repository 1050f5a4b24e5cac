//! `glob`: files by their names.

use super::object;
use super::roots::Roots;
use super::walk::{Walk, page};
use globset::GlobBuilder;
use serde::Deserialize;
use serde_json::Value;

const LIMIT: usize = 300;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Args {
    pattern: String,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    offset: usize,
}

pub fn about() -> (&'static str, Value) {
    let parameters = object(
        1,
        &[
            ("pattern", "string", "a glob like src/**/*.rs, from the folder on"),
            ("path", "string", "the folder; the working folder where left out"),
            ("offset", "integer", "how many files to pass over"),
        ],
    );
    ("Finds files by name, in the order of their paths. What git ignores is left out.", parameters)
}

pub fn run(roots: &Roots, args: &Args) -> Result<String, String> {
    let glob = GlobBuilder::new(args.pattern.trim_start_matches("./")).literal_separator(true).build();
    let matcher = glob.map_err(|error| format!("`{}` is no glob: {error}", args.pattern))?.compile_matcher();
    let mut walk = Walk::new(roots, args.path.as_deref().unwrap_or("."))?;
    let folder = walk.folder.clone();
    let mut found = Vec::new();
    for entry in walk.by_ref() {
        let Ok(relative) = entry.path().strip_prefix(&folder) else { continue };
        if matcher.is_match(relative) {
            found.push(relative.display().to_string());
        }
    }
    Ok(page(&found, args.offset, LIMIT, walk.ended_early))
}
