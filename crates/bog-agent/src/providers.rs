//! Model providers: their names in `provider:model`, and the environment variables that hold their keys.
//!
//! Knows names only. Whether a key works is found out by the first request, not here.

use std::fmt;
use std::str::FromStr;

/// A service that runs language models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Anthropic's Messages API.
    Anthropic,
    /// OpenAI's Chat Completions API, or anything compatible with it.
    OpenAi,
    /// OpenAI's Responses API.
    OpenAiResponses,
    /// Amazon Bedrock.
    Bedrock,
    /// Google's Gemini API.
    Gemini,
    /// Groq.
    Groq,
    /// Ollama, usually on the same machine.
    Ollama,
}

impl Provider {
    /// Every provider.
    pub const ALL: [Self; 7] =
        [Self::Anthropic, Self::OpenAi, Self::OpenAiResponses, Self::Bedrock, Self::Gemini, Self::Groq, Self::Ollama];

    /// The name before the colon in `provider:model`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
            Self::OpenAiResponses => "openai-responses",
            Self::Bedrock => "bedrock",
            Self::Gemini => "gemini",
            Self::Groq => "groq",
            Self::Ollama => "ollama",
        }
    }

    /// The environment variables that make the provider usable: one inner list must be set in full.
    ///
    /// Ollama takes no key; its address stands in for one, because without it nothing says that it is meant.
    #[must_use]
    pub const fn credentials(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Anthropic => &[&["ANTHROPIC_API_KEY"]],
            Self::OpenAi | Self::OpenAiResponses => &[&["OPENAI_API_KEY"]],
            Self::Bedrock => {
                &[&["AWS_BEARER_TOKEN_BEDROCK"], &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"], &["AWS_PROFILE"]]
            }
            Self::Gemini => &[&["GEMINI_API_KEY"], &["GOOGLE_API_KEY"]],
            Self::Groq => &[&["GROQ_API_KEY"]],
            Self::Ollama => &[&["OLLAMA_HOST"]],
        }
    }

    /// Those of its credentials that are keys to its models and to nothing else.
    ///
    /// An agent whose provider is not known may have these; a whole cloud account's it may not.
    #[must_use]
    pub const fn model_keys(self) -> &'static [&'static str] {
        match self {
            Self::Anthropic => &["ANTHROPIC_API_KEY"],
            Self::OpenAi | Self::OpenAiResponses => &["OPENAI_API_KEY"],
            Self::Bedrock => &["AWS_BEARER_TOKEN_BEDROCK"],
            Self::Gemini => &["GEMINI_API_KEY"],
            Self::Groq => &["GROQ_API_KEY"],
            Self::Ollama => &["OLLAMA_HOST"],
        }
    }

    /// The environment variables whose values nobody else may see. The others only say where or as whom.
    #[must_use]
    pub const fn secrets(self) -> &'static [&'static str] {
        match self {
            Self::Anthropic => &["ANTHROPIC_API_KEY"],
            Self::OpenAi | Self::OpenAiResponses => &["OPENAI_API_KEY"],
            Self::Bedrock => {
                &["AWS_BEARER_TOKEN_BEDROCK", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
            }
            Self::Gemini => &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
            Self::Groq => &["GROQ_API_KEY"],
            Self::Ollama => &[],
        }
    }

    /// The model that is used where a job names none, as `provider:model`.
    #[must_use]
    pub const fn usual_model(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic:claude-sonnet-4-5",
            Self::OpenAi => "openai:gpt-5",
            Self::OpenAiResponses => "openai-responses:gpt-5",
            Self::Bedrock => "bedrock:global.anthropic.claude-sonnet-4-5-20250929-v1:0",
            Self::Gemini => "gemini:gemini-2.5-flash",
            Self::Groq => "groq:llama-3.3-70b-versatile",
            Self::Ollama => "ollama:qwen3",
        }
    }

    /// Whether `lookup`, normally the environment, holds what the provider needs. Empty values count as absent.
    pub fn is_configured(self, lookup: impl Fn(&str) -> Option<String>) -> bool {
        let is_set = |name: &&str| lookup(name).is_some_and(|value| !value.is_empty());
        self.credentials().iter().any(|all_of| all_of.iter().all(is_set))
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The providers for which `lookup`, normally the environment, holds what they need.
pub fn configured(lookup: impl Fn(&str) -> Option<String>) -> Vec<Provider> {
    Provider::ALL.into_iter().filter(|provider| provider.is_configured(&lookup)).collect()
}

/// A model of a provider, written `provider:model`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRef {
    /// Who runs the model.
    pub provider: Provider,
    /// The model's name as the provider knows it; it may hold colons itself.
    pub model: String,
}

