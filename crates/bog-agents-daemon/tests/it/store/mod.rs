//! The store: what its operations promise, and what is left of a promise when the disk, the process or the file fails.

mod concurrency;
mod conformance;
mod full_disk;
mod integrity;
pub mod ledger;
mod model;
mod opening;
mod speed;
