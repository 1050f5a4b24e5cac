//! `write`: a whole file.

use super::object;
use super::roots::Roots;
use serde::Deserialize;
use serde_json::Value;

/// The largest file that is written at once, in bytes.
const LARGEST: usize = 8 * 1024 * 1024;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Args {
    path: String,
    content: String,
}

pub fn about() -> (&'static str, Value) {
    let parameters = object(
        2,
        &[
            ("path", "string", "the file; folders that lead to it are made"),
            ("content", "string", "all that is to stand in it"),
        ],
    );
    ("Writes a file, in place of what is there. To change a part of a file, use edit.", parameters)
}

pub fn run(roots: &Roots, args: &Args) -> Result<String, String> {
    if args.content.len() > LARGEST {
        return Err(format!("the content has over {LARGEST} bytes, which is the most that is written at once"));
    }
    roots.write(&args.path, args.content.as_bytes())?;
    Ok(format!("wrote {} bytes to `{}`", args.content.len(), args.path))
}
