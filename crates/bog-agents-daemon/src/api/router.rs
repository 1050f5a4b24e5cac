//! The URL map, and what holds for every request: who asked, under which name, and for how long.

use super::problem::ApiError;
use super::server::{Connection, Held};
use super::{
    App, admin, body, deliveries, effective, events, explain, fire, fires, health, hooks, jobs, masking, metrics, next,
    openapi, revisions, runs, usage,
};
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a request may take until its answer begins.
const MAX_TIME: Duration = Duration::from_secs(60);

/// From where the daemon can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// From this machine only: a request under another name than this machine's comes from a web page that was tricked
    /// into asking (DNS rebinding).
    Loopback,
    /// From other machines, under names that cannot be known here.
    Remote,
}

impl From<SocketAddr> for Reach {
    fn from(address: SocketAddr) -> Self {
        if address.ip().is_loopback() { Self::Loopback } else { Self::Remote }
    }
}

/// The API over `app`. Streams of events end with `stop`.
///
/// Each handler says its path once more for `api::openapi`, whose tests compare the two.
pub fn router(app: Arc<App>, reach: Reach, stop: CancellationToken) -> Router {
    let map = Router::new()
        .route("/jobs", get(jobs::all).post(jobs::create))
        .route("/jobs/{id}", get(jobs::show).put(jobs::replace).patch(jobs::patch).delete(jobs::delete))
        .route("/jobs/{id}/enable", post(jobs::enable))
        .route("/jobs/{id}/disable", post(jobs::disable))
        .route("/jobs/{id}/run", post(fire::run))
        .route("/jobs/{id}/runs", get(runs::of_job))
        .route("/jobs/{id}/fires", get(fires::of_job))
        .route("/jobs/{id}/next", get(next::next))
        .route("/jobs/{id}/effective", get(effective::effective))
        .route("/jobs/{id}/explain", get(explain::explain))
        .route("/jobs/{id}/revisions", get(revisions::of_job))
        .route("/jobs/{id}/outputs/test", post(deliveries::test))
        .route("/runs", get(runs::all))
        .route("/runs/{id}", get(runs::show))
        .route("/runs/{id}/events", get(events::events))
        .route("/runs/{id}/cancel", post(runs::cancel))
        .route("/runs/{id}/resume", post(runs::resume))
        .route("/runs/{id}/rerun", post(fire::rerun))
        .route("/fires", get(fires::all))
        .route("/fires/{id}", get(fires::show))
        .route("/deliveries", get(deliveries::all))
        .route("/deliveries/{id}", get(deliveries::show))
        .route("/deliveries/{id}/redeliver", post(deliveries::redeliver))
        .route("/usage", get(usage::usage))
        .route("/health", get(health::health))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(openapi::document))
        .route("/drain", post(admin::drain))
        .route("/admin/rotate-token", post(admin::rotate_token));
    let open = Router::new().route("/livez", get(health::livez)).route("/readyz", get(health::readyz));
    let open = open.method_not_allowed_fallback(other_method).layer(from_fn(hold));
    map.method_not_allowed_fallback(other_method)
        // Within what holds the connection until the answer has been taken.
        .route_layer(from_fn_with_state(Arc::clone(&app), masking::mask))
        .route_layer(from_fn_with_state(Arc::clone(&app), authorize))
        .merge(open)
        .route_layer(from_fn_with_state(reach, guard))
        // These come from other machines, under any name, and without a token: they have a guard of their own.
        .fallback(hooks::unmatched)
        .with_state(app)
        .layer(Extension(stop))
        .layer(Extension(reach))
        .layer(from_fn(frame))
}

async fn other_method(method: Method) -> ApiError {
    ApiError::MethodNotAllowed(method.to_string())
}

/// Keeps web pages from asking in the name of whoever looks at them.
async fn guard(State(reach): State<Reach>, request: Request, next: Next) -> Response {
    match (reach, named_host(&request)) {
        (Reach::Loopback, Some(host)) if !is_this_machine(&host) => ApiError::WrongHost(host).into_response(),
        (Reach::Loopback | Reach::Remote, _) => next.run(request).await,
    }
}

/// What holds for every request and every answer.
async fn frame(request: Request, next: Next) -> Response {
    let mut response = match tokio::time::timeout(MAX_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::Timeout.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The name the request came under.
pub(super) fn named_host(request: &Request) -> Option<String> {
    let named = request.headers().get(header::HOST).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    request.uri().authority().map(ToString::to_string).or(named)
}

/// Whether a host, with its port or without, is this machine by its name.
pub(super) fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Lets through who has the token. Nothing of the body is looked at before.
async fn authorize(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if bearer(request.headers()).is_some_and(|given| app.token.is(given)) {
        return hold(request, next).await;
    }
    body::drain(request.into_body()).await;
    ApiError::Unauthorized.into_response()
}

/// The token that a request brings.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, rest) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(rest.trim_ascii())
}

/// Keeps the connection from being closed in favour of another until the answer has been taken.
async fn hold(mut request: Request, next: Next) -> Response {
    let Some(connection) = request.extensions_mut().remove::<Arc<Connection>>() else { return next.run(request).await };
    let hold = connection.hold();
    held(Some(hold), next.run(request).await)
}

/// An answer that holds its connection until it has been taken.
pub(super) fn held(hold: Option<Held>, response: Response) -> Response {
    match hold {
        Some(held) => response.map(|answer| Body::new(HeldBody { answer, _held: held })),
        None => response,
    }
}

/// An answer that holds its connection until it has been taken.
struct HeldBody {
    answer: Body,
    _held: Held,
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.answer).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.answer.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.answer.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_has_its_names() {
        for good in ["localhost", "LOCALHOST:7391", "127.0.0.1:7391", "127.8.8.8", "[::1]:7391", "[::1]"] {
            assert!(is_this_machine(good), "{good}");
        }
        for bad in ["", "evil.example", "localhost.evil.example:7391", "10.0.0.1", "[::2]", "127.0.0.1.evil.example"] {
            assert!(!is_this_machine(bad), "{bad}");
        }
    }

    #[test]
    fn the_scheme_has_any_case_and_the_token_its_own() {
        let with =
            |value: &'static str| HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))]);
        assert_eq!(bearer(&with("bearer  abc ")), Some(&b"abc"[..]));
        assert_eq!(bearer(&with("Basic abc")), None);
        assert_eq!(bearer(&with("Bearer")), None);
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
