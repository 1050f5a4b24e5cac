//! Standard Webhooks (standardwebhooks.com, specification 1.0, symmetric): `webhook-signature` holds signatures parted by
//! spaces, each `v1,BASE64` of the HMAC-SHA256 of `ID.TIME.BODY`; the key is base64, mostly written `whsec_BASE64`.
//! Signatures of other versions are passed over.

use super::{Key, MAX_SIGNATURES, NoKey, Refusal, Signed, fresh, header, seconds};
use base64::Engine;
use base64::alphabet;
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
    let secret = secret.strip_prefix("whsec_").unwrap_or(secret);
    BASE64.decode(secret).ok().filter(|key| !key.is_empty()).ok_or(NoKey)
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
