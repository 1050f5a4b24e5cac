//! The sandbox: what an agent's process tree may see, write and reach.
//!
//! [`policy`] says what is to hold, in paths of this machine; [`paths`] makes it of what a job is granted. What enforces
//! it is applied by the launch stage to itself, before it becomes, or starts, the agent.

pub mod paths;
pub mod policy;
