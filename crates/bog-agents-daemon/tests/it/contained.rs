//! What held a run and what ended it, from the runner's record of the attempt to whoever asks.

use super::support::{Home, eventually, violations};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

/// Changes the record in an `outcome.json`, as a runner would have written it: its first line is JSON whose last field
/// is a digest over what stands before it and over the output behind the line.
fn rewrite(path: &Path, change: impl FnOnce(&mut Value)) {
    let bytes = fs::read(path).unwrap();
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    let (line, output) = (&bytes[..end], &bytes[end + 1..]);
    let mut record: Value = serde_json::from_slice(line).unwrap();
    record.as_object_mut().unwrap().remove("sha256");
    change(&mut record);
    let mut text = record.to_string();
    text.pop();
    let digest = hex::encode(Sha256::new().chain_update(&text).chain_update(output).finalize());
    let mut again = format!("{text},\"sha256\":\"{digest}\"}}\n").into_bytes();
    again.extend_from_slice(output);
    fs::write(path, again).unwrap();
}

#[test]
fn what_the_runner_says_held_is_what_the_ledger_tells() {
    let home = Home::new();
    home.job("j", "agent: {command: [echo, said]}\n");
    let mut daemon = home.start_with(&[("BOG_FAILPOINTS", "dispatcher.before_settle=kill")]).unwrap();
    let run = daemon.fire("j");
    eventually("the daemon dies before it has recorded the outcome", || daemon.has_ended());
    let containment = json!({
        "sandbox": "partial", "network": "loopback", "held": ["landlock", "no_new_privs"], "landlock_abi": 4,
        "missing": [{"mechanism": "seccomp", "reason": "the kernel has none"}],
        "limits": [{"limit": "memory", "allowed": 1 << 30, "by": "watchdog"}]
    });
    let limit = json!({"limit": "memory", "allowed": 1 << 30, "peak": (1 << 30) + (1 << 28)});
    rewrite(&home.data().join(format!("runs/{run}/1/outcome.json")), |record| {
        record["outcome"] = json!("limit_exceeded");
        record["containment"] = containment.clone();
        record["limit"] = limit.clone();
    });

    let daemon = home.start();
    let shown = daemon.finished(&run);
    assert_eq!((&shown["outcome"], &shown["output"]), (&json!("limit_exceeded"), &json!("said\n")), "{shown}");
    assert_eq!((&shown["containment"], &shown["limit"]), (&containment, &limit));
    let listed = daemon.list("/runs").remove(0);
    assert_eq!((&listed["limit"], listed.get("containment")), (&limit, None), "{listed}");

    let said = |arguments: &[&str]| String::from_utf8(home.run(arguments).stdout).unwrap();
    let show = said(&["runs", "show", &run]);
    for line in [
        "limit hit   `memory` of 1GiB, it reached 1.25GiB\n",
        "sandbox     partial, network loopback\n",
        "held        Landlock (ABI 4), no new privileges\n",
        "missing     seccomp: the kernel has none\n",
        "limits      memory 1GiB (watchdog)\n",
    ] {
        assert!(show.contains(line), "{line} is not in:\n{show}");
    }
    let explained = said(&["explain", "j"]);
    assert!(explained.contains("exceeded a limit in ") && explained.contains("`memory` of 1GiB"), "{explained}");
    assert_eq!(violations(&home.data()), Vec::<String>::new());
}
