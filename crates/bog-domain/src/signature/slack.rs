//! `X-Slack-Signature: v0=HEX`, the HMAC-SHA256 of `v0:TIME:BODY`, as Slack documents it under "Verifying requests from
//! Slack".

use super::{Key, Refusal, Signed, fresh, header, seconds};
use jiff::Timestamp;

const SIGNATURE: &str = "x-slack-signature";
const TIME: &str = "x-slack-request-timestamp";

pub(super) fn verify(request: Signed<'_>, keys: &[Key], now: Timestamp) -> Result<(), Refusal> {
    let (written, time) = (header(request, SIGNATURE)?, header(request, TIME)?);
    let at = seconds(time, TIME)?;
    let hex = written.strip_prefix("v0=").ok_or(Refusal::Malformed(SIGNATURE))?;
    let signature = hex::decode(hex).map_err(|_| Refusal::Malformed(SIGNATURE))?;
    let parts = [b"v0:", time.as_bytes(), b":", request.body];
    if !keys.iter().any(|key| key.signs(&parts, &signature)) {
        return Err(Refusal::Wrong);
    }
    fresh(at, now)
}
