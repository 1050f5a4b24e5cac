//! What must be right in a `webhook` output.

use super::{check_url, env_name};
use crate::error::SpecError;
use crate::spec::WebhookOutputSpec;

/// Headers that the request has anyway: they say what it is, where it goes and that it is ours.
const OURS: [&str; 12] = [
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "idempotency-key",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    crate::cause::HEADER,
    "x-hub-signature-256",
];

/// Headers whose values are secret as a rule.
const SECRET: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "x-api-key"];

pub(super) fn check(field: &impl Fn(&str) -> String, hook: &WebhookOutputSpec) -> Result<(), SpecError> {
    match (hook.url.as_str(), &hook.url_env) {
        ("", None) => return Err(SpecError::new(field("url"), "missing: name a `url`, or a `url_env`")),
        ("", Some(_)) => {}
        (_, Some(_)) => return Err(SpecError::new(field("url_env"), "there is a `url` too: leave one of them out")),
        (url, None) => check_url(&field("url"), url)?,
    }
    for (name, value) in &hook.headers {
        let refuse = |problem: String| Err(SpecError::new(field("headers"), problem));
        check_name(name).or_else(refuse)?;
        if SECRET.contains(&name.to_ascii_lowercase().as_str()) {
            return refuse(format!(
                "the value of `{name}` is a secret, and none stands in a job: write `secret_headers: {{{name}: VARIABLE}}`"
            ));
        }
        if !value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            return refuse(format!("the value of `{name}` has more than visible ASCII characters and blanks in it"));
        }
    }
    for (name, variable) in &hook.secret_headers {
        let refuse = |problem: String| Err(SpecError::new(field("secret_headers"), problem));
        check_name(name).or_else(refuse)?;
        if hook.headers.keys().any(|other| other.eq_ignore_ascii_case(name)) {
            return refuse(format!("`{name}` stands under `headers` too: leave one of them out"));
        }
        env_name(&field("secret_headers"), variable)?;
    }
    Ok(())
}

/// Whether a job may set this header (RFC 9110, section 5.1).
fn check_name(name: &str) -> Result<(), String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(format!("`{}` is not the name of a header", name.escape_debug()));
    }
    let lower = name.to_ascii_lowercase();
    if OURS.contains(&lower.as_str()) || lower.starts_with("webhook-") || lower.starts_with("ce-") {
        return Err(format!("`{name}` is set by the daemon itself: leave it out"));
    }
    Ok(())
}
