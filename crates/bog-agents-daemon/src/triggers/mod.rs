//! What fires jobs: one file per kind of source. Each turns the world into fires and hands them to the inbox; none waits
//! for another.

mod git_push;
mod slots;

pub use git_push::{CauseAt, GitPushes, run as git_pushes};
pub use slots::{Slots, run as slots};
