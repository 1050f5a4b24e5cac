//! A path in a job's grant: absolute, below the home folder, or below the job's working folder. Nothing is looked up.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

/// A folder or file that a job names in `sandbox`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GrantPath {
    /// `.` or `./...`: the working folder, or below it.
    WorkingDir(PathBuf),
    /// `~` or `~/...`: the home folder, or below it.
    Home(PathBuf),
    /// An absolute path.
    Absolute(PathBuf),
}

impl GrantPath {
    /// Where it is, for a working folder and a home folder; `None` where the one it needs is not known.
    #[must_use]
    pub fn resolve(&self, working_dir: Option<&Path>, home: Option<&Path>) -> Option<PathBuf> {
        match self {
            Self::WorkingDir(rest) => working_dir.map(|dir| join(dir, rest)),
            Self::Home(rest) => home.map(|home| join(home, rest)),
            Self::Absolute(path) => Some(path.clone()),
        }
    }

    /// Whether it is the home folder itself.
    pub(super) fn is_home(&self) -> bool {
        matches!(self, Self::Home(rest) if rest.as_os_str().is_empty())
    }
}

/// Joining with nothing would leave a slash at the end.
fn join(base: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { base.to_owned() } else { base.join(rest) }
}

impl FromStr for GrantPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("empty: name a folder or a file, for example `./build` or `~/.cache/tool`".to_owned());
        }
        if text.contains('\0') {
            return Err("a NUL byte cannot stand in a path".to_owned());
        }
        let path = Path::new(text);
        if path.components().any(|component| component == Component::ParentDir) {
            return Err(format!("`{text}` goes up with `..`: write where it leads to"));
        }
        // Neither `.` nor a second slash means anything within a path.
        let plain = |path: &Path| path.components().filter(|part| *part != Component::CurDir).collect::<PathBuf>();
        if path.is_absolute() || text.starts_with('/') {
            return Ok(Self::Absolute(plain(path)));
        }
        match path.components().next() {
            Some(Component::CurDir) => Ok(Self::WorkingDir(plain(path))),
            Some(Component::Normal(first)) if first == "~" => {
                Ok(Self::Home(plain(path.strip_prefix("~").unwrap_or(path))))
            }
            Some(_) | None => Err(format!(
                "`{text}` could be anywhere: write `./{text}` for the job's working folder, `~/...` for the home folder, or \
                 an absolute path"
            )),
        }
    }
}

impl fmt::Display for GrantPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (base, rest) = match self {
            Self::WorkingDir(rest) => (".", rest),
            Self::Home(rest) => ("~", rest),
            Self::Absolute(path) => return write!(f, "{}", path.display()),
        };
        write!(f, "{}", join(Path::new(base), rest).display())
    }
}
