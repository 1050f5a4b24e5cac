//! What fires jobs: one file per kind of source. Each turns the world into fires and hands them to the inbox; none waits
//! for another.

mod slots;

pub use slots::{Slots, run as slots};
