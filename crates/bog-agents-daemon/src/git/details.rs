//! What a repository says of a push: whether it was forced, the new commits, the paths they changed.

use super::command::{Call, GitError};
use super::layout::Layout;
use bog_domain::git::{
    COMMIT_FORMAT, Change, Commit, Details, MAX_COMMITS, MAX_PATHS, Move, Refs, parse_commits, parse_paths,
};
use std::fmt::Write;

/// Commits that are counted at most.
const MAX_COUNT: usize = 10_000;

/// How git tells of changed paths: renames are not looked for, as that reads the files.
const PATHS: [&str; 8] =
    ["-r", "-z", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-commit-id", "--no-color"];

/// Looks up what a push brought. `others` are the refs that were there besides: what they hold is not new on a new ref.
/// What cannot be found out is left open.
pub async fn details(layout: &Layout, moved: &Move, others: &Refs) -> Details {
    let known = match &moved.change {
        Change::Created { new } => created(layout, new, others).await,
        Change::Moved { old, new } => changed(layout, old, new).await,
        Change::Deleted { .. } => Ok(Details::default()),
    };
    known.unwrap_or_else(|error| {
        tracing::warn!(git.dir = %layout.git_dir.display(), git.r#ref = moved.reference, %error,
                       "what was pushed cannot be looked up: the fire says only which ref moved");
        Details::default()
    })
}

async fn created(layout: &Layout, new: &str, others: &Refs) -> Result<Details, GitError> {
    let mut known: Vec<&str> = others.values().map(String::as_str).collect();
    known.sort_unstable();
    known.dedup();
    let (commits, count) = commits(layout, new, &known).await?;
    let each = commits.iter().fold(String::new(), |mut each, commit| {
        // Writing to a string does not fail.
        let _ = writeln!(each, "{}", commit.sha);
        each
    });
    let tree = Call::local(layout, "diff-tree").args(PATHS).args(["--root", "-m", "--first-parent", "--stdin"]);
    let told = Details { forced: Some(false), commits, commit_count: Some(count), ..Details::default() };
    Ok(with_paths(told, tree.stdin(each)).await)
}

async fn changed(layout: &Layout, old: &str, new: &str) -> Result<Details, GitError> {
    let ancestry = Call::local(layout, "merge-base").args(["--is-ancestor", old, new]).run();
    let tree = Call::local(layout, "diff-tree").args(PATHS).args([old, new]);
    let known = [old];
    let (ancestry, brought, told) =
        tokio::join!(ancestry, commits(layout, new, &known), with_paths(Details::default(), tree));
    let (commits, count) = brought?;
    // Where the old commit is gone already, nothing can lead on from it.
    let forced = ancestry?.code != Some(0);
    Ok(Details { forced: Some(forced), commits, commit_count: Some(count), ..told })
}

/// The newest commits that lead to `new` and to none of `known`, and how many there are.
async fn commits(layout: &Layout, new: &str, known: &[&str]) -> Result<(Vec<Commit>, u64), GitError> {
    let mut range = format!("{new}\n");
    for sha in known {
        // Writing to a string does not fail.
        let _ = writeln!(range, "^{sha}");
    }
    let list = |most: usize| {
        let call = Call::local(layout, "rev-list").args([format!("--max-count={most}")]).stdin(range.clone());
        call.args(["--ignore-missing", "--encoding=UTF-8"])
    };
    let told =
        list(MAX_COMMITS).args([format!("--format={COMMIT_FORMAT}").as_str(), "--stdin"]).most_mib(4).run().await?;
    let commits = parse_commits(&told.stdout);
    if commits.len() < MAX_COMMITS {
        let count = commits.len() as u64;
        return Ok((commits, count));
    }
    let counted = list(MAX_COUNT).args(["--count", "--stdin"]).answer().await?;
    let count = String::from_utf8_lossy(&counted.stdout).trim().parse().unwrap_or(commits.len() as u64);
    Ok((commits, count))
}

/// Adds the paths that a call names. Where a tree is gone, what differs from it cannot be said.
async fn with_paths(told: Details, call: Call) -> Details {
    match call.most_mib(16).run().await {
        Ok(said) if said.cut || said.code == Some(0) => {
            let (paths, count) = parse_paths(&said.stdout, MAX_PATHS);
            Details { paths, path_count: Some(count), ..told }
        }
        Ok(_) | Err(_) => told,
    }
}
