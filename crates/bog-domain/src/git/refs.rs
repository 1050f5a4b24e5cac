//! The refs of a repository at one moment, and what has moved between two.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Names of refs (`refs/heads/main`) and the ids of what they point at.
pub type Refs = BTreeMap<String, String>;

/// What git listed is no list of refs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no line of a list of refs")]
pub struct ListingError(String);

/// Whether that is the id of an object: 40 hexadecimal digits, or 64 (SHA-256 repositories).
#[must_use]
pub fn is_sha(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Reads lines `ID NAME`, as `git for-each-ref --format='%(objectname) %(refname)'` writes them, or with a tab between, as
/// `git ls-remote --refs` does. Bytes of a name that are no UTF-8 are written `\xNN`; a backslash is in no name.
///
/// # Errors
/// The first line that is something else.
pub fn parse_listing(listing: &[u8]) -> Result<Refs, ListingError> {
    let lines = listing.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| parse_line(line).ok_or_else(|| ListingError(super::text::line(&readable(line), 200)))).collect()
}

fn parse_line(line: &[u8]) -> Option<(String, String)> {
    let at = line.iter().position(|byte| matches!(byte, b' ' | b'\t'))?;
    let sha = std::str::from_utf8(&line[..at]).ok().filter(|sha| is_sha(sha))?;
    let name = readable(&line[at + 1..]);
    name.starts_with("refs/").then(|| (name, sha.to_owned()))
}

/// Bytes as text, unambiguously where there is no backslash in them.
fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// What became of a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Created {
        /// Where it points.
        new: String,
    },
    /// It points elsewhere.
    Moved {
        /// Where it pointed.
        old: String,
        /// Where it points.
        new: String,
    },
    /// It is gone.
    Deleted {
        /// Where it pointed.
        old: String,
    },
}

impl Change {
    /// Where the ref pointed, if it was there.
    #[must_use]
    pub fn before(&self) -> Option<&str> {
        match self {
            Self::Created { .. } => None,
            Self::Moved { old, .. } | Self::Deleted { old } => Some(old),
        }
    }

    /// Where the ref points, if it is there.
    #[must_use]
    pub fn after(&self) -> Option<&str> {
        match self {
            Self::Created { new } | Self::Moved { new, .. } => Some(new),
            Self::Deleted { .. } => None,
        }
    }

    /// The change from one state to another; `None` where they are the same.
    #[must_use]
    pub fn between(old: Option<&str>, new: Option<&str>) -> Option<Self> {
        match (old, new) {
            (None, None) => None,
            (None, Some(new)) => Some(Self::Created { new: new.to_owned() }),
            (Some(old), None) => Some(Self::Deleted { old: old.to_owned() }),
            (Some(old), Some(new)) if old == new => None,
            (Some(old), Some(new)) => Some(Self::Moved { old: old.to_owned(), new: new.to_owned() }),
        }
    }
}

/// A ref that has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Its whole name.
    pub reference: String,
    /// What became of it.
    pub change: Change,
}

/// What has changed from `known` to `seen`, in the order of names; those that are new or moved first, as what is deleted may
/// have been renamed.
#[must_use]
pub fn moves(known: &Refs, seen: &Refs) -> Vec<Move> {
    let moved = seen.iter().filter_map(|(name, new)| {
        let change = Change::between(known.get(name).map(String::as_str), Some(new))?;
        Some(Move { reference: name.clone(), change })
    });
    let gone = known.iter().filter(|(name, _)| !seen.contains_key(*name));
    let deleted =
        gone.map(|(name, old)| Move { reference: name.clone(), change: Change::Deleted { old: old.clone() } });
    moved.chain(deleted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sha(digit: char) -> String {
        digit.to_string().repeat(40)
    }

    #[test]
    fn lists_of_both_kinds_are_read_and_nothing_else() {
        let (a, b) = (sha('a'), "0".repeat(64));
        let listing = format!("{a} refs/heads/main\n{b}\trefs/tags/v1\n");
        let refs = parse_listing(listing.as_bytes()).unwrap();
        let pairs = [("refs/heads/main", a.as_str()), ("refs/tags/v1", b.as_str())];
        assert_eq!(refs.iter().map(|(name, sha)| (name.as_str(), sha.as_str())).collect::<Vec<_>>(), pairs);
        let odd = [format!("{a} refs/heads/").as_bytes(), b"\xff\xc3\xa4"].concat();
        assert_eq!(parse_listing(&odd).unwrap().keys().next().unwrap(), "refs/heads/\\xffä");
        assert!(parse_listing(b"").unwrap().is_empty());
        for wrong in
            ["x", "fatal: no such thing", "abc refs/heads/x", &format!("{a} HEAD"), &format!("{a}refs/heads/x")]
        {
            assert!(parse_listing(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(!is_sha(&"A".repeat(40)) && !is_sha("--output=x"));
    }

    fn some_refs() -> impl Strategy<Value = Refs> {
        prop::collection::btree_map("refs/heads/[a-d]", "[ab]", 0..4)
    }

    proptest! {
        #[test]
        fn what_moved_leads_from_one_to_the_other(known in some_refs(), seen in some_refs()) {
            let mut refs = known.clone();
            let moved = moves(&known, &seen);
            for one in &moved {
                prop_assert_eq!(refs.get(&one.reference).map(String::as_str), one.change.before());
                match one.change.after() {
                    Some(new) => refs.insert(one.reference.clone(), new.to_owned()),
                    None => refs.remove(&one.reference),
                };
            }
            prop_assert_eq!(&refs, &seen);
            prop_assert_eq!(moved.is_empty(), known == seen);
        }
    }
}
