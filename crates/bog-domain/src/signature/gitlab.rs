//! `X-Gitlab-Token`, the secret itself, as GitLab documents it under "Secret token". Whoever reads the request has the
//! secret: it belongs behind TLS.

use super::{Key, Refusal, Signed, header};
use subtle::ConstantTimeEq;

pub(super) fn verify(request: Signed<'_>, keys: &[Key]) -> Result<(), Refusal> {
    let token = header(request, "x-gitlab-token")?;
    let is_it = keys.iter().any(|key| !key.0.is_empty() && key.0.as_slice().ct_eq(token.as_bytes()).into());
    if is_it { Ok(()) } else { Err(Refusal::Wrong) }
}
