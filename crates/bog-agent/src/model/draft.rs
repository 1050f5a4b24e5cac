//! An answer while it arrives, the same for all wire formats.

use super::{Delta, ModelError, Sink};
use crate::chat::{Arguments, Block, Ending, Reply, Tokens, ToolCall};
use serde_json::Value;

/// An answer that is being put together.
#[derive(Debug, Default)]
pub struct Draft {
    pieces: Vec<Piece>,
    /// Why it stopped; none until the provider said so.
    pub ending: Option<Ending>,
    /// What was read and written, as far as it is known.
    pub tokens: Tokens,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Call { id: Option<String>, name: String, arguments: Written },
    Opaque(Value),
}

#[derive(Debug)]
enum Written {
    Text(String),
    Value(Value),
}

impl Draft {
    /// More text.
    pub fn text(&mut self, more: &str, sink: &mut Sink<'_>) {
        if more.is_empty() {
            return;
        }
        sink(Delta::Text(more.to_owned()));
        if let Some(Piece::Text(text)) = self.pieces.last_mut() {
            text.push_str(more);
        } else {
            self.pieces.push(Piece::Text(more.to_owned()));
        }
    }

    /// Begins a tool call whose arguments come as text, and returns its place.
    pub fn call(&mut self, id: Option<String>, name: &str) -> usize {
        self.pieces.push(Piece::Call { id, name: name.to_owned(), arguments: Written::Text(String::new()) });
        self.pieces.len() - 1
    }

    /// A tool call that is whole.
    pub fn whole_call(&mut self, id: Option<String>, name: &str, arguments: Value) {
        self.pieces.push(Piece::Call { id, name: name.to_owned(), arguments: Written::Value(arguments) });
    }

    /// More of the arguments of the tool call at a place.
    pub fn arguments(&mut self, place: usize, more: &str) {
        if let Some(Piece::Call { arguments: Written::Text(text), .. }) = self.pieces.get_mut(place) {
            text.push_str(more);
        }
    }

    /// Something to be given back to the provider as it is; returns its place.
    pub fn opaque(&mut self, value: Value) -> usize {
        self.pieces.push(Piece::Opaque(value));
        self.pieces.len() - 1
    }

    /// Adds text to a field of what stands at a place.
    pub fn add_to_opaque(&mut self, place: usize, pointer: &str, more: &str) {
        let Some(Piece::Opaque(value)) = self.pieces.get_mut(place) else { return };
        if let Some(Value::String(text)) = value.pointer_mut(pointer) {
            text.push_str(more);
        }
    }

    /// What comes next of the stream; its end where the connection is lost, but everything was said.
    pub fn or_end<T>(&self, next: Result<Option<T>, ModelError>) -> Result<Option<T>, ModelError> {
        next.or_else(|error| if self.ending.is_some() { Ok(None) } else { Err(self.paid_for(error)) })
    }

    /// The error, which costs something where an answer had begun.
    pub fn paid_for(&self, error: ModelError) -> ModelError {
        let has_begun = !self.pieces.is_empty() || self.tokens != Tokens::default();
        if has_begun { error.after(self.tokens) } else { error }
    }

    /// The whole answer.
    ///
    /// # Errors
    /// When it is not whole, or empty.
    pub fn finish(self, provider: &str) -> Result<Reply, ModelError> {
        let ending = self.ending.ok_or_else(|| self.paid_for(ModelError::broke_off()))?;
        let blocks: Vec<Block> = self.pieces.into_iter().filter_map(|piece| block(piece, provider)).collect();
        let says_nothing = blocks.iter().all(|block| matches!(block, Block::Opaque { .. }));
        if says_nothing && ending == Ending::Complete {
            return Err(ModelError::Empty { tokens: self.tokens });
        }
        Ok(Reply { blocks, ending, tokens: self.tokens })
    }
}

fn block(piece: Piece, provider: &str) -> Option<Block> {
    match piece {
        Piece::Text(text) => (!text.trim().is_empty()).then_some(Block::Text { text }),
        Piece::Opaque(value) => Some(Block::Opaque { provider: provider.to_owned(), value }),
        Piece::Call { id, name, arguments } => {
            let arguments = match arguments {
                Written::Text(text) => Arguments::parse(&text),
                Written::Value(value) => Arguments::from_value(value),
            };
            let id = id.filter(|id| !id.is_empty()).unwrap_or_else(new_id);
            Some(Block::Call(ToolCall { id, name, arguments }))
        }
    }
}

/// An id for a tool call whose provider gives none.
pub fn new_id() -> String {
    format!("call_{:016x}", rand::random::<u64>())
}
