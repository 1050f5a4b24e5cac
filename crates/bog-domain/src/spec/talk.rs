//! What a job says to agents that speak a protocol, as written: models, MCP servers, a pipeline, permissions, budgets.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::collections::BTreeMap;
use std::fmt;
use utoipa::ToSchema;

/// One name, or a list of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

impl From<String> for Names {
    fn from(name: String) -> Self {
        Self(vec![name])
    }
}

impl Serialize for Names {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => serializer.serialize_str(one),
            many => serializer.collect_seq(many),
        }
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name, or a list of names")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Names, E> {
                Ok(Names(vec![name.to_owned()]))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = items.next_element()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// `true`, or the id of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContinueSpec {
    /// Whether each run goes on where the one before it ended.
    Previous(bool),
    /// Every run goes on in this conversation, by the agent's own name for it.
    Session(String),
}

impl Serialize for ContinueSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Previous(whether) => serializer.serialize_bool(*whether),
            Self::Session(id) => serializer.serialize_str(id),
        }
    }
}

impl<'de> Deserialize<'de> for ContinueSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = ContinueSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true`, `false` or the id of a conversation")
            }

            fn visit_bool<E: de::Error>(self, whether: bool) -> Result<ContinueSpec, E> {
                Ok(ContinueSpec::Previous(whether))
            }

            fn visit_str<E: de::Error>(self, id: &str) -> Result<ContinueSpec, E> {
                Ok(ContinueSpec::Session(id.to_owned()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// What runs may spend. Left out: no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetSpec {
    /// US dollars that one run may cost: at this the run is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_usd: Option<f64>,
    /// US dollars that the job's runs of one day may cost: from there on its fires are skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_usd: Option<f64>,
    /// Tokens that one run may use, read and written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// An MCP server: one that is started (`command`), or one that is called (`url`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct McpSpec {
    /// Its name.
    pub name: String,
    /// Program and arguments of a server that speaks over its standard streams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Names of environment variables that it is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// The address of a server that speaks streamable HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Headers of requests to it: the header's name, and the environment variable that holds its value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Whether a run fails without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// Which of its tools may be used, as globs; all where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
}

/// A named step of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepSpec {
    /// Its name, by which later steps have its result.
    pub name: String,
    /// What is asked; a template.
    pub prompt: String,
}

/// A rule: `{allow: KINDS}` or `{deny: KINDS}`, for some paths only or for all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PermissionSpec {
    /// The kinds of tools that are allowed; `*` is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub allow: Option<Names>,
    /// The kinds of tools that are denied; `*` is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub deny: Option<Names>,
    /// A glob for the paths that are meant: absolute, `~/...`, or relative to the working folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}
