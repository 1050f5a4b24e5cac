//! Templates: the text of prompts, arguments and output fields, in minijinja's dialect of Jinja.
//!
//! Strict: an undefined name is an error, at save time where [`Template::check`] can know it, else when it is rendered.
//! Nothing is escaped, null is the empty string, lists and maps become JSON. There is no `include`, `import`, `macro`
//! or `debug()`: a template sees its context and nothing else.
//!
//! Events are written by strangers and templates by people in a hurry, so everything is bounded: an interpolated value
//! at [`MAX_VALUE`], a rendered text at [`MAX_OUTPUT`], the work by [`FUEL`]. The last also bounds memory.
//!
//! Compiled templates are fat; this one is its text, parsed when used, which takes microseconds.

mod format;
mod scope;

pub(crate) use scope::event_fields;
pub use scope::{LAST_RUN_FIELDS, Scope};

use format::Style;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;

/// Longest interpolated value in bytes; what is longer is cut and ends with ` [cut]`.
pub const MAX_VALUE: usize = 64 * 1024;

/// Longest value interpolated into a path in bytes; what is longer is cut. File systems stop at 255 per component.
pub const MAX_PATH_VALUE: usize = 128;

/// Longest rendered text in bytes; more is an error.
pub const MAX_OUTPUT: usize = 1024 * 1024;

/// The work one rendering may do: about as many instructions, or 64 times as many bytes.
pub const FUEL: u64 = 500_000;

/// Nested blocks and recursive loops; minijinja's own 500 are meant for bigger stacks than a worker thread's.
const MAX_RECURSION: usize = 64;

/// Why a template cannot be used, or not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It is no template, or calls for what does not exist.
    #[error("template line {line}, column {column}: {problem}")]
    Invalid {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        problem: String,
    },
    /// It uses a name that will not be there.
    #[error("`{name}` is not something a template sees here: {known}")]
    UnknownName {
        /// The name, such as `event.paylod`.
        name: String,
        /// What it could have been.
        known: String,
    },
    /// It could not be rendered with what the event brought.
    #[error("template line {line}, column {column}: {problem}")]
    Failed {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What went wrong.
        problem: String,
    },
    /// The rendered text is longer than [`MAX_OUTPUT`].
    #[error("the rendered template is longer than {MAX_OUTPUT} bytes: interpolate less, for example with `[:1000]`")]
    TooLong,
    /// Rendering took more than [`FUEL`].
    #[error("the template does too much work: look for loops within loops")]
    TooMuchWork,
}

/// A syntactically valid template.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template(Box<str>);

impl Template {
    /// Takes a text that is a template.
    ///
    /// # Errors
    /// [`TemplateError::Invalid`], with the position.
    pub fn parse(text: impl Into<Box<str>>) -> Result<Self, TemplateError> {
        let template = Self(text.into());
        if !template.is_literal() {
            let environment = environment(Style::Text);
            environment.template_from_str(&template.0).map_err(|error| invalid(&template.0, &error))?;
        }
        Ok(template)
    }

    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Finds what can be known to fail at every rendering: names that will not be there, and filters, tests and
    /// functions that do not exist (those on a path that no data is needed to reach).
    ///
    /// # Errors
    /// [`TemplateError::UnknownName`] or [`TemplateError::Invalid`].
    pub fn check(&self, scope: &Scope) -> Result<(), TemplateError> {
        if self.is_literal() {
            return Ok(());
        }
        let mut environment = environment(Style::Text);
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        let template = environment.template_from_str(&self.0).map_err(|error| invalid(&self.0, &error))?;
        scope.check(template.undeclared_variables(true))?;
        let rehearsal = template.render_captured_to(Value::UNDEFINED, io::sink());
        match rehearsal {
            Err(error) if calls_the_unknown(error.kind()) => Err(invalid(&self.0, &error)),
            Err(_) | Ok(_) => Ok(()),
        }
    }

