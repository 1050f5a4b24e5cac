//! From a job's `sandbox.network` to what its agent reaches, through the daemon.

use super::namespace::{WebServer, echo, serve};
use crate::support::Home;

/// Says what came of a request, or of a connection where there is no path.
const REACH: &str = r#"
import socket, sys, urllib.request, urllib.error, os
def get(url):
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except urllib.error.URLError as error:
        return type(error.reason).__name__
def reach(port):
    try:
        socket.create_connection(("127.0.0.1", port), 60).close()
        return "reached"
    except OSError as error:
        return type(error).__name__
"#;

/// A job whose agent runs this Python, with these lines of its file besides.
fn job(script: &str, more: &str) -> String {
    let script = serde_json::to_string(&format!("{REACH}{script}")).unwrap();
    format!("agent: {{command: [python3, -c, {script}]}}\n{more}\n")
}

#[test]
fn services_of_this_machine_are_reached_but_not_the_daemon_itself() {
    let home = Home::new();
    let daemon = home.start();
    let api = daemon.address.rsplit_once(':').unwrap().1;
    let service = serve("127.0.0.1:0", echo);
    home.job("loopback", &job(&format!("print(reach({service}), reach({api}))"), "sandbox: {network: loopback}"));
    home.job("none", &job(&format!("print(reach({service}), reach({api}))"), "sandbox: {network: none}"));
    for (name, said) in
        [("loopback", "reached ConnectionRefusedError\n"), ("none", "ConnectionRefusedError ConnectionRefusedError\n")]
    {
        crate::support::eventually("the job is there", || {
            daemon.request("GET", &format!("/jobs/{name}"), &[], None).is_ok_and(|answer| answer.status == 200)
        });
        let run = daemon.finished(&daemon.fire(name));
        assert_eq!(run["output"], said, "{run}");
        assert_eq!(run["containment"]["network"], name, "{run}");
    }
}

#[test]
fn the_provider_whose_key_it_has_is_reached() {
    let home = Home::new();
    let (provider, other) = (WebServer::start("127.0.0.1"), WebServer::start("127.0.0.1"));
    let script = r#"
base = os.environ["ANTHROPIC_BASE_URL"]
print(get(base + "/v1/messages"), end=" ")
del os.environ["no_proxy"], os.environ["NO_PROXY"]
print(get(base + "/v1/messages"), get("http://OTHER/"), get("http://api.openai.com/"))
"#;
    let script = script.replace("OTHER", &other.address.to_string());
    home.job(
        "asks",
        &job(&script, "sandbox: {network: provider}\nenv: [ANTHROPIC_BASE_URL]\nsecrets: [ANTHROPIC_API_KEY]"),
    );
    let base = format!("http://{}", provider.address);
    let variables = [("ANTHROPIC_API_KEY", "sk-ant-a-long-secret"), ("ANTHROPIC_BASE_URL", base.as_str())];
    let daemon = home.start_with(&variables).unwrap();
    let run = daemon.finished(&daemon.fire("asks"));
    assert_eq!(run["output"], "200 200 403 403\n", "{run}");
    assert_eq!(run["containment"]["network"], "provider", "{run}");
}
