//! The real relay, with its doors in a network namespace of its own: what gets through, what does not, and its end.

mod daemon;
mod life;
mod loopback;
mod names;
pub mod namespace;
mod proxy;
mod upstream;
