//! Identifiers. Every id is its own type, so that a run's id can never be passed where a fire's is wanted.
//!
//! Ids of stored things are UUIDv7 (RFC 9562): unique without coordination and roughly ordered by time. Nothing relies
//! on that order: the store's sequence numbers say what came first. This crate has no clock, so it never makes one.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// The longest job id, in characters.
pub const JOB_ID_MAX: usize = 64;

/// File stems that Windows reserves for devices; a job file of that name could not be checked out there.
const WINDOWS_DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is no slug.
    #[error(
        "`{0}` is not a job id: use 1 to 64 of `a-z`, `0-9`, `-` and `_`, beginning with a letter or digit, for example `morning-brief`"
    )]
    NotASlug(String),
    /// The slug is a Windows device name.
    #[error("`{0}` cannot be a job id: Windows reserves that file name; choose another, for example `{0}-job`")]
    Reserved(String),
    /// The text is no UUID.
    #[error("`{value}` is not a {what} id: it looks like `01890a5d-ac96-774b-bcce-b302099a8057`")]
    NotAUuid {
        /// Which id was wanted: `run`, `fire`, ...
        what: &'static str,
        /// What was given.
        value: String,
    },
}

/// A job's id: a slug that is also the stem of its file, `jobs/ID.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

impl JobId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The slug of a free-text name: lower case, everything else a single `-`. `None` where nothing is left of it.
    #[must_use]
    pub fn slug(name: &str) -> Option<Self> {
        let mut slug = String::new();
        for c in name.chars().flat_map(char::to_lowercase) {
            if c.is_ascii_alphanumeric() || c == '_' && !slug.is_empty() {
                slug.push(c);
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        slug.truncate(JOB_ID_MAX);
        slug.trim_end_matches('-').parse().ok()
    }
}

impl FromStr for JobId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        let all_allowed = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
        if !starts_well || !all_allowed || text.len() > JOB_ID_MAX {
            return Err(IdError::NotASlug(text.chars().take(80).collect()));
        }
        if is_windows_device(text) {
            return Err(IdError::Reserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

fn is_windows_device(text: &str) -> bool {
    let numbered = |prefix: &str| {
        text.strip_prefix(prefix).is_some_and(|rest| rest.len() == 1 && rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    WINDOWS_DEVICES.contains(&text) || numbered("com") || numbered("lpt")
}

/// A trigger's id within its job: given in the file, or hashed from its identifying fields; never its position, so that
/// its memory survives a reordering of the list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TriggerId(String);

impl TriggerId {
    /// The id under which fires by hand are recorded.
    pub const MANUAL: &'static str = "manual";

    /// Takes an id as it is; validation of ids written by people happens when the job is validated.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id of fires by hand.
    #[must_use]
    pub fn manual() -> Self {
        Self(Self::MANUAL.to_owned())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for JobId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TriggerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// Four copies of the same forty lines would stand without it.
macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Takes a UUID, normally a freshly made UUIDv7.
            #[must_use]
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// The UUID itself.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let value = || text.chars().take(80).collect();
                Uuid::parse_str(text)
                    .map(Self)
                    .map_err(|_| IdError::NotAUuid { what: $what, value: value() })
            }
        }
    };
}

uuid_id!(
    /// Tells a deleted and recreated job of the same id apart.
    JobUid, "job uid"
);
uuid_id!(
    /// A fire: one due slot or one accepted event for one job.
    FireId, "fire"
);
uuid_id!(
    /// A run: one piece of agent work, with its attempts.
    RunId, "run"
);
uuid_id!(
    /// A delivery: one output target of one run.
    DeliveryId, "delivery"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_ids_are_slugs() {
        for good in ["a", "0", "morning-brief", "a_b", "console", "com10"] {
            assert!(good.parse::<JobId>().is_ok(), "{good}");
        }
        let long = "a".repeat(65);
        for bad in ["", "-a", "_a", "A", "a b", "a/b", "..", "ä", "con", "com1", "lpt9", &long] {
            assert!(bad.parse::<JobId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_become_slugs() {
        let slug = |name: &str| JobId::slug(name).map(String::from);
        assert_eq!(slug("Morning brief!").as_deref(), Some("morning-brief"));
        assert_eq!(slug("  --Ünder_score  2 ").as_deref(), Some("nder_score-2"));
        assert_eq!(slug("!!!"), None);
        assert_eq!(slug("CON"), None);
        assert_eq!(slug(&"x".repeat(100)).map(|s| s.len()), Some(64));
    }

    #[test]
    fn uuid_ids_round_trip() {
        let id = RunId::new(Uuid::from_u128(7));
        assert_eq!(id.to_string().parse::<RunId>(), Ok(id));
        let error = "7".parse::<RunId>().unwrap_err().to_string();
        assert!(error.starts_with("`7` is not a run id"), "{error}");
    }
}
