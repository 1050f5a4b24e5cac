//! What fires jobs: one file per kind of source. Each turns the world into fires and hands them to the inbox; none waits
//! for another.

mod file_change;
mod git_push;
mod slots;
mod writers;

pub use file_change::{Files, run as file_change};
pub use git_push::{GitPushes, run as git_pushes};
pub use slots::{Slots, run as slots};
