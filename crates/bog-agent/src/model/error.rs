//! Why a model call came to nothing, by what can be done about it.

use crate::chat::Tokens;
use std::time::Duration;

/// Why there is no whole answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// It may pass: overload, a lost connection, a rate limit.
    #[error("{message}")]
    Passing {
        /// What happened.
        message: String,
        /// How long the provider wants to be left alone.
        retry_after: Option<Duration>,
        /// What it cost nevertheless, where an answer had begun.
        tokens: Option<Tokens>,
    },
    /// The model said nothing at all.
    #[error("the model said nothing")]
    Empty {
        /// What that cost.
        tokens: Tokens,
    },
    /// What was paid for is used up.
    #[error("{message}")]
    Quota {
        /// What the provider said.
        message: String,
        /// When there is more, RFC 3339, where it said so.
        resets_at: Option<String>,
    },
    /// The conversation does not fit the model's context.
    #[error("{message}")]
    TooLong {
        /// What the provider said.
        message: String,
    },
    /// Asking again would be answered the same.
    #[error("{message}")]
    Permanent {
        /// What happened, and what to do.
        message: String,
    },
}

impl ModelError {
    /// It may pass.
    pub fn passing(message: impl Into<String>) -> Self {
        Self::Passing { message: message.into(), retry_after: None, tokens: None }
    }

    /// It will not pass.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::Permanent { message: message.into() }
    }

    /// The answer ended before it was whole.
    #[must_use]
    pub fn broke_off() -> Self {
        Self::passing("the answer broke off in the middle")
    }

    /// The same after a part of an answer, which is paid for.
    #[must_use]
    pub fn after(self, tokens: Tokens) -> Self {
        match self {
            Self::Passing { message, retry_after, .. } => Self::Passing { message, retry_after, tokens: Some(tokens) },
            other @ (Self::Empty { .. } | Self::Quota { .. } | Self::TooLong { .. } | Self::Permanent { .. }) => other,
        }
    }
}
