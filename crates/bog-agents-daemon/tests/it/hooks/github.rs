//! Events of GitHub repositories.

use super::fixture::{SECRET, job, payload, send, signed, with};
use crate::support::{Answer, Daemon, Home};
use serde_json::json;

const PATH: &str = "/webhooks/github";

fn deliver(daemon: &Daemon, secret: &str, event: &str, body: &str) -> Answer {
    let headers = with(signed("github", secret, body), "X-GitHub-Event", event);
    send(daemon, PATH, &with(headers, "X-GitHub-Delivery", &format!("{event}-{}", body.len())), body)
}

fn told(answer: &Answer) -> Vec<String> {
    let fires = answer.json()["fires"].as_array().unwrap_or_else(|| panic!("{answer:?}")).clone();
    fires
        .iter()
        .map(|fire| format!("{} {} {}", fire["job_id"], fire["disposition"], fire["reason"]).replace('"', ""))
        .collect()
}

#[test]
fn an_event_reaches_the_jobs_that_are_about_it_and_the_prompt() {
    let home = Home::new();
    let github = |more: &str| job(&format!("  - {{type: github, {more}}}\n"));
    home.job("labels", &github("events: [issue_labeled], repo: Example/Api, labels: [agent]"));
    home.job("elsewhere", &github("repo: example/web"));
    home.job("opened", &github("events: [issue_opened]"));
    home.job("number", &github("number: 7"));
    let prompt = "prompt: '{{ event.event }} {{ event.repo }}#{{ event.number }} {{ event.title }} by {{ event.actor }} {{ event.labels }}'\n";
    home.job(
        "prompt",
        &format!("{prompt}agent: {{command: [cat]}}\ntriggers: [{{type: github, actor: maintainer}}]\n"),
    );
    home.job("other-secret", &github("secret_env: HOOK_SECRET"));
    let daemon = home.start_with(&[("GITHUB_WEBHOOK_SECRET", "of-the-repository"), SECRET]).unwrap();
    let body = payload("github_issues_labeled");
    let answer = deliver(&daemon, "of-the-repository", "issues", &body);
    assert_eq!(
        (answer.status, told(&answer)),
        (202, vec!["labels run null".to_owned(), "number filtered number".to_owned(), "prompt run null".to_owned()])
    );
    let fires = answer.json()["fires"].as_array().unwrap().clone();
    let run = daemon.finished(fires[2]["run_id"].as_str().unwrap());
    let said = "issue_labeled example/api#1347 Login fails with a trailing space \u{2014} \u{fc}berall by maintainer [\"bug\",\"agent\"]";
    assert_eq!(run["output"], said);
    assert_eq!(run["trigger"], "github");
    assert_eq!(
        told(&deliver(&daemon, SECRET.1, "issues", &body)),
        ["other-secret run null"],
        "each repository has its secret"
    );
    assert_eq!(deliver(&daemon, "nobody's", "issues", &body).status, 401);
    let nothing = deliver(&daemon, "of-the-repository", "star", &body);
    assert_eq!((nothing.status, nothing.body.as_str()), (200, r#"{"fires":[]}"#), "an event that has no name here");
    assert_eq!(daemon.list("/fires").len(), 4);
}

#[test]
fn comments_of_its_own_never_fire() {
    let home = Home::new();
    home.job("answers", &job("  - {type: github, events: [issue_comment]}\n"));
    let secret = ("GITHUB_WEBHOOK_SECRET", "of-the-repository");
    let daemon = home.start_with(&[secret, ("GITHUB_LOGIN", "our-agent[bot]")]).unwrap();
    let comment = |text: &str| payload("github_issue_comment").replace("COMMENT", text);
    let ask = |body: &str| told(&deliver(&daemon, secret.1, "issue_comment", body));
    assert_eq!(ask(&comment("please look")), ["answers run null"]);
    let marked = "Done.\\n\\n<!-- bog-agents-daemon cause: 01890a5d-ac96-774b-bcce-b302099a8057;depth=1 -->";
    assert_eq!(ask(&comment(marked)), ["answers filtered own comment"]);
    let own = comment("without the mark")
        .replace("\"login\": \"maintainer\", \"id\"", "\"login\": \"our-agent[bot]\", \"id\"");
    assert_eq!(ask(&own), ["answers filtered own comment"]);
    let fires = daemon.list("/fires?job=answers");
    assert_eq!(fires[1]["cause"], json!({"fire": "01890a5d-ac96-774b-bcce-b302099a8057", "depth": 1}));
}
