//! Mail, taken by `aiosmtpd`: TLS from the beginning or after a greeting, with a password or without.

use super::tools::{Server, certificates};
use super::{configure, delivered, refused, run, save};
use crate::support::{Daemon, Home};
use serde_json::{Value, json};

/// Takes mail and says what it got, as Python's own parser reads it.
const SCRIPT: &str = r#"
import asyncio, email, email.policy, json, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
mode, cert, key = sys.argv[1:]

tls = None
if mode in ("starttls", "implicit"):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)

def authenticate(server, session, envelope, mechanism, data):
    ok = isinstance(data, LoginPassword) and (data.login, data.password) == (b"me", b"hunter2-hunter2")
    return AuthResult(success=ok, handled=ok)

class Handler:
    later = 1
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 no such user"
        if address.startswith("busy@") and self.later:
            self.later -= 1
            return "451 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        part = lambda kind: mail.get_body((kind,)).get_content()
        print(json.dumps({
            "from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": server.transport.get_extra_info("sslcontext") is not None,
            "authenticated": bool(session.authenticated), "text": part("plain"), "html": part("html"),
            "headers": {name.lower(): str(value) for name, value in mail.items()},
        }), flush=True)
        return "250 taken"

async def main():
    handler = Handler()
    make = lambda: SMTP(handler, authenticator=authenticate, auth_required=mode != "none",
        auth_require_tls=mode == "starttls", require_starttls=mode == "starttls",
        tls_context=tls if mode == "starttls" else None)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(make, "127.0.0.1", 0, ssl=tls if mode == "implicit" else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"#;

fn server(home: &Home, mode: &str) -> Server {
    let file = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    Server::python(SCRIPT, &[mode, &file("cert.pem"), &file("key.pem")])
}

fn start(home: &Home, server: &Server, tls: &str, more: &[(&str, &str)]) -> Daemon {
    let port = server.port.to_string();
    let user = if tls == "none" { "" } else { "me" };
    let mut variables = vec![("MAIL_HOST", "localhost"), ("MAIL_PORT", &port), ("MAIL_TLS", tls), ("MAIL_USER", user)];
    variables.push(("MAIL_PASSWORD", "hunter2-hunter2"));
    variables.extend(more);
    home.start_with(&variables).unwrap()
}

#[test]
fn a_mail_arrives_over_starttls_and_says_what_the_run_said() {
    let home = Home::new();
    certificates(home.path());
    configure(&home, &format!("ca_file = '{}'", home.path().join("ca.pem").display()));
    let server = server(&home, "starttls");
    let daemon = start(&home, &server, "starttls", &[]);
    let output = json!({ "type": "email", "to": "On call <oncall@example.com>, b@example.com", "from": "bog@example.com",
        "subject": "{{ job.name }}: {{ event.payload.title }}", "smtp_env_prefix": "MAIL_" });
    save(&daemon, "report", "**Two** of 3 are <b>fine</b>.\n.\nhunter2-hunter2\n", &json!([output]));
    let receipt = delivered(&daemon, "report", &json!({ "title": "all\r\nBcc: evil@example.com\r\n\r\nwell" }));
    delivered(&daemon, "report", &json!({ "title": "again" }));

    let got = server.got(2);
    let (mail, headers) = (&got[0], &got[0]["headers"]);
    assert_eq!((&mail["tls"], &mail["authenticated"]), (&json!(true), &json!(true)));
    assert_eq!(
        (&mail["from"], &mail["to"]),
        (&json!("bog@example.com"), &json!(["oncall@example.com", "b@example.com"]))
    );
    assert_eq!(headers["subject"], "The report: all Bcc: evil@example.com well");
    assert_eq!(headers["bcc"], Value::Null);
    assert_eq!(headers["auto-submitted"], "auto-generated");
    assert_eq!(headers["message-id"], receipt);
    assert!(receipt.ends_with("@example.com>"), "{receipt}");
    let text = mail["text"].as_str().unwrap().replace("\r\n", "\n");
    assert!(
        text.starts_with("**Two** of 3 are <b>fine</b>.\n.\n[MAIL_PASSWORD]\n\n-- \nreport succeeded - run "),
        "{text}"
    );
    let html = mail["html"].as_str().unwrap();
    assert!(html.contains("<strong>Two</strong> of 3 are &lt;b&gt;fine&lt;/b&gt;"), "{html}");
    let again = &got[1]["headers"];
    assert_eq!((&again["references"], &again["in-reply-to"]), (&headers["references"], &headers["references"]));
    assert_ne!(again["message-id"], headers["message-id"]);
}

#[test]
fn a_mail_arrives_over_tls_from_the_first_byte_and_a_wrong_password_does_not() {
    let home = Home::new();
    certificates(home.path());
    let authority = home.path().join("ca.pem");
    let trusting = ("SSL_CERT_FILE", authority.to_str().unwrap());
    let server = server(&home, "implicit");
    let daemon = start(&home, &server, "implicit", &[trusting]);
    let output = json!([{ "type": "email", "to": "a@example.com", "smtp_env_prefix": "MAIL_" }]);
    save(&daemon, "a", "hello", &output);
    delivered(&daemon, "a", &Value::Null);
    let mail = &server.got(1)[0];
    assert_eq!((&mail["tls"], &mail["authenticated"]), (&json!(true), &json!(true)));
    assert_eq!(
        (&mail["from"], &mail["headers"]["subject"]),
        (&json!("bog-agents-daemon@localhost"), &json!("The a: succeeded"))
    );
    drop(daemon);
    let daemon = start(&home, &server, "implicit", &[trusting, ("MAIL_PASSWORD", "hunter2-wrong")]);
    let error = refused(&daemon, "a");
    assert!(error.contains("535") && !error.contains("hunter2"), "{error}");
}

#[test]
fn what_a_server_refuses_is_given_up_and_what_it_puts_off_is_tried_again() {
    let home = Home::new();
    certificates(home.path());
    let server = server(&home, "none");
    let daemon = start(&home, &server, "none", &[]);
    let to = |address: &str| json!([{ "type": "email", "to": address, "smtp_env_prefix": "MAIL_", "retry": { "backoff": 0.01 } }]);
    save(&daemon, "nobody", "hello", &to("a@example.com, nobody@example.com"));
    assert!(refused(&daemon, "nobody").contains("no such user"));
    save(&daemon, "busy", "hello", &to("busy@example.com"));
    let receipt = delivered(&daemon, "busy", &Value::Null);
    let mail = &server.got(1)[0];
    assert_eq!((&mail["tls"], &mail["headers"]["message-id"]), (&json!(false), &json!(receipt)));
    // What is not set is said by name, and a job that nobody set anything for gives up at once.
    save(&daemon, "unset", "hello", &json!([{ "type": "email", "to": "a@example.com", "smtp_env_prefix": "UNSET_" }]));
    assert!(refused(&daemon, "unset").starts_with("`UNSET_HOST` is not set"));
}

#[test]
fn a_mail_server_that_nobody_vouches_for_gets_neither_password_nor_mail() {
    let home = Home::new();
    certificates(home.path());
    let server = server(&home, "starttls");
    let daemon = start(&home, &server, "starttls", &[]);
    let output = json!([{ "type": "email", "to": "a@example.com", "smtp_env_prefix": "MAIL_", "retry": { "max": 0 } }]);
    save(&daemon, "a", "hello", &output);
    let run = run(&daemon, "a", &Value::Null);
    let deliveries = super::settled(&daemon, &run);
    assert!(deliveries[0]["error"].as_str().unwrap().contains("certificate"), "{deliveries:?}");
    assert_eq!(run["outcome"], "succeeded");
}
