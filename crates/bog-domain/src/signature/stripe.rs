//! `Stripe-Signature: t=TIME,v1=HEX,v1=HEX`, each `v1` the HMAC-SHA256 of `TIME.BODY`, as Stripe documents it under
//! "Verify webhook signatures manually". The key is the signing secret as it is written, `whsec_` included.

use super::{Key, MAX_SIGNATURES, Refusal, Signed, fresh, header, seconds};
use jiff::Timestamp;

const SIGNATURE: &str = "stripe-signature";

pub(super) fn verify(request: Signed<'_>, keys: &[Key], now: Timestamp) -> Result<(), Refusal> {
    let written = header(request, SIGNATURE)?;
    let fields = || written.split(',').filter_map(|field| field.trim().split_once('='));
    let time = fields().find(|(name, _)| *name == "t").ok_or(Refusal::Malformed(SIGNATURE))?.1;
    let at = seconds(time, SIGNATURE)?;
    let signatures = fields().filter(|(name, _)| *name == "v1").filter_map(|(_, hex)| hex::decode(hex).ok());
    let signatures: Vec<Vec<u8>> = signatures.take(MAX_SIGNATURES).collect();
    if signatures.is_empty() {
        return Err(Refusal::Malformed(SIGNATURE));
    }
    let parts = [time.as_bytes(), b".", request.body];
    if !signatures.iter().any(|signature| keys.iter().any(|key| key.signs(&parts, signature))) {
        return Err(Refusal::Wrong);
    }
    fresh(at, now)
}
