//! The keys that requests are checked with. A value is kept for a moment: it may be changed while the daemon runs, and a
//! keyring is not asked for every request.

use crate::secrets::Secrets;
use bog_domain::signature::{Key, Refusal, Signed, verify};
use bog_domain::spec::WebhookScheme;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a value is kept, and the lack of one.
const KEPT: Duration = Duration::from_secs(5);

/// What the keys of a group of triggers say of a request.
pub(super) enum Judged {
    /// One of them signed it.
    Genuine,
    /// None did.
    Refused(Refusal),
    /// There is no key to check it with.
    NoKey(String),
}

/// A key, or why there is none, and since when that is known.
type Kept = (Instant, Result<Key, String>);

/// The keys of all secrets that were asked for.
#[derive(Debug)]
pub(super) struct Keys {
    secrets: Secrets,
    kept: Mutex<HashMap<(WebhookScheme, String), Kept>>,
}

impl Keys {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self { secrets, kept: Mutex::default() }
    }

    /// Checks a request with these secrets: the one that is used, which must be there, and those before it.
    pub(super) async fn judge(
        &self,
        scheme: WebhookScheme,
        names: &[String],
        request: Signed<'_>,
        now: Timestamp,
    ) -> Judged {
        let (mut keys, mut missing) = (Vec::new(), None);
        for (index, name) in names.iter().enumerate() {
            match self.key(scheme, name).await {
                Ok(key) => keys.push(key),
                Err(why) if index == 0 => missing = Some(why),
                // One that is no longer needed may be gone.
                Err(_) => {}
            }
        }
        match (verify(scheme, request, &keys, now), missing) {
            (Ok(()), _) => Judged::Genuine,
            (Err(_), Some(why)) => Judged::NoKey(why),
            (Err(refusal), None) => Judged::Refused(refusal),
        }
    }

    async fn key(&self, scheme: WebhookScheme, name: &str) -> Result<Key, String> {
        let place = (scheme, name.to_owned());
        if let Some((at, key)) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&place)
            && at.elapsed() < KEPT
        {
            return key.clone();
        }
        let key = match self.secrets.get(name).await {
            Ok(secret) => {
                Key::new(scheme, secret.value.expose_secret()).map_err(|error| format!("secret `{name}` {error}"))
            }
            Err(error) => Err(error.to_string()),
        };
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(place, (Instant::now(), key.clone()));
        key
    }
}
