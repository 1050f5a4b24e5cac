//! The options of `job add` that spell out a job, and the job they spell.

use super::super::exit::usage;
use super::super::values::one_of;
use super::targets;
use bog_domain::overlap::Overlap;
use bog_domain::spec::{
    AgentSpec, CronSpec, FileChangeSpec, GitPushSpec, IntervalSpec, JobSpec, LimitsSpec, OutputSpec, TriggerSpec,
    WebhookSpec,
};
use bog_domain::units::Span;
use std::path::{Component, Path, PathBuf};

/// What fires the job, what it does, where the result goes.
#[derive(Debug, Default, clap::Args)]
pub struct SpecArgs {
    /// Its id, a slug [default: the name as a slug]
    #[arg(long)]
    pub id: Option<String>,
    /// Its name, free text
    #[arg(long)]
    name: Option<String>,
    /// Fire at the slots of a cron expression: 5 fields, 6 with seconds first, or `@daily`; repeatable
    #[arg(long, value_name = "EXPR", help_heading = "What fires it")]
    cron: Vec<String>,
    /// Fire every so often: `30m`, `1h 30m`, or seconds; repeatable
    #[arg(long, value_name = "SPAN", help_heading = "What fires it")]
    interval: Vec<Span>,
    /// Fire when files change: a glob such as `src/**/*.py`, `!` excludes; repeatable
    #[arg(long, value_name = "GLOB", help_heading = "What fires it")]
    watch: Vec<String>,
    /// Fire on signed requests to this path of the daemon; repeatable
    #[arg(long, value_name = "PATH", help_heading = "What fires it")]
    webhook: Vec<String>,
    /// The environment variable that holds the webhooks' secret
    #[arg(long, value_name = "NAME", default_value = "WEBHOOK_SECRET", help_heading = "What fires it")]
    webhook_secret_env: String,
    /// Fire on pushes to a repository, or to one branch of it; repeatable
    #[arg(long, value_name = "REPO[:BRANCH]", value_parser = targets::git_push, help_heading = "What fires it")]
    git_push: Vec<GitPushSpec>,
    /// The IANA time zone of its cron expressions [default: the daemon's]
    #[arg(long, value_name = "ZONE", help_heading = "What fires it")]
    timezone: Option<String>,
    /// What to do with a fire while the job runs or waits [default: by trigger]
    #[arg(long, value_parser = one_of(&Overlap::ALL, Overlap::as_str), help_heading = "What fires it")]
    overlap: Option<Overlap>,
    /// What the agent is asked; a template
    #[arg(long, value_name = "TEXT", help_heading = "What it does")]
    prompt: Option<String>,
    /// The agent: `builtin`, `claude`, `codex`, `gemini`, `goose`, `opencode`, `bog-agents` [default: builtin]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["command", "argv"], help_heading = "What it does")]
    agent: Option<String>,
    /// Run this command line instead of an agent; quotes group words, no shell is involved
    #[arg(long, value_name = "LINE", conflicts_with = "argv", help_heading = "What it does")]
    command: Option<String>,
    /// The built-in agent's model, `provider:model`
    #[arg(long, help_heading = "What it does")]
    model: Option<String>,
    /// Where the agent works [default: the current folder]
    #[arg(long, value_name = "DIR", help_heading = "What it does")]
    working_dir: Option<PathBuf>,
    /// Work in a fresh folder per run
    #[arg(long, conflicts_with = "working_dir", help_heading = "What it does")]
    no_working_dir: bool,
    /// Pass this environment variable to the agent; repeatable
    #[arg(long, value_name = "NAME", help_heading = "What it does")]
    env: Vec<String>,
    /// Pass this environment variable, and mask its value everywhere; repeatable
    #[arg(long, value_name = "NAME", help_heading = "What it does")]
    secret: Vec<String>,
    /// How long an attempt may take: `10m`
    #[arg(long, value_name = "SPAN", help_heading = "What it does")]
    limit_wall_clock: Option<Span>,
    /// Send the result to `log`, `stdout`, `file:PATH`, `slack:#channel`, `webhook:URL`, `email:ADDR` or
    /// `github:OWNER/REPO#N`; repeatable
    #[arg(long, value_name = "TARGET", value_parser = targets::output, help_heading = "Where the result goes")]
    output: Vec<OutputSpec>,
    /// The command to run instead of an agent, word by word
    #[arg(last = true, value_name = "PROGRAM")]
    argv: Vec<String>,
}

impl SpecArgs {
    /// The job that is spelt out, for someone in the folder `here`.
    ///
    /// # Errors
    /// When a command line cannot be split into words.
    pub fn spec(self, here: &Path) -> anyhow::Result<JobSpec> {
        let agent = self.agent_spec()?;
        let triggers = self.triggers(here);
        let working_dir = match self.working_dir {
            _ if self.no_working_dir => None,
            Some(dir) => Some(absolute(&dir.to_string_lossy(), here)),
            None => Some(here.to_string_lossy().into_owned()),
        };
        let limits = self.limit_wall_clock.map(|span| LimitsSpec { wall_clock: Some(span), ..LimitsSpec::default() });
        Ok(JobSpec {
            id: None,
            name: self.name,
            prompt: self.prompt,
            agent,
            model: self.model.map(Into::into),
            working_dir,
            timezone: self.timezone,
            triggers,
            outputs: self.output,
            overlap: self.overlap,
            limits,
            env: self.env,
            secrets: self.secret,
            ..JobSpec::default()
        })
    }

