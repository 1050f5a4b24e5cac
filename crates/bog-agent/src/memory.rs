//! Memory: what a project tells every agent, in `AGENTS.md` and its likes, from the working folder upwards.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// The names, of which the first that is there is taken in each folder.
const NAMES: [&str; 4] = ["AGENTS.md", "CLAUDE.md", "GEMINI.md", ".agents/AGENTS.md"];

/// The most that is taken of one file, and of all, in bytes.
const OF_ONE: u64 = 32 * 1024;
const OF_ALL: usize = 64 * 1024;

/// What is remembered for `cwd`, the nearest last, so that it has the last word; each with the file it is from.
#[must_use]
pub fn find(cwd: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut total = 0;
    for folder in cwd.ancestors() {
        let Some((file, text)) = NAMES.iter().find_map(|name| read(&folder.join(name))) else { continue };
        total += text.len();
        if total > OF_ALL {
            break;
        }
        found.push((file, text));
    }
    found.reverse();
    found
}

fn read(path: &Path) -> Option<(String, String)> {
    let file = File::open(path).ok().filter(|file| file.metadata().is_ok_and(|metadata| metadata.is_file()))?;
    let mut bytes = Vec::new();
    file.take(OF_ONE).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    (!text.is_empty()).then(|| (path.display().to_string(), text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_nearest_has_the_last_word_and_all_is_bounded() {
        let top = tempfile::tempdir().unwrap();
        let cwd = top.path().join("a");
        fs::create_dir(&cwd).unwrap();
        fs::write(top.path().join("CLAUDE.md"), "far").unwrap();
        fs::write(cwd.join("AGENTS.md"), "near").unwrap();
        fs::write(cwd.join("CLAUDE.md"), "not read: AGENTS.md is there").unwrap();
        let texts = |cwd: &Path| find(cwd).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert!(texts(&cwd).ends_with(&["far".to_owned(), "near".to_owned()]));
        fs::write(cwd.join("AGENTS.md"), "x".repeat(200_000)).unwrap();
        assert_eq!(texts(&cwd).pop().unwrap().len(), usize::try_from(OF_ONE).unwrap());
    }
}
