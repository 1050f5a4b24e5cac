//! The parts of `bog-agents-daemon`, as a library so that its tests can drive them.

pub mod failpoint;
pub mod runner;
