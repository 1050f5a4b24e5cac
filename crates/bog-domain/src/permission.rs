//! What an agent may do that asks before it does something. Nobody is there to be asked while a job runs: the job's rules
//! answer, the first that fits, and where none does, what the sandbox contains is allowed and the rest is not.

use crate::spec::PermissionSpec;
use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Serialize};
use std::path::{Component, Path, PathBuf};

/// What a tool does: the kinds of the Agent Client Protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolKind {
    /// Reads files or data.
    Read,
    /// Changes files.
    Edit,
    /// Removes files.
    Delete,
    /// Moves or renames files.
    Move,
    /// Searches.
    Search,
    /// Runs commands.
    Execute,
    /// Thinks or plans.
    Think,
    /// Gets data from elsewhere.
    Fetch,
    /// Changes what the session may do.
    SwitchMode,
    /// Anything else.
    Other,
}

impl ToolKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Read,
        Self::Edit,
        Self::Delete,
        Self::Move,
        Self::Search,
        Self::Execute,
        Self::Think,
        Self::Fetch,
        Self::SwitchMode,
        Self::Other,
    ];

    /// The name used in job files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Edit => "edit",
            Self::Delete => "delete",
            Self::Move => "move",
            Self::Search => "search",
            Self::Execute => "execute",
            Self::Think => "think",
            Self::Fetch => "fetch",
            Self::SwitchMode => "switch_mode",
            Self::Other => "other",
        }
    }

    /// The kind of a name; those that nobody knows yet are [`Self::Other`].
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).unwrap_or(Self::Other)
    }

    /// Whether it changes files and nothing else.
    const fn is_change(self) -> bool {
        match self {
            Self::Edit | Self::Delete | Self::Move => true,
            Self::Read | Self::Search | Self::Execute | Self::Think | Self::Fetch | Self::SwitchMode | Self::Other => {
                false
            }
        }
    }

    /// Whether it only looks.
    const fn is_look(self) -> bool {
        match self {
            Self::Read | Self::Search | Self::Think => true,
            Self::Edit | Self::Delete | Self::Move | Self::Execute | Self::Fetch | Self::SwitchMode | Self::Other => {
                false
            }
        }
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Whether it allows or denies.
    pub allow: bool,
    /// The kinds that are meant.
    pub kinds: Vec<ToolKind>,
    /// A glob for the paths that are meant; none: all, and tools without a path too.
    pub path: Option<String>,
}

impl Rule {
    /// Checks a rule as written.
    ///
    /// # Errors
    /// What is wrong with it, and what is allowed.
    pub fn parse(spec: &PermissionSpec) -> Result<Self, String> {
        let (allow, names) = match (&spec.allow, &spec.deny) {
            (Some(names), None) => (true, &names.0),
            (None, Some(names)) => (false, &names.0),
            (Some(_), Some(_)) | (None, None) => {
                return Err("a rule either allows or denies: write `{allow: KINDS}` or `{deny: KINDS}`".to_owned());
            }
        };
        let mut kinds = Vec::new();
        for name in names {
            match ToolKind::ALL.into_iter().find(|kind| kind.as_str() == name) {
                Some(kind) => kinds.push(kind),
                None if name == "*" => kinds.extend(ToolKind::ALL),
                None => {
                    let all = ToolKind::ALL.map(|kind| format!("`{}`", kind.as_str())).join(", ");
                    return Err(format!("`{name}` is no kind of tool: use {all}, or `*` for all"));
                }
            }
        }
        if kinds.is_empty() {
            return Err("no kind of tool: name some, for example `{deny: [execute]}`".to_owned());
        }
        if let Some(path) = &spec.path {
            glob(path).ok_or_else(|| format!("`{path}` is no glob: write one as `src/**` or `~/notes/*.md`"))?;
        }
        Ok(Self { allow, kinds, path: spec.path.clone() })
    }

    /// A tool with several paths is allowed where all of them fit, and denied where one does.
    fn fits(&self, asked: &Asked<'_>, paths: &[PathBuf]) -> bool {
        if !self.kinds.contains(&asked.kind) {
            return false;
        }
        let Some(pattern) = &self.path else { return true };
        let Some(glob) = glob(&expanded(pattern, asked).to_string_lossy()) else { return false };
        let fits = |path: &PathBuf| glob.is_match(path);
        !paths.is_empty() && if self.allow { paths.iter().all(fits) } else { paths.iter().any(fits) }
    }
}

/// What an agent asks for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What the tool does.
    pub kind: ToolKind,
    /// What it does it to, as far as that is known.
    pub paths: &'a [PathBuf],
    /// The working folder.
    pub working_dir: &'a Path,
    /// The home folder.
    pub home: &'a Path,
    /// Whether a sandbox holds whatever it does.
    pub contained: bool,
}

