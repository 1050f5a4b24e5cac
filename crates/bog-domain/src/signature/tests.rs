use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::json;

const SCHEMES: [WebhookScheme; 5] = [
    WebhookScheme::Github,
    WebhookScheme::Standard,
    WebhookScheme::Slack,
    WebhookScheme::Stripe,
    WebhookScheme::Gitlab,
];

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn keys(scheme: WebhookScheme, secrets: &[&str]) -> Vec<Key> {
    secrets.iter().map(|secret| Key::new(scheme, secret).unwrap()).collect()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The examples that the schemes' own documentation gives.
#[test]
fn published_examples_verify() {
    let github =
        headers(&[("x-hub-signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")]);
    let request = Signed { headers: &github, body: b"Hello, World!" };
    assert_eq!(
        verify(WebhookScheme::Github, request, &keys(WebhookScheme::Github, &["It's a Secret to Everybody"]), at(0)),
        Ok(())
    );

    let standard = headers(&[
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1a,xx v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ]);
    let request = Signed { headers: &standard, body: br#"{"test": 2432232314}"# };
    let key = keys(WebhookScheme::Standard, &["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]);
    assert_eq!(verify(WebhookScheme::Standard, request, &key, at(1_614_265_330 + 300)), Ok(()));
    assert_eq!(verify(WebhookScheme::Standard, request, &key, at(1_614_265_330 + 301)), Err(Refusal::Stale));
    assert_eq!(verify(WebhookScheme::Standard, request, &key, at(1_614_265_330 - 301)), Err(Refusal::Stale));

    let slack = headers(&[
        ("x-slack-signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
        ("x-slack-request-timestamp", "1531420618"),
    ]);
    let body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&\
channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2F\
hooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.\
803a0bc887a14d10d2c447fce8b6703c";
    let key = keys(WebhookScheme::Slack, &["8f742231b10e8888abcd99yyyzzz85a5"]);
    let request = Signed { headers: &slack, body };
    assert_eq!(verify(WebhookScheme::Slack, request, &key, at(1_531_420_618)), Ok(()));
    assert_eq!(verify(WebhookScheme::Slack, request, &key, at(1_531_430_618)), Err(Refusal::Stale));
}

/// A request signed with each of the keys.
fn signed(scheme: WebhookScheme, key: &str, body: &str, time: i64) -> Headers {
    let raw = key.as_bytes();
    match scheme {
        WebhookScheme::Github => {
            headers(&[("x-hub-signature-256", &format!("sha256={}", hex::encode(mac(raw, body))))])
        }
        WebhookScheme::Standard => {
            let mac = mac(&STANDARD.decode(key).unwrap(), &format!("id.{time}.{body}"));
            let signature = format!("v1,AAAA v1,{}", STANDARD.encode(mac));
            headers(&[
                ("webhook-id", "id"),
                ("webhook-timestamp", &time.to_string()),
                ("webhook-signature", &signature),
            ])
        }
        WebhookScheme::Slack => {
            let signature = format!("v0={}", hex::encode(mac(raw, &format!("v0:{time}:{body}"))));
            headers(&[("x-slack-request-timestamp", &time.to_string()), ("x-slack-signature", &signature)])
        }
        WebhookScheme::Stripe => {
            let signature = hex::encode(mac(raw, &format!("{time}.{body}")));
            headers(&[("stripe-signature", &format!("t={time},v1=00ff,v0={signature},v1={signature}"))])
        }
        WebhookScheme::Gitlab => headers(&[("x-gitlab-token", key)]),
        WebhookScheme::None => Headers::new(),
    }
}

#[test]
fn a_key_of_standard_webhooks_is_base64_where_it_can_be() {
    let same = |one: &str, other: &str| {
        let sign = |secret: &str| Key::new(WebhookScheme::Standard, secret).unwrap().sign(&[b"id.1.{}"]);
        assert_eq!(sign(one), sign(other), "{one} {other}");
    };
    same("bm90IGVuY29kZWQ=", "whsec_bm90IGVuY29kZWQ=");
    same("not encoded", "whsec_bm90IGVuY29kZWQ=");
    same("whsec_bm90IGVuY29kZWQ", "whsec_bm90IGVuY29kZWQ=");
    same("hunter2hunter2", &format!("whsec_{}", STANDARD.encode("hunter2hunter2")));
}

#[test]
fn either_key_of_a_rotation_opens_and_no_other() {
    let (new, old, other) = ("bmV3LW5ldw==", "b2xkLW9sZA==", "b3RoZXItb3RoZXI=");
    for scheme in SCHEMES {
        let both = keys(scheme, &[new, old]);
        let ask = |key: &str, keys: &[Key]| {
            let headers = signed(scheme, key, "{}", 1000);
            verify(scheme, Signed { headers: &headers, body: b"{}" }, keys, at(1100))
        };
        assert_eq!((ask(new, &both), ask(old, &both)), (Ok(()), Ok(())), "{scheme:?}");
        assert_eq!(ask(other, &both), Err(Refusal::Wrong), "{scheme:?}");
        assert_eq!(ask(new, &both[1..]), Err(Refusal::Wrong), "{scheme:?}");
        assert_eq!(ask(new, &[]), Err(Refusal::Wrong), "no key is no open door: {scheme:?}");
        assert!(matches!(
            verify(scheme, Signed { headers: &Headers::new(), body: b"{}" }, &both, at(1100)),
            Err(Refusal::Missing(_))
        ));
        if scheme != WebhookScheme::Gitlab {
            let headers = signed(scheme, new, "{}", 1000);
            let other_body = Signed { headers: &headers, body: b"{ }" };
            assert_eq!(verify(scheme, other_body, &both, at(1100)), Err(Refusal::Wrong), "{scheme:?}");
        }
    }
}

#[test]
fn what_is_no_signature_is_none() {
    let cases = [
        (WebhookScheme::Github, headers(&[("x-hub-signature-256", "sha1=00")])),
        (WebhookScheme::Github, headers(&[("x-hub-signature-256", "sha256=xx")])),
        (
            WebhookScheme::Standard,
            headers(&[("webhook-id", ""), ("webhook-timestamp", "1"), ("webhook-signature", "v2,AA==")]),
        ),
        (
            WebhookScheme::Standard,
            headers(&[("webhook-id", "a"), ("webhook-timestamp", "-1"), ("webhook-signature", "v1,AA==")]),
        ),
        (WebhookScheme::Slack, headers(&[("x-slack-request-timestamp", "now"), ("x-slack-signature", "v0=00")])),
        (WebhookScheme::Slack, headers(&[("x-slack-request-timestamp", "1"), ("x-slack-signature", "v1=00")])),
        (WebhookScheme::Stripe, headers(&[("stripe-signature", "v1=00")])),
        (WebhookScheme::Stripe, headers(&[("stripe-signature", "t=1,v0=00")])),
        (WebhookScheme::Stripe, headers(&[("stripe-signature", "t=99999999999999999999,v1=00")])),
    ];
    for (scheme, headers) in cases {
        let verified = verify(scheme, Signed { headers: &headers, body: b"" }, &keys(scheme, &["YWFh"]), at(1));
        assert!(matches!(verified, Err(Refusal::Malformed(_))), "{scheme:?} {headers:?}: {verified:?}");
    }
    // An empty secret is found nowhere, but were it, it would open nothing.
    let empty = headers(&[("x-gitlab-token", "")]);
    let request = Signed { headers: &empty, body: b"" };
    assert_eq!(verify(WebhookScheme::Gitlab, request, &keys(WebhookScheme::Gitlab, &[""]), at(1)), Err(Refusal::Wrong));
    assert!(Key::new(WebhookScheme::Standard, "whsec_not base64").is_err());
    assert!(Key::new(WebhookScheme::Standard, "whsec_").is_err());
    assert!(Key::new(WebhookScheme::Standard, "").is_err());
    assert_eq!(format!("{:?}", Key::new(WebhookScheme::Github, "hunter2hunter2").unwrap()), "Key");
}

#[test]
fn each_scheme_has_its_delivery_id() {
    let all = headers(&[
        ("x-github-delivery", "g"),
        ("webhook-id", "s"),
        ("x-gitlab-event-uuid", "e"),
        ("idempotency-key", "k"),
    ]);
    let payload = json!({ "id": "evt_1", "event_id": "Ev1" });
    let id = |scheme, headers: &Headers| delivery_id(scheme, headers, &payload).unwrap_or_default();
    let ids = SCHEMES.map(|scheme| id(scheme, &all));
    assert_eq!(ids, ["g", "s", "Ev1", "evt_1", "k"]);
    assert_eq!(id(WebhookScheme::Gitlab, &headers(&[("x-gitlab-event-uuid", "e")])), "e");
    assert_eq!(id(WebhookScheme::Github, &headers(&[("idempotency-key", "k")])), "k");
    assert_eq!(id(WebhookScheme::None, &all), "");
    assert_eq!(id(WebhookScheme::Github, &headers(&[("x-github-delivery", "")])), "");
    let long = id(WebhookScheme::Github, &headers(&[("x-github-delivery", &"x".repeat(10_000))]));
    assert!(long.starts_with("sha256:") && long.len() < 100, "{long}");
}

proptest! {
    #[test]
    fn no_header_is_too_odd(text in "(\\PC|[tv01=,. \u{0}]){0,80}", time in "[0-9-]{0,22}") {
        let odd = headers(&[
            ("x-hub-signature-256", &text), ("webhook-signature", &text), ("webhook-timestamp", &time), ("webhook-id", &text),
            ("x-slack-signature", &text), ("x-slack-request-timestamp", &time), ("stripe-signature", &text),
            ("x-gitlab-token", &text),
        ]);
        for scheme in SCHEMES {
            let verified = verify(scheme, Signed { headers: &odd, body: b"x" }, &keys(scheme, &["c2VjcmV0"]), at(1));
            prop_assert!(verified.is_err());
        }
    }
}
