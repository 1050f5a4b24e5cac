//! What the daemon's settings say of every job's grant: limits, ceilings, the sandbox, and which secrets are a model
//! provider's.

use bog_agent::providers::Provider;
use bog_domain::job::{Ceilings, GrantPath, Limits, ModelSecrets, Places, SandboxDefaults};
use bog_domain::spec::{LimitsSpec, SandboxMode};
use serde::{Deserialize, Deserializer, de};
use std::path::Path;

/// What a run may touch, whatever its job says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxSettings {
    /// How strict the sandbox of a job is that does not say.
    pub mode: SandboxMode,
    /// Folders and files that every job may read.
    #[serde(deserialize_with = "paths")]
    pub read: Vec<GrantPath>,
}

pub(super) fn limits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Limits, D::Error> {
    Limits::of_daemon(&LimitsSpec::deserialize(deserializer)?).map_err(de::Error::custom)
}

pub(super) fn ceilings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Ceilings, D::Error> {
    Ceilings::parse(&LimitsSpec::deserialize(deserializer)?).map_err(de::Error::custom)
}

/// Paths that mean the same for every job.
fn paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<GrantPath>, D::Error> {
    let parse = |text: String| match text.parse() {
        Ok(GrantPath::WorkingDir(_)) => Err(format!(
            "`{text}` is another folder for each job: write an absolute path, or one that begins with `~/`"
        )),
        Ok(path @ (GrantPath::Home(_) | GrantPath::Absolute(_))) => Ok(path),
        Err(error) => Err(error),
    };
    Vec::<String>::deserialize(deserializer)?
        .into_iter()
        .map(parse)
        .collect::<Result<_, _>>()
        .map_err(de::Error::custom)
}

impl SandboxSettings {
    /// What they mean for the daemon of a data folder.
    pub(super) fn defaults(&self, data_dir: &Path) -> SandboxDefaults {
        let data_dir = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
        let places = Places { home: Some(crate::env::home_dir()), data_dir: Some(data_dir) };
        SandboxDefaults { mode: self.mode, read: self.read.clone(), model_secrets: model_secrets(), places }
    }

    /// What cannot be granted to any job.
    pub(super) fn check(&self, data_dir: &Path) -> Result<(), String> {
        let places = self.defaults(data_dir).places;
        let resolved = |path: &GrantPath| path.resolve(None, places.home.as_deref());
        match self.read.iter().find(|path| places.is_ours(resolved(path).as_deref())) {
            Some(path) => {
                Err(format!("`sandbox.read`: `{path}` lies in the data folder, which no job gets: remove it"))
            }
            None => Ok(()),
        }
    }
}

/// Which variables hold the credentials of which model provider.
fn model_secrets() -> ModelSecrets {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let by_provider =
        Provider::ALL.map(|provider| (provider.as_str().to_owned(), owned(&provider.credentials().concat())));
    let of_any = Provider::ALL.iter().flat_map(|provider| owned(provider.model_keys())).collect();
    ModelSecrets { by_provider: by_provider.into(), of_any }
}
