//! How option values are read that no single command owns.

use clap::builder::{PossibleValuesParser, TypedValueParser};

/// A parser of one of a closed set of words.
pub fn one_of<T: Copy + Send + Sync + 'static>(
    all: &'static [T],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(all.iter().map(move |item| name(*item))).try_map(move |text| {
        let found = all.iter().copied().find(|item| name(*item) == text);
        found.ok_or_else(|| format!("`{text}` is none of the allowed values"))
    })
}
