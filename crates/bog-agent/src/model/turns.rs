//! A conversation as providers want it that know only two speakers, who take turns.

use crate::chat::Message;
use serde_json::Value;

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// Whoever asks, and the tools.
    User,
    /// The model.
    Model,
}

/// The turns of a conversation, each with its parts; what the same speaker says in a row is one turn. A message of which
/// `parts` leaves nothing is `empty`.
pub fn turns(
    messages: &[Message],
    empty: &Value,
    mut parts: impl FnMut(&Message) -> Vec<Value>,
) -> Vec<(Speaker, Vec<Value>)> {
    let mut turns: Vec<(Speaker, Vec<Value>)> = Vec::new();
    for message in messages {
        let speaker = match message {
            Message::User { .. } | Message::Tools { .. } => Speaker::User,
            Message::Assistant { .. } => Speaker::Model,
        };
        let mut said = parts(message);
        if said.is_empty() {
            said.push(empty.clone());
        }
        match turns.last_mut().filter(|(last, _)| *last == speaker) {
            Some((_, all)) => all.extend(said),
            None => turns.push((speaker, said)),
        }
    }
    turns
}
