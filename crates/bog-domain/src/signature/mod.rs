//! Signatures of webhook requests, one file per scheme: whether somebody who has the secret sent this body, and not long
//! ago. Comparisons take the same time whatever is wrong.
//!
//! Nothing here reads a clock, a secret's place or a socket: headers, body, secrets and `now` come with the call.

mod github;
mod gitlab;
mod slack;
mod standard;
mod stripe;

use crate::hook::Headers;
use crate::spec::WebhookScheme;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;
use std::fmt;

/// How far a signed time may be from now, in either direction, for the schemes that sign one.
pub const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// Signatures of one request that are looked at: senders that rotate their key send two.
const MAX_SIGNATURES: usize = 16;

/// The header of many senders that names a delivery.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A request as it is signed.
#[derive(Clone, Copy)]
pub struct Signed<'a> {
    /// Its headers.
    pub headers: &'a Headers,
    /// Its body, byte for byte.
    pub body: &'a [u8],
}

/// Why a request is not taken for genuine. For the log: its sender is told no more than that it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is not signed.
    #[error("the header `{0}` is missing")]
    Missing(&'static str),
    /// What should be a signature or a time is none.
    #[error("the header `{0}` is not of the form that the scheme has")]
    Malformed(&'static str),
    /// No secret makes this signature.
    #[error("the signature is not made with the secret")]
    Wrong,
    /// The signature is right, but of another time: sent again by somebody who overheard it, or a clock is wrong.
    #[error("the signed time is more than 5 minutes from now: is a clock wrong?")]
    Stale,
}

/// Why a secret is no key of a scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no key of scheme `standard`: what stands after `whsec_` must be base64")]
pub struct NoKey;

/// A secret as the key of a scheme.
#[derive(Clone)]
pub struct Key(zeroize::Zeroizing<Vec<u8>>);

impl Key {
    /// Takes a secret for a scheme.
    ///
    /// # Errors
    /// When it cannot be a key of that scheme.
    pub fn new(scheme: WebhookScheme, secret: &str) -> Result<Self, NoKey> {
        let bytes = match scheme {
            WebhookScheme::Standard => standard::key(secret)?,
            WebhookScheme::Github
            | WebhookScheme::Slack
            | WebhookScheme::Stripe
            | WebhookScheme::Gitlab
            | WebhookScheme::None => secret.as_bytes().to_vec(),
        };
        Ok(Self(bytes.into()))
    }

    /// The HMAC-SHA256 of the parts, one after the other.
    #[must_use]
    pub fn sign(&self, parts: &[&[u8]]) -> Vec<u8> {
        // A key of any length is one: there is always a signature.
        self.mac(parts).map(|mac| mac.finalize().into_bytes().to_vec()).unwrap_or_default()
    }

    /// Whether this is the HMAC-SHA256 of the parts.
    fn signs(&self, parts: &[&[u8]], signature: &[u8]) -> bool {
        self.mac(parts).is_some_and(|mac| mac.verify_slice(signature).is_ok())
    }

    fn mac(&self, parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        parts.iter().for_each(|part| mac.update(part));
        Some(mac)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// Checks that a request was signed with one of these keys: the secret, and the one before it while it is being rotated.
///
/// # Errors
/// Why it is not taken for genuine; always, for a scheme that signs, where there is no key.
pub fn verify(scheme: WebhookScheme, request: Signed<'_>, keys: &[Key], now: Timestamp) -> Result<(), Refusal> {
    match scheme {
        WebhookScheme::Github => github::verify(request, keys),
        WebhookScheme::Standard => standard::verify(request, keys, now),
        WebhookScheme::Slack => slack::verify(request, keys, now),
        WebhookScheme::Stripe => stripe::verify(request, keys, now),
        WebhookScheme::Gitlab => gitlab::verify(request, keys),
        WebhookScheme::None => Ok(()),
    }
}

/// The id by which the sender tells a repetition from a new event, where the scheme has one. `payload` is what the body
/// says.
#[must_use]
pub fn delivery_id(scheme: WebhookScheme, headers: &Headers, payload: &serde_json::Value) -> Option<String> {
    let header = |name: &str| headers.get(name).cloned();
    let field = |name: &str| payload.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
    let id = match scheme {
        // Whoever signs as GitHub does, another daemon of this kind for one, mostly names its deliveries otherwise.
        WebhookScheme::Github => header(github::DELIVERY).or_else(|| header(IDEMPOTENCY_KEY)),
        WebhookScheme::Standard => header(standard::ID),
        WebhookScheme::Slack => field("event_id"),
        WebhookScheme::Stripe => field("id"),
        // The event's own id is shared by all that a chain of webhooks causes; the key is that of one delivery.
        WebhookScheme::Gitlab => header(IDEMPOTENCY_KEY).or_else(|| header("x-gitlab-event-uuid")),
        WebhookScheme::None => None,
    };
    id.filter(|id| !id.is_empty()).map(bounded)
}

/// Ids are short; what is longer is told apart by its digest.
fn bounded(id: String) -> String {
    use sha2::Digest as _;
    if id.len() <= 200 { id } else { format!("sha256:{}", hex::encode(Sha256::digest(id.as_bytes()))) }
}

fn header<'a>(request: Signed<'a>, name: &'static str) -> Result<&'a str, Refusal> {
    request.headers.get(name).map(String::as_str).ok_or(Refusal::Missing(name))
}

/// Whether a signed time, in seconds since 1970, is close to now.
fn fresh(seconds: i64, now: Timestamp) -> Result<(), Refusal> {
    let at = Timestamp::from_second(seconds).map_err(|_| Refusal::Stale)?;
    if now.duration_since(at).abs() <= TOLERANCE { Ok(()) } else { Err(Refusal::Stale) }
}

/// A time as the schemes write it: digits alone.
fn seconds(text: &str, header: &'static str) -> Result<i64, Refusal> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().map_err(|_| Refusal::Malformed(header)) } else { Err(Refusal::Malformed(header)) }
}

#[cfg(test)]
mod tests;
