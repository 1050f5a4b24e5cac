//! A channel that a bot writes to: one message, with the rest of a long text as a file or in further messages.

use super::api::Api;
use super::{MAX_MESSAGES, blocks, follow, upload};
use crate::outputs::{Context, Message};
use bog_domain::delivery::Attempted;
use serde::Deserialize;
use serde_json::Value;

/// What stands in a receipt before the thread that a message is in, as in Slack's own links.
const IN_THREAD: &str = "?thread_ts=";

/// What Slack says where a thread is gone.
const NO_THREAD: [&str; 4] = ["thread_not_found", "message_not_found", "cannot_reply_to_message", "invalid_thread_ts"];

/// A message that stands in a channel.
#[derive(Debug, Deserialize)]
pub(super) struct Posted {
    /// The channel's id.
    pub channel: String,
    /// The message's, in it.
    pub ts: String,
    /// The thread's, where it is in one.
    #[serde(skip)]
    pub thread: Option<String>,
}

/// Posts a message; its receipt is `CHANNEL/TS`, or `CHANNEL/TS?thread_ts=THREAD`.
pub(super) async fn deliver(
    channel: &str,
    token_env: &str,
    thread: Option<&str>,
    message: &Message,
    context: &Context,
) -> Result<String, Attempted> {
    let token = context.secret(token_env).await?;
    let api = Api { http: &context.services.http, base: &context.services.slack_api, token };
    let pieces = blocks::pieces(&message.text);
    let (first, rest) = pieces.split_at(pieces.len().min(blocks::FEW));
    if rest.is_empty() {
        return Ok(post(&api, channel, thread, blocks::of(message, first)).await?.receipt());
    }
    // Before the message: what fails here has been seen by nobody.
    match upload::begin(&api, message).await {
        Ok(file) => {
            let posted = post(&api, channel, thread, blocks::before_file(message, &first[..1])).await?;
            let shared = follow([upload::share(&api, &file, &posted), upload::share(&api, &file, &posted)]).await;
            Ok(posted.receipt_with(shared.err().map(|error| format!("the file with all of it is missing: {error}"))))
        }
        // A bot that may not share files still may write.
        Err(Attempted::Permanent { .. }) => {
            let posted = post(&api, channel, thread, blocks::of(message, first)).await?;
            let missing = in_thread(&api, &posted, rest).await.err();
            Ok(posted.receipt_with(missing))
        }
        Err(attempted) => Err(attempted),
    }
}

/// The rest of a text below its beginning. What is missing in the end, if something is.
async fn in_thread(api: &Api<'_>, posted: &Posted, rest: &[&str]) -> Result<(), String> {
    let messages: Vec<&[&str]> = rest.chunks(blocks::MANY).collect();
    for (index, pieces) in messages.iter().take(MAX_MESSAGES).enumerate() {
        let step = || post(api, &posted.channel, Some(posted.root()), blocks::continued(pieces));
        follow([step(), step()]).await.map_err(|error| format!("message {} is missing: {error}", index + 2))?;
    }
    let left = messages.len().saturating_sub(MAX_MESSAGES);
    if left == 0 {
        Ok(())
    } else {
        Err(format!("the text was too long for {MAX_MESSAGES} messages: {left} are missing"))
    }
}

async fn post(api: &Api<'_>, channel: &str, thread: Option<&str>, content: Value) -> Result<Posted, Attempted> {
    let mut body = content;
    body["channel"] = channel.into();
    // What a link leads to is nobody's business but the reader's.
    body["unfurl_links"] = false.into();
    body["unfurl_media"] = false.into();
    if let Some(thread) = thread {
        body["thread_ts"] = thread.into();
    }
    let answer = api.post("chat.postMessage", &body).await?;
    if thread.is_some() && answer.refusal().is_some_and(|error| NO_THREAD.contains(&error)) {
        body["thread_ts"] = Value::Null;
        return api.post("chat.postMessage", &body).await?.accepted();
    }
    let posted: Posted = answer.accepted()?;
    Ok(Posted { thread: thread.map(str::to_owned), ..posted })
}

impl Posted {
    /// Where its thread begins: with itself, unless it is in one.
    pub fn root(&self) -> &str {
        self.thread.as_deref().unwrap_or(&self.ts)
    }

    fn receipt(&self) -> String {
        let Self { channel, ts, thread } = self;
        match thread {
            Some(thread) => format!("{channel}/{ts}{IN_THREAD}{thread}"),
            None => format!("{channel}/{ts}"),
        }
    }

    fn receipt_with(&self, missing: Option<String>) -> String {
        match missing {
            Some(missing) => format!("{} ({missing})", self.receipt()),
            None => self.receipt(),
        }
    }
}

/// The thread that the message of a receipt is in, or begins.
pub(super) fn thread_of(receipt: &str) -> &str {
    let message = receipt.split(' ').next().unwrap_or(receipt);
    let thread = message.split_once(IN_THREAD).map(|(_, thread)| thread);
    thread.unwrap_or_else(|| message.rsplit('/').next().unwrap_or(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_leads_to_its_thread() {
        let posted = |thread: Option<&str>| Posted {
            channel: "C1".to_owned(),
            ts: "17.1".to_owned(),
            thread: thread.map(str::to_owned),
        };
        for (thread, root) in [(None, "17.1"), (Some("16.5"), "16.5")] {
            assert_eq!(thread_of(&posted(thread).receipt()), root);
            assert_eq!(thread_of(&posted(thread).receipt_with(Some("a/b?thread_ts=c".to_owned()))), root);
        }
    }
}
