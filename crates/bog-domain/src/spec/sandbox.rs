//! What a run may touch, and how far those are trusted who can cause its events, as written.

use crate::containment::NetworkAccess;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;
use utoipa::openapi::schema::OneOf;
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// What a run may touch: how strict the sandbox is, in one word, or a mapping of fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SandboxSpec {
    /// `best_effort` or `enforce`, and nothing granted.
    Mode(SandboxMode),
    /// The fields.
    Fields(SandboxFields),
}

/// The fields of `sandbox`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SandboxFields {
    /// How strict the sandbox is; the daemon's default where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<SandboxMode>,
    /// Whether the agent has a shell, and where it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<ShellAccess>,
    /// What it may reach over the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkAccess>,
    /// Folders and files it may write besides its own: absolute, `~/...`, or `./...` in its working folder.
    #[serde(default, deserialize_with = "paths", skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<String>,
    /// Folders and files it may read besides the system's and its own, written as those of `write`.
    #[serde(default, deserialize_with = "paths", skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<String>,
}

/// Texts, with a hint for who writes `~`, which YAML takes for nothing at all.
fn paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct PathText(String);
    impl<'de> Deserialize<'de> for PathText {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl de::Visitor<'_> for Visitor {
                type Value = PathText;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a path; the home folder is written `'~'`, in quotes")
                }

                fn visit_str<E: de::Error>(self, text: &str) -> Result<PathText, E> {
                    Ok(PathText(text.to_owned()))
                }
            }
            deserializer.deserialize_any(Visitor)
        }
    }
    Ok(Vec::<PathText>::deserialize(deserializer)?.into_iter().map(|path| path.0).collect())
}

/// How strict a job's sandbox is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SandboxMode {
    /// All of it, or the run does not start.
    #[default]
    Enforce,
    /// What the machine can do; the run's record says what it could not.
    BestEffort,
}

/// Whether an agent has a shell, and where it runs. In order: each allows what the one before it does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShellAccess {
    /// The built-in agent has no shell.
    Off,
    /// A shell, and whatever else the agent starts, inside the sandbox.
    #[default]
    Sandboxed,
    /// No sandbox: the agent runs on the host itself.
    Host,
}

/// How far those are trusted who can cause events, by what they can cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustSpec {
    /// Runs fired by events: file changes, pushes, webhooks, GitHub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventTrust>,
}

/// What a run fired by an event gets of the job's grant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventTrust {
    /// No host shell, no network beyond its model provider, no secret beyond that provider's.
    #[default]
    Limited,
    /// All of it.
    Full,
}

impl SandboxSpec {
    /// The fields it says.
    #[must_use]
    pub fn fields(&self) -> Cow<'_, SandboxFields> {
        match self {
            Self::Mode(mode) => Cow::Owned(SandboxFields { mode: Some(*mode), ..SandboxFields::default() }),
            Self::Fields(fields) => Cow::Borrowed(fields),
        }
    }
}

impl SandboxMode {
    /// Every mode.
    pub const ALL: [Self; 2] = [Self::Enforce, Self::BestEffort];

    /// The name used in files, the API and the CLI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::BestEffort => "best_effort",
        }
    }
}

impl ShellAccess {
    /// The name used in files, the API and the CLI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Sandboxed => "sandboxed",
            Self::Host => "host",
        }
    }
}

impl fmt::Display for SandboxMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for ShellAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for SandboxSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Mode(mode) => mode.serialize(serializer),
            Self::Fields(fields) => fields.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for SandboxSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = SandboxSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`best_effort`, `enforce` or a mapping of `mode`, `shell`, `network`, `write` and `read`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SandboxSpec, E> {
                let mode = SandboxMode::ALL.into_iter().find(|mode| mode.as_str() == text);
                mode.map(SandboxSpec::Mode).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<SandboxSpec, A::Error> {
                SandboxFields::deserialize(de::value::MapAccessDeserializer::new(map)).map(SandboxSpec::Fields)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl PartialSchema for SandboxSpec {
    fn schema() -> RefOr<Schema> {
        let one_of = OneOf::builder()
            .item(Ref::from_schema_name(SandboxMode::name()))
            .item(Ref::from_schema_name(SandboxFields::name()))
            .description(Some("What a run may touch: how strict the sandbox is, in one word, or a mapping of fields"));
        RefOr::T(Schema::OneOf(one_of.build()))
    }
}

impl ToSchema for SandboxSpec {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("SandboxSpec")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((SandboxMode::name().into_owned(), SandboxMode::schema()));
        schemas.push((SandboxFields::name().into_owned(), SandboxFields::schema()));
        SandboxFields::schemas(schemas);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::yaml;

    fn sandbox(text: &str) -> Option<SandboxSpec> {
        yaml::parse(&format!("prompt: x\nsandbox: {text}\n")).unwrap().sandbox
    }

    #[test]
    fn one_word_or_a_mapping_and_back() {
        assert_eq!(sandbox("best_effort"), Some(SandboxSpec::Mode(SandboxMode::BestEffort)));
        assert_eq!(sandbox("enforce"), Some(SandboxSpec::Mode(SandboxMode::Enforce)));
        assert_eq!(sandbox("null"), None);
        assert_eq!(sandbox("{}").unwrap().fields().into_owned(), SandboxFields::default());
        let all = "{mode: best_effort, shell: host, network: loopback, write: [.], read: [~/x, /y]}";
        let fields = sandbox(all).unwrap().fields().into_owned();
        assert_eq!(fields.mode, Some(SandboxMode::BestEffort));
        assert_eq!((fields.shell, fields.network), (Some(ShellAccess::Host), Some(NetworkAccess::Loopback)));
        assert_eq!((fields.write, fields.read), (vec![".".to_owned()], vec!["~/x".to_owned(), "/y".to_owned()]));
        for text in ["best_effort", "{}", all] {
            let spec = yaml::parse(&format!("prompt: x\nsandbox: {text}\n")).unwrap();
            assert_eq!(yaml::parse(&yaml::to_yaml(&spec)).unwrap(), spec, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let samples = [
            "sandbox: off\n",
            "sandbox: true\n",
            "sandbox: [write]\n",
            "sandbox: {mode: strict}\n",
            "sandbox:\n  shell: yes\n",
            "sandbox:\n  network: internet\n",
            "sandbox: {wirte: [.]}\n",
            "sandbox:\n  write:\n    - .\n    - 5\n",
            "sandbox: {read: [~]}\n",
            "trust: full\n",
            "trust: {event: all}\n",
            "trust: {evnet: full}\n",
        ];
        let errors: Vec<String> =
            samples.iter().map(|text| format!("{text:?}\n    {}", yaml::parse(text).unwrap_err())).collect();
        insta::assert_snapshot!(errors.join("\n"));
    }
}
