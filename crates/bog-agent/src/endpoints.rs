//! Where model providers are reached: the one `host:port` that an agent with a given environment will talk to.
//!
//! Knows addresses only, and looks none of them up. The defaults are those of the providers' own client libraries, and so
//! are the variables that override them.

use crate::providers::Provider;
use url::Url;

/// The port on which Ollama listens where its address names none.
const OLLAMA_PORT: u16 = 11434;

/// The region that Amazon's clients take where none is set.
pub(crate) const AWS_REGION: &str = "us-east-1";

impl Provider {
    /// The base URL of its API where nothing overrides it. Bedrock's depends on the region.
    #[must_use]
    pub fn default_url(self, lookup: impl Fn(&str) -> Option<String>) -> String {
        match self {
            Self::Anthropic => "https://api.anthropic.com".to_owned(),
            Self::OpenAi | Self::OpenAiResponses => "https://api.openai.com/v1".to_owned(),
            Self::Bedrock => {
                let region = set(&lookup, &["AWS_REGION", "AWS_DEFAULT_REGION"]).filter(|region| is_region(region));
                let region = region.unwrap_or_else(|| AWS_REGION.to_owned());
                let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
                format!("https://bedrock-runtime.{region}.amazonaws.com{suffix}")
            }
            Self::Gemini => "https://generativelanguage.googleapis.com".to_owned(),
            Self::Groq => "https://api.groq.com/openai/v1".to_owned(),
            Self::Ollama => format!("http://localhost:{OLLAMA_PORT}"),
        }
    }

    /// The environment variables that name another base URL, the first that is set winning.
    #[must_use]
    pub const fn url_variables(self) -> &'static [&'static str] {
        match self {
            Self::Anthropic => &["ANTHROPIC_BASE_URL"],
            Self::OpenAi | Self::OpenAiResponses => &["OPENAI_BASE_URL", "OPENAI_API_BASE"],
            Self::Bedrock => &["AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL", "ANTHROPIC_BEDROCK_BASE_URL"],
            Self::Gemini => &["GEMINI_BASE_URL", "GOOGLE_GEMINI_BASE_URL"],
            Self::Groq => &["GROQ_BASE_URL"],
            Self::Ollama => &["OLLAMA_HOST"],
        }
    }

    /// The base URL that a variable names instead of the default, as it stands there; Ollama's with its scheme and port.
    pub(crate) fn configured_url(self, lookup: impl Fn(&str) -> Option<String>) -> Option<String> {
        let address = set(&lookup, self.url_variables())?;
        match ollama(&address) {
            Some(host) if self == Self::Ollama && !address.contains("://") => Some(format!("http://{host}")),
            _ => Some(address),
        }
    }

    /// Its `host:port` for an agent whose environment is `lookup`; an IPv6 address stands in brackets. `None` where a
    /// variable names something that is no address: the default is not what was meant then.
    #[must_use]
    pub fn endpoint(self, lookup: impl Fn(&str) -> Option<String>) -> Option<String> {
        match set(&lookup, self.url_variables()) {
            Some(address) if self == Self::Ollama => ollama(&address),
            Some(address) => host_and_port(&address),
            None => host_and_port(&self.default_url(lookup)),
        }
    }
}

/// The hosts that an agent needs whose environment is `lookup`: those of the providers whose credentials it holds, each
/// once, in order.
pub fn hosts(lookup: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let configured = crate::providers::configured(&lookup);
    let mut hosts: Vec<String> = configured.into_iter().filter_map(|provider| provider.endpoint(&lookup)).collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

/// The first of these variables that is set. Empty values count as absent.
fn set(lookup: impl Fn(&str) -> Option<String>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| lookup(name).filter(|value| !value.trim().is_empty()))
}

