//! `X-Hub-Signature-256: sha256=HEX`, the HMAC-SHA256 of the body, as GitHub documents it under "Validating webhook
//! deliveries". It signs no time: what was overheard can be sent again, under the same delivery id or another.

use super::{Key, Refusal, Signed, header};

/// The signature's header.
const SIGNATURE: &str = "x-hub-signature-256";

/// The delivery id's header.
pub(super) const DELIVERY: &str = "x-github-delivery";

pub(super) fn verify(request: Signed<'_>, keys: &[Key]) -> Result<(), Refusal> {
    let written = header(request, SIGNATURE)?;
    let hex = written.strip_prefix("sha256=").ok_or(Refusal::Malformed(SIGNATURE))?;
    let signature = hex::decode(hex).map_err(|_| Refusal::Malformed(SIGNATURE))?;
    let signed = keys.iter().any(|key| key.signs(&[request.body], &signature));
    if signed { Ok(()) } else { Err(Refusal::Wrong) }
}
