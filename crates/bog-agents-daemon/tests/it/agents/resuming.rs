//! An interrupted run goes on in its conversation, and so does the next run of a job that says so.

use super::Bad;
use serde_json::json;

#[test]
fn an_interrupted_run_goes_on_where_it_stopped() {
    let bad = Bad::new("resumes", "on_interrupt: retry\nretry: {backoff: 10ms}");
    let daemon = bad.home.start();
    let run = bad.run(&daemon);
    assert_eq!((&run["outcome"], &run["attempt"]), (&json!("succeeded"), &json!(2)), "{run}");
    let session = std::fs::read_to_string(bad.folder.join("began")).unwrap();
    let output = run["output"].as_str().unwrap();
    assert!(
        output.starts_with(&format!("{session}: You were interrupted")) && output.ends_with("Look around"),
        "{run}"
    );
    let events = bad.events(&run, 2);
    assert!(events.iter().any(|event| event.contains("goes on with conversation")), "{events:#?}");
    assert!(!events.iter().any(|event| event.contains("an old word")), "{events:#?}");
}

#[test]
fn linked_runs_are_one_conversation_and_each_counts_its_own() {
    let bad = Bad::new("thread", "continue: true");
    let daemon = bad.home.start();
    let first = bad.run(&daemon);
    let output = first["output"].as_str().unwrap();
    let session = output.split(' ').next().unwrap().to_owned();
    assert!(output.ends_with(" new: Look around"), "{first}");
    drop(daemon);
    let daemon = bad.home.start();
    let second = bad.run(&daemon);
    assert_eq!(second["output"], json!(format!("{session} again: Look around")), "{second}");
    assert_eq!((&first["usage"]["cost_usd"], &second["usage"]["cost_usd"]), (&json!(0.5), &json!(0.5)));
}

#[test]
fn what_was_used_is_known_though_the_host_is_killed_by_a_tool() {
    let bad = Bad::new("killed", "on_interrupt: fail");
    let daemon = bad.home.start();
    let run = bad.run(&daemon);
    assert_eq!((&run["outcome"], &run["usage"]["cost_usd"]), (&json!("interrupted"), &json!(0.5)), "{run}");
    assert_eq!(daemon.get("/usage?by=job")["total"]["cost_usd"], 0.5);
}