    fn agent_spec(&self) -> anyhow::Result<Option<AgentSpec>> {
        if let Some(line) = &self.command {
            let words = shlex::split(line).filter(|words| !words.is_empty());
            let words = words.ok_or_else(|| {
                usage(format!("`{line}` is not a command line: it is empty, or a quote is not closed"))
            })?;
            return Ok(Some(AgentSpec::Command(words)));
        }
        if !self.argv.is_empty() {
            return Ok(Some(AgentSpec::Command(self.argv.clone())));
        }
        Ok(self.agent.clone().map(AgentSpec::Named))
    }

    fn triggers(&self, here: &Path) -> Vec<TriggerSpec> {
        let mut triggers = Vec::new();
        for cron in &self.cron {
            let (cron, timezone) = (cron.clone(), None);
            let (id, jitter, catch_up, overlap) = (None, None, None, None);
            triggers.push(TriggerSpec::Cron(CronSpec { id, cron, timezone, jitter, catch_up, overlap }));
        }
        for interval in &self.interval {
            let seconds = interval.duration().as_secs_f64();
            let (id, jitter, catch_up, overlap) = (None, None, None, None);
            triggers.push(TriggerSpec::Interval(IntervalSpec { id, seconds, jitter, catch_up, overlap }));
        }
        if !self.watch.is_empty() {
            triggers.push(TriggerSpec::FileChange(FileChangeSpec {
                id: None,
                patterns: self.watch.clone(),
                debounce_seconds: None,
                max_wait_seconds: None,
                watch: None,
                poll_seconds: None,
                own_writes: None,
                overlap: None,
            }));
        }
        for path in &self.webhook {
            triggers.push(TriggerSpec::Webhook(WebhookSpec {
                id: None,
                path: path.clone(),
                secret_env: Some(self.webhook_secret_env.clone()),
                secret_env_previous: None,
                scheme: None,
                filter: None,
                public: None,
                overlap: None,
            }));
        }
        for push in &self.git_push {
            let repo = if targets::is_remote(&push.repo) { push.repo.clone() } else { absolute(&push.repo, here) };
            triggers.push(TriggerSpec::GitPush(GitPushSpec { repo, ..push.clone() }));
        }
        triggers
    }
}

/// A folder as a job file wants it: absolute, or beginning with `~/`.
fn absolute(dir: &str, here: &Path) -> String {
    if dir == "~" || dir.starts_with("~/") {
        return dir.to_owned();
    }
    // `.` and a slash at the end would only be noise in the file; `..` means something only to the file system.
    let path: PathBuf = here.join(dir).components().collect();
    let upwards = path.components().any(|component| component == Component::ParentDir);
    let resolved = if upwards { path.canonicalize().unwrap_or(path) } else { path };
    resolved.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bog_domain::spec::yaml;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        spec: SpecArgs,
    }

    fn yaml_of(words: &[&str]) -> String {
        let line = Line::try_parse_from([&["add"], words].concat()).unwrap_or_else(|error| panic!("{error}"));
        yaml::to_yaml(&line.spec.spec(Path::new("/home/me/src")).unwrap())
    }

    #[test]
    fn options_spell_a_job() {
        insta::assert_snapshot!(yaml_of(&[
            "--name",
            "Morning brief",
            "--cron",
            "0 9 * * 1-5",
            "--cron",
            "@daily",
            "--interval",
            "30m",
            "--interval",
            "90",
            "--watch",
            "src/**/*.py",
            "--watch",
            "!src/gen/**",
            "--webhook",
            "/hooks/a",
            "--git-push",
            ".:main",
            "--git-push",
            "git@example.com:a/b.git",
            "--prompt",
            "What changed?",
            "--agent",
            "claude",
            "--model",
            "anthropic:claude-sonnet-4-5",
            "--working-dir",
            "../api/.",
            "--timezone",
            "Europe/Berlin",
            "--output",
            "slack:#engineering",
            "--output",
            "log",
            "--env",
            "GOPATH",
            "--secret",
            "GITHUB_TOKEN",
            "--overlap",
            "skip",
            "--limit-wall-clock",
            "10m",
        ]));
    }

    #[test]
    fn a_command_is_split_without_a_shell_or_taken_word_by_word() {
        let line = yaml_of(&["--command", r#"sh -c 'echo "$1" | tr a b' sh "{{ prompt }}" $HOME"#, "--no-working-dir"]);
        insta::assert_snapshot!(line);
        assert_eq!(
            yaml_of(&["--no-working-dir", "--", "git", "log", "--oneline"]),
            yaml_of(&["--no-working-dir", "--command", "git log --oneline"])
        );
        let line = Line::try_parse_from(["add", "--command", "echo 'open"]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            line.spec.spec(Path::new("/")).unwrap_err().to_string(),
            "`echo 'open` is not a command line: it is empty, or a quote is not closed"
        );
    }
}
