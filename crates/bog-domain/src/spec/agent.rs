//! Who does the work of a job, and what follows when it does not work out, as written.

use crate::run::OnInterrupt;
use crate::units::Span;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use utoipa::ToSchema;

/// Who does the work: `builtin`, a preset's name, `{command: [...]}` or `{acp: [...]}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentSpec {
    /// An agent by name.
    Named(String),
    /// A command line: program and arguments; `{{prompt}}` in an argument is replaced.
    Command(Vec<String>),
    /// A program that speaks the Agent Client Protocol over stdio, with its arguments.
    Acp(Vec<String>),
}

impl Serialize for AgentSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Named(name) => serializer.serialize_str(name),
            Self::Command(argv) => serializer.collect_map([("command", argv)]),
            Self::Acp(argv) => serializer.collect_map([("acp", argv)]),
        }
    }
}

impl<'de> Deserialize<'de> for AgentSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = AgentSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "an agent's name, `{command: [program, argument, ...]}` or `{acp: [program, argument, ...]}`",
                )
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<AgentSpec, E> {
                Ok(AgentSpec::Named(name.to_owned()))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<AgentSpec, A::Error> {
                let key: Option<String> = map.next_key()?;
                let agent = match key.as_deref() {
                    Some("command") => AgentSpec::Command(map.next_value()?),
                    Some("acp") => AgentSpec::Acp(map.next_value()?),
                    Some(other) => return Err(de::Error::unknown_field(other, &["command", "acp"])),
                    None => return Err(de::Error::invalid_length(0, &self)),
                };
                match map.next_key::<String>()? {
                    None => Ok(agent),
                    Some(more) => {
                        Err(de::Error::custom(format!("unexpected `{more}`: an agent has one key, `command` or `acp`")))
                    }
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Attempts after a failed one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetrySpec {
    /// Attempts after the first; 0 where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// Delay before the first retry, doubling with each; `10s` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub backoff: Option<Span>,
}

/// What to do with an interrupted run, as written.
pub type OnInterruptSpec = OnInterrupt;
