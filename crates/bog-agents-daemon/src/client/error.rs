//! What can go wrong between the command line and the daemon.

use crate::api::wire::Problem;
use std::path::PathBuf;

/// What can go wrong between the command line and the daemon.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing says where a daemon listens: none has run here, or it ended.
    #[error("the daemon is not running: start it with `bog-agents-daemon run`")]
    NoAddress,
    /// Nobody listens at the address of the last daemon.
    #[error("the daemon is not running: start it with `bog-agents-daemon run` (nobody answers at `{0}`)")]
    Refused(String),
    /// The address is none that can be used.
    #[error("`{address}` in {source_name} is not a daemon's address: it looks like `http://127.0.0.1:7391`")]
    BadAddress {
        /// What was read.
        address: String,
        /// Where it was read.
        source_name: String,
    },
    /// There is no token to be sent.
    #[error(
        "the token cannot be read from `{path}` ({error}): run this as the user the daemon runs as, or set `BOG_DAEMON_TOKEN`"
    )]
    NoToken {
        /// Where it was looked for.
        path: PathBuf,
        /// What came of it.
        error: std::io::Error,
    },
    /// The daemon does not accept the token.
    #[error(
        "the daemon at `{0}` does not accept the token: `bog-agents-daemon token show` prints the one in its data folder"
    )]
    WrongToken(String),
    /// The daemon says what is wrong.
    #[error("{}", .0.detail)]
    Problem(Problem),
    /// The answer is not the daemon's.
    #[error("`{url}` answered {what}, which is not this daemon's answer: is another program listening there?")]
    Unexpected {
        /// What was asked.
        url: String,
        /// What came, in a few words.
        what: String,
    },
    /// The connection broke, or the answer did not come in time.
    #[error("no answer from `{url}`: {error}")]
    Transport {
        /// What was asked.
        url: String,
        /// What went wrong, innermost cause last.
        error: String,
    },
}

impl ClientError {
    /// Whether there is no daemon to talk to.
    #[must_use]
    pub const fn is_not_running(&self) -> bool {
        match self {
            Self::NoAddress | Self::Refused(_) => true,
            Self::BadAddress { .. }
            | Self::NoToken { .. }
            | Self::WrongToken(_)
            | Self::Problem(_)
            | Self::Unexpected { .. }
            | Self::Transport { .. } => false,
        }
    }

    /// What reqwest says of a request to `url`, without the address it repeats, with its causes.
    pub(super) fn from_reqwest(url: &str, error: reqwest::Error) -> Self {
        let refused = error.is_connect();
        let mut words = Vec::new();
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            words.push(error.to_string());
            cause = error.source();
        }
        if refused {
            return Self::Refused(url.to_owned());
        }
        // The outermost text only says that sending failed, and where.
        let innermost = words.pop().unwrap_or_default();
        let error = if error.is_timeout() { "it took too long".to_owned() } else { innermost };
        Self::Transport { url: url.to_owned(), error }
    }
}
