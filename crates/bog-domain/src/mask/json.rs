//! Masking of JSON documents: each text in it by itself, so that what comes out is JSON whatever a secret looks like.

use super::Mask;
use serde_json::Value;
use std::borrow::Cow;

impl Mask {
    /// Masks every text and every key of a JSON document; borrowed where there was nothing to mask. What is no JSON is
    /// masked as it is.
    #[must_use]
    pub fn mask_json<'a>(&self, document: &'a [u8]) -> Cow<'a, [u8]> {
        // What is found in a text is found in its escaped form too, unless that escapes what was escaped before: so most
        // documents are done with here. The reverse does not hold: in a line break, `\n`, and the rest of a secret that
        // begins with `n` there is no secret.
        let masked = self.mask_bytes(document);
        if matches!(masked, Cow::Borrowed(_)) && !document.windows(2).any(|pair| pair == br"\\") {
            return masked;
        }
        let Ok(mut value) = serde_json::from_slice(document) else { return masked };
        if self.mask_value(&mut value) { Cow::Owned(value.to_string().into_bytes()) } else { Cow::Borrowed(document) }
    }

    /// Whether there was anything to mask.
    fn mask_value(&self, value: &mut Value) -> bool {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
            Value::String(text) => match self.mask(text) {
                Cow::Borrowed(_) => false,
                Cow::Owned(masked) => {
                    *text = masked;
                    true
                }
            },
            Value::Array(items) => self.mask_all(items.iter_mut()),
            Value::Object(fields) => {
                let any = self.mask_all(fields.values_mut());
                if fields.keys().all(|key| matches!(self.mask(key), Cow::Borrowed(_))) {
                    return any;
                }
                let masked =
                    std::mem::take(fields).into_iter().map(|(key, value)| (self.mask(&key).into_owned(), value));
                *fields = masked.collect();
                true
            }
        }
    }
    fn mask_all<'v>(&self, values: impl Iterator<Item = &'v mut Value>) -> bool {
        values.map(|value| self.mask_value(value)).filter(|changed| *changed).count() > 0
    }
}
