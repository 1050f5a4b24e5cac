//! Secrets: from a name to its value, and all values that are known, so that they can be masked.
//!
//! A value is looked for in the environment, in the file that `NAME_FILE` names, among systemd's credentials, and in the
//! keyring of the operating system, in this order. Nothing here writes, logs or shows a value, or decides who may have one.

mod file;
mod keyring;
mod known;
mod session;

pub use known::{Secrets, keep_up};

use crate::env::{self, CREDENTIALS_DIRECTORY, FILE_SUFFIX};
use crate::tasks;
use bog_domain::job::is_env_name;
use bog_domain::mask::{MIN_SECRET_CHARS, is_maskable};
use secrecy::{ExposeSecret, SecretString};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How every warning and error about a secret begins.
pub const ABOUT: &str = "secret ";

/// How long files may take to be read: one may lie on a network mount that does not answer.
const FILE_PATIENCE: Duration = Duration::from_secs(5);

/// A secret that was found.
#[derive(Debug, Clone)]
pub struct Secret {
    /// Its value.
    pub value: SecretString,
    /// Where it was found.
    pub place: Place,
    /// Whether users besides the daemon's own and its group may read the file it is in.
    pub open_to_others: bool,
}

/// Where a secret was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The variable of its name.
    Environment,
    /// The file that the variable `NAME_FILE` names.
    File(PathBuf),
    /// A credential that systemd passed to the service.
    Credential(PathBuf),
    /// The keyring of the operating system.
    Keyring,
}

/// Why there is no value for a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// It is in none of the places.
    #[error(
        "{ABOUT}`{name}` is not there: set the variable `{name}`, or `{name}_FILE` to the file that holds it, or pass it as a \
         systemd credential (`LoadCredential={name}:FILE`), or store it in the keyring (`{store}`){note}",
        store = keyring::store_command(name)
    )]
    Nowhere {
        /// Its name.
        name: String,
        /// Why the keyring was not asked, if it was not.
        note: String,
    },
    /// It is there, but is of no use.
    #[error("{ABOUT}`{name}`: {problem}")]
    Unusable {
        /// Its name.
        name: String,
        /// What is the matter, and the next step.
        problem: String,
    },
}

/// Finds the value of a secret.
///
/// # Errors
/// When it is nowhere, or where it should be is something of no use. It takes a few seconds at most.
pub async fn resolve(name: &str) -> Result<Secret, SecretError> {
    if let Some(secret) = nearby(name).await? {
        return Ok(secret);
    }
    let nowhere = |note| Err(SecretError::Nowhere { name: name.to_owned(), note });
    if !is_env_name(name) {
        return nowhere(String::new());
    }
    match keyring::look_up(name).await {
        keyring::Answer::Found(value) => Ok(Secret { value, place: Place::Keyring, open_to_others: false }),
        keyring::Answer::NotThere => nowhere(String::new()),
        keyring::Answer::NotAsked(why) => nowhere(format!("; the keyring cannot be asked: {why}")),
        keyring::Answer::Unusable(problem) => Err(unusable(name, format!("what the keyring holds {problem}"))),
    }
}

/// What is to be said of a name after looking for it: that it is not there, or that something is the matter with it.
#[must_use]
pub fn warnings(name: &str, found: &Result<Secret, SecretError>) -> Vec<String> {
    let secret = match found {
        Ok(secret) => secret,
        Err(error) => return vec![error.to_string()],
    };
    let mut warnings = Vec::new();
    if !is_maskable(secret.value.expose_secret().as_bytes()) {
        warnings.push(format!("{ABOUT}`{name}` is shorter than {MIN_SECRET_CHARS} characters and is not masked"));
    }
    if let (true, Place::File(path) | Place::Credential(path)) = (secret.open_to_others, &secret.place) {
        warnings.push(format!("{ABOUT}`{name}`: others may read it: chmod 600 '{}'", path.display()));
    }
    warnings
}

fn unusable(name: &str, problem: String) -> SecretError {
    SecretError::Unusable { name: name.to_owned(), problem }
}

/// Looks for a secret in the environment, files and credentials.
async fn nearby(name: &str) -> Result<Option<Secret>, SecretError> {
    if let Some(value) = env::var_os(name).filter(|value| !value.is_empty()) {
        let value = value.into_string().map_err(|_| {
            unusable(name, format!("the variable `{name}` is not UTF-8 text: set it to text, for example base64"))
        })?;
        return Ok(Some(Secret { value: value.into(), place: Place::Environment, open_to_others: false }));
    }
    let named = named_file(name);
    let credentials = env::var_os(CREDENTIALS_DIRECTORY).filter(|_| is_env_name(name)).map(PathBuf::from);
    if named.is_none() && credentials.is_none() {
        return Ok(None);
    }
    let owned = name.to_owned();
    let read = tasks::blocking(move || in_files(&owned, named.as_deref(), credentials.as_deref()));
    match tokio::time::timeout(FILE_PATIENCE, read).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => Err(unusable(name, format!("its file cannot be read: {error}; try again"))),
        Err(_) => {
            let problem = format!("its file did not answer within {FILE_PATIENCE:?}: is its disk or its server there?");
            Err(unusable(name, problem))
        }
    }
}

/// What `NAME_FILE` says.
fn named_file(name: &str) -> Option<String> {
    env::var(&format!("{name}{FILE_SUFFIX}")).filter(|path| !path.is_empty())
}

fn in_files(name: &str, named: Option<&str>, credentials: Option<&Path>) -> Result<Option<Secret>, SecretError> {
    if let Some(written) = named {
        let path = env::expand_home(written);
        let wrong = |problem: String| {
            unusable(name, format!("the file `{}` that `{name}_FILE` names {problem}", path.display()))
        };
        if path.is_relative() {
            return Err(wrong("is relative: write it from `/` or `~/` on".to_owned()));
        }
        let content = file::read(&path).map_err(wrong)?;
        let content = content.ok_or_else(|| wrong(format!("does not exist: make it, or change `{name}_FILE`")))?;
        return Ok(Some(content.secret(Place::File(path))));
    }
    let Some(path) = credentials.map(|folder| folder.join(name)) else { return Ok(None) };
    let content = file::read(&path);
    let content =
        content.map_err(|problem| unusable(name, format!("the credential `{}` {problem}", path.display())))?;
    Ok(content.map(|content| content.secret(Place::Credential(path))))
}
