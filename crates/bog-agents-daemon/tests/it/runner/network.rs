//! The network an agent is granted: what it reaches, what it does not, and that nothing of the relay is left.

use super::attempt::{Attempt, ended, outcome, until};
use super::containment::without;
use crate::relay::namespace::{WebServer, echo, serve};
use bog_agents_daemon::runner::handle::Ended;
use bog_agents_daemon::sandbox::policy::Enforcement;
use bog_domain::containment::{Confinement, Mechanism, NetworkAccess};
use bog_domain::run::Outcome;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What the scripts below have at hand: `reach` says what came of a connection, `get` what a request got.
const AT_HAND: &str = r#"
import os, socket, sys, time, urllib.request, urllib.error
def reach(host, port, family=socket.AF_INET):
    with socket.socket(family) as s:
        s.settimeout(60)
        try:
            s.connect((host, port))
            s.sendall(b"hello")
            s.shutdown(socket.SHUT_WR)
            return s.recv(100).decode() or "nothing"
        except OSError as error:
            return type(error).__name__
def get(url):
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except urllib.error.URLError as error:
        return type(error.reason).__name__
def all_by_proxy():
    del os.environ["no_proxy"], os.environ["NO_PROXY"]
"#;

/// An agent in Python, in a sandbox with this network.
fn agent(network: NetworkAccess, script: &str, arguments: &[u16]) -> Attempt {
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let script = format!("{AT_HAND}{script}");
    let mut command = vec!["python3", "-c", &script];
    command.extend(arguments.iter().map(String::as_str));
    let mut attempt = Attempt::new(&command).confined();
    attempt.spec.sandbox.network = network;
    attempt
}

/// The processes of this attempt that relay its connections.
fn relays(attempt: &Attempt) -> Vec<i32> {
    let is_relay = |pid: &i32| {
        std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default().starts_with(b"bog-agents-daemon\0relay\0")
    };
    attempt.processes().into_iter().filter(is_relay).collect()
}

