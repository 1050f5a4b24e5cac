//! A Slack channel, by a bot's token or by an incoming webhook. The delivery's id goes along as metadata.
//!
//! Once the first message stands in the channel the delivery is done: what follows it there - the rest of a long text - is
//! not worth a second copy of the first, and a failure of it is a part of the receipt.

mod api;
mod blocks;
mod channel;
mod hook;
mod upload;

use super::{Context, Message};
use bog_domain::delivery::Attempted;
use bog_domain::spec::{SlackSpec, SlackThread};
use std::time::Duration;

/// The variable that holds the bot's token where an output names none.
const TOKEN: &str = "SLACK_BOT_TOKEN";

/// Messages that one long text may become.
const MAX_MESSAGES: usize = 10;

/// How long a follow-up waits when Slack asks for it.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// A Slack channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slack {
    /// A channel that a bot writes to.
    Channel {
        /// Its name or id.
        channel: String,
        /// The name of the variable that holds the bot's token.
        token_env: String,
        /// Whether all messages of the job share a thread.
        thread: bool,
    },
    /// An incoming webhook.
    Hook {
        /// The name of the variable that holds its URL.
        url_env: String,
    },
}

impl Slack {
    /// The target that an output describes.
    ///
    /// # Errors
    /// When it names neither a channel nor a webhook.
    pub fn render(spec: &SlackSpec) -> Result<Self, String> {
        match (&spec.url_env, &spec.channel) {
            (Some(url_env), _) => Ok(Self::Hook { url_env: url_env.clone() }),
            (None, Some(channel)) => Ok(Self::Channel {
                channel: channel.clone(),
                token_env: spec.token_env.clone().unwrap_or_else(|| TOKEN.to_owned()),
                thread: spec.thread == Some(SlackThread::Job),
            }),
            (None, None) => Err("`channel`: missing: name a `channel`, or a `url_env`".to_owned()),
        }
    }

    /// Whether the receipt of the job's last message matters to it.
    pub(super) const fn looks_back(&self) -> bool {
        match self {
            Self::Channel { thread, .. } => *thread,
            Self::Hook { .. } => false,
        }
    }

    pub(super) async fn deliver(&self, message: &Message, context: &Context) -> Attempted {
        let posted = match self {
            Self::Channel { channel, token_env, .. } => {
                let previous = context.previous.as_deref().filter(|_| self.looks_back());
                let thread = previous.map(channel::thread_of);
                channel::deliver(channel, token_env, thread, message, context).await
            }
            Self::Hook { url_env } => hook::deliver(url_env, message, context).await,
        };
        posted.map_or_else(|attempted| attempted, |receipt| Attempted::Delivered { receipt: Some(receipt) })
    }
}

/// Does what follows a first message, and does it again where Slack asks for a pause: the second is not begun otherwise.
/// What went wrong, if something did.
async fn follow<T>([first, second]: [impl Future<Output = Result<T, Attempted>>; 2]) -> Result<T, String> {
    let pause = match first.await {
        Ok(done) => return Ok(done),
        Err(Attempted::Passing { retry_after: Some(pause), .. }) if pause <= MAX_PAUSE => pause,
        Err(attempted) => return Err(error_of(attempted)),
    };
    tokio::time::sleep(pause).await;
    second.await.map_err(error_of)
}

fn error_of(attempted: Attempted) -> String {
    match attempted {
        Attempted::Delivered { .. } => String::new(),
        Attempted::Passing { error, .. } | Attempted::Permanent { error } | Attempted::Unknown { error } => error,
    }
}
