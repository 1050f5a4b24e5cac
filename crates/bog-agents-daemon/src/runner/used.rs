//! `used.json`: what a run had used at the last word of its agent's host. It counts where the runner dies without a word too.
//!
//! It is a courtesy: where it cannot be written or read, as after a power cut, nothing is known.

use bog_domain::agent_end::ModelUsage;
use std::io;
use std::path::Path;

const FILE: &str = "used.json";
const ASIDE: &str = "used.json.new";

/// Takes the place of what was written before.
pub(super) fn write(dir: &Path, used: &[ModelUsage]) -> io::Result<()> {
    std::fs::write(dir.join(ASIDE), serde_json::to_vec(used)?)?;
    std::fs::rename(dir.join(ASIDE), dir.join(FILE))
}

/// What the run of an attempt had used, as far as it is known.
#[must_use]
pub fn read(dir: &Path) -> Vec<ModelUsage> {
    std::fs::read(dir.join(FILE)).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}
