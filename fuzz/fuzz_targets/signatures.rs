//! Nothing that is made without the secret is taken for genuine, and no header breaks the parsers.
#![no_main]

use bog_domain::hook::Headers;
use bog_domain::signature::{Key, Signed, delivery_id, verify};
use bog_domain::spec::WebhookScheme;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

const SCHEMES: [WebhookScheme; 5] = [
    WebhookScheme::Github,
    WebhookScheme::Standard,
    WebhookScheme::Slack,
    WebhookScheme::Stripe,
    WebhookScheme::Gitlab,
];

/// What is put into the headers, line by line; the rest is the body.
const HEADERS: [&str; 10] = [
    "x-hub-signature-256",
    "x-github-delivery",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "x-slack-request-timestamp",
    "x-slack-signature",
    "stripe-signature",
    "x-gitlab-token",
    "idempotency-key",
];

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.splitn(HEADERS.len() + 1, '\n');
    let headers: Headers =
        HEADERS.iter().zip(&mut lines).map(|(name, value)| ((*name).to_owned(), value.to_owned())).collect();
    let body = lines.next().unwrap_or_default().as_bytes();
    for scheme in SCHEMES {
        let key = Key::new(scheme, "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0").expect("it is a key");
        let verified = verify(scheme, Signed { headers: &headers, body }, &[key], Timestamp::UNIX_EPOCH);
        assert!(verified.is_err(), "{scheme:?} takes {headers:?}");
        let id = delivery_id(scheme, &headers, &serde_json::Value::Null);
        assert!(id.is_none_or(|id| !id.is_empty() && id.len() <= 200));
        // Whatever is configured as a secret is a key or is refused.
        let _either_way = Key::new(scheme, &text);
    }
});
