//! Shorthands of options that stand for a whole output or trigger.

use bog_domain::git::own_prefix;
use bog_domain::spec::{
    EmailSpec, FileSpec, GitPushSpec, GithubCommentSpec, IssueNumber, LogSpec, OutputSpec, SlackSpec, StdoutSpec,
    WebhookOutputSpec,
};

/// The shorthands `--output` takes.
pub const OUTPUTS: &str =
    "`log`, `stdout`, `file:PATH`, `slack:#channel`, `webhook:URL`, `email:ADDRESS`, `github:OWNER/REPO#N`";

/// Reads an `--output`.
///
/// # Errors
/// Says what is allowed.
pub fn output(text: &str) -> Result<OutputSpec, String> {
    let (kind, target) = text.split_once(':').map_or((text, None), |(kind, target)| (kind, Some(target.trim())));
    let target = |example: &str| match target {
        Some(target) if !target.is_empty() => Ok(target.to_owned()),
        Some(_) | None => Err(format!("`{text}` names no target: write for example `{example}`")),
    };
    match kind {
        "log" if text == "log" => Ok(OutputSpec::Log(LogSpec::default())),
        "stdout" if text == "stdout" => Ok(OutputSpec::Stdout(StdoutSpec::default())),
        "file" => {
            let path = target("file:~/reports/brief.md")?;
            Ok(OutputSpec::File(FileSpec {
                path,
                mode: None,
                when: None,
                template: None,
                max_length: None,
                retry: None,
            }))
        }
        "slack" => Ok(OutputSpec::Slack(SlackSpec {
            channel: Some(target("slack:#engineering")?),
            token_env: Some("SLACK_BOT_TOKEN".to_owned()),
            ..SlackSpec::default()
        })),
        "webhook" => webhook(&target("webhook:https://example.com/hook")?),
        "email" => email(&target("email:oncall@example.com")?),
        "github" => github(&target("github:owner/repo#7")?),
        _ => Err(format!("`{text}` is not an output: use one of {OUTPUTS}")),
    }
}

fn webhook(url: &str) -> Result<OutputSpec, String> {
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(format!("`{url}` is not a URL: it begins with `https://` or `http://`"));
    }
    Ok(OutputSpec::Webhook(WebhookOutputSpec { url: url.to_owned(), ..WebhookOutputSpec::default() }))
}

fn email(to: &str) -> Result<OutputSpec, String> {
    let well_formed = |address: &str| {
        let parts = address.trim().split_once('@');
        parts.is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !address.trim().contains(' '))
    };
    if !to.split(',').all(well_formed) {
        return Err(format!("`{to}` is not an e-mail address: write for example `email:oncall@example.com`"));
    }
    Ok(OutputSpec::Email(EmailSpec { to: to.to_owned(), ..EmailSpec::default() }))
}

fn github(target: &str) -> Result<OutputSpec, String> {
    let wrong =
        || format!("`{target}` is not an issue: write `github:OWNER/REPO#N`, for example `github:example/api#1234`");
    let (repo, issue) = target.split_once('#').ok_or_else(wrong)?;
    let named =
        repo.split_once('/').is_some_and(|(owner, name)| !owner.is_empty() && !name.is_empty() && !name.contains('/'));
    let templated = issue.contains("{{");
    if !named || !templated && !issue.parse::<u64>().is_ok_and(|number| number > 0) {
        return Err(wrong());
    }
    let (repo, issue) = (repo.to_owned(), IssueNumber(issue.to_owned()));
    Ok(OutputSpec::GithubComment(GithubCommentSpec { repo, issue, ..GithubCommentSpec::default() }))
}

/// Reads a `--git-push`: `REPO` or `REPO:BRANCH`. The colons of URLs, of `user@host:path` and of Windows drives divide
/// nothing.
///
/// # Errors
/// When a part is empty.
pub fn git_push(text: &str) -> Result<GitPushSpec, String> {
    let own = own_prefix(text);
    let (prefix, rest) = text.split_at(own);
    let (rest, branch) = rest.rsplit_once(':').map_or((rest, None), |(rest, branch)| (rest, Some(branch)));
    if prefix.is_empty() && rest.is_empty() || branch.is_some_and(str::is_empty) {
        return Err(format!("`{text}` is not `REPO` or `REPO:BRANCH`: write for example `/srv/git/main.git:main`"));
    }
    let (repo, branch) = (format!("{prefix}{rest}"), branch.map(str::to_owned));
    Ok(GitPushSpec { id: None, repo, branch, tag: None, interval: None, overlap: None })
}

/// Whether a repository is named by an address rather than a folder of this machine.
#[must_use]
pub fn is_remote(repo: &str) -> bool {
    repo.contains("://") || own_prefix(repo) > 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_read_and_shown_alike() {
        let shorthands = [
            "log",
            "stdout",
            "file:~/a b/{{ job.id }}.md",
            "slack:#engineering",
            "webhook:https://example.com:8080/hook",
            "email:a@example.com,b@example.com",
            "github:example/api#1234",
            "github:example/api#{{ event.number }}",
        ];
        for text in shorthands {
            assert_eq!(output(text).unwrap().to_string(), text);
        }
        let OutputSpec::Slack(slack) = output("slack:#x").unwrap() else { panic!("slack") };
        assert_eq!(slack.token_env.as_deref(), Some("SLACK_BOT_TOKEN"));
    }

    #[test]
    fn wrong_outputs_say_what_is_allowed() {
        let wrong = [
            "",
            "fax:1",
            "log:",
            "Log",
            "file",
            "file:",
            "slack:",
            "webhook:example.com",
            "email:nobody",
            "email:a b@c",
            "github:example",
            "github:example/api",
            "github:example/api#0",
            "github:a/b/c#1",
            "github:/b#1",
        ];
        let errors: Vec<_> = wrong.iter().map(|text| output(text).unwrap_err()).collect();
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn a_repository_and_its_branch_are_told_apart() {
        let read = |text| git_push(text).map(|spec| (spec.repo, spec.branch.unwrap_or_default()));
        let pair = |repo: &str, branch: &str| Ok((repo.to_owned(), branch.to_owned()));
        assert_eq!(read("."), pair(".", ""));
        assert_eq!(read("/srv/git/main.git:main"), pair("/srv/git/main.git", "main"));
        assert_eq!(read("~/src/api:feature/*"), pair("~/src/api", "feature/*"));
        assert_eq!(read("https://example.com:8443/a.git"), pair("https://example.com:8443/a.git", ""));
        assert_eq!(read("https://example.com:8443/a.git:main"), pair("https://example.com:8443/a.git", "main"));
        assert_eq!(read("git@example.com:a/b.git"), pair("git@example.com:a/b.git", ""));
        assert_eq!(read("git@example.com:a/b.git:main"), pair("git@example.com:a/b.git", "main"));
        assert_eq!(read(r"C:\src\api"), pair(r"C:\src\api", ""));
        assert_eq!(read(r"C:\src\api:main"), pair(r"C:\src\api", "main"));
        for wrong in ["", ":main", "/srv/git:"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(
            is_remote("git@example.com:a/b.git") && is_remote("ssh://h/a") && !is_remote("/srv/a:b") && !is_remote("a")
        );
    }
}