#[tokio::test]
async fn a_provider_is_reached_and_nothing_else() {
    let (web, other) = (WebServer::start("127.0.0.1"), WebServer::start("127.0.0.1"));
    let script = r#"
web, other = sys.argv[1], sys.argv[2]
print("direct:", get(f"http://127.0.0.1:{web}/"), get(f"http://127.0.0.1:{other}/"))
all_by_proxy()
print("by proxy:", get(f"http://127.0.0.1:{web}/"), get(f"http://127.0.0.1:{other}/"), get("https://example.com/"))
print("a low port:", reach("127.0.0.1", 443), reach("::1", 443, socket.AF_INET6))
print("no way out:", reach("192.0.2.1", 80), [name for _, name in socket.if_nameindex()])
print("open files:", sorted(fd for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")))
print("secret:", [value for value in os.environ.values() if "a-password" in value])
"#;
    let mut attempt = agent(NetworkAccess::Provider, script, &[web.address.port(), other.address.port()]);
    // Nobody listens there; the door is there all the same.
    attempt.spec.sandbox.hosts = vec![web.address.to_string(), "localhost:443".to_owned()];
    attempt.env.push(("HTTPS_PROXY".into(), "http://me:a-password@192.0.2.1:1".into()));
    let record = attempt.run().await;
    let expected = "direct: 200 ConnectionRefusedError\nby proxy: 200 403 OSError\n\
         a low port: ConnectionResetError ConnectionResetError\nno way out: OSError ['lo']\n\
         open files: ['0', '1', '2']\nsecret: []\n";
    assert_eq!(record.output, expected, "{record:?}");
    let held = record.containment.expect("a containment");
    assert_eq!((held.sandbox, held.network), (Confinement::Enforced, NetworkAccess::Provider));
    assert_eq!(attempt.processes(), Vec::<i32>::new());
}

#[tokio::test]
async fn services_on_loopback_are_reached_but_not_the_closed_ones() {
    let (open, closed) = (serve("127.0.0.1:0", echo), serve("127.0.0.1:0", echo));
    let script = r#"
open, closed = int(sys.argv[1]), int(sys.argv[2])
print(reach("127.0.0.1", open), reach("::1", open, socket.AF_INET6), reach("127.0.0.1", closed))
print(reach("192.0.2.1", 80), [name for name in os.environ if name.lower().endswith("_proxy")])
"#;
    let mut attempt = agent(NetworkAccess::Loopback, script, &[open, closed]);
    attempt.spec.sandbox.closed_ports = vec![closed];
    let record = attempt.run().await;
    assert_eq!(record.output, "hello hello ConnectionRefusedError\nOSError []\n", "{record:?}");
    let held = record.containment.expect("a containment");
    assert_eq!((held.sandbox, held.network), (Confinement::Enforced, NetworkAccess::Loopback));
    assert_eq!(attempt.processes(), Vec::<i32>::new());
}

#[tokio::test]
async fn without_a_grant_there_is_no_relay_and_no_way() {
    let service = serve("127.0.0.1:0", echo);
    let script = r#"
print(reach("127.0.0.1", int(sys.argv[1])), flush=True)
while not os.path.exists("go"): time.sleep(0.01)
"#;
    let attempt = agent(NetworkAccess::None, script, &[service]);
    let runner = attempt.spawn();
    until("it has tried", || {
        std::fs::read_to_string(attempt.dir.join("events.jsonl")).is_ok_and(|log| log.contains("Error"))
    })
    .await;
    assert_eq!(relays(&attempt), Vec::<i32>::new());
    std::fs::write(attempt.path("go"), "").expect("written");
    assert_eq!(outcome(ended(runner).await).output, "ConnectionRefusedError\n");
}

/// An agent that holds a connection open, with processes that hold others, and does not end by itself.
fn lingering() -> Attempt {
    let service = serve("127.0.0.1:0", echo);
    let script = r#"
os.fork()
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"x"); s.recv(1)
open(f"ready-{os.getpid()}", "w")
time.sleep(1000)
"#;
    let mut attempt = agent(NetworkAccess::Loopback, script, &[service]);
    attempt.spec.grace_ms = 50;
    attempt
}

async fn until_lingering(attempt: &Attempt) {
    let is_ready = |name: std::ffi::OsString| name.to_string_lossy().starts_with("ready-");
    let ready = || {
        std::fs::read_dir(attempt.path(""))
            .expect("a folder")
            .flatten()
            .filter(|entry| is_ready(entry.file_name()))
            .count()
    };
    until("it is connected", || ready() == 2).await;
}

#[tokio::test]
async fn the_relay_is_gone_with_an_agent_that_is_ended() {
    let attempt = lingering();
    let runner = attempt.spawn();
    until_lingering(&attempt).await;
    assert_eq!(relays(&attempt).len(), 1);
    runner.control().cancel("enough").await.expect("cancelled");
    assert_eq!(outcome(ended(runner).await).outcome, Outcome::Cancelled);
    assert_eq!(attempt.processes(), Vec::<i32>::new());
}

#[tokio::test]
async fn the_relay_is_gone_with_its_runner() {
    let attempt = lingering();
    let runner = attempt.spawn();
    until_lingering(&attempt).await;
    kill(attempt.runner_pid().await, Signal::SIGKILL).expect("killed");
    assert!(matches!(ended(runner).await, Ended::Lost { .. }));
    until("nothing is left", || attempt.processes().is_empty()).await;
}

#[tokio::test]
async fn an_agent_whose_relay_dies_is_interrupted_and_says_why() {
    let attempt = lingering();
    let runner = attempt.spawn();
    until_lingering(&attempt).await;
    kill(Pid::from_raw(relays(&attempt)[0]), Signal::SIGKILL).expect("killed");
    let record = outcome(ended(runner).await);
    assert_eq!(record.outcome, Outcome::Interrupted);
    let error = record.error.expect("an error");
    assert!(error.contains("the process that relays its connections was ended from outside"), "{error}");
    assert_eq!(attempt.processes(), Vec::<i32>::new());
}

#[tokio::test]
async fn a_host_that_is_none_is_named() {
    let mut attempt = agent(NetworkAccess::Provider, "", &[]);
    attempt.spec.sandbox.hosts = vec!["api.example.com".to_owned()];
    let record = attempt.run().await;
    assert_eq!(record.outcome, Outcome::StartFailed);
    let error = record.error.expect("an error");
    assert!(error.contains("`api.example.com` names no host; write `HOST:PORT`"), "{error}");
}

#[test]
fn a_network_that_cannot_be_closed_is_refused_or_full_and_says_so() {
    let service = serve("127.0.0.1:0", echo);
    for network in [NetworkAccess::Provider, NetworkAccess::Loopback] {
        let hosts = vec![format!("127.0.0.1:{service}")];
        let reaches = "print(reach('127.0.0.1', int(sys.argv[1])), 'HTTPS_PROXY' in os.environ)";
        let mut attempt = agent(network, reaches, &[service]);
        attempt.spec.sandbox.hosts = hosts.clone();
        let record = without(&attempt, "max_net_namespaces", "");
        let error = record.error.expect("an error");
        assert_eq!(record.outcome, Outcome::StartFailed, "{error}");
        assert!(error.contains("`network_namespace`"), "{error}");
        assert_eq!(attempt.processes(), Vec::<i32>::new());

        let mut attempt = agent(network, reaches, &[service]);
        attempt.spec.sandbox.hosts = hosts;
        attempt.spec.sandbox.enforcement = Enforcement::BestEffort;
        let record = without(&attempt, "max_net_namespaces", "");
        assert_eq!(record.output, "hello False\n", "{record:?}");
        let held = record.containment.expect("a containment");
        assert_eq!((held.sandbox, held.network), (Confinement::Partial, NetworkAccess::Full));
        assert!(held.missing.iter().any(|missing| missing.mechanism == Mechanism::NetworkNamespace), "{held:?}");
        assert_eq!(attempt.processes(), Vec::<i32>::new());
    }
}

#[test]
fn without_a_process_table_the_relay_is_told_from_the_tree() {
    let service = serve("127.0.0.1:0", echo);
    // What it leaves behind is part of the tree, and reaches the service until it is ended.
    let script = r#"
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)
print(reach("127.0.0.1", int(sys.argv[1])))
"#;
    let mut attempt = agent(NetworkAccess::Loopback, script, &[service]);
    attempt.spec.sandbox.enforcement = Enforcement::BestEffort;
    attempt.spec.grace_ms = 50;
    let record = without(&attempt, "max_pid_namespaces", "");
    assert_eq!((record.outcome, record.output.as_str()), (Outcome::Succeeded, "hello\n"), "{record:?}");
    assert_eq!(record.containment.expect("a containment").network, NetworkAccess::Loopback);
    assert_eq!(attempt.processes(), Vec::<i32>::new());
}

#[tokio::test]
async fn the_relay_counts_against_no_limit_of_the_agent() {
    let service = serve("127.0.0.1:0", echo);
    // As long as several looks at the tree take.
    let script = "time.sleep(1.5); print(reach('127.0.0.1', int(sys.argv[1])))";
    let mut attempt = agent(NetworkAccess::Loopback, script, &[service]);
    attempt.spec.limits.pids = Some(1);
    let record = attempt.run().await;
    assert_eq!((record.outcome, record.limit), (Outcome::Succeeded, None), "{:?}", record.error);
    assert_eq!(record.output, "hello\n");
}
