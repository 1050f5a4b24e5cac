//! `/runs/{id}/events`: a run's live log as server-sent events, from any point on, before, during and after the run.

mod tail;

use super::params::Given;
use super::problem::ApiError;
use super::wire::{Event, Problem};
use super::{App, runs};
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{self, KeepAlive, Sse};
use bog_domain::ids::RunId;
use bog_domain::run::RunState;
use futures::Stream;
use futures::stream;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tail::{Position, Tail};
use tokio_util::sync::CancellationToken;

/// How often a run that goes on is looked at.
const POLL: Duration = Duration::from_millis(100);

/// How often a silent stream says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Where a client that lost its connection says what it saw last.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A run's events as server-sent events: `event: event` each, and `event: end` with the run when it is over.
#[utoipa::path(get, path = "/runs/{id}/events", tag = "runs", operation_id = "run_events",
    params(("id" = String, Path, description = "The run"),
           ("follow" = Option<bool>, Query, description = "`false`: only what there is so far, then `event: end` with the run as it is"),
           ("Last-Event-ID" = Option<String>, Header, description = "Go on after this event, as in its `id`: `ATTEMPT-SEQ`")),
    responses((status = 200, body = Event, content_type = "text/event-stream"),
              (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    Extension(stop): Extension<CancellationToken>,
    Path(id): Path<String>,
    headers: HeaderMap,
    given: Given,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, ApiError> {
    let to_the_end = given.known(&["follow"])?.one_of("follow", &[true, false])?.unwrap_or(true);
    let run = runs::find(&app, &id).await?.id;
    let tail = Tail::new(app.data_dir.join("runs").join(run.to_string()), last_seen(&headers)?);
    let follow = Follow { app, run, to_the_end, tail, ready: VecDeque::new(), over: false };
    let messages = stream::unfold(follow, async |mut follow| follow.next().await.map(|message| (Ok(message), follow)));
    let until_stopped = futures::StreamExt::take_until(messages, stop.cancelled_owned());
    Ok(Sse::new(until_stopped).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

fn last_seen(headers: &HeaderMap) -> Result<Option<Position>, ApiError> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    let position = text.split_once('-').and_then(|(attempt, seq)| Some((attempt.parse().ok()?, seq.parse().ok()?)));
    let position = position.filter(|(attempt, _)| *attempt >= 1).map(|(attempt, seq)| Position { attempt, seq });
    position.map(Some).ok_or_else(|| {
        let detail = format!("`{text}` is not an event's id: send the last `id` as it came, for example `1-42`");
        ApiError::parameter("Last-Event-ID", detail)
    })
}

/// A run being followed for one client. It ends with the stream: when the client goes away, so does this.
struct Follow {
    app: Arc<App>,
    run: RunId,
    /// Not only to what there is by now.
    to_the_end: bool,
    tail: Tail,
    ready: VecDeque<sse::Event>,
    over: bool,
}

impl Follow {
    /// The next message; `None` after the last.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(message);
            }
            if self.over {
                return None;
            }
            match self.look().await {
                Ok(true) => {}
                Ok(false) => tokio::time::sleep(POLL).await,
                Err(error) => {
                    // The client comes back to where it was.
                    tracing::warn!(run.id = %self.run, ?error, "a stream of events ends early");
                    return None;
                }
            }
        }
    }

    /// Looks once for news; whether there was any.
    async fn look(&mut self) -> Result<bool, ApiError> {
        // The run first: what its attempts wrote before it was over is then found below.
        let Some(row) = self.app.store.run(self.run).await? else {
            return Err(ApiError::no_run(&self.run.to_string()));
        };
        let (mut tail, attempts) = (self.tail.clone(), row.attempt);
        let read = crate::tasks::blocking(move || {
            let events = tail.read(attempts);
            (tail, events)
        });
        let (tail, events) = read.await.map_err(|error| ApiError::Internal(format!("reading events: {error}")))?;
        self.tail = tail;
        let events = events.map_err(|error| ApiError::Unavailable(format!("the events cannot be read: {error}")))?;
        for event in &events {
            self.ready.push_back(self.message("event", event)?.id(format!("{}-{}", event.attempt, event.seq)));
        }
        // A paused run does nothing until somebody says so.
        let rests = matches!(row.state, RunState::Finished | RunState::Paused);
        if events.is_empty() && (rests || !self.to_the_end) {
            let run = runs::whole(&self.app, row).await?;
            self.ready.push_back(self.message("end", &run)?);
            self.over = true;
        }
        Ok(!self.ready.is_empty())
    }

    /// The one way into the stream: no message holds the value of a known secret.
    fn message(&self, name: &str, data: &impl serde::Serialize) -> Result<sse::Event, ApiError> {
        let data = serde_json::to_string(data)
            .map_err(|error| ApiError::Internal(format!("an event cannot be written: {error}")))?;
        Ok(sse::Event::default().event(name).data(self.app.secrets.masked_json(data)))
    }
}
