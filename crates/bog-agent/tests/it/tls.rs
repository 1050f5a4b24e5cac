//! A provider behind TLS whose authority is named by `SSL_CERT_FILE`.

use crate::support::{World, go, notes};
use bog_agent::agent::Session;
use bog_agent::session::Stop;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Answers every request to OpenAI's API with one word.
const SERVER: &str = r#"
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'data: {"choices": [{"delta": {"content": "hello"}, "finish_reason": "stop"}]}\n\n')
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + "/cert.pem", sys.argv[1] + "/key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
"#;

struct Server {
    child: Child,
    port: String,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut openssl = Command::new("openssl");
        openssl.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ]);
        openssl.args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ]);
        openssl.args(["-keyout", "key.pem", "-out", "cert.pem"]).current_dir(folder);
        assert!(openssl.output().unwrap().status.success());
        let mut python = Command::new("python3");
        python.args(["-c", SERVER]).arg(folder).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { child, port: port.trim().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn only_authorities_that_are_trusted_are() {
    let mut world = World::new(&["openai:test"]);
    let server = Server::start(world.folder.path());
    world.set("OPENAI_BASE_URL", &format!("https://localhost:{}", server.port));
    let (report, told) = world.run("say hello").await;
    assert!(matches!(report.stop, Some(Stop::Failed { .. })), "{report:?}");
    assert!(notes(&told)[0].contains("certificate"), "{:?}", notes(&told));
    world.set("SSL_CERT_FILE", &world.folder.path().join("cert.pem").display().to_string());
    let mut session = Session::begin(world.opening()).await.unwrap();
    let (report, told) = go(&mut session, "say hello").await;
    assert_eq!(report.text.as_deref(), Some("hello"), "{:?}", notes(&told));
    world.variables.retain(|(name, _)| name != "SSL_CERT_FILE");
    world.set("SSL_CERT_FILE", "/no/such/file");
    let error = Session::begin(world.opening()).await.err().unwrap().to_string();
    assert!(error.contains("`/no/such/file`"), "{error}");
}
