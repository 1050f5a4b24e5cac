//! The agent side of `bog-agents-daemon`: which model providers it can talk to and where, and which other agents it knows
//! by name.
//!
//! Nothing here runs an agent, reads the environment or opens a connection: callers look names up and pass them in.

pub mod endpoints;
pub mod presets;
pub mod providers;
pub mod session;
