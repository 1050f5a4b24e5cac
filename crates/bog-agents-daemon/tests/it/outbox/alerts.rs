//! People are told once that a job fails, and once that it works again.

use super::{deliveries, home_with};
use crate::support::{Home, eventually, violations};

const TOLD: &str = "
[[on_failure]]
type = 'file'
path = 'HOME/alerts.md'

[[on_failure]]
type = 'file'
path = 'HOME/short.md'
template = '{{ job.id }} {{ run.outcome }} {{ incident.failures }} {{ incident.over }}'
";

/// A job that fails while there is a file `broken` at home.
fn job(home: &Home, id: &str, more: &str) {
    let yaml = format!(
        "agent: {{command: [sh, -c, 'test ! -e {0}/broken']}}\nsandbox: {{read: [{0}]}}\n{more}",
        home.path().display()
    );
    home.job(id, &yaml);
}

#[test]
fn one_alert_and_one_recovery_whatever_happens_in_between() {
    let home = home_with("");
    let settings = TOLD.replace("HOME", home.path().to_str().unwrap());
    std::fs::write(home.data().join("config.toml"), settings).unwrap();
    job(&home, "told", "name: The told one\n");
    job(&home, "quiet", "alerts: false\n");
    let short = || std::fs::read_to_string(home.path().join("short.md")).unwrap_or_default();
    std::fs::write(home.path().join("broken"), "").unwrap();
    for failpoints in ["store.finish=kill", "outbox.before_send=kill", "outbox.delivered=kill", ""] {
        // It may die before it has said that it is ready.
        let Ok(mut daemon) = home.start_with(&[("BOG_FAILPOINTS", failpoints)]) else { continue };
        let fired = ["told", "quiet"].map(|job| daemon.request("POST", &format!("/jobs/{job}/run"), &[], None));
        if failpoints.is_empty() {
            assert!(fired.iter().all(Result::is_ok));
        } else {
            eventually("the daemon dies at its failpoint, or has nothing to do there", || {
                daemon.has_ended()
                    || daemon.request("GET", "/health", &[], None).is_ok_and(|answer| {
                        let health = answer.json();
                        [&health["running"], &health["queued"], &health["deliveries_pending"]].iter().all(|n| **n == 0)
                    })
            });
        }
    }
    let daemon = home.start();
    let idle = || {
        eventually("all is told", || {
            let health = daemon.get("/health");
            [&health["running"], &health["queued"], &health["deliveries_pending"]].iter().all(|n| **n == 0)
        });
    };
    idle();
    assert_eq!(short(), "told failed 1 false\n");
    std::fs::remove_file(home.path().join("broken")).unwrap();
    for _ in 0..2 {
        for id in ["told", "quiet"] {
            assert_eq!(daemon.finished(&daemon.fire(id))["outcome"], "succeeded");
        }
    }
    idle();
    let failed = daemon.list("/runs?job=told&outcome=failed").len();
    assert!(failed >= 1);
    assert_eq!(short(), format!("told failed 1 false\ntold succeeded {failed} true\n"));
    let long = std::fs::read_to_string(home.path().join("alerts.md")).unwrap();
    assert!(
        long.starts_with("Job `told` (The told one) began to fail. Its run ended as `failed`: exit code 1"),
        "{long}"
    );
    assert!(long.contains("Job `told` (The told one) works again. It had failed since 2"), "{long}");
    let purposes: Vec<_> = deliveries(&daemon, "").iter().map(|one| one["purpose"].clone()).collect();
    assert_eq!(purposes, ["alert", "alert", "recovery", "recovery"]);
    daemon.stop();
    assert_eq!(violations(&home.data()), Vec::<String>::new());
}

#[test]
fn a_job_that_is_not_understood_any_more_is_told_of_too() {
    let home = home_with("");
    let settings = format!("max_concurrent = 1\n{}", TOLD.replace("HOME", home.path().to_str().unwrap()));
    std::fs::write(home.data().join("config.toml"), settings).unwrap();
    home.job("busy", "agent: {command: [sleep, '1000']}\nlimits: {grace: 1s}\nalerts: false\n");
    home.job("told", "agent: {command: ['true']}\n");
    let daemon = home.start();
    let busy = daemon.fire("busy");
    daemon.run_when(&busy, "running", |run| run["state"] == "running");
    let waiting = daemon.fire("told");
    daemon.kill();
    // As after an upgrade to a version that has other agents.
    let ledger = rusqlite::Connection::open(home.data().join("daemon.db")).unwrap();
    let sql = "UPDATE revisions SET spec = json_set(spec, '$.agent', json('{\"gone\": 1}')) \
               WHERE job_uid = (SELECT uid FROM jobs WHERE id = 'told')";
    assert_eq!(ledger.execute(sql, []).unwrap(), 1);
    drop(ledger);
    let daemon = home.start();
    assert!(daemon.post(&format!("/runs/{busy}/cancel"), None).status < 300);
    assert_eq!(daemon.finished(&waiting)["outcome"], "start_failed");
    let short = || std::fs::read_to_string(home.path().join("short.md")).unwrap_or_default();
    eventually("it is told", || short() == "told start_failed 1 false\n");
}
