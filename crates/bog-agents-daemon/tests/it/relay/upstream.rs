//! A machine that reaches the network only through a proxy of its own: the relay goes through that one.

use super::namespace::{WebServer, connect, empty, enter, inside, relay_to, serve};
use crate::support::reexec;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

/// A proxy that wants a password, serves two hosts and knows no others.
fn proxy(mut stream: TcpStream, web: &str) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let mut byte = [0];
        if stream.read_exact(&mut byte).is_err() {
            return;
        }
        head.push(char::from(byte[0]));
    }
    let lower = head.to_lowercase();
    let answer = if !lower.contains("proxy-authorization: basic bwu6ysbwyxnzd29yza==") {
        "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    } else if head.starts_with("CONNECT api.test:443 HTTP/1.1\r\n") && lower.contains("\r\nhost: api.test:443\r\n") {
        // What the host says at once may come with the answer.
        "HTTP/1.1 200 Connection established\r\n\r\nhello from the host\n"
    } else if head.starts_with("GET http://plain.test/x HTTP/1.1\r\n") && lower.contains("\r\nhost: plain.test\r\n") {
        let mut outside = connect(web);
        outside.write_all(b"GET /by-the-proxy HTTP/1.0\r\n\r\n").unwrap();
        std::io::copy(&mut outside, &mut stream).unwrap();
        return;
    } else {
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    };
    stream.write_all(answer.as_bytes()).unwrap();
    super::namespace::echo(stream);
}

#[test]
fn the_relay_goes_through_the_proxy_of_its_machine() {
    let web = WebServer::start("127.0.0.1");
    let address = web.address.to_string();
    let direct = WebServer::start("127.0.0.1");
    let port = serve("127.0.0.1:0", move |stream| proxy(stream, &address));
    let told = json!({ "direct": direct.address.port() }).to_string();
    let mut command = reexec::this("relay::upstream::child_behind_a_proxy", Path::new(&told));
    command
        .env("HTTPS_PROXY", format!("http://me:a%20password@127.0.0.1:{port}"))
        .env("http_proxy", format!("http://me:a%20password@localhost:{port}/"))
        .env("NO_PROXY", "direct.test")
        .env_remove("https_proxy")
        .env_remove("no_proxy");
    reexec::output(command);
}

#[test]
fn child_behind_a_proxy() {
    let Some(told) = reexec::argument() else { return };
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let direct = format!("localhost:{}", told["direct"]);
    let hosts = ["api.test:443", "plain.test:80", "refused.test:443", "direct.test:443", &direct];
    let relay = relay_to(&hosts.map(str::to_owned));
    inside(&relay, empty(), "relay::upstream::child_asks_through_it", &json!({ "direct": direct }));
    drop(relay);
}

#[test]
fn child_asks_through_it() {
    let Some(inside) = enter() else { return };
    let mut tunnel = connect(&inside.proxy());
    tunnel.write_all(b"CONNECT api.test:443 HTTP/1.1\r\n\r\nping").unwrap();
    tunnel.shutdown(std::net::Shutdown::Write).unwrap();
    let said = super::namespace::read_all(&mut tunnel);
    assert!(said.starts_with("HTTP/1.1 200 ") && said.ends_with("\r\n\r\nhello from the host\nping"), "{said}");
    let plain = inside.ask_proxy("GET http://plain.test/x HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert!(plain.contains(r#""GET /by-the-proxy HTTP/1.0""#), "{plain}");
    let refused = inside.ask_proxy("CONNECT refused.test:443 HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert!(refused.starts_with("HTTP/1.1 502 ") && refused.contains("it says 403 Forbidden"), "{refused}");
    assert!(!refused.contains("password"), "{refused}");
    // Not through the proxy, so its name is asked for here, where nobody knows it.
    let direct = inside.ask_proxy("CONNECT direct.test:443 HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert!(direct.starts_with("HTTP/1.1 502 ") && direct.contains("`direct.test:443` cannot be reached"), "{direct}");
    let own = inside.told["direct"].as_str().unwrap();
    let own = inside.ask_proxy(&format!("GET http://{own}/own HTTP/1.1\r\nConnection: close\r\n\r\n"));
    assert!(own.contains(r#""GET /own HTTP/1.1""#), "{own}");
}

#[test]
fn a_proxy_of_an_unknown_kind_is_named() {
    let mut command = reexec::this("relay::upstream::child_behind_socks", Path::new("x"));
    command.env("ALL_PROXY", "socks5h://me:a-password@127.0.0.1:1");
    for name in ["HTTPS_PROXY", "https_proxy", "all_proxy", "NO_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    reexec::output(command);
}

#[test]
fn child_behind_socks() {
    if reexec::argument().is_none() {
        return;
    }
    let relay = relay_to(&["api.test:443".to_owned()]);
    inside(&relay, empty(), "relay::upstream::child_asks_through_socks", &json!({}));
    drop(relay);
}

#[test]
fn child_asks_through_socks() {
    let Some(inside) = enter() else { return };
    let said = inside.ask_proxy("CONNECT api.test:443 HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert!(said.starts_with("HTTP/1.1 502 "), "{said}");
    assert!(said.contains("the proxy `socks5h://127.0.0.1:1/` is of an unknown kind"), "{said}");
}
