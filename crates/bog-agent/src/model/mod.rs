//! Calling a model: one call in, one [`Reply`] out, streamed on the way.
//!
//! One file per wire format; each builds a request's body and puts an answer's events together. None of them retries,
//! counts money or knows of sessions.

mod anthropic;
mod aws;
mod bedrock;
mod classify;
mod draft;
mod error;
mod frames;
mod gemini;
pub(crate) mod http;
mod lines;
mod ollama;
mod openai;
mod remote;
mod responses;
mod retry;
mod scripted;
mod sigv4;
mod turns;

pub(crate) use draft::new_id;
pub use error::ModelError;
pub use remote::Remote;
pub use retry::{Asked, Patience, Roster, Spent};
pub use scripted::{SCRIPTED, Scripted};

use crate::chat::{Message, Reply, ToolSpec};

/// What a model is asked.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who it is and what it must know.
    pub system: &'a str,
    /// What it may call.
    pub tools: &'a [ToolSpec],
    /// The conversation so far.
    pub messages: &'a [Message],
    /// The most tokens that it may write, thoughts included.
    pub max_output: u32,
    /// The size of the context in tokens, for providers that want to be told.
    pub window: u64,
    /// How hard it is to think, where it can.
    pub effort: Option<Effort>,
}

impl Request<'_> {
    /// Tokens for thinking, for providers that want a number: at most half of the answer; none where the model need not
    /// think at all, or there is no room for it.
    fn thinking(&self) -> Option<u32> {
        let wanted = self.effort.and_then(Effort::thinking_tokens)?;
        Some(wanted.min(self.max_output / 2)).filter(|tokens| *tokens >= LEAST_THINKING)
    }
}

/// The fewest tokens for thinking that Anthropic takes.
const LEAST_THINKING: u32 = 1024;

/// How hard a model is to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
}

impl Effort {
    /// Reads `low`, `medium` or `high`.
    ///
    /// # Errors
    /// When it is something else, with what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "low" => Ok(Self::Low),
            "medium" => Ok(Self::Medium),
            "high" => Ok(Self::High),
            _ => Err(format!("`{text}` is no effort; allowed are `low`, `medium`, `high`")),
        }
    }

    /// The word that OpenAI and its like take.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// Tokens that are wanted for thinking; none where the model need not think at all.
    pub(crate) const fn thinking_tokens(self) -> Option<u32> {
        match self {
            Self::Low => None,
            Self::Medium => Some(4096),
            Self::High => Some(16_384),
        }
    }
}

/// A piece of an answer, as it arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// For people.
    Text(String),
    /// What the model thinks, where it tells.
    Thought(String),
    /// What happens besides: that something is tried again, that another model is asked.
    Note(String),
}

/// Where pieces of an answer go.
pub type Sink<'a> = dyn FnMut(Delta) + Send + 'a;

/// A model that can be called.
#[derive(Debug)]
pub enum Model {
    /// A recorded conversation.
    Scripted(Scripted),
    /// A provider's.
    Remote(Remote),
}

impl Model {
    /// `provider:model`, as used.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Scripted(scripted) => scripted.name(),
            Self::Remote(remote) => remote.name(),
        }
    }

    /// Calls it once.
    ///
    /// # Errors
    /// When there is no whole answer; the variant says what can be done.
    pub async fn call(&self, request: &Request<'_>, sink: &mut Sink<'_>) -> Result<Reply, ModelError> {
        match self {
            Self::Scripted(scripted) => scripted.call(request, sink).await,
            Self::Remote(remote) => remote.call(request, sink).await,
        }
    }
}
