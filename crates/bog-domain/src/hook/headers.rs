//! The headers of a request: names in lower case; what is given twice is joined by `, `.

use std::collections::BTreeMap;

/// Headers by their names in lower case.
pub type Headers = BTreeMap<String, String>;

/// Headers that are secrets, or that say who may do something.
const SECRET: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// Whatever has one of these in its name is one too.
const SECRET_PARTS: [&str; 7] = ["token", "secret", "signature", "password", "api-key", "apikey", "credential"];

/// The headers that an event keeps: not those that are, or prove, a secret.
#[must_use]
pub fn kept(headers: &Headers) -> Headers {
    let is_secret = |name: &str| SECRET.contains(&name) || SECRET_PARTS.iter().any(|part| name.contains(part));
    headers.iter().filter(|(name, _)| !is_secret(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}
