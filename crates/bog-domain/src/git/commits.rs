//! Commits and changed paths, as git writes them. All of it was written by whoever pushed.

use super::refs::is_sha;
use super::text::{line, lines};
use serde::Serialize;

/// Commits told of one push, the newest first.
pub const MAX_COMMITS: usize = 50;

/// For `git rev-list --format=`: id, author, subject and body of a commit, each between NULs, which none of them can hold.
pub const COMMIT_FORMAT: &str = "%x00%H%x00%an <%ae>%x00%s%x00%b";

/// Bytes of one author or subject.
const MAX_LINE: usize = 500;
/// Bytes of one body, and of all of them together.
const MAX_BODY: usize = 4 * 1024;
const MAX_BODIES: usize = 64 * 1024;
/// Bytes of one path, and of all of them together.
const MAX_PATH: usize = 1024;
const MAX_ALL_PATHS: usize = 64 * 1024;

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Commit {
    /// Its id.
    pub sha: String,
    /// `Name <address>`.
    pub author: String,
    /// The first paragraph of its message, as one line.
    pub subject: String,
    /// The rest of its message.
    pub body: String,
}

/// Reads commits in [`COMMIT_FORMAT`], of which `git rev-list` puts a line `commit ID` before each. The last may be cut
/// short. At most [`MAX_COMMITS`], cleaned of control characters and each part cut where it is long.
#[must_use]
pub fn parse_commits(listing: &[u8]) -> Vec<Commit> {
    let text = String::from_utf8_lossy(listing);
    let fields: Vec<&str> = text.split('\0').skip(1).collect();
    let mut left = MAX_BODIES;
    let read = fields.chunks(4).filter(|fields| is_sha(fields[0])).take(MAX_COMMITS);
    read.map(|fields| {
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        let body = lines(message(field(3)), MAX_BODY.min(left));
        left = left.saturating_sub(body.len());
        Commit { sha: fields[0].to_owned(), author: line(field(1), MAX_LINE), subject: line(field(2), MAX_LINE), body }
    })
    .collect()
}

/// A body without the line that begins the next commit.
fn message(body: &str) -> &str {
    let body = body.trim_end_matches('\n');
    let (rest, last) = body.rsplit_once('\n').unwrap_or(("", body));
    if last.strip_prefix("commit ").is_some_and(is_sha) { rest } else { body }
}

/// Reads paths that end with NULs, as `git diff-tree -z --name-only` writes them: the first of them, cleaned and each cut
/// where it is long, and how many there are. A path that comes twice counts once.
#[must_use]
pub fn parse_paths(listing: &[u8], max: usize) -> (Vec<String>, u64) {
    let mut seen = std::collections::HashSet::new();
    let (mut paths, mut left) = (Vec::new(), MAX_ALL_PATHS);
    for path in listing.split(|byte| *byte == 0).filter(|path| !path.is_empty()) {
        if !seen.insert(path) {
            continue;
        }
        let path = line(&String::from_utf8_lossy(path), MAX_PATH);
        if paths.len() < max && path.len() <= left {
            left -= path.len();
            paths.push(path);
        }
    }
    (paths, seen.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(commits: &[(&str, &str, &str, &str)]) -> Vec<u8> {
        let one = |(sha, author, subject, body): &(&str, &str, &str, &str)| {
            format!("commit {sha}\n\0{sha}\0{author}\0{subject}\0{body}\n")
        };
        commits.iter().map(one).collect::<String>().into_bytes()
    }

    #[test]
    fn commits_are_read_cleaned_and_cut() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let long = "x".repeat(5000);
        let told = parse_commits(&listing(&[
            (&a, "A <a@b>", "{{ 7 * 7 }}\u{1b}[2J", "one\n\ncommit two\n"),
            (&b, "B <b@c>", &long, &long),
        ]));
        assert_eq!(told.len(), 2);
        assert_eq!((told[0].sha.as_str(), told[0].author.as_str()), (a.as_str(), "A <a@b>"));
        assert_eq!((told[0].subject.as_str(), told[0].body.as_str()), ("{{ 7 * 7 }}\u{fffd}[2J", "one\n\ncommit two"));
        assert!(told[1].subject.len() < 600 && told[1].body.len() < 4200, "{}", told[1].body.len());
        assert!(parse_commits(b"").is_empty());
        let whole = listing(&[(&a, "A <a@b>", "s", "body")]);
        let cut = parse_commits(&whole[..whole.len() - 3]);
        assert_eq!((cut.len(), cut[0].body.as_str()), (1, "bo"));
        let many: Vec<_> = (0..80).map(|_| (a.as_str(), "A", "s", long.as_str())).collect();
        let many = parse_commits(&listing(&many));
        assert_eq!(many.len(), MAX_COMMITS);
        assert!(many.iter().map(|commit| commit.body.len()).sum::<usize>() < MAX_BODIES + 1000);
    }

    #[test]
    fn paths_are_read_counted_and_cut() {
        let (paths, count) = parse_paths(b"a b\nc\0src/x\0src/x\0\xff\0", 2);
        assert_eq!((paths, count), (vec!["a b\u{fffd}c".to_owned(), "src/x".to_owned()], 3));
        let many: String = (0..5000).map(|n| format!("{n:0>100}\0")).collect();
        let (paths, count) = parse_paths(many.as_bytes(), 1000);
        assert_eq!((paths.len(), count), (655, 5000));
    }
}
