//! Standard Webhooks (standardwebhooks.com, specification 1.0, symmetric): `webhook-signature` holds signatures parted by
//! spaces, each `v1,BASE64` of the HMAC-SHA256 of `ID.TIME.BODY`; the key is written `whsec_BASE64`, or that without
//! `whsec_`, as the specification's own libraries read it. They refuse any other secret; here it is the key itself.
//! Signatures of other versions are passed over.

use super::{Key, MAX_SIGNATURES, NoKey, Refusal, Signed, fresh, header, seconds};
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jiff::Timestamp;

const SIGNATURE: &str = "webhook-signature";
const TIME: &str = "webhook-timestamp";
pub(super) const ID: &str = "webhook-id";

/// Base64 with its padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn key(secret: &str) -> Result<Vec<u8>, NoKey> {
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => BASE64.decode(encoded).map_err(|_| NoKey)?,
        // Without its padding it is more likely a word that somebody chose.
        None => STANDARD.decode(secret).unwrap_or_else(|_| secret.as_bytes().to_vec()),
    };
    if key.is_empty() { Err(NoKey) } else { Ok(key) }
}

pub(super) fn verify(request: Signed<'_>, keys: &[Key], now: Timestamp) -> Result<(), Refusal> {
    let (written, time, id) = (header(request, SIGNATURE)?, header(request, TIME)?, header(request, ID)?);
    let at = seconds(time, TIME)?;
    let parts = [id.as_bytes(), b".", time.as_bytes(), b".", request.body];
    let signatures = written.split(' ').filter_map(|one| BASE64.decode(one.strip_prefix("v1,")?).ok());
    let signatures: Vec<Vec<u8>> = signatures.take(MAX_SIGNATURES).collect();
    if signatures.is_empty() {
        return Err(Refusal::Malformed(SIGNATURE));
    }
    if !signatures.iter().any(|signature| keys.iter().any(|key| key.signs(&parts, signature))) {
        return Err(Refusal::Wrong);
    }
    fresh(at, now)
}