/// Why something is not allowed, for people and for the agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// By a rule of the job.
    #[error("rule {number} of the job's `permissions` denies it")]
    ByRule {
        /// Which, from 1.
        number: usize,
    },
    /// No rule allows it, and no sandbox contains it.
    #[error("no rule of the job's `permissions` allows `{}`, and no sandbox contains it", .kind.as_str())]
    NotContained {
        /// What was asked for.
        kind: ToolKind,
    },
}

/// Decides.
///
/// # Errors
/// Where it is not allowed.
pub fn decide(rules: &[Rule], asked: &Asked<'_>) -> Result<(), Denied> {
    let paths: Vec<PathBuf> = asked.paths.iter().map(|path| plain(&asked.working_dir.join(path))).collect();
    if let Some((index, rule)) = rules.iter().enumerate().find(|(_, rule)| rule.fits(asked, &paths)) {
        return if rule.allow { Ok(()) } else { Err(Denied::ByRule { number: index + 1 }) };
    }
    let below = || !paths.is_empty() && paths.iter().all(|path| path.starts_with(asked.working_dir));
    let allowed = match asked.contained {
        // What a session may do is the job's to say, not the agent's.
        true => asked.kind != ToolKind::SwitchMode,
        false => asked.kind.is_look() || (asked.kind.is_change() && below()),
    };
    if allowed { Ok(()) } else { Err(Denied::NotContained { kind: asked.kind }) }
}

fn expanded(pattern: &str, asked: &Asked<'_>) -> PathBuf {
    match pattern.strip_prefix("~/") {
        Some(rest) => asked.home.join(rest),
        None => asked.working_dir.join(pattern.trim_start_matches("./")),
    }
}

/// Without `.` and `..`: nothing is looked up, so a link stays what it is called.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

fn glob(pattern: &str) -> Option<GlobMatcher> {
    GlobBuilder::new(pattern).literal_separator(true).build().ok().map(|glob| glob.compile_matcher())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::yaml;

    fn rules(text: &str) -> Result<Vec<Rule>, String> {
        let spec = yaml::parse(&format!("prompt: x\npermissions:\n{text}\n")).unwrap();
        spec.permissions.iter().map(Rule::parse).collect()
    }

    fn allowed(rules: &[Rule], kind: ToolKind, paths: &[&str], contained: bool) -> bool {
        let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
        let (working_dir, home) = (Path::new("/home/me/src"), Path::new("/home/me"));
        decide(rules, &Asked { kind, paths: &paths, working_dir, home, contained }).is_ok()
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let rules =
            rules("- {allow: edit, path: 'docs/**'}\n- {deny: [edit, execute]}\n- {deny: '*', path: ~/x/*}").unwrap();
        for (kind, paths, expected) in [
            (ToolKind::Edit, &["docs/a/b.md"][..], true),
            (ToolKind::Edit, &["/home/me/src/docs/b.md"], true),
            (ToolKind::Edit, &["docs/b.md", "src/b.rs"], false),
            (ToolKind::Edit, &["docs/../b.md"], false),
            (ToolKind::Edit, &[], false),
            (ToolKind::Execute, &[], false),
            (ToolKind::Read, &["/home/me/x/y", "z"], false),
            (ToolKind::Read, &["/home/me/x/y/z"], true),
            (ToolKind::Fetch, &[], true),
        ] {
            assert_eq!(allowed(&rules, kind, paths, true), expected, "{kind:?} {paths:?}");
        }
    }

    #[test]
    fn without_a_rule_what_is_contained_is_allowed_and_the_rest_is_not() {
        for kind in ToolKind::ALL {
            assert_eq!(allowed(&[], kind, &["/etc/x"], true), kind != ToolKind::SwitchMode, "{kind:?}");
            assert_eq!(allowed(&[], kind, &["/etc/x"], false), kind.is_look(), "{kind:?}");
            assert_eq!(allowed(&[], kind, &["x"], false), kind.is_look() || kind.is_change(), "{kind:?}");
        }
        assert!(!allowed(&[], ToolKind::Edit, &["../x"], false));
    }

    #[test]
    fn rules_that_say_nothing_are_refused() {
        for (text, expected) in [
            ("- {path: x}", "either allows or denies"),
            ("- {allow: edit, deny: read}", "either allows or denies"),
            ("- {allow: writing}", "`writing` is no kind of tool: use `read`, `edit`"),
            ("- {deny: []}", "no kind of tool"),
            ("- {deny: edit, path: 'a[b'}", "`a[b` is no glob"),
        ] {
            let error = rules(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
