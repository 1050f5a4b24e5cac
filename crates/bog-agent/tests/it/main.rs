//! The agent against servers that others wrote, and against one of ours that misbehaves.

mod faults;
mod mcp;
mod protocol;
mod providers;
mod proxy;
mod support;
mod tls;