/// Why a text is no [`ModelRef`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelRefError {
    /// There is no colon.
    #[error("`{text}` names no provider; write `provider:model`, for example `anthropic:claude-sonnet-4-5`")]
    NoProvider {
        /// The text as written.
        text: String,
    },
    /// The word before the colon is no provider.
    #[error("`{name}` in `{text}` is no provider; allowed are {}", provider_names())]
    UnknownProvider {
        /// The word before the colon.
        name: String,
        /// The text as written.
        text: String,
    },
    /// Nothing stands after the colon.
    #[error("`{text}` names no model; write `{provider}:MODEL` with a model of that provider")]
    NoModel {
        /// The provider.
        provider: Provider,
        /// The text as written.
        text: String,
    },
}

impl ModelRef {
    /// Parses `provider:model`.
    ///
    /// # Errors
    /// When the provider is missing or unknown, or the model is missing.
    pub fn parse(text: &str) -> Result<Self, ModelRefError> {
        let shown = || text.chars().take(120).collect::<String>();
        let Some((name, model)) = text.trim().split_once(':') else {
            return Err(ModelRefError::NoProvider { text: shown() });
        };
        let Some(provider) = Provider::ALL.into_iter().find(|provider| provider.as_str() == name) else {
            return Err(ModelRefError::UnknownProvider { name: name.chars().take(80).collect(), text: shown() });
        };
        if model.is_empty() {
            return Err(ModelRefError::NoModel { provider, text: shown() });
        }
        Ok(Self { provider, model: model.to_owned() })
    }
}

impl FromStr for ModelRef {
    type Err = ModelRefError;

    fn from_str(text: &str) -> Result<Self, ModelRefError> {
        Self::parse(text)
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.provider, self.model)
    }
}

/// Every provider's name in backticks, for messages.
fn provider_names() -> String {
    Provider::ALL.map(|provider| format!("`{provider}`")).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        ModelRef::parse(text).unwrap_err().to_string()
    }

    fn found(set: &[(&str, &str)]) -> Vec<Provider> {
        configured(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn every_provider_round_trips() {
        for provider in Provider::ALL {
            assert_eq!(ModelRef::parse(provider.usual_model()).unwrap().provider, provider);
            let model = ModelRef { provider, model: "some-model:8b".to_owned() };
            assert_eq!(ModelRef::parse(&model.to_string()), Ok(model));
        }
    }

    #[test]
    fn a_model_key_is_one_of_the_credentials() {
        for provider in Provider::ALL {
            let credentials = provider.credentials().concat();
            assert!(provider.model_keys().iter().all(|key| credentials.contains(key)), "{provider}");
        }
    }

    #[test]
    fn every_key_is_a_secret_and_no_address_or_profile_is() {
        let is_secret = |name: &str| Provider::ALL.iter().any(|one| one.secrets().contains(&name));
        for name in Provider::ALL.iter().flat_map(|provider| provider.credentials().concat()) {
            assert_eq!(is_secret(name), !["AWS_PROFILE", "OLLAMA_HOST"].contains(&name), "{name}");
        }
        assert!(is_secret("AWS_SESSION_TOKEN"));
    }

    #[test]
    fn only_the_first_colon_divides() {
        let model = ModelRef::parse("bedrock:anthropic.claude-sonnet-4-5-v1:0").unwrap();
        assert_eq!((model.provider, model.model.as_str()), (Provider::Bedrock, "anthropic.claude-sonnet-4-5-v1:0"));
    }

    #[test]
    fn errors_say_what_to_write() {
        assert_eq!(
            error("gpt-5"),
            "`gpt-5` names no provider; write `provider:model`, for example `anthropic:claude-sonnet-4-5`"
        );
        assert_eq!(
            error("antropic:x"),
            "`antropic` in `antropic:x` is no provider; allowed are `anthropic`, `openai`, `openai-responses`, \
             `bedrock`, `gemini`, `groq`, `ollama`"
        );
        assert_eq!(error("groq:"), "`groq:` names no model; write `groq:MODEL` with a model of that provider");
    }

    #[test]
    fn a_provider_counts_once_one_whole_set_of_names_is_set() {
        assert_eq!(found(&[]), []);
        assert_eq!(found(&[("ANTHROPIC_API_KEY", "")]), []);
        assert_eq!(found(&[("ANTHROPIC_API_KEY", "k")]), [Provider::Anthropic]);
        assert_eq!(found(&[("OPENAI_API_KEY", "k")]), [Provider::OpenAi, Provider::OpenAiResponses]);
        assert_eq!(found(&[("AWS_ACCESS_KEY_ID", "k")]), []);
        assert_eq!(found(&[("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s")]), [Provider::Bedrock]);
        assert_eq!(found(&[("GOOGLE_API_KEY", "k"), ("OLLAMA_HOST", "h")]), [Provider::Gemini, Provider::Ollama]);
    }
}
