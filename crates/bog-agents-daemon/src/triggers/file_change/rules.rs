//! What ignore files say: `.gitignore` and `.ignore` (gitignore(5)) from the top of the git repository down, or from the
//! watched folder where it lies in none. Read anew for every look, so that nothing is ever out of date.

use bog_domain::files::IGNORE_FILES;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What holds in a folder.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    /// The rules of this folder and of those above it.
    links: Option<Arc<Link>>,
    /// The innermost of this folder and those above that is ignored.
    pub(super) ignored: Option<Arc<Path>>,
}

#[derive(Debug)]
struct Link {
    own: Gitignore,
    above: Option<Arc<Link>>,
}

impl Rules {
    /// What holds in a folder at or below a watched one.
    pub(super) fn in_folder(root: &Path, folder: &Path) -> Self {
        let top = top(root);
        let mut above: Vec<&Path> = folder.ancestors().take_while(|above| above.starts_with(&top)).collect();
        above.reverse();
        above.into_iter().fold(Self::default(), |rules, folder| rules.enter(folder))
    }

    /// What holds in a folder within this one.
    pub(super) fn enter(&self, folder: &Path) -> Self {
        let ignored = if self.ignores(folder, true) { Some(folder.into()) } else { self.ignored.clone() };
        let mut builder = GitignoreBuilder::new(folder);
        let mut found = false;
        for name in IGNORE_FILES {
            // One that cannot be read says nothing; a line that is no glob spoils only itself.
            found |=
                folder.join(name).is_file() && builder.add(folder.join(name)).is_none_or(|error| error.is_partial());
        }
        let own = if found { builder.build().ok() } else { None };
        let links = match own {
            Some(own) => Some(Arc::new(Link { own, above: self.links.clone() })),
            None => self.links.clone(),
        };
        Self { links, ignored }
    }

    /// The innermost of a file and the folders it lies in that is ignored.
    pub(super) fn of_file(&self, file: &Path) -> Option<Arc<Path>> {
        if self.ignores(file, false) { Some(file.into()) } else { self.ignored.clone() }
    }

    /// The innermost rule that speaks of it decides.
    fn ignores(&self, path: &Path, is_folder: bool) -> bool {
        let mut next = self.links.as_deref();
        while let Some(link) = next {
            match link.own.matched(path, is_folder) {
                ignore::Match::Ignore(_) => return true,
                ignore::Match::Whitelist(_) => return false,
                ignore::Match::None => next = link.above.as_deref(),
            }
        }
        false
    }
}

/// Whether a file of this name holds rules.
pub(super) fn is_rules(name: &OsStr) -> bool {
    IGNORE_FILES.iter().any(|rules| name == *rules)
}

/// The outermost folder whose rules hold for what lies in a watched one.
pub(super) fn top(root: &Path) -> PathBuf {
    root.ancestors().find(|above| above.join(".git").exists()).unwrap_or(root).to_owned()
}
