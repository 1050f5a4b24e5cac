//! What the daemon knows of secrets: their names, the values it has seen, and the mask made of them.
//!
//! Whoever gets a value from here may be sure that it is masked from then on. Nothing is forgotten while the daemon runs: a
//! value that was replaced, or whose job is gone, may still stand in a log.

use super::{Secret, SecretError, named_file, nearby, resolve, session, warnings};
use crate::env::{self, CREDENTIALS_DIRECTORY};
use bog_domain::mask::Mask;
use futures::StreamExt;
use futures::stream;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Values of one name that are remembered: beyond that a secret changes so often that its old values are worth nothing.
const VALUES_MAX: usize = 16;

/// Secrets that are looked for at the same time.
const AT_ONCE: usize = 4;

/// The secrets of the daemon. Cheap to clone.
#[derive(Clone, Default)]
pub struct Secrets {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    names: Mutex<BTreeMap<String, Known>>,
    mask: RwLock<Arc<Mask>>,
    /// There are names that were not looked for yet.
    named: Notify,
}

/// What is known of one name.
#[derive(Default)]
struct Known {
    /// The newest last.
    values: Vec<SecretString>,
    /// Whether it has been looked for since it was last named.
    looked_for: bool,
    /// What was to be said then.
    warnings: Vec<String>,
    /// Whether there was no value then.
    missing: bool,
}

impl Secrets {
    /// No secrets yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of names whose values are secrets. They are looked for by [`keep_up`].
    pub fn name(&self, names: impl IntoIterator<Item = String>) {
        let mut known = self.names();
        let mut any = false;
        for name in names {
            known.entry(name).or_default().looked_for = false;
            any = true;
        }
        if any {
            self.inner.named.notify_one();
        }
    }

