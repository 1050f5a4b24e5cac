//! What an agent says and does becomes events, output, usage; what goes wrong becomes a clear outcome.

use super::Bad;
use serde_json::json;

#[test]
fn what_an_agent_does_is_told_and_what_it_says_last_is_the_output() {
    let bad = Bad::new("good", "");
    let daemon = bad.home.start();
    let run = bad.run(&daemon);
    assert_eq!((&run["outcome"], &run["output"]), (&json!("succeeded"), &json!("You asked: Look around")), "{run}");
    assert_eq!((&run["usage"]["cost_usd"], &run["usage"]["input_tokens"]), (&json!(0.25), &json!(null)), "{run}");
    let events = bad.events(&run, 1);
    let folder = bad.folder.display();
    for expected in [
        "note: {\"text\":\"conversation `session-".to_owned(),
        "agent_text: {\"text\":\"I look first.\\n\"}".to_owned(),
        format!(
            "tool_call: {{\"id\":\"1\",\"name\":\"List files\",\"title\":\"List files\",\"kind\":\"read\",\"paths\":[\"{folder}\"],\
             \"input\":{{\"path\":\".\"}}}}"
        ),
        "tool_result: {\"id\":\"1\",\"title\":\"List files\",\"status\":\"completed\",\"text\":\"a file\"}".to_owned(),
        "plan: {\"entries\":[{\"content\":\"Look\",\"priority\":\"high\",\"status\":\"completed\"}]}".to_owned(),
        "usage: {\"cost_usd\":0.25,\"context_tokens\":12}".to_owned(),
        "agent_text: {\"text\":\"You asked: Look around\"}".to_owned(),
    ] {
        assert!(events.iter().any(|event| event.starts_with(&expected)), "{expected} is not in {events:#?}");
    }
    assert_eq!(run["containment"]["sandbox"], "enforced", "{run}");
}

#[test]
fn what_is_no_message_is_noted_and_passed_over() {
    let bad = Bad::new("garbage", "");
    let run = bad.run(&bad.home.start());
    assert_eq!((&run["outcome"], &run["output"]), (&json!("succeeded"), &json!("You asked: Look around")), "{run}");
    let events = bad.events(&run, 1);
    let noted: Vec<_> = events.iter().filter(|event| event.contains("is no message")).collect();
    assert_eq!(noted.len(), 4, "{events:#?}");
    assert!(noted[0].ends_with("is no message: Loading...\"}") && noted[3].len() < 400, "{noted:#?}");
}

#[test]
fn every_way_to_go_wrong_is_a_clear_outcome() {
    let bad = Bad::new("deaf", "idle_timeout: 3s");
    let cases = [
        ("deaf", "idle_timeout: 3s", "did not answer `initialize` within 3s"),
        ("mute", "idle_timeout: 3s", "the agent `python3` said nothing for 3s; raise `idle_timeout`"),
        ("version", "", "version"),
        ("dies", "", "ended in the middle of the conversation; it ended with exit status: 3: out of luck"),
        ("refusal", "", "the model refused to go on"),
        ("max_tokens", "", "reached the largest size"),
        ("error", "", "refused `session/prompt`: the model is on fire"),
        ("login", "", "nobody is logged in to the agent `python3`"),
        ("good", "continue: session-1", "cannot go on with a conversation"),
    ];
    for (mode, more, _) in cases {
        bad.job(mode, mode, more);
    }
    bad.home.job("nothing", "agent: {acp: [no-such-agent]}\nprompt: x\n");
    let daemon = bad.home.start();
    let runs: Vec<_> = cases.iter().map(|(mode, ..)| daemon.fire(mode)).collect();
    for ((mode, _, expected), run) in cases.iter().zip(&runs) {
        let run = daemon.finished(run);
        let error = run["error"].as_str().unwrap_or_default();
        assert!(run["outcome"] == "failed" && error.contains(expected), "{mode}: {run}");
    }
    let deaf = daemon.finished(&runs[0]);
    assert!(deaf["error"].as_str().unwrap().contains("Welcome to the wrong program!"), "{deaf}");
    let nothing = daemon.finished(&daemon.fire("nothing"));
    assert!(nothing["error"].as_str().unwrap().contains("`no-such-agent` is not on the `PATH`"), "{nothing}");
}

#[test]
fn a_limit_of_its_own_is_a_limit() {
    let bad = Bad::new("max_turn_requests", "");
    let run = bad.run(&bad.home.start());
    assert_eq!((&run["outcome"], &run["limit"]), (&json!("limit_exceeded"), &json!(null)), "{run}");
}

#[test]
fn permissions_are_answered_at_once_by_the_jobs_rules() {
    let rules = "permissions:\n- {allow: edit, path: 'docs/**'}\n- {deny: [edit, execute]}\n";
    let bad = Bad::new("permissions", rules);
    bad.job("unruled", "permissions", "");
    bad.job("free", "permissions", "sandbox: {shell: host}");
    let daemon = bad.home.start();
    assert_eq!(bad.run(&daemon)["output"], "yes no no no yes");
    assert_eq!(daemon.finished(&daemon.fire("unruled"))["output"], "yes yes yes no yes");
    let run = daemon.finished(&daemon.fire("free"));
    assert_eq!(run["output"], "yes yes no no no", "nothing contains it");
    let events = bad.events(&run, 1);
    assert!(
        events.iter().any(|event| event.contains("denied: execute: no rule of the job's `permissions`")),
        "{events:#?}"
    );
}

#[test]
fn files_and_terminals_are_served_within_the_sandbox() {
    let bad = Bad::new("client", "");
    std::fs::create_dir(bad.home.path().join(".ssh")).unwrap();
    std::fs::write(bad.home.path().join(".ssh/id"), "a key").unwrap();
    bad.job("denied", "client", "permissions: [{deny: execute}]");
    let daemon = bad.home.start();
    let run = bad.run(&daemon);
    let said: serde_json::Value =
        serde_json::from_str(run["output"].as_str().unwrap()).unwrap_or_else(|_| panic!("{run}"));
    assert_eq!(said, json!(["two\n", " No such file or directory (os error 2)", 4, "one\ntwo\nthree\n"]), "{run}");
    assert_eq!(std::fs::read_to_string(bad.folder.join("new/file")).unwrap(), "one\ntwo\nthree\n");
}

#[test]
fn a_cancelled_run_lets_its_agent_end_as_the_protocol_has_it() {
    let bad = Bad::new("cancel", "");
    let daemon = bad.home.start();
    let run = daemon.fire("j");
    let events = format!("/runs/{run}/events");
    crate::support::eventually("the agent waits", || {
        daemon
            .request("GET", &format!("{events}?follow=false"), &[], None)
            .is_ok_and(|answer| answer.body.contains("waiting"))
    });
    assert_eq!(daemon.post(&format!("/runs/{run}/cancel"), None).status, 202);
    let run = daemon.finished(&run);
    assert_eq!(run["outcome"], "cancelled", "{run}");
    assert_eq!(std::fs::read_to_string(bad.folder.join("cancelled")).unwrap(), "told");
}
