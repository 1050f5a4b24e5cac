//! One request and its answer.

use super::{Address, ClientError, address};
use crate::api::wire::{List, Problem};
use crate::env;
use bog_domain::cause;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a connection may take.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an answer may take; a commit on a busy disk included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The most items a page may have.
const PAGE: usize = 1000;

/// A daemon to be asked.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    data_dir: PathBuf,
}

impl Client {
    /// A client of the daemon at `address`. Connects when it is first asked.
    ///
    /// # Errors
    /// When there is no token.
    pub fn new(address: &Address, data_dir: &Path) -> Result<Self, ClientError> {
        bog_agent::tls::use_ring();
        let mut headers = HeaderMap::new();
        let token = address::token(data_dir)?;
        let wrong = |_| ClientError::WrongToken(address.url.to_string());
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).map_err(wrong)?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        headers.insert("x-bog-client", HeaderValue::from_static("cli"));
        // Called from within a run: what is asked for is that run's doing.
        if let Some(value) = env::var(env::CAUSE).and_then(|cause| HeaderValue::from_str(&cause).ok()) {
            headers.insert(cause::HEADER, value);
        }
        // The usual authorities only: what is built without being asked for reads the machine's list of them each time.
        let tls = crate::tls::client(Vec::new())
            .map_err(|error| ClientError::Transport { url: address.url.to_string(), error: error.to_string() })?;
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT_TIMEOUT)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ClientError::from_reqwest(address.url.as_str(), error))?;
        Ok(Self { http, base: address.url.clone(), data_dir: data_dir.to_owned() })
    }

    /// A client of the daemon of a data folder.
    ///
    /// # Errors
    /// When none is known there, or there is no token.
    pub fn of(data_dir: &Path) -> Result<Self, ClientError> {
        Self::new(&Address::find(data_dir)?, data_dir)
    }

    /// A client of the daemon that runs there now: the next one may have another port.
    pub(super) fn again(&self) -> Result<Self, ClientError> {
        Self::of(&self.data_dir)
    }

    /// A request for a path given by its segments, each of which is escaped.
    pub(super) fn request(&self, method: Method, segments: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(segments);
        }
        self.http.request(method, url)
    }

    pub(super) fn get(&self, segments: &[&str]) -> RequestBuilder {
        self.request(Method::GET, segments)
    }

    pub(super) fn post(&self, segments: &[&str]) -> RequestBuilder {
        self.request(Method::POST, segments)
    }

    /// Sends a request and reads its answer.
    pub(super) async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        self.json_within(request, ANSWER_TIMEOUT).await
    }

    /// Sends a request whose answer may take as long as this, and reads it.
    pub(super) async fn json_within<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        timeout: Duration,
    ) -> Result<T, ClientError> {
        let response = self.send(request.timeout(timeout)).await?;
        let url = response.url().to_string();
        let body = response.bytes().await.map_err(|error| ClientError::from_reqwest(&url, error))?;
        serde_json::from_slice(&body)
            .map_err(|error| ClientError::Unexpected { url, what: format!("something else ({error})") })
    }

    /// Sends a request whose answer has no content that matters.
    pub(super) async fn done(&self, request: RequestBuilder) -> Result<(), ClientError> {
        self.send(request.timeout(ANSWER_TIMEOUT)).await.map(drop)
    }

    /// Asks for page after page until there are `limit` items.
    pub(super) async fn pages<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        query: &[(&str, String)],
        limit: usize,
    ) -> Result<Vec<T>, ClientError> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        while items.len() < limit {
            let size = (limit - items.len()).min(PAGE);
            let request = self.get(segments).query(query).query(&[("limit", size)]).query(&[("cursor", &cursor)]);
            let page: List<T> = self.json(request).await?;
            items.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        items.truncate(limit);
        Ok(items)
    }

    /// Sends a request; anything but a success is an error.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response =
            request.send().await.map_err(|error| ClientError::from_reqwest(&self.shown(error.url()), error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status == StatusCode::UNAUTHORIZED {
            return Err(ClientError::WrongToken(self.shown(None)));
        }
        let url = self.shown(Some(response.url()));
        let is_problem = header(&response, CONTENT_TYPE.as_str()).starts_with("application/problem+json");
        let body = response.bytes().await.map_err(|error| ClientError::from_reqwest(&url, error))?;
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) if is_problem => Err(ClientError::Problem(problem)),
            Ok(_) | Err(_) => Err(ClientError::Unexpected { url, what: format!("HTTP {status}") }),
        }
    }

    /// The address as it is shown: of a daemon, without a slash at its end.
    fn shown(&self, url: Option<&Url>) -> String {
        url.unwrap_or(&self.base).as_str().trim_end_matches('/').to_owned()
    }
}

/// A header of an answer, empty where it has none.
pub(super) fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Asks for a stream of events.
pub(super) fn event_stream(request: RequestBuilder) -> RequestBuilder {
    request.header(ACCEPT, "text/event-stream")
}
