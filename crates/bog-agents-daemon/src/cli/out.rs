//! What people and programs see: text on stdout, notes on stderr, tables, colours.
//!
//! Everything goes through here, so that a closed pipe is an error that is returned, never a panic, and colours appear
//! on a terminal only.

use crate::env;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// Colours, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

/// A colour or weight, by what it is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// It went well.
    Good,
    /// It did not.
    Bad,
    /// It wants to be looked at.
    Care,
    /// A heading.
    Strong,
    /// An aside.
    Faint,
}

impl Paint {
    /// Colours for a stream that is a terminal, unless `NO_COLOR` is set.
    #[must_use]
    pub fn of(stream: &impl IsTerminal) -> Self {
        Self::fixed(stream.is_terminal() && env::var("NO_COLOR").is_none_or(|value| value.is_empty()))
    }

    /// Colours or none, whatever the stream.
    #[must_use]
    pub const fn fixed(on: bool) -> Self {
        Self { on }
    }

    /// Colours a text. An empty one stays empty.
    #[must_use]
    pub fn with(self, ink: Ink, text: &str) -> String {
        if !self.on || text.is_empty() {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Good => 32,
            Ink::Bad => 31,
            Ink::Care => 33,
            Ink::Strong => 1,
            Ink::Faint => 2,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Standard output.
#[derive(Debug)]
pub struct Out {
    /// Its colours.
    pub paint: Paint,
    width: Option<u16>,
}

impl Out {
    /// Standard output as it is: a terminal of a width, or a file or pipe, where nothing is cut or wrapped.
    #[must_use]
    pub fn new() -> Self {
        let stdout = io::stdout();
        let size = if stdout.is_terminal() { terminal_size::terminal_size() } else { None };
        Self { paint: Paint::of(&stdout), width: size.map(|(width, _)| width.0) }
    }

    /// Writes a text and ends its last line.
    ///
    /// # Errors
    /// When nobody reads any more, or the disk is full.
    pub fn text(&self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            stdout.write_all(b"\n")?;
        }
        stdout.flush()
    }

    /// Writes a piece of text as it is.
    ///
    /// # Errors
    /// When nobody reads any more, or the disk is full.
    pub fn piece(&self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// Writes a value for programs.
    ///
    /// # Errors
    /// When nobody reads any more, or the disk is full.
    pub fn json(&self, value: &impl Serialize) -> anyhow::Result<()> {
        Ok(self.text(&serde_json::to_string_pretty(value)?)?)
    }

    /// Writes a table, or what to say where it has no rows.
    ///
    /// # Errors
    /// When nobody reads any more, or the disk is full.
    pub fn table<const N: usize>(&self, head: [&str; N], rows: Vec<[String; N]>, none: &str) -> io::Result<()> {
        if rows.is_empty() {
            note(none);
            return Ok(());
        }
        let table = table(head, rows, self.width);
        let (head, rest) = table.split_once('\n').unwrap_or((&table, ""));
        self.text(&format!("{}\n{rest}", self.paint.with(Ink::Strong, head)))
    }
}

impl Default for Out {
    fn default() -> Self {
        Self::new()
    }
}

/// Lays out a table without borders; wrapped to a width where there is one.
#[must_use]
pub fn table<const N: usize>(head: [&str; N], rows: Vec<[String; N]>, width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header(head.map(str::to_uppercase)).add_rows(rows);
    table.set_content_arrangement(match width {
        Some(_) => ContentArrangement::Dynamic,
        None => ContentArrangement::Disabled,
    });
    if let Some(width) = width {
        table.set_width(width);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// Lays out names and values, two columns without a head.
#[must_use]
pub fn fields(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let indent = format!("\n{}", " ".repeat(width + 2));
    let shown = rows.iter().filter(|(_, value)| !value.is_empty());
    let lines = shown.map(|(name, value)| format!("{name:width$}  {}", value.replace('\n', &indent)));
    lines.collect::<Vec<_>>().join("\n")
}

/// Says something on stderr that is not the answer. Where nobody listens there, nobody is told.
pub fn note(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}

/// Says on stderr what is no error but wants to be looked at.
pub fn warn(text: &str) {
    note(&format!("{} {text}", Paint::of(&io::stderr()).with(Ink::Care, "warning:")));
}

/// Says on stderr what went wrong.
pub fn error(text: &str) {
    note(&format!("{} {text}", Paint::of(&io::stderr()).with(Ink::Bad, "error:")));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<[String; 2]> {
        vec![
            ["morning-brief".to_owned(), "0 9 * * 1-5 and some more words".to_owned()],
            ["b".to_owned(), "ä".to_owned()],
        ]
    }

    #[test]
    fn a_table_is_cut_to_no_width_when_piped_and_wraps_on_a_terminal() {
        insta::assert_snapshot!(table(["id", "triggers"], rows(), None));
        insta::assert_snapshot!(table(["id", "triggers"], rows(), Some(30)));
    }

    #[test]
    fn fields_line_up_and_leave_out_what_is_empty() {
        let rows = [("id", "x".to_owned()), ("error", String::new()), ("output", "one\ntwo".to_owned())];
        assert_eq!(fields(&rows), "id      x\noutput  one\n        two");
    }

    #[test]
    fn colours_are_put_on_only_where_they_are_wanted() {
        assert_eq!(Paint::fixed(true).with(Ink::Bad, "failed"), "\x1b[31mfailed\x1b[0m");
        assert_eq!(Paint::fixed(true).with(Ink::Bad, ""), "");
        assert_eq!(Paint::fixed(false).with(Ink::Bad, "failed"), "failed");
    }
}
