//! `read`: a file's lines, or those of a result that was cut.

use super::cut::{LIMIT, floor};
use super::object;
use super::roots::Roots;
use serde::Deserialize;
use serde_json::Value;
use std::io::{BufRead, BufReader};

/// Lines that are shown where no limit is given.
const LINES: usize = 2000;

/// The longest line that is shown whole, in bytes.
const LINE: usize = 2000;

/// How far into a file is looked at most, in bytes.
const DEPTH: usize = 256 * 1024 * 1024;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Args {
    pub path: String,
    #[serde(default)]
    offset: Option<usize>,
    #[serde(default)]
    limit: Option<usize>,
}

pub fn about() -> (&'static str, Value) {
    let parameters = object(
        1,
        &[
            ("path", "string", "the file; relative paths start at the working folder"),
            ("offset", "integer", "the first line, from 1"),
            ("limit", "integer", "how many lines"),
        ],
    );
    (
        "Reads a text file. Each line is shown with its number and a tab before it, which are not part of the file.",
        parameters,
    )
}

pub fn run(roots: &Roots, args: &Args, kept: Option<&str>) -> Result<String, String> {
    match kept {
        Some(text) => show(text.as_bytes(), args),
        None => show(BufReader::new(roots.file(&args.path)?), args),
    }
}

fn show(mut reader: impl BufRead, args: &Args) -> Result<String, String> {
    let first = args.offset.unwrap_or(1).max(1);
    let last = first.saturating_add(args.limit.unwrap_or(LINES)) - 1;
    let (mut number, mut depth, mut shown) = (0, 0, String::new());
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = next_line(&mut reader, &mut line).map_err(|error| format!("`{}`: {error}", args.path))?;
        depth += read;
        if read == 0 {
            break;
        }
        if line.contains(&0) {
            return Err(format!("`{}` is no text file", args.path));
        }
        number += 1;
        if number < first && depth < DEPTH {
            continue;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        let end = floor(text, LINE);
        let more = if end < text.len() { " [line cut]" } else { "" };
        let text = format!("{number}\t{}{more}\n", &text[..end]);
        if number > last || shown.len() + text.len() > LIMIT - 200 || depth >= DEPTH {
            shown.push_str(&format!("[there is more; `offset: {number}` shows it]"));
            return Ok(shown);
        }
        shown.push_str(&text);
    }
    match (number, shown.is_empty()) {
        (0, _) => Ok("the file is empty".to_owned()),
        (lines, true) => Err(format!("`{}` has only {lines} lines", args.path)),
        (_, false) => Ok(shown),
    }
}

/// Reads to the end of a line, keeps its beginning, and returns how many bytes that were.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<usize> {
    let mut read = 0;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(read);
        }
        let end = buffer.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let used = end.unwrap_or(buffer.len());
        let room = (LINE + 8).saturating_sub(line.len()).min(used);
        line.extend_from_slice(&buffer[..room]);
        reader.consume(used);
        read += used;
        if end.is_some() {
            return Ok(read);
        }
    }
}
