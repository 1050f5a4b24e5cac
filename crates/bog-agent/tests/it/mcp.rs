//! MCP servers that others wrote.

use crate::support::{World, go, notes, npm_program, results};
use bog_agent::agent::Session;
use bog_agent::mcp::{Address, Way};
use bog_agent::session::{Mcp, Stop};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::net::TcpListener;
use std::process::{Child, ChildStderr, Command, Stdio};

fn program(name: &str, args: &[&str]) -> Address {
    let (command, args) =
        (npm_program(&format!("mcp-server-{name}")), args.iter().map(|arg| (*arg).to_owned()).collect());
    Address { name: name.to_owned(), way: Way::Program { command, args, env: Vec::new() } }
}

fn broken() -> Address {
    let way = Way::Program { command: "/no/such/program".into(), args: Vec::new(), env: Vec::new() };
    Address { name: "broken".to_owned(), way }
}

fn world(script: &[Value]) -> World {
    let mut world = World::new(&["scripted:../script.jsonl"]);
    let lines: Vec<String> = script.iter().map(ToString::to_string).collect();
    fs::write(world.folder.path().join("script.jsonl"), lines.join("\n")).unwrap();
    world.settings.mcp.insert("everything".to_owned(), Mcp { tools: Some(vec!["e*".to_owned()]), ..Mcp::default() });
    world
}

#[tokio::test]
async fn tools_of_servers_are_called_and_a_broken_one_is_told() {
    let world = world(&[
        json!({"calls": [
            {"name": "everything__echo", "arguments": {"message": "to and fro"}},
            {"name": "everything__get-sum", "arguments": {"a": 1, "b": 2}},
            {"name": "filesystem__read_text_file", "arguments": {"path": "WORK/a.txt"}},
            {"name": "filesystem__read_text_file", "arguments": {"path": "/etc/passwd"}},
        ]}),
        json!({"text": "done"}),
    ]);
    let work = world.work().canonicalize().unwrap().display().to_string();
    let script = fs::read_to_string(world.folder.path().join("script.jsonl")).unwrap();
    fs::write(world.folder.path().join("script.jsonl"), script.replace("WORK", &work)).unwrap();
    let mut opening = world.opening();
    opening.servers = vec![program("everything", &[]), program("filesystem", &[&work]), broken()];
    let mut session = Session::begin(opening).await.unwrap();
    let (report, told) = go(&mut session, "use your tools").await;
    assert_eq!(report.stop, Some(Stop::Finished));
    assert!(notes(&told)[0].starts_with("the MCP server `broken` is left out"), "{:?}", notes(&told));
    let results = results(&told);
    assert_eq!(results[0], ("Echo: to and fro", false));
    assert!(results[1].1 && results[1].0.contains("no tool `everything__get-sum`"), "filtered: {results:?}");
    assert_eq!((results[2].0.trim_end(), results[2].1), ("hello", false));
    assert!(results[3].1, "{results:?}");
}

#[tokio::test]
async fn a_server_that_is_required_and_missing_ends_the_session() {
    let mut world = world(&[]);
    world.settings.mcp.insert("broken".to_owned(), Mcp { required: true, ..Mcp::default() });
    let mut opening = world.opening();
    opening.servers = vec![broken()];
    let error = Session::begin(opening).await.err().unwrap().to_string();
    assert!(error.contains("`broken` is required"), "{error}");
}

#[tokio::test]
async fn a_server_behind_an_address_is_reached() {
    let server = HttpServer::start();
    let call = json!({"calls": [{"name": "web__echo", "arguments": {"message": "over http"}}]});
    let world = world(&[call, json!({"text": "done"})]);
    let mut opening = world.opening();
    let headers = vec![("x-test".to_owned(), "yes".to_owned())];
    opening.servers = vec![Address { name: "web".to_owned(), way: Way::Http { url: server.url.clone(), headers } }];
    let mut session = Session::begin(opening).await.unwrap();
    let (report, told) = go(&mut session, "use your tools").await;
    assert_eq!((report.stop, results(&told)), (Some(Stop::Finished), vec![("Echo: over http", false)]));
}

struct HttpServer {
    child: Child,
    /// Open as long as it may say something.
    _words: Lines<BufReader<ChildStderr>>,
    url: String,
}

impl HttpServer {
    /// It does not say which port it was given: so it gets one that was free a moment ago, and another if that one is taken.
    fn start() -> Self {
        for _ in 0..20 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut command = Command::new(npm_program("mcp-server-everything"));
            command.arg("streamableHttp").env("PORT", port.to_string()).stdin(Stdio::null());
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            let mut words = BufReader::new(child.stderr.take().unwrap()).lines();
            let is_there = words.by_ref().map_while(Result::ok).any(|line| line.contains("listening on port"));
            let server = Self { child, _words: words, url: format!("http://127.0.0.1:{port}/mcp") };
            if is_there {
                return server;
            }
        }
        panic!("no port is free");
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
