//! Through the proxy that the environment names, and past it where it says so: an agent in a sandbox has no other way out.

use crate::support::{Server, World, answer, events, go, request};
use bog_agent::agent::Session;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

fn hello() -> String {
    let chunk = |delta: Value, finish: Option<&str>| json!({"choices": [{"delta": delta, "finish_reason": finish}]});
    events(&[chunk(json!({"content": "hello"}), None), chunk(json!({}), Some("stop"))])
}

#[tokio::test]
async fn requests_go_through_the_proxy() {
    let proxy = Server::bind().await;
    let mut world = World::new(&["openai:test"]);
    world.set("OPENAI_BASE_URL", "http://provider.invalid/v1");
    world.set("HTTP_PROXY", &proxy.url);
    let mut session = Session::begin(world.opening()).await.unwrap();
    let ((report, _), requests) = tokio::join!(go(&mut session, "say hello"), proxy.answer([hello()]));
    assert_eq!(report.text.as_deref(), Some("hello"));
    assert!(requests[0].starts_with("POST http://provider.invalid/v1/chat/completions"), "{}", requests[0]);
}

#[tokio::test]
async fn encrypted_ones_are_tunnelled() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut world = World::new(&["openai:test", "openai:test"]);
    world.set("OPENAI_BASE_URL", "https://provider.invalid/v1");
    world.set("HTTPS_PROXY", &format!("http://{}", listener.local_addr().unwrap()));
    let mut session = Session::begin(world.opening()).await.unwrap();
    let refuse = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let asked = request(&mut stream).await;
        stream.write_all(answer("403 Forbidden", "", "").as_bytes()).await.unwrap();
        asked
    };
    tokio::select! {
        asked = refuse => assert!(asked.starts_with("CONNECT provider.invalid:443"), "{asked}"),
        (report, _) = go(&mut session, "say hello") => panic!("nobody was asked: {report:?}"),
    }
}

#[tokio::test]
async fn addresses_that_need_no_proxy_are_reached_without() {
    let server = Server::bind().await;
    let mut world = World::new(&["openai:test"]);
    world.set("OPENAI_BASE_URL", &server.url);
    world.set("HTTP_PROXY", "http://127.0.0.1:9");
    world.set("NO_PROXY", "localhost,127.0.0.1,::1");
    let mut session = Session::begin(world.opening()).await.unwrap();
    let ((report, _), requests) = tokio::join!(go(&mut session, "say hello"), server.answer([hello()]));
    assert_eq!(report.text.as_deref(), Some("hello"));
    assert!(requests[0].starts_with("POST /chat/completions"));
}
