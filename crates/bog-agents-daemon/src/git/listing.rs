//! The refs of a repository, as git lists them: loose, packed or in a reftable makes no difference to it.

use super::command::{Call, GitError, Said};
use super::layout::Layout;
use bog_domain::git::{Refs, parse_listing};
use sha2::{Digest, Sha256};

/// A list of refs is longer than this only by mistake, or malice: it would be a million refs.
const MOST_MIB: u64 = 64;

/// The branches and tags of a repository at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// All of them.
    pub refs: Refs,
    /// A digest of them.
    pub digest: [u8; 32],
    /// What git could not make sense of and left out, in its words.
    pub left_out: Option<String>,
}

/// Lists the branches and tags of a repository of this machine.
///
/// # Errors
/// When git cannot be asked, or refuses.
pub async fn local(layout: &Layout) -> Result<Listing, GitError> {
    let call = Call::local(layout, "for-each-ref").most_mib(MOST_MIB);
    let said = call.args(["--format=%(objectname) %(refname)", "refs/heads", "refs/tags"]).answer().await?;
    listing(&said)
}

/// Lists the branches and tags of a remote.
///
/// # Errors
/// When it cannot be asked, or refuses.
pub async fn remote(address: &str) -> Result<Listing, GitError> {
    let call = Call::remote("ls-remote").most_mib(MOST_MIB);
    listing(&call.args(["--quiet", "--refs", "--heads", "--tags", "--", address]).answer().await?)
}

fn listing(said: &Said) -> Result<Listing, GitError> {
    let left_out = said.complaint.lines().find(|line| line.contains("ignoring "));
    let left_out = left_out.map(|line| line.trim_start_matches("warning: ").to_owned());
    let digest = Sha256::digest([said.stdout.as_slice(), said.complaint.as_bytes()].concat()).into();
    Ok(Listing { refs: parse_listing(&said.stdout)?, digest, left_out })
}
