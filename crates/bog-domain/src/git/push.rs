//! What a fire tells of one ref that was pushed.

use super::commits::Commit;
use super::pattern::{branch, tag};
use super::refs::{Change, Move};
use serde_json::{Value, json};

/// Changed paths told of one push.
pub const MAX_PATHS: usize = 1000;

/// Bytes of a ref's name that are told.
const MAX_NAME: usize = 1024;

/// One ref that was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// The repository, as the job names it.
    pub repo: String,
    /// The ref and what became of it.
    pub moved: Move,
    /// What the repository says of it.
    pub details: Details,
}

/// What a repository says of a push. Of one whose objects are out of reach nothing is known but its refs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// Whether commits that were on the ref are no longer; `None` where that is not known.
    pub forced: Option<bool>,
    /// What is new on the ref, the newest first.
    pub commits: Vec<Commit>,
    /// How many commits are new, up to the 10,000 that are counted; `None` where that is not known.
    pub commit_count: Option<u64>,
    /// Paths that differ between old and new, or that the new commits of a new ref changed.
    pub paths: Vec<String>,
    /// How many paths there are; `None` where that is not known.
    pub path_count: Option<u64>,
}

impl Push {
    /// The event as templates see it. `old_sha` and `new_sha` are empty where the ref was, or is, not there.
    #[must_use]
    pub fn context(&self) -> Value {
        let (Move { reference, change }, details) = (&self.moved, &self.details);
        let told = |name: Option<&str>| super::text::line(name.unwrap_or_default(), MAX_NAME);
        json!({
            "repo": self.repo,
            "ref": told(Some(reference)),
            "branch": told(branch(reference)),
            "tag": told(tag(reference)),
            "old_sha": change.before().unwrap_or_default(),
            "new_sha": change.after().unwrap_or_default(),
            "created": matches!(change, Change::Created { .. }),
            "deleted": matches!(change, Change::Deleted { .. }),
            "forced": details.forced,
            "commits": details.commits,
            "commit_count": details.commit_count,
            "paths": details.paths,
            "path_count": details.path_count,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_says_what_became_of_the_ref() {
        let sha = |digit: &str| digit.repeat(40);
        let push = |reference: &str, change: Change, details: Details| {
            let moved = Move { reference: reference.to_owned(), change };
            Push { repo: "/srv/a.git".to_owned(), moved, details }.context()
        };
        let commit = |subject: &str| Commit {
            sha: sha("b"),
            author: "A <a@b>".to_owned(),
            subject: subject.to_owned(),
            body: String::new(),
        };
        let known = Details {
            forced: Some(true),
            commits: vec![commit("one")],
            commit_count: Some(1),
            paths: vec!["src/x".to_owned()],
            path_count: Some(1),
        };
        let told = [
            push("refs/heads/feature/a", Change::Moved { old: sha("a"), new: sha("b") }, known),
            push("refs/tags/v1", Change::Created { new: sha("b") }, Details::default()),
            push("refs/heads/old", Change::Deleted { old: sha("a") }, Details::default()),
        ];
        insta::assert_json_snapshot!(told);
    }
}
