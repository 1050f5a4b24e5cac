//! The HTTP client that everything in the agent shares, and how it sends.
//!
//! Proxies are those of the given environment, not of the process: an agent in a sandbox reaches its provider through
//! nothing else.

use super::ModelError;
use super::classify::Refusal;
use crate::clock;
use crate::environment::Environment;
use crate::tls;
use reqwest::{Client, NoProxy, Proxy, RequestBuilder, Response};
use std::time::Duration;

/// How long a connection may take to be there.
const CONNECT: Duration = Duration::from_secs(30);

/// How long an answer may be silent. Models think for minutes.
const SILENCE: Duration = Duration::from_mins(5);

/// The most that is read of an error's body, in bytes.
const ERROR_BODY: usize = 64 * 1024;

/// A client for an agent with this environment.
///
/// # Errors
/// When a proxy variable holds no proxy, or the file with further authorities cannot be used: which.
pub fn client(environment: &Environment) -> Result<Client, String> {
    let tls = tls::client(environment)?;
    let mut builder =
        Client::builder().tls_backend_preconfigured(tls).connect_timeout(CONNECT).read_timeout(SILENCE).no_proxy();
    builder = builder.user_agent(concat!("bog-agents-daemon/", env!("CARGO_PKG_VERSION")));
    let direct = first(environment, &["NO_PROXY", "no_proxy"]).and_then(|(_, list)| NoProxy::from_string(&list));
    if let Some((name, url)) = first(environment, &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]) {
        let proxy = Proxy::https(&url).map_err(|_| no_proxy(name))?;
        builder = builder.proxy(proxy.no_proxy(direct.clone()));
    }
    if let Some((name, url)) = first(environment, &["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"]) {
        let proxy = Proxy::http(&url).map_err(|_| no_proxy(name))?;
        builder = builder.proxy(proxy.no_proxy(direct));
    }
    builder.build().map_err(|error| format!("the HTTP client cannot be made: {}", chain(&error)))
}

fn no_proxy(name: &str) -> String {
    format!("`{name}` holds no proxy's address; write `http://HOST:PORT`")
}

fn first(environment: &Environment, names: &[&'static str]) -> Option<(&'static str, String)> {
    names.iter().find_map(|name| Some((*name, environment.get(name)?)))
}

/// Sends a request and returns its answer if that is a success.
///
/// # Errors
/// When there is no answer, or it is a refusal.
pub async fn send(request: RequestBuilder) -> Result<Response, ModelError> {
    let response = request.send().await.map_err(|error| lost(&error))?;
    if response.status().is_success() {
        return Ok(response);
    }
    let (status, headers) = (response.status(), response.headers().clone());
    let body = start_of(response, ERROR_BODY).await;
    Err(Refusal { status, headers: &headers, body: &body }.meaning(clock::now()))
}

/// The first bytes of a body, as text; what cannot be read is left out.
async fn start_of(mut response: Response, most: usize) -> String {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() >= most {
            break;
        }
    }
    body.truncate(most);
    String::from_utf8_lossy(&body).into_owned()
}

/// What an error of the connection means.
pub fn lost(error: &reqwest::Error) -> ModelError {
    if error.is_builder() {
        return ModelError::permanent(format!("the provider's address cannot be used: {}", chain(error)));
    }
    ModelError::passing(chain(error))
}

/// An error with its causes, without the URL: keys of some providers stand in it.
pub fn chain(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "no answer in time" } else { "the connection failed" }.to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
