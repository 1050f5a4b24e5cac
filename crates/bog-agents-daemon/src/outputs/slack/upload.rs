//! A long text as a file, in the three steps that Slack wants (`files.getUploadURLExternal` and what its documentation says
//! follows it).

use super::api::Api;
use super::channel::Posted;
use crate::outputs::http::SHORT;
use crate::outputs::{Message, passing, permanent};
use bog_domain::delivery::Attempted;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::json;

/// A file that Slack has and nobody sees yet.
#[derive(Debug)]
pub(super) struct File {
    id: String,
    title: String,
}

#[derive(Deserialize)]
struct Place {
    upload_url: String,
    file_id: String,
}

/// Uploads the text. Nobody sees it before it is shared.
pub(super) async fn begin(api: &Api<'_>, message: &Message) -> Result<File, Attempted> {
    let title = format!("{}-{}.md", message.job, message.run);
    let length = message.text.len().to_string();
    let answer = api.post_form("files.getUploadURLExternal", &[("filename", &title), ("length", &length)]).await?;
    let place: Place = answer.accepted()?;
    let url: Url = place.upload_url.parse().map_err(|_| permanent("Slack names no URL for an upload"))?;
    // The URL is its own permission: no token goes along.
    let request = api.http.request(Method::POST, url).await?.body(message.text.clone());
    let answer = api.http.send(request, SHORT).await.map_err(passing)?;
    if answer.status.is_success() { Ok(File { id: place.file_id, title }) } else { Err(answer.failure()) }
}

/// Shows the file below a message.
pub(super) async fn share(api: &Api<'_>, file: &File, below: &Posted) -> Result<(), Attempted> {
    let body = json!({
        "files": [{ "id": file.id, "title": file.title }],
        "channel_id": below.channel,
        "thread_ts": below.root(),
    });
    api.post("files.completeUploadExternal", &body).await?.accepted::<serde::de::IgnoredAny>().map(drop)
}
