//! What a job is granted, and what of it a run gets by the tier of what fired it. Never more than the grant.

mod path;
#[cfg(test)]
mod tests;

pub use path::GrantPath;

use super::{Agent, Defaults, Job};
use crate::containment::NetworkAccess;
use crate::error::SpecError;
use crate::fire::Tier;
use crate::spec::{EventTrust, JobSpec, SandboxMode, SandboxSpec, ShellAccess};
use std::path::{Path, PathBuf};

/// What a run may touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// How strict the sandbox is.
    pub mode: SandboxMode,
    /// Whether it has a shell, and where. Under [`ShellAccess::Host`] nothing of what follows but `secrets` confines it.
    pub shell: ShellAccess,
    /// What it may reach over the network.
    pub network: NetworkAccess,
    /// What it may write besides its working folder.
    pub write: Vec<GrantPath>,
    /// What it may read besides the system and what it may write.
    pub read: Vec<GrantPath>,
    /// Names of the secrets it gets.
    pub secrets: Vec<String>,
}

/// What every job of a daemon is granted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SandboxDefaults {
    /// How strict the sandbox of a job is that does not say.
    pub mode: SandboxMode,
    /// What every job may read; absolute, or below the home folder.
    pub read: Vec<GrantPath>,
    /// Which secrets are a model provider's.
    pub model_secrets: ModelSecrets,
    /// Where this daemon is.
    pub places: Places,
}

/// Names of environment variables that hold the credentials of model providers. The default knows none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelSecrets {
    /// Each provider's name, as in `provider:model`, with its variables.
    pub by_provider: Vec<(String, Vec<String>)>,
    /// Those an agent may have whose provider is not known: keys to models, and to nothing else.
    pub of_any: Vec<String>,
}

/// Where a daemon is on its machine. Where it is not known, what depends on it is left to the run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// The home folder.
    pub home: Option<PathBuf>,
    /// The daemon's data folder, which no job is ever granted.
    pub data_dir: Option<PathBuf>,
}

impl ModelSecrets {
    /// The variables of the providers of models, each `provider:model`; of any provider where there is no model.
    pub(super) fn of_all(&self, models: &[String]) -> Vec<String> {
        if models.is_empty() {
            return self.of_any.clone();
        }
        let providers: Vec<&str> = models.iter().filter_map(|model| model.split(':').next()).collect();
        let meant = self.by_provider.iter().filter(|(name, _)| providers.contains(&name.as_str()));
        meant.flat_map(|(_, names)| names.iter().cloned()).collect()
    }
}

impl Places {
    /// A folder as written, with its `~` expanded where the home folder is known.
    fn expand(&self, written: &str) -> Option<PathBuf> {
        match (written.strip_prefix('~'), &self.home) {
            (Some(rest), home) => Some(home.as_ref()?.join(rest.trim_start_matches('/'))),
            (None, _) => Some(PathBuf::from(written)),
        }
    }

    /// Whether a path lies in the data folder, as it is written.
    #[must_use]
    pub fn is_ours(&self, path: Option<&Path>) -> bool {
        self.data_dir.as_deref().zip(path).is_some_and(|(data_dir, path)| path.starts_with(data_dir))
    }

    /// Whether a path takes in the home folder or the whole machine.
    fn is_everything(&self, path: &Path) -> bool {
        path.parent().is_none() || self.home.as_deref().is_some_and(|home| home.starts_with(path))
    }
}

impl Grant {
    /// The job's own grant, as written and by the daemon's defaults.
    pub(super) fn parse(spec: &JobSpec, agent: &Agent, defaults: &Defaults) -> Result<Self, SpecError> {
        let SandboxDefaults { mode, read, places, .. } = &defaults.sandbox;
        let written = spec.sandbox.as_ref().map(SandboxSpec::fields).unwrap_or_default();
        let shell = written.shell.unwrap_or_default();
        if shell == ShellAccess::Off && *agent != Agent::Builtin {
            let message = format!(
                "`off` takes its shell from the built-in agent; `{}` is a program with means of its own: write `sandboxed`, \
                 which confines whatever it starts",
                agent.label()
            );
            return Err(SpecError::new("sandbox.shell", message));
        }
        let named = super::working_dir(spec)?;
        let working_dir = named.as_deref().and_then(|written| places.expand(written));
        if places.is_ours(working_dir.as_deref()) {
            let field = if spec.working_dir.is_some() { "working_dir" } else { "features.working_dir" };
            return Err(SpecError::new(field, in_data_dir(&named.unwrap_or_default())));
        }
        let parse = |field: String, text: &String| {
            let path: GrantPath = text.parse().map_err(|error| SpecError::new(&field, error))?;
            let resolved = path.resolve(working_dir.as_deref(), places.home.as_deref());
            if places.is_ours(resolved.as_deref()) {
                return Err(SpecError::new(field, in_data_dir(text)));
            }
            Ok(path)
        };
        let parse_all = |field: &str, paths: &[String]| {
            let numbered = paths.iter().enumerate();
            numbered.map(|(index, text)| parse(format!("{field}[{index}]"), text)).collect::<Result<Vec<_>, _>>()
        };
        let mut readable = parse_all("sandbox.read", &written.read)?;
        readable.extend(read.iter().cloned());
        Ok(Self {
            mode: written.mode.unwrap_or(*mode),
            shell,
            network: written.network.unwrap_or(agent.default_network()),
            write: parse_all("sandbox.write", &written.write)?,
            read: readable,
            secrets: spec.secrets.clone(),
        })
    }

