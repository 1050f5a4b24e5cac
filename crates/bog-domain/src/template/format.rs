//! How a value becomes text, in prompts and in paths.

use super::{MAX_PATH_VALUE, MAX_VALUE};
use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Output, State, Value};
use std::borrow::Cow;
use std::io;

/// What stands at the end of a value that was cut.
const CUT: &str = " [cut]";

/// What is being rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Text: values stand as they are.
    Text,
    /// A path: values are made harmless.
    Path,
}

/// Writes one interpolated value.
pub(super) fn write(
    style: Style,
    output: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    // The engine charges for what is written; a value that is long here and short there would be free.
    let long = text(value);
    state.consume_fuel(long.len() as u64 / 64)?;
    let written = match style {
        Style::Text if long.len() > MAX_VALUE => {
            output.write_str(cut(&long, MAX_VALUE)).and_then(|()| output.write_str(CUT))
        }
        Style::Text => output.write_str(&long),
        Style::Path => output.write_str(&harmless(&long)),
    };
    written.map_err(|_| Error::from(ErrorKind::WriteFailure))
}

/// The text of a value; of lists and maps a little more than [`MAX_VALUE`] of it at most.
fn text(value: &Value) -> Cow<'_, str> {
    if value.is_undefined() || value.is_none() {
        return Cow::Borrowed("");
    }
    if let Some(text) = value.as_str() {
        return Cow::Borrowed(text);
    }
    if value.kind() == ValueKind::Bool {
        // Not Python's `True`.
        return Cow::Borrowed(if value.is_true() { "true" } else { "false" });
    }
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable) {
        return Cow::Owned(value.to_string());
    }
    let mut json = Head::default();
    // The only error is the one by which the writer stops it.
    let _stopped = serde_json::to_writer(&mut json, value);
    Cow::Owned(String::from_utf8_lossy(&json.0).into_owned())
}

/// The first bytes written to it; then it says stop.
#[derive(Default)]
struct Head(Vec<u8>);

impl io::Write for Head {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() > MAX_VALUE {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        // A single long string inside a list comes in one piece.
        let taken = &bytes[..bytes.len().min(MAX_VALUE + 1)];
        self.0.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A value as a part of one path component: no separator, no control character, no `..`, no leading dot.
///
/// `:` goes too where it names drives and streams. Separators become `_`, so that `feature/login` stays readable.
fn harmless(value: &str) -> String {
    let mut safe = String::new();
    for c in value.chars() {
        let c = if matches!(c, '/' | '\\') || c.is_control() || cfg!(windows) && c == ':' { '_' } else { c };
        // A run of dots keeps its first only, and none at the start.
        if c == '.' && (safe.is_empty() || safe.ends_with('.')) {
            continue;
        }
        if safe.len() + c.len_utf8() > MAX_PATH_VALUE {
            break;
        }
        safe.push(c);
    }
    safe
}

/// The longest prefix of at most `max` bytes that ends between two characters.
fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}
