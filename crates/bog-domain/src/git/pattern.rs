//! Which refs a trigger is about.

use globset::{GlobBuilder, GlobMatcher};

/// Where branches are.
const HEADS: &str = "refs/heads/";
/// Where tags are.
const TAGS: &str = "refs/tags/";

/// The refs a trigger is about: branches or tags whose name, after `refs/heads/` or `refs/tags/`, a glob matches as a
/// whole. `*` and `?` stay within one part of a name (`feature/*` is not `feature/a/b`), `**` goes through all of them.
#[derive(Debug, Clone)]
pub struct RefPattern {
    prefix: &'static str,
    glob: GlobMatcher,
}

impl RefPattern {
    /// Branches of these names.
    ///
    /// # Errors
    /// When it is no glob, or a whole ref; the message says what to write.
    pub fn branches(glob: &str) -> Result<Self, String> {
        Self::new(HEADS, glob)
    }

    /// Tags of these names.
    ///
    /// # Errors
    /// As [`RefPattern::branches`].
    pub fn tags(glob: &str) -> Result<Self, String> {
        Self::new(TAGS, glob)
    }

    fn new(prefix: &'static str, glob: &str) -> Result<Self, String> {
        if glob.is_empty() {
            return Err("empty: name a branch or tag, or a glob such as `feature/*` or `**`".to_owned());
        }
        if let Some(rest) = glob.strip_prefix("refs/").and_then(|rest| rest.split_once('/')) {
            return Err(format!("`{glob}` is a whole ref: write what comes after `{prefix}`, `{}`", rest.1));
        }
        let built = GlobBuilder::new(glob).literal_separator(true).build();
        let glob = built.map_err(|error| format!("`{glob}` is not a glob: {}", error.kind()))?.compile_matcher();
        Ok(Self { prefix, glob })
    }

    /// Whether it is about this ref, given by its whole name.
    #[must_use]
    pub fn matches(&self, reference: &str) -> bool {
        reference.strip_prefix(self.prefix).is_some_and(|name| self.glob.is_match(name))
    }
}

/// The name of a branch, given its ref.
pub(super) fn branch(reference: &str) -> Option<&str> {
    reference.strip_prefix(HEADS)
}

/// The name of a tag, given its ref.
pub(super) fn tag(reference: &str) -> Option<&str> {
    reference.strip_prefix(TAGS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_about_whole_names() {
        let cases = [
            ("main", "main", true),
            ("main", "x/main", false),
            ("main", "main2", false),
            ("feature/*", "feature/a", true),
            ("feature/*", "feature/a/b", false),
            ("feature/**", "feature/a/b", true),
            ("*", "feature/a", false),
            ("**", "feature/a", true),
            ("**", "main", true),
            ("**/fix", "a/b/fix", true),
            ("release-?.{1,2}", "release-7.2", true),
            ("Main", "main", false),
        ];
        for (glob, name, expected) in cases {
            let branches = RefPattern::branches(glob).unwrap();
            assert_eq!(branches.matches(&format!("refs/heads/{name}")), expected, "{glob} {name}");
            assert!(!branches.matches(&format!("refs/tags/{name}")), "{glob} {name}");
        }
        assert!(RefPattern::tags("v*").unwrap().matches("refs/tags/v1.0"));
        assert!(!RefPattern::tags("v*").unwrap().matches("refs/heads/v1.0"));
        let wrong = ["", "refs/heads/main", "a[", "{a"].map(|glob| RefPattern::branches(glob).unwrap_err());
        insta::assert_snapshot!(wrong.join("\n"));
    }
}
