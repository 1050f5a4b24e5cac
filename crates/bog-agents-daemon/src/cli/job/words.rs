//! A job in a few words.

use super::super::when::duration;
use bog_domain::spec::{JobSpec, TriggerSpec};
use jiff::SignedDuration;

/// What fires a job: `cron 0 9 * * 1-5, every 30m`; `by hand` where nothing else does.
#[must_use]
pub fn triggers(spec: &JobSpec) -> String {
    if spec.triggers.is_empty() {
        return "by hand".to_owned();
    }
    spec.triggers.iter().map(trigger).collect::<Vec<_>>().join(", ")
}

fn trigger(spec: &TriggerSpec) -> String {
    match spec {
        TriggerSpec::Cron(cron) => match &cron.timezone {
            Some(zone) => format!("cron {} {zone}", cron.cron),
            None => format!("cron {}", cron.cron),
        },
        TriggerSpec::Interval(interval) => match SignedDuration::try_from_secs_f64(interval.seconds) {
            Ok(every) => format!("every {}", duration(every)),
            Err(_) => format!("every {} s", interval.seconds),
        },
        TriggerSpec::FileChange(files) => format!("files {}", files.patterns.join(" ")),
        TriggerSpec::Webhook(hook) => format!("webhook {}", hook.path),
        TriggerSpec::GitPush(push) => match (&push.branch, &push.tag) {
            (Some(branch), _) => format!("push {} {branch}", push.repo),
            (None, Some(tag)) => format!("push {} tag {tag}", push.repo),
            (None, None) => format!("push {}", push.repo),
        },
        TriggerSpec::Github(github) => {
            let words = github.repo.iter().chain(&github.events).map(String::as_str);
            ["github"].into_iter().chain(words).collect::<Vec<_>>().join(" ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bog_domain::spec::yaml;

    #[test]
    fn triggers_in_a_few_words() {
        let words = |yaml_text: &str| triggers(&yaml::parse(yaml_text).unwrap());
        assert_eq!(words("prompt: x"), "by hand");
        let all = "triggers:\n  - {type: cron, cron: 0 9 * * 1-5}\n  - {type: cron, cron: '@daily', timezone: UTC}\n  \
            - {type: interval, seconds: 1800}\n  - {type: file_change, patterns: ['src/**', '!x']}\n  \
            - {type: webhook, path: /hooks/a}\n  - {type: git_push, repo: /srv/a.git, branch: main}\n  \
            - {type: git_push, repo: /srv/a.git, tag: v*}\n  - {type: git_push, repo: /srv/b.git}\n  \
            - {type: github, repo: example/api, events: [issue_opened]}\n";
        insta::assert_snapshot!(words(all).replace(", ", "\n"));
    }
}
