//! What an agent needs of the environment for its model: the variables of its providers, and nobody else's.

use super::Dispatcher;
use crate::env;
use bog_agent::presets::Preset;
use bog_agent::providers::{self, ModelRef, Provider};
use bog_domain::job::{Agent, Job};
use secrecy::ExposeSecret;
use std::ffi::OsString;

/// Names of variables that an agent gets besides its job's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Variables {
    /// Those whose values are masked.
    pub secrets: Vec<String>,
    /// Those that say where, and as whom.
    pub settings: Vec<String>,
    /// Hosts, as `host:port`, that it talks to besides those that follow from the variables.
    pub hosts: Vec<String>,
}

/// Where Bedrock is, which no variable of an address says.
const AWS_SETTINGS: [&str; 4] = ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_CONFIG_FILE"];

impl Variables {
    fn add(&mut self, secrets: &[&str], settings: &[&str]) {
        let add = |to: &mut Vec<String>, names: &[&str]| {
            for name in names {
                if !to.iter().any(|known| known == name) {
                    to.push((*name).to_owned());
                }
            }
        };
        add(&mut self.secrets, secrets);
        add(&mut self.settings, settings);
    }

    fn add_provider(&mut self, provider: Provider) {
        self.add(provider.secrets(), provider.url_variables());
        match provider {
            Provider::Bedrock => self.add(&[], &AWS_SETTINGS),
            Provider::Ollama => self.add(&[], &["OLLAMA_HOST"]),
            Provider::Anthropic | Provider::OpenAi | Provider::OpenAiResponses | Provider::Gemini | Provider::Groq => {}
        }
    }
}

impl Dispatcher {
    /// The variables of an agent that talks to models.
    pub(super) fn variables(&self, job: &Job) -> Variables {
        let mut variables = Variables::default();
        match &job.agent {
            Agent::Builtin => self.of_models(self.models(job), &mut variables),
            Agent::Preset(name) => {
                if let Ok(preset) = name.parse::<Preset>() {
                    variables.add(preset.secrets(), preset.settings());
                    variables.hosts.extend(preset.hosts().iter().map(|host| (*host).to_owned()));
                }
            }
            // Programs of their own: whatever they need, their job names.
            Agent::Acp(_) | Agent::Command(_) => {}
        }
        variables
    }

    /// The models that a job's agent is told: its own, else the daemon's.
    pub(super) fn models<'a>(&'a self, job: &'a Job) -> &'a [String] {
        if job.talk.models.is_empty() { &self.agents.models } else { &job.talk.models }
    }

    fn of_models(&self, models: &[String], variables: &mut Variables) {
        let named = models.iter().filter_map(|model| ModelRef::parse(model).ok()).map(|model| model.provider);
        let mut providers: Vec<Provider> = named.collect();
        if models.is_empty() {
            // The one that the agent will take.
            providers.extend(providers::configured(|name| self.there(name)).first());
        }
        for provider in &providers {
            variables.add_provider(*provider);
        }
        let names = models.iter().filter_map(|model| model.split(':').next()).map(str::to_owned);
        let names = names.chain(providers.iter().map(ToString::to_string));
        for configured in names.filter_map(|name| self.agents.providers.get(&name)) {
            variables.add(configured.key_env.as_deref().as_slice(), &[]);
            variables.hosts.extend(configured.base_url.as_deref().and_then(host_of));
        }
    }

    /// A variable's value; where a file or a credential holds it, that it is there.
    fn there(&self, name: &str) -> Option<String> {
        let set = |name: &str| env::var(name).filter(|value| !value.is_empty());
        set(name).or_else(|| set(&format!("{name}{}", env::FILE_SUFFIX)))
    }

    /// Those of the variables that have a value. Secrets may lie in files and, where the daemon's settings name them, in
    /// the keyring; one that is nowhere is left out: the agent may be logged in in a way of its own.
    pub(super) async fn values(&self, variables: &Variables) -> Vec<(OsString, OsString)> {
        let mut values = Vec::new();
        for name in &variables.settings {
            values.extend(env::var_os(name).map(|value| (name.into(), value)));
        }
        let configured = |name: &String| self.agents.providers.values().any(|of| of.key_env.as_ref() == Some(name));
        for name in &variables.secrets {
            if self.there(name).is_none() && !configured(name) && env::var_os(env::CREDENTIALS_DIRECTORY).is_none() {
                continue;
            }
            if let Ok(secret) = self.secrets.get(name).await {
                values.push((name.into(), secret.value.expose_secret().into()));
            }
        }
        values
    }
}

/// The `host:port` of an address.
pub(super) fn host_of(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    Some(format!("{}:{}", url.host()?, url.port_or_known_default()?))
}
