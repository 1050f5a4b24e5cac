//! Signatures of a request's body: GitHub's `X-Hub-Signature-256`, and Standard Webhooks
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How a secret begins that is the base64 of the key.
const ENCODED: &str = "whsec_";

/// `sha256=` and the HMAC of the body in hexadecimal; the key is the secret as it is written.
pub(super) fn hub(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", hex::encode(hmac(secret.as_bytes(), &[body])))
}

/// `v1,` and the HMAC of id, time in Unix seconds and body in base64. The key is what `whsec_...` encodes; any other
/// secret is the key itself, as it is written.
pub(super) fn standard(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> String {
    let encoded = secret.strip_prefix(ENCODED).and_then(|encoded| STANDARD.decode(encoded).ok());
    let key = encoded.unwrap_or_else(|| secret.as_bytes().to_vec());
    let parts = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
    format!("v1,{}", STANDARD.encode(hmac(&key, &parts)))
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).map(|mut mac| {
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().to_vec()
    });
    // HMAC takes keys of any length: there is no such error.
    mac.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 4231 (test case 2), and one made by the `standardwebhooks` package.
    #[test]
    fn signatures_are_those_that_others_make() {
        assert_eq!(
            hub("Jefe", b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            standard(
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                "1614265330",
                br#"{"test": 2432232314}"#
            ),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert_eq!(standard("not encoded", "a", "1", b""), standard("whsec_bm90IGVuY29kZWQ=", "a", "1", b""));
    }
}
