//! Signatures of a request's body: GitHub's `X-Hub-Signature-256`, and Standard Webhooks
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>). The keys are those
//! that the triggers of these schemes take.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bog_domain::signature::{Key, NoKey};
use bog_domain::spec::WebhookScheme;

/// `sha256=` and the HMAC of the body in hexadecimal; the key is the secret as it is written.
pub(super) fn hub(secret: &str, body: &[u8]) -> Result<String, NoKey> {
    Ok(format!("sha256={}", hex::encode(Key::new(WebhookScheme::Github, secret)?.sign(&[body]))))
}

/// `v1,` and the HMAC of id, time in Unix seconds and body in base64.
pub(super) fn standard(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> Result<String, NoKey> {
    let parts = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
    Ok(format!("v1,{}", STANDARD.encode(Key::new(WebhookScheme::Standard, secret)?.sign(&parts))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 4231 (test case 2), and one made by the `standardwebhooks` package.
    #[test]
    fn signatures_are_those_that_others_make() {
        assert_eq!(
            hub("Jefe", b"what do ya want for nothing?"),
            Ok("sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843".to_owned())
        );
        assert_eq!(
            standard(
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                "1614265330",
                br#"{"test": 2432232314}"#
            ),
            Ok("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".to_owned())
        );
        assert_eq!(standard("whsec_no base64", "a", "1", b""), Err(NoKey));
    }
}
