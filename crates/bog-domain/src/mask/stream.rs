//! Masking of what comes in pieces.

use super::{Mask, Search};
use std::fmt;
use std::sync::Arc;

/// Masks a stream of bytes. The result does not depend on how the stream is cut into pieces.
#[derive(Clone)]
pub struct Masker {
    mask: Arc<Mask>,
    /// What may yet turn out to be the beginning of a secret.
    pub(super) held: Vec<u8>,
    /// The search in it.
    pub(super) search: Option<Search>,
}

impl Masker {
    /// Takes names and values; values that are not [`is_maskable`](super::is_maskable) are left out.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        Self::of(Arc::new(Mask::new(secrets)))
    }

    /// A stream in which these secrets are replaced.
    #[must_use]
    pub const fn of(mask: Arc<Mask>) -> Self {
        Self { mask, held: Vec::new(), search: None }
    }

    /// Takes the next piece of the stream and returns what can be said of it so far. What may be the beginning of a secret
    /// is held back until the next call: at most [`HELD_PER_BYTE`](super::HELD_PER_BYTE) times the bytes of the longest secret.
    #[must_use]
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut said = Vec::with_capacity(self.held.len() + piece.len());
        if self.held.is_empty() {
            let clear = self.mask.scan(piece, &mut self.search, false, &mut said);
            self.held.extend_from_slice(&piece[clear..]);
        } else {
            self.held.extend_from_slice(piece);
            let clear = self.mask.scan(&self.held, &mut self.search, false, &mut said);
            self.held.drain(..clear);
        }
        said
    }

    /// Ends the stream and returns what was held back.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        let mut said = Vec::new();
        let clear = self.mask.scan(&self.held, &mut self.search, true, &mut said);
        said.extend(self.held.drain(..).skip(clear));
        said
    }

    /// Masks a whole text, apart from the stream.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        self.mask.mask(text).into_owned()
    }
}

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Masker").field("mask", &self.mask).finish_non_exhaustive()
    }
}
