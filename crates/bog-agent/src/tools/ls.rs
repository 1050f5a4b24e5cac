//! `ls`: what is in a folder.

use super::object;
use super::roots::Roots;
use super::walk::page;
use serde::Deserialize;
use serde_json::Value;

const LIMIT: usize = 500;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Args {
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    offset: usize,
}

pub fn about() -> (&'static str, Value) {
    let parameters = object(
        0,
        &[
            ("path", "string", "the folder; the working folder where left out"),
            ("offset", "integer", "how many entries to pass over"),
        ],
    );
    ("Lists a folder: folders end in /, links in @, files come with their size in bytes.", parameters)
}

pub fn run(roots: &Roots, args: &Args) -> Result<String, String> {
    let path = args.path.as_deref().unwrap_or(".");
    let entries = roots.folder(path)?.entries().map_err(|error| format!("`{path}`: {error}"))?;
    let mut lines = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        lines.push(match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => format!("{name}/"),
            Ok(metadata) if metadata.is_symlink() => format!("{name}@"),
            Ok(metadata) => format!("{name} {}", metadata.len()),
            Err(_) => name,
        });
    }
    lines.sort();
    if lines.is_empty() {
        return Ok("the folder is empty".to_owned());
    }
    Ok(page(&lines, args.offset, LIMIT, false))
}
