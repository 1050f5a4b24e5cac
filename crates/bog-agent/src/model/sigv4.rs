//! Signatures for Amazon's APIs (AWS documentation, "Signature Version 4"): of a POST without a query, which is all that is
//! sent here. The whole kit for it would be twenty crates.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// Whose requests are signed.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The access key's id.
    pub id: String,
    /// The secret access key.
    pub secret: SecretString,
    /// The session's token, for temporary keys.
    pub session: Option<SecretString>,
}

/// What is signed.
#[derive(Debug)]
pub struct Signed<'a> {
    /// The host, with its port where that is not usual.
    pub host: &'a str,
    /// The path as it is sent: percent-encoded once.
    pub path: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// The region.
    pub region: &'a str,
    /// The service's name.
    pub service: &'a str,
}

impl Signed<'_> {
    /// The headers that make the request a signed one, besides `host`.
    pub fn headers(&self, keys: &Keys, now: Timestamp) -> Vec<(&'static str, String)> {
        let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let date = &time[..8];
        let mut headers = vec![("x-amz-date", time.clone())];
        if let Some(session) = &keys.session {
            headers.push(("x-amz-security-token", session.expose_secret().to_owned()));
        }
        let mut canonical = format!("POST\n{}\n\nhost:{}\n", encoded(self.path), self.host);
        let mut names = "host".to_owned();
        for (name, value) in &headers {
            // Writing to a string cannot fail.
            let _ = writeln!(canonical, "{name}:{value}");
            names = format!("{names};{name}");
        }
        let _ = write!(canonical, "\n{names}\n{}", hex::encode(Sha256::digest(self.body)));
        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let digest = hex::encode(Sha256::digest(canonical));
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}");
        let mut key = format!("AWS4{}", keys.secret.expose_secret()).into_bytes();
        for part in [date, self.region, self.service, "aws4_request"] {
            key = hmac(&key, part);
        }
        let signature = hex::encode(hmac(&key, &to_sign));
        let id = &keys.id;
        let value = format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
        headers.push(("authorization", value));
        headers
    }
}

/// Percent-encodes what is no unreserved character; slashes stay. In the path that is signed, percent signs are encoded too.
pub fn encoded(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    // HMAC takes keys of any length: there is nothing to fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with botocore 1.44.8 for the same request, keys and time.
    #[test]
    fn signs_as_amazons_own_client_does() {
        let keys = |session: Option<&str>| Keys {
            id: "AKIDEXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session: session.map(Into::into),
        };
        let signed = Signed {
            host: "bedrock-runtime.us-east-1.amazonaws.com",
            path: "/model/anthropic.claude-sonnet-4-20250514-v1%3A0/converse-stream",
            body: br#"{"messages":[]}"#,
            region: "us-east-1",
            service: "bedrock",
        };
        let now = "2015-08-30T12:36:00Z".parse().unwrap();
        let authorization = |session| signed.headers(&keys(session), now).pop().unwrap().1;
        assert_eq!(
            authorization(None),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=80e42db39fdd2149351356eed3ea92ae81e305b6c795f5b9fcedc0495b8fbb0c"
        );
        assert_eq!(
            authorization(Some("token")),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request, \
             SignedHeaders=host;x-amz-date;x-amz-security-token, \
             Signature=f6936043e9793e1423101de8a8f99986312988f57cf6b1e433e1f9b8fb30ed6c"
        );
    }
}
