//! `git`: looking at a repository, never changing it.
//!
//! A repository may be hostile: its configuration and attributes can name programs that git would run even to show a status.
//! So the user's and the system's configuration are left out, every setting of the repository that names a program is
//! overridden, nothing is fetched, and only commands and options that read are let through.

use super::process::run as run_process;
use super::roots::Roots;
use super::shell::told;
use super::{Toolbox, object};
use crate::launch::command;
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// What reads only, whatever its options but those refused below.
const READERS: [&str; 22] = [
    "blame",
    "cat-file",
    "count-objects",
    "describe",
    "diff",
    "diff-tree",
    "for-each-ref",
    "grep",
    "log",
    "ls-files",
    "ls-tree",
    "merge-base",
    "name-rev",
    "range-diff",
    "rev-list",
    "rev-parse",
    "shortlog",
    "show",
    "show-ref",
    "status",
    "version",
    "whatchanged",
];

/// What reads with these words after it only.
const LISTERS: [(&str, &[&str]); 5] = [
    ("branch", &["-a", "-r", "-v", "-vv", "-l", "--all", "--remotes", "--list", "--verbose", "--show-current"]),
    ("tag", &["-l", "-n", "--list"]),
    ("remote", &["-v", "--verbose"]),
    ("stash", &["list"]),
    ("reflog", &["show"]),
];

/// Options that run programs, write files, or read files from elsewhere. Git takes any beginning of them for the whole.
const REFUSED: [&str; 16] = [
    "--contents",
    "--exclude-from",
    "--exec-path",
    "--ext-diff",
    "--filters",
    "--git-dir",
    "--ignore-revs-file",
    "--no-index",
    "--open-files-in-pager",
    "--output",
    "--pathspec-from-file",
    "--recurse-submodules",
    "--show-signature",
    "--submodule",
    "--textconv",
    "--work-tree",
];

/// Options that are the beginning of a refused one, but options themselves.
const ALLOWED: [&str; 3] = ["--text", "--filter", "--no-textconv"];

