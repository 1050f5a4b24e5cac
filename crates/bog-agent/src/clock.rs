//! The one file of this crate that reads the wall clock.

/// The time.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the file of this crate that reads the wall clock")]
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
