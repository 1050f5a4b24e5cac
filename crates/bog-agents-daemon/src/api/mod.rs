//! The wire shapes and the API over them.
pub mod wire;
