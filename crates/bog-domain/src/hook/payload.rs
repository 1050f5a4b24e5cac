//! What a body says: JSON if it is JSON, else form fields if it is declared to be a form, else text.

use serde_json::{Map, Value};

/// Form fields that are read; further ones are passed over.
const MAX_FIELDS: usize = 1000;

/// The field in which GitHub, Slack and others put JSON into a form.
const JSON_FIELD: &str = "payload";

/// Reads a body. `content_type` is the header as it came.
///
/// A form becomes an object of its fields; a field that is given several times is a list. A form whose only field is
/// `payload`, and that JSON, is that JSON. Text that is not UTF-8 has its bad bytes replaced.
#[must_use]
pub fn payload(content_type: Option<&str>, body: &[u8]) -> Value {
    if let Ok(value) = serde_json::from_slice(body) {
        return value;
    }
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return form(body);
    }
    String::from_utf8_lossy(body).into_owned().into()
}

fn form(body: &[u8]) -> Value {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(body).take(MAX_FIELDS) {
        let value = Value::from(value.into_owned());
        match fields.get_mut(name.as_ref()) {
            None => {
                fields.insert(name.into_owned(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    let only = if fields.len() == 1 { fields.get(JSON_FIELD).and_then(Value::as_str) } else { None };
    only.and_then(|json| serde_json::from_str(json).ok()).unwrap_or(Value::Object(fields))
}
