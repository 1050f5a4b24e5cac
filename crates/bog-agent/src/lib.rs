//! The agent side of `bog-agents-daemon`: which model providers it can talk to and where, and which other agents it knows
//! by name.
//!
//! Nothing here runs an agent, reads the environment or opens a connection: callers look names up and pass them in.

pub mod agent;
pub mod chat;
mod clock;
pub mod endpoints;
pub mod environment;
mod journal;
mod ledger;
pub mod mcp;
mod memory;
pub mod model;
pub mod presets;
mod prices;
pub mod providers;
pub mod serve;
pub mod session;
mod skills;
mod tasks;
mod tools;
