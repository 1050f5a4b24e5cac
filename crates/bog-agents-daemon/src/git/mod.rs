//! Git repositories: where their refs are, what git says of them, and the hook that tells of pushes.
//!
//! A repository is somebody else's, down to its configuration: git is only ever called so that nothing in it can start a
//! program, and what git says is parsed by `bog-domain`. This module knows neither jobs nor fires.

mod command;
mod details;
mod hook;
mod layout;
mod listing;
mod spool;

pub use command::GitError;
pub use details::details;
pub use hook::{HookError, Installed, OWN_FOLDER, Removed, install, is_installed, remove};
pub use layout::{Layout, LayoutError};
pub use listing::{Listing, local, remote};
pub use spool::{SPOOL_BATCH, Spool, Spooled, in_data_folder, take_away};
