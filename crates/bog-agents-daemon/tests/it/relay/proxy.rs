//! The HTTP proxy inside: what is passed on, how, and what is refused.

use super::namespace::{Inside, WebServer, connect, empty, enter, inside, read_all, relay_to, unprivileged};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::process::Command;

/// The body of an answer, as JSON: what the web server was asked.
fn asked(answer: &str) -> Value {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

fn refused(answer: &str, status: &str, sentence: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    assert!(answer.contains(sentence), "{answer}");
}

#[test]
fn listed_hosts_are_reached_and_no_others() {
    let web = WebServer::start("127.0.0.1");
    let other = WebServer::start("127.0.0.1");
    let told = json!({ "host": web.address.to_string(), "other": other.address.to_string() });
    for namespace in [empty(), unprivileged()] {
        let relay = relay_to(&[web.address.to_string()]);
        let said = inside(&relay, namespace, "relay::proxy::child_asks", &told);
        assert!(said.contains("all asked"), "{said}");
        drop(relay);
    }
}

#[test]
fn child_asks() {
    let Some(inside) = enter() else { return };
    let (host, other) = (inside.told["host"].as_str().unwrap(), inside.told["other"].as_str().unwrap());
    tunnels(&inside, host);
    whole_urls(&inside, host);
    refusals(&inside, host, other);
    print!("all asked");
}

fn tunnels(inside: &Inside, host: &str) {
    let mut tunnel = connect(&inside.proxy());
    // What comes with the request for the tunnel belongs into it.
    let early = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\nGET /through HTTP/1.1\r\nHost: x\r\n\r\n");
    tunnel.write_all(early.as_bytes()).unwrap();
    let mut answer = String::new();
    while !answer.contains("/through") {
        let mut byte = [0];
        tunnel.read_exact(&mut byte).unwrap();
        answer.push(char::from(byte[0]));
    }
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    // Inside of a tunnel nothing is looked at.
    tunnel.write_all(b"GET /again HTTP/1.1\r\nConnection: close\r\nProxy-Connection: x\r\n\r\n").unwrap();
    let rest = read_all(&mut tunnel);
    assert!(rest.contains("GET /again HTTP/1.1") && rest.contains("proxy-connection"), "{rest}");
}

fn whole_urls(inside: &Inside, host: &str) {
    let answer = inside.ask_proxy(&format!(
        "GET http://{host}/a?b=c HTTP/1.1\r\nHost: elsewhere.example\r\nProxy-Authorization: Basic eDp5\r\n\
         Proxy-Connection: keep-alive\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nX-Kept: 1\r\n\
         TE: trailers\r\nUpgrade: websocket\r\n\r\n"
    ));
    let request = asked(&answer);
    assert_eq!(request["line"], "GET /a?b=c HTTP/1.1");
    assert_eq!(request["headers"], json!([["host", host], ["x-kept", "1"]]));
    let head = answer.split("\r\n\r\n").next().unwrap().to_lowercase();
    assert!(head.contains("x-answer: 1"), "{head}");
    assert!(!head.contains("keep-alive") && !head.contains("x-of-the-connection"), "{head}");

    // Two on one connection, bodies of either kind.
    let mut stream = connect(&inside.proxy());
    let post = format!("POST http://{host}/chunked HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.write_all(format!("{post}3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n").as_bytes()).unwrap();
    let mut first = String::new();
    while !first.ends_with("\r\n0\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        first.push(char::from(byte[0]));
    }
    assert!(first.contains(r#""body": "abcdefg""#), "{first}");
    let put = format!("PUT http://{host}/b HTTP/1.0\r\nContent-Length: 3\r\n\r\nxyz");
    stream.write_all(put.as_bytes()).unwrap();
    let second = read_all(&mut stream);
    assert!(second.contains(r#""line": "PUT /b HTTP/1.1", "body": "xyz""#), "{second}");
    assert!(second.contains("content-length"), "{second}");
}

fn refusals(inside: &Inside, host: &str, other: &str) {
    let not_listed = |named: &str| format!("`{named}` is not a host that this run may reach, allowed: `{host}`");
    let port = other.rsplit_once(':').unwrap().1;
    let own_port = host.rsplit_once(':').unwrap().1;
    refused(
        &inside.ask_proxy(&format!("CONNECT {other} HTTP/1.1\r\nConnection: close\r\n\r\n")),
        "403",
        &not_listed(other),
    );
    let get = |url: &str| format!("GET {url} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    // The same machine by other names and spellings of its address.
    for name in ["localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "[::ffff:7f00:2]"] {
        let answer = inside.ask_proxy(&get(&format!("http://{name}:{own_port}/")));
        refused(&answer, "403", "is not a host that this run may reach");
    }
    for name in ["127.0.0.1", "example.com"] {
        let answer = inside.ask_proxy(&get(&format!("http://{name}:{port}/")));
        refused(&answer, "403", &not_listed(&format!("{name}:{port}")));
    }
    refused(&inside.ask_proxy(&get(&format!("http://x@{host}/"))), "400", "names no host");
    refused(&inside.ask_proxy(&get("/")), "400", "this is an HTTP proxy");
    refused(&inside.ask_proxy(&get(&format!("ftp://{host}/"))), "400", "ask for a tunnel by CONNECT");
    // A body that nobody wants does not keep its sender from reading why.
    let body = "x".repeat(300 * 1024);
    let post = format!("POST http://{other}/ HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    refused(&inside.ask_proxy(&(post + &body)), "403", &not_listed(other));
    // Heads have an end.
    let endless = inside.ask_proxy(&format!("GET http://{host}/ HTTP/1.1\r\nX: {}", "x".repeat(64 * 1024)));
    assert!(endless.starts_with("HTTP/1.1 431 "), "{endless}");
    // Two lengths are no length: nobody is to read the rest as a request of its own.
    let two = format!(
        "POST http://{host}/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 90\r\nConnection: close\r\n\r\nx"
    );
    refused(&inside.ask_proxy(&two), "400", "");
}

#[test]
fn programs_find_the_proxy_by_their_environment() {
    let web = WebServer::start("127.0.0.1");
    let relay = relay_to(&[web.address.to_string()]);
    let told = json!({ "host": web.address.to_string() });
    let said = inside(&relay, empty(), "relay::proxy::child_python", &told);
    assert!(said.contains(r#"200 {"line": "GET /by-proxy HTTP/1.1""#), "{said}");
    assert!(said.contains(r#"200 {"line": "GET /by-itself HTTP/1.1""#), "{said}");
    assert!(said.contains("403 `127.0.0.2:1` is not a host that this run may reach"), "{said}");
    assert!(said.contains("Tunnel connection failed: 403 Forbidden"), "{said}");
    drop(relay);
}

/// Python's own client, as it is, and told that not even loopback goes without a proxy.
const CLIENT: &str = r#"
import os, sys, urllib.request, urllib.error
host = sys.argv[1]
def get(url):
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            print(answer.status, answer.read().decode())
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode())
    except urllib.error.URLError as error:
        print(error.reason)
get(f"http://{host}/by-itself")
del os.environ["no_proxy"], os.environ["NO_PROXY"]
get(f"http://{host}/by-proxy")
get("http://127.0.0.2:1/")
get("https://127.0.0.2:1/")
"#;

#[test]
fn child_python() {
    let Some(inside) = enter() else { return };
    let mut python = Command::new("python3");
    python.args(["-c", CLIENT, inside.told["host"].as_str().unwrap()]).envs(inside.environment);
    assert!(python.status().unwrap().success());
}
