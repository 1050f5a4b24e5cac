//! A signed HTTP request. The delivery's id is its idempotency key and its id under Standard Webhooks, the same for every
//! attempt. What the receiver makes of it is not read beyond its status and an id that it may give.

mod body;
mod signature;

use super::http::{Answer, SHORT};
use super::{Context, Message, permanent};
use crate::clock;
use bog_domain::cause;
use bog_domain::delivery::Attempted;
use bog_domain::signature::NoKey;
use bog_domain::spec::{WebhookFormat, WebhookOutputSpec};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// The longest id of an answer that is kept, in characters.
const MAX_ID: usize = 100;

/// A signed HTTP request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    to: To,
    format: WebhookFormat,
    hmac_secret_env: Option<String>,
    headers: HeaderMap,
    /// Names of headers, and of the variables that hold their values.
    secret_headers: Vec<(HeaderName, String)>,
}

/// Where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum To {
    Url(Url),
    /// The name of the variable that holds the URL.
    Variable(String),
}

impl Webhook {
    /// The target that an output describes.
    ///
    /// # Errors
    /// When its URL or a header is none.
    pub fn render(spec: &WebhookOutputSpec) -> Result<Self, String> {
        let name = |name: &str| name.parse::<HeaderName>().map_err(|_| format!("`{name}` is not the name of a header"));
        let mut headers = HeaderMap::new();
        for (header, value) in &spec.headers {
            let value = value.parse().map_err(|_| format!("the value of `{header}` is none"))?;
            headers.insert(name(header)?, value);
        }
        let secret_headers = spec.secret_headers.iter().map(|(header, variable)| Ok((name(header)?, variable.clone())));
        Ok(Self {
            to: match &spec.url_env {
                Some(variable) => To::Variable(variable.clone()),
                None => To::Url(spec.url.parse().map_err(|error| format!("`url`: {error}"))?),
            },
            format: spec.format.unwrap_or_default(),
            hmac_secret_env: spec.hmac_secret_env.clone(),
            headers,
            secret_headers: secret_headers.collect::<Result<_, String>>()?,
        })
    }

    pub(super) async fn deliver(&self, message: &Message, context: &Context) -> Attempted {
        match self.send(message, context).await {
            Ok(answer) if answer.status.is_success() => Attempted::Delivered { receipt: Some(receipt(&answer)) },
            Ok(answer) => answer.failure(),
            Err(attempted) => attempted,
        }
    }

    async fn send(&self, message: &Message, context: &Context) -> Result<Answer, Attempted> {
        let http = &context.services.http;
        let id = message.delivery.to_string();
        let (content_type, body) = body::of(self.format, message);
        let url = match &self.to {
            To::Url(url) => url.clone(),
            To::Variable(variable) => context.secret_url(variable).await?,
        };
        let mut request = http.request(Method::POST, url).await?.headers(self.headers.clone());
        for (name, variable) in &self.secret_headers {
            let value = secret_value(variable, &context.secret(variable).await?)?;
            request = request.header(name, value);
        }
        request = request
            .header(CONTENT_TYPE, content_type)
            .header("idempotency-key", &id)
            .header(cause::HEADER, message.cause.to_header());
        if let Some(variable) = &self.hmac_secret_env {
            request = signed(request, &context.secret(variable).await?, &id, &body)
                .map_err(|error| permanent(format!("secret `{variable}` {error}")))?;
        }
        http.send(request.body(body), SHORT).await
    }
}

/// With both signatures that receivers know.
fn signed(request: RequestBuilder, secret: &SecretString, id: &str, body: &[u8]) -> Result<RequestBuilder, NoKey> {
    let secret = secret.expose_secret();
    let timestamp = clock::now().as_second().to_string();
    Ok(request
        .header("x-hub-signature-256", signature::hub(secret, body)?)
        .header("webhook-id", id)
        .header("webhook-signature", signature::standard(secret, id, &timestamp, body)?)
        .header("webhook-timestamp", timestamp))
}

fn secret_value(variable: &str, value: &SecretString) -> Result<HeaderValue, Attempted> {
    let mut header = HeaderValue::from_str(value.expose_secret()).map_err(|_| {
        permanent(format!("the value of `{variable}` cannot stand in a header: it is more than one line of text"))
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// The status and, where the receiver gives one, an id for what it made of the request.
fn receipt(answer: &Answer) -> String {
    let of_body = serde_json::from_slice::<Value>(&answer.body).ok().and_then(|body| match body.get("id")? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    });
    let id = of_body.or_else(|| answer.header("x-request-id").map(str::to_owned));
    let id: Option<String> = id.map(|id| id.chars().filter(|c| !c.is_control()).take(MAX_ID).collect());
    match id.filter(|id| !id.is_empty()) {
        Some(id) => format!("{}, id {id}", answer.status),
        None => answer.status.to_string(),
    }
}