/// What is overridden in every repository.
const OVERRIDES: [(&str, &str); 17] = [
    ("safe.directory", "*"),
    ("core.fsmonitor", "false"),
    ("core.hooksPath", "/dev/null"),
    ("core.alternateRefsCommand", ""),
    ("core.sshCommand", "false"),
    ("core.askPass", "false"),
    ("blame.ignoreRevsFile", ""),
    ("diff.external", ""),
    ("diff.ignoreSubmodules", "all"),
    ("diff.orderFile", "/dev/null"),
    ("gpg.program", "false"),
    ("gpg.ssh.program", "false"),
    ("gpg.x509.program", "false"),
    ("log.showSignature", "false"),
    ("mailmap.file", "/dev/null"),
    ("protocol.allow", "never"),
    ("submodule.recurse", "false"),
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Args {
    command: String,
    #[serde(default)]
    path: Option<String>,
}

pub fn about() -> (&'static str, Value) {
    let parameters = object(
        1,
        &[
            ("command", "string", "the command without `git`, like: log --oneline -20"),
            ("path", "string", "a folder of the repository; the working folder where left out"),
        ],
    );
    (
        "Looks at a git repository: status, log, show, diff, blame, grep, branch, tag and the like. It changes nothing.",
        parameters,
    )
}

pub async fn run(toolbox: &Toolbox, args: &Args) -> Result<String, String> {
    let words = words(&args.command)?;
    let folder = toolbox.roots.resolve(args.path.as_deref().unwrap_or("."))?;
    let names = git(toolbox, &folder, &["config", "--list", "--name-only", "-z"], &[]).await.unwrap_or_default();
    let overrides: Vec<(String, String)> = names.split('\0').filter_map(disarmed).collect();
    // What the repository calls its working tree may be anywhere.
    if let Ok(top) = git(toolbox, &folder, &["rev-parse", "--show-toplevel"], &overrides).await {
        below(&toolbox.roots, top.trim_end())?;
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    git(toolbox, &folder, &words, &overrides).await
}

fn below(roots: &Roots, top: &str) -> Result<(), String> {
    roots
        .resolve(top)
        .map(|_| ())
        .map_err(|_| format!("the working tree of the repository is `{top}`, which may not be read"))
}

async fn git(
    toolbox: &Toolbox,
    folder: &Path,
    words: &[&str],
    overrides: &[(String, String)],
) -> Result<String, String> {
    let mut command = command(&toolbox.through, "git");
    command.arg("--no-pager").args(words).current_dir(folder).env_clear();
    let inherited = toolbox.environment.for_commands(&toolbox.hidden);
    command.envs(
        inherited.filter(|(name, _)| !name.to_string_lossy().starts_with("GIT_")).map(|(name, value)| (name, value)),
    );
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0");
    command.env("GIT_NO_LAZY_FETCH", "1").env("GIT_ALLOW_PROTOCOL", "none");
    let fixed = OVERRIDES.iter().map(|(key, value)| (*key, *value));
    let found = overrides.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let mut count = 0;
    for (key, value) in fixed.chain(found) {
        command.env(format!("GIT_CONFIG_KEY_{count}"), key).env(format!("GIT_CONFIG_VALUE_{count}"), value);
        count += 1;
    }
    command.env("GIT_CONFIG_COUNT", count.to_string());
    let ended = run_process(command, PATIENCE).await?;
    told(ended, PATIENCE.as_secs())
}

/// What a setting is overridden by that could run a program.
fn disarmed(key: &str) -> Option<(String, String)> {
    let lower = key.to_lowercase();
    let (section, name) = (lower.split('.').next()?, lower.rsplit('.').next()?);
    let value = match (section, name) {
        ("filter", "clean" | "smudge" | "process") | ("diff", "command" | "textconv") => "",
        ("filter", "required") => "false",
        ("pager", _) => "false",
        ("remote", "promisor") => "false",
        _ => return None,
    };
    Some((key.to_owned(), value.to_owned()))
}

/// The words of a command that may be run.
fn words(command: &str) -> Result<Vec<String>, String> {
    let mut words = shlex::split(command).ok_or("the command has a quote that does not end")?;
    if words.first().is_some_and(|word| word == "git") {
        words.remove(0);
    }
    let Some((verb, rest)) = words.split_first() else {
        return Err("the command is empty; write for example `log --oneline -20`".to_owned());
    };
    let lister = LISTERS.iter().find(|(name, _)| name == verb);
    match lister {
        Some((_, allowed)) => {
            if let Some(word) = rest.iter().find(|word| !allowed.contains(&word.as_str())) {
                return Err(format!(
                    "`{word}` is not allowed after `git {verb}` here; allowed are `{}`",
                    allowed.join("`, `")
                ));
            }
            let reads_without = rest.is_empty() && verb == "stash";
            if reads_without {
                return Err("`git stash` changes things; `git stash list` is allowed".to_owned());
            }
        }
        None if READERS.contains(&verb.as_str()) => {}
        None => {
            let readers = READERS.iter().chain(LISTERS.iter().map(|(name, _)| name));
            let list: Vec<&str> = readers.copied().collect();
            return Err(format!(
                "`git {verb}` is not allowed here: this tool only reads; allowed are `{}`",
                list.join("`, `")
            ));
        }
    }
    if let Some(word) = rest.iter().find(|word| is_refused(verb, word)) {
        return Err(format!("`{word}` is not allowed with `git {verb}` here: it may read or run what is elsewhere"));
    }
    // Only after the command: nobody else's options come before it.
    let mut flags: Vec<String> = match verb.as_str() {
        "diff" | "log" | "show" | "whatchanged" | "diff-tree" => vec!["--no-ext-diff", "--no-textconv"],
        "blame" | "grep" => vec!["--no-textconv"],
        "status" => vec!["--ignore-submodules=all"],
        _ => Vec::new(),
    }
    .into_iter()
    .map(str::to_owned)
    .collect();
    flags.insert(0, verb.clone());
    flags.extend(rest.iter().cloned());
    Ok(flags)
}

fn is_refused(verb: &str, word: &str) -> bool {
    let name = word.split('=').next().unwrap_or(word);
    if name.starts_with("--") && name.len() > 2 {
        return !ALLOWED.contains(&name) && REFUSED.iter().any(|refused| refused.starts_with(name));
    }
    let is_short = match verb {
        "grep" | "diff" | "log" | "show" | "diff-tree" | "whatchanged" => word.starts_with("-O"),
        "blame" => word.starts_with("-S"),
        "ls-files" => word.starts_with("-X"),
        _ => false,
    };
    // With a path outside of the repository, `diff` compares any two files.
    let leads_out = word.starts_with('/') || word.split('/').any(|part| part == "..");
    is_short || leads_out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_is_let_through() {
        for command in [
            "log --oneline -20",
            "git status --short",
            "diff main..feature -- src/lib.rs",
            "show HEAD~2:src/main.rs",
            "log -S needle --text",
            "branch -a",
            "stash list",
            "blame -L 1,20 'a file.rs'",
        ] {
            assert!(words(command).is_ok(), "{command}");
        }
        assert_eq!(words("git diff HEAD").unwrap(), ["diff", "--no-ext-diff", "--no-textconv", "HEAD"]);
    }

    #[test]
    fn what_writes_runs_or_leads_out_is_not() {
        for command in [
            "",
            "commit -m x",
            "-c core.pager=sh log",
            "branch new",
            "tag v1",
            "stash",
            "stash drop",
            "remote add x y",
            "log --output=/tmp/x",
            "log --outp x",
            "diff --no-index a b",
            "diff /etc/passwd /dev/null",
            "diff ../other/file",
            "grep -Osh x",
            "blame --contents /etc/shadow f",
            "show --textconv",
            "show --ext-d",
            "cat-file --filters HEAD:f",
            "log 'unfinished",
        ] {
            assert!(words(command).is_err(), "{command}");
        }
    }

    #[test]
    fn settings_that_name_programs_are_overridden() {
        assert_eq!(disarmed("filter.Evil.clean"), Some(("filter.Evil.clean".to_owned(), String::new())));
        assert_eq!(disarmed("filter.a.b.required").unwrap().1, "false");
        assert_eq!(disarmed("diff.x.textconv").unwrap().1, "");
        assert_eq!(disarmed("user.name"), None);
    }
}
