//! The parts of `bog-agents-daemon`, as a library so that its tests can drive them.

pub mod clock;
pub mod env;
pub mod failpoint;
pub mod runner;
pub mod tasks;