    /// Whether that is the name of a secret.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.names().contains_key(name)
    }

    /// The value of a secret, looked for afresh.
    ///
    /// # Errors
    /// As [`resolve`].
    pub async fn get(&self, name: &str) -> Result<Secret, SecretError> {
        let found = resolve(name).await;
        self.note(vec![(name.to_owned(), found.clone())]);
        found
    }

    /// The values of all these secrets, for an agent's environment.
    ///
    /// # Errors
    /// The first that there is no value for.
    pub async fn get_all(&self, names: &[String]) -> Result<Vec<(String, SecretString)>, SecretError> {
        let mut values = Vec::with_capacity(names.len());
        for name in names {
            values.push((name.clone(), self.get(name).await?.value));
        }
        Ok(values)
    }

    /// A value that is a secret, wherever it comes from.
    pub fn learn(&self, name: &str, value: &SecretString) {
        let mut names = self.names();
        if names.entry(name.to_owned()).or_default().learn(value) {
            self.renew(&names);
        }
    }

    /// Looks for these secrets, and says what is to be said of them.
    pub async fn check(&self, names: impl IntoIterator<Item = String>) -> Vec<String> {
        let looking = stream::iter(names).map(async |name| {
            let found = resolve(&name).await;
            (name, found)
        });
        let found: Vec<_> = looking.buffered(AT_ONCE).collect().await;
        let said = found.iter().flat_map(|(name, found)| warnings(name, found)).collect();
        self.note(found);
        said
    }

    /// Looks for all secrets that were not looked for yet, and for these, in the environment, files and credentials alone:
    /// the keyring takes its time.
    pub async fn check_nearby(&self, also: impl IntoIterator<Item = String>) {
        let names: Vec<String> = self.waiting().into_iter().chain(also).collect();
        let looking = stream::iter(names).map(async |name| {
            let found = nearby(&name).await;
            Some((name, found.transpose()?))
        });
        self.note(looking.buffered(AT_ONCE).filter_map(async |found| found).collect().await);
    }

    /// What was to be said of these secrets when they were last looked for.
    #[must_use]
    pub fn last_warnings(&self, names: impl IntoIterator<Item = String>) -> Vec<String> {
        let known = self.names();
        names.into_iter().filter_map(|name| Some(known.get(&name)?.warnings.clone())).flatten().collect()
    }

    /// What was to be said of those of these secrets that had no value when they were last looked for.
    #[must_use]
    pub fn missing(&self, names: impl IntoIterator<Item = String>) -> Vec<String> {
        let known = self.names();
        let missing = |name: String| Some(known.get(&name).filter(|known| known.missing)?.warnings.clone());
        names.into_iter().filter_map(missing).flatten().collect()
    }

    /// Where the values of these secrets lie, and who would say them: files, credentials, keyrings, sockets of the session.
    /// No agent is to get at them there.
    #[must_use]
    pub fn places(&self) -> Vec<PathBuf> {
        let files: Vec<String> = self.names().keys().filter_map(|name| named_file(name)).collect();
        let below = |variable: &str, name: &str| env::var_os(variable).map(|folder| PathBuf::from(folder).join(name));
        let system = [env::var_os(CREDENTIALS_DIRECTORY).map(PathBuf::from), below("XDG_DATA_HOME", "keyrings")];
        let files = files.iter().map(|path| env::expand_home(path));
        let known = system.into_iter().flatten().chain(session::sockets());
        files.chain(known).filter(|path| path.is_absolute()).collect()
    }

    /// The mask of all values that are known now.
    #[must_use]
    pub fn mask(&self) -> Arc<Mask> {
        Arc::clone(&self.inner.mask.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A text without the values that are known now.
    #[must_use]
    pub fn masked(&self, text: String) -> String {
        match self.mask().mask(&text) {
            std::borrow::Cow::Borrowed(_) => text,
            std::borrow::Cow::Owned(masked) => masked,
        }
    }

    /// A JSON document without the values that are known now.
    #[must_use]
    pub fn masked_json(&self, document: String) -> String {
        match self.mask().mask_json(document.as_bytes()) {
            std::borrow::Cow::Borrowed(_) => document,
            std::borrow::Cow::Owned(masked) => String::from_utf8_lossy(&masked).into_owned(),
        }
    }

    /// The names that were not looked for yet.
    fn waiting(&self) -> Vec<String> {
        let names = self.names();
        names.iter().filter(|(_, known)| !known.looked_for).map(|(name, _)| name.clone()).collect()
    }

    fn note(&self, found: Vec<(String, Result<Secret, SecretError>)>) {
        let mut names = self.names();
        let mut new = false;
        for (name, found) in found {
            let warnings = warnings(&name, &found);
            let known = names.entry(name).or_default();
            known.looked_for = true;
            known.warnings = warnings;
            known.missing = found.is_err();
            new |= found.is_ok_and(|secret| known.learn(&secret.value));
        }
        if new {
            self.renew(&names);
        }
    }

    /// Makes the mask anew. The names stay locked meanwhile, so that an older one never replaces a newer.
    fn renew(&self, names: &BTreeMap<String, Known>) {
        let values = names.iter().flat_map(|(name, known)| {
            known.values.iter().map(|value| (name.clone(), value.expose_secret().as_bytes().to_vec()))
        });
        let mask = Arc::new(Mask::new(values));
        *self.inner.mask.write().unwrap_or_else(PoisonError::into_inner) = mask;
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.inner.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Whether the value is new.
    fn learn(&mut self, value: &SecretString) -> bool {
        if self.values.iter().any(|known| known.expose_secret() == value.expose_secret()) {
            return false;
        }
        if self.values.len() == VALUES_MAX {
            self.values.remove(0);
        }
        self.values.push(value.clone());
        true
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("mask", &self.mask()).finish_non_exhaustive()
    }
}

/// Looks for whatever is named, until told to stop.
pub async fn keep_up(secrets: Secrets, stop: CancellationToken) {
    loop {
        let named = secrets.inner.named.notified();
        let waiting = secrets.waiting();
        if waiting.is_empty() {
            tokio::select! { () = stop.cancelled() => return, () = named => {} }
        } else {
            tokio::select! { () = stop.cancelled() => return, said = secrets.check(waiting) => drop(said) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::Place;

    #[test]
    fn old_values_stay_masked_and_nothing_shows_one() {
        let secrets = Secrets::new();
        let (old, new) = (SecretString::from("hunter2-the-old"), SecretString::from("hunter2-the-new"));
        secrets.learn("KEY", &old);
        secrets.clone().learn("KEY", &new);
        let masked = secrets.masked("hunter2-the-old hunter2-the-new".to_owned());
        assert_eq!(masked, "[KEY] [KEY]");
        assert_eq!(secrets.masked_json(r#"{"a":"hunter2-the-new"}"#.to_owned()), r#"{"a":"[KEY]"}"#);
        let secret = Secret { value: new, place: Place::Environment, open_to_others: false };
        for shown in [format!("{secrets:?}"), format!("{secret:?}"), format!("{:?}", secrets.mask())] {
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn values_that_change_all_the_time_are_not_kept_for_ever() {
        let secrets = Secrets::new();
        for number in 0..VALUES_MAX + 5 {
            secrets.learn("KEY", &format!("hunter2-number-{number:02}").into());
        }
        assert_eq!(secrets.names()["KEY"].values.len(), VALUES_MAX);
        assert_eq!(secrets.masked("hunter2-number-20".to_owned()), "[KEY]");
    }

    #[tokio::test]
    async fn what_is_named_is_looked_for_until_told_to_stop() {
        let (secrets, stop) = (Secrets::new(), CancellationToken::new());
        secrets.name(["BOG_TEST_NO_SUCH_SECRET".to_owned()]);
        assert!(secrets.is_named("BOG_TEST_NO_SUCH_SECRET"));
        let both = async {
            while secrets.last_warnings(["BOG_TEST_NO_SUCH_SECRET".to_owned()]).is_empty() {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        tokio::join!(keep_up(secrets.clone(), stop.clone()), both);
        assert_eq!(secrets.waiting(), Vec::<String>::new());
    }
}
