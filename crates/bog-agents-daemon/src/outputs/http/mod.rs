//! HTTP for targets: one client, made when it is first used, that connects only where a job may send something.
//!
//! No redirect is followed: whoever sends credentials says where to. Answers are read up to a size and a time, and no error
//! shows more of a URL than its scheme, host and port: the rest may be a secret. When to try again is not decided here.

mod answer;
mod guard;

pub(super) use answer::Answer;
pub use guard::Refused;

use crate::tls;
use bog_domain::delivery::Attempted;
use guard::Guard;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Url};
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of an answer is read where only its beginning matters, in bytes.
pub(super) const SHORT: usize = 64 * 1024;

/// How the daemon connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether names may lead to this machine and into private networks.
    pub allow_private: bool,
    /// A file with further certificate authorities.
    pub ca_file: Option<PathBuf>,
    /// How long a request and its answer may take.
    pub timeout: Duration,
}

/// Sends requests. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Http {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: Settings,
    proxies: Matcher,
    direct: OnceCell<Client>,
    proxied: OnceCell<Client>,
}

impl Http {
    /// A client with these settings and the proxies of the environment.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let (direct, proxied) = (OnceCell::new(), OnceCell::new());
        Self { inner: Arc::new(Inner { settings, proxies: Matcher::from_env(), direct, proxied }) }
    }

    /// How it connects.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// A request to a URL, to be completed and sent by `send`.
    ///
    /// # Errors
    /// When nothing may be sent there, or there is no client.
    pub async fn request(&self, method: Method, url: Url) -> Result<RequestBuilder, Attempted> {
        if let Err(refused) = guard::judge(&url) {
            return Err(Attempted::Permanent { error: format!("{}: {refused}", shown(&url)) });
        }
        let client = if self.inner.has_proxy_for(&url) { self.proxied().await } else { self.direct().await };
        match client {
            Ok(client) => Ok(client.request(method, url)),
            Err(error) => Err(Attempted::Passing { error, retry_after: None }),
        }
    }

    /// Sends a request and reads up to `most` bytes of the answer, whatever its status.
    ///
    /// # Errors
    /// When it could not be sent, or no answer came.
    pub(super) async fn send(&self, request: RequestBuilder, most: usize) -> Result<Answer, Attempted> {
        let response = request.send().await.map_err(|error| unanswered(&error))?;
        Ok(Answer::read(response, most).await)
    }

    async fn direct(&self) -> Result<&Client, String> {
        let guard = Guard { allow_private: self.inner.settings.allow_private };
        let build = || self.build(|builder| builder.no_proxy().dns_resolver(Arc::new(guard)));
        self.inner.direct.get_or_try_init(async || build()).await
    }

    /// The proxy connects, so that it decides where to.
    async fn proxied(&self) -> Result<&Client, String> {
        self.inner.proxied.get_or_try_init(async || self.build(|builder| builder)).await
    }

    fn build(&self, more: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Result<Client, String> {
        let settings = &self.inner.settings;
        let extra = tls::extra_roots(settings.ca_file.as_deref())?;
        let tls = tls::client(extra).map_err(|error| error.to_string())?;
        let builder = Client::builder()
            .user_agent(concat!("bog-agents-daemon/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls)
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT.min(settings.timeout))
            .timeout(settings.timeout)
            // A connection that was kept may be gone without a word, which looks like an answer that never came.
            .pool_max_idle_per_host(0);
        more(builder).build().map_err(|error| format!("no HTTP client: {}", words(&error)))
    }
}

impl Inner {
    /// Services of this machine are reached by itself.
    fn has_proxy_for(&self, url: &Url) -> bool {
        !guard::is_this_machine(url) && url.as_str().parse().is_ok_and(|uri| self.proxies.intercept(&uri).is_some())
    }
}

/// What it means that a request got no answer.
fn unanswered(error: &reqwest::Error) -> Attempted {
    let to = error.url().map_or_else(|| "the request".to_owned(), shown);
    if let Some(refused) = guard::refusal(error) {
        return Attempted::Permanent { error: format!("{to}: {refused}") };
    }
    let words = words(error);
    if error.is_builder() {
        Attempted::Permanent { error: format!("{to}: {words}") }
    } else if error.is_connect() {
        Attempted::Passing { error: format!("{to}: no connection: {words}"), retry_after: None }
    } else {
        Attempted::Unknown { error: format!("{to}: sent, but no answer came: {words}") }
    }
}

/// The innermost reason of an error: what is around it speaks of layers that nobody asked for, and of the URL.
fn words(error: &reqwest::Error) -> String {
    let Some(mut innermost) = error.source() else { return "it is not valid".to_owned() };
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// What may be shown of a URL.
pub(super) fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}