    /// What is left of it where those are not trusted who can cause the event.
    fn limited(&self, agent: &Agent, model_secrets: &[String]) -> Self {
        let network = match self.network {
            NetworkAccess::Full if agent.has_provider() => NetworkAccess::Provider,
            NetworkAccess::Full | NetworkAccess::Loopback => NetworkAccess::None,
            kept @ (NetworkAccess::None | NetworkAccess::Provider) => kept,
        };
        let secrets = self.secrets.iter().filter(|name| model_secrets.contains(name)).cloned().collect();
        Self { shell: self.shell.min(ShellAccess::Sandboxed), network, secrets, ..self.clone() }
    }
}

impl Job {
    /// What a run gets that was fired at a tier: at most [`Job::grant`].
    #[must_use]
    pub fn grant_at(&self, tier: Tier) -> Grant {
        match (tier, self.event_trust) {
            (Tier::Operator, EventTrust::Limited | EventTrust::Full) | (Tier::Event, EventTrust::Full) => {
                self.grant.clone()
            }
            (Tier::Event, EventTrust::Limited) => self.grant.limited(&self.agent, &self.model_secrets),
        }
    }

    /// What somebody should know of the grant before the job runs.
    pub(super) fn grant_warnings(&self, places: &Places) -> Vec<String> {
        let mut warnings = Vec::new();
        let working_dir = self.working_dir.as_deref();
        let folder = working_dir.and_then(|written| places.expand(written));
        if let (Some(written), Some(folder)) = (working_dir, &folder)
            && places.is_everything(folder)
        {
            warnings.push(everything("working_dir", written));
        }
        for (index, path) in self.grant.write.iter().enumerate() {
            let resolved = path.resolve(folder.as_deref(), places.home.as_deref());
            if path.is_home() || resolved.is_some_and(|path| places.is_everything(&path)) {
                warnings.push(everything(&format!("sandbox.write[{index}]"), &path.to_string()));
            }
        }
        if self.event_trust == EventTrust::Full {
            warnings.push(
                "`trust.event`: `full` gives runs that are fired by events all that the job is granted: whoever can cause \
                 such an event decides what the agent reads, and so, in the end, what it does"
                    .to_owned(),
            );
        }
        warnings.extend(self.less_at_events());
        warnings.extend(self.unframed());
        warnings
    }

    /// Where what events said reaches prompts as if the job said it: what an earlier run or a gate answered may repeat it.
    fn unframed(&self) -> Vec<String> {
        let Some(trigger) = self.triggers.iter().find(|trigger| trigger.kind.tier() == Tier::Event) else {
            return Vec::new();
        };
        let steps = self.talk.pipeline.iter().enumerate();
        let steps = steps.map(|(index, step)| (format!("pipeline[{index}].prompt"), &step.prompt));
        let prompts = self.prompt.iter().map(|prompt| ("prompt".to_owned(), prompt)).chain(steps);
        let names = [("event", "gate"), ("last_run", "output"), ("last_run", "error")];
        let used = prompts.flat_map(|(field, prompt)| {
            names.iter().filter(|(root, name)| prompt.uses(root, name)).map(move |name| (field.clone(), name))
        });
        let told = used.map(|(field, (root, name))| {
            format!(
                "`{field}`: `{{{{ {root}.{name} }}}}` may repeat what an event of trigger `{}` said, and is put into the prompt as \
                 it is, in runs by hand and on schedule too; leave it out, or grant the job no more than its events may use",
                trigger.id
            )
        });
        told.collect()
    }

    /// What runs that are fired by events do without, where there are such triggers.
    fn less_at_events(&self) -> Option<String> {
        let trigger = self.triggers.iter().find(|trigger| trigger.kind.tier() == Tier::Event)?;
        let (own, event) = (&self.grant, self.grant_at(Tier::Event));
        let mut less = Vec::new();
        if own.shell != event.shell {
            less.push(format!("`shell: {}` instead of `{}`", event.shell, own.shell));
        }
        if own.network != event.network {
            less.push(format!("`network: {}` instead of `{}`", event.network, own.network));
        }
        let dropped = own.secrets.iter().filter(|name| !event.secrets.contains(name));
        less.extend(dropped.map(|name| format!("no secret `{name}`")));
        (!less.is_empty()).then(|| {
            format!(
                "trigger `{}`: its events come from outside, so runs that it fires get {}; `trust: {{event: full}}` gives them \
                 all that the job is granted",
                trigger.id,
                less.join(", ")
            )
        })
    }
}

fn in_data_dir(written: &str) -> String {
    format!("`{written}` lies in the daemon's data folder, which no job gets: name another folder")
}

fn everything(field: &str, written: &str) -> String {
    format!(
        "`{field}`: `{written}` takes in all of the home folder: the agent may change every file there but those that are \
         always hidden; name the folders that it needs"
    )
}
