//! The pure core of `bog-agents-daemon`: what a job is, when it is due, what may follow what.
//!
//! Nothing here reads a clock, a disk or a network, and nothing is async: every decision is a function of its
//! arguments. The daemon's workers are thin loops around these functions.

pub mod address;
pub mod agent_end;
pub mod breaker;
pub mod cause;
pub mod containment;
pub mod delivery;
pub mod error;
pub mod event;
pub mod files;
pub mod filter;
pub mod fire;
pub mod git;
pub mod hook;
pub mod ids;
pub mod incident;
pub mod job;
pub mod mask;
pub mod overlap;
pub mod permission;
pub mod retry;
pub mod run;
pub mod sample;
pub mod schedule;
pub mod signature;
pub mod spec;
pub mod template;
pub mod text;
pub mod units;
