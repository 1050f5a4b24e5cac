//! Going through folders: those that can hold what a trigger is about, and the files in them. Links to folders are not
//! followed, and neither git's own folder nor the daemon's data folder is entered.

use super::rules::Rules;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Who is called on the way.
pub(super) trait Visitor {
    /// Whether a folder is to be entered; called before anything in it is seen. `ignored` is the innermost folder down to
    /// this one that ignore files exclude.
    fn enter(&mut self, folder: &Path, ignored: Option<&Path>) -> bool;
    /// A name in a folder that is no folder itself.
    fn file(&mut self, folder: &Path, name: OsString, ignored: Option<Arc<Path>>);
}

/// Goes through a folder at or below a watched one, and all below it. What cannot be read is passed over.
pub(super) fn walk(root: &Path, from: &Path, shut: &Path, visitor: &mut impl Visitor) {
    if from.canonicalize().is_ok_and(|from| from.starts_with(shut)) {
        return;
    }
    let rules = Rules::in_folder(root, from);
    let mut open = vec![(from.to_owned(), rules)];
    while let Some((folder, rules)) = open.pop() {
        if !visitor.enter(&folder, rules.ignored.as_deref()) {
            continue;
        }
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let (name, path) = (entry.file_name(), entry.path());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => {
                    if !is_shut(&name, &path, shut) {
                        let rules = rules.enter(&path);
                        open.push((path, rules));
                    }
                }
                Ok(_) => visitor.file(&folder, name, rules.of_file(&path)),
                Err(_) => {}
            }
        }
    }
}

/// Whether nobody looks into a folder. The data folder may be reached by a path with links.
fn is_shut(name: &OsStr, path: &Path, shut: &Path) -> bool {
    name == ".git" || shut.file_name() == Some(name) && path.canonicalize().is_ok_and(|path| path == shut)
}

/// The folders above a watched one, the outermost first.
pub(super) fn above(root: &Path) -> Vec<PathBuf> {
    let mut above: Vec<PathBuf> = root.ancestors().skip(1).map(Path::to_owned).collect();
    above.reverse();
    above
}
