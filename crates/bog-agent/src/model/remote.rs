//! A provider's model: where it is reached, with which key, in which wire format.

use super::aws::Account;
use super::{ModelError, Request, Sink, anthropic, bedrock, gemini, ollama, openai, responses};
use crate::chat::Reply;
use crate::environment::Environment;
use crate::providers::{ModelRef, Provider};
use crate::session;
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;

/// A model of a provider.
#[derive(Debug)]
pub struct Remote {
    client: Client,
    provider: Provider,
    /// The model's name as the provider knows it.
    pub model: String,
    base: String,
    key: Option<SecretString>,
    account: Option<Account>,
    is_at_home: bool,
}

impl Remote {
    /// Finds where `model` is reached and its key.
    ///
    /// # Errors
    /// When there is no key or the address is none: what to set.
    pub fn new(
        client: &Client,
        model: &ModelRef,
        settings: &BTreeMap<String, session::Provider>,
        environment: &Environment,
    ) -> Result<Self, String> {
        let provider = model.provider;
        let given = settings.get(provider.as_str());
        let account = (provider == Provider::Bedrock).then(|| Account::find(environment)).transpose()?;
        let region = account.as_ref().and_then(|account| account.region.clone());
        let lookup = |name: &str| environment.get(name).or_else(|| region.clone().filter(|_| name == "AWS_REGION"));
        let elsewhere = given.and_then(|given| given.base_url.clone()).or_else(|| provider.configured_url(lookup));
        let base = elsewhere.clone().unwrap_or_else(|| provider.default_url(lookup));
        let base = base.trim().trim_end_matches('/').to_owned();
        if !url::Url::parse(&base).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            return Err(format!(
                "`{base}` is no address of `{provider}`; write `https://HOST` with what path it needs"
            ));
        }
        let names: Vec<&str> = match given.and_then(|given| given.key_env.as_deref()) {
            Some(name) => vec![name],
            None => keys(provider).to_vec(),
        };
        let key = names.iter().find_map(|name| environment.get(name)).map(SecretString::from);
        let needs_key = account.is_none() && provider != Provider::Ollama && elsewhere.is_none();
        if needs_key && key.is_none() {
            return Err(format!("`{provider}` has no key: set `{}`", names.join("` or `")));
        }
        let is_at_home = elsewhere.is_none();
        Ok(Self { client: client.clone(), provider, model: model.model.clone(), base, key, account, is_at_home })
    }

    /// `provider:model`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}:{}", self.provider, self.model)
    }

    /// Calls it once.
    pub(super) async fn call(&self, request: &Request<'_>, sink: &mut Sink<'_>) -> Result<Reply, ModelError> {
        match self.provider {
            Provider::Anthropic => anthropic::call(self, request, sink).await,
            Provider::OpenAi | Provider::Groq => openai::call(self, request, sink).await,
            Provider::OpenAiResponses => responses::call(self, request, sink).await,
            Provider::Bedrock => bedrock::call(self, request, sink).await,
            Provider::Gemini => gemini::call(self, request, sink).await,
            Provider::Ollama => ollama::call(self, request, sink).await,
        }
    }

    /// The address of its API, without a slash at the end.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Whether that is OpenAI's own.
    pub(super) fn is_at_home(&self) -> bool {
        self.is_at_home && self.provider == Provider::OpenAi
    }

    pub(super) fn post(&self, url: &str) -> RequestBuilder {
        self.client.post(url)
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.key.as_ref().map(ExposeSecret::expose_secret)
    }

    pub(super) fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }
}

/// The variables that hold a provider's key, the first that is set winning.
const fn keys(provider: Provider) -> &'static [&'static str] {
    match provider {
        Provider::Anthropic => &["ANTHROPIC_API_KEY"],
        Provider::OpenAi | Provider::OpenAiResponses => &["OPENAI_API_KEY"],
        Provider::Gemini => &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        Provider::Groq => &["GROQ_API_KEY"],
        Provider::Ollama => &["OLLAMA_API_KEY"],
        Provider::Bedrock => &[],
    }
}
