//! Signed requests, checked by the official Standard Webhooks library and by `openssl`, over TLS.

use super::receiver::{Receiver, answer};
use super::tools::{Server, certificates};
use super::{configure, delivered, refused, save};
use crate::support::Home;
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

/// Verifies what it gets with the `standardwebhooks` package and says what it got.
const SCRIPT: &str = r#"
import http.server, json, ssl, sys
from standardwebhooks.webhooks import Webhook
secret, cert, key = sys.argv[1:]

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        verified = True
        if "webhook-signature" in headers:
            try:
                Webhook(secret).verify(body, headers)
            except Exception as error:
                verified = repr(error)
        print(json.dumps({"headers": headers, "body": body.decode(), "verified": verified}), flush=True)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"id": 17}')
    def log_message(self, *arguments):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
"#;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn openssl_hmac(body: &str) -> String {
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", SECRET])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    openssl.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    let said = String::from_utf8(openssl.wait_with_output().unwrap().stdout).unwrap();
    said.trim().rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn a_request_convinces_those_who_did_not_sign_it() {
    let home = Home::new();
    certificates(home.path());
    let file = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    configure(&home, &format!("ca_file = '{}'", file("ca.pem")));
    let server = Server::python(SCRIPT, &[SECRET, &file("cert.pem"), &file("key.pem")]);
    let url = format!("https://localhost:{}/a?b=c", server.port);
    let secrets = [("HOOK_SECRET", SECRET), ("HOOK_AUTH", "Bearer hunter2-hunter2"), ("HOOK_URL", &url)];
    let daemon = home.start_with(&secrets).unwrap();
    let signed = json!({ "type": "webhook", "url": url, "hmac_secret_env": "HOOK_SECRET", "headers": { "X-Team": "a b" },
        "secret_headers": { "Authorization": "HOOK_AUTH" } });
    save(&daemon, "signed", "hunter2 is hunter2-hunter2", &json!([signed]));
    assert_eq!(delivered(&daemon, "signed", &Value::Null), "200 OK, id 17");

    let got = &server.got(1)[0];
    assert_eq!(got["verified"], true, "{got}");
    let (headers, text) = (&got["headers"], got["body"].as_str().unwrap());
    assert_eq!(headers["x-hub-signature-256"], format!("sha256={}", openssl_hmac(text)));
    assert_eq!((&headers["authorization"], &headers["x-team"]), (&json!("Bearer hunter2-hunter2"), &json!("a b")));
    assert_eq!(headers["content-type"], "application/json");
    assert!(headers["x-bog-cause"].as_str().unwrap().ends_with(";depth=1"), "{headers}");
    assert!(headers["user-agent"].as_str().unwrap().starts_with("bog-agents-daemon/"));
    let body: Value = serde_json::from_str(text).unwrap();
    assert_eq!((&body["job_id"], &body["job_name"]), (&json!("signed"), &json!("The signed")));
    assert_eq!((&body["outcome"], &body["sample"], &body["error"]), (&json!("succeeded"), &json!(false), &Value::Null));
    assert_eq!(body["output"], "hunter2 is hunter2-hunter2", "only the whole value is a secret");
    let delivery = daemon.get(&format!("/runs/{}", body["run_id"].as_str().unwrap()))["deliveries"][0]["id"].clone();
    for key in [&body["delivery_id"], &headers["idempotency-key"], &headers["webhook-id"]] {
        assert_eq!(*key, delivery);
    }
    assert!(!daemon.log().contains("hunter2-hunter2"));

    let event =
        json!({ "type": "webhook", "url_env": "HOOK_URL", "format": "cloudevents", "hmac_secret_env": "HOOK_SECRET" });
    save(&daemon, "event", "hello", &json!([event]));
    delivered(&daemon, "event", &Value::Null);
    let got = &server.got(2)[1];
    assert_eq!(got["verified"], true, "{got}");
    assert_eq!(got["headers"]["content-type"], "application/cloudevents+json; charset=utf-8");
    let event: Value = serde_json::from_str(got["body"].as_str().unwrap()).unwrap();
    assert_eq!((&event["specversion"], &event["source"]), (&json!("1.0"), &json!("/bog-agents-daemon/jobs/event")));
    assert_eq!((&event["id"], &event["data"]["output"]), (&got["headers"]["webhook-id"], &json!("hello")));
}

#[test]
fn a_server_that_nobody_vouches_for_gets_nothing() {
    let home = Home::new();
    certificates(home.path());
    let file = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let server = Server::python(SCRIPT, &[SECRET, &file("cert.pem"), &file("key.pem")]);
    let daemon = home.start();
    let url = format!("https://localhost:{}/?token=hunter2", server.port);
    save(&daemon, "a", "hello", &json!([{ "type": "webhook", "url": url, "retry": { "max": 0 } }]));
    let error = refused(&daemon, "a");
    assert!(error.starts_with(&format!("https://localhost:{}: no connection: ", server.port)), "{error}");
    assert!(error.contains("certificate") && !error.contains("hunter2"), "{error}");

    save(&daemon, "b", "hello", &json!([{ "type": "webhook", "url": url, "hmac_secret_env": "BOG_NO_SUCH_SECRET" }]));
    let error = refused(&daemon, "b");
    assert!(error.starts_with("secret `BOG_NO_SUCH_SECRET` is not there: "), "{error}");
}

#[test]
fn a_proxy_connects_to_what_is_not_on_this_machine() {
    let home = Home::new();
    let proxy = Receiver::start(|_, _, stream| answer(stream, "200 OK", ""));
    let own = Receiver::start(|_, _, stream| answer(stream, "200 OK", ""));
    let daemon = home.start_with(&[("http_proxy", &format!("http://127.0.0.1:{}", proxy.port))]).unwrap();
    let hook = |url: &str| json!({ "type": "webhook", "url": url, "retry": { "max": 0 } });
    save(&daemon, "out", "hello", &json!([hook("http://hooks.invalid/x")]));
    delivered(&daemon, "out", &Value::Null);
    assert_eq!(proxy.got("http://hooks.invalid/x").len(), 1);
    save(&daemon, "own", "hello", &json!([hook(&format!("http://localhost:{}/y", own.port))]));
    delivered(&daemon, "own", &Value::Null);
    assert_eq!(own.got("/y").len(), 1);
    save(&daemon, "metadata", "hello", &json!([hook("http://169.254.169.254/z")]));
    refused(&daemon, "metadata");
    assert!(proxy.got("http://169.254.169.254/z").is_empty());
}