/// Whether a text can be part of a host name: a region never is anything else.
fn is_region(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn host_and_port(url: &str) -> Option<String> {
    let url = Url::parse(url.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    Some(format!("{}:{}", url.host()?, url.port_or_known_default()?))
}

/// Ollama's address may lack the scheme, the port, or the host: `127.0.0.1`, `gpu:8080`, `:8080`, `http://gpu`.
fn ollama(address: &str) -> Option<String> {
    let address = address.trim();
    if address.contains("://") {
        return host_and_port(address);
    }
    let address = if address.starts_with(':') { format!("127.0.0.1{address}") } else { address.to_owned() };
    // Only with a scheme that knows no port of its own is one that is written, 80 too, told from none.
    let url = Url::parse(&format!("ollama://{address}")).ok()?;
    let host = url.host_str().filter(|host| !host.is_empty())?;
    host_and_port(&format!("http://{host}:{}", url.port().unwrap_or(OLLAMA_PORT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts_of(set: &[(&str, &str)]) -> Vec<String> {
        hosts(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn every_provider_has_an_address() {
        for provider in Provider::ALL {
            assert!(provider.endpoint(|_| None).is_some(), "{provider}");
        }
    }

    #[test]
    fn only_providers_whose_credentials_are_there_are_needed() {
        assert_eq!(hosts_of(&[]), Vec::<String>::new());
        assert_eq!(hosts_of(&[("ANTHROPIC_BASE_URL", "http://localhost:1")]), Vec::<String>::new());
        assert_eq!(hosts_of(&[("ANTHROPIC_API_KEY", "k")]), ["api.anthropic.com:443"]);
        assert_eq!(hosts_of(&[("OPENAI_API_KEY", "k")]), ["api.openai.com:443"], "both of its APIs are at one host");
        assert_eq!(
            hosts_of(&[("GROQ_API_KEY", "k"), ("GEMINI_API_KEY", "k")]),
            ["api.groq.com:443", "generativelanguage.googleapis.com:443"]
        );
    }

    #[test]
    fn a_variable_names_another_address() {
        let anthropic = |url| hosts_of(&[("ANTHROPIC_API_KEY", "k"), ("ANTHROPIC_BASE_URL", url)]);
        assert_eq!(anthropic("https://proxy.example.com/anthropic/"), ["proxy.example.com:443"]);
        assert_eq!(anthropic(" http://me:secret@[::1]:8080/v1 "), ["[::1]:8080"]);
        assert_eq!(anthropic(""), ["api.anthropic.com:443"]);
        for wrong in ["proxy.example.com", "file:///etc/passwd", "https://", "nonsense"] {
            assert_eq!(anthropic(wrong), Vec::<String>::new(), "{wrong}");
        }
    }

    #[test]
    fn bedrock_is_in_a_region() {
        let bedrock = |more: &[(&str, &str)]| hosts_of(&[&[("AWS_BEARER_TOKEN_BEDROCK", "t")], more].concat());
        assert_eq!(bedrock(&[]), ["bedrock-runtime.us-east-1.amazonaws.com:443"]);
        assert_eq!(
            bedrock(&[("AWS_DEFAULT_REGION", "eu-central-1")]),
            ["bedrock-runtime.eu-central-1.amazonaws.com:443"]
        );
        assert_eq!(bedrock(&[("AWS_REGION", "cn-north-1")]), ["bedrock-runtime.cn-north-1.amazonaws.com.cn:443"]);
        assert_eq!(bedrock(&[("AWS_REGION", "evil.example/")]), ["bedrock-runtime.us-east-1.amazonaws.com:443"]);
        assert_eq!(bedrock(&[("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "https://b.example")]), ["b.example:443"]);
    }

    #[test]
    fn ollamas_address_is_written_in_many_ways() {
        let samples = [
            ("127.0.0.1", "127.0.0.1:11434"),
            ("gpu:8080", "gpu:8080"),
            ("gpu:80", "gpu:80"),
            (":8080", "127.0.0.1:8080"),
            ("[::1]:9", "[::1]:9"),
            ("[::1]", "[::1]:11434"),
            ("http://gpu", "gpu:80"),
            ("https://gpu.example.com/ollama", "gpu.example.com:443"),
            ("http://gpu:11434", "gpu:11434"),
        ];
        for (written, found) in samples {
            assert_eq!(hosts_of(&[("OLLAMA_HOST", written)]), [found], "{written}");
        }
        assert_eq!(hosts_of(&[("OLLAMA_HOST", "not a host")]), Vec::<String>::new());
    }
}
