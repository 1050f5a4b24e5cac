//! Requests that fire triggers: `POST` to a path that a webhook trigger names, and to `/webhooks/github`.
//!
//! They carry no token: who sent them is told by their signature, which needs the whole body. So in this order: is the path
//! known, is there room for one more, the body within its bounds, the signature of each trigger, and then one commit for
//! all that follows. Nothing is answered with a 2xx that is not written down, unless there is nothing to write.

mod answer;
mod keys;
mod limits;
mod routes;

use super::body::{drain, within};
use super::problem::ApiError;
use super::router::{bearer, held, is_this_machine, named_host};
use super::server::Connection;
use super::{App, Reach};
use crate::clock;
use crate::jobs::Jobs;
use crate::secrets::Secrets;
use crate::store::{Arrival, Store};
use answer::{Expected, answered};
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse, Response};
use bog_domain::fire::{Cause, TriggerKind};
use bog_domain::hook::{Headers, Heard, Received, Settings, payload};
use bog_domain::job::Hook;
use bog_domain::signature::{Signed, delivery_id};
use bog_domain::spec::WebhookScheme;
use keys::{Judged, Keys};
use limits::Limits;
use routes::{Group, Route, Routes};
use serde_json::Value;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// The longest event, as JSON text in bytes, that is kept whole though its fire is filtered.
const FILTERED_EVENT: usize = 4096;

/// What requests that fire triggers need. One for each daemon.
#[derive(Debug)]
pub struct Hooks {
    settings: Settings,
    store: Store,
    jobs: Jobs,
    routes: Routes,
    limits: Limits,
    keys: Keys,
}

impl Hooks {
    /// For the jobs of a store.
    #[must_use]
    pub fn new(settings: Settings, store: Store, jobs: Jobs, secrets: Secrets) -> Self {
        let limits = Limits::new(&settings);
        Self { settings, store, jobs, routes: Routes::default(), limits, keys: Keys::new(secrets) }
    }
}

/// Takes what no endpoint of the API does: a request that fires triggers, or one for what does not exist.
pub(super) async fn unmatched(
    State(app): State<Arc<App>>,
    Extension(reach): Extension<Reach>,
    request: Request,
) -> Response {
    let posted = request.method() == Method::POST;
    let route = if posted { app.hooks.route(request.uri().path()).await } else { Ok(None) };
    let refused = match route {
        Ok(Some(route)) => {
            let received = receive(&app, &route, reach, request).await;
            return received.unwrap_or_else(IntoResponse::into_response);
        }
        Ok(None) => unknown(&app, reach, &request),
        Err(error) => error,
    };
    drain(request.into_body()).await;
    refused.into_response()
}

/// Whoever has no token is told no more of a path than that it takes no requests.
fn unknown(app: &App, reach: Reach, request: &Request) -> ApiError {
    let known = bearer(request.headers()).is_some_and(|given| app.token.is(given));
    match named_host(request).filter(|host| reach == Reach::Loopback && !is_this_machine(host)) {
        Some(host) => ApiError::WrongHost(host),
        None if known || request.method() == Method::POST => {
            let path = app.secrets.masked(request.uri().path().to_owned());
            ApiError::NotFound(format!("there is no `{path}`: `GET /openapi.json` lists what there is"))
        }
        None => ApiError::Unauthorized,
    }
}

/// Takes one request to a path that triggers name.
async fn receive(app: &App, route: &Route, reach: Reach, mut request: Request) -> Result<Response, ApiError> {
    let hooks = &app.hooks;
    let admitted = hooks.limits.enter(&route.path, route.is_open);
    let admitted = admitted.and_then(|place| hooks.check_length(request.headers()).map(|()| place));
    let _place = match admitted {
        Ok(place) => place,
        Err(refused) => {
            drain(request.into_body()).await;
            return Err(refused);
        }
    };
    let connection = request.extensions_mut().remove::<Arc<Connection>>();
    let stranger = hooks.stranger(reach, &request);
    let (parts, body) = request.into_parts();
    let mut room = hooks.limits.room(&route.path, route.is_open);
    let body = within(body, hooks.max_body(), |bytes| room.take(bytes)).await?;
    let headers = headers(&parts.headers);
    let genuine = hooks.genuine(route, Signed { headers: &headers, body: &body }, stranger).await?;
    // Who sent it has the secret: its connection stays until the answer has been taken.
    let hold = connection.map(Connection::hold);
    let payload = payload(headers.get("content-type").map(String::as_str), &body);
    drop(body);
    let answer = match answer::at_once(&genuine, &headers, &payload) {
        Some(answer) => answer,
        None => fire(app, &genuine, parts.uri.path(), &headers, &payload).await?,
    };
    Ok(held(hold, answer))
}

/// Writes down what the triggers make of a request, and says so.
async fn fire(
    app: &App,
    genuine: &[&Group],
    path: &str,
    headers: &Headers,
    payload: &Value,
) -> Result<Response, ApiError> {
    let (mut arrivals, mut expected) = (Vec::new(), Vec::new());
    for group in genuine {
        let delivery = delivery_id(group.scheme, headers, payload);
        let received = Received { path, headers, payload, delivery_id: delivery.as_deref() };
        for listener in &group.listeners {
            let login = app.hooks.settings.github_login.as_deref();
            let Heard::Event { context, cause, filtered } = listener.hook.hear(received, login) else { continue };
            let cause = app.hooks.believed(group.scheme, cause).await?;
            let arrival = Arrival {
                trigger: listener.trigger.clone(),
                dedupe_key: delivery.clone(),
                cause,
                filtered: filtered.map(|reason| reason.as_str().to_owned()),
                ..app.inbox.arrival(listener.job, kind_of(&listener.hook), clock::now(), context)
            };
            expected.push(Expected { job: listener.job_id.clone(), known_again: arrival.dedupe_key.is_some() });
            arrivals.push(if filtered.is_some() { slim(arrival) } else { arrival });
        }
    }
    let accepted =
        if arrivals.is_empty() { Vec::new() } else { app.inbox.receive(arrivals).await.map_err(unwritten)? };
    crate::failpoint::hit("hooks.before_answer");
    answered(&expected, &accepted)
}

