//! What a session tells whoever started it, while it works. Known secrets appear in none of it.

use crate::session::Report;
use crate::tools::{Item, Kind};
use bog_domain::mask::{Mask, Masker};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Something that happened.
#[derive(Debug)]
pub enum Told {
    /// The model said this, for people.
    Text(String),
    /// It thought this.
    Thought(String),
    /// Something happened besides.
    Note(String),
    /// A tool is to be called.
    Call(Call),
    /// The call began.
    Running(String),
    /// The call ended.
    Result {
        /// Its id.
        id: String,
        /// What came of it.
        text: String,
        /// Whether that is an error.
        is_error: bool,
    },
    /// What is to be done, as the model sees it.
    Plan(Vec<Item>),
    /// What was used, after a step.
    Used {
        /// By the turn.
        report: Report,
        /// Tokens that the model had before it.
        context: u64,
        /// How many fit.
        window: u64,
        /// What the turn cost, where all of it is known.
        cost_usd: Option<f64>,
    },
    /// May this call be made?
    Ask(Call, oneshot::Sender<Answer>),
}

/// A call of a tool, for people.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its id.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// What it does, in a few words.
    pub title: String,
    /// What kind of thing it does.
    pub kind: Kind,
    /// The file that it is about.
    pub location: Option<String>,
    /// Its arguments.
    pub input: Value,
}

/// An answer to [`Told::Ask`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Allowed,
    /// No.
    Denied,
    /// The whole turn is to end.
    Cancelled,
}

/// Where a session tells.
pub struct Teller {
    to: mpsc::UnboundedSender<Told>,
    mask: Arc<Mask>,
    text: Masker,
    thought: Masker,
}

impl Teller {
    /// To `to`, with these secrets masked.
    #[must_use]
    pub fn new(to: mpsc::UnboundedSender<Told>, mask: Arc<Mask>) -> Self {
        Self { to, text: Masker::of(Arc::clone(&mask)), thought: Masker::of(Arc::clone(&mask)), mask }
    }

    /// A piece of what the model says.
    pub fn text(&mut self, piece: &str) {
        let said = self.text.push(piece.as_bytes());
        self.piece(&said, Told::Text);
    }

    /// A piece of what it thinks.
    pub fn thought(&mut self, piece: &str) {
        let said = self.thought.push(piece.as_bytes());
        self.piece(&said, Told::Thought);
    }

    /// The pieces so far are whole.
    pub fn flush(&mut self) {
        let said = self.thought.finish();
        self.piece(&said, Told::Thought);
        let said = self.text.finish();
        self.piece(&said, Told::Text);
    }

    /// Something that happened besides.
    pub fn note(&self, text: &str) {
        self.tell(Told::Note(self.masked(text)));
    }

    /// What came of a call.
    pub fn result(&self, id: &str, text: &str, is_error: bool) {
        self.tell(Told::Result { id: id.to_owned(), text: self.masked(text), is_error });
    }

    /// A text without secrets.
    pub fn masked(&self, text: &str) -> String {
        self.mask.mask(text).into_owned()
    }

    /// Any JSON without secrets.
    pub fn masked_json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.masked(text)),
            Value::Array(items) => items.iter().map(|item| self.masked_json(item)).collect(),
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, field)| (self.masked(name), self.masked_json(field)));
                Value::Object(fields.collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    /// Tells something in which no secret can be. Nobody may be listening any more: then the turn is about to end.
    pub fn tell(&self, told: Told) {
        let _ = self.to.send(told);
    }

    fn piece(&self, said: &[u8], wrapped: impl FnOnce(String) -> Told) {
        if !said.is_empty() {
            self.tell(wrapped(String::from_utf8_lossy(said).into_owned()));
        }
    }
}
