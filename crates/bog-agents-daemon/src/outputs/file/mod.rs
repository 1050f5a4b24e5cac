//! Files: appended to or replaced, within the allowed roots and nowhere else.
//!
//! The check and the writing are one walk over open folders, none of which may be a link (`beneath`): an agent that
//! swaps a folder for a link between the two gains nothing.

#[cfg(target_os = "linux")]
mod beneath;
#[cfg(not(target_os = "linux"))]
#[path = "beneath_portable.rs"]
mod beneath;
mod roots;

pub use roots::{Refused, Roots};

use beneath::Folder;
use bog_domain::delivery::Attempted;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What is remembered before a file is written, so that the attempt after a crash can tell whether a text that was appended
/// got there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// The file.
    pub path: PathBuf,
    /// Its length in bytes before; 0 where it is replaced.
    pub offset: u64,
}

/// What is to be remembered before appending to a file.
///
/// # Errors
/// When the file may not or cannot be written.
pub fn intend(roots: &Roots, path: &Path) -> Result<Intent, Attempted> {
    let resolved = roots.resolve(path).map_err(refused)?;
    let offset = match std::fs::metadata(&resolved) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(failed(path, &error)),
    };
    Ok(Intent { path: path.to_owned(), offset })
}

/// Appends a text and a line's end where it has none. With the intent of an earlier attempt, a text that stands there
/// already is not written again.
pub(super) fn append(roots: &Roots, path: &Path, text: &str, intent: Option<&Intent>) -> Attempted {
    let text = with_line_end(text);
    attempted(path, || {
        let (folder, name) = open_folder(roots, path)?;
        let mut file = folder.open_append(&name)?;
        let before = intent.filter(|intent| intent.path == path);
        if before.is_some_and(|intent| stands_at(&mut file, intent.offset, &text)) {
            return Ok(());
        }
        // One write: a crash leaves all of it or a prefix, and a prefix does not count as having got there.
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(folder.sync()?)
    })
}

/// Replaces a file atomically.
pub(super) fn replace(roots: &Roots, path: &Path, text: &str) -> Attempted {
    let text = with_line_end(text);
    attempted(path, || {
        let (folder, name) = open_folder(roots, path)?;
        folder.replace(&name, text.as_bytes())?;
        Ok(folder.sync()?)
    })
}

/// Why a write did not happen.
enum Trouble {
    Refused(Refused),
    Io(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Refused> for Trouble {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

fn open_folder(roots: &Roots, path: &Path) -> Result<(Folder, String), Trouble> {
    let resolved = roots.resolve(path)?;
    let name = resolved.file_name().and_then(|name| name.to_str()).ok_or_else(|| Refused::NoName(path.to_owned()))?;
    let folder = Folder::open_or_create(resolved.parent().unwrap_or(Path::new("/")))?;
    Ok((folder, name.to_owned()))
}

fn attempted(path: &Path, write: impl FnOnce() -> Result<(), Trouble>) -> Attempted {
    match write() {
        Ok(()) => Attempted::Delivered { receipt: Some(path.display().to_string()) },
        Err(Trouble::Refused(why)) => refused(why),
        Err(Trouble::Io(error)) => failed(path, &error),
    }
}

fn refused(why: Refused) -> Attempted {
    Attempted::Permanent { error: why.to_string() }
}

fn failed(path: &Path, error: &io::Error) -> Attempted {
    Attempted::Passing { error: format!("`{}` cannot be written: {error}", path.display()), retry_after: None }
}

fn with_line_end(text: &str) -> String {
    if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

fn stands_at(file: &mut File, offset: u64, text: &str) -> bool {
    let mut found = vec![0; text.len()];
    let read = file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(&mut found));
    read.is_ok() && found == text.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup() -> (tempfile::TempDir, Roots) {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        for below in ["home/.ssh", "home/.bog-agents/daemon", "home/.bog-agents/runs", "other", "work"] {
            std::fs::create_dir_all(folder.path().join(below)).unwrap();
        }
        let data_dir = home.join(".bog-agents/daemon");
        let roots = Roots { home, data_dir, more: vec![folder.path().join("work")] };
        (folder, roots)
    }

    fn delivered(attempted: &Attempted) -> bool {
        matches!(attempted, Attempted::Delivered { .. })
    }

    #[test]
    fn writes_within_the_roots_and_makes_folders() {
        let (folder, roots) = setup();
        let path = roots.home.join("reports/2026/a.md");
        assert!(delivered(&append(&roots, &path, "one", None)));
        assert!(delivered(&append(&roots, &path, "two\n", None)));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert!(delivered(&replace(&roots, &path, "three")));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
        assert!(delivered(&append(&roots, &roots.home.join(".bog-agents/runs/a.md"), "x", None)));
        assert!(delivered(&append(&roots, &folder.path().join("work/.hidden/a"), "x", None)));
    }

    #[test]
    fn an_attempt_after_a_crash_does_not_write_twice() {
        let (_folder, roots) = setup();
        let path = roots.home.join("a.md");
        assert!(delivered(&append(&roots, &path, "one", None)));
        let intent = intend(&roots, &path).unwrap();
        assert_eq!(intent.offset, 4);
        assert!(delivered(&append(&roots, &path, "two", Some(&intent))));
        assert!(delivered(&append(&roots, &path, "two", Some(&intent))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn refuses_what_lies_outside() {
        let (folder, roots) = setup();
        std::os::unix::fs::symlink(folder.path().join("other"), roots.home.join("link")).unwrap();
        std::os::unix::fs::symlink(&roots.data_dir, roots.home.join("data")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("other/x"), roots.home.join("file-link")).unwrap();
        let outside = [
            folder.path().join("other/a"),
            roots.home.join("../other/a"),
            roots.home.join("new/../../other/a"),
            roots.home.join("link/a"),
            roots.home.join("link/new/a"),
            roots.home.join("file-link"),
            roots.home.join("data/jobs/a.yaml"),
            roots.data_dir.join("jobs/a.yaml"),
            roots.home.join(".ssh/authorized_keys"),
            roots.home.join(".bashrc"),
            roots.home.join(".bog-agents/other"),
            PathBuf::from("relative"),
            PathBuf::from("/"),
        ];
        for path in outside {
            for attempted in [append(&roots, &path, "x", None), replace(&roots, &path, "x")] {
                assert!(matches!(attempted, Attempted::Permanent { .. }), "{}: {attempted:?}", path.display());
            }
        }
        assert_eq!(std::fs::read_dir(folder.path().join("other")).unwrap().count(), 0);
    }
}
