//! What fires jobs: one file per kind of source. Each turns the world into fires and hands them to the inbox; none waits
//! for another.

mod file_change;
mod slots;
mod writers;

pub use file_change::{Files, run as file_change};
pub use slots::{Slots, run as slots};
