//! Pushes to git repositories, as far as they are decided and not looked up: which names a trigger means, what has moved
//! between two looks at a repository's refs, and what a fire tells of it.
//!
//! What git says is somebody else's text: it is parsed here, cleaned and bounded, and never taken for more than data.

mod commits;
mod pattern;
mod push;
mod refs;
mod source;
mod spool;
mod text;

pub use commits::{COMMIT_FORMAT, Commit, MAX_COMMITS, parse_commits, parse_paths};
pub use pattern::RefPattern;
pub use push::{Details, MAX_PATHS, Push};
pub use refs::{Change, ListingError, Move, Refs, is_sha, moves, parse_listing};
pub use source::{Source, own_prefix};
pub use spool::{Pushed, parse_spooled};
