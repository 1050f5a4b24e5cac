//! `job test`, `job next`, `explain` and `fires list` about events.

use super::fixture::{SECRET, job, one_fire, payload, send, signed, start, with};
use crate::support::Home;
use serde_json::{Value, json};

const JOB: &str = "\
prompt: '{{ event.event }}: {{ event.title }}'
agent: {command: [cat]}
triggers:
  - {type: github, id: issues, events: [issue_labeled], labels: [agent], filter: \"'ignore' not in event.body\"}
  - {type: webhook, id: hook, path: /hooks/x, secret_env: HOOK_SECRET, filter: \"payload.action == 'closed'\"}
outputs:
  - {type: file, path: '~/out/{{ event.repo }}.md', template: 'About {{ event.title }}: {{ run.output }}'}
";

fn tested(home: &Home, event: &str, more: &[&str]) -> (Option<i32>, String) {
    std::fs::write(home.path().join("event.json"), event).unwrap();
    let file = home.path().join("event.json");
    let output = home.run(&[&["job", "test", "j", "--event", file.to_str().unwrap()], more].concat());
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code(), home.plain(&said))
}

#[test]
fn a_sample_event_is_rendered_and_nothing_runs() {
    let home = Home::new();
    home.job("j", JOB);
    let github: Value = serde_json::from_str(&payload("github_issues_labeled")).unwrap();
    let recorded =
        json!({ "headers": { "X-GitHub-Event": "issues", "X-GitHub-Delivery": "d1" }, "payload": github }).to_string();
    let offline = tested(&home, &recorded, &[]);
    let daemon = start(&home);
    let online = tested(&home, &recorded, &[]);
    assert!(offline.1.contains(&online.1.replace("note: ", "")), "{offline:?} {online:?}");
    assert_eq!(online.0, Some(0));
    let filtered = tested(&home, &payload("github_issues_labeled"), &["--trigger", "hook"]);
    assert_eq!(filtered.0, Some(1));
    let mistake = tested(&home, "{", &[]);
    assert_eq!(mistake.0, Some(2));
    insta::assert_snapshot!([online.1, filtered.1, mistake.1].join("----\n"));
    let (_, machine) = tested(&home, &recorded, &["--json"]);
    let machine: Value = serde_json::from_str(&machine).unwrap();
    assert_eq!((&machine["fires"], &machine["event"]["number"]), (&json!(true), &json!(1347)));
    assert!(daemon.list("/fires").is_empty() && daemon.list("/runs").is_empty());
    // The file that an agent finds its event in is one too.
    home.job(
        "agent",
        &job("  - {type: webhook, path: /hooks/y, secret_env: HOOK_SECRET, filter: 'payload.a == 1'}\n")
            .replace("'true'", "sh, -c, 'cat \"$BOG_EVENT_FILE\"'"),
    );
    let body = "{\"a\": 1}";
    let mut fire = None;
    crate::support::eventually("the new job is there", || {
        let answer = send(&daemon, "/hooks/y", &signed("github", SECRET.1, body), body);
        fire = (answer.status == 202).then(|| one_fire(&answer, 202));
        fire.is_some()
    });
    let run = daemon.finished(fire.unwrap()["run_id"].as_str().unwrap());
    std::fs::write(home.path().join("seen.json"), run["output"].as_str().unwrap()).unwrap();
    let output = home.run(&["job", "test", "agent", "--event", home.path().join("seen.json").to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn people_are_told_what_a_job_waits_for_and_what_came_of_it() {
    let home = Home::new();
    home.job("j", JOB);
    let said = |arguments: &[&str]| {
        let output = home.run(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let offline = said(&["job", "next", "j"]);
    let daemon = start(&home);
    let next = said(&["job", "next", "j"]);
    assert_eq!(offline, next);
    assert!(next.contains("on POST /hooks/x") && next.contains("on POST /webhooks/github: issue_labeled"), "{next}");
    let quiet = said(&["explain", "j"]);
    assert!(
        quiet.contains("trigger `hook` (POST /hooks/x) waits for `webhook` events: none was recorded around"),
        "{quiet}"
    );
    let headers = with(signed("github", SECRET.1, "{}"), "X-GitHub-Delivery", "d1");
    one_fire(&send(&daemon, "/hooks/x", &headers, "{}"), 202);
    let explained = said(&["explain", "j"]);
    assert!(explained.contains("was kept out: the `filter` of its trigger does not hold for it"), "{explained}");
    let fires = said(&["fires", "list"]);
    assert!(fires.contains("filtered") && fires.contains("hook") && fires.contains("filter"), "{fires}");
    assert_eq!(daemon.post("/jobs/j/disable", None).status, 200);
    assert!(!said(&["job", "next", "j"]).contains("POST"));
}