    /// Whether it looks up this dotted name, or all of what the name is in; too often said where its own text has it, too.
    #[must_use]
    pub fn uses(&self, root: &str, field: &str) -> bool {
        if self.is_literal() {
            return false;
        }
        let environment = environment(Style::Text);
        let names = environment.template_from_str(&self.0).map(|template| template.undeclared_variables(true));
        let name = format!("{root}.{field}");
        // What is sliced is not among the names that minijinja tells.
        self.0.contains(&name) || names.is_ok_and(|names| names.contains(root) || names.contains(&name))
    }

    /// Renders it as text. Values are cut at [`MAX_VALUE`].
    ///
    /// # Errors
    /// [`TemplateError::Failed`], [`TemplateError::TooLong`] or [`TemplateError::TooMuchWork`].
    pub fn render(&self, context: &serde_json::Value) -> Result<String, TemplateError> {
        self.render_as(Style::Text, context)
    }

    /// Renders it as a path: each interpolated value is made harmless - no separators, no control characters, no
    /// leading dots and no `..`, cut at [`MAX_PATH_VALUE`] - while the template's own text stays as it is. `runs/{{
    /// event.branch }}.md` writes into `runs`, whatever a branch is called.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn render_path(&self, context: &serde_json::Value) -> Result<String, TemplateError> {
        self.render_as(Style::Path, context)
    }

    fn render_as(&self, style: Style, context: &serde_json::Value) -> Result<String, TemplateError> {
        if self.is_literal() {
            return Ok(self.0.to_string());
        }
        let environment = environment(style);
        let template = environment.template_from_str(&self.0).map_err(|error| invalid(&self.0, &error))?;
        let mut output = Bounded::default();
        let rendered = template.render_captured_to(Serde(context), &mut output);
        match rendered.map(drop) {
            Err(_) if output.overflowed => Err(TemplateError::TooLong),
            Err(error) if error.kind() == ErrorKind::OutOfFuel => Err(TemplateError::TooMuchWork),
            Err(error) => Err(failed(&self.0, &error)),
            // Only whole `str`s are ever written.
            Ok(()) => Ok(String::from_utf8_lossy(&output.bytes).into_owned()),
        }
    }

    /// Most texts hold no template syntax at all.
    fn is_literal(&self) -> bool {
        !["{{", "{%", "{#"].iter().any(|opening| self.0.contains(opening))
    }
}

impl TryFrom<String> for Template {
    type Error = TemplateError;

    fn try_from(text: String) -> Result<Self, TemplateError> {
        Self::parse(text)
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.0.into()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Output that stops at [`MAX_OUTPUT`].
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    overflowed: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MAX_OUTPUT {
            self.overflowed = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Cheap: filters, tests and globals are shared between all environments.
fn environment<'source>(style: Style) -> Environment<'source> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_formatter(move |output, state, value| format::write(style, output, state, value));
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MAX_RECURSION);
    // Release builds leave this off, and errors would lose the name of what is undefined.
    environment.set_debug(true);
    // It would print the whole context.
    environment.remove_global("debug");
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    environment
}

fn calls_the_unknown(kind: ErrorKind) -> bool {
    [ErrorKind::UnknownFilter, ErrorKind::UnknownTest, ErrorKind::UnknownFunction].contains(&kind)
}

fn invalid(text: &str, error: &minijinja::Error) -> TemplateError {
    let (line, column) = position(text, error);
    TemplateError::Invalid { line, column, problem: problem(error) }
}

fn failed(text: &str, error: &minijinja::Error) -> TemplateError {
    let (line, column) = position(text, error);
    TemplateError::Failed { line, column, problem: problem(error) }
}

fn problem(error: &minijinja::Error) -> String {
    let kind = error.kind();
    match error.detail() {
        Some(detail) => format!("{kind}: {detail}"),
        None => kind.to_string(),
    }
}

/// Line and column, from 1.
fn position(text: &str, error: &minijinja::Error) -> (usize, usize) {
    let before = error.range().and_then(|range| text.get(..range.start));
    match before {
        Some(before) => {
            let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
            (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
        }
        None => (error.line().unwrap_or(1), 1),
    }
}

#[cfg(test)]
mod tests;
