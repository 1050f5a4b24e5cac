//! One glob of a `file_change` trigger, read part by part, so that it can say of a folder whether anything below it can
//! match: only such folders are watched.
//!
//! `*`, `?`, `[...]` and `{a,b}` stand within one name, `**` for any number of folders. As in a shell, none of them
//! stands for a name that begins with a dot; one that is written with its dot does. `.git` never matches.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Component, Path, PathBuf};

/// What is wrong with a list of patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    /// Which pattern; `None`: the list as a whole.
    pub index: Option<usize>,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for PatternError {}

/// The folder of git's own files.
const GIT: &str = ".git";

#[derive(Debug)]
enum Part {
    /// `**`
    Deep,
    /// A name as it is.
    Literal(OsString),
    /// A name with wildcards, and whether it is written with a dot in front.
    Name(GlobSet, bool),
}

/// One glob.
#[derive(Debug)]
pub(super) struct Pattern {
    /// The folder that is spelled out.
    root: PathBuf,
    /// All that is spelled out: the root, or a file in it.
    named: PathBuf,
    /// What stands behind the root.
    parts: Vec<Part>,
    /// Whether wildcards stand for hidden names too.
    hidden: bool,
}

impl Pattern {
    /// Reads one; what it says when it is wrong follows the pattern itself.
    pub(super) fn parse(text: &str, base: Option<&Path>, home: Option<&Path>, hidden: bool) -> Result<Self, String> {
        if text.is_empty() {
            return Err("is empty: for example `src/**/*.py`".to_owned());
        }
        let needs_base = "is relative, and the job has no `working_dir`: give it one, or write an absolute path";
        let needs_home = "needs a home folder, and there is none: write an absolute path";
        let (folder, rest) = match text.strip_prefix("~/") {
            Some(rest) => (home.ok_or(needs_home)?, rest),
            None if Path::new(text).is_absolute() => (Path::new("/"), text),
            None => (base.ok_or(needs_base)?, text),
        };
        let mut root = folder.to_owned();
        let mut names = rest.split('/').filter(|name| !name.is_empty() && *name != ".").peekable();
        while let Some(name) = names.next_if(|name| !is_glob(name)) {
            check_name(name, hidden)?;
            root.push(name);
        }
        let named = root.clone();
        let mut parts = Vec::new();
        for name in names {
            check_name(name, hidden)?;
            let part = part(name)?;
            // Two in a row say no more than one.
            if !matches!((parts.last(), &part), (Some(Part::Deep), Part::Deep)) {
                parts.push(part);
            }
        }
        if rest.is_empty() || rest.ends_with('/') && !matches!(parts.last(), Some(Part::Deep)) {
            parts.push(Part::Deep);
        }
        if parts.is_empty() {
            let file = root.file_name().map(OsStr::to_owned).ok_or("names no file: write `/**` for all there is")?;
            root.pop();
            parts.push(Part::Literal(file));
        }
        Ok(Self { root, named, parts, hidden })
    }

    /// The folder below which everything lies that can match.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn matches(&self, file: &Path) -> bool {
        self.names_below(file).is_some_and(|names| !names.is_empty() && self.take(&self.parts, &names))
    }

    /// Whether files in a folder, or below it, can match.
    pub(super) fn may_contain(&self, folder: &Path) -> bool {
        self.names_below(folder).is_some_and(|names| self.lead_into(&self.parts, &names))
    }

    /// Whether every file below a folder matches.
    pub(super) fn covers(&self, folder: &Path) -> bool {
        let deep = matches!(self.parts.last(), Some(Part::Deep));
        deep && self.names_below(folder).is_some_and(|names| self.take(&self.parts, &names))
    }

    /// Whether what ignore files exclude counts for this pattern: not where it is spelled out.
    pub(super) fn heeds(&self, ignored: Option<&Path>) -> bool {
        ignored.is_some_and(|ignored| !self.named.starts_with(ignored))
    }

    fn names_below<'a>(&self, path: &'a Path) -> Option<Vec<&'a OsStr>> {
        let below = path.strip_prefix(&self.root).ok()?;
        let names: Vec<_> = below.components().map(Component::as_os_str).collect();
        (!names.iter().any(|name| *name == GIT)).then_some(names)
    }

    fn take(&self, parts: &[Part], names: &[&OsStr]) -> bool {
        match (parts.split_first(), names.split_first()) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some((Part::Deep, rest)), None) => self.take(rest, names),
            (Some((Part::Deep, rest)), Some((name, tail))) => {
                self.take(rest, names) || self.deep(name) && self.take(parts, tail)
            }
            (Some((Part::Literal(_) | Part::Name(..), _)), None) => false,
            (Some((part, rest)), Some((name, tail))) => self.is(part, name) && self.take(rest, tail),
        }
    }

    fn lead_into(&self, parts: &[Part], names: &[&OsStr]) -> bool {
        match (parts.split_first(), names.split_first()) {
            (parts, None) => parts.is_some(),
            (None, Some(_)) => false,
            (Some((Part::Deep, rest)), Some((name, tail))) => {
                self.lead_into(rest, names) || self.deep(name) && self.lead_into(parts, tail)
            }
            (Some((part, rest)), Some((name, tail))) => self.is(part, name) && self.lead_into(rest, tail),
        }
    }

    /// Whether `**` stands for this name.
    fn deep(&self, name: &OsStr) -> bool {
        self.hidden || !is_hidden(name)
    }

    fn is(&self, part: &Part, name: &OsStr) -> bool {
        match part {
            Part::Deep => self.deep(name),
            Part::Literal(literal) => literal == name,
            Part::Name(glob, dotted) => (*dotted || self.deep(name)) && glob.is_match(name),
        }
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn is_glob(name: &str) -> bool {
    name.contains(['*', '?', '[', '{', '\\'])
}

fn check_name(name: &str, excludes: bool) -> Result<(), String> {
    match name {
        ".." => Err("goes up with `..`: write where it leads to".to_owned()),
        GIT if !excludes => Err("looks into `.git`, which is never watched: use a `git_push` trigger".to_owned()),
        name if name.contains('\0') => Err("holds a NUL byte, which cannot stand in a path".to_owned()),
        _ => Ok(()),
    }
}

fn part(name: &str) -> Result<Part, String> {
    if name == "**" {
        return Ok(Part::Deep);
    }
    if !is_glob(name) {
        return Ok(Part::Literal(name.into()));
    }
    let wrong = |error: globset::Error| format!("is not a glob: `{name}`: {}; braces hold no `/`", error.kind());
    let glob = GlobBuilder::new(name).backslash_escape(true).build().map_err(wrong)?;
    let set = GlobSetBuilder::new().add(glob).build().map_err(wrong)?;
    Ok(Part::Name(set, name.starts_with('.')))
}
