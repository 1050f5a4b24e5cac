//! Names of hosts: looked up by the relay, outside, and not to be pointed at what no name may stand for.

use super::namespace::{WebServer, bring_up_loopback, enter, inside, relay_to, run};
use crate::support::reexec;
use serde_json::json;
use std::path::Path;

#[test]
fn a_listed_name_leads_to_its_host_but_never_to_this_machine_or_its_links() {
    let folder = tempfile::tempdir().unwrap();
    let outside = ["unshare", "--user", "--map-root-user", "--net", "--mount"];
    reexec::inside(&outside, "relay::names::child_has_names", folder.path());
}

/// A machine of its own: with an address that is not loopback, and names.
#[test]
fn child_has_names() {
    let Some(folder) = reexec::argument() else { return };
    bring_up_loopback();
    run(&["ip", "address", "add", "10.1.2.3/32", "dev", "lo"]);
    run(&["ip", "address", "add", "169.254.169.254/32", "dev", "lo"]);
    let names = Path::new(&folder).join("hosts");
    let text = "10.1.2.3 api.test\n127.0.0.1 sly.test\n169.254.169.254 metadata.test\n\
        127.0.0.1 mixed.test\n10.1.2.3 mixed.test\n";
    std::fs::write(&names, text).unwrap();
    run(&["mount", "--bind", names.to_str().unwrap(), "/etc/hosts"]);
    let web = WebServer::start("10.1.2.3");
    let metadata = WebServer::start("169.254.169.254");
    let own = WebServer::start("127.0.0.1");
    let (web_port, metadata_port, own_port) = (web.address.port(), metadata.address.port(), own.address.port());
    let relay = relay_to(&[
        format!("API.test:{web_port}"),
        format!("mixed.test:{web_port}"),
        format!("sly.test:{own_port}"),
        format!("metadata.test:{metadata_port}"),
        format!("nowhere.invalid:{web_port}"),
        metadata.address.to_string(),
        format!("localhost:{own_port}"),
    ]);
    assert_eq!(relay.doors().ports, [own_port]);
    let told = json!({ "web": web_port, "metadata": metadata_port, "own": own_port });
    let said = inside(&relay, &["unshare", "--net"], "relay::names::child_names", &told);
    assert!(said.contains("all named"), "{said}");
    drop(relay);
}

#[test]
fn child_names() {
    let Some(inside) = enter() else { return };
    let get = |name: &str, port: &str| {
        let host = format!("{name}:{}", inside.port(port));
        let tunnel = inside.ask_proxy(&format!("CONNECT {host} HTTP/1.1\r\n\r\nGET /t HTTP/1.0\r\n\r\n"));
        let plain = inside.ask_proxy(&format!("GET http://{host}/p HTTP/1.1\r\nConnection: close\r\n\r\n"));
        format!("{tunnel}\n{plain}")
    };
    for name in ["api.test", "API.TEST", "api.test.", "mixed.test"] {
        let said = get(name, "web");
        assert!(said.contains(r#""GET /t HTTP/1.0""#) && said.contains(r#""GET /p HTTP/1.1""#), "{said}");
    }
    // What is listed as what it is, is meant.
    for (name, port) in [("169.254.169.254", "metadata"), ("localhost", "own")] {
        let said = get(name, port);
        assert!(said.contains(r#""GET /t HTTP/1.0""#) && said.contains(r#""GET /p HTTP/1.1""#), "{said}");
    }
    for (name, port, address) in [("sly.test", "own", "127.0.0.1"), ("metadata.test", "metadata", "169.254.169.254")] {
        let said = get(name, port);
        let sentence = format!("`{name}:{}` leads to `{address}`, which is this machine", inside.port(port));
        assert_eq!(said.matches(&sentence).count(), 2, "{said}");
        assert_eq!(said.matches("HTTP/1.1 403 ").count(), 2, "{said}");
    }
    let said = get("nowhere.invalid", "web");
    assert_eq!(said.matches("HTTP/1.1 502 ").count(), 2, "{said}");
    assert_eq!(said.matches("cannot be reached").count(), 2, "{said}");
    print!("all named");
}
