//! An incoming webhook: messages to the one channel that it leads to.

use super::{MAX_MESSAGES, blocks, follow};
use crate::outputs::http::{Answer, Http, SHORT};
use crate::outputs::{Context, Message};
use bog_domain::delivery::Attempted;
use reqwest::{Method, Url};
use serde_json::Value;

/// Posts a message, with the rest of a long text in further ones.
pub(super) async fn deliver(url_env: &str, message: &Message, context: &Context) -> Result<String, Attempted> {
    let url = context.secret_url(url_env).await?;
    let http = &context.services.http;
    let pieces = blocks::pieces(&message.text);
    let (first, rest) = pieces.split_at(pieces.len().min(blocks::MANY));
    let answer = post(http, &url, &blocks::of(message, first)).await?;
    let messages: Vec<&[&str]> = rest.chunks(blocks::MANY).collect();
    for (index, pieces) in messages.iter().take(MAX_MESSAGES).enumerate() {
        let body = blocks::continued(pieces);
        if let Err(error) = follow([post(http, &url, &body), post(http, &url, &body)]).await {
            return Ok(format!("{} (message {} is missing: {error})", answer.status, index + 2));
        }
    }
    match messages.len().saturating_sub(MAX_MESSAGES) {
        0 => Ok(answer.status.to_string()),
        left => {
            Ok(format!("{} (the text was too long for {MAX_MESSAGES} messages: {left} are missing)", answer.status))
        }
    }
}

async fn post(http: &Http, url: &Url, body: &Value) -> Result<Answer, Attempted> {
    let request = http.request(Method::POST, url.clone()).await?.json(body);
    let answer = http.send(request, SHORT).await?;
    if answer.status.is_success() { Ok(answer) } else { Err(answer.failure()) }
}