const fn kind_of(hook: &Hook) -> TriggerKind {
    match hook {
        Hook::Webhook(_) => TriggerKind::Webhook,
        Hook::Github(_) => TriggerKind::Github,
    }
}

/// A filtered event costs nothing, so of a large one only the payload's place is kept.
fn slim(arrival: Arrival) -> Arrival {
    if arrival.context.len() <= FILTERED_EVENT {
        return arrival;
    }
    let context = match serde_json::from_str(&arrival.context) {
        Ok(Value::Object(mut fields)) => {
            fields.insert("payload".to_owned(), Value::Null);
            fields.insert("body".to_owned(), Value::Null);
            Value::Object(fields).to_string()
        }
        Ok(_) | Err(_) => "{}".to_owned(),
    };
    Arrival { context, ..arrival }
}

/// Whatever keeps it from being written down: the sender is to try again.
fn unwritten(error: crate::store::StoreError) -> ApiError {
    tracing::error!(%error, "a request that fires triggers cannot be written down: refused");
    ApiError::Unavailable("it cannot be written down at the moment: send it again later".to_owned())
}

impl Hooks {
    /// The triggers that requests to a path fire; `None` for a path that none names.
    async fn route(&self, path: &str) -> Result<Option<Arc<Route>>, ApiError> {
        let changes = self.jobs.changes();
        if let Some(route) = self.routes.get(path, changes) {
            return Ok(Some(route));
        }
        self.limits.look_up()?;
        let rows = self.store.routes_of(path.to_owned()).await.map_err(unwritten)?;
        if rows.is_empty() {
            return Ok(None);
        }
        Ok(self.routes.keep(changes, Route::of(path, rows, &self.jobs)))
    }

    /// Where nothing is signed, anyone may have written what a request says of its cause: that counts only if it names a
    /// fire of this ledger, and then as deep as that one was.
    async fn believed(&self, scheme: WebhookScheme, said: Cause) -> Result<Cause, ApiError> {
        if scheme != WebhookScheme::None || said == Cause::default() {
            return Ok(said);
        }
        let Some(id) = said.fire else { return Ok(Cause::default()) };
        let fire = self.store.fire(id).await.map_err(unwritten)?;
        Ok(fire.map(|fire| Cause::of_run(fire.id, fire.cause.depth)).unwrap_or_default())
    }

    fn max_body(&self) -> usize {
        usize::try_from(self.settings.max_body.bytes()).unwrap_or(usize::MAX)
    }

    /// A body that says it is too long is not read at all.
    fn check_length(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        match length {
            Some(length) if length > self.max_body() => Err(ApiError::TooLarge(self.max_body())),
            Some(_) | None => Ok(()),
        }
    }

    /// The name under which a request came that only a signature excuses: on a daemon that only this machine reaches,
    /// another host's, or that of the web page that made a browser send it.
    fn stranger(&self, reach: Reach, request: &Request) -> Option<String> {
        if reach == Reach::Remote {
            return None;
        }
        let is_ours = |host: &str| {
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
            is_this_machine(host) || self.settings.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
        };
        let origin = request.headers().get(header::ORIGIN);
        let origin = origin.map(|origin| String::from_utf8_lossy(origin.as_bytes()).into_owned());
        let page = origin.map(|origin| origin.split_once("://").map_or(origin.clone(), |(_, host)| host.to_owned()));
        named_host(request).into_iter().chain(page).find(|host| !is_ours(host))
    }

    /// The groups of triggers for which a request is genuine: at least one.
    async fn genuine<'r>(
        &self,
        route: &'r Route,
        request: Signed<'_>,
        stranger: Option<String>,
    ) -> Result<Vec<&'r Group>, ApiError> {
        let now = clock::now();
        let (mut genuine, mut refused) = (Vec::new(), None);
        for group in &route.groups {
            if group.scheme == WebhookScheme::None
                && let Some(host) = &stranger
            {
                refused.get_or_insert(ApiError::WrongHost(host.clone()));
                continue;
            }
            match self.keys.judge(group.scheme, &group.secrets, request, now).await {
                Judged::Genuine => genuine.push(group),
                Judged::Refused(why) => {
                    if self.limits.may_say() {
                        tracing::warn!(path = %route.path, scheme = ?group.scheme, %why, "a request was refused");
                    }
                    refused.get_or_insert(ApiError::BadSignature);
                }
                Judged::NoKey(why) => {
                    if self.limits.may_say() {
                        tracing::error!(path = %route.path, %why, "requests are refused");
                    }
                    let detail = "this path is not ready to take requests: the daemon's log says what is missing";
                    refused = Some(ApiError::Unavailable(detail.to_owned()));
                }
            }
        }
        match refused {
            Some(refused) if genuine.is_empty() => Err(refused),
            Some(_) | None => Ok(genuine),
        }
    }
}

/// Headers as text; one that is given several times is one with all its values.
fn headers(given: &HeaderMap) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in given {
        let value = String::from_utf8_lossy(value.as_bytes());
        match headers.entry(name.as_str().to_owned()) {
            Entry::Vacant(vacant) => {
                vacant.insert(value.into_owned());
            }
            Entry::Occupied(mut there) => {
                let values = there.get_mut();
                values.push_str(", ");
                values.push_str(&value);
            }
        }
    }
    headers
}
